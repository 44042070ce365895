//! With any store hanging, throttled, denied or gone, warm or cold: answered in time, and
//! what was missing is said.

use std::sync::Mutex;

use axum::http::StatusCode;
use crossfold_storage::faults::{Fault, FaultPlan, faulty};
use tokio::time::{Instant, sleep};

use super::*;
use crate::Limits;

const LIMIT: Duration = Duration::from_millis(2_500);
/// What a process that warms up may take.
const COLD_LIMIT: Duration = Duration::from_secs(6);
const FAULTS: [Fault; 4] = [Fault::Hangs, Fault::Before, Fault::Denied, Fault::Gone];

/// A machine whose time is the test's.
fn timed_machine() -> Machine {
    let started = Instant::now();
    let at = move || noon() + jiff::SignedDuration::try_from(started.elapsed()).unwrap();
    Machine {
        clock: Clock::from_fn(at),
        stopwatch: Stopwatch::from_fn(move || started.elapsed()),
        ..fixed_machine()
    }
}

/// A service over stores, of which calls that begin with one of the names are befallen by
/// what is set.
struct Befallen {
    service: Router,
    fault: Arc<Mutex<Fault>>,
}

impl Befallen {
    fn new(stores: &Stores, names: Vec<&'static str>) -> Self {
        let fault = Arc::new(Mutex::new(Fault::None));
        let now = fault.clone();
        let plan = FaultPlan::from_fn(move |call| {
            let is_meant = names.iter().any(|name| call.method.starts_with(name));
            if is_meant { *now.lock().unwrap() } else { Fault::None }
        });
        let state =
            RecommendState::new(faulty(stores.clone(), &plan), pseudonymiser(), timed_machine())
                .with_limits(Limits::of_request(LIMIT));
        Self { service: complete(routes().with_state(state)), fault }
    }

    fn befall(&self, fault: Fault) {
        *self.fault.lock().unwrap() = fault;
    }

    /// Status, answer and how long it took.
    async fn ask(&self) -> (StatusCode, Value, Duration) {
        let began = Instant::now();
        let body = json!({ "user_id": "ann", "domain": "knowledge", "target_domains": DOMAINS });
        let request = Request::post("/v1/recommendations")
            .header("content-type", "application/json")
            .extension(Caller::development())
            .body(Body::from(body.to_string()))
            .unwrap();
        let response = self.service.clone().oneshot(request).await.unwrap();
        let status = response.status();
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        (status, serde_json::from_slice(&bytes).unwrap(), began.elapsed())
    }
}

/// Each store, with what an answer without it says when the process is cold and warm.
const TABLE: [(&str, &[&str], &[&str]); 7] = [
    ("people.", &["no_profile"], &["no_profile"]),
    ("events.", &["no_history"], &["no_history"]),
    ("catalogue.", &["no_catalogue"], &["stale_catalogue"]),
    ("decisions.", &["not_logged"], &["not_logged"]),
    // What was never read cannot be checked.
    ("records.", &[], &["stale_definitions"]),
    ("objects.", &["no_model"], &["stale_model"]),
    ("activity.", &[], &[]),
];

#[tokio::test(start_paused = true)]
async fn whatever_store_fails_a_cold_process_answers_in_time_and_says_what_was_missing() {
    for (store, degraded, _) in TABLE {
        for fault in FAULTS {
            let stores = world().await;
            publish(&*stores.objects, uniform_model(&DOMAINS, 0.5), None).await;
            let befallen = Befallen::new(&stores, vec![store]);
            befallen.befall(fault);
            let (status, answer, took) = befallen.ask().await;
            assert!(took < COLD_LIMIT, "{store} {fault:?}: {took:?}");
            if store == "records." {
                assert_eq!((status.as_u16(), &answer["code"]), (503, &json!("store_unavailable")));
                continue;
            }
            assert_eq!(
                (status.as_u16(), &answer["degraded"]),
                (200, &json!(degraded)),
                "{store} {fault:?}"
            );
            assert_eq!(answer["items"] == json!([]), store == "catalogue.", "{store} {fault:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn whatever_store_fails_a_warm_process_answers_in_time_and_says_what_was_missing() {
    for (store, _, degraded) in TABLE {
        for fault in FAULTS {
            let stores = world().await;
            publish(&*stores.objects, uniform_model(&DOMAINS, 0.5), None).await;
            let befallen = Befallen::new(&stores, vec![store]);
            let (status, answer, _) = befallen.ask().await;
            assert_eq!((status.as_u16(), &answer["degraded"]), (200, &json!([])), "{store}");
            befallen.befall(fault);
            for minute in 1..4 {
                // All that is kept in memory is due to be read again.
                sleep(Duration::from_secs(60)).await;
                let (status, answer, took) = befallen.ask().await;
                let what = format!("{store} {fault:?}, minute {minute}");
                assert!(took < LIMIT, "{what}: {took:?}");
                assert_eq!(
                    (status.as_u16(), &answer["degraded"]),
                    (200, &json!(degraded)),
                    "{what}"
                );
                assert_ne!(answer["items"], json!([]), "{what}");
            }
            befallen.befall(Fault::None);
            sleep(Duration::from_secs(200)).await;
            let (_, answer, _) = befallen.ask().await;
            assert_eq!(answer["degraded"], json!([]), "{store} {fault:?}, and well again");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn with_everything_hanging_the_answer_comes_in_time() {
    let stores = world().await;
    publish(&*stores.objects, uniform_model(&DOMAINS, 0.5), None).await;
    let befallen = Befallen::new(&stores, TABLE.map(|(store, ..)| store).to_vec());
    befallen.befall(Fault::Hangs);
    let (status, _, took) = befallen.ask().await;
    assert_eq!(status, 503);
    assert!(took < COLD_LIMIT, "{took:?}");

    befallen.befall(Fault::None);
    sleep(Duration::from_secs(200)).await;
    let (_, answer, _) = befallen.ask().await;
    assert_eq!(answer["degraded"], json!([]));
    befallen.befall(Fault::Hangs);
    sleep(Duration::from_secs(60)).await;
    let (status, answer, took) = befallen.ask().await;
    assert!(took < LIMIT, "{took:?}");
    let missing = [
        "stale_definitions",
        "stale_model",
        "no_profile",
        "no_history",
        "stale_catalogue",
        "not_logged",
    ];
    assert_eq!((status.as_u16(), &answer["degraded"]), (200, &json!(missing)));
    assert_eq!(answer["items"].as_array().unwrap().len(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_comes_while_another_waits_for_a_store_waits_no_longer_than_its_own_time() {
    for store in ["records.", "objects.", "catalogue."] {
        let stores = world().await;
        publish(&*stores.objects, uniform_model(&DOMAINS, 0.5), None).await;
        let befallen = Befallen::new(&stores, vec![store]);
        befallen.ask().await;
        befallen.befall(Fault::Hangs);
        sleep(Duration::from_secs(60)).await;
        let asks = (0..20).map(|_| befallen.ask());
        for (status, _, took) in futures::future::join_all(asks).await {
            assert_eq!(status, 200);
            assert!(took < LIMIT, "{store}: {took:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn without_the_person_there_is_no_evidence_and_what_they_dismissed_stays_away() {
    let stores = world().await;
    publish(&*stores.objects, uniform_model(&DOMAINS, 0.5), None).await;
    let user = pseudonymiser().pseudonym(&domain("knowledge"), &UserId::parse("ann").unwrap());
    let dismissal = crossfold_core::entities::history::Dismissal {
        user,
        by_domain: domain("knowledge"),
        domain: domain("auto"),
        item_id: ItemId::parse("i").unwrap(),
    };
    stores.events.dismiss(&dismissal).await.unwrap();
    let befallen = Befallen::new(&stores, vec!["people."]);
    befallen.befall(Fault::Denied);
    let (_, answer, _) = befallen.ask().await;
    assert_eq!(answer["personalised"], false);
    let shown = answer["items"].as_array().unwrap().iter();
    let shown: Vec<_> = shown.map(|item| (&item["domain"], &item["item_id"])).collect();
    assert_eq!(shown.len(), 3, "the item that was viewed is shown, for nobody knows: {shown:?}");
    assert!(!shown.contains(&(&json!("auto"), &json!("i"))), "{shown:?}");
    assert!(
        answer["items"].as_array().unwrap().iter().all(|item| item["reason"]["code"] != "history")
    );
}

#[tokio::test(start_paused = true)]
async fn by_outdated_definitions_nothing_crosses_domains() {
    let stores = world().await;
    publish(&*stores.objects, uniform_model(&DOMAINS, 0.5), None).await;
    let befallen = Befallen::new(&stores, vec!["records."]);
    let reasons = |answer: &Value| -> Vec<Value> {
        let items = answer["items"].as_array().unwrap().iter();
        items
            .filter(|item| item["domain"] == "auto")
            .map(|item| item["reason"]["code"].clone())
            .collect()
    };
    let (_, answer, _) = befallen.ask().await;
    assert_eq!(reasons(&answer), ["history", "history"]);
    befallen.befall(Fault::Before);
    sleep(Duration::from_secs(60)).await;
    let (_, answer, _) = befallen.ask().await;
    assert_eq!(reasons(&answer), ["popular", "popular"]);
}
