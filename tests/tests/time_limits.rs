//! How long functions may run, held against what rests on it.

use std::collections::BTreeSet;

use crossfold_e2e::template::{
    assert_found, assert_none, edited, elements, functions, object, one_or_many, template, visit,
};
use crossfold_storage::erasure::LONGEST_CALL;
use serde_json::Value;

/// Functions that write people and events, but nothing that a caller sent: the runs, which
/// take out who was erased, and move what lies under an earlier version of a key.
const RUNS: [&str; 2] = ["ShardFunction", "TrainFunction"];

/// The functions that may change people or events.
fn writers(template: &Value) -> BTreeSet<String> {
    let may_write = |role: &Value| {
        elements(&role["Properties"]["Policies"])
            .flat_map(|policy| one_or_many(&policy["PolicyDocument"]["Statement"]))
            .any(|statement| writes(statement) && is_of_users(statement))
    };
    let roles = object(&template["Resources"]).filter(|(_, role)| may_write(role));
    roles.map(|(name, _)| name.replace("Role", "Function")).collect()
}

fn writes(statement: &Value) -> bool {
    let writing = ["Put", "Update", "Delete", "BatchWrite"];
    let actions = one_or_many(&statement["Action"]).into_iter().filter_map(Value::as_str);
    actions
        .filter_map(|action| action.strip_prefix("dynamodb:"))
        .any(|action| writing.iter().any(|begin| action.starts_with(begin)))
}

fn is_of_users(statement: &Value) -> bool {
    let mut is_of_users = false;
    visit(&statement["Resource"], "", &mut |_, value| {
        is_of_users |= ["PeopleTable.Arn", "EventsTable.Arn"].iter().any(|name| value == name);
        let path: Vec<&str> = elements(value).filter_map(Value::as_str).collect();
        is_of_users |= matches!(path[..], ["PeopleTable" | "EventsTable", "Arn"]);
    });
    is_of_users
}

fn problems(template: &Value) -> Vec<String> {
    let writers = writers(template);
    let mut problems = Vec::new();
    for (name, function) in functions(template).filter(|(name, _)| writers.contains(*name)) {
        let seconds = function["Properties"]["Timeout"].as_u64().unwrap_or(u64::MAX);
        if seconds > LONGEST_CALL.as_secs() && !RUNS.contains(&name.as_str()) {
            problems.push(format!(
                "{name} writes of users for {seconds} seconds: an erasure may be visited before"
            ));
        }
    }
    problems
}

#[test]
fn who_writes_what_a_caller_sent_of_a_user_ends_before_an_erasure_is_visited_for_good() {
    let expected = ["FeedbackFunction", "IngestFunction", "ShardFunction", "TrainFunction"];
    assert_eq!(writers(&template()), expected.map(str::to_owned).into());
    assert_none(&problems(&template()));
    let longer = edited("      Timeout: 15\n", "      Timeout: 16\n");
    assert_found(&problems(&longer), "IngestFunction writes");
}
