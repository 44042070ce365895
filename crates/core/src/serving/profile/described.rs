//! The segment a person belongs to and the topics that they like, by what they did on a
//! platform of the caller: see [`crate::model::segments`] and [`crate::model::topics`].

use serde::Serialize;

use crate::entities::ids::{DomainId, ItemId};
use crate::evidence::behaviours::Behaviour;
use crate::evidence::behaviours::MOST_EVENTS;
use crate::model::Model;
use crate::model::segments::Segment;
use crate::serving::profile::evidence::{DomainEvents, Evidence, Line, rounded};
use crate::serving::profile::interests::Weights;
use crate::serving::profile::{ProfileInputs, text};
use crate::serving::request::MAX_HISTORY;
use crate::serving::segment_text::{segment_name, segment_sentences, topic_name};

// What people were found by is what a request knows of them.
const _: () = assert!(MOST_EVENTS == MAX_HISTORY);

/// Fewest liked items with which a person is placed in a segment, and told of topics.
pub const FEWEST_LIKED: usize = 3;
/// Least share of a person's mixture that is told.
const LEAST_SHARE: f32 = 0.15;
/// Most topics that are told.
pub const MOST_TOPICS: usize = 3;

/// The segment of a person.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SegmentOfPerson {
    /// Its number on this platform, which it keeps from model to model.
    pub segment: u32,
    /// Its name, made of what sets it apart.
    pub name: String,
    /// Its share of the platform's people, 0 to 1.
    pub share: f64,
    /// What sets it apart, a sentence a fact.
    pub because: Vec<String>,
}

/// A topic that a person likes.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TopicOfPerson {
    /// Its number on this platform, which it keeps from model to model.
    pub topic: u32,
    /// Its name, made of its words.
    pub name: String,
    /// Its share of what the person likes, 0 to 1.
    pub share: f64,
}

/// The segment and the topics of a person on one platform; nothing without a model, where it
/// has none, or where too little is liked.
pub(super) fn described(
    events: &DomainEvents<'_>,
    weighed: &Weights<'_>,
    inputs: &ProfileInputs<'_>,
) -> (Option<Line<SegmentOfPerson>>, Vec<Line<TopicOfPerson>>) {
    let behaviour = behaviour(events.domain, weighed, inputs);
    let Some(behaviour) = behaviour else { return (None, Vec::new()) };
    let Some(model) = inputs.model else { return (None, Vec::new()) };
    let of_domain = inputs.history.events().iter().filter(|event| event.domain == *events.domain);
    let evidence = Evidence::of(events.domain, of_domain);
    let catalogue = inputs.catalogues.get(events.domain);
    let title = |item: &ItemId| Some(catalogue?.title_to_show(item, inputs.now)?.to_owned());
    let sections = model.sections();
    let segment = belongs(model, (events.domain, &behaviour)).map(|segment| {
        let finding = SegmentOfPerson {
            segment: segment.id,
            name: segment_name(segment, inputs.locale, &title),
            share: rounded(f64::from(segment.share)),
            because: segment_sentences(segment, inputs.locale, &title),
        };
        let text = text::segment(&finding, inputs.locale);
        Line { text, finding, evidence: evidence.clone() }
    });
    let topics = sections.topics.topics_of(events.domain, &behaviour.items);
    let told = topics.into_iter().filter(|interest| interest.share >= LEAST_SHARE);
    let topics = told.take(MOST_TOPICS).map(|interest| {
        let finding = TopicOfPerson {
            topic: interest.topic.id,
            name: topic_name(interest.topic, inputs.locale, &title),
            share: rounded(f64::from(interest.share)),
        };
        let text = text::topic(&finding, inputs.locale);
        Line { text, finding, evidence: evidence.clone() }
    });
    (segment, topics.collect())
}

/// The segment of a person in a domain, as [`described`] tells it, without its words.
pub(super) fn segment<'a>(
    domain: &DomainId,
    weighed: &Weights<'_>,
    inputs: &ProfileInputs<'a>,
) -> Option<&'a Segment> {
    let behaviour = behaviour(domain, weighed, inputs)?;
    belongs(inputs.model?, (domain, &behaviour))
}

/// The segment that is nearest to a person, where its name is true of them.
fn belongs<'a>(
    model: &'a Model,
    (domain, behaviour): (&DomainId, &Behaviour),
) -> Option<&'a Segment> {
    let segments = &model.sections().segments;
    let nearest = segments.segment_of(domain, behaviour);
    nearest.filter(|segment| segments.is_named_after(segment, (domain, behaviour)))
}

/// What the person did, as a run sees it, if they like enough.
fn behaviour(
    domain: &DomainId,
    weighed: &Weights<'_>,
    inputs: &ProfileInputs<'_>,
) -> Option<Behaviour> {
    let model = inputs.model?;
    let rows = model.rows(domain)?;
    let own = weighed.iter().filter(|((of, _), _)| *of == domain);
    let own = model.index().rows_where_they_stand(own.map(|(item, weight)| (*item, *weight)));
    let behaviour = Behaviour::of(inputs.history, &own, rows)?;
    (behaviour.items.len() >= FEWEST_LIKED).then_some(behaviour)
}
