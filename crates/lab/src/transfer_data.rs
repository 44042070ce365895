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
struct LinkedPerson {
    user: String,
    source: Vec<(u32, f32)>,
    target: Vec<(u32, f32)>,
}

/// Both domains: source items first, then target items. People are rows, in the order
/// of their ids.
#[derive(Clone)]
pub(crate) struct TransferData {
    people: Vec<LinkedPerson>,
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
        let direction =
            Direction { from: DomainId::parse("source")?, to: DomainId::parse("target")? };
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
        let rows = self.people.iter().enumerate().map(|(row, person)| {
            let mut entries = person.source.clone();
            if has_target(row) {
                entries.extend(&person.target);
            }
            entries
        });
        SparseRows::from_rows(self.ranges.items(), rows)
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
