//! What the function costs, as its environment tells.

use crossfold_core::entities::settings::{InvalidSetting, Settings};
use crossfold_core::training::tuning::FunctionPrice;

const MEMORY: &str = "AWS_LAMBDA_FUNCTION_MEMORY_SIZE";
const PRICE: &str = "CROSSFOLD_USD_PER_GB_SECOND";

/// The price by `CROSSFOLD_USD_PER_GB_SECOND` and the memory that Lambda says
/// the function has; `None` unless both are known.
///
/// # Errors
/// [`InvalidSetting`] when one of them is no number above 0.
pub fn function_price(settings: &Settings) -> Result<Option<FunctionPrice>, InvalidSetting> {
    let is_price = |number: &f64| *number > 0.0 && number.is_finite();
    let number = |variable| settings.parsed(variable, "a number above 0", is_price);
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

    fn price(memory: &str, usd: &str) -> Result<Option<FunctionPrice>, InvalidSetting> {
        function_price(&Settings::of(&[(MEMORY, memory), (PRICE, usd)]))
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
