//! The erasure of one life of a user: what must be visited, how far that is, and what proves
//! it in the end.
//!
//! Reads know nothing of the life from the first moment on. What else is kept of it is gone
//! through place by place by whoever comes next to each, which may be hours later and after
//! any number of failures: so how far it has come is a record, made before anything is
//! erased, and only when every place was visited does it become a receipt.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ids::{DomainId, Pseudonym, TrainingRunId};
use crate::records::{Record, RecordKind};

/// Where something of a user may lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// What was declared of the user, their links and what they decided; refusals stay with
    /// users they were linked to, without evidence and without saying whose they were.
    People,
    /// Events, dismissals, and what was seen for ever.
    Events,
    /// Slates that were served, and what came of them.
    Decisions,
    /// Archived events.
    ArchivedEvents,
    /// Archived slates.
    ArchivedDecisions,
    /// What came of them, archived.
    ArchivedOutcomes,
    /// Events that cleaning refused, and what was set aside because it could not be read.
    Quarantine,
    /// The model that serves: replaced by one that was trained without the life.
    Model,
}

impl Place {
    /// Every place.
    pub const ALL: [Self; 8] = [
        Self::People,
        Self::Events,
        Self::Decisions,
        Self::ArchivedEvents,
        Self::ArchivedDecisions,
        Self::ArchivedOutcomes,
        Self::Quarantine,
        Self::Model,
    ];
}

/// How far the erasure of a life has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Erasure {
    /// The platform whose user it was.
    pub domain: DomainId,
    /// When it was asked for, by the service's clock.
    pub requested_at: Timestamp,
    /// The places that were visited, each with how many records were deleted there. A process
    /// that died before it could say so may have deleted more.
    pub visited: BTreeMap<Place, u64>,
    /// Its number among erasures, given by the store to those that a run finds when it begins,
    /// before it looks who there is; several may share one. A model whose run began when so
    /// many had been counted knows nothing of the life; any other one completes nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<u64>,
    /// How many archived files of the platform lay aside when the places were last visited,
    /// because they cannot be read: whether the life has rows there nobody can tell. They
    /// expire as events do, and are brought back only through what erases from them.
    #[serde(default, skip_serializing_if = "is_none_at_all")]
    pub unreadable_files: u64,
    /// When every place had been visited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Timestamp>,
}

impl Erasure {
    /// One that begins now.
    #[must_use]
    pub fn requested(domain: DomainId, requested_at: Timestamp) -> Self {
        let visited = BTreeMap::new();
        Self { domain, requested_at, visited, number: None, unreadable_files: 0, finished_at: None }
    }

    /// Notes a visit. Whoever comes again adds what was found then.
    pub fn visit(&mut self, place: Place, deleted: u64) {
        *self.visited.entry(place).or_default() += deleted;
    }

    /// Whether a model that is free of so many erasures knows nothing of the life.
    #[must_use]
    pub fn is_among(&self, erasures: u64) -> bool {
        self.number.is_some_and(|number| number <= erasures)
    }

    /// The places that were not visited yet.
    pub fn left(&self) -> impl Iterator<Item = Place> + '_ {
        Place::ALL.into_iter().filter(|place| !self.visited.contains_key(place))
    }
}

#[expect(clippy::trivially_copy_pass_by_ref)] // As serde hands it.
fn is_none_at_all(count: &u64) -> bool {
    *count == 0
}

/// An erasure that is under way, by the pseudonym of the life.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PendingErasure(pub Erasure);

impl Record for PendingErasure {
    const KIND: RecordKind = "erasure";
    type Id = Pseudonym;
}

/// An erasure that is complete. Kept apart, so that those under way are few to list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FinishedErasure(pub Erasure);

impl Record for FinishedErasure {
    const KIND: RecordKind = "erasure-receipt";
    type Id = Pseudonym;
}

/// A life whose erasure is complete, to be visited once more: what was on its way for longer
/// than anything should be is found then. Its receipt stays as it was signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revisit {
    /// The run that completed the erasure: the visit is another one's. None where the life has
    /// not begun and only slates may have been served in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_by: Option<TrainingRunId>,
}

impl Record for Revisit {
    const KIND: RecordKind = "erasure-revisit";
    type Id = Pseudonym;
}

/// What proves an erasure, to be signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Receipt {
    /// What stood for the user in the life that was erased: it names nobody any more.
    pub pseudonym: Pseudonym,
    /// The platform whose user it was.
    pub domain: DomainId,
    /// When the erasure was asked for.
    pub requested_at: Timestamp,
    /// When it was complete.
    pub finished_at: Timestamp,
    /// How many records were deleted in each place.
    pub deleted: BTreeMap<Place, u64>,
    /// How many files could not be looked into; see [`Erasure::unreadable_files`].
    #[serde(default, skip_serializing_if = "is_none_at_all")]
    pub unreadable_files: u64,
}

impl Receipt {
    /// The receipt of an erasure; `None` while it is under way.
    #[must_use]
    pub fn of(pseudonym: Pseudonym, erasure: &Erasure) -> Option<Self> {
        Some(Self {
            pseudonym,
            domain: erasure.domain.clone(),
            requested_at: erasure.requested_at,
            finished_at: erasure.finished_at?,
            deleted: erasure.visited.clone(),
            unreadable_files: erasure.unreadable_files,
        })
    }

    /// The text that is signed: every field with its name, in a fixed order.
    #[must_use]
    pub fn signed_text(&self) -> String {
        let mut places: Vec<String> = self
            .deleted
            .iter()
            .map(|(place, deleted)| format!("{}={deleted}", place.as_str()))
            .collect();
        // Receipts of before it was told, and those of nothing to tell, have the same text.
        if self.unreadable_files > 0 {
            places.push(format!("unreadable_files={}", self.unreadable_files));
        }
        format!(
            "crossfold-erasure-1\npseudonym={}\ndomain={}\nrequested_at={}\nfinished_at={}\n{}\n",
            self.pseudonym,
            self.domain,
            self.requested_at,
            self.finished_at,
            places.join("\n"),
        )
    }
}

impl Place {
    /// Its name where it is stored and shown.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::People => "people",
            Self::Events => "events",
            Self::Decisions => "decisions",
            Self::ArchivedEvents => "archived_events",
            Self::ArchivedDecisions => "archived_decisions",
            Self::ArchivedOutcomes => "archived_outcomes",
            Self::Quarantine => "quarantine",
            Self::Model => "model",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn erasure() -> Erasure {
        Erasure::requested(DomainId::parse("films").unwrap(), Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn a_place_has_one_name_everywhere() {
        for place in Place::ALL {
            assert_eq!(serde_json::to_value(place).unwrap(), place.as_str());
        }
    }

    #[test]
    fn an_erasure_counts_what_every_visit_found_and_knows_what_is_left() {
        let mut erasure = erasure();
        erasure.visit(Place::Events, 3);
        erasure.visit(Place::Events, 1);
        assert_eq!(erasure.visited[&Place::Events], 4);
        assert_eq!(erasure.left().count(), Place::ALL.len() - 1);
        assert!(erasure.left().all(|place| place != Place::Events));
    }

    #[test]
    fn a_receipt_is_of_a_finished_erasure_and_its_text_tells_any_change() {
        let user = Pseudonym::parse("v1_u").unwrap();
        let mut erasure = erasure();
        assert_eq!(Receipt::of(user.clone(), &erasure), None);
        erasure.visit(Place::Events, 3);
        erasure.finished_at = Some(Timestamp::from_second(60).unwrap());
        let receipt = Receipt::of(user, &erasure).unwrap();
        let mut other = receipt.clone();
        other.deleted.insert(Place::Quarantine, 0);
        assert_ne!(other.signed_text(), receipt.signed_text());
        let later = Receipt { finished_at: Timestamp::from_second(61).unwrap(), ..receipt.clone() };
        assert_ne!(later.signed_text(), receipt.signed_text());
        let torn = Receipt { unreadable_files: 1, ..receipt.clone() };
        assert_ne!(torn.signed_text(), receipt.signed_text());
        let json = serde_json::to_string(&receipt).unwrap();
        assert_eq!(serde_json::from_str::<Receipt>(&json).unwrap(), receipt);
    }
}
