//! Factors fitted domain by domain: each domain's interactions alone.

use std::collections::BTreeMap;

use ndarray::{Array2, ArrayView1, s};

use crate::entities::ids::DomainId;
use crate::evidence::items::{DomainRanges, DomainRows};
use crate::maths::als::{AlsParams, fit};
use crate::maths::dense::NotPositiveDefinite;
use crate::maths::sparse::SparseRows;

/// The people of one domain.
#[derive(Debug, Clone)]
pub struct DomainPeople {
    /// Rows of the joint matrix with an interaction in the domain, ascending.
    pub rows: Vec<u32>,
    /// How many of the domain's items each of them likes.
    pub interactions: Vec<u32>,
    /// Their factors, one row each in the same order.
    pub factors: Array2<f32>,
}

impl DomainPeople {
    /// The factors of a row of the joint matrix, if it has an interaction here.
    #[must_use]
    pub fn of(&self, row: usize) -> Option<ArrayView1<'_, f32>> {
        let at = self.rows.binary_search(&(row as u32)).ok()?;
        Some(self.factors.row(at))
    }
}

/// Factors of all items and people, fitted domain by domain.
#[derive(Debug, Clone)]
pub struct DomainFits {
    /// Items of all domains x factors; rows of different domains live in
    /// different spaces and must not be compared.
    pub items: Array2<f32>,
    /// People by domain.
    pub people: BTreeMap<DomainId, DomainPeople>,
}

impl DomainFits {
    /// Fits every domain. `progress` hears of each finished iteration of each fit.
    ///
    /// # Errors
    /// As [`fit`].
    pub fn fit(
        matrix: &SparseRows,
        ranges: &DomainRanges,
        params: &AlsParams,
        progress: &(dyn Fn() + Sync),
    ) -> Result<Self, NotPositiveDefinite> {
        Self::fit_some(matrix, ranges, &|_| true, params, progress)
    }

    /// Fits the domains that are wanted; the factors of others are zero.
    ///
    /// # Errors
    /// As [`fit`].
    pub fn fit_some(
        matrix: &SparseRows,
        ranges: &DomainRanges,
        is_wanted: &dyn Fn(&DomainId) -> bool,
        params: &AlsParams,
        progress: &(dyn Fn() + Sync),
    ) -> Result<Self, NotPositiveDefinite> {
        let mut items = Array2::zeros((matrix.columns(), params.options().factors));
        let mut people = BTreeMap::new();
        let wanted = |(_, rows): &(Vec<u32>, &DomainRows)| is_wanted(&rows.domain);
        let parts = ranges.people(matrix).into_iter().zip(ranges.values()).filter(wanted);
        for (of_domain, rows) in parts {
            let part = DomainPart::of_people(matrix, rows, of_domain);
            let interactions = part.interactions();
            let factors = fit(&part.matrix, params, &|_| progress())?;
            items.slice_mut(s![rows.range.clone(), ..]).assign(&factors.items);
            let factors = factors.people;
            let of_domain = DomainPeople { rows: part.rows, interactions, factors };
            people.insert(rows.domain.clone(), of_domain);
        }
        Ok(Self { items, people })
    }
}

/// A domain's part of the joint matrix.
#[derive(Debug, Clone, PartialEq)]
pub struct DomainPart {
    /// Rows of the joint matrix with an interaction in the domain, ascending.
    pub rows: Vec<u32>,
    /// Their interactions in it, with items numbered within the domain.
    pub matrix: SparseRows,
}

impl DomainPart {
    /// The part of a domain.
    #[must_use]
    pub fn of(matrix: &SparseRows, rows: &DomainRows) -> Self {
        let people = 0..matrix.rows() as u32;
        let people = people.filter(|person| rows.is_used_by(matrix, *person as usize));
        Self::of_people(matrix, rows, people.collect())
    }

    /// The part of a domain that only these people, rows of the matrix, ascending,
    /// did anything in.
    ///
    /// # Panics
    /// When the matrix has no row for one of them.
    #[must_use]
    pub fn of_people(matrix: &SparseRows, rows: &DomainRows, people: Vec<u32>) -> Self {
        let entries = |person: &u32| {
            let (columns, confidences) = rows.entries_of(matrix, *person as usize);
            let local = columns.iter().map(|column| column - rows.range.start as u32);
            local.zip(confidences.iter().copied()).collect()
        };
        let matrix = SparseRows::from_rows(rows.len(), people.iter().map(entries));
        Self { rows: people, matrix }
    }

    /// How many items each row likes.
    #[must_use]
    pub fn interactions(&self) -> Vec<u32> {
        let liked = |row| self.matrix.row(row).1.iter().filter(|value| **value > 0.0).count();
        (0..self.matrix.rows()).map(|row| liked(row) as u32).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::maths::als::AlsOptions;

    #[test]
    fn a_domain_is_fitted_as_if_there_were_no_other() {
        let rows = (0..40u32).map(|u| {
            let own = (0..4).map(|k| ((u + k * k) % 10, 1.0));
            let other = (0..3).map(|k| (10 + (u * 3 + k) % 8, 2.0));
            if u % 2 == 0 { own.chain(other).collect() } else { own.collect() }
        });
        let rows: Vec<Vec<(u32, f32)>> = rows.collect();
        let matrix = SparseRows::from_rows(18, rows.clone());
        let ranges = DomainRanges::from([
            (DomainId::parse("a").unwrap(), 0..10),
            (DomainId::parse("b").unwrap(), 10..18),
        ]);
        let params = AlsOptions { factors: 3, iterations: 3, ..AlsOptions::default() };
        let params = params.check().unwrap();
        let fits = DomainFits::fit(&matrix, &ranges, &params, &|| ()).unwrap();
        let alone = SparseRows::from_rows(
            10,
            rows.into_iter().map(|row| row.into_iter().filter(|(c, _)| *c < 10).collect()),
        );
        let alone = fit(&alone, &params, &|_| ()).unwrap();
        assert_eq!(fits.items.slice(s![..10, ..]), alone.items);
        let people = &fits.people[&DomainId::parse("b").unwrap()];
        assert_eq!(people.rows.len(), 20);
        assert!(people.interactions.iter().all(|count| (1..=3).contains(count)));
        assert!(people.of(1).is_none() && people.of(2).is_some());
    }
}
