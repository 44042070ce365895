//! What a change of a definition says of placements that the definition alone cannot tell: whether
//! the domains that they name are there, are the caller's, and declare what filters name.

use crossfold_core::entities::definition::{Definitions, DomainDefinition};
use crossfold_core::entities::filter::Schema;
use crossfold_core::entities::ids::{DomainId, Placement};
use crossfold_core::entities::placement::PlacementDefinition;
use crossfold_edge::caller::Caller;
use crossfold_edge::problem::Problem;
use crossfold_storage::definition_reader::definitions;
use lambda_http::http::StatusCode;

use crate::state::IngestState;

/// A definition that is to take the place of another.
pub(crate) struct Change<'a> {
    pub(crate) domain: &'a DomainId,
    /// The definition as it stands, unless the domain is new.
    pub(crate) before: Option<&'a DomainDefinition>,
    pub(crate) after: &'a DomainDefinition,
}

impl Change<'_> {
    /// Checks the placements that differ from those that stand. Others are left alone: they may be
    /// of another caller, who acts for domains that this one does not, and what they name may have
    /// gone since, which must not keep anyone from changing something else.
    ///
    /// # Errors
    /// A problem when a domain that they name is not defined, when the caller does not act for one
    /// whose items they tell apart, and when a filter cannot be read. And when the store fails.
    pub(crate) async fn check_placements(
        &self,
        state: &IngestState,
        caller: &Caller,
    ) -> Result<(), Problem> {
        let stands = |name: &Placement| self.before.and_then(|before| before.placements.get(name));
        let changed: Vec<(&Placement, &PlacementDefinition)> = self
            .after
            .placements
            .iter()
            .filter(|(name, placement)| stands(name) != Some(*placement))
            .collect();
        if changed.is_empty() {
            return Ok(());
        }
        changed.iter().try_for_each(|(name, placement)| check_caller(name, placement, caller))?;
        // As they stand in the store: what was declared a moment ago may be named.
        let defined = definitions(&*state.stores.records).await?;
        changed
            .into_iter()
            .try_for_each(|(name, placement)| self.check_domains(name, placement, &defined))
    }

    /// Checks that the domains of a placement are there, and declare what its filters name.
    fn check_domains(
        &self,
        name: &Placement,
        placement: &PlacementDefinition,
        defined: &Definitions,
    ) -> Result<(), Problem> {
        let schema_of = |domain: &DomainId| -> Result<Schema, Problem> {
            // Its own filters go by what it declares from now on.
            let definition = match domain == self.domain {
                true => Some(self.after),
                false => defined.get(domain),
            };
            definition.map(DomainDefinition::schema).ok_or_else(|| {
                let unknown = Problem::unknown_domain(domain.as_str());
                Problem { detail: format!("placements.{name}: {}", unknown.detail), ..unknown }
            })
        };
        for target in &placement.target_domains {
            schema_of(target)?;
        }
        for target in placement.told_apart() {
            placement.for_target(target, &schema_of(target)?).map_err(|invalid| {
                let detail = format!("placements.{name}.{invalid}");
                Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_filter", detail)
            })?;
        }
        Ok(())
    }
}

/// Checks that the caller acts for the domains whose items a placement tells apart: slates that are
/// shown there would tell of each item what it is like, and of each whether the person has seen it.
fn check_caller(
    name: &Placement,
    placement: &PlacementDefinition,
    caller: &Caller,
) -> Result<(), Problem> {
    match placement.told_apart().into_iter().find(|domain| !caller.acts_for(domain)) {
        Some(domain) => {
            let detail = format!(
                "placements.{name}: the token does not cover {domain}, whose items it tells apart"
            );
            Err(Problem::new(StatusCode::FORBIDDEN, "domain_forbidden", detail))
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
