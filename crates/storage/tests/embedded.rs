//! What the embedded servers promise beyond the ports.
#![expect(clippy::unwrap_used, reason = "fixtures are outside the test functions")]

use std::path::Path;

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use bytes::Bytes;
use crossfold_core::entities::event::{Event, to_millisecond};
use crossfold_core::entities::history::Dismissal;
use crossfold_core::entities::ids::{DomainId, EventId, EventType, ItemId, Pseudonym};
use crossfold_core::entities::ports::{Appended, PutCondition};
use crossfold_core::entities::pseudonym::Pseudonymiser;
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
        domain_life: 0,
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
async fn objects_without_their_tables_are_an_error_and_no_new_beginning() {
    let directory = tempfile::tempdir().unwrap();
    let embedded = Embedded::start(directory.path()).await.unwrap();
    let objects = embedded.stores().objects;
    objects.put("a/b", Bytes::from("1"), PutCondition::Absent).await.unwrap();
    drop((embedded, objects));
    drop(restart(directory.path()).await);
    for name in ["dynamodb.sqlite", "dynamodb.sqlite-wal", "dynamodb.sqlite-shm"] {
        std::fs::remove_file(directory.path().join(name)).ok();
    }
    for make in [false, true] {
        if make {
            std::fs::write(directory.path().join("dynamodb.sqlite"), "").unwrap();
        }
        let mut refused = Embedded::start(directory.path()).await.err().unwrap();
        while matches!(refused, EmbeddedError::InUse(_)) {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            refused = Embedded::start(directory.path()).await.err().unwrap();
        }
        assert!(matches!(refused, EmbeddedError::NoTables(_)), "{refused}");
    }
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

/// Every socket of this process that others can connect to.
#[cfg(target_os = "linux")]
fn listening_sockets() -> Vec<String> {
    let own: Vec<String> = std::fs::read_dir("/proc/self/fd")
        .unwrap()
        .filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok())
        .filter_map(|link| {
            let inode = link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned();
            Some(inode)
        })
        .collect();
    let mut listening = Vec::new();
    for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
        let Ok(table) = std::fs::read_to_string(table) else { continue };
        for line in table.lines().skip(1) {
            let columns: Vec<&str> = line.split_whitespace().collect();
            let (address, state, inode) = (columns[1], columns[3], columns[9]);
            if state == "0A" && own.iter().any(|own| own == inode) {
                listening.push(address.to_owned());
            }
        }
    }
    listening
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn no_socket_leads_to_the_stores() {
    // The look itself finds a socket where there is one.
    let own = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    assert_eq!(listening_sockets().len(), 1);
    drop(own);

    let directory = tempfile::tempdir().unwrap();
    let embedded = Embedded::start(directory.path()).await.unwrap();
    embedded.stores().events.append(&event("e1")).await.unwrap();
    assert_eq!(listening_sockets(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn stores_outlive_the_storage_as_errors() {
    let directory = tempfile::tempdir().unwrap();
    let embedded = Embedded::start(directory.path()).await.unwrap();
    let stores = embedded.stores();
    drop(embedded);
    let user = event("e1").user;
    assert!(stores.events.history(&user, 1).await.is_err());
    assert!(stores.objects.get("models/current.json").await.is_err());
    // Nor do they keep the directory.
    restart(directory.path()).await;
}

/// Every path under a directory, itself included, whose mode is not for its owner alone.
#[cfg(unix)]
fn open_to_others(directory: &Path) -> Vec<String> {
    use std::os::unix::fs::PermissionsExt;
    let mut found = Vec::new();
    let mut paths = vec![directory.to_owned()];
    while let Some(path) = paths.pop() {
        let metadata = std::fs::metadata(&path).unwrap();
        if metadata.is_dir() {
            paths.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        }
        let (mode, right) = (metadata.permissions().mode() & 0o777, metadata.is_dir());
        if mode != if right { 0o700 } else { 0o600 } {
            found.push(format!("{} {mode:o}", path.display()));
        }
    }
    found
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn what_is_stored_is_its_owners_alone_also_where_it_was_open_before() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let fill = async |embedded: &Embedded, key: &str| {
        let stores = embedded.stores();
        stores.events.append(&event(key)).await.unwrap();
        stores.objects.put(key, Bytes::from("rows"), PutCondition::None).await.unwrap();
    };
    let embedded = Embedded::start(&data).await.unwrap();
    fill(&embedded, "events/domain=knowledge/a.parquet").await;
    assert_eq!(open_to_others(&data), Vec::<String>::new());
    drop(embedded);

    let mut paths = vec![data.clone()];
    while let Some(path) = paths.pop() {
        let is_directory = path.is_dir();
        let wide = if is_directory { 0o755 } else { 0o644 };
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(wide)).unwrap();
        if is_directory {
            paths.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        }
    }
    assert!(!open_to_others(&data).is_empty());
    let embedded = restart(&data).await;
    fill(&embedded, "events/domain=auto/b.parquet").await;
    assert_eq!(open_to_others(&data), Vec::<String>::new());
}

/// The files under a directory that hold one of these texts. The stores are at work
/// meanwhile: a file that they have taken away since it was listed holds nothing.
fn files_with(directory: &Path, texts: &[String]) -> Vec<String> {
    let mut found = Vec::new();
    let mut paths = vec![directory.to_owned()];
    while let Some(path) = paths.pop() {
        if path.is_dir() {
            paths.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            continue;
        }
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => panic!("{}: {error}", path.display()),
        };
        for text in texts {
            if bytes.windows(text.len()).any(|window| window == text.as_bytes()) {
                found.push(format!("{text} in {}", path.display()));
            }
        }
    }
    found
}

/// Carries a stream away, as its reader does once it has handled it.
fn carry(embedded: &Embedded, table: &str) {
    let tail = embedded.stream_tail();
    while let Some(last) = tail.records_after(table, None, 1_000).unwrap().last() {
        let last = last.sequence_number().unwrap().to_owned();
        if tail.trim(table, &last).unwrap() == 0 {
            return;
        }
    }
}

/// Waits until the files were scrubbed by themselves.
async fn until_scrubbed(directory: &Path) {
    for _ in 0..600 {
        if !directory.join("scrub-due").exists() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("the files stay unscrubbed");
}

/// Stores much of one user among much of others, some of whom are erased again: then rows
/// are moved from page to page, and copies of them are left where they were.
async fn user_among_others(embedded: &Embedded) -> (Pseudonym, Vec<String>) {
    let stores = embedded.stores();
    let erased = Pseudonym::parse("v1_theErasedUsersPseudonym").unwrap();
    let mut state = 7_u64;
    let mut below = |bound: u64| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % bound
    };
    let other = |name: u64| Pseudonym::parse(&format!("v1_{name}-other")).unwrap();
    let mut events = Vec::new();
    for index in 0..4_000 {
        let (user, id) = match below(17) {
            0 => (erased.clone(), "rawEventId"),
            _ => (other(below(300)), "kept"),
        };
        let length = usize::try_from(below(100)).unwrap();
        events.push(Event { user, ..event(&format!("{id}-{index}-{}", "x".repeat(length))) });
    }
    for batch in events.chunks(500) {
        stores.events.append_all(batch).await.unwrap();
    }
    for name in (0..300).step_by(3) {
        stores.events.erase(&other(name)).await.unwrap();
    }
    for single in [0, 300] {
        let id = EventId::parse(&format!("rawEventId-single-{single}")).unwrap();
        let event = Event { event_id: id, user: erased.clone(), ..event("e") };
        stores.events.append(&event).await.unwrap();
        let domain = event.domain.clone();
        let dismissal = Dismissal {
            user: erased.clone(),
            by_domain: domain.clone(),
            domain,
            item_id: ItemId::parse(&format!("dismissedItem-{single}")).unwrap(),
        };
        stores.events.dismiss(&dismissal).await.unwrap();
    }
    let telling = ["v1_theErasedUsersPseudonym", "rawEventId", "dismissedItem"];
    (erased, telling.map(str::to_owned).to_vec())
}

#[tokio::test(flavor = "multi_thread")]
async fn no_byte_of_the_directory_tells_of_what_was_erased() {
    let directory = tempfile::tempdir().unwrap();
    let embedded = Embedded::start(directory.path()).await.unwrap();
    let table = embedded.storage_config().events_table.name().unwrap();
    let (erased, telling) = user_among_others(&embedded).await;
    assert!(!files_with(directory.path(), &telling).is_empty());
    embedded.stores().events.erase(&erased).await.unwrap();
    carry(&embedded, table);
    until_scrubbed(directory.path()).await;
    assert_eq!(files_with(directory.path(), &telling), Vec::<String>::new());
    // The others stay.
    assert!(!files_with(directory.path(), &["kept-".to_owned()]).is_empty());
    let kept = Pseudonym::parse("v1_1-other").unwrap();
    assert!(!embedded.stores().events.history(&kept, 10).await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_for_it_has_what_was_erased_gone_when_it_is_answered() {
    let directory = tempfile::tempdir().unwrap();
    let embedded = Embedded::start(directory.path()).await.unwrap();
    let table = embedded.storage_config().events_table.name().unwrap();
    let (erased, telling) = user_among_others(&embedded).await;
    embedded.stores().events.erase(&erased).await.unwrap();
    carry(&embedded, table);
    embedded.scrub().await.unwrap();
    assert_eq!(files_with(directory.path(), &telling), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scrub_that_an_end_kept_from_happening_is_made_up_for_at_the_next_start() {
    let directory = tempfile::tempdir().unwrap();
    let embedded = Embedded::start(directory.path()).await.unwrap();
    let table = embedded.storage_config().events_table.name().unwrap().to_owned();
    let (erased, telling) = user_among_others(&embedded).await;
    embedded.stores().events.erase(&erased).await.unwrap();
    carry(&embedded, &table);
    drop(embedded);
    assert!(directory.path().join("scrub-due").exists());
    let embedded = restart(directory.path()).await;
    until_scrubbed(directory.path()).await;
    assert_eq!(files_with(directory.path(), &telling), Vec::<String>::new());
    drop(embedded);
}

fn rotated_keys() -> Pseudonymiser {
    let keys = [1, 2].map(|version| (version, vec![7; 32].into_boxed_slice()));
    Pseudonymiser::new("t", 2, keys.into()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_moved_record_holds_in_sets_is_united_with_what_is_there() {
    let directory = tempfile::tempdir().unwrap();
    let embedded = Embedded::start(directory.path()).await.unwrap();
    let client = aws_sdk_dynamodb::Client::new(embedded.sdk_config());
    let table = embedded.storage_config().events_table.name().unwrap();
    let old = Pseudonym::parse("v1_u").unwrap();
    let new = rotated_keys().forward(&old);
    let text = |text: &str| AttributeValue::S(text.to_owned());
    let set = |members: &[&str]| {
        AttributeValue::Bs(members.iter().map(|member| Blob::new(member.as_bytes())).collect())
    };
    for (user, sk, members) in
        [(&old, "marks", ["a", "b"]), (&new, "marks", ["b", "c"]), (&old, "others", ["d", "e"])]
    {
        let put = client.put_item().table_name(table).item("pk", text(user.as_str()));
        let put = put.item("sk", text(sk)).item("of", text("knowledge"));
        put.item("members", set(&members)).send().await.unwrap();
    }
    let page = embedded.stores().events.rekey(&rotated_keys(), None).await.unwrap();
    assert_eq!((page.found, page.next), ([(1, 2)].into(), None));
    let left = client.scan().table_name(table).send().await.unwrap().items.unwrap();
    let mut left: Vec<_> = left
        .iter()
        .map(|item| {
            let mut members = item["members"].as_bs().unwrap().clone();
            members.sort_by_key(|member| member.as_ref().to_vec());
            assert_eq!((&item["pk"], &item["of"]), (&text(new.as_str()), &text("knowledge")));
            (item["sk"].as_s().unwrap().clone(), AttributeValue::Bs(members))
        })
        .collect();
    left.sort_by_key(|(sk, _)| sk.clone());
    let expected = [("marks", set(&["a", "b", "c"])), ("others", set(&["d", "e"]))];
    assert_eq!(left, expected.map(|(sk, members)| (sk.to_owned(), members)));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_was_moved_is_not_told_as_a_new_one() {
    let directory = tempfile::tempdir().unwrap();
    let embedded = Embedded::start(directory.path()).await.unwrap();
    let stores = embedded.stores();
    stores.events.append(&event("e1")).await.unwrap();
    stores.events.rekey(&rotated_keys(), None).await.unwrap();
    let table = embedded.storage_config().events_table.name().unwrap();
    let records = embedded.stream_tail().records_after(table, None, 100).unwrap();
    let told: Vec<NewEntry> =
        records.iter().filter_map(|record| record.new_entry().unwrap()).collect();
    let [NewEntry::Event(told)] = &told[..] else { panic!("{told:?}") };
    assert_eq!(told.user.as_str(), "v1_u");
}
