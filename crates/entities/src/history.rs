//! A person's raw history. It has no way out but through [`crate::consent`].

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::event::Event;
use crate::ids::{DomainId, ItemId, Pseudonym};

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

/// Everything known of what a person did: their users' events, newest first, what
/// they have seen for ever, and their dismissals. Opaque: only [`crate::consent::ConsentedHistory`]
/// gives access to evidence.
#[derive(Debug, Clone, Default)]
pub struct History {
    pub(crate) events: Vec<Event>,
    pub(crate) dismissals: BTreeSet<Dismissal>,
    pub(crate) seen: BTreeSet<SeenItem>,
}

impl History {
    /// Makes a history; events are put newest first and an event that stands
    /// twice (same user, time and id) is kept once.
    #[must_use]
    pub fn new(mut events: Vec<Event>, dismissals: impl IntoIterator<Item = Dismissal>) -> Self {
        let key =
            |e: &Event| (std::cmp::Reverse(e.occurred_at), e.event_id.clone(), e.user.clone());
        events.sort_by_cached_key(key);
        events.dedup_by(|a, b| {
            a.occurred_at == b.occurred_at && a.event_id == b.event_id && a.user == b.user
        });
        Self { events, dismissals: dismissals.into_iter().collect(), seen: BTreeSet::new() }
    }

    /// The history with items that count as seen for ever.
    #[must_use]
    pub fn with_seen(mut self, seen: impl IntoIterator<Item = SeenItem>) -> Self {
        self.seen.extend(seen);
        self
    }

    /// Joins the histories of a person's users.
    #[must_use]
    pub fn merge(histories: impl IntoIterator<Item = Self>) -> Self {
        let mut events = Vec::new();
        let (mut dismissals, mut seen) = (BTreeSet::new(), BTreeSet::new());
        for history in histories {
            events.extend(history.events);
            dismissals.extend(history.dismissals);
            seen.extend(history.seen);
        }
        Self::new(events, dismissals).with_seen(seen)
    }

    /// Joins what lay under several forms of one user's pseudonym, oldest form first: all of
    /// it is the user's, an event that lay under two of them is one, as the newer form has
    /// it, and no more is left than of one form would have been read.
    #[must_use]
    pub fn of_forms(
        user: &Pseudonym,
        forms: impl IntoIterator<Item = Self>,
        (events, dismissals, seen): (usize, usize, usize),
    ) -> Self {
        let mut by_id = BTreeMap::new();
        let mut joined = Self::default();
        for form in forms {
            by_id.extend(form.events.into_iter().map(|event| (event.event_id.clone(), event)));
            joined.dismissals.extend(
                form.dismissals.into_iter().map(|one| Dismissal { user: user.clone(), ..one }),
            );
            joined
                .seen
                .extend(form.seen.into_iter().map(|one| SeenItem { user: user.clone(), ..one }));
        }
        let of_user = |event: Event| Event { user: user.clone(), ..event };
        let mut joined = Self {
            dismissals: joined.dismissals.into_iter().take(dismissals).collect(),
            seen: joined.seen.into_iter().take(seen).collect(),
            ..Self::new(by_id.into_values().map(of_user).collect(), [])
        };
        joined.events.truncate(events);
        joined
    }

    /// How many events there are, whatever may be done with them.
    #[must_use]
    pub fn len(&self) -> usize {
        self.events.len()
    }

    /// How many records there are in all: events, dismissals, and items seen for ever.
    #[must_use]
    pub fn records(&self) -> usize {
        self.events.len() + self.dismissals.len() + self.seen.len()
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
