//! Training runs: the record of one attempt to make a model.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::entities::ids::{ModelId, TrainingRunId};
use crate::entities::records::{Record, RecordKind};
use crate::evidence::cleaning::CleaningLedger;
use crate::maths::als::AlsOptions;
use crate::model::manifest::ContentReference;
use crate::release::gate::{Verdict, VerdictSummary};
use crate::training::report::TrainingReport;
use crate::training::served_by::ServedBy;
use crate::training::tuning::TuningRequest;

/// Most reasons kept in a run's record; the model's record holds every check.
pub const MAX_REASONS: usize = 10;
/// Most bytes of one reason, and of why a run failed.
const MAX_REASON_BYTES: usize = 500;
/// Most bytes that a run's record takes, whatever the number of domains: far below what
/// an item of a table may hold (400 KB), so that how a run ended can always be recorded.
pub const MAX_RECORD_BYTES: usize = 16 * 1024;

/// What a run's record says of the run's report: sums, and where the rest lies.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct RunReport {
    /// The report, named by its content; none when the model was not stored, or in runs
    /// from before reports were objects of their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<ContentReference>,
    /// What cleaning kept and refused, with a few samples.
    pub cleaning: CleaningLedger,
    /// Events not used for want of consent.
    pub without_consent: u64,
    /// People with a consented event.
    pub people: usize,
    /// Rows of the joint matrix.
    pub rows: usize,
    /// Items with an event.
    pub items: usize,
    /// Entries of the joint matrix.
    pub interactions: usize,
    /// The instant that split training from held-out events; absent when the
    /// events do not spread over time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub split_at: Option<Timestamp>,
    /// Domains whose ranking was measured; like the next two, absent in runs from before
    /// reports were objects of their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domains_evaluated: Option<usize>,
    /// Directions between domains that were judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub directions_judged: Option<usize>,
    /// Directions that got a bridge.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bridges_served: Option<usize>,
    /// Domains that are served by popularity alone; the report says why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domains_by_popularity: Option<usize>,
}

impl RunReport {
    /// What a record is to say of a report that is stored as `object`, if it is.
    #[must_use]
    pub fn new(report: &TrainingReport, object: Option<ContentReference>) -> Self {
        let served = report.bridges.iter().filter(|bridge| bridge.verdict.served().is_some());
        let popular =
            report.served.values().filter(|served| matches!(served, ServedBy::Popularity(_)));
        Self {
            object,
            cleaning: report.cleaning.clone().bounded(),
            without_consent: report.without_consent,
            people: report.people,
            rows: report.rows,
            items: report.items,
            interactions: report.interactions,
            split_at: report.split_at,
            domains_evaluated: Some(report.evaluation.len()),
            directions_judged: Some(report.bridges.len()),
            bridges_served: Some(served.count()),
            domains_by_popularity: Some(popular.count()),
        }
    }
}

#[allow(clippy::trivially_copy_pass_by_ref)] // As serde calls it.
fn is_none_of(count: &usize) -> bool {
    *count == 0
}

/// A text cut to what a record holds.
fn bounded(mut text: String) -> String {
    if text.len() > MAX_REASON_BYTES {
        text.truncate(text.floor_char_boundary(MAX_REASON_BYTES));
        text.push('…');
    }
    text
}

/// Where a run stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum TrainingRunState {
    /// It was asked for and waits for a worker.
    Queued,
    /// A worker is at it.
    Running {
        /// Since when.
        started_at: Timestamp,
        /// When the worker's process is ended, whatever it is at; none of one that may take
        /// as long as it takes.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        deadline: Option<Timestamp>,
        /// Until when it waited, or waits, for what an erasure that is younger than that leaves
        /// on its way; none when there was no such erasure.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        waits_until: Option<Timestamp>,
    },
    /// Its model was published.
    Succeeded {
        /// When.
        finished_at: Timestamp,
        /// The model, now the champion.
        model: ModelId,
        /// What the run saw, and where its report lies; empty where the reader may not know.
        #[serde(default)]
        report: Box<RunReport>,
        /// The gate's verdict; absent in runs from before there was a gate.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        verdict: Option<VerdictSummary>,
        /// How many erasures are complete by it.
        #[serde(default, skip_serializing_if = "is_none_of")]
        erasures_completed: usize,
    },
    /// It made a model that the gate refused; the last champion keeps serving.
    Refused {
        /// When.
        finished_at: Timestamp,
        /// The model, kept so that a person may promote it; none when it does not verify.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        model: Option<ModelId>,
        /// Why, in words: the first [`MAX_REASONS`] of the reasons.
        reasons: Vec<String>,
        /// What the run saw, and where its report lies; empty where the reader may not know.
        #[serde(default)]
        report: Box<RunReport>,
        /// The gate's verdict.
        verdict: VerdictSummary,
    },
    /// Nothing was left to train on once people or domains were erased: the champion, which was
    /// made from them, serves no more, and no model does until there is something to train on.
    Withdrawn {
        /// When.
        finished_at: Timestamp,
        /// The champion until then, if there was one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        withdrawn: Option<ModelId>,
        /// Why, in words.
        reason: String,
        /// How many erasures are complete by it.
        #[serde(default, skip_serializing_if = "is_none_of")]
        erasures_completed: usize,
    },
    /// It ended without a model; the last champion keeps serving.
    Failed {
        /// When.
        finished_at: Timestamp,
        /// Why, in words.
        reason: String,
    },
}

impl TrainingRunState {
    /// The end of a run that made no model.
    #[must_use]
    pub fn failed(finished_at: Timestamp, reason: String) -> Self {
        Self::Failed { finished_at, reason: bounded(reason) }
    }

    /// The end of a run that found nothing left of what the champion was made from.
    #[must_use]
    pub fn withdrawn(finished_at: Timestamp, withdrawn: Option<ModelId>, reason: String) -> Self {
        let reason = bounded(reason);
        Self::Withdrawn { finished_at, withdrawn, reason, erasures_completed: 0 }
    }

    /// The same end, by which so many erasures are complete. A run that ended otherwise
    /// completes none.
    #[must_use]
    pub fn completing(mut self, erasures: usize) -> Self {
        if let Self::Succeeded { erasures_completed, .. }
        | Self::Withdrawn { erasures_completed, .. } = &mut self
        {
            *erasures_completed = erasures;
        }
        self
    }

    /// How many erasures are complete by it.
    #[must_use]
    pub fn erasures_completed(&self) -> usize {
        match self {
            Self::Succeeded { erasures_completed, .. }
            | Self::Withdrawn { erasures_completed, .. } => *erasures_completed,
            _ => 0,
        }
    }

    /// The end of a run whose model was judged. `model` is none when it does not verify.
    #[must_use]
    pub fn judged(
        finished_at: Timestamp,
        model: Option<ModelId>,
        verdict: &Verdict,
        report: RunReport,
    ) -> Self {
        let (report, summary) = (Box::new(report), VerdictSummary::from(verdict));
        match model {
            Some(model) if verdict.passed => {
                let verdict = Some(summary);
                Self::Succeeded { finished_at, model, report, verdict, erasures_completed: 0 }
            }
            model => {
                let reasons = verdict.reasons().into_iter().take(MAX_REASONS).map(bounded);
                let reasons = reasons.collect();
                Self::Refused { finished_at, model, reasons, report, verdict: summary }
            }
        }
    }

    /// What the run saw, once it has made a model.
    #[must_use]
    pub fn report(&self) -> Option<&RunReport> {
        match self {
            Self::Succeeded { report, .. } | Self::Refused { report, .. } => Some(report),
            _ => None,
        }
    }

    /// The model that was made and stored, whether the gate passed it or not.
    #[must_use]
    pub fn model(&self) -> Option<&ModelId> {
        match self {
            Self::Succeeded { model, .. } => Some(model),
            Self::Refused { model, .. } => model.as_ref(),
            _ => None,
        }
    }
}

/// One training run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrainingRun {
    /// Its identifier.
    pub id: TrainingRunId,
    /// When it was asked for.
    pub requested_at: Timestamp,
    /// Hyper-parameters; with tuning, where the search begins.
    pub options: AlsOptions,
    /// Bounds of a search for better ones, when one was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tuning: Option<TuningRequest>,
    /// Whether a model made from far fewer events than the champion may be published.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub accept_fewer_events: bool,
    /// Where it stands.
    #[serde(flatten)]
    pub state: TrainingRunState,
}

/// How long after a worker's deadline its run counts as failed: time for the trigger to be
/// delivered again, to a worker that goes on with it.
pub const ABANDONED_AFTER: SignedDuration = SignedDuration::from_mins(5);

impl TrainingRun {
    /// The run as it stands at `now`: one whose worker's time is long over has failed, though
    /// nobody was left to record it.
    #[must_use]
    pub fn as_of(mut self, now: Timestamp) -> Self {
        if let TrainingRunState::Running { deadline: Some(deadline), .. } = self.state
            && now.duration_since(deadline) > ABANDONED_AFTER
        {
            let reason = format!("its worker ended without a word; it had until {deadline}");
            self.state = TrainingRunState::failed(deadline, reason);
        }
        self
    }

    /// Whether the run has not ended yet.
    #[must_use]
    pub fn is_open(&self) -> bool {
        matches!(self.state, TrainingRunState::Queued | TrainingRunState::Running { .. })
    }
}

impl Record for TrainingRun {
    const KIND: RecordKind = "training-run";
    type Id = TrainingRunId;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entities::ids::{DomainId, EventType, ItemId};
    use crate::evidence::cleaning::{Adjustment, MAX_SAMPLES, Refusal, Sample};
    use crate::release::gate::{Check, CheckFinding, CheckOutcome};

    /// A report and a verdict of so many domains, with the longest names and samples.
    fn of_domains(domains: usize) -> (TrainingReport, Verdict) {
        let long = |number: usize| DomainId::parse(&format!("d{number:0>62}")).unwrap();
        let sample = Sample {
            domain: long(0),
            event_type: Some(EventType::parse(&"t".repeat(63)).unwrap()),
            item_id: Some(ItemId::parse(&"\"".repeat(128)).unwrap()),
        };
        let samples = vec![sample; MAX_SAMPLES];
        let mut report = TrainingReport::default();
        report.cleaning.samples =
            Refusal::ALL.into_iter().map(|reason| (reason, samples.clone())).collect();
        report.cleaning.adjusted_samples =
            [Adjustment::Value, Adjustment::Dwell].map(|kind| (kind, samples.clone())).into();
        report.cleaning.most_events_an_hour =
            (0..domains).map(|number| (long(number), u64::MAX)).collect();
        report.evaluation = (0..domains).map(|number| (long(number), Default::default())).collect();
        let checks = (0..domains).map(|number| Check {
            outcome: CheckOutcome::Failed,
            finding: CheckFinding::Items { domain: long(number), items: 1, champion: 9, erased: 0 },
        });
        let checks = checks.collect();
        (report, Verdict { passed: false, for_erasures: false, champion: None, checks })
    }

    fn run(state: TrainingRunState) -> TrainingRun {
        TrainingRun {
            id: TrainingRunId::parse(&"r".repeat(128)).unwrap(),
            requested_at: Timestamp::MAX,
            options: AlsOptions::default(),
            tuning: Some(TuningRequest::of_seconds(60.0)),
            accept_fewer_events: true,
            state,
        }
    }

    #[test]
    fn a_record_is_small_whatever_the_number_of_domains() {
        let model = ModelId::parse(&"a".repeat(64)).unwrap();
        for domains in [2, 28, 1_000] {
            let (report, verdict) = of_domains(domains);
            let object = Some(ContentReference { sha256: "b".repeat(64), bytes: u64::MAX });
            let report = RunReport::new(&report, object);
            let state =
                TrainingRunState::judged(Timestamp::MAX, Some(model.clone()), &verdict, report);
            let record = run(state);
            let json = serde_json::to_string(&record).unwrap();
            assert!(json.len() < MAX_RECORD_BYTES, "{domains} domains: {} bytes", json.len());
            assert_eq!(serde_json::from_str::<TrainingRun>(&json).unwrap(), record);
        }
        let failed = TrainingRunState::failed(Timestamp::MAX, "课".repeat(9_000));
        let json = serde_json::to_string(&run(failed)).unwrap();
        assert!(json.len() < MAX_RECORD_BYTES);
    }

    #[test]
    fn a_run_whose_worker_is_long_gone_has_failed() {
        let at = |second: i64| Timestamp::from_second(second).unwrap();
        let running =
            |deadline| TrainingRunState::Running { started_at: at(0), deadline, waits_until: None };
        let late = at(900 + ABANDONED_AFTER.as_secs());
        for (deadline, now) in [(None, Timestamp::MAX), (Some(at(900)), late)] {
            let record = run(running(deadline));
            assert_eq!(record.clone().as_of(now), record);
            assert!(record.is_open());
        }
        let failed = run(running(Some(at(900)))).as_of(late + SignedDuration::from_secs(1));
        assert!(!failed.is_open());
        let TrainingRunState::Failed { finished_at, .. } = failed.state else {
            panic!("{failed:?}");
        };
        assert_eq!(finished_at, at(900));
        let ended = run(TrainingRunState::failed(at(1), "no events".into()));
        assert_eq!(ended.clone().as_of(Timestamp::MAX), ended);
    }

    #[test]
    fn a_record_from_before_reports_were_objects_is_read() {
        let json = serde_json::json!({
            "id": "run", "requested_at": "2026-01-01T00:00:00Z", "options": {},
            "status": "succeeded", "finished_at": "2026-01-01T00:01:00Z", "model": "a".repeat(64),
            "report": {
                "cleaning": { "read": 3, "kept": 2, "refused": { "robot": 1 } },
                "without_consent": 0, "people": 2, "rows": 2, "items": 2, "interactions": 2,
                "evaluation": { "knowledge": { "people": 2 } }, "bridges": [],
            },
            "verdict": { "passed": true, "checks": [{ "outcome": "passed", "check": "artefact" }] },
        });
        let run: TrainingRun = serde_json::from_value(json).unwrap();
        let report = run.state.report().unwrap();
        assert_eq!((report.cleaning.kept, &report.object), (2, &None));
        // What such a record does not say is not made up.
        assert_eq!((report.domains_evaluated, report.bridges_served), (None, None));
        let TrainingRunState::Succeeded { verdict: Some(verdict), .. } = run.state else {
            panic!("it succeeded");
        };
        assert!(verdict.passed);
        assert_eq!((verdict.checks_passed, verdict.checks_failed), (None, None));
    }
}
