//! Normalisation before a text is cut: characters by the model's own map, and spaces.
//!
//! The map (for USE `nmt_nfkc`: compatibility forms become plain ones, control characters go)
//! is a double array as Darts-clone writes it: each unit is 32 bits with a label, an offset to
//! the children and whether a value follows; a value is where the replacement begins in a row
//! of texts that end with 0. Yata et al., A compact static double-array keeping character codes
//! (2007), for the structure.

use std::borrow::Cow;

use super::model::{ModelError, Normalisation};

/// What stands for a space among pieces, U+2581.
pub(super) const SPACE: &str = "\u{2581}";

/// Most bytes that a text becomes, but for the last replacement: what a map could do to
/// [`super::MAX_CHARACTERS`] is bounded.
const MAX_BYTES: usize = 8 * super::MAX_CHARACTERS;
/// Most bytes that one replacement may have; no form of Unicode's has more than 33.
const MAX_REPLACEMENT: usize = 256;

#[derive(Debug)]
pub(super) struct Normaliser {
    units: Vec<u32>,
    replacements: Vec<u8>,
    adds_space_before: bool,
    removes_extra_spaces: bool,
    space: &'static str,
}

impl Normaliser {
    pub(super) fn new(from: Normalisation) -> Result<Self, ModelError> {
        let (units, replacements) = match from.characters.split_first_chunk::<4>() {
            _ if from.characters.is_empty() => (Vec::new(), Vec::new()),
            None => return Err(ModelError::Torn),
            Some((length, rest)) => {
                let length = u32::from_le_bytes(*length) as usize;
                let (array, replacements) =
                    rest.split_at_checked(length).ok_or(ModelError::Torn)?;
                let (words, odd) = array.as_chunks::<4>();
                if !odd.is_empty() {
                    return Err(ModelError::Malformed("half a unit of the map"));
                }
                let units = words.iter().map(|word| u32::from_le_bytes(*word)).collect();
                if replacements.split(|byte| *byte == 0).any(|text| text.len() > MAX_REPLACEMENT) {
                    return Err(ModelError::Malformed("a replacement that is too long"));
                }
                (units, replacements.to_vec())
            }
        };
        let space = if from.escapes_spaces { SPACE } else { " " };
        let Normalisation { adds_space_before, removes_extra_spaces, .. } = from;
        Ok(Self { units, replacements, adds_space_before, removes_extra_spaces, space })
    }

    /// The text as pieces are looked for in it; empty when nothing but spaces is left.
    pub(super) fn normalise(&self, text: &str) -> String {
        let mut normalised = String::with_capacity(text.len() + 8);
        let mut follows_space = self.removes_extra_spaces;
        let mut rest = text;
        while !rest.is_empty() && normalised.len() < MAX_BYTES {
            let (replacement, length) = self.first(rest);
            rest = &rest[length..];
            let kept = if follows_space && self.removes_extra_spaces {
                replacement.trim_start_matches(' ')
            } else {
                &*replacement
            };
            if let Some(last) = kept.chars().last() {
                if normalised.is_empty() && self.adds_space_before {
                    normalised.push_str(self.space);
                }
                for character in kept.chars() {
                    match character {
                        ' ' => normalised.push_str(self.space),
                        other => normalised.push(other),
                    }
                }
                follows_space = last == ' ';
            }
        }
        if self.removes_extra_spaces {
            let end = normalised.trim_end_matches(self.space).len();
            normalised.truncate(end);
        }
        normalised
    }

    /// What the text begins with becomes, and how many of its bytes that stands for: the longest
    /// that the map knows, or else one character as it is. `text` is not empty.
    fn first<'a>(&'a self, text: &'a str) -> (Cow<'a, str>, usize) {
        if let Some((value, length)) = self.longest(text.as_bytes())
            && text.is_char_boundary(length)
            && let Some(replacement) = self.replacements.get(value..)
            && let Some(end) = replacement.iter().position(|byte| *byte == 0)
        {
            return (String::from_utf8_lossy(&replacement[..end]), length);
        }
        let length = text.chars().next().map_or(0, char::len_utf8);
        (Cow::Borrowed(&text[..length]), length)
    }

    /// The value of the longest key that the bytes begin with, and its length.
    fn longest(&self, bytes: &[u8]) -> Option<(usize, usize)> {
        let offset = |unit: u32| ((unit >> 10) << ((unit & 0x200) >> 6)) as usize;
        let mut place = offset(*self.units.first()?);
        let mut longest = None;
        for (index, byte) in bytes.iter().enumerate() {
            place ^= usize::from(*byte);
            let Some(&unit) = self.units.get(place) else { break };
            if unit & 0x8000_00ff != u32::from(*byte) {
                break;
            }
            place ^= offset(unit);
            if unit & 0x100 != 0 {
                let Some(value) = self.units.get(place) else { break };
                longest = Some(((value & 0x7fff_ffff) as usize, index + 1));
            }
        }
        longest
    }
}

#[cfg(test)]
mod tests {
    use super::super::model;
    use super::super::test_model::TestModel;
    use super::*;

    fn normaliser(model: &TestModel) -> Normaliser {
        Normaliser::new(model::parse(&model.bytes()).unwrap().normalisation).unwrap()
    }

    #[test]
    fn characters_are_replaced_and_spaces_collapsed() {
        let normaliser = normaliser(&TestModel::with_charsmap());
        assert_eq!(normaliser.normalise("\tA\t \tcar"), "▁a▁car", "a tab is a space, A is a");
        assert_eq!(normaliser.normalise(" x  "), "▁x");
        assert_eq!(normaliser.normalise("\t \t"), "");
        assert_eq!(normaliser.normalise("贷款"), "▁贷款", "the map has nothing of it");
    }

    #[test]
    fn without_a_map_characters_stay() {
        let normaliser = normaliser(&TestModel::default());
        assert_eq!(normaliser.normalise("A\tb  c"), "▁A\tb▁c");
    }

    #[test]
    fn a_map_that_makes_very_much_of_a_character_is_refused() {
        let with = |length: usize| {
            let characters = [&4u32.to_le_bytes()[..], &[0; 4], &vec![b'a'; length], &[0]].concat();
            Normaliser::new(Normalisation {
                characters,
                adds_space_before: true,
                removes_extra_spaces: true,
                escapes_spaces: true,
            })
        };
        assert!(with(MAX_REPLACEMENT).is_ok());
        assert!(with(MAX_REPLACEMENT + 1).is_err());
    }

    #[test]
    fn a_torn_map_is_refused() {
        for characters in [vec![1], vec![8, 0, 0, 0, 1], vec![2, 0, 0, 0, 1, 1]] {
            let torn = Normalisation {
                characters,
                adds_space_before: true,
                removes_extra_spaces: true,
                escapes_spaces: true,
            };
            assert!(Normaliser::new(torn).is_err());
        }
    }
}
