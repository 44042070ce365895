//! How well new items are ranked by their text alone: as a model that is trained on what was before
//! serves them, and by a ridge from text vectors to the factors that known items were given by
//! their evidence, beside random order and the popularity of their categories.
//!
//! ```text
//! cargo run --release -p crossfold-lab --example new_items -- DIR [--cut SHARE] [--similar] [ARTEFACT …]
//! ```
//!
//! With `--similar`, in place of that how well items that are like one are found ([`similar`]).
//!
//! DIR has `interactions.csv.gz` (user_id, item_id, rating, occurred_at in seconds) and
//! `items.jsonl.gz` (item_id, title, categories). New are the items that nobody took within the
//! first SHARE of all interactions (0.5 unless given); they are ranked among themselves, for
//! people who took something before and one of them after.

mod similar;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use crossfold_core::entities::definition::DomainDefinition;
use crossfold_core::entities::event::Event;
use crossfold_core::entities::ids::{
    DomainId, EventId, EventType, ItemId, Pseudonym, TrainingRunId,
};
use crossfold_core::evidence::event_table::EventTable;
use crossfold_core::evidence::item_facts::{CatalogueFacts, ItemFacts};
use crossfold_core::evidence::item_vectors::{ItemVectors, TextVectors, VectorSource};
use crossfold_core::evidence::items::{ItemKey, Row, Weighted};
use crossfold_core::evidence::people_index::PeopleIndex;
use crossfold_core::maths::als::{self, AlsOptions};
use crossfold_core::maths::bootstrap::mean_interval;
use crossfold_core::maths::fold_in::UnobservedItems;
use crossfold_core::maths::measure::{RankingCase, measure, rank_by_factors};
use crossfold_core::maths::rank::rank_unseen;
use crossfold_core::maths::sparse::SparseRows;
use crossfold_core::maths::weighted_ridge::{Examples, WeightedRidge};
use crossfold_core::training::bridging::gate::GateOptions;
use crossfold_core::training::{TrainingInput, train_cleaned};
use crossfold_text::TextEncoder;
use crossfold_text::lexical::{Lexical, LexicalOptions, fit};
use flate2::read::GzDecoder;
use jiff::Timestamp;
use ndarray::{Array1, Array2, ArrayView2, Axis};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::Deserialize;

/// Random orders that are averaged.
const RANDOM_ORDERS: u64 = 50;
/// Regularisations that are tried, on known items kept aside.
const REGULARISATIONS: [f32; 7] = [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0];
/// Every so many known items one is kept aside to choose by.
const KEPT_ASIDE: usize = 5;

#[derive(Deserialize)]
struct Interaction {
    user_id: String,
    item_id: String,
    occurred_at: i64,
}

#[derive(Clone, Deserialize)]
pub(crate) struct Item {
    item_id: String,
    title: String,
    categories: Vec<String>,
}

impl Item {
    fn text(&self) -> String {
        format!("{} {}", self.title, self.categories.join(" "))
    }
}

fn unpacked(path: &Path) -> Result<impl Read + use<>> {
    Ok(GzDecoder::new(File::open(path).with_context(|| path.display().to_string())?))
}

/// What is known before the cut, and who took which new item after it.
struct Split {
    known: Vec<Item>,
    new: Vec<Item>,
    train: SparseRows,
    cases: Vec<RankingCase>,
}

/// What a person took: of the known items as entries of a matrix, and of the new ones.
type Taken = (Vec<(u32, f32)>, Vec<u32>);

fn read(directory: &Path, cut: f64) -> Result<Split> {
    let mut reader = csv::Reader::from_reader(unpacked(&directory.join("interactions.csv.gz"))?);
    let mut interactions = reader.deserialize().collect::<Result<Vec<Interaction>, _>>()?;
    interactions.sort_by_key(|interaction| interaction.occurred_at);
    let lines = BufReader::new(unpacked(&directory.join("items.jsonl.gz"))?).lines();
    let items = lines.map(|line| Ok(serde_json::from_str::<Item>(&line?)?));
    let items = items.collect::<Result<Vec<_>>>()?;
    let (before, after) = interactions.split_at((interactions.len() as f64 * cut) as usize);
    let taken = |among: &[Interaction]| -> BTreeSet<String> {
        among.iter().map(|interaction| interaction.item_id.clone()).collect()
    };
    let (is_known, is_new) = (taken(before), taken(after));
    let (known, rest): (Vec<Item>, Vec<Item>) =
        items.into_iter().partition(|item| is_known.contains(&item.item_id));
    let new: Vec<Item> = rest.into_iter().filter(|item| is_new.contains(&item.item_id)).collect();
    let numbered = |items: &[Item]| -> BTreeMap<String, u32> {
        items.iter().map(|item| item.item_id.clone()).zip(0..).collect()
    };
    let (known_at, new_at) = (numbered(&known), numbered(&new));
    let mut people: BTreeMap<&str, Taken> = BTreeMap::new();
    for interaction in before {
        let entry = known_at.get(&interaction.item_id).map(|item| (*item, 1.0));
        people.entry(&interaction.user_id).or_default().0.extend(entry);
    }
    for interaction in after {
        if let Some(person) = people.get_mut(&*interaction.user_id) {
            person.1.extend(new_at.get(&interaction.item_id));
        }
    }
    let (rows, relevant): (Vec<_>, Vec<Vec<u32>>) = people.into_values().unzip();
    let train = SparseRows::from_rows(known.len(), rows);
    let cases = relevant.into_iter().enumerate().filter(|(_, relevant)| !relevant.is_empty());
    let cases = cases.map(|(person, mut relevant)| {
        relevant.sort_unstable();
        relevant.dedup();
        RankingCase { person, seen: Vec::new(), relevant }
    });
    Ok(Split { cases: cases.collect(), known, new, train })
}

/// The ridge with the regularisation that does best on known items kept aside.
fn chosen(
    inputs: ArrayView2<'_, f32>,
    targets: ArrayView2<'_, f32>,
    weights: &Array1<f32>,
) -> Result<(WeightedRidge, f32)> {
    let rows = |aside: bool| -> Vec<usize> {
        (0..inputs.nrows()).filter(|row| (row % KEPT_ASIDE == 0) == aside).collect()
    };
    let (fitted, aside) = (rows(false), rows(true));
    let part = |rows: &[usize]| {
        let weights: Array1<f32> = rows.iter().map(|row| weights[*row]).collect();
        (inputs.select(Axis(0), rows), targets.select(Axis(0), rows), weights)
    };
    let (x, y, w) = part(&fitted);
    let (x_aside, y_aside, w_aside) = part(&aside);
    let mut best = (f32::INFINITY, REGULARISATIONS[0]);
    for regularisation in REGULARISATIONS {
        let examples = Examples { inputs: x.view(), targets: y.view(), weights: w.view() };
        let errors =
            WeightedRidge::fit(&examples, regularisation)?.predict(x_aside.view()) - &y_aside;
        let of_rows = errors.rows().into_iter().zip(&w_aside);
        let error = of_rows.map(|(row, weight)| weight * row.dot(&row)).sum::<f32>();
        if error < best.0 {
            best = (error, regularisation);
        }
    }
    let examples = Examples { inputs, targets, weights: weights.view() };
    Ok((WeightedRidge::fit(&examples, best.1)?, best.1))
}

fn print(name: &str, lists: &[Vec<u32>], cases: &[RankingCase]) -> Result<()> {
    let measured = measure(lists, cases);
    let told = |metric: &str| {
        let interval = mean_interval(measured.of(metric), 0).context("nobody to measure")?;
        anyhow::Ok(format!("{:.4} [{:.4}, {:.4}]", interval.mean, interval.low, interval.high))
    };
    println!("{name:<58}{:<26}{}", told("ndcg@20")?, told("recall@20")?);
    Ok(())
}

/// Random orders and the popularity of categories.
fn print_baselines(split: &Split) -> Result<()> {
    let Split { known, new, train, cases } = split;
    let mut random = ChaCha8Rng::seed_from_u64(0);
    let (mut lists, mut repeated) = (Vec::new(), Vec::new());
    for _ in 0..RANDOM_ORDERS {
        let people = Array2::ones((train.rows(), 1));
        let scores = Array2::from_shape_simple_fn((new.len(), 1), || random.random::<f32>());
        lists.extend(rank_by_factors(people.view(), scores.view(), cases));
        repeated.extend(cases.iter().cloned());
    }
    print("random", &lists, &repeated)?;
    let counts = train.column_counts();
    let mut by_category: BTreeMap<&str, (f32, f32)> = BTreeMap::new();
    for (item, count) in known.iter().zip(&counts) {
        for category in &item.categories {
            let (sum, items) = by_category.entry(category).or_default();
            *sum += *count as f32;
            *items += 1.0;
        }
    }
    let popularity = new.iter().map(|item| {
        let of_known = item.categories.iter().filter_map(|category| by_category.get(&**category));
        let means: Vec<f32> = of_known.map(|(sum, items)| sum / items).collect();
        means.iter().sum::<f32>() / means.len().max(1) as f32
    });
    let scores = Array2::from_shape_vec((new.len(), 1), popularity.collect())?;
    let people = Array2::ones((train.rows(), 1));
    print("popularity of categories", &rank_by_factors(people.view(), scores.view(), cases), cases)
}

/// By each way from an encoder's vectors to scores.
fn print_encoder(encoder: &dyn TextEncoder, split: &Split, factors: &als::Factors) -> Result<()> {
    let Split { known, new, train, cases } = split;
    let encode = |items: &[Item]| {
        let texts: Vec<String> = items.iter().map(Item::text).collect();
        encoder.encode(&texts.iter().map(String::as_str).collect::<Vec<_>>())
    };
    let (inputs, new_inputs) = (encode(known), encode(new));
    let mut tastes = Array2::zeros((train.rows(), encoder.dimensions()));
    for (person, mut taste) in tastes.axis_iter_mut(Axis(0)).enumerate() {
        let (items, _) = train.row(person);
        items.iter().for_each(|item| taste += &inputs.row(*item as usize));
    }
    let name = &encoder.identity().name;
    let by_taste = rank_by_factors(tastes.view(), new_inputs.view(), cases);
    print(&format!("{name}: near to what a person took"), &by_taste, cases)?;
    let counts: Array1<f32> = train.column_counts().into_iter().map(|count| count as f32).collect();
    let alike = Array1::ones(counts.len());
    for (weighing, weights) in [("all items alike", alike), ("by evidence", counts)] {
        let (ridge, regularisation) = chosen(inputs.view(), factors.items.view(), &weights)?;
        let predicted = ridge.predict(new_inputs.view());
        let lists = rank_by_factors(factors.people.view(), predicted.view(), cases);
        print(&format!("{name}: ridge, {weighing} (l {regularisation})"), &lists, cases)?;
    }
    Ok(())
}

/// As a model serves them that is trained on everything before the cut; with how long the texts of
/// 100 new items take.
fn print_served(encoder: &dyn TextEncoder, split: &Split) -> Result<()> {
    let domain = DomainId::parse("items")?;
    let texts = split.known.iter().map(|item| Ok((key_of(item, &domain)?, item.text())));
    let texts = texts.collect::<Result<BTreeMap<_, _>>>()?;
    let vectors = Box::new(Encoded(vectors(encoder, split, &domain)?));
    let cleaned = input(split, &domain)?.clean().0.describing(texts, vectors);
    let trained = train_cleaned(cleaned, None, &|_, _| ())?;
    for found in trained.report.content.values() {
        println!("   judged by the run: {}", serde_json::to_string(found)?);
    }
    let sections = trained.parts.sections;
    let texts: Vec<String> = split.new.iter().map(Item::text).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let began = Instant::now();
    let stand_ins = sections.stand_ins(&domain, encoder.encode(&texts).view());
    let milliseconds = began.elapsed().as_secs_f64() * 1e3 / texts.len() as f64 * 100.0;
    println!("   100 new items: {milliseconds:.0} ms");
    let rows = split.known.iter().map(|item| Ok(sections.index.row(&key_of(item, &domain)?)));
    let rows = rows.collect::<Result<Vec<Option<Row>>>>()?;
    let mut lists = Vec::new();
    for case in &split.cases {
        let (items, values) = split.train.row(case.person);
        let taken = items.iter().zip(values);
        let known =
            taken.filter_map(|(item, value)| Some(Weighted::new(rows[*item as usize]?, *value)));
        let estimate = sections.estimate(&domain, &known.collect::<Vec<_>>());
        let score = |row| estimate.as_ref().map_or(0.0, |estimate| estimate.score(row));
        let scores =
            stand_ins.iter().map(|items| items.as_ref().map_or(0.0, |items| items.sum(score)));
        lists.push(rank_unseen(&scores.collect::<Vec<f32>>(), &[], 20));
    }
    print(&format!("{}: as served", encoder.identity().name), &lists, &split.cases)
}

fn key_of(item: &Item, domain: &DomainId) -> Result<ItemKey> {
    Ok((domain.clone(), ItemId::parse(&item.item_id)?))
}

/// What was encoded before.
struct Encoded(ItemVectors);

impl TextVectors for Encoded {
    fn vectors_of(&self, _: BTreeMap<ItemKey, String>) -> Option<ItemVectors> {
        Some(self.0.clone())
    }

    fn is_fitted(&self) -> bool {
        false
    }
}

fn vectors(encoder: &dyn TextEncoder, split: &Split, domain: &DomainId) -> Result<ItemVectors> {
    let texts: Vec<String> = split.known.iter().map(Item::text).collect();
    let table = encoder.encode(&texts.iter().map(String::as_str).collect::<Vec<_>>());
    let identity = encoder.identity();
    let (name, version) = (identity.name.clone(), identity.version.clone());
    let source = VectorSource { name, version, sha256: identity.sha256.clone() };
    let keys = split.known.iter().map(|item| key_of(item, domain));
    Ok(ItemVectors::new(source, keys.collect::<Result<Vec<_>>>()?, table)?)
}

/// What a run trains on: a view of each known item that a person took before the cut.
fn input(split: &Split, domain: &DomainId) -> Result<TrainingInput> {
    let definition: DomainDefinition = serde_json::from_value(serde_json::json!({
        "name": "Items", "currency": "USD", "event_types": {"view": {"weight": 1.0}},
    }))?;
    let at = Timestamp::from_second(1_000_000)?;
    let mut events = EventTable::default();
    for person in 0..split.train.rows() {
        for item in split.train.row(person).0 {
            events.push(Event {
                event_id: EventId::parse(&format!("e{item}"))?,
                user: Pseudonym::parse(&format!("u{person}"))?,
                domain: domain.clone(),
                event_type: EventType::parse("view")?,
                item_id: ItemId::parse(&split.known[*item as usize].item_id)?,
                occurred_at: at,
                received_at: at,
                domain_life: 0,
                value: None,
                dwell_seconds: None,
            });
        }
    }
    let (mut items, mut facts) = (BTreeSet::new(), CatalogueFacts::new());
    for item in &split.known {
        let key = (domain.clone(), ItemId::parse(&item.item_id)?);
        let of_item = ItemFacts { categories: item.categories.clone(), ..ItemFacts::default() };
        facts.insert(key.clone(), of_item);
        items.insert(key);
    }
    Ok(TrainingInput {
        events,
        people: PeopleIndex::default(),
        definitions: [(domain.clone(), definition)].into(),
        items,
        facts,
        params: AlsOptions { factors: 32, ..AlsOptions::default() }.check()?,
        unobserved_items: UnobservedItems::default(),
        gate: GateOptions::default(),
        training_run: TrainingRunId::parse("run")?,
        champion: None,
        now: at,
    })
}

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let directory = PathBuf::from(arguments.next().context("name the data set's directory")?);
    let (mut cut, mut finds_similar) = (0.5, false);
    let mut artefacts = Vec::new();
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--similar" => finds_similar = true,
            "--cut" => cut = arguments.next().context("--cut SHARE")?.parse()?,
            path => artefacts.push(crossfold_text::open(&std::fs::read(path)?)?),
        }
    }
    let split = read(&directory, cut)?;
    if split.cases.is_empty() {
        bail!("nobody who took something before the cut took a new item after it");
    }
    println!(
        "{} known items, {} new ones; {} people took one of them after the cut\n",
        split.known.len(),
        split.new.len(),
        split.cases.len()
    );
    println!("{:<58}{:<26}Recall@20", "", "NDCG@20");
    print_baselines(&split)?;
    let options = AlsOptions { factors: 32, ..AlsOptions::default() };
    let factors = als::fit(&split.train, &options.check()?, &|_| ())?;
    // Only what was known before the cut: a new item's words must not shape the space.
    let texts: Vec<String> = split.known.iter().map(Item::text).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let lexical = Lexical::from_artefact(&fit(&texts, &LexicalOptions::default().check()?)?)?;
    if finds_similar {
        similar::print_similar(&directory, &lexical)?;
        for encoder in &artefacts {
            similar::print_similar(&directory, &**encoder)?;
        }
        return Ok(());
    }
    print_served(&lexical, &split)?;
    print_encoder(&lexical, &split, &factors)?;
    for encoder in &artefacts {
        print_served(&**encoder, &split)?;
        print_encoder(&**encoder, &split, &factors)?;
    }
    Ok(())
}
