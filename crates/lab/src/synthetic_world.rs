//! A seeded synthetic world: a knowledge platform and an auto-finance service,
//! people of several kinds, and the truth about who likes what.
//!
//! Each kind of person has courses and offers of its own. People of a kind
//! mostly choose among these and sometimes anything else, so a recommender
//! that carries what it saw on one platform over to the other can be checked
//! against the truth.

use jiff::{SignedDuration, Timestamp};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

/// The knowledge platform.
pub const KNOWLEDGE: &str = "knowledge";
/// The auto-finance service.
pub const AUTO_FINANCE: &str = "auto-finance";

/// A kind of person, with what such people like on each platform.
struct Kind {
    name: &'static str,
    courses: [(&'static str, &'static str); 6],
    offers: [(&'static str, &'static str); 4],
}

/// Levels that make several courses of one subject.
const LEVELS: [(&str, &str); 3] =
    [("入门", "for beginners"), ("进阶", "in practice"), ("大师课", "master class")];
/// Terms that make several offers of one kind.
const TERMS: [(&str, &str); 3] =
    [("24期", "24 months"), ("36期", "36 months"), ("60期", "60 months")];

const KINDS: [Kind; 6] = [
    Kind {
        name: "green-mobility",
        courses: [
            ("新能源汽车原理", "How electric cars work"),
            ("家庭光伏", "Solar power at home"),
            ("电池技术", "Battery technology"),
            ("低碳生活", "Low-carbon living"),
            ("智能驾驶", "Assisted driving"),
            ("充电桩安装", "Installing a charger"),
        ],
        offers: [
            ("纯电轿车低息贷款", "Low-rate loan, electric saloon"),
            ("电池租赁方案", "Battery lease"),
            ("插混SUV分期", "Instalments, plug-in SUV"),
            ("新能源车险", "Electric car insurance"),
        ],
    },
    Kind {
        name: "young-family",
        courses: [
            ("科学育儿", "Parenting with science"),
            ("儿童心理", "Child psychology"),
            ("家庭理财", "Household budgeting"),
            ("亲子阅读", "Reading with children"),
            ("营养辅食", "Feeding toddlers"),
            ("小学数学辅导", "Helping with maths homework"),
        ],
        offers: [
            ("七座MPV分期", "Instalments, seven-seat MPV"),
            ("家用SUV贷款", "Loan, family SUV"),
            ("全家驾乘险", "Family passenger insurance"),
            ("二孩家庭换购补贴", "Trade-in bonus for families"),
        ],
    },
    Kind {
        name: "first-job",
        courses: [
            ("职场写作", "Writing at work"),
            ("Excel数据分析", "Data analysis with Excel"),
            ("面试技巧", "Interview skills"),
            ("时间管理", "Time management"),
            ("商务英语", "Business English"),
            ("高效汇报", "Presenting results"),
        ],
        offers: [
            ("小型车零首付", "City car, nothing down"),
            ("首购青年贷款", "First-buyer loan"),
            ("二手车轻松贷", "Easy loan, used car"),
            ("新手驾驶保险", "New-driver insurance"),
        ],
    },
    Kind {
        name: "entrepreneur",
        courses: [
            ("创业融资", "Funding a start-up"),
            ("小微企业税务", "Taxes for small firms"),
            ("电商运营", "Running an online shop"),
            ("供应链管理", "Supply chains"),
            ("团队管理", "Leading a team"),
            ("短视频营销", "Marketing with short video"),
        ],
        offers: [
            ("轻型货车经营租赁", "Operating lease, light truck"),
            ("面包车分期", "Instalments, delivery van"),
            ("企业用车融资", "Company fleet finance"),
            ("货运责任险", "Cargo liability insurance"),
        ],
    },
    Kind {
        name: "investor",
        courses: [
            ("资产配置", "Asset allocation"),
            ("基金定投", "Investing in funds"),
            ("家族信托", "Family trusts"),
            ("财报分析", "Reading annual reports"),
            ("艺术品鉴赏", "Appreciating art"),
            ("葡萄酒品鉴", "Tasting wine"),
        ],
        offers: [
            ("豪华轿车融资租赁", "Finance lease, luxury saloon"),
            ("高端SUV尾款贷", "Balloon loan, premium SUV"),
            ("跑车专属贷款", "Sports car loan"),
            ("全险无忧计划", "All-risks cover"),
        ],
    },
    Kind {
        name: "road-traveller",
        courses: [
            ("自驾游攻略", "Planning road trips"),
            ("户外摄影", "Outdoor photography"),
            ("汽车保养", "Looking after a car"),
            ("露营技巧", "Camping skills"),
            ("越野驾驶", "Driving off-road"),
            ("旅行写作", "Travel writing"),
        ],
        offers: [
            ("越野车分期", "Instalments, off-roader"),
            ("房车租赁", "Motorhome lease"),
            ("旅行车贷款", "Loan, estate car"),
            ("道路救援保险", "Roadside assistance"),
        ],
    },
];

/// How a person uses the platforms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// Both, linked, with consent in both directions.
    BothWithConsent,
    /// Both, linked, without any consent across.
    BothWithoutConsent,
    /// The knowledge platform alone, with consent to be advised across.
    KnowledgeOnly,
    /// The auto-finance service alone, with consent to be advised across.
    AutoFinanceOnly,
}

/// A synthetic person. Their user id is the same on both platforms.
#[derive(Debug, Clone)]
pub struct SyntheticPerson {
    /// Their user id.
    pub user_id: String,
    /// How they use the platforms.
    pub presence: Presence,
    kind: usize,
}

impl SyntheticPerson {
    /// The truth about the person: their kind.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        KINDS[self.kind].name
    }
}

/// The world: everything to post, and the truth.
pub struct SyntheticWorld {
    /// Everyone.
    pub people: Vec<SyntheticPerson>,
    rng: ChaCha8Rng,
    now: Timestamp,
}

/// Share of choices that have nothing to do with the person's kind.
const NOISE: f64 = 0.15;
/// Days over which people were active.
const DAYS: i64 = 120;

impl SyntheticWorld {
    /// A world of so many people whose last events lie an hour or more before `now`. The same
    /// for the same seed and instant.
    #[must_use]
    pub fn new(people: usize, seed: u64, now: Timestamp) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let people = (0..people)
            .map(|number| SyntheticPerson {
                user_id: format!("p{number:04}"),
                presence: match rng.random_range(0..100) {
                    0..50 => Presence::BothWithConsent,
                    50..65 => Presence::BothWithoutConsent,
                    65..85 => Presence::KnowledgeOnly,
                    _ => Presence::AutoFinanceOnly,
                },
                kind: rng.random_range(0..KINDS.len()),
            })
            .collect();
        Self { people, rng, now }
    }

    /// The kind of person an item is made for, by its id.
    #[must_use]
    pub fn kind_of_item(item_id: &str) -> Option<&'static str> {
        let (kind, _) = item_id.rsplit_once('-').and_then(|(rest, _)| rest.rsplit_once('-'))?;
        KINDS.iter().map(|known| known.name).find(|name| *name == kind)
    }

    /// How many kinds of people there are.
    #[must_use]
    pub fn kinds() -> usize {
        KINDS.len()
    }

    /// The definitions of the two domains.
    #[must_use]
    pub fn domains() -> [(&'static str, Value); 2] {
        let types = |meanings: &[(&str, f64, &[&str])]| -> Value {
            let meaning = |(name, weight, steps): &(&str, f64, &[&str])| {
                (name.to_string(), json!({"weight": weight, "steps": steps}))
            };
            meanings.iter().map(meaning).collect()
        };
        let looked: (&str, f64, &[&str]) = ("view", 1.0, &["looked"]);
        [
            (
                KNOWLEDGE,
                json!({
                    "name": "知行课堂 Knowledge", "currency": "CNY",
                    "event_types": types(&[
                        looked,
                        ("enrol", 3.0, &["acquired", "started"]),
                        ("complete", 5.0, &["completed"]),
                    ]),
                    "half_life_days": 180.0,
                }),
            ),
            (
                AUTO_FINANCE,
                json!({
                    "name": "车易融 Auto Finance", "currency": "CNY",
                    "event_types": types(&[looked, ("quote", 3.0, &["started"]), ("apply", 5.0, &["acquired"])]),
                    "half_life_days": 180.0,
                }),
            ),
        ]
    }

    /// A platform's items, as they are posted.
    #[must_use]
    pub fn items(domain: &str) -> Vec<Value> {
        let mut items = Vec::new();
        for kind in &KINDS {
            let (subjects, variants): (&[(&str, &str)], _) = match domain {
                KNOWLEDGE => (&kind.courses, LEVELS),
                _ => (&kind.offers, TERMS),
            };
            for (subject, (chinese, english)) in subjects.iter().enumerate() {
                for (variant, (level, level_english)) in variants.iter().enumerate() {
                    items.push(json!({
                        "item_id": format!("{}-{subject}-{variant}", kind.name),
                        "title": format!("{chinese}·{level} ({english}, {level_english})"),
                        "categories": [kind.name],
                        "price": format!("{}.00", 99 * (variant + 1)),
                    }));
                }
            }
        }
        items
    }

    /// Every event on a platform, as it is posted, oldest first. Draws on: asked again, other
    /// events.
    pub fn events(&mut self, domain: &str) -> Vec<Value> {
        let subjects = if domain == KNOWLEDGE { 6 } else { 4 };
        let types: [&str; 3] = if domain == KNOWLEDGE {
            ["view", "enrol", "complete"]
        } else {
            ["view", "quote", "apply"]
        };
        let mut events: Vec<(Timestamp, Value)> = Vec::new();
        for person in &self.people {
            let is_here = match person.presence {
                Presence::KnowledgeOnly => domain == KNOWLEDGE,
                Presence::AutoFinanceOnly => domain == AUTO_FINANCE,
                _ => true,
            };
            if !is_here {
                continue;
            }
            for number in 0..self.rng.random_range(4..16) {
                let kind = if self.rng.random_bool(NOISE) {
                    self.rng.random_range(0..KINDS.len())
                } else {
                    person.kind
                };
                // The first subjects and levels are the most popular.
                let subject =
                    self.rng.random_range(0..subjects).min(self.rng.random_range(0..subjects));
                let variant = self.rng.random_range(0..3).min(self.rng.random_range(0..3));
                let depth = self.rng.random_range(0..3).min(self.rng.random_range(0..3));
                let ago = SignedDuration::from_mins(self.rng.random_range(60..DAYS * 24 * 60));
                let occurred_at = self.now.saturating_sub(ago).unwrap_or(self.now);
                events.push((
                    occurred_at,
                    json!({
                        "event_id": format!("{}-{number}", person.user_id),
                        "user_id": person.user_id,
                        "item_id": format!("{}-{subject}-{variant}", KINDS[kind].name),
                        "type": types[depth],
                        "occurred_at": occurred_at.to_string(),
                    }),
                ));
            }
        }
        events.sort_by_key(|(occurred_at, _)| *occurred_at);
        events.into_iter().map(|(_, event)| event).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_makes_the_same_world() {
        let make = || {
            let mut world = SyntheticWorld::new(30, 1, Timestamp::UNIX_EPOCH);
            world.events(KNOWLEDGE)
        };
        assert_eq!(make(), make());
    }

    #[test]
    fn every_item_has_its_kind() {
        for domain in [KNOWLEDGE, AUTO_FINANCE] {
            for item in SyntheticWorld::items(domain) {
                let id = item["item_id"].as_str().unwrap();
                assert_eq!(SyntheticWorld::kind_of_item(id), item["categories"][0].as_str());
            }
        }
    }
}
