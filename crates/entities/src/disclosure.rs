//! What is shown wherever a payment or a term of an offer is shown: what it costs in all, and the
//! yearly rates that the law of the domain wants to see.
//!
//! It is made of a [`Quote`], whole or not at all, and only written:
//!
//! ```json
//! {"kind": "loan", "currency": "CNY", "basis": "applicant", "term_months": 36,
//!  "number_of_payments": 36, "payment_every_months": 1, "payment": "4759.51",
//!  "last_payment": "4759.45", "fees": "960.00", "total_payable": "212302.30",
//!  "price": "200000.00", "down_payment": "40000.00", "financed": "160000.00",
//!  "nominal_annual_rate_percent": "4.5", "total_cost_of_credit": "12302.30",
//!  "annual_rates": {"regime": "cn", "nominal_percent": "4.88", "effective_percent": "5.00"},
//!  "assumptions": ["starts_today", "equal_months", "paid_on_time", "start_fees_paid_at_once"]}
//! ```
//!
//! Its amounts agree to the last minor unit:
//!
//! ```text
//! down payment + payments + fees = total payable
//! total payable - price          = total cost of the credit
//! ```
//!
//! It tells what an applicant pays at once, so it is for the answer to a request, and no more to be
//! kept or logged than the applicant is.
//!
//! The rates are those of what is financed less the fees at the start, against the payments and
//! the fees as they fall due. Months are equal, so the day on which it starts does not matter.

use jiff::ToSpan;
use jiff::civil::{Date, date};
use rust_decimal::Decimal;
use serde::Serialize;

use crate::credit::china::annualised_rate;
use crate::credit::effective_rate::{DatedAmount, Step, YearCount, effective_rate};
use crate::credit::united_states::{TimedAmount, UnitPeriod, UnitTime, annual_percentage_rate};
use crate::credit::{CreditError, percent};
use crate::definition::Currency;
use crate::eligibility::{Basis, CreditQuote, Fees, Quote, QuotedPlan, Regime};
use crate::offer::OfferKind;

/// What the figures take for granted. The codes are stable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Assumption {
    /// It begins on the day of the request.
    StartsToday,
    /// Each month is a twelfth of a year, and payments are due at the end of months.
    EqualMonths,
    /// Everything is paid on the day that it is due, and nothing before.
    PaidOnTime,
    /// Fees at the start are paid then, and not financed.
    StartFeesPaidAtOnce,
    /// As little as possible is paid at once.
    LeastDownPayment,
}

/// The yearly rates of a credit with its fees, in per cent, by the law of a place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "regime", rename_all = "snake_case")]
pub enum AnnualRates {
    /// China, to two places: [`crate::credit::china`].
    Cn {
        /// Twelve times the rate of a month: without compounding.
        nominal_percent: Decimal,
        /// With compounding.
        effective_percent: Decimal,
    },
    /// The United States, to two places: [`crate::credit::united_states`].
    Us {
        /// The annual percentage rate of Appendix J.
        apr_percent: Decimal,
    },
    /// The European Union, to two places; the directive asks for one at least.
    Eu {
        /// The effective annual rate.
        effective_percent: Decimal,
    },
    /// The United Kingdom, to one place (CONC App 1.2).
    Uk {
        /// The effective annual rate.
        effective_percent: Decimal,
    },
}

/// What is shown of a credit, beside what is shown of any offer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CreditDisclosure {
    /// The price of the item.
    pub price: Decimal,
    /// What of it is paid at once.
    pub down_payment: Decimal,
    /// What of it is financed.
    pub financed: Decimal,
    /// What of a lease is due at the end: it is in the last payment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub residual: Option<Decimal>,
    /// The nominal rate of a year, in per cent, without fees.
    pub nominal_annual_rate_percent: Decimal,
    /// Interest and fees: what is paid beyond the price.
    pub total_cost_of_credit: Decimal,
    /// The rates that the law wants to see; `None` where the domain names no law.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub annual_rates: Option<AnnualRates>,
}

/// What is shown with an offer. Amounts are in the currency's major units, with all its places.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Disclosure {
    /// What kind of offer it is.
    pub kind: OfferKind,
    /// The currency of every amount.
    pub currency: Currency,
    /// Whose figures these are.
    pub basis: Basis,
    /// For how long it runs, in months.
    pub term_months: u16,
    /// How many payments or premiums there are.
    pub number_of_payments: u16,
    /// Every how many months one is due.
    pub payment_every_months: u16,
    /// What each is, without fees.
    pub payment: Decimal,
    /// What the last is, where it is another.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_payment: Option<Decimal>,
    /// All fees together.
    pub fees: Decimal,
    /// All that is paid: at once, as payments, and as fees.
    pub total_payable: Decimal,
    /// What is shown of a credit; `None` for insurance.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub credit: Option<CreditDisclosure>,
    /// What the figures take for granted.
    pub assumptions: Vec<Assumption>,
}

impl Disclosure {
    /// What is to be shown of a quote.
    ///
    /// # Errors
    /// [`CreditError`] when it has no rate; then nothing of the offer may be shown. There is one
    /// for whatever [`crate::eligibility::assess`] admits.
    pub fn of(quote: &Quote) -> Result<Self, CreditError> {
        let (number, every_months, payment, last) = match &quote.paid {
            QuotedPlan::Credit(credit) => {
                let of = credit.repayment;
                (of.number, 1, of.payment, of.last)
            }
            QuotedPlan::Insurance { premium, number, every_months } => {
                (*number, *every_months, *premium, *premium)
            }
        };
        Ok(Self {
            kind: quote.kind,
            currency: quote.currency,
            basis: quote.basis,
            term_months: quote.term_months,
            number_of_payments: number,
            payment_every_months: every_months,
            payment,
            last_payment: Some(last).filter(|last| *last != payment),
            fees: quote.fees(),
            total_payable: quote.total_payable(),
            credit: quote.credit().map(|credit| CreditDisclosure::of(quote, credit)).transpose()?,
            assumptions: assumptions(quote),
        })
    }
}

fn assumptions(quote: &Quote) -> Vec<Assumption> {
    let mut assumptions =
        vec![Assumption::StartsToday, Assumption::EqualMonths, Assumption::PaidOnTime];
    if !quote.fees.start.is_zero() {
        assumptions.push(Assumption::StartFeesPaidAtOnce);
    }
    if quote.credit().is_some_and(|credit| credit.is_least_down_payment) {
        assumptions.push(Assumption::LeastDownPayment);
    }
    assumptions
}

impl CreditDisclosure {
    fn of(quote: &Quote, credit: &CreditQuote) -> Result<Self, CreditError> {
        let flow = CashFlow { credit, fees: quote.fees, term: quote.term_months, of: quote };
        Ok(Self {
            price: credit.price,
            down_payment: credit.down_payment,
            financed: credit.financed,
            residual: Some(credit.residual).filter(|_| quote.kind == OfferKind::Lease),
            nominal_annual_rate_percent: (credit.annual_rate * Decimal::ONE_HUNDRED).normalize(),
            total_cost_of_credit: quote.total_cost(),
            annual_rates: flow.rates()?,
        })
    }
}

/// What goes from and to the lender.
struct CashFlow<'a> {
    credit: &'a CreditQuote,
    fees: Fees,
    term: u16,
    of: &'a Quote,
}

/// The day from which months are counted where rates are asked for by days: the first of a month, so
/// that every month has its day.
const ANY_FIRST: Date = date(2001, 1, 1);

impl CashFlow<'_> {
    fn rates(&self) -> Result<Option<AnnualRates>, CreditError> {
        // Where nothing is paid beyond what is lent, no rate has to be solved for.
        let is_free = self.of.total_cost().is_zero();
        let solved = |rate: &dyn Fn() -> Result<f64, CreditError>| {
            if is_free { Ok(0.0) } else { rate() }
        };
        Ok(Some(match self.of.regime {
            Regime::None => return Ok(None),
            Regime::Cn => {
                let nominal = solved(&|| Ok(annualised_rate(&self.signed(), 12)?.nominal))?;
                let effective = (1.0 + nominal / 12.0).powi(12) - 1.0;
                AnnualRates::Cn {
                    nominal_percent: percent(nominal, 2)?,
                    effective_percent: percent(effective, 2)?,
                }
            }
            Regime::Us => {
                AnnualRates::Us { apr_percent: percent(solved(&|| self.appendix_j())?, 2)? }
            }
            Regime::Eu => {
                let rate = || self.effective(YearCount::EuropeanUnion(Step::Month));
                AnnualRates::Eu { effective_percent: percent(solved(&rate)?, 2)? }
            }
            Regime::Uk => {
                let rate = || self.effective(YearCount::UnitedKingdom(Step::Month));
                AnnualRates::Uk { effective_percent: percent(solved(&rate)?, 1)? }
            }
        }))
    }

    /// In minor units, which double precision adds up exactly: a rate does not depend on the unit.
    fn minor(&self, amount: Decimal) -> Decimal {
        amount * Decimal::from(10u32.pow(self.of.currency.places()))
    }

    fn advance(&self) -> Decimal {
        self.minor(self.credit.financed - self.fees.start)
    }

    /// What is paid at the end of each month, from the first on, where something is.
    fn payments(&self) -> impl Iterator<Item = (u16, Decimal)> {
        let paid = |month: u16| {
            let at_end = if month == self.term { self.fees.end } else { Decimal::ZERO };
            let paid = self.credit.repayment.in_month(month) + self.fees.each_month + at_end;
            (month, self.minor(paid))
        };
        (1..=self.term).map(paid)
    }

    fn signed(&self) -> Vec<Decimal> {
        let payments = self.payments().map(|(_, amount)| -amount);
        std::iter::once(self.advance()).chain(payments).collect()
    }

    fn appendix_j(&self) -> Result<f64, CreditError> {
        let timed = |(month, amount): (u16, Decimal)| {
            let at = UnitTime { whole: month.into(), fraction: 0.0 };
            TimedAmount { amount, at }
        };
        let payments: Vec<TimedAmount> = self.paid().map(timed).collect();
        annual_percentage_rate(&[timed((0, self.advance()))], &payments, UnitPeriod::Months(1))
    }

    fn effective(&self, count: YearCount) -> Result<f64, CreditError> {
        let dated = |(month, amount): (u16, Decimal)| {
            let on = ANY_FIRST.saturating_add(i32::from(month).months());
            DatedAmount { amount, on }
        };
        let payments: Vec<DatedAmount> = self.paid().map(dated).collect();
        effective_rate(&[dated((0, self.advance()))], &payments, count)
    }

    fn paid(&self) -> impl Iterator<Item = (u16, Decimal)> {
        self.payments().filter(|(_, amount)| !amount.is_zero())
    }
}

#[cfg(test)]
mod tests;
