//! The most likely sequence of pieces of a text: Viterbi (1967) over its places.

use super::Tokenizer;

/// The best way to a place in the text.
#[derive(Clone, Copy)]
struct Step {
    score: f64,
    from: u32,
    id: u32,
}

/// The ids of the pieces. Of ways that are equally likely, the one whose last piece begins
/// first is taken, as SentencePiece does.
pub(super) fn most_likely(tokenizer: &Tokenizer, text: &str) -> Vec<u32> {
    let nowhere = Step { score: f64::NEG_INFINITY, from: 0, id: tokenizer.unknown };
    let mut steps = vec![nowhere; text.len() + 1];
    steps[0].score = 0.0;
    for (place, character) in text.char_indices() {
        let score = steps[place].score;
        let mut is_covered = false;
        let mut offer = |length: usize, id: u32, gain: f32| {
            let step = &mut steps[place + length];
            if score + f64::from(gain) > step.score {
                *step = Step { score: score + f64::from(gain), from: place as u32, id };
            }
        };
        tokenizer.prefixes.each(&text.as_bytes()[place..], |length, id| {
            is_covered |= length == character.len_utf8();
            offer(length, id, tokenizer.scores[id as usize]);
        });
        if !is_covered {
            offer(character.len_utf8(), tokenizer.unknown, tokenizer.unknown_score);
        }
    }
    let mut ids = Vec::new();
    let mut place = text.len();
    while place > 0 {
        ids.push(steps[place].id);
        place = steps[place].from as usize;
    }
    ids.reverse();
    ids
}
