//! What items score for a question: BM25F, in which a word's times in all fields are weighed and
//! added first and saturate once (Robertson, Zaragoza and Taylor, Simple BM25 extension to
//! multiple weighted fields, 2004):
//!
//! ```text
//! times(word, item) = Σ weight(field) · times(word, field) / (1 - b + b · length(field) / average)
//! saturation        = times / (k1 + times)                                            0 to 1
//! rarity(word)      = ln(1 + (items - with + ½) / (with + ½))        as Lucene's, above 0
//! score             = Σ weight(word) · rarity · saturation / Σ weight(word) · rarity    0 to 1
//! ```
//!
//! The divisor is what an item would score of which every word is said without end, so that
//! scores of different questions may be compared: a word once in a title of average length has
//! .71 of it. Words that no item has are in neither sum. They are what *coverage* is for: the
//! same share, of the words that are asked for, but of whole words: had or not had.

use std::collections::BTreeSet;

use super::query::{Query, QueryWord};
use super::terms::{han_parts, is_of_han};
use super::{FIELDS, TextIndex, spelling};

/// How much a word weighs in each field: in the title, the tags, the description.
const FIELD_WEIGHTS: [f32; FIELDS] = [3.0, 2.0, 1.0];

/// How soon a word said again says no more: Robertson and Zaragoza, The Probabilistic Relevance
/// Framework (2009), give 1.2 to 2.
const SATURATION: f32 = 1.2;

/// How far a field's length takes from what a word in it says, 0 to 1; the usual one.
const LENGTH_SHARE: f32 = 0.75;

/// What a word counts that is not the one that was written, but likely meant.
const MEANT_SHARE: f32 = 0.8;

/// Most words of a question that are searched for as mistyped: each takes a millisecond at most.
const MOST_CORRECTED: usize = 4;

/// Most postings that are read for a question: some 10 milliseconds.
const MOST_POSTINGS: usize = 1_000_000;

/// An item that has a word of what is looked for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Match {
    /// The item's position.
    pub position: u32,
    /// How well it matches, above 0 to 1.
    pub score: f32,
    /// How much of what is asked it has at all, 0 to 1, rare words counting more. 0 where it
    /// has words of the context only. Low at every match: nothing here is what was asked for.
    pub coverage: f32,
}

/// A word of a question, as an index has it.
#[derive(Debug)]
struct Sought {
    /// The words of the index that stand for it: none, itself, or what was likely meant.
    words: Vec<usize>,
    /// How many postings they have.
    postings: usize,
    /// Its weight times its rarity.
    mass: f32,
    /// What a match counts, 0 to 1.
    share: f32,
    is_asked: bool,
}

/// A word of a question, of whose weight so many terms have a share each.
#[derive(Clone, Copy)]
struct QueryShare<'a> {
    word: &'a QueryWord,
    parts: usize,
}

impl TextIndex {
    /// The items that have a word of what is looked for, in order of positions.
    ///
    /// A word that no item has stands for what it may be the beginning of, while it is typed,
    /// else for the word that it may be mistyped from (Latin letters, one edit, at most four
    /// such words of what is asked); both count 0.8. A Latin word stands for its plural or singular
    /// too. A Chinese word of three characters or more shares its weight with every two of them; one
    /// of which no item has any two is found by its characters, which count 0.8.
    ///
    /// Words are read from the one that tells most on, until they have a million postings
    /// together. What is left out then, which are the most frequent words, is as if it were not
    /// asked. Of 10,000 items nothing is, up to 90 words.
    #[must_use]
    pub fn scores(&self, query: &Query) -> Vec<Match> {
        let sought = within_bounds(self.sought(query), MOST_POSTINGS);
        let mass: f32 =
            sought.iter().filter(|word| !word.words.is_empty()).map(|word| word.mass).sum();
        let asked: f32 = sought.iter().filter(|word| word.is_asked).map(|word| word.mass).sum();
        if mass <= 0.0 {
            return Vec::new();
        }
        let mut sums = vec![[0.0_f32; 2]; self.len()];
        for word in &sought {
            let covered = if word.is_asked { word.mass * word.share } else { 0.0 };
            self.saturations(&word.words, |position, saturation| {
                let sums = &mut sums[position as usize];
                sums[0] += word.mass * word.share * saturation;
                sums[1] += covered;
            });
        }
        let matches = (0..).zip(sums).filter(|(_, [score, _])| *score > 0.0);
        let matches = matches.map(|(position, [score, covered])| Match {
            position,
            // Sums in another order may be more than the whole by a rounding.
            score: (score / mass).min(1.0),
            coverage: if asked > 0.0 { (covered / asked).min(1.0) } else { 0.0 },
        });
        matches.collect()
    }

    /// The words of a question, as this index has them.
    fn sought(&self, query: &Query) -> Vec<Sought> {
        let mut corrections = MOST_CORRECTED;
        let mut sought = Vec::with_capacity(query.words().len());
        for word in query.words() {
            let mut found: Vec<usize> = self.vocabulary.find(&word.word).into_iter().collect();
            found.extend(spelling::forms(self, &word.word));
            let parts = self.parts(&word.word, found.is_empty());
            let of_it = QueryShare { word, parts: parts.len() + usize::from(!found.is_empty()) };
            if !found.is_empty() {
                sought.push(self.sought_word(of_it, found, 1.0));
            }
            for (part, share) in &parts {
                sought.push(self.sought_word(of_it, vec![*part], *share));
            }
            if of_it.parts == 0 {
                let meant = self.likely_meant(word, &mut corrections);
                sought.push(self.sought_word(QueryShare { word, parts: 1 }, meant, MEANT_SHARE));
            }
        }
        sought
    }

    fn sought_word(&self, of: QueryShare<'_>, words: Vec<usize>, share: f32) -> Sought {
        let postings = words.iter().map(|word| self.postings(*word).len()).sum();
        let mass = of.word.weight * self.rarity(postings) / of.parts as f32;
        Sought { words, postings, mass, share, is_asked: of.word.is_asked }
    }

    /// The parts of a word of Chinese that items have, with what a match of each counts: of a longer one
    /// every two characters, for what it is in another title may be two words there; of one that no
    /// item has, and whose twos none has, its characters, as they may be mistyped.
    fn parts(&self, word: &str, is_unknown: bool) -> Vec<(usize, f32)> {
        let characters = word.chars().count();
        if !is_of_han(word) || characters < 2 {
            return Vec::new();
        }
        let of_length = |length: usize| {
            let parts = han_parts(word).into_iter().filter(|part| part.chars().count() == length);
            parts.filter_map(|part| self.vocabulary.find(&part)).collect::<BTreeSet<usize>>()
        };
        let twos = if characters > 2 { of_length(2) } else { BTreeSet::new() };
        if !twos.is_empty() || !is_unknown {
            return twos.into_iter().map(|part| (part, 1.0)).collect();
        }
        of_length(1).into_iter().map(|part| (part, MEANT_SHARE)).collect()
    }

    /// The words that one which no item has may stand for.
    fn likely_meant(&self, word: &QueryWord, corrections: &mut usize) -> Vec<usize> {
        let longer = spelling::longer(self, word);
        if !longer.is_empty() || !word.is_asked || *corrections == 0 {
            return longer;
        }
        let meant = spelling::meant(self, &word.word);
        *corrections -= 1;
        meant.into_iter().collect()
    }

    /// How rare words are that stand in so many items, an item counting for each of them:
    /// above 0, and the more the rarer.
    fn rarity(&self, with: usize) -> f32 {
        let (items, with) = (self.len() as f32, with.min(self.len()) as f32);
        ((items - with + 0.5) / (with + 0.5)).ln_1p()
    }

    /// Tells the items that have one of these words, with how far its times have saturated; of
    /// several words, the one that has furthest.
    fn saturations(&self, words: &[usize], mut tell: impl FnMut(u32, f32)) {
        let of_word = |word: &usize| {
            let postings = self.postings(*word);
            postings.map(|posting| (self.positions[posting], self.saturation(posting)))
        };
        if let [word] = words {
            return of_word(word).for_each(|(position, saturation)| tell(position, saturation));
        }
        let mut found: Vec<(u32, f32)> = words.iter().flat_map(of_word).collect();
        found.sort_unstable_by(|(at, one), (other_at, other)| {
            at.cmp(other_at).then(other.total_cmp(one))
        });
        found.dedup_by_key(|(position, _)| *position);
        found.into_iter().for_each(|(position, saturation)| tell(position, saturation));
    }

    /// How far the times of a word in an item have saturated, between 0 and 1.
    fn saturation(&self, posting: usize) -> f32 {
        let lengths = &self.lengths[self.positions[posting] as usize];
        let mut all = 0.0;
        for (field, times) in self.times[posting].into_iter().enumerate() {
            all += self.weights[field][usize::from(lengths[field])] * f32::from(times);
        }
        all / (SATURATION + all)
    }
}

/// What a word weighs in each field, by how many words the field has: as many entries as the
/// longest one asks for, 24,576 at most. The average is that of the items that have the field, as
/// Lucene counts: one that few items have is not long wherever it is there at all.
pub(super) fn weights(lengths: &[[u16; FIELDS]]) -> [Vec<f32>; FIELDS] {
    std::array::from_fn(|field| {
        let of_field = lengths.iter().map(|lengths| lengths[field]);
        let items = of_field.clone().filter(|length| *length > 0).count().max(1);
        let sum: u64 = of_field.clone().map(u64::from).sum();
        // No item has the field: none has a word there that would be weighed.
        let average = (sum as f32 / items as f32).max(1.0);
        let weight = |length: u16| {
            FIELD_WEIGHTS[field] / (1.0 - LENGTH_SHARE + LENGTH_SHARE * f32::from(length) / average)
        };
        (0..=of_field.max().unwrap_or_default()).map(weight).collect()
    })
}

/// The words that tell most, as long as they have no more postings than that together; the
/// first in any case. Equals stay in order.
fn within_bounds(mut sought: Vec<Sought>, most: usize) -> Vec<Sought> {
    sought.sort_by(|one, other| other.mass.total_cmp(&one.mass));
    let mut read = 0;
    sought.retain(|word| {
        let is_first = read == 0;
        let is_within = is_first || read + word.postings <= most;
        if is_within {
            read += word.postings;
        }
        is_within
    });
    sought
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{Entry, IndexedText};
    use super::*;
    use crate::lexical::words::words;

    fn text(title: &str) -> IndexedText<'_> {
        IndexedText { title: title.into(), ..IndexedText::default() }
    }

    fn index(titles: &[&str]) -> TextIndex {
        TextIndex::build(titles.iter().map(|title| text(title)))
    }

    fn query(question: &str) -> Query {
        Query::parse(question, "").unwrap()
    }

    fn scores(index: &TextIndex, question: &str) -> Vec<Match> {
        index.scores(&query(question))
    }

    fn positions(index: &TextIndex, question: &str) -> Vec<u32> {
        scores(index, question).iter().map(|found| found.position).collect()
    }

    /// The fields of an item, each as its words.
    fn fields(item: &IndexedText<'_>) -> [Vec<String>; FIELDS] {
        [&item.title, &item.tags, &item.description].map(|text| words(text))
    }

    /// Score and coverage of every item, straight from the formulae in the module's head.
    fn naive(items: &[IndexedText<'_>], query: &Query) -> Vec<[f64; 2]> {
        let items: Vec<_> = items.iter().map(fields).collect();
        let average = |field: usize| {
            let lengths = items.iter().map(|item| item[field].len()).filter(|length| *length > 0);
            lengths.clone().sum::<usize>() as f64 / lengths.count().max(1) as f64
        };
        let averages = [average(0), average(1), average(2)];
        let times = |item: &[Vec<String>; FIELDS], word: &str| -> f64 {
            let of_field = |field: usize| {
                let times = item[field].iter().filter(|other| *other == word).count().min(255);
                let length = item[field].len() as f64 / averages[field].max(1e-9);
                [3.0, 2.0, 1.0][field] * times as f64 / (0.25 + 0.75 * length)
            };
            (0..FIELDS).map(of_field).sum()
        };
        let words = query.words().iter().map(|word| {
            let with = items.iter().filter(|item| times(item, &word.word) > 0.0).count() as f64;
            let rarity = (1.0 + (items.len() as f64 - with + 0.5) / (with + 0.5)).ln();
            (word, with > 0.0, f64::from(word.weight) * rarity)
        });
        let words: Vec<_> = words.collect();
        let known: f64 = words.iter().filter(|(_, is_known, _)| *is_known).map(|word| word.2).sum();
        let asked: f64 = words.iter().filter(|(word, ..)| word.is_asked).map(|word| word.2).sum();
        let of_item = |item: &[Vec<String>; FIELDS]| {
            let mut sums = [0.0; 2];
            for (word, _, mass) in &words {
                let times = times(item, &word.word);
                sums[0] += mass * times / (1.2 + times);
                sums[1] += if word.is_asked && times > 0.0 { *mass } else { 0.0 };
            }
            [sums[0] / known.max(1e-9), sums[1] / asked.max(1e-9)]
        };
        items.iter().map(of_item).collect()
    }

    /// Words in which no other begins, and none is long enough to be mistyped.
    const VOCABULARY: [&str; 12] =
        ["贷款", "汽车", "新能源", "钢琴", "期", "36", "3", "loan", "car", "wine", "的", "the"];

    fn some_words(most: usize) -> impl Strategy<Value = String> {
        let word = prop::sample::select(&VOCABULARY[..]);
        prop::collection::vec(word, 0..most).prop_map(|words| words.join(" "))
    }

    prop_compose! {
        fn an_item()(title in some_words(6), tags in some_words(3), description in some_words(12))
        -> IndexedText<'static> {
            IndexedText { title: title.into(), tags: tags.into(), description: description.into() }
        }
    }

    fn a_query() -> impl Strategy<Value = Query> {
        (some_words(6), some_words(8), any::<bool>()).prop_map(|(text, context, with_unknown)| {
            let unknown = if with_unknown { " zzz" } else { "" };
            Query::parse(&(text + unknown), &context).unwrap()
        })
    }

    proptest! {
        #[test]
        fn scores_are_those_that_are_reckoned_item_by_item(
            items in prop::collection::vec(an_item(), 0..12),
            query in a_query(),
        ) {
            let matches = TextIndex::build(items.clone()).scores(&query);
            prop_assert!(matches.is_sorted_by(|one, other| one.position < other.position));
            let mut found = vec![[0.0; 2]; items.len()];
            for one in &matches {
                prop_assert!(one.score > 0.0 && one.score < 1.0, "{one:?}");
                prop_assert!((0.0..=1.0).contains(&one.coverage), "{one:?}");
                found[one.position as usize] = [one.score, one.coverage].map(f64::from);
            }
            for (found, expected) in found.iter().zip(naive(&items, &query)) {
                prop_assert!((found[0] - expected[0]).abs() < 1e-5, "{found:?} {expected:?}");
                prop_assert!((found[1] - expected[1]).abs() < 1e-5, "{found:?} {expected:?}");
            }
        }

        #[test]
        fn the_order_of_items_only_permutes_what_is_found(
            (items, places) in prop::collection::vec(an_item(), 1..12).prop_flat_map(|items| {
                let places: Vec<usize> = (0..items.len()).collect();
                (Just(items), Just(places).prop_shuffle())
            }),
            query in a_query(),
        ) {
            let permuted = places.iter().map(|place| items[*place].clone());
            let mut found = TextIndex::build(permuted).scores(&query);
            found.iter_mut().for_each(|one| one.position = places[one.position as usize] as u32);
            found.sort_by_key(|one| one.position);
            prop_assert_eq!(found, TextIndex::build(items).scores(&query));
        }

        #[test]
        fn an_index_with_changes_is_the_index_of_what_there_is_then(
            before in prop::collection::vec(an_item(), 0..8),
            after in prop::collection::vec(
                prop_oneof![(0..10_u32).prop_map(Entry::Kept), an_item().prop_map(Entry::Text)],
                0..12,
            ),
        ) {
            let texts = after.iter().map(|entry| match entry {
                Entry::Kept(position) => before.get(*position as usize).cloned().unwrap_or_default(),
                Entry::Text(text) => text.clone(),
            });
            let expected = TextIndex::build(texts);
            prop_assert_eq!(TextIndex::build(before.clone()).with_changes(after), expected);
        }

        #[test]
        fn an_item_of_other_words_moves_scores_by_no_more_than_rarities(
            titles in prop::collection::vec(
                prop::collection::vec(prop::sample::select(&VOCABULARY[..]), 4), 1..10),
            query in a_query(),
        ) {
            // All of one length in words, so that the averages stay, too.
            let mut titles: Vec<String> = titles.iter().map(|words| words.join(" ")).collect();
            titles.iter_mut().for_each(|title| *title = title.replace("新能源", "loan"));
            let before = TextIndex::build(titles.iter().map(|title| text(title)));
            titles.push("alas bee cow dew".into());
            let after = TextIndex::build(titles.iter().map(|title| text(title)));
            let shares = |index: &TextIndex| -> Vec<f32> {
                let sought = index.sought(&query);
                let known = sought.iter().map(|word| if word.words.is_empty() { 0.0 } else { word.mass });
                let sum: f32 = known.clone().sum();
                known.map(|mass| mass / sum.max(1e-9)).collect()
            };
            let moved: f32 =
                shares(&before).iter().zip(shares(&after)).map(|(one, other)| (one - other).abs()).sum();
            let (before, after) = (before.scores(&query), after.scores(&query));
            prop_assert_eq!(before.len(), after.len(), "the new item is not among them");
            for (one, other) in before.iter().zip(&after) {
                prop_assert!((one.score - other.score).abs() <= moved + 1e-6);
            }
        }

        #[test]
        fn whatever_is_asked_of_whatever_there_is_scores_between_0_and_1(
            titles in prop::collection::vec("\\PC{0,20}|[\\s\\w贷款汽车\u{0}\u{7f}]{0,20}", 0..6),
            question in "\\PC{0,40}|[\\s\\w贷款汽车\u{0}\u{7f}]{0,40}",
        ) {
            let index = TextIndex::build(titles.iter().map(|title| text(title)));
            for found in scores(&index, &question) {
                prop_assert!(found.score > 0.0 && found.score <= 1.0);
                prop_assert!((0.0..=1.0).contains(&found.coverage));
            }
        }
    }

    #[test]
    fn a_title_beats_tags_and_these_a_description() {
        let fields = [("loan", "x", "y"), ("x", "loan", "y"), ("x", "y", "loan")];
        let items = fields.map(|(title, tags, description)| IndexedText {
            title: title.into(),
            tags: tags.into(),
            description: description.into(),
        });
        let found = scores(&TextIndex::build(items), "loan");
        assert!(found.is_sorted_by(|one, other| one.score > other.score), "{found:?}");
        assert!((found[0].score - 3.0 / 4.2).abs() < 1e-6);
        assert!(found.iter().all(|one| one.coverage == 1.0));
    }

    #[test]
    fn a_word_in_no_item_changes_coverage_only() {
        let index = index(&["car loan", "wine", "汽车贷款"]);
        let (without, with) = (scores(&index, "loan "), scores(&index, "loan 钢琴 "));
        assert_eq!(without[0].score, with[0].score);
        assert_eq!(without[0].coverage, 1.0);
        assert!(with[0].coverage < 0.5, "the word that is not there is the rarer one");
    }

    #[test]
    fn a_rare_word_says_more_than_a_frequent_one() {
        let index = index(&["汽车 贷款", "汽车 租赁", "汽车 保养", "钢琴 贷款"]);
        let found = scores(&index, "汽车贷款");
        assert_eq!(found.len(), 4);
        assert!(found[0].score > found[3].score && found[3].score > found[1].score, "{found:?}");
        assert_eq!(positions(&index, "我的汽车怎么保养"), [0, 1, 2]);
    }

    #[test]
    fn the_context_decides_among_what_the_query_leaves_equal() {
        let index = index(&["car loan", "house loan", "house wine"]);
        let found = index.scores(&Query::parse("loan", "about a house").unwrap());
        assert!(found[1].score > found[0].score && found[0].score > found[2].score, "{found:?}");
        assert_eq!(found.iter().map(|one| one.coverage).collect::<Vec<_>>(), [1.0, 1.0, 0.0]);
    }

    #[test]
    fn terms_of_a_single_character_tell_items_apart() {
        let index = index(&["贷款 3期", "贷款 36期", "贷款 12期"]);
        let found = scores(&index, "3期");
        assert!(found[0].score > found[1].score && found[1].score == found[2].score, "{found:?}");
    }

    #[test]
    fn mistyped_and_unfinished_words_find_what_was_meant() {
        let index = index(&["car finance", "car loans", "car loan", "financial"]);
        assert_eq!(positions(&index, "finanse"), [0]);
        assert_eq!(positions(&index, "loa"), [1, 2]);
        assert_eq!(positions(&index, "loa ?"), [0; 0]);
        let (typed, meant) = (scores(&index, "finance"), scores(&index, "finanse"));
        assert!((meant[0].score - 0.8 * typed[0].score).abs() < 1e-6);
        assert!((meant[0].coverage - 0.8).abs() < 1e-6);
        // A context is not worth looking for what it meant.
        assert_eq!(index.scores(&Query::parse("wine", "finanse").unwrap()), []);
    }

    #[test]
    fn no_more_than_four_words_are_searched_for_as_mistyped() {
        let titles = ["anchor", "bridge", "castle", "desert", "engine"];
        assert_eq!(
            positions(&index(&titles), "anchox bridgx castlx desertx enginx "),
            [0, 1, 2, 3]
        );
    }

    #[test]
    fn an_item_with_several_endings_of_a_word_counts_once() {
        let index = index(&["loan loans", "loan wine"]);
        let found = scores(&index, "loa");
        assert_eq!(found.len(), 2);
        assert!(found[0].coverage == found[1].coverage && found[0].score <= 0.8, "{found:?}");
    }

    #[test]
    fn nothing_asked_or_nothing_there_finds_nothing() {
        let some = index(&["car", "😀", ""]);
        assert_eq!(some.len(), 3);
        for question in ["", " ", "😀", "\u{0}\u{1b}[2J\u{200b}", "wine", "的"] {
            assert_eq!(positions(&some, question), [0; 0], "{question:?}");
        }
        assert!(index(&[]).is_empty());
        assert_eq!(positions(&index(&[]), "car"), [0; 0]);
        assert_eq!(positions(&index(&["", "😀"]), "car"), [0; 0]);
        assert_eq!(positions(&index(&["what", "car"]), "what"), [0; 0]);
    }

    #[test]
    fn chinese_is_found_however_it_is_cut() {
        let titles = [
            "大众朗逸长租 (lease a Volkswagen)",
            "吉利帝豪长租",
            "基金定投入门课",
            "凯美瑞贷款",
            "新能源汽车保险",
            "Piano",
        ];
        let index = index(&titles);
        for (question, found) in [
            ("朗逸", vec![0]),
            ("长租", vec![0, 1]),
            ("朗逸长租", vec![0, 1]),
            ("入门", vec![2]),
            ("车", vec![4]),
            ("凯美", vec![3]),
            ("凯美锐", vec![3]),
            ("新能", vec![4]),
            ("保现", vec![4]),
            ("钢琴", vec![]),
        ] {
            assert_eq!(positions(&index, question), found, "{question}");
        }
        let scores = scores(&index, "朗逸长租");
        assert!(scores[0].score > scores[1].score && scores[0].coverage > scores[1].coverage);
    }

    proptest! {
        #[test]
        fn every_part_of_a_title_finds_it(
            title in "[车险保投入门基金定朗逸长租]{2,12}", at in 0usize..11, length in 1usize..4,
        ) {
            let characters: Vec<char> = title.chars().collect();
            let at = at % characters.len();
            let part: String = characters[at..].iter().take(length).collect();
            let index = index(&[&title, "piano"]);
            prop_assert_eq!(positions(&index, &part), [0], "{} {}", title, part);
        }
    }

    #[test]
    fn a_hundred_equal_items_score_the_same() {
        let found = scores(&index(&["汽车贷款 car loan"; 100]), "汽车贷款 loan");
        assert_eq!(found.len(), 100);
        assert!(found.iter().all(|one| one.score == found[0].score && one.coverage == 1.0));
    }

    #[test]
    fn long_and_hostile_texts_take_no_more_than_their_bounds() {
        let long = "新能源汽车贷款 ".repeat(1_000);
        let noise: String = ('\u{4e00}'..'\u{9fff}').collect();
        let of_one = "x".repeat(100_000);
        let titles = [&*long, "贷款", &noise, &of_one, "\u{0}\u{7}\u{202e}"];
        let index = index(&titles);
        assert!(index.words() < 3 * 8_192, "8,192 characters are read of each field");
        let found = scores(&index, "贷款");
        assert_eq!(found.iter().map(|one| one.position).collect::<Vec<_>>()[..2], [0, 1]);
    }

    #[test]
    fn the_most_frequent_words_are_left_out_beyond_the_bound() {
        let index = index(&["a1 b1 c1", "a1 b1", "a1"]);
        let left = |most| {
            let sought = within_bounds(index.sought(&query("a1 b1 c1 d1")), most);
            sought.iter().map(|word| word.postings).collect::<Vec<_>>()
        };
        assert_eq!(left(6), [0, 1, 2, 3]);
        assert_eq!(left(5), [0, 1, 2]);
        assert_eq!(left(0), [0, 1], "the first that any item has in any case");
    }
}
