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

/// Rows handled at once, so that the vectors they meet are loaded once for all:
/// as many as there are registers for.
const GROUP: usize = 8;

/// `q += sum_i weight(c_i, y_i . p) y_i` over picked rows `y` with confidences `c`,
/// where `weight(0, _)` is 0. With `is_first`, rows are asked for ahead of their
/// turn: in later passes they are in the cache. (Copying them to one place first
/// costs more than it saves.)
#[inline(always)]
pub(super) fn add_weighted_rows<S: Simd>(
    simd: S,
    rows: (PickedRows<'_>, &[f32]),
    weight: impl Fn(f32, f32) -> f32 + Copy,
    is_first: bool,
    (p, q): (&[f32], &mut [f32]),
) {
    // The usual lengths are compiled on their own: all of `p` and `q` then stays
    // in registers.
    match p.len() {
        64 => weighted_rows(simd, rows, weight, is_first, (&p[..64], &mut q[..64])),
        128 => weighted_rows(simd, rows, weight, is_first, (&p[..128], &mut q[..128])),
        _ => weighted_rows(simd, rows, weight, is_first, (p, q)),
    }
}

#[inline(always)]
fn weighted_rows<S: Simd>(
    simd: S,
    (picked, confidences): (PickedRows<'_>, &[f32]),
    weight: impl Fn(f32, f32) -> f32 + Copy,
    is_first: bool,
    (p, q): (&[f32], &mut [f32]),
) {
    let picked = PickedRows { length: p.len(), ..picked };
    let (p, q) = (vectors::<S>(p), vectors_mut::<S>(q));
    let sums = Sums::detect::<S>();
    let numbers = &picked.numbers[..confidences.len()];
    let groups = numbers.chunks_exact(GROUP).zip(confidences.chunks_exact(GROUP));
    for (at, (numbers, own)) in groups.enumerate() {
        if is_first {
            let next = (at + 1) * GROUP;
            (next..next + GROUP).for_each(|next| picked.prefetch(next));
        }
        let group = PickedRows { numbers, ..picked };
        add_group::<S, GROUP>((simd, sums), (group, own), weight, (p, q));
    }
    // The rest is filled up with its last row, weighing nothing.
    let rest = confidences.len() % GROUP;
    let Some(&last) = numbers.last().filter(|_| rest > 0) else { return };
    let (mut filled, mut own) = ([last; GROUP], [0.0; GROUP]);
    filled[..rest].copy_from_slice(&numbers[numbers.len() - rest..]);
    own[..rest].copy_from_slice(&confidences[confidences.len() - rest..]);
    let group = PickedRows { numbers: &filled, ..picked };
    if rest <= GROUP / 2 {
        add_group::<S, { GROUP / 2 }>((simd, sums), (group, &own), weight, (p, q));
    } else {
        add_group::<S, GROUP>((simd, sums), (group, &own), weight, (p, q));
    }
}

/// The first `N` rows.
#[inline(always)]
fn add_group<S: Simd, const N: usize>(
    (simd, reduce): (S, Sums),
    (picked, confidences): (PickedRows<'_>, &[f32]),
    weight: impl Fn(f32, f32) -> f32,
    (p, q): (&[S::f32s], &mut [S::f32s]),
) {
    // Loops instead of closures over arrays: those would not be compiled for
    // the instructions that `S` stands for.
    let mut each: [&[S::f32s]; N] = [&[]; N];
    for (at, each) in each.iter_mut().enumerate() {
        *each = &vectors::<S>(picked.row(at))[..p.len()];
    }
    let mut products = [simd.splat_f32s(0.0); N];
    for (k, p) in p.iter().enumerate() {
        for (product, row) in products.iter_mut().zip(each) {
            *product = simd.mul_add_f32s(row[k], *p, *product);
        }
    }
    let products = reduce.of(simd, products);
    let mut weights = [simd.splat_f32s(0.0); N];
    for ((value, product), confidence) in weights.iter_mut().zip(products).zip(confidences) {
        *value = simd.splat_f32s(weight(*confidence, product));
    }
    for (k, q) in q[..p.len()].iter_mut().enumerate() {
        // Two sums, and `q` last: a chain of additions to it would be waited for.
        let mut even = simd.mul_f32s(each[0][k], weights[0]);
        let mut odd = simd.mul_f32s(each[1][k], weights[1]);
        for at in (2..N).step_by(2) {
            even = simd.mul_add_f32s(each[at][k], weights[at], even);
            odd = simd.mul_add_f32s(each[at + 1][k], weights[at + 1], odd);
        }
        *q = simd.add_f32s(*q, simd.add_f32s(even, odd));
    }
}

/// Most rows of a small system.
pub(super) const SMALL: usize = GROUP;

/// The products `d (y_i * y_j)`, element by element, of up to [`SMALL`] picked
/// rows: row `i` of the result holds those with `j <= i`. `scaled` receives `d y_i`.
#[inline(always)]
pub(super) fn small_gram<S: Simd>(
    simd: S,
    picked: PickedRows<'_>,
    d: &[f32],
    scaled: &mut [f32],
) -> [[f32; SMALL]; SMALL] {
    let length = d.len();
    let sums = Sums::detect::<S>();
    let mut gram = [[0.0; SMALL]; SMALL];
    let mut each: [&[S::f32s]; SMALL] = [vectors::<S>(picked.row(0)); SMALL];
    for (at, each) in each.iter_mut().enumerate().take(picked.numbers.len()) {
        *each = vectors::<S>(picked.row(at));
    }
    for (i, scaled) in scaled.chunks_exact_mut(length).enumerate() {
        multiply(simd, scaled, picked.row(i), d);
        let mut products = [simd.splat_f32s(0.0); SMALL];
        for (k, own) in vectors::<S>(scaled).iter().enumerate() {
            for (product, row) in products.iter_mut().zip(each).take(i + 1) {
                *product = simd.mul_add_f32s(row[k], *own, *product);
            }
        }
        gram[i] = sums.of(simd, products);
    }
    gram
}

/// Sums the numbers within each of several vectors. Where the processor is known
/// here, it does so for all of them at once: one by one, that takes longer than
/// the products they come from.
#[derive(Clone, Copy)]
struct Sums {
    #[cfg(target_arch = "x86_64")]
    wide: Option<pulp::x86::V4>,
    #[cfg(target_arch = "x86_64")]
    narrow: Option<pulp::x86::V3>,
}

impl Sums {
    #[inline(always)]
    fn detect<S: Simd>() -> Self {
        Self {
            #[cfg(target_arch = "x86_64")]
            wide: if S::F32_LANES == 16 { pulp::x86::V4::try_new() } else { None },
            #[cfg(target_arch = "x86_64")]
            narrow: if S::F32_LANES == 8 { pulp::x86::V3::try_new() } else { None },
        }
    }

    #[inline(always)]
    fn of<S: Simd, const N: usize>(self, simd: S, vectors: [S::f32s; N]) -> [f32; N] {
        #[cfg(target_arch = "x86_64")]
        match (S::F32_LANES, self.wide, self.narrow) {
            (16, Some(wide), _) => return x86::sums_of_wide::<S, N>(wide, vectors),
            (8, _, Some(narrow)) => return x86::sums_of_narrow::<S, N>(narrow, vectors),
            _ => (),
        }
        let mut sums = [0.0; N];
        for (sum, vector) in sums.iter_mut().zip(vectors) {
            *sum = simd.reduce_sum_f32s(vector);
        }
        sums
    }
}

/// Sums within 4 or 8 vectors at once, by the instructions of x86 processors.
/// Vectors are passed by value: in memory, they would be stored and loaded again
/// for every product that is added to them.
#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::{__m256, __m512};

    use pulp::Simd;
    use pulp::bytemuck::cast;
    use pulp::x86::{V3, V4};

    #[inline(always)]
    pub(super) fn sums_of_wide<S: Simd, const N: usize>(
        simd: V4,
        vectors: [S::f32s; N],
    ) -> [f32; N] {
        let first = quarters512::<S, N>(simd, vectors, 0);
        let second = if N == 8 { quarters512::<S, N>(simd, vectors, 4) } else { first };
        let halves = halves512(simd, first, second);
        let sums: [f32; 16] = cast(halves512(simd, halves, halves));
        first_of(sums)
    }

    #[inline(always)]
    pub(super) fn sums_of_narrow<S: Simd, const N: usize>(
        simd: V3,
        vectors: [S::f32s; N],
    ) -> [f32; N] {
        let first = halves256::<S, N>(simd, vectors, 0);
        let second = if N == 8 { halves256::<S, N>(simd, vectors, 4) } else { first };
        let low = simd.avx._mm256_permute2f128_ps::<0x20>(first, second);
        let high = simd.avx._mm256_permute2f128_ps::<0x31>(first, second);
        let sums: [f32; 8] = cast(simd.avx._mm256_add_ps(low, high));
        first_of(sums)
    }

    #[inline(always)]
    fn first_of<const N: usize, const M: usize>(sums: [f32; M]) -> [f32; N] {
        let mut first = [0.0; N];
        first.copy_from_slice(&sums[..N]);
        first
    }

    /// Of four vectors: in each quarter, what this quarter of each adds up to.
    #[inline(always)]
    fn quarters512<S: Simd, const N: usize>(simd: V4, of: [S::f32s; N], at: usize) -> __m512 {
        let a = cast(pairs512(simd, cast(of[at]), cast(of[at + 1])));
        let b = cast(pairs512(simd, cast(of[at + 2]), cast(of[at + 3])));
        let even = cast(simd.avx512f._mm512_unpacklo_pd(a, b));
        let odd = cast(simd.avx512f._mm512_unpackhi_pd(a, b));
        simd.avx512f._mm512_add_ps(even, odd)
    }

    #[inline(always)]
    fn pairs512(simd: V4, a: __m512, b: __m512) -> __m512 {
        let low = simd.avx512f._mm512_unpacklo_ps(a, b);
        simd.avx512f._mm512_add_ps(low, simd.avx512f._mm512_unpackhi_ps(a, b))
    }

    /// The sums of neighbouring quarters of two vectors.
    #[inline(always)]
    fn halves512(simd: V4, a: __m512, b: __m512) -> __m512 {
        let even = simd.avx512f._mm512_shuffle_f32x4::<0b10_00_10_00>(a, b);
        let odd = simd.avx512f._mm512_shuffle_f32x4::<0b11_01_11_01>(a, b);
        simd.avx512f._mm512_add_ps(even, odd)
    }

    /// Of four vectors: in each half, what this half of each adds up to.
    #[inline(always)]
    fn halves256<S: Simd, const N: usize>(simd: V3, of: [S::f32s; N], at: usize) -> __m256 {
        let low = simd.avx._mm256_hadd_ps(cast(of[at]), cast(of[at + 1]));
        let high = simd.avx._mm256_hadd_ps(cast(of[at + 2]), cast(of[at + 3]));
        simd.avx._mm256_hadd_ps(low, high)
    }
}

/// Floats that a tile is wide: a cache line, however wide a vector is.
const TILE_WIDTH: usize = super::padded::LINE;
/// Rows of a tile: with its width, enough independent sums to hide the latency
/// of a multiplication.
pub(super) const TILE_ROWS: usize = 8;

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
    for first_row in (0..length).step_by(TILE_ROWS) {
        let from = first_row - first_row % TILE_WIDTH;
        for first_column in (from..length).step_by(TILE_WIDTH) {
            let tile = (first_row, first_column);
            match S::F32_LANES {
                16 => add_gram_tile::<S, TILE_ROWS, 1>(simd, (rows, length), tile, target),
                8 => add_gram_halves::<S, 2>(simd, (rows, length), tile, target),
                4 => add_gram_halves::<S, 4>(simd, (rows, length), tile, target),
                _ => add_gram_halves::<S, TILE_WIDTH>(simd, (rows, length), tile, target),
            }
            between();
        }
    }
}

/// Half the rows of a tile at a time, where there are no registers for all.
#[inline(always)]
fn add_gram_halves<S: Simd, const W: usize>(
    simd: S,
    rows: (&[f32], usize),
    (first_row, first_column): (usize, usize),
    target: &mut [f32],
) {
    const HALF: usize = TILE_ROWS / 2;
    add_gram_tile::<S, HALF, W>(simd, rows, (first_row, first_column), target);
    add_gram_tile::<S, HALF, W>(simd, rows, (first_row + HALF, first_column), target);
}

/// The tile of `R` rows by `W` vectors.
#[inline(always)]
fn add_gram_tile<S: Simd, const R: usize, const W: usize>(
    simd: S,
    (rows, length): (&[f32], usize),
    (first_row, first_column): (usize, usize),
    target: &mut [f32],
) {
    let width = W * S::F32_LANES;
    let mut sums = [[simd.splat_f32s(0.0); W]; R];
    for row in rows.chunks_exact(length) {
        let right = &vectors::<S>(&row[first_column..first_column + width])[..W];
        let left = &row[first_row..first_row + R];
        for (sums, left) in sums.iter_mut().zip(left) {
            let left = simd.splat_f32s(*left);
            for (sum, right) in sums.iter_mut().zip(right) {
                *sum = simd.mul_add_f32s(left, *right, *sum);
            }
        }
    }
    for (r, sums) in sums.iter().enumerate() {
        let start = (first_row + r) * length + first_column;
        let target = &mut vectors_mut::<S>(&mut target[start..start + width])[..W];
        for (target, sum) in target.iter_mut().zip(sums) {
            *target = simd.add_f32s(*target, *sum);
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
        // Rows beyond the last are zero in scratch and not written back.
        scratch.fill(0.0);
        scratch[..rows.len()].copy_from_slice(rows);
        for first_column in (0..length).step_by(TILE_WIDTH) {
            let (first, second) = scratch.split_at(TILE_ROWS / 2 * length);
            let target = (&mut *rows, first_column);
            match S::F32_LANES {
                16 => rotate_tile::<S, TILE_ROWS, 1>(simd, scratch, (basis, length), target),
                8 => rotate_halves::<S, 2>(simd, (first, second), (basis, length), target),
                4 => rotate_halves::<S, 4>(simd, (first, second), (basis, length), target),
                _ => rotate_halves::<S, TILE_WIDTH>(simd, (first, second), (basis, length), target),
            }
        }
    }
}

/// Half the rows of a tile at a time, where there are no registers for all.
#[inline(always)]
fn rotate_halves<S: Simd, const W: usize>(
    simd: S,
    (first, second): (&[f32], &[f32]),
    basis: (&[f32], usize),
    (target, first_column): (&mut [f32], usize),
) {
    const HALF: usize = TILE_ROWS / 2;
    let (upper, lower) = target.split_at_mut(target.len().min(HALF * basis.1));
    rotate_tile::<S, HALF, W>(simd, first, basis, (upper, first_column));
    if !lower.is_empty() {
        rotate_tile::<S, HALF, W>(simd, second, basis, (lower, first_column));
    }
}

/// `target = left basis` for the columns of one tile and `R` rows, as far as
/// `target` has them.
#[inline(always)]
fn rotate_tile<S: Simd, const R: usize, const W: usize>(
    simd: S,
    left: &[f32],
    (basis, length): (&[f32], usize),
    (target, first_column): (&mut [f32], usize),
) {
    let width = W * S::F32_LANES;
    let mut rows: [&[f32]; R] = [&[]; R];
    for (row, left) in rows.iter_mut().zip(left.chunks_exact(length)) {
        *row = left;
    }
    let mut sums = [[simd.splat_f32s(0.0); W]; R];
    for (k, right) in basis.chunks_exact(length).enumerate() {
        let right = &vectors::<S>(&right[first_column..first_column + width])[..W];
        for (sums, row) in sums.iter_mut().zip(rows) {
            let value = simd.splat_f32s(row[k]);
            for (sum, right) in sums.iter_mut().zip(right) {
                *sum = simd.mul_add_f32s(value, *right, *sum);
            }
        }
    }
    for (row, sums) in target.chunks_exact_mut(length).zip(sums) {
        let tile = &mut row[first_column..first_column + width];
        vectors_mut::<S>(tile)[..W].copy_from_slice(&sums);
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

/// Rows of a matrix that a vector is multiplied with at once.
const TOGETHER: usize = 8;

/// `target += matrix p` for a symmetric matrix of `p.len()` rows.
#[inline(always)]
pub(super) fn add_matrix_vector<S: Simd>(simd: S, matrix: &[f32], p: &[f32], target: &mut [f32]) {
    let length = p.len();
    let target = &mut vectors_mut::<S>(target)[..length / S::F32_LANES];
    for (rows, p) in matrix.chunks_exact(TOGETHER * length).zip(p.chunks_exact(TOGETHER)) {
        let mut picked: [&[S::f32s]; TOGETHER] = [&[]; TOGETHER];
        for (picked, row) in picked.iter_mut().zip(rows.chunks_exact(length)) {
            *picked = &vectors::<S>(row)[..target.len()];
        }
        let mut factors = [simd.splat_f32s(0.0); TOGETHER];
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
