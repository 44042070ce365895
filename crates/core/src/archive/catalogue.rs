//! A catalogue as it was up to one of its changes: what a process begins with that has none of it in
//! memory, instead of reading it entry by entry from the table.
//!
//! Every change up to [`StoredCatalogue::complete_until`] is in it, by the measure of who read it from the
//! table, and some later ones may be. What was
//! deleted by then is not. Times are texts here, exact to what a tie between two items may rest on.

use bytes::Bytes;
use jiff::Timestamp;

use crate::archive::columns::ColumnsError;
use crate::archive::table::{ArchiveReader, ArchiveWriter, columns, one_row_each};
use crate::entities::catalogue::{ChangeNumber, Item, ItemDetails};
use crate::entities::ids::{DomainId, ItemId};

/// A catalogue as it is stored.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredCatalogue {
    /// The table that it was read from: another counts changes of its own.
    pub table: String,
    /// When it was written, by the clock of who wrote it.
    pub written_at: Timestamp,
    /// The change up to which it has all.
    pub complete_until: ChangeNumber,
    /// The entries, in any order; none that was deleted.
    pub items: Vec<Item>,
}

/// An entry in a file of one domain's.
struct StoredItem {
    table: String,
    written_at: Timestamp,
    complete_until: u64,
    item_id: ItemId,
    change: u64,
    updated_at: String,
    details: String,
}

columns! { StoredItem {
    "table" table: String => "The table that the file was made of; the same in every row.";
    "written_at" written_at: Timestamp => "When the file was written; the same in every row.";
    "complete_until" complete_until: u64
        => "The number of the change up to which the file has all; the same in every row.";
    "item_id" item_id: ItemId => "The item, unique within its domain.";
    "change" change: u64 => "The number of the change that made the entry what it is here.";
    "updated_at" updated_at: String => "When that was, RFC 3339.";
    "details" details: String => "What its platform says of it, JSON as in the API.";
} }

one_row_each! { StoredItem }

impl StoredItem {
    fn into_item(self, domain: &DomainId) -> Result<Item, StoredCatalogueError> {
        let unread = |error: String| StoredCatalogueError::Entry(self.item_id.to_string(), error);
        let details: ItemDetails =
            serde_json::from_str(&self.details).map_err(|error| unread(error.to_string()))?;
        let updated_at =
            self.updated_at.parse().map_err(|error: jiff::Error| unread(error.to_string()))?;
        Ok(Item {
            domain: domain.clone(),
            details: Some(details),
            updated_at,
            change: ChangeNumber(self.change),
            item_id: self.item_id,
        })
    }
}

/// Why a stored catalogue is not one.
#[derive(Debug, thiserror::Error)]
pub enum StoredCatalogueError {
    /// The file is not whole.
    #[error(transparent)]
    Columns(#[from] ColumnsError),
    /// A cell is not what it stands for.
    #[error("the entry {0:?} cannot be read: {1}")]
    Entry(String, String),
    /// It has no entry, and so does not say of when it is.
    #[error("there is no entry")]
    Empty,
}

impl StoredCatalogue {
    /// The catalogue as a file.
    ///
    /// # Errors
    /// [`StoredCatalogueError`] when an entry cannot be written, or the Parquet library refuses.
    pub fn encode<'a>(
        (table, written_at, complete_until): (&str, Timestamp, ChangeNumber),
        items: impl Iterator<Item = &'a Item>,
    ) -> Result<Bytes, StoredCatalogueError> {
        let row = |item: &Item, details: &ItemDetails| {
            let details = serde_json::to_string(details).map_err(|error| {
                StoredCatalogueError::Entry(item.item_id.to_string(), error.to_string())
            })?;
            Ok::<_, StoredCatalogueError>(StoredItem {
                table: table.to_owned(),
                written_at,
                complete_until: complete_until.0,
                item_id: item.item_id.clone(),
                change: item.change.0,
                updated_at: item.updated_at.to_string(),
                details,
            })
        };
        let mut writer = ArchiveWriter::new()?;
        for item in items {
            if let Some(details) = &item.details {
                writer.extend([row(item, details)?])?;
            }
        }
        Ok(writer.finish()?)
    }

    /// Reads what [`StoredCatalogue::encode`] wrote of a domain's.
    ///
    /// # Errors
    /// [`StoredCatalogueError`] when it is torn, or a cell breaks its rule.
    pub fn decode(domain: &DomainId, bytes: Bytes) -> Result<Self, StoredCatalogueError> {
        let reader = ArchiveReader::<StoredItem>::open(bytes)?;
        let (mut stored, rows) = (None, reader.rows());
        for group in reader {
            for row in group? {
                let (written_at, complete_until) = (row.written_at, row.complete_until);
                let stored = stored.get_or_insert_with(|| Self {
                    table: row.table.clone(),
                    written_at,
                    complete_until: ChangeNumber(complete_until),
                    items: Vec::with_capacity(rows),
                });
                stored.items.push(row.into_item(domain)?);
            }
        }
        stored.ok_or(StoredCatalogueError::Empty)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crossfold_testing::{catalogue_item, domain, item_key};

    fn item(number: u64, nanosecond: i128, has_details: bool) -> Item {
        let mut item = Item {
            change: ChangeNumber(number),
            updated_at: Timestamp::from_nanosecond(nanosecond).unwrap(),
            ..catalogue_item(item_key("cars", &format!("车 {number}")))
        };
        let details = json!({
            "title": "二手车 \"A\"", "price": "19.90", "status": "out_of_stock", "categories": ["a", "b"],
            "available_from": "2026-01-01T00:00:00.123456789Z", "attributes": { "doors": "4" },
            "offer": { "kind": "loan", "annual_rate": "0.06", "terms_months": [12] },
        });
        item.details = has_details.then(|| serde_json::from_value(details).unwrap());
        item
    }

    proptest! {
        #[test]
        fn a_catalogue_survives_its_file_but_for_what_is_deleted(
            drawn in proptest::collection::vec((any::<u64>(), 0i128..2_000_000_000_000_000_000, any::<bool>()), 1..40),
        ) {
            let items: Vec<Item> =
                drawn.iter().map(|(change, at, has)| item(*change, *at, *has)).collect();
            let written_at = Timestamp::from_millisecond(1_700_000_000_123).unwrap();
            let complete_until = ChangeNumber(u64::MAX);
            let of = ("t", written_at, complete_until);
            let bytes = StoredCatalogue::encode(of, items.iter()).unwrap();
            let read = StoredCatalogue::decode(&domain("cars"), bytes);
            let items: Vec<Item> = items.into_iter().filter(|item| item.details.is_some()).collect();
            match read {
                Err(StoredCatalogueError::Empty) => prop_assert!(items.is_empty()),
                read => prop_assert_eq!(
                    read.unwrap(),
                    StoredCatalogue { table: "t".into(), written_at, complete_until, items }
                ),
            }
        }
    }

    #[test]
    fn what_is_torn_is_told() {
        let at = ("t", Timestamp::UNIX_EPOCH, ChangeNumber(1));
        let items = [item(1, 0, true)];
        let bytes = StoredCatalogue::encode(at, items.iter()).unwrap();
        for end in [0, 10, bytes.len() / 2, bytes.len() - 1] {
            assert!(StoredCatalogue::decode(&domain("cars"), bytes.slice(..end)).is_err(), "{end}");
        }
    }
}
