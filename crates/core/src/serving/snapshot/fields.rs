//! What filters read of a catalogue, a column for each field: made when a filter first asks for it,
//! and kept as long as the catalogue is as it is.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::entities::catalogue::Item;
use crate::entities::filter::{AttributeType, Column, ColumnRef, Field, Filter, Schema, Table};

/// The columns that were made so far, by field and by the type that the domain declared.
#[derive(Debug, Default)]
pub(super) struct FieldColumns(Mutex<BTreeMap<(Field, AttributeType), Arc<Column>>>);

impl FieldColumns {
    /// The columns that a filter reads.
    pub(super) fn of(&self, items: &[Arc<Item>], filter: &Filter, schema: &Schema) -> FilterTable {
        let column = |field: &Field| {
            let of = schema.type_of(field)?;
            Some((field.clone(), self.column(items, (field, of))))
        };
        self.forget_others(schema);
        FilterTable { rows: items.len(), columns: filter.fields().filter_map(column).collect() }
    }

    /// Forgets columns of what the domain does not declare, or not so: they would be kept for as
    /// long as nothing of the catalogue changes.
    fn forget_others(&self, schema: &Schema) {
        let mut columns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        columns.retain(|(field, of), _| schema.type_of(field) == Some(*of));
    }

    fn column(&self, items: &[Arc<Item>], (field, of): (&Field, AttributeType)) -> Arc<Column> {
        let key = (field.clone(), of);
        // A panic while it is held leaves whole columns.
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        if let Some(known) = known {
            return known;
        }
        let made = Arc::new(column_of(items, field, of));
        let mut columns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        columns.entry(key).or_insert(made).clone()
    }
}

fn column_of(items: &[Arc<Item>], field: &Field, of: AttributeType) -> Column {
    let details = items.iter().map(|item| item.details.as_ref());
    match field {
        Field::ItemId => {
            Column::Text(items.iter().map(|item| Some(item.item_id.as_str())).collect())
        }
        Field::Title => Column::Text(details.map(|details| Some(&details?.title)).collect()),
        Field::Categories => {
            Column::TextSet(details.map(|details| Some(&details?.categories)).collect())
        }
        Field::Price => Column::Number(details.map(|details| details?.price).collect()),
        Field::AvailableFrom => {
            Column::Time(details.map(|details| details?.available_from).collect())
        }
        Field::AvailableUntil => {
            Column::Time(details.map(|details| details?.available_until).collect())
        }
        Field::Attribute(name) => Column::from_texts(
            of,
            details.map(|details| Some(details?.attributes.get(name)?.as_str())),
        ),
    }
}

/// The columns of one filter.
pub struct FilterTable {
    rows: usize,
    columns: BTreeMap<Field, Arc<Column>>,
}

impl Table for FilterTable {
    fn rows(&self) -> usize {
        self.rows
    }

    fn column(&self, field: &Field) -> Option<ColumnRef<'_>> {
        self.columns.get(field).map(|column| column.lend())
    }
}
