//! What slates that were served say of a catalogue and of rules: how much of it people were shown,
//! and what of it a filter would have kept from them.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::entities::catalogue::Item;
use crate::entities::decision::{Decision, SlateEntry};
use crate::entities::definition::DomainDefinition;
use crate::entities::eligibility::{Assessment, Reason, Reasons, assess};
use crate::entities::filter::Filter;
use crate::entities::ids::{DomainId, ItemId};
use crate::serving::rules::eligible::Application;
use crate::serving::snapshot::CatalogueSnapshot;

/// Items that are named; all are counted.
pub const MAX_NAMED: usize = 10;
/// How long an item is new.
pub const NEW_FOR: SignedDuration = SignedDuration::from_hours(7 * 24);

/// Slates that were served, and when.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ServedSlates {
    /// How many.
    pub slates: usize,
    /// When the first of them was served; `None` without any.
    pub since: Option<Timestamp>,
    /// When the last was.
    pub until: Option<Timestamp>,
}

impl ServedSlates {
    /// What can be told of these.
    #[must_use]
    pub fn of(decisions: &[Decision]) -> Self {
        let times = || decisions.iter().map(|decision| decision.decided_at);
        Self { slates: decisions.len(), since: times().min(), until: times().max() }
    }
}

/// An item, and how often it was shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ShownItem {
    /// The item.
    pub item_id: ItemId,
    /// Its title; absent where it was deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// On how many of the slates.
    pub times: usize,
}

/// What a filter would have kept from people.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct FilterTrial {
    /// The slates that it was tried on.
    pub served: ServedSlates,
    /// Items of the target on them, each as often as it was shown.
    pub shown: usize,
    /// Of these, those that the filter does not admit as they are now.
    pub removed: usize,
    /// Of those that were shown, items that are not in the catalogue any more, of which it is not
    /// known.
    pub gone: usize,
    /// Slates of which something would have been removed.
    pub slates_changed: usize,
    /// Of these, slates of which nothing would have been left.
    pub slates_emptied: usize,
    /// The items that would have been removed most often, at most [`MAX_NAMED`].
    pub most_removed: Vec<ShownItem>,
    /// Of all items that may be shown now, how many it admits.
    pub admitted: usize,
    /// How many may be shown now.
    pub available: usize,
}

/// Tries a filter, checked by what the target declares, on slates that were served: what of the
/// target it would have kept off them, by what the items are like now.
#[must_use]
pub fn try_filter(
    decisions: &[Decision],
    (target, snapshot): (&DomainId, &CatalogueSnapshot),
    (filter, definition): (&Filter, &DomainDefinition),
    now: Timestamp,
) -> FilterTrial {
    let mask = filter.admits(&snapshot.table(filter, &definition.schema()), now);
    let mut trial = FilterTrial { served: ServedSlates::of(decisions), ..FilterTrial::default() };
    let mut removed: BTreeMap<usize, usize> = BTreeMap::new();
    for decision in decisions {
        let of_target = of_target(decision, target);
        let (shown, before) = (of_target.len(), trial.removed);
        trial.shown += shown;
        for entry in of_target {
            // What was deleted is still there, as gone.
            let position = snapshot.position(&entry.item_id);
            let is_there = |at: &usize| snapshot.entry(*at).item.details.is_some();
            match position.filter(is_there) {
                Some(position) if !mask.get(position) => {
                    trial.removed += 1;
                    *removed.entry(position).or_default() += 1;
                }
                Some(_) => {}
                None => trial.gone += 1,
            }
        }
        let removed = trial.removed - before;
        trial.slates_changed += usize::from(removed > 0);
        trial.slates_emptied += usize::from(removed > 0 && removed == decision.slate.len());
    }
    trial.most_removed = most_often(removed, snapshot);
    let is_available = available(snapshot, now);
    trial.available = is_available.iter().filter(|is_available| **is_available).count();
    let admitted = |(position, is_available): (usize, &bool)| *is_available && mask.get(position);
    trial.admitted = is_available.iter().enumerate().filter(|at| admitted(*at)).count();
    trial
}

fn of_target<'a>(decision: &'a Decision, target: &DomainId) -> Vec<&'a SlateEntry> {
    decision.slate.iter().filter(|entry| entry.domain == *target).collect()
}

fn most_often(times: BTreeMap<usize, usize>, snapshot: &CatalogueSnapshot) -> Vec<ShownItem> {
    let mut times: Vec<(usize, usize)> = times.into_iter().collect();
    times.sort_by_key(|(position, times)| (std::cmp::Reverse(*times), *position));
    let shown = |(position, times): (usize, usize)| {
        let entry = snapshot.entry(position);
        let title = entry.title().map(str::to_owned);
        ShownItem { item_id: entry.item.item_id.clone(), title, times }
    };
    times.into_iter().take(MAX_NAMED).map(shown).collect()
}

/// Whether each item may be shown now, in order of positions.
fn available(snapshot: &CatalogueSnapshot, now: Timestamp) -> Vec<bool> {
    let mut is_available = vec![true; snapshot.len()];
    snapshot.not_shown(now).for_each(|position| is_available[position] = false);
    is_available
}

/// How a catalogue stands, and how much of it people were shown.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct CatalogueReport {
    /// Items that are not deleted.
    pub items: usize,
    /// Of these, those that may be shown now.
    pub available: usize,
    /// Of those that may be shown, those that the model does not know.
    pub not_in_model: usize,
    /// Of those that may be shown, those that came within [`NEW_FOR`].
    pub new: usize,
    /// Of the new ones, those that were shown.
    pub new_shown: usize,
    /// Of those that may be shown, those with an offer.
    pub offers: usize,
    /// Of these, those whose offer nobody can have by the rules of today: by reason, of which an
    /// offer may have several.
    pub refused_offers: BTreeMap<Reason, usize>,
    /// The slates that tell what was shown.
    pub served: ServedSlates,
    /// Different items that were shown on them, of those that may be shown now.
    pub shown: usize,
    /// The share of what may be shown now that was shown; `None` where nothing may be.
    pub coverage: Option<f64>,
    /// What was shown most often, at most [`MAX_NAMED`].
    pub most_shown: Vec<ShownItem>,
}

/// How a domain's catalogue stands at an instant, and what slates showed of it.
#[must_use]
pub fn report(
    decisions: &[Decision],
    (domain, snapshot): (&DomainId, &CatalogueSnapshot),
    definition: &DomainDefinition,
    now: Timestamp,
) -> CatalogueReport {
    let shown = times_shown(decisions, (domain, snapshot));
    let is_available = available(snapshot, now);
    let application = Application::new(definition, None, now);
    let mut report = CatalogueReport { served: ServedSlates::of(decisions), ..Default::default() };
    for (position, entry) in snapshot.entries() {
        report.items += usize::from(entry.item.details.is_some());
        if !is_available[position] {
            continue;
        }
        let was_shown = shown.contains_key(&position);
        let is_new = now.duration_since(snapshot.since(position)) < NEW_FOR;
        report.available += 1;
        report.not_in_model += usize::from(entry.row.is_none());
        report.new += usize::from(is_new);
        report.new_shown += usize::from(is_new && was_shown);
        report.shown += usize::from(was_shown);
        let reasons = refused(&application, entry.item);
        report.offers += usize::from(reasons.is_some());
        for reason in reasons.into_iter().flat_map(Reasons::iter) {
            *report.refused_offers.entry(reason).or_default() += 1;
        }
    }
    let share = || report.shown as f64 / report.available as f64;
    report.coverage = (report.available > 0).then(share);
    report.most_shown = most_often(shown, snapshot);
    report
}

/// How often each item of a catalogue was shown, by its position, once a slate.
fn times_shown(
    decisions: &[Decision],
    (domain, snapshot): (&DomainId, &CatalogueSnapshot),
) -> BTreeMap<usize, usize> {
    let mut times: BTreeMap<usize, usize> = BTreeMap::new();
    for decision in decisions {
        let entries = of_target(decision, domain).into_iter();
        let positions = entries.filter_map(|entry| snapshot.position(&entry.item_id));
        let positions: BTreeSet<usize> = positions.collect();
        positions.into_iter().for_each(|position| *times.entry(position).or_default() += 1);
    }
    times
}

/// Why nobody can have an item's offer, empty where somebody may; `None` of an item without one.
fn refused(application: &Application<'_>, item: &Item) -> Option<Reasons> {
    Some(match assess(&application.case(item)?) {
        Assessment::Refused(refusal) => refusal.reasons(),
        Assessment::Eligible(_) => Reasons::default(),
    })
}

#[cfg(test)]
mod tests;
