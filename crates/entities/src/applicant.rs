//! Who applies for credit, as one request says it. It is used to answer that request, and kept
//! nowhere: it cannot be written, and what shows it for debugging shows no value.
//!
//! ```json
//! {"monthly_income": "12000", "monthly_debts": "1500", "down_payment": "30000", "age": 34,
//!  "region": "CN-SH", "term_months": 36}
//! ```
//!
//! Every field may be missing; money is in the domain's currency, in major units, from 0 to 10^12
//! with at most 4 decimal places. There is no field for sex, descent, faith, health, marriage or
//! whatever else must not weigh: a name that does not stand here is refused, so that nothing of
//! that kind can be given at all. Refusals repeat no value, for they may be logged.
//!
//! It does not compile to write one:
//!
//! ```compile_fail
//! let applicant = crossfold_entities::applicant::Applicant::default();
//! serde_json::to_string(&applicant).unwrap();
//! ```

mod region;

use std::fmt;

use rust_decimal::Decimal;
use serde::{Deserialize, Deserializer, de};
use serde_json::Value;

use crate::decimal;
use crate::offer::{LARGEST_AMOUNT, MAX_AMOUNT_PLACES, MAX_TERM_MONTHS};
pub use region::{InvalidRegion, Region};

/// The oldest that anyone is.
pub const MAX_AGE: u8 = 150;

/// What a request says of who applies. See the module for what it must not do.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Applicant {
    monthly_income: Option<Decimal>,
    monthly_debts: Option<Decimal>,
    down_payment: Option<Decimal>,
    age: Option<u8>,
    region: Option<Region>,
    term_months: Option<u16>,
}

impl Applicant {
    /// What comes in each month, before anything is paid of it.
    #[must_use]
    pub fn monthly_income(&self) -> Option<Decimal> {
        self.monthly_income
    }

    /// What is paid each month for debts that there are already.
    #[must_use]
    pub fn monthly_debts(&self) -> Option<Decimal> {
        self.monthly_debts
    }

    /// What can be paid at once.
    #[must_use]
    pub fn down_payment(&self) -> Option<Decimal> {
        self.down_payment
    }

    /// Full years of age, 0 to [`MAX_AGE`].
    #[must_use]
    pub fn age(&self) -> Option<u8> {
        self.age
    }

    /// Where they live.
    #[must_use]
    pub fn region(&self) -> Option<&Region> {
        self.region.as_ref()
    }

    /// The term that they want, in months, from 1 to [`MAX_TERM_MONTHS`].
    #[must_use]
    pub fn term_months(&self) -> Option<u16> {
        self.term_months
    }

    /// Whether it tells amounts of money: they are in the currency of whatever domain is asked.
    #[must_use]
    pub fn tells_money(&self) -> bool {
        let Self { monthly_income, monthly_debts, down_payment, .. } = self;
        monthly_income.or(*monthly_debts).or(*down_payment).is_some()
    }

    /// Whether nothing is said.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl fmt::Debug for Applicant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Applicant(..)")
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawApplicant {
    #[serde(default, deserialize_with = "money")]
    monthly_income: Option<Decimal>,
    #[serde(default, deserialize_with = "money")]
    monthly_debts: Option<Decimal>,
    #[serde(default, deserialize_with = "money")]
    down_payment: Option<Decimal>,
    #[serde(default, deserialize_with = "years")]
    age: Option<u8>,
    #[serde(default, deserialize_with = "region")]
    region: Option<Region>,
    #[serde(default, deserialize_with = "months")]
    term_months: Option<u16>,
}

impl<'de> Deserialize<'de> for Applicant {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // What serde says of anything but an object repeats it.
        let fields = match Value::deserialize(deserializer)? {
            fields @ Value::Object(_) => fields,
            _ => return Err(de::Error::custom("an applicant must be an object")),
        };
        let raw: RawApplicant = serde_json::from_value(fields).map_err(de::Error::custom)?;
        Ok(raw.into())
    }
}

impl From<RawApplicant> for Applicant {
    fn from(raw: RawApplicant) -> Self {
        let RawApplicant { monthly_income, monthly_debts, down_payment, age, region, term_months } =
            raw;
        Self { monthly_income, monthly_debts, down_payment, age, region, term_months }
    }
}

/// Reads money; the words of whoever reads decimals would repeat what they read.
fn money<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Decimal>, D::Error> {
    let rule = "money of an applicant must be a decimal as text or number, from 0 to 10^12, with \
                at most 4 decimal places";
    let amount = decimal::exact_option(deserializer).map_err(|_| de::Error::custom(rule))?;
    let is_money = |amount: Decimal| {
        amount >= Decimal::ZERO
            && amount <= LARGEST_AMOUNT
            && amount.normalize().scale() <= MAX_AMOUNT_PLACES
    };
    if amount.is_none_or(is_money) { Ok(amount) } else { Err(de::Error::custom(rule)) }
}

fn years<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u8>, D::Error> {
    let refusal = || de::Error::custom("age must be a whole number of years from 0 to 150");
    let age = Option::<u8>::deserialize(deserializer).map_err(|_| refusal())?;
    if age.is_none_or(|age| age <= MAX_AGE) { Ok(age) } else { Err(refusal()) }
}

fn months<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u16>, D::Error> {
    let refusal = || de::Error::custom("term_months must be a whole number from 1 to 600");
    let months = Option::<u16>::deserialize(deserializer).map_err(|_| refusal())?;
    let is_term = |months| (1..=MAX_TERM_MONTHS).contains(&months);
    if months.is_none_or(is_term) { Ok(months) } else { Err(refusal()) }
}

fn region<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Region>, D::Error> {
    Option::<Region>::deserialize(deserializer).map_err(|_| de::Error::custom(InvalidRegion))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::json;

    fn read(value: Value) -> Result<Applicant, String> {
        json::from_value(value).map_err(|error| error.to_string())
    }

    #[test]
    fn every_field_may_be_given_or_missing() {
        let all = json!({"monthly_income": "12000.50", "monthly_debts": 0, "down_payment": "30000",
            "age": 34, "region": "cn-SH", "term_months": 36});
        let applicant = read(all).unwrap();
        assert_eq!(applicant.monthly_income().unwrap().to_string(), "12000.50");
        assert_eq!(applicant.monthly_debts(), Some(Decimal::ZERO));
        assert_eq!(applicant.down_payment(), Some(Decimal::from(30_000)));
        assert_eq!((applicant.age(), applicant.term_months()), (Some(34), Some(36)));
        assert_eq!(applicant.region().unwrap().as_str(), "CN-SH");
        let nothing = read(json!({"age": null, "monthly_income": null})).unwrap();
        assert!(nothing.is_empty() && !applicant.is_empty());
    }

    #[test]
    fn what_must_not_weigh_cannot_be_given_and_the_refusal_says_what_can() {
        for name in [
            "gender",
            "sex",
            "ethnicity",
            "race",
            "nationality",
            "religion",
            "marital_status",
            "health",
            "disability",
            "sexual_orientation",
            "pregnant",
            "political_opinion",
            "Age",
        ] {
            let why = read(json!({name: "x"})).unwrap_err();
            assert!(why.contains(name), "{why}");
            for field in [
                "monthly_income",
                "monthly_debts",
                "down_payment",
                "`age`",
                "region",
                "term_months",
            ] {
                assert!(why.contains(field), "{why}");
            }
        }
    }

    #[test]
    fn nothing_that_is_said_shows_in_debugging() {
        let applicant = read(json!({"monthly_income": "12345.67", "age": 34, "region": "CN-SH"}));
        for shown in [format!("{applicant:?}"), format!("{applicant:#?}")] {
            assert!(shown.contains("Applicant(..)"), "{shown}");
            assert!(!shown.contains("34") && !shown.contains("CN"), "{shown}");
        }
    }

    #[test]
    fn what_is_out_of_range_is_refused_without_being_repeated() {
        for (field, value, secret) in [
            ("monthly_income", json!("-777"), "777"),
            ("monthly_income", json!("777x"), "777"),
            ("monthly_debts", json!("0.77777"), "777"),
            ("down_payment", json!("7770000000000"), "777"),
            ("down_payment", json!({"a": 777}), "777"),
            ("age", json!(151), "151"),
            ("age", json!(777), "777"),
            ("age", json!("secret"), "secret"),
            ("region", json!("secret place"), "secret"),
            ("region", json!(["secret"]), "secret"),
            ("term_months", json!(0), "`0`"),
            ("term_months", json!(777), "777"),
        ] {
            let why = read(json!({field: value})).unwrap_err();
            assert!(!why.contains(secret), "{field}: {why}");
        }
        assert!(read(json!([])).is_err());
    }

    proptest! {
        #[test]
        fn no_text_at_all_makes_an_applicant_fail_with_what_was_said(text in "[a-z]{4}[0-9]{6}") {
            for field in ["monthly_income", "age", "term_months"] {
                let why = read(json!({field: text})).unwrap_err();
                prop_assert!(!why.contains(&text), "{}", why);
            }
        }
    }
}
