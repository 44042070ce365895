//! What each construct means.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rust_decimal::Decimal;

use super::rows::{Items, NOW, Row, now, row, schema};
use crate::filter::{
    BooleanColumn, Column, ColumnRef, Expression, Field, Filter, NumberColumn, Table,
};

fn cars() -> Items {
    Items::of(&[
        row(&[
            ("item_id", "seagull"),
            ("title", "BYD Seagull 海鸥"),
            ("categories", "cars|electric"),
            ("price", "19.990"),
            ("brand", "BYD"),
            ("品牌", "比亚迪"),
            ("is_new", "true"),
            ("seats", "4"),
            ("available_from", "2026-10-31T20:00:00Z"),
            ("available_until", "2027-01-01"),
            ("launched", "2023-04-26"),
        ]),
        row(&[
            ("item_id", "panda"),
            ("title", "Geely Panda"),
            ("categories", "cars|used"),
            ("price", "25"),
            ("brand", "Geely"),
            ("is_new", "false"),
            ("seats", "4"),
            ("available_from", "2026-09-01"),
        ]),
        row(&[("item_id", "unknown"), ("categories", "")]),
    ])
}

#[track_caller]
fn assert_admits(source: &str, expected: &[usize]) {
    assert_eq!(cars().admitted(source), expected, "{source}");
}

#[test]
fn every_operator_says_what_it_says() {
    for (source, admitted) in [
        ("true", vec![0, 1, 2]),
        ("false", vec![]),
        ("is_new", vec![0]),
        ("not is_new", vec![1]),
        ("!is_new || is_new", vec![0, 1]),
        ("is_new = false", vec![1]),
        ("is_new != (price > 20)", vec![0, 1]),
        ("price = 19.99", vec![0]),
        ("price == 19.990", vec![0]),
        ("price != 19.99", vec![1]),
        ("price <> 19.99", vec![1]),
        ("price < 25", vec![0]),
        ("price <= 25", vec![0, 1]),
        ("price > 19.99", vec![1]),
        ("price >= 19.99", vec![0, 1]),
        ("20 > price", vec![0]),
        ("price between 19.99 and 25", vec![0, 1]),
        ("price between 20 and 24.999", vec![]),
        ("price not between 20 and 30", vec![0]),
        ("price between seats and seats * 6", vec![0]),
        ("price in [25, 30]", vec![1]),
        ("price not in [25.0]", vec![0]),
        ("price in []", vec![]),
        ("price not in []", vec![0, 1]),
        ("brand = \"BYD\"", vec![0]),
        ("brand = 'byd'", vec![]),
        ("\"Geely\" = brand", vec![1]),
        ("brand in [\"BYD\", \"Geely\"]", vec![0, 1]),
        ("item_id in ['panda', 'unknown']", vec![1, 2]),
        ("\"used\" in categories", vec![1]),
        ("\"used\" not in categories", vec![0, 2]),
        ("is_new and price < 25 or brand = 'Geely'", vec![0, 1]),
        ("is_new AND (price > 25 OR brand = 'Geely')", vec![]),
    ] {
        assert_admits(source, &admitted);
    }
}

#[test]
fn every_function_does_what_it_does() {
    for (source, admitted) in [
        ("has(price)", vec![0, 1]),
        ("not has(attributes.brand)", vec![2]),
        ("has(categories)", vec![0, 1, 2]),
        ("has(tags)", vec![]),
        ("lower(brand) = 'byd'", vec![0]),
        ("lower(brand) in ['byd', 'geely']", vec![0, 1]),
        ("contains(title, 'a')", vec![0, 1]),
        ("contains(lower(title), 'byd')", vec![0]),
        ("contains(title, brand)", vec![0, 1]),
        ("contains('BYD and others', brand)", vec![0]),
        ("starts_with(title, brand)", vec![0, 1]),
        ("starts_with(title, 'Geely')", vec![1]),
        ("ends_with(title, '海鸥')", vec![0]),
        ("ends_with(lower(title), lower(brand))", vec![]),
        ("len(title) = 14", vec![0]),
        ("len(lower(brand)) = 3", vec![0]),
        ("len(categories) = 2", vec![0, 1]),
        ("len(categories) = 0", vec![2]),
        ("has_any(categories, ['used', 'new'])", vec![1]),
        ("has_any(categories, [])", vec![]),
        ("has_all(categories, ['cars', 'used'])", vec![1]),
        ("has_all(categories, ['cars', 'cars'])", vec![0, 1]),
        ("has_all(categories, ['cars', 'boats'])", vec![]),
        ("has_all(categories, [])", vec![0, 1, 2]),
        ("days_since(available_from) = 0.5", vec![0]),
        ("days_since(available_from) < 30", vec![0]),
        ("days_until(available_from) <= -0.5", vec![0, 1]),
        ("days_until(available_until) > 60", vec![0]),
        ("days_since(available_from) * 24 = 12", vec![0]),
        ("days_since('2026-10-31') > 1.3", vec![0, 1, 2]),
        ("days_until(available_until) > days_since(available_from)", vec![0]),
    ] {
        assert_admits(source, &admitted);
    }
}

#[test]
fn times_are_compared_as_instants_however_they_are_written() {
    for (source, admitted) in [
        ("available_from >= \"2026-10-01\"", vec![0]),
        ("\"2026-10-01\" <= available_from", vec![0]),
        ("available_from = '2026-11-01T04:00:00+08:00'", vec![0]),
        ("available_from = date('2026-09-01')", vec![1]),
        ("available_from != timestamp('2026-09-01T00:00:00Z')", vec![0]),
        ("available_from in ['2026-09-01', '2026-09-02']", vec![1]),
        ("available_from between '2026-09-01' and '2026-10-01'", vec![1]),
        ("available_from < available_until", vec![0]),
        ("available_from between launched and available_until", vec![0]),
        ("launched < '1500-01-01' or launched > '9999-01-01'", vec![]),
        // Text and time in one place.
        ("available_from not in ['2026-09-01', timestamp('2026-10-31T20:00:00Z')]", vec![]),
    ] {
        assert_admits(source, &admitted);
    }
}

#[test]
fn what_is_missing_is_neither_one_nor_the_other() {
    for (source, admitted) in [
        ("brand != 'BYD'", vec![1]),
        ("not (brand = 'BYD')", vec![1]),
        ("not has(brand) or brand != 'BYD'", vec![1, 2]),
        // Unknown or true is true, unknown and false is false.
        ("price > 0 or item_id = 'unknown'", vec![0, 1, 2]),
        ("not (price > 0 and item_id = 'panda')", vec![0, 2]),
        ("not (price > 0 and item_id = 'unknown')", vec![0, 1]),
        ("not (price > 0 and item_id = 'other')", vec![0, 1, 2]),
        ("price + 1 > 0 or true", vec![0, 1, 2]),
        ("price between 0 and 1 / 0", vec![]),
        ("not price between 22 and 1 / 0", vec![0]),
        ("contains(title, 品牌) or not contains(title, 品牌)", vec![0]),
        ("price = price", vec![0, 1]),
    ] {
        assert_admits(source, &admitted);
    }
}

#[test]
fn numbers_are_exact_and_what_they_cannot_hold_is_missing() {
    for (source, admitted) in [
        ("0.1 + 0.2 = 0.3", vec![0, 1, 2]),
        ("price < 19.9900000000000000000000001", vec![0]),
        ("price <= 19.9899999999999999999999999", vec![]),
        ("price = 19.9900000000000000000000001", vec![]),
        ("price in [19.9900000000000000000000001, 25.000]", vec![1]),
        ("price * 100 = 1999", vec![0]),
        ("price - 19.99 = 0", vec![0]),
        ("-price = -25", vec![1]),
        ("(price - 1) / 2 = 12", vec![1]),
        ("1 - 2 - 3 = -4 and 12 / 2 / 3 = 2 and 1 + 2 * 3 = 7 and -2 * -3 = 6", vec![0, 1, 2]),
        ("price / 0 = 0 or price / 0 != 0", vec![]),
        ("price / (seats - 4) = 0 or not price / (seats - 4) = 0", vec![]),
        ("price * 79228162514264337593543950335 > 0", vec![]),
        ("price < 79228162514264337593543950335", vec![0, 1]),
        ("price > -79228162514264337593543950335", vec![0, 1]),
    ] {
        assert_admits(source, &admitted);
    }
}

#[test]
fn attributes_are_named_bare_or_by_their_path_in_any_language() {
    let items = Items::of(&[row(&[("brand", "BYD"), ("品牌", "比亚迪"), ("seats", "5")])]);
    for source in [
        "brand = 'BYD'",
        "attributes.brand = 'BYD'",
        "attributes[\"brand\"] = 'BYD'",
        "品牌 = \"比亚迪\"",
        "attributes.品牌 in ['比亚迪', '吉利']",
        "contains(品牌, '亚')",
        "len(品牌) = 3",
        "attributes . seats=5",
    ] {
        assert_eq!(items.admitted(source), [0], "{source}");
    }
    let own = [Field::Attribute("rated power".into()), Field::Attribute("price".into())];
    let mut powerful: Row = row(&[("price", "7")]);
    powerful.insert(own[0].clone(), super::rows::Value::Number(75.into()));
    powerful.insert(own[1].clone(), super::rows::Value::Text("dear".into()));
    powerful.insert(Field::Attribute("in".into()), super::rows::Value::Number(1.into()));
    let items = Items::of(&[powerful]);
    for source in [
        "attributes[\"rated power\"] >= 75",
        "attributes.price = 'dear' and price = 7",
        "attributes.in = 1 and attributes['in'] in [1]",
    ] {
        assert_eq!(items.admitted(source), [0], "{source}");
    }
}

#[test]
fn a_filter_keeps_its_source_and_names_each_field_once() {
    let source = "price<1 and brand='x' and\nattributes.brand!='y' and attributes.price = 'z'";
    let filter = Filter::parse(source, &schema()).unwrap();
    assert_eq!(filter.source(), source);
    let attribute = |name: &str| Field::Attribute(name.into());
    let fields = [Field::Price, attribute("brand"), attribute("price")];
    assert_eq!(filter.fields().cloned().collect::<Vec<_>>(), fields);
    let built = Filter::from_expression(filter.expression(), &schema()).unwrap();
    assert_eq!(built.expression(), filter.expression());
    assert_eq!(built.source(), filter.expression().to_string());
    let built: Expression =
        serde_json::from_str(r#"{"call": {"function": "has", "arguments": [{"field": "prize"}]}}"#)
            .unwrap();
    let error = Filter::from_expression(&built, &schema()).unwrap_err();
    assert_eq!(error.column, 5);
}

struct Wrong(BTreeMap<Field, Column>);

impl Table for Wrong {
    fn rows(&self) -> usize {
        2
    }

    fn column(&self, field: &Field) -> Option<ColumnRef<'_>> {
        self.0.get(field).map(Column::lend)
    }
}

#[test]
fn a_column_of_another_type_or_length_is_as_if_there_was_none() {
    let booleans: BooleanColumn = [Some(true), Some(true)].into_iter().collect();
    let three: NumberColumn = [Some(Decimal::ONE); 3].into_iter().collect();
    let seats = Field::Attribute("seats".into());
    let columns = [(Field::Price, Column::Boolean(booleans)), (seats, Column::Number(three))];
    let wrong = Wrong(columns.into());
    let admitted = |source: &str| {
        let filter = Filter::parse(source, &schema()).unwrap();
        filter.admits(&wrong, now()).ones().collect::<Vec<_>>()
    };
    for source in ["price > 0 or price <= 0", "seats = 1", "has(seats)", "price + 1 > 0", "is_new"]
    {
        assert_eq!(admitted(source), [0; 0], "{source}");
    }
    assert_eq!(admitted("not has(seats)"), [0, 1]);
}

#[test]
fn a_table_without_rows_admits_none() {
    assert_eq!(Items::of(&[]).admitted("true or price > 1"), [0; 0]);
}

#[test]
fn now_is_what_the_caller_says() {
    let filter = Filter::parse("days_since(available_from) between 0 and 1", &schema()).unwrap();
    let at = |hours: i64| {
        let now: Timestamp = NOW.parse().unwrap();
        let now = now + jiff::SignedDuration::from_hours(hours);
        filter.admits(&cars(), now).ones().collect::<Vec<_>>()
    };
    assert_eq!((at(-13), at(-12), at(12), at(13)), (vec![], vec![0], vec![0], vec![]));
}
