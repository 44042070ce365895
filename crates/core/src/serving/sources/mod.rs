//! Second stage: sources of scores, one file a source.
//!
//! A source says how much a person may like the items of one target: an estimate of a
//! preference, about 0 to 1, comparable within the target alone. A new source is a file
//! with a [`Source`], a name in [`SourceKind`] that opens it, and its place in a
//! [`Policy`](crate::serving::policy::Policy).

pub mod bridges;
pub mod popularity;
pub mod priors;
mod scores;
pub mod words;

use std::borrow::Cow;

use crate::entities::definition::Definitions;
use crate::evidence::items::Row;
use crate::model::Model;
use crate::serving::admit::AdmittedTarget;
use crate::serving::snapshot::CatalogueEntry;

pub use scores::Scores;

/// Scores of one target's items for one person.
pub trait Source {
    /// Whether the person's own evidence is behind the scores.
    fn is_personal(&self) -> bool;

    /// Whether it was shown to help, or is what everyone is served. What was not ranks nothing: it
    /// is tried within a budget.
    fn is_proven(&self) -> bool {
        true
    }

    /// Scores the items of a target's catalogue that the source knows, and that none before it
    /// scored.
    fn score(&self, scores: &mut Scores<'_>);

    /// How much each past item of the person adds to an item's score, as (row,
    /// contribution); nothing when the person's evidence has no part in it.
    fn contributions(&self, entry: CatalogueEntry<'_>) -> Vec<(Row, f32)>;

    /// What tells which past items an item's score goes back to, as (row, amount): what each
    /// adds, and what would be lost without it where the score has a part that is no sum over
    /// past items. What [`Source::contributions`] says, where it has none.
    fn evidence(&self, entry: CatalogueEntry<'_>) -> Vec<(Row, f32)> {
        self.contributions(entry)
    }

    /// What the order of all that the person took adds to an item's score, of which no past
    /// item has a part of its own; `None` where nothing goes by it.
    fn sequence(&self, _entry: CatalogueEntry<'_>) -> Option<f32> {
        None
    }

    /// Whether the person dislikes a past item: it is no reason for anything, whatever
    /// it adds.
    fn is_disliked(&self, _past: Row) -> bool {
        false
    }
}

/// The sources there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SourceKind {
    /// The person's evidence in the target and what bridges carry there.
    Bridges,
    /// What many people of the target chose.
    Popularity,
    /// What texts are like that the person took elsewhere, where nothing could be measured.
    Priors,
}

/// What sources are opened from, the same for each target.
#[derive(Debug)]
pub struct SourceInputs<'a> {
    model: Option<&'a Model>,
    /// The definitions, weighing evidence as in the model's training.
    definitions: Cow<'a, Definitions>,
}

impl<'a> SourceInputs<'a> {
    /// Inputs of a model, if there is one.
    #[must_use]
    pub fn new(model: Option<&'a Model>, definitions: &'a Definitions) -> Self {
        let scaling = model.map(|model| &model.manifest().evidence);
        let definitions = match scaling.filter(|scaling| !scaling.is_neutral()) {
            // Weighed as in training, else the fold-in would answer another question.
            Some(scaling) => Cow::Owned(scaling.apply(definitions)),
            None => Cow::Borrowed(definitions),
        };
        Self { model, definitions }
    }

    /// The definitions, weighing evidence as in the model's training.
    pub(crate) fn definitions(&self) -> &Definitions {
        &self.definitions
    }
}

impl SourceKind {
    /// The source for one target; `None` when it has nothing to say of it.
    fn open<'a>(
        self,
        inputs: &SourceInputs<'a>,
        target: &AdmittedTarget<'_>,
    ) -> Option<Box<dyn Source + 'a>> {
        match self {
            Self::Bridges => bridges::open(inputs, target),
            Self::Popularity => popularity::open(inputs),
            Self::Priors => priors::open(inputs, target),
        }
    }
}

/// Places of a target whose items the person's own evidence ranks, for each place of
/// one whose items are popular.
pub const PERSONAL_SHARE: u32 = 2;
/// Places of a target whose items are the same for everyone.
pub const POPULAR_SHARE: u32 = 1;

/// A target with its sources.
pub struct TargetSources<'a> {
    /// The target.
    pub target: AdmittedTarget<'a>,
    /// The sources that have something to say of it, in the policy's order.
    pub sources: Vec<Box<dyn Source + 'a>>,
}

impl TargetSources<'_> {
    /// Whether the person's own evidence shapes what is served of the target.
    #[must_use]
    pub fn is_personal(&self) -> bool {
        self.sources.iter().any(|source| source.is_personal() && source.is_proven())
    }

    /// Its share of a slate with several targets: see [`crate::serving::arrange`].
    #[must_use]
    pub fn share(&self) -> u32 {
        if self.is_personal() { PERSONAL_SHARE } else { POPULAR_SHARE }
    }
}

/// Opens the sources of each target.
#[must_use]
pub fn open<'a>(
    targets: Vec<AdmittedTarget<'a>>,
    kinds: &[SourceKind],
    inputs: &SourceInputs<'a>,
) -> Vec<TargetSources<'a>> {
    let opened = |target: AdmittedTarget<'a>| {
        let by_policy = kinds.iter().filter_map(|kind| kind.open(inputs, &target));
        // Whatever the policy: it is what was asked for.
        let sources = by_policy.chain(words::open(&target)).collect();
        TargetSources { target, sources }
    };
    targets.into_iter().map(opened).collect()
}
