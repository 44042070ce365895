//! `crossfold import`: any table of events or items, through the API's own path.
//!
//! A file goes through these, each a concept of its own:
//!
//! | what | where |
//! | --- | --- |
//! | packing, encoding, line ends | [`container`], [`encoding`], [`line_ends`]; [`peek`] looks ahead |
//! | a table of rows, whatever the format | [`reading`]: [`delimited`] (its [`dialect`]), [`json`], [`parquet`] |
//! | columns to fields | [`usual_names`], [`mapping`] |
//! | cells to values | [`times`], [`amounts`], [`type_names`], [`ratings`] |
//! | rows to events and items | [`event_rows`], [`event_ids`], [`item_rows`] |
//! | what is in a file, before anything is written | [`survey`], [`check_report`], [`proposal`], [`standing`] |
//! | to the API | [`posting`], [`import_events`], [`import_items`], [`progress_note`] |
//! | what could not be taken | [`refusals`] |

mod amounts;
mod check_report;
mod container;
mod delimited;
mod dialect;
mod encoding;
mod event_ids;
mod event_rows;
mod import_events;
mod import_items;
mod item_rows;
mod json;
mod line_ends;
mod mapping;
mod options;
mod outcome;
mod parquet;
mod peek;
mod posting;
mod progress_note;
mod proposal;
mod ratings;
mod reading;
mod refusals;
mod row;
mod standing;
mod survey;
mod times;
mod type_names;
mod usual_names;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use crossfold_core::entities::ids::{DomainId, EventType};
use crossfold_lab::progress;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::api_client::ApiClient;
use crate::args::{DEFAULT_DATA_DIR, ImportArgs};
use crate::endings::Endings;
use crate::local_world::LocalWorld;
use crate::place::told_of_a_server;
use crate::printer;
use check_report::CheckReport;
use import_events::{EventsImport, Meaning};
use import_items::ItemsImport;
use mapping::{Kind, check_map};
use options::Options;
use outcome::{FileOutcome, ImportOutcome};
pub use outcome::{Interrupted, SomeRefused};
use posting::{Poster, Stored};
use progress_note::ProgressNote;
use proposal::proposal;
use refusals::RefusedRows;
use standing::{Standing, types_of_first_events};
use survey::Survey;
pub(crate) use times::start_of_day;
use type_names::TypeNames;

/// Imports. Told to end, it says what was stored until then.
pub(crate) async fn import(directory: &Path, args: &ImportArgs) -> Result<()> {
    let stored = Arc::new(Stored::default());
    let mut endings = Endings::listen()?;
    tokio::select! {
        ended = carry_out(directory, args, &stored) => ended,
        ending = endings.next() => Err(Interrupted::by(ending, &stored).into()),
    }
}

async fn carry_out(directory: &Path, args: &ImportArgs, stored: &Arc<Stored>) -> Result<()> {
    let options = Options::of(args, Timestamp::now())?;
    let surveys = look_through(args, &options).await?;
    if args.check {
        return check(directory, args, &options, &surveys).await;
    }
    spare_files(&surveys, options.refused.as_deref())?;
    let target = Target::open(directory, args).await?;
    let poster = Poster::new(target.client(), domain_of(args)?, Arc::clone(stored));
    let standing = Standing::of(&poster, &options::default_type()?).await?;
    if !args.json {
        announce(&standing, &options, &surveys);
    }
    keep_offers(&standing, args, &surveys)?;
    let awaits_events = surveys.iter().all(|survey| survey.mapping.kind == Kind::Items)
        && standing.of_events().is_none();
    let next = target.next(directory, awaits_events.then(|| poster.domain()));
    let (types, defined) = define(&poster, standing, args, &options, &surveys).await?;
    let started = Instant::now();
    let mut outcome = ImportOutcome { defined, next, ..Default::default() };
    let mut failure = None;
    for survey in surveys {
        match import_file(&poster, &options, survey, &types, &target.name(directory)).await {
            Ok(file) => outcome.files.push(file),
            Err(error) => {
                failure = Some(error);
                break;
            }
        }
    }
    outcome.seconds = started.elapsed().as_secs_f64();
    let archiving = Instant::now();
    if let Target::Local(world) = &target {
        world.carry_streams().await?;
    }
    outcome.archive_seconds = archiving.elapsed().as_secs_f64();
    if args.json {
        printer::json(&outcome.to_json())?;
    } else {
        printer::text(&outcome);
    }
    failure.map_or_else(|| outcome.verdict(), Err)
}

/// A file of items replaces what the catalogue has of them. Where a domain has rules for offers, one
/// without any would take them away, and with them the rules: that must be meant.
fn keep_offers(standing: &Standing, args: &ImportArgs, surveys: &[Survey]) -> Result<()> {
    let has_rules = standing.definition().is_some_and(|of| !of["eligibility"].is_null());
    let lacks_offers = |survey: &&Survey| {
        let has_column = survey.columns.iter().any(|column| column == item_rows::OFFER);
        survey.mapping.kind == Kind::Items && !has_column
    };
    if has_rules
        && !args.without_offers
        && let Some(survey) = surveys.iter().find(lacks_offers)
    {
        bail!(
            "{} has no column {:?}, and the domain has rules of eligibility: the items in it would \
             lose their offers. Give them in the file (docs/import.md), or say --without-offers",
            survey.path.display(),
            item_rows::OFFER
        );
    }
    Ok(())
}

fn domain_of(args: &ImportArgs) -> Result<DomainId> {
    args.domain.clone().context("say which domain the files belong to: --domain NAME")
}

/// Where events and items go.
enum Target {
    /// To the embedded storage, in this process.
    Local(Box<LocalWorld>),
    /// To a server.
    Server(ApiClient, String),
}

impl Target {
    async fn open(directory: &Path, args: &ImportArgs) -> Result<Self> {
        match &args.api {
            None => {
                let opened = LocalWorld::open(directory).await;
                Ok(Self::Local(Box::new(opened.map_err(told_of_a_server)?)))
            }
            Some(address) => {
                let client = ApiClient::of_server(address, args.token.clone())?;
                Ok(Self::Server(client, address.clone()))
            }
        }
    }

    fn client(&self) -> ApiClient {
        match self {
            Self::Local(world) => world.client(),
            Self::Server(client, _) => client.clone(),
        }
    }

    /// The command that comes after an import; to a domain that has no events yet, theirs.
    fn next(&self, directory: &Path, awaits_events: Option<&DomainId>) -> String {
        let option = match self {
            Self::Server(_, address) => format!(" --api {address}"),
            Self::Local(_) if directory == Path::new(DEFAULT_DATA_DIR) => String::new(),
            Self::Local(_) => format!(" --data-dir {}", directory.display()),
        };
        match awaits_events {
            Some(domain) => format!(
                "crossfold import EVENTS --domain {domain}{option}, by what people did: there is nothing to train on yet"
            ),
            None => format!("crossfold train{option}"),
        }
    }

    /// What tells it from others.
    fn name(&self, directory: &Path) -> String {
        match self {
            Self::Local(_) => directory.display().to_string(),
            Self::Server(_, address) => address.clone(),
        }
    }
}

/// Looks every file through; those of items come first, so that nothing is named after its
/// id that has a name.
async fn look_through(args: &ImportArgs, options: &Options) -> Result<Vec<Survey>> {
    let files = args.files.iter().map(|file| (file, None));
    let events = args.interactions.iter().map(|file| (file, Some(Kind::Events)));
    let items = args.items.iter().map(|file| (file, Some(Kind::Items)));
    let mut surveys = Vec::new();
    for (file, kind) in files.chain(events).chain(items) {
        let (file, rows) = (file.clone(), options.rows.clone());
        let bar = progress::spinner(&format!("looking through {}", file.display()));
        let survey = tokio::task::spawn_blocking(move || survey::survey(&file, &rows, kind)).await;
        bar.finish_and_clear();
        let survey = survey.context("the thread that reads rows was lost")??;
        if let Some(why) = survey.looks_like_events().filter(|_| kind.is_none()) {
            bail!(
                "{}: no column is known for the user, so its rows would be items, but {why}. If they are events, say which column is the user: --map user_id=COLUMN (and --map item_id=COLUMN); if they are items, name the file with --items",
                survey.path.display()
            );
        }
        surveys.push(survey);
    }
    if surveys.is_empty() {
        bail!("name a file to import: crossfold import FILE… --domain NAME");
    }
    let columns: Vec<&[String]> = surveys.iter().map(|survey| survey.columns.as_slice()).collect();
    check_map(&options.rows.reading.map, &columns)?;
    surveys.sort_by_key(|survey| survey.mapping.kind == Kind::Events);
    Ok(surveys)
}

/// Refused rows must not be written over what is being read.
fn spare_files(surveys: &[Survey], refused: Option<&Path>) -> Result<()> {
    let Some(refused) = refused else { return Ok(()) };
    // One that is not there is no file that is read.
    let Ok(place) = refused.canonicalize() else { return Ok(()) };
    for survey in surveys {
        if survey.path.canonicalize().is_ok_and(|read| read == place) {
            bail!("--refused names {}, which is imported: name another file", refused.display());
        }
    }
    Ok(())
}

/// What the rows of a file mean.
fn meaning(options: &Options, survey: &Survey, types: &TypeNames) -> Meaning {
    let ratings = options.rating_rule(&survey.events, types.defined.as_ref());
    Meaning { types: types.clone(), default_type: options.default_type.clone(), ratings }
}

/// Every event type that the files have.
fn types_of(options: &Options, surveys: &[Survey], types: &TypeNames) -> BTreeSet<EventType> {
    let events = surveys.iter().filter(|survey| survey.mapping.kind == Kind::Events);
    let mut found = BTreeSet::new();
    for survey in events {
        found.extend(survey.events.types.keys().filter_map(|name| types.of(name).ok()));
        found.extend(options.own_types(&survey.events, None));
    }
    if found.is_empty() {
        found.insert(options.default_type.clone());
    }
    found
}

/// Whether a row of a file can be imported, as far as the file tells.
fn can_be_taken(survey: &Survey, types: &TypeNames) -> bool {
    let has_type = || {
        survey.events.untyped > 0 || survey.events.types.keys().any(|name| types.of(name).is_ok())
    };
    survey.refused.rows < survey.rows && (survey.mapping.kind == Kind::Items || has_type())
}

/// Says what was recognised, before anything is written.
fn announce(standing: &Standing, options: &Options, surveys: &[Survey]) {
    let types = types_at(standing, options);
    for survey in surveys {
        let meaning = meaning(options, survey, &types);
        let zone = options.zone_name.clone();
        printer::text(CheckReport { survey, meaning: &meaning, zone, shows_rows: false });
    }
}

/// How types are named where a domain stands so.
fn types_at(standing: &Standing, options: &Options) -> TypeNames {
    let defined = standing.of_events().map(defined_types);
    TypeNames { given: options.type_names.clone(), defined }
}

/// Defines the domain unless it is; says how its types are named, and which domain was defined.
async fn define(
    poster: &Poster,
    standing: Standing,
    args: &ImportArgs,
    options: &Options,
    surveys: &[Survey],
) -> Result<(TypeNames, Option<DomainId>)> {
    let mut types = types_at(&standing, options);
    let mut defined_now = None;
    let can_be_taken = |survey: &Survey| can_be_taken(survey, &types);
    let are_events = |survey: &&Survey| survey.mapping.kind == Kind::Events;
    let definition = match standing {
        Standing::Defined(definition) => definition,
        // A domain that nothing comes into would only be in the way.
        Standing::Absent if !surveys.iter().any(can_be_taken) => return Ok((types, None)),
        Standing::Absent => {
            let found = types_of(options, surveys, &types);
            let domain = domain_of(args)?;
            let definition = proposal(&domain, &args.currency, found.iter())?;
            poster.define(&definition).await?;
            defined_now = Some(domain);
            definition
        }
        Standing::ItemsAlone(definition)
            if !surveys.iter().filter(are_events).any(can_be_taken) =>
        {
            definition
        }
        Standing::ItemsAlone(_) => {
            let found = types_of(options, surveys, &types);
            let definition = proposal(&domain_of(args)?, &args.currency, found.iter())?;
            poster.change(&types_of_first_events(&options::default_type()?, &definition)).await?;
            definition
        }
    };
    let defined = defined_types(&definition);
    let events = surveys.iter().filter(|survey| survey.mapping.kind == Kind::Events);
    let missing = events
        .flat_map(|survey| options.own_types(&survey.events, Some(&defined)))
        .find(|event_type| !defined.contains(event_type));
    if let Some(missing) = missing {
        let known: Vec<&str> = defined.iter().map(EventType::as_str).collect();
        bail!(
            "the domain has no event type {missing}, but {}; say which the rows are: --type NAME",
            known.join(", ")
        );
    }
    types.defined = Some(defined);
    Ok((types, defined_now))
}

fn defined_types(definition: &Value) -> BTreeSet<EventType> {
    let types = definition["event_types"].as_object().into_iter().flatten();
    types.filter_map(|(name, _)| EventType::parse(name).ok()).collect()
}

async fn check(
    directory: &Path,
    args: &ImportArgs,
    options: &Options,
    surveys: &[Survey],
) -> Result<()> {
    let domain = args.domain.clone().or_else(|| DomainId::parse("my-domain").ok());
    let domain = domain.context("say which domain the files belong to: --domain NAME")?;
    let standing = standing_at(directory, args, &domain).await?;
    let types = types_at(&standing, options);
    let proposed = proposal(&domain, &args.currency, types_of(options, surveys, &types).iter())?;
    let reports: Vec<(Meaning, &Survey)> =
        surveys.iter().map(|survey| (meaning(options, survey, &types), survey)).collect();
    let reports: Vec<CheckReport<'_>> = reports
        .iter()
        .map(|(meaning, survey)| {
            let zone = options.zone_name.clone();
            CheckReport { survey, meaning, zone, shows_rows: true }
        })
        .collect();
    if args.json {
        let files: Vec<Value> = reports.iter().map(CheckReport::to_json).collect();
        let defined = standing.definition();
        printer::json(&json!({"files": files, "definition": proposed, "defined": defined}))?;
    } else {
        reports.iter().for_each(printer::text);
        let has_events = surveys.iter().any(|survey| survey.mapping.kind == Kind::Events);
        match standing {
            Standing::ItemsAlone(_) if has_events => {
                printer::line(format_args!(
                    "\nnothing was written. The domain {domain} has items alone, and would get these event types:"
                ));
                printer::json(&proposed["event_types"])?;
            }
            Standing::Defined(_) | Standing::ItemsAlone(_) => printer::line(format_args!(
                "\nnothing was written. The domain {domain} is defined, and stays as it is."
            )),
            Standing::Absent => {
                printer::line(format_args!(
                    "\nnothing was written. The domain {domain} would be defined so (PUT /v1/domains/{domain}):"
                ));
                printer::json(&proposed)?;
            }
        }
    }
    if !surveys.iter().any(|survey| can_be_taken(survey, &types)) {
        bail!("no row can be imported");
    }
    Ok(())
}

/// What the domain is where the files would go. Looking makes no directory.
async fn standing_at(directory: &Path, args: &ImportArgs, domain: &DomainId) -> Result<Standing> {
    if args.api.is_none() && !directory.exists() {
        return Ok(Standing::Absent);
    }
    let target = Target::open(directory, args).await?;
    let poster = Poster::new(target.client(), domain.clone(), Arc::default());
    Standing::of(&poster, &options::default_type()?).await
}

async fn import_file(
    poster: &Poster,
    options: &Options,
    survey: Survey,
    types: &TypeNames,
    target: &str,
) -> Result<FileOutcome> {
    let path = survey.path.clone();
    let in_file = || path.display().to_string();
    let refused = RefusedRows::of(&path, options.refused.clone(), survey.format);
    let mut outcome = FileOutcome::of(&survey);
    let bar = progress::bar(&in_file(), survey.rows);
    if survey.mapping.kind == Kind::Items {
        let import = ItemsImport { survey, options: options.rows.clone(), refused, bar };
        let (items, refused) = import.run(poster).await.with_context(in_file)?;
        outcome.items = Some(items);
        outcome.note_refused(&refused);
        return Ok(outcome);
    }
    let meaning = meaning(options, &survey, types);
    outcome.rating_min = meaning.ratings.as_ref().map(|rule| rule.min);
    let refused = Arc::new(Mutex::new(refused));
    let import = EventsImport {
        note: ProgressNote::new(&path, target, &options.fingerprint)?,
        meaning,
        options: options.rows.clone(),
        refused: Arc::clone(&refused),
        survey,
        bar: bar.clone(),
    };
    outcome.events = Some(import.run(poster).await.with_context(in_file)?);
    bar.finish_and_clear();
    outcome.note_refused(&refused.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
    Ok(outcome)
}
