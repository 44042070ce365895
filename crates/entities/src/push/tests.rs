use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::ids::UserId;
use crate::pseudonym::Pseudonymiser;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn event(user: &str, id: &str) -> Event {
    Event {
        event_id: EventId::parse(id).unwrap(),
        user: Pseudonym::parse(user).unwrap(),
        domain: DomainId::parse("learn").unwrap(),
        event_type: EventType::parse("complete").unwrap(),
        item_id: ItemId::parse("i").unwrap(),
        occurred_at: at(0),
        received_at: at(1),
        domain_life: 0,
        value: None,
        dwell_seconds: None,
    }
}

fn order(campaign: &str, number: usize, due: i64) -> PushOrder {
    let campaign = CampaignId::parse(campaign).unwrap();
    let event = event("v1_u", &format!("e{number}"));
    let keys = BTreeMap::from([(1, vec![7; 32].into_boxed_slice())]);
    let keys = Pseudonymiser::new("t", 1, keys).unwrap();
    let push_id = PushId::of(&campaign, &event);
    PushOrder {
        sealed_user: keys.seal(&UserId::parse("mei").unwrap(), push_id.as_str()),
        push_id,
        user: event.user.clone(),
        domain: event.domain.clone(),
        domain_life: 0,
        campaign,
        event: (&event).into(),
        due_at: at(due),
        first_due_at: at(due),
        failures: 0,
    }
}

fn caps(times: u8, days: u8) -> Caps {
    Caps { of_all: FrequencyCap::new(times, days).unwrap(), of_campaign: None }
}

#[test]
fn a_push_is_told_from_those_of_other_users_campaigns_and_events() {
    let campaign = CampaignId::parse("c").unwrap();
    let same = PushId::of(&campaign, &event("v1_u", "e"));
    assert_eq!(same, PushId::of(&campaign, &event("v1_u", "e")));
    for other in [
        PushId::of(&CampaignId::parse("d").unwrap(), &event("v1_u", "e")),
        PushId::of(&campaign, &event("v1_v", "e")),
        PushId::of(&campaign, &event("v1_u", "f")),
        PushId::of(&CampaignId::parse("c2").unwrap(), &event("v1_u", "e")),
    ] {
        assert_ne!(same, other);
    }
}

#[test]
fn orders_come_in_the_order_in_which_they_are_due() {
    let ids = [order("a", 1, 59), order("b", 2, 60), order("a", 3, 1_800_000_000)].map(|o| o.id());
    let mut sorted = ids.clone();
    sorted.sort();
    assert_eq!(ids, sorted);
    assert_eq!(ids[1].due_at(), Some(at(60)));
    let fraction = Timestamp::from_millisecond(60_999).unwrap();
    assert_eq!(order("b", 2, 0).put_off(fraction).id(), ids[1]);
    assert_eq!(PushOrderId::parse("x").unwrap().due_at(), None);
}

#[test]
fn an_event_that_comes_twice_orders_nothing_twice() {
    let mut log = PushLog::new(DomainId::parse("learn").unwrap());
    let first = order("a", 1, 60);
    // With another time, as of a sender that tells none.
    let again = order("a", 1, 61);
    let id = Ok(first.id());
    assert_eq!((log.order(&first, at(0)), log.order(&again, at(0))), (id.clone(), id));
    // Put off, it waits under one id, and both while that is being changed.
    let later = first.clone().put_off(at(200));
    log.will_wait(&later.id());
    assert_eq!(log.waiting, [first.id(), later.id()]);
    log.waits_as(&later.id(), &first.push_id);
    assert_eq!(log.order(&first, at(0)), Ok(later.id()));
    log.settle(&first, false, at(60));
    assert_eq!(log.order(&first, at(60)), Err(NotOrdered::Settled));
    assert!(log.waiting.is_empty());
    for number in 0..MAX_WAITING {
        log.order(&order("a", 10 + number, 60), at(60)).unwrap();
    }
    assert_eq!(log.order(&order("a", 99, 60), at(60)), Err(NotOrdered::TooMany));
    // Those that were noted and never recorded keep nobody out for ever.
    let much_later = at(60 + 5 * 86_400);
    assert!(log.order(&order("a", 99, 60 + 5 * 86_400), much_later).is_ok());
}

#[test]
fn who_is_handed_a_push_again_after_a_failure_counts_once_and_who_surely_never_is_not_at_all() {
    let mut log = PushLog::new(DomainId::parse("learn").unwrap());
    let (first, second) = (order("a", 1, 60), order("a", 2, 60));
    assert_eq!(log.claim(&first, caps(1, 7), at(60)), Claim::New);
    assert_eq!(log.claim(&first, caps(1, 7), at(90)), Claim::Standing);
    assert_eq!(log.claim(&second, caps(1, 7), at(90)), Claim::Refused);
    log.release(&first.push_id);
    assert_eq!(log.claim(&second, caps(1, 7), at(200)), Claim::New);
    // It may have arrived.
    log.settle(&second, false, at(200));
    assert_eq!(log.claim(&second, caps(9, 7), at(200)), Claim::Settled);
    assert_eq!(log.claim(&first, caps(1, 7), at(200)), Claim::Refused);
    // What was settled is not taken back, and whoever was told in the end counts.
    log.release(&second.push_id);
    let third = order("a", 3, 60);
    log.settle(&third, false, at(200));
    log.settle(&third, true, at(201));
    assert_eq!(log.known.iter().filter(|known| known.told).count(), 2);
}

#[test]
fn two_logs_of_one_user_are_one() {
    let learn = DomainId::parse("learn").unwrap();
    let (mut one, mut other) = (PushLog::new(learn.clone()), PushLog::new(learn));
    let (first, second, third) = (order("a", 1, 60), order("a", 2, 60), order("a", 3, 60));
    assert_eq!(one.claim(&first, caps(9, 7), at(60)), Claim::New);
    one.order(&second, at(60)).unwrap();
    other.settle(&first, false, at(50));
    other.order(&second, at(60)).unwrap();
    other.order(&third, at(60)).unwrap();
    one.merge(other);
    assert_eq!(one.waiting, [second.id(), third.id()]);
    let [known] = &one.known[..] else { panic!("{one:?}") };
    assert!(known.told && known.settled);
}

#[test]
fn a_campaign_has_its_own_bound_within_that_of_all() {
    let mut log = PushLog::new(DomainId::parse("learn").unwrap());
    let of_campaign = FrequencyCap::new(1, 30);
    let both = Caps { of_campaign, ..caps(2, 7) };
    let day = 86_400;
    for (campaign, number, second, expected) in [
        ("a", 1, 0, Claim::New),
        ("a", 2, 1, Claim::Refused),
        ("b", 3, 2, Claim::New),
        ("c", 4, 3, Claim::Refused),
        ("c", 5, 8 * day, Claim::New),
        ("a", 6, 9 * day, Claim::Refused),
        ("a", 7, 31 * day, Claim::New),
    ] {
        let order = order(campaign, number, 0);
        assert_eq!(log.claim(&order, both, at(second)), expected, "{campaign} {second}");
    }
}

proptest! {
    #[test]
    fn what_is_forgotten_lets_nobody_be_told_more_often(
        drawn in prop::collection::vec((0i64..45 * 86_400, 0usize..3, any::<bool>()), 0..150),
        times in 1u8..=10, days in 1u8..=30, of_campaign in prop::option::of((1u8..=10, 1u8..=30)),
    ) {
        let mut drawn = drawn;
        drawn.sort_unstable();
        let of_campaign = of_campaign.and_then(|(times, days)| FrequencyCap::new(times, days));
        let caps = Caps { of_campaign, ..caps(times, days) };
        let learn = DomainId::parse("learn").unwrap();
        let (mut kept, mut trimmed) = (PushLog::new(learn.clone()), PushLog::new(learn));
        for (number, (second, campaign, is_shown)) in drawn.into_iter().enumerate() {
            let order = order(["a", "b", "c"][campaign], number, second);
            let now = at(second);
            let claim = kept.claim(&order, caps, now);
            prop_assert_eq!(trimmed.claim(&order, caps, now), claim);
            if claim == Claim::New && !is_shown {
                kept.release(&order.push_id);
                trimmed.release(&order.push_id);
            }
            trimmed.settle(&order, false, now);
            let told = trimmed.known.iter().filter(|known| known.told).count();
            prop_assert!(told <= 4 * 10 + 20, "{told} are kept");
        }
    }
}
