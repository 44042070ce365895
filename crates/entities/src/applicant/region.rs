//! Where someone lives, and where a rule holds, as codes.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Most characters of a region's code.
const MAX_CODE: usize = 32;

/// A region: segments of letters and digits between `-`, from the widest on, as ISO 3166-2 has
/// them (`CN`, `CN-SH`). Small letters are read as capital ones.
///
/// ```
/// use crossfold_entities::applicant::Region;
/// let region = |code: &str| code.parse::<Region>().unwrap();
/// assert!(region("cn-sh").is_within(&region("CN")));
/// assert!(!region("CNX").is_within(&region("CN")));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Region(String);

/// A text is no code of a region.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a region must be 1 to 32 letters or digits, in segments between \"-\", such as CN-SH")]
pub struct InvalidRegion;

impl Region {
    /// The code, in capital letters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is the other region, or a part of it: whole segments count.
    #[must_use]
    pub fn is_within(&self, other: &Self) -> bool {
        let rest = self.0.strip_prefix(&other.0);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
    }
}

impl std::str::FromStr for Region {
    type Err = InvalidRegion;

    fn from_str(code: &str) -> Result<Self, InvalidRegion> {
        let is_segment =
            |of: &str| !of.is_empty() && of.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if code.len() > MAX_CODE || !code.split('-').all(is_segment) {
            return Err(InvalidRegion);
        }
        Ok(Self(code.to_ascii_uppercase()))
    }
}

impl TryFrom<String> for Region {
    type Error = InvalidRegion;

    fn try_from(code: String) -> Result<Self, InvalidRegion> {
        code.parse()
    }
}

impl From<Region> for String {
    fn from(region: Region) -> Self {
        region.0
    }
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_has_segments_of_letters_and_digits() {
        for code in ["CN", "cn-sh", "US-CA-90210", "x", &"A".repeat(32)] {
            assert_eq!(code.parse::<Region>().unwrap().as_str(), code.to_ascii_uppercase());
        }
        for code in ["", "-", "CN-", "-SH", "CN--SH", "CN SH", "上海", &"A".repeat(33)] {
            assert_eq!(code.parse::<Region>(), Err(InvalidRegion), "{code}");
        }
    }
}
