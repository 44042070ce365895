//! What callers get wrong is refused with a stable code, and never half done.

#![allow(clippy::unwrap_used)] // A test may stop at the first surprise.

use bytes::Bytes;
use crossfold_e2e::api::{ApiRequest, ApiResponse};
use crossfold_e2e::cloud::Cloud;
use crossfold_e2e::gateway;
use crossfold_e2e::local::Local;
use crossfold_e2e::scenario::cast::{self, AUTO_FINANCE, KNOWLEDGE};
use crossfold_e2e::token::Token;
use crossfold_e2e::world::{World, archived_events, wait_until_archived};
use hyper::Method;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn the_local_server_refuses_bad_input() {
    let world = Local::start().await.unwrap();
    refuse_everything(&world).await;

    let unknown = world.call(ApiRequest::get(&["v1", "nothing"])).await.unwrap();
    unknown.assert_problem(404, "unknown_route");
    let method = world.call(ApiRequest::delete(&["v1", "events"])).await.unwrap();
    method.assert_problem(405, "method_not_allowed");
    let oversize = world.call(oversize_body()).await.unwrap();
    oversize.assert_problem(413, "payload_too_large");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_deployed_functions_refuse_bad_input() {
    let world = Cloud::start().await.unwrap();
    refuse_everything(&world).await;

    // These three never reach a function: the gateway answers itself.
    for (request, status) in [
        (ApiRequest::get(&["v1", "nothing"]), 404),
        (ApiRequest::delete(&["v1", "events"]), 404),
        (oversize_body(), 413),
    ] {
        assert_eq!(world.call(request).await.unwrap().status, status);
    }
    // Should the gateway let them through, the functions know what to say.
    for (request, status, code) in [
        (ApiRequest::get(&["v1", "nothing"]), 404, "unknown_route"),
        (ApiRequest::delete(&["v1", "events"]), 405, "method_not_allowed"),
    ] {
        let event = gateway::event(&request, "$default", &Default::default());
        let function = world.function("IngestFunction").unwrap();
        let answer = function.invoke(&event).await.unwrap().unwrap();
        gateway::decode_answer(&answer).unwrap().assert_problem(status, code);
    }
}

/// A body larger than any function can be handed.
fn oversize_body() -> ApiRequest {
    let body = Bytes::from(vec![b' '; 6 * 1024 * 1024 + 1]);
    ApiRequest::new(Method::POST, &["v1", "events"]).with_body("application/json", body)
}

async fn refuse_everything(world: &dyn World) {
    for (domain, definition) in cast::definitions() {
        call(world, ApiRequest::put(&["v1", "domains", domain], &definition)).await.ok();
    }
    refuse_bodies(world).await;
    refuse_batches(world).await;
    refuse_domains(world).await;
    refuse_items(world).await;
    refuse_users(world).await;
    refuse_recommendations(world).await;
    refuse_feedback(world).await;
    refuse_training_runs(world).await;
    refuse_single_events(world).await;
}

async fn call(world: &dyn World, request: ApiRequest) -> ApiResponse {
    world.call(request).await.unwrap()
}

async fn assert_refused(world: &dyn World, request: ApiRequest, status: u16, code: &str) {
    let answer = call(world, request.clone()).await;
    assert_eq!(answer.json["code"], code, "{} {}: {}", request.method, request.path, answer.json);
    answer.assert_problem(status, code);
}

fn event(id: &str) -> Value {
    let course = cast::item(KNOWLEDGE, cast::TASTES[0], 1);
    cast::event(id, "learner-1", "view", &course, Timestamp::now())
}

fn events(batch: &[Value]) -> ApiRequest {
    ApiRequest::post(&["v1", "events"], &json!({ "domain": KNOWLEDGE, "events": batch }))
}

fn recommendation(changes: &Value) -> ApiRequest {
    let body = json!({ "user_id": "learner-1", "domain": KNOWLEDGE });
    ApiRequest::post(&["v1", "recommendations"], &merged(body, changes))
}

fn merged(mut body: Value, changes: &Value) -> Value {
    for (name, value) in changes.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}

async fn refuse_bodies(world: &dyn World) {
    let post = || ApiRequest::new(Method::POST, &["v1", "events"]);
    let json_body = |text: &'static str| post().with_body("application/json", text);
    let good = json!({ "domain": KNOWLEDGE, "events": [event("never")] }).to_string();
    let nan = good.replace("\"learner-1\"", "NaN");
    for text in
        ["", "{", "{\"domain\": }", "not json", "{\"domain\":\"knowledge\",\"events\":[NaN]}"]
    {
        assert_refused(world, json_body(text), 400, "malformed_json").await;
    }
    let nan = post().with_body("application/json", nan);
    assert_refused(world, nan, 400, "malformed_json").await;
    // Neither as text nor, as the gateway hands it on, in base64.
    for media_type in ["text/plain", "application/octet-stream"] {
        let request = post().with_body(media_type, good.clone());
        assert_refused(world, request, 415, "unsupported_media_type").await;
    }
    let mut untyped = post().with_body("x", good);
    untyped.headers.clear();
    assert_refused(world, untyped, 415, "unsupported_media_type").await;
    for text in ["[]", "null", "{}", "{\"domain\":\"knowledge\",\"events\":{}}"] {
        assert_refused(world, json_body(text), 422, "invalid_request").await;
    }
    let unknown = json!({ "domain": KNOWLEDGE, "events": [event("never")], "extra": 1 });
    assert_refused(world, post().with_json(&unknown), 422, "invalid_request").await;
}

async fn refuse_batches(world: &dyn World) {
    assert_refused(world, events(&[]), 422, "empty_batch").await;
    let many: Vec<Value> = (0..501).map(|number| event(&format!("never-{number}"))).collect();
    assert_refused(world, events(&many), 413, "batch_too_large").await;
    let nowhere = json!({ "domain": "nowhere", "events": [event("never")] });
    let request = ApiRequest::post(&["v1", "events"], &nowhere);
    let request = request.with_token(Token::covering(&["nowhere"]));
    assert_refused(world, request, 404, "unknown_domain").await;
}

async fn refuse_domains(world: &dyn World) {
    let good = cast::definitions()[KNOWLEDGE].clone();
    let put = |name: &str, changes: Value| {
        ApiRequest::put(&["v1", "domains", name], &merged(good.clone(), &changes))
    };
    for changes in [
        json!({ "half_life_days": 0 }),
        json!({ "currency": "yuan" }),
        json!({ "event_types": {} }),
        json!({ "event_types": { "view": { "weight": -1 } } }),
        json!({ "colour": "red" }),
        json!({ "name": " " }),
    ] {
        assert_refused(world, put(KNOWLEDGE, changes), 422, "invalid_request").await;
    }
    assert_refused(world, put("Not a slug", json!({})), 422, "invalid_request").await;
    let read = call(world, ApiRequest::get(&["v1", "domains", KNOWLEDGE])).await.ok();
    assert_eq!(read["half_life_days"], 180.0, "the definition stands as it was");
    let nowhere = ApiRequest::get(&["v1", "domains", "nowhere"]);
    let nowhere = nowhere.with_token(Token::covering(&["nowhere"]));
    assert_refused(world, nowhere, 404, "unknown_domain").await;
}

async fn refuse_items(world: &dyn World) {
    let path = ["v1", "domains", KNOWLEDGE, "items"];
    let batch = json!({ "items": [
        { "item_id": "good", "title": "Good" },
        { "item_id": "untitled" },
        { "item_id": "", "title": "Nameless" },
        { "item_id": "cheap", "title": "Cheap", "price": "-1" },
        { "item_id": "odd", "title": "Odd", "colour": "red" },
        7,
    ] });
    let answer = call(world, ApiRequest::post(&path, &batch)).await.ok();
    assert_eq!(answer["upserted"], 1);
    assert_eq!(
        codes(&answer),
        ["invalid_item", "invalid_id", "invalid_item", "invalid_item", "invalid_item"]
    );
    let item = |id: &'static str| ["v1", "domains", KNOWLEDGE, "items", id];
    call(world, ApiRequest::get(&item("good"))).await.ok();
    for id in ["untitled", "cheap", "odd", "never-was"] {
        assert_refused(world, ApiRequest::get(&item(id)), 404, "unknown_item").await;
    }
    let bad = json!({ "title": "Good", "price": "-1" });
    assert_refused(world, ApiRequest::put(&item("good"), &bad), 422, "invalid_item").await;
    let read = call(world, ApiRequest::get(&item("good"))).await.ok();
    assert!(read.get("price").is_none(), "{read}");
    assert_refused(world, ApiRequest::delete(&item("never-was")), 404, "unknown_item").await;
    assert_refused(world, ApiRequest::post(&path, &json!({ "items": [] })), 422, "empty_batch")
        .await;
    call(world, ApiRequest::delete(&item("good"))).await.ok();
    assert_refused(world, ApiRequest::get(&item("good")), 404, "unknown_item").await;
}

async fn refuse_users(world: &dyn World) {
    let of = |request: ApiRequest| request.with_query("domain", KNOWLEDGE);
    let (user, consents) = (["v1", "users", "nobody"], ["v1", "users", "nobody", "consents"]);
    let body = json!({ "consents": [cast::consent(KNOWLEDGE, AUTO_FINANCE, "training", true)] });
    assert_refused(world, of(ApiRequest::get(&user)), 404, "unknown_user").await;
    assert_refused(world, of(ApiRequest::put(&consents, &body)), 404, "unknown_user").await;
    assert_refused(world, ApiRequest::get(&user), 422, "invalid_request").await;

    let known = |rest: &'static [&'static str]| [&["v1", "users", "somebody"], rest].concat();
    call(world, of(ApiRequest::put(&known(&[]), &json!({ "declared": { "age": "30" } }))))
        .await
        .ok();
    let mut late = cast::consent(KNOWLEDGE, AUTO_FINANCE, "training", true);
    late["decided_at"] = (Timestamp::now() + SignedDuration::from_hours(1)).to_string().into();
    let consents = |consent: Value| {
        let good = cast::consent(KNOWLEDGE, AUTO_FINANCE, "recommendation", true);
        let body = json!({ "consents": [good, consent] });
        of(ApiRequest::put(&known(&["consents"]), &body))
    };
    assert_refused(world, consents(late), 422, "future_timestamp").await;
    let purpose = cast::consent(KNOWLEDGE, AUTO_FINANCE, "gossip", true);
    assert_refused(world, consents(purpose), 422, "invalid_request").await;
    let link = json!({ "domain": KNOWLEDGE, "user_id": "somebody" });
    let link = of(ApiRequest::put(&known(&["links"]), &link));
    assert_refused(world, link, 422, "invalid_request").await;
    let declared = of(ApiRequest::put(&known(&[]), &json!({ "declared": { "age": 31 } })));
    assert_refused(world, declared, 422, "invalid_request").await;
    let view = call(world, of(ApiRequest::get(&known(&[])))).await.ok();
    assert_eq!(view["consents"], json!([]), "the good half of a bad call was recorded");
    assert_eq!(view["declared"], json!({ "age": "30" }));
    let (too_long, spaced) = ("x".repeat(129), " x ");
    for id in [too_long.as_str(), spaced] {
        let request = of(ApiRequest::put(&["v1", "users", id], &json!({})));
        assert_refused(world, request, 422, "invalid_id").await;
    }
}

async fn refuse_recommendations(world: &dyn World) {
    for changes in [
        json!({ "limit": 0 }),
        json!({ "limit": 101 }),
        json!({ "limit": -1 }),
        json!({ "limit": "ten" }),
        json!({ "domain": "Not a slug" }),
        json!({ "exclude": ["course"] }),
        json!({ "colour": "red" }),
    ] {
        assert_refused(world, recommendation(&changes), 422, "invalid_request").await;
    }
    let targets = json!({ "target_domains": ["nowhere"] });
    assert_refused(world, recommendation(&targets), 404, "unknown_domain").await;
    assert_refused(world, recommendation(&json!({ "user_id": "" })), 422, "invalid_id").await;
}

async fn refuse_feedback(world: &dyn World) {
    let feedback = |id: &str, outcomes: Value| {
        let body = json!({
            "recommendation_id": id, "user_id": "learner-1", "domain": KNOWLEDGE,
            "feedback": outcomes,
        });
        ApiRequest::post(&["v1", "feedback"], &body)
    };
    let click = json!([{ "feedback_id": "f", "kind": "click", "domain": KNOWLEDGE, "item_id": "i",
        "occurred_at": "2026-06-01T00:00:00Z" }]);
    assert_refused(world, feedback("never", click), 404, "unknown_recommendation").await;
    assert_refused(world, feedback("never", json!([])), 422, "empty_batch").await;
    let many = json!(vec![json!({}); 101]);
    assert_refused(world, feedback("never", many), 413, "batch_too_large").await;
}

async fn refuse_training_runs(world: &dyn World) {
    for options in [json!({ "factors": 0 }), json!({ "colour": "red" }), json!({ "seed": -1 })] {
        let request = ApiRequest::post(&["v1", "training-runs"], &options);
        assert_refused(world, request, 422, "invalid_request").await;
    }
    for (name, value) in [("limit", "0"), ("limit", "101"), ("after", "x"), ("colour", "red")] {
        let request = ApiRequest::get(&["v1", "models"]).with_query(name, value);
        assert_refused(world, request, 422, "invalid_request").await;
    }
    for body in [json!({ "expected_champion": "x" }), json!({ "colour": "red" })] {
        let request = ApiRequest::post(&["v1", "models", &"0".repeat(64), "promote"], &body);
        assert_refused(world, request, 422, "invalid_request").await;
    }
    let no_id = ApiRequest::get(&["v1", "models", "champion"]);
    assert_refused(world, no_id, 422, "invalid_request").await;
    let unknown = ApiRequest::get(&["v1", "training-runs", "never"]);
    assert_refused(world, unknown, 404, "unknown_training_run").await;
}

/// Of a batch with good and bad events, the good ones are stored, once, and only they.
async fn refuse_single_events(world: &dyn World) {
    let with = |id: &str, name: &str, value: Value| {
        let mut event = event(id);
        event[name] = value;
        event
    };
    let future = (Timestamp::now() + SignedDuration::from_mins(10)).to_string();
    let bad = [
        (with("b0", "type", "buy".into()), "unknown_event_type"),
        (with("b1", "occurred_at", future.into()), "future_timestamp"),
        (with("b2", "occurred_at", "yesterday".into()), "invalid_timestamp"),
        (with("b3", "value", "NaN".into()), "invalid_value"),
        (with("b4", "value", (-1).into()), "invalid_value"),
        (with("b5", "user_id", "".into()), "invalid_id"),
        (with("b6", "colour", "red".into()), "malformed_event"),
        (with("b7", "dwell_seconds", (-1).into()), "malformed_event"),
        (json!(7), "malformed_event"),
    ];
    let good = [event("g0"), event("g1"), event("g0")];
    let mut batch = vec![good[0].clone()];
    batch.extend(bad.iter().map(|(event, _)| event.clone()));
    batch.extend(good[1..].iter().cloned());
    let answer = call(world, events(&batch)).await.ok();
    assert_eq!((&answer["accepted"], &answer["duplicates"]), (&json!(2), &json!(1)));
    assert_eq!(codes(&answer), bad.iter().map(|(_, code)| *code).collect::<Vec<_>>());
    let indices: Vec<u64> = rejected(&answer).map(|one| one["index"].as_u64().unwrap()).collect();
    assert_eq!(indices, (1..=bad.len() as u64).collect::<Vec<_>>());

    // The streams are in order: once a later event is archived, so is all before it.
    wait_until_archived(world, 2).await.unwrap();
    call(world, events(&[event("last")])).await.ok();
    wait_until_archived(world, 3).await.unwrap();
    let archived = archived_events(world).await.unwrap();
    let mut ids: Vec<&str> = archived.iter().map(|event| event.event_id.as_str()).collect();
    ids.sort_unstable();
    assert_eq!(ids, ["g0", "g1", "last"]);
}

fn rejected(answer: &Value) -> impl Iterator<Item = &Value> {
    answer["rejected"].as_array().into_iter().flatten()
}

fn codes(answer: &Value) -> Vec<&str> {
    rejected(answer).map(|one| one["code"].as_str().unwrap()).collect()
}
