//! Bounds of decimals as bounds of integers, so that numbers of one scale are compared
//! exactly without being made decimals.

use std::ops::Bound;

use rust_decimal::Decimal;

use super::typed::Interval;

/// The integers `m` for which `m * 10^-scale` lies within.
pub(super) fn scaled((low, high): Interval<Decimal>, scale: u32) -> Interval<i128> {
    let at_or_above = |number| scaled_up(number, scale).1;
    let at_or_below = |number| scaled_up(number, scale).0;
    let low = match low {
        Bound::Included(number) => Bound::Included(at_or_above(number)),
        Bound::Excluded(number) => Bound::Excluded(at_or_below(number)),
        Bound::Unbounded => Bound::Unbounded,
    };
    let high = match high {
        Bound::Included(number) => Bound::Included(at_or_below(number)),
        Bound::Excluded(number) => Bound::Excluded(at_or_above(number)),
        Bound::Unbounded => Bound::Unbounded,
    };
    (low, high)
}

/// The integer of 64 bits that is a number times `10^scale`, if there is one.
pub(super) fn mantissa(number: Decimal, scale: u32) -> Option<i64> {
    let (below, above) = scaled_up(number, scale);
    (below == above).then(|| i64::try_from(below).ok())?
}

/// The nearest integers below and above a number times `10^scale`; they are the same where
/// it is one. What is too large for the type is its end, which no mantissa of 64 bits reaches.
fn scaled_up(number: Decimal, scale: u32) -> (i128, i128) {
    let mantissa = number.mantissa();
    if let Some(divisor) = number.scale().checked_sub(scale) {
        let divisor = 10_i128.pow(divisor); // A decimal has at most 28 places.
        let below = mantissa.div_euclid(divisor);
        return (below, below + i128::from(mantissa.rem_euclid(divisor) != 0));
    }
    let power = 10_i128.checked_pow(scale - number.scale());
    let end = if mantissa < 0 { i128::MIN } else { i128::MAX };
    let product = power.and_then(|power| mantissa.checked_mul(power));
    let product = if mantissa == 0 { 0 } else { product.unwrap_or(end) };
    (product, product)
}

/// The first and the last integer of 64 bits within an interval, if there is any.
pub(super) fn integers((low, high): Interval<i128>) -> Option<(i64, i64)> {
    let low = match low {
        Bound::Included(low) => low,
        Bound::Excluded(low) => low.saturating_add(1),
        Bound::Unbounded => i128::MIN,
    };
    let high = match high {
        Bound::Included(high) => high,
        Bound::Excluded(high) => high.saturating_sub(1),
        Bound::Unbounded => i128::MAX,
    };
    let (low, high) = (low.max(i64::MIN.into()), high.min(i64::MAX.into()));
    let both = (i64::try_from(low).ok()?, i64::try_from(high).ok()?);
    (both.0 <= both.1).then_some(both)
}

#[cfg(test)]
mod tests {
    use std::ops::RangeBounds as _;

    use proptest::prelude::*;

    use super::*;

    fn bound() -> impl Strategy<Value = Bound<Decimal>> {
        let near = (-1_500_i64..1_500, 0_u32..4)
            .prop_map(|(mantissa, scale)| Decimal::new(mantissa, scale));
        let far = (any::<i128>(), 0_u32..=28)
            .prop_map(|(mantissa, scale)| Decimal::from_i128_with_scale(mantissa >> 32, scale));
        let number = prop_oneof![4 => near, 1 => far];
        (number, 0..3).prop_map(|(number, kind)| match kind {
            0 => Bound::Included(number),
            1 => Bound::Excluded(number),
            _ => Bound::Unbounded,
        })
    }

    proptest! {
        #[test]
        fn an_integer_is_within_if_its_number_is(
            interval in (bound(), bound()), mantissa in -300_i64..300, scale in 0_u32..3,
        ) {
            let is_within = interval.contains(&Decimal::new(mantissa, scale));
            let range = integers(scaled(interval, scale));
            let found = range.is_some_and(|(low, high)| (low..=high).contains(&mantissa));
            prop_assert_eq!(found, is_within);
        }

        #[test]
        fn the_ends_of_the_type_are_compared_exactly(
            interval in (bound(), bound()), scale in 0_u32..=28, is_last in any::<bool>(),
        ) {
            let end = if is_last { i64::MAX } else { i64::MIN };
            let is_within = interval.contains(&Decimal::new(end, scale));
            let range = integers(scaled(interval, scale));
            let found = range.is_some_and(|(low, high)| (low..=high).contains(&end));
            prop_assert_eq!(found, is_within);
        }
    }

    #[test]
    fn a_number_with_more_places_lies_between_two_integers() {
        let number = Decimal::new(19_995, 3);
        assert_eq!(scaled_up(number, 2), (1_999, 2_000));
        assert_eq!(scaled_up(-number, 2), (-2_000, -1_999));
        assert_eq!((mantissa(number, 2), mantissa(number, 3)), (None, Some(19_995)));
        assert_eq!(mantissa(Decimal::MAX, 28), None);
        assert_eq!(mantissa(Decimal::ZERO, 28), Some(0));
    }
}
