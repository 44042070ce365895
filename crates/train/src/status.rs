//! `GET /v1/status`: how everything stands, in one answer for a page or a terminal.

use std::collections::BTreeMap;

use axum::Json as JsonResponse;
use axum::extract::State;
use crossfold_core::entities::activity::{
    DomainDay, INTAKES, Intake, Pushes, RefusedElement, day_of,
};
use crossfold_core::entities::definition::Definitions;
use crossfold_core::entities::ids::{DomainId, ModelId, TrainingRunId};
use crossfold_core::entities::key_versions::KeyVersion;
use crossfold_core::entities::ports::{ActivityStore, StoreResult};
use crossfold_core::release::attention::{Attention, Observed, attention};
use crossfold_core::release::champion::Pointer;
use crossfold_core::release::record::ModelRecord;
use crossfold_core::release::run::TrainingRun;
use crossfold_core::training::bridging::gate::DirectionReport;
use crossfold_edge::caller::{Caller, Scope};
use crossfold_edge::problem::Problem;
use crossfold_edge::router::Routes;
use crossfold_registry::listing::{champion_pointer, find_record, latest_drift};
use crossfold_registry::load::{LoadError, load_report};
use crossfold_storage::definition_reader::definitions;
use crossfold_storage::{key_versions, records, set_aside};
use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::routes::TrainingState;
use crate::seen::{Seen, Sight};

/// Days of activity that are told, today among them.
const STATUS_DAYS: i64 = 30;
/// Runs looked through for the newest that ended, and the newest that read the archive.
const STATUS_RUNS: usize = 10;
/// Refused elements that are told, the newest.
const STATUS_REFUSED: usize = 50;

pub(crate) fn routes() -> Routes<TrainingState> {
    Routes::new().get("/v1/status", get_status)
}

/// How everything stands.
#[derive(Debug, Serialize)]
struct Status {
    at: Timestamp,
    attention: Vec<Attention>,
    domains: Vec<DomainStatus>,
    champion: Option<ChampionStatus>,
    last_run: Option<Seen<TrainingRun>>,
    /// What the newest run that read the archive saw; none for who does not act for all.
    archive: Option<ArchiveStatus>,
    activity: Vec<DayStatus>,
    refused: Vec<RefusedStatus>,
    /// The versions of the key of pseudonyms; none for who does not act for all.
    keys: Vec<KeyStatus>,
}

/// A version of the key of pseudonyms.
#[derive(Debug, Serialize)]
struct KeyStatus {
    version: u32,
    /// How many records the last whole pass over the tables found under it.
    left: Option<u64>,
    /// Since when nothing is stored under it: it may be retired.
    unused_since: Option<Timestamp>,
}

#[derive(Debug, Serialize)]
struct DomainStatus {
    domain: DomainId,
    name: String,
    /// Items that the champion knows.
    items: Option<u64>,
    /// People that the champion was made from.
    people: Option<u64>,
}

#[derive(Debug, Serialize)]
struct ChampionStatus {
    id: ModelId,
    created_at: Timestamp,
    promoted_at: Timestamp,
    training_run: TrainingRunId,
    /// Only for who acts for every domain.
    #[serde(skip_serializing_if = "Option::is_none")]
    events: Option<u64>,
}

#[derive(Debug, Serialize)]
struct ArchiveStatus {
    training_run: TrainingRunId,
    requested_at: Timestamp,
    events: u64,
    people: u64,
}

/// What happened in one domain on one day.
#[derive(Debug, Serialize)]
struct DayStatus {
    day: Date,
    domain: DomainId,
    events: IntakeStatus,
    items: IntakeStatus,
    feedback: IntakeStatus,
    slates: SlatesStatus,
    pushes: Pushes,
}

#[derive(Debug, Serialize)]
struct IntakeStatus {
    accepted: u64,
    duplicates: u64,
    refused: BTreeMap<String, u64>,
}

#[derive(Debug, Serialize)]
struct SlatesStatus {
    served: u64,
    personalised: u64,
    empty: u64,
    degraded: BTreeMap<String, u64>,
}

/// One element that was refused.
#[derive(Debug, Serialize)]
struct RefusedStatus {
    domain: DomainId,
    intake: &'static str,
    #[serde(flatten)]
    element: RefusedElement,
}

/// What the status is made of, read from the stores.
struct Read {
    definitions: Definitions,
    pointer: Option<Pointer>,
    champion: Option<ModelRecord>,
    bridges: Vec<DirectionReport>,
    runs: Vec<TrainingRun>,
    /// Of domains that the caller acts for.
    activity: Vec<DomainDay>,
    keys: BTreeMap<u32, KeyVersion>,
}

impl Read {
    /// The same with what the caller may know.
    fn seen_by(self, sight: &Sight<'_>) -> Self {
        let Self { mut definitions, mut bridges, .. } = self;
        definitions.retain(|domain, _| sight.has(domain));
        bridges.retain(|bridge| sight.has_both(&bridge.direction));
        let champion = self.champion.map(|champion| sight.own_of_record(champion));
        let runs = self.runs.into_iter().map(|run| sight.own_of_run(run)).collect();
        let keys = if sight.is_of_all() { self.keys } else { BTreeMap::new() };
        let (pointer, activity) = (self.pointer, self.activity);
        Self { definitions, pointer, champion, bridges, runs, activity, keys }
    }
}

async fn get_status(
    State(state): State<TrainingState>,
    caller: Caller,
) -> Result<JsonResponse<Status>, Problem> {
    caller.require_scope(Scope::TrainingRead)?;
    let now = state.clock.now();
    let read = read(&state, &caller, now).await?;
    let sight = Sight::among(&caller, read.definitions.keys());
    let read = read.seen_by(&sight);
    let drift = match &read.champion {
        Some(champion) => latest_drift(&*state.objects, &champion.id).await?,
        None => None,
    };
    let drift = drift.map(|drift| sight.own_of_drift(drift));
    let aside = match sight.is_of_all() {
        true => set_aside::count(&*state.objects).await?,
        false => set_aside::count_of(&*state.objects, |domain| sight.has(domain)).await?,
    };
    let attention = attention(Observed {
        now,
        domains: read.definitions.len(),
        champion: read.champion.as_ref(),
        runs: &read.runs,
        bridges: &read.bridges,
        drift: drift.as_ref(),
        activity: &read.activity,
        files_set_aside: aside.files,
        records_set_aside: aside.records,
    });
    Ok(JsonResponse(status(now, &sight, attention, read)))
}

async fn read(state: &TrainingState, caller: &Caller, now: Timestamp) -> Result<Read, Problem> {
    let objects = &*state.objects;
    let pointer = champion_pointer(objects).await?;
    let champion = match pointer.as_ref().and_then(|pointer| pointer.model.as_ref()) {
        Some(model) => find_record(objects, model).await?,
        None => None,
    };
    let report = champion.as_ref().and_then(|champion| champion.report.as_ref());
    let bridges = match report {
        Some(report) => match load_report(objects, report).await {
            Ok(report) => report.unwrap_or_default().bridges,
            Err(LoadError::Store(error)) => return Err(error.into()),
            Err(error) => {
                // How everything else stands can be told all the same.
                tracing::error!(%error, "the champion's report is broken");
                Vec::new()
            }
        },
        None => Vec::new(),
    };
    Ok(Read {
        definitions: definitions(&*state.records).await?,
        pointer,
        champion,
        bridges,
        runs: records::last(&*state.records, None, STATUS_RUNS).await?,
        activity: recent_activity(&*state.activity, caller, now).await?,
        keys: key_versions::known(&*state.records).await?,
    })
}

/// What happened of late in the domains that the caller acts for.
async fn recent_activity(
    activity: &dyn ActivityStore,
    caller: &Caller,
    now: Timestamp,
) -> StoreResult<Vec<DomainDay>> {
    let first = day_of(now).checked_sub(SignedDuration::from_hours(24 * (STATUS_DAYS - 1)));
    let mut days = activity.since(first.unwrap_or(Date::MIN)).await?;
    days.retain(|day| caller.acts_for(&day.domain));
    Ok(days)
}

fn status(now: Timestamp, sight: &Sight<'_>, attention: Vec<Attention>, read: Read) -> Status {
    let Read { definitions, pointer, champion, runs, activity, keys, .. } = read;
    let table = |domain: &DomainId| {
        let domains = champion.iter().flat_map(|champion| &champion.domains);
        domains.into_iter().find(|table| table.domain == *domain)
    };
    let domains = definitions.into_iter().map(|(domain, definition)| DomainStatus {
        items: table(&domain).map(|table| table.items as u64),
        people: table(&domain).map(|table| table.people),
        name: definition.name,
        domain,
    });
    let domains = domains.collect();
    let refused = last_refused(&activity);
    let archive = runs.iter().filter(|_| sight.is_of_all()).find_map(|run| {
        let report = run.state.report()?;
        Some(ArchiveStatus {
            training_run: run.id.clone(),
            requested_at: run.requested_at,
            events: report.cleaning.read,
            people: report.people as u64,
        })
    });
    let champion = champion.zip(pointer).map(|(record, pointer)| ChampionStatus {
        id: record.id,
        created_at: record.created_at,
        promoted_at: pointer.promoted_at,
        training_run: record.training_run,
        events: sight.is_of_all().then_some(record.events),
    });
    Status {
        at: now,
        attention,
        domains,
        champion,
        last_run: runs.into_iter().next().map(|run| sight.run(run)),
        archive,
        activity: activity.into_iter().map(day_status).collect(),
        refused,
        keys: keys.into_iter().map(key_status).collect(),
    }
}

fn key_status((version, KeyVersion { left, unused_since, .. }): (u32, KeyVersion)) -> KeyStatus {
    KeyStatus { version, left, unused_since }
}

/// The last refused elements of all days and domains, newest first.
fn last_refused(days: &[DomainDay]) -> Vec<RefusedStatus> {
    let of_day = |day: &DomainDay| -> Vec<RefusedStatus> {
        let intakes =
            INTAKES.into_iter().filter_map(|name| Some((name, day.activity.intake(name)?)));
        let elements = intakes.flat_map(|(intake, of)| {
            of.last_refused.iter().map(move |element| (intake, element.clone()))
        });
        let status =
            |(intake, element)| RefusedStatus { domain: day.domain.clone(), intake, element };
        elements.map(status).collect()
    };
    let mut refused: Vec<RefusedStatus> = days.iter().flat_map(of_day).collect();
    refused.sort_by_key(|refused| std::cmp::Reverse(refused.element.at));
    refused.truncate(STATUS_REFUSED);
    refused
}

fn day_status(day: DomainDay) -> DayStatus {
    let intake = |intake: Intake| IntakeStatus {
        accepted: intake.accepted,
        duplicates: intake.duplicates,
        refused: intake.refused,
    };
    let slates = day.activity.slates;
    DayStatus {
        day: day.day,
        domain: day.domain,
        events: intake(day.activity.events),
        items: intake(day.activity.items),
        feedback: intake(day.activity.feedback),
        slates: SlatesStatus {
            served: slates.served,
            personalised: slates.personalised,
            empty: slates.empty,
            degraded: slates.degraded,
        },
        pushes: day.activity.pushes,
    }
}
