//! The evidence that was used for a decision, as far as it is there.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::entities::basis::{
    Basis, EvidenceBasis, KeptBackBasis, digest_of_definition, digest_of_events, digest_of_items,
};
use crate::entities::consent::{ConsentedHistory, WasThen};
use crate::entities::decision::Decision;
use crate::entities::event::Event;
use crate::entities::ids::{DomainId, ItemId, Pseudonym};
use crate::entities::item_set::ItemSet;
use crate::entities::kept_back::KeptBackBy;
use crate::serving::admit::AdmittedRequest;
use crate::serving::basis::{ItemsByTarget, events_of, kept_back, sets};
use crate::serving::replay::{Change, Finding, Present, served};
use crate::serving::request::{MAX_HISTORY, Recipient, SlateRequest};

/// Most users of one domain among whom those are looked for who were linked then: 64 choices.
/// A platform links at most four of its own to one person.
const MAX_TOLD_APART: usize = 6;

/// The evidence that was used for a decision.
pub(super) struct EvidenceThen<'a> {
    /// The request with it.
    pub(super) asked: AdmittedRequest<'a>,
    /// What of it, and of what lets it be used and weighs it, is not as it was.
    pub(super) changed: Vec<Finding>,
    /// The domains of which other items are kept back now, no fewer than then: it matters to
    /// another slate alone.
    pub(super) other: BTreeSet<DomainId>,
}

impl<'a> EvidenceThen<'a> {
    pub(super) fn new(
        recorded: &'a Decision,
        basis: &Basis,
        present: &Present<'a>,
        request: &'a SlateRequest,
    ) -> Self {
        let recipient = Recipient {
            user: &recorded.user,
            consents: present.consents,
            history: present.history,
            version: basis.person_version,
        };
        let asked = AdmittedRequest::new(request, recipient, present.definitions);
        let mut changed = Changed::default();
        let mut used = Vec::new();
        for source in &basis.sources {
            match used_then(source, recorded, present, &asked) {
                Ok(users) => used.push(Used { source, users }),
                Err(change) => changed.add(change, &source.domain),
            }
        }
        let served = served(recorded);
        let asked =
            asked.with_histories(|target, history| history_then(&used, target, history, &served));
        let other = compare_kept_back(recorded, basis, present, &asked, &mut changed);
        Self { asked, changed: changed.findings(), other }
    }
}

/// What is not as it was, by domain.
#[derive(Default)]
struct Changed(BTreeMap<Change, BTreeSet<DomainId>>);

impl Changed {
    /// Of each domain the first thing alone is told: without consent evidence is not looked at.
    fn add(&mut self, change: Change, domain: &DomainId) {
        if !self.0.values().any(|domains| domains.contains(domain)) {
            self.0.entry(change).or_default().insert(domain.clone());
        }
    }

    fn findings(self) -> Vec<Finding> {
        let finding = |(change, domains)| Finding::of_domains(change, domains);
        self.0.into_iter().filter_map(finding).collect()
    }
}

/// A source of evidence that is as it was, and of whom.
struct Used<'b> {
    source: &'b EvidenceBasis,
    users: BTreeSet<Pseudonym>,
}

/// Whose evidence of a source was used.
///
/// # Errors
/// What is not as it was.
fn used_then(
    source: &EvidenceBasis,
    recorded: &Decision,
    present: &Present<'_>,
    asked: &AdmittedRequest<'_>,
) -> Result<BTreeSet<Pseudonym>, Change> {
    let definition = present.definitions.get(&source.domain).map(digest_of_definition);
    if definition.is_some() && !present.permission().opens(source, &recorded.domain) {
        return Err(Change::ConsentsChanged);
    }
    if definition.as_ref() != Some(&source.definition) {
        return Err(Change::DefinitionsChanged);
    }
    if present.not_reached.contains(&source.domain) {
        return Err(Change::TooManySince);
    }
    let mut histories = asked.histories();
    let of_target = histories.find(|(target, _)| source.targets.contains(*target));
    let Some((_, history)) = of_target else { return Err(Change::EvidenceChanged) };
    users_then(source, recorded, &had_arrived(source, history))
}

/// The events of a source that had arrived, of each user the newest, as many as are read.
fn had_arrived<'h>(source: &'h EvidenceBasis, history: &'h ConsentedHistory) -> Vec<&'h Event> {
    let mut read = Read::default();
    let of_source = events_of(&source.domain, history);
    of_source.filter(|event| read.take(event, source.received_until)).collect()
}

/// How many events of each user were read.
#[derive(Default)]
struct Read(BTreeMap<Pseudonym, usize>);

impl Read {
    /// Whether the next event of a user had arrived by an instant, and was among those that are
    /// read as evidence.
    fn take(&mut self, event: &Event, until: Timestamp) -> bool {
        if event.received_at > until {
            return false;
        }
        let read = match self.0.get_mut(&event.user) {
            Some(read) => read,
            None => self.0.entry(event.user.clone()).or_default(),
        };
        *read += 1;
        *read <= MAX_HISTORY
    }
}

/// The users whose events give the recorded digest: all of them, or without some who were
/// linked since. The record names none, so that it need not be looked for when one is erased.
fn users_then(
    source: &EvidenceBasis,
    recorded: &Decision,
    arrived: &[&Event],
) -> Result<BTreeSet<Pseudonym>, Change> {
    let users: BTreeSet<&Pseudonym> = arrived.iter().map(|event| &event.user).collect();
    let users: Vec<&Pseudonym> = users.into_iter().collect();
    let all = (1u32 << users.len().min(MAX_TOLD_APART)) - 1;
    let are_too_many = users.len() > MAX_TOLD_APART;
    let place = |event: &Event| users.iter().position(|user| **user == event.user).unwrap_or(0);
    let places: Vec<usize> = arrived.iter().map(|event| place(event)).collect();
    let gives_digest = |choice: &u32| {
        let is_chosen = |place: usize| are_too_many || choice >> place & 1 == 1;
        let events = || {
            let placed = arrived.iter().zip(&places).filter(|(_, place)| is_chosen(**place));
            placed.map(|(event, _)| *event)
        };
        events().count() == source.events
            && digest_of_events(&recorded.recommendation_id, events()) == source.digest
    };
    // Usually nobody was linked since.
    let choices = if are_too_many { all..=all } else { 0..=all };
    match choices.rev().find(gives_digest) {
        Some(choice) => {
            let chosen = users.iter().enumerate();
            let chosen = chosen.filter(|(place, _)| are_too_many || choice >> place & 1 == 1);
            Ok(chosen.map(|(_, user)| (*user).clone()).collect())
        }
        None if are_too_many && arrived.len() > source.events => Err(Change::LinksChanged),
        None => Err(Change::EvidenceChanged),
    }
}

/// What of a history was used for a target: of the sources that the record names, what had
/// arrived of those who were linked, and of each user the newest of that, as many as are read.
/// Older events of the target may have kept items back.
fn history_then(
    used: &[Used<'_>],
    target: &DomainId,
    history: ConsentedHistory,
    served: &BTreeSet<(DomainId, ItemId)>,
) -> ConsentedHistory {
    let sources = used.iter().filter(|used| used.source.targets.contains(target));
    let sources: BTreeMap<&DomainId, &Used<'_>> =
        sources.map(|used| (&used.source.domain, used)).collect();
    let mut read = Read::default();
    history.when_served(
        |event| {
            let Some(used) = sources.get(&event.domain) else { return WasThen::Nothing };
            let until = used.source.received_until;
            if !used.users.contains(&event.user) || event.received_at > until {
                WasThen::Nothing
            } else if read.take(event, until) {
                WasThen::Evidence
            } else if event.domain == *target {
                WasThen::Older
            } else {
                WasThen::Nothing
            }
        },
        served,
    )
}

/// Holds what keeps items back against what did: where it is less, it is not all there; where
/// it is not less and another, what came later may be all of it.
fn compare_kept_back(
    recorded: &Decision,
    basis: &Basis,
    present: &Present<'_>,
    asked: &AdmittedRequest<'_>,
    changed: &mut Changed,
) -> BTreeSet<DomainId> {
    let mut now = kept_back(asked);
    let mut other = BTreeSet::new();
    for then in &basis.kept_back {
        let domain = match &then.by {
            KeptBackBy::Instruction => &recorded.domain,
            KeptBackBy::Platform(domain) => domain,
        };
        let mut items = now.remove(&then.by).unwrap_or_default();
        items.retain(|target, items| then.targets.contains(*target) && !items.is_empty());
        if !present.permission().lets_keep_back(then, &recorded.domain) {
            let is_defined = present.definitions.contains_key(domain);
            let change =
                if is_defined { Change::ConsentsChanged } else { Change::DefinitionsChanged };
            changed.add(change, domain);
        } else if count(&items) < then.items {
            changed.add(Change::EvidenceChanged, domain);
        } else if !is_same(then, recorded, &items) {
            other.insert(domain.clone());
        }
    }
    other
}

fn count(items: &ItemsByTarget<'_>) -> usize {
    items.values().map(ItemSet::len).sum()
}

fn is_same(then: &KeptBackBasis, recorded: &Decision, items: &ItemsByTarget<'_>) -> bool {
    digest_of_items(&recorded.recommendation_id, sets(items)) == then.digest
}
