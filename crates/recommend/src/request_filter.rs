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
#[derive(Debug, Clone)]
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
    /// The filters of targets, checked by what their domains declare.
    ///
    /// # Errors
    /// As [`FilteredTargets::only`] and [`FilteredTargets::read`].
    pub(crate) fn read(
        self,
        targets: FilteredTargets<'_>,
    ) -> Result<BTreeMap<DomainId, Filter>, Problem> {
        let sources = match self {
            Self::All(source) => {
                targets.all().map(|target| (target.clone(), source.clone())).collect()
            }
            Self::ByDomain(sources) => sources,
        };
        let filters = sources.into_iter().map(|(target, source)| {
            targets.only("filter", &target)?;
            let filter = targets.read("filter", &target, &source)?;
            Ok(filter.map(|filter| (target, filter)))
        });
        filters.filter_map(Result::transpose).collect()
    }
}

/// The targets of a request, and what says whose items may be told apart by a filter.
#[derive(Clone, Copy)]
pub(crate) struct FilteredTargets<'a> {
    pub(crate) targets: &'a BTreeSet<DomainId>,
    /// Targets that are asked for and not served, for what their place says of them cannot be read:
    /// what a request says of these is passed over.
    pub(crate) outdated: &'a BTreeSet<DomainId>,
    pub(crate) definitions: &'a Definitions,
    pub(crate) caller: &'a Caller,
}

impl<'a> FilteredTargets<'a> {
    /// Every target that is served.
    pub(crate) fn all(self) -> impl Iterator<Item = &'a DomainId> {
        self.targets.iter()
    }

    /// A domain whose items may be told apart. Only who acts for a domain may do so: what others
    /// are answered would tell of each item what it is like, and of each whether the person has
    /// seen it.
    ///
    /// # Errors
    /// A problem when it is no target or not the caller's. `field` is where it is named.
    pub(crate) fn only(self, field: &str, domain: &DomainId) -> Result<(), Problem> {
        self.check_target(field, domain)?;
        if !self.caller.acts_for(domain) {
            let detail =
                format!("{field}: the token does not cover {domain}, whose items it tells apart");
            return Err(Problem::new(StatusCode::FORBIDDEN, "domain_forbidden", detail));
        }
        Ok(())
    }

    /// Sees to it that a domain is a target.
    ///
    /// # Errors
    /// A problem when it is none. `field` is where it is named.
    pub(crate) fn check_target(self, field: &str, domain: &DomainId) -> Result<(), Problem> {
        match self.targets.contains(domain) || self.outdated.contains(domain) {
            true => Ok(()),
            false => Err(Problem::invalid(format!("{field} names {domain}, which is no target"))),
        }
    }

    /// A filter of a target; `None` of one that is not served.
    ///
    /// # Errors
    /// A problem when it cannot be read. `field` is where it stands.
    pub(crate) fn read(
        self,
        field: &str,
        target: &DomainId,
        source: &str,
    ) -> Result<Option<Filter>, Problem> {
        if self.outdated.contains(target) {
            return Ok(None);
        }
        let read = read(source, self.definitions.get(target)).map(Some);
        read.map_err(|why| invalid_filter(format!("{field} of {target}: {why}")))
    }

    /// Sees to it that the filters of each target together keep the limits of one: a request costs
    /// no more with many of them.
    ///
    /// # Errors
    /// A problem when they do not.
    pub(crate) fn check_together<'b>(
        self,
        filters: impl Iterator<Item = (&'b DomainId, &'b Filter)>,
    ) -> Result<(), Problem> {
        // Each counts, for each is evaluated.
        let mut sources: BTreeMap<&DomainId, Vec<&str>> = BTreeMap::new();
        for (target, filter) in filters {
            sources.entry(target).or_default().push(filter.source());
        }
        let different: BTreeSet<&str> = sources.values().flatten().copied().collect();
        let all_different = different.into_iter().map(str::len).sum::<usize>();
        for (target, sources) in sources {
            // On lines of their own, for each may end with a comment.
            let each: Vec<String> = sources.iter().map(|source| format!("({source}\n)")).collect();
            let joined = each.join("or");
            let is_one = sources.len() == 1;
            if all_different > MAX_SOURCE_BYTES || (!is_one && joined.len() > MAX_SOURCE_BYTES) {
                let detail = format!(
                    "filter, boosts, promotions and quotas must have at most {MAX_SOURCE_BYTES} bytes \
                     together, with 5 for each"
                );
                return Err(invalid_filter(detail));
            }
            if is_one {
                continue;
            }
            let schema = self.definitions.get(target).map(DomainDefinition::schema);
            if let Err(error) = Filter::parse(&joined, &schema.unwrap_or_default()) {
                let why = error.message;
                let detail =
                    format!("filter, boosts, promotions and quotas of {target} together: {why}");
                return Err(invalid_filter(detail));
            }
        }
        Ok(())
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
        let caller = Caller::development();
        let outdated = BTreeSet::from([domain("gone")]);
        let targets = FilteredTargets {
            targets: &targets,
            outdated: &outdated,
            definitions: &definitions,
            caller: &caller,
        };
        let filters = filter.read(targets).and_then(|filters| {
            targets.check_together(filters.iter())?;
            Ok(filters)
        });
        filters.map_err(|problem| format!("{} {}", problem.code, problem.detail))
    }

    #[test]
    fn one_filter_is_for_all_targets_and_others_for_those_that_are_named() {
        let all = read_for(json!("price < 10"), &["books", "cars"]).unwrap();
        assert_eq!(all.keys().map(DomainId::as_str).collect::<Vec<_>>(), ["books", "cars"]);
        let passed_over = json!({"gone": "no filter at all", "cars": "brand = \"BYD\""});
        assert_eq!(read_for(passed_over, &["cars"]).unwrap().len(), 1);
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
        let long =
            |text: &str| format!("title in [\"{0}1\", \"{0}2\", \"{0}3\"]", text.repeat(900));
        let both = told(json!({"cars": long("x"), "books": long("y")}));
        assert!(
            both.starts_with("invalid_filter filter, boosts, promotions and quotas must"),
            "{both}"
        );
    }
}
