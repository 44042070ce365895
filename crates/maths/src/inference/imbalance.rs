//! Whether groups are as large as planned (a "sample ratio mismatch": Fabijan, Gupchup, Gupta,
//! Omhover, Qin, Vermeer and Dmitriev, "Diagnosing Sample Ratio Mismatch in Online Controlled
//! Experiments", KDD 2019), and how many observations it takes to see that they are not.

use serde::{Deserialize, Serialize};

use super::InferenceError;
use super::distributions::{
    chi_square_above, chi_square_upper, first_where, noncentral_chi_square_below, normal_below,
};
use super::error::{open_unit, positive};

/// How far a sum of shares may stray from 1 by rounding.
const ROUNDING: f64 = 1e-9;
/// The greatest noncentrality whose mixture is summed.
const MOST_NONCENTRAL: f64 = 1e6;

/// Pearson's test of counts against shares.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Imbalance {
    /// Chi-square, at least 0.
    pub statistic: f64,
    /// The number of groups less one.
    pub degrees_of_freedom: usize,
    /// The probability of counts as far from the shares, 0 to 1; 1 when nobody was counted.
    pub p: f64,
}

/// Tests how many were counted in each group against the planned shares (Pearson, Philosophical
/// Magazine 50, 1900).
///
/// # Errors
/// [`InferenceError::LengthsDiffer`], [`InferenceError::TooFew`] below 2 groups,
/// [`InferenceError::OutOfRange`] of a share that is not above 0, and
/// [`InferenceError::SharesDoNotSumToOne`].
pub fn test(counts: &[u64], shares: &[f64]) -> Result<Imbalance, InferenceError> {
    same_length(counts.len(), shares.len())?;
    let total = check(shares)?;
    let counted: f64 = counts.iter().map(|count| *count as f64).sum();
    let degrees_of_freedom = counts.len() - 1;
    if counted <= 0.0 {
        return Ok(Imbalance { statistic: 0.0, degrees_of_freedom, p: 1.0 });
    }
    let of_group = |(count, share): (&u64, &f64)| {
        let expected = share / total * counted;
        let apart = *count as f64 - expected;
        apart * (apart / expected)
    };
    let statistic: f64 = counts.iter().zip(shares).map(of_group).sum();
    let statistic = statistic.min(f64::MAX);
    let p = chi_square_above(statistic, degrees_of_freedom as f64);
    Ok(Imbalance { statistic, degrees_of_freedom, p })
}

/// The probability that the test at level `alpha` tells `actual` shares from `planned` ones after
/// `n` observations of all groups: of a noncentral chi-square (Guenther, The American
/// Statistician 31, 1977), which for two groups is a normal deviate squared.
///
/// # Errors
/// As [`test()`] for both lists; [`InferenceError::OutOfRange`] of an `alpha` not strictly between
/// 0 and 1, or an `n` that is not above 0.
pub fn power(n: f64, planned: &[f64], actual: &[f64], alpha: f64) -> Result<f64, InferenceError> {
    positive("the number of observations", n)?;
    let distance = distance(planned, actual)?;
    open_unit("alpha", alpha)?;
    let freedom = (planned.len() - 1) as f64;
    let critical = chi_square_upper(alpha, freedom);
    Ok(power_at(critical, freedom, n * distance))
}

/// The fewest observations of all groups after which the test at level `alpha` tells `actual`
/// shares from `planned` ones with probability `power`.
///
/// # Errors
/// As [`power()`]; [`InferenceError::OutOfRange`] of a power not strictly between 0
/// and 1; [`InferenceError::OutOfReach`] when the shares are the same.
pub fn sample_size(
    planned: &[f64],
    actual: &[f64],
    alpha: f64,
    power: f64,
) -> Result<u64, InferenceError> {
    open_unit("the power", power)?;
    let distance = distance(planned, actual)?;
    open_unit("alpha", alpha)?;
    let out_of_reach = InferenceError::OutOfReach("number of observations");
    if distance <= 0.0 {
        return Err(out_of_reach);
    }
    let freedom = (planned.len() - 1) as f64;
    let critical = chi_square_upper(alpha, freedom);
    let needed =
        first_where(0.0, 1.0, |noncentral| power_at(critical, freedom, noncentral) >= power);
    let needed = needed.ok_or(out_of_reach)? / distance;
    // What halving leaves of rounding is not to cost an observation.
    let least = (needed * (1.0 - 1e-12)).ceil().max(1.0);
    if least < u64::MAX as f64 { Ok(least as u64) } else { Err(out_of_reach) }
}

/// The probability that a noncentral chi-square is at most `x`: with `freedom` degrees of freedom
/// and a `noncentrality`, the sum of squares of the normal deviates' means.
///
/// # Errors
/// [`InferenceError::OutOfRange`] of an `x` that is negative, degrees of freedom not above 0, or a
/// noncentrality outside 0 to a million.
pub fn noncentral_chi_square(
    x: f64,
    freedom: f64,
    noncentrality: f64,
) -> Result<f64, InferenceError> {
    positive("degrees of freedom", freedom)?;
    if !(x >= 0.0 && x.is_finite()) {
        return Err(InferenceError::OutOfRange { name: "x", rule: "finite and at least 0" });
    }
    if !(0.0..=MOST_NONCENTRAL).contains(&noncentrality) {
        let rule = "from 0 to a million";
        return Err(InferenceError::OutOfRange { name: "the noncentrality", rule });
    }
    Ok(noncentral_chi_square_below(x, freedom, noncentrality))
}

fn power_at(critical: f64, freedom: f64, noncentral: f64) -> f64 {
    if freedom <= 1.0 {
        let (root, shift) = (critical.sqrt(), noncentral.sqrt());
        return normal_below(shift - root) + normal_below(-shift - root);
    }
    // So far beyond any critical value of as many groups as fit in memory, all is detected.
    if noncentral > MOST_NONCENTRAL.max(100.0 * critical) {
        return 1.0;
    }
    1.0 - noncentral_chi_square_below(critical, freedom, noncentral)
}

/// The noncentrality that one observation adds.
fn distance(planned: &[f64], actual: &[f64]) -> Result<f64, InferenceError> {
    same_length(planned.len(), actual.len())?;
    let (planned_total, actual_total) = (check(planned)?, check(actual)?);
    let of_group = |(planned, actual): (&f64, &f64)| {
        let planned = planned / planned_total;
        let apart = actual / actual_total - planned;
        apart * apart / planned
    };
    let distance: f64 = planned.iter().zip(actual).map(of_group).sum();
    super::error::finite("the distance of the shares", distance)
}

fn same_length(one: usize, other: usize) -> Result<(), InferenceError> {
    if one == other { Ok(()) } else { Err(InferenceError::LengthsDiffer(one, other)) }
}

/// The sum of shares, which is 1 but for rounding.
fn check(shares: &[f64]) -> Result<f64, InferenceError> {
    if shares.len() < 2 {
        let found = shares.len() as u64;
        return Err(InferenceError::TooFew { what: "groups", least: 2, found });
    }
    for share in shares {
        positive("a share", *share)?;
    }
    let total: f64 = shares.iter().sum();
    if (total - 1.0).abs() > ROUNDING {
        return Err(InferenceError::SharesDoNotSumToOne);
    }
    Ok(total)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::effect::tests::assert_close;
    use super::*;

    // The expected figures are those of gbstats 0.8.0 and scipy 1.17.
    #[test]
    fn the_test_is_that_of_gbstats() {
        assert_close(test(&[1000, 1100], &[0.5, 0.5]).unwrap().p, 0.029_096_331_741_252_267);
        assert_close(test(&[0, 0, 0], &[0.5, 0.25, 0.25]).unwrap().p, 1.0);
    }

    #[test]
    fn what_are_no_shares_is_refused() {
        let sum = InferenceError::SharesDoNotSumToOne;
        assert_eq!(test(&[1, 2], &[0.5, 0.4]), Err(sum));
        assert_eq!(test(&[1, 2], &[0.5]), Err(InferenceError::LengthsDiffer(2, 1)));
        assert!(test(&[1], &[1.0]).is_err());
        assert!(test(&[1, 2], &[0.0, 1.0]).is_err());
        assert!(test(&[1, 2], &[f64::NAN, 1.0]).is_err());
        let same = sample_size(&[0.5, 0.5], &[0.5, 0.5], 0.01, 0.8);
        assert_eq!(same, Err(InferenceError::OutOfReach("number of observations")));
    }

    #[test]
    fn counts_of_any_size_have_a_p() {
        let found = test(&[u64::MAX, 0], &[1e-300, 1.0]).unwrap();
        assert_eq!(found.p, 0.0);
        assert!(found.statistic.is_finite());
    }

    #[test]
    fn the_fewest_observations_have_the_power_and_one_less_has_not() {
        for (planned, actual) in [
            (vec![0.5, 0.5], vec![0.51, 0.49]),
            (vec![0.5, 0.3, 0.2], vec![0.51, 0.3, 0.19]),
            (vec![0.25; 4], vec![0.26, 0.24, 0.25, 0.25]),
        ] {
            let n = sample_size(&planned, &actual, 0.001, 0.9).unwrap();
            assert!(power(n as f64, &planned, &actual, 0.001).unwrap() >= 0.9 - 1e-9);
            assert!(power((n - 1) as f64, &planned, &actual, 0.001).unwrap() < 0.9);
        }
    }

    proptest! {
        #[test]
        fn power_grows_with_observations(n in 1.0..1e6_f64, more in 1.0..3.0_f64) {
            let (planned, actual) = ([0.4, 0.3, 0.3], [0.41, 0.29, 0.3]);
            let few = power(n, &planned, &actual, 0.01).unwrap();
            let many = power(n * more, &planned, &actual, 0.01).unwrap();
            prop_assert!((0.0..=1.0).contains(&few) && many >= few - 1e-9);
        }
    }
}
