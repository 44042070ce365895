//! Posting to the API: batches, a few at a time, and again while it cannot be reached.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Result;
use crossfold_core::entities::ids::DomainId;
use serde::Serialize;
use serde_json::{Value, json};

use super::event_rows::PostedEvent;
use crate::answers::{EventsAnswer, ItemsAnswer, Rejection, STORE_UNAVAILABLE, read};
use crate::api_client::{ApiClient, CallError};

/// Calls under way at a time.
pub(crate) const CONCURRENT_CALLS: usize = 4;
/// How often a call is tried; with the waits, for about a minute.
const MAX_TRIES: u32 = 8;
/// The wait after the first try; it doubles.
const FIRST_WAIT: Duration = Duration::from_millis(500);

/// The code of an event of an erased user.
pub(crate) const ERASED_USER: &str = "erased_user";

/// Posts to one domain.
#[derive(Clone)]
pub(crate) struct Poster {
    client: ApiClient,
    domain: DomainId,
    stored: Arc<Stored>,
}

/// What is stored so far, of every file.
#[derive(Debug, Default)]
pub(crate) struct Stored {
    events: AtomicU64,
    items: AtomicU64,
}

impl Stored {
    /// Events, those that had been stored before among them.
    pub(crate) fn events(&self) -> u64 {
        self.events.load(Ordering::Relaxed)
    }

    /// Items that were written.
    pub(crate) fn items(&self) -> u64 {
        self.items.load(Ordering::Relaxed)
    }
}

#[derive(Serialize)]
struct EventsBody<'a> {
    domain: &'a DomainId,
    events: &'a [&'a PostedEvent],
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    refuse_erased: &'a BTreeSet<&'a str>,
}

impl Poster {
    pub(crate) fn new(client: ApiClient, domain: DomainId, stored: Arc<Stored>) -> Self {
        Self { client, domain, stored }
    }

    /// The domain's definition, if it has one.
    pub(crate) async fn definition(&self) -> Result<Option<Value>> {
        let path = self.domain_path();
        let found = again(|| self.client.get(&path)).await;
        match found {
            Ok(definition) => Ok(Some(definition)),
            Err(error) => match error.downcast_ref::<CallError>() {
                Some(call) if call.is_not_found() => Ok(None),
                _ => Err(error),
            },
        }
    }

    /// Defines the domain.
    pub(crate) async fn define(&self, definition: &Value) -> Result<()> {
        let path = self.domain_path();
        again(|| self.client.put(&path, definition)).await.map(drop)
    }

    /// Changes fields of the domain's definition by a merge patch.
    pub(crate) async fn change(&self, patch: &Value) -> Result<()> {
        let path = self.domain_path();
        again(|| self.client.patch(&path, patch)).await.map(drop)
    }

    /// How everything stands.
    pub(crate) async fn status(&self) -> Result<Value> {
        again(|| self.client.get("/v1/status")).await
    }

    /// The domain.
    pub(crate) fn domain(&self) -> &DomainId {
        &self.domain
    }

    fn domain_path(&self) -> String {
        format!("/v1/domains/{}", self.domain)
    }

    /// Posts events; those of `users` are refused if they were erased. What could not be
    /// stored in time is sent again, alone: so the answer counts what is refused for good,
    /// and no event as a duplicate that may be one of its own first try.
    pub(crate) async fn events(
        &self,
        events: &[PostedEvent],
        users: &BTreeSet<&str>,
    ) -> Result<EventsAnswer> {
        let mut all = EventsAnswer::default();
        let mut left: Vec<usize> = (0..events.len()).collect();
        let (mut wait, mut may_be_own) = (FIRST_WAIT, false);
        for tries in 1..=MAX_TRIES {
            let batch: Vec<&PostedEvent> = left.iter().map(|at| &events[*at]).collect();
            let body = EventsBody { domain: &self.domain, events: &batch, refuse_erased: users };
            let failure = match self.client.post("/v1/events", &body).await {
                Ok(answer) => {
                    let answer: EventsAnswer = read(answer)?;
                    let found = answer.accepted + answer.duplicates;
                    self.stored.events.fetch_add(found, Ordering::Relaxed);
                    let unstored = all.add(answer, &left, may_be_own);
                    let Some(first) = unstored.first() else { break };
                    left = unstored.iter().map(|rejection| rejection.index).collect();
                    not_stored(&first.detail)
                }
                Err(error) => error,
            };
            if tries == MAX_TRIES || !may_pass(&failure) {
                return Err(failure);
            }
            may_be_own |= !is_throttled(&failure);
            tokio::time::sleep(wait).await;
            wait *= 2;
        }
        all.rejected.sort_by_key(|rejection| rejection.index);
        Ok(all)
    }

    /// Posts items, replacing what the catalogue has.
    pub(crate) async fn items(&self, items: &[Value]) -> Result<ItemsAnswer> {
        self.post_items(&json!({ "items": items })).await
    }

    /// Names items after their ids; what the catalogue has, or had, stays.
    pub(crate) async fn name_items(&self, ids: &[String]) -> Result<ItemsAnswer> {
        let items: Vec<Value> = ids.iter().map(|id| json!({"item_id": id, "title": id})).collect();
        self.post_items(&json!({"items": items, "keep_existing": true})).await
    }

    async fn post_items(&self, body: &Value) -> Result<ItemsAnswer> {
        let path = format!("/v1/domains/{}/items", self.domain);
        let answer: ItemsAnswer = read(again(|| self.client.post(&path, body)).await?)?;
        self.stored.items.fetch_add(answer.upserted, Ordering::Relaxed);
        Ok(answer)
    }
}

impl EventsAnswer {
    /// Adds what was answered to events that stand at these places of the whole, and of which
    /// an earlier try may have stored some; gives back those that may be stored when they are
    /// sent again, by their places in the whole.
    fn add(&mut self, answer: Self, places: &[usize], may_be_own: bool) -> Vec<Rejection> {
        self.accepted += answer.accepted;
        if may_be_own {
            self.sent_again += answer.duplicates;
        } else {
            self.duplicates += answer.duplicates;
        }
        let placed = answer.rejected.into_iter().filter_map(|rejection| {
            Some(Rejection { index: *places.get(rejection.index)?, ..rejection })
        });
        let (unstored, refused): (Vec<Rejection>, Vec<Rejection>) =
            placed.partition(|rejection| rejection.code == STORE_UNAVAILABLE);
        self.rejected.extend(refused);
        unstored
    }
}

fn may_pass(error: &anyhow::Error) -> bool {
    error.downcast_ref::<CallError>().is_some_and(CallError::is_worth_another_try)
}

/// Whether a call was turned away before anything of it was done.
fn is_throttled(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref::<CallError>(), Some(CallError::Refused { status: 429, .. }))
}

fn not_stored(detail: &str) -> anyhow::Error {
    CallError::Refused {
        call: "POST /v1/events".into(),
        status: 503,
        code: STORE_UNAVAILABLE.into(),
        detail: detail.to_owned(),
    }
    .into()
}

/// Makes a call until it is answered for good. Every call of an import may be repeated:
/// what it did before is then a duplicate.
async fn again<F: Future<Output = Result<Value>>>(call: impl Fn() -> F) -> Result<Value> {
    let mut wait = FIRST_WAIT;
    for _ in 1..MAX_TRIES {
        let error = match call().await {
            Ok(answer) => return Ok(answer),
            Err(error) => error,
        };
        if !may_pass(&error) {
            return Err(error);
        }
        tokio::time::sleep(wait).await;
        wait *= 2;
    }
    call().await
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // A test may stop at the first surprise.

    use std::sync::Mutex;

    use axum::Router;
    use axum::body::Bytes;
    use axum::routing::post;

    use super::*;

    fn event(id: usize) -> PostedEvent {
        PostedEvent {
            event_id: format!("e{id}"),
            user_id: "u".into(),
            event_type: "view".parse().unwrap(),
            item_id: "i".into(),
            occurred_at: jiff::Timestamp::UNIX_EPOCH,
            value: None,
            dwell_seconds: None,
        }
    }

    /// A store that refuses `e3`, and says of what stands at odd places, when it comes for the
    /// first time, that it could not be stored in time; it stores it all the same.
    fn halting() -> (Router, Arc<Mutex<BTreeSet<String>>>) {
        let taken: Arc<Mutex<BTreeSet<String>>> = Arc::default();
        let known = Arc::clone(&taken);
        let answer = move |body: Bytes| {
            let body: Value = serde_json::from_slice(&body).unwrap();
            let mut known = known.lock().unwrap();
            let (mut accepted, mut duplicates, mut rejected) = (0, 0, Vec::new());
            for (index, event) in body["events"].as_array().unwrap().iter().enumerate() {
                let id = event["event_id"].as_str().unwrap();
                if id == "e3" {
                    rejected.push(json!({"index": index, "code": "invalid_id", "detail": "no"}));
                } else if !known.insert(id.to_owned()) {
                    duplicates += 1;
                } else if index % 2 == 1 {
                    let code = STORE_UNAVAILABLE;
                    rejected.push(json!({"index": index, "code": code, "detail": "later"}));
                } else {
                    accepted += 1;
                }
            }
            let json = json!({
                "accepted": accepted, "duplicates": duplicates, "rejected": rejected,
            });
            std::future::ready(json.to_string())
        };
        (Router::new().route("/v1/events", post(answer)), taken)
    }

    #[tokio::test]
    async fn what_is_sent_again_by_itself_is_neither_a_duplicate_nor_refused() {
        let (router, taken) = halting();
        let domain = DomainId::parse("shop").unwrap();
        let stored = Arc::new(Stored::default());
        let poster = Poster::new(ApiClient::new(router), domain, Arc::clone(&stored));
        let events: Vec<PostedEvent> = (0..9).map(event).collect();
        let answer = poster.events(&events, &BTreeSet::new()).await.unwrap();
        assert_eq!((answer.accepted, answer.duplicates, answer.sent_again), (5, 0, 3));
        let refused: Vec<(usize, &str)> =
            answer.rejected.iter().map(|one| (one.index, one.code.as_str())).collect();
        assert_eq!(refused, [(3, "invalid_id")]);
        assert_eq!((taken.lock().unwrap().len(), stored.events()), (8, 8));
        let again = poster.events(&events[..3], &BTreeSet::new()).await.unwrap();
        assert_eq!((again.accepted, again.duplicates, again.sent_again), (0, 3, 0));
    }
}
