//! Importing a file of events: one thread reads rows and makes batches, and a few batches
//! are on their way at a time. What is in memory does not depend on the size of the file.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result};
use crossfold_core::entities::counted::of;
use crossfold_core::entities::ids::EventType;
use crossfold_ingest::{MAX_EVENTS, MAX_ITEMS};
use futures::{StreamExt, TryStreamExt, stream};
use indicatif::ProgressBar;
use tokio::sync::mpsc;

use super::event_ids::EventIds;
use super::event_rows::{EventDraft, PostedEvent};
use super::posting::{CONCURRENT_CALLS, ERASED_USER, Poster};
use super::progress_note::{Done, ProgressNote};
use super::ratings::RatingRule;
use super::reading::with_table;
use super::refusals::RefusedRows;
use super::row::{Fault, Row};
use super::survey::{Distinct, Read, RowOptions, RowReader, Survey};
use super::type_names::TypeNames;

/// Batches that are read ahead of those on their way.
const READ_AHEAD: usize = 4;

/// What rows mean.
#[derive(Clone)]
pub(crate) struct Meaning {
    /// How types are named.
    pub(crate) types: TypeNames,
    /// The type of rows that name none.
    pub(crate) default_type: EventType,
    /// What ratings are evidence of, where the rows have ratings and no types.
    pub(crate) ratings: Option<RatingRule>,
}

impl Meaning {
    /// What a row is an event of; `None`: of nothing.
    pub(crate) fn event_type(&self, draft: &EventDraft) -> Result<Option<EventType>, Fault> {
        match (&draft.type_name, &self.ratings, draft.rating) {
            (Some(name), _, _) => self.types.of(name).map(Some).map_err(|why| {
                let kind = if why.starts_with("is ") { format!("{name:?} {why}") } else { why };
                Fault::of_row(kind)
            }),
            (None, Some(rule), Some(rating)) => Ok(rule.event_type(rating).cloned()),
            (None, _, _) => Ok(Some(self.default_type.clone())),
        }
    }
}

/// What became of a file.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct EventsOutcome {
    /// What became of the events.
    pub(crate) done: Done,
    /// Rows whose rating is evidence of nothing.
    pub(crate) passed_over: u64,
    /// Users whose events were refused as they were erased, as far as they were counted.
    pub(crate) erased_people: u64,
    /// Rows that an earlier, killed import had done.
    pub(crate) resumed_at: u64,
    /// Events that the API had refused until then: they stand in the earlier import's file.
    pub(crate) refused_before: u64,
}

/// Some rows on their way.
struct Batch {
    events: Vec<PostedEvent>,
    /// The row of each event.
    rows: Vec<Row>,
    columns: Arc<[String]>,
    /// Items that were not met before.
    new_items: Vec<String>,
    /// How many rows of the file were read when it was complete.
    rows_read: u64,
    /// Whether it was stored before, as the note has it: if so, it is all duplicates.
    is_proof: bool,
}

/// What the note says was stored is not there.
#[derive(Debug, thiserror::Error)]
#[error("the events that an earlier import stored are not there any more")]
struct FalseNote;

/// Imports one file.
pub(crate) struct EventsImport {
    /// What the file is.
    pub(crate) survey: Survey,
    /// How its rows are read.
    pub(crate) options: RowOptions,
    /// What they mean.
    pub(crate) meaning: Meaning,
    /// Where refused rows go.
    pub(crate) refused: Arc<Mutex<RefusedRows>>,
    /// How far it came.
    pub(crate) note: ProgressNote,
    /// Shows how far it came.
    pub(crate) bar: ProgressBar,
}

impl EventsImport {
    /// Carries it out.
    ///
    /// # Errors
    /// When the file cannot be read on, or the API not be reached. What was imported stays,
    /// and the next import goes on there.
    pub(crate) async fn run(self, poster: &Poster) -> Result<EventsOutcome> {
        let gone_on = self.from(self.note.read(), poster).await;
        let outcome = match gone_on {
            Err(error) if error.is::<FalseNote>() => {
                self.note.remove();
                self.refused().begin_again();
                self.from(Done::default(), poster).await?
            }
            ended => ended?,
        };
        self.refused().finish()?;
        self.note.remove();
        Ok(outcome)
    }

    fn refused(&self) -> MutexGuard<'_, RefusedRows> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Imports what comes after the rows that were done.
    async fn from(&self, resumed: Done, poster: &Poster) -> Result<EventsOutcome> {
        let Self { survey, options, meaning, refused, note, bar } = self;
        let (sender, receiver) = mpsc::channel(READ_AHEAD);
        let producer = Producer::new(meaning.clone(), Arc::clone(refused), resumed.rows, sender);
        let (survey, options) = (survey.clone(), options.clone());
        let reading = tokio::task::spawn_blocking(move || producer.run(&survey, &options));
        let outcome = EventsOutcome {
            done: resumed,
            resumed_at: resumed.rows,
            refused_before: resumed.refused,
            ..EventsOutcome::default()
        };
        let (living, mut erased) = (Living::default(), Distinct::default());
        let batches = stream::unfold(receiver, |mut receiver| async move {
            Some((receiver.recv().await?, receiver))
        });
        let posted = batches
            .map(|batch| post(poster, &living, batch))
            .buffered(CONCURRENT_CALLS)
            .try_fold(outcome, |mut outcome, posted| {
                let noted = outcome.add(&posted, refused, &mut erased).map(|()| {
                    bar.set_position(outcome.done.rows);
                    // Without a note, the next import finds duplicates.
                    note.write(outcome.done).ok();
                    outcome
                });
                std::future::ready(noted)
            })
            .await;
        let read = reading.await.context("the thread that reads rows was lost");
        let so_far = || {
            let accepted = note.read().accepted;
            let events = of(accepted, "event");
            format!("accepted so far: {events}; the same import again goes on there")
        };
        let mut outcome = match posted {
            Err(error) if error.is::<FalseNote>() => return Err(error),
            posted => posted.with_context(so_far)?,
        };
        outcome.passed_over = read?.with_context(so_far)?;
        outcome.erased_people = erased.count() as u64;
        Ok(outcome)
    }
}

/// A batch that was posted.
struct PostedBatch {
    batch: Batch,
    answer: Option<crate::answers::EventsAnswer>,
    named_items: u64,
}

/// Users that are known not to have been erased: the others are asked about with their events.
type Living = Mutex<Distinct>;

async fn post(poster: &Poster, living: &Living, batch: Batch) -> Result<PostedBatch> {
    let mut named_items = 0;
    // An item comes before what was done to it.
    for ids in batch.new_items.chunks(MAX_ITEMS) {
        named_items += poster.name_items(ids).await?.upserted;
    }
    if batch.events.is_empty() {
        return Ok(PostedBatch { batch, answer: None, named_items });
    }
    let known = || living.lock().unwrap_or_else(PoisonError::into_inner);
    let users: BTreeSet<&str> = {
        let known = known();
        let users = batch.events.iter().map(|event| event.user_id.as_str());
        users.filter(|user| !known.contains(user)).collect()
    };
    let answer = poster.events(&batch.events, &users).await?;
    let erased: BTreeSet<&str> = answer
        .rejected
        .iter()
        .filter(|rejection| rejection.code == ERASED_USER)
        .map(|rejection| batch.events[rejection.index].user_id.as_str())
        .collect();
    for user in users.difference(&erased) {
        known().insert(user);
    }
    Ok(PostedBatch { batch, answer: Some(answer), named_items })
}

impl EventsOutcome {
    fn add(
        &mut self,
        posted: &PostedBatch,
        refused: &Mutex<RefusedRows>,
        erased: &mut Distinct,
    ) -> Result<()> {
        let batch = &posted.batch;
        if batch.is_proof {
            let accepted = posted.answer.as_ref().map_or(0, |answer| answer.accepted);
            return if accepted == 0 { Ok(()) } else { Err(FalseNote.into()) };
        }
        self.done.named_items += posted.named_items;
        self.done.rows = batch.rows_read;
        let Some(answer) = &posted.answer else { return Ok(()) };
        self.done.accepted += answer.accepted;
        self.done.duplicates += answer.duplicates;
        self.done.sent_again += answer.sent_again;
        let mut refused = refused.lock().unwrap_or_else(PoisonError::into_inner);
        for rejection in &answer.rejected {
            if rejection.code == ERASED_USER {
                // Not written anywhere: erased means erased.
                self.done.of_erased += 1;
                erased.insert(&batch.events[rejection.index].user_id);
                continue;
            }
            self.done.refused += 1;
            let fault = Fault::of_row(format!("{} ({})", rejection.detail, rejection.code));
            refused.refuse(&batch.rows[rejection.index], &batch.columns, &fault)?;
        }
        if !answer.rejected.is_empty() {
            // Before it is noted that these rows need not be looked at again.
            refused.finish()?;
        }
        Ok(())
    }
}

/// Reads rows and makes batches of them.
struct Producer {
    meaning: Meaning,
    refused: Arc<Mutex<RefusedRows>>,
    /// Rows that were done before: they are read, so that repeats are counted as they
    /// were, and not posted, but for the last of them.
    skipped: u64,
    sender: mpsc::Sender<Batch>,
    ids: EventIds,
    items: Distinct,
    batch: Batch,
    passed_over: u64,
}

impl Producer {
    fn new(
        meaning: Meaning,
        refused: Arc<Mutex<RefusedRows>>,
        skipped: u64,
        sender: mpsc::Sender<Batch>,
    ) -> Self {
        Self {
            meaning,
            refused,
            skipped,
            sender,
            ids: EventIds::default(),
            items: Distinct::default(),
            batch: Batch::empty(Arc::new([])),
            passed_over: 0,
        }
    }

    /// Reads the whole file, and says how many rows were evidence of nothing.
    fn run(mut self, survey: &Survey, options: &RowOptions) -> Result<u64> {
        let mut reader = RowReader::new(survey, options);
        with_table(&survey.path, &options.reading, |mut table| {
            while let Some(row) = table.next()? {
                let columns = table.columns();
                reader.keep_up(columns, options)?;
                if columns.len() != self.batch.columns.len() {
                    self.batch.columns = columns.into();
                }
                self.batch.rows_read += 1;
                self.take(&reader, row)?;
                if self.batch.events.len() == MAX_EVENTS && !self.send() {
                    // Nobody receives any more: posting failed, and says why.
                    return Ok(());
                }
            }
            self.send();
            Ok(())
        })?;
        Ok(self.passed_over)
    }

    fn take(&mut self, reader: &RowReader, row: Row) -> Result<()> {
        let columns = Arc::clone(&self.batch.columns);
        let read = reader.read(&row, &columns).and_then(|read| match read {
            Read::Event(draft) => Ok((self.meaning.event_type(&draft)?, draft)),
            Read::Item(_) => Err(Fault::of_row("the row is an item")),
        });
        match read {
            Err(fault) => {
                let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
                refused.refuse(&row, &columns, &fault)?;
            }
            Ok((None, _)) => self.passed_over += 1,
            Ok((Some(event_type), draft)) => self.push(event_type, draft, row),
        }
        Ok(())
    }

    fn push(&mut self, event_type: EventType, draft: EventDraft, row: Row) {
        let event_id = self.ids.next(&draft);
        if self.items.insert(&draft.item_id) {
            self.batch.new_items.push(draft.item_id.clone());
        }
        self.batch.events.push(PostedEvent {
            event_id,
            user_id: draft.user_id,
            event_type,
            item_id: draft.item_id,
            occurred_at: draft.occurred_at,
            value: draft.value.map(|value| value.to_string()),
            dwell_seconds: draft.dwell_seconds,
        });
        self.batch.rows.push(row);
    }

    /// Sends the batch on its way unless its rows were done before; whether there is a
    /// way at all.
    fn send(&mut self) -> bool {
        let mut next = Batch::empty(Arc::clone(&self.batch.columns));
        next.rows_read = self.batch.rows_read;
        let mut batch = std::mem::replace(&mut self.batch, next);
        batch.is_proof = batch.rows_read == self.skipped;
        batch.rows_read < self.skipped || self.sender.blocking_send(batch).is_ok()
    }
}

impl Batch {
    fn empty(columns: Arc<[String]>) -> Self {
        Self {
            events: Vec::new(),
            rows: Vec::new(),
            columns,
            new_items: Vec::new(),
            rows_read: 0,
            is_proof: false,
        }
    }
}
