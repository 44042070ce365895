//! What is done to rows of numbers element by element, and sums over them.
//!
//! Plain loops that the compiler turns into vector instructions; [`vectorised`] has them
//! compiled for those that the processor has. Sums run in sixteen independent lanes.

use pulp::Arch;

use super::real::Real;

const LANES: usize = 16;

/// Runs what is inlined into `work` with the best instructions there are.
#[inline(always)]
pub(super) fn vectorised<R>(work: impl FnOnce() -> R) -> R {
    Arch::new().dispatch(work)
}

/// Room for `length` numbers; what they are is for the caller to say.
pub(super) fn room<F: Real>(buffer: &mut Vec<F>, length: usize) -> &mut [F] {
    buffer.resize(length, F::of(0.0));
    buffer
}

/// The sum of `of(a, b)` over pairs.
#[inline(always)]
fn summed<F: Real>(a: &[F], b: &[F], of: impl Fn(F, F) -> F) -> F {
    let mut lanes = [F::of(0.0); LANES];
    let (whole_a, whole_b) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let mut rest = F::of(0.0);
    for (a, b) in whole_a.remainder().iter().zip(whole_b.remainder()) {
        rest = rest + of(*a, *b);
    }
    for (a, b) in whole_a.zip(whole_b) {
        for ((lane, a), b) in lanes.iter_mut().zip(a).zip(b) {
            *lane = *lane + of(*a, *b);
        }
    }
    lanes.into_iter().fold(rest, |sum, lane| sum + lane)
}

/// The sum of the products.
#[inline(always)]
pub(super) fn dot<F: Real>(a: &[F], b: &[F]) -> F {
    summed(a, b, |a, b| a * b)
}

/// The sum.
#[inline(always)]
pub(super) fn sum<F: Real>(a: &[F]) -> F {
    summed(a, a, |a, _| a)
}

/// The greatest, and no less than `least`.
#[inline(always)]
pub(super) fn greatest<F: Real>(values: &[F], least: F) -> F {
    let greater = |a: F, b: F| if b > a { b } else { a };
    let mut lanes = [least; LANES];
    let whole = values.chunks_exact(LANES);
    let rest = whole.remainder().iter().fold(least, |most, value| greater(most, *value));
    for values in whole {
        for (lane, value) in lanes.iter_mut().zip(values) {
            *lane = greater(*lane, *value);
        }
    }
    lanes.into_iter().fold(rest, greater)
}

/// `target += factor source`.
#[inline(always)]
pub(super) fn add_scaled<F: Real>(target: &mut [F], factor: F, source: &[F]) {
    for (to, from) in target.iter_mut().zip(source) {
        *to = *to + factor * *from;
    }
}

/// `target += source`.
#[inline(always)]
pub(super) fn add<F: Real>(target: &mut [F], source: &[F]) {
    for (to, from) in target.iter_mut().zip(source) {
        *to = *to + *from;
    }
}

/// Fills each row of the target with `row`.
pub(super) fn fill_rows<F: Real>(target: &mut [F], row: &[F]) {
    target.chunks_exact_mut(row.len().max(1)).for_each(|to| to.copy_from_slice(row));
}

/// `sums += ` the sums of the columns.
pub(super) fn add_columns<F: Real>(sums: &mut [F], rows: &[F]) {
    vectorised(|| rows.chunks_exact(sums.len().max(1)).for_each(|row| add(sums, row)));
}

/// Added to a row's variance (as in Ba, Kiros, Hinton 2016, and everybody's code).
const LEAST_VARIANCE: f64 = 1e-5;

/// A layer norm's input, as it is needed on the way back.
#[derive(Debug, Clone, Default)]
pub(super) struct Normalised<F> {
    /// Rows of mean 0 and variance 1.
    rows: Vec<F>,
    /// What each row was multiplied with.
    factors: Vec<F>,
}

impl<F: Real> Normalised<F> {
    /// A layer norm (Ba, Kiros, Hinton, "Layer Normalization", 2016) of rows.
    pub(super) fn forward(&mut self, rows: &[F], (scale, shift): (&[F], &[F]), out: &mut [F]) {
        let length = scale.len();
        let normal = room(&mut self.rows, rows.len());
        let factors = room(&mut self.factors, rows.len() / length);
        let count = F::of(length as f64);
        vectorised(|| {
            let each = rows.chunks_exact(length).zip(normal.chunks_exact_mut(length));
            let each = each.zip(out.chunks_exact_mut(length)).zip(factors);
            for (((row, normal), out), factor) in each {
                let mean = sum(row) / count;
                let variance = summed(row, row, |x, _| (x - mean) * (x - mean)) / count;
                *factor = F::of(1.0) / (variance + F::of(LEAST_VARIANCE)).sqrt();
                let pairs = scale.iter().zip(shift);
                for (((x, n), y), (scale, shift)) in row.iter().zip(normal).zip(out).zip(pairs) {
                    *n = (*x - mean) * *factor;
                    *y = *n * *scale + *shift;
                }
            }
        });
    }

    /// From the gradient of what came out, adds those of the scale, of the shift, and
    /// of what went in.
    pub(super) fn backward(
        &self,
        gradient: &[F],
        scale: &[F],
        (of_scale, of_shift): (&mut [F], &mut [F]),
        of_rows: &mut [F],
    ) {
        let length = scale.len();
        let count = F::of(length as f64);
        vectorised(|| {
            let each = gradient.chunks_exact(length).zip(self.rows.chunks_exact(length));
            let each = each.zip(of_rows.chunks_exact_mut(length)).zip(&self.factors);
            for (((gradient, normal), to), factor) in each {
                let scaled = dot(gradient, scale) / count;
                let along = dot_of_three(gradient, scale, normal) / count;
                let pairs = gradient.iter().zip(scale).zip(normal);
                for (to, ((gradient, scale), normal)) in to.iter_mut().zip(pairs) {
                    *to = *to + *factor * (*gradient * *scale - scaled - *normal * along);
                }
                for (to, (gradient, normal)) in of_scale.iter_mut().zip(gradient.iter().zip(normal))
                {
                    *to = *to + *gradient * *normal;
                }
                add(of_shift, gradient);
            }
        });
    }
}

#[inline(always)]
fn dot_of_three<F: Real>(a: &[F], b: &[F], c: &[F]) -> F {
    let mut lanes = [F::of(0.0); LANES];
    let (whole_a, whole_b) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let whole_c = c.chunks_exact(LANES);
    let mut rest = F::of(0.0);
    let rests = whole_a.remainder().iter().zip(whole_b.remainder()).zip(whole_c.remainder());
    for ((a, b), c) in rests {
        rest = rest + *a * *b * *c;
    }
    for ((a, b), c) in whole_a.zip(whole_b).zip(whole_c) {
        for (((lane, a), b), c) in lanes.iter_mut().zip(a).zip(b).zip(c) {
            *lane = *lane + *a * *b * *c;
        }
    }
    lanes.into_iter().fold(rest, |sum, lane| sum + lane)
}

/// What dropping values does: a value stays, and grows by `factor`, where a random byte is
/// no less than `threshold`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Dropping<F> {
    threshold: u8,
    pub(super) factor: F,
}

impl<F: Real> Dropping<F> {
    /// Dropping a share of the values, rounded to 256ths; none for none.
    pub(super) fn new(share: f32) -> Option<Self> {
        let threshold = (share * 256.0).round().clamp(0.0, 255.0) as u8;
        let factor = F::of(256.0 / (256.0 - f64::from(threshold)));
        (threshold > 0).then_some(Self { threshold, factor })
    }

    /// Drops values by random bytes.
    pub(super) fn apply(self, values: &mut [F], bytes: &[u8]) {
        vectorised(|| {
            for (value, byte) in values.iter_mut().zip(bytes) {
                *value = if *byte >= self.threshold { *value * self.factor } else { F::of(0.0) };
            }
        });
    }
}

/// Values below zero become zero.
pub(super) fn rectify<F: Real>(values: &mut [F]) {
    vectorised(|| {
        for value in values {
            *value = if *value > F::of(0.0) { *value } else { F::of(0.0) };
        }
    });
}

/// The gradient behind [`rectify`] and dropping after it: what came out as zero has none.
pub(super) fn rectified_gradient<F: Real>(gradient: &mut [F], came_out: &[F], factor: F) {
    vectorised(|| {
        for (gradient, value) in gradient.iter_mut().zip(came_out) {
            *gradient = if *value > F::of(0.0) { *gradient * factor } else { F::of(0.0) };
        }
    });
}
