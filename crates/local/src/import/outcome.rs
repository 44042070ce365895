//! What became of an import, and what its exit status says.

use std::fmt::{self, Display};
use std::path::PathBuf;

use anyhow::{Result, bail};
use crossfold_core::entities::counted::{of, were};
use crossfold_core::entities::ids::DomainId;
use crossfold_lab::output::ForeignNames;
use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::import_events::EventsOutcome;
use super::import_items::ItemsOutcome;
use super::posting::Stored;
use super::refusals::{RefusedRows, Tally};
use super::survey::Survey;
use crate::endings::Ending;

/// The import was carried out, and some rows were refused: exit status 3.
#[derive(Debug, thiserror::Error)]
#[error("{}", refused_rows(*.rows))]
pub struct SomeRefused {
    /// How many.
    pub rows: u64,
}

/// The import was told to end before it had: exit status 130 or 143.
#[derive(Debug, thiserror::Error)]
#[error("{told}")]
pub struct Interrupted {
    told: String,
    /// The exit status.
    pub status: u8,
}

impl Interrupted {
    /// Told to end so, when so much was stored.
    pub(crate) fn by(ending: Ending, stored: &Stored) -> Self {
        let parts = [
            Some(stored.events()).filter(|count| *count > 0).map(|count| of(count, "event")),
            Some(stored.items()).filter(|count| *count > 0).map(|count| of(count, "item")),
        ];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        let told = match parts.as_slice() {
            [] => "interrupted before anything was stored".to_owned(),
            parts => format!(
                "interrupted; stored so far: {}. The same command goes on from there",
                parts.join(" and ")
            ),
        };
        Self { told, status: ending.exit_status() }
    }
}

fn refused_rows(rows: u64) -> String {
    format!("{} refused", were(rows, "row"))
}

/// What became of the files.
#[derive(Default)]
pub(crate) struct ImportOutcome {
    /// What became of each.
    pub(crate) files: Vec<FileOutcome>,
    /// How long it took, without looking the files through before and archiving after.
    pub(crate) seconds: f64,
    /// How long it took to archive the events.
    pub(crate) archive_seconds: f64,
    /// The domain that was defined for them.
    pub(crate) defined: Option<DomainId>,
    /// The command that comes next.
    pub(crate) next: String,
}

/// What became of a file.
pub(crate) struct FileOutcome {
    path: PathBuf,
    description: String,
    rows: u64,
    ignored: Vec<String>,
    refused: Tally,
    refused_file: Option<PathBuf>,
    untitled: u64,
    cut: u64,
    /// The rule of its ratings, if it had such.
    pub(crate) rating_min: Option<Decimal>,
    /// If it was of items.
    pub(crate) items: Option<ItemsOutcome>,
    /// If it was of events.
    pub(crate) events: Option<EventsOutcome>,
}

impl FileOutcome {
    /// Nothing became of the file yet.
    pub(crate) fn of(survey: &Survey) -> Self {
        let unused = survey.mapping.unused(&survey.columns);
        Self {
            path: survey.path.clone(),
            description: survey.description.clone(),
            rows: survey.rows,
            ignored: unused.into_iter().map(|(name, _)| name).collect(),
            refused: Tally::default(),
            refused_file: None,
            untitled: survey.items.untitled,
            cut: survey.items.cut,
            rating_min: None,
            items: None,
            events: None,
        }
    }

    /// Takes over what was refused.
    pub(crate) fn note_refused(&mut self, refused: &RefusedRows) {
        self.refused.add(refused.tally());
        self.refused_file = refused.path().map(Into::into);
    }

    fn taken(&self) -> u64 {
        let events = self.events.map_or(0, |events| events.done.stored());
        events + self.items.map_or(0, |items| items.upserted)
    }

    fn write_events(&self, f: &mut fmt::Formatter<'_>, events: &EventsOutcome) -> fmt::Result {
        let EventsOutcome { done, passed_over, erased_people, resumed_at, refused_before } = events;
        // What was on its way when the earlier import ended is not known to have been its doing.
        let at_least = if *resumed_at > 0 { "at least " } else { "" };
        if *resumed_at > 0 {
            writeln!(f, "  went on after row {resumed_at}, where an earlier import ended")?;
        }
        writeln!(
            f,
            "  {} accepted, {}, {} refused",
            of(done.accepted, "event"),
            of(done.duplicates, "duplicate"),
            of(self.refused.rows, "row")
        )?;
        if done.sent_again > 0 {
            let events = were(done.sent_again, "event");
            writeln!(
                f,
                "  {events} sent again, as a store did not answer in time, and found stored: by this import or before"
            )?;
        }
        if *refused_before > 0 {
            let rows = were(*refused_before, "row");
            writeln!(f, "  {rows} refused by the earlier import, and written to its file")?;
        }
        if let Some(min) = self.rating_min {
            writeln!(
                f,
                "  {} passed over: a rating below {min} (--rating-min, --rating-below)",
                of(*passed_over, "row")
            )?;
        }
        if done.named_items > 0 {
            writeln!(
                f,
                "  {at_least}{} that the catalogue did not know, named by id",
                of(done.named_items, "item")
            )?;
        }
        if done.of_erased > 0 {
            writeln!(
                f,
                "  met {at_least}{}, whose events were left out: {}; they stay out unless the person is registered again (PUT /v1/users/…) and does something new",
                of(*erased_people, "erased person"),
                done.of_erased
            )?;
        }
        Ok(())
    }

    fn to_json(&self) -> Value {
        let mut json = json!({
            "file": self.path, "format": self.description, "rows": self.rows,
            "ignored": self.ignored, "refused": self.refused, "refused_file": self.refused_file,
        });
        if let Some(events) = &self.events {
            json["accepted"] = events.done.accepted.into();
            json["duplicates"] = events.done.duplicates.into();
            json["sent_again"] = events.done.sent_again.into();
            json["passed_over"] = events.passed_over.into();
            json["named_items"] = events.done.named_items.into();
            json["erased_people"] = events.erased_people.into();
            json["events_of_erased_people"] = events.done.of_erased.into();
            json["resumed_at_row"] = events.resumed_at.into();
            json["refused_before"] = events.refused_before.into();
        }
        if let Some(items) = &self.items {
            json["items"] = items.upserted.into();
        }
        json
    }
}

impl Display for FileOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (path, rows) = (self.path.display(), of(self.rows, "row"));
        writeln!(f, "{path}: {}; {rows}", self.description)?;
        if !self.ignored.is_empty() {
            writeln!(f, "  ignored columns: {} (--check says why)", ForeignNames(&self.ignored))?;
        }
        if let Some(items) = &self.items {
            let (stored, refused) = (of(items.upserted, "item"), of(self.refused.rows, "row"));
            writeln!(f, "  {stored} stored, {refused} refused")?;
            if items.overruled > 0 {
                let rows = of(items.overruled, "row");
                writeln!(f, "  {rows} overruled by a later row about the same item")?;
            }
            if self.untitled > 0 {
                writeln!(f, "  {} without a title, named by id", of(self.untitled, "item"))?;
            }
            if self.cut > 0 {
                writeln!(f, "  {} cut to 1,000 bytes", were(self.cut, "text"))?;
            }
        }
        if let Some(events) = &self.events {
            self.write_events(f, events)?;
        }
        for line in self.refused.lines() {
            writeln!(f, "    {line}")?;
        }
        if let Some(path) = &self.refused_file {
            writeln!(
                f,
                "  refused rows are in {}: mend them there and import that file",
                path.display()
            )?;
        }
        Ok(())
    }
}

impl ImportOutcome {
    fn sum(&self, count: impl Fn(&FileOutcome) -> u64) -> u64 {
        self.files.iter().map(count).sum()
    }

    fn events(&self) -> u64 {
        self.sum(|file| file.events.map_or(0, |events| events.done.stored()))
    }

    /// Rows of the files that were refused, by this import or by the one that it goes on with.
    fn refused(&self) -> u64 {
        let before = |file: &FileOutcome| file.events.map_or(0, |events| events.refused_before);
        self.sum(|file| file.refused.rows + before(file))
    }

    /// The outcome as JSON.
    pub(crate) fn to_json(&self) -> Value {
        json!({
            "items": self.sum(|file| {
                file.items.map_or(0, |items| items.upserted)
                    + file.events.map_or(0, |events| events.done.named_items)
            }),
            "accepted": self.sum(|file| file.events.map_or(0, |events| events.done.accepted)),
            "duplicates": self.sum(|file| file.events.map_or(0, |events| events.done.duplicates)),
            "sent_again": self.sum(|file| file.events.map_or(0, |events| events.done.sent_again)),
            "rejected": self.refused(),
            "seconds": self.seconds,
            "events_per_second": self.events() as f64 / self.seconds,
            "archive_seconds": self.archive_seconds,
            "defined": self.defined,
            "files": self.files.iter().map(FileOutcome::to_json).collect::<Vec<_>>(),
        })
    }

    /// What the exit status says: an error when nothing was taken, or not everything.
    pub(crate) fn verdict(&self) -> Result<()> {
        let refused = self.refused();
        if self.sum(FileOutcome::taken) == 0 {
            bail!("nothing was imported");
        }
        if refused > 0 {
            return Err(SomeRefused { rows: refused }.into());
        }
        Ok(())
    }
}

impl Display for ImportOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.files.iter().try_for_each(|file| write!(f, "{file}"))?;
        let events = self.events();
        if events > 0 {
            let speed = events as f64 / self.seconds;
            let events = of(events, "event");
            writeln!(f, "{events} in {:.1} s: {speed:.0} events/s", self.seconds)?;
        }
        if let Some(domain) = &self.defined {
            writeln!(
                f,
                "defined the domain {domain}, in which nothing ages: PATCH /v1/domains/{domain} changes it (half_life_days, event_types)"
            )?;
        }
        match self.sum(FileOutcome::taken) {
            0 => Ok(()),
            _ => writeln!(f, "next: {}", self.next),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import::progress_note::Done;

    fn gone_on() -> ImportOutcome {
        let done = Done { rows: 900, accepted: 899, named_items: 3, refused: 1, ..Done::default() };
        let events =
            EventsOutcome { done, resumed_at: 500, refused_before: 1, ..EventsOutcome::default() };
        let file = FileOutcome {
            path: "a.csv".into(),
            description: "text".into(),
            rows: 900,
            ignored: Vec::new(),
            refused: Tally::default(),
            refused_file: None,
            untitled: 0,
            cut: 0,
            rating_min: None,
            items: None,
            events: Some(events),
        };
        ImportOutcome { files: vec![file], seconds: 1.0, ..ImportOutcome::default() }
    }

    #[test]
    fn an_import_that_went_on_counts_what_was_before() {
        let text = gone_on().to_string();
        for line in [
            "  went on after row 500, where an earlier import ended",
            "  899 events accepted, 0 duplicates, 0 rows refused",
            "  1 row was refused by the earlier import, and written to its file",
            "  at least 3 items that the catalogue did not know, named by id",
        ] {
            assert!(text.lines().any(|told| told == line), "{line:?} not in\n{text}");
        }
        let ended = gone_on().verdict().unwrap_err();
        assert_eq!(ended.to_string(), "1 row was refused");
        assert_eq!(crate::exit_status::of(&ended), 3);
        assert_eq!(gone_on().to_json()["rejected"], 1);
    }

    #[test]
    fn what_was_sent_again_is_told_beside_duplicates() {
        let mut outcome = gone_on();
        for events in outcome.files.iter_mut().filter_map(|file| file.events.as_mut()) {
            (events.done.accepted, events.done.sent_again) = (399, 500);
        }
        let text = outcome.to_string();
        assert!(text.contains("  399 events accepted, 0 duplicates, "), "{text}");
        assert!(text.contains("  500 events were sent again, as a store"), "{text}");
        assert!(text.contains("\n899 events in "), "{text}");
        assert_eq!(outcome.to_json()["sent_again"], 500);
    }

    #[test]
    fn an_import_that_is_told_to_end_says_what_was_stored() {
        let interrupted = Interrupted::by(Ending::Interrupted, &Stored::default());
        assert_eq!(interrupted.to_string(), "interrupted before anything was stored");
        assert_eq!(interrupted.status, 130);
        assert_eq!(Interrupted::by(Ending::Terminated, &Stored::default()).status, 143);
    }
}
