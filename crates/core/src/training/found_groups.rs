//! What a report tells of segments and topics, in every language that it may be read in.

use serde::{Deserialize, Serialize};

use crate::entities::ids::{DomainId, ItemId};
use crate::evidence::item_facts::CatalogueFacts;
use crate::model::segments::DomainSegments;
use crate::model::topics::{TopicsHeader, Word};
use crate::serving::reason::Locale;
use crate::serving::segment_text::{Titles, segment_name, segment_sentences, topic_name};

/// Something in words, in every language.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InWords<T> {
    /// In English.
    #[serde(rename = "en")]
    pub english: T,
    /// In Chinese.
    #[serde(rename = "zh-CN")]
    pub chinese: T,
}

impl<T> InWords<T> {
    fn of(text: impl Fn(Locale) -> T) -> Self {
        Self { english: text(Locale::English), chinese: text(Locale::Chinese) }
    }
}

/// A segment that a run found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FoundSegment {
    /// Its number, which it keeps from model to model.
    pub id: u32,
    /// Whether it goes on from the champion of then.
    pub is_known: bool,
    /// Share of the domain's people, 0 to 1.
    pub share: f64,
    /// Its name.
    pub name: InWords<String>,
    /// What sets it apart, a sentence a fact.
    pub because: InWords<Vec<String>>,
}

/// A topic that a run found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FoundTopic {
    /// Its number, which it keeps from model to model.
    pub id: u32,
    /// Whether it goes on from the champion of then.
    pub is_known: bool,
    /// Share of what people like that is of it, 0 to 1.
    pub share: f64,
    /// How much more often than by chance its likeliest words occur together, -1 to 1.
    pub coherence: f64,
    /// Its name.
    pub name: InWords<String>,
    /// The categories and words that tell most of it, the most telling first.
    pub words: Vec<String>,
    /// The items that tell most of it.
    pub items: Vec<ItemId>,
}

/// The segments of a domain; those with a number below `next_before` were the champion's.
pub(super) fn segments(
    found: &DomainSegments,
    next_before: u32,
    title: &Titles<'_>,
) -> Vec<FoundSegment> {
    let told = found.segments.iter().map(|segment| FoundSegment {
        id: segment.id,
        is_known: segment.id < next_before,
        share: to_four_decimals(segment.share),
        name: InWords::of(|locale| segment_name(segment, locale, title)),
        because: InWords::of(|locale| segment_sentences(segment, locale, title)),
    });
    told.collect()
}

/// The topics of a domain; those with a number below `next_before` were the champion's.
pub(super) fn topics(
    header: &TopicsHeader,
    next_before: u32,
    title: &Titles<'_>,
) -> Vec<FoundTopic> {
    let word = |word: &Word| match word {
        Word::Category(word) | Word::Text(word) => Some(word.clone()),
        Word::Item(_) => None,
    };
    let told = header.topics.iter().map(|topic| FoundTopic {
        id: topic.id,
        is_known: topic.id < next_before,
        share: to_four_decimals(topic.share),
        coherence: to_four_decimals(topic.coherence),
        name: InWords::of(|locale| topic_name(topic, locale, title)),
        words: topic.words.iter().filter_map(word).collect(),
        items: topic.items.clone(),
    });
    told.collect()
}

/// What a report calls the items of a domain: by their titles, and by their ids where there is none.
pub(super) fn titles<'a>(
    facts: &'a CatalogueFacts,
    domain: &'a DomainId,
) -> impl Fn(&ItemId) -> Option<String> + 'a {
    |item| {
        let facts = facts.get(&(domain.clone(), item.clone()));
        let title = facts.map(|facts| facts.title.as_str()).filter(|title| !title.is_empty());
        Some(title.unwrap_or(item.as_str()).to_owned())
    }
}

fn to_four_decimals(number: f32) -> f64 {
    (f64::from(number) * 1e4).round() / 1e4
}
