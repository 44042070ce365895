//! What the model expects of a person on the platform that asks: the categories of the items that
//! it estimates highest for them. So what they did elsewhere, and let be used here, shows here as
//! it does in slates, and in no other way.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::entities::ids::DomainId;
use crate::evidence::order::in_order;
use crate::maths::small_samples::stands_out;
use crate::serving::profile::evidence::{Evidence, Line, rounded};
use crate::serving::profile::interests::weighed;
use crate::serving::profile::{ProfileInputs, text};
use crate::serving::snapshot::CatalogueEntry;

/// The items that are looked at: those that the model estimates highest.
pub const TOP_ITEMS: usize = 50;
/// Most categories that are told.
pub const MOST_EXPECTED: usize = 3;
/// Fewest of the items looked at that are of a category that is told.
const FEWEST_OF_CATEGORY: usize = 3;

/// A category that the model expects a person to turn to.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Expected {
    /// The platform that asks, whose category it is.
    pub domain: DomainId,
    /// The category.
    pub category: String,
    /// Its share of the items that the model estimates highest.
    pub share: f64,
    /// Its share of the catalogue.
    pub catalogue_share: f64,
}

pub(super) fn expected(inputs: &ProfileInputs<'_>) -> Vec<Line<Expected>> {
    let told = categories(inputs).unwrap_or_default();
    if told.is_empty() {
        return Vec::new();
    }
    let evidence = evidence(inputs);
    let line = |finding: Expected| Line {
        text: text::expected(&finding, inputs.locale),
        finding,
        evidence: evidence.clone(),
    };
    told.into_iter().map(line).collect()
}

fn categories(inputs: &ProfileInputs<'_>) -> Option<Vec<Expected>> {
    let (model, catalogue) = (inputs.model?, inputs.catalogues.get(inputs.display)?);
    let known = model.index().rows_where_they_stand(weighed(inputs.history, inputs));
    let known = in_order(inputs.history, model.index(), known);
    let estimate = model.estimate(inputs.display, &known)?;
    let scored = catalogue.entries().filter(|(_, entry)| entry.item.is_available(inputs.now));
    let mut best: Vec<(f32, usize, CatalogueEntry<'_>)> = scored
        .filter_map(|(position, entry)| Some((estimate.score(entry.row?), position, entry)))
        .collect();
    let best_first = |one: &(f32, usize, _), other: &(f32, usize, _)| {
        other.0.total_cmp(&one.0).then(one.1.cmp(&other.1))
    };
    if best.len() > TOP_ITEMS {
        best.select_nth_unstable_by(TOP_ITEMS, best_first);
        best.truncate(TOP_ITEMS);
    }
    let mut of_category: BTreeMap<&str, usize> = BTreeMap::new();
    for details in best.iter().filter_map(|(.., entry)| entry.item.details.as_ref()) {
        for category in details.categories.iter().map(String::as_str).collect::<BTreeSet<_>>() {
            *of_category.entry(category).or_default() += 1;
        }
    }
    let told = of_category.into_iter().filter_map(|(category, count)| {
        let catalogue_share = catalogue.facts().category_share(category)?;
        let (hits, trials) = (count as f64, best.len() as f64);
        let is_told = stands_out(hits, trials, catalogue_share, catalogue.facts().categories());
        (count >= FEWEST_OF_CATEGORY && is_told).then(|| {
            let beyond = hits / trials - catalogue_share;
            let (domain, category) = (inputs.display.clone(), category.to_owned());
            let (share, catalogue_share) = (rounded(hits / trials), rounded(catalogue_share));
            (beyond, Expected { domain, category, share, catalogue_share })
        })
    });
    let mut told: Vec<(f64, Expected)> = told.collect();
    told.sort_by(|(one, _), (other, _)| other.total_cmp(one));
    Some(told.into_iter().take(MOST_EXPECTED).map(|(_, expected)| expected).collect())
}

/// The events that the model carries to the platform that asks.
fn evidence(inputs: &ProfileInputs<'_>) -> Evidence {
    // What is tried is behind no estimate.
    let bridges = inputs.model.map(|model| model.bridges().into_domain(inputs.display));
    let sources = bridges.into_iter().flatten().map(|(source, _)| source);
    let carried: BTreeSet<&DomainId> = sources.chain([inputs.display]).collect();
    let events = inputs.history.events().iter();
    let used: Vec<_> = events.filter(|event| carried.contains(&event.domain)).collect();
    let domains: BTreeSet<&DomainId> = used.iter().map(|event| &event.domain).collect();
    let is_known = domains.iter().all(|domain| inputs.visible.contains(*domain));
    let domains = domains.into_iter().cloned().collect();
    if !is_known {
        return Evidence::elsewhere(domains);
    }
    Evidence { domains, ..Evidence::of(inputs.display, used) }
}
