//! Where most values lie, whatever the outliers are.
//!
//! The modified z-score of Iglewicz and Hoaglin, "How to Detect and Handle
//! Outliers" (1993), section 3.4: `0.6745 (x - median) / MAD`, an outlier from
//! 3.5 on. Where half of all values are the same, MAD is 0 and the mean absolute
//! deviation stands in for it, as `(x - median) / (1.253314 MeanAD)`.

use rust_decimal::Decimal;

/// `3.5 / 0.6745`: how many MADs from the median an outlier begins.
const MADS: Decimal = Decimal::from_parts(51_890_289, 0, 0, false, 7);
/// `3.5 x 1.253314`: the same in mean absolute deviations.
const MEAN_DEVIATIONS: Decimal = Decimal::from_parts(4_386_599, 0, 0, false, 6);

/// The median and how far from it a value may lie. `None` without values, when
/// all are the same, and when they are too large for exact sums.
pub(super) fn median_and_reach(values: &mut [Decimal]) -> Option<(Decimal, Decimal)> {
    let median = median(values)?;
    let mut deviations: Vec<Decimal> =
        values.iter().map(|value| Some(value.checked_sub(median)?.abs())).collect::<Option<_>>()?;
    let mad = self::median(&mut deviations)?;
    let reach = if mad.is_zero() {
        let sum = deviations.iter().try_fold(Decimal::ZERO, |sum, d| sum.checked_add(*d))?;
        sum.checked_div(Decimal::from(deviations.len()))?.checked_mul(MEAN_DEVIATIONS)?
    } else {
        mad.checked_mul(MADS)?
    };
    (!reach.is_zero()).then_some((median, reach))
}

fn median(values: &mut [Decimal]) -> Option<Decimal> {
    let (middle, is_odd) = (values.len() / 2, values.len() % 2 == 1);
    if values.is_empty() {
        return None;
    }
    let (below, &mut upper, _) = values.select_nth_unstable(middle);
    if is_odd {
        return Some(upper);
    }
    let lower = below.iter().max().copied()?;
    lower.checked_add(upper)?.checked_div(Decimal::TWO)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decimals(values: &[i64]) -> Vec<Decimal> {
        values.iter().map(|value| Decimal::from(*value)).collect()
    }

    #[test]
    fn the_reach_is_as_by_hand() {
        // Median 3, deviations 2 1 0 1 97: MAD 1.
        let (median, reach) = median_and_reach(&mut decimals(&[1, 2, 3, 4, 100])).unwrap();
        assert_eq!((median, reach), (Decimal::from(3), MADS));
        // Median 1, MAD 0, mean deviation 10 / 4.
        let (median, reach) = median_and_reach(&mut decimals(&[1, 11, 1, 1])).unwrap();
        let by_hand = Decimal::new(25, 1) * MEAN_DEVIATIONS;
        assert_eq!((median, reach), (Decimal::ONE, by_hand));
    }

    #[test]
    fn the_constants_are_those_of_the_source() {
        assert!((MADS - Decimal::new(35, 1) / Decimal::new(6745, 4)).abs() < Decimal::new(1, 6));
        assert_eq!(MEAN_DEVIATIONS, Decimal::new(35, 1) * Decimal::new(1_253_314, 6));
    }

    #[test]
    fn without_spread_nothing_is_far() {
        assert_eq!(median_and_reach(&mut []), None);
        assert_eq!(median_and_reach(&mut decimals(&[7, 7, 7])), None);
        let mut extreme = [Decimal::MAX, Decimal::MIN, Decimal::MAX, Decimal::MIN];
        assert_eq!(median_and_reach(&mut extreme), None);
    }
}
