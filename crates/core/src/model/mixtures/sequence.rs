//! What follows what: a self-attention model of what people took in the order of time.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use ndarray::{ArrayD, IxDyn};
use safetensors::SafeTensors;
use serde::{Deserialize, Serialize};

use crate::evidence::items::{Liked, LocalRow};
use crate::maths::sequence::{SequenceModel, SequenceParams, WithoutEach};
use crate::model::tensors::{Tensor, finite, serialise};
use crate::model::{ModelError, malformed};

/// Of a person's newest items, those that are left out one by one to tell which of them a score
/// goes back to: each costs a pass over the history, some tenths of a millisecond.
const LEFT_OUT: usize = 10;

/// How a sequence model is made: see [`crate::maths::sequence`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct SequenceMethod {
    /// Its shape, and how it is trained.
    pub params: SequenceParams,
    /// How often training goes through what it learns from.
    pub epochs: usize,
    /// Newest liked items of each person that it learns from, 2 or more.
    pub newest: usize,
    /// It learns from every so many people, 1 for all.
    pub every: usize,
}

impl SequenceMethod {
    /// Numbers that are kept for each item of the catalogue.
    #[must_use]
    pub fn numbers_of_item(&self) -> usize {
        // An embedding, a bias, and whether it is known.
        self.params.options().dimensions + 2
    }
}

/// What a person likes in a domain, oldest first. What is of one instant shares a place, so
/// nothing tells which of it came first: it stands as `salt` has it, an order that neither
/// ids nor arrival have a part in.
#[must_use]
pub fn in_sequence(liked: &[Liked], salt: u64) -> Vec<u32> {
    let mut items: Vec<(Reverse<u16>, u64, u32)> = liked
        .iter()
        .map(|known| (Reverse(known.place), scattered(known.item, salt), known.item.0))
        .collect();
    items.sort_unstable();
    items.into_iter().map(|(_, _, item)| item).collect()
}

/// A number for an item that tells nothing of it: the finaliser of SplitMix64 (Steele, Lea,
/// Flood, "Fast splittable pseudorandom number generators", 2014).
fn scattered(item: LocalRow, salt: u64) -> u64 {
    let mut bits = (salt << 32 | u64::from(item.0)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

/// A sequence model of one domain's items, and how it was made. A clone shares the model.
#[derive(Debug, Clone, PartialEq)]
pub struct Sequence {
    method: SequenceMethod,
    model: Arc<SequenceModel>,
}

impl Sequence {
    /// A model, and how it was made.
    #[must_use]
    pub fn new(method: SequenceMethod, model: SequenceModel) -> Self {
        Self { method, model: Arc::new(model) }
    }

    /// How it was made.
    #[must_use]
    pub fn method(&self) -> SequenceMethod {
        self.method
    }

    /// What it makes of who likes these; `None` where it knows none of them.
    pub(crate) fn read_history(&self, liked: &[Liked]) -> Option<ReadHistory<'_>> {
        let history = in_sequence(liked, 0);
        let knows_any = history.iter().any(|item| self.model.is_known(*item));
        let left_out = OnceLock::new();
        knows_any.then_some(ReadHistory { model: &self.model, history, left_out })
    }

    pub(super) fn fits(&self, items: usize) -> bool {
        let (model, options) = (&self.model, self.method.params.options());
        model.items() == items
            && model.dimensions() == options.dimensions
            && model.length() == options.length
            && model.blocks() == options.blocks
    }

    pub(super) fn write(&self, named: &dyn Fn(&str) -> String) -> Vec<Tensor> {
        write(&self.model, named)
    }

    /// Reads the model whose tensors have names with a prefix. Whether it is as large as
    /// `method` and the domain say, [`Sequence::fits`] tells.
    pub(super) fn read(
        tensors: &SafeTensors<'_>,
        prefix: &str,
        method: SequenceMethod,
    ) -> Result<Self, ModelError> {
        Ok(Self::new(method, read(tensors, prefix)?))
    }
}

/// A model's tensors, the name of each made by `named`.
fn write(model: &SequenceModel, named: &dyn Fn(&str) -> String) -> Vec<Tensor> {
    let tensor = |(name, values): (String, ArrayD<f32>)| {
        let shape = values.shape().to_vec();
        Tensor::floats(named(&name), shape, &values.into_iter().collect::<Vec<f32>>())
    };
    model.tensors().into_iter().map(tensor).collect()
}

/// The model whose tensors have names with a prefix.
fn read(tensors: &SafeTensors<'_>, prefix: &str) -> Result<SequenceModel, ModelError> {
    let mut found = BTreeMap::new();
    for name in tensors.names() {
        let Some(own) = name.strip_prefix(prefix) else { continue };
        let shape = tensors.tensor(name).map_err(malformed)?.shape().to_vec();
        let values = finite(tensors, name, &shape)?;
        let values = ArrayD::from_shape_vec(IxDyn(&shape), values).map_err(malformed)?;
        found.insert(own.to_owned(), values);
    }
    SequenceModel::from_tensors(&found).map_err(malformed)
}

/// A model as a file of its own.
///
/// # Errors
/// [`ModelError::Malformed`] where it cannot be written.
pub fn encode(model: &SequenceModel) -> Result<Vec<u8>, ModelError> {
    serialise(&write(model, &str::to_owned))
}

/// Reads what [`encode`] wrote.
///
/// # Errors
/// [`ModelError::Malformed`] where it is anything else.
pub fn decode(bytes: &[u8]) -> Result<SequenceModel, ModelError> {
    read(&SafeTensors::deserialize(bytes).map_err(malformed)?, "")
}

/// A person's history as a sequence model reads it.
pub(crate) struct ReadHistory<'a> {
    model: &'a SequenceModel,
    /// Oldest first.
    history: Vec<u32>,
    /// Made when it is first asked for: slates without reasons do without.
    left_out: OnceLock<WithoutEach>,
}

impl ReadHistory<'_> {
    /// The score of every item, in order of rows: the logarithm of how probable it is to come
    /// next, but for a constant. Nothing is known of what training did not see: it scores as
    /// the last of what is known, so that scores stay finite and spread no further.
    pub(crate) fn scores(&self) -> Vec<f32> {
        let mut scores = self.model.scores(&self.model.user_vector(&self.history));
        let known = scores.iter().copied().filter(|score| score.is_finite());
        let least = known.reduce(f32::min).unwrap_or(0.0);
        scores.iter_mut().filter(|score| !score.is_finite()).for_each(|score| *score = least);
        scores
    }

    /// By how much each of the newest past items raises an item's score: what it would lose
    /// without it, the others as they are. These are no parts of the score.
    pub(crate) fn changes(&self, item: LocalRow) -> Vec<(LocalRow, f32)> {
        let without =
            self.left_out.get_or_init(|| self.model.without_each(&self.history, LEFT_OUT));
        let changes = self.model.changes(without, item.0).into_iter();
        changes.map(|left_out| (LocalRow(left_out.item), left_out.change)).collect()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::maths::sequence::{SequenceOptions, Sequences, fit_for};

    pub(crate) fn method() -> SequenceMethod {
        let small = SequenceOptions { dimensions: 8, blocks: 1, length: 4, ..Default::default() };
        let quick = SequenceOptions { batch: 16, learning_rate: 0.01, ..small };
        SequenceMethod { params: quick.check().unwrap(), epochs: 2, newest: 9, every: 1 }
    }

    /// A model of so many items that people take in turn; the last is known to nobody, if there
    /// are three.
    pub(crate) fn model(items: usize) -> SequenceModel {
        let known = if items > 2 { items - 1 } else { items };
        let walk = |person: usize| (0..6).map(|at| ((person + at) % known) as u32).collect();
        let people: Vec<Vec<u32>> = (0..items.max(12)).map(walk).collect();
        let sequences: Sequences = people.iter().map(Vec::as_slice).collect();
        let method = method();
        fit_for(&sequences, items, &method.params, method.epochs).unwrap()
    }

    /// The same, to rank by.
    pub(crate) fn sequence(items: usize) -> Sequence {
        Sequence::new(method(), model(items))
    }

    fn liked(items: &[(u32, u16)]) -> Vec<Liked> {
        let known =
            |&(item, place): &(u32, u16)| Liked { item: LocalRow(item), confidence: 1.0, place };
        items.iter().map(known).collect()
    }

    #[test]
    fn what_training_did_not_see_scores_as_the_last_of_what_is_known() {
        let sequence = sequence(7);
        let read = sequence.read_history(&liked(&[(1, 1), (2, 0)])).unwrap();
        let scores = read.scores();
        assert!(scores.iter().all(|score| score.is_finite()));
        let least = scores[..6].iter().copied().reduce(f32::min).unwrap();
        assert_eq!(scores[6], least);
        assert!(read.changes(LocalRow(6)).is_empty());
        assert!(sequence.read_history(&liked(&[(6, 0)])).is_none(), "it knows nothing of it");
        assert!(sequence.read_history(&[]).is_none());
    }

    #[test]
    fn what_an_item_changes_is_told_of_the_newest_ones() {
        let sequence = sequence(30);
        let history: Vec<(u32, u16)> = (0..20).map(|at| (at, 20 - at as u16)).collect();
        let read = sequence.read_history(&liked(&history)).unwrap();
        let changes = read.changes(LocalRow(20));
        // Four are looked at.
        let newest: Vec<u32> = changes.iter().map(|(item, _)| item.0).collect();
        assert_eq!(newest, [19, 18, 17, 16]);
        let score =
            |history: &[(u32, u16)]| sequence.read_history(&liked(history)).unwrap().scores()[20];
        // Of the four, three are left: nothing older takes the place of what is left out.
        let lost = score(&history) - score(&history[16..19]);
        assert!((changes[0].1 - lost).abs() < 1e-4, "{changes:?} {lost}");
    }

    #[test]
    fn a_file_of_it_is_read_back_and_any_other_refused() {
        let model = model(5);
        let bytes = encode(&model).unwrap();
        assert_eq!(decode(&bytes).unwrap(), model);
        assert!(matches!(decode(&bytes[..bytes.len() - 4]), Err(ModelError::Malformed(_))));
        let mut not_a_number = bytes;
        let at = not_a_number.len() - 4;
        not_a_number[at..].copy_from_slice(&f32::NAN.to_le_bytes());
        assert!(matches!(decode(&not_a_number), Err(ModelError::Malformed(_))));
    }

    #[test]
    fn it_fits_a_domain_of_as_many_items_and_the_shape_that_it_is_said_to_have() {
        let made = sequence(5);
        assert!(made.fits(5) && !made.fits(6));
        let options = *method().params.options();
        for other in [
            SequenceOptions { length: 9, ..options },
            SequenceOptions { dimensions: 9, ..options },
            SequenceOptions { blocks: 2, ..options },
        ] {
            let method = SequenceMethod { params: other.check().unwrap(), ..method() };
            assert!(!Sequence { method, ..made.clone() }.fits(5), "{other:?}");
        }
    }

    proptest! {
        #[test]
        fn neither_ids_nor_the_order_of_the_list_order_what_is_of_one_instant(
            known in proptest::collection::btree_map(0u32..40, 0u16..4, 1..12), turned in 0usize..12,
        ) {
            let listed: Vec<(u32, u16)> = known.into_iter().collect();
            let mut otherwise = listed.clone();
            otherwise.rotate_left(turned % listed.len());
            let order = in_sequence(&liked(&listed), 3);
            prop_assert_eq!(&order, &in_sequence(&liked(&otherwise), 3));
            let places: Vec<u16> =
                order.iter().map(|item| listed.iter().find(|known| known.0 == *item).unwrap().1).collect();
            prop_assert!(places.is_sorted_by(|older, newer| older >= newer));
        }
    }

    #[test]
    fn people_have_what_is_of_one_instant_in_orders_of_their_own() {
        let together: Vec<(u32, u16)> = (0..8).map(|item| (item, 0)).collect();
        let orders = (0..20).map(|person| in_sequence(&liked(&together), person));
        let orders: std::collections::BTreeSet<Vec<u32>> = orders.collect();
        assert!(orders.len() > 15);
        assert!(!orders.contains(&(0..8).collect::<Vec<u32>>()));
    }
}
