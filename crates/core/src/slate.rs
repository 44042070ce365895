//! Making a slate: from a person's consented history to ranked, explained items.
//!
//! For each target domain the evidence that may be used is established, the
//! person is folded in, every eligible item is scored, and the best of all
//! targets are served. Scores of a fold-in and popularity shares both estimate
//! a preference between 0 and 1, so slates of several targets are merged by score.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::Timestamp;

use crate::catalogue::Item;
use crate::consent::{
    ConsentContext, ConsentLedger, ConsentedHistory, CrossDomain, RecommendationUse,
};
use crate::decision::SlateEntry;
use crate::dense::dot;
use crate::domain::Definitions;
use crate::eligibility::Eligibility;
use crate::fold_in::FoldedPerson;
use crate::history::History;
use crate::ids::{DomainId, ItemId, Pseudonym};
use crate::interactions::confidences;
use crate::model::Model;
use crate::rank::top_k;
use crate::reason::{Because, Evidence, Locale, Reason, ReasonCode, text};

/// The policy that [`recommend`] implements, as it is logged.
pub const POLICY: &str = "als-fold-in/1";
/// Most items on one slate.
pub const MAX_LIMIT: usize = 100;
/// Past items named in one reason.
const MAX_EVIDENCE: usize = 3;

/// A domain's catalogue at one moment, matched with a model's rows.
#[derive(Debug, Clone, Default)]
pub struct CatalogueSnapshot {
    items: Vec<Item>,
    rows: Vec<Option<u32>>,
    positions: HashMap<ItemId, usize>,
}

impl CatalogueSnapshot {
    /// Matches a domain's items, in order of their ids, with the model's rows.
    #[must_use]
    pub fn new(mut items: Vec<Item>, model: Option<&Model>) -> Self {
        items.sort_by(|a, b| a.item_id.cmp(&b.item_id));
        let row = |item: &Item| model?.index().row(&(item.domain.clone(), item.item_id.clone()));
        let rows = items.iter().map(row).collect();
        let positions =
            items.iter().enumerate().map(|(at, item)| (item.item_id.clone(), at)).collect();
        Self { items, rows, positions }
    }

    /// An item by its id.
    #[must_use]
    pub fn item(&self, id: &ItemId) -> Option<&Item> {
        self.positions.get(id).map(|&at| &self.items[at])
    }
}

/// What slates are made from.
#[derive(Clone, Copy)]
pub struct Serving<'a> {
    /// The champion, if there is one.
    pub model: Option<&'a Model>,
    /// Catalogues of at least the targets.
    pub catalogues: &'a BTreeMap<DomainId, &'a CatalogueSnapshot>,
    /// Every domain.
    pub definitions: &'a Definitions,
}

/// The person a slate is for.
#[derive(Debug, Clone, Copy)]
pub struct Recipient<'a> {
    /// The user who asks.
    pub user: &'a Pseudonym,
    /// What the person decided.
    pub consents: &'a ConsentLedger,
    /// What the person did, on all linked platforms.
    pub history: &'a History,
}

/// A checked request for a slate.
#[derive(Debug, Clone)]
pub struct SlateRequest {
    /// The platform that shows the slate.
    pub display: DomainId,
    /// The domains whose items are wanted, each once.
    pub targets: BTreeSet<DomainId>,
    /// How many items, 1 to [`MAX_LIMIT`].
    pub limit: usize,
    /// Items the caller does not want.
    pub excluded: BTreeSet<(DomainId, ItemId)>,
    /// Whether the person's evidence may shape the slate.
    pub personalised: bool,
    /// Whether evidence of other domains may be used.
    pub cross_domain: CrossDomain,
    /// Domains whose items may be named as evidence: those the caller acts for.
    pub visible: BTreeSet<DomainId>,
    /// Whether reasons are wanted.
    pub explain: bool,
    /// The language of reasons.
    pub locale: Locale,
    /// The instant of the request.
    pub now: Timestamp,
}

/// One item of a slate.
#[derive(Debug, Clone, PartialEq)]
pub struct RankedItem {
    /// What is logged of it.
    pub entry: SlateEntry,
    /// Its title.
    pub title: String,
    /// Why it is there, when asked for.
    pub reason: Option<Reason>,
}

/// A slate.
#[derive(Debug, Clone, PartialEq)]
pub struct Slate {
    /// Best first.
    pub items: Vec<RankedItem>,
    /// Whether the person's own evidence shaped it.
    pub personalised: bool,
}

/// One target domain, scored.
struct ScoredTarget<'a> {
    snapshot: &'a CatalogueSnapshot,
    person: Option<FoldedPerson>,
    candidates: Vec<(usize, f32)>,
}

/// Makes a slate. The same inputs give the same slate.
#[must_use]
pub fn recommend(serving: Serving<'_>, recipient: Recipient<'_>, request: &SlateRequest) -> Slate {
    let targets: Vec<ScoredTarget<'_>> = request
        .targets
        .iter()
        .filter_map(|target| score_target(serving, recipient, request, target))
        .collect();
    let (origins, scores): (Vec<(usize, usize)>, Vec<f32>) = targets
        .iter()
        .enumerate()
        .flat_map(|(at, target)| target.candidates.iter().map(move |&(i, score)| ((at, i), score)))
        .unzip();
    let items: Vec<RankedItem> = top_k(&scores, request.limit)
        .into_iter()
        .map(|candidate| {
            let (at, position) = origins[candidate as usize];
            let score = scores[candidate as usize];
            ranked_item(serving, request, &targets[at], (position, score))
        })
        .collect();
    let personalised = items.iter().any(|item| {
        request
            .targets
            .iter()
            .zip(&targets)
            .any(|(domain, target)| item.entry.domain == *domain && target.person.is_some())
    });
    Slate { items, personalised }
}

fn score_target<'a>(
    serving: Serving<'a>,
    recipient: Recipient<'_>,
    request: &SlateRequest,
    target: &DomainId,
) -> Option<ScoredTarget<'a>> {
    let snapshot = *serving.catalogues.get(target)?;
    let history = admitted_history(serving, recipient, request, target);
    let person = fold_in(serving, &history, request, target);
    let eligibility = Eligibility::new(request.now, &history, &request.excluded);
    let score = |row: Option<u32>| match (serving.model, row, &person) {
        (Some(model), Some(row), Some(person)) => model
            .item_factors()
            .row(row as usize)
            .as_slice()
            .map_or(0.0, |y| dot(person.vector(), y)),
        (Some(model), Some(row), None) => model.popularity(row),
        _ => 0.0,
    };
    let candidates = snapshot
        .items
        .iter()
        .enumerate()
        .filter(|(_, item)| eligibility.allows(item))
        .map(|(at, _)| (at, score(snapshot.rows[at])))
        .collect();
    Some(ScoredTarget { snapshot, person, candidates })
}

fn admitted_history(
    serving: Serving<'_>,
    recipient: Recipient<'_>,
    request: &SlateRequest,
    target: &DomainId,
) -> ConsentedHistory {
    let context = ConsentContext {
        ledger: recipient.consents,
        definitions: serving.definitions,
        now: request.now,
    };
    let use_of_it = RecommendationUse {
        user: recipient.user,
        display: &request.display,
        target,
        cross_domain: request.cross_domain,
    };
    let admitted = ConsentedHistory::for_recommendation(recipient.history, context, &use_of_it);
    if request.personalised { admitted } else { admitted.without_events() }
}

/// Folds the person in, unless the model does not know the target or nothing
/// of the history is known to the model.
fn fold_in(
    serving: Serving<'_>,
    history: &ConsentedHistory,
    request: &SlateRequest,
    target: &DomainId,
) -> Option<FoldedPerson> {
    let model = serving.model?;
    model.rows(target)?;
    let confidences = confidences(history, serving.definitions, request.now);
    let interactions = model.index().rows_of(&confidences);
    if interactions.is_empty() {
        return None;
    }
    let observed: BTreeSet<&DomainId> = interactions
        .iter()
        .filter_map(|(row, _)| model.index().item(*row))
        .map(|(domain, _)| domain)
        .collect();
    model.with_basis(&observed, |basis| FoldedPerson::solve(basis, &interactions)).ok()
}

fn ranked_item(
    serving: Serving<'_>,
    request: &SlateRequest,
    target: &ScoredTarget<'_>,
    (position, score): (usize, f32),
) -> RankedItem {
    let item = &target.snapshot.items[position];
    let title = item.details.as_ref().map_or_else(String::new, |details| details.title.clone());
    let row = target.snapshot.rows[position];
    let entry = SlateEntry {
        domain: item.domain.clone(),
        item_id: item.item_id.clone(),
        score,
        // The policy is deterministic: it always puts this item here.
        propensity: 1.0,
    };
    let reason = request.explain.then(|| explain(serving, request, target, (item, row)));
    RankedItem { entry, title, reason }
}

fn explain(
    serving: Serving<'_>,
    request: &SlateRequest,
    target: &ScoredTarget<'_>,
    (item, row): (&Item, Option<u32>),
) -> Reason {
    let platform = |domain: &DomainId| {
        serving.definitions.get(domain).map_or(domain.as_str(), |d| d.name.as_str()).to_owned()
    };
    let plain =
        |code, because| Reason { code, text: text(because, request.locale), evidence: vec![] };
    let name = platform(&item.domain);
    let (Some(model), Some(row)) = (serving.model, row) else {
        return plain(ReasonCode::New, Because::Newness(&name));
    };
    let Some(person) = &target.person else {
        return plain(ReasonCode::Popular, Because::Others(&name));
    };
    let evidence = evidence(model, person, row, &request.visible);
    let Some(first) = evidence.first() else {
        return plain(ReasonCode::Popular, Because::Others(&name));
    };
    let title = first.item_id.as_ref().and_then(|id| {
        let item = serving.catalogues.get(&first.domain)?.item(id)?;
        item.details.as_ref().map(|details| details.title.as_str())
    });
    let origin = platform(&first.domain);
    let because = title.map_or(Because::Domain(&origin), Because::Item);
    Reason { code: ReasonCode::History, text: text(because, request.locale), evidence }
}

/// The past items that count most. What happened where the caller does not act
/// is summed up by domain, so that no raw event of another platform is told.
fn evidence(
    model: &Model,
    person: &FoldedPerson,
    row: u32,
    visible: &BTreeSet<DomainId>,
) -> Vec<Evidence> {
    let contributions = person.contributions(model.item_factors(), row);
    let total: f32 = contributions.iter().map(|(_, c)| c.max(0.0)).sum();
    if total <= 0.0 {
        return Vec::new();
    }
    let mut shares: BTreeMap<(&DomainId, Option<&ItemId>), f32> = BTreeMap::new();
    for (row, contribution) in contributions.into_iter().filter(|(_, c)| *c > 0.0) {
        let Some((domain, item)) = model.index().item(row) else { continue };
        let named = visible.contains(domain).then_some(item);
        *shares.entry((domain, named)).or_default() += contribution / total;
    }
    let mut evidence: Vec<Evidence> = shares
        .into_iter()
        .map(|((domain, item), share)| Evidence {
            domain: domain.clone(),
            item_id: item.cloned(),
            share,
        })
        .collect();
    evidence.sort_by(|a, b| b.share.total_cmp(&a.share));
    evidence.truncate(MAX_EVIDENCE);
    evidence
}
