//! What another platform knows of a person shows in no work that is done for a request.

use std::sync::Mutex;

use crossfold_storage::faults::{Fault, FaultPlan, faulty};

use super::long_histories::{seen_for_thirty_days, views_of_others};
use super::*;

/// A user of `auto` by name.
fn auto_user(name: &str) -> Pseudonym {
    pseudonymiser().pseudonym(&domain("auto"), &UserId::parse(name).unwrap())
}

/// Users of `auto`: one whom nobody knows, one alone, and for each number of events one who
/// is linked to a user of `knowledge` with so many, as the first member and as the second.
pub(super) async fn users_of_auto(stores: &Stores, hidden: &[usize]) -> Vec<String> {
    let mut names = vec!["stranger".to_owned(), "alone".to_owned()];
    let alone = Person::of_one(auto_user("alone"), domain("auto"));
    put(stores, &auto_user("alone"), PeopleEntry::Person(alone)).await;
    for events in hidden {
        for order in ["first", "second"] {
            let name = format!("{order} with {events}");
            let (own, other) = (
                auto_user(&name),
                pseudonymiser().pseudonym(&domain("knowledge"), &UserId::parse(&name).unwrap()),
            );
            let of_one = |user: &Pseudonym, of: &str| Person::of_one(user.clone(), domain(of));
            let (mut person, joined) = match order {
                "first" => (of_one(&own, "auto"), of_one(&other, "knowledge")),
                _ => (of_one(&other, "knowledge"), of_one(&own, "auto")),
            };
            person.join(joined, |_| true).unwrap();
            let ids: Vec<Pseudonym> =
                person.members.iter().map(|member| member.user.clone()).collect();
            put(
                stores,
                &ids[1],
                PeopleEntry::Link {
                    person: ids[0].clone(),
                    life: 0,
                    erased_until: None,
                    declared: None,
                },
            )
            .await;
            put(stores, &ids[0], PeopleEntry::Person(person)).await;
            for index in 0..*events {
                let mut event = view_of(&other, "i");
                event.event_id = EventId::parse(&format!("{index}")).unwrap();
                stores.events.append(&event).await.unwrap();
            }
            names.push(name);
        }
    }
    names
}

async fn put(stores: &Stores, user: &Pseudonym, entry: PeopleEntry) {
    let write = PeopleWrite { id: user.clone(), entry, expected: None };
    stores.people.commit(&[write]).await.unwrap();
}

/// The calls that a warm service makes for a request, in order of their names.
async fn calls_for(stores: &Stores, name: &str, more: Value) -> Vec<&'static str> {
    let calls = Arc::new(Mutex::new(Vec::new()));
    let made = calls.clone();
    let plan = FaultPlan::from_fn(move |call| {
        made.lock().unwrap().push(call.method);
        Fault::None
    });
    let state =
        RecommendState::new(faulty(stores.clone(), &plan), pseudonymiser(), fixed_machine());
    let service = complete(routes().with_state(state));
    let mut body = json!({ "user_id": name, "domain": "auto", "target_domains": DOMAINS });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    answer(&service, body.clone()).await;
    calls.lock().unwrap().clear();
    answer(&service, body).await;
    let mut calls = calls.lock().unwrap().clone();
    calls.sort_unstable();
    calls
}

#[tokio::test]
async fn a_linked_user_without_consent_costs_the_same_calls_as_one_who_is_not() {
    let stores = world().await;
    publish(&*stores.objects, uniform_model(&DOMAINS, 0.5), None).await;
    let expected =
        ["decisions.record", "events.history", "people.get", "people.get", "records.get"];
    // Of more than is read as evidence, what counts as seen for a time is read on.
    seen_for_thirty_days(&stores).await;
    for name in users_of_auto(&stores, &[0, 100, 1_000, 1_500]).await {
        assert_eq!(calls_for(&stores, &name, json!({})).await, expected, "{name}");
    }
}

/// Makes Ann of `auto` the same person as Ann of `knowledge`, who is registered alone and lets
/// `auto` know.
pub(super) async fn link_ann(stores: &Stores) {
    let knowledge = pseudonymiser().pseudonym(&domain("knowledge"), &UserId::parse("ann").unwrap());
    let mut stored = stores.people.get(&knowledge).await.unwrap().unwrap();
    let PeopleEntry::Person(person) = &mut stored.entry else { panic!("a person") };
    person.join(Person::of_one(auto_user("ann"), domain("auto")), |_| true).unwrap();
    let write =
        PeopleWrite { id: knowledge.clone(), entry: stored.entry, expected: Some(stored.version) };
    stores.people.commit(&[write]).await.unwrap();
    put(
        stores,
        &auto_user("ann"),
        PeopleEntry::Link { person: knowledge, life: 0, erased_until: None, declared: None },
    )
    .await;
}

#[tokio::test]
async fn only_histories_that_the_request_may_use_are_read() {
    let stores = world().await;
    publish(&*stores.objects, uniform_model(&DOMAINS, 0.5), None).await;
    link_ann(&stores).await;

    // She did more there than is read as evidence, within the time that it counts as seen.
    seen_for_thirty_days(&stores).await;
    let of_ann = pseudonymiser().pseudonym(&domain("knowledge"), &UserId::parse("ann").unwrap());
    views_of_others(&stores, &of_ann, 1_500, noon()).await;
    let histories = async |more: Value| {
        let calls = calls_for(&stores, "ann", more).await;
        ["events.history", "events.past"]
            .map(|method| calls.iter().filter(|call| **call == method).count())
    };
    assert_eq!(histories(json!({})).await, [2, 1], "with consent");
    let own = json!({ "target_domains": ["auto"] });
    assert_eq!(histories(own).await, [2, 0], "no item of the platform is asked for");
    assert_eq!(histories(json!({ "personalised": false })).await, [2, 0], "for nobody");
    let without = json!([{ "from": "knowledge", "to": "auto" }]);
    let dry = json!({ "dry_run": true, "without_consents": without });
    assert_eq!(histories(dry).await, [1, 0], "without");
}
