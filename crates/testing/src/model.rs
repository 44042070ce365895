//! Models, for the tests of crates above core. (Core's own unit tests make theirs
//! from core's private fixture: see the crate's documentation for why.)

use crossfold_core::evidence::items::ItemIndex;
use crossfold_core::maths::als::AlsOptions;
use crossfold_core::maths::fold_in::UnobservedItems;
use crossfold_core::model::bridges::Bridges;
use crossfold_core::model::{Artefact, Model, ModelParts, decode_manifest};
use jiff::Timestamp;
use ndarray::Array2;

use crate::ids::{domain, item_key, run};

/// Factors of [`model_parts`].
pub const FACTORS: usize = 3;

/// Two items of `auto` and three of `knowledge`, some with ids beyond ASCII; small
/// factors, popularity from 0 to 1, no bridge between the domains.
///
/// # Panics
/// Never: the parts are fixed.
#[must_use]
pub fn model_parts() -> ModelParts {
    let items = [
        item_key("auto", "a1"),
        item_key("auto", "车2"),
        item_key("knowledge", "k1"),
        item_key("knowledge", "k2"),
        item_key("knowledge", "课3"),
    ];
    let factors = |(row, column)| (row as f32 - column as f32) / 3.0;
    ModelParts {
        item_factors: Array2::from_shape_fn((items.len(), FACTORS), factors),
        index: ItemIndex::new(items.into()),
        popularity: vec![0.5, 0.25, 1.0, 0.0, 0.125],
        people: [(domain("knowledge"), 4)].into(),
        options: AlsOptions { factors: FACTORS, ..AlsOptions::default() },
        unobserved_items: UnobservedItems::All,
        evidence: Default::default(),
        training_run: run("run"),
        created_at: Timestamp::UNIX_EPOCH,
        inputs: Default::default(),
        domain_factors: None,
        bridges: Bridges::none(),
        twins: Default::default(),
        report: Default::default(),
    }
}

/// The model that these parts make, as it is stored.
///
/// # Panics
/// When the parts do not fit together.
#[must_use]
pub fn artefact(parts: ModelParts) -> Artefact {
    Artefact::encode(parts).expect("the parts fit together")
}

/// The model that these parts make, as it is served: encoded and read back.
///
/// # Panics
/// When the parts do not fit together.
#[must_use]
pub fn model(parts: ModelParts) -> Model {
    let artefact = artefact(parts);
    let manifest = decode_manifest(&artefact.id, &artefact.manifest).expect("a manifest");
    Model::decode(artefact.id, manifest, &artefact.blob).expect("a whole model")
}
