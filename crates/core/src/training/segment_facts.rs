//! What sets a segment apart, in numbers.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::evidence::behaviours::Behaviour;
use crate::evidence::items::{ItemIndex, Row};
use crate::model::segments::{FEWEST_PEOPLE, Fact, Feature, FeatureKind, ItemTraits, raw_point};

/// A habit is told where it is this many deviations off; one deviation of a logarithm is much.
const TOLD_FROM: f32 = 0.4;
/// A category or item is told where it is this much more frequent than in the domain: who is said to
/// prefer something takes half as much again.
const TOLD_LIFT: f32 = 1.5;
/// A category is told from this share of what people like.
const TOLD_SHARE: f32 = 0.08;
/// Most facts of a kind.
const MOST_HABITS: usize = 3;
const MOST_CATEGORIES: usize = 3;
const MOST_ITEMS: usize = 5;

/// What sets people apart from all of their domain: categories, then habits, then items. Nothing
/// of fewer than 20 people, no item that fewer than 20 of them like, and no category.
pub(super) fn facts(
    features: &[Feature],
    (here, all): (&[&Behaviour], &[Behaviour]),
    (traits, index): (&ItemTraits, &ItemIndex),
    newest: Timestamp,
) -> Vec<Fact> {
    if (here.len() as u64) < FEWEST_PEOPLE {
        return Vec::new();
    }
    let all: Vec<&Behaviour> = all.iter().collect();
    let mut facts = categories(features, here, &all, traits);
    facts.extend(habits(features, (here, &all), traits, newest));
    facts.extend(items(here, &all, index));
    facts
}

fn habits(
    features: &[Feature],
    (here, all): (&[&Behaviour], &[&Behaviour]),
    traits: &ItemTraits,
    newest: Timestamp,
) -> Vec<Fact> {
    let points = |people: &[&Behaviour]| -> Vec<Vec<Option<f32>>> {
        people.iter().map(|person| raw_point(features, (person, traits), newest)).collect()
    };
    let (here, all) = (points(here), points(all));
    let mut told = Vec::new();
    for (number, feature) in features.iter().enumerate() {
        let FeatureKind::Habit(habit) = feature.kind else { continue };
        let (Some(of_here), Some(of_all)) = (median(&here, number), median(&all, number)) else {
            continue;
        };
        let off = (of_here - of_all).abs() / deviation(&all, number);
        if off >= TOLD_FROM {
            told.push((
                off,
                Fact::Habit {
                    of: habit,
                    here: habit.unscaled(of_here),
                    overall: habit.unscaled(of_all),
                },
            ));
        }
    }
    told.sort_by(|a, b| b.0.total_cmp(&a.0));
    told.into_iter().take(MOST_HABITS).map(|(_, fact)| fact).collect()
}

/// The deviation of a feature over people who have it; that of what is the same for all is taken
/// to be tiny.
fn deviation(points: &[Vec<Option<f32>>], feature: usize) -> f32 {
    let (_, variance) = mean_and_variance(points, feature);
    variance.sqrt().max(1e-6) as f32
}

/// The mean and the variance of a feature over people who have it.
pub(super) fn mean_and_variance(points: &[Vec<Option<f32>>], feature: usize) -> (f64, f64) {
    let values = || points.iter().filter_map(|point| point[feature]).map(f64::from);
    let count = values().count().max(1) as f64;
    let mean = values().sum::<f64>() / count;
    let variance = values().map(|value| (value - mean).powi(2)).sum::<f64>() / count;
    (mean, variance)
}

/// The median of a feature, of at least 20 people who have it.
fn median(points: &[Vec<Option<f32>>], feature: usize) -> Option<f32> {
    let mut values: Vec<f32> = points.iter().filter_map(|point| point[feature]).collect();
    if (values.len() as u64) < FEWEST_PEOPLE {
        return None;
    }
    values.sort_by(f32::total_cmp);
    values.get(values.len() / 2).copied()
}

fn categories(
    features: &[Feature],
    here: &[&Behaviour],
    all: &[&Behaviour],
    traits: &ItemTraits,
) -> Vec<Fact> {
    let names = features.iter().filter_map(|feature| match &feature.kind {
        FeatureKind::Category(name) => Some(name),
        _ => None,
    });
    let (of_here, of_all) = (Liked::of(here, traits), Liked::of(all, traits));
    let mut told = Vec::new();
    for (number, name) in names.enumerate() {
        let number = number as u32;
        let share = of_here.share(number);
        let lift = share / of_all.share(number).max(f32::MIN_POSITIVE);
        let people = of_here.people.get(&number).copied().unwrap_or(0);
        if people >= FEWEST_PEOPLE && share >= TOLD_SHARE && lift >= TOLD_LIFT {
            // How much of what is liked is of the category beyond what is usual.
            let beyond = share - share / lift;
            told.push((beyond, Fact::Category { category: name.clone(), share, lift }));
        }
    }
    told.sort_by(|a, b| b.0.total_cmp(&a.0));
    told.into_iter().take(MOST_CATEGORIES).map(|(_, fact)| fact).collect()
}

/// How often categories are liked, and by how many people.
struct Liked {
    items: BTreeMap<u32, u64>,
    people: BTreeMap<u32, u64>,
    all: u64,
}

impl Liked {
    fn of(people: &[&Behaviour], traits: &ItemTraits) -> Self {
        let mut liked = Self { items: BTreeMap::new(), people: BTreeMap::new(), all: 0 };
        for person in people {
            let mut of_person: Vec<u32> =
                person.items.iter().map(|row| traits.categories[row.index()]).collect();
            liked.all += of_person.len() as u64;
            of_person.iter().for_each(|c| *liked.items.entry(*c).or_default() += 1);
            of_person.sort_unstable();
            of_person.dedup();
            of_person.iter().for_each(|c| *liked.people.entry(*c).or_default() += 1);
        }
        liked
    }

    fn share(&self, category: u32) -> f32 {
        self.items.get(&category).copied().unwrap_or(0) as f32 / self.all.max(1) as f32
    }
}

fn items(here: &[&Behaviour], all: &[&Behaviour], index: &ItemIndex) -> Vec<Fact> {
    let count = |people: &[&Behaviour]| {
        let mut counts: BTreeMap<Row, u64> = BTreeMap::new();
        for row in people.iter().flat_map(|person| &person.items) {
            *counts.entry(*row).or_default() += 1;
        }
        counts
    };
    let (of_here, of_all) = (count(here), count(all));
    let mut told = Vec::new();
    for (row, people) in of_here {
        let share = people as f32 / here.len() as f32;
        let overall = of_all.get(&row).copied().unwrap_or(0) as f32 / all.len() as f32;
        let lift = share / overall.max(f32::MIN_POSITIVE);
        let Some((_, item)) = index.item(row) else { continue };
        if people >= FEWEST_PEOPLE && lift >= TOLD_LIFT {
            told.push((share - overall, Fact::Item { item: item.clone(), share, lift }));
        }
    }
    told.sort_by(|a, b| b.0.total_cmp(&a.0));
    told.into_iter().take(MOST_ITEMS).map(|(_, fact)| fact).collect()
}
