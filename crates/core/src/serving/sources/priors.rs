//! Items whose texts are alike what the person took elsewhere, where too few people have both
//! domains to tell whether that helps: see [`crate::model::scoring::ScoringTables::prior`]. They
//! are tried within a budget ([`crate::serving::explore`]), and rank nothing else.

use std::collections::BTreeSet;

use crate::evidence::items::Row;
use crate::model::scoring::Estimate;
use crate::serving::admit::AdmittedTarget;
use crate::serving::snapshot::CatalogueEntry;
use crate::serving::sources::{Scores, Source, SourceInputs, bridges};

/// A prior's estimate for one person and target.
struct Tried<'a> {
    estimate: Estimate<'a>,
    disliked: BTreeSet<Row>,
}

impl Source for Tried<'_> {
    fn is_personal(&self) -> bool {
        true
    }

    fn is_proven(&self) -> bool {
        false
    }

    /// Of an item that is like nothing the person took, only its popularity is known, and that
    /// is known better elsewhere.
    fn score(&self, scores: &mut Scores<'_>) {
        let of_row = |row| {
            let score = self.estimate.score(row);
            (score > self.estimate.base(row)).then_some(score)
        };
        scores.put(of_row, |_| None);
    }

    fn contributions(&self, entry: CatalogueEntry<'_>) -> Vec<(Row, f32)> {
        entry.row.map(|row| self.estimate.contributions(row)).unwrap_or_default()
    }

    fn is_disliked(&self, past: Row) -> bool {
        self.disliked.contains(&past)
    }
}

/// `None` when the model has no prior to the target from where the person likes anything, or
/// something that was shown to help knows them.
pub(super) fn open<'a>(
    inputs: &SourceInputs<'a>,
    target: &AdmittedTarget<'_>,
) -> Option<Box<dyn Source + 'a>> {
    let model = inputs.model?;
    model.bridges().priors_into(target.domain).next()?;
    let known = bridges::known(model, inputs, target);
    let estimate = model.prior(target.domain, &known)?;
    if model.estimate(target.domain, &known).is_some() {
        return None;
    }
    Some(Box::new(Tried { estimate, disliked: bridges::disliked(&known) }))
}
