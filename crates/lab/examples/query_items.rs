//! How often a query in Chinese or English finds an item of the demonstration's world among the
//! first five, by each encoder: by titles in both languages as they are posted, and by their
//! Chinese or English half alone.
//!
//! ```text
//! cargo run --release -p crossfold-lab --example query_items -- [ARTEFACT …]
//! ```
//!
//! The lexical encoder is fitted from the titles that it searches; artefacts of others are
//! named.

use anyhow::{Context, Result};
use crossfold_lab::synthetic_world::{AUTO_FINANCE, KNOWLEDGE, SyntheticWorld};
use crossfold_text::TextEncoder;
use crossfold_text::lexical::{Lexical, LexicalOptions, fit};

/// How many items may be looked at.
const SHOWN: usize = 5;

/// A query, the domain of what is meant, and its id without the variant.
const QUERIES: [(&str, &str, &str); 20] = [
    ("first car loan", AUTO_FINANCE, "first-job-1"),
    ("electric vehicle financing at low interest", AUTO_FINANCE, "green-mobility-0"),
    ("insurance for people who just got their licence", AUTO_FINANCE, "first-job-3"),
    ("renting a camper van", AUTO_FINANCE, "road-traveller-1"),
    ("truck leasing for my business", AUTO_FINANCE, "entrepreneur-0"),
    ("how to prepare for a job interview", KNOWLEDGE, "first-job-2"),
    ("learn to read financial statements", KNOWLEDGE, "investor-3"),
    ("install solar panels on my roof", KNOWLEDGE, "green-mobility-1"),
    ("teach kids to love books", KNOWLEDGE, "young-family-3"),
    ("tips for camping outdoors", KNOWLEDGE, "road-traveller-3"),
    ("首次购车贷款", AUTO_FINANCE, "first-job-1"),
    ("想买二手车怎么分期", AUTO_FINANCE, "first-job-2"),
    ("一家七口坐的车", AUTO_FINANCE, "young-family-0"),
    ("电动车保险", AUTO_FINANCE, "green-mobility-3"),
    ("跑车贷款", AUTO_FINANCE, "investor-2"),
    ("怎么在网上开店", KNOWLEDGE, "entrepreneur-2"),
    ("给宝宝做辅食", KNOWLEDGE, "young-family-4"),
    ("基金投资怎么学", KNOWLEDGE, "investor-1"),
    ("汽车日常维护", KNOWLEDGE, "road-traveller-2"),
    ("用表格软件分析数据", KNOWLEDGE, "first-job-1"),
];

struct Item {
    domain: &'static str,
    id: String,
    title: String,
}

/// Which part of a title is searched.
#[derive(Clone, Copy)]
enum Part {
    Both,
    Chinese,
    English,
}

impl Part {
    fn of(self, title: &str) -> &str {
        match (self, title.split_once(" (")) {
            (Self::Chinese, Some((chinese, _))) => chinese,
            (Self::English, Some((_, english))) => english.trim_end_matches(')'),
            _ => title,
        }
    }
}

fn items() -> Result<Vec<Item>> {
    let mut items = Vec::new();
    for domain in [KNOWLEDGE, AUTO_FINANCE] {
        for item in SyntheticWorld::items(domain) {
            let text = |name: &str| item[name].as_str().map(str::to_owned).context("no text");
            items.push(Item { domain, id: text("item_id")?, title: text("title")? });
        }
    }
    Ok(items)
}

/// For each query, the place of the first item that is meant, from 1.
fn places(encoder: &dyn TextEncoder, items: &[Item], part: Part) -> Vec<usize> {
    let titles: Vec<&str> = items.iter().map(|item| part.of(&item.title)).collect();
    let titles = encoder.encode(&titles);
    let queries: Vec<&str> = QUERIES.iter().map(|(query, _, _)| *query).collect();
    let similarities = encoder.encode(&queries).dot(&titles.t());
    let place = |(row, (_, domain, meant)): (usize, &(&str, &str, &str))| {
        let row = similarities.row(row);
        let mut order: Vec<usize> = (0..items.len()).collect();
        order.sort_by(|a, b| row[*b].total_cmp(&row[*a]));
        let is_meant = |index: &usize| {
            let Item { domain: of, id, .. } = &items[*index];
            // What is like nothing was not found.
            of == domain
                && id.rsplit_once('-').is_some_and(|(id, _)| id == *meant)
                && row[*index] > 0.0
        };
        order.iter().position(is_meant).map_or(usize::MAX, |place| place + 1)
    };
    QUERIES.iter().enumerate().map(place).collect()
}

fn main() -> Result<()> {
    let items = items()?;
    let mut others = Vec::new();
    for path in std::env::args().skip(1) {
        let bytes = std::fs::read(&path).with_context(|| path.clone())?;
        others.push(crossfold_text::open(&bytes).with_context(|| path)?);
    }
    println!("{} items; success at {SHOWN} of 10 English and 10 Chinese queries\n", items.len());
    println!("{:<44}{:<12}{:>8}{:>8}{:>6}", "encoder", "titles", "English", "Chinese", "both");
    let mut details = Vec::new();
    for (part, name) in
        [(Part::Both, "both"), (Part::Chinese, "Chinese"), (Part::English, "English")]
    {
        let titles: Vec<&str> = items.iter().map(|item| part.of(&item.title)).collect();
        let fitted = fit(&titles, &LexicalOptions::default().check()?)?;
        let lexical = Lexical::from_artefact(&fitted)?;
        let all = std::iter::once(&lexical as &dyn TextEncoder);
        for encoder in all.chain(others.iter().map(|encoder| &**encoder)) {
            let places = places(encoder, &items, part);
            let found = |range: std::ops::Range<usize>| {
                places[range].iter().filter(|place| **place <= SHOWN).count()
            };
            let (english, chinese) = (found(0..10), found(10..20));
            let encoder = encoder.identity().name.clone();
            println!("{encoder:<44}{name:<12}{english:>8}{chinese:>8}{:>6}", english + chinese);
            if matches!(part, Part::Both) {
                details.push((encoder, places));
            }
        }
    }
    for (encoder, places) in details {
        println!("\nplace of the first item that is meant, titles in both languages: {encoder}");
        for ((query, _, meant), place) in QUERIES.iter().zip(places) {
            let place = if place == usize::MAX { "none".into() } else { place.to_string() };
            println!("{place:>6}  {query} ({meant})");
        }
    }
    Ok(())
}
