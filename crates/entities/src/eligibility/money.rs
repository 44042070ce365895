//! What is paid at once and what is financed, before any term is looked at.

use rust_decimal::{Decimal, RoundingStrategy};

use super::repayment::Lent;
use super::{Case, Limit, Reason, Reasons};
use crate::offer::{Credit, FeeDue, LARGEST_AMOUNT, Offer};

/// The most minor units that are financed: beyond it double precision, by which rates are solved,
/// does not tell one from the next (2^53 - 1).
const MOST_MINOR_UNITS: Decimal = Decimal::from_parts(u32::MAX, 0x001F_FFFF, 0, false, 0);
/// Decimal places of a month's rate, as many as the annuity takes.
const RATE_PLACES: u32 = 12;

/// The fees of an offer, each rounded half up to the minor unit and added up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fees {
    /// What is due when it begins.
    pub start: Decimal,
    /// What is due with each month of the term.
    pub each_month: Decimal,
    /// What is due when the term ends.
    pub end: Decimal,
}

impl Fees {
    pub(super) fn of(offer: &Offer, places: u32) -> Self {
        let due = |when: FeeDue| {
            let fees = offer.fees().iter().filter(|fee| fee.due == when);
            // Eight of at most 10^12.
            fees.fold(Decimal::ZERO, |sum, fee| sum + half_up(fee.amount, places))
        };
        Self {
            start: due(FeeDue::Start),
            each_month: due(FeeDue::EachMonth),
            end: due(FeeDue::End),
        }
    }

    /// What they are in all over so many months.
    #[must_use]
    pub fn total(&self, months: u16) -> Decimal {
        self.start + self.each_month * Decimal::from(months) + self.end
    }
}

/// Where an offer says no least amount, one in so many parts of the price stays financed.
const LEAST_FINANCED: Decimal = Decimal::TEN;

/// The amounts of a credit that are the same for every term.
#[derive(Debug, Clone, Copy)]
pub(super) struct Money {
    pub(super) price: Decimal,
    pub(super) down_payment: Decimal,
    pub(super) financed: Decimal,
    pub(super) residual: Decimal,
    /// The rate of a month.
    rate: Decimal,
    /// What the offer alone wants to be paid at once.
    least_down_payment: Decimal,
}

impl Money {
    /// The amounts; `None` where there is no price, or one that is out of reach.
    pub(super) fn of(case: &Case<'_>, credit: &Credit) -> Option<Self> {
        let places = case.currency.places();
        let price = case.price.filter(|price| *price <= LARGEST_AMOUNT)?;
        let price = Some(half_up(price, places)).filter(|price| *price > Decimal::ZERO)?;
        let least_down_payment = up(price.checked_mul(credit.min_down_payment)?, places);
        let given = case.applicant.and_then(|applicant| applicant.down_payment());
        let down_payment = match given {
            // Who could pay more at once need not: so much stays financed, whatever the rules are.
            Some(given) => {
                let least = credit.min_amount.unwrap_or(price / LEAST_FINANCED);
                let most = price - up(least, places).min(price);
                down(given, places).min(most.max(least_down_payment))
            }
            None => needed(case, credit, price)?.max(least_down_payment),
        };
        // Nobody pays more than the price.
        let down_payment = written(down_payment.min(price), places);
        Some(Self {
            price,
            down_payment,
            financed: price - down_payment,
            residual: half_up(price.checked_mul(credit.residual())?, places),
            rate: half_up(credit.annual_rate / Decimal::from(12), RATE_PLACES),
            least_down_payment,
        })
    }

    /// What speaks against these amounts, whatever the rules say.
    pub(super) fn problems(&self, credit: &Credit, (fees, places): (&Fees, u32)) -> Reasons {
        let mut problems = Reasons::default();
        if self.down_payment < self.least_down_payment {
            problems.insert(Reason::DownPayment);
        }
        let minor_units = self.financed.checked_mul(Decimal::from(10u32.pow(places)));
        let is_within = self.financed > self.residual
            && minor_units.is_some_and(|units| units <= MOST_MINOR_UNITS)
            && credit.min_amount.is_none_or(|least| self.financed >= least)
            && credit.max_amount.is_none_or(|most| self.financed <= most);
        if !is_within || self.is_outweighed(fees) {
            problems.insert(Reason::Amount);
        }
        problems
    }

    /// Whether the fees outweigh what is financed: start + each month / 2 + end / 3 > financed / 3.
    ///
    /// That is their value at 200 per cent a month, or more. Without fees a month costs at most 100
    /// per cent (1,000 a year, and rounding), by which payments are worth at most two thirds of
    /// what is financed at that rate. So where this does not hold, there is a rate below it, which
    /// every way of reckoning a yearly rate finds.
    fn is_outweighed(&self, fees: &Fees) -> bool {
        let six = Decimal::from(6) * fees.start
            + Decimal::from(3) * fees.each_month
            + Decimal::TWO * fees.end;
        six > Decimal::TWO * self.financed
    }

    pub(super) fn lent(&self, (months, places): (u16, u32)) -> Lent {
        let Self { financed, residual, rate, .. } = *self;
        Lent { financed, residual, rate, months, places }
    }
}

/// What must be paid at once for the rules to hold, and for no more to be financed than the offer
/// finances.
fn needed(case: &Case<'_>, credit: &Credit, price: Decimal) -> Option<Decimal> {
    let places = case.currency.places();
    let by_offer = credit.max_amount.map_or(Decimal::ZERO, |most| price - down(most, places));
    case.rules_in_force().try_fold(by_offer, |needed, rule| {
        let by_rule = match rule.limit() {
            Limit::DownPayment { min_share } => up(price.checked_mul(*min_share)?, places),
            Limit::LoanToValue { max } => price - down(price.checked_mul(*max)?, places),
            _ => Decimal::ZERO,
        };
        Some(needed.max(by_rule))
    })
}

pub(super) fn half_up(amount: Decimal, places: u32) -> Decimal {
    written(amount.round_dp_with_strategy(places, RoundingStrategy::MidpointAwayFromZero), places)
}

fn up(amount: Decimal, places: u32) -> Decimal {
    written(amount.round_dp_with_strategy(places, RoundingStrategy::ToPositiveInfinity), places)
}

fn down(amount: Decimal, places: u32) -> Decimal {
    written(amount.round_dp_with_strategy(places, RoundingStrategy::ToZero), places)
}

/// With all its decimal places.
fn written(mut amount: Decimal, places: u32) -> Decimal {
    amount.rescale(places);
    amount
}
