//! The real SDKs of Segment, RudderStack, Amazon Personalize and CloudEvents, pointed at the local
//! server and at the deployed functions: each call is answered as the SDK expects, and what is
//! stored is what the domain's definition says it means.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A test may stop at the first surprise.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::Arc;

use crossfold_core::entities::event::Event;
use crossfold_e2e::api::ApiRequest;
use crossfold_e2e::cloud::Cloud;
use crossfold_e2e::http_front::{HttpFront, bearer};
use crossfold_e2e::local::Local;
use crossfold_e2e::python;
use crossfold_e2e::token::Token;
use crossfold_e2e::world::{World, wait_until_archived};
use data_encoding::BASE64;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

/// The domain that the SDKs write to.
const TRAVEL: &str = "travel";
/// Names a Python with the SDKs.
const PYTHON_VARIABLE: &str = "CROSSFOLD_WIRES_PYTHON";
/// Names a folder with the packages for Node.js.
const NODE_VARIABLE: &str = "CROSSFOLD_WIRES_NODE";
/// What `tests/run` calls both.
const ENVIRONMENT: &str = "wires";
/// Clients of Segment's specification, each of which leaves the same events.
const ANALYTICS: [&str; 7] = [
    "segment-python",
    "segment-python-gzip",
    "rudderstack-python",
    "rudderstack-python-plain",
    "segment-node",
    "rudderstack-node",
    "rudderstack-node-gzip",
];

fn definition() -> Value {
    json!({
        "name": "Travel", "currency": "EUR",
        "event_types": {
            "view": { "weight": 1 }, "watch": { "weight": 1 },
            "purchase": { "weight": 5, "value_scale": "100" },
        },
        "sources": {
            "segment": {
                "events": { "Trip Booked": {
                    "type": "purchase", "item_id": "properties.trip.id",
                    "value": "properties.trip.price",
                } },
                "consent_categories": ["Personalisation"],
                "traits": ["plan"],
            },
            "personalize": { "traits": ["AGE"] },
            "cloudevents": { "events": { "com.example.trip.seen": {
                "type": "watch", "item_id": "subject",
            } } },
        },
    })
}

fn by_travel(request: ApiRequest) -> ApiRequest {
    request.with_token(Token::covering(&[TRAVEL]))
}

async fn call(world: &dyn World, request: ApiRequest) -> Value {
    world.call(by_travel(request)).await.unwrap().ok()
}

async fn make_key(world: &dyn World, scopes: &[&str]) -> Value {
    let body = json!({ "name": "SDKs", "scopes": scopes });
    call(world, ApiRequest::post(&["v1", "domains", TRAVEL, "keys"], &body)).await
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap()
}

fn node_packages() -> PathBuf {
    if let Some(folder) = std::env::var_os(NODE_VARIABLE) {
        return folder.into();
    }
    let folders = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    let mut candidates = folders.map(|folder| folder.join("target/npm").join(ENVIRONMENT));
    let found = candidates.find(|folder| folder.join("node_modules").is_dir());
    found.unwrap_or_else(|| panic!("run the tests with tests/run, or set {NODE_VARIABLE}"))
}

/// What each SDK tried, printed; all of it must have been as it should be.
fn assert_passed(output: &Output) {
    let lines = String::from_utf8_lossy(&output.stdout);
    println!("{lines}");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{lines}\n{errors}");
    assert!(lines.lines().count() > 20, "{lines}\n{errors}");
}

async fn run_clients(url: &str, key: &Value) {
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/wires");
    let python = python::find(PYTHON_VARIABLE, ENVIRONMENT).unwrap();
    let output = tokio::process::Command::new(python)
        .arg(scripts.join("clients.py"))
        .args([url, text(key, "write_key"), text(key, "access_key_id")])
        .args([text(key, "secret_access_key"), &bearer(TRAVEL)])
        .env("NO_PROXY", "*")
        .output();
    assert_passed(&output.await.unwrap());
    let output = tokio::process::Command::new("node")
        .arg(scripts.join("clients.mjs"))
        .arg(node_packages())
        .args([url, text(key, "write_key"), &bearer(TRAVEL)])
        .env("NO_PROXY", "*")
        .output();
    assert_passed(&output.await.expect("Node.js 20 or later is needed"));
}

/// Items, types and values of the events that were stored, by how their items begin.
fn stored<'a>(events: &'a [Event], client: &str) -> BTreeMap<&'a str, (&'a str, Option<String>)> {
    let own = events.iter().filter_map(|event| {
        let number = event.item_id.as_str().strip_prefix(client)?.strip_prefix('-')?;
        let value = event.value.map(|value| value.normalize().to_string());
        (!number.contains('-')).then_some((number, (event.event_type.as_str(), value)))
    });
    own.collect()
}

fn assert_stored(events: &[Event]) {
    let value = |text: &str| Some(text.to_owned());
    for client in ANALYTICS {
        let expected = BTreeMap::from([
            ("1", ("view", value("19.9"))),
            ("2", ("purchase", value("120.5"))),
            ("3", ("purchase", value("20"))),
            ("4", ("purchase", None)),
            ("5", ("view", None)),
        ]);
        assert_eq!(stored(events, client), expected, "{client}");
        let users: std::collections::BTreeSet<_> = events
            .iter()
            .filter(|event| {
                let rest = event.item_id.as_str().strip_prefix(client);
                rest.and_then(|rest| rest.strip_prefix('-')).is_some_and(|rest| rest.len() == 1)
            })
            .map(|event| event.user.clone())
            .collect();
        assert_eq!(users.len(), 1, "{client}");
    }
    let expected = BTreeMap::from([
        ("1", ("watch", value("3.5"))),
        ("2", ("watch", None)),
        ("5", ("watch", None)),
    ]);
    assert_eq!(stored(events, "boto3"), expected);
    for client in ["cloudevents-python", "cloudevents-node"] {
        let mut expected: BTreeMap<&str, _> =
            ["1", "2", "3", "4"].into_iter().map(|number| (number, ("view", None))).collect();
        expected.insert("5", ("watch", None));
        assert_eq!(stored(events, client), expected, "{client}");
    }
    assert_eq!(events.len(), ANALYTICS.len() * 5 + 3 + 2 * 5, "more was stored than was meant");
    // Everybody's clock is ours here: corrected times are near, but for those sent on purpose.
    let now = Timestamp::now();
    for event in events.iter().filter(|event| !event.item_id.as_str().ends_with("-5")) {
        let age = now.duration_since(event.occurred_at);
        assert!(age.abs() < SignedDuration::from_mins(10), "{event:?}");
    }
}

async fn assert_users_and_items(world: &dyn World) {
    let item = call(world, ApiRequest::get(&["v1", "domains", TRAVEL, "items", "boto3-item"]));
    let item = item.await;
    assert_eq!((&item["title"], &item["price"]), (&json!("Lake"), &json!("19.9")));
    assert_eq!(item["categories"], json!(["water", "calm"]));
    let declared = ANALYTICS.map(|client| (client, json!({ "plan": "pro" })));
    for (client, declared) in declared.into_iter().chain([("boto3", json!({ "AGE": "30" }))]) {
        let user = format!("{client}-user");
        let request = ApiRequest::get(&["v1", "users", &user]).with_query("domain", TRAVEL);
        let answer = world.call(by_travel(request)).await.unwrap();
        assert_eq!(answer.json["declared"], declared, "{client}: {}", answer.json);
    }
}

async fn the_sdks_are_understood(world: Arc<dyn World>) {
    call(&*world, ApiRequest::put(&["v1", "domains", TRAVEL], &definition())).await;
    let key = make_key(&*world, &["events:write", "catalog:write", "users:write"]).await;
    let front = HttpFront::open(world.clone()).await.unwrap();
    run_clients(front.url(), &key).await;
    let expected = ANALYTICS.len() * 5 + 3 + 2 * 5;
    assert_stored(&wait_until_archived(&*world, expected).await.unwrap());
    assert_users_and_items(&*world).await;
    keys_hold_for_their_domain_scopes_and_life(&*world).await;
    definitions_and_keys_go_with_their_domain(&*world).await;
}

fn keyed(path: &str, write_key: &str, body: &Value) -> ApiRequest {
    let basic = BASE64.encode(format!("{write_key}:").as_bytes());
    let segments: Vec<&str> = path.split('/').skip(1).collect();
    ApiRequest::post(&segments, body)
        .with_token(None)
        .with_header("authorization", &format!("Basic {basic}"))
}

fn viewed(user: &str, item: &str) -> Value {
    json!({
        "type": "track", "event": "Product Viewed", "userId": user, "anonymousId": null,
        "messageId": format!("{user}-{item}"), "properties": { "product_id": item },
    })
}

/// A key acts in its own domain and scopes, and until it is revoked.
async fn keys_hold_for_their_domain_scopes_and_life(world: &dyn World) {
    let key = make_key(world, &["events:write"]).await;
    let secret = text(&key, "write_key");
    let track = || keyed("/v1/track", secret, &viewed("k", "k1"));
    let taken = world.call(track()).await.unwrap().ok();
    assert_eq!((&taken["success"], &taken["accepted"]), (&json!(true), &json!(1)));
    let again = world.call(track()).await.unwrap().ok();
    assert_eq!((&again["accepted"], &again["duplicates"]), (&json!(0), &json!(1)));

    let traits = json!({ "type": "identify", "userId": "k", "traits": { "plan": "pro" } });
    let identify = world.call(keyed("/v1/identify", secret, &traits)).await.unwrap();
    assert_eq!((identify.status, text(&identify.json, "code")), (403, "scope_missing"));
    // A key is none to the calls that want a token, and opens no other domain.
    if world.checks_tokens() {
        let definition = ApiRequest::get(&["v1", "domains", TRAVEL]).with_token(None);
        assert_eq!(world.call(definition).await.unwrap().status, 401);
    }
    let listed = call(world, ApiRequest::get(&["v1", "domains", TRAVEL, "keys"])).await;
    assert_eq!(listed["keys"].as_array().map(Vec::len), Some(2));
    let shown = listed.to_string();
    let hidden = secret.split('.').nth(1).unwrap();
    assert!(!shown.contains(hidden), "{shown}");

    for body in [json!({ "name": "x", "scopes": ["domains:write"] }), json!({ "name": "" })] {
        let request = ApiRequest::post(&["v1", "domains", TRAVEL, "keys"], &body);
        let answer = world.call(by_travel(request)).await.unwrap();
        answer.assert_problem(422, "invalid_request");
    }
    let id = text(&key, "id").to_owned();
    let revoke = || by_travel(ApiRequest::delete(&["v1", "domains", TRAVEL, "keys", &id]));
    assert_eq!(world.call(revoke()).await.unwrap().status, 204);
    world.call(revoke()).await.unwrap().assert_problem(404, "unknown_key");
    let refused = world.call(track()).await.unwrap();
    assert_eq!((refused.status, text(&refused.json, "code")), (401, "unauthenticated"));
    let unsigned = ApiRequest::post(&["events"], &json!({})).with_token(None);
    let unsigned = world.call(unsigned).await.unwrap();
    assert_eq!(unsigned.status, 403);
    assert_eq!(unsigned.headers["x-amzn-errortype"], "InvalidSignatureException");
}

/// A deleted domain has no keys; what it had is told.
async fn definitions_and_keys_go_with_their_domain(world: &dyn World) {
    let key = make_key(world, &["events:write"]).await;
    let path = ["v1", "domains", TRAVEL];
    let unconfirmed = world.call(by_travel(ApiRequest::delete(&path))).await.unwrap();
    unconfirmed.assert_problem(422, "unconfirmed");
    let delete = || ApiRequest::delete(&path).with_query("confirm", TRAVEL);
    let mut ended = call(world, delete()).await;
    let track = keyed("/v1/track", text(&key, "write_key"), &viewed("k", "k2"));
    assert_eq!(world.call(track).await.unwrap().status, 401);
    for _ in 0..60 {
        if ended["done"] == true {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_secs(2)).await;
        ended = call(world, delete()).await;
    }
    assert_eq!(ended["done"], true, "{ended}");
    let deleted = &ended["deleted"];
    assert_eq!((&deleted["keys"], &deleted["items"]), (&json!(2), &json!(1)), "{ended}");
    assert_eq!(deleted["users"], ANALYTICS.len() + 1, "{ended}");
    assert_eq!(deleted["events"], ANALYTICS.len() * 5 + 3 + 2 * 5 + 1, "{ended}");
    let gone = world.call(by_travel(ApiRequest::get(&path))).await.unwrap();
    gone.assert_problem(404, "unknown_domain");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_local_server_understands_the_sdks() {
    the_sdks_are_understood(Arc::new(Local::start().await.unwrap())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_deployed_functions_understand_the_sdks() {
    the_sdks_are_understood(Arc::new(Cloud::start().await.unwrap())).await;
}
