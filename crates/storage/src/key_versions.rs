//! The versions of the key of pseudonyms as the table `control` knows them, held against the
//! keys that a process was given.

use std::collections::{BTreeMap, BTreeSet};

use crossfold_core::entities::ids::KeyVersionId;
use crossfold_core::entities::key_versions::KeyVersion;
use crossfold_core::entities::ports::{Appended, RecordStore, StoreError};
use crossfold_core::entities::pseudonym::Pseudonymiser;
use jiff::Timestamp;

use crate::pseudonym_key::KeyError;
use crate::records;

/// Holds the keys against what is known of them: before anything is written, for a process
/// that may not write there.
///
/// # Errors
/// [`KeyError::Lost`], [`KeyError::Changed`] or [`KeyError::StillUsed`] with the version, and
/// when the store fails.
pub async fn verify(store: &dyn RecordStore, keys: &Pseudonymiser) -> Result<(), KeyError> {
    verify_known(&known(store).await?, keys)
}

/// The same, and makes new versions known. A version that is current again, after nothing was
/// stored under it, is in use again.
///
/// # Errors
/// As [`verify`].
pub async fn establish(
    store: &dyn RecordStore,
    keys: &Pseudonymiser,
    now: Timestamp,
) -> Result<(), KeyError> {
    let before = known(store).await?;
    verify_known(&before, keys)?;
    for version in keys.versions().filter(|version| !before.contains_key(version)) {
        let Some(fingerprint) = keys.fingerprint(version) else { continue };
        // Where nothing is known nothing is stored, or by none of these keys.
        let is_unused = keys.is_retired(version) && before.is_empty();
        let unused_since = is_unused.then_some(now);
        let made = KeyVersion { fingerprint, left: None, moved_since: unused_since, unused_since };
        let id = KeyVersionId::of(version);
        if records::create(store, &id, &made).await? == Appended::Duplicate {
            // Another process made it known at the same time, by the same key or another.
            verify(store, keys).await?;
        }
    }
    if before.get(&keys.current()).is_some_and(is_moved) {
        note(store, keys.current(), &Noted::default()).await?;
    }
    Ok(())
}

/// What is known of each version.
///
/// # Errors
/// When the store fails, or holds something that cannot be read.
pub async fn known(store: &dyn RecordStore) -> Result<BTreeMap<u32, KeyVersion>, StoreError> {
    let listed = records::list::<KeyVersion>(store).await?;
    Ok(listed.into_iter().filter_map(|(id, known)| Some((id.version()?, known))).collect())
}

/// Whether everything of the tables of events and people that was stored under a version is
/// stored under a later one.
fn is_moved(known: &KeyVersion) -> bool {
    known.moved_since.is_some() || known.unused_since.is_some()
}

/// Whether so is everything of some versions.
///
/// # Errors
/// As [`known`].
pub async fn are_moved(
    store: &dyn RecordStore,
    versions: &BTreeSet<u32>,
) -> Result<bool, StoreError> {
    if versions.is_empty() {
        return Ok(true);
    }
    let known = known(store).await?;
    Ok(versions.iter().all(|version| known.get(version).is_some_and(is_moved)))
}

/// What a pass over the tables found out of a version.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Noted {
    /// How many records it found under it.
    pub left: Option<u64>,
    /// When it found none in the tables of events and people, if so.
    pub moved: Option<Timestamp>,
    /// When it found none at all, if so.
    pub unused: Option<Timestamp>,
}

/// Notes what a pass over the tables left under a version.
///
/// # Errors
/// When the store fails. A version that changes meanwhile is left to the next pass.
pub async fn note(store: &dyn RecordStore, version: u32, noted: &Noted) -> Result<(), StoreError> {
    let id = KeyVersionId::of(version);
    if let Some((known, read)) = records::get_to_change::<KeyVersion>(store, &id).await? {
        // Since when it is moved, and unused, stays as it was noted first.
        let first = |noted: Option<Timestamp>, before: Option<Timestamp>| {
            noted.map(|now| before.unwrap_or(now))
        };
        let noted = KeyVersion {
            left: noted.left,
            moved_since: first(noted.moved, known.moved_since),
            unused_since: first(noted.unused, known.unused_since),
            ..known
        };
        records::replace(store, &id, &read, &noted).await?;
    }
    Ok(())
}

fn verify_known(known: &BTreeMap<u32, KeyVersion>, keys: &Pseudonymiser) -> Result<(), KeyError> {
    for (&version, known) in known {
        let fingerprint = keys.fingerprint(version).ok_or(KeyError::Lost { version })?;
        if fingerprint != known.fingerprint {
            return Err(KeyError::Changed { version });
        }
    }
    let is_used = |version: &u32| known.get(version).is_none_or(|one| one.unused_since.is_none());
    let retired = keys.versions().filter(|version| keys.is_retired(*version));
    match retired.into_iter().find(is_used) {
        Some(version) if !known.is_empty() => Err(KeyError::StillUsed { version }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn keys(tenant: &str, current: u32, keys: &[(u32, u8)], retired: &[u32]) -> Pseudonymiser {
        let keys = keys.iter().map(|(version, key)| (*version, vec![*key; 32].into())).collect();
        let made = Pseudonymiser::new(tenant, current, keys).unwrap();
        made.with_retired(retired.iter().copied().collect()).unwrap()
    }

    #[tokio::test]
    async fn a_key_that_is_missing_or_another_beside_data_is_an_error_that_names_it() {
        let store = memory::stores().records;
        let both = keys("t", 2, &[(1, 1), (2, 2)], &[]);
        establish(&*store, &both, NOW).await.unwrap();
        establish(&*store, &both, NOW).await.unwrap();
        for (wrong, named) in [
            (keys("t", 2, &[(2, 2)], &[]), "no key of version 1"),
            (keys("t", 1, &[(1, 1)], &[]), "no key of version 2"),
            (keys("t", 2, &[(1, 9), (2, 2)], &[]), "key of version 1"),
            (keys("t", 2, &[(1, 1), (2, 9)], &[]), "key of version 2"),
            (keys("u", 2, &[(1, 1), (2, 2)], &[]), "or the tenant"),
        ] {
            for refused in [establish(&*store, &wrong, NOW).await, verify(&*store, &wrong).await] {
                let error = refused.unwrap_err().to_string();
                assert!(error.contains(named), "{error}");
            }
        }
        assert_eq!(
            known(&*store).await.unwrap().len(),
            2,
            "a refused process made a version known"
        );
        verify(&*store, &both).await.unwrap();
    }

    #[tokio::test]
    async fn a_version_is_retired_only_when_nothing_is_stored_under_it() {
        let store = memory::stores().records;
        let (before, after) = ([(1, 1), (2, 2)], keys("t", 2, &[(1, 1), (2, 2)], &[1]));
        establish(&*store, &keys("t", 2, &before, &[]), NOW).await.unwrap();
        let is_refused = async || {
            let refused = verify(&*store, &after).await;
            matches!(refused, Err(KeyError::StillUsed { version: 1 }))
        };
        assert!(is_refused().await, "no pass was made");
        note(&*store, 1, &Noted { left: Some(3), ..Noted::default() }).await.unwrap();
        assert!(is_refused().await, "something is left");
        note(&*store, 1, &Noted { left: Some(1), moved: Some(NOW), unused: None }).await.unwrap();
        assert!(is_refused().await, "a slate is left");
        assert!(are_moved(&*store, &[1].into()).await.unwrap());
        assert!(!are_moved(&*store, &[1, 2].into()).await.unwrap());
        note(&*store, 1, &Noted { left: Some(0), moved: Some(NOW), unused: Some(NOW) })
            .await
            .unwrap();
        establish(&*store, &after, NOW).await.unwrap();
        // Who makes it current again has it in use again.
        establish(&*store, &keys("t", 1, &before, &[]), NOW).await.unwrap();
        assert!(is_refused().await, "it was current again");
        assert!(!are_moved(&*store, &[1].into()).await.unwrap());
    }

    #[tokio::test]
    async fn a_deployment_may_begin_with_keys_of_which_one_is_retired() {
        let store = memory::stores().records;
        let begun = keys("t", 2, &[(1, 1), (2, 2)], &[1]);
        for _ in 0..2 {
            establish(&*store, &begun, NOW).await.unwrap();
        }
    }
}
