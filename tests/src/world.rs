//! A running Crossfold, whatever it runs on.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use crossfold_core::archive::events::decode_events;
use crossfold_core::archive::keys::EVENTS_PREFIX;
use crossfold_core::entities::event::Event;
use serde_json::Value;

use crate::api::{ApiRequest, ApiResponse};
use crate::polling::until;

/// The tenant of every world.
pub const TENANT: &str = "local";

/// The key of every world's pseudonyms: with the same ones, people are in the
/// same order everywhere, and so are hidden and held-out people the same.
#[must_use]
pub fn pseudonym_key() -> String {
    serde_json::json!({ "version": 1, "key": "k".repeat(64) }).to_string()
}

/// How long streams may take to reach the archive.
pub const ARCHIVE_LIMIT: Duration = Duration::from_secs(120);
/// How long a training run may take.
const TRAINING_LIMIT: Duration = Duration::from_secs(180);

/// Something that answers the API.
#[async_trait]
pub trait World: Send + Sync {
    /// Whether callers are told apart by their tokens.
    fn checks_tokens(&self) -> bool;

    /// Makes a call.
    ///
    /// # Errors
    /// When there is no answer.
    async fn call(&self, request: ApiRequest) -> anyhow::Result<ApiResponse>;

    /// Carries the streams to where they lead, unless the world does so itself.
    ///
    /// # Errors
    /// When a function cannot handle what it is given.
    async fn carry_streams(&self) -> anyhow::Result<()>;

    /// Makes the next recommendation see the newest model and catalogue, which
    /// a warm function would within half a minute.
    ///
    /// # Errors
    /// When there is no such function.
    async fn forget_what_is_cached(&self) -> anyhow::Result<()>;

    /// The archived files under a prefix.
    ///
    /// # Errors
    /// When they cannot be read.
    async fn archive(&self, prefix: &str) -> anyhow::Result<BTreeMap<String, Bytes>>;
}

/// Every archived event, as often as it was archived.
///
/// # Errors
/// When a file cannot be read.
pub async fn archived_events(world: &dyn World) -> anyhow::Result<Vec<Event>> {
    let mut events = Vec::new();
    for bytes in world.archive(EVENTS_PREFIX).await?.into_values() {
        events.extend(decode_events(bytes)?);
    }
    Ok(events)
}

/// Waits until at least so many events are archived, and gives them all.
///
/// # Errors
/// When they are not in time.
pub async fn wait_until_archived(world: &dyn World, count: usize) -> anyhow::Result<Vec<Event>> {
    until(&format!("{count} archived events"), ARCHIVE_LIMIT, async || {
        world.carry_streams().await?;
        let events = archived_events(world).await?;
        Ok((events.len() >= count).then_some(events))
    })
    .await
}

/// Orders a training run and waits until it has ended.
///
/// # Errors
/// When it does not end in time.
pub async fn train(world: &dyn World, options: &Value) -> anyhow::Result<Value> {
    let ordered = world.call(ApiRequest::post(&["v1", "training-runs"], options)).await?;
    anyhow::ensure!(ordered.status == 202, "{} {}", ordered.status, ordered.json);
    let id = ordered.json["id"].as_str().unwrap_or_default().to_owned();
    let run = until("the end of a training run", TRAINING_LIMIT, async || {
        world.carry_streams().await?;
        let answer = world.call(ApiRequest::get(&["v1", "training-runs", &id])).await?;
        let has_ended =
            ["succeeded", "refused", "failed"].iter().any(|end| answer.json["status"] == *end);
        anyhow::ensure!(answer.status == 200, "{} {}", answer.status, answer.json);
        Ok(has_ended.then_some(answer.json))
    })
    .await?;
    world.forget_what_is_cached().await?;
    Ok(run)
}
