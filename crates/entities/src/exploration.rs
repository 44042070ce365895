//! How much of a slate may hold others than the best.

use serde::{Deserialize, Serialize};

/// The share of a slate's places that may hold items other than the best: above 0, up to a half. It
/// is what exploration costs at most: so much of what the best would have brought in these places.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(try_from = "f32", into = "f32")]
pub struct ExplorationShare(f32);

/// A number is no share of a slate to explore with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("exploration must be above 0, up to 0.5")]
pub struct InvalidExploration;

/// It is always a number.
impl Eq for ExplorationShare {}

impl TryFrom<f32> for ExplorationShare {
    type Error = InvalidExploration;

    fn try_from(share: f32) -> Result<Self, InvalidExploration> {
        (share > 0.0 && share <= 0.5).then_some(Self(share)).ok_or(InvalidExploration)
    }
}

impl From<ExplorationShare> for f32 {
    fn from(exploration: ExplorationShare) -> Self {
        exploration.0
    }
}

impl ExplorationShare {
    /// The share.
    #[must_use]
    pub fn get(self) -> f32 {
        self.0
    }

    /// How many of so many places it is: rarely a whole number.
    #[must_use]
    pub fn of(self, places: usize) -> f64 {
        // A tenth of ten is one, though a tenth is no number of this kind.
        let millionths = (f64::from(self.0) * places as f64 * 1e6).round();
        millionths / 1e6
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_a_number_above_zero_up_to_a_half() {
        for share in [f32::MIN_POSITIVE, 0.3, 0.5] {
            assert_eq!(ExplorationShare::try_from(share).unwrap().get(), share);
        }
        for share in [0.0, -0.1, 0.51, f32::NAN, f32::INFINITY] {
            assert_eq!(ExplorationShare::try_from(share), Err(InvalidExploration));
        }
    }

    #[test]
    fn a_tenth_of_ten_places_is_one() {
        let of = |share: f32, places| ExplorationShare::try_from(share).unwrap().of(places);
        assert_eq!((of(0.1, 10), of(0.1, 5), of(0.3, 10), of(0.5, 1)), (1.0, 0.5, 3.0, 0.5));
    }
}
