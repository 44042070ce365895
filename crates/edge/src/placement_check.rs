//! What a placement, or a variant of one, says that it alone cannot tell: whether the domains that it
//! names are there, are the caller's, and declare what filters name.

use crossfold_entities::filter::Schema;
use crossfold_entities::ids::DomainId;
use crossfold_entities::placement::PlacementDefinition;
use http::StatusCode;

use crate::caller::Caller;
use crate::problem::Problem;

/// Checks that the caller acts for the domains whose items a placement tells apart: slates that are
/// shown there would tell of each item what it is like, and of each whether the person has seen it.
///
/// # Errors
/// `domain_forbidden`, with where the placement stands (`at`).
pub fn check_caller(
    at: &str,
    placement: &PlacementDefinition,
    caller: &Caller,
) -> Result<(), Problem> {
    match placement.told_apart().into_iter().find(|domain| !caller.acts_for(domain)) {
        Some(domain) => {
            let detail =
                format!("{at}: the token does not cover {domain}, whose items it tells apart");
            Err(Problem::new(StatusCode::FORBIDDEN, "domain_forbidden", detail))
        }
        None => Ok(()),
    }
}

/// Checks that the domains of a placement are there, and declare what its filters name.
///
/// # Errors
/// `unknown_domain` or `invalid_filter`, with where the placement stands (`at`).
pub fn check_domains(
    at: &str,
    placement: &PlacementDefinition,
    schema_of: impl Fn(&DomainId) -> Option<Schema>,
) -> Result<(), Problem> {
    let schema_of = |domain: &DomainId| {
        schema_of(domain).ok_or_else(|| {
            let unknown = Problem::unknown_domain(domain.as_str());
            Problem { detail: format!("{at}: {}", unknown.detail), ..unknown }
        })
    };
    for target in &placement.target_domains {
        schema_of(target)?;
    }
    for target in placement.told_apart() {
        placement.for_target(target, &schema_of(target)?).map_err(|invalid| {
            let detail = format!("{at}.{invalid}");
            Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_filter", detail)
        })?;
    }
    Ok(())
}
