//! The annual percentage rate of the United States: Regulation Z, 12 CFR part 1026, Appendix J,
//! the actuarial method.
//!
//! Time is counted in *unit-periods*, the interval that occurs most often between what is lent and
//! paid. With `t` full unit-periods and the fraction `f` of one from the first advance on, the rate
//! `i` of a unit-period is that at which
//!
//! ```text
//! sum of advances / ((1 + f i) (1 + i)^t) = sum of payments / ((1 + f i) (1 + i)^t)
//! ```
//!
//! (J(b)(8)) and the annual percentage rate is `i` times the unit-periods in a year (J(b)(1)).

use jiff::civil::Date;
use jiff::{Span, Unit};
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;

use super::present_value::{only_rate_of, rate_of};
use super::{CreditError, check_term};

/// A unit-period (J(b)(4)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnitPeriod {
    /// So many months, 1 to 12.
    Months(u8),
    /// Half a month.
    HalfMonth,
    /// So many weeks, 1 to 52.
    Weeks(u8),
    /// The whole term of a single advance and a single payment within a year, in days, 1 to 365.
    Days(u16),
}

/// Time from the first advance on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct UnitTime {
    /// Full unit-periods.
    pub whole: u32,
    /// The fraction of one beside them, 0 to 1 (of a month of 31 days thirty may be left).
    pub fraction: f64,
}

/// An amount that is lent or paid.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TimedAmount {
    /// How much, above 0.
    pub amount: Decimal,
    /// When.
    pub at: UnitTime,
}

impl UnitPeriod {
    /// A unit-period within its range.
    ///
    /// # Errors
    /// [`CreditError::OutOfRange`].
    pub fn check(self) -> Result<Self, CreditError> {
        let is_possible = match self {
            Self::Months(months) => (1..=12).contains(&months),
            Self::HalfMonth => true,
            Self::Weeks(weeks) => (1..=52).contains(&weeks),
            Self::Days(days) => (1..=365).contains(&days),
        };
        let refused = CreditError::OutOfRange {
            what: "unit-period",
            range: "1 to 12 months, 1 to 52 weeks or 1 to 365 days",
        };
        is_possible.then_some(self).ok_or(refused)
    }

    /// How many there are in a year (J(b)(5)).
    #[must_use]
    pub fn in_a_year(self) -> f64 {
        match self {
            Self::Months(months) => 12.0 / f64::from(months),
            Self::HalfMonth => 24.0,
            Self::Weeks(weeks) => 52.0 / f64::from(weeks),
            Self::Days(days) => 365.0 / f64::from(days),
        }
    }

    /// The time from the first advance to another day: full unit-periods are counted back from the
    /// later day, what is left is counted on from the earlier one, a month as thirty days
    /// (J(b)(5)(ii) to (vi)).
    ///
    /// # Errors
    /// [`CreditError::BeforeTheFirstAdvance`], and [`CreditError::OutOfRange`] for more than a hundred
    /// years.
    pub fn between(self, first: Date, later: Date) -> Result<UnitTime, CreditError> {
        check_term(first, later)?;
        let days = |from: Date, to: Date| (to - from).get_days().unsigned_abs();
        let (whole, fraction) = match self {
            Self::Weeks(weeks) => parts(days(first, later), 7 * u32::from(weeks)),
            Self::Days(of) => parts(days(first, later), u32::from(of)),
            Self::Months(of) => {
                let (months, begin) = months_back(first, later);
                let of = u32::from(of);
                let left = 30 * (months % of) + days(first, begin);
                (months / of, f64::from(left) / f64::from(30 * of))
            }
            Self::HalfMonth => {
                let (months, begin) = months_back(first, later);
                let (halves, fraction) = parts(days(first, begin), 15);
                (2 * months + halves, fraction)
            }
        };
        Ok(UnitTime { whole, fraction })
    }
}

fn parts(days: u32, of: u32) -> (u32, f64) {
    (days / of, f64::from(days % of) / f64::from(of))
}

/// The full months between two days, counted back from the later one, and the day where the first
/// of them begins.
fn months_back(first: Date, later: Date) -> (u32, Date) {
    let about = whole_months(first, later) + 1;
    let begins = (0..=about).rev().filter_map(|months| {
        let span = Span::new().try_months(months).ok()?;
        Some((months, later.checked_sub(span).ok()?))
    });
    begins.take(3).find(|(_, begin)| *begin >= first).unwrap_or((0, later))
}

fn whole_months(first: Date, later: Date) -> u32 {
    let span: Span = first.until((Unit::Month, later)).unwrap_or_default();
    span.get_months().unsigned_abs()
}

/// The annual percentage rate, as a share: 0.0969 for 9.69 per cent.
///
/// # Errors
/// [`CreditError`] when the unit-period is out of range, or when there is no rate.
pub fn annual_percentage_rate(
    advances: &[TimedAmount],
    payments: &[TimedAmount],
    unit: UnitPeriod,
) -> Result<f64, CreditError> {
    let unit = unit.check()?;
    let timed = |of: &[TimedAmount]| -> Vec<(f64, UnitTime)> {
        of.iter().map(|one| (one.amount.to_f64().unwrap_or(f64::NAN), one.at)).collect()
    };
    let (advances, payments) = (timed(advances), timed(payments));
    let value = |of: &[(f64, UnitTime)], rate: f64| -> f64 {
        let value = |(amount, at): &(f64, UnitTime)| {
            let whole = (1.0 + rate).powi(at.whole.min(100_000) as i32);
            amount / ((1.0 + at.fraction * rate) * whole)
        };
        of.iter().map(value).sum()
    };
    // Payments after whole unit-periods make a polynomial: the signs of one advance at the beginning
    // and of what is paid back change once.
    let is_lent_first =
        advances.iter().all(|(amount, at)| *amount >= 0.0 && (at.whole, at.fraction) == (0, 0.0))
            && payments.iter().all(|(amount, at)| *amount >= 0.0 && at.fraction == 0.0);
    let value = |rate: f64| value(&advances, rate) - value(&payments, rate);
    let rate = if is_lent_first { only_rate_of(value) } else { rate_of(value) }?;
    Ok(rate * unit.in_a_year())
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;
    use crate::credit::percent;

    fn at(amount: &str, whole: u32, fraction: f64) -> TimedAmount {
        let amount = Decimal::from_str_exact(amount).unwrap();
        TimedAmount { amount, at: UnitTime { whole, fraction } }
    }

    /// So many of an amount, one a unit-period, the first after so much time.
    fn series(amount: &str, number: u32, (whole, fraction): (u32, f64)) -> Vec<TimedAmount> {
        (0..number).map(|step| at(amount, whole + step, fraction)).collect()
    }

    fn rate(advances: &[TimedAmount], payments: &[TimedAmount], unit: UnitPeriod) -> String {
        let rate = annual_percentage_rate(advances, payments, unit).unwrap();
        percent(rate, 2).unwrap().to_string()
    }

    const MONTH: UnitPeriod = UnitPeriod::Months(1);

    /// The examples of Appendix J(c)(1): a single advance, level payments, an odd first period.
    #[test]
    fn level_payments_have_the_rates_of_appendix_j_c_1() {
        let of = |lent: &str, payments: Vec<TimedAmount>, unit| {
            rate(&[at(lent, 0, 0.0)], &payments, unit)
        };
        assert_eq!(of("5000", series("230", 24, (1, 0.0)), MONTH), "9.69");
        assert_eq!(of("6000", series("200", 36, (1, 19.0 / 30.0)), MONTH), "11.82");
        let half = UnitPeriod::HalfMonth;
        assert_eq!(of("5000", series("219.17", 24, (0, 6.0 / 15.0)), half), "10.34");
        assert_eq!(of("10000", series("385", 40, (1, 39.0 / 90.0)), UnitPeriod::Months(3)), "8.97");
        assert_eq!(of("500", series("17.60", 30, (4, 4.0 / 7.0)), UnitPeriod::Weeks(1)), "14.96");
    }

    /// J(c)(2) to (4): an odd first, last, or first and last payment.
    #[test]
    fn odd_payments_have_the_rates_of_appendix_j_c_2_to_4() {
        let of = |lent: &str, parts: &[Vec<TimedAmount>], unit| {
            rate(&[at(lent, 0, 0.0)], &parts.concat(), unit)
        };
        let first = vec![at("250", 1, 0.0)];
        assert_eq!(of("5000", &[first.clone(), series("230", 23, (2, 0.0))], MONTH), "10.08");
        let odd = 5.0 / 28.0;
        let weeks = [vec![at("39.50", 1, odd)], series("38.31", 11, (2, odd))];
        assert_eq!(of("400", &weeks, UnitPeriod::Weeks(4)), "28.50");
        assert_eq!(
            of("5000", &[series("230", 23, (1, 0.0)), vec![at("280", 24, 0.0)]], MONTH),
            "10.50"
        );
        let odd = 8.0 / 14.0;
        let weeks = [series("9.50", 19, (0, odd)), vec![at("30", 19, odd)]];
        assert_eq!(of("200", &weeks, UnitPeriod::Weeks(2)), "12.22");
        let both = [first, series("230", 22, (2, 0.0)), vec![at("280", 24, 0.0)]];
        assert_eq!(of("5000", &both, MONTH), "10.90");
        let odd = 52.0 / 60.0;
        let both =
            [vec![at("449.36", 0, odd)], series("465", 18, (1, odd)), vec![at("200", 19, odd)]];
        assert_eq!(of("8000", &both, UnitPeriod::Months(2)), "7.30");
    }

    /// J(c)(5): a single payment.
    #[test]
    fn single_payments_have_the_rates_of_appendix_j_c_5() {
        let of = |lent: &str, paid: TimedAmount, unit| rate(&[at(lent, 0, 0.0)], &[paid], unit);
        assert_eq!(of("1000", at("1080", 1, 0.0), UnitPeriod::Days(255)), "11.45");
        assert_eq!(of("1000", at("1044", 1, 0.0), UnitPeriod::Months(6)), "8.80");
        assert_eq!(of("1000", at("1135.19", 1, 0.5), UnitPeriod::Months(12)), "8.76");
        assert_eq!(of("1000", at("1240", 2, 0.0), UnitPeriod::Months(12)), "11.36");
    }

    /// J(c)(6) and (7): payments that skip, that grow, and several advances.
    #[test]
    fn complex_credits_have_the_rates_of_appendix_j_c_6_and_7() {
        let four_weeks = UnitPeriod::Weeks(4);
        let skipping = [(9, 0, 26), (6, 10, 12), (6, 16, 26), (3, 23, 12)]
            .map(|(number, whole, days)| series("100", number, (whole, f64::from(days) / 28.0)));
        assert_eq!(rate(&[at("2135", 0, 0.0)], &skipping.concat(), four_weeks), "12.00");
        let odd = 12.0 / 30.0;
        let unequal = [
            series("1000", 3, (6, odd)),
            vec![at("2000", 12, odd)],
            series("750", 3, (18, odd)),
            vec![at("1000", 22, 29.0 / 30.0)],
        ];
        // 10.2154, of which the appendix shows 10.21.
        let shown = rate(&[at("7350", 0, 0.0)], &unequal.concat(), MONTH);
        assert_eq!(shown, "10.22");
        let by_year = "291.81 300.18 308.78 317.61 326.65 335.92 345.42 355.15 365.12 375.33 385.76 \
                       385.42 385.03 384.62 384.17 383.67 383.13 382.54 381.90 381.20 380.43 379.60 \
                       378.68 377.69 376.60 375.42 374.13 372.72 371.18 369.50";
        let graduated: Vec<TimedAmount> = by_year
            .split_whitespace()
            .zip(0..)
            .flat_map(|(amount, year)| series(amount, 12, (1 + 12 * year, 21.0 / 30.0)))
            .collect();
        assert_eq!(rate(&[at("39688.56", 0, 0.0)], &graduated, MONTH), "9.80");
        let advances =
            [at("20000", 0, 0.0), at("20000", 2, 2.0 / 30.0), at("20000", 5, 8.0 / 30.0)];
        assert_eq!(rate(&advances, &series("612.36", 240, (8, 0.0)), MONTH), "10.25");
        let odd = 4.0 / 30.0;
        let advances = [2, 14, 26, 38].map(|whole| at("1800", whole, odd)).into_iter();
        let advances: Vec<TimedAmount> =
            advances.chain([6, 18, 30, 42].map(|whole| at("1000", whole, odd))).collect();
        assert_eq!(
            rate(&advances, &series("240", 50, (0, 0.0)), MONTH),
            "32.04",
            "paid before lent"
        );
    }

    #[test]
    fn unit_periods_are_counted_as_appendix_j_counts_them() {
        let between = |unit: UnitPeriod, first, later| {
            let UnitTime { whole, fraction } = unit.between(first, later).unwrap();
            (whole, fraction)
        };
        let (half, quarter) = (UnitPeriod::HalfMonth, UnitPeriod::Months(3));
        let of_1978 = |month, day| date(1978, month, day);
        assert_eq!(between(MONTH, of_1978(1, 10), of_1978(2, 10)), (1, 0.0));
        assert_eq!(between(MONTH, of_1978(2, 10), of_1978(4, 1)), (1, 19.0 / 30.0));
        assert_eq!(between(half, of_1978(2, 23), of_1978(3, 1)), (0, 6.0 / 15.0));
        assert_eq!(between(half, of_1978(2, 23), of_1978(4, 1)), (2, 6.0 / 15.0));
        assert_eq!(between(quarter, of_1978(5, 23), of_1978(10, 1)), (1, 39.0 / 90.0));
        assert_eq!(between(UnitPeriod::Weeks(1), of_1978(3, 20), of_1978(4, 21)), (4, 4.0 / 7.0));
        assert_eq!(between(UnitPeriod::Weeks(4), of_1978(3, 18), of_1978(4, 20)), (1, 5.0 / 28.0));
        assert_eq!(between(UnitPeriod::Weeks(2), of_1978(4, 3), of_1978(4, 11)), (0, 8.0 / 14.0));
        // One month and 22 days of two months.
        assert_eq!(between(UnitPeriod::Months(2), of_1978(1, 10), of_1978(3, 1)), (0, 52.0 / 60.0));
        let (year, later) = (UnitPeriod::Months(12), date(1979, 7, 17));
        assert_eq!(between(year, of_1978(1, 17), later), (1, 0.5));
        assert_eq!(between(UnitPeriod::Days(255), of_1978(1, 3), of_1978(9, 15)), (1, 0.0));
        assert_eq!(between(MONTH, of_1978(1, 31), of_1978(1, 31)), (0, 0.0));
        assert_eq!(
            MONTH.between(of_1978(2, 1), of_1978(1, 31)),
            Err(CreditError::BeforeTheFirstAdvance)
        );
    }

    #[test]
    fn at_the_ends_of_time_no_more_than_a_hundred_years_are_counted() {
        for unit in [MONTH, UnitPeriod::HalfMonth, UnitPeriod::Weeks(1), UnitPeriod::Days(1)] {
            assert!(unit.between(Date::MIN, Date::MAX).is_err());
            let begin = date(9899, 12, 31);
            assert!(unit.between(begin, Date::MAX).unwrap().whole >= 1_200, "{unit:?}");
            assert!(unit.between(Date::MIN, date(-9900, 1, 1)).is_ok());
        }
    }

    #[test]
    fn what_no_unit_period_can_be_is_refused() {
        for unit in [UnitPeriod::Months(0), UnitPeriod::Months(13), UnitPeriod::Weeks(53)] {
            assert!(unit.check().is_err(), "{unit:?}");
        }
        let paid = [at("90", 1, 0.0)];
        let refused = annual_percentage_rate(&[at("100", 0, 0.0)], &paid, UnitPeriod::Months(1));
        assert_eq!(refused, Err(CreditError::NoRate));
    }
}
