//! Third stage: one score an item.
//!
//! The first source, in the policy's order, that knows an item scores it alone; an
//! item that none knows scores 0. Scores of several targets are not compared with each
//! other: [`crate::serving::arrange`] says how they share a slate.

use crate::serving::snapshot::CatalogueEntry;
use crate::serving::sources::{Source, TargetSources};

/// An item that may be served, with its score.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ScoredItem {
    /// Its target's position among the targets.
    pub target: usize,
    /// Its position in the target's snapshot.
    pub position: usize,
    /// Its score.
    pub score: f32,
    /// The position, among the target's sources, of the one that scored it; `None`
    /// when no source knows it.
    pub source: Option<usize>,
}

/// The items of all targets: in order of targets, then of positions.
#[must_use]
pub fn blend(targets: &[TargetSources<'_>]) -> Vec<ScoredItem> {
    let items = targets.iter().map(|target| target.target.admission.kept.len()).sum();
    let mut scored = Vec::with_capacity(items);
    for (at, target) in targets.iter().enumerate() {
        scored.extend(target.target.admission.kept.iter().map(|&position| {
            let entry = target.target.snapshot.entry(position);
            let (source, score) = match first_to_know(&target.sources, entry) {
                Some((source, score)) => (Some(source), score),
                None => (None, 0.0),
            };
            ScoredItem { target: at, position, score, source }
        }));
    }
    scored
}

fn first_to_know(
    sources: &[Box<dyn Source + '_>],
    entry: CatalogueEntry<'_>,
) -> Option<(usize, f32)> {
    let mut known = sources.iter().enumerate();
    known.find_map(|(at, source)| Some((at, source.score(entry)?)))
}
