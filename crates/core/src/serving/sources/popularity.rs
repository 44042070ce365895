//! What many people of the target chose: the same for everyone.

use crate::evidence::items::Row;
use crate::model::Model;
use crate::serving::snapshot::CatalogueEntry;
use crate::serving::sources::{Source, SourceInputs};

/// The share of the domain's people who took an item of late.
struct Popularity<'a>(&'a Model);

impl Source for Popularity<'_> {
    fn is_personal(&self) -> bool {
        false
    }

    fn score(&self, entry: CatalogueEntry<'_>) -> Option<f32> {
        Some(self.0.popularity(entry.row?))
    }

    fn contributions(&self, _: CatalogueEntry<'_>) -> Vec<(Row, f32)> {
        Vec::new()
    }
}

/// `None` without a model.
pub(super) fn open<'a>(inputs: &SourceInputs<'a>) -> Option<Box<dyn Source + 'a>> {
    Some(Box::new(Popularity(inputs.model?)))
}
