//! Everything that is kept of a user, looked for wherever something may lie: what proves that
//! nothing is left after an erasure.

use std::collections::{BTreeMap, BTreeSet};

use crossfold_core::archive::columns::{ColumnFile, ColumnsError};
use crossfold_core::entities::ids::Pseudonym;
use crossfold_core::entities::people::PeopleEntry;
use crossfold_core::entities::ports::{PeopleStore, StoreResult, Stores};
use crossfold_core::entities::push::PushOrder;

use crate::person_lookup::life;
use crate::{pushes, records};

/// How many records of a user there are, by where they lie: a table, or an object's key. Those of
/// a later life than the first have its pseudonym beside it. Under [`UNREADABLE`] stands how many
/// files nobody can look into: something may be left there.
pub type FoundRecords = BTreeMap<String, u64>;

/// What files that cannot be read are counted under.
pub const UNREADABLE: &str = "unreadable files";

/// How the name of an archived file ends.
const ARCHIVED: &str = ".parquet";
/// The first bytes of a Parquet file.
const PARQUET: &[u8] = b"PAR1";

/// Looks for a user in every table and every object, in all of their lives. The mark that
/// their past was erased, without which it could be told again, does not count.
///
/// # Errors
/// When a store fails, or a table holds something that cannot be read: then nobody knows.
pub async fn find_person(stores: &Stores, user: &Pseudonym) -> StoreResult<FoundRecords> {
    let own = user.own();
    let current = life(&*stores.people, &own).await?.user.life();
    let lives: BTreeSet<Pseudonym> = (0..=current).map(|life| own.in_life(life)).collect();
    let mut found = FoundRecords::new();
    let mut note = |place: &str, life: &Pseudonym, records: u64| {
        *found.entry(named(place, life)).or_default() += records;
    };
    note("people", &own.in_life(current), of_people(stores, &own).await?);
    for life in &lives {
        note("events", life, stores.events.history(life, usize::MAX).await?.records() as u64);
    }
    for life in of_pushes(stores, &lives).await? {
        note("pushes", &life, 1);
    }
    for life in of_decisions(stores, &lives).await? {
        note("decisions", &life, 1);
    }
    for key in stores.objects.list("").await? {
        let Some(object) = stores.objects.get(&key).await? else { continue };
        match of_object(&key, &object.bytes, &own, &*stores.people) {
            Ok(lives) => lives.iter().for_each(|life| note(&key, life, 1)),
            Err(error) => {
                tracing::warn!(key, %error, "a file cannot be looked into");
                note(UNREADABLE, &own, 1);
            }
        }
    }
    found.retain(|_, records| *records > 0);
    Ok(found)
}

/// A place, and whose life's it is unless that is the first.
fn named(place: &str, life: &Pseudonym) -> String {
    match life.life() {
        0 => place.to_owned(),
        _ => format!("{place} ({life})"),
    }
}

/// Entries of the user, and of people they are linked to.
async fn of_people(stores: &Stores, own: &Pseudonym) -> StoreResult<u64> {
    let (mut records, mut after) = (0, None);
    loop {
        let page = stores.people.scan(after).await?;
        let tells_of = |entry: &PeopleEntry| match entry {
            PeopleEntry::Person(person) => person.member(own).is_some(),
            PeopleEntry::Link { person, .. } => person == own,
            PeopleEntry::Erased { .. } => false,
        };
        let is_own = |id: &Pseudonym, entry: &PeopleEntry| {
            id == own && !matches!(entry, PeopleEntry::Erased { .. })
        };
        let told = page.entries.iter().filter(|s| tells_of(&s.entry) || is_own(&s.id, &s.entry));
        records += told.count() as u64;
        after = page.next;
        if after.is_none() {
            return Ok(records);
        }
    }
}

/// The lives who are to be told of something, or were, once for each record.
async fn of_pushes(stores: &Stores, lives: &BTreeSet<Pseudonym>) -> StoreResult<Vec<Pseudonym>> {
    let mut records = Vec::new();
    for (_, order) in records::list::<PushOrder>(&*stores.records).await? {
        records.extend(Some(stores.people.canonical(&order.user)).filter(|of| lives.contains(of)));
    }
    for life in lives {
        let has_log = pushes::has_log(&*stores.records, life).await?;
        records.extend(has_log.then(|| life.clone()));
    }
    Ok(records)
}

/// The lives whose decisions and outcomes there are, once for each.
async fn of_decisions(stores: &Stores, lives: &BTreeSet<Pseudonym>) -> StoreResult<Vec<Pseudonym>> {
    let (mut records, mut after) = (Vec::new(), None);
    loop {
        let page = stores.decisions.logged_of(lives, after).await?;
        records.extend(page.entries.into_iter().map(|logged| logged.user));
        after = page.next;
        if after.is_none() {
            return Ok(records);
        }
    }
}

/// The lives whose rows an archived file has, once for each row; of any other object, the first
/// one when the user's pseudonym stands anywhere in it.
fn of_object(
    key: &str,
    bytes: &bytes::Bytes,
    own: &Pseudonym,
    people: &dyn PeopleStore,
) -> Result<Vec<Pseudonym>, ColumnsError> {
    if !bytes.starts_with(PARQUET) && !key.ends_with(ARCHIVED) {
        let has = |form: Pseudonym| {
            let text = form.as_str().as_bytes();
            bytes.windows(text.len()).any(|window| window == text)
        };
        return Ok(own.forms().any(has).then(|| own.clone()).into_iter().collect());
    }
    let users = ColumnFile::open(bytes.clone()).and_then(|file| file.column::<Pseudonym>("user"));
    let users = users?.unwrap_or_default();
    let canonical = users.iter().map(|user| people.canonical(user));
    Ok(canonical.filter(|user| user.own() == *own).collect())
}

#[cfg(test)]
mod tests {
    use crossfold_core::archive::events::encode_events;
    use crossfold_core::entities::event::Event;
    use crossfold_core::entities::ids::DomainId;
    use crossfold_core::entities::ports::PutCondition;
    use jiff::Timestamp;

    use super::*;
    use crate::{erasure, memory};

    fn event(user: &str) -> Event {
        serde_json::from_value(serde_json::json!({
            "event_id": "e", "user": user, "domain": "films", "event_type": "view",
            "item_id": "i", "occurred_at": "2026-06-01T00:00:00Z",
            "received_at": "2026-06-01T00:00:00Z",
        }))
        .unwrap()
    }

    #[tokio::test]
    async fn a_user_is_found_wherever_something_is_kept_and_nowhere_once_all_is_deleted() {
        let stores = memory::stores();
        let user = Pseudonym::parse("v1_u").unwrap();
        assert_eq!(find_person(&stores, &user).await.unwrap(), FoundRecords::new());
        stores.events.append(&event("v1_u")).await.unwrap();
        stores.events.append(&event("v1_other")).await.unwrap();
        let file = encode_events(&[event("v1_u"), event("v1_other"), event("v1_u~1")]).unwrap();
        stores.objects.put("events/x.parquet", file, PutCondition::None).await.unwrap();
        let note = bytes::Bytes::from_static(b"{\"of\":\"v1_u\"}");
        stores.objects.put("note.json", note, PutCondition::None).await.unwrap();
        let file = "events/x.parquet";
        let of_next = "events/x.parquet (v1_u~1)";
        let expected = [("events", 1), (file, 1), (of_next, 1), ("note.json", 1)];
        let expected = expected.map(|(place, records)| (place.to_owned(), records)).into();
        assert_eq!(find_person(&stores, &user).await.unwrap(), expected);

        let films = DomainId::parse("films").unwrap();
        erasure::erase(&stores, (&user, &films), Timestamp::UNIX_EPOCH).await.unwrap();
        for key in ["events/x.parquet", "note.json"] {
            stores.objects.delete(key).await.unwrap();
        }
        assert_eq!(find_person(&stores, &user).await.unwrap(), FoundRecords::new());
    }

    #[tokio::test]
    async fn a_file_that_cannot_be_read_is_counted_and_keeps_nobody_from_being_found() {
        let stores = memory::stores();
        let user = Pseudonym::parse("v1_u").unwrap();
        let file = encode_events(&[event("v1_u")]).unwrap();
        let torn = [file.slice(..file.len() / 2), file.slice(file.len() / 2..)];
        for (number, torn) in torn.into_iter().enumerate() {
            let key = format!("set-aside/files/0/events/{number}.parquet");
            stores.objects.put(&key, torn, PutCondition::None).await.unwrap();
        }
        stores.objects.put("events/x.parquet", file, PutCondition::None).await.unwrap();
        let expected = [("events/x.parquet", 1), (UNREADABLE, 2)];
        let expected = expected.map(|(place, records)| (place.to_owned(), records)).into();
        assert_eq!(find_person(&stores, &user).await.unwrap(), expected);
    }
}
