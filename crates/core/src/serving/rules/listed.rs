//! Where the caller wants a list put in order, nothing else is recommended.

use std::collections::BTreeSet;

use crate::entities::ids::{DomainId, ItemId};
use crate::serving::rules::{Ineligible, Refusals, Rule};
use crate::serving::snapshot::CatalogueSnapshot;

/// Refuses items that are not on the caller's list.
pub(super) struct Listed<'a> {
    target: &'a DomainId,
    items: Option<&'a BTreeSet<(DomainId, ItemId)>>,
}

impl<'a> Listed<'a> {
    /// What a request lists of a target, if it lists anything.
    pub(super) fn by_caller(
        target: &'a DomainId,
        items: Option<&'a BTreeSet<(DomainId, ItemId)>>,
    ) -> Self {
        Self { target, items }
    }
}

impl Rule for Listed<'_> {
    fn refuse(&self, catalogue: &CatalogueSnapshot, refusals: &mut Refusals) {
        let Some(items) = self.items else { return };
        let of_target = items.iter().filter(|(domain, _)| domain == self.target);
        let mut listed: Vec<usize> =
            of_target.filter_map(|(_, item)| catalogue.position(item)).collect();
        listed.sort_unstable();
        let mut listed = listed.into_iter().peekable();
        for position in 0..catalogue.len() {
            if listed.next_if_eq(&position).is_none() {
                refusals.refuse(position, Ineligible::NotListed);
            }
        }
    }
}
