//! What a change of a definition changes: a merge patch, and the fields that
//! came out different.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

/// Applies a JSON merge patch (RFC 7396, section 2): null takes a member away,
/// an object changes members one by one, anything else replaces.
pub(crate) fn merge_patch(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Value::Object(members) = target else { return };
    for (name, change) in patch {
        if change.is_null() {
            members.remove(name);
        } else {
            merge_patch(members.entry(name.as_str()).or_insert(Value::Null), change);
        }
    }
}

/// The fields in which two documents differ, each as its path with dots
/// (`event_types.view.weight`); a list counts as a whole.
pub(crate) fn changed_fields(before: &Value, after: &Value) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    compare(before, after, String::new(), &mut found);
    found
}

fn compare(before: &Value, after: &Value, path: String, found: &mut BTreeSet<String>) {
    let (Value::Object(old), Value::Object(new)) = (before, after) else {
        if before != after {
            found.insert(path);
        }
        return;
    };
    let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    for name in names {
        let inner = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        match (old.get(name), new.get(name)) {
            (Some(before), Some(after)) => compare(before, after, inner, found),
            _ => drop(found.insert(inner)),
        }
    }
}

/// Of changed fields, those that a posted document does not have: they fell to
/// their defaults, or away, because they were left out.
pub(crate) fn left_out(changed: &BTreeSet<String>, posted: &Value) -> BTreeSet<String> {
    changed.iter().filter(|path| !has(posted, path)).cloned().collect()
}

/// Whether a document has a field. Names may hold dots themselves, so every
/// member that the path begins with is tried.
fn has(document: &Value, path: &str) -> bool {
    let Value::Object(members) = document else { return false };
    members.iter().any(|(name, inner)| match path.strip_prefix(name.as_str()) {
        Some("") => true,
        Some(rest) => rest.strip_prefix('.').is_some_and(|rest| has(inner, rest)),
        None => false,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_merge_patch_does_what_the_examples_of_rfc_7396_say() {
        for (mut target, patch, expected) in [
            (json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "b"}), json!({"b": "c"}), json!({"a": "b", "b": "c"})),
            (json!({"a": "b"}), json!({"a": null}), json!({})),
            (json!({"a": ["b"]}), json!({"a": "c"}), json!({"a": "c"})),
            (
                json!({"a": {"b": "c"}}),
                json!({"a": {"b": "d", "c": null}}),
                json!({"a": {"b": "d"}}),
            ),
            (json!({"a": [{"b": "c"}]}), json!({"a": [1]}), json!({"a": [1]})),
            (json!(["a", "b"]), json!(["c", "d"]), json!(["c", "d"])),
            (json!({"a": "foo"}), json!(null), json!(null)),
            (json!([1, 2]), json!({"a": "b", "c": null}), json!({"a": "b"})),
            (json!({}), json!({"a": {"bb": {"ccc": null}}}), json!({"a": {"bb": {}}})),
        ] {
            merge_patch(&mut target, &patch);
            assert_eq!(target, expected);
        }
    }

    #[test]
    fn what_changed_and_what_was_left_out_are_told_apart_by_path() {
        let before = json!({"a": 1, "b": {"x.y": {"w": 1, "s": "2"}, "z": 3}, "l": [1, 2]});
        let after = json!({"a": 2, "b": {"x.y": {"w": 1}}, "l": [1]});
        let changed = changed_fields(&before, &after);
        assert_eq!(Vec::from_iter(&changed), ["a", "b.x.y.s", "b.z", "l"]);
        let posted = json!({"a": 2, "b": {"x.y": {"w": 1}}, "l": [1]});
        assert_eq!(Vec::from_iter(left_out(&changed, &posted)), ["b.x.y.s", "b.z"]);
        assert!(changed_fields(&after, &after).is_empty());
    }
}
