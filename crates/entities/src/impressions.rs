//! What users were shown, by day: sets of items, in which nothing stands twice however often it is
//! told.

use std::collections::BTreeMap;

use jiff::civil::Date;

use crate::history::MarkedBy;
use crate::ids::{DomainId, Pseudonym};
use crate::item_set::{ItemDigest, ItemSet};

/// What became of items on a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Exposure {
    /// They were shown.
    Shown,
    /// They were clicked, accepted or bought: what was shown before counts no more.
    Taken,
}

/// Whose impressions, of which day.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ImpressionDay {
    /// Who was shown items of which domain, on which platform.
    pub by: MarkedBy,
    /// The day, in UTC.
    pub day: Date,
    /// What became of them.
    pub exposure: Exposure,
}

/// Items by the days on which they were shown and taken.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Impressions(BTreeMap<ImpressionDay, ItemSet>);

impl Impressions {
    /// Adds items; those that are there already change nothing.
    pub fn add(&mut self, of: ImpressionDay, items: impl IntoIterator<Item = ItemDigest>) {
        self.0.entry(of).or_default().extend(items);
    }

    /// Adds all of others.
    pub fn merge(&mut self, others: Self) {
        for (of, items) in others.0 {
            self.add(of, items.iter());
        }
    }

    /// The same as of one user.
    #[must_use]
    pub fn of_user(self, user: &Pseudonym) -> Self {
        let mut of_user = Self::default();
        for (of, items) in self.0 {
            let by = MarkedBy { user: user.clone(), ..of.by };
            of_user.add(ImpressionDay { by, ..of }, items.iter());
        }
        of_user
    }

    /// Those that something lets through.
    #[must_use]
    pub fn only(&self, admits: impl Fn(&MarkedBy) -> bool) -> Self {
        let admitted = self.0.iter().filter(|(of, _)| admits(&of.by));
        Self(admitted.map(|(of, items)| (of.clone(), items.clone())).collect())
    }

    /// The sets, by whose they are and of which day.
    pub fn sets(&self) -> impl Iterator<Item = (&ImpressionDay, &ItemSet)> {
        self.0.iter()
    }

    /// How many items there are, each once for each day.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.values().map(ItemSet::len).sum()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.values().all(ItemSet::is_empty)
    }

    /// Forgets what was shown on the platform of a domain, and items of the domain.
    pub fn forget(&mut self, domain: &DomainId) {
        self.0.retain(|of, _| of.by.domain != *domain && of.by.by_domain != *domain);
    }

    /// On how many of some days each item was shown after it was last taken, in order of digests. A
    /// day on which it was taken counts for nothing.
    #[must_use]
    pub fn days_shown(&self, (first, last): (Date, Date)) -> BTreeMap<ItemDigest, usize> {
        let mut taken: BTreeMap<ItemDigest, Date> = BTreeMap::new();
        let within = || self.0.iter().filter(|(of, _)| (first..=last).contains(&of.day));
        for (of, items) in within().filter(|(of, _)| of.exposure == Exposure::Taken) {
            for item in items.iter() {
                let last = taken.entry(item).or_insert(of.day);
                *last = (*last).max(of.day);
            }
        }
        let mut shown: BTreeMap<ItemDigest, usize> = BTreeMap::new();
        for (of, items) in within().filter(|(of, _)| of.exposure == Exposure::Shown) {
            for item in items.iter() {
                if taken.get(&item).is_none_or(|taken| of.day > *taken) {
                    *shown.entry(item).or_default() += 1;
                }
            }
        }
        shown
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::ItemId;

    fn digest(name: &str) -> ItemDigest {
        ItemDigest::of(&ItemId::parse(name).unwrap())
    }

    fn of(day: &str, exposure: Exposure) -> ImpressionDay {
        let [by_domain, domain] = ["shop", "cinema"].map(|name| DomainId::parse(name).unwrap());
        let by = MarkedBy { user: Pseudonym::parse("v1_u").unwrap(), by_domain, domain };
        ImpressionDay { by, day: day.parse().unwrap(), exposure }
    }

    #[test]
    fn days_count_once_within_the_window_and_after_an_item_was_taken() {
        let mut shown = Impressions::default();
        for day in ["2026-03-01", "2026-03-02", "2026-03-03", "2026-03-04"] {
            shown.add(of(day, Exposure::Shown), [digest("a"), digest("b"), digest("a")]);
        }
        shown.add(of("2026-03-02", Exposure::Taken), [digest("b")]);
        let window = |first: &str| (first.parse().unwrap(), "2026-03-03".parse().unwrap());
        let days = |first| {
            let days = shown.days_shown(window(first));
            [days.get(&digest("a")).copied(), days.get(&digest("b")).copied()]
        };
        assert_eq!(days("2026-03-01"), [Some(3), Some(1)]);
        assert_eq!(days("2026-03-03"), [Some(1), Some(1)]);
    }

    #[test]
    fn what_is_forgotten_is_of_the_domain_or_was_shown_on_it() {
        for (gone, left) in [("shop", 0), ("cinema", 0), ("books", 1)] {
            let mut shown = Impressions::default();
            shown.add(of("2026-03-01", Exposure::Shown), [digest("a")]);
            shown.forget(&DomainId::parse(gone).unwrap());
            assert_eq!((shown.len(), shown.is_empty()), (left, left == 0));
        }
    }
}
