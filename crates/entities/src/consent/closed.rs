//! What a person refused altogether.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ids::DomainId;
use crate::purpose::Purpose;

/// Most domains whose evidence is closed one by one: as many as a deployment has at a time.
pub(super) const MAX_CLOSED_DOMAINS: usize = 200;

/// Domains and purposes for which no default permits the use of evidence any more, each with
/// the latest instant that was named by a refusal which found no other room. What is closed
/// stays closed, for nobody knows what all was refused.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Closed {
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    domains: BTreeMap<DomainId, BTreeMap<Purpose, Timestamp>>,
    /// Of every domain, where there were too many to be named.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    all: BTreeMap<Purpose, Timestamp>,
}

impl Closed {
    pub(super) fn is_empty(&self) -> bool {
        self.domains.is_empty() && self.all.is_empty()
    }

    pub(super) fn domains(&self) -> impl Iterator<Item = &DomainId> {
        self.domains.keys()
    }

    /// The latest instant of what was refused for a purpose of a domain's evidence; `None`
    /// where it is not closed.
    pub(super) fn until(&self, from: &DomainId, purpose: Purpose) -> Option<Timestamp> {
        let of_domain = self.domains.get(from).and_then(|purposes| purposes.get(&purpose));
        of_domain.max(self.all.get(&purpose)).copied()
    }

    pub(super) fn close(&mut self, from: &DomainId, purpose: Purpose, until: Timestamp) {
        if !self.domains.contains_key(from) && self.domains.len() >= MAX_CLOSED_DOMAINS {
            return self.close_all(purpose, until);
        }
        reach(self.domains.entry(from.clone()).or_default(), purpose, until);
    }

    /// Closes every domain for a purpose: what is said of single ones is said with it.
    fn close_all(&mut self, purpose: Purpose, until: Timestamp) {
        reach(&mut self.all, purpose, until);
        for purposes in self.domains.values_mut() {
            let until = purposes.remove(&purpose);
            until.into_iter().for_each(|until| reach(&mut self.all, purpose, until));
        }
        self.domains.retain(|_, purposes| !purposes.is_empty());
    }

    pub(super) fn merge(&mut self, other: Self) {
        other.all.into_iter().for_each(|(purpose, until)| self.close_all(purpose, until));
        for (from, purposes) in other.domains {
            purposes.into_iter().for_each(|(purpose, until)| self.close(&from, purpose, until));
        }
    }
}

fn reach(purposes: &mut BTreeMap<Purpose, Timestamp>, purpose: Purpose, until: Timestamp) {
    let reached = purposes.entry(purpose).or_insert(until);
    *reached = until.max(*reached);
}
