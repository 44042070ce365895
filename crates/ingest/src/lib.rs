//! Ingestion: events, the catalogue, domains, users and their rights; and the
//! archive function that turns the tables' streams into Parquet.

pub mod archive;
mod domains;
mod events;
mod items;
mod routes;
mod shapes;
mod state;
mod users;

pub use events::MAX_EVENTS;
pub use items::MAX_ITEMS;
pub use routes::routes;
pub use state::IngestState;
pub use users::MAX_CONSENTS;
