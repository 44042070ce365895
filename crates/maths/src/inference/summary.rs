//! What is kept of a group: how many there are, and the first and second moments of an outcome
//! and of a second variable.
//!
//! Moments are kept around the means, so that a large common offset costs no digits (Welford,
//! Technometrics 4, 1962), and two summaries merge as Chan, Golub and LeVeque have it ("Updating
//! formulae and a pairwise algorithm for computing sample variances", 1979).

use serde::{Deserialize, Serialize};

use super::InferenceError;
use super::error::finite;

/// By how much sums of squares may fall short of the mean's, beside themselves, before they are
/// refused: raw sums lose digits to a large offset, which is not the caller's mistake.
const ROUNDING: f64 = 1e-9;

/// The sums of one group: of an outcome `y`, and of a second variable `x`, such as a ratio's
/// denominator or a covariate from before the experiment. `x` is 0 where there is none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Moments", into = "Moments")]
pub struct Sums(Moments);

/// Moments around the means, as [`Sums`] are stored.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Moments {
    /// Observations.
    pub n: u64,
    /// The mean of `y`.
    pub mean_y: f64,
    /// The mean of `x`.
    pub mean_x: f64,
    /// The sum of squares of `y` less its mean, at least 0.
    pub squares_y: f64,
    /// The sum of squares of `x` less its mean, at least 0.
    pub squares_x: f64,
    /// The sum of products of `y` and `x`, each less its mean.
    pub products: f64,
}

/// Plain sums, as other engines and databases have them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct RawSums {
    /// Observations.
    pub n: u64,
    /// The sum of `y`.
    pub sum_y: f64,
    /// The sum of `y` squared.
    pub sum_yy: f64,
    /// The sum of `x`.
    #[serde(default)]
    pub sum_x: f64,
    /// The sum of `x` squared.
    #[serde(default)]
    pub sum_xx: f64,
    /// The sum of `x` times `y`.
    #[serde(default)]
    pub sum_xy: f64,
}

impl Sums {
    /// The sums of nobody.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// From plain sums. Digits that a large offset cost there are lost.
    ///
    /// # Errors
    /// [`InferenceError::NotFinite`] of a number that is not; [`InferenceError::Inconsistent`]
    /// when no observations have such sums, or there are sums of nobody.
    pub fn from_raw(raw: RawSums) -> Result<Self, InferenceError> {
        let RawSums { n, sum_y, sum_yy, sum_x, sum_xx, sum_xy } = raw;
        for sum in [sum_y, sum_yy, sum_x, sum_xx, sum_xy] {
            finite("a sum", sum)?;
        }
        if n == 0 {
            let empty = raw == RawSums::default();
            return if empty { Ok(Self::new()) } else { Err(InferenceError::Inconsistent) };
        }
        let (mean_y, mean_x) = (sum_y / n as f64, sum_x / n as f64);
        let squares_y = centred_squares(n, sum_yy, sum_y * mean_y)?;
        let squares_x = centred_squares(n, sum_xx, sum_x * mean_x)?;
        let bound = squares_y.sqrt() * squares_x.sqrt();
        let products = sum_xy - sum_y * mean_x;
        // Cauchy and Schwarz, with room for the digits that the offsets cost.
        let room = ROUNDING * (sum_yy.sqrt() * sum_xx.sqrt());
        if products.abs() > bound + room {
            return Err(InferenceError::Inconsistent);
        }
        let products = products.clamp(-bound, bound);
        Self::try_from(Moments { n, mean_y, mean_x, squares_y, squares_x, products })
    }

    /// The plain sums.
    #[must_use]
    pub fn raw(&self) -> RawSums {
        let Moments { n, mean_y, mean_x, squares_y, squares_x, products } = self.0;
        let count = n as f64;
        RawSums {
            n,
            sum_y: count * mean_y,
            sum_yy: squares_y + count * mean_y * mean_y,
            sum_x: count * mean_x,
            sum_xx: squares_x + count * mean_x * mean_x,
            sum_xy: products + count * mean_x * mean_y,
        }
    }

    /// Adds an observation without a second variable.
    ///
    /// # Errors
    /// As [`add_pair`](Self::add_pair).
    pub fn add(&mut self, y: f64) -> Result<(), InferenceError> {
        self.add_pair(y, 0.0)
    }

    /// Adds an observation.
    ///
    /// # Errors
    /// [`InferenceError::NotFinite`] when a value or a moment that it leads to is not finite;
    /// the sums are then as they were.
    pub fn add_pair(&mut self, y: f64, x: f64) -> Result<(), InferenceError> {
        finite("an outcome", y)?;
        finite("a second variable", x)?;
        let one = Moments { n: 1, mean_y: y, mean_x: x, ..Moments::default() };
        *self = self.merge(&Self(one))?;
        Ok(())
    }

    /// The sums of both groups together.
    ///
    /// # Errors
    /// [`InferenceError::NotFinite`] when a moment becomes too large for a double.
    pub fn merge(&self, other: &Self) -> Result<Self, InferenceError> {
        let (one, two) = (&self.0, &other.0);
        if one.n == 0 {
            return Ok(*other);
        }
        if two.n == 0 {
            return Ok(*self);
        }
        let n = one.n.saturating_add(two.n);
        let share = two.n as f64 / n as f64;
        let weight = one.n as f64 * share;
        let (apart_y, apart_x) = (two.mean_y - one.mean_y, two.mean_x - one.mean_x);
        let merged = Moments {
            n,
            mean_y: one.mean_y + apart_y * share,
            mean_x: one.mean_x + apart_x * share,
            squares_y: one.squares_y + two.squares_y + apart_y * apart_y * weight,
            squares_x: one.squares_x + two.squares_x + apart_x * apart_x * weight,
            products: one.products + two.products + apart_y * apart_x * weight,
        };
        merged.check_finite()?;
        Ok(Self(merged))
    }

    /// The moments around the means.
    #[must_use]
    pub fn moments(&self) -> &Moments {
        &self.0
    }

    /// Observations.
    #[must_use]
    pub fn n(&self) -> u64 {
        self.0.n
    }

    /// The mean of `y`, 0 of nobody.
    #[must_use]
    pub fn mean(&self) -> f64 {
        self.0.mean_y
    }

    /// The mean of `x`, 0 of nobody.
    #[must_use]
    pub fn mean_x(&self) -> f64 {
        self.0.mean_x
    }

    /// The sample variance of `y`, over `n - 1`.
    ///
    /// # Errors
    /// [`InferenceError::TooFew`] below 2 observations.
    pub fn variance(&self) -> Result<f64, InferenceError> {
        Ok(self.0.squares_y / self.freedom()?)
    }

    /// The sample variance of `x`, over `n - 1`.
    ///
    /// # Errors
    /// [`InferenceError::TooFew`] below 2 observations.
    pub fn variance_x(&self) -> Result<f64, InferenceError> {
        Ok(self.0.squares_x / self.freedom()?)
    }

    /// The sample covariance of `y` and `x`, over `n - 1`.
    ///
    /// # Errors
    /// [`InferenceError::TooFew`] below 2 observations.
    pub fn covariance(&self) -> Result<f64, InferenceError> {
        Ok(self.0.products / self.freedom()?)
    }

    fn freedom(&self) -> Result<f64, InferenceError> {
        if self.0.n < 2 {
            let what = "observations in each group";
            return Err(InferenceError::TooFew { what, least: 2, found: self.0.n });
        }
        Ok((self.0.n - 1) as f64)
    }
}

impl Moments {
    fn check_finite(&self) -> Result<(), InferenceError> {
        let Self { mean_y, mean_x, squares_y, squares_x, products, .. } = *self;
        for moment in [mean_y, mean_x, squares_y, squares_x, products] {
            finite("a moment", moment)?;
        }
        Ok(())
    }

    fn check(&self) -> Result<(), InferenceError> {
        self.check_finite()?;
        let Self { n, mean_y, mean_x, squares_y, squares_x, products } = *self;
        let alone = n < 2 && (squares_y != 0.0 || squares_x != 0.0 || products != 0.0);
        let nobody = n == 0 && (mean_y != 0.0 || mean_x != 0.0);
        if alone || nobody || squares_y < 0.0 || squares_x < 0.0 {
            return Err(InferenceError::Inconsistent);
        }
        let bound = squares_y.sqrt() * squares_x.sqrt();
        if products.abs() > bound * (1.0 + ROUNDING) + f64::MIN_POSITIVE {
            return Err(InferenceError::Inconsistent);
        }
        Ok(())
    }
}

impl TryFrom<Moments> for Sums {
    type Error = InferenceError;

    /// [`InferenceError::NotFinite`] or [`InferenceError::Inconsistent`] when no observations
    /// have such moments.
    fn try_from(moments: Moments) -> Result<Self, InferenceError> {
        moments.check()?;
        Ok(Self(moments))
    }
}

impl From<Sums> for Moments {
    fn from(sums: Sums) -> Self {
        sums.0
    }
}

fn centred_squares(n: u64, squares: f64, of_mean: f64) -> Result<f64, InferenceError> {
    let centred = squares - of_mean;
    let room = ROUNDING * squares.abs();
    if centred < -room || (n == 1 && centred > room) {
        return Err(InferenceError::Inconsistent);
    }
    // One observation does not vary, whatever rounding leaves.
    Ok(if n == 1 { 0.0 } else { centred.max(0.0) })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(pairs: &[(f64, f64)]) -> Sums {
        let mut sums = Sums::new();
        for (y, x) in pairs {
            sums.add_pair(*y, *x).unwrap();
        }
        sums
    }

    fn close(one: f64, two: f64, scale: f64) -> bool {
        (one - two).abs() <= 1e-9 * (1.0 + scale.abs())
    }

    fn alike(one: &Sums, two: &Sums) -> bool {
        let (one, two) = (one.moments(), two.moments());
        let scale = one.squares_y + one.squares_x;
        one.n == two.n
            && close(one.mean_y, two.mean_y, one.mean_y)
            && close(one.mean_x, two.mean_x, one.mean_x)
            && close(one.squares_y, two.squares_y, scale)
            && close(one.squares_x, two.squares_x, scale)
            && close(one.products, two.products, scale)
    }

    fn pairs() -> impl Strategy<Value = Vec<(f64, f64)>> {
        prop::collection::vec((-1e3..1e3, -1e3..1e3), 0..20)
    }

    proptest! {
        #[test]
        fn merging_is_associative_and_commutative(a in pairs(), b in pairs(), c in pairs()) {
            let (one, two, three) = (of(&a), of(&b), of(&c));
            let left = one.merge(&two).unwrap().merge(&three).unwrap();
            let right = one.merge(&two.merge(&three).unwrap()).unwrap();
            prop_assert!(alike(&left, &right));
            prop_assert!(alike(&one.merge(&two).unwrap(), &two.merge(&one).unwrap()));
            let all: Vec<_> = [a, b, c].concat();
            prop_assert!(alike(&left, &of(&all)));
        }

        #[test]
        fn raw_sums_lead_back(a in pairs()) {
            let sums = of(&a);
            let back = Sums::from_raw(sums.raw()).unwrap();
            // Raw sums keep digits of the squares of the values, not of what they vary by.
            let lost = 1e-9 * sums.raw().sum_yy;
            prop_assert!((back.moments().squares_y - sums.moments().squares_y).abs() <= lost);
            prop_assert!(close(back.mean(), sums.mean(), sums.mean()));
            prop_assert_eq!(back.n(), sums.n());
        }

        #[test]
        fn any_numbers_are_sums_or_refused(
            n in any::<u64>(), values in prop::array::uniform5(any::<f64>()),
        ) {
            let [sum_y, sum_yy, sum_x, sum_xx, sum_xy] = values;
            if let Ok(sums) = Sums::from_raw(RawSums { n, sum_y, sum_yy, sum_x, sum_xx, sum_xy }) {
                prop_assert!(sums.moments().check().is_ok());
            }
        }
    }

    #[test]
    fn a_large_offset_costs_no_digits() {
        let sums = of(&[(1e9 + 1.0, 0.0), (1e9 + 2.0, 0.0), (1e9 + 3.0, 0.0)]);
        assert!((sums.variance().unwrap() - 1.0).abs() < 1e-9);
    }

    #[test]
    fn what_is_no_number_is_refused_and_changes_nothing() {
        let mut sums = of(&[(1.0, 2.0), (2.0, 1.0)]);
        let before = sums;
        assert_eq!(sums.add(f64::NAN), Err(InferenceError::NotFinite("an outcome")));
        assert!(sums.add_pair(1.0, f64::INFINITY).is_err());
        assert!(sums.add(1e300).is_err());
        assert_eq!(sums, before);
    }

    #[test]
    fn impossible_sums_are_refused() {
        let raw = RawSums { n: 10, sum_y: 10.0, sum_yy: 1.0, ..RawSums::default() };
        assert_eq!(Sums::from_raw(raw), Err(InferenceError::Inconsistent));
        let raw = RawSums { sum_y: 1.0, ..RawSums::default() };
        assert_eq!(Sums::from_raw(raw), Err(InferenceError::Inconsistent));
        let raw = RawSums { n: 1, sum_y: 1.0, sum_yy: 5.0, ..RawSums::default() };
        assert_eq!(Sums::from_raw(raw), Err(InferenceError::Inconsistent));
    }

    #[test]
    fn one_observation_has_no_variance() {
        let few = of(&[(1.0, 1.0)]).variance();
        let what = "observations in each group";
        assert_eq!(few, Err(InferenceError::TooFew { what, least: 2, found: 1 }));
    }

    #[test]
    fn stored_sums_are_checked_when_read() {
        let sums = of(&[(1.0, 2.0), (2.0, 1.0), (4.0, 4.0)]);
        let text = serde_json::to_string(&sums).unwrap();
        assert_eq!(serde_json::from_str::<Sums>(&text).unwrap(), sums);
        let spoilt = text.replace("\"n\":3", "\"n\":1");
        assert!(serde_json::from_str::<Sums>(&spoilt).is_err());
    }
}
