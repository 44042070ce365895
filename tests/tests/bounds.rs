//! The API refuses what lies beyond the bounds of `infra/openapi.yaml`, and nothing within.
//!
//! A good body is changed in one place at a time, to what lies on a bound that is documented
//! for that place and to what lies just beyond it. The good bodies have every property that
//! is documented, so that no bound is left out.

#![allow(clippy::unwrap_used, clippy::panic)] // A test may stop at the first surprise.

use crossfold_e2e::api::{ApiRequest, ApiResponse};
use crossfold_e2e::local::Local;
use crossfold_e2e::openapi::OpenApi;
use crossfold_e2e::world::World;
use crossfold_train::{RunOrder, new_run};
use hyper::Method;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

/// What an API may answer to a call that is as documented: it depends on what is stored.
const NOT_STORED: [&str; 12] = [
    "unknown_domain",
    "unknown_model",
    "unknown_recommendation",
    "item_not_served",
    "conflict",
    "would_merge",
    "experiment_exists",
    "experiment_begun",
    "experiment_conflict",
    "unknown_experiment",
    "layer_full",
    "wrong_step",
];

/// What lies within a bound, and is refused by another rule.
const REFUSED_OTHERWISE: [&str; 10] = [
    // They would not be there, or of one name, or their shares not make 1.
    "placements.maxItems",
    "variants.maxItems",
    "variants.[].share.maximum",
    "variants.[].share.minimum",
    "variants.[].settings.placement.target_domains.maxItems",
    "metrics.maxItems",
    "bandit_floor.maximum",
    "variants.maxProperties",
    // What is filtered there would be none of its targets then.
    "placements.checkout.target_domains.maxItems",
    // The one that a campaign shows would be none of them.
    "placements.maxProperties",
];

/// Fields of which a good body has one and not both.
const EITHER_OR: [[&str; 2]; 1] = [["calibration", "diversity"]];

/// A changed value.
struct Trial {
    /// Where and how it was changed.
    what: String,
    value: Value,
    is_allowed: bool,
}

impl Trial {
    fn new(what: &str, value: impl Into<Value>, is_allowed: bool) -> Self {
        Self { what: what.to_owned(), value: value.into(), is_allowed }
    }
}

/// A character that takes as many bytes as any: lengths are documented in characters.
const WIDEST: &str = "😀";

// ---- Changing a body ----------------------------------------------------------------------

/// Every change of a value that the schema at a pointer says something about.
fn trials_at(openapi: &OpenApi, pointer: &str, value: &Value) -> Vec<Trial> {
    let mut trials = changes(openapi.at(pointer), value);
    match value {
        Value::Object(object) => trials.extend(changes_within(openapi, pointer, object)),
        Value::Array(elements) => {
            let changed = trials_at(openapi, &format!("{pointer}/items"), &elements[0]);
            trials.extend(changed.into_iter().map(|trial| Trial {
                what: format!("[].{}", trial.what),
                value: [trial.value].into_iter().chain(elements[1..].iter().cloned()).collect(),
                ..trial
            }));
        }
        _ => {}
    }
    trials
}

fn changes_within(openapi: &OpenApi, pointer: &str, object: &Map<String, Value>) -> Vec<Trial> {
    let properties = &openapi.at(pointer)["properties"];
    for name in properties.as_object().into_iter().flat_map(Map::keys) {
        let is_there = |name: &str| object.contains_key(name);
        let has_other = EITHER_OR
            .iter()
            .any(|pair| pair.contains(&&**name) && pair.map(is_there) != [false; 2]);
        assert!(is_there(name) || has_other, "{pointer}: the good body has no {name}");
    }
    let mut trials = Vec::new();
    for (name, inner) in object {
        let schema = match properties.get(name) {
            Some(_) => format!("{pointer}/properties/{name}"),
            None => format!("{pointer}/additionalProperties"),
        };
        for trial in trials_at(openapi, &schema, inner) {
            let mut changed = object.clone();
            changed.insert(name.clone(), trial.value);
            trials.push(Trial {
                what: format!("{name}.{}", trial.what),
                value: changed.into(),
                ..trial
            });
        }
    }
    trials
}

/// Changes of the value itself.
fn changes(schema: &Value, value: &Value) -> Vec<Trial> {
    let keywords = schema.as_object().into_iter().flatten();
    keywords
        .flat_map(|(keyword, bound)| match value {
            _ if keyword == "type" => vec![Trial::new(keyword, of_another_type(bound), false)],
            _ if keyword == "enum" => enumerated(bound),
            _ if keyword == "oneOf" => {
                let alternatives = bound.as_array().into_iter().flatten();
                alternatives.flat_map(bounds_of_scalar).collect()
            }
            Value::Array(elements) => changed_list(keyword, bound, &elements[0]),
            Value::Object(object) => changed_object(keyword, bound, object),
            _ => changed_scalar(keyword, bound, schema),
        })
        .collect()
}

fn of_another_type(kind: &Value) -> Value {
    if kind == "array" || kind == "object" { json!(7) } else { json!([]) }
}

fn enumerated(values: &Value) -> Vec<Trial> {
    let values = values.as_array().into_iter().flatten();
    let allowed = values.map(|value| Trial::new("enum", value.clone(), true));
    allowed.chain([Trial::new("enum", "none of them", false)]).collect()
}

fn bounds_of_scalar(schema: &Value) -> Vec<Trial> {
    let keywords = schema.as_object().into_iter().flatten();
    keywords.flat_map(|(keyword, bound)| changed_scalar(keyword, bound, schema)).collect()
}

fn changed_scalar(keyword: &str, bound: &Value, schema: &Value) -> Vec<Trial> {
    let trial = |value: Value, is_allowed| Trial::new(keyword, value, is_allowed);
    let text = |length: u64| json!(WIDEST.repeat(length as usize));
    match keyword {
        "maxLength" => {
            let most = bound.as_u64().unwrap();
            vec![trial(text(most), true), trial(text(most + 1), false)]
        }
        "minLength" => vec![trial(text(bound.as_u64().unwrap() - 1), false)],
        "pattern" => ["A b!", "0", "0.0", "-1"]
            .map(|text| trial(json!(text), jsonschema::is_valid(schema, &json!(text))))
            .into(),
        "format" => vec![trial(json!("yesterday"), false)],
        "maximum" => vec![trial(bound.clone(), true), trial(beyond(schema, bound, 1), false)],
        "minimum" => vec![trial(bound.clone(), true), trial(beyond(schema, bound, -1), false)],
        "exclusiveMinimum" => vec![trial(bound.clone(), false)],
        "const" | "exclusiveMaximum" | "multipleOf" => panic!("{keyword} is not tried"),
        _ => Vec::new(),
    }
}

/// A number just above or below a bound.
fn beyond(schema: &Value, bound: &Value, direction: i64) -> Value {
    if schema["type"] == "integer" {
        return json!(bound.as_i64().unwrap() + direction);
    }
    let bound = bound.as_f64().unwrap();
    let step = if bound == 0.0 { 0.01 } else { bound.abs() * 0.01 };
    json!(bound + step * direction as f64)
}

fn changed_list(keyword: &str, bound: &Value, element: &Value) -> Vec<Trial> {
    let list = |length: u64| -> Value {
        let numbered = |number| match element {
            Value::String(text) => json!(format!("{text}{number}")),
            other => other.clone(),
        };
        (0..length).map(numbered).collect()
    };
    match (keyword, bound.as_u64()) {
        ("maxItems", Some(most)) => {
            vec![Trial::new(keyword, list(most), true), Trial::new(keyword, list(most + 1), false)]
        }
        ("minItems", Some(least)) => vec![Trial::new(keyword, list(least - 1), false)],
        ("uniqueItems", _) => vec![Trial::new(keyword, json!([element, element]), false)],
        _ => Vec::new(),
    }
}

fn changed_object(keyword: &str, bound: &Value, object: &Map<String, Value>) -> Vec<Trial> {
    let trial = |value: Map<String, Value>, is_allowed| Trial::new(keyword, value, is_allowed);
    let with = |name: String| {
        let value = object.values().next().cloned().unwrap_or_default();
        object.clone().into_iter().chain([(name, value)]).collect()
    };
    let of_size = |size: u64| {
        let value = object.values().next().cloned().unwrap_or_default();
        (0..size).map(|number| (format!("k{number}"), value.clone())).collect()
    };
    match keyword {
        "required" => {
            let names = bound.as_array().into_iter().flatten().filter_map(Value::as_str);
            let without =
                |name| object.clone().into_iter().filter(|(own, _)| own != name).collect();
            // In this order a list would pass for an object, if lists were taken for objects.
            let listed: Vec<Value> = names.clone().map(|name| object[name].clone()).collect();
            let missing = names.map(|name| trial(without(name), false));
            missing.chain([Trial::new("as a list", listed, false)]).collect()
        }
        "additionalProperties" if *bound == false => vec![trial(with("colour".into()), false)],
        "maxProperties" => {
            let most = bound.as_u64().unwrap();
            vec![trial(of_size(most), true), trial(of_size(most + 1), false)]
        }
        "minProperties" => vec![trial(of_size(bound.as_u64().unwrap() - 1), false)],
        "propertyNames" => match bound["maxLength"].as_u64() {
            Some(most) => vec![
                trial(with(WIDEST.repeat(most as usize)), true),
                trial(with(WIDEST.repeat(most as usize + 1)), false),
            ],
            None => vec![trial(with("A b!".into()), false)],
        },
        _ => Vec::new(),
    }
}

// ---- Trying the bodies --------------------------------------------------------------------

/// The schema of an operation's body.
fn body(operation: &str) -> String {
    let (method, path) = operation.split_once(' ').unwrap();
    let (method, path) = (method.to_lowercase(), path.replace('/', "~1"));
    format!("/paths/{path}/{method}/requestBody/content/application~1json/schema")
}

/// Good bodies that have all there is, with where they go; each needs those before.
fn good_calls(now: Timestamp) -> Vec<(&'static str, Vec<&'static str>, Value)> {
    let details = |mut details: Value| {
        let more = json!({
            "title": "Lake", "categories": ["water"], "price": "19.90", "status": "active",
            "available_from": "2026-01-01T00:00:00Z", "available_until": "2199-01-01T00:00:00Z",
            "attributes": { "depth": "deep" },
            // An insurance needs no price.
            "offer": {
                "kind": "insurance", "terms_months": [12],
                "premium": { "amount": "300", "every_months": 3 },
            },
        });
        details.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        details
    };
    let feedback = json!({
        "feedback_id": "f", "kind": "click", "domain": "travel", "item_id": "lake",
        "occurred_at": now,
    });
    let source = || {
        json!({
            "events": { "Booked": {
                "type": TYPE, "each": "lines", "item_id": "id", "user_id": "who", "value": "price",
                "occurred_at": "when",
            } },
            "consent_categories": ["Personalisation"], "traits": ["plan"],
        })
    };
    let placement = || {
        json!({
                    "target_domains": ["travel"], "limit": 1, "max_limit": 100,
                    "filters": { "travel": "price > 1" },
                    "boosts": [{ "domain": "travel", "filter": "price > 2", "factor": 2 }],
                    "promotions": [{ "domain": "travel", "filter": "price > 3", "slot": 1 }],
                    "quotas": [{
                        "domain": "travel", "filter": "price > 4", "each_category": true, "most": 1,
                    }],
                    "diversity": 0.5, "exploration": 0.25,
                    "fatigue": { "after": 1, "factor": 0.5, "days": 14 },
        })
    };
    let experiment = |more: Value| {
        let mut experiment = json!({
            "domain": "travel", "name": "Calmer", "placements": ["checkout"], "layer": "main",
            "traffic": 0.5, "primary": "clickers", "window_days": 7, "past_days": 7,
            "segments": ["placement"], "stop_on_harm": true, "bandit_floor": 0.1,
            "variants": [
                { "variant": "calm", "share": 0.5, "settings": {
                    "placement": placement(), "ranking": "usual",
                } },
                { "variant": "usual", "share": 0.5 },
            ],
            "metrics": [
                { "metric": "clickers", "kind": "conversion", "of": { "outcome": "click" } },
                { "metric": "kept", "kind": "retention", "from_day": 1, "to_day": 9, "margin": 0.1 },
            ],
        });
        experiment.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        experiment
    };
    vec![
        (
            "PUT /v1/domains/{domain}",
            vec!["domains", "travel"],
            json!({
                "name": "Travel", "currency": "CNY", "half_life_days": 90,
                "event_types": { TYPE: {
                    "weight": 3, "value_scale": "100", "negative": false, "neutral_value": "2.5",
                    "repeats": "latest", "seen_days": 30, "steps": ["acquired"],
                } },
                "outcomes": {
                    "impression": TYPE, "click": TYPE, "accept": TYPE, "convert": TYPE,
                },
                "consent_defaults": [{ "to": "travel", "purpose": "training", "granted": true }],
                "sources": { "segment": source(), "personalize": source(), "cloudevents": source() },
                "attributes": { "depth": "text" },
                "eligibility": {
                    "pack": "generic", "disclosure": "eu",
                    "rules": [{ "rule": "debt_to_income", "max": "0.5" }],
                },
                // Limits that each may be at either of its ends, whatever the other is.
                "placements": { "checkout": placement() },
                "campaigns": { "first": {
                    "trigger": { "event_type": TYPE, "filter": "price > 1" },
                    "placement": "checkout",
                    "audience": { "declared": { "plan": ["pro"] }, "segments": [3] },
                    "delay_minutes": 5, "frequency_cap": { "times": 1, "days": 30 },
                    "locale": "en", "from": "2026-01-01T00:00:00Z",
                    "until": "2199-01-01T00:00:00Z", "paused": false,
                } },
                "experiment_holdout": 0.1,
                "contact": {
                    "frequency_cap": { "times": 1, "days": 30 },
                    "quiet_hours": { "from": "21:30", "until": "08:00", "zone": "UTC" },
                },
            }),
        ),
        (
            "POST /v1/experiments",
            vec!["experiments"],
            experiment(json!({ "experiment": "calmer" })),
        ),
        ("PUT /v1/experiments/{experiment}", vec!["experiments", "calmer"], experiment(json!({}))),
        (
            "POST /v1/experiments/{experiment}/review",
            vec!["experiments", "calmer", "review"],
            json!({ "domain": "travel" }),
        ),
        (
            "POST /v1/experiments/{experiment}/state",
            vec!["experiments", "calmer", "state"],
            json!({ "domain": "travel", "step": "start" }),
        ),
        (
            "POST /v1/domains/{domain}/items",
            vec!["domains", "travel", "items"],
            json!({ "items": [details(json!({ "item_id": "lake" }))], "keep_existing": false }),
        ),
        (
            "PUT /v1/domains/{domain}/items/{item}",
            vec!["domains", "travel", "items", "lake"],
            details(json!({})),
        ),
        (
            "POST /v1/events",
            vec!["events"],
            json!({ "domain": "travel", "events": [{
                "event_id": "e", "user_id": "u", "type": TYPE, "item_id": "lake",
                "occurred_at": now, "value": "80", "dwell_seconds": 7,
            }], "refuse_erased": ["w"] }),
        ),
        ("PUT /v1/users/{user}", vec!["users", "u"], json!({ "declared": { "home": "north" } })),
        (
            "PUT /v1/users/{user}/consents",
            vec!["users", "u", "consents"],
            json!({ "consents": [{
                "from": "travel", "to": "travel", "purpose": "training", "granted": true,
                "decided_at": now, "expires_at": "2199-01-01T00:00:00Z", "evidence": "form 7",
            }] }),
        ),
        (
            "PUT /v1/users/{user}/links",
            vec!["users", "u", "links"],
            json!({ "domain": "travel", "user_id": "v", "merge": true }),
        ),
        (
            "POST /v1/recommendations",
            vec!["recommendations"],
            json!({
                "user_id": "u", "domain": "travel", "target_domains": ["travel"], "limit": 5,
                "page_size": 2,
                "exclude": [{ "domain": "travel", "item_id": "sea" }], "placement": "front",
                "filter": "depth = 'deep'",
                "boosts": [{ "filter": "price > 1", "factor": 2, "domain": "travel" }],
                "applicant": {
                    "monthly_income": "9000", "monthly_debts": "10", "down_payment": "5",
                    "age": 40, "region": "CN-SH", "term_months": 12,
                },
                "diversity": 0.5, "exploration": 0.25, "query": "lake", "context": "water",
                "promotions": [{ "filter": "price > 2", "slot": 1, "domain": "travel" }],
                "quotas": [{ "filter": "price > 3", "most": 1, "domain": "travel", "each_category": true }],
                "personalised": true, "explain": true, "locale": "zh-CN", "inspect": true,
                "dry_run": true, "variants": {}, "without_consents": [{ "from": "travel", "to": "travel" }],
            }),
        ),
        (
            "POST /v1/recommendations/{id}/page",
            vec!["recommendations", "r", "page"],
            json!({
                "user_id": "u", "domain": "travel", "cursor": "after-1-1", "limit": 1,
                "applicant": {
                    "monthly_income": "9000", "monthly_debts": "10", "down_payment": "5",
                    "age": 40, "region": "CN-SH", "term_months": 12,
                },
                "explain": true, "locale": "zh-CN",
            }),
        ),
        (
            "POST /v1/domains/{domain}/filter-trial",
            vec!["domains", "travel", "filter-trial"],
            json!({ "filter": "price > 1", "target_domain": "travel", "placement": "front" }),
        ),
        (
            "POST /v1/recommendations/batch",
            vec!["recommendations", "batch"],
            json!({
                "user_ids": ["u"], "domain": "travel", "target_domains": ["travel"], "limit": 1,
                "page_size": 1,
                "exclude": [{ "domain": "travel", "item_id": "lake" }], "placement": "front",
                "filter": "depth = 'deep'", "query": "lake", "context": "water",
                "boosts": [{ "filter": "price > 1", "factor": 2, "domain": "travel" }],
                "applicant": {
                    "monthly_income": "9000", "monthly_debts": "10", "down_payment": "5",
                    "age": 40, "region": "CN-SH", "term_months": 12,
                },
                "calibration": 0.5, "exploration": 0.25,
                "promotions": [{ "filter": "price > 2", "slot": 1, "domain": "travel" }],
                "quotas": [{ "filter": "price > 3", "most": 1, "domain": "travel", "each_category": true }],
                "personalised": true, "explain": true, "locale": "zh-CN",
                "dry_run": true, "variants": {}, "without_consents": [{ "from": "travel", "to": "travel" }],
            }),
        ),
        (
            "POST /v1/rankings",
            vec!["rankings"],
            json!({
                "user_id": "u", "domain": "travel",
                "items": [{ "domain": "travel", "item_id": "lake" }], "limit": 1,
                "filter": "depth = 'deep'", "placement": "front", "calibration": 0.5,
                "quotas": [{ "filter": "price > 3", "most": 1, "domain": "travel", "each_category": true }],
                "exploration": 0.25, "query": "lake", "context": "water",
                "applicant": {
                    "monthly_income": "9000", "monthly_debts": "10", "down_payment": "5",
                    "age": 40, "region": "CN-SH", "term_months": 12,
                },
                "boosts": [{ "filter": "price > 1", "factor": 2, "domain": "travel" }],
                "personalised": true, "explain": true, "locale": "zh-CN", "inspect": true,
                "dry_run": true, "variants": {},
            }),
        ),
        (
            "POST /v1/feedback",
            vec!["feedback"],
            json!({
                "recommendation_id": "r", "user_id": "u", "domain": "travel",
                "feedback": [feedback],
            }),
        ),
        (
            "POST /v1/models/{id}/promote",
            vec!["models", MODEL, "promote"],
            json!({ "expected_champion": MODEL }),
        ),
    ]
}

/// An event type that is also there when as many are tried as there may be.
const TYPE: &str = "k0";
const MODEL: &str = "0000000000000000000000000000000000000000000000000000000000000000";

fn request(operation: &str, path: &[&str], body: &Value) -> ApiRequest {
    let method: Method = operation.split_once(' ').unwrap().0.parse().unwrap();
    let request = ApiRequest::new(method, &[&["v1"], path].concat()).with_json(body);
    if path[0] == "users" { request.with_query("domain", "travel") } else { request }
}

/// Whether an answer finds no fault with the form of its call.
fn is_allowed(answer: &ApiResponse) -> bool {
    let code = |object: &Value| object["code"].as_str().unwrap_or_default().to_owned();
    let codes: Vec<String> = match answer.status {
        200..300 => answer.json["rejected"].as_array().into_iter().flatten().map(code).collect(),
        _ => vec![code(&answer.json)],
    };
    codes.iter().all(|code| NOT_STORED.contains(&code.as_str()))
}

/// A slate to give feedback on.
async fn served_slate(world: &Local) -> Value {
    let body = json!({ "user_id": "u", "domain": "travel", "limit": 100 });
    let slate = world.call(ApiRequest::post(&["v1", "recommendations"], &body)).await.unwrap().ok();
    slate["recommendation_id"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_keeps_to_the_documented_bounds() {
    let (openapi, world) = (OpenApi::read().unwrap(), Local::start().await.unwrap());
    let mut surprises = Vec::new();
    for (operation, path, mut good) in good_calls(Timestamp::now()) {
        if good.get("recommendation_id").is_some() {
            good["recommendation_id"] = served_slate(&world).await;
        }
        let trials = trials_at(&openapi, &body(operation), &good);
        assert!(!trials.is_empty(), "{operation}");
        for trial in trials {
            let answer = world.call(request(operation, &path, &trial.value)).await.unwrap();
            let is_refused_otherwise = REFUSED_OTHERWISE.contains(&trial.what.as_str());
            if is_allowed(&answer) != (trial.is_allowed && !is_refused_otherwise) {
                surprises.push(format!("{operation} {}: {}", trial.what, answer.json));
            }
        }
        let answer = world.call(request(operation, &path, &good)).await.unwrap();
        assert!(is_allowed(&answer), "{operation}: {}", answer.json);
    }
    assert!(surprises.is_empty(), "{surprises:#?}");
}

// The local server would carry the runs out.
#[test]
fn training_runs_keep_to_the_documented_bounds() {
    let good = json!({
        "factors": 8, "iterations": 2, "unobserved_weight": 0.3, "regularisation": 0.03,
        "frequency_exponent": 1, "seed": 7, "solver": "mixed",
        "tuning": { "budget_seconds": 60, "budget_usd": 0.5, "candidates": 9, "seed": 7 },
    });
    let is_allowed = |order: Value| {
        let order = serde_json::from_value::<RunOrder>(order);
        order.is_ok_and(|order| new_run(order, Timestamp::now()).is_ok())
    };
    let openapi = OpenApi::read().unwrap();
    let trials = trials_at(&openapi, &body("POST /v1/training-runs"), &good);
    let surprises: Vec<String> = trials
        .into_iter()
        .filter(|trial| is_allowed(trial.value.clone()) != trial.is_allowed)
        .map(|trial| format!("{}: {}", trial.what, trial.value))
        .collect();
    assert!(surprises.is_empty(), "{surprises:#?}");
    assert!(is_allowed(good));
}
