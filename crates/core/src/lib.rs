//! The pure domain of Crossfold.
//!
//! No async runtime, no I/O, no clock, no AWS type: time and seeds are passed
//! in, and the world is reached through the traits in [`ports`].
//!
//! | to find | read |
//! | --- | --- |
//! | what happened, where, to what | [`event`], [`domain`], [`catalogue`], [`people`] |
//! | who may use it for what | [`consent`], the only door to a [`history`] |
//! | from events to a matrix | [`cleaning`], [`interactions`], [`evidence_scaling`], [`sparse`] |
//! | the maths | [`als`], [`fold_in`], [`dense`], [`rank`], [`evaluation`], [`bootstrap`] |
//! | what carries evidence between domains | [`bridge`] |
//! | making a model | [`training`], [`tuning`], [`model`]; beyond one machine [`shard`], [`shard_plan`] |
//! | publishing and keeping it | [`shadow`], [`publish_gate`], [`champion`], [`model_record`], [`model_retention`], [`drift`] |
//! | making a slate | [`slate`], [`eligibility`], [`reason`] |
//! | what came of it | [`decision`] |
//! | what is kept for good | [`archive`], [`quarantine`], [`columns`] |

pub mod als;
pub mod archive;
pub mod bootstrap;
pub mod bridge;
pub mod catalogue;
pub mod champion;
pub mod cleaning;
pub mod columns;
pub mod consent;
pub mod decision;
pub mod dense;
pub mod domain;
pub mod drift;
pub mod eligibility;
pub mod evaluation;
pub mod event;
pub mod evidence_scaling;
pub mod fold_in;
pub mod history;
pub mod ids;
pub mod interactions;
pub mod model;
pub mod model_record;
pub mod model_retention;
pub mod people;
pub mod ports;
pub mod pseudonym;
pub mod publish_gate;
pub mod quarantine;
pub mod rank;
pub mod reason;
pub mod shadow;
pub mod shard;
pub mod shard_plan;
pub mod slate;
pub mod sparse;
pub mod training;
pub mod training_run;
pub mod tuning;
