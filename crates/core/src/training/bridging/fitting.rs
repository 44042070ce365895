//! Fitting what is served: the tables and bridges that the verdicts call for.
//!
//! What is to be fitted follows from the verdicts ([`NeededFits`]). Whoever fits
//! it, one machine ([`fit_served`]) or many, the results are put together in one
//! place, [`Fitted::serve`].

use std::collections::{BTreeMap, BTreeSet};

use ndarray::Array2;

use crate::entities::ids::DomainId;
use crate::evidence::items::DomainRanges;
use crate::maths::als::{AlsParams, fit};
use crate::maths::dense::NotPositiveDefinite;
use crate::maths::sparse::SparseRows;
use crate::model::bridges::{Bridge, Bridges, Carrier, Direction};
use crate::training::bridging::candidates::{Candidate, FitSources};
use crate::training::bridging::cross_block_fit::BlockSums;
use crate::training::bridging::domain_fits::DomainFits;
use crate::training::bridging::gate::DirectionReport;
use crate::training::bridging::mapping_fit::MapSums;
use crate::training::bridging::own_fits::{FitGround, OwnFits};
use crate::training::bridging::text_fit::{TextLikenesses, TextSums};
use crate::training::bridging::two_block_fit::OwnSums;

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

/// The bridges that are served, by their verdicts.
fn served(
    verdicts: &[DirectionReport],
) -> impl Iterator<Item = (&DirectionReport, Candidate)> + Clone {
    verdicts.iter().filter_map(|report| Some((report, report.verdict.served()?)))
}

/// Which fits the verdicts call for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NeededFits {
    /// One of all domains: a bridge is joint.
    pub joint: bool,
    /// One of each domain alone: for a map between them, or for a domain that no joint
    /// evidence reaches.
    pub domain_fits: bool,
    /// The domains whose people's factors a map is fitted to.
    pub people_of: BTreeSet<DomainId>,
}

impl NeededFits {
    /// What these verdicts call for.
    #[must_use]
    pub fn of(verdicts: &[DirectionReport], ranges: &DomainRanges) -> Self {
        let with_joint = served(verdicts).filter(|(_, candidate)| candidate.needs().joint);
        let joint: BTreeSet<&DomainId> =
            with_joint.map(|(report, _)| &report.direction.to).collect();
        let with_people = served(verdicts).filter(|(_, candidate)| candidate.needs().people);
        let people_of: BTreeSet<DomainId> = with_people
            .flat_map(|(report, _)| [report.direction.from.clone(), report.direction.to.clone()])
            .collect();
        Self {
            joint: !joint.is_empty(),
            domain_fits: !people_of.is_empty()
                || ranges.keys().any(|domain| !joint.contains(domain)),
            people_of,
        }
    }
}

/// What was fitted, before it is put together.
#[derive(Debug, Clone, Default)]
pub struct Fitted {
    /// Items x factors of the joint fit.
    pub joint: Option<Array2<f32>>,
    /// The fits domain by domain.
    pub domain_fits: Option<DomainFits>,
    /// The bridges that are fitted from the matrix and texts alone: see [`fit_alone`].
    pub alone: BTreeMap<Direction, Carrier>,
}

impl Fitted {
    /// The tables and the bridges. What is not there is not served: a direction
    /// whose verdict calls for what could not be fitted goes without.
    #[must_use]
    pub fn serve(
        mut self,
        verdicts: &[DirectionReport],
        ranges: &DomainRanges,
        params: &AlsParams,
    ) -> ServedFits {
        let mut bridges = Bridges::none();
        for (report, candidate) in served(verdicts) {
            let direction = &report.direction;
            let carrier = match candidate.is_fitted_alone() {
                true => self.alone.remove(direction),
                false => self.carrier(direction, candidate),
            };
            if let Some(carrier) = carrier {
                bridges.insert(direction.clone(), Bridge { lift: report.lift(), carrier });
            }
        }
        let domain_factors = self.domain_fits.map(|fits| fits.items);
        let (item_factors, domain_factors) = match (self.joint, domain_factors) {
            (Some(joint), domain_factors) => {
                (joint, domain_factors.filter(|_| bridges.need_domain_factors(ranges)))
            }
            (None, Some(domain_factors)) => (domain_factors, None),
            // Without a joint bridge some domain lacks joint evidence, unless there is no domain.
            (None, None) => (Array2::zeros((0, params.options().factors)), None),
        };
        ServedFits { item_factors, domain_factors, bridges }
    }

    /// `None` when what it is fitted from is not there, when what is held out left
    /// nobody who has both, or when it cannot be solved, as from factors that all but
    /// vanished: then there is nothing to carry.
    fn carrier(&self, direction: &Direction, candidate: Candidate) -> Option<Carrier> {
        let people = |domain| self.domain_fits.as_ref().and_then(|fits| fits.people.get(domain));
        let both = people(&direction.from).zip(people(&direction.to));
        let maps = both.map(|(from, to)| MapSums::new(from, to));
        candidate.fit(&mut FitSources { maps, ..FitSources::default() }).ok()
    }
}

/// The bridges that the verdicts call for and that need no fit but their own, of a matrix and
/// how alike items are by their texts. One that
/// cannot be fitted, as where a matrix with less in it puts it over its bounds, is left out.
#[must_use]
pub fn fit_alone(
    (matrix, likenesses): (&SparseRows, Option<&TextLikenesses>),
    ranges: &DomainRanges,
    params: &AlsParams,
    verdicts: &[DirectionReport],
) -> BTreeMap<Direction, Carrier> {
    let alone = served(verdicts).filter(|(_, candidate)| candidate.is_fitted_alone());
    let mut alone: Vec<(&DirectionReport, Candidate)> = alone.collect();
    // Both directions of a pair one after the other, which share fits of the same settings.
    let pair = |direction: &Direction| {
        let Direction { from, to } = direction.clone();
        if from < to { (from, to) } else { (to, from) }
    };
    alone.sort_by_cached_key(|(report, _)| pair(&report.direction));
    let fits = OwnFits::new(*params);
    let mut of_pair = None;
    let fitted = |(report, candidate): (&DirectionReport, Candidate)| {
        let direction = &report.direction;
        let domains = (ranges.get(&direction.from)?, ranges.get(&direction.to)?);
        let everybody = (0..matrix.rows() as u32).collect();
        if of_pair.replace(pair(direction)) != Some(pair(direction)) {
            fits.clear();
        }
        let mut sources = FitSources {
            blocks: Some(BlockSums::new(matrix, domains, everybody)),
            own: Some(OwnSums::new(FitGround { matrix, ranges }, direction, &fits)),
            text: TextSums::of((direction, domains.1), likenesses, matrix),
            ..FitSources::default()
        };
        Some((direction.clone(), candidate.fit(&mut sources).ok()?))
    };
    alone.into_iter().filter_map(fitted).collect()
}

/// Fits what the verdicts call for. `progress` hears of each finished iteration;
/// there are at most as many as [`iterations`] says.
///
/// # Errors
/// [`NotPositiveDefinite`] when confidences are too extreme for single precision.
pub fn fit_served(
    (matrix, likenesses): (&SparseRows, Option<&TextLikenesses>),
    ranges: &DomainRanges,
    params: &AlsParams,
    verdicts: &[DirectionReport],
    progress: &(dyn Fn() + Sync),
) -> Result<ServedFits, NotPositiveDefinite> {
    let needed = NeededFits::of(verdicts, ranges);
    let alone = fit_alone((matrix, likenesses), ranges, params, verdicts);
    let mut fitted = Fitted { alone, ..Fitted::default() };
    if needed.joint {
        fitted.joint = Some(fit(matrix, params, &|_| progress())?.items);
    }
    if needed.domain_fits {
        fitted.domain_fits = Some(DomainFits::fit(matrix, ranges, params, progress)?);
    }
    Ok(fitted.serve(verdicts, ranges, params))
}

/// Most iterations that fitting does: one joint fit and one of each domain.
#[must_use]
pub fn iterations(domains: usize, params: &AlsParams) -> usize {
    params.options().iterations * (1 + domains)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::model::bridges::BridgeKind;
    use crate::training::bridging::gate::DirectionVerdict;
    use crate::training::bridging::mapping_fit::PeopleWeighting;
    use crate::training::bridging::own_fits::FitSettings;
    use crate::training::bridging::trial::tests::{direction, likenesses, params, ranges, world};

    const JOINT: Candidate = Candidate::Joint { source_weight: 1.0 };
    const MAPPING: Candidate = Candidate::Mapping { ridge: 1.0, weighting: PeopleWeighting::Even };
    const BLOCK: Candidate = Candidate::CrossBlock { ridge: 5.0 };
    const OWN: FitSettings = FitSettings { unobserved_weight: 0.05, regularisation: 0.01 };
    const TWO_BLOCK: Candidate = Candidate::TwoBlock { fit: OWN, ridge: 2.0, factor_weight: 1.0 };
    const PAIR: Candidate = Candidate::Pair { fit: OWN, source_weight: 1.0 };
    const TEXT: Candidate = Candidate::Text { popularity: 1.0 };

    /// Both directions, with what passed in each.
    pub(crate) fn verdicts(passed: [Option<Candidate>; 2]) -> Vec<DirectionReport> {
        let report = |(direction, passed): (Direction, Option<Candidate>)| DirectionReport {
            direction,
            people: 0,
            choosing_people: 0,
            judging_people: 0,
            popularity: 0.0,
            target_only: 0.0,
            candidates: Vec::new(),
            cross_block_refused: None,
            own_settings: Vec::new(),
            verdict: match passed {
                Some(chosen) => DirectionVerdict::Passed { chosen },
                None => DirectionVerdict::NotBetter { chosen: JOINT },
            },
        };
        [direction("a", "b"), direction("b", "a")].into_iter().zip(passed).map(report).collect()
    }

    #[test]
    fn only_what_the_verdicts_call_for_is_fitted() {
        let needed = |passed| {
            let needed = NeededFits::of(&verdicts(passed), &ranges());
            (needed.joint, needed.domain_fits, needed.people_of.len())
        };
        assert_eq!(needed([None, None]), (false, true, 0));
        assert_eq!(needed([Some(JOINT), None]), (true, true, 0));
        assert_eq!(needed([Some(JOINT), Some(JOINT)]), (true, false, 0));
        assert_eq!(needed([Some(MAPPING), Some(JOINT)]), (true, true, 2));
        assert_eq!(needed([Some(BLOCK), Some(BLOCK)]), (false, true, 0));
        assert_eq!(needed([Some(TWO_BLOCK), Some(PAIR)]), (false, true, 0));
        assert_eq!(needed([Some(TEXT), Some(TEXT)]), (false, true, 0));
    }

    #[test]
    fn every_kind_of_bridge_is_served_beside_the_factors_it_needs() {
        let (matrix, likenesses) = (world(120, true, 1), likenesses());
        let serve = |passed| {
            fit_served(
                (&matrix, Some(&likenesses)),
                &ranges(),
                &params(),
                &verdicts(passed),
                &|| (),
            )
            .unwrap()
        };
        let plain = serve([None, None]);
        assert_eq!((plain.bridges, plain.domain_factors), (Bridges::none(), None));
        for candidate in [JOINT, MAPPING, BLOCK, TWO_BLOCK, PAIR, TEXT] {
            let one = serve([Some(candidate), None]);
            let kinds: Vec<BridgeKind> =
                one.bridges.iter().map(|(_, b)| b.carrier.kind()).collect();
            assert_eq!(kinds, [candidate.kind()]);
            // The other domain is served by its own factors, whatever passed here.
            let own = one.domain_factors.as_ref().unwrap_or(&one.item_factors);
            assert_eq!(own, &plain.item_factors);
            assert_eq!(one.domain_factors.is_some(), candidate == JOINT);
        }
        assert_eq!(serve([Some(JOINT), Some(JOINT)]).domain_factors, None);
    }

    #[test]
    fn a_direction_without_anybody_who_has_both_goes_without_its_bridge() {
        let ranges = ranges();
        let middle = ranges.values().next().unwrap().range.end as u32;
        let whole = world(60, true, 1);
        let rows = (0..whole.rows()).map(|row| {
            let (items, confidences) = whole.row(row);
            let entries = items.iter().copied().zip(confidences.iter().copied());
            entries.filter(|(item, _)| (*item < middle) == (row % 2 == 0)).collect()
        });
        let apart = SparseRows::from_rows(whole.columns(), rows.collect::<Vec<_>>());
        for passed in [
            [Some(MAPPING), Some(TEXT)],
            [Some(MAPPING), Some(BLOCK)],
            [Some(TWO_BLOCK), Some(PAIR)],
        ] {
            let served =
                fit_served((&apart, None), &ranges, &params(), &verdicts(passed), &|| ()).unwrap();
            assert_eq!(served.bridges, Bridges::none());
        }
    }
}
