//! `DELETE /v1/domains/{domain}`: a domain with its data.
//!
//! A call does what it can within its time, keeps in a record how far it came,
//! and says whether all is done; the same call goes on from there, after a crash
//! as well. First the definition goes, and with it every read and write of the
//! domain, and its keys. Then, at once or over several calls:
//!
//! | what | becomes |
//! | --- | --- |
//! | catalogue entries | entries without details, whose ids expire after 30 days |
//! | registered users | erased, as by `DELETE /v1/users/{user}`; linked users of other domains stay |
//! | grants about the domain | forgotten, and what proved refusals |
//! | refusals about the domain | kept, without who took them: the next domain of that name may have defaults |
//! | events and dismissals, of registered users or not | deleted |
//!
//! The archive and quarantine are freed of its events by the next training run,
//! and the model is made without them. Counts of activity stay, which name nobody. Decisions and outcomes expire, models and
//! reports of before stay as long as they are kept, and objects that were
//! replaced for as long as the bucket keeps such.

use std::time::Duration;

use axum::Json as JsonResponse;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use crossfold_core::entities::catalogue::Item;
use crossfold_core::entities::clock::Reading;
use crossfold_core::entities::definition::DomainDefinition;
use crossfold_core::entities::domain_deletion::{Deleted, DeletionStage, DomainDeletion};
use crossfold_core::entities::event::to_millisecond;
use crossfold_core::entities::experiment::of_domain::{ArchivedExperiment, DomainExperiments};
use crossfold_core::entities::ids::{DomainId, Pseudonym};
use crossfold_core::entities::people::{PeopleEntry, PeopleWrite, VersionedEntry};
use crossfold_core::entities::ports::{Committed, RecordStore};
use crossfold_core::entities::records::Record;
use crossfold_edge::caller::{Caller, Scope};
use crossfold_edge::extract::{Path, Query};
use crossfold_edge::problem::Problem;
use crossfold_storage::definition_reader::{MAX_AGE, announce_change};
use crossfold_storage::erasure::{LONGEST_CALL, forget};
use crossfold_storage::records;
use futures::{StreamExt, TryStreamExt, stream};
use jiff::{SignedDuration, Timestamp};
use lambda_http::http::StatusCode;
use serde::{Deserialize, Serialize};

use crate::items;
use crate::keys::routes::revoke_all;
use crate::state::IngestState;

/// How long a call goes on: the function is stopped after 15 seconds, and a
/// page that was begun is finished.
const TIME_OF_CALL: Duration = Duration::from_secs(7);
/// Catalogue entries that are emptied between two looks at the clock.
const ITEMS_AT_A_TIME: usize = 2_000;
/// Experiments that were put away which are listed at a time.
const DELETED_AT_ONCE: usize = 100;
/// People who are changed at the same time.
const CONCURRENT_PEOPLE: usize = 16;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Confirmation {
    confirm: Option<String>,
}

#[derive(Serialize)]
struct DeletionView {
    domain: DomainId,
    done: bool,
    started_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    finished_at: Option<Timestamp>,
    deleted: Deleted,
    /// What is left to do, and how, in words.
    next: &'static str,
}

/// Deletes a domain, as far as one call can.
pub(crate) async fn delete_domain(
    State(state): State<IngestState>,
    caller: Caller,
    Path(domain): Path<DomainId>,
    Query(confirmation): Query<Confirmation>,
) -> Result<Response, Problem> {
    caller.require(Scope::DomainsWrite, &domain)?;
    if confirmation.confirm.as_deref() != Some(domain.as_str()) {
        let detail = format!(
            "this deletes {domain} with its catalogue, keys, users and events: add \
             ?confirm={domain} to do so"
        );
        return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "unconfirmed", detail));
    }
    let deletion = begin(&state, &domain).await?;
    let deletion =
        Deleting { state: &state, domain: &domain, began: state.machine.stopwatch.read() }
            .go_on(deletion)
            .await?;
    let status = if deletion.is_done() { StatusCode::OK } else { StatusCode::ACCEPTED };
    let view = DeletionView {
        next: next(&deletion),
        domain,
        done: deletion.is_done(),
        started_at: deletion.started_at,
        finished_at: deletion.finished_at,
        deleted: deletion.deleted,
    };
    Ok((status, JsonResponse(view)).into_response())
}

fn next(deletion: &DomainDeletion) -> &'static str {
    if deletion.is_done() {
        "the archive and the model forget the domain at the next training run"
    } else {
        "not all is deleted yet: make the same call again in half a minute"
    }
}

/// The deletion that is under way, or a new one. From here on the domain is not
/// defined any more, and has no keys.
async fn begin(state: &IngestState, domain: &DomainId) -> Result<DomainDeletion, Problem> {
    let store = &*state.stores.records;
    let standing = records::get::<DomainDeletion>(store, domain).await?;
    let is_defined = records::get::<DomainDefinition>(store, domain).await?.is_some();
    let mut deletion = match standing {
        Some(done) if done.is_done() && !is_defined => return Ok(done),
        Some(under_way) if !under_way.is_done() => under_way,
        None if !is_defined => return Err(Problem::unknown_domain(domain.as_str())),
        standing => DomainDeletion {
            number: standing.map_or(0, |before| before.number) + 1,
            ..DomainDeletion::begun(to_millisecond(state.machine.clock.now()))
        },
    };
    // The record first: were the definition gone without it, nobody could go on.
    records::put(store, domain, &deletion).await?;
    records::delete::<DomainDefinition>(store, domain).await?;
    delete_experiments(store, domain).await?;
    announce_change(store, state.machine.ids.fresh()).await?;
    deletion.deleted.keys += revoke_all(state, domain).await?;
    records::put(store, domain, &deletion).await?;
    Ok(deletion)
}

/// Deletes a domain's experiments, also those that were put away.
async fn delete_experiments(store: &dyn RecordStore, domain: &DomainId) -> Result<(), Problem> {
    records::delete::<DomainExperiments>(store, domain).await?;
    let before = format!("{domain}/");
    loop {
        let kind = ArchivedExperiment::KIND;
        let found = store.first(kind, Some(&before), DELETED_AT_ONCE).await?;
        let own: Vec<String> =
            found.into_iter().map(|(key, _)| key).filter(|key| key.starts_with(&before)).collect();
        if own.is_empty() {
            return Ok(());
        }
        for key in own {
            store.delete(kind, &key).await?;
        }
    }
}

/// The life that a domain leads: how many deletions it came after. None while it is being
/// deleted.
pub(crate) async fn current_life(
    state: &IngestState,
    domain: &DomainId,
) -> Result<Option<u64>, Problem> {
    let standing = records::get::<DomainDeletion>(&*state.stores.records, domain).await?;
    Ok(match standing {
        None => Some(0),
        Some(deletion) => deletion.is_done().then_some(deletion.number),
    })
}

/// The life that a domain leads, which is defined. The deletion is looked at before the
/// definition, and neither is one of before: a deletion that begins afterwards has a higher
/// number, and one that had begun before is under way.
pub(crate) async fn defined_life(state: &IngestState, domain: &DomainId) -> Result<u64, Problem> {
    let life = current_life(state, domain).await?;
    let defined = records::get::<DomainDefinition>(&*state.stores.records, domain).await?;
    match life.filter(|_| defined.is_some()) {
        Some(life) => Ok(life),
        None => Err(Problem::unknown_domain(domain.as_str())),
    }
}

/// Refuses to define a domain that is being deleted.
pub(crate) async fn refuse_while_deleting(
    state: &IngestState,
    domain: &DomainId,
) -> Result<(), Problem> {
    let standing = records::get::<DomainDeletion>(&*state.stores.records, domain).await?;
    if standing.is_none_or(|deletion| deletion.is_done()) {
        return Ok(());
    }
    let detail = format!("{domain} is being deleted: make that call again until it is done");
    Err(Problem::new(StatusCode::CONFLICT, "domain_being_deleted", detail))
}

struct Deleting<'a> {
    state: &'a IngestState,
    domain: &'a DomainId,
    began: Reading,
}

impl Deleting<'_> {
    async fn go_on(&self, mut deletion: DomainDeletion) -> Result<DomainDeletion, Problem> {
        while !deletion.is_done() && self.has_time() {
            match deletion.stage {
                DeletionStage::Items => self.empty_catalogue(&mut deletion).await?,
                // Other functions know the definition for half a minute yet: what they
                // write until then would stay behind a scan that was too quick.
                _ if self.may_be_written_to(&deletion) => break,
                DeletionStage::People => self.erase_people(&mut deletion).await?,
                DeletionStage::Events => self.erase_events(&mut deletion).await?,
                DeletionStage::Done => break,
            }
            records::put(&*self.state.stores.records, self.domain, &deletion).await?;
        }
        Ok(deletion)
    }

    fn has_time(&self) -> bool {
        self.state.machine.stopwatch.since(self.began) < TIME_OF_CALL
    }

    fn may_be_written_to(&self, deletion: &DomainDeletion) -> bool {
        let last = SignedDuration::try_from(MAX_AGE + LONGEST_CALL).unwrap_or(SignedDuration::MAX);
        let age = self.state.machine.clock.now().duration_since(deletion.started_at);
        !self.state.is_alone && age < last
    }

    async fn empty_catalogue(&self, deletion: &mut DomainDeletion) -> Result<(), Problem> {
        let listed = self.state.stores.catalogue.list(self.domain).await?;
        let full: Vec<Item> = listed.into_iter().filter(|item| item.details.is_some()).collect();
        let updated_at = to_millisecond(self.state.machine.clock.now());
        let empty = |item: &Item| Item { details: None, updated_at, ..item.clone() };
        for some in full.chunks(ITEMS_AT_A_TIME) {
            if !self.has_time() {
                return Ok(());
            }
            let emptied = some.iter().map(empty).collect();
            let stored =
                items::store(self.state, self.domain, emptied, items::Standing::Replaced).await?;
            deletion.emptied_by = deletion.emptied_by.max(stored.change);
            deletion.deleted.items += some.len() as u64;
        }
        deletion.enter(DeletionStage::People);
        Ok(())
    }

    /// Whether the catalogue has an item that is not emptied.
    async fn has_items(&self) -> Result<bool, Problem> {
        let listed = self.state.stores.catalogue.list(self.domain).await?;
        Ok(listed.iter().any(|item| item.details.is_some()))
    }

    /// One page of everyone who is known.
    async fn erase_people(&self, deletion: &mut DomainDeletion) -> Result<(), Problem> {
        let page = self.state.stores.people.scan(deletion.cursor.take()).await?;
        let erased = stream::iter(page.entries)
            .map(|entry| self.forget_in(entry))
            .buffer_unordered(CONCURRENT_PEOPLE)
            .try_fold((0, 0), async |(users, events), (more_users, more_events)| {
                Ok((users + more_users, events + more_events))
            })
            .await?;
        deletion.deleted.users += erased.0;
        deletion.deleted.events += erased.1;
        match page.next {
            Some(next) => deletion.cursor = Some(next),
            None => deletion.enter(DeletionStage::Events),
        }
        Ok(())
    }

    /// Takes the domain's users and what was granted about it out of a person;
    /// says how many users, and how many of their events.
    async fn forget_in(&self, entry: VersionedEntry) -> Result<(u64, u64), Problem> {
        let PeopleEntry::Person(mut person) = entry.entry else { return Ok((0, 0)) };
        let own: Vec<Pseudonym> = person
            .members
            .iter()
            .filter(|member| member.domain == *self.domain)
            .map(|member| member.user.clone())
            .collect();
        if person.consents.forget(self.domain) {
            let expected = Some(entry.version);
            let write = PeopleWrite { id: entry.id, entry: PeopleEntry::Person(person), expected };
            if self.state.stores.people.commit(&[write]).await? == Committed::Conflict {
                let detail = "a person was changed at the same time; make the same call again";
                return Err(Problem::conflict(detail));
            }
        }
        let (mut events, now) = (0, self.state.machine.clock.now());
        for user in &own {
            events += forget(&self.state.stores, user, now).await?;
        }
        Ok((own.len() as u64, events))
    }

    /// One page of every event.
    async fn erase_events(&self, deletion: &mut DomainDeletion) -> Result<(), Problem> {
        let store = &self.state.stores.events;
        let erased = store.erase_domain(self.domain, deletion.cursor.take()).await?;
        deletion.deleted.events += erased.records;
        match erased.next {
            Some(next) => deletion.cursor = Some(next),
            // Some were on their way when the catalogue was emptied: all is gone through again.
            None if self.has_items().await? => deletion.enter(DeletionStage::Items),
            None => {
                // Those that were being made when the deletion began.
                deletion.deleted.keys += revoke_all(self.state, self.domain).await?;
                deletion.enter(DeletionStage::Done);
                deletion.finished_at = Some(to_millisecond(self.state.machine.clock.now()));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
