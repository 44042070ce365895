//! Experiments: what users of a platform are served otherwise than usual, and what is measured of it.
//!
//! ```json
//! {"name": "More of different things",
//!  "placements": ["course-completion"], "traffic": 0.2,
//!  "variants": [
//!    {"variant": "control", "share": 0.5},
//!    {"variant": "diverse", "share": 0.5, "settings": {"placement": {"diversity": 0.3}}}],
//!  "metrics": [
//!    {"metric": "clickers", "kind": "conversion", "of": {"outcome": "click"}},
//!    {"metric": "orders", "kind": "count", "of": {"outcome": "convert"}, "margin": 0.02}],
//!  "primary": "clickers"}
//! ```
//!
//! | to find | read |
//! | --- | --- |
//! | what a variant changes of a placement | [`variant`] |
//! | who is served which variant | [`assignment`] |
//! | which part of a layer an experiment has | [`slots`] |
//! | how a decision tells the variants that made it | [`exposure`] |
//! | what is measured | [`metric`] |
//! | from draft to archive | [`lifecycle`] |
//! | all of a platform's, and what may be changed when | [`of_domain`] |

pub mod assignment;
pub mod exposure;
pub mod lifecycle;
pub mod metric;
pub mod of_domain;
pub mod slots;
pub mod variant;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::definition::DomainDefinition;
use crate::ids::{LayerId, MetricId, Placement};
use crate::plain_text::is_one_line;
use crate::text_length::exceeds;

use metric::{MAX_METRICS, MetricDefinition};
use slots::{BUCKETS, Share};
use variant::{Ranking, VariantDefinition, check_variants};

/// Longest name of an experiment, in characters.
const MAX_NAME: usize = 200;
/// Most placements that an experiment names: as many as a domain has.
const MAX_PLACEMENTS: usize = crate::placement::MAX_PLACEMENTS;
/// Most days after a user's first exposure that a metric looks at.
pub const MAX_WINDOW_DAYS: u16 = 90;
/// Most days before it that a user's past is compared by.
pub const MAX_PAST_DAYS: u16 = 28;
/// Least share that a variant keeps where shares are learnt, in [`BUCKETS`]: what its users do counts for
/// at most a hundred others.
const LEAST_FLOOR: u16 = 100;
/// Most experiments of a domain that are not archived: each is read with the domain's definition.
pub const MAX_EXPERIMENTS: usize = 64;

/// An experiment as its platform describes it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(
    deny_unknown_fields,
    expecting = "an experiment: an object with variants, metrics and a primary metric"
)]
pub struct ExperimentDefinition {
    /// What it is called where people look at it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// The placements whose slates it is about; every slate that the platform shows, unless it
    /// is said.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub placements: BTreeSet<Placement>,
    /// Experiments of one layer take no user of one another.
    #[serde(default = "LayerId::usual")]
    pub layer: LayerId,
    /// The share of the platform's users who take part. It may grow while the experiment runs:
    /// whoever takes part then keeps their variant.
    pub traffic: Share,
    /// What is compared: 2 to [`variant::MAX_VARIANTS`], the first is what the others are compared
    /// with.
    pub variants: Vec<VariantDefinition>,
    /// What is measured: 1 to [`MAX_METRICS`].
    pub metrics: Vec<MetricDefinition>,
    /// The metric by which it is decided.
    pub primary: MetricId,
    /// Days after a user's first exposure in which what they do counts, up to [`MAX_WINDOW_DAYS`];
    /// all there are, unless it is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window_days: Option<u16>,
    /// Days before a user's first exposure whose acts are taken off what they do then (CUPED), up
    /// to [`MAX_PAST_DAYS`]; 0 for none.
    #[serde(default = "usual_past_days")]
    pub past_days: u16,
    /// By what users are told apart in the report, beside all of them.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub segments: BTreeSet<SegmentBy>,
    /// Whether it ends by itself where a guardrail is surely broken.
    #[serde(default = "yes")]
    pub stop_on_harm: bool,
    /// The share of every variant that is kept whatever is learnt, where shares follow what is
    /// learnt; they stay as they are, unless it is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bandit_floor: Option<Share>,
}

/// What tells users of an experiment apart: known at their first exposure, and no effect of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SegmentBy {
    /// The placement of the slate.
    Placement,
    /// Whether the user's own evidence shaped the slate.
    Personalised,
}

fn usual_past_days() -> u16 {
    14
}

fn yes() -> bool {
    true
}

impl LayerId {
    /// The layer of experiments that name none.
    #[must_use]
    pub fn usual() -> Self {
        match Self::parse("main") {
            Ok(layer) => layer,
            Err(_) => unreachable!("main is a layer's name"),
        }
    }
}

impl ExperimentDefinition {
    /// Checks what the types alone cannot express.
    ///
    /// # Errors
    /// What is wrong, in words fit for a caller, beginning with the field's name.
    pub fn check(&self) -> Result<(), String> {
        if exceeds(&self.name, MAX_NAME) || !is_one_line(&self.name) {
            return Err(format!(
                "name must have at most {MAX_NAME} characters, without control characters"
            ));
        }
        if self.placements.len() > MAX_PLACEMENTS {
            return Err(format!("placements must have at most {MAX_PLACEMENTS} entries"));
        }
        check_variants(&self.variants)?;
        self.check_metrics()?;
        if self.window_days.is_some_and(|days| !(1..=MAX_WINDOW_DAYS).contains(&days)) {
            return Err(format!("window_days must be 1 to {MAX_WINDOW_DAYS}"));
        }
        if self.past_days > MAX_PAST_DAYS {
            return Err(format!("past_days must be 0 to {MAX_PAST_DAYS}"));
        }
        self.check_floor()?;
        let is_ranking_varied =
            self.variants.iter().any(|of| of.settings.ranking != Ranking::Usual);
        if is_ranking_varied && self.segments.contains(&SegmentBy::Personalised) {
            return Err(
                "segments cannot name personalised where a variant changes the ranking: it \
                        would be an effect of the variant"
                    .to_owned(),
            );
        }
        Ok(())
    }

    fn check_floor(&self) -> Result<(), String> {
        let Some(floor) = self.bandit_floor else { return Ok(()) };
        if floor.get() < LEAST_FLOOR {
            let least = f64::from(LEAST_FLOOR) / f64::from(BUCKETS);
            return Err(format!("bandit_floor must be {least} or more"));
        }
        match usize::from(floor.get()) * self.variants.len() > usize::from(BUCKETS) {
            true => Err("bandit_floor must leave every variant its share".to_owned()),
            false => Ok(()),
        }
    }

    fn check_metrics(&self) -> Result<(), String> {
        if !(1..=MAX_METRICS).contains(&self.metrics.len()) {
            return Err(format!("metrics must be 1 to {MAX_METRICS}"));
        }
        let names: BTreeSet<&MetricId> = self.metrics.iter().map(|metric| &metric.metric).collect();
        if names.len() < self.metrics.len() {
            return Err("metrics must have different names".to_owned());
        }
        for metric in &self.metrics {
            metric.check().map_err(|why| format!("metrics.{}: {why}", metric.metric))?;
        }
        let primary = self.metric(&self.primary);
        match primary {
            None => Err(format!("primary is none of metrics: {}", self.primary)),
            Some(primary) if primary.margin.is_some() => {
                Err("primary must be no guardrail: a metric without a margin".to_owned())
            }
            Some(_) => Ok(()),
        }
    }

    /// Checks that the platform has what the experiment names.
    ///
    /// # Errors
    /// As [`ExperimentDefinition::check`].
    pub fn check_with(&self, platform: &DomainDefinition) -> Result<(), String> {
        let is_there = |placement: &&Placement| platform.placements.contains_key(*placement);
        if let Some(unknown) = self.placements.iter().find(|placement| !is_there(placement)) {
            return Err(format!("placements names {unknown}, which the domain does not define"));
        }
        for metric in &self.metrics {
            let mut types = metric.kind.event_types();
            if let Some(unknown) = types.find(|name| !platform.event_types.contains_key(*name)) {
                return Err(format!(
                    "metrics.{}: {unknown} is no event type of the domain",
                    metric.metric
                ));
            }
        }
        for of in &self.variants {
            for placement in &self.placements {
                let Some(usual) = platform.placements.get(placement) else { continue };
                let varied = of.settings.applied_to(usual);
                varied.check().map_err(|why| {
                    format!("variants.{}: with what {placement} says, {why}", of.variant)
                })?;
            }
        }
        Ok(())
    }

    /// A metric by its name.
    #[must_use]
    pub fn metric(&self, name: &MetricId) -> Option<&MetricDefinition> {
        self.metrics.iter().find(|metric| metric.metric == *name)
    }

    /// Whether it is about slates of a placement, or of none.
    #[must_use]
    pub fn is_at(&self, placement: Option<&Placement>) -> bool {
        self.placements.is_empty()
            || placement.is_some_and(|placement| self.placements.contains(placement))
    }

    /// Whether it is about slates that another one is about as well.
    #[must_use]
    pub fn meets(&self, other: &Self) -> bool {
        self.placements.is_empty()
            || other.placements.is_empty()
            || !self.placements.is_disjoint(&other.placements)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use serde_json::json;

    use super::*;

    pub(crate) fn experiment() -> serde_json::Value {
        json!({
            "name": "More of different things", "placements": ["home"], "traffic": 0.2,
            "variants": [
                {"variant": "control", "share": 0.5},
                {"variant": "diverse", "share": 0.5, "settings": {"placement": {"diversity": 0.3}}},
            ],
            "metrics": [
                {"metric": "clickers", "kind": "conversion", "of": {"outcome": "click"}},
                {"metric": "orders", "kind": "count", "of": {"event_type": "enrol"}, "margin": 0.02},
            ],
            "primary": "clickers",
        })
    }

    fn read(json: serde_json::Value) -> Result<ExperimentDefinition, String> {
        let read: ExperimentDefinition =
            serde_json::from_value(json).map_err(|error| error.to_string())?;
        read.check().map(|()| read)
    }

    #[test]
    fn an_experiment_is_read_and_says_the_same_when_it_is_written() {
        let read_once = read(experiment()).unwrap();
        let written = serde_json::to_value(&read_once).unwrap();
        assert_eq!(read(written).unwrap(), read_once);
        assert!(read_once.is_at(Some(&Placement::parse("home").unwrap())));
        assert!(!read_once.is_at(None));
    }

    #[test]
    fn what_is_wrong_is_said_by_its_field() {
        let cases: [(&str, serde_json::Value, &str); 11] = [
            ("name", json!("a\nb"), "name"),
            ("variants", json!([{"variant": "control", "share": 1}]), "variants"),
            ("metrics", json!([]), "metrics"),
            ("primary", json!("nothing"), "primary"),
            ("primary", json!("orders"), "primary"),
            ("window_days", json!(0), "window_days"),
            ("past_days", json!(29), "past_days"),
            ("bandit_floor", json!(0.6), "bandit_floor"),
            ("bandit_floor", json!(0.009), "bandit_floor"),
            ("traffic", json!(0), "share"),
            ("traffic", json!(0.00001), "share"),
        ];
        for (field, value, expected) in cases {
            let mut wrong = experiment();
            wrong[field] = value.clone();
            let why = read(wrong).unwrap_err();
            assert!(why.contains(expected), "{field} {value}: {why}");
        }
    }

    #[test]
    fn what_its_platform_does_not_have_is_refused() {
        let mut platform = crate::definition::tests::definition();
        let known = read(experiment()).unwrap();
        assert!(known.check_with(&platform).unwrap_err().contains("home"));
        let home = json!({"calibration": 0.2});
        platform.placements = [("home", home)]
            .map(|(name, of)| {
                (Placement::parse(name).unwrap(), serde_json::from_value(of).unwrap())
            })
            .into();
        known.check_with(&platform).unwrap();
        let mut unknown = experiment();
        unknown["metrics"][0]["of"] = json!({"event_type": "nothing"});
        let why = read(unknown).unwrap().check_with(&platform).unwrap_err();
        assert!(why.contains("nothing"), "{why}");
    }
}
