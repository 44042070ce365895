//! Builders for tests: short ways to the words of the business, with plain
//! defaults. What a test is about it names itself, by struct update:
//!
//! ```
//! use crossfold_entities::event::Event;
//! use crossfold_testing::{event_at, item};
//!
//! let viewed = Event { item_id: item("rust-basics"), ..event_at(60) };
//! assert_eq!(viewed.event_type.as_str(), "view");
//! ```
//!
//! Everything but `model` builds on `crossfold-entities` alone. So it can be used in
//! core's own unit tests, where core is compiled a second time: its types there are
//! not those of the core that another crate links, but the entities are the same.

#![allow(clippy::expect_used)] // A fixture that is wrong is to stop its test.

#[cfg(feature = "model")]
pub mod model;

mod definitions;
mod events;
mod ids;
mod people;
mod pushes;
mod worlds;

pub use definitions::{catalogue_item, definition};
pub use events::{event, event_at};
pub use ids::{at, domain, event_id, event_type, item, item_key, run, user};
pub use people::{consent, mutual_consent, person, stored};
pub use pushes::{keys, push_order};
pub use worlds::{AUTO_FINANCE, ITEMS_PER_DOMAIN, KNOWLEDGE, World, world};
