//! Commands of the binary, one after another on one data directory.

#![allow(clippy::unwrap_used)] // A test may stop at the first surprise.

use std::path::Path;

use async_trait::async_trait;
use axum::body::Body;
use axum::http::Request;
use clap::{CommandFactory, Parser};
use crossfold_core::archive::keys::encoder_key;
use crossfold_core::entities::ports::{PutCondition, Stores};
use crossfold_core::entities::pseudonym::Pseudonymiser;
use crossfold_lab::synthetic_world::{KNOWLEDGE, Presence, SyntheticWorld};
use crossfold_local::args::Cli;
use crossfold_local::exit_status;
use crossfold_local::local_world::LocalWorld;
use crossfold_local::run::run;
use crossfold_local::stack::Stack;
use crossfold_registry::encoders;
use crossfold_text::lexical::{LexicalOptions, fit};
use serde_json::{Value, json};
use tower::ServiceExt;

/// No deployed stack.
struct Nowhere;

#[async_trait]
impl Stack for Nowhere {
    async fn stores(&self) -> anyhow::Result<Stores> {
        anyhow::bail!("no stack is deployed")
    }

    async fn keys(&self) -> anyhow::Result<Pseudonymiser> {
        anyhow::bail!("no stack is deployed")
    }
}
use crossfold_storage::embedded::Embedded;

/// Runs `crossfold` with these arguments, as the binary does.
async fn crossfold(directory: &Path, arguments: &[&str]) -> anyhow::Result<()> {
    let start = ["crossfold", "--data-dir", directory.to_str().unwrap()];
    run(Cli::try_parse_from(start.iter().chain(arguments))?, &Nowhere).await
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

/// The artefact of an encoder, as a file.
fn encoder_file(directory: &Path, texts: &[&str]) -> String {
    let params = LexicalOptions::default().check().unwrap();
    let path = directory.join("artefact.safetensors");
    std::fs::write(&path, fit(texts, &params).unwrap()).unwrap();
    path.to_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_encoder_is_installed_once_and_shown_while_it_is_whole() {
    let directory = tempfile::tempdir().unwrap();
    let (directory, data) = (directory.path(), directory.path().join("data"));
    let first = encoder_file(directory, &["first car loan", "首次购车贷款"]);
    crossfold(&data, &["encoder", "install", &first]).await.unwrap();
    crossfold(&data, &["encoder", "show"]).await.unwrap();
    let installed = async || {
        let embedded = Embedded::start(&data).await.unwrap();
        let objects = embedded.stores().objects;
        let pointer = encoders::installed(&*objects).await.unwrap().unwrap();
        let artefact = encoders::load(&*objects, &pointer).await.map(|bytes| bytes.to_vec());
        (pointer, artefact)
    };
    let (pointer, artefact) = installed().await;
    assert_eq!(artefact.unwrap(), std::fs::read(&first).unwrap());
    assert_eq!((&*pointer.identity.name, &*pointer.format), ("lexical", "lexical/1"));

    crossfold(&data, &["encoder", "install", &first]).await.unwrap();
    assert_eq!(installed().await.0, pointer, "installed again, nothing changes");
    let other = encoder_file(directory, &["a car", "一辆车", "first 首次"]);
    crossfold(&data, &["encoder", "install", &other]).await.unwrap();
    let (pointer, _) = installed().await;
    assert_eq!(pointer.size, std::fs::metadata(&other).unwrap().len());

    let embedded = Embedded::start(&data).await.unwrap();
    let key = encoder_key(&pointer.identity.sha256);
    let objects = embedded.stores().objects;
    objects.put(&key, "torn".into(), PutCondition::None).await.unwrap();
    drop((objects, embedded));
    let torn = crossfold(&data, &["encoder", "show"]).await.unwrap_err();
    assert!(format!("{torn:#}").contains("not what its name says"), "{torn:#}");
    assert!(torn.to_string().contains("crossfold encoder install"), "{torn}");
}

#[tokio::test(flavor = "multi_thread")]
async fn installing_a_text_encoder_again_mends_what_is_damaged_of_it() {
    let directory = tempfile::tempdir().unwrap();
    let (directory, data) = (directory.path(), directory.path().join("data"));
    let mut artefacts = Vec::new();
    for texts in [["first car loan", "首次购车贷款"], ["a car", "一辆车"]] {
        let file = encoder_file(directory, &texts);
        crossfold(&data, &["encoder", "install", &file]).await.unwrap();
        artefacts.push(std::fs::read(&file).unwrap());
    }
    // The one that is installed, and one that only models name: what a name holds is mended,
    // whichever the pointer names.
    for mended in [&artefacts[1], &artefacts[0]] {
        let key = encoder_key(&crossfold_text::artefact::sha256(mended));
        let embedded = Embedded::start(&data).await.unwrap();
        let objects = embedded.stores().objects;
        objects.put(&key, "torn".into(), PutCondition::None).await.unwrap();
        drop((objects, embedded));
        let file = directory.join("again.safetensors");
        std::fs::write(&file, mended).unwrap();
        crossfold(&data, &["encoder", "install", file.to_str().unwrap()]).await.unwrap();
        crossfold(&data, &["encoder", "show"]).await.unwrap();
        let embedded = Embedded::start(&data).await.unwrap();
        let stored = embedded.stores().objects.get(&key).await.unwrap().unwrap();
        assert_eq!(stored.bytes, *mended);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_text_encoder_is_not_installed() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    let torn = encoder_file(directory, &["first car loan"]);
    let bytes = std::fs::read(&torn).unwrap();
    std::fs::write(&torn, &bytes[..bytes.len() - 1]).unwrap();
    let data = directory.join("data");
    let refused = crossfold(&data, &["encoder", "install", &torn]).await.unwrap_err();
    assert!(format!("{refused:#}").contains("it is torn"), "{refused:#}");
    let unknown = encoder_file(directory, &["piano"]);
    let refused = crossfold(&data, &["encoder", "install", &unknown]).await.unwrap_err();
    assert!(refused.to_string().contains("it makes nothing of texts"), "{refused:#}");
    assert!(!data.exists(), "nothing was made");
    let whole = encoder_file(directory, &["first car loan"]);
    let refused = crossfold(&data, &["encoder", "install", "--stack", &whole]).await.unwrap_err();
    assert_eq!(refused.to_string(), "no stack is deployed");
    crossfold(&data, &["encoder", "show"]).await.unwrap();
    assert!(!data.exists(), "none is installed where nothing is");
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

/// A slate of `knowledge` for a user of it, by id.
async fn slate(directory: &Path, user: &str) -> String {
    let world = LocalWorld::open(directory).await.unwrap();
    let body = json!({ "user_id": user, "domain": KNOWLEDGE, "limit": 5 });
    let slate = world.client().post("/v1/recommendations", &body).await.unwrap();
    assert_eq!(slate["personalised"], true, "{slate}");
    slate["recommendation_id"].as_str().unwrap().to_owned()
}

/// What the command says stands against a slate: nothing, when it ends well.
async fn replay(directory: &Path, id: &str) -> Vec<Value> {
    let ended = crossfold(directory, &["replay", id]).await;
    let world = LocalWorld::open(directory).await.unwrap();
    let path = format!("/v1/recommendations/{id}/replay");
    let answer = world.client().post(&path, &json!({})).await.unwrap();
    let status = ended.as_ref().map_or_else(exit_status::of, |()| 0);
    assert_eq!(status, if answer["same"] == true { 0 } else { 3 }, "{answer} {ended:?}");
    answer["findings"].as_array().unwrap().clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slate_is_made_again_by_a_command_until_something_of_it_is_gone() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    crossfold(&directory.join("none"), &["replay", "r"]).await.unwrap_err();
    crossfold(directory, &["demo", "--once", "--people", "60"]).await.unwrap();
    let synthetic = SyntheticWorld::new(60, 7, jiff::Timestamp::UNIX_EPOCH);
    let person = synthetic.people.iter().find(|p| p.presence == Presence::BothWithConsent);
    let user = &person.unwrap().user_id;
    let id = slate(directory, user).await;
    assert_eq!(replay(directory, &id).await, [Value::Null; 0]);
    let absent = crossfold(directory, &["replay", "no-such_slate.~/?"]).await.unwrap_err();
    assert_eq!(exit_status::of(&absent), 1, "{absent}");
    assert!(absent.to_string().contains("/no-such_slate.~%2F%3F/replay: "), "{absent}");

    // A new champion, and more of what the person does: neither changes what was served.
    crossfold(directory, &["train", "--no-tune", "--factors", "4"]).await.unwrap();
    let world = LocalWorld::open(directory).await.unwrap();
    let client = world.client();
    let path = format!("/v1/recommendations/{id}/replay");
    let served = client.post(&path, &json!({})).await.unwrap()["served"].clone();
    let item = |at: usize| served[at]["item_id"].as_str().unwrap().to_owned();
    let event = json!({
        "event_id": "later", "user_id": user, "type": "view", "item_id": item(0),
        "occurred_at": jiff::Timestamp::now().to_string(),
    });
    client.post("/v1/events", &json!({ "domain": KNOWLEDGE, "events": [event] })).await.unwrap();
    drop(world);
    assert_eq!(replay(directory, &id).await, [Value::Null; 0]);

    let world = LocalWorld::open(directory).await.unwrap();
    let hidden = json!({ "items": [{ "item_id": item(1), "title": "t", "status": "hidden" }] });
    let items = format!("/v1/domains/{KNOWLEDGE}/items");
    world.client().post(&items, &hidden).await.unwrap();
    drop(world);
    let gone = json!({
        "code": "catalogue_changed", "domains": [KNOWLEDGE],
        "items": [{ "domain": KNOWLEDGE, "item_id": item(1) }],
    });
    assert_eq!(replay(directory, &id).await, std::slice::from_ref(&gone));

    let world = LocalWorld::open(directory).await.unwrap();
    let refused = json!({
        "from": KNOWLEDGE, "to": KNOWLEDGE, "purpose": "recommendation", "granted": false,
    });
    let consents = format!("/v1/users/{user}/consents?domain={KNOWLEDGE}");
    world.client().put(&consents, &json!({ "consents": [refused] })).await.unwrap();
    drop(world);
    let withdrawn = json!({ "code": "consents_changed", "domains": [KNOWLEDGE] });
    assert_eq!(replay(directory, &id).await, [withdrawn, gone]);

    let world = LocalWorld::open(directory).await.unwrap();
    let erase = Request::delete(format!("/v1/users/{user}?domain={KNOWLEDGE}"));
    let erased = world.router().oneshot(erase.body(Body::empty()).unwrap()).await.unwrap();
    assert!(erased.status().is_success(), "{erased:?}");
    drop(world);
    let unknown = crossfold(directory, &["replay", &id]).await.unwrap_err();
    assert_eq!(exit_status::of(&unknown), 1, "{unknown}");
    assert!(unknown.to_string().contains("no such recommendation"), "{unknown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_is_sent_to_a_stack_looks_nowhere_else() {
    let directory = tempfile::tempdir().unwrap();
    let receipt = directory.path().join("receipt.json");
    let signed = json!({
        "pseudonym": "v1_u", "domain": KNOWLEDGE, "signature": "x", "deleted": {},
        "requested_at": "2026-06-01T00:00:00Z", "finished_at": "2026-06-01T00:00:00Z",
    });
    std::fs::write(&receipt, signed.to_string()).unwrap();
    let here = directory.path().join("here");
    for command in [
        &["redrive", "--stack"][..],
        &["find-person", "--stack", "--domain", KNOWLEDGE, "--user", "u"],
        &["verify-receipt", "--stack", receipt.to_str().unwrap()],
    ] {
        let error = crossfold(&here, command).await.unwrap_err();
        assert_eq!(error.to_string(), "no stack is deployed", "{command:?}");
        assert!(!here.exists(), "{command:?}");
    }
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
    for (version, why) in [("2", "is the current one"), ("3", "there is no version 3")] {
        let refused = crossfold(directory, &["retire-key", version]).await.unwrap_err();
        assert!(refused.to_string().contains(why), "{refused}");
    }

    // A key that is gone is no reason to make users strangers.
    let path = directory.join("pseudonym-key.json");
    let keys: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    let only = serde_json::json!({"current": 2, "keys": {"2": keys["keys"]["2"]}});
    std::fs::write(&path, only.to_string()).unwrap();
    let refused = crossfold(directory, &["status"]).await.unwrap_err();
    assert!(format!("{refused:#}").contains("no key of version 1"), "{refused:#}");
}

/// Every command with what it needs at least, and whether it uses the data directory.
const COMMANDS: [(&[&str], bool); 15] = [
    (&["serve", "--port", "0"], true),
    (&["demo", "--once"], true),
    (&["import", "FILE", "--domain", "shop"], true),
    (&["train"], true),
    (&["redrive"], true),
    (&["status"], true),
    (&["verify-receipt", "FILE"], false),
    (&["find-person", "--domain", "shop", "--user", "ann"], true),
    (&["rotate-key"], true),
    (&["retire-key", "1"], true),
    (&["models", "list"], true),
    (&["recommend", "--domain", "shop", "--user", "ann"], true),
    (&["replay", "r"], true),
    (&["encoder", "show"], true),
    (&["evaluate", "--train", "FILE", "--test", "FILE"], false),
];
/// Commands of files alone.
const OF_FILES: [&str; 2] = ["bench", "evaluate-transfer"];

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_finds_a_server_at_its_data_says_what_can_be_done() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("events.csv");
    std::fs::write(&file, "user_id,item_id,occurred_at\nu1,i1,2026-06-01\n").unwrap();
    let data = directory.path().join("data");
    let running = LocalWorld::open(&data).await.unwrap();
    let known = Cli::command();
    for command in known.get_subcommands() {
        let name = command.get_name();
        let is_listed = COMMANDS.iter().any(|(arguments, _)| arguments[0] == name);
        assert!(is_listed || OF_FILES.contains(&name), "what does {name} say?");
    }
    for (arguments, uses_data) in COMMANDS {
        let arguments: Vec<&str> = arguments
            .iter()
            .map(|argument| if *argument == "FILE" { file.to_str().unwrap() } else { argument })
            .collect();
        let ended = crossfold(&data, &arguments).await;
        assert!(ended.is_err() || !uses_data, "{arguments:?}");
        let error = ended.err().map(|error| format!("{error:#}")).unwrap_or_default();
        let command = known.find_subcommand(arguments[0]).unwrap();
        let can_go_by_a_server = command.get_arguments().any(|argument| argument.get_id() == "api");
        let (by_address, alone) = (error.contains("--api"), error.contains("stop the server"));
        let expected = (uses_data && can_go_by_a_server, uses_data && !can_go_by_a_server);
        assert_eq!((by_address, alone), expected, "{arguments:?}: {error}");
    }
    drop(running);
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
async fn a_world_without_people_is_refused_before_anything_is_made() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    for people in ["--people=0", "--people=-1", "--people=many"] {
        let refused = crossfold(&data, &["demo", "--once", people]).await.unwrap_err();
        assert!(refused.to_string().contains("--people"), "{refused}");
        assert!(!data.exists());
    }
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
