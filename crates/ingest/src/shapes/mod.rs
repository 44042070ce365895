//! The wire formats in which events are posted: a file for each.
//!
//! A format turns a body into [`Posted`] events; from there on, all are the
//! same. What cannot be read as a whole is refused as a whole; an event that
//! cannot be read is refused by itself, with the others of its batch kept. What
//! other systems' events mean is told by the domain's definition ([`mapping`])
//! and, where that is silent, by names that are [`well_known`].

use crossfold_core::entities::event::{EventRejection, RawEvent};

pub(crate) mod cloudevents;
pub(crate) mod crossfold;
pub(crate) mod mapping;
pub(crate) mod personalize;
pub(crate) mod personalize_items;
pub(crate) mod segment;
mod well_known;

/// One event as posted, or why it cannot be read.
pub(crate) struct Posted {
    /// Its place in the posted list. An event about several items is one of each
    /// of them, all at the same place.
    pub(crate) index: usize,
    pub(crate) event: Result<RawEvent, EventRejection>,
}
