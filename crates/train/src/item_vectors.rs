//! Items as points in the space of a text encoder: of the installed one, else of one that is
//! fitted to the catalogue and kept with the model.

use std::collections::BTreeMap;

use bytes::Bytes;
use crossfold_core::entities::ports::ObjectStore;
use crossfold_core::evidence::item_vectors::{ItemVectors, TextVectors, VectorSource};
use crossfold_core::evidence::items::ItemKey;
use crossfold_registry::encoders;
use crossfold_text::lexical::{Lexical, LexicalOptions, fit};
use crossfold_text::{TextEncoder, encode_in_batches};

/// What is fitted to a catalogue: at most 5 MB, which every model that is served by it holds.
const LEXICAL: LexicalOptions = LexicalOptions { dimensions: 128, max_terms: 10_000, seed: 0 };
/// Texts that are encoded at a time: encoders hold some kilobytes for each word of them.
const BATCH: usize = 64;

/// What makes vectors of a run's items.
pub(crate) struct ItemEncoder(Option<Box<dyn TextEncoder>>);

impl ItemEncoder {
    /// The installed encoder; without one, words of the catalogue itself.
    pub(crate) async fn of(objects: &dyn ObjectStore) -> Self {
        Self(installed(objects).await)
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
}

/// The installed encoder; `None` where there is none, or none that can be used.
async fn installed(objects: &dyn ObjectStore) -> Option<Box<dyn TextEncoder>> {
    let artefact = match encoders::installed(objects).await {
        Ok(Some(pointer)) => encoders::load(objects, &pointer).await,
        Ok(None) => return None,
        Err(error) => Err(error),
    };
    let artefact = artefact
        .inspect_err(|error| tracing::error!(%error, "the text encoder cannot be read"))
        .ok()?;
    crossfold_text::open(&artefact)
        .inspect_err(|error| tracing::error!(%error, "the text encoder cannot be used"))
        .ok()
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
    use crossfold_testing::item_key;

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
