//! What is put on the default bus of EventBridge, by a rule and a queue, as whoever receives pushes
//! has them.

use anyhow::Context;
use serde_json::{Value, json};

use super::aws_api::AwsApi;

/// The target prefix of EventBridge's API.
const EVENTS: &str = "AWSEvents";
/// The target prefix of the queues' API.
const QUEUES: &str = "AmazonSQS";

/// A queue that a rule of the default bus fills.
pub struct BusQueue {
    api: AwsApi,
    url: String,
}

impl BusQueue {
    /// One of the events of a source, from now on.
    pub(super) async fn open(api: AwsApi, source: &str) -> anyhow::Result<Self> {
        let created = api.call(QUEUES, "CreateQueue", &json!({ "QueueName": source })).await?;
        let url = created["QueueUrl"].as_str().context("the queue has no address")?.to_owned();
        let attributes = json!({ "QueueUrl": url, "AttributeNames": ["QueueArn"] });
        let attributes = api.call(QUEUES, "GetQueueAttributes", &attributes).await?;
        let arn = attributes["Attributes"]["QueueArn"].as_str().context("the queue has no ARN")?;
        let pattern = json!({ "source": [source] }).to_string();
        let rule = json!({ "Name": source, "EventPattern": pattern, "State": "ENABLED" });
        api.call(EVENTS, "PutRule", &rule).await?;
        let targets = json!({ "Rule": source, "Targets": [{ "Id": "queue", "Arn": arn }] });
        api.call(EVENTS, "PutTargets", &targets).await?;
        Ok(Self { api, url })
    }

    /// The events that have come since the last look.
    ///
    /// # Errors
    /// When the queue cannot be read.
    pub async fn take(&self) -> anyhow::Result<Vec<Value>> {
        let mut events = Vec::new();
        loop {
            let receive = json!({ "QueueUrl": self.url, "MaxNumberOfMessages": 10 });
            let received = self.api.call(QUEUES, "ReceiveMessage", &receive).await?;
            let messages = received["Messages"].as_array().cloned().unwrap_or_default();
            if messages.is_empty() {
                return Ok(events);
            }
            for message in messages {
                let body = message["Body"].as_str().context("a message without a body")?;
                events.push(serde_json::from_str(body)?);
                let taken =
                    json!({ "QueueUrl": self.url, "ReceiptHandle": message["ReceiptHandle"] });
                self.api.call(QUEUES, "DeleteMessage", &taken).await?;
            }
        }
    }
}
