//! Stores while keys rotate: what is stored of a user under an earlier form of their
//! pseudonym is found, changed and erased as if it lay under the canonical one.
//!
//! What is above the ports compares canonical forms and knows of no rotation. Each call
//! goes to every form that is looked up:
//!
//! | | |
//! | --- | --- |
//! | read | the oldest form first and the canonical one last: records only move forward, so that what moves between two reads is seen by the second |
//! | new | written under the form of the current version, once no other form has it |
//! | changed | where it stands |
//! | erased | under every form, in the same order |
//!
//! What refers to a user from elsewhere, as a member or a link, is stored as the oldest form,
//! from which all others follow. It is no use of that version's key to look something up.
//!
//! Two processes of which one writes under an older form than the other may both store one
//! event that is sent to both at once. They answer as if it was new to each; it is one event
//! all the same wherever it is read, and one record once it was moved.

mod decisions;
mod events;
mod mover;
mod people;

use std::sync::Arc;

use crossfold_core::entities::ids::Pseudonym;
use crossfold_core::entities::ports::Stores;
use crossfold_core::entities::pseudonym::Pseudonymiser;

use decisions::RekeyedDecisions;
use events::RekeyedEvents;
pub use mover::rekey_people;
use people::RekeyedPeople;

/// The stores, under every form that is looked up. Without earlier versions they are the
/// same stores.
#[must_use]
pub fn rekeyed(stores: Stores, keys: &Pseudonymiser) -> Stores {
    if keys.versions().count() == 1 {
        return stores;
    }
    let keys = Arc::new(keys.clone());
    Stores {
        events: Arc::new(RekeyedEvents { store: stores.events, keys: keys.clone() }),
        people: Arc::new(RekeyedPeople { store: stores.people, keys: keys.clone() }),
        decisions: Arc::new(RekeyedDecisions { store: stores.decisions, keys }),
        ..stores
    }
}

/// The forms of a user but for the one that is written under.
fn not_written(user: &Pseudonym) -> impl Iterator<Item = Pseudonym> {
    let written = user.written_form();
    let forms: Vec<Pseudonym> = user.forms().collect();
    forms.into_iter().filter(move |form| *form != written)
}
