use std::collections::BTreeSet;
use std::sync::Arc;

use crossfold_core::entities::ids::UserId;
use crossfold_core::entities::people::VersionedEntry;
use crossfold_core::entities::ports::{Page, StoreError, StoreResult, Stores};
use crossfold_core::entities::pseudonym::Pseudonymiser;
use crossfold_core::evidence::people_index::PeopleIndex;
use crossfold_storage::faults::{Fault, FaultPlan};
use serde_json::{Value, json};

use crossfold_storage::person_lookup::life;

use super::*;
use crate::test_world::World;

mod calls;
mod consents;
mod links;

async fn world() -> World {
    let world = World::new(&FaultPlan::from_fn(|_| Fault::None));
    world.define("films").await;
    world.define("travel").await;
    world
}

fn pseudonym(domain: &str, user: &str) -> Pseudonym {
    let keys = [(1, vec![7; 32].into_boxed_slice())].into();
    let pseudonymiser = Pseudonymiser::new("t", 1, keys).unwrap();
    pseudonymiser.pseudonym(&domain.parse().unwrap(), &UserId::parse(user).unwrap())
}

fn event(event_id: &str, occurred_at: &str) -> Value {
    json!({"event_id": event_id, "user_id": "u", "type": "view", "item_id": "i",
        "occurred_at": occurred_at})
}

/// Posts an event; says whether it was taken, or the code of its refusal.
async fn post(world: &World, event: &Value) -> Result<(), String> {
    let body = json!({"domain": "films", "events": [event]});
    let answer = world.ok("POST", "/v1/events", body).await;
    match answer["rejected"][0]["code"].as_str() {
        Some(code) => Err(code.to_owned()),
        None => Ok(()),
    }
}

async fn erase_user(world: &World) -> Value {
    world.ok("DELETE", "/v1/users/u?domain=films", Value::Null).await
}

/// Events of the life that the user leads.
async fn known(world: &World) -> usize {
    let user = life(&*world.stores.people, &pseudonym("films", "u")).await.unwrap().user;
    world.stores.events.history(&user, 100).await.unwrap().len()
}

#[tokio::test]
async fn what_is_sent_again_after_an_erasure_stays_out_and_what_is_new_begins_a_life() {
    let world = world().await;
    let old = event("e1", &world.at(-60));
    post(&world, &old).await.unwrap();
    assert_eq!(erase_user(&world).await["deleted"]["events"], 1);
    assert_eq!(known(&world).await, 0);
    world.pass(60);
    assert_eq!(post(&world, &old).await, Err("erased_user".to_owned()));
    assert_eq!(post(&world, &event("e0", &world.at(-61))).await, Err("erased_user".to_owned()));
    assert_eq!(known(&world).await, 0);
    // Under an id of before, whatever time it claims, it is the event of before.
    assert_eq!(post(&world, &event("e1", &world.at(0))).await, Err("erased_user".to_owned()));
    assert_eq!(known(&world).await, 0);
    post(&world, &event("e3", &world.at(0))).await.unwrap();
    assert_eq!(known(&world).await, 1);
    assert_eq!(erase_user(&world).await["deleted"]["events"], 1);
    assert_eq!(known(&world).await, 0);
}

#[tokio::test]
async fn an_event_of_an_erased_life_is_known_by_its_id_whatever_time_it_claims() {
    let world = world().await;
    post(&world, &event("e1", &world.at(0))).await.unwrap();
    erase_user(&world).await;
    world.pass(60);
    // They come back, are erased once more, and come back.
    post(&world, &event("e2", &world.at(0))).await.unwrap();
    erase_user(&world).await;
    world.pass(60);
    for id in ["e1", "e2"] {
        let again = post(&world, &event(id, &world.at(1))).await;
        assert_eq!(again, Err("erased_user".to_owned()), "{id}");
    }
    assert_eq!(known(&world).await, 0);
    post(&world, &event("e3", &world.at(0))).await.unwrap();
    assert_eq!(known(&world).await, 1);
}

#[tokio::test]
async fn what_is_declared_of_a_user_is_their_platforms_own_whoever_they_are_linked_to() {
    let world = world().await;
    let declare = |user: &str, domain: &str, plan: &str| {
        let path = format!("/v1/users/{user}?domain={domain}");
        (path, json!({"declared": {"plan": plan}}))
    };
    let users = [("a", "films"), ("b", "travel"), ("c", "films")];
    for (user, domain) in users {
        let (path, body) = declare(user, domain, &format!("of {user}"));
        world.ok("PUT", &path, body).await;
    }
    for (domain, user) in [("travel", "b"), ("films", "c")] {
        let link = json!({"domain": domain, "user_id": user, "merge": true});
        world.ok("PUT", "/v1/users/a/links?domain=films", link).await;
    }
    let first = pseudonym("films", "a");
    let person = |entry: Option<VersionedEntry>| serde_json::to_string(&entry.unwrap().entry);
    let stored = person(world.stores.people.get(&first).await.unwrap()).unwrap();
    assert!(stored.contains("of a") && !stored.contains("of b") && !stored.contains("of c"));
    let (path, body) = declare("b", "travel", "of b, later");
    let before = world.stores.people.get(&first).await.unwrap().unwrap().version;
    assert_eq!(world.ok("PUT", &path, body).await["declared"]["plan"], "of b, later");
    let after = world.stores.people.get(&first).await.unwrap().unwrap().version;
    assert_eq!(before, after, "a platform's declaration touches what others read");
    // The first leaves: the next takes the person over, and nobody loses what is theirs.
    world.ok("DELETE", "/v1/users/a?domain=films", Value::Null).await;
    for (path, plan) in
        [("/v1/users/b?domain=travel", "of b, later"), ("/v1/users/c?domain=films", "of c")]
    {
        assert_eq!(world.ok("GET", path, Value::Null).await["declared"]["plan"], plan, "{path}");
    }
    let back = world.ok("PUT", "/v1/users/a?domain=films", json!({})).await;
    assert_eq!(back["declared"], json!({}));
}

#[tokio::test]
async fn what_an_earlier_version_declared_in_the_person_is_found_and_moves_out_with_the_next_change()
 {
    let world = world().await;
    let [first, second] = [pseudonym("films", "a"), pseudonym("travel", "b")];
    let mut person = Person::of_one(first.clone(), "films".parse().unwrap());
    person.join(Person::of_one(second.clone(), "travel".parse().unwrap()), |_| true).unwrap();
    person.members[1].declared = Declared::from([("plan".into(), "gold".into())]);
    let link = json!({"kind": "link", "person": first.to_string()});
    let writes = [
        PeopleWrite { id: first.clone(), entry: PeopleEntry::Person(person), expected: None },
        PeopleWrite { id: second, entry: serde_json::from_value(link).unwrap(), expected: None },
    ];
    world.stores.people.commit(&writes).await.unwrap();
    let get = || world.ok("GET", "/v1/users/b?domain=travel", Value::Null);
    assert_eq!(get().await["declared"]["plan"], "gold");
    world.ok("DELETE", "/v1/users/a?domain=films", Value::Null).await;
    assert_eq!(get().await["declared"]["plan"], "gold");
    world.ok("PUT", "/v1/users/b?domain=travel", json!({})).await;
    assert_eq!(get().await["declared"], json!({}));
}

#[tokio::test]
async fn an_erasure_holds_when_the_clock_was_set_back_and_events_run_ahead() {
    let world = world().await;
    let ahead = event("e1", &world.at(240));
    post(&world, &ahead).await.unwrap();
    world.pass(-86_400);
    erase_user(&world).await;
    world.pass(86_400);
    assert_eq!(post(&world, &ahead).await, Err("erased_user".to_owned()));
    assert_eq!(post(&world, &event("e2", &world.at(200))).await, Err("erased_user".to_owned()));
    post(&world, &event("e3", &world.at(241))).await.unwrap();
    assert_eq!(known(&world).await, 1);
}

#[tokio::test]
async fn an_event_that_was_on_its_way_belongs_to_the_life_that_was_erased() {
    let world = world().await;
    post(&world, &event("e1", &world.at(0))).await.unwrap();
    let old_life = pseudonym("films", "u");
    erase_user(&world).await;
    // A call that had looked the life up before the erasure, and stores its event now.
    let late = serde_json::from_value(json!({
        "event_id": "late", "user": old_life, "domain": "films", "event_type": "view",
        "item_id": "i", "occurred_at": world.at(0), "received_at": world.at(900),
    }));
    world.stores.events.append(&late.unwrap()).await.unwrap();
    world.ok("PUT", "/v1/users/u?domain=films", json!({})).await;
    assert_eq!(known(&world).await, 0);
    let mut index = PeopleIndex::default();
    index.extend(world.stores.people.scan(None).await.unwrap().entries);
    assert!(index.is_erased(&old_life), "it would be trained on");
    assert!(!index.is_erased(&old_life.in_life(1)));
}

#[tokio::test]
async fn who_comes_back_has_no_consent_and_no_link_of_before() {
    let world = world().await;
    world.ok("PUT", "/v1/users/u?domain=films", json!({"declared": {"age": "40"}})).await;
    let grant = json!({"consents": [{"to": "travel", "purpose": "training", "granted": true}]});
    world.ok("PUT", "/v1/users/u/consents?domain=films", grant).await;
    let link = json!({"domain": "travel", "user_id": "v"});
    world.ok("PUT", "/v1/users/u/links?domain=films", link.clone()).await;
    for _ in 0..2 {
        erase_user(&world).await;
        assert_eq!(world.call("GET", "/v1/users/u?domain=films", &Value::Null).await.0, 404);
    }
    let other = world.ok("GET", "/v1/users/v?domain=travel", Value::Null).await;
    assert_eq!(other["linked_domains"], json!([]));
    let back = world.ok("PUT", "/v1/users/u?domain=films", json!({})).await;
    let expected = json!({"domain": "films", "declared": {}, "linked_domains": [], "consents": []});
    assert_eq!(back, expected);
    let linked = world.ok("PUT", "/v1/users/u/links?domain=films", link).await;
    assert_eq!(linked["linked_domains"], json!(["travel"]));
    let life = life(&*world.stores.people, &pseudonym("films", "u")).await.unwrap();
    assert_eq!((life.user.life(), life.is_erased), (1, false), "a link keeps the life");
}

#[tokio::test]
async fn a_withdrawal_holds_whatever_clocks_say() {
    let world = world().await;
    world.ok("PUT", "/v1/users/u?domain=films", json!({})).await;
    let decide = |granted: bool, decided_at: Option<String>| {
        let mut decision = json!({"to": "travel", "purpose": "training", "granted": granted});
        if let Some(at) = decided_at {
            decision["decided_at"] = at.into();
        }
        json!({"consents": [decision]})
    };
    let standing = async |body: Value| -> Value {
        let user = world.ok("PUT", "/v1/users/u/consents?domain=films", body).await;
        user["consents"][0]["granted"].clone()
    };
    assert_eq!(standing(decide(true, Some(world.at(240)))).await, true);
    assert_eq!(standing(decide(false, None)).await, false);
    // Sent again, as the grant that it was.
    let again = decide(true, Some(world.at(-1)));
    assert_eq!(standing(again).await, false);
    world.pass(-3_600);
    assert_eq!(standing(decide(true, None)).await, true, "decided now");
    assert_eq!(standing(decide(false, None)).await, false);
}

#[tokio::test]
async fn a_clock_that_is_none_is_not_declared() {
    let world = world().await;
    let declare = |offset: &str| json!({"declared": {"utc_offset": offset}});
    for wrong in ["Asia/Shanghai", "+25:00", "8"] {
        let (status, problem) =
            world.call("PUT", "/v1/users/u?domain=films", &declare(wrong)).await;
        assert_eq!(status, 422, "{problem}");
    }
    world.ok("PUT", "/v1/users/u?domain=films", declare("+08:00")).await;
}

/// Declares and grants on `films` until there is no more room for it.
async fn fill_the_share_of_films(world: &World) -> usize {
    let declared = json!({"declared": {"a": "声".repeat(1_000), "b": "b".repeat(1_000)}});
    world.ok("PUT", "/v1/users/u?domain=films", declared.clone()).await;
    let mut more = declared;
    more["declared"]["c"] = "c".repeat(1_000).into();
    let (status, problem) = world.call("PUT", "/v1/users/u?domain=films", &more).await;
    assert_eq!((status, &problem["code"]), (422, &json!("too_much_declared")));
    for number in 0.. {
        let to = format!("t{number}");
        world.define(&to).await;
        let evidence = "证".repeat(200);
        let grant = json!({"consents": [
            {"to": to, "purpose": "training", "granted": true, "evidence": evidence},
        ]});
        let (status, answer) = world.call("PUT", "/v1/users/u/consents?domain=films", &grant).await;
        if status != 200 {
            assert_eq!((status, &answer["code"]), (422, &json!("too_many_consents")));
            return number;
        }
    }
    unreachable!("there is room for ever")
}

#[tokio::test]
async fn a_platform_that_has_no_room_left_keeps_no_other_from_anything() {
    let world = world().await;
    world.define("games").await;
    world.ok("PUT", "/v1/users/u?domain=films", json!({})).await;
    let link = |domain: &str, user: &str| json!({"domain": domain, "user_id": user});
    world.ok("PUT", "/v1/users/u/links?domain=films", link("travel", "v")).await;
    let granted = fill_the_share_of_films(&world).await;
    assert!(granted > 3, "room for {granted} consents alone");

    let declared = json!({"declared": {"a": "声".repeat(1_000)}});
    world.ok("PUT", "/v1/users/v?domain=travel", declared).await;
    for number in 0..granted {
        let to = format!("t{number}");
        let evidence = "证".repeat(200);
        let grant = json!({"consents": [
            {"to": to, "purpose": "training", "granted": true, "evidence": evidence},
        ]});
        world.ok("PUT", "/v1/users/v/consents?domain=travel", grant).await;
    }
    let view = world.ok("PUT", "/v1/users/v/links?domain=travel", link("games", "w")).await;
    assert_eq!(view["linked_domains"].as_array().unwrap().len(), 2);
    world.ok("GET", "/v1/users/v?domain=travel", Value::Null).await;

    // And who is full can still withdraw everything.
    for number in 0..granted {
        let withdrawal = json!({"consents": [{
            "to": format!("t{number}"), "purpose": "training", "granted": false,
            "evidence": "证".repeat(256),
        }]});
        world.ok("PUT", "/v1/users/u/consents?domain=films", withdrawal).await;
    }
    let view = world.ok("GET", "/v1/users/u?domain=films", Value::Null).await;
    let consents = view["consents"].as_array().unwrap().iter();
    assert!(consents.filter(|one| one["from"] == "films").all(|one| one["granted"] == false));
}

#[tokio::test]
async fn users_who_do_not_fit_into_one_person_are_refused_before_anything_is_written() {
    let world = world().await;
    // As a version without shares left them.
    for (domain, user) in [("films", "u"), ("travel", "v")] {
        let user = pseudonym(domain, user);
        let mut person = Person::of_one(user.clone(), domain.parse().unwrap());
        let decision = json!({"from": domain, "to": "travel", "purpose": "training",
            "granted": true, "decided_at": world.at(0), "evidence": "a".repeat(250_000)});
        person.consents.record_by(&user, serde_json::from_value(decision).unwrap());
        let entry = PeopleEntry::Person(person);
        let write = PeopleWrite { id: user, entry, expected: None };
        world.stores.people.commit(&[write]).await.unwrap();
    }
    let before = world.stores.people.scan(None).await.unwrap().entries;
    let link = json!({"domain": "travel", "user_id": "v"});
    let (status, problem) = world.call("PUT", "/v1/users/u/links?domain=films", &link).await;
    assert_eq!((status, &problem["code"]), (422, &json!("person_too_large")));
    assert_eq!(world.stores.people.scan(None).await.unwrap().entries, before);
}

async fn linked(world: &World) {
    world.ok("PUT", "/v1/users/v?domain=travel", json!({})).await;
    let link = json!({"domain": "travel", "user_id": "v"});
    world.ok("PUT", "/v1/users/u/links?domain=films", link).await;
}

#[tokio::test]
async fn an_erased_persons_consents_are_nobody_elses() {
    let world = world().await;
    world.ok("PUT", "/v1/users/u?domain=films", json!({})).await;
    linked(&world).await;
    let grant = json!({"consents": [
        {"to": "travel", "purpose": "training", "granted": true, "evidence": "ticket 7"},
        {"to": "travel", "purpose": "recommendation", "granted": false, "evidence": "ticket 8"},
    ]});
    world.ok("PUT", "/v1/users/u/consents?domain=films", grant).await;
    erase_user(&world).await;
    let other = world.ok("GET", "/v1/users/v?domain=travel", Value::Null).await;
    assert!(!other.to_string().contains("ticket"), "{other}");
    // Another user of the platform, and the same one who came back, are asked anew.
    for user in ["w", "u"] {
        world.ok("PUT", &format!("/v1/users/{user}?domain=films"), json!({})).await;
        let link = json!({"domain": "travel", "user_id": "v", "merge": true});
        let path = format!("/v1/users/{user}/links?domain=films");
        let consents = world.ok("PUT", &path, link).await["consents"].clone();
        let granted = consents.as_array().unwrap().iter().any(|one| one["granted"] == true);
        assert!(!granted, "{user}: {consents}");
    }
}

#[tokio::test]
async fn a_withdrawn_grant_that_is_sent_again_stays_withdrawn() {
    let world = world().await;
    world.ok("PUT", "/v1/users/u?domain=films", json!({})).await;
    let decide = async |granted: bool, decided_at: Option<String>| -> Value {
        let mut decision = json!({"to": "travel", "purpose": "training", "granted": granted});
        if let Some(at) = decided_at {
            decision["decided_at"] = at.into();
        }
        let body = json!({"consents": [decision]});
        let user = world.ok("PUT", "/v1/users/u/consents?domain=films", body).await;
        user["consents"][0]["granted"].clone()
    };
    // By a clock that runs ahead; by a refusal of a slow one; after ours was set back.
    for (grant, refusal, back) in [(240, None, 0), (0, Some(-600), 0), (0, None, 3_600)] {
        let granted_at = world.at(grant);
        assert_eq!(decide(true, Some(granted_at.clone())).await, true);
        world.pass(-back);
        assert_eq!(decide(false, refusal.map(|seconds| world.at(seconds))).await, false);
        world.pass(back);
        assert_eq!(decide(true, Some(granted_at)).await, false, "{grant} {refusal:?} {back}");
        world.pass(600);
    }
}

#[tokio::test]
async fn a_consent_or_trait_of_a_life_that_was_erased_is_refused() {
    let world = world().await;
    let definition = json!({
        "name": "films", "currency": "EUR", "event_types": {"view": {"weight": 1}},
        "sources": {"segment": {"traits": ["plan"]}},
    });
    world.ok("PUT", "/v1/domains/films", definition).await;
    world.ok("PUT", "/v1/users/u?domain=films", json!({})).await;
    let (before, state) = (world.at(-60), world.state());
    erase_user(&world).await;
    let declared = async |declared_at: String| {
        let declaration = Declaration {
            user: "u".into(),
            declared: [("plan".to_owned(), "pro".to_owned())].into(),
            declared_at: Some(declared_at.parse().unwrap()),
        };
        declare(&state, &"films".parse().unwrap(), declaration).await
    };
    assert_eq!(declared(before.clone()).await.unwrap_err().code, "erased_user");
    let path = "/v1/users/u?domain=films";
    assert_eq!(world.call("GET", path, &Value::Null).await.0, 404, "nobody registered them");
    world.pass(60);
    declared(world.at(0)).await.unwrap();
    let grant = |at: String| {
        json!({"consents": [
            {"to": "travel", "purpose": "training", "granted": true, "decided_at": at},
        ]})
    };
    let path = "/v1/users/u/consents?domain=films";
    let (status, problem) = world.call("PUT", path, &grant(before)).await;
    assert_eq!((status, &problem["code"]), (422, &json!("erased_user")));
    world.ok("PUT", path, grant(world.at(0))).await;
}

#[tokio::test]
async fn an_erasure_that_is_asked_for_again_is_the_same_one() {
    let world = world().await;
    world.ok("PUT", "/v1/users/u?domain=films", json!({})).await;
    post(&world, &event("e1", &world.at(-60))).await.unwrap();
    let first = erase_user(&world).await;
    assert_eq!((&first["deleted"]["people"], &first["deleted"]["events"]), (&json!(1), &json!(1)));
    world.pass(60);
    assert_eq!(erase_user(&world).await, first);
    // Finished, as well.
    let user = pseudonym("films", "u");
    let run = crossfold_core::entities::ids::TrainingRunId::parse("r").unwrap();
    let stores = &world.stores;
    let mut pending = crossfold_storage::erasure::pending(stores).await.unwrap();
    let erasure = pending.get_mut(&user).unwrap();
    Place::ALL.into_iter().filter(|place| *place != Place::Model).for_each(|place| {
        erasure.visit(place, 0);
    });
    erasure.number = Some(1);
    crossfold_storage::erasure::save(stores, &pending).await.unwrap();
    let now = world.at(0).parse().unwrap();
    assert_eq!(crossfold_storage::erasure::finish(stores, &run, 1, now).await.unwrap(), 1);
    let receipt = erase_user(&world).await;
    assert_eq!(receipt["pseudonym"], first["pseudonym"]);
    assert!(receipt["signature"].is_string(), "{receipt}");
    assert!(crossfold_storage::erasure::pending(stores).await.unwrap().is_empty());
    // Once something came in there is another life to erase.
    world.pass(60);
    post(&world, &event("e2", &world.at(0))).await.unwrap();
    let second = erase_user(&world).await;
    assert_ne!(second["pseudonym"], first["pseudonym"]);
    assert_eq!(second["deleted"], json!({"people": 0, "events": 1}));
}

#[tokio::test]
async fn who_was_never_known_is_counted_as_nobody_and_leaves_one_record() {
    let world = world().await;
    for _ in 0..3 {
        let answer = erase_user(&world).await;
        assert_eq!(answer["deleted"], json!({"people": 0, "events": 0}));
    }
    assert_eq!(crossfold_storage::erasure::pending(&world.stores).await.unwrap().len(), 1);
    let life = life(&*world.stores.people, &pseudonym("films", "u")).await.unwrap();
    assert_eq!(life.user.life(), 1);
}

/// People whose every call lets others go first, and who refuse, as DynamoDB does, a
/// transaction that writes one entry twice.
struct Interleaved(std::sync::Arc<dyn crossfold_core::entities::ports::PeopleStore>);

#[async_trait::async_trait]
impl crossfold_core::entities::ports::PeopleStore for Interleaved {
    async fn get(&self, user: &Pseudonym) -> StoreResult<Option<VersionedEntry>> {
        tokio::task::yield_now().await;
        self.0.get(user).await
    }

    async fn get_all(&self, users: &[Pseudonym]) -> StoreResult<Vec<VersionedEntry>> {
        self.0.get_all(users).await
    }

    async fn commit(&self, writes: &[PeopleWrite]) -> StoreResult<Committed> {
        let ids: std::collections::BTreeSet<&Pseudonym> =
            writes.iter().map(|write| &write.id).collect();
        if ids.len() < writes.len() {
            return Err(StoreError::Refused("one entry is written twice".into()));
        }
        self.0.commit(writes).await
    }

    async fn commit_unless(
        &self,
        writes: &[PeopleWrite],
        absent: &[Pseudonym],
    ) -> StoreResult<Committed> {
        self.0.commit_unless(writes, absent).await
    }

    async fn rekey(&self, entry: &VersionedEntry, to: &Pseudonym) -> StoreResult<Committed> {
        self.0.rekey(entry, to).await
    }

    async fn scan(&self, after: Option<String>) -> StoreResult<Page<VersionedEntry>> {
        self.0.scan(after).await
    }
}

#[tokio::test]
async fn links_that_are_made_in_both_directions_at_once_are_one() {
    for delay in 0..8 {
        let world = World::over(|stores| Stores {
            people: std::sync::Arc::new(Interleaved(stores.people.clone())),
            ..stores
        });
        world.define("films").await;
        world.define("travel").await;
        let (there, back) = (
            json!({"domain": "travel", "user_id": "v"}),
            json!({"domain": "films", "user_id": "u"}),
        );
        let later = async {
            for _ in 0..delay {
                tokio::task::yield_now().await;
            }
            world.call("PUT", "/v1/users/v/links?domain=travel", &back).await
        };
        let (one, other) =
            tokio::join!(world.call("PUT", "/v1/users/u/links?domain=films", &there), later);
        assert_eq!((one.0, other.0), (200, 200), "{delay}: {one:?} {other:?}");
        assert_eq!(other.1["linked_domains"], json!(["films"]), "{delay}");
    }
}
