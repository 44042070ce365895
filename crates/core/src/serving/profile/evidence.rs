//! What lines of a profile rest on.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use crate::entities::catalogue::ItemDetails;
use crate::entities::definition::{Definitions, DomainDefinition, EventTypeDefinition};
use crate::entities::event::Event;
use crate::entities::ids::{DomainId, ItemId};
use crate::maths::small_samples::Spread;
use crate::serving::snapshot::{CatalogueSnapshot, Catalogues};

/// One line of a profile.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Line<T> {
    /// The line in the caller's language.
    pub text: String,
    /// What it says.
    #[serde(flatten)]
    pub finding: T,
    /// What it rests on.
    pub evidence: Evidence,
}

/// What a line rests on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Evidence {
    /// Where it happened.
    pub domains: Vec<DomainId>,
    /// How many events; absent where the caller does not act for one of the domains.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub events: Option<usize>,
    /// When the first of them happened; absent where the caller does not act, and of what is
    /// declared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<Timestamp>,
    /// When the last of them happened.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

impl Evidence {
    /// Events of one domain.
    pub(super) fn of<'e>(domain: &DomainId, events: impl IntoIterator<Item = &'e Event>) -> Self {
        let (mut count, mut from, mut until) = (0, None, None);
        for at in events.into_iter().map(|event| event.occurred_at) {
            count += 1;
            from = Some(from.map_or(at, |from: Timestamp| from.min(at)));
            until = until.max(Some(at));
        }
        Self { domains: vec![domain.clone()], events: Some(count), from, until }
    }

    /// As it is told where the caller does not act: neither when nor how much, not even in round
    /// numbers. Who knows the caller's own share of a sum, and may add to it, learns the rest by
    /// where the sum's round number changes.
    pub(super) fn elsewhere(domains: Vec<DomainId>) -> Self {
        Self { domains, events: None, from: None, until: None }
    }
}

/// A number with its 95% interval, each to four decimals.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Measured {
    /// The number.
    pub value: f64,
    /// Lower end of the interval.
    pub low: f64,
    /// Upper end of the interval.
    pub high: f64,
}

impl From<Spread> for Measured {
    fn from(Spread { value, low, high }: Spread) -> Self {
        Self { value: rounded(value), low: rounded(low), high: rounded(high) }
    }
}

/// To four decimals.
pub(super) fn rounded(number: f64) -> f64 {
    (number * 1e4).round() / 1e4
}

/// An event with what is known of its type and its item.
#[derive(Debug, Clone, Copy)]
pub(super) struct Done<'a> {
    pub(super) event: &'a Event,
    pub(super) kind: &'a EventTypeDefinition,
    pub(super) details: Option<&'a ItemDetails>,
    /// The number of its item in [`DomainEvents::items`].
    pub(super) item: usize,
}

/// An item that a person did something with, and what is known of it.
pub(super) type KnownItem<'a> = (&'a ItemId, Option<&'a ItemDetails>);

/// What a person did in one domain, oldest first.
#[derive(Debug)]
pub(super) struct DomainEvents<'a> {
    pub(super) domain: &'a DomainId,
    pub(super) definition: &'a DomainDefinition,
    pub(super) catalogue: Option<&'a CatalogueSnapshot>,
    /// What they did it with, each item once. Whatever counts by item counts by number: of
    /// thousands of events ids are compared once.
    pub(super) items: Vec<KnownItem<'a>>,
    numbers: BTreeMap<&'a ItemId, usize>,
    /// Never empty.
    pub(super) done: Vec<Done<'a>>,
    /// How many events were read, those that say nothing among them.
    pub(super) read: usize,
}

impl<'a> DomainEvents<'a> {
    /// The events by domain, in order; those of a type that is not defined any more say nothing.
    pub(super) fn by_domain(
        newest_first: impl IntoIterator<Item = &'a Event>,
        definitions: &'a Definitions,
        catalogues: &'a Catalogues,
    ) -> Vec<Self> {
        let mut by_domain: BTreeMap<&'a DomainId, Self> = BTreeMap::new();
        for event in newest_first {
            let Some((domain, definition)) = definitions.get_key_value(&event.domain) else {
                continue;
            };
            let of_domain = by_domain.entry(domain).or_insert_with(|| Self {
                domain,
                definition,
                catalogue: catalogues.get(domain).map(|catalogue| &**catalogue),
                items: Vec::new(),
                numbers: BTreeMap::new(),
                done: Vec::new(),
                read: 0,
            });
            of_domain.read += 1;
            let Some(kind) = definition.event_types.get(&event.event_type) else { continue };
            let item = of_domain.number(&event.item_id);
            let (_, details) = of_domain.items[item];
            of_domain.done.push(Done { event, kind, details, item });
        }
        let oldest_first = |mut of_domain: Self| {
            of_domain.done.reverse();
            of_domain
        };
        let says_something = |of_domain: &Self| !of_domain.done.is_empty();
        by_domain.into_values().filter(says_something).map(oldest_first).collect()
    }

    /// The number of an item, which it has from now on.
    fn number(&mut self, id: &'a ItemId) -> usize {
        let next = self.items.len();
        let number = *self.numbers.entry(id).or_insert(next);
        if number == next {
            let entry = self.catalogue.and_then(|catalogue| catalogue.find(id));
            self.items.push((id, entry.and_then(|entry| entry.item.details.as_ref())));
        }
        number
    }

    /// What is known of an item that something was done with.
    pub(super) fn details(&self, id: &ItemId) -> Option<&'a ItemDetails> {
        self.numbers.get(id).and_then(|number| self.items[*number].1)
    }

    /// Whether the newest of what was done with an item tells against it.
    pub(super) fn turned_away_from(&self, id: &ItemId) -> bool {
        let number = self.numbers.get(id);
        let newest = self.done.iter().rev().find(|done| Some(&done.item) == number);
        newest.is_some_and(|Done { event, kind, .. }| {
            let is_below = |neutral| event.value.is_some_and(|value| value < neutral);
            kind.negative || kind.neutral_value.is_some_and(is_below)
        })
    }

    /// Events with items of which something holds, as evidence: it is asked once an item.
    pub(super) fn evidence_of(&self, holds: impl Fn(&KnownItem<'a>) -> bool) -> Evidence {
        let held: Vec<bool> = self.items.iter().map(holds).collect();
        let done = self.done.iter().filter(|done| held[done.item]);
        Evidence::of(self.domain, done.map(|done| done.event))
    }

    /// All of it, as evidence.
    pub(super) fn evidence(&self) -> Evidence {
        Evidence::of(self.domain, self.done.iter().map(|done| done.event))
    }
}
