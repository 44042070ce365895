//! What is known of a person: interests, habits, and, where they let it be told, what they can and
//! will spend. A pure function of the model, the consented history, the definitions, the
//! catalogues and what the platform declares of its user, computed when it is read and stored
//! nowhere, so that it is as fresh and as erased as what it is made of.
//!
//! | lines | made in | from |
//! | --- | --- | --- |
//! | interests | [`interests`] | confidences by category and item, as slates weigh them |
//! | segment and topics | [`described`] | the model's segments and topics of the platform |
//! | what the model expects | [`expected`] | the model's estimate for the platform that asks |
//! | active hours and weekdays | [`active_times`] | when sessions began |
//! | sessions, pace | [`sessions`] | events with less than half an hour between them |
//! | completion | [`completion`] | steps that the definition marks |
//! | format | [`interests`] | the items' `format` |
//! | spending | [`spending`] | [`EconomicEvidence`] alone |
//!
//! A line is there when what was seen is enough for it, and absent otherwise: none is made up.
//! docs/profile.md has for each what it is, its formula, its least evidence and its consent.
//!
//! A platform that is not the caller's shows in two places alone, as it does in slates: through
//! the model in what is expected, and, where the person lets their means be told *there*, as a
//! level of prices in words; of how many events, or when, is not told.

pub mod active_times;
pub mod completion;
pub mod described;
pub mod evidence;
pub mod expected;
pub mod history;
pub mod interests;
pub mod sessions;
pub mod spending;
#[cfg(test)]
mod tests;
mod text;

use std::collections::BTreeSet;

use jiff::Timestamp;
use jiff::tz::Offset;
use serde::Serialize;

use crate::entities::consent::{ConsentedHistory, EconomicEvidence};
use crate::entities::definition::Definitions;
use crate::entities::ids::DomainId;
use crate::entities::people::Declared;
use crate::entities::utc_offset::{UTC_OFFSET, parse_offset};
use crate::model::Model;
use crate::model::segments::Segment;
use crate::serving::profile::active_times::{ActiveHours, ActiveWeekdays};
use crate::serving::profile::completion::Completion;
use crate::serving::profile::described::{SegmentOfPerson, TopicOfPerson};
use crate::serving::profile::evidence::{DomainEvents, Line};
use crate::serving::profile::expected::Expected;
use crate::serving::profile::history::HistorySummary;
use crate::serving::profile::interests::{CategoryInterest, ItemInterest, PreferredFormat};
use crate::serving::profile::sessions::{Pace, Sessions};
use crate::serving::profile::spending::Spending;
use crate::serving::reason::Locale;
use crate::serving::snapshot::Catalogues;

/// What a profile is a function of.
#[derive(Debug, Clone, Copy)]
pub struct ProfileInputs<'a> {
    /// The platform that asks, whose user it is.
    pub display: &'a DomainId,
    /// The domains that the caller acts for.
    pub visible: &'a BTreeSet<DomainId>,
    /// What may be used for slates of the platform.
    pub history: &'a ConsentedHistory,
    /// What of that may tell of the person's means; `None` where nothing may.
    pub economic: Option<&'a EconomicEvidence<'a>>,
    /// What the platform declares of its user.
    pub declared: &'a Declared,
    /// The domains.
    pub definitions: &'a Definitions,
    /// The catalogues, as far as they are known; without one, nothing is told of its items.
    pub catalogues: &'a Catalogues,
    /// The champion, if there is one.
    pub model: Option<&'a Model>,
    /// The instant of the request.
    pub now: Timestamp,
    /// The language of the texts.
    pub locale: Locale,
}

/// What is known of a person.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Profile {
    /// By the domain in which it shows, in order.
    pub domains: Vec<DomainProfile>,
    /// What the model expects of the person on the platform that asks, most telling first;
    /// nothing without a model, or where it has nothing personal to say.
    pub expected: Vec<Line<Expected>>,
}

impl Profile {
    /// Whether it tells of anything that the person did. What they did elsewhere counts by what
    /// it changes here alone, as in a slate: that there is something is not told otherwise.
    #[must_use]
    pub fn is_personal(&self) -> bool {
        let tells = |of: &DomainProfile| {
            let band = of.spending.as_ref().and_then(|spending| spending.price_band.as_ref());
            of.history.is_some() || band.is_some()
        };
        !self.expected.is_empty() || self.domains.iter().any(tells)
    }
}

/// What is known of a person by what they did in one domain.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DomainProfile {
    /// The domain.
    pub domain: DomainId,
    /// What they did; absent of a domain that the caller does not act for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub history: Option<HistorySummary>,
    /// Categories that they turn to more than the catalogue alone explains, most telling first.
    pub categories: Vec<Line<CategoryInterest>>,
    /// The items that they turned to most.
    pub items: Vec<Line<ItemInterest>>,
    /// The kind of people they belong to there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub segment: Option<Line<SegmentOfPerson>>,
    /// What they like there, the most first.
    pub topics: Vec<Line<TopicOfPerson>>,
    /// How they go about it.
    pub habits: Habits,
    /// What they can and will spend; absent unless they let it be told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spending: Option<Spending>,
}

/// How a person goes about it; what too little was seen for is absent.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Habits {
    /// The hours of the day at which they are active.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub active_hours: Option<Line<ActiveHours>>,
    /// The days of the week on which they are active.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub active_weekdays: Option<Line<ActiveWeekdays>>,
    /// How long they stay.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sessions: Option<Line<Sessions>>,
    /// How often they come, and how soon they finish what they start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pace: Option<Line<Pace>>,
    /// How much they finish of what they start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completion: Option<Line<Completion>>,
    /// The format that they prefer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<Line<PreferredFormat>>,
}

/// What is known of a person. The same inputs give the same profile.
#[must_use]
pub fn profile(inputs: &ProfileInputs<'_>) -> Profile {
    let ProfileInputs { history, definitions, catalogues, .. } = *inputs;
    let weighed = interests::weighed_without_amounts(history, inputs);
    let by_domain = DomainEvents::by_domain(history.events(), definitions, catalogues);
    let visible = by_domain.iter().filter(|events| inputs.visible.contains(events.domain));
    let mut domains: Vec<DomainProfile> =
        visible.map(|events| of_domain(events, &weighed, inputs)).collect();
    if let Some(economic) = inputs.economic {
        add_spending(&mut domains, economic, inputs);
    }
    Profile { domains, expected: expected::expected(inputs) }
}

/// The segment of the person on the platform that asks, as their [`profile`] tells it there: `None`
/// where that tells none. Neither the catalogues nor what is declared have a part in it.
#[must_use]
pub fn own_segment<'a>(inputs: &ProfileInputs<'a>) -> Option<&'a Segment> {
    let weighed = interests::weighed_without_amounts(inputs.history, inputs);
    described::segment(inputs.display, &weighed, inputs)
}

fn of_domain(
    events: &DomainEvents<'_>,
    weighed: &interests::Weights<'_>,
    inputs: &ProfileInputs<'_>,
) -> DomainProfile {
    let (segment, topics) = described::described(events, weighed, inputs);
    let liked = interests::liked(events, weighed);
    DomainProfile {
        domain: events.domain.clone(),
        history: Some(history::summary(events, inputs.now)),
        categories: interests::categories(events, &liked, inputs),
        items: interests::items(events, &liked, inputs),
        segment,
        topics,
        habits: habits(events, &liked, inputs),
        spending: None,
    }
}

fn habits(
    events: &DomainEvents<'_>,
    liked: &[interests::Liked<'_>],
    inputs: &ProfileInputs<'_>,
) -> Habits {
    let (offset, locale) = (declared_offset(inputs.declared), inputs.locale);
    let sessions = sessions::sessions_of(events);
    Habits {
        active_hours: active_times::hours(events, &sessions, (offset, locale)),
        active_weekdays: active_times::weekdays(events, &sessions, (offset, locale)),
        sessions: sessions::lengths(events, &sessions, locale),
        pace: sessions::pace(events, &sessions, (inputs.now, locale)),
        completion: completion::completion(events, (inputs.now, locale)),
        format: interests::format(events, liked, locale),
    }
}

/// Adds what may be told of the person's means. Of a platform that is not the caller's nothing
/// else is told.
fn add_spending(
    domains: &mut Vec<DomainProfile>,
    economic: &EconomicEvidence<'_>,
    inputs: &ProfileInputs<'_>,
) {
    for (domain, spending) in spending::by_domain(economic, inputs) {
        match domains.iter_mut().find(|known| known.domain == *domain) {
            Some(known) => known.spending = Some(spending),
            None => domains.push(DomainProfile {
                domain: domain.clone(),
                history: None,
                categories: Vec::new(),
                items: Vec::new(),
                segment: None,
                topics: Vec::new(),
                habits: Habits::default(),
                spending: Some(spending),
            }),
        }
    }
    domains.sort_by(|one, other| one.domain.cmp(&other.domain));
}

/// The offset of the user's clock, if the platform declares one that can be read.
fn declared_offset(declared: &Declared) -> Option<Offset> {
    parse_offset(declared.get(UTC_OFFSET)?)
}
