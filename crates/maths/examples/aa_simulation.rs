//! Experiments whose truth is known: how often peeking misleads, and how often intervals hold.
//!
//!     cargo run --release -p crossfold-maths --example aa_simulation -- \
//!         --experiments 10000 --peeks 20 --people 20000 --outcome heavy
//!
//! `--outcome` is `normal`, `heavy` (log-normal) or `zero-inflated` (most spend nothing); people
//! are of each group by the end. Every person has a covariate from before.

use std::error::Error;
use std::ops::AddAssign;

use crossfold_maths::inference::InferenceError;
use crossfold_maths::inference::bayes::Posterior;
use crossfold_maths::inference::effect::{Effect, Metric, Question, Scale};
use crossfold_maths::inference::fixed::{Alternative, Tested, test};
use crossfold_maths::inference::sequential::{Sequence, confidence_sequence};
use crossfold_maths::inference::summary::{Moments, Sums};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use rayon::prelude::*;

const ALPHA: f64 = 0.05;
const LIFT: f64 = 0.05;
const INTERVALS: [&str; 8] = [
    "fixed, absolute",
    "fixed, relative",
    "sequential, absolute",
    "sequential, relative",
    "Bayesian, absolute",
    "Bayesian, relative",
    "CUPED, absolute",
    "CUPED, relative",
];

#[derive(Clone, Copy)]
enum Outcome {
    Normal,
    Heavy,
    ZeroInflated,
}

impl Outcome {
    /// One person's outcome and covariate.
    fn draw(self, random: &mut ChaCha8Rng) -> (f64, f64) {
        let mut normal = || -> f64 { StandardNormal.sample(random) };
        match self {
            Self::Normal => {
                let before = normal();
                (10.0 + 3.0 * before + 4.0 * normal(), before)
            }
            Self::Heavy => {
                let usual = 1.2 * normal();
                ((usual + 0.9 * normal()).exp(), usual.exp())
            }
            Self::ZeroInflated => {
                let buyer = random.random::<f64>() < 0.2;
                let chance = if buyer { 0.4 } else { 0.025 };
                let mut spent = || {
                    if random.random::<f64>() >= chance {
                        return 0.0;
                    }
                    let deviate: f64 = StandardNormal.sample(random);
                    (2.0 + deviate).exp()
                };
                (spent(), spent())
            }
        }
    }

    fn mean(self) -> f64 {
        match self {
            Self::Normal => 10.0,
            Self::Heavy => ((1.2_f64.powi(2) + 0.9_f64.powi(2)) / 2.0).exp(),
            Self::ZeroInflated => (0.2 * 0.4 + 0.8 * 0.025) * 2.5_f64.exp(),
        }
    }
}

struct Arguments {
    experiments: u64,
    peeks: usize,
    people: usize,
    seed: u64,
    tuned_to: f64,
    outcome: Outcome,
}

impl Arguments {
    fn read() -> Result<Self, Box<dyn Error>> {
        let (experiments, peeks, people, seed) = (10_000, 20, 20_000, 1);
        let (tuned_to, outcome) = (5_000.0, Outcome::Normal);
        let mut read = Self { experiments, peeks, people, seed, tuned_to, outcome };
        let mut given = std::env::args().skip(1);
        while let Some(name) = given.next() {
            let value = given.next().ok_or_else(|| format!("{name} has no value"))?;
            match name.as_str() {
                "--experiments" => read.experiments = value.parse()?,
                "--peeks" => read.peeks = value.parse()?,
                "--people" => read.people = value.parse()?,
                "--seed" => read.seed = value.parse()?,
                "--tuned-to" => read.tuned_to = value.parse()?,
                "--outcome" => {
                    read.outcome = match value.as_str() {
                        "normal" => Outcome::Normal,
                        "heavy" => Outcome::Heavy,
                        "zero-inflated" => Outcome::ZeroInflated,
                        _ => return Err(format!("no outcome {value}").into()),
                    }
                }
                _ => return Err(format!("no option {name}").into()),
            }
        }
        Ok(read)
    }
}

/// Experiments counted by what happened in them.
#[derive(Default)]
struct Counted {
    ever_once: f64,
    ever_sequential: f64,
    /// Intervals that held at the end, without an effect and with one.
    held: [[f64; INTERVALS.len()]; 2],
    variance_ratio: f64,
    unexplained: f64,
}

impl AddAssign for Counted {
    fn add_assign(&mut self, other: Self) {
        self.ever_once += other.ever_once;
        self.ever_sequential += other.ever_sequential;
        self.variance_ratio += other.variance_ratio;
        self.unexplained += other.unexplained;
        for (mine, others) in self.held.iter_mut().zip(other.held) {
            for (held, other) in mine.iter_mut().zip(others) {
                *held += other;
            }
        }
    }
}

fn one_if(happened: bool) -> f64 {
    f64::from(u8::from(happened))
}

fn ask(
    control: &Sums,
    treatment: &Sums,
    metric: Metric,
    scale: Scale,
) -> Result<Effect, InferenceError> {
    Effect::of(control, treatment, Question { metric, scale })
}

/// The sums of the same people, had each outcome been `factor` times as large.
fn scaled(sums: &Sums, factor: f64) -> Result<Sums, InferenceError> {
    let kept = *sums.moments();
    Sums::try_from(Moments {
        mean_y: kept.mean_y * factor,
        squares_y: kept.squares_y * factor * factor,
        products: kept.products * factor,
        ..kept
    })
}

fn holds(tested: &Tested, truth: f64) -> f64 {
    let within = tested.low.is_none_or(|low| low <= truth);
    one_if(within && tested.high.is_none_or(|high| high >= truth))
}

fn held(
    control: &Sums,
    treatment: &Sums,
    lift: f64,
    arguments: &Arguments,
) -> Result<[f64; INTERVALS.len()], InferenceError> {
    let sequence = Sequence { alpha: ALPHA, tuned_to: arguments.tuned_to };
    let mut held = [0.0; INTERVALS.len()];
    let scales = [(Scale::Absolute, lift * arguments.outcome.mean()), (Scale::Relative, lift)];
    for (at, (scale, truth)) in scales.into_iter().enumerate() {
        let plain = ask(control, treatment, Metric::Mean, scale)?;
        let adjusted = ask(control, treatment, Metric::Adjusted, scale)?;
        let (low, high) = Posterior::of(&plain, None)?.interval(ALPHA)?;
        held[at] = holds(&test(&plain, Alternative::TwoSided, ALPHA)?, truth);
        held[2 + at] = holds(&confidence_sequence(&plain, &sequence)?, truth);
        held[4 + at] = one_if((low..=high).contains(&truth));
        held[6 + at] = holds(&test(&adjusted, Alternative::TwoSided, ALPHA)?, truth);
    }
    Ok(held)
}

fn experiment(number: u64, arguments: &Arguments) -> Result<Counted, InferenceError> {
    let mut random = ChaCha8Rng::seed_from_u64(arguments.seed);
    random.set_stream(number);
    let sequence = Sequence { alpha: ALPHA, tuned_to: arguments.tuned_to };
    let (mut control, mut treatment) = (Sums::new(), Sums::new());
    let (mut once, mut sequential) = (false, false);
    for _ in 0..arguments.peeks {
        for _ in 0..arguments.people / arguments.peeks {
            for sums in [&mut control, &mut treatment] {
                let (outcome, before) = arguments.outcome.draw(&mut random);
                sums.add_pair(outcome, before)?;
            }
        }
        let effect = ask(&control, &treatment, Metric::Mean, Scale::Absolute)?;
        once |= test(&effect, Alternative::TwoSided, ALPHA)?.p < ALPHA;
        sequential |= confidence_sequence(&effect, &sequence)?.p < ALPHA;
    }
    let lifted = scaled(&treatment, 1.0 + LIFT)?;
    let plain = ask(&control, &treatment, Metric::Mean, Scale::Absolute)?;
    let adjusted = ask(&control, &treatment, Metric::Adjusted, Scale::Absolute)?;
    let both = control.merge(&treatment)?;
    let correlated = both.covariance()?.powi(2) / (both.variance()? * both.variance_x()?);
    Ok(Counted {
        ever_once: one_if(once),
        ever_sequential: one_if(sequential),
        held: [
            held(&control, &treatment, 0.0, arguments)?,
            held(&control, &lifted, LIFT, arguments)?,
        ],
        variance_ratio: (adjusted.standard_error / plain.standard_error).powi(2),
        unexplained: 1.0 - correlated,
    })
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::read()?;
    let numbers = 0..arguments.experiments;
    let found: Result<Vec<Counted>, InferenceError> =
        numbers.into_par_iter().map(|number| experiment(number, &arguments)).collect();
    // In the order of experiments, so that sums do not depend on the threads.
    let mut all = Counted::default();
    found?.into_iter().for_each(|one| all += one);
    let share = |count: f64| count / arguments.experiments as f64;
    println!("| ever significant at 5% without an effect | share |\n| --- | --- |");
    println!("| t-test at each of {} looks | {:.4} |", arguments.peeks, share(all.ever_once));
    println!("| confidence sequence | {:.4} |\n", share(all.ever_sequential));
    println!("| interval at the end | holds, no effect | holds, 5% |\n| --- | --- | --- |");
    for (at, name) in INTERVALS.iter().enumerate() {
        let [none, some] = all.held.map(|held| share(held[at]));
        println!("| {name} | {none:.4} | {some:.4} |");
    }
    let (ratio, unexplained) = (share(all.variance_ratio), share(all.unexplained));
    println!("\nCUPED's variance over the plain one {ratio:.4}, 1 - rho^2 {unexplained:.4}");
    Ok(())
}
