//! What an experiment comes to, by a stable code and in a sentence.
//!
//! | code | when |
//! | --- | --- |
//! | `sample_ratio_mismatch` | variants have not the shares of users that were planned (p < 0.001): nothing else is said |
//! | `guardrail_broken` | a guardrail is surely worse than its margin |
//! | `better`, `worse` | the primary metric surely differs, however often one looked |
//! | `too_few` | there are too few users to say anything |
//! | `no_difference_yet` | there are users enough, and none of this is sure |
//!
//! *Surely* is by always-valid 95% intervals; where several variants are compared, by p-values
//! that are adjusted for their number (Holm), since one of many is soon the best by chance.

use serde::Serialize;

use crate::entities::experiment::lifecycle::{Experiment, ExperimentState, StoppedFor};
use crate::entities::experiment::metric::Direction;
use crate::entities::ids::{MetricId, VariantId};
use crate::maths::inference::multiple::holm;

use super::comparison::{ALPHA, Comparison, Interval, Lift, MIN_ACTING, MIN_USERS};
use super::guardrail::GuardrailState;
use super::report::{ExperimentReport, MetricReport};

/// What an experiment comes to.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "code", rename_all = "snake_case")]
pub enum Verdict {
    /// Variants have not the users that they should have: something is wrong with how they were
    /// served or counted, and no figure can be believed.
    SampleRatioMismatch {
        /// The probability of such numbers by chance.
        p: f64,
    },
    /// A guardrail is surely worse than its margin.
    GuardrailBroken {
        /// The guardrail.
        metric: MetricId,
        /// With which variant.
        variant: VariantId,
    },
    /// The primary metric is surely better.
    Better {
        /// With which variant.
        variant: VariantId,
    },
    /// The primary metric is surely worse.
    Worse {
        /// With which variant.
        variant: VariantId,
    },
    /// Nothing is sure yet.
    NoDifferenceYet,
    /// There are too few users.
    TooFew,
}

/// A verdict with its sentence.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ToldVerdict {
    /// The verdict.
    #[serde(flatten)]
    pub verdict: Verdict,
    /// The same in plain English, in one or two sentences.
    pub text: String,
}

impl Verdict {
    /// Its stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::SampleRatioMismatch { .. } => "sample_ratio_mismatch",
            Self::GuardrailBroken { .. } => "guardrail_broken",
            Self::Better { .. } => "better",
            Self::Worse { .. } => "worse",
            Self::NoDifferenceYet => "no_difference_yet",
            Self::TooFew => "too_few",
        }
    }

    fn told(self, text: String) -> ToldVerdict {
        ToldVerdict { verdict: self, text }
    }
}

/// What an experiment comes to: at least one verdict, the weightiest first.
pub(super) fn verdicts(report: &ExperimentReport) -> Vec<ToldVerdict> {
    if let Some(ratio) = report.sample_ratio.as_ref().filter(|ratio| ratio.is_alarm) {
        let text = "The variants have not the shares of users that were planned, by far more than \
                    chance allows. Find out why before you believe any figure of this experiment."
            .to_owned();
        return vec![Verdict::SampleRatioMismatch { p: ratio.p }.told(text)];
    }
    let mut verdicts: Vec<ToldVerdict> = broken(report).collect();
    let primary = report.metrics.iter().find(|metric| metric.metric == report.primary);
    verdicts.extend(primary.into_iter().flat_map(differences));
    if verdicts.is_empty() {
        verdicts.push(nothing_sure(primary));
    }
    verdicts
}

/// Guardrails that are surely broken.
fn broken(report: &ExperimentReport) -> impl Iterator<Item = ToldVerdict> {
    report.metrics.iter().flat_map(|metric| {
        let variants = metric.variants.iter().filter(|of| {
            of.guardrail.is_some_and(|guardrail| guardrail.state == GuardrailState::Broken)
        });
        variants.map(|of| {
            let (metric, variant) = (metric.metric.clone(), of.variant.clone());
            let margin = of.guardrail.map_or(0.0, |guardrail| guardrail.margin);
            let lift = of.comparison.as_ref().and_then(Comparison::decisive_relative);
            let text = format!(
                "With {variant}, {metric} is worse by more than the {} that it may be{}.",
                percent(margin),
                lift.map_or_else(String::new, |lift| format!(": {}", told(lift))),
            );
            Verdict::GuardrailBroken { metric, variant }.told(text)
        })
    })
}

/// Variants by which the primary metric surely differs.
fn differences(primary: &MetricReport) -> impl Iterator<Item = ToldVerdict> {
    let p: Vec<f64> = compared(primary).map(|(_, of)| of.decisive().always_valid.p).collect();
    let adjusted = holm(&p).unwrap_or_default();
    let sure = compared(primary).zip(adjusted).filter(|((_, comparison), p)| {
        comparison.is_enough && *p < ALPHA && comparison.decisive().always_valid.excludes_none()
    });
    sure.map(|((variant, comparison), _)| {
        let gain = match primary.better {
            Direction::Increase => comparison.decisive().estimate,
            Direction::Decrease => -comparison.decisive().estimate,
        };
        let is_better = gain > 0.0;
        let how = match comparison.decisive_relative() {
            // By the control's mean, which is not sure either, the effect may be less so than in the
            // metric's units, by which it is decided.
            Some(lift) if lift.always_valid.excludes_none() => told(lift),
            Some(_) => told_in_units(comparison.decisive()),
            None => "the control has none of it".to_owned(),
        };
        let text = format!(
            "{variant} is {} than {} by {}: {how}.",
            if is_better { "better" } else { "worse" },
            primary.control.variant,
            primary.metric,
        );
        let variant = variant.clone();
        match is_better {
            true => Verdict::Better { variant }.told(text),
            false => Verdict::Worse { variant }.told(text),
        }
    })
}

fn compared(metric: &MetricReport) -> impl Iterator<Item = (&VariantId, &Comparison)> {
    metric.variants.iter().filter_map(|of| Some((&of.variant, of.comparison.as_ref()?)))
}

fn nothing_sure(primary: Option<&MetricReport>) -> ToldVerdict {
    let is_enough = primary.is_some_and(|metric| {
        let mut variants = metric.variants.iter();
        variants.all(|of| of.comparison.as_ref().is_some_and(|comparison| comparison.is_enough))
    });
    match is_enough {
        true => Verdict::NoDifferenceYet.told(
            "No variant is surely better or worse than the control. That does not say that they \
             are alike."
                .to_owned(),
        ),
        false => Verdict::TooFew.told(format!(
            "There are too few users to say anything: at least {MIN_USERS} of each variant must \
             have been served, and about {MIN_ACTING} of each have done what is measured. Where \
             that is whether they did, as many must not have."
        )),
    }
}

/// A relative effect in words.
fn told(lift: &Lift) -> String {
    let way = if lift.estimate < 0.0 { "less" } else { "more" };
    let interval = lift.always_valid;
    format!(
        "{} {way}, and between {} and {} at any time one looks",
        percent(lift.estimate.abs()),
        signed(interval.low),
        signed(interval.high),
    )
}

/// An effect in the metric's units, in words.
fn told_in_units(lift: &Lift) -> String {
    let way = if lift.estimate < 0.0 { "less" } else { "more" };
    let Interval { low, high, .. } = lift.always_valid;
    format!(
        "{:.4} {way} of each user, and between {low:+.4} and {high:+.4} at any time one looks",
        lift.estimate.abs(),
    )
}

fn percent(share: f64) -> String {
    format!("{:.1}%", share * 100.0)
}

fn signed(share: f64) -> String {
    format!("{:+.1}%", share * 100.0)
}

/// Why a running experiment must stop by itself, if it must: a guardrail is surely broken, and it
/// was told to stop for that. Where users are not shared out as planned nothing is sure.
#[must_use]
pub fn must_stop(experiment: &Experiment, report: &ExperimentReport) -> Option<StoppedFor> {
    let may_stop =
        experiment.state == ExperimentState::Running && experiment.definition.stop_on_harm;
    let broken = report.verdicts.iter().find_map(|told| match &told.verdict {
        Verdict::GuardrailBroken { metric, variant } => {
            Some(StoppedFor { metric: metric.clone(), variant: variant.clone() })
        }
        _ => None,
    });
    broken.filter(|_| may_stop)
}
