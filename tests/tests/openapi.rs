//! `infra/openapi.yaml` says what the routers do.

#![allow(clippy::unwrap_used)] // A test may stop at the first surprise.

use std::collections::BTreeSet;

use crossfold_e2e::api::{ApiRequest, ApiResponse};
use crossfold_e2e::local::Local;
use crossfold_e2e::openapi::{OpenApi, Operation, Recorded};
use crossfold_e2e::scenario;
use crossfold_e2e::world::World;
use hyper::{HeaderMap, Method};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn every_documented_operation_exists() {
    let (openapi, world) = (OpenApi::read().unwrap(), Local::start().await.unwrap());
    let operations = openapi.operations();
    assert!(operations.len() >= 16, "{operations:?}");
    for operation in operations {
        let answer = world.call(any_call(&operation)).await.unwrap();
        let code = answer.json["code"].as_str().unwrap_or_default();
        assert!(!["unknown_route", "method_not_allowed"].contains(&code), "{operation:?}");
    }
    let undocumented = Operation { method: "GET".into(), path: "/v1/nothing/{id}".into() };
    world.call(any_call(&undocumented)).await.unwrap().assert_problem(404, "unknown_route");
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

#[test]
fn a_call_or_answer_that_is_not_as_documented_is_found() {
    let openapi = OpenApi::from_json(json!({
        "paths": { "/v1/things/{id}": { "put": {
            "requestBody": { "content": { "application/json": { "schema":
                { "type": "object", "additionalProperties": false, "required": ["name"],
                  "properties": { "name": { "type": "string" } } } } } },
            "responses": { "200": { "content": { "application/json": { "schema":
                { "$ref": "#/components/schemas/Thing" } } } } },
        } } },
        "components": { "schemas": { "Thing": {
            "type": "object", "required": ["id"],
            "properties": {
                "id": { "type": "integer" },
                "state": { "type": "string", "enum": ["on", "off"] },
                "price": { "oneOf": [{ "type": "string" }, { "type": "number" }] },
            },
        } } },
    }));
    let problems = |request: serde_json::Value, status: u16, response: serde_json::Value| {
        let headers = HeaderMap::from_iter([(
            hyper::header::CONTENT_TYPE,
            "application/json".parse().unwrap(),
        )]);
        let answer = ApiResponse::new(status, headers, response.to_string().as_bytes());
        openapi.problems(&ApiRequest::put(&["v1", "things", "7"], &request), &answer)
    };
    let (good, thing) = (json!({ "name": "x" }), json!({ "id": 7, "state": "on", "price": 1 }));
    assert_eq!(problems(good.clone(), 200, thing.clone()), [""; 0]);
    for (request, status, response, found) in [
        (json!({}), 200, thing.clone(), "name is missing"),
        (json!({ "name": 7 }), 200, thing.clone(), "is not \"string\""),
        (json!({ "name": "x", "colour": 1 }), 200, thing.clone(), "colour is not documented"),
        (good.clone(), 201, thing, "201 with"),
        (good.clone(), 200, json!({}), "id is missing"),
        (good.clone(), 200, json!({ "id": 7.5 }), "is not \"integer\""),
        (good.clone(), 200, json!({ "id": 7, "state": "broken" }), "is not one of"),
        (good.clone(), 200, json!({ "id": 7, "price": [] }), "fits no alternative"),
        (good, 200, json!({ "id": 7, "size": 1 }), "size is not documented"),
    ] {
        let problems = problems(request, status, response);
        assert!(problems.iter().any(|problem| problem.contains(found)), "{found}: {problems:?}");
    }
    let elsewhere = ApiRequest::get(&["v1", "nothing"]);
    let answer = ApiResponse::new(200, HeaderMap::new(), b"");
    assert_eq!(openapi.problems(&elsewhere, &answer), ["GET /v1/nothing is not documented"]);
}
