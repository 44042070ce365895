//! Third stage: one score an item.
//!
//! The first source, in the policy's order, that knows an item scores it alone; an
//! item that none knows scores 0, and comes last. An item that the model does not know is scored
//! by the known ones that stand in for it, where its text tells them. Scores of several targets are not
//! compared with each other: [`crate::serving::arrange`] says how they share a slate.

use jiff::Timestamp;

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
    /// Since when it has been in the catalogue.
    pub since: Timestamp,
    /// The position, among the target's sources, of the one that scored it; `None`
    /// when no source knows it.
    pub source: Option<usize>,
}

/// The items of all targets: in order of targets, then of positions.
#[must_use]
pub fn blend(targets: &[TargetSources<'_>]) -> Vec<ScoredItem> {
    blend_by(targets, &|source| source.is_proven())
}

/// The items that are worth a try: those that a source knows which was not shown to help, each
/// with its score, in order of targets, then of positions.
#[must_use]
pub fn worth_a_try(targets: &[TargetSources<'_>]) -> Vec<ScoredItem> {
    if !targets.iter().any(|target| target.sources.iter().any(|source| !source.is_proven())) {
        return Vec::new();
    }
    let mut scored = blend_by(targets, &|source| !source.is_proven());
    scored.retain(|item| item.source.is_some());
    scored
}

/// The same by the sources alone that are behind nobody's evidence: what anyone would
/// be shown of these items.
#[must_use]
pub fn blend_without_evidence(targets: &[TargetSources<'_>]) -> Vec<ScoredItem> {
    blend_by(targets, &|source| source.is_proven() && !source.is_personal())
}

fn blend_by(
    targets: &[TargetSources<'_>],
    counts: &dyn Fn(&dyn Source) -> bool,
) -> Vec<ScoredItem> {
    let items = targets.iter().map(|target| target.target.admission.kept.len()).sum();
    let mut scored = Vec::with_capacity(items);
    for (at, target) in targets.iter().enumerate() {
        let sources = target.sources.iter().map(|source| &**source).enumerate();
        let sources: Vec<(usize, &dyn Source)> =
            sources.filter(|(_, source)| counts(*source)).collect();
        scored.extend(target.target.admission.kept.iter().map(|&position| {
            let entry = target.target.snapshot.entry(position);
            let known = sources.iter().find_map(|(at, source)| Some((*at, source.score(entry)?)));
            let (source, score) = known.map_or((None, 0.0), |(at, score)| (Some(at), score));
            ScoredItem { target: at, position, score, since: entry.since(), source }
        }));
    }
    scored
}
