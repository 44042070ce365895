//! Domain definitions: what a platform's world is, as data.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::campaign::{CampaignDefinition, Campaigns, MAX_CAMPAIGNS};
use crate::catalogue::{
    InvalidItem, ItemDetails, MAX_ATTRIBUTE_NAME, MAX_ATTRIBUTES as MAX_ATTRIBUTES_OF_ITEM,
};
use crate::contact::ContactRules;
use crate::decision::OutcomeKind;
use crate::eligibility::EligibilityRules;
pub use crate::event_type::{EventTypeDefinition, Repeats, SeenFor, Step};
use crate::experiment::lifecycle::Experiment;
use crate::experiment::slots::Share;
use crate::filter::{AttributeType, Schema};
use crate::ids::{DomainId, EventType};
use crate::placement::{MAX_PLACEMENTS, Placements};
use crate::plain_text::is_one_line;
use crate::purpose::Purpose;
use crate::sources::Sources;
use crate::text_length::exceeds;

/// A three-letter currency code (ISO 4217 alphabetic form).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct Currency(#[serde(serialize_with = "currency_text")] [u8; 3]);

fn currency_text<S: serde::Serializer>(code: &[u8; 3], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&String::from_utf8_lossy(code))
}

impl Currency {
    /// Parses three capital letters.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let code: [u8; 3] = text.as_bytes().try_into().ok()?;
        code.iter().all(u8::is_ascii_uppercase).then_some(Self(code))
    }

    /// The decimal places of its minor unit, as ISO 4217 lists them: 2 for cents. A code that it
    /// does not list has 2.
    ///
    /// ```
    /// use crossfold_entities::definition::Currency;
    /// assert_eq!(Currency::parse("CNY").unwrap().places(), 2);
    /// assert_eq!(Currency::parse("JPY").unwrap().places(), 0);
    /// ```
    #[must_use]
    pub fn places(self) -> u32 {
        match &self.0 {
            b"BIF" | b"CLP" | b"DJF" | b"GNF" | b"ISK" | b"JPY" | b"KMF" | b"KRW" | b"PYG"
            | b"RWF" | b"UGX" | b"UYI" | b"VND" | b"VUV" | b"XAF" | b"XOF" | b"XPF" => 0,
            b"BHD" | b"IQD" | b"JOD" | b"KWD" | b"LYD" | b"OMR" | b"TND" => 3,
            b"CLF" | b"UYW" => 4,
            _ => 2,
        }
    }
}

impl std::fmt::Display for Currency {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.0))
    }
}

impl<'de> Deserialize<'de> for Currency {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| {
            serde::de::Error::custom("a currency must be three capital letters (ISO 4217)")
        })
    }
}

/// What holds for a direction and purpose until the person decides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConsentDefault {
    /// The domain the evidence would go to.
    pub to: DomainId,
    /// What it would be used for.
    pub purpose: Purpose,
    /// Whether it may, without a decision of the person.
    pub granted: bool,
}

/// A domain's definition: data, changed by a call, never by a deployment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DomainDefinition {
    /// Which life of the domain it defines: how many deletions of the domain there had been
    /// ([`crate::domain_deletion::DomainDeletion::number`]). Never a caller's to say, and no
    /// part of what is stored or shown of a definition: whoever reads definitions adds it.
    #[serde(skip)]
    pub life: u32,
    /// The domain's experiments that are not archived, of this life. As [`Self::life`], never a
    /// caller's to say here: they have routes of their own.
    #[serde(skip)]
    pub experiments: Vec<Experiment>,
    /// The name shown to people.
    pub name: String,
    /// The currency of every price and value in the domain.
    pub currency: Currency,
    /// The event types the domain accepts.
    pub event_types: BTreeMap<EventType, EventTypeDefinition>,
    /// Days after which an event counts half.
    #[serde(default = "default_half_life_days")]
    pub half_life_days: f32,
    /// Consent defaults by direction and purpose. Without an entry, evidence may
    /// be used within its own domain and nowhere else; for financial profiling and contact, nowhere.
    #[serde(default)]
    pub consent_defaults: Vec<ConsentDefault>,
    /// What an outcome of a served item of this domain is evidence of: an event of
    /// that type, as if it had been posted. Kinds without an entry make no event.
    /// A dismissal is an instruction and has none.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub outcomes: BTreeMap<OutcomeKind, EventType>,
    /// What the events of other systems mean.
    #[serde(default, skip_serializing_if = "Sources::is_empty")]
    pub sources: Sources,
    /// The attributes of items that filters may name, and of which type each is.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub attributes: BTreeMap<String, AttributeType>,
    /// Who may have the offers of its items, and by which law their costs are shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub eligibility: Option<EligibilityRules>,
    /// Where on the platform slates are shown, and what holds of every slate there.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub placements: Placements,
    /// What the platform tells its users of by itself, after what they did there.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub campaigns: Campaigns,
    /// When and how often it does, whatever campaign it is.
    #[serde(default, skip_serializing_if = "ContactRules::is_default")]
    pub contact: ContactRules,
    /// The share of its users whom no experiment takes; none, unless it is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub experiment_holdout: Option<Share>,
}

fn default_half_life_days() -> f32 {
    180.0
}

/// Why a definition cannot be accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidDefinition(pub String);

/// Most event types in one domain.
pub const MAX_EVENT_TYPES: usize = 64;
/// Most attributes that one domain declares: as many as an item has at most.
pub const MAX_ATTRIBUTES: usize = MAX_ATTRIBUTES_OF_ITEM;
/// Most consent defaults of one domain: two for each of 128 others.
pub const MAX_CONSENT_DEFAULTS: usize = 256;
/// Most bytes of a definition as JSON. Every function reads all definitions whenever one
/// has changed.
pub const MAX_DEFINITION_BYTES: usize = 64 * 1024;

impl DomainDefinition {
    /// Checks ranges that the types alone cannot express.
    ///
    /// # Errors
    /// [`InvalidDefinition`], in words fit for a caller.
    pub fn check(&self) -> Result<(), InvalidDefinition> {
        let refuse = |why: String| Err(InvalidDefinition(why));
        if self.name.trim().is_empty() || exceeds(&self.name, 200) {
            return refuse("name must be 1 to 200 characters".into());
        }
        if !is_one_line(&self.name) {
            return refuse("name must have no control characters".into());
        }
        if self.event_types.is_empty() || self.event_types.len() > MAX_EVENT_TYPES {
            return refuse(format!("event_types must have 1 to {MAX_EVENT_TYPES} entries"));
        }
        for (event_type, definition) in &self.event_types {
            definition
                .check()
                .or_else(|(field, rule)| refuse(format!("the {field} of {event_type} {rule}")))?;
        }
        for (kind, event_type) in &self.outcomes {
            if *kind == OutcomeKind::Dismiss {
                return refuse("outcomes cannot have dismiss: it is an instruction".into());
            }
            if !self.event_types.contains_key(event_type) {
                let kind = kind.as_str();
                return refuse(format!("outcomes.{kind} is no event type: {event_type}"));
            }
        }
        if !(self.half_life_days >= 1.0 && self.half_life_days <= 36_500.0) {
            return refuse("half_life_days must be 1 to 36500".into());
        }
        if self.consent_defaults.len() > MAX_CONSENT_DEFAULTS {
            return refuse(format!(
                "consent_defaults must have at most {MAX_CONSENT_DEFAULTS} entries"
            ));
        }
        let mut defaults = self.consent_defaults.iter();
        if defaults.any(|default| !default.purpose.may_be_default()) {
            return refuse(
                "consent_defaults cannot name financial_profiling or contact: the person alone \
                 decides"
                    .into(),
            );
        }
        self.check_attributes()?;
        self.check_placements()?;
        self.check_campaigns()?;
        if let Some(rules) = &self.eligibility {
            rules.check().or_else(refuse)?;
        }
        let has_type = |event_type: &EventType| self.event_types.contains_key(event_type);
        if let Some(problem) = self.sources.problem(&has_type) {
            return refuse(problem);
        }
        let bytes = serde_json::to_vec(self).map_or(usize::MAX, |json| json.len());
        if bytes > MAX_DEFINITION_BYTES {
            return refuse(format!(
                "a definition must be at most {MAX_DEFINITION_BYTES} bytes as JSON, not {bytes}"
            ));
        }
        Ok(())
    }

    fn check_attributes(&self) -> Result<(), InvalidDefinition> {
        if self.attributes.len() > MAX_ATTRIBUTES {
            let why = format!("attributes must have at most {MAX_ATTRIBUTES} entries");
            return Err(InvalidDefinition(why));
        }
        let is_name = |name: &String| {
            !name.trim().is_empty() && !exceeds(name, MAX_ATTRIBUTE_NAME) && is_one_line(name)
        };
        if !self.attributes.keys().all(is_name) {
            let why = format!(
                "names of attributes must be 1 to {MAX_ATTRIBUTE_NAME} characters without control \
                 characters"
            );
            return Err(InvalidDefinition(why));
        }
        Ok(())
    }

    fn check_placements(&self) -> Result<(), InvalidDefinition> {
        if self.placements.len() > MAX_PLACEMENTS {
            let why = format!("placements must have at most {MAX_PLACEMENTS} entries");
            return Err(InvalidDefinition(why));
        }
        for (name, placement) in &self.placements {
            let named = |why: String| InvalidDefinition(format!("placements.{name}.{why}"));
            placement.check().map_err(named)?;
        }
        Ok(())
    }

    fn check_campaigns(&self) -> Result<(), InvalidDefinition> {
        if self.campaigns.len() > MAX_CAMPAIGNS {
            let why = format!("campaigns must have at most {MAX_CAMPAIGNS} entries");
            return Err(InvalidDefinition(why));
        }
        let schema = self.schema();
        for (name, campaign) in &self.campaigns {
            let named = |why: String| InvalidDefinition(format!("campaigns.{name}.{why}"));
            campaign.check(&schema).map_err(named)?;
            let CampaignDefinition { trigger, placement, .. } = campaign;
            if !self.event_types.contains_key(&trigger.event_type) {
                let why = format!("trigger.event_type is no event type: {}", trigger.event_type);
                return Err(named(why));
            }
            if !self.placements.contains_key(placement) {
                return Err(named(format!("placement is none of placements: {placement}")));
            }
        }
        Ok(())
    }

    /// What filters of the domain's items may name.
    #[must_use]
    pub fn schema(&self) -> Schema {
        Schema::new(self.attributes.clone())
    }

    /// Checks that the attributes of an item that are declared can be read as their types.
    ///
    /// # Errors
    /// [`InvalidItem`], in words fit for a caller.
    pub fn check_item(&self, details: &ItemDetails) -> Result<(), InvalidItem> {
        for (name, value) in &details.attributes {
            let Some(of) = self.attributes.get(name).filter(|of| !of.reads(value)) else {
                continue;
            };
            let why = format!("the attribute {name:?} must be {}, as the domain says", of.noun());
            return Err(InvalidItem(why));
        }
        Ok(())
    }

    /// The most days for which an event of any type makes its item count as seen; `None`
    /// when none does for a number of days.
    #[must_use]
    pub fn longest_seen_days(&self) -> Option<u16> {
        let days = self.event_types.values().filter_map(|event_type| match event_type.seen_days {
            Some(SeenFor::Days(days)) => Some(days).filter(|days| *days > 0),
            Some(SeenFor::Ever) | None => None,
        });
        days.max()
    }

    /// The default for a direction and purpose out of `own`, which this defines. There is none
    /// for financial profiling and for contact, whatever is defined.
    #[must_use]
    pub fn consent_default(&self, own: &DomainId, to: &DomainId, purpose: Purpose) -> bool {
        let mut defaults = self.consent_defaults.iter();
        let named = defaults.find(|default| default.to == *to && default.purpose == purpose);
        purpose.may_be_default() && named.map_or(own == to, |default| default.granted)
    }
}

/// Every domain known to a tenant.
pub type Definitions = BTreeMap<DomainId, DomainDefinition>;

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn definition() -> DomainDefinition {
        serde_json::from_value(serde_json::json!({
            "name": "Knowledge", "currency": "CNY",
            "event_types": {"view": {"weight": 1.0}, "enrol": {"weight": 3.0, "value_scale": "100"}},
        }))
        .unwrap()
    }

    #[test]
    fn a_definition_out_of_range_is_refused_with_the_field_named() {
        let mut wrong = definition();
        wrong.half_life_days = f32::NAN;
        assert!(wrong.check().unwrap_err().0.contains("half_life_days"));
        let mut wrong = definition();
        wrong.name = "K\u{1b}[2J".into();
        assert!(wrong.check().unwrap_err().0.contains("name"));
        let mut wrong = definition();
        wrong.event_types.values_mut().for_each(|t| t.weight = 0.0);
        assert!(wrong.check().unwrap_err().0.contains("weight"));
        let mut wrong = definition();
        let view = EventType::parse("view").unwrap();
        wrong.outcomes.insert(OutcomeKind::Dismiss, view.clone());
        assert!(wrong.check().unwrap_err().0.contains("dismiss"));
        let mut wrong = definition();
        wrong.outcomes.insert(OutcomeKind::Click, EventType::parse("open").unwrap());
        assert!(wrong.check().unwrap_err().0.contains("outcomes.click"));
        wrong.outcomes.insert(OutcomeKind::Click, view);
        wrong.check().unwrap();
        let default = ConsentDefault {
            to: DomainId::parse("travel").unwrap(),
            purpose: Purpose::Training,
            granted: false,
        };
        wrong.consent_defaults = vec![default; MAX_CONSENT_DEFAULTS];
        wrong.check().unwrap();
        wrong.consent_defaults.push(wrong.consent_defaults[0].clone());
        assert!(wrong.check().unwrap_err().0.contains("consent_defaults"));
    }

    #[test]
    fn a_definition_whose_parts_are_in_range_and_together_are_too_much_is_refused() {
        let mut wrong = definition();
        let event = |number: usize| {
            let mapping = serde_json::json!({"type": "view", "item_id": "i".repeat(200)});
            (format!("{number}"), serde_json::from_value(mapping).unwrap())
        };
        let source = |events: usize| crate::sources::Source {
            events: (0..events).map(event).collect(),
            ..Default::default()
        };
        wrong.sources.segment = Some(source(250));
        wrong.check().unwrap();
        wrong.sources.cloudevents = Some(source(250));
        assert!(wrong.check().unwrap_err().0.contains("65536 bytes"));
        definition().check().unwrap();
    }

    #[test]
    fn a_definition_from_before_events_had_a_meaning_reads_as_it_did() {
        let stored = r#"{"name":"K","currency":"CNY","event_types":{"view":{"weight":1.0},
            "enrol":{"weight":3.0,"value_scale":"100"}},"half_life_days":90.0,"consent_defaults":[]}"#;
        let read: DomainDefinition = serde_json::from_str(stored).unwrap();
        assert!(read.outcomes.is_empty());
        for event_type in read.event_types.values() {
            let meaning = (event_type.negative, event_type.neutral_value, event_type.seen_days);
            assert_eq!(meaning, (false, None, None));
            assert_eq!(event_type.repeats, Repeats::Sum);
        }
        let written = serde_json::to_value(&read).unwrap();
        assert_eq!(written, serde_json::from_str::<serde_json::Value>(stored).unwrap());
    }

    #[test]
    fn evidence_stays_in_its_own_domain_by_default() {
        let own = DomainId::parse("knowledge").unwrap();
        let other = DomainId::parse("auto-finance").unwrap();
        let definition = definition();
        assert!(definition.consent_default(&own, &own, Purpose::Recommendation));
        assert!(!definition.consent_default(&own, &other, Purpose::Recommendation));
    }

    #[test]
    fn a_definition_survives_json() {
        let definition = definition();
        let text = serde_json::to_string(&definition).unwrap();
        assert_eq!(serde_json::from_str::<DomainDefinition>(&text).unwrap(), definition);
    }
}
