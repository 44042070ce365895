//! `crossfold`: all of Crossfold in one process on embedded storage.

use std::process::ExitCode;

use clap::Parser;
use crossfold_lab::output;
use crossfold_local::{args::Cli, exit_status, run::run};

#[tokio::main]
async fn main() -> ExitCode {
    match run(Cli::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output::warn(format_args!("Error: {error:?}"));
            exit_status::of(&error).into()
        }
    }
}
