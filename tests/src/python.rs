//! The Pythons that `tests/run` makes, each with packages of its own.

use std::path::{Path, PathBuf};

use anyhow::Context;

/// Where `tests/run` makes them, in the workspace.
const FOLDER: &str = "target/venv";

/// The Python of an environment: the one that the variable names, or else the one that
/// `tests/run` has made.
///
/// # Errors
/// When there is none; the message says what to do.
pub fn find(variable: &str, environment: &str) -> anyhow::Result<PathBuf> {
    if let Some(python) = std::env::var_os(variable) {
        return Ok(python.into());
    }
    let path = Path::new(FOLDER).join(environment).join("bin/python");
    let folders = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    let mut candidates = folders.map(|folder| folder.join(&path));
    candidates.find(|python| python.exists()).with_context(|| {
        format!("{} is not there: run the tests with tests/run, or set {variable}", path.display())
    })
}
