//! Commands of the binary, one after another on one data directory.

#![allow(clippy::unwrap_used)] // A test may stop at the first surprise.

use std::path::Path;

use clap::Parser;
use crossfold_local::args::Cli;
use crossfold_local::local_world::LocalWorld;
use crossfold_local::run::run;

/// Runs `crossfold` with these arguments, as the binary does.
async fn crossfold(directory: &Path, arguments: &[&str]) -> anyhow::Result<()> {
    let start = ["crossfold", "--data-dir", directory.to_str().unwrap()];
    run(Cli::try_parse_from(start.iter().chain(arguments))?).await
}

#[tokio::test(flavor = "multi_thread")]
async fn models_are_listed_shown_and_promoted_on_what_a_run_left() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    crossfold(directory, &["demo", "--once", "--people", "60"]).await.unwrap();
    crossfold(directory, &["models", "list"]).await.unwrap();
    let world = LocalWorld::open(directory).await.unwrap();
    let listed = world.client().get("/v1/models").await.unwrap();
    let champion = listed["models"][0]["id"].as_str().unwrap();
    drop(world);
    crossfold(directory, &["models", "show", champion]).await.unwrap();
    crossfold(directory, &["models", "promote", champion]).await.unwrap();
    let refused = crossfold(directory, &["models", "rollback"]).await.unwrap_err();
    assert_eq!(refused.to_string(), "there is no model before the champion");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_set_aside_is_redriven_by_a_command() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    crossfold(&directory.join("none"), &["redrive"]).await.unwrap_err();
    crossfold(directory, &["demo", "--once", "--people", "60"]).await.unwrap();
    crossfold(directory, &["redrive", "--json"]).await.unwrap();
    let torn = "set-aside/files/0123456789abcdef/events/domain=a/date=2026-01-01/1.parquet";
    let path = walk(directory).into_iter().find(|path| path.ends_with("models/current.json"));
    let bucket = path.unwrap().ancestors().nth(2).unwrap().join(torn);
    std::fs::create_dir_all(bucket.parent().unwrap()).unwrap();
    std::fs::write(&bucket, "PAR1").unwrap();
    let left = crossfold(directory, &["redrive"]).await.unwrap_err();
    assert_eq!(crossfold_local::exit_status::of(&left), 3, "{left:?}");
    assert!(bucket.exists());
}

/// Every file below a directory.
fn walk(directory: &Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] }).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_only_looks_makes_no_directory_and_answers_for_none_that_is_not_there() {
    let parent = tempfile::tempdir().unwrap();
    let missing = parent.path().join("typo");
    std::fs::write(parent.path().join("receipt.json"), "{}").unwrap();
    let receipt = parent.path().join("receipt.json");
    let commands: [&[&str]; 5] = [
        &["find-person", "--domain", "films", "--user", "ann"],
        &["recommend", "--domain", "films", "--user", "ann"],
        &["models", "list"],
        &["redrive"],
        &["verify-receipt", receipt.to_str().unwrap()],
    ];
    for command in commands {
        crossfold(&missing, command).await.unwrap_err();
        assert!(!missing.exists(), "{command:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_looked_for_on_a_platform_that_is_not_defined() {
    let directory = tempfile::tempdir().unwrap();
    drop(LocalWorld::open(directory.path()).await.unwrap());
    let search = ["find-person", "--domain", "filns", "--user", "ann"];
    let refused = crossfold(directory.path(), &search).await.unwrap_err();
    assert!(format!("{refused:#}").contains("filns"), "{refused:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demonstration_keeps_out_of_real_data() {
    let directory = tempfile::tempdir().unwrap();
    let world = LocalWorld::open(directory.path()).await.unwrap();
    let definition = serde_json::json!({
        "name": "Films", "currency": "EUR", "event_types": {"view": {"weight": 1}},
    });
    world.client().put("/v1/domains/films", &definition).await.unwrap();
    drop(world);
    let refused = crossfold(directory.path(), &["demo", "--once"]).await.unwrap_err();
    assert!(refused.to_string().contains("films"), "{refused}");
}
