//! Shadow evaluation: a new model and the champion ranked on the same held-out
//! people, before anyone is served by the new one.
//!
//! Each model folds in the same people's interactions from before the split, as
//! serving would, and ranks the same items; an item that it does not know comes
//! after all that it knows, which is what serving makes of it.
//!
//! What is fair depends on what the champion has seen ([`ShadowBasis`]):
//!
//! - **Unseen.** The champion is older than the split. The challenger is then the
//!   fit without the held-out events: neither model has seen them, and the
//!   champion has only the handicap of its age, which is the point.
//! - **Seen.** The champion was trained on held-out events, as it is whenever runs
//!   are more frequent than the held-out tenth of the events is long. Against the
//!   fit without them it would have a leak in its favour (its item factors know
//!   the answers) and all that is new besides: every good successor would be
//!   refused. So the challenger is then the model to be published, trained on
//!   everything as the champion was, and only events that both were trained on
//!   count. The leak is the same on both sides and mostly cancels; what remains
//!   favours the model that fits its training data closer, so a challenger that
//!   only overfits is not found here, but by its ranking for unseen events against
//!   popularity.

use std::collections::BTreeMap;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::entities::ids::{DomainId, ModelId};
use crate::evidence::items::{DomainRows, ItemIndex, Row, Weighted};
use crate::maths::bootstrap::{Interval, paired_difference};
use crate::maths::measure::{LIST_LENGTH, Measurements, RankingCase, measure};
use crate::maths::rank::rank_unseen;
use crate::maths::sparse::SparseRows;
use crate::model::Sections;

/// The metric that models are compared by.
pub const SHADOW_METRIC: &str = "ndcg@20";

/// People compared in a domain at most, evenly spaced among all: the interval
/// hardly narrows beyond, while folding everyone in costs time.
const MAX_PEOPLE: usize = 20_000;

/// Fewest held-out people by which a domain is judged: below, a percentile
/// bootstrap interval is too narrow to be believed.
pub const FEWEST_PEOPLE: usize = 30;

/// What was held out to be found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HeldOut {
    /// The newest events of all.
    #[default]
    NewestEvents,
    /// Each person's last item, or any of those at the same instant: where events have
    /// no useful times, or too few people did anything new of late.
    LastItems,
}

/// Whether the held-out events were kept from both sides or known to both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ShadowBasis {
    /// Neither side was trained on them.
    Unseen,
    /// Both sides were.
    Seen,
}

/// A ranking that the challenger was compared with.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Rival {
    /// What the comparison rests on.
    pub basis: ShadowBasis,
    /// People compared.
    pub people: usize,
    /// Its mean [`SHADOW_METRIC`] over the compared people, 0 to 1.
    pub mean: f64,
    /// The challenger's mean minus this one, with its 95% interval (paired
    /// bootstrap over people).
    pub difference: Interval,
}

/// How a challenger did on one domain's held-out people.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ShadowComparison {
    /// What people had to be recommended.
    #[serde(default)]
    pub held_out: HeldOut,
    /// The mean [`SHADOW_METRIC`] of the challenger, fitted without the held-out
    /// events, 0 to 1.
    pub mean: f64,
    /// Popularity, counted without the held-out events.
    pub popularity: Rival,
    /// The champion; none when there was none, or it does not know the domain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub champion: Option<Rival>,
}

/// A new model against popularity and the champion, on held-out people.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ShadowReport {
    /// The champion that it was compared with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub champion: Option<ModelId>,
    /// The comparisons, by domain; without those where nobody was held out.
    pub domains: BTreeMap<DomainId, ShadowComparison>,
}

/// One domain's held-out people.
#[derive(Clone, Copy)]
pub(crate) struct ShadowCases<'a> {
    /// The people, with the items to find among the domain's.
    pub(crate) cases: &'a [RankingCase],
    /// Interactions from before the split; a case's person is one of its rows.
    pub(crate) before: &'a SparseRows,
    /// The challenger's items.
    pub(crate) index: &'a ItemIndex,
    /// The domain's rows among them.
    pub(crate) rows: &'a DomainRows,
    /// Seed of the bootstrap.
    pub(crate) seed: u64,
}

impl ShadowCases<'_> {
    /// Compares the challenger with popularity, as both were measured on these
    /// cases. `None` when nobody was held out.
    pub(crate) fn against_popularity(
        &self,
        challenger: &Measurements,
        popularity: &Measurements,
    ) -> Option<ShadowComparison> {
        let popularity = self.rival(ShadowBasis::Unseen, challenger, popularity)?;
        let mean = popularity.mean + popularity.difference.mean;
        let held_out = HeldOut::default();
        Some(ShadowComparison { held_out, mean, popularity, champion: None })
    }

    /// Compares the challenger, as it was measured on these cases without having
    /// seen them, with a champion that has not seen them either.
    pub(crate) fn against_older(
        &self,
        challenger: &Measurements,
        champion: &Sections,
    ) -> Option<Rival> {
        self.rival(ShadowBasis::Unseen, challenger, &self.measure(champion)?)
    }

    /// Compares two models that have both seen what is to be found.
    pub(crate) fn against_peer(&self, challenger: &Sections, champion: &Sections) -> Option<Rival> {
        self.rival(ShadowBasis::Seen, &self.measure(challenger)?, &self.measure(champion)?)
    }

    /// The difference over the people that both measured, which are all the
    /// cases or, where there are very many, the same part of them.
    fn rival(&self, basis: ShadowBasis, a: &Measurements, b: &Measurements) -> Option<Rival> {
        let sampled = |measured: &Measurements| -> Vec<f64> {
            let all = measured.of(SHADOW_METRIC);
            let step = if all.len() == self.cases.len() { self.step() } else { 1 };
            all.iter().step_by(step).copied().collect()
        };
        let (a, b) = (sampled(a), sampled(b));
        let difference = paired_difference(&a, &b, self.seed)?;
        let mean = b.iter().sum::<f64>() / b.len() as f64;
        Some(Rival { basis, people: b.len(), mean, difference })
    }

    fn step(&self) -> usize {
        self.cases.len().div_ceil(MAX_PEOPLE).max(1)
    }

    /// Ranks the domain's items for the people as a model would serve them;
    /// `None` when the model does not know the domain.
    fn measure(&self, model: &Sections) -> Option<Measurements> {
        let domain = &self.rows.domain;
        model.rows(domain)?;
        let keys = &self.index.items()[self.rows.range.clone()];
        let known: Vec<Option<Row>> = keys.iter().map(|key| model.index.row(key)).collect();
        let cases: Vec<RankingCase> = self.cases.iter().step_by(self.step()).cloned().collect();
        let rank = |case: &RankingCase| {
            let estimate = model.estimate(domain, &self.interactions(model, case.person));
            let score = |row: Row| match &estimate {
                Some(estimate) => estimate.score(row),
                None => model.ranking_popularity(row),
            };
            let scores: Vec<f32> =
                known.iter().map(|row| row.map_or(f32::NEG_INFINITY, score)).collect();
            rank_unseen(&scores, &case.seen, LIST_LENGTH)
        };
        let lists: Vec<Vec<u32>> = cases.par_iter().map(rank).collect();
        Some(measure(&lists, &cases))
    }

    /// A person's interactions from before the split, by the model's rows.
    fn interactions(&self, model: &Sections, person: usize) -> Vec<Weighted> {
        let by_model = |known: Weighted| {
            let row = model.index.row(self.index.item(known.row)?)?;
            Some(Weighted { row, ..known })
        };
        let known = Weighted::of_person(self.before, person);
        let mut interactions: Vec<Weighted> = known.into_iter().filter_map(by_model).collect();
        interactions.sort_unstable_by_key(|known| known.row);
        interactions
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entities::ids::ItemId;
    use crate::maths::als::{AlsOptions, fit};
    use crate::maths::measure::{evaluate_common_scores, evaluate_factors};
    use crate::model::Model;
    use crate::model::bridges::Bridges;
    use crate::model::tests::model_of;

    fn key(item: usize) -> (DomainId, ItemId) {
        (DomainId::parse("knowledge").unwrap(), ItemId::parse(&format!("i{item:02}")).unwrap())
    }

    fn options() -> AlsOptions {
        AlsOptions { factors: 4, iterations: 8, unobserved_weight: 0.1, ..AlsOptions::default() }
    }

    /// Two tastes: people like the even items or the odd ones, and have seen
    /// six of their twelve; two more are held out.
    fn world() -> (SparseRows, Vec<RankingCase>, ItemIndex) {
        let index = ItemIndex::new((0..24).map(key).collect());
        let item = |person: usize, step: usize| ((person * 5 + step) % 12 * 2 + person % 2) as u32;
        let rows = (0..60).map(|p| (0..6).map(|step| (item(p, step), 1.0)).collect::<Vec<_>>());
        let cases = (0..60).map(|row| {
            let sorted = |mut items: Vec<u32>| {
                items.sort_unstable();
                items
            };
            let seen = sorted((0..6).map(|step| item(row, step)).collect());
            let relevant = sorted((6..8).map(|step| item(row, step)).collect());
            RankingCase { person: row, seen, relevant }
        });
        (SparseRows::from_rows(24, rows), cases.collect(), index)
    }

    /// A model of every item or of all but the first so many, fitted to the world's rows.
    fn model(first: usize, shuffle: usize) -> Model {
        let (rows, _, _) = world();
        let shifted = |person: usize| -> Vec<(u32, f32)> {
            let (items, values) = rows.row(person);
            let moved = items.iter().map(|&item| ((item as usize * shuffle) % 24) as u32);
            let kept =
                moved.zip(values.iter().copied()).filter(|(item, _)| *item as usize >= first);
            kept.map(|(item, value)| (item - first as u32, value)).collect()
        };
        let matrix = SparseRows::from_rows(24 - first, (0..rows.rows()).map(shifted));
        let factors = fit(&matrix, &options().check().unwrap(), &|_| ()).unwrap();
        let index = ItemIndex::new((first..24).map(key).collect());
        model_of(index, options(), factors.items, vec![0.5; 24 - first], Bridges::none())
    }

    fn on_cases<T>(run: impl FnOnce(ShadowCases<'_>, &Measurements) -> T) -> T {
        let (before, cases, index) = world();
        let rows = index.ranges().values().next().unwrap().clone();
        let factors = fit(&before, &options().check().unwrap(), &|_| ()).unwrap();
        let challenger = evaluate_factors(factors.people.view(), factors.items.view(), &cases);
        let shadow =
            ShadowCases { cases: &cases, before: &before, index: &index, rows: &rows, seed: 1 };
        run(shadow, &challenger)
    }

    fn against(champion: &Model) -> Interval {
        on_cases(|shadow, challenger| shadow.against_older(challenger, champion.sections()))
            .unwrap()
            .difference
    }

    #[test]
    fn a_champion_of_the_same_fit_scores_what_the_challenger_scores() {
        let difference = against(&model(0, 1));
        assert!(difference.low.abs() < 1e-6 && difference.high.abs() < 1e-6, "{difference:?}");
        let peer = on_cases(|shadow, _| {
            shadow.against_peer(model(0, 1).sections(), model(0, 1).sections())
        })
        .unwrap();
        assert_eq!((peer.basis, peer.people), (ShadowBasis::Seen, 60));
        assert_eq!(peer.difference, Interval::default());
    }

    #[test]
    fn popularity_without_a_preference_is_beaten() {
        let shadow = on_cases(|shadow, challenger| {
            let popularity = evaluate_common_scores(&[1.0; 24], shadow.cases);
            shadow.against_popularity(challenger, &popularity)
        });
        let shadow = shadow.unwrap();
        assert!(shadow.popularity.difference.low > 0.0, "{shadow:?}");
        assert!(shadow.mean > shadow.popularity.mean);
    }

    #[test]
    fn a_champion_that_learnt_something_else_is_beaten() {
        let difference = against(&model(0, 7));
        assert!(difference.low > 0.0, "{difference:?}");
        let peer = on_cases(|shadow, _| {
            shadow.against_peer(model(0, 7).sections(), model(0, 1).sections())
        })
        .unwrap();
        assert!(peer.difference.high < 0.0, "{peer:?}");
    }

    #[test]
    fn items_that_the_champion_does_not_know_count_against_it() {
        let difference = against(&model(12, 1));
        assert!(difference.low > 0.0, "{difference:?}");
    }
}
