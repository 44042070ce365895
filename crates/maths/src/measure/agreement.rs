//! How far two ways of putting the same things into groups agree.

use std::collections::BTreeMap;

/// The adjusted Rand index of two groupings of the same things: 1 for the same groups under
/// whatever names, about 0 for groups that know nothing of each other, below 0 for less
/// (Hubert, Arabie, "Comparing partitions", 1985, equation 5). Two that both put all into one
/// group, or each alone, agree. `None` without things, or where the numbers of things differ.
///
/// ```
/// use crossfold_maths::measure::adjusted_rand_index;
///
/// assert_eq!(adjusted_rand_index(&[0, 0, 1, 1], &[7, 7, 3, 3]), Some(1.0));
/// let across = adjusted_rand_index(&[0, 0, 1, 1], &[0, 1, 0, 1]);
/// assert!(across.is_some_and(|index| (index + 0.5).abs() < 1e-12));
/// ```
#[must_use]
pub fn adjusted_rand_index(one: &[u32], other: &[u32]) -> Option<f64> {
    if one.is_empty() || one.len() != other.len() {
        return None;
    }
    let pairs_within = |counts: &mut dyn Iterator<Item = u64>| -> f64 {
        counts.map(|count| count as f64 * (count as f64 - 1.0) / 2.0).sum()
    };
    let count = |labels: &mut dyn Iterator<Item = (u32, u32)>| {
        let mut counts: BTreeMap<(u32, u32), u64> = BTreeMap::new();
        labels.for_each(|label| *counts.entry(label).or_default() += 1);
        pairs_within(&mut counts.into_values())
    };
    let together = count(&mut one.iter().copied().zip(other.iter().copied()));
    let in_one = count(&mut one.iter().map(|label| (*label, 0)));
    let in_other = count(&mut other.iter().map(|label| (*label, 0)));
    let all = pairs_within(&mut std::iter::once(one.len() as u64));
    let expected = if all > 0.0 { in_one * in_other / all } else { 0.0 };
    let most = (in_one + in_other) / 2.0;
    // Both have one group, or both have none of two.
    if most == expected {
        return Some(1.0);
    }
    Some((together - expected) / (most - expected))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn known_groupings_have_the_figures_of_scikit_learn() {
        let cases: [(&[u32], &[u32], f64); 4] = [
            (&[0, 0, 1, 2], &[0, 0, 1, 1], 0.571_428_571_428_571_4),
            (&[0, 0, 0, 0], &[0, 1, 2, 3], 0.0),
            (&[0, 0, 0, 0], &[5, 5, 5, 5], 1.0),
            (&[0, 1, 2, 3], &[3, 1, 2, 0], 1.0),
        ];
        for (one, other, expected) in cases {
            let found = adjusted_rand_index(one, other).unwrap();
            assert!((found - expected).abs() < 1e-12, "{one:?} {other:?} {found}");
        }
        assert_eq!(adjusted_rand_index(&[], &[]), None);
        assert_eq!(adjusted_rand_index(&[1], &[1, 2]), None);
        assert_eq!(adjusted_rand_index(&[1], &[2]), Some(1.0));
    }

    proptest! {
        #[test]
        fn the_order_of_the_two_and_the_names_of_groups_do_not_matter(
            labels in proptest::collection::vec((0u32..5, 0u32..5), 1..60), by in 1u32..1000,
        ) {
            let (one, other): (Vec<u32>, Vec<u32>) = labels.into_iter().unzip();
            let renamed: Vec<u32> = one.iter().map(|label| label * 7 + by).collect();
            let found = adjusted_rand_index(&one, &other).unwrap();
            prop_assert!((-1.0..=1.0).contains(&found));
            prop_assert_eq!(adjusted_rand_index(&other, &one).unwrap(), found);
            prop_assert_eq!(adjusted_rand_index(&renamed, &other).unwrap(), found);
        }
    }
}
