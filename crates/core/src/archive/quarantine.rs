//! Quarantine: the events a training run refused, with the reason beside them,
//! for someone to look at. They expire; nothing reads them back but the eraser.

use bytes::Bytes;

use crate::archive::cells::CellValue;
use crate::archive::columns::{ColumnGroup, ColumnsError, FilledColumn};
use crate::archive::table::{Column, Row, decode, encode, one_row_each, read_column};
use crate::entities::event::Event;
use crate::evidence::cleaning::{Refusal, RefusedEvent};

const REASON: Column = Column {
    name: "reason",
    cell_type: Refusal::TYPE,
    may_be_empty: false,
    since: 1,
    meaning: "Why it was refused: duplicate, unknown_domain, unknown_event_type, orphan_item, \
              clock_skew or robot.",
};

/// The columns of an event, and `reason`: each file reads as one of events too.
impl Row for RefusedEvent {
    fn columns() -> Vec<Column> {
        [Event::columns(), vec![REASON]].concat()
    }

    fn fill<'a>(rows: impl Iterator<Item = &'a Self> + Clone) -> Vec<FilledColumn<'a>> {
        let mut columns = Event::fill(rows.clone().map(|refused| &refused.event));
        columns.push(FilledColumn::of(REASON.name, rows.map(|refused| &refused.reason)));
        columns
    }

    fn read(group: &ColumnGroup<'_>) -> Result<Vec<Self>, ColumnsError> {
        let reasons = read_column::<Refusal>(group, REASON.name, None)?;
        let refused = Event::read(group)?.into_iter().zip(reasons);
        Ok(refused.map(|(event, reason)| Self { event, reason }).collect())
    }
}

one_row_each! { RefusedEvent }

/// Encodes refused events.
///
/// # Errors
/// [`ColumnsError`] when the Parquet library refuses.
pub fn encode_refused(refused: &[RefusedEvent]) -> Result<Bytes, ColumnsError> {
    encode(refused)
}

/// Decodes refused events.
///
/// # Errors
/// [`ColumnsError`] when the file is torn or a cell breaks its rule.
pub fn decode_refused(bytes: Bytes) -> Result<Vec<RefusedEvent>, ColumnsError> {
    decode(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::archive::events::{decode_events, tests::event};

    proptest! {
        #[test]
        fn refused_events_survive_quarantine_and_read_as_events_too(
            events in proptest::collection::vec(event(), 1..20), robots in any::<bool>(),
        ) {
            let reason = if robots { Refusal::Robot } else { Refusal::OrphanItem };
            let refused: Vec<RefusedEvent> =
                events.iter().cloned().map(|event| RefusedEvent { event, reason }).collect();
            let bytes = encode_refused(&refused).unwrap();
            prop_assert_eq!(decode_refused(bytes.clone()).unwrap(), refused);
            prop_assert_eq!(decode_events(bytes).unwrap(), events);
        }
    }

    #[test]
    fn what_is_no_file_is_refused() {
        assert!(decode_refused(Bytes::from_static(b"PAR1")).is_err());
    }
}
