//! How much more, or less, items count as the caller says, and as what the user was shown often does.
//!
//! A boost multiplies the score of every item that its filter is true of. An estimate below zero is
//! divided by it: what is preferred comes before what is like it and is not, whatever the sign. Of
//! items that no source knows nothing is multiplied, for nothing is known of them.

use jiff::Timestamp;

use crate::entities::boost::Boost;
use crate::entities::filter::Schema;
use crate::serving::snapshot::CatalogueSnapshot;

/// How much more or less, at most, several boosts and fatigue together make an item count.
const MOST: f32 = 100.0;

/// How much more each item of a catalogue counts, by position.
#[derive(Debug, Clone, PartialEq)]
pub struct Multipliers(Vec<f32>);

impl Multipliers {
    /// What boosts say of the items of a catalogue, whose domain declares this, and what fatigue
    /// does, by position; `None` without any.
    #[must_use]
    pub fn of(
        (boosts, fatigued): (&[Boost], &[(usize, f32)]),
        (catalogue, schema): (&CatalogueSnapshot, &Schema),
        now: Timestamp,
    ) -> Option<Self> {
        if boosts.is_empty() && fatigued.is_empty() {
            return None;
        }
        let mut multipliers = vec![1.0f32; catalogue.len()];
        for Boost { filter, factor } in boosts {
            for position in filter.admits(&catalogue.table(filter, schema), now).ones() {
                multipliers[position] *= factor.get();
            }
        }
        for (position, multiplier) in fatigued {
            multipliers[*position] *= multiplier;
        }
        let bounded = |multiplier: &mut f32| *multiplier = multiplier.clamp(1.0 / MOST, MOST);
        multipliers.iter_mut().for_each(bounded);
        Some(Self(multipliers))
    }

    /// A score as it counts.
    #[must_use]
    pub fn boosted(&self, position: usize, score: f32) -> f32 {
        let multiplier = self.0[position];
        if score < 0.0 { score / multiplier } else { score * multiplier }
    }

    /// What a score was multiplied by to count so much.
    #[must_use]
    pub fn behind(&self, position: usize, boosted: f32) -> f32 {
        let multiplier = self.0[position];
        if boosted < 0.0 { 1.0 / multiplier } else { multiplier }
    }
}
