//! New items ranked by their text: described in the background as catalogues are read, by the
//! encoder that the model names.
//!
//! An encoder is loaded when a model names it for a domain and an item is there that the model does
//! not know; it is kept as long as models name it. What is described is kept for each domain as of
//! one model and one state of its catalogue, at most
//! [`MOST_DESCRIBED`](crossfold_core::serving::snapshot::MOST_DESCRIBED) items, some 100 KB.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use crossfold_core::entities::catalogue::{ChangeNumber, Item};
use crossfold_core::entities::clock::{Reading, Stopwatch};
use crossfold_core::entities::ids::{DomainId, ItemId, ModelId};
use crossfold_core::entities::ports::{ObjectStore, StoreError};
use crossfold_core::evidence::item_vectors::text_of;
use crossfold_core::model::Model;
use crossfold_core::model::content::{Content, DomainContent, StandIns};
use crossfold_core::serving::snapshot::{CatalogueSnapshot, DescribedItems};
use crossfold_registry::encoders::{self, EncoderError};
use crossfold_storage::shared_work::{Patience, SharedWork};
use crossfold_text::artefact::ArtefactError;
use crossfold_text::{TextEncoder, encode_in_batches};

/// Texts that are encoded at a time: encoders hold some kilobytes for each word of them.
const BATCH: usize = 16;
/// How long what failed is not tried again.
const RETRY: Duration = Duration::from_secs(20);

/// Why new items are not described.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DescribingError {
    #[error(transparent)]
    Encoder(#[from] EncoderError),
    #[error("the text encoder cannot be used: {0}")]
    Artefact(#[from] ArtefactError),
    #[error("the text encoder gives vectors of another length")]
    Dimensions,
    #[error("describing was interrupted")]
    Interrupted,
    #[error("the text encoder is still being read")]
    NotYet,
    #[error("reading the text encoder failed a moment ago: {0}")]
    NotRead(Arc<DescribingError>),
}

impl DescribingError {
    /// The store's own error, where it is one that another try may mend.
    pub(crate) fn into_store_error(self) -> Option<StoreError> {
        match self {
            Self::Encoder(EncoderError::Store(error)) => Some(error),
            Self::NotRead(cause) => match &*cause {
                Self::Encoder(EncoderError::Store(error)) => Some(again(error)),
                _ => None,
            },
            Self::NotYet => Some(StoreError::Unavailable(self.to_string().into())),
            _ => None,
        }
    }
}

/// A store's error, once more.
fn again(error: &StoreError) -> StoreError {
    let text = error.to_string().into();
    match error {
        StoreError::Unavailable(_) => StoreError::Unavailable(text),
        StoreError::Corrupt(_) => StoreError::Corrupt(text),
        StoreError::Refused(_) => StoreError::Refused(text),
    }
}

/// What is known of one domain's new items.
#[derive(Clone)]
struct Known {
    model: ModelId,
    /// What is described, if anything is.
    described: Option<Arc<DescribedItems>>,
    /// The catalogue that was looked at: until there is another, nothing is looked at again. Change
    /// numbers do not tell, as an entry of an earlier one may be read later.
    of: Weak<CatalogueSnapshot>,
    /// When it failed, if it did.
    failed_at: Option<Reading>,
}

#[derive(Default)]
struct Place {
    describing: SharedWork,
    /// Held for a look into it alone.
    known: Mutex<Option<Known>>,
}

impl Place {
    fn known(&self) -> MutexGuard<'_, Option<Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where an encoder is read once for all who wait for it, and kept.
#[derive(Default)]
struct EncoderPlace {
    reading: SharedWork,
    /// Held for a look into it alone.
    read: Mutex<ReadEncoder>,
}

/// How reading an encoder ended.
#[derive(Clone, Default)]
enum ReadEncoder {
    /// It has not.
    #[default]
    Never,
    Read(Arc<dyn TextEncoder>),
    Failed(Reading, Arc<DescribingError>),
}

impl EncoderPlace {
    fn read(&self) -> MutexGuard<'_, ReadEncoder> {
        self.read.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Encoders by their content.
type EncoderPlaces = BTreeMap<String, Arc<EncoderPlace>>;

/// Describes new items and keeps what was described.
#[derive(Clone)]
pub(crate) struct DescriptionCache {
    objects: Arc<dyn ObjectStore>,
    stopwatch: Stopwatch,
    places: Arc<Mutex<BTreeMap<DomainId, Arc<Place>>>>,
    encoders: Arc<Mutex<EncoderPlaces>>,
    patience: Duration,
}

impl DescriptionCache {
    pub(crate) fn new(objects: Arc<dyn ObjectStore>, stopwatch: Stopwatch) -> Self {
        let (places, encoders) = Default::default();
        Self { objects, stopwatch, places, encoders, patience: Duration::ZERO }
    }

    /// Lets requests wait for what they may show: for one process with storage of its own.
    pub(crate) fn without_delay(self) -> Self {
        Self { patience: Duration::MAX, ..self }
    }

    /// Sees to it that a domain's new items are being described, and waits for it no longer than
    /// this process lets requests wait.
    pub(crate) async fn refresh(
        &self,
        domain: &DomainId,
        (snapshot, model): (&Arc<CatalogueSnapshot>, &Arc<Model>),
        wait: Duration,
    ) {
        let place = self.place(domain);
        let is_settled = |at: Option<Reading>| at.is_none_or(|at| self.stopwatch.since(at) < RETRY);
        let is_known = |known: &Known| {
            known.model == *model.id()
                && std::ptr::eq(known.of.as_ptr(), &raw const **snapshot)
                && is_settled(known.failed_at)
        };
        if !ranks_new_items(model, domain) || place.known().as_ref().is_some_and(is_known) {
            return;
        }
        let work = {
            let (cache, domain, place) = (self.clone(), domain.clone(), place.clone());
            let (snapshot, model) = (snapshot.clone(), model.clone());
            move || async move { cache.describe_into(&place, &domain, &snapshot, &model).await }
        };
        let patience = Patience { from_now: wait.min(self.patience), from_its_start: wait };
        place.describing.join(patience, work).await;
    }

    /// What is described of a domain's new items for a model; `None` where nothing is yet, or can
    /// be.
    pub(crate) fn known(&self, domain: &DomainId, model: &Model) -> Option<Arc<DescribedItems>> {
        let known = self.place(domain).known().clone();
        known.filter(|known| known.model == *model.id())?.described
    }

    /// Whether describing a domain's new items for a model failed.
    pub(crate) fn failed(&self, domain: &DomainId, model: &Model) -> bool {
        let known = self.place(domain).known().clone();
        known.is_some_and(|known| known.model == *model.id() && known.failed_at.is_some())
    }

    async fn describe_into(
        &self,
        place: &Place,
        domain: &DomainId,
        snapshot: &Arc<CatalogueSnapshot>,
        model: &Arc<Model>,
    ) {
        let changes = ChangeNumber::default()..=snapshot.last_change();
        let before = self.known(domain, model);
        let described =
            self.describe(domain, (snapshot, changes), (model, before.as_deref())).await;
        let described = described
            .inspect_err(|error| tracing::error!(%error, %domain, "new items are not described"));
        let failed_at = described.is_err().then(|| self.stopwatch.read());
        let described = match described {
            Ok(described) => (!described.is_empty()).then(|| Arc::new(described)),
            Err(_) => before,
        };
        let (model, of) = (model.id().clone(), Arc::downgrade(snapshot));
        *place.known() = Some(Known { model, described, of, failed_at });
    }

    /// Describes the new items among a catalogue's entries of a range of changes; what was
    /// described before, of the same model, is taken over.
    ///
    /// # Errors
    /// When the encoder cannot be read or used.
    pub(crate) async fn describe(
        &self,
        domain: &DomainId,
        (snapshot, changes): (&CatalogueSnapshot, RangeInclusive<ChangeNumber>),
        (model, before): (&Arc<Model>, Option<&DescribedItems>),
    ) -> Result<DescribedItems, DescribingError> {
        let known = |item: &Item| before.and_then(|before| before.of(item)).cloned();
        let (mut described, mut new) = (Vec::new(), Vec::new());
        let (to_describe, from) = snapshot.to_describe(&changes);
        for item in to_describe {
            match known(item) {
                Some(stand_ins) => described.push((item.item_id.clone(), item.change, stand_ins)),
                None => new.push((item.item_id.clone(), item.change, text(item))),
            }
        }
        let content = &model.sections().content;
        if let Some(of_domain) = content.get(domain).filter(|_| !new.is_empty()) {
            let patience = Patience { from_now: Duration::MAX, from_its_start: Duration::MAX };
            let encoder = self.encoder(of_domain, content, patience).await?;
            let (domain, model) = (domain.clone(), model.clone());
            let work = move || stand_ins_of(&*encoder, &domain, &model, new);
            let found = tokio::task::spawn_blocking(work).await;
            described.extend(found.map_err(|_| DescribingError::Interrupted)??);
        }
        Ok(DescribedItems::new((from, *changes.end()), described))
    }

    /// The factors that the text of one entry lets expect, as a model maps them; `None` where it
    /// does not rank the domain's items by their text, and where the text says nothing. An encoder
    /// that is still being read is waited for no longer than this, and is read all the same.
    ///
    /// # Errors
    /// When the encoder cannot be read in time, or used.
    pub(crate) async fn expected_factors(
        &self,
        item: &Item,
        model: &Arc<Model>,
        wait: Duration,
    ) -> Result<Option<Vec<f32>>, DescribingError> {
        let content = &model.sections().content;
        let Some(of_domain) = content.get(&item.domain) else { return Ok(None) };
        let patience = Patience { from_now: wait, from_its_start: wait };
        let encoder = self.encoder(of_domain, content, patience).await?;
        if encoder.dimensions() != of_domain.map.mean.len() {
            return Err(DescribingError::Dimensions);
        }
        let (domain, text, model) = (item.domain.clone(), text(item), model.clone());
        let work = move || {
            let vectors = encode_in_batches(&*encoder, &[text.as_str()], BATCH);
            model.sections().expected_factors(&domain, vectors.row(0))
        };
        tokio::task::spawn_blocking(work).await.map_err(|_| DescribingError::Interrupted)
    }

    /// The encoder that a model names for a domain: its own, or an installed one. It is read by a
    /// task of its own, which goes on when nobody waits any more, and not again soon where that
    /// failed. Those that the model names for no domain are forgotten.
    async fn encoder(
        &self,
        of_domain: &DomainContent,
        all: &Content,
        patience: Patience,
    ) -> Result<Arc<dyn TextEncoder>, DescribingError> {
        let name = &of_domain.source.sha256;
        let place = self.encoder_place(name, all);
        let is_settled = match &*place.read() {
            ReadEncoder::Never => false,
            ReadEncoder::Read(_) => true,
            ReadEncoder::Failed(at, _) => self.stopwatch.since(*at) < RETRY,
        };
        if !is_settled {
            let (cache, of_domain, read_into) = (self.clone(), of_domain.clone(), place.clone());
            let work = move || async move {
                let read = cache.read_encoder(&of_domain).await;
                let read = read.inspect_err(|error| {
                    tracing::error!(%error, encoder = of_domain.source.sha256, "no text encoder");
                });
                *read_into.read() = match read {
                    Ok(encoder) => ReadEncoder::Read(encoder),
                    Err(error) => ReadEncoder::Failed(cache.stopwatch.read(), error.into()),
                };
            };
            place.reading.join(patience, work).await;
        }
        match &*place.read() {
            ReadEncoder::Read(encoder) => Ok(encoder.clone()),
            ReadEncoder::Failed(_, error) => Err(DescribingError::NotRead(error.clone())),
            ReadEncoder::Never => Err(DescribingError::NotYet),
        }
    }

    async fn read_encoder(
        &self,
        of_domain: &DomainContent,
    ) -> Result<Arc<dyn TextEncoder>, DescribingError> {
        let bytes = match &of_domain.artefact {
            Some(artefact) => artefact.clone(),
            None => encoders::load_named(&*self.objects, &of_domain.source.sha256).await?,
        };
        let opened = tokio::task::spawn_blocking(move || crossfold_text::open(&bytes)).await;
        Ok(opened.map_err(|_| DescribingError::Interrupted)??.into())
    }

    fn encoder_place(&self, name: &str, all: &Content) -> Arc<EncoderPlace> {
        let mut places = self.encoders.lock().unwrap_or_else(PoisonError::into_inner);
        places.retain(|known, _| {
            known == name || all.values().any(|named| named.source.sha256 == *known)
        });
        places.entry(name.to_owned()).or_default().clone()
    }

    fn place(&self, domain: &DomainId) -> Arc<Place> {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        places.entry(domain.clone()).or_default().clone()
    }
}

/// Whether a model ranks a domain's new items by their text.
pub(crate) fn ranks_new_items(model: &Model, domain: &DomainId) -> bool {
    model.sections().content.contains_key(domain)
}

fn text(item: &Item) -> String {
    item.details.as_ref().map(|details| text_of(&item.item_id, details)).unwrap_or_default()
}

/// Items with what stands in for each.
type Described<T> = Vec<(ItemId, ChangeNumber, T)>;

fn stand_ins_of(
    encoder: &dyn TextEncoder,
    domain: &DomainId,
    model: &Model,
    items: Described<String>,
) -> Result<Described<Option<StandIns>>, DescribingError> {
    let content = model.sections().content.get(domain);
    if content.is_some_and(|content| content.map.mean.len() != encoder.dimensions()) {
        return Err(DescribingError::Dimensions);
    }
    let texts: Vec<&str> = items.iter().map(|(_, _, text)| text.as_str()).collect();
    let vectors = encode_in_batches(encoder, &texts, BATCH);
    let found = model.sections().stand_ins(domain, vectors.view());
    let described = items.into_iter().zip(found);
    let of_item = |((id, change, text), stand_ins): ((_, _, String), Option<StandIns>)| {
        (id, change, stand_ins.filter(|_| !text.is_empty()))
    };
    Ok(described.map(of_item).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_models::described_model;
    use crossfold_core::entities::catalogue::ItemStatus;
    use crossfold_storage::memory::MemoryObjects;
    use crossfold_testing::{catalogue_item, domain, item, item_key};
    use crossfold_text::lexical::{Lexical, LexicalOptions, fit};

    fn known_model() -> Arc<Model> {
        let known = [("car", "first car loan", 0), ("piano", "piano lessons", 1)];
        let titles = known.map(|(_, title, _)| title);
        let artefact = fit(&titles, &LexicalOptions::default().check().unwrap()).unwrap();
        let encoder = Lexical::from_artefact(&artefact).unwrap();
        described_model(&known, (&encoder, Some(artefact.into()))).verify().unwrap().into()
    }

    fn new_item(id: &str, change: u64) -> Item {
        let mut item =
            Item { change: ChangeNumber(change), ..catalogue_item(item_key("knowledge", id)) };
        if let Some(details) = &mut item.details {
            details.title = "another car loan".to_owned();
        }
        item
    }

    fn cache() -> DescriptionCache {
        let stopwatch = Stopwatch::from_fn(|| Duration::ZERO);
        DescriptionCache::new(Arc::new(MemoryObjects::default()), stopwatch).without_delay()
    }

    /// Which of these items are described once a catalogue of them has been looked at.
    async fn look(cache: &DescriptionCache, model: &Arc<Model>, items: &[Item]) -> Vec<ItemId> {
        let snapshot = Arc::new(CatalogueSnapshot::new(items.to_vec(), Some(model)));
        cache.refresh(&domain("knowledge"), (&snapshot, model), Duration::MAX).await;
        let Some(known) = cache.known(&domain("knowledge"), model) else { return Vec::new() };
        let is_described = |item: &&Item| known.of(item).is_some_and(Option::is_some);
        items.iter().filter(is_described).map(|item| item.item_id.clone()).collect()
    }

    #[tokio::test]
    async fn an_entry_that_is_read_after_a_later_one_is_described_all_the_same() {
        let (cache, model) = (cache(), known_model());
        let (early, late) = (new_item("early", 3), new_item("late", 5));
        assert_eq!(look(&cache, &model, std::slice::from_ref(&late)).await, [item("late")]);
        assert_eq!(look(&cache, &model, &[early, late]).await, [item("early"), item("late")]);
    }

    #[tokio::test]
    async fn what_its_platform_hides_is_not_described() {
        let (cache, model) = (cache(), known_model());
        let mut hidden = new_item("hidden", 3);
        hidden.details.as_mut().unwrap().status = ItemStatus::Hidden;
        assert_eq!(look(&cache, &model, &[hidden, new_item("new", 4)]).await, [item("new")]);
    }
}
