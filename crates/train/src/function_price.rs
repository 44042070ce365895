//! What the function costs, as its environment tells.

use crossfold_core::training::tuning::FunctionPrice;

const MEMORY: &str = "AWS_LAMBDA_FUNCTION_MEMORY_SIZE";
const PRICE: &str = "CROSSFOLD_USD_PER_GB_SECOND";

/// Why a price cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{variable} must be a number above 0, not {value:?}")]
pub struct InvalidPrice {
    /// The environment variable.
    pub variable: &'static str,
    /// What it is.
    pub value: String,
}

/// The price by `CROSSFOLD_USD_PER_GB_SECOND` and the memory that Lambda says
/// the function has; `None` unless both are known.
///
/// # Errors
/// [`InvalidPrice`] when one of them is no number above 0.
pub fn function_price(
    lookup: impl Fn(&str) -> Option<String>,
) -> Result<Option<FunctionPrice>, InvalidPrice> {
    let number = |variable: &'static str| {
        let Some(value) = lookup(variable).filter(|value| !value.is_empty()) else {
            return Ok(None);
        };
        let parsed = value.parse().ok().filter(|number: &f64| *number > 0.0 && number.is_finite());
        parsed.map(Some).ok_or(InvalidPrice { variable, value })
    };
    let (megabytes, usd) = (number(MEMORY)?, number(PRICE)?);
    let price = |(megabytes, usd_per_gb_second): (f64, f64)| FunctionPrice {
        memory_gb: megabytes / 1024.0,
        usd_per_gb_second,
    };
    Ok(megabytes.zip(usd).map(price))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn price(memory: &str, usd: &str) -> Result<Option<FunctionPrice>, InvalidPrice> {
        function_price(|variable| Some(if variable == MEMORY { memory } else { usd }.to_owned()))
    }

    #[test]
    fn a_price_is_known_when_both_numbers_are_and_nonsense_is_refused() {
        let known = price("2048", "0.00001").unwrap().unwrap();
        assert!((known.usd_per_second() - 0.00002).abs() < 1e-12);
        assert_eq!(price("2048", ""), Ok(None));
        assert_eq!(price("2048", "-1").unwrap_err().variable, PRICE);
        assert_eq!(price("lots", "0.1").unwrap_err().variable, MEMORY);
    }
}
