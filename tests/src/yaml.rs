//! YAML as JSON, with CloudFormation's short tags (`!Ref x`) in their long form.

use anyhow::{Context, bail};
use saphyr::{LoadableYamlNode, YamlOwned};
use serde_json::{Map, Value, json};

/// Parses a text that holds one document.
///
/// # Errors
/// When it is no YAML, holds another number of documents, or has a key that is no text.
pub fn parse(text: &str) -> anyhow::Result<Value> {
    match YamlOwned::load_from_str(text)?.as_slice() {
        [document] => to_json(document),
        documents => bail!("{} documents, not one", documents.len()),
    }
}

fn to_json(node: &YamlOwned) -> anyhow::Result<Value> {
    Ok(match node {
        YamlOwned::Tagged(tag, inner) => {
            let name = match tag.suffix.as_str() {
                plain @ ("Ref" | "Condition") => plain.to_owned(),
                function => format!("Fn::{function}"),
            };
            json!({ name: to_json(inner)? })
        }
        YamlOwned::Sequence(items) => {
            Value::Array(items.iter().map(to_json).collect::<anyhow::Result<_>>()?)
        }
        YamlOwned::Mapping(entries) => {
            let mut object = Map::new();
            for (key, value) in entries {
                let key = key.as_str().context("a key that is no text")?;
                object.insert(key.to_owned(), to_json(value)?);
            }
            object.into()
        }
        scalar => scalar_to_json(scalar)?,
    })
}

fn scalar_to_json(scalar: &YamlOwned) -> anyhow::Result<Value> {
    Ok(if let Some(text) = scalar.as_str() {
        text.into()
    } else if let Some(flag) = scalar.as_bool() {
        flag.into()
    } else if let Some(integer) = scalar.as_integer() {
        integer.into()
    } else if let Some(number) = scalar.as_floating_point() {
        number.into()
    } else if scalar.is_null() {
        Value::Null
    } else {
        bail!("neither scalar nor collection: {scalar:?}")
    })
}
