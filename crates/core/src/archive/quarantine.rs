//! Quarantine: the events a training run refused, as Parquet files on S3 with the
//! reason beside them, for someone to look at. They expire; nothing reads them back
//! but the eraser.

use bytes::Bytes;

use crate::archive::columns::{Cells, ColumnFile, ColumnsError, write};
use crate::archive::events::{event_columns, events_of, required};
use crate::entities::ids::TrainingRunId;
use crate::evidence::cleaning::{Refusal, RefusedEvent};

/// Where refused events are kept.
pub const QUARANTINE_PREFIX: &str = "quarantine/";

/// Where one run keeps what it refused: carried out again, it replaces it.
#[must_use]
pub fn run_prefix(run: &TrainingRunId) -> String {
    format!("{QUARANTINE_PREFIX}run={run}/")
}

/// The key of a run's file, numbered from 0 within its reason.
#[must_use]
pub fn file_key(run: &TrainingRunId, reason: Refusal, number: usize) -> String {
    format!("{}{}-{number:04}.parquet", run_prefix(run), reason.as_str())
}

/// Encodes refused events: the columns of the archive, and `reason`.
///
/// # Errors
/// [`ColumnsError`] when the Parquet library refuses.
pub fn encode_refused(refused: &[RefusedEvent]) -> Result<Bytes, ColumnsError> {
    let mut columns = event_columns(refused.iter().map(|refused| &refused.event));
    columns.push(("reason", Cells::text(refused.iter().map(|refused| refused.reason.as_str()))));
    write(&columns)
}

/// Decodes refused events.
///
/// # Errors
/// [`ColumnsError`] when the file is torn or a cell breaks its rule.
pub fn decode_refused(bytes: Bytes) -> Result<Vec<RefusedEvent>, ColumnsError> {
    let file = ColumnFile::open(bytes)?;
    let reasons = file.text("reason", required(Refusal::parse))?;
    let events = events_of(&file)?;
    if reasons.len() != events.len() {
        let why = "columns differ in length".into();
        return Err(ColumnsError::BadCell { column: "reason".into(), why });
    }
    let refused = events.into_iter().zip(reasons);
    Ok(refused.map(|(event, reason)| RefusedEvent { event, reason }).collect())
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
    fn a_file_is_named_after_its_run_and_reason() {
        let run = TrainingRunId::parse("r1").unwrap();
        let key = file_key(&run, Refusal::ClockSkew, 2);
        assert_eq!(key, "quarantine/run=r1/clock_skew-0002.parquet");
        assert!(decode_refused(Bytes::from_static(b"PAR1")).is_err());
    }
}
