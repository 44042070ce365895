//! The sequence model beside popularity, recent popularity and iALS, by full ranking.
//!
//! ```text
//! cargo run --release -p crossfold-maths --example sequence
//! cargo run --release -p crossfold-maths --example sequence -- FILE.csv [OPTIONS] [SEEDS]
//! ```
//!
//! Without a file, on a world in which what follows what is planted. A file has a line for
//! each event, `user,item,...,seconds` behind a header: the last column is the time.
//! OPTIONS is JSON, as [`SequenceOptions`] read it; SEEDS how many models are trained.
//!
//! Two splits: without each person's last item, and without all that came after four fifths
//! of the events (of people known before). iALS is the best of eighteen settings **by the
//! figures it is compared by**, which flatters it.

use std::collections::{BTreeMap, HashMap};
use std::time::Instant;

use crossfold_maths::als::{self, AlsOptions};
use crossfold_maths::bootstrap::{mean_interval, paired_difference};
use crossfold_maths::dense::{dot, gram};
use crossfold_maths::fold_in::{FoldInBasis, FoldedPerson};
use crossfold_maths::measure::{LIST_LENGTH, Measurements, RankingCase, measure};
use crossfold_maths::rank::rank_unseen;
use crossfold_maths::sequence::{SequenceBudget, SequenceModel, SequenceOptions, Sequences, fit};
use crossfold_maths::sparse::SparseRows;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

const DAY: i64 = 86_400;
const EPOCHS: usize = 300;

/// What somebody did, and when.
#[derive(Clone, Copy)]
struct Event {
    person: usize,
    item: u32,
    time: i64,
}

/// Events in the order of time.
struct World {
    events: Vec<Event>,
    people: usize,
    items: usize,
}

/// What is trained on, and whom it is measured by.
struct Split {
    train: Vec<Event>,
    sequences: Sequences,
    matrix: SparseRows,
    cases: Vec<RankingCase>,
    /// When each case is asked.
    asked: Vec<i64>,
}

fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let options: SequenceOptions = match arguments.get(1) {
        Some(text) => serde_json::from_str(text)?,
        None => SequenceOptions::default(),
    };
    let seeds: u64 = arguments.get(2).map_or(Ok(1), |text| text.parse())?;
    let world = match arguments.first() {
        Some(path) => read(path)?,
        None => planted(),
    };
    println!("{} events, {} people, {} items", world.events.len(), world.people, world.items);
    println!("{}", serde_json::to_string(&options)?);
    compare("without each person's last item", &world, &without_last(&world), (options, seeds))?;
    compare("by time, the last fifth held out", &world, &by_time(&world), (options, seeds))
}

fn read(path: &str) -> Outcome<World> {
    let text = std::fs::read_to_string(path)?;
    let (mut people, mut items) = (HashMap::new(), HashMap::new());
    let mut events = Vec::new();
    for line in text.lines().skip(1).filter(|line| !line.is_empty()) {
        let fields: Vec<&str> = line.split(',').collect();
        let &[person, item, .., time] = &fields[..] else { return Err("too few columns".into()) };
        let number = people.len();
        let person = *people.entry(person.to_owned()).or_insert(number);
        let number = items.len() as u32;
        let item = *items.entry(item.to_owned()).or_insert(number);
        events.push(Event { person, item, time: time.parse()? });
    }
    events.sort_by_key(|event| event.time);
    Ok(World { events, people: people.len(), items: items.len() })
}

/// 2,000 people, 500 items of ten kinds: what follows is another item of the kind, and three
/// times of four the one that is planted to follow.
fn planted() -> World {
    const KIND: u32 = 50;
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut events = Vec::new();
    for person in 0..2000 {
        let mut item = rng.random_range(0..500);
        let mut time = rng.random_range(0..100 * DAY);
        for _ in 0..rng.random_range(5..40) {
            events.push(Event { person, item, time });
            let within = if rng.random_bool(0.75) {
                (item % KIND * 7 + 1) % KIND
            } else {
                rng.random_range(0..KIND)
            };
            item = item / KIND * KIND + within;
            time += DAY / 24;
        }
    }
    events.sort_by_key(|event| event.time);
    World { events, people: 2000, items: 500 }
}

fn without_last(world: &World) -> Split {
    let mut last = vec![usize::MAX; world.people];
    for (at, event) in world.events.iter().enumerate() {
        last[event.person] = at;
    }
    split(world, |at, event| last[event.person] == at)
}

fn by_time(world: &World) -> Split {
    let cut = world.events[world.events.len() * 4 / 5].time;
    split(world, |_, event| event.time >= cut)
}

fn split(world: &World, is_held_out: impl Fn(usize, &Event) -> bool) -> Split {
    let mut histories = vec![Vec::new(); world.people];
    let mut held_out = vec![Vec::new(); world.people];
    let mut asked = vec![i64::MAX; world.people];
    let mut train = Vec::new();
    for (at, event) in world.events.iter().enumerate() {
        if is_held_out(at, event) {
            held_out[event.person].push(event.item);
            asked[event.person] = asked[event.person].min(event.time);
        } else {
            histories[event.person].push(event.item);
            train.push(*event);
        }
    }
    let once = |items: &Vec<u32>| {
        let mut items = items.clone();
        items.sort_unstable();
        items.dedup();
        items
    };
    let rows = histories.iter().map(|items| once(items).into_iter().map(|i| (i, 1.0)).collect());
    let matrix = SparseRows::from_rows(world.items, rows);
    let mut cases = Vec::new();
    for (person, (history, held_out)) in histories.iter().zip(&held_out).enumerate() {
        let seen = once(history);
        let mut relevant = once(held_out);
        relevant.retain(|item| seen.binary_search(item).is_err());
        if !seen.is_empty() && !relevant.is_empty() {
            cases.push(RankingCase { person, seen, relevant });
        }
    }
    let asked = cases.iter().map(|case| asked[case.person]).collect();
    let sequences = histories.iter().map(Vec::as_slice).collect();
    Split { train, sequences, matrix, cases, asked }
}

fn compare(
    name: &str,
    world: &World,
    split: &Split,
    models: (SequenceOptions, u64),
) -> Outcome<()> {
    println!("\n{name}: {} events, {} cases", split.train.len(), split.cases.len());
    println!("| method | NDCG@10 | NDCG@20 | recall@20 | difference to iALS | seconds |");
    println!("| --- | --- | --- | --- | --- | --- |");
    let (settings, ials, seconds) = best_als(world, split)?;
    let show = |name: &str, measured: &Measurements, seconds: f64| {
        let mean = |metric: &str| mean_interval(measured.of(metric), 1).unwrap_or_default();
        let (ten, twenty, recall) = (mean("ndcg@10"), mean("ndcg@20"), mean("recall@20"));
        let difference = paired_difference(measured.of("ndcg@20"), ials.of("ndcg@20"), 1);
        let difference = difference.unwrap_or_default();
        println!(
            "| {name} | {:.4} | {:.4} [{:.4}, {:.4}] | {:.4} | {:+.4} [{:+.4}, {:+.4}] | {seconds:.2} |",
            ten.mean,
            twenty.mean,
            twenty.low,
            twenty.high,
            recall.mean,
            difference.mean,
            difference.low,
            difference.high,
        );
    };
    for (name, days) in [("popularity", 100_000), ("popularity of 30 days", 30), ("of 7 days", 7)] {
        show(name, &by_popularity(world, split, days * DAY), 0.0);
    }
    show(&format!("iALS {settings}"), &ials, seconds);
    let (options, seeds) = models;
    for seed in options.seed..options.seed + seeds {
        let (model, seconds) = train(world, split, SequenceOptions { seed, ..options })?;
        let scores =
            |case: &RankingCase| model.scores(&model.user_vector(split.sequences.of(case.person)));
        show(&format!("sequence, seed {seed}"), &ranked(split, scores), seconds);
        if seed == options.seed {
            time_requests(&model, split);
        }
    }
    println!("peak memory of the process: {} MB", peak_megabytes());
    Ok(())
}

fn ranked(split: &Split, scores: impl Fn(&RankingCase) -> Vec<f32>) -> Measurements {
    let list = |case: &RankingCase| rank_unseen(&scores(case), &case.seen, LIST_LENGTH);
    measure(&split.cases.iter().map(list).collect::<Vec<_>>(), &split.cases)
}

/// By how many took an item within some time before the person is asked.
fn by_popularity(world: &World, split: &Split, within: i64) -> Measurements {
    let asked: HashMap<usize, i64> =
        split.cases.iter().zip(&split.asked).map(|(case, asked)| (case.person, *asked)).collect();
    ranked(split, |case| {
        let asked = asked[&case.person];
        let start = split.train.partition_point(|event| event.time < asked - within);
        let end = split.train.partition_point(|event| event.time <= asked);
        let mut counts = vec![0.0; world.items];
        split.train[start..end].iter().for_each(|event| counts[event.item as usize] += 1.0);
        counts
    })
}

/// The best settings by the cases themselves, their figures, and how long one fit took.
fn best_als(world: &World, split: &Split) -> Outcome<(String, Measurements, f64)> {
    let mut all = BTreeMap::new();
    for factors in [16, 64] {
        for unobserved_weight in [0.1, 0.3, 1.0] {
            for regularisation in [0.003, 0.01, 0.03] {
                let begin = Instant::now();
                let options = AlsOptions {
                    factors,
                    unobserved_weight,
                    regularisation,
                    ..AlsOptions::default()
                };
                let params = options.check()?;
                let items = als::fit(&split.matrix, &params, &|_| ())?.items;
                let seconds = begin.elapsed().as_secs_f64();
                let gram = gram(items.view());
                let basis = FoldInBasis {
                    items: items.view(),
                    gram: &gram,
                    unobserved: world.items,
                    params: &params,
                };
                let measured = ranked(split, |case| {
                    let (columns, values) = split.matrix.row(case.person);
                    let row: Vec<_> = columns.iter().copied().zip(values.iter().copied()).collect();
                    let Ok(person) = FoldedPerson::solve(basis, &row) else { return Vec::new() };
                    let rows = items.rows().into_iter();
                    rows.map(|row| dot(person.vector(), row.as_slice().unwrap_or(&[]))).collect()
                });
                let value = measured.means().get("ndcg@20").copied().unwrap_or(0.0);
                let name = format!("f={factors} a={unobserved_weight} r={regularisation}");
                all.insert((value * 1e9) as u64, (name, measured, seconds));
            }
        }
    }
    all.pop_last().map(|(_, best)| best).ok_or_else(|| "no settings".into())
}

fn train(world: &World, split: &Split, options: SequenceOptions) -> Outcome<(SequenceModel, f64)> {
    let is_verbose = std::env::var("EPOCHS_SHOWN").is_ok();
    let told = std::cell::RefCell::new(Vec::new());
    let (begin, busy) = (Instant::now(), processor_seconds());
    let budget = SequenceBudget { epochs: EPOCHS, keep_going: &|| true };
    let model = fit(&split.sequences, world.items, &options.check()?, budget, &|epoch| {
        told.borrow_mut().push(*epoch);
        if is_verbose {
            println!("{epoch:?} after {:.2} s", begin.elapsed().as_secs_f64());
        }
    })?;
    let seconds = begin.elapsed().as_secs_f64();
    let busy = processor_seconds() - busy;
    let told = told.into_inner();
    let operations: f64 = told.len() as f64 * operations(split, world, &options);
    println!(
        "({} epochs, {busy:.1} s of processors, {:.1} GFLOP/s in these, loss {:.3}, gain {:.4})",
        told.len(),
        operations / busy.max(0.01) / 1e9,
        told.last().map_or(0.0, |epoch| epoch.loss),
        told.iter().filter_map(|epoch| epoch.gain).fold(0.0, f64::max),
    );
    Ok((model, seconds))
}

/// Operations of the matrix products of an epoch: what is seen by each token, forward and
/// twice as many on the way back.
fn operations(split: &Split, world: &World, options: &SequenceOptions) -> f64 {
    let d = options.dimensions as f64;
    let negatives = options.negatives.min(world.items) as f64;
    let of_person = |items: &[u32]| {
        let targets = items.len().saturating_sub(1);
        let (whole, rest) = (targets / options.length, targets % options.length);
        let pairs = |length: usize| (length * (length + 1) / 2) as f64;
        let attended = whole as f64 * pairs(options.length) + pairs(rest);
        let dense = options.blocks as f64 * (12.0 * d * d * targets as f64 + 4.0 * d * attended);
        3.0 * (dense + 2.0 * d * negatives * targets as f64)
    };
    split.sequences.iter().map(of_person).sum()
}

fn time_requests(model: &SequenceModel, split: &Split) {
    let longest = split.sequences.iter().max_by_key(|items| items.len()).unwrap_or(&[]);
    let history = &longest[..longest.len().min(50)];
    let mut times = Vec::new();
    for _ in 0..500 {
        let begin = Instant::now();
        let vector = std::hint::black_box(model.user_vector(std::hint::black_box(history)));
        let seen = begin.elapsed();
        std::hint::black_box(model.scores(&vector));
        times.push((seen.as_secs_f64() * 1e3, begin.elapsed().as_secs_f64() * 1e3));
    }
    times.sort_by(|a, b| a.0.total_cmp(&b.0));
    println!(
        "(a vector of {} items: {:.3} ms, p99 {:.3}; with all scores {:.3} ms)",
        history.len(),
        times[250].0,
        times[495].0,
        times[250].1,
    );
}

/// What all threads of this process worked so far, which other processes do not lengthen.
fn processor_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let ticks = stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(11));
    ticks.and_then(|ticks| ticks.parse::<f64>().ok()).unwrap_or(0.0) / 100.0
}

fn peak_megabytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kilobytes.unwrap_or(0) / 1024
}
