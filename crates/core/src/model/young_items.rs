//! Items that came lately and that few people took yet.
//!
//! What few people did says little of an item, and an item that came late was not there for most
//! of what people did: that they did not take it says nothing. So its scores lie between its own
//! and those of the known items that stand in for it, by its text, as they do while it is new
//! ([`super::content`]); young ones stand in for no other:
//!
//! ```text
//! own   = e + (1 - e) n / (n + k)                 k = 10
//! level = own + (1 - own) t / f                   t / f at least 1, at most 2
//! score = own * level * (its own score) + (1 - own) * (the weighted sum of the stand-ins' scores)
//! ```
//!
//! where `n` people took it, each counted by recency, `f` and `t` say how high its own scores and
//! those of its stand-ins are on the whole (what few people did tells whom it is for, not how good
//! it is), and `e` is its lifetime, the share of all that was done since it came
//! (`evidence::arrivals`): as in empirical Bayes, its text is worth `k` people as long as it was
//! hardly there, and nothing once it has been there all along. So an item that nobody wants is no
//! young one, where its platform says since when it is offered; of one of which that is not told,
//! the first event is taken for its coming. The sum is the same for all that a score is made of, so
//! an explanation stays exact.

use std::collections::BTreeMap;

use safetensors::SafeTensors;

use super::content::{DescribedDomain, MOST_STAND_INS, StandIns};
use super::tensors::{Tensor, finite, numbers};
use super::{ModelError, malformed};
use crate::entities::ids::DomainId;
use crate::evidence::items::{DomainRanges, ItemIndex, Row};

/// How many people who took an item its text is worth.
pub const TEXT_IS_WORTH: f32 = 10.0;
/// Most items of a domain that are young: of more, those of whom their own evidence says least.
pub const MOST_YOUNG: usize = 500;
/// From so much own evidence on an item is no longer young.
pub(crate) const GROWN_UP: f32 = 0.9;

/// Most that an item's own score is raised to the level of what its text lets expect. Where factors
/// hardly differ, that is all that there is; where they do, more would give one person too much say.
const MOST_RAISED: f32 = 2.0;

/// How much an item's own evidence counts, 0 to 1, that so many people took, counted by recency,
/// with this lifetime; nothing where nobody did, as with items that no model knows.
pub(crate) fn own_share(people: f32, lifetime: f32) -> f32 {
    if people <= 0.0 {
        return 0.0;
    }
    lifetime + (1.0 - lifetime) * people / (people + TEXT_IS_WORTH)
}

/// A young item.
#[derive(Debug, Clone, PartialEq)]
pub struct YoungItem {
    /// What its own score is multiplied by.
    pub own: f32,
    /// What the weighted sum of those that stand in for it is multiplied by, 0 to 1.
    pub by_text: f32,
    /// The known items that stand in for it.
    pub stand_ins: StandIns,
}

impl YoungItem {
    /// An item whose own evidence counts so much, 0 to 1, that scores so high on the whole where its
    /// text lets expect the other.
    pub(crate) fn new(own: f32, (level, expected): (f32, f32), stand_ins: StandIns) -> Self {
        let ratio = expected / level;
        let raised = if ratio.is_finite() { ratio.clamp(1.0, MOST_RAISED) } else { 1.0 };
        Self { own: own * (own + (1.0 - own) * raised), by_text: 1.0 - own, stand_ins }
    }
}

/// The young items of a model, by row.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct YoungItems(BTreeMap<Row, YoungItem>);

impl FromIterator<(Row, YoungItem)> for YoungItems {
    fn from_iter<I: IntoIterator<Item = (Row, YoungItem)>>(items: I) -> Self {
        Self(items.into_iter().collect())
    }
}

impl YoungItems {
    /// What stands in for an item, and how much; `None` where it is not young.
    #[must_use]
    pub fn get(&self, row: Row) -> Option<&YoungItem> {
        self.0.get(&row)
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Those of some rows.
    pub(crate) fn within(&self, rows: std::ops::Range<usize>) -> impl Iterator<Item = Row> {
        let (start, end) = (Row(rows.start as u32), Row(rows.end as u32));
        self.0.range(start..end).map(|(row, _)| *row)
    }

    /// What an item has of something, by what it and those that stand in for it have themselves.
    pub(crate) fn value(&self, row: Row, of: impl Fn(Row) -> f32) -> f32 {
        let Some(YoungItem { own, by_text, stand_ins }) = self.get(row) else { return of(row) };
        own * of(row) + by_text * stand_ins.sum(of)
    }

    /// The popularity by which an item is ranked, 0 to 1, where those that stand in for it tell that.
    pub(crate) fn popularity(&self, row: Row, of: impl Fn(Row) -> f32) -> f32 {
        match self.get(row).filter(|young| young.stand_ins.tell_popularity()) {
            Some(_) => self.value(row, of).clamp(0.0, 1.0),
            None => of(row),
        }
    }

    /// The same of what past items add to it, by past item.
    pub(crate) fn parts(&self, row: Row, of: impl Fn(Row) -> Vec<(Row, f32)>) -> Vec<(Row, f32)> {
        let Some(YoungItem { own, by_text, stand_ins }) = self.get(row) else { return of(row) };
        let mut sums: BTreeMap<Row, f32> = BTreeMap::new();
        let mut add = |parts: Vec<(Row, f32)>, share: f32| {
            parts
                .into_iter()
                .for_each(|(past, part)| *sums.entry(past).or_default() += share * part);
        };
        add(of(row), *own);
        add(stand_ins.sum_of_parts(of), *by_text);
        sums.into_iter().collect()
    }

    /// Whether every item, and all that stand in for it, are of one domain.
    pub(crate) fn fit(&self, ranges: &DomainRanges) -> bool {
        self.0.iter().all(|(row, item)| {
            let of_item = ranges.values().find(|rows| rows.contains(*row));
            (0.0..=MOST_RAISED).contains(&item.own)
                && (0.0..=1.0).contains(&item.by_text)
                && of_item.is_some_and(|rows| item.stand_ins.rows().all(|row| rows.contains(row)))
        })
    }
}

const ITEMS: &str = "young_items";
const OWN: &str = "young_own";
const BY_TEXT: &str = "young_by_text";
const ENDS: &str = "young_ends";
const STAND_INS: &str = "young_stand_ins";
const WEIGHTS: &str = "young_weights";

/// The tensors; none without young items.
pub(crate) fn write(young: &YoungItems) -> Vec<Tensor> {
    if young.is_empty() {
        return Vec::new();
    }
    let (mut rows, mut ends) = (Vec::new(), Vec::new());
    let (mut own, mut by_text) = (Vec::new(), Vec::new());
    let (mut stand_ins, mut weights) = (Vec::new(), Vec::new());
    for (row, item) in &young.0 {
        rows.push(row.0);
        own.push(item.own);
        by_text.push(item.by_text);
        for (row, weight) in item.stand_ins.weights() {
            stand_ins.push(row.0);
            weights.push(*weight);
        }
        ends.push(stand_ins.len() as u32);
    }
    vec![
        Tensor::numbers(ITEMS, vec![rows.len()], &rows),
        Tensor::floats(OWN, vec![own.len()], &own),
        Tensor::floats(BY_TEXT, vec![by_text.len()], &by_text),
        Tensor::numbers(ENDS, vec![ends.len()], &ends),
        Tensor::numbers(STAND_INS, vec![stand_ins.len()], &stand_ins),
        Tensor::floats(WEIGHTS, vec![weights.len()], &weights),
    ]
}

/// Reads as many as the domains with texts are said to have, in a model of these items.
pub(crate) fn read(
    described: &[DescribedDomain],
    tensors: &SafeTensors<'_>,
    index: &ItemIndex,
) -> Result<YoungItems, ModelError> {
    let count = described.iter().map(|of| of.young_items).fold(0, usize::saturating_add);
    if count == 0 {
        return Ok(YoungItems::default());
    }
    let rows = numbers(tensors, ITEMS, &[count])?;
    let (own, by_text) = (finite(tensors, OWN, &[count])?, finite(tensors, BY_TEXT, &[count])?);
    let ends = numbers(tensors, ENDS, &[count])?;
    let last = ends.last().map_or(0, |end| *end as usize);
    let stand_ins = numbers(tensors, STAND_INS, &[last])?;
    let weights = finite(tensors, WEIGHTS, &[last])?;
    if !rows.is_sorted_by(|a, b| a < b) {
        return Err(malformed("young items are not in order, or stand twice"));
    }
    let of_rows: BTreeMap<&DomainId, &DescribedDomain> =
        described.iter().map(|of| (&of.domain, of)).collect();
    let mut counts: BTreeMap<&DomainId, usize> = BTreeMap::new();
    let (mut young, mut start) = (BTreeMap::new(), 0);
    for (((row, own), by_text), end) in rows.into_iter().zip(own).zip(by_text).zip(ends) {
        let (row, end) = (Row(row), end as usize);
        let of_item = stand_ins.get(start..end).zip(weights.get(start..end));
        let (rows, weights) = of_item
            .filter(|(rows, _)| rows.len() <= MOST_STAND_INS)
            .ok_or_else(|| malformed("stand-ins of young items are cut wrongly"))?;
        let domain = index.item(row).and_then(|(domain, _)| of_rows.get(domain));
        let domain = domain.ok_or_else(|| malformed("a young item is of no domain with texts"))?;
        *counts.entry(&domain.domain).or_default() += 1;
        let weights = rows.iter().map(|row| Row(*row)).zip(weights.iter().copied()).collect();
        let stand_ins = StandIns::new(weights, domain.by_popularity);
        young.insert(row, YoungItem { own, by_text, stand_ins });
        start = end;
    }
    let is_as_told = |of: &DescribedDomain| {
        of.young_items <= MOST_YOUNG
            && of.young_items == counts.get(&of.domain).copied().unwrap_or(0)
    };
    if !described.iter().all(is_as_told) {
        return Err(malformed("a domain has another number of young items, or too many"));
    }
    Ok(YoungItems(young))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::item_vectors::VectorSource;
    use crate::model::tensors::serialise;
    use crossfold_testing::item_key;
    use proptest::prelude::*;

    fn young(own: f32) -> YoungItems {
        let weights = vec![(Row(0), 0.75), (Row(1), 0.5)];
        let stand_ins = StandIns::new(weights, true);
        [(Row(2), YoungItem { own, by_text: 1.0 - own, stand_ins })].into_iter().collect()
    }

    #[test]
    fn own_evidence_counts_by_people_and_by_how_long_an_item_was_there() {
        assert_eq!(own_share(0.0, 0.0), 0.0);
        assert_eq!(own_share(10.0, 0.0), 0.5);
        assert_eq!(own_share(1.0, 1.0), 1.0);
        assert_eq!(own_share(0.0, 1.0), 0.0);
        assert_eq!(own_share(10.0, 0.5), 0.75);
    }

    #[test]
    fn what_little_is_known_of_an_item_tells_whom_it_is_for_and_not_how_good_it_is() {
        let of =
            |own: f32, length: f32| YoungItem::new(own, (length, 1.0), StandIns::new(vec![], true));
        // Somewhat lower: raised to the level of the text, in as far as it is young.
        assert_eq!(of(0.0, 0.8).own, 0.0);
        assert!((of(0.5, 0.8).own - 0.5 * (0.5 + 0.5 * 1.25)).abs() < 1e-5);
        assert_eq!(of(0.5, 0.001).own, 0.5 * (0.5 + 0.5 * MOST_RAISED));
        assert_eq!((of(0.5, 2.0).own, of(0.5, 0.0).own), (0.5, 0.5));
        assert_eq!((of(1.0, 0.1).own, of(1.0, 0.1).by_text), (1.0, 0.0));
    }

    #[test]
    fn an_item_that_is_not_young_has_what_it_has() {
        let of = |row: Row| row.0 as f32 + 1.0;
        assert_eq!(young(0.25).value(Row(1), of), 2.0);
        assert_eq!(young(0.25).value(Row(2), of), 0.25 * 3.0 + 0.75 * (0.75 + 0.5 * 2.0));
        assert_eq!(young(1.0).value(Row(2), of), 3.0);
    }

    fn index() -> ItemIndex {
        let keys = [("a", "1"), ("a", "2"), ("a", "3"), ("b", "1")];
        ItemIndex::new(keys.map(|(domain, id)| item_key(domain, id)).into())
    }

    fn described(domain: &str, young_items: usize) -> DescribedDomain {
        DescribedDomain {
            domain: crossfold_testing::domain(domain),
            encoder: VectorSource::default(),
            dimensions: 1,
            holds_encoder: false,
            by_popularity: true,
            young_items,
            reconstruction: Default::default(),
        }
    }

    fn read_back(
        young: &YoungItems,
        described: &[DescribedDomain],
    ) -> Result<YoungItems, ModelError> {
        let blob = serialise(&write(young)).unwrap();
        read(described, &SafeTensors::deserialize(&blob).unwrap(), &index())
    }

    #[test]
    fn young_items_that_are_not_as_the_manifest_tells_are_refused() {
        let written = young(0.5);
        assert_eq!(read_back(&written, &[described("a", 1)]).unwrap(), written);
        assert!(read_back(&written, &[described("a", 0)]).unwrap().is_empty());
        assert!(read_back(&written, &[described("a", 2)]).is_err());
        assert!(read_back(&written, &[described("b", 1)]).is_err(), "of no domain with texts");
        assert!(read_back(&written, &[described("a", 0), described("b", 1)]).is_err());
        let of = |own: f32, row: u32, stand_ins: usize| -> YoungItems {
            let weights = vec![(Row(0), 0.5); stand_ins];
            let stand_ins = StandIns::new(weights, true);
            let young = YoungItem { own, by_text: 0.5, stand_ins };
            [(Row(row), young)].into_iter().collect()
        };
        let one = [described("a", 1)];
        assert!(read_back(&of(0.5, 2, MOST_STAND_INS), &one).is_ok());
        assert!(read_back(&of(0.5, 2, MOST_STAND_INS + 1), &one).is_err());
        assert!(read_back(&of(0.5, 4, 1), &one).is_err(), "no such row");
        assert!(read_back(&of(f32::NAN, 2, 1), &one).is_err());
    }

    proptest! {
        #[test]
        fn parts_sum_up_to_the_value(own in 0.0f32..1.0, parts in prop::collection::vec(-1.0f32..1.0, 9)) {
            let parts_of = |row: Row| -> Vec<(Row, f32)> {
                (0..3).map(|past| (Row(past), parts[row.index() * 3 + past as usize])).collect()
            };
            let whole = |row: Row| -> f32 { parts_of(row).iter().map(|(_, part)| part).sum() };
            for row in (0..3).map(Row) {
                let sum: f32 = young(own).parts(row, parts_of).iter().map(|(_, part)| part).sum();
                prop_assert!((sum - young(own).value(row, whole)).abs() < 1e-5);
            }
        }
    }
}
