//! What a decision rests on, as its record keeps it: enough to make it again, or to say
//! what is no longer as it was.
//!
//! It tells of a person no more than the rest of the record. Evidence stands here as a
//! count and a digest, only as far as the platform that asked was let use it and the model
//! could carry it to the slate; so do the items that were kept from it. What that platform may
//! not know of is in none of it. A digest names nobody, for names change when keys rotate, and
//! begins with the id of its decision: the same evidence has another one in every record, so
//! that two records do not tell that they are of one person. It is told to nobody, and erased
//! with the record; what of it was of a linked user who is erased alone is only of use to who
//! knows what they did.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::boost::Factor;
use crate::catalogue::ChangeNumber;
use crate::definition::{DomainDefinition, EventTypeDefinition};
use crate::diversity::{Calibration, Diversity};
use crate::eligibility::{NO_RULES, Rule};
use crate::event::Event;
use crate::exploration::ExplorationShare;
use crate::fatigue::Fatigue;
use crate::filter::{AttributeType, Field, Filter, Schema};
use crate::ids::{DomainId, EventType, ItemId, RecommendationId};
use crate::item_set::{ItemDigest, ItemSet};
use crate::kept_back::KeptBackBy;

/// Most bytes of items that a caller named which are kept with a decision, so that its record
/// stays small; of more, only their number is kept.
pub const MAX_KEPT_BYTES: usize = 4_096;

/// The revision of what is kept, and of how digests are made. Those of another are not to be
/// compared with any of this one.
pub const REVISION: u32 = 2;

/// What a decision rests on, beside what the rest of its record says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Basis {
    /// The [`REVISION`] that it was written by; 0 in the first, which did not say so: its
    /// digests named users, and it did not keep what was kept back.
    #[serde(default)]
    pub revision: u32,
    /// How many items were asked for.
    pub limit: usize,
    /// The domains whose items were wanted.
    pub targets: BTreeSet<DomainId>,
    /// The items that the caller did not want, unless they were too many.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub excluded: BTreeMap<DomainId, BTreeSet<ItemId>>,
    /// How many items the caller did not want, when they were too many to be kept.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub excluded_not_kept: usize,
    /// What items had to be like, or were preferred for, as the caller wrote it: the targets with
    /// the same filter together.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub filters: Vec<FilterBasis>,
    /// How much it was to be of different things, where it was to be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub diversity: Option<DiversityBasis>,
    /// How much it was to have the shares of the person's interests, where it was to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calibration: Option<CalibrationBasis>,
    /// At most how many there were to be of a kind, of each target in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub quotas: Vec<QuotaBasis>,
    /// How what the user was shown often counted for less, where it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fatigue: Option<FatigueBasis>,
    /// How much of it could be others than the best, where some could.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exploration: Option<ExplorationBasis>,
    /// Whether items were looked for in somebody's words, which are kept nowhere.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub with_words: bool,
    /// Whether somebody applied for offers that there were. What they told is kept nowhere; nor is
    /// what else was asked, from which it could be told by what was served.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub with_applicant: bool,
    /// The digest of what the definition of each of these targets says of who may have its offers,
    /// see [`digest_of_eligibility`]; those of targets that have offers.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub eligibility: BTreeMap<DomainId, String>,
    /// The items that were to be put in order, unless any could be shown or they were too many.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub listed: BTreeMap<DomainId, BTreeSet<ItemId>>,
    /// How many items were to be put in order, when they were too many to be kept.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub listed_not_kept: usize,
    /// Whether the person's evidence was asked to be left aside.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub impersonal: bool,
    /// Whether evidence was asked to stay in its own domain.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub within_domains: bool,
    /// The language of the reasons; `None` when none were wanted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasons: Option<String>,
    /// The version of the person's record whose consents were heeded; `None` when there
    /// was none, or it could not be read. It is told to nobody, for other platforms change it,
    /// and replay does not go by it but by what the consents let through: it is for audits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person_version: Option<u64>,
    /// The last change that was known of each catalogue that was looked into.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub catalogues: BTreeMap<DomainId, ChangeNumber>,
    /// The last change of each of these catalogues up to which new items were ranked by their
    /// text.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub described: BTreeMap<DomainId, ChangeNumber>,
    /// From which change on, where there were more new items than are described.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub described_from: BTreeMap<DomainId, ChangeNumber>,
    /// The evidence that could move the slate, by the domain where it arose.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<EvidenceBasis>,
    /// The items that were kept from the slate, because they were dismissed or count as seen
    /// whatever is evidence.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kept_back: Vec<KeptBackBasis>,
}

/// What a filter is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FilterUse {
    /// Items had to pass it.
    #[default]
    Admits,
    /// Items that pass it counted for so much more.
    Boosts(Factor),
    /// The best item that passes it had this place, from 1.
    Promotes(usize),
}

impl FilterUse {
    fn is_to_admit(&self) -> bool {
        *self == Self::Admits
    }
}

/// A filter, and whose items it was for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilterBasis {
    /// What for.
    #[serde(default, skip_serializing_if = "FilterUse::is_to_admit", rename = "use")]
    pub used: FilterUse,
    /// As it was written.
    pub source: String,
    /// The attributes that it reads, of the types that they were declared as.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub attributes: BTreeMap<String, AttributeType>,
    /// The targets.
    pub targets: BTreeSet<DomainId>,
}

impl FilterBasis {
    /// A filter, as yet of no target, where a domain declares this.
    #[must_use]
    pub fn of(used: FilterUse, filter: &Filter, schema: &Schema) -> Self {
        let attribute = |field: &Field| match field {
            Field::Attribute(name) => Some((name.clone(), schema.type_of(field)?)),
            _ => None,
        };
        let attributes = filter.fields().filter_map(attribute).collect();
        let source = filter.source().to_owned();
        Self { used, source, attributes, targets: BTreeSet::new() }
    }

    /// The same filter where a domain declares this; `None` where it would not mean the same.
    #[must_use]
    pub fn read(&self, schema: &Schema) -> Option<Filter> {
        let filter = Filter::parse(&self.source, schema).ok()?;
        let now = Self::of(self.used, &filter, schema);
        (now.attributes == self.attributes).then_some(filter)
    }
}

/// How much a slate was to be of different things, and what it was chosen from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiversityBasis {
    /// How much.
    pub share: Diversity,
    /// The items of each target that it was chosen from.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub pools: BTreeMap<DomainId, PoolBasis>,
}

/// How much a slate was to have the shares of the person's interests, and what it was chosen from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CalibrationBasis {
    /// How much.
    pub share: Calibration,
    /// The items of each target that it was chosen from.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub pools: BTreeMap<DomainId, PoolBasis>,
    /// The digest of the interests in the categories of each of these targets, see
    /// [`digest_of_interests`]: they are of the person and of the catalogue as it was.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub interests: BTreeMap<DomainId, String>,
}

/// How what the user was shown often counted for less.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FatigueBasis {
    /// By what rule.
    pub rule: Fatigue,
    /// The digest of what was shown often of each of these targets, see [`digest_of_shown`].
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub shown: BTreeMap<DomainId, String>,
}

/// A quota: see [`crate::quota::Quota`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuotaBasis {
    /// Of whose items.
    pub target: DomainId,
    /// Of which of them, as it was written, of no target of its own; `None` for all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<FilterBasis>,
    /// Whether so many of each category were meant.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub each_category: bool,
    /// How many.
    pub most: usize,
}

/// The items that a slate is chosen from, by their scores, which are numbers.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct PoolBasis {
    /// The greatest score, above 0.
    pub greatest: f32,
    /// The score that all of them are above; `None` where they were all there were.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<f32>,
}

/// Its scores are always numbers.
impl Eq for PoolBasis {}

impl PoolBasis {
    /// Whether an item of a score is among them.
    #[must_use]
    pub fn holds(&self, score: f32) -> bool {
        self.end.is_none_or(|end| score > end)
    }

    /// A score as a share of the greatest, 0 to 1.
    #[must_use]
    pub fn relevance(&self, score: f32) -> f32 {
        (score / self.greatest).clamp(0.0, 1.0)
    }
}

/// How much of a slate could be others than the best, and what these were drawn from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExplorationBasis {
    /// How much.
    pub share: ExplorationShare,
    /// How many places were for others, or could be.
    pub places: usize,
    /// Where the items of each target ended that others were drawn from.
    pub pools: BTreeMap<DomainId, ExploredPool>,
    /// How many items they were, all targets together.
    pub items: usize,
    /// The item whose place it was that may have been for another or not, where there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spared: Option<(DomainId, ItemId)>,
}

/// Where the items of a target end that are drawn from: the first that is not among them, of those that
/// the model knows and of the others.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExploredPool {
    /// `None` where all known ones are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub known: Option<PoolEnd>,
    /// `None` where all others are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unknown: Option<PoolEnd>,
}

/// An item by what it ranks by: its score, a number, then since when it has been there, then its id.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PoolEnd {
    /// Its score; 0 where the model does not know it.
    pub score: f32,
    /// Since when it has been there.
    pub since: Timestamp,
    /// Its id.
    pub item_id: ItemId,
}

/// Its scores are always numbers.
impl Eq for PoolEnd {}

impl PoolEnd {
    /// Whether an item ranks before it: by a greater score, or as a newer one, or by its id.
    #[must_use]
    pub fn comes_after(&self, (score, since, item): (f32, Timestamp, &ItemId)) -> bool {
        let by_score = score.partial_cmp(&self.score).unwrap_or(Ordering::Less);
        by_score.then_with(|| since.cmp(&self.since)).then_with(|| self.item_id.cmp(item)).is_gt()
    }
}

fn is_zero(number: &usize) -> bool {
    *number == 0
}

/// One domain's evidence, as far as it was used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EvidenceBasis {
    /// Where it arose.
    pub domain: DomainId,
    /// The targets that it was used for.
    pub targets: BTreeSet<DomainId>,
    /// How many events it was.
    pub events: usize,
    /// Their digest, see [`digest_of_events`].
    pub digest: String,
    /// When the last of them to arrive had arrived.
    pub received_until: Timestamp,
    /// The digest of what weighed them, see [`digest_of_definition`].
    pub definition: String,
}

/// Items that were kept back, as far as one thing let them be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptBackBasis {
    /// What let them be.
    pub by: KeptBackBy,
    /// The targets whose items they are.
    pub targets: BTreeSet<DomainId>,
    /// How many items it was.
    pub items: usize,
    /// Their digest, see [`digest_of_items`].
    pub digest: String,
}

impl Basis {
    /// Whether it can be held against one that is made now.
    #[must_use]
    pub fn is_comparable(&self) -> bool {
        self.revision == REVISION
    }

    /// Keeps the items that a caller did not want, or their number when they are too many.
    #[must_use]
    pub fn excluding(self, items: &BTreeSet<(DomainId, ItemId)>) -> Self {
        let (excluded, excluded_not_kept) = self.kept(items);
        Self { excluded, excluded_not_kept, ..self }
    }

    /// Keeps the items that were to be put in order, or their number when they are too many.
    #[must_use]
    pub fn of_listed(self, items: &BTreeSet<(DomainId, ItemId)>) -> Self {
        let (listed, listed_not_kept) = self.kept(items);
        Self { listed, listed_not_kept, ..self }
    }

    /// Items of the targets, or their number when they are too many.
    fn kept(
        &self,
        items: &BTreeSet<(DomainId, ItemId)>,
    ) -> (BTreeMap<DomainId, BTreeSet<ItemId>>, usize) {
        let mut kept: BTreeMap<DomainId, BTreeSet<ItemId>> = BTreeMap::new();
        let mut bytes = 0;
        for (domain, item) in items.iter().filter(|(domain, _)| self.targets.contains(domain)) {
            // With the quotes and the comma of a list.
            bytes += item.as_str().len() + 3;
            kept.entry(domain.clone()).or_default().insert(item.clone());
        }
        match bytes > MAX_KEPT_BYTES {
            true => (BTreeMap::new(), kept.values().map(BTreeSet::len).sum()),
            false => (kept, 0),
        }
    }
}

/// A digest of events in their order, of everything that a slate may rest on: what was done
/// to what, when, for how much and how long. By whom is not in it: events are known by their
/// ids, and what users are called changes when keys rotate.
#[must_use]
pub fn digest_of_events<'a>(
    decision: &RecommendationId,
    events: impl Iterator<Item = &'a Event>,
) -> String {
    let mut digest = Fields::of(decision);
    for event in events {
        // Field by field, so that whoever adds one has to say whether it weighs.
        let Event {
            event_id,
            user: _,
            domain,
            event_type,
            item_id,
            occurred_at,
            received_at: _,
            domain_life: _,
            value,
            dwell_seconds,
        } = event;
        let texts = [event_id.as_str(), domain.as_str(), event_type.as_str(), item_id.as_str()];
        texts.into_iter().for_each(|text| digest.add(text.as_bytes()));
        digest.add(&occurred_at.as_nanosecond().to_le_bytes());
        // 1.0 and 1.00 weigh the same, and a store may give back either.
        let value = value.map(|value| value.normalize().to_string());
        digest.add(value.unwrap_or_default().as_bytes());
        digest.add(dwell_seconds.map(|s| s.to_string()).unwrap_or_default().as_bytes());
    }
    digest.finish()
}

/// A digest of items by their domains, each set in its own order, which is always the same.
#[must_use]
pub fn digest_of_items<'a>(
    decision: &RecommendationId,
    items: impl Iterator<Item = (&'a DomainId, &'a ItemSet)>,
) -> String {
    let mut digest = Fields::of(decision);
    for (domain, items) in items {
        digest.add(domain.as_str().as_bytes());
        digest.add(&(items.len() as u64).to_le_bytes());
        items.iter().for_each(|item| digest.add(&item.bytes()));
    }
    digest.finish()
}

/// A digest of how much a person turned to each of some categories, in their order.
#[must_use]
pub fn digest_of_interests<'a>(
    decision: &RecommendationId,
    interests: impl Iterator<Item = (&'a str, f32)>,
) -> String {
    let mut digest = Fields::of(decision);
    for (category, weight) in interests {
        digest.add(category.as_bytes());
        digest.add(&weight.to_le_bytes());
    }
    digest.finish()
}

/// A digest of on how many days items were shown, in the order of their digests.
#[must_use]
pub fn digest_of_shown(
    decision: &RecommendationId,
    days: impl Iterator<Item = (ItemDigest, usize)>,
) -> String {
    let mut digest = Fields::of(decision);
    for (item, days) in days {
        digest.add(&item.bytes());
        digest.add(&(days as u64).to_le_bytes());
    }
    digest.finish()
}

/// A digest of what a domain's definition says of the weight of events, and of how long
/// they count as seen. Its name, where its events come from, and what steps they are move no
/// slate.
#[must_use]
pub fn digest_of_definition(definition: &DomainDefinition) -> String {
    let without_steps = |(name, event_type): (&EventType, &EventTypeDefinition)| {
        (name.clone(), EventTypeDefinition { steps: BTreeSet::new(), ..event_type.clone() })
    };
    let event_types: BTreeMap<EventType, EventTypeDefinition> =
        definition.event_types.iter().map(without_steps).collect();
    let weighing = (&event_types, definition.half_life_days);
    let mut digest = Fields::default();
    // Maps with texts for keys and numbers, which can always be written.
    digest.add(&serde_json::to_vec(&weighing).unwrap_or_default());
    digest.finish()
}

/// A digest of the rules by which a domain's offers can be had on a day, those of its pack among
/// them, and of the currency that they reckon in.
#[must_use]
pub fn digest_of_eligibility(definition: &DomainDefinition, on: Date) -> String {
    let rules = definition.eligibility.as_ref().unwrap_or(&NO_RULES);
    let in_force: Vec<&Rule> = rules.all().filter(|rule| rule.is_in_force(on)).collect();
    let mut digest = Fields::default();
    // Numbers, texts and lists, which can always be written.
    digest.add(&serde_json::to_vec(&(in_force, definition.currency)).unwrap_or_default());
    digest.finish()
}

/// A digest of fields, none of which can take in a part of another.
#[derive(Default)]
struct Fields(Sha256);

/// The bytes that are kept of a digest: it tells what changed, nobody has an interest in two
/// histories of one digest, and it is kept with every slate.
const KEPT_BYTES: usize = 12;

impl Fields {
    /// One that is of a decision's record, and of no other's.
    fn of(decision: &RecommendationId) -> Self {
        let mut fields = Self::default();
        fields.add(decision.as_str().as_bytes());
        fields
    }

    fn add(&mut self, bytes: &[u8]) {
        self.0.update((bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
    }

    fn finish(self) -> String {
        data_encoding::BASE64URL_NOPAD.encode(&self.0.finalize()[..KEPT_BYTES])
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::definition::tests::definition;

    fn decision(id: &str) -> RecommendationId {
        RecommendationId::parse(id).unwrap()
    }

    fn event(patch: &serde_json::Value) -> Event {
        let mut event = json!({
            "event_id": "e", "user": "v1_u", "domain": "films", "event_type": "view",
            "item_id": "i", "occurred_at": "2026-06-01T00:00:00Z",
            "received_at": "2026-06-01T00:00:00Z", "value": "1.5", "dwell_seconds": 3,
        });
        for (key, value) in patch.as_object().unwrap() {
            event[key] = value.clone();
        }
        serde_json::from_value(event).unwrap()
    }

    #[test]
    fn a_digest_of_events_tells_every_difference_that_may_move_a_slate_and_no_other() {
        let digest =
            |patch: serde_json::Value| digest_of_events(&decision("r"), [event(&patch)].iter());
        let first = digest(json!({}));
        for patch in [
            json!({ "event_id": "f" }),
            json!({ "domain": "books" }),
            json!({ "event_type": "buy" }),
            json!({ "item_id": "j" }),
            json!({ "occurred_at": "2026-06-01T00:00:00.001Z" }),
            json!({ "value": "1.6" }),
            json!({ "value": null, "dwell_seconds": 3 }),
            json!({ "dwell_seconds": null }),
        ] {
            assert_ne!(digest(patch.clone()), first, "{patch}");
        }
        for patch in [
            json!({ "received_at": "2026-06-02T00:00:00Z" }),
            json!({ "value": "1.50" }),
            // As the same user is called under another key.
            json!({ "user": "v2_w" }),
        ] {
            assert_eq!(digest(patch.clone()), first, "{patch}");
        }
        assert_eq!(first.len(), 16);
        let of_another = digest_of_events(&decision("s"), [event(&json!({}))].iter());
        assert_ne!(of_another, first, "two records tell that they rest on the same");
    }

    #[test]
    fn a_digest_of_items_tells_which_of_which_domain() {
        let [films, books] = ["films", "books"].map(|domain| DomainId::parse(domain).unwrap());
        let set = |items: &[&str]| {
            let items = items.iter().map(|item| ItemDigest::of(&ItemId::parse(item).unwrap()));
            items.collect::<ItemSet>()
        };
        let digest =
            |sets: &[(&DomainId, &ItemSet)]| digest_of_items(&decision("r"), sets.iter().copied());
        let first = digest(&[(&films, &set(&["a", "b"]))]);
        assert_eq!(digest(&[(&films, &set(&["b", "a"]))]), first);
        for (domain, items) in [(&films, &["a"][..]), (&films, &["a", "c"]), (&books, &["a", "b"])]
        {
            assert_ne!(digest(&[(domain, &set(items))]), first, "{domain} {items:?}");
        }
        assert_ne!(
            digest(&[(&films, &set(&["a"])), (&books, &set(&["b"]))]),
            digest(&[(&films, &set(&["a", "b"])), (&books, &set(&[]))]),
        );
    }

    #[test]
    fn a_digest_of_interests_tells_how_much_of_what_and_is_of_one_decision() {
        let digest = |id: &str, interests: &[(&str, f32)]| {
            digest_of_interests(&decision(id), interests.iter().copied())
        };
        let first = digest("r", &[("ai", 1.0), ("suv", 2.0)]);
        assert_eq!(digest("r", &[("ai", 1.0), ("suv", 2.0)]), first);
        for (id, others) in [
            ("s", &[("ai", 1.0), ("suv", 2.0)][..]),
            ("r", &[("ai", 1.0), ("suv", 2.5)]),
            ("r", &[("ai", 1.0)]),
            ("r", &[("a", 1.0), ("suv", 2.0)]),
        ] {
            assert_ne!(digest(id, others), first);
        }
    }

    #[test]
    fn a_digest_of_a_definition_tells_what_weighs_and_not_what_it_is_called() {
        let first = digest_of_definition(&definition());
        let mut renamed = definition();
        renamed.name = "another".into();
        assert_eq!(digest_of_definition(&renamed), first);
        let mut other = definition();
        other.half_life_days += 1.0;
        assert_ne!(digest_of_definition(&other), first);
        let mut other = definition();
        other.event_types.values_mut().for_each(|event_type| event_type.weight += 1.0);
        assert_ne!(digest_of_definition(&other), first);
    }

    fn basis() -> Basis {
        Basis {
            revision: REVISION,
            limit: 10,
            targets: BTreeSet::from([DomainId::parse("films").unwrap()]),
            excluded: BTreeMap::new(),
            excluded_not_kept: 0,
            filters: Vec::new(),
            diversity: None,
            calibration: None,
            quotas: Vec::new(),
            fatigue: None,
            exploration: None,
            with_words: false,
            with_applicant: false,
            eligibility: BTreeMap::new(),
            listed: BTreeMap::new(),
            listed_not_kept: 0,
            impersonal: false,
            within_domains: false,
            reasons: None,
            person_version: None,
            catalogues: BTreeMap::new(),
            described: BTreeMap::new(),
            described_from: BTreeMap::new(),
            sources: Vec::new(),
            kept_back: Vec::new(),
        }
    }

    #[test]
    fn what_a_caller_did_not_want_is_kept_of_the_targets_and_up_to_a_size() {
        let films = DomainId::parse("films").unwrap();
        let item = |domain: &DomainId, id: String| (domain.clone(), ItemId::parse(&id).unwrap());
        let books = DomainId::parse("books").unwrap();
        let few = [item(&films, "a".into()), item(&books, "b".into())];
        let kept = basis().excluding(&few.into());
        assert_eq!((kept.excluded.len(), kept.excluded[&films].len()), (1, 1));

        let long = |number: usize| item(&films, format!("{number:0>97}"));
        // 41 of 100 bytes each are more than 4,096.
        let kept = basis().excluding(&(0..40).map(long).collect());
        assert_eq!((kept.excluded[&films].len(), kept.excluded_not_kept), (40, 0));
        let not_kept = basis().excluding(&(0..41).map(long).collect());
        assert_eq!((not_kept.excluded.len(), not_kept.excluded_not_kept), (0, 41));
    }

    #[test]
    fn what_ranks_before_the_end_of_a_pool_is_in_it() {
        let [a, b, c] = ["a", "b", "c"].map(|id| ItemId::parse(id).unwrap());
        let [early, late] = [1, 2].map(|second| Timestamp::from_second(second).unwrap());
        let end = PoolEnd { score: 0.5, since: early, item_id: b.clone() };
        for before in [(0.6, early, &c), (0.5, late, &c), (0.5, early, &a)] {
            assert!(end.comes_after(before), "{before:?}");
        }
        for after in [(0.4, late, &a), (0.5, early, &b), (0.5, early, &c), (f32::NAN, late, &a)] {
            assert!(!end.comes_after(after), "{after:?}");
        }
        assert!(PoolEnd { score: -0.0, ..end }.comes_after((0.0, early, &a)));
    }

    #[test]
    fn what_is_usual_takes_no_room() {
        let text = serde_json::to_string(&basis()).unwrap();
        assert_eq!(text, r#"{"revision":2,"limit":10,"targets":["films"]}"#);
        assert_eq!(serde_json::from_str::<Basis>(&text).unwrap(), basis());
    }

    #[test]
    fn a_basis_of_before_revisions_were_told_is_read_and_compared_with_none() {
        let first: Basis = serde_json::from_str(r#"{"limit":10,"targets":["films"]}"#).unwrap();
        assert!(!first.is_comparable() && basis().is_comparable());
    }

    #[test]
    fn what_lets_items_be_kept_back_is_written_as_a_platform_or_nothing() {
        let films = KeptBackBy::Platform(DomainId::parse("films").unwrap());
        for (by, text) in [(films, r#""films""#), (KeptBackBy::Instruction, "null")] {
            assert_eq!(serde_json::to_string(&by).unwrap(), text);
            assert_eq!(serde_json::from_str::<KeptBackBy>(text).unwrap(), by);
        }
    }
}
