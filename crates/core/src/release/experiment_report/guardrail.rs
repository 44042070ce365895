//! Guardrails: metrics that must not suffer by more than a margin, which is a share of what they
//! are with the control.
//!
//! | state | where the always-valid 95% interval of the relative effect lies |
//! | --- | --- |
//! | kept | wholly better than the margin |
//! | broken | wholly worse than the margin |
//! | open | on both sides, or there are too few users, or the control has nothing to compare with |
//!
//! Each is judged by itself, without a correction for the number of guardrails and variants: that
//! ends an experiment a little sooner, and what a wrong end costs is an experiment. Of one that is
//! no worse than its margin, at most one in forty is ever called broken.

use serde::Serialize;

use crate::entities::experiment::metric::{Direction, MetricDefinition};

use super::comparison::Comparison;

/// How a guardrail stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum GuardrailState {
    /// It is surely not worse by the margin or more.
    Kept,
    /// It is surely worse by more than the margin.
    Broken,
    /// Neither is sure.
    Open,
}

/// A guardrail, of one variant.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Guardrail {
    /// How much worse it may be, as a share of what it is with the control.
    pub margin: f64,
    /// The worst effect that is not ruled out, as such a share; `None` when there is none to tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub worst: Option<f64>,
    /// The best effect that is not ruled out, in the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub best: Option<f64>,
    /// How it stands.
    pub state: GuardrailState,
}

impl Guardrail {
    /// How a variant stands with a metric; `None` when it is no guardrail.
    #[must_use]
    pub fn of(metric: &MetricDefinition, comparison: Option<&Comparison>) -> Option<Self> {
        let margin = metric.margin?.fraction();
        let open = Self { margin, worst: None, best: None, state: GuardrailState::Open };
        let Some(of) = comparison else { return Some(open) };
        let Some(lift) = of.decisive_relative() else {
            // Of nothing there are no shares: any more of what is bad is more than the margin.
            let interval = of.decisive().always_valid;
            let is_worse = match metric.better {
                Direction::Increase => interval.high < 0.0,
                Direction::Decrease => interval.low > 0.0,
            };
            let is_broken = of.is_enough && is_worse;
            let state = if is_broken { GuardrailState::Broken } else { GuardrailState::Open };
            return Some(Self { state, ..open });
        };
        // As gains, so that less than minus the margin is too bad whichever way is better.
        let interval = lift.always_valid;
        let (worst, best) = match metric.better {
            Direction::Increase => (interval.low, interval.high),
            Direction::Decrease => (-interval.high, -interval.low),
        };
        let state = match of.is_enough {
            true if best < -margin => GuardrailState::Broken,
            true if worst > -margin => GuardrailState::Kept,
            _ => GuardrailState::Open,
        };
        let sign = if metric.better == Direction::Increase { 1.0 } else { -1.0 };
        Some(Self { margin, worst: Some(sign * worst), best: Some(sign * best), state })
    }
}
