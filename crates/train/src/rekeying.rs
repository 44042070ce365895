//! Taking what is stored under earlier versions of pseudonyms forward, a while with every run.
//!
//! A pass goes through the tables of events and of people, and the logs of pushes between, page by page, and moves what
//! lies under an earlier form to the canonical one; how far it has come is a record, so that
//! the next run goes on from there, however this one ends. The log of decisions is not moved:
//! it is found under every form as long as the version is looked up, and expires. Only once
//! a pass has found nothing in both tables is the log gone through, no further than to the
//! first record of each version. What the whole of it found is noted for each version:
//! nothing, and the version may be retired.
//!
//! The archive is keyed by nobody: its rows are taken forward whenever they are read, under
//! retired versions as well, and a file that has any is written anew.

use std::collections::BTreeMap;

use crossfold_core::entities::clock::Clock;
use crossfold_core::entities::domain_deletion::DomainDeletion;
use crossfold_core::entities::ids::KeyVersionId;
use crossfold_core::entities::key_versions::{Rekeying, RekeyingStage};
use crossfold_core::entities::ports::{RekeyedPage, StoreResult, Stores};
use crossfold_core::entities::pseudonym::Pseudonymiser;
use crossfold_storage::key_versions::Noted;
use crossfold_storage::rekeying::rekey_people;
use crossfold_storage::{key_versions, pushes, records};
use jiff::{SignedDuration, Timestamp};

/// How long a run goes on with it before it makes its model.
const TIME: SignedDuration = SignedDuration::from_secs(120);
/// Most passes of one run: one that moves, one that finds what was written meanwhile, and one
/// that finds nothing.
const MAX_PASSES: usize = 3;

/// Takes records forward.
#[derive(Clone)]
pub(crate) struct Rekeyer {
    /// The stores as they are, each record under the form that it is stored under.
    stores: Stores,
    keys: Pseudonymiser,
}

impl Rekeyer {
    pub(crate) fn new(stores: Stores, keys: Pseudonymiser) -> Self {
        Self { stores, keys }
    }

    /// Goes on where the run before ended. A run goes on without it: what was not moved is
    /// found where it is.
    pub(crate) async fn go_on(&self, clock: &Clock) {
        let until = clock.now().saturating_add(TIME).unwrap_or(Timestamp::MAX);
        if let Err(error) = self.passes(clock, until).await {
            tracing::error!(%error, "records could not be taken to the current key");
        }
    }

    pub(crate) async fn passes(&self, clock: &Clock, until: Timestamp) -> StoreResult<()> {
        // A key that is only announced is for nothing yet.
        if self.keys.looked_up() < 2 || self.keys.current() < self.keys.newest() {
            return Ok(());
        }
        for _ in 0..MAX_PASSES {
            let Some(pass) = self.pass(clock, until).await? else { return Ok(()) };
            self.note(&pass, clock.now()).await?;
            let found = &pass.found;
            tracing::info!(?found, "records of earlier keys that a pass found, by version");
            if found.is_empty() {
                return Ok(());
            }
        }
        Ok(())
    }

    /// A pass, from where the last one was left: what the whole of it found, and in which table
    /// it ended; none when the time was over before its end.
    async fn pass(&self, clock: &Clock, until: Timestamp) -> StoreResult<Option<Rekeying>> {
        let id = KeyVersionId::of(self.keys.newest());
        let begun = records::get::<Rekeying>(&*self.stores.records, &id).await?;
        let mut pass = begun.unwrap_or_default();
        loop {
            if clock.now() >= until || self.a_domain_is_being_deleted().await? {
                return Ok(None);
            }
            let page = self.page(&pass).await?;
            for (version, records) in page.found {
                *pass.found.entry(version).or_default() += records;
            }
            let is_at_end = page.next.is_none();
            pass.after = page.next;
            if is_at_end {
                match pass.stage {
                    RekeyingStage::Events => {
                        for (version, logs) in
                            pushes::rekey(&*self.stores.records, &self.keys).await?
                        {
                            *pass.found.entry(version).or_default() += logs;
                        }
                        pass.stage = RekeyingStage::People;
                    }
                    RekeyingStage::People if pass.found.is_empty() => {
                        pass.stage = RekeyingStage::Decisions;
                    }
                    RekeyingStage::People | RekeyingStage::Decisions => {
                        records::delete::<Rekeying>(&*self.stores.records, &id).await?;
                        return Ok(Some(pass));
                    }
                }
            }
            records::put(&*self.stores.records, &id, &pass).await?;
        }
    }

    async fn page(&self, pass: &Rekeying) -> StoreResult<RekeyedPage> {
        let (stores, after) = (&self.stores, pass.after.clone());
        match pass.stage {
            RekeyingStage::Events => stores.events.rekey(&self.keys, after).await,
            RekeyingStage::People => rekey_people(&*stores.people, &self.keys, after).await,
            RekeyingStage::Decisions => {
                let page = stores.decisions.logged_users(after).await?;
                let mut found = BTreeMap::new();
                for user in page.entries.iter().filter(|user| self.keys.is_earlier(user)) {
                    let version = user.key_version().filter(|of| !self.keys.is_retired(*of));
                    version.into_iter().for_each(|version| *found.entry(version).or_default() += 1);
                }
                let left = self.earlier().filter(|version| !found.contains_key(version));
                let is_all_found = left.count() == 0;
                Ok(RekeyedPage { found, next: page.next.filter(|_| !is_all_found) })
            }
        }
    }

    /// A deletion goes through the same tables, and would not meet what is moved to where it
    /// has been.
    async fn a_domain_is_being_deleted(&self) -> StoreResult<bool> {
        let deletions = records::list::<DomainDeletion>(&*self.stores.records).await?;
        Ok(deletions.iter().any(|(_, deletion)| !deletion.is_done()))
    }

    /// The versions that are looked up below the newest.
    fn earlier(&self) -> impl Iterator<Item = u32> + '_ {
        let versions = self.keys.versions();
        versions.filter(|of| *of < self.keys.newest() && !self.keys.is_retired(*of))
    }

    async fn note(&self, pass: &Rekeying, now: Timestamp) -> StoreResult<()> {
        for version in self.earlier() {
            let left = Some(pass.found.get(&version).copied().unwrap_or_default());
            // The log is gone through only where the tables before it had nothing.
            let moved = (pass.stage == RekeyingStage::Decisions).then_some(now);
            // Where another version was met first, it was not gone through to its end.
            let unused = pass.found.is_empty().then_some(now);
            let noted = Noted { left, moved, unused };
            key_versions::note(&*self.stores.records, version, &noted).await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use crossfold_core::entities::decision::Decision;
    use crossfold_core::entities::ids::{DomainId, Pseudonym, UserId};
    use crossfold_core::entities::people::{PeopleEntry, PeopleWrite, Person};
    use crossfold_core::entities::ports::Logged;
    use crossfold_storage::faults::{Fault, FaultPlan, faulty};
    use crossfold_storage::key_versions::{are_moved, establish, known};
    use crossfold_storage::memory;
    use crossfold_storage::rekeying::rekeyed;
    use crossfold_testing::event_at;
    use serde_json::json;

    use super::*;

    fn keys(current: u32, newest: u32) -> Pseudonymiser {
        let key = |version| (version, vec![u8::try_from(version).unwrap(); 32].into());
        Pseudonymiser::new("t", current, (1..=newest).map(key).collect()).unwrap()
    }

    fn user_by(keys: &Pseudonymiser, name: usize) -> Pseudonym {
        let films = DomainId::parse("films").unwrap();
        keys.pseudonym(&films, &UserId::parse(&format!("u{name}")).unwrap())
    }

    fn user(name: usize) -> Pseudonym {
        user_by(&keys(2, 2), name)
    }

    fn clock() -> Clock {
        Clock::from_fn(|| Timestamp::UNIX_EPOCH)
    }

    /// Four users of before a rotation, with an event, a person's entry and a decision each.
    async fn world() -> Stores {
        let stores = memory::stores();
        establish(&*stores.records, &keys(2, 2), Timestamp::UNIX_EPOCH).await.unwrap();
        let before = rekeyed(stores.clone(), &keys(1, 2));
        for nth in 0..4 {
            let user = user_by(&keys(1, 2), nth);
            let event =
                crossfold_core::entities::event::Event { user: user.clone(), ..event_at(9) };
            before.events.append(&event).await.unwrap();
            let person = Person::of_one(user.clone(), DomainId::parse("films").unwrap());
            let entry = PeopleEntry::Person(person);
            let write = PeopleWrite { id: user.clone(), entry, expected: None };
            before.people.commit(&[write]).await.unwrap();
        }
        let decision: Decision = serde_json::from_value(json!({
            "recommendation_id": "r", "user": user(0).oldest_form(), "domain": "films",
            "decided_at": "2026-01-01T00:00:00Z", "policy": "ranked/1", "seed": 7,
            "personalised": false, "degraded": [], "slate": [],
        }))
        .unwrap();
        stores.decisions.record(&decision).await.unwrap();
        stores
    }

    async fn delete_decision(stores: &Stores) {
        let recommendation = "r".parse().unwrap();
        let logged = Logged { user: user(0), recommendation, feedback: None };
        stores.decisions.delete(&[logged]).await.unwrap();
    }

    async fn left_of_first(stores: &Stores) -> (Option<u64>, bool) {
        let known = known(&*stores.records).await.unwrap().remove(&1).unwrap();
        (known.left, known.unused_since.is_some())
    }

    async fn is_first_moved(stores: &Stores) -> bool {
        are_moved(&*stores.records, &[1].into()).await.unwrap()
    }

    /// Everyone's events and entry are there once, under the canonical form alone.
    async fn assert_moved(stores: &Stores, what: &str) {
        for nth in 0..4 {
            let moved = stores.events.history(&user(nth), 9).await.unwrap().len();
            let old = stores.events.history(&user(nth).oldest_form(), 9).await.unwrap().len();
            assert_eq!((moved, old), (1, 0), "{what}");
            assert!(stores.people.get(&user(nth)).await.unwrap().is_some(), "{what}");
            assert!(stores.people.get(&user(nth).oldest_form()).await.unwrap().is_none(), "{what}");
        }
    }

    #[tokio::test]
    async fn a_version_is_unused_once_a_whole_pass_finds_nothing_of_it() {
        let stores = world().await;
        Rekeyer::new(stores.clone(), keys(1, 2)).passes(&clock(), Timestamp::MAX).await.unwrap();
        assert_eq!(left_of_first(&stores).await, (None, false), "it was only announced");
        assert!(!is_first_moved(&stores).await);

        let rekeyer = Rekeyer::new(stores.clone(), keys(2, 2));
        rekeyer.passes(&clock(), Timestamp::MAX).await.unwrap();
        assert_moved(&stores, "moved").await;
        assert_eq!(left_of_first(&stores).await, (Some(1), false), "a slate is logged under it");
        assert!(is_first_moved(&stores).await, "a slate is not moved");

        delete_decision(&stores).await;
        rekeyer.passes(&clock(), Timestamp::MAX).await.unwrap();
        assert_eq!(left_of_first(&stores).await, (Some(0), true));

        let late = crossfold_core::entities::event::Event {
            user: user(1).oldest_form(),
            event_id: "late".parse().unwrap(),
            ..event_at(9)
        };
        stores.events.append(&late).await.unwrap();
        let pass = rekeyer.pass(&clock(), Timestamp::MAX).await.unwrap().unwrap();
        rekeyer.note(&pass, clock().now()).await.unwrap();
        assert!(!is_first_moved(&stores).await, "an event was written under it");
        rekeyer.passes(&clock(), Timestamp::MAX).await.unwrap();
        assert_eq!(stores.events.history(&user(1), 9).await.unwrap().len(), 2);
    }

    #[tokio::test]
    async fn a_pass_cut_short_at_any_call_loses_and_doubles_nothing_and_is_ended_by_the_next() {
        for fault in [Fault::Before, Fault::AnswerLost] {
            let mut number = 0;
            loop {
                let stores = world().await;
                delete_decision(&stores).await;
                let calls = Arc::new(AtomicUsize::new(0));
                let (counted, at) = (calls.clone(), number);
                let plan = FaultPlan::from_fn(move |_| {
                    match counted.fetch_add(1, Ordering::Relaxed) == at {
                        true => fault,
                        false => Fault::None,
                    }
                });
                let failing = Rekeyer::new(faulty(stores.clone(), &plan), keys(2, 2));
                let cut = failing.passes(&clock(), Timestamp::MAX).await;
                let rekeyer = Rekeyer::new(stores.clone(), keys(2, 2));
                rekeyer.passes(&clock(), Timestamp::MAX).await.unwrap();
                assert_moved(&stores, &format!("{fault:?} at call {number}")).await;
                assert_eq!(left_of_first(&stores).await, (Some(0), true), "at call {number}");
                if cut.is_ok() {
                    break;
                }
                number += 1;
            }
            assert!(number > 20, "only {number} calls were tried");
        }
    }

    #[tokio::test]
    async fn nothing_is_moved_while_a_domain_is_deleted_or_when_the_time_is_over() {
        let stores = world().await;
        let rekeyer = Rekeyer::new(stores.clone(), keys(2, 2));
        rekeyer.passes(&clock(), Timestamp::UNIX_EPOCH).await.unwrap();
        let deletion = DomainDeletion::begun(Timestamp::UNIX_EPOCH);
        let travel = DomainId::parse("travel").unwrap();
        records::put(&*stores.records, &travel, &deletion).await.unwrap();
        rekeyer.passes(&clock(), Timestamp::MAX).await.unwrap();
        let old = stores.events.history(&user(0).oldest_form(), 9).await.unwrap();
        assert_eq!(old.len(), 1);
        records::delete::<DomainDeletion>(&*stores.records, &travel).await.unwrap();
        rekeyer.passes(&clock(), Timestamp::MAX).await.unwrap();
        assert_moved(&stores, "no deletion").await;
    }
}
