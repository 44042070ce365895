//! What the worker is told by its environment.

use crossfold_core::entities::settings::{InvalidSetting, Settings};
use crossfold_core::release::retention::DEFAULT_KEPT;
use crossfold_core::training::tuning::TuningRequest;

use crate::new_run::TuningOrder;

const KEEP_MODELS: &str = "CROSSFOLD_KEEP_MODELS";
const TUNING_SECONDS: &str = "CROSSFOLD_TUNING_SECONDS";

/// How many models are kept (`CROSSFOLD_KEEP_MODELS`): a number from 1 on; 10 when not set.
///
/// # Errors
/// When it is set to something else.
pub fn keep_models(settings: &Settings) -> Result<usize, InvalidSetting> {
    let kept = settings.parsed(KEEP_MODELS, "a number from 1 on", |count| *count >= 1)?;
    Ok(kept.unwrap_or(DEFAULT_KEPT))
}

/// What an order that says nothing of tuning gets (`CROSSFOLD_TUNING_SECONDS`): a search
/// of so many seconds, 1 to 86,400, or none with 0; a default one when not set.
///
/// # Errors
/// When it is set to something else.
pub fn tuning_by_default(settings: &Settings) -> Result<TuningOrder, InvalidSetting> {
    let is_one = |seconds: &f64| *seconds == 0.0 || (1.0..=86_400.0).contains(seconds);
    let seconds = settings.parsed(TUNING_SECONDS, "0, or seconds from 1 to 86400", is_one)?;
    Ok(match seconds {
        None => TuningOrder::ByDefault,
        Some(0.0) => TuningOrder::Off,
        Some(seconds) => TuningOrder::Within(TuningRequest::of_seconds(seconds)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_number_from_one_on_is_taken() {
        let kept = |value| keep_models(&Settings::of(&[(KEEP_MODELS, value)]));
        assert_eq!(kept("").unwrap(), DEFAULT_KEPT);
        assert_eq!(kept("3").unwrap(), 3);
        for wrong in ["0", "-1", "ten", "1.5"] {
            assert!(kept(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_search_by_default_is_of_so_many_seconds_or_none() {
        let by_default = |value| tuning_by_default(&Settings::of(&[(TUNING_SECONDS, value)]));
        assert_eq!(by_default("").unwrap(), TuningOrder::ByDefault);
        assert_eq!(by_default("0").unwrap(), TuningOrder::Off);
        let minute = TuningOrder::Within(TuningRequest::of_seconds(60.0));
        assert_eq!(by_default("60").unwrap(), minute);
        for wrong in ["-1", "0.5", "86401", "NaN", "a minute"] {
            assert!(by_default(wrong).is_err(), "{wrong}");
        }
    }
}
