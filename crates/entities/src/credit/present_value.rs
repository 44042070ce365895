//! The rate at which what is lent equals what is paid back.

use super::CreditError;

/// The largest rate for a period that is looked for: 100 million per cent.
const LARGEST: f64 = 1e6;
/// The first rate beyond 0 that is tried, and by how much more each next one is.
const FIRST: f64 = 1e-7;
const STEP: f64 = 1.02;
/// The same where there is one rate at most: none can be stepped over.
const LONG_STEP: f64 = 2.0;
/// Halvings of the interval in which the rate lies: beyond what double precision tells apart.
const HALVINGS: usize = 200;

/// The smallest rate for a period, from 0 on, at which the present value of what is lent, less that
/// of what is paid back, is 0. `value` gives that at a rate; which comes first does not matter, so
/// what is paid may be paid before it is lent. There may be several such rates (it is a polynomial,
/// with as many roots as its signs change): the smallest is what a borrower would be shown.
///
/// # Errors
/// [`CreditError::NoRate`] when there is none up to 100 million per cent.
pub fn rate_of(value: impl Fn(f64) -> f64) -> Result<f64, CreditError> {
    smallest_rate(value, STEP)
}

/// The same of a value that is 0 at one rate at most, as where all that is lent comes before all that
/// is paid back: the signs of its polynomial change once (Descartes). Far fewer rates are tried.
///
/// # Errors
/// As [`rate_of`].
pub fn only_rate_of(value: impl Fn(f64) -> f64) -> Result<f64, CreditError> {
    smallest_rate(value, LONG_STEP)
}

fn smallest_rate(value: impl Fn(f64) -> f64, step: f64) -> Result<f64, CreditError> {
    let at_none = value(0.0);
    if at_none == 0.0 {
        return Ok(0.0);
    }
    let (mut low, mut of_low, mut high) = (0.0, at_none, FIRST);
    while high <= LARGEST {
        let of_high = value(high);
        if !of_high.is_finite() {
            return Err(CreditError::NoRate);
        }
        if of_high == 0.0 || (of_high < 0.0) != (of_low < 0.0) {
            return Ok(halve(value, (low, of_low), high));
        }
        (low, of_low) = (high, of_high);
        high *= step;
    }
    Err(CreditError::NoRate)
}

fn halve(value: impl Fn(f64) -> f64, (mut low, of_low): (f64, f64), mut high: f64) -> f64 {
    for _ in 0..HALVINGS {
        let middle = low + (high - low) / 2.0;
        if middle <= low || middle >= high {
            break;
        }
        if (value(middle) < 0.0) == (of_low < 0.0) {
            low = middle;
        } else {
            high = middle;
        }
    }
    high
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_of_one_payment_is_what_is_paid_more() {
        let rate = rate_of(|rate| 100.0 - 107.0 / (1.0 + rate)).unwrap();
        assert!((rate - 0.07).abs() < 1e-12, "{rate}");
        assert_eq!(rate_of(|rate| 100.0 - 100.0 / (1.0 + rate)), Ok(0.0));
    }

    #[test]
    fn where_there_is_one_rate_longer_steps_find_the_same() {
        for payment in [8.4, 9.0, 12.0, 40.0, 4_000.0] {
            let value =
                |rate: f64| 100.0 - (1..=12).map(|at| payment / (1.0 + rate).powi(at)).sum::<f64>();
            let (one, other) = (rate_of(value).unwrap(), only_rate_of(value).unwrap());
            assert!((one - other).abs() <= 1e-12 * one, "{one} {other}");
        }
        assert_eq!(only_rate_of(|rate| 100.0 - 90.0 / (1.0 + rate)), Err(CreditError::NoRate));
    }

    #[test]
    fn the_rate_of_a_few_days_is_found_though_it_be_a_million_per_cent() {
        // A fifth more after a week, a year.
        let rate = rate_of(|rate| 100.0 - 120.0 * (1.0 + rate).powf(-1.0 / 52.0)).unwrap();
        assert!((rate / (1.2f64.powi(52) - 1.0) - 1.0).abs() < 1e-9, "{rate}");
    }

    #[test]
    fn of_two_rates_the_smaller_is_found() {
        // Zero at 10 and at 20 per cent.
        let value = |rate: f64| (rate - 0.1) * (rate - 0.2);
        assert!((rate_of(value).unwrap() - 0.1).abs() < 1e-12);
    }

    #[test]
    fn what_is_paid_back_in_part_has_no_rate() {
        assert_eq!(rate_of(|rate| 100.0 - 90.0 / (1.0 + rate)), Err(CreditError::NoRate));
        assert_eq!(rate_of(|_| f64::NAN), Err(CreditError::NoRate));
    }
}
