//! Exploring a share of a slate's places: what is not the best, or not known yet, gets its chance.
//!
//! Of `n` places `share * n` are for others, and where that is no whole number one more with the
//! chance that makes it so on average. Each is drawn from a stretch of the slate of its own, and what
//! it holds from a pool, each item of it with the same chance: the next best [`KNOWN`] of every
//! target and its newest [`UNKNOWN`] that the model does not know. The other places hold the best in their
//! order. So the share is also the most that exploration can cost of what the slate's places bring.
//!
//! Drawing with equal chances is Plackett and Luce's model with equal weights, by the top of random
//! keys as with Gumbel's (Yellott, *Journal of Mathematical Psychology* 15, 1977). An item's key is of
//! the seed and its id alone, so what is not shown has no part in what is; where the pool ended, and
//! how many were in it, is kept with the decision, so that a replay draws the same with the same
//! probabilities though some that were not drawn are gone.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use jiff::Timestamp;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use sha2::{Digest, Sha256};

use crate::entities::basis::{ExplorationBasis, ExploredPool, PoolEnd};
use crate::entities::exploration::ExplorationShare;
use crate::entities::ids::{DomainId, ItemId};
use crate::serving::best::ScoredItem;
use crate::serving::explore::{PlacedItem, merged};
use crate::serving::sources::Scores;

/// Known items of a target that others are drawn from, at most: the best that are not shown anyway.
pub const KNOWN: usize = 25;
/// Items of a target that the model does not know that others are drawn from, at most: the newest.
pub const UNKNOWN: usize = 25;

/// What exploration is asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Explored {
    /// How much.
    pub share: ExplorationShare,
    /// What was drawn from, in a replay; nothing yet otherwise.
    pub then: Option<ExplorationBasis>,
}

/// An item that may be drawn, by what it is called.
type Named<'a> = (&'a DomainId, &'a ItemId);

/// What a slate is drawn from.
#[derive(Clone, Copy)]
pub(super) struct Explorable<'a> {
    /// The best, in their places.
    pub(super) arranged: &'a [ScoredItem],
    /// Of each target the best that the model knows, and the newest that it does not, in order;
    /// none that is shown whatever is drawn here.
    pub(super) candidates: &'a [Vec<ScoredItem>],
    /// The scores of each target.
    pub(super) scores: &'a [Scores<'a>],
}

/// How many of each kind of a target's items are looked at for a slate of so many places: of these
/// some may have places for certain, and the first beyond the pool says where it ends.
pub(super) fn candidates(places: usize) -> usize {
    places + KNOWN.max(UNKNOWN) + 1
}

impl Explored {
    /// Draws the slate, which has as many places as the arranged one, and tells what it was drawn
    /// from; `None` where it is shorter than it was when it was drawn before. The same seed draws
    /// the same.
    pub(super) fn drawn(
        &self,
        from: Explorable<'_>,
        seed: u64,
    ) -> Option<(Vec<PlacedItem>, ExplorationBasis)> {
        let basis = match &self.then {
            Some(then) => then.clone(),
            None => from.basis(self.share),
        };
        let places = from.arranged.len();
        if places < basis.places {
            return None;
        }
        let mut dice = ChaCha8Rng::seed_from_u64(seed);
        let chance_of_all = chance_of_all(&basis, places);
        let others = match chance_of_all {
            Some(chance) if dice.random::<f64>() >= chance => basis.places - 1,
            _ => basis.places,
        };
        let draws: Vec<usize> =
            blocks(places, others).map(|block| dice.random_range(block)).collect();
        let tries = from.tries(&basis, seed);
        let certain = from.arranged.iter().copied().take(places - others);
        let shown = merged(certain, tries.into_iter().take(others), &draws);
        let probabilities = Probabilities { from, basis: &basis, chance_of_all };
        let placed = shown.iter().enumerate().map(|(place, item)| PlacedItem {
            scored: *item,
            propensity: probabilities.of(item, place),
            promoted: false,
        });
        Some((placed.collect(), basis))
    }
}

/// With what chance all the places that may be for others are, of so many places in all, and not one
/// fewer; `None` where they always are.
fn chance_of_all(basis: &ExplorationBasis, places: usize) -> Option<f64> {
    let share = basis.share.of(places);
    basis.spared.as_ref().map(|_| share - share.floor())
}

impl<'a> Explorable<'a> {
    fn named(&self, item: &ScoredItem) -> Named<'a> {
        let target = self.scores[item.target].target();
        (target.domain, &target.snapshot.entry(item.position).item.item_id)
    }

    /// What a slate is drawn from for the first time: as many places as the share is of it, or fewer,
    /// or none, where there are not so many items.
    fn basis(&self, share: ExplorationShare) -> ExplorationBasis {
        let wanted = share.of(self.arranged.len());
        let of = |places: usize| {
            let is_sometimes = wanted < places as f64;
            let always = self.arranged.len().checked_sub(places)?;
            let spared = is_sometimes.then(|| self.named(&self.arranged[always]));
            let mut basis = ExplorationBasis {
                share,
                places,
                pools: BTreeMap::new(),
                items: 0,
                spared: spared.map(|(domain, item)| (domain.clone(), item.clone())),
            };
            basis.pools = self.pools(&basis);
            basis.items = self.pool(&basis).len();
            (basis.items >= places).then_some(basis)
        };
        let none = || {
            let (pools, spared) = Default::default();
            ExplorationBasis { share, places: 0, pools, items: 0, spared }
        };
        (1..=wanted.ceil() as usize).rev().find_map(of).unwrap_or_else(none)
    }

    /// Where what is drawn from ends for each target.
    fn pools(&self, basis: &ExplorationBasis) -> BTreeMap<DomainId, ExploredPool> {
        let certain = self.certain(basis);
        let of_target = |(at, scores): (usize, &Scores<'a>)| {
            let beyond = |is_known, most| {
                let open = self.open(at, &certain);
                let first =
                    open.filter(|item| scores.knows(item.position) == is_known).nth(most)?;
                let (score, since, item_id) = self.rank(&first);
                // JSON has no other numbers; such a score ends no pool.
                score.is_finite().then(|| PoolEnd { score, since, item_id: item_id.clone() })
            };
            let pool = ExploredPool { known: beyond(true, KNOWN), unknown: beyond(false, UNKNOWN) };
            (scores.target().domain.clone(), pool)
        };
        self.scores.iter().enumerate().map(of_target).collect()
    }

    /// What is drawn from.
    fn pool(&self, basis: &ExplorationBasis) -> Vec<ScoredItem> {
        let certain = self.certain(basis);
        let of_target = |(at, scores): (usize, &Scores<'a>)| {
            let pool = basis.pools.get(scores.target().domain);
            let is_in_it = |item: &ScoredItem| {
                let end = pool.and_then(|pool| match scores.knows(item.position) {
                    true => pool.known.as_ref(),
                    false => pool.unknown.as_ref(),
                });
                end.is_none_or(|end| end.comes_after(self.rank(item)))
            };
            self.open(at, &certain).filter(is_in_it).collect::<Vec<_>>()
        };
        self.scores.iter().enumerate().flat_map(of_target).collect()
    }

    /// What is drawn from, in the order in which it is drawn.
    fn tries(&self, basis: &ExplorationBasis, seed: u64) -> Vec<ScoredItem> {
        let keyed = self.pool(basis).into_iter().map(|item| (key(seed, self.named(&item)), item));
        let mut tries: Vec<([u8; 32], ScoredItem)> = keyed.collect();
        tries.sort_unstable_by_key(|(key, _)| *key);
        tries.into_iter().map(|(_, item)| item).collect()
    }

    /// What an item ranks by among those of its target and kind: one that the model does not know by
    /// when it came, whatever its text says.
    fn rank(&self, item: &ScoredItem) -> (f32, Timestamp, &'a ItemId) {
        let scores = &self.scores[item.target];
        let score = if scores.knows(item.position) { item.score } else { 0.0 };
        (score, scores.target().snapshot.since(item.position), self.named(item).1)
    }

    /// The items that are drawn for no place: they have their own, or one of them has it sometimes.
    fn certain(&self, basis: &ExplorationBasis) -> BTreeSet<(usize, usize)> {
        let always = self.arranged.len().saturating_sub(basis.places);
        let always = self.arranged[..always].iter().map(|item| (item.target, item.position));
        let spared = basis.spared.iter().filter_map(|(domain, item)| {
            let target = self.scores.iter().position(|s| s.target().domain == domain)?;
            Some((target, self.scores[target].target().snapshot.position(item)?))
        });
        always.chain(spared).collect()
    }

    /// The candidates of a target that have no place for certain, in order.
    fn open(
        &self,
        target: usize,
        certain: &BTreeSet<(usize, usize)>,
    ) -> impl Iterator<Item = ScoredItem> {
        let candidates = self.candidates[target].iter().copied();
        candidates.filter(|item| !certain.contains(&(item.target, item.position)))
    }
}

/// The stretches of a slate of which one place each is for another.
fn blocks(places: usize, others: usize) -> impl Iterator<Item = Range<usize>> {
    (0..others).map(move |block| block * places / others..(block + 1) * places / others)
}

/// What an item is drawn by: those with the least keys are.
fn key(seed: u64, (domain, item): Named<'_>) -> [u8; 32] {
    let mut digest = Sha256::new();
    digest.update(seed.to_le_bytes());
    digest.update((domain.as_str().len() as u64).to_le_bytes());
    digest.update(domain.as_str());
    digest.update(item.as_str());
    digest.finalize().into()
}

/// With what probability items are shown in places, over all draws.
struct Probabilities<'a> {
    from: Explorable<'a>,
    basis: &'a ExplorationBasis,
    chance_of_all: Option<f64>,
}

impl Probabilities<'_> {
    fn of(&self, item: &ScoredItem, place: usize) -> f64 {
        let with_all = self.with(self.basis.places, item, place);
        match self.chance_of_all {
            Some(chance) => {
                let with_fewer = self.with(self.basis.places - 1, item, place);
                chance * with_all + (1.0 - chance) * with_fewer
            }
            None => with_all,
        }
    }

    /// The same where so many places are for others.
    fn with(&self, others: usize, item: &ScoredItem, place: usize) -> f64 {
        let places = self.from.arranged.len();
        let always = &self.from.arranged[..places - self.basis.places];
        let is_it =
            |other: &ScoredItem| (other.target, other.position) == (item.target, item.position);
        if let Some(rank) = always.iter().position(is_it) {
            return of_certain((places, others), rank, place);
        }
        let (domain, id) = self.from.named(item);
        if self.basis.spared.as_ref().is_some_and(|(of, spared)| (of, spared) == (domain, id)) {
            return match others < self.basis.places {
                true => of_certain((places, others), always.len(), place),
                false => 0.0,
            };
        }
        let block = blocks(places, others).find(|block| block.contains(&place));
        block.map_or(0.0, |block| 1.0 / block.len() as f64 / self.basis.items as f64)
    }
}

/// The probability with which the certain item of a rank has a place.
fn of_certain((places, others): (usize, usize), rank: usize, place: usize) -> f64 {
    let mut before = 0;
    for block in blocks(places, others) {
        let of_block = block.len() - 1;
        if rank >= before + of_block {
            before += of_block;
            continue;
        }
        // The draw of its own stretch alone moves it: one place down where that is before it.
        let (own, length) = (rank - before, block.len() as f64);
        return match place.checked_sub(block.start + own) {
            Some(0) => (block.len() - 1 - own) as f64 / length,
            Some(1) => (own + 1) as f64 / length,
            _ => 0.0,
        };
    }
    // No place is drawn.
    f64::from(u8::from(rank == place))
}
