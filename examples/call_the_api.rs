//! Starts all of Crossfold in this process on a directory of its own, and calls its API:
//! a domain, its items, events, a training run, a slate.
//! `cargo run --example call_the_api`
//!
//! The same calls work against `crossfold serve` with any HTTP client; infra/openapi.yaml
//! describes them.

use anyhow::{Result, ensure};
use crossfold_local::local_world::LocalWorld;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

/// Prints a slate.
#[tokio::main]
pub async fn main() -> Result<()> {
    let slate = slate_of_a_new_world().await?;
    println!("{}", serde_json::to_string_pretty(&slate)?);
    Ok(())
}

/// The API's answer to a request for a slate.
pub async fn slate_of_a_new_world() -> Result<Value> {
    let directory = tempfile::tempdir()?;
    let world = LocalWorld::open(directory.path()).await?;
    let client = world.client();

    // A domain is data: adding one needs no deployment.
    let definition = json!({
        "name": "Knowledge", "currency": "CNY",
        "event_types": {"view": {"weight": 1.0}, "enrol": {"weight": 3.0}},
    });
    client.put("/v1/domains/knowledge", &definition).await?;

    let courses =
        (0..12).map(|n| json!({"item_id": format!("c{n}"), "title": format!("Course {n}")}));
    let courses = json!({"items": courses.collect::<Vec<_>>()});
    client.post("/v1/domains/knowledge/items", &courses).await?;

    // An event is its id: sent again, it is a duplicate and changes nothing.
    let batch = json!({"domain": "knowledge", "events": events(Timestamp::now())});
    let answer = client.post("/v1/events", &batch).await?;
    ensure!(answer["rejected"] == json!([]), "{answer}");

    // A run is ordered and then carried out by a worker, which the stream of new records
    // wakes. Here nothing runs until the streams are carried on.
    let run = client.post("/v1/training-runs", &json!({"factors": 4})).await?;
    world.carry_streams().await?;
    let id = run["id"].as_str().unwrap_or_default();
    let run = client.get(&format!("/v1/training-runs/{id}")).await?;
    ensure!(run["status"] == "succeeded", "{run}");

    let request = json!({"user_id": "person-0", "domain": "knowledge", "limit": 3});
    client.post("/v1/recommendations", &request).await
}

/// People who take every other course: some the even ones, some the odd ones.
fn events(now: Timestamp) -> Vec<Value> {
    let event = |person: usize, step: usize| {
        let ago = SignedDuration::from_hours((step * 40 + person + 1) as i64);
        json!({
            "event_id": format!("{person}-{step}"),
            "user_id": format!("person-{person}"),
            "item_id": format!("c{}", (person + step * 2) % 12),
            "type": if step.is_multiple_of(2) { "enrol" } else { "view" },
            "occurred_at": (now - ago).to_string(),
        })
    };
    (0..40).flat_map(|person| (0..4).map(move |step| event(person, step))).collect()
}
