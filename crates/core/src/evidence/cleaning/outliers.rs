//! Values and dwell times far from what is usual for their domain and event type
//! are drawn in to the bound (winsorised), not refused: that the event happened
//! is not in doubt. Decimals stay decimals, so money stays exact.

use std::collections::HashMap;

use rust_decimal::prelude::ToPrimitive;
use rust_decimal::{Decimal, RoundingStrategy};

use super::robust::median_and_reach;
use super::{Adjustment, CleaningLedger};
use crate::entities::event::Event;
use crate::entities::ids::{DomainId, EventType};

/// Fewest values of a domain and event type from which bounds are drawn.
pub const MIN_VALUES: usize = 50;

/// Events of one type in one domain.
type Kind = (DomainId, EventType);

/// The least and the most that is usual.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bounds {
    pub(super) low: Decimal,
    pub(super) high: Decimal,
}

/// Draws values and dwell times in to the bounds of their kind.
pub(super) fn winsorise(events: &mut [Event], ledger: &mut CleaningLedger) {
    let values = bounds_by_kind(events, |event| event.value);
    let dwells = bounds_by_kind(events, |event| event.dwell_seconds.map(Decimal::from));
    if values.is_empty() && dwells.is_empty() {
        return;
    }
    for event in events {
        let kind = (event.domain.clone(), event.event_type.clone());
        if let Some(value) = drawn_in(event.value, values.get(&kind)) {
            event.value = Some(value);
            ledger.adjust(Adjustment::Value, event);
        }
        let dwell = drawn_in(event.dwell_seconds.map(Decimal::from), dwells.get(&kind));
        if let Some(dwell) = dwell.and_then(|seconds| seconds.to_u32()) {
            event.dwell_seconds = Some(dwell);
            ledger.adjust(Adjustment::Dwell, event);
        }
    }
}

/// What a value beyond its bounds becomes.
fn drawn_in(value: Option<Decimal>, bounds: Option<&Bounds>) -> Option<Decimal> {
    let (value, bounds) = (value?, bounds?);
    let within = value.clamp(bounds.low, bounds.high);
    (within != value).then_some(within)
}

pub(super) fn bounds_by_kind(
    events: &[Event],
    quantity: impl Fn(&Event) -> Option<Decimal>,
) -> HashMap<Kind, Bounds> {
    let mut values: HashMap<Kind, Vec<Decimal>> = HashMap::new();
    for event in events {
        if let Some(value) = quantity(event) {
            let kind = (event.domain.clone(), event.event_type.clone());
            values.entry(kind).or_default().push(value);
        }
    }
    values.into_iter().filter_map(|(kind, values)| Some((kind, bounds(values)?))).collect()
}

/// Rounded outwards to the finest scale in use, so that a bound is an amount
/// that the currency has.
fn bounds(mut values: Vec<Decimal>) -> Option<Bounds> {
    if values.len() < MIN_VALUES {
        return None;
    }
    let scale = values.iter().map(Decimal::scale).max()?;
    let (median, reach) = median_and_reach(&mut values)?;
    let low = median.checked_sub(reach)?.max(Decimal::ZERO);
    let high = median.checked_add(reach)?;
    Some(Bounds {
        low: low.round_dp_with_strategy(scale, RoundingStrategy::ToNegativeInfinity),
        high: high.round_dp_with_strategy(scale, RoundingStrategy::ToPositiveInfinity),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn event(event_type: &str, value: Option<Decimal>, dwell_seconds: Option<u32>) -> Event {
        let event_type = crossfold_testing::event_type(event_type);
        Event { event_type, value, dwell_seconds, ..crossfold_testing::event() }
    }

    fn events() -> impl Strategy<Value = Vec<Event>> {
        let money = proptest::option::of((0i64..200, 0u32..4, 0u32..5));
        let one = (prop_oneof!["view", "enrol"], money, any::<Option<u32>>()).prop_map(
            |(event_type, money, dwell)| {
                // Spread over orders of magnitude.
                let value = |(digits, scale, power): (i64, u32, u32)| {
                    Decimal::new(digits * 10i64.pow(power * 2), scale)
                };
                event(&event_type, money.map(value), dwell.map(|seconds| seconds >> (seconds % 32)))
            },
        );
        proptest::collection::vec(one, 0..400)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn nothing_is_left_beyond_its_bound_and_nothing_within_is_touched(before in events()) {
            let values = bounds_by_kind(&before, |event| event.value);
            let dwells = bounds_by_kind(&before, |event| event.dwell_seconds.map(Decimal::from));
            let (mut after, mut ledger) = (before.clone(), CleaningLedger::default());
            winsorise(&mut after, &mut ledger);
            let mut changed = (0, 0);
            for (before, after) in before.iter().zip(&after) {
                let kind = (after.domain.clone(), after.event_type.clone());
                if let Some((value, bounds)) = after.value.zip(values.get(&kind)) {
                    prop_assert!(bounds.low <= value && value <= bounds.high);
                }
                if let Some((dwell, bounds)) = after.dwell_seconds.zip(dwells.get(&kind)) {
                    prop_assert!(bounds.low <= dwell.into() && Decimal::from(dwell) <= bounds.high);
                }
                changed.0 += u64::from(before.value != after.value);
                changed.1 += u64::from(before.dwell_seconds != after.dwell_seconds);
                let as_before = Event { value: before.value, dwell_seconds: before.dwell_seconds, ..after.clone() };
                prop_assert_eq!(&as_before, before);
            }
            let counted = |adjustment| ledger.adjusted.get(&adjustment).copied().unwrap_or(0);
            prop_assert_eq!(changed, (counted(Adjustment::Value), counted(Adjustment::Dwell)));
        }
    }

    #[test]
    fn bounds_are_amounts_of_the_currency_and_need_enough_values() {
        // 98 to 102 with two decimals; median 100.00, MAD 1.
        let values: Vec<Decimal> = (0..50).map(|n| Decimal::new(9_800 + n % 5 * 100, 2)).collect();
        let found = bounds(values.clone()).unwrap();
        assert_eq!((found.low, found.high), (Decimal::new(9_481, 2), Decimal::new(10_519, 2)));
        assert_eq!(bounds(values[1..].to_vec()), None);
    }

    #[test]
    fn nothing_is_drawn_below_zero_and_extremes_do_not_overflow() {
        let values: Vec<Decimal> = (0..60).map(|n| Decimal::from(n % 3)).collect();
        assert_eq!(bounds(values).unwrap().low, Decimal::ZERO);
        let mut extreme = vec![Decimal::MAX; 30];
        extreme.extend(vec![Decimal::ZERO; 30]);
        assert_eq!(bounds(extreme), None);
    }
}
