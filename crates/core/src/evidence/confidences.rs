//! From events to interactions: a confidence for each (person, item).

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;

use crate::entities::consent::ConsentedHistory;
use crate::entities::definition::{Definitions, DomainDefinition, EventTypeDefinition, Repeats};
use crate::entities::event::Event;
use crate::evidence::ageing::NewestEvidence;
use crate::evidence::items::{ItemKey, ItemOf};

/// Largest magnitude of the confidence of one interaction, so that no person
/// outweighs a catalogue.
pub const MAX_CONFIDENCE: f32 = 50.0;

/// The confidence of each item in a history: of its events the sum of
/// `weight x 0.5^(age / half-life) x bearing`, where what repeats counts as its type
/// says, at most [`MAX_CONFIDENCE`] in magnitude; age is counted back from the newest
/// evidence of the domain. What tells against an item counts
/// below zero, and an item with more against it than for it has a confidence below
/// zero: it is disliked. Events of an unknown domain or type add nothing.
#[must_use]
pub fn confidences(
    history: &ConsentedHistory,
    definitions: &Definitions,
    newest: &NewestEvidence,
) -> BTreeMap<ItemKey, f32> {
    let owned =
        |((domain, item), amount): (ItemOf<'_>, f32)| ((domain.clone(), item.clone()), amount);
    confidences_of_items(history, definitions, newest).into_iter().map(owned).collect()
}

/// [`confidences`] by items where they stand in the history.
#[must_use]
pub fn confidences_of_items<'h>(
    history: &'h ConsentedHistory,
    definitions: &Definitions,
    newest: &NewestEvidence,
) -> BTreeMap<ItemOf<'h>, f32> {
    gather(history.events().iter().filter_map(|event| {
        let definition = definitions.get(&event.domain)?;
        let event_type = definition.event_types.get(&event.event_type)?;
        Some(Weighed {
            item: (&event.domain, &event.item_id),
            kind: &event.event_type,
            repeats: event_type.repeats,
            amount: event_confidence(event, definition, event_type, newest),
        })
    }))
}

/// What one event weighs for its item (above zero) or against it.
pub(crate) struct Weighed<I, K> {
    pub(crate) item: I,
    /// What tells the item's event types apart.
    pub(crate) kind: K,
    pub(crate) repeats: Repeats,
    pub(crate) amount: f32,
}

/// Puts together what events, newest first, weigh for and against each item.
pub(crate) fn gather<I: Ord + Clone, K: Ord>(
    events: impl Iterator<Item = Weighed<I, K>>,
) -> BTreeMap<I, f32> {
    let mut sums: BTreeMap<I, f32> = BTreeMap::new();
    let mut once: BTreeMap<(I, K), (usize, f32)> = BTreeMap::new();
    for (at, Weighed { item, kind, repeats, amount }) in events.enumerate() {
        match repeats {
            Repeats::Sum => *sums.entry(item).or_default() += amount,
            Repeats::Latest => {
                once.entry((item, kind)).or_insert((at, amount));
            }
            Repeats::Strongest => {
                let (_, most) = once.entry((item, kind)).or_insert((at, amount));
                if amount.abs() > most.abs() {
                    *most = amount;
                }
            }
        }
    }
    // In the order of events, however kinds are told apart: sums are then the same.
    let mut once: Vec<(usize, I, f32)> =
        once.into_iter().map(|((item, _), (at, amount))| (at, item, amount)).collect();
    once.sort_unstable_by_key(|(at, ..)| *at);
    for (_, item, amount) in once {
        *sums.entry(item).or_default() += amount;
    }
    sums.values_mut().for_each(|sum| *sum = sum.clamp(-MAX_CONFIDENCE, MAX_CONFIDENCE));
    sums.retain(|_, sum| sum.abs() > f32::MIN_POSITIVE);
    sums
}

fn event_confidence(
    event: &Event,
    definition: &DomainDefinition,
    event_type: &EventTypeDefinition,
    newest: &NewestEvidence,
) -> f32 {
    let recency = newest.recency(event, definition.half_life_days);
    event_type.weight * recency * bearing(event_type, event.value)
}

/// How much an event's value tells for its item, below zero against it: 1 or more,
/// as its value scale says; for a rating, the distance from the neutral point.
pub(crate) fn bearing(event_type: &EventTypeDefinition, value: Option<Decimal>) -> f32 {
    let Some(neutral) = event_type.neutral_value else {
        let factor = value_factor(value, event_type.value_scale);
        return if event_type.negative { -factor } else { factor };
    };
    let distance = value.and_then(|value| value.checked_sub(neutral));
    let scaled = distance.and_then(|distance| {
        distance.checked_div(event_type.value_scale.unwrap_or(Decimal::ONE))?.to_f32()
    });
    scaled.unwrap_or(0.0)
}

fn value_factor(value: Option<Decimal>, scale: Option<Decimal>) -> f32 {
    let ratio = value.zip(scale).and_then(|(value, scale)| value.checked_div(scale)?.to_f32());
    ratio.map_or(1.0, |ratio| 1.0 + ratio.max(0.0).ln_1p())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entities::consent::{ConsentContext, ConsentLedger};
    use crate::entities::history::History;
    use crossfold_testing::{at, definition, event_at};

    /// What events of one item weigh together: (event type, days ago, value).
    fn confidence_by(definition: DomainDefinition, events: &[(&str, i64, Option<Decimal>)]) -> f32 {
        let now = at(1_000 * 86_400);
        let event = |(number, (event_type, days_ago, value)): (usize, &(&str, i64, _))| Event {
            event_id: crossfold_testing::event_id(&format!("e{number}")),
            event_type: crossfold_testing::event_type(event_type),
            value: *value,
            ..event_at((1_000 - days_ago) * 86_400)
        };
        let events: Vec<Event> = events.iter().enumerate().map(event).collect();
        let definitions = Definitions::from([(events[0].domain.clone(), definition)]);
        let ledger = ConsentLedger::default();
        let context = ConsentContext { ledger: &ledger, definitions: &definitions, now };
        let history = ConsentedHistory::for_training(&History::new(events, []), context);
        let mut newest = NewestEvidence::default();
        newest.note(&crossfold_testing::domain("knowledge"), now);
        confidences(&history[0], &definitions, &newest).into_values().next().unwrap_or(0.0)
    }

    fn confidence_of(event_type: &str, days_ago: i64, value: Option<Decimal>) -> f32 {
        confidence_by(definition(), &[(event_type, days_ago, value)])
    }

    /// A definition in which an event type has a meaning beside its weight.
    fn with_meaning(event_type: &str, meaning: serde_json::Value) -> DomainDefinition {
        let mut definition = definition();
        let event_type = crossfold_testing::event_type(event_type);
        definition.event_types.insert(event_type, serde_json::from_value(meaning).unwrap());
        definition.check().unwrap();
        definition
    }

    #[test]
    fn a_dislike_tells_against_its_item_and_outweighs_or_lessens_what_tells_for_it() {
        let meaning =
            || with_meaning("dislike", serde_json::json!({"weight": 2, "negative": true}));
        assert_eq!(confidence_by(meaning(), &[("dislike", 0, None)]), -2.0);
        assert_eq!(confidence_by(meaning(), &[("dislike", 0, None), ("view", 0, None)]), -1.0);
        assert_eq!(confidence_by(meaning(), &[("dislike", 0, None), ("enrol", 0, None)]), 1.0);
        assert_eq!(confidence_by(meaning(), &[("dislike", 0, None); 99]), -MAX_CONFIDENCE);
    }

    #[test]
    fn a_rating_weighs_by_its_distance_from_the_neutral_point() {
        let rated = |value: Option<i64>, days_ago| {
            let meaning = serde_json::json!({"weight": 2, "neutral_value": "3"});
            let value = value.map(Decimal::from);
            confidence_by(with_meaning("rate", meaning), &[("rate", days_ago, value)])
        };
        let weighed = [Some(5), Some(4), Some(3), Some(2), Some(1), None].map(|v| rated(v, 0));
        assert_eq!(weighed, [4.0, 2.0, 0.0, -2.0, -4.0, 0.0]);
        assert!((rated(Some(5), 180) - 2.0).abs() < 1e-5);
        let percent = serde_json::json!({"weight": 1, "neutral_value": 50, "value_scale": "25"});
        let percent = with_meaning("rate", percent);
        assert_eq!(confidence_by(percent, &[("rate", 0, Some(Decimal::from(100)))]), 2.0);
    }

    #[test]
    fn repeats_count_as_their_type_says_and_a_sum_is_usual() {
        let viewed = |repeats: Option<&str>| {
            let mut meaning = serde_json::json!({"weight": 1, "value_scale": "100"});
            if let Some(repeats) = repeats {
                meaning["repeats"] = repeats.into();
            }
            let hundred = Some(Decimal::from(100));
            let views = [("view", 0, None), ("view", 0, hundred), ("view", 180, hundred)];
            confidence_by(
                with_meaning("view", meaning),
                &[&views[..], &[("enrol", 0, None)]].concat(),
            )
        };
        let strongest = 1.0 + 2f32.ln();
        for (repeats, views) in [
            (None, 1.0 + 1.5 * strongest),
            (Some("sum"), 1.0 + 1.5 * strongest),
            (Some("strongest"), strongest),
        ] {
            assert!((viewed(repeats) - 3.0 - views).abs() < 1e-5, "{repeats:?}");
        }
        // Changed from 5 to 1: what the person thinks now is what counts.
        let meaning = serde_json::json!({"weight": 1, "neutral_value": 3, "repeats": "latest"});
        let ratings = [("rate", 2, Some(Decimal::from(5))), ("rate", 1, Some(Decimal::from(1)))];
        let now = confidence_by(with_meaning("rate", meaning), &ratings);
        assert!((-2.0..-1.9).contains(&now), "{now}");
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
