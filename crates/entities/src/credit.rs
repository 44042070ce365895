//! What credit costs: instalments, and the yearly rates that the law of a place wants to see.
//!
//! | to find | read |
//! | --- | --- |
//! | instalments of a loan, to the last minor unit | [`annuity`] |
//! | the annual percentage rate of the United States | [`united_states`] |
//! | the effective rates of the European Union and the United Kingdom | [`effective_rate`] |
//! | the annualised rate of China, nominal and effective | [`china`] |
//! | the rate at which what is lent equals what is paid back | [`present_value`] |
//!
//! Money is exact ([`Decimal`]). A rate is the root of an equation: it is solved in double
//! precision, far beyond what is shown, and rounded half up as a decimal number.

pub mod annuity;
pub mod china;
pub mod effective_rate;
pub mod present_value;
pub mod united_states;

use jiff::ToSpan;
use jiff::civil::Date;
use rust_decimal::{Decimal, RoundingStrategy};

/// Why a credit has no instalments or no rate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CreditError {
    /// A number is beyond what this computes with.
    #[error("{what} must be {range}")]
    OutOfRange {
        /// Which number.
        what: &'static str,
        /// What it must be.
        range: &'static str,
    },
    /// What is lent and what is paid back agree at no rate from 0 to 100 million per cent a period.
    #[error("there is no rate at which what is lent equals what is paid back")]
    NoRate,
    /// Something is paid or lent before the credit begins.
    #[error("an amount is due before the first advance")]
    BeforeTheFirstAdvance,
}

/// The longest term, in years.
const LONGEST_TERM: i64 = 100;

/// Refuses what is due before the first advance, or later than a hundred years after it.
fn check_term(first: Date, later: Date) -> Result<(), CreditError> {
    if later < first {
        return Err(CreditError::BeforeTheFirstAdvance);
    }
    // Where there is no such day, no later one is beyond it.
    let last = first.checked_add(LONGEST_TERM.years()).unwrap_or(Date::MAX);
    if later > last {
        return Err(CreditError::OutOfRange { what: "term", range: "at most 100 years" });
    }
    Ok(())
}

/// A rate in per cent, rounded half up to so many decimal places.
///
/// ```
/// use crossfold_entities::credit::percent;
/// assert_eq!(percent(0.03055, 1).unwrap().to_string(), "3.1");
/// assert_eq!(percent(0.03054, 2).unwrap().to_string(), "3.05");
/// ```
///
/// # Errors
/// [`CreditError::NoRate`] for what is no number, or too large for one.
pub fn percent(rate: f64, places: u32) -> Result<Decimal, CreditError> {
    // Ten digits are what the solver is sure of; what lies behind would round .5 down.
    let digits = format!("{:.10}", rate * 100.0);
    let exact = Decimal::from_str_exact(&digits).map_err(|_| CreditError::NoRate)?;
    Ok(exact.round_dp_with_strategy(places, RoundingStrategy::MidpointAwayFromZero))
}
