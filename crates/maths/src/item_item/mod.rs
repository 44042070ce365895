//! Item-item models: a sparse *item x item* matrix `B` that turns what a person did,
//! a row `x` of values, into the scores `x B` of all items.
//!
//! Row `i` of `B` belongs to the past item `i`, its entry `j` is the weight with which
//! `i` speaks for item `j`. So a score is linear in the past and decomposes into the
//! past items exactly: see [`scores`] and [`contributions`]. The diagonal is zero:
//! no item speaks for itself.
//!
//! | method | module | source |
//! | --- | --- | --- |
//! | EASE, exact; popularity-aware as EDLAE | [`ease`] | Steck 2019, 2020 |
//! | ridge on each item's best candidates, for catalogues too large for EASE | [`local_ridge`] | Ning and Karypis 2011; Steck 2019 |
//! | random walks of three steps | [`walks`] | Cooper et al. 2014; Paudel et al. 2017 |
//! | BM25-weighted cosine with shrinkage | [`cosine`] | Robertson and Zaragoza 2009 |
//! | ridge from earlier to later items | [`next_item`] | Choi et al. 2021 |
//!
//! All of them fit on what is liked (confidences above zero): a dislike is treated as
//! absent. All keep at most `kept` weights of a past item, the greatest by magnitude,
//! ties going to the lower item. None depends on the number of threads.

use serde::{Deserialize, Serialize};

use crate::dense::NotPositiveDefinite;
use crate::options::Rule;
use crate::sparse::SparseRows;

pub mod cosine;
pub mod ease;
mod inverse;
pub mod local_ridge;
pub mod next_item;
mod pair_sums;
mod strongest;
#[cfg(test)]
mod tests;
pub mod walks;

/// Weights of a past item that are kept when nothing else is said.
pub const KEPT: usize = 256;

/// Most weights of a past item that may be kept: beyond it the matrix is not sparse.
const MOST_KEPT: usize = 1 << 20;

/// How a confidence becomes the value of an item in a person's row. All three are
/// bounded, so no confidence, however large, outweighs all others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConfidenceUse {
    /// 1 for everything liked.
    #[default]
    Binary,
    /// `c / (c + 1)`, at most 1.
    Saturated,
    /// `ln(1 + c)`, below 89 in single precision.
    Logarithmic,
}

impl ConfidenceUse {
    /// The value of an item with this confidence; 0 for what is not liked.
    #[must_use]
    pub fn value(self, confidence: f32) -> f32 {
        match self {
            _ if confidence.is_nan() || confidence <= 0.0 => 0.0,
            Self::Binary => 1.0,
            Self::Saturated => confidence / (confidence + 1.0),
            Self::Logarithmic => confidence.ln_1p(),
        }
    }

    /// The rows of people with values in place of confidences, without what has none.
    fn apply(self, people: &SparseRows) -> Result<SparseRows, FitError> {
        let all = |row| people.row(row).1.iter().all(|confidence| confidence.is_finite());
        if !(0..people.rows()).all(all) {
            return Err(FitError::NotFinite);
        }
        let values = |row| {
            let (items, confidences) = people.row(row);
            let values = confidences.iter().map(|confidence| self.value(*confidence));
            items.iter().copied().zip(values).filter(|(_, value)| *value > 0.0).collect()
        };
        Ok(SparseRows::from_rows(people.columns(), (0..people.rows()).map(values)))
    }
}

/// Why there is no matrix of weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FitError {
    /// A confidence or weight that is no number or infinite.
    #[error("a confidence is not a finite number")]
    NotFinite,
    /// The catalogue is too large for a method that holds a dense matrix.
    #[error("{items} items are more than the {limit} that fit into memory")]
    TooManyItems {
        /// Items of the catalogue.
        items: usize,
        /// Most that the method takes.
        limit: usize,
    },
    /// A history names an item that the catalogue does not have.
    #[error("item {item} is not one of {items}")]
    UnknownItem {
        /// The item that was named.
        item: u32,
        /// Items of the catalogue.
        items: usize,
    },
    /// The equations could not be solved.
    #[error(transparent)]
    NotPositiveDefinite(#[from] NotPositiveDefinite),
}

/// Adds the scores of all items for a past of (item, value) to `into`, which has one
/// place an item. What the matrix does not know is passed over.
///
/// ```
/// use crossfold_maths::item_item::{contributions, scores};
/// use crossfold_maths::sparse::SparseRows;
///
/// let weights = SparseRows::from_rows(3, [vec![(1, 0.5), (2, 0.25)], vec![(2, 1.0)], vec![]]);
/// let past = [(0, 1.0), (1, 0.5)];
/// let mut all = [0.0; 3];
/// scores(&weights, &past, &mut all);
/// assert_eq!(all, [0.0, 0.5, 0.75]);
/// assert_eq!(contributions(&weights, &past, 2), [(0, 0.25), (1, 0.5)]);
/// ```
pub fn scores(weights: &SparseRows, past: &[(u32, f32)], into: &mut [f32]) {
    for &(item, value) in past.iter().filter(|(item, _)| (*item as usize) < weights.rows()) {
        let (scored, row) = weights.row(item as usize);
        for (&scored, weight) in scored.iter().zip(row) {
            if let Some(sum) = into.get_mut(scored as usize) {
                *sum += value * weight;
            }
        }
    }
}

/// How much each past item adds to the score of `item`: (past item, share of the
/// score), for those that add something. They sum up to the score of [`scores`].
#[must_use]
pub fn contributions(weights: &SparseRows, past: &[(u32, f32)], item: u32) -> Vec<(u32, f32)> {
    let share = |&(past, value): &(u32, f32)| {
        let (scored, row) = weights.row(past as usize);
        let at = scored.binary_search(&item).ok()?;
        Some((past, value * row[at]))
    };
    past.iter().filter(|(past, _)| (*past as usize) < weights.rows()).filter_map(share).collect()
}

fn kept_rule(kept: usize) -> Rule {
    ((1..=MOST_KEPT).contains(&kept), "kept", "1 to 1048576")
}
