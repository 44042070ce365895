//! Experiments made up, in which what is true is known.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Exp1, StandardNormal};

use super::bayes::Posterior;
use super::effect::{Effect, Metric, Question, Scale};
use super::fixed::{Alternative, test};
use super::sequential::{Sequence, confidence_sequence};
use super::summary::Sums;

const EXPERIMENTS: usize = 1_500;
const PEEKS: usize = 10;
const PEOPLE_A_PEEK: usize = 100;

/// What went wrong in a share of experiments without an effect.
#[derive(Default)]
struct Wrong {
    ever_once: f64,
    ever_sequential: f64,
    at_the_end: f64,
    credible: f64,
    adjusted: f64,
    variances: f64,
}

fn add_people(sums: &mut Sums, random: &mut ChaCha8Rng) {
    for _ in 0..PEOPLE_A_PEEK {
        let before: f64 = Exp1.sample(random);
        let noise: f64 = StandardNormal.sample(random);
        sums.add_pair(before + noise, before).unwrap();
    }
}

fn outside(low: Option<f64>, high: Option<f64>, truth: f64) -> bool {
    low.is_some_and(|low| low > truth) || high.is_some_and(|high| high < truth)
}

fn experiment(random: &mut ChaCha8Rng, wrong: &mut Wrong) {
    let (mut control, mut treatment) = (Sums::new(), Sums::new());
    let (mut once, mut sequential, mut last) = (false, false, false);
    let ask = |control: &Sums, treatment: &Sums, metric| {
        Effect::of(control, treatment, Question { metric, scale: Scale::Absolute }).unwrap()
    };
    let sequence = Sequence { alpha: 0.05, tuned_to: 1_000.0 };
    for _ in 0..PEEKS {
        add_people(&mut control, random);
        add_people(&mut treatment, random);
        let effect = ask(&control, &treatment, Metric::Mean);
        last = test(&effect, Alternative::TwoSided, 0.05).unwrap().p < 0.05;
        once |= last;
        sequential |= confidence_sequence(&effect, &sequence).unwrap().p < 0.05;
    }
    let share = 1.0 / EXPERIMENTS as f64;
    let count = |happened: bool| if happened { share } else { 0.0 };
    let plain = ask(&control, &treatment, Metric::Mean);
    let adjusted = ask(&control, &treatment, Metric::Adjusted);
    let (low, high) = Posterior::of(&plain, None).unwrap().interval(0.05).unwrap();
    let tested = test(&adjusted, Alternative::TwoSided, 0.05).unwrap();
    wrong.ever_once += count(once);
    wrong.ever_sequential += count(sequential);
    wrong.at_the_end += count(last);
    wrong.credible += count(outside(Some(low), Some(high), 0.0));
    wrong.adjusted += count(outside(tested.low, tested.high, 0.0));
    wrong.variances += share * (adjusted.standard_error / plain.standard_error).powi(2);
}

#[test]
fn peeking_misleads_what_is_looked_at_once_and_not_the_sequence() {
    let mut random = ChaCha8Rng::seed_from_u64(20);
    let mut wrong = Wrong::default();
    for _ in 0..EXPERIMENTS {
        experiment(&mut random, &mut wrong);
    }
    // Three standard errors of a share of 5% are 0.017.
    assert!((wrong.at_the_end - 0.05).abs() < 0.017, "{}", wrong.at_the_end);
    assert!((wrong.credible - 0.05).abs() < 0.017, "{}", wrong.credible);
    assert!((wrong.adjusted - 0.05).abs() < 0.017, "{}", wrong.adjusted);
    assert!(wrong.ever_once > 0.12, "{}", wrong.ever_once);
    assert!(wrong.ever_sequential < 0.05, "{}", wrong.ever_sequential);
    // Half of the outcome's variance was known before.
    assert!((wrong.variances - 0.5).abs() < 0.01, "{}", wrong.variances);
}
