//! The laboratory: measuring what Crossfold does, on files and synthetic worlds.
//!
//! | to find | read |
//! | --- | --- |
//! | what its commands can be asked | [`args`] |
//! | how good a model of one domain is | [`evaluate`]: a split, hyper-parameters chosen on it, full ranking |
//! | what evidence of one domain is worth in another | [`evaluate_transfer`] |
//! | how fast training is | [`mod@bench`] |
//! | what a whole run takes | [`bench_run`] |
//! | how long a slate takes | [`bench_serve`] |
//! | what rankers and bridges are called | [`ranker_text`], [`bridge_text`] |
//! | data to measure on | [`data_set`] on files, [`synthetic_world`] with its truth |

// The standard library's panic at a closed pipe, and let through what commands a terminal.
#![deny(clippy::print_stdout, clippy::print_stderr)]

// First: its macros are those that the others print with.
#[macro_use]
pub mod output;

pub mod args;
pub mod bench;
pub mod bench_run;
pub mod bench_serve;
pub mod bridge_text;
pub mod data_set;
pub mod evaluate;
pub mod evaluate_transfer;
pub mod gate_power;
pub mod progress;
pub mod ranker_text;
pub mod synthetic_world;

mod choosing;
mod evaluation_report;
mod gate_power_report;
mod peak_memory;
mod planted_world;
mod power_law;
mod seed_variation;
mod split;
mod transfer_data;
mod transfer_report;
