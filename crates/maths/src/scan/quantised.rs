//! Rows of numbers in a byte each, and what their products with a vector are at least and at
//! most: a table is passed over in a quarter of the memory, and only rows that may be among the
//! best are multiplied out.
//!
//! A row `x` is kept as whole numbers `q`, -63 to 63, with one unit `s`: `|x - s q| <= s / 2` for
//! each number. A vector `v` is taken as `t w`, -127 to 127, for the pass. Then, with `|.|` the sum
//! of magnitudes,
//!
//! ```text
//! |x v - s t (q w)| <= s |v| / 2 + s t |q| / 2
//! ```
//!
//! which is exact but for rounding; what [`dot`](crate::dense::dot) and the bounds themselves are
//! rounded by is allowed for. With seven bits two products of bytes fit into 16 bits, which is what
//! processors multiply and add at once; sums of whole numbers are the same on every processor.

/// The greatest whole number that a row's is kept as.
const MOST: f32 = 63.0;
/// What is added to a row's whole numbers, so that they are bytes without a sign.
const OFFSET: i32 = 64;
/// The greatest whole number that a vector's is taken as.
const MOST_OF_VECTOR: f32 = 127.0;
/// Rows that stand together, a step of each after another.
const GROUP: usize = 8;
/// Numbers of a row that stand together.
const STEP: usize = 4;

/// Half a unit, and what sums of single precision are off by at most, of that.
const HALF: f32 = 0.501;

/// What products of the smallest numbers are off by at most: they have few bits, or none.
const UNDERFLOW: f32 = 1e-40;

/// The least unit that is not rounded too much itself: rows of smaller numbers, unless all are 0,
/// and such vectors are not quantised.
const LEAST_UNIT: f32 = 1e-30;

/// Rows in a byte a number.
#[derive(Debug, Clone)]
pub struct QuantisedRows {
    length: usize,
    rows: usize,
    /// By groups of rows, then by steps, then by rows: each number with [`OFFSET`].
    bytes: Vec<[[u8; STEP]; GROUP]>,
    /// The unit of each row.
    units: Vec<f32>,
    /// The sum of each row's magnitudes, in its unit.
    magnitudes: Vec<f32>,
    greatest_unit: f32,
    greatest_magnitude: f32,
}

/// A vector as it is multiplied with quantised rows, and how far products may be off.
#[derive(Debug, Clone)]
pub struct QuantisedVector {
    steps: Vec<[i8; STEP]>,
    unit: f32,
    /// What [`OFFSET`] adds to every product.
    offset: i32,
    of_units: f32,
    of_magnitudes: f32,
}

impl QuantisedRows {
    /// Rows, each of `length` numbers, that follow one another. `None` for no rows, for rows of
    /// nothing or of more than 1,024 numbers, and where a number is not finite or a row has none but
    /// the smallest.
    #[must_use]
    pub fn of(rows: &[f32], length: usize) -> Option<Self> {
        let is_bounded = (1..=1_024).contains(&length) && !rows.is_empty();
        if !is_bounded || !rows.iter().all(|value| value.is_finite()) {
            return None;
        }
        let count = rows.len() / length;
        let steps = length.div_ceil(STEP);
        let mut quantised = Self {
            length,
            rows: count,
            bytes: vec![[[OFFSET as u8; STEP]; GROUP]; count.div_ceil(GROUP) * steps],
            units: Vec::with_capacity(count),
            magnitudes: Vec::with_capacity(count),
            greatest_unit: 0.0,
            greatest_magnitude: 0.0,
        };
        for (number, row) in rows.chunks_exact(length).enumerate() {
            let unit = unit_of(row, MOST)?;
            let mut magnitude = 0.0;
            for (at, value) in row.iter().enumerate() {
                let whole = whole(*value, unit, MOST);
                magnitude += whole.abs();
                let step = number / GROUP * steps + at / STEP;
                quantised.bytes[step][number % GROUP][at % STEP] = (whole as i32 + OFFSET) as u8;
            }
            quantised.greatest_unit = quantised.greatest_unit.max(unit);
            quantised.greatest_magnitude = quantised.greatest_magnitude.max(magnitude);
            quantised.units.push(unit);
            quantised.magnitudes.push(magnitude);
        }
        Some(quantised)
    }

    /// How many rows there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// What the product of each row with a vector is at least, in order of rows.
    ///
    /// # Panics
    /// When the vector has another length than the rows.
    #[must_use]
    pub fn at_least(&self, vector: &QuantisedVector) -> Vec<f32> {
        let steps = self.length.div_ceil(STEP);
        assert_eq!(vector.steps.len(), steps, "the vector is as long as the rows");
        let mut products = vec![0i32; self.rows.next_multiple_of(GROUP)];
        multiply(&self.bytes, &vector.steps, &mut products);
        let columns = products.iter().zip(&self.units).zip(&self.magnitudes);
        let least = columns.map(|((product, unit), magnitude)| {
            let product = (product - vector.offset) as f32 * vector.unit;
            unit * (product - vector.of_units - vector.of_magnitudes * magnitude) - UNDERFLOW
        });
        least.collect()
    }

    /// How much more than that the product of a row may be.
    ///
    /// # Panics
    /// When there is no such row.
    #[must_use]
    pub fn range(&self, vector: &QuantisedVector, row: usize) -> f32 {
        let magnitudes = vector.of_magnitudes * self.magnitudes[row];
        2.0 * (self.units[row] * (vector.of_units + magnitudes) + UNDERFLOW)
    }

    /// How much more than that the product of any row may be.
    #[must_use]
    pub fn greatest_range(&self, vector: &QuantisedVector) -> f32 {
        let magnitudes = vector.of_magnitudes * self.greatest_magnitude;
        2.0 * (self.greatest_unit * (vector.of_units + magnitudes) + UNDERFLOW)
    }
}

impl QuantisedVector {
    /// A vector of finite numbers; `None` for others, and for one of none but the smallest.
    #[must_use]
    pub fn of(vector: &[f32]) -> Option<Self> {
        let unit = unit_of(vector, MOST_OF_VECTOR)?;
        let magnitude: f32 = vector.iter().map(|value| value.abs()).sum();
        if !magnitude.is_finite() {
            return None;
        }
        let wholes: Vec<i8> =
            vector.iter().map(|value| whole(*value, unit, MOST_OF_VECTOR) as i8).collect();
        let step = |step: &[i8]| {
            let mut whole = [0; STEP];
            whole[..step.len()].copy_from_slice(step);
            whole
        };
        Some(Self {
            steps: wholes.chunks(STEP).map(step).collect(),
            unit,
            offset: OFFSET * wholes.iter().map(|whole| i32::from(*whole)).sum::<i32>(),
            of_units: HALF * magnitude,
            of_magnitudes: HALF * unit,
        })
    }
}

/// The unit in which the greatest magnitude is `most`; 0 where all are 0, `None` where it is too
/// small.
fn unit_of(values: &[f32], most: f32) -> Option<f32> {
    let greatest = values.iter().fold(0.0f32, |greatest, value| greatest.max(value.abs()));
    let unit = greatest / most;
    (greatest == 0.0 || unit >= LEAST_UNIT).then_some(unit)
}

fn whole(value: f32, unit: f32, most: f32) -> f32 {
    if unit > 0.0 { (value / unit).round().clamp(-most, most) } else { 0.0 }
}

fn multiply(bytes: &[[[u8; STEP]; GROUP]], vector: &[[i8; STEP]], products: &mut [i32]) {
    #[cfg(target_arch = "x86_64")]
    if let Some(simd) = pulp::x86::V3::try_new() {
        return simd.vectorize(x86::Multiply { simd, bytes, vector, products });
    }
    multiply_each(bytes, vector, products);
}

/// The same on any processor.
fn multiply_each(bytes: &[[[u8; STEP]; GROUP]], vector: &[[i8; STEP]], products: &mut [i32]) {
    for (products, group) in products.chunks_exact_mut(GROUP).zip(bytes.chunks_exact(vector.len()))
    {
        for (step, of_vector) in group.iter().zip(vector) {
            for (product, of_row) in products.iter_mut().zip(step) {
                let pairs = of_row.iter().zip(of_vector);
                *product += pairs.map(|(a, b)| i32::from(*a) * i32::from(*b)).sum::<i32>();
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::{__m256i, _MM_HINT_T0};

    use pulp::x86::V3;
    use pulp::{NullaryFnOnce, cast, i32x8, u8x32};

    use super::{GROUP, STEP};

    /// Steps that are asked for ahead of their turn, 32 bytes each.
    const AHEAD: usize = 128;

    pub(super) struct Multiply<'a> {
        pub(super) simd: V3,
        pub(super) bytes: &'a [[[u8; STEP]; GROUP]],
        pub(super) vector: &'a [[i8; STEP]],
        pub(super) products: &'a mut [i32],
    }

    impl NullaryFnOnce for Multiply<'_> {
        type Output = ();

        #[inline(always)]
        fn call(self) {
            match self.vector.len() {
                16 => self.multiply(16),
                steps => self.multiply(steps),
            }
        }
    }

    impl Multiply<'_> {
        #[inline(always)]
        fn multiply(self, steps: usize) {
            let Self { simd, bytes, vector, products } = self;
            let vector = &vector[..steps];
            let ones = simd.splat_i16x16(1);
            for (number, products) in products.as_chunks_mut::<GROUP>().0.iter_mut().enumerate() {
                let start = number * steps;
                let group = &bytes[start..start + steps];
                prefetch(simd, bytes, start + AHEAD, steps);
                let mut sum: __m256i = cast(simd.splat_i32x8(0));
                for (of_rows, of_vector) in group.iter().zip(vector) {
                    let of_rows: u8x32 = cast(*of_rows);
                    let of_vector =
                        simd.splat_i32x8(i32::from_ne_bytes(of_vector.map(|v| v as u8)));
                    // 127 * 127 * 2 is less than 2^15: nothing is cut off.
                    let pairs = simd.avx2._mm256_maddubs_epi16(cast(of_rows), cast(of_vector));
                    let fours = simd.avx2._mm256_madd_epi16(pairs, cast(ones));
                    sum = simd.avx2._mm256_add_epi32(sum, fours);
                }
                let sum: i32x8 = cast(sum);
                *products = cast(sum);
            }
        }
    }

    #[inline(always)]
    fn prefetch(simd: V3, bytes: &[[[u8; STEP]; GROUP]], from: usize, steps: usize) {
        let Some(ahead) = bytes.get(from..from + steps) else { return };
        // Two steps are a line.
        for line in ahead.iter().step_by(2) {
            simd.sse._mm_prefetch::<_MM_HINT_T0>(line.as_ptr().cast());
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::dense::dot;

    fn drawn(seed: u64, length: usize, scale: f32) -> Vec<f32> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        (0..length).map(|_| scale * rng.random_range(-1.0f32..1.0).powi(3)).collect()
    }

    proptest! {
        #[test]
        fn products_are_between_their_bounds_and_these_are_near(
            seed in any::<u64>(), rows in 1usize..40, factors in 1usize..100,
            exponents in (-22i32..15, -22i32..15),
        ) {
            let scales = (10f32.powi(exponents.0), 10f32.powi(exponents.1));
            let table = drawn(seed, rows * factors, scales.0);
            let vector = drawn(seed ^ 1, factors, scales.1);
            let quantised = QuantisedRows::of(&table, factors).unwrap();
            let by = QuantisedVector::of(&vector).unwrap();
            let least = quantised.at_least(&by);
            prop_assert_eq!(least.len(), rows);
            for (row, least) in least.into_iter().enumerate() {
                let of_row = &table[row * factors..(row + 1) * factors];
                let (product, range) = (dot(of_row, &vector), quantised.range(&by, row));
                prop_assert!(least <= product && product <= least + range);
                prop_assert!(range <= quantised.greatest_range(&by));
                let magnitude = |values: &[f32]| values.iter().fold(0.0f32, |m, v| m.max(v.abs()));
                let most = magnitude(of_row) * magnitude(&vector) * factors as f32;
                prop_assert!(range <= 0.03 * most + 1e-39, "{} {}", range, most);
            }
        }

        #[test]
        fn every_processor_gives_the_same_sums(
            seed in any::<u64>(), groups in 0usize..9, steps in 1usize..40,
        ) {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let bytes: Vec<[[u8; STEP]; GROUP]> = (0..groups * steps)
                .map(|_| std::array::from_fn(|_| std::array::from_fn(|_| rng.random_range(1..=127))))
                .collect();
            let vector: Vec<[i8; STEP]> =
                (0..steps).map(|_| std::array::from_fn(|_| rng.random_range(-127..=127))).collect();
            let (mut one, mut other) = (vec![0; groups * GROUP], vec![0; groups * GROUP]);
            multiply(&bytes, &vector, &mut one);
            multiply_each(&bytes, &vector, &mut other);
            prop_assert_eq!(one, other);
        }
    }

    #[test]
    fn the_greatest_bytes_are_not_cut_off() {
        let bytes = vec![[[127u8; STEP]; GROUP]; 16];
        for value in [-127i8, 127] {
            let mut products = vec![0; GROUP];
            multiply(&bytes, &[[value; STEP]; 16], &mut products);
            assert_eq!(products, [127 * i32::from(value) * 64; GROUP]);
        }
    }

    #[test]
    fn what_is_not_finite_or_nothing_is_not_quantised() {
        assert!(QuantisedRows::of(&[1.0, f32::NAN], 2).is_none());
        assert!(QuantisedRows::of(&[f32::INFINITY], 1).is_none());
        assert!(QuantisedRows::of(&[], 2).is_none());
        assert!(QuantisedRows::of(&[1.0], 0).is_none());
        assert!(QuantisedRows::of(&[1.0, 1e-40], 1).is_none());
        assert!(QuantisedVector::of(&[1e-35]).is_none());
        assert!(QuantisedVector::of(&[f32::NAN]).is_none());
        assert!(QuantisedVector::of(&[f32::MAX, f32::MAX]).is_none());
        let zeros = QuantisedRows::of(&[0.0; 6], 2).unwrap();
        let least = zeros.at_least(&QuantisedVector::of(&[0.0, 0.0]).unwrap());
        assert_eq!(least, [-UNDERFLOW; 3]);
    }
}
