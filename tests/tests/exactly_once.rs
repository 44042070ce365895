//! An acknowledged event is never lost and never counted twice, whatever is
//! resent, raced, or killed.

#![allow(clippy::unwrap_used)] // A test may stop at the first surprise.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crossfold_core::entities::event::Event;
use crossfold_e2e::api::ApiRequest;
use crossfold_e2e::cloud::Cloud;
use crossfold_e2e::local::{self, Local};
use crossfold_e2e::scenario::cast::{self, KNOWLEDGE};
use crossfold_e2e::world::{World, archived_events, wait_until_archived};
use futures::{StreamExt, stream};
use jiff::{SignedDuration, Timestamp};
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

/// Batches that are posted at the same time.
const CONCURRENT_POSTS: usize = 8;
/// The most events of a batch, as many as the API takes.
const LARGEST_BATCH: usize = 500;

/// So many different events of 50 users.
fn events(count: usize) -> Vec<Value> {
    let now = Timestamp::now();
    let event = |number: usize| {
        let user = format!("learner-{}", number % 50);
        let course = cast::item(KNOWLEDGE, cast::TASTES[number % 2], 1 + number % 12);
        // Several users' events share a millisecond.
        let at = now - SignedDuration::from_secs(1 + number as i64 / 100);
        cast::event(&format!("event-{number}"), &user, "view", &course, at)
    };
    (0..count).map(event).collect()
}

/// The events in a random order, in batches of random sizes.
fn batches(mut events: Vec<Value>, largest: usize, seed: u64) -> Vec<Vec<Value>> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    events.shuffle(&mut random);
    let mut batches = Vec::new();
    while !events.is_empty() {
        let size = random.random_range(1..=largest).min(events.len());
        batches.push(events.split_off(events.len() - size));
    }
    batches
}

fn post(batch: &[Value]) -> ApiRequest {
    ApiRequest::post(&["v1", "events"], &json!({ "domain": KNOWLEDGE, "events": batch }))
}

async fn define(world: &dyn World) {
    let definition = &cast::definitions()[KNOWLEDGE];
    world.call(ApiRequest::put(&["v1", "domains", KNOWLEDGE], definition)).await.unwrap().ok();
}

/// Posts every batch and adds up what was accepted and what was a duplicate.
async fn post_all(world: &dyn World, batches: &[Vec<Value>]) -> (usize, usize) {
    let answers = stream::iter(batches)
        .map(|batch| async { world.call(post(batch)).await.unwrap().ok() })
        .buffer_unordered(CONCURRENT_POSTS);
    let count = |answer: &Value, name: &str| answer[name].as_u64().unwrap() as usize;
    answers
        .fold((0, 0), async |(accepted, duplicates), answer| {
            assert_eq!(answer["rejected"], json!([]));
            (accepted + count(&answer, "accepted"), duplicates + count(&answer, "duplicates"))
        })
        .await
}

/// Each of the events stands in the archive once, and nothing else does.
fn assert_each_once(archived: &[Event], sent: &[Value]) {
    let ids: BTreeSet<&str> = archived.iter().map(|event| event.event_id.as_str()).collect();
    let expected: BTreeSet<&str> =
        sent.iter().map(|event| event["event_id"].as_str().unwrap()).collect();
    assert!(ids == expected, "{} of {} archived", ids.len(), expected.len());
    assert_eq!(archived.len(), expected.len(), "some were archived twice");
}

async fn post_everything_twice(world: &dyn World, count: usize, largest_batch: usize) {
    define(world).await;
    let events = events(count);
    let twice: Vec<Value> = events.iter().chain(&events).cloned().collect();
    let (accepted, duplicates) = post_all(world, &batches(twice, largest_batch, 1)).await;
    assert_eq!((accepted, duplicates), (count, count));
    assert_each_once(&wait_until_archived(world, count).await.unwrap(), &events);
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_events_sent_twice_are_stored_once_by_the_local_server() {
    post_everything_twice(&Local::start().await.unwrap(), 10_000, LARGEST_BATCH).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_events_sent_twice_are_stored_once_by_the_deployed_functions() {
    // The stream, too, delivers everything twice. Batches are small, for the
    // stand-in for DynamoDB is slow, and a call that takes too long is given up.
    let cloud = Cloud::start_delivering(2).await.unwrap();
    post_everything_twice(&cloud, 1_000, 20).await;
    let environments = cloud.function("IngestFunction").unwrap().cold_starts().len();
    assert!(environments > 1, "the calls did not overlap");
}

/// What was acknowledged before the server died.
struct Acknowledged {
    batches: Vec<Vec<Value>>,
    failed: usize,
}

/// Posts batches until the server, killed after some of them, answers no more.
async fn post_until_killed(server: &mut Local, batches: Vec<Vec<Value>>) -> Acknowledged {
    let (client, all) = (server.client(), batches.len());
    let answered = Arc::new(AtomicUsize::new(0));
    let counter = answered.clone();
    let posting = tokio::spawn(async move {
        stream::iter(batches)
            .map(|batch| {
                let (client, counter) = (client.clone(), counter.clone());
                async move {
                    let answer = local::call(&client, post(&batch)).await.ok()?;
                    counter.fetch_add(1, Ordering::SeqCst);
                    (answer.status == 200).then_some(batch)
                }
            })
            .buffer_unordered(CONCURRENT_POSTS)
            .filter_map(async |acknowledged| acknowledged)
            .collect::<Vec<_>>()
            .await
    });
    while answered.load(Ordering::SeqCst) < all / 3 {
        tokio::task::yield_now().await;
    }
    server.kill().await.unwrap();
    let batches = posting.await.unwrap();
    Acknowledged { failed: all - batches.len(), batches }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_killed_in_the_middle_loses_nothing_it_acknowledged() {
    let mut server = Local::start().await.unwrap();
    define(&server).await;
    let events = events(6_000);
    let before = post_until_killed(&mut server, batches(events.clone(), LARGEST_BATCH, 2)).await;
    let acknowledged: usize = before.batches.iter().map(Vec::len).sum();
    assert!(before.failed > 0, "the server was killed too late to tell");
    assert!(acknowledged > 0, "the server was killed too early to tell");

    server.restart().await.unwrap();
    let (accepted, duplicates) = post_all(&server, &before.batches).await;
    assert_eq!((accepted, duplicates), (0, acknowledged), "something acknowledged was lost");
    let (accepted, duplicates) =
        post_all(&server, &batches(events.clone(), LARGEST_BATCH, 3)).await;
    assert_eq!(accepted + duplicates, events.len());
    assert!(duplicates >= acknowledged);
    assert_each_once(&wait_until_archived(&server, events.len()).await.unwrap(), &events);
}

/// The archive of a server that is killed again and again holds each event once.
#[tokio::test(flavor = "multi_thread")]
async fn an_archive_whose_writer_dies_again_and_again_holds_each_event_once() {
    let mut server = Local::start().await.unwrap();
    define(&server).await;
    let events = events(2_000);
    for part in events.chunks(400) {
        let archived = archived_events(&server).await.unwrap().len();
        post_all(&server, &[part.to_vec()]).await;
        // Killed as soon as the archive has grown, most likely before the
        // position in the stream was noted.
        wait_until_archived(&server, archived + 1).await.unwrap();
        server.restart().await.unwrap();
    }
    assert_each_once(&wait_until_archived(&server, events.len()).await.unwrap(), &events);
}
