//! Candidates: hyper-parameters with a scaling of the evidence.

use std::collections::BTreeMap;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::entities::definition::Definitions;
use crate::entities::ids::{DomainId, EventType};
use crate::evidence::scaling::EvidenceScaling;
use crate::maths::als::AlsOptions;

/// One choice of everything that is tuned.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    /// Hyper-parameters of the fit.
    pub options: AlsOptions,
    /// How evidence is weighed.
    #[serde(default, skip_serializing_if = "EvidenceScaling::is_neutral")]
    pub evidence: EvidenceScaling,
}

/// Where candidates are drawn from.
#[derive(Debug, Clone, PartialEq)]
pub struct SearchSpace {
    /// The options to better: the first candidate, and the centre of the others.
    pub base: AlsOptions,
    /// Whether the length of a factor vector may change too.
    pub tune_factors: bool,
    /// Event types by domain, to weigh against each other; empty when evidence
    /// has neither type nor time.
    pub event_types: BTreeMap<DomainId, Vec<EventType>>,
}

/// Longest factor vector a search tries, unless the base is longer.
const MAX_FACTORS: usize = 256;

impl SearchSpace {
    /// The space about `base` for these domains.
    #[must_use]
    pub fn of(base: AlsOptions, definitions: &Definitions) -> Self {
        let types = definitions.iter().map(|(domain, definition)| {
            (domain.clone(), definition.event_types.keys().cloned().collect())
        });
        Self { base, tune_factors: true, event_types: types.collect() }
    }

    /// `count` candidates: the base first, the others at random. The same seed
    /// gives the same candidates, and fewer are the first of more.
    #[must_use]
    pub fn draw(&self, count: usize, seed: u64) -> Vec<Candidate> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let base = Candidate { options: self.base, evidence: EvidenceScaling::default() };
        let others = (1..count).map(|_| Candidate {
            options: self.draw_options(&mut rng),
            // Half of them keep the definitions' weights, so that these have a fair chance.
            evidence: if rng.random_bool(0.5) {
                EvidenceScaling::default()
            } else {
                self.draw_evidence(&mut rng)
            },
        });
        std::iter::once(base).chain(others).collect()
    }

    fn draw_options(&self, rng: &mut ChaCha8Rng) -> AlsOptions {
        let longest = MAX_FACTORS.max(self.base.factors);
        let factors = [self.base.factors.div_ceil(2), self.base.factors, self.base.factors * 2];
        let drawn = factors[rng.random_range(0..factors.len())].clamp(1, longest);
        AlsOptions {
            factors: if self.tune_factors { drawn } else { self.base.factors },
            regularisation: (self.base.regularisation * power(rng, 10.0, -1.0..1.0))
                .clamp(1e-8, 1e3),
            unobserved_weight: (self.base.unobserved_weight * power(rng, 10.0, -1.0..1.0))
                .clamp(1e-6, 1e3),
            frequency_exponent: [1.0, 1.0, 0.75, 0.5][rng.random_range(0..4)],
            ..self.base
        }
    }

    fn draw_evidence(&self, rng: &mut ChaCha8Rng) -> EvidenceScaling {
        if self.event_types.is_empty() {
            return EvidenceScaling::default();
        }
        let mut evidence =
            EvidenceScaling { half_life: power(rng, 2.0, -2.0..2.0), ..Default::default() };
        for (domain, types) in &self.event_types {
            // One domain or one type alone has nothing to be weighed against.
            if self.event_types.len() > 1 {
                evidence.domain_weights.insert(domain.clone(), power(rng, 2.0, -1.5..1.5));
            }
            if types.len() > 1 {
                let weights = types.iter().map(|t| (t.clone(), power(rng, 2.0, -1.5..1.5)));
                evidence.event_weights.insert(domain.clone(), weights.collect());
            }
        }
        evidence
    }
}

/// `base` to a uniform power: as likely to halve as to double.
fn power(rng: &mut ChaCha8Rng, base: f32, exponents: std::ops::Range<f32>) -> f32 {
    base.powf(rng.random_range(exponents))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crossfold_testing::definition;

    proptest! {
        #[test]
        fn every_candidate_can_be_used_and_the_base_comes_first(
            seed in any::<u64>(), factors in 1usize..=1024, weight in 1e-6f32..1e3,
        ) {
            let base = AlsOptions { factors, unobserved_weight: weight, ..AlsOptions::default() };
            let definitions = Definitions::from(["a", "b"].map(|name| (DomainId::parse(name).unwrap(), definition())));
            let space = SearchSpace::of(base, &definitions);
            let candidates = space.draw(20, seed);
            prop_assert_eq!(&candidates[..7], &space.draw(7, seed)[..]);
            prop_assert_eq!(candidates[0].options, base);
            prop_assert!(candidates[0].evidence.is_neutral());
            for candidate in candidates {
                prop_assert!(candidate.options.check().is_ok(), "{candidate:?}");
                prop_assert!(candidate.evidence.apply(&definitions).values().all(|d| d.check().is_ok()));
            }
        }
    }

    #[test]
    fn where_evidence_has_no_type_only_the_options_differ() {
        let space = SearchSpace {
            base: AlsOptions::default(),
            tune_factors: false,
            event_types: BTreeMap::new(),
        };
        let candidates = space.draw(20, 1);
        assert!(candidates.iter().all(|c| c.evidence.is_neutral() && c.options.factors == 64));
        let first = candidates[1].options.regularisation;
        assert!(candidates[2..].iter().all(|c| c.options.regularisation != first));
    }
}
