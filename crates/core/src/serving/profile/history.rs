//! What a person did in a domain that the caller acts for.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use crate::entities::ids::{EventType, ItemId};
use crate::serving::profile::evidence::DomainEvents;
use crate::serving::request::MAX_HISTORY;

/// The newest events that are told one by one.
pub const MAX_RECENT: usize = 20;

/// What a person did in a domain, as far as it may be used. Amounts are not in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HistorySummary {
    /// How many events there are.
    pub events: usize,
    /// Whether that may be the newest alone: of each user no more than [`MAX_HISTORY`] are read.
    pub may_have_more: bool,
    /// With how many items.
    pub items: usize,
    /// When the first of them happened.
    pub from: Timestamp,
    /// When the last of them happened.
    pub until: Timestamp,
    /// How many there are of each type.
    pub by_type: BTreeMap<EventType, usize>,
    /// The newest, at most [`MAX_RECENT`].
    pub recent: Vec<RecentEvent>,
}

/// One event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RecentEvent {
    /// What was done.
    pub event_type: EventType,
    /// What it was done to.
    pub item_id: ItemId,
    /// The item's title, as far as it may be shown now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// When.
    pub occurred_at: Timestamp,
}

pub(super) fn summary(events: &DomainEvents<'_>, now: Timestamp) -> HistorySummary {
    let title = |item| events.catalogue?.title_to_show(item, now).map(str::to_owned);
    let mut by_type: BTreeMap<&EventType, usize> = BTreeMap::new();
    for done in &events.done {
        *by_type.entry(&done.event.event_type).or_default() += 1;
    }
    let at = |place: usize| {
        events.done.get(place).map_or(Timestamp::UNIX_EPOCH, |done| done.event.occurred_at)
    };
    let recent = events.done.iter().rev().take(MAX_RECENT).map(|done| RecentEvent {
        event_type: done.event.event_type.clone(),
        item_id: done.event.item_id.clone(),
        title: title(&done.event.item_id),
        occurred_at: done.event.occurred_at,
    });
    HistorySummary {
        events: events.done.len(),
        may_have_more: events.read >= MAX_HISTORY,
        items: events.items.len(),
        from: at(0),
        until: at(events.done.len() - 1),
        by_type: by_type.into_iter().map(|(kind, count)| (kind.clone(), count)).collect(),
        recent: recent.collect(),
    }
}
