//! The deletion of a domain: how far it has come, and what it covers.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::catalogue::ChangeNumber;
use crate::event::Event;
use crate::ids::DomainId;
use crate::records::{Record, RecordKind};

/// What is being gone through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeletionStage {
    /// The catalogue, entry by entry.
    Items,
    /// Everyone who is known, for users of the domain and consents about it.
    People,
    /// Every event, for those of users who were never registered.
    Events,
    /// Nothing: all is done.
    Done,
}

/// What was deleted so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deleted {
    /// Write keys that were revoked.
    pub keys: u64,
    /// Catalogue entries that were emptied.
    pub items: u64,
    /// Users that were erased.
    pub users: u64,
    /// Events, and items dismissed or seen for ever.
    pub events: u64,
}

/// A deletion that was begun. It stays when it is done, so that what the archive
/// still holds of the domain's earlier life is known as such.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DomainDeletion {
    /// How many deletions of the domain there have been, this one among them: the number of
    /// the life that a domain of that name leads after it. 0 in records of before lives were
    /// numbered.
    #[serde(default)]
    pub number: u64,
    /// When it was begun.
    pub started_at: Timestamp,
    /// When it was done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Timestamp>,
    /// What is being gone through.
    pub stage: DeletionStage,
    /// Where the stage goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// What was deleted so far.
    pub deleted: Deleted,
    /// The last change of the catalogue that emptied it: what was emptied up to then was
    /// of the earlier life.
    #[serde(default)]
    pub emptied_by: ChangeNumber,
}

impl Record for DomainDeletion {
    const KIND: RecordKind = "domain-deletion";
    type Id = DomainId;
}

impl DomainDeletion {
    /// A deletion that begins now.
    #[must_use]
    pub fn begun(started_at: Timestamp) -> Self {
        Self {
            number: 0,
            started_at,
            finished_at: None,
            stage: DeletionStage::Items,
            cursor: None,
            deleted: Deleted::default(),
            emptied_by: ChangeNumber::default(),
        }
    }

    /// Whether all of it is done.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.stage == DeletionStage::Done
    }

    /// Whether an event of the domain belongs to a life that was deleted. Of a deletion of
    /// before lives were numbered there is only the clock to go by: the event arrived before
    /// that was done.
    #[must_use]
    pub fn covers(&self, event: &Event) -> bool {
        match self.number {
            0 => self.covers_until(event.received_at),
            number => u64::from(event.domain_life) < number,
        }
    }

    /// Whether something that says of no life when it was written, by the service's clock, was
    /// written before the deletion was done: all that there is to go by.
    #[must_use]
    pub fn covers_until(&self, written_at: Timestamp) -> bool {
        written_at <= self.finished_at.unwrap_or(Timestamp::MAX)
    }

    /// Goes on with another stage, from its beginning.
    pub fn enter(&mut self, stage: DeletionStage) {
        (self.stage, self.cursor) = (stage, None);
    }
}
