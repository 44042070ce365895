//! Making a decision: from a person's consented history to a slate of ranked,
//! explained items and the record of it.

use std::collections::BTreeMap;

use crate::entities::basis::PoolBasis;
use crate::entities::decision::{Decision, SlateEntry};
use crate::entities::ids::DomainId;
use crate::model::Model;
use crate::serving::admit::{AdmittedRequest, admit};
use crate::serving::arrange::arrange;
use crate::serving::basis::basis_of;
use crate::serving::best::{ScoredItem, best_known_of_each, best_of_each};
use crate::serving::blend::{blend, blend_without_evidence, worth_a_try};
use crate::serving::diversify::POOL;
use crate::serving::explain::Explainer;
use crate::serving::explore::{PlacedItem, explore};
use crate::serving::inspect::{self, CountedScore, InspectedTarget, ScoreParts};
use crate::serving::offers::ShownOffer;
use crate::serving::policy::Policy;
use crate::serving::promote::{others, promoted, with_promoted};
use crate::serving::reason::Reason;
use crate::serving::request::SlateRequest;
use crate::serving::snapshot::Catalogues;
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
    let Placed { placed, pools } = placed(serving, asked, &targets);
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
        personalised: is_moved_by_evidence((serving.model, request), &targets, &placed),
        degraded: serving.degraded.iter().map(|&code| code.to_owned()).collect(),
        lives: Decision::lives_of(
            request.targets.iter().chain([&request.display]),
            asked.definitions,
        ),
        basis: Some(basis_of(&serving, asked, (&slate, pools))),
        slate,
    };
    let inspected = request.inspect.then(|| inspect::targets(&targets, asked));
    Decided { decision, items, inspected }
}

/// What is shown, in order, and what of each target it was chosen from, where that is asked for.
struct Placed {
    placed: Vec<PlacedItem>,
    pools: BTreeMap<DomainId, PoolBasis>,
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
    let scores = blend(targets, wanted);
    let promoted = promoted(asked, &scores);
    // Of the best some may be promoted, and are shown elsewhere.
    let (offered, limit) = (request.limit + promoted.len(), request.limit - promoted.len());
    let (best, pools) = offered_of_each((model, request), &scores, offered);
    let arranged = |best| arrange(others(best, &promoted), &shares, limit);
    let tried = worth_a_try(targets, offered).map(|scores| best_known_of_each(&scores, offered));
    let (best, tried) = (arranged(best), tried.map(arranged).unwrap_or_default());
    let drawn = explore(serving.policy.exploration, (&best, &tried), request.seed);
    Placed { placed: with_promoted(drawn, &promoted), pools }
}

/// Items of a target that a slate is chosen from.
fn candidates(request: &SlateRequest) -> usize {
    match request.diversity {
        // With the first beyond it, which says where the pool ends.
        Some(_) => request.limit.max(POOL) + 1,
        None => request.limit,
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
    placed: &[PlacedItem],
) -> bool {
    let is_personal = |item: &ScoredItem| {
        let source = item.source.map(|at| &targets[item.target].sources[at]);
        source.is_some_and(|source| source.is_personal())
    };
    let place = |item: &ScoredItem| (item.target, item.position);
    let (promoted, shown): (Vec<&PlacedItem>, _) = placed.iter().partition(|item| item.promoted);
    shown.iter().any(|item| is_personal(&item.scored)) && {
        let scores = blend_without_evidence(targets, candidates(request));
        let (mut best, _) = offered_of_each((model, request), &scores, placed.len());
        let elsewhere: Vec<(usize, usize)> =
            promoted.iter().map(|item| place(&item.scored)).collect();
        best.iter_mut().for_each(|items| items.retain(|item| !elsewhere.contains(&place(item))));
        let for_anyone = arrange(best, &vec![POPULAR_SHARE; targets.len()], shown.len());
        !shown.iter().map(|item| place(&item.scored)).eq(for_anyone.iter().map(place))
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
    let multiplier = target.multipliers.as_ref().filter(|_| source.is_some());
    let counted = CountedScore {
        score,
        multiplier: multiplier.map(|multipliers| multipliers.behind(position, score)),
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
            false => explainer.reason(entry, source),
        }),
        contributions: request.inspect.then(|| explainer.contributions(entry, source, counted)),
        offer: explainer.offer(entry),
    }
}
