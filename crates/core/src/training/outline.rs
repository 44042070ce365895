//! A model before it is fitted.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::TrainingError;
use super::evaluating::EvaluationSet;
use super::recipe::Trained;
use super::report::TrainingReport;
use crate::entities::ids::DomainId;
use crate::evidence::items::ItemIndex;
use crate::maths::dense::NotPositiveDefinite;
use crate::maths::sparse::SparseRows;
use crate::model::look_alikes::LookAlikes;
use crate::model::scoring::{ScoringTables, TableParts};
use crate::model::{Model, ModelParts, Provenance, Sections};
use crate::training::bridging::fitting::{Fitted, ServedFits, fit_served};
use crate::training::shadow::{FEWEST_PEOPLE, HeldOut, ShadowComparison};

/// A model without its factors.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelOutline {
    /// The items, in the order of the matrix's columns.
    pub index: ItemIndex,
    /// Share of each domain's people who interacted with each item.
    pub popularity: Vec<f32>,
    /// People with an interaction, by domain.
    pub people: BTreeMap<DomainId, u64>,
    /// What it is made from, and how.
    pub provenance: Provenance,
    /// Items of different domains that look like one thing.
    pub look_alikes: LookAlikes,
    /// What the run saw, with what it has found so far.
    pub report: TrainingReport,
}

impl ModelOutline {
    /// Ranks for a set of people with fits that have not seen what is held out,
    /// and takes in how that went. A champion that has not seen it either is compared.
    ///
    /// A domain is judged by its newest events; where nobody, or too few, did anything
    /// new of late, by people's last items.
    pub(super) fn add_evaluation(
        &mut self,
        held_out: HeldOut,
        set: &EvaluationSet,
        tables: &ScoringTables,
        champion: Option<&Model>,
    ) {
        let older = champion.filter(|_| set.seen.is_empty());
        let seed = self.provenance.params.options().seed;
        let (evaluations, comparisons) = set.measure(tables, &self.index, seed, older);
        for (domain, of_domain) in evaluations {
            match self.report.evaluation.get_mut(&domain).filter(|known| known.people > 0) {
                Some(known) => known.leave_last_out = Some(Box::new(of_domain)),
                None => _ = self.report.evaluation.insert(domain, of_domain),
            }
        }
        let compared = &mut self.report.shadow.domains;
        for (domain, comparison) in comparisons {
            let people = comparison.popularity.people;
            let is_enough =
                |known: &ShadowComparison| known.popularity.people >= FEWEST_PEOPLE.min(people);
            if !compared.get(&domain).is_some_and(is_enough) {
                compared.insert(domain, ShadowComparison { held_out, ..comparison });
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
        let (ranges, params) = (self.index.ranges(), &self.provenance.params);
        fit_served(matrix, ranges, params, &self.report.bridges, progress)
    }

    /// Puts together what was fitted elsewhere.
    ///
    /// # Errors
    /// As [`Fitted::serve`].
    pub fn serve(&self, fitted: Fitted) -> Result<ServedFits, NotPositiveDefinite> {
        fitted.serve(&self.report.bridges, self.index.ranges(), &self.provenance.params)
    }

    /// What scores are made from, once it is fitted.
    ///
    /// # Errors
    /// [`TrainingError::Tables`] when the factors do not fit the items.
    pub(super) fn tables(&self, served: ServedFits) -> Result<ScoringTables, TrainingError> {
        Ok(ScoringTables::new(TableParts {
            ranges: self.index.ranges().clone(),
            params: self.provenance.params,
            unobserved: self.provenance.unobserved_items,
            item_factors: served.item_factors,
            domain_factors: served.domain_factors,
            bridges: served.bridges,
            look_alikes: self.look_alikes.clone(),
        })?)
    }

    /// The model, once it is fitted, and what the run saw.
    ///
    /// # Errors
    /// [`TrainingError::Tables`] when the factors do not fit the items.
    pub(super) fn into_trained(self, served: ServedFits) -> Result<Trained, TrainingError> {
        let tables = self.tables(served)?;
        let Self { index, popularity, people, provenance, report, .. } = self;
        let sections = Sections { index, popularity, people, tables };
        Ok(Trained { parts: ModelParts { provenance, sections }, report })
    }
}
