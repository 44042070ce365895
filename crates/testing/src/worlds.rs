//! Whole worlds to train on.

use std::collections::BTreeSet;

use crossfold_entities::definition::Definitions;
use crossfold_entities::event::Event;
use crossfold_entities::ids::{DomainId, ItemId, Pseudonym};
use crossfold_entities::people::{Person, VersionedEntry};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::definitions::definition;
use crate::events::event_at;
use crate::ids::{domain, event_id, item, item_key, user};
use crate::people::{mutual_consent, person, stored};

/// The first domain of a [`World`].
pub const KNOWLEDGE: &str = "knowledge";
/// The second domain of a [`World`].
pub const AUTO_FINANCE: &str = "auto-finance";
/// Items of each domain: `i0`, `i1` and so on.
pub const ITEMS_PER_DOMAIN: usize = 24;

/// Views of each person in each domain.
const VIEWS: usize = 8;
/// Seconds over which everything happens.
const SPAN: i64 = 100_000;

/// Two domains, their items, and what people did there.
#[derive(Debug, Clone)]
pub struct World {
    /// The domains.
    pub definitions: Definitions,
    /// Every item of both.
    pub items: BTreeSet<(DomainId, ItemId)>,
    /// Everyone, as the store has them: a user on each domain, linked, who consents to
    /// everything.
    pub people: Vec<VersionedEntry>,
    /// What they did, in no particular order, within a day of 1970.
    pub events: Vec<Event>,
}

impl World {
    /// A person's user on a domain.
    ///
    /// # Panics
    /// Never: any number gives a valid pseudonym.
    #[must_use]
    pub fn user(number: usize, of_domain: &str) -> Pseudonym {
        user(&format!("{of_domain}-{number}"))
    }
}

/// A world of so many people, the same for the same seed. Even people like the even
/// items of both domains and odd people the odd ones, so that there is a taste to be
/// learnt, and to be carried across.
///
/// # Panics
/// Never: any number of people and any seed give a valid world.
#[must_use]
pub fn world(people: usize, seed: u64) -> World {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let domains = [KNOWLEDGE, AUTO_FINANCE];
    let mut events = Vec::new();
    for number in 0..people {
        for of_domain in domains {
            for step in 0..VIEWS {
                let liked = random.random_range(0..ITEMS_PER_DOMAIN / 2) * 2 + number % 2;
                events.push(Event {
                    event_id: event_id(&format!("e{step}")),
                    user: World::user(number, of_domain),
                    domain: domain(of_domain),
                    item_id: item(&format!("i{liked}")),
                    ..event_at(random.random_range(0..SPAN))
                });
            }
        }
    }
    let items = domains.into_iter().flat_map(|of_domain| {
        (0..ITEMS_PER_DOMAIN).map(move |number| item_key(of_domain, &format!("i{number}")))
    });
    World {
        definitions: domains.map(|of_domain| (domain(of_domain), definition())).into(),
        items: items.collect(),
        people: (0..people).map(|number| stored(consenting(number, domains))).collect(),
        events,
    }
}

fn consenting(number: usize, domains: [&str; 2]) -> Person {
    let members = domains.map(|of_domain| (World::user(number, of_domain), domain(of_domain)));
    let consents = mutual_consent(&members[0].1, &members[1].1);
    Person { consents: consents.into(), ..person(members) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_world_and_everyone_keeps_to_their_taste() {
        let first = world(10, 1);
        assert_eq!(first.events, world(10, 1).events);
        assert_ne!(first.events, world(10, 2).events);
        assert_eq!((first.people.len(), first.items.len()), (10, 2 * ITEMS_PER_DOMAIN));
        assert_eq!(first.events.len(), 10 * 2 * VIEWS);
        let odd = World::user(3, KNOWLEDGE);
        let parity = |event: &Event| event.item_id.as_str()[1..].parse::<usize>().map(|n| n % 2);
        let mut of_odd = first.events.iter().filter(|event| event.user == odd);
        assert!(of_odd.all(|event| parity(event) == Ok(1)));
    }
}
