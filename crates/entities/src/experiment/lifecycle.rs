//! From draft to archive: what is kept of an experiment, and what may be done with it when.
//!
//! | state | what holds | what may follow |
//! | --- | --- | --- |
//! | draft | nobody is served a variant; all of it may be changed | running, archived |
//! | running | users are served variants; traffic may grow | paused, stopped |
//! | paused | nobody is served a variant; who returns keeps theirs | running, stopped |
//! | stopped | it is over; what users do within the window still counts | archived |
//! | archived | it is listed on request alone | nothing: its name is never used again |

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::experiment::ExperimentDefinition;
use crate::experiment::slots::{Share, Slots};
use crate::ids::{DomainId, ExperimentId, InvalidId, VariantId};

/// Where an experiment stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExperimentState {
    /// Not begun.
    Draft,
    /// Users are served its variants.
    Running,
    /// Begun, and serving nobody for now.
    Paused,
    /// Over.
    Stopped,
    /// Over, and put away.
    Archived,
}

/// What is done with an experiment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExperimentStep {
    /// Begin, or go on after a pause.
    Start,
    /// Serve nobody for now.
    Pause,
    /// End.
    Stop,
    /// Put away.
    Archive,
}

/// A step does not follow from where an experiment stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an experiment that is {} cannot {}", .state.as_str(), .step.as_str())]
pub struct WrongStep {
    /// Where it stands.
    pub state: ExperimentState,
    /// What was to be done.
    pub step: ExperimentStep,
}

impl ExperimentState {
    /// The state in a sentence.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Draft => "a draft",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Stopped => "stopped",
            Self::Archived => "archived",
        }
    }

    /// The state after a step. A step to where it stands already changes nothing, so that a call
    /// may come twice.
    ///
    /// # Errors
    /// [`WrongStep`] when the step does not follow.
    pub fn after(self, step: ExperimentStep) -> Result<Self, WrongStep> {
        use ExperimentState as State;
        use ExperimentStep as Step;
        match (self, step) {
            (State::Draft | State::Running | State::Paused, Step::Start) => Ok(State::Running),
            (State::Running | State::Paused, Step::Pause) => Ok(State::Paused),
            (State::Running | State::Paused | State::Stopped, Step::Stop) => Ok(State::Stopped),
            (State::Draft | State::Stopped | State::Archived, Step::Archive) => Ok(State::Archived),
            (state, step) => Err(WrongStep { state, step }),
        }
    }
}

impl ExperimentStep {
    /// The step in a sentence.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Start => "be started",
            Self::Pause => "be paused",
            Self::Stop => "be stopped",
            Self::Archive => "be archived",
        }
    }
}

/// Shares of variants that were learnt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Allocation {
    /// Since when they hold.
    pub since: Timestamp,
    /// The shares, in the order of the definition's variants. They make 1.
    pub shares: Vec<Share>,
}

/// Why an experiment ended by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoppedFor {
    /// The guardrail that was broken.
    pub metric: crate::ids::MetricId,
    /// By which variant.
    pub variant: VariantId,
}

/// An experiment as it is kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Experiment {
    /// The platform whose it is.
    pub domain: DomainId,
    /// The life of the platform in which it was made.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub life: u32,
    /// Its name.
    pub experiment: ExperimentId,
    /// What it is.
    pub definition: ExperimentDefinition,
    /// Where it stands.
    pub state: ExperimentState,
    /// Which users of its layer it has; none before it was started.
    #[serde(default)]
    pub slots: Slots,
    /// The shares that were learnt, oldest first: the first is number 1.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allocations: Vec<Allocation>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was first started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// When it was stopped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped_at: Option<Timestamp>,
    /// Why, where that was for harm.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped_for: Option<StoppedFor>,
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// The identity of an experiment among those of all platforms: `<domain>/<experiment>`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExperimentKey(Box<str>);

impl ExperimentKey {
    /// The key of a platform's experiment.
    #[must_use]
    pub fn new(domain: &DomainId, experiment: &ExperimentId) -> Self {
        Self(format!("{domain}/{experiment}").into())
    }
}

impl AsRef<str> for ExperimentKey {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl std::str::FromStr for ExperimentKey {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let what = "the key of an experiment";
        let rule = "a domain and an experiment with a slash between them";
        let (domain, experiment) = text.split_once('/').ok_or(InvalidId { what, rule })?;
        Ok(Self::new(&domain.parse()?, &experiment.parse()?))
    }
}

impl Experiment {
    /// A draft.
    #[must_use]
    pub fn draft(
        (domain, life): (DomainId, u32),
        experiment: ExperimentId,
        definition: ExperimentDefinition,
        created_at: Timestamp,
    ) -> Self {
        Self {
            domain,
            life,
            experiment,
            definition,
            state: ExperimentState::Draft,
            slots: Slots::default(),
            allocations: Vec::new(),
            created_at,
            started_at: None,
            stopped_at: None,
            stopped_for: None,
        }
    }

    /// Its key among all.
    #[must_use]
    pub fn key(&self) -> ExperimentKey {
        ExperimentKey::new(&self.domain, &self.experiment)
    }

    /// Whether it holds users of its layer.
    #[must_use]
    pub fn holds_slots(&self) -> bool {
        matches!(self.state, ExperimentState::Running | ExperimentState::Paused)
    }

    /// The shares by which variants are drawn now, and their number where they were learnt.
    #[must_use]
    pub fn shares(&self) -> (Vec<Share>, Option<u32>) {
        if self.definition.bandit_floor.is_none() {
            return (self.definition.variants.iter().map(|of| of.share).collect(), None);
        }
        match self.allocations.last() {
            Some(last) => (last.shares.clone(), u32::try_from(self.allocations.len()).ok()),
            None => (self.definition.variants.iter().map(|of| of.share).collect(), Some(0)),
        }
    }

    /// The shares of a number.
    #[must_use]
    pub fn shares_of(&self, allocation: u32) -> Option<Vec<Share>> {
        let Some(at) = usize::try_from(allocation).ok()?.checked_sub(1) else {
            return Some(self.definition.variants.iter().map(|of| of.share).collect());
        };
        Some(self.allocations.get(at)?.shares.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_follows_or_is_refused_and_may_come_twice() {
        use ExperimentState::{Archived, Draft, Paused, Running, Stopped};
        use ExperimentStep::{Archive, Pause, Start, Stop};
        for (state, step, expected) in [
            (Draft, Start, Some(Running)),
            (Running, Start, Some(Running)),
            (Running, Pause, Some(Paused)),
            (Paused, Start, Some(Running)),
            (Paused, Stop, Some(Stopped)),
            (Stopped, Stop, Some(Stopped)),
            (Stopped, Start, None),
            (Stopped, Archive, Some(Archived)),
            (Archived, Archive, Some(Archived)),
            (Archived, Start, None),
            (Running, Archive, None),
            (Draft, Stop, None),
            (Draft, Pause, None),
        ] {
            let after = state.after(step);
            assert_eq!(after.ok(), expected, "{state:?} {step:?}");
        }
        let refused = Stopped.after(Start).unwrap_err().to_string();
        assert_eq!(refused, "an experiment that is stopped cannot be started");
    }

    #[test]
    fn a_key_is_its_domain_and_its_name() {
        let key: ExperimentKey = "knowledge/more-diverse".parse().unwrap();
        assert_eq!(key.as_ref(), "knowledge/more-diverse");
        for wrong in ["knowledge", "knowledge/", "/x", "a/b/c"] {
            wrong.parse::<ExperimentKey>().unwrap_err();
        }
    }
}
