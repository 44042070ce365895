use bytes::Bytes;
use crossfold_core::entities::ports::{
    ETag, Object, ObjectStore, PutCondition, StoreError, Stores,
};

use super::{Broken, Held, checks, hold, together, unique};

checks! { "objects":
    an_object_reads_back_as_it_was,
    an_absent_object_is_absent,
    a_plain_put_replaces,
    a_put_that_wants_absence_never_replaces,
    a_put_that_names_a_version_replaces_that_one_alone,
    of_racing_puts_that_want_absence_exactly_one_wins,
    of_racing_puts_that_name_a_version_exactly_one_wins,
    readers_of_a_changing_object_never_see_a_part,
    an_unchanged_object_is_not_read_again,
    keys_may_be_odd,
    listing_is_in_order_and_by_prefix,
    a_long_listing_is_whole,
    deleting_is_final_and_may_be_repeated,
    a_large_object_survives,
}

async fn expect(store: &dyn ObjectStore, key: &str) -> Result<Object, Broken> {
    store.get(key).await?.ok_or_else(|| Broken(format!("{key} is not there")))
}

async fn put(store: &dyn ObjectStore, key: &str, text: &str) -> Result<ETag, Broken> {
    let etag = store.put(key, Bytes::from(text.to_owned()), PutCondition::None).await?;
    etag.ok_or_else(|| Broken(format!("a plain put of {key} failed a condition")))
}

/// Puts different texts under one key at once and gives the winners, each with
/// its text.
async fn race(
    stores: &Stores,
    key: &str,
    condition: &PutCondition,
    racers: usize,
) -> Result<Vec<(String, ETag)>, Broken> {
    let calls = (0..racers).map(|racer| {
        let (store, key, condition) = (stores.objects.clone(), key.to_owned(), condition.clone());
        let text = format!("{}-{racer}", unique("racer"));
        async move {
            let etag = store.put(&key, Bytes::from(text.clone()), condition).await?;
            Ok::<_, StoreError>(etag.map(|etag| (text, etag)))
        }
    });
    Ok(together(calls).await?.into_iter().flatten().collect())
}

async fn an_object_reads_back_as_it_was(stores: &Stores) -> Held {
    let store = &*stores.objects;
    for bytes in [Bytes::new(), Bytes::from_static(b"\x00\xff\r\n"), Bytes::from(vec![7; 70_000])] {
        let key = unique("conformance/read");
        let etag = store.put(&key, bytes.clone(), PutCondition::None).await?;
        let found = expect(store, &key).await?;
        hold!(found.bytes == bytes, "{} bytes came back as {}", bytes.len(), found.bytes.len());
        hold!(Some(&found.etag) == etag.as_ref(), "put gave {etag:?}, get {:?}", found.etag);
    }
    Ok(())
}

async fn an_absent_object_is_absent(stores: &Stores) -> Held {
    let key = unique("conformance/absent");
    let found = stores.objects.get(&key).await?;
    hold!(found.is_none(), "an unknown object is there");
    let etag = ETag("\"00000000000000000000000000000000\"".into());
    let answer = stores.objects.get_if_changed(&key, &etag).await;
    hold!(
        matches!(answer, Err(StoreError::Refused(_))),
        "reading an absent object if changed gave {answer:?}"
    );
    let answer =
        stores.objects.put(&key, Bytes::from_static(b"x"), PutCondition::Matches(etag)).await?;
    hold!(answer.is_none(), "a version of an absent object was replaced");
    let found = stores.objects.get(&key).await?;
    hold!(found.is_none(), "a refused put stored an object");
    Ok(())
}

async fn a_plain_put_replaces(stores: &Stores) -> Held {
    let (store, key) = (&*stores.objects, unique("conformance/replace"));
    let first = put(store, &key, "first").await?;
    let second = put(store, &key, "second").await?;
    hold!(first != second, "two contents have the version {first:?}");
    let found = expect(store, &key).await?;
    hold!(found.bytes == "second" && found.etag == second, "replacing left {found:?}");
    Ok(())
}

async fn a_put_that_wants_absence_never_replaces(stores: &Stores) -> Held {
    let (store, key) = (&*stores.objects, unique("conformance/create"));
    let first = store.put(&key, Bytes::from_static(b"first"), PutCondition::Absent).await?;
    hold!(first.is_some(), "an object could not be created");
    for bytes in ["second", "first"] {
        let again = store.put(&key, Bytes::from(bytes), PutCondition::Absent).await?;
        hold!(again.is_none(), "an object was created twice");
    }
    let found = expect(store, &key).await?;
    hold!(found.bytes == "first", "a refused put left {found:?}");
    Ok(())
}

async fn a_put_that_names_a_version_replaces_that_one_alone(stores: &Stores) -> Held {
    let (store, key) = (&*stores.objects, unique("conformance/swap"));
    let first = put(store, &key, "first").await?;
    let swap = |text: &'static str, etag: &ETag| {
        store.put(&key, Bytes::from_static(text.as_bytes()), PutCondition::Matches(etag.clone()))
    };
    let second = swap("second", &first).await?;
    let Some(second) = second else {
        return Err(Broken("the right version was refused".into()));
    };
    let stale = swap("third", &first).await?;
    hold!(stale.is_none(), "an old version was replaced");
    let found = expect(store, &key).await?;
    hold!(found.bytes == "second" && found.etag == second, "a refused put left {found:?}");
    Ok(())
}

async fn of_racing_puts_that_want_absence_exactly_one_wins(stores: &Stores) -> Held {
    const ROUNDS: usize = 100;
    for round in 0..ROUNDS {
        let key = unique("conformance/race");
        let winners = race(stores, &key, &PutCondition::Absent, 2 + round % 7).await?;
        hold!(winners.len() == 1, "{} racing creations won in round {round}", winners.len());
        let found = expect(&*stores.objects, &key).await?;
        hold!(found.bytes == winners[0].0, "another's object than the winner's is stored");
    }
    Ok(())
}

async fn of_racing_puts_that_name_a_version_exactly_one_wins(stores: &Stores) -> Held {
    const ROUNDS: usize = 50;
    let key = unique("conformance/swap-race");
    let mut etag = put(&*stores.objects, &key, "start").await?;
    for round in 0..ROUNDS {
        let winners = race(stores, &key, &PutCondition::Matches(etag), 2 + round % 7).await?;
        hold!(winners.len() == 1, "{} racing swaps won in round {round}", winners.len());
        let found = expect(&*stores.objects, &key).await?;
        hold!(found.bytes == winners[0].0, "another's object than the winner's is stored");
        hold!(found.etag == winners[0].1, "the winner was given another version");
        etag = found.etag;
    }
    Ok(())
}

async fn readers_of_a_changing_object_never_see_a_part(stores: &Stores) -> Held {
    const LENGTH: usize = 300_000;
    let key = unique("conformance/whole");
    put(&*stores.objects, &key, &"0".repeat(LENGTH)).await?;
    let calls = (0..60_usize).map(|index| {
        let (store, key) = (stores.objects.clone(), key.clone());
        async move {
            if index % 3 == 0 {
                let digit = b'0' + (index % 10) as u8;
                let bytes = Bytes::from(vec![digit; LENGTH]);
                store.put(&key, bytes, PutCondition::None).await?;
                return Ok(true);
            }
            let Some(found) = store.get(&key).await? else { return Ok(false) };
            let first = found.bytes.first();
            let is_whole =
                found.bytes.len() == LENGTH && found.bytes.iter().all(|byte| Some(byte) == first);
            Ok::<_, StoreError>(is_whole)
        }
    });
    let whole = together(calls).await?;
    hold!(whole.iter().all(|is_whole| *is_whole), "a reader saw an object torn or missing");
    Ok(())
}

async fn an_unchanged_object_is_not_read_again(stores: &Stores) -> Held {
    let (store, key) = (&*stores.objects, unique("conformance/poll"));
    let first = put(store, &key, "first").await?;
    let unchanged = store.get_if_changed(&key, &first).await?;
    hold!(unchanged.is_none(), "an unchanged object was read again");
    let second = put(store, &key, "other").await?;
    let changed = store.get_if_changed(&key, &first).await?;
    let Some(changed) = changed else {
        return Err(Broken("a changed object was not read".into()));
    };
    hold!(changed.bytes == "other" && changed.etag == second, "it was read as {changed:?}");
    Ok(())
}

async fn keys_may_be_odd(stores: &Stores) -> Held {
    let store = &*stores.objects;
    let prefix = unique("conformance/odd");
    let mut keys: Vec<String> = [
        "events/domain=knowledge/date=2026-11-24/x.parquet",
        "with space and + plus",
        "课程/ünï",
        "percent%20and%2Fmore",
        "a&b;c:d?e#f@g",
        "UPPER",
        "upper",
        "dots/.hidden/..almost/x..",
        "(brackets) [square] {curly} 'quote'",
    ]
    .iter()
    .map(|name| format!("{prefix}/{name}"))
    .collect();
    for key in &keys {
        let created = store.put(key, Bytes::from(key.clone()), PutCondition::Absent).await?;
        hold!(created.is_some(), "{key} could not be created");
    }
    for key in &keys {
        let found = expect(store, key).await?;
        hold!(found.bytes == key.as_bytes(), "{key} reads as another object");
    }
    let listed = store.list(&format!("{prefix}/")).await?;
    keys.sort();
    hold!(listed == keys, "the keys are listed as {listed:?}");
    for key in &keys {
        store.delete(key).await?;
        let found = store.get(key).await?;
        hold!(found.is_none(), "{key} could not be deleted");
    }
    Ok(())
}

async fn listing_is_in_order_and_by_prefix(stores: &Stores) -> Held {
    let store = &*stores.objects;
    let prefix = unique("conformance/list");
    let names = ["b/2", "a/10", "b/10", "c", "b-1", "a/9"];
    for name in names {
        put(store, &format!("{prefix}/{name}"), name).await?;
    }
    let all = store.list(&format!("{prefix}/")).await?;
    let mut expected: Vec<_> = names.iter().map(|name| format!("{prefix}/{name}")).collect();
    expected.sort();
    hold!(all == expected, "listed {all:?}, not {expected:?}");
    let some = store.list(&format!("{prefix}/b/")).await?;
    let expected = [format!("{prefix}/b/10"), format!("{prefix}/b/2")];
    hold!(some == expected, "under b/ {some:?} is listed");
    let partial = store.list(&format!("{prefix}/b")).await?;
    hold!(partial.len() == 3, "a prefix that ends within a name lists {partial:?}");
    let none = store.list(&format!("{prefix}/z")).await?;
    hold!(none.is_empty(), "an unknown prefix lists {none:?}");
    Ok(())
}

async fn a_long_listing_is_whole(stores: &Stores) -> Held {
    // Above 1,000, the most that one page of S3 holds.
    const OBJECTS: usize = 1_050;
    let prefix = unique("conformance/long");
    let keys: Vec<String> = (0..OBJECTS).map(|index| format!("{prefix}/{index:05}")).collect();
    let calls = keys.clone().into_iter().map(|key| {
        let store = stores.objects.clone();
        async move { store.put(&key, Bytes::from_static(b"x"), PutCondition::None).await }
    });
    together(calls).await?;
    let listed = stores.objects.list(&prefix).await?;
    hold!(listed == keys, "{} of {OBJECTS} keys are listed, or out of order", listed.len());
    Ok(())
}

async fn deleting_is_final_and_may_be_repeated(stores: &Stores) -> Held {
    let (store, key) = (&*stores.objects, unique("conformance/delete"));
    put(store, &key, "x").await?;
    for _ in 0..2 {
        store.delete(&key).await?;
    }
    let found = store.get(&key).await?;
    hold!(found.is_none(), "a deleted object is still there");
    let created = store.put(&key, Bytes::from_static(b"y"), PutCondition::Absent).await?;
    hold!(created.is_some(), "a deleted object cannot be created again");
    Ok(())
}

async fn a_large_object_survives(stores: &Stores) -> Held {
    const LENGTH: usize = 12 << 20;
    let (store, key) = (&*stores.objects, unique("conformance/large"));
    let bytes: Vec<u8> = (0..LENGTH).map(|index| (index * 31 % 251) as u8).collect();
    let bytes = Bytes::from(bytes);
    store.put(&key, bytes.clone(), PutCondition::Absent).await?;
    let found = expect(store, &key).await?;
    hold!(found.bytes == bytes, "{LENGTH} bytes came back as {} others", found.bytes.len());
    store.delete(&key).await?;
    Ok(())
}
