//! People under every form of their users' pseudonyms.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use crossfold_core::entities::ids::Pseudonym;
use crossfold_core::entities::people::{PeopleEntry, PeopleWrite, Person, VersionedEntry};
use crossfold_core::entities::ports::{Committed, Page, PeopleStore, StoreResult};
use crossfold_core::entities::pseudonym::Pseudonymiser;

use super::not_written;

pub(super) struct RekeyedPeople {
    pub(super) store: Arc<dyn PeopleStore>,
    pub(super) keys: Arc<Pseudonymiser>,
}

/// An entry with every user in it as `form` has them.
fn with_users(entry: PeopleEntry, form: impl Fn(&Pseudonym) -> Pseudonym) -> PeopleEntry {
    match entry {
        PeopleEntry::Person(Person { mut members, mut consents }) => {
            members.iter_mut().for_each(|member| member.user = form(&member.user));
            consents.name_deciders(&form);
            PeopleEntry::Person(Person { members, consents })
        }
        PeopleEntry::Link { person, life, erased_until, declared } => {
            PeopleEntry::Link { person: form(&person), life, erased_until, declared }
        }
        erased @ PeopleEntry::Erased { .. } => erased,
    }
}

impl RekeyedPeople {
    fn read(&self, stored: VersionedEntry, id: Pseudonym) -> VersionedEntry {
        let entry = with_users(stored.entry, |user| self.keys.forward(user));
        VersionedEntry { id, entry, version: stored.version }
    }

    /// The forms of a user, as many as are looked up whoever it is: of one who is known by
    /// fewer, the canonical one is read again. Else the time it takes to follow a link would
    /// tell that it was one.
    fn forms(&self, user: &Pseudonym) -> Vec<Pseudonym> {
        let mut forms: Vec<Pseudonym> = user.forms().collect();
        let canonical = forms.last().cloned();
        while forms.len() < self.keys.looked_up() {
            forms.extend(canonical.clone());
        }
        forms
    }

    /// Where these users' entries stand, of those who have one.
    async fn standing(&self, users: &[Pseudonym]) -> StoreResult<BTreeMap<Pseudonym, Pseudonym>> {
        let mut standing = BTreeMap::new();
        for nth in 0..self.keys.looked_up() {
            let mut asked: BTreeMap<Pseudonym, &Pseudonym> = BTreeMap::new();
            for user in users {
                asked.extend(self.forms(user).into_iter().nth(nth).map(|form| (form, user)));
            }
            let forms: Vec<Pseudonym> = asked.keys().cloned().collect();
            for stored in self.store.get_all(&forms).await? {
                if let Some(user) = asked.get(&stored.id) {
                    standing.insert((*user).clone(), stored.id);
                }
            }
        }
        Ok(standing)
    }
}

#[async_trait]
impl PeopleStore for RekeyedPeople {
    async fn get(&self, user: &Pseudonym) -> StoreResult<Option<VersionedEntry>> {
        let user = self.keys.forward(user);
        let mut found = None;
        for form in self.forms(&user) {
            let stored = self.store.get(&form).await?;
            found = stored.map(|stored| self.read(stored, user.clone())).or(found);
        }
        Ok(found)
    }

    async fn get_all(&self, users: &[Pseudonym]) -> StoreResult<Vec<VersionedEntry>> {
        let users: Vec<Pseudonym> = users.iter().map(|user| self.keys.forward(user)).collect();
        let mut found = BTreeMap::new();
        for nth in 0..self.keys.looked_up() {
            let mut asked: BTreeMap<Pseudonym, &Pseudonym> = BTreeMap::new();
            for user in &users {
                asked.extend(self.forms(user).into_iter().nth(nth).map(|form| (form, user)));
            }
            let forms: Vec<Pseudonym> = asked.keys().cloned().collect();
            for stored in self.store.get_all(&forms).await? {
                if let Some(user) = asked.get(&stored.id) {
                    found.insert((*user).clone(), self.read(stored, (*user).clone()));
                }
            }
        }
        Ok(found.into_values().collect())
    }

    async fn commit(&self, writes: &[PeopleWrite]) -> StoreResult<Committed> {
        self.commit_unless(writes, &[]).await
    }

    async fn commit_unless(
        &self,
        writes: &[PeopleWrite],
        absent: &[Pseudonym],
    ) -> StoreResult<Committed> {
        let ids: Vec<Pseudonym> = writes.iter().map(|write| self.keys.forward(&write.id)).collect();
        let standing = match self.keys.looked_up() {
            // Every entry can only be where it is written: the conditions of the write tell.
            1 => None,
            _ => Some(self.standing(&ids).await?),
        };
        let (mut placed, mut nowhere) = (Vec::with_capacity(writes.len()), Vec::new());
        for (write, user) in writes.iter().zip(&ids) {
            let id = match (write.expected, standing.as_ref().map(|standing| standing.get(user))) {
                (_, None) => user.written_form(),
                (Some(_), Some(Some(stands))) => stands.clone(),
                (None, Some(None)) => {
                    nowhere.extend(not_written(user));
                    user.written_form()
                }
                _ => return Ok(Committed::Conflict),
            };
            let entry =
                with_users(write.entry.clone(), |user| self.keys.forward(user).oldest_form());
            placed.push(PeopleWrite { id, entry, expected: write.expected });
        }
        for user in absent {
            nowhere.extend(self.keys.forward(user).forms());
        }
        self.store.commit_unless(&placed, &nowhere).await
    }

    async fn rekey(&self, entry: &VersionedEntry, to: &Pseudonym) -> StoreResult<Committed> {
        self.store.rekey(entry, to).await
    }

    async fn scan(&self, after: Option<String>) -> StoreResult<Page<VersionedEntry>> {
        let page = self.store.scan(after).await?;
        let read = |stored: VersionedEntry| {
            let id = self.keys.forward(&stored.id);
            self.read(stored, id)
        };
        Ok(Page { entries: page.entries.into_iter().map(read).collect(), next: page.next })
    }

    fn canonical(&self, user: &Pseudonym) -> Pseudonym {
        self.keys.forward(user)
    }
}
