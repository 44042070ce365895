//! Fifth stage: what is shown, and with what probability.
//!
//! Every random choice of a slate is made here, from the decision's seed alone, and
//! the probability of each is logged: without it nothing can be learnt from what
//! people did with a slate about another policy than the one that served it.

use std::collections::BTreeMap;
use std::ops::Range;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::serving::best::ScoredItem;

/// Of so many places of a slate one is for an item that is tried: the budget is a tenth, and of a
/// shorter slate, or of what is left of a longer one, a fifth at most.
pub const PLACES_FOR_A_TRY: usize = 10;
/// Of what is left of a slate, of so many places or more: a slate of five has one, of four none.
pub const FEWEST_PLACES_FOR_A_TRY: usize = 5;

/// How a policy tries out what it is not sure of. One that draws must see to it that
/// [`crate::serving::replay`], which leaves out items that were not on a slate and changed
/// since, then draws the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exploration {
    /// Not at all: the arranged slate is shown.
    None,
    /// One of every [`PLACES_FOR_A_TRY`] places, and of [`FEWEST_PLACES_FOR_A_TRY`] or more that are
    /// left, drawn with equal chances, is for an item of a source that was not shown to help; the
    /// others hold the arranged items in their order. Every try is shown: what is not shown, and
    /// may be another thing by the time of a replay, has no part in any probability.
    Priors,
}

/// An item at its position on the slate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PlacedItem {
    /// The item.
    pub scored: ScoredItem,
    /// The probability with which the policy puts it at this position, above 0 up to 1.
    pub propensity: f64,
    /// Whether it has this position because the caller promotes it.
    pub promoted: bool,
}

/// Draws the slate from the arranged one and from what is worth a try, the first first. The same
/// seed draws the same slate, which has as many places as the arranged one.
#[must_use]
pub fn explore(
    exploration: Exploration,
    (arranged, worth_a_try): (&[ScoredItem], &[ScoredItem]),
    seed: u64,
) -> Vec<PlacedItem> {
    let tries = match exploration {
        // Nothing is drawn: the policy always puts these items here.
        Exploration::None => Vec::new(),
        Exploration::Priors => tries(arranged, worth_a_try),
    };
    let mut dice = ChaCha8Rng::seed_from_u64(seed);
    let blocks = blocks(arranged.len()).zip(&tries);
    let draws: Vec<usize> = blocks.map(|(block, _)| dice.random_range(block)).collect();
    let shown = slate_of(arranged, &tries, &draws);
    let propensities = propensities(arranged, &tries, &draws, &shown);
    let placed = shown.into_iter().zip(propensities);
    let item = |(scored, propensity)| PlacedItem { scored, propensity, promoted: false };
    placed.map(item).collect()
}

/// The places of a slate of which one each is for a try.
fn blocks(places: usize) -> impl Iterator<Item = Range<usize>> {
    let block = move |first| first..places.min(first + PLACES_FOR_A_TRY);
    let blocks = (0..places).step_by(PLACES_FOR_A_TRY).map(block);
    blocks.filter(|block| block.len() >= FEWEST_PLACES_FOR_A_TRY)
}

fn is_same(one: &ScoredItem, other: &ScoredItem) -> bool {
    (one.target, one.position) == (other.target, other.position)
}

/// What is tried, one for each block of places: the first of what is worth it, but for what is
/// shown whatever is drawn. So no item that is not shown has any part in it.
fn tries(arranged: &[ScoredItem], worth_a_try: &[ScoredItem]) -> Vec<ScoredItem> {
    let blocks = blocks(arranged.len()).count();
    let certain = &arranged[..arranged.len() - blocks];
    let is_certain = |item: &&ScoredItem| certain.iter().any(|other| is_same(item, other));
    worth_a_try.iter().filter(|item| !is_certain(item)).take(blocks).copied().collect()
}

/// The slate in which each try is at the place that was drawn for it, and the arranged items at
/// the others.
fn slate_of(arranged: &[ScoredItem], tries: &[ScoredItem], draws: &[usize]) -> Vec<ScoredItem> {
    let is_tried = |item: &&ScoredItem| tries.iter().any(|tried| is_same(item, tried));
    let others = arranged.iter().filter(|item| !is_tried(item)).copied();
    let mut slate = merged(others, tries.iter().copied(), draws);
    slate.truncate(arranged.len());
    slate
}

/// Items with tries among them, each at the place that was drawn for it; the others keep their order.
pub(super) fn merged(
    mut others: impl Iterator<Item = ScoredItem>,
    tries: impl Iterator<Item = ScoredItem>,
    draws: &[usize],
) -> Vec<ScoredItem> {
    let placed: BTreeMap<usize, ScoredItem> = draws.iter().copied().zip(tries).collect();
    let mut slate = Vec::new();
    loop {
        match placed.get(&slate.len()).copied().or_else(|| others.next()) {
            Some(item) => slate.push(item),
            None => return slate,
        }
    }
}

/// For each place how many of the draws of its block put there what is shown. What is drawn for
/// other blocks changes nothing in it.
fn propensities(
    arranged: &[ScoredItem],
    tries: &[ScoredItem],
    draws: &[usize],
    shown: &[ScoredItem],
) -> Vec<f64> {
    let mut propensities = vec![1.0; shown.len()];
    for (number, block) in blocks(shown.len()).take(draws.len()).enumerate() {
        let with = |draw: usize| {
            let mut draws = draws.to_vec();
            draws[number] = draw;
            slate_of(arranged, tries, &draws)
        };
        let slates: Vec<Vec<ScoredItem>> = block.clone().map(with).collect();
        for at in block {
            let same = slates.iter().filter(|slate| is_same(&slate[at], &shown[at])).count();
            propensities[at] = same as f64 / slates.len() as f64;
        }
    }
    propensities
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn item(position: usize) -> ScoredItem {
        ScoredItem { target: 0, position, score: 0.5, source: Some(0) }
    }

    /// Items in the order in which they are arranged, those that are worth a try in theirs, and
    /// how many places there are.
    fn worlds() -> impl Strategy<Value = (Vec<usize>, Vec<usize>, usize)> {
        (0usize..40, 1usize..35).prop_flat_map(|(items, limit)| {
            let all: Vec<usize> = (0..items).collect();
            let worth_a_try = proptest::sample::subsequence(all.clone(), 0..=items).prop_shuffle();
            (Just(all), worth_a_try, Just(limit))
        })
    }

    fn drawn((all, tried): (&[usize], &[usize]), limit: usize, seed: u64) -> Vec<PlacedItem> {
        let arranged: Vec<ScoredItem> = all.iter().take(limit).map(|at| item(*at)).collect();
        let tried: Vec<ScoredItem> = tried.iter().take(limit).map(|at| item(*at)).collect();
        explore(Exploration::Priors, (&arranged, &tried), seed)
    }

    fn positions(placed: &[PlacedItem]) -> Vec<usize> {
        placed.iter().map(|item| item.scored.position).collect()
    }

    proptest! {
        #[test]
        fn one_place_of_each_block_at_most_is_for_a_try_and_the_others_keep_their_order(
            (all, tried, limit) in worlds(), seed in any::<u64>(),
        ) {
            let placed = drawn((&all, &tried), limit, seed);
            let shown = positions(&placed);
            let places = limit.min(all.len());
            prop_assert_eq!(shown.len(), places);
            let blocks = blocks(places).count();
            let certain: Vec<usize> =
                shown.iter().copied().filter(|at| *at < places - blocks).collect();
            prop_assert!(certain.into_iter().eq(0..places - blocks));
            let mut once = shown;
            once.sort_unstable();
            once.dedup();
            prop_assert_eq!(once.len(), places);
            prop_assert!(placed.iter().all(|item| item.propensity > 0.0 && item.propensity <= 1.0));
        }

        /// What [`crate::serving::replay`] goes by.
        #[test]
        fn what_is_not_shown_has_no_part_in_what_is(
            (all, tried, limit) in worlds(), seed in any::<u64>(), gone in any::<prop::sample::Index>(),
        ) {
            let placed = drawn((&all, &tried), limit, seed);
            let shown = positions(&placed);
            let others: Vec<usize> =
                all.iter().copied().filter(|item| !shown.contains(item)).collect();
            prop_assume!(!others.is_empty());
            let gone = others[gone.index(others.len())];
            let without = |items: &[usize]| -> Vec<usize> {
                items.iter().copied().filter(|item| *item != gone).collect()
            };
            let again = drawn((&without(&all), &without(&tried)), limit, seed);
            prop_assert_eq!(again, placed);
        }
    }

    #[test]
    fn the_propensity_is_how_often_an_item_is_at_its_place() {
        const DRAWS: u64 = 20_000;
        // The second try is among the last of what is arranged.
        let (all, tried): (Vec<usize>, _) = ((0..30).collect(), [20, 16, 25]);
        let mut counts: BTreeMap<(usize, usize), (u64, f64)> = BTreeMap::new();
        for seed in 0..DRAWS {
            for (at, item) in drawn((&all, &tried), 17, seed).into_iter().enumerate() {
                let counted = counts.entry((at, item.scored.position));
                let (count, propensity) = counted.or_insert((0, item.propensity));
                *count += 1;
                assert!((*propensity - item.propensity).abs() < 1e-12);
            }
        }
        for (place, (count, propensity)) in counts {
            let frequency = count as f64 / DRAWS as f64;
            // Five standard errors, at most; the draws are always these.
            assert!((frequency - propensity).abs() < 0.018, "{place:?} {frequency} {propensity}");
        }
    }

    #[test]
    fn without_exploration_what_is_arranged_is_shown() {
        let arranged: Vec<ScoredItem> = (0..5).map(item).collect();
        let placed = explore(Exploration::None, (&arranged, &[item(9)]), 3);
        assert_eq!(positions(&placed), [0, 1, 2, 3, 4]);
        assert!(placed.iter().all(|item| item.propensity == 1.0));
    }
}
