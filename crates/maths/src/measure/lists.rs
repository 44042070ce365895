//! What recommended lists are like as a whole, whoever they hit: coverage,
//! concentration, novelty, diversity.

use ndarray::ArrayView2;
use rayon::prelude::*;

use super::{CUTOFFS, Metrics};

/// The catalogue that lists were drawn from.
#[derive(Debug, Clone, Copy)]
pub struct Catalogue<'a> {
    /// Item factors, items x factors: what items are compared by.
    pub factors: ArrayView2<'a, f32>,
    /// Share of people who have each item in training, 0 to 1.
    pub popularity: &'a [f32],
    /// How many people that share is of.
    pub people: u64,
}

/// By name and length of list (`coverage@10`):
///
/// - `coverage`: share of the catalogue in at least one list.
/// - `gini`: Gini coefficient of how often each item of the catalogue is listed;
///   0 when all equally often, towards 1 when a few get everything.
/// - `novelty`: mean of an item's self-information `-log2 p`, in bits, with `p`
///   the share of people who have it (Vargas and Castells, "Rank and Relevance in
///   Novelty and Diversity Metrics for Recommender Systems", 2011, section 4.1;
///   popularity complement in its logarithmic form). An item nobody has counts as if one person had it.
/// - `diversity`: 1 minus the mean cosine of the factors of each two items of a
///   list (intra-list diversity, the same paper, section 4.2), averaged over the
///   lists with two items or more; 0 to 2.
///
/// Empty without lists or without items.
#[must_use]
pub fn list_metrics(lists: &[Vec<u32>], catalogue: Catalogue<'_>) -> Metrics {
    let mut metrics = Metrics::new();
    if lists.iter().all(Vec::is_empty) || catalogue.popularity.is_empty() {
        return metrics;
    }
    for k in CUTOFFS {
        let cut: Vec<&[u32]> = lists.iter().map(|list| &list[..list.len().min(k)]).collect();
        let exposures = exposures(&cut, catalogue.popularity.len());
        let shown = exposures.iter().filter(|count| **count > 0).count();
        metrics.insert(format!("coverage@{k}"), shown as f64 / exposures.len() as f64);
        metrics.insert(format!("gini@{k}"), gini(exposures));
        metrics.insert(format!("novelty@{k}"), novelty(&cut, catalogue));
        metrics.insert(format!("diversity@{k}"), diversity(&cut, catalogue.factors));
    }
    metrics
}

fn exposures(lists: &[&[u32]], items: usize) -> Vec<u64> {
    let mut counts = vec![0; items];
    lists.iter().copied().flatten().for_each(|&item| counts[item as usize] += 1);
    counts
}

/// `sum_i (2 i - n - 1) x_i / (n sum x)` over ascending `x_1 .. x_n`.
fn gini(mut counts: Vec<u64>) -> f64 {
    counts.sort_unstable();
    let n = counts.len() as f64;
    let weighted = |(at, count): (usize, &u64)| (2.0 * (at as f64 + 1.0) - n - 1.0) * *count as f64;
    let total: u64 = counts.iter().sum();
    counts.iter().enumerate().map(weighted).sum::<f64>() / (n * total as f64)
}

fn novelty(lists: &[&[u32]], catalogue: Catalogue<'_>) -> f64 {
    let least = 1.0 / catalogue.people.max(1) as f64;
    let information: Vec<f64> = catalogue
        .popularity
        .iter()
        .map(|share| -f64::from(*share).max(least).min(1.0).log2())
        .collect();
    mean(lists.iter().filter(|list| !list.is_empty()).map(|list| {
        list.iter().map(|&item| information[item as usize]).sum::<f64>() / list.len() as f64
    }))
}

fn diversity(lists: &[&[u32]], factors: ArrayView2<'_, f32>) -> f64 {
    let distance = |list: &&[u32]| intra_list_distance(list, factors);
    let of_lists: Vec<f64> = lists.par_iter().filter_map(distance).collect();
    mean(of_lists.into_iter())
}

/// How unlike the items of a list are: 1 minus the mean cosine of the factors (items x factors)
/// of each two of them, 0 to 2 (intra-list diversity: Vargas and Castells 2011, section 4.2). An
/// item without factors has cosine 0 to every other. `None` for a list of fewer than two.
///
/// # Panics
/// When an item of the list has no row in `factors`.
///
/// ```
/// use crossfold_maths::measure::intra_list_distance;
/// use ndarray::array;
///
/// let factors = array![[2.0, 0.0], [1.0, 0.0], [0.0, 1.0]];
/// assert_eq!(intra_list_distance(&[0, 1], factors.view()), Some(0.0));
/// assert_eq!(intra_list_distance(&[0, 2], factors.view()), Some(1.0));
/// assert_eq!(intra_list_distance(&[0], factors.view()), None);
/// ```
#[must_use]
pub fn intra_list_distance(list: &[u32], factors: ArrayView2<'_, f32>) -> Option<f64> {
    (list.len() > 1).then(|| 1.0 - mean_cosine(list, factors))
}

/// Mean over the pairs, from the length of the sum of the unit vectors:
/// `|sum v|^2 = sum |v|^2 + 2 sum of the pairs' cosines`. An item without
/// factors has cosine 0 to every other.
fn mean_cosine(list: &[u32], factors: ArrayView2<'_, f32>) -> f64 {
    let mut sum = vec![0.0f64; factors.ncols()];
    let mut units = 0.0;
    for &item in list {
        let row = factors.row(item as usize);
        let length = row.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt();
        if length > 0.0 {
            units += 1.0;
            sum.iter_mut().zip(row).for_each(|(sum, v)| *sum += f64::from(*v) / length);
        }
    }
    let squared: f64 = sum.iter().map(|v| v * v).sum();
    let n = list.len() as f64;
    (squared - units) / (n * (n - 1.0))
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = values.fold((0.0, 0usize), |(sum, count), v| (sum + v, count + 1));
    if count == 0 { 0.0 } else { sum / count as f64 }
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, array};
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn figures_of_small_lists_are_as_by_hand() {
        let factors = array![[1.0, 0.0], [2.0, 0.0], [0.0, 3.0], [0.0, 0.0]];
        let catalogue =
            Catalogue { factors: factors.view(), popularity: &[0.5, 0.25, 0.125, 0.0], people: 16 };
        let metrics = list_metrics(&[vec![0, 1], vec![0, 2]], catalogue);
        assert_eq!(metrics["coverage@10"], 0.75);
        // Exposures 0, 1, 1, 2: (-3*0 - 1*1 + 1*1 + 3*2) / (4 * 4).
        assert_eq!(metrics["gini@10"], 0.375);
        assert_eq!(metrics["novelty@20"], ((1.0 + 2.0) / 2.0 + (1.0 + 3.0) / 2.0) / 2.0);
        // Parallel items, then orthogonal ones.
        assert!((metrics["diversity@10"] - 0.5).abs() < 1e-12);
        let unknown = list_metrics(&[vec![3]], catalogue);
        assert_eq!((unknown["novelty@10"], unknown["diversity@10"]), (4.0, 0.0));
        assert!(list_metrics(&[vec![]], catalogue).is_empty());
    }

    proptest! {
        #[test]
        fn the_mean_cosine_is_that_of_the_pairs(
            values in proptest::collection::vec(-2.0f32..2.0, 15), list in Just(vec![0u32, 1, 2, 3, 4]).prop_shuffle(),
        ) {
            let factors = Array2::from_shape_vec((5, 3), values).unwrap();
            let unit = |i: u32| {
                let row = factors.row(i as usize).mapv(f64::from);
                let length = row.dot(&row).sqrt();
                row / length.max(1e-30)
            };
            let mut pairs = 0.0;
            for i in 0..5 {
                for j in 0..i {
                    pairs += unit(i).dot(&unit(j)) / 10.0;
                }
            }
            prop_assert!((mean_cosine(&list, factors.view()) - pairs).abs() < 1e-9);
        }

        #[test]
        fn figures_stay_in_their_ranges(
            lists in proptest::collection::vec(proptest::collection::btree_set(0u32..30, 0..25), 1..9),
        ) {
            let lists: Vec<Vec<u32>> = lists.into_iter().map(|l| l.into_iter().collect()).collect();
            let factors = Array2::from_shape_fn((30, 4), |(i, j)| (i * (j + 1) % 7) as f32 - 3.0);
            let popularity: Vec<f32> = (0..30).map(|i| i as f32 / 30.0).collect();
            let catalogue = Catalogue { factors: factors.view(), popularity: &popularity, people: 30 };
            for (name, value) in list_metrics(&lists, catalogue) {
                let most = match name.split('@').next() {
                    Some("novelty") => 30f64.log2() + 1e-6,
                    Some("diversity") => 2.0 + 1e-9,
                    _ => 1.0,
                };
                prop_assert!((-1e-9..=most).contains(&value), "{name} {value}");
            }
        }
    }
}
