//! Ingestion: events in the wire formats of many, the catalogue, domains and the
//! keys to write to them, users and their rights; and the archive function that
//! turns the tables' streams into Parquet.

pub mod archive;
mod definition_changes;
mod domain_deletion;
mod domains;
mod events;
mod inflate;
mod items;
mod keys;
mod personalize_calls;
mod placements;
#[cfg(test)]
mod rotation_tests;
mod routes;
mod segment_calls;
mod shapes;
mod state;
#[cfg(test)]
mod test_world;
mod triggered;
mod users;

pub use domains::{DEFAULT_DOMAINS, MAX_DEFINED, MAX_DOMAINS};
pub use events::MAX_EVENTS;
pub use items::MAX_ITEMS;
pub use keys::routes::MAX_KEYS;
pub use routes::routes;
pub use state::IngestState;
pub use users::MAX_CONSENTS;
