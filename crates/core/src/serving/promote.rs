//! Places that the caller gives to the best of some items, whatever else is on the slate.
//!
//! A promoted item is admitted like any other, and is shown once: in its own place, and not in the
//! one that its score would give it. The slate says which items are promoted.

use std::collections::BTreeSet;

use crate::entities::definition::DomainDefinition;
use crate::serving::admit::AdmittedRequest;
use crate::serving::best::{ScoredItem, best};
use crate::serving::explore::PlacedItem;
use crate::serving::sources::Scores;

/// An item and the place that it is promoted to, from 0.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PromotedItem {
    slot: usize,
    scored: ScoredItem,
}

impl PromotedItem {
    /// The item.
    #[must_use]
    pub fn scored(&self) -> &ScoredItem {
        &self.scored
    }
}

/// What is promoted, the first place first; of one place the first target's comes first. At most so
/// many as a slate has places. `scores` has those of each target, in order.
#[must_use]
pub fn promoted(asked: &AdmittedRequest<'_>, scores: &[Scores<'_>]) -> Vec<PromotedItem> {
    let request = asked.request;
    let mut taken: BTreeSet<(usize, usize)> = BTreeSet::new();
    let mut promoted = Vec::new();
    for (at, scores) in scores.iter().enumerate() {
        let target = scores.target();
        let Some(promotions) = request.promotions.get(target.domain) else { continue };
        let definition = asked.definitions.get(target.domain);
        let schema = definition.map(DomainDefinition::schema).unwrap_or_default();
        for promotion in promotions {
            let table = target.snapshot.table(&promotion.filter, &schema);
            let passing = promotion.filter.admits(&table, request.now);
            let open = scores
                .admitted()
                .filter(|position| passing.get(*position) && !taken.contains(&(at, *position)));
            let scored = open.map(|position| {
                let (score, source) = scores.of(position);
                ScoredItem { target: at, position, score, source }
            });
            let since = |item: &ScoredItem| target.snapshot.since(item.position);
            if let Some(first) = best(scored, since, 1).first() {
                taken.insert((at, first.position));
                promoted.push(PromotedItem { slot: promotion.slot.max(1) - 1, scored: *first });
            }
        }
    }
    promoted.sort_by_key(|item| (item.slot, item.scored.target));
    promoted.truncate(request.limit);
    promoted
}

/// Leaves out what is promoted.
#[must_use]
pub fn others(
    mut offered: Vec<Vec<ScoredItem>>,
    promoted: &[PromotedItem],
) -> Vec<Vec<ScoredItem>> {
    let is_promoted = |item: &ScoredItem| {
        let place = (item.target, item.position);
        promoted.iter().any(|other| (other.scored.target, other.scored.position) == place)
    };
    offered.iter_mut().for_each(|items| items.retain(|item| !is_promoted(item)));
    offered
}

/// The slate with what is promoted in its places; where a slate is too short for them, at its end.
#[must_use]
pub fn with_promoted(placed: Vec<PlacedItem>, promoted: &[PromotedItem]) -> Vec<PlacedItem> {
    let (mut slate, mut free) = (placed, 0);
    for PromotedItem { slot, scored } in promoted {
        // What is promoted is always there.
        let item = PlacedItem { scored: *scored, propensity: 1.0, promoted: true };
        let place = free.max(*slot).min(slate.len());
        slate.insert(place, item);
        free = place + 1;
    }
    slate
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn scored(position: usize) -> ScoredItem {
        ScoredItem { target: 0, position, score: 0.5, source: Some(0) }
    }

    proptest! {
        #[test]
        fn what_is_promoted_has_its_place_and_the_others_keep_their_order(
            places in 0usize..20, slots in proptest::collection::vec(0usize..25, 0..6),
        ) {
            let mut slots = slots;
            slots.sort_unstable();
            let placed = (0..places).map(|position| {
                PlacedItem { scored: scored(position), propensity: 0.5, promoted: false }
            });
            let promoted: Vec<PromotedItem> = slots.iter().enumerate()
                .map(|(at, slot)| PromotedItem { slot: *slot, scored: scored(100 + at) }).collect();
            let slate = with_promoted(placed.collect(), &promoted);
            prop_assert_eq!(slate.len(), places + slots.len());
            let others = slate.iter().filter(|item| !item.promoted);
            prop_assert!(others.map(|item| item.scored.position).eq(0..places));
            let mut free = 0;
            for (at, slot) in slots.iter().enumerate() {
                let found = slate.iter().position(|item| item.scored.position == 100 + at).unwrap();
                // Its own place, the next one that is free, or the last ones of a short slate.
                free = free.max(*slot);
                prop_assert!(found == free || found >= places);
                free += 1;
            }
        }
    }

    #[test]
    fn what_is_promoted_is_not_shown_again() {
        let promoted = [PromotedItem { slot: 0, scored: scored(1) }];
        let left = others(vec![vec![scored(0), scored(1)], vec![]], &promoted);
        assert_eq!(left, [vec![scored(0)], vec![]]);
    }
}
