//! Offline evaluation by full ranking: every item of the catalogue competes.
//!
//! Sampled metrics are not offered: they can invert an order (Krichene and
//! Rendle 2020). Accuracy is measured person by person ([`Measurements`]), so
//! that means get intervals and two methods can be paired; what a catalogue's
//! owner asks of the lists as a whole is in [`list_metrics`].

mod agreement;
pub(crate) mod categories;
mod domain_evaluation;
mod folds;
mod lists;
mod measurements;
mod ranking;

use std::collections::BTreeMap;

pub use agreement::adjusted_rand_index;
pub use categories::{CategoryShares, SMOOTHING};
pub use domain_evaluation::{
    BucketEvaluation, DomainEvaluation, EVIDENCE_FROM, Intervals, MAIN_METRICS, summarise,
};
pub use folds::{Fold, hold_out};
pub use lists::{Catalogue, intra_list_distance, list_metrics};
pub use measurements::Measurements;
pub use ranking::{
    RankingCase, cases_of, evaluate_common_scores, evaluate_factors, measure,
    rank_by_common_scores, rank_by_factors,
};

/// The lengths of list at which metrics are taken.
pub const CUTOFFS: [usize; 2] = [10, 20];

/// The longest of [`CUTOFFS`]: how long ranked lists are.
pub const LIST_LENGTH: usize = 20;

/// Metrics by name (`ndcg@20`), averaged over people with a relevant item.
pub type Metrics = BTreeMap<String, f64>;
