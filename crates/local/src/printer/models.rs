//! Models: as a list, on one line, in full.

use std::fmt::{self, Display};

use crossfold_core::entities::counted::of;
use crossfold_core::release::champion::Promoter;
use crossfold_core::release::gate::{Check, CheckFinding};
use crossfold_core::release::record::{ModelRecord, ModelState};
use crossfold_registry::listing::ListedModel;
use serde::Serialize;
use serde_json::Value;

use crate::answers::ModelAnswer;

/// The metric that a line shows of each domain.
const METRIC: &str = "ndcg@20";

/// Models, one a line.
pub(crate) struct ModelTable<'a>(pub(crate) &'a [ListedModel]);

impl Display for ModelTable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            writeln!(f, "there is no model yet: crossfold train makes one")?;
        }
        self.0.iter().try_for_each(|model| ModelLine(model).fmt(f))
    }
}

/// Where a model stands, which it is, when it was made, how well it ranks.
pub(crate) struct ModelLine<'a>(pub(crate) &'a ListedModel);

impl Display for ModelLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_line(f, self.0.state, &self.0.record)
    }
}

fn write_line(f: &mut fmt::Formatter<'_>, state: ModelState, record: &ModelRecord) -> fmt::Result {
    let domains = record.metrics.iter();
    let figures: Vec<String> = domains
        .filter_map(|(domain, of)| Some(format!("{domain} {:.4}", of.metrics.get(METRIC)?)))
        .collect();
    let figures = if figures.is_empty() { "not measured".to_owned() } else { figures.join(", ") };
    let (state, ModelRecord { id, created_at, .. }) = (api_name(&state), record);
    writeln!(f, "{state:<9}  {id}  {created_at}  {METRIC}: {figures}")
}

/// A model's line, then the gate's checks, its promotions, and drift.
pub(crate) struct ModelDetails<'a>(pub(crate) &'a ModelAnswer);

impl Display for ModelDetails<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ModelAnswer { state, record, promotions, drift } = self.0;
        write_line(f, *state, record)?;
        write!(f, "made by the run {}", record.training_run)?;
        match record.events {
            // Who does not act for every domain is not told.
            0 => writeln!(f)?,
            events => writeln!(f, " from {}", of(events, "event"))?,
        }
        for check in record.verdict.iter().flat_map(|verdict| &verdict.checks) {
            write_check(f, check)?;
        }
        for promotion in promotions {
            let by = match promotion.by {
                Promoter::TrainingRun { .. } => "training_run",
                Promoter::Caller { .. } => "caller",
            };
            match &promotion.to {
                Some(to) => writeln!(f, "  {} promoted {to} (by {by})", promotion.at)?,
                None => writeln!(f, "  {} withdrawn (by {by})", promotion.at)?,
            }
        }
        for (domain, drift) in drift.iter().flat_map(|drift| &drift.domains) {
            let status = api_name(&drift.status);
            let events = of(drift.events, "event");
            writeln!(f, "  inputs of {domain}: {status} ({events})")?;
        }
        Ok(())
    }
}

fn write_check(f: &mut fmt::Formatter<'_>, check: &Check) -> fmt::Result {
    let (name, domain) = match &check.finding {
        CheckFinding::Artefact { .. } => ("artefact", None),
        CheckFinding::Popularity { domain, .. } => ("popularity", Some(domain)),
        CheckFinding::Champion { domain, .. } => ("champion", Some(domain)),
        CheckFinding::Items { domain, .. } => ("items", Some(domain)),
        CheckFinding::Events { .. } => ("events", None),
    };
    let (outcome, figures) = (api_name(&check.outcome), check.finding.comparison());
    let domain = domain.map_or("", |domain| domain.as_str());
    writeln!(f, "  {outcome:<10}  {name:<10} {domain} {figures}")
}

/// What the API calls a value that has no fields.
fn api_name(value: &impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(Value::String(name)) => name,
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::answers::read;

    fn id(digit: &str) -> String {
        digit.repeat(64)
    }

    fn answer() -> Value {
        json!({
            "id": id("a"), "state": "champion", "created_at": "2026-06-01T00:00:00Z",
            "training_run": "run-1", "events": 1234,
            "domains": [{"domain": "knowledge", "items": 3, "people": 40}],
            "options": {"factors": 4, "iterations": 3, "unobserved_weight": 0.3,
                        "regularisation": 0.03, "frequency_exponent": 1.0, "seed": 1,
                        "solver": "mixed"},
            "metrics": {"knowledge": {"people": 40, "metrics": {"ndcg@20": 0.25},
                                      "popularity": {"ndcg@20": 0.125}}},
            "verdict": {"passed": true, "checks": [
                {"outcome": "passed", "check": "artefact"},
                {"outcome": "passed", "check": "popularity", "domain": "knowledge", "people": 40,
                 "popularity": 0.125, "difference": {"mean": 0.125, "low": -0.01, "high": 0.26}},
                {"outcome": "unresolved", "check": "champion", "domain": "knowledge", "people": 7},
                {"outcome": "passed", "check": "champion", "domain": "travel", "people": 40,
                 "basis": "seen", "champion": 0.5, "tolerated": -0.005,
                 "difference": {"mean": 0.125, "low": 0.01, "high": 0.26}},
                {"outcome": "failed", "check": "items", "domain": "knowledge", "items": 1, "champion": 9},
                {"outcome": "passed", "check": "events", "events": 1234, "champion": 1000,
                 "accepted": false},
            ]},
            "blob": {"sha256": id("b"), "bytes": 10},
            "manifest": null,
            "promotions": [
                {"at": "2026-06-02T00:00:00Z", "by": {"kind": "training_run", "id": "run-1"}, "to": id("a")},
                {"at": "2026-06-01T12:00:00Z", "by": {"kind": "caller", "caller": "token", "scope": "training:write"},
                 "to": id("c")},
            ],
            "drift": {"model": id("a"), "until": "2026-06-03T00:00:00Z", "days": 7, "domains": {
                "knowledge": {"status": "stable", "events": 321, "people": 12, "new_items": 0.0},
            }},
        })
    }

    #[test]
    fn a_model_in_full_shows_its_checks_promotions_and_drift() {
        let expected = format!(
            "champion   {a}  2026-06-01T00:00:00Z  ndcg@20: knowledge 0.2500\n\
             made by the run run-1 from 1234 events\n\
             \x20 passed      artefact    \n\
             \x20 passed      popularity knowledge +0.1250 [-0.0100, +0.2600] (40 people)\n\
             \x20 unresolved  champion   knowledge not measured (7 people)\n\
             \x20 passed      champion   travel +0.1250 [+0.0100, +0.2600] (40 people), both made from what was to be found\n\
             \x20 failed      items      knowledge \n\
             \x20 passed      events      \n\
             \x20 2026-06-02T00:00:00Z promoted {a} (by training_run)\n\
             \x20 2026-06-01T12:00:00Z promoted {c} (by caller)\n\
             \x20 inputs of knowledge: stable (321 events)\n",
            a = id("a"),
            c = id("c"),
        );
        let model: ModelAnswer = read(answer()).unwrap();
        assert_eq!(ModelDetails(&model).to_string(), expected);
    }

    #[test]
    fn a_list_has_a_line_for_each_model_and_says_when_there_is_none() {
        let empty = "there is no model yet: crossfold train makes one\n";
        assert_eq!(ModelTable(&[]).to_string(), empty);
        let mut unmeasured = answer();
        unmeasured["metrics"] = json!({});
        unmeasured["state"] = json!("candidate");
        let models: Vec<ListedModel> = read(json!([answer(), unmeasured])).unwrap();
        let expected = format!(
            "champion   {a}  2026-06-01T00:00:00Z  ndcg@20: knowledge 0.2500\n\
             candidate  {a}  2026-06-01T00:00:00Z  ndcg@20: not measured\n",
            a = id("a"),
        );
        assert_eq!(ModelTable(&models).to_string(), expected);
    }
}
