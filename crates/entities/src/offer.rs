//! The credit terms that an item may carry: a loan, a lease, instalments or insurance.
//!
//! An item has them under `offer`. Amounts are in the domain's currency, in major units; shares and
//! rates are fractions. Decimals are texts or numbers, taken exactly, and are written as texts.
//!
//! ```json
//! {"kind": "loan", "annual_rate": "0.045", "terms_months": [12, 24, 36], "min_down_payment": "0.2",
//!  "min_amount": "10000", "max_amount": "500000",
//!  "fees": [{"name": "Arrangement", "amount": "500", "due": "start"}],
//!  "vehicle": {"kind": "passenger", "energy": "new_energy", "condition": "new"}}
//! ```
//!
//! | field | of which kind | what it is |
//! | --- | --- | --- |
//! | `kind` | all | `loan`, `lease`, `instalment` or `insurance` |
//! | `terms_months` | all | 1 to 32 whole numbers from 1 to 600, ascending, each once: for how long it can be had; of insurance, for how long one is insured |
//! | `annual_rate` | all but insurance, where it must stand | the nominal rate of a year, a fraction from 0 to 1: `0.045` for 4.5 per cent |
//! | `min_down_payment` | all but insurance | the least share of the price that is paid at once, from 0, below 1; 0 where it does not stand |
//! | `min_amount`, `max_amount` | all but insurance | the least and the most that is financed, above 0, at most 10^12; no bound where it does not stand |
//! | `residual` | lease | the share of the price that is due at the end, from 0, below 1; 0 where it does not stand |
//! | `premium` | insurance, where it must stand | `{amount, every_months}`: above 0, every 1, 3, 6 or 12 months, of which each term is a multiple |
//! | `fees` | all | at most 8 of `{name, amount, due}`: 1 to 100 characters; 0 to 10^12; `start`, `each_month` or `end` |
//! | `vehicle` | all | `{kind, energy, condition}`: `passenger` (for one's own use) or `commercial`; `conventional` or `new_energy`; `new` or `used` |
//!
//! Rates and shares have at most 10 decimal places, amounts at most 4. No other field is taken. An
//! offer other than insurance is of an item with a price ([`Offer::check_price`]).
//!
//! What it costs someone is told by [`crate::eligibility`], what must be shown of it by
//! [`crate::disclosure`].

mod raw;

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::decimal;
use raw::RawOffer;

/// Most terms of one offer.
pub const MAX_TERMS: usize = 32;
/// The longest term, in months.
pub const MAX_TERM_MONTHS: u16 = 600;
/// Most fees of one offer.
pub const MAX_FEES: usize = 8;
/// Longest name of a fee, in characters.
pub const MAX_FEE_NAME: usize = 100;
/// The largest amount of money that is reckoned with, in major units: 10^12.
pub const LARGEST_AMOUNT: Decimal = Decimal::from_parts(3_567_587_328, 232, 0, false, 0);
/// Most decimal places of an amount: those of the finest currency.
pub const MAX_AMOUNT_PLACES: u32 = 4;
/// Most decimal places of a rate or a share. With those of an amount they fit into a decimal.
pub const MAX_SHARE_PLACES: u32 = 10;

/// What kind of credit an offer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OfferKind {
    /// Money that is paid back with interest, while the thing is one's own.
    Loan,
    /// The use of a thing, with a part of its price due at the end.
    Lease,
    /// A price that is paid in parts.
    Instalment,
    /// Cover against a premium: no credit.
    Insurance,
}

impl OfferKind {
    /// The code of it, as it is written.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Loan => "loan",
            Self::Lease => "lease",
            Self::Instalment => "instalment",
            Self::Insurance => "insurance",
        }
    }
}

/// What a vehicle is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VehicleKind {
    /// For one's own use.
    Passenger,
    /// To earn money with.
    Commercial,
}

/// What drives a vehicle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VehicleEnergy {
    /// Petrol, diesel, gas, hybrids that are not charged.
    Conventional,
    /// Electricity alone, plug-in hybrids, fuel cells.
    NewEnergy,
}

/// Whether a vehicle had an owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VehicleCondition {
    /// It had none.
    New,
    /// It had.
    Used,
}

/// The vehicle that an offer is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Vehicle {
    /// What it is used for.
    pub kind: VehicleKind,
    /// What drives it.
    pub energy: VehicleEnergy,
    /// Whether it had an owner.
    pub condition: VehicleCondition,
}

/// When a fee is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FeeDue {
    /// Once, when the credit begins; it is not financed.
    Start,
    /// With each month of the term.
    EachMonth,
    /// Once, when the term ends.
    End,
}

/// What is paid beside interest and what was lent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fee {
    /// What it is for, in words fit for the person: 1 to [`MAX_FEE_NAME`] characters.
    pub name: String,
    /// How much it is each time, 0 to [`LARGEST_AMOUNT`].
    #[serde(deserialize_with = "decimal::exact")]
    pub amount: Decimal,
    /// When.
    pub due: FeeDue,
}

/// What insurance costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Premium {
    /// How much it is each time, above 0, at most [`LARGEST_AMOUNT`].
    #[serde(deserialize_with = "decimal::exact")]
    pub amount: Decimal,
    /// Every how many months it is due: 1, 3, 6 or 12.
    pub every_months: u16,
}

/// How what is financed is paid back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CreditKind {
    /// See [`OfferKind::Loan`].
    Loan,
    /// See [`OfferKind::Lease`].
    Lease {
        /// The share of the price that is due at the end, from 0, below 1.
        residual: Decimal,
    },
    /// See [`OfferKind::Instalment`].
    Instalment,
}

/// A price of which a part is financed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Credit {
    /// How it is paid back.
    pub kind: CreditKind,
    /// The nominal rate of a year, 0 to 1: 0.045 for 4.5 per cent.
    pub annual_rate: Decimal,
    /// The least share of the price that is paid at once, from 0, below 1.
    pub min_down_payment: Decimal,
    /// The least that is financed, above 0.
    pub min_amount: Option<Decimal>,
    /// The most that is financed, not below the least.
    pub max_amount: Option<Decimal>,
}

impl Credit {
    /// The share of the price that is due at the end: 0 but of leases.
    #[must_use]
    pub fn residual(&self) -> Decimal {
        match self.kind {
            CreditKind::Lease { residual } => residual,
            CreditKind::Loan | CreditKind::Instalment => Decimal::ZERO,
        }
    }
}

/// What is paid for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plan {
    /// The price of the item, later.
    Credit(Credit),
    /// Cover.
    Insurance(Premium),
}

/// The credit terms of an item, whose parts do not contradict each other.
///
/// ```
/// use crossfold_entities::offer::{Offer, OfferKind};
/// let offer = serde_json::json!({"kind": "loan", "annual_rate": "0.045", "terms_months": [12, 24]});
/// let offer: Offer = serde_json::from_value(offer).unwrap();
/// assert_eq!((offer.kind(), offer.terms_months()), (OfferKind::Loan, &[12, 24][..]));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "RawOffer", into = "RawOffer")]
pub struct Offer {
    plan: Plan,
    terms_months: Vec<u16>,
    fees: Vec<Fee>,
    vehicle: Option<Vehicle>,
}

/// Why an offer cannot be accepted: the field, and the rule that it breaks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the {field} of an offer {rule}")]
pub struct InvalidOffer {
    /// Which field.
    pub field: &'static str,
    /// What it must be.
    pub rule: &'static str,
}

impl Offer {
    /// What kind it is.
    #[must_use]
    pub fn kind(&self) -> OfferKind {
        match self.plan {
            Plan::Credit(Credit { kind: CreditKind::Loan, .. }) => OfferKind::Loan,
            Plan::Credit(Credit { kind: CreditKind::Lease { .. }, .. }) => OfferKind::Lease,
            Plan::Credit(Credit { kind: CreditKind::Instalment, .. }) => OfferKind::Instalment,
            Plan::Insurance(_) => OfferKind::Insurance,
        }
    }

    /// What is paid for.
    #[must_use]
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// For how many months it can be had, ascending: one at least, each from 1 to
    /// [`MAX_TERM_MONTHS`].
    #[must_use]
    pub fn terms_months(&self) -> &[u16] {
        &self.terms_months
    }

    /// What is paid beside: at most [`MAX_FEES`].
    #[must_use]
    pub fn fees(&self) -> &[Fee] {
        &self.fees
    }

    /// The vehicle that it is for, where the offer says so.
    #[must_use]
    pub fn vehicle(&self) -> Option<Vehicle> {
        self.vehicle
    }

    /// Checks that an item of this price can carry it: only insurance needs none.
    ///
    /// # Errors
    /// [`InvalidOffer`] for a credit of an item without a price above 0.
    pub fn check_price(&self, price: Option<Decimal>) -> Result<(), InvalidOffer> {
        let is_priced = price.is_some_and(|price| price > Decimal::ZERO);
        if matches!(self.plan, Plan::Credit(_)) && !is_priced {
            let rule = "needs an item with a price above 0, unless it is insurance";
            return Err(InvalidOffer { field: "kind", rule });
        }
        Ok(())
    }
}
