//! `template.yaml` and the files beside it, as values to be checked, and what it takes to see a
//! check fail: an edit of the real file, and a look for the problem that it planted.

use std::path::PathBuf;

use serde_json::Value;

use crate::yaml;

/// The project's folder.
#[must_use]
pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// A file of the project.
///
/// # Panics
/// When it cannot be read.
#[must_use]
pub fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// A text as YAML.
///
/// # Panics
/// When it is none.
#[must_use]
pub fn parse(text: &str) -> Value {
    yaml::parse(text).expect("YAML that parses")
}

/// The template.
#[must_use]
pub fn template() -> Value {
    parse(&read("template.yaml"))
}

/// The template with one edit, which must change something.
#[must_use]
pub fn edited(from: &str, to: &str) -> Value {
    edited_text(&read("template.yaml"), from, to)
}

/// A text with one edit, which must change something, as YAML.
///
/// # Panics
/// When there is nothing to edit.
#[must_use]
pub fn edited_text(text: &str, from: &str, to: &str) -> Value {
    assert!(text.contains(from), "nothing to edit: {from:?}");
    parse(&text.replacen(from, to, 1))
}

/// Demands that a check found nothing.
#[track_caller]
pub fn assert_none(problems: &[String]) {
    assert!(problems.is_empty(), "{problems:#?}");
}

/// Demands that a check found a problem with these words.
#[track_caller]
pub fn assert_found(problems: &[String], words: &str) {
    assert!(
        problems.iter().any(|problem| problem.contains(words)),
        "{words:?} not in {problems:#?}"
    );
}

/// The entries of an object; none of anything else.
pub fn object(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

/// The elements of a list; none of anything else.
pub fn elements(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// The value itself when it stands alone, else its elements.
#[must_use]
pub fn one_or_many(value: &Value) -> Vec<&Value> {
    value.as_array().map_or_else(|| vec![value], |many| many.iter().collect())
}

/// The resources of a kind, by logical id.
pub fn resources<'a>(
    template: &'a Value,
    kind: &'a str,
) -> impl Iterator<Item = (&'a String, &'a Value)> {
    object(&template["Resources"]).filter(move |(_, resource)| resource["Type"] == kind)
}

/// The functions, by logical id.
pub fn functions(template: &Value) -> impl Iterator<Item = (&String, &Value)> {
    resources(template, "AWS::Serverless::Function")
}

/// Hands on a value and all that is in it, each with its path.
pub fn visit(value: &Value, path: &str, each: &mut impl FnMut(&str, &Value)) {
    each(path, value);
    for (key, inner) in object(value) {
        visit(inner, &format!("{path}/{key}"), each);
    }
    for (index, inner) in elements(value).enumerate() {
        visit(inner, &format!("{path}/{index}"), each);
    }
}
