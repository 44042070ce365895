//! Weights between the items of a domain: which are tried, and their fits.

use std::collections::BTreeMap;

use super::{MixtureChoice, MixtureReport, RankerChoice};
use crate::entities::ids::DomainId;
use crate::evidence::items::{DomainRanges, DomainRows};
use crate::maths::item_item::cosine::{self, CosineOptions};
use crate::maths::item_item::ease::{self, EaseOptions};
use crate::maths::item_item::local_ridge::{self, LocalRidgeOptions};
use crate::maths::item_item::walks::{self, WalkOptions};
use crate::maths::sparse::SparseRows;
use crate::model::mixtures::item_item::{ItemItem, ItemItemMethod};
use crate::model::mixtures::{Mixture, Mixtures, Ranker};
use crate::training::bridging::domain_fits::DomainPart;

/// Most items of a catalogue whose items are all regressed on each other: the time grows
/// with the cube of their number, some seconds here.
const MOST_ITEMS_AT_ONCE: usize = 5_000;
/// Weights kept for each past item where all items were regressed on each other: fewer cost
/// quality there. A bound on the model's size, 8 bytes each.
const KEPT: usize = 256;
/// Weights kept for each past item elsewhere, and items that each is regressed on: more
/// bring nothing.
const NEAREST: usize = 64;
/// Most interactions of a domain between whose items weights are made: a bound on the
/// time, which grows with the square of what a person did.
const MOST_INTERACTIONS: usize = 30_000_000;

/// The methods of each family that are tried on a domain of so many items and
/// interactions; the best of each family may have a share.
pub(super) fn families(items: usize, interactions: usize) -> Vec<Vec<ItemItemMethod>> {
    if interactions > MOST_INTERACTIONS || items < 2 {
        return Vec::new();
    }
    vec![on_nearest(), on_all(items), walking(), cosines()]
}

fn on_nearest() -> Vec<ItemItemMethod> {
    let of = |ridge| {
        let candidates = NEAREST;
        let options =
            LocalRidgeOptions { ridge, candidates, kept: NEAREST, ..LocalRidgeOptions::default() };
        options.check().map(ItemItemMethod::LocalRidge)
    };
    [10.0, 100.0].into_iter().map(of).filter_map(Result::ok).collect()
}

fn on_all(items: usize) -> Vec<ItemItemMethod> {
    let of = |(ridge, activity_exponent)| {
        let kept = KEPT;
        let options = EaseOptions { ridge, activity_exponent, kept, ..EaseOptions::default() };
        options.check().map(ItemItemMethod::Ease)
    };
    let tried = [(5.0, 0.5), (50.0, 0.5), (300.0, 0.0), (1_000.0, 0.0)];
    let tried = tried.into_iter().filter(|_| items <= MOST_ITEMS_AT_ONCE);
    tried.map(of).filter_map(Result::ok).collect()
}

fn walking() -> Vec<ItemItemMethod> {
    let of = |(alpha, beta)| {
        let options = WalkOptions { alpha, beta, kept: NEAREST, ..WalkOptions::default() };
        options.check().map(ItemItemMethod::Walk)
    };
    [(1.0, 0.2), (1.0, 0.5)].into_iter().map(of).filter_map(Result::ok).collect()
}

fn cosines() -> Vec<ItemItemMethod> {
    let of = |(shrinkage, exponent)| {
        let kept = NEAREST;
        let options = CosineOptions { shrinkage, exponent, kept, ..CosineOptions::default() };
        options.check().map(ItemItemMethod::Cosine)
    };
    [(10.0, 1.0), (100.0, 0.5)].into_iter().map(of).filter_map(Result::ok).collect()
}

/// Makes the weights of a domain's part; `None` when it cannot.
pub(super) fn fit(part: &SparseRows, method: ItemItemMethod) -> Option<SparseRows> {
    let weights = match &method {
        ItemItemMethod::Ease(params) => ease::fit(part, params),
        ItemItemMethod::LocalRidge(params) => local_ridge::fit(part, params),
        ItemItemMethod::Walk(params) => walks::fit(part, params),
        ItemItemMethod::Cosine(params) => cosine::fit(part, params),
    };
    weights.ok()
}

/// Weights between the items of domains: for each domain, those of its mixture's rankers,
/// by their place in it.
pub type ItemItemWeights = BTreeMap<DomainId, BTreeMap<usize, SparseRows>>;

/// Makes the weights that the reports call for.
#[must_use]
pub fn item_item_weights(
    matrix: &SparseRows,
    ranges: &DomainRanges,
    reports: &[MixtureReport],
) -> ItemItemWeights {
    let of_domain = |(domain, choice): (&DomainId, &MixtureChoice)| {
        let part = DomainPart::of(matrix, ranges.get(domain)?).matrix;
        let weights = |(at, ranker): (usize, &RankerChoice)| match *ranker {
            RankerChoice::Factors | RankerChoice::Popularity => None,
            RankerChoice::ItemItem(method) => Some((at, fit(&part, method)?)),
        };
        let weights = choice.rankers.iter().enumerate().filter_map(weights).collect();
        Some((domain.clone(), weights))
    };
    served(reports).filter_map(of_domain).collect()
}

fn served(reports: &[MixtureReport]) -> impl Iterator<Item = (&DomainId, &MixtureChoice)> {
    reports.iter().filter_map(|report| Some((&report.domain, report.served()?)))
}

/// The mixtures that the reports call for, with weights that were made, for items that are
/// so popular. A domain whose weights could not be made is ranked by its factors.
#[must_use]
pub fn mixtures(
    mut weights: ItemItemWeights,
    reports: &[MixtureReport],
    (ranges, popularity): (&DomainRanges, &[f32]),
) -> Mixtures {
    let mut mixtures = Mixtures::none();
    for (domain, choice) in served(reports) {
        let made = weights.remove(domain).unwrap_or_default();
        let Some(rows) = ranges.get(domain) else { continue };
        if let Some(mixture) = mixture(choice, made, (rows, popularity)) {
            mixtures.insert(domain.clone(), mixture);
        }
    }
    mixtures
}

fn mixture(
    choice: &MixtureChoice,
    mut made: BTreeMap<usize, SparseRows>,
    (rows, popularity): (&DomainRows, &[f32]),
) -> Option<Mixture> {
    let ranker = |(at, ranker): (usize, &RankerChoice)| match *ranker {
        RankerChoice::Factors => Some(Ranker::Factors),
        RankerChoice::Popularity => {
            popularity.get(rows.range.clone()).map(|shares| Ranker::Popularity(shares.to_vec()))
        }
        RankerChoice::ItemItem(method) => {
            made.remove(&at).map(|weights| Ranker::ItemItem(ItemItem::new(method, weights)))
        }
    };
    let rankers: Option<Vec<Ranker>> = choice.rankers.iter().enumerate().map(ranker).collect();
    Some(Mixture { rankers: rankers?, shares: choice.shares.clone(), unit: choice.unit })
}
