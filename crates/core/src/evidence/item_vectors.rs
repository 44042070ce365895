//! Items as points in the space of a text encoder. The vectors are made outside, where encoders
//! are; here they are numbers with the name of what made them.

use std::collections::BTreeMap;

use bytes::Bytes;
use ndarray::{Array2, ArrayView1};
use serde::{Deserialize, Serialize};

use super::items::ItemKey;
use crate::entities::catalogue::ItemDetails;
use crate::entities::ids::ItemId;

/// Most items of one run whose texts are encoded: at the 2 milliseconds that a slow encoder takes
/// for one, less than a minute, and 40 MB at 512 values each.
pub const MOST_ENCODED: usize = 20_000;
/// Most items of one domain that what texts tell is learned from, those with the most evidence: 10
/// MB at 512 values each, and some seconds for the search.
pub const MOST_ENCODED_OF_A_DOMAIN: usize = 5_000;
/// The attribute in which platforms describe an item at length.
pub const DESCRIPTION: &str = "description";

/// What made vectors: those of two encoders are not comparable.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VectorSource {
    /// The encoder's name.
    pub name: String,
    /// The version of what it was made from.
    pub version: String,
    /// SHA-256 of the encoder's artefact, in hexadecimal.
    pub sha256: String,
}

/// The vectors of some items.
#[derive(Debug, Clone, PartialEq)]
pub struct ItemVectors {
    /// What made them.
    pub source: VectorSource,
    /// The encoder's artefact, where it was fitted for these items and is installed nowhere.
    pub artefact: Option<Bytes>,
    rows: BTreeMap<ItemKey, usize>,
    table: Array2<f32>,
}

/// A text encoder, as a run has one.
pub trait TextVectors: Send + Sync {
    /// The vectors of these texts. `None` where none can be made, as where no text has a word: a
    /// run goes on without.
    fn vectors_of(&self, texts: BTreeMap<ItemKey, String>) -> Option<ItemVectors>;

    /// Whether a text's vector depends on the other texts, as where the encoder is fitted to them:
    /// then those of different calls are not comparable.
    fn is_fitted(&self) -> bool;
}

/// There are not as many vectors as items.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("there are not as many vectors as items")]
pub struct NotAsMany;

impl ItemVectors {
    /// Vectors (items x values) of these items, in their order.
    ///
    /// # Errors
    /// [`NotAsMany`].
    pub fn new(
        source: VectorSource,
        items: impl IntoIterator<Item = ItemKey>,
        table: Array2<f32>,
    ) -> Result<Self, NotAsMany> {
        let rows: BTreeMap<ItemKey, usize> = items.into_iter().zip(0..).collect();
        match rows.len() == table.nrows() {
            true => Ok(Self { source, artefact: None, rows, table }),
            false => Err(NotAsMany),
        }
    }

    /// Those of both, which the same encoder made.
    #[must_use]
    pub(crate) fn and(&self, other: &Self) -> Option<Self> {
        let parts = [self.table.view(), other.table.view()];
        let table = ndarray::concatenate(ndarray::Axis(0), &parts).ok()?;
        let mut rows = self.rows.clone();
        rows.extend(other.rows.iter().map(|(item, row)| (item.clone(), row + self.rows.len())));
        let is_whole = rows.len() == table.nrows() && self.source == other.source;
        is_whole.then(|| Self { source: self.source.clone(), artefact: None, rows, table })
    }

    /// The same, of an encoder that is to be kept with the model.
    #[must_use]
    pub fn with_artefact(self, artefact: Bytes) -> Self {
        Self { artefact: Some(artefact), ..self }
    }

    /// How long vectors are.
    #[must_use]
    pub fn dimensions(&self) -> usize {
        self.table.ncols()
    }

    /// The vector of an item; `None` where there is none, or where its text says nothing to the
    /// encoder, which then gives zeros.
    #[must_use]
    pub fn of(&self, item: &ItemKey) -> Option<ArrayView1<'_, f32>> {
        let vector = self.table.row(*self.rows.get(item)?);
        vector.iter().any(|value| *value != 0.0).then_some(vector)
    }
}

/// What an item says of itself, as encoders read it: title, categories and, where it has one, the
/// attribute `description`; empty where it says nothing. No other attribute: many are codes, and
/// some are prices. A title that is the item's id is none: imports call items so that have no other.
#[must_use]
pub fn text_of(item: &ItemId, details: &ItemDetails) -> String {
    let title = Some(&details.title).filter(|title| title.as_str() != item.as_str());
    let description = details.attributes.get(DESCRIPTION);
    let parts = title.into_iter().chain(&details.categories).chain(description);
    parts.map(String::as_str).collect::<Vec<&str>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crossfold_testing::item_key;
    use ndarray::array;

    #[test]
    fn a_text_is_title_categories_and_description_and_no_price() {
        let details = ItemDetails::parse(serde_json::json!({
            "title": "First car loan", "categories": ["loans", "cars"], "price": "12.5",
            "attributes": {"description": "For beginners", "list_price": "99", "code": "x"},
        }));
        let details = details.unwrap();
        let item = crossfold_testing::item("loan-1");
        assert_eq!(text_of(&item, &details), "First car loan loans cars For beginners");
        let named = crossfold_testing::item("First car loan");
        assert_eq!(text_of(&named, &details), "loans cars For beginners", "called by its id");
        let untitled = ItemDetails { categories: vec![], attributes: [].into(), ..details };
        assert_eq!(text_of(&named, &untitled), "");
    }

    #[test]
    fn an_item_of_which_nothing_is_known_has_no_vector() {
        let source = VectorSource { name: "a".into(), version: "1".into(), sha256: "ab".into() };
        let keys = ["one", "two"].map(|item| item_key("knowledge", item));
        let vectors =
            ItemVectors::new(source.clone(), keys.clone(), array![[0.0, 0.0], [0.6, 0.8]]).unwrap();
        assert_eq!(vectors.of(&keys[0]), None);
        assert_eq!(vectors.of(&keys[1]).unwrap().to_vec(), [0.6, 0.8]);
        assert_eq!(vectors.of(&item_key("knowledge", "three")), None);
        assert_eq!(ItemVectors::new(source, keys, array![[1.0]]), Err(NotAsMany));
    }
}
