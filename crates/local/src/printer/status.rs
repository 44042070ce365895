//! How everything stands, in words.

use std::fmt::{self, Display};

use crossfold_core::release::run::{TrainingRun, TrainingRunState};
use jiff::{SignedDuration, Timestamp};

use crate::answers::{ChampionStatus, DayStatus, DomainStatus, Entry, KeyStatus, StatusAnswer};

/// How a data directory or a server stands.
pub(crate) struct StatusText<'a> {
    /// What was asked.
    pub(crate) place: &'a str,
    /// What it answered.
    pub(crate) status: &'a StatusAnswer,
}

impl Display for StatusText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let status = self.status;
        writeln!(f, "{} answers", self.place)?;
        write_domains(f, &status.domains)?;
        if let Some(archive) = &status.archive {
            let ago = Ago(status.at, archive.requested_at);
            writeln!(
                f,
                "archive    {} events of {} people, {ago}",
                archive.events, archive.people
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
        write_activity(f, status)?;
        write_keys(f, &status.keys)?;
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
        write!(f, "{label:<10} {} ({})", domain.domain, domain.name)?;
        match (domain.items, domain.people) {
            (Some(items), Some(people)) => {
                writeln!(f, ": {items} items and {people} people in the model")?;
            }
            (Some(items), None) => writeln!(f, ": {items} items in the model")?,
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
        TrainingRunState::Refused { finished_at, reasons, .. } => {
            writeln!(
                f,
                "last run   {id} made a model that was refused {}:",
                Ago(now, *finished_at)
            )?;
            reasons.iter().try_for_each(|reason| writeln!(f, "             {reason}"))
        }
        TrainingRunState::Withdrawn { finished_at, reason, .. } => {
            let ago = Ago(now, *finished_at);
            writeln!(f, "last run   {id} left no model to serve, {ago}: {reason}")
        }
        TrainingRunState::Failed { finished_at, reason } => {
            writeln!(f, "last run   {id} made no model, {}: {reason}", Ago(now, *finished_at))
        }
    }
}

fn write_champion(
    f: &mut fmt::Formatter<'_>,
    now: Timestamp,
    champion: &ChampionStatus,
) -> fmt::Result {
    write!(f, "champion   {}, made {}", champion.id, Ago(now, champion.created_at))?;
    champion.events.iter().try_for_each(|events| write!(f, " from {events} events"))?;
    writeln!(f, "; it was promoted {}", Ago(now, champion.promoted_at))
}

/// What is left of each version of the key, once there is more than one.
fn write_keys(f: &mut fmt::Formatter<'_>, keys: &[KeyStatus]) -> fmt::Result {
    if keys.len() < 2 {
        return Ok(());
    }
    for (number, key) in keys.iter().enumerate() {
        let label = if number == 0 { "keys" } else { "" };
        write!(f, "{label:<10} version {}: ", key.version)?;
        match (key.unused_since, key.left) {
            (Some(since), _) => writeln!(f, "nothing is stored under it since {since}")?,
            (None, Some(left)) => writeln!(f, "{left} records were found under it")?,
            (None, None) => writeln!(f, "in use")?,
        }
    }
    Ok(())
}

/// Sums over the days and domains that are told.
fn write_activity(f: &mut fmt::Formatter<'_>, status: &StatusAnswer) -> fmt::Result {
    let sum = |figure: fn(&DayStatus) -> u64| -> u64 { status.activity.iter().map(figure).sum() };
    if status.activity.is_empty() {
        return writeln!(f, "activity   none of late");
    }
    writeln!(
        f,
        "activity   in 30 days {} events taken and {} refused; {} slates, {} of them personal",
        sum(|day| day.events.accepted),
        sum(|day| day.events.refused.values().sum()),
        sum(|day| day.slates.served),
        sum(|day| day.slates.personalised),
    )
}

fn write_entry(f: &mut fmt::Formatter<'_>, entry: &Entry) -> fmt::Result {
    writeln!(f, "  {entry}")?;
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

    use serde_json::{Value, json};

    use super::*;
    use crate::answers::read;

    fn text(answer: Value) -> String {
        let status: StatusAnswer = read(answer).unwrap();
        StatusText { place: "https://api.example.com", status: &status }.to_string()
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
            "activity   in 30 days 9 events taken and 2 refused; 5 slates, 4 of them personal",
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
