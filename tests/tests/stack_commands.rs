//! `crossfold` on the tables, the bucket and the secret of a deployed stack: the real binary, as
//! a process, told by its environment alone, on AWS services that others wrote.

#![allow(clippy::unwrap_used)] // A test may stop at the first surprise.

use std::path::Path;
use std::process::{Output, Stdio};

use bytes::Bytes;
use crossfold_core::entities::definition::DomainDefinition;
use crossfold_core::entities::erasure::{Place, Receipt};
use crossfold_core::entities::event::Event;
use crossfold_core::entities::ids::{DomainId, UserId};
use crossfold_core::entities::ports::{PutCondition, Stores};
use crossfold_core::entities::pseudonym::Pseudonymiser;
use crossfold_e2e::binaries::binary;
use crossfold_e2e::cloud::create_secret;
use crossfold_e2e::ministack::Ministack;
use crossfold_e2e::scenario::cast::KNOWLEDGE;
use crossfold_e2e::world::{TENANT, pseudonym_key};
use crossfold_storage::aws::{self, StorageConfig, schema};
use crossfold_storage::pseudonym_key::parse;
use crossfold_storage::records;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::process::Command;

/// What a stack holds, and the variables that its functions have.
struct Deployed {
    stores: Stores,
    keys: Pseudonymiser,
    variables: Vec<(String, String)>,
    ministack: Ministack,
}

impl Deployed {
    async fn start() -> Self {
        let ministack = Ministack::start().await.unwrap();
        let (sdk, config) = (ministack.sdk_config(), StorageConfig::with_prefix("stack"));
        schema::provision(&sdk, &config).await.unwrap();
        let secret = create_secret(&ministack).await.unwrap();
        let mut variables: Vec<(String, String)> =
            config.variables().into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        variables.push(("CROSSFOLD_PSEUDONYM_SECRET".into(), secret));
        variables.push(("CROSSFOLD_TENANT".into(), TENANT.into()));
        let keys = parse(&pseudonym_key(), TENANT).unwrap();
        Self { stores: aws::stores(&sdk, &config), keys, variables, ministack }
    }

    /// Runs `crossfold` in a folder of its own, in which it must leave nothing.
    async fn crossfold(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let folder = tempfile::tempdir().unwrap();
        let Output { status, stdout, stderr } = Command::new(binary("crossfold").unwrap())
            .env_clear()
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .env("AWS_ACCESS_KEY_ID", "test")
            .env("AWS_SECRET_ACCESS_KEY", "test")
            .env("AWS_REGION", "us-east-1")
            .env("AWS_ENDPOINT_URL", self.ministack.endpoint())
            .current_dir(folder.path())
            .args(arguments)
            .stdin(Stdio::null())
            .output()
            .await
            .unwrap();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "no data directory");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (status.code(), text(stdout) + &text(stderr))
    }

    async fn put(&self, key: &str, bytes: &'static [u8]) {
        let bytes = Bytes::from_static(bytes);
        self.stores.objects.put(key, bytes, PutCondition::None).await.unwrap();
    }
}

fn knowledge() -> DomainId {
    DomainId::parse(KNOWLEDGE).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_is_looked_for_in_every_table_and_file_of_a_stack() {
    let deployed = Deployed::start().await;
    let ann = deployed.keys.pseudonym(&knowledge(), &UserId::parse("ann").unwrap());
    let viewed: Event = serde_json::from_value(json!({
        "event_id": "e", "user": ann, "domain": KNOWLEDGE, "event_type": "view", "item_id": "i",
        "occurred_at": "2026-06-01T00:00:00Z", "received_at": "2026-06-01T00:00:00Z",
    }))
    .unwrap();
    deployed.stores.events.append(&viewed).await.unwrap();
    let definition: DomainDefinition = serde_json::from_value(json!({
        "name": "Knowledge", "currency": "CNY", "event_types": { "view": { "weight": 1 } },
    }))
    .unwrap();
    records::put(&*deployed.stores.records, &knowledge(), &definition).await.unwrap();
    let note = Bytes::from(json!({ "of": ann }).to_string());
    deployed.stores.objects.put("note.json", note, PutCondition::None).await.unwrap();

    let find = |user| ["find-person", "--stack", "--json", "--domain", KNOWLEDGE, "--user", user];
    let (status, printed) = deployed.crossfold(&find("ann")).await;
    assert_eq!(status, Some(0), "{printed}");
    let found: Value = serde_json::from_str(&printed).unwrap();
    assert_eq!(found, json!({ "pseudonym": ann, "found": { "events": 1, "note.json": 1 } }));
    let (status, printed) = deployed.crossfold(&find("bea")).await;
    let found: Value = serde_json::from_str(&printed).unwrap();
    assert_eq!((status, &found["found"]), (Some(0), &json!({})));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_stack_set_aside_is_redriven() {
    let deployed = Deployed::start().await;
    let (status, printed) = deployed.crossfold(&["redrive", "--stack"]).await;
    assert_eq!(status, Some(0), "{printed}");
    let torn = "set-aside/files/0123456789abcdef/events/domain=a/date=2026-01-01/1.parquet";
    deployed.put(torn, b"PAR1").await;
    let (status, printed) = deployed.crossfold(&["redrive", "--stack", "--json"]).await;
    assert_eq!(status, Some(3), "{printed}");
    assert!(printed.contains("\"files_left\": 1"), "{printed}");
    assert!(deployed.stores.objects.get(torn).await.unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receipt_is_checked_by_the_secret_of_a_stack() {
    let deployed = Deployed::start().await;
    let receipt = Receipt {
        pseudonym: deployed.keys.pseudonym(&knowledge(), &UserId::parse("ann").unwrap()),
        domain: knowledge(),
        requested_at: Timestamp::UNIX_EPOCH,
        finished_at: Timestamp::UNIX_EPOCH,
        deleted: [(Place::Events, 1)].into(),
        unreadable_files: 0,
    };
    let mut signed = serde_json::to_value(&receipt).unwrap();
    signed["signature"] = deployed.keys.sign_receipt(&receipt).into();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("receipt.json");
    for (deleted, expected, words) in [(1, 0, "genuine"), (2, 1, "was changed")] {
        signed["deleted"]["events"] = deleted.into();
        std::fs::write(&file, signed.to_string()).unwrap();
        let verify = ["verify-receipt", "--stack", file.to_str().unwrap()];
        let (status, printed) = deployed.crossfold(&verify).await;
        assert_eq!(status, Some(expected), "{printed}");
        assert!(printed.contains(words), "{printed}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stack_that_is_not_named_is_told_by_the_variable_that_names_it() {
    let mut deployed = Deployed::start().await;
    deployed.variables.retain(|(name, _)| name != "CROSSFOLD_BUCKET");
    let (status, printed) = deployed.crossfold(&["redrive", "--stack"]).await;
    assert_eq!(status, Some(1));
    assert!(printed.contains("CROSSFOLD_BUCKET is not set"), "{printed}");
    deployed.variables.clear();
    let find = ["find-person", "--stack", "--domain", KNOWLEDGE, "--user", "ann"];
    let (status, printed) = deployed.crossfold(&find).await;
    assert_eq!(status, Some(1));
    assert!(printed.contains("CROSSFOLD_PSEUDONYM_SECRET is not set"), "{printed}");
}

/// An `aws` that knows one stack and one function, as AWS's own CLI answers.
const AWS: &str = r#"#!/bin/bash
case "$*" in
  "cloudformation describe-stack-resource --stack-name dev --logical-resource-id RecommendFunction "*)
    echo dev-RecommendFunction-1 ;;
  "lambda get-function-configuration --function-name dev-RecommendFunction-1 "*)
    cat "$VARIABLES" ;;
  *) echo "not such: $*" >&2; exit 254 ;;
esac
"#;

#[tokio::test(flavor = "multi_thread")]
async fn the_script_prints_the_variables_of_a_stack_and_nothing_else() {
    use std::os::unix::fs::PermissionsExt;

    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    std::fs::write(path("aws"), AWS).unwrap();
    std::fs::set_permissions(path("aws"), std::fs::Permissions::from_mode(0o755)).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../infra/stack_variables.sh");
    let print = async |stack: &str, variables: &Value| {
        let text = serde_json::to_string_pretty(variables).unwrap();
        std::fs::write(path("variables"), text).unwrap();
        let search = format!("{}:/usr/bin:/bin", folder.path().display());
        let mut command = Command::new("bash");
        command.arg(&script).arg(stack).env("PATH", search).env("VARIABLES", path("variables"));
        let output = command.output().await.unwrap();
        (output.status.success(), String::from_utf8(output.stdout).unwrap())
    };
    let arn = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:PseudonymSecret-a1-B2c3";
    let variables = json!({
        "CROSSFOLD_BUCKET": "dev-bucket-1", "CROSSFOLD_EVENTS_TABLE": "dev-EventsTable-1",
        "CROSSFOLD_PSEUDONYM_SECRET": arn, "RUST_LOG": "info", "CROSSFOLD_TENANT": "$(reboot)",
    });
    let expected = format!(
        "export CROSSFOLD_BUCKET=\"dev-bucket-1\"\n\
         export CROSSFOLD_EVENTS_TABLE=\"dev-EventsTable-1\"\n\
         export CROSSFOLD_PSEUDONYM_SECRET=\"{arn}\"\n"
    );
    assert_eq!(print("dev", &variables).await, (true, expected));
    assert_eq!(print("other", &variables).await, (false, String::new()));
    assert_eq!(print("dev", &json!({ "RUST_LOG": "info" })).await, (false, String::new()));
}
