//! Rows of item tables, with names: a row of the model, a row within a domain,
//! and which rows a domain has.
//!
//! A model's tables hold the items of all domains, each domain's together. What
//! one domain ranks is numbered from its own first item. The two numberings are
//! types of their own here; mathematics ([`crate::maths`]) knows columns alone,
//! and what goes there is `row.0`.

use std::ops::{Index, Range};

use serde::{Deserialize, Serialize};

use crate::entities::ids::DomainId;
use crate::maths::sparse::{SparseRows, entries_within};

/// An item's row in a model's tables, over all domains; a column of the joint matrix.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Row(pub u32);

impl Row {
    /// Its place in a slice that has an element for each row.
    #[must_use]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// An item's row within its domain: 0 for the domain's first item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct LocalRow(pub u32);

impl LocalRow {
    /// Its place in a slice that has an element for each row of the domain.
    #[must_use]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// An interaction of a person: an item and how much is known by it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Weighted {
    /// The item.
    pub row: Row,
    /// The confidence: above 0 that the person likes the item, below 0 that they
    /// dislike it.
    pub confidence: f32,
    /// How far back it stands in the order of what the person did: 0 for the newest. What
    /// is of one instant shares a place, and so does everything where no order is known.
    /// Only which of two is greater tells anything: see [`crate::evidence::order`].
    pub place: u16,
}

/// An item that a person likes, within its domain.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Liked {
    /// The item.
    pub item: LocalRow,
    /// The confidence, above 0.
    pub confidence: f32,
    /// As [`Weighted::place`].
    pub place: u16,
}

impl Weighted {
    /// An interaction with an item; nothing is said of when.
    #[must_use]
    pub fn new(row: Row, confidence: f32) -> Self {
        Self { row, confidence, place: 0 }
    }

    /// The same, so far back.
    #[must_use]
    pub fn at(self, place: u16) -> Self {
        Self { place, ..self }
    }

    /// Whether it tells for the item.
    #[must_use]
    pub fn is_liked(&self) -> bool {
        self.confidence > 0.0
    }

    /// The interactions of a row of the joint matrix.
    ///
    /// # Panics
    /// When the matrix has no such row.
    #[must_use]
    pub fn of_person(matrix: &SparseRows, person: usize) -> Vec<Self> {
        let (columns, confidences) = matrix.row(person);
        let places = matrix.places(person);
        let entries = columns.iter().zip(confidences).enumerate();
        let known = |(at, (&column, &confidence)): (usize, (&u32, &f32))| {
            let place = places.map_or(0, |places| places[at]);
            Self::new(Row(column), confidence).at(place)
        };
        entries.map(known).collect()
    }
}

/// As the entry of a matrix: column and value.
impl From<Weighted> for (u32, f32) {
    fn from(interaction: Weighted) -> Self {
        (interaction.row.0, interaction.confidence)
    }
}

/// A domain's rows in a model's tables: one after another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DomainRows {
    /// The domain.
    pub domain: DomainId,
    /// Its rows, as positions in a table of all domains.
    pub range: Range<usize>,
}

impl DomainRows {
    /// How many items the domain has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.range.len()
    }

    /// Whether it has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.range.is_empty()
    }

    /// Whether a row is one of the domain's.
    #[must_use]
    pub fn contains(&self, row: Row) -> bool {
        self.range.contains(&row.index())
    }

    /// The row within the domain; `None` for an item of another.
    #[must_use]
    pub fn local(&self, row: Row) -> Option<LocalRow> {
        self.contains(row).then(|| LocalRow((row.index() - self.range.start) as u32))
    }

    /// The row in the model of one of the domain's items.
    ///
    /// # Panics
    /// In debug builds, when the domain has fewer items.
    #[must_use]
    pub fn row(&self, local: LocalRow) -> Row {
        debug_assert!(local.index() < self.len(), "{local:?} of {self:?}");
        Row(self.range.start as u32 + local.0)
    }

    /// The domain's rows, in order.
    pub fn rows(&self) -> impl Iterator<Item = Row> + use<> {
        self.range.clone().map(|row| Row(row as u32))
    }

    /// What a person did in the domain: items, ascending, and confidences.
    ///
    /// # Panics
    /// When the matrix has no such person.
    #[must_use]
    pub fn entries_of<'a>(&self, matrix: &'a SparseRows, person: usize) -> (&'a [u32], &'a [f32]) {
        entries_within(matrix, person, &self.range)
    }

    /// What a person did in the domain, as evidence.
    ///
    /// # Panics
    /// When the matrix has no such person.
    #[must_use]
    pub fn interactions_of(&self, matrix: &SparseRows, person: usize) -> Vec<Weighted> {
        self.within(&Weighted::of_person(matrix, person))
    }

    /// Whether a person did anything in the domain.
    ///
    /// # Panics
    /// When the matrix has no such person.
    #[must_use]
    pub fn is_used_by(&self, matrix: &SparseRows, person: usize) -> bool {
        !self.entries_of(matrix, person).0.is_empty()
    }

    /// Those of a person's interactions that are in the domain.
    #[must_use]
    pub fn within(&self, interactions: &[Weighted]) -> Vec<Weighted> {
        interactions.iter().filter(|interaction| self.contains(interaction.row)).copied().collect()
    }

    /// The items of the domain that interactions tell for, in the order of the slice.
    #[must_use]
    pub fn liked(&self, interactions: &[Weighted]) -> Vec<Liked> {
        let liked = interactions.iter().filter(|interaction| interaction.is_liked());
        let local = |known: &Weighted| {
            let Weighted { row, confidence, place } = *known;
            Some(Liked { item: self.local(row)?, confidence, place })
        };
        liked.filter_map(local).collect()
    }
}

/// The rows of each domain in a table of items, in order of domain and of row.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DomainRanges {
    domains: Vec<DomainRows>,
}

/// A domain with its rows.
type Entry<'a> = (&'a DomainId, &'a DomainRows);

impl DomainRanges {
    /// The rows of a domain, if it has any.
    #[must_use]
    pub fn get(&self, domain: &DomainId) -> Option<&DomainRows> {
        self.place(domain).map(|at| &self.domains[at])
    }

    /// The place of a domain among all.
    #[must_use]
    pub fn place(&self, domain: &DomainId) -> Option<usize> {
        self.domains.binary_search_by(|rows| rows.domain.cmp(domain)).ok()
    }

    /// Each domain with its rows.
    pub fn iter(&self) -> impl Iterator<Item = Entry<'_>> + Clone {
        self.into_iter()
    }

    /// The domains.
    pub fn keys(&self) -> impl Iterator<Item = &DomainId> + Clone {
        self.domains.iter().map(|rows| &rows.domain)
    }

    /// The rows of each domain.
    pub fn values(&self) -> std::slice::Iter<'_, DomainRows> {
        self.domains.iter()
    }

    /// How many domains there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.domains.len()
    }

    /// Whether there is no domain.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.domains.is_empty()
    }

    /// How many items all domains have.
    #[must_use]
    pub fn items(&self) -> usize {
        self.domains.last().map_or(0, |rows| rows.range.end)
    }

    /// The domains that a person did anything in, by their place among all. Costs
    /// as much as the person has domains, however many there are.
    ///
    /// # Panics
    /// When the matrix has no such person.
    #[must_use]
    pub fn domains_of(&self, matrix: &SparseRows, person: usize) -> Vec<usize> {
        let (columns, _) = matrix.row(person);
        let (mut domains, mut next) = (Vec::new(), 0);
        while let Some(&column) = columns.get(next) {
            let at = self.domains.partition_point(|rows| rows.range.end <= column as usize);
            let Some(rows) = self.domains.get(at) else { break };
            debug_assert!(rows.contains(Row(column)), "column {column} belongs to no domain");
            domains.push(at);
            let is_inside = |column: &u32| (*column as usize) < rows.range.end;
            next += columns[next..].partition_point(is_inside);
        }
        domains
    }

    /// The people who did anything in each domain, in order of domain: rows of the
    /// matrix, ascending.
    #[must_use]
    pub fn people(&self, matrix: &SparseRows) -> Vec<Vec<u32>> {
        let mut people = vec![Vec::new(); self.len()];
        for person in 0..matrix.rows() {
            let domains = self.domains_of(matrix, person);
            domains.into_iter().for_each(|at| people[at].push(person as u32));
        }
        people
    }
}

impl Index<&DomainId> for DomainRanges {
    type Output = DomainRows;

    /// # Panics
    /// When there is no such domain.
    fn index(&self, domain: &DomainId) -> &DomainRows {
        match self.get(domain) {
            Some(rows) => rows,
            None => panic!("{domain} has no rows"),
        }
    }
}

impl<'a> IntoIterator for &'a DomainRanges {
    type Item = Entry<'a>;
    type IntoIter = std::iter::Map<std::slice::Iter<'a, DomainRows>, fn(&DomainRows) -> Entry<'_>>;

    fn into_iter(self) -> Self::IntoIter {
        self.domains.iter().map(|rows| (&rows.domain, rows))
    }
}

impl FromIterator<(DomainId, Range<usize>)> for DomainRanges {
    /// The ranges are to ascend with their domains and not to overlap.
    fn from_iter<T: IntoIterator<Item = (DomainId, Range<usize>)>>(ranges: T) -> Self {
        let rows = |(domain, range): (DomainId, Range<usize>)| DomainRows { domain, range };
        let mut domains: Vec<DomainRows> = ranges.into_iter().map(rows).collect();
        domains.sort_by(|a, b| a.domain.cmp(&b.domain));
        debug_assert!(
            domains.is_sorted_by(|a, b| a.range.end <= b.range.start && a.domain < b.domain),
            "domains stand once, and their rows ascend and do not overlap: {domains:?}"
        );
        Self { domains }
    }
}

impl<const N: usize> From<[(DomainId, Range<usize>); N]> for DomainRanges {
    fn from(ranges: [(DomainId, Range<usize>); N]) -> Self {
        ranges.into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ranges() -> DomainRanges {
        let domain = |name: &str| DomainId::parse(name).unwrap();
        DomainRanges::from([(domain("a"), 0..3), (domain("b"), 3..7), (domain("c"), 7..9)])
    }

    #[test]
    fn a_row_is_local_to_its_own_domain_alone() {
        let ranges = ranges();
        let b = &ranges[&DomainId::parse("b").unwrap()];
        assert_eq!((b.len(), ranges.len(), ranges.items()), (4, 3, 9));
        for row in (0..9).map(Row) {
            let local = b.local(row);
            assert_eq!(local.is_some(), b.contains(row));
            assert_eq!(local.map(|local| b.row(local)), local.map(|_| row));
        }
        assert_eq!(b.local(Row(3)), Some(LocalRow(0)));
        assert_eq!(ranges.get(&DomainId::parse("d").unwrap()), None);
    }

    proptest! {
        #[test]
        fn a_persons_domains_are_those_with_an_entry(
            columns in proptest::collection::btree_set(0u32..9, 0..9),
        ) {
            let ranges = ranges();
            let row = columns.iter().map(|&column| (column, 1.0)).collect();
            let matrix = SparseRows::from_rows(9, [row]);
            let expected: Vec<usize> = ranges
                .values()
                .enumerate()
                .filter(|(_, rows)| rows.is_used_by(&matrix, 0))
                .map(|(at, _)| at)
                .collect();
            prop_assert_eq!(ranges.domains_of(&matrix, 0), expected);
        }
    }
}
