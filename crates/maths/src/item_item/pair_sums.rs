//! Sums over the people of two items, one item at a time: never items x items in memory.

use rayon::prelude::*;

use crate::sparse::SparseRows;

/// Most items of a person that count. Pairs grow with the square, and who took more
/// says next to nothing of any pair. Those of most value are kept, ties going to the
/// item that fewer took, then to the lower one.
pub(super) const MOST_ITEMS_OF_A_PERSON: usize = 4_096;

/// Most people of an item that are asked about it. Of more, every second (third, ...) is,
/// and the sums are scaled up: a mean over 65,536 people is known to better than 1%.
pub(super) const MOST_PEOPLE_OF_AN_ITEM: usize = 65_536;

/// The rows of people, none longer than [`MOST_ITEMS_OF_A_PERSON`].
pub(super) fn bounded(people: SparseRows) -> SparseRows {
    if (0..people.rows()).all(|row| people.row(row).0.len() <= MOST_ITEMS_OF_A_PERSON) {
        return people;
    }
    let counts = people.column_counts();
    let row = |person: usize| {
        let (items, values) = people.row(person);
        let mut row: Vec<(u32, f32)> = items.iter().copied().zip(values.iter().copied()).collect();
        if row.len() > MOST_ITEMS_OF_A_PERSON {
            row.sort_unstable_by(|a, b| {
                let by_count = || counts[a.0 as usize].cmp(&counts[b.0 as usize]);
                b.1.total_cmp(&a.1).then_with(by_count).then(a.0.cmp(&b.0))
            });
            row.truncate(MOST_ITEMS_OF_A_PERSON);
        }
        row
    };
    SparseRows::from_rows(people.columns(), (0..people.rows()).map(row))
}

/// `sum_u left_ui right_uj` for one item `i` after another and all `j`.
pub(super) struct PairSums<'a> {
    by_item: SparseRows,
    right: &'a SparseRows,
}

/// What a thread sums in.
struct Accumulator {
    sums: Vec<f64>,
    touched: Vec<u32>,
}

impl<'a> PairSums<'a> {
    /// Both matrices are people x items, have their entries at the same places, all of
    /// them above zero, and rows that are [`bounded`].
    pub(super) fn new(left: &SparseRows, right: &'a SparseRows) -> Self {
        Self { by_item: left.transposed(), right }
    }

    /// Hands the sums of each item, (other item, sum) in the order of the items with the
    /// item itself among them, to `make`, and collects what it makes.
    pub(super) fn map_rows<T: Send>(
        &self,
        make: impl Fn(usize, Vec<(u32, f64)>) -> T + Sync,
    ) -> Vec<T> {
        let accumulator =
            || Accumulator { sums: vec![0.0; self.right.columns()], touched: Vec::new() };
        let items = (0..self.by_item.rows()).into_par_iter();
        items
            .map_init(accumulator, |accumulator, item| make(item, self.row(item, accumulator)))
            .collect()
    }

    fn row(&self, item: usize, accumulator: &mut Accumulator) -> Vec<(u32, f64)> {
        let Accumulator { sums, touched } = accumulator;
        let (people, lefts) = self.by_item.row(item);
        let step = people.len().div_ceil(MOST_PEOPLE_OF_AN_ITEM).max(1);
        for (&person, &left) in people.iter().zip(lefts).step_by(step) {
            let (others, rights) = self.right.row(person as usize);
            for (&other, &right) in others.iter().zip(rights) {
                let sum = &mut sums[other as usize];
                if *sum == 0.0 {
                    touched.push(other);
                }
                *sum += f64::from(left) * f64::from(right);
            }
        }
        touched.sort_unstable();
        let scale = people.len() as f64 / people.len().div_ceil(step).max(1) as f64;
        let take = |other| (other, scale * std::mem::take(&mut sums[other as usize]));
        touched.drain(..).map(take).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_more_people_than_are_asked_the_sums_are_scaled_up() {
        let people = 2 * MOST_PEOPLE_OF_AN_ITEM as u32 + 10;
        let rows =
            (0..people).map(|u| if u % 16 < 4 { vec![(0, 1.0), (1, 1.0)] } else { vec![(0, 1.0)] });
        let matrix = SparseRows::from_rows(2, rows);
        let sums = PairSums::new(&matrix, &matrix).map_rows(|_, row| row);
        assert!((sums[0][0].1 - f64::from(people)).abs() < 1e-6);
        let share = sums[0][1].1 / sums[1][1].1;
        assert!((share - 1.0).abs() < 0.35, "{share}");
    }

    #[test]
    fn of_too_many_items_those_of_most_value_and_then_those_that_few_took_count() {
        let most = MOST_ITEMS_OF_A_PERSON as u32;
        let long: Vec<_> =
            (0..most + 10).map(|item| (item, if item < 5 { 2.0 } else { 1.0 })).collect();
        let popular: Vec<_> = (0..12).map(|item| (item, 1.0)).collect();
        let bounded = bounded(SparseRows::from_rows(most as usize + 10, [long, popular.clone()]));
        let (items, _) = bounded.row(0);
        assert_eq!(items.len(), MOST_ITEMS_OF_A_PERSON);
        // Of the twelve that two people took, the five of value stay; of the rest the last go.
        assert_eq!(items[..6], [0, 1, 2, 3, 4, 12]);
        assert_eq!(bounded.row(1).0.len(), popular.len());
    }
}
