//! What events trigger: pushes of campaigns, which are ordered here and carried out by
//! `crossfold_recommend::campaigns`.
//!
//! An event of which that failed is answered as one that was not stored, so that its sender sends
//! it again: it is a duplicate then, and what it triggers is ordered all the same.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crossfold_core::entities::campaign::CampaignDefinition;
use crossfold_core::entities::definition::{Definitions, DomainDefinition};
use crossfold_core::entities::event::Event;
use crossfold_core::entities::ids::{CampaignId, DomainId, Pseudonym, UserId};
use crossfold_core::entities::ports::{StoreError, StoreResult};
use crossfold_core::entities::purpose::Purpose;
use crossfold_core::entities::push::{MOST_LATE, NotOrdered, PushId, PushOrder};
use crossfold_core::serving::snapshot::CatalogueSnapshot;
use crossfold_storage::person_lookup::{Found, StoredPerson, find};
use crossfold_storage::pushes;
use futures::{StreamExt, stream};
use jiff::Timestamp;

use crate::state::IngestState;

/// How long what the events of a call trigger may take to be ordered: with what comes before it,
/// less than the function has.
const WAIT: Duration = Duration::from_secs(4);
/// Events whose pushes are ordered at the same time.
const CONCURRENT_ORDERS: usize = 16;

/// Orders what events of a domain trigger.
#[derive(Clone, Copy)]
pub(crate) struct Triggered<'a> {
    pub(crate) state: &'a IngestState,
    pub(crate) domain: &'a DomainId,
    pub(crate) definition: &'a DomainDefinition,
}

/// Campaigns by their names.
type Named<'a> = Vec<(&'a CampaignId, &'a CampaignDefinition)>;

/// An event that triggers something.
struct Triggering<'a> {
    /// Its place in the posted list.
    index: usize,
    user_id: &'a UserId,
    event: &'a Event,
    campaigns: Named<'a>,
}

impl<'a> Triggered<'a> {
    /// Orders what stored events trigger, each with its place, and says of which that failed.
    pub(crate) async fn order(
        self,
        events: Vec<(usize, &'a UserId, &'a Event)>,
    ) -> BTreeMap<usize, StoreError> {
        let now = self.state.machine.clock.now();
        // One user's after one another: they change one log.
        let mut of_users: BTreeMap<&Pseudonym, Vec<Triggering<'a>>> = BTreeMap::new();
        for (index, user_id, event) in events {
            let campaigns = self.followed_by(event, now);
            if !campaigns.is_empty() {
                let triggering = Triggering { index, user_id, event, campaigns };
                of_users.entry(&event.user).or_default().push(triggering);
            }
        }
        let mut left: BTreeSet<usize> =
            of_users.values().flatten().map(|triggering| triggering.index).collect();
        let ordered: Vec<_> =
            of_users.into_values().map(|events| self.order_in_turn(events, now)).collect();
        let ordered = stream::iter(ordered).buffer_unordered(CONCURRENT_ORDERS);
        let in_time: Vec<Vec<(usize, StoreResult<()>)>> =
            ordered.take_until(tokio::time::sleep(WAIT)).collect().await;
        let mut failed = BTreeMap::new();
        for (index, ordered) in in_time.into_iter().flatten() {
            left.remove(&index);
            failed.extend(ordered.err().map(|error| (index, error)));
        }
        let late = |index| (index, StoreError::Unavailable("it took too long".into()));
        failed.extend(left.into_iter().map(late));
        failed
    }

    /// Orders what one user's events trigger, and says of each what became of it.
    async fn order_in_turn(
        self,
        events: Vec<Triggering<'a>>,
        now: Timestamp,
    ) -> Vec<(usize, StoreResult<()>)> {
        let mut ordered = Vec::with_capacity(events.len());
        for triggering in events {
            ordered.push((triggering.index, self.order_one(triggering, now).await));
        }
        ordered
    }

    /// The campaigns that an event triggers by its type and time.
    fn followed_by(self, event: &Event, now: Timestamp) -> Named<'a> {
        let is_new = now.duration_since(event.occurred_at) <= MOST_LATE;
        let follows = |(_, campaign): &(&CampaignId, &CampaignDefinition)| {
            campaign.trigger.event_type == event.event_type
                && campaign.follows(event.occurred_at)
                && campaign.is_on(now)
        };
        self.definition.campaigns.iter().filter(|named| is_new && follows(named)).collect()
    }

    async fn order_one(self, triggering: Triggering<'a>, now: Timestamp) -> StoreResult<()> {
        let Triggering { user_id, event, campaigns, .. } = triggering;
        let stores = &self.state.stores;
        let Found::Person(person) = find(&*stores.people, &event.user).await? else {
            return Ok(());
        };
        if !self.may_contact(&person, now) {
            return Ok(());
        }
        let declared = person.declared(&event.user);
        for (name, campaign) in campaigns {
            if !campaign.audience.has(&declared)
                || !self.item_is_meant(campaign, event, now).await?
            {
                continue;
            }
            let order = self.order_of((name, campaign), (user_id, event));
            if pushes::order(&*stores.records, &order).await? == Err(NotOrdered::TooMany) {
                tracing::warn!(domain = %self.domain, campaign = %name, "too many pushes wait");
            }
        }
        Ok(())
    }

    /// Whether the person consented to be contacted by the platform.
    fn may_contact(self, person: &StoredPerson, now: Timestamp) -> bool {
        let (own, consents) = (self.domain, &person.person.consents);
        let definitions = Definitions::from([(own.clone(), self.definition.clone())]);
        consents.permits(own, own, Purpose::Contact, &definitions, now)
    }

    /// Whether the item of an event is like what a campaign follows.
    async fn item_is_meant(
        self,
        campaign: &CampaignDefinition,
        event: &Event,
        now: Timestamp,
    ) -> StoreResult<bool> {
        let schema = self.definition.schema();
        // A definition is checked before it is stored.
        let filter = campaign.trigger.item_filter(&schema);
        let filter = filter.map_err(|why| StoreError::corrupt("the filter of a campaign", why))?;
        let Some(filter) = filter else { return Ok(true) };
        let item = self.state.stores.catalogue.get(self.domain, &event.item_id).await?;
        let snapshot = CatalogueSnapshot::new(item.into_iter().collect(), None);
        Ok(!snapshot.is_empty() && filter.admits(&snapshot.table(&filter, &schema), now).get(0))
    }

    fn order_of(
        self,
        (name, campaign): (&CampaignId, &CampaignDefinition),
        (user_id, event): (&UserId, &Event),
    ) -> PushOrder {
        let push_id = PushId::of(name, event);
        // By the event's own time, which is the same however often it is sent.
        let due_at = event.occurred_at.checked_add(campaign.delay()).unwrap_or(Timestamp::MAX);
        PushOrder {
            sealed_user: self.state.pseudonymiser.seal(user_id, push_id.as_str()),
            push_id,
            user: event.user.clone(),
            domain: self.domain.clone(),
            domain_life: self.definition.life,
            campaign: name.clone(),
            event: event.into(),
            due_at,
            first_due_at: due_at,
            failures: 0,
        }
    }
}

#[cfg(test)]
mod tests;
