//! Training, as a pure function: archived events in, a model's parts out.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering};

use jiff::Timestamp;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::als::AlsParams;
use crate::bridge::fitting::{self, ServedFits, fit_served};
use crate::bridge::gate::{self, DirectionReport, GateOptions, judge_all};
use crate::bridge::look_alike::{self, LookAlikeReport, Twins};
use crate::bridge::serving::{Mismatch, ScoringTables, TableParts};
use crate::bridge::trial::Ground;
use crate::cleaning::{CleaningLedger, CleaningRules, clean};
use crate::consent::{ConsentContext, ConsentLedger, ConsentedHistory};
use crate::dense::NotPositiveDefinite;
use crate::domain::Definitions;
use crate::evaluation::{CUTOFFS, Measurements, Metrics, RankingCase, evaluate_common_scores};
use crate::event::Event;
use crate::fold_in::UnobservedItems;
use crate::history::History;
use crate::ids::{DomainId, Pseudonym, TrainingRunId};
use crate::interactions::{ItemIndex, ItemKey, confidences};
use crate::model::ModelParts;
use crate::people::{PeopleEntry, VersionedEntry};
use crate::rank::top_k;
use crate::sparse::SparseRows;

/// How well one domain's held-out interactions were ranked.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct DomainEvaluation {
    /// People with something held out.
    pub people: usize,
    /// The model, fitted without what was held out.
    pub metrics: Metrics,
    /// Popularity, counted without what was held out.
    pub popularity: Metrics,
}

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
    /// Full-ranking evaluation by domain.
    pub evaluation: BTreeMap<DomainId, DomainEvaluation>,
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
    /// The instant as of which recency and consent are judged.
    pub now: Timestamp,
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
    /// entry are people of their own without decisions. In a stable order.
    fn histories(&self, events: Vec<Event>) -> Vec<(ConsentLedger, History)> {
        let mut by_person: BTreeMap<Result<usize, Pseudonym>, Vec<Event>> = BTreeMap::new();
        for event in events {
            let person = self.person_of.get(&event.user).copied();
            by_person.entry(person.ok_or_else(|| event.user.clone())).or_default().push(event);
        }
        by_person
            .into_iter()
            .map(|(person, events)| {
                let ledger = person.map(|number| self.ledgers[number].clone()).unwrap_or_default();
                (ledger, History::new(events, []))
            })
            .collect()
    }
}

/// Cleans, builds the joint matrix, judges the bridges between domains, evaluates
/// on a split by time, and fits what is served.
/// `progress` hears of finished iterations, of all those to do.
///
/// # Errors
/// [`TrainingError`] when no model can be made.
pub fn train(
    input: TrainingInput,
    progress: &(dyn Fn(usize, usize) + Sync),
) -> Result<ModelParts, TrainingError> {
    let rules = CleaningRules {
        definitions: &input.definitions,
        items: &input.items,
        erased: &input.people.erased,
    };
    let (events, cleaning) = clean(input.events, rules);
    let index = ItemIndex::new(
        events.iter().map(|event| (event.domain.clone(), event.item_id.clone())).collect(),
    );
    let split_at = split_instant(&events);
    let histories = input.people.histories(events);
    let builder =
        RowBuilder { definitions: &input.definitions, index: &index, now: input.now, split_at };
    let rows = builder.build(&histories);
    drop(histories);
    if rows.all.entries() == 0 {
        return Err(TrainingError::NothingToTrainOn { read: cleaning.read });
    }
    let look_alikes = look_alike::find(&rows.all, index.ranges(), input.gate.look_alikes);
    let twins = Twins::new(look_alikes.iter().map(|pair| (pair.first, pair.second)));
    let fit = Fit {
        index: &index,
        params: &input.params,
        unobserved: input.unobserved_items,
        twins: &twins,
        steps: Steps::new(iterations(&index, &input.params, split_at.is_some()), progress),
    };
    let bridges = fit.judge(&rows.all, &input.gate)?;
    let evaluation = match split_at {
        Some(_) => fit.evaluate(&rows, &bridges)?,
        None => BTreeMap::new(),
    };
    let served = fit.serve(&rows.all, &bridges)?;
    fit.steps.finish();
    let (popularity, people) = popularity(&rows.all, &index);
    let report = TrainingReport {
        without_consent: cleaning.kept - rows.consented_events,
        cleaning,
        people: rows.people,
        rows: rows.all.rows(),
        items: index.len(),
        interactions: rows.all.entries(),
        split_at,
        evaluation,
        bridges,
        look_alikes: LookAlikeReport::new(&look_alikes, &index),
    };
    Ok(ModelParts {
        index,
        item_factors: served.item_factors,
        domain_factors: served.domain_factors,
        bridges: served.bridges,
        twins,
        popularity,
        people,
        options: *input.params.options(),
        unobserved_items: input.unobserved_items,
        training_run: input.training_run,
        created_at: input.now,
        report,
    })
}

/// Most iterations that a run does: judging bridges, evaluating, fitting.
fn iterations(index: &ItemIndex, params: &AlsParams, is_evaluated: bool) -> usize {
    let domains = index.ranges().len();
    let fits = 1 + usize::from(is_evaluated);
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
    index: &'a ItemIndex,
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
        let ground = Ground { matrix, ranges: self.index.ranges(), twins: self.twins };
        judge_all(ground, self.params, self.unobserved, options, &|| self.steps.one())
    }

    fn serve(
        &self,
        matrix: &SparseRows,
        bridges: &[DirectionReport],
    ) -> Result<ServedFits, NotPositiveDefinite> {
        fit_served(matrix, self.index.ranges(), self.params, bridges, &|| self.steps.one())
    }

    /// Fits on what came before the split, and ranks each domain's items, as
    /// they would be served, for the people who did something new in it afterwards.
    fn evaluate(
        &self,
        rows: &Rows,
        bridges: &[DirectionReport],
    ) -> Result<BTreeMap<DomainId, DomainEvaluation>, TrainingError> {
        let served = self.serve(&rows.before, bridges)?;
        let tables = ScoringTables::new(TableParts {
            ranges: self.index.ranges().clone(),
            params: *self.params,
            unobserved: self.unobserved,
            item_factors: served.item_factors,
            domain_factors: served.domain_factors,
            bridges: served.bridges,
            twins: self.twins.clone(),
        })?;
        let (popularity, _) = popularity(&rows.before, self.index);
        let evaluate_domain = |domain: &DomainId, range: &std::ops::Range<usize>| {
            let cases = cases(rows, range);
            let popularity = &popularity[range.clone()];
            let model = evaluate_served(&tables, &rows.before, (domain, popularity), &cases);
            let popular = evaluate_common_scores(popularity, &cases);
            DomainEvaluation {
                people: model.people(),
                metrics: model.means(),
                popularity: popular.means(),
            }
        };
        let by_domain = self.index.ranges().iter();
        Ok(by_domain
            .map(|(domain, range)| (domain.clone(), evaluate_domain(domain, range)))
            .collect())
    }
}

/// Ranks a domain's items for each case as a slate would: by what may be used of
/// the person's evidence, else by popularity.
fn evaluate_served(
    tables: &ScoringTables,
    known: &SparseRows,
    (domain, popularity): (&DomainId, &[f32]),
    cases: &[RankingCase],
) -> Measurements {
    let longest = CUTOFFS.into_iter().max().unwrap_or(0);
    let rank = |case: &RankingCase| {
        let (items, confidences) = known.row(case.row);
        let evidence: Vec<(u32, f32)> =
            items.iter().copied().zip(confidences.iter().copied()).collect();
        let estimate = tables.estimate(domain, &evidence);
        let mut scores = estimate.map_or(popularity.to_vec(), |e| e.scores().to_vec());
        case.seen.iter().for_each(|&item| scores[item as usize] = f32::NEG_INFINITY);
        top_k(&scores, longest)
    };
    let lists: Vec<Vec<u32>> = cases.par_iter().map(rank).collect();
    let mut measurements = Measurements::default();
    for (case, list) in cases.iter().zip(lists) {
        measurements.add(&list, &case.relevant);
    }
    measurements
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

/// The rows of the joint matrix, whole and split by time.
#[derive(Default)]
struct Rows {
    all: SparseRows,
    before: SparseRows,
    held_out: Vec<Vec<u32>>,
    people: usize,
    consented_events: u64,
}

struct RowBuilder<'a> {
    definitions: &'a Definitions,
    index: &'a ItemIndex,
    now: Timestamp,
    split_at: Option<Timestamp>,
}

impl RowBuilder<'_> {
    fn build(&self, histories: &[(ConsentLedger, History)]) -> Rows {
        let (mut all, mut before) = (Vec::new(), Vec::new());
        let mut rows = Rows::default();
        for (ledger, history) in histories {
            let context = ConsentContext { ledger, definitions: self.definitions, now: self.now };
            let groups = ConsentedHistory::for_training(history, context);
            rows.people += usize::from(!groups.is_empty());
            for group in groups {
                rows.consented_events += group.events().len() as u64;
                all.push(self.interactions(&group, self.now));
                if let Some(instant) = self.split_at {
                    before.push(self.interactions(&group.before(instant), instant));
                    let later = self.interactions(&group.since(instant), self.now);
                    rows.held_out.push(later.into_iter().map(|(item, _)| item).collect());
                }
            }
        }
        rows.all = SparseRows::from_rows(self.index.len(), all);
        rows.before = SparseRows::from_rows(self.index.len(), before);
        rows
    }

    fn interactions(&self, history: &ConsentedHistory, now: Timestamp) -> Vec<(u32, f32)> {
        self.index.rows_of(&confidences(history, self.definitions, now))
    }
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

fn cases(rows: &Rows, range: &std::ops::Range<usize>) -> Vec<RankingCase> {
    let within = |items: &[u32]| -> Vec<u32> {
        let inside = items.iter().filter(|item| range.contains(&(**item as usize)));
        inside.map(|item| item - range.start as u32).collect()
    };
    let case = |(row, held_out): (usize, &Vec<u32>)| {
        let (known, _) = rows.before.row(row);
        let seen = within(known);
        let mut relevant = within(held_out);
        relevant.retain(|item| seen.binary_search(item).is_err());
        let is_case = !known.is_empty() && !relevant.is_empty();
        is_case.then_some(RankingCase { row, seen, relevant })
    };
    rows.held_out.iter().enumerate().filter_map(case).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::als::AlsOptions;
    use crate::consent::{ConsentDecision, Purpose};
    use crate::domain::tests::definition;
    use crate::ids::{EventId, EventType, ItemId};
    use crate::people::{Member, Person};

    const DOMAINS: [&str; 2] = ["auto-finance", "knowledge"];

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
        let mut index = PeopleIndex::default();
        index.extend((0..people).map(|person| {
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
        }));
        index
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
            gate: GateOptions::default(),
            training_run: TrainingRunId::parse("run").unwrap(),
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
            // Each of the two domains and the joint fit: to judge, to evaluate, to serve.
            assert_eq!(total, 3 * 3 * 5);
            assert!(done <= total);
            progressed.store(done, std::sync::atomic::Ordering::Relaxed);
        };
        let parts = train(input([events(), events()].concat(), people(true)), &note).unwrap();
        assert_eq!(progressed.into_inner(), 45);
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
        }
        assert!(parts.popularity.iter().all(|share| (0.0..=1.0).contains(share)));
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
