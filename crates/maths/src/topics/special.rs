//! The logarithm of the gamma function and its derivative.
//!
//! Small arguments are moved up by the recurrences `G(x + 1) = x G(x)` and
//! `psi(x + 1) = psi(x) + 1 / x`, to where the asymptotic series hold to the last digits
//! (Abramowitz and Stegun, "Handbook of Mathematical Functions", 6.1.15, 6.1.41, 6.3.5,
//! 6.3.18).

/// From here on the series are used.
const SERIES_FROM: f64 = 10.0;

/// The digamma function `psi(x)`, for x above 0.
pub(super) fn digamma(x: f64) -> f64 {
    let (moved, sum) = moved_up(x);
    let inverse = 1.0 / moved;
    let square = inverse * inverse;
    // 1/12 - s (1/120 - s (1/252 - ...)), from the innermost term.
    let terms = [691.0 / 32_760.0, 1.0 / 132.0, 1.0 / 240.0, 1.0 / 252.0, 1.0 / 120.0, 1.0 / 12.0];
    let series = square * terms.into_iter().fold(0.0, |inner, term| term - square * inner);
    moved.ln() - 0.5 * inverse - series - sum
}

/// `exp(psi(x))`, for x above 0: without a logarithm, and from 10 on without an exponential.
/// The series is that of `exp(psi(y + 1/2))` in `1 / y`.
#[inline]
pub(super) fn exp_digamma(x: f64) -> f64 {
    let (moved, sum) = moved_up(x);
    let y = moved - 0.5;
    let square = 1.0 / (y * y);
    let series = 1.0
        + square
            * (1.0 / 24.0
                - square
                    * (37.0 / 5_760.0
                        - square
                            * (10_313.0 / 2_903_040.0 - square * (5_509_121.0 / 1_393_459_200.0))));
    let value = y * series;
    if sum > 0.0 { value * (-sum).exp() } else { value }
}

/// `ln G(x)`, for x above 0.
pub(super) fn ln_gamma(x: f64) -> f64 {
    let mut moved = x;
    let mut product = 1.0f64;
    while moved < SERIES_FROM {
        product *= moved;
        moved += 1.0;
    }
    let inverse = 1.0 / moved;
    let square = inverse * inverse;
    let series = inverse
        * (1.0 / 12.0
            - square
                * (1.0 / 360.0
                    - square * (1.0 / 1_260.0 - square * (1.0 / 1_680.0 - square / 1_188.0))));
    let half_of_two_pi = 0.5 * std::f64::consts::TAU.ln();
    (moved - 0.5) * moved.ln() - moved + half_of_two_pi + series - product.ln()
}

/// The argument moved up to where series hold, and the sum of `1 / x` on the way.
#[inline]
fn moved_up(x: f64) -> (f64, f64) {
    let (mut moved, mut sum) = (x, 0.0);
    while moved < SERIES_FROM {
        sum += 1.0 / moved;
        moved += 1.0;
    }
    (moved, sum)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// (x, psi(x), ln G(x)), by SciPy's `digamma` and `gammaln`.
    const KNOWN: [(f64, f64, f64); 8] = [
        (1e-06, -1000000.57721402, 13.81550998074943),
        (0.01, -100.56088545786868, 4.599479878042022),
        (0.05, -20.49784499129987, 2.968879201051731),
        (0.5, -1.9635100260214235, 0.5723649429247),
        (2.5, 0.7031566406452432, 0.2846828704729192),
        (9.999, 2.251647417205735, 12.799575780077413),
        (31.7, 3.4404608906529837, 77.0586477013628),
        (123456.0, 11.723636046234013, 1323892.7688437013),
    ];

    fn is_close(found: f64, known: f64, within: f64) -> bool {
        (found - known).abs() <= within * known.abs().max(1.0)
    }

    #[test]
    fn known_values_are_met_to_thirteen_digits() {
        for (x, psi, log) in KNOWN {
            assert!(is_close(digamma(x), psi, 1e-13), "{x} {}", digamma(x));
            assert!(is_close(ln_gamma(x), log, 1e-13), "{x} {}", ln_gamma(x));
        }
        // Minus Euler's constant; its zero above 0.
        assert!(is_close(digamma(1.0), -0.577_215_664_901_532_9, 1e-14));
        assert!(digamma(1.461_632_144_968_362_3).abs() < 1e-14);
    }

    proptest! {
        #[test]
        fn the_exponential_is_that_of_the_digamma(exponent in -2.5f64..7.0) {
            let x = 10f64.powf(exponent);
            let (found, expected) = (exp_digamma(x), digamma(x).exp());
            prop_assert!((found - expected).abs() <= 1e-11 * expected, "{x} {found} {expected}");
        }

        #[test]
        fn the_recurrences_hold(exponent in -6.0f64..6.0) {
            let x = 10f64.powf(exponent);
            prop_assert!(is_close(digamma(x + 1.0), digamma(x) + 1.0 / x, 1e-9 + 1e-15 / x));
            prop_assert!(is_close(ln_gamma(x + 1.0), ln_gamma(x) + x.ln(), 1e-12));
        }
    }
}
