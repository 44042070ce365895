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
    /// To tell what this person can and will spend. It evaluates a person's economic situation
    /// (GDPR Article 4(4), PIPL Article 73(2)), so nothing but the person's own decision permits
    /// it, not even within the platform where the evidence arose.
    FinancialProfiling,
    /// To tell this person of something that they did not ask for. It is direct marketing (ePrivacy
    /// Directive, Article 13(1); PIPL Article 24), so nothing but the person's own decision permits
    /// it: of a platform to itself, for each contacts its own users alone.
    Contact,
}

impl Purpose {
    /// Every purpose.
    pub const ALL: [Self; 4] =
        [Self::Recommendation, Self::Training, Self::FinancialProfiling, Self::Contact];

    /// Whether a default may permit it; otherwise the person alone does.
    #[must_use]
    pub fn may_be_default(self) -> bool {
        !matches!(self, Self::FinancialProfiling | Self::Contact)
    }
}
