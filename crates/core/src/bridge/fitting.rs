//! Fitting what is served: the tables and bridges that the verdicts call for.

use ndarray::Array2;

use crate::als::{AlsParams, fit};
use crate::bridge::cross_block::BlockEquations;
use crate::bridge::domain_fits::{DomainFits, entries_within};
use crate::bridge::gate::DirectionReport;
use crate::bridge::mapping::MapEquations;
use crate::bridge::{Bridge, Bridges, Candidate, Carrier, Direction, DomainRanges};
use crate::dense::NotPositiveDefinite;
use crate::sparse::SparseRows;

/// The tables of item factors and the bridges between domains.
#[derive(Debug, Clone, PartialEq)]
pub struct ServedFits {
    /// Items x factors: of the joint fit if any bridge is joint, else fitted
    /// domain by domain.
    pub item_factors: Array2<f32>,
    /// Items x factors, fitted domain by domain; only when they are needed
    /// beside those of a joint fit.
    pub domain_factors: Option<Array2<f32>>,
    /// The bridges that passed.
    pub bridges: Bridges,
}

/// Fits what the verdicts call for. `progress` hears of each finished iteration;
/// there are at most as many as [`iterations`] says.
///
/// # Errors
/// [`NotPositiveDefinite`] when confidences are too extreme for single precision.
pub fn fit_served(
    matrix: &SparseRows,
    ranges: &DomainRanges,
    params: &AlsParams,
    verdicts: &[DirectionReport],
    progress: &(dyn Fn() + Sync),
) -> Result<ServedFits, NotPositiveDefinite> {
    let mut bridges = Bridges::none();
    let served = verdicts.iter().filter_map(|report| Some((report, report.verdict.served()?)));
    for (report, candidate) in served {
        let (direction, lift) = (&report.direction, report.lift());
        let carrier = match candidate {
            Candidate::Joint { source_weight } => Carrier::Joint { source_weight },
            Candidate::CrossBlock { ridge } => {
                match cross_block(matrix, ranges, direction, ridge) {
                    Some(block) => Carrier::CrossBlock(block),
                    // What was hidden put it over the bounds: the direction goes without.
                    None => continue,
                }
            }
            // It needs the factors, which are fitted below.
            Candidate::Mapping { .. } => continue,
        };
        bridges.insert(direction.clone(), Bridge { lift, carrier });
    }
    let maps: Vec<(&DirectionReport, Candidate)> = verdicts
        .iter()
        .filter_map(|report| Some((report, report.verdict.served()?)))
        .filter(|(_, candidate)| matches!(candidate, Candidate::Mapping { .. }))
        .collect();
    let joint = if ranges.keys().any(|domain| bridges.is_joint(domain)) {
        Some(fit(matrix, params, &|_| progress())?.items)
    } else {
        None
    };
    let apart = if !maps.is_empty() || bridges.need_domain_factors(ranges) {
        Some(DomainFits::fit(matrix, ranges, params, progress)?)
    } else {
        None
    };
    if let Some(apart) = &apart {
        for (report, candidate) in maps {
            let carrier = mapping(matrix, ranges, apart, &report.direction, candidate)?;
            let bridge = Bridge { lift: report.lift(), carrier };
            bridges.insert(report.direction.clone(), bridge);
        }
    }
    let apart = apart.map(|apart| apart.items);
    let (item_factors, domain_factors) = match (joint, apart) {
        (Some(joint), apart) => (joint, apart),
        (None, Some(apart)) => (apart, None),
        // Without a joint bridge some domain lacks joint evidence, unless there is no domain.
        (None, None) => (Array2::zeros((0, params.options().factors)), None),
    };
    Ok(ServedFits { item_factors, domain_factors, bridges })
}

/// Most iterations that fitting does: one joint fit and one of each domain.
#[must_use]
pub fn iterations(domains: usize, params: &AlsParams) -> usize {
    params.options().iterations * (1 + domains)
}

fn cross_block(
    matrix: &SparseRows,
    ranges: &DomainRanges,
    direction: &Direction,
    ridge: f32,
) -> Option<SparseRows> {
    let (source, target) = (&ranges[&direction.from], &ranges[&direction.to]);
    BlockEquations::new(matrix, source, target).and_then(|equations| equations.solve(ridge)).ok()
}

fn mapping(
    matrix: &SparseRows,
    ranges: &DomainRanges,
    apart: &DomainFits,
    direction: &Direction,
    candidate: Candidate,
) -> Result<Carrier, NotPositiveDefinite> {
    let Candidate::Mapping { ridge, weighting } = candidate else {
        return Err(NotPositiveDefinite);
    };
    let target = &ranges[&direction.to];
    let items = |row: usize| entries_within(matrix, row, target).0.len();
    let (from, to) = (&apart.people[&direction.from], &apart.people[&direction.to]);
    Ok(Carrier::Mapping(MapEquations::new(from, to, weighting, items).solve(ridge)?))
}
