//! The search: a value that says what to evaluate next.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Candidate, FunctionPrice, InvalidTuning, SearchSpace, Tuned, TuningRequest};
use crate::entities::ids::DomainId;

/// One in so many goes on to the next rung, at so many times the work.
const HALVING: usize = 3;
/// Fewest iterations of a fit: after one, candidates can hardly be told apart.
const MIN_ITERATIONS: usize = 3;
/// Factors by which a number is moved in the climb that follows the last rung.
const CLIMB_STEPS: [f32; 2] = [1.6, 1.3];
/// Most rungs of the climb; each has at most [`MOST_NEIGHBOURS`].
const MOST_CLIMBS: usize = 7;
const MOST_NEIGHBOURS: usize = 4;
/// Times an evaluation may be begun and not ended (the worker died) before the
/// candidate counts as impossible: it may be what killed the worker.
const MAX_ATTEMPTS: u32 = 2;
/// What factor vectors of twice the length must bring at least, as a share of the score: they
/// cost whoever serves twice as many bytes and multiplications.
const LEAST_OF_DOUBLING: f64 = 0.005;
/// The same by chance: this over the root of the people measured, two standard errors of a
/// mean of differences of NDCG@20 that spread by .05 from person to person.
const CHANCE_OF_DOUBLING: f64 = 0.1;

/// How thoroughly candidates of a rung are evaluated.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Fidelity {
    /// Iterations of the fit.
    pub iterations: usize,
    /// Share of the people who take part, above 0 to 1.
    pub people: f64,
    /// Which fold is held out: rungs differ, so that a candidate does not go on
    /// by luck with one of them. The last rung has 0.
    pub fold: usize,
    /// Seed of the draw of people.
    pub seed: u64,
}

/// What an evaluation found.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Score {
    /// What is maximised: the mean of `by_domain`, by each domain's people up to a
    /// thousand.
    pub value: f64,
    /// NDCG@20 on what was held out, by domain.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub by_domain: BTreeMap<DomainId, f64>,
    /// People measured, over all domains.
    pub people: usize,
}

/// One candidate's evaluation on one rung.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Trial {
    /// The candidate, by its number.
    pub candidate: usize,
    /// Its score; absent when it could not be fitted or measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score: Option<Score>,
    /// How long it took.
    pub seconds: f64,
}

/// One round of the search.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rung {
    /// How its candidates are evaluated.
    pub fidelity: Fidelity,
    /// Its candidates, by number, in the order in which they are evaluated.
    pub entrants: Vec<usize>,
    /// Those evaluated so far.
    pub trials: Vec<Trial>,
}

impl Rung {
    fn is_complete(&self) -> bool {
        self.trials.len() == self.entrants.len()
    }

    /// Best first; the lower number where scores are equal, so that the base wins ties.
    fn ranking(&self) -> Vec<usize> {
        let scored = |trial: &Trial| Some((trial.score.as_ref()?.value, trial.candidate));
        let mut ranked: Vec<(f64, usize)> = self.trials.iter().filter_map(scored).collect();
        ranked.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        ranked.into_iter().map(|(_, candidate)| candidate).collect()
    }

    /// The longest factor vector of its candidates.
    fn longest(&self, candidates: &[Candidate]) -> usize {
        let factors = |number: &usize| candidates.get(*number).map(|of| of.options.factors);
        self.entrants.iter().filter_map(factors).max().unwrap_or(1).max(1)
    }

    fn slowest(&self) -> f64 {
        self.trials.iter().map(|trial| trial.seconds).fold(0.0, f64::max)
    }

    fn work(&self) -> f64 {
        self.fidelity.iterations as f64 * self.fidelity.people
    }
}

/// Why a search ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// Every rung was gone through.
    Complete,
    /// The next evaluation would have exceeded the time.
    TimeBudget,
    /// The next evaluation would have exceeded the cost.
    CostBudget,
}

/// An evaluation to carry out.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Task {
    /// The candidate, by its number.
    pub candidate: usize,
    /// How to evaluate it.
    pub fidelity: Fidelity,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct UnderWay {
    candidate: usize,
    attempts: u32,
}

/// The climb from the best candidate, at full length: its neighbours are evaluated,
/// then those of the best of them, and so on while that helps; then with a smaller step.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Climb {
    /// Which of [`CLIMB_STEPS`].
    step: usize,
    /// Rungs so far.
    rungs: usize,
    /// The candidate whose neighbours were evaluated last.
    from: Option<usize>,
}

/// A search as far as it has come.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Search {
    /// What was asked for.
    pub request: TuningRequest,
    /// What a second costs, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<FunctionPrice>,
    /// The candidates; number 0 is what the run would use without tuning.
    pub candidates: Vec<Candidate>,
    /// The rungs so far.
    pub rungs: Vec<Rung>,
    /// Seconds that evaluations took.
    pub seconds: f64,
    /// Why it ended; absent while it goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Ending>,
    /// What may change.
    tuned: Tuned,
    /// The longest factor vectors that are tried.
    #[serde(default)]
    longest: usize,
    /// How many of the candidates were drawn; the others were climbed to.
    drawn: usize,
    climb: Climb,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    under_way: Option<UnderWay>,
}

impl Search {
    /// A search that has not begun.
    ///
    /// # Errors
    /// [`InvalidTuning`] when the request is out of range, or bounds the cost
    /// where no price is known.
    pub fn new(
        request: TuningRequest,
        space: &SearchSpace,
        price: Option<FunctionPrice>,
    ) -> Result<Self, InvalidTuning> {
        request.check()?;
        if request.budget_usd.is_some() && price.is_none() {
            return Err(InvalidTuning::NoPrice);
        }
        let candidates = space.draw(request.candidates, request.seed);
        let mut search = Self {
            request,
            price,
            candidates,
            rungs: Vec::new(),
            seconds: 0.0,
            ended: None,
            tuned: space.tuned,
            longest: space.longest,
            drawn: 0,
            climb: Climb::default(),
            under_way: None,
        };
        search.drawn = search.candidates.len();
        search.rungs.push(search.rung((0..search.drawn).collect()));
        Ok(search)
    }

    /// How many rungs there are in all: candidates fall to a third until three are left.
    fn levels(&self) -> usize {
        let falls = |left: &usize| (*left > HALVING).then(|| left.div_ceil(HALVING));
        std::iter::successors(Some(self.drawn), falls).count()
    }

    /// The next rung, for these candidates.
    fn rung(&self, entrants: Vec<usize>) -> Rung {
        let below_top = self.levels() - 1 - self.rungs.len();
        let part = HALVING.pow(below_top as u32);
        let iterations = self.candidates[0].options.iterations;
        let fidelity = Fidelity {
            iterations: (iterations / part).max(MIN_ITERATIONS.min(iterations)),
            people: exact(1.0 / part as f64),
            fold: below_top,
            seed: self.request.seed,
        };
        Rung { fidelity, entrants, trials: Vec::new() }
    }

    /// What the evaluations so far cost in US dollars, where a price is known.
    #[must_use]
    pub fn usd(&self) -> Option<f64> {
        self.price.map(|price| price.usd_per_second() * self.seconds)
    }

    /// The next evaluation, noted as begun; `None` once the search has ended. One
    /// that was begun before and never ended is given out again, at most once.
    pub fn begin(&mut self) -> Option<Task> {
        loop {
            self.advance();
            if self.ended.is_some() {
                return None;
            }
            let rung = self.rungs.last()?;
            let candidate = rung.entrants[rung.trials.len()];
            let before = self.under_way.filter(|under_way| under_way.candidate == candidate);
            let attempts = before.map_or(1, |under_way| under_way.attempts + 1);
            let task = Task { candidate, fidelity: rung.fidelity };
            if attempts <= MAX_ATTEMPTS {
                self.under_way = Some(UnderWay { candidate, attempts });
                return Some(task);
            }
            self.finish(task, None, 0.0);
        }
    }

    /// Takes in what came of an evaluation, and how long it took.
    pub fn finish(&mut self, task: Task, score: Option<Score>, seconds: f64) {
        self.under_way = None;
        let seconds = exact(seconds);
        self.seconds = exact(self.seconds + seconds);
        let score = score.filter(|score| score.value.is_finite()).map(|mut score| {
            score.value = exact(score.value);
            score.by_domain.values_mut().for_each(|value| *value = exact(*value));
            score
        });
        if let Some(rung) = self.rungs.last_mut() {
            rung.trials.push(Trial { candidate: task.candidate, score, seconds });
        }
        self.advance();
    }

    /// Opens the next rung when one is complete, and ends the search when there
    /// is none or the budget does not allow another evaluation.
    fn advance(&mut self) {
        if self.ended.is_some() {
            return;
        }
        let Some(rung) = self.rungs.last() else { return };
        if rung.is_complete() {
            let survivors = self.survivors(rung);
            let next = if self.rungs.len() < self.levels() && survivors.len() > 1 {
                Some(self.rung(survivors))
            } else {
                self.climb().or_else(|| self.double())
            };
            let Some(next) = next else {
                self.ended = Some(Ending::Complete);
                return;
            };
            self.rungs.push(next);
        }
        self.ended = self.exhausted();
    }

    /// The next rung of the climb; `None` at the top, or when nothing could be scored.
    fn climb(&mut self) -> Option<Rung> {
        let fidelity = self.rungs.last()?.fidelity;
        let (best, _) = self.best_at(&fidelity)?;
        if self.climb.from == Some(best) {
            self.climb.step += 1;
        }
        self.climb.from = Some(best);
        while self.climb.rungs < MOST_CLIMBS {
            let step = CLIMB_STEPS.get(self.climb.step)?;
            let known = self.trials_at(&fidelity).map(|trial| trial.candidate);
            let known: Vec<&Candidate> = known.map(|number| &self.candidates[number]).collect();
            let neighbours = self.candidates[best].neighbours(*step, self.tuned).into_iter();
            let new: Vec<Candidate> =
                neighbours.filter(|next| !known.iter().any(|other| other.is_like(next))).collect();
            if new.is_empty() {
                self.climb.step += 1;
                continue;
            }
            self.climb.rungs += 1;
            let first = self.candidates.len();
            self.candidates.extend(new);
            let entrants = (first..self.candidates.len()).collect();
            return Some(Rung { fidelity, entrants, trials: Vec::new() });
        }
        None
    }

    /// A rung for the best candidate with longer factor vectors; `None` when that was tried, or
    /// when nothing could be scored.
    fn double(&mut self) -> Option<Rung> {
        if !self.tuned.factors {
            return None;
        }
        let fidelity = self.rungs.last()?.fidelity;
        let (best, _) = self.best_at(&fidelity)?;
        let longer = self.candidates[best].doubled(self.longest)?;
        let known = self.trials_at(&fidelity).map(|trial| trial.candidate);
        if known.into_iter().any(|number| self.candidates[number].is_like(&longer)) {
            return None;
        }
        self.candidates.push(longer);
        let entrants = vec![self.candidates.len() - 1];
        Some(Rung { fidelity, entrants, trials: Vec::new() })
    }

    fn trials_at<'a>(&'a self, fidelity: &'a Fidelity) -> impl Iterator<Item = &'a Trial> {
        let rungs = self.rungs.iter().filter(move |rung| rung.fidelity == *fidelity);
        rungs.flat_map(|rung| &rung.trials)
    }

    /// What a candidate's score is worth: less for longer factor vectors than the base's.
    fn worth(&self, candidate: usize, score: &Score) -> f64 {
        let factors = |number: usize| self.candidates[number].options.factors.max(1) as f64;
        let doublings = (factors(candidate) / factors(0)).log2().max(0.0);
        let chance = CHANCE_OF_DOUBLING / (score.people.max(1) as f64).sqrt();
        score.value - doublings * (LEAST_OF_DOUBLING * score.value.abs()).max(chance)
    }

    /// The best candidate that was evaluated so thoroughly, and what its score is worth; the
    /// lower number of equal ones, so that the base wins ties.
    fn best_at(&self, fidelity: &Fidelity) -> Option<(usize, f64)> {
        let scored = |trial: &Trial| {
            let worth = self.worth(trial.candidate, trial.score.as_ref()?);
            Some((trial.candidate, worth))
        };
        let scored = self.trials_at(fidelity).filter_map(scored);
        scored.max_by(|a, b| a.1.total_cmp(&b.1).then(b.0.cmp(&a.0)))
    }

    /// The best third, and the base, which is compared at every level.
    fn survivors(&self, rung: &Rung) -> Vec<usize> {
        let mut best = rung.ranking();
        best.truncate(rung.entrants.len().div_ceil(HALVING));
        best.retain(|candidate| *candidate != 0);
        best.insert(0, 0);
        best
    }

    fn exhausted(&self) -> Option<Ending> {
        let seconds = self.seconds + self.estimate();
        if seconds > self.request.budget_seconds {
            return Some(Ending::TimeBudget);
        }
        let cost = self.price.map(|price| price.usd_per_second() * seconds);
        let exceeds = cost.zip(self.request.budget_usd).is_some_and(|(cost, most)| cost > most);
        exceeds.then_some(Ending::CostBudget)
    }

    /// Seconds that the next evaluation may take: as long as the slowest of its
    /// rung, or of the rung before for as much more work; with longer factor vectors, for the
    /// square of that, which solving takes.
    fn estimate(&self) -> f64 {
        let mut rungs = self.rungs.iter().rev();
        let Some(current) = rungs.next() else { return 0.0 };
        if !current.trials.is_empty() {
            return current.slowest();
        }
        rungs.next().map_or(0.0, |before| {
            let longest = |rung: &Rung| rung.longest(&self.candidates) as f64;
            let longer = (longest(current) / longest(before)).max(1.0).powi(2);
            before.slowest() * longer * current.work() / before.work()
        })
    }

    /// The number of the best candidate: of those evaluated as thoroughly as the last
    /// rung that was gone through whole, or as the first one when none was; the base
    /// when nothing could be scored.
    #[must_use]
    pub fn chosen(&self) -> usize {
        let complete = self.rungs.iter().rfind(|rung| rung.is_complete());
        let rung = complete.or(self.rungs.first());
        rung.and_then(|rung| self.best_at(&rung.fidelity)).map_or(0, |(candidate, _)| candidate)
    }

    /// The best candidate.
    #[must_use]
    pub fn chosen_candidate(&self) -> &Candidate {
        &self.candidates[self.chosen()]
    }

    /// Evaluations done, and an upper bound of all there may be.
    #[must_use]
    pub fn progress(&self) -> (usize, usize) {
        let done = self.rungs.iter().map(|rung| rung.trials.len()).sum();
        let opened: usize = self.rungs.iter().map(|rung| rung.entrants.len()).sum();
        let mut next = self.rungs.last().map_or(0, |rung| rung.entrants.len());
        let mut total = opened;
        for _ in self.rungs.len()..self.levels() {
            next = next.div_ceil(HALVING) + 1;
            total += next;
        }
        if self.ended.is_some() {
            return (done, done);
        }
        let longest = self.rungs.last().map_or(1, |rung| rung.longest(&self.candidates));
        let doublings = (self.longest / longest).checked_ilog2().unwrap_or(0) as usize;
        (done, total + (MOST_CLIMBS - self.climb.rungs) * MOST_NEIGHBOURS + doublings)
    }
}

/// Rounded to nine decimals: few enough digits for any JSON reader to give back
/// the same number, so that a search taken up again goes on exactly as it was.
fn exact(value: f64) -> f64 {
    (value * 1e9).round() / 1e9
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::maths::als::AlsOptions;
    use crate::training::tuning::Reach;

    fn space() -> SearchSpace {
        let base = Candidate {
            options: AlsOptions::default(),
            evidence: crate::evidence::scaling::EvidenceScaling::default(),
        };
        let (tuned, reach, longest) = (Tuned::ALL, Reach::Wide, 256);
        SearchSpace { base, tuned, reach, longest, event_types: BTreeMap::new() }
    }

    fn search(candidates: usize, budget_seconds: f64) -> Search {
        let request = TuningRequest { candidates, ..TuningRequest::of_seconds(budget_seconds) };
        Search::new(request, &space(), None).unwrap()
    }

    fn value(value: f64) -> Option<Score> {
        Some(Score { value, people: 1, ..Score::default() })
    }

    /// The nearer to a regularisation of 0.1 the better.
    fn quality(candidate: &Candidate) -> f64 {
        1.0 / (1.0 + f64::from((candidate.options.regularisation / 0.1).ln().abs()))
    }

    fn run(search: &mut Search, seconds_of_an_iteration: f64) {
        while let Some(task) = search.begin() {
            let candidate = &search.candidates[task.candidate];
            let score = value(quality(candidate));
            let seconds =
                seconds_of_an_iteration * task.fidelity.iterations as f64 * task.fidelity.people;
            search.finish(task, score, seconds);
        }
    }

    #[test]
    fn the_best_candidate_is_found_at_a_fraction_of_the_work() {
        let mut search = search(27, 1_000.0);
        run(&mut search, 1.0);
        assert_eq!(search.ended, Some(Ending::Complete));
        let best = search.candidates.iter().map(quality).fold(0.0, f64::max);
        assert_eq!(quality(search.chosen_candidate()), best);
        let entrants: Vec<usize> = search.rungs.iter().map(|rung| rung.entrants.len()).collect();
        assert!(entrants[0] == 27 && (9..=10).contains(&entrants[1]), "{entrants:?}");
        assert!(search.rungs[..3].iter().all(|rung| rung.entrants.contains(&0)));
        let fidelity = search.rungs[2].fidelity;
        assert_eq!((fidelity.iterations, fidelity.people, fidelity.fold), (15, 1.0, 0));
        let halving: f64 =
            search.rungs[..3].iter().flat_map(|rung| &rung.trials).map(|t| t.seconds).sum();
        assert!(halving < 27.0 * 15.0 / 3.0, "{halving}");
    }

    #[test]
    fn the_best_candidate_is_climbed_from_until_no_step_helps() {
        let mut search = search(27, 10_000.0);
        run(&mut search, 1.0);
        let drawn = search.candidates[..27].iter().map(quality).fold(0.0, f64::max);
        let found = search.chosen_candidate();
        assert!(quality(found) > drawn, "{found:?}");
        let off = (found.options.regularisation / 0.1).ln().abs();
        assert!(off < 1.3f32.ln(), "{found:?}");
        assert!(search.rungs.len() <= 3 + MOST_CLIMBS + 1, "one more for longer vectors");
        assert!(search.rungs[3..].iter().all(|rung| rung.entrants.len() <= MOST_NEIGHBOURS));
    }

    /// Searches where twice the length brings this share of the score, measured on so many.
    fn chosen_length(gain: f64, people: usize) -> usize {
        let mut search = search(9, 1e4);
        while let Some(task) = search.begin() {
            let candidate = &search.candidates[task.candidate];
            let doublings = (candidate.options.factors as f64 / 64.0).log2();
            let value = quality(candidate) * (1.0 + gain * doublings);
            search.finish(task, Some(Score { value, people, ..Score::default() }), 1.0);
        }
        search.chosen_candidate().options.factors
    }

    #[test]
    fn factor_vectors_grow_only_where_that_brings_what_it_costs_and_more_than_chance_does() {
        assert_eq!(chosen_length(0.05, 100_000), 256);
        assert_eq!(chosen_length(0.003, 100_000), 64, "too little for twice the bytes");
        assert_eq!(chosen_length(0.05, 4), 64, "it may be chance");
        let mut fixed = space();
        fixed.tuned.factors = false;
        let mut search = Search::new(TuningRequest::of_seconds(1e4), &fixed, None).unwrap();
        run(&mut search, 1.0);
        assert!(search.candidates.iter().all(|of| of.options.factors == 64));
    }

    proptest! {
        #[test]
        fn a_search_stored_and_taken_up_after_any_step_ends_the_same(
            candidates in 2usize..40, seed in 0u64..5, steps in 0usize..60, dies in any::<bool>(),
        ) {
            let request = TuningRequest { candidates, seed, ..TuningRequest::of_seconds(1e4) };
            let mut whole = Search::new(request, &space(), None).unwrap();
            let mut other = whole.clone();
            run(&mut whole, 0.5);
            for _ in 0..steps {
                let Some(task) = other.begin() else { break };
                let score = value(quality(&other.candidates[task.candidate]));
                let seconds = 0.5 * task.fidelity.iterations as f64 * task.fidelity.people;
                other.finish(task, score, seconds);
            }
            if dies {
                other.begin();
            }
            let text = serde_json::to_string(&other).unwrap();
            let mut other: Search = serde_json::from_str(&text).unwrap();
            run(&mut other, 0.5);
            prop_assert_eq!(whole, other);
        }

        #[test]
        fn the_budget_is_kept_whatever_it_is(
            candidates in 2usize..40, budget in 1.0f64..300.0, speed in 0.01f64..3.0,
        ) {
            let mut search = search(candidates, budget);
            run(&mut search, speed);
            // Only the very first evaluation has nothing to be estimated from.
            let first = search.rungs[0].trials[0].seconds;
            prop_assert!(search.seconds <= budget.max(first) + 1e-9);
            prop_assert!(search.ended.is_some());
            let (done, total) = search.progress();
            prop_assert!(done <= total);
        }
    }

    #[test]
    fn a_search_cut_short_chooses_from_the_last_whole_rung() {
        let mut short = search(9, 10.0);
        run(&mut short, 1.0);
        // Nine times 5 iterations of a third of the people: 15 s; cut in the first rung,
        // where the best of those that were tried is better than the first.
        assert_eq!(short.ended, Some(Ending::TimeBudget));
        assert_eq!(short.chosen(), short.rungs[0].ranking()[0]);
        let mut longer = search(9, 20.0);
        run(&mut longer, 1.0);
        assert_eq!(longer.ended, Some(Ending::TimeBudget));
        assert_eq!(longer.chosen(), longer.rungs[0].ranking()[0]);
    }

    #[test]
    fn cost_is_bounded_by_the_price_and_needs_one() {
        let price = FunctionPrice { memory_gb: 10.0, usd_per_gb_second: 0.001 };
        let request = TuningRequest {
            budget_usd: Some(0.05),
            candidates: 9,
            ..TuningRequest::of_seconds(1_000.0)
        };
        assert_eq!(Search::new(request, &space(), None), Err(InvalidTuning::NoPrice));
        let mut search = Search::new(request, &space(), Some(price)).unwrap();
        run(&mut search, 1.0);
        assert_eq!(search.ended, Some(Ending::CostBudget));
        assert!(search.usd().unwrap() <= 0.05);
    }

    #[test]
    fn a_candidate_that_kills_the_worker_twice_is_passed_over() {
        let mut search = search(2, 100.0);
        assert_eq!(search.begin().map(|task| task.candidate), Some(0));
        assert_eq!(search.begin().map(|task| task.candidate), Some(0));
        let task = search.begin().unwrap();
        assert_eq!(task.candidate, 1);
        search.finish(task, value(0.1), 1.0);
        assert_eq!(search.chosen(), 1);
        assert!(search.begin().is_some_and(|task| task.candidate > 1), "it climbs on from there");
    }

    #[test]
    fn when_nothing_can_be_scored_the_base_is_chosen() {
        let mut search = search(9, 100.0);
        while let Some(task) = search.begin() {
            search.finish(task, Some(Score { value: f64::NAN, ..Score::default() }), 1.0);
        }
        assert_eq!((search.ended, search.chosen()), (Some(Ending::Complete), 0));
    }
}
