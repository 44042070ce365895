//! What tuning found to weigh more or less than the domains' definitions say.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::entities::definition::Definitions;
use crate::entities::ids::{DomainId, EventType};

/// Factors on what the definitions say of evidence; 1 wherever nothing is said.
/// A model keeps those it was fitted with, so that a person is folded in from
/// evidence weighed as in training.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EvidenceScaling {
    /// On every domain's half-life.
    pub half_life: f32,
    /// On the weight of all events of a domain: how much its evidence counts
    /// beside the other domains'.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub domain_weights: BTreeMap<DomainId, f32>,
    /// On the weights of single event types.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub event_weights: BTreeMap<DomainId, BTreeMap<EventType, f32>>,
}

impl Default for EvidenceScaling {
    fn default() -> Self {
        Self { half_life: 1.0, domain_weights: BTreeMap::new(), event_weights: BTreeMap::new() }
    }
}

/// The ranges a definition must keep to ([`crate::entities::definition::DomainDefinition::check`]).
const WEIGHTS: (f32, f32) = (f32::MIN_POSITIVE, 100.0);
const HALF_LIVES: (f32, f32) = (1.0, 36_500.0);

impl EvidenceScaling {
    /// Whether it changes nothing.
    #[must_use]
    pub fn is_neutral(&self) -> bool {
        *self == Self::default()
    }

    /// The definitions with scaled weights and half-lives, within the ranges
    /// that definitions have. Everything else, consent defaults too, stays.
    #[must_use]
    pub fn apply(&self, definitions: &Definitions) -> Definitions {
        let mut scaled = definitions.clone();
        if self.is_neutral() {
            return scaled;
        }
        for (domain, definition) in &mut scaled {
            definition.half_life_days =
                (definition.half_life_days * self.half_life).clamp(HALF_LIVES.0, HALF_LIVES.1);
            let of_domain = self.domain_weights.get(domain).copied().unwrap_or(1.0);
            let of_types = self.event_weights.get(domain);
            for (event_type, definition) in &mut definition.event_types {
                let of_type = of_types.and_then(|types| types.get(event_type)).copied();
                let factor = of_domain * of_type.unwrap_or(1.0);
                definition.weight = (definition.weight * factor).clamp(WEIGHTS.0, WEIGHTS.1);
            }
        }
        scaled
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crossfold_testing::definition;

    #[test]
    fn weights_and_half_lives_are_scaled_and_stay_in_their_ranges() {
        let (knowledge, view) =
            (DomainId::parse("knowledge").unwrap(), EventType::parse("view").unwrap());
        let definitions = Definitions::from([(knowledge.clone(), definition())]);
        assert_eq!(EvidenceScaling::default().apply(&definitions), definitions);
        let scaling = EvidenceScaling {
            half_life: 2.0,
            domain_weights: BTreeMap::from([(knowledge.clone(), 40.0)]),
            event_weights: BTreeMap::from([(
                knowledge.clone(),
                BTreeMap::from([(view.clone(), 0.5)]),
            )]),
        };
        let scaled = &scaling.apply(&definitions)[&knowledge];
        assert_eq!(scaled.half_life_days, 360.0);
        assert_eq!(scaled.event_types[&view].weight, 20.0);
        assert_eq!(scaled.event_types[&EventType::parse("enrol").unwrap()].weight, 100.0);
        scaled.check().unwrap();
    }

    #[test]
    fn a_scaling_survives_json_and_says_nothing_when_neutral() {
        let text = serde_json::to_string(&EvidenceScaling::default()).unwrap();
        assert_eq!(text, r#"{"half_life":1.0}"#);
        assert!(serde_json::from_str::<EvidenceScaling>("{}").unwrap().is_neutral());
    }
}
