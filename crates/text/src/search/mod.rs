//! Searching a catalogue by words: which items have the words of a question, and how well. What
//! somebody types, or asks customer service, is a part of a recommendation request beside taste;
//! unlike an encoder's likeness, a word that matches is one that the item has.
//!
//! | to find | read |
//! | --- | --- |
//! | what is indexed of an item, and how | `building` |
//! | the words of all items, in order | `vocabulary` |
//! | what a text is found by | `terms` |
//! | what a question says, within bounds | `query` |
//! | words that say nothing | `stop_words` |
//! | what items score | `scoring` |
//! | words that are mistyped or not yet typed out | `spelling` |
//!
//! ```
//! use crossfold_text::search::{IndexedText, Query, TextIndex};
//!
//! let titles = ["新能源汽车贷款 36期", "Piano for beginners", "二手车贷款"];
//! let texts = titles.map(|title| IndexedText { title: title.into(), ..IndexedText::default() });
//! let index = TextIndex::build(texts);
//! let query = Query::parse("我想贷款买新能源汽车", "")?;
//! let found: Vec<u32> = index.scores(&query).iter().map(|found| found.position).collect();
//! assert_eq!(found, [0, 2]);
//! # Ok::<(), crossfold_text::search::QueryError>(())
//! ```

mod building;
mod query;
mod scoring;
mod spelling;
mod stop_words;
mod terms;
mod vocabulary;

pub use building::{Entry, IndexedText};
pub use query::{MAX_CONTEXT_CHARACTERS, MAX_QUERY_CHARACTERS, Query, QueryError, QueryWord};
pub use scoring::Match;
use vocabulary::Vocabulary;

/// The fields of an item: its title, its tags, its description.
const FIELDS: usize = 3;

/// An inverted index over the items of a catalogue, which are named by their positions from 0:
/// of every word, in which items it stands and how often in which field.
///
/// In memory it takes 7 bytes for a word of an item, 6 bytes an item, and 16 bytes and the word
/// itself for each different word; [`TextIndex::bytes`] counts them. How often a word stands is
/// kept, not what it weighs: weights depend on every other item, and
/// [`TextIndex::with_changes`] would have to guess them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TextIndex {
    vocabulary: Vocabulary,
    /// Where the postings of each word end, in order of the words.
    ends: Vec<usize>,
    /// The items that have a word, in order; one word's after another's.
    positions: Vec<u32>,
    /// How often the word stands in each field of the item, as long as `positions`.
    times: Vec<[u8; FIELDS]>,
    /// How many words each field of each item has.
    lengths: Vec<[u16; FIELDS]>,
    /// What a word weighs in each field that has so many words, from 0 to the most there are.
    weights: [Vec<f32>; FIELDS],
}

impl TextIndex {
    /// How many items it has, with words or without.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lengths.len()
    }

    /// Whether it has no items.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lengths.is_empty()
    }

    /// How many different words its items have.
    #[must_use]
    pub fn words(&self) -> usize {
        self.ends.len()
    }

    /// How many bytes its tables take, without what the allocator adds.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.vocabulary.bytes()
            + size_of_val(&*self.ends)
            + size_of_val(&*self.positions)
            + size_of_val(&*self.times)
            + size_of_val(&*self.lengths)
            + self.weights.iter().map(|weights| size_of_val(&**weights)).sum::<usize>()
    }

    /// Where the postings of a word stand.
    fn postings(&self, word: usize) -> std::ops::Range<usize> {
        let start = word.checked_sub(1).map_or(0, |previous| self.ends[previous]);
        start..self.ends[word]
    }
}
