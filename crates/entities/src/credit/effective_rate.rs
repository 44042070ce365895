//! The effective annual rates of the European Union and of the United Kingdom.
//!
//! The rate `X` is that at which
//!
//! ```text
//! sum of what is lent (1 + X)^-t = sum of what is paid (1 + X)^-s
//! ```
//!
//! with times in years from the first advance on (Directive 2008/48/EC, Annex I, which Directive
//! (EU) 2023/2225 keeps in its Annex III; in the United Kingdom CONC App 1.2). How a time is counted
//! is where the two differ: see [`YearCount`].

use jiff::civil::Date;
use jiff::{Span, ToSpan, Unit};
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;

use super::present_value::{only_rate_of, rate_of};
use super::{CreditError, check_term};

/// Between which amounts time passes in equal steps: whole ones are counted first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// A twelfth of a year.
    Month,
    /// A fifty-second of a year.
    Week,
    /// A year.
    Year,
    /// No equal steps: days alone, 365 of which are a year.
    Day,
}

/// How times between days are counted in years.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum YearCount {
    /// Whole steps back from the later day; the days that are left before them over the days of the
    /// year that ends with the last of these (the Commission's guidelines, SWD(2012) 128, 4.1.1).
    EuropeanUnion(Step),
    /// Whole steps on from the earlier day; the days that are left after them each over the days of
    /// the calendar year in which it lies.
    UnitedKingdom(Step),
}

/// An amount that is lent or paid on a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DatedAmount {
    /// How much, above 0.
    pub amount: Decimal,
    /// The day.
    pub on: Date,
}

impl YearCount {
    /// The years from one day to a later one.
    ///
    /// # Errors
    /// [`CreditError::BeforeTheFirstAdvance`] when it is before, [`CreditError::OutOfRange`] when it is
    /// more than a hundred years later.
    pub fn between(self, first: Date, later: Date) -> Result<f64, CreditError> {
        check_term(first, later)?;
        Ok(match self {
            Self::EuropeanUnion(step) => {
                let (whole, begin) = whole_steps(
                    step,
                    |steps| {
                        let begin = later.checked_sub(step.of(steps)?).ok()?;
                        (begin >= first).then_some(begin)
                    },
                    (first, later),
                );
                let year = days(begin.saturating_sub(1.years()), begin);
                step.in_years(whole) + odd_days(step, days(first, begin), year)
            }
            Self::UnitedKingdom(step) => {
                let (whole, end) = whole_steps(
                    step,
                    |steps| {
                        let end = first.checked_add(step.of(steps)?).ok()?;
                        (end <= later).then_some(end)
                    },
                    (first, later),
                );
                step.in_years(whole) + by_calendar_years(step, end, later)
            }
        })
    }
}

impl Step {
    /// So many of it; `None` beyond all dates.
    fn of(self, number: i32) -> Option<Span> {
        let span = Span::new();
        let span = match self {
            Self::Month => span.try_months(number),
            Self::Week => span.try_weeks(number),
            Self::Year => span.try_years(number),
            Self::Day => span.try_days(number),
        };
        span.ok()
    }

    fn in_years(self, number: i32) -> f64 {
        let in_a_year = match self {
            Self::Month => 12.0,
            Self::Week => 52.0,
            Self::Year => 1.0,
            Self::Day => 365.0,
        };
        f64::from(number) / in_a_year
    }

    fn unit(self) -> Unit {
        match self {
            Self::Month => Unit::Month,
            Self::Week => Unit::Week,
            Self::Year => Unit::Year,
            Self::Day => Unit::Day,
        }
    }
}

/// The most steps for which `reached` gives a day, and that day.
fn whole_steps(
    step: Step,
    reached: impl Fn(i32) -> Option<Date>,
    (first, later): (Date, Date),
) -> (i32, Date) {
    let span = first.until((step.unit(), later)).unwrap_or_default();
    let about = match step {
        Step::Month => span.get_months(),
        Step::Week => span.get_weeks(),
        Step::Year => i32::from(span.get_years()),
        Step::Day => span.get_days(),
    };
    // Ends of months differ by which side they are counted from: one more or less.
    let candidates = (0..=about + 1).rev().take(3);
    let found = candidates.filter_map(|steps| Some((steps, reached(steps)?))).next();
    found.unwrap_or((0, first))
}

fn days(from: Date, to: Date) -> u32 {
    (to - from).get_days().unsigned_abs()
}

fn odd_days(step: Step, odd: u32, year: u32) -> f64 {
    match step {
        Step::Day => f64::from(odd) / 365.0,
        _ => f64::from(odd) / f64::from(year.max(1)),
    }
}

/// The days from one day to a later one, each over those of its calendar year.
fn by_calendar_years(step: Step, from: Date, to: Date) -> f64 {
    if step == Step::Day {
        return f64::from(days(from, to)) / 365.0;
    }
    let (mut from, mut years) = (from, 0.0);
    while from < to {
        let last = from.last_of_year();
        let until = last.min(to);
        // The day on which a year ends is its last: what follows is of the next.
        let of_this = days(from, until);
        years += f64::from(of_this) / f64::from(from.days_in_year());
        if until == to {
            return years;
        }
        let next = last.saturating_add(1.days());
        years += 1.0 / f64::from(next.days_in_year());
        from = next;
    }
    years
}

/// The effective annual rate, as a share: 0.1296 for 12.96 per cent.
///
/// # Errors
/// [`CreditError`] when nothing is lent first, or when there is no rate.
pub fn effective_rate(
    advances: &[DatedAmount],
    payments: &[DatedAmount],
    count: YearCount,
) -> Result<f64, CreditError> {
    let first = advances.iter().map(|amount| amount.on).min();
    let first = first.ok_or(CreditError::BeforeTheFirstAdvance)?;
    let timed = |of: &[DatedAmount]| -> Result<Vec<(f64, f64)>, CreditError> {
        let timed = |DatedAmount { amount, on }: &DatedAmount| {
            Ok((amount.to_f64().unwrap_or(f64::NAN), count.between(first, *on)?))
        };
        of.iter().map(timed).collect()
    };
    let (advances, payments) = (timed(advances)?, timed(payments)?);
    let value = |of: &[(f64, f64)], rate: f64| -> f64 {
        of.iter().map(|(amount, years)| amount * (1.0 + rate).powf(-years)).sum()
    };
    let last_advance = advances.iter().map(|(_, years)| *years).fold(0.0, f64::max);
    let is_lent_first = advances.iter().all(|(amount, _)| *amount >= 0.0)
        && payments.iter().all(|(amount, years)| *amount >= 0.0 && *years >= last_advance);
    let value = |rate: f64| value(&advances, rate) - value(&payments, rate);
    if is_lent_first { only_rate_of(value) } else { rate_of(value) }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;
    use crate::credit::percent;

    fn amount(of: &str, on: Date) -> DatedAmount {
        DatedAmount { amount: Decimal::from_str_exact(of).unwrap(), on }
    }

    const DAYS: YearCount = YearCount::EuropeanUnion(Step::Day);
    const MONTHS: YearCount = YearCount::EuropeanUnion(Step::Month);
    const UK: YearCount = YearCount::UnitedKingdom(Step::Month);

    fn shown(lent: &str, paid: &[(&str, Date)], count: YearCount, places: u32) -> String {
        let begin = date(1994, 1, 1);
        let paid: Vec<DatedAmount> = paid.iter().map(|(of, on)| amount(of, *on)).collect();
        let rate = effective_rate(&[amount(lent, begin)], &paid, count).unwrap();
        percent(rate, places).unwrap().to_string()
    }

    /// Examples of Directive 98/7/EC, Annex III.
    #[test]
    fn credits_have_the_rates_of_the_directive() {
        let begin = date(1994, 1, 1);
        let after = |days: i32| begin.saturating_add(days.days());
        let in_months = |months: i32| begin.saturating_add(months.months());
        assert_eq!(shown("1000", &[("1200", date(1995, 7, 1))], DAYS, 2), "12.96");
        assert_eq!(shown("950", &[("1200", after(546))], DAYS, 2), "16.90");
        let yearly = [("600", after(365)), ("600", after(730))];
        assert_eq!(shown("1000", &yearly, DAYS, 2), "13.07");
        let three = [("272", after(90)), ("272", after(181)), ("544", after(365))];
        assert_eq!(shown("1000", &three, DAYS, 2), "13.23");
        assert_eq!(shown("1000", &[("1200", in_months(18))], MONTHS, 2), "12.92");
        assert_eq!(shown("950", &[("1200", in_months(18))], MONTHS, 2), "16.85");
        let yearly = [("600", in_months(12)), ("600", in_months(24))];
        assert_eq!(shown("1000", &yearly, MONTHS, 2), "13.07");
        let three = [("272", in_months(3)), ("272", in_months(6)), ("544", in_months(12))];
        assert_eq!(shown("1000", &three, MONTHS, 2), "13.19");
    }

    /// As the library curo has it: 10,000 in six of 1,707.
    #[test]
    fn monthly_payments_have_the_rate_that_another_library_gives_them() {
        let begin = date(2026, 1, 5);
        let payments = |fee: &str| -> Vec<DatedAmount> {
            let first = amount(fee, begin.saturating_add(1.months()));
            let rest = (2..=6).map(|month| amount("1707", begin.saturating_add(month.months())));
            std::iter::once(first).chain(rest).collect()
        };
        let rate = |fee| {
            let rate = effective_rate(&[amount("10000", begin)], &payments(fee), MONTHS).unwrap();
            percent(rate, 6).unwrap().to_string()
        };
        assert_eq!(rate("1707"), "8.569257");
        assert_eq!(rate("1757"), "10.447490");
    }

    #[test]
    fn the_union_counts_whole_steps_back_and_odd_days_by_the_year_that_they_end() {
        let is = |step, first, later, years: f64| {
            let found = YearCount::EuropeanUnion(step).between(first, later).unwrap();
            assert!((found - years).abs() < 1e-12, "{first} {later}: {found} {years}");
        };
        let (month, year) = (1.0 / 12.0, Step::Year);
        let begin = date(2012, 1, 12);
        is(Step::Month, begin, date(2012, 2, 15), month + 3.0 / 365.0);
        is(Step::Month, begin, date(2012, 3, 15), 2.0 * month + 3.0 / 365.0);
        is(Step::Month, begin, date(2012, 4, 15), 3.0 * month + 3.0 / 365.0);
        is(Step::Month, date(2013, 1, 12), date(2013, 2, 15), month + 3.0 / 366.0);
        is(Step::Month, date(2013, 1, 12), date(2013, 3, 15), 2.0 * month + 3.0 / 366.0);
        is(year, begin, date(2012, 2, 15), 34.0 / 365.0);
        is(year, begin, date(2013, 2, 15), 1.0 + 34.0 / 365.0);
        is(year, begin, date(2014, 2, 15), 2.0 + 34.0 / 365.0);
        is(Step::Month, date(2013, 2, 25), date(2013, 3, 28), month + 3.0 / 366.0);
        is(Step::Month, date(2013, 2, 26), date(2013, 3, 29), month + 2.0 / 366.0);
        is(Step::Month, date(2012, 2, 26), date(2012, 3, 29), month + 3.0 / 366.0);
        is(Step::Month, date(2012, 12, 1), date(2013, 2, 2), 2.0 * month + 1.0 / 366.0);
        is(Step::Week, begin, date(2012, 1, 20), 1.0 / 52.0 + 1.0 / 365.0);
    }

    #[test]
    fn the_kingdom_counts_whole_steps_on_and_odd_days_by_their_calendar_years() {
        let is = |first, later, years: f64| {
            let found = UK.between(first, later).unwrap();
            assert!((found - years).abs() < 1e-12, "{first} {later}: {found} {years}");
        };
        let month = 1.0 / 12.0;
        is(date(2025, 1, 31), date(2025, 2, 28), month);
        is(date(2025, 1, 12), date(2025, 2, 15), month + 3.0 / 365.0);
        is(date(2023, 12, 15), date(2024, 2, 29), 2.0 * month + 14.0 / 366.0);
        is(date(2024, 11, 25), date(2025, 1, 5), month + 6.0 / 366.0 + 5.0 / 365.0);
    }

    #[test]
    fn at_the_ends_of_time_no_more_than_a_hundred_years_are_counted() {
        for step in [Step::Month, Step::Week, Step::Year, Step::Day] {
            for count in [YearCount::EuropeanUnion(step), YearCount::UnitedKingdom(step)] {
                assert!(count.between(Date::MIN, Date::MAX).is_err());
                let begin = Date::MAX.saturating_sub(100.years());
                let years = count.between(begin, Date::MAX).unwrap();
                assert!((years - 100.0).abs() < 0.5, "{count:?}: {years}");
                let end = Date::MIN.saturating_add(100.years());
                assert!(count.between(Date::MIN, end).is_ok());
            }
        }
    }

    #[test]
    fn dear_credits_of_the_kingdom_have_their_rates() {
        let begin = date(2025, 3, 3);
        let paid = |of: &str, on| amount(of, on);
        let rate = |payments: &[DatedAmount], places| {
            let rate = effective_rate(&[paid("500", begin)], payments, UK).unwrap();
            percent(rate, places).unwrap().to_string()
        };
        assert_eq!(rate(&[paid("510", date(2025, 3, 8))], 3), "324.436");
        let two = [paid("270", date(2025, 4, 3)), paid("270", date(2025, 5, 3))];
        // (1 + X)^(-1/12) is the positive root of 27 v^2 + 27 v = 50.
        assert_eq!(rate(&two, 2), "85.59");
    }

    #[test]
    fn nothing_is_paid_before_the_first_advance() {
        let advance = amount("100", date(2025, 1, 2));
        let early = amount("110", date(2025, 1, 1));
        let refused = Err(CreditError::BeforeTheFirstAdvance);
        assert_eq!(effective_rate(&[advance], &[early], UK), refused);
        assert_eq!(effective_rate(&[], &[early], UK), refused);
    }
}
