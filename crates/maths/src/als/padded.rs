//! Factor rows laid out for vector instructions: each row begins on a cache
//! line and is filled up with zeros to whole lines.
//!
//! A zero column stays zero through every half-step, so the filling changes no
//! result.

use ndarray::{Array2, ArrayView2};

/// Floats in a cache line of 64 bytes.
pub(super) const LINE: usize = 16;

/// A factor length filled up to whole cache lines.
pub fn padded_length(factors: usize) -> usize {
    factors.next_multiple_of(LINE)
}

/// Rows of factors.
pub(super) struct PaddedRows {
    storage: Vec<f32>,
    start: usize,
    rows: usize,
    length: usize,
}

impl PaddedRows {
    /// Rows of `length` zeros; `length` is a multiple of [`LINE`].
    pub(super) fn zeros(rows: usize, length: usize) -> Self {
        let storage = vec![0.0f32; rows * length + LINE];
        let start = storage.as_ptr().align_offset(LINE * size_of::<f32>()).min(LINE);
        Self { storage, start, rows, length }
    }

    pub(super) fn from_view(view: ArrayView2<'_, f32>) -> Self {
        let mut padded = Self::zeros(view.nrows(), padded_length(view.ncols()));
        let length = padded.length;
        for (to, from) in padded.all_mut().chunks_mut(length).zip(view.rows()) {
            to.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
        }
        padded
    }

    /// The first `factors` of each row.
    pub(super) fn to_array(&self, factors: usize) -> Array2<f32> {
        let mut array = Array2::zeros((self.rows, factors));
        for (mut to, from) in array.rows_mut().into_iter().zip(self.all().chunks(self.length)) {
            to.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
        }
        array
    }

    /// The first `factors` of each row, in the memory of the padded rows.
    pub(super) fn into_array(self, factors: usize) -> Array2<f32> {
        let Self { mut storage, start, rows, length } = self;
        for row in 0..rows {
            let from = start + row * length;
            storage.copy_within(from..from + factors, row * factors);
        }
        storage.truncate(rows * factors);
        if factors < length {
            storage.shrink_to_fit();
        }
        match Array2::from_shape_vec((rows, factors), storage) {
            Ok(array) => array,
            Err(_) => unreachable!("there are as many values as rows and factors say"),
        }
    }

    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// Length of a row.
    pub(super) fn length(&self) -> usize {
        self.length
    }

    pub(super) fn all(&self) -> &[f32] {
        &self.storage[self.start..self.start + self.rows * self.length]
    }

    pub(super) fn all_mut(&mut self) -> &mut [f32] {
        &mut self.storage[self.start..self.start + self.rows * self.length]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_begin_on_cache_lines_and_survive_the_filling() {
        let array = Array2::from_shape_fn((7, 5), |(i, j)| (i * 5 + j) as f32);
        let padded = PaddedRows::from_view(array.view());
        assert_eq!(padded.length(), LINE);
        assert_eq!(padded.all().as_ptr().align_offset(64), 0);
        assert_eq!(padded.to_array(5), array);
        assert_eq!(PaddedRows::from_view(array.view()).into_array(5), array);
        assert!(padded.all().chunks(LINE).all(|row| row[5..].iter().all(|value| *value == 0.0)));
    }
}
