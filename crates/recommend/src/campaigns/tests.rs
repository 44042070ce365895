mod segments;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use crossfold_core::entities::catalogue::{ChangeNumber, Item};
use crossfold_core::entities::clock::{Clock, Stopwatch};
use crossfold_core::entities::consent::ConsentDecision;
use crossfold_core::entities::definition::DomainDefinition;
use crossfold_core::entities::dice::Dice;
use crossfold_core::entities::event::Event;
use crossfold_core::entities::ids::{CampaignId, ItemId, Pseudonym, RecommendationId, UserId};
use crossfold_core::entities::machine::Machine;
use crossfold_core::entities::people::{PeopleEntry, PeopleWrite, Person};
use crossfold_core::entities::ports::{StoreError, Stores};
use crossfold_core::entities::pseudonym::Pseudonymiser;
use crossfold_core::entities::purpose::Purpose;
use crossfold_core::entities::push::{KnownPush, Push, PushId, PushLog};
use crossfold_core::entities::unique_id::{Ids, UniqueId};
use crossfold_storage::definition_reader::announce_change;
use crossfold_storage::faults::{Fault, FaultPlan, FaultRates, faulty};
use crossfold_storage::{erasure, memory};
use crossfold_testing::{domain, event_at, event_id, keys, push_order};
use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::state::RecommendState;

/// 2026-06-01T12:00:00Z.
const NOON: i64 = 1_780_315_200;
const DAY: i64 = 86_400;

fn user(name: &str) -> Pseudonym {
    keys().pseudonym(&domain("learn"), &UserId::parse(name).unwrap())
}

/// A receiver, and when it was handed what.
#[derive(Default)]
struct Receiver {
    handed: Mutex<Vec<(i64, Push)>>,
    seconds: Arc<AtomicI64>,
    /// How many of the next hand-overs fail, though they arrive, and though they do not.
    fails: AtomicU64,
    loses: AtomicU64,
}

fn take_one(of: &AtomicU64) -> bool {
    of.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok()
}

#[async_trait]
impl PushChannel for Receiver {
    async fn deliver(&self, push: &Push) -> StoreResult<()> {
        if take_one(&self.loses) {
            return Err(StoreError::Unavailable("it is away".into()));
        }
        let at = self.seconds.load(Ordering::Relaxed);
        let mut handed = self.handed.lock().unwrap_or_else(PoisonError::into_inner);
        handed.push((at, push.clone()));
        match take_one(&self.fails) {
            true => Err(StoreError::Unavailable("its answer was lost".into())),
            false => Ok(()),
        }
    }
}

/// Two platforms: one that teaches, and tells its users of cars after a course.
struct World {
    stores: Stores,
    campaigns: Campaigns,
    receiver: Arc<Receiver>,
    seconds: Arc<AtomicI64>,
}

fn definition() -> Value {
    json!({
        "name": "Learn", "currency": "CNY", "event_types": {"complete": {"weight": 3}},
        "placements": {"after": {"target_domains": ["auto"], "limit": 2}},
        "campaigns": {
            "car": {"trigger": {"event_type": "complete"}, "placement": "after", "locale": "zh-CN"},
            "second": {"trigger": {"event_type": "complete"}, "placement": "after"},
        },
    })
}

async fn define(stores: &Stores, name: &str, definition: Value) {
    let definition: DomainDefinition = serde_json::from_value(definition).unwrap();
    definition.check().unwrap();
    records::put(&*stores.records, &domain(name), &definition).await.unwrap();
    let fresh = UniqueId::from_u128(u128::from(rand_id()));
    announce_change(&*stores.records, fresh).await.unwrap();
}

fn rand_id() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1 << 40);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

impl World {
    async fn new() -> Self {
        Self::with(definition(), |stores| stores).await
    }

    async fn with(definition: Value, wrap: impl Fn(Stores) -> Stores) -> Self {
        let (stores, seconds) = (memory::stores(), Arc::new(AtomicI64::new(NOON)));
        define(&stores, "learn", definition).await;
        let auto =
            json!({"name": "Auto", "currency": "CNY", "event_types": {"view": {"weight": 1}}});
        define(&stores, "auto", auto).await;
        for id in ["sedan", "truck", "van"] {
            let details = serde_json::from_value(json!({"title": id})).unwrap();
            let item = Item {
                domain: domain("auto"),
                item_id: ItemId::parse(id).unwrap(),
                details: Some(details),
                updated_at: Timestamp::from_second(NOON).unwrap(),
                change: ChangeNumber::default(),
            };
            stores.catalogue.put(&item).await.unwrap();
        }
        let (shown, ids) = (seconds.clone(), AtomicU64::new(1));
        let machine = Machine {
            clock: Clock::from_fn(move || {
                Timestamp::from_second(shown.load(Ordering::Relaxed)).unwrap()
            }),
            stopwatch: Stopwatch::from_fn(|| Duration::ZERO),
            ids: Ids::from_fn(move || {
                UniqueId::from_u128(ids.fetch_add(1, Ordering::Relaxed).into())
            }),
            dice: Dice::from_fn(|| 42),
        };
        let receiver = Arc::new(Receiver { seconds: seconds.clone(), ..Receiver::default() });
        let state = RecommendState::new(wrap(stores.clone()), keys(), machine).without_delay();
        let campaigns = Campaigns::new(state, receiver.clone());
        let world = Self { stores, campaigns, receiver, seconds };
        world.register("mei", true, &[]).await;
        world
    }

    async fn register(&self, name: &str, consents: bool, declared: &[(&str, &str)]) {
        let (id, learn) = (user(name), domain("learn"));
        let mut person = Person::of_one(id.clone(), learn.clone());
        person.members[0].declared =
            declared.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        person.consents.record(decision(consents));
        let expected = self.stores.people.get(&id).await.unwrap().map(|entry| entry.version);
        let write = PeopleWrite { id, entry: PeopleEntry::Person(person), expected };
        self.stores.people.commit(&[write]).await.unwrap();
    }

    fn set(&self, second: i64) {
        self.seconds.store(second, Ordering::Relaxed);
    }

    /// Orders what an event of this instant triggers, due then.
    async fn order(&self, name: &str, campaign: &str, event: &str, at: i64) -> PushOrder {
        let order = order_of(name, campaign, event, at);
        record(&self.stores, &order).await;
        order
    }

    /// What is known of pushes of a user, by whatever form.
    async fn known(&self, name: &str) -> Vec<KnownPush> {
        let id = user(name).as_str().parse().unwrap();
        let log = records::get::<PushLog>(&*self.stores.records, &id).await.unwrap();
        log.map(|log| log.known).unwrap_or_default()
    }

    async fn look(&self) -> CarriedOut {
        self.campaigns.carry_out_due().await.unwrap()
    }

    fn handed(&self) -> Vec<(i64, Push)> {
        self.receiver.handed.lock().unwrap().clone()
    }

    async fn waiting(&self) -> Vec<PushOrder> {
        let all = records::list::<PushOrder>(&*self.stores.records).await.unwrap();
        all.into_iter().map(|(_, order)| order).collect()
    }
}

/// Orders a push, as of its own instant.
async fn record(stores: &Stores, order: &PushOrder) {
    let (user, now) = (order.user.clone(), order.due_at);
    pushes::order_all(&*stores.records, &user, vec![order.clone()], now).await.unwrap();
}

fn decision(granted: bool) -> ConsentDecision {
    ConsentDecision {
        from: domain("learn"),
        to: domain("learn"),
        purpose: Purpose::Contact,
        granted,
        decided_at: Timestamp::from_second(NOON).unwrap(),
        expires_at: None,
        evidence: None,
    }
}

fn order_of(name: &str, campaign: &str, event: &str, at: i64) -> PushOrder {
    let event = Event {
        event_id: event_id(event),
        user: user(name),
        domain: domain("learn"),
        ..event_at(at)
    };
    push_order(campaign, name, &event)
}

const fn told(told: usize) -> CarriedOut {
    CarriedOut { told, not_told: 0, later: 0, failed: 0, batch_item_failures: [] }
}

const fn not_told(not_told: usize) -> CarriedOut {
    CarriedOut { told: 0, not_told, later: 0, failed: 0, batch_item_failures: [] }
}

#[tokio::test]
async fn a_platform_is_handed_whom_to_tell_and_of_what() {
    let world = World::new().await;
    let order = world.order("mei", "car", "e1", NOON - 60).await;
    assert_eq!(world.look().await, told(1));
    let [(_, push)] = &world.handed()[..] else { panic!("{:?}", world.handed()) };
    assert_eq!((push.user_id.as_str(), &push.push_id), ("mei", &order.push_id));
    let push = serde_json::to_value(push).unwrap();
    assert_eq!(push["trigger"]["event_id"], "e1");
    let slate = &push["recommendation"];
    assert_eq!(slate["items"].as_array().unwrap().len(), 2);
    assert!(slate["items"].as_array().unwrap().iter().all(|item| item["domain"] == "auto"));
    let text = slate["items"][0]["reason"]["text"].as_str().unwrap();
    assert!(!text.is_ascii(), "not Chinese: {text}");
    // It is a slate like any other: what comes of it can be followed.
    let id = RecommendationId::parse(slate["recommendation_id"].as_str().unwrap()).unwrap();
    let logged = world.stores.decisions.get(&id).await.unwrap().unwrap();
    assert_eq!((logged.user, logged.placement.unwrap().as_str()), (user("mei"), "after"));
    // And nothing is left of whom it was for but what bounds how often.
    assert!(world.waiting().await.is_empty());
    assert_eq!(world.look().await, CarriedOut::default());
    assert_eq!(world.handed().len(), 1);
}

#[tokio::test]
async fn who_is_not_to_be_told_when_it_is_due_is_not() {
    let of = |name: &str, more: Value| {
        let mut definition = definition();
        definition["campaigns"]["car"]
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        (name.to_owned(), definition)
    };
    let without = {
        let mut definition = definition();
        definition["campaigns"].as_object_mut().unwrap().remove("car");
        definition
    };
    let mut nothing = definition();
    nothing["placements"]["after"]["filters"] = json!({"auto": "price < 0"});
    for (why, definition) in [
        of("campaign_over", json!({"paused": true})),
        of("campaign_over", json!({"until": "2026-06-01T11:59:59Z"})),
        of("not_in_audience", json!({"audience": {"declared": {"plan": ["pro"]}}})),
        ("campaign_over".to_owned(), without),
        ("nothing_to_show".to_owned(), nothing),
    ] {
        let world = World::new().await;
        world.order("mei", "car", "e1", NOON - 60).await;
        define(&world.stores, "learn", definition).await;
        assert_eq!(world.look().await, not_told(1), "{why}");
        world.campaigns.state.activity.write().await;
        let day = crossfold_core::entities::activity::day_of(Timestamp::UNIX_EPOCH);
        let activity = world.stores.activity.since(day).await.unwrap();
        let not_told = activity.iter().find(|of| of.domain == domain("learn")).unwrap();
        assert_eq!(not_told.activity.pushes.not_told, [(why, 1)].into());
        assert!(world.handed().is_empty() && world.waiting().await.is_empty());
    }
    let world = World::new().await;
    world.order("mei", "car", "late", NOON - 3 * DAY - 1).await;
    world.order("nobody", "car", "e", NOON).await;
    world.order("no", "car", "e", NOON).await;
    world.register("no", false, &[]).await;
    assert_eq!(world.look().await, not_told(3));
    assert!(world.handed().is_empty());
}

#[tokio::test]
async fn nothing_comes_of_what_an_erased_life_did() {
    let world = World::new().await;
    world.order("mei", "car", "e1", NOON - 60).await;
    let (mei, learn) = (user("mei"), domain("learn"));
    // What a call wrote that had looked the life up before it was erased.
    let late = order_of("mei", "car", "e2", NOON);
    erasure::erase(&world.stores, (&mei, &learn), Timestamp::from_second(NOON).unwrap())
        .await
        .unwrap();
    assert!(world.waiting().await.is_empty());
    assert!(world.stores.records.list("push-log").await.unwrap().is_empty());
    record(&world.stores, &late).await;
    world.set(NOON + 60);
    assert_eq!(world.look().await, not_told(1));
    record(&world.stores, &order_of("mei", "car", "e3", NOON)).await;
    // Another life consents, and what the first did is none of its own.
    let id = mei.in_life(1);
    let mut person = Person::of_one(id.clone(), learn);
    person.consents.record(decision(true));
    let expected = world.stores.people.get(&mei).await.unwrap().map(|entry| entry.version);
    let write = PeopleWrite { id: mei, entry: PeopleEntry::Person(person), expected };
    world.stores.people.commit(&[write]).await.unwrap();
    assert_eq!(world.look().await, not_told(1));
    assert!(world.handed().is_empty());
    let left = |kind| world.stores.records.list(kind);
    assert!(left("push").await.unwrap().is_empty() && left("push-log").await.unwrap().is_empty());
}

#[tokio::test]
async fn bounds_hold_over_all_campaigns_and_quiet_hours_put_off() {
    let mut definition = definition();
    definition["contact"] = json!({"frequency_cap": {"times": 2, "days": 7},
        "quiet_hours": {"from": "21:00", "until": "09:00", "zone": "Asia/Shanghai"}});
    let world = World::with(definition, |stores| stores).await;
    // 20:00 in Shanghai.
    world.order("mei", "car", "e1", NOON).await;
    assert_eq!(world.look().await, told(1));
    // 23:00.
    world.set(NOON + 3 * 3_600);
    world.order("mei", "second", "e1", NOON + 3 * 3_600).await;
    assert_eq!(world.look().await, CarriedOut { later: 1, ..CarriedOut::default() });
    assert_eq!(world.look().await, CarriedOut::default());
    let [waiting] = &world.waiting().await[..] else { panic!() };
    assert_eq!(waiting.due_at.to_string(), "2026-06-02T01:00:00Z");
    world.set(NOON + 13 * 3_600);
    assert_eq!(world.look().await, told(1));
    world.order("mei", "car", "e2", NOON + 13 * 3_600).await;
    assert_eq!(world.look().await, not_told(1));
    // Somebody else's clock shows two in the afternoon.
    world.register("lee", true, &[("utc_offset", "-07:00")]).await;
    world.set(NOON + 9 * 3_600);
    world.order("lee", "car", "e1", NOON + 9 * 3_600).await;
    assert_eq!(world.look().await, told(1));
    world.set(NOON + 7 * DAY);
    world.order("mei", "car", "e3", NOON + 7 * DAY).await;
    assert_eq!(world.look().await, told(1));
}

#[tokio::test]
async fn what_is_not_taken_is_handed_over_again_and_given_up_in_the_end() {
    let world = World::new().await;
    let order = world.order("mei", "car", "e1", NOON).await;
    world.receiver.loses.store(1, Ordering::Relaxed);
    world.receiver.fails.store(1, Ordering::Relaxed);
    for _ in 0..2 {
        assert_eq!(world.look().await.later, 1);
        assert_eq!(world.look().await, CarriedOut::default());
        world.set(world.seconds.load(Ordering::Relaxed) + 4 * 60);
    }
    assert_eq!(world.look().await, told(1));
    let ids: Vec<PushId> = world.handed().into_iter().map(|(_, push)| push.push_id).collect();
    assert_eq!(ids, [order.push_id.clone(), order.push_id]);
    // What is given up counts: it may have arrived.
    world.receiver.loses.store(u64::MAX, Ordering::Relaxed);
    world.order("mei", "car", "e2", NOON).await;
    let (mut looks, mut given_up) = (0, false);
    while !given_up && looks < 20 {
        given_up = world.look().await.not_told == 1;
        looks += 1;
        world.set(world.seconds.load(Ordering::Relaxed) + 3_600 + 240);
    }
    assert_eq!((looks, given_up), (8, true));
    let told = world.known("mei").await.iter().filter(|known| known.told).count();
    assert_eq!(told, 2);
}

#[tokio::test]
async fn a_stream_tells_of_new_orders_and_of_nothing_else() {
    let world = World::new().await;
    let order = world.order("mei", "car", "e1", NOON).await;
    let record = |kind: &str, id: &str| {
        json!({"eventName": "INSERT", "dynamodb": {"Keys": {"pk": {"S": kind}, "sk": {"S": id}},
            "SequenceNumber": "1"}})
    };
    let of = |records: Vec<Value>| -> CampaignCall {
        serde_json::from_value(json!({"Records": records})).unwrap()
    };
    let others =
        of(vec![record("push-log", "v1_u"), record("training-run", "r"), record("push", " ")]);
    assert_eq!(world.campaigns.handle(others).await.unwrap(), CarriedOut::default());
    let new = || of(vec![record("push", order.id().as_str())]);
    assert_eq!(world.campaigns.handle(new()).await.unwrap(), told(1));
    assert_eq!(world.campaigns.handle(new()).await.unwrap(), CarriedOut::default());
    world.order("mei", "car", "e2", NOON).await;
    let due = serde_json::from_value(json!({"trigger": "due"})).unwrap();
    assert_eq!(world.campaigns.handle(due).await.unwrap(), told(1));
}

#[tokio::test]
async fn a_slate_that_lacks_what_it_needs_is_made_later_and_nobody_counts_as_told_meanwhile() {
    let is_down = Arc::new(AtomicU64::new(0));
    let down = is_down.clone();
    let plan = FaultPlan::from_fn(move |call| {
        let fails =
            ["catalogue.list", "catalogue.changes", "events.history"].contains(&call.method);
        if fails && down.load(Ordering::Relaxed) > 0 { Fault::Before } else { Fault::None }
    });
    let world = World::with(definition(), move |stores| faulty(stores, &plan)).await;
    is_down.store(1, Ordering::Relaxed);
    world.order("mei", "car", "e1", NOON).await;
    assert_eq!(world.look().await.later, 1);
    assert!(world.handed().is_empty() && world.known("mei").await.is_empty());
    is_down.store(0, Ordering::Relaxed);
    world.set(NOON + 240);
    assert_eq!(world.look().await, told(1));
}

#[tokio::test]
async fn what_cannot_be_carried_out_keeps_nothing_behind_it_from_its_turn() {
    let plan = FaultPlan::from_fn(|call| {
        let is_of_bad = call.key.contains(user("bad").as_str());
        if is_of_bad && call.method == "people.get" { Fault::Before } else { Fault::None }
    });
    let world = World::with(definition(), move |stores| faulty(stores, &plan)).await;
    for number in 0..PAGE + 5 {
        // Each of a user of their own, so that none has too many.
        let mut order = order_of("bad", "car", &format!("e{number}"), NOON - 60);
        order.user = user(&format!("other{number}"));
        record(&world.stores, &order).await;
    }
    world.order("mei", "car", "e1", NOON).await;
    let done = world.look().await;
    assert_eq!((done.told, done.failed), (1, PAGE + 5));
    // The function says so once nothing at all can be done.
    let due = || serde_json::from_value(json!({"trigger": "due"})).unwrap();
    assert!(world.campaigns.handle(due()).await.is_err());
    assert_eq!(world.handed().len(), 1);
}

#[tokio::test]
async fn a_push_goes_with_its_user_while_keys_rotate() {
    let world = World::new().await;
    world.order("mei", "car", "e1", NOON).await;
    let two = |current| {
        let keys = [(1, vec![7; 32].into()), (2, vec![8; 32].into())];
        Pseudonymiser::new("t", current, BTreeMap::from(keys)).unwrap()
    };
    for (number, keys) in [two(1), two(2)].into_iter().enumerate() {
        let stores = crossfold_storage::rekeying::rekeyed(world.stores.clone(), &keys);
        let mut state = world.campaigns.state.clone();
        (state.stores, state.pseudonymiser) = (stores, keys.clone());
        let campaigns = Campaigns::new(state, world.receiver.clone());
        assert_eq!(campaigns.carry_out_due().await.unwrap(), told(1), "{number}");
        // What the next process orders, under whichever key.
        let mut next = order_of("mei", "second", &format!("n{number}"), NOON);
        next.user = keys.pseudonym(&domain("learn"), &UserId::parse("mei").unwrap());
        record(&world.stores, &next).await;
    }
    assert_eq!(world.known("mei").await.iter().filter(|known| known.told).count(), 2);
    assert_eq!(world.stores.records.list("push-log").await.unwrap().len(), 1);
}

#[tokio::test]
async fn an_order_that_was_settled_and_not_deleted_is_not_carried_out_again() {
    let world = World::new().await;
    let order = world.order("mei", "car", "e1", NOON).await;
    let log = |log: &mut PushLog| log.settle(&order, true, order.due_at);
    pushes::change_log(&*world.stores.records, &user("mei"), log).await.unwrap();
    world.look().await;
    assert!(world.handed().is_empty() && world.waiting().await.is_empty());
}

/// What happens to a platform's campaigns.
#[derive(Debug, Clone)]
enum Step {
    Order { user: usize, campaign: usize, event: u8, delay: i64 },
    Wait(i64),
    Consent { user: usize, granted: bool },
    Look,
    Lose(u64),
    FailAfter(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0usize..2, 0usize..2, 0u8..12, 0i64..2 * DAY).prop_map(
            |(user, campaign, event, delay)| Step::Order { user, campaign, event, delay }
        ),
        3 => (-7_200i64..2 * DAY).prop_map(Step::Wait),
        1 => (0usize..2, any::<bool>()).prop_map(|(user, granted)| Step::Consent { user, granted }),
        4 => Just(Step::Look),
        1 => (1u64..3).prop_map(Step::Lose),
        1 => (1u64..3).prop_map(Step::FailAfter),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn nobody_is_told_without_consent_in_quiet_hours_or_too_often(
        steps in prop::collection::vec(step(), 1..60), seed in 0u64..1_000,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let mut definition = definition();
            definition["contact"] = json!({"frequency_cap": {"times": 2, "days": 3},
                "quiet_hours": {"from": "22:00", "until": "07:00", "zone": "Asia/Shanghai"}});
            definition["campaigns"]["car"]["frequency_cap"] = json!({"times": 1, "days": 5});
            let rates = FaultRates { before: 0.05, answer_lost: 0.05, stale: 0.0 };
            let plan = FaultPlan::seeded(seed, rates);
            let world = World::with(definition, move |stores| faulty(stores, &plan)).await;
            world.register("lee", true, &[]).await;
            let mut consents = [true, true];
            for step in steps {
                match step {
                    Step::Order { user, campaign, event, delay } => {
                        let at = world.seconds.load(Ordering::Relaxed) + delay;
                        let order = order_of(["mei", "lee"][user], ["car", "second"][campaign],
                            &format!("e{event}"), at);
                        record(&world.stores, &order).await;
                    }
                    Step::Wait(seconds) => {
                        world.seconds.fetch_add(seconds, Ordering::Relaxed);
                    }
                    Step::Consent { user, granted } => {
                        world.register(["mei", "lee"][user], granted, &[]).await;
                        consents[user] = granted;
                    }
                    Step::Look => {
                        let before = world.handed().len();
                        world.campaigns.carry_out_due().await.ok();
                        for (_, push) in &world.handed()[before..] {
                            assert!(consents[usize::from(push.user_id == "lee")]);
                        }
                    }
                    Step::Lose(n) => world.receiver.loses.store(n, Ordering::Relaxed),
                    Step::FailAfter(n) => world.receiver.fails.store(n, Ordering::Relaxed),
                }
            }
            hold(&world.handed());
        });
    }
}

/// Asserts what must hold of all that was handed over, each push counting when it first was.
fn hold(handed: &[(i64, Push)]) {
    let shanghai = jiff::tz::Offset::from_seconds(8 * 3_600).unwrap();
    let mut first: BTreeMap<(String, CampaignId), Vec<i64>> = BTreeMap::new();
    let mut known = BTreeSet::new();
    for (at, push) in handed {
        let hour = shanghai.to_datetime(Timestamp::from_second(*at).unwrap()).hour();
        assert!((7..22).contains(&hour), "told at {hour}");
        if known.insert(push.push_id.clone()) {
            first.entry((push.user_id.clone(), push.campaign.clone())).or_default().push(*at);
        }
    }
    for user in ["mei", "lee"] {
        let of_user = |campaign: Option<&str>| -> Vec<i64> {
            let of = first.iter().filter(|((name, by), _)| {
                name == user && campaign.is_none_or(|campaign| by.as_str() == campaign)
            });
            let mut all: Vec<i64> = of.flat_map(|(_, at)| at.clone()).collect();
            all.sort_unstable();
            all
        };
        let most = |times: Vec<i64>, span: i64| {
            let within =
                |from: i64| times.iter().filter(|at| (from..from + span).contains(*at)).count();
            times.iter().map(|from| within(*from)).max().unwrap_or_default()
        };
        // A push counts when it was claimed, perhaps before it was handed over: at most the
        // retries' two hours.
        assert!(most(of_user(None), 3 * DAY - 3 * 3_600) <= 2, "{first:?}");
        assert!(most(of_user(Some("car")), 5 * DAY - 3 * 3_600) <= 1, "{first:?}");
    }
}
