//! What counts, and what does not.

use super::*;

/// Metrics of every kind.
fn every_kind() -> Value {
    json!({
        "window_days": 7, "past_days": 2,
        "metrics": [
            {"metric": "clickers", "kind": "conversion", "of": {"outcome": "click"}},
            {"metric": "clicks", "kind": "count", "of": {"outcome": "click"}},
            {"metric": "buys", "kind": "count", "of": {"event_type": "buy"}},
            {"metric": "money", "kind": "revenue", "event_type": "buy"},
            {"metric": "rate", "kind": "ratio", "of": {"outcome": "click"}, "per": "slates"},
            {"metric": "back", "kind": "retention", "from_day": 2, "to_day": 4},
        ],
    })
}

const FIRST: i64 = 100 * DAY;

/// One user of the control, with one slate.
fn one() -> Archive {
    let mut archive = Archive::default();
    archive.slate("u", "r", "control", FIRST);
    archive
}

fn figures(archive: &Archive) -> Vec<(&'static str, f64)> {
    let report = archive.report(&experiment(every_kind()), NOW);
    let names = ["clickers", "clicks", "buys", "money", "rate", "back"];
    names
        .map(|name| (name, sums(&report, name).0))
        .into_iter()
        .filter(|(_, sum)| *sum > 0.0)
        .collect()
}

#[test]
fn each_kind_of_metric_counts_what_it_says() {
    let mut archive = one();
    archive.slate("u", "s", "control", FIRST + DAY);
    archive.click("u", "r", "f", FIRST + 1);
    archive.click("u", "s", "f", FIRST + DAY + 1);
    archive.buy("u", "e", FIRST + 5, "12.34");
    archive.buy("u", "g", FIRST + 2 * DAY, "0.66");
    let expected = [
        ("clickers", 1.0),
        ("clicks", 2.0),
        ("buys", 2.0),
        ("money", 13.0),
        ("rate", 1.0),
        ("back", 1.0),
    ];
    assert_eq!(figures(&archive), expected);
}

#[test]
fn the_window_has_its_first_and_its_last_instant() {
    for (second, counts) in
        [(FIRST - 1, false), (FIRST, true), (FIRST + 7 * DAY, true), (FIRST + 7 * DAY + 1, false)]
    {
        let mut archive = one();
        archive.click("u", "r", "f", second);
        archive.buy("u", "e", second, "1");
        let found = figures(&archive).iter().filter(|(name, _)| *name != "back").count();
        assert_eq!(found, if counts { 5 } else { 0 }, "{second}");
    }
}

#[test]
fn somebody_is_back_in_the_days_of_a_retention_alone() {
    for (day, is_back) in [(1, false), (2, true), (3, true), (4, false)] {
        let mut by_event = one();
        by_event.buy("u", "e", FIRST + day * DAY, "0").event_type = event_type("other");
        let mut by_slate = one();
        // Whatever made it.
        by_slate.slate("u", "s", "", FIRST + day * DAY);
        for archive in [by_event, by_slate] {
            assert_eq!(
                figures(&archive),
                if is_back { vec![("back", 1.0)] } else { vec![] },
                "{day}"
            );
        }
    }
    // Whose days are not over is not in it.
    let users = |now| {
        let report = one().report(&experiment(every_kind()), now);
        (metric(&report, "back").0.control.users, metric(&report, "clicks").0.control.users)
    };
    assert_eq!(users(FIRST + 4 * DAY - 1), (0, 1));
    assert_eq!(users(FIRST + 4 * DAY), (1, 1));
    assert_eq!(users(FIRST - 1), (0, 0));
}

#[test]
fn what_comes_again_counts_once() {
    let mut archive = one();
    archive.click("u", "r", "f", FIRST);
    archive.click("u", "r", "g", FIRST);
    archive.buy("u", "e", FIRST, "5");
    let expected = figures(&archive);
    assert_eq!(expected[1..4], [("clicks", 2.0), ("buys", 1.0), ("money", 5.0)]);
    archive.decisions.extend(archive.decisions.clone());
    archive.outcomes.extend(archive.outcomes.clone());
    archive.events.extend(archive.events.clone());
    assert_eq!(figures(&archive), expected);
    let report = archive.report(&experiment(every_kind()), NOW);
    let control = &report.exposures.variants[0];
    assert_eq!((control.users, control.slates), (1, 1));
}

#[test]
fn an_outcome_counts_for_the_users_own_slates_of_the_experiment() {
    let mut archive = one();
    archive.slate("u", "elsewhere", "", FIRST + 1);
    archive.slate("u", "tried", "diverse!", FIRST + 1);
    archive.slate("v", "theirs", "control", FIRST + 1);
    for slate in ["elsewhere", "tried", "theirs", "unknown"] {
        archive.click("u", slate, "f", FIRST + 2);
    }
    archive.click("u", "r", "f", FIRST + 2).kind = OutcomeKind::Impression;
    assert_eq!(figures(&archive), []);
    assert_eq!(archive.report(&experiment(every_kind()), NOW).exposures.crossed_users, 0);
}

#[test]
fn nobody_of_another_platform_or_life_or_experiment_counts() {
    let mut archive = Archive::default();
    archive.slate("a", "a", "control", FIRST).domain = domain("auto");
    archive.slate("b", "b", "control", FIRST).variant = Some("other:control".parse().unwrap());
    archive.slate("c", "c", "unknown", FIRST);
    archive.slate("d", "d", "control", FIRST).lives = [(domain("knowledge"), 1)].into();
    archive.slate("e", "e", "control", -1);
    archive.slate("f", "f", "control", NOW + 1);
    archive.slate("g", "g", "", FIRST).variant = Some("holdout".parse().unwrap());
    let report = archive.report(&experiment(every_kind()), NOW);
    assert!(report.exposures.variants.iter().all(|of| of.users == 0), "{:?}", report.exposures);
    let mut archive = one();
    archive.buy("u", "e", FIRST, "1").domain = domain("auto");
    archive.buy("u", "f", FIRST, "1").domain_life = 1;
    archive.buy("v", "g", FIRST, "1");
    archive.buy("u", "h", NOW + 1, "1");
    assert_eq!(figures(&archive), []);
}

#[test]
fn who_met_two_variants_is_counted_and_left_out() {
    let mut archive = one();
    archive.slate("u", "s", "diverse", FIRST + 1);
    archive.slate("v", "t", "diverse", FIRST);
    archive.click("u", "r", "f", FIRST + 2);
    let report = archive.report(&experiment(every_kind()), NOW);
    let users: Vec<u64> = report.exposures.variants.iter().map(|of| of.users).collect();
    assert_eq!((report.exposures.crossed_users, users), (1, vec![0, 1]));
    assert_eq!(sums(&report, "clicks"), (0.0, 0.0));
}

#[test]
fn what_was_done_before_is_beside_it() {
    let experiment = experiment(every_kind());
    let study = Study::new(&experiment, at(NOW));
    assert!(study.looks_at_decisions_again());
    let mut archive = one();
    for (id, second) in [("early", -2 * DAY - 1), ("a", -2 * DAY), ("b", -1), ("late", 0)] {
        archive.buy("u", id, FIRST + second, "2");
    }
    archive.slate("u", "old", "", FIRST - DAY);
    archive.click("u", "old", "f", FIRST - DAY);
    let observations = archive.observed(&study, 1);
    let group = super::super::observations::Group { variant: 0, allocation: 0 };
    let past: Vec<u128> =
        observations.metrics.iter().map(|metric| metric.sums(group, None).x).collect();
    // Of the ratio it is what is below the line: the slates of the window.
    assert_eq!(past, [1, 1, 2, 40_000, 1, 1]);
}

#[test]
fn days_and_segments_go_by_the_first_exposure() {
    let with = json!({"segments": ["placement", "personalised"]});
    let home = Some(crate::entities::ids::Placement::parse("home").unwrap());
    let mut archive = Archive::default();
    archive.slate("u", "b", "control", FIRST + DAY).personalised = true;
    archive.slate("u", "a", "control", FIRST + DAY - 1).placement = home;
    archive.slate("v", "c", "diverse", FIRST + DAY);
    let report = archive.report(&experiment(with), NOW);
    let days: Vec<(String, Vec<u64>)> = report
        .exposures
        .by_day
        .iter()
        .map(|of| (of.day.to_string(), of.users.values().copied().collect()))
        .collect();
    assert_eq!(
        days,
        [("1970-04-11".to_owned(), vec![1, 0]), ("1970-04-12".to_owned(), vec![0, 1])]
    );
    let segments: Vec<_> = report
        .segments
        .iter()
        .map(|of| (of.value.as_deref(), of.control.users, of.variants[0].users))
        .collect();
    assert_eq!(segments, [(None, 0, 1), (Some("home"), 1, 0), (Some("false"), 1, 1)]);
}

#[test]
fn extreme_values_are_taken_for_the_quantile_of_all() {
    let with = json!({
        "metrics": [{"metric": "money", "kind": "revenue", "event_type": "buy", "winsorised_at": 0.9}],
        "primary": "money", "segments": ["personalised"],
    });
    let mut archive = Archive::default();
    for at in 0..10 {
        let (name, variant) = (format!("u{at}"), if at < 5 { "control" } else { "diverse" });
        archive.slate(&name, &name, variant, FIRST).personalised = at == 9;
        archive.buy(&name, "e", FIRST, if at == 9 { "1000" } else { "0.0100" });
    }
    let report = archive.report(&experiment(with), NOW);
    assert_eq!(metric(&report, "money").0.winsorised_above, Some(0.01));
    assert_eq!(metric(&report, "money").1.mean, Some(0.01));
    assert_eq!(report.segments[1].variants[0].mean, Some(0.01));
}

#[test]
fn what_few_users_do_is_not_taken_for_nothing() {
    let with = json!({
        "metrics": [{"metric": "money", "kind": "revenue", "event_type": "buy", "winsorised_at": 0.9}],
        "primary": "money",
    });
    let mut archive = Archive::default();
    for at in 0..40 {
        let (name, variant) = (format!("u{at}"), if at < 20 { "control" } else { "diverse" });
        archive.slate(&name, &name, variant, FIRST);
    }
    archive.buy("u39", "e", FIRST, "20");
    let report = archive.report(&experiment(with), NOW);
    assert_eq!(metric(&report, "money").0.winsorised_above, None);
    assert_eq!(metric(&report, "money").1.mean, Some(1.0));
}
