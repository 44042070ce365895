//! An experiment as it is measured at a time: its metrics taken apart into what is counted of each
//! user.
//!
//! | metric | counted after the first exposure | counted beside it |
//! | --- | --- | --- |
//! | conversion, count | times that the signal was seen in the window | the same in the days before (CUPED) |
//! | revenue | sum of the events' values in the window | the same before |
//! | ratio | as a count | the other signal, as a count |
//! | retention | events and slates in its days | events and slates before |
//!
//! Where shares are learnt there is no covariate: what a user did before one allocation is in part
//! what the allocation before it made them do.

use jiff::Timestamp;

use crate::entities::decision::OutcomeKind;
use crate::entities::experiment::lifecycle::Experiment;
use crate::entities::experiment::metric::{MetricDefinition, MetricKind, Signal};
use crate::entities::ids::{EventType, MetricId};

/// Milliseconds of a day.
pub(super) const DAY: i64 = 86_400_000;

/// An experiment with what is counted of each of its users, as of a time.
#[derive(Debug, Clone)]
pub struct Study<'a> {
    pub(super) experiment: &'a Experiment,
    pub(super) as_of: Timestamp,
    /// What is counted of each user, each thing once, however many metrics look at it.
    pub(super) counted: Vec<Counted>,
    /// What each metric of the definition makes of it, in its order.
    pub(super) measures: Vec<Measure>,
}

/// Something that is counted of each user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Counted {
    pub(super) what: What,
    pub(super) when: When,
}

/// What is counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum What {
    /// Outcomes of slates.
    Outcomes(OutcomeKind),
    /// Events of a type.
    Events(EventType),
    /// The values of events of a type, in parts of [`super::whole_sums::PARTS_OF_ONE`].
    Values(EventType),
    /// Slates.
    Slates,
    /// Slates and events of any type.
    Presence,
}

/// When something must be to be counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum When {
    /// From the first exposure to the end of the window.
    Window,
    /// From so many milliseconds after the first exposure to before so many.
    Between(i64, i64),
    /// In the days before the first exposure.
    Past,
}

/// What a metric makes of what is counted: places in [`Study::counted`].
#[derive(Debug, Clone, Copy)]
pub(super) struct Measure {
    pub(super) of: usize,
    /// The denominator of a ratio, else the covariate where there is one.
    pub(super) beside: Option<usize>,
    pub(super) shape: Shape,
    /// The share of users, in parts of [`crate::entities::experiment::slots::BUCKETS`], whose
    /// values stay as they are; all, where nothing is drawn in.
    pub(super) winsorised_at: Option<u16>,
}

/// What kind of number a metric is of a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// 0 or 1.
    Whether,
    /// As often as it was.
    Times,
    /// A sum of values.
    Value,
    /// A numerator beside a denominator.
    Ratio,
    /// 0 or 1, of users whose first exposure is so many milliseconds past.
    WhetherAfter(i64),
}

impl<'a> Study<'a> {
    /// An experiment as of a time: nothing that happened later is looked at.
    #[must_use]
    pub fn new(experiment: &'a Experiment, as_of: Timestamp) -> Self {
        let mut study = Self { experiment, as_of, counted: Vec::new(), measures: Vec::new() };
        for metric in &experiment.definition.metrics {
            let measure = study.measure(metric);
            study.measures.push(measure);
        }
        study
    }

    /// The experiment.
    #[must_use]
    pub fn experiment(&self) -> &'a Experiment {
        self.experiment
    }

    /// As of when it is looked at.
    #[must_use]
    pub fn as_of(&self) -> Timestamp {
        self.as_of
    }

    /// Whether shares follow what is learnt, so that a user is another one under each allocation.
    #[must_use]
    pub fn is_adaptive(&self) -> bool {
        self.experiment.definition.bandit_floor.is_some()
    }

    /// Whether the second pass looks at decisions: otherwise none need be read for it again.
    #[must_use]
    pub fn looks_at_decisions_again(&self) -> bool {
        self.counted.iter().any(|counted| match counted.what {
            What::Presence => true,
            What::Slates => counted.when == When::Past,
            What::Outcomes(_) | What::Events(_) | What::Values(_) => false,
        })
    }

    /// Whether the days before a user's first exposure are looked at.
    pub(super) fn has_past(&self) -> bool {
        self.experiment.definition.past_days > 0 && !self.is_adaptive()
    }

    /// The place of a metric in the definition.
    pub(super) fn place_of(&self, metric: &MetricId) -> Option<usize> {
        self.experiment.definition.metrics.iter().position(|of| of.metric == *metric)
    }

    fn measure(&mut self, metric: &MetricDefinition) -> Measure {
        let (what, when, shape) = match &metric.kind {
            MetricKind::Conversion { of } => (what(of), When::Window, Shape::Whether),
            MetricKind::Count { of } => (what(of), When::Window, Shape::Times),
            MetricKind::Revenue { event_type } => {
                (What::Values(event_type.clone()), When::Window, Shape::Value)
            }
            MetricKind::Ratio { of, .. } => (what(of), When::Window, Shape::Ratio),
            MetricKind::Retention { from_day, to_day } => {
                let (from, to) = (i64::from(*from_day) * DAY, i64::from(*to_day) * DAY);
                (What::Presence, When::Between(from, to), Shape::WhetherAfter(to))
            }
        };
        let beside = match &metric.kind {
            MetricKind::Ratio { per, .. } => {
                Some(Counted { what: self::what(per), when: When::Window })
            }
            _ => self.has_past().then(|| Counted { what: what.clone(), when: When::Past }),
        };
        let of = self.place(Counted { what, when });
        let beside = beside.map(|counted| self.place(counted));
        Measure { of, beside, shape, winsorised_at: metric.winsorised_at.map(|at| at.get()) }
    }

    fn place(&mut self, counted: Counted) -> usize {
        let known = self.counted.iter().position(|known| *known == counted);
        known.unwrap_or_else(|| {
            self.counted.push(counted);
            self.counted.len() - 1
        })
    }
}

fn what(signal: &Signal) -> What {
    match signal {
        Signal::Outcome(kind) => What::Outcomes(*kind),
        Signal::EventType(event_type) => What::Events(event_type.clone()),
        Signal::Slates => What::Slates,
    }
}
