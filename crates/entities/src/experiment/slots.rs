//! Which users of a layer an experiment has: a layer has 10,000 buckets, and each experiment of it
//! has some of them for itself.

use serde::{Deserialize, Serialize};

/// Buckets of a layer, of a variant's draw, and of the held-out: a share is a number of these.
pub const BUCKETS: u16 = 10_000;

/// A share, to four decimal places: above 0, up to 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Share(u16);

/// A number is no share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a share must be above 0, up to 1, with at most 4 decimal places")]
pub struct InvalidShare;

impl Share {
    /// All there is.
    pub const ONE: Self = Self(BUCKETS);

    /// So many of [`BUCKETS`]; `None` for none and for more than there are.
    #[must_use]
    pub fn of_buckets(buckets: u16) -> Option<Self> {
        (1..=BUCKETS).contains(&buckets).then_some(Self(buckets))
    }

    /// How many of [`BUCKETS`] it is.
    #[must_use]
    pub fn get(self) -> u16 {
        self.0
    }

    /// The share, as a fraction of 1.
    #[must_use]
    pub fn fraction(self) -> f64 {
        f64::from(self.0) / f64::from(BUCKETS)
    }
}

impl TryFrom<f64> for Share {
    type Error = InvalidShare;

    fn try_from(fraction: f64) -> Result<Self, InvalidShare> {
        let buckets = fraction * f64::from(BUCKETS);
        let whole = buckets.round();
        // A decimal fraction is rarely a number of this kind.
        let is_whole = (buckets - whole).abs() < 1e-6;
        let is_within = whole >= 1.0 && whole <= f64::from(BUCKETS);
        // It is a whole number within them.
        (is_whole && is_within).then_some(Self(whole as u16)).ok_or(InvalidShare)
    }
}

impl From<Share> for f64 {
    fn from(share: Share) -> Self {
        share.fraction()
    }
}

/// Buckets from one to before another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SlotRange {
    /// The first.
    pub from: u16,
    /// The one after the last.
    pub to: u16,
}

/// Buckets of a layer: ranges that do not meet, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Slots(Vec<SlotRange>);

/// A layer has no room for an experiment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the layer has {} of its users left, and {} are asked for", fraction(*.left), fraction(*.asked))]
pub struct NoRoom {
    /// Buckets that are free.
    pub left: u16,
    /// Buckets that are asked for.
    pub asked: u16,
}

fn fraction(buckets: u16) -> String {
    format!("{:.4}", f64::from(buckets) / f64::from(BUCKETS))
}

impl Slots {
    /// Whether a bucket is among them.
    #[must_use]
    pub fn has(&self, bucket: u16) -> bool {
        self.0.iter().any(|range| (range.from..range.to).contains(&bucket))
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> u16 {
        self.0.iter().map(|range| range.to - range.from).sum()
    }

    /// Grown to a share of the layer by buckets that none of `taken` has, the lowest first. What it
    /// has it keeps, so whoever takes part goes on to; it never shrinks.
    ///
    /// # Errors
    /// [`NoRoom`] when the layer has not so many left.
    pub fn grown<'a>(
        &self,
        share: Share,
        taken: impl IntoIterator<Item = &'a Self> + Clone,
    ) -> Result<Self, NoRoom> {
        let more = share.get().saturating_sub(self.count());
        let is_free = |bucket: &u16| {
            !self.has(*bucket) && !taken.clone().into_iter().any(|slots| slots.has(*bucket))
        };
        let free: Vec<u16> = (0..BUCKETS).filter(is_free).collect();
        if free.len() < usize::from(more) {
            let left = u16::try_from(free.len()).unwrap_or(BUCKETS);
            return Err(NoRoom { left, asked: more });
        }
        let mut has: Vec<u16> = self.0.iter().flat_map(|range| range.from..range.to).collect();
        has.extend(free.into_iter().take(usize::from(more)));
        has.sort_unstable();
        Ok(Self::of_sorted(&has))
    }

    fn of_sorted(buckets: &[u16]) -> Self {
        let mut ranges: Vec<SlotRange> = Vec::new();
        for bucket in buckets {
            match ranges.last_mut() {
                Some(last) if last.to == *bucket => last.to += 1,
                _ => ranges.push(SlotRange { from: *bucket, to: bucket + 1 }),
            }
        }
        Self(ranges)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn share(buckets: u16) -> Share {
        Share::of_buckets(buckets).unwrap()
    }

    #[test]
    fn a_share_is_a_decimal_fraction_of_at_most_four_places() {
        for (fraction, buckets) in [(0.0001, 1), (0.29, 2_900), (0.3333, 3_333), (1.0, 10_000)] {
            let read = Share::try_from(fraction).unwrap();
            assert_eq!((read.get(), f64::from(read)), (buckets, fraction));
        }
        for wrong in [0.0, -0.1, 0.33333, 1.0001, f64::NAN, f64::INFINITY] {
            assert_eq!(Share::try_from(wrong), Err(InvalidShare), "{wrong}");
        }
    }

    #[test]
    fn a_full_layer_has_no_room() {
        let first = Slots::default().grown(share(7_000), []).unwrap();
        let refused = Slots::default().grown(share(3_001), [&first]).unwrap_err();
        assert_eq!(refused, NoRoom { left: 3_000, asked: 3_001 });
        assert!(refused.to_string().contains("0.3000"));
    }

    proptest! {
        #[test]
        fn what_grows_keeps_what_it_has_and_takes_nothing_of_others(
            sizes in proptest::collection::vec((1u16..2_000, 1u16..2_000), 1..5),
        ) {
            let mut all: Vec<Slots> = Vec::new();
            for (size, _) in &sizes {
                all.push(Slots::default().grown(share(*size), &all).unwrap());
            }
            for (at, (size, more)) in sizes.iter().enumerate() {
                let before = all[at].clone();
                let others: Vec<Slots> = all.iter().enumerate()
                    .filter(|(other, _)| *other != at).map(|(_, slots)| slots.clone()).collect();
                let Ok(grown) = before.grown(share((size + more).min(BUCKETS)), &others) else {
                    continue;
                };
                prop_assert_eq!(grown.count(), size + more);
                for bucket in 0..BUCKETS {
                    prop_assert!(!before.has(bucket) || grown.has(bucket));
                    let is_others = others.iter().any(|slots| slots.has(bucket));
                    prop_assert!(!(grown.has(bucket) && is_others));
                }
                all[at] = grown;
            }
        }
    }
}
