//! What an experiment says: from archived records to numbers of each user, and from these to a
//! report with a verdict.
//!
//! | to find | read |
//! | --- | --- |
//! | an experiment as it is measured at a time | [`study`] |
//! | a part of all users, so that memory has a bound | [`shard`] |
//! | first pass: who was served which variant, since when | [`exposures`] |
//! | second pass: what they did, before and after | [`acts`] |
//! | sums of whole numbers, the same in any order | [`whole_sums`] |
//! | what is kept of each variant, metric and segment | [`observations`] |
//! | an effect of a variant, also where shares were learnt | [`effects`] |
//! | an effect with its tests, intervals and chances | [`comparison`] |
//! | whether what must not suffer is kept | [`guardrail`] |
//! | all of it, fit to be shown | [`report`] |
//! | what it comes to, in a sentence | [`verdict`] |
//! | what it would take to know more | [`more_users`] |
//! | new shares, where they follow what is learnt | [`allocation`] |
//!
//! A reader goes over the archive twice for each shard of users, hands on every record that it
//! finds, in any order, and merges what the shards come to:
//!
//! ```
//! use crossfold_core::release::experiment_report::acts::Acts;
//! use crossfold_core::release::experiment_report::exposures::ExposureReader;
//! use crossfold_core::release::experiment_report::observations::Observations;
//! use crossfold_core::release::experiment_report::report::ExperimentReport;
//! use crossfold_core::release::experiment_report::shard::Shard;
//! use crossfold_core::release::experiment_report::study::Study;
//! use crossfold_core::entities::{decision::{Decision, Outcome}, event::Event};
//! use crossfold_core::entities::experiment::lifecycle::Experiment;
//! use jiff::Timestamp;
//!
//! type Archive<'a> = (&'a [Decision], &'a [Outcome], &'a [Event]);
//!
//! fn report(experiment: &Experiment, archive: Archive<'_>, now: Timestamp) -> ExperimentReport {
//!     let study = Study::new(experiment, now);
//!     let mut observations = Observations::none(&study);
//!     for shard in Shard::all(4) {
//!         let mut reader = ExposureReader::new(&study, shard);
//!         archive.0.iter().for_each(|decision| reader.add(decision));
//!         let mut acts = Acts::new(&study, reader.finish());
//!         archive.0.iter().for_each(|decision| acts.add_decision(decision));
//!         archive.1.iter().for_each(|outcome| acts.add_outcome(outcome));
//!         archive.2.iter().for_each(|event| acts.add_event(event));
//!         observations.merge(&acts.finish());
//!     }
//!     ExperimentReport::of(&study, &observations)
//! }
//! ```
//!
//! **The same records give the same report**, digit by digit: in any order, with any repeats, by
//! any number of shards. Whatever is summed over users is summed as whole numbers, and floating
//! numbers begin where the sums end.
//!
//! **Whose records.** Records of users who were erased are not in the archive, and a reader hands
//! on pseudonyms of one version of the keys, since a user is known by theirs alone.

pub mod acts;
pub mod allocation;
pub mod comparison;
pub mod effects;
pub mod exposures;
pub mod guardrail;
mod hashes;
pub mod more_users;
pub mod observations;
pub mod report;
pub mod shard;
pub mod study;
pub mod verdict;
pub mod whole_sums;

#[cfg(test)]
mod tests;
