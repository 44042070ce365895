//! The scores of a target's items, by row: each worked out, or what each is at least and at most.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::evidence::items::{DomainRows, LocalRow, Row};
use crate::maths::dense::dot;
use crate::maths::scan::quantised::{QuantisedRows, QuantisedVector};
use crate::model::factor_table::FactorTable;

/// Whose scores are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// Every item's.
    All,
    /// Those of the best, and of any that is asked for: fewer are worked out, where that is
    /// enough to know which they are.
    TheBest,
}

/// The scores of a target's items.
pub(crate) enum ItemScores<'a> {
    /// Of each, by row within the target.
    All(Vec<f32>),
    /// Worked out when they are asked for.
    Bounded(BoundedScores<'a>),
}

/// Scores that are products of factors with one vector, and what they are at least and at most.
pub(crate) struct BoundedScores<'a> {
    target: &'a DomainRows,
    factors: &'a FactorTable,
    vector: Vec<f32>,
    weight: f32,
    quantised: &'a QuantisedRows,
    quantised_vector: QuantisedVector,
    least: Vec<f32>,
    /// How much more any item may score.
    range: f32,
    /// Scores that are something else than the product: each is what it is at least.
    set: BTreeMap<LocalRow, f32>,
}

impl<'a> BoundedScores<'a> {
    /// Of a vector of a weight above 0, where the table's rows of the target are quantised; `None`
    /// where they are not, where the bounds are no numbers, and where they do not tell any two
    /// items apart.
    pub(crate) fn new(
        (factors, target): (&'a FactorTable, &'a DomainRows),
        (vector, weight): (&[f32], f32),
    ) -> Option<Self> {
        let quantised = factors.quantised(target)?;
        let weighed: Vec<f32> = vector.iter().map(|value| weight * value).collect();
        let quantised_vector = QuantisedVector::of(&weighed)?;
        let least = quantised.at_least(&quantised_vector);
        let vector = vector.to_vec();
        let set = BTreeMap::new();
        let range = quantised.greatest_range(&quantised_vector);
        let scores = Self {
            target,
            factors,
            vector,
            weight,
            quantised,
            quantised_vector,
            least,
            range,
            set,
        };
        scores.tell_items_apart().then_some(scores)
    }

    /// Whether two items differ for certain, and all bounds are numbers.
    fn tell_items_apart(&self) -> bool {
        let (mut greatest, mut smallest) = (f32::NEG_INFINITY, f32::INFINITY);
        let mut are_finite = self.range.is_finite();
        for least in &self.least {
            are_finite &= least.is_finite();
            greatest = if *least > greatest { *least } else { greatest };
            smallest = if *least < smallest { *least } else { smallest };
        }
        // Far from where a product could overflow within bounds that do not.
        are_finite && greatest > smallest + self.range && greatest.abs().max(self.range) < 1e30
    }

    /// The score of an item.
    pub(crate) fn of(&self, item: LocalRow) -> f32 {
        if let Some(set) = self.set.get(&item) {
            return *set;
        }
        let factors = self.factors.of(self.target.row(item));
        let product = factors.as_slice().map_or(0.0, |row| dot(&self.vector, row));
        // As own evidence adds up a column, to the last bit.
        0.0 + self.weight * (0.0 + 1.0 * product)
    }

    fn all(&self) -> Vec<f32> {
        let mut scores = vec![0.0; self.target.len()];
        self.factors.add_products(self.target, 1.0, &self.vector, &mut scores);
        scores.iter_mut().for_each(|score| *score = 0.0 + self.weight * *score);
        self.set.iter().for_each(|(item, score)| scores[item.index()] = *score);
        scores
    }

    /// Sets the score of an item, which is then what it scores at least and at most.
    fn set(&mut self, item: LocalRow, score: f32) {
        self.least[item.index()] = score;
        self.set.insert(item, score);
    }

    /// What the item of a row scores at least; `None` of another domain's.
    pub(crate) fn at_least(&self, row: Row) -> Option<f32> {
        self.least.get(self.target.local(row)?.index()).copied()
    }

    /// How much more than that it may score.
    pub(crate) fn range_of(&self, row: Row) -> Option<f32> {
        let item = self.target.local(row)?;
        Some(self.quantised.range(&self.quantised_vector, item.index()))
    }

    /// How much more than that any item may score.
    pub(crate) fn range(&self) -> f32 {
        self.range
    }
}

impl ItemScores<'_> {
    /// The score of an item; 0 of one that is not there.
    pub(crate) fn of(&self, item: LocalRow) -> f32 {
        match self {
            Self::All(scores) => scores.get(item.index()).copied().unwrap_or(0.0),
            Self::Bounded(scores) if item.index() < scores.least.len() => scores.of(item),
            Self::Bounded(_) => 0.0,
        }
    }

    /// Every item's.
    pub(crate) fn all(&self) -> Cow<'_, [f32]> {
        match self {
            Self::All(scores) => Cow::Borrowed(scores),
            Self::Bounded(scores) => Cow::Owned(scores.all()),
        }
    }

    /// Sets the score of an item.
    pub(crate) fn set(&mut self, item: LocalRow, score: f32) {
        match self {
            Self::All(scores) => scores[item.index()] = score,
            Self::Bounded(scores) => scores.set(item, score),
        }
    }

    /// Whether any two items differ, all of them numbers.
    pub(crate) fn tell_items_apart(&self) -> bool {
        let scores = match self {
            Self::All(scores) => scores,
            // They were told apart by their bounds; what was set since is of a few.
            Self::Bounded(scores) => return scores.set.values().all(|score| score.is_finite()),
        };
        let first = scores.first();
        let differs = scores.iter().any(|score| Some(score) != first);
        differs && scores.iter().all(|score| score.is_finite())
    }
}
