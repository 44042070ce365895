//! The ledger: how many events were refused or adjusted, why, and a few of them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::RefusedEvent;
use crate::entities::event::Event;
use crate::entities::ids::{DomainId, EventType, ItemId};

/// Why an archived event is not used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// The same event was archived before (streams deliver at least once).
    Duplicate,
    /// Its domain has no definition any more.
    UnknownDomain,
    /// Its domain no longer knows its type.
    UnknownEventType,
    /// Its item is not in the catalogue.
    OrphanItem,
    /// Its user was erased.
    ErasedUser,
    /// It claims to have happened after it was received, beyond the tolerated skew.
    ClockSkew,
    /// Its user acts at a rate that only a machine has.
    Robot,
}

/// A text is no reason for a refusal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no reason for a refusal")]
pub struct UnknownRefusal(pub String);

impl Refusal {
    /// Every reason.
    pub const ALL: [Self; 7] = [
        Self::Duplicate,
        Self::UnknownDomain,
        Self::UnknownEventType,
        Self::OrphanItem,
        Self::ErasedUser,
        Self::ClockSkew,
        Self::Robot,
    ];

    /// The reason as it stands in reports and file names.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Duplicate => "duplicate",
            Self::UnknownDomain => "unknown_domain",
            Self::UnknownEventType => "unknown_event_type",
            Self::OrphanItem => "orphan_item",
            Self::ErasedUser => "erased_user",
            Self::ClockSkew => "clock_skew",
            Self::Robot => "robot",
        }
    }

    /// The reason in words that go on from a number of events.
    #[must_use]
    pub fn in_words(self) -> &'static str {
        match self {
            Self::Duplicate => "are duplicates",
            Self::UnknownDomain => "are of domains that have no definition",
            Self::UnknownEventType => "are of types that their domain does not define",
            Self::OrphanItem => "are about items that are not in the catalogue",
            Self::ErasedUser => "are of erased users",
            Self::ClockSkew => "claim to have happened after they were received",
            Self::Robot => "are of users whose rate only a machine has",
        }
    }

    /// Reads what [`Refusal::as_str`] gives.
    ///
    /// # Errors
    /// [`UnknownRefusal`] for any other text.
    pub fn parse(text: &str) -> Result<Self, UnknownRefusal> {
        let named = |reason: &Self| reason.as_str() == text;
        Self::ALL.into_iter().find(named).ok_or_else(|| UnknownRefusal(text.to_owned()))
    }
}

/// What was drawn in to a bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Adjustment {
    /// The money involved.
    Value,
    /// The seconds spent.
    Dwell,
}

/// What an event was about: reports and records outlive erasures, so it names neither the
/// event nor whose it was. The events themselves are in the archive or in quarantine, where
/// erasure reaches them. Records of before it was so held the event's id, which is not read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sample {
    /// Its domain.
    pub domain: DomainId,
    /// Its type; like the item, absent in records of before it was kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_type: Option<EventType>,
    /// Its item.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub item_id: Option<ItemId>,
}

impl Sample {
    fn of(event: &Event) -> Self {
        Self {
            domain: event.domain.clone(),
            event_type: Some(event.event_type.clone()),
            item_id: Some(event.item_id.clone()),
        }
    }
}

/// Most samples kept for one reason.
pub const MAX_SAMPLES: usize = 5;

/// Samples of a reason that a record of bounded size holds.
const RECORDED_SAMPLES: usize = 2;

/// How many events cleaning saw, and what it did with them. `read` is always
/// `kept` plus all `refused`; an adjusted event is among the kept.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CleaningLedger {
    /// Events read from the archive.
    pub read: u64,
    /// Events kept.
    pub kept: u64,
    /// Files of the archive that lie aside because they cannot be read: what is in them was
    /// not read.
    #[serde(default, skip_serializing_if = "is_none_at_all")]
    pub files_set_aside: u64,
    /// Stream records that lie aside because they could not be archived.
    #[serde(default, skip_serializing_if = "is_none_at_all")]
    pub records_set_aside: u64,
    /// Events refused, by reason.
    pub refused: BTreeMap<Refusal, u64>,
    /// Values and dwell times drawn in to a bound.
    #[serde(default)]
    pub adjusted: BTreeMap<Adjustment, u64>,
    /// A few refused events by reason, at most [`MAX_SAMPLES`] each; none of an
    /// erased user.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub samples: BTreeMap<Refusal, Vec<Sample>>,
    /// A few adjusted events, at most [`MAX_SAMPLES`] for each adjustment.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub adjusted_samples: BTreeMap<Adjustment, Vec<Sample>>,
    /// Most events that a user may have within an hour before the user counts as
    /// a robot, by domain with users enough to tell.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub most_events_an_hour: BTreeMap<DomainId, u64>,
}

#[expect(clippy::trivially_copy_pass_by_ref)] // As serde hands it.
fn is_none_at_all(count: &u64) -> bool {
    *count == 0
}

impl CleaningLedger {
    /// The ledger without samples, for what is kept longer than a run's report.
    #[must_use]
    pub fn without_samples(mut self) -> Self {
        self.samples.clear();
        self.adjusted_samples.clear();
        self
    }

    /// The ledger as a record of bounded size holds it: two samples for each reason and
    /// each adjustment, and no limits by domain.
    #[must_use]
    pub fn bounded(mut self) -> Self {
        self.samples.values_mut().for_each(|samples| samples.truncate(RECORDED_SAMPLES));
        self.adjusted_samples.values_mut().for_each(|samples| samples.truncate(RECORDED_SAMPLES));
        self.most_events_an_hour.clear();
        self
    }

    pub(super) fn count(&mut self, reason: Refusal) {
        *self.refused.entry(reason).or_default() += 1;
    }

    pub(super) fn refuse(&mut self, refused: &RefusedEvent) {
        self.count(refused.reason);
        let samples = self.samples.entry(refused.reason).or_default();
        if samples.len() < MAX_SAMPLES {
            samples.push(Sample::of(&refused.event));
        }
    }

    pub(super) fn adjust(&mut self, adjustment: Adjustment, event: &Event) {
        *self.adjusted.entry(adjustment).or_default() += 1;
        let samples = self.adjusted_samples.entry(adjustment).or_default();
        if samples.len() < MAX_SAMPLES {
            samples.push(Sample::of(event));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_of_a_record_from_before_is_read_without_the_event_it_named() {
        let old = r#"{"event_id":"of-somebody","domain":"films"}"#;
        let sample: Sample = serde_json::from_str(old).unwrap();
        assert_eq!(serde_json::to_string(&sample).unwrap(), r#"{"domain":"films"}"#);
    }

    #[test]
    fn a_reason_reads_as_it_is_written_in_reports_too() {
        for reason in Refusal::ALL {
            assert_eq!(Refusal::parse(reason.as_str()), Ok(reason));
            assert_eq!(serde_json::to_value(reason).unwrap(), reason.as_str());
        }
        assert!(Refusal::parse("boredom").is_err());
    }
}
