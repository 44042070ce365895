//! A copy of the project to deploy from, as a stranger would: with README's own lines.
//!
//! Only compiling is left out. `cargo-lambda` is played by a script that hands out a small
//! program which becomes the debug binary; whatever else it may be asked for, it refuses.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};

use crate::binaries::binary;
use crate::ministack::Ministack;
use crate::python;

/// Names a Python that has the SAM CLI.
const SAM_VARIABLE: &str = "CROSSFOLD_SAM";

/// What `tests/run` calls that Python's environment.
const SAM_ENVIRONMENT: &str = "lint";

/// The environment that `infra/build.sh` would make, below the copy.
const BUILD_ENVIRONMENT: &str = "target/venv/build";

/// What is read where it is; the rest of the copy may be changed by a test.
const LINKED: [&str; 7] =
    ["Cargo.toml", "Cargo.lock", "rust-toolchain.toml", "benches", "crates", "examples", "tests"];

/// What a test may change, and the SAM CLI writes beside.
const COPIED: [&str; 3] = ["README.md", "samconfig.toml", "template.yaml"];

/// Becomes the binary at the path that it was compiled with. A debug build is too large to be
/// copied and uploaded, and `infra/build.sh` looks for a program, not for a script.
const LAUNCHER: &str = "#include <unistd.h>\n\
    int main(int count, char **arguments) { execv(PROGRAM, arguments); return 127 + 0 * count; }\n";

/// The processor of this machine, as Lambda calls it, and the word that asks `cargo lambda` for it.
#[cfg(target_arch = "aarch64")]
const MACHINE: (&str, &str) = ("arm64", "--arm64");
#[cfg(not(target_arch = "aarch64"))]
const MACHINE: (&str, &str) = ("x86_64", "");

/// A copy of the project, deployed to a ministack.
pub struct Checkout {
    folder: tempfile::TempDir,
    endpoint: String,
}

impl Checkout {
    /// A copy whose commands reach a ministack instead of AWS.
    ///
    /// # Errors
    /// When there is no SAM CLI or no C compiler, or the copy cannot be made.
    pub fn new(ministack: &Ministack) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize()?;
        for name in LINKED {
            symlink(root.join(name), folder.path().join(name)).with_context(|| name.to_owned())?;
        }
        for name in COPIED {
            std::fs::copy(root.join(name), folder.path().join(name))
                .with_context(|| name.to_owned())?;
        }
        let infra = folder.path().join("infra");
        std::fs::create_dir(&infra)?;
        for entry in std::fs::read_dir(root.join("infra"))? {
            let entry = entry?;
            if entry.file_type()?.is_file() {
                std::fs::copy(entry.path(), infra.join(entry.file_name()))?;
            }
        }
        let checkout = Self { folder, endpoint: ministack.endpoint() };
        checkout.make_build_environment(&python::find(SAM_VARIABLE, SAM_ENVIRONMENT)?)?;
        checkout.edit("samconfig.toml", "Architecture=x86_64", &architecture(MACHINE.0))?;
        Ok(checkout)
    }

    /// A file of the copy.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Changes a text of a file, at its first place.
    ///
    /// # Errors
    /// When the text is not there.
    pub fn edit(&self, name: &str, from: &str, to: &str) -> anyhow::Result<()> {
        let path = self.path(name);
        let text = std::fs::read_to_string(&path).with_context(|| name.to_owned())?;
        ensure!(text.contains(from), "{name} has no {from:?}");
        Ok(std::fs::write(path, text.replacen(from, to, 1))?)
    }

    /// The commands of the first block under a heading of README, without their comments.
    ///
    /// # Errors
    /// When README has no such block.
    pub fn readme_lines(&self, heading: &str) -> anyhow::Result<Vec<String>> {
        let readme = std::fs::read_to_string(self.path("README.md"))?;
        let (_, section) =
            readme.split_once(&format!("\n## {heading}\n")).with_context(|| heading.to_owned())?;
        let (_, block) = section.split_once("```sh\n").context("no block of commands")?;
        let (block, _) = block.split_once("```").context("a block without an end")?;
        let commands = block.lines().map(|line| line.split(" #").next().unwrap_or_default().trim());
        Ok(commands
            .filter(|line| !line.is_empty() && !line.starts_with('#'))
            .map(str::to_owned)
            .collect())
    }

    /// Runs a command line in the copy, and gives what it wrote to standard output.
    ///
    /// # Errors
    /// With all that it wrote, when it fails.
    pub fn run(&self, line: &str) -> anyhow::Result<String> {
        let output = Command::new("bash")
            .args(["-euo", "pipefail", "-c", line])
            .current_dir(self.folder.path())
            .env("AWS_ENDPOINT_URL", &self.endpoint)
            .env("AWS_ACCESS_KEY_ID", "test")
            .env("AWS_SECRET_ACCESS_KEY", "test")
            .env("AWS_DEFAULT_REGION", "us-east-1")
            .env("AWS_CONFIG_FILE", "/dev/null")
            .env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
            .env("SAM_CLI_TELEMETRY", "0")
            .env("__SAM_CLI_APP_DIR", self.path("sam"))
            // Everything lies below the copy, as it would below the project.
            .env_remove("CARGO_TARGET_DIR")
            .env_remove("AWS_PROFILE")
            .env_remove("AWS_REGION")
            .output()?;
        let written = String::from_utf8_lossy(&output.stdout).into_owned();
        let complaint = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{line}: {}\n{written}\n{complaint}", output.status);
        Ok(written)
    }

    /// Runs `sam` with these arguments.
    ///
    /// # Errors
    /// As for [`Checkout::run`].
    pub fn sam(&self, arguments: &str) -> anyhow::Result<String> {
        self.run(&format!("{BUILD_ENVIRONMENT}/bin/sam {arguments}"))
    }

    /// The environment that `infra/build.sh` finds made: the tests' own SAM CLI, and a
    /// `cargo-lambda` that does not compile.
    fn make_build_environment(&self, python: &Path) -> anyhow::Result<()> {
        let environment = self.path(BUILD_ENVIRONMENT);
        let bin = environment.join("bin");
        std::fs::create_dir_all(&bin)?;
        let requirements = self.path("infra/requirements-build.txt");
        std::fs::copy(requirements, environment.join("requirements.txt"))?;
        let sam = python.with_file_name("sam");
        ensure!(sam.exists(), "{} is not there: run the tests with tests/run", sam.display());
        for (name, program) in [("python", python), ("sam", &sam)] {
            write_script(&bin.join(name), &format!("exec '{}' \"$@\"", program.display()))?;
        }
        let source = environment.join("launcher.c");
        std::fs::write(&source, LAUNCHER)?;
        let any = binary("ingest")?.canonicalize()?;
        let binaries = any.parent().context("a binary lies nowhere")?;
        let cargo_lambda = format!(
            "case \"$*\" in 'lambda build --release {extra}--bin '*) ;; *) echo \"no: $*\" >&2; exit 1 ;; esac\n\
             name=${{*##* }}\n\
             mkdir -p \"$CARGO_TARGET_DIR/lambda/$name\"\n\
             cc -O1 \"-DPROGRAM=\\\"{binaries}/$name\\\"\" '{source}' -o \"$CARGO_TARGET_DIR/lambda/$name/bootstrap\"",
            extra = if MACHINE.1.is_empty() { String::new() } else { format!("{} ", MACHINE.1) },
            binaries = binaries.display(),
            source = source.display(),
        );
        write_script(&bin.join("cargo-lambda"), &cargo_lambda)
    }
}

/// The line of `samconfig.toml` that names a processor.
fn architecture(name: &str) -> String {
    format!("Architecture={name}")
}

fn write_script(path: &Path, body: &str) -> anyhow::Result<()> {
    std::fs::write(path, format!("#!/bin/sh\nset -eu\n{body}\n"))?;
    Ok(std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755))?)
}
