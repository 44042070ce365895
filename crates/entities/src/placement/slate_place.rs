//! Places of a slate by their numbers.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A place of a slate, counted from 1 to [`SlatePlace::MOST`]; as a limit, the last place there is, or how many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "usize", into = "usize")]
pub struct SlatePlace(usize);

/// A number is no place of a slate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a limit, a slot and a quota must be 1 to {}", SlatePlace::MOST)]
pub struct InvalidSlatePlace;

impl TryFrom<usize> for SlatePlace {
    type Error = InvalidSlatePlace;

    fn try_from(place: usize) -> Result<Self, InvalidSlatePlace> {
        (1..=Self::MOST).contains(&place).then_some(Self(place)).ok_or(InvalidSlatePlace)
    }
}

impl From<SlatePlace> for usize {
    fn from(place: SlatePlace) -> Self {
        place.0
    }
}

impl fmt::Display for SlatePlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl SlatePlace {
    /// The last: as many items as a request may ask for.
    pub const MOST: usize = 100;

    /// The number, from 1.
    #[must_use]
    pub fn get(self) -> usize {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_counted_from_one_to_a_hundred() {
        for place in [1, 100] {
            assert_eq!(SlatePlace::try_from(place).unwrap().get(), place);
        }
        for place in [0, 101, usize::MAX] {
            assert_eq!(SlatePlace::try_from(place), Err(InvalidSlatePlace));
        }
    }
}
