//! How much of a slate may be used to learn.

use serde::{Deserialize, Serialize};

/// The share of a slate's places that may hold items other than the best; an upper bound on what
/// exploration costs. Above 0, where only the best are served, to [`ExplorationShare::MOST`].
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(try_from = "f32", into = "f32")]
pub struct ExplorationShare(f32);

/// A number is no share of places to explore in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("exploration must be above 0, up to {}", ExplorationShare::MOST)]
pub struct InvalidExplorationShare;

/// It is always a number.
impl Eq for ExplorationShare {}

impl TryFrom<f32> for ExplorationShare {
    type Error = InvalidExplorationShare;

    fn try_from(share: f32) -> Result<Self, InvalidExplorationShare> {
        let is_within = share > 0.0 && share <= Self::MOST;
        is_within.then_some(Self(share)).ok_or(InvalidExplorationShare)
    }
}

impl From<ExplorationShare> for f32 {
    fn from(share: ExplorationShare) -> Self {
        share.0
    }
}

impl ExplorationShare {
    /// The greatest: whoever looks at a slate is there for its best items, so these keep at least
    /// half of it.
    pub const MOST: f32 = 0.5;

    /// The share, as a fraction of 1.
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
    fn a_tenth_of_ten_places_is_one() {
        let of = |share: f32, places| ExplorationShare::try_from(share).unwrap().of(places);
        assert_eq!((of(0.1, 10), of(0.1, 5), of(0.3, 10), of(0.5, 1)), (1.0, 0.5, 3.0, 0.5));
    }

    #[test]
    fn it_is_a_number_above_zero_up_to_a_half() {
        for share in [f32::MIN_POSITIVE, 0.1, 0.5] {
            assert_eq!(ExplorationShare::try_from(share).unwrap().get(), share);
        }
        for share in [0.0, -0.1, 0.51, f32::NAN, f32::INFINITY] {
            assert_eq!(ExplorationShare::try_from(share), Err(InvalidExplorationShare));
        }
    }

    #[test]
    fn it_is_written_as_its_number_and_refused_in_words() {
        let read: ExplorationShare = serde_json::from_str("0.1").unwrap();
        assert_eq!(serde_json::to_string(&read).unwrap(), "0.1");
        let refused = serde_json::from_str::<ExplorationShare>("0.6").unwrap_err();
        assert_eq!(refused.to_string(), "exploration must be above 0, up to 0.5");
    }
}
