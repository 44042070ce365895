//! A document's schemas in a form that allows no property it does not describe.
//!
//! JSON Schema allows every property that is not forbidden, and an answer's
//! schema forbids none, so that clients bear what later versions add. Here a
//! property that is not described is a gap in the document.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

/// Keywords whose schemas, each in a list, apply to the same value.
const SAME_VALUE_LISTS: [&str; 3] = ["allOf", "anyOf", "oneOf"];
/// Keywords whose schema applies to the same value.
const SAME_VALUE: [&str; 3] = ["if", "then", "else"];
/// Keywords whose schemas, each under a name, apply to values within.
const INNER_MAPS: [&str; 2] = ["properties", "patternProperties"];
/// Keywords whose schemas, each in a list, apply to values within.
const INNER_LISTS: [&str; 1] = ["prefixItems"];
/// Keywords whose schema applies to values within.
const INNER: [&str; 3] = ["additionalProperties", "items", "contains"];

/// What a reference leads to, or the value itself.
pub(super) fn resolve<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    match pointer(value) {
        Some(pointer) => document.pointer(pointer).unwrap_or(&Value::Null),
        None => value,
    }
}

fn pointer(value: &Value) -> Option<&str> {
    value["$ref"].as_str()?.strip_prefix('#')
}

/// The document's components, closed wherever one contains another value.
pub(super) fn components(document: &Value) -> Value {
    let mut components = document["components"].clone();
    for schema in components["schemas"].as_object_mut().into_iter().flat_map(Map::values_mut) {
        close_within(document, schema);
    }
    components
}

/// Closes a schema that a whole value is held against.
///
/// It is closed here and not where it is defined: as a part of another schema
/// (`allOf`) it may not refuse what the other parts describe.
pub(super) fn close(document: &Value, schema: &mut Value) {
    close_within(document, schema);
    let says_itself =
        ["additionalProperties", "unevaluatedProperties"].map(|key| schema.get(key).is_some());
    if !says_itself.contains(&true)
        && describes_properties(document, schema, &mut BTreeSet::new())
        && let Some(schema) = schema.as_object_mut()
    {
        schema.insert("unevaluatedProperties".into(), json!(false));
    }
}

/// Closes the schemas of values within the value.
fn close_within(document: &Value, schema: &mut Value) {
    let Some(schema) = schema.as_object_mut() else { return };
    for (keyword, inner) in schema {
        let keyword = keyword.as_str();
        if SAME_VALUE.contains(&keyword) {
            close_within(document, inner);
        } else if SAME_VALUE_LISTS.contains(&keyword) {
            inner
                .as_array_mut()
                .into_iter()
                .flatten()
                .for_each(|part| close_within(document, part));
        } else if INNER.contains(&keyword) {
            close(document, inner);
        } else if INNER_LISTS.contains(&keyword) {
            inner.as_array_mut().into_iter().flatten().for_each(|inner| close(document, inner));
        } else if INNER_MAPS.contains(&keyword) {
            let inner = inner.as_object_mut().into_iter().flat_map(Map::values_mut);
            inner.for_each(|inner| close(document, inner));
        }
    }
}

/// Whether a schema, or one that applies to the same value, describes properties. One that
/// describes none, like that of a report, leaves them all open.
fn describes_properties<'a>(
    document: &'a Value,
    schema: &'a Value,
    seen: &mut BTreeSet<&'a str>,
) -> bool {
    if schema.get("properties").is_some() {
        return true;
    }
    let referred = pointer(schema).filter(|pointer| seen.insert(pointer));
    let referred = referred.and_then(|pointer| document.pointer(pointer));
    let listed = SAME_VALUE_LISTS.iter().filter_map(|keyword| schema[*keyword].as_array());
    let single = SAME_VALUE.iter().filter_map(|keyword| schema.get(keyword));
    listed
        .flatten()
        .chain(single)
        .chain(referred)
        .any(|part| describes_properties(document, part, seen))
}
