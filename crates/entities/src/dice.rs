//! Chance, passed in so that tests and simulations can set it: what a seed, a
//! fresh identifier or a spread of retries is drawn from. The machine's own is
//! made where there is a machine (`crossfold_edge::system`).

use std::fmt;
use std::sync::Arc;

/// Rolls numbers that nobody can foretell.
#[derive(Clone)]
pub struct Dice(Arc<dyn Fn() -> u64 + Send + Sync>);

impl Dice {
    /// Dice that fall as `roll` says: uniformly over all of `u64`, in earnest.
    #[must_use]
    pub fn from_fn(roll: impl Fn() -> u64 + Send + Sync + 'static) -> Self {
        Self(Arc::new(roll))
    }

    /// A number, such as a seed.
    #[must_use]
    pub fn roll(&self) -> u64 {
        (self.0)()
    }

    /// A number from 0 up to and without 1, with the 53 bits that an `f64` has.
    #[must_use]
    pub fn fraction(&self) -> f64 {
        (self.roll() >> 11) as f64 / (1u64 << 53) as f64
    }
}

impl fmt::Debug for Dice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Dice")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fraction_is_at_least_0_and_below_1() {
        assert_eq!(Dice::from_fn(|| 0).fraction(), 0.0);
        let largest = Dice::from_fn(|| u64::MAX).fraction();
        assert!(largest < 1.0 && largest > 0.999_999, "{largest}");
        assert_eq!(Dice::from_fn(|| 1 << 63).fraction(), 0.5);
    }
}
