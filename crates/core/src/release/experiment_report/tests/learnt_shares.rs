//! Experiments whose shares follow what is learnt.

use super::*;
use crate::entities::experiment::lifecycle::Allocation;
use crate::entities::experiment::slots::Share;

const FIRST: i64 = 10 * DAY;
/// Since when the shares number 1 hold.
const LEARNT: i64 = 20 * DAY;

fn learning() -> Experiment {
    let mut made = experiment(json!({
        "bandit_floor": 0.1, "past_days": 14,
        "metrics": [
            {"metric": "clickers", "kind": "conversion", "of": {"outcome": "click"}},
            {"metric": "buys", "kind": "count", "of": {"event_type": "buy"}},
        ],
    }));
    let share = |buckets| Share::of_buckets(buckets).unwrap();
    made.allocations =
        vec![Allocation { since: at(LEARNT), shares: vec![share(1_000), share(9_000)] }];
    made
}

#[test]
fn a_user_is_another_one_under_each_allocation_and_does_nothing_twice() {
    let mut archive = Archive::default();
    archive.slate("u", "r", "control@0", FIRST);
    archive.slate("u", "s", "diverse@1", LEARNT);
    archive.slate("v", "t", "control@7", LEARNT);
    archive.click("u", "r", "f", LEARNT + 1);
    archive.buy("u", "before", LEARNT - 1, "1");
    archive.buy("u", "after", LEARNT, "1");
    let report = archive.report(&learning(), NOW);
    let users: Vec<u64> = report.exposures.variants.iter().map(|of| of.users).collect();
    assert_eq!((users, report.exposures.crossed_users), (vec![1, 1], 0));
    assert_eq!(sums(&report, "clickers"), (1.0, 0.0));
    assert_eq!(sums(&report, "buys"), (1.0, 1.0));
}

/// Both variants are alike, and everybody does better of late, when nearly all have `diverse`.
fn better_of_late() -> Archive {
    let mut archive = Archive::default();
    let mut add = |name: String, variant: &str, second: i64, clicks: bool| {
        archive.slate(&name, &name, variant, second);
        if clicks {
            archive.click(&name, &name, "f", second);
        }
    };
    for number in 0..1_000 {
        let first = if number < 500 { "control@0" } else { "diverse@0" };
        add(format!("a{number}"), first, FIRST, number % 10 == 0);
        let second = if number < 100 { "control@1" } else { "diverse@1" };
        add(format!("b{number}"), second, LEARNT, number % 2 == 0);
    }
    archive
}

#[test]
fn what_changed_with_the_shares_is_no_effect() {
    let report = better_of_late().report(&learning(), NOW);
    let (of, variant) = metric(&report, "clickers");
    let comparison = variant.comparison.as_ref().unwrap();
    assert!((of.control.mean.unwrap() - 0.3).abs() < 1e-12);
    assert!((variant.mean.unwrap() - 0.3).abs() < 1e-12);
    assert!(comparison.absolute.estimate.abs() < 1e-12);
    assert!(comparison.adjusted.is_none());
    let ratio = report.sample_ratio.as_ref().unwrap();
    assert!(!ratio.is_alarm && ratio.p > 0.9, "{ratio:?}");
    let expected: Vec<f64> = ratio.expected.values().copied().collect();
    assert!((expected[0] - 0.3).abs() < 1e-12 && (expected[1] - 0.7).abs() < 1e-12);
    // The same records, as if the shares had stayed as they were.
    let mut fixed = learning();
    fixed.definition.bandit_floor = None;
    let report = better_of_late().report(&fixed, NOW);
    let plain = metric(&report, "clickers").1.comparison.as_ref().unwrap().absolute.estimate;
    assert!(plain > 0.15, "{plain}");
    assert!(report.sample_ratio.unwrap().is_alarm);
}
