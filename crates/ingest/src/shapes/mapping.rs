//! What another system's event means in a domain: one of its events, or one for
//! each of the items that it is about.

use crossfold_core::entities::decimal;
use crossfold_core::entities::definition::DomainDefinition;
use crossfold_core::entities::event::{EventRejection, RawEvent};
use crossfold_core::entities::ids::MAX_ID_CHARS;
use crossfold_core::entities::sources::{EventMapping, FieldPath, Source};
use crossfold_core::entities::text_length::exceeds;
use data_encoding::HEXLOWER;
use rust_decimal::Decimal;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::well_known;

/// Most items that one event is about: an order, not a catalogue.
const MAX_ITEMS_OF_EVENT: usize = 100;
/// Where the id stands in an element of a list of items.
const ITEM_IDS_IN_LIST: [&str; 7] =
    ["product_id", "productId", "item_id", "itemId", "sku", "content_id", "id"];
/// Where the price stands in an element of a list of items.
const VALUES_IN_LIST: [&str; 2] = ["price", "value"];

/// Another system's event, as far as its format tells.
pub(crate) struct Named<'a> {
    /// What happened, in the words of the source.
    pub(crate) name: &'a str,
    /// The event, in which paths lead.
    pub(crate) document: &'a Value,
    pub(crate) event_id: String,
    pub(crate) user_id: Option<String>,
    /// RFC 3339.
    pub(crate) occurred_at: String,
}

/// Where a format has things, unless a mapping says otherwise.
pub(crate) struct UsualPlaces {
    pub(crate) item_id: &'static [&'static str],
    pub(crate) value: &'static [&'static str],
    pub(crate) quantity: &'static str,
    pub(crate) list: &'static [&'static str],
}

/// What the event means in a domain.
pub(crate) fn meanings(
    named: &Named<'_>,
    source: Option<&Source>,
    definition: &DomainDefinition,
    usual: &UsualPlaces,
) -> Vec<Result<RawEvent, EventRejection>> {
    match mean(named, source, definition, usual) {
        Ok(events) => events.into_iter().map(Ok).collect(),
        Err(rejection) => vec![Err(rejection)],
    }
}

fn mean(
    named: &Named<'_>,
    source: Option<&Source>,
    definition: &DomainDefinition,
    usual: &UsualPlaces,
) -> Result<Vec<RawEvent>, EventRejection> {
    let mapping = mapping_of(named.name, source, definition)
        .ok_or_else(|| EventRejection::UnmappedEvent(named.name.to_owned()))?;
    let user_id = match &mapping.user_id {
        Some(path) => path.find(named.document).and_then(text_of),
        None => named.user_id.clone(),
    };
    let user_id = user_id.ok_or_else(|| malformed("it names no user"))?;
    let occurred_at = match &mapping.occurred_at {
        Some(path) => path.find(named.document).and_then(text_of),
        None => Some(named.occurred_at.clone()),
    };
    let occurred_at = occurred_at.ok_or(EventRejection::InvalidTimestamp)?;
    let event = |event_id: String, item_id: String, value: Option<Value>| RawEvent {
        event_id: bounded_id(&event_id),
        user_id: user_id.clone(),
        event_type: mapping.event_type.to_string(),
        item_id,
        occurred_at: occurred_at.clone(),
        value,
        dwell_seconds: None,
    };
    let about = About::find(&mapping, named.document, usual)?;
    Ok(match about {
        About::One { item_id, value } => vec![event(named.event_id.clone(), item_id, value)],
        About::Many(items) => items
            .into_iter()
            .enumerate()
            .map(|(at, (item_id, value))| event(format!("{}#{at}", named.event_id), item_id, value))
            .collect(),
    })
}

/// The mapping that a domain's definition has for a name, or a plain one to the
/// type that the name is well known for.
fn mapping_of(
    name: &str,
    source: Option<&Source>,
    definition: &DomainDefinition,
) -> Option<EventMapping> {
    if let Some(mapping) = source.and_then(|source| source.events.get(name)) {
        return Some(mapping.clone());
    }
    let last = name.rsplit('.').next().unwrap_or_default();
    let event_type = well_known::event_type(name, definition)
        .or_else(|| well_known::event_type(last, definition))?;
    let nowhere = || None;
    Some(EventMapping {
        event_type,
        each: nowhere(),
        item_id: nowhere(),
        user_id: nowhere(),
        value: nowhere(),
        occurred_at: nowhere(),
    })
}

/// The items that an event is about, each with the money involved.
enum About {
    One { item_id: String, value: Option<Value> },
    Many(Vec<(String, Option<Value>)>),
}

impl About {
    fn find(
        mapping: &EventMapping,
        document: &Value,
        usual: &UsualPlaces,
    ) -> Result<Self, EventRejection> {
        if let Some(path) = &mapping.each {
            let list = path.find(document).and_then(Value::as_array);
            let list = list.ok_or_else(|| malformed(format!("it has no list at {path}")))?;
            return Self::many(mapping, list);
        }
        let item_id = match &mapping.item_id {
            Some(path) => path.find(document),
            None => usual.item_id.iter().find_map(|path| at(document, path)),
        };
        if let Some(item_id) = item_id.and_then(text_of) {
            let price = match &mapping.value {
                Some(path) => path.find(document),
                None => usual.value.iter().find_map(|path| at(document, path)),
            };
            let value = price.map(|price| times(price, at(document, usual.quantity)));
            return Ok(Self::One { item_id, value });
        }
        let list = usual.list.iter().find_map(|path| at(document, path)?.as_array());
        match (&mapping.item_id, list) {
            (None, Some(list)) => Self::many(mapping, list),
            (Some(path), _) => Err(malformed(format!("it has no item id at {path}"))),
            (None, None) => {
                Err(malformed("it has no item id: name its place in the definition's sources"))
            }
        }
    }

    fn many(mapping: &EventMapping, list: &[Value]) -> Result<Self, EventRejection> {
        if list.is_empty() || list.len() > MAX_ITEMS_OF_EVENT {
            let found = list.len();
            return Err(malformed(format!(
                "its list has {found} items, not 1 to {MAX_ITEMS_OF_EVENT}"
            )));
        }
        let item = |element: &Value| {
            let found = found_in(&mapping.item_id, &ITEM_IDS_IN_LIST, element);
            let item_id = found.and_then(text_of);
            let item_id = item_id.ok_or_else(|| malformed("an item of its list has no id"))?;
            let price = found_in(&mapping.value, &VALUES_IN_LIST, element);
            Ok((item_id, price.map(|price| times(price, at(element, "quantity")))))
        };
        Ok(Self::Many(list.iter().map(item).collect::<Result<_, EventRejection>>()?))
    }
}

fn found_in<'a>(path: &Option<FieldPath>, usual: &[&str], element: &'a Value) -> Option<&'a Value> {
    match path {
        Some(path) => path.find(element),
        None => usual.iter().find_map(|name| at(element, name)),
    }
}

/// What stands at a path of names joined by dots; null counts as nothing.
pub(crate) fn at<'a>(document: &'a Value, path: &str) -> Option<&'a Value> {
    let found = path.split('.').try_fold(document, |value, name| value.get(name));
    found.filter(|value| !value.is_null())
}

/// A price for so many of something, exactly. What cannot be multiplied stays as
/// it is, and is judged as a value; a product that would be rounded is no value.
fn times(price: &Value, quantity: Option<&Value>) -> Value {
    let exact = |value: &Value| decimal::exact(value).ok().map(|value| value.normalize());
    let Some((price_of_one, quantity)) = quantity.and_then(|quantity| {
        let quantity = exact(quantity).filter(|quantity| *quantity >= Decimal::ZERO)?;
        Some((exact(price)?, quantity))
    }) else {
        return price.clone();
    };
    let product = price_of_one.checked_mul(quantity).filter(|product| {
        // Places are dropped where there are too many of them.
        let is_nothing = price_of_one.is_zero() || quantity.is_zero();
        is_nothing || product.scale() == price_of_one.scale() + quantity.scale()
    });
    Value::String(match product {
        Some(product) => product.normalize().to_string(),
        None => format!("{price_of_one} * {quantity}"),
    })
}

/// A text or a number as text; an empty text is none.
pub(crate) fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if text.is_empty() => None,
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// An identifier of any length as one that keeps the rule for identifiers.
pub(crate) fn bounded_id(text: &str) -> String {
    if exceeds(text, MAX_ID_CHARS) { hashed_id(&[text]) } else { text.to_owned() }
}

/// An identifier made of parts, which cannot run into each other.
pub(crate) fn hashed_id(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    HEXLOWER.encode(&hash.finalize())
}

pub(crate) fn malformed(why: impl Into<String>) -> EventRejection {
    EventRejection::Malformed(why.into())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const USUAL: UsualPlaces = UsualPlaces {
        item_id: &["p.sku"],
        value: &["p.price"],
        quantity: "p.quantity",
        list: &["p.products"],
    };

    fn read(document: &Value, name: &str) -> Vec<Result<RawEvent, EventRejection>> {
        let definition: DomainDefinition = serde_json::from_value(json!({
            "name": "Shop", "currency": "EUR",
            "event_types": {"view": {"weight": 1.0}, "purchase": {"weight": 5.0}},
            "sources": {"segment": {"events": {
                "Seen": {"type": "view", "item_id": "thing.id", "user_id": "who", "value": "cost",
                    "occurred_at": "when"},
                "Sold": {"type": "purchase", "each": "lines", "item_id": "thing.id", "value": "sum"},
            }}},
        }))
        .unwrap();
        let named = Named {
            name,
            document,
            event_id: "e".into(),
            user_id: Some("u".into()),
            occurred_at: "2026-06-01T00:00:00Z".into(),
        };
        meanings(&named, definition.sources.segment.as_ref(), &definition, &USUAL)
    }

    fn shown(document: &Value, name: &str) -> Vec<(String, String, String, Option<Value>)> {
        let events = read(document, name).into_iter().map(Result::unwrap);
        events.map(|event| (event.event_id, event.user_id, event.item_id, event.value)).collect()
    }

    #[test]
    fn a_mapping_tells_where_everything_stands() {
        let document =
            json!({"thing": {"id": 7}, "who": "w", "cost": 12.5, "when": "2026-01-01T00:00:00Z"});
        let expected = [("e".into(), "w".into(), "7".into(), Some(json!(12.5)))];
        assert_eq!(shown(&document, "Seen"), expected);
        let event = read(&document, "Seen").remove(0).unwrap();
        assert_eq!((&*event.event_type, &*event.occurred_at), ("view", "2026-01-01T00:00:00Z"));
        let lines = json!({"lines": [{"thing": {"id": "a"}, "sum": "1"}, {"thing": {"id": "b"}}]});
        let expected = [
            ("e#0".into(), "u".into(), "a".into(), Some(json!("1"))),
            ("e#1".into(), "u".into(), "b".into(), None),
        ];
        assert_eq!(shown(&lines, "Sold"), expected);
    }

    #[test]
    fn without_a_mapping_the_usual_places_are_looked_at_and_money_is_multiplied_exactly() {
        let one = json!({"p": {"sku": "a", "price": 0.1, "quantity": 3}});
        let expected = [("e".into(), "u".into(), "a".into(), Some(json!("0.3")))];
        assert_eq!(shown(&one, "Product Viewed"), expected);
        let order = json!({"p": {"products": [
            {"product_id": "a", "price": "19.90", "quantity": 2}, {"sku": 7},
        ]}});
        let expected = [
            ("e#0".into(), "u".into(), "a".into(), Some(json!("39.8"))),
            ("e#1".into(), "u".into(), "7".into(), None),
        ];
        assert_eq!(shown(&order, "Order Completed"), expected);
        assert_eq!(shown(&one, "com.example.view")[0].2, "a");
    }

    #[test]
    fn a_product_that_would_be_rounded_is_no_value() {
        let of = |price: Value, quantity: Value| times(&price, Some(&quantity));
        assert_eq!(of(json!("1.10"), json!(3)), json!("3.3"));
        assert_eq!(of(json!(0), json!("0.1")), json!("0"));
        let smallest = "0.0000000000000000000000000001";
        assert!(decimal::exact(&of(json!(smallest), json!("0.5"))).is_err());
        let largest = "79228162514264337593543950335";
        assert!(decimal::exact(&of(json!(largest), json!(2))).is_err());
    }

    #[test]
    fn what_has_no_meaning_or_is_not_whole_has_its_code() {
        let many = json!({"p": {"products": vec![json!({"sku": 1}); 101]}});
        for (document, name, code) in [
            (json!({"p": {"sku": "a"}}), "Signed Up", "unmapped_event"),
            (json!({"p": {}}), "Product Viewed", "malformed_event"),
            (json!({"p": {"sku": null}}), "Product Viewed", "malformed_event"),
            (json!({"p": {"products": []}}), "Order Completed", "malformed_event"),
            (json!({"p": {"products": [{}]}}), "Order Completed", "malformed_event"),
            (many, "Order Completed", "malformed_event"),
            (json!({"who": "w", "when": "x"}), "Seen", "malformed_event"),
            (json!({"thing": {"id": 7}, "when": "x"}), "Seen", "malformed_event"),
            (json!({"thing": {"id": 7}, "who": "w"}), "Seen", "invalid_timestamp"),
            (json!({}), "Sold", "malformed_event"),
        ] {
            let [read] = read(&document, name).try_into().unwrap();
            assert_eq!(read.unwrap_err().code(), code, "{name} {document}");
        }
    }

    #[test]
    fn parts_of_an_id_cannot_run_into_each_other() {
        assert_ne!(hashed_id(&["a", "bc"]), hashed_id(&["ab", "c"]));
        assert_eq!(bounded_id("short"), "short");
        assert_eq!(bounded_id(&"x".repeat(129)).len(), 64);
    }
}
