//! Items as points in the space of a text encoder: of the installed one, else of one that is
//! fitted to the catalogue and kept with the model.

use std::collections::BTreeMap;

use bytes::Bytes;
use crossfold_core::entities::ports::{ObjectStore, StoreError};
use crossfold_core::evidence::item_vectors::{ItemVectors, TextVectors, VectorSource};
use crossfold_core::evidence::items::ItemKey;
use crossfold_core::model::content::MOST_DIMENSIONS;
use crossfold_registry::encoders::{self, EncoderError};
use crossfold_text::lexical::{Lexical, LexicalOptions, fit};
use crossfold_text::{TextEncoder, encode_in_batches};

// What an encoder may make, a model can hold.
const _: () = assert!(crossfold_text::MOST_DIMENSIONS == MOST_DIMENSIONS);

/// What is fitted to a catalogue: at most 5 MB, which every model that is served by it holds.
const LEXICAL: LexicalOptions = LexicalOptions { dimensions: 128, max_terms: 10_000, seed: 0 };
/// Texts that are encoded at a time: encoders hold some kilobytes for each word of them.
const BATCH: usize = 64;

/// What makes vectors of a run's items.
pub(crate) struct ItemEncoder(Option<Box<dyn TextEncoder>>);

impl ItemEncoder {
    /// The installed encoder; without one, or where it is broken, words of the catalogue itself.
    ///
    /// # Errors
    /// When the bucket fails: a run that goes on without its encoder would publish a model that
    /// knows less.
    pub(crate) async fn of(objects: &dyn ObjectStore) -> Result<Self, StoreError> {
        installed(objects).await.map(Self)
    }
}

impl TextVectors for ItemEncoder {
    fn vectors_of(&self, texts: BTreeMap<ItemKey, String>) -> Option<ItemVectors> {
        match &self.0 {
            _ if texts.is_empty() => None,
            Some(encoder) => vectors_of(&**encoder, texts),
            None => by_own_words(texts),
        }
    }

    fn is_fitted(&self) -> bool {
        self.0.is_none()
    }
}

/// The installed encoder; `None` where there is none, or none that can be used.
async fn installed(objects: &dyn ObjectStore) -> Result<Option<Box<dyn TextEncoder>>, StoreError> {
    let artefact = match encoders::installed(objects).await {
        Ok(Some(pointer)) => encoders::load(objects, &pointer).await,
        Ok(None) => return Ok(None),
        Err(error) => Err(error),
    };
    let artefact = match artefact {
        Ok(artefact) => artefact,
        Err(EncoderError::Store(error)) => return Err(error),
        Err(error) => {
            tracing::error!(%error, "the text encoder cannot be read");
            return Ok(None);
        }
    };
    let opened = crossfold_text::open(&artefact);
    Ok(opened.inspect_err(|error| tracing::error!(%error, "the text encoder cannot be used")).ok())
}

/// By an encoder that is fitted to the texts themselves.
fn by_own_words(texts: BTreeMap<ItemKey, String>) -> Option<ItemVectors> {
    let words: Vec<&str> = texts.values().map(String::as_str).collect();
    let artefact = Bytes::from(fit(&words, &LEXICAL.check().ok()?).ok()?);
    let encoder = Lexical::from_artefact(&artefact)
        .inspect_err(|error| tracing::error!(%error, "words were fitted wrongly"))
        .ok()?;
    Some(vectors_of(&encoder, texts)?.with_artefact(artefact))
}

fn vectors_of(encoder: &dyn TextEncoder, texts: BTreeMap<ItemKey, String>) -> Option<ItemVectors> {
    let (items, texts): (Vec<ItemKey>, Vec<String>) = texts.into_iter().unzip();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let table = encode_in_batches(encoder, &texts, BATCH);
    let identity = encoder.identity();
    let source = VectorSource {
        name: identity.name.clone(),
        version: identity.version.clone(),
        sha256: identity.sha256.clone(),
    };
    ItemVectors::new(source, items, table).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crossfold_core::archive::keys::ENCODER_POINTER_KEY;
    use crossfold_core::entities::ports::PutCondition;
    use crossfold_storage::faults::{Fault, FaultPlan, faulty};
    use crossfold_storage::memory;
    use crossfold_testing::item_key;

    #[tokio::test]
    async fn a_bucket_that_fails_is_not_taken_for_one_without_an_encoder() {
        let stores = memory::stores();
        assert!(ItemEncoder::of(&*stores.objects).await.unwrap().0.is_none());
        let plan = FaultPlan::from_fn(|call| match call.key == ENCODER_POINTER_KEY {
            true => Fault::Before,
            false => Fault::None,
        });
        assert!(ItemEncoder::of(&*faulty(stores.clone(), &plan).objects).await.is_err());
        // What is broken for good ends no run.
        let broken = "no pointer".into();
        stores.objects.put(ENCODER_POINTER_KEY, broken, PutCondition::None).await.unwrap();
        assert!(ItemEncoder::of(&*stores.objects).await.unwrap().0.is_none());
    }

    #[test]
    fn without_an_encoder_words_of_the_catalogue_are_one_that_is_kept() {
        let texts = ["first car loan", "used car loan", "piano lessons"];
        let keyed = texts.map(|text| (item_key("knowledge", text), text.to_owned()));
        let vectors = by_own_words(keyed.clone().into()).unwrap();
        let encoder = crossfold_text::open(vectors.artefact.as_ref().unwrap()).unwrap();
        assert_eq!(encoder.identity().sha256, vectors.source.sha256);
        let similarity = |one: usize, other: usize| {
            let of = |at: usize| vectors.of(&keyed[at].0).unwrap().to_owned();
            of(one).dot(&of(other))
        };
        assert!(similarity(0, 1) > similarity(0, 2));
        assert_eq!(by_own_words([(item_key("knowledge", "a"), "·".to_owned())].into()), None);
    }
}
