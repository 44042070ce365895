//! What is looked for in words: the same for everyone who asks in these.
//!
//! To the score that an item has by the other sources its words add how well they match, times a
//! weight; what no other source knows has that alone. A question leads, and taste puts in order what
//! matches it about as well; a context leans on taste. The weights are chosen, not measured: there are
//! no judged questions to measure them on.

use crate::evidence::items::Row;
use crate::serving::admit::AdmittedTarget;
use crate::serving::request::Words;
use crate::serving::snapshot::CatalogueEntry;
use crate::serving::sources::{Scores, Source};

/// What the best match of a question adds to a score, which is about 0 to 1 by taste.
pub const QUERY_WEIGHT: f32 = 2.0;
/// What the best match of a context adds.
pub const CONTEXT_WEIGHT: f32 = 0.5;

/// What a match adds to a score. `relevance` is how good it is, 0 to 1.
#[must_use]
pub fn worth(words: &Words, relevance: f32) -> f32 {
    let weight = match words {
        Words::Query(_) => QUERY_WEIGHT,
        Words::Context => CONTEXT_WEIGHT,
    };
    weight * relevance
}

/// Scores what no other source does, so that it comes before what nothing is known of.
struct Found;

impl Source for Found {
    fn is_personal(&self) -> bool {
        false
    }

    fn score(&self, scores: &mut Scores<'_>) {
        scores.put_found();
    }

    fn contributions(&self, _: CatalogueEntry<'_>) -> Vec<(Row, f32)> {
        Vec::new()
    }
}

/// `None` of a target that was not searched.
pub(super) fn open<'a>(target: &AdmittedTarget<'_>) -> Option<Box<dyn Source + 'a>> {
    target.snapshot.found().map(|_| Box::new(Found) as Box<dyn Source>)
}
