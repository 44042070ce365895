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
use crate::answers::{EventsAnswer, ItemsAnswer, read};
use crate::api_client::{ApiClient, CallError};

/// Calls under way at a time.
pub(crate) const CONCURRENT_CALLS: usize = 4;
/// How often a call is tried; with the waits, for about a minute.
const MAX_TRIES: u32 = 8;
/// The wait after the first try; it doubles.
const FIRST_WAIT: Duration = Duration::from_millis(500);

/// The code of an event of an erased user.
pub(crate) const ERASED_USER: &str = "erased_user";

/// The code of an event that was not stored, and may be when it is sent again.
const STORE_UNAVAILABLE: &str = "store_unavailable";

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
    events: &'a [PostedEvent],
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

    fn domain_path(&self) -> String {
        format!("/v1/domains/{}", self.domain)
    }

    /// Posts events; those of `users` are refused if they were erased.
    pub(crate) async fn events(
        &self,
        events: &[PostedEvent],
        users: &BTreeSet<&str>,
    ) -> Result<EventsAnswer> {
        let body = EventsBody { domain: &self.domain, events, refuse_erased: users };
        let post = async || all_stored(self.client.post("/v1/events", &body).await?);
        let answer: EventsAnswer = read(again(post).await?)?;
        self.stored.events.fetch_add(answer.accepted + answer.duplicates, Ordering::Relaxed);
        Ok(answer)
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

/// The answer, unless events were not stored that may be when they are sent again: then the
/// whole call is made again, and counts what was stored as duplicates.
fn all_stored(answer: Value) -> Result<Value> {
    let rejected = answer["rejected"].as_array();
    let unstored = rejected.and_then(|all| all.iter().find(|one| one["code"] == STORE_UNAVAILABLE));
    let Some(unstored) = unstored else { return Ok(answer) };
    Err(CallError::Refused {
        call: "POST /v1/events".into(),
        status: 503,
        code: STORE_UNAVAILABLE.into(),
        detail: unstored["detail"].as_str().unwrap_or_default().into(),
    }
    .into())
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
        let may_pass =
            error.downcast_ref::<CallError>().is_some_and(CallError::is_worth_another_try);
        if !may_pass {
            return Err(error);
        }
        tokio::time::sleep(wait).await;
        wait *= 2;
    }
    call().await
}
