//! Two domains with the same people, read from files.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Result, bail};
use crossfold_core::entities::ids::DomainId;
use crossfold_core::evidence::items::DomainRanges;
use crossfold_core::maths::sparse::SparseRows;
use crossfold_core::model::bridges::Direction;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::data_set::{Numbering, Pairs, read_pairs};

/// What somebody has in both domains.
#[derive(Clone)]
pub(crate) struct LinkedPerson {
    pub(crate) user: String,
    pub(crate) source: Vec<(u32, f32)>,
    pub(crate) target: Vec<(u32, f32)>,
}

/// One of the two domains.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Source,
    Target,
}

/// Both domains: source items first, then target items. People are rows, in the order
/// of their ids.
#[derive(Clone)]
pub(crate) struct TransferData {
    pub(crate) people: Vec<LinkedPerson>,
    pub(crate) ranges: DomainRanges,
    pub(crate) direction: Direction,
}

impl TransferData {
    /// Reads both files.
    ///
    /// # Errors
    /// When one cannot be read, or nobody is in both.
    pub(crate) fn read(source: &Path, target: &Path) -> Result<Self> {
        let (source, target) = (read_pairs(source)?, read_pairs(target)?);
        let (mut source_numbers, mut target_numbers) = (Numbering::default(), Numbering::default());
        // In order of ids, as a run numbers them: a fit then begins with the same factors.
        let in_order = |pairs: &Pairs, numbers: &mut Numbering| {
            let items: BTreeSet<&String> = pairs.values().flatten().collect();
            items.into_iter().for_each(|item| _ = numbers.number(item));
        };
        in_order(&source, &mut source_numbers);
        // Items that only held-out people have are numbered too: they are relevant, and missed.
        in_order(&target, &mut target_numbers);
        let offset = source_numbers.len();
        let users: BTreeSet<&String> = source.keys().chain(target.keys()).collect();
        let entries = |pairs: &Pairs, user: &String, numbers: &Numbering, offset: usize| {
            let items = pairs.get(user).into_iter().flatten();
            items.filter_map(|item| Some((numbers.find(item)? + offset as u32, 1.0))).collect()
        };
        let person = |user: &String| LinkedPerson {
            user: user.clone(),
            source: entries(&source, user, &source_numbers, 0),
            target: entries(&target, user, &target_numbers, offset),
        };
        let direction = Direction { from: Self::domain("source"), to: Self::domain("target") };
        let ranges = DomainRanges::from([
            (direction.from.clone(), 0..offset),
            (direction.to.clone(), offset..offset + target_numbers.len()),
        ]);
        let data = Self { people: users.into_iter().map(person).collect(), ranges, direction };
        if data.linked().is_empty() {
            bail!("nobody is in both files: user ids must be the same in both");
        }
        Ok(data)
    }

    /// A domain by its name here.
    pub(crate) fn domain(name: &'static str) -> DomainId {
        match DomainId::parse(name) {
            Ok(domain) => domain,
            Err(_) => unreachable!("{name} is well formed"),
        }
    }

    /// How many people there are.
    pub(crate) fn people(&self) -> usize {
        self.people.len()
    }

    /// The people who have both domains.
    pub(crate) fn linked(&self) -> Vec<usize> {
        let has_both =
            |person: &LinkedPerson| !person.source.is_empty() && !person.target.is_empty();
        (0..self.people.len()).filter(|row| has_both(&self.people[*row])).collect()
    }

    /// For each person, whether their id is among these.
    pub(crate) fn are_among(&self, users: &BTreeSet<String>) -> Vec<bool> {
        self.people.iter().map(|person| users.contains(&person.user)).collect()
    }

    /// The joint matrix, with the target history of some people.
    pub(crate) fn matrix(&self, has_target: impl Fn(usize) -> bool) -> SparseRows {
        self.matrix_without(|row| (!has_target(row)).then_some(Side::Target))
    }

    /// The joint matrix, without what some people did on one side.
    pub(crate) fn matrix_without(&self, hidden: impl Fn(usize) -> Option<Side>) -> SparseRows {
        let rows = self.people.iter().enumerate().map(|(row, person)| {
            let hidden = hidden(row);
            let is_there = |side: Side| hidden != Some(side);
            let source = person.source.iter().filter(|_| is_there(Side::Source));
            source.chain(person.target.iter().filter(|_| is_there(Side::Target))).copied().collect()
        });
        SparseRows::from_rows(self.ranges.items(), rows)
    }

    /// The same with only these people linked, each other one as two people of one domain
    /// each; and what is hidden of whom, by their new rows.
    pub(crate) fn with_links_of(
        &self,
        linked: &[usize],
        hidden: &[Option<Side>],
    ) -> (Self, Vec<Option<Side>>) {
        let mut is_linked = vec![false; self.people.len()];
        linked.iter().for_each(|row| is_linked[*row] = true);
        let mut thinned = Self { people: Vec::new(), ..self.clone() };
        let mut hidden_now = Vec::new();
        for (row, person) in self.people.iter().enumerate() {
            let LinkedPerson { user, source, target } = person.clone();
            let has_both = !source.is_empty() && !target.is_empty();
            if is_linked[row] || !has_both {
                thinned.people.push(person.clone());
                hidden_now.push(hidden[row]);
                continue;
            }
            let (here, there) = (user.clone() + " here", user + " there");
            thinned.people.push(LinkedPerson { user: here, source, target: Vec::new() });
            thinned.people.push(LinkedPerson { user: there, source: Vec::new(), target });
            hidden_now.extend([None, None]);
        }
        (thinned, hidden_now)
    }

    /// The same with every source history given to another, random person (Sattolo's
    /// algorithm: nobody keeps their own).
    pub(crate) fn with_shuffled_links(&self, seed: u64) -> Self {
        let mut shuffled = self.clone();
        let has_source = |row: &usize| !self.people[*row].source.is_empty();
        let rows: Vec<usize> = (0..self.people.len()).filter(has_source).collect();
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        for at in (1..rows.len()).rev() {
            let other = rows[rng.random_range(0..at)];
            let taken = std::mem::take(&mut shuffled.people[rows[at]].source);
            shuffled.people[rows[at]].source =
                std::mem::replace(&mut shuffled.people[other].source, taken);
        }
        shuffled
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::planted_world::{PlantedWorld, planted};

    #[test]
    fn whose_link_is_cut_is_two_people_and_nothing_that_anyone_did_is_lost() {
        let whole = planted(PlantedWorld { linked: 20, in_common: 1.0, seed: 1 });
        let kept: Vec<usize> = whole.linked().into_iter().take(5).collect();
        let mut hidden = vec![None; whole.people()];
        hidden[kept[2]] = Some(Side::Target);
        let (thinned, hidden) = whole.with_links_of(&kept, &hidden);
        assert_eq!(thinned.linked().len(), 5);
        assert_eq!(thinned.people(), whole.people() + 15);
        let entries = |data: &TransferData| data.matrix_without(|_| None).entries();
        assert_eq!(entries(&thinned), entries(&whole));
        let rows: Vec<usize> = (0..thinned.people()).filter(|row| hidden[*row].is_some()).collect();
        assert_eq!(rows.len(), 1);
        assert_eq!(thinned.people[rows[0]].user, whole.people[kept[2]].user);
        let without = thinned.matrix_without(|row| hidden[row]);
        let lost = thinned.people[rows[0]].target.len();
        assert_eq!(without.entries() + lost, entries(&thinned));
    }
}
