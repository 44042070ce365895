//! The level instalments of a loan, by the annuity formula
//!
//! ```text
//! instalment = principal i / (1 - (1 + i)^-n)
//! ```
//!
//! with the rate `i` of a period and `n` instalments; paid in advance, divided by `1 + i`. Each
//! instalment is rounded half up to the currency's minor unit; the last pays what is left.

use rust_decimal::{Decimal, RoundingStrategy};

use super::CreditError;

/// Most instalments: a hundred years, monthly.
pub const MOST_INSTALMENTS: u32 = 1_200;
/// The largest rate for a period: 100 per cent.
const LARGEST_RATE: Decimal = Decimal::ONE;
/// The largest principal: beyond it 28 digits could not hold the cents of its powers.
const LARGEST_PRINCIPAL: Decimal = Decimal::from_parts(3_567_587_328, 232, 0, false, 0);
/// Most decimal places of a currency.
const MOST_PLACES: u32 = 4;

/// When an instalment is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// At the end of its period.
    InArrears,
    /// At the beginning of its period, as leases have it: the first when the credit begins.
    InAdvance,
}

/// The terms of a loan with level instalments, unchecked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoanTerms {
    /// What is lent, in major units.
    pub principal: Decimal,
    /// The rate of a period, 0 to 1: `0.005` for half a per cent.
    pub rate: Decimal,
    /// How many instalments.
    pub instalments: u32,
    /// When they are due.
    pub due: Due,
    /// Decimal places of the currency: 2 for cents.
    pub places: u32,
}

/// One instalment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Instalment {
    /// What is paid.
    pub payment: Decimal,
    /// What of it is interest.
    pub interest: Decimal,
    /// What is owed when it was paid.
    pub owed: Decimal,
}

/// The terms of a loan, within what is computed exactly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Loan(LoanTerms);

impl LoanTerms {
    /// Checks the terms.
    ///
    /// # Errors
    /// [`CreditError::OutOfRange`] says which number, and what it must be.
    pub fn check(self) -> Result<Loan, CreditError> {
        let refuse = |what, range| Err(CreditError::OutOfRange { what, range });
        if self.places > MOST_PLACES {
            return refuse("places", "at most 4");
        }
        let is_whole = self.principal == self.principal.trunc_with_scale(self.places);
        if self.principal <= Decimal::ZERO || self.principal > LARGEST_PRINCIPAL || !is_whole {
            return refuse("principal", "above 0, at most 10^12, of whole minor units");
        }
        if self.rate < Decimal::ZERO || self.rate > LARGEST_RATE || self.rate.scale() > 12 {
            return refuse("rate", "from 0 to 1, with at most 12 decimal places");
        }
        if !(1..=MOST_INSTALMENTS).contains(&self.instalments) {
            return refuse("instalments", "from 1 to 1,200");
        }
        Ok(Loan(self))
    }
}

impl Loan {
    /// The level instalment, rounded half up to the minor unit; one at least.
    #[must_use]
    pub fn level_payment(&self) -> Decimal {
        let LoanTerms { principal, rate, instalments, due, places } = self.0;
        let exact = if rate.is_zero() {
            principal / Decimal::from(instalments)
        } else {
            // (1 + i)^-n, which goes to 0 where (1 + i)^n would be beyond all digits.
            let discount = Decimal::ONE / (Decimal::ONE + rate);
            let discounted = (0..instalments).fold(Decimal::ONE, |power, _| power * discount);
            let level = principal * (rate / (Decimal::ONE - discounted));
            match due {
                Due::InArrears => level,
                Due::InAdvance => level / (Decimal::ONE + rate),
            }
        };
        rounded(exact, places).max(Decimal::new(1, places))
    }

    /// Every instalment, in order. What is paid is what was lent and its interest, to the last
    /// minor unit: the last instalment is what is left.
    #[must_use]
    pub fn schedule(&self) -> Vec<Instalment> {
        let LoanTerms { principal, rate, instalments, due, places } = self.0;
        let level = self.level_payment();
        let (mut owed, mut schedule) = (principal, Vec::with_capacity(instalments as usize));
        for number in 1..=instalments {
            let bears = due == Due::InArrears || number > 1;
            let interest = if bears { rounded(owed * rate, places) } else { Decimal::ZERO };
            let with_interest = owed + interest;
            let is_last = number == instalments;
            let payment = if is_last { with_interest } else { level.min(with_interest) };
            owed = with_interest - payment;
            schedule.push(Instalment { payment, interest, owed });
        }
        schedule
    }
}

/// To so many places, written with all of them.
fn rounded(amount: Decimal, places: u32) -> Decimal {
    let mut rounded = amount.round_dp_with_strategy(places, RoundingStrategy::MidpointAwayFromZero);
    rounded.rescale(places);
    rounded
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn terms(principal: &str, rate: &str, instalments: u32) -> LoanTerms {
        let of = |text: &str| Decimal::from_str_exact(text).unwrap();
        let (principal, rate) = (of(principal), of(rate));
        LoanTerms { principal, rate, instalments, due: Due::InArrears, places: 2 }
    }

    #[test]
    fn a_level_payment_is_that_of_the_annuity_formula() {
        let payment = |terms: LoanTerms| terms.check().unwrap().level_payment().to_string();
        assert_eq!(payment(terms("200000", "0.005", 360)), "1199.10");
        assert_eq!(payment(terms("10000", "0.01", 12)), "888.49");
        assert_eq!(payment(terms("1200", "0", 12)), "100.00");
        let lease = LoanTerms { due: Due::InAdvance, ..terms("10000", "0.01", 12) };
        assert_eq!(payment(lease), "879.69");
        assert_eq!(payment(terms("1000000000000", "1", 1200)), "1000000000000.00");
    }

    #[test]
    fn terms_beyond_what_is_exact_are_refused() {
        for refused in [
            terms("0", "0.01", 12),
            terms("1000000000000.01", "0.01", 12),
            terms("100.001", "0.01", 12),
            terms("100", "-0.01", 12),
            terms("100", "1.01", 12),
            terms("100", "0.01", 0),
            terms("100", "0.01", 1201),
            LoanTerms { places: 5, ..terms("100", "0.01", 12) },
        ] {
            assert!(refused.check().is_err(), "{refused:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_paid_is_what_was_lent_and_its_interest(
            cents in 1i64..1_000_000_000, basis_points in 0i64..400, instalments in 1u32..400,
            is_in_advance in any::<bool>(),
        ) {
            let loan = LoanTerms {
                principal: Decimal::new(cents, 2),
                rate: Decimal::new(basis_points, 4),
                instalments,
                due: if is_in_advance { Due::InAdvance } else { Due::InArrears },
                places: 2,
            };
            let schedule = loan.check().unwrap().schedule();
            prop_assert_eq!(schedule.len(), instalments as usize);
            let paid: Decimal = schedule.iter().map(|of| of.payment).sum();
            let interest: Decimal = schedule.iter().map(|of| of.interest).sum();
            prop_assert_eq!(paid, loan.principal + interest);
            prop_assert_eq!(schedule[schedule.len() - 1].owed, Decimal::ZERO);
            prop_assert!(schedule.iter().all(|of| of.owed >= Decimal::ZERO));
            prop_assert!(schedule.iter().all(|of| of.payment.scale() <= 2));
        }
    }
}
