//! A mask: one bit a row, in words of 64.
//!
//! Row `i` is bit `i % 64`, the lowest first, of word `i / 64`. Bits behind the last row are
//! never set, so that words can be counted and combined as they are.

/// Rows in a word.
pub const WORD_ROWS: usize = 64;

/// Which of so many rows are chosen.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct BitMask {
    words: Vec<u64>,
    len: usize,
}

impl BitMask {
    /// A mask of `len` rows of which none is set.
    #[must_use]
    pub fn new(len: usize) -> Self {
        Self { words: vec![0; len.div_ceil(WORD_ROWS)], len }
    }

    /// A mask of `len` rows which all are set.
    #[must_use]
    pub fn full(len: usize) -> Self {
        Self::from_words(vec![u64::MAX; len.div_ceil(WORD_ROWS)], len)
    }

    /// A mask of `len` rows from its words. Words that are lacking are zeros; what lies
    /// behind the last row is dropped.
    #[must_use]
    pub fn from_words(mut words: Vec<u64>, len: usize) -> Self {
        words.resize(len.div_ceil(WORD_ROWS), 0);
        let rest = len % WORD_ROWS;
        if rest > 0
            && let Some(last) = words.last_mut()
        {
            *last &= (1 << rest) - 1;
        }
        Self { words, len }
    }

    /// How many rows it is of, set or not.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether it is of no row at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Its words; bits behind the last row are zeros.
    #[must_use]
    pub fn words(&self) -> &[u64] {
        &self.words
    }

    /// Whether a row is set. No row behind the last one is.
    #[must_use]
    pub fn get(&self, row: usize) -> bool {
        self.words.get(row / WORD_ROWS).is_some_and(|word| word >> (row % WORD_ROWS) & 1 == 1)
    }

    /// Sets a row, or clears it.
    ///
    /// # Panics
    /// Where there is no such row: when `row` is not less than [`Self::len`].
    pub fn set(&mut self, row: usize, is_set: bool) {
        assert!(row < self.len, "row {row} of a mask of {}", self.len);
        let bit = 1 << (row % WORD_ROWS);
        if is_set {
            self.words[row / WORD_ROWS] |= bit;
        } else {
            self.words[row / WORD_ROWS] &= !bit;
        }
    }

    /// Clears what `other` has not set. A shorter mask has set nothing behind its end.
    pub fn and(&mut self, other: &Self) {
        let others = other.words.iter().copied().chain(std::iter::repeat(0));
        for (word, other) in self.words.iter_mut().zip(others) {
            *word &= other;
        }
    }

    /// How many rows are set.
    #[must_use]
    pub fn count_ones(&self) -> usize {
        self.words.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// The rows that are set, in ascending order.
    pub fn ones(&self) -> impl Iterator<Item = usize> + '_ {
        let words = self.words.iter().enumerate();
        words.flat_map(|(at, word)| ones_of(*word).map(move |bit| at * WORD_ROWS + bit))
    }
}

impl std::fmt::Debug for BitMask {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} of {}: ", self.count_ones(), self.len)?;
        f.debug_set().entries(self.ones()).finish()
    }
}

impl FromIterator<bool> for BitMask {
    fn from_iter<I: IntoIterator<Item = bool>>(rows: I) -> Self {
        let (mut words, mut len) = (Vec::new(), 0);
        for is_set in rows {
            if len % WORD_ROWS == 0 {
                words.push(0);
            }
            if let Some(last) = words.last_mut() {
                *last |= u64::from(is_set) << (len % WORD_ROWS);
            }
            len += 1;
        }
        Self { words, len }
    }
}

/// The bits that are set in a word, the lowest first.
pub(super) fn ones_of(mut word: u64) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let bit = (word != 0).then(|| word.trailing_zeros() as usize)?;
        word &= word - 1;
        Some(bit)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_mask_has_what_was_set(rows in prop::collection::vec(any::<bool>(), 0..200)) {
            let mask: BitMask = rows.iter().copied().collect();
            prop_assert_eq!(mask.len(), rows.len());
            prop_assert_eq!(mask.is_empty(), rows.is_empty());
            prop_assert_eq!(mask.count_ones(), rows.iter().filter(|row| **row).count());
            let ones: Vec<usize> = (0..rows.len()).filter(|row| rows[*row]).collect();
            prop_assert_eq!(mask.ones().collect::<Vec<_>>(), ones);
            let mut one_by_one = BitMask::full(rows.len());
            for (row, is_set) in rows.iter().enumerate() {
                prop_assert_eq!(mask.get(row), *is_set);
                one_by_one.set(row, *is_set);
            }
            prop_assert_eq!(&one_by_one, &mask);
            prop_assert_eq!(BitMask::from_words(mask.words().to_vec(), rows.len()), mask);
        }

        #[test]
        fn and_keeps_what_both_have(
            pairs in prop::collection::vec(any::<(bool, bool)>(), 0..200), shorter in 0_usize..200,
        ) {
            let mut left: BitMask = pairs.iter().map(|pair| pair.0).collect();
            let right: BitMask = pairs.iter().take(shorter).map(|pair| pair.1).collect();
            left.and(&right);
            let both = pairs.iter().enumerate().map(|(row, (l, r))| *l && *r && row < shorter);
            prop_assert_eq!(left, both.collect());
        }
    }

    #[test]
    fn nothing_is_set_behind_the_last_row() {
        let mask = BitMask::full(70);
        assert_eq!((mask.count_ones(), mask.get(69), mask.get(70)), (70, true, false));
        assert_eq!(mask.words(), [u64::MAX, 0b11_1111]);
        assert_eq!(BitMask::from_words(vec![u64::MAX; 9], 65).count_ones(), 65);
        assert_eq!(format!("{:?}", BitMask::from_words(vec![5], 3)), "2 of 3: {0, 2}");
    }
}
