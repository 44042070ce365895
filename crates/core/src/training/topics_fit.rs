//! Topics of each domain: found in what a sample of its people like, and numbered as before.

use std::collections::{BTreeMap, BTreeSet};

use ndarray::Array2;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::found_groups::{self, FoundTopic};
use super::segments_fit::Items;
use crate::entities::ids::DomainId;
use crate::evidence::behaviours::{Behaviour, BehaviourSample, DrawnPeople};
use crate::evidence::items::DomainRows;
use crate::maths::clusters::best_matching;
use crate::maths::sparse::SparseRows;
use crate::maths::topics::{
    self, Halves, NumberOfTopics, TopicModel, TopicOptions, TopicParams, UnusableDocuments,
    coherence,
};
use crate::model::Model;
use crate::model::segments::FEWEST_PEOPLE;
use crate::model::topics::{
    DomainTopics, ItemWords, MOST_WORDS, Topic, Topics, TopicsHeader, Word,
};

/// Numbers of topics that are tried, where there are people enough for each topic. One tells
/// nothing apart: where it is as good as any other, there are none.
const TRIED: [usize; 8] = [1, 2, 3, 4, 6, 8, 11, 16];
/// People for each topic, at least.
const PEOPLE_OF_A_TOPIC: usize = 20;
/// People who have the number of topics chosen by them: a few seconds of a core.
const CHOSEN_BY: usize = 2_500;
/// Times that each person is looked at.
const PASSES: usize = 10;
/// Fits from other seeds: a single one may have merged two topics, and cut another. Fewer while
/// the number is chosen, where each number is fitted in several folds.
const RESTARTS: usize = 3;
const RESTARTS_WHILE_CHOOSING: usize = 2;
/// Steps of a pass, at least: with fewer, topics of a few hundred people are not settled.
const STEPS_OF_A_PASS: usize = 16;
const SMALLEST_BATCH: usize = 8;
const LARGEST_BATCH: usize = 128;
/// A word that more than this share of what people like has tells no topic.
const TOO_COMMON: f64 = 0.5;
/// A topic that less than this part of an even share of all words comes from is not used.
const LEAST_USED: f64 = 0.25;
/// Words and items that a topic is told by.
const TOLD_WORDS: usize = 10;
const TOLD_ITEMS: usize = 10;
/// A topic of the champion goes on in one whose words are so alike (cosine).
const GOES_ON_FROM: f64 = 0.5;

/// What a run found of what a domain's people like.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TopicReport {
    /// People who were looked at.
    pub people: usize,
    /// Items, categories and words that documents are made of.
    pub words: usize,
    /// Topics; 0 where none are told apart.
    pub topics: usize,
    /// Those that go on from the champion's.
    pub kept: usize,
    /// Mean coherence of the topics, -1 to 1.
    pub coherence: f64,
    /// How each number of topics did.
    pub tried: NumberOfTopics,
    /// The topics; none in reports of before they were told.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub found: Vec<FoundTopic>,
}

/// The topics of every domain that has any, and what was found.
pub(super) fn find(
    items: Items<'_>,
    sample: &BehaviourSample,
    (champion, seed): (Option<&Model>, u64),
) -> (Topics, BTreeMap<DomainId, TopicReport>) {
    let mut found = Topics::default();
    let mut reports = BTreeMap::new();
    for (domain, rows) in items.index.ranges().iter() {
        let of_domain = sample.0.get(domain).and_then(|people| {
            let words = words_of(items, rows, people);
            let before = champion.and_then(|model| model.sections().topics.domains.get(domain));
            fit_domain(items, rows, (people, words), (before, seed)).ok()
        });
        let Some((topics, item_words, report)) = of_domain else {
            rows.range.clone().for_each(|_| found.item_words.push([]));
            continue;
        };
        for row in 0..rows.len() {
            found.item_words.push(item_words.of(crate::evidence::items::Row(row as u32)));
        }
        found.domains.insert(domain.clone(), topics);
        reports.insert(domain.clone(), report);
    }
    if found.domains.is_empty() {
        found = Topics::default();
    }
    (found, reports)
}

/// What an item adds to a document: itself, its categories, and the words of its title, each
/// kind with a weight of 1 in all.
fn words_of_item(items: Items<'_>, row: usize) -> Vec<(Word, f32)> {
    let Some(key) = items.index.items().get(row) else { return Vec::new() };
    let mut words = vec![(Word::Item(key.1.clone()), 1.0)];
    if let Some(facts) = items.facts.get(key) {
        let share = |of: &[String]| 1.0 / of.len().max(1) as f32;
        let categories = facts.categories.iter().cloned().map(Word::Category);
        words.extend(categories.map(|word| (word, share(&facts.categories))));
        // A number alone, such as a year, tells of no topic that could be named by it.
        let is_named = |word: &&String| word.chars().any(char::is_alphabetic);
        let texts = facts.words.iter().filter(is_named).cloned().map(Word::Text);
        words.extend(texts.map(|word| (word, share(&facts.words))));
    }
    words
}

/// The words of a domain: those that at least 20 people have, and not more than half of what all
/// like; the most frequent ones. Not those of half of all people: who likes a hundred items has
/// some of every category, and topics would be named by what is rare.
fn words_of(items: Items<'_>, rows: &DomainRows, people: &DrawnPeople) -> BTreeMap<Word, u32> {
    let of_items: Vec<Vec<Word>> = rows
        .range
        .clone()
        .map(|row| {
            let words = words_of_item(items, row).into_iter().map(|(word, _)| word);
            words.collect::<BTreeSet<Word>>().into_iter().collect()
        })
        .collect();
    let mut counts: BTreeMap<&Word, u64> = BTreeMap::new();
    let (mut times, mut items_liked): (BTreeMap<&Word, u64>, u64) = (BTreeMap::new(), 0);
    for person in &people.behaviours {
        let of_person = person.items.iter().filter_map(|row| rows.local(*row));
        let mut words: BTreeSet<&Word> = BTreeSet::new();
        for row in of_person {
            items_liked += 1;
            for word in &of_items[row.index()] {
                *times.entry(word).or_default() += 1;
                words.insert(word);
            }
        }
        words.into_iter().for_each(|word| *counts.entry(word).or_default() += 1);
    }
    let most = (items_liked as f64 * TOO_COMMON) as u64;
    let is_common = |word: &Word| times.get(word).is_some_and(|times| *times > most);
    let is_kept = |(word, people): &(&Word, u64)| *people >= FEWEST_PEOPLE && !is_common(word);
    let mut kept: Vec<(&Word, u64)> = counts.into_iter().filter(is_kept).collect();
    kept.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
    kept.truncate(MOST_WORDS);
    let words: BTreeSet<&Word> = kept.into_iter().map(|(word, _)| word).collect();
    words.into_iter().enumerate().map(|(number, word)| (word.clone(), number as u32)).collect()
}

/// A fit with as many topics as are used: one that hardly a word comes from is told apart
/// from others by noise alone.
fn fit_used(
    documents: &SparseRows,
    options: TopicOptions,
) -> Result<(TopicModel, TopicParams), UnusableDocuments> {
    let mut options = options;
    loop {
        let params = options.check().map_err(|_| UnusableDocuments::Empty)?;
        let model = topics::fit(documents, &params)?;
        let is_used = |size: &&f64| **size >= LEAST_USED / options.topics as f64;
        let used = model.sizes().iter().filter(is_used).count().max(1);
        if used == options.topics {
            return Ok((model, params));
        }
        options.topics = used;
    }
}

/// The topics of a domain, with the words of its items by row within it.
fn fit_domain(
    items: Items<'_>,
    rows: &DomainRows,
    (people, numbers): (&DrawnPeople, BTreeMap<Word, u32>),
    (before, seed): (Option<&DomainTopics>, u64),
) -> Result<(DomainTopics, ItemWords, TopicReport), UnusableDocuments> {
    let mut item_words = ItemWords::default();
    for row in rows.range.clone() {
        let mut of_item: BTreeMap<u32, f32> = BTreeMap::new();
        for (word, weight) in words_of_item(items, row) {
            if let Some(number) = numbers.get(&word) {
                *of_item.entry(*number).or_default() += weight;
            }
        }
        item_words.push(of_item);
    }
    let local = |person: &Behaviour| -> Vec<crate::evidence::items::Row> {
        let of_domain = person.items.iter().filter_map(|row| rows.local(*row));
        of_domain.map(|row| crate::evidence::items::Row(row.0)).collect()
    };
    let of_people: Vec<_> = people.behaviours.iter().map(local).collect();
    let documents =
        Topics::documents(&item_words, numbers.len(), of_people.iter().map(Vec::as_slice));
    let (restarts, passes) = (RESTARTS, PASSES);
    let options = TopicOptions { passes, restarts, seed, ..TopicOptions::default() };
    let chosen = number_of_topics((&item_words, numbers.len()), &of_people, options)?;
    // One alone tells nobody apart. It is kept where there were more, so that numbers which these
    // had are given to none that is found later.
    let is_telling = |topics: usize| topics > 1 || before.is_some();
    if !is_telling(chosen.topics) {
        return Err(UnusableDocuments::Empty);
    }
    let options = TopicOptions { topics: chosen.topics, batch: batch(documents.rows()), ..options };
    let (model, params) = fit_used(&documents, options)?;
    if !is_telling(params.options().topics) {
        return Err(UnusableDocuments::Empty);
    }
    let words: Vec<Word> = numbers.into_keys().collect();
    let (topics, mean) = describe(&model, &documents, &words);
    let priors = params.priors();
    let mut header = TopicsHeader {
        next_id: topics.len() as u32,
        words,
        topics,
        document_prior: priors.document,
        word_prior: priors.word,
        people: people.of,
    };
    let kept = before.map_or(0, |before| go_on(&mut header, &model, before));
    let report = TopicReport {
        people: documents.rows(),
        words: header.words.len(),
        topics: if header.topics.len() > 1 { header.topics.len() } else { 0 },
        kept,
        coherence: mean,
        tried: chosen,
        found: match header.topics.len() {
            0 | 1 => Vec::new(),
            _ => {
                let next_before = before.map_or(0, |known| known.header().next_id);
                let title = found_groups::titles(items.facts, &rows.domain);
                found_groups::topics(&header, next_before, &title)
            }
        },
    };
    let topics = DomainTopics::new(header, model.weights().clone());
    Ok((topics.map_err(|_| UnusableDocuments::Weight)?, item_words, report))
}

/// How many topics people's items carry: what half of a person's items foretells of the other
/// half. An item is in one half with its words, for these give one another away.
fn number_of_topics(
    (item_words, words): (&ItemWords, usize),
    people: &[Vec<crate::evidence::items::Row>],
    options: TopicOptions,
) -> Result<NumberOfTopics, UnusableDocuments> {
    let tried: Vec<usize> =
        TRIED.into_iter().filter(|topics| topics * PEOPLE_OF_A_TOPIC <= people.len()).collect();
    if tried.is_empty() {
        return Err(UnusableDocuments::Empty);
    }
    let every = people.len().div_ceil(CHOSEN_BY).max(1);
    let judges = || people.iter().step_by(every);
    let mut rng = ChaCha8Rng::seed_from_u64(options.seed);
    let (mut given, mut asked) = (Vec::new(), Vec::new());
    for items in judges() {
        let mut items = items.clone();
        items.shuffle(&mut rng);
        asked.push(items.split_off(items.len().div_ceil(2)));
        given.push(items);
    }
    let of =
        |items: &[Vec<_>]| Topics::documents(item_words, words, items.iter().map(Vec::as_slice));
    let halves = Halves::new(of(&given), of(&asked)).ok_or(UnusableDocuments::Halves)?;
    let documents = Topics::documents(item_words, words, judges().map(Vec::as_slice));
    let (batch, restarts) = (batch(documents.rows()), RESTARTS_WHILE_CHOOSING);
    let options = TopicOptions { batch, restarts, ..options };
    let params = options.check().map_err(|_| UnusableDocuments::Empty)?;
    topics::choose((&documents, &halves), &tried, &params)
}

/// Documents of a step.
fn batch(documents: usize) -> usize {
    (documents / STEPS_OF_A_PASS).clamp(SMALLEST_BATCH, LARGEST_BATCH)
}

/// A word is told of a topic where it is this much likelier there than in all.
const TOLD_LIFT: f64 = 1.25;

fn describe(model: &TopicModel, documents: &SparseRows, words: &[Word]) -> (Vec<Topic>, f64) {
    let coherences = coherence(model, documents);
    let sizes = model.sizes();
    let topic = |topic: usize| {
        // What is as likely in all topics, as a word of every second title, names none.
        let mut telling = model.telling_words(topic, words.len());
        telling.retain(|word| model.lift(*word as usize, topic) >= TOLD_LIFT);
        let telling = || telling.iter().filter_map(|word| words.get(*word as usize));
        let items = telling().filter_map(|word| match word {
            Word::Item(item) => Some(item.clone()),
            _ => None,
        });
        let texts = telling().filter(|word| !matches!(word, Word::Item(_))).cloned();
        Topic {
            id: topic as u32,
            share: sizes[topic] as f32,
            coherence: coherences[topic] as f32,
            words: texts.take(TOLD_WORDS).collect(),
            items: items.take(TOLD_ITEMS).collect(),
        }
    };
    let mean = coherences.iter().sum::<f64>() / coherences.len().max(1) as f64;
    ((0..model.topics()).map(topic).collect(), mean)
}

/// Gives topics the numbers of the champion's that they go on from; how many do.
fn go_on(header: &mut TopicsHeader, model: &TopicModel, before: &DomainTopics) -> usize {
    let of_before: BTreeMap<&Word, usize> =
        before.header().words.iter().enumerate().map(|(at, word)| (word, at)).collect();
    let shared: Vec<(usize, usize)> = header
        .words
        .iter()
        .enumerate()
        .filter_map(|(now, word)| Some((now, *of_before.get(word)?)))
        .collect();
    let column = |model: &TopicModel, topic: usize, words: &mut dyn Iterator<Item = usize>| {
        let values: Vec<f64> = words.map(|word| model.probability(word, topic)).collect();
        let length = values.iter().map(|value| value * value).sum::<f64>().sqrt();
        values.into_iter().map(|value| value / length.max(f64::MIN_POSITIVE)).collect::<Vec<_>>()
    };
    let now: Vec<Vec<f64>> = (0..model.topics())
        .map(|topic| column(model, topic, &mut shared.iter().map(|(now, _)| *now)))
        .collect();
    let then: Vec<Vec<f64>> = (0..before.model().topics())
        .map(|topic| column(before.model(), topic, &mut shared.iter().map(|(_, then)| *then)))
        .collect();
    let alike = Array2::from_shape_fn((now.len(), then.len()), |(a, b)| {
        now[a].iter().zip(&then[b]).map(|(a, b)| a * b).sum::<f64>()
    });
    let mut next_id = before.header().next_id;
    let mut kept = 0;
    for (topic, then) in header.topics.iter_mut().zip(best_matching(alike.view(), GOES_ON_FROM)) {
        topic.id = match then.and_then(|then| before.header().topics.get(then)) {
            Some(then) => {
                kept += 1;
                then.id
            }
            None => {
                next_id += 1;
                next_id - 1
            }
        };
    }
    header.next_id = next_id;
    kept
}
