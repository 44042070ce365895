//! What many people of the target chose: the same for everyone.

use crate::evidence::items::Row;
use crate::model::Model;
use crate::serving::snapshot::CatalogueEntry;
use crate::serving::sources::{Scores, Source, SourceInputs};

/// The share of the domain's people who took an item of late; of a new one, the share that its
/// text lets expect.
struct Popularity<'a>(&'a Model);

impl Source for Popularity<'_> {
    fn is_personal(&self) -> bool {
        false
    }

    fn score(&self, scores: &mut Scores<'_>) {
        let popularity = |row| self.0.popularity(row);
        let sections = self.0.sections();
        let has_young = !sections.tables.young_items().is_empty();
        let of_young =
            |row| if has_young { sections.ranking_popularity(row) } else { popularity(row) };
        scores.put(
            |row| Some(of_young(row)),
            |items| {
                let items = Some(items).filter(|items| items.tell_popularity())?;
                Some(items.sum(popularity).clamp(0.0, 1.0))
            },
        );
    }

    fn contributions(&self, _: CatalogueEntry<'_>) -> Vec<(Row, f32)> {
        Vec::new()
    }
}

/// `None` without a model.
pub(super) fn open<'a>(inputs: &SourceInputs<'a>) -> Option<Box<dyn Source + 'a>> {
    Some(Box::new(Popularity(inputs.model?)))
}
