//! Catalogues as they are stored in the bucket: what a process begins with, which otherwise reads
//! every entry from the table.
//!
//! Who has a catalogue in memory stores it, once so much has changed that the next process would read
//! more of it from the table than is worth it. No request waits for that. Of several that store in the
//! place of the same file one is heard, and the others look again later.

use std::sync::Arc;
use std::time::Duration;

use crossfold_core::archive::catalogue::StoredCatalogue;
use crossfold_core::entities::catalogue::{ChangeNumber, Item};
use crossfold_core::entities::clock::{Clock, Reading, Stopwatch};
use crossfold_core::entities::dice::Dice;
use crossfold_core::entities::ids::DomainId;
use crossfold_core::entities::machine::Machine;
use crossfold_core::entities::ports::{ObjectStore, PutCondition};
use crossfold_core::serving::snapshot::CatalogueSnapshot;
use crossfold_registry::catalogues::{self, CatalogueError};
use jiff::{SignedDuration, Timestamp};

/// Entries that are different from those that are stored, for it to be worth to store all again: as
/// many cost some tens of read units at the start of every process.
pub(crate) const WORTH_STORING: usize = 100;
/// How long what is stored again and again is left alone: with a half more by lot, so that not all
/// processes come at once.
const INTERVAL: Duration = Duration::from_secs(600);
/// After how long a catalogue is stored again though nothing has changed: well before it is too old.
const RENEWED: SignedDuration = SignedDuration::from_hours(10 * 24);

/// The stored catalogues.
#[derive(Clone)]
pub(crate) struct StoredCatalogues {
    objects: Arc<dyn ObjectStore>,
    /// The table whose catalogues they are.
    table: String,
    clock: Clock,
    stopwatch: Stopwatch,
    interval: Duration,
}

/// What is known of how a domain's catalogue is stored.
#[derive(Debug, Clone)]
pub(crate) struct Stored {
    /// In place of what another may be stored.
    before: PutCondition,
    written_at: Option<Timestamp>,
    /// The change up to which it has all.
    complete_until: Option<ChangeNumber>,
    /// When it was read, or tried to be stored.
    looked_at: Option<Reading>,
}

/// Nothing, as far as is known.
impl Default for Stored {
    fn default() -> Self {
        let (before, written_at) = (PutCondition::Absent, None);
        Self { before, written_at, complete_until: None, looked_at: None }
    }
}

/// A catalogue as a process knows it.
pub(crate) struct KnownEntries {
    /// The change up to which it has all.
    pub(crate) complete_until: ChangeNumber,
    pub(crate) snapshot: Arc<CatalogueSnapshot>,
    /// Entries that are other than in the snapshot.
    pub(crate) changed: Vec<Item>,
}

impl KnownEntries {
    /// How many entries are other than what is stored, among those of which all is known.
    fn other_than(&self, stored: &Stored) -> usize {
        let known = self.snapshot.entries().map(|(_, entry)| entry.item);
        let is_other = |item: &&Item| {
            item.change <= self.complete_until
                && stored.complete_until.is_none_or(|stored| item.change > stored)
        };
        known.chain(&self.changed).filter(is_other).count()
    }
}

impl StoredCatalogues {
    /// Those of a table, which is named so that what is stored of another, as before a table was
    /// restored, is not begun with.
    pub(crate) fn new(objects: Arc<dyn ObjectStore>, table: String, machine: &Machine) -> Self {
        let (clock, stopwatch) = (machine.clock.clone(), machine.stopwatch.clone());
        Self { objects, table, clock, stopwatch, interval: interval(&machine.dice) }
    }

    /// A domain's catalogue as it is stored, if it can be begun with; and what is known of that.
    pub(crate) async fn load(&self, domain: &DomainId) -> (Option<StoredCatalogue>, Stored) {
        let of = (domain, self.table.as_str());
        let error = match catalogues::load(&*self.objects, of, self.clock.now()).await {
            Ok(Some((catalogue, version))) => {
                let stored = Stored {
                    before: PutCondition::Matches(version),
                    written_at: Some(catalogue.written_at),
                    complete_until: Some(catalogue.complete_until),
                    looked_at: Some(self.stopwatch.read()),
                };
                return (Some(catalogue), stored);
            }
            Ok(None) => return (None, Stored::default()),
            Err(error) => error,
        };
        tracing::warn!(%error, %domain, "a stored catalogue is not used");
        let before = match error {
            // It may be whole and of now.
            CatalogueError::Store(_) | CatalogueError::Interrupted => PutCondition::Absent,
            _ => PutCondition::None,
        };
        (None, Stored { before, ..Stored::default() })
    }

    /// Whether a catalogue is to be stored again.
    pub(crate) fn is_due(&self, stored: &Stored, known: &KnownEntries) -> bool {
        let is_left_alone =
            stored.looked_at.is_some_and(|at| self.stopwatch.since(at) < self.interval);
        let is_old =
            stored.written_at.is_some_and(|at| self.clock.now().duration_since(at) > RENEWED);
        !is_left_alone && (is_old || known.other_than(stored) >= WORTH_STORING)
    }

    /// Stores a catalogue, and tells what is known of how it is stored then.
    pub(crate) async fn store(
        &self,
        domain: &DomainId,
        known: KnownEntries,
        stored: Stored,
    ) -> Stored {
        let (written_at, complete_until) = (self.clock.now(), known.complete_until);
        let table = self.table.clone();
        let encode = move || {
            let snapshot = known.snapshot.changed(known.changed, None);
            let items = snapshot.entries().map(|(_, entry)| entry.item);
            StoredCatalogue::encode((&table, written_at, complete_until), items)
        };
        let looked_at = Some(self.stopwatch.read());
        let failed = |error: &dyn std::fmt::Display| {
            tracing::warn!(%error, %domain, "a catalogue could not be stored");
            Stored { looked_at, ..stored.clone() }
        };
        let bytes = match tokio::task::spawn_blocking(encode).await {
            Ok(Ok(bytes)) => bytes,
            Ok(Err(error)) => return failed(&error),
            Err(error) => return failed(&error),
        };
        let (size, written) = (bytes.len(), (bytes, stored.before.clone()));
        match catalogues::store(&*self.objects, domain, written).await {
            Ok(Some(version)) => {
                tracing::info!(%domain, size, "a catalogue was stored");
                Stored {
                    before: PutCondition::Matches(version),
                    written_at: Some(written_at),
                    complete_until: Some(complete_until),
                    looked_at,
                }
            }
            // Another process was first: what it stored is told apart from the next time on.
            Ok(None) => Stored { looked_at, ..self.load(domain).await.1 },
            Err(error) => failed(&error),
        }
    }
}

fn interval(dice: &Dice) -> Duration {
    INTERVAL.mul_f64(1.0 + dice.fraction() / 2.0)
}
