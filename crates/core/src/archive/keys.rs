//! Every key in the bucket, in one table.
//!
//! | prefix | what | kept | named by |
//! | --- | --- | --- | --- |
//! | `events/` | accepted events, Parquet | as long as events are | [`batch_key`] |
//! | `decisions/` | served slates, Parquet | as long as decisions are | [`batch_key`] |
//! | `outcomes/` | what came of them, Parquet | as long as decisions are | [`batch_key`] |
//! | `quarantine/` | events that cleaning refused, Parquet | for a while | [`refused_key`] |
//! | `set-aside/records/` | stream records that cannot be archived, JSON | as long as events are | [`set_aside_record_key`] |
//! | `set-aside/files/` | archived files that cannot be read, as they were | as long as events are | [`set_aside_file_key`] |
//! | `compaction/` | merges of small files under way | seconds | the function `train` |
//! | `models/current.json` | the pointer to the champion | always | `release::champion` |
//! | `models/records/` | a record for each model | as long as the model | `release::record` |
//! | `models/<id>/` | a model's parts, by content | as the number of kept models says | `model` |
//! | `encoders/current.json` | which text encoder is installed | always | [`ENCODER_POINTER_KEY`] |
//! | `encoders/<sha256>.safetensors` | the artefact of a text encoder | always | [`encoder_key`] |
//! | `catalogues/` | a domain's catalogue as of one of its changes, Parquet | at most 25 days after it was written | [`catalogue_key`] |
//! | `tuning/` | searches for hyper-parameters under way | 30 days | the function `train` |
//! | `retraining/` | working files of runs in shards | 14 days | `training::sharding::plan` |
//!
//! Archived files lie under `<kind>/domain=<domain>/date=<date>/`, where the
//! date is the UTC day on which the file's first record *arrived*: a late record
//! makes a file in today's partition and never changes an old one. Once a day is over, its
//! files are merged into `compacted-<digest>.parquet`.

use data_encoding::HEXLOWER;
use jiff::Timestamp;
use jiff::civil::Date;
use sha2::{Digest, Sha256};

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
/// Where stream records that cannot be archived are kept. Not in quarantine, which
/// expires within weeks: these were accepted, and are to be archived once they can be read.
pub const SET_ASIDE_RECORDS_PREFIX: &str = "set-aside/records/";
/// Where files of the bucket that cannot be read are kept, for the same reason.
pub const SET_ASIDE_FILES_PREFIX: &str = "set-aside/files/";

/// Where catalogues lie as they were up to a change.
pub const CATALOGUES_PREFIX: &str = "catalogues/";

/// Where the artefacts of text encoders lie: of their own, because they outlive models.
pub const ENCODERS_PREFIX: &str = "encoders/";
/// The pointer to the text encoder that is installed.
pub const ENCODER_POINTER_KEY: &str = "encoders/current.json";

/// Where a merge of small files is written down while it goes on.
pub const COMPACTION_PREFIX: &str = "compaction/";
/// What the names of merged files begin with.
pub const COMPACTED: &str = "compacted-";

/// Characters of a digest in a name: enough that two contents under one name are no accident.
const DIGEST_CHARACTERS: usize = 16;

/// The key of an archived file: `batch` must be the same whenever the same
/// records are archived again, so that a retry replaces the file instead of
/// adding one.
#[must_use]
pub fn batch_key(prefix: &str, domain: &DomainId, arrived_at: Timestamp, batch: &str) -> String {
    let date = arrived_at.strftime("%Y-%m-%d");
    format!("{prefix}domain={domain}/date={date}/{batch}.parquet")
}

/// The day of arrival that the key of an archived file names.
#[must_use]
pub fn day_of_key(key: &str) -> Option<Date> {
    let (partition, _) = key.rsplit_once('/')?;
    let (_, day) = partition.rsplit_once("/date=")?;
    day.parse().ok()
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

/// The key of a record that was set aside, by its place in its stream, if it names one, and
/// its content: delivered again, it replaces itself and nothing else.
#[must_use]
pub fn set_aside_record_key(sequence_number: Option<&str>, content: &[u8]) -> String {
    let is_plain = |name: &&str| name.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let place = sequence_number.filter(is_plain).unwrap_or("unplaced");
    format!("{SET_ASIDE_RECORDS_PREFIX}{place}-{}.json", digest(content))
}

/// The key under which a file that cannot be read is kept: its own, behind its content.
/// What is moved again stays where it is, and takes no other file's place.
#[must_use]
pub fn set_aside_file_key(key: &str, content: &[u8]) -> String {
    format!("{SET_ASIDE_FILES_PREFIX}{}/{key}", digest(content))
}

/// Where a file that was set aside lay before.
#[must_use]
pub fn key_before_set_aside(key: &str) -> Option<&str> {
    let (_, before) = key.strip_prefix(SET_ASIDE_FILES_PREFIX)?.split_once('/')?;
    Some(before)
}

/// The domain whose rows a file holds, by its key; of one that was set aside, by where it lay.
/// None of a file whose rows may be of any domain.
#[must_use]
pub fn domain_of_key(key: &str) -> Option<DomainId> {
    let named = key.split('/').find_map(|part| part.strip_prefix("domain="))?;
    DomainId::parse(named).ok()
}

/// The key of a domain's catalogue as it was up to a change.
#[must_use]
pub fn catalogue_key(domain: &DomainId) -> String {
    format!("{CATALOGUES_PREFIX}{domain}.parquet")
}

/// The key of a text encoder's artefact, by the SHA-256 of its content in hexadecimal.
#[must_use]
pub fn encoder_key(sha256: &str) -> String {
    format!("{ENCODERS_PREFIX}{sha256}.safetensors")
}

/// The first characters of the SHA-256 of a content, in hexadecimal.
#[must_use]
pub fn digest(content: &[u8]) -> String {
    let mut text = HEXLOWER.encode(&Sha256::digest(content));
    text.truncate(DIGEST_CHARACTERS);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_set_aside_is_named_by_what_it_is() {
        let key = set_aside_record_key(Some("42"), b"a");
        assert_eq!(key, "set-aside/records/42-ca978112ca1bbdca.json");
        assert_ne!(key, set_aside_record_key(Some("42"), b"b"));
        for strange in [None, Some("../42"), Some("4/2")] {
            let key = set_aside_record_key(strange, b"a");
            assert_eq!(key, "set-aside/records/unplaced-ca978112ca1bbdca.json");
        }
        let key = set_aside_file_key("events/domain=a/date=2026-01-01/1.parquet", b"a");
        let before = key_before_set_aside(&key);
        assert_eq!(before, Some("events/domain=a/date=2026-01-01/1.parquet"));
        assert_eq!(key_before_set_aside("events/1.parquet"), None);
        assert_eq!(domain_of_key(&key), DomainId::parse("a").ok());
        assert_eq!(domain_of_key("set-aside/files/0/quarantine/run=a/robot-0000.parquet"), None);
    }

    #[test]
    fn the_key_of_a_batch_holds_domain_and_day_of_arrival() {
        let key = batch_key(
            EVENTS_PREFIX,
            &DomainId::parse("knowledge").unwrap(),
            "2026-11-24T23:59:59Z".parse().unwrap(),
            "0001",
        );
        assert_eq!(key, "events/domain=knowledge/date=2026-11-24/0001.parquet");
        assert_eq!(day_of_key(&key), Some(jiff::civil::date(2026, 11, 24)));
        for other in ["events/x.parquet", "events/date=today/x", "models/current.json", ""] {
            assert_eq!(day_of_key(other), None, "{other}");
        }
    }

    #[test]
    fn refused_events_are_filed_by_run_and_reason() {
        let run = TrainingRunId::parse("r1").unwrap();
        let key = refused_key(&run, Refusal::ClockSkew, 2);
        assert_eq!(key, "quarantine/run=r1/clock_skew-0002.parquet");
    }
}
