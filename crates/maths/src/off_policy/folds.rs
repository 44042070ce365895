//! Which fold a cluster belongs to.

/// Most folds or groups that clusters are told into by [`fold_of`].
pub const MOST_FOLDS: u32 = 1 << 20;

/// The fold of a cluster, 0 to `folds - 1`: the same for the same three numbers, on every
/// machine, and as if drawn. No folds count as one. Cluster and seed go through the finaliser
/// of SplitMix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014).
#[must_use]
pub fn fold_of(cluster: u64, seed: u64, folds: u32) -> u32 {
    let folds = u64::from(folds.clamp(1, MOST_FOLDS));
    (mixed(cluster ^ mixed(seed)) % folds) as u32
}

fn mixed(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folds_are_about_even_and_depend_on_the_seed() {
        let mut sizes = [0; 5];
        (0..10_000).for_each(|cluster| sizes[fold_of(cluster, 1, 5) as usize] += 1);
        assert!(sizes.iter().all(|size| (1_850..2_150).contains(size)), "{sizes:?}");
        assert!((0..100).any(|cluster| fold_of(cluster, 1, 5) != fold_of(cluster, 2, 5)));
        assert_eq!(fold_of(9, 1, 0), 0);
    }

    #[test]
    fn the_mixer_is_split_mix() {
        // The first output of the reference generator with the state 0.
        assert_eq!(mixed(0), 0xe220_a839_7b1d_cdaf);
    }
}
