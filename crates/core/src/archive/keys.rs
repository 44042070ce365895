//! Every key in the bucket, in one table.
//!
//! | prefix | what | kept | named by |
//! | --- | --- | --- | --- |
//! | `events/` | accepted events, Parquet | as long as events are | [`batch_key`] |
//! | `decisions/` | served slates, Parquet | as long as decisions are | [`batch_key`] |
//! | `outcomes/` | what came of them, Parquet | as long as decisions are | [`batch_key`] |
//! | `quarantine/` | events that cleaning refused, Parquet | for a while | [`refused_key`] |
//! | `models/current.json` | the pointer to the champion | always | `release::champion` |
//! | `models/records/` | a record for each model | as long as the model | `release::record` |
//! | `models/<id>/` | a model's parts, by content | as the number of kept models says | `model` |
//! | `tuning/` | searches for hyper-parameters under way | 30 days | the function `train` |
//! | `retraining/` | working files of runs in shards | 14 days | `training::sharding::plan` |
//!
//! Archived files lie under `<kind>/domain=<domain>/date=<date>/`, where the
//! date is the UTC day on which the file's first record *arrived*: a late record
//! makes a file in today's partition and never changes an old one.

use jiff::Timestamp;

use crate::entities::ids::{DomainId, TrainingRunId};
use crate::evidence::cleaning::Refusal;

/// Where events are archived.
pub const EVENTS_PREFIX: &str = "events/";
/// Where decisions are archived.
pub const DECISIONS_PREFIX: &str = "decisions/";
/// Where outcomes are archived.
pub const OUTCOMES_PREFIX: &str = "outcomes/";
/// Where refused events are kept.
pub const QUARANTINE_PREFIX: &str = "quarantine/";

/// The key of an archived file: `batch` must be the same whenever the same
/// records are archived again, so that a retry replaces the file instead of
/// adding one.
#[must_use]
pub fn batch_key(prefix: &str, domain: &DomainId, arrived_at: Timestamp, batch: &str) -> String {
    let date = arrived_at.strftime("%Y-%m-%d");
    format!("{prefix}domain={domain}/date={date}/{batch}.parquet")
}

/// Where one run keeps what it refused: carried out again, it replaces it.
#[must_use]
pub fn refused_prefix(run: &TrainingRunId) -> String {
    format!("{QUARANTINE_PREFIX}run={run}/")
}

/// The key of a run's file of refused events, numbered from 0 within its reason.
#[must_use]
pub fn refused_key(run: &TrainingRunId, reason: Refusal, number: usize) -> String {
    format!("{}{}-{number:04}.parquet", refused_prefix(run), reason.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_of_a_batch_holds_domain_and_day_of_arrival() {
        let key = batch_key(
            EVENTS_PREFIX,
            &DomainId::parse("knowledge").unwrap(),
            "2026-11-24T23:59:59Z".parse().unwrap(),
            "0001",
        );
        assert_eq!(key, "events/domain=knowledge/date=2026-11-24/0001.parquet");
    }

    #[test]
    fn refused_events_are_filed_by_run_and_reason() {
        let run = TrainingRunId::parse("r1").unwrap();
        let key = refused_key(&run, Refusal::ClockSkew, 2);
        assert_eq!(key, "quarantine/run=r1/clock_skew-0002.parquet");
    }
}
