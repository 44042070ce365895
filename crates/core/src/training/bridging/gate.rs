//! The gate: whether a direction gets a bridge, and which.
//!
//! Everyone who has both domains has the target hidden once, in one of a few folds
//! (as far as the bounds of [`HidingOptions`] allow), and all folds are judged together.
//! The hidden people of a direction are cut in two. One part chooses: the best
//! settings of each kind, and the best kind. The other part judges what was
//! chosen: the interval of its mean advantage (paired bootstrap over people) must
//! lie above zero over popularity *and* over the target's own factors for its
//! average person, which is what could be served without the bridge. Who chose
//! does not judge, so the choice does not flatter itself.

use std::collections::BTreeMap;
use std::sync::Arc;

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::maths::als::AlsParams;
use crate::maths::bootstrap::{Interval, mean_intervals};
use crate::maths::dense::NotPositiveDefinite;
use crate::maths::fold_in::UnobservedItems;
use crate::model::bridges::{BridgeKind, Direction};
use crate::training::bridging::candidates::{Candidate, candidates};
use crate::training::bridging::hiding::{Hiding, HidingOptions};
use crate::training::bridging::look_alike::LookAlikeRule;
use crate::training::bridging::measures::{METRIC, Measured, Measures};
use crate::training::bridging::shared_people::SharedPeople;
use crate::training::bridging::trial::{Ground, Trial};

/// How directions are judged.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GateOptions {
    /// Hidden people that a direction needs to be judged at all.
    pub minimum_people: usize,
    /// Share of the hidden people who choose; the others judge.
    pub choosing: f64,
    /// Seed of the cut and of the bootstrap.
    pub seed: u64,
    /// How many people are hidden.
    pub hiding: HidingOptions,
    /// What makes items look alike.
    pub look_alikes: LookAlikeRule,
}

impl Default for GateOptions {
    fn default() -> Self {
        Self {
            minimum_people: 15,
            choosing: 0.4,
            seed: 5,
            hiding: HidingOptions::default(),
            look_alikes: LookAlikeRule::default(),
        }
    }
}

/// What was measured of a kind of bridge, with the settings that did best on
/// the choosing people.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CandidateFigures {
    /// The kind and its settings.
    pub candidate: Candidate,
    /// Mean NDCG@20 of the choosing people.
    pub choosing: f64,
    /// NDCG@20 of the judging people.
    pub judging: Interval,
    /// Its advantage over popularity, on the judging people.
    pub over_popularity: Interval,
    /// Its advantage over the target's own factors for its average person.
    pub over_target_only: Interval,
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
    /// The chosen candidate is better than both baselines: it is served.
    Passed {
        /// The candidate.
        chosen: Candidate,
    },
    /// The chosen candidate is not better than both with certainty: target-only.
    NotBetter {
        /// The candidate.
        chosen: Candidate,
    },
    /// Too few people have both domains to tell: target-only.
    TooFewPeople {
        /// Hidden people needed.
        needed: usize,
    },
}

impl DirectionVerdict {
    /// The bridge that is served.
    #[must_use]
    pub fn served(&self) -> Option<Candidate> {
        match self {
            Self::Passed { chosen } => Some(*chosen),
            Self::NotBetter { .. } | Self::TooFewPeople { .. } => None,
        }
    }

    /// The candidate that was judged, whether it is served or not.
    #[must_use]
    pub fn chosen(&self) -> Option<Candidate> {
        match self {
            Self::Passed { chosen } | Self::NotBetter { chosen } => Some(*chosen),
            Self::TooFewPeople { .. } => None,
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
    /// Of these, people whose target history was hidden and who chose.
    pub choosing_people: usize,
    /// Of these, people whose target history was hidden and who judged.
    pub judging_people: usize,
    /// Mean NDCG@20 of the judging people under popularity.
    pub popularity: f64,
    /// The same under the target's own factors for its average person.
    pub target_only: f64,
    /// The candidates, one of each kind.
    pub candidates: Vec<CandidateFigures>,
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

/// Which hidden people choose and which judge, by their position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parts {
    choosing: Vec<usize>,
    judging: Vec<usize>,
}

impl Parts {
    /// Cuts so many people in two.
    #[must_use]
    pub fn cut(people: usize, options: &GateOptions) -> Self {
        let mut order: Vec<usize> = (0..people).collect();
        order.shuffle(&mut ChaCha8Rng::seed_from_u64(options.seed));
        let judging = order.split_off((people as f64 * options.choosing).round() as usize);
        Self { choosing: order, judging }
    }

    /// Mean over the choosing people.
    #[must_use]
    pub fn choosing_mean(&self, values: &[f64]) -> f64 {
        let sum = self.choosing.iter().fold(0.0, |sum, &at| sum + values[at]);
        sum / self.choosing.len().max(1) as f64
    }

    fn judging(&self, values: &[f64]) -> Vec<f64> {
        self.judging.iter().map(|&at| values[at]).collect()
    }
}

/// Judges a direction by what was measured of it.
#[must_use]
pub fn judge(measures: &Measures, options: &GateOptions) -> DirectionReport {
    let parts = Parts::cut(measures.popularity.len(), options);
    let of_part = |values: &[f64]| parts.judging(values);
    let (popularity, target_only) = (of_part(&measures.popularity), of_part(&measures.target_only));
    let best = best_of_each_kind(measures, &parts);
    let columns: Vec<[Vec<f64>; 3]> = best
        .iter()
        .map(|measured| {
            let values = of_part(&measured.values);
            let over = |baseline: &[f64]| values.iter().zip(baseline).map(|(a, b)| a - b).collect();
            [over(&popularity), over(&target_only), values]
        })
        .collect();
    let intervals = intervals(&columns, options.seed);
    let figures = |(measured, intervals): (&&Measured, [Interval; 3])| {
        let [over_popularity, over_target_only, judging] = intervals;
        CandidateFigures {
            candidate: measured.candidate,
            choosing: parts.choosing_mean(&measured.values),
            judging,
            over_popularity,
            over_target_only,
            without_look_alikes: measured.means.get(METRIC).copied().unwrap_or(0.0),
            with_look_alikes: measured.with_look_alikes,
        }
    };
    let candidates: Vec<CandidateFigures> = best.iter().zip(intervals).map(figures).collect();
    // From zero: the sum of nothing is minus zero, which reads oddly in a report.
    let mean = |values: &[f64]| {
        values.iter().fold(0.0, |sum, value| sum + value) / values.len().max(1) as f64
    };
    DirectionReport {
        direction: measures.direction.clone(),
        people: measures.people,
        choosing_people: parts.choosing.len(),
        judging_people: parts.judging.len(),
        popularity: mean(&popularity),
        target_only: mean(&target_only),
        verdict: verdict(&candidates, measures.popularity.len(), options),
        candidates,
        cross_block_refused: measures.cross_block_refused.clone(),
    }
}

/// The intervals of what was measured of each candidate, all from the same draws
/// of people, which are those of each alone.
fn intervals(columns: &[[Vec<f64>; 3]], seed: u64) -> Vec<[Interval; 3]> {
    let flat: Vec<&[f64]> = columns.iter().flatten().map(Vec::as_slice).collect();
    let Some(all) = mean_intervals(&flat, seed) else {
        return vec![[Interval::default(); 3]; columns.len()];
    };
    all.as_chunks::<3>().0.to_vec()
}

/// Of each kind, the candidate that did best on the choosing people; the
/// earlier one of equals.
fn best_of_each_kind<'a>(measures: &'a Measures, parts: &Parts) -> Vec<&'a Measured> {
    let mut best: BTreeMap<BridgeKind, (f64, &Measured)> = BTreeMap::new();
    for measured in &measures.measured {
        let mean = parts.choosing_mean(&measured.values);
        let kind = measured.candidate.kind();
        if best.get(&kind).is_none_or(|(other, _)| mean > *other) {
            best.insert(kind, (mean, measured));
        }
    }
    best.into_values().map(|(_, measured)| measured).collect()
}

fn verdict(
    candidates: &[CandidateFigures],
    people: usize,
    options: &GateOptions,
) -> DirectionVerdict {
    let best = candidates.iter().max_by(|a, b| {
        // Of equals, the first: `max_by` would take the last.
        a.choosing.total_cmp(&b.choosing).then(b.candidate.kind().cmp(&a.candidate.kind()))
    });
    let Some(best) = best.filter(|_| people >= options.minimum_people) else {
        return DirectionVerdict::TooFewPeople { needed: options.minimum_people };
    };
    let chosen = best.candidate;
    if best.over_popularity.low > 0.0 && best.over_target_only.low > 0.0 {
        DirectionVerdict::Passed { chosen }
    } else {
        DirectionVerdict::NotBetter { chosen }
    }
}

/// Hides, fits and judges every direction that somebody has both domains of; of
/// others nothing is told. `progress` hears of each finished iteration; there are
/// at most as many as [`iterations`] says.
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
    let shared = Arc::new(SharedPeople::of(ground.matrix, ground.ranges));
    let least = options.minimum_people;
    let folds = Hiding::folds(ground.matrix, ground.ranges, &shared, (least, options.hiding));
    let of_nobody =
        |direction: &Direction| Measures::of_nobody(direction, shared.count_of(direction));
    let mut all: Vec<Measures> = shared.directions().iter().map(of_nobody).collect();
    let candidates = candidates();
    for hiding in &folds {
        let trial = Trial::fit_shared(ground, shared.clone(), hiding, params, progress)?;
        for pooled in all.iter_mut().filter(|measures| measures.people >= least) {
            let of_fold = trial.measure(&pooled.direction, &candidates, unobserved)?;
            pooled.add(of_fold);
        }
    }
    Ok(all.iter().map(|measures| judge(measures, options)).collect())
}

/// Most iterations that judging does: in each fold, one joint fit and one of each domain.
#[must_use]
pub fn iterations(domains: usize, params: &AlsParams, options: &GateOptions) -> usize {
    let fits = options.hiding.folds * (1 + domains);
    if domains < 2 { 0 } else { params.options().iterations * fits }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::evidence::items::{DomainRanges, Row};
    use crate::maths::sparse::SparseRows;
    use crate::model::look_alikes::LookAlikes;
    use crate::training::bridging::look_alike::find;
    use crate::training::bridging::trial::tests::{direction, params, ranges, world};

    fn judged(matrix: &SparseRows, look_alikes: &LookAlikes) -> Vec<DirectionReport> {
        let ranges = ranges();
        let ground = Ground { matrix, ranges: &ranges, look_alikes };
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
            assert_eq!(report.candidates.len(), 3);
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
        let ground = Ground { matrix: &matrix, ranges: &ranges, look_alikes: &look_alikes };
        let (unobserved, options) = (UnobservedItems::default(), GateOptions::default());
        let reports = judge_all(ground, &params(), unobserved, &options, &|| ()).unwrap();
        let directions: Vec<&Direction> = reports.iter().map(|report| &report.direction).collect();
        assert_eq!(directions, [&direction("a", "b"), &direction("b", "a")]);
        let params = params();
        let ranges = DomainRanges::from([(reports[0].direction.from.clone(), 0..20)]);
        let ground = Ground { matrix: &matrix, ranges: &ranges, look_alikes: &look_alikes };
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
        let ground = Ground { matrix: &matrix, ranges: &ranges, look_alikes: &look_alikes };
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
            let hidden = report.choosing_people + report.judging_people;
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
        let joint = Measured {
            candidate: Candidate::Joint { source_weight: 1.0 },
            values: joint,
            means: BTreeMap::new(),
            with_look_alikes: None,
        };
        Measures {
            direction: direction("a", "b"),
            people: popularity.len(),
            popularity,
            target_only,
            measured: vec![joint],
            cross_block_refused: None,
        }
    }

    proptest! {
        #[test]
        fn what_passes_is_better_than_both_baselines_on_people_who_did_not_choose(
            values in proptest::collection::vec((0.0f64..1.0, 0.0f64..1.0, 0.0f64..1.2), 0..60),
        ) {
            let options = GateOptions::default();
            let measures = measures(values);
            let report = judge(&measures, &options);
            let parts = Parts::cut(measures.popularity.len(), &options);
            prop_assert!(parts.judging.iter().all(|at| !parts.choosing.contains(at)));
            prop_assert_eq!(parts.judging.len() + parts.choosing.len(), measures.popularity.len());
            if report.verdict.served().is_some() {
                prop_assert!(measures.popularity.len() >= options.minimum_people);
                let mean = |values: &[f64]| parts.judging(values).iter().sum::<f64>();
                let joint = mean(&measures.measured[0].values);
                prop_assert!(joint > mean(&measures.popularity));
                prop_assert!(joint > mean(&measures.target_only));
            }
        }
    }

    #[test]
    fn the_choosing_people_choose_and_equals_go_to_the_simpler_kind() {
        let mut measures = measures((0..40).map(|_| (0.1, 0.1, 0.5)).collect());
        let mapping = Candidate::Mapping {
            ridge: 1.0,
            weighting: crate::training::bridging::mapping_fit::PeopleWeighting::Even,
        };
        measures.measured.push(Measured { candidate: mapping, ..measures.measured[0].clone() });
        let report = judge(&measures, &GateOptions::default());
        assert_eq!(report.verdict.served().unwrap().kind(), BridgeKind::Joint);
        // Better for those who judge, worse for those who choose: it is not chosen.
        let parts = Parts::cut(40, &GateOptions::default());
        for at in 0..40 {
            measures.measured[1].values[at] = if parts.choosing.contains(&at) { 0.4 } else { 1.0 };
        }
        let report = judge(&measures, &GateOptions::default());
        assert_eq!(report.verdict.served().unwrap().kind(), BridgeKind::Joint);
        assert!((report.lift() - 0.4).abs() < 1e-9);
    }
}
