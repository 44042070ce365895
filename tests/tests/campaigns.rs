//! Who finishes a course is told of cars: through the real bootstrap binaries and a bus, and by the
//! local server through a webhook.

#![allow(clippy::unwrap_used, clippy::panic)] // A test may stop at the first surprise.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::{Router, routing};
use crossfold_e2e::api::ApiRequest;
use crossfold_e2e::cloud::Cloud;
use crossfold_e2e::local::Local;
use crossfold_e2e::polling;
use crossfold_e2e::world::World;
use hyper::Method;
use jiff::Timestamp;
use serde_json::{Value, json};

const LEARN: &str = "knowledge";
const AUTO: &str = "auto-finance";

async fn ok(world: &dyn World, request: ApiRequest) -> Value {
    world.call(request).await.unwrap().ok()
}

/// Two platforms; one tells its users of the other's cars, at once after a course and an hour after
/// a look.
async fn define(world: &dyn World) {
    let learn = json!({
        "name": "Learn", "currency": "CNY",
        "event_types": {"complete": {"weight": 3}, "view": {"weight": 1}},
        "placements": {"after": {"target_domains": [AUTO], "limit": 2}},
        "campaigns": {
            "car": {"placement": "after", "delay_minutes": 10,
                "trigger": {"event_type": "complete", "filter": "\"cars\" in categories"}},
            "later": {"placement": "after", "delay_minutes": 60, "trigger": {"event_type": "view"}}},
    });
    let auto = json!({"name": "Auto", "currency": "CNY", "event_types": {"view": {"weight": 1}}});
    for (domain, definition) in [(AUTO, auto), (LEARN, learn)] {
        ok(world, ApiRequest::put(&["v1", "domains", domain], &definition)).await;
    }
    let items = json!({"items": [{"item_id": "sedan", "title": "A sedan"},
        {"item_id": "van", "title": "A van"}]});
    ok(world, ApiRequest::post(&["v1", "domains", AUTO, "items"], &items)).await;
    let course = json!({"items": [{"item_id": "buying", "title": "Buying a car",
        "categories": ["cars"]}]});
    ok(world, ApiRequest::post(&["v1", "domains", LEARN, "items"], &course)).await;
    for (user, granted) in [("mei", true), ("lee", false)] {
        let put = ApiRequest::put(&["v1", "users", user], &json!({}));
        ok(world, put.with_query("domain", LEARN)).await;
        let consents = json!({"consents": [{"from": LEARN, "to": LEARN, "purpose": "contact",
            "granted": granted}]});
        let put = ApiRequest::put(&["v1", "users", user, "consents"], &consents);
        ok(world, put.with_query("domain", LEARN)).await;
    }
}

/// What two users did ten minutes ago and what one of them did just now, perhaps told again.
async fn post(world: &dyn World, times: usize) {
    let ago = |minutes: i64| {
        let now = Timestamp::now().as_second();
        Timestamp::from_second(now - 60 * minutes).unwrap().to_string()
    };
    let event = |id: &str, user: &str, kind: &str, at: &str| {
        json!({"event_id": id, "user_id": user, "type": kind, "item_id": "buying",
            "occurred_at": at})
    };
    let events = json!({"domain": LEARN, "events": [
        event("e1", "mei", "complete", &ago(11)), event("e2", "lee", "complete", &ago(11)),
        event("e3", "mei", "view", &ago(0))]});
    for _ in 0..times {
        let answer = ok(world, ApiRequest::post(&["v1", "events"], &events)).await;
        assert_eq!(answer["rejected"], json!([]), "{answer}");
    }
}

/// Asserts that a push tells Mei of both cars after her course.
fn tells_mei(push: &Value) {
    assert_eq!(push["user_id"], "mei", "{push}");
    assert_eq!((&push["campaign"], &push["trigger"]["event_id"]), (&json!("car"), &json!("e1")));
    let items = push["recommendation"]["items"].as_array().unwrap();
    assert_eq!(items.len(), 2, "{push}");
    assert!(items.iter().all(|item| item["domain"] == AUTO));
}

/// Reports that Mei took the first of what she was told of, and asserts that it is taken.
async fn order_of_mei(world: &dyn World, push: &Value) {
    let slate = &push["recommendation"];
    let body = json!({
        "recommendation_id": slate["recommendation_id"], "user_id": "mei", "domain": LEARN,
        "feedback": [{"feedback_id": "f1", "kind": "convert", "domain": AUTO,
            "item_id": slate["items"][0]["item_id"], "occurred_at": Timestamp::now().to_string()}],
    });
    let answer = ok(world, ApiRequest::post(&["v1", "feedback"], &body)).await;
    assert_eq!(answer["accepted"], 1, "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bus_is_handed_whom_to_tell_once_and_nothing_is_kept_of_them() {
    // Every batch of a stream comes twice.
    let cloud = Cloud::start_delivering(2).await.unwrap();
    let queue = cloud.bus_queue("crossfold").await.unwrap();
    define(&cloud).await;
    post(&cloud, 2).await;
    cloud.carry_streams().await.unwrap();
    let handed = queue.take().await.unwrap();
    let [event] = &handed[..] else { panic!("{handed:?}") };
    assert_eq!(event["detail-type"], "Crossfold Push");
    tells_mei(&event["detail"]);
    order_of_mei(&cloud, &event["detail"]).await;
    // What is due in an hour waits, also for the schedule.
    let function = cloud.function("CampaignFunction").unwrap();
    let looked = function.invoke(&json!({"trigger": "due"})).await.unwrap().unwrap();
    assert_eq!(looked["told"], 0, "{looked}");
    let waiting = cloud.stores().records.list("push").await.unwrap();
    assert_eq!(waiting.len(), 1, "{waiting:?}");
    let stored = format!("{waiting:?}{:?}", cloud.stores().records.list("push-log").await);
    assert!(!stored.contains("mei") && !cloud.logs().unwrap().contains("mei"), "{stored}");
    // An erased user leaves nothing that waits.
    let erase = ApiRequest::new(Method::DELETE, &["v1", "users", "mei"]);
    ok(&cloud, erase.with_query("domain", LEARN)).await;
    for kind in ["push", "push-log"] {
        assert_eq!(cloud.stores().records.list(kind).await.unwrap(), [], "{kind}");
    }
    assert!(queue.take().await.unwrap().is_empty());
}

/// What a webhook was sent: headers and bodies. It is away at first.
type Received = Arc<Mutex<Vec<(HeaderMap, Bytes)>>>;

async fn receive(State(received): State<Received>, headers: HeaderMap, body: Bytes) -> StatusCode {
    received.lock().unwrap().push((headers, body));
    StatusCode::NO_CONTENT
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_is_handed_signed_messages() {
    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    let received = Received::default();
    let app = Router::new().route("/pushes", routing::post(receive)).with_state(received.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/pushes", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    let local = Local::start_with_webhook(&url, SECRET).await.unwrap();
    define(&local).await;
    post(&local, 2).await;
    let look = async || Ok((!received.lock().unwrap().is_empty()).then_some(()));
    polling::until("a push", Duration::from_secs(60), look).await.unwrap();
    tokio::time::sleep(Duration::from_secs(3)).await;
    let received = received.lock().unwrap().clone();
    let [(headers, body)] = &received[..] else { panic!("{} messages", received.len()) };
    let message: Value = serde_json::from_slice(body).unwrap();
    assert_eq!(message["type"], "crossfold.push");
    tells_mei(&message["data"]);
    let header = |name: &str| headers[name].to_str().unwrap().to_owned();
    assert_eq!(header("webhook-id"), message["data"]["push_id"].as_str().unwrap());
    let signed = [&header("webhook-id"), ".", &header("webhook-timestamp"), "."].concat();
    let signed = [signed.as_bytes(), body].concat();
    let key = SECRET.strip_prefix("whsec_").unwrap();
    let key = data_encoding::BASE64.decode(key.as_bytes()).unwrap();
    let mut mac: hmac::Hmac<sha2::Sha256> = hmac::KeyInit::new_from_slice(&key).unwrap();
    hmac::Mac::update(&mut mac, &signed);
    let signature = data_encoding::BASE64.encode(&hmac::Mac::finalize(mac).into_bytes());
    assert_eq!(header("webhook-signature"), format!("v1,{signature}"));
    order_of_mei(&local, &message["data"]).await;
}
