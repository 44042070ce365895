//! The `filter` of a request: one for all targets, or one for each that is named.

use std::collections::{BTreeMap, BTreeSet};

use axum::http::StatusCode;
use crossfold_core::entities::definition::{Definitions, DomainDefinition};
use crossfold_core::entities::filter::{Filter, MAX_SOURCE_BYTES};
use crossfold_core::entities::ids::DomainId;
use crossfold_core::entities::plain_text::is_visible;
use crossfold_edge::caller::Caller;
use crossfold_edge::problem::Problem;
use serde::{Deserialize, Deserializer, de};
use serde_json::Value;

/// A filter as a caller writes it.
#[derive(Debug)]
pub(crate) enum RawFilter {
    /// Of all targets.
    All(String),
    /// By target.
    ByDomain(BTreeMap<DomainId, String>),
}

impl<'de> Deserialize<'de> for RawFilter {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::String(filter) => Ok(Self::All(filter)),
            filters @ Value::Object(_) => {
                let filters = serde_json::from_value(filters);
                filters.map(Self::ByDomain).map_err(|error| {
                    de::Error::custom(format!("filter must have a text by target domain: {error}"))
                })
            }
            _ => Err(de::Error::custom("filter must be a text, or an object of texts by domain")),
        }
    }
}

impl RawFilter {
    /// The filters of targets, checked by what their domains declare. Only who acts for a domain
    /// may filter its items: what others are answered would tell of each item what it is like, and
    /// of each whether the person has seen it.
    ///
    /// # Errors
    /// A problem when a domain is no target or not the caller's, when they are too long, and when
    /// one cannot be read.
    pub(crate) fn read(
        self,
        targets: &BTreeSet<DomainId>,
        definitions: &Definitions,
        caller: &Caller,
    ) -> Result<BTreeMap<DomainId, Filter>, Problem> {
        let sources = match self {
            Self::All(source) => {
                targets.iter().map(|target| (target.clone(), source.clone())).collect()
            }
            Self::ByDomain(sources) => sources,
        };
        if let Some(other) = sources.keys().find(|domain| !targets.contains(*domain)) {
            return Err(Problem::invalid(format!("filter names {other}, which is no target")));
        }
        if let Some(other) = sources.keys().find(|domain| !caller.acts_for(domain)) {
            let detail =
                format!("the token does not cover {other}, so its items cannot be filtered");
            return Err(Problem::new(StatusCode::FORBIDDEN, "domain_forbidden", detail));
        }
        let different: BTreeSet<&String> = sources.values().collect();
        if different.into_iter().map(String::len).sum::<usize>() > MAX_SOURCE_BYTES {
            let detail = format!("filter must have at most {MAX_SOURCE_BYTES} bytes");
            return Err(invalid_filter(detail));
        }
        let filters = sources.into_iter().map(|(target, source)| {
            let filter = read(&source, definitions.get(&target))
                .map_err(|why| invalid_filter(format!("filter of {target}: {why}")))?;
            Ok((target, filter))
        });
        filters.collect()
    }
}

fn read(source: &str, definition: Option<&DomainDefinition>) -> Result<Filter, String> {
    let schema = definition.map(DomainDefinition::schema).unwrap_or_default();
    if !is_visible(source) {
        return Err("it must have no control characters but line ends and tabs".to_owned());
    }
    Filter::parse(source, &schema).map_err(|error| {
        let is_of_name = error.message.starts_with("unknown field");
        let hint = match is_of_name && schema.attributes().is_empty() {
            true => " (attributes must be declared: PATCH /v1/domains/{domain}, docs/filters.md)",
            false => "",
        };
        format!("{error}{hint}")
    })
}

fn invalid_filter(detail: String) -> Problem {
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_filter", detail)
}

#[cfg(test)]
mod tests {
    use crossfold_testing::definition;
    use serde_json::json;

    use super::*;

    fn domain(name: &str) -> DomainId {
        DomainId::parse(name).unwrap()
    }

    fn read_for(filter: Value, targets: &[&str]) -> Result<BTreeMap<DomainId, Filter>, String> {
        let mut cars = definition();
        cars.attributes = serde_json::from_value(json!({"brand": "text"})).unwrap();
        let definitions =
            Definitions::from([(domain("cars"), cars), (domain("books"), definition())]);
        let filter: RawFilter =
            serde_json::from_value(filter).map_err(|error| error.to_string())?;
        let targets = targets.iter().map(|target| domain(target)).collect();
        filter
            .read(&targets, &definitions, &Caller::development())
            .map_err(|problem| format!("{} {}", problem.code, problem.detail))
    }

    #[test]
    fn one_filter_is_for_all_targets_and_others_for_those_that_are_named() {
        let all = read_for(json!("price < 10"), &["books", "cars"]).unwrap();
        assert_eq!(all.keys().map(DomainId::as_str).collect::<Vec<_>>(), ["books", "cars"]);
        let one = read_for(json!({"cars": "brand = \"BYD\""}), &["books", "cars"]).unwrap();
        assert_eq!(one.keys().map(DomainId::as_str).collect::<Vec<_>>(), ["cars"]);
    }

    #[test]
    fn what_cannot_be_read_is_told_with_its_place() {
        let told = |filter: Value| read_for(filter, &["books", "cars"]).unwrap_err();
        let unknown = told(json!("brand = \"BYD\""));
        assert!(
            unknown.starts_with("invalid_filter filter of books: line 1, column 1: "),
            "{unknown}"
        );
        assert!(unknown.contains("must be declared"), "{unknown}");
        let unknown = told(json!({"cars": "price < 10 and\nbrend = \"BYD\""}));
        assert!(unknown.contains("line 2, column 1") && unknown.contains("`brand`"), "{unknown}");
        assert!(told(json!({"music": "price < 10"})).starts_with("invalid_request"));
        let hidden = told(json!("price < 10 \u{202e}"));
        assert!(hidden.contains("no control characters"), "{hidden}");
        let escaped = told(json!("available_from > \"\\u202e\""));
        assert!(!escaped.contains('\u{202e}') && escaped.contains("202e"), "{escaped}");
        assert!(!told(json!({"books": "price <"})).contains("must be declared"));
        assert!(told(json!(7)).contains("must be a text"));
        assert!(told(json!({"cars": 7})).contains("by target domain"));
        let long = format!("price < {}", "1 + ".repeat(600) + "1");
        let both = told(json!({"cars": long, "books": format!("{long} + 2")}));
        assert!(both.starts_with("invalid_filter filter must have"), "{both}");
    }
}
