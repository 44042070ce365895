//! What a stranger with an empty account needs of the template and of the files beside it, beyond
//! what a linter sees. As in `template.rs`, each check must find the problem that an edit plants.

#![allow(clippy::expect_used)] // A test may stop at the first surprise.

use std::collections::BTreeSet;

use crossfold_e2e::template::{
    assert_found, assert_none, edited, elements, functions, object, read, resources, template,
};
use crossfold_e2e::token::SCOPES;
use serde_json::{Value, json};

// ---- Quotas -------------------------------------------------------------------------------

/// Megabytes that a function of a new account may have.
const MEMORY: u64 = 3_008;
/// Executions that a new account may have at once.
const EXECUTIONS: u64 = 10;

/// A literal, or the default of the parameter that is referred to.
fn default<'a>(template: &'a Value, value: &'a Value) -> &'a Value {
    match value["Ref"].as_str() {
        Some(parameter) => &template["Parameters"][parameter]["Default"],
        None => value,
    }
}

/// With every parameter at its default, nothing asks for more than a new account has.
fn quota_problems(template: &Value) -> Vec<String> {
    let mut problems = Vec::new();
    for (name, function) in functions(template) {
        let properties = &function["Properties"];
        let memory = default(template, &properties["MemorySize"]);
        if memory.as_u64().is_none_or(|megabytes| megabytes > MEMORY) {
            problems.push(format!("{name}: {memory} MB"));
        }
        let reserved = &properties["ReservedConcurrentExecutions"];
        let (given, otherwise) = (&reserved["Fn::If"][1], &reserved["Fn::If"][2]);
        let reserves_none =
            *default(template, given) == json!(-1) && *otherwise == json!({"Ref": "AWS::NoValue"});
        if !reserved.is_null() && !reserves_none {
            problems.push(format!("{name}: sets executions aside"));
        }
    }
    let width = &template["Parameters"]["ShardConcurrency"]["Default"];
    if width.as_u64().is_none_or(|width| width >= EXECUTIONS) {
        problems.push(format!("the map takes {width} executions at once"));
    }
    problems
}

#[test]
fn a_new_accounts_quotas_allow_every_default() {
    assert_none(&quota_problems(&template()));

    let check = |from, to| quota_problems(&edited(from, to));
    assert_found(&check("Default: 3008", "Default: 10240"), "TrainFunction: 10240 MB");
    assert_found(&check("MemorySize: 512", "MemorySize: 4096"), "IngestFunction: 4096 MB");
    assert_found(&check("Default: -1", "Default: 1"), "IngestFunction: sets executions aside");
    let reservation = "!If [ReserveTrain, !Ref TrainReservedConcurrency, !Ref AWS::NoValue]";
    assert_found(&check(reservation, "1"), "TrainFunction: sets executions aside");
    let width = "ShardConcurrency:\n    Type: Number\n    Default: ";
    assert_found(&check(&format!("{width}5"), &format!("{width}200")), "the map takes 200");
}

/// What `samconfig.toml` sets must not ask for more either: it is what is deployed.
#[test]
fn the_first_deployment_raises_nothing_and_protects_no_table_yet() {
    let samconfig = read("samconfig.toml");
    for (name, _) in object(&template()["Parameters"]) {
        let is_quota = name.ends_with("Memory") || name.ends_with("Concurrency");
        assert!(!is_quota || !samconfig.contains(&format!("\"{name}=")), "{name}");
    }
    // A creation that fails could not take protected tables away.
    assert!(!samconfig.contains("\"DeletionProtection=true"));
    assert_eq!(template()["Parameters"]["DeletionProtection"]["Default"], "false");
}

// ---- The processor ------------------------------------------------------------------------

/// The parameters of a deployment must be those of its build, and only `global` is read by both.
fn samconfig_problems(samconfig: &str) -> Vec<String> {
    let mut problems = Vec::new();
    let mut section = "";
    let mut deployments = BTreeSet::new();
    let mut with_processor = BTreeSet::new();
    for line in samconfig.lines() {
        if let Some(header) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            section = header;
            deployments.extend(header.strip_suffix(".deploy.parameters"));
        }
        if line.starts_with("parameter_overrides") && !section.ends_with(".global.parameters") {
            problems.push(format!("[{section}] replaces the parameters that the build goes by"));
        }
        if line.trim().starts_with("\"Architecture=") {
            with_processor.extend(section.strip_suffix(".global.parameters"));
        }
    }
    for deployment in deployments.difference(&with_processor) {
        problems.push(format!("{deployment} does not say which processor it is built for"));
    }
    problems
}

#[test]
fn functions_are_declared_for_the_processor_that_they_are_built_for() {
    let samconfig = read("samconfig.toml");
    assert_none(&samconfig_problems(&samconfig));
    let own = samconfig.replace("[dev.global.parameters]", "[dev.deploy.parameters]");
    assert_found(&samconfig_problems(&own), "replaces the parameters");
    let silent = samconfig.replacen("  \"Architecture=x86_64\",\n", "", 1);
    assert_found(&samconfig_problems(&silent), "dev does not say");

    for (name, function) in functions(&template()) {
        assert!(function["Properties"]["Architectures"].is_null(), "{name}: its own processor");
    }
    let global = &template()["Globals"]["Function"]["Architectures"];
    assert_eq!(*global, json!([{"Ref": "Architecture"}]));
}

/// On a command line it would replace what stands in `samconfig.toml`.
#[test]
fn no_command_that_we_tell_of_drops_the_parameters() {
    for file in ["README.md", "infra/build.sh", "infra/deploy.md", "infra/scale.md"] {
        for line in read(file).lines().filter(|line| line.contains("--parameter-overrides")) {
            assert!(!line.contains("sam "), "{file}: {line}");
        }
        // In quotes, the words alone are its name.
        let is_command = |line: &str| {
            let ends =
                ["sam build", "sam deploy"].into_iter().flat_map(|words| line.split(words).skip(1));
            ends.into_iter().any(|rest| rest.is_empty() || rest.starts_with(' '))
        };
        for line in read(file).lines().filter(|line| is_command(line)) {
            assert!(line.contains("--config-env"), "{file}: {line}");
        }
    }
}

// ---- Data of an earlier stack -------------------------------------------------------------

/// What holds data, the parameter that attaches another, and the output that hands it on.
const DATA: [(&str, &str); 7] = [
    ("PeopleTable", "ExistingPeopleTableArn"),
    ("EventsTable", "ExistingEventsStreamArn"),
    ("CatalogTable", "ExistingCatalogTableArn"),
    ("DecisionsTable", "ExistingDecisionsStreamArn"),
    ("ControlTable", "ExistingControlStreamArn"),
    ("Bucket", "ExistingBucket"),
    ("PseudonymSecret", "ExistingPseudonymSecretArn"),
];

/// Whether a value refers to a name in any way, also deep inside.
fn refers_to(value: &Value, name: &str) -> bool {
    let names = |text: &str| {
        text == name || text.strip_prefix(name).is_some_and(|rest| rest.starts_with('.'))
    };
    let substitutes = |text: &str| {
        let mut parts = text.split("${").skip(1).filter_map(|rest| rest.split('}').next());
        parts.any(names)
    };
    object(value).any(|(key, inner)| match (key.as_str(), inner.as_str()) {
        ("Ref" | "Fn::GetAtt", Some(text)) => names(text),
        ("Fn::Sub", Some(text)) => substitutes(text),
        ("Fn::Sub", None) => {
            inner[0].as_str().is_some_and(substitutes) || refers_to(&inner[1], name)
        }
        _ => refers_to(inner, name),
    }) || elements(value).any(|inner| refers_to(inner, name))
}

/// Every use of what is not made when another is attached must leave the choice open.
fn unguarded(value: &Value, path: &str, (name, parameter): (&str, &str), found: &mut Vec<String>) {
    if let Some([condition, then, otherwise]) = value["Fn::If"].as_array().map(Vec::as_slice)
        && *condition == json!(format!("Create{name}"))
    {
        if !refers_to(then, name) || !refers_to(otherwise, parameter) {
            found.push(format!("{path}: not {name} or else {parameter}"));
        }
        return;
    }
    let is_use = object(value).any(|(key, inner)| {
        matches!(key.as_str(), "Ref" | "Fn::GetAtt")
            || key == "Fn::Sub" && (inner.is_string() || inner[0].is_string())
    });
    let own_variables = &value["Fn::Sub"][1];
    if is_use && own_variables.is_null() && refers_to(value, name) {
        found.push(format!("{path}: {name}, also when it was not made"));
    }
    for (key, inner) in object(value) {
        unguarded(inner, &format!("{path}/{key}"), (name, parameter), found);
    }
    for (index, inner) in elements(value).enumerate() {
        unguarded(inner, &format!("{path}/{index}"), (name, parameter), found);
    }
}

fn attachment_problems(template: &Value) -> Vec<String> {
    let mut problems = Vec::new();
    for (name, parameter) in DATA {
        let create = format!("Create{name}");
        let mut require = |holds: bool, what: &str| {
            if !holds {
                problems.push(format!("{name}: {what}"));
            }
        };
        require(template["Resources"][name]["Condition"] == create, "made in any case");
        let is_absent = json!({"Fn::Equals": [{"Ref": parameter}, ""]});
        require(template["Conditions"][&create] == is_absent, "the condition is another one");
        let described = &template["Parameters"][parameter];
        require(described["Default"] == "", "attached by default");
        require(described["AllowedPattern"].is_string(), "anything may be attached");
        let output = &template["Outputs"][parameter]["Value"];
        require(refers_to(output, name), "no output hands it on");
        for section in ["Globals", "Resources", "Outputs"] {
            unguarded(&template[section], section, (name, parameter), &mut problems);
        }
    }
    for kind in ["AWS::DynamoDB::Table", "AWS::S3::Bucket", "AWS::SecretsManager::Secret"] {
        for (name, _) in resources(template, kind) {
            if DATA.iter().all(|(known, _)| known != name) {
                problems.push(format!("{name}: cannot be attached"));
            }
        }
    }
    let keyed = &template["Rules"]["PeopleKeepTheirKey"];
    for parameter in [
        "ExistingPeopleTableArn",
        "ExistingEventsStreamArn",
        "ExistingDecisionsStreamArn",
        "ExistingBucket",
    ] {
        let names_it = refers_to(&keyed["RuleCondition"], parameter)
            && refers_to(&keyed["Assertions"], "ExistingPseudonymSecretArn");
        if !names_it {
            problems.push(format!("{parameter}: attached without the secret it was written with"));
        }
    }
    problems
}

#[test]
fn a_new_stack_can_be_given_what_an_earlier_one_left() {
    assert_none(&attachment_problems(&template()));

    let check = |from, to| attachment_problems(&edited(from, to));
    assert_found(&check("    Condition: CreateEventsTable\n", ""), "EventsTable: made in any case");
    assert_found(
        &check("CreateBucket: !Equals [!Ref ExistingBucket", "CreateBucket: !Equals [!Ref Tenant"),
        "Bucket: the condition",
    );
    assert_found(
        &check("!If [CreateBucket, !Ref Bucket, !Ref ExistingBucket]", "!Ref Bucket"),
        "Bucket, also when it was not made",
    );
    assert_found(
        &check(
            "!If [CreateEventsTable, !GetAtt EventsTable.StreamArn, !Ref ExistingEventsStreamArn]",
            "!GetAtt EventsTable.StreamArn",
        ),
        "EventsTable, also when it was not made",
    );
    assert_found(
        &check(
            "!GetAtt EventsTable.StreamArn, !Ref ExistingEventsStreamArn",
            "!GetAtt EventsTable.StreamArn, !Ref ExistingControlStreamArn",
        ),
        "not EventsTable or else ExistingEventsStreamArn",
    );
    assert_found(
        &check("\n  ExistingBucket:\n    Value:", "\n  ABucket:\n    Value:"),
        "Bucket: no output",
    );
    assert_found(
        &check(
            "- !Not [!Equals [!Ref ExistingBucket, \"\"]]",
            "- !Not [!Equals [!Ref Tenant, \"\"]]",
        ),
        "ExistingBucket: attached without the secret",
    );
    let more = "Resources:\n  MoreTable: {Type: \"AWS::DynamoDB::Table\"}\n";
    assert_found(&check("Resources:\n", more), "MoreTable: cannot be attached");
}

// ---- Documents ----------------------------------------------------------------------------

/// The section of a document below a heading.
fn section(document: &str, heading: &str) -> String {
    let text = read(document);
    let (_, rest) = text.split_once(&format!("\n## {heading}\n")).expect("the heading");
    rest.split("\n## ").next().unwrap_or_default().to_owned()
}

#[test]
fn readme_names_every_scope() {
    let deploy = section("README.md", "Deploy");
    let named: BTreeSet<&str> = deploy
        .split('`')
        .filter(|word| word.split(':').count() == 2 && !word.contains([' ', '/']))
        .collect();
    assert_eq!(named, BTreeSet::from(SCOPES));
}

#[test]
fn every_parameter_that_the_documents_name_is_one() {
    let template = template();
    let known: BTreeSet<&String> = object(&template["Parameters"]).map(|(name, _)| name).collect();
    let others = ["ApiUrl", "RetainExceptOnCreate"];
    for document in ["README.md", "infra/deploy.md", "infra/scale.md"] {
        let text = read(document);
        for word in text
            .split('`')
            .skip(1)
            .step_by(2)
            .map(|word| word.split('=').next().unwrap_or_default())
        {
            let is_name = word.len() > 6
                && word.starts_with(|c: char| c.is_ascii_uppercase())
                && word.chars().all(|c| c.is_ascii_alphanumeric())
                && word.chars().filter(char::is_ascii_uppercase).count() >= 2
                && word.chars().any(|c| c.is_ascii_lowercase());
            let is_parameter = known.iter().any(|known| *known == word);
            assert!(!is_name || is_parameter || others.contains(&word), "{document}: {word}");
        }
    }
}
