//! Measuring what would be served on what was held out from it.

use std::collections::BTreeMap;

use ndarray::s;
use rayon::prelude::*;

use super::recipe::Trained;
use crate::entities::ids::DomainId;
use crate::evidence::items::{DomainRows, ItemIndex, Weighted};
use crate::evidence::rows::popularity;
use crate::maths::measure::{
    Catalogue, DomainEvaluation, LIST_LENGTH, RankingCase, cases_of, measure,
    rank_by_common_scores, summarise,
};
use crate::maths::rank::rank_unseen;
use crate::maths::sparse::SparseRows;
use crate::model::Model;
use crate::model::scoring::{Estimate, ScoringTables};
use crate::training::shadow::{HeldOut, ShadowCases, ShadowComparison};

/// Most people who are ranked for: enough to tell means apart to a thousandth,
/// and few enough for one machine to rank a million items for each.
const MOST_EVALUATED: usize = 200_000;

/// People with something held out, and what was known of them without it.
#[derive(Debug, Clone, PartialEq)]
pub struct EvaluationSet {
    /// What is known of them, one row for each, in the order of the joint matrix.
    pub known: SparseRows,
    /// What is held out, for each of them.
    pub held_out: Vec<Vec<u32>>,
    /// The part of it that the champion was trained on; empty without one that was.
    pub seen: Vec<Vec<u32>>,
    /// Share of each domain's people who interacted with each item, without what is held out.
    pub popularity: Vec<f32>,
    /// People with an interaction that is not held out, by domain.
    pub active: BTreeMap<DomainId, u64>,
}

/// What was measured on held-out people, by domain.
type Evaluated = (BTreeMap<DomainId, DomainEvaluation>, BTreeMap<DomainId, ShadowComparison>);

impl EvaluationSet {
    /// Everyone with something known and something held out, or an even choice
    /// of [`MOST_EVALUATED`] of them.
    pub(super) fn choose(
        matrix: &SparseRows,
        held_out: &[Vec<u32>],
        seen: &[Vec<u32>],
        index: &ItemIndex,
    ) -> Self {
        let has_both = |row: &usize| !matrix.row(*row).0.is_empty() && !held_out[*row].is_empty();
        let candidates: Vec<usize> = (0..matrix.rows()).filter(has_both).collect();
        let stride = candidates.len().div_ceil(MOST_EVALUATED).max(1);
        let chosen: Vec<usize> = candidates.into_iter().step_by(stride).collect();
        let known = chosen.iter().map(|&row| {
            let (items, confidences) = matrix.row(row);
            items.iter().copied().zip(confidences.iter().copied()).collect()
        });
        let (popularity, active) = popularity(matrix, index);
        Self {
            known: SparseRows::from_rows(index.len(), known),
            held_out: chosen.iter().map(|&row| held_out[row].clone()).collect(),
            seen: chosen.iter().filter_map(|&row| seen.get(row).cloned()).collect(),
            popularity,
            active,
        }
    }

    /// Ranks each domain's items for those from whom some were held out.
    pub(super) fn measure(
        &self,
        tables: &ScoringTables,
        index: &ItemIndex,
        seed: u64,
        older_champion: Option<&Model>,
    ) -> Evaluated {
        let (mut evaluations, mut comparisons) = Evaluated::default();
        for (domain, rows) in index.ranges() {
            let cases = cases_of(&self.known, &self.held_out, &rows.range);
            let items = tables.item_factors();
            let items = items.slice(s![rows.range.clone(), ..]);
            let popularity = &self.popularity[rows.range.clone()];
            let model = rank_served(tables, &self.known, (domain, popularity), &cases);
            let popular = rank_by_common_scores(popularity, &cases);
            let shadow = self.shadow(&cases, index, rows, seed);
            let measured = measure(&model, &cases);
            let against_popularity =
                shadow.against_popularity(&measured, &measure(&popular, &cases));
            if let Some(mut comparison) = against_popularity {
                comparison.champion = older_champion
                    .and_then(|champion| shadow.against_older(&measured, champion.sections()));
                comparisons.insert(domain.clone(), comparison);
            }
            let people = self.active.get(domain).copied().unwrap_or(0);
            let catalogue = Catalogue { factors: items, popularity, people };
            evaluations.insert(domain.clone(), summarise(&model, &popular, &cases, catalogue));
        }
        (evaluations, comparisons)
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

/// Ranks a domain's items for each case as a slate would: by what may be used of
/// the person's evidence, else by popularity.
fn rank_served(
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
