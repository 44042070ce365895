//! Clients that others' generators make from `infra/openapi.yaml` have every operation.

#![allow(clippy::unwrap_used)] // A test may stop at the first surprise.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crossfold_e2e::local::Local;
use crossfold_e2e::openapi::{OpenApi, Operation};
use crossfold_e2e::python;

/// Names a Python that has openapi-python-client.
const PYTHON_VARIABLE: &str = "CROSSFOLD_OPENAPI_PYTHON_CLIENT";
/// What `tests/run` calls that Python's environment.
const ENVIRONMENT: &str = "clients";
/// The package that the client in Python is made as.
const PACKAGE: &str = "crossfold_client";
/// Calls the API through that package.
const CALLER: &str = include_str!("clients/call_api.py");

const NPM_PACKAGES: [&str; 2] = ["openapi-typescript@7.13.0", "typescript@5.9.3"];

fn operations() -> Vec<Operation> {
    OpenApi::read().unwrap().operations().cloned().collect()
}

fn operation(method: &str, path: &str, id: &str) -> Operation {
    Operation { method: method.into(), path: path.into(), id: id.into() }
}

/// The document with an edit, in a folder.
fn edited(folder: &Path, from: &str, to: &str) -> PathBuf {
    let text = std::fs::read_to_string(OpenApi::path()).unwrap();
    assert!(text.contains(from), "nothing to edit: {from:?}");
    let path = folder.join("edited.yaml");
    std::fs::write(&path, text.replace(from, to)).unwrap();
    path
}

fn text(output: &Output) -> String {
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    text(&output.stdout) + &text(&output.stderr)
}

/// What a generator that failed or warned said. A warning may be all there is to tell that
/// it left something out.
fn complaints(output: &Output) -> Option<String> {
    let said = text(output);
    let is_fine = output.status.success() && !said.to_lowercase().contains("warn");
    (!is_fine).then_some(said)
}

#[test]
fn operations_have_names_of_their_own() {
    let operations = operations();
    let names: BTreeSet<&str> = operations.iter().map(|operation| operation.id.as_str()).collect();
    assert_eq!(names.len(), operations.len(), "{names:?}");
}

// ---- Python -------------------------------------------------------------------------------

/// Makes the client in a folder, and finds what is missing of it.
fn python_problems(document: &Path, folder: &Path, operations: &[Operation]) -> Vec<String> {
    let python = python::find(PYTHON_VARIABLE, ENVIRONMENT).unwrap();
    let output = Command::new(&python)
        .args(["-m", "openapi_python_client", "generate", "--meta", "none", "--overwrite"])
        .args([Path::new("--path"), document])
        .args([Path::new("--output-path"), &folder.join(PACKAGE)])
        // It puts what it has made in order with ruff, which is installed beside it.
        .env("PATH", path_with(python.parent().unwrap()))
        .output()
        .unwrap();
    let modules = modules(&folder.join(PACKAGE).join("api"));
    let absent =
        operations.iter().filter(|operation| !modules.contains(&snake_case(&operation.id)));
    complaints(&output)
        .into_iter()
        .chain(absent.map(|operation| format!("{} is missing", operation.id)))
        .collect()
}

fn path_with(folder: &Path) -> std::ffi::OsString {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::join_paths(std::iter::once(folder.into()).chain(std::env::split_paths(&path)))
        .unwrap()
}

/// The modules that call an operation. There is a folder for each tag.
fn modules(api: &Path) -> BTreeSet<String> {
    let entries = |folder: &Path| -> Vec<PathBuf> {
        let entries = std::fs::read_dir(folder).into_iter().flatten();
        entries.map(|entry| entry.unwrap().path()).collect()
    };
    let calls = |path: &PathBuf| {
        std::fs::read_to_string(path).is_ok_and(|text| text.contains("\ndef sync_detailed("))
    };
    let name = |path: PathBuf| path.file_stem().unwrap().to_string_lossy().into_owned();
    let tags = entries(api);
    tags.iter().flat_map(|tag| entries(tag)).filter(calls).map(name).collect()
}

/// `postTrainingRuns` as `post_training_runs`.
fn snake_case(name: &str) -> String {
    let words = name.chars().flat_map(|letter| {
        let is_first = letter.is_uppercase();
        is_first.then_some('_').into_iter().chain(letter.to_lowercase())
    });
    words.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_in_python_has_every_operation_and_works() {
    let folder = tempfile::tempdir().unwrap();
    let problems = python_problems(&OpenApi::path(), folder.path(), &operations());
    assert!(problems.is_empty(), "{}", problems.join("\n"));

    let server = Local::start().await.unwrap();
    let output = tokio::process::Command::new(python::find(PYTHON_VARIABLE, ENVIRONMENT).unwrap())
        .args(["-c", CALLER, server.client().base()])
        .env("PYTHONPATH", folder.path())
        .env("PYTHONWARNINGS", "error")
        .env("NO_PROXY", "*")
        .output()
        .await
        .unwrap();
    assert!(output.status.success(), "{}", text(&output));
}

#[test]
fn what_a_client_in_python_leaves_out_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let document = edited(folder.path(), "enum: [\"1\"]", "const: \"1\"");
    let problems = python_problems(&document, folder.path(), &operations());
    assert!(problems[0].contains("Endpoint will not be generated"), "{problems:?}");
    let missing = [
        "postRecommendations",
        "postRecommendationsBatch",
        "postRecommendationsPage",
        "postReplay",
    ];
    assert_eq!(problems[1..], missing.map(|operation| format!("{operation} is missing")));
}

// ---- TypeScript ---------------------------------------------------------------------------

/// A program that is correct if, and only if, every operation is in the client's types.
fn typescript_program(operations: &[Operation]) -> String {
    let head = "import type { operations, paths } from \"./api\";\n\
        type Is<P extends keyof paths, M extends keyof paths[P], O extends keyof operations> =\n  \
        paths[P][M] extends operations[O] ? true : false;\n";
    let lines = operations.iter().map(|Operation { method, path, id }| {
        let method = method.to_lowercase();
        format!("export const {id}: Is<\"{path}\", \"{method}\", \"{id}\"> = true;\n")
    });
    head.to_owned() + &lines.collect::<String>()
}

/// Makes the client in a folder, and finds what is missing of it.
fn typescript_problems(
    document: &Path,
    folder: &Path,
    operations: &[Operation],
) -> anyhow::Result<Vec<String>> {
    std::fs::write(folder.join("operations.ts"), typescript_program(operations))?;
    let generated = npx(folder, "openapi-typescript \"$DOCUMENT\" --output api.d.ts", document)?;
    let checked = npx(folder, "tsc --noEmit --strict operations.ts", document)?;
    Ok([generated, checked].iter().filter_map(complaints).collect())
}

fn npx(folder: &Path, command: &str, document: &Path) -> anyhow::Result<Output> {
    let mut npx = Command::new("npx");
    npx.args(["--yes", "--prefer-offline"]);
    npx.args(NPM_PACKAGES.map(|package| format!("--package={package}")));
    npx.args(["--call", command]).current_dir(folder).env("DOCUMENT", document);
    npx.env("npm_config_update_notifier", "false");
    npx.output().map_err(|error| match error.kind() {
        ErrorKind::NotFound => {
            anyhow::anyhow!("npx is not there: install Node.js 20 or later, which brings it")
        }
        _ => error.into(),
    })
}

#[test]
fn a_client_in_typescript_has_every_operation() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let mut operations = operations();
    let problems = typescript_problems(&OpenApi::path(), folder.path(), &operations)?;
    anyhow::ensure!(problems.is_empty(), "{}", problems.join("\n"));

    operations.push(operation("GET", "/v1/nothing", "getNothing"));
    operations.push(operation("GET", "/v1/events", "postEvents"));
    let problems = typescript_problems(&OpenApi::path(), folder.path(), &operations)?;
    let [problem] = problems.as_slice() else { anyhow::bail!("{problems:?}") };
    for found in ["'\"/v1/nothing\"' does not satisfy", "'true' is not assignable"] {
        anyhow::ensure!(problem.contains(found), "{found} is not said: {problem}");
    }
    Ok(())
}
