//! Events as numbers: what training holds of an archive.
//!
//! An [`Event`] is about 300 bytes with its identifiers, and tens of millions of them do
//! not fit a function's memory. Here an event is 48 bytes and the bytes of its id; users, items and kinds
//! are kept once and named by number. Events come out one person at a time.

use std::ops::Range;
use std::sync::Arc;

use indexmap::IndexSet;
use jiff::Timestamp;
use rayon::prelude::*;
use rust_decimal::Decimal;

use crate::entities::event::Event;
use crate::entities::event_ids::{EventIds, PackedId};
use crate::entities::ids::{DomainId, EventType, Pseudonym};
use crate::evidence::items::ItemKey;

/// What kind of event: its domain and type.
pub(crate) type Kind = (DomainId, EventType);

/// [`CompactEvent::value`] of an event without one.
const NO_VALUE: u32 = u32::MAX;
/// [`CompactEvent::dwell_seconds`] of an event without one.
const NO_DWELL: i64 = -1;

/// An event whose names are numbers. Times are milliseconds since 1970, as in the archive.
#[derive(Debug, Clone, Copy)]
struct CompactEvent {
    occurred_at: i64,
    received_at: i64,
    dwell_seconds: i64,
    id: PackedId,
    user: u32,
    item: u32,
    kind: u32,
    value: u32,
}

/// What the numbers of a table stand for.
#[derive(Debug, Clone, Default)]
struct Names {
    users: IndexSet<Pseudonym>,
    items: IndexSet<ItemKey>,
    /// Each with the life of its domain.
    kinds: IndexSet<(Kind, u32)>,
    values: Vec<Decimal>,
    ids: EventIds,
}

/// Events in little memory. A clone, or a part of it, shares the names.
#[derive(Debug, Clone, Default)]
pub struct EventTable {
    names: Arc<Names>,
    events: Vec<CompactEvent>,
}

impl EventTable {
    /// Adds an event. Times are kept to the millisecond.
    pub fn push(&mut self, event: Event) {
        let names = Arc::make_mut(&mut self.names);
        let id = names.ids.push(&event.event_id);
        let value = event.value.map_or(NO_VALUE, |value| names.keep_value(value));
        let Event { user, domain, event_type, item_id, .. } = event;
        self.events.push(CompactEvent {
            occurred_at: event.occurred_at.as_millisecond(),
            received_at: event.received_at.as_millisecond(),
            id,
            user: names.users.insert_full(user).0 as u32,
            kind: names.kinds.insert_full(((domain.clone(), event_type), event.domain_life)).0
                as u32,
            item: names.items.insert_full((domain, item_id)).0 as u32,
            value,
            dwell_seconds: event.dwell_seconds.map_or(NO_DWELL, i64::from),
        });
    }

    /// Takes out the events from a place on, as if they had never been added. Their names
    /// are remembered.
    pub fn truncate(&mut self, len: usize) {
        self.events.truncate(len);
    }

    /// How many events there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.events.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// The events, in the table's order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Event> + '_ {
        self.events.iter().map(|event| self.names.event(event))
    }

    /// The event at a place.
    ///
    /// # Panics
    /// When the place is beyond the end.
    #[must_use]
    pub(crate) fn event(&self, place: usize) -> Event {
        self.names.event(&self.events[place])
    }

    /// The events in a part of the table.
    ///
    /// # Panics
    /// When the part reaches beyond the end.
    #[must_use]
    pub(crate) fn part(&self, part: Range<usize>) -> Vec<Event> {
        self.events[part].iter().map(|event| self.names.event(event)).collect()
    }

    /// When each event happened, in the table's order.
    pub(crate) fn times(&self) -> impl ExactSizeIterator<Item = Timestamp> + '_ {
        self.events.iter().map(|event| timestamp(event.occurred_at))
    }

    /// Every item that an event is about, once each.
    pub(crate) fn items(&self) -> impl Iterator<Item = &ItemKey> {
        let mut is_used = vec![false; self.names.items.len()];
        self.events.iter().for_each(|event| is_used[event.item as usize] = true);
        self.names.items.iter().zip(is_used).filter_map(|(item, used)| used.then_some(item))
    }

    /// Each event's kind and item as numbers below the lengths of [`Self::kind_names`] and
    /// [`Self::item_names`].
    pub(crate) fn kind_and_item(&self, event: usize) -> (usize, usize) {
        let event = &self.events[event];
        (event.kind as usize, event.item as usize)
    }

    /// The kinds by number; one of two lives of a domain has two.
    pub(crate) fn kind_names(&self) -> impl Iterator<Item = &Kind> {
        self.names.kinds.iter().map(|(kind, _)| kind)
    }

    /// The items by number.
    pub(crate) fn item_names(&self) -> impl Iterator<Item = &ItemKey> {
        self.names.items.iter()
    }

    /// An event's value, if it has one.
    pub(crate) fn value(&self, event: usize) -> Option<Decimal> {
        self.names.value(&self.events[event])
    }

    /// Replaces an event's value.
    pub(crate) fn set_value(&mut self, event: usize, value: Decimal) {
        self.events[event].value = Arc::make_mut(&mut self.names).keep_value(value);
    }

    /// An event's dwell time in seconds, if it is known.
    pub(crate) fn dwell_seconds(&self, event: usize) -> Option<u32> {
        self.events[event].dwell_seconds()
    }

    /// Replaces the dwell time of an event that has one.
    pub(crate) fn set_dwell_seconds(&mut self, event: usize, seconds: u32) {
        self.events[event].dwell_seconds = i64::from(seconds);
    }

    /// Puts the events in order of user, time and id. What follows in the order makes
    /// that of two events with one identity the same one comes first, whatever order
    /// they were added in.
    pub(crate) fn sort(&mut self) {
        let names = &self.names;
        let (users, kinds) = (ranks(&names.users), ranks(&names.kinds));
        let order = |event: &CompactEvent| {
            (
                (users[event.user as usize], event.occurred_at, names.ids.text(event.id)),
                (event.received_at, kinds[event.kind as usize]),
                (&names.items[event.item as usize], names.value(event), event.dwell_seconds),
            )
        };
        self.events.par_sort_unstable_by(|a, b| order(a).cmp(&order(b)));
    }

    /// The parts of a sorted table that are of one user each.
    pub(crate) fn users(&self) -> impl Iterator<Item = (&Pseudonym, Range<usize>)> {
        let mut start = 0;
        self.events.chunk_by(|a, b| a.user == b.user).map(move |of_user| {
            let part = start..start + of_user.len();
            start = part.end;
            (&self.names.users[of_user[0].user as usize], part)
        })
    }

    /// Parts the table by a mark for each event: those without one stay in it, the
    /// others come out, in the same order, with their marks.
    pub(crate) fn take_marked<M: Copy>(&mut self, marks: &[Option<M>]) -> (Self, Vec<M>) {
        debug_assert_eq!(self.events.len(), marks.len());
        let marked = self.events.iter().zip(marks).filter(|(_, mark)| mark.is_some());
        let taken = Self { names: self.names.clone(), events: marked.map(|(e, _)| *e).collect() };
        let mut mark = marks.iter();
        self.events.retain(|_| mark.next().is_some_and(Option::is_none));
        (taken, marks.iter().flatten().copied().collect())
    }
}

impl CompactEvent {
    fn dwell_seconds(&self) -> Option<u32> {
        u32::try_from(self.dwell_seconds).ok()
    }
}

impl Names {
    fn keep_value(&mut self, value: Decimal) -> u32 {
        self.values.push(value);
        (self.values.len() - 1) as u32
    }

    fn value(&self, event: &CompactEvent) -> Option<Decimal> {
        self.values.get(event.value as usize).copied()
    }

    fn event(&self, event: &CompactEvent) -> Event {
        let ((domain, event_type), domain_life) = self.kinds[event.kind as usize].clone();
        Event {
            event_id: self.ids.get(event.id),
            user: self.users[event.user as usize].clone(),
            domain,
            event_type,
            item_id: self.items[event.item as usize].1.clone(),
            occurred_at: timestamp(event.occurred_at),
            received_at: timestamp(event.received_at),
            domain_life,
            value: self.value(event),
            dwell_seconds: event.dwell_seconds(),
        }
    }
}

impl FromIterator<Event> for EventTable {
    fn from_iter<I: IntoIterator<Item = Event>>(events: I) -> Self {
        let mut table = Self::default();
        table.extend(events);
        table
    }
}

impl Extend<Event> for EventTable {
    fn extend<I: IntoIterator<Item = Event>>(&mut self, events: I) {
        events.into_iter().for_each(|event| self.push(event));
    }
}

impl From<Vec<Event>> for EventTable {
    fn from(events: Vec<Event>) -> Self {
        events.into_iter().collect()
    }
}

impl PartialEq for EventTable {
    /// Whether the events are the same, whatever numbers their names have.
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

/// The place of each name in their order.
fn ranks<T: Ord + Sync>(names: &IndexSet<T>) -> Vec<u32> {
    let mut order: Vec<u32> = (0..names.len() as u32).collect();
    order.par_sort_unstable_by_key(|number| &names[*number as usize]);
    let mut ranks = vec![0; order.len()];
    for (rank, number) in order.into_iter().enumerate() {
        ranks[number as usize] = rank as u32;
    }
    ranks
}

/// Any time that an event can have is one of these milliseconds.
fn timestamp(milliseconds: i64) -> Timestamp {
    Timestamp::from_millisecond(milliseconds).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::entities::ids::ItemId;

    fn events() -> impl Strategy<Value = Vec<Event>> {
        let texts = ("[a-z0-9]{1,9}", "[a-c]", prop_oneof!["view", "enrol"], 0..4u8);
        let money = proptest::option::of((0i64..1_000_000_000, 0u32..8));
        let numbers = (-9_999i64..2_000_000_000_000, money, any::<Option<u32>>());
        let one = (texts, numbers).prop_map(|((id, item, kind, user), (at, money, dwell))| Event {
            event_id: crossfold_testing::event_id(&id),
            user: crossfold_testing::user(&format!("u{user}")),
            event_type: crossfold_testing::event_type(&kind),
            item_id: ItemId::parse(&item).unwrap(),
            occurred_at: Timestamp::from_millisecond(at).unwrap(),
            received_at: Timestamp::from_millisecond(at + 1).unwrap(),
            domain_life: at as u32 % 2,
            value: money.map(|(digits, scale)| Decimal::new(digits, scale)),
            dwell_seconds: dwell,
            ..crossfold_testing::event()
        });
        proptest::collection::vec(one, 0..40)
    }

    proptest! {
        #[test]
        fn events_come_out_as_they_went_in(events in events()) {
            let table = EventTable::from(events.clone());
            prop_assert_eq!(table.len(), events.len());
            prop_assert_eq!(&table.iter().collect::<Vec<_>>(), &events);
            let items: std::collections::BTreeSet<_> = table.items().cloned().collect();
            let by_hand = events.into_iter().map(|event| (event.domain, event.item_id)).collect();
            prop_assert_eq!(items, by_hand);
        }

        #[test]
        fn a_sorted_table_has_each_user_in_one_part_by_time(events in events()) {
            let mut table = EventTable::from(events.clone());
            table.sort();
            let mut by_hand = events;
            by_hand.sort_by_key(|e| (e.user.clone(), e.occurred_at, e.event_id.clone()));
            let order = |e: &Event| (e.user.clone(), e.occurred_at, e.event_id.clone());
            prop_assert!(table.iter().map(|e| order(&e)).eq(by_hand.iter().map(order)));
            let parts: Vec<_> = table.users().map(|(user, part)| (user.clone(), part)).collect();
            let mut users: Vec<_> = by_hand.into_iter().map(|event| event.user).collect();
            users.dedup();
            prop_assert!(parts.iter().map(|(user, _)| user).eq(&users));
            for (user, part) in parts {
                prop_assert!(table.part(part).iter().all(|event| event.user == user));
            }
        }

        #[test]
        fn what_is_marked_comes_out_and_the_rest_stays(events in events(), seed in any::<u64>()) {
            let marks: Vec<Option<u8>> =
                (0..events.len()).map(|at| (seed >> (at % 64) & 1 == 1).then_some(at as u8)).collect();
            let mut table = EventTable::from(events.clone());
            let (taken, kinds) = table.take_marked(&marks);
            let with = |is_marked: bool| {
                let of = events.iter().zip(&marks).filter(move |(_, m)| m.is_some() == is_marked);
                of.map(|(event, _)| event.clone()).collect::<Vec<_>>()
            };
            prop_assert_eq!(taken.iter().collect::<Vec<_>>(), with(true));
            prop_assert_eq!(table.iter().collect::<Vec<_>>(), with(false));
            prop_assert_eq!(kinds, marks.into_iter().flatten().collect::<Vec<_>>());
        }
    }

    #[test]
    fn an_event_is_48_bytes() {
        assert_eq!(size_of::<CompactEvent>(), 48);
    }
}
