use crossfold_core::entities::activity::{Pushes, day_of};
use crossfold_core::entities::ids::UserId;
use crossfold_core::entities::push::PushOrder;
use crossfold_storage::faults::{Fault, FaultPlan};
use crossfold_storage::records;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::test_world::World;

/// A platform with a campaign after courses about cars, and two courses.
async fn world(plan: &FaultPlan) -> World {
    let world = World::new(plan);
    let definition = json!({
        "name": "Learn", "currency": "EUR",
        "event_types": {"complete": {"weight": 3}, "view": {"weight": 1}},
        "placements": {"after": {"limit": 2}},
        "campaigns": {"car": {
            "trigger": {"event_type": "complete", "filter": "\"cars\" in categories"},
            "placement": "after", "delay_minutes": 30,
            "audience": {"declared": {"plan": ["pro"]}}, "from": "2027-01-01T00:00:00Z"}},
    });
    world.ok("PUT", "/v1/domains/learn", definition).await;
    for (id, category) in [("buying", "cars"), ("cooking", "food")] {
        let path = format!("/v1/domains/learn/items/{id}");
        world.ok("PUT", &path, json!({"title": id, "categories": [category]})).await;
    }
    world.ok("PUT", "/v1/users/mei?domain=learn", json!({"declared": {"plan": "pro"}})).await;
    consent(&world, true).await;
    world
}

fn calm() -> FaultPlan {
    FaultPlan::from_fn(|_| Fault::None)
}

async fn consent(world: &World, granted: bool) {
    let contact = json!({"consents": [
        {"from": "learn", "to": "learn", "purpose": "contact", "granted": granted}]});
    world.ok("PUT", "/v1/users/mei/consents?domain=learn", contact).await;
}

fn event(id: &str, kind: &str, item: &str, at: &str) -> Value {
    json!({"event_id": id, "user_id": "mei", "type": kind, "item_id": item,
        "occurred_at": at})
}

async fn post(world: &World, events: Vec<Value>) -> Value {
    world.ok("POST", "/v1/events", json!({"domain": "learn", "events": events})).await
}

async fn ordered(world: &World) -> Vec<PushOrder> {
    let all = records::list::<PushOrder>(&*world.stores.records).await.unwrap();
    all.into_iter().map(|(_, order)| order).collect()
}

#[tokio::test]
async fn an_event_orders_what_it_triggers_once_however_often_it_comes() {
    let world = world(&calm()).await;
    let at = world.at(-60);
    for accepted in [1, 0] {
        let answer = post(&world, vec![event("e1", "complete", "buying", &at)]).await;
        assert_eq!((&answer["accepted"], &answer["rejected"]), (&json!(accepted), &json!([])));
    }
    let [order] = &ordered(&world).await[..] else { panic!() };
    assert_eq!((order.campaign.as_str(), order.event.event_id.as_str()), ("car", "e1"));
    assert_eq!(order.due_at.to_string(), world.at(29 * 60));
    // Whoever reads the store does not learn who it is; whoever has the keys does.
    let stored = serde_json::to_string(order).unwrap();
    assert!(!stored.contains("mei"), "{stored}");
    let opened = world.state().pseudonymiser.open(&order.sealed_user, order.push_id.as_str());
    assert_eq!(opened, UserId::parse("mei").ok());
}

#[tokio::test]
async fn what_triggers_nothing_orders_nothing() {
    let world = world(&calm()).await;
    let (now, old) = (world.at(0), world.at(-86_401));
    post(
        &world,
        vec![
            event("other-type", "view", "buying", &now),
            event("other-item", "complete", "cooking", &now),
            event("no-item", "complete", "gone", &now),
            event("history", "complete", "buying", &old),
        ],
    )
    .await;
    assert!(ordered(&world).await.is_empty());
    let before_it_began = json!({"campaigns": {"car": {"from": world.at(-10)}}});
    world.ok("PATCH", "/v1/domains/learn", before_it_began).await;
    post(&world, vec![event("before", "complete", "buying", &world.at(-11))]).await;
    assert!(ordered(&world).await.is_empty());
    for refused in [
        json!({"campaigns": {"car": {"paused": true}}}),
        json!({"campaigns": {"car": {"paused": null, "audience": {"declared": {"plan": ["team"]}}}}}),
    ] {
        world.ok("PATCH", "/v1/domains/learn", refused).await;
        post(&world, vec![event("e", "complete", "buying", &now)]).await;
        assert!(ordered(&world).await.is_empty());
    }
    world.ok("PATCH", "/v1/domains/learn", json!({"campaigns": {"car": {"audience": null}}})).await;
    consent(&world, false).await;
    post(&world, vec![event("f", "complete", "buying", &now)]).await;
    assert!(ordered(&world).await.is_empty());
    consent(&world, true).await;
    post(&world, vec![event("f", "complete", "buying", &now)]).await;
    assert_eq!(ordered(&world).await.len(), 1);
}

#[tokio::test]
async fn an_event_whose_push_could_not_be_ordered_is_sent_again_and_ordered_then() {
    for failing in ["records.create", "people.get"] {
        let down = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
        let is_down = down.clone();
        let plan = FaultPlan::from_fn(move |call| {
            let fails =
                call.method == failing && is_down.load(std::sync::atomic::Ordering::Relaxed);
            if fails { Fault::Before } else { Fault::None }
        });
        let world = world(&plan).await;
        down.store(true, std::sync::atomic::Ordering::Relaxed);
        let batch = vec![
            event("e1", "complete", "buying", &world.at(0)),
            event("e2", "view", "buying", &world.at(0)),
        ];
        let answer = post(&world, batch.clone()).await;
        assert_eq!(answer["accepted"], 1, "{failing}: {answer}");
        assert_eq!(answer["rejected"][0]["code"], "store_unavailable");
        down.store(false, std::sync::atomic::Ordering::Relaxed);
        let answer = post(&world, batch).await;
        assert_eq!((&answer["duplicates"], &answer["rejected"]), (&json!(2), &json!([])));
        assert_eq!(ordered(&world).await.len(), 1, "{failing}");
    }
}

#[tokio::test]
async fn what_a_duplicate_triggers_goes_by_what_is_stored() {
    let world = world(&calm()).await;
    let at = world.at(-60);
    post(&world, vec![event("e1", "view", "buying", &at)]).await;
    // Told again as something else, nothing was done.
    let answer = post(&world, vec![event("e1", "complete", "buying", &world.at(0))]).await;
    assert_eq!(answer["duplicates"], 1, "{answer}");
    assert!(ordered(&world).await.is_empty());
    // Without a time, it comes with another each time, and is one.
    for seconds in [1, 5] {
        world.pass(seconds);
        post(&world, vec![event("e2", "complete", "buying", &world.at(0))]).await;
    }
    assert_eq!(ordered(&world).await.len(), 1);
}

#[tokio::test]
async fn many_events_of_one_user_are_ordered_in_few_calls() {
    let calls = std::sync::Arc::new(std::sync::atomic::AtomicU64::new(0));
    let counted = calls.clone();
    let plan = FaultPlan::from_fn(move |call| {
        let is_of_it = ["people.get", "catalogue.get", "records.get", "records.replace"];
        let is_of_it = is_of_it.contains(&call.method) || call.method == "records.create";
        counted.fetch_add(u64::from(is_of_it), std::sync::atomic::Ordering::Relaxed);
        Fault::None
    });
    let world = world(&plan).await;
    let events = (0..500)
        .map(|number| event(&format!("e{number}"), "complete", "buying", &world.at(-number)));
    calls.store(0, std::sync::atomic::Ordering::Relaxed);
    let answer = post(&world, events.collect()).await;
    assert_eq!((&answer["accepted"], &answer["rejected"]), (&json!(500), &json!([])));
    assert_eq!(ordered(&world).await.len(), 20);
    // What is not ordered is told of where all that comes to nothing is.
    world.state.activity.write().await;
    let activity = world.stores.activity.since(day_of(Timestamp::UNIX_EPOCH)).await.unwrap();
    let not_told = [("too_many_waiting".to_owned(), 480)].into();
    assert_eq!(activity[0].activity.pushes, Pushes { told: 0, not_told });
    let calls = calls.load(std::sync::atomic::Ordering::Relaxed);
    assert!(calls < 60, "{calls} calls");
}

#[tokio::test]
async fn an_event_is_taken_though_what_it_triggers_can_never_be_ordered() {
    let world = world(&calm()).await;
    let user = world.state().pseudonym(&"learn".parse().unwrap(), "mei").unwrap();
    world.stores.records.put("push-log", user.as_str(), "{}".into()).await.unwrap();
    let answer = post(&world, vec![event("e1", "complete", "buying", &world.at(0))]).await;
    assert_eq!((&answer["accepted"], &answer["rejected"]), (&json!(1), &json!([])));
}

#[tokio::test]
async fn who_consents_to_be_contacted_does_so_by_one_platform_for_itself() {
    let world = world(&calm()).await;
    let elsewhere = json!({"consents": [
        {"from": "learn", "to": "auto", "purpose": "contact", "granted": true}]});
    let path = "/v1/users/mei/consents?domain=learn";
    let (status, problem) = world.call("PUT", path, &elsewhere).await;
    assert!(status == 422 && problem["detail"].as_str().unwrap().contains("contact"), "{problem}");
}

#[tokio::test]
async fn a_campaign_that_cannot_work_is_refused_with_its_place() {
    let world = world(&calm()).await;
    for (why, wrong) in [
        ("campaigns.car.trigger.event_type", json!({"trigger": {"event_type": "buy"}})),
        ("campaigns.car.trigger.filter: line 1", json!({"trigger": {"filter": "prize < 1"}})),
        ("campaigns.car.placement", json!({"placement": "nowhere"})),
        ("audience.declared cannot name", json!({"audience": {"declared": {"gender": ["f"]}}})),
        ("frequency cap", json!({"frequency_cap": {"times": 99, "days": 1}})),
    ] {
        let patch = json!({"campaigns": {"car": wrong}});
        let (status, problem) = world.call("PATCH", "/v1/domains/learn", &patch).await;
        assert_eq!(status, 422, "{problem}");
        assert!(problem["detail"].as_str().unwrap().contains(why), "{problem}");
    }
    let hours = json!({"contact": {"quiet_hours": {"from": "21:00", "until": "8", "zone": "UTC"}}});
    let (status, problem) = world.call("PATCH", "/v1/domains/learn", &hours).await;
    assert!(status == 422 && problem["detail"].as_str().unwrap().contains("quiet_hours"));
    // What a placement is shown by cannot go alone.
    let gone = json!({"placements": {"after": null}});
    assert_eq!(world.call("PATCH", "/v1/domains/learn", &gone).await.0, 422);
}
