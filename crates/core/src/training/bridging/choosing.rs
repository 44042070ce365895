//! Choosing a kind's candidate for each hidden person by others alone.
//!
//! Every hidden person both chooses and judges: a kind's candidate for the people of one
//! part is the one that did best on all the others (cross-fitting; Stone, "Cross-Validatory
//! Choice and Assessment of Statistical Predictions", 1974). So what a kind is judged by
//! is what its way of choosing brings people who had no part in it, and no one is lost to
//! choosing.

use std::collections::BTreeMap;

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use crate::model::bridges::BridgeKind;
use crate::training::bridging::measures::{Measured, Measures};
use crate::training::bridging::scouting::Scouted;

/// Parts of the people where all were hidden in one fold.
const PARTS: usize = 5;

/// What a kind was found to bring.
#[derive(Debug, Clone, PartialEq)]
pub struct Chosen<'a> {
    /// The candidate that did best on everyone: what would be served.
    pub measured: &'a Measured,
    /// Its mean over everyone.
    pub mean: f64,
    /// For each person, what the candidate that others chose brings them.
    pub judged: Vec<f64>,
}

/// Chooses a candidate of each kind. One that nobody may judge somewhere is left out.
#[must_use]
pub fn choose<'a>(
    measures: &'a Measures,
    scouted: &Scouted,
    seed: u64,
) -> BTreeMap<BridgeKind, Chosen<'a>> {
    let mut by_kind: BTreeMap<BridgeKind, Vec<&Measured>> = BTreeMap::new();
    for measured in &measures.measured {
        by_kind.entry(measured.candidate.kind()).or_default().push(measured);
    }
    let parts = parts(&measures.folds, seed);
    let choose = |(kind, all): (BridgeKind, Vec<&'a Measured>)| {
        Some((kind, chosen(&all, (&measures.folds, &parts), scouted)?))
    };
    by_kind.into_iter().filter_map(choose).collect()
}

/// The part of each person: their fold, or, if all share one, a random one.
fn parts(folds: &[usize], seed: u64) -> Vec<usize> {
    if folds.iter().any(|fold| Some(fold) != folds.first()) {
        return folds.to_vec();
    }
    let mut parts: Vec<usize> = (0..folds.len()).map(|at| at % PARTS).collect();
    parts.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
    parts
}

fn chosen<'a>(
    all: &[&'a Measured],
    (folds, parts): (&[usize], &[usize]),
    scouted: &Scouted,
) -> Option<Chosen<'a>> {
    let people = folds.len();
    let mut fold_of: BTreeMap<usize, usize> = BTreeMap::new();
    parts.iter().zip(folds).for_each(|(part, fold)| _ = fold_of.insert(*part, *fold));
    let mut judged = vec![0.0; people];
    for (&part, &fold) in &fold_of {
        let may = all.iter().filter(|measured| scouted.may_judge(fold, &measured.candidate));
        let of_others = |measured: &Measured| mean(measured, |at| parts[at] != part);
        let best = first_best(may.copied(), of_others)?;
        let own = (0..people).filter(|at| parts[*at] == part);
        own.for_each(|at| judged[at] = best.values[at]);
    }
    let of_everyone = |measured: &Measured| mean(measured, |_| true);
    let measured = first_best(all.iter().copied(), of_everyone)?;
    Some(Chosen { measured, mean: of_everyone(measured), judged })
}

/// The first of those with the highest score.
fn first_best<'a>(
    all: impl Iterator<Item = &'a Measured>,
    score: impl Fn(&Measured) -> f64,
) -> Option<&'a Measured> {
    let mut best: Option<(f64, &Measured)> = None;
    for measured in all {
        let score = score(measured);
        if best.is_none_or(|(other, _)| score > other) {
            best = Some((score, measured));
        }
    }
    best.map(|(_, measured)| measured)
}

/// The mean over some people; 0 over nobody.
fn mean(measured: &Measured, counts: impl Fn(usize) -> bool) -> f64 {
    let (mut sum, mut people) = (0.0, 0);
    for (at, value) in measured.values.iter().enumerate() {
        if counts(at) {
            sum += value;
            people += 1;
        }
    }
    sum / f64::from(people.max(1))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::training::bridging::candidates::Candidate;
    use crate::training::bridging::own_fits::{FitSettings, OwnSettings};
    use crate::training::bridging::trial::tests::direction;

    fn measures(folds: Vec<usize>, values: Vec<(Candidate, Vec<f64>)>) -> Measures {
        let measured = |(candidate, values)| Measured {
            candidate,
            values,
            means: BTreeMap::new(),
            with_look_alikes: None,
        };
        Measures {
            popularity: vec![0.0; folds.len()],
            target_only: vec![0.0; folds.len()],
            measured: values.into_iter().map(measured).collect(),
            folds,
            ..Measures::of_nobody(&direction("a", "b"), 0)
        }
    }

    fn joint(source_weight: f32) -> Candidate {
        Candidate::Joint { source_weight }
    }

    #[test]
    fn others_choose_and_everyone_together_says_what_is_served() {
        let (one, two) = (vec![1.0, 1.0, 0.0, 0.0], vec![0.0, 0.0, 0.9, 0.9]);
        let measures = measures(vec![0, 0, 1, 1], vec![(joint(1.0), one), (joint(2.0), two)]);
        let chosen = &choose(&measures, &Scouted::default(), 1)[&BridgeKind::Joint];
        // The second fold would choose the second, by which the first fold is judged.
        assert_eq!(chosen.judged, [0.0; 4]);
        assert_eq!((chosen.measured.candidate, chosen.mean), (joint(1.0), 0.5));
    }

    #[test]
    fn nobody_judges_by_settings_that_they_scouted() {
        let fit = |unobserved_weight| FitSettings { unobserved_weight, regularisation: 0.01 };
        let pair = |weight| Candidate::Pair { fit: fit(weight), source_weight: 1.0 };
        let own = |weight| OwnSettings { two_block: Vec::new(), pair: vec![fit(weight)] };
        let measures = measures(
            vec![0, 0, 1, 1, 2, 2],
            vec![(pair(0.1), vec![0.9; 6]), (pair(0.2), vec![0.1; 6])],
        );
        let scouted = Scouted { by_fold: vec![own(0.1), own(0.2)], ..Scouted::default() };
        let chosen = &choose(&measures, &scouted, 1)[&BridgeKind::Pair];
        assert_eq!(chosen.judged, [0.1, 0.1, 0.9, 0.9, 0.9, 0.9]);
        // Without a second scout the first fold could judge nothing.
        let scouted = Scouted { by_fold: vec![own(0.1)], ..Scouted::default() };
        assert_eq!(choose(&measures, &scouted, 1), BTreeMap::new());
    }

    proptest! {
        #[test]
        fn what_a_person_brings_changes_nothing_of_what_they_are_judged_by(
            values in proptest::collection::vec((0.0f64..1.0, 0.0f64..1.0), 2..30), several in any::<bool>(),
            who in any::<prop::sample::Index>(),
        ) {
            let folds: Vec<usize> = (0..values.len()).map(|at| if several { at % 3 } else { 0 }).collect();
            let of = |values: &[(f64, f64)]| {
                let (one, two) = values.iter().copied().unzip();
                measures(folds.clone(), vec![(joint(1.0), one), (joint(2.0), two)])
            };
            let all = of(&values);
            let who = who.index(values.len());
            let chosen = &choose(&all, &Scouted::default(), 7)[&BridgeKind::Joint];
            prop_assert!([values[who].0, values[who].1].contains(&chosen.judged[who]));
            // Were they the other way round, they would be judged by the same candidate.
            let mut turned = values.clone();
            turned[who] = (values[who].1, values[who].0);
            let is_first = |judged: f64, of: (f64, f64)| judged == of.0;
            let all = of(&turned);
            let again = &choose(&all, &Scouted::default(), 7)[&BridgeKind::Joint];
            if values[who].0 != values[who].1 {
                prop_assert_eq!(
                    is_first(chosen.judged[who], values[who]),
                    is_first(again.judged[who], turned[who])
                );
            }
        }
    }
}
