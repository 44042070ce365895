//! What a process logs of requests, whatever is asked for: alone, for all of a process logs to
//! one place.

#![allow(clippy::unwrap_used)] // A test may stop at the first surprise.

use std::io::Write;
use std::sync::{Arc, Mutex};

use axum::body::Body;
use axum::http::{Request, header};
use crossfold_edge::telemetry;
use crossfold_local::local_world::LocalWorld;
use serde_json::json;
use tower::ServiceExt;

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_level_prints_a_user_an_event_a_body_or_a_token() {
    let log = Log::default();
    let writer = log.clone();
    let logs = telemetry::subscriber("trace", move || writer.clone());
    tracing::subscriber::set_global_default(logs).unwrap();

    let directory = tempfile::tempdir().unwrap();
    let world = LocalWorld::open(directory.path()).await.unwrap();
    let definition = json!({
        "name": "K", "currency": "CNY", "event_types": {"view": {"weight": 1}},
    });
    world.client().put("/v1/domains/knowledge", &definition).await.unwrap();
    let event = json!({
        "event_id": "secret-event", "user_id": "secret-user", "type": "view",
        "item_id": "secret-item", "occurred_at": "2026-06-01T08:00:00Z",
    });
    let bad = json!({"event_id": "secret-bad-event", "user_id": "secret-bad-user"});
    for events in [json!([event]), json!([event, bad])] {
        let body = json!({"domain": "knowledge", "events": events}).to_string();
        let request = Request::post("/v1/events")
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::AUTHORIZATION, "Bearer secret-token")
            .body(Body::from(body))
            .unwrap();
        let answer = world.router().oneshot(request).await.unwrap();
        assert_eq!(answer.status(), 200);
    }
    world.carry_streams().await.unwrap();
    tracing::info!(target: "crossfold_test", "the log is read");

    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(log.contains("the log is read") && log.contains("events were refused"), "{log}");
    let key = std::fs::read_to_string(directory.path().join("pseudonym-key.json")).unwrap();
    let key: serde_json::Value = serde_json::from_str(&key).unwrap();
    for secret in ["secret-", "AWS4-HMAC", "Bearer", key["key"].as_str().unwrap()] {
        assert!(!log.contains(secret), "{secret}: {log}");
    }
}
