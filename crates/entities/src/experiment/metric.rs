//! Metrics: what of each user of an experiment is measured, as data.

use serde::{Deserialize, Serialize};

use crate::decision::OutcomeKind;
use crate::experiment::MAX_WINDOW_DAYS;
use crate::experiment::slots::{BUCKETS, Share};
use crate::ids::{EventType, MetricId};

/// Most metrics of an experiment.
pub const MAX_METRICS: usize = 16;

/// A metric. Each is one number of a user, over what they did from their first exposure on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "RawMetric")]
pub struct MetricDefinition {
    /// Its name.
    pub metric: MetricId,
    /// What it measures.
    #[serde(flatten)]
    pub kind: MetricKind,
    /// Whether more of it is better, or less.
    #[serde(default, skip_serializing_if = "Direction::is_increase")]
    pub better: Direction,
    /// The share of users by the greatest value of whom greater ones are taken for it: 0.5 or
    /// more; none are, unless it is said. Not of a conversion, a ratio or a retention.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub winsorised_at: Option<Share>,
    /// Of a guardrail: how much worse than with the control it may be at most, as a share of
    /// what it is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub margin: Option<Share>,
}

/// What a metric measures.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum MetricKind {
    /// Whether a user did it at all.
    Conversion {
        /// What.
        of: Signal,
    },
    /// How often a user did it.
    Count {
        /// What.
        of: Signal,
    },
    /// The sum of the values of a user's events.
    Revenue {
        /// Of which type.
        event_type: EventType,
    },
    /// How often all users of a variant did one thing for each time that they did another.
    Ratio {
        /// The one.
        of: Signal,
        /// The other.
        per: Signal,
    },
    /// Whether a user was there again, with an event or a slate, in some days after their first
    /// exposure.
    Retention {
        /// From how many days after it.
        from_day: u16,
        /// To before how many.
        to_day: u16,
    },
}

/// A metric as it is written: which fields it has hangs on its kind.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a metric: an object with a metric and a kind")]
struct RawMetric {
    metric: MetricId,
    kind: KindName,
    of: Option<Signal>,
    per: Option<Signal>,
    event_type: Option<EventType>,
    from_day: Option<u16>,
    to_day: Option<u16>,
    #[serde(default)]
    better: Direction,
    winsorised_at: Option<Share>,
    margin: Option<Share>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum KindName {
    Conversion,
    Count,
    Revenue,
    Ratio,
    Retention,
}

/// A metric has not the fields of its kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the metric {metric} must have {fields}, and no other of of, per, event_type, from_day and to_day"
)]
struct WrongFields {
    metric: MetricId,
    fields: &'static str,
}

impl KindName {
    fn fields(self) -> &'static str {
        match self {
            Self::Conversion | Self::Count => "of",
            Self::Revenue => "event_type",
            Self::Ratio => "of and per",
            Self::Retention => "from_day and to_day",
        }
    }
}

impl TryFrom<RawMetric> for MetricDefinition {
    type Error = WrongFields;

    fn try_from(raw: RawMetric) -> Result<Self, WrongFields> {
        let RawMetric { metric, kind: name, better, winsorised_at, margin, .. } = raw;
        let kind = match (name, raw.of, raw.per, raw.event_type, raw.from_day, raw.to_day) {
            (KindName::Conversion, Some(of), None, None, None, None) => {
                MetricKind::Conversion { of }
            }
            (KindName::Count, Some(of), None, None, None, None) => MetricKind::Count { of },
            (KindName::Revenue, None, None, Some(event_type), None, None) => {
                MetricKind::Revenue { event_type }
            }
            (KindName::Ratio, Some(of), Some(per), None, None, None) => {
                MetricKind::Ratio { of, per }
            }
            (KindName::Retention, None, None, None, Some(from_day), Some(to_day)) => {
                MetricKind::Retention { from_day, to_day }
            }
            _ => return Err(WrongFields { metric, fields: name.fields() }),
        };
        Ok(Self { metric, kind, better, winsorised_at, margin })
    }
}

/// Something that users do, or that happens to them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Signal {
    /// An outcome of a slate that the variant made: the user touched it last there.
    Outcome(OutcomeKind),
    /// An event of the platform's own, of a type, wherever it came from.
    EventType(EventType),
    /// A slate that the variant made.
    Slates,
}

/// Which way is better.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// More.
    #[default]
    Increase,
    /// Less.
    Decrease,
}

impl Direction {
    fn is_increase(&self) -> bool {
        *self == Self::Increase
    }
}

impl MetricKind {
    /// The event types that it counts.
    pub fn event_types(&self) -> impl Iterator<Item = &EventType> {
        let signals = match self {
            Self::Conversion { of } | Self::Count { of } => [Some(of), None],
            Self::Ratio { of, per } => [Some(of), Some(per)],
            Self::Revenue { .. } | Self::Retention { .. } => [None, None],
        };
        let revenue = match self {
            Self::Revenue { event_type } => Some(event_type),
            _ => None,
        };
        let named = signals.into_iter().flatten().filter_map(|signal| match signal {
            Signal::EventType(event_type) => Some(event_type),
            Signal::Outcome(_) | Signal::Slates => None,
        });
        named.chain(revenue)
    }

    fn may_be_winsorised(&self) -> bool {
        matches!(self, Self::Count { .. } | Self::Revenue { .. })
    }
}

impl MetricDefinition {
    pub(super) fn check(&self) -> Result<(), String> {
        if let MetricKind::Retention { from_day, to_day } = self.kind
            && !(from_day >= 1 && from_day < to_day && to_day <= MAX_WINDOW_DAYS)
        {
            return Err(format!(
                "from_day must be 1 or more, and below to_day, which is at most {MAX_WINDOW_DAYS}"
            ));
        }
        let Some(at) = self.winsorised_at else { return Ok(()) };
        if !self.kind.may_be_winsorised() {
            return Err("winsorised_at is for count and revenue".to_owned());
        }
        if at.get() < BUCKETS / 2 || at == Share::ONE {
            return Err("winsorised_at must be 0.5 or more, and below 1".to_owned());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(json: serde_json::Value) -> Result<MetricDefinition, String> {
        let read: MetricDefinition = serde_json::from_value(json).map_err(|e| e.to_string())?;
        read.check().map(|()| read)
    }

    #[test]
    fn metrics_are_data() {
        for metric in [
            json!({"metric": "a", "kind": "conversion", "of": {"outcome": "click"}}),
            json!({"metric": "b", "kind": "count", "of": {"event_type": "view"}, "winsorised_at": 0.99}),
            json!({"metric": "c", "kind": "revenue", "event_type": "buy", "margin": 0.01}),
            json!({"metric": "d", "kind": "ratio", "of": {"outcome": "click"}, "per": "slates"}),
            json!({"metric": "e", "kind": "retention", "from_day": 7, "to_day": 14}),
            json!({"metric": "f", "kind": "count", "of": {"outcome": "dismiss"}, "better": "decrease"}),
        ] {
            let known = read(metric.clone()).unwrap();
            assert_eq!(serde_json::to_value(&known).unwrap(), metric);
        }
    }

    #[test]
    fn what_cannot_be_measured_is_refused() {
        for metric in [
            json!({"metric": "a", "kind": "conversion", "of": {"outcome": "nothing"}}),
            json!({"metric": "b", "kind": "retention", "from_day": 0, "to_day": 1}),
            json!({"metric": "b", "kind": "retention", "from_day": 7, "to_day": 7}),
            json!({"metric": "b", "kind": "retention", "from_day": 7, "to_day": 91}),
            json!({"metric": "c", "kind": "count", "of": "slates", "winsorised_at": 0.4}),
            json!({"metric": "c", "kind": "count", "of": "slates", "winsorised_at": 1}),
            json!({"metric": "d", "kind": "conversion", "of": "slates", "winsorised_at": 0.9}),
            json!({"metric": "A b", "kind": "count", "of": "slates"}),
            json!({"metric": "a", "kind": "count"}),
            json!({"metric": "a", "kind": "count", "of": "slates", "per": "slates"}),
            json!({"metric": "a", "kind": "count", "of": "slates", "winsorized_at": 0.9}),
        ] {
            read(metric.clone()).expect_err(&metric.to_string());
        }
    }
}
