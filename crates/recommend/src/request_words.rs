//! The `query` and `context` of a request: what items are looked for in somebody's words.

use crossfold_core::entities::plain_text::is_one_line;
use crossfold_core::serving::request::Words;
use crossfold_edge::problem::Problem;
use crossfold_text::search::Query;

use crate::request_filter::FilteredTargets;

/// What somebody wrote or talked about, as words to look for.
pub(crate) struct Question {
    pub(crate) query: Query,
    pub(crate) words: Words,
}

impl Question {
    /// What a query, perhaps in a context, asks of targets; `None` where neither has a word: somebody
    /// who has typed a question mark is shown what they would be shown anyway.
    ///
    /// # Errors
    /// A problem when either is too long, or the caller does not act for a target: what is found
    /// tells of each item what is written in it.
    pub(crate) fn read(
        (query, context): (&str, &str),
        targets: FilteredTargets<'_>,
    ) -> Result<Option<Self>, Problem> {
        let parsed = Query::parse(query.trim(), context);
        let parsed = parsed.map_err(|error| Problem::invalid(error.to_string()))?;
        if parsed.is_empty() {
            return Ok(None);
        }
        for target in targets.all() {
            targets.only("query or context", target)?;
        }
        let words = match is_of_query(&parsed, query) {
            true => Words::Query(shown(query)),
            false => Words::Context,
        };
        Ok(Some(Self { query: parsed, words }))
    }
}

/// Whether what is looked for is what a query says: one that says nothing leaves its context to ask,
/// which keeps nothing back.
fn is_of_query(parsed: &Query, query: &str) -> bool {
    let own = Query::parse(query.trim(), "").unwrap_or_default();
    own.words().iter().any(|own| parsed.words().iter().any(|word| word.word == own.word))
}

/// A query as reasons repeat it: on one line, without what would command whoever shows it.
fn shown(query: &str) -> String {
    let is_text = |sign: &char| is_one_line(sign.encode_utf8(&mut [0; 4]));
    query.split_whitespace().collect::<Vec<_>>().join(" ").chars().filter(is_text).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use crossfold_core::entities::definition::Definitions;
    use crossfold_core::entities::ids::DomainId;
    use crossfold_edge::caller::Caller;

    use super::*;

    fn read(query: &str, context: &str) -> Result<Option<Words>, Problem> {
        let targets = BTreeSet::from([DomainId::parse("cars").unwrap()]);
        let (definitions, caller) = (Definitions::new(), Caller::development());
        let targets = FilteredTargets {
            targets: &targets,
            outdated: &BTreeSet::new(),
            definitions: &definitions,
            caller: &caller,
        };
        Question::read((query, context), targets).map(|question| question.map(|q| q.words))
    }

    #[test]
    fn what_has_no_words_asks_nothing_and_what_is_too_long_is_refused() {
        for (query, context) in [("", ""), (" \n", ""), ("?", "…"), ("！！", " ")] {
            assert_eq!(read(query, context).unwrap(), None, "{query} {context}");
        }
        for query in ["", "?", "！", "的"] {
            assert_eq!(read(query, "a car loan").unwrap(), Some(Words::Context));
        }
        assert_eq!(read(" car\n loan ", "").unwrap(), Some(Words::Query("car loan".to_owned())));
        for (query, context) in
            [("车".repeat(257), String::new()), (String::new(), "车".repeat(2_001))]
        {
            assert_eq!(read(&query, &context).unwrap_err().code, "invalid_request");
        }
        assert!(read(&"车".repeat(256), &"车".repeat(2_000)).unwrap().is_some());
    }

    #[test]
    fn what_reasons_repeat_of_a_query_commands_nothing() {
        let words = read("car \u{202e}loan\u{7}", "").unwrap();
        assert_eq!(words, Some(Words::Query("car loan".to_owned())));
    }
}
