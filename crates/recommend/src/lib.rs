//! Slates at request time: caller -> person -> consented history -> decision ->
//! log -> answer. What a decision is made of is read here (`inputs`); how it is
//! made is [`crossfold_core::serving`]'s business. A logged decision is made again by `replay`.
//! What nearly every request needs is read ahead by `warm_up`. More of a slate by a cursor is `pages`; what the last slates say of catalogues and filters is `served`.
//! Which variants of experiments make a slate is told by `variants`. What campaigns tell users of by itself is `campaigns`. What is known of a user is told by `profile`, which items are like another by `similar`.

mod batch;
mod campaigns;
mod catalogue_cache;
mod deadline;
mod descriptions;
mod history_reader;
mod inputs;
mod model_cache;
mod pages;
mod profile;
mod recent_decisions;
mod recommendations;
mod replay;
mod request;
mod request_filter;
mod request_placement;
mod request_preferences;
mod request_words;
mod routes;
mod search_cache;
mod served;
mod shortfall;
mod similar;
mod slates;
mod state;
mod stored_catalogues;
#[cfg(test)]
mod test_models;
mod variants;
mod warm_up;

pub use campaigns::{CampaignCall, CampaignWork, Campaigns, CarriedOut};
pub use deadline::Limits;
pub use request::{MAX_EXCLUDED, MAX_TARGETS, MAX_WITHDRAWN};
pub use routes::routes;
pub use state::RecommendState;
