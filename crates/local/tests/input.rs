//! What callers send that cannot be kept as it is written is refused by its code, through
//! the API as a whole.

#![allow(clippy::unwrap_used)] // A test may stop at the first surprise.

use axum::body::{Body, to_bytes};
use axum::http::{Request, header};
use crossfold_local::local_world::LocalWorld;
use serde_json::{Value, json};
use tower::ServiceExt;

struct World {
    world: LocalWorld,
    _directory: tempfile::TempDir,
}

impl World {
    async fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let world = LocalWorld::open(directory.path()).await.unwrap();
        let definition = json!({
            "name": "K", "currency": "CNY", "event_types": {"view": {"weight": 1}},
            "sources": {"segment": {"events": {"Seen": {"type": "view"}}}},
        });
        world.client().put("/v1/domains/knowledge", &definition).await.unwrap();
        let user = "/v1/users/learner?domain=knowledge";
        world.client().put(user, &json!({})).await.unwrap();
        Self { world, _directory: directory }
    }

    async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Value {
        let mut request = Request::builder().method(method).uri(path);
        if !headers.iter().any(|(name, _)| *name == "content-type") {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::from(body.to_owned())).unwrap();
        let answer = self.world.router().oneshot(request).await.unwrap();
        let body = to_bytes(answer.into_body(), 1 << 20).await.unwrap();
        serde_json::from_slice(&body).unwrap_or_default()
    }

    /// The code of a refusal, or of the first element that was refused.
    async fn code(&self, method: &str, path: &str, body: &str) -> String {
        code_of(&self.send(method, path, &[], body).await)
    }
}

fn code_of(answer: &Value) -> String {
    let code = answer["code"].as_str().or(answer["rejected"][0]["code"].as_str());
    code.unwrap_or("none").to_owned()
}

fn event(member: &str) -> String {
    let event = r#""user_id": "learner", "type": "view", "item_id": "i1""#;
    let time = r#""occurred_at": "2026-06-01T08:00:00Z""#;
    let time = if member.contains("occurred_at") { "" } else { time };
    let between = if time.is_empty() { "" } else { ", " };
    format!(
        r#"{{"domain": "knowledge", "events": [{{"event_id": "e", {event}{between}{time}, {member}}}]}}"#
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_stands_twice_is_refused_on_every_way_in() {
    let world = World::start().await;
    let twice = event(r#""value": 1, "value": 2"#);
    assert_eq!(world.code("POST", "/v1/events", &twice).await, "duplicate_key");
    for (method, path, body) in [
        ("POST", "/v1/domains/knowledge/items", r#"{"items": [{"title": "a", "title": "b"}]}"#),
        (
            "PUT",
            "/v1/domains/knowledge/items/i",
            r#"{"title": "t", "attributes": {"a": "1", "\u0061": "2"}}"#,
        ),
        ("PUT", "/v1/users/u?domain=knowledge", r#"{"declared": {"a": "1", "a": "2"}}"#),
        ("PATCH", "/v1/domains/knowledge", r#"{"name": "K", "name": "L"}"#),
        (
            "POST",
            "/v1/recommendations",
            r#"{"user_id": "learner", "domain": "knowledge", "limit": 1, "limit": 2}"#,
        ),
        (
            "POST",
            "/v1/batch",
            r#"{"writeKey": "knowledge", "batch": [{"type": "track", "type": "page"}]}"#,
        ),
        (
            "POST",
            "/v1/track",
            r#"{"writeKey": "knowledge", "properties": {"a": {"b": 1, "b": 2}}}"#,
        ),
    ] {
        assert_eq!(world.code(method, path, body).await, "duplicate_key", "{method} {path}");
    }
    for media_type in ["application/cloudevents+json", "application/cloudevents-batch+json"] {
        let headers = [("content-type", media_type)];
        let path = "/v1/events?domain=knowledge";
        let answer = world.send("POST", path, &headers, r#"[{"id": "a", "id": "b"}]"#).await;
        assert_eq!(code_of(&answer), "duplicate_key", "{media_type}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn declared_attributes_are_of_their_type_and_filters_of_what_is_declared() {
    let world = World::start().await;
    let path = "/v1/domains/knowledge";
    for declared in [
        r#"{"attributes": {"level": "word"}}"#,
        r#"{"attributes": {"": "text"}}"#,
        r#"{"attributes": {"a\nb": "text"}}"#,
        r#"{"attributes": ["level"]}"#,
    ] {
        assert_eq!(world.code("PATCH", path, declared).await, "invalid_request", "{declared}");
    }
    let declared = r#"{"attributes": {"level": "number", "words": "text_set"}}"#;
    let changed = world.send("PATCH", path, &[], declared).await;
    assert_eq!(changed["attributes"]["level"], "number", "{changed}");
    let item = |level: &str| {
        format!(r#"{{"title": "t", "attributes": {{"level": {level}, "words": ["a", "b"]}}}}"#)
    };
    let (one, many) = ("/v1/domains/knowledge/items/i1", "/v1/domains/knowledge/items");
    for level in [r#""high""#, "true", r#""1e3""#, r#"["3"]"#, "null"] {
        let expected = if level == r#"["3"]"# { "none" } else { "invalid_item" };
        assert_eq!(world.code("PUT", one, &item(level)).await, expected, "{level}");
        let batch = item(level).replacen('{', r#"{"item_id": "i1", "#, 1);
        let batch = format!(r#"{{"items": [{batch}]}}"#);
        assert_eq!(world.code("POST", many, &batch).await, expected, "{level}");
    }
    let put = world.send("PUT", one, &[], &item("3.50")).await;
    assert_eq!(put["attributes"], serde_json::json!({"level": "3.5", "words": "a|b"}), "{put}");
    let asking = |filter: &str| {
        serde_json::json!({"user_id": "u", "domain": "knowledge", "filter": filter}).to_string()
    };
    let served = |filter: &str| {
        let (world, body) = (&world, asking(filter));
        async move { world.send("POST", "/v1/recommendations", &[], &body).await["items"].clone() }
    };
    assert_eq!(served("level = 3.500 and has_any(words, ['b'])").await[0]["item_id"], "i1");
    assert_eq!(served("level > 3.5").await, serde_json::json!([]));
    for filter in ["levl = 3", "level = 'x'", "level = 3 and", "lower(level) = 'x'"] {
        let code = world.code("POST", "/v1/recommendations", &asking(filter)).await;
        assert_eq!(code, "invalid_filter", "{filter}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn money_that_would_be_rounded_is_refused_and_other_numbers_are_no_matter() {
    let world = World::start().await;
    for value in [
        "0.1000000000000000055511151231257827",
        "1e400",
        "-1e400",
        "1e-400",
        "19.900000000000000001",
        r#""0.1000000000000000055511151231257827""#,
        r#""1e400""#,
    ] {
        let posted = event(&format!(r#""value": {value}"#));
        assert_eq!(world.code("POST", "/v1/events", &posted).await, "invalid_value", "{value}");
        let item = format!(r#"{{"title": "t", "price": {value}}}"#);
        let path = "/v1/domains/knowledge/items/i1";
        assert_eq!(world.code("PUT", path, &item).await, "invalid_item", "{value}");
        if !value.starts_with('"') {
            let attribute = format!(r#"{{"title": "t", "attributes": {{"rate": {value}}}}}"#);
            assert_eq!(world.code("PUT", path, &attribute).await, "invalid_item", "{value}");
        }
        let items = format!(r#"{{"items": [{{"item_id": "i", "title": "t", "price": {value}}}]}}"#);
        let path = "/v1/domains/knowledge/items";
        assert_eq!(world.code("POST", path, &items).await, "invalid_item", "{value}");
    }
    let kept = world.send("POST", "/v1/events", &[], &event(r#""value": 19.90"#)).await;
    assert_eq!(kept["accepted"], 1, "{kept}");
    // What nobody uses may have any digits.
    let track = r#"{"writeKey": "knowledge", "type": "track", "event": "Seen", "userId": "u",
        "messageId": "m", "timestamp": "2026-06-01T08:00:00Z",
        "properties": {"sku": "i", "latitude": 48.8566140000000000000000000001}}"#;
    let taken = world.send("POST", "/v1/track", &[], track).await;
    assert_eq!(taken["accepted"], 1, "{taken}");
}

#[tokio::test(flavor = "multi_thread")]
async fn texts_with_control_characters_and_times_that_cannot_be_meant_are_refused() {
    let world = World::start().await;
    let item = "/v1/domains/knowledge/items/i1";
    let user = "/v1/users/learner?domain=knowledge";
    let consents = "/v1/users/learner/consents?domain=knowledge";
    let consent = |member: &str, value: &str| {
        json!({ "consents": [{
            "to": "knowledge", "purpose": "training", "granted": true, member: value,
        }] })
    };
    for (method, path, body, code) in [
        ("PUT", item, json!({"title": "a\u{1b}[2J"}), "invalid_item"),
        ("PUT", item, json!({"title": "a\nb"}), "invalid_item"),
        ("PUT", item, json!({"title": "a", "categories": ["\u{0}"]}), "invalid_item"),
        ("PUT", item, json!({"title": "a", "attributes": {"k": "\u{7}"}}), "invalid_item"),
        ("PUT", item, json!({"title": "a", "attributes": {"k": "one\ntwo"}}), "none"),
        (
            "PUT",
            item,
            json!({"title": "a", "available_until": "9999-12-30T00:00:00Z"}),
            "invalid_item",
        ),
        (
            "PUT",
            item,
            json!({"title": "a", "available_until": "20000-01-01T00:00:00Z"}),
            "invalid_item",
        ),
        (
            "PUT",
            item,
            json!({"title": "a", "available_from": "1969-12-31T00:00:00Z"}),
            "invalid_item",
        ),
        ("PUT", user, json!({"declared": {"k": "\u{1b}"}}), "invalid_request"),
        ("PUT", user, json!({"declared": {"a\nb": "v"}}), "invalid_request"),
        ("PUT", user, json!({"declared": {"k": "one\ntwo"}}), "none"),
        ("PUT", consents, consent("evidence", "\u{9b}31m"), "invalid_request"),
        ("PUT", consents, consent("expires_at", "9999-12-30T00:00:00Z"), "invalid_timestamp"),
        ("PUT", consents, consent("expires_at", "1969-12-31T00:00:00Z"), "invalid_timestamp"),
        ("PUT", consents, consent("decided_at", "1969-12-31T00:00:00Z"), "invalid_timestamp"),
        ("PUT", consents, consent("decided_at", "9999-12-30T00:00:00Z"), "future_timestamp"),
        ("PUT", consents, consent("expires_at", "2199-12-31T00:00:00Z"), "none"),
        ("PATCH", "/v1/domains/knowledge", json!({"name": "a\tb"}), "invalid_request"),
        ("POST", "/v1/domains/knowledge/keys", json!({"name": "a\u{7f}"}), "invalid_request"),
    ] {
        assert_eq!(world.code(method, path, &body.to_string()).await, code, "{path} {body}");
    }
    for (time, code) in [
        ("9999-12-30T00:00:00Z", "future_timestamp"),
        ("20000-01-01T00:00:00Z", "invalid_timestamp"),
        ("1969-12-31T23:59:59Z", "invalid_timestamp"),
    ] {
        let posted = event(&format!(r#""occurred_at": "{time}""#));
        assert_eq!(world.code("POST", "/v1/events", &posted).await, code, "{time}");
    }
}
