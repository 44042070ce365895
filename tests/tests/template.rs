//! What the linters of `template.yaml` do not see.
//!
//! Each check is a function from the parsed files to a list of problems. It must find none
//! in the real files, and must find the one planted by an edit: so each is seen to fail.

#![allow(clippy::expect_used, clippy::panic)] // A test may stop at the first surprise.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use crossfold_e2e::template::{
    assert_found, assert_none, edited, edited_text, elements, functions, object, one_or_many,
    parse, read, resources, root, template, visit,
};
use serde_json::{Value, json};

/// Every environment variable that the functions know.
const ENVIRONMENT: [&str; 18] = [
    "CROSSFOLD_BUCKET",
    "CROSSFOLD_CATALOG_TABLE",
    "CROSSFOLD_CONTROL_TABLE",
    "CROSSFOLD_DECISIONS_TABLE",
    "CROSSFOLD_DECISION_RETENTION_DAYS",
    "CROSSFOLD_DECISION_TABLE_DAYS",
    "CROSSFOLD_EVENTS_TABLE",
    "CROSSFOLD_EVENT_BUS",
    "CROSSFOLD_EVENT_RETENTION_DAYS",
    "CROSSFOLD_KEEP_MODELS",
    "CROSSFOLD_PEOPLE_TABLE",
    "CROSSFOLD_PSEUDONYM_SECRET",
    "CROSSFOLD_RECOMMEND_MILLISECONDS",
    "CROSSFOLD_SHARD_BYTES",
    "CROSSFOLD_TENANT",
    "CROSSFOLD_TUNING_SECONDS",
    "CROSSFOLD_USD_PER_GB_SECOND",
    "RUST_LOG",
];

/// What an access log line may hold of a request: nothing that can name a user.
const LOGGED: [&str; 10] = [
    "$context.authorizer.error",
    "$context.integrationErrorMessage",
    "$context.integrationLatency",
    "$context.integrationStatus",
    "$context.requestId",
    "$context.requestTimeEpoch",
    "$context.responseLatency",
    "$context.responseLength",
    "$context.routeKey",
    "$context.status",
];

/// Paths without the API's authorizer: the function asks for a write key itself, which
/// `tests/tests/wires.rs` tries with none, with others' and with revoked ones.
const KEYED: [&str; 10] = [
    "/v1/batch",
    "/v1/track",
    "/v1/identify",
    "/v1/page",
    "/v1/screen",
    "/v1/group",
    "/v1/alias",
    "/events",
    "/items",
    "/users",
];

struct Table {
    name: &'static str,
    sort_key: bool,
    ttl: bool,
    stream: bool,
    indexes: &'static [&'static str],
    local_indexes: &'static [&'static str],
}

const PLAIN: Table = Table {
    name: "ControlTable",
    sort_key: true,
    ttl: false,
    stream: false,
    indexes: &[],
    local_indexes: &[],
};

const TABLES: [Table; 5] = [
    Table { name: "PeopleTable", sort_key: false, ..PLAIN },
    Table { name: "EventsTable", ttl: true, stream: true, local_indexes: &["by-time"], ..PLAIN },
    Table { name: "CatalogTable", ttl: true, indexes: &["by-change"], ..PLAIN },
    Table { name: "DecisionsTable", ttl: true, stream: true, ..PLAIN },
    Table { stream: true, ..PLAIN },
];

// ---- Functions ----------------------------------------------------------------------------

/// A function's property, with what `Globals` says where the function is silent.
fn effective<'a>(template: &'a Value, function: &'a Value, property: &str) -> &'a Value {
    match &function["Properties"][property] {
        Value::Null => &template["Globals"]["Function"][property],
        own => own,
    }
}

fn function_problems(template: &Value, binaries: &BTreeSet<String>) -> Vec<String> {
    let mut problems = Vec::new();
    let mut used = BTreeSet::new();
    for (name, function) in functions(template) {
        let mut require = |holds: bool, what: String| {
            if !holds {
                problems.push(format!("{name}: {what}"));
            }
        };
        let runtime = effective(template, function, "Runtime");
        require(runtime == "provided.al2023", format!("Runtime is {runtime}"));
        let handler = effective(template, function, "Handler");
        require(handler == "bootstrap", format!("Handler is {handler}"));
        let method = &function["Metadata"]["BuildMethod"];
        require(method == "rust-cargolambda", format!("BuildMethod is {method}"));
        let binary = function["Metadata"]["BuildProperties"]["Binary"].as_str().unwrap_or_default();
        // `sam build` asks Cargo in this folder, which answers for its own package alone.
        let folder = function["Properties"]["CodeUri"].as_str().unwrap_or_default();
        let known = binaries.contains(&format!("{folder}:{binary}"));
        require(known, format!("{folder:?} has no binary {binary:?}"));
        require(used.insert(binary), format!("binary {binary:?} is another function's too"));
    }
    problems
}

/// Every binary that the workspace builds, as Cargo sees them: `<folder of the package>:<name>`.
fn workspace_binaries() -> BTreeSet<String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1"])
        .current_dir(root())
        .output()
        .expect("cargo metadata");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("JSON from cargo");
    let folder = |package: &Value| -> String {
        let manifest = package["manifest_path"].as_str().expect("a manifest's path");
        let folder = Path::new(manifest).parent().expect("a manifest lies in a folder");
        let root = root().canonicalize().expect("the workspace");
        let relative = folder.strip_prefix(root).expect("a package of this workspace");
        relative.display().to_string()
    };
    let binaries = |package: &Value| -> Vec<String> {
        let is_binary = |target: &&Value| elements(&target["kind"]).any(|kind| kind == "bin");
        elements(&package["targets"])
            .filter(is_binary)
            .filter_map(|target| target["name"].as_str())
            .map(|name| format!("{}:{name}", folder(package)))
            .collect()
    };
    elements(&metadata["packages"]).flat_map(binaries).collect()
}

#[test]
fn functions_run_binaries_of_this_workspace_on_the_right_runtime() {
    let binaries = workspace_binaries();
    assert_none(&function_problems(&template(), &binaries));
    assert_eq!(functions(&template()).count(), 8);

    let check = |from, to| function_problems(&edited(from, to), &binaries);
    assert_found(&check("provided.al2023", "provided.al2"), "IngestFunction: Runtime");
    assert_found(&check("Handler: bootstrap", "Handler: main"), "Handler");
    assert_found(&check("{Binary: archive}", "{Binary: archives}"), "no binary \"archives\"");
    assert_found(&check("{Binary: archive}", "{Binary: ingest}"), "another function's");
    assert_found(&check("CodeUri: crates/recommend", "CodeUri: ."), "has no binary \"recommend\"");
    assert_found(&check("rust-cargolambda", "makefile"), "BuildMethod");
}

// ---- References ---------------------------------------------------------------------------

fn is_pseudo_parameter(name: &str) -> bool {
    const PSEUDO: [&str; 8] = [
        "AccountId",
        "NoValue",
        "NotificationARNs",
        "Partition",
        "Region",
        "StackId",
        "StackName",
        "URLSuffix",
    ];
    name.strip_prefix("AWS::").is_some_and(|rest| PSEUDO.contains(&rest))
}

/// The names in `${…}`, without literals (`${!…}`) and the substitution's own variables.
fn substituted(text: &str, own: &Value) -> Vec<String> {
    text.split("${")
        .skip(1)
        .filter_map(|rest| rest.split_once('}'))
        .map(|(name, _)| name.trim())
        .filter(|name| !name.starts_with('!') && own.get(name).is_none())
        .map(str::to_owned)
        .collect()
}

/// Every name that is referred to anywhere, also inside SAM's policy templates, must be
/// defined in the template itself.
fn reference_problems(template: &Value) -> Vec<String> {
    let is_resource = |name: &str| template["Resources"].get(name).is_some();
    let is_parameter = |name: &str| template["Parameters"].get(name).is_some();
    let is_condition = |name: &str| template["Conditions"].get(name).is_some();
    let mut problems = Vec::new();
    let mut missing = |path: &str, what: &str, name: &str| {
        problems.push(format!("{path}: {what} {name:?} is not defined"));
    };
    visit(template, "", &mut |path, value| {
        for (key, inner) in object(value) {
            match key.as_str() {
                "Ref" => {
                    let name = inner.as_str().unwrap_or_default();
                    if !(is_resource(name) || is_parameter(name) || is_pseudo_parameter(name)) {
                        missing(path, "Ref", name);
                    }
                }
                "Fn::GetAtt" => {
                    let name = inner.as_str().or_else(|| inner[0].as_str()).unwrap_or_default();
                    let name = name.split('.').next().unwrap_or_default();
                    if !is_resource(name) {
                        missing(path, "GetAtt", name);
                    }
                }
                "Fn::Sub" => {
                    let text = inner.as_str().or_else(|| inner[0].as_str()).unwrap_or_default();
                    for name in substituted(text, &inner[1]) {
                        let known = match name.split_once('.') {
                            Some((resource, _)) => is_resource(resource),
                            None => {
                                is_resource(&name)
                                    || is_parameter(&name)
                                    || is_pseudo_parameter(&name)
                            }
                        };
                        if !known {
                            missing(path, "Sub", &name);
                        }
                    }
                }
                "Fn::If" => {
                    let name = inner[0].as_str().unwrap_or_default();
                    if !is_condition(name) {
                        missing(path, "If", name);
                    }
                }
                "DependsOn" => {
                    for name in one_or_many(inner).into_iter().filter_map(Value::as_str) {
                        if !is_resource(name) {
                            missing(path, "DependsOn", name);
                        }
                    }
                }
                // In an IAM statement the same word leads an object.
                "Condition" => {
                    if let Some(name) = inner.as_str().filter(|name| !is_condition(name)) {
                        missing(path, "Condition", name);
                    }
                }
                _ => {}
            }
        }
    });
    problems
}

fn samconfig_problems(samconfig: &str, template: &Value) -> Vec<String> {
    samconfig
        .lines()
        .filter_map(|line| line.trim().strip_prefix('"')?.split_once('='))
        .filter(|(name, _)| template["Parameters"].get(name).is_none())
        .map(|(name, _)| format!("samconfig.toml: the template has no parameter {name:?}"))
        .collect()
}

#[test]
fn every_name_is_defined() {
    assert_none(&reference_problems(&template()));

    let check = |from, to| reference_problems(&edited(from, to));
    assert_found(&check("!Ref LogLevel", "!Ref LogLevels"), "Ref \"LogLevels\"");
    assert_found(
        &check("!GetAtt TrainFailures.Arn", "!GetAtt TrainDlq.Arn"),
        "GetAtt \"TrainDlq\"",
    );
    assert_found(
        &check("${AWS::Partition}:s3:::${Name}", "${AWS::Partition}:s3:::${Names}"),
        "Sub \"Names\"",
    );
    assert_found(&check("${RetrainStateMachine.Name}", "${Retrain.Name}"), "Sub \"Retrain.Name\"");
    assert_found(&check("${AWS::Partition}", "${AWS::Partitions}"), "Sub \"AWS::Partitions\"");
    assert_found(&check("!If [ProtectTables", "!If [Protect"), "If \"Protect\"");
    let dependent = "Type: AWS::S3::BucketPolicy\n    DependsOn: [Nothing]\n    Condition: Never";
    assert_found(&check("Type: AWS::S3::BucketPolicy", dependent), "DependsOn \"Nothing\"");
    assert_found(&check("Type: AWS::S3::BucketPolicy", dependent), "Condition \"Never\"");
    let policy = "Policies: [DynamoDBReadPolicy: {TableName: !Ref Nowhere}]\n      Role: !GetAtt IngestRole.Arn";
    assert_found(&check("Role: !GetAtt IngestRole.Arn", policy), "Ref \"Nowhere\"");
}

#[test]
fn a_substitution_knows_its_own_variables_and_literals() {
    let own = json!({"Mine": 1});
    assert_eq!(substituted("${A}-${!B}-${Mine}-${C.Arn}", &own), ["A", "C.Arn"]);
}

#[test]
fn deployment_settings_name_parameters_of_the_template() {
    let samconfig = read("samconfig.toml");
    assert!(samconfig.contains("\"JwtIssuer="));
    assert_none(&samconfig_problems(&samconfig, &template()));
    let broken = samconfig.replace("JwtIssuer", "Issuer");
    assert_found(&samconfig_problems(&broken, &template()), "Issuer");
}

// ---- Data ---------------------------------------------------------------------------------

/// Outlives its stack, but not a creation that failed: nobody would know of what that left.
fn is_retained(resource: &Value) -> bool {
    resource["DeletionPolicy"] == "RetainExceptOnCreate"
        && resource["UpdateReplacePolicy"] == "Retain"
}

fn table_problems(template: &Value) -> Vec<String> {
    let mut problems = Vec::new();
    let mut defined: BTreeSet<&str> =
        resources(template, "AWS::DynamoDB::Table").map(|(name, _)| name.as_str()).collect();
    for table in &TABLES {
        defined.remove(table.name);
        let resource = &template["Resources"][table.name];
        let properties = &resource["Properties"];
        let mut require = |holds: bool, what: &str| {
            if !holds {
                problems.push(format!("{}: {what}", table.name));
            }
        };
        require(is_retained(resource), "not retained");
        require(properties["BillingMode"] == "PAY_PER_REQUEST", "not paid by request");
        let recovery = &properties["PointInTimeRecoverySpecification"];
        require(recovery["PointInTimeRecoveryEnabled"] == true, "no point-in-time recovery");
        require(properties["SSESpecification"]["SSEEnabled"] == true, "no managed key");
        let key =
            |attribute: &str, kind: &str| json!({"AttributeName": attribute, "KeyType": kind});
        let mut schema = vec![key("pk", "HASH")];
        schema.extend(table.sort_key.then(|| key("sk", "RANGE")));
        require(properties["KeySchema"] == Value::from(schema), "not the key schema");
        let ttl = json!({"AttributeName": "ttl", "Enabled": true});
        let expected = if table.ttl { ttl } else { Value::Null };
        require(properties["TimeToLiveSpecification"] == expected, "not the TTL");
        let stream = json!({"StreamViewType": "NEW_IMAGE"});
        let expected = if table.stream { stream } else { Value::Null };
        require(properties["StreamSpecification"] == expected, "not the stream");
        for (kind, expected) in [
            ("GlobalSecondaryIndexes", table.indexes),
            ("LocalSecondaryIndexes", table.local_indexes),
        ] {
            let indexes: Vec<&Value> =
                elements(&properties[kind]).map(|index| &index["IndexName"]).collect();
            require(indexes == expected, "not the indexes");
        }
    }
    problems.extend(defined.into_iter().map(|name| format!("{name}: an unknown table")));
    for kind in ["AWS::S3::Bucket", "AWS::SecretsManager::Secret"] {
        for (name, resource) in resources(template, kind) {
            if !is_retained(resource) {
                problems.push(format!("{name}: not retained"));
            }
        }
    }
    problems
}

#[test]
fn tables_can_be_recovered_and_outlive_the_stack() {
    assert_none(&table_problems(&template()));

    let check = |from, to| table_problems(&edited(from, to));
    assert_found(
        &check("DeletionPolicy: RetainExceptOnCreate", "DeletionPolicy: Delete"),
        "PeopleTable: not retained",
    );
    assert_found(
        &check("DeletionPolicy: RetainExceptOnCreate", "DeletionPolicy: Retain"),
        "PeopleTable: not retained",
    );
    assert_found(
        &check("UpdateReplacePolicy: Retain", "UpdateReplacePolicy: Delete"),
        "PeopleTable: not retained",
    );
    assert_found(
        &check("PointInTimeRecoveryEnabled: true", "PointInTimeRecoveryEnabled: false"),
        "recovery",
    );
    assert_found(&check("SSEEnabled: true", "SSEEnabled: false"), "managed key");
    assert_found(
        &check("StreamSpecification: {StreamViewType: NEW_IMAGE}", ""),
        "EventsTable: not the stream",
    );
    assert_found(
        &check("{AttributeName: ttl, Enabled: true}", "{AttributeName: t, Enabled: true}"),
        "TTL",
    );
    assert_found(
        &check("IndexName: by-change", "IndexName: changes"),
        "CatalogTable: not the indexes",
    );
    assert_found(&check("IndexName: by-time", "IndexName: time"), "EventsTable: not the indexes");
    for (kind, problem) in [
        ("AWS::S3::Bucket", "Bucket: not retained"),
        ("AWS::SecretsManager::Secret", "PseudonymSecret: not retained"),
    ] {
        let text = read("template.yaml");
        let (before, resource) =
            text.split_once(&format!("    Type: {kind}\n")).expect("the resource");
        let edited = resource.replacen("RetainExceptOnCreate", "Delete", 1);
        let edited = parse(&format!("{before}    Type: {kind}\n{edited}"));
        assert_found(&table_problems(&edited), problem);
    }
}

// ---- Streams ------------------------------------------------------------------------------

/// A stream may block on a record for long and hold up everything behind it: each source
/// must be filtered, bounded, and end in a queue.
fn stream_problems(template: &Value) -> Vec<String> {
    let mut problems = Vec::new();
    for (name, function) in functions(template) {
        for (event, source) in object(&function["Properties"]["Events"]) {
            if source["Type"] != "DynamoDB" {
                continue;
            }
            let properties = &source["Properties"];
            let mut require = |holds: bool, what: &str| {
                if !holds {
                    problems.push(format!("{name}/{event}: {what}"));
                }
            };
            // The stack's own, unless another is attached.
            let stream = properties["Stream"]["Fn::If"][1]["Fn::GetAtt"].as_str();
            let table = stream.and_then(|stream| stream.strip_suffix(".StreamArn"));
            let table = table.unwrap_or_default();
            let has_stream =
                !template["Resources"][table]["Properties"]["StreamSpecification"].is_null();
            require(has_stream, "not the stream of a table that has one");
            let patterns: Vec<Option<Value>> = elements(&properties["FilterCriteria"]["Filters"])
                .map(|filter| serde_json::from_str(filter["Pattern"].as_str()?).ok())
                .collect();
            let inserts_only = |pattern: &Option<Value>| {
                pattern.as_ref().is_some_and(|pattern| pattern["eventName"] == json!(["INSERT"]))
            };
            require(!patterns.is_empty() && patterns.iter().all(inserts_only), "not only inserts");
            let is_bounded = |property: &str| properties[property].as_i64().is_some_and(|n| n >= 1);
            require(is_bounded("MaximumRetryAttempts"), "retries without end");
            require(is_bounded("MaximumRecordAgeInSeconds"), "records of any age");
            let failures = &properties["DestinationConfig"]["OnFailure"];
            require(
                failures["Type"] == "SQS" && failures["Destination"].is_object(),
                "no queue for failures",
            );
            let is_alone = properties["BatchSize"] == 1;
            let splits = properties["FunctionResponseTypes"] == json!(["ReportBatchItemFailures"])
                && properties["BisectBatchOnFunctionError"] == true;
            require(is_alone || splits, "one bad record fails its whole batch");
        }
    }
    problems
}

#[test]
fn streams_are_filtered_bounded_and_end_in_a_queue() {
    assert_none(&stream_problems(&template()));

    let check = |from, to| stream_problems(&edited(from, to));
    assert_found(
        &check(
            "Stream: !If [CreateEventsTable, !GetAtt Events",
            "Stream: !If [CreateEventsTable, !GetAtt People",
        ),
        "not the stream",
    );
    assert_found(&check("[\"INSERT\"]", "[\"MODIFY\"]"), "not only inserts");
    assert_found(&check("[\"INSERT\"]", "[\"INSERT\""), "not only inserts");
    assert_found(&check("MaximumRetryAttempts: 100", "MaximumRetryAttempts: -1"), "retries");
    assert_found(&check("MaximumRecordAgeInSeconds: 72000", ""), "age");
    assert_found(
        &check("OnFailure: {Type: SQS, Destination: !GetAtt ArchiveFailures.Arn}", "{}"),
        "no queue",
    );
    assert_found(&check("FunctionResponseTypes: [ReportBatchItemFailures]", ""), "whole batch");
}

// ---- Permissions --------------------------------------------------------------------------

/// What a resource of a statement may stand for: the text of a substitution, the name of what is
/// referred to, and of a choice both.
fn resource_texts(resource: &Value) -> Vec<String> {
    let list = |function: &str| resource[function].as_array().map(Vec::as_slice);
    if let Some([_, then, otherwise]) = list("Fn::If") {
        return [resource_texts(then), resource_texts(otherwise)].concat();
    }
    // A part of an ARN names no more than the ARN does.
    if let Some([_, whole]) = list("Fn::Select").or_else(|| list("Fn::Split")) {
        return resource_texts(whole);
    }
    if let Some([text, variables]) = list("Fn::Sub") {
        let mut texts = vec![text.as_str().unwrap_or("*").to_owned()];
        for (name, value) in object(variables) {
            let of = |text: &String| -> Vec<String> {
                let values = resource_texts(value).into_iter();
                let put = |value| text.replace(&format!("${{{name}}}"), &format!("${{{value}}}"));
                values.map(put).collect()
            };
            texts = texts.iter().flat_map(of).collect();
        }
        return texts;
    }
    let inner = [resource, &resource["Fn::Sub"], &resource["Fn::GetAtt"], &resource["Ref"]];
    vec![inner.into_iter().find_map(Value::as_str).unwrap_or("*").to_owned()]
}

/// Where the names of executions begin.
const EXECUTIONS: &str = "arn:${AWS::Partition}:states:${AWS::Region}:${AWS::AccountId}:execution:";

/// Step Functions must be granted these to write logs, and can be for no single log group.
const LOG_DELIVERY: [&str; 8] = [
    "logs:CreateLogDelivery",
    "logs:DeleteLogDelivery",
    "logs:DescribeLogGroups",
    "logs:DescribeResourcePolicies",
    "logs:GetLogDelivery",
    "logs:ListLogDeliveries",
    "logs:PutResourcePolicy",
    "logs:UpdateLogDelivery",
];

fn is_log_delivery(statement: &Value) -> bool {
    let actions = one_or_many(&statement["Action"]);
    actions.iter().all(|action| LOG_DELIVERY.contains(&action.as_str().unwrap_or_default()))
}

/// A resource is named whole, or is the objects of one top folder of a bucket, or the
/// streams of one table, or the executions of one state machine.
fn is_narrow(resource: &str) -> bool {
    let Some(prefix) = resource.strip_suffix('*') else {
        return !resource.contains('*');
    };
    if let Some(execution) = prefix.strip_prefix(EXECUTIONS) {
        return execution.starts_with("${")
            && execution.ends_with(".Name}/")
            && !execution.contains('*');
    }
    let parts: Vec<&str> = prefix.split('/').collect();
    let is_reference =
        |text: &str| text.starts_with("${") && text.find('}') == Some(text.len() - 1);
    let is_owner = |owner: &str| {
        is_reference(owner) && owner.ends_with("Arn}")
            || owner.strip_prefix("arn:${AWS::Partition}:s3:::").is_some_and(is_reference)
    };
    matches!(parts[..], [owner, folder, ""] if is_owner(owner) && !folder.is_empty())
        && !prefix.contains('*')
}

fn allowing_statements(resource: &Value) -> Vec<&Value> {
    let properties = &resource["Properties"];
    let mut documents = vec![&properties["PolicyDocument"]];
    documents.extend(elements(&properties["Policies"]).map(
        |policy| match &policy["PolicyDocument"] {
            Value::Null => policy,
            document => document,
        },
    ));
    documents
        .into_iter()
        .flat_map(|document| one_or_many(&document["Statement"]))
        .filter(|statement| statement["Effect"] == "Allow")
        .collect()
}

fn permission_problems(template: &Value) -> Vec<String> {
    let mut problems = Vec::new();
    for (name, resource) in object(&template["Resources"]) {
        for statement in allowing_statements(resource) {
            let mut require = |holds: bool, what: String| {
                if !holds {
                    problems.push(format!("{name}/{}: {what}", statement["Sid"]));
                }
            };
            for action in one_or_many(&statement["Action"]) {
                let action = action.as_str().unwrap_or("*");
                require(!action.contains('*'), format!("action {action:?}"));
            }
            let resources = one_or_many(&statement["Resource"]).into_iter();
            for granted in resources.flat_map(resource_texts) {
                let may_be_wide = is_log_delivery(statement);
                require(may_be_wide || is_narrow(&granted), format!("resource {granted:?}"));
            }
            // Who only counts may not touch a definition or a run.
            let counts = statement["Action"] == "dynamodb:UpdateItem"
                && resource_texts(&statement["Resource"]).contains(&"ControlTable.Arn".to_owned());
            let keys = &statement["Condition"]["ForAllValues:StringEquals"];
            require(!counts || keys["dynamodb:LeadingKeys"] == json!(["activity"]), "keys".into());
            for negation in ["NotAction", "NotResource", "NotPrincipal"] {
                require(statement[negation].is_null(), negation.into());
            }
            let principal = &statement["Principal"];
            require(principal != "*" && principal["AWS"] != "*", "anyone".into());
        }
        let managed = &resource["Properties"]["ManagedPolicyArns"];
        if !managed.is_null() {
            problems.push(format!("{name}: managed policies"));
        }
    }
    for (name, function) in functions(template) {
        let properties = &function["Properties"];
        // Without a role of its own, SAM attaches managed policies that reach every stream.
        let role = properties["Role"]["Fn::GetAtt"].as_str().unwrap_or_default();
        let own = name.replace("Function", "Role.Arn");
        if role != own || !properties["Policies"].is_null() {
            problems.push(format!("{name}: not a role of its own"));
        }
    }
    problems
}

#[test]
fn permissions_are_narrow() {
    assert_none(&permission_problems(&template()));

    let check = |from, to| permission_problems(&edited(from, to));
    assert_found(&check("\"dynamodb:Scan\"", "\"dynamodb:*\""), "action");
    assert_found(&check("\"dynamodb:GetItem\"", "\"dynamodb:Get*\""), "action");
    assert_found(
        &check("Action: \"dynamodb:Query\"", "NotAction: \"dynamodb:Query\""),
        "NotAction",
    );
    let people =
        "Resource: !If [CreatePeopleTable, !GetAtt PeopleTable.Arn, !Ref ExistingPeopleTableArn]";
    assert_found(&check(people, "Resource: \"*\""), "resource \"*\"");
    assert_found(
        &check(people, "Resource: !If [CreatePeopleTable, !GetAtt PeopleTable.Arn, \"*\"]"),
        "resource \"*\"",
    );
    assert_found(&check("${Name}/events/*", "${Name}/*"), "resource");
    assert_found(&check("LeadingKeys\": [\"activity\"]", "LeadingKeys\": [\"domain\"]"), "keys");
    assert_found(&check("logs:PutResourcePolicy", "logs:DeleteLogGroup"), "resource \"*\"");
    assert_found(&check("execution:${RetrainStateMachine.Name}/*", "execution:*"), "resource");
    assert_found(&check("Role: !GetAtt ArchiveRole.Arn", ""), "ArchiveFunction: not a role");
    assert_found(
        &check("Role: !GetAtt ArchiveRole.Arn", "Role: !GetAtt TrainRole.Arn"),
        "not a role",
    );
    assert_found(&check("Effect: Deny", "Effect: Allow"), "anyone");
    // Of the bucket, the API's training function writes the pointer and nothing else.
    let written: Vec<String> = allowing_statements(&template()["Resources"]["TrainingApiRole"])
        .into_iter()
        .filter(|statement| one_or_many(&statement["Action"]).contains(&&json!("s3:PutObject")))
        .flat_map(|statement| one_or_many(&statement["Resource"]))
        .flat_map(resource_texts)
        .collect();
    let pointer =
        |bucket: &str| format!("arn:${{AWS::Partition}}:s3:::${{{bucket}}}/models/current.json");
    assert_eq!(written, [pointer("Bucket"), pointer("ExistingBucket")]);
    let role = "Type: AWS::IAM::Role\n    Properties:\n";
    let managed = format!(
        "{role}      ManagedPolicyArns: [\"arn:aws:iam::aws:policy/AdministratorAccess\"]\n"
    );
    assert_found(&check(role, &managed), "managed policies");
}

#[test]
fn what_counts_as_narrow() {
    let executions = format!("{EXECUTIONS}${{M.Name}}/*");
    for narrow in [
        "EventsTable.Arn",
        "${Bucket.Arn}/models/*",
        "${T.Arn}/index/by-change",
        "${T.Arn}/stream/*",
        "${ExistingTableArn}/index/by-change",
        "arn:${AWS::Partition}:s3:::${ExistingBucket}/models/*",
        &executions,
    ] {
        assert!(is_narrow(narrow), "{narrow}");
    }
    for wide in [
        "*",
        "${Bucket.Arn}/*",
        "${Bucket.Arn}*",
        "arn:aws:s3:::*/x/*",
        "arn:${AWS::Partition}:s3:::${Bucket}/*",
        "arn:${AWS::Partition}:s3:::${A}${B}/x/*",
        "${Bucket.Arn}/*/x",
        "a/b/*",
    ] {
        assert!(!is_narrow(wide), "{wide}");
    }
}

// ---- Metrics from logs --------------------------------------------------------------------

/// Every source of the training crate, which writes what the metric filters look for.
fn logging_sources() -> String {
    let folders = [
        "crates/train/src",
        "crates/ingest/src",
        "crates/recommend/src/campaigns",
        "crates/storage/src",
    ];
    let files = folders.map(|folder| std::fs::read_dir(root().join(folder)).expect("the sources"));
    let paths = files.into_iter().flatten().map(|file| file.expect("a file").path());
    let rust = paths.filter(|path| path.extension().is_some_and(|extension| extension == "rs"));
    rust.map(|path| std::fs::read_to_string(path).expect("a text")).collect()
}

/// A filter counts on a message that the code writes, and feeds a metric that an alarm watches.
fn metric_problems(template: &Value, sources: &str) -> Vec<String> {
    let mut problems = Vec::new();
    let watched: BTreeSet<&str> = resources(template, "AWS::CloudWatch::Alarm")
        .filter(|(_, alarm)| alarm["Properties"]["Namespace"]["Ref"] == "AWS::StackName")
        .filter_map(|(_, alarm)| alarm["Properties"]["MetricName"].as_str())
        .collect();
    for (name, filter) in resources(template, "AWS::Logs::MetricFilter") {
        let pattern = filter["Properties"]["FilterPattern"].as_str().unwrap_or_default();
        let message = pattern.split('"').nth(1).unwrap_or_default();
        if message.is_empty() || !sources.contains(&format!("\"{message}\"")) {
            problems.push(format!("{name}: nothing writes {message:?}"));
        }
        for transformation in elements(&filter["Properties"]["MetricTransformations"]) {
            let metric = transformation["MetricName"].as_str().unwrap_or_default();
            if !watched.contains(metric) {
                problems.push(format!("{name}: no alarm watches {metric:?}"));
            }
            let value = transformation["MetricValue"].as_str().unwrap_or_default();
            let field = value.strip_prefix("$.fields.");
            if field.is_some_and(|field| !sources.contains(&format!(" {field},"))) {
                problems.push(format!("{name}: nothing writes the field {value:?}"));
            }
        }
    }
    problems
}

#[test]
fn alarms_count_on_what_the_logs_hold() {
    let sources = logging_sources();
    assert_none(&metric_problems(&template(), &sources));
    assert_eq!(resources(&template(), "AWS::Logs::MetricFilter").count(), 9);

    let check = |from, to| metric_problems(&edited(from, to), &sources);
    assert_found(&check("inputs have drifted", "inputs drifted"), "InputDrift: nothing writes");
    assert_found(&check("MetricName: ModelRefusals", "MetricName: Refusals"), "no alarm watches");
    assert_found(&check("$.fields.psi", "$.fields.nobody_writes_this"), "nothing writes the field");
}

// ---- Training beyond one machine ----------------------------------------------------------

/// The definition must be given what it substitutes, invoke the one function, and the
/// pipe must start it for exactly the records that would wake the function `train`.
fn retraining_problems(template: &Value, definition: &str) -> Vec<String> {
    let mut problems = Vec::new();
    let mut require = |holds: bool, what: String| {
        if !holds {
            problems.push(what);
        }
    };
    let properties = &template["Resources"]["RetrainStateMachine"]["Properties"];
    let given: BTreeSet<String> =
        object(&properties["DefinitionSubstitutions"]).map(|(name, _)| name.clone()).collect();
    let used: BTreeSet<String> = substituted(definition, &Value::Null).into_iter().collect();
    require(used == given, format!("the definition uses {used:?} and is given {given:?}"));
    require(
        definition.contains("MaxConcurrency: ${ShardConcurrency}\n"),
        "the width of the map is a text".into(),
    );
    visit(&parse(definition), "", &mut |path, state| {
        if state["Type"] == "Task" {
            let function = &state["Parameters"]["FunctionName"];
            require(function == "${ShardFunctionArn}", format!("{path} invokes {function}"));
            require(state["TimeoutSeconds"].is_u64(), format!("{path} may take for ever"));
            require(!state["Retry"].is_null(), format!("{path} is not tried again"));
        }
        if state["Type"] == "Map" {
            let tolerated = &state["ToleratedFailurePercentage"];
            require(tolerated == 0, format!("{path} tolerates failures: {tolerated}"));
            // A number once it is substituted: in quotes it would be a text.
            let limit = &state["MaxConcurrency"];
            require(limit == "${ShardConcurrency}", format!("{path} has no limit"));
        }
    });
    let pipe = &template["Resources"]["RetrainPipe"];
    let source = &template["Resources"]["TrainFunction"]["Properties"]["Events"]["Control"];
    let filters = &pipe["Properties"]["SourceParameters"]["FilterCriteria"];
    require(
        *filters == source["Properties"]["FilterCriteria"],
        "the pipe and the function train differ in what wakes them".into(),
    );
    let enabled = &source["Properties"]["Enabled"];
    require(
        *enabled == json!({"Fn::If": ["TrainInFunction", true, false]})
            && pipe["Condition"] == "TrainInStateMachine",
        "a run would be carried out twice, or never".into(),
    );
    problems
}

#[test]
fn the_state_machine_is_given_what_it_uses_and_is_started_for_runs_alone() {
    let definition = read("infra/retrain.asl.yaml");
    assert_none(&retraining_problems(&template(), &definition));

    let check = |from, to| retraining_problems(&edited(from, to), &definition);
    assert_found(&check("ShardFunctionArn: !GetAtt", "FunctionArn: !GetAtt"), "is given");
    assert_found(&check("Condition: TrainInStateMachine", ""), "carried out twice");
    assert_found(&check("Enabled: !If [TrainInFunction, true, false]", ""), "carried out twice");
    let pattern = "[\"training-run\"]}}}}'\n        DynamoDBStreamParameters";
    assert_found(
        &check(pattern, "[\"domain\"]}}}}'\n        DynamoDBStreamParameters"),
        "what wakes them",
    );
    let check = |from: &str, to: &str| {
        assert!(definition.contains(from), "nothing to edit: {from:?}");
        retraining_problems(&template(), &definition.replacen(from, to, 1))
    };
    assert_found(&check("ToleratedFailurePercentage: 0", ""), "tolerates failures");
    assert_found(&check("TimeoutSeconds: 900", ""), "for ever");
    assert_found(&check("MaxConcurrency: ${ShardConcurrency}", ""), "no limit");
    assert_found(
        &check("MaxConcurrency: ${ShardConcurrency}", "MaxConcurrency: \"${ShardConcurrency}\""),
        "is a text",
    );
    assert_found(&check("Retry:", "Again:"), "not tried again");
    assert_found(&check("${ShardFunctionArn}", "${Bucket}"), "invokes");
}

// ---- Environment --------------------------------------------------------------------------

fn environment_problems(template: &Value) -> Vec<String> {
    let mut problems = Vec::new();
    let mut set = BTreeSet::new();
    let global = &template["Globals"]["Function"]["Environment"]["Variables"];
    for (name, function) in functions(template) {
        let own = &function["Properties"]["Environment"]["Variables"];
        for (variable, _) in object(global).chain(object(own)) {
            set.insert(variable.as_str());
            if !ENVIRONMENT.contains(&variable.as_str()) {
                problems.push(format!("{name}: unknown variable {variable}"));
            }
        }
        let has_secret = own.get("CROSSFOLD_PSEUDONYM_SECRET").is_some();
        let role = &template["Resources"][name.replace("Function", "Role")];
        let reads_secret = allowing_statements(role)
            .iter()
            .flat_map(|statement| one_or_many(&statement["Action"]))
            .any(|action| action == "secretsmanager:GetSecretValue");
        if has_secret != reads_secret {
            problems.push(format!(
                "{name}: told of the secret: {has_secret}, may read it: {reads_secret}"
            ));
        }
    }
    let unset = ENVIRONMENT.iter().filter(|variable| !set.contains(*variable));
    problems.extend(unset.map(|variable| format!("no function is given {variable}")));
    problems
}

#[test]
fn functions_are_given_the_variables_they_know() {
    assert_none(&environment_problems(&template()));

    let check = |from, to| environment_problems(&edited(from, to));
    assert_found(
        &check("CROSSFOLD_BUCKET:", "CROSSFOLD_BUCKETS:"),
        "unknown variable CROSSFOLD_BUCKETS",
    );
    assert_found(
        &check("CROSSFOLD_BUCKET:", "CROSSFOLD_BUCKETS:"),
        "no function is given CROSSFOLD_BUCKET",
    );
    assert_found(
        &check("\"secretsmanager:GetSecretValue\"", "\"kms:Decrypt\""),
        "may read it: false",
    );
}

// ---- HTTP API -----------------------------------------------------------------------------

/// Each route of the template, with how often it is there.
fn routes(template: &Value) -> BTreeMap<String, usize> {
    let mut routes = BTreeMap::new();
    for (_, function) in functions(template) {
        for (_, event) in object(&function["Properties"]["Events"]) {
            if event["Type"] == "HttpApi" {
                let text = |property: &str| event["Properties"][property].as_str().unwrap_or("?");
                *routes.entry(format!("{} {}", text("Method"), text("Path"))).or_default() += 1;
            }
        }
    }
    routes
}

fn operations(openapi: &Value) -> BTreeSet<String> {
    const METHODS: [&str; 7] = ["get", "put", "post", "delete", "patch", "head", "options"];
    object(&openapi["paths"])
        .flat_map(|(path, item)| object(item).map(move |(method, _)| (path, method)))
        .filter(|(_, method)| METHODS.contains(&method.as_str()))
        .map(|(path, method)| format!("{} {path}", method.to_uppercase()))
        .collect()
}

fn route_problems(template: &Value, openapi: &Value) -> Vec<String> {
    let (routes, operations) = (routes(template), operations(openapi));
    let mut problems = Vec::new();
    for (route, count) in &routes {
        if !operations.contains(route) {
            problems.push(format!("{route}: not described"));
        }
        if *count > 1 {
            problems.push(format!("{route}: {count} times in the template"));
        }
    }
    let absent = operations.iter().filter(|operation| !routes.contains_key(*operation));
    problems.extend(absent.map(|operation| format!("{operation}: not in the template")));
    problems
}

#[test]
fn the_template_routes_what_the_description_describes() {
    let text = read("infra/openapi.yaml");
    let openapi = parse(&text);
    assert_none(&route_problems(&template(), &openapi));
    assert_eq!(routes(&template()).len(), 54);

    let check = |from, to| route_problems(&edited(from, to), &openapi);
    assert_found(
        &check("\"/v1/feedback\"", "\"/v1/feedbacks\""),
        "POST /v1/feedbacks: not described",
    );
    assert_found(
        &check("\"/v1/feedback\"", "\"/v1/feedbacks\""),
        "POST /v1/feedback: not in the template",
    );
    assert_found(&check("\"/v1/feedback\"", "\"/v1/events\""), "2 times");
    let more =
        edited_text(&text, "\n  /v1/feedback:\n", "\n  /v1/more:\n    get: {}\n  /v1/feedback:\n");
    assert_found(&route_problems(&template(), &more), "GET /v1/more: not in the template");
}

fn api_problems(template: &Value) -> Vec<String> {
    let mut problems = Vec::new();
    for (name, api) in resources(template, "AWS::Serverless::HttpApi") {
        let properties = &api["Properties"];
        let authorizer = properties["Auth"]["DefaultAuthorizer"].as_str().unwrap_or_default();
        let jwt = &properties["Auth"]["Authorizers"][authorizer]["JwtConfiguration"];
        if jwt["issuer"].is_null() || jwt["audience"].is_null() {
            problems.push(format!("{name}: open to anyone"));
        }
        let format = properties["AccessLogSettings"]["Format"].as_str().unwrap_or_default();
        match serde_json::from_str::<BTreeMap<String, String>>(format) {
            Err(error) => problems.push(format!("{name}: the access log is not JSON: {error}")),
            Ok(fields) => {
                let leaks = fields.values().filter(|field| !LOGGED.contains(&field.as_str()));
                problems.extend(leaks.map(|field| format!("{name}: logs {field}")));
            }
        }
    }
    for (name, function) in functions(template) {
        for (event, source) in object(&function["Properties"]["Events"]) {
            let properties = &source["Properties"];
            if source["Type"] != "HttpApi" {
                continue;
            }
            let path = properties["Path"].as_str().unwrap_or_default();
            let is_open = properties["Auth"] == json!({"Authorizer": "NONE"});
            let has_authorizer =
                properties["ApiId"]["Ref"] == "Api" && properties["Auth"].is_null();
            if KEYED.contains(&path) != is_open || !(has_authorizer || is_open) {
                problems.push(format!("{name}/{event}: not behind the authorizer of the API"));
            }
        }
    }
    problems
}

#[test]
fn every_route_asks_for_a_token_and_logs_no_user() {
    assert_none(&api_problems(&template()));

    let check = |from, to| api_problems(&edited(from, to));
    assert_found(&check("DefaultAuthorizer: Jwt", "DefaultAuthorizer: None"), "open to anyone");
    assert_found(&check("$context.routeKey", "$context.path"), "logs $context.path");
    assert_found(&check("{\"request_id\":", "{request_id:"), "not JSON");
    assert_found(
        &check("ApiId: !Ref Api,", "ApiId: !Ref Api, Auth: {Authorizer: NONE},"),
        "PostEvents",
    );
    assert_found(&check("ApiId: !Ref Api,", ""), "PostEvents");
    assert_found(&check("\"/v1/track\", Auth: {Authorizer: NONE}", "\"/v1/track\""), "PostTrack");
}
