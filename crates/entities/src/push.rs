//! A push: what a platform is handed to tell one of its users, by a campaign.
//!
//! It is *ordered* when an event triggers a campaign, is *due* after the campaign's delay, and is
//! *settled* when the platform was told or it turned out that the user is not to be told. Orders
//! are records whose ids begin with when they are due, so that the first of them are the next. A
//! record for each user beside them, the [`PushLog`], says which were ordered and which were
//! settled: an event that comes twice orders nothing twice, and all campaigns of a platform
//! together keep to its bound on how often.

use std::fmt;
use std::str::FromStr;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::contact::{FrequencyCap, MAX_CAP_DAYS, MAX_CAP_TIMES};
use crate::event::Event;
use crate::ids::{
    CampaignId, DomainId, EventId, EventType, InvalidId, ItemId, Pseudonym, PushOrderId,
};
use crate::records::{Record, RecordKind};
use crate::sealed_user::SealedUser;

/// How old an event may be to trigger anything: a campaign follows what was done just now, and
/// not the history that is brought in when a platform begins.
pub const MOST_LATE: SignedDuration = SignedDuration::from_hours(24);
/// How long after it was first due a user may still be told of something.
pub const MOST_OVERDUE: SignedDuration = SignedDuration::from_hours(3 * 24);
/// Most pushes of one user that wait to be due.
pub const MAX_WAITING: usize = 20;
/// How long it is known that a push was settled of which the user was not told: longer than its
/// event can trigger it again.
const SETTLED_KNOWN: SignedDuration = SignedDuration::from_hours(2 * 24);
/// Bytes of a push's id.
const ID_BYTES: usize = 16;

/// What tells a push from every other one, whoever's it is. The same event and campaign always
/// give the same one: it is what a receiver tells by that it was handed a push before.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PushId(String);

impl PushId {
    /// The push of a user by a campaign after an event.
    #[must_use]
    pub fn of(campaign: &CampaignId, event: &Event) -> Self {
        let mut digest = Sha256::new();
        // By the form of the user that is the same before and after a key is announced.
        let user = event.user.oldest_form();
        for part in [user.as_str(), campaign.as_str(), event.event_id.as_str()] {
            digest.update((part.len() as u64).to_be_bytes());
            digest.update(part);
        }
        let digest: [u8; 32] = digest.finalize().into();
        Self(data_encoding::BASE64URL_NOPAD.encode(&digest[..ID_BYTES]))
    }

    /// Its text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PushId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The event that triggered a push.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TriggeringEvent {
    /// Its id.
    pub event_id: EventId,
    /// What the user did.
    pub event_type: EventType,
    /// To what.
    pub item_id: ItemId,
    /// When.
    pub occurred_at: Timestamp,
}

impl From<&Event> for TriggeringEvent {
    fn from(event: &Event) -> Self {
        Self {
            event_id: event.event_id.clone(),
            event_type: event.event_type.clone(),
            item_id: event.item_id.clone(),
            occurred_at: event.occurred_at,
        }
    }
}

/// A push that is to come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PushOrder {
    /// What tells it from every other.
    pub push_id: PushId,
    /// Whose it is, in the life in which they triggered it.
    pub user: Pseudonym,
    /// The platform that tells them.
    pub domain: DomainId,
    /// Which life of the domain the campaign is of.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub domain_life: u32,
    /// By which campaign.
    pub campaign: CampaignId,
    /// The user's own id, sealed for this push.
    pub sealed_user: SealedUser,
    /// What they did.
    pub event: TriggeringEvent,
    /// When they may be told at the earliest: what the delay says, or later, once it was put off.
    pub due_at: Timestamp,
    /// When they could first be told, by the delay alone.
    pub first_due_at: Timestamp,
    /// How often handing it over failed.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub failures: u32,
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

impl PushOrder {
    /// The id that it is recorded by.
    #[must_use]
    pub fn id(&self) -> PushOrderId {
        PushOrderId::of_due(self.due_at, &self.push_id)
    }

    /// The same, not due before an instant.
    #[must_use]
    pub fn put_off(self, until: Timestamp) -> Self {
        Self { due_at: self.due_at.max(until), ..self }
    }

    /// Whether it is too late by `now` to tell the user.
    #[must_use]
    pub fn is_too_late(&self, now: Timestamp) -> bool {
        now.duration_since(self.first_due_at) > MOST_OVERDUE
    }
}

impl PushOrderId {
    /// The id of a push that is due at an instant, to the second; in order of them.
    fn of_due(due_at: Timestamp, push: &PushId) -> Self {
        let second = Timestamp::from_second(due_at.as_second()).unwrap_or(due_at);
        Self::of_text(format!("{second}#{push}"))
    }

    /// When it is due, to the second; `None` of what is no such id.
    #[must_use]
    pub fn due_at(&self) -> Option<Timestamp> {
        self.as_str().split_once('#')?.0.parse().ok()
    }

    /// Whether it is of a push, whenever that is due.
    #[must_use]
    pub fn is_of(&self, push: &PushId) -> bool {
        self.as_str().split_once('#').is_some_and(|(_, of)| of == push.as_str())
    }
}

impl Record for PushOrder {
    const KIND: RecordKind = "push";
    type Id = PushOrderId;
}

/// A push that is claimed, or of which it is known what became.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownPush {
    /// Which.
    pub push_id: PushId,
    /// By which campaign.
    pub campaign: CampaignId,
    /// Since when it is claimed, or when it was settled.
    pub at: Timestamp,
    /// Whether the user counts as told of it.
    pub told: bool,
    /// Whether nothing is to be done about it any more.
    pub settled: bool,
}

/// What a user was told of, and is to be: recorded under the pseudonym of their life.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PushLog {
    /// Whose user it is.
    pub domain: DomainId,
    /// What waits to be due, by the ids of the orders.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waiting: Vec<PushOrderId>,
    /// What was claimed or settled, first come first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub known: Vec<KnownPush>,
}

/// The id of a push log: the pseudonym of the user's life that it is recorded under.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PushLogId(Pseudonym);

impl PushLogId {
    /// Those that a user's life may have, while keys rotate: under any of these it may be.
    pub fn each_of(user: &Pseudonym) -> impl Iterator<Item = Self> + '_ {
        user.forms().map(Self)
    }

    /// That of a new one of a user's life.
    #[must_use]
    pub fn of_new(user: &Pseudonym) -> Self {
        Self(user.written_form())
    }

    /// The pseudonym.
    #[must_use]
    pub fn user(&self) -> &Pseudonym {
        &self.0
    }
}

impl AsRef<str> for PushLogId {
    fn as_ref(&self) -> &str {
        self.0.as_str()
    }
}

impl FromStr for PushLogId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        Pseudonym::parse(text).map(Self)
    }
}

impl Record for PushLog {
    const KIND: RecordKind = "push-log";
    type Id = PushLogId;
}

/// Why a push is not ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotOrdered {
    /// It was settled before.
    Settled,
    /// As many wait as may.
    TooMany,
}

/// How often a user may be told: over all campaigns, and by one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caps {
    /// Over all of the domain.
    pub of_all: FrequencyCap,
    /// By the campaign.
    pub of_campaign: Option<FrequencyCap>,
}

/// Whether a user counts as told of a push.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    /// From now on.
    New,
    /// They did before: it may have been handed over already.
    Standing,
    /// No, for they were told of as much as they may be.
    Refused,
    /// Whether they do was settled before: nothing is to be done any more.
    Settled,
}

impl PushLog {
    /// The log of a domain's user of whom there is none.
    #[must_use]
    pub fn new(domain: DomainId) -> Self {
        Self { domain, waiting: Vec::new(), known: Vec::new() }
    }

    /// Notes that an order waits, and says by which id: that of one that waits already, for the
    /// same push may be told of with another time, or was put off.
    ///
    /// # Errors
    /// [`NotOrdered`].
    pub fn order(&mut self, order: &PushOrder, now: Timestamp) -> Result<PushOrderId, NotOrdered> {
        self.forget(now);
        if self.of(&order.push_id).is_some_and(|known| known.settled) {
            return Err(NotOrdered::Settled);
        }
        if let Some(waiting) = self.waiting.iter().find(|id| id.is_of(&order.push_id)) {
            return Ok(waiting.clone());
        }
        if self.waiting.len() >= MAX_WAITING {
            return Err(NotOrdered::TooMany);
        }
        let id = order.id();
        self.waiting.push(id.clone());
        Ok(id)
    }

    /// Notes that an order will wait under another id as well, because it is put off.
    pub fn will_wait(&mut self, id: &PushOrderId) {
        if !self.waiting.contains(id) {
            self.waiting.push(id.clone());
        }
    }

    /// Notes that an order waits under no other id than this.
    pub fn waits_as(&mut self, id: &PushOrderId, push: &PushId) {
        self.waiting.retain(|waiting| waiting == id || !waiting.is_of(push));
    }

    /// Counts a user as told of a push, where that is within the bounds.
    #[must_use]
    pub fn claim(&mut self, order: &PushOrder, caps: Caps, now: Timestamp) -> Claim {
        match self.of(&order.push_id) {
            Some(known) if known.settled => return Claim::Settled,
            Some(_) => return Claim::Standing,
            None => {}
        }
        let told = || self.known.iter().filter(|known| known.told);
        let by_campaign = told().filter(|known| known.campaign == order.campaign);
        let has_room = caps.of_all.has_room(told().map(|known| known.at), now)
            && caps.of_campaign.is_none_or(|cap| cap.has_room(by_campaign.map(|of| of.at), now));
        if !has_room {
            return Claim::Refused;
        }
        self.note(order, (true, false), now);
        Claim::New
    }

    /// Takes a claim back that was made for nothing: what it was made for was not handed over, and
    /// surely so.
    pub fn release(&mut self, push: &PushId) {
        self.known.retain(|known| known.push_id != *push || known.settled);
    }

    /// Notes that nothing is to be done about an order any more, and whether its user was told. Who
    /// was counted as told of it still is: it may have been handed over though nobody heard so.
    pub fn settle(&mut self, order: &PushOrder, told: bool, now: Timestamp) {
        self.waiting.retain(|waiting| !waiting.is_of(&order.push_id));
        match self.known.iter_mut().find(|known| known.push_id == order.push_id) {
            Some(known) => (known.told, known.settled) = (known.told || told, true),
            None => self.note(order, (told, true), now),
        }
        self.forget(now);
    }

    fn of(&self, push: &PushId) -> Option<&KnownPush> {
        self.known.iter().find(|known| known.push_id == *push)
    }

    fn note(&mut self, order: &PushOrder, (told, settled): (bool, bool), at: Timestamp) {
        let (push_id, campaign) = (order.push_id.clone(), order.campaign.clone());
        self.known.push(KnownPush { push_id, campaign, at, told, settled });
    }

    /// Takes in what another log says of the same user.
    pub fn merge(&mut self, other: Self) {
        for id in &other.waiting {
            self.will_wait(id);
        }
        for known in other.known {
            match self.known.iter_mut().find(|own| own.push_id == known.push_id) {
                Some(own) => {
                    (own.told, own.settled) =
                        (own.told || known.told, own.settled || known.settled);
                }
                None => self.known.push(known),
            }
        }
        self.known.sort_by_key(|known| known.at);
    }

    /// Takes out what no bound needs any more: what is older than all of them look back, and of
    /// what the user was told all but as many of the newest as a bound counts at most, over all
    /// and by campaign.
    pub fn forget(&mut self, now: Timestamp) {
        let known_for = |known: &KnownPush| match known.told {
            true => SignedDuration::from_hours(24 * i64::from(MAX_CAP_DAYS)),
            false => SETTLED_KNOWN,
        };
        self.known.retain(|known| now.duration_since(known.at) < known_for(known));
        // An order that was noted, and then never recorded.
        let is_lost = |waiting: &PushOrderId| {
            waiting.due_at().is_none_or(|due| now.duration_since(due) > MOST_OVERDUE + MOST_LATE)
        };
        self.waiting.retain(|waiting| !is_lost(waiting));
        let all = std::mem::take(&mut self.known);
        let most = usize::from(MAX_CAP_TIMES);
        let later = |at: usize, is_alike: &dyn Fn(&KnownPush) -> bool| {
            all[at + 1..].iter().filter(|other| other.told && is_alike(other)).count()
        };
        let is_needed = |at: usize, known: &KnownPush| {
            let is_new = now.duration_since(known.at) < SETTLED_KNOWN;
            let of_all = known.told && later(at, &|_| true) < most;
            let by_campaign =
                || known.told && later(at, &|other| other.campaign == known.campaign) < most;
            is_new || of_all || by_campaign()
        };
        let kept = all.iter().enumerate().filter(|(at, known)| is_needed(*at, known));
        self.known = kept.map(|(_, known)| known.clone()).collect();
    }

    /// Whether it says nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.known.is_empty()
    }
}

/// Why a user was not told of something that an event of theirs triggered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum NotTold {
    /// The campaign is over, paused or gone.
    CampaignOver,
    /// It came too late.
    TooLate,
    /// The user was erased, or leads another life.
    Erased,
    /// The user did not consent to be contacted.
    NoConsent,
    /// The user is not of the campaign's audience.
    NotInAudience,
    /// The user was told of as much as they may be.
    Capped,
    /// There is nothing to show them.
    NothingToShow,
    /// It could not be handed over, however often it was tried.
    Undeliverable,
    /// It was not ordered, for as many pushes of the user waited as may.
    TooManyWaiting,
}

impl NotTold {
    /// The stable code under which it is counted.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::CampaignOver => "campaign_over",
            Self::TooLate => "too_late",
            Self::Erased => "erased",
            Self::NoConsent => "no_consent",
            Self::NotInAudience => "not_in_audience",
            Self::Capped => "capped",
            Self::NothingToShow => "nothing_to_show",
            Self::Undeliverable => "undeliverable",
            Self::TooManyWaiting => "too_many_waiting",
        }
    }
}

/// What a platform is handed, to tell its user: the `detail` of an event on a bus, the `data` of a
/// webhook's message.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Push {
    /// What tells it from every other, however often it is handed over.
    pub push_id: PushId,
    /// By which campaign.
    pub campaign: CampaignId,
    /// The platform that is to tell the user.
    pub domain: DomainId,
    /// The user, as the platform knows them.
    pub user_id: String,
    /// What the user did.
    pub trigger: TriggeringEvent,
    /// What to tell them of: an answer of `POST /v1/recommendations`.
    pub recommendation: serde_json::Value,
}

#[cfg(test)]
mod tests;
