//! Made-up worlds of two domains that have as much in common as is asked for.
//!
//! Every domain has a few tastes with items of their own. A linked person has the same
//! taste in both with a given probability, and else one drawn anew; they take items of
//! their taste more often than not, and popular ones else. So a bridge can bring what is
//! planted, and nothing where nothing is.

use crossfold_core::evidence::items::DomainRanges;
use crossfold_core::model::bridges::Direction;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::transfer_data::{LinkedPerson, TransferData};

/// Items of each domain.
const ITEMS: u32 = 240;
/// Tastes of each domain; an item is of the taste that its number leaves.
const TASTES: u32 = 8;
/// People of each domain alone, for each linked one.
const ALONE: usize = 1;
/// Probability of an item of one's taste.
const OF_TASTE: f64 = 0.55;

/// What is planted.
#[derive(Clone, Copy)]
pub(crate) struct PlantedWorld {
    /// People who have both domains.
    pub(crate) linked: usize,
    /// Probability that a person's taste is the same in both.
    pub(crate) in_common: f64,
    pub(crate) seed: u64,
}

/// The world; the same for a seed.
pub(crate) fn planted(world: PlantedWorld) -> TransferData {
    let mut rng = ChaCha8Rng::seed_from_u64(world.seed);
    let mut people = Vec::new();
    for number in 0..world.linked * (1 + 2 * ALONE) {
        let taste = rng.random_range(0..TASTES);
        let is_same = rng.random_bool(world.in_common);
        let other = if is_same { taste } else { rng.random_range(0..TASTES) };
        let source = history(taste, 0, &mut rng);
        let target = history(other, ITEMS, &mut rng);
        let place = number / world.linked;
        people.push(LinkedPerson {
            user: format!("p{number:06}"),
            source: if place == 2 { Vec::new() } else { source },
            target: if place == 1 { Vec::new() } else { target },
        });
    }
    let [from, to] = ["source", "target"].map(TransferData::domain);
    let items = ITEMS as usize;
    let ranges = DomainRanges::from([(from.clone(), 0..items), (to.clone(), items..2 * items)]);
    TransferData { people, ranges, direction: Direction { from, to } }
}

/// Four to fifteen items of one person; low numbers are popular.
fn history(taste: u32, start: u32, rng: &mut ChaCha8Rng) -> Vec<(u32, f32)> {
    let mut items: Vec<u32> = (0..rng.random_range(4..16))
        .map(|_| {
            let place = f64::from(ITEMS / TASTES) * rng.random_range(0.0..1.0f64).powi(2);
            let taste = if rng.random_bool(OF_TASTE) { taste } else { rng.random_range(0..TASTES) };
            start + place as u32 * TASTES + taste
        })
        .collect();
    items.sort_unstable();
    items.dedup();
    items.into_iter().map(|item| (item, 1.0)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Share of linked people whose most frequent taste is the same in both.
    fn in_common(world: PlantedWorld) -> f64 {
        let data = planted(world);
        let linked = data.linked();
        let most = |items: &[(u32, f32)]| {
            let count =
                |taste: u32| items.iter().filter(|(item, _)| item % TASTES == taste).count();
            (0..TASTES).max_by_key(|taste| (count(*taste), *taste))
        };
        let same = linked.iter().filter(|row| {
            let person = &data.people[**row];
            most(&person.source) == most(&person.target)
        });
        same.count() as f64 / linked.len() as f64
    }

    #[test]
    fn as_much_is_in_common_as_is_planted_and_a_seed_makes_the_same_world() {
        let world = |in_common| PlantedWorld { linked: 400, in_common, seed: 1 };
        let shares = [0.0, 0.3, 0.8].map(|planted| in_common(world(planted)));
        assert!(shares[0] < 0.2 && shares[1] > shares[0] + 0.1 && shares[2] > 0.6, "{shares:?}");
        let same = |data: &TransferData| data.matrix_without(|_| None);
        assert_eq!(same(&planted(world(0.3))), same(&planted(world(0.3))));
        assert_eq!(planted(world(0.3)).linked().len(), 400);
    }
}
