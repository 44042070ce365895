//! Where the workspace's binaries are.

use std::path::PathBuf;

use anyhow::Context;

/// Names the folder of the binaries.
pub const FOLDER_VARIABLE: &str = "CROSSFOLD_BIN_DIR";

/// A binary of the workspace: in the folder that [`FOLDER_VARIABLE`] names, or
/// in the one above the running test's, which is where Cargo puts both.
///
/// # Errors
/// When it is not there; the message says how to build it.
pub fn binary(name: &str) -> anyhow::Result<PathBuf> {
    let folder = match std::env::var_os(FOLDER_VARIABLE) {
        Some(folder) => PathBuf::from(folder),
        None => {
            let test = std::env::current_exe()?;
            test.ancestors().nth(2).context("the test lies nowhere")?.to_owned()
        }
    };
    let path = folder.join(name);
    anyhow::ensure!(
        path.is_file(),
        "{} is not there: run `cargo build --workspace`, or set {FOLDER_VARIABLE}",
        path.display()
    );
    Ok(path)
}
