//! The console in a headless Chromium, through its real pages.
//!
//! `tests/console/` has the driver, in JavaScript: what it looks at stands in `check.mjs`,
//! `keyboard.mjs` and `deeds.mjs`. Chromium is the one that `CROSSFOLD_CHROMIUM` names, or one
//! on the PATH. `CROSSFOLD_SCREENSHOTS=DIR` has pictures of the pages put into a folder.

#![allow(clippy::unwrap_used, clippy::panic)] // A test may stop at the first surprise.

use std::path::{Path, PathBuf};
use std::process::Command;

use crossfold_e2e::local::Local;

/// Names a Chromium.
const CHROMIUM_VARIABLE: &str = "CROSSFOLD_CHROMIUM";
/// Names a folder for pictures.
const SCREENSHOTS_VARIABLE: &str = "CROSSFOLD_SCREENSHOTS";
/// What a Chromium may be called.
const CHROMIUMS: [&str; 4] =
    ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
/// People of the demonstration: enough for directions to be judged.
const PEOPLE: usize = 200;
/// Where the driver is.
const DRIVER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/console");
/// Where the console's files are.
const CONSOLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../crates/local/console");

fn chromium() -> PathBuf {
    if let Some(named) = std::env::var_os(CHROMIUM_VARIABLE) {
        return named.into();
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path)
        .flat_map(|folder| CHROMIUMS.map(|name| folder.join(name)))
        .find(|candidate| candidate.is_file());
    found.unwrap_or_else(|| {
        panic!(
            "there is no Chromium: install one (Debian: `apt-get install chromium`), or set \
             {CHROMIUM_VARIABLE} to one"
        )
    })
}

fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| {
        panic!("{command:?} cannot be started (Node.js 20 or later is needed, with npm): {error}")
    });
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let said = text(&output.stdout) + &text(&output.stderr);
    assert!(output.status.success(), "{command:?}\n{said}");
    said
}

/// The driver with its packages, in a folder of its own.
fn driver() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("console");
    std::fs::create_dir_all(&folder).unwrap();
    let mut is_fresh = folder.join("node_modules").is_dir();
    for entry in std::fs::read_dir(DRIVER).unwrap().map(Result::unwrap) {
        if !entry.path().is_file() {
            continue;
        }
        let (name, content) = (entry.file_name(), std::fs::read(entry.path()).unwrap());
        let copy = folder.join(&name);
        if name == "package-lock.json" {
            is_fresh &= std::fs::read(&copy).is_ok_and(|known| known == content);
        }
        std::fs::write(copy, content).unwrap();
    }
    if !is_fresh {
        let install = ["ci", "--no-audit", "--no-fund", "--prefer-offline"];
        run(Command::new("npm").args(install).current_dir(&folder));
    }
    folder
}

#[test]
fn both_languages_have_every_text() {
    let script = Path::new(DRIVER).join("texts.mjs");
    run(Command::new("node").arg(script).arg(CONSOLE));
}

#[test]
fn what_a_language_lacks_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let texts = folder.path().join("text");
    std::fs::create_dir(&texts).unwrap();
    std::fs::write(folder.path().join("package.json"), r#"{"type": "module"}"#).unwrap();
    let dictionary = |text: &str| format!("export default {{ {text} }};");
    std::fs::write(texts.join("en.js"), dictionary(r#""a.b": "so {n}", "c.d": "x""#)).unwrap();
    std::fs::write(texts.join("zh-CN.js"), dictionary(r#""a.b": "如此""#)).unwrap();
    std::fs::write(folder.path().join("page.js"), r#"t("a.b"); t("e.f");"#).unwrap();
    let script = Path::new(DRIVER).join("texts.mjs");
    let output = Command::new("node").arg(script).arg(folder.path()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success());
    for found in
        ["a.b: other {names}", "c.d: not in both", "c.d: asked for by nobody", "e.f: asked"]
    {
        assert!(said.contains(found), "{found}: {said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_works_in_both_languages_at_two_widths_light_and_dark_and_by_keyboard() {
    let (chromium, driver) = (chromium(), driver());
    let world = Local::start_demonstration(PEOPLE).await.unwrap();
    let mut check = Command::new("node");
    check.arg("check.mjs").arg(world.client().base()).arg(chromium).current_dir(driver);
    check.args(std::env::var_os(SCREENSHOTS_VARIABLE));
    let said = tokio::task::spawn_blocking(move || run(&mut check)).await.unwrap();
    print!("{said}");
}
