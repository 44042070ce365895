//! Choosing hyper-parameters within a budget: successive halving (Jamieson and
//! Talwalkar, "Non-stochastic Best Arm Identification and Hyperparameter
//! Optimization", 2016; Li, Jamieson, DeSalvo, Rostamizadeh, Talwalkar,
//! "Hyperband", 2018, section 2).
//!
//! Many candidates are tried cheaply (few iterations, some of the people), the
//! best third more dearly, and so on; the best is then climbed from, a step at a time.
//! [`Search`] is a plain value that says what
//! to evaluate next and takes in what came of it: stored after every step, it
//! goes on where a killed worker left it. [`Validation`] is what a candidate is
//! judged by. Neither knows the time; whoever evaluates says how long it took.

mod candidate;
mod report;
mod request;
mod search;
mod validation;

pub use candidate::{Candidate, LONGEST, Reach, SearchSpace, Tuned, longest_for};
pub use report::{CandidateScores, TuningReport};
pub use request::{DEFAULT_SECONDS, FunctionPrice, InvalidTuning, TuningRequest};
pub use search::{Ending, Fidelity, Rung, Score, Search, Task, Trial};
pub use validation::{EvidenceTable, Validation, score_interactions};

/// Carries out a search, where it can be kept and timed.
pub trait Tuner {
    /// Goes on with the search of a run, or begins it with the candidates of
    /// `space`, until it ends. A candidate that cannot be judged scores `None`.
    ///
    /// # Errors
    /// [`Interrupted`] when the search cannot be kept; it goes on another time.
    fn tune(
        &mut self,
        space: SearchSpace,
        score: &mut dyn FnMut(&Candidate, &Fidelity) -> Option<Score>,
    ) -> Result<Search, Interrupted>;
}

/// The search could not go on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("tuning was interrupted: {0}")]
pub struct Interrupted(pub String);
