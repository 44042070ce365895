//! The same on a matrix alone: for measurements on files, which have no histories.

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::trial::{ChoosingItems, Grounds, choose};
use super::{MixtureReport, PopularItems, Room, mixtures, ranker_tables};
use crate::evidence::items::{DomainRanges, Weighted};
use crate::evidence::popularity::Popularity;
use crate::maths::als::AlsParams;
use crate::maths::fold_in::UnobservedItems;
use crate::maths::sparse::SparseRows;
use crate::model::bridges::Bridges;
use crate::model::look_alikes::LookAlikes;
use crate::model::scoring::{ScoringTables, TableParts};
use crate::training::TrainingError;
use crate::training::bridging::domain_fits::DomainFits;

/// Tries the rankers of each domain on the newest fifth of what each person likes in it,
/// one item at least, where another is left; of what shares a place, any. Where the matrix
/// has no places, or those of most people tell nothing, it is any fifth.
///
/// # Errors
/// [`TrainingError`] when confidences are too extreme for single precision.
pub fn choose_on(
    matrix: &SparseRows,
    ranges: &DomainRanges,
    params: &AlsParams,
    progress: &(dyn Fn() + Sync),
) -> Result<Vec<MixtureReport>, TrainingError> {
    let seed = params.options().seed;
    let held_out = newest_fifth(matrix, ranges, seed);
    let without = matrix.without(&held_out);
    let popularity = Popularity { shares: shares(&without), ..Popularity::default() };
    let tables = tables_on(&without, (ranges, params), &[], progress)?;
    let choosing = ChoosingItems { held_out, popularity, is_newest: is_ordered(matrix) };
    let grounds = Grounds { matrix: &without, choosing: &choosing, tables: &tables, seed };
    let mut room = Room::default();
    ranges.values().map(|rows| Ok(choose(grounds, rows, &mut room)?)).collect()
}

/// What is served of each domain alone, by what was found of its rankers.
///
/// # Errors
/// [`TrainingError`] when confidences are too extreme for single precision.
pub fn tables_on(
    matrix: &SparseRows,
    (ranges, params): (&DomainRanges, &AlsParams),
    found: &[MixtureReport],
    progress: &(dyn Fn() + Sync),
) -> Result<ScoringTables, TrainingError> {
    let popularity = shares(matrix);
    let made = ranker_tables(matrix, ranges, found);
    let of_items = PopularItems { ranges, popularity: &popularity, recent: &[] };
    Ok(ScoringTables::new(TableParts {
        ranges: ranges.clone(),
        params: *params,
        unobserved: UnobservedItems::default(),
        item_factors: DomainFits::fit(matrix, ranges, params, progress)?.items,
        domain_factors: None,
        bridges: Bridges::none(),
        mixtures: mixtures(made, found, of_items),
        look_alikes: LookAlikes::default(),
        by_popularity: Default::default(),
        young_items: Default::default(),
    })?)
}

/// The share of all people who like each item.
fn shares(matrix: &SparseRows) -> Vec<f32> {
    let people = matrix.rows().max(1) as f32;
    matrix.column_counts().into_iter().map(|count| count as f32 / people).collect()
}

/// Whether most of the people who did two things did them at different places.
fn is_ordered(matrix: &SparseRows) -> bool {
    let differ = |places: &[u16]| places.iter().any(|place| *place != places[0]);
    let of_person = |person| matrix.places(person).filter(|places| places.len() > 1);
    let (mut several, mut ordered) = (0, 0);
    for places in (0..matrix.rows()).filter_map(of_person) {
        several += 1;
        ordered += usize::from(differ(places));
    }
    ordered > 0 && 2 * ordered >= several
}

fn newest_fifth(matrix: &SparseRows, ranges: &DomainRanges, seed: u64) -> Vec<Vec<u32>> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut of_person = |person: usize| {
        let mut held_out = Vec::new();
        for rows in ranges.values() {
            let known = rows.interactions_of(matrix, person);
            let liked = known.iter().filter(|known| known.is_liked());
            let mut liked: Vec<(u16, u32)> =
                liked.map(|known: &Weighted| (known.place, known.row.0)).collect();
            liked.shuffle(&mut rng);
            liked.sort_by_key(|(place, _)| *place); // Stable: of equals, any.
            liked.truncate((liked.len() / 5).max(usize::from(liked.len() > 1)));
            held_out.extend(liked.into_iter().map(|(_, item)| item));
        }
        held_out
    };
    (0..matrix.rows()).map(&mut of_person).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::maths::als::AlsOptions;
    use crate::training::bridging::trial::tests::{ranges, world};

    #[test]
    fn what_is_held_out_to_choose_by_is_a_fifth_of_each_domain_and_never_all() {
        let matrix = world(50, true, 1);
        for person in 0..matrix.rows() {
            let held_out = &newest_fifth(&matrix, &ranges(), 3)[person];
            for rows in ranges().values() {
                let liked = rows.interactions_of(&matrix, person).len();
                let out = held_out.iter().filter(|item| rows.range.contains(&(**item as usize)));
                assert_eq!(out.count(), (liked / 5).max(usize::from(liked > 1)));
            }
        }
    }

    #[test]
    fn what_is_held_out_is_the_newest_where_there_are_places() {
        let rows = [(0..10).map(|item| (item, 1.0)).collect(), vec![(3, 1.0), (12, 1.0)]];
        let matrix = SparseRows::from_rows(40, rows);
        assert!(!is_ordered(&matrix));
        let places = (0..10).rev().chain([0, 1]).collect();
        let ordered = matrix.clone().with_places(places);
        assert!(is_ordered(&ordered));
        let held_out = newest_fifth(&ordered, &ranges(), 3);
        assert_eq!(BTreeSet::from_iter(&held_out[0]), BTreeSet::from([&8, &9]));
        assert!(!is_ordered(&matrix.with_places(vec![0; 12])));
    }

    #[test]
    fn every_domain_of_a_matrix_is_judged_and_served() {
        let (matrix, ranges) = (world(200, true, 1), ranges());
        let options = AlsOptions { factors: 2, iterations: 4, ..AlsOptions::default() };
        let params = options.check().unwrap();
        let found = choose_on(&matrix, &ranges, &params, &|| ()).unwrap();
        assert_eq!(found.len(), 2);
        let served = tables_on(&matrix, (&ranges, &params), &found, &|| ()).unwrap();
        for (report, domain) in found.iter().zip(ranges.keys()) {
            assert_eq!(&report.domain, domain);
            assert_eq!(served.mixtures().get(domain).is_some(), report.served().is_some());
        }
    }
}
