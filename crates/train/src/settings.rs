//! What the worker is told by its environment.

use crossfold_core::release::retention::DEFAULT_KEPT;
use crossfold_storage::aws::InvalidSetting;

const KEEP_MODELS: &str = "CROSSFOLD_KEEP_MODELS";

/// How many models are kept (`CROSSFOLD_KEEP_MODELS`): a number from 1 on; 10 when not set.
///
/// # Errors
/// When it is set to something else.
pub fn keep_models() -> Result<usize, InvalidSetting> {
    parse_keep_models(std::env::var(KEEP_MODELS).ok())
}

fn parse_keep_models(value: Option<String>) -> Result<usize, InvalidSetting> {
    let Some(value) = value.filter(|value| !value.is_empty()) else {
        return Ok(DEFAULT_KEPT);
    };
    match value.parse() {
        Ok(count) if count >= 1 => Ok(count),
        _ => Err(InvalidSetting { variable: KEEP_MODELS, rule: "a number from 1 on", value }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_number_from_one_on_is_taken() {
        assert_eq!(parse_keep_models(None).unwrap(), DEFAULT_KEPT);
        assert_eq!(parse_keep_models(Some("3".into())).unwrap(), 3);
        for wrong in ["0", "-1", "ten", "1.5"] {
            assert!(parse_keep_models(Some(wrong.into())).is_err(), "{wrong}");
        }
    }
}
