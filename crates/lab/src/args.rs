//! What the laboratory's commands can be asked.

use std::path::PathBuf;

use clap::{ArgGroup, Args, Subcommand};
use crossfold_core::maths::als::{AlsOptions, Solver};

/// Hyper-parameters of a fit.
#[derive(Args, Clone, Default)]
pub struct FitArgs {
    /// Length of a factor vector [default: 64].
    #[arg(long)]
    pub factors: Option<usize>,
    /// Iterations [default: 15].
    #[arg(long)]
    pub iterations: Option<usize>,
    /// Weight of unobserved pairs [default: searched for; 0.3 in `bench train`].
    #[arg(long)]
    pub unobserved_weight: Option<f32>,
    /// Regularisation [default: searched for; 0.03 in `bench train`].
    #[arg(long)]
    pub regularisation: Option<f32>,
    /// Seed of the initial factors [default: 42].
    #[arg(long)]
    pub seed: Option<u64>,
}

impl FitArgs {
    /// What is given, over the defaults.
    #[must_use]
    pub fn options(&self) -> AlsOptions {
        let default = AlsOptions::default();
        AlsOptions {
            factors: self.factors.unwrap_or(default.factors),
            iterations: self.iterations.unwrap_or(default.iterations),
            unobserved_weight: self.unobserved_weight.unwrap_or(default.unobserved_weight),
            regularisation: self.regularisation.unwrap_or(default.regularisation),
            frequency_exponent: default.frequency_exponent,
            seed: self.seed.unwrap_or(default.seed),
            solver: default.solver,
        }
    }
}

/// The split to measure on.
#[derive(Args)]
pub struct EvaluateArgs {
    /// Table with user_id and item_id in its first line to train on, separated by commas,
    /// semicolons, tabs or bars, and occurred_at (seconds or RFC 3339) if what goes by the
    /// order of things is to be tried; .gz is unpacked.
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
#[command(group(ArgGroup::new("whom").required(true).args(["cold_users", "folds", "resamplings"])))]
pub struct EvaluateTransferArgs {
    /// CSV with user_id,item_id of the source domain; .gz is unpacked.
    #[arg(long, value_name = "FILE")]
    pub source: PathBuf,
    /// CSV with user_id,item_id of the target domain; the same user ids.
    #[arg(long, value_name = "FILE")]
    pub target: PathBuf,
    /// User ids, one a line, whose target history is held out and measured on.
    #[arg(long, value_name = "FILE")]
    pub cold_users: Option<PathBuf>,
    /// User ids by whom bridges are judged too, but whose target history the fits that
    /// the cold people are ranked by do without, as in published splits.
    #[arg(long, value_name = "FILE", requires = "cold_users")]
    pub valid_users: Option<PathBuf>,
    /// Hold out the target history of everyone who has both domains, in so many folds,
    /// and measure on all of them.
    #[arg(long, value_parser = clap::value_parser!(u64).range(2..=50))]
    pub folds: Option<u64>,
    /// Hold out another random fifth of them so many times, and tell how often the gate
    /// was right.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=1000))]
    pub resamplings: Option<u64>,
    /// Hyper-parameters.
    #[command(flatten)]
    pub fit: FitArgs,
    /// Control: give every source history to another, random person.
    #[arg(long)]
    pub shuffle_links: bool,
    /// Keep so many people linked, the same in each fold but for who is held out; the others
    /// are two people each.
    #[arg(long, value_name = "PEOPLE", requires = "folds")]
    pub links: Option<usize>,
    /// Print the result as JSON.
    #[arg(long)]
    pub json: bool,
}

/// What to measure.
#[derive(Subcommand)]
pub enum BenchCommand {
    /// Import, train and ask for slates, all by default, and measure what is served.
    Served(BenchServedArgs),
    /// Fit repeatedly and tell seconds, rates and memory.
    Train(BenchTrainArgs),
    /// Train once from made-up events to a measured model; tell seconds and memory by stage.
    Run(BenchRunArgs),
    /// Make slates from catalogues of several sizes, and tell how long each stage takes.
    Serve(BenchServeArgs),
    /// Write a synthetic set for other trainers.
    Data(BenchDataArgs),
    /// Draw worlds again and again, and tell how often the gate of bridges lets help and harm
    /// through.
    Gate(BenchGateArgs),
}

/// The worlds to draw.
#[derive(Args)]
pub struct BenchGateArgs {
    /// CSV with user_id,item_id of one domain, to draw from beside made-up worlds.
    #[arg(long, value_name = "FILE", requires = "target")]
    pub source: Option<PathBuf>,
    /// CSV with user_id,item_id of the other; the same user ids.
    #[arg(long, value_name = "FILE", requires = "source")]
    pub target: Option<PathBuf>,
    /// People who stay linked, one number after another.
    #[arg(long, value_delimiter = ',', default_value = "400",
        value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub links: Vec<u64>,
    /// How often each world is drawn.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=1000))]
    pub resamplings: u64,
    /// Seed of the first draw.
    #[arg(long, default_value_t = 1)]
    pub draw_seed: u64,
    /// Hyper-parameters of the run.
    #[command(flatten)]
    pub fit: FitArgs,
    /// Print the result as JSON.
    #[arg(long)]
    pub json: bool,
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

/// How much to train on.
#[derive(Args)]
pub struct BenchRunArgs {
    /// How many people.
    #[arg(long, default_value_t = 20_000)]
    pub people: usize,
    /// How many items.
    #[arg(long, default_value_t = 2_000)]
    pub items: usize,
    /// About how many events.
    #[arg(long, default_value_t = 1_000_000)]
    pub events: usize,
    /// Seed of the events.
    #[arg(long, default_value_t = 1)]
    pub data_seed: u64,
    /// Hyper-parameters.
    #[command(flatten)]
    pub fit: FitArgs,
    /// Print the result as JSON.
    #[arg(long)]
    pub json: bool,
}

/// What to make slates from.
#[derive(Args)]
pub struct BenchServeArgs {
    /// Items of the catalogue, one number after another.
    #[arg(long, value_delimiter = ',', default_value = "1000,10000,100000",
        value_parser = clap::value_parser!(u64).range(100..=10_000_000))]
    pub items: Vec<u64>,
    /// Factors of each item.
    #[arg(long, default_value_t = 64)]
    pub factors: usize,
    /// Items that each person took.
    #[arg(long, default_value_t = 50)]
    pub history: usize,
    /// How many people ask.
    #[arg(long, default_value_t = 1_000)]
    pub people: usize,
    /// Threads that make slates together [default: one for each core].
    #[arg(long)]
    pub threads: Option<usize>,
    /// Seed of factors and people.
    #[arg(long, default_value_t = 1)]
    pub data_seed: u64,
    /// Write the factors and what people took to a file, for other libraries; of the last size.
    #[arg(long, value_name = "FILE")]
    pub export: Option<PathBuf>,
    /// Print the result as JSON.
    #[arg(long)]
    pub json: bool,
}

/// What is served to whom: one domain, or one to people who have only another.
#[derive(Args)]
#[command(group(ArgGroup::new("data").required(true).args(["train", "source"])))]
pub struct BenchServedArgs {
    /// One domain: CSV with user_id,item_id to import; .gz is unpacked.
    #[arg(long, value_name = "FILE", requires = "test")]
    pub train: Option<PathBuf>,
    /// CSV with user_id,item_id held out, to be found on slates.
    #[arg(long, value_name = "FILE", requires = "train")]
    pub test: Option<PathBuf>,
    /// Two domains: CSV with user_id,item_id of the source.
    #[arg(long, value_name = "FILE", requires = "target", requires = "cold_users")]
    pub source: Option<PathBuf>,
    /// CSV with user_id,item_id of the target; the same user ids, who are linked.
    #[arg(long, value_name = "FILE", requires = "source")]
    pub target: Option<PathBuf>,
    /// User ids, one a line, whose target history is not imported, to be found on slates.
    #[arg(long, value_name = "FILE", requires = "source")]
    pub cold_users: Option<PathBuf>,
    /// Most people who are asked for, evenly chosen.
    #[arg(long, default_value_t = 600, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    pub people: u64,
    /// Hyper-parameters; those left out are searched for, as by default.
    #[command(flatten)]
    pub fit: FitArgs,
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
