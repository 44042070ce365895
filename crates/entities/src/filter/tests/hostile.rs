//! What is sent to do harm is refused, at no cost.

use proptest::prelude::*;

use super::rows::{Items, now, schema, some_rows};
use crate::filter::{
    Filter, MAX_ARITHMETIC, MAX_DEPTH, MAX_LIST, MAX_NODES, MAX_SOURCE_BYTES, MAX_TEXT_CALLS,
    parser,
};

fn message(source: &str) -> String {
    Filter::parse(source, &schema()).unwrap_err().message
}

#[test]
fn deep_sources_are_refused_as_such() {
    for opening in ["!!(", "(", "-", "not ", "has(", "len(-(", "!", "x = (", "1 + (", "true and ("]
    {
        for times in [42, MAX_SOURCE_BYTES / opening.len()] {
            let source = opening.repeat(times);
            assert!(message(&source).starts_with("expected at most 32"), "{opening}");
        }
    }
    assert!(message(&"[".repeat(4_096)).starts_with("expected a value"));
    let nested = |depth: usize| format!("{}is_new{}", "(".repeat(depth), ")".repeat(depth));
    assert!(Filter::parse(&nested(MAX_DEPTH), &schema()).is_ok());
    assert!(Filter::parse(&nested(MAX_DEPTH + 1), &schema()).is_err());
}

#[test]
fn a_source_has_at_most_so_many_bytes_nodes_and_values() {
    let chain = |terms: usize| vec!["is_new"; terms].join(" or ");
    assert!(Filter::parse(&chain(MAX_NODES - 1), &schema()).is_ok());
    assert_eq!(
        message(&chain(MAX_NODES)),
        "expected at most 200 fields, values, operators and calls"
    );
    let sum = |terms: usize| format!("{} > 0", vec!["price"; terms].join("+"));
    assert!(Filter::parse(&sum(MAX_ARITHMETIC + 1), &schema()).is_ok());
    assert_eq!(message(&sum(MAX_ARITHMETIC + 2)), "expected at most 32 of + - * and /");
    let looks = |calls: usize| vec!["len(title) > 1"; calls].join(" or ");
    assert!(Filter::parse(&looks(MAX_TEXT_CALLS), &schema()).is_ok());
    assert_eq!(
        message(&looks(MAX_TEXT_CALLS + 1)),
        "expected at most 12 calls that look into texts"
    );
    let list = |entries: usize| format!("price in [{}]", vec!["1"; entries].join(","));
    assert!(Filter::parse(&list(MAX_LIST), &schema()).is_ok());
    assert_eq!(message(&list(MAX_LIST + 1)), "expected at most 100 values in a list");
    let padded = |bytes: usize| format!("{:>bytes$}", "is_new");
    assert!(Filter::parse(&padded(MAX_SOURCE_BYTES), &schema()).is_ok());
    let too_long = Filter::parse(&padded(MAX_SOURCE_BYTES + 1), &schema()).unwrap_err();
    assert_eq!(
        too_long.to_string(),
        "line 1, column 1: expected at most 4096 bytes, but found 4097"
    );
}

#[test]
fn what_is_known_to_have_broken_parsers_is_refused() {
    let long = "9".repeat(4_000);
    for source in [
        "",
        " ",
        "\0",
        "\"",
        "'",
        "\"\\",
        "\"\\u",
        "\"\\ud800\"",
        "\"\\udc00\\ud800\"",
        "title = \"\0",
        "1e400 < price",
        "price < 1e400",
        "price < 0x10",
        "price < NaN",
        "price < ∞",
        "price < -",
        "price < .5",
        "price < 5.",
        &long,
        &format!("price < {long}"),
        &format!("price < 0.{long}"),
        "attributes",
        "attributes[",
        "attributes[\"a",
        "attributes.",
        "attributes[1]",
        "date(",
        "date()",
        "date(\"",
        "timestamp(\"x\")",
        "a.b.c",
        "[]",
        "[1]",
        "()",
        ")",
        "(]",
        "in",
        "not",
        "not in",
        "and",
        "price in",
        "price in [",
        "price in [,]",
        "price in [1,]",
        "price in [1 2]",
        "price between",
        "price between 1",
        "price between 1 and",
        "price not 1",
        "price = = 1",
        "price =< 1",
        "\u{202e}price < 1",
        "price\u{200b} < 1",
        "price < 1;",
        "price < 1 -- x",
        "/* */ true",
        "has(has(price))",
        "has(1)",
        "lower(lower)",
        "__proto__",
        "${7*7}",
        "' or 1=1 --",
    ] {
        let error = Filter::parse(source, &schema()).unwrap_err();
        assert!(error.span.start <= error.span.end && error.span.end <= source.len(), "{source}");
        assert!(!error.message.is_empty() && error.message.len() < 1_000, "{source}: {error}");
        assert!(!error.message.chars().any(char::is_control), "{source}: {error}");
    }
}

#[test]
fn comparisons_within_one_another_are_checked_once_each() {
    // A checker that looks at one side twice would take years.
    let source = format!("{}true{}", "'a' = (".repeat(31), ")".repeat(31));
    assert!(message(&source).starts_with("expected a text"));
    let source = format!("{}true{}", "true = (".repeat(31), ")".repeat(31));
    assert!(Filter::parse(&source, &schema()).is_ok());
}

const TOKENS: [&str; 46] = [
    "and",
    "or",
    "not",
    "in",
    "between",
    "true",
    "false",
    "price",
    "brand",
    "title",
    "categories",
    "is_new",
    "launched",
    "available_from",
    "品牌",
    "attributes",
    ".",
    "[",
    "]",
    "(",
    ")",
    ",",
    "=",
    "!=",
    "<",
    "<=",
    ">",
    ">=",
    "+",
    "-",
    "*",
    "/",
    "!",
    "&&",
    "||",
    "1",
    "0",
    "19.99",
    "\"a\"",
    "'2026-11-01'",
    "date(\"2026-11-01\")",
    "has(",
    "len(",
    "has_any(",
    "days_since(",
    "lower(",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn no_text_makes_it_panic(source in prop_oneof![any::<String>(), "\\PC{0,60}", "[ -~]{0,60}"]) {
        let _ = Filter::parse(&source, &schema());
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Filter::parse(&String::from_utf8_lossy(&bytes), &schema());
    }

    #[test]
    fn no_row_of_tokens_makes_it_panic(
        tokens in prop::collection::vec(prop::sample::select(&TOKENS[..]), 0..40),
        between in prop::sample::select(&["", " "][..]),
    ) {
        let source = tokens.join(between);
        if let Ok(expression) = parser::parse(&source) {
            prop_assert_eq!(parser::parse(&expression.to_string()).unwrap(), expression);
        }
        if let Err(error) = Filter::parse(&source, &schema()) {
            prop_assert!(source.is_char_boundary(error.span.start), "{}", error);
        }
    }

    /// Short ones are filters more often.
    #[test]
    fn no_short_row_of_tokens_makes_evaluation_panic(
        tokens in prop::collection::vec(prop::sample::select(&TOKENS[..]), 1..6),
        rows in some_rows(),
    ) {
        if let Ok(filter) = Filter::parse(&tokens.join(" "), &schema()) {
            let admitted = filter.admits(&Items::of(&rows), now());
            prop_assert_eq!(admitted.len(), rows.len());
        }
    }
}
