//! Hiding the history of some people in one domain, so that candidates can be
//! measured on it.

use std::collections::BTreeMap;

use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::entities::ids::DomainId;
use crate::evidence::items::{DomainRanges, Row};
use crate::maths::sparse::SparseRows;

/// How many people are hidden.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HidingOptions {
    /// Share of the people with a domain and another one whose history in it is hidden.
    pub share: f64,
    /// People to hide where a third of those there are is as many.
    pub at_least: usize,
    /// Most people to hide for one target.
    pub at_most: usize,
    /// Seed of the sample.
    pub seed: u64,
}

impl Default for HidingOptions {
    fn default() -> Self {
        Self { share: 0.2, at_least: 100, at_most: 4000, seed: 17 }
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

    /// Draws people with several domains and, for each, which of these to hide.
    /// Nobody has two domains hidden; of each domain's people with another
    /// domain at most a third are hidden.
    #[must_use]
    pub fn sample(matrix: &SparseRows, ranges: &DomainRanges, options: HidingOptions) -> Self {
        let several: Vec<(usize, Vec<usize>)> = (0..matrix.rows())
            .map(|row| (row, ranges.domains_of(matrix, row)))
            .filter(|(_, domains)| domains.len() > 1)
            .collect();
        let mut people = vec![0usize; ranges.len()];
        several.iter().flat_map(|(_, domains)| domains).for_each(|&at| people[at] += 1);
        let quota = |people: usize| {
            let wanted = (people as f64 * options.share) as usize;
            wanted.max(options.at_least).min(people / 3).min(options.at_most)
        };
        let mut quotas: Vec<usize> = people.into_iter().map(quota).collect();
        let names: Vec<&DomainId> = ranges.keys().collect();
        let mut rng = ChaCha8Rng::seed_from_u64(options.seed);
        let mut order: Vec<usize> = (0..several.len()).collect();
        order.shuffle(&mut rng);
        let mut hidden = vec![None; matrix.rows()];
        for at in order {
            let (row, domains) = &several[at];
            let open: Vec<usize> = domains.iter().copied().filter(|at| quotas[*at] > 0).collect();
            if open.is_empty() {
                continue;
            }
            let chosen = open[rng.random_range(0..open.len())];
            quotas[chosen] -= 1;
            hidden[*row] = Some(names[chosen].clone());
        }
        Self { hidden }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::training::bridging::trial::tests::{domain, ranges, world};

    #[test]
    fn hiding_leaves_the_sources_and_takes_the_target_of_a_third_at_most() {
        let matrix = world(90, true, 1);
        let hiding = Hiding::sample(&matrix, &ranges(), HidingOptions::default());
        assert_eq!(hiding, Hiding::sample(&matrix, &ranges(), HidingOptions::default()));
        let visible = hiding.apply(&matrix, &ranges());
        for target in ["a", "b"] {
            let of_target = hiding.hidden.iter().filter(|h| **h == Some(domain(target)));
            assert_eq!(of_target.count(), 30);
        }
        for (row, hidden) in hiding.hidden.iter().enumerate() {
            for (domain, range) in &ranges() {
                let (before, after) =
                    (range.entries_of(&matrix, row), range.entries_of(&visible, row));
                if hidden.as_ref() == Some(domain) {
                    assert!(after.0.is_empty());
                } else {
                    assert_eq!(before, after);
                }
            }
        }
    }
}
