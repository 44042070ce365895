//! Sums of whole numbers: the same in whatever order they are added and merged.
//!
//! Of floating numbers another order makes another sum in its last digits, so that a report would
//! hang on the order of files. What is counted is whole anyway, and money is counted in
//! ten-thousandths of its currency: ISO 4217 has no finer one.

use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;

use crate::maths::inference::InferenceError;
use crate::maths::inference::summary::{Moments, Sums};

/// Parts of one unit of a currency.
pub const PARTS_OF_ONE: u64 = 10_000;
/// Most that is counted of one user: a trillion of a currency, in its parts. Squares of a million
/// such users still fit into the sums.
pub const MOST: u64 = 1_000_000_000_000 * PARTS_OF_ONE;

/// The sums of one group: of an outcome `y` and of a second variable `x`, 0 where there is none.
/// Each is at most [`MOST`] of a user.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WholeSums {
    /// Users.
    pub n: u64,
    /// Users of whom `y` is above 0.
    pub above_zero: u64,
    /// The sum of `y`.
    pub y: u128,
    /// The sum of `y` squared.
    pub yy: u128,
    /// The sum of `x`.
    pub x: u128,
    /// The sum of `x` squared.
    pub xx: u128,
    /// The sum of `x` times `y`.
    pub xy: u128,
}

/// A value in ten-thousandths, at most [`MOST`]; what is below 0 is 0.
#[must_use]
pub fn parts_of(value: Decimal) -> u64 {
    if value.is_sign_negative() {
        return 0;
    }
    let parts = value.checked_mul(Decimal::from(PARTS_OF_ONE));
    // What is too large for a decimal is too large for the sums.
    parts.and_then(|parts| parts.round().to_u64()).map_or(MOST, |parts| parts.min(MOST))
}

impl WholeSums {
    /// Adds a user.
    pub fn add(&mut self, y: u64, x: u64) {
        let (y, x) = (y.min(MOST), x.min(MOST));
        let (wide_y, wide_x) = (u128::from(y), u128::from(x));
        self.merge(&Self {
            n: 1,
            above_zero: u64::from(y > 0),
            y: wide_y,
            yy: wide_y * wide_y,
            x: wide_x,
            xx: wide_x * wide_x,
            xy: wide_x * wide_y,
        });
    }

    /// Adds the users of another group.
    pub fn merge(&mut self, other: &Self) {
        self.n = self.n.saturating_add(other.n);
        self.above_zero = self.above_zero.saturating_add(other.above_zero);
        self.y = self.y.saturating_add(other.y);
        self.yy = self.yy.saturating_add(other.yy);
        self.x = self.x.saturating_add(other.x);
        self.xx = self.xx.saturating_add(other.xx);
        self.xy = self.xy.saturating_add(other.xy);
    }

    /// The sums if `y` were the same number of every user.
    #[must_use]
    pub fn all_with(&self, y: u64) -> Self {
        let (n, wide) = (u128::from(self.n), u128::from(y.min(MOST)));
        Self {
            above_zero: if y > 0 { self.n } else { 0 },
            y: n.saturating_mul(wide),
            yy: n.saturating_mul(wide * wide),
            xy: self.x.saturating_mul(wide),
            ..*self
        }
    }

    /// The sums as statistics take them, with so many parts to one of `y` and `x`.
    ///
    /// # Errors
    /// [`InferenceError::Inconsistent`] of sums that no users have, as those that no longer fit.
    pub fn statistics(&self, parts: u64) -> Result<Sums, InferenceError> {
        if self.n == 0 {
            return Ok(Sums::new());
        }
        let (n, one) = (self.n as f64, parts.max(1) as f64);
        let squares_y = self.centred(self.yy, self.y, self.y) / (one * one);
        let squares_x = self.centred(self.xx, self.x, self.x) / (one * one);
        let products = self.centred(self.xy, self.y, self.x) / (one * one);
        // Cauchy and Schwarz hold of whole numbers; rounding each by itself may just break it.
        let bound = squares_y.sqrt() * squares_x.sqrt();
        Sums::try_from(Moments {
            n: self.n,
            mean_y: self.y as f64 / n / one,
            mean_x: self.x as f64 / n / one,
            squares_y,
            squares_x,
            products: products.clamp(-bound, bound),
        })
    }

    /// A sum of products less those of the means: without a digit lost while it fits.
    fn centred(&self, products: u128, one: u128, other: u128) -> f64 {
        let n = self.n as f64;
        let whole = products.checked_mul(u128::from(self.n)).zip(one.checked_mul(other));
        match whole {
            Some((all, means)) if all >= means => (all - means) as f64 / n,
            Some((all, means)) => -((means - all) as f64 / n),
            None => products as f64 - one as f64 / n * other as f64,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(pairs: &[(u64, u64)]) -> WholeSums {
        let mut sums = WholeSums::default();
        pairs.iter().for_each(|(y, x)| sums.add(*y, *x));
        sums
    }

    #[test]
    fn money_is_counted_in_ten_thousandths() {
        for (text, parts) in [
            ("12.34", 123_400),
            ("0.0001", 1),
            ("0.00001", 0),
            ("-5", 0),
            ("79228162514264337593543950335", MOST),
            ("1000000000001", MOST),
        ] {
            assert_eq!(parts_of(text.parse().unwrap()), parts, "{text}");
        }
    }

    proptest! {
        #[test]
        fn the_statistics_are_those_of_the_users(
            pairs in prop::collection::vec((0u64..5_000, 0u64..50), 0..40),
            parts in prop::sample::select(vec![1, PARTS_OF_ONE]),
        ) {
            let mut expected = Sums::new();
            for (y, x) in &pairs {
                expected.add_pair(*y as f64 / parts as f64, *x as f64 / parts as f64).unwrap();
            }
            let found = of(&pairs).statistics(parts).unwrap();
            let (found, expected) = (found.moments(), expected.moments());
            let close = |a: f64, b: f64| (a - b).abs() <= 1e-9 * (1.0 + b.abs());
            prop_assert_eq!(found.n, expected.n);
            prop_assert!(close(found.mean_y, expected.mean_y));
            prop_assert!(close(found.squares_y, expected.squares_y));
            prop_assert!(close(found.squares_x, expected.squares_x));
            prop_assert!(close(found.products, expected.products));
        }

        #[test]
        fn any_users_have_statistics(
            pairs in prop::collection::vec((any::<u64>(), any::<u64>()), 0..20), y in any::<u64>(),
        ) {
            let sums = of(&pairs);
            prop_assert!(sums.statistics(1).is_ok(), "{:?}", sums);
            prop_assert!(sums.all_with(y).statistics(1).is_ok());
            let same: Vec<_> = pairs.iter().map(|(_, x)| (y, *x)).collect();
            prop_assert_eq!(sums.all_with(y), of(&same));
        }
    }
}
