//! The plan of a training run beyond one machine: what is fitted, how both sides
//! of each matrix are cut, and where everything lies.
//!
//! Several matrices are fitted ([`PlannedFit`]): for each [`FitPurpose`], what the
//! verdicts on bridges call for ([`crate::training::bridging::fitting::NeededFits`]). All fits
//! go through the same half-iterations as [`crate::maths::als::fit`] at the same time.
//! Each half-iteration is a step; a step has one task for each shard of the side
//! that it solves, of every fit. A task reads its rows, the whole other side's
//! factors, and its own rows' factors from before (the smaller side's tasks all of
//! theirs), and writes its rows' factors under a key that only the run, the fit, the
//! step and the shard determine: whatever is there needs not be solved again.
//! All factors of a fit that are exchanged are in one basis, that of its beginning.
//!
//! | object, under `retraining/<run>/` | what |
//! | --- | --- |
//! | `judged-3.json` | [`crate::training::ModelOutline`]: the verdicts, so that nobody judges twice |
//! | `plan.json` | [`ShardPlan`], written once: what was prepared counts from then on |
//! | `matrix/<sha256>` | a [`crate::training::sharding::shard::MatrixShard`] of either side |
//! | `bridge/<sha256>` | a [`crate::training::sharding::shard::BridgeShard`]: the bridge of a direction that brings all its tables |
//! | `people/<sha256>` | [`PeopleRecord`]: whose factors a map is fitted to, JSON |
//! | `outline/<sha256>` | the model besides its factors, JSON |
//! | `evaluation/<sha256>` | whom a fit that is measured ranks for, JSON |
//! | `steps/<step>.json` | the step's tasks, a JSON array |
//! | `factors/<purpose>/<part>/<iteration>/<side>/<shard>` | a [`crate::training::sharding::shard::FactorShard`]; iteration 0 is what the fit begins with |

use std::collections::BTreeMap;
use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::entities::ids::{DomainId, TrainingRunId};
use crate::evidence::popularity::PeopleOfDomain;
use crate::maths::als::{AlsOptions, padded_length};
use crate::maths::sparse::SparseRows;
use crate::model::bridges::Direction;
use crate::training::{EvaluationSet, FitPurpose};

/// Top folder of every run's working files.
pub const RETRAINING_PREFIX: &str = "retraining/";
/// Version of the plan's layout.
pub const FORMAT: u32 = 7;

/// A side of the joint matrix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// Its rows.
    People,
    /// Its columns.
    Items,
}

impl Side {
    /// The other one.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::People => Self::Items,
            Self::Items => Self::People,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::People => "people",
            Self::Items => "items",
        }
    }
}

/// A purpose as it stands in keys.
fn purpose_name(purpose: FitPurpose) -> &'static str {
    match purpose {
        FitPurpose::WithoutNewest => "without_newest",
        FitPurpose::WithoutLast => "without_last",
        FitPurpose::Final => "final",
    }
}

/// The part of the joint matrix that is fitted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// All of it.
    Joint,
    /// One domain's: see [`crate::training::bridging::domain_fits::DomainPart`].
    Domain(DomainId),
}

/// One half-iteration, of all fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// The iteration, from 1.
    pub iteration: usize,
    /// The side that is solved.
    pub side: Side,
}

impl Step {
    /// The factors of the other side that this step takes as they are: items
    /// of the iteration before, people of the same one.
    #[must_use]
    pub fn fixed(self) -> Self {
        let iteration = match self.side {
            Side::People => self.iteration - 1,
            Side::Items => self.iteration,
        };
        Self { iteration, side: self.side.other() }
    }

    /// What the solved rows were before; absent for people at first, who begin at zero.
    #[must_use]
    pub fn before(self) -> Option<Self> {
        let begins_at_zero = self.side == Side::People && self.iteration == 1;
        (!begins_at_zero).then_some(Self { iteration: self.iteration - 1, ..self })
    }
}

/// The items that a fit begins with.
pub const INITIAL_ITEMS: Step = Step { iteration: 0, side: Side::Items };

/// One fit: a matrix, cut into shards of both sides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedFit {
    /// What it is for.
    pub purpose: FitPurpose,
    /// What it is fitted to.
    pub part: Part,
    /// Length of a factor vector.
    pub factors: usize,
    /// Where each shard of people ends.
    pub people_ends: Vec<usize>,
    /// Where each shard of items ends.
    pub item_ends: Vec<usize>,
    /// The keys of the matrix's shards.
    pub people: Vec<String>,
    /// The keys of the shards of its transpose.
    pub items: Vec<String>,
    /// The key of a [`PeopleRecord`] when people's factors are wanted as well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wanted_people: Option<String>,
}

impl PlannedFit {
    fn ends(&self, side: Side) -> &[usize] {
        match side {
            Side::People => &self.people_ends,
            Side::Items => &self.item_ends,
        }
    }

    /// How many shards a side has.
    #[must_use]
    pub fn shards(&self, side: Side) -> usize {
        self.ends(side).len()
    }

    /// How many rows a side has, over all shards.
    #[must_use]
    pub fn rows(&self, side: Side) -> usize {
        self.ends(side).last().copied().unwrap_or(0)
    }

    /// The rows of a shard; `None` when there is no such shard.
    #[must_use]
    pub fn range(&self, side: Side, shard: usize) -> Option<Range<usize>> {
        let ends = self.ends(side);
        let start = if shard == 0 { 0 } else { *ends.get(shard - 1)? };
        Some(start..*ends.get(shard)?)
    }

    /// The key of a shard's rows.
    #[must_use]
    pub fn matrix_key(&self, side: Side, shard: usize) -> Option<&str> {
        let keys = match side {
            Side::People => &self.people,
            Side::Items => &self.items,
        };
        keys.get(shard).map(String::as_str)
    }

    /// The key of the factors that a step gives for a shard.
    #[must_use]
    pub fn factor_key(&self, run: &TrainingRunId, step: Step, shard: usize) -> String {
        let purpose = purpose_name(self.purpose);
        let part = match &self.part {
            Part::Joint => "joint".to_owned(),
            Part::Domain(domain) => format!("domain={domain}"),
        };
        let (iteration, side) = (step.iteration, step.side.name());
        format!("{}factors/{purpose}/{part}/{iteration}/{side}/{shard}", folder(run))
    }
}

/// What a purpose has besides its fits.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PurposeFiles {
    /// Whom its model ranks for: an [`EvaluationRecord`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evaluation: Option<String>,
    /// Its bridges that bring all their tables.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bridges: Vec<(Direction, String)>,
    /// The weights between the items of domains, with the place of their ranker.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub weights: Vec<(DomainId, usize, String)>,
    /// The sequence models of domains, with the place of their ranker.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sequences: Vec<(DomainId, usize, String)>,
}

/// The plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ShardPlan {
    /// [`FORMAT`].
    pub format: u32,
    /// The run.
    pub run: TrainingRunId,
    /// Hyper-parameters.
    pub options: AlsOptions,
    /// All fits.
    pub fits: Vec<PlannedFit>,
    /// What they are for. Only to be served when the events do not spread over time.
    pub purposes: BTreeMap<FitPurpose, PurposeFiles>,
    /// The model besides its factors: an [`crate::training::ModelOutline`].
    pub outline: String,
}

impl ShardPlan {
    /// The half-iterations, in order. Where people's factors are wanted they are
    /// solved once more in the end, as [`crate::maths::als::fit`] does.
    #[must_use]
    pub fn steps(&self) -> Vec<Step> {
        let mut steps: Vec<Step> = (1..=self.options.iterations)
            .flat_map(|iteration| [Side::People, Side::Items].map(|side| Step { iteration, side }))
            .collect();
        if self.fits.iter().any(|fit| fit.wanted_people.is_some()) {
            steps.push(self.last(Side::People));
        }
        steps
    }

    /// The step that gives factors of a side as they are in the end.
    #[must_use]
    pub fn last(&self, side: Side) -> Step {
        Step { iteration: self.options.iterations + usize::from(side == Side::People), side }
    }

    /// The tasks of a step: numbers of fits and of their shards.
    #[must_use]
    pub fn tasks(&self, step: Step) -> Vec<(usize, usize)> {
        let is_last = step == self.last(Side::People);
        let fits = self.fits.iter().enumerate();
        let solved = fits.filter(|(_, fit)| !is_last || fit.wanted_people.is_some());
        solved.flat_map(|(at, fit)| (0..fit.shards(step.side)).map(move |s| (at, s))).collect()
    }

    /// The fits for a purpose.
    pub fn fits_for(&self, purpose: FitPurpose) -> impl Iterator<Item = &PlannedFit> {
        self.fits.iter().filter(move |fit| fit.purpose == purpose)
    }
}

/// Where a run's working files lie; ends with a slash.
#[must_use]
pub fn folder(run: &TrainingRunId) -> String {
    format!("{RETRAINING_PREFIX}{run}/")
}

/// The key of a run's plan.
#[must_use]
pub fn plan_key(run: &TrainingRunId) -> String {
    format!("{}plan.json", folder(run))
}

/// The key of what a run's verdicts were.
#[must_use]
pub fn judged_key(run: &TrainingRunId) -> String {
    // Another version's verdicts are not seen, and the bridges judged again.
    format!("{}judged-{FORMAT}.json", folder(run))
}

/// The key of a step's tasks; the state machine's definition knows this form.
#[must_use]
pub fn step_key(run: &TrainingRunId, step: usize) -> String {
    format!("{}steps/{step}.json", folder(run))
}

/// What bounds a shard's size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShardBounds {
    /// Bytes of a shard: its entries and its factors, before and after.
    pub shard_bytes: u64,
    /// Bytes of memory of a worker.
    pub worker_bytes: u64,
}

/// One side's factors are more than a worker can hold beside its own shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a worker would need {needed} bytes to hold the factors of all {side} and what belongs to them, \
     and has {available}"
)]
pub struct TooLarge {
    /// `people` or `items`.
    pub side: &'static str,
    /// Bytes a worker would need.
    pub needed: u64,
    /// Bytes it may use.
    pub available: u64,
}

/// Bytes of a stored entry: its column and its confidence.
const ENTRY_BYTES: u64 = 8;
/// Bytes of a factor.
const FACTOR_BYTES: u64 = 4;
/// Copies of its own shard: the file, the rows, the factors.
const SHARD_COPIES: u64 = 3;
/// Share of a worker's memory that may be used, in percent.
const USABLE_PERCENT: u64 = 90;

impl ShardBounds {
    /// Cuts the rows of one side into shards of successive rows and about equal
    /// bytes, none above the bound by more than its last row. Gives where each ends.
    #[must_use]
    pub fn cut(&self, rows: &SparseRows, factors: usize) -> Vec<usize> {
        let bytes = |row: usize| {
            rows.row(row).0.len() as u64 * ENTRY_BYTES + 2 * FACTOR_BYTES * factors as u64
        };
        let total: u64 = (0..rows.rows()).map(bytes).sum();
        let shards = total.div_ceil(self.shard_bytes.max(1)).clamp(1, rows.rows().max(1) as u64);
        let mut ends = Vec::with_capacity(shards as usize);
        let mut sum = 0;
        for row in 0..rows.rows() {
            sum += bytes(row);
            let due = total as u128 * (ends.len() as u128 + 1) / u128::from(shards);
            if u128::from(sum) >= due {
                ends.push(row + 1);
            }
        }
        ends
    }

    /// Whether a worker can hold all factors of either side beside a shard of the other one.
    ///
    /// # Errors
    /// [`TooLarge`] naming the side that is.
    pub fn check(&self, people: usize, items: usize, factors: usize) -> Result<(), TooLarge> {
        // The other side's factors as read, and as the solver wants them.
        let copies = (factors + padded_length(factors)) as u64;
        for (side, rows, others) in [(Side::People, people, items), (Side::Items, items, people)] {
            // A smaller side is read whole as well: it gives the basis to solve in.
            let read = if others < rows { rows + others } else { rows } as u64;
            let needed = read * copies * FACTOR_BYTES + SHARD_COPIES * self.shard_bytes;
            self.check_bytes(side, needed)?;
        }
        Ok(())
    }

    /// Whether one worker can hold what judging bridges takes: the factors of each
    /// domain's people (`people` in all), and both tables of items.
    ///
    /// # Errors
    /// [`TooLarge`] naming people.
    pub fn check_judging(
        &self,
        people: usize,
        items: usize,
        factors: usize,
    ) -> Result<(), TooLarge> {
        let rows = people as u64 + 2 * items as u64;
        self.check_bytes(Side::People, rows * padded_length(factors) as u64 * FACTOR_BYTES)
    }

    fn check_bytes(&self, side: Side, needed: u64) -> Result<(), TooLarge> {
        let available = self.worker_bytes / 100 * USABLE_PERCENT;
        if needed <= available {
            return Ok(());
        }
        Err(TooLarge { side: side.name(), needed, available })
    }
}

/// The people of a domain's part of the matrix, as stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeopleRecord {
    /// Their rows in the joint matrix.
    pub rows: Vec<u32>,
    /// Interactions in the domain of each of them.
    pub interactions: Vec<u32>,
}

/// Whom a fit that is measured ranks for, as stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EvaluationRecord {
    /// The key of [`EvaluationSet::known`], a [`crate::training::sharding::shard::MatrixShard`].
    pub known: String,
    held_out: Vec<Vec<u32>>,
    seen: Vec<Vec<u32>>,
    popularity: Vec<f32>,
    #[serde(default)]
    recent: Vec<f32>,
    people: BTreeMap<DomainId, PeopleOfDomain>,
}

impl EvaluationRecord {
    /// The record of a set whose known interactions are stored under a key.
    #[must_use]
    pub fn new(set: EvaluationSet, known: String) -> Self {
        let EvaluationSet { held_out, seen, popularity, recent, people, known: _ } = set;
        Self { known, held_out, seen, popularity, recent, people }
    }

    /// The set, with what is stored under [`EvaluationRecord::known`].
    #[must_use]
    pub fn set(self, known: SparseRows) -> EvaluationSet {
        let Self { held_out, seen, popularity, recent, people, known: _ } = self;
        EvaluationSet { known, held_out, seen, popularity, recent, people }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::evidence::item_vectors::{ItemVectors, VectorSource};
    use crate::training::ModelOutline;
    use crate::training::bridging::text_fit::TextLikenesses;
    use crate::training::report::TrainingReport;
    use ndarray::Array2;

    /// Two fits; of the second, people's factors are wanted.
    fn plan(iterations: usize) -> ShardPlan {
        let fit = |part, wanted_people| PlannedFit {
            purpose: FitPurpose::Final,
            part,
            factors: 8,
            people_ends: vec![3, 5],
            item_ends: vec![4],
            people: vec!["p".into(); 2],
            items: vec!["i".into()],
            wanted_people,
        };
        let domain = Part::Domain(DomainId::parse("knowledge").unwrap());
        ShardPlan {
            format: FORMAT,
            run: TrainingRunId::parse("run").unwrap(),
            options: AlsOptions { iterations, ..AlsOptions::default() },
            fits: vec![fit(Part::Joint, None), fit(domain, Some("people".into()))],
            purposes: BTreeMap::from([(FitPurpose::Final, PurposeFiles::default())]),
            outline: "o".into(),
        }
    }

    proptest! {
        #[test]
        fn shards_cover_every_row_once_and_none_is_much_above_the_bound(
            lengths in proptest::collection::vec(0usize..40, 1..60), shard_bytes in 100u64..3_000,
        ) {
            let longest = *lengths.iter().max().unwrap() as u64 * 8 + 32;
            let rows = lengths.iter().map(|&n| (0..n as u32).map(|item| (item, 1.0)).collect());
            let rows = SparseRows::from_rows(40, rows.collect::<Vec<_>>());
            let bounds = ShardBounds { shard_bytes, worker_bytes: u64::MAX };
            let ends = bounds.cut(&rows, 4);
            prop_assert!(ends.is_sorted_by(|a, b| a < b));
            prop_assert_eq!(ends.last(), Some(&lengths.len()));
            let mut start = 0;
            for &end in &ends {
                let entries: usize = lengths[start..end].iter().sum();
                let bytes = entries as u64 * 8 + (end - start) as u64 * 32;
                prop_assert!(bytes <= shard_bytes.max(longest) + longest, "{}", bytes);
                start = end;
            }
        }
    }

    #[test]
    fn a_step_needs_only_what_an_earlier_one_gives() {
        let mut plan = plan(3);
        let steps = plan.steps();
        assert_eq!(steps.len(), 6 + 1);
        let is_given =
            |wanted: Step, by: usize| wanted == INITIAL_ITEMS || steps[..by].contains(&wanted);
        for (at, step) in steps.iter().enumerate() {
            assert!(is_given(step.fixed(), at), "{step:?}");
            assert!(step.before().is_none_or(|before| is_given(before, at)), "{step:?}");
        }
        assert!(steps.contains(&plan.last(Side::Items)));
        // People's factors are solved in the end only for whom they are wanted.
        assert_eq!(plan.tasks(steps[0]), [(0, 0), (0, 1), (1, 0), (1, 1)]);
        assert_eq!(plan.tasks(plan.last(Side::People)), [(1, 0), (1, 1)]);
        plan.fits.pop();
        assert_eq!(plan.steps().len(), 6);
    }

    #[test]
    fn every_fit_step_and_shard_has_a_key_of_its_own() {
        let plan = plan(4);
        let tasks = plan.steps().into_iter().flat_map(|step| {
            plan.tasks(step).into_iter().map(move |(fit, shard)| (step, fit, shard))
        });
        let keys: Vec<String> = tasks
            .map(|(step, fit, shard)| plan.fits[fit].factor_key(&plan.run, step, shard))
            .collect();
        let different: std::collections::BTreeSet<&String> = keys.iter().collect();
        assert_eq!(different.len(), keys.len());
        assert_eq!(plan.fits[0].range(Side::People, 1), Some(3..5));
        assert_eq!(plan.fits[0].range(Side::People, 2), None);
    }

    #[test]
    fn a_side_that_no_worker_can_hold_is_refused_by_name() {
        let bounds = ShardBounds { shard_bytes: 1_000, worker_bytes: 1_000_000 };
        assert_eq!(bounds.check(1_000, 1_000, 64), Ok(()));
        let error = bounds.check(2_000, 1_000, 64).unwrap_err();
        assert_eq!((error.side, error.needed, error.available), ("people", 1_539_000, 900_000));
        // The solver fills rows up to multiples of 16.
        assert!(bounds.check(1_080, 1_080, 97).is_err());
        assert_eq!(bounds.check_judging(1_500, 1_000, 64), Ok(()));
        assert!(bounds.check_judging(1_600, 1_000, 64).is_err());
    }

    #[test]
    fn an_outline_survives_being_stored() {
        let parts = crate::model::tests::bridged_parts();
        let index = parts.sections.index.clone();
        let table = Array2::from_shape_fn((index.len(), 3), |(item, value)| {
            (item * (value + 2)) as f32 / 7.0 - value as f32
        });
        let items = index.items().iter().cloned();
        let vectors = ItemVectors::new(VectorSource::default(), items, table).unwrap();
        let texts = index.ranges().keys().map(|domain| (domain.clone(), 2)).collect();
        let outline = ModelOutline {
            index: parts.sections.index,
            popularity: vec![0.1, 1.0 / 3.0, f32::MIN_POSITIVE, 1.0],
            recent: vec![0.0, 0.5],
            people: parts.sections.people,
            provenance: parts.provenance,
            look_alikes: parts.sections.tables.look_alikes().clone(),
            segments: parts.sections.segments,
            topics: parts.sections.topics,
            content: Default::default(),
            likenesses: TextLikenesses::between(&index, &texts, |_, _| Some(vectors.clone())),
            report: TrainingReport::default(),
        };
        let json = serde_json::to_vec(&outline).unwrap();
        assert_eq!(serde_json::from_slice::<ModelOutline>(&json).unwrap(), outline);
    }
}
