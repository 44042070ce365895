//! People's items in the order of time.

/// What each person did, oldest first; people of any number of items, one after another.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sequences {
    ends: Vec<usize>,
    items: Vec<u32>,
}

impl Sequences {
    /// Adds a person.
    pub fn push(&mut self, items: &[u32]) {
        self.items.extend_from_slice(items);
        self.ends.push(self.items.len());
    }

    /// How many people there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether nobody is there.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// A person's items, oldest first; none of a person who is not there.
    #[must_use]
    pub fn of(&self, person: usize) -> &[u32] {
        let Some(&end) = self.ends.get(person) else { return &[] };
        let start = if person == 0 { 0 } else { self.ends[person - 1] };
        &self.items[start..end]
    }

    /// The people, in order.
    pub fn iter(&self) -> impl Iterator<Item = &[u32]> {
        (0..self.len()).map(|person| self.of(person))
    }

    /// All items, person by person.
    #[must_use]
    pub fn items(&self) -> &[u32] {
        &self.items
    }
}

impl<'a> FromIterator<&'a [u32]> for Sequences {
    fn from_iter<I: IntoIterator<Item = &'a [u32]>>(people: I) -> Self {
        let mut sequences = Self::default();
        people.into_iter().for_each(|items| sequences.push(items));
        sequences
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_keep_their_items_whatever_their_number() {
        let sequences: Sequences = [&[3, 1][..], &[], &[2]].into_iter().collect();
        assert_eq!(sequences.len(), 3);
        assert_eq!(sequences.iter().collect::<Vec<_>>(), [&[3, 1][..], &[], &[2]]);
        assert_eq!((sequences.of(2), sequences.of(3)), (&[2][..], &[][..]));
        assert_eq!(sequences.items(), [3, 1, 2]);
        assert!(Sequences::default().is_empty());
    }
}
