//! Answers cases of experiments, one JSON object a line on standard input, with one a line on
//! standard output, for `benches/experiments.py` to hold beside other engines.

use std::error::Error;
use std::io::{BufRead, Write};

use crossfold_maths::inference::bayes::{Posterior, Prior};
use crossfold_maths::inference::effect::{Effect, Metric, Question, Scale};
use crossfold_maths::inference::fixed::{Alternative, Better, test};
use crossfold_maths::inference::power::{Design, Distribution};
use crossfold_maths::inference::sequential::{Sequence, confidence_sequence};
use crossfold_maths::inference::summary::{RawSums, Sums};
use crossfold_maths::inference::{InferenceError, imbalance, multiple, power};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Case {
    Effect {
        control: RawSums,
        treatment: RawSums,
        metric: Metric,
        scale: Scale,
        alpha: f64,
        tuned_to: f64,
        prior: Option<Prior>,
    },
    Imbalance {
        counts: Vec<u64>,
        planned: Vec<f64>,
        actual: Vec<f64>,
        n: f64,
        alpha: f64,
    },
    Multiple {
        p: Vec<f64>,
    },
    Power {
        effect: f64,
        control: f64,
        wanted: f64,
        ratio: f64,
        alpha: f64,
        two_sided: bool,
        distribution: Distribution,
    },
}

fn of_effect(
    effect: &Effect,
    alpha: f64,
    tuned_to: f64,
    prior: Option<Prior>,
) -> Result<Value, InferenceError> {
    let fixed = test(effect, Alternative::TwoSided, alpha)?;
    let greater = test(effect, Alternative::Greater, alpha)?;
    let sequential = confidence_sequence(effect, &Sequence { alpha, tuned_to })?;
    let posterior = Posterior::of(effect, prior)?;
    let risk = posterior.risk(Better::Higher);
    let (low, high) = posterior.interval(alpha)?;
    Ok(json!({
        "estimate": effect.estimate, "error": effect.standard_error,
        "fixed": [fixed.low, fixed.high, fixed.p],
        "greater": [greater.low, greater.p],
        "sequential": [sequential.low, sequential.high, sequential.p],
        "bayesian": [
            low, high, posterior.chance_to_win(Better::Higher), risk.of_control, risk.of_treatment,
        ],
    }))
}

fn answer(case: Case) -> Result<Value, InferenceError> {
    match case {
        Case::Effect { control, treatment, metric, scale, alpha, tuned_to, prior } => {
            let (control, treatment) = (Sums::from_raw(control)?, Sums::from_raw(treatment)?);
            let effect = Effect::of(&control, &treatment, Question { metric, scale })?;
            of_effect(&effect, alpha, tuned_to, prior)
        }
        Case::Imbalance { counts, planned, actual, n, alpha } => Ok(json!({
            "p": imbalance::test(&counts, &planned)?.p,
            "power": imbalance::power(n, &planned, &actual, alpha)?,
        })),
        Case::Multiple { p } => Ok(json!({
            "holm": multiple::holm(&p)?,
            "benjamini_hochberg": multiple::benjamini_hochberg(&p)?,
        })),
        Case::Power { effect, control, wanted, ratio, alpha, two_sided, distribution } => {
            let design = Design { ratio, alpha, two_sided, distribution };
            Ok(json!({
                "power": power::power(effect, control, &design)?,
                "size": power::exact_sample_size(effect, wanted, &design)?,
                "detectable": power::detectable_effect(control, wanted, &design)?,
            }))
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut out = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        let case = serde_json::from_str(&line?)?;
        let answered = answer(case).unwrap_or_else(|error| json!({ "refused": error.to_string() }));
        writeln!(out, "{answered}")?;
    }
    Ok(())
}
