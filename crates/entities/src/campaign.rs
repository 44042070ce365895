//! Campaigns: what a platform tells its users of by itself, after something that they did there.
//!
//! A domain's definition has them under `campaigns`, by name:
//!
//! ```json
//! {"first-car": {
//!   "trigger": {"event_type": "complete", "filter": "\"car-buying\" in categories"},
//!   "placement": "after-course", "delay_minutes": 30,
//!   "audience": {"declared": {"plan": ["pro", "team"]}},
//!   "frequency_cap": {"times": 1, "days": 30}}}
//! ```
//!
//! An event of the platform's own triggers a campaign, and the platform itself is handed what to
//! tell the user: the slate of one of its placements, whose targets may be of any domain. So no
//! platform learns of another's users. Who is told must have consented to be contacted
//! ([`crate::purpose::Purpose::Contact`]), and how often is bounded over all campaigns of the
//! platform ([`crate::contact`]).

mod protected;

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::catalogue::MAX_ATTRIBUTE_NAME;
use crate::contact::FrequencyCap;
use crate::filter::{Filter, Schema};
use crate::ids::{CampaignId, EventType, Placement};
use crate::people::Declared;
use crate::plain_text::{is_one_line, is_visible};
use crate::text_length::exceeds;

/// Most campaigns of one domain: every event is held against each of them.
pub const MAX_CAMPAIGNS: usize = 16;
/// Longest delay, in minutes: a week.
pub const MAX_DELAY_MINUTES: u32 = 7 * 24 * 60;
/// Most attributes that an audience names.
pub const MAX_AUDIENCE_ATTRIBUTES: usize = 8;
/// Most values of each.
pub const MAX_AUDIENCE_VALUES: usize = 32;
/// Most segments that an audience names: as many as a model tells a domain's people apart by.
pub const MAX_AUDIENCE_SEGMENTS: usize = 32;
/// Most characters of a value.
const MAX_VALUE_CHARS: usize = 200;
/// Most characters of a language's name.
const MAX_LOCALE_CHARS: usize = 35;

/// The campaigns of a domain.
pub type Campaigns = BTreeMap<CampaignId, CampaignDefinition>;

/// A campaign: after what, to whom, when, and what of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    deny_unknown_fields,
    expecting = "a campaign: an object with a trigger and the placement that it shows"
)]
pub struct CampaignDefinition {
    /// What a user does that it follows.
    pub trigger: CampaignTrigger,
    /// The placement of the domain whose slate is told of.
    pub placement: Placement,
    /// Who of those who do it is told; everyone, unless it is said.
    #[serde(default, skip_serializing_if = "Audience::is_everyone")]
    pub audience: Audience,
    /// Minutes between what the user did and when they are told, at most [`MAX_DELAY_MINUTES`].
    #[serde(default, skip_serializing_if = "is_zero")]
    pub delay_minutes: u32,
    /// How often a user is told by this campaign, beside the bound over all of the domain's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frequency_cap: Option<FrequencyCap>,
    /// The language of reasons and disclosures, as in `Accept-Language`; English unless it is said.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub locale: String,
    /// From when what users do triggers it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Timestamp>,
    /// From when nobody is told by it any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// Whether it tells nobody for now.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub paused: bool,
}

/// What a user does that a campaign follows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a trigger: an object with an event_type")]
pub struct CampaignTrigger {
    /// An event of this type, of the domain's own.
    pub event_type: EventType,
    /// With an item like this: the source of a [`crate::filter`]. With any, unless it is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<String>,
}

/// Who is told by a campaign.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    deny_unknown_fields,
    expecting = "an audience: an object with what is declared of users, and segments"
)]
pub struct Audience {
    /// Users of whom the platform declares one of the values of each of these attributes.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub declared: BTreeMap<String, BTreeSet<String>>,
    /// Users who are of one of these segments of the platform by the model that is served, by the
    /// numbers that profiles tell them by: 1 to [`MAX_AUDIENCE_SEGMENTS`]. Of any and of none,
    /// unless it is said. A number is no name, so what a segment is told to like is asked of it
    /// where the model is known ([`is_protected_ground`]).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub segments: Option<Vec<u32>>,
}

/// Whether a name is that of something that must not decide who is offered something: sex, origin,
/// religion, age, health and their like.
#[must_use]
pub fn is_protected_ground(name: &str) -> bool {
    protected::is_protected(name)
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

impl Audience {
    /// Whether it leaves nobody out.
    #[must_use]
    pub fn is_everyone(&self) -> bool {
        self.declared.is_empty() && self.segments.is_none()
    }

    /// Whether a user is of it by their segment, if they are of one.
    #[must_use]
    pub fn has_segment(&self, segment: Option<u32>) -> bool {
        let is_named = |named: &Vec<u32>| segment.is_some_and(|of| named.contains(&of));
        self.segments.as_ref().is_none_or(is_named)
    }

    /// Whether a user is of it by what their platform declares of them.
    #[must_use]
    pub fn has_declared(&self, declared: &Declared) -> bool {
        let is_one_of = |(name, values): (&String, &BTreeSet<String>)| {
            declared.get(name).is_some_and(|value| values.contains(value))
        };
        self.declared.iter().all(is_one_of)
    }

    fn check(&self) -> Result<(), String> {
        if self.declared.len() > MAX_AUDIENCE_ATTRIBUTES {
            return Err(format!(
                "audience.declared must have at most {MAX_AUDIENCE_ATTRIBUTES} entries"
            ));
        }
        for (name, values) in &self.declared {
            let is_name = !name.trim().is_empty() && is_one_line(name);
            if !is_name || exceeds(name, MAX_ATTRIBUTE_NAME) {
                return Err(format!(
                    "names in audience.declared must be 1 to {MAX_ATTRIBUTE_NAME} characters \
                     without control characters"
                ));
            }
            if is_protected_ground(name) {
                return Err(format!(
                    "audience.declared cannot name {name:?}: who is offered something must not \
                     hang on it"
                ));
            }
            let is_value = |value: &String| !exceeds(value, MAX_VALUE_CHARS);
            if !(1..=MAX_AUDIENCE_VALUES).contains(&values.len()) || !values.iter().all(is_value) {
                return Err(format!(
                    "audience.declared.{name} must be 1 to {MAX_AUDIENCE_VALUES} texts of at most \
                     {MAX_VALUE_CHARS} characters"
                ));
            }
        }
        let is_within = |named: &Vec<u32>| (1..=MAX_AUDIENCE_SEGMENTS).contains(&named.len());
        if !self.segments.as_ref().is_none_or(is_within) {
            return Err(format!(
                "audience.segments must be 1 to {MAX_AUDIENCE_SEGMENTS} numbers of segments"
            ));
        }
        Ok(())
    }
}

impl CampaignTrigger {
    /// The filter of the items, by what the domain declares.
    ///
    /// # Errors
    /// What is wrong with it, in words fit for a caller.
    pub fn item_filter(&self, schema: &Schema) -> Result<Option<Filter>, String> {
        let Some(source) = &self.filter else { return Ok(None) };
        if !is_visible(source) {
            return Err("it must have no control characters but line ends and tabs".to_owned());
        }
        Filter::parse(source, schema).map(Some).map_err(|error| error.to_string())
    }
}

impl CampaignDefinition {
    /// Checks what the types alone cannot express, but for what it names of its definition.
    ///
    /// # Errors
    /// What is wrong, in words fit for a caller, beginning with the field's name.
    pub fn check(&self, schema: &Schema) -> Result<(), String> {
        self.trigger.item_filter(schema).map_err(|why| format!("trigger.filter: {why}"))?;
        if self.delay_minutes > MAX_DELAY_MINUTES {
            return Err(format!("delay_minutes must be at most {MAX_DELAY_MINUTES}"));
        }
        if exceeds(&self.locale, MAX_LOCALE_CHARS) {
            return Err(format!(
                "locale must be the name of a language of at most {MAX_LOCALE_CHARS} characters"
            ));
        }
        if let (Some(from), Some(until)) = (self.from, self.until)
            && from >= until
        {
            return Err("from must be before until".to_owned());
        }
        self.audience.check()
    }

    /// Whether what a user does at an instant triggers it.
    #[must_use]
    pub fn follows(&self, at: Timestamp) -> bool {
        self.from.is_none_or(|from| from <= at) && self.is_on(at)
    }

    /// Whether anyone is told by it at an instant.
    #[must_use]
    pub fn is_on(&self, at: Timestamp) -> bool {
        !self.paused && self.until.is_none_or(|until| at < until)
    }

    /// How long after what the user did they are told.
    #[must_use]
    pub fn delay(&self) -> SignedDuration {
        SignedDuration::from_mins(i64::from(self.delay_minutes))
    }
}

#[cfg(test)]
mod tests;
