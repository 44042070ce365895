//! Items that a user dismissed or has seen for ever, on DynamoDB: sets of eight bytes an item
//! beside the user's events.
//!
//! One record for each platform where they were marked, domain of the items and first half
//! byte of the digest: 16 of them, so that each stays small. An item is added by one update
//! that neither looks nor asks for anything, so that it can be sent again. It costs as many
//! write units as the record has kilobytes: one up to some 1,800 items of a user on a
//! platform, three with 5,000. Read are eight bytes an item, ten units with 5,000. A record
//! holds 400 KB, so that a user has room for some 800,000 items of a domain on a platform.
//!
//! What a user was shown lies beside it in the same way, a record for each day, which expires when it is
//! looked at no more (`shownset#…`). It is read by one query with what was seen, whose keys begin
//! with the same letter: it costs no request of its own, and some 200 bytes a day.
//!
//! Earlier versions kept a record for each item (`dismissed#…`, `seen#…`), which are read and
//! erased as they are.

use std::collections::HashMap;

use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use crossfold_core::entities::fatigue;
use crossfold_core::entities::history::{Dismissal, MarkedBy, MarkedItems, SeenItem};
use crossfold_core::entities::ids::{DomainId, ItemId, Pseudonym};
use crossfold_core::entities::impressions::{Exposure, ImpressionDay, Impressions};
use crossfold_core::entities::item_set::{ItemDigest, ItemSet};
use crossfold_core::entities::ports::StoreResult;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use super::batch::Key;
use super::error::corrupt;

/// The attribute that holds a set.
pub(super) const DIGESTS: &str = "item_digests";

/// What was done with items.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    Dismissed,
    Seen,
}

impl Mark {
    const ALL: [Self; 2] = [Self::Dismissed, Self::Seen];

    /// What the sort keys of all its records begin with, and of no others.
    pub(super) fn prefix(self) -> &'static str {
        match self {
            Self::Dismissed => "dismissed",
            Self::Seen => "seen",
        }
    }

    fn sort_key(self, by: &MarkedBy, item: ItemDigest) -> String {
        let [first, ..] = item.bytes();
        format!("{}set#{}#{}#{:x}", self.prefix(), by.by_domain, by.domain, first >> 4)
    }
}

/// What the sort keys of impressions begin with, and no others.
const SHOWN: &str = "shownset#";
/// What the sort keys of all items that were seen or shown begin with, and no others.
pub(super) const SEEN_OR_SHOWN: &str = "s";

/// Whether a record of the events table is of marked items or of impressions, and so of no event.
pub(super) fn is_of_marks(sort_key: &str) -> bool {
    is_of_impressions(sort_key) || is_of_marked_items(sort_key)
}

fn is_of_impressions(sort_key: &str) -> bool {
    sort_key.starts_with(SHOWN)
}

fn is_of_marked_items(sort_key: &str) -> bool {
    let begins = |mark: Mark| {
        let rest = sort_key.strip_prefix(mark.prefix());
        rest.is_some_and(|rest| rest.starts_with('#') || rest.starts_with("set#"))
    };
    Mark::ALL.into_iter().any(begins)
}

/// One item that was marked.
pub(super) struct Marking {
    mark: Mark,
    by: MarkedBy,
    item: ItemDigest,
}

impl From<&Dismissal> for Marking {
    fn from(Dismissal { user, by_domain, domain, item_id }: &Dismissal) -> Self {
        Self::new(Mark::Dismissed, user, (by_domain, domain), item_id)
    }
}

impl From<&SeenItem> for Marking {
    fn from(SeenItem { user, by_domain, domain, item_id }: &SeenItem) -> Self {
        Self::new(Mark::Seen, user, (by_domain, domain), item_id)
    }
}

impl Marking {
    fn new(
        mark: Mark,
        user: &Pseudonym,
        (by_domain, domain): (&DomainId, &DomainId),
        item: &ItemId,
    ) -> Self {
        let (user, by_domain, domain) = (user.clone(), by_domain.clone(), domain.clone());
        Self { mark, by: MarkedBy { user, by_domain, domain }, item: ItemDigest::of(item) }
    }

    /// The update that adds it, to be given its table.
    pub(super) fn update(&self, update: UpdateItemFluentBuilder) -> UpdateItemFluentBuilder {
        let text = |text: &str| AttributeValue::S(text.to_owned());
        let one = AttributeValue::Bs(vec![Blob::new(self.item.bytes())]);
        update
            .key("pk", text(self.by.user.as_str()))
            .key("sk", AttributeValue::S(self.mark.sort_key(&self.by, self.item)))
            .update_expression("SET by_domain = :by, #domain = :domain ADD item_digests :one")
            // The name is a reserved word.
            .expression_attribute_names("#domain", "domain")
            .expression_attribute_values(":by", text(self.by.by_domain.as_str()))
            .expression_attribute_values(":domain", text(self.by.domain.as_str()))
            .expression_attribute_values(":one", one)
    }
}

/// The update that adds a day's impressions, to be given its table. The record expires when nothing
/// looks at its day any more.
pub(super) fn impressions_update(
    (of, items): (&ImpressionDay, &ItemSet),
    update: UpdateItemFluentBuilder,
) -> UpdateItemFluentBuilder {
    let text = |text: &str| AttributeValue::S(text.to_owned());
    let exposure = match of.exposure {
        Exposure::Shown => "shown",
        Exposure::Taken => "taken",
    };
    let MarkedBy { user, by_domain, domain } = &of.by;
    let digests = items.iter().map(|item| Blob::new(item.bytes())).collect();
    let (what, day) = ("SET by_domain = :by, #domain = :domain", of.day);
    update
        .key("pk", text(user.as_str()))
        .key("sk", AttributeValue::S(format!("{SHOWN}{by_domain}#{domain}#{day}#{exposure}")))
        .update_expression(format!(
            "{what}, #day = :day, exposure = :exposure, #ttl = :ttl ADD item_digests :items"
        ))
        // The names are reserved words.
        .expression_attribute_names("#domain", "domain")
        .expression_attribute_names("#day", "day")
        .expression_attribute_names("#ttl", "ttl")
        .expression_attribute_values(":by", text(by_domain.as_str()))
        .expression_attribute_values(":domain", text(domain.as_str()))
        .expression_attribute_values(":day", AttributeValue::S(day.to_string()))
        .expression_attribute_values(":exposure", text(exposure))
        .expression_attribute_values(":ttl", AttributeValue::N(expires_at(day).to_string()))
        .expression_attribute_values(":items", AttributeValue::Bs(digests))
}

/// The second after which a day's impressions are looked at by nothing, wherever a clock stands.
fn expires_at(day: Date) -> i64 {
    let after = day.saturating_add((i64::from(fatigue::MAX_DAYS) + 2).days());
    TimeZone::UTC.to_timestamp(after.at(0, 0, 0, 0)).map_or(i64::MAX, Timestamp::as_second)
}

/// Parts a user's records of what was seen from those of what was shown.
pub(super) fn parted(records: Vec<Key>) -> (Vec<Key>, Vec<Key>) {
    let is_shown = |record: &Key| {
        record.get("sk").and_then(|sk| sk.as_s().ok()).is_some_and(|sk| is_of_impressions(sk))
    };
    records.into_iter().partition(|record| !is_shown(record))
}

/// What a user's records say was shown.
pub(super) fn read_impressions(records: Vec<Key>) -> StoreResult<Impressions> {
    let mut impressions = Impressions::default();
    for record in records {
        let exposure = match record.get("exposure").and_then(|exposure| exposure.as_s().ok()) {
            Some(exposure) if exposure == "shown" => Exposure::Shown,
            Some(exposure) if exposure == "taken" => Exposure::Taken,
            other => return Err(corrupt("impressions", format!("their exposure is {other:?}"))),
        };
        let of = ImpressionDay {
            by: marked_by(&record)?,
            day: text(&record, "day", str::parse::<Date>)?,
            exposure,
        };
        impressions.add(of, digests(&record)?);
    }
    Ok(impressions)
}

/// How many items a record is of: as many as its set has; an event, and a record of an
/// earlier version, is one.
pub(super) fn count(record: &HashMap<String, AttributeValue>) -> u64 {
    match record.get(DIGESTS) {
        Some(AttributeValue::Bs(digests)) => digests.len() as u64,
        _ => 1,
    }
}

/// The key of a record that was read with more.
pub(super) fn key(mut record: HashMap<String, AttributeValue>) -> Key {
    record.retain(|name, _| matches!(name.as_str(), "pk" | "sk"));
    record
}

/// The items of a user's records of one mark.
pub(super) fn read(records: Vec<HashMap<String, AttributeValue>>) -> StoreResult<MarkedItems> {
    let mut marked = MarkedItems::default();
    for record in records {
        let by = marked_by(&record)?;
        match record.contains_key(DIGESTS) {
            true => marked.add(by, digests(&record)?),
            false => {
                let item = text(&record, "item_id", ItemId::parse)?;
                marked.add(by, [ItemDigest::of(&item)]);
            }
        }
    }
    Ok(marked)
}

fn marked_by(record: &Key) -> StoreResult<MarkedBy> {
    Ok(MarkedBy {
        user: text(record, "pk", Pseudonym::parse)?,
        by_domain: text(record, "by_domain", DomainId::parse)?,
        domain: text(record, "domain", DomainId::parse)?,
    })
}

fn digests(record: &Key) -> StoreResult<Vec<ItemDigest>> {
    match record.get(DIGESTS) {
        Some(AttributeValue::Bs(digests)) => digests.iter().map(digest).collect(),
        _ => Err(corrupt("a user's items", "they are no set of digests")),
    }
}

fn digest(bytes: &Blob) -> StoreResult<ItemDigest> {
    let bytes = bytes.as_ref().try_into();
    bytes.map(ItemDigest::of_bytes).map_err(|error| corrupt("an item's digest", error))
}

fn text<T, E: std::fmt::Display>(
    record: &HashMap<String, AttributeValue>,
    name: &'static str,
    parse: impl Fn(&str) -> Result<T, E>,
) -> StoreResult<T> {
    let unreadable = |why: String| corrupt("a user's items", why);
    match record.get(name) {
        Some(AttributeValue::S(text)) => {
            parse(text).map_err(|error| unreadable(format!("{name}: {error}")))
        }
        _ => Err(unreadable(format!("they have no {name}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(attributes: &[(&str, AttributeValue)]) -> HashMap<String, AttributeValue> {
        attributes.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
    }

    fn of_knowledge(more: (&str, AttributeValue)) -> HashMap<String, AttributeValue> {
        let text = |text: &str| AttributeValue::S(text.to_owned());
        let (user, platform) = (text("v1_u"), text("knowledge"));
        record(&[("pk", user), ("by_domain", platform), ("domain", text("travel")), more])
    }

    #[test]
    fn sets_and_the_records_of_earlier_versions_are_read_as_one() {
        let item = |id: &str| ItemDigest::of(&ItemId::parse(id).unwrap());
        let digests = [item("a"), item("b")].map(|item| Blob::new(item.bytes()));
        let set = of_knowledge((DIGESTS, AttributeValue::Bs(digests.to_vec())));
        let loose = |id: &str| of_knowledge(("item_id", AttributeValue::S(id.into())));
        assert_eq!((count(&set), count(&loose("c"))), (2, 1));
        let marked = read(vec![set, loose("b"), loose("c")]).unwrap();
        let [(by, items)] = marked.sets().collect::<Vec<_>>()[..] else { panic!("{marked:?}") };
        assert_eq!((by.by_domain.as_str(), by.domain.as_str()), ("knowledge", "travel"));
        assert_eq!(items, &[item("a"), item("b"), item("c")].into_iter().collect());
    }

    #[test]
    fn what_is_no_set_of_digests_is_corrupt() {
        let short = AttributeValue::Bs(vec![Blob::new([1, 2, 3])]);
        for broken in [
            of_knowledge((DIGESTS, short)),
            of_knowledge((DIGESTS, AttributeValue::S("ab".into()))),
            of_knowledge(("item", AttributeValue::S("i".into()))),
            record(&[("pk", AttributeValue::S("v1_u".into()))]),
        ] {
            assert!(read(vec![broken.clone()]).is_err(), "{broken:?}");
        }
    }

    #[test]
    fn what_was_shown_is_told_from_what_was_seen_and_expires_when_nothing_looks_at_it() {
        let key = |sk: &str| record(&[("sk", AttributeValue::S(sk.into()))]);
        let (seen, shown) = ("seenset#a#b#0", "shownset#a#b#2026-03-01#shown");
        let parted = parted(vec![key(shown), key(seen)]);
        assert_eq!(parted, (vec![key(seen)], vec![key(shown)]));
        assert!(is_of_marks(shown));
        let day: Date = "2026-03-01".parse().unwrap();
        // 16 days on.
        assert_eq!(expires_at(day), 1_773_705_600);
        assert_eq!(expires_at(Date::MAX), i64::MAX);
        let unknown = of_knowledge((DIGESTS, AttributeValue::Bs(vec![Blob::new([0; 8])])));
        assert!(read_impressions(vec![unknown]).is_err());
    }

    #[test]
    fn items_are_spread_over_sixteen_records_and_an_item_is_always_in_the_same() {
        let user = Pseudonym::parse("v1_u").unwrap();
        let [by_domain, domain] = ["shop", "cinema"].map(|name| DomainId::parse(name).unwrap());
        let by = MarkedBy { user, by_domain, domain };
        let key = |number: usize| {
            let item = ItemId::parse(&format!("i{number}")).unwrap();
            Mark::Seen.sort_key(&by, ItemDigest::of(&item))
        };
        assert_eq!(key(1), key(1));
        let keys: std::collections::BTreeSet<String> = (0..200).map(key).collect();
        assert_eq!(keys.len(), 16);
        assert!(keys.iter().all(|key| key.starts_with("seenset#shop#cinema#")), "{keys:?}");
        assert!(keys.iter().all(|key| is_of_marks(key)));
        for (key, is_mark) in [
            ("seen#a#b#i", true),
            ("dismissed#b#i", true),
            ("event#seen#", false),
            ("shown", false),
        ] {
            assert_eq!(is_of_marks(key), is_mark, "{key}");
        }
    }
}
