//! Taking the entries of people forward, in the background.

use std::collections::BTreeMap;

use crossfold_core::entities::people::VersionedEntry;
use crossfold_core::entities::ports::{Committed, PeopleStore, RekeyedPage, StoreResult};
use crossfold_core::entities::pseudonym::Pseudonymiser;

/// How often an entry that was changed meanwhile is tried again.
const MAX_TRIES: usize = 8;

/// Takes entries that stand under an earlier form to the canonical one, on one page of
/// everything there is, each by one transaction. `store` is the one that is not
/// [`super::rekeyed`]. An entry that others keep changing is left to the next time.
///
/// # Errors
/// When the store fails; called again, it goes on.
pub async fn rekey_people(
    store: &dyn PeopleStore,
    keys: &Pseudonymiser,
    after: Option<String>,
) -> StoreResult<RekeyedPage> {
    let page = store.scan(after).await?;
    let mut found = BTreeMap::new();
    for entry in page.entries {
        if let Some(version) = entry.id.key_version().filter(|_| keys.is_earlier(&entry.id)) {
            *found.entry(version).or_default() += 1;
            take_forward(store, keys, entry).await?;
        }
    }
    Ok(RekeyedPage { found, next: page.next })
}

async fn take_forward(
    store: &dyn PeopleStore,
    keys: &Pseudonymiser,
    entry: VersionedEntry,
) -> StoreResult<()> {
    let (mut entry, to) = (entry.clone(), keys.forward(&entry.id));
    for _ in 0..MAX_TRIES {
        if store.rekey(&entry, &to).await? == Committed::Yes {
            return Ok(());
        }
        match store.get(&entry.id).await? {
            Some(changed) => entry = changed,
            None => return Ok(()),
        }
    }
    tracing::warn!("a person's entry stays under an earlier pseudonym for now");
    Ok(())
}
