//! Who may have an offer, and on which of its terms: the rules of a domain, and what they say of
//! an offer on a day for who applies.
//!
//! A domain's definition has its rules under `eligibility`:
//!
//! ```json
//! {"pack": "cn-auto", "disclosure": "cn", "rules": [
//!   {"rule": "debt_to_income", "max": "0.5"},
//!   {"rule": "age_at_end", "max": 70, "from": "2026-01-01"},
//!   {"rule": "loan_to_value", "max": "0.6", "for": {"kind": ["loan"], "vehicle": {"condition": "used"}}},
//!   {"rule": "regions", "only": ["CN"], "except": ["CN-XZ"], "until": "2027-01-01"}]}
//! ```
//!
//! | rule | what holds by it |
//! | --- | --- |
//! | `age_at_start {min?, max?}` | full years of age today, both ends included |
//! | `age_at_end {max}` | full years of age when the term ends: age + term / 12, rounded up, which is what it can be at most |
//! | `debt_to_income {max}` | (debts a month + what the offer takes a month, with its monthly fees) / income a month |
//! | `loan_to_value {max}` | what is financed / price |
//! | `term {min_months?, max_months?}` | months, both ends included |
//! | `down_payment {min_share}` | what is paid at once / price |
//! | `regions {only?, except?}` | is within one of `only`, and within none of `except` |
//!
//! Each may have `from`, the day since which it holds, `until`, the first day on which it does
//! not any more (dates in UTC), and `for`: kinds of offers, and what their vehicle is like. An offer that
//! does not say what vehicle it is for is held to the rules for every vehicle, for it may be any.
//! `loan_to_value` and `down_payment` say nothing of insurance, which finances nothing.
//!
//! A pack is a table of such rules with their sources: [`Pack`]. Its rules and the domain's own
//! must all hold, so that the latter can make it stricter and never weaker.
//!
//! Whether an offer is refused is asked of every offer of a catalogue with each request:
//! [`is_refused`]. What it costs on which term is reckoned for those that are shown: [`assess`].

mod assessment;
mod judging;
mod money;
mod packs;
mod reason;
mod repayment;
mod rule;

use serde::{Deserialize, Serialize};

pub(crate) use assessment::QuotedPlan;
pub use assessment::{Assessment, Basis, CreditQuote, Eligible, Fees, Quote, assess, is_refused};
pub use judging::Case;
pub use packs::Pack;
pub use reason::{Reason, Reasons, Refusal};
pub use repayment::Repayment;
pub use rule::{InvalidRule, Kinds, Limit, Rule, Scope, VehicleScope};

/// Most rules that one domain adds to its pack.
pub const MAX_RULES: usize = 64;

/// Most regions that all of them name.
pub const MAX_REGIONS: usize = 512;

/// The law by which the cost of a credit is shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Regime {
    /// China: [`crate::credit::china`].
    Cn,
    /// The United States: [`crate::credit::united_states`].
    Us,
    /// The European Union: [`crate::credit::effective_rate`].
    Eu,
    /// The United Kingdom: [`crate::credit::effective_rate`].
    Uk,
    /// No rate but the nominal one.
    #[default]
    None,
}

/// The rules of a domain.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EligibilityRules {
    /// Rules that come with their sources.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pack: Option<Pack>,
    /// The domain's own, beside those of the pack: at most [`MAX_RULES`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<Rule>,
    /// By which law costs are shown; see [`EligibilityRules::regime`].
    #[serde(default)]
    pub disclosure: Regime,
}

/// The rules of a domain that has none.
pub static NO_RULES: EligibilityRules =
    EligibilityRules { pack: None, rules: Vec::new(), disclosure: Regime::None };

impl EligibilityRules {
    /// Checks what the types alone cannot express.
    ///
    /// # Errors
    /// What is wrong, in words fit for a caller.
    pub fn check(&self) -> Result<(), String> {
        if self.rules.len() > MAX_RULES {
            return Err(format!("eligibility.rules must have at most {MAX_RULES} entries"));
        }
        // Each is looked at for each offer of a catalogue.
        let regions = |rule: &Rule| match rule.limit() {
            Limit::Regions { only, except } => only.len() + except.len(),
            _ => 0,
        };
        if self.rules.iter().map(regions).sum::<usize>() > MAX_REGIONS {
            return Err(format!("eligibility.rules must name at most {MAX_REGIONS} regions"));
        }
        Ok(())
    }

    /// The law by which costs are shown: the one that is named, else that of the pack.
    #[must_use]
    pub fn regime(&self) -> Regime {
        match (self.disclosure, self.pack) {
            (Regime::None, Some(Pack::CnAuto)) => Regime::Cn,
            (named, _) => named,
        }
    }

    /// Every rule that must hold: those of the pack, then the domain's own.
    pub fn all(&self) -> impl Iterator<Item = &Rule> {
        self.pack.map_or(&[][..], Pack::rules).iter().chain(&self.rules)
    }
}

#[cfg(test)]
mod tests;
