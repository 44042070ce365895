//! What was measured of the candidates of one direction.

use crate::maths::measure::Metrics;
use crate::model::bridges::Direction;
use crate::training::bridging::candidates::Candidate;

/// The metric that bridges are chosen and judged by.
pub const METRIC: &str = "ndcg@20";

/// One candidate, measured.
#[derive(Debug, Clone, PartialEq)]
pub struct Measured {
    /// The candidate.
    pub candidate: Candidate,
    /// [`METRIC`] of each hidden person, in the order of all measurements of a direction.
    pub values: Vec<f64>,
    /// Every metric's mean.
    pub means: Metrics,
    /// Mean of [`METRIC`] when items that look alike are ranked and counted too;
    /// absent when there are none between the two domains.
    pub with_look_alikes: Option<f64>,
}

/// A direction's candidates, measured on the same people.
#[derive(Debug, Clone, PartialEq)]
pub struct Measures {
    /// The direction.
    pub direction: Direction,
    /// People who have both domains, hidden or not.
    pub people: usize,
    /// The fold in which each hidden person was hidden.
    pub folds: Vec<usize>,
    /// [`METRIC`] of each hidden person under popularity.
    pub popularity: Vec<f64>,
    /// The same under the target's own factors for its average person.
    pub target_only: Vec<f64>,
    /// The candidates.
    pub measured: Vec<Measured>,
    /// Why a cross block was not tried.
    pub cross_block_refused: Option<String>,
}

impl Measures {
    /// Of a direction that nobody was hidden in, though so many people have both
    /// domains: nothing was tried.
    #[must_use]
    pub fn of_nobody(direction: &Direction, people: usize) -> Self {
        Self {
            direction: direction.clone(),
            people,
            folds: Vec::new(),
            popularity: Vec::new(),
            target_only: Vec::new(),
            measured: Vec::new(),
            cross_block_refused: None,
        }
    }

    /// Adds measurements of the same direction on other people, hidden in this fold: see
    /// [`Measures::pooled`].
    pub(crate) fn add(&mut self, fold: usize, mut other: Self) {
        other.folds = vec![fold; other.popularity.len()];
        let own = std::mem::replace(self, Self::of_nobody(&other.direction, 0));
        if let Some(pooled) = Self::pooled(vec![own, other]) {
            *self = pooled;
        }
    }

    /// Joins measurements of one direction on different people, each hidden from
    /// a fit of its own. Candidates that one of them lacks are left out. `None`
    /// without measurements.
    #[must_use]
    pub fn pooled(mut parts: Vec<Self>) -> Option<Self> {
        // Where nobody was hidden nothing was tried, so nothing is lacking either.
        parts.sort_by_key(|part| part.popularity.is_empty());
        let mut parts = parts.into_iter();
        let mut all = parts.next()?;
        for part in parts {
            all.people = all.people.max(part.people);
            if part.popularity.is_empty() {
                continue;
            }
            all.folds.extend(part.folds);
            all.popularity.extend(part.popularity);
            all.target_only.extend(part.target_only);
            all.measured = all
                .measured
                .into_iter()
                .filter_map(|measured| {
                    let other = part.measured.iter().find(|m| m.candidate == measured.candidate)?;
                    Some(measured.joined(other))
                })
                .collect();
            all.cross_block_refused = all.cross_block_refused.or(part.cross_block_refused);
        }
        Some(all)
    }
}

impl Measured {
    fn joined(mut self, other: &Self) -> Self {
        let (own, others) = (self.values.len() as f64, other.values.len() as f64);
        let mean = |a: f64, b: f64| (a * own + b * others) / (own + others).max(1.0);
        for (name, value) in &mut self.means {
            *value = mean(*value, other.means.get(name).copied().unwrap_or(0.0));
        }
        // Where nobody had an item that looks alike, the figures with and without are the same.
        let with = |measured: &Self| {
            let without = measured.means.get(METRIC).copied();
            measured.with_look_alikes.or(without).unwrap_or(0.0)
        };
        if self.with_look_alikes.is_some() || other.with_look_alikes.is_some() {
            let own_plain = self.values.iter().sum::<f64>() / own.max(1.0);
            let own_with = self.with_look_alikes.unwrap_or(own_plain);
            self.with_look_alikes = Some(mean(own_with, with(other)));
        }
        self.values.extend(&other.values);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::training::bridging::trial::tests::direction;

    #[test]
    fn pooled_measurements_are_those_of_all_their_people() {
        let measures = |values: Vec<f64>, with| Measures {
            direction: direction("a", "b"),
            people: 9,
            folds: vec![0; values.len()],
            popularity: values.clone(),
            target_only: values.clone(),
            measured: vec![Measured {
                candidate: Candidate::Joint { source_weight: 1.0 },
                means: Metrics::from([(
                    METRIC.to_owned(),
                    values.iter().sum::<f64>() / values.len() as f64,
                )]),
                values,
                with_look_alikes: with,
            }],
            cross_block_refused: None,
        };
        let parts = vec![measures(vec![0.0, 0.5], None), measures(vec![1.0], Some(0.7))];
        let pooled = Measures::pooled(parts).unwrap();
        assert_eq!(pooled.popularity, [0.0, 0.5, 1.0]);
        assert_eq!(pooled.measured[0].values, pooled.popularity);
        assert!((pooled.measured[0].means[METRIC] - 0.5).abs() < 1e-12);
        assert!((pooled.measured[0].with_look_alikes.unwrap() - 0.4).abs() < 1e-12);
        let mut lacking = measures(vec![1.0], None);
        lacking.measured.clear();
        let pooled = Measures::pooled(vec![measures(vec![0.0], None), lacking]).unwrap();
        assert!(pooled.measured.is_empty());
        assert_eq!(Measures::pooled(vec![]), None);
        // A part without hidden people takes nothing away.
        let nobody = Measures { measured: Vec::new(), ..measures(Vec::new(), None) };
        let all = measures(vec![0.5], None);
        assert_eq!(Measures::pooled(vec![nobody, all.clone()]), Some(all));
    }
}
