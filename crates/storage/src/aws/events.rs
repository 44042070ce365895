//! Events, dismissals and what was seen for ever on DynamoDB.
//!
//! One partition for each user. The sort key of an event is its id, so that one
//! conditional put tells a duplicate whatever time it claims; a local index
//! orders events by time, and can be read as of now, which a global one cannot.
//! An event so costs two write units, one of the table and one of the index. An
//! item of its own for the identity, in one transaction with the event, would
//! cost four. Beside events are dismissals (`dismissed#`) and items seen for ever
//! (`seen#`), which lack the index's attribute and so are not in it. Only events expire.

use std::collections::HashSet;

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::types::AttributeValue;
use crossfold_core::entities::clock::Clock;
use crossfold_core::entities::event::Event;
use crossfold_core::entities::history::{Dismissal, History, SeenItem};
use crossfold_core::entities::ids::{DomainId, EventId, ItemId, Pseudonym};
use crossfold_core::entities::ports::{
    Appended, ErasedPage, EventStore, MAX_DISMISSALS, MAX_SEEN, RekeyedPage, StoreResult,
};
use crossfold_core::entities::pseudonym::Pseudonymiser;
use futures::{StreamExt, TryStreamExt, stream};
use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

use super::batch::{self, Key};
use super::config::Resource;
use super::error::{corrupt, malformed, service_error};
use super::requests;
use super::schema::TIME_INDEX;
use super::time::sortable;
use crate::retry::Waiting;

/// Events of one call that are written at the same time.
const CONCURRENT_WRITES: usize = 64;

const DISMISSAL_PREFIX: &str = "dismissed#";
const SEEN_PREFIX: &str = "seen#";
const EVENT_PREFIX: &str = "event#";

/// An event as it is stored, and as the table's stream shows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct EventRecord {
    /// Partition key: the user.
    pk: Pseudonym,
    /// Sort key: `event#<event_id>`.
    sk: String,
    /// Sort key of [`TIME_INDEX`]: `<occurred_at>#<event_id>`.
    by_time: String,
    /// When DynamoDB may delete it, in seconds since 1970.
    ttl: i64,
    /// The event.
    #[serde(flatten)]
    pub(super) event: Event,
}

/// An event as it is stored, attribute by attribute.
#[cfg(feature = "embedded")]
pub(crate) fn stored(event: &Event, retention: SignedDuration) -> StoreResult<serde_dynamo::Item> {
    serde_dynamo::to_item(EventRecord::new(event, retention)).map_err(malformed)
}

impl EventRecord {
    fn new(event: &Event, retention: SignedDuration) -> Self {
        Self {
            pk: event.user.clone(),
            sk: format!("{EVENT_PREFIX}{}", event.event_id),
            by_time: format!("{}#{}", sortable(event.occurred_at), event.event_id),
            ttl: event.received_at.as_second().saturating_add(retention.as_secs()),
            event: event.clone(),
        }
    }

    /// Reads a record of the events table or an image of its stream; `None`
    /// when it is not an event but a dismissal or an item seen for ever.
    ///
    /// # Errors
    /// [`crossfold_core::entities::ports::StoreError::Corrupt`] when it is neither.
    pub(super) fn parse(image: impl Into<serde_dynamo::Item>) -> StoreResult<Option<Self>> {
        let image = image.into();
        if let Some(serde_dynamo::AttributeValue::S(sk)) = image.get("sk")
            && [DISMISSAL_PREFIX, SEEN_PREFIX].iter().any(|prefix| sk.starts_with(prefix))
        {
            return Ok(None);
        }
        serde_dynamo::from_item(image).map(Some).map_err(|error| corrupt("an event", error))
    }
}

/// What a user has with one item, whenever it was: a dismissal or an item seen for ever.
#[derive(Serialize, Deserialize)]
struct ItemRecord {
    pk: Pseudonym,
    sk: String,
    by_domain: DomainId,
    domain: DomainId,
    item_id: ItemId,
}

impl From<&SeenItem> for ItemRecord {
    fn from(seen: &SeenItem) -> Self {
        Self {
            pk: seen.user.clone(),
            // Beside each other where two platforms tell of one item.
            sk: format!("{SEEN_PREFIX}{}#{}#{}", seen.by_domain, seen.domain, seen.item_id),
            by_domain: seen.by_domain.clone(),
            domain: seen.domain.clone(),
            item_id: seen.item_id.clone(),
        }
    }
}

impl From<ItemRecord> for SeenItem {
    fn from(record: ItemRecord) -> Self {
        Self {
            user: record.pk,
            by_domain: record.by_domain,
            domain: record.domain,
            item_id: record.item_id,
        }
    }
}

impl From<&Dismissal> for ItemRecord {
    fn from(dismissal: &Dismissal) -> Self {
        Self {
            pk: dismissal.user.clone(),
            sk: format!("{DISMISSAL_PREFIX}{}#{}", dismissal.domain, dismissal.item_id),
            by_domain: dismissal.by_domain.clone(),
            domain: dismissal.domain.clone(),
            item_id: dismissal.item_id.clone(),
        }
    }
}

impl From<ItemRecord> for Dismissal {
    fn from(record: ItemRecord) -> Self {
        Self {
            user: record.pk,
            by_domain: record.by_domain,
            domain: record.domain,
            item_id: record.item_id,
        }
    }
}

/// [`EventStore`] on DynamoDB.
pub(super) struct DynamoDbEvents {
    pub(super) client: Client,
    pub(super) table: Resource,
    pub(super) retention: SignedDuration,
    pub(super) waiting: Waiting,
    pub(super) clock: Clock,
}

impl DynamoDbEvents {
    /// A query of one user's partition that sees every acknowledged write.
    fn query(&self, user: &Pseudonym, condition: &str) -> StoreResult<QueryFluentBuilder> {
        Ok(self
            .client
            .query()
            .table_name(self.table.name()?)
            .key_condition_expression(condition)
            .expression_attribute_values(":user", AttributeValue::S(user.to_string()))
            .consistent_read(true))
    }

    async fn newest_events(&self, user: &Pseudonym, limit: usize) -> StoreResult<Vec<Event>> {
        let query =
            self.query(user, "pk = :user")?.index_name(TIME_INDEX).scan_index_forward(false);
        let now = self.clock.now().as_second();
        let mut events = Vec::new();
        for item in requests::first(query, limit).await? {
            let Some(record) = EventRecord::parse(item)? else { continue };
            // DynamoDB deletes an expired record only some days later.
            if record.ttl > now {
                events.push(record.event);
            }
        }
        Ok(events)
    }

    /// The first records of items whose sort key begins with a prefix.
    async fn of_items<T: From<ItemRecord>>(
        &self,
        user: &Pseudonym,
        prefix: &str,
        most: usize,
    ) -> StoreResult<Vec<T>> {
        let query = self
            .query(user, "pk = :user AND begins_with(sk, :prefix)")?
            .expression_attribute_values(":prefix", AttributeValue::S(prefix.into()));
        let read = |item| {
            serde_dynamo::from_item::<_, ItemRecord>(item)
                .map(T::from)
                .map_err(|error| corrupt("a user's record of an item", error))
        };
        requests::first(query, most).await?.into_iter().map(read).collect()
    }

    async fn put_of_item(&self, record: ItemRecord) -> StoreResult<()> {
        let item = serde_dynamo::to_item(record).map_err(malformed)?;
        let put = self.client.put_item().table_name(self.table.name()?).set_item(Some(item));
        put.send().await.map(drop).map_err(service_error)
    }

    async fn keys(&self, user: &Pseudonym) -> StoreResult<Vec<Key>> {
        let query = self.query(user, "pk = :user")?.projection_expression("pk, sk");
        requests::all(query).await
    }
}

#[async_trait]
impl EventStore for DynamoDbEvents {
    /// A retry of the SDK after a lost answer finds the event already there and
    /// so answers [`Appended::Duplicate`]: it is stored once all the same.
    async fn append(&self, event: &Event) -> StoreResult<Appended> {
        let item =
            serde_dynamo::to_item(EventRecord::new(event, self.retention)).map_err(malformed)?;
        let put = self.client.put_item().table_name(self.table.name()?).set_item(Some(item));
        requests::append(put).await
    }

    async fn append_all(&self, events: &[Event]) -> StoreResult<Vec<Appended>> {
        let appends: Vec<_> = events.iter().map(|event| self.append(event)).collect();
        stream::iter(appends).buffered(CONCURRENT_WRITES).try_collect().await
    }

    async fn history(&self, user: &Pseudonym, limit: usize) -> StoreResult<History> {
        let (events, dismissals, seen) = futures::try_join!(
            self.newest_events(user, limit),
            self.of_items::<Dismissal>(user, DISMISSAL_PREFIX, MAX_DISMISSALS),
            self.of_items::<SeenItem>(user, SEEN_PREFIX, MAX_SEEN),
        )?;
        Ok(History::new(events, dismissals).with_seen(seen))
    }

    async fn dismiss(&self, dismissal: &Dismissal) -> StoreResult<()> {
        self.put_of_item(dismissal.into()).await
    }

    async fn mark_seen(&self, seen: &SeenItem) -> StoreResult<()> {
        self.put_of_item(seen.into()).await
    }

    async fn holds(&self, events: &[(Pseudonym, EventId)]) -> StoreResult<Vec<bool>> {
        let key =
            |(user, id): &(Pseudonym, EventId)| [user.to_string(), format!("{EVENT_PREFIX}{id}")];
        // DynamoDB refuses to be asked for one record twice.
        let asked: HashSet<[String; 2]> = events.iter().map(key).collect();
        let keys = asked.into_iter().map(|[pk, sk]| {
            let text = AttributeValue::S;
            Key::from([("pk".to_owned(), text(pk)), ("sk".to_owned(), text(sk))])
        });
        let found =
            batch::get(&self.client, &self.waiting, self.table.name()?, keys.collect()).await?;
        let text = |item: &Key, name: &str| {
            item.get(name).and_then(|value| value.as_s().ok()).cloned().unwrap_or_default()
        };
        let found: HashSet<[String; 2]> =
            found.iter().map(|item| [text(item, "pk"), text(item, "sk")]).collect();
        Ok(events.iter().map(|event| found.contains(&key(event))).collect())
    }

    async fn rekey(&self, keys: &Pseudonymiser, after: Option<String>) -> StoreResult<RekeyedPage> {
        self.rekey_page(keys, after).await
    }

    async fn erase(&self, user: &Pseudonym) -> StoreResult<u64> {
        let keys = self.keys(user).await?;
        let count = keys.len() as u64;
        batch::delete(&self.client, &self.waiting, self.table.name()?, keys).await?;
        Ok(count)
    }

    async fn erase_domain(
        &self,
        domain: &DomainId,
        after: Option<String>,
    ) -> StoreResult<ErasedPage> {
        let scan = self
            .client
            .scan()
            .table_name(self.table.name()?)
            .consistent_read(true)
            .set_exclusive_start_key(after.as_deref().map(batch::start_key).transpose()?)
            // The name is a reserved word.
            .expression_attribute_names("#domain", "domain")
            .filter_expression("#domain = :domain OR by_domain = :domain")
            .expression_attribute_values(":domain", AttributeValue::S(domain.to_string()))
            .projection_expression("pk, sk");
        let page = scan.send().await.map_err(service_error)?;
        let keys = page.items.unwrap_or_default();
        let records = keys.len() as u64;
        batch::delete(&self.client, &self.waiting, self.table.name()?, keys).await?;
        let next = page.last_evaluated_key.map(|key| batch::after_key(&key)).transpose()?;
        Ok(ErasedPage { records, next })
    }
}

#[cfg(test)]
mod tests {
    use crossfold_core::entities::ids::{EventId, EventType};

    use std::collections::HashMap;

    use super::*;

    fn event() -> Event {
        Event {
            event_id: EventId::parse("e#1").unwrap(),
            user: Pseudonym::parse("v1_u").unwrap(),
            domain: DomainId::parse("knowledge").unwrap(),
            event_type: EventType::parse("enrol").unwrap(),
            item_id: ItemId::parse("课程").unwrap(),
            occurred_at: "2026-06-01T00:00:00.120Z".parse().unwrap(),
            received_at: "2026-06-01T00:00:01Z".parse().unwrap(),
            value: Some("19.90".parse().unwrap()),
            dwell_seconds: Some(7),
        }
    }

    #[test]
    fn an_event_is_stored_flat_and_reads_back() {
        let record = EventRecord::new(&event(), SignedDuration::from_hours(24));
        let item: serde_dynamo::Item = serde_dynamo::to_item(&record).unwrap();
        let text = |name: &str| match item.get(name) {
            Some(serde_dynamo::AttributeValue::S(text)) => text.clone(),
            other => panic!("{name} is {other:?}"),
        };
        assert_eq!(text("sk"), "event#e#1");
        assert_eq!(text("by_time"), "2026-06-01T00:00:00.120Z#e#1");
        assert_eq!(text("value"), "19.90");
        assert_eq!(text("domain"), "knowledge");
        assert_eq!(record.ttl, record.event.received_at.as_second() + 86_400);
        assert_eq!(EventRecord::parse(item).unwrap().unwrap(), record);
    }

    #[test]
    fn a_record_of_an_item_is_no_event_and_anything_else_is_corrupt() {
        let dismissal = Dismissal {
            user: Pseudonym::parse("v1_u").unwrap(),
            by_domain: DomainId::parse("knowledge").unwrap(),
            domain: DomainId::parse("travel").unwrap(),
            item_id: ItemId::parse("i").unwrap(),
        };
        let item: serde_dynamo::Item = serde_dynamo::to_item(ItemRecord::from(&dismissal)).unwrap();
        assert_eq!(EventRecord::parse(item).unwrap(), None);
        let item: serde_dynamo::Item =
            serde_dynamo::to_item(ItemRecord::from(&SeenItem::of(&event()))).unwrap();
        assert_eq!(EventRecord::parse(item).unwrap(), None);
        assert!(EventRecord::parse(HashMap::<String, AttributeValue>::new()).is_err());
    }
}
