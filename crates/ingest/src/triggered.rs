//! What events trigger: pushes of campaigns, which are ordered here and carried out by
//! `crossfold_recommend::campaigns`.
//!
//! An event of which that failed is answered as one that was not stored, so that its sender sends
//! it again: it is a duplicate then, and what it triggers is ordered all the same. What a duplicate
//! triggers goes by the event that is stored, and not by what it claims this time.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crossfold_core::entities::activity::Pushes;
use crossfold_core::entities::campaign::CampaignDefinition;
use crossfold_core::entities::catalogue::Item;
use crossfold_core::entities::definition::{Definitions, DomainDefinition};
use crossfold_core::entities::event::Event;
use crossfold_core::entities::ids::{CampaignId, DomainId, EventId, ItemId, Pseudonym, UserId};
use crossfold_core::entities::ports::{Appended, StoreError, StoreResult};
use crossfold_core::entities::purpose::Purpose;
use crossfold_core::entities::push::{MOST_LATE, NotOrdered, NotTold, PushId, PushOrder};
use crossfold_core::entities::retryable::Retryable;
use crossfold_core::serving::request::MAX_HISTORY;
use crossfold_core::serving::snapshot::CatalogueSnapshot;
use crossfold_storage::person_lookup::{Found, find};
use crossfold_storage::pushes;
use futures::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;

use crate::state::IngestState;

/// How long what the events of a call trigger may take to be ordered: with what comes before it,
/// less than the function has.
const WAIT: Duration = Duration::from_secs(4);
/// Users whose pushes are ordered at the same time.
const CONCURRENT_ORDERS: usize = 16;

/// Orders what events of a domain trigger.
#[derive(Clone, Copy)]
pub(crate) struct Triggered<'a> {
    pub(crate) state: &'a IngestState,
    pub(crate) domain: &'a DomainId,
    pub(crate) definition: &'a DomainDefinition,
}

/// An event that is stored.
pub(crate) struct StoredEvent<'a> {
    /// Its place in the posted list.
    pub(crate) index: usize,
    pub(crate) user_id: &'a UserId,
    pub(crate) event: &'a Event,
    pub(crate) appended: Appended,
}

/// What became of what stored events triggered.
#[derive(Debug, Default)]
pub(crate) struct Ordered {
    /// Events, by their place in the posted list, of which something could not be ordered and may
    /// be when they are sent again.
    pub(crate) failed: BTreeMap<usize, StoreError>,
    /// Pushes that are not ordered, for as many of their user wait as may.
    too_many: u64,
}

impl Ordered {
    /// What of it is counted.
    pub(crate) fn pushes(&self) -> Pushes {
        let mut pushes = Pushes::default();
        if self.too_many > 0 {
            pushes.not_told.insert(NotTold::TooManyWaiting.code().to_owned(), self.too_many);
        }
        pushes
    }
}

/// An event with a campaign that it triggers.
struct Triggering<'a> {
    event: Event,
    name: &'a CampaignId,
    campaign: &'a CampaignDefinition,
}

impl<'a> Triggered<'a> {
    /// Orders what stored events trigger, and says what became of it.
    pub(crate) async fn order(self, events: Vec<StoredEvent<'a>>) -> Ordered {
        let now = self.state.machine.clock.now();
        // One user's together: they change one log.
        let mut of_users: BTreeMap<&Pseudonym, Vec<StoredEvent<'a>>> = BTreeMap::new();
        for stored in events {
            // A duplicate may have been another when it was stored.
            let is_duplicate = stored.appended == Appended::Duplicate && self.has_campaigns();
            if is_duplicate || self.followed_by(stored.event, now).next().is_some() {
                of_users.entry(&stored.event.user).or_default().push(stored);
            }
        }
        let mut left: BTreeSet<usize> =
            of_users.values().flatten().map(|stored| stored.index).collect();
        let ordered: Vec<_> =
            of_users.into_values().map(|events| self.order_of_user(events, now)).collect();
        let ordered = stream::iter(ordered).buffer_unordered(CONCURRENT_ORDERS);
        let in_time: Vec<(Vec<usize>, StoreResult<u64>)> =
            ordered.take_until(tokio::time::sleep(WAIT)).collect().await;
        let Ordered { mut failed, mut too_many } = Ordered::default();
        for (indexes, ordered) in in_time {
            indexes.iter().for_each(|index| _ = left.remove(index));
            let error = match ordered {
                Ok(more) => {
                    too_many += more;
                    continue;
                }
                Err(error) => error,
            };
            if !error.is_worth_another_try() {
                // Sent again it would fail again, and the event itself is stored.
                tracing::error!(domain = %self.domain, %error, "a push could not be ordered");
                continue;
            }
            let why = error.to_string();
            let error = |index| (index, StoreError::Unavailable(why.as_str().into()));
            failed.extend(indexes.into_iter().map(error));
        }
        let late = |index| (index, StoreError::Unavailable("it took too long".into()));
        failed.extend(left.into_iter().map(late));
        Ordered { failed, too_many }
    }

    fn has_campaigns(self) -> bool {
        !self.definition.campaigns.is_empty()
    }

    /// Orders what one user's events trigger, and says which these were and how many more pushes
    /// they trigger than may wait.
    async fn order_of_user(
        self,
        events: Vec<StoredEvent<'a>>,
        now: Timestamp,
    ) -> (Vec<usize>, StoreResult<u64>) {
        let indexes = events.iter().map(|stored| stored.index).collect();
        let ordered = match events.first() {
            Some(first) => self.order_all((&first.event.user, first.user_id), &events, now).await,
            None => Ok(0),
        };
        (indexes, ordered)
    }

    /// The campaigns that an event triggers by its type and time.
    fn followed_by(
        self,
        event: &Event,
        now: Timestamp,
    ) -> impl Iterator<Item = (&'a CampaignId, &'a CampaignDefinition)> {
        let is_new = now.duration_since(event.occurred_at) <= MOST_LATE;
        let (event_type, occurred_at) = (event.event_type.clone(), event.occurred_at);
        self.definition.campaigns.iter().filter(move |(_, campaign)| {
            is_new
                && campaign.trigger.event_type == event_type
                && campaign.follows(occurred_at)
                && campaign.is_on(now)
        })
    }

    async fn order_all(
        self,
        (user, user_id): (&Pseudonym, &UserId),
        events: &[StoredEvent<'a>],
        now: Timestamp,
    ) -> StoreResult<u64> {
        let stores = &self.state.stores;
        let Found::Person(person) = find(&*stores.people, user).await? else { return Ok(0) };
        let own = self.domain;
        // Nothing of a definition permits it: only whether there is one is looked for.
        let definitions = Definitions::from([(own.clone(), self.definition.clone())]);
        let consents = &person.person.consents;
        if !consents.permits(own, own, Purpose::Contact, &definitions, now) {
            return Ok(0);
        }
        let declared = person.declared(user);
        let events = self.as_stored(user, events).await?;
        let mut triggering: Vec<Triggering<'_>> = Vec::new();
        for event in events {
            for (name, campaign) in self.followed_by(&event, now) {
                if campaign.audience.has_declared(&declared) {
                    triggering.push(Triggering { event: event.clone(), name, campaign });
                }
            }
        }
        self.keep_meant(&mut triggering, now).await?;
        let orders = triggering.iter().map(|of| self.order_for(of, user_id)).collect();
        let ordered = pushes::order_all(&*stores.records, user, orders, now).await?;
        let too_many = ordered.iter().filter(|not| **not == Some(NotOrdered::TooMany)).count();
        if too_many > 0 {
            tracing::warn!(domain = %self.domain, too_many, "more pushes of a user than may wait");
        }
        Ok(too_many as u64)
    }

    /// One user's events as they are stored; without duplicates of which that is not known any more.
    async fn as_stored(
        self,
        user: &Pseudonym,
        events: &[StoredEvent<'_>],
    ) -> StoreResult<Vec<Event>> {
        let is_new = |stored: &&StoredEvent<'_>| stored.appended == Appended::New;
        let mut new: Vec<Event> =
            events.iter().filter(is_new).map(|stored| stored.event.clone()).collect();
        let others = events.iter().filter(|stored| stored.appended == Appended::Duplicate);
        let others: BTreeSet<&EventId> = others.map(|stored| &stored.event.event_id).collect();
        if !others.is_empty() {
            let history = self.state.stores.events.history(user, MAX_HISTORY).await?;
            let stored = others.iter().filter_map(|id| history.stored_event(user, id));
            new.extend(stored.map(|event| Event { user: user.clone(), ..event.clone() }));
        }
        Ok(new)
    }

    /// Keeps those whose item is like what their campaign follows.
    async fn keep_meant(
        self,
        triggering: &mut Vec<Triggering<'a>>,
        now: Timestamp,
    ) -> StoreResult<()> {
        let filtered = triggering.iter().filter(|of| of.campaign.trigger.filter.is_some());
        let wanted: BTreeSet<ItemId> = filtered.map(|of| of.event.item_id.clone()).collect();
        let reads: Vec<_> =
            wanted.iter().map(|item| self.state.stores.catalogue.get(self.domain, item)).collect();
        let items: Vec<Option<Item>> =
            stream::iter(reads).buffered(CONCURRENT_ORDERS).try_collect().await?;
        let snapshot = CatalogueSnapshot::new(items.into_iter().flatten().collect(), None);
        let schema = self.definition.schema();
        let mut is_meant: BTreeMap<&CampaignId, Vec<bool>> = BTreeMap::new();
        for (name, campaign) in &self.definition.campaigns {
            // A definition is checked before it is stored.
            let filter = campaign.trigger.item_filter(&schema);
            let filter =
                filter.map_err(|why| StoreError::corrupt("the filter of a campaign", why))?;
            if let Some(filter) = filter {
                let mask = filter.admits(&snapshot.table(&filter, &schema), now);
                is_meant.insert(name, (0..snapshot.len()).map(|at| mask.get(at)).collect());
            }
        }
        triggering.retain(|of| match is_meant.get(of.name) {
            None => true,
            Some(is_meant) => {
                snapshot.position(&of.event.item_id).is_some_and(|position| is_meant[position])
            }
        });
        Ok(())
    }

    fn order_for(
        self,
        Triggering { event, name, campaign }: &Triggering<'_>,
        user: &UserId,
    ) -> PushOrder {
        let push_id = PushId::of(name, event);
        let due_at = event.occurred_at.checked_add(campaign.delay()).unwrap_or(Timestamp::MAX);
        PushOrder {
            sealed_user: self.state.pseudonymiser.seal(user, push_id.as_str()),
            push_id,
            user: event.user.clone(),
            domain: self.domain.clone(),
            domain_life: self.definition.life,
            campaign: (*name).clone(),
            event: event.into(),
            due_at,
            first_due_at: due_at,
            failures: 0,
        }
    }
}

#[cfg(test)]
mod tests;
