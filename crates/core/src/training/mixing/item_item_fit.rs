//! Weights between the items of a domain: which are tried, and their fits.

use super::room::{MOST_ITEMS_AT_ONCE, MOST_WEIGHTS, Room};
use crate::evidence::items::{DomainRows, Weighted};
use crate::maths::item_item::cosine::{self, CosineOptions};
use crate::maths::item_item::ease::{self, EaseOptions};
use crate::maths::item_item::local_ridge::{self, LocalRidgeOptions};
use crate::maths::item_item::next_item::{self, NextItemOptions, Ordered};
use crate::maths::item_item::walks::{self, WalkOptions};
use crate::maths::sparse::SparseRows;
use crate::model::mixtures::item_item::ItemItemMethod;
use crate::training::bridging::domain_fits::DomainPart;

/// Weights kept for each past item where all items were regressed on each other: fewer cost
/// quality there. A bound on the model's size, 8 bytes each.
const KEPT: usize = 256;
/// Weights kept for each past item elsewhere, and items that each is regressed on: more
/// bring nothing.
const NEAREST: usize = 64;
/// Fewer weights kept for each past item are not worth having.
const LEAST_KEPT: usize = 8;
/// Most items of a catalogue where more than two settings of what goes by the order are tried:
/// each takes three times as long as a regression of all items on each other.
const MOST_ITEMS_OF_MANY_ORDERS: usize = 2_500;
/// Most items of a person that count for pairs, as in the fits themselves.
const MOST_OF_PERSON: usize = 4_096;

/// Most interactions of a domain of which orders are made, some 40 bytes each.
const MOST_ORDERED: usize = 20_000_000;

/// What weights between the items of one domain are made from.
pub(super) struct Grounds<'a> {
    /// What people did in the domain, of those who did anything there.
    part: SparseRows,
    whole: &'a SparseRows,
    rows: &'a DomainRows,
}

impl<'a> Grounds<'a> {
    /// A domain's part of a joint matrix.
    pub(super) fn of(whole: &'a SparseRows, rows: &'a DomainRows) -> Self {
        Self { part: DomainPart::of(whole, rows).matrix, whole, rows }
    }

    /// What each person likes in the domain, in its order.
    fn orders(&self) -> impl Iterator<Item = Ordered> {
        (0..self.whole.rows()).filter_map(|person| {
            let known = Weighted::of_person(self.whole, person);
            let liked = self.rows.liked(&known).into_iter();
            let order = Ordered::by_places(liked.map(|known| (known.item.0, known.place)));
            (order.places() > 0).then_some(order)
        })
    }

    /// Whether what goes by the order of what people did may be tried: where what is to be
    /// found came last, and where there is an order.
    pub(super) fn may_go_by_order(&self, is_newest: bool) -> bool {
        is_newest && self.part.entries() <= MOST_ORDERED && self.tell_an_order()
    }

    /// Whether at least half of those who like two items or more liked them at different
    /// instants: else little is known of any order.
    fn tell_an_order(&self) -> bool {
        let (mut several, mut ordered) = (0, 0);
        for order in self.orders().filter(|order| order.items() > 1) {
            several += 1;
            ordered += usize::from(order.places() > 1);
        }
        ordered > 0 && 2 * ordered >= several
    }

    /// Makes weights between the domain's items; `None` when it cannot.
    pub(super) fn fit(&self, method: ItemItemMethod) -> Option<SparseRows> {
        let weights = match &method {
            ItemItemMethod::Ease(params) => ease::fit(&self.part, params),
            ItemItemMethod::LocalRidge(params) => local_ridge::fit(&self.part, params),
            ItemItemMethod::Walk(params) => walks::fit(&self.part, params),
            ItemItemMethod::Cosine(params) => cosine::fit(&self.part, params),
            ItemItemMethod::NextItem(params) => {
                let orders: Vec<Ordered> = self.orders().collect();
                next_item::fit(&orders, self.part.columns(), params)
            }
        };
        weights.ok()
    }

    /// The methods of each family that are tried; the best of each family may have a share.
    /// None where that would take longer than is left, or too much room. What goes by the order
    /// of what people did is among them where that is known.
    pub(super) fn families(&self, room: &mut Room, is_ordered: bool) -> Vec<Vec<ItemItemMethod>> {
        let mut families = families(&self.part, room);
        if !is_ordered {
            families.retain(|family| !family.iter().any(ItemItemMethod::goes_by_order));
        }
        families
    }
}

/// The methods of each family for a domain's part, whatever is known of any order.
fn families(part: &SparseRows, room: &mut Room) -> Vec<Vec<ItemItemMethod>> {
    let items = part.columns();
    let of_person = |person| (part.row(person).0.len().min(MOST_OF_PERSON) as u64).pow(2);
    let pairs: u64 = (0..part.rows()).map(of_person).sum();
    let cubes = (items as u64).saturating_pow(3);
    let is_small = items <= MOST_ITEMS_AT_ONCE && cubes <= room.cubes;
    // Each family may have one table of weights.
    let tables = 4 + usize::from(is_small);
    let most_kept = MOST_WEIGHTS / tables / items.max(1);
    if items < 2 || room.pairs < pairs || most_kept < LEAST_KEPT {
        return Vec::new();
    }
    room.pairs -= pairs;
    room.cubes -= if is_small { cubes } else { 0 };
    let nearest = NEAREST.min(most_kept);
    let mut families = vec![
        on_nearest(nearest),
        on_all(is_small, KEPT.min(most_kept)),
        walking(nearest),
        cosines(nearest),
    ];
    if is_small {
        families.push(next_items(items, KEPT.min(most_kept)));
    }
    families
}

fn on_nearest(kept: usize) -> Vec<ItemItemMethod> {
    let of = |ridge| {
        let candidates = NEAREST;
        let options = LocalRidgeOptions { ridge, candidates, kept, ..LocalRidgeOptions::default() };
        options.check().map(ItemItemMethod::LocalRidge)
    };
    [10.0, 100.0].into_iter().map(of).filter_map(Result::ok).collect()
}

fn on_all(is_small: bool, kept: usize) -> Vec<ItemItemMethod> {
    let of = |(ridge, activity_exponent)| {
        let options = EaseOptions { ridge, activity_exponent, kept, ..EaseOptions::default() };
        options.check().map(ItemItemMethod::Ease)
    };
    let tried = [(5.0, 0.5), (50.0, 0.5), (300.0, 0.0), (1_000.0, 0.0)];
    let tried = tried.into_iter().filter(|_| is_small);
    tried.map(of).filter_map(Result::ok).collect()
}

fn walking(kept: usize) -> Vec<ItemItemMethod> {
    let of = |(alpha, beta)| {
        let options = WalkOptions { alpha, beta, kept, ..WalkOptions::default() };
        options.check().map(ItemItemMethod::Walk)
    };
    [(1.0, 0.2), (1.0, 0.5)].into_iter().map(of).filter_map(Result::ok).collect()
}

fn cosines(kept: usize) -> Vec<ItemItemMethod> {
    let of = |(shrinkage, exponent)| {
        let options = CosineOptions { shrinkage, exponent, kept, ..CosineOptions::default() };
        options.check().map(ItemItemMethod::Cosine)
    };
    [(10.0, 1.0), (100.0, 0.5)].into_iter().map(of).filter_map(Result::ok).collect()
}

/// Near places count for more than distant ones, or the order is no news; how few people
/// may be believed is tried, and once a longer past.
fn next_items(items: usize, kept: usize) -> Vec<ItemItemMethod> {
    let of = |(ridge, past_decay, future_decay)| {
        let options =
            NextItemOptions { ridge, past_decay, future_decay, kept, ..Default::default() };
        options.check().map(ItemItemMethod::NextItem)
    };
    let tried = [(300.0, 5.0, 2.0), (1_000.0, 5.0, 2.0), (30.0, 5.0, 2.0), (300.0, 20.0, 5.0)];
    let most = if items <= MOST_ITEMS_OF_MANY_ORDERS { tried.len() } else { 2 };
    tried.into_iter().take(most).map(of).filter_map(Result::ok).collect()
}

#[cfg(test)]
mod tests {
    use super::super::room::MOST_PAIRS;
    use super::super::{MixtureChoice, RankerChoice};
    use super::*;

    #[test]
    fn whatever_the_catalogue_weights_stay_within_the_room_that_is_told() {
        for items in [1usize, 2, 40, 4_000, 30_000, 240_000, 2_000_000] {
            let part = SparseRows::from_rows(items, [vec![(0, 1.0)]]);
            let families = families(&part, &mut Room::default());
            let most = families.iter().filter_map(|of| of.iter().map(ItemItemMethod::kept).max());
            assert!(most.sum::<usize>() * items <= MOST_WEIGHTS, "{items}");
            assert_eq!(families.is_empty(), !(2..=250_000).contains(&items));
        }
    }

    #[test]
    fn what_is_tried_takes_no_longer_however_many_domains_there_are() {
        let part = |items: u32| {
            let rows = (0..60u32).map(|_| (0..items.min(5_000)).map(|item| (item, 1.0)).collect());
            SparseRows::from_rows(items as usize, rows)
        };
        let (large, small) = (part(6_000), part(3_000));
        let mut room = Room::default();
        let alone = families(&small, &mut Room::default());
        // Sixty people with 4,096 items that count: a thousand million pairs.
        assert!(families(&large, &mut room).is_empty(), "too many pairs for any model");
        assert_eq!(room.pairs, MOST_PAIRS, "what is not made takes nothing");
        assert_eq!(families(&small, &mut room), alone, "what is tried is as if alone");
        assert!(families(&small, &mut room).is_empty(), "nothing is left for as much again");
    }

    #[test]
    fn one_person_with_a_very_long_row_keeps_no_domain_from_weights() {
        let rows = [(0..40_000u32).map(|item| (item, 1.0)).collect(), vec![(1, 1.0), (2, 1.0)]];
        assert!(!families(&SparseRows::from_rows(40_000, rows), &mut Room::default()).is_empty());
    }

    #[test]
    fn mixtures_of_a_model_fit_into_its_room_together() {
        let part = SparseRows::from_rows(4_000, [vec![(0, 1.0)]]);
        let methods = families(&part, &mut Room::default());
        let rankers = methods.iter().map(|of| RankerChoice::ItemItem(of[0])).collect();
        let choice = MixtureChoice { rankers, shares: Default::default(), unit: 1.0 };
        let mut room = Room::default();
        let served = (0..20).filter(|_| room.take(&choice, 4_000)).count();
        let kept: usize = methods.iter().map(|of| of[0].kept()).sum();
        assert_eq!(served, MOST_WEIGHTS / (kept * 4_000));
    }
}
