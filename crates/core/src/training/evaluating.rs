//! Measuring what would be served on what was held out from it.

use std::collections::{BTreeMap, BTreeSet};

use ndarray::s;
use rayon::prelude::*;

use super::recipe::Trained;
use crate::entities::ids::DomainId;
use crate::evidence::items::{DomainRows, ItemIndex, Weighted};
use crate::evidence::popularity::{PeopleOfDomain, Popularity};
use crate::maths::measure::{
    Catalogue, DomainEvaluation, LIST_LENGTH, RankingCase, cases_of, measure,
    rank_by_common_scores, summarise,
};
use crate::maths::rank::rank_unseen;
use crate::maths::sparse::SparseRows;
use crate::model::Model;
use crate::model::scoring::{Estimate, ScoringTables};
use crate::training::served_by::is_better;
use crate::training::shadow::{HeldOut, ShadowCases, ShadowComparison};

/// Most people who are ranked for: enough to tell means apart to a thousandth,
/// and few enough for one machine to rank a million items for each.
const MOST_EVALUATED: usize = 200_000;

/// People with something held out, and what was known of them without it.
#[derive(Debug, Clone, PartialEq)]
pub struct EvaluationSet {
    /// What is known of them, one row for each, in the order of the joint matrix, with
    /// places where these are known.
    pub known: SparseRows,
    /// What is held out, for each of them.
    pub held_out: Vec<Vec<u32>>,
    /// The part of it that the champion was trained on; empty without one that was.
    pub seen: Vec<Vec<u32>>,
    /// The popularity of each item, without what is held out.
    pub popularity: Vec<f32>,
    /// The same of the last days alone; empty where a run of an earlier version wrote it.
    pub recent: Vec<f32>,
    /// People with an interaction that is not held out, by domain.
    pub people: BTreeMap<DomainId, PeopleOfDomain>,
}

/// What was measured on a domain's held-out people.
pub(super) struct Ranked {
    pub(super) evaluation: DomainEvaluation,
    /// None when nobody was held out.
    pub(super) comparison: Option<ShadowComparison>,
}

/// What was measured on a domain's held-out people, as it may come to be served.
pub(super) struct Measured {
    /// By people's own evidence.
    pub(super) personal: Ranked,
    /// By popularity, but for those who are new to the domain; none where that is out
    /// of the question.
    pub(super) popular: Option<Ranked>,
}

/// What was measured, by domain.
pub(super) type Evaluated = BTreeMap<DomainId, Measured>;

impl EvaluationSet {
    /// Everyone with something known and something held out, or an even choice
    /// of [`MOST_EVALUATED`] of them.
    pub(super) fn choose(
        matrix: &SparseRows,
        held_out: &[Vec<u32>],
        seen: &[Vec<u32>],
        popularity: Popularity,
    ) -> Self {
        let has_both = |row: &usize| !matrix.row(*row).0.is_empty() && !held_out[*row].is_empty();
        let candidates: Vec<usize> = (0..matrix.rows()).filter(has_both).collect();
        let stride = candidates.len().div_ceil(MOST_EVALUATED).max(1);
        let chosen: Vec<usize> = candidates.into_iter().step_by(stride).collect();
        let Popularity { shares: popularity, recent, people } = popularity;
        Self {
            known: matrix.select(&chosen),
            held_out: chosen.iter().map(|&row| held_out[row].clone()).collect(),
            seen: chosen.iter().filter_map(|&row| seen.get(row).cloned()).collect(),
            popularity,
            recent,
            people,
        }
    }

    /// Ranks each domain's items for those from whom some were held out. `personal`
    /// domains are known to be served by people's own evidence.
    pub(super) fn measure(
        &self,
        tables: &ScoringTables,
        index: &ItemIndex,
        (seed, older_champion): (u64, Option<&Model>),
        personal: &BTreeSet<DomainId>,
    ) -> Evaluated {
        let measured = |(domain, rows): (&DomainId, &DomainRows)| {
            let cases = cases_of(&self.known, &self.held_out, &rows.range);
            let popularity = &self.popularity[rows.range.clone()];
            let ranking = ranking_popularity(tables, rows, popularity);
            let served = rank_served(tables, &self.known, (domain, &ranking), &cases);
            let popular = rank_by_common_scores(&ranking, &cases);
            let shadow = self.shadow(&cases, index, rows, seed);
            let by_popularity = measure(&popular, &cases);
            let ranked = |lists: &[Vec<u32>]| {
                let measured = measure(lists, &cases);
                let mut comparison = shadow.against_popularity(&measured, &by_popularity);
                if let Some(comparison) = &mut comparison {
                    comparison.champion = older_champion
                        .and_then(|champion| shadow.against_older(&measured, champion.sections()));
                }
                let items = tables.item_factors();
                let factors = items.slice(s![rows.range.clone(), ..]);
                let people = self.people.get(domain).map_or(0, |people| people.count);
                let catalogue = Catalogue { factors, popularity, people };
                let evaluation = summarise(lists, &popular, &cases, catalogue);
                Ranked { evaluation, comparison }
            };
            let by_evidence = ranked(&served);
            let compared = by_evidence.comparison.as_ref().map(|compared| compared.popularity);
            let is_personal =
                personal.contains(domain) || compared.is_some_and(|rival| is_better(&rival));
            let popular =
                (!is_personal).then(|| {
                    let lists = served.iter().zip(&popular).zip(&cases);
                    let lists = lists.map(|((served, popular), case)| {
                        if case.seen.is_empty() { served.clone() } else { popular.clone() }
                    });
                    ranked(&lists.collect::<Vec<_>>())
                });
            (domain.clone(), Measured { personal: by_evidence, popular })
        };
        index.ranges().iter().map(measured).collect()
    }

    fn shadow<'a>(
        &'a self,
        cases: &'a [RankingCase],
        index: &'a ItemIndex,
        rows: &'a DomainRows,
        seed: u64,
    ) -> ShadowCases<'a> {
        ShadowCases { cases, before: &self.known, index, rows, seed }
    }

    /// Compares the new model with a champion that has seen held-out events as well.
    pub(super) fn compare_with_peer(
        &self,
        held_out: HeldOut,
        trained: &mut Trained,
        champion: &Model,
    ) {
        let Trained { parts, report } = trained;
        let (challenger, seed) = (&parts.sections, parts.provenance.params.options().seed);
        if self.seen.is_empty() {
            return;
        }
        for (domain, rows) in challenger.index.ranges() {
            let Some(comparison) = report.shadow.domains.get_mut(domain) else { continue };
            if comparison.held_out != held_out {
                continue;
            }
            let cases = cases_of(&self.known, &self.seen, &rows.range);
            let shadow = self.shadow(&cases, &challenger.index, rows, seed);
            if let Some(rival) = shadow.against_peer(challenger, champion.sections()) {
                comparison.champion = Some(rival);
            }
        }
    }
}

/// What a domain's items are ranked by for people of whom nothing else is known: see
/// [`crate::model::Sections::ranking_popularity`].
fn ranking_popularity(tables: &ScoringTables, rows: &DomainRows, popularity: &[f32]) -> Vec<f32> {
    let of = |row| rows.local(row).map_or(0.0, |local| popularity[local.index()]);
    rows.rows().map(|row| tables.young_items().popularity(row, of)).collect()
}

/// Ranks a domain's items for each case as a slate would: by what may be used of
/// the person's evidence, else by popularity.
pub(super) fn rank_served(
    tables: &ScoringTables,
    known: &SparseRows,
    (domain, popularity): (&DomainId, &[f32]),
    cases: &[RankingCase],
) -> Vec<Vec<u32>> {
    let rank = |case: &RankingCase| {
        let evidence = Weighted::of_person(known, case.person);
        let estimate = tables.estimate(domain, &evidence);
        let scores = estimate.map_or_else(|| popularity.to_vec(), Estimate::into_scores);
        rank_unseen(&scores, &case.seen, LIST_LENGTH)
    };
    cases.par_iter().map(rank).collect()
}
