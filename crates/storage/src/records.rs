//! Typed records over a [`RecordStore`].

use std::str::FromStr;

use crossfold_core::entities::ports::{
    Appended, BoxedError, Committed, RecordStore, StoreError, StoreResult,
};
use crossfold_core::entities::records::Record;

/// Stores a new record; [`Appended::Duplicate`] when its id is taken.
///
/// # Errors
/// When the store fails.
pub async fn create<T: Record>(
    store: &dyn RecordStore,
    id: &T::Id,
    record: &T,
) -> StoreResult<Appended> {
    store.create(T::KIND, id.as_ref(), encode(record)?).await
}

/// Stores a record, replacing an older one.
///
/// # Errors
/// When the store fails.
pub async fn put<T: Record>(store: &dyn RecordStore, id: &T::Id, record: &T) -> StoreResult<()> {
    store.put(T::KIND, id.as_ref(), encode(record)?).await
}

/// A record, as of now.
///
/// # Errors
/// When the store fails, or holds something that cannot be read.
pub async fn get<T: Record>(store: &dyn RecordStore, id: &T::Id) -> StoreResult<Option<T>> {
    let json = store.get(T::KIND, id.as_ref()).await?;
    json.map(|json| decode(id.as_ref(), &json)).transpose()
}

/// What a record was when it was read, for [`replace`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version(String);

/// A record, as of now, with what a change of it must name.
///
/// # Errors
/// When the store fails, or holds something that cannot be read.
pub async fn get_to_change<T: Record>(
    store: &dyn RecordStore,
    id: &T::Id,
) -> StoreResult<Option<(T, Version)>> {
    let Some(json) = store.get(T::KIND, id.as_ref()).await? else { return Ok(None) };
    Ok(Some((decode(id.as_ref(), &json)?, Version(json))))
}

/// Stores a record in the place of what it was when it was read;
/// [`Committed::Conflict`] when it is something else by now, or gone.
///
/// # Errors
/// When the store fails.
pub async fn replace<T: Record>(
    store: &dyn RecordStore,
    id: &T::Id,
    expected: &Version,
    record: &T,
) -> StoreResult<Committed> {
    store.replace(T::KIND, id.as_ref(), &expected.0, encode(record)?).await
}

/// Deletes a record; an absent one is no error.
///
/// # Errors
/// When the store fails.
pub async fn delete<T: Record>(store: &dyn RecordStore, id: &T::Id) -> StoreResult<()> {
    store.delete(T::KIND, id.as_ref()).await
}

/// Deletes a record that is what it was when it was read; [`Committed::Conflict`] when it is
/// something else by now, or gone.
///
/// # Errors
/// When the store fails.
pub async fn remove<T: Record>(
    store: &dyn RecordStore,
    id: &T::Id,
    Version(expected): &Version,
) -> StoreResult<Committed> {
    store.remove(T::KIND, id.as_ref(), expected).await
}

/// Every record of a kind with its id, as of now, in order of ids.
///
/// # Errors
/// When the store fails, or holds something that cannot be read.
pub async fn list<T: Record>(store: &dyn RecordStore) -> StoreResult<Vec<(T::Id, T)>> {
    let read = |(id, json): (String, String)| {
        let record = decode(&id, &json)?;
        let id = T::Id::from_str(&id).map_err(|error| corrupt::<T>(&id, error))?;
        Ok((id, record))
    };
    store.list(T::KIND).await?.into_iter().map(read).collect()
}

/// The `limit` records of a kind with the greatest ids, greatest first; only those below
/// `before` when it is given.
///
/// # Errors
/// When the store fails, or holds something that cannot be read.
pub async fn last<T: Record>(
    store: &dyn RecordStore,
    before: Option<&T::Id>,
    limit: usize,
) -> StoreResult<Vec<T>> {
    let found = store.last(T::KIND, before.map(AsRef::as_ref), limit).await?;
    found.iter().map(|(id, json)| decode(id, json)).collect()
}

pub(crate) fn encode<T: Record>(record: &T) -> StoreResult<String> {
    serde_json::to_string(record)
        .map_err(|error| StoreError::refused(format!("a {} cannot be written", T::KIND), error))
}

fn decode<T: Record>(id: &str, json: &str) -> StoreResult<T> {
    serde_json::from_str(json).map_err(|error| corrupt::<T>(id, error))
}

fn corrupt<T: Record>(id: &str, error: impl Into<BoxedError>) -> StoreError {
    StoreError::corrupt(format!("{} {id}", T::KIND), error)
}
