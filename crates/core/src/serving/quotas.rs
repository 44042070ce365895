//! At most so many of a kind: under which quotas an item counts, and how much room they leave.
//!
//! Quotas count what is promoted first, then the best that fit. What does not fit waits: it is shown
//! after everything that does, where places are left. An item that is not shown takes nobody's room
//! that is, so a replay without it is the same.

use std::collections::{BTreeMap, BTreeSet};

use crate::entities::definition::DomainDefinition;
use crate::entities::filter::BitMask;
use crate::entities::quota::Quota;
use crate::maths::diversity::Room;
use crate::serving::admit::{AdmittedRequest, AdmittedTarget};
use crate::serving::best::ScoredItem;
use crate::serving::promote::PromotedItem;
use crate::serving::sources::TargetSources;

/// How many more items are looked at when too few of them will do.
pub(super) const MORE: usize = 4;

/// The quotas of a request, by target in order.
pub(super) struct Quotas<'a> {
    of_targets: Vec<(&'a AdmittedTarget<'a>, Vec<Counting<'a>>)>,
}

/// A quota with what it counts.
struct Counting<'a> {
    quota: &'a Quota,
    /// The items that it is of; `None` for all.
    passing: Option<BitMask>,
}

/// Of which there may be only so many: the place of a quota, and a category where each has its own.
type Group<'a> = (usize, Option<&'a str>);

impl<'a> Quotas<'a> {
    pub(super) fn of(asked: &'a AdmittedRequest<'a>, targets: &'a [TargetSources<'a>]) -> Self {
        let of_target = |TargetSources { target, .. }: &'a TargetSources<'a>| {
            let quotas = asked.request.quotas.get(target.domain).into_iter().flatten();
            (target, quotas.map(|quota| Counting::of(quota, target, asked)).collect())
        };
        Self { of_targets: targets.iter().map(of_target).collect() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.of_targets.iter().all(|(_, quotas)| quotas.is_empty())
    }

    /// Whether a target has any.
    pub(super) fn bound(&self, target: usize) -> bool {
        !self.of_targets[target].1.is_empty()
    }

    /// Whether an item counts under any.
    pub(super) fn count(&self, item: &ScoredItem) -> bool {
        !self.groups(item).is_empty()
    }

    /// The first of a target's items that no quota counts, at most so many, of as many as are given
    /// when so many are asked for: what an item beyond a list would have been must not hang on how
    /// many before it are counted.
    pub(super) fn uncounted(
        &self,
        target: usize,
        most: usize,
        first: impl Fn(usize) -> Vec<ScoredItem>,
    ) -> Vec<ScoredItem> {
        if self.of_targets[target].1.iter().any(Counting::is_of_all) {
            return Vec::new();
        }
        let mut wanted = most;
        loop {
            let mut items = first(wanted);
            let is_all = items.len() < wanted;
            items.retain(|item| !self.count(item));
            if is_all || items.len() >= most || !self.bound(target) {
                items.truncate(most);
                return items;
            }
            wanted = wanted.saturating_mul(MORE);
        }
    }

    /// Most items of a target that fit beside what is promoted, however many there are; without a
    /// quota of the whole target as many as may be.
    pub(super) fn most(&self, target: usize, promoted: &[PromotedItem]) -> usize {
        let of_all = self.of_targets[target].1.iter().filter(|quota| quota.is_of_all());
        let most = of_all.map(|quota| quota.quota.most).min().unwrap_or(usize::MAX);
        let own = promoted.iter().filter(|promoted| promoted.scored().target == target);
        most.saturating_sub(own.count())
    }

    /// The room that is left for items of a target beside what is promoted, which takes none of it.
    pub(super) fn room(
        &self,
        target: usize,
        items: &[ScoredItem],
        promoted: &[PromotedItem],
    ) -> Room {
        if !self.bound(target) {
            return Room::default();
        }
        let mut numbers: BTreeMap<Group<'_>, u32> = BTreeMap::new();
        let mut left: Vec<u32> = Vec::new();
        let mut numbered = |item: &ScoredItem| -> Vec<u32> {
            let groups = self.groups(item).into_iter().map(|group| {
                *numbers.entry(group).or_insert_with(|| {
                    let most = self.of_targets[target].1[group.0].quota.most;
                    left.push(u32::try_from(most).unwrap_or(u32::MAX));
                    left.len() as u32 - 1
                })
            });
            groups.collect()
        };
        let own = promoted.iter().map(PromotedItem::scored).filter(|item| item.target == target);
        let places: BTreeSet<usize> = own.clone().map(|item| item.position).collect();
        let groups: Vec<Vec<u32>> = items
            .iter()
            .map(|item| match places.contains(&item.position) {
                true => Vec::new(),
                false => numbered(item),
            })
            .collect();
        let promoted: Vec<Vec<u32>> = own.map(numbered).collect();
        for group in promoted.into_iter().flatten() {
            let left = &mut left[group as usize];
            *left = left.saturating_sub(1);
        }
        // Every group was numbered as it was met.
        Room::new(groups, left).unwrap_or_default()
    }

    /// What an item counts as, each once.
    fn groups(&self, item: &ScoredItem) -> Vec<Group<'a>> {
        let (target, quotas) = &self.of_targets[item.target];
        let mut groups = Vec::new();
        for (place, quota) in quotas.iter().enumerate() {
            if quota.passing.as_ref().is_some_and(|passing| !passing.get(item.position)) {
                continue;
            }
            if !quota.quota.each_category {
                groups.push((place, None));
                continue;
            }
            let details = target.snapshot.entry(item.position).item.details.as_ref();
            let categories = details.into_iter().flat_map(|details| &details.categories);
            groups.extend(categories.map(|category| (place, Some(category.as_str()))));
        }
        groups.sort_unstable();
        groups.dedup();
        groups
    }
}

impl<'a> Counting<'a> {
    /// Whether it counts every item of its target together.
    fn is_of_all(&self) -> bool {
        self.passing.is_none() && !self.quota.each_category
    }

    fn of(quota: &'a Quota, target: &AdmittedTarget<'_>, asked: &AdmittedRequest<'_>) -> Self {
        let passing = quota.filter.as_ref().map(|filter| {
            let definition = asked.definitions.get(target.domain);
            let schema = definition.map(DomainDefinition::schema).unwrap_or_default();
            filter.admits(&target.snapshot.table(filter, &schema), asked.request.now)
        });
        Self { quota, passing }
    }
}

/// The items that fit, in order, and the others in theirs: each that fits takes its room.
pub(super) fn divided(
    items: Vec<ScoredItem>,
    mut room: Room,
) -> (Vec<ScoredItem>, Vec<ScoredItem>) {
    let (mut fitting, mut beyond) = (Vec::new(), Vec::new());
    for (at, item) in items.into_iter().enumerate() {
        match room.fits(at) {
            true => {
                room.take(at);
                fitting.push(item);
            }
            false => beyond.push(item),
        }
    }
    (fitting, beyond)
}
