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
    assert!(figures.people > PEOPLE * 4 / 5, "{figures:?}");
    let same = figures.evaluated_with_options;
    assert!(is_within_a_hundredth(figures.served.mean, same), "{figures:?}");
    // Left to itself the laboratory holds out other items to choose rankers by.
    let apart = (figures.served.mean - figures.evaluated).abs();
    assert!(apart <= 0.05 * figures.evaluated, "{figures:?}");
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
    assert!(
        is_within_a_hundredth(figures.served.mean, figures.evaluated_with_options),
        "{figures:?}"
    );
    assert!(figures.served.low > figures.popularity, "{figures:?}");
    assert_eq!(figures.personalised, 1.0);
}

/// Too few to choose rankers by: two worlds that know other events would each choose their
/// own, and could not be held against each other.
const RANKED_BY_FACTORS: usize = 72;

/// What each person took, one item a day of theirs, the newest last.
fn taken_over_time() -> Vec<(String, String, Timestamp)> {
    let today = start_of_day(Timestamp::now());
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let mut taken = Vec::new();
    for person in 0..RANKED_BY_FACTORS {
        for step in 0..8 {
            let any = rng.random_range(0..ITEMS);
            let liked = any / TASTES * TASTES + person % TASTES;
            let item = if rng.random_bool(0.8) { liked } else { any };
            let hours_ago = (8 - step) * 24 * 10 + (person as i64 * 7) % 240;
            let at = today - jiff::SignedDuration::from_hours(hours_ago);
            taken.push((format!("p{person}"), format!("i{item}"), at));
        }
    }
    taken
}

/// A world of these, trained.
async fn trained(
    taken: &[&(String, String, Timestamp)],
) -> (tempfile::TempDir, LocalWorld, TrainedWorld) {
    let directory = tempfile::tempdir().unwrap();
    let world = LocalWorld::open(directory.path()).await.unwrap();
    let taken: Vec<Taken<'_>> =
        taken.iter().map(|(user, item, at)| Taken { user, item, at: *at }).collect();
    post_taken(&world.client(), DOMAIN, &taken).await.unwrap();
    let trained = TrainedWorld::run(&world, order()).await.unwrap();
    (directory, world, trained)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_figure_that_a_run_reports_is_that_of_the_slates_which_its_held_out_people_get() {
    let taken = taken_over_time();
    let (_directory, world, reported) = trained(&taken.iter().collect::<Vec<_>>()).await;
    drop(world);
    let split = reported.report.split_at.unwrap();
    let evaluation = reported.report.evaluation.values().next().unwrap();
    // The same as of the split: another world that knows nothing of what came after it.
    let (before, after): (Vec<_>, Vec<_>) = taken.iter().partition(|(_, _, at)| *at < split);
    let (_directory, world, _) = trained(&before).await;
    let mut wanted: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (user, item, _) in after {
        let is_new = !before.iter().any(|(of, known, _)| of == user && known == item);
        if is_new && before.iter().any(|(of, ..)| of == user) {
            wanted.entry(user.clone()).or_default().insert(item.clone());
        }
    }
    let asked: Vec<(String, BTreeSet<String>)> = wanted.into_iter().collect();
    assert_eq!(asked.len(), evaluation.people);
    let slates = Slates::ask(&world.client(), &asked, (DOMAIN, DOMAIN)).await.unwrap();
    let reported = evaluation.metrics[METRIC];
    assert!(is_within_a_hundredth(slates.ndcg.mean, reported), "{:?} {reported}", slates.ndcg);
}
