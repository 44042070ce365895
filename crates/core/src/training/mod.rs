//! Training, as a pure function: archived events in, a model and a report out.

pub mod bridging;
pub mod drift;
pub mod mixing;
pub mod report;
pub mod served_by;
pub mod shadow;
pub mod sharding;
pub mod tuning;

mod content_fit;
mod evaluating;
mod found_groups;
mod nothing_left;
mod outline;
mod preparing;
mod recipe;
mod searching;
mod segment_facts;
mod segments_fit;
mod topics_fit;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use jiff::Timestamp;

use crate::entities::definition::Definitions;
use crate::entities::ids::{DomainId, TrainingRunId};
use crate::evidence::cleaning::{Cleaned, CleaningLedger, CleaningRules, RefusedEvents, clean};
use crate::evidence::event_table::EventTable;
use crate::evidence::item_facts::CatalogueFacts;
use crate::evidence::item_vectors::TextVectors;
use crate::evidence::items::ItemKey;
use crate::evidence::people_index::PeopleIndex;
use crate::maths::als::{AlsParams, InvalidOptions};
use crate::maths::dense::NotPositiveDefinite;
use crate::maths::fold_in::UnobservedItems;
use crate::model::Model;
use crate::model::scoring::Mismatch;
use crate::training::bridging::gate::GateOptions;
use crate::training::tuning::{Interrupted, Tuner};

pub use content_fit::{ContentMaterial, ContentReport, ItemWeighing};
pub use evaluating::EvaluationSet;
pub use found_groups::{FoundSegment, FoundTopic, InWords};
pub use nothing_left::NothingLeft;
pub use outline::{Fits, ModelOutline};
pub use preparing::{Pending, Prepared, prepare};
pub use segments_fit::SegmentReport;
pub use topics_fit::TopicReport;

pub use recipe::{FitPurpose, PendingFit, Recipe, Trained};

use recipe::fit_all;

/// Everything a run needs.
pub struct TrainingInput {
    /// The archive.
    pub events: EventTable,
    /// Everyone known, with their consents.
    pub people: PeopleIndex,
    /// The domains.
    pub definitions: Definitions,
    /// Every item of the catalogues that was not deleted.
    pub items: BTreeSet<ItemKey>,
    /// What catalogues say of them, as far as it is known: people are described by it.
    pub facts: CatalogueFacts,
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
    free_of: FreeOf,
    texts: Option<ItemTexts>,
}

/// What items say of themselves, and what makes vectors of it.
struct ItemTexts {
    texts: BTreeMap<ItemKey, String>,
    encoder: Box<dyn TextVectors>,
}

/// What a run's data are free of, by the numbers that the store had given when it read them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FreeOf {
    /// As [`crate::model::Manifest::erasures`].
    pub erasures: u64,
    /// As [`crate::model::Manifest::deletions`].
    pub deletions: BTreeMap<DomainId, u64>,
}

impl CleanedInput {
    /// The same, which is free of this, and so is a model of it.
    #[must_use]
    pub fn free_of(self, free_of: FreeOf) -> Self {
        Self { free_of, ..self }
    }

    /// The same, with what items say of themselves, and an encoder of texts: a new item may then
    /// be ranked by its text.
    #[must_use]
    pub fn describing(
        self,
        texts: BTreeMap<ItemKey, String>,
        encoder: Box<dyn TextVectors>,
    ) -> Self {
        Self { texts: Some(ItemTexts { texts, encoder }), ..self }
    }

    /// How many erasures a model of it is free of.
    #[must_use]
    pub fn erasures(&self) -> u64 {
        self.free_of.erasures
    }

    /// The same, with what lies aside because it cannot be read told in the run's report.
    #[must_use]
    pub fn beside_what_lies_aside(mut self, files: u64, records: u64) -> Self {
        self.cleaning.files_set_aside = files;
        self.cleaning.records_set_aside = records;
        self
    }
}

impl TrainingInput {
    /// Cleans the events; those refused are handed out to be put into
    /// quarantine, except events of erased lives, which are gone.
    #[must_use]
    pub fn clean(mut self) -> (CleanedInput, RefusedEvents) {
        let rules = CleaningRules {
            definitions: &self.definitions,
            items: &self.items,
            lives: &self.people.lives,
        };
        let Cleaned { kept, refused, ledger } = clean(std::mem::take(&mut self.events), rules);
        self.events = kept;
        let cleaned =
            CleanedInput { input: self, cleaning: ledger, free_of: FreeOf::default(), texts: None };
        (cleaned, refused)
    }
}

/// Why a run ends without a model.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TrainingError {
    /// Nothing is left after cleaning and consent.
    #[error("{0}")]
    NothingToTrainOn(NothingLeft),
    /// The numbers were too extreme.
    #[error(transparent)]
    Numerical(#[from] NotPositiveDefinite),
    /// The search for hyper-parameters could not go on.
    #[error(transparent)]
    Tuning(#[from] Interrupted),
    /// What a search found best is out of range.
    #[error(transparent)]
    Options(#[from] InvalidOptions),
    /// The fit that is to be served was not handed in.
    #[error("the fit that is to be served is missing")]
    NotFitted,
    /// What was fitted cannot be served.
    #[error("what was fitted does not fit together: {0}")]
    Tables(#[from] Mismatch),
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
) -> Result<Trained, TrainingError> {
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
) -> Result<Trained, TrainingError> {
    let champion = cleaned.input.champion.clone();
    let mut prepared = prepare(cleaned, tuner)?;
    let steps = Steps::new(prepared.iterations(), progress);
    let one = || steps.one();
    prepared.judge(&one)?;
    let Prepared { outline, pending, .. } = prepared;
    let trained = fit_all(Recipe::new(outline, champion), pending, &one)?;
    steps.finish();
    Ok(trained)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entities::consent::ConsentDecision;
    use crate::entities::definition::EventTypeDefinition;
    use crate::entities::event::Event;
    use crate::entities::ids::{ItemId, Pseudonym};
    use crate::entities::people::{PeopleEntry, Person, VersionedEntry};
    use crate::entities::purpose::Purpose;
    use crate::evidence::items::Weighted;
    use crate::evidence::rows::split_instant;
    use crate::maths::als::AlsOptions;
    use crate::maths::bootstrap::Interval;
    use crate::model::Artefact;
    use crate::model::bridges::Bridges;
    use crate::training::bridging::look_alike::LookAlikeRule;
    use crate::training::drift::DriftStatus;
    use crate::training::mixing::RankerChoice;
    use crate::training::shadow::{HeldOut, ShadowBasis};
    use crate::training::tuning::TuningReport;
    use crate::training::tuning::{Search, SearchSpace};
    use crossfold_testing::{consent, definition, event_at, event_id, item, person, stored};

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
                    let liked = (step + person) % 12 * 2 + person % 2;
                    events.push(Event {
                        event_id: event_id(&format!("e{step}")),
                        user: user(person, domain),
                        domain: crossfold_testing::domain(domain),
                        item_id: item(&format!("i{liked}")),
                        ..event_at(at)
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
        let [one, other] = DOMAINS.map(crossfold_testing::domain);
        let decision =
            |from, to| ConsentDecision { granted, ..consent(from, to, Purpose::Training) };
        let consents = vec![decision(&one, &other), decision(&other, &one)];
        let entry = |number| {
            let members = DOMAINS.map(|name| (user(number, name), crossfold_testing::domain(name)));
            stored(Person { consents: consents.clone().into(), ..person(members) })
        };
        (0..people).map(entry).collect()
    }

    /// Everyone refuses to have what they did on `knowledge` trained on.
    fn refuse_own_training(index: &mut PeopleIndex) {
        let knowledge = crossfold_testing::domain("knowledge");
        let grant = consent(&knowledge, &knowledge, Purpose::Training);
        let refusal = ConsentDecision { granted: false, ..grant };
        index.ledgers.iter_mut().for_each(|ledger| ledger.record(refusal.clone()));
    }

    fn input(events: Vec<Event>, people: PeopleIndex) -> TrainingInput {
        let domains = DOMAINS.map(|name| DomainId::parse(name).unwrap());
        let items = domains.iter().flat_map(|domain| {
            (0..24).map(|n| (domain.clone(), ItemId::parse(&format!("i{n}")).unwrap()))
        });
        TrainingInput {
            events: events.into(),
            people,
            items: items.collect(),
            facts: CatalogueFacts::default(),
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
            // Each of the two domains and the joint fit: to judge in five folds, to choose
            // rankers, to evaluate twice, to serve.
            assert_eq!(total, 3 * (5 + 4) * 5);
            assert!(done <= total);
            progressed.store(done, std::sync::atomic::Ordering::Relaxed);
        };
        let Trained { parts, report } =
            train(input([events(), events()].concat(), people(true)), &note).unwrap();
        assert_eq!(progressed.into_inner(), 135);
        assert_eq!(report.cleaning.kept, 600);
        assert_eq!(report.cleaning.refused[&crate::evidence::cleaning::Refusal::Duplicate], 600);
        assert_eq!(report.without_consent, 0);
        assert!(report.split_at.is_some());
        for (domain, evaluation) in &report.evaluation {
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
        assert!(parts.sections.popularity.iter().all(|share| (0.0..=1.0).contains(share)));
    }

    #[test]
    fn a_run_learns_from_dislikes_and_counts_them_neither_as_popular_nor_as_to_be_found() {
        let mut with = events();
        for person in 0..30 {
            // The newest of all, about items that others like.
            let disliked = Event {
                event_id: event_id("no"),
                user: user(person, "knowledge"),
                event_type: crossfold_testing::event_type("dislike"),
                item_id: item(&format!("i{}", (person + 7) % 24)),
                ..event_at(15_000)
            };
            with.push(disliked);
        }
        let trained = |events| {
            let mut input = input(events, people(true));
            for definition in input.definitions.values_mut() {
                let dislike =
                    EventTypeDefinition { negative: true, ..EventTypeDefinition::weighing(2.0) };
                definition.event_types.insert(crossfold_testing::event_type("dislike"), dislike);
            }
            train(input, &|_, _| ()).unwrap()
        };
        let (without, with) = (trained(events()), trained(with));
        assert_eq!(with.report.cleaning.kept, without.report.cleaning.kept + 30);
        let popular = |trained: &Trained| trained.parts.sections.popularity.clone();
        assert!(
            popular(&with).iter().zip(popular(&without)).all(|(with, without)| *with <= without)
        );
        let factors = |trained: &Trained| trained.parts.sections.tables.item_factors().to_owned();
        assert_ne!(factors(&with), factors(&without));
        // The last item out is the last that is liked, though a dislike is newer.
        let knowledge = crossfold_testing::domain("knowledge");
        let last = with.report.evaluation[&knowledge].leave_last_out.as_ref().unwrap();
        assert_eq!(last.people, 30);
        assert!(last.metrics["recall@10"] > last.popularity["recall@10"], "{last:?}");
    }

    /// Tunes in memory; every evaluation takes a second.
    struct InMemory(crate::training::tuning::TuningRequest);

    impl Tuner for InMemory {
        fn tune(
            &mut self,
            space: SearchSpace,
            score: &mut dyn FnMut(
                &crate::training::tuning::Candidate,
                &crate::training::tuning::Fidelity,
            ) -> Option<crate::training::tuning::Score>,
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
            let request = crate::training::tuning::TuningRequest {
                seed,
                candidates: 9,
                ..crate::training::tuning::TuningRequest::of_seconds(100.0)
            };
            let cleaned = input.clean().0;
            train_cleaned(cleaned, Some(&mut InMemory(request)), &|_, _| ()).unwrap()
        };
        let first = tuned(1);
        let report = first.report.tuning.as_ref().unwrap();
        let provenance = &first.parts.provenance;
        assert_eq!(*provenance.params.options(), report.candidate.options);
        assert_eq!(provenance.evidence, report.candidate.evidence);
        assert!((9..=9 + 7 * 4).contains(&report.candidates.len()), "nine, and a climb");
        assert!(report.candidates.iter().all(|candidate| !candidate.scores.is_empty()));
        let last = |number: usize| report.candidates[number].scores.last().copied().flatten();
        assert!(last(report.chosen) >= last(0), "{report:?}");
        assert_eq!(tuned(1).report, first.report);
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
        let factors = |trained: &Trained| trained.parts.sections.tables.item_factors().to_owned();
        assert_eq!(factors(&reversed), factors(&listed));
        assert_eq!(reversed.report, listed.report);
    }

    #[test]
    fn what_goes_by_the_order_is_tried_where_events_tell_one() {
        // Everyone goes round: who took one item took the next after it.
        let input = input(events_of(90), people_of(90, false));
        let report = train(input, &|_, _| ()).unwrap().report;
        let mut tried = report.rankings.iter().flat_map(|found| &found.tried);
        assert!(tried.any(|tried| match tried.ranker {
            RankerChoice::ItemItem(method) => method.goes_by_order(),
            _ => false,
        }));
    }

    #[test]
    fn a_shared_taste_earns_bridges_and_few_people_none() {
        use crate::model::bridges::Direction;
        let many = train(input(events_of(90), people_of(90, true)), &|_, _| ()).unwrap();
        assert_eq!(many.report.bridges.len(), 2);
        for report in &many.report.bridges {
            assert!(report.verdict.served().is_some(), "{report:?}");
            assert!(bridges(&many).get(&report.direction).is_some());
        }
        let model = model(&many);
        // Someone who only ever took even items of one domain.
        let (from, to) =
            (DomainId::parse(DOMAINS[1]).unwrap(), DomainId::parse(DOMAINS[0]).unwrap());
        let row = |domain: &DomainId, number: usize| {
            let item = ItemId::parse(&format!("i{number}")).unwrap();
            model.index().row(&(domain.clone(), item)).unwrap()
        };
        let history = [0, 4, 8].map(|number| Weighted::new(row(&from, number), 1.0));
        let estimate = model.estimate(&to, &history).unwrap();
        let mean = |parity: usize| -> f32 {
            (0..12).map(|n| estimate.score(row(&to, 2 * n + parity))).sum::<f32>() / 12.0
        };
        assert!(mean(0) > mean(1) + 0.1, "{} {}", mean(0), mean(1));

        // Too few to judge by: nothing crosses.
        let few = train(input(events_of(14), people_of(14, true)), &|_, _| ()).unwrap();
        assert!(few.report.bridges.iter().all(|report| report.verdict.served().is_none()));
        let nothing = Direction { from, to };
        assert!(bridges(&few).get(&nothing).is_none());
        let tables = &few.parts.sections.tables;
        assert!(tables.domain_factors().is_none());
        assert_eq!(tables.item_factors().nrows(), 48);
    }

    #[test]
    fn events_of_a_refused_own_domain_or_an_erased_life_are_not_trained_on() {
        let mut index = people(true);
        refuse_own_training(&mut index);
        let report = train(input(events(), index), &|_, _| ()).unwrap().report;
        assert_eq!(report.without_consent, 300);
        let mut index = people(true);
        let erased = (0..30).map(|person| VersionedEntry {
            id: user(person, "knowledge"),
            entry: PeopleEntry::Erased { life: 1, until: Timestamp::UNIX_EPOCH },
            version: 2,
        });
        index.extend(erased);
        let report = train(input(events(), index), &|_, _| ()).unwrap().report;
        assert_eq!(report.cleaning.refused[&crate::evidence::cleaning::Refusal::ErasedUser], 300);
    }

    fn model(trained: &Trained) -> Arc<Model> {
        let report = trained.report.encode().unwrap();
        Arc::new(Artefact::encode(&trained.parts, report).unwrap().verify().unwrap())
    }

    fn bridges(trained: &Trained) -> &Bridges {
        trained.parts.sections.tables.bridges()
    }

    #[test]
    fn a_run_compares_its_model_with_the_champion_and_its_inputs_with_the_champions() {
        let first = train(input(events(), people(true)), &|_, _| ()).unwrap();
        assert_eq!((&first.report.shadow.champion, &first.report.drift), (&None, &None));
        let champion = model(&first);
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
            assert_eq!((rival.basis, rival.people), (ShadowBasis::Seen, evaluation.people));
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
        let until = split_instant(events().iter().map(|event| event.occurred_at)).unwrap();
        let old = events().into_iter().filter(|event| event.occurred_at < until).collect();
        let champion = model(&train(input(old, people(true)), &|_, _| ()).unwrap());
        let next = TrainingInput { champion: Some(champion), ..input(events(), people(true)) };
        let report = train(next, &|_, _| ()).unwrap().report;
        for shadow in report.shadow.domains.values() {
            let rival = shadow.champion.unwrap();
            assert_eq!(rival.basis, ShadowBasis::Unseen);
            assert_eq!(rival.people, shadow.popularity.people);
            // Both were made from the same events, weighed as of other instants.
            assert!(rival.difference.mean.abs() < 0.1, "{rival:?}");
            assert!((rival.mean + rival.difference.mean - shadow.mean).abs() < 1e-9);
        }
    }

    #[test]
    fn what_may_not_be_used_for_training_is_not_counted_among_the_inputs() {
        let mut index = people(true);
        refuse_own_training(&mut index);
        let trained = train(input(events(), index), &|_, _| ()).unwrap();
        let inputs = trained.parts.provenance.inputs;
        let counted = |domain: &str| -> u64 {
            let inputs = &inputs.domains[&DomainId::parse(domain).unwrap()];
            inputs.windows.iter().map(|window| window.events).sum()
        };
        assert_eq!((counted("knowledge"), counted("auto-finance")), (0, 3 * 300));
    }

    #[test]
    fn nothing_to_train_on_is_an_error_and_one_instant_is_evaluated_by_items_of_any_rank() {
        let empty = train(input(vec![], PeopleIndex::default()), &|_, _| ());
        let Err(TrainingError::NothingToTrainOn(NothingLeft { read: 0, .. })) = empty else {
            panic!("{empty:?}");
        };
        let mut at_once = events();
        at_once.iter_mut().for_each(|event| event.occurred_at = Timestamp::UNIX_EPOCH);
        let report = train(input(at_once, people(true)), &|_, _| ()).unwrap().report;
        assert_eq!(report.split_at, None);
        assert_eq!(report.evaluation.len(), 2);
        for (domain, evaluation) in &report.evaluation {
            assert_eq!((evaluation.people, &evaluation.leave_last_out), (30, &None), "{domain}");
            assert!(evaluation.lift["ndcg@20"].low > 0.0, "{domain}: {evaluation:?}");
            let compared = &report.shadow.domains[domain];
            assert_eq!((compared.held_out, compared.popularity.people), (HeldOut::LastItems, 30));
        }
    }
}
