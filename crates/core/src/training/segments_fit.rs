//! Segments of each domain: found in a sample of its people, described, and named as before.

use std::collections::BTreeMap;

use ndarray::{Array2, Axis};
use serde::{Deserialize, Serialize};

use crate::entities::ids::DomainId;
use crate::evidence::behaviours::{Behaviour, BehaviourSample, DrawnPeople};
use crate::evidence::item_facts::CatalogueFacts;
use crate::evidence::items::{DomainRows, ItemIndex};
use crate::maths::als::{self, AlsOptions};
use crate::maths::clusters::{
    self, ChoiceOptions, ClusterOptions, Clusters, NumberOfClusters, best_matching,
};
use crate::maths::sparse::SparseRows;
use crate::model::Model;
use crate::model::segments::{
    DomainSegments, FEWEST_PEOPLE, Fact, Feature, FeatureKind, Habit, ItemTraits, MOST_CATEGORIES,
    NAMED_BY, OTHER, Segment, Segments, TASTE_LENGTH, TASTES, Taste, in_rows_of, raw_point,
};

use super::found_groups::{self, FoundSegment};
use super::segment_facts::{facts, mean_and_variance};

/// Most segments that are tried.
const MOST_TRIED: usize = 12;
/// People who have the number of segments chosen by them, and splits of these into halves: a
/// second or two of a core.
const CHOSEN_BY: usize = 1_024;
const SPLITS: usize = 10;
/// A segment of the champion goes on in the one that has this share of their people, of all
/// who are in either.
const GOES_ON_FROM: f64 = 0.25;

/// What a run found of a domain's people.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SegmentReport {
    /// People with consented evidence there.
    pub people: u64,
    /// Those who were looked at.
    pub sampled: usize,
    /// Segments; 0 where people are not told apart.
    pub segments: usize,
    /// Those that go on from the champion's.
    pub kept: usize,
    /// Share of the features' variance that lies between segments, 0 to 1.
    pub explained: f64,
    /// How each number of segments did.
    pub tried: NumberOfClusters,
    /// The segments, the largest first; none in reports of before they were told.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub found: Vec<FoundSegment>,
}

/// What is known of items.
#[derive(Clone, Copy)]
pub(super) struct Items<'a> {
    pub(super) index: &'a ItemIndex,
    pub(super) facts: &'a CatalogueFacts,
}

/// The segments of every domain that has any, and what was found.
pub(super) fn find(
    items: Items<'_>,
    sample: &BehaviourSample,
    (champion, seed): (Option<&Model>, u64),
) -> (Segments, BTreeMap<DomainId, SegmentReport>) {
    let mut segments = Segments { traits: traits(items), ..Segments::default() };
    let mut reports = BTreeMap::new();
    for (domain, people) in &sample.0 {
        let Some(rows) = items.index.ranges().get(domain) else { continue };
        let mut features = features(items, rows, &mut segments.traits, &people.behaviours);
        features.extend(tastes(rows, &mut segments.traits, (&people.behaviours, seed)));
        let Some(space) = Space::of(features, people, &segments.traits) else { continue };
        let Some((mut found, mut report)) = space.segments(people, seed) else { continue };
        describe(&mut found, people, (&segments.traits, items.index));
        let kept = champion.map_or(0, |champion| {
            go_on(&mut found, people, (&segments.traits, items.index), (champion, rows))
        });
        report.kept = kept;
        if found.segments.len() > 1 {
            let before = champion.and_then(|model| model.sections().segments.domains.get(domain));
            let next_before = before.map_or(0, |known| known.next_id);
            let title = found_groups::titles(items.facts, domain);
            report.found = found_groups::segments(&found, next_before, &title);
            report.segments = found.segments.len();
        }
        // One alone tells nobody apart. It is kept where there were more, so that numbers which
        // these had are given to none that is found later.
        let had_some =
            champion.is_some_and(|model| model.sections().segments.domains.contains_key(domain));
        if found.segments.len() > 1 || had_some {
            segments.domains.insert(domain.clone(), found);
        }
        reports.insert(domain.clone(), report);
    }
    (without_unused(segments, items.index), reports)
}

/// Nothing is kept of the items of domains without segments, and no tastes that tell nobody apart.
fn without_unused(mut segments: Segments, index: &ItemIndex) -> Segments {
    if segments.domains.is_empty() {
        return Segments::default();
    }
    for (domain, rows) in index.ranges().iter() {
        if !segments.domains.contains_key(domain) {
            segments.traits.categories[rows.range.clone()].fill(OTHER);
            segments.traits.tastes[rows.range.clone()].fill(Taste::default());
        }
    }
    if !segments.have_tastes() {
        segments.traits.tastes = Vec::new();
    }
    segments
}

/// Without categories and tastes: they are filled in domain by domain.
fn traits(items: Items<'_>) -> ItemTraits {
    let rows = items.index.len();
    ItemTraits { categories: vec![OTHER; rows], tastes: vec![Taste::default(); rows] }
}

/// The features of a domain, unscaled: habits, and the categories that most people like,
/// two of them at least. No price: what people pay tells of their means, which are not
/// profiled without their consent to just that.
fn features(
    items: Items<'_>,
    rows: &DomainRows,
    traits: &mut ItemTraits,
    people: &[Behaviour],
) -> Vec<FeatureKind> {
    let habits = [Habit::Events, Habit::Items, Habit::Days, Habit::Quiet];
    let mut kinds: Vec<FeatureKind> = habits.into_iter().map(FeatureKind::Habit).collect();
    let category = |row: usize| -> Option<&str> {
        let key = items.index.items().get(row)?;
        items.facts.get(key)?.categories.first().map(String::as_str)
    };
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    for row in people.iter().flat_map(|person| &person.items) {
        if let Some(category) = category(row.index()) {
            *counts.entry(category).or_default() += 1;
        }
    }
    let mut names: Vec<(&str, u64)> = counts.into_iter().collect();
    names.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
    names.truncate(MOST_CATEGORIES);
    if names.len() >= 2 {
        for row in rows.range.clone() {
            let place = names.iter().position(|(name, _)| Some(*name) == category(row));
            traits.categories[row] = place.map_or(OTHER, |place| place as u32);
        }
        kinds.extend(names.iter().map(|(name, _)| FeatureKind::Category((*name).to_owned())));
    }
    kinds
}

/// Fits a few factors to what people like, by which they are told apart where categories say
/// little or nothing; none where there is too little to fit them to. Items count by direction
/// alone, so that a person's mean is not that of what is popular.
fn tastes(
    rows: &DomainRows,
    traits: &mut ItemTraits,
    (people, seed): (&[Behaviour], u64),
) -> Vec<FeatureKind> {
    if people.len() < TASTES || rows.len() < TASTES {
        return Vec::new();
    }
    let liked = |person: &Behaviour| {
        let items = person.items.iter().filter_map(|row| rows.local(*row));
        items.map(|item| (item.index() as u32, 1.0)).collect()
    };
    let matrix = SparseRows::from_rows(rows.len(), people.iter().map(liked));
    let options = AlsOptions { factors: TASTES, iterations: 8, seed, ..AlsOptions::default() };
    let fitted = options.check().ok().and_then(|params| als::fit(&matrix, &params, &|_| ()).ok());
    let Some(factors) = fitted else { return Vec::new() };
    for (row, factors) in rows.range.clone().zip(factors.items.rows()) {
        let length = factors.dot(&factors).sqrt();
        if length > 0.0 && length.is_finite() {
            let of_item = traits.tastes[row].iter_mut().zip(factors);
            of_item.for_each(|(taste, factor)| {
                *taste = (factor / length * TASTE_LENGTH).round() as i8;
            });
        }
    }
    (0..TASTES as u8).map(FeatureKind::Taste).collect()
}

/// People of a domain as points.
struct Space {
    features: Vec<Feature>,
    newest: jiff::Timestamp,
    points: Array2<f32>,
}

impl Space {
    fn of(kinds: Vec<FeatureKind>, people: &DrawnPeople, traits: &ItemTraits) -> Option<Self> {
        let newest = people.behaviours.iter().map(|person| person.newest).max()?;
        let unscaled = |kind| Feature { kind, mean: 0.0, scale: 1.0 };
        let mut features: Vec<Feature> = kinds.into_iter().map(unscaled).collect();
        let raw: Vec<Vec<Option<f32>>> = people
            .behaviours
            .iter()
            .map(|person| raw_point(&features, (person, traits), newest))
            .collect();
        scale(&mut features, &raw);
        let point = |(person, feature): (usize, usize)| -> f32 {
            features[feature].scaled(raw[person][feature])
        };
        let points = Array2::from_shape_fn((raw.len(), features.len()), point);
        Some(Self { features, newest, points })
    }

    fn segments(self, people: &DrawnPeople, seed: u64) -> Option<(DomainSegments, SegmentReport)> {
        let options = ChoiceOptions {
            most: MOST_TRIED,
            sample: CHOSEN_BY,
            repetitions: SPLITS,
            restarts: 2,
            seed,
            ..ChoiceOptions::default()
        };
        let tried = clusters::choose(self.points.view(), &options.check().ok()?).ok()?;
        let cluster = |clusters: usize| {
            let options = ClusterOptions { clusters, seed, ..ClusterOptions::default() };
            clusters::fit(self.points.view(), &options.check().ok()?).ok()
        };
        let found = cluster(tried.clusters)?;
        let whole: f64 = self.points.iter().map(|value| f64::from(*value).powi(2)).sum();
        let explained = if whole > 0.0 { (1.0 - found.inertia / whole).max(0.0) } else { 0.0 };
        let sampled = people.behaviours.len();
        let segment = |(number, (centroid, size)): (usize, (Vec<f32>, u64))| Segment {
            id: number as u32,
            share: size as f32 / sampled as f32,
            centroid,
            facts: Vec::new(),
        };
        let large = self.without_small(&found);
        let segments: Vec<Segment> = large.into_iter().enumerate().map(segment).collect();
        let report = SegmentReport {
            people: people.of,
            sampled,
            segments: 0,
            kept: 0,
            explained,
            tried,
            found: Vec::new(),
        };
        let next_id = segments.len() as u32;
        let (features, newest) = (self.features, self.newest);
        Some((DomainSegments { features, segments, next_id, newest, people: people.of }, report))
    }
}

impl Space {
    /// The centroids of clusters of people enough to be told of, the largest one at least, and
    /// how many people are nearest to each: those of the others go to whichever is. The largest
    /// first.
    fn without_small(&self, found: &Clusters) -> Vec<(Vec<f32>, u64)> {
        let largest = found.sizes.iter().max().copied().unwrap_or(0);
        let is_told = |size: u32| size == largest || u64::from(size) >= FEWEST_PEOPLE;
        let kept = (0..found.sizes.len()).filter(|cluster| is_told(found.sizes[*cluster]));
        let kept: Vec<usize> = kept.collect();
        let centroids = found.centroids.select(Axis(0), &kept);
        let mut sizes = vec![0u64; kept.len()];
        for point in self.points.rows() {
            if let Some(nearest) = clusters::nearest(centroids.view(), point) {
                sizes[nearest.cluster] += 1;
            }
        }
        let rows = centroids.rows().into_iter().map(|row| row.to_vec());
        let mut told: Vec<(Vec<f32>, u64)> = rows.zip(sizes).collect();
        told.sort_by_key(|(_, size)| std::cmp::Reverse(*size));
        told
    }
}

/// What tells people apart counts by what it is about, however many features tell it: how much
/// somebody does, which events, items and days all but repeat, as much as how lately; what they
/// like [`TASTE_COUNTS`] times as much, half of it by categories and half by tastes, where there
/// are both.
fn scale(features: &mut [Feature], raw: &[Vec<Option<f32>>]) {
    let of_feature = |feature| mean_and_variance(raw, feature);
    let of_all: Vec<(f64, f64)> = (0..features.len()).map(of_feature).collect();
    let groups: Vec<Group> = features.iter().map(|feature| Group::of(&feature.kind)).collect();
    let whole = |group: Group| -> f64 {
        let same = groups.iter().zip(&of_all).filter(|(other, _)| **other == group);
        same.map(|(_, (_, variance))| variance).sum()
    };
    let kinds_of_taste =
        [Group::Categories, Group::Tastes].into_iter().filter(|group| whole(*group) > 0.0).count();
    for ((feature, group), (mean, variance)) in features.iter_mut().zip(&groups).zip(&of_all) {
        let deviation = match group {
            // As many deviations of 1 as there are features, which together count as one.
            Group::Amount => (variance * AMOUNTS).sqrt(),
            Group::Recency => variance.sqrt(),
            Group::Categories | Group::Tastes => {
                (whole(*group) * kinds_of_taste as f64 / TASTE_COUNTS).sqrt()
            }
        };
        feature.mean = *mean as f32;
        // What is the same for all tells nobody apart.
        feature.scale = if deviation > 1e-6 { (1.0 / deviation) as f32 } else { 1e-6 };
    }
}

/// How much more what somebody likes counts than how much they do.
const TASTE_COUNTS: f64 = 4.0;
/// Features that tell how much somebody does.
const AMOUNTS: f64 = 3.0;

/// What a feature is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Group {
    Amount,
    Recency,
    Categories,
    Tastes,
}

impl Group {
    fn of(kind: &FeatureKind) -> Self {
        match kind {
            FeatureKind::Habit(Habit::Quiet) => Self::Recency,
            FeatureKind::Habit(_) => Self::Amount,
            FeatureKind::Category(_) => Self::Categories,
            FeatureKind::Taste(_) => Self::Tastes,
        }
    }
}

/// The segment of each person.
fn members(
    segments: &DomainSegments,
    people: &DrawnPeople,
    place: impl Fn(&Behaviour) -> Vec<f32>,
) -> Vec<Option<usize>> {
    let centroids = Array2::from_shape_fn(
        (segments.segments.len(), segments.features.len()),
        |(segment, feature)| segments.segments[segment].centroid[feature],
    );
    let nearest = |person: &Behaviour| {
        let point = ndarray::Array1::from(place(person));
        clusters::nearest(centroids.view(), point.view()).map(|nearest| nearest.cluster)
    };
    people.behaviours.iter().map(nearest).collect()
}

fn describe(
    segments: &mut DomainSegments,
    people: &DrawnPeople,
    (traits, index): (&ItemTraits, &ItemIndex),
) {
    let of = members(segments, people, |person| segments.point(person, traits));
    for number in 0..segments.segments.len() {
        let here: Vec<&Behaviour> = people
            .behaviours
            .iter()
            .zip(&of)
            .filter(|(_, segment)| **segment == Some(number))
            .map(|(person, _)| person)
            .collect();
        let found = facts(
            &segments.features,
            (&here, &people.behaviours),
            (traits, index),
            segments.newest,
        );
        segments.segments[number].facts = found;
    }
}

/// Gives segments the numbers of the champion's that they go on from, with what these were
/// known by first; how many do.
fn go_on(
    segments: &mut DomainSegments,
    people: &DrawnPeople,
    (traits, index): (&ItemTraits, &ItemIndex),
    (champion, rows): (&Model, &DomainRows),
) -> usize {
    let known = &champion.sections().segments;
    let (Some(before), Some(their_rows)) =
        (known.domains.get(&rows.domain), champion.index().ranges().get(&rows.domain))
    else {
        return 0;
    };
    let now = members(segments, people, |person| segments.point(person, traits));
    let then = members(before, people, |person| {
        let person = in_rows_of(person, index, (champion.index(), their_rows));
        before.point(&person, &known.traits)
    });
    let shape = (segments.segments.len(), before.segments.len());
    let mut both = Array2::<f64>::zeros(shape);
    let (mut of_now, mut of_then) = (vec![0.0; shape.0], vec![0.0; shape.1]);
    for (now, then) in now.into_iter().zip(then) {
        if let (Some(now), Some(then)) = (now, then) {
            both[(now, then)] += 1.0;
            of_now[now] += 1.0;
            of_then[then] += 1.0;
        }
    }
    let overlap = Array2::from_shape_fn(shape, |(now, then)| {
        let both = both[(now, then)];
        if both > 0.0 { both / (of_now[now] + of_then[then] - both) } else { 0.0 }
    });
    let mut next_id = before.next_id;
    let mut kept = 0;
    for (segment, then) in
        segments.segments.iter_mut().zip(best_matching(overlap.view(), GOES_ON_FROM))
    {
        match then.and_then(|then| before.segments.get(then)) {
            Some(then) => {
                segment.id = then.id;
                known_first(&mut segment.facts, &then.facts);
                kept += 1;
            }
            None => {
                segment.id = next_id;
                next_id += 1;
            }
        }
    }
    segments.next_id = next_id;
    kept
}

/// Puts what a segment was named by first, where it still holds: its name stays.
fn known_first(facts: &mut [Fact], before: &[Fact]) {
    let place = |fact: &Fact| {
        let mut named_by = before.iter().take(NAMED_BY);
        named_by.position(|known| known.is_about_the_same(fact)).unwrap_or(NAMED_BY)
    };
    facts.sort_by_key(place);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_of_fewer_than_twenty_people_is_no_segment_and_its_people_belong_to_the_nearest() {
        // Two groups of thirty, and nineteen people beside the second.
        let places = [(0.0f32, 30), (10.0, 30), (13.0, 19)];
        let points: Vec<f32> =
            places.iter().flat_map(|(place, people)| vec![*place; *people]).collect();
        let points = Array2::from_shape_vec((79, 1), points).unwrap();
        let options = ClusterOptions { clusters: 3, ..ClusterOptions::default() };
        let found = clusters::fit(points.view(), &options.check().unwrap()).unwrap();
        assert_eq!(found.sizes.len(), 3);
        let newest = jiff::Timestamp::UNIX_EPOCH;
        let space = Space { features: Vec::new(), newest, points };
        let mut kept = space.without_small(&found);
        kept.sort_by(|one, other| one.0[0].total_cmp(&other.0[0]));
        assert_eq!(kept, [(vec![0.0], 30), (vec![10.0], 49)]);
    }

    #[test]
    fn who_is_far_out_is_placed_by_what_segments_were_found_by() {
        let feature = Feature { kind: FeatureKind::Habit(Habit::Events), mean: 1.0, scale: 2.0 };
        assert_eq!(
            [Some(1.5), Some(99.0), Some(-99.0), None].map(|v| feature.scaled(v)),
            [1.0, 4.0, -4.0, 0.0]
        );
    }
}
