//! Sequence models of a domain: how much they learn from, and their fit.
//!
//! Work is counted in multiplications and additions of the matrix products, which is where the
//! time goes: some 20 thousand million a second on one processor. What a domain may take of it
//! depends on the domain alone; whether there is as much left, on those before it.

use crate::evidence::items::{DomainRows, Weighted};
use crate::maths::sequence::{
    self, SequenceBudget, SequenceModel, SequenceOptions, Sequences, fit_for,
};
use crate::maths::sparse::SparseRows;
use crate::model::mixtures::sequence::{Sequence, SequenceMethod, in_sequence};

/// Most operations of all fits of one domain's model: half a minute of two processors.
const MOST_OF_DOMAIN: u64 = 1_250_000_000_000;
/// Most operations of all domains of a run: two domains of the most.
pub(super) const MOST_OPERATIONS: u64 = 2 * MOST_OF_DOMAIN;
/// Fits of one domain's model in a run: to choose, to be measured twice, to be served.
const FITS: u64 = 4;
/// Most epochs; training ends before when ten of them brought nothing.
const MOST_EPOCHS: u64 = 60;
/// Fewer epochs are not worth having: of what is larger, fewer people are learned from.
const LEAST_EPOCHS: u64 = 8;
/// Every so many people at the most are learned from, or nobody. Better than to do without: of
/// every fourth of MovieLens 100K's people, served NDCG@20 of last items is .1301, without any
/// .1279, and of all of them .1441.
const MOST_EVERY: u64 = 8;
/// Fewer items that follow others teach nothing.
const FEWEST_TARGETS: u64 = 1_000;
/// Most items of a catalogue: the time of a request grows with them, to some tenths of a
/// millisecond here.
const MOST_ITEMS: usize = 50_000;
/// Length of an item's embedding, and the newest of a history that are looked at. More of
/// either ranked no better on MovieLens 100K, and takes longer.
const DIMENSIONS: usize = 32;
const LENGTH: usize = 50;
/// Items that compete with the one that followed.
const NEGATIVES: usize = 256;
/// Items to be predicted in a step at the most, and at the least where there are few of them.
const BATCH: (usize, usize) = (512, 64);
/// Most people who are held out to see when to stop: as [`crate::maths::sequence`] has it.
const MOST_HELD_OUT: u64 = 2_000;

/// How a domain's sequence model is sought.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Sought {
    /// With the most epochs.
    pub(super) method: SequenceMethod,
    /// Of all its fits together, at the most.
    pub(super) operations: u64,
}

/// What of a domain there is to learn from: people of two liked items or more, and what of
/// their newest items followed another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Material {
    people: u64,
    targets: u64,
    items: usize,
}

impl Material {
    fn of(matrix: &SparseRows, rows: &DomainRows) -> Self {
        let mut material = Self { people: 0, targets: 0, items: rows.len() };
        for person in 0..matrix.rows() {
            let (_, confidences) = rows.entries_of(matrix, person);
            let liked = confidences.iter().filter(|confidence| **confidence > 0.0).count();
            if liked > 1 {
                material.people += 1;
                material.targets += (liked - 1).min(LENGTH) as u64;
            }
        }
        material
    }

    /// Operations of ranking for those who are held out, once an epoch.
    fn of_held_out(&self) -> u64 {
        let (dimensions, length) = (DIMENSIONS as u64, LENGTH as u64);
        self.people.min(MOST_HELD_OUT) * (2 * dimensions * self.items as u64 + length * of_token())
    }
}

/// Operations of a block, forward, for a token that attends to as many as it can.
fn of_token() -> u64 {
    (12 * DIMENSIONS * DIMENSIONS + 4 * DIMENSIONS * LENGTH) as u64
}

/// Operations of learning from one item: forward, and twice as many on the way back.
fn of_target(items: usize) -> u64 {
    3 * (of_token() + (2 * DIMENSIONS * NEGATIVES.min(items)) as u64)
}

impl Sought {
    /// What a domain's people and catalogue allow; `None` where there is too little to learn
    /// from, or too much to do so within bounds.
    pub(super) fn of(matrix: &SparseRows, rows: &DomainRows, seed: u64) -> Option<Self> {
        Self::from_material(Material::of(matrix, rows), seed)
    }

    fn from_material(material: Material, seed: u64) -> Option<Self> {
        let Material { targets, items, .. } = material;
        if targets < FEWEST_TARGETS || !(2..=MOST_ITEMS).contains(&items) {
            return None;
        }
        let (of_fit, held_out) = (MOST_OF_DOMAIN / FITS, material.of_held_out());
        let most_targets = (of_fit / LEAST_EPOCHS).checked_sub(held_out)? / of_target(items);
        let every = targets.div_ceil(most_targets.max(1));
        if every > MOST_EVERY {
            return None;
        }
        let targets = targets / every;
        let of_epoch = targets * of_target(items) + held_out;
        let epochs = (of_fit / of_epoch).min(MOST_EPOCHS);
        let batch = (targets as usize / 20).clamp(BATCH.1, BATCH.0);
        let options = SequenceOptions {
            dimensions: DIMENSIONS,
            blocks: 1,
            length: LENGTH,
            negatives: NEGATIVES,
            dropout: 0.1,
            learning_rate: 5e-3,
            batch,
            patience: 10,
            seed,
            ..SequenceOptions::default()
        };
        let (epochs, newest, every) = (epochs, LENGTH + 1, every as usize);
        let params = options.check().ok()?;
        let method = SequenceMethod { params, epochs: epochs as usize, newest, every };
        Some(Self { method, operations: FITS * epochs * of_epoch })
    }
}

/// What people of a domain like, each in its order: of those who like two items or more every
/// so many people, and the newest.
fn sequences(matrix: &SparseRows, rows: &DomainRows, method: &SequenceMethod) -> Sequences {
    let mut sequences = Sequences::default();
    let of_person = |person: usize| {
        let liked = rows.liked(&Weighted::of_person(matrix, person));
        (liked.len() > 1).then(|| in_sequence(&liked, person as u64 + 1))
    };
    let people = (0..matrix.rows()).filter_map(of_person).step_by(method.every.max(1));
    people.for_each(|items| sequences.push(&items[items.len().saturating_sub(method.newest)..]));
    sequences
}

/// Trains until it ranks the last items of some of these people no better, and says after how
/// many epochs that was; `None` when it cannot.
pub(super) fn fit_until_best(
    matrix: &SparseRows,
    rows: &DomainRows,
    method: SequenceMethod,
) -> Option<Sequence> {
    let sequences = sequences(matrix, rows, &method);
    let budget = SequenceBudget { epochs: method.epochs, keep_going: &|| true };
    let found =
        sequence::fit_until_best(&sequences, rows.len(), &method.params, budget, &|_| ()).ok()?;
    Some(Sequence::new(SequenceMethod { epochs: found.epochs, ..method }, found.model))
}

/// Trains on what there is, as `method` says; `None` when it cannot.
pub(super) fn fit(
    matrix: &SparseRows,
    rows: &DomainRows,
    method: SequenceMethod,
) -> Option<SequenceModel> {
    let sequences = sequences(matrix, rows, &method);
    fit_for(&sequences, rows.len(), &method.params, method.epochs).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::training::bridging::trial::tests::{domain, ranges};
    use crate::training::mixing::Room;

    fn sought(people: u64, targets: u64, items: usize) -> Option<Sought> {
        Sought::from_material(Material { people, targets, items }, 1)
    }

    #[test]
    fn whatever_the_domain_its_fits_stay_within_the_bound_on_work() {
        for people in [100, 5_000, 90_000, 2_000_000, 80_000_000] {
            for each in [1, 4, 50] {
                for items in [2, 300, 10_000, 50_000] {
                    let Some(sought) = sought(people, people * each, items) else { continue };
                    assert!(sought.operations <= MOST_OF_DOMAIN, "{people} {each} {items}");
                    let epochs = sought.method.epochs as u64;
                    assert!((LEAST_EPOCHS..=MOST_EPOCHS).contains(&epochs), "{sought:?}");
                }
            }
        }
        // A million interactions of a few thousand people.
        let usual = sought(6_000, 6_000 * 50, 3_700).unwrap();
        assert_eq!(usual.method.every, 1);
    }

    #[test]
    fn too_little_and_far_too_much_is_left_alone() {
        assert_eq!(sought(500, FEWEST_TARGETS - 1, 100), None);
        assert_eq!(sought(5_000, 50_000, MOST_ITEMS + 1), None);
        assert_eq!(sought(5_000, 50_000, 1), None);
        assert_eq!(sought(80_000_000, 900_000_000, 100), None);
    }

    #[test]
    fn what_a_domain_gets_is_the_same_however_many_others_there_are_or_nothing() {
        let alone = sought(9_000, 300_000, 4_000).unwrap();
        let mut room = Room::default();
        let mut served = 0;
        for _ in 0..50 {
            let sought = sought(9_000, 300_000, 4_000).unwrap();
            assert_eq!(sought, alone);
            served += u64::from(room.take_operations(sought.operations));
        }
        assert_eq!(served, MOST_OPERATIONS / alone.operations);
        assert!((2..50).contains(&served), "{served}");
        // What did not fit took nothing: what is left is still there.
        assert!(room.take_operations(MOST_OPERATIONS % alone.operations));
    }

    /// Sixty people with three liked items of `a` and one that is disliked; then one with one.
    fn matrix() -> SparseRows {
        let rows = (0..61u32).map(|person| match person {
            60 => vec![(3, 1.0)],
            _ => vec![(0, 1.0), (1, 1.0), (2, -1.0), (person % 10 + 3, 1.0)],
        });
        let places = (0..60).flat_map(|_| [1, 2, 0, 0]).chain([0]).collect();
        SparseRows::from_rows(40, rows).with_places(places)
    }

    #[test]
    fn what_is_learned_from_is_liked_oldest_first_and_of_every_so_many_people() {
        let (matrix, ranges) = (matrix(), ranges());
        let rows = &ranges[&domain("a")];
        assert_eq!(Material::of(&matrix, rows), Material { people: 60, targets: 120, items: 20 });
        let method = sought(6_000, 300_000, 20).unwrap().method;
        let learned = |newest, every| {
            let sequences = sequences(&matrix, rows, &SequenceMethod { newest, every, ..method });
            (sequences.len(), sequences.of(1).to_vec())
        };
        assert_eq!(learned(51, 1), (60, vec![1, 0, 4]));
        assert_eq!(learned(2, 1), (60, vec![0, 4]));
        assert_eq!(learned(51, 4), (15, vec![1, 0, 7]));
    }

    #[test]
    fn the_number_of_threads_changes_neither_what_is_found_nor_what_is_made_of_it() {
        let (matrix, ranges) = (matrix(), ranges());
        let rows = &ranges[&domain("a")];
        let method = SequenceMethod { epochs: 8, ..sought(6_000, 300_000, 20).unwrap().method };
        let with = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                let found = fit_until_best(&matrix, rows, method).unwrap();
                let whole = fit(&matrix, rows, found.method()).unwrap();
                (found, whole)
            })
        };
        assert_eq!(with(1), with(3));
    }
}
