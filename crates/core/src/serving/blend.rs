//! Third stage: one score an item.
//!
//! The first source, in the policy's order, that knows an item scores it alone; an
//! item that none knows scores 0, and comes last. An item that the model does not know is scored
//! by the known ones that stand in for it, where its text tells them. What has the words that are looked
//! for counts for more: see [`crate::serving::sources::words`]. What the caller boosts then
//! counts for more or less: see [`crate::serving::boosts`]. Scores of several targets are not
//! compared with each other: [`crate::serving::arrange`] says how they share a slate.

use crate::serving::request::Words;
use crate::serving::sources::{Scores, Source, TargetSources};

/// What is blended: targets, of each of which so many of the best are wanted, and what is looked for
/// in them.
#[derive(Clone, Copy)]
pub struct Blended<'a> {
    /// The targets.
    pub targets: &'a [TargetSources<'a>],
    /// What items are looked for.
    pub words: Option<&'a Words>,
    /// How many of the best.
    pub wanted: usize,
}

/// The scores of each target's items.
#[must_use]
pub fn blend(blended: Blended<'_>) -> Vec<Scores<'_>> {
    blend_by(blended, false, |source| source.is_proven())
}

/// The scores of items that are worth a try: by the sources that were not shown to help. `None`
/// where there is no such source.
#[must_use]
pub fn worth_a_try(blended: Blended<'_>) -> Option<Vec<Scores<'_>>> {
    let is_tried = |target: &TargetSources<'_>| target.sources.iter().any(|s| !s.is_proven());
    let has_any = blended.targets.iter().any(is_tried);
    has_any.then(|| blend_by(blended, false, |source| !source.is_proven()))
}

/// The same by the sources alone that are behind nobody's evidence: what anyone would
/// be shown of these items.
#[must_use]
pub fn blend_without_evidence(blended: Blended<'_>) -> Vec<Scores<'_>> {
    blend_by(blended, true, |source| source.is_proven() && !source.is_personal())
}

fn blend_by<'a>(
    Blended { targets, words, wanted }: Blended<'a>,
    is_for_anyone: bool,
    counts: impl Fn(&dyn Source) -> bool,
) -> Vec<Scores<'a>> {
    let of_target = |target: &'a TargetSources<'a>| {
        let mut scores = Scores::none(&target.target, wanted);
        for (at, source) in target.sources.iter().enumerate() {
            if counts(&**source) {
                scores.by(at);
                source.score(&mut scores);
            }
        }
        words.into_iter().for_each(|words| scores.add_words(words));
        scores.boost(is_for_anyone);
        scores
    };
    targets.iter().map(of_target).collect()
}
