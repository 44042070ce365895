//! Tail probabilities and quantiles, careful in the tails: upper tails are computed as such and
//! not as what is left of 1.

use std::f64::consts::{PI, SQRT_2};

use statrs::function::beta::beta_reg;
use statrs::function::erf::erfc_inv;
use statrs::function::gamma::{gamma_lr, gamma_ur, ln_gamma};

/// Degrees of freedom above which Student's t goes by Hill's expansion, whose error falls with
/// the degrees of freedom while that of the incomplete beta function grows with them.
const HILL_FROM: f64 = 500.0;
/// Deviates beyond which a normal's tail goes by a continued fraction, and before by a series.
const FAR: f64 = 2.5;
/// Terms of the continued fraction: from [`FAR`] on more than a double can tell.
const TERMS: u32 = 50;
/// Points of the integral of the noncentral t. The integrand is smooth and falls off on both
/// sides, so that the trapezoid rule converges exponentially.
const POINTS: usize = 300;
/// The negative logarithm of a probability that is nothing beside a double's precision.
const NOTHING: f64 = 40.0;

/// The standard normal density.
pub(super) fn normal_density(z: f64) -> f64 {
    (-0.5 * z * z).exp() / (2.0 * PI).sqrt()
}

/// The probability that a standard normal is below `z`: near 0 by a series of terms of one sign,
/// far off by Mills' ratio (formulas 26.2.11 and 26.2.14 of Abramowitz and Stegun, "Handbook of
/// Mathematical Functions", 1964). The error function of `statrs` is good to 1e-11.
pub(super) fn normal_below(z: f64) -> f64 {
    let size = z.abs();
    if size > FAR {
        let tail = normal_density(z) / (size + beyond(size));
        return if z < 0.0 { tail } else { 1.0 - tail };
    }
    let (mut term, mut sum, mut odd) = (z, z, 1.0);
    while term.abs() > 1e-17 * sum.abs() {
        odd += 2.0;
        term *= z * z / odd;
        sum += term;
    }
    0.5 + normal_density(z) * sum
}

/// What Laplace's continued fraction of Mills' ratio, `1 / (z + 1 / (z + 2 / (z + ...)))`, adds to
/// its first `z`, at least [`FAR`].
pub(super) fn beyond(z: f64) -> f64 {
    1.0 / (2..=TERMS).rev().fold(z, |rest, term| z + f64::from(term) / rest)
}

/// The z above which a standard normal lies with probability `tail`, strictly within 0 and 1.
pub(super) fn normal_upper(tail: f64) -> f64 {
    // The far side of the inverse loses what is left of 1.
    if tail > 0.5 { -normal_upper(1.0 - tail) } else { SQRT_2 * erfc_inv(2.0 * tail) }
}

/// The probability that Student's t is above `t`.
pub(super) fn student_above(t: f64, freedom: f64) -> f64 {
    if t < 0.0 {
        return 1.0 - student_above(-t, freedom);
    }
    if freedom > HILL_FROM {
        return normal_below(-hill(t, freedom));
    }
    let square = t * t;
    if square.is_infinite() {
        return 0.0;
    }
    0.5 * beta_reg(freedom / 2.0, 0.5, freedom / (freedom + square))
}

/// The normal deviate of a Student's t of many degrees of freedom (Hill, "Algorithm 395:
/// Student's t-distribution", Communications of the ACM 13, 1970).
fn hill(t: f64, freedom: f64) -> f64 {
    let a = freedom - 0.5;
    let b = 48.0 * a * a;
    let y = a * (t * t / freedom).ln_1p();
    if y.is_infinite() {
        return y;
    }
    let correction = (((-0.4 * y - 3.3) * y - 24.0) * y - 85.5) / (0.8 * y * y + 100.0 + b);
    ((correction + y + 3.0) / b + 1.0) * y.sqrt()
}

/// The t above which Student's t lies with probability `tail`, strictly within 0 and 1.
pub(super) fn student_upper(tail: f64, freedom: f64) -> f64 {
    if tail > 0.5 {
        return -student_upper(1.0 - tail, freedom);
    }
    first_where(0.0, 1.0, |t| student_above(t, freedom) <= tail).unwrap_or(f64::MAX)
}

/// The probability that a noncentral t is above `t`: the normal probability given the root of
/// the scaled chi-square, `s`, over the density of `s`, both in the logarithm of `s` (the
/// definition in Johnson, Kotz and Balakrishnan, "Continuous Univariate Distributions" 2, 1995,
/// chapter 31). The density is normalised by its own sum, which spares the logarithms of
/// gamma functions that cancel for many degrees of freedom. `freedom` is at least 1.
pub(super) fn noncentral_student_above(t: f64, freedom: f64, noncentrality: f64) -> f64 {
    let reach = 9.0 / (2.0 * freedom).sqrt() + NOTHING / freedom;
    // To the right the density falls off doubly exponentially.
    let right = reach.min(2.5);
    let step = (reach + right) / (POINTS - 1) as f64;
    let (mut above, mut all) = (0.0, 0.0);
    for point in 0..POINTS {
        let log_root = step.mul_add(point as f64, -reach);
        // s^2 - 1 - 2 ln s, written so that it does not cancel around s = 1.
        let departure = (2.0 * log_root).exp_m1() - 2.0 * log_root;
        let density = (-0.5 * freedom * departure).exp();
        if density > 1e-18 {
            above += density * normal_below(noncentrality - t * log_root.exp());
            all += density;
        }
    }
    above / all
}

/// The probability that a chi-square is above `x`.
pub(super) fn chi_square_above(x: f64, freedom: f64) -> f64 {
    if x <= 0.0 {
        return 1.0;
    }
    if x > 1e300 {
        return 0.0;
    }
    gamma_ur(freedom / 2.0, x / 2.0)
}

/// The x above which a chi-square lies with probability `tail`, strictly within 0 and 1.
pub(super) fn chi_square_upper(tail: f64, freedom: f64) -> f64 {
    first_where(0.0, freedom, |x| chi_square_above(x, freedom) <= tail).unwrap_or(f64::MAX)
}

/// The probability that a noncentral chi-square is at most `x`, as a mixture of central ones by
/// a Poisson distribution (Johnson, Kotz and Balakrishnan, "Continuous Univariate
/// Distributions" 2, 1995, formula 29.2), summed from the Poisson's mode outwards.
pub(super) fn noncentral_chi_square_below(x: f64, freedom: f64, noncentrality: f64) -> f64 {
    // At least as far as one normal deviate from the noncentrality's root to x's.
    if x <= 0.0 || noncentrality.sqrt() - x.sqrt() > NOTHING {
        return 0.0;
    }
    let half = noncentrality / 2.0;
    if half <= 0.0 {
        return 1.0 - chi_square_above(x, freedom);
    }
    let mode = half.floor();
    let term = |index: f64| {
        let weight = (index * half.ln() - half - ln_gamma(index + 1.0)).exp();
        (weight, weight * gamma_lr(freedom / 2.0 + index, x / 2.0))
    };
    let sum = |first: f64, step: f64| {
        let (mut index, mut total) = (first, 0.0);
        while index >= 0.0 {
            let (weight, part) = term(index);
            total += part;
            if weight < 1e-18 || (step > 0.0 && part <= total * 1e-17) {
                break;
            }
            index += step;
        }
        total
    };
    (sum(mode, -1.0) + sum(mode + 1.0, 1.0)).clamp(0.0, 1.0)
}

/// The least number from `low` on that `holds`, for what does not hold up to a number and holds
/// from there on: by doubling the distance `step`, then by halving until doubles are no finer.
/// `None` when it holds nowhere among what is finite.
pub(super) fn first_where(low: f64, step: f64, holds: impl Fn(f64) -> bool) -> Option<f64> {
    if holds(low) {
        return Some(low);
    }
    let (mut below, mut reach) = (low, step);
    let mut above = low + reach;
    while !holds(above) {
        below = above;
        reach *= 2.0;
        above = low + reach;
        if !above.is_finite() {
            return None;
        }
    }
    loop {
        let middle = below + (above - below) / 2.0;
        if middle <= below || middle >= above {
            return Some(above);
        }
        if holds(middle) {
            above = middle;
        } else {
            below = middle;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(found: f64, expected: f64, tolerance: f64) {
        assert!((found / expected - 1.0).abs() < tolerance, "{found} is not {expected}");
    }

    // The expected figures are scipy 1.17's.
    #[test]
    fn tails_are_those_of_scipy() {
        close(normal_upper(0.025), 1.959_963_984_540_054, 1e-14);
        close(normal_below(-2.4), 0.008_197_535_924_596_131, 1e-13);
        close(normal_below(-6.0), 9.865_876_450_376_946e-10, 1e-13);
        close(student_above(2.0, 1.0), 0.147_583_617_650_433_26, 1e-13);
        close(chi_square_above(4.761_904_761_904_762, 1.0), 0.029_096_331_741_252_267, 1e-12);
    }

    #[test]
    fn expansion_and_incomplete_beta_agree_where_they_meet() {
        for t in [0.01, 0.5, 1.0, 2.0, 4.0, 8.0] {
            let exact = 0.5 * beta_reg(HILL_FROM / 2.0, 0.5, HILL_FROM / (HILL_FROM + t * t));
            close(normal_below(-hill(t, HILL_FROM)), exact, 1e-11);
        }
    }

    #[test]
    fn quantiles_undo_tails() {
        for freedom in [1.0, 1.7, 4.0, 30.0, 499.0, 501.0, 1e7] {
            for tail in [1e-9, 0.001, 0.025, 0.4, 0.5, 0.8] {
                close(student_above(student_upper(tail, freedom), freedom), tail, 1e-9);
            }
        }
        for freedom in [1.0, 2.0, 7.0] {
            close(chi_square_above(chi_square_upper(0.01, freedom), freedom), 0.01, 1e-10);
        }
    }

    #[test]
    fn noncentral_is_central_without_noncentrality() {
        for freedom in [1.0, 2.5, 18.0, 400.0] {
            for t in [0.3, 1.0, 2.5] {
                let found = noncentral_student_above(t, freedom, 0.0);
                close(found, student_above(t, freedom), 1e-10);
            }
            let found = noncentral_chi_square_below(3.0, freedom, 1e-12);
            assert!((found - (1.0 - chi_square_above(3.0, freedom))).abs() < 1e-11);
        }
    }

    #[test]
    fn noncentral_chi_square_of_one_degree_is_a_shifted_normal() {
        for (x, shift) in [(3.84_f64, 1.0_f64), (3.84, 2.8), (6.6, 5.0), (400.0, 20.0)] {
            let exact = normal_below(x.sqrt() - shift) - normal_below(-x.sqrt() - shift);
            close(noncentral_chi_square_below(x, 1.0, shift * shift), exact, 1e-9);
        }
    }

    #[test]
    fn nothing_holds_nowhere() {
        assert_eq!(first_where(0.0, 1.0, |_| false), None);
        assert_eq!(first_where(2.0, 1.0, |_| true), Some(2.0));
    }
}
