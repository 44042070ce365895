//! Records: the small documents that steer the system, each of a kind.
//!
//! A room that needs to keep something new implements [`Record`] beside the type;
//! no store, table or adapter has to learn of it.

use std::str::FromStr;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::definition::DomainDefinition;
use crate::ids::{DomainId, InvalidId};

/// A kind of record: the first part of its key in the store, so never renamed.
pub type RecordKind = &'static str;

/// What can be kept as a record.
pub trait Record: Serialize + DeserializeOwned {
    /// Its kind; no two types share one.
    const KIND: RecordKind;
    /// What tells records of the kind apart.
    type Id: AsRef<str> + FromStr<Err = InvalidId>;
}

impl Record for DomainDefinition {
    const KIND: RecordKind = "domain";
    type Id = DomainId;
}
