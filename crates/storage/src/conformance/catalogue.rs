use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crossfold_core::entities::catalogue::{Item, ItemDetails};
use crossfold_core::entities::event::to_millisecond;
use crossfold_core::entities::ids::{DomainId, ItemId};
use crossfold_core::entities::ports::{Appended, Stores};
use jiff::{SignedDuration, Timestamp};

use super::{Broken, Held, checks, hold, id, together, unique_domain};

checks! { "catalogue":
    an_item_reads_back_as_it_was,
    an_older_put_never_replaces_a_newer_entry,
    of_racing_puts_the_newest_stands,
    an_entry_is_created_once_and_never_over_another,
    a_deleted_item_stays_as_an_entry_without_details,
    listing_finds_every_entry_of_the_domain_alone,
    changes_are_those_at_or_after_an_instant,
}

fn item(domain: &DomainId, item_id: &str, title: &str, updated_at: Timestamp) -> Item {
    let details = ItemDetails {
        title: title.into(),
        categories: vec!["c".into()],
        price: "19.90".parse().ok(),
        status: Default::default(),
        available_from: None,
        available_until: None,
        attributes: BTreeMap::from([("k".into(), "v".into())]),
    };
    Item {
        domain: domain.clone(),
        item_id: id(ItemId::parse, item_id),
        details: Some(details),
        updated_at,
    }
}

fn now() -> Timestamp {
    to_millisecond(Timestamp::now())
}

async fn put_all(stores: &Stores, items: Vec<Item>) -> Held {
    let calls = items.into_iter().map(|item| {
        let store = stores.catalogue.clone();
        async move { store.put(&item).await }
    });
    together(calls).await.map(drop)
}

fn ids(items: &[Item]) -> BTreeSet<String> {
    items.iter().map(|item| item.item_id.to_string()).collect()
}

async fn an_item_reads_back_as_it_was(stores: &Stores) -> Held {
    let domain = unique_domain();
    for item_id in ["i", "课程#1/a", "a b"] {
        let item = item(&domain, item_id, "Rust für \"alle\" 📚", now());
        let absent = stores.catalogue.get(&domain, &item.item_id).await?;
        hold!(absent.is_none(), "an unknown item is there");
        stores.catalogue.put(&item).await?;
        let found = stores.catalogue.get(&domain, &item.item_id).await?;
        hold!(found.as_ref() == Some(&item), "{item:?} came back as {found:?}");
    }
    Ok(())
}

async fn an_older_put_never_replaces_a_newer_entry(stores: &Stores) -> Held {
    let (domain, now) = (unique_domain(), now());
    let newer = item(&domain, "i", "newer", now);
    let older = item(&domain, "i", "older", now - SignedDuration::from_millis(1));
    for put in [&newer, &older] {
        stores.catalogue.put(put).await?;
    }
    let found = stores.catalogue.get(&domain, &newer.item_id).await?;
    hold!(found == Some(newer.clone()), "a late put of an older entry left {found:?}");
    let newest = item(&domain, "i", "newest", now + SignedDuration::from_millis(1));
    stores.catalogue.put(&newest).await?;
    let found = stores.catalogue.get(&domain, &newer.item_id).await?;
    hold!(found == Some(newest), "a newer put left {found:?}");
    Ok(())
}

async fn an_entry_is_created_once_and_never_over_another(stores: &Stores) -> Held {
    let (domain, now) = (unique_domain(), now());
    let version = |index: i64| {
        item(&domain, "new", &format!("t{index}"), now + SignedDuration::from_millis(index))
    };
    let calls = (0..16).map(|index| {
        let (store, item) = (stores.catalogue.clone(), version(index));
        async move { store.create(&item).await }
    });
    let created = together(calls).await?;
    let new = created.iter().filter(|answer| **answer == Appended::New).count();
    hold!(new == 1, "{new} of 16 racing calls made the entry");
    let mut deleted = item(&domain, "deleted", "t", now);
    deleted.details = None;
    stores.catalogue.put(&deleted).await?;
    let later = item(&domain, "deleted", "t", now + SignedDuration::from_secs(1));
    let answer = stores.catalogue.create(&later).await?;
    hold!(answer == Appended::Duplicate, "an entry was made over a deleted one");
    let found = stores.catalogue.get(&domain, &deleted.item_id).await?;
    hold!(found == Some(deleted.clone()), "the deleted entry became {found:?}");
    Ok(())
}

async fn of_racing_puts_the_newest_stands(stores: &Stores) -> Held {
    let (domain, now) = (unique_domain(), now());
    let version = |index: i64| {
        item(&domain, "i", &format!("t{index}"), now + SignedDuration::from_millis(index))
    };
    put_all(stores, (0..32).map(version).collect()).await?;
    let found = stores.catalogue.get(&domain, &id(ItemId::parse, "i")).await?;
    hold!(found == Some(version(31)), "racing puts left {found:?}");
    Ok(())
}

async fn a_deleted_item_stays_as_an_entry_without_details(stores: &Stores) -> Held {
    let (domain, now) = (unique_domain(), now());
    let item = item(&domain, "i", "t", now);
    stores.catalogue.put(&item).await?;
    let deleted =
        Item { details: None, updated_at: now + SignedDuration::from_secs(1), ..item.clone() };
    stores.catalogue.put(&deleted).await?;
    let found = stores.catalogue.get(&domain, &item.item_id).await?;
    hold!(found.as_ref() == Some(&deleted), "a deleted item reads as {found:?}");
    let listed = stores.catalogue.list(&domain).await?;
    hold!(listed == [deleted.clone()], "a deleted item is listed as {listed:?}");
    let back = Item { updated_at: now + SignedDuration::from_secs(2), ..item };
    stores.catalogue.put(&back).await?;
    let found = stores.catalogue.get(&domain, &back.item_id).await?;
    hold!(found == Some(back), "an item put again after its deletion reads as {found:?}");
    Ok(())
}

async fn listing_finds_every_entry_of_the_domain_alone(stores: &Stores) -> Held {
    let domain = unique_domain();
    let longer = id(DomainId::parse, &format!("{domain}2"));
    let now = now();
    let items: Vec<Item> =
        (0..300).map(|index| item(&domain, &format!("i{index}"), &"t".repeat(900), now)).collect();
    put_all(stores, items.clone()).await?;
    stores.catalogue.put(&item(&longer, "other", "t", now)).await?;
    let listed = stores.catalogue.list(&domain).await?;
    hold!(listed.len() == items.len(), "{} of {} items are listed", listed.len(), items.len());
    hold!(ids(&listed) == ids(&items), "other items are listed than were put");
    let empty = stores.catalogue.list(&unique_domain()).await?;
    hold!(empty.is_empty(), "an unknown domain lists {empty:?}");
    Ok(())
}

async fn changes_are_those_at_or_after_an_instant(stores: &Stores) -> Held {
    let (domain, now) = (unique_domain(), now());
    let at = |index: i64| now + SignedDuration::from_millis(index);
    let mut items: Vec<Item> =
        (0..40).map(|index| item(&domain, &format!("i{index}"), "t", at(index))).collect();
    items[39].details = None;
    put_all(stores, items.clone()).await?;
    let expected = ids(&items[30..]);
    let mut found = BTreeSet::new();
    // The index may lag behind the table.
    for _ in 0..50 {
        let changed = stores.catalogue.changes(&domain, at(30)).await?;
        found = ids(&changed);
        if found == expected {
            let deletion = changed.iter().find(|item| item.item_id.as_str() == "i39");
            let is_deleted = deletion.is_some_and(|item| item.details.is_none());
            hold!(is_deleted, "a deletion is not among the changes as such");
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Err(Broken(format!("changes gave {found:?}, not {expected:?}")))
}
