//! Runs a program over a table, some rows at a time.
//!
//! A truth is two masks: rows for which it is true, and rows for which it is false. What is in
//! neither is unknown. So `not` changes the two, `and` is true where both are, and false
//! where one is. Blocks keep what is in between within the first cache, and memory bounded
//! whatever the table has.

use std::ops::RangeBounds as _;

use rust_decimal::Decimal;

use super::Table;
use super::bind::{Step, bind, days};
use super::bit_mask::{BitMask, WORD_ROWS, ones_of};
use super::program::Program;
use super::syntax::ArithmeticOperator;

/// Words of a block: 1,024 rows.
const WORDS: usize = 16;
const BLOCK_ROWS: usize = WORDS * WORD_ROWS;

type Words = [u64; WORDS];

#[derive(Clone, Copy)]
struct Truth {
    yes: Words,
    no: Words,
}

/// Numbers of a block; where one is missing stands anything.
struct Numbers {
    values: Vec<Decimal>,
    present: Words,
}

/// The rows of a table for which a program is true. `now` is in nanoseconds since 1970.
pub(super) fn evaluate(program: &Program, table: &dyn Table, now: i128) -> BitMask {
    let steps = bind(program, table, now);
    let rows = table.rows();
    let mut machine = Machine { truths: Vec::new(), numbers: Vec::new(), spare: Vec::new(), now };
    let mut words = Vec::with_capacity(rows.div_ceil(WORD_ROWS) + WORDS);
    for start in (0..rows).step_by(BLOCK_ROWS) {
        let block = Block { start, end: rows.min(start + BLOCK_ROWS) };
        steps.iter().for_each(|step| machine.run(step, block));
        // A program leaves one truth.
        words.extend(machine.truths.pop().map_or([0; WORDS], |truth| truth.yes));
    }
    BitMask::from_words(words, rows)
}

#[derive(Clone, Copy)]
struct Block {
    start: usize,
    end: usize,
}

impl Block {
    fn slice_of(self, mask: &BitMask) -> &[u64] {
        let first = self.start / WORD_ROWS;
        &mask.words()[first..first + self.words()]
    }

    fn words_of(self, mask: &BitMask) -> Words {
        let mut words = [0; WORDS];
        words[..self.words()].copy_from_slice(self.slice_of(mask));
        words
    }

    fn words(self) -> usize {
        (self.end - self.start).div_ceil(WORD_ROWS)
    }
}

struct Machine {
    truths: Vec<Truth>,
    numbers: Vec<Numbers>,
    /// Numbers that are not in use, so that none is made for every block.
    spare: Vec<Numbers>,
    now: i128,
}

impl Machine {
    fn run(&mut self, step: &Step<'_>, block: Block) {
        match step {
            Step::Constant(is_true) => {
                let all = |holds: bool| [if holds { u64::MAX } else { 0 }; WORDS];
                let (yes, no) = (all(*is_true == Some(true)), all(*is_true == Some(false)));
                self.truths.push(Truth { yes, no });
            }
            Step::Has(mask) => {
                let yes = block.words_of(mask);
                self.truths.push(Truth { yes, no: yes.map(|word| !word) });
            }
            Step::Test(test, masks) => {
                let (mut yes, mut no) = ([0; WORDS], [0; WORDS]);
                test.answer(block.start..block.end, &mut yes[..block.words()]);
                let [first, second] = masks.map(|mask| block.slice_of(mask));
                for (((yes, no), first), second) in
                    yes.iter_mut().zip(&mut no).zip(first).zip(second)
                {
                    let present = first & second;
                    (*yes, *no) = (*yes & present, !*yes & present);
                }
                self.truths.push(Truth { yes, no });
            }
            Step::Not => {
                if let Some(Truth { yes, no }) = self.truths.last_mut() {
                    std::mem::swap(yes, no);
                }
            }
            Step::And => self.both(|left, right| Truth {
                yes: zip(left.yes, right.yes, |l, r| l & r),
                no: zip(left.no, right.no, |l, r| l | r),
            }),
            Step::Or => self.both(|left, right| Truth {
                yes: zip(left.yes, right.yes, |l, r| l | r),
                no: zip(left.no, right.no, |l, r| l & r),
            }),
            Step::Same => self.both(|left, right| {
                let both = |l: Words, r: Words| zip(l, r, |l, r| l & r);
                let either = |l: Words, r: Words| zip(l, r, |l, r| l | r);
                Truth {
                    yes: either(both(left.yes, right.yes), both(left.no, right.no)),
                    no: either(both(left.yes, right.no), both(left.no, right.yes)),
                }
            }),
            number => self.run_number(number, block),
        }
    }

    fn both(&mut self, made: impl Fn(&Truth, &Truth) -> Truth) {
        if let Some(right) = self.truths.pop()
            && let Some(left) = self.truths.last_mut()
        {
            *left = made(left, &right);
        }
    }

    fn run_number(&mut self, step: &Step<'_>, block: Block) {
        let start = block.start;
        match step {
            Step::Number(number) => {
                let mut numbers = self.take();
                numbers.present = [if number.is_some() { u64::MAX } else { 0 }; WORDS];
                numbers.values.fill(number.unwrap_or_default());
                self.numbers.push(numbers);
            }
            Step::NumberOf(column) => {
                let numbers = column.numbers();
                self.add(block.words_of(column.present()), |row| Some(numbers.get(start + row)));
            }
            Step::TextLength { lengths, column } => {
                let codes = &column.codes()[start..];
                let length = |row: usize| lengths.get(codes[row] as usize).copied();
                self.add(block.words_of(column.present()), length);
            }
            Step::SetLength(column) => {
                let length = |row| Some(column.codes(start + row).len().into());
                self.add(block.words_of(column.present()), length);
            }
            Step::Days { column, direction } => {
                let (times, now) = (column.times(), self.now);
                let days = |row| days(times.get(start + row), *direction, now);
                self.add(block.words_of(column.present()), days);
            }
            Step::Negative => {
                if let Some(numbers) = self.numbers.last_mut() {
                    numbers.values.iter_mut().for_each(|value| *value = -*value);
                }
            }
            Step::Arithmetic(operator) => self.arithmetic(*operator),
            Step::Within(interval) => self.test(|number| interval.contains(&number)),
            Step::Among(among) => self.test(|number| among.binary_search(&number).is_ok()),
            Step::Compare(operator) => {
                let Some(right) = self.numbers.pop() else { return };
                if let Some(left) = self.numbers.last_mut() {
                    left.present = zip(left.present, right.present, |l, r| l & r);
                }
                let compared =
                    |row: usize, left: Decimal| operator.holds(left.cmp(&right.values[row]));
                self.test_rows(compared);
                self.spare.push(right);
            }
            _ => {}
        }
    }

    fn take(&mut self) -> Numbers {
        let fresh = || Numbers { values: vec![Decimal::ZERO; BLOCK_ROWS], present: [0; WORDS] };
        self.spare.pop().unwrap_or_else(fresh)
    }

    /// Adds numbers of the rows that have one.
    fn add(&mut self, present: Words, number: impl Fn(usize) -> Option<Decimal>) {
        let mut numbers = self.take();
        numbers.present = present;
        for row in rows_of(&present) {
            numbers.set(row, number(row));
        }
        self.numbers.push(numbers);
    }

    fn arithmetic(&mut self, operator: ArithmeticOperator) {
        let Some(right) = self.numbers.pop() else { return };
        if let Some(left) = self.numbers.last_mut() {
            left.present = zip(left.present, right.present, |l, r| l & r);
            for row in rows_of(&{ left.present }) {
                left.set(row, operator.of(left.values[row], right.values[row]));
            }
        }
        self.spare.push(right);
    }

    fn test(&mut self, holds: impl Fn(Decimal) -> bool) {
        self.test_rows(|_, number| holds(number));
    }

    /// Takes numbers, and adds what holds for them.
    fn test_rows(&mut self, holds: impl Fn(usize, Decimal) -> bool) {
        let Some(numbers) = self.numbers.pop() else { return };
        let mut yes = [0; WORDS];
        for row in rows_of(&numbers.present) {
            yes[row / WORD_ROWS] |= u64::from(holds(row, numbers.values[row])) << (row % WORD_ROWS);
        }
        let no = zip(numbers.present, yes, |present, yes| present & !yes);
        self.truths.push(Truth { yes, no });
        self.spare.push(numbers);
    }
}

impl Numbers {
    fn set(&mut self, row: usize, number: Option<Decimal>) {
        match number {
            Some(number) => self.values[row] = number,
            None => self.present[row / WORD_ROWS] &= !(1 << (row % WORD_ROWS)),
        }
    }
}

/// The rows of a block that are set, in order.
fn rows_of(words: &Words) -> impl Iterator<Item = usize> {
    let words = words.iter().enumerate();
    words.flat_map(|(at, word)| ones_of(*word).map(move |bit| at * WORD_ROWS + bit))
}

fn zip(left: Words, right: Words, made: impl Fn(u64, u64) -> u64) -> Words {
    std::array::from_fn(|at| made(left[at], right[at]))
}
