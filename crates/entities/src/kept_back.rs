//! Items that are kept from slates because they were dismissed or count as seen, by what lets
//! that be used.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::ids::DomainId;
use crate::item_set::{ItemDigest, ItemSet};

/// What lets an item be kept back.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(from = "Option<DomainId>", into = "Option<DomainId>")]
pub enum KeptBackBy {
    /// The user who asks dismissed it: an instruction, which holds whatever they consented to.
    Instruction,
    /// The person dismissed or saw it on a platform whose evidence may be used.
    Platform(DomainId),
}

impl From<Option<DomainId>> for KeptBackBy {
    fn from(platform: Option<DomainId>) -> Self {
        platform.map_or(Self::Instruction, Self::Platform)
    }
}

impl From<KeptBackBy> for Option<DomainId> {
    fn from(by: KeptBackBy) -> Self {
        match by {
            KeptBackBy::Instruction => None,
            KeptBackBy::Platform(domain) => Some(domain),
        }
    }
}

/// Items that are kept back, by their domain and by what lets them be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct KeptBack(BTreeMap<DomainId, BTreeMap<KeptBackBy, ItemSet>>);

impl KeptBack {
    pub(crate) fn add(
        &mut self,
        domain: &DomainId,
        by: KeptBackBy,
        items: impl IntoIterator<Item = ItemDigest>,
    ) {
        self.0.entry(domain.clone()).or_default().entry(by).or_default().extend(items);
    }

    pub(crate) fn remove(&mut self, domain: &DomainId, item: ItemDigest) {
        let sets = self.0.get_mut(domain).into_iter().flat_map(BTreeMap::values_mut);
        sets.for_each(|items| items.remove(item));
    }

    pub(crate) fn contains(&self, domain: &DomainId, item: ItemDigest) -> bool {
        let mut sets = self.0.get(domain).into_iter().flat_map(BTreeMap::values);
        sets.any(|items| items.contains(item))
    }

    /// The sets, with what lets them be kept back.
    pub(crate) fn sets(&self) -> impl Iterator<Item = (&KeptBackBy, &ItemSet)> {
        self.0.values().flatten()
    }

    /// Each item once, in order of domain and digest.
    pub(crate) fn items(&self) -> impl Iterator<Item = (&DomainId, ItemDigest)> {
        self.0.iter().flat_map(|(domain, sets)| {
            let items: BTreeSet<ItemDigest> = sets.values().flat_map(ItemSet::iter).collect();
            items.into_iter().map(move |item| (domain, item))
        })
    }
}
