//! Measuring candidates on people whose target history was hidden.
//!
//! One fit serves every candidate of every direction: a sample of the people
//! with several domains has the history of one of them hidden ([`Hiding`]), the
//! joint matrix and each domain are fitted without it, and each hidden person is
//! ranked all items of the hidden domain from the evidence of one source alone.
//!
//! A candidate is scored as it would be served: the tables with its bridge alone
//! are asked for an estimate ([`ScoringTables`]). Hidden people have no history of
//! their own in the target there, so a map or a block makes their whole score.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ndarray::{Array2, Axis};
use rayon::prelude::*;

use crate::entities::ids::DomainId;
use crate::evidence::items::{DomainRanges, DomainRows, Row, Weighted};
use crate::maths::als::{AlsParams, fit};
use crate::maths::dense::NotPositiveDefinite;
use crate::maths::fold_in::UnobservedItems;
use crate::maths::measure::{LIST_LENGTH, Measurements, RankingCase, evaluate_common_scores};
use crate::maths::rank::rank_unseen;
use crate::maths::sparse::SparseRows;
use crate::model::bridges::{Bridge, Direction};
use crate::model::factor_table::FactorTable;
use crate::model::look_alikes::LookAlikes;
use crate::model::scoring::{ScoringTables, SharedFactors};
use crate::training::bridging::candidates::{Candidate, FitSources, NotFitted};
use crate::training::bridging::cross_block_fit::BlockSums;
use crate::training::bridging::domain_fits::{DomainFits, DomainPeople};
use crate::training::bridging::hiding::Hiding;
use crate::training::bridging::mapping_fit::MapSums;
use crate::training::bridging::measures::{METRIC, Measured, Measures};
use crate::training::bridging::own_fits::{FitGround, OwnFits};
use crate::training::bridging::shared_people::{SharedPeople, in_both};
use crate::training::bridging::text_fit::{TextLikenesses, TextSums};
use crate::training::bridging::two_block_fit::OwnSums;

/// What the fits are made from.
#[derive(Clone, Copy)]
pub struct Ground<'a> {
    /// The joint matrix, whole.
    pub matrix: &'a SparseRows,
    /// The rows of each domain.
    pub ranges: &'a DomainRanges,
    /// Items that look alike; they are not ranked for who took the other one.
    pub look_alikes: &'a LookAlikes,
    /// How alike items of different domains are by their texts, where they have any.
    pub likenesses: Option<&'a TextLikenesses>,
}

/// The fits without what is hidden.
pub struct Trial<'a> {
    ground: Ground<'a>,
    shared: Arc<SharedPeople<'a>>,
    visible: SparseRows,
    factors: SharedFactors,
    people: BTreeMap<DomainId, DomainPeople>,
    own: OwnFits,
    targets: BTreeMap<DomainId, HiddenTarget>,
}

/// A domain that was hidden from some people.
struct HiddenTarget {
    /// Rows of the joint matrix.
    people: Vec<usize>,
    /// How many people have each item, without what is hidden, by row within the domain.
    popularity: Vec<f32>,
    /// The scores that the domain's own factors would give a person of whom
    /// nothing is known.
    target_only: Vec<f32>,
}

impl<'a> Trial<'a> {
    /// Fits jointly and domain by domain. `progress` hears of each finished iteration.
    ///
    /// # Errors
    /// As [`fit`]; or when what was fitted is too extreme to be served.
    pub fn fit(
        ground: Ground<'a>,
        hiding: &Hiding,
        params: &AlsParams,
        progress: &(dyn Fn() + Sync),
    ) -> Result<Self, NotPositiveDefinite> {
        let shared = Arc::new(SharedPeople::of(ground.matrix, ground.ranges));
        Self::fit_shared(ground, shared, hiding, params, progress)
    }

    pub(super) fn fit_shared(
        ground: Ground<'a>,
        shared: Arc<SharedPeople<'a>>,
        hiding: &Hiding,
        params: &AlsParams,
        progress: &(dyn Fn() + Sync),
    ) -> Result<Self, NotPositiveDefinite> {
        let visible = hiding.apply(ground.matrix, ground.ranges);
        let joint = fit(&visible, params, &|_| progress())?.items;
        let used = domains_of(ground, hiding.by_domain().values().flatten().copied());
        let is_used = |domain: &DomainId| used.contains(domain);
        let fits = DomainFits::fit_some(&visible, ground.ranges, &is_used, params, progress)?;
        Self::put_together((ground, shared), hiding, (visible, joint, fits), params)
    }

    /// Without the fits that candidates share, so only those that bring their own tables can
    /// be told from each other by it.
    ///
    /// # Errors
    /// As [`Trial::fit`].
    pub(super) fn of_own_tables(
        ground: Ground<'a>,
        shared: Arc<SharedPeople<'a>>,
        hiding: &Hiding,
        params: &AlsParams,
    ) -> Result<Self, NotPositiveDefinite> {
        let visible = hiding.apply(ground.matrix, ground.ranges);
        let none = || Array2::zeros((visible.columns(), params.options().factors));
        let fits = DomainFits { items: none(), people: BTreeMap::new() };
        let joint = none();
        Self::put_together((ground, shared), hiding, (visible, joint, fits), params)
    }

    fn put_together(
        (ground, shared): (Ground<'a>, Arc<SharedPeople<'a>>),
        hiding: &Hiding,
        (visible, joint, fits): (SparseRows, Array2<f32>, DomainFits),
        params: &AlsParams,
    ) -> Result<Self, NotPositiveDefinite> {
        let DomainFits { items, people } = fits;
        let table = |items| FactorTable::new(items, ground.ranges).map(Arc::new);
        let table = |items| table(items).map_err(|_| NotPositiveDefinite);
        let factors = SharedFactors {
            ranges: Arc::new(ground.ranges.clone()),
            params: *params,
            joint: table(joint)?,
            domain_factors: table(items)?,
        };
        let counts = visible.column_counts();
        let target = |(domain, rows): (&DomainId, Vec<usize>)| {
            let target = ground.ranges.get(domain)?;
            let counts = &counts[target.range.clone()];
            let hidden = HiddenTarget {
                people: rows,
                popularity: counts.iter().map(|count| *count as f32).collect(),
                target_only: average_scores(&factors.domain_factors, target, people.get(domain)),
            };
            Some((domain.clone(), hidden))
        };
        let targets = hiding.by_domain().into_iter().filter_map(target).collect();
        let own = OwnFits::new(*params);
        Ok(Self { ground, shared, visible, factors, people, own, targets })
    }

    /// Measures candidates of a direction on its hidden people. Where there are
    /// none, nothing is tried.
    ///
    /// # Errors
    /// [`NotPositiveDefinite`] when a candidate that was fitted cannot be served.
    ///
    /// # Panics
    /// When one of the domains has no rows.
    pub fn measure(
        &self,
        direction: &Direction,
        candidates: &[Candidate],
        unobserved: UnobservedItems,
    ) -> Result<Measures, NotPositiveDefinite> {
        let mut measures = Measures::of_nobody(direction, self.shared.count_of(direction));
        let Some(hidden) = self.targets.get(&direction.to) else { return Ok(measures) };
        let people = self.hidden_people(direction, hidden);
        if people.cases.is_empty() {
            return Ok(measures);
        }
        let of_common =
            |scores: &[f32]| evaluate_common_scores(scores, &people.cases).of(METRIC).to_vec();
        measures.folds = vec![0; people.cases.len()];
        measures.popularity = of_common(&hidden.popularity);
        measures.target_only = of_common(&hidden.target_only);
        let mut sources = self.sources(direction);
        for candidate in candidates {
            let carrier = match candidate.fit(&mut sources) {
                Ok(carrier) => carrier,
                Err(NotFitted::CrossBlock(why)) => {
                    measures.cross_block_refused = Some(why.to_string());
                    continue;
                }
                // Nobody has both, or it cannot be solved: there is none, and others go on.
                Err(
                    NotFitted::Nobody
                    | NotFitted::Textless
                    | NotFitted::Numerical(_)
                    | NotFitted::Settings(_),
                ) => continue,
            };
            // What it adds is not known yet, and is not asked for: it is alone.
            let bridge = Bridge { lift: 0.0, carrier };
            let tables = self.factors.with_bridge(direction, bridge, unobserved);
            let Ok(tables) = tables else { continue };
            measures.measured.push(people.measured(*candidate, &tables));
        }
        Ok(measures)
    }

    /// Forgets the fits that candidates had for themselves: those of other domains are
    /// others.
    pub(super) fn forget_own_fits(&self) {
        self.own.clear();
    }

    fn sources<'s>(&'s self, direction: &'s Direction) -> FitSources<'s> {
        let Direction { from, to } = direction;
        let both = self.people.get(from).zip(self.people.get(to));
        let domains = (&self.ground.ranges[from], &self.ground.ranges[to]);
        let ground = FitGround { matrix: &self.visible, ranges: self.ground.ranges };
        FitSources {
            maps: both.map(|(from, to)| MapSums::new(from, to)),
            blocks: both.map(|(from, to)| {
                BlockSums::new(&self.visible, domains, in_both(&from.rows, &to.rows))
            }),
            own: Some(OwnSums::new(ground, direction, &self.own)),
            text: TextSums::of((direction, domains.1), self.ground.likenesses, &self.visible),
        }
    }

    fn hidden_people<'p>(
        &'p self,
        direction: &Direction,
        hidden: &'p HiddenTarget,
    ) -> HiddenPeople<'p> {
        let Ground { matrix, ranges, look_alikes, .. } = self.ground;
        let (source, target) = (&ranges[&direction.from], &ranges[&direction.to]);
        let mut people = HiddenPeople {
            matrix,
            source,
            target,
            popularity: &hidden.popularity,
            cases: Vec::new(),
            had: Vec::new(),
        };
        for &person in &hidden.people {
            let evidence = liked(source, matrix, person);
            let alike = evidence.iter().flat_map(|item| look_alikes.of(Row(*item)));
            let mut seen: Vec<u32> =
                alike.filter_map(|row| target.local(*row)).map(|local| local.0).collect();
            seen.sort_unstable();
            seen.dedup();
            let had = liked(target, matrix, person);
            let had: Vec<u32> = had.iter().map(|item| item - target.range.start as u32).collect();
            let is_unseen = |item: &u32| seen.binary_search(item).is_err();
            let relevant: Vec<u32> = had.iter().copied().filter(is_unseen).collect();
            if evidence.is_empty() || relevant.is_empty() {
                continue;
            }
            people.cases.push(RankingCase { person, seen, relevant });
            people.had.push(had);
        }
        people
    }
}

/// The items of a domain that a person likes, ascending.
fn liked(rows: &DomainRows, matrix: &SparseRows, person: usize) -> Vec<u32> {
    let liked = rows.interactions_of(matrix, person).into_iter().filter(Weighted::is_liked);
    liked.map(|known| known.row.0).collect()
}

/// The domains of these people.
fn domains_of(ground: Ground<'_>, people: impl Iterator<Item = usize>) -> BTreeSet<DomainId> {
    let places: BTreeSet<usize> =
        people.flat_map(|person| ground.ranges.domains_of(ground.matrix, person)).collect();
    let domains = ground.ranges.keys().enumerate().filter(|(at, _)| places.contains(at));
    domains.map(|(_, domain)| domain.clone()).collect()
}

/// What a domain's own factors would give a person of whom nothing is known.
fn average_scores(
    factors: &FactorTable,
    target: &DomainRows,
    people: Option<&DomainPeople>,
) -> Vec<f32> {
    let items = factors.of_domain(target);
    match people.and_then(|people| people.factors.mean_axis(Axis(0))) {
        Some(average) => items.dot(&average).to_vec(),
        None => vec![0.0; items.nrows()],
    }
}

/// The hidden people of a direction.
struct HiddenPeople<'a> {
    matrix: &'a SparseRows,
    source: &'a DomainRows,
    target: &'a DomainRows,
    popularity: &'a [f32],
    /// What they had, without what looks like their source items, which counts as
    /// seen. A person is a row of the joint matrix.
    cases: Vec<RankingCase>,
    /// What each of them had, all of it.
    had: Vec<Vec<u32>>,
}

impl HiddenPeople<'_> {
    /// Ranks by tables with one bridge, as they would be served.
    fn measured(&self, candidate: Candidate, tables: &ScoringTables) -> Measured {
        let has_look_alikes = self.cases.iter().any(|case| !case.seen.is_empty());
        let rank = |case: &RankingCase| {
            let scores = self.scores(tables, case.person);
            let without = rank_unseen(&scores, &case.seen, LIST_LENGTH);
            let with = has_look_alikes.then(|| rank_unseen(&scores, &[], LIST_LENGTH));
            (without, with)
        };
        let lists: Vec<(Vec<u32>, Option<Vec<u32>>)> = self.cases.par_iter().map(rank).collect();
        let (mut measurements, mut with) = (Measurements::default(), Measurements::default());
        for ((list, with_look_alikes), (case, had)) in
            lists.iter().zip(self.cases.iter().zip(&self.had))
        {
            measurements.add(list, &case.relevant);
            if let Some(list) = with_look_alikes {
                with.add(list, had);
            }
        }
        Measured {
            candidate,
            values: measurements.of(METRIC).to_vec(),
            means: measurements.means(),
            with_look_alikes: with.means().get(METRIC).copied(),
        }
    }

    /// What a person is served in the target by what they did in the source alone.
    fn scores(&self, tables: &ScoringTables, person: usize) -> Vec<f32> {
        let evidence = self.source.interactions_of(self.matrix, person);
        match tables.estimate(&self.target.domain, &evidence) {
            Some(estimate) => estimate.into_scores(),
            None => self.popularity.to_vec(),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::evidence::item_vectors::{ItemVectors, VectorSource};
    use crate::evidence::items::ItemIndex;
    use crate::maths::als::AlsOptions;
    use crate::model::mixtures::Mixtures;
    use crate::model::scoring::TableParts;
    use crate::training::bridging::candidates::candidates;
    use crate::training::bridging::fitting::fit_served;
    use crate::training::bridging::fitting::tests::verdicts;
    use crate::training::bridging::own_fits::{FitSettings, OwnSettings};
    use crossfold_testing::item_key;

    pub(crate) fn domain(name: &str) -> DomainId {
        DomainId::parse(name).unwrap()
    }

    /// Twenty items in each domain.
    pub(crate) fn ranges() -> DomainRanges {
        DomainRanges::from([(domain("a"), 0..20), (domain("b"), 20..40)])
    }

    /// How alike the items of both domains are by texts that tell the two tastes.
    pub(crate) fn likenesses() -> TextLikenesses {
        let items = ["a", "b"]
            .into_iter()
            .flat_map(|name| (0..20).map(move |item| item_key(name, &format!("{item:02}"))));
        let index = ItemIndex::new(items.clone().collect());
        let table = Array2::from_shape_fn((40, 3), |(item, value)| match value {
            2 => (item % 7) as f32 / 10.0,
            taste => f32::from(u8::from(item % 20 / 10 == taste)),
        });
        let vectors = ItemVectors::new(VectorSource::default(), items, table).unwrap();
        let texts = [(domain("a"), 20), (domain("b"), 20)].into();
        TextLikenesses::between(&index, &texts, |_, _| Some(vectors.clone()))
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

    /// A third of the people have `a` hidden, another third `b`.
    fn hidden(matrix: &SparseRows) -> Hiding {
        let people = |part| (0..matrix.rows()).filter(move |row| row % 3 == part);
        let of_a = Hiding::of(matrix.rows(), &domain("a"), people(0));
        of_a.and(&Hiding::of(matrix.rows(), &domain("b"), people(1)))
    }

    pub(crate) fn params() -> AlsParams {
        AlsOptions { factors: 4, iterations: 5, ..AlsOptions::default() }.check().unwrap()
    }

    /// Every kind, those with tables of their own with the run's settings and others.
    fn all() -> Vec<Candidate> {
        let run = FitSettings::of(&params());
        let other = FitSettings { unobserved_weight: 0.05, ..run };
        candidates(&OwnSettings { two_block: vec![run, other], pair: vec![other] })
    }

    #[test]
    fn every_candidate_is_measured_on_the_same_people_and_finds_a_shared_taste() {
        let matrix = world(240, true, 1);
        let hiding = hidden(&matrix);
        let look_alikes = LookAlikes::default();
        let ranges = ranges();
        let likenesses = likenesses();
        let ground = Ground {
            matrix: &matrix,
            ranges: &ranges,
            look_alikes: &look_alikes,
            likenesses: Some(&likenesses),
        };
        let trial = Trial::fit(ground, &hiding, &params(), &|| ()).unwrap();
        let measures =
            trial.measure(&direction("a", "b"), &all(), UnobservedItems::default()).unwrap();
        assert_eq!(measures.people, 240);
        assert_eq!(measures.measured.len(), all().len());
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

    /// The metric of each of these people, as tables that are served rank for them.
    fn as_served(
        tables: &ScoringTables,
        matrix: &SparseRows,
        cases: &[(usize, Vec<u32>, Vec<u32>)],
    ) -> Vec<f64> {
        let mut measurements = Measurements::default();
        for (person, seen, relevant) in cases {
            let all = Weighted::of_person(matrix, *person);
            let of_source: Vec<Weighted> = all.into_iter().filter(|w| w.row < Row(20)).collect();
            let estimate = tables.estimate(&domain("b"), &of_source).unwrap();
            measurements.add(&rank_unseen(&estimate.scores(), seen, LIST_LENGTH), relevant);
        }
        measurements.of(METRIC).to_vec()
    }

    #[test]
    fn what_is_measured_of_each_candidate_is_what_would_be_served() {
        let matrix = world(180, true, 2);
        let (ranges, params) = (ranges(), params());
        let hiding = hidden(&matrix);
        let visible = hiding.apply(&matrix, &ranges);
        let pair = (Row(3), Row(25));
        let look_alikes = LookAlikes::new([pair]);
        let likenesses = likenesses();
        let ground = Ground {
            matrix: &matrix,
            ranges: &ranges,
            look_alikes: &look_alikes,
            likenesses: Some(&likenesses),
        };
        let trial = Trial::fit(ground, &hiding, &params, &|| ()).unwrap();
        let target = &ranges[&domain("b")];
        let cases: Vec<(usize, Vec<u32>, Vec<u32>)> = hiding.by_domain()[&domain("b")]
            .iter()
            .map(|&person| {
                let has_alike = matrix.row(person).0.contains(&pair.0.0);
                let seen = if has_alike { vec![5] } else { vec![] };
                let had = target.entries_of(&matrix, person).0.iter().map(|item| item - 20);
                (person, seen.clone(), had.filter(|item| !seen.contains(item)).collect())
            })
            .collect();
        assert!(cases.iter().any(|(_, seen, _)| !seen.is_empty()));
        for unobserved in [UnobservedItems::All, UnobservedItems::OfObservedDomains] {
            let measures = trial.measure(&direction("a", "b"), &all(), unobserved).unwrap();
            assert_eq!(measures.measured.len(), all().len());
            for measured in &measures.measured {
                let verdicts = verdicts([Some(measured.candidate), None]);
                let fits =
                    fit_served((&visible, Some(&likenesses)), &ranges, &params, &verdicts, &|| ())
                        .unwrap();
                assert_eq!(fits.bridges.iter().count(), 1);
                let tables = ScoringTables::new(TableParts {
                    ranges: ranges.clone(),
                    params,
                    unobserved,
                    item_factors: fits.item_factors,
                    domain_factors: fits.domain_factors,
                    bridges: fits.bridges,
                    mixtures: Mixtures::none(),
                    look_alikes: look_alikes.clone(),
                    by_popularity: BTreeSet::new(),
                    young_items: Default::default(),
                });
                let served = as_served(&tables.unwrap(), &matrix, &cases);
                assert_eq!(measured.values, served, "{:?}", measured.candidate);
                assert!(measured.with_look_alikes.is_some());
            }
        }
    }

    #[test]
    fn a_direction_without_hidden_people_is_counted_and_nothing_is_tried() {
        let matrix = world(60, true, 1);
        let ranges = ranges();
        let hiding = Hiding::of(60, &domain("a"), 0..20);
        let look_alikes = LookAlikes::default();
        let likenesses = likenesses();
        let ground = Ground {
            matrix: &matrix,
            ranges: &ranges,
            look_alikes: &look_alikes,
            likenesses: Some(&likenesses),
        };
        let trial = Trial::fit(ground, &hiding, &params(), &|| ()).unwrap();
        let measure = |from, to| {
            let direction = direction(from, to);
            trial.measure(&direction, &all(), UnobservedItems::default()).unwrap()
        };
        assert_eq!(measure("a", "b"), Measures::of_nobody(&direction("a", "b"), 60));
        let tried = measure("b", "a");
        assert_eq!((tried.popularity.len(), tried.measured.len()), (20, all().len()));
    }

    #[test]
    fn the_fit_that_candidates_are_measured_with_knows_nothing_of_what_is_hidden() {
        // Two worlds that differ in the hidden target history alone.
        let matrix = world(120, true, 3);
        let ranges = ranges();
        let hiding = hidden(&matrix);
        let visible = hiding.apply(&matrix, &ranges);
        let look_alikes = LookAlikes::default();
        let fits = |matrix| {
            let ground =
                Ground { matrix, ranges: &ranges, look_alikes: &look_alikes, likenesses: None };
            let trial = Trial::fit(ground, &hiding, &params(), &|| ()).unwrap();
            (
                trial.factors.joint.items().to_owned(),
                trial.factors.domain_factors.items().to_owned(),
            )
        };
        assert_eq!(fits(&matrix), fits(&visible));
    }
}
