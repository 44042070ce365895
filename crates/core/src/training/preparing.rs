//! From a clean archive to what is fitted.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::content_fit::{self, Descriptions, worth_encoding};
use super::evaluating::EvaluationSet;
use super::outline::ModelOutline;
use super::recipe::{FitPurpose, PendingFit};
use super::served_by::{ServedBy, before_fitting};
use super::{
    CleanedInput, ItemTexts, NothingLeft, TrainingError, TrainingInput, segments_fit, topics_fit,
};
use crate::entities::ids::DomainId;
use crate::evidence::behaviours::BehaviourSample;
use crate::evidence::cleaning::CleaningLedger;
use crate::evidence::inputs::InputCounts;
use crate::evidence::item_facts::CatalogueFacts;
use crate::evidence::items::{DomainRows, ItemIndex, Row};
use crate::evidence::popularity::Popularity;
use crate::evidence::rows::{MOST_ORDERED, RowBuilder, Rows, split_instant};
use crate::evidence::scaling::EvidenceScaling;
use crate::maths::als::{AlsOptions, AlsParams};
use crate::maths::sparse::SparseRows;
use crate::model::look_alikes::LookAlikes;
use crate::model::segments::Segments;
use crate::model::topics::Topics;
use crate::model::{Model, Provenance};
use crate::training::bridging::fitting;
use crate::training::bridging::gate::{self, GateOptions, judge_all};
use crate::training::bridging::look_alike::{self, LookAlikeReport};
use crate::training::bridging::text_fit::TextLikenesses;
use crate::training::bridging::trial::Ground;
use crate::training::drift::{self, DriftReport};
use crate::training::mixing::{self, ChoosingItems, Grounds, MixtureReport};
use crate::training::report::TrainingReport;
use crate::training::searching::{Known, search};
use crate::training::shadow::ShadowReport;
use crate::training::tuning::{Search, Tuner};

/// Everything between a clean archive and the fits: applies consents, chooses
/// hyper-parameters if there is a tuner, and builds the joint matrix and what
/// is held out from it.
///
/// # Errors
/// [`TrainingError`] when there is nothing to train on, or the search was interrupted.
pub fn prepare(
    CleanedInput { mut input, cleaning, free_of, texts }: CleanedInput,
    tuner: Option<&mut dyn Tuner>,
) -> Result<Prepared, TrainingError> {
    let events = std::mem::take(&mut input.events);
    let index = ItemIndex::new(events.items().cloned().collect());
    let split_at = split_instant(events.times());
    let inputs = InputCounts::until(events.times().max());
    let people = std::mem::take(&mut input.people);
    let histories = people.histories(&events);
    let searched = match tuner {
        Some(tuner) => {
            let known = Known { index: &index, split_at, kept: cleaning.kept };
            Some(search(tuner, &input, &histories, known)?)
        }
        None => None,
    };
    let applied = searched.as_ref().map(|search| apply(search, &mut input));
    let evidence = applied.transpose()?.unwrap_or_default();
    let (newest, newest_before) = histories.newest((&input.definitions, input.now), split_at);
    let champion = input.champion.as_deref();
    let builder = RowBuilder {
        definitions: &input.definitions,
        index: &index,
        newest: &newest,
        newest_before: &newest_before,
        now: input.now,
        split_at,
        seen_before: champion.and_then(trained_before),
    };
    let mut rows = builder.build(&histories, inputs);
    drop(histories);
    drop(events);
    check_anything_is_left(&rows, &cleaning)?;
    let Popularity { shares: popularity, recent, people } = std::mem::take(&mut rows.popularity);
    let provenance = Provenance {
        params: supported(input.params, &rows.all)?,
        unobserved_items: input.unobserved_items,
        evidence,
        training_run: input.training_run,
        created_at: input.now,
        events: cleaning.kept,
        erasures: free_of.erasures,
        deletions: free_of.deletions,
        inputs: rows.inputs.distribution(&index, &popularity),
        newest,
    };
    let report = TrainingReport {
        split_at,
        served: before_fitting(&rows.all, index.ranges()),
        tuning: searched.as_ref().map(|search| Box::new(search.into())),
        ..report_of(cleaning, &rows, champion, &index)
    };
    let mut outline = ModelOutline {
        index,
        popularity,
        recent,
        people,
        provenance,
        look_alikes: LookAlikes::default(),
        segments: Segments::default(),
        topics: Topics::default(),
        content: BTreeMap::new(),
        likenesses: TextLikenesses::default(),
        report,
    };
    describe_people(&mut outline, &rows.behaviours, (&input.facts, champion));
    let descriptions = texts.map(|texts| described(texts, input.facts, (&outline.index, &rows)));
    let pending = Pending::of(rows, split_at.is_some());
    Ok(Prepared { outline, gate: input.gate, pending, descriptions })
}

/// What the texts of the items that are worth it will be encoded from.
fn described(
    ItemTexts { texts, encoder }: ItemTexts,
    facts: CatalogueFacts,
    (index, rows): (&ItemIndex, &Rows),
) -> Descriptions {
    let lifetimes = rows.arrivals.lifetimes(index, &facts);
    let texts = worth_encoding((index, &lifetimes), &rows.all, texts);
    Descriptions { texts, encoder, facts, lifetimes }
}

fn check_anything_is_left(rows: &Rows, cleaning: &CleaningLedger) -> Result<(), TrainingError> {
    match rows.all.entries() {
        0 => {
            let left = NothingLeft::new(cleaning, rows.consented_events);
            Err(TrainingError::NothingToTrainOn(left))
        }
        _ => Ok(()),
    }
}

/// Finds segments and topics; both become part of the outline.
fn describe_people(
    outline: &mut ModelOutline,
    people: &BehaviourSample,
    (facts, champion): (&CatalogueFacts, Option<&Model>),
) {
    let items = segments_fit::Items { index: &outline.index, facts };
    let context = (champion, outline.provenance.params.options().seed);
    let (segments, of_segments) = segments_fit::find(items, people, context);
    let (topics, of_topics) = topics_fit::find(items, people, context);
    (outline.segments, outline.report.segments) = (segments, of_segments);
    (outline.topics, outline.report.topics) = (topics, of_topics);
}

/// The hyper-parameters, with no more factors than the smaller side of the matrix has
/// rows: more of them can tell nothing apart, and would only be made up.
fn supported(params: AlsParams, matrix: &SparseRows) -> Result<AlsParams, TrainingError> {
    let most = matrix.rows().min(matrix.columns()).max(1);
    let options = params.options();
    Ok(AlsOptions { factors: options.factors.min(most), ..*options }.check()?)
}

/// Takes over what a search found best, and gives how it weighs evidence.
fn apply(search: &Search, input: &mut TrainingInput) -> Result<EvidenceScaling, TrainingError> {
    let chosen = search.chosen_candidate();
    input.params = chosen.options.check()?;
    input.definitions = chosen.evidence.apply(&input.definitions);
    Ok(chosen.evidence.clone())
}

/// What can be told before anything is fitted.
fn report_of(
    cleaning: CleaningLedger,
    rows: &Rows,
    champion: Option<&Model>,
    index: &ItemIndex,
) -> TrainingReport {
    TrainingReport {
        without_consent: cleaning.kept - rows.consented_events,
        cleaning,
        people: rows.people,
        rows: rows.all.rows(),
        items: index.len(),
        interactions: rows.all.entries(),
        shadow: ShadowReport {
            champion: champion.map(|model| model.id().clone()),
            domains: BTreeMap::new(),
        },
        drift: champion.and_then(|model| drift_of(model, &rows.inputs, index)),
        ..TrainingReport::default()
    }
}

/// Most interactions of a run that chooses rankers: it fits everything once more, on one
/// machine. Beyond it factors rank.
const MOST_CHOSEN_BY: usize = MOST_ORDERED;

/// What a run fits, and everything of its model but the factors.
pub struct Prepared {
    /// What becomes the model once it has factors.
    pub outline: ModelOutline,
    /// What is to be fitted.
    pub pending: Pending,
    gate: GateOptions,
    descriptions: Option<Descriptions>,
}

/// The fits of a run that are still to be made.
pub struct Pending {
    all: Option<SparseRows>,
    choosing: ChoosingItems,
    newest: Option<HeldOutRows>,
    last: Option<LastItems>,
}

struct LastItems {
    held_out: Vec<Vec<u32>>,
    seen: Vec<Vec<u32>>,
    popularity: Popularity,
}

struct HeldOutRows {
    matrix: SparseRows,
    held_out: Vec<Vec<u32>>,
    seen: Vec<Vec<u32>>,
    popularity: Popularity,
}

impl Prepared {
    /// Finds items that look alike, judges the bridges between domains, chooses what
    /// ranks each domain's items, and judges whether their texts rank new ones; all become part
    /// of the outline. `progress` hears of
    /// each finished iteration.
    ///
    /// # Errors
    /// [`TrainingError`] when confidences are too extreme for single precision.
    pub fn judge(&mut self, progress: &(dyn Fn() + Sync)) -> Result<(), TrainingError> {
        let Some(all) = &self.pending.all else { return Ok(()) };
        let outline = &mut self.outline;
        let ranges = outline.index.ranges();
        let found = look_alike::find(all, ranges, self.gate.look_alikes);
        outline.look_alikes = LookAlikes::new(found.iter().map(|pair| (pair.first, pair.second)));
        outline.report.look_alikes = LookAlikeReport::new(&found, &outline.index);
        let descriptions = self.descriptions.take();
        let vectors = descriptions.as_ref().map(Descriptions::vectors).unwrap_or_default();
        let likenesses = descriptions.as_ref().map(|of| of.likenesses(&outline.index, &vectors));
        let ground = Ground {
            matrix: all,
            ranges,
            look_alikes: &outline.look_alikes,
            likenesses: likenesses.as_ref(),
        };
        let Provenance { params, unobserved_items, .. } = &outline.provenance;
        outline.report.bridges =
            judge_all(ground, params, *unobserved_items, &self.gate, progress)?;
        outline.keep(likenesses.unwrap_or_default());
        self.choose_rankers(progress)?;
        if let (Some(descriptions), Some(all)) = (descriptions, &self.pending.all) {
            let Descriptions { facts, lifetimes, .. } = &descriptions;
            content_fit::judge((&vectors, facts, lifetimes), &mut self.outline, all);
        }
        Ok(())
    }

    /// Tries the rankers of each domain that is served by evidence: see
    /// [`crate::training::mixing`]. What was found becomes part of the outline.
    fn choose_rankers(&mut self, progress: &(dyn Fn() + Sync)) -> Result<(), TrainingError> {
        let Some((matrix, choosing)) = self.pending.take_choosing() else { return Ok(()) };
        let outline = &mut self.outline;
        let Popularity { shares, recent, .. } = &choosing.popularity;
        let tables = outline.tables(outline.fit(&matrix, progress)?, (shares, recent))?;
        let seed = outline.provenance.params.options().seed;
        let grounds = Grounds { matrix: &matrix, choosing: &choosing, tables: &tables, seed };
        let mut room = mixing::Room::default();
        let served = &outline.report.served;
        let by_evidence = |domain: &DomainId| served.get(domain) == Some(&ServedBy::Evidence);
        let ranges = outline.index.ranges().iter().filter(|(domain, _)| by_evidence(domain));
        let mut ranges: Vec<&DomainRows> = ranges.map(|(_, rows)| rows).collect();
        // Those with most evidence first: what is left is for the others.
        let counts = matrix.column_counts();
        let evidence = |rows: &DomainRows| {
            counts[rows.range.clone()].iter().map(|count| u64::from(*count)).sum::<u64>()
        };
        ranges.sort_by_cached_key(|rows| std::cmp::Reverse(evidence(rows)));
        let mut rankings = Vec::with_capacity(ranges.len());
        for rows in ranges {
            rankings.push(mixing::choose(grounds, rows, &mut room)?);
        }
        rankings.sort_by(|one: &MixtureReport, other| one.domain.cmp(&other.domain));
        outline.report.rankings = rankings;
        Ok(())
    }

    /// Most iterations that the run does: judging bridges, choosing rankers, evaluating
    /// twice, fitting.
    pub(super) fn iterations(&self) -> usize {
        let (domains, params) =
            (self.outline.index.ranges().len(), &self.outline.provenance.params);
        gate::iterations(domains, params, &self.gate)
            + (1 + self.pending.fits()) * fitting::iterations(domains, params)
    }
}

impl Pending {
    /// Of these rows. What is measured on the newest events needs that events spread
    /// over time; on last items, that somebody has a second one.
    fn of(rows: Rows, is_spread: bool) -> Self {
        let Rows { all, before: matrix, held_out, held_out_seen: seen, last, last_seen, .. } = rows;
        let choosing = ChoosingItems {
            held_out: rows.choosing,
            popularity: rows.popularity_choosing,
            is_newest: is_spread,
        };
        let newest = HeldOutRows { matrix, held_out, seen, popularity: rows.popularity_before };
        let has_last = last.iter().any(|items| !items.is_empty());
        let popularity = rows.popularity_without_last;
        Self {
            all: Some(all),
            choosing,
            newest: is_spread.then_some(newest),
            last: has_last.then_some(LastItems { held_out: last, seen: last_seen, popularity }),
        }
    }

    /// Lets go of what is held out to choose rankers by: they were chosen before.
    pub fn skip_choosing(&mut self) {
        self.choosing = ChoosingItems::default();
    }

    /// What is trained on to be measured, without what is held out once more to choose
    /// by, and that; once. `None` when nothing is.
    fn take_choosing(&mut self) -> Option<(SparseRows, ChoosingItems)> {
        let choosing = std::mem::take(&mut self.choosing);
        let entries = self.all.as_ref().map_or(0, SparseRows::entries);
        if choosing.held_out.iter().all(Vec::is_empty) || entries > MOST_CHOSEN_BY {
            return None;
        }
        let matrix = match (&self.newest, &self.last, &self.all) {
            (Some(newest), ..) => newest.matrix.without(&choosing.held_out),
            (None, Some(last), Some(all)) => {
                let both =
                    |(last, choosing): (&Vec<u32>, &Vec<u32>)| [&last[..], choosing].concat();
                let held_out: Vec<Vec<u32>> =
                    last.held_out.iter().zip(&choosing.held_out).map(both).collect();
                all.without(&held_out)
            }
            (None, None, _) | (None, _, None) => return None,
        };
        Some((matrix, choosing))
    }

    fn fits(&self) -> usize {
        usize::from(self.all.is_some())
            + usize::from(self.newest.is_some())
            + usize::from(self.last.is_some())
    }

    /// The whole joint matrix: its rows and columns.
    #[must_use]
    pub fn shape(&self) -> (usize, usize) {
        self.all.as_ref().map_or((0, 0), |all| (all.rows(), all.columns()))
    }

    /// The fit for a purpose, once: each holds a matrix, and those to be measured are
    /// made from the whole one, which goes last. `None` when it was taken before, or
    /// is to be measured and there is nobody to measure it on.
    pub fn take(&mut self, purpose: FitPurpose) -> Option<PendingFit> {
        let HeldOutRows { matrix, held_out, seen, popularity } = match purpose {
            FitPurpose::WithoutNewest => self.newest.take()?,
            FitPurpose::WithoutLast => {
                let LastItems { held_out, seen, popularity } = self.last.take()?;
                let matrix = self.all.as_ref()?.without(&held_out);
                HeldOutRows { matrix, held_out, seen, popularity }
            }
            FitPurpose::Final => {
                return self.all.take().map(|matrix| PendingFit { purpose, matrix, set: None });
            }
        };
        let set = Some(EvaluationSet::choose(&matrix, &held_out, &seen, popularity));
        Some(PendingFit { purpose, matrix, set })
    }
}

/// The instant before which everything that may be used was known to a model.
fn trained_before(model: &Model) -> Option<Timestamp> {
    let newest = model.manifest().inputs.newest.unwrap_or(model.manifest().created_at);
    newest.checked_add(SignedDuration::from_nanos(1)).ok()
}

fn drift_of(champion: &Model, inputs: &InputCounts, index: &ItemIndex) -> Option<DriftReport> {
    let popularity = |row: Row| Some(champion.popularity(champion.index().row(index.item(row)?)?));
    drift::drift_from(inputs, (champion.id(), &champion.manifest().inputs), index, &popularity)
}
