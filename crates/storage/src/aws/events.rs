//! Events, dismissals and what was seen for ever on DynamoDB.
//!
//! One partition for each user. The sort key of an event is its id, so that one
//! conditional put tells a duplicate whatever time it claims; a local index
//! orders events by time, and can be read as of now, which a global one cannot.
//! An event so costs two write units, one of the table and one of the index. An
//! item of its own for the identity, in one transaction with the event, would
//! cost four. Beside events are the items that were dismissed or seen for ever
//! (`aws::marked_items`), which lack the index's attribute and so are not in it, and what the
//! ids of erased events are known by (`aws::erased_ids`). Events expire, and those. A thousand events are read for some 90 units, whatever of them is wanted.

use std::collections::{HashMap, HashSet};

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::ProvideErrorMetadata;
use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::AttributeValue;
use crossfold_core::entities::clock::Clock;
use crossfold_core::entities::event::Event;
use crossfold_core::entities::history::{Dismissal, EventPosition, History, PastEvent, SeenItem};
use crossfold_core::entities::ids::{DomainId, EventId, EventType, ItemId, Pseudonym};
use crossfold_core::entities::impressions::Impressions;
use crossfold_core::entities::item_set::ItemDigest;
use crossfold_core::entities::ports::{
    Appended, ErasedPage, EventStore, Past, PastRange, RekeyedPage, StoreResult,
};
use crossfold_core::entities::pseudonym::Pseudonymiser;
use futures::{StreamExt, TryStreamExt, stream};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::batch::{self, Key};
use super::config::Resource;
use super::erased_ids::{self, ErasedIds};
use super::error::{corrupt, malformed, service_error};
use super::marked_items::{self, Mark, Marking, impressions_update, parted};
use super::requests;
use super::schema::TIME_INDEX;
use super::time::sortable;
use crate::retry::Waiting;

/// Events of one call that are written at the same time.
const CONCURRENT_WRITES: usize = 64;

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
            by_time: by_time(&EventPosition::of(event)),
            ttl: event.received_at.as_second().saturating_add(retention.as_secs()),
            event: event.clone(),
        }
    }

    /// Reads a record of the events table or an image of its stream; `None`
    /// when it is not an event but of items that were dismissed or seen for ever.
    ///
    /// # Errors
    /// [`crossfold_core::entities::ports::StoreError::Corrupt`] when it is neither.
    pub(super) fn parse(image: impl Into<serde_dynamo::Item>) -> StoreResult<Option<Self>> {
        let image = image.into();
        if let Some(serde_dynamo::AttributeValue::S(sk)) = image.get("sk")
            && (marked_items::is_of_marks(sk) || erased_ids::is_of_erased_ids(sk))
        {
            return Ok(None);
        }
        serde_dynamo::from_item(image).map(Some).map_err(|error| corrupt("an event", error))
    }
}

/// The sort key of [`TIME_INDEX`] at a position.
fn by_time(position: &EventPosition) -> String {
    format!("{}#{}", sortable(position.occurred_at), position.event_id)
}

/// What is read of an event that is no evidence any more.
#[derive(Deserialize)]
struct PastRecord {
    by_time: String,
    ttl: i64,
    domain: DomainId,
    event_type: EventType,
    item_id: ItemId,
    occurred_at: Timestamp,
    #[serde(default)]
    domain_life: u32,
}

impl PastRecord {
    const ATTRIBUTES: [&str; 7] =
        ["by_time", "ttl", "domain", "event_type", "item_id", "occurred_at", "domain_life"];
}

impl From<PastRecord> for PastEvent {
    fn from(record: PastRecord) -> Self {
        Self {
            domain: record.domain,
            event_type: record.event_type,
            item: ItemDigest::of(&record.item_id),
            occurred_at: record.occurred_at,
            domain_life: record.domain_life,
        }
    }
}

/// The position of a record of [`TIME_INDEX`].
fn position(record: &Key) -> StoreResult<EventPosition> {
    #[derive(Deserialize)]
    struct Position {
        occurred_at: Timestamp,
        event_id: EventId,
    }
    let read = serde_dynamo::from_item(record.clone());
    let Position { occurred_at, event_id } = read.map_err(|error| corrupt("an event", error))?;
    Ok(EventPosition { occurred_at, event_id })
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

    /// The newest events, and where reading ended if there may be more.
    async fn newest_events(
        &self,
        user: &Pseudonym,
        limit: usize,
    ) -> StoreResult<(Vec<Event>, Option<EventPosition>)> {
        let query =
            self.query(user, "pk = :user")?.index_name(TIME_INDEX).scan_index_forward(false);
        let now = self.clock.now().as_second();
        let records = requests::first(query, limit).await?;
        let last = records.last().filter(|_| records.len() == limit);
        let cut_at = last.map(position).transpose()?;
        let mut events = Vec::with_capacity(records.len());
        for record in records {
            let Some(record) = EventRecord::parse(record)? else { continue };
            // DynamoDB deletes an expired record only some days later.
            if record.ttl > now {
                events.push(record.event);
            }
        }
        Ok((events, cut_at))
    }

    /// All records of a user whose sort keys begin so.
    async fn beginning_with(&self, user: &Pseudonym, prefix: &str) -> StoreResult<Vec<Key>> {
        let query = self
            .query(user, "pk = :user AND begins_with(sk, :prefix)")?
            .expression_attribute_values(":prefix", AttributeValue::S(prefix.into()));
        requests::all(query).await
    }

    /// The records at these keys that there are, by their keys.
    async fn records_at(
        &self,
        keys: impl Iterator<Item = [String; 2]>,
    ) -> StoreResult<HashMap<[String; 2], Key>> {
        // DynamoDB refuses to be asked for one record twice.
        let asked: HashSet<[String; 2]> = keys.collect();
        let keys = asked.into_iter().map(|[pk, sk]| {
            let text = AttributeValue::S;
            Key::from([("pk".to_owned(), text(pk)), ("sk".to_owned(), text(sk))])
        });
        let found =
            batch::get(&self.client, &self.waiting, self.table.name()?, keys.collect()).await?;
        let text = |item: &Key, name: &str| {
            item.get(name).and_then(|value| value.as_s().ok()).cloned().unwrap_or_default()
        };
        Ok(found.into_iter().map(|item| ([text(&item, "pk"), text(&item, "sk")], item)).collect())
    }

    async fn add(&self, marking: &Marking) -> StoreResult<()> {
        let update = self.client.update_item().table_name(self.table.name()?);
        marking.update(update).send().await.map(drop).map_err(service_error)
    }

    /// Deletes records, and says of how many events and items they were.
    async fn delete(&self, records: Vec<Key>) -> StoreResult<u64> {
        let count = records.iter().map(marked_items::count).sum();
        let keys = records.into_iter().map(marked_items::key).collect();
        batch::delete(&self.client, &self.waiting, self.table.name()?, keys).await?;
        Ok(count)
    }
}

/// Whether an update was refused because its record would be larger than one may be.
fn is_full(refusal: &UpdateItemError) -> bool {
    let is_of_size = |message: &str| message.contains("Item size");
    refusal.code() == Some("ValidationException") && refusal.message().is_some_and(is_of_size)
}

fn is_of_erased_ids(sort_key: &AttributeValue) -> bool {
    sort_key.as_s().is_ok_and(|sort_key| erased_ids::is_of_erased_ids(sort_key))
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
        let ((events, cut_at), dismissed, seen) = futures::try_join!(
            self.newest_events(user, limit),
            self.beginning_with(user, Mark::Dismissed.prefix()),
            self.beginning_with(user, marked_items::SEEN_OR_SHOWN),
        )?;
        let (dismissed, (seen, shown)) = (marked_items::read(dismissed)?, parted(seen));
        let history = History::new(events, [])
            .with_marked(dismissed, marked_items::read(seen)?)
            .with_impressions(marked_items::read_impressions(shown)?);
        Ok(match cut_at {
            Some(position) => history.cut_at(position),
            None => history,
        })
    }

    async fn past(&self, user: &Pseudonym, range: &PastRange) -> StoreResult<Past> {
        let (text, before) = (AttributeValue::S, by_time(&range.before));
        let names = PastRecord::ATTRIBUTES.map(|name| (format!("#{name}"), name.to_owned()));
        let query = self
            .query(user, "pk = :user AND by_time BETWEEN :since AND :before")?
            .index_name(TIME_INDEX)
            .scan_index_forward(false)
            .expression_attribute_values(":since", text(sortable(range.since)))
            .expression_attribute_values(":before", text(before.clone()))
            .projection_expression(names.each_ref().map(|(name, _)| name.as_str()).join(", "))
            .set_expression_attribute_names(Some(names.into()));
        // One more tells that there is more; and the one at the position is in the query's range.
        let records = requests::first(query, range.limit.saturating_add(2)).await?;
        let records = records.into_iter().map(|record| {
            serde_dynamo::from_item(record).map_err(|error| corrupt("an event", error))
        });
        let mut records = records.collect::<StoreResult<Vec<PastRecord>>>()?;
        records.retain(|record| record.by_time != before);
        let is_cut = records.len() > range.limit;
        records.truncate(range.limit);
        let now = self.clock.now().as_second();
        records.retain(|record| record.ttl > now);
        let events = records.into_iter().map(PastEvent::from).collect();
        Ok(Past { events, is_cut })
    }

    async fn dismiss(&self, dismissal: &Dismissal) -> StoreResult<()> {
        self.add(&dismissal.into()).await
    }

    async fn mark_seen(&self, seen: &SeenItem) -> StoreResult<()> {
        self.add(&seen.into()).await
    }

    async fn note_impressions(&self, impressions: &Impressions) -> StoreResult<()> {
        let table = self.table.name()?;
        let update = || self.client.update_item().table_name(table);
        let updates: Vec<_> =
            impressions.sets().map(|set| impressions_update(set, update())).collect();
        let sent = updates.into_iter().map(async |update| {
            match update.send().await {
                // A day has room for some 40,000 items: nobody saw them.
                Err(error) if error.as_service_error().is_some_and(is_full) => {
                    tracing::warn!("there are too many impressions of a day to keep them all");
                    Ok(())
                }
                sent => sent.map(drop).map_err(service_error),
            }
        });
        stream::iter(sent).buffer_unordered(CONCURRENT_WRITES).try_collect().await
    }

    async fn holds(&self, events: &[(Pseudonym, EventId)]) -> StoreResult<Vec<bool>> {
        let key =
            |(user, id): &(Pseudonym, EventId)| [user.to_string(), format!("{EVENT_PREFIX}{id}")];
        let found = self.records_at(events.iter().map(key)).await?;
        Ok(events.iter().map(|event| found.contains_key(&key(event))).collect())
    }

    async fn keep_erased_ids(&self, user: &Pseudonym) -> StoreResult<()> {
        let query = self
            .query(user, "pk = :user AND begins_with(sk, :prefix)")?
            .expression_attribute_values(":prefix", AttributeValue::S(EVENT_PREFIX.into()))
            .projection_expression("sk");
        let records = requests::all(query).await?;
        let ids = records.iter().filter_map(|record| {
            record.get("sk").and_then(|sk| sk.as_s().ok())?.strip_prefix(EVENT_PREFIX)
        });
        let until = self.clock.now().as_second().saturating_add(self.retention.as_secs());
        let table = self.table.name()?;
        let update = || self.client.update_item().table_name(table);
        let updates = ErasedIds::of(user, ids).updates(until, update).into_iter();
        let sent = updates.map(async |update| match update.send().await {
            // An erasure that could never end would be worse than an id that is not known again.
            Err(error) if error.as_service_error().is_some_and(is_full) => {
                tracing::warn!("there are too many ids of erased events to keep them all");
                Ok(())
            }
            sent => sent.map(drop).map_err(service_error),
        });
        stream::iter(sent).buffer_unordered(CONCURRENT_WRITES).try_collect().await
    }

    async fn were_erased(&self, events: &[(Pseudonym, EventId)]) -> StoreResult<Vec<bool>> {
        let found = self.records_at(events.iter().map(erased_ids::key)).await?;
        let now = self.clock.now().as_second();
        let was_erased = |event: &(Pseudonym, EventId)| {
            let record = found.get(&erased_ids::key(event));
            record.is_some_and(|record| erased_ids::holds(record, &event.1, now))
        };
        Ok(events.iter().map(was_erased).collect())
    }

    async fn rekey(&self, keys: &Pseudonymiser, after: Option<String>) -> StoreResult<RekeyedPage> {
        self.rekey_page(keys, after).await
    }

    async fn erase(&self, user: &Pseudonym) -> StoreResult<u64> {
        let query = self.query(user, "pk = :user")?;
        let records = query.projection_expression("pk, sk, item_digests");
        let mut records = requests::all(records).await?;
        records.retain(|record| !record.get("sk").is_some_and(is_of_erased_ids));
        self.delete(records).await
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
            .projection_expression("pk, sk, item_digests");
        let page = scan.send().await.map_err(service_error)?;
        let records = self.delete(page.items.unwrap_or_default()).await?;
        let next = page.last_evaluated_key.map(|key| batch::after_key(&key)).transpose()?;
        Ok(ErasedPage { records, next })
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_dynamodb::error::ErrorMetadata;
    use crossfold_core::entities::ids::{EventId, EventType};

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
            domain_life: 0,
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
    fn a_record_that_is_full_is_told_from_other_refusals() {
        let refused = |code: &str, message: &str| {
            let metadata = ErrorMetadata::builder().code(code).message(message).build();
            is_full(&UpdateItemError::generic(metadata))
        };
        let size = "Item size to update has exceeded the maximum allowed size";
        assert!(refused("ValidationException", size));
        assert!(!refused("ValidationException", "The provided key element does not match"));
        assert!(!refused("AccessDeniedException", size));
    }

    #[test]
    fn a_record_of_items_is_no_event_and_anything_else_is_corrupt() {
        for sk in [
            "dismissed#travel#i",
            "seen#a#b#i",
            "dismissedset#a#b#0",
            "seenset#a#b#f",
            "erasedset#0",
        ] {
            let sk = AttributeValue::S(sk.into());
            let record = HashMap::from([("sk".to_owned(), sk)]);
            assert_eq!(EventRecord::parse(record).unwrap(), None);
        }
        assert!(EventRecord::parse(HashMap::<String, AttributeValue>::new()).is_err());
    }
}
