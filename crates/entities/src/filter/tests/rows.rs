//! Items by row, and the same as columns.

use std::collections::BTreeMap;

use jiff::Timestamp;
use proptest::prelude::*;
use rust_decimal::Decimal;

use crate::filter::{AttributeType, BitMask, Column, ColumnRef, Field, Filter, Schema, Table};

pub(super) const NOW: &str = "2026-11-01T08:00:00Z";

pub(super) fn now() -> Timestamp {
    NOW.parse().unwrap()
}

/// What a field of an item has, or an expression comes to.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Missing,
    Number(Decimal),
    Text(String),
    Boolean(bool),
    Time(Timestamp),
    Set(Vec<String>),
}

pub(super) type Row = BTreeMap<Field, Value>;

pub(super) const ATTRIBUTES: [(&str, AttributeType); 10] = [
    ("brand", AttributeType::Text),
    ("品牌", AttributeType::Text),
    ("is_new", AttributeType::Boolean),
    ("is_used", AttributeType::Boolean),
    ("seats", AttributeType::Number),
    ("rated power", AttributeType::Number),
    ("launched", AttributeType::Time),
    ("tags", AttributeType::TextSet),
    // Reached by its path alone.
    ("price", AttributeType::Text),
    ("in", AttributeType::Number),
];

pub(super) fn schema() -> Schema {
    Schema::new(ATTRIBUTES.map(|(name, of)| (name.to_owned(), of)).into())
}

/// Every field of the schema, and its type.
pub(super) fn fields() -> Vec<(Field, AttributeType)> {
    let built_in = [
        Field::ItemId,
        Field::Title,
        Field::Categories,
        Field::Price,
        Field::AvailableFrom,
        Field::AvailableUntil,
    ];
    let attributes = ATTRIBUTES.iter().map(|(name, _)| Field::Attribute((*name).into()));
    let schema = schema();
    let with_type = |field: Field| {
        let of = schema.type_of(&field).unwrap();
        (field, of)
    };
    built_in.into_iter().chain(attributes).map(with_type).collect()
}

pub(super) struct Items {
    rows: usize,
    columns: BTreeMap<Field, Column>,
}

impl Table for Items {
    fn rows(&self) -> usize {
        self.rows
    }

    fn column(&self, field: &Field) -> Option<ColumnRef<'_>> {
        self.columns.get(field).map(Column::lend)
    }
}

impl Items {
    /// Rows as columns. A field that every row lacks has none.
    pub(super) fn of(rows: &[Row]) -> Self {
        let is_there = |field: &Field| {
            rows.iter().any(|row| row.get(field).is_some_and(|v| *v != Value::Missing))
        };
        let fields = fields().into_iter().filter(|(field, _)| is_there(field));
        let columns = fields.map(|(field, of)| {
            let values = rows.iter().map(|row| row.get(&field).unwrap_or(&Value::Missing));
            let column = column(of, values);
            (field, column)
        });
        Self { rows: rows.len(), columns: columns.collect() }
    }

    /// The rows that a filter admits.
    pub(super) fn admitted(&self, source: &str) -> Vec<usize> {
        let filter = Filter::parse(source, &schema()).unwrap_or_else(|e| panic!("{source}: {e}"));
        let mask: BitMask = filter.admits(self, now());
        assert_eq!(mask.len(), self.rows);
        mask.ones().collect()
    }
}

fn column<'a>(of: AttributeType, values: impl Iterator<Item = &'a Value>) -> Column {
    macro_rules! collected {
        ($kind:ident, $variant:ident) => {
            Column::$kind(
                values
                    .map(|value| match value {
                        Value::$variant(value) => Some(value.clone()),
                        _ => None,
                    })
                    .collect(),
            )
        };
    }
    match of {
        AttributeType::Text => collected!(Text, Text),
        AttributeType::Number => collected!(Number, Number),
        AttributeType::Boolean => collected!(Boolean, Boolean),
        AttributeType::Time => collected!(Time, Time),
        AttributeType::TextSet => collected!(TextSet, Set),
    }
}

/// One row of what is given as attributes are kept: fields by name, values as texts.
pub(super) fn row(values: &[(&str, &str)]) -> Row {
    let schema = schema();
    let value = |(name, text): &(&str, &str)| {
        let (field, of) = schema.named(name).unwrap();
        let value = match Column::from_texts(of, [Some(*text)]) {
            Column::Text(texts) => Value::Text(texts.get(0).unwrap().into()),
            Column::Number(numbers) => Value::Number(numbers.get(0).unwrap()),
            Column::Boolean(booleans) => Value::Boolean(booleans.get(0).unwrap()),
            Column::Time(times) => Value::Time(times.get(0).unwrap()),
            Column::TextSet(sets) => Value::Set(sets.get(0).unwrap().map(str::to_owned).collect()),
        };
        (field, value)
    };
    values.iter().map(value).collect()
}

pub(super) const TEXTS: [&str; 9] = ["", "a", "A", "b", "ab", "ABBA", "课程", "课", "BYD"];

pub(super) fn some_text() -> impl Strategy<Value = String> {
    prop::sample::select(&TEXTS[..]).prop_map(str::to_owned)
}

/// Few numbers, so that some are the same; some that need more digits than a column has, and
/// some that are too large to be summed.
pub(super) fn some_number() -> impl Strategy<Value = Decimal> {
    let usual = (-30_i64..30, 0_u32..3).prop_map(|(mantissa, scale)| Decimal::new(mantissa, scale));
    let fine = (-3_000_000_000_000_i64..3_000_000_000_000, 10_u32..14)
        .prop_map(|(mantissa, scale)| Decimal::new(mantissa, scale));
    let huge = prop::sample::select(&[Decimal::MAX, Decimal::MIN][..]);
    prop_oneof![40 => usual, 4 => fine, 1 => huge]
}

pub(super) fn some_time() -> impl Strategy<Value = Timestamp> {
    let near = (-10_i64..10).prop_map(|hours| now() + jiff::SignedDuration::from_hours(hours * 4));
    let far = prop::sample::select(&[Timestamp::MIN, Timestamp::MAX][..]);
    prop_oneof![40 => near, 1 => far]
}

fn some_value(of: AttributeType) -> BoxedStrategy<Value> {
    let value = match of {
        AttributeType::Text => some_text().prop_map(Value::Text).boxed(),
        AttributeType::Number => some_number().prop_map(Value::Number).boxed(),
        AttributeType::Boolean => any::<bool>().prop_map(Value::Boolean).boxed(),
        AttributeType::Time => some_time().prop_map(Value::Time).boxed(),
        AttributeType::TextSet => {
            prop::collection::vec(some_text(), 0..4).prop_map(Value::Set).boxed()
        }
    };
    prop_oneof![3 => value, 1 => Just(Value::Missing)].boxed()
}

fn some_row() -> impl Strategy<Value = Row> {
    let (fields, values): (Vec<_>, Vec<_>) =
        fields().into_iter().map(|(field, of)| (field, some_value(of))).unzip();
    values.prop_map(move |values| fields.iter().cloned().zip(values).collect())
}

pub(super) fn some_rows() -> impl Strategy<Value = Vec<Row>> {
    prop::collection::vec(some_row(), 0..12)
}
