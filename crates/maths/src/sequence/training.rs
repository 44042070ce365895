//! Training: steps over batches until nothing improves, or the caller has had enough.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use super::adam::{Moments, Step, decay};
use super::batches::{Window, batches, draw_negatives, parts, targets, windows};
use super::gradient::{ItemGradient, Part};
use super::loss::Negatives;
use super::model::SequenceModel;
use super::network::Draw;
use super::options::{SequenceOptions, SequenceParams};
use super::rows::{Dropping, add, vectorised};
use super::sequences::Sequences;
use super::validation::Validation;
use super::weights::{Layout, Weights};

/// How long training may go on.
#[derive(Clone, Copy)]
pub struct SequenceBudget<'a> {
    /// The most epochs.
    pub epochs: usize,
    /// Asked before each batch: training ends where it says no, with the best so far.
    pub keep_going: &'a (dyn Fn() -> bool + Sync),
}

/// An epoch of training, as it is told of.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SequenceEpoch {
    /// Its number, from 1.
    pub epoch: usize,
    /// Mean loss of the items that were predicted while learning, in nats.
    pub loss: f64,
    /// Mean discounted gain of the last items that were held out, by which the best epoch
    /// is chosen: `1 / log2(1 + rank)` among all items that are new to the person. None
    /// where nobody could be held out.
    pub gain: Option<f64>,
    /// Items predicted in it.
    pub targets: usize,
}

/// Why there is no sequence model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SequenceError {
    /// An item is not in the catalogue.
    #[error("a sequence has item {item}, of only {items}")]
    UnknownItem {
        /// The item.
        item: u32,
        /// How many items there are.
        items: usize,
    },
    /// Nobody has two items.
    #[error("nobody has two items, of which one could follow the other")]
    NothingFollows,
    /// The table of items would be too large.
    #[error("{items} items of {dimensions} numbers are more than {most} numbers")]
    TooLarge {
        /// How many items there are.
        items: usize,
        /// Length of an embedding.
        dimensions: usize,
        /// The most numbers of a table.
        most: usize,
    },
    /// The weights ceased to be numbers.
    #[error("training diverged in epoch {epoch}; a smaller learning rate may help")]
    Diverged {
        /// The epoch.
        epoch: usize,
    },
}

/// The most numbers of an item table: 512 MiB, of which training holds four.
pub(super) const MOST_NUMBERS: usize = 1 << 27;

/// Trains a model on people's items in the order of time, numbered below `items`. The
/// result depends on the seed, and not on the number of threads, unless the budget ends it.
///
/// The last item of some people is held out (a tenth of them, 500 at least and 2,000 at
/// most, never of more than half): the weights of the epoch that ranks these best are kept,
/// and training stops `patience` epochs after it.
///
/// Memory: four times the table of items (items x dimensions x 4 bytes), and some 10 KB for
/// each item that is predicted in a batch.
///
/// # Errors
/// [`SequenceError`], where there is nothing to learn from or an item is unknown.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use crossfold_maths::rank::top_k;
/// use crossfold_maths::sequence::{SequenceBudget, SequenceOptions, Sequences, fit};
///
/// // Everybody takes three items in turn, from where they begin.
/// let people: Vec<Vec<u32>> =
///     (0..60).map(|person| (0..8).map(|at| (person + at) % 3).collect()).collect();
/// let sequences: Sequences = people.iter().map(Vec::as_slice).collect();
/// let options = SequenceOptions { dimensions: 16, blocks: 1, ..SequenceOptions::default() };
/// let params = SequenceOptions { learning_rate: 0.01, batch: 32, ..options }.check()?;
/// let budget = SequenceBudget { epochs: 5, keep_going: &|| true };
/// let model = fit(&sequences, 3, &params, budget, &|_| ())?;
///
/// let scores = model.scores(&model.user_vector(&[0, 1]));
/// assert_eq!(top_k(&scores, 1), [2]);
/// # Ok(())
/// # }
/// ```
pub fn fit(
    sequences: &Sequences,
    items: usize,
    params: &SequenceParams,
    budget: SequenceBudget<'_>,
    progress: &dyn Fn(&SequenceEpoch),
) -> Result<SequenceModel, SequenceError> {
    fit_until_best(sequences, items, params, budget, progress).map(|fit| fit.model)
}

/// A model, and what it took.
#[derive(Debug, Clone, PartialEq)]
pub struct SequenceFit {
    /// The model.
    pub model: SequenceModel,
    /// The epochs after which it was best for those who were held out; 0 where none was made.
    pub epochs: usize,
}

/// As [`fit`], with the number of epochs that was best: what [`fit_for`] is to be told.
///
/// # Errors
/// As [`fit`].
pub fn fit_until_best(
    sequences: &Sequences,
    items: usize,
    params: &SequenceParams,
    budget: SequenceBudget<'_>,
    progress: &dyn Fn(&SequenceEpoch),
) -> Result<SequenceFit, SequenceError> {
    let options = params.options();
    check(sequences, items, options)?;
    let validation = Validation::choose(sequences, options);
    let mut trainer = Trainer::new(sequences, items, options, validation.used(sequences));
    let mut best: Option<(f64, usize, Weights<f32>)> = None;
    for epoch in 1..=budget.epochs {
        let (loss, learned, is_whole) = trainer.epoch(epoch, budget.keep_going);
        if !loss.is_finite() || !trainer.is_finite() {
            return Err(SequenceError::Diverged { epoch });
        }
        let gain = validation.gain(sequences, &trainer.weights, &trainer.is_known);
        progress(&SequenceEpoch { epoch, loss, gain, targets: learned });
        let value = gain.unwrap_or(-loss);
        match &best {
            Some((most, at, _)) if value <= *most => {
                if epoch - at >= options.patience {
                    break;
                }
            }
            _ => best = Some((value, epoch, trainer.weights.clone())),
        }
        if !is_whole {
            break;
        }
    }
    let (epochs, weights) =
        best.map_or((0, trainer.weights), |(_, epochs, weights)| (epochs, weights));
    Ok(SequenceFit { model: SequenceModel::new(weights, trainer.is_known), epochs })
}

/// Trains on all that is there for so many epochs, with nothing held out: once it is known
/// from [`fit_until_best`] how many are best. As reproducible, and as large.
///
/// # Errors
/// As [`fit`].
pub fn fit_for(
    sequences: &Sequences,
    items: usize,
    params: &SequenceParams,
    epochs: usize,
) -> Result<SequenceModel, SequenceError> {
    let options = params.options();
    check(sequences, items, options)?;
    let used = sequences.iter().map(<[u32]>::len).collect();
    let mut trainer = Trainer::new(sequences, items, options, used);
    for epoch in 1..=epochs {
        let (loss, _, _) = trainer.epoch(epoch, &|| true);
        if !loss.is_finite() || !trainer.is_finite() {
            return Err(SequenceError::Diverged { epoch });
        }
    }
    Ok(SequenceModel::new(trainer.weights, trainer.is_known))
}

fn check(
    sequences: &Sequences,
    items: usize,
    options: &SequenceOptions,
) -> Result<(), SequenceError> {
    let dimensions = options.dimensions;
    if items.saturating_mul(dimensions) > MOST_NUMBERS {
        return Err(SequenceError::TooLarge { items, dimensions, most: MOST_NUMBERS });
    }
    if let Some(&item) = sequences.items().iter().find(|item| **item as usize >= items) {
        return Err(SequenceError::UnknownItem { item, items });
    }
    if sequences.iter().all(|items| items.len() < 2) {
        return Err(SequenceError::NothingFollows);
    }
    Ok(())
}

/// Weights in training.
struct Trainer<'a> {
    sequences: &'a Sequences,
    /// How many of each person's items are learned from.
    used: Vec<usize>,
    options: &'a SequenceOptions,
    weights: Weights<f32>,
    is_known: Vec<bool>,
    known: Vec<u32>,
    steps: u64,
    dense_moments: Moments,
    item_moments: Moments,
    bias_moments: Moments,
    of_dense: Vec<f32>,
    parts: Vec<Part<f32>>,
    negatives: Negatives<f32>,
    gradient: ItemGradient<f32>,
}

impl<'a> Trainer<'a> {
    fn new(
        sequences: &'a Sequences,
        items: usize,
        options: &'a SequenceOptions,
        used: Vec<usize>,
    ) -> Self {
        let mut counts = vec![0u64; items];
        for (items, &used) in sequences.iter().zip(&used) {
            if used > 1 {
                items[..used].iter().for_each(|&item| counts[item as usize] += 1);
            }
        }
        let is_known: Vec<bool> = counts.iter().map(|count| *count > 0).collect();
        let known = (0..items as u32).filter(|item| is_known[*item as usize]).collect();
        let layout = Layout::new(options.dimensions, options.length, options.blocks);
        let mut weights = Weights::initial(layout, items, options.seed);
        let all: u64 = counts.iter().sum();
        for (bias, count) in weights.biases.iter_mut().zip(&counts) {
            *bias = (*count as f32 / all as f32).max(f32::MIN_POSITIVE).ln();
        }
        Self {
            dense_moments: Moments::new(weights.dense.len()),
            item_moments: Moments::new(weights.items.len()),
            bias_moments: Moments::new(items),
            of_dense: Vec::new(),
            sequences,
            used,
            options,
            weights,
            is_known,
            known,
            steps: 0,
            parts: Vec::new(),
            negatives: Negatives::default(),
            gradient: ItemGradient::new(items, options.dimensions),
        }
    }

    fn is_finite(&self) -> bool {
        let Weights { dense, items, biases, .. } = &self.weights;
        dense.iter().chain(items).chain(biases).all(|value| value.is_finite())
    }

    /// One epoch: the mean loss, how many items were predicted, and whether it was whole.
    fn epoch(&mut self, epoch: usize, keep_going: &dyn Fn() -> bool) -> (f64, usize, bool) {
        let mut rng = self.rng(epoch as u64, Stream::Order);
        let windows = windows(&self.used, self.options.length, &mut rng);
        let (mut total, mut learned) = (0.0, 0);
        for batch in batches(&windows, self.options.batch) {
            if !keep_going() {
                return (total / f64::max(learned as f64, 1.0), learned, false);
            }
            total += self.step(batch);
            learned += targets(batch);
        }
        (total / learned as f64, learned, true)
    }

    /// Chance for a purpose, the same for the same seed and number.
    fn rng(&self, number: u64, stream: Stream) -> ChaCha8Rng {
        let mut rng = ChaCha8Rng::seed_from_u64(self.options.seed);
        rng.set_stream(number * STREAMS + stream.number());
        rng
    }

    /// One step of all weights; the sum of the losses before it.
    fn step(&mut self, batch: &[Window]) -> f64 {
        self.steps += 1;
        let mut rng = self.rng(self.steps, Stream::Negatives);
        let drawn = draw_negatives(&self.known, self.options.negatives, &mut rng);
        let correction = if self.options.corrects_sampling {
            (self.known.len() as f32 / drawn.len().max(1) as f32).ln()
        } else {
            0.0
        };
        self.negatives.gather(&self.weights, drawn, correction);
        let cut = parts(batch);
        let share = 1.0 / targets(batch).max(1) as f32;
        let mut work = std::mem::take(&mut self.parts);
        work.resize_with(work.len().max(cut.len()), Part::default);
        let dropping = Dropping::new(self.options.dropout);
        let this = &*self;
        work.par_iter_mut().zip(&cut).enumerate().with_max_len(1).for_each(|(at, (part, cut))| {
            part.tokens.clear();
            cut.iter().for_each(|window| window.append_to(this.sequences, &mut part.tokens));
            let mut rng = this.rng(this.steps, Stream::Dropped(at as u64));
            let draw: Draw<'_> = &mut |bytes| rng.fill_bytes(bytes);
            part.work(&this.weights, &this.negatives, share, dropping.map(|drops| (drops, draw)));
        });
        let mut total = 0.0;
        self.gradient.clear();
        self.of_dense.clear();
        self.of_dense.resize(self.weights.dense.len(), 0.0);
        for part in &work[..cut.len()] {
            total += part.total;
            vectorised(|| add(&mut self.of_dense, &part.of_dense));
            self.gradient.add(part, &self.negatives.items);
        }
        self.parts = work;
        self.update();
        total
    }

    /// Steps all dense weights, and the rows of the item table that the batch touched.
    fn update(&mut self) {
        let step = Step::new(self.steps, self.options.learning_rate);
        let share = self.options.learning_rate * self.options.weight_decay;
        let d = self.options.dimensions;
        let weights = &mut self.weights;
        if share > 0.0 {
            let matrices: Vec<_> = weights.layout.matrices().cloned().collect();
            matrices.into_iter().for_each(|range| decay(&mut weights.dense[range], share));
        }
        self.dense_moments.step(0, &mut weights.dense, &self.of_dense, step);
        for (item, of_row, of_bias) in self.gradient.rows() {
            let item = item as usize;
            let row = &mut weights.items[item * d..(item + 1) * d];
            if share > 0.0 {
                decay(row, share);
            }
            self.item_moments.step(item * d, row, of_row, step);
            let bias = &mut weights.biases[item..=item];
            self.bias_moments.step(item, bias, &[of_bias], step);
        }
    }
}

/// What chance is used for.
enum Stream {
    Order,
    Negatives,
    /// By a part of a batch.
    Dropped(u64),
}

/// The most streams of one number: a batch has fewer parts.
const STREAMS: u64 = 1 << 16;

impl Stream {
    fn number(&self) -> u64 {
        match self {
            Self::Order => 0,
            Self::Negatives => 1,
            Self::Dropped(part) => 2 + part,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options() -> SequenceOptions {
        let small = SequenceOptions {
            dimensions: 16,
            blocks: 1,
            length: 8,
            batch: 64,
            ..SequenceOptions::default()
        };
        SequenceOptions { learning_rate: 5e-3, dropout: 0.1, ..small }
    }

    fn budget(epochs: usize) -> SequenceBudget<'static> {
        SequenceBudget { epochs, keep_going: &|| true }
    }

    /// Everybody walks round a circle of items, from where they like.
    fn circle(people: u32, items: u32) -> Sequences {
        let walk =
            |person: u32| -> Vec<u32> { (0..9).map(|at| (person * 7 + at) % items).collect() };
        let walks: Vec<Vec<u32>> = (0..people).map(walk).collect();
        walks.iter().map(Vec::as_slice).collect()
    }

    fn trained(sequences: &Sequences, items: usize, options: SequenceOptions) -> SequenceModel {
        fit(sequences, items, &options.check().unwrap(), budget(30), &|_| ()).unwrap()
    }

    fn best(model: &SequenceModel, history: &[u32]) -> u32 {
        crate::rank::top_k(&model.scores(&model.user_vector(history)), 1)[0]
    }

    #[test]
    fn what_follows_is_learned_and_the_order_matters() {
        let sequences = circle(120, 20);
        for negatives in [8, 256] {
            let model = trained(&sequences, 20, SequenceOptions { negatives, ..options() });
            assert_eq!(best(&model, &[3, 4, 5]), 6);
            assert_eq!(best(&model, &[18, 19]), 0);
            assert_eq!(best(&model, &[5]), 6);
            let changes = model.left_out(&[3, 4, 5], 6, 2);
            assert_eq!((changes[0].position, changes[0].item, changes.len()), (2, 5, 2));
            assert!(changes[0].change > changes[1].change.abs(), "{changes:?}");
        }
    }

    #[test]
    fn the_number_of_threads_does_not_change_the_result() {
        let sequences = circle(300, 30);
        let params = SequenceOptions { batch: 2000, ..options() }.check().unwrap();
        let with = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| fit(&sequences, 30, &params, budget(3), &|_| ()).unwrap().tensors())
        };
        let one = with(1);
        assert_eq!(one, with(3));
        let other = SequenceOptions { seed: 5, ..*params.options() };
        assert_ne!(one, trained(&sequences, 30, other).tensors());
    }

    #[test]
    fn training_ends_when_the_caller_says_so_or_nothing_improves() {
        let sequences = circle(300, 30);
        let params = SequenceOptions { patience: 2, ..options() }.check().unwrap();
        let epochs = std::cell::RefCell::new(Vec::new());
        let told = |epoch: &SequenceEpoch| epochs.borrow_mut().push(*epoch);
        let asked = std::sync::atomic::AtomicUsize::new(0);
        let keep_going = || asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed) < 3;
        let stopped = SequenceBudget { epochs: 10, keep_going: &keep_going };
        fit(&sequences, 30, &params, stopped, &told).unwrap();
        assert_eq!(epochs.borrow().len(), 1);
        assert!((100..250).contains(&epochs.borrow()[0].targets));
        epochs.borrow_mut().clear();
        fit(&sequences, 30, &params, budget(1000), &told).unwrap();
        let gains: Vec<f64> = epochs.borrow().iter().filter_map(|epoch| epoch.gain).collect();
        let most = gains.iter().copied().fold(0.0, f64::max);
        let at = gains.iter().position(|gain| *gain == most).unwrap();
        assert_eq!(gains.len(), at + 3, "{gains:?}");
        let nothing = SequenceBudget { epochs: 0, ..budget(1) };
        let untrained = fit(&sequences, 30, &params, nothing, &|_| ()).unwrap();
        assert!(
            untrained.scores(&untrained.user_vector(&[1])).iter().all(|score| score.is_finite())
        );
    }

    #[test]
    fn what_was_held_out_is_learned_from_once_the_number_of_epochs_is_known() {
        let mut people: Vec<Vec<u32>> =
            (0..60).map(|person| (0..9).map(|at| (person * 7 + at) % 20).collect()).collect();
        // Each person's last item is one that nobody else has.
        let each = people.iter_mut().enumerate();
        each.for_each(|(person, items)| items.push(20 + person as u32));
        let sequences: Sequences = people.iter().map(Vec::as_slice).collect();
        let params = options().check().unwrap();
        let found = fit_until_best(&sequences, 80, &params, budget(6), &|_| ()).unwrap();
        assert!((1..=6).contains(&found.epochs));
        assert_eq!(found.model, fit(&sequences, 80, &params, budget(6), &|_| ()).unwrap());
        let known = |model: &SequenceModel| (0..80).filter(|item| model.is_known(*item)).count();
        assert!(known(&found.model) < 80);
        let whole = fit_for(&sequences, 80, &params, found.epochs).unwrap();
        assert_eq!(known(&whole), 80);
        assert_eq!(whole, fit_for(&sequences, 80, &params, found.epochs).unwrap());
        assert_ne!(whole, fit_for(&sequences, 80, &params, found.epochs + 1).unwrap());
        assert!(fit_for(&sequences, 79, &params, 1).is_err());
    }

    #[test]
    fn what_cannot_be_learned_from_is_refused() {
        let params = options().check().unwrap();
        let fitted = |people: &[&[u32]], items: usize| {
            let sequences: Sequences = people.iter().copied().collect();
            fit(&sequences, items, &params, budget(1), &|_| ()).map(|_| ()).unwrap_err()
        };
        assert_eq!(fitted(&[], 5), SequenceError::NothingFollows);
        assert_eq!(fitted(&[&[1], &[], &[2]], 5), SequenceError::NothingFollows);
        assert_eq!(
            fitted(&[&[1, u32::MAX]], 5),
            SequenceError::UnknownItem { item: u32::MAX, items: 5 }
        );
        assert!(matches!(fitted(&[&[1, 2]], usize::MAX), SequenceError::TooLarge { .. }));
    }

    #[test]
    fn the_smallest_worlds_give_finite_scores() {
        let same = vec![vec![2u32; 30]; 5];
        let worlds: [(Vec<Vec<u32>>, usize); 4] = [
            (vec![vec![0, 0]], 1),
            (vec![vec![0, 1]], 2),
            (same, 4),
            (vec![vec![0, 1, 2], vec![2], vec![], vec![1, 0]], 3),
        ];
        for (people, items) in worlds {
            let sequences: Sequences = people.iter().map(Vec::as_slice).collect();
            let model = trained(&sequences, items, options());
            for history in [&[][..], &[0], &people[0], &[9, u32::MAX]] {
                let scores = model.scores(&model.user_vector(history));
                for (item, score) in scores.iter().enumerate() {
                    assert_eq!(score.is_finite(), model.is_known(item as u32));
                }
            }
        }
    }

    #[test]
    fn a_rate_that_is_far_too_high_gives_an_error_or_numbers() {
        let options = SequenceOptions { learning_rate: 0.1, ..options() };
        match fit(&circle(50, 20), 20, &options.check().unwrap(), budget(20), &|_| ()) {
            Ok(model) => {
                assert!(model.scores(&model.user_vector(&[1, 2])).iter().all(|s| s.is_finite()));
            }
            Err(error) => assert!(matches!(error, SequenceError::Diverged { .. })),
        }
    }
}
