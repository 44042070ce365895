//! A linear map from the factors of one domain to those of another.

use ndarray::{Array2, ArrayView1};

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
}
