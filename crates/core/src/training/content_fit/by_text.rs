//! What texts tell of the items of one fit: the maps that rank new ones, and the young ones with
//! what stands in for them ([`crate::model::young_items`]).
//!
//! What little is known of a young item is not held against its text: it counts for the map only
//! as much as its own evidence does, and stands in for no other.

use std::collections::BTreeMap;

use bytes::Bytes;
use ndarray::s;
use rayon::prelude::*;

use super::{Base64, ContentMaterial, DomainMaterial};
use crate::entities::ids::DomainId;
use crate::evidence::items::{DomainRows, LocalRow, Row};
use crate::evidence::popularity::PeopleOfDomain;
use crate::model::content::{Content, DomainContent, KnownItems, Reconstruction};
use crate::model::scoring::ScoringTables;
use crate::model::young_items::{GROWN_UP, MOST_YOUNG, YoungItem, YoungItems, own_share};
use crate::training::recipe::FitPurpose;

/// The items of a fit.
#[derive(Clone, Copy)]
pub(in crate::training) struct FittedItems<'a> {
    pub(in crate::training) tables: &'a ScoringTables,
    /// By row; without what is held out from the fit.
    pub(in crate::training) popularity: &'a [f32],
    /// What popularity is a share of.
    pub(in crate::training) people: &'a BTreeMap<DomainId, PeopleOfDomain>,
    pub(in crate::training) purpose: FitPurpose,
}

/// What texts tell of a domain's items.
struct OfDomain {
    content: DomainContent,
    young: Vec<(Row, YoungItem)>,
}

/// What texts tell of the items of a fit. A domain whose numbers are too extreme for a map has
/// none; of a fit that is only measured, none is made where no item is young.
pub(in crate::training) fn fit(
    material: &ContentMaterial,
    fitted: FittedItems<'_>,
) -> (Content, YoungItems) {
    let (mut content, mut young) = (Content::new(), Vec::new());
    for (domain, material) in material {
        if let Some(found) = material.fit(domain, fitted) {
            young.extend(found.young);
            content.insert(domain.clone(), found.content);
        }
    }
    (content, young.into_iter().collect())
}

impl DomainMaterial {
    fn fit(&self, domain: &DomainId, fitted: FittedItems<'_>) -> Option<OfDomain> {
        let FittedItems { tables, popularity, people, purpose } = fitted;
        let rows = tables.ranges().get(domain)?;
        let popularity = popularity.get(rows.range.clone())?;
        let people = people.get(domain).and_then(|people| people.weight).unwrap_or(0.0) as f32;
        let own: Vec<f32> = self.own_shares((popularity, people), purpose)?;
        let young = young(&own);
        if young.is_empty() && purpose != FitPurpose::Final {
            return None;
        }
        let mut is_young = vec![false; rows.len()];
        young.iter().for_each(|&place| is_young[self.examples.items[place].index()] = true);
        let known = KnownItems::new(tables.factors_of_target(rows)?, popularity)
            .without(|item| is_young[item.index()]);
        let weight = |(item, own): (&LocalRow, &f32)| {
            own * self.weighing.weight(popularity[item.index()] * people)
        };
        let weights = self.examples.items.iter().zip(&own).map(weight).collect();
        let all: Vec<usize> = (0..own.len()).collect();
        let map = self.examples.fit(&known, (&all, weights), self.regularisation)?;
        let artefact = self.artefact.as_ref().map(|Base64(bytes)| Bytes::from(bytes.clone()));
        let (source, by_popularity) = (self.source.clone(), self.by_popularity);
        let reconstruction = Reconstruction::FromAll;
        let content = DomainContent { source, artefact, map, by_popularity, reconstruction };
        let young = self.stand_ins((&content, &known), rows, (&young, &own));
        Some(OfDomain { content, young })
    }

    /// How much the own evidence of each described item counts, in a domain of so many people,
    /// counted by recency; `None` where the fit has other items.
    fn own_shares(
        &self,
        (popularity, people): (&[f32], f32),
        purpose: FitPurpose,
    ) -> Option<Vec<f32>> {
        let lifetime = |all: f32| match purpose {
            // The newest events of all are not there.
            FitPurpose::WithoutNewest if self.held_out < 1.0 => {
                ((all - self.held_out) / (1.0 - self.held_out)).max(0.0)
            }
            _ => all,
        };
        let own = |(item, all): (&LocalRow, &f32)| {
            Some(own_share(popularity.get(item.index())? * people, lifetime(*all)))
        };
        self.examples.items.iter().zip(&self.examples.lifetime).map(own).collect()
    }

    /// What stands in for the young ones, by their places.
    fn stand_ins(
        &self,
        (content, known): (&DomainContent, &KnownItems),
        rows: &DomainRows,
        (young, own): (&[usize], &[f32]),
    ) -> Vec<(Row, YoungItem)> {
        let row_of = |row: Row| row.index() - rows.range.start;
        let of_item = |&place: &usize| {
            let vector = self.examples.vectors.slice(s![place..=place, ..]);
            let stand_ins = content.stand_ins(rows, known, vector).pop()??;
            let row = rows.row(self.examples.items[place]);
            let levels = known.levels_of(row_of(row), |of| stand_ins.sum(|row| of(row_of(row))));
            Some((row, YoungItem::new(own[place], levels, stand_ins)))
        };
        young.par_iter().filter_map(of_item).collect()
    }
}

/// The places of the young ones: at most [`MOST_YOUNG`], and half of all, of whom their own
/// evidence says least.
fn young(own: &[f32]) -> Vec<usize> {
    let mut young: Vec<usize> = (0..own.len()).filter(|&place| own[place] < GROWN_UP).collect();
    young.sort_by(|&one, &other| own[one].total_cmp(&own[other]).then(one.cmp(&other)));
    young.truncate(MOST_YOUNG.min(own.len() / 2));
    young.sort_unstable();
    young
}

#[cfg(test)]
mod tests {
    use super::super::tests::material;
    use super::*;

    #[test]
    fn young_items_are_those_that_few_took_and_that_were_hardly_there() {
        let material = material(vec![0.05, 0.05, 1.0, 0.55]);
        // Of 100 people, who took them by recency: 1, 90, 1 and 1.
        let own =
            |purpose| material.own_shares((&[0.01, 0.9, 0.01, 0.01], 100.0), purpose).unwrap();
        let all = own(FitPurpose::Final);
        assert!((all[0] - (0.05 + 0.95 / 11.0)).abs() < 1e-6, "{all:?}");
        assert_eq!(young(&all), [0, 3]);
        // Half of what was done is held out: the first had not come, the last just had.
        let before = own(FitPurpose::WithoutNewest);
        assert!((before[0] - 1.0 / 11.0).abs() < 1e-6, "{before:?}");
        assert!((before[3] - (0.1 + 0.9 / 11.0)).abs() < 1e-6, "{before:?}");
        assert_eq!(young(&before), [0, 3]);
    }

    #[test]
    fn no_more_than_half_of_all_are_young() {
        assert_eq!(young(&[0.5, 0.1, 0.4, 0.2, 1.0]), [1, 3]);
        assert_eq!(young(&vec![0.5; 3 * MOST_YOUNG]).len(), MOST_YOUNG);
    }
}
