//! Promises of profiles, over the door of consent.

mod economic;
mod habits;
mod turned_to;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::*;
use crate::entities::catalogue::{Item, ItemDetails};
use crate::entities::consent::{
    ConsentContext, ConsentDecision, ConsentLedger, CrossDomain, RecommendationUse,
};
use crate::entities::definition::Definitions;
use crate::entities::event::Event;
use crate::entities::history::History;
use crate::entities::purpose::Purpose;
use crate::model::Model;
use crate::serving::snapshot::CatalogueSnapshot;
use crossfold_testing::{
    catalogue_item, consent, domain, event_at, event_id, event_type, item, item_key,
};

pub(crate) const KNOWLEDGE: &str = "knowledge";
pub(crate) const AUTO: &str = "auto-finance";
const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;
/// A Thursday, 1970-01-01, is the first day; now is a year later.
const NOW: i64 = 365 * DAY;

/// What happens around a person, to be changed by a test.
#[derive(Debug, Clone)]
pub(crate) struct Around {
    pub(crate) definitions: Definitions,
    pub(crate) items: Vec<Item>,
    pub(crate) events: Vec<Event>,
    pub(crate) consents: Vec<ConsentDecision>,
    pub(crate) declared: Declared,
    pub(crate) visible: BTreeSet<DomainId>,
    pub(crate) cross_domain: CrossDomain,
    pub(crate) locale: Locale,
}

impl Around {
    /// Two domains with twenty items each: `i0` to `i19` cost 10 to 200, the first five are of
    /// the category `few`, the others of `many`, and every other one is a `video`.
    pub(crate) fn new() -> Self {
        let definition: crate::entities::definition::DomainDefinition =
            serde_json::from_value(json!({
                "name": "Knowledge", "currency": "CNY", "half_life_days": 36_500,
                "event_types": {
                    "view": {"weight": 1.0, "steps": ["looked"]},
                    "enrol": {"weight": 3.0, "value_scale": "50", "steps": ["acquired", "started"]},
                    "finish": {"weight": 1.0, "steps": ["completed"]},
                },
            }))
            .unwrap();
        let domains = [KNOWLEDGE, AUTO].map(domain);
        let items = [KNOWLEDGE, AUTO].into_iter().flat_map(|of| (0..20).map(move |n| (of, n)));
        Self {
            definitions: domains.iter().map(|of| (of.clone(), definition.clone())).collect(),
            items: items.map(|(of, number)| item_of(of, number)).collect(),
            events: Vec::new(),
            consents: Vec::new(),
            declared: Declared::new(),
            visible: domains.into(),
            cross_domain: CrossDomain::ByConsent,
            locale: Locale::English,
        }
    }

    /// One more event.
    pub(crate) fn did(&mut self, what: &str, number: usize, at: i64) -> &mut Event {
        self.did_in(KNOWLEDGE, what, number, at)
    }

    pub(crate) fn did_in(&mut self, of: &str, what: &str, number: usize, at: i64) -> &mut Event {
        self.events.push(Event {
            event_id: event_id(&format!("e{}", self.events.len())),
            domain: domain(of),
            event_type: event_type(what),
            item_id: item(&format!("i{number}")),
            ..event_at(at)
        });
        self.events.last_mut().unwrap()
    }

    pub(crate) fn grant(&mut self, from: &str, purpose: Purpose) {
        self.consents.push(consent(&domain(from), &domain(KNOWLEDGE), purpose));
    }

    pub(crate) fn catalogues(&self, model: Option<&Model>) -> Catalogues {
        let mut by_domain: BTreeMap<DomainId, Vec<Item>> = BTreeMap::new();
        for item in &self.items {
            by_domain.entry(item.domain.clone()).or_default().push(item.clone());
        }
        let snapshot = |items| Arc::new(CatalogueSnapshot::new(items, model));
        by_domain.into_iter().map(|(domain, items)| (domain, snapshot(items))).collect()
    }

    /// What knowledge is told.
    pub(crate) fn profile(&self) -> Profile {
        self.profile_by(None)
    }

    pub(crate) fn profile_by(&self, model: Option<&Model>) -> Profile {
        let display = domain(KNOWLEDGE);
        let ledger = ConsentLedger::from(self.consents.clone());
        let history = History::new(self.events.clone(), []);
        let now = Timestamp::from_second(NOW).unwrap();
        let context = ConsentContext { ledger: &ledger, definitions: &self.definitions, now };
        let user = crossfold_testing::user("u");
        let cross_domain = self.cross_domain;
        let request =
            RecommendationUse { user: &user, display: &display, target: &display, cross_domain };
        let history = ConsentedHistory::for_recommendation(&history, context, &request);
        let to = (&display, cross_domain);
        let economic = EconomicEvidence::of(&history, &self.declared, context, to);
        let catalogues = self.catalogues(model);
        profile(&ProfileInputs {
            display: &display,
            visible: &self.visible,
            history: &history,
            economic: economic.as_ref(),
            declared: &self.declared,
            definitions: &self.definitions,
            catalogues: &catalogues,
            model,
            now,
            locale: self.locale,
        })
    }

    /// What is told of knowledge.
    pub(crate) fn of_knowledge(&self) -> Option<DomainProfile> {
        self.profile().domains.into_iter().find(|of| of.domain == domain(KNOWLEDGE))
    }

    pub(crate) fn habits(&self) -> Habits {
        self.of_knowledge().map(|of| of.habits).unwrap_or_default()
    }

    pub(crate) fn spending(&self) -> Spending {
        self.of_knowledge().and_then(|of| of.spending).unwrap_or_default()
    }
}

pub(crate) fn item_of(of: &str, number: usize) -> Item {
    let category = if number < 5 { "few" } else { "many" };
    let format = if number.is_multiple_of(2) { "video" } else { "book" };
    let details = json!({
        "title": format!("title {number}"), "categories": [category],
        "price": ((number + 1) * 10).to_string(), "attributes": {"format": format},
    });
    let details = Some(ItemDetails::parse(details).unwrap());
    Item { details, ..catalogue_item(item_key(of, &format!("i{number}"))) }
}

/// Every text of a profile.
fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::Object(fields) => {
            let own = fields.get("text").and_then(Value::as_str).map(str::to_owned);
            own.into_iter().chain(fields.values().flat_map(texts)).collect()
        }
        Value::Array(values) => values.iter().flat_map(texts).collect(),
        _ => Vec::new(),
    }
}

#[test]
fn of_nobody_and_of_three_events_nothing_is_made_up() {
    let mut around = Around::new();
    around.grant(KNOWLEDGE, Purpose::FinancialProfiling);
    assert_eq!(around.profile(), Profile { domains: vec![], expected: vec![] });
    for (number, at) in [(7, 0), (8, DAY), (9, 40 * DAY)] {
        around.did("view", number, at);
    }
    let of_knowledge = around.of_knowledge().unwrap();
    assert_eq!(of_knowledge.history.unwrap().events, 3);
    assert_eq!(of_knowledge.categories, [], "three of three quarters of the catalogue");
    let habits = Habits { pace: of_knowledge.habits.pace.clone(), ..Habits::default() };
    assert_eq!(of_knowledge.habits, habits);
    let pace = of_knowledge.habits.pace.unwrap().finding.sessions_per_week;
    assert!(pace.value < 0.1 && pace.low < pace.value / 2.0, "{pace:?}");
    assert_eq!(of_knowledge.spending, None);
    assert_eq!(of_knowledge.items.len(), 3);
}

#[test]
fn every_line_of_a_full_profile_has_a_text_in_both_languages_and_finite_numbers() {
    let mut around = Around::new();
    full(&mut around);
    let mut all = Vec::new();
    for locale in [Locale::English, Locale::Chinese] {
        around.locale = locale;
        let told = serde_json::to_value(around.profile()).unwrap();
        let texts = texts(&told);
        assert!(texts.len() >= 12, "{told:#}");
        assert!(texts.iter().all(|text| !text.trim().is_empty()), "{texts:#?}");
        assert!(!told.to_string().contains("null"), "no number that is none: {told}");
        all.push(texts);
    }
    let [english, chinese] = &all[..] else { panic!("{all:?}") };
    assert_eq!(english.len(), chinese.len());
    for (english, chinese) in english.iter().zip(chinese) {
        assert!(english.is_ascii() || english.contains('“'), "{english}");
        assert!(!chinese.is_ascii(), "{chinese}");
    }
}

/// A person of whom everything can be told: evenings, weekends, one category, dear items bought
/// below what was looked at.
pub(crate) fn full(around: &mut Around) {
    around.grant(KNOWLEDGE, Purpose::FinancialProfiling);
    around.declared.insert("income_band".into(), "B".into());
    for item in around.items.iter_mut().filter(|item| item.domain == domain(KNOWLEDGE)) {
        let number: usize = item.item_id.as_str()[1..].parse().unwrap();
        let details = item.details.as_mut().unwrap();
        let list_price = if number.is_multiple_of(2) { "1000" } else { "1" };
        details.attributes.insert("list_price".into(), list_price.into());
    }
    // 1970-01-03 is a Saturday.
    for week in 0..40i64 {
        let evening = (2 + 7 * week) * DAY + 20 * HOUR;
        for look in [11usize, 13, 15, 17, 19] {
            around.did("view", look, evening - HOUR / 6);
        }
        let bought = [0usize, 2, 4, 10, 12, 14, 16, 18, 6, 8][week as usize % 10];
        around.did("enrol", bought, evening);
        around.did("finish", bought, evening + HOUR / 2 - 60);
    }
}

#[test]
fn times_are_told_by_a_declared_clock_alone() {
    let offset = |text: &str| {
        let declared = Declared::from([(UTC_OFFSET.to_owned(), text.to_owned())]);
        declared_offset(&declared).map(Offset::seconds)
    };
    assert_eq!(offset("+08:00"), Some(8 * 3_600));
    assert_eq!(offset("-03:30"), Some(-12_600));
    for wrong in
        ["", "8", "+8:00", "+08:60", "+15:00", "-13:00", "Asia/Shanghai", "+0800", "+٠8:00"]
    {
        assert_eq!(offset(wrong), None, "{wrong}");
    }
    assert_eq!(declared_offset(&Declared::new()), None);
}
