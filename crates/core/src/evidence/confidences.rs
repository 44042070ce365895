//! From events to interactions: a confidence for each (person, item).

use std::collections::BTreeMap;

use jiff::Timestamp;
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;

use crate::entities::consent::ConsentedHistory;
use crate::entities::definition::{Definitions, DomainDefinition};
use crate::entities::event::Event;
use crate::evidence::items::ItemKey;

/// Largest confidence of one interaction, so that no person outweighs a catalogue.
pub const MAX_CONFIDENCE: f32 = 50.0;

/// The confidence of each item in a history: the sum over its events of
/// `weight x 0.5^(age / half-life) x value factor`, at most [`MAX_CONFIDENCE`].
/// Events of an unknown domain or type add nothing.
#[must_use]
pub fn confidences(
    history: &ConsentedHistory,
    definitions: &Definitions,
    now: Timestamp,
) -> BTreeMap<ItemKey, f32> {
    let mut sums: BTreeMap<ItemKey, f32> = BTreeMap::new();
    for event in history.events() {
        let Some(confidence) = definitions
            .get(&event.domain)
            .and_then(|definition| event_confidence(event, definition, now))
        else {
            continue;
        };
        *sums.entry((event.domain.clone(), event.item_id.clone())).or_default() += confidence;
    }
    sums.values_mut().for_each(|sum| *sum = sum.min(MAX_CONFIDENCE));
    sums.retain(|_, sum| *sum > f32::MIN_POSITIVE);
    sums
}

fn event_confidence(event: &Event, definition: &DomainDefinition, now: Timestamp) -> Option<f32> {
    let event_type = definition.event_types.get(&event.event_type)?;
    let recency = recency(now, event.occurred_at, definition.half_life_days);
    Some(event_type.weight * recency * value_factor(event.value, event_type.value_scale))
}

/// What is left of an event's weight at `now`: a half after each half-life.
pub(crate) fn recency(now: Timestamp, occurred_at: Timestamp, half_life_days: f32) -> f32 {
    let age_days = now.duration_since(occurred_at).as_secs_f32().max(0.0) / 86_400.0;
    0.5f32.powf(age_days / half_life_days)
}

pub(crate) fn value_factor(value: Option<Decimal>, scale: Option<Decimal>) -> f32 {
    let ratio = value.zip(scale).and_then(|(value, scale)| value.checked_div(scale)?.to_f32());
    ratio.map_or(1.0, |ratio| 1.0 + ratio.max(0.0).ln_1p())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entities::consent::{ConsentContext, ConsentLedger};
    use crate::entities::history::History;
    use crossfold_testing::{at, definition, event_at};

    fn confidence_of(event_type: &str, days_ago: i64, value: Option<Decimal>) -> f32 {
        let now = at(1_000 * 86_400);
        let event_type = crossfold_testing::event_type(event_type);
        let event = Event { event_type, value, ..event_at((1_000 - days_ago) * 86_400) };
        let definitions = Definitions::from([(event.domain.clone(), definition())]);
        let ledger = ConsentLedger::default();
        let context = ConsentContext { ledger: &ledger, definitions: &definitions, now };
        let history = ConsentedHistory::for_training(&History::new(vec![event], []), context);
        confidences(&history[0], &definitions, now).into_values().next().unwrap_or(0.0)
    }

    #[test]
    fn weight_recency_and_value_shape_the_confidence() {
        assert_eq!(confidence_of("view", 0, None), 1.0);
        assert_eq!(confidence_of("enrol", 0, None), 3.0);
        assert!((confidence_of("enrol", 180, None) - 1.5).abs() < 1e-5);
        let valued = confidence_of("enrol", 0, Some(Decimal::from(100)));
        assert!((valued - 3.0 * (1.0 + 2f32.ln())).abs() < 1e-5);
        assert_eq!(confidence_of("view", 0, Some(Decimal::from(100))), 1.0);
        assert_eq!(confidence_of("enrol", 0, Some(Decimal::MAX)), MAX_CONFIDENCE);
        assert_eq!(confidence_of("unknown", 0, None), 0.0);
    }
}
