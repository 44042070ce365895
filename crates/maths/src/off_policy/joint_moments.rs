//! Means and central moments of several columns together, up to the third.

/// Of `D` columns: how many rows, the means, and the sums of products of two and of three
/// deviations, updated without cancellation (Pebay, "Formulas for robust, one-pass parallel
/// computation of covariances and arbitrary-order statistical moments", 2008).
#[derive(Debug, Clone, PartialEq)]
pub(super) struct JointMoments<const D: usize> {
    count: u64,
    means: [f64; D],
    second: [[f64; D]; D],
    third: [[[f64; D]; D]; D],
}

/// Of one column: sums of powers of it, of so many rows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct PowerSums {
    pub(super) second: f64,
    pub(super) third: f64,
}

impl<const D: usize> JointMoments<D> {
    pub(super) fn none() -> Self {
        Self::row([0.0; D], 0)
    }

    pub(super) fn add(&mut self, columns: [f64; D]) {
        self.merge(&Self::row(columns, 1));
    }

    fn row(columns: [f64; D], count: u64) -> Self {
        Self { count, means: columns, second: [[0.0; D]; D], third: [[[0.0; D]; D]; D] }
    }

    pub(super) fn count(&self) -> u64 {
        self.count
    }

    pub(super) fn merge(&mut self, other: &Self) {
        if other.count == 0 {
            return;
        }
        let (own, others) = (self.count as f64, other.count as f64);
        let all = own + others;
        let apart: [f64; D] = std::array::from_fn(|at| other.means[at] - self.means[at]);
        let (of_two, of_three) = (own * others / all, own * others / all * (own - others) / all);
        for a in 0..D {
            for b in 0..D {
                for c in 0..D {
                    let crossed = |x: usize, y: usize, z: usize| {
                        apart[x] * (own * other.second[y][z] - others * self.second[y][z]) / all
                    };
                    self.third[a][b][c] += other.third[a][b][c]
                        + of_three * apart[a] * apart[b] * apart[c]
                        + crossed(a, b, c)
                        + crossed(b, a, c)
                        + crossed(c, a, b);
                }
            }
        }
        for a in 0..D {
            for b in 0..D {
                self.second[a][b] += other.second[a][b] + of_two * apart[a] * apart[b];
            }
        }
        for (mean, apart) in self.means.iter_mut().zip(apart) {
            *mean += others / all * apart;
        }
        self.count += other.count;
    }

    /// The sums over rows of the square and the cube of `y - ratio x`, of the columns `y`, `x`.
    pub(super) fn residuals(&self, y: usize, x: usize, ratio: f64) -> PowerSums {
        let count = self.count as f64;
        let mean = self.means[y] - ratio * self.means[x];
        let second = &self.second;
        let second = second[y][y] - 2.0 * ratio * second[y][x] + ratio * ratio * second[x][x];
        let second = second.max(0.0);
        let third = &self.third;
        let third = third[y][y][y] - 3.0 * ratio * third[y][y][x]
            + 3.0 * ratio * ratio * third[y][x][x]
            - ratio.powi(3) * third[x][x][x];
        PowerSums {
            second: second + count * mean * mean,
            third: third + 3.0 * mean * second + count * mean.powi(3),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::off_policy::testing::is_near;

    proptest! {
        #[test]
        fn sums_of_powers_are_those_of_the_rows(
            rows in proptest::collection::vec((-3.0f64..3.0, 0.0f64..4.0), 0..40),
            cut in 0usize..40, ratio in -2.0f64..2.0,
        ) {
            let cut = cut.min(rows.len());
            let fed = |rows: &[(f64, f64)]| {
                let mut moments = JointMoments::<2>::none();
                rows.iter().for_each(|&(x, y)| moments.add([x, y]));
                moments
            };
            let mut parts = fed(&rows[..cut]);
            parts.merge(&fed(&rows[cut..]));
            let power = |power: i32| -> f64 {
                rows.iter().map(|(x, y)| (y - ratio * x).powi(power)).sum()
            };
            let found = parts.residuals(1, 0, ratio);
            prop_assert!(is_near(power(2), found.second), "{} {}", power(2), found.second);
            prop_assert!(is_near(power(3), found.third), "{} {}", power(3), found.third);
            prop_assert_eq!(parts.count(), rows.len() as u64);
        }
    }
}
