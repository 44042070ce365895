//! Items that are like another of the same domain: no person is asked.
//!
//! An item is a point among the factors of its domain. What its people did says where (`f`), and
//! where the domain's texts rank new items ([`crate::model::content`]), so does its text (`t`); as
//! in empirical Bayes, the text counts as much as a number of people, here [`TEXT_IS_WORTH`]:
//!
//! ```text
//! point = (n f + k t) / (n + k)          k = 10 where there is a text, else 0
//! score = cos(asked, candidate) * m / (m + k)
//! ```
//!
//! The cosine is of points whose part along the mean item (of those that people took, each by how
//! many did) is no longer, in the root of the mean square, than the part across it: where factors
//! were fitted with little weight on what people did not take, what all items have in common is
//! nearly all of them, and tells no likeness.
//!
//! where `n` people took the item, each counted by the recency of what they did (as popularity
//! counts them), and `m` is what the candidate's own point rests on: people who took it, or `k` of
//! one that is new and placed by its text. Without that, items of two people would be nearest to
//! everything by chance. Fewer than [`FEWEST_PEOPLE`] people who took the item that is asked for say
//! nothing: what is like it would be what they like. Nor do factors where popularity serves better.
//! `cargo run -p crossfold-lab --example new_items -- DIR --similar` measures both halves
//! beside each alone. An item of which nothing of this is known is compared by its categories.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use jiff::Timestamp;
use ndarray::{ArrayView1, ArrayView2};
use serde::Serialize;

use crate::entities::catalogue::Item;
use crate::entities::definition::DomainDefinition;
use crate::entities::eligibility::is_refused;
use crate::entities::ids::{DomainId, ItemId};
use crate::evidence::items::{DomainRows, Row};
use crate::maths::dense::dot;
use crate::model::content::StandIns;
use crate::model::segments::FEWEST_PEOPLE;
use crate::model::young_items::TEXT_IS_WORTH;
use crate::model::{Model, Sections};
use crate::serving::rules::eligible::Application;
use crate::serving::snapshot::{CatalogueEntry, CatalogueSnapshot};

/// From so many people on the text of an item that is asked for hardly moves it, and is not looked
/// at.
pub const ENOUGH_PEOPLE: f32 = 100.0;

/// An item that others are compared with.
#[derive(Debug, Clone)]
pub struct AskedItem<'a> {
    /// Its entry in the catalogue.
    pub entry: CatalogueEntry<'a>,
    /// The factors that its text lets expect ([`Sections::expected_factors`]), where they are
    /// known.
    pub expected: Option<Vec<f32>>,
    /// What its domain says, as of who may have offers; without it every offer counts as had.
    pub definition: Option<&'a DomainDefinition>,
}

/// What likeness was told by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum BasedOn {
    /// What the item's people did.
    Behaviour,
    /// The item's text.
    Text,
    /// Both.
    BehaviourAndText,
    /// The categories that items share.
    Categories,
    /// Nothing is known of the item by which others could be like it.
    Nothing,
}

/// An item that is like the one that was asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct SimilarItem {
    /// The item.
    pub item_id: ItemId,
    /// Its title.
    pub title: String,
    /// How alike they are, above 0 and at most 1.
    pub score: f32,
}

/// The items that are like one.
#[derive(Debug, Clone, PartialEq)]
pub struct SimilarItems {
    /// What they were told by.
    pub based_on: BasedOn,
    /// The most alike first.
    pub items: Vec<SimilarItem>,
}

/// A point among factors, and how many people's worth of evidence it rests on.
struct Placed {
    point: Vec<f32>,
    worth: f32,
}

/// What a model knows of the items of one domain.
struct KnownItems<'a> {
    sections: &'a Sections,
    rows: &'a DomainRows,
    factors: ArrayView2<'a, f32>,
    /// What popularity is a share of: people, each by their recency; 0 where a model of before does
    /// not tell.
    people: f32,
}

impl<'a> KnownItems<'a> {
    fn of(model: &'a Model, domain: &DomainId) -> Option<Self> {
        let sections = model.sections();
        let rows = sections.rows(domain)?;
        if sections.tables.by_popularity().contains(domain) {
            return None;
        }
        let factors = sections.tables.factors_of_target(rows)?;
        let people = sections.people.get(domain).and_then(|people| people.weight).unwrap_or(0.0);
        let people = people as f32;
        Some(Self { sections, rows, factors, people })
    }

    /// What all of them have in common.
    fn common(&self) -> Common {
        let popularity = self.sections.popularity.get(self.rows.range.clone());
        Common::of(self.factors, popularity.unwrap_or_default())
    }

    /// How many people took an item of late, as popularity counts them.
    fn who_took(&self, row: Row) -> f32 {
        self.sections.popularity(row) * self.people
    }

    fn factors(&self, row: Row) -> ArrayView1<'_, f32> {
        self.factors.row(row.index() - self.rows.range.start)
    }

    /// Where an item's people say that it is; `None` where there are none.
    fn by_people(&self, row: Row) -> Option<Placed> {
        let worth = self.who_took(row);
        (worth > 0.0).then(|| Placed { point: self.factors(row).to_vec(), worth })
    }

    /// Where those are that stand in for a new item.
    fn by_stand_ins(&self, stand_ins: &StandIns) -> Vec<f32> {
        let factors = 0..self.factors.ncols();
        factors.map(|at| stand_ins.sum(|row| self.factors(row)[at])).collect()
    }

    /// Where a candidate is.
    fn place(&self, entry: &CatalogueEntry<'_>) -> Option<Placed> {
        match entry.row {
            Some(row) => {
                let known = self.by_people(row);
                let Some(young) = self.sections.tables.young_items().get(row) else { return known };
                let text = self.by_stand_ins(&young.stand_ins);
                Some(match known {
                    Some(known) => known.and_text(&text),
                    None => Placed { point: text, worth: TEXT_IS_WORTH },
                })
            }
            None => {
                let point = self.by_stand_ins(entry.stand_ins?);
                Some(Placed { point, worth: TEXT_IS_WORTH })
            }
        }
    }

    /// Where the item that is asked for is, by its people and its text; `None` where neither
    /// tells.
    fn place_asked(&self, asked: &AskedItem<'_>) -> Option<(Placed, BasedOn)> {
        let known = asked.entry.row.and_then(|row| self.by_people(row));
        let known = known.filter(|known| known.worth >= FEWEST_PEOPLE as f32);
        let by_stand_ins = || asked.entry.stand_ins.map(|found| self.by_stand_ins(found));
        match (known, asked.expected.clone().or_else(by_stand_ins)) {
            (Some(known), Some(text)) => Some((known.and_text(&text), BasedOn::BehaviourAndText)),
            (Some(known), None) => Some((known, BasedOn::Behaviour)),
            (None, Some(point)) => Some((Placed { point, worth: TEXT_IS_WORTH }, BasedOn::Text)),
            (None, None) => None,
        }
    }
}

impl Placed {
    fn and_text(self, text: &[f32]) -> Self {
        let worth = self.worth + TEXT_IS_WORTH;
        let both = self.point.iter().zip(text);
        let point = both.map(|(f, t)| (self.worth * f + TEXT_IS_WORTH * t) / worth).collect();
        Self { point, worth }
    }
}

/// Whether the text of an item would tell something of what it is like: few people took it.
#[must_use]
pub fn asks_for_text(model: &Model, entry: &CatalogueEntry<'_>) -> bool {
    let known = KnownItems::of(model, &entry.item.domain).zip(entry.row);
    known.is_none_or(|(known, row)| known.who_took(row) < ENOUGH_PEOPLE)
}

/// The items of a catalogue that may be shown now and are like one of them, at most `limit`.
#[must_use]
pub fn similar(
    asked: &AskedItem<'_>,
    (snapshot, model): (&CatalogueSnapshot, Option<&Model>),
    now: Timestamp,
    limit: usize,
) -> SimilarItems {
    let AskedItem { entry: of, definition, .. } = asked;
    let known = model.and_then(|model| KnownItems::of(model, &of.item.domain));
    let known = known.as_ref();
    let placed = known.and_then(|known| {
        let (placed, based_on) = known.place_asked(asked)?;
        let common = known.common();
        let point = common.lessened(&placed.point);
        Some((known, Lessened { common, point }, based_on))
    });
    let categories = categories_of(of);
    let score = |entry: &CatalogueEntry<'_>| match &placed {
        Some((known, asked, _)) => asked.alike(&known.place(entry)?),
        None => shared(&categories, entry),
    };
    let cannot_be_had = |item: &Item| {
        let application = definition.map(|definition| Application::new(definition, None, now));
        application.and_then(|of| of.case(item)).is_some_and(|case| is_refused(&case))
    };
    let is_shown = |entry: &CatalogueEntry<'_>| {
        let item = entry.item;
        item.item_id != of.item.item_id && item.is_available(now) && !cannot_be_had(item)
    };
    let shown = snapshot.entries().map(|(_, entry)| entry).filter(is_shown);
    let scores = shown.filter_map(|entry| Some((score(&entry)?, entry)));
    let mut scores: Vec<Scored<'_>> = scores.filter(|(score, _)| *score > 0.0).collect();
    scores.sort_unstable_by(|one, other| order(known, one, other));
    scores.truncate(limit);
    let item = |(score, entry): Scored<'_>| SimilarItem {
        item_id: entry.item.item_id.clone(),
        title: entry.title().unwrap_or_default().to_owned(),
        score,
    };
    SimilarItems {
        based_on: match placed {
            Some((.., based_on)) => based_on,
            None if categories.is_empty() => BasedOn::Nothing,
            None => BasedOn::Categories,
        },
        items: scores.into_iter().map(item).collect(),
    }
}

type Scored<'a> = (f32, CatalogueEntry<'a>);

/// By score; of equals, which are many where categories are compared, what more people took, and
/// of those that nobody took the newest.
fn order(
    known: Option<&KnownItems<'_>>,
    (score, entry): &Scored<'_>,
    (other_score, other): &Scored<'_>,
) -> Ordering {
    let people = |entry: &CatalogueEntry<'_>| {
        known.zip(entry.row).map_or(0.0, |(known, row)| known.who_took(row))
    };
    let by_score = other_score.total_cmp(score);
    by_score
        .then_with(|| people(other).total_cmp(&people(entry)))
        .then_with(|| other.item.since().cmp(&entry.item.since()))
        .then_with(|| entry.item.item_id.cmp(&other.item.item_id))
}

/// The point of the item that is asked for, without more of what all have in common than is left.
struct Lessened {
    common: Common,
    point: Vec<f32>,
}

impl Lessened {
    /// How alike a candidate is, by how much its point rests on; `None` where either has no
    /// direction of its own.
    fn alike(&self, candidate: &Placed) -> Option<f32> {
        let other = self.common.lessened(&candidate.point);
        let lengths = dot(&self.point, &self.point) * dot(&other, &other);
        let cosine = dot(&self.point, &other) / lengths.sqrt();
        let trust = candidate.worth / (candidate.worth + TEXT_IS_WORTH);
        cosine.is_finite().then_some(cosine.min(1.0) * trust)
    }
}

/// What all items have in common.
struct Common {
    /// Of the mean item, with length 1; empty where there is none.
    direction: Vec<f32>,
    /// How much is left of it in each item, 0 to 1.
    left: f32,
}

impl Common {
    fn of(factors: ArrayView2<'_, f32>, popularity: &[f32]) -> Self {
        let sum = factors.t().dot(&ArrayView1::from(popularity)).to_vec();
        let length = dot(&sum, &sum).sqrt();
        let direction: Vec<f32> = sum.into_iter().map(|value| value / length).collect();
        if direction.iter().any(|value| !value.is_finite()) {
            return Self { direction: Vec::new(), left: 1.0 };
        }
        let (mut along, mut across) = (0.0, 0.0);
        for (factors, popularity) in factors.rows().into_iter().zip(popularity) {
            let of_item = factors.dot(&ArrayView1::from(&direction));
            along += popularity * of_item * of_item;
            across += popularity * (factors.dot(&factors) - of_item * of_item).max(0.0);
        }
        let left = (across / along).sqrt().min(1.0);
        Self { direction, left: if left.is_finite() { left } else { 1.0 } }
    }

    /// A point with no more of it than is left.
    fn lessened(&self, point: &[f32]) -> Vec<f32> {
        if self.direction.is_empty() {
            return point.to_vec();
        }
        let lost = (1.0 - self.left) * dot(point, &self.direction);
        point.iter().zip(&self.direction).map(|(value, common)| value - lost * common).collect()
    }
}

fn categories_of<'a>(entry: &CatalogueEntry<'a>) -> BTreeSet<&'a str> {
    let details = entry.item.details.iter();
    details.flat_map(|details| &details.categories).map(String::as_str).collect()
}

/// The share of categories that an item has in common with these, of all that either has (Jaccard,
/// 1912).
fn shared(asked: &BTreeSet<&str>, entry: &CatalogueEntry<'_>) -> Option<f32> {
    let categories = categories_of(entry);
    let (both, either) =
        (asked.intersection(&categories).count(), asked.union(&categories).count());
    (either > 0).then(|| both as f32 / either as f32)
}

#[cfg(test)]
mod tests;
