//! `crossfold bench run`: what a whole training run takes, from events to a measured model.
//!
//! The events are made up, one after another, so that nothing but what a run itself holds
//! is in memory: they come as the archive's reader hands them on.

use std::collections::BTreeSet;
use std::time::Instant;

use anyhow::{Context, Result};
use crossfold_core::entities::definition::{Definitions, DomainDefinition};
use crossfold_core::entities::event::Event;
use crossfold_core::entities::ids::{
    DomainId, EventId, EventType, ItemId, Pseudonym, TrainingRunId,
};
use crossfold_core::evidence::event_table::EventTable;
use crossfold_core::evidence::items::ItemKey;
use crossfold_core::evidence::people_index::PeopleIndex;
use crossfold_core::maths::fold_in::UnobservedItems;
use crossfold_core::training::bridging::gate::GateOptions;
use crossfold_core::training::{TrainingInput, train_cleaned};
use jiff::{SignedDuration, Timestamp};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, LogNormal, Zipf};
use serde::Serialize;
use serde_json::json;

use crate::args::BenchRunArgs;
use crate::peak_memory::peak_rss_mb;

/// Spread of the logarithm of a person's events, as in MovieLens 20M.
const LENGTH_SPREAD: f64 = 1.1;
/// Exponent of the items' popularity by rank.
const POPULARITY_EXPONENT: f64 = 0.8;
/// Over how long the events spread.
const SPAN: SignedDuration = SignedDuration::from_hours(24 * 730);
/// The instant of the run.
const NOW: Timestamp = Timestamp::constant(1_800_000_000, 0);

/// What `bench run` prints.
#[derive(Serialize)]
struct RunBench {
    people: usize,
    items: usize,
    events: usize,
    stages: Vec<Stage>,
    interactions: usize,
    evaluated_people: usize,
}

/// A stage of the run, when it was over.
#[derive(Serialize)]
struct Stage {
    stage: &'static str,
    seconds: f64,
    /// The most that the process ever held, up to here.
    peak_rss_mb: Option<f64>,
}

/// Runs once on made-up events of one domain, and prints seconds and memory by stage.
///
/// # Errors
/// When a hyper-parameter is out of range, or the run ends without a model.
pub fn run(args: &BenchRunArgs) -> Result<()> {
    let mut stages = Vec::new();
    let mut started = Instant::now();
    let mut over = |stage| {
        let seconds = started.elapsed().as_secs_f64();
        stages.push(Stage { stage, seconds, peak_rss_mb: peak_rss_mb() });
        started = Instant::now();
    };
    let input = input(args)?;
    let events = input.events.len();
    over("read");
    let (cleaned, refused) = input.clean();
    drop(refused);
    over("clean");
    let trained = train_cleaned(cleaned, None, &|_, _| ())?;
    over("judge, measure and fit");
    let report = &trained.report;
    let bench = RunBench {
        people: report.people,
        items: report.items,
        events,
        stages,
        interactions: report.interactions,
        evaluated_people: report.evaluation.values().map(|domain| domain.people).sum(),
    };
    if args.json {
        println!("{}", serde_json::to_string_pretty(&bench)?);
        return Ok(());
    }
    println!(
        "{} people, {} items, {} events: {} interactions, measured on {} people",
        bench.people, bench.items, bench.events, bench.interactions, bench.evaluated_people
    );
    for stage in &bench.stages {
        let peak = stage.peak_rss_mb.map(|mb| format!(", {mb} MB at most so far"));
        println!("{:<24}{:>8.1} s{}", stage.stage, stage.seconds, peak.unwrap_or_default());
    }
    Ok(())
}

fn input(args: &BenchRunArgs) -> Result<TrainingInput> {
    let domain = DomainId::parse("bench")?;
    let item = |number: usize| Ok(ItemId::parse(&format!("item-{number}"))?);
    let items: Vec<ItemId> = (0..args.items).map(item).collect::<Result<_>>()?;
    let definition: DomainDefinition = serde_json::from_value(json!({
        "name": "Bench", "currency": "CNY",
        "event_types": { "view": { "weight": 1.0 }, "buy": { "weight": 3.0 } },
    }))?;
    let key = |item: &ItemId| -> ItemKey { (domain.clone(), item.clone()) };
    let all: BTreeSet<ItemKey> = items.iter().map(key).collect();
    Ok(TrainingInput {
        events: events(args, &domain, &items)?,
        people: PeopleIndex::default(),
        definitions: Definitions::from([(domain, definition)]),
        items: all,
        facts: Default::default(),
        params: args.fit.options().check()?,
        unobserved_items: UnobservedItems::default(),
        gate: GateOptions::default(),
        training_run: TrainingRunId::parse("bench")?,
        champion: None,
        now: NOW,
    })
}

/// About as many events as asked for; the same for the same seed.
fn events(args: &BenchRunArgs, domain: &DomainId, items: &[ItemId]) -> Result<EventTable> {
    let mut rng = ChaCha8Rng::seed_from_u64(args.data_seed);
    let popularity =
        Zipf::new(items.len() as f64, POPULARITY_EXPONENT).context("no items to draw from")?;
    // A log-normal of this mean.
    let mean = args.events as f64 / args.people.max(1) as f64;
    let length = LogNormal::new(mean.ln() - LENGTH_SPREAD * LENGTH_SPREAD / 2.0, LENGTH_SPREAD)
        .context("no lengths to draw from")?;
    let types = [EventType::parse("view")?, EventType::parse("buy")?];
    let mut table = EventTable::default();
    for person in 0..args.people {
        let user = Pseudonym::parse(&format!("v1_{person:043}"))?;
        for _ in 0..(length.sample(&mut rng).round() as usize).max(1) {
            let ago = rng.random_range(0..SPAN.as_millis() as i64);
            let occurred_at = NOW.checked_sub(SignedDuration::from_millis(ago))?;
            table.push(Event {
                // As long as a UUID.
                event_id: EventId::parse(&format!("{:036x}", rng.random::<u128>()))?,
                user: user.clone(),
                domain: domain.clone(),
                event_type: types[usize::from(rng.random_bool(0.1))].clone(),
                item_id: items[popularity.sample(&mut rng) as usize - 1].clone(),
                occurred_at,
                received_at: occurred_at,
                domain_life: 0,
                value: None,
                dwell_seconds: None,
            });
        }
    }
    Ok(table)
}
