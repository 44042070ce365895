//! The command line.

use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, Parser, Subcommand};
use crossfold_core::als::Solver;
use crossfold_core::ids::{DomainId, ModelId};

use crate::{
    bench, demo, evaluate, evaluate_transfer, import, models_command, recommend_command, serve,
    train_command,
};

/// Crossfold recommends across businesses: from what a person did on one
/// platform, with consent, the right thing on another.
///
/// Without a command, `crossfold` serves the whole API on one local port. Its
/// data lie in a directory (./.crossfold unless --data-dir says otherwise) and
/// survive restarts. Nothing needs an account, Docker or the network.
#[derive(Parser)]
#[command(name = "crossfold", version, about, long_about, max_term_width = 100)]
pub struct Cli {
    /// Directory of the embedded storage.
    #[arg(
        long,
        global = true,
        default_value = ".crossfold",
        env = "CROSSFOLD_DATA_DIR",
        value_name = "DIR"
    )]
    data_dir: PathBuf,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Serve the whole API on one port (the default).
    Serve(ServeArgs),
    /// Build a synthetic world of two platforms, train, show slates, then serve.
    Demo(DemoArgs),
    /// Post a file of interactions, and of items, through the API's own path.
    Import(ImportArgs),
    /// Train a model on everything archived and publish it.
    Train(TrainArgs),
    /// List the models, show one, promote one, or go back to the one before.
    Models(ModelsArgs),
    /// Ask for a slate and print it.
    Recommend(RecommendArgs),
    /// Measure a model of one domain on a given split, by full ranking.
    Evaluate(EvaluateArgs),
    /// Measure how fast training is.
    #[command(subcommand)]
    Bench(BenchCommand),
    /// Measure transfer to people who have no history in the target domain.
    EvaluateTransfer(EvaluateTransferArgs),
}

/// How to serve.
#[derive(Args, Clone)]
pub struct ServeArgs {
    /// Port on the loopback interface; 0 takes a free one.
    #[arg(long, default_value_t = 8080)]
    pub port: u16,
}

impl Default for ServeArgs {
    fn default() -> Self {
        Self { port: 8080 }
    }
}

/// How to run the demonstration.
#[derive(Args)]
pub struct DemoArgs {
    /// End after the slates are printed instead of serving.
    #[arg(long)]
    pub once: bool,
    /// Seed of the synthetic world.
    #[arg(long, default_value_t = 7)]
    pub seed: u64,
    /// How many synthetic people.
    #[arg(long, default_value_t = 600)]
    pub people: usize,
    /// How to serve afterwards.
    #[command(flatten)]
    pub serve: ServeArgs,
}

/// What to import.
#[derive(Args)]
pub struct ImportArgs {
    /// Domain the file belongs to; one that is not defined yet gets a plain definition.
    #[arg(long)]
    pub domain: DomainId,
    /// CSV with a header: user_id,item_id and optionally type,occurred_at (RFC 3339
    /// or Unix seconds),value; .gz is unpacked.
    #[arg(long, value_name = "FILE")]
    pub interactions: PathBuf,
    /// JSON lines with item_id,title and optionally categories and more; without
    /// it, items are named after their ids.
    #[arg(long, value_name = "FILE")]
    pub items: Option<PathBuf>,
    /// Print the result as JSON.
    #[arg(long)]
    pub json: bool,
}

/// Hyper-parameters of a fit.
#[derive(Args, Clone, Default)]
pub struct FitArgs {
    /// Length of a factor vector [default: 64].
    #[arg(long)]
    pub factors: Option<usize>,
    /// Iterations [default: 15].
    #[arg(long)]
    pub iterations: Option<usize>,
    /// Weight of unobserved pairs [default: chosen by validation, or 0.3 for `train`].
    #[arg(long)]
    pub unobserved_weight: Option<f32>,
    /// Regularisation [default: chosen by validation, or 0.03 for `train`].
    #[arg(long)]
    pub regularisation: Option<f32>,
    /// Seed of the initial factors [default: 42].
    #[arg(long)]
    pub seed: Option<u64>,
}

/// How to train.
#[derive(Args)]
pub struct TrainArgs {
    /// Hyper-parameters.
    #[command(flatten)]
    pub fit: FitArgs,
    /// Search for better hyper-parameters first, beginning with those given.
    #[arg(long)]
    pub tune: bool,
    /// Seconds the search may take.
    #[arg(long, default_value_t = 120.0, requires = "tune", value_name = "SECONDS")]
    pub budget_seconds: f64,
    /// Publish the model even if it is made from far fewer events than the champion.
    #[arg(long)]
    pub accept_fewer_events: bool,
    /// Print the training run as JSON.
    #[arg(long)]
    pub json: bool,
}

/// What to do with the models.
#[derive(Args)]
pub struct ModelsArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: ModelsCommand,
    /// Print the API's response as JSON.
    #[arg(long, global = true)]
    pub json: bool,
}

/// What can be done with models.
#[derive(Subcommand)]
pub enum ModelsCommand {
    /// List every model, newest first, with where it stands.
    List,
    /// Show a model: the gate's verdict, promotions, drift.
    Show {
        /// The model.
        #[arg(value_parser = ModelId::parse)]
        id: ModelId,
    },
    /// Serve a model from now on, whatever the gate said.
    Promote {
        /// The model.
        #[arg(value_parser = ModelId::parse)]
        id: ModelId,
    },
    /// Serve the model before the champion again.
    Rollback,
}

/// For whom to recommend what.
#[derive(Args)]
pub struct RecommendArgs {
    /// The platform's user id.
    #[arg(long)]
    pub user: String,
    /// The platform that asks.
    #[arg(long)]
    pub domain: DomainId,
    /// The domain whose items are wanted; the platform's own by default. May be repeated.
    #[arg(long)]
    pub target: Vec<DomainId>,
    /// How many items.
    #[arg(long, default_value_t = 10)]
    pub limit: usize,
    /// Language of the reasons, as a BCP 47 tag.
    #[arg(long, default_value = "en")]
    pub locale: String,
    /// Print the API's response as JSON.
    #[arg(long)]
    pub json: bool,
}

/// The split to measure on.
#[derive(Args)]
pub struct EvaluateArgs {
    /// CSV with user_id,item_id to train on; .gz is unpacked.
    #[arg(long, value_name = "FILE")]
    pub train: PathBuf,
    /// CSV with user_id,item_id held out.
    #[arg(long, value_name = "FILE")]
    pub test: PathBuf,
    /// Hyper-parameters.
    #[command(flatten)]
    pub fit: FitArgs,
    /// Fit so many times, with seeds from --seed on, and print how metrics vary.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=100))]
    pub seeds: u64,
    /// Print the result as JSON.
    #[arg(long)]
    pub json: bool,
}

/// The domains and people to measure on.
#[derive(Args)]
pub struct EvaluateTransferArgs {
    /// CSV with user_id,item_id of the source domain; .gz is unpacked.
    #[arg(long, value_name = "FILE")]
    pub source: PathBuf,
    /// CSV with user_id,item_id of the target domain; the same user ids.
    #[arg(long, value_name = "FILE")]
    pub target: PathBuf,
    /// User ids, one a line, whose target history is held out and measured on.
    #[arg(long, value_name = "FILE")]
    pub cold_users: PathBuf,
    /// User ids whose target history is held out to choose hyper-parameters by.
    #[arg(long, value_name = "FILE")]
    pub valid_users: PathBuf,
    /// Hyper-parameters.
    #[command(flatten)]
    pub fit: FitArgs,
    /// Control: give every source history to another, random person.
    #[arg(long)]
    pub shuffle_links: bool,
    /// Print the result as JSON.
    #[arg(long)]
    pub json: bool,
}

/// What to measure.
#[derive(Subcommand)]
pub enum BenchCommand {
    /// Fit repeatedly and tell seconds, rates and memory.
    Train(BenchTrainArgs),
    /// Write a synthetic set for other trainers.
    Data(BenchDataArgs),
}

/// How rows are solved.
#[derive(Clone, Copy, clap::ValueEnum)]
pub enum SolverArg {
    /// By what is cheapest for each row.
    Mixed,
    /// By conjugate gradient.
    ConjugateGradient,
    /// Exactly.
    Cholesky,
}

impl From<SolverArg> for Solver {
    fn from(solver: SolverArg) -> Self {
        match solver {
            SolverArg::Mixed => Self::Mixed,
            SolverArg::ConjugateGradient => Self::ConjugateGradient,
            SolverArg::Cholesky => Self::Cholesky,
        }
    }
}

/// What to fit, and how often.
#[derive(Args)]
pub struct BenchTrainArgs {
    /// CSV with user_id,item_id; .gz is unpacked.
    #[arg(long, value_name = "FILE", conflicts_with = "synthetic")]
    pub train: Option<PathBuf>,
    /// CSV with user_id,item_id held out, to tell quality as well.
    #[arg(long, value_name = "FILE", requires = "train")]
    pub test: Option<PathBuf>,
    /// Fit about so many synthetic, power-law interactions instead.
    #[arg(long, value_name = "INTERACTIONS")]
    pub synthetic: Option<u64>,
    /// Seed of the synthetic interactions.
    #[arg(long, default_value_t = 1)]
    pub data_seed: u64,
    /// Hyper-parameters.
    #[command(flatten)]
    pub fit: FitArgs,
    /// How rows are solved.
    #[arg(long, value_enum, default_value = "mixed")]
    pub solver: SolverArg,
    /// Threads [default: one for each core].
    #[arg(long)]
    pub threads: Option<usize>,
    /// How many fits.
    #[arg(long, default_value_t = 3)]
    pub repeat: usize,
    /// Print the result as JSON.
    #[arg(long)]
    pub json: bool,
}

/// What to write.
#[derive(Args)]
pub struct BenchDataArgs {
    /// About how many interactions.
    #[arg(long)]
    pub interactions: u64,
    /// Seed of the interactions.
    #[arg(long, default_value_t = 1)]
    pub data_seed: u64,
    /// The file: safetensors with shape, row_ends and columns.
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
}

/// Runs a command.
///
/// # Errors
/// When it cannot be completed, in words that say what to do.
pub async fn run(cli: Cli) -> Result<()> {
    let directory = cli.data_dir;
    match cli.command.unwrap_or_else(|| Command::Serve(ServeArgs::default())) {
        Command::Serve(args) => serve::serve(&directory, &args).await,
        Command::Demo(args) => demo::demo(&directory, &args).await,
        Command::Import(args) => import::import(&directory, &args).await,
        Command::Train(args) => train_command::train(&directory, &args).await,
        Command::Models(args) => models_command::models(&directory, &args).await,
        Command::Recommend(args) => recommend_command::recommend(&directory, &args).await,
        Command::Bench(BenchCommand::Train(args)) => bench::train(&args),
        Command::Bench(BenchCommand::Data(args)) => bench::data(&args),
        Command::Evaluate(args) => evaluate::evaluate(&args),
        Command::EvaluateTransfer(args) => evaluate_transfer::evaluate_transfer(&args),
    }
}
