//! What a question says: its words, and how much each weighs.

use std::collections::BTreeSet;
use std::fmt;

use super::stop_words::is_stop_word;
use super::terms::words_of;

/// Most characters of a query: a long question; what is longer is a document.
pub const MAX_QUERY_CHARACTERS: usize = 256;

/// Most characters of a context: a page, or the last turns of a conversation.
pub const MAX_CONTEXT_CHARACTERS: usize = 2_000;

/// What a word that stands in the context only weighs: as what was talked about before, it says
/// less than what is asked now.
const CONTEXT_WEIGHT: f32 = 0.3;

/// Fewest letters of a word that may go on: fewer begin too many words.
const FEWEST_LETTERS_TYPED: usize = 3;

/// Why a question is not searched for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// The query is longer than [`MAX_QUERY_CHARACTERS`].
    #[error("the query has more than {MAX_QUERY_CHARACTERS} characters")]
    QueryTooLong,
    /// The context is longer than [`MAX_CONTEXT_CHARACTERS`].
    #[error("the context has more than {MAX_CONTEXT_CHARACTERS} characters")]
    ContextTooLong,
}

/// A word that is looked for.
#[derive(Debug, Clone, PartialEq)]
pub struct QueryWord {
    /// The word, as `lexical::words` cuts it.
    pub word: String,
    /// How much it weighs, above 0 to 1.
    pub weight: f32,
    /// Whether it is asked for, and not only around what is: coverage is a share of these.
    pub is_asked: bool,
    /// Whether it may be the beginning of a longer word that is still being typed.
    pub is_unfinished: bool,
}

/// What a question says, as words with weights. Which index it is asked of does not matter.
#[derive(Clone, Default, PartialEq)]
pub struct Query {
    words: Vec<QueryWord>,
}

/// Without the words, which are for no log.
impl fmt::Debug for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Query({} words)", self.words.len())
    }
}

impl Query {
    /// The words of a query, and of the context it is asked in: a page, a conversation. Either
    /// may be empty.
    ///
    /// A word counts once, however often it stands there. Words of the query weigh 1; those of
    /// the context alone 0.3, or less where they are so many that together they would weigh
    /// more than the query. Words that say nothing (的, 怎么, `the`) are left out.
    ///
    /// A query of nothing else leaves the context to ask, with a weight of 1; where that has
    /// nothing to say either, nothing is looked for.
    ///
    /// The last word of the query may be the beginning of another when it ends the text and has
    /// three Latin letters or more.
    ///
    /// ```
    /// use crossfold_text::search::Query;
    ///
    /// let query = Query::parse("3期怎么还？", "汽车 贷款")?;
    /// let words = query.words().iter().map(|word| (&*word.word, word.weight));
    /// let expected = [("3", 1.0), ("期", 1.0), ("汽车", 0.3), ("贷款", 0.3)];
    /// assert_eq!(words.collect::<Vec<_>>(), expected);
    /// # Ok::<(), crossfold_text::search::QueryError>(())
    /// ```
    ///
    /// # Errors
    /// When either is longer than it may be.
    pub fn parse(text: &str, context: &str) -> Result<Self, QueryError> {
        if text.chars().nth(MAX_QUERY_CHARACTERS).is_some() {
            return Err(QueryError::QueryTooLong);
        }
        if context.chars().nth(MAX_CONTEXT_CHARACTERS).is_some() {
            return Err(QueryError::ContextTooLong);
        }
        let in_order = words_of(text);
        let unfinished = in_order.last().filter(|word| may_go_on(text, word)).cloned();
        let query: BTreeSet<String> = in_order.into_iter().collect();
        let context: BTreeSet<String> = words_of(context).into_iter().collect();
        let (asked, around) = told_apart(query, context);
        let share = asked.len() as f32 / around.len() as f32;
        let asked = asked.into_iter().map(|word| {
            let is_unfinished = unfinished.as_ref() == Some(&word);
            QueryWord { word, weight: 1.0, is_asked: true, is_unfinished }
        });
        let weight = CONTEXT_WEIGHT.min(share);
        let around = around.into_iter().map(|word| QueryWord {
            word,
            weight,
            is_asked: false,
            is_unfinished: false,
        });
        Ok(Self { words: asked.chain(around).collect() })
    }

    /// Its words: first what is asked for, then what stands in the context only, each in order.
    #[must_use]
    pub fn words(&self) -> &[QueryWord] {
        &self.words
    }

    /// Whether there is nothing to look for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }
}

/// Whether somebody may still be typing the last word of a text.
fn may_go_on(text: &str, last: &str) -> bool {
    text.ends_with(char::is_alphanumeric)
        && last.len() >= FEWEST_LETTERS_TYPED
        && last.bytes().all(|byte| byte.is_ascii_lowercase())
}

/// The words that are asked for, and those that are only around.
fn told_apart(
    query: BTreeSet<String>,
    context: BTreeSet<String>,
) -> (BTreeSet<String>, BTreeSet<String>) {
    let telling = |words: &BTreeSet<String>| -> BTreeSet<String> {
        words.iter().filter(|word| !is_stop_word(word)).cloned().collect()
    };
    let (asked, around) = (telling(&query), telling(&context));
    if !asked.is_empty() {
        let around = around.difference(&asked).cloned().collect();
        return (asked, around);
    }
    (around, BTreeSet::new())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str, context: &str) -> Vec<(String, f32)> {
        let query = Query::parse(text, context).unwrap();
        query.words().iter().map(|word| (word.word.clone(), word.weight)).collect()
    }

    fn names(text: &str, context: &str) -> Vec<String> {
        parsed(text, context).into_iter().map(|(word, _)| word).collect()
    }

    #[test]
    fn words_count_once_and_the_context_less() {
        let expected = [("36", 1.0), ("loan", 1.0), ("期", 1.0), ("wine", 0.3)];
        let expected = expected.map(|(word, weight)| (word.to_owned(), weight));
        assert_eq!(parsed("Loan loan ＬＯＡＮ 36期", "loan wine wine"), expected);
    }

    #[test]
    fn a_long_context_weighs_no_more_than_the_query() {
        let context: Vec<String> = (0..400).map(|number| number.to_string()).collect();
        let words = parsed("loan wine", &context.join(" "));
        let around: f32 = words[2..].iter().map(|(_, weight)| weight).sum();
        assert!((around - 2.0).abs() < 1e-3, "{around}");
    }

    #[test]
    fn words_that_say_nothing_ask_nothing() {
        assert_eq!(names("我想要贷款", "the wine"), ["贷款", "wine"]);
        assert_eq!(parsed("怎么", "the wine"), [("wine".to_owned(), 1.0)]);
        for (query, context) in [("what", "the"), ("", "the"), ("的 怎么", "")] {
            assert!(Query::parse(query, context).unwrap().is_empty(), "{query} {context}");
        }
        assert!(Query::parse(" 😀\u{0}\u{7}？", "\u{200b}").unwrap().is_empty());
        assert_eq!(Query::parse("", "").unwrap(), Query::default());
    }

    #[test]
    fn only_the_last_latin_word_may_go_on() {
        let unfinished = |text| {
            let query = Query::parse(text, "context").unwrap();
            let words = query.words().iter().filter(|word| word.is_unfinished);
            words.map(|word| word.word.clone()).collect::<Vec<_>>()
        };
        assert_eq!(unfinished("used car loa"), ["loa"]);
        for text in ["used car loa ", "used lo", "loan 贷款", "loan 365", "loan?", ""] {
            assert_eq!(unfinished(text), [""; 0], "{text}");
        }
    }

    #[test]
    fn what_is_too_long_is_refused_in_words() {
        let longest = "车".repeat(MAX_QUERY_CHARACTERS);
        let longest_context = "x".repeat(MAX_CONTEXT_CHARACTERS);
        assert!(Query::parse(&longest, &longest_context).is_ok());
        let refused = Query::parse(&(longest + "x"), "").unwrap_err();
        assert_eq!(refused.to_string(), "the query has more than 256 characters");
        let refused = Query::parse("", &(longest_context + "x")).unwrap_err();
        assert_eq!(refused.to_string(), "the context has more than 2000 characters");
    }

    #[test]
    fn hostile_questions_have_no_more_words_than_characters_allow() {
        let noise: String = ('\u{4e00}'..).take(MAX_CONTEXT_CHARACTERS).collect();
        let query: String = noise.chars().take(MAX_QUERY_CHARACTERS).collect();
        // A character begins at most three words: itself, and two in a longer one.
        let words = Query::parse(&query, &noise).unwrap().words().len();
        assert!(words <= 3 * MAX_CONTEXT_CHARACTERS, "{words}");
        let one = Query::parse(&"x".repeat(MAX_QUERY_CHARACTERS), "").unwrap();
        assert_eq!(one.words()[0].word.len(), 40);
    }
}
