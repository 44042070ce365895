//! Experiments are created once, changed and stepped as they may be, and seen by whoever may.

use axum::Json as JsonResponse;
use axum::extract::State;
use crossfold_core::entities::definition::DomainDefinition;
use crossfold_core::entities::pseudonym::Pseudonymiser;
use crossfold_edge::caller::{Caller, Scope};
use crossfold_edge::extract::{Json, Path, Query};
use crossfold_storage::memory;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::routes::{ListQuery, OfDomain, ReviewBody, StateBody};
use super::*;
use crate::tests::machine_at;

fn domain() -> DomainId {
    DomainId::parse("shop").unwrap()
}

async fn shop() -> FeedbackState {
    let keys = [(1, vec![7; 32].into_boxed_slice())].into();
    let keys = Pseudonymiser::new("t", 1, keys).unwrap();
    let now = Timestamp::from_second(1_800_000_000).unwrap();
    let state = FeedbackState::new(memory::stores(), keys, machine_at(now));
    let definition = json!({"name": "Shop", "currency": "EUR",
        "event_types": {"view": {"weight": 1}}, "placements": {"home": {}}});
    let definition: DomainDefinition = serde_json::from_value(definition).unwrap();
    records::put(&*state.stores.records, &domain(), &definition).await.unwrap();
    state
}

fn body(name: &str) -> Value {
    json!({"domain": "shop", "experiment": name, "placements": ["home"], "traffic": 0.6,
        "variants": [{"variant": "control", "share": 0.5},
            {"variant": "diverse", "share": 0.5, "settings": {"placement": {"diversity": 0.3}}}],
        "metrics": [{"metric": "clickers", "kind": "conversion", "of": {"outcome": "click"}}],
        "primary": "clickers"})
}

fn told<T: serde::Serialize>(answer: Result<JsonResponse<T>, Problem>) -> Result<Value, Problem> {
    answer.map(|JsonResponse(view)| serde_json::to_value(view).unwrap())
}

async fn create(state: &FeedbackState, body: Value) -> Result<Value, Problem> {
    let body = Json(serde_json::from_value(body).unwrap());
    told(post_experiment(State(state.clone()), Caller::development(), body).await)
}

async fn step(state: &FeedbackState, name: &str, step: &str) -> Result<Value, Problem> {
    let body: StateBody = serde_json::from_value(json!({"domain": "shop", "step": step})).unwrap();
    let experiment = Path(ExperimentId::parse(name).unwrap());
    told(post_state(State(state.clone()), Caller::development(), experiment, Json(body)).await)
}

async fn change(state: &FeedbackState, name: &str, body: Value) -> Result<Value, Problem> {
    let experiment = Path(ExperimentId::parse(name).unwrap());
    let mut body: serde_json::Map<String, Value> = serde_json::from_value(body).unwrap();
    body.remove("experiment");
    told(put_experiment(State(state.clone()), Caller::development(), experiment, Json(body)).await)
}

async fn listed(state: &FeedbackState, archived: bool) -> Vec<(String, String)> {
    let query: ListQuery =
        serde_json::from_value(json!({"domain": "shop", "archived": archived})).unwrap();
    let answer = get_experiments(State(state.clone()), Caller::development(), Query(query)).await;
    let list = told(answer).unwrap()["experiments"].as_array().unwrap().clone();
    let text = |of: &Value, field: &str| of[field].as_str().unwrap().to_owned();
    list.iter().map(|of| (text(of, "experiment"), text(of, "state"))).collect()
}

fn code(answer: Result<Value, Problem>) -> &'static str {
    answer.unwrap_err().code
}

#[tokio::test]
async fn an_experiment_goes_from_draft_to_archive_and_its_name_is_never_used_again() {
    let state = shop().await;
    let created = create(&state, body("a")).await.unwrap();
    assert_eq!((&created["state"], &created["traffic"]), (&json!("draft"), &json!(0.6)));
    assert_eq!(create(&state, body("a")).await.unwrap(), created, "the same call again");
    for (done, expected) in
        [("start", "running"), ("pause", "paused"), ("start", "running"), ("stop", "stopped")]
    {
        let stepped = step(&state, "a", done).await.unwrap();
        assert_eq!(stepped["state"], expected);
        assert_eq!(step(&state, "a", done).await.unwrap(), stepped, "{done} again");
        // Whoever reads definitions sees it so.
        let platform = state.definitions.domain(&domain()).await.unwrap();
        let [seen] = &platform.experiments[..] else { panic!("{:?}", platform.experiments) };
        assert_eq!(serde_json::to_value(seen.state).unwrap(), expected);
    }
    assert_eq!(code(step(&state, "a", "start").await), "wrong_step");
    for _ in 0..2 {
        assert_eq!(step(&state, "a", "archive").await.unwrap()["state"], "archived");
    }
    assert_eq!(listed(&state, false).await, []);
    assert_eq!(listed(&state, true).await, [("a".to_owned(), "archived".to_owned())]);
    assert_eq!(code(create(&state, body("a")).await), "experiment_exists");
    assert_eq!(code(step(&state, "a", "start").await), "wrong_step");
    let query: OfDomain = serde_json::from_value(json!({"domain": "shop"})).unwrap();
    let experiment = Path(ExperimentId::parse("a").unwrap());
    let found = get_experiment(State(state), Caller::development(), experiment, Query(query)).await;
    assert_eq!(told(found).unwrap()["started_at"], "2027-01-15T08:00:00Z");
}

#[tokio::test]
async fn what_may_not_be_is_refused_by_its_code() {
    let state = shop().await;
    create(&state, body("a")).await.unwrap();
    create(&state, body("b")).await.unwrap();
    step(&state, "a", "start").await.unwrap();
    assert_eq!(code(step(&state, "b", "start").await), "layer_full");
    assert_eq!(code(step(&state, "c", "start").await), "unknown_experiment");
    let mut other = body("a");
    other["window_days"] = json!(7);
    assert_eq!(code(create(&state, other.clone()).await), "experiment_exists");
    assert_eq!(code(change(&state, "a", other).await), "experiment_begun");
    let mut elsewhere = body("d");
    elsewhere["placements"] = json!(["nowhere"]);
    assert_eq!(code(create(&state, elsewhere).await), "invalid_request");
    let mut unknown = body("d");
    unknown["windw_days"] = json!(7);
    let refused = create(&state, unknown).await.unwrap_err();
    assert!(refused.detail.contains("windw_days"), "{}", refused.detail);
    let mut overlapping = body("e");
    overlapping["layer"] = json!("other");
    create(&state, overlapping).await.unwrap();
    assert_eq!(code(step(&state, "e", "start").await), "experiment_conflict");
}

#[tokio::test]
async fn traffic_grows_while_it_runs() {
    let state = shop().await;
    create(&state, body("a")).await.unwrap();
    step(&state, "a", "start").await.unwrap();
    let mut more = body("a");
    more["traffic"] = json!(0.9);
    let grown = change(&state, "a", more).await.unwrap();
    assert_eq!(grown["slots"], json!([{"from": 0, "to": 9_000}]));
    assert_eq!(code(change(&state, "a", body("a")).await), "experiment_begun");
}

#[tokio::test]
async fn two_that_start_at_the_same_time_never_share_users() {
    let state = shop().await;
    for name in ["a", "b", "c"] {
        create(&state, body(name)).await.unwrap();
    }
    let starts = tokio::join!(
        step(&state, "a", "start"),
        step(&state, "b", "start"),
        step(&state, "c", "start")
    );
    let started = [starts.0, starts.1, starts.2].iter().filter(|start| start.is_ok()).count();
    assert_eq!(started, 1, "there is room for one");
}

#[tokio::test]
async fn who_may_not_sees_and_changes_nothing() {
    let state = shop().await;
    let reader = Caller::with([domain()], [Scope::ExperimentsRead]);
    let body = Json(serde_json::from_value(body("a")).unwrap());
    let refused = post_experiment(State(state.clone()), reader, body).await.unwrap_err();
    assert_eq!(refused.code, "scope_missing");
    let stranger = Caller::with(
        [DomainId::parse("bank").unwrap()],
        [Scope::ExperimentsRead, Scope::ExperimentsWrite],
    );
    let query: ListQuery = serde_json::from_value(json!({"domain": "shop"})).unwrap();
    let refused = get_experiments(State(state), stranger, Query(query)).await.unwrap_err();
    assert_eq!(refused.code, "domain_forbidden");
}

#[tokio::test]
async fn experiments_of_an_earlier_life_of_a_domain_are_nobodys() {
    use crossfold_core::entities::domain_deletion::{DeletionStage, DomainDeletion};
    let state = shop().await;
    create(&state, body("a")).await.unwrap();
    step(&state, "a", "start").await.unwrap();
    let mut deletion =
        DomainDeletion { number: 1, ..DomainDeletion::begun(state.machine.clock.now()) };
    deletion.enter(DeletionStage::Done);
    deletion.finished_at = Some(state.machine.clock.now());
    let store = &*state.stores.records;
    records::put(store, &domain(), &deletion).await.unwrap();
    announce_change(store, state.machine.ids.fresh()).await.unwrap();
    assert!(state.definitions.domain(&domain()).await.unwrap().experiments.is_empty());
    assert_eq!(listed(&state, false).await, []);
    assert_eq!(create(&state, body("a")).await.unwrap()["state"], "draft");
}

#[tokio::test]
async fn a_variant_tells_no_items_of_a_domain_apart_that_its_caller_does_not_act_for() {
    let state = shop().await;
    let bank = DomainId::parse("bank").unwrap();
    let definition =
        json!({"name": "Bank", "currency": "EUR", "event_types": {"view": {"weight": 1}}});
    let definition: DomainDefinition = serde_json::from_value(definition).unwrap();
    records::put(&*state.stores.records, &bank, &definition).await.unwrap();
    announce_change(&*state.stores.records, state.machine.ids.fresh()).await.unwrap();
    let mut telling = body("a");
    telling["variants"][1]["settings"]["placement"] = json!({"filters": {"bank": "price > 1"}});
    for (scopes, expected) in [
        (vec![Scope::ExperimentsWrite], "scope_missing"),
        (vec![Scope::ExperimentsWrite, Scope::DomainsWrite], "domain_forbidden"),
    ] {
        let caller = Caller::with([domain()], scopes);
        let posted = Json(serde_json::from_value(telling.clone()).unwrap());
        let refused = post_experiment(State(state.clone()), caller, posted).await.unwrap_err();
        assert_eq!(refused.code, expected);
    }
    create(&state, telling.clone()).await.unwrap();
    telling["variants"][1]["settings"]["placement"] = json!({"filters": {"bank": "price >"}});
    telling["experiment"] = json!("b");
    assert_eq!(code(create(&state, telling).await), "invalid_filter");
}

/// A running experiment, with what its users were shown and did in the archive: every slate is clicked
/// by 300 of 1,000 users of the control and by 600 of 1,000 of the other.
async fn archived_experiment(state: &FeedbackState, experiment: Value) {
    use crossfold_core::archive::decisions::encode_decisions;
    use crossfold_core::archive::keys::{DECISIONS_PREFIX, OUTCOMES_PREFIX, batch_key};
    use crossfold_core::archive::outcomes::encode_outcomes;
    use crossfold_core::entities::decision::{Decision, Outcome};
    use crossfold_core::entities::ports::PutCondition;
    create(state, experiment).await.unwrap();
    step(state, "a", "start").await.unwrap();
    let now = state.machine.clock.now();
    let (mut decisions, mut outcomes): (Vec<Decision>, Vec<Outcome>) = Default::default();
    for number in 0..2_000 {
        let variant = if number % 2 == 0 { "control" } else { "diverse" };
        let (user, slate) = (format!("v1_u{number}"), format!("r{number}"));
        decisions.push(
            serde_json::from_value(json!({
                "recommendation_id": slate, "user": user, "domain": "shop", "placement": "home",
                "decided_at": now, "policy": "p", "variant": format!("a:{variant}"), "seed": 1,
                "personalised": false, "slate": [{"domain": "bank", "item_id": "i", "score": 1.0,
                    "propensity": 1.0}],
            }))
            .unwrap(),
        );
        let clicks = if variant == "control" { 600 } else { 1_200 };
        if number < clicks {
            outcomes.push(
                serde_json::from_value(json!({
                    "feedback_id": "f", "recommendation_id": slate, "user": user, "kind": "click",
                    "domain": "bank", "item_id": "i", "occurred_at": now, "received_at": now,
                }))
                .unwrap(),
            );
        }
    }
    let put = async |prefix: &str, of: &str, name: &str, bytes| {
        let key = batch_key(prefix, &DomainId::parse(of).unwrap(), now, name);
        state.stores.objects.put(&key, bytes, PutCondition::None).await.unwrap();
    };
    // Delivered twice, and a file that cannot be read.
    for name in ["1", "2"] {
        put(DECISIONS_PREFIX, "shop", name, encode_decisions(&decisions).unwrap()).await;
        put(OUTCOMES_PREFIX, "bank", name, encode_outcomes(&outcomes).unwrap()).await;
    }
    put(OUTCOMES_PREFIX, "bank", "3", bytes::Bytes::from_static(b"PAR1")).await;
}

async fn reported(state: &FeedbackState) -> Value {
    let query: OfDomain = serde_json::from_value(json!({"domain": "shop"})).unwrap();
    let experiment = Path(ExperimentId::parse("a").unwrap());
    let report = get_report(State(state.clone()), Caller::development(), experiment, Query(query));
    told(report.await).unwrap()
}

#[tokio::test]
async fn a_report_counts_what_the_archive_has_once() {
    let state = shop().await;
    archived_experiment(&state, body("a")).await;
    let report = reported(&state).await;
    assert_eq!(
        report["exposures"]["variants"][1],
        json!({"variant": "diverse", "users": 1_000, "slates": 1_000})
    );
    let clickers = &report["metrics"][0];
    assert_eq!(
        (&clickers["control"]["mean"], &clickers["variants"][0]["mean"]),
        (&json!(0.3), &json!(0.6))
    );
    assert_eq!(report["verdicts"][0]["code"], "better", "{}", report["verdicts"]);
    // The same again, and once it is over and put away.
    for done in ["stop", "archive"] {
        let before = reported(&state).await;
        step(&state, "a", done).await.unwrap();
        let mut after = reported(&state).await;
        after["state"] = before["state"].clone();
        assert_eq!(after, before);
    }
}

#[tokio::test]
async fn a_draft_has_a_report_that_says_there_is_nothing_yet() {
    let state = shop().await;
    create(&state, body("a")).await.unwrap();
    let report = reported(&state).await;
    assert_eq!(report["verdicts"][0]["code"], "too_few", "{report}");
}

async fn reviewed(state: &FeedbackState) -> Value {
    let body: ReviewBody = serde_json::from_value(json!({"domain": "shop"})).unwrap();
    let experiment = Path(ExperimentId::parse("a").unwrap());
    let answer = post_review(State(state.clone()), Caller::development(), experiment, Json(body));
    told(answer.await).unwrap()
}

#[tokio::test]
async fn a_review_stops_for_harm_and_for_nothing_else() {
    for (better, on_harm, expected) in [
        ("increase", true, "running"),
        ("decrease", true, "stopped"),
        ("decrease", false, "running"),
    ] {
        let state = shop().await;
        let mut experiment = body("a");
        experiment["stop_on_harm"] = json!(on_harm);
        experiment["metrics"] = json!([
            {"metric": "dismissed", "kind": "conversion", "of": {"outcome": "dismiss"}},
            {"metric": "clickers", "kind": "conversion", "of": {"outcome": "click"},
                "better": better, "margin": 0.1}]);
        experiment["primary"] = json!("dismissed");
        archived_experiment(&state, experiment).await;
        let reviewed_once = reviewed(&state).await;
        assert_eq!(reviewed_once["state"], expected, "{better} {on_harm}");
        if expected == "stopped" {
            let why = json!({"metric": "clickers", "variant": "diverse"});
            assert_eq!(reviewed_once["stopped_for"], why);
        }
        assert_eq!(reviewed(&state).await, reviewed_once, "again");
    }
}

#[tokio::test]
async fn a_review_gives_the_better_variant_more_of_the_users_where_shares_are_learnt() {
    use crossfold_core::release::experiment_report::allocation::next_shares;
    use crossfold_core::release::experiment_report::study::Study;
    let state = shop().await;
    let mut experiment = body("a");
    experiment["bandit_floor"] = json!(0.1);
    archived_experiment(&state, experiment).await;
    // Those of the day on which it began are the first.
    assert!(reviewed(&state).await["allocations"].is_null());
    let (known, _) = standing(&*state.stores.records, &domain(), 0).await.unwrap();
    let running = known.find(&ExperimentId::parse("a").unwrap()).unwrap();
    let tomorrow = state.machine.clock.now() + jiff::SignedDuration::from_hours(24);
    let report = super::archived::report(&state.stores, running, tomorrow).await.unwrap();
    assert_eq!(Study::new(running, tomorrow).as_of(), report.as_of);
    let shares = next_shares(running, &report, 7).unwrap();
    assert_eq!(shares.iter().map(|share| share.get()).collect::<Vec<_>>(), [1_000, 9_000]);
}

#[tokio::test]
async fn by_however_many_shards_of_users_a_report_is_the_same() {
    let state = shop().await;
    archived_experiment(&state, body("a")).await;
    let (known, _) = standing(&*state.stores.records, &domain(), 0).await.unwrap();
    let running = known.find(&ExperimentId::parse("a").unwrap()).unwrap();
    let now = state.machine.clock.now();
    let whole = super::archived::report(&state.stores, running, now).await.unwrap();
    for rows in [1_000, 999, 3_999, 4_000, 400] {
        let by_shards =
            super::archived::report_by_shards(&state.stores, running, (now, rows)).await.unwrap();
        assert_eq!(by_shards, whole, "{rows}");
    }
}

#[tokio::test]
async fn a_step_that_is_sent_until_it_is_acknowledged_holds_from_then_on_whatever_failed() {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use crossfold_storage::faults::{Fault, FaultPlan, faulty};
    for failing in 0..8 {
        for fault in [Fault::Before, Fault::AnswerLost] {
            let state = shop().await;
            create(&state, body("a")).await.unwrap();
            step(&state, "a", "start").await.unwrap();
            // Another process, which knows of it.
            assert_eq!(state.definitions.domain(&domain()).await.unwrap().experiments.len(), 1);
            let calls = Arc::new(AtomicUsize::new(0));
            let plan = FaultPlan::from_fn(move |_| {
                let is_it = calls.fetch_add(1, Ordering::Relaxed) == failing;
                if is_it { fault } else { Fault::None }
            });
            let stores = faulty(state.stores.clone(), &plan);
            let machine = machine_at(state.machine.clock.now());
            let of = FeedbackState::new(stores, state.pseudonymiser.clone(), machine);
            // Its ids are none of those that were used.
            for _ in 0..99 {
                let _ = of.machine.ids.fresh();
            }
            while step(&of, "a", "stop").await.is_err() {}
            let platform = state.definitions.domain(&domain()).await.unwrap();
            let known = serde_json::to_value(platform.experiments[0].state).unwrap();
            assert_eq!(known, "stopped", "{failing} {fault:?}");
        }
    }
}
