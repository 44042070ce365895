//! The first pass over the archive: who was served which variant, by which slates, since when.
//!
//! A *unit* is what is compared: a user; where shares are learnt, a user under one allocation, for
//! each draws anew and has chances of its own. Users who met two variants are *crossed*: counted,
//! and left out, since what they did tells nothing of either.
//!
//! 24 bytes a slate and 48 a unit are kept, and while decisions are read 48 for each slate, twice
//! that at most with repeats.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::entities::decision::Decision;
use crate::entities::experiment::SegmentBy;
use crate::entities::ids::Placement;

use super::hashes::{of_slate, of_user};
use super::observations::SegmentValue;
use super::shard::Shard;
use super::study::{DAY, Study};

/// Rows after which repeats are looked for first.
const FIRST_COMPACTION: usize = 1 << 16;

/// A slate that was an exposure. In order, the rows of a unit follow one another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Row {
    user: u128,
    allocation: u32,
    slate: u128,
    at: i64,
    variant: u8,
    is_personalised: bool,
    /// A place in [`ExposureReader::placements`].
    placement: Option<u16>,
}

/// Takes decisions, in any order, with any repeats.
#[derive(Debug)]
pub struct ExposureReader<'a> {
    study: &'a Study<'a>,
    shard: Shard,
    rows: Vec<Row>,
    compacted_at: usize,
    placements: BTreeMap<Placement, u16>,
}

/// A user who was served one variant; under one allocation, where shares are learnt.
#[derive(Debug, Clone, Copy)]
pub(super) struct Unit {
    pub(super) user: u128,
    /// 0 where shares are not learnt.
    pub(super) allocation: u32,
    pub(super) variant: u8,
    /// The first exposure, in milliseconds since 1970.
    pub(super) first: i64,
    slates: (usize, usize),
    is_personalised: bool,
    placement: Option<u16>,
}

/// Who was served which variant.
#[derive(Debug, Clone, Default)]
pub struct Exposures {
    /// In order of user and allocation.
    pub(super) units: Vec<Unit>,
    /// The slates of one unit after the other, each unit's in order.
    slates: Vec<u128>,
    /// When each was made, in milliseconds since 1970.
    times: Vec<i64>,
    placements: Vec<Placement>,
    pub(super) crossed: u64,
}

impl<'a> ExposureReader<'a> {
    /// A reader of the exposures of a shard's users.
    #[must_use]
    pub fn new(study: &'a Study<'a>, shard: Shard) -> Self {
        let (rows, placements) = (Vec::new(), BTreeMap::new());
        Self { study, shard, rows, compacted_at: 0, placements }
    }

    /// Takes a decision; whatever is no exposure of the experiment is passed over.
    pub fn add(&mut self, decision: &Decision) {
        let Some(row) = self.row(decision) else { return };
        self.rows.push(row);
        // Twice what was left the last time, so that all compactions together cost no more than
        // one at the end.
        if self.rows.len() >= FIRST_COMPACTION.max(2 * self.compacted_at) {
            self.compact();
        }
    }

    fn row(&mut self, decision: &Decision) -> Option<Row> {
        let experiment = self.study.experiment;
        let exposure = decision.variant.as_ref()?.of(&experiment.experiment)?;
        // One of an earlier life of the platform may have had the experiment's name.
        if !self.study.is_own(decision) || decision.decided_at < experiment.created_at {
            return None;
        }
        let variants = &experiment.definition.variants;
        let variant = variants.iter().position(|of| of.variant == exposure.variant)?;
        let allocation = match self.study.is_adaptive() {
            // Of shares that nobody knows, nobody knows the chances.
            true => {
                let number = exposure.allocation.unwrap_or(0);
                experiment.shares_of(number).map(|_| number)?
            }
            false => 0,
        };
        let user = of_user(&decision.user);
        if !self.shard.has(user) {
            return None;
        }
        Some(Row {
            user,
            allocation,
            slate: of_slate(&decision.recommendation_id),
            at: decision.decided_at.as_millisecond(),
            variant: u8::try_from(variant).ok()?,
            is_personalised: decision.personalised,
            placement: decision.placement.as_ref().and_then(|placement| self.place(placement)),
        })
    }

    /// A placement's number; `None` of more than a domain can have by far.
    fn place(&mut self, placement: &Placement) -> Option<u16> {
        if let Some(known) = self.placements.get(placement) {
            return Some(*known);
        }
        let number = u16::try_from(self.placements.len()).ok()?;
        self.placements.insert(placement.clone(), number);
        Some(number)
    }

    fn compact(&mut self) {
        self.rows.sort_unstable();
        self.rows.dedup_by_key(|row| (row.user, row.allocation, row.slate));
        self.compacted_at = self.rows.len();
    }

    /// What all decisions together come to.
    #[must_use]
    pub fn finish(mut self) -> Exposures {
        self.compact();
        let mut placements: Vec<(Placement, u16)> = self.placements.into_iter().collect();
        placements.sort_by_key(|(_, number)| *number);
        let mut exposures = Exposures {
            placements: placements.into_iter().map(|(placement, _)| placement).collect(),
            ..Exposures::default()
        };
        for rows in self.rows.chunk_by(|a, b| (a.user, a.allocation) == (b.user, b.allocation)) {
            exposures.add_unit(rows);
        }
        exposures
    }
}

impl Exposures {
    /// Takes the rows of a unit.
    fn add_unit(&mut self, rows: &[Row]) {
        // Of two slates of one instant it must be the same one, whichever was read first.
        let Some(first) = rows.iter().min_by_key(|row| (row.at, row.slate)) else { return };
        if rows.iter().any(|row| row.variant != first.variant) {
            self.crossed += 1;
            return;
        }
        let from = self.slates.len();
        self.slates.extend(rows.iter().map(|row| row.slate));
        self.times.extend(rows.iter().map(|row| row.at));
        self.units.push(Unit {
            user: first.user,
            allocation: first.allocation,
            variant: first.variant,
            first: first.at,
            slates: (from, self.slates.len()),
            is_personalised: first.is_personalised,
            placement: first.placement,
        });
    }

    /// The units of a user.
    pub(super) fn of_user(&self, user: u128) -> Range<usize> {
        let from = self.units.partition_point(|unit| unit.user < user);
        let rest = self.units.get(from..).unwrap_or_default();
        from..from + rest.partition_point(|unit| unit.user == user)
    }

    /// Whether a slate is one of a unit's own exposures.
    pub(super) fn has_slate(&self, unit: &Unit, slate: u128) -> bool {
        let own = self.slates.get(unit.slates.0..unit.slates.1).unwrap_or_default();
        own.binary_search(&slate).is_ok()
    }

    /// When the slates of a unit were made.
    pub(super) fn times(&self, unit: &Unit) -> &[i64] {
        self.times.get(unit.slates.0..unit.slates.1).unwrap_or_default()
    }

    /// What tells a unit from others by its first exposure.
    pub(super) fn segment(&self, unit: &Unit, by: SegmentBy) -> SegmentValue {
        match by {
            SegmentBy::Personalised => SegmentValue::Personalised(unit.is_personalised),
            SegmentBy::Placement => {
                let place = unit.placement.and_then(|at| self.placements.get(usize::from(at)));
                SegmentValue::Placement(place.cloned())
            }
        }
    }
}

impl Unit {
    /// Slates that were exposures.
    pub(super) fn slates(&self) -> u64 {
        (self.slates.1 - self.slates.0) as u64
    }

    /// The day of the first exposure, in UTC, counted from 1970.
    pub(super) fn day(&self) -> i64 {
        self.first.div_euclid(DAY)
    }
}

impl Study<'_> {
    /// Whether a decision is of the experiment's platform, in the life in which the experiment was
    /// made as far as that is known (the archive keeps no lives), and not later than it is looked
    /// at.
    pub(super) fn is_own(&self, decision: &Decision) -> bool {
        let Self { experiment, as_of, .. } = self;
        let life = decision.lives.get(&decision.domain);
        decision.domain == experiment.domain
            && decision.decided_at <= *as_of
            && life.is_none_or(|life| *life == experiment.life)
    }
}
