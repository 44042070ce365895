//! Attributes as callers write them: texts, numbers, booleans, and lists of texts.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, de};
use serde_json::Value;

use crate::decimal;
use crate::filter::columns::SEPARATOR;

/// Reads attributes as the texts that they are kept as.
pub(super) fn read<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<String, String>, D::Error> {
    let attributes = BTreeMap::<String, Value>::deserialize(deserializer)?;
    let text = |(name, value): (String, Value)| match text(value) {
        Ok(text) => Ok((name, text)),
        Err(rule) => Err(de::Error::custom(format!("the attribute {name:?} {rule}"))),
    };
    attributes.into_iter().map(text).collect()
}

fn text(value: Value) -> Result<String, String> {
    match value {
        Value::String(text) => Ok(text),
        Value::Bool(flag) => Ok(flag.to_string()),
        Value::Number(_) => {
            let number = decimal::exact(value).map_err(|error| format!("is no number: {error}"))?;
            Ok(number.to_string())
        }
        Value::Array(values) => {
            values.into_iter().map(entry).collect::<Result<Vec<_>, _>>().map(joined)
        }
        Value::Null | Value::Object(_) => {
            Err("must be a text, a number, true, false, or a list of texts".to_owned())
        }
    }
}

fn entry(value: Value) -> Result<String, String> {
    match value {
        // As they are read again.
        Value::String(text) if !text.contains(SEPARATOR) => Ok(text.trim().to_owned()),
        Value::String(_) => Err(format!("must have no {SEPARATOR:?} within a text of a list")),
        _ => Err("must be a list of texts".to_owned()),
    }
}

fn joined(texts: Vec<String>) -> String {
    let mut joined = String::new();
    for (at, text) in texts.iter().enumerate() {
        if at > 0 {
            joined.push(SEPARATOR);
        }
        joined.push_str(text);
    }
    joined
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::catalogue::ItemDetails;

    #[test]
    fn values_of_every_kind_are_kept_as_texts_and_numbers_to_the_last_digit() {
        let details = ItemDetails::parse(json!({"title": "t", "attributes": {
            "brand": "BYD", "range": 520, "rate": 3.10, "is_new": true, "fuels": ["petrol", " gas "],
            "none": [],
        }}))
        .unwrap();
        let kept = serde_json::to_value(&details).unwrap();
        assert_eq!(
            kept["attributes"],
            json!({"brand": "BYD", "range": "520", "rate": "3.1", "is_new": "true",
                "fuels": "petrol|gas", "none": ""})
        );
        // What is kept is read again as it is.
        assert_eq!(ItemDetails::parse(kept).unwrap(), details);
    }

    #[test]
    fn what_cannot_be_kept_is_refused_by_name() {
        for (value, rule) in [
            (json!(null), "must be a text"),
            (json!({"a": 1}), "must be a text"),
            (json!([1]), "must be a list of texts"),
            (json!(["a|b"]), "must have no"),
            (json!(1e300), "number"),
        ] {
            let details = ItemDetails::parse(json!({"title": "t", "attributes": {"size": value}}));
            let why = details.unwrap_err().0;
            assert!(why.contains("\"size\"") && why.contains(rule), "{why}");
        }
    }
}
