//! Which of some things is which of others: the assignment of the greatest similarity.

use ndarray::ArrayView2;

/// Pairs rows with columns, each with at most one, so that their similarities add up to the
/// most; of each row its column. Pairs less similar than `least`, or not by a number, are
/// left apart.
///
/// The method of Kuhn ("The Hungarian method for the assignment problem", 1955) with
/// shortest augmenting paths (Jonker, Volgenant 1987): at most the cube of the longer side.
///
/// ```
/// use crossfold_maths::clusters::best_matching;
/// use ndarray::array;
///
/// // One after another, the best first, would leave the second row with 0.1.
/// let similarities = array![[0.9, 0.8], [0.8, 0.1]];
/// assert_eq!(best_matching(similarities.view(), 0.5), [Some(1), Some(0)]);
/// ```
#[must_use]
pub fn best_matching(similarities: ArrayView2<'_, f64>, least: f64) -> Vec<Option<usize>> {
    let (rows, columns) = similarities.dim();
    // A pair below the least is worth nothing, so that it takes nobody's place.
    let worth = |row: usize, column: usize| -> f64 {
        let similarity = similarities[(row, column)];
        if similarity >= least && similarity.is_finite() { similarity - least } else { 0.0 }
    };
    let mut column_of = if rows <= columns {
        assigned(rows, columns, &|row, column| -worth(row, column))
    } else {
        let row_of = assigned(columns, rows, &|column, row| -worth(row, column));
        let mut column_of = vec![None; rows];
        for (column, row) in row_of.into_iter().enumerate() {
            if let Some(row) = row {
                column_of[row] = Some(column);
            }
        }
        column_of
    };
    for (row, column) in column_of.iter_mut().enumerate() {
        let is_alike = |column: &usize| {
            let similarity = similarities[(row, *column)];
            similarity >= least && similarity.is_finite()
        };
        *column = column.filter(is_alike);
    }
    column_of
}

/// Of each row its column, at the least cost; there are as many columns as rows, or more.
/// Rows and columns count from 1 within: 0 stands for what is not taken yet.
fn assigned(rows: usize, columns: usize, cost: &dyn Fn(usize, usize) -> f64) -> Vec<Option<usize>> {
    let mut of_rows = vec![0.0f64; rows + 1];
    let mut of_columns = vec![0.0f64; columns + 1];
    let mut row_of = vec![0usize; columns + 1];
    for row in 1..=rows {
        row_of[0] = row;
        let mut before = vec![0usize; columns + 1];
        let mut slack = vec![f64::INFINITY; columns + 1];
        let mut is_reached = vec![false; columns + 1];
        let mut at = 0;
        while row_of[at] != 0 {
            is_reached[at] = true;
            let from = row_of[at];
            let (mut least, mut next) = (f64::INFINITY, 0);
            for column in (1..=columns).filter(|column| !is_reached[*column]) {
                let reduced = cost(from - 1, column - 1) - of_rows[from] - of_columns[column];
                if reduced < slack[column] {
                    (slack[column], before[column]) = (reduced, at);
                }
                if slack[column] < least {
                    (least, next) = (slack[column], column);
                }
            }
            for column in 0..=columns {
                if is_reached[column] {
                    of_rows[row_of[column]] += least;
                    of_columns[column] -= least;
                } else {
                    slack[column] -= least;
                }
            }
            at = next;
        }
        while at != 0 {
            row_of[at] = row_of[before[at]];
            at = before[at];
        }
    }
    let mut column_of = vec![None; rows];
    for (column, &row) in row_of.iter().enumerate().skip(1) {
        if row != 0 {
            column_of[row - 1] = Some(column - 1);
        }
    }
    column_of
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;
    use proptest::prelude::*;

    use super::*;

    /// The most that any pairing adds up to, by trying all.
    fn best_by_trying(similarities: &Array2<f64>, row: usize, taken: &mut Vec<bool>) -> f64 {
        if row == similarities.nrows() {
            return 0.0;
        }
        let mut best = best_by_trying(similarities, row + 1, taken);
        for column in 0..similarities.ncols() {
            if !taken[column] {
                taken[column] = true;
                let rest = best_by_trying(similarities, row + 1, taken);
                best = best.max(similarities[(row, column)] + rest);
                taken[column] = false;
            }
        }
        best
    }

    proptest! {
        #[test]
        fn no_other_pairing_adds_up_to_more(
            rows in 0usize..6, columns in 0usize..6,
            values in proptest::collection::vec(0.0f64..1.0, 25),
        ) {
            let similarities = Array2::from_shape_fn((rows, columns), |(r, c)| values[(r * 5 + c) % 25]);
            let found = best_matching(similarities.view(), 0.0);
            let mut taken: Vec<usize> = found.iter().flatten().copied().collect();
            taken.sort_unstable();
            prop_assert!(taken.windows(2).all(|pair| pair[0] != pair[1]));
            let sum: f64 = found.iter().enumerate()
                .filter_map(|(row, column)| column.map(|column| similarities[(row, column)])).sum();
            let best = best_by_trying(&similarities, 0, &mut vec![false; columns]);
            prop_assert!((sum - best).abs() < 1e-9, "{} {}", sum, best);
        }
    }

    #[test]
    fn what_is_not_alike_is_left_apart() {
        let similarities = ndarray::array![[0.2, f64::NAN], [0.9, 0.3], [f64::INFINITY, 0.6]];
        assert_eq!(best_matching(similarities.view(), 0.5), [None, Some(0), Some(1)]);
        assert_eq!(best_matching(Array2::zeros((0, 3)).view(), 0.5), []);
        assert_eq!(best_matching(Array2::zeros((2, 0)).view(), 0.5), [None, None]);
    }
}
