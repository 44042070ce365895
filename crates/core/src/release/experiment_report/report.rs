//! The report of an experiment: all that is known of it as of a time.

use std::collections::BTreeMap;

use jiff::civil::Date;
use jiff::tz::Offset;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::entities::experiment::SegmentBy;
use crate::entities::experiment::lifecycle::ExperimentState;
use crate::entities::experiment::metric::Direction;
use crate::entities::ids::{DomainId, ExperimentId, MetricId, VariantId};
use crate::maths::inference::imbalance;
use crate::maths::inference::multiple::{benjamini_hochberg, holm};

use super::comparison::{Comparison, adjust};
use super::effects::{MetricNumbers, Summary};
use super::guardrail::Guardrail;
use super::more_users::MoreUsers;
use super::observations::{Exposed, Observations};
use super::study::Study;
use super::verdict::{ToldVerdict, Verdict, verdicts};

/// The p-value below which variants have not the shares that were planned (Fabijan et al., KDD
/// 2019): far below that of other tests, for it is looked at often and stops everything.
pub const ALARM: f64 = 0.001;
/// Fewest users that each variant is expected to have where shares are tested: below, chi-square is
/// no measure of chance (Cochran, "Some Methods for Strengthening the Common χ² Tests", 1954).
pub const MIN_EXPECTED: f64 = 5.0;

/// The report of an experiment. Where shares follow what is learnt, a user counts once under each
/// allocation.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ExperimentReport {
    /// The experiment.
    pub experiment: ExperimentId,
    /// The platform whose it is.
    pub domain: DomainId,
    /// Where it stands.
    pub state: ExperimentState,
    /// As of when: nothing that happened later is in it.
    pub as_of: Timestamp,
    /// The metric by which it is decided.
    pub primary: MetricId,
    /// What it comes to, the weightiest first.
    pub verdicts: Vec<ToldVerdict>,
    /// What it would take to know more, of each variant that is neither better nor worse.
    pub what_would_change_it: Vec<MoreUsers>,
    /// Who was served what.
    pub exposures: ExposureReport,
    /// Whether variants have the shares of users that were planned; `None` before anybody was
    /// served.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sample_ratio: Option<SampleRatio>,
    /// Of each metric, in the definition's order.
    pub metrics: Vec<MetricReport>,
    /// The primary metric of users who are told apart, as it was declared in advance.
    pub segments: Vec<SegmentReport>,
}

/// Who was served what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ExposureReport {
    /// Of each variant, in the definition's order.
    pub variants: Vec<VariantExposures>,
    /// New users by the day of their first exposure, in UTC; days without any are left out.
    pub by_day: Vec<DayExposures>,
    /// Users who met two variants: counted nowhere else.
    pub crossed_users: u64,
}

/// Who was served a variant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct VariantExposures {
    /// The variant.
    pub variant: VariantId,
    /// Users who were served it.
    pub users: u64,
    /// Slates that it made for them.
    pub slates: u64,
}

/// New users of a day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DayExposures {
    /// The day, in UTC.
    pub day: Date,
    /// Users whose first exposure was on it, by variant.
    pub users: BTreeMap<VariantId, u64>,
}

/// Users of the variants beside what was planned.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SampleRatio {
    /// The probability of numbers as far from the shares; where shares are learnt, the least of
    /// all allocations, adjusted for their number (Holm). 1 of fewer users than can be tested
    /// ([`MIN_EXPECTED`]).
    pub p: f64,
    /// Whether that is below [`ALARM`].
    pub is_alarm: bool,
    /// The share of all users that each variant was to have.
    pub expected: BTreeMap<VariantId, f64>,
}

/// A metric of all variants.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MetricReport {
    /// The metric.
    pub metric: MetricId,
    /// Whether more of it is better, or less.
    pub better: Direction,
    /// Whether it is the one by which it is decided.
    pub is_primary: bool,
    /// What greater values were taken for, in the metric's units.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub winsorised_above: Option<f64>,
    /// What the others are compared with.
    pub control: VariantFigures,
    /// The others, in the definition's order.
    pub variants: Vec<VariantReport>,
}

/// A variant's own figures of a metric.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct VariantFigures {
    /// The variant.
    pub variant: VariantId,
    /// Users who are in it: of a retention, those whose days are over.
    pub users: u64,
    /// Its mean, or ratio, of a user; revenue in the domain's currency.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mean: Option<f64>,
    /// The standard deviation of a user's; of a ratio, of what its error is made of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub standard_deviation: Option<f64>,
}

/// A variant's metric beside the control's.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct VariantReport {
    /// The variant.
    pub variant: VariantId,
    /// Users who are in it.
    pub users: u64,
    /// Its mean, or ratio, of a user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mean: Option<f64>,
    /// The standard deviation of a user's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub standard_deviation: Option<f64>,
    /// The effect; `None` when there is too little to compare.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comparison: Option<Comparison>,
    /// Why there is no effect, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why_not: Option<String>,
    /// Of a guardrail, how it stands.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guardrail: Option<Guardrail>,
}

/// The primary metric of some users.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SegmentReport {
    /// What tells them from others.
    pub by: SegmentBy,
    /// What it is of them; `None` of slates without a placement.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// What the others are compared with.
    pub control: VariantFigures,
    /// The others, in the definition's order.
    pub variants: Vec<VariantReport>,
}

impl ExperimentReport {
    /// The report of what was observed of an experiment. There is one of whatever was: what cannot
    /// be answered is left out and said so.
    #[must_use]
    pub fn of(study: &Study<'_>, observations: &Observations) -> Self {
        let experiment = study.experiment;
        let definition = &experiment.definition;
        let mut report = Self {
            experiment: experiment.experiment.clone(),
            domain: experiment.domain.clone(),
            state: experiment.state,
            as_of: study.as_of,
            primary: definition.primary.clone(),
            verdicts: Vec::new(),
            what_would_change_it: Vec::new(),
            exposures: exposures(study, observations),
            sample_ratio: sample_ratio(study, observations),
            metrics: metrics(study, observations),
            segments: segments(study, observations),
        };
        report.verdicts = verdicts(&report);
        report.what_would_change_it = report.more_users();
        report
    }

    /// The weightiest verdict.
    #[must_use]
    pub fn verdict(&self) -> Option<&Verdict> {
        self.verdicts.first().map(|told| &told.verdict)
    }

    fn more_users(&self) -> Vec<MoreUsers> {
        let is_open = |variant: &VariantId| {
            !self.verdicts.iter().any(|told| match &told.verdict {
                Verdict::Better { variant: of } | Verdict::Worse { variant: of } => of == variant,
                // Users are not what is missing.
                Verdict::SampleRatioMismatch { .. } => true,
                _ => false,
            })
        };
        let primary = self.metrics.iter().filter(|metric| metric.is_primary);
        let variants = primary.flat_map(|metric| &metric.variants);
        let open = variants.filter(|of| is_open(&of.variant));
        open.filter_map(|of| Some(MoreUsers::of(&of.variant, of.comparison.as_ref()?))).collect()
    }
}

/// The variants with their places.
fn variants<'a>(study: &Study<'a>) -> impl Iterator<Item = (u8, &'a VariantId)> {
    (0..).zip(study.experiment.definition.variants.iter().map(|of| &of.variant))
}

fn exposures(study: &Study<'_>, observations: &Observations) -> ExposureReport {
    let of_variant = |(place, variant): (u8, &VariantId)| {
        let groups = observations.exposed.iter().filter(|(group, _)| group.variant == place);
        let all = groups.fold(Exposed::default(), |all, (_, exposed)| Exposed {
            users: all.users.saturating_add(exposed.users),
            slates: all.slates.saturating_add(exposed.slates),
        });
        VariantExposures { variant: variant.clone(), users: all.users, slates: all.slates }
    };
    let mut by_day: BTreeMap<Date, BTreeMap<VariantId, u64>> = BTreeMap::new();
    for ((day, place), users) in &observations.by_day {
        let hours = SignedDuration::from_hours(day.saturating_mul(24));
        // Every day was an instant's once.
        let Ok(midnight) = Timestamp::UNIX_EPOCH.checked_add(hours) else { continue };
        let date = Offset::UTC.to_datetime(midnight).date();
        let none = || variants(study).map(|(_, variant)| (variant.clone(), 0)).collect();
        let of_day = by_day.entry(date).or_insert_with(none);
        if let Some((_, variant)) = variants(study).nth(usize::from(*place)) {
            of_day.insert(variant.clone(), *users);
        }
    }
    ExposureReport {
        variants: variants(study).map(of_variant).collect(),
        by_day: by_day.into_iter().map(|(day, users)| DayExposures { day, users }).collect(),
        crossed_users: observations.crossed,
    }
}

fn sample_ratio(study: &Study<'_>, observations: &Observations) -> Option<SampleRatio> {
    let count = study.experiment.definition.variants.len();
    let mut by_allocation: BTreeMap<u32, Vec<u64>> = BTreeMap::new();
    for (group, exposed) in &observations.exposed {
        let users = by_allocation.entry(group.allocation).or_insert_with(|| vec![0; count]);
        if let Some(own) = users.get_mut(usize::from(group.variant)) {
            *own = exposed.users;
        }
    }
    let all: u64 = by_allocation.values().flatten().sum();
    let mut expected = vec![0.0; count];
    let mut p = Vec::new();
    for (allocation, users) in &by_allocation {
        let shares = study.experiment.shares_of(*allocation)?;
        let shares: Vec<f64> = shares.iter().map(|share| share.fraction()).collect();
        let counted = users.iter().sum::<u64>() as f64;
        if shares.iter().all(|share| share * counted >= MIN_EXPECTED) {
            p.push(imbalance::test(users, &shares).ok()?.p);
        }
        let part = counted / all as f64;
        for (own, share) in expected.iter_mut().zip(shares) {
            *own += part * share;
        }
    }
    if all == 0 {
        return None;
    }
    let p = holm(&p).ok()?.into_iter().fold(1.0, f64::min);
    let names = variants(study).map(|(_, variant)| variant.clone());
    Some(SampleRatio { p, is_alarm: p < ALARM, expected: names.zip(expected).collect() })
}

fn metrics(study: &Study<'_>, observations: &Observations) -> Vec<MetricReport> {
    let definition = &study.experiment.definition;
    let numbers = (0..definition.metrics.len())
        .filter_map(|place| MetricNumbers::of_all(study, observations, place));
    let mut metrics: Vec<MetricReport> = numbers
        .filter_map(|numbers| {
            let (control, variants) = figures(study, &numbers)?;
            Some(MetricReport {
                metric: numbers.definition.metric.clone(),
                better: numbers.definition.better,
                is_primary: numbers.definition.metric == definition.primary,
                winsorised_above: numbers.limit(),
                control,
                variants,
            })
        })
        .collect();
    // A guardrail is no success to be found among many.
    let judged = metrics.iter_mut().flat_map(|metric| &mut metric.variants);
    let mut judged: Vec<&mut Comparison> = judged
        .filter(|of| of.guardrail.is_none())
        .filter_map(|of| of.comparison.as_mut())
        .collect();
    adjust(&mut judged, holm);
    metrics
}

fn segments(study: &Study<'_>, observations: &Observations) -> Vec<SegmentReport> {
    let mut segments = Vec::new();
    for (segment, of) in &observations.segments {
        let Some(numbers) = MetricNumbers::of_segment(study, (observations, of)) else { continue };
        let Some((control, variants)) = figures(study, &numbers) else { continue };
        let (by, value) = (segment.by(), segment.text());
        segments.push(SegmentReport { by, value, control, variants });
    }
    let variants = segments.iter_mut().flat_map(|segment| &mut segment.variants);
    let mut compared: Vec<&mut Comparison> =
        variants.filter_map(|of| of.comparison.as_mut()).collect();
    adjust(&mut compared, benjamini_hochberg);
    segments
}

/// The control's figures, and those of the others beside it.
fn figures(
    study: &Study<'_>,
    numbers: &MetricNumbers<'_>,
) -> Option<(VariantFigures, Vec<VariantReport>)> {
    let of_variant = |(place, variant): (u8, &VariantId)| {
        let Summary { users, mean, standard_deviation, .. } = numbers.summary(place);
        VariantFigures { variant: variant.clone(), users, mean, standard_deviation }
    };
    let beside = |(place, variant): (u8, &VariantId)| {
        let VariantFigures { variant, users, mean, standard_deviation } =
            of_variant((place, variant));
        let (comparison, why_not) = match Comparison::of(numbers, place) {
            Ok(comparison) => (Some(comparison), None),
            Err(why) => (None, Some(why.to_string())),
        };
        let guardrail = Guardrail::of(numbers.definition, comparison.as_ref());
        VariantReport { variant, users, mean, standard_deviation, comparison, why_not, guardrail }
    };
    let mut all = variants(study);
    let control = all.next().map(of_variant)?;
    Some((control, all.map(beside).collect()))
}
