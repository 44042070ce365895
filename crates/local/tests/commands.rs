//! Commands of the binary, one after another on one data directory.

#![allow(clippy::unwrap_used)] // A test may stop at the first surprise.

use std::path::Path;

use clap::Parser;
use crossfold_local::args::Cli;
use crossfold_local::local_world::LocalWorld;
use crossfold_local::run::run;
use crossfold_storage::embedded::Embedded;

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

/// Deletes every slate, as their expiry would.
async fn expire_slates(directory: &Path) {
    let embedded = Embedded::start(directory).await.unwrap();
    let decisions = embedded.stores().decisions;
    let mut after = None;
    loop {
        let page = decisions.logged_users(after).await.unwrap();
        let users = page.entries.into_iter().collect();
        let logged = decisions.logged_of(&users, None).await.unwrap();
        decisions.delete(&logged.entries).await.unwrap();
        after = page.next;
        if after.is_none() {
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_rotated_and_the_old_one_retired_when_nothing_is_stored_under_it() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    crossfold(&directory.join("none"), &["rotate-key"]).await.unwrap_err();
    crossfold(directory, &["demo", "--once", "--people", "60"]).await.unwrap();
    let event = serde_json::json!({"domain": "films", "events": [{"event_id": "rotation",
        "user_id": "someone", "type": "watch", "item_id": "i", "occurred_at": "2026-01-01T00:00:00Z"}]});
    let definition = serde_json::json!({"name": "Films", "currency": "EUR",
        "event_types": {"watch": {"weight": 1}}});
    let post = async || {
        let world = LocalWorld::open(directory).await.unwrap();
        world.client().put("/v1/domains/films", &definition).await.unwrap();
        world.client().post("/v1/events", &event).await.unwrap()
    };
    assert_eq!(post().await["accepted"], 1);
    let running = LocalWorld::open(directory).await.unwrap();
    let refused = crossfold(directory, &["rotate-key"]).await.unwrap_err();
    assert!(format!("{refused:#}").contains("in use"), "{refused:#}");
    drop(running);

    crossfold(directory, &["rotate-key"]).await.unwrap();
    assert_eq!(post().await["duplicates"], 1, "it is a stranger's");
    let refused = crossfold(directory, &["retire-key", "1"]).await.unwrap_err();
    assert!(refused.to_string().contains("nobody has looked yet"), "{refused}");
    expire_slates(directory).await;
    crossfold(directory, &["train", "--no-tune"]).await.unwrap();
    crossfold(directory, &["retire-key", "1"]).await.unwrap();
    assert_eq!(post().await["duplicates"], 1, "it was not moved");
    for version in ["2", "3"] {
        crossfold(directory, &["retire-key", version]).await.unwrap_err();
    }

    // A key that is gone is no reason to make users strangers.
    let path = directory.join("pseudonym-key.json");
    let keys: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    let only = serde_json::json!({"current": 2, "keys": {"2": keys["keys"]["2"]}});
    std::fs::write(&path, only.to_string()).unwrap();
    let refused = crossfold(directory, &["status"]).await.unwrap_err();
    assert!(format!("{refused:#}").contains("no key of version 1"), "{refused:#}");
}

/// Every file below a directory.
fn walk(directory: &Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] }).collect()
}
