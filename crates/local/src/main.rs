//! `crossfold`: all of Crossfold in one process on embedded storage.

use std::process::ExitCode;

use clap::Parser;
use crossfold_lab::output;
use crossfold_local::{args::Cli, exit_status, run::run};
use tokio::runtime::Builder;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = match Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            output::warn(format_args!("Error: threads cannot be started: {error}"));
            return ExitCode::FAILURE;
        }
    };
    let ended = runtime.block_on(run(cli));
    // What is still on its way by now was waited for as long as it should be.
    runtime.shutdown_background();
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output::warn(format_args!("Error: {error:?}"));
            exit_status::of(&error).into()
        }
    }
}
