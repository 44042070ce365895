//! A person's raw history. It has no way out but through [`crate::consent`].

use std::cmp::Ordering;
use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::definition::Definitions;
use crate::event::Event;
use crate::ids::{DomainId, EventId, EventType, ItemId, Pseudonym};
use crate::impressions::Impressions;
use crate::item_set::{ItemDigest, ItemSet};

/// An item that a user asked not to see again.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Dismissal {
    /// Who dismissed it.
    pub user: Pseudonym,
    /// The domain whose user that is.
    pub by_domain: DomainId,
    /// The item's domain.
    pub domain: DomainId,
    /// The item.
    pub item_id: ItemId,
}

/// An item that counts as seen by a user for ever: recorded beside their events,
/// which are neither all read nor kept for ever.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SeenItem {
    /// Who had to do with it.
    pub user: Pseudonym,
    /// The platform on which they had.
    pub by_domain: DomainId,
    /// The item's domain.
    pub domain: DomainId,
    /// The item.
    pub item_id: ItemId,
}

impl SeenItem {
    /// The item of an event.
    #[must_use]
    pub fn of(event: &Event) -> Self {
        Self {
            user: event.user.clone(),
            by_domain: event.domain.clone(),
            domain: event.domain.clone(),
            item_id: event.item_id.clone(),
        }
    }
}

/// Who marked items of which domain, on which platform.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct MarkedBy {
    /// The user.
    pub user: Pseudonym,
    /// The platform on which they did: the domain whose user that is.
    pub by_domain: DomainId,
    /// The items' domain.
    pub domain: DomainId,
}

/// Items that users dismissed or have seen for ever, by who marked them where: exact,
/// however many there are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MarkedItems(BTreeMap<MarkedBy, ItemSet>);

impl MarkedItems {
    /// Adds items; those that are there already change nothing.
    pub fn add(&mut self, by: MarkedBy, items: impl IntoIterator<Item = ItemDigest>) {
        self.0.entry(by).or_default().extend(items);
    }

    /// Adds all items of others.
    pub fn merge(&mut self, others: Self) {
        for (by, items) in others.0 {
            self.add(by, items.iter());
        }
    }

    /// The same items as marked by one user.
    #[must_use]
    pub fn of_user(self, user: &Pseudonym) -> Self {
        let mut of_user = Self::default();
        for (by, items) in self.0 {
            of_user.add(MarkedBy { user: user.clone(), ..by }, items.iter());
        }
        of_user
    }

    /// The items, by who marked them where.
    pub fn sets(&self) -> impl Iterator<Item = (&MarkedBy, &ItemSet)> {
        self.0.iter()
    }

    /// How many items there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.values().map(ItemSet::len).sum()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.values().all(ItemSet::is_empty)
    }

    /// Forgets what was marked on the platform of a domain, and items of the domain.
    pub fn forget(&mut self, domain: &DomainId) {
        self.0.retain(|by, _| by.domain != *domain && by.by_domain != *domain);
    }
}

impl Extend<Dismissal> for MarkedItems {
    fn extend<T: IntoIterator<Item = Dismissal>>(&mut self, dismissals: T) {
        for Dismissal { user, by_domain, domain, item_id } in dismissals {
            self.add(MarkedBy { user, by_domain, domain }, [ItemDigest::of(&item_id)]);
        }
    }
}

impl Extend<SeenItem> for MarkedItems {
    fn extend<T: IntoIterator<Item = SeenItem>>(&mut self, seen: T) {
        for SeenItem { user, by_domain, domain, item_id } in seen {
            self.add(MarkedBy { user, by_domain, domain }, [ItemDigest::of(&item_id)]);
        }
    }
}

/// Where an event stands among a user's: they are in order of time, then of id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct EventPosition {
    /// When it happened.
    pub occurred_at: Timestamp,
    /// Its id.
    pub event_id: EventId,
}

impl EventPosition {
    /// The position of an event.
    #[must_use]
    pub fn of(event: &Event) -> Self {
        Self { occurred_at: event.occurred_at, event_id: event.event_id.clone() }
    }
}

/// The order of events. Users are compared last: their names change when keys rotate, and the
/// order of what a slate rests on must not.
fn newest_first(one: &Event, other: &Event) -> Ordering {
    fn place(event: &Event) -> impl Ord + '_ {
        let Event { event_id, domain, item_id, event_type, value, dwell_seconds, user, .. } = event;
        (event_id, domain, item_id, event_type, value, dwell_seconds, user)
    }
    let by_time = other.occurred_at.cmp(&one.occurred_at);
    by_time.then_with(|| place(one).cmp(&place(other)))
}

/// What is kept of an event that is no evidence any more, for newer ones are: its item may
/// still count as seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastEvent {
    /// Where it happened, and the item's domain.
    pub domain: DomainId,
    /// What kind of event it is.
    pub event_type: EventType,
    /// The item.
    pub item: ItemDigest,
    /// When it happened.
    pub occurred_at: Timestamp,
    /// Which life of its domain it is of, as its event says.
    pub domain_life: u32,
}

impl From<&Event> for PastEvent {
    fn from(event: &Event) -> Self {
        Self {
            domain: event.domain.clone(),
            event_type: event.event_type.clone(),
            item: ItemDigest::of(&event.item_id),
            occurred_at: event.occurred_at,
            domain_life: event.domain_life,
        }
    }
}

/// Everything known of what a person did: their users' newest events, newest first, older
/// ones as far as their items may count as seen, what they have seen for ever, and their
/// dismissals. Opaque: only [`crate::consent::ConsentedHistory`] gives access to evidence.
#[derive(Debug, Clone, Default)]
pub struct History {
    pub(crate) events: Vec<Event>,
    pub(crate) past: Vec<PastEvent>,
    pub(crate) dismissed: MarkedItems,
    pub(crate) seen: MarkedItems,
    pub(crate) impressions: Impressions,
    /// The last position that was read, if there may be events beyond it.
    cut_at: Option<EventPosition>,
}

impl History {
    /// Makes a history; events are put newest first and an event that stands
    /// twice (same user, time and id) is kept once.
    #[must_use]
    pub fn new(mut events: Vec<Event>, dismissals: impl IntoIterator<Item = Dismissal>) -> Self {
        events.sort_by(newest_first);
        events.dedup_by(|a, b| {
            a.occurred_at == b.occurred_at && a.event_id == b.event_id && a.user == b.user
        });
        let mut dismissed = MarkedItems::default();
        dismissed.extend(dismissals);
        Self { events, dismissed, ..Self::default() }
    }

    /// The history with items that count as seen for ever.
    #[must_use]
    pub fn with_seen(mut self, seen: impl IntoIterator<Item = SeenItem>) -> Self {
        self.seen.extend(seen);
        self
    }

    /// The history with items that were marked: dismissed, and seen for ever.
    #[must_use]
    pub fn with_marked(mut self, dismissed: MarkedItems, seen: MarkedItems) -> Self {
        self.dismissed.merge(dismissed);
        self.seen.merge(seen);
        self
    }

    /// The history with what was shown.
    #[must_use]
    pub fn with_impressions(mut self, impressions: Impressions) -> Self {
        self.impressions.merge(impressions);
        self
    }

    /// The history of one user, read only as far as a position; older events there may be.
    #[must_use]
    pub fn cut_at(self, position: EventPosition) -> Self {
        Self { cut_at: Some(position), ..self }
    }

    /// The last position that was read of one user's events, if older ones there may be.
    #[must_use]
    pub fn cut(&self) -> Option<&EventPosition> {
        self.cut_at.as_ref()
    }

    /// The history with older events, which are no evidence but may count as seen.
    #[must_use]
    pub fn with_past(mut self, past: Vec<PastEvent>) -> Self {
        self.past.extend(past);
        self
    }

    /// Joins the histories of a person's users.
    #[must_use]
    pub fn merge(histories: impl IntoIterator<Item = Self>) -> Self {
        let mut merged = Self::default();
        let mut events = Vec::new();
        for history in histories {
            events.extend(history.events);
            merged.past.extend(history.past);
            merged.dismissed.merge(history.dismissed);
            merged.seen.merge(history.seen);
            merged.impressions.merge(history.impressions);
        }
        Self { events: Self::new(events, []).events, ..merged }
    }

    /// The history without events of earlier lives of their domains: what was on its way
    /// while a domain was deleted.
    #[must_use]
    pub fn in_lives_of(mut self, definitions: &Definitions) -> Self {
        let is_of_life = |domain: &DomainId, life: u32| {
            definitions.get(domain).is_none_or(|domain| domain.life <= life)
        };
        self.events.retain(|event| is_of_life(&event.domain, event.domain_life));
        self.past.retain(|event| is_of_life(&event.domain, event.domain_life));
        self
    }

    /// Joins what lay under several forms of one user's pseudonym, oldest form first: all of
    /// it is the user's, an event that lay under two of them is one, as the newer form has
    /// it, and no more events are left than of one form would have been read.
    #[must_use]
    pub fn of_forms(
        user: &Pseudonym,
        forms: impl IntoIterator<Item = Self>,
        most_events: usize,
    ) -> Self {
        let (mut by_id, mut joined, mut is_cut) = (BTreeMap::new(), Self::default(), false);
        for form in forms {
            is_cut |= form.cut_at.is_some();
            by_id.extend(form.events.into_iter().map(|event| (event.event_id.clone(), event)));
            joined.past.extend(form.past);
            joined.dismissed.merge(form.dismissed.of_user(user));
            joined.seen.merge(form.seen.of_user(user));
            joined.impressions.merge(form.impressions.of_user(user));
        }
        let of_user = |event: Event| Event { user: user.clone(), ..event };
        let mut events = Self::new(by_id.into_values().map(of_user).collect(), []).events;
        is_cut |= events.len() > most_events;
        events.truncate(most_events);
        let cut_at = events.last().filter(|_| is_cut).map(EventPosition::of);
        Self { events, cut_at, ..joined }
    }

    /// Whether so many of one user's events that had arrived by an instant are among those
    /// that were read, or all there are.
    #[must_use]
    pub fn reaches(&self, events: usize, arrived_by: Timestamp) -> bool {
        let had_arrived = |event: &&Event| event.received_at <= arrived_by;
        self.cut_at.is_none() || self.events.iter().filter(had_arrived).count() >= events
    }

    /// How many events there are, whatever may be done with them.
    #[must_use]
    pub fn len(&self) -> usize {
        self.events.len()
    }

    /// The event of a user with an id as it is stored: for whoever is told of it by its platform
    /// again, perhaps otherwise. As evidence it is used through [`crate::consent`] alone.
    #[must_use]
    pub fn stored_event(&self, user: &Pseudonym, id: &EventId) -> Option<&Event> {
        self.events.iter().find(|event| event.event_id == *id && event.user.own() == user.own())
    }

    /// How much is recorded in all: events, items that were dismissed or seen for ever, and items
    /// that were shown, each once for each day.
    #[must_use]
    pub fn records(&self) -> usize {
        let marked = self.dismissed.len() + self.seen.len() + self.impressions.len();
        self.events.len() + marked
    }

    /// Whether there are no events.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// When the newest event happened, as its caller says: what erasing all of them must
    /// know, and nothing more.
    #[must_use]
    pub fn newest_at(&self) -> Option<Timestamp> {
        self.events.first().map(|event| event.occurred_at)
    }
}
