//! How much a slate is to be of different things, or of what the person is interested in.

use serde::{Deserialize, Serialize};

/// A share above 0, up to 1, under a name of its own.
macro_rules! share {
    ($(#[$doc:meta])* $name:ident, $invalid:ident, $field:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Serialize, Deserialize)]
        #[serde(try_from = "f32", into = "f32")]
        pub struct $name(f32);

        /// A number is no such share.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
        #[error("{} must be above 0, up to 1", $field)]
        pub struct $invalid;

        /// It is always a number.
        impl Eq for $name {}

        impl TryFrom<f32> for $name {
            type Error = $invalid;

            fn try_from(share: f32) -> Result<Self, $invalid> {
                (share > 0.0 && share <= 1.0).then_some(Self(share)).ok_or($invalid)
            }
        }

        impl From<$name> for f32 {
            fn from(share: $name) -> Self {
                share.0
            }
        }

        impl $name {
            /// The number.
            #[must_use]
            pub fn get(self) -> f32 {
                self.0
            }
        }
    };
}

share!(
    /// How much difference counts beside relevance: above 0, where relevance alone counts, to 1.
    Diversity,
    InvalidDiversity,
    "diversity"
);

share!(
    /// How much it counts beside relevance that categories have the shares that they have in what the
    /// person turned to: above 0, where relevance alone counts, to 1.
    Calibration,
    InvalidCalibration,
    "calibration"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_a_number_above_zero_up_to_one() {
        for share in [f32::MIN_POSITIVE, 0.3, 1.0] {
            assert_eq!(Diversity::try_from(share).unwrap().get(), share);
            assert_eq!(Calibration::try_from(share).unwrap().get(), share);
        }
        for share in [0.0, -0.1, 1.1, f32::NAN, f32::INFINITY] {
            assert_eq!(Diversity::try_from(share), Err(InvalidDiversity));
            assert_eq!(Calibration::try_from(share), Err(InvalidCalibration));
        }
    }
}
