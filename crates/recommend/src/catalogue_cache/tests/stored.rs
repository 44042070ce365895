//! What processes begin with, and what they leave for those that come.

use crossfold_core::archive::keys::catalogue_key;
use crossfold_core::entities::clock::Clock;
use crossfold_core::entities::dice::Dice;
use crossfold_core::entities::machine::Machine;
use crossfold_core::entities::ports::{ObjectStore, PutCondition};
use crossfold_core::entities::unique_id::{Ids, UniqueId};
use crossfold_registry::catalogues;
use crossfold_storage::memory::MemoryObjects;
use jiff::SignedDuration;

use super::*;
use crate::stored_catalogues::WORTH_STORING;

/// Processes over the same table and bucket, one after another.
struct World {
    table: Arc<Hindered>,
    bucket: Arc<MemoryObjects>,
    seconds: Arc<AtomicU64>,
    stopwatch: Stopwatch,
    now: Timestamp,
    table_name: &'static str,
}

impl World {
    async fn of(items: usize) -> Self {
        let (seconds, stopwatch) = by_hand();
        let now = Timestamp::from_second(1_700_000_000).unwrap();
        let (table, bucket) = (Hindered::new(), Arc::default());
        let world = Self { table, bucket, seconds, stopwatch, now, table_name: "catalog" };
        for number in 0..items {
            world.put(&item(&cars(), &format!("car {number:03}"), 1)).await;
        }
        world
    }

    async fn put(&self, item: &Item) {
        self.table.put(item).await.unwrap();
    }

    fn process(&self) -> CatalogueCache {
        let (now, stopwatch) = (self.now, self.stopwatch.clone());
        let machine = Machine {
            clock: Clock::from_fn(move || now),
            stopwatch: stopwatch.clone(),
            ids: Ids::from_fn(|| UniqueId::from_u128(1)),
            dice: Dice::from_fn(|| 0),
        };
        let stored =
            StoredCatalogues::new(self.bucket.clone(), self.table_name.to_owned(), &machine);
        CatalogueCache::new(self.table.clone(), stopwatch).with_stored(stored)
    }

    /// A process that has read the catalogue again once all that was on its way before had come in.
    async fn storing(&self) -> CatalogueCache {
        let cache = self.process();
        snapshot(&cache, &cars()).await.unwrap();
        self.look_later(&cache, 121).await;
        cache
    }

    /// Looks at the catalogue so much later, and waits until it is stored, if it is.
    async fn look_later(&self, cache: &CatalogueCache, seconds: u64) {
        self.later(seconds);
        snapshot(cache, &cars()).await.unwrap();
        cache.place(&cars()).storing.join(LONG, || async {}).await;
    }

    fn later(&self, seconds: u64) {
        self.seconds.fetch_add(seconds, Ordering::Relaxed);
    }

    /// The titles that a new process knows, and how many entries it read as a whole and as changes.
    async fn begun(&self) -> (Vec<String>, u64, u64) {
        let counts = || {
            let read = [&self.table.listed, &self.table.changes_read];
            read.map(|count| count.swap(0, Ordering::Relaxed))
        };
        counts();
        let known = snapshot(&self.process(), &cars()).await.unwrap();
        let [listed, changes] = counts();
        (titles(&known).into_iter().map(str::to_owned).collect(), listed, changes)
    }

    async fn object(&self) -> Option<bytes::Bytes> {
        self.bucket.get(&catalogue_key(&cars())).await.unwrap().map(|object| object.bytes)
    }
}

const LONG: Patience = Patience { from_now: Duration::MAX, from_its_start: Duration::MAX };
const MANY: usize = WORTH_STORING + 20;

fn cars() -> DomainId {
    domain("cars")
}

#[tokio::test]
async fn a_process_begins_with_what_one_before_it_stored_and_reads_what_changed() {
    let world = World::of(MANY).await;
    let all = world.begun().await;
    assert_eq!((all.0.len(), all.1), (MANY, MANY as u64));
    world.storing().await;
    // The last change that is known is read again: some of it may have come later.
    assert_eq!(world.begun().await, (all.0.clone(), 0, 1), "nothing of the table but its changes");

    let mut changed = item(&cars(), "car 003", 2);
    changed.details.as_mut().unwrap().title = "another".to_owned();
    world.put(&changed).await;
    world.put(&Item { details: None, ..item(&cars(), "car 004", 2) }).await;
    world.put(&item(&cars(), "new", 2)).await;
    let (titles, listed, changes) = world.begun().await;
    assert_eq!((titles.len(), listed, changes), (MANY, 0, 4));
    assert!(titles.contains(&"another".to_owned()) && titles.contains(&"new".to_owned()));
    assert!(!titles.iter().any(|title| title == "car 003" || title == "car 004"));
}

#[tokio::test]
async fn what_may_still_be_on_its_way_is_read_again() {
    let world = World::of(MANY).await;
    let cache = world.process();
    snapshot(&cache, &cars()).await.unwrap();
    world.look_later(&cache, 119).await;
    assert_eq!(world.object().await, None, "changes may be on their way still");
}

#[tokio::test]
async fn a_change_that_came_in_between_two_looks_is_known_and_stored() {
    let world = World::of(MANY).await;
    // Of a change that began before the last and ended after the first look.
    let cache = world.process();
    world.table.hides_late(true);
    snapshot(&cache, &cars()).await.unwrap();
    world.table.hides_late(false);
    world.later(130);
    let known = snapshot(&cache, &cars()).await.unwrap();
    assert_eq!(titles(&known).len(), MANY, "nobody looked in between");
    world.look_later(&cache, 21).await;
    assert_eq!(world.begun().await.0.len(), MANY);
}

#[tokio::test]
async fn what_is_of_another_table_is_not_begun_with() {
    let mut world = World::of(MANY).await;
    world.storing().await;
    assert_eq!(world.begun().await.1, 0);
    world.table_name = "restored";
    assert_eq!(world.begun().await.1, MANY as u64);
    world.storing().await;
    assert_eq!(world.begun().await.1, 0);
}

#[tokio::test]
async fn what_could_not_be_read_again_is_not_stored() {
    let world = World::of(MANY).await;
    let cache = world.process();
    snapshot(&cache, &cars()).await.unwrap();
    world.table.fails.store(true, Ordering::Relaxed);
    world.look_later(&cache, 300).await;
    assert_eq!(world.object().await, None);
    world.table.fails.store(false, Ordering::Relaxed);
    world.look_later(&cache, 21).await;
    assert!(world.object().await.is_some());
}

#[tokio::test]
async fn few_entries_and_few_changes_are_not_worth_it() {
    let world = World::of(WORTH_STORING - 1).await;
    world.storing().await;
    assert_eq!(world.object().await, None);
    world.put(&item(&cars(), "one more", 2)).await;
    let cache = world.storing().await;
    let first = world.object().await.unwrap();

    for number in 0..WORTH_STORING {
        world.put(&item(&cars(), &format!("newer {number}"), 3)).await;
        world.look_later(&cache, 21).await;
        assert!(number + 5 > WORTH_STORING || world.object().await.unwrap() == first, "{number}");
    }
    world.look_later(&cache, 600).await;
    assert_ne!(world.object().await.unwrap(), first);
    assert_eq!(world.begun().await.1, 0);
}

#[tokio::test]
async fn what_is_torn_too_old_or_from_a_time_to_come_is_not_begun_with() {
    let mut world = World::of(MANY).await;
    world.storing().await;
    let whole = world.object().await.unwrap();
    let written_at = world.now;
    for (now, is_used) in [(19, true), (21, false), (-2, false)] {
        world.now = written_at + SignedDuration::from_hours(24 * now);
        let begun = world.begun().await;
        assert_eq!((begun.0.len(), begun.1 == 0), (MANY, is_used), "{now} days");
    }
    world.now = written_at;
    let torn = whole.slice(..whole.len() / 2);
    world.bucket.put(&catalogue_key(&cars()), torn, PutCondition::None).await.unwrap();
    let begun = world.begun().await;
    assert_eq!((begun.0.len(), begun.1), (MANY, MANY as u64));
}

#[tokio::test]
async fn of_two_that_store_one_is_heard_and_the_other_learns_of_it() {
    let world = World::of(MANY).await;
    let slow = world.process();
    snapshot(&slow, &cars()).await.unwrap();
    world.storing().await;
    let first = world.object().await.unwrap();
    // It knows of none that is stored, and one is.
    for number in 0..WORTH_STORING {
        world.put(&item(&cars(), &format!("newer {number}"), 3)).await;
    }
    world.look_later(&slow, 0).await;
    assert_eq!(world.object().await.unwrap(), first);
    world.look_later(&slow, 130).await;
    assert_eq!(world.object().await.unwrap(), first, "it is left alone for a while");
    world.look_later(&slow, 600).await;
    assert_ne!(world.object().await.unwrap(), first);
    assert_eq!(world.begun().await.0.len(), MANY + WORTH_STORING);
}

#[tokio::test]
async fn catalogues_of_domains_that_are_gone_are_forgotten() {
    let world = World::of(MANY).await;
    world.storing().await;
    let defined = [(cars(), crossfold_testing::definition())].into();
    assert_eq!(catalogues::forget_undefined(&*world.bucket, &defined).await.unwrap(), 0);
    assert!(world.object().await.is_some());
    assert_eq!(catalogues::forget_undefined(&*world.bucket, &[].into()).await.unwrap(), 1);
    assert_eq!(world.object().await, None);
}

#[tokio::test]
async fn a_catalogue_that_nobody_changes_is_stored_again_before_it_is_too_old() {
    let mut world = World::of(MANY).await;
    world.storing().await;
    let first = world.object().await.unwrap();
    world.now += SignedDuration::from_hours(24 * 11);
    let cache = world.process();
    snapshot(&cache, &cars()).await.unwrap();
    world.look_later(&cache, 601).await;
    assert_ne!(world.object().await.unwrap(), first);
    assert_eq!(world.begun().await.1, 0);
}
