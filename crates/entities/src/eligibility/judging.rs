//! Whether a term of an offer can be had.

use std::ops::ControlFlow::{self, Continue};

use jiff::civil::Date;
use rust_decimal::Decimal;

use super::money::{Fees, Money, half_up};
use super::repayment::Lent;
use super::{EligibilityRules, Limit, Reason, Reasons, Rule};
use crate::applicant::Applicant;
use crate::definition::Currency;
use crate::offer::{Credit, Offer, Plan, Premium};

/// An offer that is looked at on a day, for who applies or for nobody in particular.
#[derive(Debug, Clone, Copy)]
pub struct Case<'a> {
    /// The offer.
    pub offer: &'a Offer,
    /// The item's price, in major units; rounded half up to the minor unit.
    pub price: Option<Decimal>,
    /// The domain's currency.
    pub currency: Currency,
    /// The domain's rules; [`super::NO_RULES`] where it has none.
    pub rules: &'a EligibilityRules,
    /// Who applies.
    pub applicant: Option<&'a Applicant>,
    /// The day, in UTC.
    pub today: Date,
}

impl<'a> Case<'a> {
    /// The rules that hold today for this offer.
    pub(super) fn rules_in_force(&self) -> impl Iterator<Item = &'a Rule> {
        let (today, offer) = (self.today, self.offer);
        self.rules.all().filter(move |rule| rule.applies(today, offer))
    }

    /// The terms to look at: of a credit the one that is wanted, or every one. For how long
    /// somebody wants to pay back says nothing of for how long they want to be insured.
    pub(super) fn terms(&self) -> impl Iterator<Item = u16> {
        let is_credit = matches!(self.offer.plan(), Plan::Credit(_));
        let wanted = self.applicant.and_then(Applicant::term_months).filter(|_| is_credit);
        let terms = self.offer.terms_months().iter().copied();
        terms.filter(move |term| wanted.is_none_or(|wanted| wanted == *term))
    }
}

/// What a rule says of a term.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Holds,
    Fails,
    /// A fact is missing.
    Unknown,
}

impl Verdict {
    fn of(holds: bool) -> Self {
        if holds { Self::Holds } else { Self::Fails }
    }
}

/// What is paid for, and its amounts.
#[derive(Debug, Clone, Copy)]
pub(super) enum Paid<'a> {
    Credit(&'a Credit, Money),
    /// With the premium rounded half up to the minor unit.
    Insurance(Premium),
}

/// The strictest of what rules say of a term.
#[derive(Debug, Default)]
struct Strictest {
    /// At least, in months.
    min_months: Option<u16>,
    /// At most, in months.
    max_months: Option<u16>,
    age_at_end: Option<u8>,
    debt_to_income: Option<Decimal>,
}

impl Strictest {
    /// Takes in what a rule limits, unless that is the same for every term.
    fn takes(&mut self, limit: &Limit) -> bool {
        match limit {
            Limit::Term { min_months, max_months } => {
                // None is less than any.
                self.min_months = self.min_months.max(*min_months);
                self.max_months = least(self.max_months, *max_months);
            }
            Limit::AgeAtEnd { max } => self.age_at_end = least(self.age_at_end, Some(*max)),
            Limit::DebtToIncome { max } => {
                self.debt_to_income = least(self.debt_to_income, Some(*max));
            }
            Limit::AgeAtStart { .. }
            | Limit::LoanToValue { .. }
            | Limit::DownPayment { .. }
            | Limit::Regions { .. } => return false,
        }
        true
    }

    /// The same as limits, what takes longest last.
    fn limits(&self) -> impl Iterator<Item = Limit> {
        let Self { min_months, max_months, age_at_end, debt_to_income } = *self;
        let term = Limit::Term { min_months, max_months };
        let ages = age_at_end.map(|max| Limit::AgeAtEnd { max });
        let debts = debt_to_income.map(|max| Limit::DebtToIncome { max });
        [term].into_iter().chain(ages).chain(debts)
    }
}

/// The lesser of two bounds, where there are two.
fn least<T: Ord>(one: Option<T>, other: Option<T>) -> Option<T> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

/// A case whose amounts are reckoned.
pub(super) struct Judge<'a> {
    case: &'a Case<'a>,
    pub(super) paid: Paid<'a>,
    pub(super) fees: Fees,
    pub(super) places: u32,
    /// What speaks against every term, whatever the rules say.
    problems: Reasons,
}

impl<'a> Judge<'a> {
    /// Reckons the amounts; `None` where there is no price for a credit, or one out of reach, or
    /// where a premium is less than a minor unit.
    pub(super) fn of(case: &'a Case<'a>) -> Option<Self> {
        let places = case.currency.places();
        let paid = match case.offer.plan() {
            Plan::Credit(credit) => Paid::Credit(credit, Money::of(case, credit)?),
            Plan::Insurance(Premium { amount, every_months }) => {
                let amount = Some(half_up(*amount, places)).filter(|amount| !amount.is_zero())?;
                Paid::Insurance(Premium { amount, every_months: *every_months })
            }
        };
        let fees = Fees::of(case.offer, places);
        let problems = match &paid {
            Paid::Credit(credit, money) => money.problems(credit, (&fees, places)),
            Paid::Insurance(_) => Reasons::default(),
        };
        Some(Self { case, paid, fees, places, problems })
    }

    /// Whether there is a term against which nothing speaks. Rules that say the same of every term
    /// are asked once, and of the others the strictest of a kind, so that an offer costs no more
    /// for many of them.
    pub(super) fn admits_a_term(&self) -> bool {
        let mut strictest = Strictest::default();
        let mut of_every_term =
            self.case.rules_in_force().filter(|rule| !strictest.takes(rule.limit()));
        // 0 months: they do not look at it.
        let fails = |rule: &Rule| self.verdict(rule.limit(), 0) == Verdict::Fails;
        let is_refused = !self.problems.is_empty() || of_every_term.any(fails);
        let admits = |term| {
            let mut limits = strictest.limits();
            limits.all(|limit| self.verdict(&limit, term) != Verdict::Fails)
        };
        !is_refused && self.case.terms().any(admits)
    }

    /// Tells each thing that may speak against a term.
    pub(super) fn judge(
        &self,
        term: u16,
        mut tell: impl FnMut(Reason, Verdict) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        for reason in self.problems.iter() {
            tell(reason, Verdict::Fails)?;
        }
        for rule in self.case.rules_in_force() {
            tell(rule.reason(), self.verdict(rule.limit(), term))?;
        }
        Continue(())
    }

    fn verdict(&self, limit: &Limit, term: u16) -> Verdict {
        let applicant = self.case.applicant;
        match limit {
            Limit::AgeAtStart { min, max } => {
                let fits =
                    |age| min.is_none_or(|min| age >= min) && max.is_none_or(|max| age <= max);
                let age = applicant.and_then(Applicant::age);
                age.map_or(Verdict::Unknown, |age| Verdict::of(fits(age)))
            }
            Limit::AgeAtEnd { max } => {
                let age = applicant.and_then(Applicant::age);
                // Whoever is of some age may be a day from the next.
                let fits = |age: u8| u16::from(age) + term.div_ceil(12) <= u16::from(*max);
                age.map_or(Verdict::Unknown, |age| Verdict::of(fits(age)))
            }
            Limit::Term { min_months, max_months } => Verdict::of(
                min_months.is_none_or(|min| term >= min)
                    && max_months.is_none_or(|max| term <= max),
            ),
            Limit::DebtToIncome { max } => self.debt_to_income(*max, term),
            Limit::LoanToValue { max } => {
                self.share(|money| Some(money.financed <= money.price.checked_mul(*max)?))
            }
            Limit::DownPayment { min_share } => {
                self.share(|money| Some(money.down_payment >= money.price.checked_mul(*min_share)?))
            }
            Limit::Regions { only, except } => {
                let region = applicant.and_then(Applicant::region);
                region.map_or(Verdict::Unknown, |region| {
                    let is_in = |of: &[_]| of.iter().any(|area| region.is_within(area));
                    Verdict::of((only.is_empty() || is_in(only)) && !is_in(except))
                })
            }
        }
    }

    /// What a rule of shares of the price says. Of insurance it says nothing; what cannot be
    /// reckoned is refused.
    fn share(&self, holds: impl Fn(&Money) -> Option<bool>) -> Verdict {
        match &self.paid {
            Paid::Credit(_, money) => Verdict::of(holds(money).unwrap_or(false)),
            Paid::Insurance(_) => Verdict::Holds,
        }
    }

    /// Whether no more than this share of the income goes into debts. Where the debts are not
    /// told, it may be that the payment alone is too much.
    fn debt_to_income(&self, max: Decimal, term: u16) -> Verdict {
        let applicant = self.case.applicant;
        let Some(income) = applicant.and_then(Applicant::monthly_income) else {
            return Verdict::Unknown;
        };
        let debts = applicant.and_then(Applicant::monthly_debts);
        let room = income
            .checked_mul(max)
            .and_then(|most| most.checked_sub(debts.unwrap_or_default()))
            .and_then(|most| most.checked_sub(self.fees.each_month));
        let fits = room.and_then(|room| self.fits(room, term)).unwrap_or(false);
        match (fits, debts) {
            (false, _) => Verdict::Fails,
            (true, Some(_)) => Verdict::Holds,
            (true, None) => Verdict::Unknown,
        }
    }

    /// Whether what is paid a month, beside fees, is within that.
    fn fits(&self, room: Decimal, term: u16) -> Option<bool> {
        match &self.paid {
            Paid::Credit(_, money) => self.lent(money, term).fits(room),
            Paid::Insurance(premium) => {
                Some(premium.amount <= room.checked_mul(premium.every_months.into())?)
            }
        }
    }

    pub(super) fn lent(&self, money: &Money, term: u16) -> Lent {
        money.lent((term, self.places))
    }
}
