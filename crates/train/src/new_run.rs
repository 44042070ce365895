//! New training runs.

use crossfold_core::entities::ids::TrainingRunId;
use crossfold_core::entities::json;
use crossfold_core::maths::als::{AlsOptions, InvalidOptions};
use crossfold_core::release::run::{TrainingRun, TrainingRunState};
use crossfold_core::training::tuning::{InvalidTuning, TuningRequest};
use jiff::Timestamp;
use serde::{Deserialize, Deserializer, de::Error};

/// What a run is asked to do: hyper-parameters and, beside them, `tuning`.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct RunOrder {
    /// Hyper-parameters; with tuning, where the search begins.
    pub options: AlsOptions,
    /// Bounds of the search for better ones.
    pub tuning: Option<TuningRequest>,
}

impl From<AlsOptions> for RunOrder {
    fn from(options: AlsOptions) -> Self {
        Self { options, tuning: None }
    }
}

impl<'de> Deserialize<'de> for RunOrder {
    // By hand: a flattened struct cannot deny unknown fields.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut fields = serde_json::Map::deserialize(deserializer)?;
        let tuning = fields.remove("tuning").unwrap_or_default();
        Ok(Self {
            options: serde_json::from_value(fields.into()).map_err(D::Error::custom)?,
            tuning: json::from_value(tuning).map_err(D::Error::custom)?,
        })
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
    options.check()?;
    tuning.iter().try_for_each(TuningRequest::check)?;
    let Ok(id) = TrainingRunId::parse(&uuid::Uuid::now_v7().to_string()) else {
        unreachable!("a UUID is a valid identifier");
    };
    Ok(TrainingRun {
        id,
        requested_at: now,
        options,
        tuning,
        accept_fewer_events: false,
        state: TrainingRunState::Queued,
    })
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
        assert_eq!(order.tuning, Some(TuningRequest::of_seconds(60.0)));
        for wrong in [r#"{"factor": 8}"#, r#"{"tuning": {"budget": 1}}"#, r#"{"tuning": 3}"#, "[]"]
        {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn bounds_out_of_range_are_refused_before_a_run_is_queued() {
        let tuning = Some(TuningRequest::of_seconds(0.0));
        let order = RunOrder { tuning, ..RunOrder::default() };
        let refused = new_run(order, Timestamp::UNIX_EPOCH).unwrap_err();
        assert_eq!(refused, InvalidOrder::Tuning(InvalidTuning::Seconds));
    }
}
