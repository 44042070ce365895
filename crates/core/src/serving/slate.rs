//! Making a slate: from a person's consented history to ranked, explained items.
//!
//! For each target domain the evidence that may be used is established: what the
//! person consents to, and of that, what a bridge of the model carries to the
//! target ([`crate::model::scoring`]). Every eligible item is scored by it, and
//! the best of all targets are served. These scores and popularity shares both
//! estimate a preference between 0 and 1, so slates of several targets are merged
//! by score.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::Timestamp;

use crate::entities::catalogue::Item;
use crate::entities::consent::{
    ConsentContext, ConsentLedger, ConsentedHistory, CrossDomain, RecommendationUse,
};
use crate::entities::decision::SlateEntry;
use crate::entities::definition::Definitions;
use crate::entities::history::History;
use crate::entities::ids::{DomainId, ItemId, Pseudonym};
use crate::evidence::confidences::confidences;
use crate::evidence::items::Row;
use crate::maths::rank::top_k;
use crate::model::Model;
use crate::model::scoring::Estimate;
use crate::serving::reason::{Because, Evidence, Locale, Reason, ReasonCode, text};
use crate::serving::rules::eligibility::Eligibility;

/// The policy that [`recommend`] implements, as it is logged.
pub const POLICY: &str = "als-fold-in/2";
/// Most items on one slate.
pub const MAX_LIMIT: usize = 100;
/// Past items named in one reason.
const MAX_EVIDENCE: usize = 3;

/// A domain's catalogue at one moment, matched with a model's rows.
#[derive(Debug, Clone, Default)]
pub struct CatalogueSnapshot {
    items: Vec<Item>,
    rows: Vec<Option<Row>>,
    positions: HashMap<ItemId, usize>,
}

impl CatalogueSnapshot {
    /// Matches a domain's items, in order of their ids, with the model's rows.
    #[must_use]
    pub fn new(mut items: Vec<Item>, model: Option<&Model>) -> Self {
        items.sort_by(|a, b| a.item_id.cmp(&b.item_id));
        let row = |item: &Item| model?.index().row(&(item.domain.clone(), item.item_id.clone()));
        let rows = items.iter().map(row).collect();
        let positions =
            items.iter().enumerate().map(|(at, item)| (item.item_id.clone(), at)).collect();
        Self { items, rows, positions }
    }

    /// An item by its id.
    #[must_use]
    pub fn item(&self, id: &ItemId) -> Option<&Item> {
        self.positions.get(id).map(|&at| &self.items[at])
    }
}

/// What slates are made from.
#[derive(Clone, Copy)]
pub struct Serving<'a> {
    /// The champion, if there is one.
    pub model: Option<&'a Model>,
    /// Catalogues of at least the targets.
    pub catalogues: &'a BTreeMap<DomainId, &'a CatalogueSnapshot>,
    /// Every domain.
    pub definitions: &'a Definitions,
}

/// The person a slate is for.
#[derive(Debug, Clone, Copy)]
pub struct Recipient<'a> {
    /// The user who asks.
    pub user: &'a Pseudonym,
    /// What the person decided.
    pub consents: &'a ConsentLedger,
    /// What the person did, on all linked platforms.
    pub history: &'a History,
}

/// A checked request for a slate.
#[derive(Debug, Clone)]
pub struct SlateRequest {
    /// The platform that shows the slate.
    pub display: DomainId,
    /// The domains whose items are wanted, each once.
    pub targets: BTreeSet<DomainId>,
    /// How many items, 1 to [`MAX_LIMIT`].
    pub limit: usize,
    /// Items the caller does not want.
    pub excluded: BTreeSet<(DomainId, ItemId)>,
    /// Whether the person's evidence may shape the slate.
    pub personalised: bool,
    /// Whether evidence of other domains may be used.
    pub cross_domain: CrossDomain,
    /// Domains whose items may be named as evidence: those the caller acts for.
    pub visible: BTreeSet<DomainId>,
    /// Whether reasons are wanted.
    pub explain: bool,
    /// The language of reasons.
    pub locale: Locale,
    /// The instant of the request.
    pub now: Timestamp,
}

/// One item of a slate.
#[derive(Debug, Clone, PartialEq)]
pub struct RankedItem {
    /// What is logged of it.
    pub entry: SlateEntry,
    /// Its title.
    pub title: String,
    /// Why it is there, when asked for.
    pub reason: Option<Reason>,
}

/// A slate.
#[derive(Debug, Clone, PartialEq)]
pub struct Slate {
    /// Best first.
    pub items: Vec<RankedItem>,
    /// Whether the person's own evidence shaped it.
    pub personalised: bool,
}

/// One target domain, scored.
struct ScoredTarget<'a> {
    snapshot: &'a CatalogueSnapshot,
    estimate: Option<Estimate<'a>>,
    candidates: Vec<(usize, f32)>,
}

/// Makes a slate. The same inputs give the same slate.
#[must_use]
pub fn recommend(serving: Serving<'_>, recipient: Recipient<'_>, request: &SlateRequest) -> Slate {
    let targets: Vec<ScoredTarget<'_>> = request
        .targets
        .iter()
        .filter_map(|target| score_target(serving, recipient, request, target))
        .collect();
    let (origins, scores): (Vec<(usize, usize)>, Vec<f32>) = targets
        .iter()
        .enumerate()
        .flat_map(|(at, target)| target.candidates.iter().map(move |&(i, score)| ((at, i), score)))
        .unzip();
    let items: Vec<RankedItem> = top_k(&scores, request.limit)
        .into_iter()
        .map(|candidate| {
            let (at, position) = origins[candidate as usize];
            let score = scores[candidate as usize];
            ranked_item(serving, request, &targets[at], (position, score))
        })
        .collect();
    let personalised = items.iter().any(|item| {
        request
            .targets
            .iter()
            .zip(&targets)
            .any(|(domain, target)| item.entry.domain == *domain && target.estimate.is_some())
    });
    Slate { items, personalised }
}

fn score_target<'a>(
    serving: Serving<'a>,
    recipient: Recipient<'_>,
    request: &SlateRequest,
    target: &DomainId,
) -> Option<ScoredTarget<'a>> {
    let snapshot = *serving.catalogues.get(target)?;
    let history = admitted_history(serving, recipient, request, target);
    let estimate = estimate(serving, &history, request, target);
    let eligibility = Eligibility::new(request.now, &history, &request.excluded);
    let score = |row: Option<Row>| match (serving.model, row, &estimate) {
        (Some(_), Some(row), Some(estimate)) => estimate.score(row),
        (Some(model), Some(row), None) => model.popularity(row),
        _ => 0.0,
    };
    let candidates = snapshot
        .items
        .iter()
        .enumerate()
        .filter(|(_, item)| eligibility.allows(item))
        .map(|(at, _)| (at, score(snapshot.rows[at])))
        .collect();
    Some(ScoredTarget { snapshot, estimate, candidates })
}

fn admitted_history(
    serving: Serving<'_>,
    recipient: Recipient<'_>,
    request: &SlateRequest,
    target: &DomainId,
) -> ConsentedHistory {
    let context = ConsentContext {
        ledger: recipient.consents,
        definitions: serving.definitions,
        now: request.now,
    };
    let use_of_it = RecommendationUse {
        user: recipient.user,
        display: &request.display,
        target,
        cross_domain: request.cross_domain,
    };
    let admitted = ConsentedHistory::for_recommendation(recipient.history, context, &use_of_it);
    if request.personalised { admitted } else { admitted.without_events() }
}

/// Scores the target's items for the person, unless the model does not know the
/// target or nothing of the history is known to the model and carried there.
fn estimate<'a>(
    serving: Serving<'a>,
    history: &ConsentedHistory,
    request: &SlateRequest,
    target: &DomainId,
) -> Option<Estimate<'a>> {
    let model = serving.model?;
    let evidence = &model.manifest().evidence;
    let confidences = if evidence.is_neutral() {
        confidences(history, serving.definitions, request.now)
    } else {
        // Weighed as in training, else the fold-in would answer another question.
        confidences(history, &evidence.apply(serving.definitions), request.now)
    };
    model.estimate(target, &model.index().rows_of(&confidences))
}

fn ranked_item(
    serving: Serving<'_>,
    request: &SlateRequest,
    target: &ScoredTarget<'_>,
    (position, score): (usize, f32),
) -> RankedItem {
    let item = &target.snapshot.items[position];
    let title = item.details.as_ref().map_or_else(String::new, |details| details.title.clone());
    let row = target.snapshot.rows[position];
    let entry = SlateEntry {
        domain: item.domain.clone(),
        item_id: item.item_id.clone(),
        score,
        // The policy is deterministic: it always puts this item here.
        propensity: 1.0,
    };
    let reason = request.explain.then(|| explain(serving, request, target, (item, row)));
    RankedItem { entry, title, reason }
}

fn explain(
    serving: Serving<'_>,
    request: &SlateRequest,
    target: &ScoredTarget<'_>,
    (item, row): (&Item, Option<Row>),
) -> Reason {
    let platform = |domain: &DomainId| {
        serving.definitions.get(domain).map_or(domain.as_str(), |d| d.name.as_str()).to_owned()
    };
    let plain =
        |code, because| Reason { code, text: text(because, request.locale), evidence: vec![] };
    let name = platform(&item.domain);
    let (Some(model), Some(row)) = (serving.model, row) else {
        return plain(ReasonCode::New, Because::Newness(&name));
    };
    let Some(estimate) = &target.estimate else {
        return plain(ReasonCode::Popular, Because::Others(&name));
    };
    let evidence = evidence(model, estimate, row, &request.visible);
    let Some(first) = evidence.first() else {
        return plain(ReasonCode::Popular, Because::Others(&name));
    };
    let title = first.item_id.as_ref().and_then(|id| {
        let item = serving.catalogues.get(&first.domain)?.item(id)?;
        item.details.as_ref().map(|details| details.title.as_str())
    });
    let origin = platform(&first.domain);
    let because = title.map_or(Because::Domain(&origin), Because::Item);
    Reason { code: ReasonCode::History, text: text(because, request.locale), evidence }
}

/// The past items that count most. What happened where the caller does not act
/// is summed up by domain, so that no raw event of another platform is told.
fn evidence(
    model: &Model,
    estimate: &Estimate<'_>,
    row: Row,
    visible: &BTreeSet<DomainId>,
) -> Vec<Evidence> {
    let contributions = estimate.contributions(row);
    let total: f32 = contributions.iter().map(|(_, c)| c.max(0.0)).sum();
    if total <= 0.0 {
        return Vec::new();
    }
    let mut shares: BTreeMap<(&DomainId, Option<&ItemId>), f32> = BTreeMap::new();
    for (row, contribution) in contributions.into_iter().filter(|(_, c)| *c > 0.0) {
        let Some((domain, item)) = model.index().item(row) else { continue };
        let named = visible.contains(domain).then_some(item);
        *shares.entry((domain, named)).or_default() += contribution / total;
    }
    let mut evidence: Vec<Evidence> = shares
        .into_iter()
        .map(|((domain, item), share)| Evidence {
            domain: domain.clone(),
            item_id: item.cloned(),
            share,
        })
        .collect();
    evidence.sort_by(|a, b| b.share.total_cmp(&a.share));
    evidence.truncate(MAX_EVIDENCE);
    evidence
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::entities::catalogue::{ItemDetails, ItemStatus};
    use crate::entities::consent::ConsentDecision;
    use crate::entities::event::Event;
    use crate::entities::history::Dismissal;
    use crate::entities::ids::{EventId, EventType};
    use crate::entities::purpose::Purpose;
    use crate::evidence::items::ItemIndex;
    use crate::maths::als::{AlsOptions, fit};
    use crate::maths::sparse::SparseRows;
    use crate::model::bridges::joint::JointFoldIn;
    use crate::model::bridges::{Bridge, Bridges, Carrier, Direction};
    use crate::model::tests::model_of;
    use crossfold_testing::definition;

    /// Items of each domain; the first half belongs to one taste, the rest to another.
    const ITEMS: usize = 8;

    fn knowledge() -> DomainId {
        DomainId::parse("knowledge").unwrap()
    }

    fn auto() -> DomainId {
        DomainId::parse("auto-finance").unwrap()
    }

    fn item_id(number: usize) -> ItemId {
        ItemId::parse(&format!("i{number}")).unwrap()
    }

    fn now() -> Timestamp {
        Timestamp::from_second(1_000_000).unwrap()
    }

    /// A model of people with two tastes, which are the same on both platforms.
    fn model() -> Model {
        let mut bridges = Bridges::none();
        for (from, to) in [(knowledge(), auto()), (auto(), knowledge())] {
            let carrier = Carrier::Joint(JointFoldIn { source_weight: 1.0 });
            bridges.insert(Direction { from, to }, Bridge { lift: 0.1, carrier });
        }
        model_with(bridges)
    }

    fn model_with(bridges: Bridges) -> Model {
        let keys = [auto(), knowledge()]
            .into_iter()
            .flat_map(|domain| (0..ITEMS).map(move |item| (domain.clone(), item_id(item))));
        let index = ItemIndex::new(keys.collect());
        let rows = (0..40usize).map(|person| {
            let liked = |item: &u32| (*item as usize % ITEMS < ITEMS / 2) == (person % 2 == 0);
            let items = (0..2 * ITEMS as u32).filter(liked);
            items
                .filter(|item| !(*item as usize + person / 2).is_multiple_of(3))
                .map(|i| (i, 1.0))
                .collect()
        });
        let matrix = SparseRows::from_rows(2 * ITEMS, rows);
        let options = AlsOptions { factors: 4, ..AlsOptions::default() };
        let factors = fit(&matrix, &options.check().unwrap(), &|_| ()).unwrap();
        let popularity = (0..2 * ITEMS).map(|row| 1.0 / (row % ITEMS + 1) as f32).collect();
        model_of(index, options, factors.items, popularity, bridges)
    }

    fn items(domain: &DomainId) -> Vec<Item> {
        let details = |number| ItemDetails {
            title: format!("title {number}"),
            categories: vec![],
            price: None,
            status: ItemStatus::Active,
            available_from: None,
            available_until: None,
            attributes: BTreeMap::new(),
        };
        let item = |number| Item {
            domain: domain.clone(),
            item_id: item_id(number),
            details: Some(details(number)),
            updated_at: now(),
        };
        (0..ITEMS).map(item).collect()
    }

    fn user() -> Pseudonym {
        Pseudonym::parse("u").unwrap()
    }

    fn did(domain: DomainId, numbers: &[usize]) -> Vec<Event> {
        let event = |number: &usize| Event {
            event_id: EventId::parse(&format!("e{domain}{number}")).unwrap(),
            user: user(),
            domain: domain.clone(),
            event_type: EventType::parse("view").unwrap(),
            item_id: item_id(*number),
            occurred_at: now(),
            received_at: now(),
            value: None,
            dwell_seconds: None,
        };
        numbers.iter().map(event).collect()
    }

    fn consents() -> ConsentLedger {
        let grant = |from: DomainId, to: DomainId| ConsentDecision {
            from,
            to,
            purpose: Purpose::Recommendation,
            granted: true,
            decided_at: now(),
            expires_at: None,
            evidence: None,
        };
        vec![grant(knowledge(), auto()), grant(auto(), knowledge())].into()
    }

    fn request(display: DomainId, target: DomainId) -> SlateRequest {
        SlateRequest {
            display,
            targets: BTreeSet::from([target]),
            limit: 4,
            excluded: BTreeSet::new(),
            personalised: true,
            cross_domain: CrossDomain::ByConsent,
            visible: BTreeSet::from([knowledge(), auto()]),
            explain: true,
            locale: Locale::English,
            now: now(),
        }
    }

    /// A slate from these catalogues, consents and events.
    fn slate_of(
        model: Option<&Model>,
        catalogue: Vec<Item>,
        (consents, history): (&ConsentLedger, &History),
        request: &SlateRequest,
    ) -> Slate {
        let mut by_domain: BTreeMap<DomainId, Vec<Item>> = BTreeMap::new();
        for item in catalogue {
            by_domain.entry(item.domain.clone()).or_default().push(item);
        }
        let snapshots: BTreeMap<DomainId, CatalogueSnapshot> = by_domain
            .into_iter()
            .map(|(domain, items)| (domain, CatalogueSnapshot::new(items, model)))
            .collect();
        let catalogues = snapshots.iter().map(|(domain, s)| (domain.clone(), s)).collect();
        let definitions = Definitions::from([(knowledge(), definition()), (auto(), definition())]);
        let serving = Serving { model, catalogues: &catalogues, definitions: &definitions };
        let user = user();
        recommend(serving, Recipient { user: &user, consents, history }, request)
    }

    fn both() -> Vec<Item> {
        [items(&knowledge()), items(&auto())].concat()
    }

    fn numbers(slate: &Slate) -> Vec<usize> {
        let number = |item: &RankedItem| item.entry.item_id.as_str()[1..].parse().unwrap();
        slate.items.iter().map(number).collect()
    }

    #[test]
    fn history_on_one_platform_ranks_the_other_by_the_same_taste() {
        let model = model();
        for (liked, first) in [([0, 1], 0..ITEMS / 2), ([5, 6], ITEMS / 2..ITEMS)] {
            let history = History::new(did(knowledge(), &liked), []);
            let request = request(knowledge(), auto());
            let slate = slate_of(Some(&model), both(), (&consents(), &history), &request);
            assert!(slate.personalised);
            assert!(numbers(&slate).iter().all(|item| first.contains(item)), "{slate:?}");
            let reason = slate.items[0].reason.as_ref().unwrap();
            assert_eq!(reason.code, ReasonCode::History);
            assert!(reason.text.contains("title"), "{}", reason.text);
        }
    }

    #[test]
    fn without_consent_or_by_request_the_slate_is_popular_and_says_so() {
        let model = model();
        let history = History::new(did(knowledge(), &[5, 6]), []);
        let cross = request(knowledge(), auto());
        let refused = slate_of(Some(&model), both(), (&ConsentLedger::default(), &history), &cross);
        let plain = SlateRequest { personalised: false, ..cross.clone() };
        let plain = slate_of(Some(&model), both(), (&consents(), &history), &plain);
        let private = SlateRequest { cross_domain: CrossDomain::Never, ..cross };
        let private = slate_of(Some(&model), both(), (&consents(), &history), &private);
        for slate in [refused, plain, private] {
            assert!(!slate.personalised);
            assert_eq!(numbers(&slate), [0, 1, 2, 3]);
            assert_eq!(slate.items[0].reason.as_ref().unwrap().code, ReasonCode::Popular);
        }
    }

    #[test]
    fn evidence_of_a_platform_the_caller_does_not_act_for_names_no_item() {
        let model = model();
        let history = History::new(did(knowledge(), &[0, 1]), []);
        let narrow = SlateRequest { visible: BTreeSet::from([auto()]), ..request(auto(), auto()) };
        let slate = slate_of(Some(&model), both(), (&consents(), &history), &narrow);
        assert!(slate.personalised);
        let reason = slate.items[0].reason.as_ref().unwrap();
        assert!(reason.evidence.iter().all(|evidence| evidence.item_id.is_none()));
        assert!(!reason.text.contains("title"), "{}", reason.text);
    }

    #[test]
    fn what_no_bridge_carries_does_not_shape_the_slate() {
        let model = model_with(Bridges::none());
        let history = History::new(did(knowledge(), &[5, 6]), []);
        let cross = request(knowledge(), auto());
        let slate = slate_of(Some(&model), both(), (&consents(), &history), &cross);
        assert!(!slate.personalised);
        assert_eq!(numbers(&slate), [0, 1, 2, 3]);
        assert_eq!(slate.items[0].reason.as_ref().unwrap().code, ReasonCode::Popular);
        let own = request(knowledge(), knowledge());
        assert!(slate_of(Some(&model), both(), (&consents(), &history), &own).personalised);
    }

    #[test]
    fn without_a_model_items_are_served_as_new() {
        let slate = slate_of(
            None,
            both(),
            (&ConsentLedger::default(), &History::default()),
            &request(knowledge(), knowledge()),
        );
        assert_eq!(slate.items.len(), 4);
        assert!(slate.items.iter().all(|i| i.reason.as_ref().unwrap().code == ReasonCode::New));
    }

    proptest! {
        #[test]
        fn nothing_ineligible_is_ever_served(
            seen in proptest::collection::btree_set(0..ITEMS, 0..5),
            hidden in proptest::collection::btree_set(0..ITEMS, 0..5),
            expired in proptest::collection::btree_set(0..ITEMS, 0..3),
            dismissed in proptest::collection::btree_set(0..ITEMS, 0..3),
            excluded in proptest::collection::btree_set(0..ITEMS, 0..3),
            personalised in any::<bool>(),
        ) {
            let mut catalogue = items(&knowledge());
            for (number, item) in catalogue.iter_mut().enumerate() {
                let details = item.details.as_mut().unwrap();
                if hidden.contains(&number) {
                    details.status = ItemStatus::Hidden;
                }
                if expired.contains(&number) {
                    details.available_until = Some(now());
                }
            }
            let dismissals = dismissed.iter().map(|&number| Dismissal {
                user: user(),
                by_domain: knowledge(),
                domain: knowledge(),
                item_id: item_id(number),
            });
            let seen_list: Vec<usize> = seen.iter().copied().collect();
            let history = History::new(did(knowledge(), &seen_list), dismissals);
            let request = SlateRequest {
                limit: MAX_LIMIT,
                personalised,
                excluded: excluded.iter().map(|&number| (knowledge(), item_id(number))).collect(),
                ..request(knowledge(), knowledge())
            };
            let model = model();
            let person = (&ConsentLedger::default(), &history);
            let slate = slate_of(Some(&model), catalogue.clone(), person, &request);
            prop_assert_eq!(&slate, &slate_of(Some(&model), catalogue, person, &request));
            let served: BTreeSet<usize> = numbers(&slate).into_iter().collect();
            let banned = [&hidden, &expired, &dismissed, &excluded];
            let is_banned = |number: &usize| banned.iter().any(|set| set.contains(number));
            let is_seen = |number: &usize| personalised && seen.contains(number);
            let eligible = (0..ITEMS).filter(|number| !is_banned(number) && !is_seen(number));
            prop_assert_eq!(served, eligible.collect::<BTreeSet<usize>>());
        }
    }
}
