//! Erasures under way, in what training alone goes through: the log, the archive, and what is
//! in quarantine. See [`crossfold_storage::erasure`] for the whole of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crossfold_core::archive::keys::{DECISIONS_PREFIX, OUTCOMES_PREFIX};
use crossfold_core::entities::decision::{Decision, Outcome};
use crossfold_core::entities::erasure::{Erasure, Place};
use crossfold_core::entities::ids::{DomainId, Pseudonym, TrainingRunId};
use crossfold_core::entities::ports::{ObjectStore, PeopleStore, StoreResult, Stores};
use crossfold_core::release::gate::LONGEST_WAIT;
use crossfold_core::release::run::{TrainingRun, TrainingRunState};
use crossfold_storage::set_aside::files_that_may_concern;
use crossfold_storage::{erasure, records};
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
    /// How many were counted when the run looked for them.
    counted: u64,
}

impl Erasures {
    /// Those under way when a run begins, with the tables visited. Before anyone is looked up:
    /// who is erased later is the next run's. Those that have no number get the one that is
    /// counted after they were found; whatever run counts later finds them as well. It waits
    /// until nothing that was on its way when the youngest of them began can be written any
    /// more: [`erasure::SETTLING`] at most, and not at all where none is as young.
    pub(crate) async fn begin(
        stores: &Stores,
        run: &TrainingRunId,
        now: Timestamp,
        pause: &Pause,
    ) -> StoreResult<Self> {
        let (mut pending, counted) = numbered(stores).await?;
        let again = erasure::to_revisit(stores, run).await?;
        let settling = erasure::take_all_out(stores, &mut pending, now).await?;
        if !settling.is_zero() {
            tracing::info!(seconds = settling.as_secs(), "waiting for what is on its way");
            note_wait(stores, run, now.checked_add(settling).ok()).await?;
            pause.wait(settling).await;
        }
        erasure::visit_tables(stores, &mut pending, &again).await?;
        Ok(Self { pending, again, people: stores.people.clone(), counted })
    }

    /// How many erasures a model of the run is free of.
    pub(crate) fn counted(&self) -> u64 {
        self.counted
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

    /// Stores how far they have come, and how many files could not be looked into.
    pub(crate) async fn save(&mut self, stores: &Stores) -> StoreResult<()> {
        for erasure in self.pending.values_mut() {
            let files = files_that_may_concern(&*stores.objects, &erasure.domain).await?;
            erasure.unreadable_files = files;
        }
        erasure::save(stores, &self.pending).await?;
        erasure::revisited(stores, &self.again).await
    }
}

/// Says in the record of a run that it waits, so that who follows it knows. One that was ended
/// meanwhile waits for nothing.
async fn note_wait(
    stores: &Stores,
    run: &TrainingRunId,
    until: Option<Timestamp>,
) -> StoreResult<()> {
    let found = records::get_to_change::<TrainingRun>(&*stores.records, run).await?;
    let Some((mut found, version)) = found else { return Ok(()) };
    if let TrainingRunState::Running { waits_until, .. } = &mut found.state {
        *waits_until = until;
        records::replace(&*stores.records, run, &version, &found).await?;
    }
    Ok(())
}

/// The erasures under way, each with its number, and how many were counted.
async fn numbered(stores: &Stores) -> StoreResult<(BTreeMap<Pseudonym, Erasure>, u64)> {
    let counted = erasure::counted(stores).await?;
    let pending = erasure::pending(stores).await?;
    let is_new = |(_, erasure): &(&Pseudonym, &Erasure)| erasure.number.is_none();
    let new: BTreeSet<Pseudonym> =
        pending.iter().filter(is_new).map(|(user, _)| user.clone()).collect();
    if new.is_empty() {
        return Ok((pending, counted));
    }
    let counted = erasure::count_on(stores).await?;
    let mut pending = erasure::pending(stores).await?;
    for (_, erasure) in pending.iter_mut().filter(|(user, _)| new.contains(*user)) {
        erasure.number.get_or_insert(counted);
    }
    Ok((pending, counted))
}

/// How erasures bear on what a run's model is held against.
#[derive(Debug, Default)]
pub(crate) struct Standing {
    /// Whether any is under way of which the run's model is free.
    pub(crate) is_any: bool,
    /// How many archived events they took out of each domain that the champion was made from.
    pub(crate) erased: BTreeMap<DomainId, u64>,
    /// Whether one has waited for too long for a model.
    pub(crate) is_overdue: bool,
}

impl Standing {
    /// As of now, for a model that is free of `erasures`, beside a champion that is free of
    /// `known`.
    pub(crate) async fn of(
        stores: &Stores,
        erasures: u64,
        known: u64,
        now: Timestamp,
    ) -> StoreResult<Self> {
        let mut standing = Self::default();
        for erasure in erasure::pending(stores).await?.into_values() {
            if !erasure.is_among(erasures) || erasure.is_among(known) {
                continue;
            }
            standing.is_any = true;
            standing.is_overdue |= now.duration_since(erasure.requested_at) >= LONGEST_WAIT;
            let rows = erasure.visited.get(&Place::ArchivedEvents).copied().unwrap_or_default();
            *standing.erased.entry(erasure.domain).or_default() += rows;
        }
        Ok(standing)
    }
}
