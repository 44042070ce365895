//! How what is financed is paid back: at the end of each of so many equal months.
//!
//! A loan is the annuity of [`crate::credit::annuity`]. Of a lease, the residual is due with the last
//! payment: what is financed beyond it is repaid as a loan, and its interest each month,
//!
//! ```text
//! payment = annuity of (financed - residual) + residual i
//! ```
//!
//! where the annuity is rounded half up to the minor unit and the interest up: were both rounded
//! down, what is owed could grow. What is left is paid at the end, with the residual.

use rust_decimal::prelude::ToPrimitive;
use rust_decimal::{Decimal, RoundingStrategy};

use crate::credit::annuity::{Due, Loan, LoanTerms};

/// What is paid, month by month, to the last minor unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Repayment {
    /// What is paid each month but in the last; of one payment, what it is.
    pub payment: Decimal,
    /// How many payments there are: as many as months, or fewer where rounding up has paid
    /// everything before.
    pub number: u16,
    /// The last of them; of a lease, with the residual.
    pub last: Decimal,
}

impl Repayment {
    /// What is paid in all.
    #[must_use]
    pub fn total(&self) -> Decimal {
        self.payment * Decimal::from(self.number.saturating_sub(1)) + self.last
    }

    /// What is paid at the end of a month, from the first on.
    #[must_use]
    pub fn in_month(&self, month: u16) -> Decimal {
        match month {
            month if month < self.number => self.payment,
            month if month == self.number => self.last,
            _ => Decimal::ZERO,
        }
    }
}

/// What is financed, and how it is to be paid back.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lent {
    /// Of whole minor units.
    pub(super) financed: Decimal,
    /// What of it is due at the end: of whole minor units, and less.
    pub(super) residual: Decimal,
    /// The rate of a month.
    pub(super) rate: Decimal,
    pub(super) months: u16,
    pub(super) places: u32,
}

impl Lent {
    fn loan(&self) -> Option<Loan> {
        let terms = LoanTerms {
            principal: self.financed - self.residual,
            rate: self.rate,
            instalments: self.months.into(),
            due: Due::InArrears,
            places: self.places,
        };
        terms.check().ok()
    }

    /// What is paid each month; `None` beyond what is reckoned with. It takes a multiplication for
    /// each month.
    pub(super) fn payment(&self) -> Option<Decimal> {
        let interest = self.residual.checked_mul(self.rate)?;
        let interest =
            interest.round_dp_with_strategy(self.places, RoundingStrategy::ToPositiveInfinity);
        self.loan()?.level_payment().checked_add(interest)
    }

    /// Whether each month's payment is at most `most`. Only where that is close is the payment
    /// reckoned: else it takes a logarithm and an exponential.
    pub(super) fn fits(&self, most: Decimal) -> Option<bool> {
        let (about, bound) = (self.about()?, most.to_f64()?);
        // Beyond what double precision and the rounding of both parts can be off by.
        let margin = about.abs() * 1e-9 + 3.0 / 10f64.powi(self.places as i32);
        if about + margin < bound {
            return Some(true);
        }
        if about - margin > bound {
            return Some(false);
        }
        Some(self.payment()? <= most)
    }

    /// The payment before it is rounded, in double precision.
    fn about(&self) -> Option<f64> {
        let (rate, months) = (self.rate.to_f64()?, f64::from(self.months));
        let (principal, residual) =
            ((self.financed - self.residual).to_f64()?, self.residual.to_f64()?);
        if self.rate.is_zero() {
            return Some(principal / months);
        }
        // 1 - (1 + i)^-n without the loss of digits.
        let discounted = -(-months * rate.ln_1p()).exp_m1();
        Some(principal * rate / discounted + residual * rate)
    }

    /// Every payment; `None` beyond what is reckoned with.
    pub(super) fn repay(&self) -> Option<Repayment> {
        let payment = self.payment()?;
        let mut owed = self.financed;
        for month in 1..=self.months {
            let interest = owed.checked_mul(self.rate)?;
            let mut interest = interest
                .round_dp_with_strategy(self.places, RoundingStrategy::MidpointAwayFromZero);
            interest.rescale(self.places);
            let with_interest = owed.checked_add(interest)?;
            if month == self.months || with_interest <= payment {
                let payment = if month == 1 { with_interest } else { payment };
                return Some(Repayment { payment, number: month, last: with_interest });
            }
            owed = with_interest - payment;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lent(financed: i64, residual: i64, rate: i64, months: u16) -> Lent {
        Lent {
            financed: Decimal::new(financed, 2),
            residual: Decimal::new(residual, 2),
            rate: Decimal::new(rate, 6),
            months,
            places: 2,
        }
    }

    #[test]
    fn a_lease_pays_interest_on_all_and_its_residual_with_the_last_payment() {
        // (20,000 - 8,000) annuity at 0.5 % over 36 = 365.06, and 40 of interest on 8,000.
        let repayment = lent(2_000_000, 800_000, 5_000, 36).repay().unwrap();
        assert_eq!((repayment.payment.to_string(), repayment.number), ("405.06".into(), 36));
        assert_eq!(repayment.last.to_string(), "8405.19");
        let once = lent(10_000, 0, 10_000, 1).repay().unwrap();
        assert_eq!((once.payment, once.last), (Decimal::new(10_100, 2), Decimal::new(10_100, 2)));
    }

    #[test]
    fn what_is_paid_before_its_last_month_by_rounding_up_is_paid_in_fewer() {
        // 1.00 in 36: 0.03 each, 33 times, and 0.01.
        let repayment = lent(100, 0, 0, 36).repay().unwrap();
        assert_eq!((repayment.number, repayment.last), (34, Decimal::new(1, 2)));
        assert_eq!(repayment.total(), Decimal::ONE);
        assert_eq!(repayment.in_month(35), Decimal::ZERO);
    }

    proptest! {
        #[test]
        fn a_loan_is_paid_as_the_annuity_says(
            cents in 1i64..1_000_000_000_000, rate in 0i64..833_333, months in 1u16..=600,
        ) {
            let lent = lent(cents, 0, rate, months);
            let schedule = lent.loan().unwrap().schedule();
            let repayment = lent.repay().unwrap();
            let total: Decimal = schedule.iter().map(|of| of.payment).sum();
            prop_assert_eq!(repayment.total(), total);
            for (instalment, month) in schedule.iter().zip(1u16..) {
                prop_assert_eq!(instalment.payment, repayment.in_month(month));
            }
        }

        #[test]
        fn a_lease_never_owes_more_and_fits_where_its_payment_does(
            cents in 2i64..1_000_000_000, share in 0.0f64..1.0, rate in 0i64..833_333,
            months in 1u16..=600, off in -400i64..400,
        ) {
            let lent = lent(cents, ((cents as f64 * share) as i64).min(cents - 1), rate, months);
            let (payment, repayment) = (lent.payment().unwrap(), lent.repay().unwrap());
            prop_assert!(repayment.total() >= lent.financed);
            let most = lent.financed * (Decimal::ONE + lent.rate) + Decimal::ONE;
            prop_assert!(repayment.last <= most, "{:?}", repayment);
            for bound in [payment + Decimal::new(off, 2), payment + Decimal::from(off), payment] {
                prop_assert_eq!(lent.fits(bound), Some(payment <= bound));
            }
        }
    }
}
