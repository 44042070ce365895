//! The catalogues that a decision was made from, as far as they are as they were.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;

use crate::entities::basis::Basis;
use crate::entities::catalogue::Item;
use crate::entities::decision::Decision;
use crate::entities::ids::DomainId;
use crate::model::Model;
use crate::serving::replay::{ItemOfDomain, Present, served};
use crate::serving::snapshot::{CatalogueSnapshot, Catalogues, Descriptions};

/// The targets' catalogues as far as they are as they were.
pub(super) struct CataloguesThen {
    /// The entries that did not change since, by target; a target whose catalogue was not
    /// read then is not there.
    unchanged: BTreeMap<DomainId, Vec<Item>>,
    /// Entries on the slate that changed since and can still be shown.
    pub(super) changed: Vec<Item>,
    /// Items on the slate that are gone, or can no longer be shown.
    pub(super) gone: BTreeSet<ItemOfDomain>,
}

impl CataloguesThen {
    pub(super) fn new(recorded: &Decision, basis: &Basis, present: &Present<'_>) -> Self {
        let served = served(recorded);
        let mut then = Self {
            unchanged: BTreeMap::new(),
            changed: Vec::new(),
            gone: served
                .iter()
                .map(|(domain, item_id)| ItemOfDomain {
                    domain: domain.clone(),
                    item_id: item_id.clone(),
                })
                .collect(),
        };
        let looked_into = |target: &&DomainId| basis.catalogues.contains_key(*target);
        for target in basis.targets.iter().filter(looked_into) {
            let last_change = basis.catalogues[target];
            let unchanged = then.unchanged.entry(target.clone()).or_default();
            let snapshot = present.catalogues.get(target);
            for (_, entry) in snapshot.into_iter().flat_map(|snapshot| snapshot.entries()) {
                let item = entry.item;
                let was_served = served.contains(&(item.domain.clone(), item.item_id.clone()));
                if item.change <= last_change {
                    unchanged.push(item.clone());
                } else if was_served && item.is_available(recorded.decided_at) {
                    then.changed.push(item.clone());
                } else {
                    continue;
                }
                then.gone.remove(&item_of(item));
            }
        }
        then
    }

    /// The catalogues, in which entries that changed have been there since an instant.
    /// An entry that changed was new then if it is now, but what its text was is not known: it
    /// is not described.
    pub(super) fn with_changed_since(
        &self,
        since: Timestamp,
        (model, descriptions): (Option<&Model>, &Descriptions),
    ) -> Catalogues {
        let mut items = self.unchanged.clone();
        let mut changed: BTreeSet<ItemOfDomain> = BTreeSet::new();
        for item in &self.changed {
            changed.insert(item_of(item));
            items.entry(item.domain.clone()).or_default().push(item.clone());
        }
        let since_when = |item: &Item| {
            if changed.contains(&item_of(item)) { since } else { item.since() }
        };
        let snapshot = |(domain, items): (DomainId, Vec<Item>)| {
            let snapshot = CatalogueSnapshot::with_since(items, model, since_when);
            let described = descriptions.get(&domain).cloned();
            let snapshot = match described {
                Some(described) => snapshot.described_by(described),
                None => snapshot,
            };
            (domain, Arc::new(snapshot))
        };
        items.into_iter().map(snapshot).collect()
    }
}

pub(super) fn item_of(item: &Item) -> ItemOfDomain {
    ItemOfDomain { domain: item.domain.clone(), item_id: item.item_id.clone() }
}
