//! A ridge regression of the target's factors on two blocks: the person's row of source
//! items, and their factors in the source.
//!
//! `u = m + (x / |x|) W1 + (p / |p|) W2`, with `x` the confidences of the source items
//! that a person likes, `p` their fold-in by the source's own factors, and `m` the mean
//! of the vectors that were fitted to. A row says what exactly somebody took, a fold-in
//! what it means; they tell different things. Both parts are sums over past items, so
//! every score is exactly the sum of their contributions and of what everyone gets, the
//! product with `m`.
//!
//! Served by looking up a vector of factors for each source item, and one product with
//! `W2`. Size: that of [`OwnFactors`], and once more 4 bytes x factors for each source item.

use ndarray::{Array1, Array2};
use safetensors::SafeTensors;

use super::own_factors::{OwnFactors, of_source, within_source};
use super::{Carried, Crossing, TensorNames};
use crate::evidence::items::{Row, Weighted};
use crate::maths::als::AlsParams;
use crate::maths::dense::{add_scaled, dot};
use crate::maths::fold_in::FoldedPerson;
use crate::model::ModelError;
use crate::model::tensors::{Tensor, finite, table};

/// The coefficients of the regression.
#[derive(Debug, Clone, PartialEq)]
pub struct Coefficients {
    /// The mean that everyone begins with: factors.
    pub mean: Array1<f32>,
    /// `W1`: source items x factors.
    pub by_item: Array2<f32>,
    /// `W2`: source factors x factors.
    pub by_factor: Array2<f32>,
}

/// The regression with the factors that it is between.
#[derive(Debug, Clone, PartialEq)]
pub struct TwoBlock {
    own: OwnFactors,
    coefficients: Coefficients,
}

impl TwoBlock {
    /// A regression between these factors.
    #[must_use]
    pub fn new(own: OwnFactors, coefficients: Coefficients) -> Self {
        let Coefficients { mean, by_item, by_factor } = coefficients;
        let standard = |table: Array2<f32>| table.as_standard_layout().into_owned();
        let (by_item, by_factor) = (standard(by_item), standard(by_factor));
        Self { own, coefficients: Coefficients { mean, by_item, by_factor } }
    }

    /// The factors.
    #[must_use]
    pub fn own(&self) -> &OwnFactors {
        &self.own
    }

    /// What was fitted.
    #[must_use]
    pub fn coefficients(&self) -> &Coefficients {
        &self.coefficients
    }

    /// What becomes of the evidence. `None` when nothing is liked, or the fold-in cannot
    /// be solved.
    pub(super) fn carry<'a>(
        &'a self,
        crossing: Crossing<'a>,
        evidence: &[Weighted],
    ) -> Option<Regressed<'a>> {
        let entries = within_source(crossing.source, evidence);
        let person = self.own.fold_in(&entries)?;
        let mut row = entries;
        row.retain(|(_, confidence)| *confidence > 0.0);
        normalise(row.iter_mut().map(|(_, confidence)| confidence))?;
        let mut vector = self.coefficients.mean.to_vec();
        for (item, share) in &row {
            let add = self.coefficients.by_item.row(*item as usize);
            add.as_slice().into_iter().for_each(|add| add_scaled(&mut vector, *share, add));
        }
        let length = norm(person.vector().iter());
        // A person whose source items all have no factors has none either.
        let inverse_length = if length > 0.0 { 1.0 / length } else { 0.0 };
        for (value, add) in person.vector().iter().zip(self.coefficients.by_factor.rows()) {
            let share = value * inverse_length;
            add.as_slice().into_iter().for_each(|add| add_scaled(&mut vector, share, add));
        }
        Some(Regressed { of: self, crossing, row, person, inverse_length, vector })
    }

    pub(super) fn fits(&self, items: (usize, usize)) -> bool {
        let factors = self.own.params().options().factors;
        let Coefficients { mean, by_item, by_factor } = &self.coefficients;
        self.own.fits(items)
            && mean.len() == factors
            && by_item.dim() == (items.0, factors)
            && by_factor.dim() == (factors, factors)
    }

    pub(super) fn write(&self, names: TensorNames) -> Result<Vec<Tensor>, ModelError> {
        let Coefficients { mean, by_item, by_factor } = &self.coefficients;
        let mut tensors = self.own.write(names)?;
        tensors.push(Tensor::floats(names.of("mean"), vec![mean.len()], &mean.to_vec()));
        tensors.push(Tensor::table(names.of("by_item"), by_item.view())?);
        tensors.push(Tensor::table(names.of("by_factor"), by_factor.view())?);
        Ok(tensors)
    }

    pub(super) fn read(
        tensors: &SafeTensors<'_>,
        names: TensorNames,
        params: AlsParams,
        items: (usize, usize),
    ) -> Result<Self, ModelError> {
        let factors = params.options().factors;
        let coefficients = Coefficients {
            mean: finite(tensors, &names.of("mean"), &[factors])?.into(),
            by_item: table(tensors, &names.of("by_item"), (items.0, factors))?,
            by_factor: table(tensors, &names.of("by_factor"), (factors, factors))?,
        };
        Ok(Self::new(OwnFactors::read(tensors, names, params, items)?, coefficients))
    }
}

/// The Euclidean length, summed in double precision: squares of confidences may overflow.
pub(crate) fn norm<'a>(values: impl Iterator<Item = &'a f32>) -> f32 {
    let sum: f64 = values.map(|value| f64::from(*value).powi(2)).sum();
    sum.sqrt() as f32
}

/// Makes the length 1; `None` when it is none, or not finite.
fn normalise<'a>(values: impl Iterator<Item = &'a mut f32>) -> Option<()> {
    let values: Vec<&mut f32> = values.collect();
    let length = norm(values.iter().map(|value| &**value));
    if !(length > 0.0 && length.is_finite()) {
        return None;
    }
    values.into_iter().for_each(|value| *value /= length);
    Some(())
}

/// A person on the other side of the regression.
pub(super) struct Regressed<'a> {
    of: &'a TwoBlock,
    crossing: Crossing<'a>,
    /// `x / |x|`, by source item.
    row: Vec<(u32, f32)>,
    person: FoldedPerson,
    inverse_length: f32,
    vector: Vec<f32>,
}

impl Carried for Regressed<'_> {
    fn add_scores(&self, weight: f32, scores: &mut [f32]) {
        self.of.own.add_products(weight, &self.vector, scores);
    }

    fn contributions(&self, row: Row) -> Vec<(Row, f32)> {
        let Some(item) = self.crossing.target.local(row) else { return Vec::new() };
        let target = self.of.own.of_target(item).to_vec();
        let Coefficients { by_item, by_factor, .. } = &self.of.coefficients;
        let taken = self.row.iter().map(|(item, share)| {
            let of_item = by_item.row(*item as usize);
            (*item, share * of_item.as_slice().map_or(0.0, |of_item| dot(of_item, &target)))
        });
        let pulled = by_factor.dot(&ndarray::aview1(&target)) * self.inverse_length;
        let folded = self.person.contributions_along(self.of.own.source(), &pulled.to_vec());
        of_source(self.crossing.source, taken.chain(folded))
    }

    fn base(&self, row: Row) -> f32 {
        let Some(item) = self.crossing.target.local(row) else { return 0.0 };
        self.of.own.of_target(item).dot(&self.of.coefficients.mean)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_length_is_not_normalised_and_large_numbers_are() {
        let mut nought = [0.0, 0.0];
        assert_eq!(normalise(nought.iter_mut()), None);
        let mut large = [3e30, 4e30];
        normalise(large.iter_mut()).unwrap();
        assert!((large[0] - 0.6).abs() < 1e-6 && (large[1] - 0.8).abs() < 1e-6);
    }
}
