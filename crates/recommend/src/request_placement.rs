//! What the definition of the platform says of the place where a slate is shown, beside what a request
//! says: it bounds the request, and what a request adds narrows it.

use std::collections::{BTreeMap, BTreeSet};

use crossfold_core::entities::boost::{Boost, Promotion};
use crossfold_core::entities::definition::{Definitions, DomainDefinition};
use crossfold_core::entities::exploration::ExplorationShare;
use crossfold_core::entities::fatigue::Fatigue;
use crossfold_core::entities::filter::Filter;
use crossfold_core::entities::ids::DomainId;
use crossfold_core::entities::placement::{BeyondPlacement, PlacementDefinition, TargetPlacement};
use crossfold_core::serving::diversify::Composition;
use crossfold_edge::problem::Problem;

use crate::request_preferences::Preferences;

/// What holds at the place of a request; nothing where its platform says nothing of it.
pub(crate) struct RequestPlacement<'a> {
    definition: Option<&'a PlacementDefinition>,
    definitions: &'a Definitions,
    display: &'a DomainId,
}

/// The targets of a request, and what their place says of each.
#[derive(Default)]
pub(crate) struct PlacedTargets {
    pub(crate) targets: BTreeSet<DomainId>,
    /// Those that are not served, for what the place says of them cannot be read any more.
    pub(crate) outdated: BTreeSet<DomainId>,
    rules: BTreeMap<DomainId, TargetPlacement>,
}

fn beyond(error: &BeyondPlacement) -> Problem {
    Problem::invalid(error.to_string())
}

impl<'a> RequestPlacement<'a> {
    /// By what its platform says of it, or a variant of an experiment.
    pub(crate) fn of(
        display: &'a DomainId,
        definition: Option<&'a PlacementDefinition>,
        definitions: &'a Definitions,
    ) -> Self {
        Self { definition, definitions, display }
    }

    /// How many items are served where a request asks for so many, or does not say.
    ///
    /// # Errors
    /// A problem when it asks for more than there may be.
    pub(crate) fn limit(&self, asked: Option<usize>, usual: usize) -> Result<usize, Problem> {
        match self.definition {
            Some(definition) => definition.limit(asked, usual).map_err(|error| beyond(&error)),
            None => Ok(asked.unwrap_or(usual)),
        }
    }

    /// Those of some targets that are defined and served there now; perhaps none.
    ///
    /// # Errors
    /// As [`Self::targets`].
    pub(crate) fn targets_left(
        &self,
        mut targets: BTreeSet<DomainId>,
    ) -> Result<PlacedTargets, Problem> {
        let serves =
            |target: &DomainId| self.definition.is_none_or(|definition| definition.serves(target));
        targets.retain(|target| serves(target) && self.definitions.contains_key(target));
        match targets.is_empty() {
            true => Ok(PlacedTargets::default()),
            false => self.targets(targets),
        }
    }

    /// Whose items are served: of those that are asked for, or else those of the place, or else the
    /// platform's own.
    ///
    /// # Errors
    /// A problem when a domain is asked for that is not defined, or not served there.
    pub(crate) fn targets(&self, asked: BTreeSet<DomainId>) -> Result<PlacedTargets, Problem> {
        let is_defined = |target: &DomainId| self.definitions.contains_key(target);
        if let Some(unknown) = asked.iter().find(|target| !is_defined(target)) {
            return Err(Problem::unknown_domain(unknown.as_str()));
        }
        let targets = match self.definition {
            Some(definition) => definition.targets(asked).map_err(|error| beyond(&error))?,
            None => asked,
        };
        let targets = match targets.is_empty() {
            true => BTreeSet::from([self.display.clone()]),
            false => targets,
        };
        let mut placed = PlacedTargets::default();
        for target in targets {
            match self.rules_of(&target) {
                Some(rules) => {
                    placed.rules.insert(target.clone(), rules);
                    placed.targets.insert(target);
                }
                // What may be shown of it there is not known.
                None => _ = placed.outdated.insert(target),
            }
        }
        Ok(placed)
    }

    /// What the place says of a target; `None` where that cannot be told by what the target declares
    /// now, or it is gone.
    fn rules_of(&self, target: &DomainId) -> Option<TargetPlacement> {
        let schema = self.definitions.get(target).map(DomainDefinition::schema)?;
        match self.definition {
            Some(definition) => definition.for_target(target, &schema).ok(),
            None => Some(TargetPlacement::default()),
        }
    }

    /// How what a user was shown often counts for less.
    pub(crate) fn fatigue(&self) -> Option<Fatigue> {
        self.definition?.fatigue
    }

    /// What the slate is to be as a whole, where the request does not say.
    pub(crate) fn composition(&self) -> Option<Composition> {
        let definition = self.definition?;
        let calibrated = definition.calibration.map(Composition::Calibrated);
        definition.diversity.map(Composition::Diverse).or(calibrated)
    }

    /// How much of the slate may be others than the best, where the request does not say.
    pub(crate) fn exploration(&self) -> Option<ExplorationShare> {
        self.definition?.exploration
    }

    /// As much as a request says, and no more than the place does.
    pub(crate) fn at_most(&self, asked: ExplorationShare) -> ExplorationShare {
        self.exploration().filter(|most| *most < asked).unwrap_or(asked)
    }
}

impl PlacedTargets {
    /// What items of the targets must be like, and which are preferred: by the request, and by its
    /// place.
    pub(crate) fn with(
        self,
        filters: BTreeMap<DomainId, Filter>,
        preferences: Preferences,
    ) -> (BTreeMap<DomainId, Vec<Filter>>, Preferences) {
        let filters = filters.into_iter().map(|(target, filter)| (target, vec![filter]));
        let mut filters: BTreeMap<DomainId, Vec<Filter>> = filters.collect();
        let Preferences { mut boosts, mut promotions, mut quotas } = preferences;
        for (target, rules) in self.rules {
            let TargetPlacement { filter, boosts: more, promotions: places, quotas: counts } =
                rules;
            if let Some(filter) = filter {
                filters.entry(target.clone()).or_default().push(filter);
            }
            if !more.is_empty() {
                let boosts = boosts.entry(target.clone()).or_default();
                boosts.extend(more);
                Boost::sort(boosts);
            }
            if !places.is_empty() {
                let promotions = promotions.entry(target.clone()).or_default();
                promotions.extend(places);
                Promotion::sort(promotions);
            }
            if !counts.is_empty() {
                quotas.entry(target).or_default().extend(counts);
            }
        }
        (filters, Preferences { boosts, promotions, quotas })
    }
}
