//! The last slates that a platform showed, as the archive has them: newest files first, within a
//! time and a number of files.

use crossfold_core::archive::decisions::decode_decisions;
use crossfold_core::archive::keys::DECISIONS_PREFIX;
use crossfold_core::entities::decision::Decision;
use crossfold_core::entities::definition::Definitions;
use crossfold_core::entities::ids::DomainId;
use crossfold_core::entities::ports::{ObjectStore, StoreResult};
use futures::{StreamExt, TryStreamExt, stream};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

/// Most slates that are looked at.
pub(crate) const MAX_DECISIONS: usize = 1_000;
/// How many days are looked back.
const DAYS: i64 = 30;
/// Most files that are read: of a platform with few slates in each, the newest.
const MAX_FILES: usize = 200;
/// Files that are read at once.
const CONCURRENT_READS: usize = 16;

/// The newest slates that a platform showed in its present life, at most so many, the last first.
///
/// # Errors
/// When the bucket cannot be read.
pub(crate) async fn recent_decisions(
    objects: &dyn ObjectStore,
    (domain, definitions): (&DomainId, &Definitions),
    (most, now): (usize, Timestamp),
) -> StoreResult<Vec<Decision>> {
    let (mut decisions, mut files) = (Vec::new(), 0);
    let today = TimeZone::UTC.to_datetime(now).date();
    for back in 0..DAYS {
        let Ok(day) = today.checked_sub(back.days()) else { break };
        let mut keys =
            objects.list(&format!("{DECISIONS_PREFIX}domain={domain}/date={day}/")).await?;
        keys.sort();
        while let Some(some) = newest(&mut keys, MAX_FILES.saturating_sub(files)) {
            files += some.len();
            decisions.extend(read(objects, some).await?);
            decisions.retain(|decision: &Decision| decision.is_of_life(domain, definitions));
            if decisions.len() >= most {
                break;
            }
        }
        if decisions.len() >= most || files >= MAX_FILES {
            break;
        }
    }
    decisions.sort_by(|a, b| {
        b.decided_at.cmp(&a.decided_at).then_with(|| a.recommendation_id.cmp(&b.recommendation_id))
    });
    // A batch that was delivered twice may stand in two files.
    decisions.dedup_by(|a, b| a.recommendation_id == b.recommendation_id);
    decisions.truncate(most);
    Ok(decisions)
}

/// The last of some keys, as many as are read at once and as may be; `None` where there are none.
/// The name of a file is the number of its first record: they ascend with the day, but for what
/// was merged since.
fn newest(keys: &mut Vec<String>, most: usize) -> Option<Vec<String>> {
    let some = keys.split_off(keys.len().saturating_sub(CONCURRENT_READS.min(most)));
    (!some.is_empty()).then_some(some)
}

async fn read(objects: &dyn ObjectStore, keys: Vec<String>) -> StoreResult<Vec<Decision>> {
    let reads: Vec<_> = keys.iter().map(|key| objects.get(key)).collect();
    let files: Vec<_> = stream::iter(reads).buffered(CONCURRENT_READS).try_collect().await?;
    let mut decisions = Vec::new();
    for (key, file) in keys.iter().zip(files) {
        // It may have been merged into another one meanwhile.
        let Some(file) = file else { continue };
        match decode_decisions(file.bytes) {
            Ok(read) => decisions.extend(read),
            Err(error) => tracing::warn!(key, %error, "an archived file cannot be read"),
        }
    }
    Ok(decisions)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use crossfold_core::archive::decisions::encode_decisions;
    use crossfold_core::archive::keys::batch_key;
    use crossfold_core::entities::ports::PutCondition;
    use crossfold_storage::memory;
    use serde_json::json;

    use super::*;

    const DAY: i64 = 86_400;

    fn decision(number: i64) -> Decision {
        serde_json::from_value(json!({
            "recommendation_id": format!("r{number}"), "user": "v1_u", "domain": "learn",
            "policy": "p", "seed": 1, "personalised": false, "slate": [],
            "decided_at": Timestamp::from_second(100 * DAY - number).unwrap(),
        }))
        .unwrap()
    }

    #[tokio::test]
    async fn the_newest_come_first_whatever_files_they_lie_in() {
        let (objects, learn) = (memory::stores().objects, DomainId::parse("learn").unwrap());
        let put = async |name: &str, numbers: &[i64]| {
            let decisions: Vec<Decision> = numbers.iter().map(|number| decision(*number)).collect();
            let at = decisions[0].decided_at;
            let key = batch_key(DECISIONS_PREFIX, &learn, at, name);
            let bytes = encode_decisions(&decisions).unwrap();
            objects.put(&key, bytes, PutCondition::None).await.unwrap();
        };
        put("0001", &[30, 20]).await;
        put("0002", &[10, 5]).await;
        // Delivered twice, and of another day.
        put("0003", &[5, 1]).await;
        put("0001", &[2 * DAY]).await;
        put("0001", &[40 * DAY]).await;
        let broken = batch_key(DECISIONS_PREFIX, &learn, decision(1).decided_at, "0004");
        objects.put(&broken, Bytes::from_static(b"PAR1"), PutCondition::None).await.unwrap();
        let now = Timestamp::from_second(100 * DAY).unwrap();
        let ids = async |most: usize| -> Vec<String> {
            let definitions = Definitions::from([(learn.clone(), crossfold_testing::definition())]);
            let recent =
                recent_decisions(&*objects, (&learn, &definitions), (most, now)).await.unwrap();
            recent.iter().map(|decision| decision.recommendation_id.to_string()).collect()
        };
        assert_eq!(ids(9).await, ["r1", "r5", "r10", "r20", "r30", "r172800"]);
        assert_eq!(ids(2).await, ["r1", "r5"]);
    }
}
