//! What the adapter is told by its environment.

use std::time::Duration;

#[cfg(feature = "cloud")]
use aws_config::BehaviorVersion;
use aws_config::timeout::TimeoutConfig;
use aws_config::{SdkConfig, retry::RetryConfig};
use crossfold_core::entities::ports::{StoreError, StoreResult};
use crossfold_core::entities::settings::{InvalidSetting, Settings};
use jiff::SignedDuration;

/// Most tries of one call, the first included. The SDK waits between them with
/// full jitter and spends from a budget, so this is the only layer that retries.
const MAX_ATTEMPTS: u32 = 4;

/// Time limits of calls with small answers (DynamoDB, Secrets Manager).
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
#[cfg(feature = "cloud")]
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(2);
#[cfg(feature = "cloud")]
const OPERATION_TIMEOUT: Duration = Duration::from_secs(6);

/// Time limits of S3 calls, which carry whole objects. A body that stops
/// flowing is cut sooner, by the SDK's protection against stalled streams.
const OBJECT_ATTEMPT_TIMEOUT: Duration = Duration::from_secs(30);
const OBJECT_OPERATION_TIMEOUT: Duration = Duration::from_secs(120);

const HOURS_PER_DAY: i64 = 24;
const DEFAULT_EVENT_RETENTION_DAYS: i64 = 730;
const DEFAULT_DECISION_RETENTION_DAYS: i64 = 400;
const DEFAULT_DECISION_TABLE_DAYS: i64 = 90;

/// The SDK's configuration for every function: credentials, region and
/// endpoint from the environment, time limits and retries from here.
#[cfg(feature = "cloud")]
pub async fn sdk_config() -> SdkConfig {
    aws_config::defaults(BehaviorVersion::latest())
        .retry_config(retry_config())
        .timeout_config(timeout_config())
        .load()
        .await
}

pub(crate) fn retry_config() -> RetryConfig {
    RetryConfig::standard().with_max_attempts(MAX_ATTEMPTS)
}

#[cfg(feature = "cloud")]
fn timeout_config() -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .operation_attempt_timeout(ATTEMPT_TIMEOUT)
        .operation_timeout(OPERATION_TIMEOUT)
        .build()
}

/// The wait before a second try is at most this, and then doubles, where a caller waits.
#[cfg(feature = "cloud")]
const FIRST_BACKOFF: Duration = Duration::from_millis(50);

/// The same configuration for calls whose caller waits no longer than `limit`: half of it has
/// time for two tries that are not answered.
#[cfg(feature = "cloud")]
#[must_use]
pub fn answering_within(sdk: &SdkConfig, limit: Duration) -> SdkConfig {
    let limits = TimeoutConfig::builder()
        .connect_timeout(CONNECT_TIMEOUT.min(limit / 5))
        .operation_attempt_timeout(ATTEMPT_TIMEOUT.min(limit / 5))
        .operation_timeout(OPERATION_TIMEOUT.min(limit))
        .build();
    let retries = retry_config().with_initial_backoff(FIRST_BACKOFF);
    sdk.to_builder().timeout_config(limits).retry_config(retries).build()
}

pub(crate) fn s3_client(sdk: &SdkConfig) -> aws_sdk_s3::Client {
    let limits = TimeoutConfig::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .operation_attempt_timeout(OBJECT_ATTEMPT_TIMEOUT)
        .operation_timeout(OBJECT_OPERATION_TIMEOUT)
        .build();
    let config = aws_sdk_s3::config::Builder::from(sdk)
        .timeout_config(limits)
        // A bucket's own host name exists only behind AWS's endpoints.
        .force_path_style(sdk.endpoint_url().is_some())
        .build();
    aws_sdk_s3::Client::from_conf(config)
}

/// The name of a table or bucket, which a function may lack when it has no use for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resource {
    name: Option<String>,
    variable: &'static str,
}

impl Resource {
    fn of(variable: &'static str, settings: &Settings) -> Self {
        Self { name: settings.text(variable), variable }
    }

    /// The name.
    ///
    /// # Errors
    /// [`StoreError::Refused`], naming the variable to set, when there is none.
    pub fn name(&self) -> StoreResult<&str> {
        self.name
            .as_deref()
            .ok_or_else(|| StoreError::Refused(format!("{} is not set", self.variable).into()))
    }
}

/// The tables, the bucket, and how long records are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StorageConfig {
    /// `CROSSFOLD_PEOPLE_TABLE`.
    pub people_table: Resource,
    /// `CROSSFOLD_EVENTS_TABLE`.
    pub events_table: Resource,
    /// `CROSSFOLD_CATALOG_TABLE`.
    pub catalog_table: Resource,
    /// `CROSSFOLD_DECISIONS_TABLE`.
    pub decisions_table: Resource,
    /// `CROSSFOLD_CONTROL_TABLE`.
    pub control_table: Resource,
    /// `CROSSFOLD_BUCKET`.
    pub bucket: Resource,
    /// `CROSSFOLD_EVENT_BUS`: the bus of EventBridge that pushes are put on.
    pub event_bus: Resource,
    /// `CROSSFOLD_EVENT_RETENTION_DAYS`: how long an event is kept after it was
    /// received; 730 days when not set.
    pub event_retention: SignedDuration,
    /// `CROSSFOLD_DECISION_RETENTION_DAYS`: how long a decision and its
    /// outcomes are kept in the archive; 400 days when not set.
    pub decision_retention: SignedDuration,
    /// `CROSSFOLD_DECISION_TABLE_DAYS`: how long they are kept in the table, where feedback and
    /// replays need them; 90 days when not set.
    pub decision_table_retention: SignedDuration,
}

impl StorageConfig {
    /// Reads the process's environment.
    ///
    /// # Errors
    /// As for [`StorageConfig::of`].
    pub fn from_env() -> Result<Self, InvalidSetting> {
        Self::of(&Settings::of_process())
    }

    /// Reads settings.
    ///
    /// # Errors
    /// [`InvalidSetting`] when a retention is not a number of days. A missing
    /// name is an error only once it is needed.
    pub fn of(settings: &Settings) -> Result<Self, InvalidSetting> {
        let resource = |variable| Resource::of(variable, settings);
        Ok(Self {
            people_table: resource("CROSSFOLD_PEOPLE_TABLE"),
            events_table: resource("CROSSFOLD_EVENTS_TABLE"),
            catalog_table: resource("CROSSFOLD_CATALOG_TABLE"),
            decisions_table: resource("CROSSFOLD_DECISIONS_TABLE"),
            control_table: resource("CROSSFOLD_CONTROL_TABLE"),
            bucket: resource("CROSSFOLD_BUCKET"),
            event_bus: resource("CROSSFOLD_EVENT_BUS"),
            event_retention: retention(
                "CROSSFOLD_EVENT_RETENTION_DAYS",
                DEFAULT_EVENT_RETENTION_DAYS,
                settings,
            )?,
            decision_retention: retention(
                "CROSSFOLD_DECISION_RETENTION_DAYS",
                DEFAULT_DECISION_RETENTION_DAYS,
                settings,
            )?,
            decision_table_retention: retention(
                "CROSSFOLD_DECISION_TABLE_DAYS",
                DEFAULT_DECISION_TABLE_DAYS,
                settings,
            )?,
        })
    }

    /// Every name set, by one prefix, as a local or test environment has it:
    /// `<prefix>-people`, `<prefix>-events`, and so on.
    #[must_use]
    pub fn with_prefix(prefix: &str) -> Self {
        let resource = |variable, suffix: &str| Resource {
            name: Some(format!("{prefix}-{suffix}")),
            variable,
        };
        let days = |days: i64| SignedDuration::from_hours(days * HOURS_PER_DAY);
        Self {
            people_table: resource("CROSSFOLD_PEOPLE_TABLE", "people"),
            events_table: resource("CROSSFOLD_EVENTS_TABLE", "events"),
            catalog_table: resource("CROSSFOLD_CATALOG_TABLE", "catalog"),
            decisions_table: resource("CROSSFOLD_DECISIONS_TABLE", "decisions"),
            control_table: resource("CROSSFOLD_CONTROL_TABLE", "control"),
            bucket: resource("CROSSFOLD_BUCKET", "data"),
            event_bus: resource("CROSSFOLD_EVENT_BUS", "pushes"),
            event_retention: days(DEFAULT_EVENT_RETENTION_DAYS),
            decision_retention: days(DEFAULT_DECISION_RETENTION_DAYS),
            decision_table_retention: days(DEFAULT_DECISION_TABLE_DAYS),
        }
    }

    /// The variables and values that would give this configuration, for the
    /// environment of another process.
    #[must_use]
    pub fn variables(&self) -> Vec<(&'static str, String)> {
        let resources = [
            &self.people_table,
            &self.events_table,
            &self.catalog_table,
            &self.decisions_table,
            &self.control_table,
            &self.bucket,
            &self.event_bus,
        ];
        let names = resources
            .into_iter()
            .filter_map(|resource| Some((resource.variable, resource.name.clone()?)));
        let days = |duration: SignedDuration| (duration.as_hours() / HOURS_PER_DAY).to_string();
        names
            .chain([
                ("CROSSFOLD_EVENT_RETENTION_DAYS", days(self.event_retention)),
                ("CROSSFOLD_DECISION_RETENTION_DAYS", days(self.decision_retention)),
                ("CROSSFOLD_DECISION_TABLE_DAYS", days(self.decision_table_retention)),
            ])
            .collect()
    }
}

fn retention(
    variable: &'static str,
    default_days: i64,
    settings: &Settings,
) -> Result<SignedDuration, InvalidSetting> {
    const MAX_DAYS: i64 = 36_500;
    let days = settings.parsed(variable, "a whole number of days, 1 to 36500", |days| {
        (1..=MAX_DAYS).contains(days)
    })?;
    Ok(SignedDuration::from_hours(days.unwrap_or(default_days) * HOURS_PER_DAY))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_name_is_an_error_only_once_it_is_needed_and_names_its_variable() {
        let config = StorageConfig::of(&Settings::of(&[("CROSSFOLD_BUCKET", "b")])).unwrap();
        assert_eq!(config.bucket.name().unwrap(), "b");
        let error = config.events_table.name().unwrap_err().to_string();
        assert!(error.contains("CROSSFOLD_EVENTS_TABLE"), "{error}");
    }

    #[test]
    fn a_retention_that_is_no_number_of_days_is_refused() {
        for wrong in ["0", "1.5", "forever"] {
            let settings = Settings::of(&[("CROSSFOLD_EVENT_RETENTION_DAYS", wrong)]);
            let error = StorageConfig::of(&settings).unwrap_err();
            assert_eq!(error.variable, "CROSSFOLD_EVENT_RETENTION_DAYS");
        }
    }

    #[test]
    fn a_configuration_survives_the_environment() {
        let config = StorageConfig::with_prefix("t");
        let variables = config.variables();
        let variables: Vec<(&str, &str)> =
            variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
        assert_eq!(StorageConfig::of(&Settings::of(&variables)).unwrap(), config);
    }
}
