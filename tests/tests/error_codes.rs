//! `docs/errors.md` has every code that the sources answer, and no other.

#![allow(clippy::unwrap_used)] // A test may stop at the first surprise.

use std::collections::BTreeSet;

use crossfold_e2e::error_codes::{Answered, Codes, Documented, Kind, documented};
use crossfold_e2e::template::{read, root};
use crossfold_e2e::tidy::texts;

const TABLES: [(Kind, &str); 3] = [
    (Kind::Problem, "Codes of problems"),
    (Kind::Rejection, "Codes of refused elements"),
    (Kind::Shortfall, "Codes in `degraded`"),
];

/// How a table and what is answered differ.
fn differences(answered: &Codes, table: &[Documented]) -> Vec<String> {
    let lines: BTreeSet<&String> = table.iter().map(|line| &line.code).collect();
    let undocumented = answered.keys().filter(|code| !lines.contains(code));
    let absent = lines.iter().filter(|code| !answered.contains_key(**code));
    undocumented
        .map(|code| format!("{code} is answered and has no line"))
        .chain(absent.map(|code| format!("{code} has a line and is not answered")))
        .collect()
}

/// Lines of problems whose statuses are not those that are answered.
fn other_statuses(answered: &Codes, table: &[Documented]) -> Vec<String> {
    let is_other = |line: &&Documented| {
        let told = line.cells[0].split(", ").map(|status| status.parse().unwrap()).collect();
        answered.get(&line.code).is_some_and(|statuses| *statuses != told)
    };
    table.iter().filter(is_other).map(|line| line.code.clone()).collect()
}

fn answered() -> Answered {
    Answered::by(&texts(&root()).unwrap()).unwrap()
}

#[test]
fn every_code_that_is_answered_is_documented_and_no_other() {
    let (answered, document) = (answered(), read("docs/errors.md"));
    assert_eq!(answered.unclear, [""; 0]);
    for (kind, heading) in TABLES {
        let (codes, table) = (answered.codes(kind), documented(&document, heading));
        assert_eq!(differences(&codes, &table), [""; 0], "{heading}");
        assert!(table.is_sorted_by(|a, b| a.code < b.code), "{heading}: not in order, or twice");
        assert!(codes.len() > 9, "{heading}: {}", codes.len());
    }
}

#[test]
fn a_code_is_documented_with_its_statuses_and_whether_to_try_again() {
    let (answered, document) = (answered(), read("docs/errors.md"));
    let problems = documented(&document, TABLES[0].1);
    assert_eq!(other_statuses(&answered.codes(Kind::Problem), &problems), [""; 0]);
    for ((_, heading), cells) in TABLES.into_iter().zip([4, 3, 2]) {
        for Documented { code, cells: told } in documented(&document, heading) {
            assert_eq!(told.len(), cells, "{code}");
            assert!(told.iter().all(|cell| !cell.trim().is_empty()), "{code}");
            let is_told = ["yes", "no"].contains(&told[cells - 1].as_str());
            assert!(is_told || heading == TABLES[2].1, "{code}: {told:?}");
        }
    }
}

/// What a planted source answers.
fn planted(text: &str) -> Answered {
    Answered::by(&[("crates/edge/src/planted.rs".to_owned(), text.to_owned())]).unwrap()
}

#[test]
fn a_code_is_read_wherever_it_is_given() {
    for (text, kind, codes) in [
        ("fn f() { g(Problem::new(StatusCode::CONFLICT, \"a\", d)); }", Kind::Problem, "a 409"),
        (
            "impl Problem { fn f() -> Self { Self::new(StatusCode::GONE, \"a\", d) } }",
            Kind::Problem,
            "a 410",
        ),
        (
            "const A: &str = \"a\";
             fn f() { let s = StatusCode::LOCKED; edge::Problem::new(s, crate::A, d) }",
            Kind::Problem,
            "a 423",
        ),
        (
            "fn f() { let code = match e { E::A => \"a\", E::B if c => { \"b\" } _ => \"c\" };
             Err(Problem::new(StatusCode::NOT_FOUND, code, d)) }",
            Kind::Problem,
            "a 404, b 404, c 404",
        ),
        (
            "fn f() { x.map_err(|e| Rejection::new(if e { \"a\" } else { \"b\" }, d)); }",
            Kind::Rejection,
            "a, b",
        ),
        ("fn f() { v.push(Rejected { index, code: \"a\", detail }); }", Kind::Rejection, "a"),
        (
            "impl EventRejection { fn code(&self) -> &'static str { match self { _ => \"a\" } } }",
            Kind::Rejection,
            "a",
        ),
        (
            "impl Shortfall { fn as_str(self) -> &'static str { match self { _ => \"a\" } } }",
            Kind::Shortfall,
            "a",
        ),
        // Handed on: it was read where it was given first.
        ("fn f() { Rejection::new(problem.code, problem.detail) }", Kind::Rejection, ""),
        ("fn f() { Problem::new(s, rejection.code(), d) }", Kind::Problem, ""),
        (
            "impl Problem { fn new(s: S, code: &'static str) -> Self { Self { s, code } } }",
            Kind::Problem,
            "",
        ),
        ("#[cfg(test)] mod tests { fn f() { Problem::new(s, \"a\", d) } }", Kind::Problem, ""),
        ("fn f() { let Rejected { index, code, detail } = r; }", Kind::Rejection, ""),
    ] {
        let answered = planted(text);
        assert_eq!(answered.unclear, [""; 0], "{text}");
        let found = answered.codes(kind).into_iter().map(|(code, statuses)| {
            let words = statuses.iter().map(|status| format!(" {status}"));
            code + &words.collect::<String>()
        });
        assert_eq!(found.collect::<Vec<_>>().join(", "), codes, "{text}");
    }
}

#[test]
fn a_code_that_cannot_be_read_where_it_is_given_is_told() {
    for text in [
        "fn f(code: &'static str) { Problem::new(StatusCode::CONFLICT, code, d) }",
        "fn f() { let g = |code| Problem::new(StatusCode::CONFLICT, code, d); }",
        "fn f() { for (code, d) in all { Rejection::new(code, d); } }",
        "fn f() { let code = \"a\"; { let code = g(); } Rejection::new(code, d) }",
        "fn f() { let code = code; Rejection::new(code, d) }",
        "fn f() { Problem::new(error.status(), \"a\", d) }",
        "fn f() { Rejection::new(NOWHERE, d) }",
        "fn f() { Rejection::new(g(), d) }",
        "fn f() { v.push(Rejected { index, code, detail }); }",
        "fn f() { all.map(Problem::new) }",
        "fn f() { vec![Problem::new(StatusCode::CONFLICT, \"a\", d)] }",
        "use crossfold_edge::problem::Problem as Error;",
        "impl EventRejection { fn code(&self) -> &'static str { self.told() } }",
        "const A: &str = \"a\"; mod b { const A: &str = \"b\"; }
         fn f() { Rejection::new(A, d) }",
    ] {
        assert_eq!(planted(text).unclear.len(), 1, "{text}: {:?}", planted(text));
    }
}

#[test]
fn a_difference_between_the_tables_and_what_is_answered_is_found() {
    let document = "# Errors\n\n## Codes\n\n| code | status |\n| --- | --- |\n\
                    | `a` | 409, 422 |\n| `b` | 404 |\n\n## Others\n\n| `c` | 400 |\n";
    let table = documented(document, "Codes");
    assert_eq!(table.len(), 2);
    let codes = |all: &[(&str, &[u16])]| -> Codes {
        all.iter().map(|(code, of)| ((*code).to_owned(), of.iter().copied().collect())).collect()
    };
    let same = codes(&[("a", &[422, 409]), ("b", &[404])]);
    assert_eq!(differences(&same, &table), [""; 0]);
    assert_eq!(other_statuses(&same, &table), [""; 0]);
    let other = codes(&[("a", &[409]), ("c", &[400])]);
    assert_eq!(
        differences(&other, &table),
        ["c is answered and has no line", "b has a line and is not answered"]
    );
    assert_eq!(other_statuses(&other, &table), ["a"]);
}
