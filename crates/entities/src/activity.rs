//! Activity: what came in and went out for a domain on one day, in numbers.
//!
//! They are for a person to look at; nothing is decided by them. A process adds up
//! what it did and writes the sum from time to time, so a few of the newest may be
//! missing, and a write whose answer was lost may be counted twice.

use std::collections::{BTreeMap, VecDeque};

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use crate::ids::DomainId;

/// Refused elements of each kind that are remembered, the newest: enough to see what is
/// wrong with a batch.
pub const MAX_LAST_REFUSED: usize = 10;
/// Most bytes of the detail of a refused element that are remembered.
const MAX_DETAIL_BYTES: usize = 200;

/// One element that was refused: why, not what it said or of whom.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusedElement {
    /// When.
    pub at: Timestamp,
    /// Which element of its batch, from 0.
    pub index: usize,
    /// The stable code of the reason.
    pub code: String,
    /// The reason in words, without anything that the caller sent.
    pub detail: String,
}

impl RefusedElement {
    /// What is remembered of a refusal. The detail is shortened, and the values that it
    /// quotes are taken out: they may be a user's id.
    #[must_use]
    pub fn new(at: Timestamp, index: usize, code: &str, detail: &str) -> Self {
        let mut detail = without_values(detail);
        if detail.len() > MAX_DETAIL_BYTES {
            detail.truncate(detail.floor_char_boundary(MAX_DETAIL_BYTES));
            detail.push('…');
        }
        Self { at, index, code: code.to_owned(), detail }
    }
}

/// How the JSON reader begins to tell that a field is missing: it names one of ours.
const MISSING_FIELD: &str = "missing field `";

/// A detail without anything that it quotes, but the name of a field that is missing. A kind of
/// event or a field that nobody knows is named by the caller, and may be anything.
fn without_values(detail: &str) -> String {
    if let Some(rest) = detail.strip_prefix(MISSING_FIELD)
        && let Some((field, _)) = rest.split_once('`')
    {
        return format!("{MISSING_FIELD}{field}`");
    }
    let quotes = ['"', '`'];
    match (detail.find(quotes), detail.rfind(quotes)) {
        // From the first quote to the last: a value may hold quotes itself.
        (Some(first), Some(last)) if first < last => {
            format!("{}…{}", &detail[..first], &detail[last + 1..])
        }
        (Some(only), _) => format!("{}…", &detail[..only]),
        _ => detail.to_owned(),
    }
}

/// What became of elements that were posted in batches.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intake {
    /// Stored for the first time.
    pub accepted: u64,
    /// Stored before.
    pub duplicates: u64,
    /// Refused, by stable code.
    pub refused: BTreeMap<String, u64>,
    /// The last refused ones, oldest first; at most [`MAX_LAST_REFUSED`].
    pub last_refused: VecDeque<RefusedElement>,
}

impl Intake {
    /// Counts one refused element, and remembers it.
    pub fn refuse(&mut self, element: RefusedElement) {
        *self.refused.entry(element.code.clone()).or_default() += 1;
        self.remember(element);
    }

    /// Remembers an element that was counted before.
    pub fn remember(&mut self, element: RefusedElement) {
        if self.last_refused.len() == MAX_LAST_REFUSED {
            self.last_refused.pop_front();
        }
        self.last_refused.push_back(element);
    }

    fn add(&mut self, other: Self) {
        self.accepted += other.accepted;
        self.duplicates += other.duplicates;
        add_all(&mut self.refused, other.refused);
        other.last_refused.into_iter().for_each(|element| self.remember(element));
    }
}

/// What was served.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slates {
    /// Slates that were served.
    pub served: u64,
    /// Of these, those that the person's own evidence shaped.
    pub personalised: u64,
    /// Of these, those without any item.
    pub empty: u64,
    /// Of these, those that something was missing for, by its code; one may have several.
    pub degraded: BTreeMap<String, u64>,
}

impl Slates {
    fn add(&mut self, other: Self) {
        self.served += other.served;
        self.personalised += other.personalised;
        self.empty += other.empty;
        add_all(&mut self.degraded, other.degraded);
    }
}

/// What users were told of by campaigns.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pushes {
    /// Pushes that were handed over.
    pub told: u64,
    /// Those that came to nothing, by the code of the reason: see [`crate::push::NotTold`].
    pub not_told: BTreeMap<String, u64>,
}

impl Pushes {
    fn add(&mut self, other: Self) {
        self.told += other.told;
        add_all(&mut self.not_told, other.not_told);
    }
}

fn add_all(counts: &mut BTreeMap<String, u64>, others: BTreeMap<String, u64>) {
    others.into_iter().for_each(|(code, count)| *counts.entry(code).or_default() += count);
}

/// What came in and went out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Activity {
    /// Events.
    pub events: Intake,
    /// Catalogue entries.
    pub items: Intake,
    /// Outcomes of slates.
    pub feedback: Intake,
    /// Slates.
    pub slates: Slates,
    /// Pushes.
    #[serde(default)]
    pub pushes: Pushes,
}

/// The kinds of elements that are posted, by the names they are stored under.
pub const INTAKES: [&str; 3] = ["events", "items", "feedback"];

impl Activity {
    /// Adds what happened elsewhere, later.
    pub fn add(&mut self, other: Self) {
        self.events.add(other.events);
        self.items.add(other.items);
        self.feedback.add(other.feedback);
        self.slates.add(other.slates);
        self.pushes.add(other.pushes);
    }

    /// What became of the elements of a kind, one of [`INTAKES`].
    #[must_use]
    pub fn intake(&self, kind: &str) -> Option<&Intake> {
        match kind {
            "events" => Some(&self.events),
            "items" => Some(&self.items),
            "feedback" => Some(&self.feedback),
            _ => None,
        }
    }

    /// The same, to be changed.
    pub fn intake_mut(&mut self, kind: &str) -> Option<&mut Intake> {
        match kind {
            "events" => Some(&mut self.events),
            "items" => Some(&mut self.items),
            "feedback" => Some(&mut self.feedback),
            _ => None,
        }
    }

    /// Every count above 0 under a name of its own, such as `events.refused.invalid_id`:
    /// what a store adds up.
    #[must_use]
    pub fn counts(&self) -> BTreeMap<String, u64> {
        let mut counts = BTreeMap::new();
        for kind in INTAKES {
            let Some(intake) = self.intake(kind) else { continue };
            counts.insert(format!("{kind}.accepted"), intake.accepted);
            counts.insert(format!("{kind}.duplicates"), intake.duplicates);
            let refused = intake.refused.iter();
            counts.extend(refused.map(|(code, n)| (format!("{kind}.refused.{code}"), *n)));
        }
        let slates = &self.slates;
        counts.insert("slates.served".into(), slates.served);
        counts.insert("slates.personalised".into(), slates.personalised);
        counts.insert("slates.empty".into(), slates.empty);
        let degraded = slates.degraded.iter();
        counts.extend(degraded.map(|(code, n)| (format!("slates.degraded.{code}"), *n)));
        counts.insert("pushes.told".into(), self.pushes.told);
        let not_told = self.pushes.not_told.iter();
        counts.extend(not_told.map(|(code, n)| (format!("pushes.not_told.{code}"), *n)));
        counts.retain(|_, count| *count > 0);
        counts
    }

    /// Reads back one of [`Activity::counts`]; a name of another version is left aside.
    pub fn set_count(&mut self, name: &str, count: u64) {
        let mut parts = name.splitn(3, '.');
        let (kind, what, code) = (parts.next(), parts.next(), parts.next());
        let (slates, pushes) = (&mut self.slates, &mut self.pushes);
        match (kind, what, code) {
            (Some("slates"), Some("served"), None) => slates.served = count,
            (Some("slates"), Some("personalised"), None) => slates.personalised = count,
            (Some("slates"), Some("empty"), None) => slates.empty = count,
            (Some("slates"), Some("degraded"), Some(code)) => {
                slates.degraded.insert(code.to_owned(), count);
            }
            (Some("pushes"), Some("told"), None) => pushes.told = count,
            (Some("pushes"), Some("not_told"), Some(code)) => {
                pushes.not_told.insert(code.to_owned(), count);
            }
            (Some(kind), Some(what), code) => {
                let Some(intake) = self.intake_mut(kind) else { return };
                match (what, code) {
                    ("accepted", None) => intake.accepted = count,
                    ("duplicates", None) => intake.duplicates = count,
                    ("refused", Some(code)) => {
                        intake.refused.insert(code.to_owned(), count);
                    }
                    _ => {}
                }
            }
            _ => {}
        }
    }
}

/// One domain's activity on one day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DomainDay {
    /// The day, in UTC.
    pub day: Date,
    /// The domain: of what was posted, or of the platform that showed a slate.
    pub domain: DomainId,
    /// What happened.
    pub activity: Activity,
}

/// The day that an instant belongs to, in UTC.
#[must_use]
pub fn day_of(instant: Timestamp) -> Date {
    TimeZone::UTC.to_datetime(instant).date()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(second: i64, code: &str) -> RefusedElement {
        RefusedElement::new(Timestamp::from_second(second).unwrap(), 3, code, "why")
    }

    fn some() -> Activity {
        let mut activity = Activity::default();
        activity.events.accepted = 7;
        activity.items.duplicates = 1;
        activity.feedback.refuse(refused(1, "item_not_served"));
        activity.events.refuse(refused(2, "invalid_id"));
        activity.slates = Slates {
            served: 3,
            personalised: 2,
            empty: 1,
            degraded: [("no_model".to_owned(), 2)].into(),
        };
        activity.pushes = Pushes { told: 4, not_told: [("capped".to_owned(), 5)].into() };
        activity
    }

    #[test]
    fn counts_read_back_are_those_that_were_told() {
        let told = some();
        let mut read = Activity::default();
        told.counts().iter().for_each(|(name, count)| read.set_count(name, *count));
        for kind in INTAKES {
            let last = told.intake(kind).unwrap().last_refused.clone();
            read.intake_mut(kind).unwrap().last_refused = last;
        }
        assert_eq!(read, told);
        read.set_count("events.of_another_version", 1);
        read.set_count("nothing", 1);
        assert_eq!(read, told);
    }

    #[test]
    fn what_is_added_counts_and_only_the_newest_refusals_are_remembered() {
        let mut sum = some();
        for second in 0..20 {
            let mut more = Activity::default();
            more.events.refuse(refused(100 + second, "invalid_value"));
            sum.add(more);
        }
        assert_eq!(sum.events.refused["invalid_value"], 20);
        assert_eq!(sum.events.refused["invalid_id"], 1);
        assert_eq!(sum.events.last_refused.len(), MAX_LAST_REFUSED);
        assert_eq!(sum.events.last_refused.back().unwrap().at.as_second(), 119);
    }

    #[test]
    fn a_detail_keeps_no_value_that_the_caller_sent() {
        for (code, detail, kept) in [
            (
                "malformed_event",
                "invalid type: integer `138`, expected a string",
                "invalid type: integer …, expected a string",
            ),
            (
                "malformed_event",
                r#"invalid type: string "mei", says "x", expected u32"#,
                "invalid type: string …, expected u32",
            ),
            ("malformed_event", "missing field `item_id`", "missing field `item_id`"),
            (
                "malformed_event",
                "missing field `item_id` at `mei@x.org`",
                "missing field `item_id`",
            ),
            (
                "malformed_event",
                "unknown field `mei@x.org`, expected `a` or `b`",
                "unknown field …",
            ),
            ("malformed_event", "duplicate field `mei@x.org`", "duplicate field …"),
            ("unknown_event_type", r#"no event type "mei@x.org""#, "no event type …"),
            (
                "unmapped_event",
                r#"nothing known for "mei@x.org": name"#,
                "nothing known for …: name",
            ),
            ("consent_refused", r#"the category "mei@x.org" was not"#, "the category … was not"),
            ("malformed_event", "expected `mei@x.org", "expected …"),
        ] {
            let element = RefusedElement::new(Timestamp::UNIX_EPOCH, 0, code, detail);
            assert_eq!(element.detail, kept);
        }
        let long = RefusedElement::new(Timestamp::UNIX_EPOCH, 0, "x", &"课".repeat(900));
        assert!(long.detail.len() <= MAX_DETAIL_BYTES + '…'.len_utf8());
    }
}
