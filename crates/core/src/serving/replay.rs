//! Making a logged decision again.
//!
//! What it rested on is compared with what there is now, input by input, and where all of
//! it is as it was, the same stages run again with the recorded instant and seed: the slate
//! must then be the recorded one, to the last bit of each score and propensity.
//!
//! Two inputs are not kept as they were, and need not be:
//!
//! - **Catalogues** keep the newest state of an entry with the number of the change that
//!   made it. An entry that changed since and was *not* on the slate is left out: as nothing
//!   is drawn at random, the slate is the same with an item that is not on it and without.
//!   One that *was* on it could be shown then, for it was; of what its entry said, only since
//!   when it had been there may have mattered, among equal scores. So it is tried as the
//!   oldest and as the newest: where both give the recorded slate, what changed did not
//!   matter. One that can no longer be shown is gone.
//! - **Seen and dismissed** have no time of their own. What was on the slate was neither
//!   then; what was not on it is the same to the slate whether it was or not.
//!
//! Evidence of domains that the record does not name was not used, and is not looked at:
//! who was linked, or gave consent, since then does not show. Evidence that the person no
//! longer lets be used is not used for this either.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::entities::basis::{Basis, EvidenceBasis, digest_of_definition, digest_of_events};
use crate::entities::catalogue::Item;
use crate::entities::consent::{ConsentContext, ConsentLedger, ConsentedHistory, CrossDomain};
use crate::entities::decision::{Decision, SlateEntry};
use crate::entities::definition::Definitions;
use crate::entities::history::History;
use crate::entities::ids::{DomainId, ItemId, Pseudonym};
use crate::model::Model;
use crate::serving::admit::AdmittedRequest;
use crate::serving::basis::events_of;
use crate::serving::decide::{Serving, decide};
use crate::serving::policy::{self, Policy};
use crate::serving::reason::Locale;
use crate::serving::request::{MAX_HISTORY, Recipient, SlateRequest};
use crate::serving::snapshot::{CatalogueSnapshot, Catalogues};

/// What there is now of what a decision rested on.
#[derive(Debug, Clone)]
pub struct Present<'a> {
    /// The instant of the replay, at which consents must hold.
    pub now: Timestamp,
    /// The model that the decision names, if it is still there.
    pub model: Option<&'a Model>,
    /// The targets' catalogues, matched with whatever model.
    pub catalogues: &'a Catalogues,
    /// The definitions.
    pub definitions: &'a Definitions,
    /// What the person decided, up to now.
    pub consents: &'a ConsentLedger,
    /// What the person did, up to now, of the domains that [`domains_to_read`] names; more
    /// of it than [`MAX_HISTORY`] events of each user, for newer ones came in since.
    pub history: &'a History,
    /// Whether the one who asks for the replay lets evidence cross domains.
    pub cross_domain: CrossDomain,
}

/// What is no longer as it was, or is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// The record is from before it was kept what a decision rests on.
    NotRecorded,
    /// The person, or the user, was erased.
    Erased,
    /// This version has no policy of that name.
    PolicyGone,
    /// The model was deleted.
    ModelGone,
    /// The items that the caller did not want were too many to be kept.
    ExcludedNotKept,
    /// How evidence is weighed was changed.
    DefinitionsChanged,
    /// Evidence that was used may no longer be.
    ConsentsChanged,
    /// Evidence that was used is not all there.
    EvidenceChanged,
    /// Items that were on the slate can no longer be shown, or are gone; or since when they
    /// are there decided their place, and is not known any more.
    CatalogueChanged,
    /// From what seems the same, another slate is made.
    SlateDiffers,
}

/// An item.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ItemOfDomain {
    /// Its domain.
    pub domain: DomainId,
    /// Its id.
    pub item_id: ItemId,
}

/// One thing that stands against making a decision again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// What it is.
    pub code: Change,
    /// The domains where it is, if it is of some.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub domains: BTreeSet<DomainId>,
    /// The items that it is about, if it is about some.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub items: BTreeSet<ItemOfDomain>,
}

impl From<Change> for Finding {
    fn from(code: Change) -> Self {
        Self { code, domains: BTreeSet::new(), items: BTreeSet::new() }
    }
}

impl Finding {
    fn of_domains(code: Change, domains: BTreeSet<DomainId>) -> Option<Self> {
        (!domains.is_empty()).then(|| Self { domains, ..Self::from(code) })
    }

    fn of_items(code: Change, items: BTreeSet<ItemOfDomain>) -> Option<Self> {
        let domains = items.iter().map(|item| item.domain.clone()).collect();
        (!items.is_empty()).then_some(Self { code, domains, items })
    }
}

/// What came of making a decision again.
#[derive(Debug, Clone, PartialEq)]
pub struct Replayed {
    /// What stands against it; the slate is the recorded one when nothing does.
    pub findings: Vec<Finding>,
    /// The slate that was made; `None` when what it needs is gone.
    pub slate: Option<Vec<SlateEntry>>,
}

impl Replayed {
    /// Whether the decision was made again as it was.
    #[must_use]
    pub fn is_same(&self) -> bool {
        self.findings.is_empty() && self.slate.is_some()
    }
}

impl From<Change> for Replayed {
    fn from(change: Change) -> Self {
        Self { findings: vec![change.into()], slate: None }
    }
}

/// The domains whose evidence a decision rested on and may be used for it now: no other
/// history is to be read.
#[must_use]
pub fn domains_to_read(recorded: &Decision, present: &Permission<'_>) -> BTreeSet<DomainId> {
    let sources = recorded.basis.iter().flat_map(|basis| &basis.sources);
    let open = sources.filter(|source| present.opens(source, &recorded.domain));
    open.map(|source| source.domain.clone()).collect()
}

/// What says whether evidence may be used.
#[derive(Debug, Clone, Copy)]
pub struct Permission<'a> {
    /// The instant at which it would be.
    pub now: Timestamp,
    /// What the person decided.
    pub consents: &'a ConsentLedger,
    /// The definitions, for what holds without a decision.
    pub definitions: &'a Definitions,
    /// Whether it may cross domains at all.
    pub cross_domain: CrossDomain,
}

impl Permission<'_> {
    fn opens(&self, source: &EvidenceBasis, display: &DomainId) -> bool {
        let from = &source.domain;
        let Self { consents: ledger, definitions, now, cross_domain } = *self;
        let context = ConsentContext { ledger, definitions, now };
        source.targets.iter().chain([display]).all(|to| context.may_reach(from, to, cross_domain))
    }
}

impl<'a> Present<'a> {
    fn permission(&self) -> Permission<'a> {
        Permission {
            now: self.now,
            consents: self.consents,
            definitions: self.definitions,
            cross_domain: self.cross_domain,
        }
    }
}

/// Makes a decision again from what there is now, or says what stands against it.
#[must_use]
pub fn replay(recorded: &Decision, present: &Present<'_>) -> Replayed {
    let Some(basis) = &recorded.basis else { return Change::NotRecorded.into() };
    let policy = policy::named(&recorded.policy);
    let request = request_of(recorded, basis);
    let asked = asked_then(recorded, basis, present, &request);
    let catalogues = CataloguesThen::new(recorded, basis, present);
    let mut findings = gone(recorded, basis, present);
    findings.extend(changed_sources(recorded, basis, present, &asked));
    findings.extend(Finding::of_items(Change::CatalogueChanged, catalogues.gone.clone()));
    let Some(policy) = policy.filter(|_| findings.is_empty()) else {
        return Replayed { findings, slate: None };
    };
    let slate = |since| {
        let catalogues = catalogues.with_changed_since(since, present.model);
        slate_of((policy, present.model, &catalogues), &asked)
    };
    let oldest = slate(Timestamp::MIN);
    let newest = if catalogues.changed.is_empty() { oldest.clone() } else { slate(Timestamp::MAX) };
    let is_recorded = |slate: &[SlateEntry]| is_same_slate(&recorded.slate, slate);
    let findings = match (is_recorded(&oldest), is_recorded(&newest)) {
        (true, true) => Vec::new(),
        _ => {
            let changed = catalogues.changed.iter().map(item_of).collect();
            let by_catalogue = Finding::of_items(Change::CatalogueChanged, changed);
            vec![by_catalogue.unwrap_or_else(|| Change::SlateDiffers.into())]
        }
    };
    Replayed { findings, slate: Some(oldest) }
}

/// What of the whole decision is gone.
fn gone(recorded: &Decision, basis: &Basis, present: &Present<'_>) -> Vec<Finding> {
    let mut gone = Vec::new();
    if policy::named(&recorded.policy).is_none() {
        gone.push(Change::PolicyGone.into());
    }
    if recorded.model.as_ref() != present.model.map(Model::id) {
        gone.push(Change::ModelGone.into());
    }
    if basis.excluded_not_kept > 0 {
        gone.push(Change::ExcludedNotKept.into());
    }
    gone
}

/// What of the evidence, and of what lets it be used and weighs it, is not as it was. Of
/// each domain the first thing alone: without consent evidence is not looked at.
fn changed_sources(
    recorded: &Decision,
    basis: &Basis,
    present: &Present<'_>,
    asked: &AdmittedRequest<'_>,
) -> Vec<Finding> {
    let mut changed: BTreeMap<Change, BTreeSet<DomainId>> = BTreeMap::new();
    for source in &basis.sources {
        let definition = present.definitions.get(&source.domain).map(digest_of_definition);
        let change =
            if !present.permission().opens(source, &recorded.domain) && definition.is_some() {
                Change::ConsentsChanged
            } else if definition.as_ref() != Some(&source.definition) {
                Change::DefinitionsChanged
            } else if !is_same_evidence(source, asked) {
                Change::EvidenceChanged
            } else {
                continue;
            };
        changed.entry(change).or_default().insert(source.domain.clone());
    }
    changed.into_iter().filter_map(|(code, domains)| Finding::of_domains(code, domains)).collect()
}

fn is_same_evidence(source: &EvidenceBasis, asked: &AdmittedRequest<'_>) -> bool {
    let mut histories = asked.histories().filter(|(target, _)| source.targets.contains(target));
    histories.all(|(_, history)| {
        let events = || events_of(&source.domain, history);
        events().count() == source.events && digest_of_events(events()) == source.digest
    })
}

/// The request as it was checked.
fn request_of(recorded: &Decision, basis: &Basis) -> SlateRequest {
    let excluded = basis
        .excluded
        .iter()
        .flat_map(|(domain, items)| items.iter().map(|item| (domain.clone(), item.clone())));
    SlateRequest {
        recommendation_id: recorded.recommendation_id.clone(),
        seed: recorded.seed,
        now: recorded.decided_at,
        display: recorded.domain.clone(),
        placement: recorded.placement.clone(),
        targets: basis.targets.clone(),
        limit: basis.limit,
        excluded: excluded.collect(),
        personalised: !basis.impersonal,
        cross_domain: match basis.within_domains {
            true => CrossDomain::Never,
            false => CrossDomain::ByConsent,
        },
        // Words are made for whoever asks, and not again.
        visible: BTreeSet::new(),
        explain: false,
        inspect: false,
        locale: Locale::closest(basis.reasons.as_deref().unwrap_or_default()),
    }
}

/// The request with the evidence that was used for it, as far as it is there.
fn asked_then<'a>(
    recorded: &'a Decision,
    basis: &Basis,
    present: &Present<'a>,
    request: &'a SlateRequest,
) -> AdmittedRequest<'a> {
    let recipient = Recipient {
        user: &recorded.user,
        consents: present.consents,
        history: present.history,
        version: basis.person_version,
    };
    let served = served(recorded);
    let asked = AdmittedRequest::new(request, recipient, present.definitions);
    asked.with_histories(|target, history| history_then(basis, target, history, &served))
}

/// What of a history was used for a target: of the sources that the record names, what had
/// arrived, and of each user the newest of that, as many as are read.
fn history_then(
    basis: &Basis,
    target: &DomainId,
    history: ConsentedHistory,
    served: &BTreeSet<(DomainId, ItemId)>,
) -> ConsentedHistory {
    let sources = basis.sources.iter().filter(|source| source.targets.contains(target));
    let until: BTreeMap<&DomainId, Timestamp> =
        sources.map(|source| (&source.domain, source.received_until)).collect();
    let mut read: BTreeMap<Pseudonym, usize> = BTreeMap::new();
    history.when_served(
        |event| {
            let was_there =
                until.get(&event.domain).is_some_and(|until| event.received_at <= *until);
            let read = read.entry(event.user.clone()).or_default();
            *read += usize::from(was_there);
            was_there && *read <= MAX_HISTORY
        },
        served,
    )
}

fn served(recorded: &Decision) -> BTreeSet<(DomainId, ItemId)> {
    recorded.slate.iter().map(|entry| (entry.domain.clone(), entry.item_id.clone())).collect()
}

/// The targets' catalogues as far as they are as they were.
struct CataloguesThen {
    /// The entries that did not change since, by target; a target whose catalogue was not
    /// read then is not there.
    unchanged: BTreeMap<DomainId, Vec<Item>>,
    /// Entries on the slate that changed since and can still be shown.
    changed: Vec<Item>,
    /// Items on the slate that are gone, or can no longer be shown.
    gone: BTreeSet<ItemOfDomain>,
}

impl CataloguesThen {
    fn new(recorded: &Decision, basis: &Basis, present: &Present<'_>) -> Self {
        let served = served(recorded);
        let mut then = Self {
            unchanged: BTreeMap::new(),
            changed: Vec::new(),
            gone: served
                .iter()
                .map(|(domain, item_id)| ItemOfDomain {
                    domain: domain.clone(),
                    item_id: item_id.clone(),
                })
                .collect(),
        };
        let looked_into = |target: &&DomainId| basis.catalogues.contains_key(*target);
        for target in basis.targets.iter().filter(looked_into) {
            let last_change = basis.catalogues[target];
            let unchanged = then.unchanged.entry(target.clone()).or_default();
            let snapshot = present.catalogues.get(target);
            for (_, entry) in snapshot.into_iter().flat_map(|snapshot| snapshot.entries()) {
                let item = entry.item;
                let was_served = served.contains(&(item.domain.clone(), item.item_id.clone()));
                if item.change <= last_change {
                    unchanged.push(item.clone());
                } else if was_served && item.is_available(recorded.decided_at) {
                    then.changed.push(item.clone());
                } else {
                    continue;
                }
                then.gone.remove(&item_of(item));
            }
        }
        then
    }

    /// The catalogues, in which entries that changed have been there since an instant.
    fn with_changed_since(&self, since: Timestamp, model: Option<&Model>) -> Catalogues {
        let mut items = self.unchanged.clone();
        for changed in &self.changed {
            let mut item = changed.clone();
            item.updated_at = since;
            if let Some(details) = &mut item.details {
                details.available_from = None;
            }
            items.entry(item.domain.clone()).or_default().push(item);
        }
        let snapshot = |items| Arc::new(CatalogueSnapshot::new(items, model));
        items.into_iter().map(|(domain, items)| (domain, snapshot(items))).collect()
    }
}

fn item_of(item: &Item) -> ItemOfDomain {
    ItemOfDomain { domain: item.domain.clone(), item_id: item.item_id.clone() }
}

fn slate_of(
    (policy, model, catalogues): (&Policy, Option<&Model>, &Catalogues),
    asked: &AdmittedRequest<'_>,
) -> Vec<SlateEntry> {
    let serving = Serving { model, catalogues, policy, degraded: &[] };
    decide(serving, asked).decision.slate
}

/// Whether two slates are the same to the last bit.
fn is_same_slate(one: &[SlateEntry], other: &[SlateEntry]) -> bool {
    let bits = |entry: &SlateEntry| (entry.score.to_bits(), entry.propensity.to_bits());
    let is_same = |(a, b): (&SlateEntry, &SlateEntry)| {
        (&a.domain, &a.item_id, bits(a)) == (&b.domain, &b.item_id, bits(b))
    };
    one.len() == other.len() && one.iter().zip(other).all(is_same)
}
