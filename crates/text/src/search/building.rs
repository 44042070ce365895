//! Making an index: of texts, or of another index and what has changed since.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::terms::{han_parts, words_of};
use super::vocabulary::Vocabulary;
use super::{FIELDS, TextIndex, scoring};
use crate::lexical::words::MAX_CHARACTERS;

/// What is indexed of an item. Of each field the first 8,192 characters are read, which is what
/// bounds the work and the memory that an item takes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IndexedText<'a> {
    /// What it is called; a word here weighs 3.
    pub title: Cow<'a, str>,
    /// Its categories and tags, with spaces between; a word here weighs 2.
    pub tags: Cow<'a, str>,
    /// Whatever else describes it; a word here weighs 1.
    pub description: Cow<'a, str>,
}

/// An item of a catalogue of which an earlier one is indexed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry<'a> {
    /// The item that had this position, with the same text. One that was not there has no text.
    Kept(u32),
    /// An item that is new, or whose text is another.
    Text(IndexedText<'a>),
}

/// A word in an item: its number in the order in which words were first seen, the item's
/// position, and how often it stands in each field.
#[derive(Debug, Clone, Copy)]
struct Posting {
    word: u32,
    position: u32,
    times: [u8; FIELDS],
}

/// What is gathered of the items that were seen.
#[derive(Debug, Default)]
struct Builder {
    /// The numbers of words. Only looked up: the finished index has words in their own order.
    numbers: HashMap<String, u32>,
    postings: Vec<Posting>,
    lengths: Vec<[u16; FIELDS]>,
}

impl TextIndex {
    /// The index of the items of a catalogue, in order of their positions. The same items in
    /// the same order make the same index. Items beyond the 4,294,967,295th are left out, as
    /// they have no position.
    ///
    /// Nearly all of the time goes into cutting Chinese into words.
    #[must_use]
    pub fn build<'a>(items: impl IntoIterator<Item = IndexedText<'a>>) -> Self {
        // No more than there can be are never too many.
        Self::build_within(usize::MAX, items).unwrap_or_default()
    }

    /// The same, unless the items have more than so many postings, a posting being a word of an item:
    /// `None` then. Some 24 bytes a posting are held while it is built.
    #[must_use]
    pub fn build_within<'a>(
        most: usize,
        items: impl IntoIterator<Item = IndexedText<'a>>,
    ) -> Option<Self> {
        let mut builder = Builder::default();
        for (position, item) in (0..u32::MAX).zip(items) {
            builder.add(position, &item);
            if builder.postings.len() > most {
                return None;
            }
        }
        Some(builder.finish())
    }

    /// The index of a catalogue that has items of this one, wherever they stand now, and others:
    /// exactly what [`TextIndex::build`] would make of all their texts, but only those of
    /// [`Entry::Text`] are cut into words. It reads every posting once: 100,000 titles of which one
    /// in a hundred changed take 0.15 seconds, and 1.1 to be built (`examples/search_speed.rs`).
    ///
    /// An index over changes beside an unchanged base would be made sooner still, but every
    /// query would read both, words' rarities would count items that are gone, and a new item
    /// in the middle moves the positions of all after it.
    ///
    /// ```
    /// use crossfold_text::search::{Entry, IndexedText, TextIndex};
    ///
    /// let text = |title| IndexedText { title: title, ..IndexedText::default() };
    /// let before = TextIndex::build([text("car".into()), text("wine".into())]);
    /// let items = [Entry::Text(text("loan".into())), Entry::Kept(0)];
    /// let after = TextIndex::build([text("loan".into()), text("car".into())]);
    /// assert_eq!(before.with_changes(items), after);
    /// ```
    #[must_use]
    pub fn with_changes<'a>(&self, items: impl IntoIterator<Item = Entry<'a>>) -> Self {
        self.with_changes_within(usize::MAX, items).unwrap_or_default()
    }

    /// The same, unless the items have more than so many postings: `None` then.
    #[must_use]
    pub fn with_changes_within<'a>(
        &self,
        most: usize,
        items: impl IntoIterator<Item = Entry<'a>>,
    ) -> Option<Self> {
        let words = (0..self.vocabulary.len()).map(|number| self.vocabulary.word(number));
        let mut builder = Builder {
            numbers: words.map(str::to_owned).zip(0..).collect(),
            postings: Vec::with_capacity(self.positions.len()),
            ..Builder::default()
        };
        // Where each item of this index goes; nothing forbids to keep one twice.
        let mut goes: Vec<(u32, u32)> = Vec::new();
        for (position, item) in (0..u32::MAX).zip(items) {
            match item {
                Entry::Text(text) => builder.add(position, &text),
                Entry::Kept(before) => {
                    let lengths = self.lengths.get(before as usize);
                    builder.lengths.push(lengths.copied().unwrap_or_default());
                    goes.push((before, position));
                }
            }
            if builder.postings.len() > most {
                return None;
            }
        }
        goes.sort_unstable();
        let starts = starts(goes.iter().map(|(before, _)| *before as usize), self.len());
        for (word, number) in (0..self.words()).zip(0..) {
            for posting in self.postings(word) {
                let before = self.positions[posting] as usize;
                let times = self.times[posting];
                for (_, position) in &goes[starts[before]..starts[before + 1]] {
                    builder.postings.push(Posting { word: number, position: *position, times });
                }
            }
            if builder.postings.len() > most {
                return None;
            }
        }
        Some(builder.finish())
    }
}

impl Builder {
    /// Adds the item of the next position.
    fn add(&mut self, position: u32, item: &IndexedText<'_>) {
        let mut counted: BTreeMap<String, [u8; FIELDS]> = BTreeMap::new();
        let mut lengths = [0; FIELDS];
        let fields = [&item.title, &item.tags, &item.description];
        for (field, text) in fields.into_iter().enumerate() {
            let words = words_of(text);
            // No field has so many words, nor does a 256th time say more.
            lengths[field] = u16::try_from(words.len()).unwrap_or(u16::MAX);
            // Parts that are words are counted as these; the length of a field is in words.
            let of_words: BTreeSet<&String> = words.iter().collect();
            let text: String = text.chars().take(MAX_CHARACTERS).collect();
            let mut parts = han_parts(&text);
            parts.retain(|part| !of_words.contains(part));
            for term in parts.into_iter().chain(words) {
                let times = counted.entry(term).or_default();
                times[field] = times[field].saturating_add(1);
            }
        }
        self.lengths.push(lengths);
        for (word, times) in counted {
            let next = self.numbers.len() as u32;
            let word = *self.numbers.entry(word).or_insert(next);
            self.postings.push(Posting { word, position, times });
        }
    }

    /// Puts words and postings in order.
    fn finish(self) -> TextIndex {
        let Self { numbers, postings, lengths } = self;
        let starts = starts_in_any_order(&postings, numbers.len());
        let of_number = by_word(postings, &starts);
        let mut words: Vec<(String, u32)> = numbers.into_iter().collect();
        words.sort_unstable();
        let mut index = TextIndex {
            vocabulary: Vocabulary::default(),
            ends: Vec::with_capacity(words.len()),
            positions: Vec::with_capacity(of_number.len()),
            times: Vec::with_capacity(of_number.len()),
            weights: scoring::weights(&lengths),
            lengths,
        };
        for (word, number) in words {
            let number = number as usize;
            let postings = &of_number[starts[number]..starts[number + 1]];
            if postings.is_empty() {
                continue; // Of items that are gone.
            }
            index.vocabulary.push(&word);
            index.positions.extend(postings.iter().map(|posting| posting.position));
            index.times.extend(postings.iter().map(|posting| posting.times));
            index.ends.push(index.positions.len());
        }
        index.vocabulary.shrink();
        index.ends.shrink_to_fit();
        index.lengths.shrink_to_fit();
        index
    }
}

/// Where each of so many numbers begins among ascending ones, and the end.
fn starts(ascending: impl Iterator<Item = usize>, numbers: usize) -> Vec<usize> {
    let mut starts = vec![0; numbers + 1];
    for number in ascending.filter(|number| *number < numbers) {
        starts[number + 1] += 1;
    }
    for number in 0..numbers {
        starts[number + 1] += starts[number];
    }
    starts
}

/// Where the postings of each word begin when they are put in order of words, and the end.
fn starts_in_any_order(postings: &[Posting], words: usize) -> Vec<usize> {
    starts(postings.iter().map(|posting| posting.word as usize), words)
}

/// The postings in order of words, and of positions: counted into place, as most are in order.
fn by_word(postings: Vec<Posting>, starts: &[usize]) -> Vec<Posting> {
    let mut next = starts.to_vec();
    let mut ordered = postings.clone();
    for posting in postings {
        let place = &mut next[posting.word as usize];
        ordered[*place] = posting;
        *place += 1;
    }
    for bounds in starts.windows(2) {
        let of_word = &mut ordered[bounds[0]..bounds[1]];
        if !of_word.is_sorted_by_key(|posting| posting.position) {
            of_word.sort_unstable_by_key(|posting| posting.position);
        }
    }
    ordered
}
