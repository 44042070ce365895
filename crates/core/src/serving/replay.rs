//! Making a logged decision again.
//!
//! What it rested on is compared with what there is now, input by input, and where all of
//! it is as it was, the same stages run again with the recorded instant and seed: the slate
//! must then be the recorded one, to the last bit of each score and propensity.
//!
//! What somebody told who applied for offers is kept nowhere, nor are the words that items were looked
//! for in, and a slate that was made for these is not made again. Two more inputs are not kept as they were, and need not be:
//!
//! - **Catalogues** keep the newest state of an entry with the number of the change that
//!   made it. An entry that changed since and was *not* on the slate is left out: what is
//!   not shown has no part in any draw, so the slate is the same with such an item and without.
//!   One that *was* on it could be shown then, for it was; of what its entry said, only since
//!   when it had been there may have mattered, among equal scores. So it is tried as the
//!   oldest and as the newest: where both give the recorded slate, what changed did not
//!   matter. One that can no longer be shown is gone.
//! - **Seen and dismissed** have no time of their own. What was on the slate was neither
//!   then; what was marked since and is not on it is the same to the slate. So more of it does
//!   no harm, and less of it than was recorded is told.
//!
//! Evidence of domains that the record does not name was not used, and is not looked at:
//! who was linked, or gave consent, since then does not show. Of a domain that it names, the
//! users are told whose evidence gives the recorded digest. Evidence that the person no
//! longer lets be used is not used for this either.
//!
//! What had arrived by then is told by when events arrived, which is by the clocks of those
//! who took them. A clock that was set back since, or that lagged behind others, makes an event
//! of later look as if it had been there: that gives `evidence_changed` where nothing did, and
//! never the same slate from other evidence, for the digests must agree.

mod catalogues;
mod evidence;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::entities::basis::{
    Basis, EvidenceBasis, ExplorationBasis, FilterBasis, FilterUse, KeptBackBasis, QuotaBasis,
    digest_of_eligibility,
};
use crate::entities::boost::{Boost, Promotion};
use crate::entities::consent::{ConsentContext, ConsentLedger, CrossDomain};
use crate::entities::decision::{Decision, SlateEntry};
use crate::entities::definition::Definitions;
use crate::entities::filter::Filter;
use crate::entities::history::History;
use crate::entities::ids::{DomainId, ItemId};
use crate::entities::kept_back::KeptBackBy;
use crate::entities::quota::Quota;
use crate::model::Model;
use crate::serving::decide::{Serving, decide};
use crate::serving::diversify::{Composed, Composition};
use crate::serving::explore_share::Explored;
use crate::serving::policy;
use crate::serving::reason::Locale;
use crate::serving::replay::catalogues::{CataloguesThen, item_of};
use crate::serving::replay::evidence::EvidenceThen;
use crate::serving::request::{Occasion, SlateRequest};
use crate::serving::rules::eligible::day_of;
use crate::serving::snapshot::{Catalogues, Descriptions};

/// What there is now of what a decision rested on.
#[derive(Debug, Clone)]
pub struct Present<'a> {
    /// The instant of the replay, at which consents must hold.
    pub now: Timestamp,
    /// The model that the decision names, if it is still there.
    pub model: Option<&'a Model>,
    /// The targets' catalogues, matched with whatever model.
    pub catalogues: &'a Catalogues,
    /// The new items that the decision's record says were ranked by their text, as
    /// [`crate::serving::snapshot::CatalogueSnapshot::to_describe`] names them; `None` where they cannot be described, for
    /// want of the encoder.
    pub descriptions: Option<&'a Descriptions>,
    /// The definitions.
    pub definitions: &'a Definitions,
    /// What the person decided, up to now.
    pub consents: &'a ConsentLedger,
    /// What the person did, up to now, of the domains that [`domains_to_read`] names: of each
    /// user as far back as a slate is made from, and what is newer on top.
    pub history: &'a History,
    /// The domains of users of whom it does not go back as far.
    pub not_reached: &'a BTreeSet<DomainId>,
    /// Whether the one who asks for the replay lets evidence cross domains.
    pub cross_domain: CrossDomain,
}

/// What is no longer as it was, or is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// The record is from before it was kept what a decision rests on, or as it is kept now.
    NotRecorded,
    /// Something of the user may be stored under an earlier key, by which they are not found
    /// from the record: nothing is known of them until everything was moved.
    KeysRotating,
    /// This version has no policy of that name.
    PolicyGone,
    /// The model was deleted.
    ModelGone,
    /// The text encoder that ranked new items cannot be read.
    EncoderGone,
    /// The items that the caller did not want were too many to be kept.
    ExcludedNotKept,
    /// The items that were to be put in order were too many to be kept.
    ListedNotKept,
    /// Somebody applied for offers: what they told is kept nowhere.
    ApplicantNotKept,
    /// Items were looked for in words, which are kept nowhere.
    WordsNotKept,
    /// A filter, or that of a boost or promotion, names attributes that are not declared any more, or of another type.
    FilterGone,
    /// How evidence is weighed was changed, or who may have the offers of a target.
    DefinitionsChanged,
    /// Evidence that was used may no longer be.
    ConsentsChanged,
    /// More evidence came in since than is read: what was used is not reached.
    TooManySince,
    /// The person has more users of a platform now than can be told apart, and another was
    /// linked since.
    LinksChanged,
    /// Evidence that was used, or what kept items back, is not all there.
    EvidenceChanged,
    /// Items that were on the slate can no longer be shown, or are gone; or since when they
    /// are there decided their place, and is not known any more; or it was calibrated to categories
    /// of items, which are others now.
    CatalogueChanged,
    /// It was told since of something that the user had been shown, it is forgotten what they were
    /// shown, or that may not be used any more.
    ImpressionsChanged,
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
    /// The slate that was made; `None` when what it needs is gone. Where it is not the recorded
    /// one it is for nobody: what is on it alone may have been kept back by what they may not
    /// know.
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

/// The domains whose evidence a decision rested on, or that kept items back, and may be used
/// for it now: no other history is to be read.
#[must_use]
pub fn domains_to_read(recorded: &Decision, present: &Permission<'_>) -> BTreeSet<DomainId> {
    let (Some(basis), display) = (&recorded.basis, &recorded.domain) else {
        return BTreeSet::new();
    };
    let sources = basis.sources.iter().filter(|source| present.opens(source, display));
    let kept_back = basis.kept_back.iter().filter(|kept| present.lets_keep_back(kept, display));
    let of_platforms = kept_back.filter_map(|kept| match &kept.by {
        KeptBackBy::Platform(domain) => Some(domain),
        KeptBackBy::Instruction => None,
    });
    // What was shown there is in the history of the user who asked.
    let shown = basis.fatigue.iter().filter(|fatigue| !fatigue.shown.is_empty()).map(|_| display);
    sources.map(|source| &source.domain).chain(of_platforms).chain(shown).cloned().collect()
}

/// The filters of a decision, as far as they can be read by what domains declare now: by target,
/// with what each was for.
fn filters_then<'a>(
    basis: &'a Basis,
    definitions: &'a Definitions,
) -> impl Iterator<Item = (&'a DomainId, FilterUse, Option<Filter>)> {
    let read =
        |filter: &FilterBasis, target: &DomainId| filter.read(&definitions.get(target)?.schema());
    let of_filter = move |filter: &'a FilterBasis| {
        filter.targets.iter().map(move |to| (to, filter.used, read(filter, to)))
    };
    basis.filters.iter().flat_map(of_filter)
}

/// What a caller preferred, by target.
#[derive(Default)]
struct Preferred {
    filters: BTreeMap<DomainId, Vec<Filter>>,
    boosts: BTreeMap<DomainId, Vec<Boost>>,
    promotions: BTreeMap<DomainId, Vec<Promotion>>,
}

impl Preferred {
    fn then(basis: &Basis, definitions: &Definitions) -> Self {
        let mut then = Self::default();
        for (target, used, filter) in filters_then(basis, definitions) {
            let (target, Some(filter)) = (target.clone(), filter) else { continue };
            match used {
                FilterUse::Admits => then.filters.entry(target).or_default().push(filter),
                FilterUse::Boosts(factor) => {
                    then.boosts.entry(target).or_default().push(Boost { filter, factor });
                }
                FilterUse::Promotes(slot) => {
                    then.promotions.entry(target).or_default().push(Promotion { filter, slot });
                }
            }
        }
        then.boosts.values_mut().for_each(|boosts| Boost::sort(boosts));
        then.promotions.values_mut().for_each(|promotions| Promotion::sort(promotions));
        then
    }
}

/// Items that a caller named, as they were kept.
fn named(kept: &BTreeMap<DomainId, BTreeSet<ItemId>>) -> BTreeSet<(DomainId, ItemId)> {
    let of_domain = |(domain, items): (&DomainId, &BTreeSet<ItemId>)| {
        items.iter().map(|item| (domain.clone(), item.clone())).collect::<Vec<_>>()
    };
    kept.iter().flat_map(of_domain).collect()
}

/// The request of a decision, as it was checked, but for filters that cannot be read any more;
/// `None` where it was not kept.
#[must_use]
pub fn request_of(recorded: &Decision, definitions: &Definitions) -> Option<SlateRequest> {
    let basis = recorded.basis.as_ref().filter(|basis| basis.is_comparable())?;
    let Preferred { filters, boosts, promotions } = Preferred::then(basis, definitions);
    let occasion = Occasion {
        recommendation_id: recorded.recommendation_id.clone(),
        seed: recorded.seed,
        now: recorded.decided_at,
        display: recorded.domain.clone(),
    };
    let explored =
        |basis: &ExplorationBasis| Explored { share: basis.share, then: Some(basis.clone()) };
    // What somebody told or wrote was kept nowhere, and words are made for whoever asks, and not
    // again.
    Some(SlateRequest {
        placement: recorded.placement.clone(),
        targets: basis.targets.clone(),
        limit: basis.limit,
        excluded: named(&basis.excluded),
        filters,
        boosts,
        promotions,
        quotas: quotas_then(basis, definitions),
        fatigue: basis.fatigue.as_ref().map(|then| then.rule),
        composed: composed_then(basis),
        exploration: basis.exploration.as_ref().map(explored),
        shows_offers: false,
        shows_seen: !basis.listed.is_empty(),
        listed: (!basis.listed.is_empty()).then(|| named(&basis.listed)),
        personalised: !basis.impersonal,
        cross_domain: match basis.within_domains {
            true => CrossDomain::Never,
            false => CrossDomain::ByConsent,
        },
        visible: BTreeSet::new(),
        explain: false,
        locale: Locale::closest(basis.reasons.as_deref().unwrap_or_default()),
        ..SlateRequest::of(occasion)
    })
}

/// What a slate was to be as a whole, chosen from what it was chosen from.
fn composed_then(basis: &Basis) -> Option<Composed> {
    let diverse = basis
        .diversity
        .as_ref()
        .map(|then| Composed { by: Composition::Diverse(then.share), pools: then.pools.clone() });
    let calibrated = basis.calibration.as_ref().map(|then| Composed {
        by: Composition::Calibrated(then.share),
        pools: then.pools.clone(),
    });
    diverse.or(calibrated)
}

/// The quotas of a decision, but for those whose filters cannot be read any more.
fn quotas_then(basis: &Basis, definitions: &Definitions) -> BTreeMap<DomainId, Vec<Quota>> {
    let mut quotas: BTreeMap<DomainId, Vec<Quota>> = BTreeMap::new();
    for then in &basis.quotas {
        let Some(filter) = quota_filter(then, definitions) else { continue };
        let quota = Quota { filter, each_category: then.each_category, most: then.most };
        quotas.entry(then.target.clone()).or_default().push(quota);
    }
    quotas
}

/// Which items a quota was of, by what their domain declares now; `None` where that cannot be told.
fn quota_filter(then: &QuotaBasis, definitions: &Definitions) -> Option<Option<Filter>> {
    let schema = definitions.get(&then.target)?.schema();
    match &then.filter {
        Some(filter) => filter.read(&schema).map(Some),
        None => Some(None),
    }
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
        self.reaches(&source.domain, &source.targets, display)
    }

    /// What the user who asked dismissed holds whatever they consent to.
    fn lets_keep_back(&self, kept: &KeptBackBasis, display: &DomainId) -> bool {
        match &kept.by {
            KeptBackBy::Instruction => true,
            KeptBackBy::Platform(from) => self.reaches(from, &kept.targets, display),
        }
    }

    fn reaches(&self, from: &DomainId, targets: &BTreeSet<DomainId>, display: &DomainId) -> bool {
        let Self { consents: ledger, definitions, now, cross_domain } = *self;
        let context = ConsentContext { ledger, definitions, now };
        targets.iter().chain([display]).all(|to| context.may_reach(from, to, cross_domain))
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
    let (Some(basis), Some(request)) = (&recorded.basis, request_of(recorded, present.definitions))
    else {
        return Change::NotRecorded.into();
    };
    let policy = policy::named(&recorded.policy);
    let evidence = EvidenceThen::new(recorded, basis, present, &request);
    let catalogues = CataloguesThen::new(recorded, basis, present);
    let mut findings = gone(recorded, basis, present);
    findings.extend(evidence.changed);
    findings.extend(Finding::of_items(Change::CatalogueChanged, catalogues.gone.clone()));
    let Some(policy) = policy.filter(|_| findings.is_empty()) else {
        return Replayed { findings, slate: None };
    };
    let none = Descriptions::new();
    let decision = |since| {
        let described = present.descriptions.unwrap_or(&none);
        let catalogues = catalogues.with_changed_since(since, (present.model, described));
        let serving =
            Serving { model: present.model, catalogues: &catalogues, policy, degraded: &[] };
        decide(serving, &evidence.asked).decision
    };
    let oldest = decision(Timestamp::MIN);
    let newest = match catalogues.changed.is_empty() {
        true => oldest.slate.clone(),
        false => decision(Timestamp::MAX).slate,
    };
    let is_recorded = |slate: &[SlateEntry]| is_same_slate(&recorded.slate, slate);
    let mut findings = Vec::new();
    if !is_recorded(&oldest.slate) || !is_recorded(&newest) {
        let changed = catalogues.changed.iter().map(item_of).collect();
        findings.extend(Finding::of_items(Change::CatalogueChanged, changed));
        let other = other_interests(basis, oldest.basis.as_ref());
        findings.extend(Finding::of_domains(Change::CatalogueChanged, other));
        let other = other_impressions(basis, oldest.basis.as_ref());
        findings.extend(Finding::of_domains(Change::ImpressionsChanged, other));
        findings.extend(Finding::of_domains(Change::EvidenceChanged, evidence.other));
        if findings.is_empty() {
            findings.push(Change::SlateDiffers.into());
        }
    }
    Replayed { findings, slate: Some(oldest.slate) }
}

/// The targets whose items, that the person turned to, are of other categories now.
fn other_interests(then: &Basis, now: Option<&Basis>) -> BTreeSet<DomainId> {
    let of = |basis: &Basis| basis.calibration.as_ref().map(|basis| basis.interests.clone());
    others(of(then), now.and_then(of))
}

/// The targets of which the user was shown something since that would have counted for less, or of
/// which it is forgotten what they were shown.
fn other_impressions(then: &Basis, now: Option<&Basis>) -> BTreeSet<DomainId> {
    let of = |basis: &Basis| basis.fatigue.as_ref().map(|basis| basis.shown.clone());
    others(of(then), now.and_then(of))
}

/// The targets of which there is another digest, or none any more.
fn others(
    then: Option<BTreeMap<DomainId, String>>,
    now: Option<BTreeMap<DomainId, String>>,
) -> BTreeSet<DomainId> {
    let (then, now) = (then.unwrap_or_default(), now.unwrap_or_default());
    let targets = then.keys().chain(now.keys());
    targets.filter(|target| then.get(*target) != now.get(*target)).cloned().collect()
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
    if !basis.described.is_empty() && present.descriptions.is_none() {
        gone.push(Change::EncoderGone.into());
    }
    if basis.excluded_not_kept > 0 {
        gone.push(Change::ExcludedNotKept.into());
    }
    if basis.with_applicant {
        gone.push(Change::ApplicantNotKept.into());
    }
    if basis.with_words {
        gone.push(Change::WordsNotKept.into());
    }
    if basis.listed_not_kept > 0 {
        gone.push(Change::ListedNotKept.into());
    }
    let filters = filters_then(basis, present.definitions);
    let unread = filters.filter(|(_, _, filter)| filter.is_none());
    let quotas = basis.quotas.iter();
    let unread_quotas = quotas.filter(|then| quota_filter(then, present.definitions).is_none());
    let unread = unread.map(|(target, ..)| target.clone());
    let unread = unread.chain(unread_quotas.map(|then| then.target.clone())).collect();
    gone.extend(Finding::of_domains(Change::FilterGone, unread));
    gone.extend(Finding::of_domains(
        Change::DefinitionsChanged,
        other_eligibility(recorded, basis, present.definitions),
    ));
    gone
}

/// The targets whose definition says something else now of who could have their offers then.
fn other_eligibility(
    recorded: &Decision,
    basis: &Basis,
    definitions: &Definitions,
) -> BTreeSet<DomainId> {
    let on = day_of(recorded.decided_at);
    let now = |target: &DomainId| Some(digest_of_eligibility(definitions.get(target)?, on));
    let others =
        basis.eligibility.iter().filter(|(target, then)| now(target).as_ref() != Some(then));
    others.map(|(target, _)| target.clone()).collect()
}

fn served(recorded: &Decision) -> BTreeSet<(DomainId, ItemId)> {
    recorded.slate.iter().map(|entry| (entry.domain.clone(), entry.item_id.clone())).collect()
}

/// Whether two slates are the same to the last bit.
fn is_same_slate(one: &[SlateEntry], other: &[SlateEntry]) -> bool {
    let bits =
        |entry: &SlateEntry| (entry.score.to_bits(), entry.propensity.to_bits(), entry.promoted);
    let is_same = |(a, b): (&SlateEntry, &SlateEntry)| {
        (&a.domain, &a.item_id, bits(a)) == (&b.domain, &b.item_id, bits(b))
    };
    one.len() == other.len() && one.iter().zip(other).all(is_same)
}
