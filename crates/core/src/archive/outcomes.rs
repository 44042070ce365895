//! Archived outcomes: what people did with what they were shown.

use bytes::Bytes;
use jiff::Timestamp;

use crate::archive::columns::ColumnsError;
use crate::archive::table::{columns, decode, encode, one_row_each};
use crate::entities::decision::{Outcome, OutcomeKind};
use crate::entities::ids::{DomainId, EventId, ItemId, Pseudonym, RecommendationId};

columns! { Outcome {
    "recommendation_id" recommendation_id: RecommendationId
        => "The slate it belongs to: a decision's recommendation_id.";
    "feedback_id" feedback_id: EventId
        => "The caller's id of the outcome. With recommendation_id it is the outcome's identity.";
    "user" user: Pseudonym => "The pseudonym of the user who was served.";
    "kind" kind: OutcomeKind => "impression, click, accept, convert or dismiss.";
    "item_domain" domain: DomainId => "The item's platform.";
    "item_id" item_id: ItemId => "The item of the slate that it is about.";
    "occurred_at" occurred_at: Timestamp => "When it happened, by the caller's clock.";
    "received_at" received_at: Option<Timestamp>, since 2 or None
        => "When it was accepted, by the service's clock; empty for one accepted before revision 2.";
} }

one_row_each! { Outcome }

/// Encodes outcomes.
///
/// # Errors
/// [`ColumnsError`] when the Parquet library refuses.
pub fn encode_outcomes(outcomes: &[Outcome]) -> Result<Bytes, ColumnsError> {
    encode(outcomes)
}

/// Decodes outcomes.
///
/// # Errors
/// [`ColumnsError`] when the file is torn or a cell breaks its rule.
pub fn decode_outcomes(bytes: Bytes) -> Result<Vec<Outcome>, ColumnsError> {
    decode(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::archive::table::tests::encode_first_revision;

    fn outcome() -> impl Strategy<Value = Outcome> {
        let kind = proptest::sample::select(OutcomeKind::ALL.to_vec());
        let received = proptest::option::of(0i64..2_000_000_000_000);
        ("[a-z0-9]{1,9}", kind, 0i64..2_000_000_000_000, received).prop_map(
            |(id, kind, occurred, received)| Outcome {
                feedback_id: EventId::parse(&id).unwrap(),
                recommendation_id: RecommendationId::parse("r1").unwrap(),
                user: Pseudonym::parse("v1_u").unwrap(),
                kind,
                domain: DomainId::parse("knowledge").unwrap(),
                item_id: ItemId::parse("课程 1").unwrap(),
                occurred_at: Timestamp::from_millisecond(occurred).unwrap(),
                received_at: received.map(|at| Timestamp::from_millisecond(at).unwrap()),
            },
        )
    }

    proptest! {
        #[test]
        fn outcomes_survive_the_archive(outcomes in proptest::collection::vec(outcome(), 0..40)) {
            let bytes = encode_outcomes(&outcomes).unwrap();
            prop_assert_eq!(decode_outcomes(bytes).unwrap(), outcomes);
        }

        #[test]
        fn outcomes_of_the_first_revision_have_no_time_of_arrival(
            outcomes in proptest::collection::vec(outcome(), 1..10),
        ) {
            let old = decode_outcomes(encode_first_revision(&outcomes)).unwrap();
            let without = outcomes.into_iter().map(|o| Outcome { received_at: None, ..o });
            prop_assert_eq!(old, without.collect::<Vec<_>>());
        }
    }
}
