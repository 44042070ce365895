//! All of Crossfold in one process on embedded storage: the same routers and
//! the same AWS adapter as in the cloud, talking to DynamoDB- and S3-compatible
//! servers inside the process.

pub mod cli;

mod api_client;
mod bench;
mod data_set;
mod demo;
mod evaluate;
mod evaluate_transfer;
mod evaluation_report;
mod import;
mod local_world;
mod models_command;
mod peak_memory;
mod power_law;
mod progress;
mod recommend_command;
mod seed_variation;
mod serve;
mod synthetic_world;
mod train_command;
