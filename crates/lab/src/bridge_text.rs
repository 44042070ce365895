//! Verdicts of the gate of bridges in words.

use crossfold_core::training::bridging::gate::DirectionVerdict;

/// What is served in a direction, and why.
#[must_use]
pub fn verdict_text(verdict: &DirectionVerdict) -> String {
    match verdict {
        DirectionVerdict::Passed { chosen } => format!("{:?} is served", chosen.kind()),
        DirectionVerdict::NotBetter { chosen } => {
            format!("{:?} is not better with certainty: target-only", chosen.kind())
        }
        DirectionVerdict::TooFewPeople { needed } => {
            format!("fewer than {needed} people to judge by: target-only")
        }
        DirectionVerdict::NothingFitted => "no kind could be fitted: target-only".to_owned(),
    }
}
