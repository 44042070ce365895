//! The model artefact: one immutable, checksummed set of tables.
//!
//! A model is a manifest (JSON), one blob (safetensors) and the report of its run
//! (JSON) under content addresses: their SHA-256 stand in the manifest, whose own
//! SHA-256 is the model's id. So a reader that starts from an id verifies everything
//! it loads.
//!
//! | tensor | type, shape | what |
//! | --- | --- | --- |
//! | `item_factors` | f32, items x factors | rows in order of domain, then item id; of the joint fit if any bridge is joint, else fitted domain by domain |
//! | `domain_factors` | f32, items x factors | the same rows, fitted domain by domain; only where needed beside those of a joint fit |
//! | `item_popularity` | f32, items | share of the domain's people who interacted, 0 to 1 |
//! | `item_ids` | u8, bytes | item ids, one after another, UTF-8 |
//! | `item_id_ends` | u32, items | where each id ends in `item_ids` |
//! | `look_alikes` | u32, pairs x 2 | rows of items that look alike, the lower first, in order |
//! | `mixture_{n}_{m}_ends`, `_items`, `_values` | u32, items of the domain; u32 and f32, weights | as those of a cross block: what each past item adds to the domain's items by ranker `m` of the manifest's mixture `n` |
//! | `mixture_{n}_{m}_items.embeddings`, `…_items.biases`, `…_items.known` | f32, items of the domain x dimensions; items; items | the items of ranker `m`, a sequence model ([`crate::maths::sequence`]): known is 0 or 1 |
//! | `mixture_{n}_{m}_positions`, `…_blocks.{b}.…`, `…_last_norm.…` | f32, length x dimensions; dimensions x 1 or 3 dimensions; dimensions | its network |
//! | `bridge_{n}_map` | f32, factors x factors | the map of the manifest's bridge `n`, from source to target |
//! | `bridge_{n}_ends` | u32, source items | where each source item's entries end in the next two |
//! | `bridge_{n}_items` | u32, entries | target items, numbered within their domain, ascending |
//! | `bridge_{n}_values` | f32, entries | what each source item adds to the target item's score |
//! | `segments` | u8, bytes | segments by domain, in JSON: features, centroids, facts |
//! | `segment_categories` | u32, items | which category feature of its domain an item counts for |
//! | `segment_tastes` | i8, items x 8 | what an item is like, where people are told apart by that |
//! | `topics` | u8, bytes | topics by domain, in JSON: words, what tells each topic |
//! | `topics_{n}_weights` | f32, words x topics | Dirichlet parameters of the topics' `n`-th domain |
//! | `topic_word_ends` | u32, items | where each item's words end in the next two |
//! | `topic_words`, `topic_word_weights` | u32 and f32, entries | the words that an item adds to a document, and how much |
//! | `content_encoder` | u8, bytes | the encoder of items' texts, where it was fitted to the catalogue |
//! | `content_{n}_mean`, `content_{n}_centre`, `content_{n}_map` | f32, values; factors + 1; values x (factors + 1) | the map from a text's vector to factors and popularity, of the `n`-th domain with content |
//! | `young_items`, `young_own`, `young_by_text`, `young_ends` | u32, f32, f32 and u32, young items | rows of items that came lately, what their own scores and what stands in for them are multiplied by, and where each one's entries end in the next two |
//! | `young_stand_ins`, `young_weights` | u32 and f32, entries | rows of what stands in for a young item, and how much |
//! | `bridge_{n}_source_factors` | f32, source items x factors | the bridge's own, to fold evidence in by |
//! | `bridge_{n}_target_factors` | f32, target items x factors | the bridge's own, that what is carried scores |
//! | `bridge_{n}_mean` | f32, factors | what everyone begins with |
//! | `bridge_{n}_by_item` | f32, source items x factors | what each source item of a person adds |
//! | `bridge_{n}_by_factor` | f32, factors x factors | what a person's source factors add |
//!
//! Size: 4 bytes x items x factors for each table of factors, those that bridges have for
//! themselves included, at most 8 x 256 bytes for each source item of a cross block.

pub mod bridges;
pub mod content;
pub mod item_scores;
pub mod items;
pub mod look_alikes;
pub mod manifest;
pub mod mixtures;
pub mod scoring;
pub mod sections;
pub mod segments;
pub mod topics;
pub mod young_items;

pub(crate) mod factor_table;
pub(crate) mod own_evidence;
pub(crate) mod sparse_tables;
mod tensors;

use std::collections::BTreeMap;

use bytes::Bytes;
use jiff::Timestamp;
use ndarray::ArrayView2;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use bridges::{BridgeKind, Bridges};
use content::{DomainContent, Reconstruction};
use scoring::Estimate;

use crate::entities::ids::{DomainId, ModelId, TrainingRunId};
use crate::evidence::ageing::NewestEvidence;
use crate::evidence::inputs::InputDistribution;
use crate::evidence::items::{DomainRows, ItemIndex, Row, Weighted};
use crate::evidence::scaling::EvidenceScaling;
use crate::maths::als::AlsParams;
use crate::maths::fold_in::UnobservedItems;

pub use manifest::{Manifest, decode_manifest};
pub use sections::Sections;

/// Why an artefact is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ModelError {
    /// Content and address differ: torn, truncated or changed.
    #[error("{0} does not match its checksum")]
    Checksum(&'static str),
    /// It was made by another version of the layout.
    #[error(
        "model format {0} is not one that this version reads ({oldest} to {newest}): train a new \
         model, or serve this one with the version that made it",
        oldest = manifest::OLDEST_FORMAT,
        newest = manifest::FORMAT
    )]
    Format(u32),
    /// It cannot be read.
    #[error("the model cannot be read: {0}")]
    Malformed(String),
}

pub(crate) fn malformed(why: impl ToString) -> ModelError {
    ModelError::Malformed(why.to_string())
}

fn sha256_hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(&Sha256::digest(bytes))
}

/// What a model is made from, and how.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Provenance {
    /// Hyper-parameters of the fit.
    pub params: AlsParams,
    /// What counts as unobserved at fold-in.
    pub unobserved_items: UnobservedItems,
    /// How evidence was weighed, other than the domains' definitions say.
    pub evidence: EvidenceScaling,
    /// The run that made it.
    pub training_run: TrainingRunId,
    /// The instant as of which consent was judged.
    pub created_at: Timestamp,
    /// Events it was made from, after cleaning.
    pub events: u64,
    /// As [`Manifest::erasures`].
    #[serde(default)]
    pub erasures: u64,
    /// As [`Manifest::deletions`].
    #[serde(default)]
    pub deletions: BTreeMap<DomainId, u64>,
    /// What it was made from, to tell drift by.
    pub inputs: InputDistribution,
    /// The newest evidence of each domain, from which age was counted back.
    pub newest: NewestEvidence,
}

/// What a training run hands over to become a model.
#[derive(Debug, Clone)]
pub struct ModelParts {
    /// What it is made from, and how.
    pub provenance: Provenance,
    /// What it holds.
    pub sections: Sections,
}

/// A model as it is stored.
#[derive(Debug, Clone)]
pub struct Artefact {
    /// Its id.
    pub id: ModelId,
    /// The manifest; its key is [`manifest::manifest_key`].
    pub manifest: Bytes,
    /// The blob; its key is [`manifest::blob_key`].
    pub blob: Bytes,
    /// The report of the run that made it; its key is [`manifest::report_key`].
    pub report: Bytes,
}

/// The oldest layout whose programs serve what these sections hold.
fn format_of(sections: &Sections) -> u32 {
    let tables = &sections.tables;
    let reconstructed = |content: &DomainContent| content.reconstruction == Reconstruction::FromAll;
    if !tables.young_items().is_empty() || sections.content.values().any(reconstructed) {
        return manifest::FORMAT;
    }
    let needs_more = tables.mixtures().have_sequences()
        || tables.bridges().has(BridgeKind::Text)
        || sections.segments.have_tastes();
    if needs_more { manifest::FORMAT_WITHOUT_YOUNG } else { manifest::FORMAT_WITHOUT_ANY }
}

impl Artefact {
    /// Encodes a model with the report of the run that made it.
    ///
    /// # Errors
    /// [`ModelError::Malformed`] when the parts do not fit together.
    pub fn encode(parts: &ModelParts, report: Bytes) -> Result<Self, ModelError> {
        let ModelParts { provenance, sections } = parts;
        let (headers, blob) = sections.write()?;
        let manifest = Manifest {
            format: format_of(sections),
            created_at: provenance.created_at,
            training_run: provenance.training_run.clone(),
            events: provenance.events,
            erasures: provenance.erasures,
            deletions: provenance.deletions.clone(),
            options: *provenance.params.options(),
            unobserved_items: provenance.unobserved_items,
            evidence: provenance.evidence.clone(),
            domains: headers.domains,
            bridges: headers.bridges,
            priors: headers.priors,
            domain_factors: headers.domain_factors,
            look_alikes: headers.look_alikes,
            mixtures: headers.mixtures,
            by_popularity: headers.by_popularity,
            segments: headers.segments,
            topics: headers.topics,
            texts: headers.texts,
            blob: manifest::ContentReference::of(&blob),
            inputs: provenance.inputs.clone(),
            newest_evidence: provenance.newest.clone(),
            report: Some(manifest::ContentReference::of(&report)),
        };
        let manifest = serde_json::to_vec_pretty(&manifest).map_err(malformed)?;
        let id = ModelId::parse(&sha256_hex(&manifest)).map_err(malformed)?;
        Ok(Self { id, manifest: manifest.into(), blob: blob.into(), report })
    }

    /// Decodes it as a reader would.
    ///
    /// # Errors
    /// [`ModelError`] naming what is wrong with it.
    pub fn verify(&self) -> Result<Model, ModelError> {
        let manifest = decode_manifest(&self.id, &self.manifest)?;
        if !manifest.report.as_ref().is_some_and(|report| report.names(&self.report)) {
            return Err(ModelError::Checksum("the report"));
        }
        Model::decode(self.id.clone(), manifest, &self.blob)
    }
}

/// A verified model, ready to serve.
#[derive(Debug, Clone)]
pub struct Model {
    id: ModelId,
    manifest: Manifest,
    sections: Sections,
}

impl Model {
    /// Reads a model from its manifest and blob, and verifies both: checksums,
    /// shapes, order of items, finite numbers.
    ///
    /// # Errors
    /// [`ModelError`] naming what is wrong; nothing of it can be served then.
    pub fn decode(id: ModelId, manifest: Manifest, blob: &[u8]) -> Result<Self, ModelError> {
        if !manifest.blob.names(blob) {
            return Err(ModelError::Checksum("the blob"));
        }
        let sections = Sections::read(&manifest, blob)?;
        Ok(Self { id, manifest, sections })
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> &ModelId {
        &self.id
    }

    /// What it is made of.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// What it holds.
    #[must_use]
    pub fn sections(&self) -> &Sections {
        &self.sections
    }

    /// Its items, by row.
    #[must_use]
    pub fn index(&self) -> &ItemIndex {
        &self.sections.index
    }

    /// Item factors, one row for each item.
    #[must_use]
    pub fn item_factors(&self) -> ArrayView2<'_, f32> {
        self.sections.tables.item_factors()
    }

    /// The bridges between domains.
    #[must_use]
    pub fn bridges(&self) -> &Bridges {
        self.sections.tables.bridges()
    }

    /// See [`Sections::popularity`].
    ///
    /// # Panics
    /// When the model has no such row.
    #[must_use]
    pub fn popularity(&self, row: Row) -> f32 {
        self.sections.popularity(row)
    }

    /// See [`Sections::rows`].
    #[must_use]
    pub fn rows(&self, domain: &DomainId) -> Option<&DomainRows> {
        self.sections.rows(domain)
    }

    /// See [`Sections::estimate`].
    #[must_use]
    pub fn estimate(&self, target: &DomainId, interactions: &[Weighted]) -> Option<Estimate<'_>> {
        self.sections.estimate(target, interactions)
    }

    /// See [`scoring::ScoringTables::estimate_of`].
    #[must_use]
    pub fn estimate_of(
        &self,
        target: &DomainId,
        interactions: &[Weighted],
        wanted: item_scores::Wanted,
    ) -> Option<Estimate<'_>> {
        self.sections.tables.estimate_of(target, interactions, wanted)
    }

    /// See [`scoring::ScoringTables::prior`].
    #[must_use]
    pub fn prior(&self, target: &DomainId, interactions: &[Weighted]) -> Option<Estimate<'_>> {
        self.sections.prior(target, interactions)
    }
}

#[cfg(test)]
pub(crate) mod tests {

    use std::sync::Arc;

    use ndarray::{Array1, Array2};
    use proptest::prelude::*;

    use super::bridges::cross_block::CrossBlock;
    use super::bridges::joint::JointFoldIn;
    use super::bridges::mapping::LinearMap;
    use super::bridges::own_factors::OwnFactors;
    use super::bridges::pair::PairFoldIn;
    use super::bridges::text::TextLikeness;
    use super::bridges::two_block::{Coefficients, TwoBlock};
    use super::bridges::{Bridge, Carrier, Direction, ServedCarrier};
    use super::look_alikes::LookAlikes;
    use super::manifest::ContentReference;
    use super::mixtures::item_item::{ItemItem, ItemItemMethod};
    use super::mixtures::sequence::SequenceMethod;
    use super::mixtures::sequence::tests::{method, sequence};
    use super::mixtures::{Mixture, Mixtures, Ranker, RankerKind};
    use super::scoring::{ScoringTables, TableParts};
    use super::segments::{DomainSegments, Feature, FeatureKind, Habit, ItemTraits, Segment};
    use super::*;
    use crate::entities::ids::ItemId;
    use crate::evidence::item_vectors::VectorSource;
    use crate::evidence::items::ItemKey;
    use crate::evidence::popularity::PeopleOfDomain;
    use crate::maths::als::AlsOptions;
    use crate::maths::item_item::ease::EaseOptions;
    use crate::maths::item_item::next_item::NextItemOptions;
    use crate::maths::sequence::SequenceOptions;
    use crate::maths::sparse::SparseRows;
    use crate::maths::weighted_ridge::WeightedRidge;
    use crate::model::content::{Content, DomainContent, Reconstruction, StandIns};
    use crate::model::young_items::YoungItem;

    fn key(domain: &str, item: &str) -> ItemKey {
        (DomainId::parse(domain).unwrap(), ItemId::parse(item).unwrap())
    }

    fn provenance() -> Provenance {
        Provenance {
            params: AlsOptions { factors: 4, ..AlsOptions::default() }.check().unwrap(),
            unobserved_items: UnobservedItems::default(),
            evidence: EvidenceScaling::default(),
            training_run: TrainingRunId::parse("run").unwrap(),
            created_at: Timestamp::UNIX_EPOCH,
            events: 9,
            erasures: 0,
            deletions: BTreeMap::new(),
            inputs: InputDistribution::default(),
            newest: NewestEvidence::default(),
        }
    }

    fn table_parts(index: &ItemIndex) -> TableParts {
        TableParts {
            ranges: index.ranges().clone(),
            params: provenance().params,
            unobserved: UnobservedItems::default(),
            item_factors: Array2::from_shape_fn((index.len(), 4), |(i, j)| {
                (i as f32 - j as f32) / 3.0
            }),
            domain_factors: None,
            bridges: Bridges::none(),
            mixtures: Mixtures::none(),
            look_alikes: LookAlikes::default(),
            by_popularity: Default::default(),
            young_items: Default::default(),
        }
    }

    pub(crate) fn parts() -> ModelParts {
        let index = ItemIndex::new(
            [key("knowledge", "k1"), key("knowledge", "课2"), key("auto", "a1")].into(),
        );
        let sections = Sections {
            popularity: vec![0.5, 0.25, 1.0],
            people: [(
                DomainId::parse("knowledge").unwrap(),
                PeopleOfDomain { count: 4, weight: Some(2.5) },
            )]
            .into(),
            tables: ScoringTables::new(table_parts(&index)).unwrap(),
            segments: Default::default(),
            topics: Default::default(),
            content: Content::new(),
            index,
        };
        ModelParts { provenance: provenance(), sections }
    }

    /// A model of one table of factors, read back as it is stored.
    pub(crate) fn model_of(
        index: ItemIndex,
        options: AlsOptions,
        item_factors: Array2<f32>,
        popularity: Vec<f32>,
        bridges: Bridges,
    ) -> Model {
        let params = options.check().unwrap();
        let tables = TableParts { params, item_factors, bridges, ..table_parts(&index) };
        let sections = Sections {
            popularity,
            people: BTreeMap::new(),
            tables: ScoringTables::new(tables).unwrap(),
            segments: Default::default(),
            topics: Default::default(),
            content: Content::new(),
            index,
        };
        let provenance = Provenance { params, ..provenance() };
        encode(&ModelParts { provenance, sections }).verify().unwrap()
    }

    /// The same model with changed sections, read back as it is stored.
    pub(crate) fn with_sections(model: &Model, change: impl FnOnce(&mut Sections)) -> Model {
        let params = model.manifest().options.check().unwrap();
        let unobserved_items = model.manifest().unobserved_items;
        let mut sections = model.sections().clone();
        change(&mut sections);
        let provenance = Provenance { params, unobserved_items, ..provenance() };
        encode(&ModelParts { provenance, sections }).verify().unwrap()
    }

    /// The same model with a section of content, read back as it is stored.
    pub(crate) fn with_content(model: &Model, content: content::Content) -> Model {
        let model = with_sections(model, |sections| sections.content = content.clone());
        assert_eq!(model.sections().content, content);
        model
    }

    /// The same model with how a domain's items are ranked, read back as it is stored.
    pub(crate) fn with_mixture(model: &Model, domain: &DomainId, mixture: Mixture) -> Model {
        let params = model.manifest().options.check().unwrap();
        let rows = model.rows(domain).unwrap();
        let tables = model.sections().tables.with_mixture(rows, mixture).unwrap();
        let sections = Sections { tables, ..model.sections().clone() };
        let provenance = Provenance { params, ..provenance() };
        encode(&ModelParts { provenance, sections }).verify().unwrap()
    }

    /// A report that nobody reads.
    pub(crate) fn encode(parts: &ModelParts) -> Artefact {
        Artefact::encode(parts, Bytes::from_static(b"{}")).unwrap()
    }

    /// A mixture of rankers of every kind, for a domain of items that are so popular.
    pub(crate) fn mixture(popularity: Vec<f32>) -> Mixture {
        let rows = (0..popularity.len() as u32).map(|past| {
            let others = (0..popularity.len() as u32).filter(|item| *item != past);
            others.map(|item| (item, 0.5 + past as f32 - item as f32 / 3.0)).collect()
        });
        let weights = SparseRows::from_rows(popularity.len(), rows);
        let method = ItemItemMethod::Ease(EaseOptions::default().check().unwrap());
        let ordered = ItemItemMethod::NextItem(NextItemOptions::default().check().unwrap());
        let sequence = sequence(popularity.len());
        Mixture {
            rankers: vec![
                Ranker::Factors,
                Ranker::Popularity(popularity.clone()),
                Ranker::ItemItem(ItemItem::new(method, weights.clone())),
                Ranker::ItemItem(ItemItem::new(ordered, weights)),
                Ranker::RecentPopularity(popularity.into_iter().rev().collect()),
                Ranker::Sequence(sequence),
            ],
            shares: [
                vec![0.25, 0.25, 0.25, 0.125, 0.0625, 0.0625],
                vec![0.5, 0.0, 0.5, 0.0, 0.0, 0.0],
                vec![0.0, 0.0, 0.25, 0.25, 0.0, 0.5],
            ],
            unit: 0.25,
        }
    }

    /// The same with a bridge of every kind, items that look alike, and a mixture.
    pub(crate) fn bridged_parts() -> ModelParts {
        let direction = |from: &str, to: &str| Direction {
            from: DomainId::parse(from).unwrap(),
            to: DomainId::parse(to).unwrap(),
        };
        let items = [("auto", "a1"), ("knowledge", "k1"), ("knowledge", "k2"), ("travel", "t1")];
        let index = ItemIndex::new(items.map(|(domain, item)| key(domain, item)).into());
        let mut bridges = Bridges::none();
        let mut add = |from, to, carrier| {
            bridges.insert(direction(from, to), Bridge { lift: 0.25, carrier });
        };
        add("auto", "knowledge", Carrier::Joint(JointFoldIn { source_weight: 0.5 }));
        let likeness = TextLikeness::new(SparseRows::from_rows(1, [vec![(0, 0.25)]]), vec![0.5]);
        add("auto", "travel", Carrier::Text(Arc::new(likeness)));
        let map = Array2::from_shape_fn((4, 4), |(i, j)| (i * 4 + j) as f32 / 16.0);
        add("knowledge", "auto", Carrier::Mapping(LinearMap::new(map)));
        let block = SparseRows::from_rows(1, [vec![(0, 0.5)], vec![]]);
        add("knowledge", "travel", Carrier::CrossBlock(CrossBlock::new(block)));
        let own = |source, target| {
            let options = AlsOptions { factors: 3, unobserved_weight: 0.02, ..Default::default() };
            let table = |rows| Array2::from_shape_fn((rows, 3), |(i, j)| (i * 3 + j) as f32 / 9.0);
            OwnFactors::new(options.check().unwrap(), table(source), table(target))
        };
        add("travel", "auto", Carrier::Pair(Arc::new(PairFoldIn::new(own(1, 1), 2.0))));
        let coefficients = Coefficients {
            mean: Array1::from_elem(3, 0.5),
            by_item: Array2::from_elem((1, 3), 0.25),
            by_factor: Array2::from_elem((3, 3), -0.75),
        };
        let two_block = TwoBlock::new(own(1, 2), coefficients);
        add("travel", "knowledge", Carrier::TwoBlock(Arc::new(two_block)));
        let mut mixtures = Mixtures::none();
        let knowledge = DomainId::parse("knowledge").unwrap();
        mixtures.insert(knowledge, mixture(vec![0.5; 2]));
        let stand_ins = StandIns::new(vec![(Row(3), 0.5)], true);
        let young = YoungItem { own: 0.25, by_text: 0.75, stand_ins };
        let map = WeightedRidge {
            mean: Array1::from_elem(2, 0.5),
            centre: Array1::from_elem(5, 0.25),
            map: Array2::from_elem((2, 5), -0.5),
        };
        let content = DomainContent {
            source: VectorSource::default(),
            artefact: None,
            map,
            by_popularity: true,
            reconstruction: Reconstruction::FromAll,
        };
        let tables = TableParts {
            domain_factors: Some(Array2::from_shape_fn((4, 4), |(i, j)| (i + j) as f32 / 7.0)),
            bridges,
            mixtures,
            look_alikes: LookAlikes::new([(Row(0), Row(1)), (Row(2), Row(3))]),
            young_items: [(Row(3), young)].into_iter().collect(),
            by_popularity: [DomainId::parse("travel").unwrap()].into(),
            ..table_parts(&index)
        };
        let sections = Sections {
            popularity: vec![0.5; 4],
            tables: ScoringTables::new(tables).unwrap(),
            content: [(DomainId::parse("travel").unwrap(), content)].into(),
            index,
            ..parts().sections
        };
        ModelParts { sections, ..parts() }
    }

    #[test]
    fn a_model_survives_its_encoding() {
        for parts in [parts(), bridged_parts()] {
            let artefact = encode(&parts);
            let model = artefact.verify().unwrap();
            let (read, written) = (model.sections(), &parts.sections);
            assert_eq!(read.index, written.index);
            assert_eq!(read.popularity, written.popularity);
            assert_eq!(model.item_factors(), written.tables.item_factors());
            assert_eq!(read.tables.domain_factors(), written.tables.domain_factors());
            assert_eq!(model.bridges(), written.tables.bridges());
            assert_eq!(read.tables.look_alikes(), written.tables.look_alikes());
            assert_eq!(read.tables.by_popularity(), written.tables.by_popularity());
            assert_eq!(read.tables.mixtures(), written.tables.mixtures());
            assert_eq!(read.tables.young_items(), written.tables.young_items());
            assert_eq!(read.content, written.content);
            assert_eq!(model.manifest().events, 9);
            assert_eq!(encode(&parts).id, artefact.id);
        }
    }

    #[test]
    fn a_model_has_the_newest_format_only_where_earlier_programs_would_not_know_what_is_in_it() {
        let with = encode(&bridged_parts()).verify().unwrap();
        assert_eq!(with.manifest().format, manifest::FORMAT);
        let without = encode(&parts()).verify().unwrap();
        assert_eq!(without.manifest().format, manifest::FORMAT_WITHOUT_ANY);
        let domain = DomainId::parse("knowledge").unwrap();
        let by = |kind| DomainSegments {
            features: vec![Feature { kind, mean: 0.5, scale: 2.0 }],
            segments: vec![Segment { id: 0, share: 1.0, centroid: vec![0.0], facts: vec![] }],
            next_id: 1,
            newest: Timestamp::UNIX_EPOCH,
            people: 30,
        };
        let told_apart_by = |kind| {
            with_sections(&without, |sections| {
                sections.segments.domains.insert(domain.clone(), by(kind));
                let rows = sections.index.len();
                let taste = [1, -127, 127, 0, 5, 6, 7, -8];
                let tastes =
                    if sections.segments.have_tastes() { vec![taste; rows] } else { vec![] };
                sections.segments.traits = ItemTraits { categories: vec![0; rows], tastes };
            })
        };
        let by_taste = told_apart_by(FeatureKind::Taste(7));
        assert_eq!(by_taste.manifest().format, manifest::FORMAT_WITHOUT_YOUNG);
        assert_eq!(by_taste.sections().segments.traits.tastes[1], [1, -127, 127, 0, 5, 6, 7, -8]);
        let by_habit = told_apart_by(FeatureKind::Habit(Habit::Events));
        assert_eq!(by_habit.manifest().format, manifest::FORMAT_WITHOUT_ANY);
    }

    /// Decodes a bridged model one of whose tensors was changed, with a right checksum.
    fn decode_with(name: &str, change: impl Fn(&mut Vec<usize>, &mut Vec<u8>)) -> ModelError {
        let artefact = encode(&bridged_parts());
        let tensors = safetensors::SafeTensors::deserialize(&artefact.blob).unwrap();
        let changed: Vec<tensors::Tensor> = tensors
            .iter()
            .map(|(own, view)| {
                let (mut shape, mut bytes) = (view.shape().to_vec(), view.data().to_vec());
                if own == name {
                    change(&mut shape, &mut bytes);
                }
                tensors::Tensor { name: own.to_owned(), dtype: view.dtype(), shape, bytes }
            })
            .collect();
        let blob = tensors::serialise(&changed).unwrap();
        let mut manifest = decode_manifest(&artefact.id, &artefact.manifest).unwrap();
        manifest.blob = ContentReference::of(&blob);
        Model::decode(artefact.id, manifest, &blob).unwrap_err()
    }

    #[test]
    fn a_sequence_model_that_is_cut_short_or_holds_what_is_no_number_is_refused() {
        let network = "mixture_0_5_blocks.0.inner.weights";
        for name in [network, "mixture_0_5_items.embeddings", "mixture_0_5_positions"] {
            let cut = decode_with(name, |shape, bytes| {
                shape[0] -= 1;
                bytes.truncate(shape.iter().product::<usize>() * 4);
            });
            assert!(matches!(cut, ModelError::Malformed(_)), "{name}: {cut}");
            let not_a_number = decode_with(name, |_, bytes| {
                bytes[..4].copy_from_slice(&f32::NAN.to_le_bytes());
            });
            assert!(matches!(not_a_number, ModelError::Malformed(_)), "{name}: {not_a_number}");
        }
        let more = decode_with("mixture_0_5_items.known", |_, bytes| {
            bytes[..4].copy_from_slice(&0.5f32.to_le_bytes());
        });
        assert!(more.to_string().contains("known"), "{more}");
    }

    /// Decodes a bridged model whose manifest was changed, with a right checksum.
    fn decode_changed(change: impl Fn(&mut Manifest)) -> Result<Model, ModelError> {
        let artefact = encode(&bridged_parts());
        let mut manifest = decode_manifest(&artefact.id, &artefact.manifest).unwrap();
        change(&mut manifest);
        Model::decode(artefact.id, manifest, &artefact.blob)
    }

    #[test]
    fn a_bridge_or_a_mixture_that_does_not_fit_is_refused() {
        decode_changed(|_| ()).unwrap();
        let changes: [fn(&mut Manifest); 21] = [
            |m| m.mixtures[0].domain = DomainId::parse("elsewhere").unwrap(),
            |m| m.mixtures[0].shares[1] = vec![0.5, 0.75, 0.5, 0.0, 0.0, 0.0],
            |m| m.mixtures[0].shares[1] = vec![1.5, -0.5, 0.0, 0.0, 0.0, 0.0],
            |m| m.mixtures[0].unit = f32::NAN,
            |m| m.mixtures[0].rankers.truncate(2),
            |m| m.mixtures[0].rankers = vec![RankerKind::Factors; 10],
            |m| m.mixtures[0].rankers[4] = RankerKind::Sequence { method: method() },
            |m| {
                let options = SequenceOptions { length: 9, ..*method().params.options() };
                let method = SequenceMethod { params: options.check().unwrap(), ..method() };
                m.mixtures[0].rankers[5] = RankerKind::Sequence { method };
            },
            |m| m.by_popularity = [DomainId::parse("elsewhere").unwrap()].into(),
            |m| m.domain_factors = false,
            |m| m.look_alikes = 1,
            |m| m.bridges.reverse(),
            |m| m.bridges[0].carrier = ServedCarrier::Joint { source_weight: -1.0 },
            |m| m.bridges[0].carrier = ServedCarrier::Mapping,
            |m| m.bridges[1].carrier = ServedCarrier::Text { entries: 2 },
            |m| m.bridges[3].carrier = ServedCarrier::CrossBlock { entries: 2 },
            |m| m.bridges[0].direction.from = DomainId::parse("elsewhere").unwrap(),
            |m| m.bridges[1].lift = f64::NAN,
            |m| {
                let options = AlsOptions { factors: 3, ..AlsOptions::default() };
                m.bridges[4].carrier = ServedCarrier::Pair { options, source_weight: 0.0 };
            },
            |m| {
                let options = AlsOptions { factors: 4, ..AlsOptions::default() };
                m.bridges[5].carrier = ServedCarrier::TwoBlock { options };
            },
            |m| {
                let options = AlsOptions { factors: 0, ..AlsOptions::default() };
                m.bridges[5].carrier = ServedCarrier::TwoBlock { options };
            },
        ];
        for (number, change) in changes.into_iter().enumerate() {
            let refused = decode_changed(change);
            assert!(matches!(refused, Err(ModelError::Malformed(_))), "change {number}");
        }
    }

    #[test]
    fn what_is_tried_is_stored_and_refused_where_it_does_not_fit() {
        let direction = |from: &str, to: &str| Direction {
            from: DomainId::parse(from).unwrap(),
            to: DomainId::parse(to).unwrap(),
        };
        let likeness = |weight: f32| {
            let weights = SparseRows::from_rows(1, [vec![(0, weight)]]);
            Arc::new(TextLikeness::new(weights, vec![0.5]))
        };
        let model = |priors: BTreeMap<Direction, Arc<TextLikeness>>| {
            let items = [("auto", "a1"), ("travel", "t1")];
            let index = ItemIndex::new(items.map(|(domain, item)| key(domain, item)).into());
            let bridges = Bridges::none().with_priors(priors);
            let tables = TableParts { bridges, ..table_parts(&index) };
            let sections = Sections {
                popularity: vec![0.5; 2],
                tables: ScoringTables::new(tables).unwrap(),
                index,
                ..parts().sections
            };
            encode(&ModelParts { sections, ..parts() })
        };
        let both = [
            (direction("auto", "travel"), likeness(0.25)),
            (direction("travel", "auto"), likeness(0.75)),
        ];
        let artefact = model(both.clone().into());
        let decoded = artefact.verify().unwrap();
        let stored: Vec<_> = decoded.bridges().priors().collect();
        assert_eq!(stored, both.iter().map(|(at, of)| (at, &**of)).collect::<Vec<_>>());
        assert_eq!(decoded.bridges().iter().count(), 0);
        let changes: [fn(&mut Manifest); 4] = [
            |m| m.priors.reverse(),
            |m| m.priors[0].entries = 2,
            |m| m.priors[0].direction.from = DomainId::parse("elsewhere").unwrap(),
            |m| m.priors[0].direction.to = m.priors[0].direction.from.clone(),
        ];
        for (number, change) in changes.into_iter().enumerate() {
            let mut manifest = decode_manifest(&artefact.id, &artefact.manifest).unwrap();
            change(&mut manifest);
            let refused = Model::decode(artefact.id.clone(), manifest, &artefact.blob);
            assert!(matches!(refused, Err(ModelError::Malformed(_))), "change {number}");
        }
    }

    proptest! {
        #[test]
        fn a_changed_or_cut_byte_anywhere_is_refused(at in any::<prop::sample::Index>(), flip in 1u8..) {
            let whole = encode(&parts());
            let changed = |bytes: &Bytes| {
                let mut bytes = bytes.to_vec();
                let at = at.index(bytes.len());
                bytes[at] ^= flip;
                Bytes::from(bytes)
            };
            let refused = |artefact: Artefact| artefact.verify().unwrap_err();
            let blob = changed(&whole.blob);
            prop_assert_eq!(
                refused(Artefact { blob, ..whole.clone() }), ModelError::Checksum("the blob"));
            let blob = whole.blob.slice(..at.index(whole.blob.len()));
            prop_assert_eq!(
                refused(Artefact { blob, ..whole.clone() }), ModelError::Checksum("the blob"));
            let report = changed(&whole.report);
            prop_assert_eq!(
                refused(Artefact { report, ..whole.clone() }), ModelError::Checksum("the report"));
            let manifest = changed(&whole.manifest);
            prop_assert_eq!(
                refused(Artefact { manifest, ..whole }), ModelError::Checksum("the manifest"));
        }

        #[test]
        fn no_blob_makes_the_decoder_panic_even_with_a_right_checksum(
            cut in any::<prop::sample::Index>(), noise in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8),
        ) {
            let artefact = encode(&bridged_parts());
            let mut blob = artefact.blob.to_vec();
            for (at, value) in noise {
                let at = at.index(blob.len());
                blob[at] = value;
            }
            blob.truncate(cut.index(blob.len()) + 1);
            let mut manifest = decode_manifest(&artefact.id, &artefact.manifest).unwrap();
            manifest.blob = ContentReference::of(&blob);
            if let Ok(model) = Model::decode(artefact.id, manifest, &blob) {
                prop_assert!(model.item_factors().iter().all(|value| value.is_finite()));
            }
        }
    }
}
