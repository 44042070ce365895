//! Making a decision: from a person's consented history to a slate of ranked,
//! explained items and the record of it.

use std::collections::BTreeMap;

use crate::entities::basis::{ExplorationBasis, PoolBasis};
use crate::entities::decision::{Decision, SlateEntry};
use crate::entities::ids::DomainId;
use crate::model::Model;
use crate::serving::admit::{AdmittedRequest, admit};
use crate::serving::arrange::arrange;
use crate::serving::basis::basis_of;
use crate::serving::best::{ScoredItem, best_of_target, newest_of_target};
use crate::serving::blend::{Blended, blend, blend_without_evidence, worth_a_try};
use crate::serving::choose::{Choosable, Choosing, Chosen};
use crate::serving::explain::Explainer;
use crate::serving::explore::{PlacedItem, explore};
use crate::serving::explore_share::{self, Explorable};
use crate::serving::inspect::{self, CountedScore, InspectedTarget, ScoreParts};
use crate::serving::offers::ShownOffer;
use crate::serving::policy::Policy;
use crate::serving::promote::{PromotedItem, others, promoted, with_promoted};
use crate::serving::reason::Reason;
use crate::serving::request::SlateRequest;
use crate::serving::snapshot::Catalogues;
use crate::serving::sources::words::worth;
use crate::serving::sources::{self, POPULAR_SHARE, Scores, SourceInputs, TargetSources};

/// What slates are made from.
#[derive(Debug, Clone, Copy)]
pub struct Serving<'a> {
    /// The champion, if there is one.
    pub model: Option<&'a Model>,
    /// Catalogues of at least the targets, matched with `model`; those of
    /// [`AdmittedRequest::title_domains`] too, for reasons to name titles.
    pub catalogues: &'a Catalogues,
    /// How the slate is composed.
    pub policy: &'a Policy,
    /// What could not be read for this request, by code.
    pub degraded: &'a [&'static str],
}

/// A decision, and what an answer needs beside it.
#[derive(Debug, Clone, PartialEq)]
pub struct Decided {
    /// The record, to be logged before the answer.
    pub decision: Decision,
    /// The slate in words, in the order of `decision.slate`.
    pub items: Vec<DescribedItem>,
    /// What the slate was chosen from, when asked for.
    pub inspected: Option<Vec<InspectedTarget>>,
}

/// One item of a slate.
#[derive(Debug, Clone, PartialEq)]
pub struct DescribedItem {
    /// What is logged of it.
    pub entry: SlateEntry,
    /// Its title.
    pub title: String,
    /// Why it is there, when asked for.
    pub reason: Option<Reason>,
    /// What its score is made up of, when asked for.
    pub contributions: Option<ScoreParts>,
    /// What its offer costs, where it carries one.
    pub offer: Option<ShownOffer>,
}

/// Makes a decision. The same inputs give the same decision.
#[must_use]
pub fn decide(serving: Serving<'_>, asked: &AdmittedRequest<'_>) -> Decided {
    let (policy, request) = (serving.policy, asked.request);
    let inputs = SourceInputs::new(serving.model, asked.definitions);
    let targets = sources::open(admit(asked, serving.catalogues), policy.sources, &inputs);
    let choosing = Choosing::of((asked, serving.model), &targets, &inputs);
    let mut placed = placed(serving, asked, (&targets, &choosing));
    let drawn_from = std::mem::take(&mut placed.drawn_from);
    let explainer = Explainer::new(serving, asked);
    let described = |item: &PlacedItem| describe(&explainer, request, &targets, item);
    let items: Vec<DescribedItem> = placed.placed.iter().map(described).collect();
    let slate: Vec<SlateEntry> = items.iter().map(|item| item.entry.clone()).collect();
    let decision = Decision {
        recommendation_id: request.recommendation_id.clone(),
        user: asked.user.clone(),
        domain: request.display.clone(),
        placement: request.placement.clone(),
        decided_at: request.now,
        model: serving.model.map(|model| model.id().clone()),
        policy: policy.name.to_owned(),
        variant: request.variant.clone(),
        seed: request.seed,
        personalised: is_moved_by_evidence(request, (&targets, choosing), &placed),
        degraded: serving.degraded.iter().map(|&code| code.to_owned()).collect(),
        lives: Decision::lives_of(
            request.targets.iter().chain([&request.display]),
            asked.definitions,
        ),
        basis: Some(basis_of(&serving, asked, (&slate, drawn_from))),
        slate,
    };
    let inspected = request.inspect.then(|| inspect::targets(&targets, asked));
    Decided { decision, items, inspected }
}

/// What is shown, in order, and what it was chosen from.
struct Placed {
    placed: Vec<PlacedItem>,
    /// What would be shown in the places of all that is not promoted, were nothing drawn by the share
    /// of a slate that is for others.
    shown: Vec<ScoredItem>,
    promoted: Vec<PromotedItem>,
    drawn_from: DrawnFrom,
}

/// What a slate was chosen from, as far as a replay could not tell.
#[derive(Default)]
pub(super) struct DrawnFrom {
    /// By target, where it is to be more than the best of each.
    pub(super) pools: BTreeMap<DomainId, PoolBasis>,
    /// The digest of what the person turned to, by target, where it is calibrated to that.
    pub(super) interests: BTreeMap<DomainId, String>,
    /// The digest of what counted for less, by target, for it was shown often.
    pub(super) shown: BTreeMap<DomainId, String>,
    /// Where some of it could be others than the best.
    pub(super) exploration: Option<ExplorationBasis>,
}

fn placed(
    serving: Serving<'_>,
    asked: &AdmittedRequest<'_>,
    (targets, choosing): (&[TargetSources<'_>], &Choosing<'_>),
) -> Placed {
    let request = asked.request;
    let shares: Vec<u32> = targets.iter().map(TargetSources::share).collect();
    let blended = |wanted| Blended { targets, words: request.words.as_ref(), wanted };
    let scores = blend(blended(choosing.wanted()));
    let promoted = promoted(asked, &scores);
    let limit = request.limit - promoted.len();
    let from = Choosable { scores: &scores, promoted: &promoted, shares: &shares, limit };
    let Chosen { items: best, pools } = choosing.chosen(from);
    let interests = choosing.digests(targets);
    let shown_often = |TargetSources { target, .. }: &TargetSources<'_>| {
        Some((target.domain.clone(), target.shown_often.digest(&request.recommendation_id)?))
    };
    let shown_often: BTreeMap<DomainId, String> = targets.iter().filter_map(shown_often).collect();
    let from_these = DrawnFrom { pools, interests, shown: shown_often, exploration: None };
    if let Some((drawn, exploration)) = explored((request, choosing), &best, from) {
        let drawn_from = DrawnFrom { exploration: Some(exploration), ..from_these };
        return Placed {
            placed: with_promoted(drawn, &promoted),
            shown: best,
            promoted,
            drawn_from,
        };
    }
    let tried = worth_a_try(blended(request.limit + promoted.len()));
    let tried = tried.map(|scores| tries(&scores, choosing, from)).unwrap_or_default();
    let drawn = explore(serving.policy.exploration, (&best, &tried), request.seed);
    let shown = drawn.iter().map(|item| item.scored).collect();
    let drawn_from = from_these;
    Placed { placed: with_promoted(drawn, &promoted), shown, promoted, drawn_from }
}

/// What is worth a try by these scores, in order. What quotas count is not tried: it might be one too
/// many.
fn tries(scores: &[Scores<'_>], choosing: &Choosing<'_>, from: Choosable<'_>) -> Vec<ScoredItem> {
    let most = from.limit + 2 * from.promoted.len();
    let of_target = |(at, scores): (usize, &Scores<'_>)| {
        let best = |wanted| best_of_target((at, scores), wanted);
        let mut best = choosing.quotas.uncounted(at, most, best);
        best.retain(|item| item.source.is_some());
        best
    };
    let best = scores.iter().enumerate().map(of_target).collect();
    arrange(others(best, from.promoted), from.shares, from.limit)
}

/// The slate with others than the best in a share of its places, where the request has one. What
/// quotas count is not among those that are drawn: it might be one too many.
fn explored(
    (request, choosing): (&SlateRequest, &Choosing<'_>),
    arranged: &[ScoredItem],
    from: Choosable<'_>,
) -> Option<(Vec<PlacedItem>, ExplorationBasis)> {
    let (explored, scores) = (request.exploration.as_ref()?, from.scores);
    let most = explore_share::candidates(request.limit);
    let of_target = |(at, scores): (usize, &Scores<'_>)| {
        let quotas = &choosing.quotas;
        let mut candidates =
            quotas.uncounted(at, most, |wanted| best_of_target((at, scores), wanted));
        candidates.retain(|item| scores.knows(item.position));
        let newest = |wanted| newest_of_target((at, scores), wanted);
        candidates.extend(quotas.uncounted(at, most, newest));
        candidates
    };
    let candidates = scores.iter().enumerate().map(of_target).collect();
    let candidates = others(candidates, from.promoted);
    explored.drawn(Explorable { arranged, candidates: &candidates, scores }, request.seed)
}

/// Whether the person's evidence moved the slate: it is behind a score on it, behind how it is
/// composed, or behind what counts for less for it was shown often; and without it other items would be shown, or in another order. What is promoted is
/// there whatever the person did, and does not count.
fn is_moved_by_evidence(
    request: &SlateRequest,
    (targets, choosing): (&[TargetSources<'_>], Choosing<'_>),
    Placed { shown, promoted, .. }: &Placed,
) -> bool {
    let is_personal = |item: &ScoredItem| {
        let source = item.source.map(|at| &targets[item.target].sources[at]);
        source.is_some_and(|source| source.is_personal())
    };
    let is_tired = targets.iter().any(|target| !target.target.shown_often.is_empty());
    if !is_tired && !choosing.is_by_interests() && !shown.iter().any(is_personal) {
        return false;
    }
    let choosing = choosing.for_anyone();
    let (words, wanted) = (request.words.as_ref(), choosing.wanted());
    let scores = blend_without_evidence(Blended { targets, words, wanted });
    let shares = vec![POPULAR_SHARE; targets.len()];
    let limit = shown.len();
    let for_anyone =
        choosing.chosen(Choosable { scores: &scores, promoted, shares: &shares, limit });
    let place = |item: &ScoredItem| (item.target, item.position);
    !shown.iter().map(place).eq(for_anyone.items.iter().map(place))
}

fn describe(
    explainer: &Explainer<'_>,
    request: &SlateRequest,
    targets: &[TargetSources<'_>],
    placed: &PlacedItem,
) -> DescribedItem {
    let TargetSources { target, sources } = &targets[placed.scored.target];
    let entry = target.snapshot.entry(placed.scored.position);
    let source = placed.scored.source.map(|at| &*sources[at]);
    let ScoredItem { position, score, .. } = placed.scored;
    let is_told = source.is_some() && request.visible.contains(target.domain);
    let multiplier = target.multipliers.as_ref().filter(|_| is_told);
    let found = target.snapshot.found().filter(|_| source.is_some());
    let relevance = found.map_or(0.0, |found| found.relevance(position));
    let counted = CountedScore {
        score,
        multiplier: multiplier.map(|multipliers| multipliers.behind(position, score)),
        words: request.words.as_ref().map_or(0.0, |words| worth(words, relevance)),
    };
    DescribedItem {
        entry: SlateEntry {
            domain: target.domain.clone(),
            item_id: entry.item.item_id.clone(),
            score: placed.scored.score,
            propensity: placed.propensity,
            promoted: placed.promoted,
        },
        title: entry.title().unwrap_or_default().to_owned(),
        reason: request.explain.then(|| match placed.promoted {
            true => explainer.promotion(entry),
            false => explainer.reason(entry, source, &counted),
        }),
        contributions: request.inspect.then(|| explainer.contributions(entry, source, counted)),
        offer: explainer.offer(entry),
    }
}
