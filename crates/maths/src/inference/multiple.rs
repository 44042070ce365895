//! Many tests at once: p-values adjusted so that each may be held against the level that is to
//! hold for all.

use super::InferenceError;

/// Holm's adjusted p-values, in the order given: below `alpha` with probability at most `alpha`
/// for any of the tests without an effect, however they depend (Holm, Scandinavian Journal of
/// Statistics 6, 1979).
///
/// # Errors
/// [`InferenceError::OutOfRange`] of a p-value outside 0 to 1.
pub fn holm(p_values: &[f64]) -> Result<Vec<f64>, InferenceError> {
    let order = ascending(p_values)?;
    let mut adjusted = vec![0.0; p_values.len()];
    let mut least: f64 = 0.0;
    for (rank, at) in order.iter().enumerate() {
        let tests_left = (p_values.len() - rank) as f64;
        least = least.max(p_values[*at] * tests_left).min(1.0);
        adjusted[*at] = least;
    }
    Ok(adjusted)
}

/// Benjamini and Hochberg's adjusted p-values, in the order given: of the tests below `alpha`, a
/// share of at most `alpha` is without an effect on average, when tests are independent or go
/// together (Journal of the Royal Statistical Society B 57, 1995).
///
/// # Errors
/// [`InferenceError::OutOfRange`] of a p-value outside 0 to 1.
pub fn benjamini_hochberg(p_values: &[f64]) -> Result<Vec<f64>, InferenceError> {
    let order = ascending(p_values)?;
    let tests = p_values.len() as f64;
    let mut adjusted = vec![0.0; p_values.len()];
    let mut most: f64 = 1.0;
    for (rank, at) in order.iter().enumerate().rev() {
        most = most.min(p_values[*at] / ((rank + 1) as f64 / tests));
        adjusted[*at] = most;
    }
    Ok(adjusted)
}

fn ascending(p_values: &[f64]) -> Result<Vec<usize>, InferenceError> {
    if !p_values.iter().all(|p| (0.0..=1.0).contains(p)) {
        return Err(InferenceError::OutOfRange { name: "a p-value", rule: "from 0 to 1" });
    }
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_by(|one, other| p_values[*one].total_cmp(&p_values[*other]));
    Ok(order)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn adjusted_p_values_are_those_of_the_papers() {
        let p = [0.01, 0.04, 0.03, 0.005];
        let found: Vec<f64> = holm(&p).unwrap();
        assert_eq!(found, [0.03, 0.06, 0.06, 0.02]);
        assert_eq!(benjamini_hochberg(&p).unwrap(), [0.02, 0.04, 0.04, 0.02]);
        assert!(holm(&[]).unwrap().is_empty());
    }

    #[test]
    fn what_is_no_p_value_is_refused() {
        for p in [-0.1, 1.1, f64::NAN] {
            assert!(holm(&[p]).is_err() && benjamini_hochberg(&[p]).is_err());
        }
    }

    proptest! {
        #[test]
        fn holm_is_never_below_the_others(p in prop::collection::vec(0.0..=1.0_f64, 1..30)) {
            let (strict, lenient) = (holm(&p).unwrap(), benjamini_hochberg(&p).unwrap());
            for at in 0..p.len() {
                prop_assert!(strict[at] >= lenient[at] * (1.0 - 1e-12));
                prop_assert!(lenient[at] >= p[at] * (1.0 - 1e-12) && strict[at] <= 1.0);
                for other in 0..p.len() {
                    prop_assert!(p[at] > p[other] || strict[at] <= strict[other]);
                    prop_assert!(p[at] > p[other] || lenient[at] <= lenient[other]);
                }
            }
        }
    }
}
