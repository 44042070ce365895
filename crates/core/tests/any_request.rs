//! Nothing that may not be shown leaves `decide`, whatever is asked: over generated catalogues of 1 to
//! 40 items, with and without a model, and requests with any of what a request can say.
//!
//! `CROSSFOLD_REQUESTS` says how many requests are tried (2,000 if it says nothing) and
//! `CROSSFOLD_FIRST_REQUEST` the number of the first; each is made from its number.

#![allow(clippy::unwrap_used)] // A test may stop at the first surprise.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crossfold_core::entities::applicant::Applicant;
use crossfold_core::entities::boost::{Boost, Factor, Promotion};
use crossfold_core::entities::catalogue::{ChangeNumber, Item, ItemDetails};
use crossfold_core::entities::consent::{ConsentLedger, CrossDomain};
use crossfold_core::entities::definition::{Definitions, DomainDefinition};
use crossfold_core::entities::diversity::{Calibration, Diversity};
use crossfold_core::entities::eligibility::{Case, NO_RULES, is_refused};
use crossfold_core::entities::event::Event;
use crossfold_core::entities::exploration::ExplorationShare;
use crossfold_core::entities::filter::Filter;
use crossfold_core::entities::history::{Dismissal, History};
use crossfold_core::entities::ids::{DomainId, ItemId, RecommendationId};
use crossfold_core::entities::quota::Quota;
use crossfold_core::model::Model;
use crossfold_core::serving::admit::AdmittedRequest;
use crossfold_core::serving::decide::{Decided, Serving, decide};
use crossfold_core::serving::diversify::{Composed, Composition};
use crossfold_core::serving::explore_share::Explored;
use crossfold_core::serving::policy::ALS_FOLD_IN;
use crossfold_core::serving::replay::{Present, replay};
use crossfold_core::serving::request::{Occasion, Recipient, SlateRequest, Words};
use crossfold_core::serving::snapshot::{CatalogueSnapshot, Catalogues, FoundItem, FoundItems};
use crossfold_testing::model::{model, model_parts_of};
use crossfold_testing::{at, catalogue_item, domain, event_at, event_id, item, user};
use jiff::civil::date;
use ndarray::Array2;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use rust_decimal::Decimal;
use serde_json::json;

/// 2020-09-13.
const NOW: i64 = 1_600_000_000;
const FACTORS: usize = 4;

fn shop() -> DomainId {
    domain("shop")
}

fn definitions() -> Definitions {
    let mut shop_definition: DomainDefinition = crossfold_testing::definition();
    shop_definition.attributes = serde_json::from_value(json!({ "brand": "text" })).unwrap();
    shop_definition.eligibility = serde_json::from_value(json!({
        "pack": "cn-auto", "disclosure": "eu", "rules": [{ "rule": "debt_to_income", "max": "0.4" }],
    }))
    .unwrap();
    Definitions::from([(shop(), shop_definition)])
}

/// A catalogue, a person's history, and what may be asked of them.
struct Asked {
    items: Vec<Item>,
    model: Option<Model>,
    history: History,
    /// The items of the history's events.
    used: Vec<ItemId>,
    dismissed: Vec<ItemId>,
    request: SlateRequest,
    /// What the request's filter says of an item.
    passes: Passes,
    /// How well items match the words that are looked for, and whether they are asked for.
    found: BTreeMap<ItemId, (f32, bool)>,
}

/// What a filter says of an item.
type Passes = fn(&ItemDetails) -> bool;

/// Filters, and the same in the words of this test.
const FILTERS: [(&str, Passes); 4] = [
    ("true", |_| true),
    ("price <= 200", |details| details.price.is_some_and(|price| price <= Decimal::from(200))),
    ("brand = \"b1\" or not has(price)", |details| {
        details.attributes.get("brand").is_some_and(|brand| brand == "b1")
            || details.price.is_none()
    }),
    ("has(brand) and not (price in [1, 2, 3])", |details| {
        let is_one = |price: Decimal| [1, 2, 3].contains(&i64::try_from(price).unwrap_or(0));
        details.attributes.contains_key("brand")
            && details.price.is_some_and(|price| !is_one(price))
    }),
];

impl Asked {
    fn of(number: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(number);
        let rng = &mut rng;
        let mut items: Vec<Item> = (0..rng.random_range(1..=40)).map(|n| an_item(n, rng)).collect();
        let known: BTreeSet<_> = items
            .iter()
            .filter(|_| rng.random_bool(0.8))
            .map(|i| (shop(), i.item_id.clone()))
            .collect();
        let model = (rng.random_bool(0.8) && !known.is_empty()).then(|| {
            let shape = (known.len(), FACTORS);
            let factors = Array2::from_shape_fn(shape, |_| rng.random_range(-1.0..1.0));
            self::model(&model_parts_of(known, factors))
        });
        items.shuffle(rng);
        let picked = |rng: &mut ChaCha8Rng, share: f64| -> Vec<ItemId> {
            let chosen = items.iter().filter(|_| rng.random_bool(share));
            chosen.map(|item| item.item_id.clone()).collect()
        };
        let events = picked(rng, 0.15).into_iter().enumerate().map(|(n, item_id)| Event {
            event_id: event_id(&format!("e{n}")),
            user: user("u"),
            domain: shop(),
            item_id,
            ..event_at(NOW - 1_000 * n as i64)
        });
        let events: Vec<Event> = events.collect();
        let used = events.iter().map(|event| event.item_id.clone()).collect();
        let dismissed = picked(rng, 0.05);
        let dismissals = dismissed.iter().map(|item| Dismissal {
            user: user("u"),
            by_domain: shop(),
            domain: shop(),
            item_id: item.clone(),
        });
        let history = History::new(events, dismissals.collect::<Vec<_>>());
        let (source, passes) = FILTERS[rng.random_range(0..FILTERS.len())];
        let request = a_request(source, &items, rng);
        let mut found = BTreeMap::new();
        for item in picked(rng, 0.5) {
            found.insert(item, (rng.random_range(0.01..=1.0f32), rng.random_bool(0.7)));
        }
        Self { items, model, history, used, dismissed, request, passes, found }
    }

    fn decided(&self, items: Vec<Item>) -> Decided {
        let (definitions, consents, user) = (definitions(), ConsentLedger::default(), user("u"));
        let recipient =
            Recipient { user: &user, consents: &consents, history: &self.history, version: None };
        let asked = AdmittedRequest::new(&self.request, recipient, &definitions);
        let catalogues = self.catalogues(items);
        let model = self.model.as_ref();
        let serving =
            Serving { model, catalogues: &catalogues, policy: &ALS_FOLD_IN, degraded: &[] };
        decide(serving, &asked)
    }

    fn catalogues(&self, items: Vec<Item>) -> Catalogues {
        let mut snapshot = CatalogueSnapshot::new(items, self.model.as_ref());
        if self.request.words.is_some() {
            let found = self.found.iter().filter_map(|(id, (relevance, is_asked_for))| {
                let position = snapshot.position(id)?;
                Some(FoundItem { position, relevance: *relevance, is_asked_for: *is_asked_for })
            });
            let found = FoundItems::new(found.collect());
            snapshot = snapshot.searched(Arc::new(found));
        }
        Catalogues::from([(shop(), Arc::new(snapshot))])
    }

    /// What the person did something with, or dismissed.
    fn of_history(&self) -> BTreeSet<ItemId> {
        self.used.iter().chain(&self.dismissed).cloned().collect()
    }

    /// Whether an item may be shown, but for what the person has seen or dismissed.
    fn may_be_shown(&self, item: &Item) -> bool {
        let Some(details) = &item.details else { return false };
        let (request, key) = (&self.request, (shop(), item.item_id.clone()));
        let definition = &definitions()[&shop()];
        let is_refused = details.offer.as_deref().is_some_and(|offer| {
            is_refused(&Case {
                offer,
                price: details.price,
                currency: definition.currency,
                rules: definition.eligibility.as_ref().unwrap_or(&NO_RULES),
                applicant: request.applicant.as_ref(),
                today: date(2020, 9, 13),
            })
        });
        item.is_available(at(NOW))
            && !request.excluded.contains(&key)
            && request.listed.as_ref().is_none_or(|listed| listed.contains(&key))
            && (self.passes)(details)
            && !is_refused
            && (!matches!(request.words, Some(Words::Query(_)))
                || self.found.get(&item.item_id).is_some_and(|(_, is_asked_for)| *is_asked_for))
    }
}

fn an_item(number: usize, rng: &mut ChaCha8Rng) -> Item {
    let mut made = catalogue_item((shop(), item(&format!("i{number}"))));
    let status = ["active", "active", "active", "active", "hidden", "out_of_stock"];
    let price = rng.random_bool(0.8).then(|| rng.random_range(1..400_000));
    let instant = |rng: &mut ChaCha8Rng| {
        rng.random_bool(0.2).then(|| at(NOW + rng.random_range(-3..=3i64)).to_string())
    };
    let (from, until) = (instant(rng), instant(rng));
    let mut details = json!({ "title": "t", "status": status[rng.random_range(0..status.len())] });
    if let Some(price) = price {
        let price = if rng.random_bool(0.3) { price % 5 + 1 } else { price };
        details["price"] = price.into();
        if rng.random_bool(0.5) {
            details["offer"] = json!({
                "kind": "loan", "annual_rate": "0.06", "terms_months": [12, 36, 72],
                "min_down_payment": "0.1",
                "vehicle": { "kind": "passenger", "energy": "new_energy", "condition": "used" },
            });
        }
    }
    let categories = (0..3).filter(|_| rng.random_bool(0.4)).map(|number| format!("c{number}"));
    details["categories"] = categories.collect::<Vec<_>>().into();
    if rng.random_bool(0.6) {
        details["attributes"] = json!({ "brand": format!("b{}", rng.random_range(0..3)) });
    }
    for (name, instant) in [("available_from", &from), ("available_until", &until)] {
        if let Some(instant) = instant {
            details[name] = instant.as_str().into();
        }
    }
    // A window that ends before it begins is none.
    made.details = ItemDetails::parse(details).ok().filter(|_| rng.random_bool(0.95));
    made
}

fn a_request(source: &str, items: &[Item], rng: &mut ChaCha8Rng) -> SlateRequest {
    let schema = definitions()[&shop()].schema();
    let filter = |source: &str| Filter::parse(source, &schema).unwrap();
    let some = |rng: &mut ChaCha8Rng, share: f64| -> BTreeSet<(DomainId, ItemId)> {
        let chosen = items.iter().filter(|_| rng.random_bool(share));
        chosen.map(|item| (shop(), item.item_id.clone())).collect()
    };
    let any_filter = |rng: &mut ChaCha8Rng| FILTERS[rng.random_range(0..FILTERS.len())].0;
    let mut boosts: Vec<Boost> = (0..rng.random_range(0..3))
        .map(|_| Boost {
            filter: filter(any_filter(rng)),
            factor: Factor::try_from(rng.random_range(0.1..=10.0f32)).unwrap(),
        })
        .collect();
    Boost::sort(&mut boosts);
    let mut promotions: Vec<Promotion> = (0..rng.random_range(0..3))
        .map(|_| Promotion { filter: filter(any_filter(rng)), slot: rng.random_range(1..=12) })
        .collect();
    Promotion::sort(&mut promotions);
    let applicant: Option<Applicant> = rng.random_bool(0.3).then(|| {
        let told = json!({
            "monthly_income": rng.random_range(0..30_000), "monthly_debts": rng.random_range(0..5_000),
            "age": rng.random_range(10..90), "down_payment": rng.random_range(0..100_000),
        });
        serde_json::from_value(told).unwrap()
    });
    let quotas = (0..rng.random_range(0..3)).map(|_| Quota {
        filter: rng.random_bool(0.5).then(|| filter(any_filter(rng))),
        each_category: rng.random_bool(0.5),
        most: rng.random_range(1..5),
    });
    let quotas: Vec<Quota> = quotas.collect();
    let composed = rng.random_bool(0.5).then(|| {
        let share = rng.random_range(0.01..=1.0f32);
        Composed::by(match rng.random_bool(0.5) {
            true => Composition::Diverse(Diversity::try_from(share).unwrap()),
            false => Composition::Calibrated(Calibration::try_from(share).unwrap()),
        })
    });
    let recommendation_id = RecommendationId::parse("r").unwrap();
    let occasion =
        Occasion { recommendation_id, seed: rng.random(), now: at(NOW), display: shop() };
    let words = rng.random_bool(0.2).then(|| match rng.random_bool(0.5) {
        true => Words::Query("what is asked".to_owned()),
        false => Words::Context,
    });
    let exploration = rng.random_bool(0.4).then(|| Explored {
        share: ExplorationShare::try_from(rng.random_range(0.01..=0.5f32)).unwrap(),
        then: None,
    });
    let listed = rng.random_bool(0.2).then(|| some(rng, 0.4)).filter(|listed| !listed.is_empty());
    SlateRequest {
        limit: [1, 2, 5, 10, 100][rng.random_range(0..5)],
        excluded: some(rng, 0.1),
        filters: BTreeMap::from([(shop(), vec![filter(source), filter("true")])]),
        boosts: BTreeMap::from([(shop(), boosts)]),
        promotions: BTreeMap::from([(shop(), promotions)]),
        quotas: BTreeMap::from([(shop(), quotas)]),
        composed,
        applicant,
        words,
        exploration,
        shows_seen: listed.is_some(),
        listed,
        personalised: rng.random_bool(0.8),
        inspect: true,
        ..SlateRequest::of(occasion)
    }
}

fn served(decided: &Decided) -> Vec<ItemId> {
    decided.decision.slate.iter().map(|entry| entry.item_id.clone()).collect()
}

fn check(number: u64) {
    let asked = Asked::of(number);
    let decided = asked.decided(asked.items.clone());
    let shown = served(&decided);
    let by_id: BTreeMap<&ItemId, &Item> = asked.items.iter().map(|i| (&i.item_id, i)).collect();
    // Nothing that may not be shown, nothing dismissed, and nothing twice.
    for id in &shown {
        assert!(asked.may_be_shown(by_id[id]), "{number}: {id}");
        let carries_offer = by_id[id].details.as_ref().is_some_and(|d| d.offer.is_some());
        let at = shown.iter().position(|other| other == id).unwrap();
        assert_eq!(decided.items[at].offer.is_some(), carries_offer, "{number}: {id}");
    }
    assert_eq!(shown.iter().collect::<BTreeSet<_>>().len(), shown.len(), "{number}");
    // Refused + admitted = catalogue, and never fewer are shown than may be.
    let inspected = &decided.inspected.as_ref().unwrap()[0];
    let left_out: usize = inspected.left_out.iter().map(|rule| rule.items).sum();
    assert_eq!(inspected.eligible + left_out, asked.items.len(), "{number}");
    assert_eq!(shown.len(), asked.request.limit.min(inspected.eligible), "{number}");
    let admissible = asked.items.iter().filter(|item| asked.may_be_shown(item)).count();
    assert!(inspected.eligible <= admissible, "{number}");
    for entry in &decided.decision.slate {
        assert!(entry.propensity > 0.0 && entry.propensity <= 1.0, "{number}");
    }
    for item in &decided.items {
        let parts = item.contributions.as_ref().unwrap();
        let named = parts.parts.iter().map(|part| part.amount).sum::<f32>();
        let sum = named + parts.words.unwrap_or(0.0) + parts.rest;
        let score = sum * parts.multiplier.unwrap_or(1.0);
        let size = item.entry.score.abs().max(1.0);
        assert!((score - item.entry.score).abs() <= 1e-4 * size, "{number}: {score} {item:?}");
    }
    check_quotas(number, &asked, &decided);
    check_same(number, &asked, &decided);
}

/// What is beyond a quota is shown only when nothing that fits is left.
fn check_quotas(number: u64, asked: &Asked, decided: &Decided) {
    let by_id: BTreeMap<&ItemId, &Item> = asked.items.iter().map(|i| (&i.item_id, i)).collect();
    let quotas = &asked.request.quotas[&shop()];
    let mut counts: BTreeMap<(usize, &str), usize> = BTreeMap::new();
    let is_beyond = |counts: &BTreeMap<(usize, &str), usize>, item| {
        let full =
            |group: &(usize, _)| counts.get(group).is_some_and(|n| *n >= quotas[group.0].most);
        groups(quotas, item).iter().any(full)
    };
    let (promoted, others): (Vec<_>, Vec<_>) =
        decided.decision.slate.iter().partition(|entry| entry.promoted);
    let mut beyond = 0;
    for entry in promoted.into_iter().chain(others) {
        let item = by_id[&entry.item_id];
        beyond += usize::from(!entry.promoted && is_beyond(&counts, item));
        groups(quotas, item).into_iter().for_each(|group| *counts.entry(group).or_default() += 1);
    }
    let (shown, known) = (served(decided), asked.of_history());
    let left = asked.items.iter().filter(|item| asked.may_be_shown(item));
    let left = left.filter(|item| !shown.contains(&item.item_id) && !known.contains(&item.item_id));
    assert!(
        beyond == 0 || left.filter(|item| !is_beyond(&counts, item)).count() == 0,
        "{number}: {beyond}"
    );
}

/// What an item counts as under quotas, in the words of this test.
fn groups<'a>(quotas: &[Quota], item: &'a Item) -> BTreeSet<(usize, &'a str)> {
    let Some(details) = &item.details else { return BTreeSet::new() };
    let passes = |filter: &Filter| {
        let own = FILTERS.iter().find(|(source, _)| *source == filter.source()).unwrap();
        own.1(details)
    };
    let counting = quotas.iter().enumerate();
    let counting = counting.filter(|(_, quota)| quota.filter.as_ref().is_none_or(passes));
    let groups = counting.flat_map(|(at, quota)| match quota.each_category {
        true => details.categories.iter().map(|category| (at, category.as_str())).collect(),
        false => vec![(at, "")],
    });
    groups.collect()
}

/// The slate is the same from a catalogue in another order, without what may not be shown, and when it is
/// made again from its record.
fn check_same(number: u64, asked: &Asked, decided: &Decided) {
    let mut items = asked.items.clone();
    items.reverse();
    let again = asked.decided(items.clone());
    assert_eq!(again.decision, decided.decision, "{number}");
    // What a slate is calibrated to is told by what the person turned to, shown or not.
    let composed = asked.request.composed.as_ref().map(|composed| composed.by);
    let kept = match composed {
        Some(Composition::Calibrated(_)) => asked.of_history(),
        _ => BTreeSet::new(),
    };
    items.retain(|item| asked.may_be_shown(item) || kept.contains(&item.item_id));
    assert_eq!(asked.decided(items).decision.slate, decided.decision.slate, "{number}");
    if asked.request.applicant.is_some() || asked.request.words.is_some() {
        return;
    }
    // What is not shown may have changed since, and some of it is gone.
    let mut items = asked.items.clone();
    let shown = served(decided);
    let is_another =
        |item: &&mut Item| !shown.contains(&item.item_id) && !kept.contains(&item.item_id);
    for item in items.iter_mut().filter(is_another) {
        if item.item_id.as_str().ends_with(['1', '4', '7']) {
            (item.details, item.change) = (None, ChangeNumber(1));
        }
    }
    for items in [asked.items.clone(), items] {
        check_replayed(number, asked, decided, items);
    }
}

fn check_replayed(number: u64, asked: &Asked, decided: &Decided, items: Vec<Item>) {
    let stored = serde_json::to_string(&decided.decision).unwrap();
    let present = Present {
        now: at(NOW),
        model: asked.model.as_ref(),
        catalogues: &asked.catalogues(items),
        descriptions: None,
        definitions: &definitions(),
        consents: &ConsentLedger::default(),
        history: &asked.history,
        not_reached: &BTreeSet::new(),
        cross_domain: CrossDomain::ByConsent,
    };
    let replayed = replay(&serde_json::from_str(&stored).unwrap(), &present);
    assert!(replayed.is_same(), "{number}: {:?}", replayed.findings);
}

#[test]
fn whatever_is_asked_nothing_leaves_that_may_not_be_shown_and_every_slate_is_made_again() {
    let number = |name: &str, default: u64| {
        std::env::var(name).ok().map_or(default, |text| text.parse::<u64>().unwrap())
    };
    let first = number("CROSSFOLD_FIRST_REQUEST", 0);
    let requests = number("CROSSFOLD_REQUESTS", 2_000);
    (first..first + requests).into_par_iter().for_each(check);
}
