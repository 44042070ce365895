use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crossfold_core::entities::event::Event;
use crossfold_core::entities::ids::{DomainId, UserId};
use crossfold_core::entities::ports::Stores;
use crossfold_core::entities::pseudonym::Pseudonymiser;
use crossfold_core::entities::push::MAX_WAITING;
use crossfold_testing::{at, event_id, push_order};
use futures::FutureExt;
use jiff::SignedDuration;

use super::*;
use crate::faults::{Fault, FaultPlan, faulty};
use crate::memory;

fn order_of(user: &str, event: &str, due: i64) -> PushOrder {
    let done = Event {
        event_id: event_id(event),
        user: Pseudonym::parse(user).unwrap(),
        domain: DomainId::parse("learn").unwrap(),
        ..crossfold_testing::event()
    };
    PushOrder { due_at: at(due), first_due_at: at(due), ..push_order("c", "mei", &done) }
}

fn store() -> Arc<dyn RecordStore> {
    memory::stores().records
}

/// Orders a push, as of its own instant.
async fn order(store: &dyn RecordStore, order: &PushOrder) -> Option<NotOrdered> {
    order_by(store, order, at(0)).await
}

async fn order_by(
    store: &dyn RecordStore,
    order: &PushOrder,
    now: Timestamp,
) -> Option<NotOrdered> {
    let user = order.user.clone();
    let ordered = order_all(store, &user, vec![order.clone()], now).await.unwrap();
    ordered.into_iter().next().flatten()
}

async fn settled(store: &dyn RecordStore, order: &PushOrder, told: bool, now: i64) {
    settle(store, &order.user, (&order.id(), order), (told, at(now))).await.unwrap();
}

async fn events_due(store: &dyn RecordStore, now: i64) -> Vec<String> {
    let due = due(store, (None, at(now)), 99).await.unwrap();
    due.orders.into_iter().map(|(_, order)| order.event.event_id.to_string()).collect()
}

async fn ids(store: &dyn RecordStore, kind: &'static str) -> Vec<String> {
    store.list(kind).await.unwrap().into_iter().map(|(id, _)| id).collect()
}

#[tokio::test]
async fn what_is_due_comes_in_order_and_what_is_ordered_again_is_there_once() {
    let store = store();
    for (event, due) in [("late", 90), ("early", 10), ("late", 90), ("middle", 50), ("early", 11)] {
        assert_eq!(order(&*store, &order_of("v1_u", event, due)).await, None);
    }
    assert_eq!(events_due(&*store, 60).await, ["early", "middle"]);
    assert_eq!(events_due(&*store, 9).await, [""; 0]);
    let early = order_of("v1_u", "early", 10);
    let later = early.clone().put_off(at(70));
    put_off(&*store, &early.user, (&early.id(), &later)).await.unwrap();
    assert_eq!(events_due(&*store, 60).await, ["middle"]);
    assert_eq!(events_due(&*store, 90).await, ["middle", "early", "late"]);
    // Put off, it is known when it comes again.
    assert_eq!(order(&*store, &early).await, None);
    assert_eq!(events_due(&*store, 90).await, ["middle", "early", "late"]);
    settled(&*store, &later, true, 70).await;
    assert_eq!(events_due(&*store, 90).await, ["middle", "late"]);
    assert_eq!(order(&*store, &early).await, Some(NotOrdered::Settled));
    assert_eq!(events_due(&*store, 90).await, ["middle", "late"]);
}

#[tokio::test]
async fn all_that_is_due_is_found_page_by_page() {
    let store = store();
    for number in 0..7 {
        order(&*store, &order_of("v1_u", &format!("e{number}"), number)).await;
    }
    let (mut found, mut after) = (Vec::new(), None::<String>);
    loop {
        let page = due(&*store, (after.as_deref(), at(5)), 2).await.unwrap();
        found.extend(page.orders.into_iter().map(|(_, order)| order.event.event_id.to_string()));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(found, ["e0", "e1", "e2", "e3", "e4", "e5"]);
}

#[tokio::test]
async fn an_erased_user_has_no_order_and_no_log_and_others_keep_theirs() {
    let store = store();
    for number in 0..MAX_WAITING {
        assert_eq!(order(&*store, &order_of("v1_u", &format!("e{number}"), 10)).await, None);
    }
    let many = order(&*store, &order_of("v1_u", "more", 10)).await;
    assert_eq!(many, Some(NotOrdered::TooMany));
    order(&*store, &order_of("v1_v", "e", 10)).await;
    let user = Pseudonym::parse("v1_u").unwrap();
    assert_eq!(erase(&*store, &user).await.unwrap(), MAX_WAITING as u64 + 1);
    assert_eq!(erase(&*store, &user).await.unwrap(), 0);
    assert_eq!(events_due(&*store, 10).await, ["e"]);
    assert_eq!(ids(&*store, PushLog::KIND).await, ["v1_v"]);
}

#[tokio::test]
async fn what_is_under_way_while_a_user_is_erased_leaves_nothing() {
    let store = store();
    let (first, second) = (order_of("v1_u", "e1", 10), order_of("v1_u", "e2", 10));
    order(&*store, &first).await;
    order(&*store, &second).await;
    erase(&*store, &first.user).await.unwrap();
    let later = first.clone().put_off(at(70));
    put_off(&*store, &first.user, (&first.id(), &later)).await.unwrap();
    settled(&*store, &second, false, 10).await;
    assert_eq!(change_log(&*store, &first.user, |_| ()).await.unwrap(), None);
    assert!(ids(&*store, PushOrder::KIND).await.is_empty());
    assert!(ids(&*store, PushLog::KIND).await.is_empty());
}

/// Stores in which one user is erased, wholly, at a call of whatever is done, the first being
/// number 0.
fn erasing_at(number: u64) -> (Stores, Arc<dyn RecordStore>) {
    let (stores, calls) = (memory::stores(), AtomicU64::new(0));
    let erased = stores.records.clone();
    let plan = FaultPlan::from_fn(move |_| {
        if calls.fetch_add(1, Ordering::Relaxed) == number {
            let user = Pseudonym::parse("v1_u").unwrap();
            // Stores in memory never wait.
            erase(&*erased, &user).now_or_never().unwrap().unwrap();
        }
        Fault::None
    });
    let watched = faulty(stores.clone(), &plan).records;
    (stores, watched)
}

#[tokio::test]
async fn at_whatever_moment_a_user_is_erased_no_order_of_theirs_is_left_without_a_log() {
    for number in 0..30 {
        let (stores, watched) = erasing_at(number);
        let first = order_of("v1_u", "e1", 10);
        order(&*watched, &first).await;
        let later = first.clone().put_off(at(70));
        put_off(&*watched, &first.user, (&first.id(), &later)).await.unwrap();
        order(&*watched, &order_of("v1_u", "e2", 10)).await;
        settled(&*watched, &later, true, 70).await;
        forget_old(&*watched, at(71)).await.unwrap();
        // What was ordered after they were erased is of whoever looks next: it is all in a log.
        erase(&*stores.records, &first.user).await.unwrap();
        assert!(ids(&*stores.records, PushOrder::KIND).await.is_empty(), "{number}");
        assert!(ids(&*stores.records, PushLog::KIND).await.is_empty(), "{number}");
    }
}

#[tokio::test]
async fn an_erasure_that_others_come_between_takes_what_they_ordered_as_well() {
    for number in 0..8 {
        let (stores, calls) = (memory::stores(), AtomicU64::new(0));
        let others = stores.records.clone();
        let plan = FaultPlan::from_fn(move |_| {
            if calls.fetch_add(1, Ordering::Relaxed) == number {
                order(&*others, &order_of("v1_u", "between", 10)).now_or_never().unwrap();
            }
            Fault::None
        });
        let watched = faulty(stores.clone(), &plan).records;
        let first = order_of("v1_u", "e1", 10);
        order(&*stores.records, &first).await;
        erase(&*watched, &first.user).await.unwrap();
        let (orders, logs) = (
            ids(&*stores.records, PushOrder::KIND).await,
            ids(&*stores.records, PushLog::KIND).await,
        );
        // What came after it is in a log, for the next look.
        assert_eq!(orders.len(), logs.len(), "{number}: {orders:?} {logs:?}");
    }
}

#[tokio::test]
async fn an_order_that_cannot_be_read_keeps_nobody_waiting_and_is_kept_for_who_can() {
    let store = store();
    store.put(PushOrder::KIND, "1970-01-01T00:00:01Z#x", "{}".into()).await.unwrap();
    order(&*store, &order_of("v1_u", "e", 10)).await;
    assert_eq!(events_due(&*store, 10).await, ["e"]);
    assert_eq!(ids(&*store, PushOrder::KIND).await.len(), 2);
    events_due(&*store, 5 * 86_400).await;
    assert_eq!(ids(&*store, PushOrder::KIND).await.len(), 1);
}

#[tokio::test]
async fn logs_that_no_bound_needs_are_forgotten() {
    let store = store();
    for user in ["v1_a", "v1_b", "v1_c"] {
        let told = order_of(user, "e", 10);
        order(&*store, &told).await;
        if user != "v1_c" {
            settled(&*store, &told, user == "v1_b", 10).await;
        }
    }
    let after = |days: i64| at(11) + SignedDuration::from_hours(24 * days);
    assert_eq!(forget_old(&*store, after(1)).await.unwrap(), 0);
    // Nobody was told; and an order that was never recorded waits for ever.
    assert_eq!(forget_old(&*store, after(5)).await.unwrap(), 2);
    assert_eq!(forget_old(&*store, after(29)).await.unwrap(), 0);
    assert_eq!(forget_old(&*store, after(30)).await.unwrap(), 1);
    assert!(ids(&*store, PushLog::KIND).await.is_empty());
}

#[tokio::test]
async fn of_many_who_change_a_log_at_once_each_is_in_it() {
    let store = store();
    let orders = (0..6).map(|number| {
        let store = store.clone();
        tokio::spawn(
            async move { order(&*store, &order_of("v1_u", &format!("e{number}"), 10)).await },
        )
    });
    for ordered in futures::future::join_all(orders).await {
        assert_eq!(ordered.unwrap(), None);
    }
    let user = Pseudonym::parse("v1_u").unwrap();
    let log = log_of(&*store, &user).await.unwrap().unwrap().log;
    assert_eq!((log.waiting.len(), events_due(&*store, 10).await.len()), (6, 6));
}

/// Keys of which the first versions are known.
fn keys(current: u32, versions: u32) -> Pseudonymiser {
    let key = |version: u32| (version, vec![u8::try_from(version).unwrap(); 32].into_boxed_slice());
    Pseudonymiser::new("t", current, (1..=versions).map(key).collect()).unwrap()
}

#[tokio::test]
async fn while_keys_rotate_a_user_has_one_log_that_goes_with_them() {
    let store = store();
    let user = |keys: &Pseudonymiser| {
        let learn = DomainId::parse("learn").unwrap();
        keys.pseudonym(&learn, &UserId::parse("mei").unwrap())
    };
    let of = |user: Pseudonym, event: &str| PushOrder { user, ..order_of("v1_u", event, 10) };
    let (before, announced, after) = (keys(1, 1), keys(1, 2), keys(2, 2));
    for (keys, event) in [(&before, "e1"), (&announced, "e2"), (&after, "e3")] {
        assert_eq!(order(&*store, &of(user(keys), event)).await, None);
    }
    assert_eq!(ids(&*store, PushLog::KIND).await, [user(&before).as_str()]);
    let first = of(user(&after), "e1");
    settled(&*store, &first, true, 10).await;
    assert_eq!(order(&*store, &first).await, Some(NotOrdered::Settled));
    let found = rekey(&*store, &after).await.unwrap();
    assert_eq!(found, BTreeMap::from([(1, 1)]));
    assert_eq!(ids(&*store, PushLog::KIND).await, [user(&after).as_str()]);
    assert!(rekey(&*store, &after).await.unwrap().is_empty());
    // Who knows only the earlier key makes another log, which is taken in.
    order(&*store, &of(user(&before), "e4")).await;
    assert_eq!(ids(&*store, PushLog::KIND).await.len(), 2);
    rekey(&*store, &after).await.unwrap();
    let log = log_of(&*store, &user(&after)).await.unwrap().unwrap().log;
    assert_eq!((log.waiting.len(), log.known.len()), (3, 1));
    let retired = keys(2, 2).with_retired([1].into()).unwrap();
    assert_eq!(erase(&*store, &user(&retired)).await.unwrap(), 4);
    assert!(ids(&*store, PushOrder::KIND).await.is_empty());
}
