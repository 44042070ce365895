//! `crossfold`: all of Crossfold in one process on embedded storage.

use std::process::ExitCode;

use anyhow::Result;
use async_trait::async_trait;
use clap::Parser;
use crossfold_core::entities::ports::Stores;
use crossfold_core::entities::pseudonym::Pseudonymiser;
use crossfold_lab::output;
use crossfold_local::{args::Cli, exit_status, run::run, stack::Stack};
use crossfold_storage::{aws, pseudonym_key};
use tokio::runtime::Builder;

/// The stack that this process's environment names, as it does for a function.
struct StackOfEnvironment;

#[async_trait]
impl Stack for StackOfEnvironment {
    async fn stores(&self) -> Result<Stores> {
        let config = aws::StorageConfig::from_env()?;
        Ok(aws::stores(&aws::sdk_config().await, &config))
    }

    async fn keys(&self) -> Result<Pseudonymiser> {
        Ok(pseudonym_key::from_secret(&aws::sdk_config().await).await?)
    }
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = match Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            output::warn(format_args!("Error: threads cannot be started: {error}"));
            return ExitCode::FAILURE;
        }
    };
    let ended = runtime.block_on(run(cli, &StackOfEnvironment));
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
