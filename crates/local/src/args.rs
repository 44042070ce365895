//! The command line: what can be asked.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use crossfold_core::entities::ids::{DomainId, ModelId};
use crossfold_core::training::tuning::DEFAULT_SECONDS;
use crossfold_lab::args::{BenchCommand, EvaluateArgs, EvaluateTransferArgs, FitArgs};

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
    pub data_dir: PathBuf,
    /// What to do; to serve, when nothing is said.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// What can be done.
#[derive(Subcommand)]
pub enum Command {
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

/// How to train.
#[derive(Args)]
pub struct TrainArgs {
    /// Hyper-parameters.
    #[command(flatten)]
    pub fit: FitArgs,
    /// Search for better hyper-parameters first, beginning with those given [default:
    /// yes, unless the unobserved weight or the regularisation is given].
    #[arg(long, conflicts_with = "no_tune")]
    pub tune: bool,
    /// Use the hyper-parameters as they are.
    #[arg(long)]
    pub no_tune: bool,
    /// Seconds the search may take.
    #[arg(
        long, default_value_t = DEFAULT_SECONDS, conflicts_with = "no_tune", value_name = "SECONDS"
    )]
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
