//! The wire formats in which events are posted: a file for each.
//!
//! A format turns a body into an [`EventBatch`]; from there on, all are the
//! same. What cannot be read as a whole is the extractor's to refuse; an event
//! that cannot be read is refused by itself, with the others of its batch kept.

use crossfold_core::entities::event::{EventRejection, RawEvent};
use crossfold_core::entities::ids::DomainId;

pub(crate) mod crossfold;

/// A posted batch, whatever its format was.
pub(crate) struct EventBatch {
    /// The platform whose events these are.
    pub(crate) domain: DomainId,
    /// The events in the order of the body, or why one of them cannot be read.
    pub(crate) events: Vec<Result<RawEvent, EventRejection>>,
    /// Users of the batch whose events are refused if the user was erased.
    pub(crate) refuse_erased: Vec<String>,
}
