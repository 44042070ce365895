//! A model before it is fitted.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{EvaluationSet, HeldOut, TrainingError};
use crate::entities::ids::{DomainId, TrainingRunId};
use crate::evidence::inputs::InputDistribution;
use crate::evidence::items::ItemIndex;
use crate::evidence::scaling::EvidenceScaling;
use crate::maths::als::AlsParams;
use crate::maths::dense::NotPositiveDefinite;
use crate::maths::fold_in::UnobservedItems;
use crate::maths::sparse::SparseRows;
use crate::model::look_alikes::Twins;
use crate::model::scoring::{ScoringTables, TableParts};
use crate::model::{Model, ModelParts};
use crate::training::bridging::fitting::{Fitted, ServedFits, fit_served};
use crate::training::report::TrainingReport;

/// A model without its factors.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelOutline {
    /// The items, in the order of the matrix's columns.
    pub index: ItemIndex,
    /// Share of each domain's people who interacted with each item.
    pub popularity: Vec<f32>,
    /// People with an interaction, by domain.
    pub people: BTreeMap<DomainId, u64>,
    /// Hyper-parameters.
    pub params: AlsParams,
    /// What counts as unobserved at fold-in.
    pub unobserved_items: UnobservedItems,
    /// How evidence was weighed, other than the domains' definitions say.
    pub evidence: EvidenceScaling,
    /// The run.
    pub training_run: TrainingRunId,
    /// The instant as of which recency and consent were judged.
    pub created_at: Timestamp,
    /// What it is made from, to tell drift by.
    pub inputs: InputDistribution,
    /// Items of different domains that look like one thing.
    pub twins: Twins,
    /// What the run saw, with what it has found so far.
    pub report: TrainingReport,
}

impl ModelOutline {
    /// Ranks for a set of people with fits that have not seen what is held out,
    /// and takes in how that went. A champion that has not seen it either is compared.
    pub fn add_evaluation(
        &mut self,
        held_out: HeldOut,
        set: &EvaluationSet,
        tables: &ScoringTables,
        champion: Option<&Model>,
    ) {
        let older = champion.filter(|_| held_out == HeldOut::Newest && set.seen.is_empty());
        let (evaluations, comparisons) =
            set.measure(tables, &self.index, self.params.options().seed, older);
        match held_out {
            HeldOut::Newest => {
                self.report.evaluation = evaluations;
                self.report.shadow.domains = comparisons;
            }
            HeldOut::Last => {
                for (domain, last) in evaluations {
                    let evaluation = self.report.evaluation.entry(domain).or_default();
                    evaluation.leave_last_out = Some(Box::new(last));
                }
            }
        }
    }

    /// Fits what the verdicts on bridges call for. `progress` hears of each
    /// finished iteration.
    ///
    /// # Errors
    /// [`NotPositiveDefinite`] when confidences are too extreme for single precision.
    pub fn fit(
        &self,
        matrix: &SparseRows,
        progress: &(dyn Fn() + Sync),
    ) -> Result<ServedFits, NotPositiveDefinite> {
        fit_served(matrix, self.index.ranges(), &self.params, &self.report.bridges, progress)
    }

    /// Puts together what was fitted elsewhere.
    ///
    /// # Errors
    /// As [`Fitted::serve`].
    pub fn serve(&self, fitted: Fitted) -> Result<ServedFits, NotPositiveDefinite> {
        fitted.serve(&self.report.bridges, self.index.ranges(), &self.params)
    }

    /// What scores are made from, once it is fitted.
    ///
    /// # Errors
    /// [`TrainingError::Tables`] when the factors do not fit the items.
    pub fn tables(&self, served: ServedFits) -> Result<ScoringTables, TrainingError> {
        Ok(ScoringTables::new(TableParts {
            ranges: self.index.ranges().clone(),
            params: self.params,
            unobserved: self.unobserved_items,
            item_factors: served.item_factors,
            domain_factors: served.domain_factors,
            bridges: served.bridges,
            twins: self.twins.clone(),
        })?)
    }

    /// The model's parts, once it is fitted.
    #[must_use]
    pub fn into_parts(self, served: ServedFits) -> ModelParts {
        ModelParts {
            index: self.index,
            item_factors: served.item_factors,
            domain_factors: served.domain_factors,
            bridges: served.bridges,
            twins: self.twins,
            popularity: self.popularity,
            people: self.people,
            options: *self.params.options(),
            unobserved_items: self.unobserved_items,
            evidence: self.evidence,
            training_run: self.training_run,
            created_at: self.created_at,
            inputs: self.inputs,
            report: self.report,
        }
    }
}
