//! Clusters and topics of files, for comparing with other programs: see
//! `benches/segments_and_topics.py`, which writes the files and reads the answers (JSON).
//!
//! - `clusters FILE K RESTARTS SEED`: points, one a line, coordinates with commas
//! - `choose FILE MOST SEED`: how many clusters such points carry
//! - `topics TRAIN TEST WORDS TOPICS PASSES BATCH SEED`: documents, one a line, as
//!   `word:count` with blanks

#![allow(clippy::print_stdout)] // What it is for.

use std::error::Error;
use std::fs::read_to_string;
use std::time::Instant;

use crossfold_maths::clusters::{ChoiceOptions, ClusterOptions, choose, fit as cluster};
use crossfold_maths::sparse::SparseRows;
use crossfold_maths::topics::{
    Halves, TopicOptions, completion_perplexity, fit as fit_topics, held_out_perplexity, perplexity,
};
use ndarray::Array2;
use serde_json::json;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let mut answer = match arguments[..] {
        ["clusters", file, clusters, restarts, seed] => {
            let (clusters, restarts) = (clusters.parse()?, restarts.parse()?);
            let options = ClusterOptions {
                clusters,
                restarts,
                seed: seed.parse()?,
                ..ClusterOptions::default()
            };
            clusters_of(file, options)?
        }
        ["choose", file, most, seed] => {
            let points = points(file)?;
            let options =
                ChoiceOptions { most: most.parse()?, seed: seed.parse()?, ..Default::default() };
            let started = Instant::now();
            let chosen = choose(points.view(), &options.check()?)?;
            json!({ "seconds": started.elapsed().as_secs_f64(), "chosen": chosen })
        }
        ["topics", train, test, words, topics, passes, batch, seed] => {
            let options = TopicOptions {
                topics: topics.parse()?,
                passes: passes.parse()?,
                batch: batch.parse()?,
                seed: seed.parse()?,
                ..TopicOptions::default()
            };
            topics_of(&documents(train, words)?, &documents(test, words)?, options)?
        }
        _ => return Err("see the head of the program".into()),
    };
    answer["megabytes"] = json!(most_megabytes());
    println!("{answer}");
    Ok(())
}

/// The most memory that the process had, where the system tells.
fn most_megabytes() -> Option<f64> {
    let status = read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix(" kB")?.parse::<f64>().ok()? / 1024.0)
}

fn clusters_of(file: &str, options: ClusterOptions) -> Result<serde_json::Value, Box<dyn Error>> {
    let points = points(file)?;
    let started = Instant::now();
    let found = cluster(points.view(), &options.check()?)?;
    Ok(json!({
        "seconds": started.elapsed().as_secs_f64(),
        "inertia": found.inertia,
        "iterations": found.iterations,
        "assignments": found.assignments,
    }))
}

fn topics_of(
    train: &SparseRows,
    test: &SparseRows,
    options: TopicOptions,
) -> Result<serde_json::Value, Box<dyn Error>> {
    let started = Instant::now();
    let topics = fit_topics(train, &options.check()?)?;
    let seconds = started.elapsed().as_secs_f64();
    let document = |row: usize| -> Vec<(u32, f32)> {
        let (words, counts) = test.row(row);
        words.iter().copied().zip(counts.iter().copied()).collect()
    };
    let documents: Vec<Vec<(u32, f32)>> = (0..test.rows()).map(document).collect();
    let mut micros: Vec<f64> = documents
        .iter()
        .map(|document| {
            let started = Instant::now();
            std::hint::black_box(topics.infer(document));
            started.elapsed().as_secs_f64() * 1e6
        })
        .collect();
    micros.sort_by(f64::total_cmp);
    let at = |share: f64| micros.get(((micros.len() as f64 - 1.0) * share) as usize).copied();
    let likeliest: Vec<Vec<u32>> =
        (0..topics.topics()).map(|topic| topics.likeliest_words(topic, 10)).collect();
    Ok(json!({
        "seconds": seconds,
        "perplexity": held_out_perplexity(&topics, test)?,
        "with_topics": perplexity(&topics, test)?,
        "train_perplexity": perplexity(&topics, train)?,
        "completion_perplexity": completion_perplexity(&topics, &Halves::drawn(test, 1))?,
        "inference_micros": { "median": at(0.5), "p99": at(0.99) },
        "likeliest": likeliest,
    }))
}

fn points(file: &str) -> Result<Array2<f32>, Box<dyn Error>> {
    let text = read_to_string(file)?;
    let mut values: Vec<f32> = Vec::new();
    for value in text.lines().flat_map(|line| line.split(',')) {
        values.push(value.parse()?);
    }
    let rows = text.lines().count();
    Ok(Array2::from_shape_vec((rows, values.len() / rows.max(1)), values)?)
}

fn documents(file: &str, words: &str) -> Result<SparseRows, Box<dyn Error>> {
    let mut rows = Vec::new();
    for line in read_to_string(file)?.lines() {
        let mut row = Vec::new();
        for entry in line.split_whitespace() {
            let (word, count) = entry.split_once(':').ok_or("an entry is word:count")?;
            row.push((word.parse()?, count.parse()?));
        }
        rows.push(row);
    }
    Ok(SparseRows::from_rows(words.parse()?, rows))
}
