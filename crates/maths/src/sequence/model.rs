//! A trained model: what it makes of a history, and its tensors.

use std::collections::BTreeMap;

use ndarray::{ArrayD, IxDyn};

use super::network::{Tape, Tokens, forward};
use super::rows::{dot, vectorised};
use super::training::MOST_NUMBERS;
use super::weights::{Layout, Weights};

/// Why tensors are no sequence model.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("tensor {name} {problem}")]
pub struct InvalidTensors {
    /// The tensor's name.
    pub name: String,
    /// What is wrong with it.
    pub problem: &'static str,
}

/// A trained sequence model.
#[derive(Debug, Clone, PartialEq)]
pub struct SequenceModel {
    weights: Weights<f32>,
    is_known: Vec<bool>,
}

/// The most blocks, dimensions and positions: as many as options allow. What a network of these
/// takes is bounded, whatever tensors say, and without any item they say it in no bytes at all.
const MOST_BLOCKS: usize = 8;
const MOST_DIMENSIONS: usize = 512;
const MOST_POSITIONS: usize = 512;

impl SequenceModel {
    pub(super) fn new(weights: Weights<f32>, is_known: Vec<bool>) -> Self {
        Self { weights, is_known }
    }

    /// How many items there are, with those that training did not see.
    #[must_use]
    pub fn items(&self) -> usize {
        self.is_known.len()
    }

    /// Length of a person's vector.
    #[must_use]
    pub fn dimensions(&self) -> usize {
        self.weights.layout.dimensions
    }

    /// The most of a history that is looked at, newest first.
    #[must_use]
    pub fn length(&self) -> usize {
        self.weights.layout.positions
    }

    /// How many blocks of attention and feed-forward layers it has.
    #[must_use]
    pub fn blocks(&self) -> usize {
        self.weights.layout.blocks.len()
    }

    /// Whether training saw an item; one beyond the catalogue it did not.
    #[must_use]
    pub fn is_known(&self, item: u32) -> bool {
        self.is_known.get(item as usize).copied().unwrap_or(false)
    }

    /// An item's embedding and bias: its score is `vector . embedding + bias`. None for
    /// what training did not see.
    #[must_use]
    pub fn item(&self, item: u32) -> Option<(&[f32], f32)> {
        self.is_known(item).then(|| (self.weights.item(item), self.weights.biases[item as usize]))
    }

    /// What a history, oldest first, says of what may follow. Items that training did not
    /// see are left out; of nothing comes zero, by which the biases alone rank.
    #[must_use]
    pub fn user_vector(&self, history: &[u32]) -> Vec<f32> {
        self.vectors(&[&self.looked_at(history)])
    }

    /// Those of a history that count: known, and the newest [`Self::length`] of these.
    pub(super) fn looked_at(&self, history: &[u32]) -> Vec<u32> {
        let mut known: Vec<u32> = history
            .iter()
            .rev()
            .copied()
            .filter(|item| self.is_known(*item))
            .take(self.length())
            .collect();
        known.reverse();
        known
    }

    /// The vectors of histories that were made by [`Self::looked_at`], one after another.
    pub(super) fn vectors(&self, histories: &[&[u32]]) -> Vec<f32> {
        let d = self.dimensions();
        let mut tokens = Tokens::default();
        for history in histories {
            tokens.items.extend_from_slice(history);
            tokens.ends.push(tokens.items.len());
        }
        let mut tape = Tape::default();
        forward(&self.weights, &tokens, None, &mut tape);
        let mut vectors = vec![0.0; histories.len() * d];
        let each = histories.iter().zip(&tokens.ends).zip(vectors.chunks_exact_mut(d));
        for ((_, &end), vector) in each.filter(|((history, _), _)| !history.is_empty()) {
            vector.copy_from_slice(&tape.output[(end - 1) * d..end * d]);
        }
        vectors
    }

    /// The score of every item for a person's vector; minus infinity for what training did
    /// not see, of which it can say nothing.
    #[must_use]
    pub fn scores(&self, vector: &[f32]) -> Vec<f32> {
        let weights = &self.weights;
        let mut scores = weights.biases.clone();
        vectorised(|| {
            let rows = weights.items.chunks_exact(weights.layout.dimensions);
            for ((score, row), is_known) in scores.iter_mut().zip(rows).zip(&self.is_known) {
                *score = if *is_known { *score + dot(vector, row) } else { f32::NEG_INFINITY };
            }
        });
        scores
    }

    /// All that it consists of, by name.
    #[must_use]
    pub fn tensors(&self) -> BTreeMap<String, ArrayD<f32>> {
        let weights = &self.weights;
        let mut tensors = BTreeMap::new();
        let mut put = |name: String, shape: &[usize], values: &[f32]| {
            if let Ok(tensor) = ArrayD::from_shape_vec(IxDyn(shape), values.to_vec()) {
                tensors.insert(name, tensor);
            }
        };
        for part in weights.layout.parts() {
            put(part.name, &part.shape, &weights.dense[part.range]);
        }
        let known: Vec<f32> =
            self.is_known.iter().map(|known| f32::from(u8::from(*known))).collect();
        put(EMBEDDINGS.to_owned(), &[self.items(), self.dimensions()], &weights.items);
        put(BIASES.to_owned(), &[self.items()], &weights.biases);
        put(KNOWN.to_owned(), &[self.items()], &known);
        tensors
    }

    /// The model of tensors as [`Self::tensors`] gives them; others are left aside.
    ///
    /// # Errors
    /// [`InvalidTensors`] where one is missing, has another shape than the others ask for,
    /// or holds what is no number.
    pub fn from_tensors(tensors: &BTreeMap<String, ArrayD<f32>>) -> Result<Self, InvalidTensors> {
        let shape = |name: &str| match tensors.get(name) {
            Some(tensor) => Ok(tensor.shape().to_vec()),
            None => Err(problem(name, "is missing")),
        };
        let &[items, dimensions] = &shape(EMBEDDINGS)?[..] else {
            return Err(problem(EMBEDDINGS, "has a wrong shape"));
        };
        let &[positions, _] = &shape(POSITIONS)?[..] else {
            return Err(problem(POSITIONS, "has a wrong shape"));
        };
        let is_long = dimensions > MOST_DIMENSIONS;
        if dimensions == 0 || is_long || items.saturating_mul(dimensions) > MOST_NUMBERS {
            return Err(problem(EMBEDDINGS, "has a wrong shape"));
        }
        if !(1..=MOST_POSITIONS).contains(&positions) {
            return Err(problem(POSITIONS, "has a wrong shape"));
        }
        let numbers = tensors.keys().filter_map(|name| {
            let (number, _) = name.strip_prefix("blocks.")?.split_once('.')?;
            number.parse::<usize>().ok()
        });
        let blocks = numbers.max().map_or(0, |last| last.saturating_add(1));
        if !(1..=MOST_BLOCKS).contains(&blocks) {
            return Err(problem("blocks", "are none, or too many"));
        }
        // A block's matrices are checked against this shape before they are read.
        let layout = Layout::new(dimensions, positions, blocks);
        let mut dense = vec![0.0; layout.total];
        for part in layout.parts() {
            dense[part.range].copy_from_slice(&values(tensors, &part.name, &part.shape)?);
        }
        let known = values(tensors, KNOWN, &[items])?;
        if known.iter().any(|value| *value != 0.0 && *value != 1.0) {
            return Err(problem(KNOWN, "holds other numbers than 0 and 1"));
        }
        let weights = Weights {
            layout,
            dense,
            items: values(tensors, EMBEDDINGS, &[items, dimensions])?,
            biases: values(tensors, BIASES, &[items])?,
        };
        Ok(Self { weights, is_known: known.iter().map(|value| *value == 1.0).collect() })
    }
}

const EMBEDDINGS: &str = "items.embeddings";
const BIASES: &str = "items.biases";
const KNOWN: &str = "items.known";
const POSITIONS: &str = "positions";

fn problem(name: &str, problem: &'static str) -> InvalidTensors {
    InvalidTensors { name: name.to_owned(), problem }
}

fn values(
    tensors: &BTreeMap<String, ArrayD<f32>>,
    name: &str,
    shape: &[usize],
) -> Result<Vec<f32>, InvalidTensors> {
    let Some(tensor) = tensors.get(name) else { return Err(problem(name, "is missing")) };
    if tensor.shape() != shape {
        return Err(problem(name, "has a wrong shape"));
    }
    if tensor.iter().any(|value| !value.is_finite()) {
        return Err(problem(name, "holds what is no finite number"));
    }
    Ok(tensor.iter().copied().collect())
}

#[cfg(test)]
mod tests {
    use super::super::options::SequenceOptions;
    use super::super::sequences::Sequences;
    use super::super::training::{SequenceBudget, fit};
    use super::*;

    /// Seven items, of which nobody took the last.
    fn model() -> SequenceModel {
        let sequences: Sequences =
            [&[0, 1, 2, 3][..], &[2, 3, 4, 5], &[4, 5, 0], &[1, 2, 3]].into_iter().collect();
        let options = SequenceOptions { dimensions: 8, length: 3, ..SequenceOptions::default() };
        let budget = SequenceBudget { epochs: 3, keep_going: &|| true };
        fit(&sequences, 7, &options.check().unwrap(), budget, &|_| ()).unwrap()
    }

    #[test]
    fn tensors_give_the_same_model_back() {
        let model = model();
        let again = SequenceModel::from_tensors(&model.tensors()).unwrap();
        assert_eq!(again.tensors(), model.tensors());
        let scores = |model: &SequenceModel| model.scores(&model.user_vector(&[0, 1]));
        assert_eq!(scores(&again), scores(&model));
    }

    #[test]
    fn what_training_did_not_see_is_never_scored_nor_looked_at() {
        let model = model();
        let vector = model.user_vector(&[1, 2]);
        assert_eq!(model.scores(&vector)[6], f32::NEG_INFINITY);
        assert_eq!(model.user_vector(&[6, 1, 7, 2, u32::MAX]), vector);
        assert!(model.item(6).is_none() && model.item(7).is_none());
        assert!(model.left_out(&[1, 2], 6, 5).is_empty());
        let places: Vec<usize> =
            model.left_out(&[0, 6, 1, 2], 3, 9).iter().map(|left| left.position).collect();
        assert_eq!(places, [3, 2, 0]);
    }

    #[test]
    fn what_an_item_changes_is_the_score_with_it_less_that_without() {
        let model = model();
        let score = |history: &[u32]| model.scores(&model.user_vector(history))[3];
        let [newest, oldest] = model.left_out(&[0, 2], 3, 9)[..] else { panic!("two items") };
        assert_eq!((newest.item, oldest.item), (2, 0));
        assert!((newest.change - (score(&[0, 2]) - score(&[0]))).abs() < 1e-5);
        assert!((oldest.change - (score(&[0, 2]) - score(&[2]))).abs() < 1e-5);
        assert_eq!(model.left_out(&[0, 2], 3, 1), [newest]);
        assert!(model.changes(&model.without_each(&[6], 4), 3).is_empty());
    }

    #[test]
    fn only_the_newest_of_a_history_count() {
        let model = model();
        assert_eq!(model.user_vector(&[0, 4, 5, 1, 2, 3]), model.user_vector(&[1, 2, 3]));
        assert_ne!(model.user_vector(&[3, 2, 1]), model.user_vector(&[1, 2, 3]));
    }

    #[test]
    fn nothing_known_is_ranked_by_popularity() {
        let model = model();
        let vector = model.user_vector(&[]);
        assert!(vector.iter().all(|value| *value == 0.0));
        assert_eq!(model.scores(&vector)[..6], model.weights.biases[..6]);
    }

    #[test]
    fn tensors_that_do_not_fit_or_are_no_numbers_are_refused() {
        let whole = model().tensors();
        for name in whole.keys() {
            let mut changed = whole.clone();
            changed.remove(name);
            assert!(SequenceModel::from_tensors(&changed).is_err(), "{name} missing");
            let mut changed = whole.clone();
            changed.insert(name.clone(), ArrayD::zeros(IxDyn(&[3, 3, 3])));
            let error = SequenceModel::from_tensors(&changed).unwrap_err();
            assert_eq!((error.name.as_str(), error.problem), (name.as_str(), "has a wrong shape"));
            let mut changed = whole.clone();
            changed.get_mut(name).unwrap().iter_mut().for_each(|value| *value = f32::NAN);
            assert_eq!(SequenceModel::from_tensors(&changed).unwrap_err().name, *name);
        }
        let mut changed = whole;
        changed.insert(EMBEDDINGS.to_owned(), ArrayD::zeros(IxDyn(&[7, 0])));
        assert!(SequenceModel::from_tensors(&changed).is_err());
        // Shapes that say much in few bytes.
        for (name, shape) in [(EMBEDDINGS, [0, 1 << 40]), (POSITIONS, [1 << 40, 0])] {
            let mut changed = model().tensors();
            changed.insert(name.to_owned(), ArrayD::zeros(IxDyn(&shape)));
            assert_eq!(SequenceModel::from_tensors(&changed).unwrap_err().name, name);
        }
        let mut changed = model().tensors();
        changed.retain(|name, _| !name.starts_with("blocks."));
        assert!(SequenceModel::from_tensors(&changed).is_err());
    }
}
