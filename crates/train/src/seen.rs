//! What of runs and models a caller is told: of its own domains, and what is over all of
//! them only if it acts for all. A platform would else learn from a sum, less what it
//! knows of itself, how many people and events the others have, and that they are there.

use crossfold_core::entities::ids::DomainId;
use crossfold_core::entities::ports::{RecordStore, StoreResult};
use crossfold_core::model::Manifest;
use crossfold_core::model::bridges::Direction;
use crossfold_core::release::gate::{CheckFinding, VerdictSummary};
use crossfold_core::release::record::ModelRecord;
use crossfold_core::release::run::{RunReport, TrainingRun, TrainingRunState};
use crossfold_core::training::drift::DriftReport;
use crossfold_core::training::report::TrainingReport;
use crossfold_edge::caller::Caller;
use crossfold_storage::definition_reader::definitions;
use serde::Serialize;
use serde_json::Value;

/// In the place of why a run failed, which tells of all that was read.
const UNTOLD: &str = "who acts for every domain is told why";

/// What a caller may know.
pub(crate) struct Sight<'a> {
    caller: &'a Caller,
    /// Whether it acts for every domain that is defined.
    is_of_all: bool,
}

/// An answer, as it is or without what the caller may not know.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum Seen<T> {
    Whole(T),
    Part(Value),
}

impl<T: Serialize> Seen<T> {
    /// The rest of an answer, by its JSON, of which members may be missing.
    fn part(answer: &T, without: &[&str]) -> Self {
        let mut json = json_of(answer);
        remove(&mut json, without);
        Self::Part(json)
    }
}

/// The JSON of an answer, whose numbers keep the digits that they are written with.
fn json_of(answer: &impl Serialize) -> Value {
    let text = serde_json::to_string(answer).unwrap_or_default();
    serde_json::from_str(&text).unwrap_or_default()
}

fn remove(json: &mut Value, members: &[&str]) {
    if let Some(object) = json.as_object_mut() {
        object.retain(|member, _| !members.contains(&member.as_str()));
    }
}

impl<'a> Sight<'a> {
    /// What a caller may know by the domains that are defined now.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) async fn of(records: &dyn RecordStore, caller: &'a Caller) -> StoreResult<Self> {
        if caller.acts_for_all() {
            return Ok(Self { caller, is_of_all: true });
        }
        Ok(Self::among(caller, definitions(records).await?.keys()))
    }

    /// What a caller may know where these domains are defined.
    pub(crate) fn among<'d>(
        caller: &'a Caller,
        defined: impl ExactSizeIterator<Item = &'d DomainId>,
    ) -> Self {
        let is_empty = defined.len() == 0;
        let of_each = defined.into_iter().all(|domain| caller.acts_for(domain));
        Self { caller, is_of_all: caller.acts_for_all() || (!is_empty && of_each) }
    }

    /// Whether the caller may know what is over all domains.
    pub(crate) fn is_of_all(&self) -> bool {
        self.is_of_all
    }

    /// Whether the caller acts for a domain.
    pub(crate) fn has(&self, domain: &DomainId) -> bool {
        self.caller.acts_for(domain)
    }

    /// Whether the caller acts for both ends.
    pub(crate) fn has_both(&self, direction: &Direction) -> bool {
        self.has(&direction.from) && self.has(&direction.to)
    }

    /// A run, with what the caller may know of it.
    pub(crate) fn run(&self, run: TrainingRun) -> Seen<TrainingRun> {
        if self.is_of_all {
            return Seen::Whole(run);
        }
        Seen::part(&self.own_of_run(run), &["report"])
    }

    /// A run whose report is empty, and whose reasons are those of the caller's domains.
    pub(crate) fn own_of_run(&self, mut run: TrainingRun) -> TrainingRun {
        if self.is_of_all {
            return run;
        }
        let narrow = |verdict: &mut VerdictSummary| {
            *verdict = VerdictSummary {
                passed: verdict.passed,
                for_erasures: verdict.for_erasures,
                champion: verdict.champion.take(),
                ..VerdictSummary::default()
            };
        };
        match &mut run.state {
            TrainingRunState::Succeeded { report, verdict, erasures_completed, .. } => {
                *erasures_completed = 0;
                **report = RunReport::default();
                verdict.iter_mut().for_each(narrow);
            }
            TrainingRunState::Refused { reasons, report, verdict, .. } => {
                **report = RunReport::default();
                reasons.retain(|reason| self.may_be_told(reason));
                narrow(verdict);
            }
            TrainingRunState::Failed { reason, .. } => *reason = UNTOLD.to_owned(),
            TrainingRunState::Withdrawn { reason, erasures_completed, .. } => {
                *reason = UNTOLD.to_owned();
                *erasures_completed = 0;
            }
            // That somebody was just erased may be another platform's to know.
            TrainingRunState::Running { waits_until, .. } => *waits_until = None,
            TrainingRunState::Queued => {}
        }
        run
    }

    /// Whether a reason of the gate is about the artefact or a domain of the caller's: it
    /// begins with what it is about.
    fn may_be_told(&self, reason: &str) -> bool {
        let Some((about, _)) = reason.split_once(": ") else { return false };
        about == "the artefact" || DomainId::parse(about).is_ok_and(|domain| self.has(&domain))
    }

    /// Whether a model has domains of the caller's alone.
    fn has_all_of(&self, record: &ModelRecord) -> bool {
        self.is_of_all && record.domains.iter().all(|table| self.has(&table.domain))
    }

    /// A model's record with the caller's domains alone.
    pub(crate) fn own_of_record(&self, mut record: ModelRecord) -> ModelRecord {
        let is_whole = self.has_all_of(&record);
        record.domains.retain(|table| self.has(&table.domain));
        record.metrics.retain(|domain, _| self.has(domain));
        if let Some(verdict) = &mut record.verdict {
            verdict.checks.retain(|check| match &check.finding {
                CheckFinding::Artefact { .. } => true,
                CheckFinding::Popularity { domain, .. }
                | CheckFinding::Champion { domain, .. }
                | CheckFinding::Items { domain, .. } => self.has(domain),
                CheckFinding::Events { .. } => is_whole,
            });
        }
        record.drift = record.drift.map(|drift| self.own_of_drift(drift));
        record
    }

    /// A comparison of what came in with the caller's domains alone.
    pub(crate) fn own_of_drift(&self, mut drift: DriftReport) -> DriftReport {
        drift.domains.retain(|domain, _| self.has(domain));
        drift
    }

    /// A model, made to be answered from its record by `answer`: without what is over all
    /// domains when it has others than the caller's.
    pub(crate) fn model<T: Serialize>(
        &self,
        record: ModelRecord,
        answer: impl FnOnce(ModelRecord) -> T,
    ) -> Seen<T> {
        let is_whole = self.has_all_of(&record);
        let answer = answer(self.own_of_record(record));
        if is_whole {
            return Seen::Whole(answer);
        }
        Seen::part(&answer, &["events", "erasures", "blob", "report"])
    }

    /// A manifest, with what the caller may know of it.
    pub(crate) fn manifest(&self, mut manifest: Manifest) -> Seen<Manifest> {
        if self.is_of_all && manifest.domains.iter().all(|table| self.has(&table.domain)) {
            return Seen::Whole(manifest);
        }
        manifest.domains.retain(|table| self.has(&table.domain));
        manifest.bridges.retain(|bridge| self.has_both(&bridge.direction));
        manifest.priors.retain(|prior| self.has_both(&prior.direction));
        manifest.texts.retain(|described| self.has(&described.domain));
        manifest.by_popularity.retain(|domain| self.has(domain));
        manifest.mixtures.retain(|mixture| self.has(&mixture.domain));
        manifest.deletions.retain(|domain, _| self.has(domain));
        manifest.evidence.domain_weights.retain(|domain, _| self.has(domain));
        manifest.evidence.event_weights.retain(|domain, _| self.has(domain));
        manifest.inputs.newest = None;
        manifest.inputs.domains.retain(|domain, _| self.has(domain));
        // The format tells what any domain of the model has.
        let over_all = [
            "format",
            "events",
            "erasures",
            "blob",
            "report",
            "look_alikes",
            "domain_factors",
            "segments",
            "topics",
        ];
        let mut json = json_of(&manifest);
        remove(&mut json, &over_all);
        if let Some(newest) = json["newest_evidence"].as_object_mut() {
            newest
                .retain(|domain, _| DomainId::parse(domain).is_ok_and(|domain| self.has(&domain)));
        }
        Seen::Part(json)
    }

    /// A report, with what the caller may know of it; `None` for all of it.
    pub(crate) fn part_of_report(&self, mut report: TrainingReport) -> Option<Value> {
        let mut domains = report.evaluation.keys().chain(report.served.keys());
        if self.is_of_all && domains.all(|domain| self.has(domain)) {
            return None;
        }
        report.served.retain(|domain, _| self.has(domain));
        report.evaluation.retain(|domain, _| self.has(domain));
        report.segments.retain(|domain, _| self.has(domain));
        report.topics.retain(|domain, _| self.has(domain));
        report.content.retain(|domain, _| self.has(domain));
        report.shadow.domains.retain(|domain, _| self.has(domain));
        report.drift = report.drift.map(|drift| self.own_of_drift(drift));
        report.bridges.retain(|bridge| self.has_both(&bridge.direction));
        report.priors.retain(|direction| self.has_both(direction));
        report.rankings.retain(|found| self.has(&found.domain));
        let is_own = |pair: &[(DomainId, _); 2]| pair.iter().all(|(domain, _)| self.has(domain));
        report.look_alikes.sample.retain(|pair| is_own(&pair.items));
        let mut json = json_of(&report);
        let over_all =
            ["cleaning", "without_consent", "people", "rows", "items", "interactions", "tuning"];
        remove(&mut json, &over_all);
        remove(&mut json["look_alikes"], &["pairs"]);
        Some(json)
    }
}

#[cfg(test)]
mod tests {
    use crossfold_core::model::manifest::ContentReference;
    use crossfold_core::release::gate::{Check, CheckOutcome, Verdict};
    use crossfold_edge::caller::Scope;
    use crossfold_testing::item_key;
    use crossfold_testing::model::{artefact, model_parts_of};
    use jiff::Timestamp;
    use ndarray::Array2;
    use serde_json::json;

    use super::*;

    /// Of the platform that the caller acts for.
    const OWN: &str = "knowledge";
    /// Of another one.
    const FOREIGN: &str = "secretive";
    /// A figure that is over both.
    const TOTAL: usize = 987_654;

    fn domain(name: &str) -> DomainId {
        DomainId::parse(name).unwrap()
    }

    fn caller_of(names: &[&str]) -> Caller {
        Caller::with(names.iter().map(|name| domain(name)), [Scope::TrainingRead])
    }

    fn told(answer: &impl Serialize) -> String {
        serde_json::to_string(answer).unwrap()
    }

    /// Holds that an answer tells of the own platform and of nothing else.
    fn tells_of_own_alone(answer: &impl Serialize) {
        let text = told(answer);
        assert!(!text.contains(FOREIGN) && !text.contains(&TOTAL.to_string()), "{text}");
        assert!(text.contains(OWN), "{text}");
    }

    fn verdict() -> Verdict {
        let of = |name: &str| Check {
            outcome: CheckOutcome::Failed,
            finding: CheckFinding::Items { domain: domain(name), items: 1, champion: 9, erased: 0 },
        };
        let (events, champion) = (TOTAL as u64, TOTAL as u64);
        let events = CheckFinding::Events { events, champion, accepted: false, erased: 0 };
        let events = Check { outcome: CheckOutcome::Failed, finding: events };
        let checks = vec![of(OWN), of(FOREIGN), events];
        Verdict { passed: false, for_erasures: false, champion: None, checks }
    }

    fn report() -> TrainingReport {
        let mut report = TrainingReport { people: TOTAL, rows: TOTAL, ..TrainingReport::default() };
        report.cleaning.read = TOTAL as u64;
        for name in [OWN, FOREIGN] {
            report.evaluation.insert(domain(name), Default::default());
            report.cleaning.most_events_an_hour.insert(domain(name), 1);
        }
        report.look_alikes.pairs = TOTAL;
        report
    }

    fn run(state: TrainingRunState) -> TrainingRun {
        serde_json::from_value(json!({
            "id": "run", "requested_at": "2026-01-01T00:00:00Z", "options": {}, "status": "queued",
        }))
        .map(|run: TrainingRun| TrainingRun { state, ..run })
        .unwrap()
    }

    fn record() -> ModelRecord {
        let table = |name: &str| json!({"domain": name, "items": 2, "people": 3});
        let drift = json!({
            "model": "a".repeat(64), "until": "2026-01-01T00:00:00Z", "days": 7, "domains": {},
        });
        let record = json!({
            "id": "a".repeat(64), "created_at": "2026-01-01T00:00:00Z", "training_run": "run",
            "domains": [table(OWN), table(FOREIGN)], "options": {}, "events": TOTAL,
            "metrics": { OWN: measured(), FOREIGN: measured() },
            "drift": drift, "blob": {"sha256": "b".repeat(64), "bytes": TOTAL},
            "report": {"sha256": "c".repeat(64), "bytes": TOTAL},
        });
        let record: ModelRecord = serde_json::from_value(record).unwrap();
        ModelRecord { verdict: Some(verdict()), ..record }
    }

    fn measured() -> Value {
        json!({ "people": 3, "metrics": {}, "popularity": {} })
    }

    #[test]
    fn a_run_tells_a_platform_of_itself_alone() {
        let caller = caller_of(&[OWN]);
        let defined = [domain(OWN), domain(FOREIGN)];
        let sight = Sight::among(&caller, defined.iter());
        let seen = RunReport::new(&report(), None);
        let refused = TrainingRunState::judged(Timestamp::MAX, None, &verdict(), seen);
        tells_of_own_alone(&sight.run(run(refused.clone())));
        let reason = || format!("{FOREIGN}: {TOTAL} {OWN}");
        let failed = TrainingRunState::failed(Timestamp::MAX, reason());
        let withdrawn =
            TrainingRunState::withdrawn(Timestamp::MAX, None, reason()).completing(TOTAL);
        for state in [failed, withdrawn] {
            let told = told(&sight.run(run(state)));
            assert!(told.contains(UNTOLD) && !told.contains(&TOTAL.to_string()), "{told}");
        }
        let now = Timestamp::UNIX_EPOCH;
        let waiting = TrainingRunState::Running {
            started_at: now,
            deadline: None,
            waits_until: Some(Timestamp::MAX),
        };
        assert!(!told(&sight.run(run(waiting))).contains("waits_until"));
        // What is left can be read by who reads a whole one.
        let part: TrainingRun = serde_json::from_str(&told(&sight.run(run(refused)))).unwrap();
        assert_eq!(part.state.report(), Some(&RunReport::default()));
    }

    #[test]
    fn a_model_and_a_report_tell_a_platform_of_itself_alone() {
        let caller = caller_of(&[OWN]);
        let defined = [domain(OWN), domain(FOREIGN)];
        let sight = Sight::among(&caller, defined.iter());
        let seen = sight.model(record(), |record| record);
        tells_of_own_alone(&seen);
        let part: ModelRecord = serde_json::from_str(&told(&seen)).unwrap();
        assert_eq!((part.events, part.blob), (0, ContentReference::default()));
        assert_eq!(part.domains.len(), 1);
        tells_of_own_alone(&sight.part_of_report(report()).unwrap());
        // Of a deleted platform the caller learns nothing either.
        let alone = Sight::among(&caller, defined[..1].iter());
        tells_of_own_alone(&alone.model(record(), |record| record));
        tells_of_own_alone(&alone.part_of_report(report()).unwrap());
    }

    /// The manifest of a model of both platforms, with something of either wherever it can stand.
    fn manifest() -> Manifest {
        let items = [item_key(OWN, "i"), item_key(FOREIGN, "i")];
        let parts = model_parts_of(items.into(), Array2::ones((2, 1)));
        let mut manifest = artefact(&parts).verify().unwrap().manifest().clone();
        let directions = [(FOREIGN, OWN), (OWN, FOREIGN)];
        let direction = |(from, to)| json!({ "from": domain(from), "to": domain(to) });
        for ends in directions.map(direction) {
            let Value::Object(ends) = ends else { continue };
            let of = |more: Value| -> Value {
                let Value::Object(more) = more else { return more };
                ends.clone().into_iter().chain(more).collect::<serde_json::Map<_, _>>().into()
            };
            let bridge = of(json!({ "lift": 0.1, "kind": "mapping" }));
            manifest.bridges.push(serde_json::from_value(bridge).unwrap());
            manifest.priors.push(serde_json::from_value(of(json!({ "entries": 1 }))).unwrap());
        }
        for name in [OWN, FOREIGN] {
            manifest.texts.push(
                serde_json::from_value(json!({
                    "domain": name, "dimensions": 1, "holds_encoder": true, "by_popularity": true,
                    "encoder": {"name": "lexical", "version": "1", "sha256": format!("of {name}")},
                }))
                .unwrap(),
            );
            manifest.mixtures.push(
                serde_json::from_value(json!({
                    "domain": name, "unit": 1.0, "rankers": [{"ranker": "factors"}],
                    "shares": [[1.0], [1.0], [1.0]],
                }))
                .unwrap(),
            );
            manifest.by_popularity.insert(domain(name));
            manifest.deletions.insert(domain(name), 1);
        }
        (manifest.events, manifest.look_alikes) = (TOTAL as u64, TOTAL);
        manifest.format = TOTAL as u32;
        manifest
    }

    #[test]
    fn a_manifest_tells_a_platform_of_itself_alone() {
        let caller = caller_of(&[OWN]);
        let defined = [domain(OWN), domain(FOREIGN)];
        for known in [&defined[..], &defined[..1]] {
            let seen = Sight::among(&caller, known.iter()).manifest(manifest());
            tells_of_own_alone(&seen);
            let text = told(&seen);
            for kept in ["of knowledge", "mixtures", "by_popularity", "deletions"] {
                assert!(text.contains(kept), "{kept} in {text}");
            }
        }
        let of_both = caller_of(&[OWN, FOREIGN]);
        let seen = Sight::among(&of_both, defined.iter()).manifest(manifest());
        assert_eq!(told(&seen), told(&manifest()));
    }

    #[test]
    fn who_acts_for_every_domain_is_told_all() {
        let defined = [domain(OWN), domain(FOREIGN)];
        for caller in [caller_of(&[OWN, FOREIGN]), Caller::development()] {
            let sight = Sight::among(&caller, defined.iter());
            assert_eq!(told(&sight.model(record(), |record| record)), told(&record()));
            assert!(sight.part_of_report(report()).is_none());
            let seen = RunReport::new(&report(), None);
            let judged = TrainingRunState::judged(Timestamp::MAX, None, &verdict(), seen);
            assert_eq!(told(&sight.run(run(judged.clone()))), told(&run(judged)));
        }
    }

    #[test]
    fn without_any_domain_a_token_acts_for_nothing() {
        let caller = caller_of(&[OWN]);
        assert!(!Sight::among(&caller, [].iter()).is_of_all());
        assert!(Sight::among(&Caller::development(), [].iter()).is_of_all());
    }
}
