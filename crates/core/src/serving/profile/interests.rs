//! What a person turns to: categories, items, a format.
//!
//! An item counts as slates weigh it (`evidence::confidences`), by what tells for it, amounts left
//! out. A share of
//! weights is taken for one of as many items as the weights are worth: Kish's effective size,
//! `(sum w)^2 / sum w^2` (Survey Sampling, 1965), so that one item used a hundred times is one.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::entities::catalogue::ItemDetails;
use crate::entities::consent::ConsentedHistory;
use crate::entities::ids::ItemId;
use crate::evidence::ageing::NewestEvidence;
use crate::evidence::confidences::confidences_of_items;
use crate::evidence::items::ItemOf;
use crate::maths::small_samples::{Usual, share, stands_out};
use crate::serving::catalogue_facts::format_of;
use crate::serving::profile::evidence::{DomainEvents, Line, Measured, rounded};
use crate::serving::profile::{ProfileInputs, text};
use crate::serving::reason::Locale;
use crate::serving::sources::SourceInputs;

/// Most categories, and most items, that are told.
pub const MOST_INTERESTS: usize = 5;
/// Fewest items that a person turned to before categories are told.
pub const FEWEST_ITEMS: usize = 3;
/// Fewest items of a category that is told.
pub const FEWEST_OF_CATEGORY: usize = 3;
/// Fewest items with a format before one is told.
pub const FEWEST_WITH_FORMAT: usize = 4;
/// Items that the catalogue's own share of a category or format weighs.
const CATALOGUE_WEIGHT: f64 = 4.0;

/// A category that a person turns to more than the catalogue alone explains.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CategoryInterest {
    /// The category.
    pub category: String,
    /// Its share of what the person turned to.
    pub share: Measured,
    /// Its share of the catalogue.
    pub catalogue_share: f64,
    /// How many of its items they turned to.
    pub items: usize,
    /// Of how many items with categories.
    pub of_items: usize,
}

/// An item that a person turned to.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ItemInterest {
    /// The item.
    pub item_id: ItemId,
    /// Its title.
    pub title: String,
    /// Its share of the weight of all that they turned to.
    pub share: f64,
}

/// The format that a person prefers.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PreferredFormat {
    /// The format.
    pub format: String,
    /// Its share of the items with a format that the person turned to.
    pub share: Measured,
    /// Its share of those of the catalogue.
    pub catalogue_share: f64,
    /// How many items with a format they turned to.
    pub items: usize,
    /// How many of them have this one.
    pub with_it: usize,
}

/// What a person turned to and away from, by item.
pub(super) type Weights<'a> = BTreeMap<ItemOf<'a>, f32>;

/// The weights of a history, as slates have them: what the model's estimate is made of.
pub(super) fn weighed<'a>(
    history: &'a ConsentedHistory,
    inputs: &ProfileInputs<'_>,
) -> Weights<'a> {
    let scaled = SourceInputs::new(inputs.model, inputs.definitions);
    confidences_of_items(history, scaled.definitions(), &newest(history, inputs))
}

/// The weights that lines tell of: as slates have them, but for how much an event's value adds.
/// A value may be an amount that was paid, and could be computed back from a share. What a
/// rating says for or against its item is no amount, and counts.
pub(super) fn weighed_without_amounts<'a>(
    history: &'a ConsentedHistory,
    inputs: &ProfileInputs<'_>,
) -> Weights<'a> {
    let scaled = SourceInputs::new(inputs.model, inputs.definitions);
    let mut definitions = scaled.definitions().clone();
    let kinds = definitions.values_mut().flat_map(|domain| domain.event_types.values_mut());
    for kind in kinds.filter(|kind| kind.neutral_value.is_none()) {
        kind.value_scale = None;
    }
    confidences_of_items(history, &definitions, &newest(history, inputs))
}

fn newest(history: &ConsentedHistory, inputs: &ProfileInputs<'_>) -> NewestEvidence {
    match inputs.model {
        Some(model) => model.manifest().newest_with(history.events()),
        None => NewestEvidence::of(history.events()),
    }
}

/// An item that a person turned to, with its weight.
#[derive(Clone, Copy)]
pub(super) struct Liked<'a> {
    item: &'a ItemId,
    weight: f64,
    details: Option<&'a ItemDetails>,
}

/// The items that a person turned to in a domain, in their own order.
pub(super) fn liked<'a>(events: &DomainEvents<'a>, weighed: &Weights<'a>) -> Vec<Liked<'a>> {
    let of_domain = weighed.iter().filter(|((domain, _), _)| *domain == events.domain);
    let liked = of_domain.filter(|(_, weight)| **weight > 0.0).map(|((_, item), weight)| Liked {
        item,
        weight: f64::from(*weight),
        details: events.details(item),
    });
    liked.collect()
}

/// Of how many items the weights are worth.
fn effective_size(weights: impl Iterator<Item = f64>) -> f64 {
    let (sum, squares) = weights.fold((0.0, 0.0), |(s, q), w| (s + w, q + w * w));
    if squares > 0.0 { sum * sum / squares } else { 0.0 }
}

pub(super) fn categories(
    events: &DomainEvents<'_>,
    liked: &[Liked<'_>],
    inputs: &ProfileInputs<'_>,
) -> Vec<Line<CategoryInterest>> {
    let Some(catalogue) = events.catalogue else { return Vec::new() };
    let mut liked = liked.to_vec();
    liked.retain(|liked| liked.details.is_some_and(|details| !details.categories.is_empty()));
    if liked.len() < FEWEST_ITEMS {
        return Vec::new();
    }
    let size = effective_size(liked.iter().map(|liked| liked.weight));
    let total: f64 = liked.iter().map(|liked| liked.weight).sum();
    let mut of_category: BTreeMap<&str, (f64, usize)> = BTreeMap::new();
    for liked in &liked {
        let categories = liked.details.map_or(&[][..], |details| &details.categories);
        for (at, category) in categories.iter().enumerate() {
            if !categories[..at].contains(category) {
                let (weight, items) = of_category.entry(category).or_default();
                (*weight, *items) = (*weight + liked.weight, *items + 1);
            }
        }
    }
    let told = of_category.into_iter().filter_map(|(category, (weight, items))| {
        let catalogue_share = catalogue.facts().category_share(category)?;
        let usual = Usual { share: catalogue_share, weight: CATALOGUE_WEIGHT };
        let hits = size * weight / total;
        let tried = catalogue.facts().categories();
        let is_told = items >= FEWEST_OF_CATEGORY && stands_out(hits, size, catalogue_share, tried);
        let share = share(hits, size, usual);
        is_told.then(|| {
            let beyond = share.low - catalogue_share;
            let (category, share) = (category.to_owned(), share.into());
            let catalogue_share = rounded(catalogue_share);
            (
                beyond,
                CategoryInterest { category, share, catalogue_share, items, of_items: liked.len() },
            )
        })
    });
    let mut told: Vec<(f64, CategoryInterest)> = told.collect();
    told.sort_by(|(one, _), (other, _)| other.total_cmp(one));
    told.truncate(MOST_INTERESTS);
    let line = |(_, finding): (f64, CategoryInterest)| {
        let evidence = events.evidence_of(|(_, details)| {
            details.is_some_and(|details| details.categories.contains(&finding.category))
        });
        Line { text: text::category(&finding, inputs.locale), finding, evidence }
    };
    told.into_iter().map(line).collect()
}

/// Weights that differ by less are the same: of a slow half-life, seconds make a difference.
const AS_GOOD_AS: f64 = 1.01;

/// Items that may be shown now, those with most weight first, without those that were turned away
/// from in the end. Where only some of those that weigh
/// the same would have room, none of them is told: nothing says which.
pub(super) fn items(
    events: &DomainEvents<'_>,
    liked: &[Liked<'_>],
    inputs: &ProfileInputs<'_>,
) -> Vec<Line<ItemInterest>> {
    let Some(catalogue) = events.catalogue else { return Vec::new() };
    let mut liked = liked.to_vec();
    let total: f64 = liked.iter().map(|liked| liked.weight).sum();
    liked.sort_by(|one, other| other.weight.total_cmp(&one.weight));
    liked.retain(|liked| !events.turned_away_from(liked.item));
    if let Some(left_out) = liked.get(MOST_INTERESTS).map(|first| first.weight) {
        liked.retain(|liked| liked.weight > left_out * AS_GOOD_AS);
    }
    let told = liked.into_iter().filter_map(|liked| {
        let title = catalogue.title_to_show(liked.item, inputs.now)?.to_owned();
        let share = rounded(liked.weight / total);
        Some(ItemInterest { item_id: liked.item.clone(), title, share })
    });
    let line = |finding: ItemInterest| {
        let evidence = events.evidence_of(|(item, _)| **item == finding.item_id);
        Line { text: text::item(&finding, &evidence, inputs.locale), finding, evidence }
    };
    told.take(MOST_INTERESTS).map(line).collect()
}

pub(super) fn format(
    events: &DomainEvents<'_>,
    liked: &[Liked<'_>],
    locale: Locale,
) -> Option<Line<PreferredFormat>> {
    let facts = events.catalogue?.facts();
    let mut of_format: BTreeMap<&str, usize> = BTreeMap::new();
    for format in liked.iter().filter_map(|liked| format_of(liked.details?)) {
        *of_format.entry(format).or_default() += 1;
    }
    let items: usize = of_format.values().sum();
    if items < FEWEST_WITH_FORMAT {
        return None;
    }
    let placed = of_format.into_iter().filter_map(|(format, count)| {
        let catalogue_share = facts.format_share(format)?;
        let usual = Usual { share: catalogue_share, weight: CATALOGUE_WEIGHT };
        let (hits, trials) = (count as f64, items as f64);
        let is_told = stands_out(hits, trials, catalogue_share, facts.formats());
        let share = share(hits, trials, usual);
        is_told.then_some((share.low - catalogue_share, (format, count), share, catalogue_share))
    });
    let (_, (format, with_it), share, catalogue_share) =
        placed.max_by(|(one, ..), (other, ..)| one.total_cmp(other))?;
    let (format, catalogue_share) = (format.to_owned(), rounded(catalogue_share));
    let finding = PreferredFormat { format, share: share.into(), catalogue_share, items, with_it };
    let evidence =
        events.evidence_of(|(_, details)| details.and_then(format_of) == Some(&finding.format));
    Some(Line { text: text::format(&finding, locale), finding, evidence })
}
