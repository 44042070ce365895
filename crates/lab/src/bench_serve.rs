//! `crossfold bench serve`: how long it takes to make a slate, stage by stage, over catalogues
//! of several sizes. `benches/serving.py` runs it beside other libraries on the same factors.

mod world;

use std::time::Instant;

use anyhow::{Context, Result, ensure};
use crossfold_core::maths::dense::{dot, gram};
use crossfold_core::maths::fold_in::{FoldInBasis, FoldedPerson};
use crossfold_core::maths::rank::top_k;
use crossfold_core::maths::scan::add_products;
use crossfold_core::maths::scan::quantised::{QuantisedRows, QuantisedVector};
use crossfold_core::serving::best::kth_greatest;
use rayon::prelude::*;
use serde::Serialize;

use crate::args::BenchServeArgs;
use crate::bench_serve::world::World;

/// Items of a slate.
const LIMIT: usize = 10;

/// What `bench serve` prints.
#[derive(Serialize)]
struct ServeBench {
    factors: usize,
    history: usize,
    people: usize,
    threads: usize,
    catalogues: Vec<CatalogueBench>,
}

/// What was measured with a catalogue of one size.
#[derive(Serialize)]
struct CatalogueBench {
    items: usize,
    /// Solving a person's factors from their history.
    fold_in: Latency,
    /// The best of all items, by the person's factors.
    scan: Latency,
    /// The same from rows in a byte a number: what may be among the best is multiplied out.
    bounded_scan: Latency,
    /// A whole decision: rules, scores, order, reasons.
    decide: Latency,
    /// The same with a filter, offers and the rules of who can have them, diversity and exploration.
    decide_all: Latency,
    /// Decisions by all threads together.
    decisions_per_second: f64,
}

/// Milliseconds of many calls.
#[derive(Serialize)]
struct Latency {
    p50: f64,
    p99: f64,
}

impl Latency {
    fn of(mut seconds: Vec<f64>) -> Self {
        seconds.sort_by(f64::total_cmp);
        let at = |share: f64| {
            let last = seconds.len().saturating_sub(1);
            seconds.get((last as f64 * share) as usize).copied().unwrap_or(f64::NAN) * 1e3
        };
        Self { p50: at(0.5), p99: at(0.99) }
    }
}

/// Measures catalogues of each size, and prints milliseconds.
///
/// # Errors
/// When a size or a file cannot be used.
pub fn serve(args: &BenchServeArgs) -> Result<()> {
    let threads = args.threads.unwrap_or_else(rayon::current_num_threads);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
    let mut catalogues = Vec::new();
    for &items in &args.items {
        let world = World::new(args, items as usize)?;
        if let Some(file) = &args.export {
            world.export(file)?;
        }
        catalogues.push(pool.install(|| measure(&world))?);
    }
    let bench = ServeBench {
        factors: args.factors,
        history: args.history,
        people: args.people,
        threads,
        catalogues,
    };
    if args.json {
        println!("{}", serde_json::to_string_pretty(&bench)?);
        return Ok(());
    }
    print(&bench);
    Ok(())
}

fn print(bench: &ServeBench) {
    println!("{} factors, {} past items; milliseconds p50 / p99", bench.factors, bench.history);
    println!(
        "{:>9}  {:>15}  {:>17}  {:>17}  {:>17}  {:>17}  decisions/s, {} threads",
        "items", "fold-in", "scan", "bounded scan", "decide", "with all wishes", bench.threads
    );
    for of in &bench.catalogues {
        let CatalogueBench { items, fold_in, decisions_per_second, .. } = of;
        print!("{items:>9}  {:7.3}/{:7.3}", fold_in.p50, fold_in.p99);
        for latency in [&of.scan, &of.bounded_scan, &of.decide, &of.decide_all] {
            print!("  {:8.3}/{:8.3}", latency.p50, latency.p99);
        }
        println!("  {decisions_per_second:11.0}");
    }
}

fn measure(world: &World) -> Result<CatalogueBench> {
    let items = world.model.item_factors();
    let params = world.model.manifest().options.check()?;
    let factors = items.as_slice().context("factors row by row")?;
    let gram = gram(items);
    let basis = FoldInBasis { items, gram: &gram, unobserved: items.nrows(), params: &params };
    let quantised = QuantisedRows::of(factors, items.ncols()).context("factors to quantise")?;
    let (mut fold_in, mut scan, mut bounded) = (Vec::new(), Vec::new(), Vec::new());
    let (mut whole, mut with_all) = (Vec::new(), Vec::new());
    for taken in &world.people {
        let evidence: Vec<(u32, f32)> = taken.iter().map(|row| (*row, 1.0)).collect();
        let began = Instant::now();
        let person = FoldedPerson::solve(basis, &evidence)?;
        fold_in.push(began.elapsed().as_secs_f64());
        let began = Instant::now();
        let mut scores = vec![0.0; items.nrows()];
        add_products(factors, person.vector(), 1.0, &mut scores);
        let best = std::hint::black_box(top_k(&scores, LIMIT));
        scan.push(began.elapsed().as_secs_f64());
        let began = Instant::now();
        let found = best_by_bounds(&quantised, factors, person.vector()).context("a vector")?;
        bounded.push(began.elapsed().as_secs_f64());
        ensure!(found == best, "bounds give the same best");
        let history = world.history(taken)?;
        let began = Instant::now();
        std::hint::black_box(world.decide(&history, LIMIT));
        whole.push(began.elapsed().as_secs_f64());
        let began = Instant::now();
        std::hint::black_box(world.decide_all(&history, LIMIT));
        with_all.push(began.elapsed().as_secs_f64());
    }
    Ok(CatalogueBench {
        items: items.nrows(),
        fold_in: Latency::of(fold_in),
        scan: Latency::of(scan),
        bounded_scan: Latency::of(bounded),
        decide: Latency::of(whole),
        decide_all: Latency::of(with_all),
        decisions_per_second: decisions_per_second(world)?,
    })
}

/// The best rows by the products of their factors, most of which are never multiplied out.
fn best_by_bounds(quantised: &QuantisedRows, factors: &[f32], vector: &[f32]) -> Option<Vec<u32>> {
    let by = QuantisedVector::of(vector)?;
    let at_least = quantised.at_least(&by);
    let least = kth_greatest(&at_least, LIMIT);
    let range = quantised.greatest_range(&by);
    let near = at_least.iter().enumerate().filter(|(_, value)| **value + range >= least);
    let rows: Vec<usize> = near.map(|(row, _)| row).collect();
    let row = |row: &usize| dot(vector, &factors[row * vector.len()..(row + 1) * vector.len()]);
    let scores: Vec<f32> = rows.iter().map(row).collect();
    Some(top_k(&scores, LIMIT).into_iter().map(|at| rows[at as usize] as u32).collect())
}

fn decisions_per_second(world: &World) -> Result<f64> {
    let histories: Vec<_> =
        world.people.iter().map(|taken| world.history(taken)).collect::<Result<_>>()?;
    let began = Instant::now();
    let decided = histories.par_iter().map(|history| world.decide(history, LIMIT));
    let items: usize = decided.map(|decided| decided.items.len()).sum();
    let seconds = began.elapsed().as_secs_f64();
    ensure!(items > 0, "nothing was decided");
    Ok(world.people.len() as f64 / seconds)
}
