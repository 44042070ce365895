//! What a candidate is judged by: full ranking of what is held out from training.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{Candidate, Fidelity, Score};
use crate::entities::consent::ConsentedHistory;
use crate::entities::definition::{Definitions, Repeats};
use crate::entities::ids::{DomainId, EventType};
use crate::evidence::ageing::{NewestEvidence, recency};
use crate::evidence::confidences::{Weighed, bearing, gather};
use crate::evidence::items::{DomainRanges, DomainRows, ItemIndex, Row};
use crate::maths::als::{AlsOptions, Factors, fit};
use crate::maths::measure::{Fold, RankingCase, cases_of, evaluate_factors, hold_out};
use crate::maths::sparse::SparseRows;
use crate::training::bridging::domain_fits::DomainPart;

/// Folds that interactions without a time are divided into.
const FOLDS: usize = 5;
/// Most people measured in a domain, about: enough to tell candidates apart.
const MEASURED_PEOPLE: usize = 10_000;
/// Fewer where so many scores would exceed this (a second or two of one core), though
/// not below [`LEAST_MEASURED`].
const MOST_SCORES: usize = 200_000_000;
const LEAST_MEASURED: usize = 1_000;
/// People up to whom a domain counts by how many of its people are measured: beyond,
/// more of them make its figure hardly surer, and the other domains should count too.
const MOST_COUNTED: usize = 1_000;
/// Fewest people who take part, however low the rung, where there are as many.
const MIN_PEOPLE: usize = 2_000;
/// Share of the events held out on each fold by time, and how far apart folds begin.
const HELD_OUT: f64 = 0.1;
const FOLD_STEP: f64 = 0.05;
/// Seed of the division into folds: the same for every candidate.
const FOLD_SEED: u64 = 5;

/// One event, as small as it can be: weights are looked up by its kind.
#[derive(Debug, Clone, Copy, PartialEq)]
struct TimedInteraction {
    occurred_at: Timestamp,
    item: u32,
    kind: u32,
    /// See [`bearing`].
    bearing: f32,
}

/// Consented events of all rows of the joint matrix, ready to be weighed anew
/// for every candidate. About 24 bytes an event.
#[derive(Debug, Clone, Default)]
pub struct EvidenceTable {
    starts: Vec<usize>,
    evidence: Vec<TimedInteraction>,
    kinds: Vec<(DomainId, EventType)>,
    kind_numbers: BTreeMap<(DomainId, EventType), u32>,
}

impl EvidenceTable {
    /// Rows so far.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.starts.len()
    }

    /// Adds a row; events of unknown items, domains or types are left out.
    pub fn push(
        &mut self,
        history: &ConsentedHistory,
        definitions: &Definitions,
        index: &ItemIndex,
    ) {
        self.starts.push(self.evidence.len());
        for event in history.events() {
            let event_type = definitions
                .get(&event.domain)
                .and_then(|definition| definition.event_types.get(&event.event_type));
            let item = index.row(&(event.domain.clone(), event.item_id.clone()));
            let (Some(event_type), Some(item)) = (event_type, item) else { continue };
            let kind = self.kind((event.domain.clone(), event.event_type.clone()));
            self.evidence.push(TimedInteraction {
                occurred_at: event.occurred_at,
                item: item.0,
                kind,
                bearing: bearing(event_type, event.value),
            });
        }
    }

    fn kind(&mut self, kind: (DomainId, EventType)) -> u32 {
        let next = self.kinds.len() as u32;
        *self.kind_numbers.entry(kind).or_insert_with_key(|kind| {
            self.kinds.push(kind.clone());
            next
        })
    }

    fn row(&self, row: usize) -> &[TimedInteraction] {
        let end = self.starts.get(row + 1).copied().unwrap_or(self.evidence.len());
        &self.evidence[self.starts[row]..end]
    }

    /// The instants at which `shares` of all events lie before.
    fn quantiles(&self, shares: &[f64]) -> Vec<Option<Timestamp>> {
        let mut times: Vec<Timestamp> = self.evidence.iter().map(|e| e.occurred_at).collect();
        times.sort_unstable();
        shares
            .iter()
            .map(|share| times.get((times.len() as f64 * share) as usize).copied())
            .collect()
    }

    /// The confidences of some rows' items, from what happened up to `now` (`now`
    /// itself left out on a split by time), as
    /// [`crate::evidence::confidences::confidences`] has them.
    fn matrix(
        &self,
        columns: usize,
        rows: &[usize],
        definitions: &Definitions,
        (now, is_split): (Timestamp, bool),
    ) -> SparseRows {
        let is_known = |e: &TimedInteraction| !is_split || e.occurred_at < now;
        let weighings = self.weighings(definitions, &is_known);
        let of_row =
            |row: &usize| self.confidences(*row, &weighings, &is_known).into_iter().collect();
        SparseRows::from_rows(columns, rows.iter().map(of_row))
    }

    /// The confidences of a row's items, from some of its events.
    fn confidences(
        &self,
        row: usize,
        weighings: &[Weighing],
        counts: &dyn Fn(&TimedInteraction) -> bool,
    ) -> BTreeMap<u32, f32> {
        gather(self.row(row).iter().filter(|event| counts(event)).map(|event| {
            let Weighing { weight, half_life, repeats, newest } = weighings[event.kind as usize];
            let recency = recency(newest, event.occurred_at, half_life);
            let amount = weight * recency * event.bearing;
            Weighed { item: event.item, kind: event.kind, repeats, amount }
        }))
    }

    /// How each kind weighs, where age is counted back from the newest of the events that
    /// count.
    fn weighings(
        &self,
        definitions: &Definitions,
        counts: &dyn Fn(&TimedInteraction) -> bool,
    ) -> Vec<Weighing> {
        let mut newest = NewestEvidence::default();
        for event in self.evidence.iter().filter(|event| counts(event)) {
            newest.note(&self.kinds[event.kind as usize].0, event.occurred_at);
        }
        self.kinds.iter().map(|kind| Weighing::of(kind, definitions, &newest)).collect()
    }
}

/// How the events of a kind weigh.
#[derive(Debug, Clone, Copy)]
struct Weighing {
    weight: f32,
    half_life: f32,
    repeats: Repeats,
    /// The newest evidence of its domain.
    newest: Timestamp,
}

impl Weighing {
    /// Nothing counts of a kind that is no longer defined.
    fn of(
        (domain, event_type): &(DomainId, EventType),
        definitions: &Definitions,
        newest: &NewestEvidence,
    ) -> Self {
        let definition = definitions.get(domain);
        let event_type = definition.and_then(|d| d.event_types.get(event_type));
        Self {
            weight: event_type.map_or(0.0, |event_type| event_type.weight),
            half_life: definition.map_or(1.0, |definition| definition.half_life_days),
            repeats: event_type.map_or(Repeats::Sum, |event_type| event_type.repeats),
            newest: newest.in_domain(domain).unwrap_or(Timestamp::MIN),
        }
    }
}

/// Judges candidates on events with times: each fold trains on what came before
/// an instant and holds out what came next, so that a half-life shows its worth.
/// Where events do not spread over time, folds of interactions stand in. Each domain
/// is fitted and ranked by itself, as it is served unless a joint bridge leads there.
pub struct Validation<'a> {
    /// The events, without those that the run's own evaluation holds out.
    pub evidence: EvidenceTable,
    /// The items.
    pub index: &'a ItemIndex,
    /// The domains, unscaled.
    pub definitions: &'a Definitions,
}

impl Validation<'_> {
    /// The candidate's score; `None` when it cannot be fitted or nobody can be measured.
    #[must_use]
    pub fn score(&self, candidate: &Candidate, fidelity: &Fidelity) -> Option<Score> {
        let definitions = candidate.evidence.apply(self.definitions);
        let rows = drawn(self.evidence.starts.len(), fidelity);
        let (train, held_out) = self.split(&definitions, &rows, fidelity);
        score_by_domain(self.index.ranges(), (&train, &held_out), candidate, fidelity)
    }

    /// Rows of the training matrix, and the items held out from each.
    fn split(
        &self,
        definitions: &Definitions,
        rows: &[usize],
        fidelity: &Fidelity,
    ) -> (SparseRows, Vec<Vec<u32>>) {
        let columns = self.index.len();
        let begins = 1.0 - HELD_OUT - FOLD_STEP * fidelity.fold as f64;
        let instants = self.evidence.quantiles(&[0.0, begins, begins + HELD_OUT]);
        if let [Some(oldest), Some(from), to] = instants[..]
            && oldest < from
            && to.is_none_or(|to| from < to)
        {
            let is_held_out = |e: &TimedInteraction| {
                e.occurred_at >= from && to.is_none_or(|to| e.occurred_at < to)
            };
            let weighings = self.evidence.weighings(definitions, &is_held_out);
            let later = |row: &usize| {
                let later = self.evidence.confidences(*row, &weighings, &is_held_out);
                let liked = later.into_iter().filter(|(_, confidence)| *confidence > 0.0);
                liked.map(|(item, _)| item).collect()
            };
            let train = self.evidence.matrix(columns, rows, definitions, (from, true));
            return (train, rows.iter().map(later).collect());
        }
        let newest = self.evidence.evidence.iter().map(|e| e.occurred_at).max();
        let now = (newest.unwrap_or(Timestamp::UNIX_EPOCH), false);
        let all = self.evidence.matrix(columns, rows, definitions, now);
        hold_out_fold(&all, fidelity)
    }
}

/// Judges a candidate on interactions without times: a fifth of the interactions of
/// some people is held out.
#[must_use]
pub fn score_interactions(
    matrix: &SparseRows,
    ranges: &DomainRanges,
    candidate: &Candidate,
    fidelity: &Fidelity,
) -> Option<Score> {
    let rows = drawn(matrix.rows(), fidelity);
    let entries = |row: &usize| {
        let (items, confidences) = matrix.row(*row);
        items.iter().copied().zip(confidences.iter().copied()).collect()
    };
    let part = SparseRows::from_rows(matrix.columns(), rows.iter().map(entries));
    let (train, held_out) = hold_out_fold(&part, fidelity);
    score_by_domain(ranges, (&train, &held_out), candidate, fidelity)
}

/// The matrix without a fold of the interactions of some people, and that fold.
fn hold_out_fold(matrix: &SparseRows, fidelity: &Fidelity) -> (SparseRows, Vec<Vec<u32>>) {
    let (number, people) = (fidelity.fold % FOLDS, most_measured(matrix.columns()));
    let (train, cases) = hold_out(matrix, Fold { number, of: FOLDS, people, seed: FOLD_SEED });
    let mut held_out = vec![Vec::new(); train.rows()];
    cases.into_iter().for_each(|case| held_out[case.person] = case.relevant);
    (train, held_out)
}

/// Fits each domain by itself and ranks for its people.
fn score_by_domain(
    ranges: &DomainRanges,
    (train, held_out): (&SparseRows, &[Vec<u32>]),
    candidate: &Candidate,
    fidelity: &Fidelity,
) -> Option<Score> {
    let domains = ranges.values().zip(ranges.people(train));
    score_of(domains.filter_map(|(rows, people)| {
        let part = DomainPart::of_people(train, rows, people);
        let cases = cases_in(&part, held_out, rows);
        if cases.is_empty() {
            return None;
        }
        let factors = fit_at(&part.matrix, candidate.options, fidelity);
        // What cannot be fitted has found nothing.
        let value = factors.and_then(|factors| ndcg(&factors, &cases)).unwrap_or(0.0);
        Some((rows.domain.clone(), value, cases.len()))
    }))
}

/// The rows that take part, ascending; all candidates of a rung have the same.
fn drawn(rows: usize, fidelity: &Fidelity) -> Vec<usize> {
    let least = MIN_PEOPLE as f64 / rows.max(1) as f64;
    let share = fidelity.people.max(least).min(1.0);
    let mut rng = ChaCha8Rng::seed_from_u64(fidelity.seed);
    (0..rows).filter(|_| rng.random_bool(share)).collect()
}

/// Most people who are ranked so many items for.
fn most_measured(items: usize) -> usize {
    (MOST_SCORES / items.max(1)).clamp(LEAST_MEASURED, MEASURED_PEOPLE)
}

/// The people of a domain from whom something in it is held out.
fn cases_in(part: &DomainPart, held_out: &[Vec<u32>], rows: &DomainRows) -> Vec<RankingCase> {
    let local = |row: &u32| -> Vec<u32> {
        let items = held_out[*row as usize].iter().filter_map(|item| rows.local(Row(*item)));
        items.map(|local| local.0).collect()
    };
    let held_out: Vec<Vec<u32>> = part.rows.iter().map(local).collect();
    let mut cases = cases_of(&part.matrix, &held_out, &(0..rows.len()));
    thin(&mut cases, most_measured(rows.len()));
    cases
}

/// Keeps about as many cases as are needed, evenly.
fn thin(cases: &mut Vec<RankingCase>, most: usize) {
    let step = cases.len().div_ceil(most).max(1);
    let mut at = 0..;
    cases.retain(|_| at.next().is_some_and(|at| at % step == 0));
}

fn fit_at(train: &SparseRows, options: AlsOptions, fidelity: &Fidelity) -> Option<Factors> {
    let params = AlsOptions { iterations: fidelity.iterations, ..options }.check().ok()?;
    fit(train, &params, &|_| ()).ok()
}

fn ndcg(factors: &Factors, cases: &[RankingCase]) -> Option<f64> {
    let measured = evaluate_factors(factors.people.view(), factors.items.view(), cases);
    measured.means().get("ndcg@20").copied()
}

/// The mean over the domains, by their people up to [`MOST_COUNTED`].
fn score_of(domains: impl Iterator<Item = (DomainId, f64, usize)>) -> Option<Score> {
    let (mut score, mut sum, mut weights) = (Score::default(), 0.0, 0.0);
    for (domain, ndcg, people) in domains {
        score.by_domain.insert(domain, ndcg);
        score.people += people;
        let weight = people.min(MOST_COUNTED) as f64;
        (sum, weights) = (sum + weight * ndcg, weights + weight);
    }
    score.value = sum / weights;
    (weights > 0.0).then_some(score)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rust_decimal::Decimal;

    use super::*;
    use crate::entities::consent::{ConsentContext, ConsentLedger};
    use crate::entities::event::Event;
    use crate::entities::history::History;
    use crate::entities::ids::ItemId;
    use crate::evidence::confidences::confidences;
    use crate::evidence::scaling::EvidenceScaling;
    use crossfold_testing::{definition, event_at, event_id, event_type};

    fn knowledge() -> DomainId {
        DomainId::parse("knowledge").unwrap()
    }

    fn definitions() -> Definitions {
        Definitions::from([(knowledge(), definition())])
    }

    /// Event types of every meaning.
    fn meanings() -> Definitions {
        let mut definition = definition();
        for (name, meaning) in [
            ("dislike", serde_json::json!({"weight": 2, "negative": true})),
            ("rate", serde_json::json!({"weight": 1, "neutral_value": 20, "repeats": "latest"})),
            ("open", serde_json::json!({"weight": 1, "value_scale": "5", "repeats": "strongest"})),
        ] {
            let meaning = serde_json::from_value(meaning).unwrap();
            definition.event_types.insert(event_type(name), meaning);
        }
        Definitions::from([(knowledge(), definition)])
    }

    fn item(number: usize) -> (DomainId, ItemId) {
        (knowledge(), ItemId::parse(&format!("i{number:02}")).unwrap())
    }

    fn event(number: usize, days: i64, of_item: usize, enrols: bool) -> Event {
        Event {
            event_id: event_id(&format!("e{number}")),
            event_type: event_type(if enrols { "enrol" } else { "view" }),
            item_id: item(of_item).1,
            value: enrols.then(|| Decimal::from(number)),
            ..event_at(days * 86_400 + number as i64)
        }
    }

    fn consented(events: Vec<Event>, now: Timestamp) -> ConsentedHistory {
        let (ledger, definitions) = (ConsentLedger::default(), definitions());
        let context = ConsentContext { ledger: &ledger, definitions: &definitions, now };
        ConsentedHistory::for_training(&History::new(events, []), context).remove(0)
    }

    proptest! {
        #[test]
        fn evidence_weighs_what_the_same_events_weigh_in_training(
            events in proptest::collection::vec((0i64..400, 0usize..9, 0usize..5), 1..40),
            half_life in 0.3f32..3.0, until in 100i64..500,
        ) {
            let names = ["view", "enrol", "dislike", "rate", "open"];
            let events: Vec<Event> = events.into_iter().enumerate()
                .map(|(number, (days, of_item, kind))| Event {
                    event_type: event_type(names[kind]),
                    ..event(number, days, of_item, kind > 0)
                })
                .collect();
            let until = Timestamp::from_second(until * 86_400).unwrap();
            let history = consented(events, until);
            let index = ItemIndex::new((0..9).map(item).collect());
            let mut table = EvidenceTable::default();
            table.push(&history, &meanings(), &index);
            let scaled = EvidenceScaling { half_life, ..Default::default() }.apply(&meanings());
            let matrix = table.matrix(9, &[0], &scaled, (until, true));
            let earlier = history.before(until);
            let newest = NewestEvidence::of(earlier.events());
            let expected = index.rows_of(&confidences(&earlier, &scaled, &newest));
            prop_assert_eq!(matrix.row(0).0, expected.iter().map(|known| known.row.0).collect::<Vec<_>>());
            for (found, expected) in matrix.row(0).1.iter().zip(expected) {
                let expected = expected.confidence;
                prop_assert_eq!(*found, expected);
            }
        }
    }

    const FIDELITY: Fidelity = Fidelity { iterations: 5, people: 1.0, fold: 0, seed: 1 };

    /// Half of the people like the even items, the others the odd ones.
    fn tastes(days_apart: i64) -> (EvidenceTable, ItemIndex) {
        let index = ItemIndex::new((0..20).map(item).collect());
        let mut table = EvidenceTable::default();
        for person in 0..80 {
            let one = |step: usize| {
                let of_item = (person + step * 3) % 10 * 2 + person % 2;
                event(step, days_apart * (step * 80 + person) as i64, of_item, false)
            };
            let history = consented((0..8).map(one).collect(), Timestamp::MAX);
            table.push(&history, &definitions(), &index);
        }
        (table, index)
    }

    #[test]
    fn a_candidate_that_learns_beats_one_that_cannot_with_times_and_without() {
        for days_apart in [1, 0] {
            let (mut evidence, index) = tastes(days_apart);
            if days_apart == 0 {
                evidence.evidence.iter_mut().for_each(|e| e.occurred_at = Timestamp::UNIX_EPOCH);
            }
            let definitions = definitions();
            let validation = Validation { evidence, index: &index, definitions: &definitions };
            let score = |regularisation| {
                let options = AlsOptions { factors: 4, regularisation, ..AlsOptions::default() };
                let candidate = Candidate { options, evidence: EvidenceScaling::default() };
                validation.score(&candidate, &FIDELITY).unwrap()
            };
            let (good, bad) = (score(0.01), score(1_000.0));
            assert!(good.people > 20 && good.value > bad.value, "{good:?} {bad:?}");
            assert_eq!(good, score(0.01));
            assert_eq!(good.by_domain[&knowledge()], good.value);
        }
    }

    #[test]
    fn interactions_without_times_are_judged_by_folds() {
        let rows =
            (0..90u32).map(|u| (0..8).map(|k| ((u + k * 3) % 10 * 2 + u % 2, 1.0)).collect());
        let matrix = SparseRows::from_rows(20, rows);
        let options = AlsOptions { factors: 4, regularisation: 0.01, ..AlsOptions::default() };
        let candidate = Candidate { options, evidence: EvidenceScaling::default() };
        let ranges = DomainRanges::from([(knowledge(), 0..20)]);
        let score = score_interactions(&matrix, &ranges, &candidate, &FIDELITY).unwrap();
        assert!(score.value > 0.6, "{score:?}");
        let alone = SparseRows::from_rows(20, [vec![(1, 1.0)]]);
        assert_eq!(score_interactions(&alone, &ranges, &candidate, &FIDELITY), None);
    }

    #[test]
    fn low_rungs_take_a_share_of_the_people_but_never_too_few() {
        let of = |rows, people| drawn(rows, &Fidelity { people, ..FIDELITY }).len();
        assert_eq!(of(1_500, 0.1), 1_500);
        assert!((4_500..5_500).contains(&of(50_000, 0.1)));
        assert!((1_800..2_200).contains(&of(10_000, 0.01)));
    }
}
