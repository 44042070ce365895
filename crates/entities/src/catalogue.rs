//! Catalogue entries and when they may be shown.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::decimal;
use crate::ids::{DomainId, ItemId};
use crate::json;
use crate::offer::Offer;
use crate::plain_text::{is_one_line, is_visible};
use crate::plausible_time::{self, is_plausible};
use crate::text_length::exceeds;

mod attributes;

/// Most attributes of an item.
pub const MAX_ATTRIBUTES: usize = 64;
/// Longest name of an attribute, in characters.
pub const MAX_ATTRIBUTE_NAME: usize = 100;

/// Whether an item may be recommended at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum ItemStatus {
    /// It may.
    #[default]
    Active,
    /// The platform hides it.
    Hidden,
    /// There is none to sell at the moment.
    OutOfStock,
}

/// What a platform says of one of its items. Prices are in the domain's currency.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ItemDetails {
    /// The title shown to people.
    pub title: String,
    /// Categories, the most important first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub categories: Vec<String>,
    /// The price, exact, from a text or a number.
    #[serde(
        default,
        deserialize_with = "decimal::exact_option",
        skip_serializing_if = "Option::is_none"
    )]
    pub price: Option<Decimal>,
    /// Whether it may be recommended.
    #[serde(default)]
    pub status: ItemStatus,
    /// From when it may be recommended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub available_from: Option<Timestamp>,
    /// From when it may no longer be recommended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub available_until: Option<Timestamp>,
    /// Attributes of the platform. Numbers and booleans are kept as texts, and several texts as
    /// one, between `|`: what they are is for the domain's definition to say.
    #[serde(
        default,
        deserialize_with = "attributes::read",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub attributes: BTreeMap<String, String>,
    /// The credit terms that it carries.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offer: Option<Box<Offer>>,
}

/// A caller's item, as it is posted.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct RawItem {
    /// The identifier, unique within the domain.
    pub item_id: String,
    /// Everything else: see [`ItemDetails`].
    #[serde(flatten)]
    pub details: serde_json::Map<String, serde_json::Value>,
}

/// Why an item cannot be accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidItem(pub String);

impl ItemDetails {
    /// Parses details from JSON and checks their ranges.
    ///
    /// # Errors
    /// [`InvalidItem`], in words fit for a caller.
    pub fn parse(value: serde_json::Value) -> Result<Self, InvalidItem> {
        let details: Self =
            json::from_value(value).map_err(|error| InvalidItem(error.to_string()))?;
        details.check()?;
        Ok(details)
    }

    fn check(&self) -> Result<(), InvalidItem> {
        let refuse = |why: &str| Err(InvalidItem(why.into()));
        if self.title.trim().is_empty() || exceeds(&self.title, 1_000) {
            return refuse("title must be 1 to 1000 characters");
        }
        if self.categories.len() > 32 || self.categories.iter().any(|c| exceeds(c, 200)) {
            return refuse("categories must be at most 32 texts of at most 200 characters");
        }
        let is_long = |(key, value): (&String, &String)| {
            exceeds(key, MAX_ATTRIBUTE_NAME) || exceeds(value, 1_000)
        };
        if self.attributes.len() > MAX_ATTRIBUTES || self.attributes.iter().any(is_long) {
            return refuse("attributes must be at most 64 texts of at most 1000 characters");
        }
        if !is_one_line(&self.title) || !self.categories.iter().all(|c| is_one_line(c)) {
            return refuse("title and categories must have no control characters");
        }
        if !self.attributes.iter().all(|(key, value)| is_one_line(key) && is_visible(value)) {
            return refuse("attributes must have no control characters but line ends and tabs");
        }
        if self.price.is_some_and(|price| price.is_sign_negative() && !price.is_zero()) {
            return refuse("price must not be negative");
        }
        for (name, time) in
            [("available_from", self.available_from), ("available_until", self.available_until)]
        {
            if time.is_some_and(|time| !is_plausible(time)) {
                return refuse(&format!("{name} {}", plausible_time::RULE));
            }
        }
        if let (Some(from), Some(until)) = (self.available_from, self.available_until)
            && from >= until
        {
            return refuse("available_from must be before available_until");
        }
        if let Some(offer) = &self.offer {
            offer.check_price(self.price).map_err(|error| InvalidItem(error.to_string()))?;
        }
        Ok(())
    }
}

/// The place of a change among all changes of a domain's catalogue, as the store gives it
/// out: a call's changes share one, and a later call's is greater. What is newest in a
/// catalogue is told by it and by no clock.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct ChangeNumber(pub u64);

/// One catalogue entry.
#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    /// Its domain.
    pub domain: DomainId,
    /// Its identifier within the domain.
    pub item_id: ItemId,
    /// What the platform says of it; `None` once it was deleted.
    pub details: Option<ItemDetails>,
    /// When the entry last changed, by the writer's clock: to be shown, not to go by.
    pub updated_at: Timestamp,
    /// The change that made it what it is; 0 until a store has taken it.
    pub change: ChangeNumber,
}

impl Item {
    /// Since when it has been there, as far as is known: from when it may be shown, or
    /// when its entry last changed.
    #[must_use]
    pub fn since(&self) -> Timestamp {
        let available_from = self.details.as_ref().and_then(|details| details.available_from);
        available_from.unwrap_or(self.updated_at)
    }

    /// Whether the item may be recommended at `now`: it exists, is active, and
    /// `now` lies within its window of availability.
    #[must_use]
    pub fn is_available(&self, now: Timestamp) -> bool {
        self.details.as_ref().is_some_and(|details| {
            details.status == ItemStatus::Active
                && details.available_from.is_none_or(|from| from <= now)
                && details.available_until.is_none_or(|until| now < until)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(details: serde_json::Value) -> Item {
        Item {
            domain: DomainId::parse("knowledge").unwrap(),
            item_id: ItemId::parse("i1").unwrap(),
            details: Some(ItemDetails::parse(details).unwrap()),
            updated_at: Timestamp::UNIX_EPOCH,
            change: ChangeNumber::default(),
        }
    }

    #[test]
    fn hidden_deleted_and_expired_items_are_not_available() {
        let now: Timestamp = "2026-06-01T00:00:00Z".parse().unwrap();
        assert!(item(serde_json::json!({"title": "t"})).is_available(now));
        assert!(!item(serde_json::json!({"title": "t", "status": "hidden"})).is_available(now));
        assert!(
            !item(serde_json::json!({"title": "t", "status": "out_of_stock"})).is_available(now)
        );
        let until = serde_json::json!({"title": "t", "available_until": "2026-06-01T00:00:00Z"});
        assert!(!item(until).is_available(now));
        let from = serde_json::json!({"title": "t", "available_from": "2026-06-01T00:00:01Z"});
        assert!(!item(from).is_available(now));
        let mut deleted = item(serde_json::json!({"title": "t"}));
        deleted.details = None;
        assert!(!deleted.is_available(now));
    }

    #[test]
    fn what_is_invisible_or_cannot_be_meant_is_refused_and_free_texts_have_lines() {
        let parse = |field: &str, value: serde_json::Value| {
            let mut details = serde_json::json!({"title": "t"});
            details[field] = value;
            ItemDetails::parse(details)
        };
        let free = serde_json::json!({"text": "one\ntwo\tthree"});
        assert!(parse("attributes", free).is_ok());
        assert!(parse("available_until", "2199-12-31T23:59:59Z".into()).is_ok());
        for (field, value) in [
            ("title", serde_json::json!("a\nb")),
            ("title", serde_json::json!("\u{1b}[2J")),
            ("categories", serde_json::json!(["good", "a\tb"])),
            ("attributes", serde_json::json!({"a\nb": "x"})),
            ("attributes", serde_json::json!({"a": "x\u{0}"})),
            ("available_until", serde_json::json!("9999-12-30T00:00:00Z")),
            ("available_until", serde_json::json!("+020000-01-01T00:00:00Z")),
            ("available_until", serde_json::json!("20000-01-01T00:00:00Z")),
            ("available_from", serde_json::json!("1969-12-31T23:59:59Z")),
        ] {
            assert!(parse(field, value.clone()).is_err(), "{field} {value}");
        }
    }

    fn largest_offer() -> serde_json::Value {
        let fee = serde_json::json!(
            {"name": "😀".repeat(100), "amount": "999999999999.9999", "due": "each_month"}
        );
        serde_json::json!({
            "kind": "lease", "annual_rate": "0.1234567891", "residual": "0.1234567891",
            "terms_months": (569..=600).collect::<Vec<_>>(), "min_down_payment": "0.1234567891",
            "min_amount": "999999999999.9998", "max_amount": "999999999999.9999",
            "fees": vec![fee; 8],
            "vehicle": {"kind": "commercial", "energy": "conventional", "condition": "used"},
        })
    }

    #[test]
    fn an_item_carries_an_offer_that_its_price_can_bear() {
        let loan = serde_json::json!({"kind": "loan", "annual_rate": "0.05", "terms_months": [12]});
        let priced =
            serde_json::json!({"title": "t", "price": "9", "status": "active", "offer": loan});
        let details = ItemDetails::parse(priced.clone()).unwrap();
        assert_eq!(serde_json::to_value(&details).unwrap(), priced);
        let free = serde_json::json!({"title": "t", "offer": priced["offer"]});
        let why = ItemDetails::parse(free).unwrap_err().0;
        assert!(why.contains("kind of an offer"), "{why}");
        let unknown = serde_json::json!({"title": "t", "price": "9", "offer": {"rate": "1"}});
        assert!(ItemDetails::parse(unknown).unwrap_err().0.contains("rate"));
    }

    #[test]
    fn the_largest_entry_that_is_accepted_fits_into_a_record() {
        let wide = |chars: usize| "😀".repeat(chars);
        let attribute = |number: usize| (format!("{number:02}{}", wide(98)), wide(1_000));
        let largest = serde_json::json!({
            "title": wide(1_000), "categories": vec![wide(200); 32],
            "attributes": (0..64).map(attribute).collect::<BTreeMap<_, _>>(),
            "price": "12345678901234567890.12345678", "status": "out_of_stock",
            "available_from": "2026-01-01T00:00:00.123456789Z",
            "available_until": "2199-01-01T00:00:00.123456789Z", "offer": largest_offer(),
        });
        let details = ItemDetails::parse(largest).unwrap();
        let bytes = serde_json::to_vec(&details).unwrap().len();
        // With its keys, which have some kilobyte.
        assert!(bytes < 350_000, "{bytes} bytes, of the 400 KB of a table's item");
    }

    #[test]
    fn money_is_exact_and_unknown_fields_are_refused() {
        let details =
            ItemDetails::parse(serde_json::json!({"title": "t", "price": "19.90"})).unwrap();
        assert_eq!(details.price.unwrap().to_string(), "19.90");
        let details = ItemDetails::parse(serde_json::json!({"title": "t", "price": 19.9})).unwrap();
        assert_eq!(details.price.unwrap().to_string(), "19.9");
        assert!(ItemDetails::parse(serde_json::json!({"title": "t", "prise": "1"})).is_err());
        assert!(ItemDetails::parse(serde_json::json!({"title": "t", "price": "-1"})).is_err());
        assert!(ItemDetails::parse(serde_json::json!({"title": ""})).is_err());
    }
}
