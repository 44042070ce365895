//! Popularity: what share of a domain's people took an item, of late.
//!
//! People count as much as the age of what they did leaves: an item's popularity is the
//! sum over those who like it of the recency of what they did with it, over the sum over
//! all people of the domain of the recency of the newest thing they did. Where nothing
//! ages, it is the plain share of the people. So popularity decays as evidence does,
//! and what all took long ago stands behind what many take now.
//!
//! Beside it stands what is popular just now: the share of the people who liked anything
//! in the last seven days of the domain who took the item then. It knows a
//! fashion, and forgets everything before.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::entities::consent::ConsentedHistory;
use crate::entities::definition::Definitions;
use crate::entities::ids::DomainId;
use crate::evidence::ageing::NewestEvidence;
use crate::evidence::items::{ItemIndex, Weighted};

/// Days before the newest evidence of a domain within which an item was taken just now.
pub(crate) const RECENT_DAYS: u16 = 7;

/// How popular each item is, and how many people that was drawn from.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Popularity {
    /// By row, 0 to 1.
    pub(crate) shares: Vec<f32>,
    /// Just now, by row, 0 to 1.
    pub(crate) recent: Vec<f32>,
    /// People with an interaction, by domain.
    pub(crate) people: BTreeMap<DomainId, PeopleOfDomain>,
}

/// The people with an interaction in a domain.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct PeopleOfDomain {
    /// How many they are.
    pub count: u64,
    /// The sum of what the age of the newest thing that each did leaves, 0 to 1 each: what
    /// popularity is a share of. Absent in models of before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight: Option<f64>,
}

/// What of a person's doing popularity is counted by.
#[derive(Clone, Copy)]
pub(crate) struct Taken {
    known: Weighted,
    /// What the age of its newest event leaves, 0 to 1.
    recency: f32,
    /// Whether that event is of the last [`RECENT_DAYS`] days.
    is_recent: bool,
}

/// Each of a person's `interactions`, which ascend, by its newest event.
pub(crate) fn taken(
    history: &ConsentedHistory,
    interactions: &[Weighted],
    (index, definitions, newest): (&ItemIndex, &Definitions, &NewestEvidence),
) -> Vec<Taken> {
    let mut taken: Vec<Option<Taken>> = vec![None; interactions.len()];
    // Newest first: the first of an item is its newest.
    for event in history.events() {
        let Some(definition) = definitions.get(&event.domain) else { continue };
        let Some(row) = index.row(&(event.domain.clone(), event.item_id.clone())) else {
            continue;
        };
        if let Ok(at) = interactions.binary_search_by_key(&row, |known| known.row) {
            taken[at].get_or_insert_with(|| Taken {
                known: interactions[at],
                recency: newest.recency(event, definition.half_life_days),
                is_recent: newest.is_within(event, RECENT_DAYS),
            });
        }
    }
    taken.into_iter().flatten().collect()
}

/// The people of a domain.
#[derive(Clone, Copy, Default)]
struct PeopleCount {
    weight: f64,
    count: u64,
    /// Those who took something just now.
    recent: u64,
}

/// Counts people.
pub(crate) struct PopularityCount<'a> {
    index: &'a ItemIndex,
    /// By row; double, so that the order of many people hardly matters.
    sums: Vec<f64>,
    /// By row: people who like it and took it just now.
    recent: Vec<u32>,
    /// By place of the domain: its people.
    people: Vec<PeopleCount>,
}

impl<'a> PopularityCount<'a> {
    /// Of these items; nobody yet.
    pub(crate) fn new(index: &'a ItemIndex) -> Self {
        let people = vec![PeopleCount::default(); index.ranges().len()];
        Self { index, sums: vec![0.0; index.len()], recent: vec![0; index.len()], people }
    }

    /// Adds a person, or the part of one that may be known together, by the
    /// items that they have [`taken`] but for those `left_out`.
    pub(crate) fn add(&mut self, taken: &[Taken], left_out: &[u32]) {
        for (place, rows) in self.index.ranges().values().enumerate() {
            let (mut most, mut is_recent): (Option<f32>, bool) = (None, false);
            for Taken { known, recency, is_recent: is_of_now } in taken {
                if !rows.contains(known.row) || left_out.contains(&known.row.0) {
                    continue;
                }
                if known.is_liked() {
                    self.sums[known.row.index()] += f64::from(*recency);
                    self.recent[known.row.index()] += u32::from(*is_of_now);
                    is_recent |= is_of_now;
                }
                most = Some(most.map_or(*recency, |most| most.max(*recency)));
            }
            if let Some(most) = most {
                let people = &mut self.people[place];
                people.weight += f64::from(most);
                people.count += 1;
                people.recent += u64::from(is_recent);
            }
        }
    }

    /// What was counted.
    pub(crate) fn finish(self) -> Popularity {
        let Self { index, mut sums, recent, people } = self;
        let mut recent: Vec<f64> = recent.into_iter().map(f64::from).collect();
        let mut by_domain = BTreeMap::new();
        for ((domain, rows), people) in index.ranges().iter().zip(people) {
            let divide = |sums: &mut [f64], by: f64| {
                if by > 0.0 {
                    sums[rows.range.clone()].iter_mut().for_each(|sum| *sum /= by);
                }
            };
            divide(&mut sums, people.weight);
            divide(&mut recent, people.recent as f64);
            let PeopleCount { count, weight, .. } = people;
            by_domain.insert(domain.clone(), PeopleOfDomain { count, weight: Some(weight) });
        }
        let shares = |sums: Vec<f64>| -> Vec<f32> {
            sums.into_iter().map(|sum| sum.clamp(0.0, 1.0) as f32).collect()
        };
        Popularity { shares: shares(sums), recent: shares(recent), people: by_domain }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entities::consent::{ConsentContext, ConsentLedger};
    use crate::entities::event::Event;
    use crate::entities::history::History;
    use crate::evidence::confidences::confidences;
    use crossfold_testing::{at, definition, domain, event_at, event_id, item, item_key};

    const DAY: i64 = 86_400;

    /// The popularity of the items `new` and `old` where people took them so many days ago.
    fn popularity(people: &[&[(&str, i64)]]) -> Popularity {
        let now = 4_000;
        let definitions = Definitions::from([(domain("knowledge"), definition())]);
        let index = ItemIndex::new(["new", "old"].map(|id| item_key("knowledge", id)).into());
        let histories: Vec<ConsentedHistory> = people
            .iter()
            .map(|events| {
                let event = |(number, (id, days)): (usize, &(&str, i64))| Event {
                    event_id: event_id(&format!("e{number}")),
                    item_id: item(id),
                    ..event_at((now - days) * DAY)
                };
                let events = events.iter().enumerate().map(event).collect();
                let ledger = ConsentLedger::default();
                let context =
                    ConsentContext { ledger: &ledger, definitions: &definitions, now: at(0) };
                ConsentedHistory::for_training(&History::new(events, []), context).remove(0)
            })
            .collect();
        let newest = NewestEvidence::of(histories.iter().flat_map(|history| history.events()));
        let mut count = PopularityCount::new(&index);
        for history in &histories {
            let known = index.rows_of(&confidences(history, &definitions, &newest));
            count.add(&taken(history, &known, (&index, &definitions, &newest)), &[]);
        }
        count.finish()
    }

    #[test]
    fn where_nothing_ages_it_is_the_share_of_the_people() {
        let counted = popularity(&[&[("old", 9), ("old", 9)], &[("old", 9), ("new", 9)]]);
        assert_eq!(counted.shares, [0.5, 1.0]);
        let people = PeopleOfDomain { count: 2, weight: Some(2.0) };
        assert_eq!(counted.people[&domain("knowledge")], people);
    }

    #[test]
    fn what_many_take_now_stands_before_what_more_took_long_ago() {
        let (old, new) = ([("old", 600i64)], [("new", 3i64)]);
        let mut people: Vec<&[(&str, i64)]> = vec![&old; 100];
        people.extend(vec![&new[..]; 60]);
        let counted = popularity(&people);
        assert!(counted.shares[0] > counted.shares[1], "{counted:?}");
        assert!(counted.shares.iter().all(|share| (0.0..=1.0).contains(share)));
        // Alone, what is old is as popular as ever.
        assert_eq!(popularity(&[&old, &old]).shares, [0.0, 1.0]);
    }

    #[test]
    fn people_weigh_what_their_age_leaves_and_an_item_is_a_share_of_that() {
        let (old, new) = ([("old", 720i64)], [("new", 0i64)]);
        let mut people: Vec<&[(&str, i64)]> = vec![&old; 160];
        people.extend(vec![&new[..]; 5]);
        let counted = popularity(&people);
        let PeopleOfDomain { count, weight } = counted.people[&domain("knowledge")];
        // Four half-lives leave a sixteenth.
        assert_eq!((count, weight.map(f64::round)), (165, Some(15.0)));
        let took_new = f64::from(counted.shares[0]) * weight.unwrap();
        assert!((took_new - 5.0).abs() < 1e-4, "five people took the new one: {took_new}");
    }

    #[test]
    fn just_now_only_the_last_days_count_and_only_their_people() {
        let people: [&[(&str, i64)]; 4] =
            [&[("old", 90)], &[("old", 8), ("new", 6)], &[("new", 0)], &[("old", 3)]];
        assert_eq!(popularity(&people).recent, [2.0 / 3.0, 1.0 / 3.0]);
        // Counted back from the newest evidence: what happened alone happened just now.
        assert_eq!(popularity(&[&[("old", 900)]]).recent, [0.0, 1.0]);
    }

    #[test]
    fn an_item_counts_by_the_newest_that_was_done_with_it() {
        let counted = popularity(&[&[("old", 720), ("old", 0)], &[("new", 180)]]);
        assert_eq!(counted.shares, [1.0 / 3.0, 2.0 / 3.0]);
    }
}
