//! The archive: events, decisions and outcomes as Parquet files on S3.
//!
//! Files lie under `<kind>/domain=<domain>/date=<date>/`, where the date is the
//! day of *arrival*: a late event makes a file in today's partition and never
//! changes an old one.

use std::collections::BTreeMap;

use bytes::Bytes;
use jiff::Timestamp;
use rust_decimal::Decimal;

use crate::archive::columns::{Cells, ColumnFile, ColumnsError, write};
use crate::entities::decision::{Decision, Outcome};
use crate::entities::event::Event;
use crate::entities::ids::DomainId;

/// Where events are archived.
pub const EVENTS_PREFIX: &str = "events/";
/// Where decisions are archived.
pub const DECISIONS_PREFIX: &str = "decisions/";
/// Where outcomes are archived.
pub const OUTCOMES_PREFIX: &str = "outcomes/";

/// The key of a file: `batch` must be the same whenever the same records are
/// archived again, so that a retry replaces the file instead of adding one.
#[must_use]
pub fn file_key(prefix: &str, domain: &DomainId, arrived_at: Timestamp, batch: &str) -> String {
    let date = arrived_at.strftime("%Y-%m-%d");
    format!("{prefix}domain={domain}/date={date}/{batch}.parquet")
}

/// Groups records by domain.
pub fn by_domain<T>(
    records: impl IntoIterator<Item = T>,
    domain: impl Fn(&T) -> &DomainId,
) -> BTreeMap<DomainId, Vec<T>> {
    let mut groups: BTreeMap<DomainId, Vec<T>> = BTreeMap::new();
    for record in records {
        let key = domain(&record).clone();
        groups.entry(key).or_default().push(record);
    }
    groups
}

/// Encodes events.
///
/// # Errors
/// [`ColumnsError`] when the Parquet library refuses.
pub fn encode_events(events: &[Event]) -> Result<Bytes, ColumnsError> {
    write(&event_columns(events.iter()))
}

pub(crate) fn event_columns<'a>(
    events: impl Iterator<Item = &'a Event> + Clone,
) -> Vec<(&'static str, Cells)> {
    let all = || events.clone();
    vec![
        ("event_id", Cells::text(all().map(|e| &e.event_id))),
        ("user", Cells::text(all().map(|e| &e.user))),
        ("domain", Cells::text(all().map(|e| &e.domain))),
        ("type", Cells::text(all().map(|e| &e.event_type))),
        ("item_id", Cells::text(all().map(|e| &e.item_id))),
        ("occurred_at", Cells::time(all().map(|e| e.occurred_at))),
        ("received_at", Cells::time(all().map(|e| e.received_at))),
        // Text, for it is exact whatever the currency's scale.
        ("value", Cells::optional_text(all().map(|e| e.value))),
        ("dwell_seconds", Cells::Integer(all().map(|e| e.dwell_seconds.map(i64::from)).collect())),
    ]
}

/// Decodes events.
///
/// # Errors
/// [`ColumnsError`] when the file is torn or a cell breaks its rule.
pub fn decode_events(bytes: Bytes) -> Result<Vec<Event>, ColumnsError> {
    events_of(&ColumnFile::open(bytes)?)
}

pub(crate) fn events_of(file: &ColumnFile) -> Result<Vec<Event>, ColumnsError> {
    let mut event_ids =
        file.text("event_id", required(crate::entities::ids::EventId::parse))?.into_iter();
    let mut users =
        file.text("user", required(crate::entities::ids::Pseudonym::parse))?.into_iter();
    let mut domains = file.text("domain", required(DomainId::parse))?.into_iter();
    let mut types =
        file.text("type", required(crate::entities::ids::EventType::parse))?.into_iter();
    let mut items =
        file.text("item_id", required(crate::entities::ids::ItemId::parse))?.into_iter();
    let mut received = file.times("received_at")?.into_iter();
    let mut values = file.text("value", decimal)?.into_iter();
    let mut dwells = file.integers("dwell_seconds")?.into_iter();
    let mut next = |occurred_at: Timestamp| {
        Some(Event {
            event_id: event_ids.next()?,
            user: users.next()?,
            domain: domains.next()?,
            event_type: types.next()?,
            item_id: items.next()?,
            occurred_at,
            received_at: received.next()?,
            value: values.next()?,
            dwell_seconds: dwells.next()?.and_then(|seconds| u32::try_from(seconds).ok()),
        })
    };
    let short = || ColumnsError::BadCell {
        column: "event_id".into(),
        why: "columns differ in length".into(),
    };
    file.times("occurred_at")?.into_iter().map(|at| next(at).ok_or_else(short)).collect()
}

pub(crate) fn required<T, E: ToString>(
    parse: impl Fn(&str) -> Result<T, E>,
) -> impl Fn(Option<&str>) -> Result<T, String> {
    move |cell| parse(cell.ok_or("an empty cell")?).map_err(|error| error.to_string())
}

fn decimal(cell: Option<&str>) -> Result<Option<Decimal>, String> {
    cell.map(|text| Decimal::from_str_exact(text).map_err(|e| e.to_string())).transpose()
}

/// Encodes decisions, one row for each position of a slate.
///
/// # Errors
/// [`ColumnsError`] when the Parquet library refuses.
pub fn encode_decisions(decisions: &[Decision]) -> Result<Bytes, ColumnsError> {
    let rows: Vec<_> = decisions
        .iter()
        .flat_map(|d| d.slate.iter().enumerate().map(move |(at, entry)| (d, at, entry)))
        .collect();
    let all = || rows.iter();
    write(&[
        ("recommendation_id", Cells::text(all().map(|(d, ..)| &d.recommendation_id))),
        ("user", Cells::text(all().map(|(d, ..)| &d.user))),
        ("domain", Cells::text(all().map(|(d, ..)| &d.domain))),
        ("placement", Cells::optional_text(all().map(|(d, ..)| d.placement.as_ref()))),
        ("decided_at", Cells::time(all().map(|(d, ..)| d.decided_at))),
        ("model", Cells::optional_text(all().map(|(d, ..)| d.model.as_ref()))),
        ("policy", Cells::text(all().map(|(d, ..)| &d.policy))),
        ("variant", Cells::optional_text(all().map(|(d, ..)| d.variant.as_ref()))),
        // Text, for a Parquet integer is signed.
        ("seed", Cells::text(all().map(|(d, ..)| d.seed))),
        (
            "personalised",
            Cells::Integer(all().map(|(d, ..)| Some(i64::from(d.personalised))).collect()),
        ),
        ("rank", Cells::Integer(all().map(|(_, at, _)| Some(*at as i64 + 1)).collect())),
        ("item_domain", Cells::text(all().map(|(.., entry)| &entry.domain))),
        ("item_id", Cells::text(all().map(|(.., entry)| &entry.item_id))),
        ("score", Cells::Number(all().map(|(.., entry)| Some(f64::from(entry.score))).collect())),
        ("propensity", Cells::Number(all().map(|(.., entry)| Some(entry.propensity)).collect())),
    ])
}

/// Encodes outcomes.
///
/// # Errors
/// [`ColumnsError`] when the Parquet library refuses.
pub fn encode_outcomes(outcomes: &[Outcome]) -> Result<Bytes, ColumnsError> {
    let all = || outcomes.iter();
    let kind = |outcome: &Outcome| match serde_json::to_value(outcome.kind) {
        Ok(serde_json::Value::String(kind)) => Some(kind),
        _ => None,
    };
    write(&[
        ("recommendation_id", Cells::text(all().map(|o| &o.recommendation_id))),
        ("feedback_id", Cells::text(all().map(|o| &o.feedback_id))),
        ("user", Cells::text(all().map(|o| &o.user))),
        ("kind", Cells::Text(all().map(kind).collect())),
        ("item_domain", Cells::text(all().map(|o| &o.domain))),
        ("item_id", Cells::text(all().map(|o| &o.item_id))),
        ("occurred_at", Cells::time(all().map(|o| o.occurred_at))),
    ])
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::entities::ids::{EventId, EventType, ItemId, Pseudonym};

    pub(crate) fn event() -> impl Strategy<Value = Event> {
        let money = proptest::option::of((0i64..1_000_000_000, 0u32..8));
        ("[a-z0-9]{1,9}", "[a-z]{1,5}", 0i64..2_000_000_000_000, money, any::<Option<u32>>())
            .prop_map(|(id, item, at, money, dwell_seconds)| Event {
                event_id: EventId::parse(&id).unwrap(),
                user: Pseudonym::parse("v1_u").unwrap(),
                domain: DomainId::parse("knowledge").unwrap(),
                event_type: EventType::parse("view").unwrap(),
                item_id: ItemId::parse(&item).unwrap(),
                occurred_at: Timestamp::from_millisecond(at).unwrap(),
                received_at: Timestamp::from_millisecond(at + 1).unwrap(),
                value: money.map(|(digits, scale)| Decimal::new(digits, scale)),
                dwell_seconds,
            })
    }

    proptest! {
        #[test]
        fn events_survive_the_archive(events in proptest::collection::vec(event(), 1..40)) {
            prop_assert_eq!(decode_events(encode_events(&events).unwrap()).unwrap(), events);
        }
    }

    #[test]
    fn the_key_holds_domain_and_day_of_arrival() {
        let key = file_key(
            EVENTS_PREFIX,
            &DomainId::parse("knowledge").unwrap(),
            "2026-11-24T23:59:59Z".parse().unwrap(),
            "0001",
        );
        assert_eq!(key, "events/domain=knowledge/date=2026-11-24/0001.parquet");
    }
}
