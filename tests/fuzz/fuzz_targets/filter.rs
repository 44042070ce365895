//! Filters as anybody might write them: what is read can be written and read again as the same, and is
//! evaluated for every row, of which none passes both a filter and its contrary.

#![no_main]

use std::collections::BTreeMap;

use crossfold_entities::filter::{AttributeType, Column, ColumnRef, Field, Filter, Schema, Table};
use jiff::Timestamp;
use libfuzzer_sys::fuzz_target;
use rust_decimal::Decimal;

/// A few items, of which each lacks something.
struct Items(BTreeMap<Field, Column>);

const ROWS: usize = 67;

impl Items {
    fn new(schema: &Schema) -> Self {
        let numbered = |of: &dyn Fn(usize) -> Option<String>| -> Vec<Option<String>> {
            (0..ROWS).map(|row| of(row).filter(|_| row % 5 != 0)).collect()
        };
        let texts =
            numbered(&|row| Some(["BYD", "车贷 36期", "a|b", "", "-0.10"][row % 5].to_owned()));
        let mut columns = BTreeMap::new();
        for (name, of) in schema.attributes() {
            let values = texts.iter().map(Option::as_deref);
            columns.insert(Field::Attribute(name.clone()), Column::from_texts(*of, values));
        }
        let title = Column::Text(texts.iter().map(Option::as_deref).collect());
        let price = Column::Number(
            (0..ROWS)
                .map(|row| {
                    (row % 3 != 0).then(|| Decimal::new(row as i64 * 7 - 3, (row % 4) as u32))
                })
                .collect(),
        );
        let since = Column::Time(
            (0..ROWS).map(|row| (row % 2 != 0).then_some(Timestamp::UNIX_EPOCH)).collect(),
        );
        columns.extend([
            (Field::Title, title),
            (Field::Price, price),
            (Field::AvailableFrom, since),
        ]);
        Self(columns)
    }
}

impl Table for Items {
    fn rows(&self) -> usize {
        ROWS
    }

    fn column(&self, field: &Field) -> Option<ColumnRef<'_>> {
        self.0.get(field).map(Column::lend)
    }
}

fuzz_target!(|source: &str| {
    let schema = Schema::new(
        [
            ("brand".into(), AttributeType::Text),
            ("range".into(), AttributeType::Number),
            ("is_new".into(), AttributeType::Boolean),
            ("made".into(), AttributeType::Time),
            ("fuels".into(), AttributeType::TextSet),
        ]
        .into(),
    );
    let Ok(filter) = Filter::parse(source, &schema) else { return };
    if let Ok(again) = Filter::from_expression(filter.expression(), &schema) {
        assert_eq!(again.expression(), filter.expression());
    }
    let items = Items::new(&schema);
    let now = Timestamp::UNIX_EPOCH;
    let passes = filter.admits(&items, now);
    assert_eq!(passes.len(), ROWS);
    // On lines of its own, for it may end with a comment.
    if let Ok(contrary) = Filter::parse(&format!("not (\n{source}\n)"), &schema) {
        let fails = contrary.admits(&items, now);
        assert!(passes.ones().all(|row| !fails.get(row)));
    }
});
