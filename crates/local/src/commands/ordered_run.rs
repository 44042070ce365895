//! A training run on a server: ordered, and followed to its end.

use std::time::Duration;

use anyhow::{Context, Result};
use crossfold_core::release::gate::Verdict;
use crossfold_core::release::run::{TrainingRun, TrainingRunState};
use crossfold_core::training::report::TrainingReport;
use crossfold_lab::output;
use serde_json::Value;

use crate::answers::read;
use crate::api_client::{ApiClient, CallError};
use crate::commands::train::WHY_IT_WAITS;

/// How often the run is looked at.
const INTERVAL: Duration = Duration::from_secs(2);
/// Looks in a row that may fail, as when a server is started anew: about a minute.
const MAX_FAILED_LOOKS: usize = 30;

/// Orders a run like `wanted` and waits until it has ended. Stopping this command does not
/// stop the run.
///
/// # Errors
/// When the server refuses it, or cannot be reached for long.
pub(crate) async fn order_and_follow(
    client: &ApiClient,
    wanted: &TrainingRun,
) -> Result<TrainingRun> {
    let mut order = serde_json::to_value(wanted.options)?;
    // None is said as well: a server may search by default.
    order["tuning"] = serde_json::to_value(wanted.tuning)?;
    let path = format!("/v1/training-runs?accept_fewer_events={}", wanted.accept_fewer_events);
    let run: TrainingRun = read(client.post(&path, &order).await?)?;
    let id = &run.id;
    output::warn(format_args!(
        "The run {id} was ordered; it goes on when this command is stopped."
    ));
    follow(client, run, INTERVAL).await
}

async fn follow(
    client: &ApiClient,
    mut run: TrainingRun,
    interval: Duration,
) -> Result<TrainingRun> {
    let path = format!("/v1/training-runs/{}", run.id);
    let mut failed_looks = 0;
    loop {
        match run.state {
            TrainingRunState::Queued | TrainingRunState::Running { .. } => {}
            _ => return Ok(run),
        }
        tokio::time::sleep(interval).await;
        match client.get(&path).await {
            Ok(answer) => {
                let seen: TrainingRun = read(answer)?;
                news(&run.state, &seen.state)
                    .into_iter()
                    .for_each(|line| output::warn(format_args!("{line}")));
                (run, failed_looks) = (seen, 0);
            }
            Err(error) if failed_looks < MAX_FAILED_LOOKS && is_passing(&error) => {
                failed_looks += 1;
            }
            Err(error) => {
                return Err(error).with_context(|| {
                    format!("how the run {} stands cannot be told; it may go on", run.id)
                });
            }
        }
    }
}

/// What is told of how a run stands now, after how it stood before.
fn news(before: &TrainingRunState, now: &TrainingRunState) -> Vec<String> {
    let TrainingRunState::Running { started_at, waits_until, .. } = now else { return Vec::new() };
    let waited = match before {
        TrainingRunState::Running { waits_until, .. } => waits_until.is_some(),
        _ => false,
    };
    let is_started = !matches!(before, TrainingRunState::Running { .. });
    let started = is_started.then(|| format!("It was started at {started_at}."));
    let waits = waits_until.filter(|_| !waited);
    let waits = waits.map(|until| format!("It waits until {until}: {WHY_IT_WAITS}."));
    started.into_iter().chain(waits).collect()
}

fn is_passing(error: &anyhow::Error) -> bool {
    error.downcast_ref::<CallError>().is_some_and(CallError::is_worth_another_try)
}

/// The whole report of a run; none when it has none, or one too large to be answered.
///
/// # Errors
/// When the server refuses to tell it for another reason.
pub(crate) async fn report_of(
    client: &ApiClient,
    run: &TrainingRun,
) -> Result<Option<TrainingReport>> {
    if run.state.report().is_none() {
        return Ok(None);
    }
    match client.get(&format!("/v1/training-runs/{}/report", run.id)).await {
        Ok(report) => read(report).map(Some),
        Err(error) => match error.downcast_ref::<CallError>() {
            Some(CallError::Refused { status: 404 | 409, .. }) => Ok(None),
            _ => Err(error),
        },
    }
}

/// Every check of the gate; none when the run made no model that could be stored.
///
/// # Errors
/// When the server does not tell of the model.
pub(crate) async fn verdict_of(client: &ApiClient, run: &TrainingRun) -> Result<Option<Verdict>> {
    let Some(model) = run.state.model() else { return Ok(None) };
    let mut answer = client.get(&format!("/v1/models/{model}")).await?;
    match answer["verdict"].take() {
        Value::Null => Ok(None),
        verdict => read(verdict).map(Some),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // A test may stop at the first surprise.

    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use axum::Router;
    use axum::http::StatusCode;
    use serde_json::json;

    use super::*;

    fn run(state: Value) -> Value {
        let mut run = json!({"id": "run-1", "requested_at": "2026-01-01T00:00:00Z", "options": {}});
        run.as_object_mut().unwrap().extend(state.as_object().unwrap().clone());
        run
    }

    /// A server that answers look after look with these, and the last one for ever.
    fn client(answers: Vec<(StatusCode, Value)>) -> ApiClient {
        let looks = Arc::new(AtomicUsize::new(0));
        ApiClient::new(Router::new().fallback(move || {
            let look = looks.fetch_add(1, Ordering::Relaxed).min(answers.len() - 1);
            let (status, answer) = answers[look].clone();
            async move { (status, answer.to_string()) }
        }))
    }

    async fn followed(answers: Vec<(StatusCode, Value)>) -> Result<TrainingRun> {
        let queued = read(run(json!({"status": "queued"}))).unwrap();
        follow(&client(answers), queued, Duration::from_millis(1)).await
    }

    #[tokio::test]
    async fn a_run_is_followed_to_its_end_over_failures_that_pass() {
        let away = json!({"detail": "away", "code": "unavailable"});
        let running = run(json!({"status": "running", "started_at": "2026-01-01T00:00:01Z"}));
        let failed = run(json!({
            "status": "failed", "finished_at": "2026-01-01T00:00:02Z", "reason": "too little",
        }));
        let ended = followed(vec![
            (StatusCode::SERVICE_UNAVAILABLE, away.clone()),
            (StatusCode::OK, running),
            (StatusCode::TOO_MANY_REQUESTS, away.clone()),
            (StatusCode::OK, failed),
        ]);
        let ended = ended.await.unwrap();
        assert!(
            matches!(ended.state, TrainingRunState::Failed { reason, .. } if reason == "too little")
        );
        let given_up = followed(vec![(StatusCode::SERVICE_UNAVAILABLE, away)]).await.unwrap_err();
        assert!(given_up.to_string().contains("run-1"), "{given_up:#}");
    }

    #[test]
    fn that_a_run_was_started_and_that_it_waits_is_told_once() {
        let state = |json: Value| read::<TrainingRun>(run(json)).unwrap().state;
        let queued = state(json!({"status": "queued"}));
        let running = json!({"status": "running", "started_at": "2026-01-01T00:00:01Z"});
        let mut waiting = running.clone();
        waiting["waits_until"] = json!("2026-01-01T00:00:30Z");
        let (running, waiting) = (state(running), state(waiting));
        assert_eq!(news(&queued, &running), ["It was started at 2026-01-01T00:00:01Z."]);
        let told = news(&queued, &waiting);
        assert_eq!(told.len(), 2);
        assert!(told[1].starts_with("It waits until 2026-01-01T00:00:30Z: someone was erased"));
        assert_eq!(news(&running, &waiting), told[1..]);
        for (before, now) in [(&queued, &queued), (&running, &running), (&waiting, &waiting)] {
            assert_eq!(news(before, now), [""; 0]);
        }
    }

    #[tokio::test]
    async fn a_refusal_ends_the_following_at_once() {
        let expired = json!({"message": "Unauthorized"});
        let refused = followed(vec![(StatusCode::UNAUTHORIZED, expired)]).await.unwrap_err();
        assert!(format!("{refused:#}").contains("Unauthorized"), "{refused:#}");
    }
}
