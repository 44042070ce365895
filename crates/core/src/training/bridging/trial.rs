//! Measuring candidates on people whose target history was hidden.
//!
//! One fit serves every candidate of every direction: a sample of the people
//! with several domains has the history of one of them hidden ([`Hiding`]), the
//! joint matrix and each domain are fitted without it, and each hidden person is
//! ranked all items of the hidden domain from the evidence of one source alone.

use ndarray::{Array2, ArrayView1, Axis, aview1, s};
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use crate::entities::ids::DomainId;
use crate::evidence::items::DomainRanges;
use crate::maths::als::{AlsParams, fit};
use crate::maths::dense::{NotPositiveDefinite, gram};
use crate::maths::fold_in::{FoldInBasis, FoldedPerson, UnobservedItems};
use crate::maths::measure::{
    CUTOFFS, Measurements, Metrics, RankingCase, evaluate_common_scores, evaluate_factors,
};
use crate::maths::rank::top_k;
use crate::maths::sparse::SparseRows;
use crate::maths::sparse::entries_within;
use crate::model::bridges::Direction;
use crate::model::bridges::mapping::LinearMap;
use crate::model::look_alikes::Twins;
use crate::training::bridging::candidates::Candidate;
use crate::training::bridging::cross_block_fit::{BlockEquations, CrossBlockError};
use crate::training::bridging::domain_fits::DomainFits;
use crate::training::bridging::mapping_fit::{MapEquations, PeopleWeighting};

/// The metric that bridges are chosen and judged by.
pub const METRIC: &str = "ndcg@20";

/// The candidates of a direction.
#[must_use]
pub fn candidates() -> Vec<Candidate> {
    let joint = [0.5, 1.0, 2.0].map(|source_weight| Candidate::Joint { source_weight });
    let mapping = MAP_RIDGES
        .into_iter()
        .flat_map(|ridge| WEIGHTINGS.map(|weighting| Candidate::Mapping { ridge, weighting }));
    let block = BLOCK_RIDGES.map(|ridge| Candidate::CrossBlock { ridge });
    joint.into_iter().chain(mapping).chain(block).collect()
}

const MAP_RIDGES: [f32; 3] = [0.3, 1.0, 3.0];
const WEIGHTINGS: [PeopleWeighting; 3] =
    [PeopleWeighting::Even, PeopleWeighting::Logarithm, PeopleWeighting::CappedCount];
const BLOCK_RIDGES: [f32; 3] = [5.0, 20.0, 80.0];

/// How many people are hidden.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HidingOptions {
    /// Share of the people with a domain and another one whose history in it is hidden.
    pub share: f64,
    /// People to hide where a third of those there are is as many.
    pub at_least: usize,
    /// Most people to hide for one target.
    pub at_most: usize,
    /// Seed of the sample.
    pub seed: u64,
}

impl Default for HidingOptions {
    fn default() -> Self {
        Self { share: 0.2, at_least: 100, at_most: 4000, seed: 17 }
    }
}

/// For each row of the joint matrix, the domain whose history is hidden.
#[derive(Debug, Clone, PartialEq)]
pub struct Hiding {
    hidden: Vec<Option<DomainId>>,
}

impl Hiding {
    /// Hides the history in `target` of these rows.
    #[must_use]
    pub fn of(rows: usize, target: &DomainId, hidden: impl IntoIterator<Item = usize>) -> Self {
        let mut all = vec![None; rows];
        hidden.into_iter().for_each(|row| all[row] = Some(target.clone()));
        Self { hidden: all }
    }

    /// Draws people with several domains and, for each, which of these to hide.
    /// Nobody has two domains hidden; of each domain's people with another
    /// domain at most a third are hidden.
    #[must_use]
    pub fn sample(matrix: &SparseRows, ranges: &DomainRanges, options: HidingOptions) -> Self {
        let several: Vec<(usize, Vec<&DomainId>)> = (0..matrix.rows())
            .map(|row| (row, domains_of(matrix, row, ranges)))
            .filter(|(_, domains)| domains.len() > 1)
            .collect();
        let quota = |domain: &DomainId| {
            let people = several.iter().filter(|(_, domains)| domains.contains(&domain)).count();
            let wanted = (people as f64 * options.share) as usize;
            wanted.max(options.at_least).min(people / 3).min(options.at_most)
        };
        let mut quotas: std::collections::BTreeMap<&DomainId, usize> =
            ranges.keys().map(|domain| (domain, quota(domain))).collect();
        let mut rng = ChaCha8Rng::seed_from_u64(options.seed);
        let mut order: Vec<usize> = (0..several.len()).collect();
        order.shuffle(&mut rng);
        let mut hidden = vec![None; matrix.rows()];
        for at in order {
            let (row, domains) = &several[at];
            let open: Vec<&DomainId> =
                domains.iter().copied().filter(|domain| quotas[domain] > 0).collect();
            if open.is_empty() {
                continue;
            }
            let chosen = open[rng.random_range(0..open.len())];
            quotas.entry(chosen).and_modify(|left| *left -= 1);
            hidden[*row] = Some(chosen.clone());
        }
        Self { hidden }
    }

    /// The matrix without what is hidden.
    #[must_use]
    pub fn apply(&self, matrix: &SparseRows, ranges: &DomainRanges) -> SparseRows {
        let rows = (0..matrix.rows()).map(|row| {
            let (columns, confidences) = matrix.row(row);
            let hidden = self.hidden[row].as_ref().and_then(|domain| ranges.get(domain));
            let is_hidden =
                |column: &u32| hidden.is_some_and(|range| range.contains(&(*column as usize)));
            let entries = columns.iter().copied().zip(confidences.iter().copied());
            entries.filter(|(column, _)| !is_hidden(column)).collect()
        });
        SparseRows::from_rows(matrix.columns(), rows)
    }
}

fn domains_of<'a>(matrix: &SparseRows, row: usize, ranges: &'a DomainRanges) -> Vec<&'a DomainId> {
    let has = |range| !entries_within(matrix, row, range).0.is_empty();
    ranges.iter().filter(|(_, range)| has(range)).map(|(domain, _)| domain).collect()
}

/// What the fits are made from.
#[derive(Clone, Copy)]
pub struct Ground<'a> {
    /// The joint matrix, whole.
    pub matrix: &'a SparseRows,
    /// The rows of each domain.
    pub ranges: &'a DomainRanges,
    /// Items that look alike; they are not ranked for who took their twin.
    pub twins: &'a Twins,
}

/// The fits without what is hidden.
pub struct Trial<'a> {
    ground: Ground<'a>,
    hiding: &'a Hiding,
    visible: SparseRows,
    params: AlsParams,
    /// Items x factors of the joint fit.
    joint: Array2<f32>,
    apart: DomainFits,
}

/// One candidate, measured.
#[derive(Debug, Clone, PartialEq)]
pub struct Measured {
    /// The candidate.
    pub candidate: Candidate,
    /// [`METRIC`] of each hidden person, in the order of all measurements of a direction.
    pub values: Vec<f64>,
    /// Every metric's mean.
    pub means: Metrics,
    /// Mean of [`METRIC`] when items that look alike are ranked and counted too;
    /// absent when there are none between the two domains.
    pub with_look_alikes: Option<f64>,
}

/// A direction's candidates, measured on the same people.
#[derive(Debug, Clone, PartialEq)]
pub struct Measures {
    /// The direction.
    pub direction: Direction,
    /// People who have both domains, hidden or not.
    pub people: usize,
    /// [`METRIC`] of each hidden person under popularity.
    pub popularity: Vec<f64>,
    /// The same under the target's own factors for its average person.
    pub target_only: Vec<f64>,
    /// The candidates.
    pub measured: Vec<Measured>,
    /// Why a cross block was not tried.
    pub cross_block_refused: Option<String>,
}

impl Measures {
    /// Joins measurements of one direction on different people, each hidden from
    /// a fit of its own. Candidates that one of them lacks are left out. `None`
    /// without measurements.
    #[must_use]
    pub fn pooled(parts: Vec<Self>) -> Option<Self> {
        let mut parts = parts.into_iter();
        let mut all = parts.next()?;
        for part in parts {
            all.people = all.people.max(part.people);
            all.popularity.extend(part.popularity);
            all.target_only.extend(part.target_only);
            all.measured = all
                .measured
                .into_iter()
                .filter_map(|measured| {
                    let other = part.measured.iter().find(|m| m.candidate == measured.candidate)?;
                    Some(measured.joined(other))
                })
                .collect();
            all.cross_block_refused = all.cross_block_refused.or(part.cross_block_refused);
        }
        Some(all)
    }
}

impl Measured {
    fn joined(mut self, other: &Self) -> Self {
        let (own, others) = (self.values.len() as f64, other.values.len() as f64);
        let mean = |a: f64, b: f64| (a * own + b * others) / (own + others).max(1.0);
        for (name, value) in &mut self.means {
            *value = mean(*value, other.means.get(name).copied().unwrap_or(0.0));
        }
        // Where nobody had an item that looks alike, the figures with and without are the same.
        let with = |measured: &Self| {
            let without = measured.means.get(METRIC).copied();
            measured.with_look_alikes.or(without).unwrap_or(0.0)
        };
        if self.with_look_alikes.is_some() || other.with_look_alikes.is_some() {
            let own_plain = self.values.iter().sum::<f64>() / own.max(1.0);
            let own_with = self.with_look_alikes.unwrap_or(own_plain);
            self.with_look_alikes = Some(mean(own_with, with(other)));
        }
        self.values.extend(&other.values);
        self
    }
}

/// The hidden people of a direction.
struct Slice {
    rows: Vec<usize>,
    /// What they had, without twins of their source items, which are not ranked.
    cases: Vec<RankingCase>,
    /// The same with twins, if there are any.
    with_twins: Option<Vec<RankingCase>>,
}

impl<'a> Trial<'a> {
    /// Fits jointly and domain by domain. `progress` hears of each finished iteration.
    ///
    /// # Errors
    /// As [`fit`].
    pub fn fit(
        ground: Ground<'a>,
        hiding: &'a Hiding,
        params: &AlsParams,
        progress: &(dyn Fn() + Sync),
    ) -> Result<Self, NotPositiveDefinite> {
        let visible = hiding.apply(ground.matrix, ground.ranges);
        let joint = fit(&visible, params, &|_| progress())?.items;
        let apart = DomainFits::fit(&visible, ground.ranges, params, progress)?;
        Ok(Self { ground, hiding, visible, params: *params, joint, apart })
    }

    /// Measures candidates of a direction on its hidden people.
    ///
    /// # Errors
    /// [`NotPositiveDefinite`] when numbers are too extreme to solve with.
    pub fn measure(
        &self,
        direction: &Direction,
        candidates: &[Candidate],
        unobserved: UnobservedItems,
    ) -> Result<Measures, NotPositiveDefinite> {
        let slice = self.slice(direction);
        let range = &self.ground.ranges[&direction.to];
        let counts = self.visible.column_counts();
        let counts: Vec<f32> = counts[range.clone()].iter().map(|count| *count as f32).collect();
        let average = self.average_scores(direction);
        let of_common =
            |scores: &[f32]| evaluate_common_scores(scores, &slice.cases).of(METRIC).to_vec();
        let mut measures = Measures {
            direction: direction.clone(),
            people: self.people_with_both(direction),
            popularity: of_common(&counts),
            target_only: of_common(&average),
            measured: Vec::new(),
            cross_block_refused: None,
        };
        let source = &self.ground.ranges[&direction.from];
        let is_block = |candidate: &Candidate| matches!(candidate, Candidate::CrossBlock { .. });
        let equations = candidates
            .iter()
            .any(is_block)
            .then(|| BlockEquations::new(&self.visible, source, range));
        for candidate in candidates {
            let ranked = match (*candidate, &equations) {
                (Candidate::Joint { source_weight }, _) => {
                    self.joint_vectors(direction, &slice, (source_weight, unobserved))?
                }
                (Candidate::Mapping { ridge, weighting }, _) => {
                    let Ok(map) = self.map_equations(direction, weighting).solve(ridge) else {
                        continue; // Nobody has both: there is no map.
                    };
                    self.mapped_vectors(direction, &slice, &map)
                }
                (Candidate::CrossBlock { .. }, None) => continue,
                (Candidate::CrossBlock { ridge }, Some(Ok(equations))) => {
                    match equations.solve(ridge) {
                        Ok(block) => Ranked::Block(block),
                        Err(error) => {
                            measures.cross_block_refused = Some(error.to_string());
                            continue;
                        }
                    }
                }
                (Candidate::CrossBlock { .. }, Some(Err(error))) => {
                    measures.cross_block_refused = Some(CrossBlockError::to_string(error));
                    continue;
                }
            };
            measures.measured.push(self.measured(*candidate, direction, &slice, &ranked));
        }
        Ok(measures)
    }

    fn people_with_both(&self, direction: &Direction) -> usize {
        let has = |row: usize, domain: &DomainId| {
            !entries_within(self.ground.matrix, row, &self.ground.ranges[domain]).0.is_empty()
        };
        let rows = 0..self.ground.matrix.rows();
        rows.filter(|&row| has(row, &direction.from) && has(row, &direction.to)).count()
    }

    /// What the target's own factors would give a person of whom nothing is known.
    fn average_scores(&self, direction: &Direction) -> Vec<f32> {
        let people = &self.apart.people[&direction.to].factors;
        let items = self.apart.items.slice(s![self.ground.ranges[&direction.to].clone(), ..]);
        match people.mean_axis(Axis(0)) {
            Some(average) => items.dot(&average).to_vec(),
            None => vec![0.0; items.nrows()],
        }
    }

    fn slice(&self, direction: &Direction) -> Slice {
        let Ground { matrix, ranges, twins } = self.ground;
        let (source, target) = (&ranges[&direction.from], &ranges[&direction.to]);
        let mut slice = Slice { rows: Vec::new(), cases: Vec::new(), with_twins: None };
        let mut with_twins = Vec::new();
        let hidden = self.hiding.hidden.iter().enumerate();
        for (row, _) in hidden.filter(|(_, hidden)| hidden.as_ref() == Some(&direction.to)) {
            let (evidence, _) = entries_within(matrix, row, source);
            let (had, _) = entries_within(matrix, row, target);
            let local = |column: &u32| column - target.start as u32;
            let mut seen: Vec<u32> = evidence
                .iter()
                .flat_map(|item| twins.of(*item))
                .filter(|twin| target.contains(&(**twin as usize)))
                .map(local)
                .collect();
            seen.sort_unstable();
            seen.dedup();
            let all: Vec<u32> = had.iter().map(local).collect();
            let relevant: Vec<u32> =
                all.iter().copied().filter(|item| seen.binary_search(item).is_err()).collect();
            if evidence.is_empty() || relevant.is_empty() {
                continue;
            }
            let at = slice.rows.len();
            slice.rows.push(row);
            slice.cases.push(RankingCase { row: at, seen, relevant });
            with_twins.push(RankingCase { row: at, seen: Vec::new(), relevant: all });
        }
        let has_twins = slice.cases.iter().any(|case| !case.seen.is_empty());
        slice.with_twins = has_twins.then_some(with_twins);
        slice
    }

    fn joint_vectors(
        &self,
        direction: &Direction,
        slice: &Slice,
        (source_weight, unobserved): (f32, UnobservedItems),
    ) -> Result<Ranked, NotPositiveDefinite> {
        let ranges = self.ground.ranges;
        let items = self.joint.view();
        let counted = match unobserved {
            UnobservedItems::All => items,
            UnobservedItems::OfObservedDomains => {
                items.slice(s![ranges[&direction.from].clone(), ..])
            }
        };
        let gram = gram(counted);
        let basis =
            FoldInBasis { items, gram: &gram, unobserved: counted.nrows(), params: &self.params };
        let solved: Result<Vec<Vec<f32>>, _> = slice
            .rows
            .par_iter()
            .map(|&row| {
                let (columns, confidences) =
                    entries_within(self.ground.matrix, row, &ranges[&direction.from]);
                let weighted = confidences.iter().map(|confidence| confidence * source_weight);
                let evidence: Vec<(u32, f32)> = columns.iter().copied().zip(weighted).collect();
                Ok(FoldedPerson::solve(basis, &evidence)?.vector().to_vec())
            })
            .collect();
        let targets = items.slice(s![ranges[&direction.to].clone(), ..]).to_owned();
        Ok(Ranked::Vectors { people: stack(&solved?, items.ncols()), targets })
    }

    fn map_equations(&self, direction: &Direction, weighting: PeopleWeighting) -> MapEquations {
        let people = &self.apart.people;
        MapEquations::new(&people[&direction.from], &people[&direction.to], weighting)
    }

    fn mapped_vectors(&self, direction: &Direction, slice: &Slice, map: &LinearMap) -> Ranked {
        let source = &self.apart.people[&direction.from];
        let nothing = vec![0.0; map.matrix().nrows()];
        let vectors: Vec<Vec<f32>> = slice
            .rows
            .iter()
            .map(|&row| map.map(source.of(row).unwrap_or(aview1(&nothing))))
            .collect();
        let range = self.ground.ranges[&direction.to].clone();
        let targets = self.apart.items.slice(s![range, ..]).to_owned();
        Ranked::Vectors { people: stack(&vectors, map.matrix().ncols()), targets }
    }

    fn measured(
        &self,
        candidate: Candidate,
        direction: &Direction,
        slice: &Slice,
        ranked: &Ranked,
    ) -> Measured {
        let measure = |cases: &[RankingCase]| match ranked {
            Ranked::Vectors { people, targets } => {
                evaluate_factors(people.view(), targets.view(), cases)
            }
            Ranked::Block(block) => self.measure_block(direction, slice, block, cases),
        };
        let measurements = measure(&slice.cases);
        let mean = |cases: &Vec<RankingCase>| measure(cases).means().get(METRIC).copied();
        Measured {
            candidate,
            values: measurements.of(METRIC).to_vec(),
            means: measurements.means(),
            with_look_alikes: slice.with_twins.as_ref().and_then(mean),
        }
    }

    fn measure_block(
        &self,
        direction: &Direction,
        slice: &Slice,
        block: &SparseRows,
        cases: &[RankingCase],
    ) -> Measurements {
        let longest = CUTOFFS.into_iter().max().unwrap_or(0);
        let source = &self.ground.ranges[&direction.from];
        let lists: Vec<Vec<u32>> = cases
            .par_iter()
            .map(|case| {
                let (items, _) = entries_within(self.ground.matrix, slice.rows[case.row], source);
                let local = items.iter().map(|item| item - source.start as u32);
                let mut scores = crate::model::bridges::cross_block::scores(block, local);
                case.seen.iter().for_each(|&item| scores[item as usize] = f32::NEG_INFINITY);
                top_k(&scores, longest)
            })
            .collect();
        let mut measurements = Measurements::default();
        for (case, list) in cases.iter().zip(lists) {
            measurements.add(&list, &case.relevant);
        }
        measurements
    }
}

/// What gives the scores of a candidate.
enum Ranked {
    /// Vectors of the hidden people, and of the target's items.
    Vectors { people: Array2<f32>, targets: Array2<f32> },
    /// A cross block.
    Block(SparseRows),
}

fn stack(vectors: &[Vec<f32>], factors: usize) -> Array2<f32> {
    let mut rows = Array2::zeros((vectors.len(), factors));
    for (mut row, vector) in rows.rows_mut().into_iter().zip(vectors) {
        row.assign(&ArrayView1::from(vector));
    }
    rows
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::maths::als::AlsOptions;

    pub(crate) fn domain(name: &str) -> DomainId {
        DomainId::parse(name).unwrap()
    }

    /// Twenty items in each domain.
    pub(crate) fn ranges() -> DomainRanges {
        DomainRanges::from([(domain("a"), 0..20), (domain("b"), 20..40)])
    }

    pub(crate) fn direction(from: &str, to: &str) -> Direction {
        Direction { from: domain(from), to: domain(to) }
    }

    /// People of two tastes; `is_shared` tells whether the taste is the same on
    /// both platforms or drawn anew.
    pub(crate) fn world(people: usize, is_shared: bool, seed: u64) -> SparseRows {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let rows = (0..people).map(|_| {
            let taste = rng.random_range(0..2u32);
            let mut row = Vec::new();
            for start in [0, 20] {
                let taste = if is_shared || start == 0 { taste } else { rng.random_range(0..2) };
                for _ in 0..6 {
                    let liked = start + taste * 10 + rng.random_range(0..10u32);
                    let any = start + rng.random_range(0..20u32);
                    row.push((if rng.random_bool(0.85) { liked } else { any }, 1.0));
                }
            }
            row
        });
        SparseRows::from_rows(40, rows.collect::<Vec<_>>())
    }

    pub(crate) fn params() -> AlsParams {
        AlsOptions { factors: 4, iterations: 5, ..AlsOptions::default() }.check().unwrap()
    }

    #[test]
    fn hiding_leaves_the_sources_and_takes_the_target_of_a_third_at_most() {
        let matrix = world(90, true, 1);
        let hiding = Hiding::sample(&matrix, &ranges(), HidingOptions::default());
        assert_eq!(hiding, Hiding::sample(&matrix, &ranges(), HidingOptions::default()));
        let visible = hiding.apply(&matrix, &ranges());
        for target in ["a", "b"] {
            let of_target = hiding.hidden.iter().filter(|h| **h == Some(domain(target)));
            assert_eq!(of_target.count(), 30);
        }
        for (row, hidden) in hiding.hidden.iter().enumerate() {
            for (domain, range) in &ranges() {
                let (before, after) =
                    (entries_within(&matrix, row, range), entries_within(&visible, row, range));
                if hidden.as_ref() == Some(domain) {
                    assert!(after.0.is_empty());
                } else {
                    assert_eq!(before, after);
                }
            }
        }
    }

    #[test]
    fn every_candidate_is_measured_on_the_same_people_and_finds_a_shared_taste() {
        let matrix = world(240, true, 1);
        let hiding = Hiding::sample(&matrix, &ranges(), HidingOptions::default());
        let twins = Twins::default();
        let ranges = ranges();
        let ground = Ground { matrix: &matrix, ranges: &ranges, twins: &twins };
        let trial = Trial::fit(ground, &hiding, &params(), &|| ()).unwrap();
        let measures =
            trial.measure(&direction("a", "b"), &candidates(), UnobservedItems::default()).unwrap();
        assert_eq!(measures.people, 240);
        assert_eq!(measures.measured.len(), candidates().len());
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
        for measured in &measures.measured {
            assert_eq!(measured.values.len(), measures.popularity.len());
            assert_eq!(measured.with_look_alikes, None);
            assert!(
                mean(&measured.values) > mean(&measures.popularity) + 0.02,
                "{:?} {}",
                measured.candidate,
                mean(&measured.values)
            );
        }
    }

    #[test]
    fn pooled_measurements_are_those_of_all_their_people() {
        let measures = |values: Vec<f64>, with| Measures {
            direction: direction("a", "b"),
            people: 9,
            popularity: values.clone(),
            target_only: values.clone(),
            measured: vec![Measured {
                candidate: Candidate::Joint { source_weight: 1.0 },
                means: Metrics::from([(
                    METRIC.to_owned(),
                    values.iter().sum::<f64>() / values.len() as f64,
                )]),
                values,
                with_look_alikes: with,
            }],
            cross_block_refused: None,
        };
        let parts = vec![measures(vec![0.0, 0.5], None), measures(vec![1.0], Some(0.7))];
        let pooled = Measures::pooled(parts).unwrap();
        assert_eq!(pooled.popularity, [0.0, 0.5, 1.0]);
        assert_eq!(pooled.measured[0].values, pooled.popularity);
        assert!((pooled.measured[0].means[METRIC] - 0.5).abs() < 1e-12);
        assert!((pooled.measured[0].with_look_alikes.unwrap() - 0.4).abs() < 1e-12);
        let mut lacking = measures(vec![1.0], None);
        lacking.measured.clear();
        let pooled = Measures::pooled(vec![measures(vec![0.0], None), lacking]).unwrap();
        assert!(pooled.measured.is_empty());
        assert_eq!(Measures::pooled(vec![]), None);
    }

    #[test]
    fn the_fit_that_candidates_are_measured_with_knows_nothing_of_what_is_hidden() {
        // Two worlds that differ in the hidden target history alone.
        let matrix = world(120, true, 3);
        let ranges = ranges();
        let hiding = Hiding::sample(&matrix, &ranges, HidingOptions::default());
        let visible = hiding.apply(&matrix, &ranges);
        let twins = Twins::default();
        let fits = |matrix| {
            let ground = Ground { matrix, ranges: &ranges, twins: &twins };
            let trial = Trial::fit(ground, &hiding, &params(), &|| ()).unwrap();
            (trial.joint, trial.apart.items)
        };
        assert_eq!(fits(&matrix), fits(&visible));
    }
}
