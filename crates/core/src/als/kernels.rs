//! The inner loops of the solver, written once over vectors of any width.
//!
//! `pulp` picks AVX-512, AVX2 or NEON at run time and compiles each function
//! here for it; on other processors, and as the twin in the tests, the same
//! code runs on scalars. Every row is a multiple of 16 floats, so no loop has
//! a remainder.

use pulp::Simd;

/// A row as vectors.
#[inline(always)]
pub(super) fn vectors<S: Simd>(row: &[f32]) -> &[S::f32s] {
    S::as_simd_f32s(row).0
}

/// A row as vectors.
#[inline(always)]
pub(super) fn vectors_mut<S: Simd>(row: &mut [f32]) -> &mut [S::f32s] {
    S::as_mut_simd_f32s(row).0
}

/// Rows of one matrix, picked by number.
#[derive(Clone, Copy)]
pub(super) struct PickedRows<'a> {
    pub(super) all: &'a [f32],
    pub(super) length: usize,
    pub(super) numbers: &'a [u32],
}

impl<'a> PickedRows<'a> {
    #[inline(always)]
    pub(super) fn row(&self, at: usize) -> &'a [f32] {
        let start = self.numbers[at] as usize * self.length;
        &self.all[start..start + self.length]
    }

    /// Asks the processor to fetch a row it will need soon.
    #[inline(always)]
    pub(super) fn prefetch(&self, at: usize) {
        let Some(&number) = self.numbers.get(at) else { return };
        let start = number as usize * self.length;
        if let Some(row) = self.all.get(start..start + self.length) {
            row.chunks(super::padded::LINE).for_each(prefetch_line);
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn prefetch_line(line: &[f32]) {
    use pulp::core_arch::x86::Sse;
    use std::arch::x86_64::_MM_HINT_T0;
    if let Some(sse) = Sse::try_new() {
        sse._mm_prefetch::<_MM_HINT_T0>(line.as_ptr().cast());
    }
}

// The other processors have no stable prefetch instruction in Rust; they rely
// on executing far ahead.
#[cfg(not(target_arch = "x86_64"))]
#[inline(always)]
fn prefetch_line(_line: &[f32]) {}

#[inline(always)]
pub(super) fn dot<S: Simd>(simd: S, a: &[f32], b: &[f32]) -> f32 {
    let mut sum = simd.splat_f32s(0.0);
    for (a, b) in vectors::<S>(a).iter().zip(vectors::<S>(b)) {
        sum = simd.mul_add_f32s(*a, *b, sum);
    }
    simd.reduce_sum_f32s(sum)
}

/// `target += factor * source`.
#[inline(always)]
pub(super) fn add_scaled<S: Simd>(simd: S, target: &mut [f32], factor: f32, source: &[f32]) {
    let factor = simd.splat_f32s(factor);
    for (t, s) in vectors_mut::<S>(target).iter_mut().zip(vectors::<S>(source)) {
        *t = simd.mul_add_f32s(factor, *s, *t);
    }
}

/// `target = source + factor * target`.
#[inline(always)]
pub(super) fn scale_and_add<S: Simd>(simd: S, target: &mut [f32], factor: f32, source: &[f32]) {
    let factor = simd.splat_f32s(factor);
    for (t, s) in vectors_mut::<S>(target).iter_mut().zip(vectors::<S>(source)) {
        *t = simd.mul_add_f32s(factor, *t, *s);
    }
}

/// `target = a * b`, element by element.
#[inline(always)]
pub(super) fn multiply<S: Simd>(simd: S, target: &mut [f32], a: &[f32], b: &[f32]) {
    let factors = vectors::<S>(a).iter().zip(vectors::<S>(b));
    for (t, (a, b)) in vectors_mut::<S>(target).iter_mut().zip(factors) {
        *t = simd.mul_f32s(*a, *b);
    }
}

/// Rows handled at once, so that the vector they meet is loaded once for all.
const GROUP: usize = 8;
/// `q += sum_i weight(c_i, y_i . p) y_i` over picked rows `y` with confidences `c`.
/// With `is_first`, rows are asked for ahead of their turn: in later passes they
/// are in the cache. (Copying them to one place first costs more than it saves.)
#[inline(always)]
pub(super) fn add_weighted_rows<S: Simd>(
    simd: S,
    (picked, confidences): (PickedRows<'_>, &[f32]),
    weight: impl Fn(f32, f32) -> f32 + Copy,
    is_first: bool,
    (p, q): (&[f32], &mut [f32]),
) {
    let (p, q) = (vectors::<S>(p), vectors_mut::<S>(q));
    let mut at = 0;
    while at + GROUP <= confidences.len() {
        if is_first {
            (at + GROUP..at + 2 * GROUP).for_each(|next| picked.prefetch(next));
        }
        add_group::<S, GROUP>(simd, (picked, at), confidences, weight, (p, q));
        at += GROUP;
    }
    if at + GROUP / 2 <= confidences.len() {
        add_group::<S, { GROUP / 2 }>(simd, (picked, at), confidences, weight, (p, q));
        at += GROUP / 2;
    }
    while at < confidences.len() {
        add_group::<S, 1>(simd, (picked, at), confidences, weight, (p, q));
        at += 1;
    }
}

/// The group of `N` rows from a position on.
#[inline(always)]
fn add_group<S: Simd, const N: usize>(
    simd: S,
    (picked, at): (PickedRows<'_>, usize),
    confidences: &[f32],
    weight: impl Fn(f32, f32) -> f32,
    (p, q): (&[S::f32s], &mut [S::f32s]),
) {
    let length = p.len();
    // Loops instead of closures over arrays: those would not be compiled for
    // the instructions that `S` stands for.
    let mut each: [&[S::f32s]; N] = [&[]; N];
    for (offset, each) in each.iter_mut().enumerate() {
        *each = &vectors::<S>(picked.row(at + offset))[..length];
    }
    let mut sums = [simd.splat_f32s(0.0); N];
    for (k, p) in p.iter().enumerate() {
        for (sum, row) in sums.iter_mut().zip(each) {
            *sum = simd.mul_add_f32s(row[k], *p, *sum);
        }
    }
    let mut weights = sums;
    for (value, confidence) in weights.iter_mut().zip(&confidences[at..]) {
        *value = simd.splat_f32s(weight(*confidence, simd.reduce_sum_f32s(*value)));
    }
    for (k, q) in q[..length].iter_mut().enumerate() {
        let mut sum = *q;
        for (weight, row) in weights.iter().zip(each) {
            sum = simd.mul_add_f32s(row[k], *weight, sum);
        }
        *q = sum;
    }
}

/// The left factor of a product: element `(i, k)` lies at `i * row + k * column`.
#[derive(Clone, Copy)]
pub(super) struct Strided<'a> {
    pub(super) values: &'a [f32],
    pub(super) row: usize,
    pub(super) column: usize,
}

/// A tile of `R` rows by `W` vectors: `target += left right`, where `right` has
/// rows of `length` floats, of which `columns` are taken, and so has `target`.
#[inline(always)]
fn add_product_tile<S: Simd, const R: usize, const W: usize>(
    simd: S,
    (left, first_row): (Strided<'_>, usize),
    (right, depth, length): (&[f32], usize, usize),
    first_column: usize,
    target: &mut [f32],
) {
    let width = W * S::F32_LANES;
    let mut sums = [[simd.splat_f32s(0.0); W]; R];
    let mut left_at = first_row * left.row;
    for right in right.chunks_exact(length).take(depth) {
        let right = &vectors::<S>(&right[first_column..first_column + width])[..W];
        let left_values = &left.values[left_at..];
        for r in 0..R {
            let value = simd.splat_f32s(left_values[r * left.row]);
            for w in 0..W {
                sums[r][w] = simd.mul_add_f32s(value, right[w], sums[r][w]);
            }
        }
        left_at += left.column;
    }
    for (r, sums) in sums.iter().enumerate() {
        let start = (first_row + r) * length + first_column;
        let target = &mut vectors_mut::<S>(&mut target[start..start + width])[..W];
        for w in 0..W {
            target[w] = simd.add_f32s(target[w], sums[w]);
        }
    }
}

/// Floats that a tile is wide: a cache line, however wide a vector is.
const TILE_WIDTH: usize = super::padded::LINE;
/// Rows of a tile: with its width, enough independent sums to hide the latency
/// of a multiplication.
pub(super) const TILE_ROWS: usize = 4;

#[inline(always)]
fn add_product_block<S: Simd>(
    simd: S,
    left: (Strided<'_>, usize),
    right: (&[f32], usize, usize),
    first_column: usize,
    target: &mut [f32],
) {
    match S::F32_LANES {
        16 => add_product_tile::<S, TILE_ROWS, 1>(simd, left, right, first_column, target),
        8 => add_product_tile::<S, TILE_ROWS, 2>(simd, left, right, first_column, target),
        4 => add_product_tile::<S, TILE_ROWS, 4>(simd, left, right, first_column, target),
        _ => add_product_tile::<S, TILE_ROWS, TILE_WIDTH>(simd, left, right, first_column, target),
    }
}

/// Upper triangle of `target += rows' rows`, in tiles: some of the lower one is
/// written as well. `rows` has rows of `length`, `target` is `length x length`.
/// `between` is called between tiles, to overlap other work.
#[inline(always)]
pub(super) fn add_gram<S: Simd>(
    simd: S,
    rows: &[f32],
    length: usize,
    target: &mut [f32],
    mut between: impl FnMut(),
) {
    let depth = rows.len() / length;
    let left = Strided { values: rows, row: 1, column: length };
    for first_row in (0..length).step_by(TILE_ROWS) {
        let from = first_row - first_row % TILE_WIDTH;
        for first_column in (from..length).step_by(TILE_WIDTH) {
            let right = (rows, depth, length);
            add_product_block(simd, (left, first_row), right, first_column, target);
            between();
        }
    }
}

/// `rows := rows basis`, where `basis` is `length x length`. `scratch` is
/// `TILE_ROWS x length`.
#[inline(always)]
pub(super) fn rotate<S: Simd>(
    simd: S,
    rows: &mut [f32],
    (basis, length): (&[f32], usize),
    scratch: &mut [f32],
) {
    for rows in rows.chunks_mut(TILE_ROWS * length) {
        scratch.fill(0.0);
        scratch[..rows.len()].copy_from_slice(rows);
        // Rows beyond the last are zero in scratch and not written back.
        let left = Strided { values: scratch, row: length, column: 1 };
        let mut tile = [0.0f32; TILE_ROWS * TILE_WIDTH];
        for first_column in (0..length).step_by(TILE_WIDTH) {
            tile.fill(0.0);
            rotate_tile(simd, left, (basis, length), first_column, &mut tile);
            for (row, tile) in rows.chunks_mut(length).zip(tile.chunks(TILE_WIDTH)) {
                row[first_column..first_column + TILE_WIDTH].copy_from_slice(tile);
            }
        }
    }
}

#[inline(always)]
fn rotate_tile<S: Simd>(
    simd: S,
    left: Strided<'_>,
    (basis, length): (&[f32], usize),
    first_column: usize,
    tile: &mut [f32],
) {
    match S::F32_LANES {
        16 => product_tile::<S, 1>(simd, left, (basis, length), first_column, tile),
        8 => product_tile::<S, 2>(simd, left, (basis, length), first_column, tile),
        4 => product_tile::<S, 4>(simd, left, (basis, length), first_column, tile),
        _ => product_tile::<S, TILE_WIDTH>(simd, left, (basis, length), first_column, tile),
    }
}

/// `tile = left right` for `TILE_ROWS` rows and the columns of one tile.
#[inline(always)]
fn product_tile<S: Simd, const W: usize>(
    simd: S,
    left: Strided<'_>,
    (right, length): (&[f32], usize),
    first_column: usize,
    tile: &mut [f32],
) {
    let mut sums = [[simd.splat_f32s(0.0); W]; TILE_ROWS];
    for (k, right) in right.chunks_exact(length).enumerate() {
        let right = &vectors::<S>(&right[first_column..first_column + TILE_WIDTH])[..W];
        for (r, sums) in sums.iter_mut().enumerate() {
            let value = simd.splat_f32s(left.values[r * left.row + k * left.column]);
            for (sum, right) in sums.iter_mut().zip(right) {
                *sum = simd.mul_add_f32s(value, *right, *sum);
            }
        }
    }
    for (sums, row) in sums.iter().zip(tile.chunks_mut(TILE_WIDTH)) {
        vectors_mut::<S>(row)[..W].copy_from_slice(sums);
    }
}

/// `target = factor * source`.
#[inline(always)]
pub(super) fn scale<S: Simd>(simd: S, target: &mut [f32], factor: f32, source: &[f32]) {
    let factor = simd.splat_f32s(factor);
    for (t, s) in vectors_mut::<S>(target).iter_mut().zip(vectors::<S>(source)) {
        *t = simd.mul_f32s(factor, *s);
    }
}

/// `target += matrix p` for a symmetric matrix of `p.len()` rows.
#[inline(always)]
pub(super) fn add_matrix_vector<S: Simd>(simd: S, matrix: &[f32], p: &[f32], target: &mut [f32]) {
    let length = p.len();
    let target = &mut vectors_mut::<S>(target)[..length / S::F32_LANES];
    for (rows, p) in matrix.chunks_exact(GROUP * length).zip(p.chunks_exact(GROUP)) {
        let mut picked: [&[S::f32s]; GROUP] = [&[]; GROUP];
        for (picked, row) in picked.iter_mut().zip(rows.chunks_exact(length)) {
            *picked = &vectors::<S>(row)[..target.len()];
        }
        let mut factors = [simd.splat_f32s(0.0); GROUP];
        for (factor, p) in factors.iter_mut().zip(p) {
            *factor = simd.splat_f32s(*p);
        }
        for (k, target) in target.iter_mut().enumerate() {
            let mut sum = *target;
            for (factor, row) in factors.iter().zip(picked) {
                sum = simd.mul_add_f32s(row[k], *factor, sum);
            }
            *target = sum;
        }
    }
}
