//! What a caller asks of tuning.

use serde::{Deserialize, Serialize};

/// Bounds of a search.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TuningRequest {
    /// Seconds that evaluating candidates may take in all, 1 to 86,400. A step
    /// that would probably not end in time is not begun.
    pub budget_seconds: f64,
    /// What those seconds may cost in US dollars, above 0; needs a known price.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget_usd: Option<f64>,
    /// How many candidates are tried, 2 to 81, the run's own options among them.
    #[serde(default = "default_candidates")]
    pub candidates: usize,
    /// Seed of the candidates and of the people they are judged by.
    #[serde(default)]
    pub seed: u64,
}

fn default_candidates() -> usize {
    27
}

/// Why tuning cannot be done as asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTuning {
    /// The time is out of its range.
    #[error("tuning.budget_seconds must be 1 to 86400")]
    Seconds,
    /// The cost is out of its range.
    #[error("tuning.budget_usd must be above 0")]
    Usd,
    /// The number of candidates is out of its range.
    #[error("tuning.candidates must be 2 to 81")]
    Candidates,
    /// A budget in dollars was given where no price is known.
    #[error("tuning.budget_usd needs a price: this worker was not told one")]
    NoPrice,
}

/// Seconds of a search where nothing else is said: enough for every step on some
/// hundred thousand people, and a small part of what a function may run.
pub const DEFAULT_SECONDS: f64 = 120.0;

impl Default for TuningRequest {
    fn default() -> Self {
        Self::of_seconds(DEFAULT_SECONDS)
    }
}

impl TuningRequest {
    /// A search of so many seconds with everything else by default.
    #[must_use]
    pub fn of_seconds(budget_seconds: f64) -> Self {
        Self { budget_seconds, budget_usd: None, candidates: default_candidates(), seed: 0 }
    }

    /// Checks the ranges.
    ///
    /// # Errors
    /// [`InvalidTuning`] naming what is out of range.
    pub fn check(&self) -> Result<(), InvalidTuning> {
        if !(1.0..=86_400.0).contains(&self.budget_seconds) {
            return Err(InvalidTuning::Seconds);
        }
        if !self.budget_usd.is_none_or(|usd| usd > 0.0 && usd.is_finite()) {
            return Err(InvalidTuning::Usd);
        }
        if !(2..=81).contains(&self.candidates) {
            return Err(InvalidTuning::Candidates);
        }
        Ok(())
    }
}

/// What a second of the function costs.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct FunctionPrice {
    /// Memory of the function, in GB of 1,024 MB.
    pub memory_gb: f64,
    /// US dollars for a GB-second.
    pub usd_per_gb_second: f64,
}

impl FunctionPrice {
    /// US dollars for a second.
    #[must_use]
    pub fn usd_per_second(&self) -> f64 {
        self.memory_gb * self.usd_per_gb_second
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_bound_is_checked() {
        let good = TuningRequest::of_seconds(60.0);
        good.check().unwrap();
        let wrong = [
            (TuningRequest { budget_seconds: f64::NAN, ..good }, InvalidTuning::Seconds),
            (TuningRequest { budget_usd: Some(0.0), ..good }, InvalidTuning::Usd),
            (TuningRequest { candidates: 1, ..good }, InvalidTuning::Candidates),
        ];
        for (request, error) in wrong {
            assert_eq!(request.check(), Err(error));
        }
        let read: TuningRequest = serde_json::from_str(r#"{"budget_seconds": 60}"#).unwrap();
        assert_eq!(read, good);
    }
}
