//! How many calls of the stores a call makes.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

/// A world with its domains, and how many calls of its stores were made.
async fn counting_world() -> (World, Arc<AtomicUsize>) {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = calls.clone();
    let world = World::new(&FaultPlan::from_fn(move |_| {
        counted.fetch_add(1, Ordering::Relaxed);
        Fault::None
    }));
    for domain in ["films", "travel"] {
        world.define(domain).await;
    }
    (world, calls)
}

#[tokio::test]
async fn many_consents_are_as_many_calls_as_one() {
    let (world, calls) = counting_world().await;
    world.ok("PUT", "/v1/users/u?domain=films", json!({})).await;
    let refusal = json!({"to": "travel", "purpose": "training", "granted": false});
    let mut counts = BTreeSet::new();
    for consents in [1, 100] {
        let body = json!({ "consents": vec![refusal.clone(); consents] });
        calls.store(0, Ordering::Relaxed);
        world.ok("PUT", "/v1/users/u/consents?domain=films", body).await;
        counts.insert(calls.load(Ordering::Relaxed));
    }
    assert_eq!(counts.len(), 1, "{counts:?}");
    let unknown = json!({"consents": [{"to": "nowhere", "purpose": "training", "granted": true}]});
    let (status, problem) = world.call("PUT", "/v1/users/u/consents?domain=films", &unknown).await;
    assert_eq!((status, &problem["code"]), (404, &json!("unknown_domain")));
}

#[tokio::test]
async fn as_many_calls_are_made_for_a_user_who_is_linked_as_for_one_who_is_not() {
    let (world, calls) = counting_world().await;
    for (user, domain) in [("alone", "films"), ("first", "films"), ("second", "films")] {
        world.ok("PUT", &format!("/v1/users/{user}?domain={domain}"), json!({})).await;
    }
    for (user, links) in [("first", 1..9), ("hidden", 20..29)] {
        let domain = if user == "first" { "films" } else { "travel" };
        for other in links {
            link_directly(&world, (domain, user), ("travel", &format!("t{other}"))).await;
        }
    }
    link_directly(&world, ("travel", "hidden"), ("films", "second")).await;
    let mut counts = BTreeMap::<&str, BTreeSet<usize>>::new();
    let grant = json!({"consents": [{"to": "travel", "purpose": "training", "granted": true}]});
    for user in ["alone", "first", "second"] {
        for (method, of, body) in [
            ("GET", "", Value::Null),
            ("PUT", "", json!({"declared": {"a": "b"}})),
            ("PUT", "/consents", grant.clone()),
        ] {
            calls.store(0, Ordering::Relaxed);
            world.ok(method, &format!("/v1/users/{user}{of}?domain=films"), body).await;
            let name = if of.is_empty() { method } else { of };
            let made = calls.load(Ordering::Relaxed);
            counts.entry(name).or_default().insert(made);
        }
    }
    assert!(counts.values().all(|counts| counts.len() == 1), "{counts:?}");
}

/// Links users as a platform that acts for none of their domains' limits would.
async fn link_directly(world: &World, to: (&str, &str), user: (&str, &str)) {
    let [to, user] = [to, user]
        .map(|(domain, user)| (pseudonym(domain, user), domain.parse::<DomainId>().unwrap()));
    let stored = world.stores.people.get(&to.0).await.unwrap();
    let expected = stored.as_ref().map(|stored| stored.version);
    let mut person = match stored.map(|stored| stored.entry) {
        Some(PeopleEntry::Person(person)) => person,
        _ => Person::of_one(to.0.clone(), to.1),
    };
    person.join(Person::of_one(user.0.clone(), user.1), |_| false).unwrap();
    let member = person.members.last().unwrap();
    let link = link_to(&to.0, member, Declared::new());
    let standing = world.stores.people.get(&user.0).await.unwrap();
    let writes = [
        PeopleWrite {
            id: user.0,
            entry: link,
            expected: standing.map(|standing| standing.version),
        },
        PeopleWrite { id: to.0, entry: PeopleEntry::Person(person), expected },
    ];
    assert_eq!(world.stores.people.commit(&writes).await.unwrap(), Committed::Yes);
}
