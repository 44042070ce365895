//! What is asked of many rows at once: a bit for each, 64 to a word.

use std::borrow::Cow;
use std::ops::{Range, RangeBounds as _};

use rust_decimal::Decimal;

use super::bit_mask::{BitMask, WORD_ROWS};
use super::columns::{TextSetColumn, Times};
use super::syntax::ComparisonOperator;
use super::typed::{Interval, TextRelation};

/// A question to every row. What it answers for a missing value does not count.
pub(super) enum Test<'a> {
    /// No row.
    Never,
    /// Rows that are set.
    Mask(&'a BitMask),
    /// From the first to the last of two integers.
    Integers(&'a [i64], (i64, i64)),
    IntegersAmong(&'a [i64], Vec<i64>),
    Wide(&'a [i128], Interval<i128>),
    WideAmong(&'a [i128], &'a [i128]),
    Decimals(&'a [Decimal], Interval<Decimal>),
    DecimalsAmong(&'a [Decimal], &'a [Decimal]),
    Codes(&'a [u32], CodeTest),
    /// At least so many codes of a set are wanted ones.
    Sets {
        column: &'a TextSetColumn,
        wanted: CodeTest,
        least: usize,
    },
    TwoTimes(&'a Times, ComparisonOperator, &'a Times),
    TwoTexts {
        left: CodedTexts<'a>,
        relation: TextRelation,
        right: CodedTexts<'a>,
    },
}

/// Codes by row, and the texts that they stand for.
pub(super) type CodedTexts<'a> = (&'a [u32], Vec<Cow<'a, str>>);

/// Which texts of a dictionary are meant.
pub(super) enum CodeTest {
    None,
    One(u32),
    /// Of a dictionary of at most 64 texts.
    Few(u64),
    /// One bit a text.
    Many(Vec<u64>),
}

impl CodeTest {
    /// The texts at these places of a dictionary.
    pub(super) fn of_places(places: impl Iterator<Item = usize>, texts: usize) -> Self {
        let (mut words, mut count, mut last) = (vec![0_u64; texts.div_ceil(WORD_ROWS)], 0, 0);
        for place in places {
            words[place / WORD_ROWS] |= 1 << (place % WORD_ROWS);
            (count, last) = (count + 1, place);
        }
        match (count, words.as_slice()) {
            (0, _) => Self::None,
            // Codes are numbers of 32 bits.
            (1, _) => Self::One(last as u32),
            (_, [word]) => Self::Few(*word),
            _ => Self::Many(words),
        }
    }
}

fn has_bit(words: &[u64], code: u32) -> bool {
    words.get(code as usize / WORD_ROWS).is_some_and(|word| word & (1 << (code % 64)) != 0)
}

/// Rows that are answered without a jump.
const AT_ONCE: usize = 8;

/// Answers of consecutive rows, as words.
///
/// It is copied into each kind of test, and eight rows stand in a row: a build for small
/// code would call the test for each row otherwise, and take twice as long.
#[inline(always)]
fn pack<T: Copy>(values: &[T], words: &mut [u64], holds: impl Fn(T) -> bool) {
    let bit = |value: T| u64::from(holds(value));
    for (word, values) in words.iter_mut().zip(values.chunks(WORD_ROWS)) {
        let (eights, rest) = values.as_chunks::<AT_ONCE>();
        let mut bits = 0;
        for value in rest.iter().rev() {
            bits = bits << 1 | bit(*value);
        }
        for [a, b, c, d, e, f, g, h] in eights.iter().rev() {
            bits = bits << 1 | bit(*h);
            bits = bits << 1 | bit(*g);
            bits = bits << 1 | bit(*f);
            bits = bits << 1 | bit(*e);
            bits = bits << 1 | bit(*d);
            bits = bits << 1 | bit(*c);
            bits = bits << 1 | bit(*b);
            bits = bits << 1 | bit(*a);
        }
        *word = bits;
    }
}

/// As [`pack`], for what needs the number of its row.
#[inline(always)]
fn pack_rows(rows: Range<usize>, words: &mut [u64], holds: impl Fn(usize) -> bool) {
    for (place, word) in words.iter_mut().enumerate() {
        let first = rows.start + place * WORD_ROWS;
        let mut bits = 0;
        for row in (first..rows.end.min(first + WORD_ROWS)).rev() {
            bits = bits << 1 | u64::from(holds(row));
        }
        *word = bits;
    }
}

impl Test<'_> {
    /// Answers for these rows, of which the first is the first of a word.
    pub(super) fn answer(&self, rows: Range<usize>, words: &mut [u64]) {
        match self {
            Self::Never => words.fill(0),
            Self::Mask(mask) => {
                let first = rows.start / WORD_ROWS;
                words.copy_from_slice(&mask.words()[first..first + words.len()]);
            }
            Self::Integers(values, (low, high)) => {
                // One comparison in the place of two: what lies below wraps around to large.
                let width = high.wrapping_sub(*low) as u64;
                pack(&values[rows], words, |value| value.wrapping_sub(*low) as u64 <= width);
            }
            Self::IntegersAmong(values, among) => {
                pack(&values[rows], words, |value| among.binary_search(&value).is_ok());
            }
            Self::Wide(values, interval) => {
                pack(&values[rows], words, |value| interval.contains(&value));
            }
            Self::WideAmong(values, among) => {
                pack(&values[rows], words, |value| among.binary_search(&value).is_ok());
            }
            Self::Decimals(values, interval) => {
                pack(&values[rows], words, |value| interval.contains(&value));
            }
            Self::DecimalsAmong(values, among) => {
                pack(&values[rows], words, |value| among.binary_search(&value).is_ok());
            }
            Self::Codes(codes, test) => answer_codes(&codes[rows], test, words),
            Self::Sets { column, wanted, least } => {
                answer_sets(column, (wanted, *least), rows, words);
            }
            Self::TwoTimes(left, operator, right) => {
                pack_rows(rows, words, |row| operator.holds(left.get(row).cmp(&right.get(row))));
            }
            Self::TwoTexts { left, relation, right } => {
                pack_rows(rows, words, |row| {
                    let both = text_of(left, row).zip(text_of(right, row));
                    both.is_some_and(|(left, right)| relation.holds(left, right))
                });
            }
        }
    }
}

/// The text in a row. A column without any text has no dictionary.
fn text_of<'a>((codes, texts): &'a CodedTexts<'_>, row: usize) -> Option<&'a str> {
    texts.get(codes[row] as usize).map(Cow::as_ref)
}

fn answer_sets(
    column: &TextSetColumn,
    (wanted, least): (&CodeTest, usize),
    rows: Range<usize>,
    words: &mut [u64],
) {
    match wanted {
        CodeTest::None => words.fill(if least == 0 { u64::MAX } else { 0 }),
        CodeTest::One(one) => count_codes(column, least, (rows, words), |code| code == *one),
        CodeTest::Few(wanted) => {
            count_codes(column, least, (rows, words), |code| wanted & (1 << (code % 64)) != 0);
        }
        CodeTest::Many(wanted) => {
            count_codes(column, least, (rows, words), |code| has_bit(wanted, code));
        }
    }
}

/// Whether at least so many codes of a row are wanted. Sets are small: to count all is
/// quicker than to stop at a code that cannot be foreseen.
#[inline(always)]
fn count_codes(
    column: &TextSetColumn,
    least: usize,
    (rows, words): (Range<usize>, &mut [u64]),
    is_wanted: impl Fn(u32) -> bool,
) {
    pack_rows(rows, words, |row| {
        let wanted = column.codes(row).iter().map(|code| usize::from(is_wanted(*code)));
        wanted.sum::<usize>() >= least
    });
}

fn answer_codes(codes: &[u32], test: &CodeTest, words: &mut [u64]) {
    match test {
        CodeTest::None => words.fill(0),
        CodeTest::One(one) => pack(codes, words, |code| code == *one),
        CodeTest::Few(wanted) => pack(codes, words, |code| wanted & (1 << (code % 64)) != 0),
        CodeTest::Many(wanted) => pack(codes, words, |code| has_bit(wanted, code)),
    }
}
