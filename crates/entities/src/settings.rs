//! Settings: texts by name, such as a process's environment, read by rules.

use std::str::FromStr;
use std::sync::Arc;

/// Why a setting cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{variable} must be {rule}, not {value:?}")]
pub struct InvalidSetting {
    /// The variable.
    pub variable: &'static str,
    /// What it must be.
    pub rule: &'static str,
    /// What it is.
    pub value: String,
}

/// Tells a variable's value, if it has one.
type Lookup = dyn Fn(&str) -> Option<String> + Send + Sync;

/// Where settings come from.
#[derive(Clone)]
pub struct Settings(Arc<Lookup>);

impl Settings {
    /// The process's environment.
    #[must_use]
    pub fn of_process() -> Self {
        Self::from_fn(|variable| std::env::var(variable).ok())
    }

    /// Settings as `lookup` tells them, by the names of the environment variables.
    #[must_use]
    pub fn from_fn(lookup: impl Fn(&str) -> Option<String> + Send + Sync + 'static) -> Self {
        Self(Arc::new(lookup))
    }

    /// Settings that are these, and no others.
    #[must_use]
    pub fn of(variables: &[(&str, &str)]) -> Self {
        let known: Vec<(String, String)> =
            variables.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        Self::from_fn(move |variable| {
            let found = known.iter().find(|(name, _)| name == variable);
            found.map(|(_, value)| value.clone())
        })
    }

    /// A text. An empty one is none: a template hands on what was left out as such.
    #[must_use]
    pub fn text(&self, variable: &str) -> Option<String> {
        (self.0)(variable).filter(|value| !value.is_empty())
    }

    /// A value that keeps to a rule; `None` when it is not set, or empty.
    ///
    /// # Errors
    /// [`InvalidSetting`] when it is set to something that is not `allowed`.
    pub fn parsed<T: FromStr>(
        &self,
        variable: &'static str,
        rule: &'static str,
        allowed: impl Fn(&T) -> bool,
    ) -> Result<Option<T>, InvalidSetting> {
        let Some(value) = self.text(variable) else { return Ok(None) };
        match value.parse().ok().filter(allowed) {
            Some(parsed) => Ok(Some(parsed)),
            None => Err(InvalidSetting { variable, rule, value }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size(value: &str) -> Result<Option<u64>, InvalidSetting> {
        let settings = Settings::of(&[("SIZE", value)]);
        settings.parsed("SIZE", "a whole number above 0", |size| *size > 0)
    }

    #[test]
    fn a_setting_keeps_its_rule_or_is_refused_by_name_rule_and_value() {
        assert_eq!(size("7"), Ok(Some(7)));
        for wrong in ["0", "-1", "1.5", "much", " 7"] {
            let error = size(wrong).unwrap_err();
            let expected = format!("SIZE must be a whole number above 0, not {wrong:?}");
            assert_eq!(error.to_string(), expected);
        }
    }

    #[test]
    fn what_is_not_set_or_empty_is_none() {
        assert_eq!(size(""), Ok(None));
        assert_eq!(Settings::of(&[]).text("SIZE"), None);
        assert_eq!(Settings::of(&[("SIZE", "a")]).text("SIZE"), Some("a".into()));
    }
}
