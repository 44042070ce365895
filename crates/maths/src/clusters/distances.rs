//! Squared distances of points to centroids, many at once.
//!
//! Centroids lie side by side, coordinate by coordinate, so that one vector holds a
//! coordinate of 16 of them. Every distance is then summed up in the order of its
//! coordinates however wide the processor's vectors are: the same bits everywhere.

use ndarray::{Array2, ArrayView2};
use pulp::Arch;

use super::{LARGEST_COORDINATE, MOST_DIMENSIONS, UnusablePoints};

/// Centroids side by side.
const LANES: usize = 16;
/// Points at once, so that independent sums hide the latency of additions.
pub(super) const TILE: usize = 4;

/// Points about their mean: what is far from zero loses no digits of small differences.
pub(super) struct Points {
    values: Vec<f32>,
    dimensions: usize,
    mean: Vec<f32>,
}

impl Points {
    /// Checks and copies points.
    pub(super) fn centred(points: ArrayView2<'_, f32>) -> Result<Self, UnusablePoints> {
        let (count, dimensions) = points.dim();
        if count == 0 || dimensions == 0 {
            return Err(UnusablePoints::None);
        }
        if dimensions > MOST_DIMENSIONS || u32::try_from(count).is_err() {
            return Err(UnusablePoints::TooMany);
        }
        let is_usable = |value: f32| value.abs() <= LARGEST_COORDINATE;
        if let Some(((row, column), _)) = points.indexed_iter().find(|(_, v)| !is_usable(**v)) {
            return Err(UnusablePoints::Coordinate { row, column });
        }
        let mut mean = vec![0.0f64; dimensions];
        for point in points.outer_iter() {
            mean.iter_mut().zip(point).for_each(|(sum, value)| *sum += f64::from(*value));
        }
        let mean: Vec<f32> = mean.iter().map(|sum| (sum / count as f64) as f32).collect();
        let mut values = Vec::with_capacity(count * dimensions);
        for point in points.outer_iter() {
            values.extend(point.iter().zip(&mean).map(|(value, mean)| value - mean));
        }
        Ok(Self { values, dimensions, mean })
    }

    /// Some of the points.
    pub(super) fn picked(&self, rows: &[u32]) -> Self {
        let mut values = Vec::with_capacity(rows.len() * self.dimensions);
        rows.iter().for_each(|row| values.extend_from_slice(self.row(*row as usize)));
        Self { values, dimensions: self.dimensions, mean: self.mean.clone() }
    }

    /// Other coordinates in the place of these, as many for each point.
    pub(super) fn replaced(&self, values: Vec<f32>) -> Self {
        debug_assert_eq!(values.len(), self.values.len());
        Self { values, dimensions: self.dimensions, mean: self.mean.clone() }
    }

    pub(super) fn count(&self) -> usize {
        self.values.len() / self.dimensions
    }

    pub(super) fn dimensions(&self) -> usize {
        self.dimensions
    }

    /// All coordinates, point by point.
    pub(super) fn values(&self) -> &[f32] {
        &self.values
    }

    pub(super) fn row(&self, row: usize) -> &[f32] {
        &self.values[row * self.dimensions..(row + 1) * self.dimensions]
    }

    /// Mean over coordinates of their variance.
    pub(super) fn mean_variance(&self) -> f64 {
        let squares: f64 = self.values.iter().map(|value| f64::from(*value).powi(2)).sum();
        squares / self.values.len() as f64
    }

    /// Moves centroids back to where the points were.
    pub(super) fn uncentre(&self, centroids: &mut Array2<f32>) {
        for mut centroid in centroids.outer_iter_mut() {
            centroid.iter_mut().zip(&self.mean).for_each(|(value, mean)| *value += mean);
        }
    }
}

/// Centroids, coordinate by coordinate.
pub(super) struct SideBySide {
    count: usize,
    width: usize,
    values: Vec<f32>,
}

impl SideBySide {
    /// From rows of `dimensions`.
    pub(super) fn new(centroids: &[f32], dimensions: usize) -> Self {
        let count = centroids.len() / dimensions;
        let width = count.next_multiple_of(LANES);
        let mut values = vec![0.0; width * dimensions];
        for (centroid, row) in centroids.chunks_exact(dimensions).enumerate() {
            for (dimension, value) in row.iter().enumerate() {
                values[dimension * width + centroid] = *value;
            }
        }
        Self { count, width, values }
    }

    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// Room for the distances of a tile of points.
    pub(super) fn room(&self) -> Vec<f32> {
        vec![0.0; TILE * self.width]
    }

    /// Fills `room`, which is that of [`Self::room`], with the squared distances of a tile
    /// of points: [`Self::distances`] has those of each.
    pub(super) fn measure(&self, arch: Arch, tile: [&[f32]; TILE], room: &mut [f32]) {
        arch.dispatch(
            #[inline(always)]
            || self.measure_tile(tile, room),
        );
    }

    /// What was measured for a point of the tile: its squared distance to each centroid.
    pub(super) fn distances<'a>(&self, room: &'a [f32], at: usize) -> &'a [f32] {
        &room[at * self.width..at * self.width + self.count]
    }

    #[inline(always)]
    fn measure_tile(&self, tile: [&[f32]; TILE], room: &mut [f32]) {
        for start in (0..self.width).step_by(LANES) {
            let mut sums = [[0.0f32; LANES]; TILE];
            for (dimension, centroids) in self.values.chunks_exact(self.width).enumerate() {
                let centroids = &centroids[start..start + LANES];
                for (sums, point) in sums.iter_mut().zip(tile) {
                    let coordinate = point[dimension];
                    for (sum, centroid) in sums.iter_mut().zip(centroids) {
                        let difference = coordinate - centroid;
                        *sum += difference * difference;
                    }
                }
            }
            for (at, sums) in sums.iter().enumerate() {
                let target = at * self.width + start;
                room[target..target + LANES].copy_from_slice(sums);
            }
        }
    }
}

/// The squared distance of two points, summed in the order of their coordinates.
pub(super) fn squared_distance(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).fold(0.0, |sum, (a, b)| sum + (a - b) * (a - b))
}

/// The tiles of some points: their number in each, and the points, of which the last fills
/// up what is missing.
pub(super) fn tiles<'a>(rows: &'a [&'a [f32]]) -> impl Iterator<Item = (usize, [&'a [f32]; TILE])> {
    rows.chunks(TILE).map(|rows| {
        let mut tile = [rows[rows.len() - 1]; TILE];
        tile[..rows.len()].copy_from_slice(rows);
        (rows.len(), tile)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn distances_by_vectors_are_those_by_scalars_to_the_last_bit(
            points in proptest::collection::vec(-9.0f32..9.0, 3 * TILE),
            centroids in proptest::collection::vec(-9.0f32..9.0, 3 * 37),
        ) {
            let side_by_side = SideBySide::new(&centroids, 3);
            let rows: Vec<&[f32]> = points.chunks_exact(3).collect();
            let (_, tile) = tiles(&rows).next().unwrap();
            let mut room = side_by_side.room();
            side_by_side.measure(Arch::new(), tile, &mut room);
            for (at, point) in tile.iter().enumerate() {
                let by_scalars: Vec<f32> = centroids
                    .chunks_exact(3)
                    .map(|centroid| squared_distance(point, centroid))
                    .collect();
                prop_assert_eq!(side_by_side.distances(&room, at), &by_scalars[..]);
            }
        }
    }
}
