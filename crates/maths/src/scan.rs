//! Products of many rows with one vector: what scoring a whole catalogue comes to.
//!
//! The sums are those of [`dot`] to the last bit, on every processor: scores are logged with
//! decisions, and a decision that is made again elsewhere must come out the same. So the eight
//! lanes of [`dot`] stay apart, products are rounded before they are added, and only the
//! instructions differ. [`quantised`] tells of many rows at once which can be among the best.

pub mod quantised;

use crate::dense::dot;

/// Adds to each sum `weight` times the product of a row with `vector`, as [`dot`] gives it: the
/// rows, each as long as the vector, follow one another in `rows`.
///
/// ```
/// use crossfold_maths::scan::add_products;
///
/// let mut sums = [1.0, 1.0];
/// add_products(&[1.0, 2.0, 3.0, 4.0], &[10.0, 1.0], 0.5, &mut sums);
/// assert_eq!(sums, [7.0, 18.0]);
/// ```
pub fn add_products(rows: &[f32], vector: &[f32], weight: f32, sums: &mut [f32]) {
    if vector.is_empty() {
        return;
    }
    debug_assert_eq!(rows.len(), vector.len() * sums.len());
    #[cfg(target_arch = "x86_64")]
    if let Some(simd) = pulp::x86::V3::try_new().filter(|_| vector.len().is_multiple_of(8)) {
        return simd.vectorize(x86::Products { simd, rows, vector, weight, sums });
    }
    add_each(rows, vector, weight, sums);
}

/// The same on any processor.
fn add_each(rows: &[f32], vector: &[f32], weight: f32, sums: &mut [f32]) {
    for (sum, row) in sums.iter_mut().zip(rows.chunks_exact(vector.len())) {
        *sum += weight * dot(vector, row);
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::{__m256, _MM_HINT_T0};

    use pulp::x86::V3;
    use pulp::{NullaryFnOnce, cast, f32x8};

    use super::add_each;
    use crate::dense::LANES;

    /// Rows at a time: as many as lanes, so that their sums fill a vector.
    const GROUP: usize = LANES;

    /// Groups that are asked for ahead of their turn: a table of factors is larger than the
    /// caches near a core, and its pages are not known to the processor.
    const AHEAD: usize = 4;
    /// Numbers that are fetched at once.
    const LINE: usize = 16;

    /// The rows of a group, in chunks of lanes.
    type Group<'a> = [&'a [[f32; LANES]]; GROUP];

    /// What is added to what.
    pub(super) struct Products<'a> {
        pub(super) simd: V3,
        pub(super) rows: &'a [f32],
        pub(super) vector: &'a [f32],
        pub(super) weight: f32,
        pub(super) sums: &'a mut [f32],
    }

    impl NullaryFnOnce for Products<'_> {
        type Output = ();

        #[inline(always)]
        fn call(self) {
            // The usual lengths are compiled on their own, with the vector in registers.
            match self.vector.len() {
                32 => self.add(32),
                64 => self.add(64),
                length => self.add(length),
            }
        }
    }

    impl Products<'_> {
        #[inline(always)]
        fn add(self, length: usize) {
            let Self { simd, rows, vector, weight, sums } = self;
            let vector = &vector[..length];
            let (chunks, _) = vector.as_chunks::<LANES>();
            let groups = rows.chunks_exact(length * GROUP);
            let rest = (groups.remainder(), sums.len() / GROUP * GROUP);
            let ahead = rows.chunks_exact(length * GROUP).skip(AHEAD);
            let ahead = ahead.map(Some).chain(std::iter::repeat(None));
            for ((sums, rows), ahead) in sums.chunks_exact_mut(GROUP).zip(groups).zip(ahead) {
                prefetch(simd, ahead.unwrap_or_default());
                let mut group: Group<'_> = [&[]; GROUP];
                for (row, of_row) in group.iter_mut().zip(rows.chunks_exact(length)) {
                    *row = of_row.as_chunks::<LANES>().0;
                }
                add_group(simd, (&group, chunks), weight, sums);
            }
            add_each(rest.0, vector, weight, &mut sums[rest.1..]);
        }
    }

    #[inline(always)]
    fn prefetch(simd: V3, rows: &[f32]) {
        for line in rows.chunks(LINE) {
            simd.sse._mm_prefetch::<_MM_HINT_T0>(line.as_ptr().cast());
        }
    }

    #[inline(always)]
    fn add_group(
        simd: V3,
        (group, vector): (&Group<'_>, &[[f32; LANES]]),
        weight: f32,
        sums: &mut [f32],
    ) {
        let mut lanes = [simd.splat_f32x8(0.0); GROUP];
        for (at, chunk) in vector.iter().enumerate() {
            let chunk: f32x8 = cast(*chunk);
            for (lanes, row) in lanes.iter_mut().zip(group) {
                // Rounded twice, as the plain loop does: no fused multiplication.
                *lanes = simd.add_f32x8(*lanes, simd.mul_f32x8(chunk, cast(row[at])));
            }
        }
        let Ok(sums) = <&mut [f32; GROUP]>::try_from(sums) else { return };
        let added = simd.mul_f32x8(simd.splat_f32x8(weight), summed(simd, lanes));
        *sums = cast(simd.add_f32x8(cast(*sums), added));
    }

    /// The sum of each vector's lanes, from the first to the last.
    #[inline(always)]
    fn summed(simd: V3, rows: [f32x8; GROUP]) -> f32x8 {
        let columns = transposed(simd, rows);
        let mut sum = columns[0];
        for column in &columns[1..] {
            sum = simd.add_f32x8(sum, *column);
        }
        sum
    }

    #[inline(always)]
    fn transposed(simd: V3, rows: [f32x8; GROUP]) -> [f32x8; GROUP] {
        let avx = simd.avx;
        let r: [__m256; GROUP] = cast(rows);
        let mut pairs = r;
        for at in (0..GROUP).step_by(2) {
            pairs[at] = avx._mm256_unpacklo_ps(r[at], r[at + 1]);
            pairs[at + 1] = avx._mm256_unpackhi_ps(r[at], r[at + 1]);
        }
        let mut fours = pairs;
        for at in [0, 4] {
            let p = &pairs[at..];
            fours[at] = avx._mm256_shuffle_ps::<0x44>(p[0], p[2]);
            fours[at + 1] = avx._mm256_shuffle_ps::<0xEE>(p[0], p[2]);
            fours[at + 2] = avx._mm256_shuffle_ps::<0x44>(p[1], p[3]);
            fours[at + 3] = avx._mm256_shuffle_ps::<0xEE>(p[1], p[3]);
        }
        let mut columns = fours;
        for at in 0..4 {
            columns[at] = avx._mm256_permute2f128_ps::<0x20>(fours[at], fours[at + 4]);
            columns[at + 4] = avx._mm256_permute2f128_ps::<0x31>(fours[at], fours[at + 4]);
        }
        cast(columns)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    fn drawn(seed: u64, length: usize) -> Vec<f32> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        (0..length).map(|_| rng.random_range(-1.0..1.0)).collect()
    }

    proptest! {
        #[test]
        fn products_are_those_of_dot_to_the_last_bit(
            seed in any::<u64>(), rows in 0usize..40, factors in 0usize..80, weight in -2.0f32..2.0,
        ) {
            for factors in [factors, factors / 8 * 8, 64] {
                let (table, vector) = (drawn(seed, rows * factors), drawn(seed ^ 1, factors));
                let mut sums = drawn(seed ^ 2, rows);
                let expected: Vec<u32> = sums
                    .iter()
                    .enumerate()
                    .map(|(row, sum)| {
                        let row = &table[row * factors..(row + 1) * factors];
                        // Nothing is added where there are no factors.
                        if factors == 0 { *sum } else { sum + weight * dot(&vector, row) }
                    })
                    .map(f32::to_bits)
                    .collect();
                add_products(&table, &vector, weight, &mut sums);
                prop_assert_eq!(sums.into_iter().map(f32::to_bits).collect::<Vec<_>>(), expected);
            }
        }
    }

    #[test]
    fn extreme_and_signed_zero_products_are_those_of_dot_too() {
        let table: Vec<f32> = [0.0, -0.0, f32::MAX, f32::MIN_POSITIVE, -1.0, f32::INFINITY, 1e-40]
            .iter()
            .copied()
            .cycle()
            .take(8 * 9)
            .collect();
        for vector in [[-0.0f32; 8], [1.0; 8], [-1e30; 8]] {
            let mut sums = vec![-0.0f32; 9];
            add_products(&table, &vector, -1.0, &mut sums);
            for (sum, row) in sums.iter().zip(table.chunks(8)) {
                let expected = -0.0 - dot(&vector, row);
                assert!(sum.to_bits() == expected.to_bits() || sum.is_nan() && expected.is_nan());
            }
        }
    }
}
