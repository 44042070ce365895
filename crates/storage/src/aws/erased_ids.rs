//! Ids of erased events on DynamoDB: sets of eight bytes an id beside the events of the user's
//! first life, by which events of an earlier life are known when they are sent again.
//!
//! 16 records a user, one for each first half byte of the digests, as those of marked items are
//! (`aws::marked_items`). They expire when the events would have at the latest, and move with the
//! user's other records when keys rotate. Looked up are they only for who came back. A record
//! holds 400 KB, so that there is room for some 700,000 ids of a user; of more, those that find
//! none are not known again, for an erasure has to end.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use crossfold_core::entities::digest::ShortDigest;
use crossfold_core::entities::ids::{EventId, Pseudonym};

use super::batch::Key;
use super::marked_items::DIGESTS;
use super::schema::{PARTITION_KEY, SORT_KEY, TTL_ATTRIBUTE};

/// What the sort keys of all its records begin with, and of no others.
const PREFIX: &str = "erasedset#";

/// Whether a record of the events table is of erased ids, and so of no event.
pub(super) fn is_of_erased_ids(sort_key: &str) -> bool {
    sort_key.starts_with(PREFIX)
}

fn sort_key(digest: ShortDigest) -> String {
    let [first, ..] = digest.bytes();
    format!("{PREFIX}{:x}", first >> 4)
}

/// Ids of erased events of one user, by the sort keys of their records.
pub(super) struct ErasedIds {
    user: Pseudonym,
    sets: BTreeMap<String, BTreeSet<ShortDigest>>,
}

impl ErasedIds {
    /// Those of a life of a user.
    pub(super) fn of<'a>(user: &Pseudonym, ids: impl IntoIterator<Item = &'a str>) -> Self {
        let mut sets = BTreeMap::<String, BTreeSet<ShortDigest>>::new();
        for digest in ids.into_iter().map(ShortDigest::of) {
            sets.entry(sort_key(digest)).or_default().insert(digest);
        }
        Self { user: user.own(), sets }
    }

    /// The updates that add them, each made of a new one, until an instant in seconds since 1970.
    pub(super) fn updates(
        &self,
        until: i64,
        update: impl Fn() -> UpdateItemFluentBuilder,
    ) -> Vec<UpdateItemFluentBuilder> {
        let add = |(sort_key, digests): (&String, &BTreeSet<ShortDigest>)| {
            let digests = digests.iter().map(|digest| Blob::new(digest.bytes())).collect();
            update()
                .set_key(Some(record_key(&self.user, sort_key)))
                .update_expression(format!("SET #until = :until ADD {DIGESTS} :digests"))
                // The name is a reserved word.
                .expression_attribute_names("#until", TTL_ATTRIBUTE)
                .expression_attribute_values(":until", AttributeValue::N(until.to_string()))
                .expression_attribute_values(":digests", AttributeValue::Bs(digests))
        };
        self.sets.iter().map(add).collect()
    }
}

fn record_key(user: &Pseudonym, sort_key: &str) -> Key {
    let text = |text: &str| AttributeValue::S(text.to_owned());
    Key::from([
        (PARTITION_KEY.to_owned(), text(user.as_str())),
        (SORT_KEY.to_owned(), text(sort_key)),
    ])
}

/// The key of the record where an event's id would be.
pub(super) fn key((user, id): &(Pseudonym, EventId)) -> [String; 2] {
    [user.own().to_string(), sort_key(ShortDigest::of(id.as_str()))]
}

/// Whether a record holds an event's id at an instant, in seconds since 1970.
pub(super) fn holds(record: &HashMap<String, AttributeValue>, id: &EventId, now: i64) -> bool {
    let until = record.get(TTL_ATTRIBUTE).and_then(|until| until.as_n().ok());
    let is_kept = until.and_then(|until| until.parse().ok()).is_none_or(|until: i64| until > now);
    let digests = record.get(DIGESTS).and_then(|digests| digests.as_bs().ok());
    let digest = ShortDigest::of(id.as_str()).bytes();
    is_kept && digests.is_some_and(|digests| digests.iter().any(|stored| stored.as_ref() == digest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(until: i64, ids: &[&str]) -> HashMap<String, AttributeValue> {
        let digests = ids.iter().map(|id| Blob::new(ShortDigest::of(id).bytes())).collect();
        HashMap::from([
            (TTL_ATTRIBUTE.to_owned(), AttributeValue::N(until.to_string())),
            (DIGESTS.to_owned(), AttributeValue::Bs(digests)),
        ])
    }

    #[test]
    fn an_id_is_known_until_its_record_expires() {
        let [known, other] = ["e1", "e2"].map(|id| EventId::parse(id).unwrap());
        let record = record(100, &["e0", "e1"]);
        assert!(holds(&record, &known, 99));
        assert!(!holds(&record, &known, 100));
        assert!(!holds(&record, &other, 99));
    }

    #[test]
    fn an_id_is_looked_for_where_it_was_kept_whichever_life_it_was_of() {
        let user = Pseudonym::parse("v1_u").unwrap();
        let kept = ErasedIds::of(&user.in_life(1), ["e1"]);
        let key = key(&(user.in_life(2), EventId::parse("e1").unwrap()));
        let sort_keys: Vec<&String> = kept.sets.keys().collect();
        assert_eq!((kept.user.to_string(), sort_keys), (key[0].clone(), vec![&key[1]]));
        assert!(is_of_erased_ids(&key[1]) && !is_of_erased_ids("event#erasedset#"));
    }
}
