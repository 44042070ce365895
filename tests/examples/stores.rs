//! What the deployed functions ask of their tables, and what `recommend` answers while these
//! fail: the real binaries, each behind a Runtime API, on services that others wrote.
//!
//! ```text
//! benches/stores units       read and write units of each kind of call
//! benches/stores failing     each store hanging, throttled, denied, gone; cold and warm
//! ```

#![allow(clippy::unwrap_used)] // A measurement may stop at the first surprise.

use std::time::{Duration, Instant};

use crossfold_e2e::api::ApiRequest;
use crossfold_e2e::cloud::{AwsFront, Cloud, StoreFault};
use crossfold_e2e::scenario::cast::{self, AUTO_FINANCE, History, KNOWLEDGE};
use crossfold_e2e::world::{World, train, wait_until_archived};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

const STORES: [&str; 6] = [
    "crossfold-people",
    "crossfold-events",
    "crossfold-catalog",
    "crossfold-decisions",
    "crossfold-control",
    "crossfold-data",
];

#[tokio::main]
async fn main() {
    let measured = std::env::args().nth(1).unwrap_or_default();
    let (cloud, front) = Cloud::start_watched().await.unwrap();
    fill(&cloud).await;
    match measured.as_str() {
        "units" => units(&cloud, &front).await,
        "failing" => failing(&cloud, &front).await,
        other => eprintln!("units or failing, not {other:?}"),
    }
}

async fn call(cloud: &Cloud, request: ApiRequest) -> Value {
    cloud.call(request).await.unwrap().ok()
}

/// The scenario's platforms, items and people, and a model of them.
async fn fill(cloud: &Cloud) {
    for (domain, definition) in cast::definitions() {
        call(cloud, ApiRequest::put(&["v1", "domains", domain], &definition)).await;
        let items = json!({ "items": cast::catalogue(domain) });
        call(cloud, ApiRequest::post(&["v1", "domains", domain, "items"], &items)).await;
    }
    let history = History::new(Timestamp::now());
    for (domain, events) in &history.events {
        for batch in events.chunks(20) {
            call(cloud, post_events(domain, batch)).await;
        }
    }
    for person in ["0", "1"] {
        join(cloud, person).await;
    }
    wait_until_archived(cloud, history.len()).await.unwrap();
    let options = json!({ "factors": 8, "iterations": 20, "regularisation": 0.05 });
    train(cloud, &options).await.unwrap();
}

/// Links a person's two users, who agree to everything.
async fn join(cloud: &Cloud, person: &str) {
    let of_user = |name: &str| {
        let user = cast::user(KNOWLEDGE, person);
        ApiRequest::put(&["v1", "users", &user, name], &json!({})).with_query("domain", KNOWLEDGE)
    };
    let other = json!({
        "domain": AUTO_FINANCE, "user_id": cast::user(AUTO_FINANCE, person),
    });
    call(cloud, of_user("links").with_json(&other)).await;
    let consents = json!({ "consents": cast::every_consent() });
    call(cloud, of_user("consents").with_json(&consents)).await;
}

fn post_events(domain: &str, events: &[Value]) -> ApiRequest {
    ApiRequest::post(&["v1", "events"], &json!({ "domain": domain, "events": events }))
}

fn ask_for_slate(person: &str) -> ApiRequest {
    let body = json!({
        "user_id": cast::user(KNOWLEDGE, person), "domain": KNOWLEDGE,
        "target_domains": [KNOWLEDGE, AUTO_FINANCE],
    });
    ApiRequest::post(&["v1", "recommendations"], &body)
}

/// Time for what functions do beside a call.
const QUIET: Duration = Duration::from_secs(1);

async fn units(cloud: &Cloud, front: &AwsFront) {
    let now = Timestamp::now();
    let event = |id: &str, user: &str, kind: &str| {
        let at = now - SignedDuration::from_mins(1);
        cast::event(id, user, kind, &cast::item(KNOWLEDGE, cast::TASTES[0], 1), at)
    };
    let learner = cast::user(KNOWLEDGE, "2");
    let many: Vec<Value> =
        (0..50).map(|number| event(&format!("many-{number}"), &learner, "view")).collect();
    let of_user = |request: ApiRequest| request.with_query("domain", KNOWLEDGE);
    let consents = json!({ "consents": cast::every_consent() });
    let slate = call(cloud, ask_for_slate("0")).await;
    let served = &slate["items"][0];
    let feedback = |id: &str, kind: &str| {
        let outcome = json!({
            "feedback_id": id, "kind": kind, "domain": served["domain"],
            "item_id": served["item_id"], "occurred_at": now.to_string(),
        });
        let body = json!({
            "domain": KNOWLEDGE, "user_id": cast::user(KNOWLEDGE, "0"),
            "recommendation_id": slate["recommendation_id"], "feedback": [outcome],
        });
        ApiRequest::post(&["v1", "feedback"], &body)
    };
    let calls = [
        ("an event, first call", post_events(KNOWLEDGE, &[event("first", &learner, "view")])),
        ("an event", post_events(KNOWLEDGE, &[event("one", &learner, "view")])),
        ("the same event again", post_events(KNOWLEDGE, &[event("one", &learner, "view")])),
        ("50 events of one user", post_events(KNOWLEDGE, &many)),
        ("a slate, user of 7 events", ask_for_slate("50")),
        ("a slate, person of two users", ask_for_slate("0")),
        ("a slate, unknown user", ask_for_slate("nobody")),
        ("a slate, user of 60 events", ask_for_slate("2")),
        ("a click", feedback("click", "click")),
        ("a dismissal", feedback("dismissal", "dismiss")),
        (
            "a user",
            of_user(ApiRequest::put(&["v1", "users", &learner], &json!({ "declared": {} }))),
        ),
        ("consents", of_user(ApiRequest::put(&["v1", "users", &learner, "consents"], &consents))),
        ("an erasure", of_user(ApiRequest::delete(&["v1", "users", &learner]))),
    ];
    println!("| call | table | operation | calls | units |");
    println!("| --- | --- | --- | --- | --- |");
    tokio::time::sleep(QUIET).await;
    let _ = front.take_units();
    for (name, request) in calls {
        call(cloud, request).await;
        tokio::time::sleep(QUIET).await;
        for ((table, operation), taken) in front.take_units() {
            println!("| {name} | {table} | {operation} | {} | {} |", taken.calls, taken.units);
        }
    }
}

async fn failing(cloud: &Cloud, front: &AwsFront) {
    println!("| store | what befalls it | process | status | ms | degraded or problem |");
    println!("| --- | --- | --- | --- | --- | --- |");
    cloud.forget_what_is_cached().await.unwrap();
    report("none", "nothing", "cold", cloud).await;
    report("none", "nothing", "warm", cloud).await;
    for store in STORES {
        for fault in StoreFault::ALL {
            let befallen = format!("{fault:?}").to_lowercase();
            cloud.forget_what_is_cached().await.unwrap();
            front.befall(store, Some(fault));
            report(store, &befallen, "cold", cloud).await;
            front.befall(store, None);
            cloud.forget_what_is_cached().await.unwrap();
            call(cloud, ask_for_slate("0")).await;
            front.befall(store, Some(fault));
            report(store, &befallen, "warm", cloud).await;
            front.befall(store, None);
        }
    }
}

async fn report(store: &str, befallen: &str, process: &str, cloud: &Cloud) {
    let began = Instant::now();
    let answer = cloud.call(ask_for_slate("0")).await.unwrap();
    let milliseconds = began.elapsed().as_millis();
    let (status, answer) = (answer.status, answer.json);
    let said = if status == 200 { &answer["degraded"] } else { &answer["code"] };
    println!("| {store} | {befallen} | {process} | {status} | {milliseconds} | {said} |");
}
