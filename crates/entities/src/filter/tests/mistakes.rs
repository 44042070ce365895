//! What is told of a mistake, and where.

use super::rows::schema;
use crate::filter::{Filter, Schema};

#[track_caller]
fn assert_told(source: &str, expected: &str) {
    let error = Filter::parse(source, &schema()).unwrap_err();
    assert_eq!(error.to_string(), expected, "{source}");
}

#[test]
fn names_that_there_are_not_are_told_with_those_that_were_meant() {
    for (source, told) in [
        ("prize <= 30000", "line 1, column 1: unknown field `prize`: did you mean `price`?"),
        (
            "is_new and\n  Brand = 'a'",
            "line 2, column 3: unknown field `Brand`: did you mean `brand`?",
        ),
        ("品脾 = 'a'", "line 1, column 1: unknown field `品脾`: did you mean `品牌`?"),
        (
            "attributes.seat > 1",
            "line 1, column 1: unknown attribute `seat`: did you mean `seats`?",
        ),
        (
            "attributes[\"rated  power\"] > 1",
            "line 1, column 1: unknown attribute `rated  power`: did you mean `rated power`?",
        ),
        (
            "colour = 'red'",
            "line 1, column 1: unknown field `colour`: expected one of item_id, title, categories, \
             price, available_from, available_until, brand, in or 8 more",
        ),
        (
            "price = null",
            "line 1, column 9: unknown field `null`: expected a value; \
             whether there is one is asked by has(field)",
        ),
        (
            "start_with(title, 'a')",
            "line 1, column 1: unknown function `start_with`: did you mean `starts_with`?",
        ),
    ] {
        assert_told(source, told);
    }
    let error = Filter::parse("attributes.a = 1", &Schema::default()).unwrap_err();
    assert_eq!(error.message, "unknown attribute `a`: this domain declares none");
}

#[test]
fn values_of_the_wrong_type_are_told_with_both_types() {
    for (source, told) in [
        (
            "price <= \"cheap\"",
            "line 1, column 10: expected a number, as price is one, but found a text",
        ),
        ("brand = 5", "line 1, column 9: expected a text, as brand is one, but found a number"),
        ("5 = brand", "line 1, column 5: expected a number, as `5` is one, but found a text"),
        (
            "is_new = 'yes'",
            "line 1, column 10: expected a boolean, as is_new is one, but found a text",
        ),
        (
            "price",
            "line 1, column 1: expected a boolean, as a filter takes conditions, but found a number",
        ),
        (
            "is_new and 'used'",
            "line 1, column 12: expected a boolean, as `and` takes conditions, but found a text",
        ),
        (
            "not title",
            "line 1, column 5: expected a boolean, as `not` takes conditions, but found a text",
        ),
        (
            "price + 'a' > 1",
            "line 1, column 9: expected a number, as `+` takes numbers, but found a text",
        ),
        (
            "lower(price) = 'a'",
            "line 1, column 7: expected a text, as lower takes one, but found a number",
        ),
        (
            "price in [1, 'a']",
            "line 1, column 14: expected a number, as price is one, but found a text",
        ),
        (
            "price between 1 and title",
            "line 1, column 21: expected a number, as price is one, but found a text",
        ),
        (
            "price + 1 = available_from",
            "line 1, column 13: expected a number, as `price + 1` is one, but found a time",
        ),
    ] {
        assert_told(source, told);
    }
}

#[test]
fn what_is_not_done_with_a_type_is_told() {
    for (source, told) in [
        (
            "brand < 'b'",
            "line 1, column 1: expected `=` or `!=` behind a text, but found `<`: \
             which text comes first depends on the language",
        ),
        (
            "is_new > is_used",
            "line 1, column 1: expected `=` or `!=` behind a boolean, but found `>`",
        ),
        (
            "title between 'a' and 'b'",
            "line 1, column 1: expected a number or a time before `between`, but found a text",
        ),
        (
            "available_from > 'tomorrow'",
            "line 1, column 18: expected a date such as \"2026-11-01\" or a time such as \
             \"2026-11-01T08:00:00Z\", as available_from is one, but found `tomorrow`",
        ),
        (
            "available_from > date('2026-13-01')",
            "line 1, column 18: expected a date such as \"2026-11-01\", as date and timestamp take \
             one, but found `2026-13-01`",
        ),
        (
            "days_since(price) < 3",
            "line 1, column 12: expected a time, as days_since takes one, but found a number",
        ),
        ("has(5)", "line 1, column 5: expected a field, as has takes one, but found `5`"),
        (
            "len(price) > 1",
            "line 1, column 5: expected a text or a text set, as len takes one, but found a number",
        ),
    ] {
        assert_told(source, told);
    }
}

#[test]
fn sets_are_told_what_to_ask_of_them() {
    for (source, told) in [
        (
            "categories in ['used']",
            "line 1, column 1: expected a single value before `in`, but found a text set; \
             write `has_any(categories, …)` with the list `[\"used\"]`",
        ),
        (
            "categories = 'used'",
            "line 1, column 1: expected a single value before `=`, but found a text set; \
             write `\"…\" in categories`, or use has_any, has_all or len",
        ),
        (
            "brand in title",
            "line 1, column 10: expected a list in [ ] or a text set behind `in`, but found a text",
        ),
        (
            "brand in categories",
            "line 1, column 1: expected a text in quotes, as categories is a set of them, \
             but found brand, which each item has another of",
        ),
        (
            "has_any(categories, 'used')",
            "line 1, column 21: expected a list in [ ], as has_any takes one, but found a text",
        ),
        (
            "has_all(brand, ['a'])",
            "line 1, column 9: expected a text set, as has_all takes one, but found a text",
        ),
        (
            "has_any(tags, ['a', 1])",
            "line 1, column 21: expected a text, as tags is a set of them, but found a number",
        ),
        (
            "brand = ['a']",
            "line 1, column 9: expected a single value, but found a list, \
             which may stand only behind `in` and in has_any and has_all",
        ),
        (
            "is_new in [true]",
            "line 1, column 1: expected a number, a text or a time before `in`, but found a boolean, \
             which stands alone: `is_new` or `not is_new`",
        ),
    ] {
        assert_told(source, told);
    }
}

#[test]
fn what_is_no_sentence_is_told_with_what_was_expected() {
    for (source, told) in [
        ("", "line 1, column 1: expected a condition, but found the end"),
        (
            "price <= ",
            "line 1, column 10: expected a field, a value, a function, `not` or `(`, but found the end",
        ),
        (
            "1 < price < 5",
            "line 1, column 11: expected `and`, `or` or the end, but found `<`; comparisons cannot \
             be chained: write `a < b and b < c`, or use parentheses",
        ),
        (
            "(is_new",
            "line 1, column 8: expected `)`, an operator, `and` or `or`, but found the end",
        ),
        (
            "is_new is_used",
            "line 1, column 8: expected `and`, `or`, an operator or the end, but found `is_used`",
        ),
        (
            "is_new)",
            "line 1, column 7: expected `and`, `or`, an operator or the end, but found `)`",
        ),
        (
            "price between 1, 5",
            "line 1, column 16: expected `and` and the upper end of `between`, but found `,`",
        ),
        ("brand in ['a' 'b']", "line 1, column 15: expected `,` or `]`, but found the text `b`"),
        (
            "price in [seats]",
            "line 1, column 11: expected a value: a number, a text, true, false or a date, but found `seats`",
        ),
        ("contains(title)", "line 1, column 1: expected contains(text, part), but found 1 value"),
        ("has()", "line 1, column 1: expected has(field), but found 0 values"),
        (
            "brand = \"BYD",
            "line 1, column 9: expected \" at the end of the text that begins here, \
             but found the end of the line",
        ),
        ("is_new & is_used", "line 1, column 8: expected `&&`, but found a single `&`"),
        ("is_new # x", "line 1, column 8: expected a name, a value or an operator, but found `#`"),
        (
            "is_new and\n\tprice ＜ 5",
            "line 2, column 8: expected `<`, but found its wide form `＜`",
        ),
        (
            "price < 30k",
            "line 1, column 9: expected a number in digits, such as 1000 or 0.5, but found `30k`; \
             exponents and units are not understood",
        ),
        (
            "attributes[seats] > 1",
            "line 1, column 12: expected the name of an attribute as a text, but found `seats`",
        ),
        (
            "available_from > date(2026)",
            "line 1, column 23: expected a text such as \"2026-11-01\", but found the number 2026",
        ),
    ] {
        assert_told(source, told);
    }
}

#[test]
fn a_mistake_has_its_bytes() {
    let source = "品牌 = 'a' and prize < 1";
    let error = Filter::parse(source, &schema()).unwrap_err();
    assert_eq!(&source[error.span.start..error.span.end], "prize");
    assert_eq!(error.column, 14);
}
