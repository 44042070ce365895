//! What a person turned to of a target, by category: what a slate is calibrated to.
//!
//! Each item that they turned to counts as slates weigh it ([`crate::evidence::confidences`]), in equal
//! parts for its categories (Steck, "Calibrated Recommendations", RecSys 2018, section 3). What tells
//! against an item counts for nothing here.

use std::collections::BTreeMap;

use crate::entities::basis::digest_of_interests;
use crate::entities::ids::RecommendationId;
use crate::evidence::ageing::NewestEvidence;
use crate::evidence::confidences::confidences_of_items;
use crate::model::Model;
use crate::serving::admit::AdmittedTarget;
use crate::serving::sources::SourceInputs;

/// Most categories that a slate is calibrated to, those that the person turned to most; others count as
/// of no interest. It bounds what a slate costs.
const MOST_CATEGORIES: usize = 64;

/// How much a person turned to each category of a target, in the order of categories.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Interests<'a>(BTreeMap<&'a str, f32>);

impl<'a> Interests<'a> {
    /// What is told by the person's evidence of the target's own items, as far as they are in its
    /// catalogue now; `None` where it tells of no category.
    pub(super) fn of(
        target: &AdmittedTarget<'a>,
        (model, inputs): (Option<&Model>, &SourceInputs<'_>),
    ) -> Option<Self> {
        let events = target.history.events();
        let newest = match model {
            Some(model) => model.manifest().newest_with(events),
            None => NewestEvidence::of(events),
        };
        let weighed = confidences_of_items(target.history, inputs.definitions(), &newest);
        let mut interests: BTreeMap<&'a str, f32> = BTreeMap::new();
        for ((domain, item), weight) in weighed {
            if domain != target.domain || weight <= 0.0 || !weight.is_finite() {
                continue;
            }
            let Some(position) = target.snapshot.position(item) else { continue };
            let categories = categories(target, position);
            let part = weight / categories.len() as f32;
            for category in categories {
                *interests.entry(category).or_default() += part;
            }
        }
        (!interests.is_empty()).then(|| Self(greatest(interests)))
    }

    /// How much of each, in the order of categories.
    pub(super) fn weights(&self) -> impl Iterator<Item = f32> {
        self.0.values().copied()
    }

    /// How much an item is of each category of interest, in their order, and last of all others.
    pub(super) fn weights_of(&self, target: &AdmittedTarget<'_>, position: usize) -> Vec<f32> {
        let categories = categories(target, position);
        let mut weights: Vec<f32> = self
            .0
            .keys()
            .map(|category| f32::from(u8::from(categories.contains(category))))
            .collect();
        let others = categories.iter().filter(|category| !self.0.contains_key(*category));
        weights.push(others.count() as f32);
        weights
    }

    pub(super) fn digest(&self, decision: &RecommendationId) -> String {
        let interests = self.0.iter().map(|(category, weight)| (*category, *weight));
        digest_of_interests(decision, interests)
    }
}

/// The greatest of some interests, of equals those that come first by name.
fn greatest(interests: BTreeMap<&str, f32>) -> BTreeMap<&str, f32> {
    let mut all: Vec<(&str, f32)> = interests.into_iter().collect();
    all.sort_by(|a, b| b.1.total_cmp(&a.1));
    all.truncate(MOST_CATEGORIES);
    all.into_iter().collect()
}

/// The categories of an item, each once.
fn categories<'a>(target: &AdmittedTarget<'a>, position: usize) -> Vec<&'a str> {
    let details = target.snapshot.entry(position).item.details.as_ref();
    let categories = details.into_iter().flat_map(|details| &details.categories);
    let mut categories: Vec<&str> = categories.map(String::as_str).collect();
    categories.sort_unstable();
    categories.dedup();
    categories
}
