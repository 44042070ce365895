//! Measuring what is served the way it is served: files are posted to a world of their
//! own through the API, a run is ordered, and held-out people ask for slates.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use crossfold_core::maths::als::AlsOptions;
use crossfold_core::maths::bootstrap::{Interval, mean_interval};
use crossfold_core::maths::measure::Measurements;
use crossfold_core::release::run::{TrainingRun, TrainingRunState};
use crossfold_core::training::bridging::candidates::Candidate;
use crossfold_core::training::report::TrainingReport;
use crossfold_ingest::MAX_EVENTS;
use crossfold_lab::args::{EvaluateArgs, EvaluateTransferArgs, FitArgs};
use crossfold_lab::data_set::{Pairs, read_lines, read_pairs};
use crossfold_lab::evaluate::{RunChoice, by_person};
use crossfold_lab::evaluate_transfer::{ServedToCold, served_to_cold};
use crossfold_lab::progress;
use crossfold_train::{RunOrder, new_run};
use futures::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};

use crate::answers::{EventsAnswer, ItemsAnswer, SlateAnswer, read};
use crate::api_client::ApiClient;
use crate::commands::train::{report_of, train_world};
use crate::import::start_of_day;
use crate::local_world::LocalWorld;

/// Calls under way at a time.
const CONCURRENT_CALLS: usize = 4;
/// Items on a slate.
const SLATE: usize = 20;
const METRIC: &str = "ndcg@20";
const SEED: u64 = 1;
/// Domains of the worlds.
const DOMAIN: &str = "domain";
const SOURCE: &str = "source";
const TARGET: &str = "target";

/// The files of one domain.
#[derive(Debug, Clone, Copy)]
pub(super) struct DomainFiles<'a> {
    /// What is imported.
    pub(super) train: &'a Path,
    /// What is to be found.
    pub(super) test: &'a Path,
}

/// The files of two domains.
#[derive(Debug, Clone, Copy)]
pub(super) struct ColdFiles<'a> {
    /// The source domain.
    pub(super) source: &'a Path,
    /// The target domain; the same user ids.
    pub(super) target: &'a Path,
    /// The people whose target history is not imported.
    pub(super) cold_users: &'a Path,
}

/// What was served, beside what the laboratory finds.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Figures {
    /// People who asked.
    pub(super) people: usize,
    /// Mean NDCG@20 of their slates.
    pub(super) served: Interval,
    /// What the laboratory finds of popularity on the same people.
    pub(super) popularity: f64,
    /// What it finds on the same people with hyper-parameters of its own choice.
    pub(super) evaluated: f64,
    /// What it finds with those, and with the bridge, that the run chose.
    pub(super) evaluated_with_options: f64,
    /// What it finds on everyone held out, where not all of them asked.
    pub(super) evaluated_everyone: Option<f64>,
    /// What the run itself reports of what it held out, by domain.
    pub(super) reported: BTreeMap<String, f64>,
    /// Share of personalised slates, 0 to 1.
    pub(super) personalised: f64,
    /// The kind of bridge from the source to the target that is served.
    pub(super) bridge: Option<String>,
    /// What the run was fitted with.
    pub(super) options: AlsOptions,
    /// Seconds that the run took.
    pub(super) run_seconds: f64,
}

/// One domain: imports, trains, and asks for the people of the held-out file.
///
/// # Errors
/// When a file cannot be read, a call is refused, or no model is published.
pub(super) async fn one_domain(
    files: DomainFiles<'_>,
    order: RunOrder,
    most_people: usize,
) -> Result<Figures> {
    let (train, test) = (read_pairs(files.train)?, read_pairs(files.test)?);
    let directory = tempfile::tempdir()?;
    let world = LocalWorld::open(directory.path()).await?;
    let client = world.client();
    post_domain(&client, DOMAIN, &train).await?;
    let trained = TrainedWorld::run(&world, order).await?;
    let relevant = |(user, items): (&String, &BTreeSet<String>)| {
        let seen = train.get(user)?;
        let wanted: BTreeSet<String> = items.difference(seen).cloned().collect();
        (!wanted.is_empty()).then(|| (user.clone(), wanted))
    };
    let asked = evenly(test.iter().filter_map(relevant).collect(), most_people);
    let slates = Slates::ask(&client, &asked, (DOMAIN, DOMAIN)).await?;
    let args = EvaluateArgs {
        train: files.train.to_owned(),
        test: files.test.to_owned(),
        fit: fit_args(&order.options),
        seeds: 1,
        json: false,
    };
    let given = RunChoice { options: trained.options, ranking: None };
    let own = by_person(&args, Some(given).filter(|_| !trained.is_tuned))?;
    let ranking = trained.report.rankings.first();
    let same = by_person(&args, Some(RunChoice { options: trained.options, ranking }))?;
    let of_asked = |values: &BTreeMap<String, f64>| {
        mean(asked.iter().filter_map(|(user, _)| values.get(user)).copied())
    };
    Ok(Figures {
        people: asked.len(),
        served: slates.ndcg,
        popularity: of_asked(&own.popularity),
        evaluated: of_asked(&own.model),
        evaluated_with_options: of_asked(&same.model),
        evaluated_everyone: Some(mean(own.model.values().copied())),
        personalised: slates.personalised,
        bridge: None,
        ..trained.figures()
    })
}

/// Two domains whose people are linked and consent to both directions: imports, trains,
/// and asks for the people whose target history was not imported.
///
/// # Errors
/// When a file cannot be read, a call is refused, or no model is published.
pub(super) async fn cold(
    files: ColdFiles<'_>,
    order: RunOrder,
    most_people: usize,
) -> Result<Figures> {
    let (source, target) = (read_pairs(files.source)?, read_pairs(files.target)?);
    let cold_users = read_lines(files.cold_users)?;
    let directory = tempfile::tempdir()?;
    let world = LocalWorld::open(directory.path()).await?;
    let client = world.client();
    let known: Pairs =
        target.iter().filter(|(user, _)| !cold_users.contains(*user)).map(owned).collect();
    post_domain(&client, SOURCE, &source).await?;
    post_domain(&client, TARGET, &known).await?;
    let linked = source.keys().filter(|user| target.contains_key(*user));
    link(&client, &linked.cloned().collect::<Vec<_>>()).await?;
    let trained = TrainedWorld::run(&world, order).await?;
    let is_cold = |(user, _): &(&String, &BTreeSet<String>)| {
        cold_users.contains(*user) && source.contains_key(*user)
    };
    let asked = evenly(target.iter().filter(is_cold).map(owned).collect(), most_people);
    let slates = Slates::ask(&client, &asked, (SOURCE, TARGET)).await?;
    let args = EvaluateTransferArgs {
        source: files.source.to_owned(),
        target: files.target.to_owned(),
        cold_users: Some(files.cold_users.to_owned()),
        valid_users: None,
        folds: None,
        resamplings: None,
        fit: given_or_searched(&trained),
        shuffle_links: false,
        links: None,
        json: false,
    };
    let run = (trained.options, trained.bridge());
    let ServedToCold { served, popularity, .. } = served_to_cold(&args, None)?;
    let same = served_to_cold(&args, Some(run))?;
    Ok(Figures {
        people: asked.len(),
        served: slates.ndcg,
        popularity,
        evaluated: served,
        evaluated_with_options: same.served,
        personalised: slates.personalised,
        bridge: trained.bridge().map(|candidate| format!("{:?}", candidate.kind())),
        ..trained.figures()
    })
}

fn owned((user, items): (&String, &BTreeSet<String>)) -> (String, BTreeSet<String>) {
    (user.clone(), items.clone())
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = values.fold((0.0, 0usize), |(sum, count), v| (sum + v, count + 1));
    sum / count.max(1) as f64
}

/// What the run was given, or what it was given to begin its search with.
fn given_or_searched(trained: &TrainedWorld) -> FitArgs {
    let is_given = !trained.is_tuned;
    FitArgs {
        unobserved_weight: is_given.then_some(trained.options.unobserved_weight),
        regularisation: is_given.then_some(trained.options.regularisation),
        ..fit_args(&trained.options)
    }
}

fn fit_args(options: &AlsOptions) -> FitArgs {
    FitArgs {
        factors: Some(options.factors),
        iterations: Some(options.iterations),
        seed: Some(options.seed),
        ..FitArgs::default()
    }
}

/// At most so many of them, evenly chosen.
fn evenly<T>(all: Vec<T>, most: usize) -> Vec<T> {
    let (count, chosen) = (all.len(), most.min(all.len()));
    // One is chosen wherever the share of them that is due reaches the next whole number.
    let due = |at: usize| at * chosen / count;
    let all = all.into_iter().enumerate();
    all.filter(|(at, _)| due(at + 1) > due(*at)).map(|(_, one)| one).collect()
}

/// A run's end.
struct TrainedWorld {
    report: TrainingReport,
    options: AlsOptions,
    is_tuned: bool,
    seconds: f64,
}

impl TrainedWorld {
    async fn run(world: &LocalWorld, order: RunOrder) -> Result<Self> {
        world.carry_streams().await?;
        let started = Instant::now();
        let run: TrainingRun = train_world(world, new_run(order, Timestamp::now())?).await?;
        let seconds = started.elapsed().as_secs_f64();
        let report = report_of(world, &run).await?;
        match &run.state {
            TrainingRunState::Succeeded { .. } => {}
            TrainingRunState::Refused { reasons, .. } => {
                bail!("the model was refused: {}", reasons.join("; "))
            }
            TrainingRunState::Failed { reason, .. } => bail!("no model was made: {reason}"),
            _ => bail!("the run did not end"),
        }
        let report = report.context("the run left no report")?;
        let chosen = report.tuning.as_ref().map(|tuning| tuning.candidate.options);
        let options = chosen.unwrap_or(run.options);
        Ok(Self { report, options, is_tuned: chosen.is_some(), seconds })
    }

    /// What carries the source's evidence to the target.
    fn bridge(&self) -> Option<Candidate> {
        let into = self.report.bridges.iter().find(|r| r.direction.to.as_str() == TARGET);
        into.and_then(|report| report.verdict.served())
    }

    /// The figures that the run itself has.
    fn figures(&self) -> Figures {
        let reported = self.report.evaluation.iter().filter_map(|(domain, evaluation)| {
            Some((domain.to_string(), *evaluation.metrics.get(METRIC)?))
        });
        Figures {
            people: 0,
            served: Interval::default(),
            popularity: 0.0,
            evaluated: 0.0,
            evaluated_with_options: 0.0,
            evaluated_everyone: None,
            reported: reported.collect(),
            personalised: 0.0,
            bridge: None,
            options: self.options,
            run_seconds: self.seconds,
        }
    }
}

/// What people were shown.
struct Slates {
    ndcg: Interval,
    personalised: f64,
}

impl Slates {
    /// Asks for each of these people, shown on one domain, of the items of another.
    async fn ask(
        client: &ApiClient,
        people: &[(String, BTreeSet<String>)],
        (shown_on, of): (&str, &str),
    ) -> Result<Self> {
        let bar = progress::bar("asking for slates", people.len() as u64);
        let slates: Vec<SlateAnswer> = stream::iter(people)
            .map(|(user, _)| {
                let body = json!({
                    "user_id": user, "domain": shown_on, "target_domains": [of], "limit": SLATE,
                    "explain": false,
                });
                let bar = &bar;
                async move {
                    let answer = client.post("/v1/recommendations", &body).await?;
                    bar.inc(1);
                    read::<SlateAnswer>(answer)
                }
            })
            .buffered(CONCURRENT_CALLS)
            .try_collect()
            .await?;
        bar.finish_and_clear();
        let mut measured = Measurements::default();
        for (slate, (_, wanted)) in slates.iter().zip(people) {
            let mut numbers: BTreeMap<&str, u32> = BTreeMap::new();
            let relevant: Vec<u32> = wanted
                .iter()
                .zip(0..)
                .map(|(item, number)| {
                    numbers.insert(item, number);
                    number
                })
                .collect();
            let missed = relevant.len() as u32;
            let number = |(at, item): (usize, &str)| {
                numbers.get(item).copied().unwrap_or(missed + at as u32)
            };
            let items = slate.items.iter().map(|item| item.item_id.as_str());
            let list: Vec<u32> = items.enumerate().map(number).collect();
            measured.add(&list, &relevant);
        }
        let personalised = slates.iter().filter(|slate| slate.personalised).count();
        Ok(Self {
            ndcg: mean_interval(measured.of(METRIC), SEED).unwrap_or_default(),
            personalised: personalised as f64 / slates.len().max(1) as f64,
        })
    }
}

/// What somebody took, and when.
struct Taken<'a> {
    user: &'a str,
    item: &'a str,
    at: Timestamp,
}

/// Defines a domain and posts its items and events, all at one instant.
async fn post_domain(client: &ApiClient, domain: &str, pairs: &Pairs) -> Result<()> {
    let at = start_of_day(Timestamp::now());
    let of_user = |(user, items): (&'_ String, &'_ BTreeSet<String>)| {
        let (user, items) = (user.clone(), items.clone());
        items.into_iter().map(move |item| (user.clone(), item)).collect::<Vec<_>>()
    };
    let pairs: Vec<(String, String)> = pairs.iter().flat_map(of_user).collect();
    let taken: Vec<Taken<'_>> = pairs.iter().map(|(user, item)| Taken { user, item, at }).collect();
    post_taken(client, domain, &taken).await
}

/// Defines a domain and posts what people took of its items.
async fn post_taken(client: &ApiClient, domain: &str, taken: &[Taken<'_>]) -> Result<()> {
    let definition = json!({
        "name": domain, "currency": "USD", "event_types": {"interaction": {"weight": 1.0}},
        "half_life_days": 36_500.0,
    });
    client.put(&format!("/v1/domains/{domain}"), &definition).await?;
    let items: BTreeSet<&str> = taken.iter().map(|taken| taken.item).collect();
    let items: Vec<Value> =
        items.into_iter().map(|id| json!({"item_id": id, "title": id})).collect();
    for chunk in items.chunks(MAX_EVENTS) {
        let path = format!("/v1/domains/{domain}/items");
        let answer: ItemsAnswer = read(client.post(&path, &json!({ "items": chunk })).await?)?;
        if let Some(first) = answer.rejected.first() {
            bail!("an item was rejected: {}", first.detail);
        }
    }
    let bar = progress::bar("posting events", taken.len() as u64);
    stream::iter(taken.chunks(MAX_EVENTS).enumerate())
        .map(|(number, chunk)| {
            let event = |(at, taken): (usize, &Taken<'_>)| {
                json!({
                    "event_id": format!("e{number}-{at}"), "user_id": taken.user,
                    "item_id": taken.item, "type": "interaction",
                    "occurred_at": taken.at.to_string(),
                })
            };
            let events: Vec<Value> = chunk.iter().enumerate().map(event).collect();
            let body = json!({"domain": domain, "events": events});
            let bar = &bar;
            async move {
                let answer: EventsAnswer = read(client.post("/v1/events", &body).await?)?;
                bar.inc(chunk.len() as u64);
                match answer.rejected.first() {
                    Some(first) => bail!("an event was rejected: {}", first.detail),
                    None => Ok(()),
                }
            }
        })
        .buffer_unordered(CONCURRENT_CALLS)
        .try_collect::<()>()
        .await?;
    bar.finish_and_clear();
    Ok(())
}

/// Registers people on the source, links their users on the target, and records
/// consents for both directions.
async fn link(client: &ApiClient, users: &[String]) -> Result<()> {
    let bar = progress::bar("linking people", users.len() as u64);
    let consents: Vec<Value> = [(SOURCE, TARGET), (TARGET, SOURCE)]
        .into_iter()
        .flat_map(|(from, to)| {
            ["recommendation", "training"]
                .map(|purpose| json!({"from": from, "to": to, "purpose": purpose, "granted": true}))
        })
        .collect();
    let consents = json!({ "consents": consents });
    stream::iter(users)
        .map(|user| {
            let (consents, bar) = (&consents, &bar);
            async move {
                let path = |what: &str| format!("/v1/users/{user}{what}?domain={SOURCE}");
                client.put(&path(""), &json!({})).await?;
                let link = json!({"domain": TARGET, "user_id": user});
                client.put(&path("/links"), &link).await?;
                client.put(&path("/consents"), consents).await?;
                bar.inc(1);
                Ok::<_, anyhow::Error>(())
            }
        })
        .buffer_unordered(CONCURRENT_CALLS)
        .try_collect::<()>()
        .await?;
    bar.finish_and_clear();
    Ok(())
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
