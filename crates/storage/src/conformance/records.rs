use crossfold_core::entities::ports::{Appended, Committed, StoreError, Stores};
use crossfold_core::entities::records::RecordKind;

use super::{Held, checks, hold, together, unique};

checks! { "records":
    a_record_is_replaced_and_read_at_once,
    a_record_is_created_once,
    of_racing_creations_of_one_record_exactly_one_is_new,
    records_of_a_kind_are_listed_in_order_of_ids_and_no_others,
    the_first_records_of_a_kind_go_on_above_an_id,
    the_last_records_of_a_kind_come_first_and_go_on_below_an_id,
    a_record_is_replaced_only_when_it_is_as_expected,
    of_racing_replacements_of_one_record_exactly_one_is_made,
    a_deleted_record_is_gone_and_its_id_free,
    a_record_is_removed_only_when_it_is_as_expected,
    a_record_larger_than_an_item_is_refused_and_the_one_before_stays,
}

const KIND: RecordKind = "conformance";
const OTHER: RecordKind = "conformance-other";

fn json(text: &str) -> String {
    serde_json::json!({ "name": text, "half_life_days": 33.3, "nested": [{ "granted": true }] })
        .to_string()
}

async fn a_record_is_replaced_and_read_at_once(stores: &Stores) -> Held {
    let (records, id) = (&stores.records, unique("r"));
    for text in ["课程 \"1\"", "second", "ü"] {
        records.put(KIND, &id, json(text)).await?;
        let found = records.get(KIND, &id).await?;
        hold!(found == Some(json(text)), "{text} came back as {found:?}");
    }
    let elsewhere = records.get(OTHER, &id).await?;
    hold!(elsewhere.is_none(), "another kind has the record: {elsewhere:?}");
    Ok(())
}

async fn a_record_is_created_once(stores: &Stores) -> Held {
    let (records, id) = (&stores.records, unique("r"));
    let absent = records.get(KIND, &id).await?;
    hold!(absent.is_none(), "an unknown record is there");
    let first = records.create(KIND, &id, json("first")).await?;
    hold!(first == Appended::New, "the first creation answered {first:?}");
    let second = records.create(KIND, &id, json("second")).await?;
    hold!(second == Appended::Duplicate, "the second creation answered {second:?}");
    let found = records.get(KIND, &id).await?;
    hold!(found == Some(json("first")), "the first record came back as {found:?}");
    let other = records.create(OTHER, &id, json("other")).await?;
    hold!(other == Appended::New, "the id is taken in another kind: {other:?}");
    Ok(())
}

async fn of_racing_creations_of_one_record_exactly_one_is_new(stores: &Stores) -> Held {
    const RACERS: usize = 32;
    let id = unique("r");
    let calls = (0..RACERS).map(|racer| {
        let (store, id) = (stores.records.clone(), id.clone());
        async move { store.create(KIND, &id, json(&racer.to_string())).await }
    });
    let answers = together(calls).await?;
    let new = answers.iter().filter(|answer| **answer == Appended::New).count();
    hold!(new == 1, "{new} of {RACERS} racing creations were new");
    Ok(())
}

async fn records_of_a_kind_are_listed_in_order_of_ids_and_no_others(stores: &Stores) -> Held {
    let prefix = unique("r");
    let id = |number: usize| format!("{prefix}-{number:02}");
    for number in [7, 0, 3] {
        stores.records.put(KIND, &id(number), json(&id(number))).await?;
    }
    stores.records.put(OTHER, &id(1), json("other")).await?;
    let mut listed = stores.records.list(KIND).await?;
    listed.retain(|(found, _)| found.starts_with(&prefix));
    let expected = [0, 3, 7].map(|number| (id(number), json(&id(number))));
    hold!(listed == expected, "listed were {listed:?}");
    Ok(())
}

async fn the_first_records_of_a_kind_go_on_above_an_id(stores: &Stores) -> Held {
    // Ids that sort before those of the other checks.
    let prefix = format!("!{}", unique("r"));
    let id = |number: usize| format!("{prefix}-{number:02}");
    for number in [7, 0, 3, 5] {
        stores.records.put(KIND, &id(number), json(&id(number))).await?;
    }
    let ids = |found: Vec<(String, String)>| -> Vec<String> {
        found.into_iter().map(|(id, _)| id).filter(|id| id.starts_with(&prefix)).collect()
    };
    let first = ids(stores.records.first(KIND, Some(&prefix), 2).await?);
    hold!(first == [id(0), id(3)], "first were {first:?}");
    let above = ids(stores.records.first(KIND, Some(&id(3)), 2).await?);
    hold!(above == [id(5), id(7)], "above were {above:?}");
    let of_all = stores.records.first(KIND, None, 1).await?;
    let is_first = of_all.first().is_some_and(|(found, _)| *found <= id(0));
    hold!(is_first && of_all.len() == 1, "the first of all were {of_all:?}");
    let other = ids(stores.records.first(OTHER, None, 9).await?);
    hold!(other.is_empty(), "those of another kind were {other:?}");
    Ok(())
}

async fn the_last_records_of_a_kind_come_first_and_go_on_below_an_id(stores: &Stores) -> Held {
    // Ids that sort behind those of the other checks.
    let prefix = format!("~{}", unique("r"));
    let id = |number: usize| format!("{prefix}-{number:02}");
    for number in [7, 0, 3, 5] {
        stores.records.put(KIND, &id(number), json(&id(number))).await?;
    }
    let ids = |found: Vec<(String, String)>| -> Vec<String> {
        found.into_iter().map(|(id, _)| id).filter(|id| id.starts_with(&prefix)).collect()
    };
    let below = ids(stores.records.last(KIND, Some(&id(7)), 2).await?);
    hold!(below == [id(5), id(3)], "below the greatest were {below:?}");
    let rest = ids(stores.records.last(KIND, Some(&id(3)), 9).await?);
    hold!(rest == [id(0)], "the rest was {rest:?}");
    let first = stores.records.last(KIND, None, 1).await?;
    hold!(first.len() == 1, "of one were {} there", first.len());
    hold!(first[0].0 >= id(7), "the last was {}", first[0].0);
    let other = ids(stores.records.last(OTHER, None, 9).await?);
    hold!(other.is_empty(), "of another kind were {other:?}");
    Ok(())
}

async fn a_record_larger_than_an_item_is_refused_and_the_one_before_stays(stores: &Stores) -> Held {
    let (records, id) = (&stores.records, unique("r"));
    records.put(KIND, &id, json("first")).await?;
    let refused = records.put(KIND, &id, json(&"x".repeat(420_000))).await;
    hold!(
        matches!(refused, Err(StoreError::Refused(_))),
        "a record of 420,000 bytes answered {refused:?}"
    );
    let found = records.get(KIND, &id).await?;
    hold!(found == Some(json("first")), "the first record came back as {found:?}");
    Ok(())
}

async fn a_record_is_replaced_only_when_it_is_as_expected(stores: &Stores) -> Held {
    let (records, id) = (&stores.records, unique("r"));
    let absent = records.replace(KIND, &id, &json("first"), json("second")).await?;
    hold!(absent == Committed::Conflict, "an absent record was replaced: {absent:?}");
    let found = records.get(KIND, &id).await?;
    hold!(found.is_none(), "a replacement made {found:?}");
    records.put(KIND, &id, json("课程 \"1\"")).await?;
    let other = records.replace(KIND, &id, &json("other"), json("second")).await?;
    hold!(other == Committed::Conflict, "another record was replaced: {other:?}");
    let done = records.replace(KIND, &id, &json("课程 \"1\""), json("second")).await?;
    hold!(done == Committed::Yes, "the expected record was not replaced: {done:?}");
    let found = records.get(KIND, &id).await?;
    hold!(found == Some(json("second")), "the record came back as {found:?}");
    Ok(())
}

async fn of_racing_replacements_of_one_record_exactly_one_is_made(stores: &Stores) -> Held {
    const RACERS: usize = 32;
    let id = unique("r");
    stores.records.put(KIND, &id, json("first")).await?;
    let calls = (0..RACERS).map(|racer| {
        let (store, id) = (stores.records.clone(), id.clone());
        async move { store.replace(KIND, &id, &json("first"), json(&racer.to_string())).await }
    });
    let answers = together(calls).await?;
    let made = answers.iter().filter(|answer| **answer == Committed::Yes).count();
    hold!(made == 1, "{made} of {RACERS} racing replacements were made");
    Ok(())
}

async fn a_record_is_removed_only_when_it_is_as_expected(stores: &Stores) -> Held {
    let (records, id) = (&stores.records, unique("r"));
    let absent = records.remove(KIND, &id, &json("first")).await?;
    records.put(KIND, &id, json("first")).await?;
    let other = records.remove(KIND, &id, &json("second")).await?;
    hold!([absent, other] == [Committed::Conflict; 2], "removed: {absent:?}, {other:?}");
    let kept = records.get(KIND, &id).await?;
    hold!(kept == Some(json("first")), "another record became {kept:?}");
    let same = records.remove(KIND, &id, &json("first")).await?;
    let gone = records.get(KIND, &id).await?;
    hold!(same == Committed::Yes && gone.is_none(), "{same:?}, then {gone:?}");
    Ok(())
}

async fn a_deleted_record_is_gone_and_its_id_free(stores: &Stores) -> Held {
    let (records, id) = (&stores.records, unique("r"));
    records.put(KIND, &id, json("first")).await?;
    records.put(OTHER, &id, json("other")).await?;
    for _ in 0..2 {
        records.delete(KIND, &id).await?;
    }
    let found = records.get(KIND, &id).await?;
    hold!(found.is_none(), "a deleted record is there: {found:?}");
    let other = records.get(OTHER, &id).await?;
    hold!(other == Some(json("other")), "another kind's record became {other:?}");
    let again = records.create(KIND, &id, json("second")).await?;
    hold!(again == Appended::New, "a deleted record's id is still taken: {again:?}");
    Ok(())
}
