//! The likeness of texts as a candidate: between which items, and how much popularity adds.
//!
//! Items are compared where an encoder puts their texts. What all items of a domain share, as that
//! they are courses, tells nothing of a taste: each domain's mean is taken off before cosines are
//! taken. Of each source item the target items that are most alike are kept. Weights are in units
//! of the root of the mean square of what is kept over all pairs, and popularity (the logarithm of how many people took
//! an item) in units of its own spread, so that one number says how they share.
//!
//! No person is behind the weights. With nobody who has both domains popularity takes as much
//! part as the texts of one liked item (`PRIOR`); where there are people enough, what is best
//! for them is chosen as every kind's settings are.

use std::collections::BTreeMap;
use std::sync::Arc;

use ndarray::{Array2, ArrayView2, Axis};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::entities::ids::DomainId;
use crate::evidence::item_vectors::ItemVectors;
use crate::evidence::items::{DomainRows, ItemIndex, LocalRow};
use crate::maths::rank::top_k;
use crate::maths::sparse::SparseRows;
use crate::model::ModelError;
use crate::model::bridges::text::TextLikeness;
use crate::model::bridges::{Carrier, Direction};
use crate::model::sparse_tables::cut;
use crate::training::bridging::candidates::{Candidate, Needs};

/// How much popularity adds, in units of what the texts of one liked item add.
const POPULARITY: [f32; 4] = [0.0, 0.5, 1.0, 2.0];
/// What is served where nothing can be measured.
pub(crate) const PRIOR: f32 = 1.0;
/// Target items that are kept for each source item: 400 bytes.
const NEAREST: usize = 50;
/// Most pairs of items that are compared, in all: some 50 billion operations at 512 values each,
/// a few seconds.
const MOST_PAIRS: usize = 100_000_000;
/// Most weights in all, a place of a table counted as one: some 16 MB.
const MOST_WEIGHTS: usize = 2_000_000;
/// Most texts in all, each counted for every pair that it is in, since an encoder may be fitted to a
/// pair's texts: some minutes.
const MOST_TEXTS: usize = 100_000;
/// How far scores spread, about as those of a fold-in do.
const SPREAD: f32 = 0.1;
/// Source items that are compared at once.
const BATCH: usize = 64;

/// It needs no fit.
pub(super) const NEEDS: Needs = Needs { joint: false, people: false };

/// The settings that are tried.
pub(super) fn candidates() -> impl Iterator<Item = Candidate> {
    POPULARITY.into_iter().map(|popularity| Candidate::Text { popularity })
}

/// How alike items of different domains are by their texts: for each direction a table of source
/// items x target items.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Vec<StoredLikeness>", into = "Vec<StoredLikeness>")]
pub struct TextLikenesses(BTreeMap<Direction, Arc<SparseRows>>);

/// A table as the outline of a run has it.
#[derive(Clone, Serialize, Deserialize)]
struct StoredLikeness {
    #[serde(flatten)]
    direction: Direction,
    target_items: usize,
    ends: Vec<u32>,
    items: Vec<u32>,
    weights: Vec<f32>,
}

impl TryFrom<Vec<StoredLikeness>> for TextLikenesses {
    type Error = ModelError;

    fn try_from(all: Vec<StoredLikeness>) -> Result<Self, ModelError> {
        let read = |stored: StoredLikeness| {
            let StoredLikeness { direction, target_items, ends, items, weights } = stored;
            Ok((direction, Arc::new(cut(&ends, &items, &weights, target_items)?)))
        };
        all.into_iter().map(read).collect::<Result<_, _>>().map(Self)
    }
}

impl From<TextLikenesses> for Vec<StoredLikeness> {
    fn from(TextLikenesses(tables): TextLikenesses) -> Self {
        let stored = |(direction, table): (Direction, Arc<SparseRows>)| {
            let rows = || (0..table.rows()).map(|row| table.row(row));
            let end = |end: &mut u32, (items, _): (&[u32], &[f32])| {
                *end += items.len() as u32;
                Some(*end)
            };
            StoredLikeness {
                direction,
                target_items: table.columns(),
                ends: rows().scan(0, end).collect(),
                items: rows().flat_map(|(items, _)| items.to_vec()).collect(),
                weights: rows().flat_map(|(_, weights)| weights.to_vec()).collect(),
            }
        };
        tables.into_iter().map(stored).collect()
    }
}

impl TextLikenesses {
    /// Compares the items of every two of these domains, each with how many texts it has, by the
    /// vectors that `of_pair` makes of both. Pairs of domains with fewer pairs of items come first;
    /// of those for which there is no room there is nothing, so that what is there of a pair is
    /// what would be there without the others.
    #[must_use]
    pub fn between(
        index: &ItemIndex,
        texts: &BTreeMap<DomainId, usize>,
        of_pair: impl Fn(&DomainId, &DomainId) -> Option<ItemVectors>,
    ) -> Self {
        let all = || texts.iter().enumerate();
        let mut pairs: Vec<[(&DomainId, &usize); 2]> = all()
            .flat_map(|(at, one)| all().skip(at + 1).map(move |(_, other)| [one, other]))
            .collect();
        pairs.sort_by_key(|[(_, one), (_, other)]| **one * **other);
        let mut left = (MOST_PAIRS, MOST_WEIGHTS, MOST_TEXTS);
        let mut tables = BTreeMap::new();
        for [(one, of_one), (other, of_other)] in pairs {
            let weights = of_one * NEAREST.min(*of_other) + of_other * NEAREST.min(*of_one);
            // Both tables have a place for every item of both, whether it has a text or not.
            let items = |domain| index.ranges().get(domain).map_or(0, DomainRows::len);
            let weights = weights + 2 * (items(one) + items(other));
            let needed = (2 * of_one * of_other, weights, of_one + of_other);
            if needed.0 > left.0 || needed.1 > left.1 || needed.2 > left.2 {
                break;
            }
            left = (left.0 - needed.0, left.1 - needed.1, left.2 - needed.2);
            let Some(vectors) = of_pair(one, other) else { continue };
            let described = |domain| Described::of(index.ranges().get(domain)?, &vectors, index);
            let Some((one, other)) = described(one).zip(described(other)) else { continue };
            for (from, to) in [(&one, &other), (&other, &one)] {
                let direction =
                    Direction { from: from.rows.domain.clone(), to: to.rows.domain.clone() };
                tables.extend(from.like(to).map(|table| (direction, Arc::new(table))));
            }
        }
        Self(tables)
    }

    /// The directions that there are tables of.
    pub fn directions(&self) -> impl Iterator<Item = &Direction> {
        self.0.keys()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Only those of some directions.
    #[must_use]
    pub fn only(mut self, is_wanted: impl Fn(&Direction) -> bool) -> Self {
        self.0.retain(|direction, _| is_wanted(direction));
        self
    }

    /// What is served in a direction where nothing can be measured, for target items that are so
    /// popular.
    pub(crate) fn prior(&self, direction: &Direction, popularity: &[f32]) -> Option<TextLikeness> {
        let weights = self.0.get(direction).filter(|of| of.columns() == popularity.len())?;
        Some(TextSums { weights, popularity: spread_out(popularity) }.likeness(PRIOR))
    }
}

/// The items of a domain with vectors of length 1, the domain's mean taken off.
struct Described<'a> {
    rows: &'a DomainRows,
    items: Vec<LocalRow>,
    vectors: Array2<f32>,
}

impl<'a> Described<'a> {
    /// `None` when no two items differ.
    fn of(rows: &'a DomainRows, vectors: &ItemVectors, index: &ItemIndex) -> Option<Self> {
        let vector = |item: LocalRow| vectors.of(index.item(rows.row(item))?);
        let all = (0..rows.len() as u32).map(LocalRow);
        let (items, found): (Vec<LocalRow>, Vec<_>) =
            all.filter_map(|item| Some((item, vector(item)?))).unzip();
        let mut table = Array2::zeros((items.len(), vectors.dimensions()));
        table.axis_iter_mut(Axis(0)).zip(found).for_each(|(mut row, vector)| row.assign(&vector));
        let mean = table.mean_axis(Axis(0))?;
        table -= &mean;
        let mut differing = Vec::with_capacity(items.len());
        for (at, mut row) in table.axis_iter_mut(Axis(0)).enumerate() {
            let length = row.dot(&row).sqrt();
            if length > f32::EPSILON && length.is_finite() {
                row /= length;
                differing.push(at);
            }
        }
        let vectors = table.select(Axis(0), &differing);
        let items: Vec<LocalRow> = differing.into_iter().map(|at| items[at]).collect();
        (!items.is_empty()).then_some(Self { rows, items, vectors })
    }

    /// How alike items of the target are to these; `None` when none is.
    fn like(&self, target: &Self) -> Option<SparseRows> {
        let batches: Vec<ArrayView2<'_, f32>> =
            self.vectors.axis_chunks_iter(Axis(0), BATCH).collect();
        let nearest = |batch: ArrayView2<'_, f32>| -> Vec<Vec<(u32, f32)>> {
            let cosines = batch.dot(&target.vectors.t());
            cosines.rows().into_iter().map(|row| target.nearest(&row.to_vec())).collect()
        };
        let found: Vec<Vec<(u32, f32)>> = batches.into_par_iter().flat_map(nearest).collect();
        let squares: f64 =
            found.iter().flatten().map(|(_, cosine)| f64::from(*cosine).powi(2)).sum();
        let unit = (squares / (self.items.len() * target.items.len()) as f64).sqrt() as f32;
        if !(unit > 0.0 && unit.is_finite()) {
            return None;
        }
        let mut rows = vec![Vec::new(); self.rows.len()];
        for (item, mut weights) in self.items.iter().zip(found) {
            weights.iter_mut().for_each(|(_, cosine)| *cosine *= SPREAD / unit);
            rows[item.index()] = weights;
        }
        Some(SparseRows::from_rows(target.rows.len(), rows))
    }

    /// The items with the greatest cosines above 0, ascending.
    fn nearest(&self, cosines: &[f32]) -> Vec<(u32, f32)> {
        let nearest = top_k(cosines, NEAREST).into_iter();
        let mut nearest: Vec<(u32, f32)> = nearest
            .map(|at| (self.items[at as usize].0, cosines[at as usize]))
            .filter(|(_, cosine)| *cosine > 0.0)
            .collect();
        nearest.sort_unstable_by_key(|(item, _)| *item);
        nearest
    }
}

/// What the candidates of one direction are made from.
pub struct TextSums<'a> {
    weights: &'a SparseRows,
    /// Of each target item, in units of its spread.
    popularity: Vec<f32>,
}

impl<'a> TextSums<'a> {
    /// Of a direction whose target has these rows, by how many people of a matrix have each
    /// item. `None` where no texts are alike.
    #[must_use]
    pub fn of(
        (direction, target): (&Direction, &DomainRows),
        likenesses: Option<&'a TextLikenesses>,
        matrix: &SparseRows,
    ) -> Option<Self> {
        let weights = likenesses?.0.get(direction)?;
        let counts = matrix.column_counts();
        let counts: Vec<f32> =
            counts[target.range.clone()].iter().map(|count| *count as f32).collect();
        Some(Self { weights, popularity: spread_out(&counts) })
    }

    /// With so much popularity.
    pub(super) fn carrier(&self, popularity: f32) -> Carrier {
        Carrier::Text(Arc::new(self.likeness(popularity)))
    }

    fn likeness(&self, popularity: f32) -> TextLikeness {
        let of_item = |units: &f32| units * popularity * SPREAD;
        TextLikeness::new(self.weights.clone(), self.popularity.iter().map(of_item).collect())
    }
}

/// Least spread of logarithms that is a unit: of items about as popular as each other, differences
/// by chance are not made large.
const LEAST_SPREAD: f32 = 0.1;

/// The logarithm of each over the mean, less the mean of these, in units of their spread.
fn spread_out(popularity: &[f32]) -> Vec<f32> {
    let count = popularity.len().max(1) as f32;
    let mean = popularity.iter().sum::<f32>() / count;
    let logarithm = |value: &f32| if mean > 0.0 { (value / mean).ln_1p() } else { 0.0 };
    let mut units: Vec<f32> = popularity.iter().map(logarithm).collect();
    let middle = units.iter().sum::<f32>() / count;
    units.iter_mut().for_each(|value| *value -= middle);
    let spread = (units.iter().map(|value| value * value).sum::<f32>() / count).sqrt();
    let factor = if spread.is_finite() { 1.0 / spread.max(LEAST_SPREAD) } else { 0.0 };
    units.iter_mut().for_each(|value| *value *= factor);
    units
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::evidence::item_vectors::VectorSource;
    use crate::evidence::items::ItemKey;
    use crate::model::bridges::BridgeKind;
    use crate::training::bridging::trial::tests::direction;
    use crossfold_testing::{domain, item_key};

    /// Items `0`.. of each domain whose vectors are these; `None`: an item without one.
    fn compared(domains: &[(&str, &[Option<[f32; 3]>])]) -> (ItemIndex, TextLikenesses) {
        let of_domain = |(name, all): &(&str, &[Option<[f32; 3]>])| -> Vec<_> {
            let key = |at: usize| item_key(name, &at.to_string());
            all.iter().enumerate().map(|(at, vector)| (key(at), *vector)).collect()
        };
        let all: BTreeMap<ItemKey, Option<[f32; 3]>> = domains.iter().flat_map(of_domain).collect();
        let index = ItemIndex::new(all.keys().cloned().collect::<BTreeSet<_>>());
        let known: Vec<(&ItemKey, [f32; 3])> =
            all.iter().filter_map(|(key, vector)| Some((key, (*vector)?))).collect();
        let table = Array2::from_shape_fn((known.len(), 3), |(item, value)| known[item].1[value]);
        let keys = known.iter().map(|(key, _)| (*key).clone());
        let vectors = ItemVectors::new(VectorSource::default(), keys, table).unwrap();
        let texts = domains.iter().map(|(name, all)| (domain(name), all.len())).collect();
        let likenesses = TextLikenesses::between(&index, &texts, |_, _| Some(vectors.clone()));
        (index, likenesses)
    }

    const CAR: Option<[f32; 3]> = Some([1.0, 0.0, 0.2]);
    const PIANO: Option<[f32; 3]> = Some([0.0, 1.0, 0.2]);
    /// The same with what all items of another domain share.
    const CAR_LOAN: Option<[f32; 3]> = Some([1.0, 0.0, 5.0]);
    const PIANO_LOAN: Option<[f32; 3]> = Some([0.0, 1.0, 5.0]);

    #[test]
    fn items_are_like_those_of_their_subject_whatever_else_their_domain_is_about() {
        let (_, found) =
            compared(&[("a", &[CAR, PIANO, None]), ("b", &[PIANO_LOAN, CAR_LOAN, None])]);
        let table = &found.0[&direction("a", "b")];
        assert_eq!((table.rows(), table.columns()), (3, 3));
        let like = |row: usize| table.row(row).0.to_vec();
        assert_eq!([like(0), like(1), like(2)], [vec![1], vec![0], vec![]]);
        assert!(found.0.contains_key(&direction("b", "a")));
    }

    #[test]
    fn where_texts_tell_no_items_apart_nothing_is_like_anything() {
        for alike in [&[CAR, CAR][..], &[CAR], &[None, None], &[]] {
            let (_, found) = compared(&[("a", alike), ("b", &[PIANO_LOAN, CAR_LOAN])]);
            assert!(found.is_empty(), "{alike:?}");
        }
    }

    #[test]
    fn what_is_found_of_two_domains_is_what_would_be_found_without_the_others() {
        let two: [(&str, &[Option<[f32; 3]>]); 2] =
            [("a", &[CAR, PIANO]), ("b", &[PIANO_LOAN, CAR_LOAN])];
        let (_, alone) = compared(&two);
        let three = [two[0], two[1], ("c", &[CAR, CAR_LOAN, PIANO])];
        let (_, among) = compared(&three);
        assert_eq!(among.directions().count(), 6);
        let of_two = |direction: &Direction| {
            [&direction.from, &direction.to].iter().all(|domain| domain.as_str() != "c")
        };
        assert_eq!(among.only(of_two), alone);
    }

    #[test]
    fn of_pairs_for_which_there_is_no_room_there_is_nothing() {
        let (index, _) =
            compared(&[("a", &[CAR, PIANO]), ("b", &[PIANO_LOAN, CAR_LOAN]), ("c", &[CAR, PIANO])]);
        let (few, many) = (2, MOST_TEXTS);
        let texts = [(domain("a"), few), (domain("b"), few), (domain("c"), many)].into();
        let asked = std::cell::RefCell::new(Vec::new());
        let none = TextLikenesses::between(&index, &texts, |one, other| {
            asked.borrow_mut().push((one.clone(), other.clone()));
            None
        });
        assert!(none.is_empty());
        assert_eq!(asked.into_inner(), [(domain("a"), domain("b"))]);
    }

    #[test]
    fn popularity_adds_what_was_chosen_in_units_of_its_spread() {
        let (index, found) = compared(&[("a", &[CAR, PIANO]), ("b", &[PIANO_LOAN, CAR_LOAN])]);
        let matrix = SparseRows::from_rows(4, [vec![(0, 1.0), (2, 1.0)], vec![(2, 1.0)]]);
        let at = direction("a", "b");
        let target = &index.ranges()[&at.to];
        let sums = || TextSums::of((&at, target), Some(&found), &matrix).unwrap();
        assert_eq!(sums().popularity, [1.0, -1.0]);
        let mut sources = crate::training::bridging::candidates::FitSources {
            text: Some(sums()),
            ..Default::default()
        };
        let carrier = Candidate::Text { popularity: 0.5 }.fit(&mut sources).unwrap();
        assert_eq!(carrier.kind(), BridgeKind::Text);
        let expected = TextLikeness::new(sums().weights.clone(), vec![0.05, -0.05]);
        assert_eq!(carrier, Carrier::Text(Arc::new(expected)));
        assert!(TextSums::of((&at, target), None, &matrix).is_none());
        let prior = found.prior(&at, &[0.9, 0.9]).unwrap();
        assert_eq!(prior, TextLikeness::new(sums().weights.clone(), vec![0.0, 0.0]));
        assert!(found.prior(&at, &[0.9]).is_none());
    }

    #[test]
    fn popularity_of_anything_is_a_number() {
        for popularity in [&[][..], &[0.0, 0.0], &[3.0], &[0.0, f32::MAX], &[1e-30, 2e-30]] {
            assert!(spread_out(popularity).iter().all(|units| units.is_finite()), "{popularity:?}");
        }
    }
}
