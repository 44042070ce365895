//! What needs a person: whatever keeps the system from serving as well as it could, the
//! most urgent first, as codes with what they are about and in words.

use std::collections::BTreeMap;
use std::fmt;

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::entities::activity::{DomainDay, INTAKES, day_of};
use crate::entities::counted::{of, were};
use crate::entities::ids::{DomainId, ModelId, TrainingRunId};
use crate::evidence::cleaning::Refusal;
use crate::maths::bootstrap::Interval;
use crate::model::bridges::Direction;
use crate::release::record::ModelRecord;
use crate::release::run::{TrainingRun, TrainingRunState};
use crate::training::bridging::gate::{DirectionReport, DirectionVerdict};
use crate::training::drift::{DriftReport, DriftStatus};

/// The code of events that are refused because their user was erased: nothing to mend.
const AS_IT_SHOULD_BE: &str = "erased_user";
/// From this age on a model is called stale: people and catalogues change by the week.
pub const STALE_AFTER: SignedDuration = SignedDuration::from_hours(7 * 24);
/// How far back refusals and degraded answers count: what was mended before is past.
pub const LOOK_BACK_DAYS: i64 = 1;
/// Directions without a bridge that are told of; a model's report has them all.
pub const MAX_DIRECTIONS: usize = 20;

/// One thing that needs a person.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "code", rename_all = "snake_case")]
pub enum Attention {
    /// No domain is defined: nothing can be sent.
    NoDomain,
    /// There is no model: what is served is not personal.
    NoModel,
    /// The newest run made no model.
    RunFailed {
        /// The run.
        run: TrainingRunId,
        /// When it ended.
        at: Timestamp,
        /// Why.
        reason: String,
    },
    /// The newest run's model was refused by the gate; the one before serves on.
    ModelRefused {
        /// The run.
        run: TrainingRunId,
        /// When it ended.
        at: Timestamp,
        /// The model, if it was kept.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        model: Option<ModelId>,
        /// Why.
        reasons: Vec<String>,
    },
    /// The newest run's model serves although the gate refused it: an erasure had waited for
    /// too long, and the model before knew the person.
    PromotedForErasures {
        /// The run.
        run: TrainingRunId,
        /// When it ended.
        at: Timestamp,
        /// The model.
        model: ModelId,
    },
    /// Nobody who was not erased was left to train on: the champion was withdrawn.
    ModelWithdrawn {
        /// The run.
        run: TrainingRunId,
        /// When it ended.
        at: Timestamp,
        /// Why.
        reason: String,
    },
    /// The champion is old.
    StaleModel {
        /// The champion.
        model: ModelId,
        /// When it was made.
        created_at: Timestamp,
        /// Its age in whole days.
        days: i64,
    },
    /// What comes in for a domain no longer looks like what the champion was made from.
    Drifted {
        /// The domain.
        domain: DomainId,
        /// The largest population stability index.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        index: Option<f64>,
    },
    /// Something that was accepted cannot be read, and lies aside: no model learns from it
    /// until it is redriven.
    SetAside {
        /// Files of the archive.
        files: u64,
        /// Stream records that could not be archived.
        records: u64,
    },
    /// Answers were degraded.
    Degraded {
        /// What was missing, by its code.
        reason: String,
        /// Answers, since yesterday.
        slates: u64,
        /// Of so many.
        served: u64,
    },
    /// Elements that were posted were refused.
    Refused {
        /// What was posted: `events`, `items` or `feedback`.
        intake: String,
        /// Why, by its code.
        reason: String,
        /// Elements, since yesterday.
        elements: u64,
    },
    /// Events that the newest run left out when it cleaned.
    LeftOut {
        /// Why.
        reason: Refusal,
        /// Events.
        events: u64,
        /// Of so many.
        read: u64,
    },
    /// A direction has no bridge: it did not help beyond doubt, or too few people could tell.
    NoBridge {
        /// The direction.
        #[serde(flatten)]
        direction: Direction,
        /// People with history in both domains.
        people: usize,
        /// The least advantage over what could be served without it, in NDCG@20, of the
        /// best candidate; absent when too few people could tell.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        gain: Option<Interval>,
    },
}

/// What is known of a system.
#[derive(Debug, Clone, Copy)]
pub struct Observed<'a> {
    /// Now.
    pub now: Timestamp,
    /// How many domains are defined.
    pub domains: usize,
    /// The champion's record.
    pub champion: Option<&'a ModelRecord>,
    /// The last runs, newest first.
    pub runs: &'a [TrainingRun],
    /// The directions that were judged when the champion was made.
    pub bridges: &'a [DirectionReport],
    /// What came in of late against what the champion was made from.
    pub drift: Option<&'a DriftReport>,
    /// What came in and went out of late.
    pub activity: &'a [DomainDay],
    /// Files that lie aside because they cannot be read.
    pub files_set_aside: u64,
    /// Stream records that lie aside because they could not be archived.
    pub records_set_aside: u64,
}

/// What needs a person, the most urgent first.
#[must_use]
pub fn attention(observed: Observed<'_>) -> Vec<Attention> {
    let mut found = Vec::new();
    if observed.domains == 0 {
        found.push(Attention::NoDomain);
    }
    if observed.champion.is_none() {
        found.push(Attention::NoModel);
    }
    found.extend(last_end(observed));
    found.extend(observed.champion.and_then(|champion| stale(champion, observed.now)));
    let (files, records) = (observed.files_set_aside, observed.records_set_aside);
    if files + records > 0 {
        found.push(Attention::SetAside { files, records });
    }
    found.extend(drifted(observed.drift));
    found.extend(of_activity(observed));
    found.extend(left_out(observed.runs));
    found.extend(observed.bridges.iter().filter_map(without_bridge).take(MAX_DIRECTIONS));
    found
}

/// The newest run that has ended, if it ended badly and its model does not serve by now.
fn last_end(observed: Observed<'_>) -> Option<Attention> {
    let has_ended = |run: &&TrainingRun| {
        !matches!(run.state, TrainingRunState::Queued | TrainingRunState::Running { .. })
    };
    let run = observed.runs.iter().find(has_ended)?;
    match &run.state {
        TrainingRunState::Failed { finished_at, reason } => Some(Attention::RunFailed {
            run: run.id.clone(),
            at: *finished_at,
            reason: reason.clone(),
        }),
        TrainingRunState::Refused { finished_at, model, reasons, .. } => {
            let serves = observed.champion.map(|champion| &champion.id) == model.as_ref();
            (!serves).then(|| Attention::ModelRefused {
                run: run.id.clone(),
                at: *finished_at,
                model: model.clone(),
                reasons: reasons.clone(),
            })
        }
        TrainingRunState::Succeeded { finished_at, model, verdict: Some(verdict), .. }
            if verdict.for_erasures =>
        {
            let serves = observed.champion.is_some_and(|champion| champion.id == *model);
            serves.then(|| Attention::PromotedForErasures {
                run: run.id.clone(),
                at: *finished_at,
                model: model.clone(),
            })
        }
        TrainingRunState::Withdrawn { finished_at, reason, .. } => {
            observed.champion.is_none().then(|| Attention::ModelWithdrawn {
                run: run.id.clone(),
                at: *finished_at,
                reason: reason.clone(),
            })
        }
        _ => None,
    }
}

fn stale(champion: &ModelRecord, now: Timestamp) -> Option<Attention> {
    let age = now.duration_since(champion.created_at);
    (age >= STALE_AFTER).then(|| Attention::StaleModel {
        model: champion.id.clone(),
        created_at: champion.created_at,
        days: age.as_hours() / 24,
    })
}

fn drifted(drift: Option<&DriftReport>) -> impl Iterator<Item = Attention> {
    let domains = drift.into_iter().flat_map(|drift| &drift.domains);
    domains.filter(|(_, drift)| drift.status == DriftStatus::Drifted).map(|(domain, drift)| {
        Attention::Drifted { domain: domain.clone(), index: drift.largest() }
    })
}

/// Degraded answers and refused elements since yesterday. Answers without a model are told
/// of as long as there is none.
fn of_activity(observed: Observed<'_>) -> Vec<Attention> {
    let first: Date = day_of(observed.now)
        .checked_sub(SignedDuration::from_hours(24 * LOOK_BACK_DAYS))
        .unwrap_or(Date::MIN);
    let recent = || observed.activity.iter().filter(|day| day.day >= first);
    let served = recent().map(|day| day.activity.slates.served).sum();
    let mut degraded: BTreeMap<&String, u64> = BTreeMap::new();
    for (code, count) in recent().flat_map(|day| &day.activity.slates.degraded) {
        *degraded.entry(code).or_default() += count;
    }
    degraded.retain(|code, _| *code != "no_model");
    let degraded = degraded.into_iter().map(|(code, slates)| Attention::Degraded {
        reason: code.clone(),
        slates,
        served,
    });
    let mut found: Vec<Attention> = degraded.collect();
    for intake in INTAKES {
        let mut refused: BTreeMap<&String, u64> = BTreeMap::new();
        let days = recent().filter_map(|day| day.activity.intake(intake));
        let all = days.flat_map(|day| &day.refused);
        for (code, count) in all.filter(|(code, _)| *code != AS_IT_SHOULD_BE) {
            *refused.entry(code).or_default() += count;
        }
        found.extend(refused.into_iter().map(|(code, elements)| Attention::Refused {
            intake: intake.to_owned(),
            reason: code.clone(),
            elements,
        }));
    }
    found
}

/// What the newest run that read the archive left out. A duplicate is nothing lost.
fn left_out(runs: &[TrainingRun]) -> Vec<Attention> {
    let Some(report) = runs.iter().find_map(|run| run.state.report()) else { return Vec::new() };
    let cleaning = &report.cleaning;
    let refused = cleaning.refused.iter();
    refused
        .filter(|(reason, events)| **reason != Refusal::Duplicate && **events > 0)
        .map(|(reason, events)| Attention::LeftOut {
            reason: *reason,
            events: *events,
            read: cleaning.read,
        })
        .collect()
}

fn without_bridge(report: &DirectionReport) -> Option<Attention> {
    let gain = match report.verdict {
        DirectionVerdict::NotBetter { .. } => least_gain(report),
        DirectionVerdict::TooFewPeople { .. } | DirectionVerdict::NothingFitted => None,
        DirectionVerdict::Passed { .. } => return None,
    };
    let (direction, people) = (report.direction.clone(), report.people);
    Some(Attention::NoBridge { direction, people, gain })
}

/// The advantage of the chosen candidate over the better of what could be served without it.
fn least_gain(report: &DirectionReport) -> Option<Interval> {
    let DirectionVerdict::NotBetter { chosen } = report.verdict else { return None };
    let figures = report.candidates.iter().find(|figures| figures.candidate == chosen)?;
    let both = [figures.over_popularity, figures.over_target_only];
    both.into_iter().min_by(|a, b| a.low.total_cmp(&b.low))
}

impl fmt::Display for Attention {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoDomain => write!(f, "no domain is defined yet"),
            Self::NoModel => write!(f, "there is no model: nobody is served personally"),
            Self::RunFailed { at, reason, .. } => {
                write!(f, "the training run that ended at {at} made no model: {reason}")
            }
            Self::ModelRefused { at, reasons, .. } => {
                write!(f, "the model of {at} was refused: {}", reasons.join("; "))
            }
            Self::PromotedForErasures { at, .. } => write!(
                f,
                "the model of {at} serves although it was refused: erasures had waited for it"
            ),
            Self::ModelWithdrawn { at, reason, .. } => {
                write!(f, "the model was withdrawn at {at}: {reason}")
            }
            Self::StaleModel { days, .. } => write!(f, "the model is {days} days old"),
            Self::Drifted { domain, .. } => write!(
                f,
                "{domain}: what comes in no longer looks like what the model was made from"
            ),
            Self::SetAside { files, records } => write!(
                f,
                "{} and {} cannot be read and were set aside",
                of(*files, "archived file"),
                of(*records, "record")
            ),
            Self::Degraded { reason, slates, served } => {
                write!(f, "{slates} of {served} answers were degraded: {reason}")
            }
            Self::Refused { intake, reason, elements } => match intake.strip_suffix('s') {
                Some(one) => write!(f, "{} refused: {reason}", were(*elements, one)),
                None => write!(f, "{} refused: {reason}", were(*elements, "outcome")),
            },
            Self::LeftOut { reason, events, read } => {
                let was = if *events == 1 { "was" } else { "were" };
                let reason = reason.as_str();
                write!(f, "{events} of {read} events {was} left out of training: {reason}")
            }
            Self::NoBridge { direction: Direction { from, to }, people, gain: None } => {
                let are = if *people == 1 { "is" } else { "are" };
                let people = of(*people as u64, "person");
                write!(f, "{from} -> {to}: no bridge, {people} with both {are} too few to tell")
            }
            Self::NoBridge { direction: Direction { from, to }, gain: Some(gain), .. } => write!(
                f,
                "{from} -> {to}: no bridge, {:+.4} [{:+.4}, {:+.4}] is not better beyond doubt",
                gain.mean, gain.low, gain.high
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::entities::activity::{Activity, RefusedElement};
    use crate::release::record::tests::record;

    fn run(state: serde_json::Value) -> TrainingRun {
        let mut run = json!({
            "id": "run", "requested_at": "2026-01-01T00:00:00Z", "options": {},
        });
        run.as_object_mut().unwrap().extend(state.as_object().unwrap().clone());
        serde_json::from_value(run).unwrap()
    }

    fn nothing_known(now: i64) -> Observed<'static> {
        Observed {
            now: Timestamp::from_second(now).unwrap(),
            domains: 1,
            champion: None,
            runs: &[],
            bridges: &[],
            drift: None,
            activity: &[],
            files_set_aside: 0,
            records_set_aside: 0,
        }
    }

    fn codes(observed: Observed<'_>) -> Vec<String> {
        let code = |attention: &Attention| {
            assert!(!attention.to_string().is_empty());
            let json = serde_json::to_value(attention).unwrap();
            assert_eq!(&serde_json::from_value::<Attention>(json.clone()).unwrap(), attention);
            json["code"].as_str().unwrap().to_owned()
        };
        attention(observed).iter().map(code).collect()
    }

    #[test]
    fn one_of_something_is_told_in_the_singular() {
        let refused = |intake: &str, elements| {
            let (intake, reason) = (intake.to_owned(), "unknown_type".to_owned());
            Attention::Refused { intake, reason, elements }.to_string()
        };
        assert_eq!(refused("events", 1), "1 event was refused: unknown_type");
        assert_eq!(refused("items", 2), "2 items were refused: unknown_type");
        assert_eq!(refused("feedback", 1), "1 outcome was refused: unknown_type");
    }

    #[test]
    fn a_system_that_does_well_needs_nobody() {
        let champion = record(1_000);
        let observed = Observed { champion: Some(&champion), ..nothing_known(2_000) };
        assert_eq!(codes(observed), [""; 0]);
        let aside = Observed { files_set_aside: 1, ..observed };
        assert_eq!(codes(aside), ["set_aside"]);
        assert!(attention(aside)[0].to_string().starts_with("1 archived file and 0 records"));
        let empty = Observed { domains: 0, ..nothing_known(0) };
        assert_eq!(codes(empty), ["no_domain", "no_model"]);
    }

    #[test]
    fn what_erasures_did_to_the_model_is_told() {
        let champion = record(1_000);
        let forced = run(json!({
            "status": "succeeded", "finished_at": "2026-01-01T00:00:00Z", "model": champion.id,
            "verdict": {"passed": true, "for_erasures": true},
        }));
        let runs = [forced];
        let observed = Observed { champion: Some(&champion), runs: &runs, ..nothing_known(2_000) };
        assert_eq!(codes(observed), ["promoted_for_erasures"]);
        let runs = [run(json!({
            "status": "withdrawn", "finished_at": "2026-01-01T00:00:00Z", "reason": "nobody left",
        }))];
        let observed = Observed { runs: &runs, ..nothing_known(2_000) };
        assert_eq!(codes(observed), ["no_model", "model_withdrawn"]);
        let promoted = Observed { champion: Some(&champion), ..observed };
        assert_eq!(codes(promoted), [""; 0]);
    }

    #[test]
    fn the_newest_run_that_ended_is_told_of_and_an_old_champion_is_stale() {
        let champion = record(1_000);
        let waiting = run(json!({"status": "queued"}));
        let failed = run(json!({
            "status": "failed", "finished_at": "2026-01-01T00:00:00Z", "reason": "no events",
        }));
        let runs = [waiting, failed.clone()];
        let day = 24 * 3_600;
        let observed =
            Observed { champion: Some(&champion), runs: &runs, ..nothing_known(1_000 + 7 * day) };
        assert_eq!(codes(observed), ["run_failed", "stale_model"]);
        let refused = run(json!({
            "status": "refused", "finished_at": "2026-01-01T00:00:00Z", "model": champion.id,
            "reasons": ["worse"], "verdict": {"passed": false},
            "report": {
                "cleaning": {"read": 9, "kept": 4, "refused": {"robot": 3, "duplicate": 2}},
                "without_consent": 0, "people": 2, "rows": 2, "items": 2, "interactions": 2,
            },
        }));
        let runs = [refused, failed];
        let observed = Observed { runs: &runs, ..nothing_known(2_000) };
        assert_eq!(codes(observed), ["no_model", "model_refused", "left_out"]);
        // A person promoted it since.
        let observed = Observed { champion: Some(&champion), ..observed };
        assert_eq!(codes(observed), ["left_out"]);
    }

    #[test]
    fn refusals_and_degraded_answers_since_yesterday_are_summed_over_domains() {
        let now: Timestamp = "2026-06-10T08:00:00Z".parse().unwrap();
        let mut activity = Activity::default();
        activity.slates.served = 5;
        activity.slates.degraded =
            [("stale_catalogue".to_owned(), 2), ("no_model".to_owned(), 1)].into();
        activity.events.refuse(RefusedElement::new(now, 0, "invalid_id", "why"));
        let on = |day: &str, domain: &str| DomainDay {
            day: day.parse().unwrap(),
            domain: DomainId::parse(domain).unwrap(),
            activity: activity.clone(),
        };
        let days = [on("2026-06-08", "a"), on("2026-06-09", "a"), on("2026-06-10", "b")];
        let champion = record(now.as_second());
        let observed =
            Observed { now, champion: Some(&champion), activity: &days, ..nothing_known(0) };
        let degraded =
            Attention::Degraded { reason: "stale_catalogue".into(), slates: 4, served: 10 };
        let refused = Attention::Refused {
            intake: "events".into(),
            reason: "invalid_id".into(),
            elements: 2,
        };
        assert_eq!(attention(observed), [degraded, refused]);
    }

    #[test]
    fn a_direction_without_a_bridge_is_told_with_the_gain_that_was_not_enough() {
        let interval = |mean: f64| json!({"mean": mean, "low": mean - 0.1, "high": mean + 0.1});
        let report = |verdict: serde_json::Value| -> DirectionReport {
            let mut report = json!({
                "from": "a", "to": "b", "people": 30, "choosing_people": 12, "judging_people": 18,
                "popularity": 0.1, "target_only": 0.1,
                "candidates": [{
                    "candidate": {"kind": "joint", "source_weight": 1.0}, "choosing": 0.1,
                    "judging": interval(0.2), "over_popularity": interval(0.09),
                    "over_target_only": interval(0.05), "without_look_alikes": 0.1,
                }],
            });
            report.as_object_mut().unwrap().extend(verdict.as_object().unwrap().clone());
            serde_json::from_value(report).unwrap()
        };
        let chosen = json!({"kind": "joint", "source_weight": 1.0});
        let bridges = [
            report(json!({"verdict": "passed", "chosen": chosen})),
            report(json!({"verdict": "not_better", "chosen": chosen})),
            report(json!({"verdict": "too_few_people", "needed": 15})),
        ];
        let champion = record(1_000);
        let observed =
            Observed { champion: Some(&champion), bridges: &bridges, ..nothing_known(1_000) };
        let told = attention(observed);
        let [
            Attention::NoBridge { gain: Some(gain), people: 30, .. },
            Attention::NoBridge { gain: None, .. },
        ] = &told[..]
        else {
            panic!("{told:?}");
        };
        assert!((gain.mean - 0.05).abs() < 1e-12);
    }
}
