//! A way to choose a list from a pool of scored items.

use std::fmt;
use std::str::FromStr;

use crossfold_maths::dense::dot;
use crossfold_maths::diversity::{Candidates, Categorised, TradeOff, calibrated, dpp, mmr};

use crate::Problem;

/// How often the weights that may keep a budget are halved.
const HALVINGS: usize = 7;
/// What is shorter is what rounding left.
const LEAST_LENGTH: f32 = 1e-4;

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Method {
    name: String,
    kind: Kind,
    relevance: Relevance,
    power: f64,
    times: f64,
    is_sorted: bool,
    is_budget: bool,
    is_centred: bool,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Determinantal,
    Marginal,
    Calibrated,
}

/// What a list is chosen from, best first.
#[derive(Clone, Copy)]
pub(crate) struct Choices<'a> {
    pub(crate) scores: &'a [f32],
    /// Row after row, of length 1 or zero.
    pub(crate) features: &'a [f32],
    /// Weights of categories, row after row, and the person's interest in each; empty where they are
    /// not known.
    pub(crate) categories: (&'a [f32], &'a [f32]),
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Relevance {
    Share,
    Pool,
    Log,
    Rank,
}

impl FromStr for Method {
    type Err = Problem;

    fn from_str(name: &str) -> Result<Self, Problem> {
        let mut parts = name.split('+');
        let kind = match parts.next() {
            Some("dpp") => Kind::Determinantal,
            Some("mmr") => Kind::Marginal,
            Some("calibrated") => Kind::Calibrated,
            _ => return Err(format!("{name} is none of dpp, mmr and calibrated").into()),
        };
        let mut method = Self {
            name: name.to_owned(),
            kind,
            relevance: Relevance::Share,
            power: 1.0,
            times: 1.0,
            is_sorted: false,
            is_budget: false,
            is_centred: false,
        };
        for part in parts {
            match part {
                "share" => method.relevance = Relevance::Share,
                "pool" => method.relevance = Relevance::Pool,
                "log" => method.relevance = Relevance::Log,
                "rank" => method.relevance = Relevance::Rank,
                "sorted" => method.is_sorted = true,
                "centred" => method.is_centred = true,
                "budget" => method.is_budget = true,
                _ => match (part.strip_prefix("power"), part.strip_prefix("times")) {
                    (Some(power), _) => method.power = power.parse()?,
                    (_, Some(times)) => method.times = times.parse()?,
                    _ => return Err(format!("{part} of {name} is unknown").into()),
                },
            }
        }
        Ok(method)
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl Method {
    /// The best `k` of a pool, as places in it.
    pub(crate) fn choose(
        &self,
        Choices { scores, features, categories }: Choices<'_>,
        diversity: f64,
        k: usize,
    ) -> Result<Vec<u32>, Problem> {
        let relevance = self.relevance.of(scores);
        let width = features.len() / scores.len().max(1);
        let own = self.is_centred.then(|| centred(features, width));
        let features = own.as_deref().unwrap_or(features);
        let candidates = Candidates::new(&relevance, features, width)?;
        let asked = self.times * diversity.powf(self.power);
        let mut chosen = match self.is_budget {
            true => self.within_budget((candidates, categories), asked, k)?,
            false => self.weighing((candidates, categories), asked, k)?,
        };
        if self.is_sorted {
            chosen.sort_unstable();
        }
        Ok(chosen)
    }

    fn weighing(
        &self,
        (candidates, (weights, interests)): (Candidates<'_>, (&[f32], &[f32])),
        of_diversity: f64,
        k: usize,
    ) -> Result<Vec<u32>, Problem> {
        let of_relevance = TradeOff::new((1.0 - of_diversity) as f32)?;
        Ok(match self.kind {
            Kind::Determinantal => dpp(candidates, of_relevance, k),
            Kind::Marginal => mmr(candidates, of_relevance, k),
            Kind::Calibrated => {
                let categorised = Categorised::new(candidates, weights, interests)?;
                calibrated(&categorised, TradeOff::new(of_diversity as f32)?, k)
            }
        })
    }

    /// By about the greatest weight of diversity with which not more than a share of the best
    /// list's relevance is given up.
    fn within_budget(
        &self,
        from: (Candidates<'_>, (&[f32], &[f32])),
        share: f64,
        k: usize,
    ) -> Result<Vec<u32>, Problem> {
        let relevance = |list: &[u32]| -> f64 {
            list.iter().map(|&at| f64::from(from.0.relevance()[at as usize])).sum()
        };
        let mut best = self.weighing(from, 0.0, k)?;
        let least = (1.0 - share) * relevance(&best);
        let (mut low, mut high) = (0.0, 1.0);
        for _ in 0..HALVINGS {
            let middle = (low + high) / 2.0;
            let list = self.weighing(from, middle, k)?;
            match relevance(&list) >= least {
                true => (low, best) = (middle, list),
                false => high = middle,
            }
        }
        Ok(best)
    }
}

impl Relevance {
    /// From 0 to 1 each, of scores that come best first.
    fn of(self, scores: &[f32]) -> Vec<f32> {
        let (Some(&greatest), Some(&least)) = (scores.first(), scores.last()) else {
            return Vec::new();
        };
        if greatest <= 0.0 {
            return vec![0.0; scores.len()];
        }
        let share = |score: f32, least: f32, greatest: f32| match greatest > least {
            true => ((score - least) / (greatest - least)).clamp(0.0, 1.0),
            false => 1.0,
        };
        // Next to nothing is as good as nothing.
        let log = |score: f32| score.max(greatest * 1e-3).ln();
        let of = |(at, &score): (usize, &f32)| match self {
            Self::Share => share(score, 0.0, greatest),
            Self::Pool => share(score, least, greatest),
            Self::Log => share(log(score), log(least), log(greatest)),
            Self::Rank => 1.0 - at as f32 / scores.len() as f32,
        };
        scores.iter().enumerate().map(of).collect()
    }
}

/// Rows without what they have in common, of length 1 again, or zero.
fn centred(features: &[f32], width: usize) -> Vec<f32> {
    let count = (features.len() / width.max(1)).max(1) as f32;
    let mut common = vec![0.0; width];
    for row in features.chunks_exact(width) {
        common.iter_mut().zip(row).for_each(|(sum, value)| *sum += value / count);
    }
    let mut own = features.to_vec();
    for row in own.chunks_exact_mut(width) {
        row.iter_mut().zip(&common).for_each(|(value, common)| *value -= common);
        let length = dot(row, row).sqrt();
        let scale = if length > LEAST_LENGTH { length.recip() } else { 0.0 };
        row.iter_mut().for_each(|value| *value *= scale);
    }
    own
}
