//! What evidence is used for.

use serde::{Deserialize, Serialize};

/// What evidence is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// To choose what this person is shown.
    Recommendation,
    /// To train models that serve everyone.
    Training,
}

impl Purpose {
    /// Every purpose.
    pub const ALL: [Self; 2] = [Self::Recommendation, Self::Training];
}
