//! Why a question has no answer.

/// Why a question has no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InferenceError {
    /// A number is infinite, or none, or becomes so on the way.
    #[error("{0} must be finite")]
    NotFinite(&'static str),
    /// An argument is out of its range.
    #[error("{name} must be {rule}")]
    OutOfRange {
        /// The argument.
        name: &'static str,
        /// The range it must lie in.
        rule: &'static str,
    },
    /// There are too few of something.
    #[error("at least {least} {what} are needed, and there are {found}")]
    TooFew {
        /// What there is too little of.
        what: &'static str,
        /// How many are needed.
        least: u64,
        /// How many there are.
        found: u64,
    },
    /// Sums that no observations have, such as squares less than the mean's.
    #[error("no observations have these sums")]
    Inconsistent,
    /// Nothing varies, so nothing says how sure the estimate is.
    #[error("the outcome does not vary in either group")]
    NoVariance,
    /// A relative effect of a baseline whose mean is zero.
    #[error("the baseline's mean is zero, so there is no effect relative to it")]
    ZeroBaseline,
    /// A ratio whose denominator's mean is zero.
    #[error("the denominator's mean is zero")]
    ZeroDenominator,
    /// Two lists that belong together differ in length.
    #[error("lists that belong together differ in length: {0} and {1}")]
    LengthsDiffer(usize, usize),
    /// Shares that do not sum to 1.
    #[error("shares must sum to 1")]
    SharesDoNotSumToOne,
    /// No number up to what can be represented does what was asked.
    #[error("no {0} is large enough")]
    OutOfReach(&'static str),
}

/// `value`, when it is finite.
pub(super) fn finite(name: &'static str, value: f64) -> Result<f64, InferenceError> {
    if value.is_finite() { Ok(value) } else { Err(InferenceError::NotFinite(name)) }
}

/// Refuses what does not lie strictly between 0 and 1.
pub(super) fn open_unit(name: &'static str, value: f64) -> Result<(), InferenceError> {
    if value > 0.0 && value < 1.0 {
        return Ok(());
    }
    Err(InferenceError::OutOfRange { name, rule: "above 0 and below 1" })
}

/// Refuses what is not finite or not above 0.
pub(super) fn positive(name: &'static str, value: f64) -> Result<(), InferenceError> {
    if value.is_finite() && value > 0.0 {
        return Ok(());
    }
    Err(InferenceError::OutOfRange { name, rule: "finite and above 0" })
}
