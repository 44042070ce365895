//! New training runs.

use crossfold_core::entities::ids::TrainingRunId;
use crossfold_core::entities::json;
use crossfold_core::maths::als::{AlsOptions, InvalidOptions};
use crossfold_core::release::run::{TrainingRun, TrainingRunState};
use crossfold_core::training::tuning::{InvalidTuning, TuningRequest};
use jiff::Timestamp;
use serde::{Deserialize, Deserializer, de::Error};
use serde_json::Value;
use sha2::{Digest, Sha256};

/// What a run is asked to do: hyper-parameters and, beside them, `tuning`.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct RunOrder {
    /// Hyper-parameters; with tuning, where the search begins.
    pub options: AlsOptions,
    /// Whether better ones are searched for.
    pub tuning: TuningOrder,
}

/// Whether hyper-parameters are searched for.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub enum TuningOrder {
    /// As the deployment's settings say; within [`TuningRequest::default`] where they
    /// say nothing.
    #[default]
    ByDefault,
    /// Not at all: the options are used as they are.
    Off,
    /// Within these bounds.
    Within(TuningRequest),
}

impl From<Option<TuningRequest>> for TuningOrder {
    fn from(request: Option<TuningRequest>) -> Self {
        request.map_or(Self::Off, Self::Within)
    }
}

impl RunOrder {
    /// The order with what the deployment does by default where it says nothing of tuning.
    #[must_use]
    pub fn or_by_default(self, by_default: TuningOrder) -> Self {
        let tuning = match self.tuning {
            TuningOrder::ByDefault => by_default,
            ordered => ordered,
        };
        Self { tuning, ..self }
    }
}

/// Exactly these options, without a search.
impl From<AlsOptions> for RunOrder {
    fn from(options: AlsOptions) -> Self {
        Self { options, tuning: TuningOrder::Off }
    }
}

/// Hyper-parameters that a search is for: an order that names one of them, and nothing
/// of tuning, wants just that.
const SEARCHED_FOR: [&str; 2] = ["unobserved_weight", "regularisation"];

impl<'de> Deserialize<'de> for RunOrder {
    // By hand: a flattened struct cannot deny unknown fields.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut fields = serde_json::Map::deserialize(deserializer)?;
        let tuning = match fields.remove("tuning") {
            None if SEARCHED_FOR.iter().any(|name| fields.contains_key(*name)) => TuningOrder::Off,
            None => TuningOrder::ByDefault,
            Some(tuning) => tuning_order(tuning).map_err(D::Error::custom)?,
        };
        let options = json::from_value(fields.into()).map_err(D::Error::custom)?;
        Ok(Self { options, tuning })
    }
}

fn tuning_order(tuning: Value) -> Result<TuningOrder, serde_json::Error> {
    match tuning {
        Value::Null => Ok(TuningOrder::Off),
        Value::String(word) if word == "off" => Ok(TuningOrder::Off),
        bounds => json::from_value(bounds).map(TuningOrder::Within),
    }
}

/// Why a run cannot be ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidOrder {
    /// A hyper-parameter is out of its range.
    #[error(transparent)]
    Options(#[from] InvalidOptions),
    /// A bound of the search is out of its range.
    #[error(transparent)]
    Tuning(#[from] InvalidTuning),
}

/// A queued run, not yet recorded. Its id is a UUID of version 7, so that runs
/// sort by time.
///
/// # Errors
/// [`InvalidOrder`] when a hyper-parameter or a bound of the search is out of its range.
pub fn new_run(order: impl Into<RunOrder>, now: Timestamp) -> Result<TrainingRun, InvalidOrder> {
    let RunOrder { options, tuning } = order.into();
    let tuning = match tuning {
        TuningOrder::ByDefault => Some(TuningRequest::default()),
        TuningOrder::Off => None,
        TuningOrder::Within(request) => Some(request),
    };
    options.check()?;
    tuning.iter().try_for_each(TuningRequest::check)?;
    Ok(TrainingRun {
        id: run_id(uuid::Uuid::now_v7()),
        requested_at: now,
        options,
        tuning,
        accept_fewer_events: false,
        state: TrainingRunState::Queued,
    })
}

/// The run of one tick of the schedule: its id is made from that of the tick, which may be
/// told more than once.
///
/// # Errors
/// [`InvalidOrder`] when a hyper-parameter or a bound of the search is out of its range.
pub(crate) fn scheduled_run(
    order: impl Into<RunOrder>,
    tick: &str,
    time: Timestamp,
) -> Result<TrainingRun, InvalidOrder> {
    let mut chance = [0; 10];
    chance.copy_from_slice(&Sha256::digest(tick)[..10]);
    let milliseconds = u64::try_from(time.as_millisecond()).unwrap_or(0);
    let id = uuid::Builder::from_unix_timestamp_millis(milliseconds, &chance).into_uuid();
    Ok(TrainingRun { id: run_id(id), ..new_run(order, time)? })
}

fn run_id(id: uuid::Uuid) -> TrainingRunId {
    let Ok(id) = TrainingRunId::parse(&id.to_string()) else {
        unreachable!("a UUID is a valid identifier");
    };
    id
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_is_options_with_tuning_beside_them() {
        let read = |text: &str| serde_json::from_str::<RunOrder>(text);
        assert_eq!(read("{}").unwrap(), RunOrder::default());
        let order = read(r#"{"factors": 8, "tuning": {"budget_seconds": 60}}"#).unwrap();
        assert_eq!(order.options.factors, 8);
        assert_eq!(order.tuning, TuningOrder::Within(TuningRequest::of_seconds(60.0)));
        for wrong in [r#"{"factor": 8}"#, r#"{"tuning": {"budget": 1}}"#, r#"{"tuning": 3}"#, "[]"]
        {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_search_is_made_unless_it_is_put_off_or_its_object_is_given() {
        let tuning = |text: &str| {
            let order: RunOrder = serde_json::from_str(text).unwrap();
            new_run(order, Timestamp::UNIX_EPOCH).unwrap().tuning
        };
        for searched in ["{}", r#"{"factors": 8, "iterations": 3}"#] {
            assert_eq!(tuning(searched), Some(TuningRequest::default()), "{searched}");
        }
        for off in [
            r#"{"tuning": null}"#,
            r#"{"tuning": "off"}"#,
            r#"{"unobserved_weight": 0.1}"#,
            r#"{"regularisation": 0.1}"#,
        ] {
            assert_eq!(tuning(off), None, "{off}");
        }
        let both = tuning(r#"{"regularisation": 0.1, "tuning": {"budget_seconds": 9}}"#);
        assert_eq!(both, Some(TuningRequest::of_seconds(9.0)), "it begins there");
        let by_default = |order: RunOrder| order.or_by_default(TuningOrder::Off).tuning;
        assert_eq!(by_default(RunOrder::default()), TuningOrder::Off);
        let asked = TuningOrder::Within(TuningRequest::of_seconds(9.0));
        assert_eq!(by_default(RunOrder { tuning: asked, ..RunOrder::default() }), asked);
    }

    #[test]
    fn a_tick_of_the_schedule_is_one_run_however_often_it_is_told() {
        let run = |tick: &str, time: &str| {
            scheduled_run(RunOrder::default(), tick, time.parse().unwrap()).unwrap().id
        };
        let first = run("a", "2026-01-01T00:00:00Z");
        assert_eq!(run("a", "2026-01-01T00:00:00Z"), first);
        assert_ne!(run("b", "2026-01-01T00:00:00Z"), first);
        assert!(run("a", "2026-01-02T00:00:00Z") > first, "ids sort by time");
        assert!(new_run(RunOrder::default(), Timestamp::UNIX_EPOCH).unwrap().id > first);
    }

    #[test]
    fn bounds_out_of_range_are_refused_before_a_run_is_queued() {
        let tuning = TuningOrder::Within(TuningRequest::of_seconds(0.0));
        let order = RunOrder { tuning, ..RunOrder::default() };
        let refused = new_run(order, Timestamp::UNIX_EPOCH).unwrap_err();
        assert_eq!(refused, InvalidOrder::Tuning(InvalidTuning::Seconds));
    }
}
