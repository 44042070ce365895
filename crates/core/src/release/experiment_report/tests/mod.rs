//! Reports of records that are made up.

mod any_order;
mod counting;
mod learnt_shares;
mod verdicts;

use serde_json::{Value, json};

use crate::entities::decision::{Decision, Outcome, OutcomeKind};
use crate::entities::event::Event;
use crate::entities::experiment::lifecycle::{Experiment, ExperimentState};
use crate::entities::ids::{ExperimentId, RecommendationId};
use crossfold_testing::{at, domain, event_id, event_type, item, user};

use super::acts::Acts;
use super::exposures::ExposureReader;
use super::observations::Observations;
use super::report::{ExperimentReport, MetricReport, VariantReport};
use super::shard::Shard;
use super::study::Study;

/// Seconds of a day.
pub(super) const DAY: i64 = 86_400;
/// When reports are made of, unless a test says otherwise.
pub(super) const NOW: i64 = 200 * DAY;

/// A running experiment of `knowledge` with two variants and the metric `clickers`, and what
/// else its definition has.
pub(super) fn experiment(changed: Value) -> Experiment {
    let mut definition = json!({
        "traffic": 1,
        "variants": [{"variant": "control", "share": 0.5}, {"variant": "diverse", "share": 0.5}],
        "metrics": [{"metric": "clickers", "kind": "conversion", "of": {"outcome": "click"}}],
        "primary": "clickers", "past_days": 0,
    });
    for (name, value) in changed.as_object().unwrap() {
        definition[name] = value.clone();
    }
    let definition: crate::entities::experiment::ExperimentDefinition =
        serde_json::from_value(definition).unwrap();
    definition.check().unwrap();
    let name = ExperimentId::parse("more-diverse").unwrap();
    let mut made = Experiment::draft((domain("knowledge"), 0), name, definition, at(0));
    made.state = ExperimentState::Running;
    made
}

/// What is archived.
#[derive(Debug, Clone, Default)]
pub(super) struct Archive {
    pub(super) decisions: Vec<Decision>,
    pub(super) outcomes: Vec<Outcome>,
    pub(super) events: Vec<Event>,
}

impl Archive {
    /// A slate of a user, made by a variant of the experiment at a second: `control`, `diverse!`.
    pub(super) fn slate(
        &mut self,
        of: &str,
        id: &str,
        variant: &str,
        second: i64,
    ) -> &mut Decision {
        self.decisions.push(Decision {
            recommendation_id: RecommendationId::parse(id).unwrap(),
            user: user(of),
            domain: domain("knowledge"),
            placement: None,
            decided_at: at(second),
            model: None,
            policy: "p".to_owned(),
            variant: (!variant.is_empty())
                .then(|| format!("more-diverse:{variant}").parse().unwrap()),
            seed: 0,
            personalised: false,
            degraded: Vec::new(),
            slate: Vec::new(),
            lives: Default::default(),
            basis: None,
        });
        self.decisions.last_mut().unwrap()
    }

    /// A click on a slate, whose feedback has an id, at a second.
    pub(super) fn click(&mut self, of: &str, slate: &str, id: &str, second: i64) -> &mut Outcome {
        self.outcomes.push(Outcome {
            feedback_id: event_id(id),
            recommendation_id: RecommendationId::parse(slate).unwrap(),
            user: user(of),
            kind: OutcomeKind::Click,
            domain: domain("auto"),
            item_id: item("i"),
            occurred_at: at(second),
            received_at: None,
        });
        self.outcomes.last_mut().unwrap()
    }

    /// An event of a user, of the type `buy`, worth so much.
    pub(super) fn buy(&mut self, of: &str, id: &str, second: i64, value: &str) -> &mut Event {
        self.events.push(Event {
            event_id: event_id(id),
            user: user(of),
            event_type: event_type("buy"),
            value: Some(value.parse().unwrap()),
            ..crossfold_testing::event_at(second)
        });
        self.events.last_mut().unwrap()
    }

    pub(super) fn observed(&self, study: &Study<'_>, shards: u32) -> Observations {
        let mut observations = Observations::none(study);
        for shard in Shard::all(shards) {
            let mut reader = ExposureReader::new(study, shard);
            self.decisions.iter().for_each(|decision| reader.add(decision));
            let mut acts = Acts::new(study, reader.finish());
            self.events.iter().for_each(|event| acts.add_event(event));
            self.decisions.iter().for_each(|decision| acts.add_decision(decision));
            self.outcomes.iter().for_each(|outcome| acts.add_outcome(outcome));
            observations.merge(&acts.finish());
        }
        observations
    }

    pub(super) fn report(&self, experiment: &Experiment, now: i64) -> ExperimentReport {
        let study = Study::new(experiment, at(now));
        ExperimentReport::of(&study, &self.observed(&study, 1))
    }
}

/// A metric of a report with its only variant beside the control.
pub(super) fn metric<'a>(
    report: &'a ExperimentReport,
    name: &str,
) -> (&'a MetricReport, &'a VariantReport) {
    let found = report.metrics.iter().find(|metric| metric.metric.as_str() == name).unwrap();
    (found, &found.variants[0])
}

/// The sum of a metric over the users of the control and of the other variant, of whom there are
/// any.
pub(super) fn sums(report: &ExperimentReport, name: &str) -> (f64, f64) {
    let (control, variant) = metric(report, name);
    let sum = |users: u64, mean: Option<f64>| users as f64 * mean.unwrap_or(0.0);
    (sum(control.control.users, control.control.mean), sum(variant.users, variant.mean))
}
