//! What is answered is what was logged, whatever could not be read.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use axum::http::Request;
use crossfold_core::entities::catalogue::{ChangeNumber, Item};
use crossfold_core::entities::clock::{Clock, Stopwatch};
use crossfold_core::entities::consent::ConsentDecision;
use crossfold_core::entities::decision::{Decision, Outcome, SlateEntry};
use crossfold_core::entities::dice::Dice;
use crossfold_core::entities::event::Event;
use crossfold_core::entities::ids::{
    DomainId, EventId, EventType, ItemId, Pseudonym, RecommendationId, UserId,
};
use crossfold_core::entities::machine::Machine;
use crossfold_core::entities::people::{PeopleEntry, PeopleWrite, Person};
use crossfold_core::entities::ports::{
    Appended, CatalogueStore, DecisionStore, Logged, Page, StoreError, StoreResult, Stores,
};
use crossfold_core::entities::pseudonym::Pseudonymiser;
use crossfold_core::entities::purpose::Purpose;
use crossfold_core::entities::unique_id::{Ids, UniqueId};
use crossfold_edge::caller::Caller;
use crossfold_edge::router::complete;
use crossfold_storage::{memory, records};
use crossfold_testing::definition;
use http_body_util::BodyExt;
use jiff::Timestamp;
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::test_models::{publish, uniform_model};
use crate::{RecommendState, routes};

mod batches;
mod deadlines;
mod experiments;
mod filters;
mod long_histories;
mod new_items;
mod offers;
mod pages;
mod placements;
mod preferences;
mod presence;
mod profiles;
mod replays;
mod served;
mod similar_items;
mod warming;
mod words;

const DOMAINS: [&str; 2] = ["auto", "knowledge"];

fn domain(name: &str) -> DomainId {
    DomainId::parse(name).unwrap()
}

fn pseudonymiser() -> Pseudonymiser {
    Pseudonymiser::new("t", 1, BTreeMap::from([(1, vec![7; 32].into())])).unwrap()
}

fn noon() -> Timestamp {
    Timestamp::from_second(1_000_000).unwrap()
}

/// Ids count from 1, dice always show 42, and it is always noon.
fn fixed_machine() -> Machine {
    let next = AtomicU64::new(1);
    Machine {
        clock: Clock::from_fn(noon),
        stopwatch: Stopwatch::from_fn(|| Duration::ZERO),
        ids: Ids::from_fn(move || UniqueId::from_u128(next.fetch_add(1, Ordering::Relaxed).into())),
        dice: Dice::from_fn(|| 42),
    }
}

fn item(domain: &DomainId, name: &str) -> Item {
    let title = format!("{name} of {domain}");
    Item {
        domain: domain.clone(),
        item_id: ItemId::parse(name).unwrap(),
        details: Some(serde_json::from_value(json!({ "title": title })).unwrap()),
        updated_at: noon(),
        change: ChangeNumber::default(),
    }
}

/// Two domains with two items each, and a user of `knowledge` who viewed `i` there
/// and lets `auto` know.
async fn world() -> Stores {
    let stores = memory::stores();
    for name in DOMAINS.map(domain) {
        records::put(&*stores.records, &name, &definition()).await.unwrap();
        for id in ["i", "new"] {
            stores.catalogue.put(&item(&name, id)).await.unwrap();
        }
    }
    let knowledge = domain("knowledge");
    let user = pseudonymiser().pseudonym(&knowledge, &UserId::parse("ann").unwrap());
    let mut person = Person::of_one(user.clone(), knowledge.clone());
    person.consents.record(ConsentDecision {
        from: knowledge.clone(),
        to: domain("auto"),
        purpose: Purpose::Recommendation,
        granted: true,
        decided_at: noon(),
        expires_at: None,
        evidence: None,
    });
    let write =
        PeopleWrite { id: user.clone(), entry: PeopleEntry::Person(person), expected: None };
    stores.people.commit(&[write]).await.unwrap();
    stores.events.append(&view_of(&user, "i")).await.unwrap();
    stores
}

fn view_of(user: &Pseudonym, item: &str) -> Event {
    Event {
        event_id: EventId::parse(&format!("view of {item}")).unwrap(),
        user: user.clone(),
        domain: domain("knowledge"),
        event_type: EventType::parse("view").unwrap(),
        item_id: ItemId::parse(item).unwrap(),
        occurred_at: noon(),
        received_at: noon(),
        domain_life: 0,
        value: None,
        dwell_seconds: None,
    }
}

fn service(stores: &Stores) -> Router {
    let state = RecommendState::new(stores.clone(), pseudonymiser(), fixed_machine());
    complete(routes().with_state(state.without_delay()))
}

/// The answer to a request of the development caller for Ann.
async fn answer(service: &Router, more: Value) -> Value {
    let mut body = json!({ "user_id": "ann", "domain": "knowledge" });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let request = Request::post("/v1/recommendations")
        .header("content-type", "application/json")
        .extension(Caller::development())
        .body(Body::from(body.to_string()))
        .unwrap();
    let response = service.clone().oneshot(request).await.unwrap();
    assert_eq!(response.status(), 200);
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    serde_json::from_slice(&bytes).unwrap()
}

async fn logged(stores: &Stores, answer: &Value) -> Decision {
    let id = RecommendationId::parse(answer["recommendation_id"].as_str().unwrap()).unwrap();
    stores.decisions.get(&id).await.unwrap().unwrap()
}

/// Whether a record says what an answer showed.
fn says(record: &Decision, answer: &Value) -> bool {
    let shown = answer["items"].as_array().unwrap();
    let same = |(entry, item): (&SlateEntry, &Value)| {
        // Through text, as both were written: a score is an f32.
        let entry: Value = serde_json::from_str(&serde_json::to_string(entry).unwrap()).unwrap();
        ["domain", "item_id", "score", "propensity"].iter().all(|key| entry[key] == item[key])
    };
    record.slate.len() == shown.len()
        && record.slate.iter().zip(shown).all(same)
        && json!(record.degraded) == answer["degraded"]
        && json!(record.model) == answer["model"]
        && json!(record.personalised) == answer["personalised"]
}

#[tokio::test]
async fn the_same_inputs_ids_and_dice_give_the_same_answer_and_record() {
    let stores = world().await;
    publish(&*stores.objects, uniform_model(&DOMAINS, 0.5), None).await;
    let body = || json!({ "target_domains": DOMAINS, "placement": "checkout" });
    let first = answer(&service(&stores), body()).await;
    let record = logged(&stores, &first).await;
    assert!(says(&record, &first), "{record:?} {first}");
    assert_eq!(record.recommendation_id.as_str(), "00000000-0000-0000-0000-000000000001");
    assert_eq!((record.seed, record.decided_at), (42, noon()));
    assert_eq!(record.policy, "als-fold-in/5");
    assert_eq!(record.placement.as_ref().unwrap().as_str(), "checkout");
    assert!(record.personalised);
    // Another process, with the same ids and dice.
    assert_eq!(answer(&service(&stores), body()).await, first);
    assert_eq!(logged(&stores, &first).await, record);
}

#[tokio::test]
async fn empty_and_degraded_slates_are_logged_as_they_were_served() {
    let stores = world().await;
    let service = service(&stores);
    let exclude = ["i", "new"].map(|item| json!({ "domain": "knowledge", "item_id": item }));
    let empty = answer(&service, json!({ "exclude": exclude })).await;
    assert_eq!(empty["items"], json!([]));
    assert_eq!(empty["degraded"], json!(["no_model"]));
    assert!(says(&logged(&stores, &empty).await, &empty));
    let full = answer(&service, json!({ "target_domains": ["auto"] })).await;
    assert_eq!(full["items"].as_array().unwrap().len(), 2);
    assert!(says(&logged(&stores, &full).await, &full));
    assert_ne!(full["recommendation_id"], empty["recommendation_id"]);
}

#[tokio::test]
async fn a_target_that_the_model_does_not_know_is_served_newest_first_and_says_so() {
    let stores = world().await;
    publish(&*stores.objects, uniform_model(&["auto"], 0.5), None).await;
    for (id, second) in [("a", 3), ("b", 5), ("c", 4)] {
        let mut newer = item(&domain("knowledge"), id);
        newer.updated_at = noon() + jiff::SignedDuration::from_secs(second);
        stores.catalogue.put(&newer).await.unwrap();
    }
    let answered = answer(&service(&stores), json!({ "limit": 3 })).await;
    assert_eq!(answered["degraded"], json!(["domain_not_in_model"]));
    assert_eq!(answered["personalised"], false);
    let shown = answered["items"].as_array().unwrap().iter();
    let shown: Vec<&str> = shown.map(|item| item["item_id"].as_str().unwrap()).collect();
    assert_eq!(shown, ["b", "c", "a"]);
    assert_eq!(answered["items"][0]["reason"]["code"], "new");
}

/// Fails to log decisions, and to read some catalogues.
struct Failing {
    stores: Stores,
    catalogue_of: Option<DomainId>,
    logs: AtomicBool,
}

#[async_trait]
impl DecisionStore for Failing {
    async fn record(&self, decision: &Decision) -> StoreResult<()> {
        if self.logs.load(Ordering::Relaxed) {
            return self.stores.decisions.record(decision).await;
        }
        Err(StoreError::Refused("full".into()))
    }

    async fn get(&self, id: &RecommendationId) -> StoreResult<Option<Decision>> {
        self.stores.decisions.get(id).await
    }

    async fn append_outcome(&self, outcome: &Outcome) -> StoreResult<Appended> {
        self.stores.decisions.append_outcome(outcome).await
    }

    async fn outcomes(&self, id: &RecommendationId) -> StoreResult<Vec<Outcome>> {
        self.stores.decisions.outcomes(id).await
    }

    async fn logged_of(
        &self,
        users: &BTreeSet<Pseudonym>,
        after: Option<String>,
    ) -> StoreResult<Page<Logged>> {
        self.stores.decisions.logged_of(users, after).await
    }

    async fn logged_users(&self, after: Option<String>) -> StoreResult<Page<Pseudonym>> {
        self.stores.decisions.logged_users(after).await
    }

    async fn delete(&self, logged: &[Logged]) -> StoreResult<()> {
        self.stores.decisions.delete(logged).await
    }
}

#[async_trait]
impl CatalogueStore for Failing {
    async fn put_all(&self, domain: &DomainId, items: &[Item]) -> StoreResult<ChangeNumber> {
        self.stores.catalogue.put_all(domain, items).await
    }

    async fn create_all(&self, domain: &DomainId, items: &[Item]) -> StoreResult<Vec<Appended>> {
        self.stores.catalogue.create_all(domain, items).await
    }

    async fn get(&self, domain: &DomainId, item: &ItemId) -> StoreResult<Option<Item>> {
        self.stores.catalogue.get(domain, item).await
    }

    async fn list(&self, domain: &DomainId) -> StoreResult<Vec<Item>> {
        if self.catalogue_of.as_ref() == Some(domain) {
            return Err(StoreError::Refused("not now".into()));
        }
        self.stores.catalogue.list(domain).await
    }

    async fn changes(&self, domain: &DomainId, since: ChangeNumber) -> StoreResult<Vec<Item>> {
        self.stores.catalogue.changes(domain, since).await
    }
}

#[tokio::test]
async fn a_slate_that_cannot_be_logged_is_served_and_says_so() {
    let stores = world().await;
    let failing =
        Arc::new(Failing { stores: stores.clone(), catalogue_of: None, logs: false.into() });
    let unlogged = Stores { decisions: failing.clone(), ..stores.clone() };
    let service = service(&unlogged);
    let answered = answer(&service, json!({})).await;
    assert_eq!(answered["degraded"], json!(["no_model", "not_logged"]));
    failing.logs.store(true, Ordering::Relaxed);
    let answered = answer(&service, json!({})).await;
    assert_eq!(answered["degraded"], json!(["no_model"]));
    assert!(says(&logged(&stores, &answered).await, &answered));
}

#[tokio::test]
async fn evidence_of_any_domain_the_caller_acts_for_is_named_by_its_title() {
    let stores = world().await;
    publish(&*stores.objects, uniform_model(&DOMAINS, 0.5), None).await;
    // `knowledge` is where it is shown, and not a target.
    let body = || json!({ "target_domains": ["auto"] });
    let named = answer(&service(&stores), body()).await;
    assert_eq!(named["items"][0]["reason"]["text"], "Because of “i of knowledge”");
    assert_eq!(named["degraded"], json!([]));

    let failing = Arc::new(Failing {
        stores: stores.clone(),
        catalogue_of: Some(domain("knowledge")),
        logs: true.into(),
    });
    let untitled = Stores { catalogue: failing, ..stores.clone() };
    let unnamed = answer(&service(&untitled), body()).await;
    assert_eq!(unnamed["items"][0]["reason"]["text"], "Because of what you did on Knowledge");
    assert_eq!(unnamed["degraded"], json!(["no_titles"]));
    assert_eq!(unnamed["items"][0]["score"], named["items"][0]["score"]);
}

#[tokio::test]
async fn a_dry_run_is_the_slate_that_would_be_served_and_is_neither_logged_nor_counted() {
    let stores = world().await;
    publish(&*stores.objects, uniform_model(&DOMAINS, 0.5), None).await;
    let service = service(&stores);
    let body = json!({ "target_domains": ["auto"], "dry_run": true, "inspect": true });
    let dry = answer(&service, body).await;
    assert_eq!(dry["dry_run"], true);
    let id = RecommendationId::parse(dry["recommendation_id"].as_str().unwrap()).unwrap();
    assert_eq!(stores.decisions.get(&id).await.unwrap(), None);
    assert_eq!(stores.activity.since(jiff::civil::Date::MIN).await.unwrap(), []);

    let served = answer(&service, json!({ "target_domains": ["auto"] })).await;
    assert_eq!(served.get("dry_run"), None);
    assert_eq!(served["items"][0]["score"], dry["items"][0]["score"]);
    let made_up = &dry["items"][0]["contributions"];
    assert_eq!(made_up["parts"][0]["title"], "i of knowledge");
    assert!(made_up["rest"].as_f64().unwrap().abs() < 1e-6, "{made_up}");
    assert_eq!(served["items"][0].get("contributions"), None);
    let counted = stores.activity.since(jiff::civil::Date::MIN).await.unwrap();
    let [day] = &counted[..] else { panic!("{counted:?}") };
    assert_eq!(day.domain, domain("knowledge"), "where it was shown");
    let personalised = u64::from(served["personalised"] == true);
    let slates = &day.activity.slates;
    assert_eq!((slates.served, slates.personalised), (1, personalised));
}

#[tokio::test]
async fn a_dry_run_without_a_consent_is_what_the_person_would_see_had_they_refused() {
    let stores = world().await;
    publish(&*stores.objects, uniform_model(&DOMAINS, 0.5), None).await;
    let service = service(&stores);
    let without = json!([{ "from": "knowledge", "to": "auto" }]);
    let body = json!({ "target_domains": ["auto"], "dry_run": true, "without_consents": without });
    let narrowed = answer(&service, body).await;
    assert_eq!(narrowed["items"][0]["reason"]["code"], "popular");
    assert_eq!(narrowed["personalised"], false);
    // The person refused nothing.
    let served = answer(&service, json!({ "target_domains": ["auto"] })).await;
    assert_eq!(served["items"][0]["reason"]["code"], "history");
}
