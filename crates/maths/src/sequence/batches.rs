//! What is learned in an epoch, in which order, and against which negatives.

use std::ops::Range;

use rand::RngExt;
use rand::seq::SliceRandom;
use rand::seq::index::sample;
use rand_chacha::ChaCha8Rng;

use super::network::Tokens;
use super::sequences::Sequences;

/// A part of a person's sequence: all but its last are what is seen, all but its first
/// what followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Window {
    person: usize,
    range: Range<usize>,
}

impl Window {
    /// How many items are predicted in it.
    fn targets(&self) -> usize {
        self.range.len() - 1
    }

    /// Adds it to the tokens of a part.
    pub(super) fn append_to(&self, sequences: &Sequences, tokens: &mut Tokens) {
        let items = &sequences.of(self.person)[self.range.clone()];
        tokens.items.extend_from_slice(&items[..items.len() - 1]);
        tokens.targets.extend_from_slice(&items[1..]);
        tokens.ends.push(tokens.items.len());
    }
}

/// An epoch's windows in an order by chance. What is longer than `length` targets is cut,
/// each time elsewhere, so that each item is met in other company. `used` says how many of
/// each person's items are learned from.
pub(super) fn windows(used: &[usize], length: usize, rng: &mut ChaCha8Rng) -> Vec<Window> {
    let mut windows = Vec::new();
    for (person, &used) in used.iter().enumerate() {
        if used < 2 {
            continue;
        }
        let mut start = 0;
        let mut targets = match used - 1 {
            all if all <= length => all,
            _ => rng.random_range(1..=length),
        };
        while start + 1 < used {
            let end = (start + targets).min(used - 1);
            windows.push(Window { person, range: start..end + 1 });
            (start, targets) = (end, length);
        }
    }
    windows.shuffle(rng);
    windows
}

/// Cuts windows into batches of about as many targets, and `wanted` of them at best.
pub(super) fn batches(windows: &[Window], wanted: usize) -> Vec<&[Window]> {
    let all: usize = windows.iter().map(Window::targets).sum();
    let count = ((all + wanted / 2) / wanted.max(1)).max(1);
    let mut batches = Vec::with_capacity(count);
    let (mut start, mut taken) = (0, 0);
    for (at, window) in windows.iter().enumerate() {
        taken += window.targets();
        if taken * count >= all * (batches.len() + 1) {
            batches.push(&windows[start..=at]);
            start = at + 1;
        }
    }
    batches
}

/// Targets of a part of a batch: what one thread works on, such that its numbers stay in
/// its cache. Fixed, so that the result does not depend on the number of threads.
const PART: usize = 512;

/// Cuts a batch into parts.
pub(super) fn parts(batch: &[Window]) -> Vec<&[Window]> {
    batches(batch, PART)
}

/// How many items are predicted in windows.
pub(super) fn targets(windows: &[Window]) -> usize {
    windows.iter().map(Window::targets).sum()
}

/// Draws negatives among the items that training knows, ascending; all, where there are
/// no more than are wanted.
pub(super) fn draw_negatives(known: &[u32], wanted: usize, rng: &mut ChaCha8Rng) -> Vec<u32> {
    if known.len() <= wanted {
        return known.to_vec();
    }
    let mut drawn: Vec<u32> = sample(rng, known.len(), wanted).iter().map(|at| known[at]).collect();
    drawn.sort_unstable();
    drawn
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    fn rng() -> ChaCha8Rng {
        ChaCha8Rng::seed_from_u64(1)
    }

    #[test]
    fn every_step_of_everybody_is_learned_once_an_epoch() {
        let people: Vec<Vec<u32>> = (0..40).map(|n| (0..n).collect()).collect();
        let sequences: Sequences = people.iter().map(Vec::as_slice).collect();
        let used: Vec<usize> = people.iter().map(Vec::len).collect();
        let windows = windows(&used, 7, &mut rng());
        let mut learned = vec![vec![0; 40]; 40];
        for window in &windows {
            assert!((1..=7).contains(&window.targets()));
            let mut tokens = Tokens::default();
            window.append_to(&sequences, &mut tokens);
            for (item, target) in tokens.items.iter().zip(&tokens.targets) {
                assert_eq!(item + 1, *target);
                learned[window.person][*target as usize] += 1;
            }
        }
        for (person, learned) in learned.iter().enumerate() {
            for (item, times) in learned.iter().enumerate() {
                assert_eq!(*times, usize::from(item > 0 && item < person));
            }
        }
        let batches = batches(&windows, 100);
        assert_eq!(batches.concat(), windows);
        assert!(batches.iter().all(|batch| (80..=120).contains(&targets(batch))));
        assert_eq!(parts(&windows).concat(), windows);
    }

    #[test]
    fn what_nothing_follows_is_in_no_window() {
        assert!(windows(&[1, 0, 1], 5, &mut rng()).is_empty());
        assert!(batches(&[], 10).is_empty());
    }

    #[test]
    fn negatives_are_known_items_none_twice() {
        let known: Vec<u32> = (0..100).map(|item| item * 3).collect();
        let drawn = draw_negatives(&known, 30, &mut rng());
        assert_eq!(drawn.len(), 30);
        assert!(drawn.is_sorted_by(|a, b| a < b) && drawn.iter().all(|item| item % 3 == 0));
        assert_eq!(draw_negatives(&known, 100, &mut rng()), known);
    }
}
