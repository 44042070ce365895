//! Item factors with what a fold-in against them needs.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use ndarray::{Array2, ArrayView2, s};

use crate::evidence::items::{DomainRanges, DomainRows, Row, Weighted};
use crate::maths::als::AlsParams;
use crate::maths::dense::gram;
use crate::maths::fold_in::{FoldInBasis, FoldedPerson};
use crate::maths::scan::add_products;
use crate::maths::scan::quantised::QuantisedRows;
use crate::model::scoring::Mismatch;

/// A table of item factors with the Gram matrix of each domain's rows.
#[derive(Debug)]
pub(crate) struct FactorTable {
    items: Array2<f32>,
    /// In the order of domains, and their sum.
    grams: Vec<Array2<f32>>,
    gram_of_all: Array2<f32>,
    /// By the first row of each large domain; made when first asked for.
    quantised: BTreeMap<usize, OnceLock<Option<QuantisedRows>>>,
}

/// Items from which on a domain's rows are passed over quantised.
const QUANTISED_FROM: usize = 8_192;

impl FactorTable {
    /// Takes a table of all domains' items x factors.
    ///
    /// # Errors
    /// [`Mismatch`] when it has another number of items, or when a fold-in against
    /// it would not stay finite: factors may be finite and their products not.
    pub(crate) fn new(items: Array2<f32>, ranges: &DomainRanges) -> Result<Self, Mismatch> {
        if items.nrows() != ranges.items() {
            return Err(Mismatch("a table of factors has another shape"));
        }
        let items = items.as_standard_layout().into_owned();
        let of_domain = |rows: &DomainRows| gram(items.slice(s![rows.range.clone(), ..]));
        let grams: Vec<Array2<f32>> = ranges.values().map(of_domain).collect();
        let sum: f64 = grams.iter().flatten().map(|value| f64::from(value.abs())).sum();
        if !sum.is_finite() || sum >= f64::from(f32::MAX) {
            return Err(Mismatch("factors are so large that their products are not finite"));
        }
        let zeros = Array2::zeros((items.ncols(), items.ncols()));
        let gram_of_all = grams.iter().fold(zeros, |sum, gram| sum + gram);
        let large = ranges.values().filter(|rows| rows.len() >= QUANTISED_FROM);
        let quantised = large.map(|rows| (rows.range.start, OnceLock::new())).collect();
        Ok(Self { items, grams, gram_of_all, quantised })
    }

    /// Items x factors.
    pub(crate) fn items(&self) -> ArrayView2<'_, f32> {
        self.items.view()
    }

    /// The factors of an item.
    ///
    /// # Panics
    /// When there is no such row.
    pub(crate) fn of(&self, row: Row) -> ndarray::ArrayView1<'_, f32> {
        self.items.row(row.index())
    }

    /// The rows of a domain in a byte a number, where there are many.
    pub(crate) fn quantised(&self, rows: &DomainRows) -> Option<&QuantisedRows> {
        let quantise = || QuantisedRows::of(self.of_domain(rows).as_slice()?, self.items.ncols());
        self.quantised.get(&rows.range.start)?.get_or_init(quantise).as_ref()
    }

    /// The factors of a domain's items.
    ///
    /// # Panics
    /// When the domain's rows are not in the table.
    pub(crate) fn of_domain(&self, rows: &DomainRows) -> ArrayView2<'_, f32> {
        self.items.slice(s![rows.range.clone(), ..])
    }

    /// Solves a person's vector from evidence, with the items of some domains (by
    /// their places, ascending) counted as unobserved. `None` without anything liked
    /// among the evidence, or when the numbers are too extreme.
    pub(crate) fn fold_in(
        &self,
        ranges: &DomainRanges,
        counted: &[usize],
        evidence: &[Weighted],
        params: &AlsParams,
    ) -> Option<FoldedPerson> {
        if !evidence.iter().any(Weighted::is_liked) {
            return None;
        }
        let of_some;
        let (gram, unobserved) = if counted.len() == self.grams.len() {
            (&self.gram_of_all, self.items.nrows())
        } else {
            let mut sum = Array2::zeros(self.gram_of_all.dim());
            counted.iter().for_each(|&at| sum += &self.grams[at]);
            of_some = sum;
            let items = counted.iter().filter_map(|&at| ranges.values().nth(at));
            (&of_some, items.map(DomainRows::len).sum())
        };
        let basis = FoldInBasis { items: self.items(), gram, unobserved, params };
        let entries: Vec<(u32, f32)> = evidence.iter().copied().map(Into::into).collect();
        FoldedPerson::solve(basis, &entries).ok()
    }

    /// Adds to a score of each of the domain's items, in order of rows, `weight`
    /// times the product of its factors with `vector`.
    pub(crate) fn add_products(
        &self,
        rows: &DomainRows,
        weight: f32,
        vector: &[f32],
        scores: &mut [f32],
    ) {
        debug_assert_eq!(scores.len(), rows.len());
        // The table is in standard layout, so rows follow one another.
        if let Some(factors) = self.of_domain(rows).as_slice() {
            add_products(factors, vector, weight, scores);
        }
    }
}

/// Contributions by the columns of a fold-in, as contributions of items.
pub(crate) fn by_row(contributions: Vec<(u32, f32)>) -> Vec<(Row, f32)> {
    contributions.into_iter().map(|(column, amount)| (Row(column), amount)).collect()
}
