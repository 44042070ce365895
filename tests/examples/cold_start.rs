//! What it costs to start `recommend`, and to ask it: processor time of the process itself, time until it
//! answers, memory, and what it reads, with the real bootstrap binary over DynamoDB- and S3-compatible services.
//!
//! ```sh
//! tests/run --prepare   # once: the services
//! cargo build --release -p crossfold-ingest -p crossfold-recommend -p crossfold-train -p crossfold-feedback --bins
//! CROSSFOLD_BIN_DIR=target/release CROSSFOLD_MINISTACK=target/venv/test/bin/python \
//!   cargo run --release -p crossfold-e2e --example cold_start -- 100000 64 1000
//! ```
//!
//! The arguments are items, factors and requests. The model is made of random factors, and is as large as one
//! that was trained. Times until an answer hold those of the services, which are slow emulators: of another
//! machine's, take the processor's.

use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use bytes::Bytes;
use crossfold_core::entities::catalogue::{ChangeNumber, Item, ItemDetails};
use crossfold_core::entities::ids::{DomainId, ItemId};
use crossfold_core::entities::ports::PutCondition;
use crossfold_core::model::manifest::{blob_key, manifest_key};
use crossfold_core::model::{Artefact, decode_manifest};
use crossfold_core::release::champion::{POINTER_KEY, Pointer};
use crossfold_e2e::api::ApiRequest;
use crossfold_e2e::cloud::{AwsFront, Cloud};
use crossfold_e2e::world::World;
use crossfold_testing::model::{artefact, model_parts_of};
use jiff::Timestamp;
use ndarray::Array2;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

const DOMAIN: &str = "knowledge";
const PEOPLE: usize = 20;
const EVENTS: usize = 50;
const FUNCTION: &str = "RecommendFunction";

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut numbers = std::env::args().skip(1).map(|number| number.parse::<usize>());
    let mut next = |usual| numbers.next().unwrap_or(Ok(usual));
    let (items, factors, requests) = (next(100_000)?, next(64)?, next(1_000)?);
    let (cloud, front) = Cloud::start_watched().await?;
    define(&cloud).await?;
    put_items(&cloud, items).await?;
    publish(&cloud, (items, factors)).await?;
    post_events(&cloud, items).await?;
    println!("| what | CPU ms | ms until it is there | MB | reads |");
    println!("| --- | --- | --- | --- | --- |");
    start("a start right after the catalogue was loaded", (&cloud, &front)).await?;
    // That one stores the catalogue in the bucket, when nobody waits.
    tokio::time::sleep(Duration::from_secs(20)).await;
    ask(&cloud, 0).await?;
    tokio::time::sleep(Duration::from_secs(10)).await;
    start("a start with the catalogue in the bucket", (&cloud, &front)).await?;
    start("the same again", (&cloud, &front)).await?;
    warm((&cloud, &front), requests).await?;
    Ok(())
}

async fn ok(cloud: &Cloud, request: ApiRequest) -> anyhow::Result<Value> {
    let answer = cloud.call(request).await?;
    match answer.status {
        200..300 => Ok(answer.json),
        status => bail!("{status}: {}", answer.json),
    }
}

async fn define(cloud: &Cloud) -> anyhow::Result<()> {
    let definition = json!({
        "name": "Knowledge", "currency": "CNY",
        "event_types": {"view": {"weight": 1, "seen_days": 0}},
    });
    ok(cloud, ApiRequest::put(&["v1", "domains", DOMAIN], &definition)).await.map(drop)
}

fn item_id(number: usize) -> String {
    format!("course-{number:06}")
}

/// As a bulk load of a file leaves them: straight to the store, for the emulated API takes an hour.
async fn put_items(cloud: &Cloud, items: usize) -> anyhow::Result<()> {
    let domain = DomainId::parse(DOMAIN)?;
    let all: Vec<Item> = (0..items)
        .map(|number| {
            let details = json!({
                "title": format!("Course {number} on a subject of some words"),
                "categories": [format!("c{}", number % 40)], "price": number % 500,
            });
            Ok(Item {
                domain: domain.clone(),
                item_id: ItemId::parse(&item_id(number))?,
                details: Some(ItemDetails::parse(details)?),
                updated_at: Timestamp::now(),
                change: ChangeNumber::default(),
            })
        })
        .collect::<anyhow::Result<_>>()?;
    for some in all.chunks(1_000) {
        cloud.stores().catalogue.put_all(&domain, some).await?;
    }
    Ok(())
}

async fn publish(cloud: &Cloud, (items, factors): (usize, usize)) -> anyhow::Result<()> {
    let domain = DomainId::parse(DOMAIN)?;
    let mut dice = ChaCha8Rng::seed_from_u64(7);
    let index = (0..items).map(|number| Ok((domain.clone(), ItemId::parse(&item_id(number))?)));
    let index = index.collect::<anyhow::Result<_>>()?;
    let factors = Array2::from_shape_fn((items, factors), |_| dice.random_range(-0.2..0.2));
    let Artefact { id, manifest, blob, .. } = artefact(&model_parts_of(index, factors));
    println!("the model has {:.1} MB", blob.len() as f64 / 1e6);
    let of_blob = blob_key(&decode_manifest(&id, &manifest)?.blob.sha256);
    let pointer = Pointer {
        model: Some(id.clone()),
        previous: None,
        promoted_at: Timestamp::now(),
        history: Vec::new(),
        retiring: Vec::new(),
        erasures: 0,
    };
    let objects = &cloud.stores().objects;
    objects.put(&of_blob, blob, PutCondition::None).await?;
    objects.put(&manifest_key(&id), manifest, PutCondition::None).await?;
    let pointer = Bytes::from(serde_json::to_vec(&pointer)?);
    objects.put(POINTER_KEY, pointer, PutCondition::None).await?;
    Ok(())
}

async fn post_events(cloud: &Cloud, items: usize) -> anyhow::Result<()> {
    for person in 0..PEOPLE {
        let event = |number: usize| {
            json!({
                "event_id": format!("e{person}-{number}"), "user_id": format!("u{person}"),
                "type": "view", "item_id": item_id((person * 977 + number * 131) % items),
                "occurred_at": Timestamp::now().to_string(),
            })
        };
        let events: Vec<Value> = (0..EVENTS).map(event).collect();
        let body = json!({ "domain": DOMAIN, "events": events });
        ok(cloud, ApiRequest::post(&["v1", "events"], &body)).await?;
    }
    Ok(())
}

async fn ask(cloud: &Cloud, number: usize) -> anyhow::Result<()> {
    let body = json!({ "user_id": format!("u{}", number % PEOPLE), "domain": DOMAIN });
    let answer = ok(cloud, ApiRequest::post(&["v1", "recommendations"], &body)).await?;
    let is_whole = answer["degraded"].as_array().is_some_and(Vec::is_empty);
    if !is_whole || answer["items"].as_array().is_none_or(|items| items.len() != 10) {
        bail!("not a whole slate: {answer}");
    }
    Ok(())
}

/// What was read of tables since this was last asked.
fn reads(front: &AwsFront) -> String {
    let units = front.take_units();
    let mut told: Vec<String> = units
        .into_iter()
        .filter(|((_, operation), _)| !operation.starts_with("Put") && !operation.starts_with("Up"))
        .map(|((table, operation), units)| format!("{table} {operation} {:.1}", units.by_size))
        .collect();
    told.sort();
    told.join(", ")
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

async fn start(what: &str, (cloud, front): (&Cloud, &AwsFront)) -> anyhow::Result<()> {
    let function = cloud.function(FUNCTION)?;
    function.recycle();
    let _ = front.take_units();
    function.warm_up().await?;
    let until_asked = *function.cold_starts().last().context("no start")?;
    let ready = function.usage()?.context("nothing is idle")?;
    let row = |what: &str, cpu: Duration, until: Duration, resident: u64, reads: String| {
        let megabytes = resident as f64 / 1e6;
        println!(
            "| {what} | {:.0} | {:.0} | {megabytes:.0} | {reads} |",
            milliseconds(cpu),
            milliseconds(until)
        );
    };
    row(what, ready.cpu, until_asked, ready.resident, reads(front));
    let began = Instant::now();
    ask(cloud, 0).await?;
    let after = function.usage()?.context("nothing is idle")?;
    let cpu = after.cpu.saturating_sub(ready.cpu);
    row("its first request", cpu, began.elapsed(), after.resident, reads(front));
    Ok(())
}

async fn warm((cloud, front): (&Cloud, &AwsFront), requests: usize) -> anyhow::Result<()> {
    let function = cloud.function(FUNCTION)?;
    for number in 0..PEOPLE {
        ask(cloud, number).await?;
    }
    let (mut cpu, mut until) = (Vec::new(), Vec::new());
    for number in 0..requests {
        let before = function.usage()?.context("nothing is idle")?;
        let began = Instant::now();
        ask(cloud, number).await?;
        until.push(milliseconds(began.elapsed()));
        let after = function.usage()?.context("nothing is idle")?;
        cpu.push(milliseconds(after.cpu.saturating_sub(before.cpu)));
    }
    let after = function.usage()?.context("nothing is idle")?;
    let _ = reads(front);
    for (what, mut times) in [("CPU", cpu), ("until it is answered", until)] {
        times.sort_by(f64::total_cmp);
        let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
        println!(
            "warm, {requests} requests, milliseconds {what}: p50 {:.2}, p90 {:.2}, p99 {:.2}, most {:.2}",
            at(0.5), at(0.9), at(0.99), at(1.0)
        );
    }
    println!("memory afterwards: {:.0} MB", after.resident as f64 / 1e6);
    Ok(())
}
