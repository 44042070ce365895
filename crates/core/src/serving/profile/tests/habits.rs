use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::*;

#[test]
fn evenings_are_found_by_the_declared_clock_and_across_midnight() {
    let mut around = Around::new();
    for day in 0..30 {
        // 14:30 and 17:10 UTC, in turns; twenty events of each session are one.
        let at = day * 3 * DAY + [14 * HOUR + 1_800, 17 * HOUR + 600][day as usize % 2];
        for event in 0..20 {
            around.did("view", event as usize, at + event);
        }
    }
    let hours = around.habits().active_hours.unwrap();
    assert_eq!((hours.finding.from_hour, hours.finding.until_hour), (14, 18));
    assert_eq!((hours.finding.sessions, hours.evidence.events), (30, Some(600)));
    assert!(hours.text.contains("UTC"), "{}", hours.text);
    around.declared.insert(UTC_OFFSET.into(), "+08:00".into());
    let hours = around.habits().active_hours.unwrap().finding;
    assert_eq!((hours.from_hour, hours.until_hour), (22, 2));
    assert_eq!(hours.utc_offset, "+08:00");
    let mean = hours.mean_hour.unwrap();
    assert!((23.7..24.0).contains(&mean), "between 22:30 and 1:10: {mean}");
}

#[test]
fn hours_that_are_all_alike_lie_in_the_middle_of_the_window_and_are_counted() {
    let mut around = Around::new();
    for day in 0..9 {
        around.did("view", 1, day * DAY + 21 * HOUR + day * 300);
    }
    let hours = around.habits().active_hours.unwrap();
    assert_eq!((hours.finding.from_hour, hours.finding.until_hour), (19, 23));
    assert_eq!(hours.text, "Mostly active from 19:00 to 23:00 (UTC): 9 of 9 sessions");
    assert!(hours.finding.share.value < 1.0, "the estimate is drawn to what is usual");
}

#[test]
fn who_comes_seldom_is_told_by_the_year() {
    let comes = |days: i64| {
        let mut around = Around::new();
        (0..3).for_each(|at| {
            around.did("view", 1, NOW - days * DAY + at * DAY);
        });
        around.habits().pace.unwrap().text
    };
    assert_eq!(comes(14), "Comes 1.8 times a week");
    assert_eq!(comes(350), "Comes 3.7 times a year");
    let mut around = Around::new();
    (0..3).for_each(|at| {
        around.did("view", 1, NOW - 500 * DAY + at * DAY);
    });
    assert_eq!(around.habits().pace, None, "who has not come for a year");
}

#[test]
fn weekends_and_single_days_are_found() {
    let mut around = Around::new();
    for week in 0..12 {
        // Saturdays and Sundays.
        around.did("view", 1, (2 + 7 * week) * DAY + 9 * HOUR);
        around.did("view", 2, (3 + 7 * week) * DAY + 15 * HOUR);
    }
    let weekdays = around.habits().active_weekdays.unwrap();
    assert_eq!(weekdays.finding.weekdays, [6, 7]);
    assert!(weekdays.finding.weekend.low > 0.5, "{weekdays:?}");
    assert_eq!(weekdays.text, "Mostly active on Saturdays and Sundays (UTC), of 24 days");
}

/// People of no habits, all of whose times are drawn evenly.
fn people_without_habits(count: u64, sessions: usize) -> impl Iterator<Item = Around> {
    (0..count).map(move |seed| {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut around = Around::new();
        for _ in 0..sessions {
            around.did("view", random.random_range(0..20), random.random_range(0..300 * DAY));
        }
        around
    })
}

#[test]
fn of_people_without_habits_hardly_any_is_told_of() {
    for sessions in [8, 20, 60, 300] {
        let told: Vec<Habits> =
            people_without_habits(300, sessions).map(|around| around.habits()).collect();
        let hours = told.iter().filter(|habits| habits.active_hours.is_some()).count();
        let weekdays = told.iter().filter(|habits| habits.active_weekdays.is_some()).count();
        assert!(hours <= 15, "{hours} of 300, {sessions} sessions");
        assert!(weekdays <= 24, "{weekdays} of 300, {sessions} sessions");
    }
}

#[test]
fn a_session_ends_after_half_an_hour_and_lasts_as_long_as_was_spent() {
    let mut around = Around::new();
    for day in 0..6i64 {
        around.did("view", 1, day * DAY);
        around.did("view", 2, day * DAY + 29 * 60);
        // A lecture of forty minutes, and something else ten minutes after it.
        around.did("view", 3, day * DAY + 12 * HOUR).dwell_seconds = Some(2_400);
        around.did("view", 4, day * DAY + 12 * HOUR + 3_000);
        // Alone, with no time spent: a session without a length.
        around.did("view", 5, day * DAY + 18 * HOUR);
    }
    let sessions = around.habits().sessions.unwrap().finding;
    assert_eq!((sessions.sessions, sessions.measured), (18, 12));
    assert_eq!((sessions.minutes.value, sessions.minutes.high), (29.0, 50.0));
}

#[test]
fn what_may_yet_be_finished_is_counted_neither_way() {
    let mut around = Around::new();
    let began = NOW - 100 * DAY;
    for number in 0..8 {
        around.did("enrol", number, began + number as i64 * DAY);
    }
    for number in 0..6 {
        around.did("finish", number, began + (number as i64 + 5) * DAY);
        around.did("finish", number, began + (number as i64 + 9) * DAY);
    }
    around.did("enrol", 10, NOW - 3 * DAY);
    let habits = around.habits();
    let completion = habits.completion.unwrap();
    let Completion { share, completed, started, open } = completion.finding;
    assert_eq!((completed, started, open), (6, 8, 1));
    assert!(share.low < 0.5 && share.value > 0.7 && share.high < 0.95, "{share:?}");
    assert_eq!(completion.text, "Finished 6 of 8 started; 1 more open");
    let days = habits.pace.unwrap().finding.days_to_complete.unwrap();
    assert_eq!(days.value, 5.0);
}

#[test]
fn where_no_type_completes_nothing_is_told_of_completion() {
    let mut around = Around::new();
    for definition in around.definitions.values_mut() {
        definition.event_types.values_mut().for_each(|kind| kind.steps.clear());
    }
    (0..10).for_each(|number| {
        around.did("enrol", number, number as i64 * DAY);
    });
    assert_eq!(around.habits().completion, None);
}

#[test]
fn ten_thousand_events_give_narrow_intervals_and_the_same_profile_in_whatever_order() {
    let mut around = Around::new();
    for at in 0..10_000i64 {
        around.did("view", at as usize % 20, (at / 40) * DAY + 18 * HOUR + (at % 40) * 30);
    }
    let profile = around.profile();
    let hours = around.habits().active_hours.unwrap().finding;
    assert!(hours.share.low > 0.9, "{hours:?}");
    let mut reversed = around.clone();
    reversed.events.reverse();
    assert_eq!(reversed.profile(), profile);
}
