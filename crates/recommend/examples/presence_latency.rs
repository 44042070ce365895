//! How long a slate takes for a user whom another platform knows and who lets it tell
//! nothing, and for one whom nobody else knows: the same, whatever is hidden.
//!
//! ```text
//! cargo run -p crossfold-recommend --example presence_latency
//! ```
//!
//! Asks 300 times for each, in turns, over the embedded storage, and prints what the times
//! were. The user without links stands there twice: how far the two differ is noise.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use crossfold_core::entities::definition::DomainDefinition;
use crossfold_core::entities::event::Event;
use crossfold_core::entities::ids::{DomainId, Pseudonym, UserId};
use crossfold_core::entities::people::{PeopleEntry, PeopleWrite, Person};
use crossfold_core::entities::ports::Stores;
use crossfold_core::entities::pseudonym::Pseudonymiser;
use crossfold_edge::caller::Caller;
use crossfold_edge::router::complete;
use crossfold_edge::system;
use crossfold_recommend::{RecommendState, routes};
use crossfold_storage::embedded::Embedded;
use crossfold_storage::records;
use serde_json::json;
use tower::ServiceExt;

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

const CALLS: usize = 300;
const WARM_UP: usize = 20;
/// Users of the other platform whom some are linked to.
const MEMBERS: usize = 24;

#[tokio::main]
async fn main() -> Outcome<()> {
    let directory = std::env::temp_dir().join(format!("crossfold-presence-{}", std::process::id()));
    std::fs::create_dir_all(&directory)?;
    let embedded = Embedded::start(&directory).await?;
    let measured = measure(&embedded.stores()).await;
    drop(embedded);
    std::fs::remove_dir_all(&directory)?;
    measured
}

async fn measure(stores: &Stores) -> Outcome<()> {
    let keys = || Pseudonymiser::new("t", 1, BTreeMap::from([(1, vec![7; 32].into())]));
    let (shop, school) = (DomainId::parse("shop")?, DomainId::parse("school")?);
    let definition: DomainDefinition = serde_json::from_value(json!({
        "name": "A platform", "currency": "CNY", "event_types": {"view": {"weight": 1.0}},
    }))?;
    for domain in [&shop, &school] {
        records::put(&*stores.records, domain, &definition).await?;
    }
    let world = World { stores, keys: keys()?, shop, school };
    let mut users = vec![("not linked".to_owned(), world.unlinked("alone").await?)];
    users.push(("not linked, again".to_owned(), world.unlinked("alone as well").await?));
    for hidden in [0, 100, 1_000] {
        for is_first in [true, false] {
            let name =
                format!("linked {}, {hidden} hidden", if is_first { "first" } else { "second" });
            users.push((name.clone(), world.linked(&name, is_first, (1, hidden)).await?));
        }
    }
    for is_first in [true, false] {
        let place = if is_first { "first" } else { "second" };
        let name = format!("linked {place}, {MEMBERS} hidden users");
        users.push((name.clone(), world.linked(&name, is_first, (MEMBERS, 100)).await?));
    }
    let state = RecommendState::new(stores.clone(), keys()?, system::machine());
    let service = complete(routes().with_state(state));
    let mut times = vec![Vec::with_capacity(CALLS); users.len()];
    for round in 0..WARM_UP + CALLS {
        // Another order each time, so that nobody always follows the same one.
        for turn in 0..users.len() {
            let at = (turn * 3 + round) % users.len();
            let took = ask(&service, &users[at].1).await?;
            if round >= WARM_UP {
                times[at].push(took);
            }
        }
    }
    println!("{:<28} {:>9} {:>9} {:>9}   (ms, {CALLS} calls each)", "user", "p25", "median", "p75");
    for ((name, _), mut times) in users.into_iter().zip(times) {
        times.sort_unstable();
        let at = |share: usize| times[times.len() * share / 100].as_secs_f64() * 1_000.0;
        println!("{name:<28} {:>9.2} {:>9.2} {:>9.2}", at(25), at(50), at(75));
    }
    Ok(())
}

/// What users are made in.
struct World<'a> {
    stores: &'a Stores,
    keys: Pseudonymiser,
    shop: DomainId,
    school: DomainId,
}

impl World<'_> {
    /// A user of the shop whom nobody else knows, with some events there.
    async fn unlinked(&self, name: &str) -> Outcome<String> {
        let user = self.user(&self.shop, name)?;
        self.put(&user, PeopleEntry::Person(Person::of_one(user.clone(), self.shop.clone())))
            .await?;
        self.view(&user, &self.shop, 20).await?;
        Ok(name.to_owned())
    }

    /// The same, linked to so many users of the school, one of whom did so much there. No
    /// consent lets the shop know. Of each the school has declared a good deal.
    async fn linked(
        &self,
        name: &str,
        is_first: bool,
        (members, events): (usize, usize),
    ) -> Outcome<String> {
        let own = (self.user(&self.shop, name)?, &self.shop);
        let mut users = Vec::new();
        for number in 0..members {
            users.push((self.user(&self.school, &format!("{name} {number}"))?, &self.school));
        }
        let of_school = users[0].0.clone();
        users.insert(if is_first { 0 } else { 1 }, own.clone());
        let first = users[0].0.clone();
        let mut person = Person::of_one(first.clone(), users[0].1.clone());
        for (user, domain) in &users[1..] {
            person.join(Person::of_one(user.clone(), (*domain).clone()), |_| false)?;
            let declared = (0..20).map(|key| (format!("attribute {key}"), "of them".repeat(20)));
            let link = PeopleEntry::Link {
                person: first.clone(),
                life: 0,
                erased_until: None,
                declared: Some(declared.collect()),
            };
            self.put(user, link).await?;
        }
        self.put(&first, PeopleEntry::Person(person)).await?;
        self.view(&own.0, &self.shop, 20).await?;
        self.view(&of_school, &self.school, events).await?;
        Ok(name.to_owned())
    }

    fn user(&self, domain: &DomainId, name: &str) -> Outcome<Pseudonym> {
        Ok(self.keys.pseudonym(domain, &UserId::parse(name)?))
    }

    async fn put(&self, user: &Pseudonym, entry: PeopleEntry) -> Outcome<()> {
        let write = PeopleWrite { id: user.clone(), entry, expected: None };
        self.stores.people.commit(&[write]).await?;
        Ok(())
    }

    async fn view(&self, user: &Pseudonym, domain: &DomainId, events: usize) -> Outcome<()> {
        let event = |number| {
            serde_json::from_value::<Event>(json!({
                "event_id": format!("e{number}"), "user": user, "domain": domain,
                "event_type": "view", "item_id": format!("i{number}"),
                "occurred_at": jiff::Timestamp::now(), "received_at": jiff::Timestamp::now(),
            }))
        };
        let events = (0..events).map(event).collect::<Result<Vec<Event>, _>>()?;
        self.stores.events.append_all(&events).await?;
        Ok(())
    }
}

async fn ask(service: &Router, user: &str) -> Outcome<Duration> {
    let body = json!({ "user_id": user, "domain": "shop", "target_domains": ["shop", "school"] });
    let request = Request::post("/v1/recommendations")
        .header("content-type", "application/json")
        .extension(Caller::development())
        .body(Body::from(body.to_string()))?;
    let began = Instant::now();
    let response = service.clone().oneshot(request).await?;
    let took = began.elapsed();
    if !response.status().is_success() {
        return Err(format!("answered {}", response.status()).into());
    }
    Ok(took)
}
