//! Which variants of experiments make a slate, and what holds at its place by them.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use crossfold_core::entities::definition::Definitions;
use crossfold_core::entities::experiment::assignment::{Assignment, Tried, assign};
use crossfold_core::entities::experiment::exposure::Exposure;
use crossfold_core::entities::experiment::lifecycle::Experiment;
use crossfold_core::entities::experiment::variant::Ranking;
use crossfold_core::entities::ids::{DomainId, ExperimentId, Placement, UserId, VariantId};
use crossfold_core::entities::placement::PlacementDefinition;
use crossfold_edge::caller::{Caller, Scope};
use crossfold_edge::problem::Problem;

/// Most variants that a request asks for.
const MAX_TRIED: usize = 16;

/// For whom a slate is made, as far as experiments are concerned.
#[derive(Clone, Default)]
pub(crate) enum ExperimentUnit {
    /// Nobody yet: no experiment has to do with it.
    #[default]
    Nobody,
    /// A user of the platform that shows it.
    User(UserId),
    /// Whoever it was decided for, by these variants.
    Decided(Exposure),
}

/// What holds of a slate by the variants that make it.
pub(crate) struct Varied<'a> {
    /// What is logged of them.
    pub(crate) exposure: Option<Exposure>,
    /// By what it is ranked.
    pub(crate) ranking: Ranking,
    /// What holds at its place; nothing where its platform says nothing of it.
    pub(crate) placement: Option<Cow<'a, PlacementDefinition>>,
}

/// The variants that a request asks for, to try them.
///
/// # Errors
/// A problem when it may not, asks for too many, or for some that there are not.
pub(crate) fn tried(
    asked: &BTreeMap<ExperimentId, VariantId>,
    domain: &DomainId,
    (caller, definitions): (&Caller, &Definitions),
) -> Result<Vec<Tried>, Problem> {
    if asked.is_empty() {
        return Ok(Vec::new());
    }
    caller.require(Scope::ExperimentsRead, domain)?;
    if asked.len() > MAX_TRIED {
        return Err(Problem::invalid(format!("variants must have at most {MAX_TRIED} entries")));
    }
    let experiments = experiments_of(domain, definitions);
    let read = asked.iter().map(|(experiment, variant)| {
        let known = experiments.iter().find(|known| known.experiment == *experiment);
        let mut variants = known.into_iter().flat_map(|known| &known.definition.variants);
        match variants.any(|known| known.variant == *variant) {
            true => Ok(Tried { experiment: experiment.clone(), variant: variant.clone() }),
            false => Err(Problem::invalid(format!(
                "variants names {variant} of {experiment}, which the domain does not have"
            ))),
        }
    });
    read.collect()
}

fn experiments_of<'a>(domain: &DomainId, definitions: &'a Definitions) -> &'a [Experiment] {
    definitions.get(domain).map_or(&[], |definition| &definition.experiments)
}

/// What a request asks of its place, whatever variant makes it.
pub(crate) struct AskedOfPlace {
    /// The items that it asks for, if it says how many.
    pub(crate) limit: Option<usize>,
    /// The items that are served where nobody says how many.
    pub(crate) usual: usize,
    /// The domains that it names.
    pub(crate) targets: BTreeSet<DomainId>,
}

impl AskedOfPlace {
    /// Whether a placement serves it.
    fn is_served_by(&self, placement: &PlacementDefinition) -> bool {
        placement.check().is_ok()
            && placement.limit(self.limit, self.usual).is_ok()
            && placement.targets(self.targets.clone()).is_ok()
    }
}

/// What holds of a slate at a place of a platform. An experiment of which one variant could not serve the
/// request, with what the place says by now, has no part in it: were it only that variant, its users
/// would be missing, and only its.
pub(crate) fn varied<'a>(
    definitions: &'a Definitions,
    (display, placement): (&DomainId, Option<&Placement>),
    (unit, tried): (&ExperimentUnit, &[Tried]),
    asked: &AskedOfPlace,
) -> Varied<'a> {
    let definition = definitions.get(display);
    let usual = placement.and_then(|name| definition?.placements.get(name));
    let mut varied =
        Varied { exposure: None, ranking: Ranking::Usual, placement: usual.map(Cow::Borrowed) };
    let experiments = experiments_of(display, definitions);
    let mut assignment = match unit {
        ExperimentUnit::Nobody => return varied,
        ExperimentUnit::User(user) => {
            let holdout = definition.and_then(|definition| definition.experiment_holdout);
            assign(experiments, (display, holdout), (user, placement), tried)
        }
        ExperimentUnit::Decided(exposure) => decided(experiments, exposure),
    };
    let nothing = PlacementDefinition::default();
    assignment.variants.retain(|(served, variant)| {
        let at = varied.placement.as_deref().unwrap_or(&nothing);
        let of = experiments.iter().find(|of| of.experiment == served.experiment);
        let mut all = of.into_iter().flat_map(|of| &of.definition.variants);
        // Who tries a variant is told that it cannot be served.
        let is_served = served.is_tried
            || all.all(|variant| asked.is_served_by(&variant.settings.applied_to(at)));
        if !is_served {
            return false;
        }
        let settings = &variant.settings;
        if settings.placement.is_some() {
            varied.placement = Some(Cow::Owned(settings.applied_to(at)));
        }
        if settings.ranking != Ranking::Usual {
            varied.ranking = settings.ranking;
        }
        true
    });
    Varied { exposure: assignment.exposure(), ..varied }
}

/// The variants that made a decision, as far as there still are such.
fn decided<'a>(experiments: &'a [Experiment], exposure: &Exposure) -> Assignment<'a> {
    let Exposure::Served(served) = exposure else {
        return Assignment { variants: Vec::new(), is_held_out: true };
    };
    let variants = served.iter().filter_map(|served| {
        let known = experiments.iter().find(|of| of.experiment == served.experiment)?;
        let mut variants = known.definition.variants.iter();
        let variant = variants.find(|variant| variant.variant == served.variant)?;
        Some((served.clone(), variant))
    });
    Assignment { variants: variants.collect(), is_held_out: false }
}
