//! Items as points in the space of a text encoder: of the installed one, else of one that is
//! fitted to the catalogue and kept with the model.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use bytes::Bytes;
use crossfold_core::entities::ids::DomainId;
use crossfold_core::entities::ports::ObjectStore;
use crossfold_core::evidence::event_table::EventTable;
use crossfold_core::evidence::item_vectors::{
    ItemVectors, MOST_ENCODED, MOST_ENCODED_OF_A_DOMAIN, VectorSource,
};
use crossfold_core::evidence::items::ItemKey;
use crossfold_registry::encoders;
use crossfold_text::TextEncoder;
use crossfold_text::lexical::{Lexical, LexicalOptions, fit};

/// What is fitted to a catalogue: at most 5 MB, which every model that is served by it holds.
const LEXICAL: LexicalOptions = LexicalOptions { dimensions: 128, max_terms: 10_000, seed: 0 };
/// Texts that are encoded at a time: encoders hold some kilobytes for each word of them.
const BATCH: usize = 64;

/// The items that are worth a vector, with their texts: of each domain those that most events are
/// about, at most [`MOST_ENCODED_OF_A_DOMAIN`], and [`MOST_ENCODED`] in all.
pub(crate) fn worth_encoding(
    events: &EventTable,
    mut texts: BTreeMap<ItemKey, String>,
) -> BTreeMap<ItemKey, String> {
    let mut by_domain: BTreeMap<&DomainId, Vec<(u64, &ItemKey)>> = BTreeMap::new();
    let counts = events.counts_by_item();
    for (item, count) in &counts {
        if texts.contains_key(*item) {
            by_domain.entry(&item.0).or_default().push((*count, *item));
        }
    }
    let most = (MOST_ENCODED / by_domain.len().max(1)).min(MOST_ENCODED_OF_A_DOMAIN);
    let mut kept = BTreeMap::new();
    for mut items in by_domain.into_values() {
        items.sort_by_key(|(count, item)| (Reverse(*count), *item));
        for (_, item) in items.into_iter().take(most) {
            kept.extend(texts.remove_entry(item));
        }
    }
    kept
}

/// The vectors of these texts. A run goes on without them, and a model without what they are for:
/// `None` where no text has a word.
pub(crate) async fn encode(
    objects: &dyn ObjectStore,
    texts: BTreeMap<ItemKey, String>,
) -> Option<ItemVectors> {
    if texts.is_empty() {
        return None;
    }
    let installed = installed(objects).await;
    let encoded = tokio::task::spawn_blocking(move || match installed {
        Some(encoder) => vectors_of(&*encoder, texts),
        None => by_own_words(texts),
    });
    encoded.await.inspect_err(|error| tracing::error!(%error, "texts were not encoded")).ok()?
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
    let mut table = ndarray::Array2::zeros((texts.len(), encoder.dimensions()));
    for (batch, mut rows) in
        texts.chunks(BATCH).zip(table.axis_chunks_iter_mut(ndarray::Axis(0), BATCH))
    {
        let batch: Vec<&str> = batch.iter().map(String::as_str).collect();
        rows.assign(&encoder.encode(&batch));
    }
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
    use crossfold_core::entities::event::Event;
    use crossfold_testing::{event_at, item, item_key};

    fn about(name: &str, times: usize) -> Vec<Event> {
        vec![Event { item_id: item(name), ..event_at(0) }; times]
    }

    #[test]
    fn what_nothing_happened_to_is_not_encoded() {
        let events: EventTable = [about("a", 2), about("b", 1), about("x", 1)].concat().into();
        let texts = ["a", "b", "c"].map(|name| (item_key("knowledge", name), name.to_owned()));
        let kept = worth_encoding(&events, texts.clone().into());
        assert_eq!(kept, texts[..2].iter().cloned().collect());
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
