//! Archived decisions: one row for each position of a slate, and one for a
//! slate that has none, so that what was asked for and not served is counted too.

use std::collections::BTreeMap;

use bytes::Bytes;
use jiff::Timestamp;

use crate::archive::columns::ColumnsError;
use crate::archive::table::{Archived, columns, decode, encode};
use crate::entities::decision::{Decision, SlateEntry};
use crate::entities::experiment::exposure::Exposure;
use crate::entities::ids::{DomainId, ItemId, ModelId, Placement, Pseudonym, RecommendationId};

/// One position of a decision's slate, or an empty slate.
#[derive(Debug, Clone, PartialEq)]
pub struct DecisionRow {
    recommendation_id: RecommendationId,
    user: Pseudonym,
    domain: DomainId,
    placement: Option<Placement>,
    decided_at: Timestamp,
    model: Option<ModelId>,
    policy: String,
    variant: Option<Exposure>,
    seed: u64,
    personalised: bool,
    degraded: Vec<String>,
    rank: Option<u32>,
    item_domain: Option<DomainId>,
    item_id: Option<ItemId>,
    score: Option<f32>,
    propensity: Option<f64>,
    promoted: bool,
}

columns! { DecisionRow {
    "recommendation_id" recommendation_id: RecommendationId
        => "The decision's id: the same in every row of its slate.";
    "user" user: Pseudonym => "The pseudonym of the user it was for.";
    "domain" domain: DomainId => "The platform that asked and shows the slate.";
    "placement" placement: Option<Placement> => "Where on that platform.";
    "decided_at" decided_at: Timestamp => "When it was made, by the service's clock.";
    "model" model: Option<ModelId> => "The id of the model that ranked; empty when there was none.";
    "policy" policy: String => "The rule that chose the slate, with its version.";
    "variant" variant: Option<Exposure>
        => "The variants of experiments that made it, as experiment:variant with commas between them, or holdout; empty when no experiment had to do with it.";
    "seed" seed: u64 => "The seed of every random choice in it: a whole number of 64 bits, unsigned.";
    "personalised" personalised: bool => "1 when the person's own evidence shaped it, or else 0.";
    "rank" rank: Option<u32>
        => "The position on the slate, from 1; empty in the one row of an empty slate.";
    "item_domain" item_domain: Option<DomainId>
        => "The platform of the item there; empty in the row of an empty slate.";
    "item_id" item_id: Option<ItemId>
        => "The item there; empty in the row of an empty slate.";
    "score" score: Option<f32>
        => "The score it was ranked by, comparable within its domain alone; empty with an empty slate.";
    "propensity" propensity: Option<f64>
        => "The probability with which the policy put it there, above 0 up to 1; empty with an empty slate.";
    "degraded" degraded: Vec<String>, since 2 or Vec::new()
        => "What was missing when it was made: a JSON array of codes, [] when nothing was.";
    "promoted" promoted: bool, since 4 or false
        => "1 when the item has its place because the platform promotes it, or else 0.";
} }

impl DecisionRow {
    /// The row of one position, counted from 0; of an empty slate without one.
    fn new(decision: &Decision, position: Option<(usize, &SlateEntry)>) -> Self {
        let entry = position.map(|(_, entry)| entry);
        Self {
            recommendation_id: decision.recommendation_id.clone(),
            user: decision.user.clone(),
            domain: decision.domain.clone(),
            placement: decision.placement.clone(),
            decided_at: decision.decided_at,
            model: decision.model.clone(),
            policy: decision.policy.clone(),
            variant: decision.variant.clone(),
            seed: decision.seed,
            personalised: decision.personalised,
            degraded: decision.degraded.clone(),
            rank: position.and_then(|(at, _)| u32::try_from(at + 1).ok()),
            item_domain: entry.map(|entry| entry.domain.clone()),
            item_id: entry.map(|entry| entry.item_id.clone()),
            score: entry.map(|entry| entry.score),
            propensity: entry.map(|entry| entry.propensity),
            promoted: entry.is_some_and(|entry| entry.promoted),
        }
    }

    /// The position's entry; `None` for an empty slate.
    fn entry(&self) -> Result<Option<SlateEntry>, ColumnsError> {
        match (&self.item_domain, &self.item_id, self.score, self.propensity) {
            (Some(domain), Some(item_id), Some(score), Some(propensity)) => Ok(Some(SlateEntry {
                domain: domain.clone(),
                item_id: item_id.clone(),
                score,
                propensity,
                promoted: self.promoted,
            })),
            (None, None, None, None) if self.rank.is_none() => Ok(None),
            _ => Err(ColumnsError::bad_cell("rank", "a position that is neither there nor absent")),
        }
    }

    /// The decision with the slate that begins, and perhaps ends, here.
    fn into_decision(self, slate: Vec<SlateEntry>) -> Decision {
        Decision {
            recommendation_id: self.recommendation_id,
            user: self.user,
            domain: self.domain,
            placement: self.placement,
            decided_at: self.decided_at,
            model: self.model,
            policy: self.policy,
            variant: self.variant,
            seed: self.seed,
            personalised: self.personalised,
            degraded: self.degraded,
            slate,
            lives: BTreeMap::new(),
            basis: None,
        }
    }
}

fn rows_of(decision: &Decision) -> Vec<DecisionRow> {
    if decision.slate.is_empty() {
        return vec![DecisionRow::new(decision, None)];
    }
    let positions = decision.slate.iter().enumerate();
    positions.map(|position| DecisionRow::new(decision, Some(position))).collect()
}

/// Encodes decisions, one row for each position of a slate and one for an empty slate.
///
/// # Errors
/// [`ColumnsError`] when the Parquet library refuses.
pub fn encode_decisions(decisions: &[Decision]) -> Result<Bytes, ColumnsError> {
    let rows: Vec<DecisionRow> = decisions.iter().flat_map(rows_of).collect();
    encode(&rows)
}

/// A slate's rows follow one another; where the next rank is not the next position of the
/// same decision, another one begins.
impl Archived for Decision {
    type Row = DecisionRow;

    fn into_rows(self) -> Vec<DecisionRow> {
        rows_of(&self)
    }

    fn take(before: &mut Option<Self>, row: DecisionRow) -> Result<Option<Self>, ColumnsError> {
        let entry = row.entry()?;
        match (row.rank, before.as_mut(), entry) {
            (None | Some(1), _, entry) => {
                Ok(before.replace(row.into_decision(entry.into_iter().collect())))
            }
            (Some(rank), Some(last), Some(entry))
                if last.recommendation_id == row.recommendation_id
                    && last.slate.len() + 1 == rank as usize =>
            {
                last.slate.push(entry);
                Ok(None)
            }
            _ => Err(ColumnsError::bad_cell("rank", "a slate with a gap")),
        }
    }
}

/// Decodes decisions.
///
/// # Errors
/// [`ColumnsError`] when the file is torn, a cell breaks its rule, or a slate
/// does not begin with its first position.
pub fn decode_decisions(bytes: Bytes) -> Result<Vec<Decision>, ColumnsError> {
    decode(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::archive::table::tests::encode_first_revision;

    fn entry() -> impl Strategy<Value = SlateEntry> {
        let numbers = ("[a-z]{1,5}", -10.0f32..10.0, 0.001f64..=1.0, any::<bool>());
        numbers.prop_map(|(item, score, propensity, promoted)| SlateEntry {
            domain: DomainId::parse("travel").unwrap(),
            item_id: ItemId::parse(&item).unwrap(),
            score,
            propensity,
            promoted,
        })
    }

    fn decision() -> impl Strategy<Value = Decision> {
        let made = ("[a-c]", 0i64..2_000_000_000_000, any::<u64>(), any::<bool>());
        let texts = proptest::collection::vec("[a-z_,\" ]{0,9}", 0..3);
        (made, any::<[bool; 3]>(), texts, proptest::collection::vec(entry(), 0..6)).prop_map(
            |((id, at, seed, personalised), [placed, ranked, varied], degraded, slate)| Decision {
                lives: BTreeMap::new(),
                basis: None,
                recommendation_id: RecommendationId::parse(&id).unwrap(),
                user: Pseudonym::parse("v1_u").unwrap(),
                domain: DomainId::parse("knowledge").unwrap(),
                placement: placed.then(|| Placement::parse("checkout").unwrap()),
                decided_at: Timestamp::from_millisecond(at).unwrap(),
                model: ranked.then(|| ModelId::parse(&"a".repeat(64)).unwrap()),
                policy: "ranked/1".into(),
                variant: varied.then(|| "a:b".parse().unwrap()),
                seed,
                personalised,
                degraded,
                slate,
            },
        )
    }

    proptest! {
        /// Also when a decision is there twice, and when its slate is empty.
        #[test]
        fn decisions_survive_the_archive(
            decisions in proptest::collection::vec(decision(), 0..12),
        ) {
            let twice: Vec<Decision> = decisions.iter().flat_map(|d| [d.clone(), d.clone()]).collect();
            let bytes = encode_decisions(&twice).unwrap();
            prop_assert_eq!(decode_decisions(bytes).unwrap(), twice);
        }

        #[test]
        fn decisions_of_the_first_revision_read_as_not_degraded_and_without_promotions(
            decisions in proptest::collection::vec(decision(), 1..6),
        ) {
            let rows: Vec<DecisionRow> = decisions.iter().flat_map(rows_of).collect();
            let old = decode_decisions(encode_first_revision(&rows)).unwrap();
            let entry = |entry: SlateEntry| SlateEntry { promoted: false, ..entry };
            let without = decisions.into_iter().map(|decision| Decision {
                degraded: Vec::new(),
                slate: decision.slate.into_iter().map(entry).collect(),
                ..decision
            });
            prop_assert_eq!(old, without.collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_slate_with_a_gap_is_refused() {
        let mut runner = proptest::test_runner::TestRunner::deterministic();
        let slate = proptest::collection::vec(entry(), 3..4);
        let tree = (decision(), slate).new_tree(&mut runner).unwrap();
        let (decision, slate) = proptest::strategy::ValueTree::current(&tree);
        let rows = rows_of(&Decision { slate, ..decision });
        let file = |rows: &[&DecisionRow]| {
            let rows: Vec<DecisionRow> = rows.iter().map(|row| (*row).clone()).collect();
            encode(&rows).unwrap()
        };
        assert!(decode_decisions(file(&[&rows[0], &rows[1], &rows[2]])).is_ok());
        assert!(decode_decisions(file(&[&rows[0], &rows[2]])).is_err());
        assert!(decode_decisions(file(&[&rows[1]])).is_err());
    }
}
