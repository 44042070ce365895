//! What became of an import, and what its exit status says.

use std::fmt::{self, Display};
use std::path::PathBuf;

use anyhow::{Result, bail};
use crossfold_core::entities::ids::DomainId;
use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::import_events::EventsOutcome;
use super::import_items::ItemsOutcome;
use super::refusals::{RefusedRows, Tally};
use super::survey::Survey;

/// The import was carried out, and some rows were refused: exit status 3.
#[derive(Debug, thiserror::Error)]
#[error("{rows} rows were refused")]
pub struct SomeRefused {
    /// How many.
    pub rows: u64,
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
        let events = self.events.map_or(0, |events| events.done.accepted + events.done.duplicates);
        events + self.items.map_or(0, |items| items.upserted)
    }

    fn write_events(&self, f: &mut fmt::Formatter<'_>, events: &EventsOutcome) -> fmt::Result {
        let EventsOutcome { done, passed_over, named_items, erased_people, resumed_at } = events;
        if *resumed_at > 0 {
            writeln!(f, "  went on after row {resumed_at}, where an earlier import ended")?;
        }
        writeln!(
            f,
            "  {} events accepted, {} duplicates, {} rows refused",
            done.accepted, done.duplicates, self.refused.rows
        )?;
        if let Some(min) = self.rating_min {
            writeln!(
                f,
                "  {passed_over} rows passed over: their rating is below {min} (--rating-min, --rating-below)"
            )?;
        }
        if *named_items > 0 {
            writeln!(
                f,
                "  {named_items} items that the catalogue did not know are named after their ids"
            )?;
        }
        if done.of_erased > 0 {
            writeln!(
                f,
                "  met {erased_people} erased people: {} of their events were left out, and stay out unless the person is registered again (PUT /v1/users/…) and does something new",
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
            json["passed_over"] = events.passed_over.into();
            json["named_items"] = events.named_items.into();
            json["erased_people"] = events.erased_people.into();
            json["events_of_erased_people"] = events.done.of_erased.into();
            json["resumed_at_row"] = events.resumed_at.into();
        }
        if let Some(items) = &self.items {
            json["items"] = items.upserted.into();
        }
        json
    }
}

impl Display for FileOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {}; {} rows", self.path.display(), self.description, self.rows)?;
        if !self.ignored.is_empty() {
            writeln!(f, "  ignored columns: {} (--check says why)", self.ignored.join(", "))?;
        }
        if let Some(items) = &self.items {
            writeln!(f, "  {} items stored, {} rows refused", items.upserted, self.refused.rows)?;
            if items.overruled > 0 {
                writeln!(
                    f,
                    "  {} rows overruled by a later row about the same item",
                    items.overruled
                )?;
            }
            if self.untitled > 0 {
                writeln!(f, "  {} items without a title are named after their ids", self.untitled)?;
            }
            if self.cut > 0 {
                writeln!(f, "  {} texts were cut to 1,000 bytes", self.cut)?;
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
        self.sum(|file| file.events.map_or(0, |e| e.done.accepted + e.done.duplicates))
    }

    fn refused(&self) -> u64 {
        self.sum(|file| file.refused.rows)
    }

    /// The outcome as JSON.
    pub(crate) fn to_json(&self) -> Value {
        json!({
            "items": self.sum(|file| {
                file.items.map_or(0, |items| items.upserted)
                    + file.events.map_or(0, |events| events.named_items)
            }),
            "accepted": self.sum(|file| file.events.map_or(0, |events| events.done.accepted)),
            "duplicates": self.sum(|file| file.events.map_or(0, |events| events.done.duplicates)),
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
            writeln!(f, "{events} events in {:.1} s: {speed:.0} events/s", self.seconds)?;
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
