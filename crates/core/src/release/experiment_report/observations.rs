//! What is kept of an experiment's users once each is counted: sums by variant, metric and segment.
//! They are small, whatever the number of users, and those of shards merge.
//!
//! **Extreme values are drawn in at the end**, when all shards are merged, for the limit is a
//! quantile of all users of all variants. Until then sums are kept apart by the size of the value:
//! one *bin* for each number below 128, and 64 for each doubling above. The limit is the greatest
//! value in the bin in which the quantile lies: the quantile itself among small numbers, at most a
//! 64th above it among large ones. What lies in greater bins is taken for the limit. So the limit,
//! and all that follows, is the same whatever the number of shards. What users did before is not
//! drawn in: a covariate may be any number that the variant cannot have changed.

use std::collections::BTreeMap;

use crate::entities::experiment::SegmentBy;
use crate::entities::experiment::slots::BUCKETS;
use crate::entities::ids::Placement;

use super::study::{Measure, Study};
use super::whole_sums::WholeSums;

/// Bits of a number that tell its bin, the first one among them.
const BIN_BITS: u32 = 7;

/// Users who are told by one number: of a variant, by one allocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Group {
    /// Its place in the definition.
    pub(super) variant: u8,
    /// The number of the shares by which it was drawn; 0 where shares are not learnt.
    pub(super) allocation: u32,
}

/// What tells some users from others, known at their first exposure.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum SegmentValue {
    /// The placement of the slate, if it had one.
    Placement(Option<Placement>),
    /// Whether the user's own evidence shaped the slate.
    Personalised(bool),
}

/// How many were exposed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Exposed {
    pub(super) users: u64,
    pub(super) slates: u64,
}

/// What is kept of all users of an experiment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observations {
    /// Units that met two variants.
    pub(super) crossed: u64,
    pub(super) exposed: BTreeMap<Group, Exposed>,
    /// Users by the day of their first exposure, counted from 1970, and the variant's place.
    pub(super) by_day: BTreeMap<(i64, u8), u64>,
    /// Of each metric, in the definition's order.
    pub(super) metrics: Vec<MetricObservations>,
    /// Of the primary metric.
    pub(super) segments: BTreeMap<SegmentValue, MetricObservations>,
    /// How each metric is measured.
    measures: Vec<Measured>,
    primary: usize,
}

/// What of a measure decides how it is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Measured {
    winsorised_at: Option<u16>,
}

/// The sums of one metric.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct MetricObservations(BTreeMap<Group, BTreeMap<u16, Bin>>);

/// The sums of users whose values are about as large.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Bin {
    greatest: u64,
    sums: WholeSums,
}

impl From<&Measure> for Measured {
    fn from(measure: &Measure) -> Self {
        Self { winsorised_at: measure.winsorised_at }
    }
}

impl SegmentValue {
    /// By what it tells users apart.
    #[must_use]
    pub fn by(&self) -> SegmentBy {
        match self {
            Self::Placement(_) => SegmentBy::Placement,
            Self::Personalised(_) => SegmentBy::Personalised,
        }
    }

    /// It as text: a placement's name, `true` or `false`; `None` of slates without a placement.
    #[must_use]
    pub fn text(&self) -> Option<String> {
        match self {
            Self::Placement(placement) => placement.as_ref().map(ToString::to_string),
            Self::Personalised(is_personalised) => Some(is_personalised.to_string()),
        }
    }
}

impl Observations {
    /// Those of nobody.
    #[must_use]
    pub fn none(study: &Study<'_>) -> Self {
        let measures: Vec<Measured> = study.measures.iter().map(Measured::from).collect();
        Self {
            crossed: 0,
            exposed: BTreeMap::new(),
            by_day: BTreeMap::new(),
            metrics: vec![MetricObservations::default(); measures.len()],
            segments: BTreeMap::new(),
            measures,
            primary: study.place_of(&study.experiment.definition.primary).unwrap_or(0),
        }
    }

    /// Adds those of another shard of the same study.
    pub fn merge(&mut self, other: &Self) {
        self.crossed = self.crossed.saturating_add(other.crossed);
        for (group, exposed) in &other.exposed {
            let own = self.exposed.entry(*group).or_default();
            own.users = own.users.saturating_add(exposed.users);
            own.slates = own.slates.saturating_add(exposed.slates);
        }
        for (day, users) in &other.by_day {
            let own = self.by_day.entry(*day).or_default();
            *own = own.saturating_add(*users);
        }
        for (own, of) in self.metrics.iter_mut().zip(&other.metrics) {
            own.merge(of);
        }
        for (segment, of) in &other.segments {
            self.segments.entry(segment.clone()).or_default().merge(of);
        }
    }

    pub(super) fn add_exposure(&mut self, group: Group, day: i64, slates: u64) {
        let exposed = self.exposed.entry(group).or_default();
        exposed.users += 1;
        exposed.slates += slates;
        *self.by_day.entry((day, group.variant)).or_default() += 1;
    }

    pub(super) fn add(&mut self, metric: usize, group: Group, values: (u64, u64)) {
        let is_winsorised = self.is_winsorised(metric);
        if let Some(of) = self.metrics.get_mut(metric) {
            of.add(group, values, is_winsorised);
        }
    }

    pub(super) fn add_segment(&mut self, of: SegmentValue, group: Group, values: (u64, u64)) {
        let is_winsorised = self.is_winsorised(self.primary);
        self.segments.entry(of).or_default().add(group, values, is_winsorised);
    }

    /// What greater values of a metric are taken for; `None` when they are left as they are, also
    /// where that would be nothing: of what few users do at all, all would be gone.
    pub(super) fn limit(&self, metric: usize) -> Option<u64> {
        let share = self.measures.get(metric)?.winsorised_at?;
        self.metrics.get(metric)?.quantile(share).filter(|limit| *limit > 0)
    }

    fn is_winsorised(&self, metric: usize) -> bool {
        self.measures.get(metric).is_some_and(|of| of.winsorised_at.is_some())
    }
}

impl MetricObservations {
    fn add(&mut self, group: Group, (y, x): (u64, u64), is_winsorised: bool) {
        let number = if is_winsorised { bin_of(y) } else { 0 };
        let bin = self.0.entry(group).or_default().entry(number).or_default();
        bin.greatest = bin.greatest.max(y);
        bin.sums.add(y, x);
    }

    fn merge(&mut self, other: &Self) {
        for (group, bins) in &other.0 {
            let own = self.0.entry(*group).or_default();
            for (number, bin) in bins {
                let own = own.entry(*number).or_default();
                own.greatest = own.greatest.max(bin.greatest);
                own.sums.merge(&bin.sums);
            }
        }
    }

    /// The allocations under which a variant was served.
    pub(super) fn allocations_of(&self, variant: u8) -> impl Iterator<Item = u32> {
        let groups = self.0.keys().filter(move |group| group.variant == variant);
        groups.map(|group| group.allocation)
    }

    /// The sums of a group, with greater values taken for a limit.
    pub(super) fn sums(&self, group: Group, limit: Option<u64>) -> WholeSums {
        let mut all = WholeSums::default();
        let bins = self.0.get(&group).into_iter().flat_map(BTreeMap::values);
        for Bin { greatest, sums } in bins {
            match limit {
                // A bin lies below the limit, or has it, or lies above.
                Some(limit) if *greatest > limit => all.merge(&sums.all_with(limit)),
                _ => all.merge(sums),
            }
        }
        all
    }

    /// The greatest value in the bin in which a quantile of all groups together lies.
    fn quantile(&self, share: u16) -> Option<u64> {
        let mut bins: BTreeMap<u16, (u64, u64)> = BTreeMap::new();
        for (number, bin) in self.0.values().flatten() {
            let (users, greatest) = bins.entry(*number).or_default();
            *users += bin.sums.n;
            *greatest = (*greatest).max(bin.greatest);
        }
        let all: u128 = bins.values().map(|(users, _)| u128::from(*users)).sum();
        let place = (all * u128::from(share)).div_ceil(u128::from(BUCKETS));
        let mut below = 0;
        let reached = bins.values().find(|(users, _)| {
            below += u128::from(*users);
            below >= place
        });
        reached.map(|(_, greatest)| *greatest)
    }
}

/// The bin of a value: larger of larger ones.
fn bin_of(value: u64) -> u16 {
    let bits = u64::BITS - value.leading_zeros();
    let dropped = bits.saturating_sub(BIN_BITS);
    // The first bit of what is left is set when any were dropped, so that each doubling has as
    // many bins of its own.
    let shown = (value >> dropped) as u16;
    shown + dropped as u16 * (1 << (BIN_BITS - 1))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const CONTROL: Group = Group { variant: 0, allocation: 0 };
    const OTHER: Group = Group { variant: 1, allocation: 0 };

    #[test]
    fn small_numbers_have_bins_of_their_own() {
        let bins: Vec<u16> = (0..128).map(bin_of).collect();
        assert!(bins.windows(2).all(|pair| pair[0] + 1 == pair[1]));
        assert_eq!((bin_of(128), bin_of(129), bin_of(130)), (128, 128, 129));
    }

    #[test]
    fn what_is_greater_than_the_quantile_of_all_variants_is_taken_for_it() {
        let mut of = MetricObservations::default();
        (1..=9).for_each(|value| of.add(CONTROL, (value, 2), true));
        of.add(OTHER, (1_000, 3), true);
        assert_eq!((of.quantile(9_000), of.quantile(9_001)), (Some(9), Some(1_000)));
        let drawn_in = of.sums(OTHER, Some(9));
        assert_eq!((drawn_in.n, drawn_in.y, drawn_in.yy, drawn_in.xy), (1, 9, 81, 27));
        assert_eq!(of.sums(CONTROL, Some(9)).y, 45);
        assert_eq!(MetricObservations::default().quantile(5_000), None);
    }

    proptest! {
        #[test]
        fn the_limit_is_hardly_above_the_quantile_and_draws_in_all_that_is_greater(
            values in prop::collection::vec(0u64..2_000_000, 1..80), share in 5_000u16..10_000,
        ) {
            let mut of = MetricObservations::default();
            for (at, value) in values.iter().enumerate() {
                of.add(if at % 2 == 0 { CONTROL } else { OTHER }, (*value, 0), true);
            }
            let mut sorted = values.clone();
            sorted.sort_unstable();
            let place = (sorted.len() * usize::from(share)).div_ceil(usize::from(BUCKETS));
            let (limit, exact) = (of.quantile(share).unwrap(), sorted[place - 1]);
            prop_assert!(limit >= exact && limit <= exact + exact / 64);
            let expected: u64 = values.iter().map(|value| (*value).min(limit)).sum();
            let found = of.sums(CONTROL, Some(limit)).y + of.sums(OTHER, Some(limit)).y;
            prop_assert_eq!(found, u128::from(expected));
        }

        #[test]
        fn bins_are_in_the_order_of_values(a in any::<u64>(), b in any::<u64>()) {
            prop_assert!((a <= b) == (bin_of(a) <= bin_of(b)) || bin_of(a) == bin_of(b));
        }
    }
}
