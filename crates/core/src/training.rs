//! Training, as a pure function: archived events in, a model's parts out.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use jiff::{SignedDuration, Timestamp};
use ndarray::{Array2, s};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::als::AlsParams;
use crate::bridge::fitting::{self, ServedFits, fit_served};
use crate::bridge::gate::{self, DirectionReport, GateOptions, judge_all};
use crate::bridge::look_alike::{self, LookAlikeReport, Twins};
use crate::bridge::serving::{Mismatch, ScoringTables, TableParts};
use crate::bridge::trial::Ground;
use crate::bridge::{Bridges, DomainRanges};
use crate::cleaning::{Cleaned, CleaningLedger, CleaningRules, RefusedEvent, clean};
use crate::consent::{ConsentContext, ConsentLedger, ConsentedHistory};
use crate::dense::NotPositiveDefinite;
use crate::domain::Definitions;
use crate::drift::{DriftReport, InputCounts, InputDistribution};
pub use crate::evaluation::DomainEvaluation;
use crate::evaluation::{
    Catalogue, LIST_LENGTH, RankingCase, cases_of, measure, rank_by_common_scores, summarise,
};
use crate::event::Event;
use crate::evidence_scaling::EvidenceScaling;
use crate::fold_in::UnobservedItems;
use crate::history::History;
use crate::ids::{DomainId, Pseudonym, TrainingRunId};
use crate::interactions::{ItemIndex, ItemKey, confidences};
use crate::model::{Model, ModelParts};
use crate::people::{PeopleEntry, VersionedEntry};
use crate::rank::top_k;
use crate::shadow::{ShadowCases, ShadowComparison, ShadowReport};
use crate::sparse::SparseRows;
use crate::tuning::{
    EvidenceTable, Interrupted, Search, SearchSpace, Tuner, TuningReport, Validation,
};

/// What a training run saw and measured.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct TrainingReport {
    /// What cleaning kept and refused.
    pub cleaning: CleaningLedger,
    /// Events not used for want of consent.
    pub without_consent: u64,
    /// People with a consented event.
    pub people: usize,
    /// Rows of the joint matrix: more than people where consents keep domains apart.
    pub rows: usize,
    /// Items with an event.
    pub items: usize,
    /// Entries of the joint matrix.
    pub interactions: usize,
    /// The instant that split training from held-out events; absent when the
    /// events do not spread over time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub split_at: Option<Timestamp>,
    /// How hyper-parameters were chosen, when that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tuning: Option<Box<TuningReport>>,
    /// Full-ranking evaluation by domain.
    pub evaluation: BTreeMap<DomainId, DomainEvaluation>,
    /// The model against popularity and the champion, on the same people.
    #[serde(default)]
    pub shadow: ShadowReport,
    /// What came in of late against what the champion was made from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drift: Option<DriftReport>,
    /// For each direction between domains, the candidates for a bridge, their
    /// figures, and which is served.
    #[serde(default)]
    pub bridges: Vec<DirectionReport>,
    /// Items of two domains that look like one thing sold on both.
    #[serde(default)]
    pub look_alikes: LookAlikeReport,
}

/// Everything a run needs.
pub struct TrainingInput {
    /// The archive.
    pub events: Vec<Event>,
    /// Everyone known, with their consents.
    pub people: PeopleIndex,
    /// The domains.
    pub definitions: Definitions,
    /// Every item of the catalogues that was not deleted.
    pub items: BTreeSet<ItemKey>,
    /// Hyper-parameters.
    pub params: AlsParams,
    /// What counts as unobserved at fold-in.
    pub unobserved_items: UnobservedItems,
    /// How bridges between domains are judged.
    pub gate: GateOptions,
    /// The run.
    pub training_run: TrainingRunId,
    /// The model served now, to compare the new one with.
    pub champion: Option<Arc<Model>>,
    /// The instant as of which recency and consent are judged.
    pub now: Timestamp,
}

/// What training works on once the archive is clean: made by [`TrainingInput::clean`].
pub struct CleanedInput {
    input: TrainingInput,
    cleaning: CleaningLedger,
}

impl TrainingInput {
    /// Cleans the events; those refused are handed out to be put into
    /// quarantine, except events of erased lives, which are gone.
    #[must_use]
    pub fn clean(mut self) -> (CleanedInput, Vec<RefusedEvent>) {
        let rules = CleaningRules {
            definitions: &self.definitions,
            items: &self.items,
            erased: &self.people.erased,
        };
        let Cleaned { kept, refused, ledger } = clean(std::mem::take(&mut self.events), rules);
        self.events = kept;
        (CleanedInput { input: self, cleaning: ledger }, refused)
    }
}

/// Why a run ends without a model.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TrainingError {
    /// Nothing is left after cleaning and consent.
    #[error("there is no consented interaction to train on ({read} events read)")]
    NothingToTrainOn {
        /// How many events the archive held.
        read: u64,
    },
    /// The numbers were too extreme.
    #[error(transparent)]
    Numerical(#[from] NotPositiveDefinite),
    /// The search for hyper-parameters could not go on.
    #[error(transparent)]
    Tuning(#[from] Interrupted),
    /// What was fitted cannot be served.
    #[error("what was fitted does not fit together: {0}")]
    Tables(#[from] Mismatch),
}

/// Which person each user belongs to, what people decided, and who was erased.
#[derive(Debug, Clone, Default)]
pub struct PeopleIndex {
    person_of: HashMap<Pseudonym, usize>,
    ledgers: Vec<ConsentLedger>,
    erased: HashMap<Pseudonym, Timestamp>,
}

impl PeopleIndex {
    /// Takes in stored entries.
    pub fn extend(&mut self, entries: impl IntoIterator<Item = VersionedEntry>) {
        for stored in entries {
            match stored.entry {
                PeopleEntry::Person(person) => {
                    let number = self.ledgers.len();
                    self.ledgers.push(person.consents);
                    for member in person.members {
                        let erased = member.erased_at.map(|at| (member.user.clone(), at));
                        self.erased.extend(erased);
                        self.person_of.insert(member.user, number);
                    }
                }
                PeopleEntry::Erased { at } => {
                    self.erased.insert(stored.id, at);
                }
                // The person's own entry lists the user.
                PeopleEntry::Link { .. } => {}
            }
        }
    }

    /// Whether an archived event belongs to a life that was erased.
    #[must_use]
    pub fn is_erased(&self, event: &Event) -> bool {
        self.erased.get(&event.user).is_some_and(|at| event.received_at <= *at)
    }

    /// The events of each person, with what they decided. Users without an
    /// entry are people of their own without decisions. In order of each person's
    /// first pseudonym, so that neither the order in which a store lists people
    /// nor that of the archive's files changes the model.
    fn histories(&self, events: Vec<Event>) -> Vec<(ConsentLedger, History)> {
        let mut by_person: HashMap<Result<usize, Pseudonym>, Vec<Event>> = HashMap::new();
        for event in events {
            let person = self.person_of.get(&event.user).copied();
            by_person.entry(person.ok_or_else(|| event.user.clone())).or_default().push(event);
        }
        let first = |events: &[Event]| events.iter().map(|event| event.user.clone()).min();
        let mut people: Vec<_> = by_person
            .into_iter()
            .map(|(person, events)| (first(&events), person, events))
            .collect();
        people.sort_unstable_by(|(a, ..), (b, ..)| a.cmp(b));
        people
            .into_iter()
            .map(|(_, person, events)| {
                let ledger = person.map(|number| self.ledgers[number].clone()).unwrap_or_default();
                (ledger, History::new(events, []))
            })
            .collect()
    }
}

/// Cleans, builds the joint matrix, judges the bridges between domains, evaluates
/// what would be served on a split by time and with each person's last item held
/// out, and fits what is served. `progress` hears of finished iterations, of all
/// those to do.
///
/// # Errors
/// [`TrainingError`] when no model can be made.
pub fn train(
    input: TrainingInput,
    progress: &(dyn Fn(usize, usize) + Sync),
) -> Result<ModelParts, TrainingError> {
    train_cleaned(input.clean().0, None, progress)
}

/// [`train`], from where the archive is clean; with a tuner, on the
/// hyper-parameters and the weighing of evidence that it finds best.
///
/// # Errors
/// [`TrainingError`] when no model can be made.
pub fn train_cleaned(
    cleaned: CleanedInput,
    tuner: Option<&mut dyn Tuner>,
    progress: &(dyn Fn(usize, usize) + Sync),
) -> Result<ModelParts, TrainingError> {
    let champion = cleaned.input.champion.clone();
    let champion = champion.as_deref();
    let gate = cleaned.input.gate;
    let mut prepared = prepare(cleaned, tuner)?;
    let ranges = prepared.outline.index.ranges().clone();
    let found = look_alike::find(&prepared.all, &ranges, gate.look_alikes);
    let twins = Twins::new(found.iter().map(|pair| (pair.first, pair.second)));
    let is_measured = prepared.outline.report.split_at.is_some();
    let params = prepared.outline.params;
    let fit = Fit {
        ranges: &ranges,
        params: &params,
        unobserved: prepared.outline.unobserved_items,
        twins: &twins,
        steps: Steps::new(iterations(&ranges, &params, is_measured), progress),
    };
    let judged = fit.judge(&prepared.all, &gate)?;
    let mut newest = None;
    for held_out in HeldOut::ALL {
        let Some(MeasuredFit { matrix, set }) = prepared.take_measured(held_out) else { continue };
        let tables = fit.tables(&matrix, &judged)?;
        drop(matrix);
        prepared.outline.add_evaluation(held_out, &set, &tables, champion);
        if held_out == HeldOut::Newest {
            newest = Some(set);
        }
    }
    let served = fit.serve(&prepared.all, &judged)?;
    fit.steps.finish();
    prepared.outline.report.bridges = judged;
    prepared.outline.report.look_alikes = LookAlikeReport::new(&found, &prepared.outline.index);
    let mut parts = prepared.outline.into_parts(served, twins.clone());
    if let Some((set, champion)) = newest.zip(champion) {
        set.compare_with_peer(&mut parts, champion);
    }
    Ok(parts)
}

/// Everything between a clean archive and the fits: applies consents, chooses
/// hyper-parameters if there is a tuner, and builds the joint matrix and what
/// is held out from it.
///
/// # Errors
/// [`TrainingError`] when there is nothing to train on, or the search was interrupted.
pub fn prepare(
    CleanedInput { mut input, cleaning }: CleanedInput,
    tuner: Option<&mut dyn Tuner>,
) -> Result<Prepared, TrainingError> {
    let events = std::mem::take(&mut input.events);
    let index = ItemIndex::new(
        events.iter().map(|event| (event.domain.clone(), event.item_id.clone())).collect(),
    );
    let split_at = split_instant(&events);
    let inputs = InputCounts::until(events.iter().map(|event| event.occurred_at).max());
    let histories = input.people.histories(events);
    let search = match tuner {
        Some(tuner) => Some(tune(tuner, &input, &index, &histories, split_at)?),
        None => None,
    };
    let chosen = search.as_ref().map(|search| search.chosen_candidate().clone());
    let evidence = chosen.as_ref().map(|chosen| chosen.evidence.clone()).unwrap_or_default();
    if let Some(chosen) = chosen {
        input.params = chosen.options.check().unwrap_or(input.params);
        input.definitions = evidence.apply(&input.definitions);
    }
    let champion = input.champion.as_deref();
    let seen_before = champion.and_then(trained_before);
    let builder = RowBuilder {
        definitions: &input.definitions,
        index: &index,
        now: input.now,
        split_at,
        seen_before: seen_before.filter(|seen| split_at.is_some_and(|split| *seen > split)),
    };
    let rows = builder.build(&histories, inputs);
    drop(histories);
    if rows.all.entries() == 0 {
        return Err(TrainingError::NothingToTrainOn { read: cleaning.read });
    }
    let (popularity, people) = popularity(&rows.all, &index);
    let report = TrainingReport {
        without_consent: cleaning.kept - rows.consented_events,
        cleaning,
        people: rows.people,
        rows: rows.all.rows(),
        items: index.len(),
        interactions: rows.all.entries(),
        split_at,
        tuning: search.as_ref().map(|search| Box::new(search.into())),
        evaluation: BTreeMap::new(),
        shadow: ShadowReport {
            champion: champion.map(|model| model.id().clone()),
            domains: BTreeMap::new(),
        },
        drift: champion.and_then(|model| drift_from(model, &rows.inputs, &index)),
        bridges: Vec::new(),
        look_alikes: LookAlikeReport::default(),
    };
    let inputs = rows.inputs.distribution(&index, &popularity);
    let outline = ModelOutline {
        index,
        popularity,
        people,
        params: input.params,
        unobserved_items: input.unobserved_items,
        evidence,
        training_run: input.training_run,
        created_at: input.now,
        inputs,
        report,
    };
    let newest = Newest { matrix: rows.before, held_out: rows.held_out, seen: rows.held_out_seen };
    Ok(Prepared {
        outline,
        all: rows.all,
        newest: split_at.map(|_| newest),
        last: split_at.map(|_| rows.last),
    })
}

/// What a run fits, and everything of its model but the factors.
pub struct Prepared {
    /// What becomes the model once it has factors.
    pub outline: ModelOutline,
    /// The joint matrix.
    pub all: SparseRows,
    newest: Option<Newest>,
    last: Option<Vec<Vec<u32>>>,
}

struct Newest {
    matrix: SparseRows,
    held_out: Vec<Vec<u32>>,
    seen: Vec<Vec<u32>>,
}

/// A way to measure a model: what is held out from a fit and to be ranked high by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HeldOut {
    /// The newest events of all.
    Newest,
    /// The last item of each of some people; those without a second item in
    /// the domain keep theirs.
    Last,
}

impl HeldOut {
    /// Every way, in the order in which they are carried out.
    pub const ALL: [Self; 2] = [Self::Newest, Self::Last];
}

/// What a model is fitted on to be measured, and whom it is to rank for.
pub struct MeasuredFit {
    /// The joint matrix without what is held out; rows as in [`Prepared::all`].
    pub matrix: SparseRows,
    /// Whom to rank for.
    pub set: EvaluationSet,
}

impl Prepared {
    /// What measures the model in a way, once: each holds a matrix. `None` when
    /// it was taken before, or when the events do not spread over time.
    pub fn take_measured(&mut self, held_out: HeldOut) -> Option<MeasuredFit> {
        let Newest { matrix, held_out, seen } = match held_out {
            HeldOut::Newest => self.newest.take()?,
            HeldOut::Last => {
                let held_out = self.last.take()?;
                Newest { matrix: self.all.without(&held_out), held_out, seen: Vec::new() }
            }
        };
        let set = EvaluationSet::choose(&matrix, &held_out, &seen, &self.outline.index);
        Some(MeasuredFit { matrix, set })
    }
}

/// A model without its factors and its evaluation.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelOutline {
    /// The items, in the order of the matrix's columns.
    pub index: ItemIndex,
    /// Share of each domain's people who interacted with each item.
    pub popularity: Vec<f32>,
    /// People with an interaction, by domain.
    pub people: BTreeMap<DomainId, u64>,
    /// Hyper-parameters.
    pub params: AlsParams,
    /// What counts as unobserved at fold-in.
    pub unobserved_items: UnobservedItems,
    /// How evidence was weighed, other than the domains' definitions say.
    pub evidence: EvidenceScaling,
    /// The run.
    pub training_run: TrainingRunId,
    /// The instant as of which recency and consent were judged.
    pub created_at: Timestamp,
    /// What it is made from, to tell drift by.
    pub inputs: InputDistribution,
    /// What the run saw, without an evaluation yet.
    pub report: TrainingReport,
}

impl ModelOutline {
    /// Ranks for a set of people with fits that have not seen what is held out,
    /// and takes in how that went. A champion that has not seen it either is compared.
    pub fn add_evaluation(
        &mut self,
        held_out: HeldOut,
        set: &EvaluationSet,
        tables: &ScoringTables,
        champion: Option<&Model>,
    ) {
        let older = champion.filter(|_| held_out == HeldOut::Newest && set.seen.is_empty());
        let (evaluations, comparisons) =
            set.measure(tables, &self.index, self.params.options().seed, older);
        match held_out {
            HeldOut::Newest => {
                self.report.evaluation = evaluations;
                self.report.shadow.domains = comparisons;
            }
            HeldOut::Last => {
                for (domain, last) in evaluations {
                    let evaluation = self.report.evaluation.entry(domain).or_default();
                    evaluation.leave_last_out = Some(Box::new(last));
                }
            }
        }
    }

    /// What scores are made from when nothing is served but one fit of all
    /// domains (`item_factors`, items x factors): no evidence crosses.
    ///
    /// # Errors
    /// [`TrainingError::Tables`] when the factors do not fit the items.
    pub fn tables_without_bridges(
        &self,
        item_factors: Array2<f32>,
    ) -> Result<ScoringTables, TrainingError> {
        Ok(ScoringTables::new(TableParts {
            ranges: self.index.ranges().clone(),
            params: self.params,
            unobserved: self.unobserved_items,
            item_factors,
            domain_factors: None,
            bridges: Bridges::none(),
            twins: Twins::default(),
        })?)
    }

    /// The model's parts, once it is fitted.
    #[must_use]
    pub fn into_parts(self, served: ServedFits, twins: Twins) -> ModelParts {
        ModelParts {
            index: self.index,
            item_factors: served.item_factors,
            domain_factors: served.domain_factors,
            bridges: served.bridges,
            twins,
            popularity: self.popularity,
            people: self.people,
            options: *self.params.options(),
            unobserved_items: self.unobserved_items,
            evidence: self.evidence,
            training_run: self.training_run,
            created_at: self.created_at,
            inputs: self.inputs,
            report: self.report,
        }
    }
}

/// The instant before which everything that may be used was known to a model.
fn trained_before(model: &Model) -> Option<Timestamp> {
    let newest = model.manifest().inputs.newest.unwrap_or(model.manifest().created_at);
    newest.checked_add(SignedDuration::from_nanos(1)).ok()
}

/// Searches for hyper-parameters on what came before the split, so that the
/// run's own evaluation is of events that had no part in the choice.
fn tune(
    tuner: &mut dyn Tuner,
    input: &TrainingInput,
    index: &ItemIndex,
    histories: &[(ConsentLedger, History)],
    split_at: Option<Timestamp>,
) -> Result<Search, Interrupted> {
    let definitions = &input.definitions;
    let mut evidence = EvidenceTable::default();
    for (ledger, history) in histories {
        let context = ConsentContext { ledger, definitions, now: input.now };
        for group in ConsentedHistory::for_training(history, context) {
            let group = split_at.map_or_else(|| group.clone(), |instant| group.before(instant));
            evidence.push(&group, definitions, index);
        }
    }
    let validation = Validation { evidence, index, definitions };
    let space = SearchSpace::of(*input.params.options(), definitions);
    tuner.tune(space, &mut |candidate, fidelity| validation.score(candidate, fidelity))
}

/// Most iterations that a run does: judging bridges, evaluating twice, fitting.
fn iterations(ranges: &DomainRanges, params: &AlsParams, is_evaluated: bool) -> usize {
    let domains = ranges.len();
    let fits = if is_evaluated { 3 } else { 1 };
    gate::iterations(domains, params) + fits * fitting::iterations(domains, params)
}

/// Counts finished iterations and tells of them.
struct Steps<'a> {
    done: AtomicUsize,
    total: usize,
    listener: &'a (dyn Fn(usize, usize) + Sync),
}

impl<'a> Steps<'a> {
    fn new(total: usize, listener: &'a (dyn Fn(usize, usize) + Sync)) -> Self {
        Self { done: AtomicUsize::new(0), total, listener }
    }

    fn one(&self) {
        let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
        (self.listener)(done.min(self.total), self.total);
    }

    /// All is done, also what turned out not to be needed.
    fn finish(&self) {
        (self.listener)(self.total, self.total);
    }
}

/// What all fits of a run have in common.
struct Fit<'a> {
    ranges: &'a DomainRanges,
    params: &'a AlsParams,
    unobserved: UnobservedItems,
    twins: &'a Twins,
    steps: Steps<'a>,
}

impl Fit<'_> {
    fn judge(
        &self,
        matrix: &SparseRows,
        options: &GateOptions,
    ) -> Result<Vec<DirectionReport>, NotPositiveDefinite> {
        let ground = Ground { matrix, ranges: self.ranges, twins: self.twins };
        judge_all(ground, self.params, self.unobserved, options, &|| self.steps.one())
    }

    fn serve(
        &self,
        matrix: &SparseRows,
        bridges: &[DirectionReport],
    ) -> Result<ServedFits, NotPositiveDefinite> {
        fit_served(matrix, self.ranges, self.params, bridges, &|| self.steps.one())
    }

    /// What would be served, fitted to a matrix.
    fn tables(
        &self,
        matrix: &SparseRows,
        bridges: &[DirectionReport],
    ) -> Result<ScoringTables, TrainingError> {
        let served = self.serve(matrix, bridges)?;
        Ok(ScoringTables::new(TableParts {
            ranges: self.ranges.clone(),
            params: *self.params,
            unobserved: self.unobserved,
            item_factors: served.item_factors,
            domain_factors: served.domain_factors,
            bridges: served.bridges,
            twins: self.twins.clone(),
        })?)
    }
}

/// Ranks a domain's items for each case as a slate would: by what may be used of
/// the person's evidence, else by popularity.
fn rank_served(
    tables: &ScoringTables,
    known: &SparseRows,
    (domain, popularity): (&DomainId, &[f32]),
    cases: &[RankingCase],
) -> Vec<Vec<u32>> {
    let rank = |case: &RankingCase| {
        let (items, confidences) = known.row(case.row);
        let evidence: Vec<(u32, f32)> =
            items.iter().copied().zip(confidences.iter().copied()).collect();
        let estimate = tables.estimate(domain, &evidence);
        let mut scores = estimate.map_or(popularity.to_vec(), |e| e.scores().to_vec());
        case.seen.iter().for_each(|&item| scores[item as usize] = f32::NEG_INFINITY);
        top_k(&scores, LIST_LENGTH)
    };
    cases.par_iter().map(rank).collect()
}

/// Share of the events, the newest, that is held out for evaluation.
const HELD_OUT: f64 = 0.1;

/// The instant that leaves the newest tenth of the events held out, unless so
/// many share one instant that less than half would be left to train on.
fn split_instant(events: &[Event]) -> Option<Timestamp> {
    let mut times: Vec<Timestamp> = events.iter().map(|event| event.occurred_at).collect();
    times.sort_unstable();
    let at = (times.len() as f64 * (1.0 - HELD_OUT)) as usize;
    let instant = *times.get(at)?;
    let before = times.partition_point(|time| *time < instant);
    (before * 2 >= times.len()).then_some(instant)
}

/// About how many people the last item is held out from: enough for a narrow
/// interval, and few enough that the rest is nearly the whole matrix.
const LAST_OUT_PEOPLE: f64 = 20_000.0;
/// Seed of their draw.
const LAST_OUT_SEED: u64 = 3;

/// The rows of the joint matrix, whole and split by time.
#[derive(Default)]
struct Rows {
    all: SparseRows,
    before: SparseRows,
    held_out: Vec<Vec<u32>>,
    /// The last item of each domain, of the rows drawn for leave-last-out.
    last: Vec<Vec<u32>>,
    /// The part of `held_out` that the champion was trained on; empty without one that was.
    held_out_seen: Vec<Vec<u32>>,
    people: usize,
    consented_events: u64,
    inputs: InputCounts,
}

struct RowBuilder<'a> {
    definitions: &'a Definitions,
    index: &'a ItemIndex,
    now: Timestamp,
    split_at: Option<Timestamp>,
    /// The instant before which the champion has seen held-out events.
    seen_before: Option<Timestamp>,
}

impl RowBuilder<'_> {
    fn build(&self, histories: &[(ConsentLedger, History)], inputs: InputCounts) -> Rows {
        let (mut all, mut before) = (Vec::new(), Vec::new());
        let mut rows = Rows { inputs, ..Rows::default() };
        let mut drawn = ChaCha8Rng::seed_from_u64(LAST_OUT_SEED);
        let share = (LAST_OUT_PEOPLE / histories.len().max(1) as f64).min(1.0);
        for (ledger, history) in histories {
            let context = ConsentContext { ledger, definitions: self.definitions, now: self.now };
            let groups = ConsentedHistory::for_training(history, context);
            rows.people += usize::from(!groups.is_empty());
            for group in groups {
                rows.consented_events += group.events().len() as u64;
                rows.inputs.add_person(group.events(), self.index);
                let row = self.interactions(&group, self.now);
                let is_drawn = drawn.random_bool(share);
                rows.last.push(if is_drawn { self.last_items(&group, &row) } else { vec![] });
                all.push(row);
                if let Some(instant) = self.split_at {
                    before.push(self.interactions(&group.before(instant), instant));
                    let later = group.since(instant);
                    rows.held_out.push(self.items(&later));
                    let seen = self.seen_before.map(|seen| self.items(&later.before(seen)));
                    rows.held_out_seen.extend(seen);
                }
            }
        }
        rows.all = SparseRows::from_rows(self.index.len(), all);
        rows.before = SparseRows::from_rows(self.index.len(), before);
        rows
    }

    /// The item of the newest event in each domain where the row has another item too.
    fn last_items(&self, history: &ConsentedHistory, row: &[(u32, f32)]) -> Vec<u32> {
        let is_known = |item: &u32| row.iter().any(|(known, _)| known == item);
        let last = |range: &Range<usize>| {
            let contains = |item: u32| range.contains(&(item as usize));
            let items = row.iter().filter(|(item, _)| contains(*item)).count();
            let newest_first = history.events().iter();
            let newest = newest_first
                .filter_map(|e| self.index.row(&(e.domain.clone(), e.item_id.clone())))
                .find(|item| contains(*item));
            newest.filter(|item| items > 1 && is_known(item))
        };
        self.index.ranges().values().filter_map(last).collect()
    }

    fn items(&self, history: &ConsentedHistory) -> Vec<u32> {
        self.interactions(history, self.now).into_iter().map(|(item, _)| item).collect()
    }

    fn interactions(&self, history: &ConsentedHistory, now: Timestamp) -> Vec<(u32, f32)> {
        self.index.rows_of(&confidences(history, self.definitions, now))
    }
}

fn drift_from(champion: &Model, inputs: &InputCounts, index: &ItemIndex) -> Option<DriftReport> {
    let popularity = |row: u32| Some(champion.popularity(champion.index().row(index.item(row)?)?));
    inputs.drift_from((champion.id(), &champion.manifest().inputs), index, &popularity)
}

/// Share of each domain's people who interacted with each item, and how many people that is.
fn popularity(rows: &SparseRows, index: &ItemIndex) -> (Vec<f32>, BTreeMap<DomainId, u64>) {
    let mut shares: Vec<f32> = rows.column_counts().into_iter().map(|count| count as f32).collect();
    let mut people = BTreeMap::new();
    for (domain, range) in index.ranges() {
        let is_in =
            |row: usize| rows.row(row).0.iter().any(|&item| range.contains(&(item as usize)));
        let active = (0..rows.rows()).filter(|&row| is_in(row)).count();
        shares[range.clone()].iter_mut().for_each(|share| *share /= active.max(1) as f32);
        people.insert(domain.clone(), active as u64);
    }
    (shares, people)
}

/// Most people who are ranked for: enough to tell means apart to a thousandth,
/// and few enough for one machine to rank a million items for each.
const MOST_EVALUATED: usize = 200_000;

/// People with something held out, and what was known of them without it.
#[derive(Debug, Clone, PartialEq)]
pub struct EvaluationSet {
    /// Their rows in the joint matrix, ascending.
    pub people: Vec<u32>,
    /// What is known of them, one row for each.
    pub known: SparseRows,
    /// What is held out, for each of them.
    pub held_out: Vec<Vec<u32>>,
    /// The part of it that the champion was trained on; empty without one that was.
    pub seen: Vec<Vec<u32>>,
    /// Share of each domain's people who interacted with each item, without what is held out.
    pub popularity: Vec<f32>,
    /// People with an interaction that is not held out, by domain.
    pub active: BTreeMap<DomainId, u64>,
}

/// What was measured on held-out people, by domain.
type Evaluated = (BTreeMap<DomainId, DomainEvaluation>, BTreeMap<DomainId, ShadowComparison>);

impl EvaluationSet {
    /// Everyone with something known and something held out, or an even choice
    /// of [`MOST_EVALUATED`] of them.
    fn choose(
        matrix: &SparseRows,
        held_out: &[Vec<u32>],
        seen: &[Vec<u32>],
        index: &ItemIndex,
    ) -> Self {
        let has_both = |row: &usize| !matrix.row(*row).0.is_empty() && !held_out[*row].is_empty();
        let candidates: Vec<usize> = (0..matrix.rows()).filter(has_both).collect();
        let stride = candidates.len().div_ceil(MOST_EVALUATED).max(1);
        let chosen: Vec<usize> = candidates.into_iter().step_by(stride).collect();
        let known = chosen.iter().map(|&row| {
            let (items, confidences) = matrix.row(row);
            items.iter().copied().zip(confidences.iter().copied()).collect()
        });
        let (popularity, active) = popularity(matrix, index);
        Self {
            known: SparseRows::from_rows(index.len(), known),
            held_out: chosen.iter().map(|&row| held_out[row].clone()).collect(),
            seen: chosen.iter().filter_map(|&row| seen.get(row).cloned()).collect(),
            people: chosen.into_iter().map(|row| row as u32).collect(),
            popularity,
            active,
        }
    }

    /// Ranks each domain's items for those from whom some were held out.
    fn measure(
        &self,
        tables: &ScoringTables,
        index: &ItemIndex,
        seed: u64,
        older_champion: Option<&Model>,
    ) -> Evaluated {
        let (mut evaluations, mut comparisons) = Evaluated::default();
        for (domain, range) in index.ranges() {
            let cases = cases_of(&self.known, &self.held_out, range);
            let items = tables.item_factors();
            let items = items.slice(s![range.clone(), ..]);
            let popularity = &self.popularity[range.clone()];
            let model = rank_served(tables, &self.known, (domain, popularity), &cases);
            let popular = rank_by_common_scores(popularity, &cases);
            let shadow = self.shadow(&cases, index, range, seed);
            let measured = measure(&model, &cases);
            let against_popularity =
                shadow.against_popularity(&measured, &measure(&popular, &cases));
            if let Some(mut comparison) = against_popularity {
                comparison.champion =
                    older_champion.and_then(|champion| shadow.against_older(&measured, champion));
                comparisons.insert(domain.clone(), comparison);
            }
            let people = self.active.get(domain).copied().unwrap_or(0);
            let catalogue = Catalogue { factors: items, popularity, people };
            evaluations.insert(domain.clone(), summarise(&model, &popular, &cases, catalogue));
        }
        (evaluations, comparisons)
    }

    fn shadow<'a>(
        &'a self,
        cases: &'a [RankingCase],
        index: &'a ItemIndex,
        range: &Range<usize>,
        seed: u64,
    ) -> ShadowCases<'a> {
        ShadowCases { cases, before: &self.known, index, range: (range.start, range.end), seed }
    }

    /// Compares the new model with a champion that has seen held-out events as well.
    pub fn compare_with_peer(&self, parts: &mut ModelParts, champion: &Model) {
        let Ok(challenger) = Model::unpublished(parts, champion.id().clone()) else {
            // Its options are out of range; it will not be decoded either.
            return;
        };
        for (domain, range) in parts.index.ranges() {
            let cases = cases_of(&self.known, &self.seen, range);
            let shadow = self.shadow(&cases, &parts.index, range, parts.options.seed);
            let Some(comparison) = parts.report.shadow.domains.get_mut(domain) else { continue };
            if let Some(rival) = shadow.against_peer(&challenger, champion) {
                comparison.champion = Some(rival);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::als::AlsOptions;
    use crate::bootstrap::Interval;
    use crate::bridge::look_alike::LookAlikeRule;
    use crate::consent::{ConsentDecision, Purpose};
    use crate::domain::tests::definition;
    use crate::drift::DriftStatus;
    use crate::ids::{EventId, EventType, ItemId};
    use crate::model::{Artefact, decode_manifest};
    use crate::people::{Member, Person};
    use crate::shadow::Basis;

    const DOMAINS: [&str; 2] = ["auto-finance", "knowledge"];
    const NO_TWINS: LookAlikeRule = LookAlikeRule { jaccard: 0.5, shared_people: u32::MAX };

    fn user(person: usize, domain: &str) -> Pseudonym {
        Pseudonym::parse(&format!("{domain}-{person}")).unwrap()
    }

    /// Everyone is on both platforms and likes the even or the odd items of both.
    fn events() -> Vec<Event> {
        events_of(30)
    }

    fn events_of(people: usize) -> Vec<Event> {
        let mut events = Vec::new();
        for person in 0..people {
            for domain in DOMAINS {
                for step in 0..10usize {
                    let at = (person * 31 + step * 977) as i64;
                    events.push(Event {
                        event_id: EventId::parse(&format!("e{step}")).unwrap(),
                        user: user(person, domain),
                        domain: DomainId::parse(domain).unwrap(),
                        event_type: EventType::parse("view").unwrap(),
                        item_id: ItemId::parse(&format!(
                            "i{}",
                            (step + person) % 12 * 2 + person % 2
                        ))
                        .unwrap(),
                        occurred_at: Timestamp::from_second(at).unwrap(),
                        received_at: Timestamp::from_second(at).unwrap(),
                        value: None,
                        dwell_seconds: None,
                    });
                }
            }
        }
        events
    }

    fn people(granted: bool) -> PeopleIndex {
        people_of(30, granted)
    }

    fn people_of(people: usize, granted: bool) -> PeopleIndex {
        let mut index = PeopleIndex::default();
        index.extend(entries_of(people, granted));
        index
    }

    fn entries_of(people: usize, granted: bool) -> Vec<VersionedEntry> {
        let domain = |name: &str| DomainId::parse(name).unwrap();
        let decision = |from: &str, to: &str| ConsentDecision {
            from: domain(from),
            to: domain(to),
            purpose: Purpose::Training,
            granted,
            decided_at: Timestamp::UNIX_EPOCH,
            expires_at: None,
            evidence: None,
        };
        let entry = |person| {
            let members = DOMAINS.map(|name| Member {
                user: user(person, name),
                domain: domain(name),
                declared: BTreeMap::new(),
                erased_at: None,
            });
            let consents = vec![decision(DOMAINS[0], DOMAINS[1]), decision(DOMAINS[1], DOMAINS[0])];
            VersionedEntry {
                id: members[0].user.clone(),
                entry: PeopleEntry::Person(Person {
                    members: members.into(),
                    consents: consents.into(),
                }),
                version: 1,
            }
        };
        (0..people).map(entry).collect()
    }

    fn input(events: Vec<Event>, people: PeopleIndex) -> TrainingInput {
        let domains = DOMAINS.map(|name| DomainId::parse(name).unwrap());
        let items = domains.iter().flat_map(|domain| {
            (0..24).map(|n| (domain.clone(), ItemId::parse(&format!("i{n}")).unwrap()))
        });
        TrainingInput {
            events,
            people,
            items: items.collect(),
            definitions: domains.iter().map(|domain| (domain.clone(), definition())).collect(),
            params: AlsOptions { factors: 4, iterations: 5, ..AlsOptions::default() }
                .check()
                .unwrap(),
            unobserved_items: UnobservedItems::default(),
            // All items of a taste have the same people here: none of them is a twin.
            gate: GateOptions { look_alikes: NO_TWINS, ..GateOptions::default() },
            training_run: TrainingRunId::parse("run").unwrap(),
            champion: None,
            now: Timestamp::from_second(20_000).unwrap(),
        }
    }

    #[test]
    fn linked_users_with_consent_share_a_row_and_without_it_do_not() {
        let joined = train(input(events(), people(true)), &|_, _| ()).unwrap().report;
        assert_eq!((joined.people, joined.rows), (30, 30));
        let apart = train(input(events(), people(false)), &|_, _| ()).unwrap().report;
        assert_eq!((apart.people, apart.rows), (30, 60));
        assert_eq!(apart.interactions, joined.interactions);
    }

    #[test]
    fn a_run_reports_what_it_saw_and_beats_popularity_on_what_it_held_out() {
        let progressed = std::sync::atomic::AtomicUsize::new(0);
        let note = |done, total| {
            // Each of the two domains and the joint fit: to judge, to evaluate twice, to serve.
            assert_eq!(total, 3 * 4 * 5);
            assert!(done <= total);
            progressed.store(done, std::sync::atomic::Ordering::Relaxed);
        };
        let parts = train(input([events(), events()].concat(), people(true)), &note).unwrap();
        assert_eq!(progressed.into_inner(), 60);
        assert_eq!(parts.report.cleaning.kept, 600);
        assert_eq!(parts.report.cleaning.refused[&crate::cleaning::Refusal::Duplicate], 600);
        assert_eq!(parts.report.without_consent, 0);
        assert!(parts.report.split_at.is_some());
        for (domain, evaluation) in &parts.report.evaluation {
            assert!(evaluation.people > 0);
            assert!(
                evaluation.metrics["ndcg@10"] > evaluation.popularity["ndcg@10"],
                "{domain}: {evaluation:?}"
            );
            assert!(evaluation.lift["ndcg@20"].low > 0.0, "{domain}: {evaluation:?}");
            assert!(evaluation.lists["coverage@10"] > 0.4);
            let measured: usize = evaluation.buckets.iter().map(|bucket| bucket.people).sum();
            assert_eq!(measured, evaluation.people);
            let last = evaluation.leave_last_out.as_ref().unwrap();
            assert_eq!(last.people, 30);
            assert!(last.metrics["recall@10"] > last.popularity["recall@10"]);
        }
        assert!(parts.popularity.iter().all(|share| (0.0..=1.0).contains(share)));
    }

    /// Tunes in memory; every evaluation takes a second.
    struct InMemory(crate::tuning::TuningRequest);

    impl Tuner for InMemory {
        fn tune(
            &mut self,
            space: SearchSpace,
            score: &mut dyn FnMut(
                &crate::tuning::Candidate,
                &crate::tuning::Fidelity,
            ) -> Option<crate::tuning::Score>,
        ) -> Result<Search, Interrupted> {
            let mut search = Search::new(self.0, &space, None).unwrap();
            while let Some(task) = search.begin() {
                let score = score(&search.candidates[task.candidate], &task.fidelity);
                search.finish(task, score, 1.0);
            }
            Ok(search)
        }
    }

    #[test]
    fn a_tuned_run_is_fitted_with_what_was_chosen_and_says_how() {
        let tuned = |seed| {
            let input = input(events(), people(true));
            let request = crate::tuning::TuningRequest {
                seed,
                candidates: 9,
                ..crate::tuning::TuningRequest::of_seconds(100.0)
            };
            let cleaned = input.clean().0;
            train_cleaned(cleaned, Some(&mut InMemory(request)), &|_, _| ()).unwrap()
        };
        let parts = tuned(1);
        let report = parts.report.tuning.as_ref().unwrap();
        assert_eq!(parts.options, report.candidate.options);
        assert_eq!(parts.evidence, report.candidate.evidence);
        assert_eq!(report.candidates.len(), 9);
        assert!(report.candidates.iter().all(|candidate| !candidate.scores.is_empty()));
        let last = |number: usize| report.candidates[number].scores.last().copied().flatten();
        assert!(last(report.chosen) >= last(0), "{report:?}");
        assert_eq!(tuned(1).report, parts.report);
        let others: Vec<TuningReport> =
            (2..6).filter_map(|seed| tuned(seed).report.tuning).map(|report| *report).collect();
        assert!(others.iter().all(|other| other != &**report));
        // The options given are not the best for these few people.
        assert!(others.iter().any(|other| other.chosen != 0), "{others:?}");
    }

    #[test]
    fn the_order_in_which_people_and_events_are_listed_changes_nothing() {
        let listed = train(input(events(), people(true)), &|_, _| ()).unwrap();
        let mut index = PeopleIndex::default();
        index.extend(entries_of(30, true).into_iter().rev());
        let reversed = events().into_iter().rev().collect();
        let reversed = train(input(reversed, index), &|_, _| ()).unwrap();
        assert_eq!(reversed.item_factors, listed.item_factors);
        assert_eq!(reversed.report, listed.report);
    }

    #[test]
    fn a_shared_taste_earns_bridges_and_few_people_none() {
        use crate::bridge::Direction;
        use crate::model::{Artefact, Model, decode_manifest};
        let many = train(input(events_of(90), people_of(90, true)), &|_, _| ()).unwrap();
        assert_eq!(many.report.bridges.len(), 2);
        for report in &many.report.bridges {
            assert!(report.verdict.served().is_some(), "{report:?}");
            assert!(many.bridges.get(&report.direction).is_some());
        }
        let artefact = Artefact::encode(many).unwrap();
        let manifest = decode_manifest(&artefact.id, &artefact.manifest).unwrap();
        assert_eq!(manifest.report.bridges.len(), 2);
        let model = Model::decode(artefact.id, manifest, &artefact.blob).unwrap();
        // Someone who only ever took even items of one domain.
        let (from, to) =
            (DomainId::parse(DOMAINS[1]).unwrap(), DomainId::parse(DOMAINS[0]).unwrap());
        let row = |domain: &DomainId, number: usize| {
            let item = ItemId::parse(&format!("i{number}")).unwrap();
            model.index().row(&(domain.clone(), item)).unwrap()
        };
        let history = [0, 4, 8].map(|number| (row(&from, number), 1.0));
        let estimate = model.estimate(&to, &history).unwrap();
        let mean = |parity: usize| -> f32 {
            (0..12).map(|n| estimate.score(row(&to, 2 * n + parity))).sum::<f32>() / 12.0
        };
        assert!(mean(0) > mean(1) + 0.1, "{} {}", mean(0), mean(1));

        // Too few to judge by: nothing crosses.
        let few = train(input(events(), people(true)), &|_, _| ()).unwrap();
        assert!(few.report.bridges.iter().all(|report| report.verdict.served().is_none()));
        let nothing = Direction { from, to };
        assert!(few.bridges.get(&nothing).is_none());
        assert!(few.domain_factors.is_none());
        assert_eq!(few.item_factors.nrows(), 48);
    }

    #[test]
    fn events_of_a_refused_own_domain_or_an_erased_life_are_not_trained_on() {
        let mut index = people(true);
        let refusal = ConsentDecision {
            from: DomainId::parse("knowledge").unwrap(),
            to: DomainId::parse("knowledge").unwrap(),
            purpose: Purpose::Training,
            granted: false,
            decided_at: Timestamp::UNIX_EPOCH,
            expires_at: None,
            evidence: None,
        };
        index.ledgers.iter_mut().for_each(|ledger| ledger.record(refusal.clone()));
        let report = train(input(events(), index), &|_, _| ()).unwrap().report;
        assert_eq!(report.without_consent, 300);
        let mut index = people(true);
        let erased = (0..30).map(|person| VersionedEntry {
            id: user(person, "knowledge"),
            entry: PeopleEntry::Erased { at: Timestamp::from_second(20_000).unwrap() },
            version: 2,
        });
        index.extend(erased);
        let report = train(input(events(), index), &|_, _| ()).unwrap().report;
        assert_eq!(report.cleaning.refused[&crate::cleaning::Refusal::ErasedUser], 300);
    }

    fn model(parts: ModelParts) -> Arc<Model> {
        let artefact = Artefact::encode(parts).unwrap();
        let manifest = decode_manifest(&artefact.id, &artefact.manifest).unwrap();
        Arc::new(Model::decode(artefact.id.clone(), manifest, &artefact.blob).unwrap())
    }

    #[test]
    fn a_run_compares_its_model_with_the_champion_and_its_inputs_with_the_champions() {
        let first = train(input(events(), people(true)), &|_, _| ()).unwrap();
        assert_eq!((&first.report.shadow.champion, &first.report.drift), (&None, &None));
        let champion = model(first);
        let again =
            TrainingInput { champion: Some(champion.clone()), ..input(events(), people(true)) };
        let report = train(again, &|_, _| ()).unwrap().report;
        assert_eq!(report.shadow.champion.as_ref(), Some(champion.id()));
        assert_eq!(report.shadow.domains.len(), 2);
        for (domain, shadow) in &report.shadow.domains {
            let evaluation = &report.evaluation[domain];
            assert_eq!(shadow.popularity.people, evaluation.people);
            assert!((shadow.mean - evaluation.metrics["ndcg@20"]).abs() < 1e-12);
            assert!((shadow.popularity.mean - evaluation.popularity["ndcg@20"]).abs() < 1e-12);
            // Both have seen what is held out, and are the same model.
            let rival = shadow.champion.unwrap();
            assert_eq!((rival.basis, rival.people), (Basis::Seen, evaluation.people));
            assert_eq!(rival.difference, Interval::default());
        }
        let drift = report.drift.unwrap();
        assert_eq!(&drift.model, champion.id());
        for domain in drift.domains.values() {
            assert_eq!((domain.status, domain.new_items), (DriftStatus::Stable, 0.0));
            assert_eq!(domain.largest(), Some(0.0));
        }
    }

    #[test]
    fn a_champion_older_than_the_split_is_held_against_the_fit_that_has_not_seen_the_rest() {
        let until = split_instant(&events()).unwrap();
        let old = events().into_iter().filter(|event| event.occurred_at < until).collect();
        let champion = model(train(input(old, people(true)), &|_, _| ()).unwrap());
        let next = TrainingInput { champion: Some(champion), ..input(events(), people(true)) };
        let report = train(next, &|_, _| ()).unwrap().report;
        for shadow in report.shadow.domains.values() {
            let rival = shadow.champion.unwrap();
            assert_eq!(rival.basis, Basis::Unseen);
            assert_eq!(rival.people, shadow.popularity.people);
            // Both were made from the same events, weighed as of other instants.
            assert!(rival.difference.mean.abs() < 0.1, "{rival:?}");
            assert!((rival.mean + rival.difference.mean - shadow.mean).abs() < 1e-9);
        }
    }

    #[test]
    fn what_may_not_be_used_for_training_is_not_counted_among_the_inputs() {
        let mut index = people(true);
        let refusal = ConsentDecision {
            from: DomainId::parse("knowledge").unwrap(),
            to: DomainId::parse("knowledge").unwrap(),
            purpose: Purpose::Training,
            granted: false,
            decided_at: Timestamp::UNIX_EPOCH,
            expires_at: None,
            evidence: None,
        };
        index.ledgers.iter_mut().for_each(|ledger| ledger.record(refusal.clone()));
        let inputs = train(input(events(), index), &|_, _| ()).unwrap().inputs;
        let counted = |domain: &str| -> u64 {
            let inputs = &inputs.domains[&DomainId::parse(domain).unwrap()];
            inputs.windows.iter().map(|window| window.events).sum()
        };
        assert_eq!((counted("knowledge"), counted("auto-finance")), (0, 3 * 300));
    }

    #[test]
    fn nothing_to_train_on_is_an_error_and_one_instant_is_not_evaluated() {
        let empty = train(input(vec![], PeopleIndex::default()), &|_, _| ());
        assert_eq!(empty.unwrap_err(), TrainingError::NothingToTrainOn { read: 0 });
        let mut at_once = events();
        at_once.iter_mut().for_each(|event| event.occurred_at = Timestamp::UNIX_EPOCH);
        let report = train(input(at_once, people(true)), &|_, _| ()).unwrap().report;
        assert_eq!(report.split_at, None);
        assert!(report.evaluation.is_empty());
    }
}
