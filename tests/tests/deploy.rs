//! The first deployment: README's own lines on an empty account, what is left of a stack that is
//! taken down or never stood, and a new stack on what was left.

#![allow(clippy::unwrap_used)] // A test may stop at the first surprise.

use crossfold_e2e::api::ApiRequest;
use crossfold_e2e::ministack::Ministack;
use crossfold_e2e::polling;
use crossfold_e2e::scenario;
use crossfold_e2e::scenario::cast::{self, KNOWLEDGE};
use crossfold_e2e::stack::{Checkout, Stack, stored_data};
use crossfold_e2e::world::{self, World};
use jiff::Timestamp;
use serde_json::{Value, json};

/// The stack that README deploys.
const STACK: &str = "crossfold-dev";

/// Runs the commands of README's section on deploying.
fn deploy(checkout: &Checkout) -> anyhow::Result<()> {
    let lines = checkout.readme_lines("Deploy")?;
    assert!(lines.iter().any(|line| line.contains("sam deploy")), "{lines:?}");
    lines.iter().try_for_each(|line| checkout.run(line).map(drop))
}

/// A slate by the champion: a function looks for a new one only from time to time.
async fn slate(world: &dyn World, user: &str) -> Value {
    let status = world.call(ApiRequest::get(&["v1", "status"])).await.unwrap().ok();
    let champion = &status["champion"]["id"];
    let body = json!({ "user_id": user, "domain": KNOWLEDGE, "limit": 5 });
    let by_champion = async || {
        let asked = world.call(ApiRequest::post(&["v1", "recommendations"], &body)).await?;
        let slate = asked.ok();
        Ok((slate["model"] == *champion).then_some(slate))
    };
    polling::until("a slate by the champion", world::ARCHIVE_LIMIT, by_champion).await.unwrap()
}

fn ids(slate: &Value) -> Vec<&str> {
    let items = slate["items"].as_array().unwrap();
    items.iter().map(|item| item["item_id"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn readme_deploys_a_stack_whose_data_serve_the_stack_after_it() {
    let ministack = Ministack::start().await.unwrap();
    let checkout = Checkout::new(&ministack).unwrap();
    deploy(&checkout).unwrap();
    let first = Stack::find(&ministack, &checkout, STACK).await.unwrap();
    let processor = if cfg!(target_arch = "aarch64") { "arm64" } else { "x86_64" };
    assert_eq!(first.architecture().await.unwrap(), processor);
    scenario::run(&first).await.unwrap();

    let user = cast::user(KNOWLEDGE, "2");
    let before = slate(&first, &user).await;
    assert_eq!(before["personalised"], true, "{before}");
    let data = first.data(&ministack).await.unwrap();
    assert_eq!(data.len(), 7, "{data:?}");
    let left = stored_data(&ministack).await.unwrap();
    checkout.sam("delete --config-env dev --no-prompts").unwrap();
    assert!(Stack::find(&ministack, &checkout, STACK).await.is_err());
    assert_eq!(stored_data(&ministack).await.unwrap(), left, "data outlive the stack");

    let lines: String =
        data.iter().map(|(name, value)| format!("  \"{name}={value}\",\n")).collect();
    let list = "parameter_overrides = [\n";
    checkout.edit("samconfig.toml", list, &format!("{list}{lines}")).unwrap();
    deploy(&checkout).unwrap();
    let second = Stack::find(&ministack, &checkout, STACK).await.unwrap();
    assert!(!second.has("EventsTable") && !second.has("Bucket") && !second.has("PseudonymSecret"));
    assert_eq!(stored_data(&ministack).await.unwrap(), left, "no new data beside");
    assert_eq!(second.data(&ministack).await.unwrap(), data, "and so to the next one");
    let after = slate(&second, &user).await;
    assert_eq!((ids(&after), &after["model"]), (ids(&before), &before["model"]));
    assert_eq!(after["personalised"], true, "the same secret, so the same person: {after}");
    assert_streams_are_read(&second).await;
}

/// What comes in reaches the archive, and an ordered run its worker.
async fn assert_streams_are_read(stack: &Stack) {
    let event = cast::event(
        "after-the-move",
        &cast::user(KNOWLEDGE, "2"),
        "view",
        &cast::item(KNOWLEDGE, cast::TASTES[0], 1),
        Timestamp::now(),
    );
    let body = json!({ "domain": KNOWLEDGE, "events": [event] });
    let answer = stack.call(ApiRequest::post(&["v1", "events"], &body)).await.unwrap().ok();
    assert_eq!(answer["accepted"], 1, "{answer}");
    polling::until("the event in the archive", world::ARCHIVE_LIMIT, async || {
        let archived = world::archived_events(stack).await?;
        let found = archived.iter().any(|event| event.event_id.as_str() == "after-the-move");
        Ok(found.then_some(()))
    })
    .await
    .unwrap();
    // That it is carried out is the point, so nothing is searched for.
    let options = json!({ "factors": 2, "regularisation": 0.05 });
    let run = world::train(stack, &options).await.unwrap();
    assert!(["succeeded", "refused"].iter().any(|end| run["status"] == *end), "{run}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_creation_that_fails_strands_nothing() {
    let ministack = Ministack::start().await.unwrap();
    let checkout = Checkout::new(&ministack).unwrap();
    // Fails when everything that holds data is there.
    let planted = "\nResources:\n  Planted:\n    Type: AWS::CloudWatch::Dashboard\n    \
        DependsOn: [PeopleTable, EventsTable, CatalogTable, DecisionsTable, ControlTable, Bucket, \
        PseudonymSecret]\n    Properties: {DashboardBody: \"\"}\n";
    checkout.edit("template.yaml", "\nResources:\n", planted).unwrap();
    let failure = deploy(&checkout).unwrap_err().to_string();
    assert!(failure.contains("ROLLBACK_COMPLETE"), "{failure}");
    assert_eq!(stored_data(&ministack).await.unwrap(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_built_for_one_processor_is_not_declared_for_another() {
    let ministack = Ministack::start().await.unwrap();
    let checkout = Checkout::new(&ministack).unwrap();
    let lines = checkout.readme_lines("Deploy").unwrap();
    checkout.run(&lines[0]).unwrap();
    let (built, other) = if cfg!(target_arch = "aarch64") {
        ("Architecture=arm64", "Architecture=x86_64")
    } else {
        ("Architecture=x86_64", "Architecture=arm64")
    };
    checkout.edit("samconfig.toml", built, other).unwrap();
    let refused = checkout.run(&lines[1]).unwrap_err().to_string();
    assert!(refused.contains("Architecture"), "{refused}");
    // The build goes by the same line: this one would have to be built on another machine.
    let refused = checkout.run(&lines[0]).unwrap_err().to_string();
    assert!(refused.contains("no: lambda build"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn people_cannot_be_attached_without_their_key() {
    let ministack = Ministack::start().await.unwrap();
    let checkout = Checkout::new(&ministack).unwrap();
    let list = "parameter_overrides = [\n";
    let table =
        "  \"ExistingPeopleTableArn=arn:aws:dynamodb:us-east-1:000000000000:table/people\",\n";
    checkout.edit("samconfig.toml", list, &format!("{list}{table}")).unwrap();
    let refused = deploy(&checkout).unwrap_err().to_string();
    assert!(refused.contains("ExistingPseudonymSecretArn"), "{refused}");
}
