//! The search for the settings of fits that bridges have for themselves.
//!
//! What serves people who are new to a domain best is often far from what serves its own
//! people: wide, therefore, and cheap. On the people hidden in one fold, every point of a
//! grid is fitted with few iterations and measured by one candidate of each kind; those
//! that did best are fitted with more (successive halving, Jamieson and
//! Talwalkar 2016), and the best of each kind goes on to be judged. A point
//! that cannot be fitted loses, and ends nothing.
//!
//! Nobody judges what they have chosen: two folds scout, each for itself. What the first
//! finds is judged by people of all other folds, what the second finds by the first's.
//!
//! Bounds: [`ScoutingOptions::most_entries`].

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::maths::als::{AlsOptions, AlsParams};
use crate::maths::dense::NotPositiveDefinite;
use crate::maths::fold_in::UnobservedItems;
use crate::model::bridges::Direction;
use crate::training::bridging::candidates::{Candidate, scouts};
use crate::training::bridging::hiding::Hiding;
use crate::training::bridging::own_fits::{FitSettings, OwnSettings};
use crate::training::bridging::shared_people::SharedPeople;
use crate::training::bridging::trial::{Ground, Trial};

/// What is tried, each of one with each of the other. Dense catalogues want the upper end
/// of the weights, sparse ones .01 to .03.
const UNOBSERVED_WEIGHTS: [f32; 4] = [0.01, 0.03, 0.1, 0.3];
const REGULARISATIONS: [f32; 3] = [0.003, 0.01, 0.03];
/// Iterations of a rung's fits, and how many settings reach it.
const RUNGS: [(usize, usize); 2] = [(3, 12), (8, 4)];
/// Settings of each kind that are judged, for each scouting fold.
const SHORT_LIST: usize = 1;
/// Folds that scout.
const SCOUTING_FOLDS: usize = 2;

/// How much is searched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScoutingOptions {
    /// Most entries of own fits of all directions together, a fit of fewer iterations
    /// counted by these: 100 million at 64 factors take about two minutes on two cores.
    /// Pairs of domains that more people share come first. One for which it does not
    /// suffice is tried with the run's settings alone, or, beyond, not by these kinds.
    pub most_entries: usize,
}

impl Default for ScoutingOptions {
    fn default() -> Self {
        Self { most_entries: 100_000_000 }
    }
}

/// The settings that a direction's candidates with tables of their own are judged with.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Scouted {
    /// The run's, which nobody chose.
    pub of_run: OwnSettings,
    /// What each scouting fold found; empty where nothing was searched.
    pub by_fold: Vec<OwnSettings>,
}

impl Scouted {
    /// All of them.
    #[must_use]
    pub fn all(&self) -> OwnSettings {
        self.by_fold.iter().fold(self.of_run.clone(), |all, found| all.and(found))
    }

    /// Whether the people hidden in a fold may judge a candidate: they had no part in the
    /// choice of its settings.
    #[must_use]
    pub fn may_judge(&self, fold: usize, candidate: &Candidate) -> bool {
        let scout = if fold == 0 { self.by_fold.get(1) } else { self.by_fold.first() };
        let has = |own: &OwnSettings| match candidate {
            Candidate::TwoBlock { fit, .. } => own.two_block.contains(fit),
            Candidate::Pair { fit, .. } => own.pair.contains(fit),
            Candidate::Joint { .. }
            | Candidate::Mapping { .. }
            | Candidate::CrossBlock { .. }
            | Candidate::Text { .. } => true,
        };
        has(&self.of_run) || scout.is_some_and(has)
    }
}

/// What a pair of domains may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Affordable {
    Nothing,
    RunAlone,
    Search,
}

/// Scouts for every direction that so many people have both domains of, or more.
///
/// # Errors
/// [`NotPositiveDefinite`] when confidences are too extreme for single precision.
pub(super) fn scout(
    ground: Ground<'_>,
    (shared, least): (&Arc<SharedPeople<'_>>, usize),
    folds: &[Hiding],
    (params, unobserved): (&AlsParams, UnobservedItems),
    options: &ScoutingOptions,
) -> Result<BTreeMap<Direction, Scouted>, NotPositiveDefinite> {
    let run = FitSettings::of(params);
    let mut scouted = BTreeMap::new();
    let mut searched: Vec<Direction> = Vec::new();
    for (pair, affordable) in affordable(ground, (shared, least), folds.len(), options) {
        let of_run = match affordable {
            Affordable::Nothing => OwnSettings::default(),
            // With the run's settings the fit of a pair is the joint one, or nearly so.
            _ => OwnSettings { two_block: vec![run], pair: Vec::new() },
        };
        for direction in pair {
            if affordable == Affordable::Search {
                searched.push(direction.clone());
            }
            let by_fold = Vec::new();
            scouted.insert(direction, Scouted { of_run: of_run.clone(), by_fold });
        }
    }
    for hiding in folds.iter().take(SCOUTING_FOLDS).filter(|_| !searched.is_empty()) {
        let found = Scouting { ground, shared, hiding, params, unobserved }.search(&searched)?;
        for (direction, found) in found {
            if let Some(scouted) = scouted.get_mut(&direction) {
                scouted.by_fold.push(found);
            }
        }
    }
    Ok(scouted)
}

/// Both directions of each pair of domains, and what it may cost; those that most people
/// share first.
fn affordable(
    ground: Ground<'_>,
    (shared, least): (&SharedPeople<'_>, usize),
    folds: usize,
    options: &ScoutingOptions,
) -> Vec<([Direction; 2], Affordable)> {
    let domains: Vec<_> = ground.ranges.values().collect();
    let mut entries = vec![0usize; domains.len()];
    for person in 0..ground.matrix.rows() {
        for at in ground.ranges.domains_of(ground.matrix, person) {
            entries[at] += domains[at].entries_of(ground.matrix, person).0.len();
        }
    }
    let mut pairs: Vec<(usize, usize)> = shared.pairs(least).collect();
    pairs.sort_by_key(|&(a, b)| (std::cmp::Reverse(shared.count(a, b)), a, b));
    let mut left = options.most_entries;
    let mut all = Vec::with_capacity(pairs.len());
    for (a, b) in pairs {
        let own = (entries[a] + entries[b]).max(1);
        let run_alone = own.saturating_mul(folds);
        let search = own.saturating_mul(cost_of_search(folds));
        // With one fold nobody could judge what was chosen.
        let affordable = if search <= left && folds >= SCOUTING_FOLDS {
            Affordable::Search
        } else if run_alone <= left {
            Affordable::RunAlone
        } else {
            Affordable::Nothing
        };
        left -= match affordable {
            Affordable::Search => search,
            Affordable::RunAlone => run_alone,
            Affordable::Nothing => 0,
        };
        let direction = |from: usize, to: usize| Direction {
            from: domains[from].domain.clone(),
            to: domains[to].domain.clone(),
        };
        all.push(([direction(a, b), direction(b, a)], affordable));
    }
    all
}

/// Fits that a search of one pair of domains may make, in whole ones of all its entries: while
/// scouting the domains alone and both at once, and to judge by, in every fold, the run's
/// settings and a short list of each kind and scouting fold.
fn cost_of_search(folds: usize) -> usize {
    let usual = AlsOptions::default().iterations;
    let scouting: usize = RUNGS.iter().map(|(iterations, settings)| iterations * settings).sum();
    let scouting = (SCOUTING_FOLDS * 2 * scouting).div_ceil(usual);
    scouting + folds * (1 + 2 * SCOUTING_FOLDS * SHORT_LIST)
}

/// The search of one fold.
struct Scouting<'a> {
    ground: Ground<'a>,
    shared: &'a Arc<SharedPeople<'a>>,
    hiding: &'a Hiding,
    params: &'a AlsParams,
    unobserved: UnobservedItems,
}

/// Settings with the mean of what one kind scored by them.
type Scores = Vec<(FitSettings, f64)>;

impl Scouting<'_> {
    fn search(
        &self,
        directions: &[Direction],
    ) -> Result<BTreeMap<Direction, OwnSettings>, NotPositiveDefinite> {
        let everything = || [grid(), grid()];
        let mut left: BTreeMap<&Direction, [Vec<FitSettings>; 2]> =
            directions.iter().map(|direction| (direction, everything())).collect();
        for (at, (iterations, _)) in RUNGS.into_iter().enumerate() {
            let keep = RUNGS.get(at + 1).map_or(SHORT_LIST, |(_, settings)| *settings);
            let scores = self.rung(&left, iterations)?;
            for (direction, by_kind) in &mut left {
                let Some(scores) = scores.get(direction) else { continue };
                for (settings, scores) in by_kind.iter_mut().zip(scores) {
                    *settings = best(scores, keep);
                }
            }
        }
        let found = left.into_iter().map(|(direction, [two_block, pair])| {
            (direction.clone(), OwnSettings { two_block, pair })
        });
        Ok(found.collect())
    }

    /// Measures what is left of each kind by fits of so many iterations.
    fn rung<'d>(
        &self,
        left: &BTreeMap<&'d Direction, [Vec<FitSettings>; 2]>,
        iterations: usize,
    ) -> Result<BTreeMap<&'d Direction, [Scores; 2]>, NotPositiveDefinite> {
        let options = self.params.options();
        let options = AlsOptions { iterations: iterations.min(options.iterations), ..*options };
        let params = options.check().unwrap_or(*self.params);
        let (ground, shared) = (self.ground, self.shared.clone());
        let trial = Trial::of_own_tables(ground, shared, self.hiding, &params)?;
        let mut scores: BTreeMap<&Direction, [Scores; 2]> = BTreeMap::new();
        // Settings outermost: only the fits of one are held at a time.
        for settings in grid() {
            for (&direction, by_kind) in left {
                let scores = scores.entry(direction).or_default();
                for (kind, candidate) in scouts(settings).into_iter().enumerate() {
                    if !by_kind[kind].contains(&settings) {
                        continue;
                    }
                    let measured = trial.measure(direction, &[candidate], self.unobserved);
                    let mean = measured.ok().and_then(|measures| {
                        let values = &measures.measured.first()?.values;
                        Some(values.iter().sum::<f64>() / values.len() as f64)
                    });
                    // What cannot be fitted or served so is out, and ends nothing.
                    scores[kind].extend(mean.map(|mean| (settings, mean)));
                }
            }
            trial.forget_own_fits();
        }
        Ok(scores)
    }
}

fn grid() -> Vec<FitSettings> {
    let points = UNOBSERVED_WEIGHTS.into_iter().flat_map(|unobserved_weight| {
        REGULARISATIONS
            .into_iter()
            .map(move |regularisation| FitSettings { unobserved_weight, regularisation })
    });
    points.collect()
}

/// The best so many; the earlier of equals.
fn best(scores: &Scores, keep: usize) -> Vec<FitSettings> {
    let mut order: Vec<&(FitSettings, f64)> = scores.iter().collect();
    order.sort_by(|(_, a), (_, b)| b.total_cmp(a));
    order.into_iter().take(keep).map(|(settings, _)| *settings).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::look_alikes::LookAlikes;
    use crate::training::bridging::hiding::HidingOptions;
    use crate::training::bridging::trial::tests::{direction, params, ranges, world};

    fn scouted(most_entries: usize, folds: usize) -> BTreeMap<Direction, Scouted> {
        let (matrix, ranges, look_alikes) = (world(90, true, 1), ranges(), LookAlikes::default());
        let ground = Ground {
            matrix: &matrix,
            ranges: &ranges,
            look_alikes: &look_alikes,
            likenesses: None,
        };
        let shared = Arc::new(SharedPeople::of(&matrix, &ranges));
        let options = HidingOptions { folds, ..HidingOptions::default() };
        let folds = Hiding::folds(&matrix, &ranges, &shared, (15, options));
        let unobserved = UnobservedItems::default();
        let options = ScoutingOptions { most_entries };
        scout(ground, (&shared, 15), &folds, (&params(), unobserved), &options).unwrap()
    }

    #[test]
    fn each_scouting_fold_finds_a_short_list_and_judges_that_of_the_other() {
        let found = scouted(ScoutingOptions::default().most_entries, 3);
        assert_eq!(found, scouted(ScoutingOptions::default().most_entries, 3));
        assert_eq!(found.len(), 2);
        let scouted = &found[&direction("a", "b")];
        assert_eq!(scouted.by_fold.len(), 2);
        for own in &scouted.by_fold {
            assert_eq!((own.two_block.len(), own.pair.len()), (1, 1));
        }
        let candidate = |fit| Candidate::Pair { fit, source_weight: 1.0 };
        let [first, second] = &scouted.by_fold[..] else { panic!("{scouted:?}") };
        for fit in grid() {
            let may = |fold| scouted.may_judge(fold, &candidate(fit));
            assert_eq!(may(0), second.pair.contains(&fit));
            assert_eq!((may(1), may(2)), (first.pair.contains(&fit), first.pair.contains(&fit)));
        }
        let run = FitSettings::of(&params());
        let of_run = Candidate::TwoBlock { fit: run, ridge: 1.0, factor_weight: 1.0 };
        assert!((0..3).all(|fold| scouted.may_judge(fold, &of_run)));
        assert!(scouted.all().two_block.contains(&run));
    }

    #[test]
    fn what_would_cost_too_much_is_tried_with_the_runs_settings_or_not_at_all() {
        let run_alone = scouted(4_000, 3);
        let scouted_alone = &run_alone[&direction("a", "b")];
        assert_eq!(scouted_alone.all().two_block, [FitSettings::of(&params())]);
        assert_eq!((scouted_alone.all().pair.len(), scouted_alone.by_fold.len()), (0, 0));
        let nothing = scouted(0, 3);
        assert_eq!(nothing[&direction("a", "b")].all(), OwnSettings::default());
        // One fold: nobody could judge.
        let one = scouted(ScoutingOptions::default().most_entries, 1);
        assert_eq!(one[&direction("b", "a")].by_fold.len(), 0);
    }

    #[test]
    fn what_could_not_be_measured_is_not_among_the_best() {
        let [a, b] = [0, 1].map(|at| grid()[at]);
        assert_eq!(best(&vec![(a, 0.1), (b, 0.2)], 1), [b]);
        assert_eq!(best(&vec![(a, 0.1), (b, 0.1)], 1), [a]);
        assert_eq!(best(&Vec::new(), 2), []);
    }
}
