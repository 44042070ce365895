//! Why an offer is refused, as codes.

use std::fmt;
use std::num::NonZeroU8;

use serde::{Serialize, Serializer};

/// What speaks against an offer, or could not be told for want of a fact. The codes are stable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// The applicant is too young or too old today.
    AgeAtStart,
    /// The applicant is too old when the term ends.
    AgeAtEnd,
    /// Too much of the income goes into debts.
    DebtToIncome,
    /// Too much of the price is financed.
    LoanToValue,
    /// The term is not offered, too short or too long.
    Term,
    /// Too little is paid at once.
    DownPayment,
    /// It is not to be had where the applicant lives.
    Region,
    /// There is no price within reach, the amount is out of the offer's bounds, nothing is left to
    /// be financed, or so little that the fees outweigh it; or a premium is less than a minor unit.
    Amount,
}

/// Every reason, in the order in which they are told.
const ALL: [Reason; 8] = [
    Reason::AgeAtStart,
    Reason::AgeAtEnd,
    Reason::DebtToIncome,
    Reason::LoanToValue,
    Reason::Term,
    Reason::DownPayment,
    Reason::Region,
    Reason::Amount,
];

impl Reason {
    /// The code of it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AgeAtStart => "age_at_start",
            Self::AgeAtEnd => "age_at_end",
            Self::DebtToIncome => "debt_to_income",
            Self::LoanToValue => "loan_to_value",
            Self::Term => "term",
            Self::DownPayment => "down_payment",
            Self::Region => "region",
            Self::Amount => "amount",
        }
    }

    fn bit(self) -> u8 {
        1 << self as u8
    }
}

impl Serialize for Reason {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// A set of reasons, in their order; it takes a byte. It is written as a list of codes.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Reasons(u8);

impl Reasons {
    /// Adds one.
    pub fn insert(&mut self, reason: Reason) {
        self.0 |= reason.bit();
    }

    /// Whether it is in it.
    #[must_use]
    pub fn contains(self, reason: Reason) -> bool {
        self.0 & reason.bit() != 0
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Each, in order.
    pub fn iter(self) -> impl Iterator<Item = Reason> {
        ALL.into_iter().filter(move |reason| self.contains(*reason))
    }

    /// A refusal for them; `None` where there is no reason.
    #[must_use]
    pub fn refusal(self) -> Option<Refusal> {
        NonZeroU8::new(self.0).map(Refusal)
    }
}

impl From<Reason> for Reasons {
    fn from(reason: Reason) -> Self {
        Self(reason.bit())
    }
}

impl fmt::Debug for Reasons {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

impl Serialize for Reasons {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

/// One reason or more.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Refusal(NonZeroU8);

impl Refusal {
    /// The reasons: never none.
    #[must_use]
    pub fn reasons(self) -> Reasons {
        Reasons(self.0.get())
    }
}

impl From<Reason> for Refusal {
    fn from(reason: Reason) -> Self {
        // Every reason has a bit, so there is no other.
        Self(NonZeroU8::new(reason.bit()).unwrap_or(NonZeroU8::MIN))
    }
}

impl fmt::Debug for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.reasons().fmt(f)
    }
}

impl Serialize for Refusal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.reasons().serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_has_each_reason_once_in_order_and_a_refusal_has_one_at_least() {
        let mut reasons = Reasons::default();
        assert_eq!(reasons.refusal(), None);
        for reason in [Reason::Amount, Reason::Term, Reason::Amount] {
            reasons.insert(reason);
        }
        let refusal = reasons.refusal().unwrap();
        assert_eq!(serde_json::to_string(&refusal).unwrap(), r#"["term","amount"]"#);
        assert!(refusal.reasons().contains(Reason::Term) && !reasons.contains(Reason::Region));
        for reason in ALL {
            let refusal = Refusal::from(reason).reasons();
            assert!(refusal.iter().eq([reason]), "{refusal:?}");
        }
    }
}
