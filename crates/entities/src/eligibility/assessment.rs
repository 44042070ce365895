//! What comes of an offer for who applies.

use std::ops::ControlFlow::Continue;

use rust_decimal::Decimal;
use serde::Serialize;

use super::judging::{Judge, Paid, Verdict};
use super::{Case, Reason, Reasons, Refusal, Regime, Repayment};
use crate::applicant::Applicant;
use crate::definition::Currency;
use crate::offer::OfferKind;

pub use super::money::Fees;

/// Whose figures are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// Those of who applies, as far as they told.
    Applicant,
    /// Those of nobody in particular: with the least down payment that is possible.
    Representative,
}

/// What comes of an offer. It tells of the applicant, so it is no more to be kept than they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Assessment {
    /// It can be had.
    Eligible(Box<Eligible>),
    /// It cannot.
    Refused(Refusal),
}

/// An offer that can be had on one of its terms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Eligible {
    /// What it costs on the cheapest term.
    pub quote: Quote,
    /// By which rules it could not be checked, because a fact was not given. They are known by
    /// the reasons for which they would refuse.
    pub unchecked: Reasons,
}

/// What an offer costs on one term, all of it; [`crate::disclosure`] shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quote {
    pub(crate) kind: OfferKind,
    pub(crate) currency: Currency,
    pub(crate) basis: Basis,
    pub(crate) regime: Regime,
    pub(crate) term_months: u16,
    pub(crate) fees: Fees,
    pub(crate) paid: QuotedPlan,
}

/// What is paid for, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum QuotedPlan {
    Credit(CreditQuote),
    /// A premium so many times, each for so many months.
    Insurance {
        premium: Decimal,
        number: u16,
        every_months: u16,
    },
}

/// The amounts of a credit, of whole minor units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CreditQuote {
    /// The price of the item.
    pub price: Decimal,
    /// What of it is paid at once.
    pub down_payment: Decimal,
    /// Whether that is the least that is possible, for want of another amount.
    pub is_least_down_payment: bool,
    /// What of it is financed.
    pub financed: Decimal,
    /// What of it is due at the end.
    pub residual: Decimal,
    /// The nominal rate of a year, as a fraction.
    pub annual_rate: Decimal,
    /// How it is paid back.
    pub repayment: Repayment,
}

impl Quote {
    /// The term, in months.
    #[must_use]
    pub fn term_months(&self) -> u16 {
        self.term_months
    }

    /// Whose figures these are.
    #[must_use]
    pub fn basis(&self) -> Basis {
        self.basis
    }

    /// The amounts of a credit; `None` for insurance.
    #[must_use]
    pub fn credit(&self) -> Option<&CreditQuote> {
        match &self.paid {
            QuotedPlan::Credit(credit) => Some(credit),
            QuotedPlan::Insurance { .. } => None,
        }
    }

    /// Every fee together.
    #[must_use]
    pub fn fees(&self) -> Decimal {
        self.fees.total(self.term_months)
    }

    /// All that is paid from the first day to the last: what is paid at once, every payment and
    /// every fee.
    #[must_use]
    pub fn total_payable(&self) -> Decimal {
        let paid = match &self.paid {
            QuotedPlan::Credit(credit) => credit.down_payment + credit.repayment.total(),
            QuotedPlan::Insurance { premium, number, .. } => *premium * Decimal::from(*number),
        };
        paid + self.fees()
    }

    /// What is paid beyond the price: of insurance, all that is paid.
    #[must_use]
    pub fn total_cost(&self) -> Decimal {
        self.total_payable() - self.credit().map_or(Decimal::ZERO, |credit| credit.price)
    }
}

/// Whether no term of an offer can be had: exactly where [`assess`] refuses it.
///
/// It allocates nothing and makes no schedule. It takes a look at each rule, and for each term until
/// one is admitted, where there is a rule of debts to income, an exponential, or where that is close
/// a multiplication of decimals for each month.
#[must_use]
pub fn is_refused(case: &Case<'_>) -> bool {
    !Judge::of(case).is_some_and(|judge| judge.admits_a_term())
}

/// Assesses an offer on the terms that it has, or on the one that the applicant wants.
///
/// What is paid at once is what the applicant can pay, as far as the least amount of the offer, or
/// without one a tenth of the price, stays financed; else the least by which the offer and the rules
/// can hold. It is eligible with the term of the least total cost among those
/// against which nothing speaks, the shorter of two that cost the same. Else it is refused for what
/// speaks against the term against which the fewest things do, the shorter of two; a term that is
/// wanted and not offered is refused as `term`, a credit without a price within reach as `amount`.
#[must_use]
pub fn assess(case: &Case<'_>) -> Assessment {
    let Some(judge) = Judge::of(case) else {
        return Assessment::Refused(Reason::Amount.into());
    };
    let mut cheapest: Option<Eligible> = None;
    // A term that is not offered fails by that alone.
    let mut nearest: Option<(usize, Refusal)> = None;
    for term in case.terms() {
        match look_at(case, &judge, term) {
            Ok(eligible) => {
                let is_cheaper =
                    |of: &Eligible| eligible.quote.total_cost() < of.quote.total_cost();
                if cheapest.as_ref().is_none_or(is_cheaper) {
                    cheapest = Some(eligible);
                }
            }
            Err((number, refusal)) => {
                if nearest.is_none_or(|(fewest, _)| number < fewest) {
                    nearest = Some((number, refusal));
                }
            }
        }
    }
    match cheapest {
        Some(eligible) => Assessment::Eligible(Box::new(eligible)),
        None => Assessment::Refused(nearest.map_or(Reason::Term.into(), |(_, refusal)| refusal)),
    }
}

/// A term with its costs, or how many things speak against it, and which.
fn look_at(case: &Case<'_>, judge: &Judge<'_>, term: u16) -> Result<Eligible, (usize, Refusal)> {
    let (mut number, mut reasons, mut unchecked) = (0, Reasons::default(), Reasons::default());
    let _ = judge.judge(term, |reason, verdict| {
        match verdict {
            Verdict::Fails => {
                number += 1;
                reasons.insert(reason);
            }
            Verdict::Unknown => unchecked.insert(reason),
            Verdict::Holds => (),
        }
        Continue(())
    });
    if let Some(refusal) = reasons.refusal() {
        return Err((number, refusal));
    }
    // What the judge admits is within what is reckoned with.
    let quote = quote(case, judge, term).ok_or((1, Reason::Amount.into()))?;
    Ok(Eligible { quote, unchecked })
}

fn quote(case: &Case<'_>, judge: &Judge<'_>, term: u16) -> Option<Quote> {
    let paid = match &judge.paid {
        Paid::Credit(credit, money) => QuotedPlan::Credit(CreditQuote {
            price: money.price,
            down_payment: money.down_payment,
            is_least_down_payment: case.applicant.and_then(Applicant::down_payment).is_none(),
            financed: money.financed,
            residual: money.residual,
            annual_rate: credit.annual_rate,
            repayment: judge.lent(money, term).repay()?,
        }),
        Paid::Insurance(premium) => QuotedPlan::Insurance {
            premium: premium.amount,
            number: term / premium.every_months,
            every_months: premium.every_months,
        },
    };
    let is_told = case.applicant.is_some_and(|applicant| !applicant.is_empty());
    Some(Quote {
        kind: case.offer.kind(),
        currency: case.currency,
        basis: if is_told { Basis::Applicant } else { Basis::Representative },
        regime: case.rules.regime(),
        term_months: term,
        fees: judge.fees,
        paid,
    })
}
