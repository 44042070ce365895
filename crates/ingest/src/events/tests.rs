use std::time::Duration;

use axum::Router;
use axum::body::Body;
use crossfold_core::entities::clock::{Clock, Stopwatch};
use crossfold_core::entities::dice::Dice;
use crossfold_core::entities::machine::Machine;
use crossfold_core::entities::pseudonym::Pseudonymiser;
use crossfold_core::entities::unique_id::{Ids, UniqueId};
use crossfold_edge::router::complete;
use crossfold_storage::faults::{Fault, FaultPlan, faulty};
use crossfold_storage::{memory, records};
use jiff::Timestamp;
use lambda_http::http::{self, Request};
use serde_json::{Value, json};
use tower::ServiceExt;

use super::*;
use crate::routes;

/// A service whose store of events meets a fault where an event with one of the ids is stored;
/// every event without any.
async fn service(fault: Fault, befallen: &'static [&'static str]) -> Router {
    let plan = FaultPlan::from_fn(move |call| {
        let is_meant = befallen.is_empty() || befallen.contains(&&*call.key);
        let is_meant = is_meant && call.method == "events.append";
        if is_meant { fault } else { Fault::None }
    });
    let stores = memory::stores();
    let definition: DomainDefinition = serde_json::from_value(json!({
        "name": "Shop", "currency": "EUR", "event_types": {"view": {"weight": 1}},
    }))
    .unwrap();
    records::put(&*stores.records, &DomainId::parse("shop").unwrap(), &definition).await.unwrap();
    let machine = Machine {
        clock: Clock::from_fn(|| Timestamp::from_second(1_800_000_000).unwrap()),
        stopwatch: Stopwatch::from_fn(|| Duration::ZERO),
        ids: Ids::from_fn(|| UniqueId::from_u128(1)),
        dice: Dice::from_fn(|| 0),
    };
    let keys = Pseudonymiser::new("t", 1, [(1, vec![7; 32].into())].into()).unwrap();
    let state = IngestState::new(faulty(stores, &plan), keys, machine);
    complete(routes().with_state(state)).layer(axum::Extension(Caller::development()))
}

async fn post(service: &Router, media_type: &str, body: Value) -> (u16, Value) {
    let request = Request::post("/v1/events?domain=shop")
        .header(http::header::CONTENT_TYPE, media_type)
        .body(Body::from(body.to_string()))
        .unwrap();
    let response = service.clone().oneshot(request).await.unwrap();
    let status = response.status().as_u16();
    let body = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
    (status, serde_json::from_slice(&body).unwrap())
}

fn batch() -> Value {
    let event = |number: usize| {
        json!({
            "event_id": format!("e{number}"), "user_id": "u", "item_id": "i",
            "type": if number == 1 { "unknown" } else { "view" },
            "occurred_at": "2026-06-01T08:00:00Z",
        })
    };
    json!({ "domain": "shop", "events": (0..5).map(event).collect::<Vec<_>>() })
}

#[tokio::test]
async fn an_event_that_cannot_be_stored_is_rejected_by_itself_and_may_be_sent_again() {
    for fault in [Fault::Before, Fault::Denied, Fault::Gone] {
        let service = service(fault, &["e0", "e3"]).await;
        let (status, answer) = post(&service, "application/json", batch()).await;
        assert_eq!(
            (status, &answer["accepted"], &answer["duplicates"]),
            (200, &json!(2), &json!(0))
        );
        let rejected = answer["rejected"].as_array().unwrap();
        let rejected: Vec<_> = rejected.iter().map(|one| (&one["index"], &one["code"])).collect();
        let (again, never) = (json!(STORE_UNAVAILABLE), json!("unknown_event_type"));
        let expected = [(&json!(0), &again), (&json!(1), &never), (&json!(3), &again)];
        assert_eq!(rejected, expected, "{fault:?}");
    }
}

#[tokio::test]
async fn with_every_event_failing_the_call_is_answered_event_by_event() {
    let service = service(Fault::Denied, &[]).await;
    let (status, answer) = post(&service, "application/json", batch()).await;
    assert_eq!((status, &answer["accepted"]), (200, &json!(0)));
    assert_eq!(answer["rejected"].as_array().unwrap().len(), 5);
}

#[tokio::test]
async fn cloudevents_of_which_none_can_be_stored_are_a_call_to_be_made_again() {
    let service = service(Fault::Before, &[]).await;
    let event = json!({
        "specversion": "1.0", "id": "1", "source": "/shop", "type": "view", "subject": "i",
        "userid": "u", "time": "2026-06-01T08:00:00Z",
    });
    for (media_type, body) in [
        ("application/cloudevents-batch+json", json!([&event, &event])),
        ("application/cloudevents+json", event),
    ] {
        let (status, answer) = post(&service, media_type, body).await;
        assert_eq!((status, &answer["code"]), (503, &json!(STORE_UNAVAILABLE)), "{media_type}");
    }
}

#[test]
fn for_senders_that_look_at_the_status_a_call_with_an_unstored_event_has_failed() {
    let of = |code| {
        let rejected = vec![Rejected { index: 0, code, detail: String::new() }];
        all_stored(BatchAnswer { accepted: 4, duplicates: 0, rejected })
    };
    assert_eq!(of(STORE_UNAVAILABLE).unwrap_err().status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(of("unknown_event_type").is_ok());
}
