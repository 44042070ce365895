//! How long filters take: they are read, and run over 100,000 items. In microseconds, the
//! median of many times.
//!
//! `cargo run --release -p crossfold-entities --example filter_speed`

#![allow(clippy::expect_used)] // An example may stop at the first surprise.

use std::collections::BTreeMap;
use std::time::Instant;

use crossfold_entities::filter::{AttributeType, Column, ColumnRef, Field, Filter, Schema, Table};
use jiff::{SignedDuration, Timestamp};
use rust_decimal::Decimal;

const ITEMS: usize = 100_000;
const TIMES: usize = 200;

const FILTERS: [&str; 12] = [
    "price <= 30000",
    "brand = \"brand 7\"",
    "price <= 30000 and brand in [\"brand 7\", \"brand 8\"] and days_since(available_from) < 30",
    "price <= 30000 and brand in [\"brand 7\", \"brand 8\"] and \
     not has_any(categories, [\"category 3\"]) and days_since(available_from) < 30",
    "price between 10000 and 19999.999 and is_new and range >= 400",
    "has_all(categories, [\"category 1\", \"category 2\"])",
    "item_id in [\"i17\", \"i4711\", \"i99999\"]",
    "contains(lower(title), \"7 of brand 7\")",
    "len(title) > 20",
    "price * 1.13 + 99 <= 30000",
    "price / range < 50.5",
    "brand = title or item_id = title",
];

struct Items(BTreeMap<Field, Column>);

impl Table for Items {
    fn rows(&self) -> usize {
        ITEMS
    }

    fn column(&self, field: &Field) -> Option<ColumnRef<'_>> {
        self.0.get(field).map(Column::lend)
    }
}

/// A number below `most` that looks drawn, the same at every run.
fn drawn(row: usize, of: u64, most: u64) -> u64 {
    let mixed = (row as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(of);
    ((mixed ^ (mixed >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9) >> 33) % most
}

/// Items of which one in eight lacks each value, but for the identifier.
fn items(now: Timestamp) -> Items {
    let rows = |of: u64, most: u64| {
        let is_there = move |row: &usize| drawn(*row, of + 100, 8) > 0;
        (0..ITEMS).map(move |row| is_there(&row).then(|| drawn(row, of, most)))
    };
    let text = |of: &str, number: u64| format!("{of} {number}");
    let price = |number: u64| Decimal::new(number as i64, 2);
    let hours = |number: u64| now - SignedDuration::from_hours(number as i64);
    let categories = |number: u64| [text("category", number % 5), text("category", number % 7)];
    let title = |number: u64| format!("item {number} of brand {}", number % 50);
    let columns = [
        (Field::ItemId, Column::Text((0..ITEMS).map(|row| Some(format!("i{row}"))).collect())),
        (Field::Title, Column::Text(rows(1, 1 << 40).map(|n| n.map(title)).collect())),
        (Field::Categories, Column::TextSet(rows(2, 35).map(|n| n.map(categories)).collect())),
        (Field::Price, Column::Number(rows(3, 10_000_000).map(|n| n.map(price)).collect())),
        (Field::AvailableFrom, Column::Time(rows(4, 2_000).map(|n| n.map(hours)).collect())),
    ];
    let attribute = |name: &str| Field::Attribute(name.into());
    let attributes = [
        ("brand", Column::Text(rows(5, 50).map(|n| n.map(|n| text("brand", n))).collect())),
        ("is_new", Column::Boolean(rows(6, 2).map(|n| n.map(|n| n > 0)).collect())),
        ("range", Column::Number(rows(7, 900).map(|n| n.map(Decimal::from)).collect())),
    ];
    let attributes = attributes.map(|(name, column)| (attribute(name), column));
    Items(columns.into_iter().chain(attributes).collect())
}

fn main() {
    let now: Timestamp = "2026-11-01T08:00:00Z".parse().expect("an instant");
    let attributes = [
        ("brand", AttributeType::Text),
        ("is_new", AttributeType::Boolean),
        ("range", AttributeType::Number),
    ];
    let schema = Schema::new(attributes.map(|(name, of)| (name.to_owned(), of)).into());
    let items = items(now);
    println!("{:>10} {:>12} {:>8}  filter", "parse", "evaluate", "admitted");
    for source in FILTERS {
        let parse = median(|| Filter::parse(source, &schema).is_ok());
        let filter = Filter::parse(source, &schema).expect("a filter");
        let evaluate = median(|| filter.admits(&items, now).count_ones() > 0);
        let admitted = filter.admits(&items, now).count_ones();
        println!("{parse:>10.1} {evaluate:>12.1} {admitted:>8}  {source}");
    }
}

/// Microseconds that something takes.
fn median(done: impl Fn() -> bool) -> f64 {
    let mut taken: Vec<f64> = (0..TIMES)
        .map(|_| {
            let start = Instant::now();
            std::hint::black_box(done());
            start.elapsed().as_secs_f64() * 1e6
        })
        .collect();
    taken.sort_by(f64::total_cmp);
    taken[TIMES / 2]
}
