//! Offers as callers write them, and what makes offers of them.

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::{
    Credit, CreditKind, Fee, InvalidOffer, LARGEST_AMOUNT, MAX_AMOUNT_PLACES, MAX_FEE_NAME,
    MAX_FEES, MAX_SHARE_PLACES, MAX_TERM_MONTHS, MAX_TERMS, Offer, OfferKind, Plan, Premium,
    Vehicle,
};
use crate::decimal;
use crate::plain_text::is_one_line;
use crate::text_length::exceeds;

/// The largest nominal rate of a year: 100 per cent. Whoever writes 4.5 means per cent.
const LARGEST_RATE: Decimal = Decimal::ONE;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "an offer: an object with a kind")]
pub(super) struct RawOffer {
    kind: OfferKind,
    #[serde(
        default,
        deserialize_with = "decimal::exact_option",
        skip_serializing_if = "Option::is_none"
    )]
    annual_rate: Option<Decimal>,
    terms_months: Vec<u16>,
    #[serde(
        default,
        deserialize_with = "decimal::exact_option",
        skip_serializing_if = "Option::is_none"
    )]
    min_down_payment: Option<Decimal>,
    #[serde(
        default,
        deserialize_with = "decimal::exact_option",
        skip_serializing_if = "Option::is_none"
    )]
    min_amount: Option<Decimal>,
    #[serde(
        default,
        deserialize_with = "decimal::exact_option",
        skip_serializing_if = "Option::is_none"
    )]
    max_amount: Option<Decimal>,
    #[serde(
        default,
        deserialize_with = "decimal::exact_option",
        skip_serializing_if = "Option::is_none"
    )]
    residual: Option<Decimal>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    premium: Option<Premium>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    fees: Vec<Fee>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    vehicle: Option<Vehicle>,
}

impl TryFrom<RawOffer> for Offer {
    type Error = InvalidOffer;

    fn try_from(raw: RawOffer) -> Result<Self, InvalidOffer> {
        check_terms(&raw.terms_months)?;
        check_fees(&raw.fees)?;
        let plan = match raw.kind {
            OfferKind::Insurance => Plan::Insurance(raw.insurance()?),
            kind => Plan::Credit(raw.credit(kind)?),
        };
        let RawOffer { terms_months, fees, vehicle, .. } = raw;
        Ok(Self { plan, terms_months, fees, vehicle })
    }
}

impl RawOffer {
    fn insurance(&self) -> Result<Premium, InvalidOffer> {
        let of_credit = [
            ("annual_rate", self.annual_rate),
            ("min_down_payment", self.min_down_payment),
            ("min_amount", self.min_amount),
            ("max_amount", self.max_amount),
            ("residual", self.residual),
        ];
        if let Some((field, _)) = of_credit.into_iter().find(|(_, value)| value.is_some()) {
            return refuse(field, "cannot stand with insurance, which is no credit");
        }
        let Some(premium) = self.premium else {
            return refuse("premium", "must stand with insurance");
        };
        if premium.amount <= Decimal::ZERO || !is_amount(premium.amount) {
            return refuse("premium", AMOUNT_ABOVE_ZERO);
        }
        if ![1, 3, 6, 12].contains(&premium.every_months) {
            return refuse("premium", "must be due every 1, 3, 6 or 12 months");
        }
        if self.terms_months.iter().any(|term| term % premium.every_months != 0) {
            return refuse("terms_months", "must be multiples of every_months of the premium");
        }
        Ok(premium)
    }

    fn credit(&self, kind: OfferKind) -> Result<Credit, InvalidOffer> {
        if self.premium.is_some() {
            return refuse("premium", "stands with insurance alone");
        }
        let Some(annual_rate) = self.annual_rate else {
            return refuse("annual_rate", "must stand: 0 where there is no interest");
        };
        if annual_rate < Decimal::ZERO || annual_rate > LARGEST_RATE || !is_fine(annual_rate) {
            let rule = "must be a fraction from 0 to 1 (4.5 % is 0.045), with at most 10 decimal \
                        places";
            return refuse("annual_rate", rule);
        }
        for (field, share) in
            [("min_down_payment", self.min_down_payment), ("residual", self.residual)]
        {
            let is_share = |of: Decimal| of >= Decimal::ZERO && of < Decimal::ONE && is_fine(of);
            if !share.is_none_or(is_share) {
                let rule = "must be a fraction from 0, below 1 (20 % is 0.2), with at most 10 \
                            decimal places";
                return refuse(field, rule);
            }
        }
        for (field, amount) in [("min_amount", self.min_amount), ("max_amount", self.max_amount)] {
            if amount.is_some_and(|amount| amount <= Decimal::ZERO || !is_amount(amount)) {
                return refuse(field, AMOUNT_ABOVE_ZERO);
            }
        }
        if let (Some(least), Some(most)) = (self.min_amount, self.max_amount)
            && least > most
        {
            return refuse("min_amount", "must not be above max_amount");
        }
        let kind = match (kind, self.residual) {
            (OfferKind::Lease, residual) => {
                CreditKind::Lease { residual: residual.unwrap_or_default() }
            }
            (_, Some(_)) => return refuse("residual", "stands with leases alone"),
            (OfferKind::Instalment, None) => CreditKind::Instalment,
            (_, None) => CreditKind::Loan,
        };
        let min_down_payment = self.min_down_payment.unwrap_or_default();
        let Self { min_amount, max_amount, .. } = *self;
        Ok(Credit { kind, annual_rate, min_down_payment, min_amount, max_amount })
    }
}

const AMOUNT_ABOVE_ZERO: &str = "must be above 0, at most 10^12, with at most 4 decimal places";

fn refuse<T>(field: &'static str, rule: &'static str) -> Result<T, InvalidOffer> {
    Err(InvalidOffer { field, rule })
}

/// Whether a rate or a share has no more decimal places than are reckoned with.
fn is_fine(share: Decimal) -> bool {
    share.normalize().scale() <= MAX_SHARE_PLACES
}

fn is_amount(amount: Decimal) -> bool {
    amount >= Decimal::ZERO
        && amount <= LARGEST_AMOUNT
        && amount.normalize().scale() <= MAX_AMOUNT_PLACES
}

fn check_terms(terms: &[u16]) -> Result<(), InvalidOffer> {
    let is_ascending = terms.windows(2).all(|pair| pair[0] < pair[1]);
    let is_in_range = terms.iter().all(|term| (1..=MAX_TERM_MONTHS).contains(term));
    if !(1..=MAX_TERMS).contains(&terms.len()) || !is_in_range || !is_ascending {
        return refuse("terms_months", "must be 1 to 32 ascending numbers from 1 to 600");
    }
    Ok(())
}

fn check_fees(fees: &[Fee]) -> Result<(), InvalidOffer> {
    if fees.len() > MAX_FEES {
        return refuse("fees", "must be at most 8");
    }
    let is_named = |Fee { name, .. }: &Fee| {
        !name.trim().is_empty() && !exceeds(name, MAX_FEE_NAME) && is_one_line(name)
    };
    if !fees.iter().all(is_named) {
        return refuse("fees", "must have names of 1 to 100 characters without control characters");
    }
    if !fees.iter().all(|fee| is_amount(fee.amount)) {
        return refuse("fees", "must be from 0 to 10^12, with at most 4 decimal places");
    }
    Ok(())
}

impl From<Offer> for RawOffer {
    fn from(offer: Offer) -> Self {
        let kind = offer.kind();
        let Offer { plan, terms_months, fees, vehicle } = offer;
        let (credit, premium) = match plan {
            Plan::Credit(credit) => (Some(credit), None),
            Plan::Insurance(premium) => (None, Some(premium)),
        };
        let residual = credit.map(|credit| credit.residual());
        Self {
            kind,
            annual_rate: credit.map(|credit| credit.annual_rate),
            terms_months,
            // What is usual is not written.
            min_down_payment: credit.map(|of| of.min_down_payment).filter(|of| !of.is_zero()),
            min_amount: credit.and_then(|credit| credit.min_amount),
            max_amount: credit.and_then(|credit| credit.max_amount),
            residual: residual.filter(|residual| !residual.is_zero()),
            premium,
            fees,
            vehicle,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::json;

    fn loan() -> Value {
        json!({"kind": "loan", "annual_rate": "0.045", "terms_months": [12, 24, 36],
            "min_down_payment": "0.2", "min_amount": "10000", "max_amount": "500000",
            "fees": [{"name": "Arrangement", "amount": "500", "due": "start"}],
            "vehicle": {"kind": "passenger", "energy": "new_energy", "condition": "new"}})
    }

    fn insurance() -> Value {
        json!({"kind": "insurance", "terms_months": [12, 24],
            "premium": {"amount": "300.50", "every_months": 3}})
    }

    fn with(mut offer: Value, field: &str, value: Value) -> Value {
        offer[field] = value;
        offer
    }

    fn refusal(offer: Value) -> String {
        json::from_value::<Offer>(offer).unwrap_err().to_string()
    }

    #[test]
    fn offers_of_every_kind_survive_json_with_their_decimals_as_texts() {
        let lease = with(with(loan(), "kind", json!("lease")), "residual", json!("0.35"));
        let instalment = json!({"kind": "instalment", "annual_rate": "0", "terms_months": [3]});
        for offer in [loan(), lease, instalment, insurance()] {
            let read: Offer = json::from_value(offer.clone()).unwrap();
            assert_eq!(serde_json::to_value(&read).unwrap(), offer);
        }
        let number: Offer = json::from_value(with(loan(), "annual_rate", json!(0.045))).unwrap();
        assert_eq!(serde_json::to_value(&number).unwrap(), loan());
    }

    #[test]
    fn what_contradicts_its_kind_or_range_is_refused_by_name() {
        let lease = |residual: &str| {
            with(with(loan(), "kind", json!("lease")), "residual", json!(residual))
        };
        let fee = |name: &str, amount: &str| json!([{"name": name, "amount": amount, "due": "each_month"}]);
        for (offer, field) in [
            (with(loan(), "annual_rate", Value::Null), "annual_rate"),
            (with(loan(), "annual_rate", json!("10.1")), "annual_rate"),
            (with(loan(), "annual_rate", json!("-0.1")), "annual_rate"),
            (with(loan(), "annual_rate", json!("0.00000000001")), "annual_rate"),
            (with(loan(), "terms_months", json!([])), "terms_months"),
            (with(loan(), "terms_months", json!([0])), "terms_months"),
            (with(loan(), "terms_months", json!([601])), "terms_months"),
            (with(loan(), "terms_months", json!([12, 12])), "terms_months"),
            (with(loan(), "terms_months", json!([24, 12])), "terms_months"),
            (with(loan(), "terms_months", json!((1..34).collect::<Vec<_>>())), "terms_months"),
            (with(loan(), "min_down_payment", json!("1")), "min_down_payment"),
            (with(loan(), "min_amount", json!("0")), "min_amount"),
            (with(loan(), "min_amount", json!("500000.01")), "max_amount"),
            (with(loan(), "max_amount", json!("1000000000000.01")), "max_amount"),
            (with(loan(), "residual", json!("0.3")), "residual"),
            (lease("1"), "residual"),
            (with(loan(), "premium", insurance()["premium"].clone()), "premium"),
            (with(loan(), "fees", fee("", "1")), "fees"),
            (with(loan(), "fees", fee("a\nb", "1")), "fees"),
            (with(loan(), "fees", fee("Upkeep", "-1")), "fees"),
            (with(loan(), "fees", json!(vec![fee("Upkeep", "1")[0].clone(); 9])), "fees"),
            (with(loan(), "colour", json!("red")), "colour"),
            (with(insurance(), "annual_rate", json!("0.1")), "annual_rate"),
            (with(insurance(), "premium", Value::Null), "premium"),
            (with(insurance(), "terms_months", json!([13])), "terms_months"),
            (with(insurance(), "premium", json!({"amount": "0", "every_months": 1})), "premium"),
            (with(insurance(), "premium", json!({"amount": "9", "every_months": 2})), "premium"),
        ] {
            let why = refusal(offer.clone());
            assert!(why.contains(field), "{offer}: {why}");
        }
    }

    #[test]
    fn a_credit_needs_an_item_with_a_price() {
        let offer = |value| json::from_value::<Offer>(value).unwrap();
        let error = offer(loan()).check_price(None).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the kind of an offer needs an item with a price above 0, unless it is insurance"
        );
        assert!(offer(loan()).check_price(Some(Decimal::ZERO)).is_err());
        assert!(offer(loan()).check_price(Some(Decimal::ONE)).is_ok());
        assert!(offer(insurance()).check_price(None).is_ok());
    }

    proptest! {
        #[test]
        fn whatever_is_accepted_is_read_again_as_it_was(
            kind in prop::sample::select(vec!["loan", "lease", "instalment"]),
            rate in 0i64..=10_000, share in 0i64..99, terms in prop::collection::btree_set(1u16..=600, 1..32),
        ) {
            let mut offer = json!({"kind": kind, "terms_months": terms,
                "annual_rate": Decimal::new(rate, 4), "min_down_payment": Decimal::new(share, 2)});
            if kind == "lease" {
                offer["residual"] = json!(Decimal::new(share, 2));
            }
            let read: Offer = json::from_value(offer).unwrap();
            let written = serde_json::to_value(&read).unwrap();
            prop_assert_eq!(json::from_value::<Offer>(written).unwrap(), read);
        }
    }
}
