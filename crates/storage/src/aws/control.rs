//! Domain definitions and training runs on DynamoDB, as JSON: they are few,
//! and always read whole.

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::put_item::builders::PutItemFluentBuilder;
use aws_sdk_dynamodb::types::AttributeValue;
use crossfold_core::domain::{Definitions, DomainDefinition};
use crossfold_core::ids::{DomainId, TrainingRunId};
use crossfold_core::ports::{Appended, ControlStore, StoreResult};
use crossfold_core::training_run::TrainingRun;
use serde::{Deserialize, Serialize};

use super::config::Resource;
use super::error::{corrupt, malformed, service_error};

const DOMAINS: &str = "domain";
const TRAINING_RUNS: &str = "training-run";

#[derive(Serialize, Deserialize)]
struct ControlRecord {
    pk: String,
    sk: String,
    record: String,
}

/// [`ControlStore`] on DynamoDB.
pub(super) struct DynamoDbControl {
    pub(super) client: Client,
    pub(super) table: Resource,
}

impl DynamoDbControl {
    fn put(
        &self,
        kind: &str,
        id: &str,
        value: &impl Serialize,
    ) -> StoreResult<PutItemFluentBuilder> {
        let record = ControlRecord {
            pk: kind.into(),
            sk: id.into(),
            record: serde_json::to_string(value).map_err(malformed)?,
        };
        let item = serde_dynamo::to_item(record).map_err(malformed)?;
        Ok(self.client.put_item().table_name(self.table.name()?).set_item(Some(item)))
    }
}

#[async_trait]
impl ControlStore for DynamoDbControl {
    async fn put_domain(&self, id: &DomainId, definition: &DomainDefinition) -> StoreResult<()> {
        let put = self.put(DOMAINS, id.as_str(), definition)?;
        put.send().await.map(drop).map_err(service_error)
    }

    async fn domains(&self) -> StoreResult<Definitions> {
        let query = self
            .client
            .query()
            .table_name(self.table.name()?)
            .key_condition_expression("pk = :kind")
            .expression_attribute_values(":kind", AttributeValue::S(DOMAINS.into()))
            .consistent_read(true);
        let mut definitions = Definitions::new();
        let mut pages = query.into_paginator().send();
        while let Some(page) = pages.next().await {
            for item in page.map_err(service_error)?.items.unwrap_or_default() {
                let stored: ControlRecord =
                    serde_dynamo::from_item(item).map_err(|error| corrupt("a domain", error))?;
                let id = DomainId::parse(&stored.sk).map_err(|error| corrupt("a domain", error))?;
                let definition = serde_json::from_str(&stored.record)
                    .map_err(|error| corrupt("a domain's definition", error))?;
                definitions.insert(id, definition);
            }
        }
        Ok(definitions)
    }

    async fn create_run(&self, run: &TrainingRun) -> StoreResult<Appended> {
        let put = self
            .put(TRAINING_RUNS, run.id.as_str(), run)?
            .condition_expression("attribute_not_exists(pk)");
        match put.send().await {
            Ok(_) => Ok(Appended::New),
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(|e| e.is_conditional_check_failed_exception()) =>
            {
                Ok(Appended::Duplicate)
            }
            Err(error) => Err(service_error(error)),
        }
    }

    async fn update_run(&self, run: &TrainingRun) -> StoreResult<()> {
        let put = self.put(TRAINING_RUNS, run.id.as_str(), run)?;
        put.send().await.map(drop).map_err(service_error)
    }

    async fn run(&self, id: &TrainingRunId) -> StoreResult<Option<TrainingRun>> {
        let answer = self
            .client
            .get_item()
            .table_name(self.table.name()?)
            .key("pk", AttributeValue::S(TRAINING_RUNS.into()))
            .key("sk", AttributeValue::S(id.to_string()))
            .consistent_read(true)
            .send()
            .await
            .map_err(service_error)?;
        let Some(item) = answer.item else { return Ok(None) };
        let stored: ControlRecord =
            serde_dynamo::from_item(item).map_err(|error| corrupt("a training run", error))?;
        serde_json::from_str(&stored.record)
            .map(Some)
            .map_err(|error| corrupt("a training run", error))
    }
}
