//! The only door to evidence.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::{ConsentContext, CrossDomain};
use crate::event::Event;
use crate::history::{History, MarkedBy, MarkedItems, PastEvent};
use crate::ids::{DomainId, ItemId, Pseudonym};
use crate::impressions::Impressions;
use crate::item_set::{ItemDigest, ItemSet};
use crate::kept_back::{KeptBack, KeptBackBy};
use crate::purpose::Purpose;

/// The part of a history that may be used for one purpose and set of
/// destinations. There is no other way to a person's events.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use crossfold_entities::consent::{ConsentContext, ConsentLedger, ConsentedHistory};
/// use crossfold_entities::definition::Definitions;
/// use crossfold_entities::event::Event;
/// use crossfold_entities::history::History;
/// use crossfold_entities::ids::DomainId;
/// use jiff::Timestamp;
///
/// let viewed: Event = serde_json::from_value(serde_json::json!({
///     "event_id": "e1", "user": "pseudonym", "domain": "courses", "event_type": "view",
///     "item_id": "gardening", "occurred_at": "2026-06-01T08:00:00Z",
///     "received_at": "2026-06-01T08:00:01Z",
/// }))?;
/// let definition = serde_json::json!({
///     "name": "Courses", "currency": "CNY", "event_types": {"view": {"weight": 1.0}},
/// });
/// let courses = DomainId::parse("courses")?;
/// let definitions = Definitions::from([(courses, serde_json::from_value(definition)?)]);
///
/// let history = History::new(vec![viewed], []); // Without a way to its events.
/// let ledger = ConsentLedger::default();
/// let now = Timestamp::MAX;
/// let context = ConsentContext { ledger: &ledger, definitions: &definitions, now };
/// let rows = ConsentedHistory::for_training(&history, context);
/// assert_eq!(rows[0].events()[0].item_id.as_str(), "gardening");
///
/// let no_definitions = Definitions::new();
/// let context = ConsentContext { definitions: &no_definitions, ..context };
/// assert!(ConsentedHistory::for_training(&history, context).is_empty());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Default)]
pub struct ConsentedHistory {
    events: Vec<Event>,
    past: Vec<PastEvent>,
    dismissed: KeptBack,
    seen: KeptBack,
    impressions: Impressions,
}

/// What an event was to a slate that was served before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WasThen {
    /// It was used.
    Evidence,
    /// Newer ones were used; its item may have counted as seen.
    Older,
    /// It was not there, or not used.
    Nothing,
}

/// What is in sets that something lets through.
fn admitted(marked: &MarkedItems, admits: impl Fn(&MarkedBy) -> Option<KeptBackBy>) -> KeptBack {
    let mut admitted = KeptBack::default();
    for (marked_by, items) in marked.sets() {
        if let Some(by) = admits(marked_by) {
            admitted.add(&marked_by.domain, by, items.iter());
        }
    }
    admitted
}

impl ConsentedHistory {
    /// What may be used to recommend items of `target` on the platform
    /// `display`: events of every domain whose directions to *both* are granted,
    /// for a slate tells `display` something of what it was made from; so with items
    /// of `target` that are recorded as seen for ever, by the platform where that was.
    /// `user` is the one who asks; their own dismissals always hold, for they are
    /// instructions, not evidence. Of what was shown, what `display` itself showed that user.
    #[must_use]
    pub fn for_recommendation(
        history: &History,
        context: ConsentContext<'_>,
        request: &RecommendationUse<'_>,
    ) -> Self {
        let admits = |from: &DomainId| {
            let directions = [request.display, request.target];
            directions.into_iter().all(|to| context.may_reach(from, to, request.cross_domain))
        };
        let events = history.events.iter().filter(|event| admits(&event.domain)).cloned().collect();
        // Only items of the target can be served for it.
        let is_of_target = |domain: &DomainId| domain == request.target;
        let past = history.past.iter();
        let past = past.filter(|event| is_of_target(&event.domain) && admits(&event.domain));
        let by_platform = |by: &MarkedBy| {
            let is_admitted = is_of_target(&by.domain) && admits(&by.by_domain);
            is_admitted.then(|| KeptBackBy::Platform(by.by_domain.clone()))
        };
        let dismissed = admitted(&history.dismissed, |by| {
            let is_own = by.user == *request.user && is_of_target(&by.domain);
            if is_own { Some(KeptBackBy::Instruction) } else { by_platform(by) }
        });
        let seen = admitted(&history.seen, by_platform);
        let impressions = history.impressions.only(|by| {
            let is_own = by.user == *request.user && by.by_domain == *request.display;
            is_own && is_of_target(&by.domain) && admits(&by.by_domain)
        });
        Self { events, past: past.cloned().collect(), dismissed, seen, impressions }
    }

    /// What may be used to train, as groups of domains. Evidence in one group
    /// shapes one row of the joint matrix, so each two domains of a group must
    /// permit training in *both* directions, and each domain in its own.
    #[must_use]
    pub fn for_training(history: &History, context: ConsentContext<'_>) -> Vec<Self> {
        let permits = |from: &DomainId, to: &DomainId| {
            context.ledger.permits(from, to, Purpose::Training, context.definitions, context.now)
        };
        let domains: BTreeSet<&DomainId> = history.events.iter().map(|e| &e.domain).collect();
        let mut groups: Vec<Vec<&DomainId>> = Vec::new();
        for domain in domains.into_iter().filter(|domain| permits(domain, domain)) {
            let home = groups.iter_mut().find(|group| {
                group.iter().all(|other| permits(domain, other) && permits(other, domain))
            });
            match home {
                Some(group) => group.push(domain),
                None => groups.push(vec![domain]),
            }
        }
        groups
            .into_iter()
            .map(|group| Self {
                events: history
                    .events
                    .iter()
                    .filter(|event| group.contains(&&event.domain))
                    .cloned()
                    .collect(),
                ..Self::default()
            })
            .collect()
    }

    /// The newest event of each domain that may be used for training, before an instant
    /// if one is given: [`ConsentedHistory::for_training`] has no newer one there.
    pub fn newest_for_training<'h>(
        history: &'h History,
        context: ConsentContext<'_>,
        before: Option<Timestamp>,
    ) -> BTreeMap<&'h DomainId, Timestamp> {
        let mut newest = BTreeMap::new();
        let is_before = |event: &&Event| before.is_none_or(|before| event.occurred_at < before);
        for event in history.events.iter().filter(is_before) {
            newest.entry(&event.domain).or_insert(event.occurred_at);
        }
        newest.retain(|domain, _| {
            let ConsentContext { ledger, definitions, now } = context;
            ledger.permits(domain, domain, Purpose::Training, definitions, now)
        });
        newest
    }

    /// The events that may be used, newest first.
    #[must_use]
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// Nothing but what was dismissed: for a slate that is not personalised.
    #[must_use]
    pub fn without_events(self) -> Self {
        Self { dismissed: self.dismissed, ..Self::default() }
    }

    /// The part of it that happened before `instant`, for a split by time.
    #[must_use]
    pub fn before(&self, instant: Timestamp) -> Self {
        self.filtered(|event| event.occurred_at < instant)
    }

    /// The part of it that happened at or after `instant`.
    #[must_use]
    pub fn since(&self, instant: Timestamp) -> Self {
        self.filtered(|event| event.occurred_at >= instant)
    }

    /// What of it a slate was made from that was served before: each event, newest first, as
    /// what it was then, and nothing that keeps an item back which was on that slate, for then
    /// it was neither seen nor dismissed.
    #[must_use]
    pub fn when_served(
        mut self,
        mut was_then: impl FnMut(&Event) -> WasThen,
        served: &BTreeSet<(DomainId, ItemId)>,
    ) -> Self {
        let past = &mut self.past;
        self.events.retain(|event| {
            let was_then = was_then(event);
            if was_then == WasThen::Older {
                past.push(PastEvent::from(event));
            }
            was_then == WasThen::Evidence
        });
        for (domain, item) in served {
            let item = ItemDigest::of(item);
            self.past.retain(|event| event.domain != *domain || event.item != item);
            self.seen.remove(domain, item);
            self.dismissed.remove(domain, item);
        }
        self
    }

    /// The items that were dismissed, or count as seen whatever is evidence, by what lets them
    /// be kept back.
    #[must_use]
    pub fn kept_back(&self) -> BTreeMap<KeptBackBy, ItemSet> {
        let mut kept_back = self.dismissed_by();
        for (by, items) in self.seen.sets() {
            kept_back.entry(by.clone()).or_default().extend(items.iter());
        }
        let mut past: BTreeMap<&DomainId, ItemSet> = BTreeMap::new();
        for event in &self.past {
            past.entry(&event.domain).or_default().extend([event.item]);
        }
        for (domain, items) in past {
            let by = KeptBackBy::Platform(domain.clone());
            kept_back.entry(by).or_default().extend(items.iter());
        }
        kept_back.retain(|_, items| !items.is_empty());
        kept_back
    }

    /// The items that were dismissed, by what lets that count.
    #[must_use]
    pub fn dismissed_by(&self) -> BTreeMap<KeptBackBy, ItemSet> {
        let mut dismissed: BTreeMap<KeptBackBy, ItemSet> = BTreeMap::new();
        for (by, items) in self.dismissed.sets() {
            dismissed.entry(by.clone()).or_default().extend(items.iter());
        }
        dismissed.retain(|_, items| !items.is_empty());
        dismissed
    }

    fn filtered(&self, keep: impl Fn(&Event) -> bool) -> Self {
        Self {
            events: self.events.iter().filter(|event| keep(event)).cloned().collect(),
            past: self.past.clone(),
            dismissed: self.dismissed.clone(),
            seen: self.seen.clone(),
            impressions: self.impressions.clone(),
        }
    }

    /// Which of the target's items the platform showed the user who asks, and when.
    #[must_use]
    pub fn impressions(&self) -> &Impressions {
        &self.impressions
    }

    /// Older events, which are no evidence but whose items may count as seen.
    #[must_use]
    pub fn past(&self) -> &[PastEvent] {
        &self.past
    }

    /// The items that are recorded as seen for ever, in order of domain and digest.
    pub fn seen(&self) -> impl Iterator<Item = (&DomainId, ItemDigest)> {
        self.seen.items()
    }

    /// The items that the person dismissed, in order of domain and digest.
    pub fn dismissed(&self) -> impl Iterator<Item = (&DomainId, ItemDigest)> {
        self.dismissed.items()
    }

    /// Whether an item is recorded as seen for ever.
    #[must_use]
    pub fn is_seen_for_ever(&self, domain: &DomainId, item: impl Into<ItemDigest>) -> bool {
        self.seen.contains(domain, item.into())
    }

    /// Whether an item was dismissed by the person.
    #[must_use]
    pub fn is_dismissed(&self, domain: &DomainId, item: impl Into<ItemDigest>) -> bool {
        self.dismissed.contains(domain, item.into())
    }
}

/// Who asks for a recommendation of what, where.
#[derive(Debug, Clone, Copy)]
pub struct RecommendationUse<'a> {
    /// The user who asks.
    pub user: &'a Pseudonym,
    /// The platform that shows the slate.
    pub display: &'a DomainId,
    /// The domain whose items are recommended.
    pub target: &'a DomainId,
    /// Whether the request may use other domains' evidence.
    pub cross_domain: CrossDomain,
}
