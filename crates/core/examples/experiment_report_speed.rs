//! How long the report of a large experiment takes, and how much memory:
//! `cargo run --release -p crossfold-core --example experiment_report_speed [USERS] [SHARDS]`.
//!
//! A million users, unless it is said otherwise, each of whom was served one slate (one in ten twice
//! as the archive may have it), two in five clicked, and who did one event each, half before and half
//! after. Records are made as they are needed, each pass anew, and `made` is the time of that alone.

#![allow(clippy::expect_used)] // An example may stop at the first surprise.

use std::hint::black_box;
use std::time::Instant;

use crossfold_core::entities::decision::{Decision, Outcome, OutcomeKind};
use crossfold_core::entities::event::Event;
use crossfold_core::entities::experiment::lifecycle::Experiment;
use crossfold_core::entities::ids::{ExperimentId, RecommendationId};
use crossfold_core::release::experiment_report::acts::Acts;
use crossfold_core::release::experiment_report::exposures::ExposureReader;
use crossfold_core::release::experiment_report::observations::Observations;
use crossfold_core::release::experiment_report::report::ExperimentReport;
use crossfold_core::release::experiment_report::shard::Shard;
use crossfold_core::release::experiment_report::study::Study;
use crossfold_testing::{at, domain, event_at, event_id, event_type, item, user};
use serde_json::json;

/// Seconds of a day.
const DAY: i64 = 86_400;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let mut number =
        |usual: u64| arguments.next().map_or(usual, |text| text.parse().expect("a number"));
    let users = number(1_000_000);
    let shards = u32::try_from(number(1)).expect("a number of shards");
    let made = Instant::now();
    for number in 0..users {
        black_box((decision(number), outcome(number), event(number)));
    }
    let made = made.elapsed().as_secs_f64();
    let before = peak_mebibytes();

    let experiment = experiment();
    let study = Study::new(&experiment, at(100 * DAY));
    let began = Instant::now();
    let mut observations = Observations::none(&study);
    for shard in Shard::all(shards) {
        let mut reader = ExposureReader::new(&study, shard);
        for number in (0..users).chain((0..users).step_by(10)) {
            reader.add(&decision(number));
        }
        let mut acts = Acts::new(&study, reader.finish());
        for number in 0..users {
            if number % 5 < 2 {
                acts.add_outcome(&outcome(number));
            }
            acts.add_event(&event(number));
        }
        observations.merge(&acts.finish());
    }
    let counted = began.elapsed().as_secs_f64();
    let report = ExperimentReport::of(&study, &observations);
    let all = began.elapsed().as_secs_f64();
    println!(
        "{users} users, {shards} shards: made {made:.2} s a pass; counted {counted:.2} s, with the \
         making; report {:.4} s; peak memory {} MiB, before {before}",
        all - counted,
        peak_mebibytes(),
    );
    println!("{}", report.verdicts.first().map_or("", |told| told.text.as_str()));
}

fn experiment() -> Experiment {
    let definition = json!({
        "traffic": 1, "window_days": 14, "segments": ["placement"],
        "variants": [{"variant": "control", "share": 0.5}, {"variant": "other", "share": 0.5}],
        "metrics": [
            {"metric": "clickers", "kind": "conversion", "of": {"outcome": "click"}},
            {"metric": "buys", "kind": "count", "of": {"event_type": "buy"}, "margin": 0.05},
            {"metric": "money", "kind": "revenue", "event_type": "buy", "winsorised_at": 0.99},
        ],
        "primary": "clickers",
    });
    let definition = serde_json::from_value(definition).expect("a definition");
    let name = ExperimentId::parse("large").expect("a name");
    Experiment::draft((domain("knowledge"), 0), name, definition, at(0))
}

/// The first exposure of a user.
fn first(number: u64) -> i64 {
    20 * DAY + (number % 1_000_000) as i64 * 3
}

fn slate(number: u64) -> RecommendationId {
    RecommendationId::parse(&format!("r-{number:032x}")).expect("an id")
}

fn name(number: u64) -> String {
    format!("v1_{number:043x}")
}

/// Whether a user, or a click, is one of two kinds: mixed, so that neither goes with the number.
fn mixed(number: u64) -> u64 {
    number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40
}

fn decision(number: u64) -> Decision {
    let variant = if mixed(number).is_multiple_of(2) { "large:control" } else { "large:other" };
    Decision {
        recommendation_id: slate(number),
        user: user(&name(number)),
        domain: domain("knowledge"),
        placement: None,
        decided_at: at(first(number)),
        model: None,
        policy: "p".to_owned(),
        variant: Some(variant.parse().expect("a variant")),
        seed: 0,
        personalised: false,
        degraded: Vec::new(),
        slate: Vec::new(),
        lives: Default::default(),
        basis: None,
    }
}

fn outcome(number: u64) -> Outcome {
    Outcome {
        feedback_id: event_id("f"),
        recommendation_id: slate(number),
        user: user(&name(number)),
        kind: OutcomeKind::Click,
        domain: domain("knowledge"),
        item_id: item("i"),
        occurred_at: at(first(number) + 5),
        received_at: None,
    }
}

fn event(number: u64) -> Event {
    let second = first(number) + if number.is_multiple_of(2) { 60 } else { -60 };
    Event {
        event_id: event_id(&format!("e{number}")),
        user: user(&name(number)),
        event_type: event_type("buy"),
        value: Some(rust_decimal::Decimal::new((mixed(number) % 100_000) as i64, 2)),
        ..event_at(second)
    }
}

/// The most memory that was ever resident, where Linux tells it; else 0.
fn peak_mebibytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kibibytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kibibytes.unwrap_or(0) / 1024
}
