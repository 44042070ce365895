//! What a list is chosen from.

use crate::dense::dot;
use crate::scan::add_products;

/// Most candidates: the pairs of them are compared.
pub const MOST_CANDIDATES: usize = 4_096;
/// How far from 1 the squared length of a unit vector may lie: what is left of it in half
/// precision is still one.
const UNIT_WITHIN: f32 = 2e-3;

/// Candidates with their relevance and features, checked once.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Candidates<'a> {
    relevance: &'a [f32],
    features: &'a [f32],
    width: usize,
}

/// Why candidates cannot be chosen from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UnusableCandidates {
    /// There are more than [`MOST_CANDIDATES`].
    #[error("there are more than {MOST_CANDIDATES} candidates")]
    TooMany,
    /// The features are not `width` for each candidate.
    #[error("{found} features are not {width} for each of {candidates} candidates")]
    Shape {
        /// How many have a relevance.
        candidates: usize,
        /// Features that each should have.
        width: usize,
        /// Features that there are of all of them.
        found: usize,
    },
    /// A relevance is no number from 0 to 1.
    #[error("the relevance of candidate {candidate} is not from 0 to 1")]
    Relevance {
        /// The candidate.
        candidate: usize,
    },
    /// A row of features is no unit vector, and not zero.
    #[error("the features of candidate {candidate} are neither of length 1 nor zero")]
    Features {
        /// The candidate.
        candidate: usize,
    },
}

impl<'a> Candidates<'a> {
    /// Candidates with a relevance from 0 to 1 each, and rows of `width` features (candidates x
    /// width, row after row), each a unit vector; how alike two are is the product of theirs. A
    /// row of zeros is like nothing, not even like another such row.
    ///
    /// # Errors
    /// [`UnusableCandidates`] for the first thing that is not as said.
    pub fn new(
        relevance: &'a [f32],
        features: &'a [f32],
        width: usize,
    ) -> Result<Self, UnusableCandidates> {
        let (candidates, found) = (relevance.len(), features.len());
        if candidates > MOST_CANDIDATES {
            return Err(UnusableCandidates::TooMany);
        }
        if candidates.checked_mul(width) != Some(found) {
            return Err(UnusableCandidates::Shape { candidates, width, found });
        }
        if let Some(candidate) = relevance.iter().position(|one| !(0.0..=1.0).contains(one)) {
            return Err(UnusableCandidates::Relevance { candidate });
        }
        let this = Self { relevance, features, width };
        match (0..candidates).find(|&candidate| !is_unit_or_zero(this.row(candidate))) {
            Some(candidate) => Err(UnusableCandidates::Features { candidate }),
            None => Ok(this),
        }
    }

    /// Candidates of which nothing but their relevance is known, 0 to 1: none is like another.
    ///
    /// # Errors
    /// As [`Candidates::new`].
    pub fn of_relevance(relevance: &'a [f32]) -> Result<Self, UnusableCandidates> {
        Self::new(relevance, &[], 0)
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.relevance.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.relevance.is_empty()
    }

    /// The relevance of each.
    #[must_use]
    pub fn relevance(&self) -> &'a [f32] {
        self.relevance
    }

    /// The features of one.
    pub(super) fn row(&self, candidate: usize) -> &'a [f32] {
        &self.features[candidate * self.width..(candidate + 1) * self.width]
    }

    /// How like one candidate each is, about -1 to 1, to the last bit the same from either side.
    /// A candidate without features is not even like itself.
    pub(super) fn likenesses(&self, candidate: usize, into: &mut [f32]) {
        into.fill(0.0);
        add_products(self.features, self.row(candidate), 1.0, into);
    }

    /// How much there is of one: its squared length, and 1 where nothing is known of it.
    pub(super) fn squared_length(&self, candidate: usize) -> f32 {
        let squared = dot(self.row(candidate), self.row(candidate));
        if squared > 0.0 { squared } else { 1.0 }
    }
}

fn is_unit_or_zero(row: &[f32]) -> bool {
    // Squares of small numbers may all be zero, which makes no row of zeros.
    row.iter().all(|feature| *feature == 0.0) || (dot(row, row) - 1.0).abs() <= UNIT_WITHIN
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_chosen_from_is_refused() {
        use UnusableCandidates::{Features, Relevance, Shape, TooMany};
        for relevance in [-0.1, 1.1, f32::NAN, f32::INFINITY, f32::MAX] {
            let relevance = [1.0, relevance];
            let refused = Candidates::of_relevance(&relevance);
            assert_eq!(refused, Err(Relevance { candidate: 1 }), "{relevance:?}");
        }
        for feature in [0.5, f32::NAN, f32::NEG_INFINITY, f32::MAX, 1e-30] {
            let features = [1.0, 0.0, 0.0, feature];
            let refused = Candidates::new(&[1.0; 2], &features, 2);
            assert_eq!(refused, Err(Features { candidate: 1 }), "{feature}");
        }
        let refused = Candidates::new(&[1.0], &[1.0], 2);
        assert_eq!(refused, Err(Shape { candidates: 1, width: 2, found: 1 }));
        assert!(matches!(Candidates::new(&[1.0; 2], &[], usize::MAX), Err(Shape { .. })));
        let many = vec![0.5; MOST_CANDIDATES + 1];
        assert_eq!(Candidates::of_relevance(&many), Err(TooMany));
        assert!(Candidates::of_relevance(&many[1..]).is_ok());
        assert!(Candidates::of_relevance(&[]).is_ok_and(|none| none.is_empty()));
    }
}
