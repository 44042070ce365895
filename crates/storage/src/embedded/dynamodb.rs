//! DynamoDB's calls on the embedded database: the bodies of requests and answers, as the
//! SDK writes and reads them.

use dynoxide::{Database, DynoxideError};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// What begins `X-Amz-Target`.
const TARGET_PREFIX: &str = "DynamoDB_20120810.";

/// What of a call the database is told, and what it does to what is stored.
pub(super) struct Call<'a> {
    operation: &'a str,
    body: &'a [u8],
}

/// The answer to a call: a status and a body.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: String,
}

impl<'a> Call<'a> {
    /// A call, by its target and body; none when it is none of DynamoDB's.
    pub(super) fn new(target: &'a str, body: &'a [u8]) -> Option<Self> {
        let operation = target.strip_prefix(TARGET_PREFIX)?;
        Some(Self { operation, body })
    }

    /// Whether something may be gone from the tables after the call.
    pub(super) fn deletes(&self) -> bool {
        /// Names the deletions in a batch and in a transaction, and what takes the place of
        /// all that was known of someone erased. A value with that name in it is taken for
        /// one; then the files are scrubbed once more than they need be.
        const DELETIONS: [&[u8]; 3] = [b"\"DeleteRequest\"", b"\"Delete\"", b"\"erased\""];
        let has = |name: &[u8]| memchr::memmem::find(self.body, name).is_some();
        match self.operation {
            "DeleteItem" => true,
            "BatchWriteItem" | "TransactWriteItems" => DELETIONS.into_iter().any(has),
            _ => false,
        }
    }

    /// Carries it out. It waits for the disk.
    pub(super) fn carry_out(&self, database: &Database) -> Answer {
        match self.dispatch(database) {
            Ok(body) => Answer { status: 200, body },
            Err(error) => {
                let status = error.status_code();
                tracing::debug!(operation = self.operation, status, "a call was refused");
                Answer { status, body: error.to_json() }
            }
        }
    }

    /// Every operation that the adapter calls, and those that tests look in with.
    fn dispatch(&self, database: &Database) -> Result<String, DynoxideError> {
        match self.operation {
            "BatchGetItem" => self.by(|request| database.batch_get_item(request)),
            "BatchWriteItem" => self.by(|request| database.batch_write_item(request)),
            "CreateTable" => self.by(|request| database.create_table(request)),
            "DeleteItem" => self.by(|request| database.delete_item(request)),
            "DescribeTable" => self.by(|request| database.describe_table(request)),
            "DescribeTimeToLive" => self.by(|request| database.describe_time_to_live(request)),
            "GetItem" => self.by(|request| database.get_item(request)),
            "ListTables" => self.by(|request| database.list_tables(request)),
            "PutItem" => self.by(|request| database.put_item(request)),
            "Query" => self.by(|request| database.query(request)),
            "Scan" => self.by(|request| database.scan(request)),
            "TransactGetItems" => self.by(|request| database.transact_get_items(request)),
            "TransactWriteItems" => self.by(|request| database.transact_write_items(request)),
            "UpdateItem" => self.by(|request| database.update_item(request)),
            "UpdateTable" => self.by(|request| database.update_table(request)),
            "UpdateTimeToLive" => self.by(|request| database.update_time_to_live(request)),
            other => Err(DynoxideError::ValidationException(format!(
                "the embedded storage does not know the operation {other}"
            ))),
        }
    }

    fn by<Q: DeserializeOwned, A: Serialize>(
        &self,
        carry_out: impl FnOnce(Q) -> Result<A, DynoxideError>,
    ) -> Result<String, DynoxideError> {
        let unreadable =
            |error: serde_json::Error| DynoxideError::SerializationException(error.to_string());
        let answer = carry_out(serde_json::from_slice(self.body).map_err(unreadable)?)?;
        serde_json::to_string(&answer)
            .map_err(|error| DynoxideError::InternalServerError(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call<'a>(target: &'a str, body: &'a str) -> Call<'a> {
        Call::new(target, body.as_bytes()).unwrap()
    }

    #[test]
    fn an_operation_that_nobody_calls_is_refused_and_tables_cannot_be_dropped() {
        let database = Database::memory().unwrap();
        let answer = call("DynamoDB_20120810.DeleteTable", r#"{"TableName":"t"}"#);
        let answer = answer.carry_out(&database);
        assert_eq!(answer.status, 400, "{}", answer.body);
        assert!(answer.body.contains("DeleteTable"), "{}", answer.body);
        assert!(Call::new("DynamoDBStreams_20120810.GetRecords", b"{}").is_none());
        let unreadable = call("DynamoDB_20120810.GetItem", "[").carry_out(&database);
        assert_eq!(unreadable.status, 400, "{}", unreadable.body);
    }

    #[test]
    fn calls_that_delete_are_known_by_what_they_ask() {
        for (operation, body, deletes) in [
            ("DeleteItem", "{}", true),
            ("BatchWriteItem", r#"{"RequestItems":{"t":[{"DeleteRequest":{}}]}}"#, true),
            ("BatchWriteItem", r#"{"RequestItems":{"t":[{"PutRequest":{}}]}}"#, false),
            ("TransactWriteItems", r#"{"TransactItems":[{"Delete":{}}]}"#, true),
            ("TransactWriteItems", r#"{"TransactItems":[{"Put":{}}]}"#, false),
            ("TransactWriteItems", r#"{"TransactItems":[{"Put":{"kind":{"S":"erased"}}}]}"#, true),
            ("PutItem", "{}", false),
        ] {
            let target = format!("DynamoDB_20120810.{operation}");
            assert_eq!(call(&target, body).deletes(), deletes, "{operation} {body}");
        }
    }
}
