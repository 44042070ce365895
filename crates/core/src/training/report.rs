//! What a training run saw and measured.

use std::collections::BTreeMap;

use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::entities::ids::DomainId;
use crate::evidence::cleaning::CleaningLedger;
use crate::maths::measure::DomainEvaluation;
use crate::model::bridges::Direction;
use crate::training::bridging::gate::DirectionReport;
use crate::training::bridging::look_alike::LookAlikeReport;
use crate::training::drift::DriftReport;
use crate::training::mixing::MixtureReport;
use crate::training::served_by::ServedBy;
use crate::training::shadow::ShadowReport;
use crate::training::tuning::TuningReport;
use crate::training::{ContentReport, SegmentReport, TopicReport};

/// What a training run saw and measured.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct TrainingReport {
    /// What cleaning kept and refused.
    pub cleaning: CleaningLedger,
    /// Events not used for want of consent.
    pub without_consent: u64,
    /// People with a consented event.
    pub people: usize,
    /// Rows of the joint matrix: more than people where consents keep domains apart.
    pub rows: usize,
    /// Items with an event.
    pub items: usize,
    /// Entries of the joint matrix.
    pub interactions: usize,
    /// The instant that split training from held-out events; absent when the
    /// events do not spread over time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub split_at: Option<Timestamp>,
    /// How hyper-parameters were chosen, when that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tuning: Option<Box<TuningReport>>,
    /// How each domain is served; absent in reports from before domains were told apart.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub served: BTreeMap<DomainId, ServedBy>,
    /// Full-ranking evaluation by domain, of what is served.
    pub evaluation: BTreeMap<DomainId, DomainEvaluation>,
    /// The model against popularity and the champion, on the same people.
    #[serde(default)]
    pub shadow: ShadowReport,
    /// What came in of late against what the champion was made from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drift: Option<DriftReport>,
    /// For each direction between domains, the candidates for a bridge, their
    /// figures, and which is served.
    #[serde(default)]
    pub bridges: Vec<DirectionReport>,
    /// Directions in which too few people have both domains to tell whether anything helps, and
    /// in which items whose texts are alike are tried, within a budget.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub priors: Vec<Direction>,
    /// For each domain that is served by evidence, what may rank its items, the figures,
    /// and which is served.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rankings: Vec<MixtureReport>,
    /// Items of two domains that look like one thing sold on both.
    #[serde(default)]
    pub look_alikes: LookAlikeReport,
    /// Kinds of people, by domain; absent where nobody was looked at.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub segments: BTreeMap<DomainId, SegmentReport>,
    /// What people like, by domain; absent where there are too few.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub topics: BTreeMap<DomainId, TopicReport>,
    /// How new items are ranked by their text, by domain; absent where too few have one.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub content: BTreeMap<DomainId, ContentReport>,
}

impl TrainingReport {
    /// The report as it is stored, in JSON. Samples name events of users, and what is
    /// stored outlives an erasure: they are left out.
    ///
    /// # Errors
    /// When it cannot be written as JSON.
    pub fn encode(&self) -> Result<Bytes, serde_json::Error> {
        let kept = Self { cleaning: self.cleaning.clone().without_samples(), ..self.clone() };
        Ok(serde_json::to_vec(&kept)?.into())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// The address of a report is that of its bytes: who reads it and writes it again
        /// gets the same ones.
        #[test]
        fn a_report_read_and_written_again_has_the_same_bytes(
            mean in proptest::num::f64::NORMAL | proptest::num::f64::SUBNORMAL,
        ) {
            let mut report = TrainingReport::default();
            let mut evaluation = DomainEvaluation::default();
            evaluation.metrics.insert("ndcg@20".to_owned(), mean);
            report.evaluation.insert(DomainId::parse("knowledge").unwrap(), evaluation);
            let bytes = report.encode().unwrap();
            let read: TrainingReport = serde_json::from_slice(&bytes).unwrap();
            prop_assert_eq!(read.encode().unwrap(), bytes);
        }
    }
}
