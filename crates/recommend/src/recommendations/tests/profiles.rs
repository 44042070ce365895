//! `GET /v1/users/{user}/profile`: what is told, to whom, and what it is done without.

use std::sync::Mutex;

use axum::http::StatusCode;
use crossfold_edge::caller::Scope;
use crossfold_storage::faults::{Fault, FaultPlan, faulty};

use super::presence::users_of_auto;
use super::*;

/// What a caller is answered.
async fn told(service: &Router, caller: Caller, path: &str, gpc: bool) -> (StatusCode, Value) {
    let mut request = Request::get(format!("/v1/users/{path}")).extension(caller);
    if gpc {
        request = request.header("sec-gpc", "1");
    }
    let response = service.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    let (status, headers) = (response.status(), response.headers().clone());
    assert_eq!(headers["cache-control"], "no-store");
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&bytes).unwrap())
}

/// The development caller's answer.
async fn profile_of(service: &Router, path: &str) -> Value {
    let (status, profile) = told(service, Caller::development(), path, false).await;
    assert_eq!(status, 200, "{profile}");
    profile
}

const ANN: &str = "ann/profile?domain=knowledge";

fn consent(from: &str, to: &str, purpose: Purpose, granted: bool) -> ConsentDecision {
    let granted_one = crossfold_testing::consent(&domain(from), &domain(to), purpose);
    ConsentDecision { granted, ..granted_one }
}

/// Changes what is stored of Ann.
async fn change_ann(stores: &Stores, change: impl FnOnce(&mut Person)) {
    let user = pseudonymiser().pseudonym(&domain("knowledge"), &UserId::parse("ann").unwrap());
    let stored = stores.people.get(&user.own()).await.unwrap().unwrap();
    let PeopleEntry::Person(mut person) = stored.entry else { panic!("a person") };
    change(&mut person);
    let (id, entry, expected) = (stored.id, PeopleEntry::Person(person), Some(stored.version));
    stores.people.commit(&[PeopleWrite { id, entry, expected }]).await.unwrap();
}

#[tokio::test]
async fn a_language_tag_that_is_none_is_refused() {
    let service = service(&world().await);
    let path = format!("{ANN}&locale={}", "z".repeat(36));
    let (status, problem) = told(&service, Caller::development(), &path, false).await;
    assert_eq!(status, 422, "{problem}");
}

#[tokio::test]
async fn a_profile_is_of_what_was_just_done_and_leaves_nothing_behind() {
    let stores = world().await;
    let service = service(&stores);
    let profile = profile_of(&service, ANN).await;
    assert_eq!(profile["degraded"], json!(["no_model"]));
    assert_eq!((&profile["personalised"], &profile["model"]), (&json!(true), &Value::Null));
    let of_knowledge = &profile["domains"][0];
    assert_eq!(of_knowledge["history"]["recent"][0]["title"], "i of knowledge");
    assert_eq!(of_knowledge["items"][0]["text"], "Turned to “i of knowledge”: 1 event");
    let chinese = profile_of(&service, &format!("{ANN}&locale=zh-CN")).await;
    assert_eq!(chinese["domains"][0]["items"][0]["text"], "关注过《i of knowledge》：1次行为");
    let user = pseudonymiser().pseudonym(&domain("knowledge"), &UserId::parse("ann").unwrap());
    stores.events.append(&view_of(&user, "new")).await.unwrap();
    let profile = profile_of(&service, "-/profile?domain=knowledge&user_id=ann").await;
    assert_eq!(profile["domains"][0]["history"]["events"], 2);
    assert_eq!(stores.activity.since(jiff::civil::Date::MIN).await.unwrap(), []);
    publish(&*stores.objects, uniform_model(&["auto"], 0.5), None).await;
    assert_eq!(profile_of(&service, ANN).await["degraded"], json!(["domain_not_in_model"]));
}

#[tokio::test]
async fn who_is_unknown_or_erased_or_refused_has_no_lines() {
    let stores = world().await;
    let service = service(&stores);
    let nothing = profile_of(&service, "nobody/profile?domain=knowledge").await;
    assert_eq!((&nothing["domains"], &nothing["expected"]), (&json!([]), &json!([])));
    assert_eq!(nothing["personalised"], false);
    change_ann(&stores, |person| {
        person.consents.record(consent("knowledge", "knowledge", Purpose::Recommendation, false));
    })
    .await;
    assert_eq!(profile_of(&service, ANN).await, nothing);
    change_ann(&stores, |person| person.consents = Vec::new().into()).await;
    assert_ne!(profile_of(&service, ANN).await, nothing);
    let user = pseudonymiser().pseudonym(&domain("knowledge"), &UserId::parse("ann").unwrap());
    crossfold_storage::erasure::erase(&stores, (&user, &domain("knowledge")), noon())
        .await
        .unwrap();
    assert_eq!(profile_of(&service, ANN).await, nothing);
}

#[tokio::test]
async fn means_are_told_with_the_persons_leave_alone() {
    let stores = world().await;
    let service = service(&stores);
    let declare = |person: &mut Person| {
        person.members[0].declared.insert("income_band".into(), "B".into());
    };
    change_ann(&stores, declare).await;
    assert!(!profile_of(&service, ANN).await.to_string().contains("income"));
    let financial =
        |granted| consent("knowledge", "knowledge", Purpose::FinancialProfiling, granted);
    change_ann(&stores, |person| person.consents.record(financial(true))).await;
    let with_leave = profile_of(&service, ANN).await;
    assert_eq!(with_leave["domains"][0]["spending"]["income"]["band"], "B");
    change_ann(&stores, |person| person.consents.record(financial(false))).await;
    assert!(!profile_of(&service, ANN).await.to_string().contains("income"));
}

#[tokio::test]
async fn only_who_may_read_users_of_the_domain_is_told() {
    let service = service(&world().await);
    let with = |of: &str, scope| Caller::with([domain(of)], [scope]);
    for (caller, path, code) in [
        (with("knowledge", Scope::RecommendationsRead), ANN, "scope_missing"),
        (with("auto", Scope::UsersRead), ANN, "domain_forbidden"),
        (Caller::development(), "ann/profile?domain=travel", "unknown_domain"),
        (Caller::development(), "ann/profile", "invalid_request"),
    ] {
        let (_, problem) = told(&service, caller, path, false).await;
        assert_eq!(problem["code"], code, "{path}");
    }
}

#[tokio::test]
async fn another_platform_shows_to_who_acts_for_it_and_with_the_persons_consent_alone() {
    let stores = world().await;
    let names = users_of_auto(&stores, &[9]).await;
    let service = service(&stores);
    let linked = names.last().unwrap().replace(' ', "%20");
    let path = format!("{linked}/profile?domain=auto");
    let stranger = profile_of(&service, "stranger/profile?domain=auto").await;
    assert_eq!(profile_of(&service, &path).await, stranger, "without a consent");
    let to_auto = consent("knowledge", "auto", Purpose::Recommendation, true);
    let user =
        pseudonymiser().pseudonym(&domain("auto"), &UserId::parse(names.last().unwrap()).unwrap());
    let found = crossfold_storage::person_lookup::find(&*stores.people, &user).await.unwrap();
    let crossfold_storage::person_lookup::Found::Person(mut found) = found else { panic!() };
    found.person.consents.record(to_auto);
    let (id, entry) = (found.id, PeopleEntry::Person(found.person));
    let write = PeopleWrite { id, entry, expected: Some(found.version) };
    stores.people.commit(&[write]).await.unwrap();
    let seen = profile_of(&service, &path).await;
    assert_eq!(seen["domains"][0]["domain"], "knowledge", "{seen}");
    let (_, private) = told(&service, Caller::development(), &path, true).await;
    assert_eq!(private["domains"], json!([]), "as Sec-GPC asks");
    let of_auto = Caller::with([domain("auto")], [Scope::UsersRead]);
    let (_, told) = told(&service, of_auto, &path, false).await;
    assert!(!told.to_string().contains("knowledge"), "{told}");
}

#[tokio::test(start_paused = true)]
async fn whatever_store_fails_a_profile_is_answered_in_time_and_says_what_is_missing() {
    let table: [(&str, &[&str]); 4] = [
        ("people.", &["no_profile"]),
        ("events.", &["no_history"]),
        ("catalogue.", &["no_catalogue"]),
        ("objects.", &["no_model"]),
    ];
    for (store, degraded) in table {
        let stores = world().await;
        publish(&*stores.objects, uniform_model(&DOMAINS, 0.5), None).await;
        let failing = Arc::new(Mutex::new(Fault::Hangs));
        let plan = FaultPlan::from_fn(move |call| {
            if call.method.starts_with(store) { *failing.lock().unwrap() } else { Fault::None }
        });
        let started = tokio::time::Instant::now();
        let machine =
            Machine { stopwatch: Stopwatch::from_fn(move || started.elapsed()), ..fixed_machine() };
        let state = RecommendState::new(faulty(stores, &plan), pseudonymiser(), machine);
        let service = complete(routes().with_state(state));
        let profile = profile_of(&service, ANN).await;
        assert_eq!(profile["degraded"], json!(degraded), "{store}");
        assert!(started.elapsed() <= Duration::from_secs(6), "{store}");
    }
}
