//! What is measured is what is served, the real way.

#![allow(clippy::unwrap_used)] // A test may stop at the first surprise.

use std::fmt::Write as _;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::*;

const PEOPLE: usize = 400;
const ITEMS: usize = 60;
const TASTES: usize = 6;

/// A CSV of people, each with a taste of theirs, who took some items of it and others.
fn csv(people: std::ops::Range<usize>, taken: usize, seed: u64) -> String {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut text = "user_id,item_id\n".to_owned();
    for person in people {
        for _ in 0..taken {
            let any = rng.random_range(0..ITEMS);
            let liked = any / TASTES * TASTES + person % TASTES;
            // Some items are taken more often, whatever the taste.
            let item =
                if rng.random_bool(0.8) { liked } else { any.min(rng.random_range(0..ITEMS)) };
            writeln!(text, "p{person},i{item}").unwrap();
        }
    }
    text
}

/// What is given, without a search: both sides then fit the same.
fn order() -> RunOrder {
    let options = AlsOptions {
        factors: 8,
        iterations: 8,
        unobserved_weight: 0.1,
        regularisation: 0.01,
        ..AlsOptions::default()
    };
    options.into()
}

fn is_within_a_hundredth(served: f64, measured: f64) -> bool {
    (served - measured).abs() <= 0.01 * measured
}

#[tokio::test(flavor = "multi_thread")]
async fn held_out_people_of_one_domain_are_served_what_the_laboratory_measures() {
    let directory = tempfile::tempdir().unwrap();
    let (train, test) = (directory.path().join("train.csv"), directory.path().join("test.csv"));
    std::fs::write(&train, csv(0..PEOPLE, 6, 1)).unwrap();
    std::fs::write(&test, csv(0..PEOPLE, 2, 2)).unwrap();
    let files = DomainFiles { train: &train, test: &test };
    let figures = one_domain(files, order(), PEOPLE).await.unwrap();
    assert!(figures.people > PEOPLE * 9 / 10, "{figures:?}");
    assert!(is_within_a_hundredth(figures.served.mean, figures.evaluated), "{figures:?}");
    assert!(figures.served.low > figures.popularity, "{figures:?}");
    assert_eq!(figures.personalised, 1.0);
    // The run held out one of each person's items: an item less is known, one is sought.
    assert!(figures.reported.values().all(|reported| *reported > figures.popularity));
}

#[tokio::test(flavor = "multi_thread")]
async fn people_cold_in_the_target_are_served_what_evaluate_transfer_measures() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let (source, target, users) = (path("source.csv"), path("target.csv"), path("cold.txt"));
    std::fs::write(&source, csv(0..PEOPLE, 6, 3)).unwrap();
    std::fs::write(&target, csv(0..PEOPLE, 6, 4)).unwrap();
    let cold_users: Vec<String> = (0..PEOPLE).step_by(5).map(|p| format!("p{p}")).collect();
    std::fs::write(&users, cold_users.join("\n")).unwrap();
    let files = ColdFiles { source: &source, target: &target, cold_users: &users };
    let figures = cold(files, order(), PEOPLE).await.unwrap();
    assert_eq!(figures.people, PEOPLE / 5);
    assert!(figures.bridge.is_some(), "{figures:?}");
    assert!(is_within_a_hundredth(figures.served.mean, figures.evaluated), "{figures:?}");
    assert!(figures.served.low > figures.popularity, "{figures:?}");
    assert_eq!(figures.personalised, 1.0);
}
