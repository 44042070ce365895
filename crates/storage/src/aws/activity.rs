//! Activity on DynamoDB: one item a day and domain, whose counts are added to.

use std::collections::HashMap;

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use crossfold_core::entities::activity::{Activity, DomainDay, INTAKES};
use crossfold_core::entities::ids::DomainId;
use crossfold_core::entities::ports::{ActivityStore, StoreResult};
use jiff::civil::Date;

use super::config::Resource;
use super::error::{corrupt, malformed, service_error};
use super::requests;

/// The partition of all activity in the table `control`; no kind of record has this name.
const PARTITION: &str = "activity";
/// What the attribute with the last refused elements of a kind begins with.
const LAST_REFUSED: &str = "last_refused.";

/// [`ActivityStore`] on DynamoDB.
pub(super) struct DynamoDbActivity {
    pub(super) client: Client,
    pub(super) table: Resource,
}

/// The clauses of an update, with the names and values that they speak of.
#[derive(Default)]
struct Update {
    adds: Vec<String>,
    sets: Vec<String>,
    names: HashMap<String, String>,
    values: HashMap<String, AttributeValue>,
}

impl Update {
    fn of(activity: &Activity) -> StoreResult<Self> {
        let mut update = Self::default();
        for (name, count) in activity.counts() {
            let (name, value) = update.name(name, AttributeValue::N(count.to_string()));
            update.adds.push(format!("{name} {value}"));
        }
        for kind in INTAKES {
            let last = activity.intake(kind).map(|intake| &intake.last_refused);
            let Some(last) = last.filter(|last| !last.is_empty()) else { continue };
            let json = serde_json::to_string(last).map_err(malformed)?;
            let attribute = format!("{LAST_REFUSED}{kind}");
            let (name, value) = update.name(attribute, AttributeValue::S(json));
            update.sets.push(format!("{name} = {value}"));
        }
        Ok(update)
    }

    /// Placeholders for an attribute and its value.
    fn name(&mut self, attribute: String, value: AttributeValue) -> (String, String) {
        let number = self.names.len();
        let (name, placeholder) = (format!("#n{number}"), format!(":v{number}"));
        self.names.insert(name.clone(), attribute);
        self.values.insert(placeholder.clone(), value);
        (name, placeholder)
    }

    fn expression(&self) -> String {
        let clause = |verb: &str, parts: &[String]| match parts {
            [] => String::new(),
            parts => format!("{verb} {}", parts.join(", ")),
        };
        let clauses = [clause("ADD", &self.adds), clause("SET", &self.sets)];
        clauses.join(" ").trim().to_owned()
    }
}

#[async_trait]
impl ActivityStore for DynamoDbActivity {
    async fn add(&self, day: Date, domain: &DomainId, activity: &Activity) -> StoreResult<()> {
        let update = Update::of(activity)?;
        if update.names.is_empty() {
            return Ok(());
        }
        self.client
            .update_item()
            .table_name(self.table.name()?)
            .key("pk", AttributeValue::S(PARTITION.into()))
            .key("sk", AttributeValue::S(format!("{day}#{domain}")))
            .update_expression(update.expression())
            .set_expression_attribute_names(Some(update.names))
            .set_expression_attribute_values(Some(update.values))
            .send()
            .await
            .map(drop)
            .map_err(service_error)
    }

    async fn since(&self, day: Date) -> StoreResult<Vec<DomainDay>> {
        let query = self
            .client
            .query()
            .table_name(self.table.name()?)
            .key_condition_expression("pk = :partition AND sk >= :day")
            .expression_attribute_values(":partition", AttributeValue::S(PARTITION.into()))
            .expression_attribute_values(":day", AttributeValue::S(day.to_string()));
        requests::all(query).await?.into_iter().map(read).collect()
    }
}

fn read(item: HashMap<String, AttributeValue>) -> StoreResult<DomainDay> {
    let unreadable = || corrupt("activity", "it has no day and domain");
    let Some(AttributeValue::S(key)) = item.get("sk") else { return Err(unreadable()) };
    let (day, domain) = key.split_once('#').ok_or_else(unreadable)?;
    let mut read = DomainDay {
        day: day.parse().map_err(|error: jiff::Error| corrupt("activity", error))?,
        domain: DomainId::parse(domain).map_err(|error| corrupt("activity", error))?,
        activity: Activity::default(),
    };
    for (name, value) in &item {
        match value {
            AttributeValue::N(count) => {
                let count = count.parse().map_err(|error| corrupt("a count of activity", error))?;
                read.activity.set_count(name, count);
            }
            AttributeValue::S(json) => {
                let kind = name.strip_prefix(LAST_REFUSED);
                let Some(intake) = kind.and_then(|kind| read.activity.intake_mut(kind)) else {
                    continue;
                };
                intake.last_refused = serde_json::from_str(json)
                    .map_err(|error| corrupt("the last refused elements", error))?;
            }
            _ => {}
        }
    }
    Ok(read)
}
