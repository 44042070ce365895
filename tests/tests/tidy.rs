//! The house's own rules, held against the sources: imports go downwards, files and
//! functions stay short, and nobody asks for the time or for chance but who owns them.
//!
//! `CROSSFOLD_TIDY_ROOT=DIR tests/run the_structure_is_printed --no-capture` prints the
//! structure of another checkout.

#![allow(clippy::unwrap_used)] // A test may stop at the first surprise.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crossfold_e2e::tidy::{Source, Structure, parse, read};

/// The floor of each place. A place may import those of lower floors, and no others.
const FLOORS: [(&str, usize); 20] = [
    ("entities", 1),
    ("maths", 1),
    ("text", 2),
    ("evidence", 2),
    ("edge", 2),
    ("archive", 3),
    ("model", 3),
    ("serving", 4),
    ("testing", 4),
    ("training", 5),
    ("release", 6),
    ("lab", 6),
    ("storage", 7),
    ("registry", 7),
    ("feedback", 8),
    ("ingest", 8),
    ("recommend", 8),
    ("train", 8),
    ("local", 9),
    ("core", 9), // Its lib.rs names every room.
];

/// Most lines with code in a file.
const MAX_FILE_LINES: usize = 500;
/// Most lines of a function.
const MAX_FUNCTION_LINES: usize = 70;

/// Files that may be longer, and why.
const LONG_FILES: [(&str, &str); 0] = [];

/// Functions that may be longer, and why.
const LONG_FUNCTIONS: [(&str, &str, &str); 0] = [];

/// What asks for the time or for chance, or has an order of its own at every run.
const UNOWNED: [&str; 10] = [
    "Instant::now",
    "SystemTime::now",
    "Timestamp::now",
    "Zoned::now",
    "Uuid::now_v7",
    "Uuid::new_v4",
    "process::id",
    "rand::rng",
    "rand::random",
    "thread_rng",
];

/// Who owns the clock and the dice, and why it is theirs.
const OWNERS: [(&str, &str); 12] = [
    ("crates/edge/src/system.rs", "the machine's clock, ids and dice, as ports"),
    ("crates/storage/src/aws/", "tokens that make a write one's own, and waits, as in the SDK"),
    ("crates/storage/src/retry.rs", "the jitter of waits; tests pass their own"),
    ("crates/storage/src/pseudonym_key.rs", "a key is drawn once for a data directory"),
    ("crates/storage/src/definition_reader.rs", "the age of a cache"),
    (
        "crates/storage/src/event_writer.rs",
        "how long a write is waited for, by the runtime's clock",
    ),
    ("crates/storage/src/shared_work.rs", "how long work is waited for, by the runtime's clock"),
    ("crates/storage/src/embedded/", "servers of their own, as AWS's have clocks of theirs"),
    ("crates/train/src/new_run.rs", "the name of a run, which decides nothing"),
    ("crates/local/src/commands/", "a person at a terminal asks: the command tells the time"),
    ("crates/local/src/import/", "a command as well: what lies in the future is refused"),
    ("crates/lab/src/", "measuring how long something takes"),
];

/// Files of the pure crates that look things up in a `HashMap`, and why its order never shows.
const HASH_MAPS: [(&str, &str); 5] = [
    ("crates/core/src/evidence/items.rs", "rows are looked up by item"),
    ("crates/core/src/evidence/inputs.rs", "sums of whole numbers, in any order the same"),
    ("crates/core/src/evidence/people_index.rs", "people are put in order of pseudonyms"),
    ("crates/core/src/evidence/cleaning/", "counted, and put in order of events"),
    ("crates/core/src/serving/snapshot.rs", "positions are looked up by item"),
];

fn root() -> PathBuf {
    std::env::var_os("CROSSFOLD_TIDY_ROOT")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join(".."), PathBuf::from)
}

fn floor(place: &str) -> Option<usize> {
    FLOORS.iter().find(|(name, _)| *name == place).map(|(_, floor)| *floor)
}

fn is_listed(path: &str, listed: &str) -> bool {
    path == listed || (listed.ends_with('/') && path.starts_with(listed))
}

/// Imports that do not go downwards.
fn upward_imports(source: &Source) -> Vec<String> {
    let Some(own) = floor(&source.place) else {
        return vec![format!("{}: the place {} has no floor", source.path, source.place)];
    };
    let is_wrong = |place: &str| floor(place).is_some_and(|other| other >= own);
    source
        .imports
        .iter()
        .filter(|(place, _)| is_wrong(place))
        .map(|(place, line)| {
            format!("{}:{line}: {} may not import {place}", source.path, source.place)
        })
        .collect()
}

/// Files and functions that are too long and not listed.
fn too_long(source: &Source) -> Vec<String> {
    let Source { path, code_lines, functions, .. } = source;
    let mut found = Vec::new();
    if *code_lines > MAX_FILE_LINES && !LONG_FILES.iter().any(|(file, _)| file == path) {
        found.push(format!("{path} has {code_lines} lines of code"));
    }
    for (name, lines) in functions {
        let is_listed =
            LONG_FUNCTIONS.iter().any(|(file, function, _)| file == path && function == name);
        if *lines > MAX_FUNCTION_LINES && !is_listed {
            found.push(format!("{path}: {name} has {lines} lines"));
        }
    }
    found
}

/// Clocks, dice and unordered maps outside the places that own them.
fn unowned(source: &Source) -> Vec<String> {
    let Source { path, mentions, .. } = source;
    let is_owner = OWNERS.iter().any(|(owner, _)| is_listed(path, owner));
    let is_pure = ["crates/core/", "crates/entities/", "crates/maths/"]
        .iter()
        .any(|pure| path.starts_with(pure));
    let may_hash = HASH_MAPS.iter().any(|(file, _)| is_listed(path, file));
    let is_unowned = |mention: &str| {
        let names = |what: &str| mention == what || mention.ends_with(&format!("::{what}"));
        (!is_owner && UNOWNED.iter().any(|what| names(what)))
            || (is_pure && !may_hash && ["HashMap", "HashSet"].iter().any(|what| names(what)))
    };
    let unowned = mentions.iter().filter(|(mention, _)| is_unowned(mention));
    unowned.map(|(mention, line)| format!("{path}:{line}: {mention}")).collect()
}

fn found(check: fn(&Source) -> Vec<String>) -> Vec<String> {
    read(&root()).unwrap().iter().flat_map(check).collect()
}

#[test]
fn imports_go_downwards_only() {
    assert_eq!(found(upward_imports), [""; 0]);
    let structure = Structure::of(&read(&root()).unwrap());
    assert_eq!(structure.circles(), []);
}

#[test]
fn files_and_functions_are_short() {
    assert_eq!(found(too_long), [""; 0]);
}

#[test]
fn the_time_and_chance_are_asked_for_by_their_owners_alone() {
    assert_eq!(found(unowned), [""; 0]);
}

#[test]
fn every_exception_is_still_needed() {
    let sources = read(&root()).unwrap();
    let source = |path: &str| sources.iter().find(|source| source.path == path);
    for (path, reason) in LONG_FILES {
        let lines = source(path).map_or(0, |source| source.code_lines);
        assert!(lines > MAX_FILE_LINES, "{path} is short enough: {reason}");
    }
    for (path, name, reason) in LONG_FUNCTIONS {
        let functions = source(path).map_or(&[][..], |source| &source.functions);
        let is_long =
            |(function, lines): &(String, usize)| function == name && *lines > MAX_FUNCTION_LINES;
        assert!(functions.iter().any(is_long), "{path}: {name} is short enough: {reason}");
    }
}

/// A check finds something in a planted file.
fn finds(check: fn(&Source) -> Vec<String>, path: &str, text: &str) -> bool {
    !check(&parse(path, text).unwrap()).is_empty()
}

#[test]
fn planted_faults_are_found() {
    let core = "crates/core/src/model/planted.rs";
    for (path, text) in [
        (core, "use crate::serving::decide::decide;"),
        (core, "use crate::{archive::keys, maths::rank};"),
        (core, "fn f() -> crate::training::TrainingError { todo!() }"),
        (core, "use super::super::release::gate;"),
        ("crates/entities/src/planted.rs", "use crossfold_maths::rank::top_k;"),
        ("crates/edge/src/planted.rs", "use crossfold_core::model::Model;"),
        ("crates/storage/src/planted.rs", "use crossfold_registry::load::load;"),
        ("crates/elsewhere/src/lib.rs", ""),
    ] {
        assert!(finds(upward_imports, path, text), "{path}: {text}");
    }
    assert!(!finds(
        upward_imports,
        core,
        "use crate::evidence::items::ItemIndex; use super::Model;"
    ));
    let of_tests = "#[cfg(test)] mod tests { use crate::serving::decide::decide; }";
    assert!(!finds(upward_imports, core, of_tests));

    let long_file = "const A: u8 = 1;\n".repeat(MAX_FILE_LINES + 1);
    let long_function = format!("fn f() {{\n{}}}", "g();\n".repeat(MAX_FUNCTION_LINES));
    let long_method = format!("impl A {{ {long_function} }}");
    for text in [&long_file, &long_function, &long_method] {
        assert!(finds(too_long, core, text), "{text}");
    }
    let comments =
        format!("// why\n\n{}", "/// what\nconst A: u8 = 1;\n".repeat(MAX_FILE_LINES / 2));
    assert!(!finds(too_long, core, &comments));

    for text in [
        "fn f() { let now = std::time::Instant::now(); }",
        "use jiff::Timestamp; fn f() -> Timestamp { Timestamp::now() }",
        "fn f() { let clock = Timestamp::now; }",
        "fn f() -> u64 { rand::random() }",
        "use std::collections::HashMap;",
        "fn f() -> std::collections::HashSet<u32> { todo!() }",
    ] {
        assert!(finds(unowned, core, text), "{text}");
    }
    let owned = "fn f() { jiff::Timestamp::now(); }";
    assert!(!finds(unowned, "crates/edge/src/system.rs", owned));

    let circle = [("a", "b"), ("b", "c"), ("c", "a")].map(|(from, to)| {
        parse(&format!("crates/{from}/src/lib.rs"), &format!("use crossfold_{to}::x;")).unwrap()
    });
    assert_eq!(Structure::of(&circle).circles().len(), 1);
}

#[test]
fn the_structure_is_printed() {
    let structure = Structure::of(&read(&root()).unwrap());
    let floors = structure.floors();
    for (number, places) in floors.iter().enumerate().rev() {
        let places: Vec<&str> = places.iter().map(String::as_str).collect();
        println!("floor {:>2}: {}", number + 1, places.join(", "));
    }
    let in_circles: BTreeMap<usize, usize> =
        structure.circles().iter().map(|circle| (circle.len(), 1)).collect();
    println!(
        "{} places on {} floors with {} arrows, {} circles (of {:?} places), {} mutual imports",
        structure.places.len(),
        floors.len(),
        structure.arrows(),
        structure.circles().len(),
        in_circles.keys().collect::<Vec<_>>(),
        structure.mutual_imports(),
    );
    assert!(structure.places.len() > 10);
}
