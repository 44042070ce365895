//! A linear map from the factors of one domain to those of another.

use ndarray::{Array2, ArrayView1};
use safetensors::SafeTensors;

use super::{Carried, Crossing, TensorNames};
use crate::evidence::items::{Row, Weighted};
use crate::maths::fold_in::FoldedPerson;
use crate::model::ModelError;
use crate::model::factor_table::{FactorTable, by_row};
use crate::model::tensors::{Tensor, table};

/// A map: source factors x target factors.
#[derive(Debug, Clone, PartialEq)]
pub struct LinearMap {
    matrix: Array2<f32>,
}

impl LinearMap {
    /// A map with this matrix, source factors x target factors.
    #[must_use]
    pub fn new(matrix: Array2<f32>) -> Self {
        Self { matrix: matrix.as_standard_layout().into_owned() }
    }

    /// Source factors x target factors.
    #[must_use]
    pub fn matrix(&self) -> &Array2<f32> {
        &self.matrix
    }

    /// The target vector that a source vector is mapped to.
    #[must_use]
    pub fn map(&self, source: ArrayView1<'_, f32>) -> Vec<f32> {
        source.dot(&self.matrix).to_vec()
    }

    /// The source vector whose product with a person equals the product of the
    /// mapped person with the target vector: `M y`.
    #[must_use]
    pub fn pull_back(&self, target: ArrayView1<'_, f32>) -> Vec<f32> {
        self.matrix.dot(&target).to_vec()
    }

    /// Whether it leads from so many factors to as many.
    pub(super) fn fits(&self, factors: usize) -> bool {
        self.matrix.dim() == (factors, factors)
    }

    pub(super) fn write(&self, names: TensorNames) -> Result<Vec<Tensor>, ModelError> {
        Ok(vec![Tensor::table(names.of("map"), self.matrix.view())?])
    }

    pub(super) fn read(
        tensors: &SafeTensors<'_>,
        names: TensorNames,
        factors: usize,
    ) -> Result<Self, ModelError> {
        Ok(Self::new(table(tensors, &names.of("map"), (factors, factors))?))
    }

    /// Folds the evidence in by the source's own factors, and maps the person.
    /// `None` when that cannot be solved.
    pub(super) fn carry<'a>(
        &'a self,
        crossing: Crossing<'a>,
        evidence: &[Weighted],
    ) -> Option<Mapped<'a>> {
        let factors = crossing.domain_factors?;
        let counted = [crossing.ranges.place(&crossing.source.domain)?];
        let person = factors.fold_in(crossing.ranges, &counted, evidence, crossing.params)?;
        let mapped = self.map(ndarray::aview1(person.vector()));
        Some(Mapped { map: self, crossing, factors, person, mapped })
    }
}

/// A person on the other side of a map.
pub(super) struct Mapped<'a> {
    map: &'a LinearMap,
    crossing: Crossing<'a>,
    factors: &'a FactorTable,
    /// By the source's factors.
    person: FoldedPerson,
    /// By the target's.
    mapped: Vec<f32>,
}

impl Carried for Mapped<'_> {
    fn add_scores(&self, weight: f32, scores: &mut [f32]) {
        self.factors.add_products(self.crossing.target, weight, &self.mapped, scores);
    }

    fn contributions(&self, row: Row) -> Vec<(Row, f32)> {
        let direction = self.map.pull_back(self.factors.of(row));
        by_row(self.person.contributions_along(self.factors.items(), &direction))
    }
}
