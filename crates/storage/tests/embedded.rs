//! What the embedded servers promise beyond the ports.
#![expect(clippy::unwrap_used, reason = "fixtures are outside the test functions")]

use std::path::Path;

use bytes::Bytes;
use crossfold_core::entities::event::{Event, to_millisecond};
use crossfold_core::entities::history::Dismissal;
use crossfold_core::entities::ids::{DomainId, EventId, EventType, ItemId, Pseudonym};
use crossfold_core::entities::ports::{Appended, PutCondition};
use crossfold_storage::aws::changes::{NewEntry, StreamRecord};
use crossfold_storage::embedded::{Embedded, EmbeddedError};
use jiff::Timestamp;

fn event(event_id: &str) -> Event {
    let now = to_millisecond(Timestamp::now());
    Event {
        event_id: EventId::parse(event_id).unwrap(),
        user: Pseudonym::parse("v1_u").unwrap(),
        domain: DomainId::parse("knowledge").unwrap(),
        event_type: EventType::parse("enrol").unwrap(),
        item_id: ItemId::parse("课程").unwrap(),
        occurred_at: now,
        received_at: now,
        value: Some("19.90".parse().unwrap()),
        dwell_seconds: Some(7),
    }
}

/// Starts on a directory whose last user has only just let go of it.
async fn restart(directory: &Path) -> Embedded {
    for _ in 0..100 {
        match Embedded::start(directory).await {
            Err(EmbeddedError::InUse(_)) => {
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
            started => return started.unwrap(),
        }
    }
    panic!("the directory stays in use");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_is_there_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let events: Vec<Event> = (0..50).map(|index| event(&format!("e{index}"))).collect();
    let embedded = Embedded::start(directory.path()).await.unwrap();
    let stores = embedded.stores();
    for event in &events {
        assert_eq!(stores.events.append(event).await.unwrap(), Appended::New);
    }
    let put = stores.objects.put("models/current.json", Bytes::from("{}"), PutCondition::Absent);
    let etag = put.await.unwrap().unwrap();
    drop(embedded);

    let embedded = restart(directory.path()).await;
    let stores = embedded.stores();
    for event in &events {
        assert_eq!(stores.events.append(event).await.unwrap(), Appended::Duplicate);
    }
    let object = stores.objects.get("models/current.json").await.unwrap().unwrap();
    assert_eq!((object.bytes, object.etag), (Bytes::from("{}"), etag));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_in_use_is_refused_by_name() {
    let directory = tempfile::tempdir().unwrap();
    let _first = Embedded::start(directory.path()).await.unwrap();
    let error = Embedded::start(directory.path()).await.err().unwrap();
    assert!(matches!(error, EmbeddedError::InUse(_)), "{error}");
    assert!(error.to_string().contains(directory.path().to_str().unwrap()), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_are_plain_files_and_what_a_crash_left_half_written_is_removed() {
    let directory = tempfile::tempdir().unwrap();
    let incoming = directory.path().join("s3/.incoming");
    std::fs::create_dir_all(&incoming).unwrap();
    std::fs::write(incoming.join("half"), "ha").unwrap();
    let embedded = Embedded::start(directory.path()).await.unwrap();
    let key = "events/domain=knowledge/date=2026-11-24/x.parquet";
    let objects = embedded.stores().objects;
    objects.put(key, Bytes::from("rows"), PutCondition::None).await.unwrap();
    assert_eq!(std::fs::read_dir(&incoming).unwrap().count(), 0);
    let bucket = embedded.storage_config().bucket.name().unwrap().to_owned();
    let path = directory.path().join("s3").join(bucket).join(key);
    assert_eq!(std::fs::read(&path).unwrap(), b"rows");
    std::fs::write(&path, "changed by hand").unwrap();
    let object = objects.get(key).await.unwrap().unwrap();
    assert_eq!(object.bytes, "changed by hand");
    assert!(objects.get_if_changed(key, &object.etag).await.unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_stream_tells_each_new_event_once_and_in_order_as_lambda_would() {
    let directory = tempfile::tempdir().unwrap();
    let embedded = Embedded::start(directory.path()).await.unwrap();
    let (stores, tail) = (embedded.stores(), embedded.stream_tail());
    let table = embedded.storage_config().events_table.name().unwrap();
    let events: Vec<Event> = (0..5).map(|index| event(&format!("e{index}"))).collect();
    let dismissal = Dismissal {
        user: events[0].user.clone(),
        by_domain: events[0].domain.clone(),
        domain: events[0].domain.clone(),
        item_id: events[0].item_id.clone(),
    };
    stores.events.dismiss(&dismissal).await.unwrap();
    for event in events.iter().chain(&events) {
        stores.events.append(event).await.unwrap();
    }

    let (mut told, mut others, mut after) = (Vec::new(), 0, None);
    loop {
        let page = tail.records_after(table, after.as_deref(), 2).unwrap();
        let Some(last) = page.last() else { break };
        after = last.sequence_number().map(str::to_owned);
        for record in page {
            assert!(record.is_new());
            match record.new_entry().unwrap() {
                Some(NewEntry::Event(event)) => told.push(event),
                Some(other) => panic!("{other:?}"),
                None => others += 1,
            }
        }
    }
    assert_eq!((told, others), (events, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trimmed_stream_goes_on_where_it_was() {
    let directory = tempfile::tempdir().unwrap();
    let embedded = Embedded::start(directory.path()).await.unwrap();
    let (stores, tail) = (embedded.stores(), embedded.stream_tail());
    let table = embedded.storage_config().events_table.name().unwrap();
    let sequence = |record: &StreamRecord| record.sequence_number().unwrap().to_owned();
    for index in 0..5 {
        stores.events.append(&event(&format!("e{index}"))).await.unwrap();
    }
    let records = tail.records_after(table, None, 100).unwrap();
    assert_eq!(tail.trim(table, &sequence(&records[1])).unwrap(), 2);
    assert_eq!(tail.records_after(table, None, 100).unwrap(), records[2..]);
    let last = sequence(&records[4]);
    assert_eq!(tail.trim(table, &last).unwrap(), 2);
    assert_eq!(tail.trim(table, &last).unwrap(), 0);
    stores.events.append(&event("next")).await.unwrap();
    let next = tail.records_after(table, Some(&last), 100).unwrap();
    assert_eq!(next.len(), 1);
    assert!(sequence(&next[0]) > last);
    // The history is another matter: trimming touches only the stream.
    assert_eq!(stores.events.history(&event("e").user, 100).await.unwrap().len(), 6);
}
