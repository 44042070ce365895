//! What a person's own evidence makes of a target's items: by one ranker, or by several
//! that are mixed. See [`crate::model::mixtures`].

use crate::evidence::items::{DomainRows, Liked, Row};
use crate::maths::fold_in::FoldedPerson;
use crate::model::factor_table::{FactorTable, by_row};
use crate::model::item_scores::BoundedScores;
use crate::model::mixtures::item_item::ItemItem;
use crate::model::mixtures::sequence::ReadHistory;

/// What one ranker makes of a person.
pub(crate) struct Ranked<'a> {
    pub(crate) target: &'a DomainRows,
    pub(crate) by: RankedBy<'a>,
}

/// By what it ranks.
pub(crate) enum RankedBy<'a> {
    /// The person folded in, and the factors that the target's items are scored by.
    Factors { factors: &'a FactorTable, person: FoldedPerson },
    /// The items of the target that the person likes.
    ItemItem { table: &'a ItemItem, liked: Vec<Liked> },
    /// The items of the target that the person likes, as a sequence.
    Sequence(ReadHistory<'a>),
    /// The same for everyone.
    Popularity(&'a [f32]),
}

impl Ranked<'_> {
    /// The scores of the target's items, in order of rows.
    pub(crate) fn scores(&self) -> Vec<f32> {
        match &self.by {
            RankedBy::Factors { factors, person } => {
                let mut scores = vec![0.0; self.target.len()];
                factors.add_products(self.target, 1.0, person.vector(), &mut scores);
                scores
            }
            RankedBy::ItemItem { table, liked } => table.scores(liked),
            RankedBy::Sequence(read) => read.scores(),
            RankedBy::Popularity(shares) => shares.to_vec(),
        }
    }

    fn is_personal(&self) -> bool {
        match &self.by {
            RankedBy::Factors { .. } | RankedBy::ItemItem { .. } | RankedBy::Sequence(_) => true,
            RankedBy::Popularity(_) => false,
        }
    }

    /// What each past item adds to the score of one; nothing where none has a part of its own.
    fn contributions(&self, row: Row) -> Vec<(Row, f32)> {
        match &self.by {
            RankedBy::Factors { factors, person } => {
                by_row(person.contributions(factors.items(), row.0))
            }
            RankedBy::ItemItem { table, liked } => {
                let Some(item) = self.target.local(row) else { return Vec::new() };
                let added = table.contributions(liked, item).into_iter();
                added.map(|(past, amount)| (self.target.row(past), amount)).collect()
            }
            RankedBy::Popularity(_) | RankedBy::Sequence(_) => Vec::new(),
        }
    }

    /// What tells which past items the score of one goes back to: what each adds or, where
    /// none has a part of its own, what would be lost without it.
    fn evidence(&self, row: Row) -> Vec<(Row, f32)> {
        let RankedBy::Sequence(read) = &self.by else { return self.contributions(row) };
        let Some(item) = self.target.local(row) else { return Vec::new() };
        let changes = read.changes(item).into_iter();
        changes.map(|(past, change)| (self.target.row(past), change)).collect()
    }

    /// What is added to an item's score whatever the person did.
    fn base(&self, row: Row) -> f32 {
        let local = self.target.local(row);
        match (&self.by, local) {
            (RankedBy::Popularity(shares), Some(local)) => {
                shares.get(local.index()).copied().unwrap_or(0.0)
            }
            _ => 0.0,
        }
    }
}

/// How far scores spread: their standard deviation. 0 for none, and for scores that are
/// not numbers, which rank nothing.
pub(crate) fn spread(scores: &[f32]) -> f32 {
    let count = scores.len().max(1) as f64;
    let mean = scores.iter().map(|score| f64::from(*score)).sum::<f64>() / count;
    let squares: f64 = scores.iter().map(|score| (f64::from(*score) - mean).powi(2)).sum();
    let spread = (squares / count).sqrt() as f32;
    if spread.is_finite() { spread } else { 0.0 }
}

/// One ranker's part in a score.
pub(crate) struct OwnPart<'a> {
    weight: f32,
    ranked: Ranked<'a>,
    /// The ranker's scores, where they were needed before.
    scores: Option<Vec<f32>>,
}

/// Everything that the person's own evidence adds to scores.
pub(crate) struct OwnEvidence<'a> {
    parts: Vec<OwnPart<'a>>,
}

impl<'a> OwnEvidence<'a> {
    /// Nothing.
    pub(crate) fn none() -> Self {
        Self { parts: Vec::new() }
    }

    /// What one ranker says, as it says it.
    pub(crate) fn alone(ranked: Option<Ranked<'a>>) -> Self {
        let part = |ranked| OwnPart { weight: 1.0, ranked, scores: None };
        Self { parts: ranked.map(part).into_iter().collect() }
    }

    /// What several say together: each by its share of a score that spreads as `unit`
    /// says. Where no ranker that goes by the person tells any two items apart there is
    /// nothing personal to say, and nothing is said.
    pub(crate) fn mixed(ranked: impl Iterator<Item = (Ranked<'a>, f32)>, unit: f32) -> Self {
        let part = |(ranked, share): (Ranked<'a>, f32)| {
            let scores = ranked.scores();
            let spread = spread(&scores);
            let weight = unit * share / spread;
            (spread > 0.0 && weight.is_finite()).then_some(OwnPart {
                weight,
                ranked,
                scores: Some(scores),
            })
        };
        let parts: Vec<OwnPart<'a>> = ranked.filter_map(part).collect();
        if parts.iter().any(|part| part.ranked.is_personal()) {
            Self { parts }
        } else {
            Self::none()
        }
    }

    /// The same, `weight` times as much of it.
    pub(crate) fn weighed(mut self, weight: f32) -> Self {
        self.parts.iter_mut().for_each(|part| part.weight *= weight);
        self
    }

    pub(crate) fn is_none(&self) -> bool {
        self.parts.is_empty()
    }

    /// What the target's items score at least and at most, where one ranker alone scores them and
    /// goes by factors.
    pub(crate) fn bounded(&self) -> Option<BoundedScores<'a>> {
        let [OwnPart { weight, ranked: Ranked { target, by }, .. }] = &self.parts[..] else {
            return None;
        };
        let RankedBy::Factors { factors, person } = by else { return None };
        let is_scored = *weight > 0.0;
        is_scored.then(|| BoundedScores::new((factors, target), (person.vector(), *weight)))?
    }

    /// Adds what it makes of the target's items to their scores, in order of rows.
    pub(crate) fn add_scores(&self, scores: &mut [f32]) {
        for OwnPart { weight, ranked, scores: known } in &self.parts {
            let computed;
            let of_part = match known {
                Some(known) => known,
                None => {
                    computed = ranked.scores();
                    &computed
                }
            };
            debug_assert_eq!(of_part.len(), scores.len());
            scores.iter_mut().zip(of_part).for_each(|(score, own)| *score += weight * own);
        }
    }

    /// What each past item adds to an item's score.
    pub(crate) fn contributions(&self, row: Row) -> impl Iterator<Item = (Row, f32)> {
        self.parts.iter().flat_map(move |OwnPart { weight, ranked, .. }| {
            ranked.contributions(row).into_iter().map(move |(past, amount)| (past, weight * amount))
        })
    }

    /// As [`Ranked::evidence`], of all.
    pub(crate) fn evidence(&self, row: Row) -> impl Iterator<Item = (Row, f32)> {
        self.parts.iter().flat_map(move |OwnPart { weight, ranked, .. }| {
            ranked.evidence(row).into_iter().map(move |(past, amount)| (past, weight * amount))
        })
    }

    /// What the order of all that the person took in the target adds to an item's score, of
    /// which no past item has a part of its own; `None` where nothing goes by it.
    pub(crate) fn sequence(&self, row: Row) -> Option<f32> {
        let is_sequence = |part: &&OwnPart<'_>| matches!(part.ranked.by, RankedBy::Sequence(_));
        let of_part = |part: &OwnPart<'_>| {
            let at = part.ranked.target.local(row)?.index();
            let known = part.scores.as_ref().and_then(|scores| scores.get(at).copied());
            Some(part.weight * known.or_else(|| part.ranked.scores().get(at).copied())?)
        };
        self.parts.iter().filter(is_sequence).filter_map(of_part).reduce(|one, other| one + other)
    }

    /// What is added to an item's score whatever the person did.
    pub(crate) fn base(&self, row: Row) -> f32 {
        self.parts.iter().map(|part| part.weight * part.ranked.base(row)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_is_the_standard_deviation_and_none_where_nothing_differs() {
        assert_eq!(spread(&[1.0, 3.0]), 1.0);
        for flat in [&[][..], &[2.0; 5], &[f32::NAN, 1.0], &[f32::MAX, f32::INFINITY]] {
            assert_eq!(spread(flat), 0.0);
        }
    }
}
