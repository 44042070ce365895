//! `infra/openapi.yaml` says what the routers do.

#![allow(clippy::unwrap_used)] // A test may stop at the first surprise.

use std::collections::BTreeSet;

use crossfold_core::entities::definition::{MAX_CONSENT_DEFAULTS, MAX_EVENT_TYPES};
use crossfold_core::entities::ids::MAX_ID_CHARS;
use crossfold_core::maths::als::AlsOptions;
use crossfold_core::serving::request::MAX_LIMIT;
use crossfold_e2e::api::{ApiRequest, ApiResponse};
use crossfold_e2e::local::Local;
use crossfold_e2e::openapi::{OpenApi, Operation, Recorded};
use crossfold_e2e::scenario;
use crossfold_e2e::world::World;
use crossfold_edge::router::Route;
use crossfold_feedback::MAX_OUTCOMES;
use crossfold_ingest::{DEFAULT_DOMAINS, MAX_CONSENTS, MAX_DOMAINS, MAX_EVENTS, MAX_ITEMS};
use crossfold_recommend::{MAX_EXCLUDED, MAX_TARGETS, MAX_WITHDRAWN};
use crossfold_train::{DEFAULT_PAGE, DEFAULT_RUNS, MAX_PAGE, MAX_RUNS};
use hyper::{HeaderMap, Method};
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn the_local_server_answers_every_documented_operation() {
    let (openapi, world) = (OpenApi::read().unwrap(), Local::start().await.unwrap());
    for operation in openapi.operations() {
        let answer = world.call(any_call(operation)).await.unwrap();
        let code = answer.json["code"].as_str().unwrap_or_default();
        assert!(!["unknown_route", "method_not_allowed"].contains(&code), "{operation:?}");
    }
    let nothing = ApiRequest::get(&["v1", "nothing", "x"]);
    world.call(nothing).await.unwrap().assert_problem(404, "unknown_route");
}

fn any_call(operation: &Operation) -> ApiRequest {
    let segments: Vec<&str> = operation
        .path
        .split('/')
        .skip(1)
        .map(|segment| if segment.starts_with('{') { "x" } else { segment })
        .collect();
    let method: Method = operation.method.parse().unwrap();
    ApiRequest::new(method, &segments).with_json(&json!({}))
}

/// Every route of every function.
fn routes() -> Vec<Route> {
    [
        crossfold_ingest::routes().list(),
        crossfold_recommend::routes().list(),
        crossfold_feedback::routes().list(),
        crossfold_train::routes().list(),
    ]
    .concat()
}

fn route_problems(routes: &[Route], openapi: &OpenApi) -> Vec<String> {
    let routes: BTreeSet<String> =
        routes.iter().map(|route| format!("{} {}", route.method, route.path)).collect();
    let documented: BTreeSet<String> = openapi
        .operations()
        .map(|operation| format!("{} {}", operation.method, operation.path))
        .collect();
    let undocumented = routes.difference(&documented);
    let absent = documented.difference(&routes);
    undocumented
        .map(|route| format!("{route} is not documented"))
        .chain(absent.map(|operation| format!("{operation} is documented and does not exist")))
        .collect()
}

#[test]
fn the_routes_are_the_documented_operations() {
    let openapi = OpenApi::read().unwrap();
    assert_eq!(route_problems(&routes(), &openapi), [""; 0]);

    let planted = crossfold_feedback::routes()
        .get("/v1/feedback", || async {})
        .delete("/v1/feedback/{id}", || async {});
    let more = [&routes(), planted.list()].concat();
    assert_eq!(
        route_problems(&more, &openapi),
        ["DELETE /v1/feedback/{id} is not documented", "GET /v1/feedback is not documented"]
    );
    assert_eq!(
        route_problems(&routes()[1..], &openapi),
        ["POST /v1/events is documented and does not exist"]
    );
}

/// Where the limits of an operation's JSON body are documented.
fn body(method: &str, path: &str) -> String {
    let path = path.replace('/', "~1");
    format!("/paths/{path}/{method}/requestBody/content/application~1json/schema/properties")
}

#[test]
fn limits_in_code_are_the_documented_bounds() {
    let openapi = OpenApi::read().unwrap();
    let items = body("post", "/v1/domains/{domain}/items");
    let consents = body("put", "/v1/users/{user}/consents");
    let recommendations = body("post", "/v1/recommendations");
    let page = "/paths/~1v1~1models/get/parameters/0";
    let runs = "/paths/~1v1~1training-runs/get/parameters/0";
    assert_eq!(
        (&openapi.at(page)["name"], &openapi.at(runs)["name"]),
        (&json!("limit"), &json!("limit"))
    );
    let domains = "/paths/~1v1~1domains/get/parameters/0";
    assert_eq!(openapi.at(domains)["name"], "limit");
    for (pointer, limit) in [
        (body("post", "/v1/events") + "/events/maxItems", MAX_EVENTS),
        (items + "/items/maxItems", MAX_ITEMS),
        (consents + "/consents/maxItems", MAX_CONSENTS),
        (body("post", "/v1/feedback") + "/feedback/maxItems", MAX_OUTCOMES),
        (recommendations.clone() + "/exclude/maxItems", MAX_EXCLUDED),
        (recommendations.clone() + "/without_consents/maxItems", MAX_WITHDRAWN),
        (runs.to_owned() + "/schema/maximum", MAX_RUNS),
        (runs.to_owned() + "/schema/default", DEFAULT_RUNS),
        (recommendations.clone() + "/target_domains/maxItems", MAX_TARGETS),
        (recommendations + "/limit/maximum", MAX_LIMIT),
        (page.to_owned() + "/schema/maximum", MAX_PAGE),
        (page.to_owned() + "/schema/default", DEFAULT_PAGE),
        (domains.to_owned() + "/schema/maximum", MAX_DOMAINS),
        (domains.to_owned() + "/schema/default", DEFAULT_DOMAINS),
        (body("put", "/v1/domains/{domain}") + "/event_types/maxProperties", MAX_EVENT_TYPES),
        (body("put", "/v1/domains/{domain}") + "/consent_defaults/maxItems", MAX_CONSENT_DEFAULTS),
        ("/components/schemas/Id/maxLength".into(), MAX_ID_CHARS),
    ] {
        assert_eq!(openapi.at(&pointer), limit, "{pointer}");
    }
}

#[test]
fn what_a_training_run_does_by_default_is_documented() {
    let openapi = OpenApi::read().unwrap();
    // Through a text, in which 0.3 is 0.3 and not the nearest number of 32 bits.
    let options = serde_json::to_string(&AlsOptions::default()).unwrap();
    let options: Value = serde_json::from_str(&options).unwrap();
    for schema in ["TrainingOptions", "TrainingOrder"] {
        for (name, default) in options.as_object().unwrap() {
            let pointer = format!("/components/schemas/{schema}/properties/{name}/default");
            let documented = openapi.at(&pointer);
            // 1 and 1.0 are the same number.
            let is_same = documented == default
                || documented.is_number() && documented.as_f64() == default.as_f64();
            assert!(is_same, "{pointer}: {documented}, not {default}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_called_and_answered_is_as_documented() {
    let openapi = OpenApi::read().unwrap();
    let world = Recorded::new(Local::start().await.unwrap());
    scenario::run(&world).await.unwrap();
    let calls = world.calls().unwrap();
    let problems: BTreeSet<String> =
        calls.iter().flat_map(|(request, response)| openapi.problems(request, response)).collect();
    assert!(problems.is_empty(), "{problems:#?}");
    let succeeded = calls.iter().filter(|(_, response)| response.status < 300).count();
    assert!(succeeded > 100 && calls.len() > succeeded, "{succeeded} of {}", calls.len());
}

fn things() -> OpenApi {
    OpenApi::from_json(json!({
        "paths": { "/v1/things/{id}": {
            "parameters": [
                { "name": "id", "in": "path", "required": true,
                  "schema": { "type": "string", "pattern": "^[a-z0-9 ]+$" } },
            ],
            "put": {
                "operationId": "putThing",
                "parameters": [
                    { "$ref": "#/components/parameters/Count" },
                    { "name": "X-Mode", "in": "header",
                      "schema": { "type": "string", "enum": ["1"] } },
                ],
                "requestBody": { "required": true, "content": { "application/json": { "schema":
                    { "type": "object", "additionalProperties": false, "required": ["name"],
                      "properties": {
                          "name": { "type": "string", "maxLength": 5, "pattern": "^[a-z]+$" },
                          "parts": { "type": "array", "maxItems": 2, "items":
                              { "$ref": "#/components/schemas/Part" } },
                      } } } } },
                "responses": { "200": { "content": { "application/json": { "schema":
                    { "$ref": "#/components/schemas/Thing" } } } } },
            },
            "delete": { "operationId": "deleteThing", "responses": { "204": {} } },
        } },
        "components": {
            "parameters": { "Count": { "name": "count", "in": "query", "required": true,
                "schema": { "type": "integer", "minimum": 1, "maximum": 9 } } },
            "schemas": {
                "Part": { "type": "object", "required": ["size"],
                    "properties": { "size": { "type": "number", "exclusiveMinimum": 0 } } },
                "Named": { "type": "object", "properties": { "name": { "type": "string" } } },
                "Thing": {
                    "type": "object", "required": ["id"],
                    "properties": {
                        "id": { "type": "integer", "minimum": 1 },
                        "state": { "type": "string", "enum": ["on", "off"] },
                        "price": { "oneOf": [{ "type": "string" }, { "type": "number" }] },
                        "made_at": { "type": "string", "format": "date-time" },
                        "part": { "$ref": "#/components/schemas/Part" },
                        "kind": { "allOf": [
                            { "$ref": "#/components/schemas/Named" },
                            { "type": "object", "properties": { "rank": { "type": "integer" } } },
                        ] },
                        "report": { "type": "object" },
                        "labels": { "type": "object", "maxProperties": 2,
                            "propertyNames": { "maxLength": 3 },
                            "additionalProperties": { "type": "string" } },
                    },
                },
            },
        },
    }))
    .unwrap()
}

fn answer(status: u16, body: &Value) -> ApiResponse {
    let content_type = (hyper::header::CONTENT_TYPE, "application/json".parse().unwrap());
    ApiResponse::new(status, HeaderMap::from_iter([content_type]), body.to_string().as_bytes())
}

fn put_thing(body: &Value) -> ApiRequest {
    ApiRequest::put(&["v1", "things", "no 7"], body).with_query("count", "9")
}

#[track_caller]
fn assert_finds(problems: &[String], words: &str) {
    assert!(problems.iter().any(|problem| problem.contains(words)), "{words}: {problems:?}");
}

#[test]
fn a_call_or_answer_that_is_as_documented_is_no_problem() {
    let openapi = things();
    let body = json!({ "name": "x", "parts": [{ "size": 0.5 }, { "size": 2 }] });
    let thing = json!({
        "id": 7, "state": "on", "price": 1, "made_at": "2026-06-01T08:00:00.5+08:00",
        "part": { "size": 1 }, "kind": { "name": "n", "rank": 1 }, "report": { "any": 1 },
        "labels": { "a": "b" },
    });
    let request = put_thing(&body).with_header("x-mode", "1").with_header("x-other", "2");
    assert_eq!(openapi.problems(&request, &answer(200, &thing)), [""; 0]);
    let nothing = ApiResponse::new(204, HeaderMap::new(), b"");
    assert_eq!(openapi.problems(&ApiRequest::delete(&["v1", "things", "7"]), &nothing), [""; 0]);
}

#[test]
fn an_answer_that_is_not_as_documented_is_found() {
    let openapi = things();
    let request = put_thing(&json!({ "name": "x" }));
    for (status, body, found) in [
        (201, json!({ "id": 7 }), "201 with"),
        (200, json!({}), "\"id\" is a required property"),
        (200, json!({ "id": 7.5 }), "/id: 7.5 is not of type \"integer\""),
        (200, json!({ "id": 0 }), "/id: 0 is less than the minimum"),
        (200, json!({ "id": 7, "state": "broken" }), "/state: \"broken\" is not one of"),
        (200, json!({ "id": 7, "price": [] }), "/price: [] is not valid under any"),
        (200, json!({ "id": 7, "size": 1 }), "'size' was unexpected"),
        (200, json!({ "id": 7, "made_at": "2026-06-01 08:00" }), "is not a \"date-time\""),
        (200, json!({ "id": 7, "part": { "size": 0 } }), "/part/size: 0 is less than or equal"),
        (200, json!({ "id": 7, "part": { "size": 1, "hue": 1 } }), "'hue' was unexpected"),
        (200, json!({ "id": 7, "kind": { "name": "n", "hue": 1 } }), "'hue' was unexpected"),
        (200, json!({ "id": 7, "labels": { "a": 1 } }), "/labels/a: 1 is not of type"),
        (200, json!({ "id": 7, "labels": { "long": "b" } }), "is longer than 3"),
        (200, json!({ "id": 7, "labels": { "a": "", "b": "", "c": "" } }), "more than 2"),
    ] {
        assert_finds(&openapi.problems(&request, &answer(status, &body)), found);
    }
}

#[test]
fn a_call_that_is_not_as_documented_is_found() {
    let openapi = things();
    let thing = answer(200, &json!({ "id": 7 }));
    for (body, found) in [
        (json!({}), "\"name\" is a required property"),
        (json!({ "name": 7 }), "/name: 7 is not of type \"string\""),
        (json!({ "name": "x", "colour": 1 }), "'colour' was unexpected"),
        (json!({ "name": "abcdef" }), "/name: \"abcdef\" is longer than 5"),
        (json!({ "name": "A" }), "/name: \"A\" does not match"),
        (json!({ "name": "x", "parts": [{}, {}, {}] }), "/parts: "),
        (json!({ "name": "x", "parts": [{ "size": -1 }] }), "/parts/0/size: -1 is less than"),
        (json!({ "name": "x", "parts": [{ "size": 1, "hue": 1 }] }), "'hue' was unexpected"),
    ] {
        assert_finds(&openapi.problems(&put_thing(&body), &thing), found);
        // It may have been refused for that.
        assert_eq!(openapi.problems(&put_thing(&body), &answer(422, &json!({}))).len(), 1);
    }

    let good = json!({ "name": "x" });
    let thing_at = |id: &str| ApiRequest::put(&["v1", "things", id], &good);
    for (request, found) in [
        (thing_at("7").with_query("count", "0"), "Query count: 0 is less than the minimum"),
        (thing_at("7").with_query("count", "x"), "Query count: \"x\" is not of type"),
        (thing_at("7"), "Query count is missing"),
        (put_thing(&good).with_query("size", "1"), "Query size is not documented"),
        (thing_at("A/b").with_query("count", "1"), "Path id: \"A/b\" does not match"),
        (put_thing(&good).with_header("x-mode", "2"), "Header X-Mode: \"2\" is not"),
        (put_thing(&good).with_body("text/plain", "x"), "\"text/plain\" is not documented"),
        (ApiRequest::new(Method::PUT, &["v1", "things", "7"]), "the body is missing"),
    ] {
        assert_finds(&openapi.problems(&request, &thing), found);
    }
    let nothing = ApiResponse::new(204, HeaderMap::new(), b"");
    let with_body = ApiRequest::delete(&["v1", "things", "7"]).with_json(&good);
    assert_finds(&openapi.problems(&with_body, &nothing), "a body is not documented");
    let elsewhere = ApiRequest::get(&["v1", "nothing"]);
    assert_eq!(openapi.problems(&elsewhere, &thing), ["GET /v1/nothing is not documented"]);
}

#[test]
fn what_a_batch_rejected_need_not_be_as_documented() {
    let openapi = things();
    let body = json!({ "name": "x", "parts": [{ "size": -1 }, { "size": -2 }] });
    let some = answer(200, &json!({ "id": 7, "rejected": [{ "index": 0 }] }));
    let problems = openapi.problems(&put_thing(&body), &some);
    assert_finds(&problems, "/parts/1/size");
    assert!(!problems.iter().any(|problem| problem.contains("/parts/0/size")), "{problems:?}");
}
