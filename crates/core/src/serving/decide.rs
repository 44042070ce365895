//! Making a decision: from a person's consented history to a slate of ranked,
//! explained items and the record of it.

use crate::entities::decision::{Decision, SlateEntry};
use crate::model::Model;
use crate::serving::admit::{AdmittedRequest, admit};
use crate::serving::arrange::arrange;
use crate::serving::basis::basis_of;
use crate::serving::best::{ScoredItem, best_known_of_each, best_of_each};
use crate::serving::blend::{blend, blend_without_evidence, worth_a_try};
use crate::serving::explain::Explainer;
use crate::serving::explore::{PlacedItem, explore};
use crate::serving::inspect::{self, InspectedTarget, ScoreParts};
use crate::serving::policy::Policy;
use crate::serving::reason::Reason;
use crate::serving::request::SlateRequest;
use crate::serving::snapshot::Catalogues;
use crate::serving::sources::{self, POPULAR_SHARE, SourceInputs, TargetSources};

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
}

/// Makes a decision. The same inputs give the same decision.
#[must_use]
pub fn decide(serving: Serving<'_>, asked: &AdmittedRequest<'_>) -> Decided {
    let (policy, request) = (serving.policy, asked.request);
    let inputs = SourceInputs::new(serving.model, asked.definitions);
    let targets = sources::open(admit(asked, serving.catalogues), policy.sources, &inputs);
    let shares: Vec<u32> = targets.iter().map(TargetSources::share).collect();
    let limit = request.limit;
    let arranged = arrange(best_of_each(&blend(&targets, limit), limit), &shares, limit);
    let tried = worth_a_try(&targets, limit).map(|scores| best_known_of_each(&scores, limit));
    let tried = tried.map(|best| arrange(best, &shares, limit)).unwrap_or_default();
    let placed = explore(policy.exploration, (&arranged, &tried), request.seed);
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
        personalised: is_moved_by_evidence(&targets, &placed, request.limit),
        degraded: serving.degraded.iter().map(|&code| code.to_owned()).collect(),
        lives: Decision::lives_of(
            request.targets.iter().chain([&request.display]),
            asked.definitions,
        ),
        basis: Some(basis_of(&serving, asked, &slate)),
        slate,
    };
    let inspected = request.inspect.then(|| inspect::targets(&targets, &request.visible));
    Decided { decision, items, inspected }
}

/// Whether the person's evidence moved the slate: it is behind a score on it, and
/// without it other items would be shown, or in another order.
fn is_moved_by_evidence(
    targets: &[TargetSources<'_>],
    placed: &[PlacedItem],
    limit: usize,
) -> bool {
    let is_personal = |item: &ScoredItem| {
        let source = item.source.map(|at| &targets[item.target].sources[at]);
        source.is_some_and(|source| source.is_personal())
    };
    let place = |item: &ScoredItem| (item.target, item.position);
    let shown = || placed.iter().map(|item| &item.scored);
    shown().any(is_personal) && {
        let best = best_of_each(&blend_without_evidence(targets, limit), limit);
        let for_anyone = arrange(best, &vec![POPULAR_SHARE; targets.len()], limit);
        !shown().map(place).eq(for_anyone.iter().map(place))
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
    DescribedItem {
        entry: SlateEntry {
            domain: target.domain.clone(),
            item_id: entry.item.item_id.clone(),
            score: placed.scored.score,
            propensity: placed.propensity,
        },
        title: entry.title().unwrap_or_default().to_owned(),
        reason: request.explain.then(|| explainer.reason(entry, source)),
        contributions: request
            .inspect
            .then(|| explainer.contributions(entry, source, placed.scored.score)),
    }
}
