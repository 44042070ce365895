//! What a change of a definition says of placements that the definition alone cannot tell: whether
//! the domains that they name are there, are the caller's, and declare what filters name.

use crossfold_core::entities::definition::DomainDefinition;
use crossfold_core::entities::ids::{DomainId, Placement};
use crossfold_core::entities::placement::PlacementDefinition;
use crossfold_edge::caller::Caller;
use crossfold_edge::placement_check::{check_caller, check_domains};
use crossfold_edge::problem::Problem;
use crossfold_storage::definition_reader::definitions;

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
        let at = |name: &Placement| format!("placements.{name}");
        changed
            .iter()
            .try_for_each(|(name, placement)| check_caller(&at(name), placement, caller))?;
        // As they stand in the store: what was declared a moment ago may be named.
        let defined = definitions(&*state.stores.records).await?;
        let schema_of = |domain: &DomainId| {
            // Its own filters go by what it declares from now on.
            let definition = match domain == self.domain {
                true => Some(self.after),
                false => defined.get(domain),
            };
            definition.map(DomainDefinition::schema)
        };
        changed
            .into_iter()
            .try_for_each(|(name, placement)| check_domains(&at(name), placement, schema_of))
    }
}

#[cfg(test)]
mod tests;
