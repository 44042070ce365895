//! The champion, loaded whole and verified, and swapped when another is published.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crossfold_core::entities::clock::{Reading, Stopwatch};
use crossfold_core::entities::dice::Dice;
use crossfold_core::entities::ids::ModelId;
use crossfold_core::entities::ports::{ETag, ObjectStore, StoreError};
use crossfold_core::model::Model;
use crossfold_core::release::champion::{POINTER_KEY, Pointer};
use crossfold_registry::load::{LoadError, load};
use crossfold_storage::shared_work::{Patience, SharedWork, Waited};

use crate::shortfall::Shortfall;

/// How long a pointer is believed before it is looked at again. Each process
/// adds up to a fifth, so that they do not all look at once.
const POINTER_AGE: Duration = Duration::from_secs(20);

/// How long a look holds up requests that have a model: the one in memory will do.
const PATIENCE: Duration = Duration::from_millis(500);

/// Why there is no model to serve, or not the newest.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RefreshError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Load(#[from] LoadError),
    #[error("the pointer cannot be read: {0}")]
    Pointer(serde_json::Error),
}

/// The model to serve, and what is wrong with it.
#[derive(Clone, Default)]
pub(crate) struct Served {
    pub(crate) model: Option<Arc<Model>>,
    /// None that is new enough, or none at all.
    pub(crate) degraded: Option<Shortfall>,
    /// Whether it could not be asked which there is: without one here, there may be one.
    is_unasked: bool,
}

impl Served {
    /// Nothing, for there is no model.
    fn none() -> Self {
        Self { degraded: Some(Shortfall::NoModel), ..Self::default() }
    }

    /// The same when it could not be asked whether there is a newer one.
    fn outdated(self) -> Self {
        let degraded =
            if self.model.is_some() { Shortfall::StaleModel } else { Shortfall::NoModel };
        Self { degraded: Some(degraded), is_unasked: true, ..self }
    }

    /// Whether there may be a model, which could not be read.
    pub(crate) fn is_unread(&self) -> bool {
        self.model.is_none() && self.is_unasked
    }

    /// Whether this model is served, and nothing is wrong with it.
    fn is_whole(&self, id: &ModelId) -> bool {
        self.degraded.is_none() && self.model.as_ref().is_some_and(|model| model.id() == id)
    }
}

#[derive(Clone, Default)]
struct Cached {
    looked_at: Option<Reading>,
    etag: Option<ETag>,
    served: Served,
}

/// Keeps the champion in memory.
#[derive(Clone)]
pub(crate) struct ModelCache {
    objects: Arc<dyn ObjectStore>,
    stopwatch: Stopwatch,
    /// Held for a look into it alone.
    cached: Arc<Mutex<Cached>>,
    /// Looking at the pointer and loading what it names, which may take longer than a
    /// request has.
    looking: SharedWork,
    pointer_age: Duration,
    patience: Duration,
}

impl ModelCache {
    pub(crate) fn new(objects: Arc<dyn ObjectStore>, stopwatch: Stopwatch, dice: &Dice) -> Self {
        let pointer_age = POINTER_AGE.mul_f64(1.0 + dice.fraction() / 5.0);
        Self {
            objects,
            stopwatch,
            cached: Arc::default(),
            looking: SharedWork::default(),
            pointer_age,
            patience: PATIENCE,
        }
    }

    /// Looks at the pointer again at every request, and waits for what it names: for a
    /// process that trains itself.
    pub(crate) fn without_delay(self) -> Self {
        Self { pointer_age: Duration::ZERO, patience: Duration::MAX, ..self }
    }

    /// The model to serve, within a time. A new one that cannot be loaded or verified, or
    /// not in time, is not served, and the last good one serves on.
    pub(crate) async fn served(&self, wait: Duration) -> Served {
        let began = self.stopwatch.read();
        // A look that others began before this request may not have seen what it asks for;
        // one that is begun after that has.
        for _ in 0..2 {
            let known = self.cached().clone();
            if known.looked_at.is_some_and(|at| self.stopwatch.since(at) < self.pointer_age) {
                return known.served;
            }
            let has_model = known.served.model.is_some();
            let from_its_start = if has_model { self.patience } else { Duration::MAX };
            let left = wait.saturating_sub(self.stopwatch.since(began));
            let patience = Patience { from_now: left, from_its_start };
            let cache = self.clone();
            match self.looking.join(patience, || async move { cache.look().await }).await {
                Waited::ForOwn => break,
                Waited::ForOthers => {}
                Waited::TooLong => return self.cached().served.clone().outdated(),
            }
        }
        self.cached().served.clone()
    }

    async fn look(&self) {
        let mut cached = self.cached().clone();
        if let Err(error) = self.refresh(&mut cached).await {
            tracing::error!(%error, "the champion could not be loaded");
            cached.served = cached.served.outdated();
        }
        cached.looked_at = Some(self.stopwatch.read());
        *self.cached() = cached;
    }

    /// Nothing panics while it is held.
    fn cached(&self) -> MutexGuard<'_, Cached> {
        self.cached.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn refresh(&self, cached: &mut Cached) -> Result<(), RefreshError> {
        let object = match &cached.etag {
            Some(etag) => match self.objects.get_if_changed(POINTER_KEY, etag).await? {
                Some(object) => object,
                None => {
                    // What the pointer names is served: an earlier look failed, and this one did not.
                    cached.served.is_unasked = false;
                    cached.served.degraded = match cached.served.model {
                        Some(_) => None,
                        None => Some(Shortfall::NoModel),
                    };
                    return Ok(());
                }
            },
            None => match self.objects.get(POINTER_KEY).await? {
                Some(object) => object,
                None => {
                    cached.served = Served::none();
                    return Ok(());
                }
            },
        };
        let pointer: Pointer =
            serde_json::from_slice(&object.bytes).map_err(RefreshError::Pointer)?;
        let Some(champion) = &pointer.model else {
            // It was withdrawn: what it knows must not be served from memory either.
            cached.served = Served::none();
            cached.etag = Some(object.etag);
            return Ok(());
        };
        if cached.served.is_whole(champion) {
            // The pointer was written anew, and names what is served already.
            cached.etag = Some(object.etag);
            return Ok(());
        }
        match self.load(champion).await {
            Ok(model) => {
                tracing::info!(model = %champion, "a model was loaded");
                let model = Some(Arc::new(model));
                cached.served = Served { model, ..Served::default() };
                cached.etag = Some(object.etag);
                Ok(())
            }
            Err(error) => {
                self.fall_back(cached, pointer.previous.as_ref()).await;
                Err(error.into())
            }
        }
    }

    /// With nothing in memory, the model before the broken one serves.
    async fn fall_back(&self, cached: &mut Cached, previous: Option<&ModelId>) {
        let (None, Some(previous)) = (&cached.served.model, previous) else { return };
        match self.load(previous).await {
            Ok(model) => cached.served.model = Some(Arc::new(model)),
            Err(error) => tracing::error!(%error, "nor could the model before it"),
        }
    }

    async fn load(&self, id: &ModelId) -> Result<Model, LoadError> {
        load(&*self.objects, id).await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use bytes::Bytes;
    use crossfold_core::entities::ids::TrainingRunId;
    use crossfold_core::entities::ports::PutCondition;
    use crossfold_core::model::manifest::manifest_key;
    use crossfold_core::release::champion::Promoter;
    use crossfold_storage::faults::{Fault, FaultPlan, faulty};
    use crossfold_storage::memory;
    use jiff::Timestamp;

    use super::*;
    use crate::test_models::{self, blob_key_of, uniform_model};

    /// Stores a model whose factors all have one value, and points to it.
    async fn publish(objects: &dyn ObjectStore, value: f32, previous: Option<ModelId>) -> ModelId {
        test_models::publish(objects, uniform_model(&["knowledge"], value), previous).await
    }

    async fn tear(objects: &dyn ObjectStore, id: &ModelId) {
        let manifest = objects.get(&manifest_key(id)).await.unwrap().unwrap();
        let key = blob_key_of(id, &manifest.bytes);
        let blob = objects.get(&key).await.unwrap().unwrap().bytes;
        let half = blob.slice(..blob.len() / 2);
        objects.put(&key, half, PutCondition::None).await.unwrap();
    }

    /// A cache whose stopwatch shows what is set here, in seconds.
    fn cache_by_hand(objects: Arc<dyn ObjectStore>, roll: u64) -> (Arc<AtomicU64>, ModelCache) {
        let seconds = Arc::new(AtomicU64::new(0));
        let shown = seconds.clone();
        let read = move || Duration::from_secs(shown.load(Ordering::Relaxed));
        let cache =
            ModelCache::new(objects, Stopwatch::from_fn(read), &Dice::from_fn(move || roll));
        (seconds, cache)
    }

    fn cache_without_delay(objects: Arc<dyn ObjectStore>) -> ModelCache {
        cache_by_hand(objects, 0).1.without_delay()
    }

    #[tokio::test]
    async fn the_pointer_is_believed_for_20_seconds_and_up_to_a_fifth_more() {
        for (roll, age) in [(0, 20), (u64::MAX, 24)] {
            let objects = memory::stores().objects;
            let (seconds, cache) = cache_by_hand(objects.clone(), roll);
            let first = publish(&*objects, 1.0, None).await;
            assert_eq!(served_id(&ask(&cache).await), Some(first.clone()));
            let second = publish(&*objects, 2.0, None).await;
            seconds.store(age - 1, Ordering::Relaxed);
            assert_eq!(served_id(&ask(&cache).await), Some(first));
            seconds.store(age, Ordering::Relaxed);
            assert_eq!(served_id(&ask(&cache).await), Some(second));
        }
    }

    async fn ask(cache: &ModelCache) -> Served {
        cache.served(Duration::from_secs(9)).await
    }

    fn served_id(served: &Served) -> Option<ModelId> {
        served.model.as_ref().map(|model| model.id().clone())
    }

    #[tokio::test]
    async fn a_new_model_is_swapped_in_and_no_model_is_said_so() {
        let objects = memory::stores().objects;
        let cache = cache_without_delay(objects.clone());
        let none = ask(&cache).await;
        assert_eq!((served_id(&none), none.degraded), (None, Some(Shortfall::NoModel)));
        assert!(!none.is_unread());
        for value in [1.0, 2.0] {
            let id = publish(&*objects, value, None).await;
            let served = ask(&cache).await;
            assert_eq!((served_id(&served), served.degraded), (Some(id), None));
        }
    }

    #[tokio::test]
    async fn a_torn_model_is_refused_and_the_last_good_one_serves_on() {
        let objects = memory::stores().objects;
        let good = publish(&*objects, 1.0, None).await;
        let cache = cache_without_delay(objects.clone());
        ask(&cache).await;
        let torn = publish(&*objects, 2.0, Some(good.clone())).await;
        tear(&*objects, &torn).await;
        let served = ask(&cache).await;
        assert_eq!(
            (served_id(&served), served.degraded),
            (Some(good.clone()), Some(Shortfall::StaleModel))
        );
        let at_cold_start = ask(&cache_without_delay(objects.clone())).await;
        assert_eq!(served_id(&at_cold_start), Some(good));
        assert_eq!(at_cold_start.degraded, Some(Shortfall::StaleModel));
    }

    #[tokio::test]
    async fn a_pointer_that_names_the_served_model_again_loads_nothing() {
        let objects = memory::stores().objects;
        let id = publish(&*objects, 1.0, None).await;
        let cache = cache_without_delay(objects.clone());
        ask(&cache).await;
        tear(&*objects, &id).await;
        let pointer = objects.get(POINTER_KEY).await.unwrap().unwrap().bytes;
        let mut pointer: Pointer = serde_json::from_slice(&pointer).unwrap();
        pointer.promoted_at = Timestamp::MAX;
        let pointer = serde_json::to_vec(&pointer).unwrap();
        objects.put(POINTER_KEY, pointer.into(), PutCondition::None).await.unwrap();
        let served = ask(&cache).await;
        assert_eq!((served_id(&served), served.degraded), (Some(id), None));
    }

    #[tokio::test]
    async fn a_champion_that_was_withdrawn_is_not_served_from_memory_either() {
        let objects = memory::stores().objects;
        publish(&*objects, 1.0, None).await;
        let cache = cache_without_delay(objects.clone());
        ask(&cache).await;
        let pointer = objects.get(POINTER_KEY).await.unwrap().unwrap().bytes;
        let pointer: Pointer = serde_json::from_slice(&pointer).unwrap();
        let by = Promoter::TrainingRun { id: TrainingRunId::parse("run").unwrap() };
        let none = Pointer::withdrawn(Some(pointer), by, "erased".into(), Timestamp::MAX);
        let none = serde_json::to_vec(&none).unwrap();
        objects.put(POINTER_KEY, none.into(), PutCondition::None).await.unwrap();
        for _ in 0..2 {
            let served = ask(&cache).await;
            assert_eq!((served_id(&served), served.degraded), (None, Some(Shortfall::NoModel)));
        }
        let next = publish(&*objects, 2.0, None).await;
        assert_eq!(served_id(&ask(&cache).await), Some(next));
    }

    #[tokio::test]
    async fn an_unreadable_pointer_does_not_stop_the_service() {
        let objects = memory::stores().objects;
        let good = publish(&*objects, 1.0, None).await;
        let cache = cache_without_delay(objects.clone());
        ask(&cache).await;
        objects.put(POINTER_KEY, Bytes::from_static(b"{"), PutCondition::None).await.unwrap();
        let served = ask(&cache).await;
        assert_eq!(
            (served_id(&served), served.degraded),
            (Some(good), Some(Shortfall::StaleModel))
        );
    }

    #[tokio::test]
    async fn a_store_that_failed_once_marks_no_answer_after_it() {
        let stores = memory::stores();
        let id = publish(&*stores.objects, 1.0, None).await;
        let looks = AtomicU64::new(0);
        let plan = FaultPlan::from_fn(move |call| {
            let is_look = call.method == "objects.get_if_changed";
            let is_first = is_look && looks.fetch_add(1, Ordering::Relaxed) == 0;
            if is_first { Fault::Before } else { Fault::None }
        });
        let cache = cache_without_delay(faulty(stores, &plan).objects);
        for degraded in [None, Some(Shortfall::StaleModel), None] {
            let served = ask(&cache).await;
            assert_eq!((served_id(&served), served.degraded), (Some(id.clone()), degraded));
        }
    }
}
