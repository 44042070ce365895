//! Records of runs from before samples named no event: the ids in them would outlive an erasure.

use crossfold_core::entities::ids::TrainingRunId;
use crossfold_core::entities::ports::{StoreError, StoreResult, Stores};
use crossfold_core::entities::records::Record;
use crossfold_core::release::run::TrainingRun;
use crossfold_storage::records;

/// The newest runs that are looked through, once a run: what older ones name has expired, or
/// is read no more.
const RUNS_LOOKED_THROUGH: usize = 200;

/// The member of a sample that named an event.
const NAMED: &str = "\"event_id\"";

/// Writes the records that name events anew without them.
///
/// # Errors
/// When the store fails, or holds something that cannot be read.
pub(crate) async fn strip(stores: &Stores) -> StoreResult<()> {
    let records = &*stores.records;
    for (id, json) in records.last(TrainingRun::KIND, None, RUNS_LOOKED_THROUGH).await? {
        if !json.contains(NAMED) {
            continue;
        }
        let id = TrainingRunId::parse(&id)
            .map_err(|error| StoreError::corrupt(format!("the id of the run {id:?}"), error))?;
        if let Some((run, version)) = records::get_to_change::<TrainingRun>(records, &id).await? {
            // In a conflict it was written meanwhile, by what writes none.
            records::replace(records, &id, &version, &run).await?;
        }
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)] // A test may stop at the first surprise.
mod tests {
    use crossfold_storage::memory;
    use serde_json::json;

    use super::*;

    #[tokio::test]
    async fn what_old_records_name_of_events_is_gone_and_the_rest_stays() {
        let stores = memory::stores();
        let of = |sample: serde_json::Value| {
            let run = json!({
                "id": "run-1", "requested_at": "2026-01-01T00:00:00Z", "options": {},
                "status": "succeeded", "finished_at": "2026-01-01T00:01:00Z",
                "model": "a".repeat(64),
                "report": {
                    "cleaning": {
                        "read": 3, "kept": 2, "refused": {"robot": 1}, "samples": {"robot": [sample]},
                    },
                    "without_consent": 0, "people": 2, "rows": 2, "items": 2, "interactions": 2,
                },
            });
            serde_json::from_value::<TrainingRun>(run).unwrap()
        };
        let id = TrainingRunId::parse("run-1").unwrap();
        let new = of(json!({"domain": "films"}));
        let old = serde_json::to_string(&new).unwrap();
        let old = old.replace(r#"{"domain":"films"}"#, r#"{"event_id":"e1","domain":"films"}"#);
        assert!(old.contains("e1"));
        stores.records.put(TrainingRun::KIND, "run-1", old).await.unwrap();
        strip(&stores).await.unwrap();
        let stored = stores.records.get(TrainingRun::KIND, "run-1").await.unwrap().unwrap();
        assert!(!stored.contains("e1") && !stored.contains("event_id"), "{stored}");
        assert_eq!(records::get(&*stores.records, &id).await.unwrap(), Some(new));
    }
}
