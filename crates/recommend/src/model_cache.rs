//! The champion, loaded whole and verified, and swapped when another is published.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crossfold_core::entities::ids::ModelId;
use crossfold_core::entities::ports::{ETag, ObjectStore, StoreError};
use crossfold_core::model::Model;
use crossfold_core::release::champion::{POINTER_KEY, Pointer};
use crossfold_registry::load::{LoadError, load};
use tokio::sync::Mutex;

/// How long a pointer is believed before it is looked at again. Each process
/// adds up to a fifth, so that they do not all look at once.
const POINTER_AGE: Duration = Duration::from_secs(20);

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
    /// `no_model`, `stale_model`: see the response's `degraded`.
    pub(crate) degraded: Option<&'static str>,
}

impl Served {
    /// Whether this model is served, and nothing is wrong with it.
    fn is_whole(&self, id: &ModelId) -> bool {
        self.degraded.is_none() && self.model.as_ref().is_some_and(|model| model.id() == id)
    }
}

#[derive(Default)]
struct Cached {
    looked_at: Option<Instant>,
    etag: Option<ETag>,
    served: Served,
}

/// Keeps the champion in memory.
#[derive(Clone)]
pub(crate) struct ModelCache {
    objects: Arc<dyn ObjectStore>,
    cached: Arc<Mutex<Cached>>,
    pointer_age: Duration,
}

impl ModelCache {
    pub(crate) fn new(objects: Arc<dyn ObjectStore>) -> Self {
        let jitter = f64::from(std::process::id() % 1000) / 5_000.0;
        let pointer_age = POINTER_AGE.mul_f64(1.0 + jitter);
        Self { objects, cached: Arc::default(), pointer_age }
    }

    /// Looks at the pointer again at every request: for a process that trains itself.
    pub(crate) fn without_delay(self) -> Self {
        Self { pointer_age: Duration::ZERO, ..self }
    }

    /// The model to serve. A new one that cannot be loaded or verified is
    /// refused, and the last good one serves on.
    pub(crate) async fn served(&self) -> Served {
        let mut cached = self.cached.lock().await;
        if cached.looked_at.is_some_and(|at| at.elapsed() < self.pointer_age) {
            return cached.served.clone();
        }
        match self.refresh(&mut cached).await {
            Ok(()) => {}
            Err(error) => {
                tracing::error!(%error, "the champion could not be loaded");
                cached.served.degraded =
                    Some(if cached.served.model.is_some() { "stale_model" } else { "no_model" });
            }
        }
        cached.looked_at = Some(Instant::now());
        cached.served.clone()
    }

    async fn refresh(&self, cached: &mut Cached) -> Result<(), RefreshError> {
        let object = match &cached.etag {
            Some(etag) => match self.objects.get_if_changed(POINTER_KEY, etag).await? {
                Some(object) => object,
                None => return Ok(()),
            },
            None => match self.objects.get(POINTER_KEY).await? {
                Some(object) => object,
                None => {
                    cached.served = Served { model: None, degraded: Some("no_model") };
                    return Ok(());
                }
            },
        };
        let pointer: Pointer =
            serde_json::from_slice(&object.bytes).map_err(RefreshError::Pointer)?;
        if cached.served.is_whole(&pointer.model) {
            // The pointer was written anew, and names what is served already.
            cached.etag = Some(object.etag);
            return Ok(());
        }
        match self.load(&pointer.model).await {
            Ok(model) => {
                tracing::info!(model = %pointer.model, "a model was loaded");
                cached.served = Served { model: Some(Arc::new(model)), degraded: None };
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
    use bytes::Bytes;
    use crossfold_core::entities::ports::PutCondition;
    use crossfold_core::evidence::scaling::EvidenceScaling;
    use crossfold_core::model::{decode_manifest, manifest_key};
    use crossfold_storage::memory;
    use jiff::Timestamp;
    use ndarray::Array2;

    use super::*;

    /// Stores a model whose factors all have one value, and points to it.
    async fn publish(objects: &dyn ObjectStore, value: f32, previous: Option<ModelId>) -> ModelId {
        use crossfold_core::entities::ids::{DomainId, ItemId, TrainingRunId};
        use crossfold_core::evidence::items::ItemIndex;
        use crossfold_core::maths::als::AlsOptions;
        use crossfold_core::model::{Artefact, ModelParts};
        let item = (DomainId::parse("knowledge").unwrap(), ItemId::parse("i").unwrap());
        let artefact = Artefact::encode(ModelParts {
            index: ItemIndex::new([item].into()),
            item_factors: Array2::from_elem((1, 2), value),
            domain_factors: None,
            bridges: Default::default(),
            look_alikes: Default::default(),
            popularity: vec![1.0],
            people: Default::default(),
            options: AlsOptions { factors: 2, ..AlsOptions::default() },
            unobserved_items: Default::default(),
            evidence: EvidenceScaling::default(),
            training_run: TrainingRunId::parse("run").unwrap(),
            created_at: Timestamp::UNIX_EPOCH,
            inputs: Default::default(),
            report: Default::default(),
        })
        .unwrap();
        let pointer = Pointer {
            model: artefact.id.clone(),
            previous,
            promoted_at: Timestamp::UNIX_EPOCH,
            history: Vec::new(),
            retiring: Vec::new(),
        };
        let pointer = Bytes::from(serde_json::to_vec(&pointer).unwrap());
        let objects_to_put = [
            (artefact.blob_key, artefact.blob),
            (manifest_key(&artefact.id), artefact.manifest),
            (POINTER_KEY.to_owned(), pointer),
        ];
        for (key, bytes) in objects_to_put {
            objects.put(&key, bytes, PutCondition::None).await.unwrap();
        }
        artefact.id
    }

    async fn tear(objects: &dyn ObjectStore, id: &ModelId) {
        let manifest = objects.get(&manifest_key(id)).await.unwrap().unwrap();
        let key = decode_manifest(id, &manifest.bytes).unwrap().blob.key();
        let blob = objects.get(&key).await.unwrap().unwrap().bytes;
        let half = blob.slice(..blob.len() / 2);
        objects.put(&key, half, PutCondition::None).await.unwrap();
    }

    fn served_id(served: &Served) -> Option<ModelId> {
        served.model.as_ref().map(|model| model.id().clone())
    }

    #[tokio::test]
    async fn a_new_model_is_swapped_in_and_no_model_is_said_so() {
        let objects = memory::stores().objects;
        let cache = ModelCache::new(objects.clone()).without_delay();
        let none = cache.served().await;
        assert_eq!((served_id(&none), none.degraded), (None, Some("no_model")));
        for value in [1.0, 2.0] {
            let id = publish(&*objects, value, None).await;
            let served = cache.served().await;
            assert_eq!((served_id(&served), served.degraded), (Some(id), None));
        }
    }

    #[tokio::test]
    async fn a_torn_model_is_refused_and_the_last_good_one_serves_on() {
        let objects = memory::stores().objects;
        let good = publish(&*objects, 1.0, None).await;
        let cache = ModelCache::new(objects.clone()).without_delay();
        cache.served().await;
        let torn = publish(&*objects, 2.0, Some(good.clone())).await;
        tear(&*objects, &torn).await;
        let served = cache.served().await;
        assert_eq!(
            (served_id(&served), served.degraded),
            (Some(good.clone()), Some("stale_model"))
        );
        let at_cold_start = ModelCache::new(objects.clone()).without_delay().served().await;
        assert_eq!(served_id(&at_cold_start), Some(good));
        assert_eq!(at_cold_start.degraded, Some("stale_model"));
    }

    #[tokio::test]
    async fn a_pointer_that_names_the_served_model_again_loads_nothing() {
        let objects = memory::stores().objects;
        let id = publish(&*objects, 1.0, None).await;
        let cache = ModelCache::new(objects.clone()).without_delay();
        cache.served().await;
        tear(&*objects, &id).await;
        let pointer = objects.get(POINTER_KEY).await.unwrap().unwrap().bytes;
        let mut pointer: Pointer = serde_json::from_slice(&pointer).unwrap();
        pointer.promoted_at = Timestamp::MAX;
        let pointer = serde_json::to_vec(&pointer).unwrap();
        objects.put(POINTER_KEY, pointer.into(), PutCondition::None).await.unwrap();
        let served = cache.served().await;
        assert_eq!((served_id(&served), served.degraded), (Some(id), None));
    }

    #[tokio::test]
    async fn an_unreadable_pointer_does_not_stop_the_service() {
        let objects = memory::stores().objects;
        let good = publish(&*objects, 1.0, None).await;
        let cache = ModelCache::new(objects.clone()).without_delay();
        cache.served().await;
        objects.put(POINTER_KEY, Bytes::from_static(b"{"), PutCondition::None).await.unwrap();
        let served = cache.served().await;
        assert_eq!((served_id(&served), served.degraded), (Some(good), Some("stale_model")));
    }
}
