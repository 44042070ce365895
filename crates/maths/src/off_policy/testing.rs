//! What tests of several estimators draw from.

use std::ops::Range;

use proptest::prelude::*;

use super::Observation;

/// Observations of few clusters and of none.
pub(super) fn observations(size: Range<usize>) -> impl Strategy<Value = Vec<Observation>> {
    let cluster = prop_oneof![Just(None), (0u64..6).prop_map(Some)];
    let one = (-3.0f64..3.0, 0.02f64..1.0, 0.0f64..1.0, cluster).prop_map(
        |(reward, propensity, evaluation, cluster)| {
            let one = Observation::new(reward, propensity, evaluation).unwrap();
            cluster.map_or(one, |cluster| one.of(cluster))
        },
    );
    proptest::collection::vec(one, size)
}

/// An accumulator after it took in observations.
pub(super) fn fed<A>(
    mut into: A,
    rows: &[Observation],
    observe: impl Fn(&mut A, &Observation),
) -> A {
    rows.iter().for_each(|row| observe(&mut into, row));
    into
}

/// Equal but for rounding.
pub(super) fn is_near(one: f64, other: f64) -> bool {
    (one - other).abs() <= 1e-7 * (1.0 + one.abs())
}
