//! The laboratory: measuring what Crossfold does, on files and synthetic worlds.

pub mod args;
pub mod bench;
pub mod data_set;
pub mod evaluate;
pub mod evaluate_transfer;
pub mod progress;
pub mod synthetic_world;

mod evaluation_report;
mod peak_memory;
mod power_law;
mod seed_variation;
