//! The numbers that a network computes with: single precision to be used, double precision
//! as the twin by which gradients are checked.

use std::ops::{Add, Div, Mul, Neg, Sub};

use super::product::{MatrixMut, Product};

/// A floating-point number.
pub(super) trait Real:
    Copy
    + Default
    + std::fmt::Debug
    + Send
    + Sync
    + PartialOrd
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
    + 'static
{
    fn of(value: f64) -> Self;
    fn to_f64(self) -> f64;
    fn sqrt(self) -> Self;
    /// The exponential function, of a form that can be vectorised.
    fn exp(self) -> Self;
    /// Makes a product; `packed` is room that is used again.
    fn multiply(product: Product<'_, Self>, target: MatrixMut<'_, Self>, packed: &mut Vec<Self>);
}

impl Real for f32 {
    #[inline(always)]
    fn of(value: f64) -> Self {
        value as Self
    }

    #[inline(always)]
    fn to_f64(self) -> f64 {
        f64::from(self)
    }

    #[inline(always)]
    fn sqrt(self) -> Self {
        self.sqrt()
    }

    #[inline(always)]
    fn exp(self) -> Self {
        exponential(self)
    }

    fn multiply(product: Product<'_, Self>, target: MatrixMut<'_, Self>, packed: &mut Vec<Self>) {
        super::product::multiply(product, target, packed);
    }
}

/// `e^x` without branches or tables: `2^n` by the exponent's bits, times a polynomial within
/// half a binary order (coefficients of Cephes' `expf`). Between -87 and 88, beyond which it
/// stays at its ends, it errs by less than 2e-7 of its value.
#[inline(always)]
fn exponential(x: f32) -> f32 {
    /// `1.5 * 2^23`: added to a small number, it leaves no bits for what is behind the point.
    const ROUNDING: f32 = 12_582_912.0;
    const LN_2_HIGH: f32 = 0.693_359_4;
    const LN_2_LOW: f32 = -2.121_944_4e-4;
    let x = x.clamp(-87.0, 88.0);
    let shifted = x * std::f32::consts::LOG2_E + ROUNDING;
    let whole = shifted - ROUNDING;
    let rest = x - whole * LN_2_HIGH - whole * LN_2_LOW;
    let mut sum = 1.987_569_1e-4;
    for coefficient in [1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_6e-1, 0.5] {
        sum = sum * rest + coefficient;
    }
    let mantissa = sum * (rest * rest) + rest + 1.0;
    f32::from_bits(mantissa.to_bits().wrapping_add(shifted.to_bits() << 23))
}

#[cfg(test)]
impl Real for f64 {
    fn of(value: f64) -> Self {
        value
    }

    fn to_f64(self) -> f64 {
        self
    }

    fn sqrt(self) -> Self {
        self.sqrt()
    }

    fn exp(self) -> Self {
        self.exp()
    }

    fn multiply(product: Product<'_, Self>, target: MatrixMut<'_, Self>, _: &mut Vec<Self>) {
        super::product::multiply_plainly(product, target);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_exponential_is_that_of_the_library(x in -86.9f32..87.9) {
            let expected = f64::from(x).exp();
            let error = (f64::from(exponential(x)) - expected).abs() / expected;
            prop_assert!(error < 2e-7, "{x} {error}");
        }
    }

    #[test]
    fn the_exponential_of_anything_else_is_at_an_end_or_no_number() {
        assert!(exponential(f32::NEG_INFINITY) < 2e-38);
        assert!(exponential(f32::INFINITY) > 1e38 && exponential(f32::INFINITY).is_finite());
        assert!(exponential(f32::NAN).is_nan());
        assert_eq!(exponential(0.0), 1.0);
    }
}
