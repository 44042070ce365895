//! Training, as a pure function: archived events in, a model's parts out.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use ndarray::s;
use serde::{Deserialize, Serialize};

use crate::als::{AlsParams, fit};
use crate::cleaning::{CleaningLedger, CleaningRules, clean};
use crate::consent::{ConsentContext, ConsentLedger, ConsentedHistory};
use crate::dense::NotPositiveDefinite;
use crate::domain::Definitions;
use crate::drift::{DriftReport, InputCounts};
use crate::evaluation::{Metrics, RankingCase, evaluate_common_scores, evaluate_factors};
use crate::event::Event;
use crate::fold_in::UnobservedItems;
use crate::history::History;
use crate::ids::{DomainId, Pseudonym, TrainingRunId};
use crate::interactions::{ItemIndex, ItemKey, confidences};
use crate::model::{Model, ModelParts};
use crate::people::{PeopleEntry, VersionedEntry};
use crate::shadow::{ShadowCases, ShadowComparison, ShadowReport};
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
    /// The model against popularity and the champion, on the same people.
    #[serde(default)]
    pub shadow: ShadowReport,
    /// What came in of late against what the champion was made from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drift: Option<DriftReport>,
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
    /// The run.
    pub training_run: TrainingRunId,
    /// The model served now, to compare the new one with.
    pub champion: Option<Arc<Model>>,
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

/// Cleans, builds the joint matrix, evaluates on a split by time, and fits.
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
    let inputs = InputCounts::until(events.iter().map(|event| event.occurred_at).max());
    let histories = input.people.histories(events);
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
    let fits = 1 + usize::from(split_at.is_some());
    let total = input.params.options().iterations * fits;
    let older_champion = champion.filter(|_| rows.held_out_seen.is_empty());
    let (evaluation, shadow) = match split_at {
        Some(_) => {
            evaluate(&rows, &index, &input.params, older_champion, &|done| progress(done, total))?
        }
        None => Default::default(),
    };
    let before = total - input.params.options().iterations;
    let factors = fit(&rows.all, &input.params, &|done| progress(before + done, total))?;
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
        shadow: ShadowReport {
            champion: champion.map(|model| model.id().clone()),
            domains: shadow,
        },
        drift: champion.and_then(|model| drift_from(model, &rows.inputs, &index)),
    };
    let inputs = rows.inputs.distribution(&index, &popularity);
    let mut parts = ModelParts {
        index,
        item_factors: factors.items,
        popularity,
        people,
        options: *input.params.options(),
        unobserved_items: input.unobserved_items,
        training_run: input.training_run,
        created_at: input.now,
        inputs,
        report,
    };
    if let Some(champion) = champion {
        compare_with_peer(&mut parts, champion, &rows);
    }
    Ok(parts)
}

/// The instant before which everything that may be used was known to a model.
fn trained_before(model: &Model) -> Option<Timestamp> {
    let newest = model.manifest().inputs.newest.unwrap_or(model.manifest().created_at);
    newest.checked_add(SignedDuration::from_nanos(1)).ok()
}

/// Compares the new model with a champion that has seen held-out events as well.
fn compare_with_peer(parts: &mut ModelParts, champion: &Model, rows: &Rows) {
    let Ok(challenger) = Model::unpublished(parts, champion.id().clone()) else {
        // Its options are out of range; it will not be decoded either.
        return;
    };
    for (domain, range) in parts.index.ranges() {
        let cases = cases(&rows.before, &rows.held_out_seen, range);
        let shadow = ShadowCases {
            cases: &cases,
            before: &rows.before,
            index: &parts.index,
            range: (range.start, range.end),
            seed: parts.options.seed,
        };
        let Some(comparison) = parts.report.shadow.domains.get_mut(domain) else { continue };
        if let Some(rival) = shadow.against_peer(&challenger, champion) {
            comparison.champion = Some(rival);
        }
    }
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
        for (ledger, history) in histories {
            let context = ConsentContext { ledger, definitions: self.definitions, now: self.now };
            let groups = ConsentedHistory::for_training(history, context);
            rows.people += usize::from(!groups.is_empty());
            for group in groups {
                rows.consented_events += group.events().len() as u64;
                rows.inputs.add_person(group.events(), self.index);
                all.push(self.interactions(&group, self.now));
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

/// What was measured on held-out people, by domain.
type Evaluated = (BTreeMap<DomainId, DomainEvaluation>, BTreeMap<DomainId, ShadowComparison>);

/// Fits on what came before the split and ranks each domain's items for the
/// people who did something new in it afterwards; compares that with a champion
/// that has not seen it either.
fn evaluate(
    rows: &Rows,
    index: &ItemIndex,
    params: &AlsParams,
    older_champion: Option<&Model>,
    progress: &(dyn Fn(usize) + Sync),
) -> Result<Evaluated, NotPositiveDefinite> {
    let factors = fit(&rows.before, params, progress)?;
    let (popularity, _) = popularity(&rows.before, index);
    let (mut evaluations, mut comparisons) = Evaluated::default();
    for (domain, range) in index.ranges() {
        let cases = cases(&rows.before, &rows.held_out, range);
        let items = factors.items.slice(s![range.clone(), ..]);
        let model = evaluate_factors(factors.people.view(), items, &cases);
        let popular = evaluate_common_scores(&popularity[range.clone()], &cases);
        let shadow = ShadowCases {
            cases: &cases,
            before: &rows.before,
            index,
            range: (range.start, range.end),
            seed: params.options().seed,
        };
        if let Some(mut comparison) = shadow.against_popularity(&model, &popular) {
            comparison.champion =
                older_champion.and_then(|champion| shadow.against_older(&model, champion));
            comparisons.insert(domain.clone(), comparison);
        }
        let evaluation = DomainEvaluation {
            people: model.people(),
            metrics: model.means(),
            popularity: popular.means(),
        };
        evaluations.insert(domain.clone(), evaluation);
    }
    Ok((evaluations, comparisons))
}

fn cases(
    before: &SparseRows,
    held_out: &[Vec<u32>],
    range: &std::ops::Range<usize>,
) -> Vec<RankingCase> {
    let within = |items: &[u32]| -> Vec<u32> {
        let inside = items.iter().filter(|item| range.contains(&(**item as usize)));
        inside.map(|item| item - range.start as u32).collect()
    };
    let case = |(row, held_out): (usize, &Vec<u32>)| {
        let (known, _) = before.row(row);
        let seen = within(known);
        let mut relevant = within(held_out);
        relevant.retain(|item| seen.binary_search(item).is_err());
        let is_case = !known.is_empty() && !relevant.is_empty();
        is_case.then_some(RankingCase { row, seen, relevant })
    };
    held_out.iter().enumerate().filter_map(case).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::als::AlsOptions;
    use crate::bootstrap::Interval;
    use crate::consent::{ConsentDecision, Purpose};
    use crate::domain::tests::definition;
    use crate::drift::DriftStatus;
    use crate::ids::{EventId, EventType, ItemId};
    use crate::model::{Artefact, decode_manifest};
    use crate::people::{Member, Person};
    use crate::shadow::Basis;

    const DOMAINS: [&str; 2] = ["auto-finance", "knowledge"];

    fn user(person: usize, domain: &str) -> Pseudonym {
        Pseudonym::parse(&format!("{domain}-{person}")).unwrap()
    }

    /// Everyone is on both platforms and likes the even or the odd items of both.
    fn events() -> Vec<Event> {
        let mut events = Vec::new();
        for person in 0..30usize {
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
        index.extend((0..30).map(|person| {
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
            assert_eq!(total, 10);
            progressed.store(done, std::sync::atomic::Ordering::Relaxed);
        };
        let parts = train(input([events(), events()].concat(), people(true)), &note).unwrap();
        assert_eq!(progressed.into_inner(), 10);
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
