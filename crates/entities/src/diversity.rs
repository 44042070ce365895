//! How much a slate is to be of different things.

use serde::{Deserialize, Serialize};

/// How much difference counts beside relevance: above 0, where relevance alone counts, to 1.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(try_from = "f32", into = "f32")]
pub struct Diversity(f32);

/// A number is no measure of diversity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("diversity must be above 0, up to 1")]
pub struct InvalidDiversity;

/// It is always a number.
impl Eq for Diversity {}

impl TryFrom<f32> for Diversity {
    type Error = InvalidDiversity;

    fn try_from(share: f32) -> Result<Self, InvalidDiversity> {
        (share > 0.0 && share <= 1.0).then_some(Self(share)).ok_or(InvalidDiversity)
    }
}

impl From<Diversity> for f32 {
    fn from(diversity: Diversity) -> Self {
        diversity.0
    }
}

impl Diversity {
    /// The number.
    #[must_use]
    pub fn get(self) -> f32 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_a_number_above_zero_up_to_one() {
        for share in [f32::MIN_POSITIVE, 0.3, 1.0] {
            assert_eq!(Diversity::try_from(share).unwrap().get(), share);
        }
        for share in [0.0, -0.1, 1.1, f32::NAN, f32::INFINITY] {
            assert_eq!(Diversity::try_from(share), Err(InvalidDiversity));
        }
    }
}
