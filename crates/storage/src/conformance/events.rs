use crossfold_core::entities::consent::{
    ConsentContext, ConsentLedger, ConsentedHistory, CrossDomain, RecommendationUse,
};
use crossfold_core::entities::definition::{Definitions, DomainDefinition};
use crossfold_core::entities::event::{Event, to_millisecond};
use crossfold_core::entities::history::{Dismissal, EventPosition, MarkedBy, SeenItem};
use crossfold_core::entities::ids::{DomainId, EventId, EventType, ItemId, Pseudonym};
use crossfold_core::entities::impressions::{Exposure, ImpressionDay, Impressions};
use crossfold_core::entities::item_set::ItemDigest;
use crossfold_core::entities::ports::{Appended, PastRange, Stores};
use crossfold_core::entities::pseudonym::Pseudonymiser;
use jiff::{SignedDuration, Timestamp};

use super::{Broken, Held, checks, hold, id, together, unique, unique_domain, unique_user};

checks! { "events":
    an_event_is_stored_once,
    a_batch_is_stored_as_its_events_one_by_one_are,
    of_racing_appends_of_one_event_exactly_one_is_new,
    an_event_reads_back_as_it_was,
    an_event_is_its_id_whatever_time_it_claims,
    history_is_newest_first_and_limited,
    a_history_of_many_pages_is_whole,
    dismissals_are_kept_once_and_beside_events,
    every_dismissal_is_found_however_many_there_are,
    everything_seen_for_ever_is_found_once_beside_events,
    impressions_are_kept_once_a_day_and_beside_what_was_seen,
    older_events_are_read_on_within_bounds,
    other_users_records_are_never_seen,
    erasing_leaves_nothing_and_counts_it,
    erasing_a_domain_takes_its_records_from_every_user,
    what_is_stored_is_told_in_its_place,
    what_is_taken_forward_is_there_once,
    ids_that_were_kept_are_known_in_every_later_life_and_no_erasure_takes_them,
}

fn domain() -> DomainId {
    id(DomainId::parse, "knowledge")
}

fn event(user: &Pseudonym, event_id: &str, age_seconds: i64) -> Event {
    let now = to_millisecond(Timestamp::now());
    Event {
        event_id: id(EventId::parse, event_id),
        user: user.clone(),
        domain: domain(),
        event_type: id(EventType::parse, "view"),
        item_id: id(ItemId::parse, "item"),
        occurred_at: now - SignedDuration::from_secs(age_seconds),
        received_at: now,
        domain_life: 0,
        value: None,
        dwell_seconds: None,
    }
}

fn dismissal(user: &Pseudonym, item: &str) -> Dismissal {
    Dismissal {
        user: user.clone(),
        by_domain: domain(),
        domain: domain(),
        item_id: id(ItemId::parse, item),
    }
}

async fn a_batch_is_stored_as_its_events_one_by_one_are(stores: &Stores) -> Held {
    let user = unique_user();
    let events: Vec<Event> = (0..230).map(|at| event(&user, &format!("e{at}"), at)).collect();
    stores.events.append(&events[7]).await?;
    let mut batch = events.clone();
    batch.push(events[3].clone());
    let answers = stores.events.append_all(&batch).await?;
    let new = |at: usize| answers.get(at) == Some(&Appended::New);
    let are_new = (0..230).filter(|at| new(*at)).count();
    // Of the event that is in the batch twice, either one is the new one.
    hold!(are_new + usize::from(new(230)) == 229, "{are_new} of 230 events are new");
    hold!(!new(7), "an event that was there is new");
    let again = stores.events.append_all(&batch).await?;
    hold!(again == vec![Appended::Duplicate; 231], "a batch that was there is new");
    hold!(stores.events.append_all(&[]).await?.is_empty(), "nothing has answers");
    let stored = stores.events.erase(&user).await?;
    hold!(stored == 230, "{stored} records of 230 events");
    Ok(())
}

/// What may be seen of a user's history, with every consent that it takes.
async fn evidence(
    stores: &Stores,
    user: &Pseudonym,
    limit: usize,
) -> Result<ConsentedHistory, Broken> {
    let history = stores.events.history(user, limit).await?;
    let definition: DomainDefinition = serde_json::from_value(serde_json::json!({
        "name": "Knowledge", "currency": "EUR", "event_types": { "view": { "weight": 1.0 } },
    }))
    .map_err(|error| Broken(error.to_string()))?;
    let definitions = Definitions::from([(domain(), definition)]);
    let context = ConsentContext {
        ledger: &ConsentLedger::default(),
        definitions: &definitions,
        now: Timestamp::now(),
    };
    let request = RecommendationUse {
        user,
        display: &domain(),
        target: &domain(),
        cross_domain: CrossDomain::ByConsent,
    };
    Ok(ConsentedHistory::for_recommendation(&history, context, &request))
}

async fn append_all(stores: &Stores, events: Vec<Event>) -> Result<Vec<Appended>, Broken> {
    let calls = events.into_iter().map(|event| {
        let store = stores.events.clone();
        async move { store.append(&event).await }
    });
    together(calls).await
}

async fn dismiss_all(stores: &Stores, dismissals: Vec<Dismissal>) -> Held {
    let calls = dismissals.into_iter().map(|dismissal| {
        let store = stores.events.clone();
        async move { store.dismiss(&dismissal).await }
    });
    together(calls).await.map(drop)
}

async fn an_event_is_stored_once(stores: &Stores) -> Held {
    let user = unique_user();
    let event = event(&user, "e", 60);
    let first = stores.events.append(&event).await?;
    hold!(first == Appended::New, "the first append answered {first:?}");
    let second = stores.events.append(&event).await?;
    hold!(second == Appended::Duplicate, "the second append answered {second:?}");
    let mut changed = event.clone();
    changed.item_id = id(ItemId::parse, "another");
    let third = stores.events.append(&changed).await?;
    hold!(third == Appended::Duplicate, "an append with other content answered {third:?}");
    let found = evidence(stores, &user, 10).await?;
    hold!(found.events() == [event], "history holds {:?}", found.events());
    Ok(())
}

async fn of_racing_appends_of_one_event_exactly_one_is_new(stores: &Stores) -> Held {
    const ROUNDS: usize = 10;
    const RACERS: usize = 32;
    let user = unique_user();
    for round in 0..ROUNDS {
        let event = event(&user, &format!("e{round}"), 60);
        let answers = append_all(stores, vec![event; RACERS]).await?;
        let new = answers.iter().filter(|answer| **answer == Appended::New).count();
        hold!(new == 1, "{new} of {RACERS} racing appends were new");
    }
    let found = evidence(stores, &user, RACERS).await?.events().len();
    hold!(found == ROUNDS, "{found} events were stored, not {ROUNDS}");
    Ok(())
}

async fn an_event_reads_back_as_it_was(stores: &Stores) -> Held {
    let user = unique_user();
    let mut event = event(&user, "e #1/ü, 课程", 60);
    event.item_id = id(ItemId::parse, "课程#1/a \"b\" \\ 'c'");
    event.value = "12345678901234567890.0100".parse().ok();
    event.dwell_seconds = Some(u32::MAX);
    stores.events.append(&event).await?;
    let found = evidence(stores, &user, 10).await?;
    hold!(found.events() == [event.clone()], "{event:?} came back as {:?}", found.events());
    let value = found.events()[0].value.map(|value| value.to_string());
    hold!(value.as_deref() == Some("12345678901234567890.0100"), "the value became {value:?}");
    Ok(())
}

async fn an_event_is_its_id_whatever_time_it_claims(stores: &Stores) -> Held {
    let user = unique_user();
    let first = event(&user, "e", 60);
    let answer = stores.events.append(&first).await?;
    hold!(answer == Appended::New, "the first append answered {answer:?}");
    for age in [0, 59, 61, 100_000] {
        let resent = Event { occurred_at: event(&user, "e", age).occurred_at, ..first.clone() };
        let answer = stores.events.append(&resent).await?;
        hold!(answer == Appended::Duplicate, "resent with another time it is {answer:?}");
    }
    let other = Event { event_id: id(EventId::parse, "e2"), ..first.clone() };
    let answer = stores.events.append(&other).await?;
    hold!(answer == Appended::New, "another id at the same time is {answer:?}");
    let of_another = Event { user: unique_user(), ..first.clone() };
    let answer = stores.events.append(&of_another).await?;
    hold!(answer == Appended::New, "the same id of another user is {answer:?}");
    let found = evidence(stores, &user, 10).await?;
    hold!(found.events() == [first, other], "history holds {:?}", found.events());
    Ok(())
}

async fn history_is_newest_first_and_limited(stores: &Stores) -> Held {
    let user = unique_user();
    // Times whose shortest texts do not sort as the times do.
    let start: Timestamp = to_millisecond(Timestamp::now()) - SignedDuration::from_hours(1);
    let start = start - SignedDuration::from_millis(i64::from(start.subsec_millisecond()));
    let at = |index: i64| start + SignedDuration::from_millis(index * 50);
    let mut events: Vec<Event> = (0..40)
        .map(|index| Event { occurred_at: at(index), ..event(&user, &format!("e{index}"), 0) })
        .collect();
    append_all(stores, events.clone()).await?;
    events.reverse();
    for limit in [0, 1, 7, 40, 1_000] {
        let found = evidence(stores, &user, limit).await?;
        let expected = &events[..limit.min(events.len())];
        hold!(found.events() == expected, "limit {limit} gave {:?}", found.events());
    }
    Ok(())
}

async fn a_history_of_many_pages_is_whole(stores: &Stores) -> Held {
    // Above 1 MB altogether, the most that one page of DynamoDB holds.
    const EVENTS: i64 = 1_800;
    let user = unique_user();
    let long = "x".repeat(100);
    let mut events: Vec<Event> = (0..EVENTS)
        .map(|index| Event {
            item_id: id(ItemId::parse, &format!("item-{long}")),
            ..event(&user, &format!("{index}-{long}"), index + 1)
        })
        .collect();
    append_all(stores, events.clone()).await?;
    events.sort_by_key(|event| std::cmp::Reverse(event.occurred_at));
    for limit in [1_700, 5_000] {
        let found = evidence(stores, &user, limit).await?;
        let expected = &events[..limit.min(events.len())];
        hold!(found.events() == expected, "limit {limit} gave {} events", found.events().len());
    }
    Ok(())
}

async fn dismissals_are_kept_once_and_beside_events(stores: &Stores) -> Held {
    let user = unique_user();
    let (shunned, odd) = ("shunned", "课程#1/a");
    let dismissals =
        vec![dismissal(&user, shunned), dismissal(&user, shunned), dismissal(&user, odd)];
    dismiss_all(stores, dismissals).await?;
    let event = event(&user, "e", 60);
    stores.events.append(&event).await?;
    let found = evidence(stores, &user, 1).await?;
    hold!(found.events() == [event], "dismissals crowd out events: {:?}", found.events());
    for item in [shunned, odd] {
        let is_there = found.is_dismissed(&domain(), &id(ItemId::parse, item));
        hold!(is_there, "the dismissal of {item} is not there");
    }
    let wrong = found.is_dismissed(&domain(), &id(ItemId::parse, "other"));
    hold!(!wrong, "an item that was not dismissed is");
    let erased = stores.events.erase(&user).await?;
    hold!(erased == 3, "a repeated dismissal is stored twice: {erased} records");
    Ok(())
}

/// More than any bound of earlier versions.
const MANY: usize = 2_100;

async fn every_dismissal_is_found_however_many_there_are(stores: &Stores) -> Held {
    let user = unique_user();
    let items: Vec<String> = (0..MANY).map(|index| format!("i{index:06}")).collect();
    let twice = items.iter().chain(&items[..9]);
    dismiss_all(stores, twice.map(|item| dismissal(&user, item)).collect()).await?;
    let found = evidence(stores, &user, 1).await?;
    let is_there = |item: &&String| found.is_dismissed(&domain(), &id(ItemId::parse, item));
    let count = items.iter().filter(is_there).count();
    hold!(count == MANY, "{count} of {MANY} dismissals are there");
    let count = found.dismissed().count();
    hold!(count == MANY, "{count} items are dismissed, not {MANY}");
    let erased = stores.events.erase(&user).await?;
    hold!(erased == MANY as u64, "{erased} dismissals were erased");
    Ok(())
}

async fn everything_seen_for_ever_is_found_once_beside_events(stores: &Stores) -> Held {
    let user = unique_user();
    let marks = (0..MANY).map(|index| SeenItem {
        item_id: id(ItemId::parse, &format!("课程#{index:06}")),
        ..SeenItem::of(&event(&user, "e", 60))
    });
    let marks: Vec<SeenItem> = marks.collect();
    let calls = [&marks[..], &marks[..9]].concat().into_iter().map(|mark| {
        let store = stores.events.clone();
        async move { store.mark_seen(&mark).await }
    });
    together(calls).await?;
    stores.events.append(&event(&user, "e", 60)).await?;
    stores.events.dismiss(&dismissal(&user, "shunned")).await?;
    let found = evidence(stores, &user, 1).await?;
    hold!(found.events().len() == 1, "what was seen crowds out events: {:?}", found.events());
    hold!(found.is_dismissed(&domain(), &id(ItemId::parse, "shunned")), "a dismissal is missing");
    let is_there = |mark: &&SeenItem| found.is_seen_for_ever(&domain(), &mark.item_id);
    let count = marks.iter().filter(is_there).count();
    hold!(count == MANY, "{count} of {MANY} items are there");
    let count = found.seen().count();
    hold!(count == MANY, "{count} items were seen, not {MANY}");
    let erased = stores.events.erase(&user).await?;
    hold!(erased == MANY as u64 + 2, "{erased} events and items were erased");
    let left = evidence(stores, &user, 1).await?.seen().count();
    hold!(left == 0, "{left} seen items are left");
    Ok(())
}

/// Impressions of a user on a day of their own domain.
fn impressions(user: &Pseudonym, day: &str, (exposure, items): (Exposure, &[&str])) -> Impressions {
    let by = MarkedBy { user: user.clone(), by_domain: domain(), domain: domain() };
    let of = ImpressionDay { by, day: id(str::parse, day), exposure };
    let mut impressions = Impressions::default();
    impressions.add(of, items.iter().map(|item| ItemDigest::of(&id(ItemId::parse, item))));
    impressions
}

async fn impressions_are_kept_once_a_day_and_beside_what_was_seen(stores: &Stores) -> Held {
    let user = unique_user();
    let shown = impressions(&user, "2026-11-28", (Exposure::Shown, &["a", "b"]));
    let mut all = shown.clone();
    all.merge(impressions(&user, "2026-11-29", (Exposure::Shown, &["b"])));
    all.merge(impressions(&user, "2026-11-29", (Exposure::Taken, &["b"])));
    for impressions in [&shown, &all, &all] {
        stores.events.note_impressions(impressions).await?;
    }
    stores.events.note_impressions(&Impressions::default()).await?;
    stores.events.mark_seen(&SeenItem::of(&event(&user, "e", 60))).await?;
    let found = evidence(stores, &user, 1).await?;
    hold!(*found.impressions() == all, "other impressions: {:?}", found.impressions());
    hold!(found.seen().count() == 1, "what was seen is not there");
    let erased = stores.events.erase(&user).await?;
    hold!(erased == 5, "{erased} items were erased, not 5");
    let left = stores.events.history(&user, 1).await?.records();
    hold!(left == 0, "{left} are left");
    Ok(())
}

async fn older_events_are_read_on_within_bounds(stores: &Stores) -> Held {
    const EVENTS: usize = 30;
    let user = unique_user();
    let start = event(&user, "e", 3_600).occurred_at;
    // Three at each instant, which their ids alone put in order.
    let at = |index: usize| start - SignedDuration::from_secs((index / 3) as i64);
    let events: Vec<Event> = (0..EVENTS)
        .map(|index| Event {
            occurred_at: at(index),
            item_id: id(ItemId::parse, &format!("i{index:02}")),
            ..event(&user, &format!("e{:02}", EVENTS - index), 0)
        })
        .collect();
    append_all(stores, events.clone()).await?;
    let whole = stores.events.history(&user, EVENTS + 1).await?;
    hold!(whole.cut().is_none(), "a whole history is cut at {:?}", whole.cut());
    for (known, since, limit) in [(7, EVENTS, 99), (7, 18, 99), (7, EVENTS, 5), (1, EVENTS, 29)] {
        let history = stores.events.history(&user, known).await?;
        let position = EventPosition::of(&events[known - 1]);
        hold!(history.cut() == Some(&position), "{known} events end at {:?}", history.cut());
        let range = PastRange { before: position, since: at(since - 1), limit };
        let past = stores.events.past(&user, &range).await?;
        let found: Vec<ItemDigest> = past.events.iter().map(|event| event.item).collect();
        let expected = events[known..since].iter().take(limit);
        let expected: Vec<ItemDigest> = expected.map(|e| ItemDigest::of(&e.item_id)).collect();
        hold!(found == expected, "{} events before {known}, not {}", found.len(), expected.len());
        let is_more = since - known > limit;
        hold!(past.is_cut == is_more, "that there is more is said to be {}", past.is_cut);
        let first = past.events.first().map(|e| (&e.domain, &e.event_type, e.occurred_at));
        let wanted = (&events[known].domain, &events[known].event_type, at(known));
        hold!(first == Some(wanted), "an older event is read as {first:?}");
    }
    let of_nobody = PastRange { before: EventPosition::of(&events[0]), since: start, limit: 9 };
    let past = stores.events.past(&unique_user(), &of_nobody).await?;
    hold!(past.events.is_empty() && !past.is_cut, "an unknown user has {past:?}");
    Ok(())
}

async fn other_users_records_are_never_seen(stores: &Stores) -> Held {
    let user = unique_user();
    let longer = id(Pseudonym::parse, &format!("{user}2"));
    stores.events.append(&event(&longer, "theirs", 60)).await?;
    stores.events.dismiss(&dismissal(&longer, "theirs")).await?;
    let found = evidence(stores, &user, 10).await?;
    hold!(found.events().is_empty(), "an unknown user has {:?}", found.events());
    let seen = found.is_dismissed(&domain(), &id(ItemId::parse, "theirs"));
    hold!(!seen, "another user's dismissal is seen");
    let erased = stores.events.erase(&user).await?;
    hold!(erased == 0, "erasing an unknown user erased {erased} records");
    let kept = evidence(stores, &longer, 10).await?.events().len();
    hold!(kept == 1, "erasing one user touched another");
    Ok(())
}

async fn erasing_a_domain_takes_its_records_from_every_user(stores: &Stores) -> Held {
    let (gone, users) = (unique_domain(), [unique_user(), unique_user()]);
    for user in &users {
        stores.events.append(&event(user, "kept", 60)).await?;
        stores.events.dismiss(&dismissal(user, "kept")).await?;
        let others: Vec<Event> = (0..30)
            .map(|index| Event { domain: gone.clone(), ..event(user, &format!("e{index}"), 60) })
            .collect();
        append_all(stores, others).await?;
        stores.events.dismiss(&Dismissal { domain: gone.clone(), ..dismissal(user, "of") }).await?;
        stores
            .events
            .dismiss(&Dismissal { by_domain: gone.clone(), ..dismissal(user, "by") })
            .await?;
        let seen = SeenItem::of(&event(user, "e", 60));
        stores.events.mark_seen(&seen).await?;
        let shown = impressions(user, "2026-11-28", (Exposure::Shown, &["a"]));
        stores.events.note_impressions(&shown).await?;
        for (of, items) in shown.sets() {
            let by = MarkedBy { domain: gone.clone(), ..of.by.clone() };
            let mut of_it = Impressions::default();
            of_it.add(ImpressionDay { by, ..of.clone() }, items.iter());
            stores.events.note_impressions(&of_it).await?;
        }
        for item in ["a", "b", "c", "d"] {
            let of_it = SeenItem { item_id: id(ItemId::parse, item), ..seen.clone() };
            let of_it = SeenItem { domain: gone.clone(), by_domain: gone.clone(), ..of_it };
            stores.events.mark_seen(&of_it).await?;
        }
    }
    for expected in [74, 0] {
        let (mut records, mut next) = (0, None);
        loop {
            let page = stores.events.erase_domain(&gone, next).await?;
            (records, next) = (records + page.records, page.next);
            if next.is_none() {
                break;
            }
        }
        hold!(records == expected, "{records} records were erased, not {expected}");
    }
    for user in &users {
        let left = evidence(stores, user, 100).await?;
        hold!(left.events().len() == 1, "{} events are left", left.events().len());
        let kept = left.is_dismissed(&domain(), &id(ItemId::parse, "kept"));
        let by = left.is_dismissed(&domain(), &id(ItemId::parse, "by"));
        hold!(kept && !by, "the wrong dismissals are left");
        let seen = left.seen().count();
        hold!(seen == 1, "{seen} seen items are left, not that of the other domain");
        let shown = left.impressions().len();
        hold!(shown == 1, "{shown} items are left that were shown, not that of the other domain");
    }
    Ok(())
}

async fn what_is_stored_is_told_in_its_place(stores: &Stores) -> Held {
    let (user, other) = (unique_user(), unique_user());
    append_all(stores, (0..120).map(|at| event(&user, &format!("e{at}"), at)).collect()).await?;
    let mut asked: Vec<(Pseudonym, EventId)> =
        (0..240).map(|at| (user.clone(), id(EventId::parse, &format!("e{at}")))).collect();
    asked.push((other, id(EventId::parse, "e1")));
    asked.push(asked[3].clone());
    let mut expected: Vec<bool> = (0..240).map(|at| at < 120).collect();
    expected.extend([false, true]);
    hold!(stores.events.holds(&asked).await? == expected, "the wrong events are stored");
    hold!(stores.events.holds(&[]).await?.is_empty(), "nothing was asked for and answered");
    Ok(())
}

/// Keys of two versions that no other check has data of.
fn rotated_keys() -> Result<Pseudonymiser, Broken> {
    let keys = [7_001, 7_002].map(|version| (version, unique("key").into_bytes().into()));
    Pseudonymiser::new("conformance", 7_002, keys.into()).map_err(|e| Broken(e.to_string()))
}

async fn what_is_taken_forward_is_there_once(stores: &Stores) -> Held {
    let keys = rotated_keys()?;
    let old = id(Pseudonym::parse, &unique("v7001_user")).in_life(2);
    let (new, stranger) = (keys.forward(&old), unique_user());
    for user in [&old, &stranger] {
        append_all(stores, (0..60).map(|at| event(user, &format!("e{at}"), at + 9)).collect())
            .await?;
        stores.events.dismiss(&dismissal(user, "shunned")).await?;
        stores.events.mark_seen(&SeenItem::of(&event(user, "e", 1))).await?;
        let shown = impressions(user, "2026-11-28", (Exposure::Shown, &["a"]));
        stores.events.note_impressions(&shown).await?;
    }
    let first = event(&old.own(), "of the first life", 99);
    stores.events.append(&first).await?;
    stores.events.keep_erased_ids(&old.own()).await?;
    stores.events.erase(&old.own()).await?;
    // One was sent again after the rotation: the newer one stands.
    stores.events.append(&event(&new, "e0", 1)).await?;
    stores.events.dismiss(&dismissal(&new, "shunned")).await?;
    let again = impressions(&new, "2026-11-28", (Exposure::Shown, &["b"]));
    stores.events.note_impressions(&again).await?;
    // 63 of the life, and the record of an id that was erased with another one.
    for expected in [64, 0] {
        let (mut found, mut next) = (0, None);
        loop {
            let page = stores.events.rekey(&keys, next).await?;
            found += page.found.get(&7_001).copied().unwrap_or_default();
            next = page.next;
            if next.is_none() {
                break;
            }
        }
        hold!(found == expected, "{found} records were found, not {expected}");
    }
    let known = stores.events.were_erased(&[(new.clone(), first.event_id)]).await?;
    hold!(known == [true], "an erased id is forgotten");
    let left = stores.events.history(&old, 100).await?.records();
    hold!(left == 0, "{left} records are left under the earlier form");
    let moved = evidence(stores, &new, 100).await?;
    let events = moved.events();
    hold!(events.len() == 60, "{} events were moved, not 60", events.len());
    hold!(events.iter().all(|event| event.user == new), "an event is another user's");
    let newer = events.iter().find(|event| event.event_id.as_str() == "e0");
    let newest = events.iter().map(|event| event.occurred_at).max();
    hold!(newer.map(|event| event.occurred_at) == newest, "the newer of two did not stand");
    hold!(moved.is_dismissed(&domain(), &id(ItemId::parse, "shunned")), "no dismissal");
    hold!(moved.seen().count() == 1, "what was seen is not there once");
    let shown = impressions(&new, "2026-11-28", (Exposure::Shown, &["a", "b"]));
    hold!(*moved.impressions() == shown, "impressions: {:?}", moved.impressions());
    let others = stores.events.history(&stranger, 100).await?.records();
    hold!(others == 63, "{others} records of another user are left");
    let held = stores.events.holds(&[(new.clone(), id(EventId::parse, "e7"))]).await?;
    hold!(held == [true], "a moved event would be new again");
    stores.events.erase(&new).await?;
    Ok(())
}

async fn ids_that_were_kept_are_known_in_every_later_life_and_no_erasure_takes_them(
    stores: &Stores,
) -> Held {
    let (user, other) = (unique_user(), unique_user());
    let event_id = |at: usize| id(EventId::parse, &format!("e{at}"));
    stores.events.keep_erased_ids(&user).await?;
    let asked = |life: u32| -> Vec<(Pseudonym, EventId)> {
        (0..240).map(|at| (user.in_life(life), event_id(at))).collect()
    };
    hold!(!stores.events.were_erased(&asked(1)).await?.contains(&true), "nothing was erased");
    for life in [0, 1] {
        let in_life = user.in_life(life);
        let ids = (0..60).map(|at| format!("e{}", 60 * life + at));
        append_all(stores, ids.map(|event_id| event(&in_life, &event_id, 9)).collect()).await?;
        for expected in [60, 0] {
            stores.events.keep_erased_ids(&in_life).await?;
            let erased = stores.events.erase(&in_life).await?;
            hold!(erased == expected, "{erased} records were erased, not {expected}");
        }
    }
    let expected: Vec<bool> = (0..240).map(|at| at < 120).collect();
    for life in [1, 2] {
        let told = stores.events.were_erased(&asked(life)).await?;
        hold!(told == expected, "the wrong ids are known in life {life}");
    }
    let of_other = stores.events.were_erased(&[(other.in_life(1), event_id(1))]).await?;
    hold!(of_other == [false], "an id of another user is known");
    let left = stores.events.history(&user, 100).await?.records();
    hold!(left == 0, "{left} records are left");
    hold!(stores.events.were_erased(&[]).await?.is_empty(), "nothing was asked for");
    Ok(())
}

async fn erasing_leaves_nothing_and_counts_it(stores: &Stores) -> Held {
    let user = unique_user();
    let events: Vec<Event> =
        (0..60).map(|index| event(&user, &format!("e{index}"), index + 1)).collect();
    append_all(stores, events.clone()).await?;
    dismiss_all(stores, (0..5).map(|index| dismissal(&user, &format!("i{index}"))).collect())
        .await?;
    let erased = stores.events.erase(&user).await?;
    hold!(erased == 65, "{erased} records were erased, not 65");
    let left = stores.events.history(&user, 100).await?.len();
    hold!(left == 0, "{left} events are left");
    let dismissed = evidence(stores, &user, 1).await?;
    let left = dismissed.is_dismissed(&domain(), &id(ItemId::parse, "i0"));
    hold!(!left, "a dismissal is left");
    let again = stores.events.erase(&user).await?;
    hold!(again == 0, "erasing again erased {again} records");
    let answer = stores.events.append(&events[0]).await?;
    hold!(answer == Appended::New, "an erased event is still known");
    Ok(())
}
