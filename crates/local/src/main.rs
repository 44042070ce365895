//! `crossfold`: all of Crossfold in one process on embedded storage.

use clap::Parser;
use crossfold_local::{args::Cli, run::run};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    run(Cli::parse()).await
}
