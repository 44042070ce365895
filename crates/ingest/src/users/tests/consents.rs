//! Refusals hold whoever leaves and however much was written; what one platform writes takes no
//! other its room.

use crossfold_storage::definition_reader::definitions;

use super::*;
use crate::test_world::Numbers;

/// Defines a domain whose evidence goes to others unless the person refuses.
async fn define_open(world: &World, domain: &str, to: &[&str]) {
    let defaults: Vec<Value> =
        to.iter().map(|to| json!({"to": to, "purpose": "training", "granted": true})).collect();
    let definition = json!({
        "name": domain, "currency": "EUR", "event_types": {"view": {"weight": 1}},
        "consent_defaults": defaults,
    });
    world.ok("PUT", &format!("/v1/domains/{domain}"), definition).await;
}

fn decision(from: &str, to: &str, granted: bool) -> Value {
    json!({"from": from, "to": to, "purpose": "training", "granted": granted,
        "evidence": "ticket 7"})
}

async fn decide(world: &World, (user, domain): (&str, &str), decision: Value) -> Value {
    let path = format!("/v1/users/{user}/consents?domain={domain}");
    world.ok("PUT", &path, json!({"consents": [decision]})).await
}

async fn link(world: &World, (user, domain): (&str, &str), other: (&str, &str)) {
    let body = json!({"domain": other.1, "user_id": other.0});
    world.ok("PUT", &format!("/v1/users/{user}/links?domain={domain}"), body).await;
}

async fn person_of(world: &World, (user, domain): (&str, &str)) -> Person {
    match find(&*world.stores.people, &pseudonym(domain, user)).await.unwrap() {
        Found::Person(stored) => stored.person,
        other => panic!("{user} of {domain} is {other:?}"),
    }
}

/// Whether evidence may go from one domain to another for training.
async fn permits(world: &World, user: (&str, &str), from: &str, to: &str) -> bool {
    let definitions = definitions(&*world.stores.records).await.unwrap();
    let (from, to, now) = (from.parse().unwrap(), to.parse().unwrap(), world.at(0));
    let ledger = person_of(world, user).await.consents;
    ledger.permits(&from, &to, Purpose::Training, &definitions, now.parse().unwrap())
}

#[tokio::test]
async fn a_refusal_stands_again_when_the_grant_that_overruled_it_is_erased() {
    let world = world().await;
    define_open(&world, "films", &["travel"]).await;
    world.ok("PUT", "/v1/users/u?domain=films", json!({})).await;
    assert!(permits(&world, ("u", "films"), "films", "travel").await);
    decide(&world, ("u", "films"), decision("films", "travel", false)).await;
    link(&world, ("u", "films"), ("visitor", "travel")).await;
    decide(&world, ("visitor", "travel"), decision("films", "travel", true)).await;
    assert!(permits(&world, ("u", "films"), "films", "travel").await);
    world.ok("DELETE", "/v1/users/visitor?domain=travel", Value::Null).await;
    assert!(!permits(&world, ("u", "films"), "films", "travel").await);
    let view = world.ok("GET", "/v1/users/u?domain=films", Value::Null).await;
    assert_eq!(view["consents"][0]["granted"], false, "{view}");
}

#[tokio::test]
async fn a_refusal_outlives_the_domain_that_it_kept_evidence_from() {
    let world = world().await;
    define_open(&world, "films", &["travel"]).await;
    define_open(&world, "games", &[]).await;
    world.ok("PUT", "/v1/users/u?domain=films", json!({})).await;
    decide(&world, ("u", "films"), decision("films", "travel", false)).await;
    decide(&world, ("u", "films"), decision("travel", "films", true)).await;
    decide(&world, ("u", "films"), decision("films", "games", true)).await;
    for status in [202, 200] {
        let answer = world.call("DELETE", "/v1/domains/travel?confirm=travel", &Value::Null).await;
        assert_eq!(answer.0, status, "{}", answer.1);
        world.pass(60);
    }
    define_open(&world, "travel", &["films"]).await;
    assert!(!permits(&world, ("u", "films"), "films", "travel").await);
    assert!(permits(&world, ("u", "films"), "films", "games").await);
    let person = person_of(&world, ("u", "films")).await;
    let kept: Vec<&ConsentDecision> = person.consents.decisions().collect();
    assert_eq!(kept.len(), 2, "the grant about the domain is gone: {kept:?}");
    let refusal = kept.into_iter().find(|kept| !kept.granted).unwrap();
    assert_eq!(refusal.evidence, None);
}

#[tokio::test]
async fn a_refusal_is_taken_however_little_room_there_is() {
    const TARGETS: usize = 120;
    let world = world().await;
    let targets: Vec<String> = (0..TARGETS).map(|number| format!("t{number}")).collect();
    for target in &targets {
        world.define(target).await;
    }
    let names: Vec<&str> = targets.iter().map(String::as_str).collect();
    define_open(&world, "films", &names).await;
    fill_the_share_of_films(&world).await;
    for target in &targets {
        decide(&world, ("u", "films"), decision("films", target, false)).await;
        assert!(!permits(&world, ("u", "films"), "films", target).await, "{target}");
    }
    for target in &targets {
        assert!(!permits(&world, ("u", "films"), "films", target).await, "{target}");
    }
    let view = world.ok("GET", "/v1/users/u?domain=films", Value::Null).await;
    let closed = json!([{"from": "films", "purpose": "training"}]);
    assert_eq!(view["closed"], closed, "{view}");
    let (_, of_others) =
        world.call_for(&["travel"], ("PUT", "/v1/users/v?domain=travel"), &json!({})).await;
    assert_eq!(of_others.get("closed"), None, "nothing of theirs is closed");
    // Who decides anew is heard.
    let mut grant = decision("films", names[TARGETS - 1], true);
    grant.as_object_mut().unwrap().remove("evidence");
    decide(&world, ("u", "films"), grant).await;
    assert!(permits(&world, ("u", "films"), "films", names[TARGETS - 1]).await);
    assert!(!permits(&world, ("u", "films"), "films", names[TARGETS - 2]).await);
}

#[tokio::test]
async fn what_is_closed_is_shown_to_who_acts_for_the_domain_alone() {
    let world = world().await;
    world.ok("PUT", "/v1/users/u?domain=films", json!({})).await;
    link(&world, ("u", "films"), ("v", "travel")).await;
    let of_others = |view: &Value| view.get("closed").is_some();
    for number in 0..80 {
        let to = format!("t{number}");
        world.define(&to).await;
        decide(&world, ("u", "films"), decision("films", &to, false)).await;
    }
    let own = ("GET", "/v1/users/u?domain=films");
    assert!(of_others(&world.call_for(&["films"], own, &Value::Null).await.1));
    let other = ("GET", "/v1/users/v?domain=travel");
    assert!(!of_others(&world.call_for(&["travel"], other, &Value::Null).await.1));
    let erased = world.ok("DELETE", "/v1/users/v?domain=travel", Value::Null).await;
    assert_eq!(erased["deleted"]["people"], 1);
    world.ok("DELETE", "/v1/users/u?domain=films", Value::Null).await;
    let back = world.ok("PUT", "/v1/users/u?domain=films", json!({})).await;
    assert!(!of_others(&back), "erased with the record");
}

#[tokio::test]
async fn what_is_decided_of_evidence_elsewhere_takes_no_other_platform_its_room() {
    let world = world().await;
    for domain in ["games", "music"] {
        world.define(domain).await;
    }
    for user in ["v", "alone"] {
        world.ok("PUT", &format!("/v1/users/{user}?domain=travel"), json!({})).await;
    }
    link(&world, ("v", "travel"), ("u", "films")).await;
    let evidence = "证".repeat(250);
    let grant = |from: &str, to: &str| {
        json!({"consents": [{"from": from, "to": to, "purpose": "training", "granted": true,
            "evidence": evidence}]})
    };
    let targets: Vec<String> = (0..20).map(|number| format!("t{number}")).collect();
    for to in &targets {
        world.define(to).await;
    }
    let mut refused = 0;
    for to in &targets {
        let path = "/v1/users/u/consents?domain=films";
        refused += u32::from(world.call("PUT", path, &grant("games", to)).await.0 == 422);
    }
    assert!(refused > 0, "films' room is full");
    for to in &targets {
        let [linked, alone] = ["v", "alone"].map(|user| {
            let path = format!("/v1/users/{user}/consents?domain=travel");
            (path, grant("music", to))
        });
        let linked = world.call("PUT", &linked.0, &linked.1).await;
        let alone = world.call("PUT", &alone.0, &alone.1).await;
        assert_eq!(linked.0, alone.0, "{}", linked.1);
    }
}

/// What the platform of b and c calls of a user of b, with ever other numbers.
async fn call_of_b(world: &World, user: &str, number: u64) -> (u16, Value) {
    let of_user = |rest: &str| format!("/v1/users/{user}{rest}?domain=b");
    let to = format!("t{}", number % 7);
    let from = if number.is_multiple_of(3) { "b" } else { "c" };
    let consent = |granted: bool| {
        json!({"consents": [{"from": from, "to": to, "purpose": "training", "granted": granted,
            "evidence": "证".repeat(usize::try_from(number % 250).unwrap())}]})
    };
    let (method, path, body) = match number % 5 {
        0 => ("PUT", of_user(""), json!({"declared": {"a": "声".repeat(900)}})),
        1 => ("GET", of_user(""), Value::Null),
        2 => ("PUT", of_user("/consents"), consent(false)),
        _ => ("PUT", of_user("/consents"), consent(true)),
    };
    world.call_for(&["b", "c"], (method, &path), &body).await
}

/// A world in which `v` of b is linked with `u` of a, and `alone` of b with nobody.
async fn linked_world(others: &[String]) -> World {
    let world = World::new(&FaultPlan::from_fn(|_| Fault::None));
    for domain in ["a", "b", "c"].into_iter().chain(others.iter().map(String::as_str)) {
        world.define(domain).await;
    }
    for to in 0..7 {
        world.define(&format!("t{to}")).await;
    }
    for user in ["v", "alone"] {
        world.ok("PUT", &format!("/v1/users/{user}?domain=b"), json!({})).await;
    }
    link(&world, ("v", "b"), ("u", "a")).await;
    world
}

async fn assert_b_is_served_alike(world: &World, number: u64, what: &str) {
    let (linked, alone) =
        (call_of_b(world, "v", number).await, call_of_b(world, "alone", number).await);
    assert_eq!(linked, alone, "{what}");
}

#[tokio::test]
async fn a_person_who_was_filled_over_users_who_come_and_go_is_served_as_any_other() {
    let others: Vec<String> = (0..90).map(|number| format!("x{number}")).collect();
    let world = linked_world(&others).await;
    let mut acts_for: Vec<&str> = others.iter().map(String::as_str).collect();
    acts_for.push("a");
    for (round, other) in others.iter().enumerate() {
        let link = json!({"domain": other, "user_id": "z"});
        let path = ("PUT", "/v1/users/u/links?domain=a");
        assert_eq!(world.call_for(&acts_for, path, &link).await.0, 200);
        let refusals: Vec<Value> = others
            .iter()
            .take(100)
            .map(|to| json!({"from": other, "to": to, "purpose": "training", "granted": false}))
            .collect();
        let path = format!("/v1/users/z/consents?domain={other}");
        let body = json!({ "consents": refusals });
        // As many of them as there is room for.
        for some in body["consents"].as_array().unwrap().chunks(8) {
            world.call_for(&acts_for, ("PUT", &path), &json!({ "consents": some })).await;
        }
        let path = format!("/v1/users/z?domain={other}");
        assert_eq!(world.call_for(&acts_for, ("DELETE", &path), &Value::Null).await.0, 200);
        assert_b_is_served_alike(&world, round as u64, &format!("round {round}")).await;
    }
    let stored = serde_json::to_string(&person_of(&world, ("v", "b")).await).unwrap();
    assert!(stored.len() < 100_000, "{} bytes are left of users who are gone", stored.len());
}

#[tokio::test]
async fn whatever_others_do_with_a_person_a_platform_is_served_as_with_any_other() {
    let others: Vec<String> = (0..3).map(|number| format!("x{number}")).collect();
    for seed in 1..=6_u64 {
        let mut numbers = Numbers(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let world = linked_world(&others).await;
        let mut acts_for: Vec<&str> = others.iter().map(String::as_str).collect();
        acts_for.push("a");
        for step in 0..70 {
            let domain = acts_for[numbers.below(4) as usize];
            let user = if domain == "a" { "u" } else { "z" };
            let other = acts_for[numbers.below(4) as usize];
            let of_user = |rest: &str| format!("/v1/users/{user}{rest}?domain={domain}");
            let (method, path, body) = match numbers.below(8) {
                0 => ("PUT", of_user(""), json!({"declared": {"a": "声".repeat(1_000)}})),
                // Without u nothing of theirs would be linked any more.
                1 if user == "z" => ("DELETE", of_user(""), Value::Null),
                1..=3 => {
                    let linked = json!({"domain": "a", "user_id": "u", "merge": true});
                    ("PUT", of_user("/links"), linked)
                }
                _ => {
                    let granted = numbers.below(2) == 0;
                    let evidence = "证".repeat(numbers.below(257) as usize);
                    let consents: Vec<Value> = others
                        .iter()
                        .flat_map(|to| ["training", "recommendation"].map(|purpose| (to, purpose)))
                        .map(|(to, purpose)| {
                            json!({"from": other, "to": to, "purpose": purpose,
                                "granted": granted, "evidence": evidence})
                        })
                        .collect();
                    let one = numbers.below(3) > 0;
                    let consents = if one { consents[..1].to_vec() } else { consents };
                    ("PUT", of_user("/consents"), json!({ "consents": consents }))
                }
            };
            world.call_for(&acts_for, (method, &path), &body).await;
            let what = format!("seed {seed}, step {step}: {method} {path}");
            assert_b_is_served_alike(&world, numbers.below(1_000), &what).await;
        }
    }
}
