//! The annualised rate of a loan in China: announcement 3 of 2021 of the People's Bank of China
//! asks for the annualised ratio of all that a loan costs to what of it is really in use.
//!
//! It is the internal rate of return of the loan's cash flow, by its period. Two ways to make a year
//! of that circulate; each is labelled, and which one is shown must be said:
//!
//! ```text
//! nominal   = periods in a year * rate of a period
//! effective = (1 + rate of a period)^(periods in a year) - 1
//! ```

use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;

use super::CreditError;
use super::present_value::{only_rate_of, rate_of};

/// The rate of a loan, a year, as shares: 0.24 for 24 per cent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AnnualisedRate {
    /// Without compounding.
    pub nominal: f64,
    /// With.
    pub effective: f64,
}

/// The annualised rate of what comes in, above 0, and goes out, below 0, for the borrower, at the
/// end of each period from 0 on, with so many periods in a year: 12 where they are months.
///
/// # Errors
/// [`CreditError`] when there is no rate.
pub fn annualised_rate(
    cash_flow: &[Decimal],
    periods_in_a_year: u16,
) -> Result<AnnualisedRate, CreditError> {
    if !(1..=366).contains(&periods_in_a_year) {
        return Err(CreditError::OutOfRange { what: "periods in a year", range: "1 to 366" });
    }
    let amounts: Vec<f64> =
        cash_flow.iter().map(|amount| amount.to_f64().unwrap_or(f64::NAN)).collect();
    // Horner's rule in the discount of a period.
    let value =
        |rate: f64| amounts.iter().rev().fold(0.0, |sum, amount| sum / (1.0 + rate) + amount);
    let is_lent_first = amounts.iter().skip(1).all(|amount| *amount <= 0.0);
    let rate = if is_lent_first { only_rate_of(value) } else { rate_of(value) }?;
    let periods = f64::from(periods_in_a_year);
    Ok(AnnualisedRate { nominal: periods * rate, effective: (1.0 + rate).powf(periods) - 1.0 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credit::percent;

    fn cash_flow(lent: &str, number: usize, paid: &str) -> Vec<Decimal> {
        let of = |text: &str| Decimal::from_str_exact(text).unwrap();
        [vec![of(lent)], vec![-of(paid); number]].concat()
    }

    #[test]
    fn a_flat_fee_costs_twice_what_it_seems_to() {
        // 10,000 in twelve of 888: a flat fee of 6.56 per cent.
        let rate = annualised_rate(&cash_flow("10000", 12, "888"), 12).unwrap();
        assert_eq!(percent(rate.nominal, 2).unwrap().to_string(), "11.90");
        assert_eq!(percent(rate.effective, 2).unwrap().to_string(), "12.57");
    }

    #[test]
    fn instalments_in_advance_are_taken_from_what_is_lent() {
        // 24 of 5999 / 24 from the beginning on, for what costs 5,099.
        let paid = Decimal::from(5_999) / Decimal::from(24);
        let mut cash_flow = vec![Decimal::from(5_099) - paid];
        cash_flow.extend(vec![-paid; 23]);
        let rate = annualised_rate(&cash_flow, 12).unwrap();
        assert!((rate.nominal / 12.0 - 0.014684).abs() < 5e-7, "{rate:?}");
        assert_eq!(percent(rate.effective, 2).unwrap().to_string(), "19.12");
    }

    /// As the library curo has it.
    #[test]
    fn monthly_payments_have_the_rate_of_return_that_another_library_gives_them() {
        let rate = annualised_rate(&cash_flow("10000", 6, "1707"), 12).unwrap();
        assert_eq!(percent(rate.nominal, 6).unwrap().to_string(), "8.250040");
    }

    #[test]
    fn what_has_no_rate_is_refused() {
        assert_eq!(annualised_rate(&cash_flow("100", 1, "90"), 12), Err(CreditError::NoRate));
        assert!(annualised_rate(&cash_flow("100", 1, "110"), 0).is_err());
        assert_eq!(annualised_rate(&[], 12), Ok(AnnualisedRate { nominal: 0.0, effective: 0.0 }));
    }
}
