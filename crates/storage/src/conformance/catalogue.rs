use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crossfold_core::entities::catalogue::{ChangeNumber, Item, ItemDetails};
use crossfold_core::entities::event::to_millisecond;
use crossfold_core::entities::ids::{DomainId, ItemId};
use crossfold_core::entities::ports::{Appended, Stores};
use jiff::{SignedDuration, Timestamp};

use super::{Broken, Held, checks, hold, id, together, unique_domain};

checks! { "catalogue":
    an_item_reads_back_as_it_was,
    a_later_put_stands_whatever_the_clocks_say,
    of_racing_puts_the_one_with_the_greatest_number_stands,
    an_entry_is_created_once_and_never_over_another,
    a_deleted_item_stays_as_an_entry_without_details,
    listing_finds_every_entry_of_the_domain_alone,
    changes_are_those_from_a_number_on,
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
        offer: serde_json::from_value(serde_json::json!({
            "kind": "loan", "annual_rate": "0.05", "terms_months": [12, 36],
        }))
        .ok(),
    };
    Item {
        domain: domain.clone(),
        item_id: id(ItemId::parse, item_id),
        details: Some(details),
        updated_at,
        change: ChangeNumber::default(),
    }
}

fn now() -> Timestamp {
    to_millisecond(Timestamp::now())
}

/// Puts entries by calls that race each other; gives them as the store has them.
async fn put_each(stores: &Stores, items: Vec<Item>) -> Result<Vec<Item>, Broken> {
    let calls = items.into_iter().map(|item| {
        let store = stores.catalogue.clone();
        async move { store.put(&item).await.map(|change| by(change, &item)) }
    });
    together(calls).await
}

/// The entry as the store has it once it was put by a change.
fn by(change: ChangeNumber, item: &Item) -> Item {
    Item { change, ..item.clone() }
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
        let change = stores.catalogue.put(&item).await?;
        let found = stores.catalogue.get(&domain, &item.item_id).await?;
        hold!(found == Some(by(change, &item)), "{item:?} came back as {found:?}");
    }
    Ok(())
}

async fn a_later_put_stands_whatever_the_clocks_say(stores: &Stores) -> Held {
    let (domain, now) = (unique_domain(), now());
    let mut last = ChangeNumber::default();
    // Clocks that were set back, that stand still, and that run ahead.
    for hours in [0, -24, -24, 0, 24 * 365, 1] {
        let put = item(&domain, "i", &format!("{hours}"), now + SignedDuration::from_hours(hours));
        let change = stores.catalogue.put(&put).await?;
        hold!(change > last, "{change:?} came after {last:?}");
        last = change;
        let found = stores.catalogue.get(&domain, &put.item_id).await?;
        hold!(found == Some(by(change, &put)), "a put {hours} h from the first left {found:?}");
    }
    Ok(())
}

async fn an_entry_is_created_once_and_never_over_another(stores: &Stores) -> Held {
    let (domain, now) = (unique_domain(), now());
    let calls = (0..16).map(|index| {
        let (store, domain) = (stores.catalogue.clone(), domain.clone());
        let item = item(&domain, "new", &format!("t{index}"), now);
        async move { store.create_all(&domain, &[item]).await }
    });
    let created = together(calls).await?;
    let new = created.iter().filter(|answer| answer[..] == [Appended::New]).count();
    hold!(new == 1, "{new} of 16 racing calls made the entry");
    let mut deleted = item(&domain, "deleted", "t", now);
    deleted.details = None;
    let change = stores.catalogue.put(&deleted).await?;
    let both = [item(&domain, "deleted", "t", now), item(&domain, "other", "t", now)];
    let answers = stores.catalogue.create_all(&domain, &both).await?;
    let expected = [Appended::Duplicate, Appended::New];
    hold!(answers == expected, "creating over a deleted entry and none answered {answers:?}");
    let found = stores.catalogue.get(&domain, &deleted.item_id).await?;
    hold!(found == Some(by(change, &deleted)), "the deleted entry became {found:?}");
    Ok(())
}

async fn of_racing_puts_the_one_with_the_greatest_number_stands(stores: &Stores) -> Held {
    let (domain, now) = (unique_domain(), now());
    let version = |index: i64| item(&domain, "i", &format!("t{index}"), now);
    let put = put_each(stores, (0..32).map(version).collect()).await?;
    let distinct: BTreeSet<_> = put.iter().map(|item| item.change).collect();
    hold!(distinct.len() == 32, "32 calls have {} numbers", distinct.len());
    let expected = put.into_iter().max_by_key(|item| item.change);
    let found = stores.catalogue.get(&domain, &id(ItemId::parse, "i")).await?;
    hold!(found == expected, "racing puts left {found:?}");
    Ok(())
}

async fn a_deleted_item_stays_as_an_entry_without_details(stores: &Stores) -> Held {
    let (domain, now) = (unique_domain(), now());
    let item = item(&domain, "i", "t", now);
    stores.catalogue.put(&item).await?;
    let deleted = Item { details: None, ..item.clone() };
    let change = stores.catalogue.put(&deleted).await?;
    let found = stores.catalogue.get(&domain, &item.item_id).await?;
    hold!(found == Some(by(change, &deleted)), "a deleted item reads as {found:?}");
    let listed = stores.catalogue.list(&domain).await?;
    hold!(listed == [by(change, &deleted)], "a deleted item is listed as {listed:?}");
    let change = stores.catalogue.put(&item).await?;
    let found = stores.catalogue.get(&domain, &item.item_id).await?;
    hold!(found == Some(by(change, &item)), "an item put again reads as {found:?}");
    Ok(())
}

async fn listing_finds_every_entry_of_the_domain_alone(stores: &Stores) -> Held {
    let domain = unique_domain();
    let longer = id(DomainId::parse, &format!("{domain}2"));
    let now = now();
    let items: Vec<Item> =
        (0..300).map(|index| item(&domain, &format!("i{index}"), &"t".repeat(900), now)).collect();
    stores.catalogue.put_all(&domain, &items).await?;
    stores.catalogue.put(&item(&longer, "other", "t", now)).await?;
    let listed = stores.catalogue.list(&domain).await?;
    hold!(listed.len() == items.len(), "{} of {} items are listed", listed.len(), items.len());
    hold!(ids(&listed) == ids(&items), "other items are listed than were put");
    let empty = stores.catalogue.list(&unique_domain()).await?;
    hold!(empty.is_empty(), "an unknown domain lists {empty:?}");
    Ok(())
}

async fn changes_are_those_from_a_number_on(stores: &Stores) -> Held {
    let (domain, now) = (unique_domain(), now());
    let some = |numbers: std::ops::Range<usize>| -> Vec<Item> {
        numbers.map(|number| item(&domain, &format!("i{number}"), "t", now)).collect()
    };
    stores.catalogue.put_all(&domain, &some(0..20)).await?;
    // Of an earlier time than what is known: the number tells, and not the clock.
    let mut late = some(10..40);
    late.iter_mut().for_each(|item| item.updated_at -= SignedDuration::from_hours(24));
    late[29].details = None;
    let since = stores.catalogue.put_all(&domain, &late).await?;
    let expected = ids(&late);
    let mut found = BTreeSet::new();
    // The index may lag behind the table.
    for _ in 0..50 {
        let changed = stores.catalogue.changes(&domain, since).await?;
        found = ids(&changed);
        if found == expected {
            let deletion = changed.iter().find(|item| item.item_id.as_str() == "i39");
            let is_deleted = deletion.is_some_and(|item| item.details.is_none());
            hold!(is_deleted, "a deletion is not among the changes as such");
            let later = stores.catalogue.changes(&domain, ChangeNumber(since.0 + 1)).await?;
            hold!(later.is_empty(), "nothing was changed later, but {later:?}");
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Err(Broken(format!("changes gave {found:?}, not {expected:?}")))
}
