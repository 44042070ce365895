//! Segments: kinds of people of a domain by how they behave there, and what sets each apart.
//!
//! A segment is a centroid in a space of features that a person's own history gives at request
//! time. Facts are about 20 people or more, and nothing that a person declared is a feature.

use std::collections::BTreeMap;

use jiff::Timestamp;
use safetensors::SafeTensors;
use serde::{Deserialize, Serialize};

use super::tensors::{Tensor, bytes_of, numbers, signed};
use super::{ModelError, malformed};
use crate::entities::ids::{DomainId, ItemId};
use crate::evidence::behaviours::Behaviour;
use crate::evidence::items::{DomainRows, ItemIndex, Row};

/// What is said of fewer people says something of one of them.
pub const FEWEST_PEOPLE: u64 = 20;
/// Most segments of a domain: a reader is to keep them apart.
pub const MOST_SEGMENTS: usize = 32;
/// Most categories that are features of a domain.
pub const MOST_CATEGORIES: usize = 16;
/// How many values tell what an item is like to those who are told apart.
pub const TASTES: usize = 8;
/// The category of an item that has none of the features'.
pub(crate) const OTHER: u32 = u32::MAX;

/// A number that a person's history gives.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FeatureKind {
    /// Share of the items that are liked whose first category it is; its root.
    Category(String),
    /// Where the items that are liked lie in the mean along one of the [`ItemTraits::tastes`].
    Taste(u8),
    /// What they do, whatever it is that they like.
    #[serde(untagged)]
    Habit(Habit),
}

/// What a person does, whatever it is that they like; the logarithm of one more is clustered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Habit {
    /// Events.
    Events,
    /// Items that are liked.
    Items,
    /// Days with an event.
    Days,
    /// Days from the person's newest event to the domain's.
    Quiet,
}

impl Habit {
    /// The number itself of what is clustered.
    #[must_use]
    pub fn unscaled(self, value: f32) -> f32 {
        value.exp_m1().max(0.0)
    }
}

/// A feature with its scaling: what is clustered is `(value - mean) * scale`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Feature {
    /// What it is.
    pub kind: FeatureKind,
    /// Its mean over people.
    pub mean: f32,
    /// By what it is multiplied: the more, the more it tells people apart.
    pub scale: f32,
}

/// A feature that is further out, as scaled, counts as so far: one person's thousand events are no
/// segment.
const FARTHEST: f32 = 4.0;

impl Feature {
    /// The feature of a person as it is clustered and placed by: 0, the mean, where nothing is
    /// known, and at most 4 out.
    pub(crate) fn scaled(&self, value: Option<f32>) -> f32 {
        let scaled = value.map_or(0.0, |value| (value - self.mean) * self.scale);
        scaled.clamp(-FARTHEST, FARTHEST)
    }
}

/// What sets a segment apart.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fact {
    /// A habit, in the median person here and in the domain: events, items, days, quiet
    /// days.
    Habit {
        /// Which.
        of: Habit,
        /// In the segment.
        here: f32,
        /// In the domain.
        overall: f32,
    },
    /// A category.
    Category {
        /// Which.
        category: String,
        /// Its share of what people here like, 0 to 1.
        share: f32,
        /// How many times that of the domain.
        lift: f32,
    },
    /// An item.
    Item {
        /// Which.
        item: ItemId,
        /// Share of the people here who like it, 0 to 1.
        share: f32,
        /// How many times that of the domain.
        lift: f32,
    },
}

impl Fact {
    /// Whether both are about the same thing.
    #[must_use]
    pub fn is_about_the_same(&self, other: &Self) -> bool {
        match (self, other) {
            (
                Self::Habit { of, here, overall },
                Self::Habit { of: other, here: there, overall: all },
            ) => of == other && (here > overall) == (there > all),
            (Self::Category { category: one, .. }, Self::Category { category: other, .. }) => {
                one == other
            }
            (Self::Item { item: one, .. }, Self::Item { item: other, .. }) => one == other,
            _ => false,
        }
    }
}

/// A kind of people.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Segment {
    /// Its number, which it keeps from model to model.
    pub id: u32,
    /// Share of the domain's people, 0 to 1.
    pub share: f32,
    /// Where it lies, feature by feature, as they are scaled.
    pub centroid: Vec<f32>,
    /// What sets it apart, the most telling first; none where it has too few people.
    pub facts: Vec<Fact>,
}

/// Facts that a segment is named by: the first of what is told of it. A name stays as long as they
/// do.
pub(crate) const NAMED_BY: usize = 2;

/// The segments of a domain.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DomainSegments {
    /// The features.
    pub features: Vec<Feature>,
    /// The segments, the largest first.
    pub segments: Vec<Segment>,
    /// The number that the next new segment gets.
    pub next_id: u32,
    /// The newest evidence of the domain: quiet days are counted back from there.
    pub newest: Timestamp,
    /// People whom they were found in.
    pub people: u64,
}

/// What of the items is needed to place a person.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ItemTraits {
    /// Of each row: which of its domain's category features its first category is, counted
    /// among these, or [`u32::MAX`].
    pub categories: Vec<u32>,
    /// Of each row a [`Taste`]; empty where no domain's people are told apart by tastes.
    pub tastes: Vec<Taste>,
}

/// What an item is like: factors of length [`TASTE_LENGTH`], fitted to what the people like who
/// were drawn to be told apart, as whole numbers, for the model keeps them for every item. All 0
/// where none of them likes it.
pub type Taste = [i8; TASTES];

/// The length of a [`Taste`].
pub const TASTE_LENGTH: f32 = 127.0;

/// The segments of all domains that have any.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Segments {
    /// By domain.
    pub domains: BTreeMap<DomainId, DomainSegments>,
    /// By row of the model; empty without segments.
    pub traits: ItemTraits,
}

impl Segments {
    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.domains.is_empty()
    }

    /// Whether people are told apart by tastes as well.
    #[must_use]
    pub fn have_tastes(&self) -> bool {
        have_tastes(&self.domains)
    }

    /// Where a person belongs in a domain by what they did there: a few microseconds. `None`
    /// where the domain has no segments, or one, which is everybody.
    #[must_use]
    pub fn segment_of(&self, domain: &DomainId, behaviour: &Behaviour) -> Option<&Segment> {
        let known = self.domains.get(domain).filter(|known| known.segments.len() > 1)?;
        let point = known.point(behaviour, &self.traits);
        let squared = |segment: &Segment| -> f32 {
            point.iter().zip(&segment.centroid).map(|(x, c)| (x - c) * (x - c)).sum()
        };
        known.segments.iter().min_by(|a, b| squared(a).total_cmp(&squared(b)))
    }

    /// Whether what a segment of a domain is named by is true of a person too: of the categories in
    /// its name they take no less than is usual. Habits place people as well, and somebody may be
    /// nearest to people of another taste.
    #[must_use]
    pub fn is_named_after(
        &self,
        segment: &Segment,
        (domain, behaviour): (&DomainId, &Behaviour),
    ) -> bool {
        let Some(known) = self.domains.get(domain) else { return false };
        let categories = known.features.iter().filter_map(|feature| match &feature.kind {
            FeatureKind::Category(name) => Some(name),
            _ => None,
        });
        let told = segment.facts.iter().filter(|fact| !matches!(fact, Fact::Item { .. }));
        told.take(NAMED_BY).all(|fact| {
            let Fact::Category { category, share, lift } = fact else { return true };
            let Some(number) = categories.clone().position(|name| name == category) else {
                return false;
            };
            let is_of_it =
                |row: &&Row| self.traits.categories.get(row.index()) == Some(&(number as u32));
            let taken = behaviour.items.iter().filter(is_of_it).count();
            taken as f32 >= share / lift * behaviour.items.len() as f32
        })
    }
}

impl DomainSegments {
    /// A person as a point, feature by feature as they are scaled.
    pub(crate) fn point(&self, behaviour: &Behaviour, traits: &ItemTraits) -> Vec<f32> {
        let raw = raw_point(&self.features, (behaviour, traits), self.newest);
        raw.into_iter().zip(&self.features).map(|(value, feature)| feature.scaled(value)).collect()
    }
}

/// A person's features before they are scaled; none where nothing is known.
pub(crate) fn raw_point(
    features: &[Feature],
    (behaviour, traits): (&Behaviour, &ItemTraits),
    newest: Timestamp,
) -> Vec<Option<f32>> {
    let quiet = (newest.as_second() - behaviour.newest.as_second()).max(0) as f32 / 86_400.0;
    let mut counts = [0u32; MOST_CATEGORIES];
    for row in &behaviour.items {
        let category = traits.categories.get(row.index()).copied().unwrap_or(OTHER);
        if let Some(count) = counts.get_mut(category as usize) {
            *count += 1;
        }
    }
    let items = behaviour.items.len() as f32;
    // Who likes what nobody did who was drawn is no less like others for that.
    let known =
        |row: &Row| traits.tastes.get(row.index()).filter(|taste| **taste != Taste::default());
    let (mut tastes, mut with_taste) = ([0i32; TASTES], 0);
    for taste in behaviour.items.iter().filter_map(known) {
        with_taste += 1;
        tastes.iter_mut().zip(taste).for_each(|(sum, value)| *sum += i32::from(*value));
    }
    let mut category = 0;
    let of = |feature: &Feature| match &feature.kind {
        FeatureKind::Habit(habit) => Some(match habit {
            Habit::Events => (behaviour.events as f32).ln_1p(),
            Habit::Items => items.ln_1p(),
            Habit::Days => (behaviour.days as f32).ln_1p(),
            Habit::Quiet => quiet.ln_1p(),
        }),
        FeatureKind::Category(_) => {
            let count = counts.get(category).copied().unwrap_or(0);
            category += 1;
            (items > 0.0).then(|| (count as f32 / items).sqrt())
        }
        FeatureKind::Taste(number) => {
            let sum = tastes.get(usize::from(*number)).copied().unwrap_or(0) as f32;
            (with_taste > 0).then(|| sum / with_taste as f32 / TASTE_LENGTH)
        }
    };
    features.iter().map(of).collect()
}

/// Name of the tensors.
const SEGMENTS: &str = "segments";
const CATEGORIES: &str = "segment_categories";
const TASTES_OF_ITEMS: &str = "segment_tastes";

/// Whether the manifest is to say that there are segments, and their tensors.
pub(crate) fn write(segments: &Segments) -> Result<(bool, Vec<Tensor>), ModelError> {
    if segments.is_empty() {
        return Ok((false, Vec::new()));
    }
    let ItemTraits { categories, tastes } = &segments.traits;
    let json = serde_json::to_vec(&segments.domains).map_err(malformed)?;
    let mut tensors = vec![
        Tensor::bytes(SEGMENTS, json),
        Tensor::numbers(CATEGORIES, vec![categories.len()], categories),
    ];
    if segments.have_tastes() {
        let shape = vec![tastes.len(), TASTES];
        tensors.push(Tensor::signed(TASTES_OF_ITEMS, shape, tastes.as_flattened()));
    }
    Ok((true, tensors))
}

fn have_tastes(domains: &BTreeMap<DomainId, DomainSegments>) -> bool {
    let mut features = domains.values().flat_map(|segments| &segments.features);
    features.any(|feature| matches!(feature.kind, FeatureKind::Taste(_)))
}

/// Reads the segments, if there are any.
pub(crate) fn read(
    is_there: bool,
    tensors: &SafeTensors<'_>,
    index: &ItemIndex,
) -> Result<Segments, ModelError> {
    if !is_there {
        return Ok(Segments::default());
    }
    let domains: BTreeMap<DomainId, DomainSegments> =
        serde_json::from_slice(bytes_of(tensors, SEGMENTS)?).map_err(malformed)?;
    let tastes = match have_tastes(&domains) {
        true => signed(tensors, TASTES_OF_ITEMS, &[index.len(), TASTES])?,
        false => Vec::new(),
    };
    let traits = ItemTraits {
        categories: numbers(tensors, CATEGORIES, &[index.len()])?,
        tastes: tastes.as_chunks().0.to_vec(),
    };
    for (domain, segments) in &domains {
        let width = segments.features.len();
        let is_finite = |feature: &Feature| {
            let is_known = match feature.kind {
                FeatureKind::Taste(number) => usize::from(number) < TASTES,
                FeatureKind::Category(_) | FeatureKind::Habit(_) => true,
            };
            is_known && feature.mean.is_finite() && feature.scale.is_finite() && feature.scale > 0.0
        };
        let is_centroid = |segment: &Segment| {
            segment.centroid.len() == width && segment.centroid.iter().all(|c| c.is_finite())
        };
        if index.ranges().get(domain).is_none()
            || segments.segments.is_empty()
            || segments.segments.len() > MOST_SEGMENTS
            || !segments.features.iter().all(is_finite)
            || !segments.segments.iter().all(is_centroid)
        {
            return Err(malformed(format!("the segments of {domain} cannot be")));
        }
    }
    Ok(Segments { domains, traits })
}

/// A behaviour with its items by the rows of another index: for placing people by an older
/// model.
pub(crate) fn in_rows_of(
    behaviour: &Behaviour,
    index: &ItemIndex,
    (other, rows): (&ItemIndex, &DomainRows),
) -> Behaviour {
    let row = |row: &Row| other.row(index.item(*row)?).filter(|row| rows.contains(*row));
    Behaviour { items: behaviour.items.iter().filter_map(row).collect(), ..behaviour.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn features_and_facts_of_before_are_read() {
        let kinds = r#"["events", "items", "days", "quiet", {"category": "music"}, {"taste": 3}]"#;
        let read: Vec<FeatureKind> = serde_json::from_str(kinds).unwrap();
        let habits = [Habit::Events, Habit::Items, Habit::Days, Habit::Quiet];
        assert_eq!(read[..4], habits.map(FeatureKind::Habit));
        assert_eq!(read[4..], [FeatureKind::Category("music".into()), FeatureKind::Taste(3)]);
        let written: serde_json::Value = serde_json::to_value(&read).unwrap();
        assert_eq!(written, serde_json::from_str::<serde_json::Value>(kinds).unwrap());
        let fact = r#"{"habit": {"of": "events", "here": 9.0, "overall": 2.0}}"#;
        let busy = Fact::Habit { of: Habit::Events, here: 9.0, overall: 2.0 };
        assert_eq!(serde_json::from_str::<Fact>(fact).unwrap(), busy);
    }

    #[test]
    fn nobody_is_named_after_a_taste_that_they_have_less_of_than_is_usual() {
        let knowledge = DomainId::parse("knowledge").unwrap();
        let feature = |name: &str| Feature {
            kind: FeatureKind::Category(name.to_owned()),
            mean: 0.0,
            scale: 1.0,
        };
        let segment = |facts| Segment { id: 0, share: 0.5, centroid: vec![0.0; 2], facts };
        // A fifth of what anybody likes is music.
        let music = Fact::Category { category: "music".to_owned(), share: 0.6, lift: 3.0 };
        let busy = Fact::Habit { of: Habit::Events, here: 9.0, overall: 2.0 };
        let of_domain = DomainSegments {
            features: vec![feature("cooking"), feature("music")],
            segments: Vec::new(),
            next_id: 1,
            newest: Timestamp::UNIX_EPOCH,
            people: 100,
        };
        let segments = Segments {
            domains: [(knowledge.clone(), of_domain)].into(),
            traits: ItemTraits { categories: vec![0, 0, 0, 0, 1, u32::MAX], tastes: Vec::new() },
        };
        let person = |items: &[u32]| Behaviour {
            events: 9,
            days: 1,
            newest: Timestamp::UNIX_EPOCH,
            items: items.iter().map(|item| Row(*item)).collect(),
        };
        let is_named = |facts: &[&Fact], items: &[u32]| {
            let segment = segment(facts.iter().copied().cloned().collect());
            segments.is_named_after(&segment, (&knowledge, &person(items)))
        };
        assert!(is_named(&[&music, &busy], &[0, 1, 2, 3, 4]), "one in five");
        assert!(!is_named(&[&music, &busy], &[0, 1, 2, 3, 5]));
        assert!(!is_named(&[&busy, &music], &[0, 1, 2, 3, 5]), "by either of the name");
        assert!(is_named(&[&busy, &busy, &music], &[0, 1]), "a third fact is no part of it");
        assert!(is_named(&[], &[0]));
    }
}
