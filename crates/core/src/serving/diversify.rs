//! A slate that is not the same thing again and again, or that has of each kind as much as the person
//! turned to: of the best of a target, items come in an order in which each adds to those before it.
//!
//! Each target's items are chosen among its own, from its [`POOL`] best; the relevance of an item is
//! its score as a share of the greatest. What no source knows comes after all that one does, as ever.
//!
//! - **Diverse**: by a determinantal point process ([`crate::maths::diversity::dpp`]). Items are alike
//!   as their factors are: as the same people took them.
//! - **Calibrated**: so that categories have the shares that they have in the person's
//!   interests ([`crate::maths::diversity::calibrated`]).
//!
//! An item that is not chosen has no part in what is, as long as the pool ends where it ended: with
//! another item in it, another might be chosen. So it is kept where each pool ended, and a replay
//! ends it there.

use std::collections::BTreeMap;

use crate::entities::basis::PoolBasis;
use crate::entities::diversity::{Calibration, Diversity};
use crate::entities::ids::DomainId;
use crate::maths::dense::dot;
use crate::maths::diversity::{
    Candidates, Categorised, Room, TradeOff, calibrated_within, dpp_within,
};
use crate::model::Model;
use crate::serving::admit::AdmittedTarget;
use crate::serving::best::ScoredItem;
use crate::serving::interests::Interests;

/// Items of a target that a slate is chosen from, at most; those that are as good as the first
/// beyond it are not in it.
pub const POOL: usize = 200;

/// How items are chosen of which each adds to those before it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Composition {
    /// They are unlike one another, so much.
    Diverse(Diversity),
    /// They have the shares of the person's interests, so much.
    Calibrated(Calibration),
}

/// What a slate is to be as a whole.
#[derive(Debug, Clone, PartialEq)]
pub struct Composed {
    /// How its items are chosen.
    pub by: Composition,
    /// Where the pool of each target is to end, in a replay; nowhere yet otherwise.
    pub pools: BTreeMap<DomainId, PoolBasis>,
}

impl Composed {
    /// A slate that is composed for the first time.
    #[must_use]
    pub fn by(by: Composition) -> Self {
        Self { by, pools: BTreeMap::new() }
    }
}

/// A target, and what its items are alike by.
#[derive(Clone, Copy)]
pub(super) struct Composable<'a> {
    pub(super) target: &'a AdmittedTarget<'a>,
    pub(super) model: Option<&'a Model>,
    /// What the person turned to of it, where a slate is calibrated and anything is known.
    pub(super) interests: Option<&'a Interests<'a>>,
}

impl Composed {
    /// The best of a target, first those that `limit` are chosen from it, in the order of choice;
    /// and where the pool ended. `None` where there is nothing to choose by.
    pub(super) fn chosen(
        &self,
        of: Composable<'_>,
        (best, room): (&[ScoredItem], Room),
        limit: usize,
    ) -> Option<(Vec<ScoredItem>, PoolBasis)> {
        let known = &best[..best.partition_point(|item| item.source.is_some())];
        let pool = self.pools.get(of.target.domain).copied().or_else(|| pool_of(known))?;
        let members = known.partition_point(|item| pool.holds(item.score));
        let relevance: Vec<f32> =
            known[..members].iter().map(|item| pool.relevance(item.score)).collect();
        let pooled = Pooled { of, members: &known[..members], relevance: &relevance };
        let order = match self.by {
            Composition::Diverse(share) => pooled.diverse(share, room, limit)?,
            Composition::Calibrated(share) => pooled.calibrated(share, room, limit)?,
        };
        let mut is_chosen = vec![false; best.len()];
        let mut chosen = Vec::with_capacity(best.len());
        for at in order {
            is_chosen[at as usize] = true;
            chosen.push(best[at as usize]);
        }
        chosen.extend(
            best.iter().zip(is_chosen).filter(|(_, is_chosen)| !is_chosen).map(|(i, _)| *i),
        );
        Some((chosen, pool))
    }
}

/// What of a target a slate is chosen from.
struct Pooled<'a> {
    of: Composable<'a>,
    members: &'a [ScoredItem],
    relevance: &'a [f32],
}

impl Pooled<'_> {
    /// Places in the pool, in the order of choice.
    fn diverse(&self, share: Diversity, room: Room, limit: usize) -> Option<Vec<u32>> {
        let model = self.of.model?;
        let width = model.item_factors().ncols();
        let features_of = |item: &ScoredItem| features_of((self.of.target, model), item.position);
        let features: Vec<f32> = self.members.iter().flat_map(features_of).collect();
        let candidates = Candidates::new(self.relevance, &features, width).ok()?;
        let of_relevance = TradeOff::new(1.0 - share.get()).ok()?;
        Some(dpp_within((candidates, room), of_relevance, limit.min(self.members.len())))
    }

    /// The same.
    fn calibrated(&self, share: Calibration, room: Room, limit: usize) -> Option<Vec<u32>> {
        let interests = self.of.interests?;
        let candidates = Candidates::of_relevance(self.relevance).ok()?;
        let weights_of = |item: &ScoredItem| interests.weights_of(self.of.target, item.position);
        let weights: Vec<f32> = self.members.iter().flat_map(weights_of).collect();
        let of_each: Vec<f32> = interests.weights().chain([0.0]).collect();
        let categorised = Categorised::new(candidates, &weights, &of_each).ok()?;
        let of_interests = TradeOff::new(share.get()).ok()?;
        let limit = limit.min(self.members.len());
        Some(calibrated_within((&categorised, room), of_interests, limit))
    }
}

/// The pool of items that come in order of their scores; `None` without a score above zero.
fn pool_of(known: &[ScoredItem]) -> Option<PoolBasis> {
    let greatest = known.first()?.score;
    let end = known.get(POOL).map(|item| item.score);
    let is_sound = greatest > 0.0 && greatest.is_finite() && end.is_none_or(f32::is_finite);
    is_sound.then_some(PoolBasis { greatest, end })
}

/// The direction of an item's factors, or of those that stand in for it; nothing where neither is
/// known.
fn features_of((target, model): (&AdmittedTarget<'_>, &Model), position: usize) -> Vec<f32> {
    let (entry, factors) = (target.snapshot.entry(position), model.item_factors());
    let width = factors.ncols();
    let own = entry.row.and_then(|row| Some(factors.row(row.index()).as_slice()?.to_vec()));
    let stood_in = || {
        let stand_ins = entry.stand_ins?;
        let sum = |at| stand_ins.sum(|row| factors[[row.index(), at]]);
        Some((0..width).map(sum).collect())
    };
    let mut features: Vec<f32> = own.or_else(stood_in).unwrap_or_else(|| vec![0.0; width]);
    let length = dot(&features, &features).sqrt();
    if !length.is_normal() {
        return vec![0.0; width];
    }
    features.iter_mut().for_each(|value| *value /= length);
    features
}
