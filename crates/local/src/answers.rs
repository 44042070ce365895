//! What the API answers, as far as the commands read it.
//!
//! A figure is read as wide as it is printed: a score is an `f32` in the model, and the
//! shortest text that means it is rounded from as an `f64`.

use std::collections::BTreeMap;
use std::fmt::{self, Display};

use anyhow::{Context, Result};
use crossfold_core::entities::counted::were;
use crossfold_core::entities::decision::SlateEntry;
use crossfold_core::entities::ids::{DomainId, ModelId, RecommendationId};
use crossfold_core::release::attention::Attention;
use crossfold_core::release::champion::Promotion;
use crossfold_core::release::record::{ModelRecord, ModelState};
use crossfold_core::release::run::TrainingRun;
use crossfold_core::serving::replay::Finding;
use crossfold_core::training::drift::DriftReport;
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The code of an event that was not stored, and may be when it is sent again.
pub(crate) const STORE_UNAVAILABLE: &str = "store_unavailable";

/// Reads an answer.
///
/// # Errors
/// When it is none of this kind.
pub(crate) fn read<T: DeserializeOwned>(answer: Value) -> Result<T> {
    serde_json::from_value(answer).context("the API answered what this command cannot read")
}

/// `POST /v1/recommendations`.
#[derive(Debug, Deserialize)]
pub(crate) struct SlateAnswer {
    pub(crate) personalised: bool,
    pub(crate) degraded: Vec<String>,
    pub(crate) items: Vec<SlateItem>,
    /// What became of each target's catalogue, if that was asked.
    #[serde(default)]
    pub(crate) inspection: Option<Vec<InspectedAnswer>>,
}

/// What became of a target's catalogue.
#[derive(Debug, Deserialize)]
pub(crate) struct InspectedAnswer {
    pub(crate) domain: DomainId,
    pub(crate) eligible: u64,
    pub(crate) left_out: Vec<LeftOutAnswer>,
}

/// What a rule left out.
#[derive(Debug, Deserialize)]
pub(crate) struct LeftOutAnswer {
    /// A rule of a newer server is one, too.
    pub(crate) rule: String,
    pub(crate) items: u64,
    /// Why, of offers that cannot be had.
    #[serde(default)]
    pub(crate) reasons: BTreeMap<String, u64>,
    /// The first of them.
    pub(crate) samples: Vec<LeftOutItemAnswer>,
}

/// An item that was left out.
#[derive(Debug, Deserialize)]
pub(crate) struct LeftOutItemAnswer {
    pub(crate) item_id: String,
}

/// An item of a slate.
#[derive(Debug, Deserialize)]
pub(crate) struct SlateItem {
    pub(crate) rank: usize,
    pub(crate) domain: DomainId,
    pub(crate) item_id: String,
    pub(crate) title: String,
    pub(crate) score: f64,
    /// Absent when no reasons were asked for.
    pub(crate) reason: Option<SlateReason>,
    /// What its offer costs, as it is to be shown: whole.
    #[serde(default)]
    pub(crate) offer: Option<Value>,
}

/// `POST /v1/recommendations/{id}/replay`.
#[derive(Debug, Deserialize)]
pub(crate) struct ReplayAnswer {
    pub(crate) recommendation_id: RecommendationId,
    pub(crate) decided_at: Timestamp,
    pub(crate) policy: String,
    pub(crate) seed: u64,
    pub(crate) same: bool,
    pub(crate) findings: Vec<Finding>,
    /// Absent where it cannot be told whether the user was erased.
    pub(crate) served: Option<Vec<SlateEntry>>,
}

/// Why an item is on a slate.
#[derive(Debug, Deserialize)]
pub(crate) struct SlateReason {
    pub(crate) text: String,
}

/// `GET /v1/models`: the models are left as they came, to be printed so.
#[derive(Debug, Deserialize)]
pub(crate) struct ModelPageAnswer {
    pub(crate) models: Vec<Value>,
    /// The model to go on after; none at the end.
    pub(crate) next: Option<ModelId>,
}

/// `GET /v1/models/{id}`.
#[derive(Debug, Deserialize)]
pub(crate) struct ModelAnswer {
    pub(crate) state: ModelState,
    #[serde(flatten)]
    pub(crate) record: ModelRecord,
    /// Promotions of the model and away from it.
    pub(crate) promotions: Vec<Promotion>,
    /// Of the champion: what came in of late against what it was made from.
    pub(crate) drift: Option<DriftReport>,
}

/// `GET /v1/status`.
#[derive(Debug, Deserialize)]
pub(crate) struct StatusAnswer {
    pub(crate) at: Timestamp,
    /// The most urgent first.
    pub(crate) attention: Vec<Entry>,
    pub(crate) domains: Vec<DomainStatus>,
    pub(crate) champion: Option<ChampionStatus>,
    pub(crate) last_run: Option<TrainingRun>,
    /// What the newest run that read the archive saw.
    pub(crate) archive: Option<ArchiveStatus>,
    pub(crate) activity: Vec<DayStatus>,
    /// The versions of the key of pseudonyms; none of an older server.
    #[serde(default)]
    pub(crate) keys: Vec<KeyStatus>,
}

/// A version of the key of pseudonyms.
#[derive(Debug, Deserialize)]
pub(crate) struct KeyStatus {
    pub(crate) version: u32,
    pub(crate) left: Option<u64>,
    pub(crate) unused_since: Option<Timestamp>,
}

/// One thing that was noticed.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum Entry {
    /// One that this version knows.
    Known(Attention),
    /// One of a newer server.
    Other {
        /// What it is.
        code: String,
    },
}

impl Entry {
    /// Whether it keeps people from being served as well as they could be. The others may be as
    /// they should: events of robots are left out, not every direction deserves a bridge, and
    /// what was not stored in time is sent again by who sends.
    pub(crate) fn needs_attention(&self) -> bool {
        let is_as_it_should =
            matches!(self, Self::Known(Attention::LeftOut { .. } | Attention::NoBridge { .. }));
        !is_as_it_should && self.not_stored_in_time().is_none()
    }

    /// How many of an intake's elements were not stored in time, if it is of such.
    fn not_stored_in_time(&self) -> Option<u64> {
        match self {
            Self::Known(Attention::Refused { intake, reason, elements })
                if intake == "events" && reason == STORE_UNAVAILABLE =>
            {
                Some(*elements)
            }
            _ => None,
        }
    }

    /// What may help, as a command where there is one.
    pub(crate) fn what_to_do(&self) -> Option<String> {
        let Self::Known(known) = self else { return None };
        match known {
            Attention::NoDomain => Some(
                "define one: PUT /v1/domains/{domain}, or crossfold import --domain NAME FILE"
                    .to_owned(),
            ),
            Attention::NoModel
            | Attention::StaleModel { .. }
            | Attention::Drifted { .. }
            | Attention::ModelRefused { model: None, .. } => Some("crossfold train".to_owned()),
            Attention::SetAside { .. } => Some(
                "what is there, and why: set-aside/ in the bucket; once this version can read it: \
                 crossfold redrive"
                    .to_owned(),
            ),
            Attention::RunFailed { .. } => {
                Some("mend what the reason names, then: crossfold train".to_owned())
            }
            Attention::ModelRefused { model: Some(model), .. } => Some(format!(
                "crossfold models show {model}; to serve it all the same: \
                 crossfold models promote {model}"
            )),
            _ => None,
        }
    }
}

impl Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(events) = self.not_stored_in_time() {
            let events = were(events, "event");
            return write!(
                f,
                "{events} not stored in time, and whoever sent them was told to send them again"
            );
        }
        match self {
            Self::Known(known) => known.fmt(f),
            Self::Other { code } => f.write_str(code),
        }
    }
}

/// A domain that the caller acts for.
#[derive(Debug, Deserialize)]
pub(crate) struct DomainStatus {
    pub(crate) domain: DomainId,
    pub(crate) name: String,
    /// Items that the champion knows; none when it does not know the domain.
    pub(crate) items: Option<u64>,
    /// People that the champion was made from.
    pub(crate) people: Option<u64>,
}

/// The model that serves.
#[derive(Debug, Deserialize)]
pub(crate) struct ChampionStatus {
    pub(crate) id: ModelId,
    pub(crate) created_at: Timestamp,
    pub(crate) promoted_at: Timestamp,
    /// Events that it was made from, for who acts for every domain.
    pub(crate) events: Option<u64>,
}

/// What a run saw in the archive.
#[derive(Debug, Deserialize)]
pub(crate) struct ArchiveStatus {
    pub(crate) requested_at: Timestamp,
    pub(crate) events: u64,
    pub(crate) people: u64,
}

/// What happened in a domain on a day.
#[derive(Debug, Deserialize)]
pub(crate) struct DayStatus {
    pub(crate) events: IntakeStatus,
    pub(crate) slates: SlatesStatus,
    /// None, of a server of before there were campaigns.
    #[serde(default)]
    pub(crate) pushes: PushesStatus,
}

/// What users were told of by campaigns.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct PushesStatus {
    pub(crate) told: u64,
    /// By code.
    pub(crate) not_told: BTreeMap<String, u64>,
}

/// What was posted.
#[derive(Debug, Deserialize)]
pub(crate) struct IntakeStatus {
    pub(crate) accepted: u64,
    /// By code.
    pub(crate) refused: BTreeMap<String, u64>,
}

/// What was served.
#[derive(Debug, Deserialize)]
pub(crate) struct SlatesStatus {
    pub(crate) served: u64,
    pub(crate) personalised: u64,
}

/// `POST /v1/events`.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct EventsAnswer {
    pub(crate) accepted: u64,
    pub(crate) duplicates: u64,
    /// Events that were found stored when they were sent again, after a try that was not
    /// answered in time: this try stored them, or they were there before. Counted here.
    #[serde(skip)]
    pub(crate) sent_again: u64,
    pub(crate) rejected: Vec<Rejection>,
}

/// `POST /v1/domains/{domain}/items`.
#[derive(Debug, Deserialize)]
pub(crate) struct ItemsAnswer {
    pub(crate) upserted: u64,
    pub(crate) rejected: Vec<Rejection>,
}

/// One element of a batch that was refused.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Rejection {
    pub(crate) code: String,
    pub(crate) detail: String,
    pub(crate) index: usize,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // A test may stop at the first surprise.

    use serde_json::json;

    use super::*;

    #[test]
    fn what_was_to_be_sent_again_is_worth_knowing_and_not_called_refused() {
        let entry = |reason: &str| -> Entry {
            let json = json!({
                "code": "refused", "intake": "events", "reason": reason, "elements": 1000,
            });
            let entry = read(json).unwrap();
            assert!(matches!(entry, Entry::Known(_)), "{entry}");
            entry
        };
        let later = entry(STORE_UNAVAILABLE);
        assert!(!later.needs_attention());
        assert!(later.to_string().starts_with("1000 events were not stored in time"), "{later}");
        let refused = entry("unknown_event_type");
        assert!(refused.needs_attention());
        assert!(refused.to_string().contains("refused"), "{refused}");
    }
}
