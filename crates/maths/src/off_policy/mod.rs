//! What a policy would have earned, from the log of another: off-policy evaluation.
//!
//! A logging policy showed actions with known probabilities (propensities) and rewards were
//! seen; an evaluation policy would have shown the same actions with other probabilities. The
//! value of a policy is its expected reward per observation (or per slate).
//!
//! | to find | read |
//! | --- | --- |
//! | one logged action, checked | [`Observation`] |
//! | a policy's probabilities over actions | [`ActionProbabilities`] |
//! | weights, and whether they can be believed | [`Weights`], [`Support`], [`refusals`] |
//! | the value by weights alone | [`Ips`] |
//! | the value by weights and a model of rewards | [`OutcomeTables`], [`DoublyRobust`] |
//! | the value of lists of several positions | [`Slate`], [`SlateIps`] |
//!
//! Everything is fed observation by observation; parts of a log can be fed apart and merged.
//! Memory grows neither with observations nor with rewards, only with distinct clusters (24 to
//! 48 bytes each and the map's own), actions and positions. Who has too many people for that
//! gives [`fold_of`]`(person, seed, groups)` as the cluster: coarser groups of people are
//! independent of each other too (random groups: Wolter, "Introduction to Variance Estimation",
//! 2007, chapter 2).
//!
//! Intervals are of Student's t about the estimate, by its linearised influence summed within
//! clusters (Liang and Zeger, "Longitudinal data analysis using generalized linear models",
//! Biometrika 73, 1986). They rest on the central limit theorem: where few observations carry
//! most of the weight, or of the weighted rewards, they cover less often than they say (rewards
//! of 1 in 200 among 10,000 rows with weights up to 178: 78% instead of 95%, as
//! `benches/off_policy.py` counts). That is what [`refusals`] is for.

mod doubly_robust;
mod folds;
mod intervals;
mod ips;
mod joint_moments;
mod observation;
mod outcome_model;
mod probabilities;
mod refusal;
mod slate;
mod sums;
mod support;
#[cfg(test)]
mod testing;
mod variance_components;
mod weight_histogram;
mod weights;

pub use doubly_robust::{DoublyRobust, LoggedAction, UnusableAction};
pub use folds::{MOST_FOLDS, fold_of};
pub use intervals::{Confidence, Estimate, Inestimable, InvalidConfidence};
pub use ips::Ips;
pub use observation::{InvalidObservation, LARGEST_REWARD, Observation, SMALLEST_PROPENSITY};
pub use outcome_model::{InvalidFolds, NothingToLearnFrom, OutcomeModel, OutcomeTables};
pub use probabilities::{ActionProbabilities, InvalidProbabilities};
pub use refusal::{Refusal, RefusalOptions, RefusalParams, refusals};
pub use slate::{InvalidSlate, MOST_POSITIONS, Shown, Slate, SlateIps};
pub use support::Support;
pub use weights::{Clip, InvalidClip, NotAlike, WeightSummary, Weights};
