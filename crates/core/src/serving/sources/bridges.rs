//! The person's own evidence in the target, and what bridges of the model carry
//! there: see [`crate::model::scoring`].

use std::collections::BTreeSet;

use crate::entities::ids::DomainId;
use crate::evidence::confidences::confidences_of_items;
use crate::evidence::items::{Row, Weighted};
use crate::evidence::order::in_order;
use crate::model::Model;
use crate::model::content::StandIns;
use crate::model::item_scores::Wanted;
use crate::model::scoring::Estimate;
use crate::serving::admit::AdmittedTarget;
use crate::serving::snapshot::CatalogueEntry;
use crate::serving::sources::{Scores, Source, SourceInputs};

/// The model's estimate for one person and target.
struct Bridged<'a> {
    estimate: Estimate<'a>,
    disliked: BTreeSet<Row>,
}

impl Source for Bridged<'_> {
    fn is_personal(&self) -> bool {
        true
    }

    fn score(&self, scores: &mut Scores<'_>) {
        let of_row = |row| self.estimate.score(row);
        let of_stand_ins = |items: &StandIns| Some(items.sum(of_row));
        match self.estimate.bounded() {
            Some(bounded) => scores.put_best(bounded, of_row, of_stand_ins),
            None => scores.put(|row| Some(of_row(row)), of_stand_ins),
        }
    }

    fn contributions(&self, entry: CatalogueEntry<'_>) -> Vec<(Row, f32)> {
        of_past(entry, |row| self.estimate.contributions(row))
    }

    fn evidence(&self, entry: CatalogueEntry<'_>) -> Vec<(Row, f32)> {
        of_past(entry, |row| self.estimate.evidence(row))
    }

    fn sequence(&self, entry: CatalogueEntry<'_>) -> Option<f32> {
        let of_row = |row| self.estimate.sequence(row);
        let Some(row) = entry.row else {
            let stand_ins = entry.stand_ins?;
            // A sequence model has a share in all scores of a target, or in none.
            of_row(stand_ins.first()?)?;
            return Some(stand_ins.sum(|row| of_row(row).unwrap_or(0.0)));
        };
        of_row(row)
    }

    fn is_disliked(&self, past: Row) -> bool {
        self.disliked.contains(&past)
    }
}

/// What past items have to do with an entry, or with those that stand in for it.
fn of_past(entry: CatalogueEntry<'_>, of_row: impl Fn(Row) -> Vec<(Row, f32)>) -> Vec<(Row, f32)> {
    match (entry.row, entry.stand_ins) {
        (Some(row), _) => of_row(row),
        (None, Some(items)) => items.sum_of_parts(of_row),
        (None, None) => Vec::new(),
    }
}

/// `None` when the model does not know the target, or nothing of the person's
/// history is known to the model and carried there.
pub(super) fn open<'a>(
    inputs: &SourceInputs<'a>,
    target: &AdmittedTarget<'_>,
) -> Option<Box<dyn Source + 'a>> {
    let model = inputs.model?;
    let known = known(model, inputs, target);
    let estimate = model.estimate_of(target.domain, &known, Wanted::TheBest)?;
    Some(Box::new(Bridged { estimate, disliked: disliked(&known) }))
}

/// What the model knows of the evidence that a target may be served by.
pub(crate) fn known(
    model: &Model,
    inputs: &SourceInputs<'_>,
    target: &AdmittedTarget<'_>,
) -> Vec<Weighted> {
    let newest = model.manifest().newest_with(target.history.events());
    let weighed = confidences_of_items(target.history, &inputs.definitions, &newest);
    let known = model.index().rows_where_they_stand(weighed);
    in_order(target.history, model.index(), known)
}

/// The past items that a person dislikes.
pub(super) fn disliked(known: &[Weighted]) -> BTreeSet<Row> {
    known.iter().filter(|known| !known.is_liked()).map(|known| known.row).collect()
}

/// The domains, other than the target itself, whose evidence may be behind a score.
pub(crate) fn sources_of<'a>(
    model: &'a Model,
    target: &'a DomainId,
) -> impl Iterator<Item = &'a DomainId> {
    let proven = model.bridges().into_domain(target).map(|(source, _)| source);
    proven.chain(model.bridges().priors_into(target).map(|(source, _)| source))
}
