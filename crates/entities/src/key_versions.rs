//! What is known of the versions of the key of pseudonyms, beside the data that were made
//! with them: so that a key that is lost or another one is noticed, and an old one is retired
//! when nothing is stored under it any more.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ids::KeyVersionId;
use crate::records::{Record, RecordKind};

/// What is known of one version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyVersion {
    /// What tells its key from another, and not what it is.
    pub fingerprint: String,
    /// How many records the last whole pass over the tables found under it; nothing before
    /// the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left: Option<u64>,
    /// Since when nothing of the tables of events and people is stored under it; slates may
    /// be, which are not moved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub moved_since: Option<Timestamp>,
    /// Since when nothing is stored under it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unused_since: Option<Timestamp>,
}

impl Record for KeyVersion {
    const KIND: RecordKind = "pseudonym-key";
    type Id = KeyVersionId;
}

/// Where a pass is that takes records forward.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RekeyingStage {
    /// In the table of events.
    #[default]
    Events,
    /// In the table of people.
    People,
    /// In the log of decisions, whose records are not moved: they expire.
    Decisions,
}

/// How far the pass has come that takes everything forward to one version.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rekeying {
    /// Where it is.
    pub stage: RekeyingStage,
    /// The page that comes next there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// What it has found so far, by version.
    #[serde(default)]
    pub found: BTreeMap<u32, u64>,
}

impl Record for Rekeying {
    const KIND: RecordKind = "rekeying";
    type Id = KeyVersionId;
}
