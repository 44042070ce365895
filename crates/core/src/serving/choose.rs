//! Fourth stage, its first half: which items of each target a slate offers, and in which order.
//!
//! Of each target the best; where the slate is to be more than that, those that make it diverse or
//! calibrated first ([`crate::serving::diversify`]); of what quotas count, only so many before all
//! that fits ([`crate::serving::quotas`]). Targets then take turns
//! ([`crate::serving::arrange`]).

use std::collections::BTreeMap;

use crate::entities::basis::PoolBasis;
use crate::entities::ids::DomainId;
use crate::model::Model;
use crate::serving::admit::AdmittedRequest;
use crate::serving::arrange::arrange;
use crate::serving::best::{ScoredItem, best_of_target};
use crate::serving::diversify::{Composable, Composition, POOL};
use crate::serving::explore_share;
use crate::serving::interests::Interests;
use crate::serving::promote::{PromotedItem, others};
use crate::serving::quotas::{MORE, Quotas, divided};
use crate::serving::request::SlateRequest;
use crate::serving::sources::{Scores, SourceInputs, TargetSources};

/// What slates of one request are chosen by.
pub(super) struct Choosing<'a> {
    request: &'a SlateRequest,
    model: Option<&'a Model>,
    pub(super) quotas: Quotas<'a>,
    /// Of each target, where the slate is calibrated: what the person turned to.
    interests: Vec<Option<Interests<'a>>>,
}

/// A slate before anything is explored or promoted.
#[derive(Default)]
pub(super) struct Chosen {
    /// Its items, in order.
    pub(super) items: Vec<ScoredItem>,
    /// Where what each target's were chosen from ended, where that is so.
    pub(super) pools: BTreeMap<DomainId, PoolBasis>,
}

/// What a slate is chosen from, and how long it is.
#[derive(Clone, Copy)]
pub(super) struct Choosable<'a> {
    /// Of each target.
    pub(super) scores: &'a [Scores<'a>],
    /// What has places of its own, and is not chosen.
    pub(super) promoted: &'a [PromotedItem],
    /// The share of each target.
    pub(super) shares: &'a [u32],
    /// Items to choose.
    pub(super) limit: usize,
}

impl<'a> Choosing<'a> {
    pub(super) fn of(
        (asked, model): (&'a AdmittedRequest<'a>, Option<&'a Model>),
        targets: &'a [TargetSources<'a>],
        inputs: &SourceInputs<'_>,
    ) -> Self {
        let composed = asked.request.composed.as_ref().map(|composed| composed.by);
        let is_calibrated = matches!(composed, Some(Composition::Calibrated(_)));
        let interests = |TargetSources { target, .. }: &'a TargetSources<'a>| {
            is_calibrated.then(|| Interests::of(target, (model, inputs))).flatten()
        };
        Self {
            request: asked.request,
            model,
            quotas: Quotas::of(asked, targets),
            interests: targets.iter().map(interests).collect(),
        }
    }

    /// The same for anyone: to nobody's interests.
    pub(super) fn for_anyone(self) -> Self {
        let interests = self.interests.iter().map(|_| None).collect();
        Self { interests, ..self }
    }

    /// Items of a target that may have to be scored: the best of some items may be any, and what
    /// fits beside them.
    pub(super) fn wanted(&self) -> usize {
        match self.request.promotions.is_empty() && self.quotas.is_empty() {
            true => self.candidates(),
            false => usize::MAX,
        }
    }

    /// Items of a target that a slate is chosen from.
    fn candidates(&self) -> usize {
        let request = self.request;
        let of_share =
            request.exploration.as_ref().map(|_| explore_share::candidates(request.limit));
        let at_least = request.limit.max(of_share.unwrap_or_default());
        match request.composed {
            // With the first beyond it, which says where the pool ends.
            Some(_) => at_least.max(POOL) + 1,
            None => at_least,
        }
    }

    /// Whether the person's own interests have a part in slates.
    pub(super) fn is_by_interests(&self) -> bool {
        self.interests.iter().any(Option::is_some)
    }

    /// The digest of the interests of each target's person, where they have a part.
    pub(super) fn digests(&self, targets: &[TargetSources<'_>]) -> BTreeMap<DomainId, String> {
        let of_target = |(interests, sources): (&Option<Interests<'_>>, &TargetSources<'_>)| {
            let digest = interests.as_ref()?.digest(&self.request.recommendation_id);
            Some((sources.target.domain.clone(), digest))
        };
        self.interests.iter().zip(targets).filter_map(of_target).collect()
    }

    /// The slate: what fits, and where that is too little, the rest.
    pub(super) fn chosen(&self, from: Choosable<'_>) -> Chosen {
        let (mut fitting, mut beyond) = (Vec::new(), Vec::new());
        let mut pools = BTreeMap::new();
        for (at, scores) in from.scores.iter().enumerate() {
            let (fits, waits, pool) = self.offered((at, scores), from);
            fitting.push(fits);
            beyond.push(waits);
            pools.extend(pool.map(|pool| (scores.target().domain.clone(), pool)));
        }
        let mut items = arrange(fitting, from.shares, from.limit);
        if items.len() < from.limit {
            items.extend(arrange(beyond, from.shares, from.limit - items.len()));
        }
        Chosen { items, pools }
    }

    /// What a target offers, in order: what fits, and what waits until nothing does; and where what
    /// it was chosen from ended.
    fn offered(
        &self,
        (at, scores): (usize, &Scores<'_>),
        from: Choosable<'_>,
    ) -> (Vec<ScoredItem>, Vec<ScoredItem>, Option<PoolBasis>) {
        // Of the best some may be promoted, and are shown elsewhere.
        let limit = from.limit + from.promoted.len();
        let mut wanted = self.candidates().max(limit);
        loop {
            let best = best_of_target((at, scores), wanted);
            let is_all = best.len() < wanted;
            let (ordered, pool) = self.ordered(at, scores, (best, from.promoted), limit);
            let ordered = others(vec![ordered], from.promoted).pop().unwrap_or_default();
            let room = self.quotas.room(at, &ordered, from.promoted);
            let (mut fitting, mut beyond) = divided(ordered, room);
            let has_enough = fitting.len() >= from.limit.min(self.quotas.most(at, from.promoted))
                && fitting.len() + beyond.len() >= from.limit;
            if is_all || has_enough || !self.quotas.bound(at) {
                fitting.truncate(from.limit);
                beyond.truncate(from.limit);
                return (fitting, beyond, pool);
            }
            wanted = wanted.saturating_mul(MORE);
        }
    }

    /// The best of a target in the order in which a composed slate has them.
    fn ordered(
        &self,
        at: usize,
        scores: &Scores<'_>,
        (best, promoted): (Vec<ScoredItem>, &[PromotedItem]),
        limit: usize,
    ) -> (Vec<ScoredItem>, Option<PoolBasis>) {
        let Some(composed) = &self.request.composed else { return (best, None) };
        let interests = self.interests[at].as_ref();
        let of = Composable { target: scores.target(), model: self.model, interests };
        let room = self.quotas.room(at, &best, promoted);
        match composed.chosen(of, (&best, room), limit) {
            Some((chosen, pool)) => (chosen, Some(pool)),
            None => (best, None),
        }
    }
}
