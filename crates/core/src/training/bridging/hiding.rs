//! Hiding the history of some people in one domain, so that candidates can be
//! measured on it.

use std::collections::BTreeMap;

use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::entities::ids::DomainId;
use crate::evidence::items::{DomainRanges, Row};
use crate::maths::sparse::SparseRows;
use crate::training::bridging::shared_people::SharedPeople;

/// How many people are hidden.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HidingOptions {
    /// Folds in which people are hidden in turn: of each domain's people with another
    /// domain, a part of one in so many at a time.
    pub folds: usize,
    /// People to hide in a fold where a third of those there are is as many.
    pub at_least: usize,
    /// Most people to hide for one target, in all folds together: more make an
    /// interval hardly narrower.
    pub at_most: usize,
    /// Most entries of the joint matrix that are fitted in all folds together: where it
    /// is large, there are fewer folds, and one at least.
    pub most_entries: usize,
    /// Most pairs of a hidden person and a direction that are measured: where there are
    /// very many directions, fewer people are hidden, though not below `at_least`.
    pub most_measured: usize,
    /// Seed of the sample.
    pub seed: u64,
}

impl Default for HidingOptions {
    fn default() -> Self {
        Self {
            folds: 5,
            at_least: 100,
            at_most: 4_000,
            most_entries: 50_000_000,
            most_measured: 4_000_000,
            seed: 17,
        }
    }
}

/// For each row of the joint matrix, the domain whose history is hidden.
#[derive(Debug, Clone, PartialEq)]
pub struct Hiding {
    hidden: Vec<Option<DomainId>>,
}

impl Hiding {
    /// Hides the history in `target` of these rows.
    #[must_use]
    pub fn of(rows: usize, target: &DomainId, hidden: impl IntoIterator<Item = usize>) -> Self {
        let mut all = vec![None; rows];
        hidden.into_iter().for_each(|row| all[row] = Some(target.clone()));
        Self { hidden: all }
    }

    /// What either of two hides; where both hide something of a row, what this one does.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        let both = self.hidden.iter().zip(&other.hidden);
        Self { hidden: both.map(|(own, other)| own.clone().or_else(|| other.clone())).collect() }
    }

    /// Hides, fold after fold, what a direction into a domain is judged by: the
    /// history in it of people who have another domain too. Each person has each of
    /// their domains hidden once at most, and one of them in a fold. Pairs of domains
    /// with fewer people in common than `least_shared` are no direction; without any
    /// there is no fold.
    ///
    /// Everyone has their turn, as far as the bounds of [`HidingOptions`] let them.
    #[must_use]
    pub(crate) fn folds(
        matrix: &SparseRows,
        ranges: &DomainRanges,
        shared: &SharedPeople<'_>,
        (least_shared, options): (usize, HidingOptions),
    ) -> Vec<Self> {
        let several: Vec<(usize, Vec<usize>)> = (0..matrix.rows())
            .map(|row| {
                let all = ranges.domains_of(matrix, row);
                let is_judged = |at: &usize| {
                    all.iter().any(|other| other != at && shared.count(*at, *other) >= least_shared)
                };
                (row, all.iter().copied().filter(is_judged).collect())
            })
            .filter(|(_, domains): &(usize, Vec<usize>)| !domains.is_empty())
            .collect();
        let mut people = vec![0usize; ranges.len()];
        several.iter().flat_map(|(_, domains)| domains).for_each(|&at| people[at] += 1);
        let directions = 2 * shared.pairs(least_shared).count();
        let plan = Plan::of(&people, matrix.entries(), directions, options);
        let mut quotas = vec![plan.quotas; plan.folds];
        let names: Vec<&DomainId> = ranges.keys().collect();
        let mut rng = ChaCha8Rng::seed_from_u64(options.seed);
        let mut order: Vec<usize> = (0..several.len()).collect();
        order.shuffle(&mut rng);
        let mut folds = vec![Self { hidden: vec![None; matrix.rows()] }; plan.folds];
        for at in order {
            let (row, domains) = &several[at];
            let mut domains = domains.clone();
            domains.shuffle(&mut rng);
            let mut free: Vec<usize> = (0..plan.folds).collect();
            for domain in domains {
                let open: Vec<usize> =
                    free.iter().copied().filter(|fold| quotas[*fold][domain] > 0).collect();
                if open.is_empty() {
                    continue;
                }
                let fold = open[rng.random_range(0..open.len())];
                quotas[fold][domain] -= 1;
                folds[fold].hidden[*row] = Some(names[domain].clone());
                free.retain(|other| *other != fold);
            }
        }
        folds.retain(|fold| fold.hidden.iter().any(Option::is_some));
        folds
    }

    /// The matrix without what is hidden.
    #[must_use]
    pub fn apply(&self, matrix: &SparseRows, ranges: &DomainRanges) -> SparseRows {
        let rows = (0..matrix.rows()).map(|row| {
            let (columns, confidences) = matrix.row(row);
            let hidden = self.hidden[row].as_ref().and_then(|domain| ranges.get(domain));
            let is_hidden = |column: &u32| hidden.is_some_and(|rows| rows.contains(Row(*column)));
            let entries = columns.iter().copied().zip(confidences.iter().copied());
            entries.filter(|(column, _)| !is_hidden(column)).collect()
        });
        SparseRows::from_rows(matrix.columns(), rows)
    }

    /// The people whose history in each domain is hidden, as rows of the matrix,
    /// ascending; domains without any are left out.
    #[must_use]
    pub fn by_domain(&self) -> BTreeMap<&DomainId, Vec<usize>> {
        let mut people: BTreeMap<&DomainId, Vec<usize>> = BTreeMap::new();
        for (row, domain) in self.hidden.iter().enumerate() {
            if let Some(domain) = domain {
                people.entry(domain).or_default().push(row);
            }
        }
        people
    }
}

/// How many folds there are, and how many people of each domain are hidden in each.
struct Plan {
    folds: usize,
    quotas: Vec<usize>,
}

impl Plan {
    fn of(people: &[usize], entries: usize, directions: usize, options: HidingOptions) -> Self {
        let HidingOptions { at_least, most_entries, most_measured, .. } = options;
        let most = (most_measured / directions.max(1)).max(at_least).min(options.at_most);
        let wanted = |people: usize| people.min(most);
        // A fold takes its part of a domain's people, and enough to tell something.
        let part = |people: usize| {
            people.div_ceil(options.folds.max(1)).max(at_least.min(people / 3)).max(1)
        };
        let needed = people.iter().map(|&people| wanted(people).div_ceil(part(people))).max();
        let affordable = (most_entries / entries.max(1)).max(1);
        let folds = needed.unwrap_or(0).min(options.folds).min(affordable);
        let quota = |&people: &usize| wanted(people).div_ceil(folds.max(1)).min(part(people));
        Self { folds, quotas: people.iter().map(quota).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::training::bridging::trial::tests::{domain, ranges, world};

    fn folds(matrix: &SparseRows, options: HidingOptions) -> Vec<Hiding> {
        let ranges = ranges();
        let shared = SharedPeople::of(matrix, &ranges);
        Hiding::folds(matrix, &ranges, &shared, (15, options))
    }

    #[test]
    fn everyone_has_each_domain_hidden_in_one_fold_and_the_sources_stay() {
        let matrix = world(90, true, 1);
        let all = folds(&matrix, HidingOptions { at_least: 0, ..HidingOptions::default() });
        assert_eq!(all, folds(&matrix, HidingOptions { at_least: 0, ..HidingOptions::default() }));
        assert_eq!(all.len(), 5);
        let mut times = BTreeMap::new();
        for hiding in &all {
            let visible = hiding.apply(&matrix, &ranges());
            for (row, hidden) in hiding.hidden.iter().enumerate() {
                for (domain, range) in &ranges() {
                    let (before, after) =
                        (range.entries_of(&matrix, row), range.entries_of(&visible, row));
                    if hidden.as_ref() == Some(domain) {
                        assert!(after.0.is_empty());
                        *times.entry((row, domain.clone())).or_insert(0) += 1;
                    } else {
                        assert_eq!(before, after);
                    }
                }
            }
        }
        assert!(times.values().all(|times| *times == 1));
        // Of the last few, a fold that is open may hide their other domain already.
        assert!(times.len() > 170, "{} of 180", times.len());
    }

    #[test]
    fn where_people_or_entries_are_many_fewer_folds_do_and_no_fold_hides_more_than_a_third() {
        let matrix = world(300, true, 1);
        let count = |hiding: &Hiding| hiding.by_domain()[&domain("a")].len();
        let default = HidingOptions::default();
        let few = folds(&matrix, HidingOptions { at_most: 60, ..default });
        assert_eq!(few.iter().map(count).collect::<Vec<_>>(), [60]);
        let dear = folds(&matrix, HidingOptions { most_entries: matrix.entries() * 2, ..default });
        assert_eq!(dear.iter().map(count).collect::<Vec<_>>(), [100, 100]);
        let one = folds(&matrix, HidingOptions { most_entries: 0, ..default });
        assert_eq!(one.iter().map(count).collect::<Vec<_>>(), [100]);
        let crowded = HidingOptions { at_least: 10, most_measured: 40, ..default };
        assert_eq!(folds(&matrix, crowded).iter().map(count).sum::<usize>(), 20);
        assert!(folds(&world(14, true, 1), default).is_empty(), "too few to be judged");
    }
}
