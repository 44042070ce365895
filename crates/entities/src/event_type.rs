//! What one type of event means: how it becomes evidence, and what counts as seen.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use rust_decimal::Decimal;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::decimal;

/// How one type of event becomes evidence.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventTypeDefinition {
    /// Weight of one event of this type in a confidence; above 0, at most 100.
    pub weight: f32,
    /// When set, an event's value `v` multiplies the weight by `1 + ln(1 + v / value_scale)`;
    /// beside a [`EventTypeDefinition::neutral_value`], it is the distance from
    /// there that weighs the weight once.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "decimal::exact_option"
    )]
    pub value_scale: Option<Decimal>,
    /// Whether it tells against the item: a dislike, "not interested".
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub negative: bool,
    /// When set, the value is a rating and this its neutral point, at least 0: a
    /// value above tells for the item and one below against it, with the weight
    /// times the distance; at the point, and without a value, it weighs nothing.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "decimal::exact_option"
    )]
    pub neutral_value: Option<Decimal>,
    /// What several events of this type about one item weigh together.
    #[serde(default, skip_serializing_if = "Repeats::is_default")]
    pub repeats: Repeats,
    /// How long the item counts as seen, and so is not recommended. `None`: for as
    /// long as the event is among those that are read for a slate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen_days: Option<SeenFor>,
    /// How far the user came with the item: what profiles are told from. It weighs nothing.
    #[serde(
        default,
        skip_serializing_if = "BTreeSet::is_empty",
        deserialize_with = "each_step_once"
    )]
    pub steps: BTreeSet<Step>,
}

/// Reads steps, each of which stands once.
fn each_step_once<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeSet<Step>, D::Error> {
    let listed = Vec::<Step>::deserialize(deserializer)?;
    let steps: BTreeSet<Step> = listed.iter().copied().collect();
    if steps.len() < listed.len() {
        return Err(serde::de::Error::custom("steps must be named once each"));
    }
    Ok(steps)
}

/// A step of a user's way with an item. An event type may be several: who enrols in a free course
/// acquires and starts it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// They looked at it.
    Looked,
    /// They bought, ordered or enrolled in it. The event's value is what they paid.
    Acquired,
    /// They began with it.
    Started,
    /// They finished it.
    Completed,
}

/// What several events of one type about one item weigh together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Repeats {
    /// What each weighs, summed up.
    #[default]
    Sum,
    /// What the one weighs that weighs most.
    Strongest,
    /// What the newest weighs: a rating that was changed.
    Latest,
}

impl Repeats {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// How long an item counts as seen after an event: "forever", or a number of days.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SeenFor {
    /// For ever. It is recorded beside the events, which are not kept for ever.
    Ever,
    /// For so many days, at most [`MAX_SEEN_DAYS`], but no longer than the event is
    /// read for slates; 0: not at all.
    Days(u16),
}

/// Most days of [`SeenFor::Days`].
pub const MAX_SEEN_DAYS: u16 = 36_500;
/// [`SeenFor::Ever`] as it is posted and stored.
const FOREVER: &str = "forever";

impl SeenFor {
    /// Whether what was seen at an instant still counts as seen.
    #[must_use]
    pub fn holds(self, seen_at: Timestamp, now: Timestamp) -> bool {
        match self {
            Self::Ever => true,
            Self::Days(0) => false,
            Self::Days(days) => {
                now.duration_since(seen_at) < SignedDuration::from_hours(24 * i64::from(days))
            }
        }
    }
}

impl Serialize for SeenFor {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Ever => serializer.serialize_str(FOREVER),
            Self::Days(days) => serializer.serialize_u16(*days),
        }
    }
}

impl<'de> Deserialize<'de> for SeenFor {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = serde_json::Value::deserialize(deserializer)?;
        let days = value.as_u64().and_then(|days| u16::try_from(days).ok());
        match days.filter(|days| *days <= MAX_SEEN_DAYS) {
            Some(days) => Ok(Self::Days(days)),
            None if value == FOREVER => Ok(Self::Ever),
            None => Err(serde::de::Error::custom(format!(
                "seen_days must be \"{FOREVER}\" or 0 to {MAX_SEEN_DAYS}"
            ))),
        }
    }
}

impl EventTypeDefinition {
    /// An event type of this weight, and of no other meaning.
    #[must_use]
    pub fn weighing(weight: f32) -> Self {
        Self {
            weight,
            value_scale: None,
            negative: false,
            neutral_value: None,
            repeats: Repeats::Sum,
            seen_days: None,
            steps: BTreeSet::new(),
        }
    }

    /// Whether an event of this type is a step.
    #[must_use]
    pub fn is(&self, step: Step) -> bool {
        self.steps.contains(&step)
    }

    /// Whether an event's value is an amount of money that was paid: one of who acquires
    /// something, and no rating.
    #[must_use]
    pub fn is_paid(&self) -> bool {
        self.is(Step::Acquired) && self.neutral_value.is_none()
    }

    /// Whether an item counts as seen at `now` by an event of this type.
    #[must_use]
    pub fn is_seen(&self, occurred_at: Timestamp, now: Timestamp) -> bool {
        self.seen_days.is_none_or(|seen| seen.holds(occurred_at, now))
    }

    /// Checks the ranges.
    ///
    /// # Errors
    /// The field that is out of range, and the rule that it breaks.
    pub(crate) fn check(&self) -> Result<(), (&'static str, &'static str)> {
        let rules = [
            (
                self.weight > 0.0 && self.weight <= 100.0,
                ("weight", "must be above 0 and at most 100"),
            ),
            (
                self.value_scale.is_none_or(|scale| scale > Decimal::ZERO),
                ("value_scale", "must be above 0"),
            ),
            (
                self.neutral_value.is_none_or(|neutral| neutral >= Decimal::ZERO),
                ("neutral_value", "must be at least 0"),
            ),
            (
                !(self.negative && self.neutral_value.is_some()),
                (
                    "neutral_value",
                    "says by the value what tells against an item: not with negative",
                ),
            ),
        ];
        rules.into_iter().find(|(holds, _)| !holds).map_or(Ok(()), |(_, broken)| Err(broken))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(json: serde_json::Value) -> EventTypeDefinition {
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn each_meaning_survives_json_and_the_usual_one_is_not_written() {
        let usual = json!({"weight": 1.0});
        assert_eq!(serde_json::to_value(read(usual.clone())).unwrap(), usual);
        assert_eq!(read(usual), EventTypeDefinition::weighing(1.0));
        let meanings = [
            json!({"weight": 1.0, "negative": true, "seen_days": "forever"}),
            json!({"weight": 1.0, "neutral_value": "3", "repeats": "latest", "seen_days": 0}),
            json!({"weight": 1.0, "repeats": "strongest", "seen_days": 30}),
            json!({"weight": 1.0, "steps": ["acquired", "started"]}),
        ];
        for meaning in meanings {
            let event_type = read(meaning.clone());
            event_type.check().unwrap();
            assert_eq!(serde_json::to_value(event_type).unwrap(), meaning);
        }
        let number = read(json!({"weight": 1.0, "neutral_value": 2.5}));
        assert_eq!(number.neutral_value, Some(Decimal::new(25, 1)));
    }

    #[test]
    fn a_meaning_that_contradicts_itself_is_refused_by_its_field() {
        let wrong = [
            (json!({"weight": 0.0}), "weight"),
            (json!({"weight": 1.0, "value_scale": "0"}), "value_scale"),
            (json!({"weight": 1.0, "neutral_value": "-1"}), "neutral_value"),
            (json!({"weight": 1.0, "neutral_value": "3", "negative": true}), "neutral_value"),
        ];
        for (json, field) in wrong {
            assert_eq!(read(json.clone()).check().unwrap_err().0, field, "{json}");
        }
        let twice = json!({"weight": 1.0, "steps": ["looked", "looked"]});
        let error = serde_json::from_value::<EventTypeDefinition>(twice).unwrap_err();
        assert!(error.to_string().contains("steps"), "{error}");
        for days in [json!(36_501), json!(-1), json!(0.5), json!("never"), json!({"days": 3})] {
            let json = json!({"weight": 1.0, "seen_days": days});
            let error = serde_json::from_value::<EventTypeDefinition>(json).unwrap_err();
            assert!(error.to_string().contains("seen_days"), "{error}");
        }
    }

    #[test]
    fn what_was_seen_counts_for_as_long_as_the_type_says() {
        let at = |days: i64| Timestamp::from_second(days * 86_400).unwrap();
        let seen = |seen_days: Option<SeenFor>, age: i64| {
            EventTypeDefinition { seen_days, ..EventTypeDefinition::weighing(1.0) }
                .is_seen(at(0), at(age))
        };
        assert!(seen(None, 9_000) && seen(Some(SeenFor::Ever), 9_000));
        assert!(!seen(Some(SeenFor::Days(0)), 0));
        assert!(seen(Some(SeenFor::Days(30)), 29) && !seen(Some(SeenFor::Days(30)), 30));
    }
}
