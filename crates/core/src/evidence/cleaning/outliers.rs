//! Values and dwell times far from what is usual for their domain and event type
//! are drawn in to the bound (winsorised), not refused: that the event happened
//! is not in doubt. Decimals stay decimals, so money stays exact.

use rust_decimal::prelude::ToPrimitive;
use rust_decimal::{Decimal, RoundingStrategy};

use super::robust::median_and_reach;
use super::{Adjustment, CleaningLedger};
use crate::evidence::event_table::{EventTable, Kind};

/// Fewest values of a domain and event type from which bounds are drawn.
pub const MIN_VALUES: usize = 50;

/// The least and the most that is usual.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bounds {
    pub(super) low: Decimal,
    pub(super) high: Decimal,
}

/// Draws values, but no ratings, and dwell times of the events that are kept in to the
/// bounds of their kind.
pub(super) fn winsorise(
    events: &mut EventTable,
    is_kept: impl Fn(usize) -> bool,
    is_rating: impl Fn(&Kind) -> bool,
    ledger: &mut CleaningLedger,
) {
    let kept: Vec<usize> = (0..events.len()).filter(|at| is_kept(*at)).collect();
    let dwell_of = |events: &EventTable, at| events.dwell_seconds(at).map(Decimal::from);
    let mut values = bounds_by_kind(events, &kept, EventTable::value);
    for (bounds, kind) in values.iter_mut().zip(events.kind_names()) {
        *bounds = bounds.filter(|_| !is_rating(kind));
    }
    let dwells = bounds_by_kind(events, &kept, dwell_of);
    for at in kept {
        let kind = events.kind_and_item(at).0;
        if let Some(value) = drawn_in(events.value(at), values[kind]) {
            events.set_value(at, value);
            ledger.adjust(Adjustment::Value, &events.event(at));
        }
        let dwell = drawn_in(dwell_of(events, at), dwells[kind]);
        if let Some(dwell) = dwell.and_then(|seconds| seconds.to_u32()) {
            events.set_dwell_seconds(at, dwell);
            ledger.adjust(Adjustment::Dwell, &events.event(at));
        }
    }
}

/// What a value beyond its bounds becomes.
fn drawn_in(value: Option<Decimal>, bounds: Option<Bounds>) -> Option<Decimal> {
    let (value, bounds) = (value?, bounds?);
    let within = value.clamp(bounds.low, bounds.high);
    (within != value).then_some(within)
}

/// The bounds of each kind by its number, from the events at these places.
pub(super) fn bounds_by_kind(
    events: &EventTable,
    places: &[usize],
    quantity: impl Fn(&EventTable, usize) -> Option<Decimal>,
) -> Vec<Option<Bounds>> {
    let mut values: Vec<Vec<Decimal>> = vec![Vec::new(); events.kind_names().count()];
    for at in places.iter().copied() {
        if let Some(value) = quantity(events, at) {
            values[events.kind_and_item(at).0].push(value);
        }
    }
    values.into_iter().map(bounds).collect()
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
    use crate::entities::event::Event;

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
            let before = EventTable::from(before);
            let all: Vec<usize> = (0..before.len()).collect();
            let values = bounds_by_kind(&before, &all, EventTable::value);
            let seconds = |events: &EventTable, at| events.dwell_seconds(at).map(Decimal::from);
            let dwells = bounds_by_kind(&before, &all, seconds);
            let (mut after, mut ledger) = (before.clone(), CleaningLedger::default());
            winsorise(&mut after, |_| true, |_| false, &mut ledger);
            let mut changed = (0, 0);
            let kinds: Vec<usize> = all.iter().map(|at| before.kind_and_item(*at).0).collect();
            for ((before, after), kind) in before.iter().zip(after.iter()).zip(kinds) {
                if let Some((value, bounds)) = after.value.zip(values[kind]) {
                    prop_assert!(bounds.low <= value && value <= bounds.high);
                }
                if let Some((dwell, bounds)) = after.dwell_seconds.zip(dwells[kind]) {
                    prop_assert!(bounds.low <= dwell.into() && Decimal::from(dwell) <= bounds.high);
                }
                changed.0 += u64::from(before.value != after.value);
                changed.1 += u64::from(before.dwell_seconds != after.dwell_seconds);
                let as_before = Event { value: before.value, dwell_seconds: before.dwell_seconds, ..after.clone() };
                prop_assert_eq!(as_before, before);
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
