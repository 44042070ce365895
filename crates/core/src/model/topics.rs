//! Topics: what people of a domain are interested in, as distributions over items, categories
//! and words of titles, and the mixture of them that a person's history tells.
//!
//! A person's document is made of the items that they like: each item adds itself once, its
//! categories once together, and the words of its title once together. So texts join what few
//! people took, and baskets what texts do not tell.

use std::collections::BTreeMap;

use ndarray::Array2;
use safetensors::SafeTensors;
use serde::{Deserialize, Serialize};

use super::tensors::{Tensor, bytes_of, numbers, table};
use super::{ModelError, malformed};
use crate::entities::ids::{DomainId, ItemId};
use crate::evidence::items::{ItemIndex, Row};
use crate::maths::sparse::SparseRows;
use crate::maths::topics::{MOST_TOPICS, Priors, TopicModel};

/// Most words of a domain: the table of topics is 4 bytes for each word and topic.
pub const MOST_WORDS: usize = 4_096;

/// A word that documents are made of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Word {
    /// An item.
    Item(ItemId),
    /// A category.
    Category(String),
    /// A word of titles.
    Text(String),
}

/// A topic.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Topic {
    /// Its number, which it keeps from model to model.
    pub id: u32,
    /// Share of what people like that is of it, 0 to 1.
    pub share: f32,
    /// How much more often than by chance its likeliest words occur together, -1 to 1.
    pub coherence: f32,
    /// The categories and words of titles that tell most of it, the most telling first.
    pub words: Vec<Word>,
    /// The items that tell most of it.
    pub items: Vec<ItemId>,
}

/// The topics of a domain.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "StoredTopics", into = "StoredTopics")]
pub struct DomainTopics {
    header: TopicsHeader,
    model: TopicModel,
}

/// What is known of the topics of a domain beside their tables.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TopicsHeader {
    /// The words, by number, in order.
    pub words: Vec<Word>,
    /// The topics, in the order of the table's columns.
    pub topics: Vec<Topic>,
    /// The number that the next new topic gets.
    pub next_id: u32,
    /// Dirichlet parameter of a person's topics.
    pub document_prior: f64,
    /// Dirichlet parameter of a topic's words.
    pub word_prior: f64,
    /// People whom they were found in.
    pub people: u64,
}

/// As it is handed to shards.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct StoredTopics {
    header: TopicsHeader,
    weights: Vec<f32>,
}

impl TryFrom<StoredTopics> for DomainTopics {
    type Error = ModelError;

    fn try_from(StoredTopics { header, weights }: StoredTopics) -> Result<Self, ModelError> {
        let shape = (header.words.len(), header.topics.len());
        Self::new(header, Array2::from_shape_vec(shape, weights).map_err(malformed)?)
    }
}

impl From<DomainTopics> for StoredTopics {
    fn from(DomainTopics { header, model }: DomainTopics) -> Self {
        Self { header, weights: model.weights().iter().copied().collect() }
    }
}

impl DomainTopics {
    /// From Dirichlet parameters of each word in each topic (words x topics).
    ///
    /// # Errors
    /// [`ModelError`] where they are none, or do not fit the words and topics.
    pub(crate) fn new(header: TopicsHeader, weights: Array2<f32>) -> Result<Self, ModelError> {
        if weights.dim() != (header.words.len(), header.topics.len())
            || header.words.len() > MOST_WORDS
            || header.topics.len() > MOST_TOPICS
        {
            return Err(malformed("a table of topics has another shape"));
        }
        let priors = Priors { document: header.document_prior, word: header.word_prior };
        Ok(Self { model: TopicModel::new(weights, priors).map_err(malformed)?, header })
    }

    /// Words and topics, and what is known of each.
    #[must_use]
    pub fn header(&self) -> &TopicsHeader {
        &self.header
    }

    /// The table.
    #[must_use]
    pub fn model(&self) -> &TopicModel {
        &self.model
    }
}

/// The topics of all domains that have any.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Topics {
    /// By domain.
    pub domains: BTreeMap<DomainId, DomainTopics>,
    /// Of each row of the model: the words that the item adds, by number within its domain,
    /// ascending, as (word, weight).
    pub(crate) item_words: ItemWords,
}

/// Of each row: the words that the item adds to a document.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct ItemWords {
    /// Where each row's words end.
    pub(crate) ends: Vec<u32>,
    pub(crate) words: Vec<u32>,
    pub(crate) weights: Vec<f32>,
}

impl ItemWords {
    pub(crate) fn push(&mut self, words: impl IntoIterator<Item = (u32, f32)>) {
        for (word, weight) in words {
            self.words.push(word);
            self.weights.push(weight);
        }
        self.ends.push(self.words.len() as u32);
    }

    pub(crate) fn of(&self, row: Row) -> impl Iterator<Item = (u32, f32)> + '_ {
        let end = self.ends.get(row.index()).copied().unwrap_or(0) as usize;
        let start = row
            .index()
            .checked_sub(1)
            .map_or(0, |before| self.ends.get(before).copied().unwrap_or(0) as usize);
        let words = self.words.get(start..end).unwrap_or_default().iter().copied();
        words.zip(self.weights.get(start..end).unwrap_or_default().iter().copied())
    }

    /// The document of some items.
    pub(crate) fn document(&self, items: &[Row]) -> Vec<(u32, f32)> {
        let mut counts: BTreeMap<u32, f32> = BTreeMap::new();
        for (word, weight) in items.iter().flat_map(|row| self.of(*row)) {
            *counts.entry(word).or_default() += weight;
        }
        counts.into_iter().collect()
    }
}

/// A topic's part in what a person is interested in.
#[derive(Debug, Clone, PartialEq)]
pub struct Interest<'a> {
    /// The topic.
    pub topic: &'a Topic,
    /// Its share of the person's mixture, 0 to 1; the shares of all topics add up to 1.
    pub share: f32,
    /// The items that it rests on, by how much of each is of this topic (up to 3, the item
    /// itself, its categories and its title counting 1 each), the most first.
    pub evidence: Vec<(Row, f32)>,
}

impl Topics {
    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.domains.is_empty()
    }

    /// What a person is interested in on a domain, by the items that they like there (as
    /// [`crate::evidence::behaviours::Behaviour::items`]; at most 500 count), the largest
    /// share first: some 10 to 100 microseconds for a hundred items. Empty where the domain
    /// has no topics, or one, which is everything, or none of the items is known.
    #[must_use]
    pub fn topics_of(&self, domain: &DomainId, items: &[Row]) -> Vec<Interest<'_>> {
        let known = self.domains.get(domain).filter(|known| known.header.topics.len() > 1);
        let Some(known) = known else { return Vec::new() };
        let items = &items[..items.len().min(500)];
        let mixture = known.model.infer(&self.item_words.document(items));
        if mixture.words.is_empty() {
            return Vec::new();
        }
        // Of each word: how much of it a unit of its weight gives each topic.
        let place: BTreeMap<u32, usize> =
            mixture.words.iter().enumerate().map(|(at, word)| (*word, at)).collect();
        let mut interests: Vec<Interest<'_>> = known
            .header
            .topics
            .iter()
            .zip(&mixture.shares)
            .map(|(topic, share)| Interest { topic, share: *share, evidence: Vec::new() })
            .collect();
        for row in items {
            let mut taken = vec![0.0f32; interests.len()];
            for (word, weight) in self.item_words.of(*row) {
                let Some(at) = place.get(&word) else { continue };
                let by_topic = mixture.taken.row(*at);
                let whole: f32 = by_topic.sum();
                if whole > 0.0 {
                    taken.iter_mut().zip(by_topic).for_each(|(t, b)| *t += weight * b / whole);
                }
            }
            for (interest, taken) in interests.iter_mut().zip(taken) {
                if taken > 0.01 {
                    interest.evidence.push((*row, taken));
                }
            }
        }
        for interest in &mut interests {
            interest.evidence.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        }
        interests.sort_by(|a, b| b.share.total_cmp(&a.share).then(a.topic.id.cmp(&b.topic.id)));
        interests
    }

    /// Documents of some people, each by the items that they like: documents x words.
    pub(crate) fn documents<'a>(
        item_words: &ItemWords,
        words: usize,
        people: impl Iterator<Item = &'a [Row]>,
    ) -> SparseRows {
        SparseRows::from_rows(words, people.map(|items| item_words.document(items)))
    }
}

/// Name of the tensors.
const TOPICS: &str = "topics";
const ENDS: &str = "topic_word_ends";
const WORDS: &str = "topic_words";

fn weights_name(domain: usize) -> String {
    format!("topics_{domain}_weights")
}

/// How many words of items the manifest is to name, and the tensors; none without topics.
pub(crate) fn write(topics: &Topics) -> Result<(Option<usize>, Vec<Tensor>), ModelError> {
    if topics.is_empty() {
        return Ok((None, Vec::new()));
    }
    let headers: BTreeMap<&DomainId, &TopicsHeader> =
        topics.domains.iter().map(|(domain, topics)| (domain, &topics.header)).collect();
    let json = serde_json::to_vec(&headers).map_err(malformed)?;
    let ItemWords { ends, words, weights } = &topics.item_words;
    let mut tensors = vec![
        Tensor::bytes(TOPICS, json),
        Tensor::numbers(ENDS, vec![ends.len()], ends),
        Tensor::numbers(WORDS, vec![words.len()], words),
        Tensor::floats("topic_word_weights", vec![weights.len()], weights),
    ];
    for (number, topics) in topics.domains.values().enumerate() {
        tensors.push(Tensor::table(weights_name(number), topics.model.weights().view())?);
    }
    Ok((Some(words.len()), tensors))
}

/// Reads the topics, if there are any.
pub(crate) fn read(
    words_of_items: Option<usize>,
    tensors: &SafeTensors<'_>,
    index: &ItemIndex,
) -> Result<Topics, ModelError> {
    let Some(entries) = words_of_items else { return Ok(Topics::default()) };
    let headers: BTreeMap<DomainId, TopicsHeader> =
        serde_json::from_slice(bytes_of(tensors, TOPICS)?).map_err(malformed)?;
    let item_words = ItemWords {
        ends: numbers(tensors, ENDS, &[index.len()])?,
        words: numbers(tensors, WORDS, &[entries])?,
        weights: super::tensors::finite(tensors, "topic_word_weights", &[entries])?,
    };
    let last = item_words.ends.last().map_or(0, |end| *end as usize);
    if !item_words.ends.is_sorted() || last != entries {
        return Err(malformed("the words of items are cut wrongly"));
    }
    let mut domains = BTreeMap::new();
    for (number, (domain, header)) in headers.into_iter().enumerate() {
        if index.ranges().get(&domain).is_none() {
            return Err(malformed(format!("topics of {domain}, which the model does not know")));
        }
        let shape = (header.words.len(), header.topics.len());
        let weights = table(tensors, &weights_name(number), shape)?;
        domains.insert(domain, DomainTopics::new(header, weights)?);
    }
    Ok(Topics { domains, item_words })
}
