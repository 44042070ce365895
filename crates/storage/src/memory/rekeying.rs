//! Taking what lies under earlier forms of pseudonyms forward, in memory.

use std::collections::BTreeMap;

use crossfold_core::entities::event::Event;
use crossfold_core::entities::ids::Pseudonym;
use crossfold_core::entities::people::{PeopleEntry, VersionedEntry};
use crossfold_core::entities::ports::{Committed, RekeyedPage};
use crossfold_core::entities::pseudonym::Pseudonymiser;

use super::UserRecords;

/// Takes the records of one user to the canonical form, that what happens between two pages
/// can be tried.
pub(super) fn rekey_events(
    users: &mut BTreeMap<Pseudonym, UserRecords>,
    keys: &Pseudonymiser,
    after: Option<&str>,
) -> RekeyedPage {
    let is_next = |user: &&Pseudonym| {
        keys.is_earlier(user) && after.is_none_or(|after| user.as_str() > after)
    };
    let old = users.keys().find(is_next).cloned();
    let Some((old, version)) = old.and_then(|old| Some((old.clone(), old.key_version()?))) else {
        return RekeyedPage::default();
    };
    let (records, user) = (users.remove(&old).unwrap_or_default(), keys.forward(&old));
    let found = records.count() + records.erased.len() as u64;
    let found = BTreeMap::from([(version, found)]);
    let under = users.entry(user.clone()).or_default();
    for (id, event) in records.events {
        under.events.entry(id).or_insert(Event { user: user.clone(), ..event });
    }
    under.erased.extend(records.erased);
    under.dismissed.merge(records.dismissed.of_user(&user));
    under.seen.merge(records.seen.of_user(&user));
    under.impressions.merge(records.impressions.of_user(&user));
    RekeyedPage { found, next: Some(old.to_string()) }
}

/// Takes an entry to another key, unless it was changed or something is there.
pub(super) fn rekey_entry(
    people: &mut BTreeMap<Pseudonym, (PeopleEntry, u64)>,
    entry: &VersionedEntry,
    to: &Pseudonym,
) -> Committed {
    let is_unchanged = people.get(&entry.id).is_some_and(|(_, version)| *version == entry.version);
    if !is_unchanged || people.contains_key(to) {
        return Committed::Conflict;
    }
    people.remove(&entry.id);
    people.insert(to.clone(), (entry.entry.clone(), entry.version + 1));
    Committed::Yes
}
