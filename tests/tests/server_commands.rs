//! `crossfold` on a server instead of a data directory: the real binary, as a process, against the
//! real `crossfold serve`, and against what is no Crossfold or lets nobody in.

#![allow(clippy::unwrap_used)] // A test may stop at the first surprise.

use std::process::{Output, Stdio};

use axum::Router;
use axum::http::{StatusCode, header};
use crossfold_e2e::api::ApiRequest;
use crossfold_e2e::binaries::binary;
use crossfold_e2e::local::Local;
use crossfold_e2e::scenario::cast::{self, KNOWLEDGE};
use crossfold_e2e::world::{World, wait_until_archived};
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::process::Command;

/// Must never be printed.
const TOKEN: &str = "eyJ-a-token-that-nobody-may-see";

/// How a command ended: its exit status, and what it wrote to standard output and error.
struct Ended {
    status: Option<i32>,
    written: String,
    complaint: String,
}

/// Runs `crossfold` with a token in its environment, in a folder of its own.
async fn crossfold(arguments: &[&str]) -> Ended {
    let folder = tempfile::tempdir().unwrap();
    let Output { status, stdout, stderr } = Command::new(binary("crossfold").unwrap())
        .env_clear()
        .env("CROSSFOLD_TOKEN", TOKEN)
        .current_dir(folder.path())
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .await
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let ended = Ended { status: status.code(), written: text(stdout), complaint: text(stderr) };
    for output in [&ended.written, &ended.complaint] {
        assert!(!output.contains(TOKEN), "the token was printed: {output}");
    }
    let made = std::fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(made, 0, "nothing is kept on this machine");
    ended
}

impl Ended {
    /// Demands an exit status, and words in what was written.
    #[track_caller]
    fn expect(self, status: i32, words: &str) -> String {
        let Self { status: seen, written, complaint } = self;
        assert_eq!(seen, Some(status), "{written}\n{complaint}");
        let all = format!("{written}\n{complaint}");
        assert!(all.contains(words), "{words:?} not in {all}");
        written
    }
}

/// A history on the learning platform, in the archive.
async fn fill(world: &dyn World) {
    let define = ApiRequest::put(&["v1", "domains", KNOWLEDGE], &cast::definitions()[KNOWLEDGE]);
    world.call(define).await.unwrap().ok();
    let items = json!({ "items": cast::catalogue(KNOWLEDGE) });
    world
        .call(ApiRequest::post(&["v1", "domains", KNOWLEDGE, "items"], &items))
        .await
        .unwrap()
        .ok();
    let history = cast::History::new(Timestamp::now());
    let events = &history.events[KNOWLEDGE];
    for person in 0..cast::PEOPLE {
        let user = cast::user(KNOWLEDGE, &person.to_string());
        let of_user = |what: &[&str], body: &Value| {
            let path = [&["v1", "users", user.as_str()], what].concat();
            ApiRequest::put(&path, body).with_query("domain", KNOWLEDGE)
        };
        world.call(of_user(&[], &json!({}))).await.unwrap().ok();
        let consents = ["recommendation", "training"]
            .map(|purpose| cast::consent(KNOWLEDGE, KNOWLEDGE, purpose, true));
        let consents = json!({ "consents": consents });
        world.call(of_user(&["consents"], &consents)).await.unwrap().ok();
    }
    for batch in events.chunks(500) {
        let body = json!({ "domain": KNOWLEDGE, "events": batch });
        let answer = world.call(ApiRequest::post(&["v1", "events"], &body)).await.unwrap().ok();
        assert_eq!(answer["rejected"], json!([]));
    }
    wait_until_archived(world, events.len()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_work_on_a_running_server() {
    let server = Local::start().await.unwrap();
    let client = server.client();
    let api = client.base();
    let on_server =
        async |arguments: &[&str]| crossfold(&[arguments, &["--api", api]].concat()).await;

    on_server(&["status"]).await.expect(3, "no domain is defined yet");
    on_server(&["models", "list"]).await.expect(0, "there is no model yet");
    fill(&server).await;
    on_server(&["status"]).await.expect(3, "crossfold train");

    // As in the scenario: two tastes need no more than two factors.
    let train = ["train", "--factors", "2", "--regularisation", "0.05", "--json"];
    let run = on_server(&train).await.expect(0, "was ordered");
    let run: Value = serde_json::from_str(&run).unwrap();
    assert_eq!(run["status"], "succeeded");
    assert!(run["report"]["evaluation"].is_object(), "the whole report: {run}");
    let model = run["model"].as_str().unwrap();
    on_server(&["models", "list"]).await.expect(0, model);
    on_server(&["models", "show", model]).await.expect(0, "champion");
    let user = cast::user(KNOWLEDGE, "2");
    let recommend = ["recommend", "--user", &user, "--domain", KNOWLEDGE];
    on_server(&recommend).await.expect(0, "  1. ");
    on_server(&["models", "rollback"]).await.expect(1, "there is no model before the champion");
    let status = on_server(&["status", "--json"]).await.expect(0, model);
    let status: Value = serde_json::from_str(&status).unwrap();
    assert_eq!(status["champion"]["id"], model);
    on_server(&["status"]).await.expect(0, "Nothing needs attention.");
}

/// A server that answers everything alike.
async fn serve(status: StatusCode, media_type: &'static str, body: &'static str) -> String {
    let router = Router::new()
        .fallback(move || async move { (status, [(header::CONTENT_TYPE, media_type)], body) });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}")
}

/// Every command that takes `--api`.
const COMMANDS: [&[&str]; 7] = [
    &["status"],
    &["train"],
    &["models", "list"],
    &["models", "show", MODEL],
    &["models", "promote", MODEL],
    &["models", "rollback"],
    &["recommend", "--user", "u1", "--domain", "knowledge"],
];
const MODEL: &str = "0000000000000000000000000000000000000000000000000000000000000000";

async fn every_command_says(api: &str, words: &str) {
    for command in COMMANDS {
        crossfold(&[command, &["--api", api]].concat()).await.expect(1, words);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_refused_is_told_so() {
    // API Gateway's own answer.
    let unauthorized = r#"{"message":"Unauthorized"}"#;
    let api = serve(StatusCode::UNAUTHORIZED, "application/json", unauthorized).await;
    every_command_says(&api, "Unauthorized").await;
    let missing = r#"{"type":"urn:crossfold:problem:scope_missing","title":"Forbidden","status":403,
        "code":"scope_missing","detail":"the token lacks the scope training:read"}"#;
    let api = serve(StatusCode::FORBIDDEN, "application/problem+json", missing).await;
    every_command_says(&api, "the token lacks the scope training:read").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hostile_server_neither_commands_the_terminal_nor_forges_a_line() {
    let refused = r#"{"code":"\u001b[2J","detail":"\u001b]0;x\u0007\nForged: \u009b31m\u202e"}"#;
    let slate = r#"{"recommendation_id":"r\nForged: \u001b[2J","personalised":true,
        "degraded":["\u001b[2J\nForged: "],"items":[{"rank":1,"domain":"knowledge","item_id":"i",
        "title":"\u001b[2J\nForged: ","score":0.5,"reason":{"text":"\u009b31m\nForged: "}}]}"#;
    let recommend = &COMMANDS[6..];
    for (status, answer, commands) in
        [(StatusCode::BAD_REQUEST, refused, &COMMANDS[..]), (StatusCode::OK, slate, recommend)]
    {
        let api = serve(status, "application/json", answer).await;
        for command in commands {
            let Ended { written, complaint, .. } =
                crossfold(&[command, &["--api", &api][..]].concat()).await;
            let said = written + &complaint;
            let is_command = |sign: char| {
                (sign.is_control() && sign != '\n') || sign == '\u{202e}' || sign == '\u{fffd}'
            };
            assert!(!said.contains(is_command), "{command:?}: {said:?}");
            assert!(said.contains("\\nForged: "), "{command:?}: {said}");
            assert!(!said.lines().any(|line| line.starts_with("Forged")), "{command:?}: {said}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_crossfold_is_told_apart_from_what_is_not_there() {
    let api = serve(StatusCode::OK, "text/html", "<html>Welcome</html>").await;
    every_command_says(&api, "without JSON").await;
    let api = serve(StatusCode::OK, "application/json", "{}").await;
    crossfold(&["status", "--api", &api]).await.expect(1, "cannot read");
    // Nobody listens on a port that was free a moment ago.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let api = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    every_command_says(&api, "cannot be reached").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_is_none_is_refused_before_a_token_leaves() {
    crossfold(&["status", "--api", "api.example.com"]).await.expect(1, "https://");
    crossfold(&["status", "--api", "http://api.example.com"]).await.expect(1, "https");
    // What works in this process alone knows no such option.
    crossfold(&["demo", "--api", "http://127.0.0.1:1"]).await.expect(2, "--api");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_that_is_not_there_is_not_made_by_looking() {
    crossfold(&["status"]).await.expect(3, "does not exist yet");
}
