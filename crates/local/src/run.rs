//! From the command line to the commands.

use anyhow::Result;
use crossfold_lab::args::BenchCommand;
use crossfold_lab::{bench, bench_run, bench_serve, evaluate, evaluate_transfer, gate_power};

use crate::args::{Cli, Command, ServeArgs};
use crate::commands::{
    bench_served, demo, encoder, erasures, keys, models, recommend, redrive, replay, serve, status,
    train,
};
use crate::import;
use crate::stack::Stack;

/// Runs a command; those that can work on a deployed stack are given the one that there is.
///
/// # Errors
/// When it cannot be completed, in words that say what to do.
pub async fn run(cli: Cli, stack: &dyn Stack) -> Result<()> {
    // What all commands together wait for is large, and would lie on the stack of who runs one.
    Box::pin(carry_out(cli, stack)).await
}

async fn carry_out(cli: Cli, stack: &dyn Stack) -> Result<()> {
    let directory = cli.data_dir;
    match cli.command.unwrap_or_else(|| Command::Serve(ServeArgs::default())) {
        Command::Serve(args) => Box::pin(serve::serve(&directory, &args)).await,
        Command::Demo(args) => Box::pin(demo::demo(&demo::apart(directory), &args)).await,
        Command::Import(args) => import::import(&directory, &args).await,
        Command::Train(args) => train::train(&directory, &args).await,
        Command::Redrive(args) => redrive::redrive(&directory, &args, stack).await,
        Command::Status(args) => status::status(&directory, &args).await,
        Command::VerifyReceipt(args) => erasures::verify_receipt(&directory, &args, stack).await,
        Command::FindPerson(args) => erasures::find_person(&directory, &args, stack).await,
        Command::RotateKey => keys::rotate(&directory).await,
        Command::RetireKey(args) => keys::retire(&directory, &args).await,
        Command::Encoder(args) => encoder::encoder(&directory, &args, stack).await,
        Command::Models(args) => models::models(&directory, &args).await,
        Command::Recommend(args) => recommend::recommend(&directory, &args).await,
        Command::Replay(args) => replay::replay(&directory, &args).await,
        Command::Bench(BenchCommand::Served(args)) => bench_served::bench_served(&args).await,
        Command::Bench(BenchCommand::Train(args)) => bench::train(&args),
        Command::Bench(BenchCommand::Run(args)) => bench_run::run(&args),
        Command::Bench(BenchCommand::Serve(args)) => bench_serve::serve(&args),
        Command::Bench(BenchCommand::Data(args)) => bench::data(&args),
        Command::Bench(BenchCommand::Gate(args)) => gate_power::run(&args),
        Command::Evaluate(args) => evaluate::evaluate(&args),
        Command::EvaluateTransfer(args) => evaluate_transfer::evaluate_transfer(&args),
    }
}
