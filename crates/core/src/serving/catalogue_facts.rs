//! What a catalogue is like as a whole, and what its items say of themselves beyond their fields:
//! what a person's choices are held against.

use std::collections::BTreeMap;

use rust_decimal::Decimal;

use crate::entities::catalogue::{Item, ItemDetails, ItemStatus};

/// The attribute that says in which form an item comes: "video", "book".
const FORMAT: &str = "format";
/// The attribute that says what an item costs without a discount.
const LIST_PRICE: &str = "list_price";
/// Most distinct categories, and formats, that are counted; nothing is told of those beyond. So a
/// catalogue in which every item has its own takes no more room than these.
const MAX_NAMES: usize = 4_096;
/// Longest format, in bytes: an attribute may hold a text of any kind.
const MAX_FORMAT_BYTES: usize = 100;
/// Fewest items with a price against which one is placed.
pub const FEWEST_PRICES: usize = 10;

/// The format of an item.
#[must_use]
pub fn format_of(details: &ItemDetails) -> Option<&str> {
    let format = details.attributes.get(FORMAT)?.trim();
    (!format.is_empty() && format.len() <= MAX_FORMAT_BYTES).then_some(format)
}

/// Whether an item is sold below its list price; `None` when either price is not known.
#[must_use]
pub fn is_discounted(details: &ItemDetails) -> Option<bool> {
    let list_price = details.attributes.get(LIST_PRICE)?;
    let list_price = Decimal::from_str_exact(list_price.trim()).ok()?;
    Some(details.price? < list_price)
}

/// What a catalogue is like as a whole: of the items that are neither deleted nor hidden.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CatalogueFacts {
    items: usize,
    categories: BTreeMap<String, usize>,
    formats: BTreeMap<String, usize>,
    with_format: usize,
    /// Prices above 0, ascending.
    prices: Vec<Decimal>,
}

impl CatalogueFacts {
    /// The facts of these items.
    #[must_use]
    pub fn of<'a>(items: impl IntoIterator<Item = &'a Item>) -> Self {
        let mut facts = Self::default();
        let details = items.into_iter().filter_map(|item| item.details.as_ref());
        for details in details.filter(|details| details.status != ItemStatus::Hidden) {
            facts.items += 1;
            for (at, category) in details.categories.iter().enumerate() {
                if !details.categories[..at].contains(category) {
                    count(&mut facts.categories, category);
                }
            }
            if let Some(format) = format_of(details) {
                facts.with_format += 1;
                count(&mut facts.formats, format);
            }
            facts.prices.extend(details.price.filter(|price| *price > Decimal::ZERO));
        }
        facts.prices.sort_unstable();
        facts
    }

    /// How many categories there are; those beyond a bound are not counted.
    #[must_use]
    pub fn categories(&self) -> usize {
        self.categories.len()
    }

    /// How many formats there are; those beyond a bound are not counted.
    #[must_use]
    pub fn formats(&self) -> usize {
        self.formats.len()
    }

    /// The share of items in a category; `None` where none is, or too many categories are.
    #[must_use]
    pub fn category_share(&self, category: &str) -> Option<f64> {
        Some(*self.categories.get(category)? as f64 / self.items as f64)
    }

    /// Of the items with a format, the share with this one; `None` where none has it.
    #[must_use]
    pub fn format_share(&self, format: &str) -> Option<f64> {
        Some(*self.formats.get(format)? as f64 / self.with_format as f64)
    }

    /// Where a price stands among those of the catalogue, from 0 for below all to 1 for above all:
    /// the share that is lower, and half of what is the same. `None` with fewer than
    /// [`FEWEST_PRICES`], or where all are the same.
    #[must_use]
    pub fn price_level(&self, price: Decimal) -> Option<f64> {
        let is_placed =
            self.prices.len() >= FEWEST_PRICES && self.prices.first() != self.prices.last();
        let lower = self.prices.partition_point(|other| *other < price);
        let up_to = self.prices.partition_point(|other| *other <= price);
        is_placed.then(|| (lower + up_to) as f64 / (2 * self.prices.len()) as f64)
    }
}

fn count(names: &mut BTreeMap<String, usize>, name: &str) {
    let is_full = names.len() >= MAX_NAMES;
    match names.get_mut(name) {
        Some(number) => *number += 1,
        None if is_full => {}
        None => {
            names.insert(name.to_owned(), 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use crossfold_testing::{catalogue_item, item_key};
    use serde_json::json;

    use super::*;

    fn item(number: usize, details: serde_json::Value) -> Item {
        let details = Some(ItemDetails::parse(details).unwrap());
        Item { details, ..catalogue_item(item_key("knowledge", &format!("i{number}"))) }
    }

    #[test]
    fn shares_and_prices_are_of_what_is_neither_deleted_nor_hidden() {
        let details = |number: usize| {
            let format = if number.is_multiple_of(4) { "book" } else { "video" };
            json!({
                "title": "t", "price": number.to_string(), "categories": ["a", "a", "b"],
                "attributes": if number < 8 { json!({"format": format}) } else { json!({}) },
            })
        };
        let mut items: Vec<Item> = (0..12).map(|number| item(number, details(number))).collect();
        items[11].details = None;
        items.push(item(12, json!({"title": "t", "status": "hidden", "categories": ["c"]})));
        let facts = CatalogueFacts::of(&items);
        assert_eq!(facts.category_share("a"), Some(1.0));
        assert_eq!(facts.category_share("c"), None);
        assert_eq!(facts.format_share("book"), Some(0.25));
        // Prices 1 to 10; that of 0 is none.
        assert_eq!(facts.price_level(Decimal::ONE), Some(0.05));
        assert_eq!(facts.price_level(Decimal::from(11)), Some(1.0));
        assert_eq!(facts.price_level(Decimal::ZERO), Some(0.0));
        assert_eq!(CatalogueFacts::of(&items[..6]).price_level(Decimal::ONE), None);
    }

    #[test]
    fn a_catalogue_of_nothing_but_names_of_their_own_is_counted_up_to_a_bound() {
        let of_its_own =
            |number| item(number, json!({"title": "t", "categories": [format!("c{number}")]}));
        let items: Vec<Item> = (0..MAX_NAMES + 10).map(of_its_own).collect();
        assert_eq!(CatalogueFacts::of(&items).categories.len(), MAX_NAMES);
    }

    #[test]
    fn what_an_item_does_not_say_in_a_known_form_is_not_known() {
        let of =
            |attributes| item(1, json!({"title": "t", "price": "5", "attributes": attributes}));
        let details = |item: &Item| item.details.clone().unwrap();
        assert_eq!(is_discounted(&details(&of(json!({"list_price": "7.50"})))), Some(true));
        assert_eq!(is_discounted(&details(&of(json!({"list_price": "5.0"})))), Some(false));
        assert_eq!(is_discounted(&details(&of(json!({"list_price": "dear"})))), None);
        assert_eq!(format_of(&details(&of(json!({"format": "x".repeat(101)})))), None);
        assert_eq!(format_of(&details(&of(json!({"format": " video "})))), Some("video"));
    }
}
