//! Small models for tests.

use bytes::Bytes;
use crossfold_core::entities::ids::{DomainId, ItemId, ModelId, TrainingRunId};
use crossfold_core::entities::ports::{ObjectStore, PutCondition};
use crossfold_core::evidence::inputs::InputDistribution;
use crossfold_core::evidence::item_vectors::VectorSource;
use crossfold_core::evidence::items::ItemIndex;
use crossfold_core::evidence::popularity::PeopleOfDomain;
use crossfold_core::evidence::scaling::EvidenceScaling;
use crossfold_core::maths::als::AlsOptions;
use crossfold_core::maths::fold_in::UnobservedItems;
use crossfold_core::maths::weighted_ridge::{Examples, WeightedRidge};
use crossfold_core::model::bridges::joint::JointFoldIn;
use crossfold_core::model::bridges::{Bridge, Bridges, Carrier, Direction};
use crossfold_core::model::content::{Content, DomainContent, Reconstruction};
use crossfold_core::model::look_alikes::LookAlikes;
use crossfold_core::model::manifest::{blob_key, manifest_key};
use crossfold_core::model::mixtures::Mixtures;
use crossfold_core::model::scoring::{ScoringTables, TableParts};
use crossfold_core::model::segments::{
    DomainSegments, Fact, Feature, FeatureKind, ItemTraits, Segment, Segments,
};
use crossfold_core::model::{Artefact, ModelParts, Provenance, Sections, decode_manifest};
use crossfold_core::release::champion::{POINTER_KEY, Pointer};
use crossfold_text::TextEncoder;
use jiff::Timestamp;
use ndarray::Array2;

/// A model of the items `i` and `new` in each domain, whose factors are a multiple of one
/// value, with a joint bridge from each domain to each other.
pub(crate) fn uniform_model(domains: &[&str], value: f32) -> Artefact {
    let domains: Vec<DomainId> = domains.iter().map(|d| DomainId::parse(d).unwrap()).collect();
    let items = ["i", "new"].map(|item| ItemId::parse(item).unwrap());
    let of_domain = |domain: &DomainId| items.clone().map(|item| (domain.clone(), item));
    let index = ItemIndex::new(domains.iter().flat_map(of_domain).collect());
    let mut bridges = Bridges::none();
    for (from, to) in domains.iter().flat_map(|from| domains.iter().map(move |to| (from, to))) {
        if from != to {
            let direction = Direction { from: from.clone(), to: to.clone() };
            let carrier = Carrier::Joint(JointFoldIn { source_weight: 1.0 });
            bridges.insert(direction, Bridge { lift: 0.1, carrier });
        }
    }
    // The later in the order of ids, the higher: evidence moves a slate.
    let factors = Array2::from_shape_fn((index.len(), 2), |(row, _)| value * (row + 1) as f32);
    model_of(index, factors, (bridges, Content::new(), Segments::default()))
}

/// A model of items of a domain, each of a category, whose people are told apart by how much they
/// like of the first of these: two segments, those who like nothing else first.
pub(crate) fn segmented_model(items: &[(&str, &str)], segments: [(u32, Vec<Fact>); 2]) -> Artefact {
    let domain = DomainId::parse("learn").unwrap();
    let key = |name: &str| (domain.clone(), ItemId::parse(name).unwrap());
    let index = ItemIndex::new(items.iter().map(|(id, _)| key(id)).collect());
    let first = items[0].1;
    let mut categories = vec![u32::MAX; index.len()];
    for (id, _) in items.iter().filter(|(_, category)| *category == first) {
        categories[index.row(&key(id)).unwrap().index()] = 0;
    }
    let kind = FeatureKind::Category(first.to_owned());
    let mut centroid = 0.5;
    let segment = |(id, facts)| {
        let here = vec![centroid];
        centroid -= 1.0;
        Segment { id, share: 0.5, centroid: here, facts }
    };
    let of_domain = DomainSegments {
        features: vec![Feature { kind, mean: 0.5, scale: 1.0 }],
        segments: segments.into_iter().map(segment).collect(),
        next_id: 100,
        newest: Timestamp::UNIX_EPOCH,
        people: 50,
    };
    let segments = Segments {
        domains: [(domain, of_domain)].into(),
        traits: ItemTraits { categories, tastes: Vec::new() },
    };
    let factors = Array2::from_elem((index.len(), 2), 0.5);
    model_of(index, factors, (Bridges::none(), Content::new(), segments))
}

/// What encodes texts, and its own artefact where the model is to hold it.
pub(crate) type Encoder<'a> = (&'a dyn TextEncoder, Option<Bytes>);

/// A model of items of `knowledge`, each with its title and its taste, 0 or 1, whose new items
/// are ranked by what an encoder makes of their titles.
pub(crate) fn described_model(items: &[(&str, &str, usize)], encoder: Encoder<'_>) -> Artefact {
    let (encoder, artefact) = encoder;
    let domain = DomainId::parse("knowledge").unwrap();
    let key = |name: &str| (domain.clone(), ItemId::parse(name).unwrap());
    let index = ItemIndex::new(items.iter().map(|(id, ..)| key(id)).collect());
    let mut factors = Array2::zeros((items.len(), 2));
    // Factors, and popularity in their unit: all are as popular as can be.
    let mut targets = Array2::from_elem((items.len(), 3), 0.5f32.sqrt());
    let mut texts = vec![""; items.len()];
    for (id, title, taste) in items {
        let row = index.row(&key(id)).unwrap().index();
        texts[row] = title;
        for factor in 0..2 {
            factors[[row, factor]] = f32::from(u8::from(factor == *taste));
            targets[[row, factor]] = factors[[row, factor]];
        }
    }
    let (vectors, weights) = (encoder.encode(&texts), ndarray::Array1::ones(items.len()));
    let examples =
        Examples { inputs: vectors.view(), targets: targets.view(), weights: weights.view() };
    let map = WeightedRidge::fit(&examples, 0.01).unwrap();
    let identity = encoder.identity();
    let source = VectorSource {
        name: identity.name.clone(),
        version: identity.version.clone(),
        sha256: identity.sha256.clone(),
    };
    let reconstruction = Reconstruction::FromAll;
    let content = DomainContent { source, artefact, map, by_popularity: false, reconstruction };
    let content = [(domain, content)].into();
    model_of(index, factors, (Bridges::none(), content, Segments::default()))
}

fn model_of(
    index: ItemIndex,
    item_factors: Array2<f32>,
    (bridges, content, segments): (Bridges, Content, Segments),
) -> Artefact {
    let params = AlsOptions { factors: 2, ..AlsOptions::default() }.check().unwrap();
    let tables = TableParts {
        ranges: index.ranges().clone(),
        params,
        unobserved: UnobservedItems::default(),
        item_factors,
        domain_factors: None,
        bridges,
        mixtures: Mixtures::none(),
        look_alikes: LookAlikes::default(),
        by_popularity: Default::default(),
        young_items: Default::default(),
    };
    let of_fifty = PeopleOfDomain { count: 50, weight: Some(50.0) };
    let sections = Sections {
        popularity: vec![1.0; index.len()],
        people: index.ranges().keys().map(|domain| (domain.clone(), of_fifty)).collect(),
        tables: ScoringTables::new(tables).unwrap(),
        segments,
        topics: Default::default(),
        content,
        index,
    };
    let provenance = Provenance {
        params,
        unobserved_items: UnobservedItems::default(),
        evidence: EvidenceScaling::default(),
        training_run: TrainingRunId::parse("run").unwrap(),
        created_at: Timestamp::UNIX_EPOCH,
        events: 0,
        erasures: 0,
        deletions: Default::default(),
        inputs: InputDistribution::default(),
        newest: Default::default(),
    };
    Artefact::encode(&ModelParts { provenance, sections }, Bytes::from_static(b"{}")).unwrap()
}

/// Where a model's blob is stored.
pub(crate) fn blob_key_of(id: &ModelId, manifest: &[u8]) -> String {
    blob_key(&decode_manifest(id, manifest).unwrap().blob.sha256)
}

/// Stores a model and points to it.
pub(crate) async fn publish(
    objects: &dyn ObjectStore,
    artefact: Artefact,
    previous: Option<ModelId>,
) -> ModelId {
    let pointer = Pointer {
        model: Some(artefact.id.clone()),
        previous,
        promoted_at: Timestamp::UNIX_EPOCH,
        history: Vec::new(),
        retiring: Vec::new(),
        erasures: 0,
    };
    let pointer = Bytes::from(serde_json::to_vec(&pointer).unwrap());
    let objects_to_put = [
        (blob_key_of(&artefact.id, &artefact.manifest), artefact.blob),
        (manifest_key(&artefact.id), artefact.manifest),
        (POINTER_KEY.to_owned(), pointer),
    ];
    for (key, bytes) in objects_to_put {
        objects.put(&key, bytes, PutCondition::None).await.unwrap();
    }
    artefact.id
}
