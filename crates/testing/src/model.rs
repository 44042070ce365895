//! Models, for the tests of crates above core. (Core's own unit tests make theirs
//! from core's private fixture: see the crate's documentation for why.)

use std::collections::BTreeSet;

use bytes::Bytes;
use crossfold_core::evidence::items::{ItemIndex, ItemKey};
use crossfold_core::evidence::popularity::PeopleOfDomain;
use crossfold_core::maths::als::AlsOptions;
use crossfold_core::maths::fold_in::UnobservedItems;
use crossfold_core::model::bridges::Bridges;
use crossfold_core::model::scoring::{ScoringTables, TableParts};
use crossfold_core::model::{Artefact, Model, ModelParts, Provenance, Sections};
use jiff::Timestamp;
use ndarray::Array2;

use crate::ids::{domain, item_key, run};

/// Items of [`model_parts`].
pub const ITEMS: usize = 5;
/// Factors of [`model_parts`].
pub const FACTORS: usize = 3;

/// Two items of `auto` and three of `knowledge`, some with ids beyond ASCII; small
/// factors, popularity from 0 to 1, four people of `knowledge`.
///
/// # Panics
/// Never: the parts are fixed.
#[must_use]
pub fn model_parts() -> ModelParts {
    let items: [ItemKey; ITEMS] = [
        item_key("auto", "a1"),
        item_key("auto", "车2"),
        item_key("knowledge", "k1"),
        item_key("knowledge", "k2"),
        item_key("knowledge", "课3"),
    ];
    let factors = |(row, column)| (row as f32 - column as f32) / 3.0;
    let ModelParts { provenance, sections } =
        model_parts_of(items.into(), Array2::from_shape_fn((ITEMS, FACTORS), factors));
    let sections = Sections {
        popularity: vec![0.5, 0.25, 1.0, 0.0, 0.125],
        people: [(domain("knowledge"), PeopleOfDomain { count: 4, weight: Some(2.5) })].into(),
        ..sections
    };
    ModelParts { provenance, sections }
}

/// A model of these items with these factors, a row an item in order of domain and id:
/// every item popular with half of the people, no bridge between domains.
///
/// # Panics
/// When there are not as many rows as items.
#[must_use]
pub fn model_parts_of(items: BTreeSet<ItemKey>, item_factors: Array2<f32>) -> ModelParts {
    let index = ItemIndex::new(items);
    let options = AlsOptions { factors: item_factors.ncols(), ..AlsOptions::default() };
    let params = options.check().expect("options in range");
    let tables = TableParts {
        ranges: index.ranges().clone(),
        params,
        unobserved: UnobservedItems::All,
        item_factors,
        domain_factors: None,
        bridges: Bridges::none(),
        mixtures: Default::default(),
        look_alikes: Default::default(),
        by_popularity: Default::default(),
        young_items: Default::default(),
    };
    let provenance = Provenance {
        params,
        unobserved_items: UnobservedItems::All,
        evidence: Default::default(),
        training_run: run("run"),
        created_at: Timestamp::UNIX_EPOCH,
        events: 9,
        erasures: 0,
        deletions: Default::default(),
        inputs: Default::default(),
        newest: Default::default(),
    };
    let sections = Sections {
        popularity: vec![0.5; index.len()],
        people: Default::default(),
        tables: ScoringTables::new(tables).expect("tables that fit together"),
        segments: Default::default(),
        topics: Default::default(),
        content: Default::default(),
        index,
    };
    ModelParts { provenance, sections }
}

/// The model that these parts make, as it is stored, with a report that nobody reads.
///
/// # Panics
/// When the parts do not fit together.
#[must_use]
pub fn artefact(parts: &ModelParts) -> Artefact {
    Artefact::encode(parts, Bytes::from_static(b"{}")).expect("parts that fit together")
}

/// The model that these parts make, as it is served: encoded and read back.
///
/// # Panics
/// When the parts do not fit together.
#[must_use]
pub fn model(parts: &ModelParts) -> Model {
    artefact(parts).verify().expect("a whole model")
}
