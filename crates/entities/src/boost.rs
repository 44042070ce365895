//! What a caller would rather see: items that count for more or for less, and items that have a
//! place of their own. Both say of which items they speak in the language of [`crate::filter`].

use serde::{Deserialize, Serialize};

use crate::filter::Filter;

/// Most boosts of one request.
pub const MAX_BOOSTS: usize = 10;
/// Most promotions of one request.
pub const MAX_PROMOTIONS: usize = 10;

/// How much more an item counts: its score times this, or, of a score below zero, over this.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(try_from = "f32", into = "f32")]
pub struct Factor(f32);

/// It is always a number.
impl Eq for Factor {}

impl TryFrom<f32> for Factor {
    type Error = InvalidFactor;

    fn try_from(factor: f32) -> Result<Self, InvalidFactor> {
        let is_within = (Self::LEAST..=Self::MOST).contains(&factor);
        is_within.then_some(Self(factor)).ok_or(InvalidFactor)
    }
}

impl From<Factor> for f32 {
    fn from(factor: Factor) -> Self {
        factor.0
    }
}

/// A number is no factor of a boost.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[error("a factor must be {} to {}", Factor::LEAST, Factor::MOST)]
pub struct InvalidFactor;

impl Factor {
    /// The least.
    pub const LEAST: f32 = 0.1;
    /// The greatest.
    pub const MOST: f32 = 10.0;

    /// The number.
    #[must_use]
    pub fn get(self) -> f32 {
        self.0
    }
}

/// Items that count for more, or for less.
#[derive(Debug, Clone, PartialEq)]
pub struct Boost {
    /// Which items.
    pub filter: Filter,
    /// How much more.
    pub factor: Factor,
}

impl Boost {
    /// Puts boosts into the order in which they are multiplied, which is always the same: so that
    /// the same boosts give the same score to the last bit.
    pub fn sort(boosts: &mut [Self]) {
        boosts.sort_by(|a, b| {
            let by_filter = a.filter.source().cmp(b.filter.source());
            by_filter.then_with(|| a.factor.0.total_cmp(&b.factor.0))
        });
    }
}

/// A place of the slate for the best of some items.
#[derive(Debug, Clone, PartialEq)]
pub struct Promotion {
    /// Which items.
    pub filter: Filter,
    /// The place, from 1. On a shorter slate, the last.
    pub slot: usize,
}

impl Promotion {
    /// Puts promotions into the order in which their items are chosen: of two that would have the
    /// same item the first has it.
    pub fn sort(promotions: &mut [Self]) {
        promotions.sort_by(|a, b| {
            a.slot.cmp(&b.slot).then_with(|| a.filter.source().cmp(b.filter.source()))
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filter::Schema;

    #[test]
    fn a_factor_is_bounded_and_a_number() {
        for factor in [0.1, 1.0, 10.0] {
            assert_eq!(Factor::try_from(factor).unwrap().get(), factor);
        }
        for factor in [0.0, -1.0, 0.09, 10.1, f32::NAN, f32::INFINITY] {
            assert_eq!(Factor::try_from(factor), Err(InvalidFactor));
        }
    }

    #[test]
    fn the_order_of_boosts_is_that_of_what_they_say() {
        let boost = |source: &str, factor: f32| Boost {
            filter: Filter::parse(source, &Schema::default()).unwrap(),
            factor: Factor::try_from(factor).unwrap(),
        };
        let mut boosts =
            [boost("price > 1", 3.0), boost("price < 1", 2.0), boost("price < 1", 0.5)];
        let mut others = boosts.clone();
        others.reverse();
        Boost::sort(&mut boosts);
        Boost::sort(&mut others);
        assert_eq!(boosts, others);
        assert_eq!(boosts[0].factor.get(), 0.5);
    }
}
