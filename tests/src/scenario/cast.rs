//! The cast: two domains, their items, and people whose taste on one platform
//! tells their taste on the other. The truth is known, so slates can be judged.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

/// The learning platform.
pub const KNOWLEDGE: &str = "knowledge";
/// The seller of loans.
pub const AUTO_FINANCE: &str = "auto-finance";
/// Days after which an event counts half, where a definition does not say otherwise.
const HALF_LIFE_DAYS: f64 = 180.0;
/// The two tastes.
pub const TASTES: [&str; 2] = ["electric", "classic"];
/// Items of each taste on each platform.
pub const ITEMS_PER_TASTE: usize = 12;
/// What may not be recommended: hidden, expired, and out of stock.
pub const UNAVAILABLE: [&str; 3] = ["hidden-loan", "expired-loan", "sold-out-loan"];
/// People whose events the model is made from.
pub const PEOPLE: usize = 60;
/// Of these, people with one user on each platform who agreed to everything.
pub const CONSENTING: usize = 48;
/// Of these, people with one user on each platform who decided nothing.
pub const LINKED: usize = 54;

/// A course or loan of a taste.
#[must_use]
pub fn item(domain: &str, taste: &str, number: usize) -> String {
    let kind = if domain == KNOWLEDGE { "course" } else { "loan" };
    format!("{taste}-{kind}-{number:02}")
}

/// The items of a taste.
#[must_use]
pub fn items(domain: &str, taste: &str) -> Vec<String> {
    (1..=ITEMS_PER_TASTE).map(|number| item(domain, taste, number)).collect()
}

/// A user's id on a platform.
#[must_use]
pub fn user(domain: &str, person: &str) -> String {
    if domain == KNOWLEDGE { format!("learner-{person}") } else { format!("driver-{person}") }
}

/// The definitions. Nothing is said of consent: by default, evidence stays
/// where it arose.
#[must_use]
pub fn definitions() -> BTreeMap<&'static str, Value> {
    BTreeMap::from([
        (
            KNOWLEDGE,
            json!({
                "name": "Knowledge Garden", "currency": "CNY",
                "event_types": {
                    "view": { "weight": 1.0, "steps": ["looked"] },
                    "enrol": { "weight": 3.0, "steps": ["acquired", "started"] },
                },
            }),
        ),
        (
            AUTO_FINANCE,
            json!({
                "name": "Auto Credit", "currency": "CNY",
                "event_types": {
                    "view": { "weight": 1.0 },
                    "apply": { "weight": 5.0, "value_scale": "100000" },
                    "open": { "weight": 1.0, "seen_days": 0 },
                    "dislike": { "weight": 5.0, "negative": true, "seen_days": "forever" },
                },
                "outcomes": { "click": "open" },
            }),
        ),
    ])
}

/// The title of an item.
#[must_use]
pub fn title(item: &str) -> String {
    item.replace('-', " ")
}

/// A domain's catalogue, ready to be posted.
#[must_use]
pub fn catalogue(domain: &str) -> Vec<Value> {
    let of_tastes = TASTES.iter().flat_map(|taste| {
        items(domain, taste).into_iter().map(move |id| {
        json!({ "item_id": id, "title": title(&id), "categories": [taste], "price": "199.00" })
    })
    });
    let mut catalogue: Vec<Value> = of_tastes.collect();
    if domain == AUTO_FINANCE {
        catalogue.extend([
            json!({ "item_id": UNAVAILABLE[0], "title": "Hidden", "status": "hidden" }),
            json!({
                "item_id": UNAVAILABLE[1], "title": "Expired",
                "available_until": "2026-01-01T00:00:00Z",
            }),
            json!({ "item_id": UNAVAILABLE[2], "title": "Sold out", "status": "out_of_stock" }),
        ]);
    }
    catalogue
}

/// A consent, or its refusal, in one direction.
#[must_use]
pub fn consent(from: &str, to: &str, purpose: &str, granted: bool) -> Value {
    json!({ "from": from, "to": to, "purpose": purpose, "granted": granted, "evidence": "form-7" })
}

/// Consent to everything between the two platforms.
#[must_use]
pub fn every_consent() -> Vec<Value> {
    let directions = [(KNOWLEDGE, AUTO_FINANCE), (AUTO_FINANCE, KNOWLEDGE)];
    let purposes = ["recommendation", "training"];
    directions
        .iter()
        .flat_map(|(from, to)| purposes.map(|purpose| consent(from, to, purpose, true)))
        .collect()
}

/// An event of a user, so long ago.
#[must_use]
pub fn event(id: &str, user: &str, kind: &str, item: &str, at: Timestamp) -> Value {
    json!({
        "event_id": id, "user_id": user, "type": kind, "item_id": item,
        "occurred_at": at.to_string(),
    })
}

/// What the people did, by domain, and which items each user touched.
pub struct History {
    /// Events ready to be posted.
    pub events: BTreeMap<&'static str, Vec<Value>>,
    /// The items of each user.
    pub items: BTreeMap<String, BTreeSet<String>>,
}

impl History {
    /// The same history every time, ending at `now`.
    #[must_use]
    pub fn new(now: Timestamp) -> Self {
        let mut history = Self { events: BTreeMap::new(), items: BTreeMap::new() };
        let mut random = ChaCha8Rng::seed_from_u64(20_261_124);
        for person in 0..PEOPLE {
            let domains: &[&str] =
                if person < LINKED { &[KNOWLEDGE, AUTO_FINANCE] } else { &[KNOWLEDGE] };
            for domain in domains {
                history.add_person(domain, person, now, &mut random);
            }
        }
        history
    }

    fn add_person(&mut self, domain: &str, person: usize, now: Timestamp, random: &mut ChaCha8Rng) {
        let (own, other) = (TASTES[person % 2], TASTES[(person + 1) % 2]);
        let mut liked = items(domain, own);
        liked.shuffle(random);
        liked.truncate(6);
        if random.random_bool(0.3) {
            liked.push(item(domain, other, random.random_range(1..=ITEMS_PER_TASTE)));
        }
        // What may not be recommended was liked as much as anything.
        if domain == AUTO_FINANCE && own == TASTES[0] {
            liked.extend(UNAVAILABLE.map(str::to_owned));
        }
        for liked in liked {
            let kind = match (domain, random.random_bool(0.4)) {
                (KNOWLEDGE, true) => "enrol",
                (AUTO_FINANCE, true) => "apply",
                _ => "view",
            };
            let ago = SignedDuration::from_mins(random.random_range(60..60 * 24 * 90));
            self.add(domain, &person.to_string(), kind, &liked, now - ago);
        }
    }

    /// Adds an event of a person.
    pub fn add(&mut self, domain: &str, person: &str, kind: &str, item: &str, at: Timestamp) {
        let domain = if domain == KNOWLEDGE { KNOWLEDGE } else { AUTO_FINANCE };
        let user = user(domain, person);
        let id = format!("{domain}-{person}-{item}-{kind}");
        self.events.entry(domain).or_default().push(event(&id, &user, kind, item, at));
        self.items.entry(user).or_default().insert(item.to_owned());
    }

    /// How many events there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.events.values().map(Vec::len).sum()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The loans that may be recommended, the most popular first: each of their people
    /// counts, and half as much for each half-life that passed until the newest event of
    /// the platform.
    #[must_use]
    pub fn most_popular_loans(&self) -> Vec<String> {
        let time =
            |event: &Value| -> Option<Timestamp> { event["occurred_at"].as_str()?.parse().ok() };
        let events = &self.events[AUTO_FINANCE];
        let newest = events.iter().filter_map(time).max().unwrap_or_default();
        let popularity = |loan: &String| -> f64 {
            let mut of_people: BTreeMap<String, f64> = BTreeMap::new();
            for event in events.iter().filter(|event| event["item_id"] == loan.as_str()) {
                let age = time(event).map_or(0.0, |at| newest.duration_since(at).as_secs_f64());
                let counts = 0.5f64.powf(age / 86_400.0 / HALF_LIFE_DAYS);
                let most = of_people.entry(event["user_id"].to_string()).or_default();
                *most = most.max(counts);
            }
            of_people.values().sum()
        };
        let mut loans: Vec<String> =
            TASTES.iter().flat_map(|taste| items(AUTO_FINANCE, taste)).collect();
        loans.sort();
        loans.sort_by(|a, b| popularity(b).total_cmp(&popularity(a)));
        loans
    }
}
