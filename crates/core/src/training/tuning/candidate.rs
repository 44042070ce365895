//! Candidates: hyper-parameters with a scaling of the evidence.

use std::collections::BTreeMap;

use rand::seq::SliceRandom;
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

/// What a search may change, beside how evidence is weighed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tuned {
    /// The length of a factor vector: down to a half, and doubled up to
    /// [`SearchSpace::longest`] where that brings what it costs whoever serves.
    pub factors: bool,
    /// The weight of unobserved pairs.
    pub unobserved_weight: bool,
    /// The regularisation.
    pub regularisation: bool,
}

impl Tuned {
    /// Everything.
    pub const ALL: Self = Self { factors: true, unobserved_weight: true, regularisation: true };
}

/// How far from its base a search looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Everywhere: nothing is known yet.
    Wide,
    /// Mostly near by, and at fewer places: the base was found on about the same data.
    Near,
}

/// Where candidates are drawn from.
#[derive(Debug, Clone, PartialEq)]
pub struct SearchSpace {
    /// What is to be bettered: the first candidate.
    pub base: Candidate,
    /// What may change.
    pub tuned: Tuned,
    /// How far from the base candidates lie.
    pub reach: Reach,
    /// The longest factor vectors that are tried; the base's, where these are longer.
    pub longest: usize,
    /// Event types by domain, to weigh against each other; empty when evidence
    /// has neither type nor time.
    pub event_types: BTreeMap<DomainId, Vec<EventType>>,
}

/// What is tried of the weight of unobserved pairs and of the regularisation, each of
/// one with each of the other: dense catalogues want the upper end, large sparse ones
/// weights of .002 to .03. What lies between, and beyond, is left to the climb.
const UNOBSERVED_WEIGHTS: [f32; 7] = [0.002, 0.005, 0.015, 0.05, 0.1, 0.2, 0.5];
const REGULARISATIONS: [f32; 3] = [0.003, 0.01, 0.03];
/// The ranges of what options may be ([`AlsOptions::check`]).
const WEIGHT_RANGE: (f32, f32) = (1e-6, 1e3);
const REGULARISATION_RANGE: (f32, f32) = (1e-8, 1e3);
/// The longest factor vectors that a search tries.
pub const LONGEST: usize = 256;
/// Most numbers in the factors of all people and items for which longer vectors are tried: half
/// a gigabyte, so that what is chosen on few people can be fitted on all.
const MOST_NUMBERS: usize = 128 << 20;

/// The longest factor vectors that a search for so many people and items tries.
#[must_use]
pub fn longest_for(rows: usize) -> usize {
    LONGEST.min(MOST_NUMBERS / rows.max(1))
}

/// Most candidates of a search near its base.
const MOST_NEAR: usize = 9;

impl SearchSpace {
    /// The space about a base for these domains.
    #[must_use]
    pub fn of(base: Candidate, reach: Reach, definitions: &Definitions) -> Self {
        let types = definitions.iter().map(|(domain, definition)| {
            (domain.clone(), definition.event_types.keys().cloned().collect())
        });
        let (tuned, longest) = (Tuned::ALL, LONGEST);
        Self { base, tuned, reach, longest, event_types: types.collect() }
    }

    /// `count` candidates, or fewer where the search stays near: the base first, then
    /// the grid in random order, then what is drawn at random. The same seed gives the
    /// same candidates, and fewer are the first of more.
    #[must_use]
    pub fn draw(&self, count: usize, seed: u64) -> Vec<Candidate> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut grid = self.grid();
        grid.shuffle(&mut rng);
        let mut candidates = vec![self.base.clone()];
        match self.reach {
            Reach::Wide => candidates.extend(grid),
            Reach::Near => {
                for of_grid in grid.into_iter().take(MOST_NEAR / 2) {
                    candidates.push(self.near(&mut rng));
                    candidates.push(of_grid);
                }
                candidates.truncate(MOST_NEAR);
            }
        }
        while candidates.len() < count && self.reach == Reach::Wide {
            candidates.push(self.anywhere(&mut rng));
        }
        candidates.truncate(count);
        candidates
    }

    fn grid(&self) -> Vec<Candidate> {
        let points = UNOBSERVED_WEIGHTS
            .iter()
            .flat_map(|weight| REGULARISATIONS.iter().map(move |ridge| (*weight, *ridge)));
        let mut grid: Vec<Candidate> = Vec::new();
        for (weight, ridge) in points {
            let options = self.with(weight, ridge, self.base.options);
            if options != self.base.options && grid.iter().all(|other| other.options != options) {
                grid.push(Candidate { options, ..self.base.clone() });
            }
        }
        grid
    }

    /// The options with what may change of these two changed.
    fn with(&self, weight: f32, regularisation: f32, options: AlsOptions) -> AlsOptions {
        let keep = self.base.options;
        AlsOptions {
            unobserved_weight: if self.tuned.unobserved_weight {
                weight.clamp(WEIGHT_RANGE.0, WEIGHT_RANGE.1)
            } else {
                keep.unobserved_weight
            },
            regularisation: if self.tuned.regularisation {
                regularisation.clamp(REGULARISATION_RANGE.0, REGULARISATION_RANGE.1)
            } else {
                keep.regularisation
            },
            ..options
        }
    }

    /// Within a factor of three of the base.
    fn near(&self, rng: &mut ChaCha8Rng) -> Candidate {
        let base = self.base.options;
        let weight = base.unobserved_weight * power(rng, 3.0, -1.0..1.0);
        let ridge = base.regularisation * power(rng, 3.0, -1.0..1.0);
        Candidate { options: self.with(weight, ridge, base), ..self.base.clone() }
    }

    fn anywhere(&self, rng: &mut ChaCha8Rng) -> Candidate {
        let factors = self.base.options.factors;
        let halved = self.tuned.factors && rng.random_bool(0.3);
        let options = AlsOptions {
            factors: if halved { factors.div_ceil(2) } else { factors },
            frequency_exponent: [1.0, 1.0, 0.75, 0.5][rng.random_range(0..4)],
            ..self.base.options
        };
        let (weight, ridge) = (power(rng, 10.0, -2.7..-0.3), power(rng, 10.0, -2.7..-1.3));
        let options = self.with(weight, ridge, options);
        // Half of them keep the definitions' weights, so that these have a fair chance.
        let evidence =
            if rng.random_bool(0.5) { self.base.evidence.clone() } else { self.draw_evidence(rng) };
        Candidate { options, evidence }
    }

    fn draw_evidence(&self, rng: &mut ChaCha8Rng) -> EvidenceScaling {
        if self.event_types.is_empty() {
            return self.base.evidence.clone();
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

impl Candidate {
    /// The candidates that differ from this one by a step up or down in one of what
    /// may change.
    #[must_use]
    pub fn neighbours(&self, step: f32, tuned: Tuned) -> Vec<Self> {
        let mut moved = Vec::new();
        for factor in [step, 1.0 / step] {
            let AlsOptions { unobserved_weight: weight, regularisation: ridge, .. } = self.options;
            if tuned.unobserved_weight {
                let weight = (weight * factor).clamp(WEIGHT_RANGE.0, WEIGHT_RANGE.1);
                moved.push(AlsOptions { unobserved_weight: weight, ..self.options });
            }
            if tuned.regularisation {
                let ridge = (ridge * factor).clamp(REGULARISATION_RANGE.0, REGULARISATION_RANGE.1);
                moved.push(AlsOptions { regularisation: ridge, ..self.options });
            }
        }
        moved.into_iter().map(|options| Self { options, ..self.clone() }).collect()
    }

    /// This one with factor vectors of twice the length, if that is no more than `longest`.
    pub(super) fn doubled(&self, longest: usize) -> Option<Self> {
        let factors = self.options.factors.saturating_mul(2);
        let options = AlsOptions { factors, ..self.options };
        (factors <= longest).then(|| Self { options, ..self.clone() })
    }

    /// Whether another one is the same for all that can be measured: within a
    /// hundredth in each number that a climb changes.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        let close = |a: f32, b: f32| (a / b - 1.0).abs() < 0.01;
        let (a, b) = (self.options, other.options);
        let rest = AlsOptions {
            unobserved_weight: a.unobserved_weight,
            regularisation: a.regularisation,
            ..b
        };
        rest == a
            && self.evidence == other.evidence
            && close(a.unobserved_weight, b.unobserved_weight)
            && close(a.regularisation, b.regularisation)
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

    fn base(options: AlsOptions) -> Candidate {
        Candidate { options, evidence: EvidenceScaling::default() }
    }

    proptest! {
        #[test]
        fn every_candidate_can_be_used_and_the_base_comes_first(
            seed in any::<u64>(), factors in 1usize..=1024, weight in 1e-6f32..1e3,
            is_near in any::<bool>(),
        ) {
            let options = AlsOptions { factors, unobserved_weight: weight, ..AlsOptions::default() };
            let definitions = Definitions::from(["a", "b"].map(|name| (DomainId::parse(name).unwrap(), definition())));
            let reach = if is_near { Reach::Near } else { Reach::Wide };
            let space = SearchSpace::of(base(options), reach, &definitions);
            let candidates = space.draw(30, seed);
            prop_assert_eq!(candidates.len(), if is_near { 9 } else { 30 });
            prop_assert_eq!(&candidates[..7], &space.draw(7, seed)[..]);
            prop_assert_eq!(&candidates[0], &base(options));
            for candidate in candidates {
                let moved = candidate.neighbours(1.6, Tuned::ALL);
                let is_moved = !moved.iter().any(|other| other.is_like(&candidate));
                prop_assert!(is_moved || !(1e-5..=100.0).contains(&weight));
                for candidate in moved.iter().chain([&candidate]) {
                    prop_assert!(candidate.options.check().is_ok(), "{candidate:?}");
                    prop_assert!(candidate.options.factors <= factors);
                }
                prop_assert!(candidate.evidence.apply(&definitions).values().all(|d| d.check().is_ok()));
            }
        }
    }

    #[test]
    fn what_is_not_to_be_tuned_stays_and_where_evidence_has_no_type_so_does_its_weighing() {
        let tuned = Tuned { factors: false, unobserved_weight: false, regularisation: true };
        let space = SearchSpace {
            base: base(AlsOptions::default()),
            tuned,
            reach: Reach::Wide,
            longest: LONGEST,
            event_types: BTreeMap::new(),
        };
        let candidates = space.draw(20, 1);
        let kept = AlsOptions::default();
        assert!(candidates.iter().all(|c| c.evidence.is_neutral() && c.options.factors == 64));
        assert!(candidates.iter().all(|c| c.options.unobserved_weight == kept.unobserved_weight));
        assert!(candidates[1..].iter().any(|c| c.options.regularisation != kept.regularisation));
        assert_eq!(candidates[0].neighbours(1.6, tuned).len(), 2);
    }

    #[test]
    fn a_wide_search_reaches_the_weights_of_large_sparse_catalogues() {
        let space =
            SearchSpace::of(base(AlsOptions::default()), Reach::Wide, &Definitions::default());
        let weights: Vec<f32> =
            space.draw(27, 0).iter().map(|c| c.options.unobserved_weight).collect();
        for wanted in [0.002, 0.005, 0.015] {
            assert!(weights.contains(&wanted), "{weights:?}");
        }
    }
}
