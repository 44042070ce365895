//! Which models are kept: the newest few, and always the champion and the one
//! before it.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use crate::release::champion::{Pointer, Retiring};
use crate::release::record::ModelRecord;

/// A model is never deleted before this age: a run may still be publishing it.
pub const GRACE: SignedDuration = SignedDuration::from_hours(24);

/// Models kept unless said otherwise.
pub const DEFAULT_KEPT: usize = 10;

/// The models to delete, each with its blob and its report unless a kept model shares
/// them. The
/// newest `keep` stay (at least one), what the pointer names, and what is
/// younger than [`GRACE`]. Models that know people who were erased since do not stay for being
/// new: nobody may serve them.
#[must_use]
pub fn to_retire(
    records: &[ModelRecord],
    pointer: &Pointer,
    keep: usize,
    now: Timestamp,
) -> Vec<Retiring> {
    let mut newest_first: Vec<&ModelRecord> = records.iter().collect();
    newest_first.sort_by_key(|record| record.key());
    let is_old = |record: &ModelRecord| now.duration_since(record.created_at) > GRACE;
    let (retired, kept): (Vec<_>, Vec<_>) =
        newest_first.into_iter().enumerate().partition(|(at, record)| {
            let is_needless = *at >= keep.max(1) || record.erasures < pointer.erasures;
            is_needless && is_old(record) && !pointer.names(&record.id)
        });
    let shared: BTreeSet<&str> = kept.iter().flat_map(|(_, kept)| named_by(kept)).collect();
    let unshared = |sha256: &String| !shared.contains(sha256.as_str());
    let retiring = |(_, record): (usize, &ModelRecord)| Retiring {
        model: record.id.clone(),
        blob: Some(record.blob.sha256.clone()).filter(unshared),
        report: record.report.as_ref().map(|report| report.sha256.clone()).filter(unshared),
    };
    retired.into_iter().map(retiring).collect()
}

/// The addresses of what belongs to a model beside its manifest.
fn named_by(record: &ModelRecord) -> impl Iterator<Item = &str> {
    std::iter::once(&record.blob).chain(&record.report).map(|object| object.sha256.as_str())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::entities::ids::TrainingRunId;
    use crate::release::champion::Promoter;
    use crate::release::record::tests::record;

    const DAY: i64 = 86_400;

    fn pointer(model: &ModelRecord, previous: Option<&ModelRecord>) -> Pointer {
        let by = Promoter::TrainingRun { id: TrainingRunId::parse("run").unwrap() };
        let current = Pointer::after(None, model.id.clone(), by, model.created_at);
        Pointer { previous: previous.map(|record| record.id.clone()), ..current }
    }

    proptest! {
        #[test]
        fn what_is_named_young_or_among_the_newest_stays_and_shared_blobs_do(
            days in proptest::collection::btree_set(0i64..30, 2..12),
            blobs in proptest::collection::vec(0u8..4, 12),
            keep in 0usize..6, erased in 0usize..12, champion in any::<prop::sample::Index>(), previous in any::<prop::sample::Index>(),
        ) {
            let mut records: Vec<ModelRecord> = days.iter().map(|day| record(day * DAY)).collect();
            for (record, blob) in records.iter_mut().zip(&blobs) {
                record.blob.sha256 = format!("{blob:064x}");
            }
            records.iter_mut().skip(erased).for_each(|record| record.erasures = 1);
            let (champion, previous) = (champion.get(&records), previous.get(&records));
            let pointer = Pointer { erasures: 1, ..pointer(champion, Some(previous)) };
            let now = Timestamp::from_second(30 * DAY).unwrap();
            let retired = to_retire(&records, &pointer, keep, now);
            let is_retired = |record: &ModelRecord| retired.iter().any(|r| r.model == record.id);
            for (rank, record) in records.iter().rev().enumerate() {
                let stays = (rank < keep.max(1) && record.erasures == 1)
                    || pointer.names(&record.id)
                    || record.created_at.as_second() >= 29 * DAY;
                prop_assert_eq!(is_retired(record), !stays);
            }
            let kept = records.iter().filter(|record| !is_retired(record));
            let kept: BTreeSet<&str> = kept.map(|record| record.blob.sha256.as_str()).collect();
            for entry in &retired {
                let record = records.iter().find(|record| record.id == entry.model).unwrap();
                prop_assert_eq!(entry.blob.is_none(), kept.contains(record.blob.sha256.as_str()));
            }
        }
    }
}
