//! The sections of a model, named once: what it holds, how that is written, and how it
//! is read. A new section is a file with a `write` and a `read`, a field here, and a
//! line in each of the two functions below.

use std::collections::{BTreeMap, BTreeSet};

use ndarray::{ArrayView1, ArrayView2};
use safetensors::SafeTensors;

use super::content::{Content, DescribedDomain, KnownItems, StandIns};
use super::look_alikes;
use super::manifest::Manifest;
use super::scoring::{Estimate, ScoringTables, TableParts};
use super::segments::Segments;
use super::tensors::{Tensor, serialise, table};
use super::topics::Topics;
use super::{
    ModelError, bridges, content, items, malformed, mixtures, segments, topics, young_items,
};
use crate::entities::ids::DomainId;
use crate::evidence::items::{DomainRows, ItemIndex, Row, Weighted};
use crate::evidence::popularity::PeopleOfDomain;

/// What a model holds.
#[derive(Debug, Clone)]
pub struct Sections {
    /// The items, by row.
    pub index: ItemIndex,
    /// Share of the domain's people who took each item of late, 0 to 1: each counts as
    /// much as the age of what they did leaves (`evidence::popularity`).
    pub popularity: Vec<f32>,
    /// People with an interaction, by domain.
    pub people: BTreeMap<DomainId, PeopleOfDomain>,
    /// Factors, bridges and look-alikes: what scores are made from.
    pub tables: ScoringTables,
    /// Kinds of people, by domain.
    pub segments: Segments,
    /// What people are interested in, by domain.
    pub topics: Topics,
    /// What maps the texts of new items to factors, where that was better than popularity.
    pub content: Content,
}

/// What the manifest says of the sections.
pub(crate) struct SectionHeaders {
    pub(crate) domains: Vec<items::DomainTable>,
    pub(crate) bridges: Vec<bridges::ServedBridge>,
    pub(crate) priors: Vec<bridges::ServedPrior>,
    pub(crate) domain_factors: bool,
    pub(crate) look_alikes: usize,
    pub(crate) mixtures: Vec<mixtures::ServedMixture>,
    pub(crate) by_popularity: BTreeSet<DomainId>,
    pub(crate) segments: bool,
    pub(crate) topics: Option<usize>,
    pub(crate) texts: Vec<DescribedDomain>,
}

impl Sections {
    /// What the manifest is to say, and the blob.
    pub(crate) fn write(&self) -> Result<(SectionHeaders, Vec<u8>), ModelError> {
        let item_factors = self.tables.item_factors();
        if item_factors.nrows() != self.index.len() || self.popularity.len() != self.index.len() {
            return Err(malformed("tables differ in length"));
        }
        let mut tensors = vec![Tensor::table("item_factors", item_factors)?];
        let domain_factors = self.tables.domain_factors();
        if let Some(factors) = domain_factors {
            tensors.push(Tensor::table("domain_factors", factors)?);
        }
        tensors.push(items::write_popularity(&self.popularity));
        let (domains, ids) = items::write(&self.index, &self.people);
        tensors.extend(ids);
        let (look_alikes, pairs) = look_alikes::write(self.tables.look_alikes());
        tensors.extend(pairs);
        let (bridges, of_bridges) = bridges::write(self.tables.bridges())?;
        tensors.extend(of_bridges);
        let (priors, of_priors) = bridges::write_priors(self.tables.bridges());
        tensors.extend(of_priors);
        let (mixtures, of_mixtures) = mixtures::write(self.tables.mixtures());
        tensors.extend(of_mixtures);
        let (segments, of_segments) = segments::write(&self.segments)?;
        tensors.extend(of_segments);
        let (topics, of_topics) = topics::write(&self.topics)?;
        tensors.extend(of_topics);
        let young = self.tables.young_items();
        let count = |domain: &DomainId| {
            self.rows(domain).map_or(0, |rows| young.within(rows.range.clone()).count())
        };
        let (texts, of_content) = content::write(&self.content, count)?;
        tensors.extend(of_content);
        tensors.extend(young_items::write(young));
        let headers = SectionHeaders {
            domains,
            bridges,
            priors,
            domain_factors: domain_factors.is_some(),
            look_alikes,
            mixtures,
            by_popularity: self.tables.by_popularity().clone(),
            segments,
            topics,
            texts,
        };
        Ok((headers, serialise(&tensors)?))
    }

    /// Reads a blob by what the manifest says of it: shapes, order of items, finite numbers.
    pub(crate) fn read(manifest: &Manifest, blob: &[u8]) -> Result<Self, ModelError> {
        let params = manifest.options.check().map_err(malformed)?;
        let tensors = SafeTensors::deserialize(blob).map_err(malformed)?;
        let index = items::read(&manifest.domains, &tensors)?;
        let popularity = items::read_popularity(&tensors, index.len())?;
        let factors = manifest.options.factors;
        let shape = (index.len(), factors);
        let parts = TableParts {
            ranges: index.ranges().clone(),
            params,
            unobserved: manifest.unobserved_items,
            item_factors: table(&tensors, "item_factors", shape)?,
            domain_factors: manifest
                .domain_factors
                .then(|| table(&tensors, "domain_factors", shape))
                .transpose()?,
            bridges: bridges::read(&manifest.bridges, &tensors, &index, factors)?
                .with_priors(bridges::read_priors(&manifest.priors, &tensors, &index)?),
            mixtures: mixtures::read(&manifest.mixtures, &tensors, (&index, &popularity))?,
            look_alikes: look_alikes::read(manifest.look_alikes, &tensors, &index)?,
            by_popularity: manifest.by_popularity.clone(),
            young_items: young_items::read(&manifest.texts, &tensors, &index)?,
        };
        Ok(Self {
            popularity,
            people: items::people_of(&manifest.domains),
            tables: ScoringTables::new(parts).map_err(malformed)?,
            segments: segments::read(manifest.segments, &tensors, &index)?,
            topics: topics::read(manifest.topics, &tensors, &index)?,
            content: content::read(&manifest.texts, &tensors, (&index, factors))?,
            index,
        })
    }

    /// Share of the domain's people who interacted with the item of a row.
    ///
    /// # Panics
    /// When there is no such row.
    #[must_use]
    pub fn popularity(&self, row: Row) -> f32 {
        self.popularity[row.index()]
    }

    /// The popularity by which the item of a row is ranked for people of whom nothing else is known:
    /// of one that came lately, part of what its text lets expect, where texts tell that.
    ///
    /// # Panics
    /// When there is no such row.
    #[must_use]
    pub fn ranking_popularity(&self, row: Row) -> f32 {
        self.tables.young_items().popularity(row, |row| self.popularity(row))
    }

    /// The rows of a domain, if the model knows it.
    #[must_use]
    pub fn rows(&self, domain: &DomainId) -> Option<&DomainRows> {
        self.index.ranges().get(domain)
    }

    /// The factors that an item of a domain is expected to have whose text has this vector. `None`
    /// where the domain's texts rank nothing, and where the vector says nothing or has another
    /// length.
    #[must_use]
    pub fn expected_factors(
        &self,
        domain: &DomainId,
        vector: ArrayView1<'_, f32>,
    ) -> Option<Vec<f32>> {
        self.content.get(domain)?.expected_factors(vector)
    }

    /// For new items of a domain, whose texts have these vectors (items x values): the known ones
    /// that stand in for each. `None` for all where the domain's texts rank nothing, for one whose
    /// vector says nothing, and where vectors are of another length.
    #[must_use]
    pub fn stand_ins(
        &self,
        domain: &DomainId,
        vectors: ArrayView2<'_, f32>,
    ) -> Vec<Option<StandIns>> {
        let found = || {
            let content = self.content.get(domain)?;
            let rows = self.rows(domain)?;
            let factors = self.tables.factors_of_target(rows)?;
            let young = self.tables.young_items();
            let known = KnownItems::new(factors, self.popularity.get(rows.range.clone())?)
                .without(|item| young.get(rows.row(item)).is_some())
                .reconstructing(content.reconstruction);
            let fits = content.map.mean.len() == vectors.ncols();
            fits.then(|| content.stand_ins(rows, &known, vectors))
        };
        found().unwrap_or_else(|| vec![None; vectors.nrows()])
    }

    /// Scores the items of `target` for a person with these interactions, each
    /// item once, from what may be used for it: their own history in it,
    /// and that of the domains with a bridge to it. `None` when there is none, or
    /// the model does not know the target.
    #[must_use]
    pub fn estimate(&self, target: &DomainId, interactions: &[Weighted]) -> Option<Estimate<'_>> {
        self.tables.estimate(target, interactions)
    }

    /// See [`ScoringTables::prior`].
    #[must_use]
    pub fn prior(&self, target: &DomainId, interactions: &[Weighted]) -> Option<Estimate<'_>> {
        self.tables.prior(target, interactions)
    }
}
