//! Keeping the strongest entries of a row.

/// The `kept` entries of greatest magnitude, ties going to the lower index, in the
/// order of their indices; none that is zero.
pub(super) fn strongest(row: Vec<(u32, f32)>, kept: usize) -> Vec<(u32, f32)> {
    strongest_by(row, kept, |(_, weight)| weight.abs())
}

/// As [`strongest`], by another strength.
pub(super) fn strongest_by(
    mut row: Vec<(u32, f32)>,
    kept: usize,
    strength: impl Fn((u32, f32)) -> f32,
) -> Vec<(u32, f32)> {
    row.retain(|(_, weight)| *weight != 0.0);
    if row.len() > kept {
        if kept > 0 {
            row.select_nth_unstable_by(kept - 1, |a, b| {
                strength(*b).total_cmp(&strength(*a)).then(a.0.cmp(&b.0))
            });
        }
        row.truncate(kept);
    }
    // Rows are kept by the thousand, and may have been longer or of wider entries.
    row.shrink_to_fit();
    row.sort_unstable_by_key(|(index, _)| *index);
    row
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_kept_is_what_a_full_sort_puts_first(
            weights in proptest::collection::vec(-3i8..4, 0..40), kept in 0usize..50,
        ) {
            let row: Vec<(u32, f32)> =
                weights.iter().enumerate().map(|(i, w)| (i as u32, f32::from(*w))).collect();
            let mut sorted = row.clone();
            sorted.retain(|(_, weight)| *weight != 0.0);
            sorted.sort_by_key(|(index, weight)| (-(weight.abs() as i32), *index));
            sorted.truncate(kept);
            sorted.sort_by_key(|(index, _)| *index);
            prop_assert_eq!(strongest(row, kept), sorted);
        }
    }
}
