//! A model before it is fitted.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::TrainingError;
use super::content_fit::ContentMaterial;
use super::content_fit::by_text::{self, FittedItems};
use super::evaluating::{Evaluated, EvaluationSet, Measured, Ranked};
use super::recipe::{FitPurpose, Trained};
use super::report::TrainingReport;
use super::served_by::{ServedBy, by_popularity, judge};
use super::shadow::Rival;
use crate::entities::ids::DomainId;
use crate::evidence::items::ItemIndex;
use crate::evidence::popularity::PeopleOfDomain;
use crate::maths::dense::NotPositiveDefinite;
use crate::maths::sparse::SparseRows;
use crate::model::bridges::text::TextLikeness;
use crate::model::bridges::{BridgeKind, Direction};
use crate::model::content::Content;
use crate::model::look_alikes::LookAlikes;
use crate::model::scoring::{ScoringTables, TableParts};
use crate::model::segments::Segments;
use crate::model::topics::Topics;
use crate::model::young_items::YoungItems;
use crate::model::{Model, ModelParts, Provenance, Sections};
use crate::training::bridging::fitting::{Fitted, ServedFits, fit_served};
use crate::training::bridging::gate::DirectionVerdict;
use crate::training::bridging::text_fit::TextLikenesses;
use crate::training::mixing::{
    MixtureVerdict, PopularItems, RankerTables, mixtures, ranker_tables,
};
use crate::training::shadow::{FEWEST_PEOPLE, HeldOut, ShadowComparison};

/// Everything that is fitted to one matrix.
#[derive(Debug, Clone, PartialEq)]
pub struct Fits {
    /// The factors and the bridges.
    pub served: ServedFits,
    /// What rankers other than the factors rank by.
    pub rankers: RankerTables,
}

/// A model without its factors.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelOutline {
    /// The items, in the order of the matrix's columns.
    pub index: ItemIndex,
    /// The popularity of each item: see [`crate::model::Sections::popularity`].
    pub popularity: Vec<f32>,
    /// What is popular just now, by row; empty where a run of an earlier version wrote it.
    #[serde(default)]
    pub recent: Vec<f32>,
    /// People with an interaction, by domain.
    pub people: BTreeMap<DomainId, PeopleOfDomain>,
    /// What it is made from, and how.
    pub provenance: Provenance,
    /// Items of different domains that look like one thing.
    pub look_alikes: LookAlikes,
    /// Kinds of people, by domain.
    #[serde(default)]
    pub segments: Segments,
    /// What people are interested in, by domain.
    #[serde(default)]
    pub topics: Topics,
    /// What maps the texts of new items to factors are fitted from, where they are served.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub content: ContentMaterial,
    /// How alike items are by their texts, in the directions in which that is served.
    #[serde(default, skip_serializing_if = "TextLikenesses::is_empty")]
    pub likenesses: TextLikenesses,
    /// What the run saw, with what it has found so far.
    pub report: TrainingReport,
}

impl ModelOutline {
    /// Ranks for a set of people with fits that have not seen what is held out. A
    /// champion that has not seen it either is compared. `personal` domains are known
    /// to be served by people's own evidence.
    pub(super) fn measure(
        &self,
        set: &EvaluationSet,
        tables: &ScoringTables,
        (champion, personal): (Option<&Model>, &BTreeSet<DomainId>),
    ) -> Evaluated {
        let older = champion.filter(|_| set.seen.is_empty());
        let seed = self.provenance.params.options().seed;
        set.measure(tables, &self.index, (seed, older), personal)
    }

    /// Decides how each domain is served by what was measured, on the newest events and
    /// then on last items, and takes in the figures of just that.
    ///
    /// A domain is judged by its newest events; where nobody, or too few, did anything
    /// new of late, by people's last items.
    pub(super) fn settle(&mut self, measured: Vec<(HeldOut, Evaluated)>) {
        for domain in self.index.ranges().keys() {
            let of_domain = measured.iter().filter_map(|(_, measured)| measured.get(domain));
            let compared = of_domain.filter_map(|measured| measured.personal.comparison.as_ref());
            let compared: Vec<Rival> = compared.map(|compared| compared.popularity).collect();
            let served = self.report.served.entry(domain.clone()).or_insert(ServedBy::Evidence);
            if *served == ServedBy::Evidence {
                *served = judge(&compared);
            }
        }
        let popular = by_popularity(&self.report.served);
        for (held_out, measured) in measured {
            for (domain, Measured { personal, popular: by_all }) in measured {
                let is_popular = popular.contains(&domain);
                let ranked = by_all.filter(|_| is_popular).unwrap_or(personal);
                self.take_in(held_out, domain, ranked);
            }
        }
    }

    fn take_in(&mut self, held_out: HeldOut, domain: DomainId, ranked: Ranked) {
        let Ranked { evaluation, comparison } = ranked;
        if let Some(comparison) = comparison {
            let people = comparison.popularity.people;
            let is_enough =
                |known: &ShadowComparison| known.popularity.people >= FEWEST_PEOPLE.min(people);
            let compared = &mut self.report.shadow.domains;
            if !compared.get(&domain).is_some_and(is_enough) {
                compared.insert(domain.clone(), ShadowComparison { held_out, ..comparison });
            }
        }
        match self.report.evaluation.get_mut(&domain).filter(|known| known.people > 0) {
            Some(known) => known.leave_last_out = Some(Box::new(evaluation)),
            None => _ = self.report.evaluation.insert(domain, evaluation),
        }
    }

    /// Keeps how alike items are by their texts where a verdict calls for it, and where nothing
    /// could be measured: there it is a prior.
    pub(super) fn keep(&mut self, likenesses: TextLikenesses) {
        let verdict = |direction: &Direction| {
            let found = self.report.bridges.iter().find(|found| found.direction == *direction);
            found.map(|found| found.verdict)
        };
        let is_prior = |direction: &Direction| {
            matches!(verdict(direction), None | Some(DirectionVerdict::TooFewPeople { .. }))
        };
        let is_served = |direction: &Direction| {
            let served = verdict(direction).and_then(|verdict| verdict.served());
            served.is_some_and(|served| served.kind() == BridgeKind::Text)
        };
        let kept = likenesses.only(|direction| is_prior(direction) || is_served(direction));
        self.report.priors = kept.directions().filter(|of| is_prior(of)).cloned().collect();
        self.likenesses = kept;
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
    ) -> Result<Fits, NotPositiveDefinite> {
        let (ranges, params) = (self.index.ranges(), &self.provenance.params);
        let material = (matrix, Some(&self.likenesses));
        let served = fit_served(material, ranges, params, &self.report.bridges, progress)?;
        Ok(Fits { served, rankers: self.ranker_tables(matrix) })
    }

    /// Makes what the verdicts on rankers call for.
    #[must_use]
    pub fn ranker_tables(&self, matrix: &SparseRows) -> RankerTables {
        ranker_tables(matrix, self.index.ranges(), &self.report.rankings)
    }

    /// Puts together what was fitted elsewhere.
    #[must_use]
    pub fn serve(&self, fitted: Fitted, rankers: RankerTables) -> Fits {
        let (ranges, params) = (self.index.ranges(), &self.provenance.params);
        Fits { served: fitted.serve(&self.report.bridges, ranges, params), rankers }
    }

    /// What scores are made from, once it is fitted, for items that are so popular, of late
    /// and just now.
    ///
    /// # Errors
    /// [`TrainingError::Tables`] when the factors do not fit the items.
    pub(super) fn tables(
        &self,
        Fits { served, rankers }: Fits,
        (popularity, recent): (&[f32], &[f32]),
    ) -> Result<ScoringTables, TrainingError> {
        let of_items = PopularItems { ranges: self.index.ranges(), popularity, recent };
        let by_popularity = by_popularity(&self.report.served);
        let mixtures = mixtures(rankers, &self.report.rankings, of_items);
        Ok(ScoringTables::new(TableParts {
            ranges: self.index.ranges().clone(),
            params: self.provenance.params,
            unobserved: self.provenance.unobserved_items,
            item_factors: served.item_factors,
            domain_factors: served.domain_factors,
            bridges: served.bridges,
            mixtures: mixtures.without(&by_popularity),
            look_alikes: self.look_alikes.clone(),
            by_popularity,
            young_items: YoungItems::default(),
        })?)
    }

    /// The same tables with their young items, and what maps texts to factors: of a fit for this
    /// purpose, to items that are so popular among so many people.
    ///
    /// # Errors
    /// [`TrainingError::Tables`] when they do not fit together.
    pub(super) fn by_text(
        &self,
        tables: ScoringTables,
        (popularity, people): (&[f32], &BTreeMap<DomainId, PeopleOfDomain>),
        purpose: FitPurpose,
    ) -> Result<(ScoringTables, Content), TrainingError> {
        let fitted = FittedItems { tables: &tables, popularity, people, purpose };
        let (content, young_items) = by_text::fit(&self.content, fitted);
        Ok((tables.with_young_items(young_items)?, content))
    }

    /// Of mixtures that are better and do not serve all the same, why.
    fn tell_what_serves(&mut self, tables: &ScoringTables) {
        let popular = by_popularity(&self.report.served);
        for found in self.report.rankings.iter_mut().filter(|found| found.served().is_some()) {
            if popular.contains(&found.domain) {
                found.verdict = MixtureVerdict::NotPersonal;
            } else if tables.mixtures().get(&found.domain).is_none() {
                found.verdict = MixtureVerdict::NotFitted;
            }
        }
    }

    /// Of domains whose texts rank new items, how many of these are young.
    fn count_young_items(&mut self, tables: &ScoringTables) {
        for (domain, found) in &mut self.report.content {
            let rows = self.index.ranges().get(domain).map(|rows| rows.range.clone());
            let young = rows.map(|rows| tables.young_items().within(rows).count());
            found.young_items = young.unwrap_or(0);
        }
    }

    /// What is tried where nothing can be measured, by what everybody chose of late.
    fn priors(&self) -> BTreeMap<Direction, Arc<TextLikeness>> {
        let prior = |direction: &Direction| {
            let target = self.index.ranges().get(&direction.to)?;
            let popularity = self.popularity.get(target.range.clone())?;
            let prior = self.likenesses.prior(direction, popularity)?;
            Some((direction.clone(), Arc::new(prior)))
        };
        self.report.priors.iter().filter_map(prior).collect()
    }

    /// The model, once it is fitted, and what the run saw.
    ///
    /// # Errors
    /// [`TrainingError::Tables`] when the factors do not fit the items.
    pub(super) fn into_trained(mut self, mut fits: Fits) -> Result<Trained, TrainingError> {
        fits.served.bridges = fits.served.bridges.with_priors(self.priors());
        let tables = self.tables(fits, (&self.popularity, &self.recent))?;
        self.tell_what_serves(&tables);
        let (tables, content) =
            self.by_text(tables, (&self.popularity, &self.people), FitPurpose::Final)?;
        self.count_young_items(&tables);
        let Self { index, popularity, people, provenance, report, segments, topics, .. } = self;
        let sections = Sections { index, popularity, people, tables, segments, topics, content };
        Ok(Trained { parts: ModelParts { provenance, sections }, report })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::training::bridging::candidates::Candidate;
    use crate::training::bridging::fitting::tests::verdicts;
    use crate::training::bridging::trial::tests::{direction, likenesses};

    fn kept(verdicts: [DirectionVerdict; 2]) -> (usize, Vec<Direction>) {
        let parts = crate::model::tests::bridged_parts();
        let mut outline = ModelOutline {
            index: parts.sections.index,
            popularity: Vec::new(),
            recent: Vec::new(),
            people: BTreeMap::new(),
            provenance: parts.provenance,
            look_alikes: LookAlikes::default(),
            segments: Segments::default(),
            topics: Topics::default(),
            content: ContentMaterial::new(),
            likenesses: TextLikenesses::default(),
            report: TrainingReport::default(),
        };
        let mut reports = self::verdicts([None, None]);
        reports.iter_mut().zip(verdicts).for_each(|(report, verdict)| report.verdict = verdict);
        outline.report.bridges = reports;
        outline.keep(likenesses());
        (outline.likenesses.directions().count(), outline.report.priors)
    }

    #[test]
    fn likeness_of_texts_is_a_prior_only_where_nothing_could_be_measured() {
        let too_few = DirectionVerdict::TooFewPeople { needed: 15 };
        let not_better =
            DirectionVerdict::NotBetter { chosen: Candidate::Text { popularity: 1.0 } };
        let text = DirectionVerdict::Passed { chosen: Candidate::Text { popularity: 1.0 } };
        let other = DirectionVerdict::Passed { chosen: Candidate::Joint { source_weight: 1.0 } };
        let (a, b) = (direction("a", "b"), direction("b", "a"));
        assert_eq!(kept([too_few, not_better]), (1, vec![a]));
        assert_eq!(kept([text, other]), (1, vec![]));
        assert_eq!(kept([DirectionVerdict::NothingFitted, too_few]), (1, vec![b]));
    }
}
