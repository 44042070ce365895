//! Fits that bridges have for themselves: of single domains, and of two domains alone,
//! with other weights than the run's.
//!
//! A candidate that brings its own tables ([`crate::model::bridges::own_factors`]) names
//! the [`FitSettings`] that they are fitted with. Fits are made when a candidate first
//! asks for them, and kept for the next one and for the other direction.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ndarray::{Array2, s};
use serde::{Deserialize, Serialize};

use crate::entities::ids::DomainId;
use crate::evidence::items::{DomainRanges, DomainRows};
use crate::maths::als::{AlsOptions, AlsParams, InvalidOptions, fit};
use crate::maths::sparse::SparseRows;
use crate::model::bridges::Direction;
use crate::training::bridging::candidates::NotFitted;
use crate::training::bridging::domain_fits::{DomainPart, DomainPeople};

/// What a bridge's own fit does otherwise than the run's.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct FitSettings {
    /// As [`AlsOptions::unobserved_weight`].
    pub unobserved_weight: f32,
    /// As [`AlsOptions::regularisation`].
    pub regularisation: f32,
}

impl FitSettings {
    /// Those of a run.
    #[must_use]
    pub fn of(params: &AlsParams) -> Self {
        let AlsOptions { unobserved_weight, regularisation, .. } = *params.options();
        Self { unobserved_weight, regularisation }
    }

    /// A run's parameters with these settings.
    ///
    /// # Errors
    /// [`InvalidOptions`] when one is out of range.
    pub fn apply(self, params: &AlsParams) -> Result<AlsParams, InvalidOptions> {
        let Self { unobserved_weight, regularisation } = self;
        AlsOptions { unobserved_weight, regularisation, ..*params.options() }.check()
    }

    /// Settings that are in range are positive, and such numbers are ordered as their bits.
    fn key(self) -> (u32, u32) {
        (self.unobserved_weight.to_bits(), self.regularisation.to_bits())
    }
}

/// The settings that the kinds with tables of their own are tried with.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct OwnSettings {
    /// For [`crate::model::bridges::BridgeKind::TwoBlock`].
    pub two_block: Vec<FitSettings>,
    /// For [`crate::model::bridges::BridgeKind::Pair`].
    pub pair: Vec<FitSettings>,
}

impl OwnSettings {
    /// These and those of another, each once.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        let union = |own: &[FitSettings], others: &[FitSettings]| {
            let new = others.iter().filter(|settings| !own.contains(settings));
            own.iter().chain(new).copied().collect()
        };
        Self {
            two_block: union(&self.two_block, &other.two_block),
            pair: union(&self.pair, &other.pair),
        }
    }
}

/// A domain fitted alone.
#[derive(Debug)]
pub struct DomainFit {
    /// What it was fitted with.
    pub params: AlsParams,
    /// Its items x factors.
    pub items: Array2<f32>,
    /// Its people.
    pub people: DomainPeople,
}

/// Two domains fitted at once.
#[derive(Debug)]
pub struct PairTables {
    /// What they were fitted with.
    pub params: AlsParams,
    first: Array2<f32>,
    second: Array2<f32>,
}

impl PairTables {
    /// Items x factors of the source and of the target of a direction.
    #[must_use]
    pub fn of(&self, direction: &Direction) -> (Array2<f32>, Array2<f32>) {
        let (first, second) = (self.first.clone(), self.second.clone());
        if direction.from < direction.to { (first, second) } else { (second, first) }
    }
}

type DomainKey = (DomainId, (u32, u32));
type PairKey = (DomainId, DomainId, (u32, u32));

#[derive(Default)]
struct Kept {
    domains: BTreeMap<DomainKey, Result<Arc<DomainFit>, NotFitted>>,
    pairs: BTreeMap<PairKey, Result<Arc<PairTables>, NotFitted>>,
}

/// The fits of one matrix.
pub struct OwnFits {
    params: AlsParams,
    kept: Mutex<Kept>,
}

/// What is fitted from.
#[derive(Clone, Copy)]
pub struct FitGround<'a> {
    /// The joint matrix.
    pub matrix: &'a SparseRows,
    /// The rows of each domain.
    pub ranges: &'a DomainRanges,
}

impl OwnFits {
    /// None yet; all with a run's parameters but for the settings.
    #[must_use]
    pub fn new(params: AlsParams) -> Self {
        Self { params, kept: Mutex::default() }
    }

    /// Forgets what was fitted, for the room.
    pub fn clear(&self) {
        *self.kept() = Kept::default();
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A domain fitted alone.
    ///
    /// # Errors
    /// [`NotFitted`] when there is no such domain, or it cannot be fitted so.
    pub fn domain(
        &self,
        ground: FitGround<'_>,
        domain: &DomainId,
        settings: FitSettings,
    ) -> Result<Arc<DomainFit>, NotFitted> {
        let make = || {
            let rows = ground.ranges.get(domain).ok_or(NotFitted::Nobody)?;
            let params = settings.apply(&self.params)?;
            let part = DomainPart::of(ground.matrix, rows);
            let interactions = part.interactions();
            let factors = fit(&part.matrix, &params, &|_| ())?;
            let people = DomainPeople { rows: part.rows, interactions, factors: factors.people };
            Ok(Arc::new(DomainFit { params, items: factors.items, people }))
        };
        self.kept().domains.entry((domain.clone(), settings.key())).or_insert_with(make).clone()
    }

    /// The two domains of a direction fitted at once.
    ///
    /// # Errors
    /// [`NotFitted`] when one is not there, nobody has both, or they cannot be fitted so.
    pub fn pair(
        &self,
        ground: FitGround<'_>,
        direction: &Direction,
        settings: FitSettings,
    ) -> Result<Arc<PairTables>, NotFitted> {
        let Direction { from, to } = direction;
        let (first, second) = if from < to { (from, to) } else { (to, from) };
        let make = || {
            let of = |domain| ground.ranges.get(domain).ok_or(NotFitted::Nobody);
            let (first, second) = (of(first)?, of(second)?);
            let params = settings.apply(&self.params)?;
            let has_both = |person: &usize| {
                first.is_used_by(ground.matrix, *person)
                    && second.is_used_by(ground.matrix, *person)
            };
            if !(0..ground.matrix.rows()).any(|person| has_both(&person)) {
                return Err(NotFitted::Nobody);
            }
            let items = fit(&of_both(ground.matrix, first, second), &params, &|_| ())?.items;
            Ok(Arc::new(PairTables {
                params,
                first: items.slice(s![..first.len(), ..]).to_owned(),
                second: items.slice(s![first.len().., ..]).to_owned(),
            }))
        };
        let key = (first.clone(), second.clone(), settings.key());
        self.kept().pairs.entry(key).or_insert_with(make).clone()
    }
}

/// What everyone did in either of two domains: the first's items, then the second's.
fn of_both(matrix: &SparseRows, first: &DomainRows, second: &DomainRows) -> SparseRows {
    let entries = |person: usize| {
        let of = |rows: &DomainRows, start: usize| {
            let (columns, confidences) = rows.entries_of(matrix, person);
            let move_to = |column: &u32| (*column as usize - rows.range.start + start) as u32;
            let columns: Vec<u32> = columns.iter().map(move_to).collect();
            columns.into_iter().zip(confidences.to_vec())
        };
        of(first, 0).chain(of(second, first.len())).collect::<Vec<_>>()
    };
    let rows = (0..matrix.rows()).map(entries).filter(|row| !row.is_empty());
    SparseRows::from_rows(first.len() + second.len(), rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::training::bridging::domain_fits::DomainFits;
    use crate::training::bridging::trial::tests::{direction, domain, params, ranges, world};

    #[test]
    fn with_the_runs_settings_a_domain_is_fitted_as_in_the_run() {
        let (matrix, ranges, params) = (world(60, true, 1), ranges(), params());
        let ground = FitGround { matrix: &matrix, ranges: &ranges };
        let fits = OwnFits::new(params);
        let alone = fits.domain(ground, &domain("b"), FitSettings::of(&params)).unwrap();
        let of_run = DomainFits::fit(&matrix, &ranges, &params, &|| ()).unwrap();
        assert_eq!(alone.items, of_run.items.slice(s![20.., ..]));
        assert_eq!(alone.people.factors, of_run.people[&domain("b")].factors);
    }

    #[test]
    fn of_two_domains_alone_the_fit_at_once_is_the_joint_one_in_both_directions() {
        let (matrix, ranges, params) = (world(60, true, 1), ranges(), params());
        let ground = FitGround { matrix: &matrix, ranges: &ranges };
        let joint = fit(&matrix, &params, &|_| ()).unwrap().items;
        let fits = OwnFits::new(params);
        for (from, to, source) in [("a", "b", 0..20), ("b", "a", 20..40)] {
            let direction = direction(from, to);
            let pair = fits.pair(ground, &direction, FitSettings::of(&params)).unwrap();
            assert_eq!(pair.of(&direction).0, joint.slice(s![source, ..]));
        }
        assert_eq!(fits.kept().pairs.len(), 1);
        fits.clear();
        assert_eq!(fits.kept().pairs.len(), 0);
    }

    #[test]
    fn settings_out_of_range_are_refused_and_others_still_fitted() {
        let (matrix, ranges, params) = (world(60, true, 1), ranges(), params());
        let ground = FitGround { matrix: &matrix, ranges: &ranges };
        let fits = OwnFits::new(params);
        let wrong = FitSettings { unobserved_weight: f32::NAN, regularisation: 0.1 };
        let refused = fits.domain(ground, &domain("a"), wrong).unwrap_err();
        assert!(matches!(refused, NotFitted::Settings(_)));
        assert!(fits.domain(ground, &domain("a"), FitSettings::of(&params)).is_ok());
        assert!(fits.domain(ground, &domain("z"), FitSettings::of(&params)).is_err());
    }
}
