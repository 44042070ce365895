//! How everything stands, in words.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Display};

use crossfold_core::entities::counted::{of, were};
use crossfold_core::release::run::{TrainingRun, TrainingRunState};
use crossfold_lab::output::Foreign;
use jiff::{SignedDuration, Timestamp};

use crate::answers::{ChampionStatus, DayStatus, DomainStatus, Entry, KeyStatus, StatusAnswer};

/// How a data directory or a server stands.
pub(crate) struct StatusText<'a> {
    /// What was asked.
    pub(crate) place: &'a str,
    /// What it answered.
    pub(crate) status: &'a StatusAnswer,
    /// The versions of the key that are retired, where that is known: a server does not tell.
    pub(crate) retired_keys: Option<&'a BTreeSet<u32>>,
}

impl Display for StatusText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let status = self.status;
        writeln!(f, "{} answers", self.place)?;
        write_domains(f, &status.domains)?;
        if status.archive.is_none() {
            // What lies there is counted by who reads it: a run.
            let taken: u64 = status.activity.iter().map(|day| day.events.accepted).sum();
            if taken > 0 {
                let taken = of(taken, "event");
                writeln!(f, "archive    {taken} taken in 30 days; a run counts what lies there")?;
            }
        }
        if let Some(archive) = &status.archive {
            let ago = Ago(status.at, archive.requested_at);
            writeln!(
                f,
                "archive    {} of {}, {ago}",
                of(archive.events, "event"),
                of(archive.people, "person")
            )?;
        }
        match &status.last_run {
            Some(run) => write_run(f, status.at, run)?,
            None => writeln!(f, "last run   none yet")?,
        }
        match &status.champion {
            Some(champion) => write_champion(f, status.at, champion)?,
            None => writeln!(f, "champion   none yet")?,
        }
        write_bridges(f, status)?;
        write_activity(f, status)?;
        write_keys(f, &status.keys, self.retired_keys)?;
        let entries = |pressing: bool| {
            status.attention.iter().filter(move |entry| entry.needs_attention() == pressing)
        };
        if entries(true).next().is_none() {
            writeln!(f, "\nNothing needs attention.")?;
        } else {
            writeln!(f, "\nNeeds attention:")?;
            entries(true).try_for_each(|entry| write_entry(f, entry))?;
        }
        if entries(false).next().is_some() {
            writeln!(f, "\nWorth knowing:")?;
            entries(false).try_for_each(|entry| write_entry(f, entry))?;
        }
        Ok(())
    }
}

fn write_domains(f: &mut fmt::Formatter<'_>, domains: &[DomainStatus]) -> fmt::Result {
    if domains.is_empty() {
        writeln!(f, "domains    none yet")?;
    }
    for (number, domain) in domains.iter().enumerate() {
        let label = if number == 0 { "domains" } else { "" };
        write!(f, "{label:<10} {} ({})", domain.domain, Foreign::name(&domain.name))?;
        match (domain.items, domain.people) {
            (Some(items), Some(people)) => {
                let (items, people) = (of(items, "item"), of(people, "person"));
                writeln!(f, ": {items} and {people} in the model")?;
            }
            (Some(items), None) => writeln!(f, ": {} in the model", of(items, "item"))?,
            _ => writeln!(f, ": not in a model yet")?,
        }
    }
    Ok(())
}

fn write_run(f: &mut fmt::Formatter<'_>, now: Timestamp, run: &TrainingRun) -> fmt::Result {
    let id = &run.id;
    match &run.state {
        TrainingRunState::Queued => {
            writeln!(f, "last run   {id} waits for a worker, since {}", Ago(now, run.requested_at))
        }
        TrainingRunState::Running { started_at, .. } => {
            writeln!(f, "last run   {id} was started {}", Ago(now, *started_at))
        }
        TrainingRunState::Succeeded { finished_at, .. } => {
            writeln!(
                f,
                "last run   {id} made a model that was published {}",
                Ago(now, *finished_at)
            )
        }
        // Why, stands among what needs attention.
        TrainingRunState::Refused { finished_at, .. } => {
            writeln!(f, "last run   {id} made a model that was refused {}", Ago(now, *finished_at))
        }
        TrainingRunState::Withdrawn { finished_at, reason, .. } => {
            let (ago, reason) = (Ago(now, *finished_at), Foreign::text(reason));
            writeln!(f, "last run   {id} left no model to serve, {ago}: {reason}")
        }
        TrainingRunState::Failed { finished_at, reason } => {
            let (ago, reason) = (Ago(now, *finished_at), Foreign::text(reason));
            writeln!(f, "last run   {id} made no model, {ago}: {reason}")
        }
    }
}

fn write_champion(
    f: &mut fmt::Formatter<'_>,
    now: Timestamp,
    champion: &ChampionStatus,
) -> fmt::Result {
    write!(f, "champion   {}, made {}", champion.id, Ago(now, champion.created_at))?;
    champion.events.iter().try_for_each(|events| write!(f, " from {}", of(*events, "event")))?;
    writeln!(f, "; it was promoted {}", Ago(now, champion.promoted_at))
}

/// What is left of each version of the key, once there is more than one, and what may be done.
fn write_keys(
    f: &mut fmt::Formatter<'_>,
    keys: &[KeyStatus],
    retired: Option<&BTreeSet<u32>>,
) -> fmt::Result {
    if keys.len() < 2 {
        return Ok(());
    }
    for (number, KeyStatus { version, left, unused_since }) in keys.iter().enumerate() {
        let label = if number == 0 { "keys" } else { "" };
        write!(f, "{label:<10} version {version}: ")?;
        match (unused_since, left, retired) {
            (Some(_), _, Some(retired)) if retired.contains(version) => writeln!(f, "retired")?,
            (Some(since), _, Some(_)) => writeln!(
                f,
                "nothing is stored under it since {since}; it can be retired: crossfold retire-key {version}"
            )?,
            (Some(since), _, None) => writeln!(
                f,
                "nothing is stored under it since {since}; it can be retired a day after that, if it is not (infra/deploy.md)"
            )?,
            (None, Some(left), _) => writeln!(
                f,
                "{} found under it; it can be retired once there is none: training runs move events and people, and slates expire",
                were(*left, "record")
            )?,
            (None, None, _) => writeln!(f, "in use")?,
        }
    }
    Ok(())
}

/// How many directions the last run judged, where there are several domains.
fn write_bridges(f: &mut fmt::Formatter<'_>, status: &StatusAnswer) -> fmt::Result {
    let report = status.last_run.as_ref().and_then(|run| run.state.report());
    let Some(report) = report.filter(|_| status.domains.len() > 1) else { return Ok(()) };
    match (report.directions_judged, report.bridges_served) {
        (Some(0), _) => writeln!(
            f,
            "bridges    no direction was judged: crossfold train says why; each domain is served by its own evidence, beside tries of what texts suggest to who is new to it"
        ),
        (Some(judged), Some(served)) => {
            let directions = of(judged as u64, "direction");
            writeln!(f, "bridges    {served} of {directions} that were judged")
        }
        _ => Ok(()),
    }
}

/// Sums over the days and domains that are told.
fn write_activity(f: &mut fmt::Formatter<'_>, status: &StatusAnswer) -> fmt::Result {
    let sum = |figure: fn(&DayStatus) -> u64| -> u64 { status.activity.iter().map(figure).sum() };
    if status.activity.is_empty() {
        return writeln!(f, "activity   none of late");
    }
    writeln!(
        f,
        "activity   in 30 days the API took {} and refused {}; {}, {} of them personal",
        of(sum(|day| day.events.accepted), "event"),
        sum(|day| day.events.refused.values().sum()),
        of(sum(|day| day.slates.served), "slate"),
        sum(|day| day.slates.personalised),
    )?;
    let mut not_told: BTreeMap<&str, u64> = BTreeMap::new();
    for (code, count) in status.activity.iter().flat_map(|day| &day.pushes.not_told) {
        *not_told.entry(code).or_default() += count;
    }
    let told = sum(|day| day.pushes.told);
    if told == 0 && not_told.is_empty() {
        return Ok(());
    }
    let why = not_told.iter().map(|(code, count)| format!("{count} {code}"));
    let why = why.collect::<Vec<_>>().join(", ");
    let not = if why.is_empty() { String::new() } else { format!("; not: {why}") };
    writeln!(f, "campaigns  {} handed over{}", were(told, "message"), Foreign::text(&not))
}

fn write_entry(f: &mut fmt::Formatter<'_>, entry: &Entry) -> fmt::Result {
    writeln!(f, "  {}", Foreign::text(&entry.to_string()))?;
    match entry.what_to_do() {
        Some(advice) => writeln!(f, "    {advice}"),
        None => Ok(()),
    }
}

/// How long before now, roughly.
struct Ago(Timestamp, Timestamp);

impl Display for Ago {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(now, then) = self;
        let passed = now.duration_since(*then).max(SignedDuration::ZERO);
        let (count, unit) = match passed.as_secs() {
            ..60 => return f.write_str("just now"),
            seconds @ 60..3_600 => (seconds / 60, "minute"),
            seconds @ 3_600..86_400 => (seconds / 3_600, "hour"),
            seconds => (seconds / 86_400, "day"),
        };
        let plural = if count == 1 { "" } else { "s" };
        write!(f, "{count} {unit}{plural} ago")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // A test may stop at the first surprise.

    use crossfold_core::release::run::RunReport;
    use crossfold_core::training::report::TrainingReport;
    use serde_json::{Value, json};

    use super::*;
    use crate::answers::read;

    fn text(answer: Value) -> String {
        let status: StatusAnswer = read(answer).unwrap();
        let place = "https://api.example.com";
        StatusText { place, status: &status, retired_keys: None }.to_string()
    }

    fn answer() -> Value {
        json!({
            "at": "2026-01-10T12:00:00Z", "attention": [], "domains": [], "champion": null,
            "last_run": null, "archive": null, "activity": [], "refused": [],
        })
    }

    #[test]
    fn an_empty_place_says_what_to_do_first() {
        let mut empty = answer();
        empty["attention"] = json!([{"code": "no_domain"}, {"code": "no_model"}]);
        let expected = "\
https://api.example.com answers
domains    none yet
last run   none yet
champion   none yet
activity   none of late

Needs attention:
  no domain is defined yet
    define one: PUT /v1/domains/{domain}, or crossfold import --domain NAME FILE
  there is no model: nobody is served personally
    crossfold train
";
        assert_eq!(text(empty), expected);
    }

    #[test]
    fn a_refused_model_is_told_with_its_reasons_and_how_to_go_on() {
        let model = "a".repeat(64);
        let mut refused = answer();
        refused["domains"] = json!([
            {"domain": "knowledge", "name": "Knowledge", "items": 3, "people": 40},
            {"domain": "travel", "name": "Travel", "items": null, "people": null},
        ]);
        refused["champion"] = json!({
            "id": model, "created_at": "2026-01-08T11:00:00Z",
            "promoted_at": "2026-01-08T11:01:00Z", "training_run": "run-1", "events": 1234,
        });
        refused["archive"] = json!({
            "training_run": "run-2", "requested_at": "2026-01-10T11:58:30Z",
            "events": 1300, "people": 41,
        });
        refused["attention"] = json!([
            {"code": "model_refused", "run": "run-2", "at": "2026-01-10T11:59:00Z",
             "model": "b".repeat(64), "reasons": ["worse than popularity"]},
            {"code": "left_out", "reason": "robot", "events": 3, "read": 1300},
            {"code": "from_a_newer_server"},
        ]);
        refused["activity"] = json!([{
            "day": "2026-01-10", "domain": "knowledge",
            "events": {"accepted": 9, "duplicates": 1, "refused": {"unknown_type": 2}},
            "items": {"accepted": 0, "duplicates": 0, "refused": {}},
            "feedback": {"accepted": 0, "duplicates": 0, "refused": {}},
            "slates": {"served": 5, "personalised": 4, "empty": 0, "degraded": {}},
        }]);
        let written = text(refused);
        for line in [
            "domains    knowledge (Knowledge): 3 items and 40 people in the model",
            "           travel (Travel): not in a model yet",
            "archive    1300 events of 41 people, 1 minute ago",
            &format!(
                "champion   {model}, made 2 days ago from 1234 events; it was promoted 2 days ago"
            ),
            "activity   in 30 days the API took 9 events and refused 2; 5 slates, 4 of them personal",
            "Needs attention:",
            &format!(
                "    crossfold models show {0}; to serve it all the same: crossfold models promote {0}",
                "b".repeat(64)
            ),
            "  from_a_newer_server",
            "Worth knowing:",
        ] {
            assert!(written.lines().any(|written| written == line), "{line:?} not in\n{written}");
        }
    }

    #[test]
    fn before_the_first_run_the_archive_is_told_by_what_was_taken() {
        let mut imported = answer();
        imported["activity"] = json!([{
            "day": "2026-01-10", "domain": "knowledge",
            "events": {"accepted": 1, "duplicates": 0, "refused": {}},
            "slates": {"served": 1, "personalised": 0},
        }]);
        let written = text(imported);
        for line in [
            "archive    1 event taken in 30 days; a run counts what lies there",
            "activity   in 30 days the API took 1 event and refused 0; 1 slate, 0 of them personal",
        ] {
            assert!(written.lines().any(|written| written == line), "{line:?} not in\n{written}");
        }
    }

    #[test]
    fn a_version_of_the_key_says_when_and_how_it_can_be_retired() {
        let mut rotated = answer();
        rotated["keys"] = json!([
            {"version": 1, "left": 0, "unused_since": "2026-01-09T00:00:00Z"},
            {"version": 2, "left": 0, "unused_since": "2026-01-09T00:00:00Z"},
            {"version": 3, "left": 1, "unused_since": null},
            {"version": 4, "left": null, "unused_since": null},
        ]);
        let since = "nothing is stored under it since 2026-01-09T00:00:00Z; it can be retired";
        let left = "1 record was found under it; it can be retired once there is none: training runs move events and people, and slates expire";
        let status: StatusAnswer = read(rotated).unwrap();
        let told = |retired_keys: Option<&BTreeSet<u32>>| {
            let text = StatusText { place: "here", status: &status, retired_keys }.to_string();
            let lines = text.lines().filter(|line| line.contains("version "));
            lines.map(|line| line.split_once(": ").unwrap().1.to_owned()).collect::<Vec<_>>()
        };
        let here = [&*format!("{since}: crossfold retire-key 1"), "retired", left, "in use"];
        assert_eq!(told(Some(&BTreeSet::from([2]))), here);
        let there = format!("{since} a day after that, if it is not (infra/deploy.md)");
        assert_eq!(told(None), [&*there, &there, left, "in use"]);
    }

    #[test]
    fn directions_are_told_of_where_there_are_several_domains() {
        let told = |domains: usize, judged: usize, served: usize| {
            let mut report = json!(RunReport::new(&TrainingReport::default(), None));
            report["directions_judged"] = json!(judged);
            report["bridges_served"] = json!(served);
            let mut several = answer();
            let of_domain = |at| json!({"domain": format!("d{at}"), "name": "D", "items": 3});
            several["domains"] = (0..domains).map(of_domain).collect();
            several["last_run"] = json!({
                "id": "run-1", "requested_at": "2026-01-09T12:00:00Z", "options": {},
                "status": "succeeded", "finished_at": "2026-01-09T12:00:00Z",
                "model": "a".repeat(64), "report": report,
                "verdict": {"passed": true, "checks_passed": 1},
            });
            let text = text(several);
            text.lines().find(|line| line.starts_with("bridges")).map(str::to_owned)
        };
        assert_eq!(told(1, 0, 0), None);
        assert!(told(2, 0, 0).unwrap().contains("no direction was judged"));
        let judged = told(2, 2, 1).unwrap();
        assert_eq!(judged, "bridges    1 of 2 directions that were judged");
    }

    #[test]
    fn how_long_ago_is_told_roughly() {
        let now = Timestamp::UNIX_EPOCH;
        for (seconds, words) in [
            (-5, "just now"),
            (59, "just now"),
            (60, "1 minute ago"),
            (7_200, "2 hours ago"),
            (86_399, "23 hours ago"),
            (86_400 * 9, "9 days ago"),
        ] {
            let then = now - SignedDuration::from_secs(seconds);
            assert_eq!(Ago(now, then).to_string(), words);
        }
    }
}
