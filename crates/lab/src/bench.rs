//! `crossfold bench`: how fast training is, for comparison with other trainers
//! on the same data and cores. `benches/training.py` runs it beside them.

use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use crossfold_core::maths::als::{AlsOptions, fit};
use crossfold_core::maths::measure::{Metrics, evaluate_factors};
use crossfold_core::maths::sparse::SparseRows;
use ndarray::Array2;
use safetensors::tensor::{Dtype, TensorView};
use serde::Serialize;

use crate::args::{BenchDataArgs, BenchTrainArgs};
use crate::peak_memory::peak_rss_mb;
use crate::power_law::power_law;
use crate::split::Split;

/// What `bench train` prints.
#[derive(Serialize)]
struct TrainingBench {
    people: usize,
    items: usize,
    interactions: usize,
    hyperparameters: AlsOptions,
    threads: usize,
    /// Of each repetition, the transposition of the matrix included.
    fit_seconds: Vec<f64>,
    /// Median, divided by the iterations.
    epoch_seconds: f64,
    /// Three steps and a residual on both sides, four operations for each
    /// interaction and factor: the work of conjugate gradient, whatever was done.
    nominal_gflops: f64,
    /// Matrix products of the same cores in the same run.
    product_gflops: f64,
    /// Copies of memory by the same cores in the same run, bytes read and written.
    copy_gb_per_second: f64,
    peak_rss_mb: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metrics: Option<Metrics>,
}

/// Passes over the interactions in nominal work: a residual and three steps.
const NOMINAL_PASSES: f64 = 4.0;

/// Fits repeatedly and prints seconds, rates and memory.
///
/// # Errors
/// When a file cannot be read, or a hyper-parameter is out of range.
pub fn train(args: &BenchTrainArgs) -> Result<()> {
    let threads = args.threads.unwrap_or_else(rayon::current_num_threads);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
    let bench = pool.install(|| measure(args, threads))?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&bench)?);
        return Ok(());
    }
    println!(
        "{} people, {} items, {} interactions; {} threads",
        bench.people, bench.items, bench.interactions, bench.threads
    );
    println!("fits      {:.3?} s; {:.4} s an epoch", bench.fit_seconds, bench.epoch_seconds);
    println!(
        "rate      {:.1} GFLOP/s nominal; products reach {:.1} GFLOP/s, copies {:.1} GB/s",
        bench.nominal_gflops, bench.product_gflops, bench.copy_gb_per_second
    );
    if let Some(peak) = bench.peak_rss_mb {
        println!("memory    {peak} MB at most");
    }
    for (name, value) in bench.metrics.iter().flatten() {
        println!("{name:<14}{value:.4}");
    }
    Ok(())
}

fn measure(args: &BenchTrainArgs, threads: usize) -> Result<TrainingBench> {
    let split = match (&args.train, args.synthetic) {
        (Some(train), None) => Split::read(train, args.test.as_deref())?,
        (None, Some(interactions)) => {
            let train = power_law(interactions, args.data_seed)?;
            Split { train, users: Vec::new(), cases: Vec::new() }
        }
        _ => bail!("give either --train or --synthetic"),
    };
    let given = AlsOptions { solver: args.solver.into(), ..args.fit.options() };
    let params = given.check()?;
    let mut fit_seconds = Vec::new();
    let mut factors = None;
    for _ in 0..args.repeat.max(1) {
        // Only one fit's factors at a time, for the peak of memory.
        drop(factors.take());
        let started = Instant::now();
        factors = Some(fit(&split.train, &params, &|_| ())?);
        fit_seconds.push(started.elapsed().as_secs_f64());
    }
    let peak_rss_mb = peak_rss_mb();
    let epoch_seconds = median(&fit_seconds) / given.iterations as f64;
    let work = NOMINAL_PASSES * 2.0 * 4.0 * split.train.entries() as f64 * given.factors as f64;
    let metrics = factors.filter(|_| !split.cases.is_empty()).map(|factors| {
        evaluate_factors(factors.people.view(), factors.items.view(), &split.cases).means()
    });
    Ok(TrainingBench {
        people: split.train.rows(),
        items: split.train.columns(),
        interactions: split.train.entries(),
        hyperparameters: given,
        threads,
        fit_seconds,
        epoch_seconds,
        nominal_gflops: work / epoch_seconds / 1e9,
        product_gflops: product_gflops(threads),
        copy_gb_per_second: copy_gb_per_second(threads),
        peak_rss_mb,
        metrics,
    })
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

/// Rows and columns of the matrices that the processors' limit is measured with.
const PRODUCT_SIZE: usize = 512;
/// Floats that the memory's limit is measured with, for each thread.
const COPY_LENGTH: usize = 16 << 20;
/// Repetitions of either measurement.
const LIMIT_REPETITIONS: usize = 8;

fn product_gflops(threads: usize) -> f64 {
    let seconds = on_every_thread(threads, || {
        let matrix = Array2::<f32>::from_elem((PRODUCT_SIZE, PRODUCT_SIZE), 0.5);
        let started = Instant::now();
        for _ in 0..LIMIT_REPETITIONS {
            std::hint::black_box(matrix.dot(&matrix));
        }
        started.elapsed().as_secs_f64()
    });
    (threads * LIMIT_REPETITIONS) as f64 * 2.0 * (PRODUCT_SIZE as f64).powi(3) / seconds / 1e9
}

fn copy_gb_per_second(threads: usize) -> f64 {
    let seconds = on_every_thread(threads, || {
        let (from, mut to) = (vec![1.0f32; COPY_LENGTH], vec![0.0f32; COPY_LENGTH]);
        let started = Instant::now();
        for _ in 0..LIMIT_REPETITIONS {
            to.copy_from_slice(std::hint::black_box(&from));
            std::hint::black_box(&mut to);
        }
        started.elapsed().as_secs_f64()
    });
    (threads * LIMIT_REPETITIONS * COPY_LENGTH * 8) as f64 / seconds / 1e9
}

/// Runs `work` on each thread of the pool at once; the longest of their seconds.
fn on_every_thread(threads: usize, work: impl Fn() -> f64 + Sync) -> f64 {
    let seconds = rayon::broadcast(|_| work());
    debug_assert_eq!(seconds.len(), threads);
    seconds.into_iter().fold(0.0, f64::max)
}

/// Writes a synthetic set for other trainers: compressed sparse rows.
///
/// # Errors
/// When the file cannot be written.
pub fn data(args: &BenchDataArgs) -> Result<()> {
    let matrix = power_law(args.interactions, args.data_seed)?;
    write_rows(&matrix, &args.out)
        .with_context(|| format!("cannot write {}", args.out.display()))?;
    println!("{} x {}, {} interactions", matrix.rows(), matrix.columns(), matrix.entries());
    Ok(())
}

fn write_rows(matrix: &SparseRows, path: &Path) -> Result<()> {
    let mut ends = 0u64.to_le_bytes().to_vec();
    let mut columns = Vec::with_capacity(matrix.entries() * 4);
    for row in 0..matrix.rows() {
        let (items, _) = matrix.row(row);
        items.iter().for_each(|item| columns.extend_from_slice(&item.to_le_bytes()));
        ends.extend_from_slice(&(columns.len() as u64 / 4).to_le_bytes());
    }
    let shape = [matrix.rows() as u64, matrix.columns() as u64].map(u64::to_le_bytes).concat();
    let tensors = [
        ("shape", TensorView::new(Dtype::U64, vec![2], &shape)?),
        ("row_ends", TensorView::new(Dtype::U64, vec![matrix.rows() + 1], &ends)?),
        ("columns", TensorView::new(Dtype::U32, vec![matrix.entries()], &columns)?),
    ];
    Ok(safetensors::serialize_to_file(tensors, None, path)?)
}
