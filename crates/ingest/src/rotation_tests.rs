//! What callers see while keys rotate is what they would see if none did.

use std::collections::{BTreeMap, BTreeSet};

use crossfold_core::entities::consent::{
    ConsentContext, ConsentLedger, ConsentedHistory, CrossDomain, RecommendationUse,
};
use crossfold_core::entities::definition::{Definitions, DomainDefinition};
use crossfold_core::entities::ids::{DomainId, Pseudonym, UserId};
use crossfold_core::entities::ports::{RekeyedPage, StoreResult, Stores};
use crossfold_core::entities::pseudonym::Pseudonymiser;
use crossfold_storage::faults::{Fault, FaultPlan, faulty};
use crossfold_storage::person_lookup::life;
use crossfold_storage::rekeying::{rekey_people, rekeyed};
use crossfold_storage::{erasure, find_person};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::test_world::{Numbers, World};

const DOMAINS: [&str; 2] = ["films", "travel"];
const USERS: u64 = 4;

/// Keys of versions from 1 on.
fn keys(current: u32, newest: u32, retired: &[u32]) -> Pseudonymiser {
    // That of version 1 is the one of any test's world.
    let key = |version: u32| vec![6 + u8::try_from(version).unwrap(); 32].into_boxed_slice();
    let keys = (1..=newest).map(|version| (version, key(version))).collect();
    let made = Pseudonymiser::new("t", current, keys).unwrap();
    made.with_retired(retired.iter().copied().collect()).unwrap()
}

/// What a caller does.
struct Step {
    method: &'static str,
    path: String,
    body: Value,
    /// How far the clock goes on before.
    seconds: i64,
}

fn step(numbers: &mut Numbers, now: i64) -> Step {
    let domain = DOMAINS[numbers.below(2) as usize];
    let other = DOMAINS[numbers.below(2) as usize];
    let (user, linked) = (numbers.below(USERS), numbers.below(USERS));
    let seconds = numbers.below(100) as i64;
    let of_user = |rest: &str| format!("/v1/users/u{user}{rest}?domain={domain}");
    let (method, path, body) = match numbers.below(12) {
        0 => ("PUT", of_user(""), json!({"declared": {"n": numbers.below(9).to_string()}})),
        1 | 2 => {
            let link = json!({"domain": other, "user_id": format!("u{linked}"), "merge": true});
            ("PUT", of_user("/links"), link)
        }
        3 => {
            let granted = numbers.below(2) == 0;
            let consent = json!({"to": other, "purpose": "recommendation", "granted": granted});
            ("PUT", of_user("/consents"), json!({ "consents": [consent] }))
        }
        4 => ("DELETE", of_user(""), Value::Null),
        5 | 6 => ("GET", of_user(""), Value::Null),
        _ => {
            // Few ids, so that many events are sent again, some with another time.
            let event = |numbers: &mut Numbers| {
                let user = format!("u{}", numbers.below(USERS));
                let kind = ["view", "finish"][numbers.below(2) as usize];
                let id = numbers.below(12);
                let at = Timestamp::from_second(now + seconds - numbers.below(90) as i64).unwrap();
                json!({"event_id": format!("e{id}"), "user_id": user, "type": kind,
                    "item_id": format!("i{id}"), "occurred_at": at.to_string()})
            };
            let events: Vec<Value> = (0..=numbers.below(3)).map(|_| event(numbers)).collect();
            ("POST", "/v1/events".to_owned(), json!({"domain": domain, "events": events}))
        }
    };
    Step { method, path, body, seconds }
}

async fn define(world: &World) {
    for domain in DOMAINS {
        let definition = json!({"name": domain, "currency": "EUR",
            "event_types": {"view": {"weight": 1}, "finish": {"weight": 2, "seen_days": "forever"}}});
        world.ok("PUT", &format!("/v1/domains/{domain}"), definition).await;
    }
}

/// Everything that is read of a user: events, what they have seen, records in all.
async fn read(stores: &Stores, keys: &Pseudonymiser, domain: &str, user: u64) -> Vec<String> {
    let domain: DomainId = domain.parse().unwrap();
    let user = keys.pseudonym(&domain, &UserId::parse(&format!("u{user}")).unwrap());
    let user = life(&*stores.people, &user).await.unwrap().user;
    let history = stores.events.history(&user, 100).await.unwrap();
    let definition: DomainDefinition = serde_json::from_value(json!({"name": "d",
        "currency": "EUR", "event_types": {"view": {"weight": 1}, "finish": {"weight": 2}}}))
    .unwrap();
    let definitions: Definitions = [(domain.clone(), definition)].into();
    let ledger = ConsentLedger::default();
    let context =
        ConsentContext { ledger: &ledger, definitions: &definitions, now: Timestamp::MAX };
    let request = RecommendationUse {
        user: &user,
        display: &domain,
        target: &domain,
        cross_domain: CrossDomain::Never,
    };
    let told = ConsentedHistory::for_recommendation(&history, context, &request);
    let events = told.events().iter();
    let events = events.map(|e| format!("{} {} {}", e.event_id, e.event_type, e.occurred_at));
    let seen = told.seen().map(|(domain, item)| format!("seen {domain} {item:?}"));
    let records = format!("life {}, {} records", user.life(), history.records());
    events.chain(seen).chain([records]).collect()
}

/// Where the mover is, across calls that are cut short.
#[derive(Default)]
struct Mover {
    people: bool,
    after: Option<String>,
}

impl Mover {
    /// One page. Cut short, it is begun again.
    async fn step(&mut self, stores: &Stores, keys: &Pseudonymiser) -> StoreResult<RekeyedPage> {
        let page = match self.people {
            false => stores.events.rekey(keys, self.after.clone()).await?,
            true => rekey_people(&*stores.people, keys, self.after.clone()).await?,
        };
        self.after = page.next.clone();
        self.people ^= page.next.is_none();
        Ok(page)
    }

    /// Until a pass finds nothing; how many records that were by version.
    async fn to_the_end(stores: &Stores, keys: &Pseudonymiser) -> BTreeMap<u32, u64> {
        let mut all = BTreeMap::new();
        let mut mover = Self::default();
        loop {
            let mut found = 0;
            for people in [false, true] {
                while mover.people == people {
                    for (version, records) in mover.step(stores, keys).await.unwrap().found {
                        *all.entry(version).or_default() += records;
                        found += records;
                    }
                }
            }
            if found == 0 {
                return all;
            }
        }
    }
}

/// Which processes are at work in a phase of two rotations, and whether records are moved.
fn phases() -> Vec<(Vec<Pseudonymiser>, Option<Pseudonymiser>)> {
    let both = |before, after| vec![before, after];
    vec![
        (vec![keys(1, 1, &[])], None),
        (both(keys(1, 1, &[]), keys(1, 2, &[])), None),
        (both(keys(1, 2, &[]), keys(2, 2, &[])), None),
        (vec![keys(2, 2, &[])], Some(keys(2, 2, &[]))),
        // The second begins before all of the first was moved.
        (both(keys(2, 2, &[]), keys(2, 3, &[])), None),
        (both(keys(2, 3, &[]), keys(3, 3, &[])), None),
        (vec![keys(3, 3, &[])], Some(keys(3, 3, &[]))),
    ]
}

#[tokio::test]
async fn whatever_callers_do_a_rotation_changes_no_answer_and_no_history() {
    for seed in 1..=12_u64 {
        let mut numbers = Numbers(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let still = World::new(&FaultPlan::from_fn(|_| Fault::None));
        let rotated = still_twin();
        define(&still).await;
        define(&rotated).await;
        let (mut now, mut mover) = (1_800_000_000, Mover::default());
        let mut check = async |phase: usize, processes: &[Pseudonymiser], by: Option<_>| {
            for nth in 0..25 {
                let step = step(&mut numbers, now);
                now += step.seconds;
                let process = &processes[numbers.below(processes.len() as u64) as usize];
                let world = rotated.with_keys(process.clone());
                still.pass(step.seconds);
                rotated.pass(step.seconds);
                let expected = still.call(step.method, &step.path, &step.body).await;
                let answer = world.call(step.method, &step.path, &step.body).await;
                let what = format!("seed {seed}, phase {phase}, step {nth}: {}", step.path);
                assert_eq!(unnamed(answer), unnamed(expected), "{what}");
                if let Some(by) = &by
                    && numbers.below(2) == 0
                {
                    let fault = [Fault::None, Fault::Before, Fault::AnswerLost];
                    let fault = fault[numbers.below(3) as usize];
                    let failing =
                        faulty(rotated.stores.clone(), &FaultPlan::from_fn(move |_| fault));
                    let _ = mover.step(&failing, by).await;
                }
                if nth % 5 > 0 {
                    continue;
                }
                for (domain, user) in DOMAINS.iter().flat_map(|d| (0..USERS).map(move |u| (d, u))) {
                    let expected = read(&still.stores, &keys(1, 1, &[]), domain, user).await;
                    let stores = rekeyed(rotated.stores.clone(), process);
                    let answer = read(&stores, process, domain, user).await;
                    assert_eq!(answer, expected, "{what}: u{user} of {domain}");
                }
            }
        };
        for (phase, (processes, by)) in phases().into_iter().enumerate() {
            check(phase, &processes, by).await;
        }
        // What nothing is stored under any more need not be looked up.
        Mover::to_the_end(&rotated.stores, &keys(3, 3, &[])).await;
        check(7, &[keys(3, 3, &[]), keys(3, 3, &[1, 2])], None).await;
        let left = Mover::to_the_end(&rotated.stores, &keys(3, 3, &[])).await;
        assert_eq!(left, BTreeMap::new(), "seed {seed}: an old version was written under");
        check(8, &[keys(3, 3, &[1, 2])], None).await;
    }
}

/// A world of its own that is like any other.
fn still_twin() -> World {
    World::new(&FaultPlan::from_fn(|_| Fault::None))
}

/// An answer without the pseudonym that an erasure is known by, and without the number of
/// records, of which there may be one for each form.
fn unnamed((status, mut body): (u16, Value)) -> (u16, Value) {
    if let Some(fields) = body.as_object_mut() {
        fields.remove("pseudonym");
        fields.remove("deleted");
    }
    (status, body)
}

#[tokio::test]
async fn an_erasure_takes_what_lies_under_every_form_and_is_known_by_one_pseudonym() {
    let world = World::new(&FaultPlan::from_fn(|_| Fault::None));
    define(&world).await;
    let post = |world: World, id: &'static str| async move {
        let event = json!({"event_id": id, "user_id": "u1", "type": "finish", "item_id": "i",
            "occurred_at": world.at(-60)});
        world.ok("POST", "/v1/events", json!({"domain": "films", "events": [event]})).await
    };
    post(world.with_keys(keys(1, 1, &[])), "e1").await;
    let rotated = world.with_keys(keys(2, 2, &[]));
    post(world.with_keys(keys(2, 2, &[])), "e2").await;
    let erased = rotated.ok("DELETE", "/v1/users/u1?domain=films", Value::Null).await;
    assert_eq!(erased["deleted"]["events"], 4, "two events, and what was seen under either");
    let known_by = erased["pseudonym"].as_str().unwrap();
    let path = format!("/v1/erasures/{known_by}?domain=films");
    for process in [keys(1, 1, &[]), keys(2, 2, &[]), keys(2, 2, &[1])] {
        let told = world.with_keys(process).ok("GET", &path, Value::Null).await;
        assert_eq!(told["requested_at"], erased["requested_at"]);
    }
    let again = rotated.ok("DELETE", "/v1/users/u1?domain=films", Value::Null).await;
    assert_eq!(again["pseudonym"], erased["pseudonym"], "nothing came in since");

    // What the tables are visited for later finds what was still on its way, wherever it is.
    let stores = rekeyed(world.stores.clone(), &keys(2, 2, &[]));
    let domain: DomainId = "films".parse().unwrap();
    let user = keys(2, 2, &[]).pseudonym(&domain, &UserId::parse("u1").unwrap());
    for form in user.forms() {
        let late = json!({"event_id": "late", "user": form, "domain": "films",
            "event_type": "view", "item_id": "i", "occurred_at": world.at(-60),
            "received_at": world.at(-60)});
        world.stores.events.append(&serde_json::from_value(late).unwrap()).await.unwrap();
    }
    let mut pending = erasure::pending(&stores).await.unwrap();
    erasure::visit_tables(&stores, &mut pending, &BTreeSet::new()).await.unwrap();
    let found = find_person::find_person(&stores, &user).await.unwrap();
    assert_eq!(found, BTreeMap::new());
    let recorded = Pseudonym::parse(known_by).unwrap();
    let visited = &pending[&recorded].visited;
    assert_eq!(visited[&crossfold_core::entities::erasure::Place::Events], 6);
}
