//! The same scenario in the deployed application and in the local server, with
//! the same outcome.

#![allow(clippy::unwrap_used)] // A test may stop at the first surprise.

use crossfold_e2e::api::ApiRequest;
use crossfold_e2e::cloud::{Cloud, unauthorized_event};
use crossfold_e2e::gateway;
use crossfold_e2e::local::Local;
use crossfold_e2e::scenario::{self, Outcome};
use crossfold_e2e::world::World;
use serde_json::json;

/// How far scores may lie apart: sums in another order, a clock a minute on.
const TOLERANCE: f64 = 1e-4;

#[tokio::test(flavor = "multi_thread")]
async fn both_worlds_keep_every_promise_and_serve_the_same() {
    let local = scenario::run(&Local::start().await.unwrap()).await.unwrap();
    let cloud = Cloud::start().await.unwrap();
    let deployed = scenario::run(&cloud).await.unwrap();
    assert_same(&local, &deployed);
    assert_logs_name_nobody(&cloud.logs().unwrap());
    assert_decisions_are_archived(&cloud).await;
    eprintln!("cold starts: {:?}", cloud.cold_starts());
}

fn assert_same(a: &Outcome, b: &Outcome) {
    assert!(a.slates.len() >= 8, "{:?}", a.slates.keys());
    assert!(a.slates.keys().eq(b.slates.keys()));
    for (step, slate) in &a.slates {
        let other = &b.slates[step];
        let ids = |slate: &scenario::Slate| -> Vec<String> {
            slate.iter().map(|(id, _)| id.clone()).collect()
        };
        assert_eq!(ids(slate), ids(other), "{step}");
        for ((id, score), (_, other)) in slate.iter().zip(other) {
            assert!((score - other).abs() < TOLERANCE, "{step}: {id} {score} {other}");
        }
    }
}

/// Raw user ids never enter the logs.
fn assert_logs_name_nobody(logs: &str) {
    assert!(logs.contains("a model was published"), "the logs are not there: {logs}");
    for prefix in ["learner-", "driver-"] {
        assert!(!logs.contains(prefix), "a raw user id was logged");
    }
}

async fn assert_decisions_are_archived(world: &dyn World) {
    world.carry_streams().await.unwrap();
    for prefix in ["decisions/domain=auto-finance/", "outcomes/domain=auto-finance/"] {
        assert!(!world.archive(prefix).await.unwrap().is_empty(), "{prefix}");
    }
}

/// Should a route ever lose its authorizer, its function still lets nobody in.
#[tokio::test(flavor = "multi_thread")]
async fn a_function_refuses_a_call_that_no_authorizer_verified() {
    let cloud = Cloud::start().await.unwrap();
    let calls = [
        ("IngestFunction", ApiRequest::get(&["v1", "domains", "knowledge"])),
        ("RecommendFunction", ApiRequest::post(&["v1", "recommendations"], &json!({}))),
        ("FeedbackFunction", ApiRequest::post(&["v1", "feedback"], &json!({}))),
        ("TrainingApiFunction", ApiRequest::post(&["v1", "training-runs"], &json!({}))),
    ];
    for (function, request) in calls {
        let function = cloud.function(function).unwrap();
        let answer = function.invoke(&unauthorized_event(&request)).await.unwrap().unwrap();
        gateway::decode_answer(&answer).unwrap().assert_problem(401, "unauthenticated");
    }
}
