//! A person's raw history. It has no way out but through [`crate::consent`].

use std::collections::BTreeSet;

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

/// Everything known of what a person did: their users' events, newest first,
/// and their dismissals. Opaque: only [`crate::consent::ConsentedHistory`]
/// gives access to evidence.
#[derive(Debug, Clone, Default)]
pub struct History {
    pub(crate) events: Vec<Event>,
    pub(crate) dismissals: BTreeSet<Dismissal>,
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
        Self { events, dismissals: dismissals.into_iter().collect() }
    }

    /// Joins the histories of a person's users.
    #[must_use]
    pub fn merge(histories: impl IntoIterator<Item = Self>) -> Self {
        let mut events = Vec::new();
        let mut dismissals = BTreeSet::new();
        for history in histories {
            events.extend(history.events);
            dismissals.extend(history.dismissals);
        }
        Self::new(events, dismissals)
    }

    /// How many events there are, whatever may be done with them.
    #[must_use]
    pub fn len(&self) -> usize {
        self.events.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
    }
}
