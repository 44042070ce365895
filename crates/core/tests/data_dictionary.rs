//! `docs/data.md` says what the columns are, as the code has them.

#![allow(clippy::unwrap_used)] // A test may stop at the first surprise.

use std::fmt::Write;

use crossfold_core::archive::decisions::DecisionRow;
use crossfold_core::archive::table::{Column, REVISION, Row};
use crossfold_core::entities::decision::Outcome;
use crossfold_core::entities::event::Event;
use crossfold_core::evidence::cleaning::RefusedEvent;

const DICTIONARY: &str = include_str!("../../../docs/data.md");

/// A kind's columns as a table in Markdown.
fn table_of(columns: &[Column]) -> String {
    let mut table = "| column | type | may be empty | since | meaning |\n\
                     | --- | --- | --- | --- | --- |\n"
        .to_owned();
    for Column { name, cell_type, may_be_empty, since, meaning } in columns {
        let empty = if *may_be_empty { "yes" } else { "no" };
        let cell_type = cell_type.as_str();
        writeln!(table, "| `{name}` | {cell_type} | {empty} | {since} | {meaning} |").unwrap();
    }
    table
}

/// The table under a heading of the dictionary.
fn documented(heading: &str) -> String {
    let section = DICTIONARY.split("\n## ").find(|section| section.starts_with(heading));
    let lines = section.unwrap_or_default().lines().filter(|line| line.starts_with('|'));
    lines.map(|line| format!("{line}\n")).collect()
}

#[test]
fn the_data_dictionary_is_that_of_the_code() {
    for (heading, columns) in [
        ("Events\n", Event::columns()),
        ("Decisions\n", DecisionRow::columns()),
        ("Outcomes\n", Outcome::columns()),
        ("Refused events\n", RefusedEvent::columns()),
    ] {
        assert_eq!(documented(heading), table_of(&columns), "docs/data.md, {heading}");
    }
}

#[test]
fn no_column_is_of_a_revision_to_come_and_every_later_one_is_in_the_list_of_revisions() {
    let revisions = documented("Revisions\n");
    let all = [Event::columns(), DecisionRow::columns(), Outcome::columns()].concat();
    for column in all.iter().filter(|column| column.since > 1) {
        assert!(column.since <= REVISION, "{column:?}");
        let (since, name) = (column.since, column.name);
        let is_listed = revisions
            .lines()
            .any(|line| line.starts_with(&format!("| {since} |")) && line.contains(name));
        assert!(is_listed, "{column:?}");
    }
}
