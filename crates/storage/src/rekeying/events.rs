//! Events under every form of a user's pseudonym.

use std::sync::Arc;

use async_trait::async_trait;
use crossfold_core::entities::event::Event;
use crossfold_core::entities::history::{Dismissal, History, MarkedBy, SeenItem};
use crossfold_core::entities::ids::{DomainId, EventId, Pseudonym};
use crossfold_core::entities::impressions::{ImpressionDay, Impressions};
use crossfold_core::entities::ports::{
    Appended, ErasedPage, EventStore, Past, PastRange, RekeyedPage, StoreResult,
};
use crossfold_core::entities::pseudonym::Pseudonymiser;

use super::not_written;

pub(super) struct RekeyedEvents {
    pub(super) store: Arc<dyn EventStore>,
    pub(super) keys: Arc<Pseudonymiser>,
}

impl RekeyedEvents {
    /// Which of these events some form has that new ones are not written under.
    async fn are_elsewhere(&self, events: &[Event]) -> StoreResult<Vec<bool>> {
        let (mut asked, mut places) = (Vec::new(), Vec::new());
        for (place, event) in events.iter().enumerate() {
            for form in not_written(&self.keys.forward(&event.user)) {
                asked.push((form, event.event_id.clone()));
                places.push(place);
            }
        }
        let mut elsewhere = vec![false; events.len()];
        if asked.is_empty() {
            return Ok(elsewhere);
        }
        for (place, holds) in places.into_iter().zip(self.store.holds(&asked).await?) {
            elsewhere[place] |= holds;
        }
        Ok(elsewhere)
    }

    fn written(&self, user: &Pseudonym) -> Pseudonym {
        self.keys.forward(user).written_form()
    }
}

/// Events under every form of their users' pseudonyms.
struct Forms {
    asked: Vec<(Pseudonym, EventId)>,
    /// The place of the event that each of them is of.
    places: Vec<usize>,
    events: usize,
}

impl Forms {
    fn of(keys: &Pseudonymiser, events: &[(Pseudonym, EventId)]) -> Self {
        let (mut asked, mut places) = (Vec::new(), Vec::new());
        for (place, (user, id)) in events.iter().enumerate() {
            for form in keys.forward(user).forms() {
                asked.push((form, id.clone()));
                places.push(place);
            }
        }
        Self { asked, places, events: events.len() }
    }

    /// What is true of an event if it is of any of its forms.
    fn told_of(&self, forms: Vec<bool>) -> Vec<bool> {
        let mut told = vec![false; self.events];
        for (place, is_so) in self.places.iter().zip(forms) {
            told[*place] |= is_so;
        }
        told
    }
}

#[async_trait]
impl EventStore for RekeyedEvents {
    async fn append(&self, event: &Event) -> StoreResult<Appended> {
        if self.are_elsewhere(std::slice::from_ref(event)).await?.contains(&true) {
            return Ok(Appended::Duplicate);
        }
        self.store.append(&Event { user: self.written(&event.user), ..event.clone() }).await
    }

    async fn append_all(&self, events: &[Event]) -> StoreResult<Vec<Appended>> {
        let elsewhere = self.are_elsewhere(events).await?;
        let new = events.iter().zip(&elsewhere).filter(|(_, elsewhere)| !**elsewhere);
        let new: Vec<Event> = new
            .map(|(event, _)| Event { user: self.written(&event.user), ..event.clone() })
            .collect();
        let mut answers = self.store.append_all(&new).await?.into_iter();
        let answer = |is_elsewhere| match is_elsewhere {
            true => Appended::Duplicate,
            false => answers.next().unwrap_or(Appended::Duplicate),
        };
        Ok(elsewhere.into_iter().map(answer).collect())
    }

    fn appends_all_or_none(&self) -> bool {
        self.store.appends_all_or_none()
    }

    async fn history(&self, user: &Pseudonym, limit: usize) -> StoreResult<History> {
        let user = self.keys.forward(user);
        let mut histories = Vec::new();
        for form in user.forms() {
            histories.push(self.store.history(&form, limit).await?);
        }
        Ok(History::of_forms(&user, histories, limit))
    }

    async fn past(&self, user: &Pseudonym, range: &PastRange) -> StoreResult<Past> {
        let mut joined = Past::default();
        for form in self.keys.forward(user).forms() {
            let past = self.store.past(&form, range).await?;
            joined.is_cut |= past.is_cut;
            joined.events.extend(past.events);
        }
        // One that lies under two forms counts twice towards the limit, and as seen once.
        joined.events.sort_by_key(|event| std::cmp::Reverse(event.occurred_at));
        joined.is_cut |= joined.events.len() > range.limit;
        joined.events.truncate(range.limit);
        Ok(joined)
    }

    async fn dismiss(&self, dismissal: &Dismissal) -> StoreResult<()> {
        let user = self.written(&dismissal.user);
        self.store.dismiss(&Dismissal { user, ..dismissal.clone() }).await
    }

    async fn mark_seen(&self, seen: &SeenItem) -> StoreResult<()> {
        let user = self.written(&seen.user);
        self.store.mark_seen(&SeenItem { user, ..seen.clone() }).await
    }

    async fn note_impressions(&self, impressions: &Impressions) -> StoreResult<()> {
        let mut written = Impressions::default();
        for (of, items) in impressions.sets() {
            let by = MarkedBy { user: self.written(&of.by.user), ..of.by.clone() };
            written.add(ImpressionDay { by, ..of.clone() }, items.iter());
        }
        self.store.note_impressions(&written).await
    }

    async fn holds(&self, events: &[(Pseudonym, EventId)]) -> StoreResult<Vec<bool>> {
        let forms = Forms::of(&self.keys, events);
        Ok(forms.told_of(self.store.holds(&forms.asked).await?))
    }

    async fn rekey(&self, keys: &Pseudonymiser, after: Option<String>) -> StoreResult<RekeyedPage> {
        self.store.rekey(keys, after).await
    }

    async fn keep_erased_ids(&self, user: &Pseudonym) -> StoreResult<()> {
        for form in self.keys.forward(user).forms() {
            self.store.keep_erased_ids(&form).await?;
        }
        Ok(())
    }

    async fn were_erased(&self, events: &[(Pseudonym, EventId)]) -> StoreResult<Vec<bool>> {
        let forms = Forms::of(&self.keys, events);
        Ok(forms.told_of(self.store.were_erased(&forms.asked).await?))
    }

    async fn erase(&self, user: &Pseudonym) -> StoreResult<u64> {
        let mut erased = 0;
        for form in self.keys.forward(user).forms() {
            erased += self.store.erase(&form).await?;
        }
        Ok(erased)
    }

    async fn erase_domain(
        &self,
        domain: &DomainId,
        after: Option<String>,
    ) -> StoreResult<ErasedPage> {
        self.store.erase_domain(domain, after).await
    }
}
