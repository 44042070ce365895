//! What the rankers that were chosen rank by: made from a matrix, and put into mixtures.

use std::collections::BTreeMap;

use super::item_item_fit::Grounds;
use super::{MixtureChoice, MixtureReport, RankerChoice, sequence_fit};
use crate::entities::ids::DomainId;
use crate::evidence::items::{DomainRanges, DomainRows};
use crate::maths::sequence::SequenceModel;
use crate::maths::sparse::SparseRows;
use crate::model::mixtures::item_item::ItemItem;
use crate::model::mixtures::sequence::Sequence;
use crate::model::mixtures::{Mixture, Mixtures, Ranker};

/// What a ranker ranks by that is made from what people did.
#[derive(Debug, Clone, PartialEq)]
pub enum RankerTable {
    /// Weights between items: past items x items.
    Weights(SparseRows),
    /// A sequence model.
    Sequence(SequenceModel),
}

/// What rankers of domains rank by: for each domain, that of its mixture's rankers, by their
/// place in it.
pub type RankerTables = BTreeMap<DomainId, BTreeMap<usize, RankerTable>>;

/// Makes the tables that the reports call for.
#[must_use]
pub fn ranker_tables(
    matrix: &SparseRows,
    ranges: &DomainRanges,
    reports: &[MixtureReport],
) -> RankerTables {
    let of_domain = |(domain, choice): (&DomainId, &MixtureChoice)| {
        let rows = ranges.get(domain)?;
        let grounds = Grounds::of(matrix, rows);
        let table = |(at, ranker): (usize, &RankerChoice)| match *ranker {
            RankerChoice::Factors | RankerChoice::Popularity | RankerChoice::RecentPopularity => {
                None
            }
            RankerChoice::ItemItem(method) => {
                Some((at, RankerTable::Weights(grounds.fit(method)?)))
            }
            RankerChoice::Sequence(method) => {
                Some((at, RankerTable::Sequence(sequence_fit::fit(matrix, rows, method)?)))
            }
        };
        let tables = choice.rankers.iter().enumerate().filter_map(table).collect();
        Some((domain.clone(), tables))
    };
    served(reports).filter_map(of_domain).collect()
}

fn served(reports: &[MixtureReport]) -> impl Iterator<Item = (&DomainId, &MixtureChoice)> {
    reports.iter().filter_map(|report| Some((&report.domain, report.served()?)))
}

/// How popular the items are that are ranked, all by row.
#[derive(Debug, Clone, Copy)]
pub struct PopularItems<'a> {
    /// The rows of each domain.
    pub ranges: &'a DomainRanges,
    /// Of late.
    pub popularity: &'a [f32],
    /// Just now; empty where that is not known.
    pub recent: &'a [f32],
}

/// The mixtures that the reports call for, with tables that were made, for items that are
/// so popular. A domain whose tables could not be made is ranked by its factors.
#[must_use]
pub fn mixtures(
    mut tables: RankerTables,
    reports: &[MixtureReport],
    items: PopularItems<'_>,
) -> Mixtures {
    let mut mixtures = Mixtures::none();
    for (domain, choice) in served(reports) {
        let made = tables.remove(domain).unwrap_or_default();
        let Some(rows) = items.ranges.get(domain) else { continue };
        if let Some(mixture) = mixture(choice, made, (rows, items)) {
            mixtures.insert(domain.clone(), mixture);
        }
    }
    mixtures
}

fn mixture(
    choice: &MixtureChoice,
    mut made: BTreeMap<usize, RankerTable>,
    (rows, items): (&DomainRows, PopularItems<'_>),
) -> Option<Mixture> {
    let of_domain = |all: &[f32]| all.get(rows.range.clone()).map(<[f32]>::to_vec);
    let ranker = |(at, ranker): (usize, &RankerChoice)| match *ranker {
        RankerChoice::Factors => Some(Ranker::Factors),
        RankerChoice::Popularity => of_domain(items.popularity).map(Ranker::Popularity),
        RankerChoice::RecentPopularity => of_domain(items.recent).map(Ranker::RecentPopularity),
        RankerChoice::ItemItem(method) => match made.remove(&at)? {
            RankerTable::Weights(weights) => Some(Ranker::ItemItem(ItemItem::new(method, weights))),
            RankerTable::Sequence(_) => None,
        },
        RankerChoice::Sequence(method) => match made.remove(&at)? {
            RankerTable::Sequence(model) => Some(Ranker::Sequence(Sequence::new(method, model))),
            RankerTable::Weights(_) => None,
        },
    };
    let rankers: Option<Vec<Ranker>> = choice.rankers.iter().enumerate().map(ranker).collect();
    Some(Mixture { rankers: rankers?, shares: choice.shares.clone(), unit: choice.unit })
}
