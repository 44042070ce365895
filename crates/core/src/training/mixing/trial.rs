//! Trying the rankers of each domain on people whose newest items were held out.

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use super::ensemble::{self, Pool, TAKEN};
use super::item_item_fit::Grounds as ItemItemGrounds;
use super::room::Room;
use super::sequence_fit::{Sought, fit_until_best};
use super::{MixtureChoice, MixtureReport, MixtureVerdict, RankerChoice, RankerFigures};
use crate::evidence::items::{DomainRows, Weighted};
use crate::evidence::popularity::Popularity;
use crate::maths::bootstrap::{Interval, paired_difference};
use crate::maths::measure::{LIST_LENGTH, Measurements, RankingCase, cases_of, measure};
use crate::maths::rank::rank_unseen;
use crate::maths::sparse::SparseRows;
use crate::model::mixtures::item_item::ItemItem;
use crate::model::mixtures::sequence::Sequence;
use crate::model::mixtures::{EvidenceAmount, Mixture, Ranker};
use crate::model::own_evidence::spread;
use crate::model::scoring::{Mismatch, ScoringTables};
use crate::training::bridging::measures::METRIC;
use crate::training::evaluating::rank_served;

/// Most people of a domain who choose and judge: the more, the smaller the help that can be
/// told from chance.
const MOST_PEOPLE: usize = 10_000;
/// So many always may, if there are as many.
const FEWEST_OF_MANY: usize = 4_000;
/// Of more items fewer people, so that each ranker gives so many scores: a second or two of a
/// core.
const SCORES: usize = 40_000_000;
/// Fewest people who judge.
const FEWEST_JUDGING: usize = 30;
/// Share of the people who choose; the others judge.
const CHOOSING: f64 = 0.6;
/// Fewest people with an amount of evidence who choose the shares of their own; fewer
/// take those of all.
const FEWEST_OF_AMOUNT: usize = 60;
/// The first items of each ranker that are in a person's pool.
const POOLED: usize = 60;

/// What is held out once more, to choose by.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct ChoosingItems {
    /// By row of the joint matrix: items, by column.
    pub(crate) held_out: Vec<Vec<u32>>,
    /// Popularity without them.
    pub(crate) popularity: Popularity,
    /// Whether it is what came last; else it is any of what a person likes.
    pub(crate) is_newest: bool,
}

/// What rankers are tried on.
#[derive(Clone, Copy)]
pub(crate) struct Grounds<'a> {
    /// The joint matrix without what is held out.
    pub(crate) matrix: &'a SparseRows,
    /// What is held out, and popularity without it.
    pub(crate) choosing: &'a ChoosingItems,
    /// What was fitted to the matrix, without any mixture.
    pub(crate) tables: &'a ScoringTables,
    /// Seed of the cut and of the bootstrap.
    pub(crate) seed: u64,
}

/// Tries the rankers of one domain, and judges their mixture.
///
/// # Errors
/// [`Mismatch`] when what was chosen cannot be served.
pub(crate) fn choose(
    grounds: Grounds<'_>,
    rows: &DomainRows,
    room: &mut Room,
) -> Result<MixtureReport, Mismatch> {
    let trial = Trial::new(grounds, rows);
    let (choosing, judging) = trial.cut();
    let mut report = MixtureReport {
        domain: rows.domain.clone(),
        choosing_people: choosing.len(),
        judging_people: judging.len(),
        tried: Vec::new(),
        chosen: None,
        factors: 0.0,
        mixed: 0.0,
        over_factors: Interval::default(),
        verdict: MixtureVerdict::TooFewPeople,
    };
    if judging.len() < FEWEST_JUDGING {
        return Ok(report);
    }
    let rankers = trial.rankers(&choosing, &mut report.tried, room);
    let (choice, mixture) = trial.mix(&choosing, rankers);
    let mixed = trial.served(&judging, &grounds.tables.with_mixture(rows, mixture)?);
    let factors = trial.served(&judging, grounds.tables);
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len().max(1) as f64;
    (report.mixed, report.factors) = (mean(mixed.of(METRIC)), mean(factors.of(METRIC)));
    let over = paired_difference(mixed.of(METRIC), factors.of(METRIC), grounds.seed);
    report.over_factors = over.unwrap_or_default();
    let is_better = report.over_factors.low > 0.0;
    report.verdict = match is_better {
        true if room.take(&choice, rows.len()) => MixtureVerdict::Served,
        true => MixtureVerdict::NoRoom,
        false => MixtureVerdict::NotBetter,
    };
    report.chosen = Some(choice);
    Ok(report)
}

/// One domain's people, and what ranks for them.
struct Trial<'a> {
    grounds: Grounds<'a>,
    rows: &'a DomainRows,
    cases: Vec<RankingCase>,
}

/// Rankers with what they were chosen as.
type Rankers = Vec<(RankerChoice, Ranker)>;

impl<'a> Trial<'a> {
    fn new(grounds: Grounds<'a>, rows: &'a DomainRows) -> Self {
        let mut cases = cases_of(grounds.matrix, &grounds.choosing.held_out, &rows.range);
        let has_evidence = |case: &RankingCase| {
            let known = Weighted::of_person(grounds.matrix, case.person);
            known.iter().any(|known| known.is_liked() && rows.contains(known.row))
        };
        cases.retain(has_evidence);
        let most = (SCORES / rows.len().max(1)).clamp(FEWEST_OF_MANY, MOST_PEOPLE);
        cases.shuffle(&mut ChaCha8Rng::seed_from_u64(grounds.seed));
        cases.truncate(most);
        Self { grounds, rows, cases }
    }

    /// Who chooses and who judges: they are in random order.
    fn cut(&self) -> (Vec<&RankingCase>, Vec<&RankingCase>) {
        let choosing = (self.cases.len() as f64 * CHOOSING).round() as usize;
        let (choosing, judging) = self.cases.split_at(choosing.min(self.cases.len()));
        (choosing.iter().collect(), judging.iter().collect())
    }

    /// The rankers that may have a share: the factors, popularity of late and just now, of each
    /// kind of weights between items the one that ranks best alone, and a sequence model.
    fn rankers(
        &self,
        choosing: &[&RankingCase],
        tried: &mut Vec<RankerFigures>,
        room: &mut Room,
    ) -> Rankers {
        let Popularity { shares, recent, .. } = &self.grounds.choosing.popularity;
        let of_domain = |all: &[f32]| all.get(self.rows.range.clone()).map(<[f32]>::to_vec);
        let (popularity, recent) = (of_domain(shares).unwrap_or_default(), of_domain(recent));
        // Where nobody took anything just now, or all that was taken was, it says nothing more.
        let recent = recent.filter(|recent| *recent != popularity && spread(recent) > 0.0);
        let mut rankers = vec![
            (RankerChoice::Factors, Ranker::Factors),
            (RankerChoice::Popularity, Ranker::Popularity(popularity)),
        ];
        let just_now = |recent| (RankerChoice::RecentPopularity, Ranker::RecentPopularity(recent));
        rankers.extend(recent.map(just_now));
        for (choice, ranker) in &rankers {
            let choosing = self.alone(choosing, ranker);
            tried.push(RankerFigures { ranker: *choice, choosing });
        }
        let grounds = ItemItemGrounds::of(self.grounds.matrix, self.rows);
        let is_ordered = grounds.may_go_by_order(self.grounds.choosing.is_newest);
        for family in grounds.families(room, is_ordered) {
            let mut best: Option<(f64, (RankerChoice, Ranker))> = None;
            for method in family {
                let Some(weights) = grounds.fit(method) else { continue };
                let ranker = Ranker::ItemItem(ItemItem::new(method, weights));
                let (choice, value) =
                    (RankerChoice::ItemItem(method), self.alone(choosing, &ranker));
                tried.push(RankerFigures { ranker: choice, choosing: value });
                if best.as_ref().is_none_or(|(other, _)| value > *other) {
                    best = Some((value, (choice, ranker)));
                }
            }
            rankers.extend(best.map(|(_, best)| best));
        }
        let sequence = if is_ordered { self.sequence(room) } else { None };
        if let Some(sequence) = sequence {
            let (choice, ranker) =
                (RankerChoice::Sequence(sequence.method()), Ranker::Sequence(sequence));
            let choosing = self.alone(choosing, &ranker);
            tried.push(RankerFigures { ranker: choice, choosing });
            rankers.push((choice, ranker));
        }
        rankers
    }

    /// A sequence model of the domain, where there is room for one and enough to learn from.
    fn sequence(&self, room: &mut Room) -> Option<Sequence> {
        let Grounds { matrix, seed, .. } = self.grounds;
        let sought = Sought::of(matrix, self.rows, seed)?;
        room.take_operations(sought.operations)
            .then(|| fit_until_best(matrix, self.rows, sought.method))?
    }

    /// Mean NDCG@20 when one ranker ranks alone.
    fn alone(&self, cases: &[&RankingCase], ranker: &Ranker) -> f64 {
        let value = |case: &&RankingCase| {
            let [scores] = self.scores(case, [ranker]);
            let list = rank_unseen(&scores, &case.seen, LIST_LENGTH);
            let mut measured = Measurements::default();
            measured.add(&list, &case.relevant);
            measured.of(METRIC).first().copied().unwrap_or(0.0)
        };
        let values: Vec<f64> = cases.par_iter().map(value).collect();
        values.iter().sum::<f64>() / values.len().max(1) as f64
    }

    /// What rankers say of a person, each in units of its spread; nothing of a ranker
    /// that has nothing to say.
    fn scores<const N: usize>(&self, case: &RankingCase, rankers: [&Ranker; N]) -> [Vec<f32>; N] {
        let evidence = Weighted::of_person(self.grounds.matrix, case.person);
        let tables = self.grounds.tables;
        rankers.map(|ranker| {
            let scores = tables.rank_by(ranker, self.rows, &evidence);
            let mut scores = scores.unwrap_or_else(|| vec![0.0; self.rows.len()]);
            let spread = spread(&scores);
            // What does not spread tells nothing apart, and what is no number is not served.
            match spread > 0.0 && spread.is_finite() {
                true => scores.iter_mut().for_each(|score| *score /= spread),
                false => scores.fill(0.0),
            }
            scores
        })
    }

    /// The shares that rank best for those who choose, by amount of evidence.
    ///
    /// Where times do not tell what came last, any items are held out, and those that are
    /// taken in bundles are easy to find by what remembers bundles, which says less of what
    /// somebody will take next: the factors then keep three quarters of every score.
    fn mix(&self, choosing: &[&RankingCase], rankers: Rankers) -> (MixtureChoice, Mixture) {
        let pools: Vec<(Option<EvidenceAmount>, Pool)> = choosing
            .par_iter()
            .map(|case| (self.amount(case), self.pool(case, &rankers)))
            .collect();
        let all: Vec<&Pool> = pools.iter().map(|(_, pool)| pool).collect();
        let begins_with = if self.grounds.choosing.is_newest { 0 } else { 3 * TAKEN };
        let drawn = (begins_with, self.grounds.seed);
        let of_all = ensemble::shares(&all, rankers.len(), drawn);
        let shares = EvidenceAmount::ALL.map(|amount| {
            let with_amount = pools.iter().filter(|(known, _)| *known == Some(amount));
            let own: Vec<&Pool> = with_amount.map(|(_, pool)| pool).collect();
            if own.len() < FEWEST_OF_AMOUNT {
                return of_all.clone();
            }
            ensemble::shares(&own, rankers.len(), drawn)
        });
        let unit = self.unit(choosing);
        let has_share = |at: &usize| shares.iter().any(|shares| shares[*at] > 0.0);
        let kept: Vec<usize> = (0..rankers.len()).filter(has_share).collect();
        let shares = shares.map(|shares| kept.iter().map(|&at| shares[at]).collect());
        let (choices, kept): (Vec<RankerChoice>, Vec<Ranker>) = rankers
            .into_iter()
            .enumerate()
            .filter(|(at, _)| kept.contains(at))
            .map(|(_, ranker)| ranker)
            .unzip();
        let choice = MixtureChoice { rankers: choices, shares: shares.clone(), unit };
        (choice, Mixture { rankers: kept, shares, unit })
    }

    fn amount(&self, case: &RankingCase) -> Option<EvidenceAmount> {
        let known = Weighted::of_person(self.grounds.matrix, case.person);
        EvidenceAmount::of(self.rows.liked(&known).len())
    }

    fn pool(&self, case: &RankingCase, rankers: &Rankers) -> Pool {
        let of_each: Vec<Vec<f32>> = rankers
            .iter()
            .map(|(_, ranker)| {
                let [scores] = self.scores(case, [ranker]);
                scores
            })
            .collect();
        let firsts = of_each.iter().flat_map(|scores| rank_unseen(scores, &case.seen, POOLED));
        let mut items: Vec<u32> = firsts.chain(case.relevant.iter().copied()).collect();
        items.sort_unstable();
        items.dedup();
        let of_pool = |scores: &Vec<f32>| -> Vec<f32> {
            items.iter().map(|item| scores[*item as usize]).collect()
        };
        let scores = of_each.iter().flat_map(of_pool).collect();
        let place = |item: &u32| items.binary_search(item).ok().map(|at| at as u32);
        let relevant = case.relevant.iter().filter_map(place).collect();
        Pool { scores, items: items.len(), relevant }
    }

    /// How far the scores of a fold-in spread, in the middle of those who choose.
    fn unit(&self, choosing: &[&RankingCase]) -> f32 {
        let of_person = |case: &&RankingCase| {
            let evidence = Weighted::of_person(self.grounds.matrix, case.person);
            let scores = self.grounds.tables.rank_by(&Ranker::Factors, self.rows, &evidence)?;
            Some(spread(&scores)).filter(|spread| *spread > 0.0)
        };
        let mut spreads: Vec<f32> = choosing.par_iter().filter_map(of_person).collect();
        spreads.sort_unstable_by(f32::total_cmp);
        spreads.get(spreads.len() / 2).copied().unwrap_or(1.0)
    }

    /// What these people are served by tables.
    fn served(&self, cases: &[&RankingCase], tables: &ScoringTables) -> Measurements {
        let popularity = &self.grounds.choosing.popularity.shares[self.rows.range.clone()];
        let cases: Vec<RankingCase> = cases.iter().map(|case| (*case).clone()).collect();
        let of_target = (&self.rows.domain, popularity);
        measure(&rank_served(tables, self.grounds.matrix, of_target, &cases), &cases)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use rand::RngExt;

    use super::*;
    use crate::evidence::items::DomainRanges;
    use crate::maths::als::AlsOptions;
    use crate::maths::fold_in::UnobservedItems;
    use crate::model::bridges::Bridges;
    use crate::model::mixtures::Mixtures;
    use crate::model::scoring::TableParts;
    use crate::training::bridging::domain_fits::DomainFits;
    use crate::training::bridging::trial::tests::{domain, ranges};

    /// Twenty items of `a` that are taken in pairs, and nothing in `b`; or any items.
    fn world(people: usize, is_paired: bool) -> (SparseRows, ChoosingItems) {
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        let (mut rows, mut held_out) = (Vec::new(), Vec::new());
        let mut sums = [0.0f32; 40];
        for _ in 0..people {
            let first = rng.random_range(0..10u32) * 2;
            let other = (first + 1 + rng.random_range(1..19u32)) % 20;
            let wanted = if is_paired { first + 1 } else { (first + 7) % 20 };
            let wanted = if is_paired { wanted } else { rng.random_range(0..20u32).max(wanted) };
            let mut row: Vec<u32> = vec![first, other];
            row.retain(|item| *item != wanted);
            row.dedup();
            row.iter().for_each(|item| sums[*item as usize] += 1.0 / people as f32);
            rows.push(row.into_iter().map(|item| (item, 1.0)).collect::<Vec<_>>());
            held_out.push(vec![wanted]);
        }
        // Of everybody the pair is known but of those who are held out: as many again.
        let known: Vec<Vec<(u32, f32)>> = (0..people as u32)
            .map(|person| {
                let first = person % 10 * 2;
                if is_paired { vec![(first, 1.0), (first + 1, 1.0)] } else { vec![(first, 1.0)] }
            })
            .collect();
        held_out.extend(known.iter().map(|_| Vec::new()));
        rows.extend(known);
        let shares = sums.iter().map(|sum| sum.min(1.0)).collect();
        let popularity = Popularity { shares, ..Popularity::default() };
        let choosing = ChoosingItems { held_out, popularity, is_newest: true };
        (SparseRows::from_rows(40, rows), choosing)
    }

    /// Twenty items of `a` in a ring: who took one takes the next, whatever came before.
    fn ring(people: usize) -> (SparseRows, ChoosingItems) {
        let mut rng = ChaCha8Rng::seed_from_u64(9);
        let (mut rows, mut places, mut held_out) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..people {
            let mut taken: Vec<u32> = vec![rng.random_range(0..20)];
            while taken.len() < 5 {
                let next = if taken.len() % 2 == 1 {
                    (taken[taken.len() - 1] + 1) % 20
                } else {
                    rng.random_range(0..20)
                };
                if !taken.contains(&next) {
                    taken.push(next);
                } else if taken.len() % 2 == 1 {
                    taken.pop();
                }
            }
            // The second of the last pair is to be found.
            let wanted = (taken[4] + 1) % 20;
            held_out.push(if taken.contains(&wanted) { Vec::new() } else { vec![wanted] });
            let mut row: Vec<(u32, u16)> = taken.into_iter().zip((0..5).rev()).collect();
            row.sort_unstable();
            places.extend(row.iter().map(|(_, place)| *place));
            rows.push(row.into_iter().map(|(item, _)| (item, 1.0)).collect::<Vec<_>>());
        }
        let popularity = Popularity { shares: vec![0.25; 40], ..Popularity::default() };
        let choosing = ChoosingItems { held_out, popularity, is_newest: true };
        (SparseRows::from_rows(40, rows).with_places(places), choosing)
    }

    fn chosen(people: usize, is_paired: bool) -> MixtureReport {
        let (matrix, choosing) = world(people, is_paired);
        chosen_on(&matrix, &choosing)
    }

    fn chosen_on(matrix: &SparseRows, choosing: &ChoosingItems) -> MixtureReport {
        chosen_in(&ranges(), matrix, choosing)
    }

    fn chosen_in(
        ranges: &DomainRanges,
        matrix: &SparseRows,
        choosing: &ChoosingItems,
    ) -> MixtureReport {
        // Two factors cannot tell ten pairs apart.
        let options = AlsOptions { factors: 2, iterations: 5, ..AlsOptions::default() };
        let params = options.check().unwrap();
        let fits = DomainFits::fit(matrix, ranges, &params, &|| ()).unwrap();
        let tables = ScoringTables::new(TableParts {
            ranges: ranges.clone(),
            params,
            unobserved: UnobservedItems::default(),
            item_factors: fits.items,
            domain_factors: None,
            bridges: Bridges::none(),
            mixtures: Mixtures::none(),
            look_alikes: Default::default(),
            by_popularity: Default::default(),
            young_items: Default::default(),
        })
        .unwrap();
        let grounds = Grounds { matrix, choosing, tables: &tables, seed: 3 };
        choose(grounds, &ranges[&domain("a")], &mut Room::default()).unwrap()
    }

    #[test]
    fn what_ranks_better_than_the_factors_beyond_doubt_is_served() {
        let report = chosen(200, true);
        assert_eq!(report.verdict, MixtureVerdict::Served, "{report:?}");
        assert!(report.mixed > report.factors + 0.2, "{report:?}");
        assert_eq!((report.choosing_people, report.judging_people), (120, 80));
        let choice = report.served().unwrap();
        let weighs = |ranker: &RankerChoice| matches!(ranker, RankerChoice::ItemItem(_));
        assert!(choice.rankers.iter().any(weighs), "{choice:?}");
        for shares in &choice.shares {
            assert!((shares.iter().sum::<f32>() - 1.0).abs() < 1e-5);
        }
        assert_eq!(report, chosen(200, true), "the same again");
    }

    /// Whether anything that goes by the order is among what was tried, and what is served.
    fn goes_by_order(report: &MixtureReport) -> (bool, bool) {
        let served = report.served();
        (
            report.tried.iter().any(|tried| tried.ranker.goes_by_order()),
            served.is_some_and(|served| served.rankers.iter().any(RankerChoice::goes_by_order)),
        )
    }

    #[test]
    fn where_the_order_tells_what_comes_next_what_goes_by_it_is_served() {
        let (matrix, choosing) = ring(400);
        let report = chosen_on(&matrix, &choosing);
        assert_eq!(goes_by_order(&report), (true, true), "{report:?}");
    }

    /// A hundred items of ten kinds: after one of a kind mostly comes any of the kind that
    /// follows it, so that few people take any two items one after the other.
    fn kinds(people: usize) -> (SparseRows, ChoosingItems) {
        let mut rng = ChaCha8Rng::seed_from_u64(11);
        let (mut rows, mut places, mut held_out) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..people {
            let mut kind = rng.random_range(0..10);
            let mut taken: Vec<u32> = Vec::new();
            for _ in 0..rng.random_range(5..10) {
                taken.push(kind * 10 + rng.random_range(0..10));
                let follows = rng.random_bool(0.8);
                kind = if follows { (kind * 3 + 1) % 10 } else { rng.random_range(0..10) };
            }
            let last = taken.pop();
            held_out.push(last.into_iter().filter(|last| !taken.contains(last)).collect());
            let back = (0..taken.len() as u16).rev();
            let row: BTreeMap<u32, u16> = taken.into_iter().zip(back).collect();
            places.extend(row.values().copied());
            rows.push(row.into_keys().map(|item| (item, 1.0)).collect::<Vec<_>>());
        }
        let popularity = Popularity { shares: vec![0.1; 100], ..Popularity::default() };
        let choosing = ChoosingItems { held_out, popularity, is_newest: true };
        (SparseRows::from_rows(100, rows).with_places(places), choosing)
    }

    #[test]
    fn a_sequence_model_is_served_where_kinds_follow_kinds_and_hardly_any_item_another() {
        let (matrix, choosing) = kinds(600);
        let ranges = DomainRanges::from([(domain("a"), 0..100)]);
        let report = chosen_in(&ranges, &matrix, &choosing);
        let is_sequence = |ranker: &RankerChoice| matches!(ranker, RankerChoice::Sequence(_));
        let alone = |is: bool| {
            let of_kind = report.tried.iter().filter(|tried| is_sequence(&tried.ranker) == is);
            of_kind.map(|tried| tried.choosing).fold(0.0, f64::max)
        };
        assert!(alone(true) > alone(false) + 0.05, "{report:?}");
        let served = report.served().unwrap();
        let at = served.rankers.iter().position(is_sequence).unwrap();
        assert!(served.shares[1][at] > 0.5, "{served:?}");
        // It is made anew from all that is there, for as long as was best.
        let RankerChoice::Sequence(method) = served.rankers[at] else { unreachable!() };
        assert!((1..=60).contains(&method.epochs));
        let made = super::super::ranker_tables(&matrix, &ranges, std::slice::from_ref(&report));
        let popularity = &choosing.popularity.shares[..];
        let of_items = super::super::PopularItems { ranges: &ranges, popularity, recent: &[] };
        let mixtures = super::super::mixtures(made, &[report], of_items);
        let rankers = &mixtures.get(&domain("a")).unwrap().rankers;
        let Ranker::Sequence(sequence) = &rankers[at] else { panic!("{rankers:?}") };
        assert_eq!(sequence.method(), method);
    }

    #[test]
    fn nothing_goes_by_an_order_that_is_not_known_or_not_judged_by_what_came_last() {
        let (matrix, choosing) = ring(400);
        let places = vec![3; matrix.entries()];
        let of_one_instant = matrix.clone().with_places(places);
        assert_eq!(goes_by_order(&chosen_on(&of_one_instant, &choosing)), (false, false));
        let any = ChoosingItems { is_newest: false, ..choosing };
        assert_eq!(goes_by_order(&chosen_on(&matrix, &any)), (false, false));
    }

    #[test]
    fn what_is_popular_just_now_is_served_where_it_tells_what_comes_next() {
        let mut rng = ChaCha8Rng::seed_from_u64(4);
        let mut row = || {
            let first = rng.random_range(0..20u32);
            [first, (first + 1 + rng.random_range(0..18u32)) % 20].map(|item| (item, 1.0)).into()
        };
        let mut rows: Vec<Vec<(u32, f32)>> = (0..300).map(|_| row()).collect();
        rows.iter_mut().for_each(|row| row.retain(|(item, _)| *item != 7));
        let held_out = rows.iter().map(|_| vec![7]).collect();
        let mut recent = vec![0.0; 40];
        (recent[7], recent[3]) = (0.9, 0.1);
        let popularity = Popularity { shares: vec![0.1; 40], recent, ..Popularity::default() };
        let choosing = ChoosingItems { held_out, popularity, is_newest: true };
        let report = chosen_on(&SparseRows::from_rows(40, rows), &choosing);
        let served = report.served().map(|served| &served.rankers[..]).unwrap_or_default();
        assert!(served.contains(&RankerChoice::RecentPopularity), "{report:?}");
    }

    #[test]
    fn with_too_few_people_to_judge_by_the_factors_serve() {
        let report = chosen(40, true);
        assert_eq!(report.verdict, MixtureVerdict::TooFewPeople);
        assert_eq!(report.served(), None);
    }

    #[test]
    fn the_figures_are_those_of_the_tables_with_what_was_chosen() {
        let (matrix, choosing) = world(200, true);
        let report = chosen(200, true);
        let ranges = ranges();
        let reports = [report];
        let weights = super::super::ranker_tables(&matrix, &ranges, &reports);
        let popularity = &choosing.popularity.shares[..];
        let of_items = super::super::PopularItems { ranges: &ranges, popularity, recent: &[] };
        let mixtures = super::super::mixtures(weights, &reports, of_items);
        let mixture = mixtures.get(&domain("a")).unwrap();
        assert_eq!(mixture.rankers.len(), reports[0].served().unwrap().rankers.len());
        assert!(mixtures.get(&domain("b")).is_none());
    }
}
