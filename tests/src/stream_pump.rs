//! Event source mappings: what Lambda does between a table's stream and a
//! function. Records are read in order, filtered, and handed on in batches; a
//! batch that fails is handed on again.

use std::sync::Arc;

use anyhow::{Context, bail, ensure};
use serde_json::{Value, json};

use crate::cloud::Function;
use crate::cloud::aws_api::AwsApi;
use crate::deployment::StreamSource;

/// The target prefix of the streams' API.
const STREAMS: &str = "DynamoDBStreams_20120810";
/// Records read at a time, as many as the API gives.
const PAGE: usize = 1_000;
/// How often a batch is handed on before the test gives up.
const MAX_TRIES: usize = 3;

/// One mapping.
pub(crate) struct StreamPump {
    source: StreamSource,
    function: Arc<Function>,
    api: AwsApi,
    arn: String,
    iterator: String,
    /// How often each batch is delivered: a stream promises at least once.
    deliveries: usize,
}

impl StreamPump {
    /// A mapping that begins at the stream's beginning.
    pub(crate) async fn new(
        api: AwsApi,
        source: StreamSource,
        table: &str,
        function: Arc<Function>,
        deliveries: usize,
    ) -> anyhow::Result<Self> {
        let streams = api.call(STREAMS, "ListStreams", &json!({ "TableName": table })).await?;
        let arn = streams["Streams"][0]["StreamArn"].as_str();
        let arn = arn.with_context(|| format!("the table {table} has no stream"))?.to_owned();
        let description = api.call(STREAMS, "DescribeStream", &json!({ "StreamArn": arn })).await?;
        let shards = description["StreamDescription"]["Shards"].as_array();
        let [shard] = shards.map(Vec::as_slice).unwrap_or_default() else {
            bail!("{table}: not one shard but {}", description["StreamDescription"]["Shards"]);
        };
        let beginning = json!({
            "StreamArn": arn, "ShardId": shard["ShardId"], "ShardIteratorType": "TRIM_HORIZON",
        });
        let answer = api.call(STREAMS, "GetShardIterator", &beginning).await?;
        let iterator = answer["ShardIterator"].as_str().context("no iterator")?.to_owned();
        Ok(Self { source, function, api, arn, iterator, deliveries })
    }

    /// Carries what is in the stream, and says how many records that were.
    pub(crate) async fn carry(&mut self) -> anyhow::Result<usize> {
        let mut carried = 0;
        loop {
            let request = json!({ "ShardIterator": self.iterator, "Limit": PAGE });
            let page = self.api.call(STREAMS, "GetRecords", &request).await?;
            let records = page["Records"].as_array().context("no records")?;
            if records.is_empty() {
                return Ok(carried);
            }
            let wanted: Vec<Value> =
                records.iter().filter(|record| self.passes(record)).cloned().collect();
            for batch in wanted.chunks(self.source.batch_size) {
                for _ in 0..self.deliveries {
                    self.deliver(batch).await?;
                }
            }
            carried += records.len();
            self.iterator = page["NextShardIterator"].as_str().context("closed")?.to_owned();
        }
    }

    fn passes(&self, record: &Value) -> bool {
        let filters = &self.source.filters;
        filters.is_empty() || filters.iter().any(|pattern| matches(pattern, record))
    }

    async fn deliver(&self, batch: &[Value]) -> anyhow::Result<()> {
        let records = batch.iter().cloned().map(|mut record| {
            record["eventSourceARN"] = self.arn.as_str().into();
            record
        });
        let event = json!({ "Records": records.collect::<Vec<_>>() });
        let mut last = None;
        for _ in 0..MAX_TRIES {
            match self.function.invoke(&event).await? {
                Ok(answer) => match self.check(&answer) {
                    Ok(()) => return Ok(()),
                    Err(error) => last = Some(error.to_string()),
                },
                Err(error) => last = Some(format!("{error:?}")),
            }
        }
        bail!("{} cannot handle a batch: {last:?}", self.source.function)
    }

    /// Where failures are reported one by one, only null, or an object whose
    /// list of failures is absent, null or empty, means that all went well.
    fn check(&self, answer: &Value) -> anyhow::Result<()> {
        if self.source.reports_failures {
            let failures = &answer["batchItemFailures"];
            let is_success = (answer.is_null() || answer.is_object())
                && failures.as_array().map_or(failures.is_null(), Vec::is_empty);
            ensure!(is_success, "{} reports failures: {answer}", self.source.function);
        }
        Ok(())
    }
}

/// Whether a record matches an event pattern: every field named must be there
/// with one of the values listed.
fn matches(pattern: &Value, value: &Value) -> bool {
    match pattern {
        Value::Object(fields) => fields.iter().all(|(name, inner)| matches(inner, &value[name])),
        Value::Array(values) => values.contains(value),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_matches_what_has_every_field_with_a_listed_value() {
        let pattern =
            json!({ "eventName": ["INSERT"], "dynamodb": { "Keys": { "pk": { "S": ["run"] } } } });
        let record = |name: &str, key: &str| json!({ "eventName": name, "dynamodb": { "Keys": { "pk": { "S": key }, "sk": { "S": "1" } } } });
        assert!(matches(&pattern, &record("INSERT", "run")));
        assert!(!matches(&pattern, &record("MODIFY", "run")));
        assert!(!matches(&pattern, &record("INSERT", "domain")));
        assert!(!matches(&pattern, &json!({})));
    }
}
