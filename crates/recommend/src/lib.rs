//! Slates at request time: caller -> person -> consented history -> fold-in ->
//! scores -> eligible items -> slate, with a record of the decision.

mod catalogue_cache;
mod model_cache;
mod recommendations;
mod routes;

pub use recommendations::{MAX_EXCLUDED, MAX_TARGETS};
pub use routes::{RecommendState, routes};
