//! Importing a file of items. They replace what the catalogue has of them: the file is the
//! platform's own word.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use crossfold_ingest::MAX_ITEMS;
use indicatif::ProgressBar;
use serde_json::Value;
use tokio::sync::mpsc;

use super::posting::Poster;
use super::reading::with_table;
use super::refusals::RefusedRows;
use super::row::{Fault, Row};
use super::survey::{Read, RowOptions, RowReader, Survey};

/// Batches that are read ahead of the one on its way.
const READ_AHEAD: usize = 2;

/// What became of a file.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct ItemsOutcome {
    /// Items that were stored.
    pub(crate) upserted: u64,
    /// Rows about an item that a later row is about as well: that one holds.
    pub(crate) overruled: u64,
}

/// Imports one file.
pub(crate) struct ItemsImport {
    /// What the file is.
    pub(crate) survey: Survey,
    /// How its rows are read.
    pub(crate) options: RowOptions,
    /// Where refused rows go.
    pub(crate) refused: RefusedRows,
    /// Shows how far it came.
    pub(crate) bar: ProgressBar,
}

enum Sent {
    Item(String, Value, Row),
    Fault(Row, Fault),
}

impl ItemsImport {
    /// Carries it out, and gives the refused rows back.
    ///
    /// # Errors
    /// When the file cannot be read on, or the API not be reached. What was imported stays.
    pub(crate) async fn run(self, poster: &Poster) -> Result<(ItemsOutcome, RefusedRows)> {
        let (sender, mut receiver) = mpsc::channel(READ_AHEAD * MAX_ITEMS);
        let columns = self.survey.columns.clone();
        let (survey, options) = (self.survey, self.options);
        let reading = tokio::task::spawn_blocking(move || send_rows(&survey, &options, &sender));
        let mut posting =
            Posting { poster, columns, refused: self.refused, outcome: ItemsOutcome::default() };
        let mut batch: BTreeMap<String, (Value, Row)> = BTreeMap::new();
        while let Some(sent) = receiver.recv().await {
            self.bar.inc(1);
            match sent {
                Sent::Fault(row, fault) => {
                    posting.refused.refuse(&row, &posting.columns, &fault)?;
                }
                Sent::Item(id, item, row) => {
                    let earlier = batch.insert(id, (item, row));
                    posting.outcome.overruled += u64::from(earlier.is_some());
                }
            }
            if batch.len() == MAX_ITEMS {
                posting.post(std::mem::take(&mut batch)).await?;
            }
        }
        // One after another: of two rows about an item, the later one holds.
        posting.post(batch).await?;
        reading.await.context("the thread that reads rows was lost")??;
        posting.refused.finish()?;
        self.bar.finish_and_clear();
        Ok((posting.outcome, posting.refused))
    }
}

/// Posts batches and keeps what became of them.
struct Posting<'a> {
    poster: &'a Poster,
    columns: Vec<String>,
    refused: RefusedRows,
    outcome: ItemsOutcome,
}

impl Posting<'_> {
    async fn post(&mut self, batch: BTreeMap<String, (Value, Row)>) -> Result<()> {
        if batch.is_empty() {
            return Ok(());
        }
        let (items, rows): (Vec<Value>, Vec<Row>) = batch.into_values().unzip();
        let answer = self.poster.items(&items).await?;
        self.outcome.upserted += answer.upserted;
        for rejection in &answer.rejected {
            let fault = Fault::of_row(format!("{} ({})", rejection.detail, rejection.code));
            self.refused.refuse(&rows[rejection.index], &self.columns, &fault)?;
        }
        Ok(())
    }
}

fn send_rows(survey: &Survey, options: &RowOptions, sender: &mpsc::Sender<Sent>) -> Result<()> {
    let mut reader = RowReader::new(survey, options);
    with_table(&survey.path, &options.reading, |mut table| {
        while let Some(row) = table.next()? {
            reader.keep_up(table.columns(), options)?;
            let sent = match reader.read(&row, table.columns()) {
                Ok(Read::Item(item)) => Sent::Item(item.item_id, item.json, row),
                Ok(Read::Event(_)) => Sent::Fault(row, Fault::of_row("the row is an event")),
                Err(fault) => Sent::Fault(row, fault),
            };
            if sender.blocking_send(sent).is_err() {
                // Nobody receives any more: posting failed, and says why.
                return Ok(());
            }
        }
        Ok(())
    })
}
