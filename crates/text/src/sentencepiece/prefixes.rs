//! Which pieces a text begins with. The pieces stand in order in one row of bytes, and each
//! byte of the text narrows the range of those that still may be it: 3 MB for 128,000 pieces,
//! where a tree of characters takes tens.

use std::ops::Range;

/// The pieces that can come from a text.
#[derive(Debug)]
pub(super) struct Prefixes {
    bytes: Vec<u8>,
    /// Where each piece begins in `bytes`, and at last where the last one ends.
    starts: Vec<u32>,
    ids: Vec<u32>,
    /// Where the pieces with each first byte begin, and at last how many there are.
    first_bytes: [u32; 257],
}

impl Prefixes {
    /// Of pieces and their ids; of a piece that stands twice, the first id counts.
    pub(super) fn new<'a>(pieces: impl Iterator<Item = (&'a str, u32)>) -> Self {
        let mut pieces: Vec<(&str, u32)> = pieces.collect();
        pieces.sort_unstable();
        pieces.dedup_by_key(|(text, _)| *text);
        let mut prefixes =
            Self { bytes: Vec::new(), starts: vec![0], ids: Vec::new(), first_bytes: [0; 257] };
        for (text, id) in pieces {
            prefixes.bytes.extend_from_slice(text.as_bytes());
            prefixes.starts.push(prefixes.bytes.len() as u32);
            prefixes.ids.push(id);
            if let Some(first) = text.bytes().next() {
                prefixes.first_bytes[usize::from(first) + 1] += 1;
            }
        }
        for byte in 0..256 {
            prefixes.first_bytes[byte + 1] += prefixes.first_bytes[byte];
        }
        prefixes
    }

    fn piece(&self, index: usize) -> &[u8] {
        &self.bytes[self.starts[index] as usize..self.starts[index + 1] as usize]
    }

    /// Calls back with length in bytes and id of each piece that the text begins with, the
    /// shortest first.
    pub(super) fn each(&self, text: &[u8], mut found: impl FnMut(usize, u32)) {
        let Some(first) = text.first().map(|byte| usize::from(*byte)) else { return };
        let mut range = self.first_bytes[first] as usize..self.first_bytes[first + 1] as usize;
        for length in 1..=text.len() {
            if length > 1 {
                range = self.narrowed(range, length - 1, text[length - 1]);
            }
            if range.is_empty() {
                return;
            }
            // Of those that begin alike, the shortest is the first.
            if self.piece(range.start).len() == length {
                found(length, self.ids[range.start]);
            }
        }
    }

    /// The pieces of a range that have a byte at a place; all of them are alike before it.
    fn narrowed(&self, range: Range<usize>, place: usize, byte: u8) -> Range<usize> {
        let within = |is_before: &dyn Fn(u8) -> bool| {
            let (mut low, mut high) = (range.start, range.end);
            while low < high {
                let middle = low.midpoint(high);
                match self.piece(middle).get(place) {
                    Some(other) if !is_before(*other) => high = middle,
                    _ => low = middle + 1,
                }
            }
            low
        };
        within(&|other| other < byte)..within(&|other| other <= byte)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn found(prefixes: &Prefixes, text: &str) -> Vec<(usize, u32)> {
        let mut found = Vec::new();
        prefixes.each(text.as_bytes(), |length, id| found.push((length, id)));
        found
    }

    #[test]
    fn of_a_piece_that_stands_twice_the_first_counts() {
        let prefixes = Prefixes::new([("a", 7), ("a", 3)].into_iter());
        assert_eq!(found(&prefixes, "ab"), [(1, 3)]);
        assert_eq!(found(&Prefixes::new([].into_iter()), "ab"), []);
    }

    proptest! {
        #[test]
        fn every_piece_that_begins_a_text_is_found(
            pieces in proptest::collection::btree_set("[ab贷款]{1,4}", 0..20),
            text in "[ab贷款]{0,8}",
        ) {
            let numbered = || pieces.iter().map(String::as_str).zip(0u32..);
            let mut expected: Vec<_> = numbered()
                .filter(|(piece, _)| text.starts_with(piece))
                .map(|(piece, id)| (piece.len(), id))
                .collect();
            expected.sort_unstable();
            prop_assert_eq!(found(&Prefixes::new(numbered()), &text), expected);
        }
    }
}
