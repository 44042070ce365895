use std::collections::BTreeMap;
use std::sync::Arc;

use crossfold_core::entities::contact::FrequencyCap;
use crossfold_core::entities::event::Event;
use crossfold_core::entities::ids::{CampaignId, DomainId, EventId, EventType, ItemId, UserId};
use crossfold_core::entities::pseudonym::Pseudonymiser;
use crossfold_core::entities::push::{Caps, Claim, MAX_WAITING, PushId};
use futures::FutureExt;
use jiff::SignedDuration;

use super::*;
use crate::faults::{Fault, FaultPlan, faulty};
use crate::memory;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn order_of(user: &str, event: &str, due: i64) -> PushOrder {
    let event = Event {
        event_id: EventId::parse(event).unwrap(),
        user: Pseudonym::parse(user).unwrap(),
        domain: DomainId::parse("learn").unwrap(),
        event_type: EventType::parse("complete").unwrap(),
        item_id: ItemId::parse("i").unwrap(),
        occurred_at: at(0),
        received_at: at(1),
        domain_life: 0,
        value: None,
        dwell_seconds: None,
    };
    let campaign = CampaignId::parse("c").unwrap();
    let keys = BTreeMap::from([(1, vec![7; 32].into_boxed_slice())]);
    let keys = Pseudonymiser::new("t", 1, keys).unwrap();
    let push_id = PushId::of(&campaign, &event);
    PushOrder {
        sealed_user: keys.seal(&UserId::parse("mei").unwrap(), push_id.as_str()),
        push_id,
        user: event.user.clone(),
        domain: event.domain.clone(),
        domain_life: 0,
        campaign,
        event: (&event).into(),
        due_at: at(due),
        first_due_at: at(due),
        failures: 0,
    }
}

fn store() -> Arc<dyn RecordStore> {
    memory::stores().records
}

async fn events_due(store: &dyn RecordStore, now: i64) -> Vec<String> {
    let due = due(store, at(now), 9).await.unwrap();
    due.into_iter().map(|(_, order)| order.event.event_id.to_string()).collect()
}

#[tokio::test]
async fn what_is_due_comes_in_order_and_what_is_ordered_again_is_there_once() {
    let store = store();
    for (event, due) in [("late", 90), ("early", 10), ("late", 90), ("middle", 50)] {
        order(&*store, &order_of("v1_u", event, due)).await.unwrap().unwrap();
    }
    assert_eq!(events_due(&*store, 60).await, ["early", "middle"]);
    assert_eq!(events_due(&*store, 9).await, [""; 0]);
    let (id, early) = due(&*store, at(60), 1).await.unwrap().remove(0);
    let later = early.put_off(at(70));
    put_off(&*store, (&id, &later)).await.unwrap();
    assert_eq!(events_due(&*store, 60).await, ["middle"]);
    assert_eq!(events_due(&*store, 90).await, ["middle", "early", "late"]);
    settle(&*store, (&later.id(), &later), at(70)).await.unwrap();
    assert_eq!(events_due(&*store, 90).await, ["middle", "late"]);
    let again = order(&*store, &order_of("v1_u", "early", 10)).await.unwrap();
    assert_eq!(again, Err(NotOrdered::Settled));
    assert_eq!(events_due(&*store, 90).await, ["middle", "late"]);
}

#[tokio::test]
async fn an_erased_user_has_no_order_and_no_log_and_others_keep_theirs() {
    let store = store();
    for number in 0..MAX_WAITING {
        let ordered = order(&*store, &order_of("v1_u", &format!("e{number}"), 10)).await.unwrap();
        assert_eq!(ordered, Ok(()));
    }
    let many = order(&*store, &order_of("v1_u", "more", 10)).await.unwrap();
    assert_eq!(many, Err(NotOrdered::TooMany));
    order(&*store, &order_of("v1_v", "e", 10)).await.unwrap().unwrap();
    let user = Pseudonym::parse("v1_u").unwrap();
    assert_eq!(erase(&*store, &user).await.unwrap(), MAX_WAITING as u64 + 1);
    assert_eq!(erase(&*store, &user).await.unwrap(), 0);
    assert_eq!(events_due(&*store, 10).await, ["e"]);
    let logs = store.list(PushLog::KIND).await.unwrap();
    assert_eq!(logs.iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>(), ["v1_v"]);
}

#[tokio::test]
async fn what_is_under_way_while_a_user_is_erased_leaves_nothing() {
    let store = store();
    let (first, second) = (order_of("v1_u", "e1", 10), order_of("v1_u", "e2", 10));
    order(&*store, &first).await.unwrap().unwrap();
    order(&*store, &second).await.unwrap().unwrap();
    erase(&*store, &first.user).await.unwrap();
    let later = first.clone().put_off(at(70));
    put_off(&*store, (&first.id(), &later)).await.unwrap();
    settle(&*store, (&second.id(), &second), at(10)).await.unwrap();
    assert_eq!(change_log(&*store, &first.user, |_| ()).await.unwrap(), None);
    assert!(store.list(PushOrder::KIND).await.unwrap().is_empty());
    assert!(store.list(PushLog::KIND).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_user_who_is_erased_between_log_and_order_has_no_order() {
    let stores = memory::stores();
    let erased = stores.records.clone();
    // At the very instant at which the order is recorded.
    let plan = FaultPlan::from_fn(move |call| {
        if call.method == "records.create" && call.key.contains('#') {
            let user = Pseudonym::parse("v1_u").unwrap();
            // Stores in memory never wait.
            erase(&*erased, &user).now_or_never().unwrap().unwrap();
        }
        Fault::None
    });
    let watched = faulty(stores.clone(), &plan).records;
    order(&*watched, &order_of("v1_u", "e1", 10)).await.unwrap().unwrap();
    assert!(stores.records.list(PushOrder::KIND).await.unwrap().is_empty());
}

#[tokio::test]
async fn an_order_that_cannot_be_read_keeps_nobody_waiting() {
    let store = store();
    store.put(PushOrder::KIND, "1970-01-01T00:00:01Z#x", "{}".into()).await.unwrap();
    order(&*store, &order_of("v1_u", "e", 10)).await.unwrap().unwrap();
    assert_eq!(events_due(&*store, 10).await, ["e"]);
    assert_eq!(store.list(PushOrder::KIND).await.unwrap().len(), 1);
}

#[tokio::test]
async fn logs_that_no_bound_needs_are_forgotten() {
    let store = store();
    for user in ["v1_a", "v1_b", "v1_c"] {
        let told = order_of(user, "e", 10);
        order(&*store, &told).await.unwrap().unwrap();
        if user == "v1_b" {
            let caps = Caps { of_all: FrequencyCap::default(), of_campaign: None };
            let claim = |log: &mut PushLog| log.claim(&told, caps, at(10));
            let claim = change_log(&*store, &told.user, claim).await.unwrap();
            assert_eq!(claim, Some(Claim::New));
        }
        if user != "v1_c" {
            settle(&*store, (&told.id(), &told), at(10)).await.unwrap();
        }
    }
    let after = |days: i64| at(11) + SignedDuration::from_hours(24 * days);
    assert_eq!(forget_old(&*store, after(1)).await.unwrap(), 0);
    // Nobody was told; and an order that was never recorded waits for ever.
    assert_eq!(forget_old(&*store, after(5)).await.unwrap(), 2);
    assert_eq!(forget_old(&*store, after(29)).await.unwrap(), 0);
    assert_eq!(forget_old(&*store, after(30)).await.unwrap(), 1);
    assert!(store.list(PushLog::KIND).await.unwrap().is_empty());
}

#[tokio::test]
async fn of_many_who_change_a_log_at_once_each_is_in_it() {
    let store = store();
    let orders = (0..6).map(|number| {
        let store = store.clone();
        tokio::spawn(async move {
            order(&*store, &order_of("v1_u", &format!("e{number}"), 10)).await.unwrap()
        })
    });
    for ordered in futures::future::join_all(orders).await {
        assert_eq!(ordered.unwrap(), Ok(()));
    }
    let user = Pseudonym::parse("v1_u").unwrap();
    let log = records::get::<PushLog>(&*store, &PushLogId::of(&user)).await.unwrap().unwrap();
    assert_eq!((log.waiting.len(), events_due(&*store, 10).await.len()), (6, 6));
}
