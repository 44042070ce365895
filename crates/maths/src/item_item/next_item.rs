//! A closed-form ridge from what people did earlier to what they did later.
//!
//! It is SLIST of Choi, Kim, Lee, Shim, Lee, "Session-aware Linear Item-Item Models for
//! Session-based Recommendation" (2021), with the zero diagonal of [`super::ease`]. Every
//! place in a person's order splits it into a past and a future; what was done at one
//! instant stands at one place, so nothing is made of an order that nobody knows. In the
//! past, an item that is `d` places from the split has the value `e^(-d / past_decay)`, in
//! the future `e^(-d / future_decay)` (both count from 0). With `S` and `T` the rows of all
//! splits and `X` those of whole histories, the weights minimise
//!
//! `s |X - X B|^2 + (1 - s) |T - S B|^2 + r |B|^2`, `diag(B) = 0`,
//!
//! where `s` is the share of similarity. With `P = (s X'X + (1 - s) S'S + r I)^-1` and
//! `R = s X'X + (1 - s) S'T` that is `B = P R - P dMat(g)`, `g_j = (P R)_jj / P_jj`; for
//! `s = 1` it is EASE.
//!
//! The splits are never made: two places at a distance `d` meet in `S'S` and `S'T` with
//! sums of powers that depend on `d` and on what is left of the order alone.

use std::cmp::Reverse;

use ndarray::{Array2, ArrayView2};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::ease::inverse_despite_rounding;
use super::inverse::Symmetric;
use super::strongest::strongest;
use super::{FitError, KEPT, kept_rule};
use crate::options::{Rule, checked, is_within};
use crate::sparse::SparseRows;

/// Most items: two matrices take 968 MB.
pub const MOST_ITEMS: usize = 11_000;

/// Places of a person that count, the newest: pairs of them grow with the square.
pub const NEWEST: usize = 512;

/// What one person did, place by place. An item may come again at another place.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ordered {
    /// Oldest place first; within a place they ascend, each once.
    items: Vec<u32>,
    /// Where the items of each place end.
    ends: Vec<u32>,
}

impl Ordered {
    /// Items one after another, oldest first.
    #[must_use]
    pub fn one_by_one(items: impl IntoIterator<Item = u32>) -> Self {
        let items: Vec<u32> = items.into_iter().collect();
        Self { ends: (1..=items.len() as u32).collect(), items }
    }

    /// Items with how far back they stand: the greater, the earlier, and what is equal
    /// shares a place. Numbers may be missing between, and entries may come in any order.
    ///
    /// ```
    /// use crossfold_maths::item_item::next_item::Ordered;
    ///
    /// let order = Ordered::by_places([(7, 0), (3, 9), (2, 4), (5, 4)]);
    /// assert_eq!(order, Ordered::by_places([(5, 1), (2, 1), (3, 2), (7, 0)]));
    /// assert_eq!(order.places(), 3);
    /// ```
    #[must_use]
    pub fn by_places(entries: impl IntoIterator<Item = (u32, u16)>) -> Self {
        let turned = entries.into_iter().map(|(item, back)| (Reverse(back), item));
        let mut entries: Vec<(Reverse<u16>, u32)> = turned.collect();
        entries.sort_unstable();
        entries.dedup();
        let mut order = Self::default();
        for place in entries.chunk_by(|one, other| one.0 == other.0) {
            order.items.extend(place.iter().map(|(_, item)| *item));
            order.ends.push(order.items.len() as u32);
        }
        order
    }

    /// How many items stand at its places, each as often as it comes.
    #[must_use]
    pub fn items(&self) -> usize {
        self.items.len()
    }

    /// How many places there are.
    #[must_use]
    pub fn places(&self) -> usize {
        self.ends.len()
    }

    /// The items of the newest places, as many as count, oldest first.
    fn newest(&self) -> impl DoubleEndedIterator<Item = &[u32]> + ExactSizeIterator {
        let first = self.ends.len().saturating_sub(NEWEST);
        (first..self.ends.len()).map(|place| {
            let start = if place == 0 { 0 } else { self.ends[place - 1] };
            &self.items[start as usize..self.ends[place] as usize]
        })
    }
}

/// Options of [`fit`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NextItemOptions {
    /// The ridge, in units of people who like an item; 1e-3 to 1e9.
    pub ridge: f32,
    /// The share of similarity within a history, whatever its order, 0 to 1.
    pub similarity_share: f32,
    /// Places after which an item of the past counts 1/e, 0.1 to 10,000.
    pub past_decay: f32,
    /// Places after which an item of the future counts 1/e, 0.1 to 10,000.
    pub future_decay: f32,
    /// Weights of a past item that are kept, 1 to 2^20.
    pub kept: usize,
}

impl Default for NextItemOptions {
    fn default() -> Self {
        Self { ridge: 100.0, similarity_share: 0.5, past_decay: 5.0, future_decay: 5.0, kept: KEPT }
    }
}

/// Checked options; made by [`NextItemOptions::check`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "NextItemOptions", into = "NextItemOptions")]
pub struct NextItemParams(NextItemOptions);

impl NextItemOptions {
    fn rules(&self) -> [Rule; 5] {
        [
            (is_within(self.ridge, 1e-3, 1e9), "ridge", "1e-3 to 1e9"),
            (is_within(self.similarity_share, 0.0, 1.0), "similarity_share", "0 to 1"),
            (is_within(self.past_decay, 0.1, 1e4), "past_decay", "0.1 to 10000"),
            (is_within(self.future_decay, 0.1, 1e4), "future_decay", "0.1 to 10000"),
            kept_rule(self.kept),
        ]
    }
}

checked!(NextItemOptions, NextItemParams);

/// Fits the weights (items x items) to people's orders.
///
/// Memory beside the input: two times items^2 values of 4 bytes, 24 bytes for each item of
/// a person, and 8 bytes a weight that is kept. Time: 3 times items^3 operations, and for
/// each person the square of their items at the newest 512 places.
///
/// # Errors
/// [`FitError::UnknownItem`], [`FitError::TooManyItems`] above [`MOST_ITEMS`].
pub fn fit(
    people: &[Ordered],
    items: usize,
    params: &NextItemParams,
) -> Result<SparseRows, FitError> {
    let options = params.options();
    if items > MOST_ITEMS {
        return Err(FitError::TooManyItems { items, limit: MOST_ITEMS });
    }
    let known = |item: &&u32| (**item as usize) < items;
    let mut named = people.iter().flat_map(|person| &person.items);
    if let Some(item) = named.find(|item| !known(item)) {
        return Err(FitError::UnknownItem { item: *item, items });
    }
    let places = Places::of(people, items, options);
    let matrix = inverse_despite_rounding(|jitter| {
        let mut matrix = places.past_products();
        let mean = matrix.diagonal().iter().sum::<f32>() / items.max(1) as f32;
        matrix.add_to_diagonal(|_| options.ridge + jitter * mean);
        matrix
    })?;
    let by_scored = places.future_products();
    let diagonal = matrix.diagonal();
    let dot = |item: usize, row: &[f32]| -> f64 {
        row.iter().zip(by_scored.row(item)).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
    };
    let multipliers: Vec<f32> = matrix
        .map_rows(dot)
        .into_iter()
        .zip(&diagonal)
        .map(|(product, own)| (product / f64::from(*own)) as f32)
        .collect();
    // The matrix is -P, so signs are turned.
    let rows = matrix.map_panels(|first, panel| {
        let products = panel.dot(&by_scored.t());
        let row = |at: usize| row_of_weights(first + at, panel, &products, at, &multipliers);
        (0..panel.nrows()).map(|at| strongest(row(at), options.kept)).collect()
    });
    Ok(SparseRows::from_rows(items, rows))
}

fn row_of_weights(
    past: usize,
    panel: ArrayView2<'_, f32>,
    products: &Array2<f32>,
    at: usize,
    multipliers: &[f32],
) -> Vec<(u32, f32)> {
    let weight = |(scored, multiplier): (usize, &f32)| {
        let weight = panel[(at, scored)] * multiplier - products[(at, scored)];
        (scored as u32, if scored == past { 0.0 } else { weight })
    };
    multipliers.iter().enumerate().map(weight).collect()
}

/// The values of a past as the fit saw them: what stands at the newest place counts 1,
/// each further place less by `past_decay`. For [`super::scores`].
#[must_use]
pub fn past_values(past: &Ordered, params: &NextItemParams) -> Vec<(u32, f32)> {
    let value = |distance: usize| (-(distance as f32) / params.options().past_decay).exp();
    let places = past.newest().rev().enumerate();
    places.flat_map(|(at, items)| items.iter().map(move |item| (*item, value(at)))).collect()
}

/// An item at a place of a person's order.
struct Step {
    item: u32,
    place: u32,
    /// Whether it is the first place of the item.
    is_first: bool,
}

/// What one person did, of the places that count.
struct Steps {
    /// Oldest first.
    steps: Vec<Step>,
    places: usize,
}

/// Where everybody's items stand, and what pairs of places weigh.
struct Places {
    people: Vec<Steps>,
    /// For each item where it stands: (person, number of the step).
    by_item: Vec<Vec<(u32, u32)>>,
    weights: PairWeights,
}

impl Places {
    fn of(people: &[Ordered], items: usize, options: &NextItemOptions) -> Self {
        let mut by_item = vec![Vec::new(); items];
        let mut all = Vec::with_capacity(people.len());
        for (person, order) in people.iter().enumerate() {
            let places = order.newest();
            let count = places.len();
            let mut steps = Vec::with_capacity(order.items.len());
            for (place, items) in places.enumerate() {
                for &item in items {
                    let known: &mut Vec<(u32, u32)> = &mut by_item[item as usize];
                    let is_first = known.last().is_none_or(|(last, _)| *last as usize != person);
                    known.push((person as u32, steps.len() as u32));
                    steps.push(Step { item, place: place as u32, is_first });
                }
            }
            all.push(Steps { steps, places: count });
        }
        Self { people: all, by_item, weights: PairWeights::new(options) }
    }

    /// `s X'X + (1 - s) S'S`.
    fn past_products(&self) -> Symmetric {
        let mut matrix = Symmetric::zeros(self.by_item.len());
        let sums = || vec![0.0f64; self.by_item.len()];
        matrix.rows_mut().enumerate().for_each_init(sums, |sums, (item, row)| {
            let weight =
                |own: usize, other: usize, length: usize| self.weights.of_pasts(own, other, length);
            self.sum_pairs(item, sums, weight);
            row[..=item].iter_mut().zip(&*sums).for_each(|(to, from)| *to = *from as f32);
        });
        matrix
    }

    /// The transpose of `s X'X + (1 - s) S'T`: a row for each item of the future.
    fn future_products(&self) -> Array2<f32> {
        let items = self.by_item.len();
        let mut matrix = vec![0.0f32; items * items];
        let rows = matrix.par_chunks_exact_mut(items.max(1)).enumerate();
        rows.for_each_init(
            || vec![0.0f64; items],
            |sums, (item, row)| {
                let weight = |own: usize, other: usize, _| self.weights.of_future(own, other);
                self.sum_pairs(item, sums, weight);
                row.iter_mut().zip(&*sums).for_each(|(to, from)| *to = *from as f32);
            },
        );
        match Array2::from_shape_vec((items, items), matrix) {
            Ok(matrix) => matrix,
            Err(_) => unreachable!("there are items^2 values"),
        }
    }

    /// For all items the sums of the weights of the pairs of places of `item` and them.
    fn sum_pairs(
        &self,
        item: usize,
        sums: &mut [f64],
        weight: impl Fn(usize, usize, usize) -> f64,
    ) {
        sums.fill(0.0);
        for &(person, own) in &self.by_item[item] {
            let Steps { steps, places } = &self.people[person as usize];
            let own = &steps[own as usize];
            for other in steps {
                let both_first = f64::from(u8::from(own.is_first && other.is_first));
                sums[other.item as usize] += self.weights.similarity_share * both_first
                    + weight(own.place as usize, other.place as usize, *places);
            }
        }
    }
}

/// What two places of an order weigh, by their distance.
struct PairWeights {
    similarity_share: f64,
    /// Powers of the past's decay, for twice as many places as count.
    past: Vec<f64>,
    /// `sum_(k < d) past^k future^(d - 1 - k)`: of the splits between two places.
    between: Vec<f64>,
    /// `sum_(k < n) past^(2 k)`: of the splits after both.
    after: Vec<f64>,
}

impl PairWeights {
    fn new(options: &NextItemOptions) -> Self {
        let past = (-1.0 / f64::from(options.past_decay)).exp();
        let future = (-1.0 / f64::from(options.future_decay)).exp();
        let (mut powers, mut between, mut after) = (vec![1.0], vec![0.0], vec![0.0]);
        for at in 0..NEWEST {
            between.push(future * between[at] + powers[at]);
            after.push(after[at] + powers[at] * powers[at]);
            powers.push(powers[at] * past);
        }
        let similarity_share = f64::from(options.similarity_share);
        Self { similarity_share, past: powers, between, after }
    }

    /// In `S'S`, times its share.
    fn of_pasts(&self, a: usize, b: usize, length: usize) -> f64 {
        let splits = length - 1 - a.max(b);
        (1.0 - self.similarity_share) * self.past[a.abs_diff(b)] * self.after[splits]
    }

    /// In `S'T`, times its share: of `scored` in the future and `past` before it.
    fn of_future(&self, scored: usize, past: usize) -> f64 {
        (1.0 - self.similarity_share) * self.between[scored.saturating_sub(past)]
    }
}

#[cfg(test)]
mod tests {
    use nalgebra::DMatrix;
    use proptest::prelude::*;

    use super::*;
    use crate::item_item::ease;

    const ITEMS: usize = 6;

    fn orders() -> impl Strategy<Value = Vec<Ordered>> {
        let entry = (0..ITEMS as u32, 0..9u16);
        let order = proptest::collection::vec(entry, 0..9).prop_map(Ordered::by_places);
        proptest::collection::vec(order, 0..8)
    }

    /// The weights from rows for every split, by a plain inverse.
    fn naive(people: &[Ordered], options: &NextItemOptions) -> DMatrix<f64> {
        let share = f64::from(options.similarity_share);
        let (mut left, mut right) =
            (DMatrix::zeros(ITEMS, ITEMS), DMatrix::<f64>::zeros(ITEMS, ITEMS));
        for person in people {
            let places: Vec<&[u32]> = person.newest().collect();
            let mut whole = DMatrix::<f64>::zeros(1, ITEMS);
            person.items.iter().for_each(|item| whole[*item as usize] = 1.0);
            left += share * whole.transpose() * &whole;
            right += share * whole.transpose() * &whole;
            for split in 1..places.len() {
                let (mut past, mut future) =
                    (DMatrix::<f64>::zeros(1, ITEMS), DMatrix::<f64>::zeros(1, ITEMS));
                let steps = places.iter().enumerate();
                let steps = steps.flat_map(|(at, items)| items.iter().map(move |item| (at, item)));
                for (position, item) in steps {
                    let value =
                        |distance: usize, decay: f32| (-(distance as f64) / f64::from(decay)).exp();
                    if position < split {
                        past[*item as usize] += value(split - 1 - position, options.past_decay);
                    } else {
                        future[*item as usize] += value(position - split, options.future_decay);
                    }
                }
                left += (1.0 - share) * past.transpose() * &past;
                right += (1.0 - share) * past.transpose() * &future;
            }
        }
        (0..ITEMS).for_each(|i| left[(i, i)] += f64::from(options.ridge));
        let inverse = left.try_inverse().unwrap();
        let product = &inverse * right;
        DMatrix::from_fn(ITEMS, ITEMS, |i, j| {
            product[(i, j)] - inverse[(i, j)] * product[(j, j)] / inverse[(j, j)]
        })
    }

    proptest! {
        #[test]
        fn it_is_the_ridge_over_all_splits(
            people in orders(), similarity_share in 0.0f32..1.0, past_decay in 0.5f32..9.0,
            future_decay in 0.5f32..9.0, ridge in 0.5f32..9.0,
        ) {
            let options = NextItemOptions { ridge, similarity_share, past_decay, future_decay, kept: ITEMS };
            let weights = fit(&people, ITEMS, &options.check().unwrap()).unwrap();
            let expected = naive(&people, &options);
            for i in 0..ITEMS {
                let mut row = [0.0; ITEMS];
                crate::item_item::scores(&weights, &[(i as u32, 1.0)], &mut row);
                for j in 0..ITEMS {
                    let off = f64::from(row[j]) - expected[(i, j)];
                    prop_assert!(off.abs() < 1e-4 && (i != j || row[j] == 0.0), "{i} {j} {off}");
                }
            }
        }

        #[test]
        fn all_of_it_similarity_is_ease(people in orders()) {
            let options = NextItemOptions { ridge: 2.0, similarity_share: 1.0, ..NextItemOptions::default() };
            let weights = fit(&people, ITEMS, &options.check().unwrap()).unwrap();
            let distinct = |person: &Ordered| {
                let items: std::collections::BTreeSet<u32> = person.items.iter().copied().collect();
                items.into_iter().map(|item| (item, 1.0)).collect()
            };
            let rows = SparseRows::from_rows(ITEMS, people.iter().map(distinct));
            let options = ease::EaseOptions { ridge: 2.0, ..ease::EaseOptions::default() };
            let same = ease::fit(&rows, &options.check().unwrap()).unwrap();
            for item in 0..ITEMS as u32 {
                let (mut a, mut b) = ([0.0; ITEMS], [0.0; ITEMS]);
                crate::item_item::scores(&weights, &[(item, 1.0)], &mut a);
                crate::item_item::scores(&same, &[(item, 1.0)], &mut b);
                prop_assert!(a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-5), "{a:?} {b:?}");
            }
        }
    }

    proptest! {
        #[test]
        fn in_what_order_a_place_is_named_changes_nothing(
            entries in proptest::collection::vec((0..ITEMS as u32, 0..4u16), 0..9), turned in 0..9usize,
        ) {
            let mut otherwise = entries.clone();
            otherwise.rotate_left(turned.min(entries.len()));
            otherwise.reverse();
            let of = |entries: Vec<(u32, u16)>| Ordered::by_places(entries);
            prop_assert_eq!(of(entries), of(otherwise));
        }
    }

    #[test]
    fn where_everything_is_of_one_instant_nothing_follows_anything() {
        let people: Vec<Ordered> =
            (0..9).map(|u| Ordered::by_places([(u % 3, 0), (4, 0)])).collect();
        let options =
            NextItemOptions { ridge: 1.0, similarity_share: 0.0, ..NextItemOptions::default() };
        assert_eq!(fit(&people, ITEMS, &options.check().unwrap()).unwrap().entries(), 0);
    }

    #[test]
    fn what_follows_is_spoken_for_and_what_went_before_is_not() {
        let people: Vec<Ordered> =
            (0..30).map(|u| Ordered::one_by_one([u % 3, 3 + u % 3])).collect();
        let options =
            NextItemOptions { ridge: 1.0, similarity_share: 0.0, ..NextItemOptions::default() };
        let params = options.check().unwrap();
        let weights = fit(&people, ITEMS, &params).unwrap();
        let mut scores = [0.0; ITEMS];
        crate::item_item::scores(
            &weights,
            &past_values(&Ordered::one_by_one([1]), &params),
            &mut scores,
        );
        assert!(scores[4] > 0.5 && scores[1] == 0.0 && scores[3].abs() < 1e-6, "{scores:?}");
        let mut scores = [0.0; ITEMS];
        crate::item_item::scores(
            &weights,
            &past_values(&Ordered::one_by_one([4]), &params),
            &mut scores,
        );
        assert!(scores.iter().all(|score| score.abs() < 1e-6), "{scores:?}");
    }

    #[test]
    fn an_unknown_item_is_named_and_nothing_gives_nothing() {
        let params = NextItemOptions::default().check().unwrap();
        let order = Ordered::one_by_one([0, 9]);
        assert_eq!(fit(&[order], 9, &params), Err(FitError::UnknownItem { item: 9, items: 9 }));
        assert_eq!(fit(&[], 0, &params).unwrap().rows(), 0);
        assert_eq!(fit(&[Ordered::default()], 3, &params).unwrap().entries(), 0);
        let too_many = FitError::TooManyItems { items: MOST_ITEMS + 1, limit: MOST_ITEMS };
        assert_eq!(fit(&[], MOST_ITEMS + 1, &params), Err(too_many));
    }

    #[test]
    fn the_number_of_threads_does_not_change_the_weights() {
        let order = |u: u32| Ordered::one_by_one((0..12).map(|k| (u * 7 + k * k) % 230));
        let people: Vec<Ordered> = (0..300).map(order).collect();
        let params = NextItemOptions::default().check().unwrap();
        let with = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| fit(&people, 230, &params).unwrap())
        };
        assert!(with(1) == with(3));
    }

    #[test]
    fn one_item_again_and_again_has_an_answer() {
        let people = vec![Ordered::one_by_one([2; 5000]); 20];
        for ridge in [1e-3, 1e9] {
            let options = NextItemOptions { ridge, past_decay: 1e4, ..NextItemOptions::default() };
            let weights = fit(&people, ITEMS, &options.check().unwrap()).unwrap();
            assert_eq!(weights.entries(), 0);
        }
    }

    #[test]
    fn the_newest_places_count_and_no_more() {
        let params = NextItemOptions::default().check().unwrap();
        let newest: Vec<u32> = (0..NEWEST as u32).map(|at| at * 7 % 5).collect();
        let longer = Ordered::one_by_one([vec![5; 40], newest.clone()].concat());
        let newest = Ordered::one_by_one(newest);
        let of = |order: &Ordered| fit(std::slice::from_ref(order), ITEMS, &params).unwrap();
        assert_eq!(of(&longer), of(&newest));
        assert_eq!(past_values(&longer, &params), past_values(&newest, &params));
    }
}
