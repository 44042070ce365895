//! Fresh identifiers, passed in so that tests and simulations can set them. The
//! machine's own are made where there is a machine (`crossfold_edge::system`).

use std::fmt;
use std::sync::Arc;

/// A number that stands for one thing ever. It prints as a UUID
/// (`0190b5a4-7c3e-7d2f-8a1b-3c4d5e6f7a8b`, RFC 9562, section 4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UniqueId(u128);

impl UniqueId {
    /// The identifier with these bits.
    #[must_use]
    pub fn from_u128(bits: u128) -> Self {
        Self(bits)
    }

    /// Its bits.
    #[must_use]
    pub fn as_u128(self) -> u128 {
        self.0
    }

    /// It as 32 hexadecimal digits without hyphens, fit for a file's name.
    #[must_use]
    pub fn simple(self) -> String {
        format!("{:032x}", self.0)
    }
}

impl fmt::Display for UniqueId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.simple();
        let (low, rest) = digits.split_at(8);
        let (mid, rest) = rest.split_at(4);
        let (high, rest) = rest.split_at(4);
        let (clock, node) = rest.split_at(4);
        write!(f, "{low}-{mid}-{high}-{clock}-{node}")
    }
}

/// Makes identifiers that were never made before, by this process or another.
#[derive(Clone)]
pub struct Ids(Arc<dyn Fn() -> UniqueId + Send + Sync>);

impl Ids {
    /// Identifiers as `fresh` makes them: in earnest, later ones order after
    /// earlier ones (UUIDs of version 7).
    #[must_use]
    pub fn from_fn(fresh: impl Fn() -> UniqueId + Send + Sync + 'static) -> Self {
        Self(Arc::new(fresh))
    }

    /// A new identifier.
    #[must_use]
    pub fn fresh(&self) -> UniqueId {
        (self.0)()
    }
}

impl fmt::Debug for Ids {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ids")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{RecommendationId, TrainingRunId};

    #[test]
    fn a_unique_id_prints_as_a_uuid_and_is_a_valid_identifier() {
        let id = UniqueId::from_u128(0x0190_b5a4_7c3e_7d2f_8a1b_3c4d_5e6f_7a8b);
        assert_eq!(id.to_string(), "0190b5a4-7c3e-7d2f-8a1b-3c4d5e6f7a8b");
        assert_eq!(UniqueId::from_u128(1).simple().len(), 32);
        let text = id.to_string();
        assert_eq!(RecommendationId::from(id), RecommendationId::parse(&text).unwrap());
        assert_eq!(TrainingRunId::from(id), TrainingRunId::parse(&text).unwrap());
    }
}
