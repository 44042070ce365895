//! What the worker is told by its environment.

use crossfold_core::entities::settings::{InvalidSetting, Settings};
use crossfold_core::release::retention::DEFAULT_KEPT;

const KEEP_MODELS: &str = "CROSSFOLD_KEEP_MODELS";

/// How many models are kept (`CROSSFOLD_KEEP_MODELS`): a number from 1 on; 10 when not set.
///
/// # Errors
/// When it is set to something else.
pub fn keep_models(settings: &Settings) -> Result<usize, InvalidSetting> {
    let kept = settings.parsed(KEEP_MODELS, "a number from 1 on", |count| *count >= 1)?;
    Ok(kept.unwrap_or(DEFAULT_KEPT))
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
}
