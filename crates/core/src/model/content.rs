//! What an item's own text says of who will like it, for items that the model does not know.
//!
//! A ridge ([`crate::maths::weighted_ridge`]) maps the vector that an encoder makes of a text to
//! the factors that an item of such a text is expected to have, and to its expected popularity. A
//! score is made of more than factors, so the expected ones are not scored by themselves: known
//! items *stand in* for the new one, with weights, 1 in all, whose sum of factors and popularities comes as
//! near to the expected ones as a slight ridge lets it (Roweis and Saul, "Nonlinear dimensionality
//! reduction by locally linear embedding", 2000, reconstruct points from their neighbours so).
//! Whatever scores the known items, the score of the new one is the same weighted sum of theirs,
//! and so is what each past item of a person adds to it: an explanation stays exact.

use std::collections::BTreeMap;

use bytes::Bytes;
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis, s};
use safetensors::SafeTensors;
use serde::{Deserialize, Serialize};

use super::tensors::{Tensor, bytes_of, finite, table};
use super::{ModelError, malformed};
use crate::entities::ids::DomainId;
use crate::evidence::item_vectors::VectorSource;
use crate::evidence::items::{DomainRows, ItemIndex, LocalRow, Row};
use crate::maths::dense::{cholesky_despite_rounding, cholesky_solve, dot, gram};
use crate::maths::weighted_ridge::WeightedRidge;

/// Most known items that stand in for one.
pub const MOST_STAND_INS: usize = 64;
/// Longest vectors that are learned from and read: the time of a fit grows with their cube, the
/// model with their number.
pub const MOST_DIMENSIONS: usize = 1_024;
/// Most bytes of an encoder that is kept with a model.
pub const MOST_ARTEFACT_BYTES: usize = 16 * 1024 * 1024;
/// What keeps the weights of stand-ins small, as a share of the mean of their squares.
const RECONSTRUCTION_RIDGE: f32 = 0.01;

/// What maps texts to factors, by domain: those whose new items are ranked by their text. Each has
/// an encoder of its own name, so that one which is fitted to texts is fitted to the domain's
/// alone: whose words it knows would tell of other platforms' catalogues.
pub type Content = BTreeMap<DomainId, DomainContent>;

/// How those are weighed that stand in for a new item.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reconstruction {
    /// From no weight for any, as in models of before: a new item then scores a little less than all
    /// that are like it, which is much where scores hardly differ.
    #[default]
    FromNothing,
    /// From the same weight for all, 1 in all.
    FromAll,
}

impl Reconstruction {
    fn is_of_before(&self) -> bool {
        *self == Self::default()
    }
}

/// The map of one domain.
#[derive(Debug, Clone, PartialEq)]
pub struct DomainContent {
    /// What made the vectors, and is to make those of new items.
    pub source: VectorSource,
    /// That encoder itself, where it was fitted to the catalogue and is installed nowhere.
    pub artefact: Option<Bytes>,
    /// From a vector to factors and popularity.
    pub map: WeightedRidge,
    /// Whether its popularity is served as well: to people of whom nothing is known.
    pub by_popularity: bool,
    /// How those are weighed that stand in for new items: as they were when the map was judged.
    pub reconstruction: Reconstruction,
}

/// Known items that stand in for a new one.
#[derive(Debug, Clone, PartialEq)]
pub struct StandIns {
    weights: Vec<(Row, f32)>,
    by_popularity: bool,
}

impl StandIns {
    pub(crate) fn new(weights: Vec<(Row, f32)>, by_popularity: bool) -> Self {
        Self { weights, by_popularity }
    }

    pub(crate) fn weights(&self) -> &[(Row, f32)] {
        &self.weights
    }

    pub(crate) fn rows(&self) -> impl Iterator<Item = Row> {
        self.weights.iter().map(|(row, _)| *row)
    }

    /// The weighted sum of what known items have.
    pub fn sum(&self, of: impl Fn(Row) -> f32) -> f32 {
        self.weights.iter().map(|(row, weight)| weight * of(*row)).sum()
    }

    /// The weighted sum of what past items add to the known ones, by past item.
    pub fn sum_of_parts(&self, of: impl Fn(Row) -> Vec<(Row, f32)>) -> Vec<(Row, f32)> {
        let mut sums: BTreeMap<Row, f32> = BTreeMap::new();
        for (row, weight) in &self.weights {
            for (past, amount) in of(*row) {
                *sums.entry(past).or_default() += weight * amount;
            }
        }
        sums.into_iter().collect()
    }

    /// The one that counts most.
    #[must_use]
    pub fn first(&self) -> Option<Row> {
        let most = self.weights.iter().max_by(|a, b| a.1.total_cmp(&b.1));
        most.filter(|(_, weight)| *weight > 0.0).map(|(row, _)| *row)
    }

    /// Whether they tell how popular the new item will be, to people of whom nothing is known.
    #[must_use]
    pub fn tell_popularity(&self) -> bool {
        self.by_popularity
    }
}

/// The known items of a domain, as stand-ins are looked for among them.
pub(crate) struct KnownItems {
    /// Items x (factors and popularity), the latter in the unit of factors.
    pub(crate) targets: Array2<f32>,
    lengths: Vec<f32>,
    /// Those that may stand in for others.
    candidates: Vec<usize>,
    /// The sum of their factors, each by its popularity.
    mean_item: Vec<f32>,
    reconstruction: Reconstruction,
}

impl KnownItems {
    /// Of items with these factors (items x factors) that are so popular.
    pub(crate) fn new(factors: ArrayView2<'_, f32>, popularity: &[f32]) -> Self {
        let squares = |values: &mut dyn Iterator<Item = f32>| -> f32 {
            values.map(|value| value * value).sum()
        };
        let of_factors = squares(&mut factors.iter().copied()) / factors.len().max(1) as f32;
        let of_popularity =
            squares(&mut popularity.iter().copied()) / popularity.len().max(1) as f32;
        let unit = (of_factors / of_popularity).sqrt();
        let unit = if unit.is_finite() { unit } else { 0.0 };
        let mut targets = Array2::zeros((factors.nrows(), factors.ncols() + 1));
        let rows = targets.axis_iter_mut(Axis(0)).zip(factors.rows()).zip(popularity);
        for ((mut target, factors), popularity) in rows {
            target.iter_mut().zip(factors).for_each(|(target, factor)| *target = *factor);
            if let Some(last) = target.last_mut() {
                *last = unit * popularity;
            }
        }
        let length = |row: ArrayView1<'_, f32>| row.dot(&row).sqrt();
        let lengths = targets.rows().into_iter().map(length).collect();
        let candidates = (0..targets.nrows()).collect();
        let reconstruction = Reconstruction::FromAll;
        let mean_item = factors.t().dot(&ArrayView1::from(popularity)).to_vec();
        Self { targets, lengths, candidates, mean_item, reconstruction }
    }

    /// The same, weighed so.
    pub(crate) fn reconstructing(self, reconstruction: Reconstruction) -> Self {
        Self { reconstruction, ..self }
    }

    /// The same, of which some stand in for no other.
    pub(crate) fn without(mut self, is_left_out: impl Fn(LocalRow) -> bool) -> Self {
        self.candidates.retain(|at| !is_left_out(LocalRow(*at as u32)));
        self
    }

    /// How high an item's scores are on the whole, and those of a sum over items that takes what an
    /// item has: along the mean item (of those that people took), as a mean person scores them;
    /// where either is not above 0 there, by their length.
    pub(crate) fn levels_of(
        &self,
        item: usize,
        sum: impl Fn(&dyn Fn(usize) -> f32) -> f32,
    ) -> (f32, f32) {
        let factors = 0..self.mean_item.len();
        let summed: Vec<f32> = factors.map(|at| sum(&|item| self.targets[[item, at]])).collect();
        let own = self.targets.slice(s![item, ..summed.len()]).to_vec();
        let along = [&own, &summed].map(|factors| dot(factors, &self.mean_item));
        match along {
            [own, summed] if own > 0.0 && summed > 0.0 => (own, summed),
            _ => (dot(&own, &own).sqrt(), dot(&summed, &summed).sqrt()),
        }
    }

    /// The items that stand in for one of which this is expected, by their place in the domain,
    /// in order; none where nothing finite can be said.
    pub(crate) fn stand_ins(&self, expected: &[f32]) -> Vec<(LocalRow, f32)> {
        let nearness = |&at: &usize| {
            let row = self.targets.row(at);
            let product = row.as_slice().map_or(0.0, |row| dot(row, expected));
            (at, if self.lengths[at] > 0.0 { product / self.lengths[at] } else { f32::MIN })
        };
        let mut near: Vec<(usize, f32)> = self.candidates.iter().map(nearness).collect();
        if near.len() > MOST_STAND_INS {
            near.select_nth_unstable_by(MOST_STAND_INS, |a, b| {
                b.1.total_cmp(&a.1).then(a.0.cmp(&b.0))
            });
            near.truncate(MOST_STAND_INS);
        }
        near.sort_unstable_by_key(|(at, _)| *at);
        let chosen: Vec<usize> = near.into_iter().map(|(at, _)| at).collect();
        let rows = self.targets.select(Axis(0), &chosen);
        let Some(weights) = weights(&rows, expected, self.reconstruction) else {
            return Vec::new();
        };
        chosen.iter().map(|at| LocalRow(*at as u32)).zip(weights).collect()
    }
}

/// The weights with which rows come nearest to what is expected; `None` where they are not finite.
fn weights(
    rows: &Array2<f32>,
    expected: &[f32],
    reconstruction: Reconstruction,
) -> Option<Array1<f32>> {
    let length = rows.ncols();
    let (begin, origin) = match reconstruction {
        Reconstruction::FromNothing => (0.0, Array1::zeros(length)),
        Reconstruction::FromAll => (1.0 / rows.nrows() as f32, rows.mean_axis(Axis(0))?),
    };
    let rows = rows - &origin;
    let mut squares = gram(rows.view());
    let mean = squares.diag().sum() / length as f32;
    squares.diag_mut().iter_mut().for_each(|value| *value += RECONSTRUCTION_RIDGE * mean);
    let mut factor: Vec<f32> = squares.iter().copied().collect();
    cholesky_despite_rounding(&mut factor, length).ok()?;
    let mut solved: Vec<f32> = expected.iter().zip(&origin).map(|(to, from)| to - from).collect();
    cholesky_solve(&factor, length, &mut solved);
    // Around the mean row these sum up to 0.
    let weights = rows.dot(&Array1::from_vec(solved)) + begin;
    weights.iter().all(|weight| weight.is_finite()).then_some(weights)
}

impl DomainContent {
    /// The factors that an item is expected to have whose text has this vector; `None` where the
    /// vector says nothing or has another length.
    pub(crate) fn expected_factors(&self, vector: ArrayView1<'_, f32>) -> Option<Vec<f32>> {
        let says_something = vector.iter().any(|value| *value != 0.0);
        if vector.len() != self.map.mean.len() || !says_something {
            return None;
        }
        let mut expected =
            self.map.predict(vector.insert_axis(Axis(0))).into_raw_vec_and_offset().0;
        expected.pop();
        Some(expected)
    }

    /// The items that stand in for ones whose texts have these vectors (items x values): none
    /// where a vector says nothing.
    pub(crate) fn stand_ins(
        &self,
        rows: &DomainRows,
        known: &KnownItems,
        vectors: ArrayView2<'_, f32>,
    ) -> Vec<Option<StandIns>> {
        let expected = self.map.predict(vectors);
        let of_vector = |(vector, expected): (ArrayView1<'_, f32>, ArrayView1<'_, f32>)| {
            if vector.iter().all(|value| *value == 0.0) {
                return None;
            }
            let weights = known.stand_ins(&expected.to_vec()).into_iter();
            let weights: Vec<(Row, f32)> =
                weights.map(|(local, weight)| (rows.row(local), weight)).collect();
            (!weights.is_empty()).then(|| StandIns::new(weights, self.by_popularity))
        };
        vectors.rows().into_iter().zip(expected.rows()).map(of_vector).collect()
    }
}

/// What the manifest says of a domain whose new items are ranked by their text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DescribedDomain {
    /// The domain.
    pub domain: DomainId,
    /// As [`DomainContent::source`].
    pub encoder: VectorSource,
    /// How long its vectors are.
    pub dimensions: usize,
    /// Whether the blob holds the encoder itself; else it is one that is installed.
    pub holds_encoder: bool,
    /// As [`DomainContent::by_popularity`].
    pub by_popularity: bool,
    /// How many of the domain's items are young ([`super::young_items`]).
    #[serde(default, skip_serializing_if = "is_none")]
    pub young_items: usize,
    /// As [`DomainContent::reconstruction`].
    #[serde(default, skip_serializing_if = "Reconstruction::is_of_before")]
    pub reconstruction: Reconstruction,
}

fn is_none(count: &usize) -> bool {
    *count == 0
}

fn named(domain: usize, what: &str) -> String {
    format!("content_{domain}_{what}")
}

/// What the manifest is to say, domain by domain, and the tensors.
pub(crate) fn write(
    content: &Content,
    young_items: impl Fn(&DomainId) -> usize,
) -> Result<(Vec<DescribedDomain>, Vec<Tensor>), ModelError> {
    let (mut described, mut tensors) = (Vec::with_capacity(content.len()), Vec::new());
    for (number, (domain, of_domain)) in content.iter().enumerate() {
        let DomainContent { source, artefact, map, by_popularity, reconstruction } = of_domain;
        let WeightedRidge { mean, centre, map } = map;
        let row = |what: &str, values: &Array1<f32>| {
            Tensor::floats(named(number, what), vec![values.len()], &values.to_vec())
        };
        tensors.extend([row("mean", mean), row("centre", centre)]);
        tensors.push(Tensor::table(named(number, "map"), map.view())?);
        let encoder = artefact.iter();
        tensors.extend(encoder.map(|bytes| Tensor::bytes(named(number, ENCODER), bytes.to_vec())));
        described.push(DescribedDomain {
            domain: domain.clone(),
            encoder: source.clone(),
            dimensions: mean.len(),
            holds_encoder: artefact.is_some(),
            by_popularity: *by_popularity,
            young_items: young_items(domain),
            reconstruction: *reconstruction,
        });
    }
    Ok((described, tensors))
}

/// Name of the tensor that holds an encoder.
const ENCODER: &str = "encoder";

/// Reads the section, in a model of these items with so many factors.
pub(crate) fn read(
    described: &[DescribedDomain],
    tensors: &SafeTensors<'_>,
    (index, factors): (&ItemIndex, usize),
) -> Result<Content, ModelError> {
    if !described.is_sorted_by(|a, b| a.domain < b.domain) {
        return Err(malformed("domains with content are not in order, or stand twice"));
    }
    let mut content = Content::new();
    for (number, of_domain) in described.iter().enumerate() {
        let DescribedDomain { domain, encoder, dimensions, holds_encoder, by_popularity, .. } =
            of_domain;
        if index.ranges().get(domain).is_none() {
            return Err(malformed(format!("content of {domain}, which the model does not know")));
        }
        if *dimensions > MOST_DIMENSIONS {
            return Err(malformed("the vectors of texts are too long"));
        }
        let artefact = holds_encoder.then(|| bytes_of(tensors, &named(number, ENCODER)));
        let artefact = artefact.transpose()?.map(Bytes::copy_from_slice);
        if artefact.as_ref().is_some_and(|artefact| artefact.len() > MOST_ARTEFACT_BYTES) {
            return Err(malformed("the encoder of texts is too large"));
        }
        let row = |what: &str, length: usize| {
            finite(tensors, &named(number, what), &[length]).map(Array1::from_vec)
        };
        let map = WeightedRidge {
            mean: row("mean", *dimensions)?,
            centre: row("centre", factors + 1)?,
            map: table(tensors, &named(number, "map"), (*dimensions, factors + 1))?,
        };
        let (source, reconstruction) = (encoder.clone(), of_domain.reconstruction);
        let by_popularity = *by_popularity;
        let content_of = DomainContent { source, artefact, map, by_popularity, reconstruction };
        content.insert(domain.clone(), content_of);
    }
    Ok(content)
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    #[test]
    fn stand_ins_together_have_what_is_expected() {
        let factors = Array2::from_shape_fn((40, 3), |(item, factor)| {
            ((item * 7 + factor * 13) % 11) as f32 / 11.0 - 0.3
        });
        let popularity: Vec<f32> = (0..40).map(|item| (item % 5) as f32 / 5.0).collect();
        let known = KnownItems::new(factors.view(), &popularity);
        let expected = [0.3, -0.1, 0.2, 0.15];
        let stand_ins = known.stand_ins(&expected);
        assert_eq!(stand_ins.len(), 40);
        for (column, expected) in expected.iter().enumerate() {
            let sum: f32 =
                stand_ins.iter().map(|(at, w)| w * known.targets[[at.index(), column]]).sum();
            assert!((sum - expected).abs() < 0.03, "{column}: {sum} {expected}");
        }
    }

    #[test]
    fn weights_are_1_in_all_and_of_models_of_before_what_they_were() {
        // Factors that hardly differ, as those fitted with little weight on what nobody took.
        let factors = Array2::from_shape_fn((6, 2), |(item, factor)| {
            1.0 + if item % 2 == factor { 0.02 } else { 0.0 }
        });
        let sum = |reconstruction, expected: [f32; 3]| -> (f32, f32) {
            let known = KnownItems::new(factors.view(), &[0.5; 6]).reconstructing(reconstruction);
            let stand_ins = known.stand_ins(&expected);
            let of_even = stand_ins.iter().filter(|(item, _)| item.index() % 2 == 0);
            (stand_ins.iter().map(|(_, w)| w).sum(), of_even.map(|(_, w)| w).sum())
        };
        let popular = KnownItems::new(factors.view(), &[0.5; 6]).targets[[0, 2]];
        let (all, even) = sum(Reconstruction::FromAll, [1.02, 1.0, popular]);
        assert!((all - 1.0).abs() < 1e-4 && even > 0.9, "{all} {even}");
        let (all, _) = sum(Reconstruction::FromNothing, [1.02, 1.0, popular]);
        assert!(all < 0.999, "{all}");
    }

    #[test]
    fn nobody_stands_in_where_nothing_can_be_said() {
        let known = KnownItems::new(array![[1.0, 0.0], [0.0, 1.0]].view(), &[0.0, 0.0]);
        assert!(known.stand_ins(&[f32::NAN, 0.0, 0.0]).is_empty());
        let none = KnownItems::new(Array2::zeros((0, 2)).view(), &[]);
        assert!(none.stand_ins(&[1.0, 0.0, 0.0]).is_empty());
    }

    #[test]
    fn sums_over_stand_ins_keep_their_parts() {
        let weights = vec![(Row(3), 0.5), (Row(4), -0.25)];
        let stand_ins = StandIns { weights, by_popularity: false };
        let parts = |row: Row| vec![(Row(0), row.0 as f32), (Row(1), 1.0)];
        let score = |row: Row| parts(row).iter().map(|(_, amount)| amount).sum();
        let summed = stand_ins.sum_of_parts(parts);
        assert_eq!(summed, [(Row(0), 0.5), (Row(1), 0.25)]);
        let whole: f32 = summed.iter().map(|(_, amount)| amount).sum();
        assert!((stand_ins.sum(score) - whole).abs() < 1e-6);
        assert_eq!(stand_ins.first(), Some(Row(3)));
    }
}
