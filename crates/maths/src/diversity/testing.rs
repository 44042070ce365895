//! Candidates for the tests of all ways of choosing.

use proptest::prelude::*;

use super::Candidates;

/// Features of each.
pub(super) const WIDTH: usize = 5;

/// Candidates that some of which are alike, equal, or like nothing.
#[derive(Debug, Clone)]
pub(super) struct Drawn {
    pub(super) relevance: Vec<f32>,
    pub(super) features: Vec<f32>,
}

impl Drawn {
    pub(super) fn candidates(&self) -> Candidates<'_> {
        Candidates::new(&self.relevance, &self.features, WIDTH).unwrap()
    }

    pub(super) fn likeness(&self, one: usize, other: usize) -> f64 {
        let row = |at: usize| &self.features[at * WIDTH..(at + 1) * WIDTH];
        row(one).iter().zip(row(other)).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
    }

    /// As `likeness`, but what is like nothing is like itself.
    pub(super) fn kernel(&self, one: usize, other: usize) -> f64 {
        let likeness = self.likeness(one, other);
        if one == other && likeness == 0.0 { 1.0 } else { likeness }
    }

    /// The same in another order: at each place what was at `order`'s.
    pub(super) fn permuted(&self, order: &[usize]) -> Self {
        let row = |at: &usize| self.features[at * WIDTH..(at + 1) * WIDTH].iter().copied();
        Self {
            relevance: order.iter().map(|at| self.relevance[*at]).collect(),
            features: order.iter().flat_map(row).collect(),
        }
    }
}

/// At most so many, with equal relevance, equal rows and rows of zeros among them.
pub(super) fn drawn(most: usize) -> impl Strategy<Value = Drawn> {
    let relevance = prop_oneof![(0u8..=4).prop_map(|step| f32::from(step) / 4.0), 0.0f32..=1.0];
    let row = prop_oneof![
        proptest::collection::vec(-1.0f32..1.0, WIDTH),
        proptest::collection::vec((-1i8..=1).prop_map(f32::from), WIDTH),
    ];
    proptest::collection::vec((relevance, row), 0..=most).prop_map(|all| {
        let unit = |row: Vec<f32>| {
            let length = row.iter().map(|one| one * one).sum::<f32>().sqrt();
            let scale = if length > 1e-3 { 1.0 / length } else { 0.0 };
            row.into_iter().map(move |one| one * scale)
        };
        let (relevance, rows): (Vec<f32>, Vec<Vec<f32>>) = all.into_iter().unzip();
        Drawn { relevance, features: rows.into_iter().flat_map(unit).collect() }
    })
}
