//! Amazon Personalize's `PutItems`: an item's properties, whose names are those
//! of the platform's own schema, as the details of a catalogue entry.

use std::collections::BTreeMap;

use crossfold_core::entities::catalogue::ItemDetails;
use crossfold_core::entities::ids::ItemId;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::personalize::{check_count, parse, within};
use super::segment::plain;

/// Names of the title, the first that is there being taken; in any case.
const TITLES: [&str; 5] = ["title", "name", "item_name", "product_name", "itemname"];
/// Names of the price.
const PRICES: [&str; 2] = ["price", "unit_price"];
/// Names of categories, each a text with `|` between several, or a list.
const CATEGORIES: [&str; 7] =
    ["categories", "category", "category_l1", "category_l2", "category_l3", "genres", "genre"];
/// Longest text of an attribute, in characters: what a catalogue entry may hold. A
/// longer one, such as a description, is cut.
const MAX_ATTRIBUTE_CHARS: usize = 1_000;

#[derive(Deserialize)]
struct PutItems {
    items: Vec<PutItem>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PutItem {
    item_id: String,
    #[serde(default)]
    properties: Option<Value>,
}

/// The items of a call. One without a title is called by its id.
///
/// # Errors
/// Why the body is no such call, or an item cannot be taken.
pub(crate) fn items(body: &[u8]) -> Result<Vec<(ItemId, ItemDetails)>, String> {
    let call: PutItems = parse(body)?;
    check_count("items", call.items.len())?;
    call.items.into_iter().map(read).collect()
}

fn read(item: PutItem) -> Result<(ItemId, ItemDetails), String> {
    let item_id = ItemId::parse(&item.item_id).map_err(|error| error.to_string())?;
    let in_item = |why: &dyn std::fmt::Display| format!("item {item_id}: {why}");
    let properties = within(&item.properties.unwrap_or_default())
        .map_err(|error| in_item(&format!("properties: {error}")))?;
    let properties = match properties {
        Value::Null => Map::new(),
        Value::Object(properties) => properties,
        _ => return Err(in_item(&"properties must be an object")),
    };
    let details = ItemDetails::parse(details(&item_id, properties)).map_err(|why| in_item(&why))?;
    Ok((item_id, details))
}

fn details(item_id: &ItemId, properties: Map<String, Value>) -> Value {
    let find = |names: &[&str]| {
        names.iter().find_map(|name| {
            let mut of_name = properties.iter().filter(|(own, _)| own.eq_ignore_ascii_case(name));
            of_name.find(|(_, value)| !value.is_null())
        })
    };
    let title = find(&TITLES).and_then(|(_, value)| plain(value));
    let price = find(&PRICES);
    let is_used = |name: &str| {
        [&TITLES[..], &PRICES, &CATEGORIES]
            .iter()
            .any(|names| names.iter().any(|used| used.eq_ignore_ascii_case(name)))
    };
    let attributes: BTreeMap<&String, String> = properties
        .iter()
        .filter(|(name, _)| !is_used(name))
        .filter_map(|(name, value)| Some((name, cut(plain(value)?))))
        .collect();
    let mut details = json!({
        "title": title.map_or_else(|| item_id.to_string(), cut),
        "categories": categories(&properties),
        "attributes": attributes,
    });
    if let Some((_, price)) = price {
        details["price"] = price.clone();
    }
    details
}

fn categories(properties: &Map<String, Value>) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for name in CATEGORIES {
        let values = properties.iter().filter(|(own, _)| own.eq_ignore_ascii_case(name));
        for (_, value) in values {
            let texts: Vec<String> = match value {
                Value::Array(values) => values.iter().filter_map(plain).collect(),
                other => plain(other).into_iter().collect(),
            };
            for category in texts.iter().flat_map(|text| text.split('|')).map(str::trim) {
                if !category.is_empty() && !found.iter().any(|known| known == category) {
                    found.push(category.to_owned());
                }
            }
        }
    }
    found
}

fn cut(text: String) -> String {
    text.chars().take(MAX_ATTRIBUTE_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn properties_become_details_under_their_usual_names_in_any_case() {
        let properties = json!({
            "TITLE": "Lake", "PRICE": 19.9, "GENRES": "water|calm", "Category_L1": "water",
            "DESCRIPTION": "ü".repeat(2_000), "year": 2026, "free": null,
        });
        let call = json!({"datasetArn": "arn", "items": [
            {"itemId": "i1", "properties": properties.to_string()}, {"itemId": "i2"},
        ]});
        let read = items(call.to_string().as_bytes()).unwrap();
        let (id, details) = &read[0];
        assert_eq!((id.as_str(), details.title.as_str()), ("i1", "Lake"));
        assert_eq!(details.price.unwrap().to_string(), "19.9");
        assert_eq!(details.categories, ["water", "calm"]);
        assert_eq!(details.attributes["year"], "2026");
        assert_eq!(details.attributes["DESCRIPTION"].chars().count(), 1_000);
        assert_eq!(read[1].1.title, "i2");
    }

    #[test]
    fn an_item_that_cannot_be_taken_is_named() {
        for (item, words) in [
            (json!({"itemId": ""}), "an item id"),
            (json!({"itemId": "i", "properties": "{"}), "item i: properties"),
            (json!({"itemId": "i", "properties": "[]"}), "must be an object"),
            (json!({"itemId": "i", "properties": "{\"price\":-1}"}), "price"),
        ] {
            let call = json!({"items": [item]}).to_string();
            assert!(items(call.as_bytes()).unwrap_err().contains(words), "{call}");
        }
    }
}
