//! `crossfold import`: files through the API's own path.
//!
//! An event's id is made of what the row says, so importing a file again adds
//! nothing. A row without a time gets the file's own: the day it was last
//! changed, which is the same however often it is imported.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use crossfold_ingest::MAX_EVENTS;
use crossfold_lab::data_set::{Table, open};
use crossfold_lab::progress;
use data_encoding::HEXLOWER;
use futures::{StreamExt, TryStreamExt, stream};
use jiff::{Timestamp, Unit};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::answers::{EventsAnswer, ItemsAnswer, Rejection, read};
use crate::api_client::ApiClient;
use crate::args::ImportArgs;
use crate::local_world::LocalWorld;
use crate::printer;

/// Calls under way at a time.
const CONCURRENT_CALLS: usize = 4;
/// The event type of rows that name none.
const DEFAULT_TYPE: &str = "interaction";
/// Fields of an item that are not free attributes.
const ITEM_FIELDS: [&str; 8] = [
    "item_id",
    "title",
    "categories",
    "price",
    "status",
    "available_from",
    "available_until",
    "attributes",
];

pub(crate) async fn import(directory: &Path, args: &ImportArgs) -> Result<()> {
    let rows = read_rows(&args.interactions)?;
    let world = LocalWorld::open(directory).await?;
    let client = world.client();
    define_domain(&client, args, &rows).await?;
    let items = match &args.items {
        Some(path) => read_items(path)?,
        None => items_named_after_ids(&rows),
    };
    let items = post_items(&client, args, items).await?;
    let started = Instant::now();
    let outcome = post_events(&client, args, &rows).await?;
    let seconds = started.elapsed().as_secs_f64();
    let archived = Instant::now();
    world.carry_streams().await?;
    let Posted { accepted, duplicates, rejected } = outcome;
    let events_per_second = (accepted + duplicates) as f64 / seconds;
    if args.json {
        return printer::json(&json!({
            "items": items, "accepted": accepted, "duplicates": duplicates,
            "rejected": rejected, "seconds": seconds, "events_per_second": events_per_second,
            "archive_seconds": archived.elapsed().as_secs_f64(),
        }));
    }
    printer::line(format_args!(
        "{items} items; {accepted} events accepted, {duplicates} duplicates, {rejected} rejected in {seconds:.1} s: {events_per_second:.0} events/s"
    ));
    printer::line("next: crossfold train");
    Ok(())
}

/// Reads the rows as events ready to post.
fn read_rows(path: &Path) -> Result<Vec<Value>> {
    let table = Table::open(path)?;
    let column = |name: &str| table.column(name);
    let (user, item) = (column("user_id"), column("item_id"));
    let (kind, time, value) = (column("type"), column("occurred_at"), column("value"));
    let default_time = file_day(path)?;
    let mut rows = Vec::new();
    for (at, row) in table.rows().enumerate() {
        let row = row.with_context(|| format!("{}: row {}", path.display(), at + 2))?;
        let cell = |column: Option<usize>| column.and_then(|at| row.get(at)).unwrap_or_default();
        let occurred_at = match cell(time) {
            "" => default_time,
            text => parse_time(text)
                .with_context(|| format!("{}: row {}: occurred_at", path.display(), at + 2))?,
        };
        let kind = Some(cell(kind)).filter(|kind| !kind.is_empty()).unwrap_or(DEFAULT_TYPE);
        let mut event = json!({
            "event_id": event_id(&[cell(user), cell(item), kind, &occurred_at.to_string()]),
            "user_id": cell(user), "item_id": cell(item), "type": kind,
            "occurred_at": occurred_at.to_string(),
        });
        if !cell(value).is_empty() {
            event["value"] = cell(value).into();
        }
        rows.push(event);
    }
    if rows.is_empty() {
        bail!("{} has no rows", path.display());
    }
    Ok(rows)
}

fn file_day(path: &Path) -> Result<Timestamp> {
    let modified = std::fs::metadata(path)?.modified()?;
    start_of_day(Timestamp::try_from(modified)?)
}

/// The midnight (UTC) before a time.
pub(crate) fn start_of_day(time: Timestamp) -> Result<Timestamp> {
    let day = jiff::TimestampRound::new().smallest(Unit::Hour).increment(24);
    Ok(time.round(day.mode(jiff::RoundMode::Floor))?)
}

fn parse_time(text: &str) -> Result<Timestamp> {
    if let Ok(seconds) = text.parse::<i64>() {
        return Ok(Timestamp::from_second(seconds)?);
    }
    text.parse().context("must be RFC 3339 or Unix seconds")
}

fn event_id(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    HEXLOWER.encode(&hash.finalize()[..16])
}

/// Defines the domain unless it is, with the event types that the rows have.
async fn define_domain(client: &ApiClient, args: &ImportArgs, rows: &[Value]) -> Result<()> {
    let path = format!("/v1/domains/{}", args.domain);
    if client.get(&path).await.is_ok() {
        return Ok(());
    }
    let types: BTreeSet<&str> = rows.iter().filter_map(|row| row["type"].as_str()).collect();
    let types: BTreeMap<&str, Value> =
        types.into_iter().map(|name| (name, json!({"weight": 1.0}))).collect();
    let definition = json!({"name": args.domain, "currency": "USD", "event_types": types, "half_life_days": 36_500.0});
    client.put(&path, &definition).await?;
    Ok(())
}

fn items_named_after_ids(rows: &[Value]) -> Vec<Value> {
    let ids: BTreeSet<&str> = rows.iter().filter_map(|row| row["item_id"].as_str()).collect();
    ids.into_iter().map(|id| json!({"item_id": id, "title": id})).collect()
}

/// Reads items; fields the catalogue does not know become attributes.
fn read_items(path: &Path) -> Result<Vec<Value>> {
    let mut items = Vec::new();
    for (at, line) in BufReader::new(open(path)?).lines().enumerate() {
        let place = || format!("{}: line {}", path.display(), at + 1);
        let line = line.with_context(place)?;
        if line.trim().is_empty() {
            continue;
        }
        let fields: serde_json::Map<String, Value> =
            serde_json::from_str(&line).with_context(place)?;
        let (mut item, mut attributes) = (serde_json::Map::new(), serde_json::Map::new());
        for (name, value) in fields {
            if ITEM_FIELDS.contains(&name.as_str()) {
                item.insert(name, value);
            } else if let Value::String(_) | Value::Number(_) | Value::Bool(_) = value {
                let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                attributes.insert(name, text.into());
            }
        }
        if !attributes.is_empty() {
            item.entry("attributes").or_insert(attributes.into());
        }
        items.push(item.into());
    }
    Ok(items)
}

async fn post_items(client: &ApiClient, args: &ImportArgs, items: Vec<Value>) -> Result<u64> {
    let bar = progress::bar("posting items", items.len() as u64);
    let mut upserted = 0;
    for chunk in items.chunks(MAX_EVENTS) {
        let path = format!("/v1/domains/{}/items", args.domain);
        let answer: ItemsAnswer = read(client.post(&path, &json!({ "items": chunk })).await?)?;
        warn_of_rejections(&answer.rejected);
        upserted += answer.upserted;
        bar.inc(chunk.len() as u64);
    }
    bar.finish_and_clear();
    Ok(upserted)
}

fn warn_of_rejections(rejected: &[Rejection]) {
    if let Some(first) = rejected.first() {
        eprintln!("{} rejected, the first: {}", rejected.len(), json!(first.detail));
    }
}

/// What became of the events posted.
#[derive(Default, Clone, Copy)]
struct Posted {
    accepted: u64,
    duplicates: u64,
    rejected: u64,
}

async fn post_events(client: &ApiClient, args: &ImportArgs, rows: &[Value]) -> Result<Posted> {
    let bar = progress::bar("posting events", rows.len() as u64);
    // A body is made when its turn comes: all at once would double the memory.
    let posted = stream::iter(rows.chunks(MAX_EVENTS))
        .map(|chunk| {
            let body = json!({"domain": args.domain, "events": chunk});
            async move { read::<EventsAnswer>(client.post("/v1/events", &body).await?) }
        })
        .buffer_unordered(CONCURRENT_CALLS)
        .try_fold(Posted::default(), |mut sum, answer| {
            sum.accepted += answer.accepted;
            sum.duplicates += answer.duplicates;
            sum.rejected += answer.rejected.len() as u64;
            warn_of_rejections(&answer.rejected);
            bar.set_position(sum.accepted + sum.duplicates + sum.rejected);
            async move { Ok(sum) }
        })
        .await?;
    bar.finish_and_clear();
    Ok(posted)
}
