//! The words of catalogues, indexed when somebody looks for some, and kept.
//!
//! An index is of one state of a catalogue. It is made by a task of its own, anew of all texts the
//! first time and then of those that changed; a request that cannot wait for it searches the one before,
//! and finds new and changed items by their words a moment later.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
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
/// Most words of items that are indexed of a catalogue, some 300,000 titles:
/// 200 MB while the index is made, and 60 after that. A catalogue with more is not searched.
const MOST_POSTINGS: usize = 8_000_000;
/// Most bytes of the indexes that are kept, beside the one that was made last: those that were
/// searched longest ago go first.
const MOST_BYTES: usize = 64 * 1024 * 1024;

/// An index and the catalogue that it is of.
#[derive(Clone)]
struct Indexed {
    of: Arc<CatalogueSnapshot>,
    /// `None` where the catalogue has too many words.
    index: Option<Arc<TextIndex>>,
}

#[derive(Default)]
struct Place {
    indexing: SharedWork,
    /// Held while an index is made, by a thread that nothing cuts off.
    making: Arc<Mutex<()>>,
    /// Held for a look into it alone.
    indexed: Mutex<Option<Indexed>>,
    /// The number of the search that looked here last.
    searched: AtomicU64,
}

impl Place {
    fn indexed(&self) -> MutexGuard<'_, Option<Indexed>> {
        self.indexed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn bytes(&self) -> usize {
        let indexed = self.indexed();
        indexed.as_ref().and_then(|indexed| indexed.index.as_ref()).map_or(0, |index| index.bytes())
    }
}

/// Indexes catalogues and keeps the indexes.
#[derive(Clone)]
pub(crate) struct SearchCache {
    places: Arc<Mutex<BTreeMap<DomainId, Arc<Place>>>>,
    patience: Duration,
    /// How many searches there were.
    searches: Arc<AtomicU64>,
    most_postings: usize,
    most_bytes: usize,
}

impl SearchCache {
    pub(crate) fn new() -> Self {
        Self {
            places: Arc::default(),
            patience: PATIENCE,
            searches: Arc::default(),
            most_postings: MOST_POSTINGS,
            most_bytes: MOST_BYTES,
        }
    }

    /// Lets requests wait for the index of what there is now: for one process with storage of its
    /// own.
    pub(crate) fn without_delay(self) -> Self {
        Self { patience: Duration::MAX, ..self }
    }

    /// The items of a domain's catalogue that have words of a query; `None` where that could not be
    /// told within a time, or the catalogue has too many words.
    pub(crate) async fn found(
        &self,
        domain: &DomainId,
        (snapshot, query): (&Arc<CatalogueSnapshot>, &Query),
        wait: Duration,
    ) -> Option<FoundItems> {
        let place = self.place(domain);
        place.searched.store(self.searches.fetch_add(1, Ordering::Relaxed), Ordering::Relaxed);
        let before = place.indexed().clone();
        if !before.as_ref().is_some_and(|before| before.of.has_entries_of(snapshot)) {
            let from_now = if before.is_some() { wait.min(self.patience) } else { wait };
            let patience = Patience { from_now, from_its_start: wait };
            let (cache, indexed_in, snapshot) = (self.clone(), place.clone(), snapshot.clone());
            let work = move || async move {
                let made = tokio::task::spawn_blocking(move || cache.index(&indexed_in, &snapshot));
                if let Err(error) = made.await {
                    tracing::error!(%error, "a catalogue could not be indexed");
                }
            };
            place.indexing.join(patience, work).await;
        }
        let Indexed { of, index } = place.indexed().clone()?;
        Some(found((&of, &*index?), snapshot, query))
    }

    /// Makes the index of a catalogue, unless it is being made.
    fn index(&self, place: &Place, snapshot: &Arc<CatalogueSnapshot>) {
        let Ok(_making) = place.making.try_lock() else { return };
        let before = place.indexed().clone();
        let index = indexed(snapshot, before, self.most_postings);
        if index.is_none() {
            tracing::warn!(items = snapshot.len(), "a catalogue has too many words to be searched");
        }
        *place.indexed() = Some(Indexed { of: snapshot.clone(), index: index.map(Arc::new) });
        self.forget(place);
    }

    /// Forgets the indexes that were searched longest ago, but for that of a place, as long as all
    /// of them take more than they may.
    fn forget(&self, kept: &Place) {
        let places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        let others = places.values().filter(|place| !std::ptr::eq(&raw const ***place, kept));
        let mut others: Vec<(u64, usize, &Arc<Place>)> = others
            .map(|place| (place.searched.load(Ordering::Relaxed), place.bytes(), place))
            .collect();
        others.sort_unstable_by_key(|(searched, ..)| Reverse(*searched));
        let mut bytes = 0;
        for (_, of_place, place) in others {
            bytes += of_place;
            if bytes > self.most_bytes {
                *place.indexed() = None;
            }
        }
    }

    fn place(&self, domain: &DomainId) -> Arc<Place> {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        places.entry(domain.clone()).or_default().clone()
    }
}

/// The items of a snapshot that an index, of it or of one before it, finds.
fn found(
    (of, index): (&CatalogueSnapshot, &TextIndex),
    snapshot: &CatalogueSnapshot,
    query: &Query,
) -> FoundItems {
    let is_of_it = of.has_entries_of(snapshot);
    let item = |found: &Match| {
        let position = found.position as usize;
        let position = match is_of_it {
            true => position,
            false => snapshot.position(&of.entry(position).item.item_id)?,
        };
        let is_asked_for = found.coverage > 0.0;
        Some(FoundItem { position, relevance: found.score, is_asked_for })
    };
    FoundItems::new(index.scores(query).iter().filter_map(item).collect())
}

/// The index of a snapshot, of which most may be in the one before; `None` where it has too many words.
fn indexed(
    snapshot: &CatalogueSnapshot,
    before: Option<Indexed>,
    most_postings: usize,
) -> Option<TextIndex> {
    let entries = snapshot.entries().map(|(_, entry)| entry.item);
    let before = before.and_then(|before| Some((before.of, before.index?)));
    let Some((of, index)) = before else {
        return TextIndex::build_within(most_postings, entries.map(text));
    };
    let entries = entries.map(|item| {
        let position = of.position(&item.item_id);
        let same = position.filter(|at| of.entry(*at).item.change == item.change);
        match same.and_then(|position| u32::try_from(position).ok()) {
            Some(position) => Entry::Kept(position),
            None => Entry::Text(text(item)),
        }
    });
    index.with_changes_within(most_postings, entries)
}

/// What of an item is searched: its title, its categories and attributes that are texts, and its
/// description.
fn text(item: &Item) -> IndexedText<'_> {
    let Some(details) = &item.details else { return IndexedText::default() };
    let is_text = |(name, value): &(&String, &String)| {
        // A number of hours is no model of a phone.
        *name != DESCRIPTION && value.parse::<f64>().is_err() && value.parse::<bool>().is_err()
    };
    let attributes = details.attributes.iter().filter(is_text).map(|(_, value)| value.as_str());
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
        let of = snapshot(&before);
        let index = indexed(&of, None, usize::MAX).unwrap();
        // One comes before the others, and one of them is gone.
        let after = snapshot(&[titled("a", "another car", 3), before[1].clone()]);
        let query = Query::parse("car", "").unwrap();
        assert_eq!(ids(&after, &found((&of, &index), &after, &query)), ["p"]);
    }

    #[tokio::test]
    async fn a_catalogue_of_too_many_words_is_not_searched_until_it_has_fewer() {
        let cache = SearchCache { most_postings: 4, ..SearchCache::new().without_delay() };
        let many = snapshot(&[titled("m", "car wine", 1), titled("p", "car loan tea", 1)]);
        let query = Query::parse("car", "").unwrap();
        for _ in 0..2 {
            let found = cache.found(&domain("knowledge"), (&many, &query), Duration::MAX).await;
            assert_eq!(found, None);
        }
        let fewer = snapshot(&[titled("m", "car wine", 1), titled("p", "car loan", 2)]);
        assert_eq!(look(&cache, &fewer).await, ["m", "p"]);
    }

    #[tokio::test]
    async fn indexes_that_were_searched_longest_ago_are_forgotten() {
        let cache = SearchCache { most_bytes: 150, ..SearchCache::new().without_delay() };
        let query = Query::parse("car", "").unwrap();
        let of = snapshot(&[titled("m", "a car", 1)]);
        for name in ["a", "b", "c", "a", "d"] {
            let found = cache.found(&domain(name), (&of, &query), Duration::MAX).await;
            assert_eq!(found.unwrap().items().len(), 1, "{name}");
        }
        let kept = |name: &str| cache.place(&domain(name)).bytes() > 0;
        assert_eq!(["a", "b", "c", "d"].map(kept), [true, false, false, true]);
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
            let index = indexed(&first, None, usize::MAX).unwrap();
            let before = Indexed { of: first, index: Some(Arc::new(index)) };
            let changed = indexed(&second, Some(before), usize::MAX);
            prop_assert_eq!(changed, indexed(&second, None, usize::MAX));
        }
    }
}
