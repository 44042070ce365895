//! Erasures under way, in what training alone goes through: the log, the archive, and what is
//! in quarantine. See [`crossfold_storage::erasure`] for the whole of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crossfold_core::archive::keys::{DECISIONS_PREFIX, OUTCOMES_PREFIX};
use crossfold_core::entities::decision::{Decision, Outcome};
use crossfold_core::entities::erasure::{Erasure, Place};
use crossfold_core::entities::ids::{Pseudonym, TrainingRunId};
use crossfold_core::entities::ports::{ObjectStore, PeopleStore, StoreResult, Stores};
use crossfold_storage::erasure;
use jiff::Timestamp;

use crate::archive_reader::{ReadError, Visited, erase_from};
use crate::pause::Pause;

/// The erasures that a run goes on with.
pub(crate) struct Erasures {
    /// By the pseudonym of the life, as it was recorded.
    pending: BTreeMap<Pseudonym, Erasure>,
    /// Lives whose erasure an earlier run completed, as they were recorded.
    again: BTreeSet<Pseudonym>,
    people: Arc<dyn PeopleStore>,
}

impl Erasures {
    /// Those under way when a run begins, with the tables visited. Before anyone is looked up:
    /// who is erased later is the next run's. It waits until nothing that was on its way when
    /// the youngest of them began can be written any more: [`erasure::SETTLING`] at most, and
    /// not at all where none is as young.
    pub(crate) async fn begin(
        stores: &Stores,
        run: &TrainingRunId,
        now: Timestamp,
        pause: &Pause,
    ) -> StoreResult<Self> {
        let mut pending = erasure::pending(stores).await?;
        let again = erasure::to_revisit(stores, run).await?;
        let settling = erasure::take_all_out(stores, &mut pending, now).await?;
        if !settling.is_zero() {
            tracing::info!(seconds = settling.as_secs(), "waiting for what is on its way");
            pause.wait(settling).await;
        }
        erasure::visit_tables(stores, &mut pending, &again).await?;
        Ok(Self { pending, again, people: stores.people.clone() })
    }

    /// Notes that a place was visited, and how many rows of each life were found there.
    pub(crate) fn visit(&mut self, place: Place, found: &BTreeMap<Pseudonym, u64>) {
        for (recorded, erasure) in &mut self.pending {
            let of_life = found.get(&self.people.canonical(recorded)).copied();
            erasure.visit(place, of_life.unwrap_or_default());
        }
    }

    /// Takes the lives out of archived decisions and outcomes. Without an erasure nothing is
    /// read.
    pub(crate) async fn visit_archived_log(
        &mut self,
        objects: &Arc<dyn ObjectStore>,
    ) -> Result<Visited, ReadError> {
        let recorded = self.pending.keys().chain(&self.again);
        let users: BTreeSet<Pseudonym> = recorded.map(|user| self.people.canonical(user)).collect();
        if users.is_empty() {
            return Ok(Visited::default());
        }
        let people = self.people.clone();
        let stores = (objects, &*people);
        let (mut visited, found) = erase_from::<Decision>(stores, DECISIONS_PREFIX, &users).await?;
        self.visit(Place::ArchivedDecisions, &found);
        let (more, found) = erase_from::<Outcome>(stores, OUTCOMES_PREFIX, &users).await?;
        self.visit(Place::ArchivedOutcomes, &found);
        visited.add(more);
        Ok(visited)
    }

    /// Stores how far they have come by this run.
    pub(crate) async fn save(&mut self, stores: &Stores, run: &TrainingRunId) -> StoreResult<()> {
        self.pending.values_mut().for_each(|erasure| erasure.visited_by = Some(run.clone()));
        erasure::save(stores, &self.pending).await?;
        erasure::revisited(stores, &self.again).await
    }
}
