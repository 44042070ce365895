//! The gate: whether a direction gets a bridge, and which.
//!
//! Everyone who has both domains has the target hidden once, in one of a few folds
//! (as far as the bounds of [`HidingOptions`] allow), and all folds are judged together.
//! Each kind is judged by everyone who was hidden, by the candidate that others chose for
//! them ([`super::choosing`]); those with tables of their own by settings that others
//! scouted ([`super::scouting`]). Who chose does not judge, so no choice flatters itself.
//!
//! A kind passes when its mean advantage over popularity *and* over the target's own
//! factors for its average person, which is what could be served without the bridge, both
//! lie above zero with their intervals. These hold for all kinds at once
//! ([`simultaneous_intervals`]): that a kind which helps nobody passes is as improbable
//! as [`GateOptions::false_acceptance`] says, however many kinds there are. Of those that
//! pass, the one that brings most is served.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::entities::ids::DomainId;
use crate::maths::als::AlsParams;
use crate::maths::bootstrap::{Interval, mean_interval, simultaneous_intervals};
use crate::maths::dense::NotPositiveDefinite;
use crate::maths::fold_in::UnobservedItems;
use crate::model::bridges::{BridgeKind, Direction};
use crate::training::bridging::candidates::{Candidate, candidates};
use crate::training::bridging::choosing::{Chosen, choose};
use crate::training::bridging::hiding::{Hiding, HidingOptions};
use crate::training::bridging::look_alike::LookAlikeRule;
use crate::training::bridging::measures::{METRIC, Measures};
use crate::training::bridging::own_fits::{FitSettings, OwnSettings};
use crate::training::bridging::scouting::{Scouted, ScoutingOptions, scout};
use crate::training::bridging::shared_people::SharedPeople;
use crate::training::bridging::trial::{Ground, Trial};

/// Fewest people who must be ranked better or worse than by a baseline before a kind may pass.
/// All of so many are helped by chance once in 256 times; of two or three, often.
pub const FEWEST_WHO_DIFFER: usize = 8;

/// How directions are judged.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GateOptions {
    /// Hidden people that a direction needs to be judged at all.
    pub minimum_people: usize,
    /// How probable it may be, at most, that a direction in which no kind helps gets a
    /// bridge; above 0, below 0.5.
    pub false_acceptance: f64,
    /// Seed of parts and of the bootstrap.
    pub seed: u64,
    /// How many people are hidden.
    pub hiding: HidingOptions,
    /// How far settings of bridges' own fits are searched for.
    pub scouting: ScoutingOptions,
    /// What makes items look alike.
    pub look_alikes: LookAlikeRule,
}

impl Default for GateOptions {
    fn default() -> Self {
        Self {
            minimum_people: 15,
            false_acceptance: 0.04,
            seed: 5,
            hiding: HidingOptions::default(),
            scouting: ScoutingOptions::default(),
            look_alikes: LookAlikeRule::default(),
        }
    }
}

/// What was measured of a kind of bridge.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CandidateFigures {
    /// The kind and the settings that did best on all hidden people: what would be served.
    pub candidate: Candidate,
    /// Its mean NDCG@20 on all of them, who chose it.
    pub choosing: f64,
    /// NDCG@20 of the kind when others choose the settings for each person.
    pub judging: Interval,
    /// Its advantage over popularity, judged so. Its ends hold for all kinds at once.
    pub over_popularity: Interval,
    /// Its advantage over the target's own factors for its average person; likewise.
    pub over_target_only: Interval,
    /// How many people it ranks otherwise than the baseline that fewer are ranked otherwise
    /// than: with less than [`FEWEST_WHO_DIFFER`] it cannot pass.
    #[serde(default)]
    pub people_who_differ: usize,
    /// NDCG@20 of all hidden people without items that look like what they had
    /// in the source, as in every other figure.
    pub without_look_alikes: f64,
    /// The same with them; absent when nobody had one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub with_look_alikes: Option<f64>,
}

/// What is served in a direction, and why.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum DirectionVerdict {
    /// The chosen candidate's kind is better than both baselines: it is served.
    Passed {
        /// The candidate.
        chosen: Candidate,
    },
    /// No kind is better than both with certainty: target-only.
    NotBetter {
        /// The candidate of the kind that came nearest.
        chosen: Candidate,
    },
    /// Too few people have both domains to tell: target-only.
    TooFewPeople {
        /// Hidden people needed.
        needed: usize,
    },
    /// There are people enough, and no kind could be fitted: target-only.
    NothingFitted,
}

impl DirectionVerdict {
    /// The bridge that is served.
    #[must_use]
    pub fn served(&self) -> Option<Candidate> {
        match self {
            Self::Passed { chosen } => Some(*chosen),
            Self::NotBetter { .. } | Self::TooFewPeople { .. } | Self::NothingFitted => None,
        }
    }

    /// The candidate that was judged, whether it is served or not.
    #[must_use]
    pub fn chosen(&self) -> Option<Candidate> {
        match self {
            Self::Passed { chosen } | Self::NotBetter { chosen } => Some(*chosen),
            Self::TooFewPeople { .. } | Self::NothingFitted => None,
        }
    }
}

/// All that was measured of a direction, and the verdict.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DirectionReport {
    /// The direction.
    #[serde(flatten)]
    pub direction: Direction,
    /// People with history in both domains.
    pub people: usize,
    /// Of these, people whose target history was hidden and who chose, for others.
    pub choosing_people: usize,
    /// Of these, people whose target history was hidden and who judged: since each is
    /// judged by what others chose, the same.
    pub judging_people: usize,
    /// Mean NDCG@20 of the judging people under popularity.
    pub popularity: f64,
    /// The same under the target's own factors for its average person.
    pub target_only: f64,
    /// The candidates, one of each kind.
    pub candidates: Vec<CandidateFigures>,
    /// The settings of own fits that were judged, the run's among them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub own_settings: Vec<FitSettings>,
    /// Why there is no cross block among them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cross_block_refused: Option<String>,
    /// The verdict.
    #[serde(flatten)]
    pub verdict: DirectionVerdict,
}

impl DirectionReport {
    /// How much the chosen candidate adds to what could be served without it,
    /// on the judging people.
    #[must_use]
    pub fn lift(&self) -> f64 {
        let Some(chosen) = self.verdict.chosen() else { return 0.0 };
        let figures = self.candidates.iter().find(|figures| figures.candidate == chosen);
        figures.map_or(0.0, |f| f.over_popularity.mean.min(f.over_target_only.mean))
    }
}

/// Judges a direction by what was measured of it, and by who scouted which settings.
#[must_use]
pub fn judge(measures: &Measures, scouted: &Scouted, options: &GateOptions) -> DirectionReport {
    let people = measures.popularity.len();
    let chosen = choose(measures, scouted, options.seed);
    let candidates = figures(measures, &chosen, options);
    // From zero: the sum of nothing is minus zero, which reads oddly in a report.
    let mean = |values: &[f64]| values.iter().fold(0.0, |sum, v| sum + v) / people.max(1) as f64;
    DirectionReport {
        direction: measures.direction.clone(),
        people: measures.people,
        choosing_people: people,
        judging_people: people,
        popularity: mean(&measures.popularity),
        target_only: mean(&measures.target_only),
        verdict: verdict(&candidates, people, options),
        candidates,
        own_settings: all_of(&scouted.all()),
        cross_block_refused: measures.cross_block_refused.clone(),
    }
}

/// The settings, each once.
fn all_of(own: &OwnSettings) -> Vec<FitSettings> {
    let pair = OwnSettings { two_block: own.pair.clone(), pair: Vec::new() };
    own.and(&pair).two_block
}

/// What each kind brings over both baselines, all judged from the same draws of people.
fn figures(
    measures: &Measures,
    chosen: &BTreeMap<BridgeKind, Chosen<'_>>,
    options: &GateOptions,
) -> Vec<CandidateFigures> {
    let over = |baseline: &[f64], chosen: &Chosen<'_>| -> Vec<f64> {
        chosen.judged.iter().zip(baseline).map(|(value, baseline)| value - baseline).collect()
    };
    let columns: Vec<Vec<f64>> = chosen
        .values()
        .flat_map(|kind| [&measures.popularity, &measures.target_only].map(|b| over(b, kind)))
        .collect();
    let columns: Vec<&[f64]> = columns.iter().map(Vec::as_slice).collect();
    let tail = options.false_acceptance;
    let advantages = simultaneous_intervals(&columns, tail, options.seed).unwrap_or_default();
    let differ = |column: &[f64]| column.iter().filter(|advantage| advantage.abs() > 0.0).count();
    let differing: Vec<usize> = columns.iter().map(|column| differ(column)).collect();
    let figures = |((kind, advantages), differ): ((&Chosen<'_>, &[Interval; 2]), &[usize; 2])| {
        let [over_popularity, over_target_only] = *advantages;
        CandidateFigures {
            people_who_differ: differ[0].min(differ[1]),
            candidate: kind.measured.candidate,
            choosing: kind.mean,
            judging: mean_interval(&kind.judged, options.seed).unwrap_or_default(),
            over_popularity,
            over_target_only,
            without_look_alikes: kind.measured.means.get(METRIC).copied().unwrap_or(0.0),
            with_look_alikes: kind.measured.with_look_alikes,
        }
    };
    let advantages = advantages.as_chunks::<2>().0;
    chosen.values().zip(advantages).zip(differing.as_chunks::<2>().0).map(figures).collect()
}

impl CandidateFigures {
    /// Whether it is better than both baselines beyond doubt.
    #[must_use]
    pub fn passes(&self) -> bool {
        self.people_who_differ >= FEWEST_WHO_DIFFER
            && self.over_popularity.low > 0.0
            && self.over_target_only.low > 0.0
    }

    /// What it brings over the better baseline.
    fn gain(&self) -> f64 {
        self.over_popularity.mean.min(self.over_target_only.mean)
    }
}

fn verdict(
    candidates: &[CandidateFigures],
    people: usize,
    options: &GateOptions,
) -> DirectionVerdict {
    // What passes before what does not; of equals the first, where `max_by` would take the last.
    if people < options.minimum_people {
        return DirectionVerdict::TooFewPeople { needed: options.minimum_people };
    }
    let best = candidates.iter().max_by(|a, b| {
        let by_gain = a.gain().total_cmp(&b.gain());
        a.passes().cmp(&b.passes()).then(by_gain).then(b.candidate.kind().cmp(&a.candidate.kind()))
    });
    match best {
        None => DirectionVerdict::NothingFitted,
        Some(best) if best.passes() => DirectionVerdict::Passed { chosen: best.candidate },
        Some(best) => DirectionVerdict::NotBetter { chosen: best.candidate },
    }
}

/// What was measured of a direction, and who scouted which settings for it.
pub struct Judged {
    /// What was measured.
    pub measures: Measures,
    /// Who may judge what.
    pub scouted: Scouted,
}

/// Hides, fits and judges every direction that somebody has both domains of; of
/// others nothing is told. `progress` hears of each finished iteration of the fits that
/// candidates share; there are at most as many as [`iterations`] says.
///
/// # Errors
/// [`NotPositiveDefinite`] when confidences are too extreme for single precision.
pub fn judge_all(
    ground: Ground<'_>,
    params: &AlsParams,
    unobserved: UnobservedItems,
    options: &GateOptions,
    progress: &(dyn Fn() + Sync),
) -> Result<Vec<DirectionReport>, NotPositiveDefinite> {
    let all = measure_all(ground, params, unobserved, options, progress)?;
    Ok(all.iter().map(|judged| judge(&judged.measures, &judged.scouted, options)).collect())
}

/// What [`judge_all`] judges by.
///
/// # Errors
/// As [`judge_all`].
pub fn measure_all(
    ground: Ground<'_>,
    params: &AlsParams,
    unobserved: UnobservedItems,
    options: &GateOptions,
    progress: &(dyn Fn() + Sync),
) -> Result<Vec<Judged>, NotPositiveDefinite> {
    let shared = Arc::new(SharedPeople::of(ground.matrix, ground.ranges));
    let least = options.minimum_people;
    let folds = Hiding::folds(ground.matrix, ground.ranges, &shared, (least, options.hiding));
    let fit = (params, unobserved);
    let mut scouted = scout(ground, (&shared, least), &folds, fit, &options.scouting)?;
    let judged = |direction: Direction| Judged {
        measures: Measures::of_nobody(&direction, shared.count_of(&direction)),
        scouted: scouted.remove(&direction).unwrap_or_default(),
    };
    let mut all: Vec<Judged> = shared.directions().into_iter().map(judged).collect();
    let pairs = by_pair(&all, least);
    for (fold, hiding) in folds.iter().enumerate() {
        let trial = Trial::fit_shared(ground, shared.clone(), hiding, params, progress)?;
        for pair in &pairs {
            for &at in pair {
                let candidates = candidates(&all[at].scouted.all());
                let direction = all[at].measures.direction.clone();
                let of_fold = trial.measure(&direction, &candidates, unobserved)?;
                all[at].measures.add(fold, of_fold);
            }
            trial.forget_own_fits();
        }
    }
    Ok(all)
}

/// The directions with so many people or more, both of a pair of domains together, so that
/// the fits which they share need not be kept longer.
fn by_pair(all: &[Judged], least: usize) -> Vec<Vec<usize>> {
    let mut pairs: BTreeMap<(&DomainId, &DomainId), Vec<usize>> = BTreeMap::new();
    for (at, Judged { measures, .. }) in all.iter().enumerate() {
        let Direction { from, to } = &measures.direction;
        if measures.people >= least {
            pairs.entry((from.min(to), from.max(to))).or_default().push(at);
        }
    }
    pairs.into_values().collect()
}

/// Most iterations of shared fits that judging does: in each fold, one joint fit and one of
/// each domain.
#[must_use]
pub fn iterations(domains: usize, params: &AlsParams, options: &GateOptions) -> usize {
    let fits = options.hiding.folds * (1 + domains);
    if domains < 2 { 0 } else { params.options().iterations * fits }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::evidence::items::{DomainRanges, Row};
    use crate::maths::sparse::SparseRows;
    use crate::model::look_alikes::LookAlikes;
    use crate::training::bridging::look_alike::find;
    use crate::training::bridging::mapping_fit::PeopleWeighting;
    use crate::training::bridging::measures::Measured;
    use crate::training::bridging::trial::tests::{direction, params, ranges, world};

    fn judged(matrix: &SparseRows, look_alikes: &LookAlikes) -> Vec<DirectionReport> {
        let ranges = ranges();
        let ground = Ground { matrix, ranges: &ranges, look_alikes, likenesses: None };
        let options = GateOptions::default();
        judge_all(ground, &params(), UnobservedItems::default(), &options, &|| ()).unwrap()
    }

    #[test]
    fn a_shared_taste_passes_in_both_directions_and_the_run_is_the_same_again() {
        let matrix = world(240, true, 1);
        let reports = judged(&matrix, &LookAlikes::default());
        assert_eq!(reports.len(), 2);
        for report in &reports {
            assert!(report.verdict.served().is_some(), "{report:?}");
            assert_eq!(report.candidates.len(), 5);
            assert!(report.lift() > 0.05);
        }
        assert_eq!(reports, judged(&matrix, &LookAlikes::default()));
    }

    #[test]
    fn unrelated_tastes_do_not_pass() {
        // One interval in forty lies above zero by chance: no seed is special, several are tried.
        let passed = (0..6)
            .flat_map(|seed| judged(&world(240, false, seed), &LookAlikes::default()))
            .filter(|report| report.verdict.served().is_some())
            .count();
        assert!(passed <= 1, "{passed} of 12");
    }

    #[test]
    fn too_few_people_are_not_judged() {
        let reports = judged(&world(14, true, 1), &LookAlikes::default());
        assert_eq!(reports.len(), 2);
        for report in reports {
            assert_eq!(report.verdict, DirectionVerdict::TooFewPeople { needed: 15 });
            assert_eq!(report.verdict.served(), None);
            assert_eq!(report.people, 14);
        }
    }

    #[test]
    fn a_direction_that_nobody_has_both_domains_of_is_not_told_of() {
        // Domains a and b have the same people, c has others.
        let both = world(60, true, 1);
        let entries = |row: usize| {
            let (items, confidences) = both.row(row);
            items.iter().copied().zip(confidences.iter().copied()).collect::<Vec<_>>()
        };
        let others = (0..30u32).map(|person| vec![(40 + person % 4, 1.0)]);
        let matrix = SparseRows::from_rows(44, (0..60).map(entries).chain(others));
        let mut ranges: Vec<_> =
            ranges().iter().map(|(domain, rows)| (domain.clone(), rows.range.clone())).collect();
        ranges.push((crate::training::bridging::trial::tests::domain("c"), 40..44));
        let ranges: DomainRanges = ranges.into_iter().collect();
        let look_alikes = LookAlikes::default();
        let ground = Ground {
            matrix: &matrix,
            ranges: &ranges,
            look_alikes: &look_alikes,
            likenesses: None,
        };
        let (unobserved, options) = (UnobservedItems::default(), GateOptions::default());
        let reports = judge_all(ground, &params(), unobserved, &options, &|| ()).unwrap();
        let directions: Vec<&Direction> = reports.iter().map(|report| &report.direction).collect();
        assert_eq!(directions, [&direction("a", "b"), &direction("b", "a")]);
        let params = params();
        let ranges = DomainRanges::from([(reports[0].direction.from.clone(), 0..20)]);
        let ground = Ground {
            matrix: &matrix,
            ranges: &ranges,
            look_alikes: &look_alikes,
            likenesses: None,
        };
        assert_eq!(judge_all(ground, &params, unobserved, &options, &|| ()).unwrap(), []);
    }

    /// Many domains of a few people each, all of whom have all domains.
    #[test]
    fn of_many_small_domains_whose_people_are_too_few_to_be_judged_by_nothing_is_fitted() {
        let domains = 60u32;
        let rows = (0..12u32)
            .map(|person| (0..domains * 3).map(|at| (at * 10 + (person + at) % 10, 1.0)).collect());
        let matrix = SparseRows::from_rows(domains as usize * 30, rows);
        let name = |at: u32| crate::training::bridging::trial::tests::domain(&format!("d{at:03}"));
        let range = |at: u32| (name(at), at as usize * 30..(at as usize + 1) * 30);
        let ranges: DomainRanges = (0..domains).map(range).collect();
        let look_alikes = LookAlikes::default();
        let ground = Ground {
            matrix: &matrix,
            ranges: &ranges,
            look_alikes: &look_alikes,
            likenesses: None,
        };
        let (unobserved, options) = (UnobservedItems::default(), GateOptions::default());
        let none = || panic!("nothing need be fitted");
        let reports = judge_all(ground, &params(), unobserved, &options, &none).unwrap();
        assert_eq!(reports.len(), 60 * 59);
        let is_untried = |report: &DirectionReport| {
            report.candidates.is_empty() && report.verdict.served().is_none()
        };
        assert!(reports.iter().all(is_untried));
    }

    #[test]
    fn everyone_who_has_both_domains_is_judged_by() {
        for report in judged(&world(60, true, 1), &LookAlikes::default()) {
            let hidden = report.judging_people;
            assert!((55..=60).contains(&hidden), "{hidden} of 60");
        }
    }

    /// Unrelated tastes, but two things sold on both platforms: who took one took the other.
    fn with_look_alikes() -> SparseRows {
        let matrix = world(240, false, 4);
        let rows = (0..matrix.rows()).map(|row| {
            let entries = matrix.row(row).0.iter().copied();
            let mut entries: Vec<u32> = entries.filter(|item| ![20, 31].contains(item)).collect();
            for (item, other) in [(0, 20), (11, 31)] {
                if entries.contains(&item) {
                    entries.push(other);
                }
            }
            entries.into_iter().map(|item| (item, 1.0)).collect()
        });
        SparseRows::from_rows(40, rows.collect::<Vec<_>>())
    }

    #[test]
    fn planted_look_alikes_are_found_their_effect_told_and_no_bridge_passes_by_them() {
        let matrix = with_look_alikes();
        let blind = judged(&matrix, &LookAlikes::default());
        let is_a_to_b = |report: &&DirectionReport| report.direction == direction("a", "b");
        let blind = blind.iter().find(is_a_to_b).unwrap();
        assert!(blind.verdict.served().is_some(), "unseen, they would pass: {blind:?}");
        let found = find(&matrix, &ranges(), LookAlikeRule::default());
        let pairs: Vec<(Row, Row)> = found.iter().map(|pair| (pair.first, pair.second)).collect();
        assert_eq!(pairs, [(Row(0), Row(20)), (Row(11), Row(31))]);
        let reports = judged(&matrix, &LookAlikes::new(pairs));
        let report = reports.iter().find(is_a_to_b).unwrap();
        assert_eq!(report.verdict.served(), None, "{report:?}");
        for figures in &report.candidates {
            let with = figures.with_look_alikes.unwrap();
            assert!(with > figures.without_look_alikes + 0.02, "{figures:?}");
        }
    }

    fn measures(values: Vec<(f64, f64, f64)>) -> Measures {
        let (popularity, rest): (Vec<f64>, Vec<(f64, f64)>) =
            values.into_iter().map(|(a, b, c)| (a, (b, c))).unzip();
        let (target_only, joint): (Vec<f64>, Vec<f64>) = rest.into_iter().unzip();
        Measures {
            direction: direction("a", "b"),
            people: popularity.len(),
            folds: (0..popularity.len()).map(|at| at % 5).collect(),
            popularity,
            target_only,
            measured: vec![measured(Candidate::Joint { source_weight: 1.0 }, joint)],
            cross_block_refused: None,
        }
    }

    fn measured(candidate: Candidate, values: Vec<f64>) -> Measured {
        Measured { candidate, values, means: BTreeMap::new(), with_look_alikes: None }
    }

    fn judged_by_all(measures: &Measures) -> DirectionReport {
        judge(measures, &Scouted::default(), &GateOptions::default())
    }

    proptest! {
        #[test]
        fn what_passes_is_better_than_both_baselines(
            values in proptest::collection::vec((0.0f64..1.0, 0.0f64..1.0, 0.0f64..1.2), 0..60),
        ) {
            let measures = measures(values);
            let report = judged_by_all(&measures);
            prop_assert_eq!(report.judging_people, measures.popularity.len());
            if report.verdict.served().is_some() {
                prop_assert!(measures.popularity.len() >= GateOptions::default().minimum_people);
                let sum = |values: &[f64]| values.iter().sum::<f64>();
                let joint = sum(&measures.measured[0].values);
                prop_assert!(joint > sum(&measures.popularity));
                prop_assert!(joint > sum(&measures.target_only));
                prop_assert!(report.lift() > 0.0);
            }
        }
    }

    #[test]
    fn a_kind_that_hardly_anyone_is_ranked_otherwise_by_neither_passes_nor_keeps_another_back() {
        // A map that helps everyone, beside a cross block that changes something for two people.
        let steady = |at: u32| 0.3 + f64::from(at % 3) / 100.0;
        let mut measures = measures((0..40).map(|at| (0.1, 0.1, steady(at))).collect());
        for change in [-0.05, 0.3] {
            let values = (0..40).map(|at| if at < 2 { 0.1 + change } else { 0.1 }).collect();
            measures.measured.truncate(1);
            measures.measured.push(measured(Candidate::CrossBlock { ridge: 1.0 }, values));
            let report = judged_by_all(&measures);
            assert_eq!(report.verdict.served().unwrap().kind(), BridgeKind::Joint, "{report:?}");
            let block =
                report.candidates.iter().find(|of| of.candidate.kind() != BridgeKind::Joint);
            let block = block.unwrap();
            assert!(!block.passes() && block.people_who_differ == 2, "{block:?}");
            let told = serde_json::to_string(&report).unwrap();
            assert_eq!(serde_json::from_str::<DirectionReport>(&told).unwrap(), report);
        }
    }

    #[test]
    fn where_nothing_could_be_fitted_that_is_said_and_not_that_people_are_few() {
        let mut measures = measures((0..40).map(|_| (0.1, 0.1, 0.2)).collect());
        measures.measured.clear();
        assert_eq!(judged_by_all(&measures).verdict, DirectionVerdict::NothingFitted);
    }

    const MAPPING: Candidate = Candidate::Mapping { ridge: 1.0, weighting: PeopleWeighting::Even };

    #[test]
    fn equals_go_to_the_simpler_kind() {
        let mut measures = measures((0..40).map(|at| (0.1, 0.1, f64::from(at) / 40.0)).collect());
        let values = measures.measured[0].values.clone();
        measures.measured.push(measured(MAPPING, values));
        assert_eq!(judged_by_all(&measures).verdict.served().unwrap().kind(), BridgeKind::Joint);
    }

    #[test]
    fn every_kind_is_judged_and_one_that_is_sure_goes_before_one_that_seems_better() {
        // One in eight gains very much by the joint fit; everyone a little by the map.
        let of = |at: u32| if at.is_multiple_of(8) { 0.9 } else { 0.0 };
        let mut measures = measures((0..40).map(|at| (0.05, 0.05, of(at))).collect());
        let unsure = judged_by_all(&measures);
        assert_eq!(unsure.verdict.served(), None, "{unsure:?}");
        let little = (0..40).map(|at| 0.06 + f64::from(at % 3) / 100.0).collect();
        measures.measured.push(measured(MAPPING, little));
        let report = judged_by_all(&measures);
        assert_eq!(report.verdict.served().unwrap().kind(), BridgeKind::Mapping);
        assert!((report.lift() - 0.02).abs() < 0.001);
        let joint = &report.candidates[0];
        assert!(joint.over_popularity.mean > report.lift() && !joint.passes());
    }

    #[test]
    fn of_directions_without_any_help_few_pass_however_many_kinds_are_tried() {
        let mut rng = ChaCha8Rng::seed_from_u64(9);
        // People differ, and nobody is helped: advantages are even about zero.
        let directions = 200;
        let passed = (0..directions).filter(|_| {
            let mut value = || rng.random_range(0.0..0.4f64);
            let mut measures = measures((0..60).map(|_| (value(), 0.0, value())).collect());
            for ridge in [1.0, 2.0, 3.0] {
                let values = (0..60).map(|_| value()).collect();
                let candidate = Candidate::CrossBlock { ridge };
                measures.measured.push(measured(candidate, values));
                let values = (0..60).map(|_| value()).collect();
                let weighting = PeopleWeighting::Even;
                measures.measured.push(measured(Candidate::Mapping { ridge, weighting }, values));
            }
            judged_by_all(&measures).verdict.served().is_some()
        });
        let passed = passed.count();
        assert!(passed <= 16, "{passed} of {directions}");
    }
}
