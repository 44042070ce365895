//! The recipe of a run: what is fitted, in which order, and what becomes of each fit.
//!
//! One machine drives it ([`super::train_cleaned`]); beyond one machine the tasks of
//! the state machine do, which fit elsewhere and hand in what came of it. So a step
//! that is added here is taken by both.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::evaluating::{Evaluated, EvaluationSet, Measured};
use super::outline::{Fits, ModelOutline};
use super::report::TrainingReport;
use super::{TrainingError, preparing::Pending};
use crate::entities::ids::DomainId;
use crate::maths::sparse::SparseRows;
use crate::model::{Model, ModelParts};
use crate::training::shadow::HeldOut;

/// What a fit is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FitPurpose {
    /// To be measured, without the newest events of all.
    WithoutNewest,
    /// To be measured, without the last item of each of some people; those without
    /// a second item in the domain keep theirs.
    WithoutLast,
    /// To be served: on everything.
    Final,
}

impl FitPurpose {
    /// Every fit of a run, in the order in which they are made. The one without the
    /// newest is left out when the events do not spread over time, the one without last
    /// items when nobody has a second item.
    pub const ALL: [Self; 3] = [Self::WithoutNewest, Self::WithoutLast, Self::Final];
}

/// A fit that is to be made.
pub struct PendingFit {
    /// What it is for.
    pub purpose: FitPurpose,
    /// The joint matrix, without what is held out; rows as in the whole one.
    pub matrix: SparseRows,
    /// Whom its model is to rank for, if it is measured.
    pub set: Option<EvaluationSet>,
}

/// A run between its fits: what they found so far.
pub struct Recipe {
    outline: ModelOutline,
    champion: Option<Arc<Model>>,
    measured: Vec<(HeldOut, EvaluationSet)>,
    served: Option<Fits>,
    evaluated: Vec<(HeldOut, Evaluated)>,
}

/// What a run made.
#[derive(Debug, Clone)]
pub struct Trained {
    /// The model.
    pub parts: ModelParts,
    /// What the run saw and measured.
    pub report: TrainingReport,
}

impl Recipe {
    /// Begins with an outline whose bridges are judged. `champion` is what the model
    /// is compared with.
    #[must_use]
    pub fn new(outline: ModelOutline, champion: Option<Arc<Model>>) -> Self {
        let (measured, evaluated) = (Vec::new(), Vec::new());
        Self { outline, champion, measured, served: None, evaluated }
    }

    /// The model besides its factors, with what was found so far.
    #[must_use]
    pub fn outline(&self) -> &ModelOutline {
        &self.outline
    }

    /// Takes in a fit: measures it on the people that it was to rank for, or keeps it
    /// to be served.
    ///
    /// # Errors
    /// [`TrainingError::Tables`] when the factors do not fit the items.
    pub fn take(
        &mut self,
        purpose: FitPurpose,
        set: Option<EvaluationSet>,
        fits: Fits,
    ) -> Result<(), TrainingError> {
        let Some(set) = set.filter(|_| purpose != FitPurpose::Final) else {
            self.served = Some(fits);
            return Ok(());
        };
        let tables = self.outline.tables(fits, (&set.popularity, &set.recent))?;
        let (tables, _) = self.outline.by_text(tables, (&set.popularity, &set.people), purpose)?;
        let held_out = match purpose {
            FitPurpose::WithoutNewest => HeldOut::NewestEvents,
            FitPurpose::WithoutLast | FitPurpose::Final => HeldOut::LastItems,
        };
        let context = (self.champion.as_deref(), &self.personal());
        self.evaluated.push((held_out, self.outline.measure(&set, &tables, context)));
        if self.champion.is_some() {
            self.measured.push((held_out, set)); // To be held against it once all is fitted.
        }
        Ok(())
    }

    /// The domains in which ranking by people's own evidence was found to be better
    /// than popularity beyond doubt.
    fn personal(&self) -> BTreeSet<DomainId> {
        let measured = self.evaluated.iter().flat_map(|(_, evaluated)| evaluated);
        let is_decided = |(_, measured): &(&DomainId, &Measured)| measured.popular.is_none();
        measured.filter(is_decided).map(|(domain, _)| domain.clone()).collect()
    }

    /// The model, compared with a champion that has seen the held-out events as well.
    ///
    /// # Errors
    /// [`TrainingError`] when the fit that is to be served is missing or does not fit.
    pub fn finish(self) -> Result<Trained, TrainingError> {
        let Self { mut outline, champion, measured, served, evaluated } = self;
        outline.settle(evaluated);
        let mut trained = outline.into_trained(served.ok_or(TrainingError::NotFitted)?)?;
        if let Some(champion) = champion {
            for (held_out, set) in measured {
                set.compare_with_peer(held_out, &mut trained, &champion);
            }
        }
        Ok(trained)
    }
}

/// Makes every fit of a run on this machine. `progress` hears of each finished iteration.
///
/// # Errors
/// [`TrainingError`] when numbers are too extreme or tables do not fit together.
pub(super) fn fit_all(
    mut recipe: Recipe,
    mut pending: Pending,
    progress: &(dyn Fn() + Sync),
) -> Result<Trained, TrainingError> {
    for purpose in FitPurpose::ALL {
        let Some(PendingFit { matrix, set, .. }) = pending.take(purpose) else {
            continue;
        };
        let fits = recipe.outline().fit(&matrix, progress)?;
        drop(matrix); // Measuring needs the room.
        recipe.take(purpose, set, fits)?;
    }
    recipe.finish()
}
