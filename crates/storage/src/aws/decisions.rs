//! The log of decisions and outcomes on DynamoDB: one partition for each
//! recommendation, which holds the decision and its outcomes.

use std::collections::{BTreeSet, HashMap};
use std::io::{Read, Write};

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use crossfold_core::entities::decision::{Decision, Outcome};
use crossfold_core::entities::ids::{EventId, Pseudonym, RecommendationId};
use crossfold_core::entities::ports::{Appended, DecisionStore, Logged, Page, StoreResult};
use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::batch;
use super::config::Resource;
use super::error::{corrupt, malformed, service_error};
use super::requests;
use crate::retry::Waiting;

const DECISION_KEY: &str = "decision";
const OUTCOME_PREFIX: &str = "outcome#";

/// The attribute of a record that is compressed, as all are that are written.
pub(super) const PACKED: &str = "packed";
/// The attribute of one that is not.
pub(super) const RECORD: &str = "record";
/// Most bytes of a record once it is not compressed any more: one of 400 KB, which is as much as an
/// item holds, has no more.
const MAX_RECORD_BYTES: u64 = 4 * 1024 * 1024;

/// What a record is, and, of those of before they were compressed, what it says.
#[derive(Deserialize)]
struct StoredRecord {
    sk: String,
    /// JSON: a slate is read whole or not at all.
    record: Option<String>,
}

/// A record's JSON, compressed: writes and storage cost by the kilobyte, and most of a decision is the
/// names of its fields.
pub(super) fn packed(json: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
    // Into memory, which never fails.
    let written = encoder.write_all(json).and_then(|()| encoder.finish());
    written.unwrap_or_default()
}

/// The JSON of a record.
pub(super) fn unpacked(packed: &[u8]) -> std::io::Result<String> {
    let mut json = String::new();
    DeflateDecoder::new(packed).take(MAX_RECORD_BYTES).read_to_string(&mut json)?;
    Ok(json)
}

/// A record of the decisions table, or an image of its stream.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum DecisionRecord {
    /// A decision.
    Decision(Box<Decision>),
    /// An outcome of one.
    Outcome(Outcome),
}

impl DecisionRecord {
    /// Reads a record of the decisions table or an image of its stream; `None`
    /// when it is neither a decision nor an outcome.
    ///
    /// # Errors
    /// [`crossfold_core::entities::ports::StoreError::Corrupt`] when it cannot be read.
    pub(super) fn parse(image: impl Into<serde_dynamo::Item>) -> StoreResult<Option<Self>> {
        let image: serde_dynamo::Item = image.into();
        let packed = match image.inner().get(PACKED) {
            Some(serde_dynamo::AttributeValue::B(packed)) => Some(unpacked(packed)),
            _ => None,
        };
        let stored: StoredRecord = serde_dynamo::from_item(image)
            .map_err(|error| corrupt("a decision's record", error))?;
        let json = packed.transpose().map_err(|error| corrupt("a decision's record", error))?;
        let json = json.or(stored.record).unwrap_or_default();
        if stored.sk == DECISION_KEY {
            let decision = serde_json::from_str(&json);
            return decision
                .map(|decision| Some(Self::Decision(Box::new(decision))))
                .map_err(|error| corrupt("a decision", error));
        }
        if stored.sk.starts_with(OUTCOME_PREFIX) {
            let outcome = serde_json::from_str(&json);
            return outcome
                .map(|outcome| Some(Self::Outcome(outcome)))
                .map_err(|error| corrupt("an outcome", error));
        }
        Ok(None)
    }
}

/// [`DecisionStore`] on DynamoDB.
pub(super) struct DynamoDbDecisions {
    pub(super) client: Client,
    pub(super) table: Resource,
    pub(super) retention: SignedDuration,
    pub(super) waiting: Waiting,
}

impl DynamoDbDecisions {
    /// Writes what is not there yet, to be kept from a time on.
    async fn append(
        &self,
        (id, sort_key): (&RecommendationId, String),
        record: &impl Serialize,
        from: Timestamp,
    ) -> StoreResult<Appended> {
        let json = serde_json::to_vec(record).map_err(malformed)?;
        let put = self
            .client
            .put_item()
            .table_name(self.table.name()?)
            .item("pk", AttributeValue::S(id.to_string()))
            .item("sk", AttributeValue::S(sort_key))
            .item(PACKED, AttributeValue::B(Blob::new(packed(&json))))
            .item("ttl", AttributeValue::N(self.expiry(from).to_string()));
        requests::append(put).await
    }

    /// A record of a recommendation, as of now.
    async fn record_of(
        &self,
        id: &RecommendationId,
        sort_key: String,
    ) -> StoreResult<Option<DecisionRecord>> {
        let answer = self
            .client
            .get_item()
            .table_name(self.table.name()?)
            .key("pk", AttributeValue::S(id.to_string()))
            .key("sk", AttributeValue::S(sort_key))
            .consistent_read(true)
            .send()
            .await
            .map_err(service_error)?;
        Ok(answer.item.map(DecisionRecord::parse).transpose()?.flatten())
    }

    /// One page of everything that is logged.
    async fn page(&self, after: Option<String>) -> StoreResult<Page<Logged>> {
        let scan = self
            .client
            .scan()
            .table_name(self.table.name()?)
            .consistent_read(true)
            .set_exclusive_start_key(after.as_deref().map(batch::start_key).transpose()?);
        let page = scan.send().await.map_err(service_error)?;
        let mut entries = Vec::new();
        for item in page.items.unwrap_or_default() {
            entries.extend(logged(item)?);
        }
        let next = page.last_evaluated_key.map(|key| batch::after_key(&key)).transpose()?;
        Ok(Page { entries, next })
    }

    fn expiry(&self, from: Timestamp) -> i64 {
        from.as_second().saturating_add(self.retention.as_secs())
    }
}

#[async_trait]
impl DecisionStore for DynamoDbDecisions {
    /// A decision recorded again changes nothing: what was served stands.
    async fn record(&self, decision: &Decision) -> StoreResult<()> {
        let key = (&decision.recommendation_id, DECISION_KEY.to_owned());
        self.append(key, decision, decision.decided_at).await.map(drop)
    }

    async fn get(&self, id: &RecommendationId) -> StoreResult<Option<Decision>> {
        match self.record_of(id, DECISION_KEY.into()).await? {
            Some(DecisionRecord::Decision(decision)) => Ok(Some(*decision)),
            _ => Ok(None),
        }
    }

    async fn append_outcome(&self, outcome: &Outcome) -> StoreResult<Appended> {
        let key = (&outcome.recommendation_id, format!("{OUTCOME_PREFIX}{}", outcome.feedback_id));
        // Kept from when it came in: when it happened is the caller's word.
        self.append(key, outcome, outcome.arrived_at()).await
    }

    async fn outcomes(&self, id: &RecommendationId) -> StoreResult<Vec<Outcome>> {
        let query = self
            .client
            .query()
            .table_name(self.table.name()?)
            .key_condition_expression("pk = :id AND begins_with(sk, :prefix)")
            .expression_attribute_values(":id", AttributeValue::S(id.to_string()))
            .expression_attribute_values(":prefix", AttributeValue::S(OUTCOME_PREFIX.into()))
            .consistent_read(true);
        let outcomes = requests::all(query).await?.into_iter().map(outcome);
        Ok(outcomes.collect::<StoreResult<Vec<_>>>()?.into_iter().flatten().collect())
    }

    async fn outcome(
        &self,
        id: &RecommendationId,
        feedback: &EventId,
    ) -> StoreResult<Option<Outcome>> {
        match self.record_of(id, format!("{OUTCOME_PREFIX}{feedback}")).await? {
            Some(DecisionRecord::Outcome(outcome)) => Ok(Some(outcome)),
            _ => Ok(None),
        }
    }

    async fn logged_of(
        &self,
        users: &BTreeSet<Pseudonym>,
        after: Option<String>,
    ) -> StoreResult<Page<Logged>> {
        let mut page = self.page(after).await?;
        page.entries.retain(|one| users.contains(&one.user));
        Ok(page)
    }

    async fn logged_users(&self, after: Option<String>) -> StoreResult<Page<Pseudonym>> {
        let page = self.page(after).await?;
        let users: BTreeSet<Pseudonym> = page.entries.into_iter().map(|one| one.user).collect();
        Ok(Page { entries: users.into_iter().collect(), next: page.next })
    }

    async fn delete(&self, logged: &[Logged]) -> StoreResult<()> {
        let key = |one: &Logged| {
            let sk = match &one.feedback {
                None => DECISION_KEY.to_owned(),
                Some(feedback) => format!("{OUTCOME_PREFIX}{feedback}"),
            };
            let pk = AttributeValue::S(one.recommendation.to_string());
            batch::Key::from([("pk".to_owned(), pk), ("sk".to_owned(), AttributeValue::S(sk))])
        };
        let keys = logged.iter().map(key).collect();
        batch::delete(&self.client, &self.waiting, self.table.name()?, keys).await
    }
}

/// What a record is, and whose; `None` when it is neither a decision nor an outcome.
fn logged(item: HashMap<String, AttributeValue>) -> StoreResult<Option<Logged>> {
    Ok(match DecisionRecord::parse(item)? {
        None => None,
        Some(DecisionRecord::Decision(decision)) => Some(Logged {
            user: decision.user,
            recommendation: decision.recommendation_id,
            feedback: None,
        }),
        Some(DecisionRecord::Outcome(outcome)) => Some(Logged {
            user: outcome.user,
            recommendation: outcome.recommendation_id,
            feedback: Some(outcome.feedback_id),
        }),
    })
}

fn outcome(item: HashMap<String, AttributeValue>) -> StoreResult<Option<Outcome>> {
    Ok(match DecisionRecord::parse(item)? {
        Some(DecisionRecord::Outcome(outcome)) => Some(outcome),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_is_unpacked_and_no_bomb_is() {
        for json in ["", "{}", "{\"slate\": [1, 2, 3]}"] {
            assert_eq!(unpacked(&packed(json.as_bytes())).unwrap(), json);
        }
        let bomb = packed(&vec![b'0'; 2 * MAX_RECORD_BYTES as usize]);
        assert_eq!(unpacked(&bomb).unwrap().len() as u64, MAX_RECORD_BYTES);
        assert!(unpacked(b"no deflate").is_err());
    }
}
