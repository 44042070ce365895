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
use crate::serving::best::{ScoredItem, best_known_of_each, best_of_each, newest_of_each};
use crate::serving::blend::{Blended, blend, blend_without_evidence, worth_a_try};
use crate::serving::diversify::POOL;
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
    let Placed { placed, shown, drawn_from } = placed(serving, asked, &targets);
    let explainer = Explainer::new(serving, asked);
    let described = |item: &PlacedItem| describe(&explainer, request, &targets, item);
    let items: Vec<DescribedItem> = placed.iter().map(described).collect();
    let slate: Vec<SlateEntry> = items.iter().map(|item| item.entry.clone()).collect();
    let decision = Decision {
        recommendation_id: request.recommendation_id.clone(),
        user: asked.user.clone(),
        domain: request.display.clone(),
        placement: request.placement.clone(),
        decided_at: request.now,
        model: serving.model.map(|model| model.id().clone()),
        policy: policy.name.to_owned(),
        variant: None,
        seed: request.seed,
        personalised: is_moved_by_evidence((serving.model, request), &targets, (&placed, &shown)),
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
    drawn_from: DrawnFrom,
}

/// What a slate was chosen from, as far as a replay could not tell.
#[derive(Default)]
pub(super) struct DrawnFrom {
    /// By target, where it is to be of different things.
    pub(super) pools: BTreeMap<DomainId, PoolBasis>,
    /// Where some of it could be others than the best.
    pub(super) exploration: Option<ExplorationBasis>,
}

fn placed(
    serving: Serving<'_>,
    asked: &AdmittedRequest<'_>,
    targets: &[TargetSources<'_>],
) -> Placed {
    let (request, model) = (asked.request, serving.model);
    let shares: Vec<u32> = targets.iter().map(TargetSources::share).collect();
    // The best of some items may be any.
    let wanted = if request.promotions.is_empty() { candidates(request) } else { usize::MAX };
    let blended = |wanted| Blended { targets, words: request.words.as_ref(), wanted };
    let scores = blend(blended(wanted));
    let promoted = promoted(asked, &scores);
    // Of the best some may be promoted, and are shown elsewhere.
    let (offered, limit) = (request.limit + promoted.len(), request.limit - promoted.len());
    let (best, pools) = offered_of_each((model, request), &scores, offered);
    let arranged = |best| arrange(others(best, &promoted), &shares, limit);
    let best = arranged(best);
    if let Some((drawn, exploration)) = explored(request, (&best, &scores), &promoted) {
        let drawn_from = DrawnFrom { pools, exploration: Some(exploration) };
        return Placed { placed: with_promoted(drawn, &promoted), shown: best, drawn_from };
    }
    let tried = worth_a_try(blended(offered)).map(|scores| best_known_of_each(&scores, offered));
    let tried = tried.map(arranged).unwrap_or_default();
    let drawn = explore(serving.policy.exploration, (&best, &tried), request.seed);
    let shown = drawn.iter().map(|item| item.scored).collect();
    let drawn_from = DrawnFrom { pools, exploration: None };
    Placed { placed: with_promoted(drawn, &promoted), shown, drawn_from }
}

/// The slate with others than the best in a share of its places, where the request has one.
fn explored(
    request: &SlateRequest,
    (arranged, scores): (&[ScoredItem], &[Scores<'_>]),
    promoted: &[PromotedItem],
) -> Option<(Vec<PlacedItem>, ExplorationBasis)> {
    let explored = request.exploration.as_ref()?;
    let most = explore_share::candidates(request.limit);
    let is_known = |item: &ScoredItem| scores[item.target].knows(item.position);
    let mut candidates = best_of_each(scores, most);
    for (candidates, newest) in candidates.iter_mut().zip(newest_of_each(scores, most)) {
        candidates.retain(is_known);
        candidates.extend(newest);
    }
    let candidates = others(candidates, promoted);
    explored.drawn(Explorable { arranged, candidates: &candidates, scores }, request.seed)
}

/// Items of a target that a slate is chosen from.
fn candidates(request: &SlateRequest) -> usize {
    let of_share = request.exploration.as_ref().map(|_| explore_share::candidates(request.limit));
    let at_least = request.limit.max(of_share.unwrap_or_default());
    match request.diversity {
        // With the first beyond it, which says where the pool ends.
        Some(_) => at_least.max(POOL) + 1,
        None => at_least,
    }
}

/// The best of each target, and where diversity is asked for, those that are unlike one another
/// first; and what these were chosen from.
fn offered_of_each(
    (model, request): (Option<&Model>, &SlateRequest),
    scores: &[Scores<'_>],
    limit: usize,
) -> (Vec<Vec<ScoredItem>>, BTreeMap<DomainId, PoolBasis>) {
    let mut pools = BTreeMap::new();
    let mut best = best_of_each(scores, candidates(request).max(limit));
    if let Some((diversified, model)) = request.diversity.as_ref().zip(model) {
        for (items, scores) in best.iter_mut().zip(scores) {
            let target = scores.target();
            if let Some((chosen, pool)) = diversified.chosen((target, model), items, limit) {
                *items = chosen;
                pools.insert(target.domain.clone(), pool);
            }
        }
    }
    best.iter_mut().for_each(|items| items.truncate(limit));
    (best, pools)
}

/// Whether the person's evidence moved the slate: it is behind a score on it, and
/// without it other items would be shown, or in another order. What is promoted is there whatever
/// the person did, and does not count.
fn is_moved_by_evidence(
    (model, request): (Option<&Model>, &SlateRequest),
    targets: &[TargetSources<'_>],
    (placed, shown): (&[PlacedItem], &[ScoredItem]),
) -> bool {
    let is_personal = |item: &ScoredItem| {
        let source = item.source.map(|at| &targets[item.target].sources[at]);
        source.is_some_and(|source| source.is_personal())
    };
    let place = |item: &ScoredItem| (item.target, item.position);
    shown.iter().any(is_personal) && {
        let words = request.words.as_ref();
        let scores =
            blend_without_evidence(Blended { targets, words, wanted: candidates(request) });
        let (mut best, _) = offered_of_each((model, request), &scores, placed.len());
        let promoted = placed.iter().filter(|item| item.promoted);
        let elsewhere: Vec<(usize, usize)> = promoted.map(|item| place(&item.scored)).collect();
        best.iter_mut().for_each(|items| items.retain(|item| !elsewhere.contains(&place(item))));
        let for_anyone = arrange(best, &vec![POPULAR_SHARE; targets.len()], shown.len());
        !shown.iter().map(place).eq(for_anyone.iter().map(place))
    }
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
