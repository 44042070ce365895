//! Hyper-parameters of a sequence model.

use serde::{Deserialize, Serialize};

use crate::options::{Rule, checked, is_within};

/// Hyper-parameters as a caller gives them.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SequenceOptions {
    /// Length of an item's embedding and of all that is computed from it, 4 to 512; the
    /// multiples of 16 are quickest.
    pub dimensions: usize,
    /// Blocks of attention and feed-forward layers, 1 to 8.
    pub blocks: usize,
    /// The most of a history that is looked at, newest first, 1 to 512.
    pub length: usize,
    /// Items that compete with the one that followed, drawn anew for each batch and shared
    /// by it, 1 to 65,536. Where the catalogue has no more than these, all compete.
    pub negatives: usize,
    /// Whether a negative stands for all those that were not drawn (the correction by
    /// `log Q`), so that the loss estimates that of the whole catalogue.
    pub corrects_sampling: bool,
    /// Share of values that are dropped in training, 0 to 0.9; rounded to 256ths.
    pub dropout: f32,
    /// Step size of the optimiser, 1e-6 to 0.1.
    pub learning_rate: f32,
    /// What a step takes off each weight of a matrix, as a multiple of the step size, 0 to 1.
    pub weight_decay: f32,
    /// Items to be predicted in a batch, 16 to 65,536.
    pub batch: usize,
    /// Epochs without an improvement after which training stops, 1 to 1000.
    pub patience: usize,
    /// Seed of the weights, the order, the negatives, and of what is dropped.
    pub seed: u64,
}

impl Default for SequenceOptions {
    fn default() -> Self {
        Self {
            dimensions: 64,
            blocks: 2,
            length: 50,
            negatives: 256,
            corrects_sampling: false,
            dropout: 0.2,
            learning_rate: 1e-3,
            weight_decay: 0.0,
            batch: 2048,
            patience: 10,
            seed: 42,
        }
    }
}

/// Checked hyper-parameters; made by [`SequenceOptions::check`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "SequenceOptions", into = "SequenceOptions")]
pub struct SequenceParams(SequenceOptions);

impl SequenceOptions {
    fn rules(&self) -> [Rule; 9] {
        [
            ((4..=512).contains(&self.dimensions), "dimensions", "4 to 512"),
            ((1..=8).contains(&self.blocks), "blocks", "1 to 8"),
            ((1..=512).contains(&self.length), "length", "1 to 512"),
            ((1..=65_536).contains(&self.negatives), "negatives", "1 to 65536"),
            (is_within(self.dropout, 0.0, 0.9), "dropout", "0 to 0.9"),
            (is_within(self.learning_rate, 1e-6, 0.1), "learning_rate", "1e-6 to 0.1"),
            (is_within(self.weight_decay, 0.0, 1.0), "weight_decay", "0 to 1"),
            ((16..=65_536).contains(&self.batch), "batch", "16 to 65536"),
            ((1..=1000).contains(&self.patience), "patience", "1 to 1000"),
        ]
    }
}

checked!(SequenceOptions, SequenceParams);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_out_of_their_range_are_named() {
        let usual = SequenceOptions::default();
        assert!(usual.check().is_ok());
        let wrong = [
            (SequenceOptions { dimensions: 3, ..usual }, "dimensions"),
            (SequenceOptions { blocks: 0, ..usual }, "blocks"),
            (SequenceOptions { length: 513, ..usual }, "length"),
            (SequenceOptions { negatives: 0, ..usual }, "negatives"),
            (SequenceOptions { dropout: f32::NAN, ..usual }, "dropout"),
            (SequenceOptions { learning_rate: f32::INFINITY, ..usual }, "learning_rate"),
            (SequenceOptions { weight_decay: -0.1, ..usual }, "weight_decay"),
            (SequenceOptions { batch: 15, ..usual }, "batch"),
            (SequenceOptions { patience: 0, ..usual }, "patience"),
        ];
        for (options, name) in wrong {
            assert_eq!(options.check().unwrap_err().name, name);
        }
    }
}
