//! What calls take of the tables, by the sizes of what they read and write, through the real
//! bootstrap binaries: no more than infra/costs reckons with.

#![allow(clippy::unwrap_used)] // A test may stop at the first surprise.

use std::collections::BTreeMap;

use crossfold_e2e::api::ApiRequest;
use crossfold_e2e::cloud::{AwsFront, Cloud, Units};
use crossfold_e2e::template::root;
use crossfold_e2e::world::World;
use jiff::Timestamp;
use serde_json::{Value, json};

const DOMAIN: &str = "knowledge";
/// Events of the user, and items of a slate.
const EVENTS: usize = 50;
const ITEMS: usize = 10;

/// Read and write units, by size.
#[derive(Debug, Default, PartialEq)]
struct Taken {
    read: f64,
    write: f64,
}

/// What was taken since this was last asked.
fn taken(front: &AwsFront) -> Taken {
    let units: BTreeMap<(String, String), Units> = front.take_units();
    let mut taken = Taken::default();
    for ((table, operation), units) in units {
        println!("  {table} {operation}: {} calls, {} units", units.calls, units.by_size);
        if operation == "UpdateItem" && table.ends_with("control") {
            // Counts of activity: one write in ten seconds, however many calls there are.
            continue;
        }
        let is_read = ["Get", "Query", "Scan", "BatchGet"];
        let is_read = is_read.iter().any(|begin| operation.starts_with(begin));
        *(if is_read { &mut taken.read } else { &mut taken.write }) += units.by_size;
    }
    taken
}

async fn ok(cloud: &Cloud, request: ApiRequest) -> Value {
    cloud.call(request).await.unwrap().ok()
}

async fn define(cloud: &Cloud) {
    let definition = json!({
        "name": "Learn", "currency": "CNY",
        "event_types": {"view": {"weight": 1}, "complete": {"weight": 1}},
        "placements": {"after": {"limit": ITEMS}},
        "campaigns": {"more": {"trigger": {"event_type": "complete"}, "placement": "after"}},
    });
    ok(cloud, ApiRequest::put(&["v1", "domains", DOMAIN], &definition)).await;
    let item = |number: usize| {
        json!({"item_id": format!("course-{number:04}"), "title": format!("Course {number}"),
            "categories": ["cars"]})
    };
    let items: Vec<Value> = (0..200).map(item).collect();
    let items = json!({ "items": items });
    ok(cloud, ApiRequest::post(&["v1", "domains", DOMAIN, "items"], &items)).await;
}

fn events(numbers: std::ops::Range<usize>) -> ApiRequest {
    let event = |number: usize| {
        let at = Timestamp::from_second(Timestamp::now().as_second() - number as i64).unwrap();
        json!({"event_id": format!("event-{number:08}"), "user_id": "user-1234567",
            "type": "view", "item_id": format!("course-{number:04}"), "occurred_at": at,
            "dwell_seconds": 30})
    };
    let events: Vec<Value> = numbers.map(event).collect();
    ApiRequest::post(&["v1", "events"], &json!({ "domain": DOMAIN, "events": events }))
}

fn slate() -> ApiRequest {
    let body = json!({"user_id": "user-1234567", "domain": DOMAIN, "limit": ITEMS});
    ApiRequest::post(&["v1", "recommendations"], &body)
}

/// What an event takes that triggers a push, and its push, beside what one takes that does not.
async fn push(cloud: &Cloud, front: &AwsFront) -> Taken {
    let put = ApiRequest::put(&["v1", "users", "user-1234567"], &json!({}));
    ok(cloud, put.with_query("domain", DOMAIN)).await;
    let contact = json!({"consents": [
        {"from": DOMAIN, "to": DOMAIN, "purpose": "contact", "granted": true}]});
    let consents = ApiRequest::put(&["v1", "users", "user-1234567", "consents"], &contact);
    ok(cloud, consents.with_query("domain", DOMAIN)).await;
    let completed = |id: &str| {
        json!({"event_id": id, "user_id": "user-1234567", "type": "complete",
            "item_id": "course-0001", "occurred_at": Timestamp::now()})
    };
    let post = async |id: &str| {
        let body = json!({"domain": DOMAIN, "events": [completed(id)]});
        ok(cloud, ApiRequest::post(&["v1", "events"], &body)).await;
        cloud.carry_streams().await.unwrap();
    };
    // The first one warms the function.
    post("warm").await;
    drop(front.take_units());
    post("e").await;
    let Taken { read, write } = taken(front);
    Taken { read: read - 2.0, write: write - 2.0 }
}

/// What infra/costs reckons a call with.
fn reckoned(call: &str) -> Taken {
    let text = std::fs::read_to_string(root().join("infra/costs/units.json")).unwrap();
    let units: Value = serde_json::from_str(&text).unwrap();
    let figure = |name: &str| units[call][name].as_f64().unwrap();
    Taken { read: figure("read"), write: figure("write") }
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_take_no_more_of_the_tables_than_costs_are_reckoned_with() {
    let (cloud, front) = Cloud::start_watched().await.unwrap();
    define(&cloud).await;
    // Each function once, so that it is warm.
    ok(&cloud, events(0..1)).await;
    ok(&cloud, slate()).await;
    drop(front.take_units());
    ok(&cloud, events(1..EVENTS)).await;
    let posted = taken(&front);
    let each = (EVENTS - 1) as f64;
    let event = Taken { read: posted.read / each, write: posted.write / each };
    let served = ok(&cloud, slate()).await;
    assert_eq!(served["items"].as_array().unwrap().len(), ITEMS);
    let slate = taken(&front);
    let feedback = json!({
        "recommendation_id": served["recommendation_id"], "user_id": "user-1234567",
        "domain": DOMAIN, "feedback": [{"feedback_id": "f", "kind": "click", "domain": DOMAIN,
            "item_id": served["items"][0]["item_id"], "occurred_at": Timestamp::now()}],
    });
    // The first one warms the function.
    ok(&cloud, ApiRequest::post(&["v1", "feedback"], &feedback)).await;
    drop(front.take_units());
    let mut again = feedback.clone();
    again["feedback"][0]["feedback_id"] = "g".into();
    ok(&cloud, ApiRequest::post(&["v1", "feedback"], &again)).await;
    let outcome = taken(&front);
    let push = push(&cloud, &front).await;
    let all = [("event", event), ("slate", slate), ("feedback", outcome), ("push", push)];
    for (call, taken) in all {
        println!("{call}: {taken:?}");
        let most = reckoned(call);
        assert!(taken.read <= most.read && taken.write <= most.write, "{call}: {taken:?}");
        // What costs are reckoned with is not made up.
        assert!(
            taken.read + 1.0 >= most.read && taken.write + 1.0 >= most.write,
            "{call}: {taken:?}"
        );
    }
}
