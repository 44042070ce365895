//! A slate that is not the same thing again and again: of the best of a target, items come in an
//! order in which each is unlike those before it.
//!
//! Items are alike as their factors are: as the same people took them. Each target's items are
//! chosen among its own, from its [`POOL`] best, by a determinantal point process
//! ([`crate::maths::diversity::dpp`]): the relevance of an item is its score as a share of the
//! greatest. What no source knows comes after all that one does, as ever.
//!
//! An item that is not chosen has no part in what is, as long as the pool ends where it ended: with
//! another item in it, another might be chosen. So it is kept where each pool ended, and a replay
//! ends it there.

use std::collections::BTreeMap;

use crate::entities::basis::PoolBasis;
use crate::entities::diversity::Diversity;
use crate::entities::ids::DomainId;
use crate::maths::dense::dot;
use crate::maths::diversity::{Candidates, TradeOff, dpp};
use crate::model::Model;
use crate::serving::admit::AdmittedTarget;
use crate::serving::best::ScoredItem;

/// Items of a target that a slate is chosen from, at most; those that are as good as the first
/// beyond it are not in it.
pub const POOL: usize = 200;

/// What diversity is asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Diversified {
    /// How much.
    pub diversity: Diversity,
    /// Where the pool of each target is to end, in a replay; nowhere yet otherwise.
    pub pools: BTreeMap<DomainId, PoolBasis>,
}

impl Diversified {
    /// The best of a target, first those that `limit` are chosen from it, in the order of choice;
    /// and where the pool ended. `None` where there is nothing to choose by.
    pub(super) fn chosen(
        &self,
        (target, model): (&AdmittedTarget<'_>, &Model),
        best: &[ScoredItem],
        limit: usize,
    ) -> Option<(Vec<ScoredItem>, PoolBasis)> {
        let known = &best[..best.partition_point(|item| item.source.is_some())];
        let pool = self.pools.get(target.domain).copied().or_else(|| pool_of(known))?;
        let members = known.partition_point(|item| pool.holds(item.score));
        let relevance: Vec<f32> =
            known[..members].iter().map(|item| pool.relevance(item.score)).collect();
        let width = model.item_factors().ncols();
        let mut features = Vec::with_capacity(members * width);
        known[..members].iter().for_each(|item| {
            features.extend(features_of((target, model), item.position, width));
        });
        let candidates = Candidates::new(&relevance, &features, width).ok()?;
        let of_relevance = TradeOff::new(1.0 - self.diversity.get()).ok()?;
        let order = dpp(candidates, of_relevance, limit.min(members));
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

/// The pool of items that come in order of their scores; `None` without a score above zero.
fn pool_of(known: &[ScoredItem]) -> Option<PoolBasis> {
    let greatest = known.first()?.score;
    let end = known.get(POOL).map(|item| item.score);
    let is_sound = greatest > 0.0 && greatest.is_finite() && end.is_none_or(f32::is_finite);
    is_sound.then_some(PoolBasis { greatest, end })
}

/// The direction of an item's factors, or of those that stand in for it; nothing where neither is
/// known.
fn features_of(
    (target, model): (&AdmittedTarget<'_>, &Model),
    position: usize,
    width: usize,
) -> Vec<f32> {
    let (entry, factors) = (target.snapshot.entry(position), model.item_factors());
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
