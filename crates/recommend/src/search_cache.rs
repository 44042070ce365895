//! The words of catalogues, indexed when somebody looks for some, and kept.
//!
//! An index is of one state of a catalogue. It is made by a task of its own, anew of all texts the
//! first time and then of those that changed; a request that cannot wait for it searches the one before,
//! and finds new and changed items by their words a moment later.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crossfold_core::entities::catalogue::Item;
use crossfold_core::entities::ids::DomainId;
use crossfold_core::evidence::item_vectors::DESCRIPTION;
use crossfold_core::serving::snapshot::{CatalogueSnapshot, FoundItem, FoundItems};
use crossfold_storage::shared_work::{Patience, SharedWork};
use crossfold_text::search::{Entry, IndexedText, Match, Query, TextIndex};

/// How long an index that is there is waited for to become one of what changed since.
const PATIENCE: Duration = Duration::from_millis(100);

/// An index and the catalogue that it is of.
#[derive(Clone)]
struct Indexed {
    of: Arc<CatalogueSnapshot>,
    index: Arc<TextIndex>,
}

#[derive(Default)]
struct Place {
    indexing: SharedWork,
    /// Held for a look into it alone.
    indexed: Mutex<Option<Indexed>>,
}

impl Place {
    fn indexed(&self) -> MutexGuard<'_, Option<Indexed>> {
        self.indexed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Indexes catalogues and keeps the indexes.
#[derive(Clone)]
pub(crate) struct SearchCache {
    places: Arc<Mutex<BTreeMap<DomainId, Arc<Place>>>>,
    patience: Duration,
}

impl SearchCache {
    pub(crate) fn new() -> Self {
        Self { places: Arc::default(), patience: PATIENCE }
    }

    /// Lets requests wait for the index of what there is now: for one process with storage of its
    /// own.
    pub(crate) fn without_delay(self) -> Self {
        Self { patience: Duration::MAX, ..self }
    }

    /// The items of a domain's catalogue that have words of a query; `None` where that could not be
    /// told within a time.
    pub(crate) async fn found(
        &self,
        domain: &DomainId,
        (snapshot, query): (&Arc<CatalogueSnapshot>, &Query),
        wait: Duration,
    ) -> Option<FoundItems> {
        let place = self.place(domain);
        let before = place.indexed().clone();
        let is_of_it = |indexed: &Indexed| indexed.of.has_entries_of(snapshot);
        if !before.as_ref().is_some_and(is_of_it) {
            let from_now = if before.is_some() { wait.min(self.patience) } else { wait };
            let patience = Patience { from_now, from_its_start: wait };
            let (indexed_in, snapshot) = (place.clone(), snapshot.clone());
            let work = move || async move {
                let indexed = tokio::task::spawn_blocking(move || index(&snapshot, before)).await;
                match indexed {
                    Ok(indexed) => *indexed_in.indexed() = Some(indexed),
                    Err(error) => tracing::error!(%error, "a catalogue could not be indexed"),
                }
            };
            place.indexing.join(patience, work).await;
        }
        let indexed = place.indexed().clone()?;
        Some(found(&indexed, snapshot, query))
    }

    fn place(&self, domain: &DomainId) -> Arc<Place> {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        places.entry(domain.clone()).or_default().clone()
    }
}

/// The items of a snapshot that an index, of it or of one before it, finds.
fn found(indexed: &Indexed, snapshot: &CatalogueSnapshot, query: &Query) -> FoundItems {
    let is_of_it = indexed.of.has_entries_of(snapshot);
    let item = |found: &Match| {
        let position = found.position as usize;
        let position = match is_of_it {
            true => position,
            false => snapshot.position(&indexed.of.entry(position).item.item_id)?,
        };
        let is_asked_for = found.coverage > 0.0;
        Some(FoundItem { position, relevance: found.score, is_asked_for })
    };
    FoundItems::new(indexed.index.scores(query).iter().filter_map(item).collect())
}

/// The index of a snapshot, of which most may be in the one before.
fn index(snapshot: &Arc<CatalogueSnapshot>, before: Option<Indexed>) -> Indexed {
    let index = match before {
        None => TextIndex::build(snapshot.entries().map(|(_, entry)| text(entry.item))),
        Some(Indexed { of, index }) => index.with_changes(snapshot.entries().map(|(_, entry)| {
            let position = of.position(&entry.item.item_id);
            let same = position.filter(|at| of.entry(*at).item.change == entry.item.change);
            match same.and_then(|position| u32::try_from(position).ok()) {
                Some(position) => Entry::Kept(position),
                None => Entry::Text(text(entry.item)),
            }
        })),
    };
    Indexed { of: snapshot.clone(), index: Arc::new(index) }
}

/// What of an item is searched: its title, its categories and attributes, and its description.
fn text(item: &Item) -> IndexedText<'_> {
    let Some(details) = &item.details else { return IndexedText::default() };
    let attributes = details.attributes.iter().filter(|(name, _)| *name != DESCRIPTION);
    let attributes = attributes.map(|(_, value)| value.as_str());
    let tags: Vec<&str> = details.categories.iter().map(String::as_str).chain(attributes).collect();
    let description = details.attributes.get(DESCRIPTION);
    IndexedText {
        title: Cow::Borrowed(&details.title),
        tags: Cow::Owned(tags.join(" ")),
        description: Cow::Borrowed(description.map_or("", String::as_str)),
    }
}

#[cfg(test)]
mod tests {
    use crossfold_core::entities::catalogue::ChangeNumber;
    use crossfold_testing::{catalogue_item, domain, item_key};
    use proptest::prelude::*;

    use super::*;

    fn titled(id: &str, title: &str, change: u64) -> Item {
        let mut item =
            Item { change: ChangeNumber(change), ..catalogue_item(item_key("knowledge", id)) };
        item.details.as_mut().unwrap().title = title.to_owned();
        item
    }

    fn snapshot(items: &[Item]) -> Arc<CatalogueSnapshot> {
        Arc::new(CatalogueSnapshot::new(items.to_vec(), None))
    }

    fn ids(snapshot: &CatalogueSnapshot, found: &FoundItems) -> Vec<String> {
        let items = found.items().iter();
        items.map(|found| snapshot.entry(found.position).item.item_id.to_string()).collect()
    }

    async fn look(cache: &SearchCache, snapshot: &Arc<CatalogueSnapshot>) -> Vec<String> {
        let query = Query::parse("car", "").unwrap();
        let found = cache.found(&domain("knowledge"), (snapshot, &query), Duration::MAX).await;
        ids(snapshot, &found.unwrap())
    }

    #[tokio::test]
    async fn a_catalogue_is_indexed_when_words_are_looked_for_and_again_when_it_changed() {
        let cache = SearchCache::new().without_delay();
        let before = [titled("m", "a car", 1), titled("p", "a car too", 2)];
        assert_eq!(look(&cache, &snapshot(&before)).await, ["m", "p"]);
        let after = [titled("a", "another car", 3), before[1].clone()];
        assert_eq!(look(&cache, &snapshot(&after)).await, ["a", "p"]);
    }

    #[test]
    fn what_was_indexed_before_is_found_where_it_is_now() {
        let before = [titled("m", "a car", 1), titled("p", "a car too", 2)];
        let indexed = index(&snapshot(&before), None);
        // One comes before the others, and one of them is gone.
        let after = snapshot(&[titled("a", "another car", 3), before[1].clone()]);
        let query = Query::parse("car", "").unwrap();
        assert_eq!(ids(&after, &found(&indexed, &after, &query)), ["p"]);
    }

    proptest! {
        #[test]
        fn an_index_of_what_changed_is_that_of_all_texts(
            before in proptest::collection::btree_map(0u8..12, "[a-d]{1,2} [a-d]", 0..12),
            after in proptest::collection::btree_map(0u8..12, proptest::option::of("[a-d]{1,2}"), 0..12),
        ) {
            let item = |(id, title): (&u8, &String)| titled(&format!("i{id:02}"), title, 1);
            let first = snapshot(&before.iter().map(item).collect::<Vec<_>>());
            let mut items = before.iter().map(item).collect::<Vec<_>>();
            for (id, title) in &after {
                let mut changed = titled(&format!("i{id:02}"), "", 2);
                match title {
                    Some(title) => changed.details.as_mut().unwrap().title.clone_from(title),
                    None => changed.details = None,
                }
                items.retain(|item| item.item_id != changed.item_id);
                items.push(changed);
            }
            let second = snapshot(&items);
            let changed = index(&second, Some(index(&first, None)));
            prop_assert_eq!(&*changed.index, &*index(&second, None).index);
        }
    }
}
