//! A slate as a table.

use std::fmt::{self, Display};

use crate::answers::{SlateAnswer, SlateItem};

/// A slate, each item with its place, score, domain, title and reason.
pub(crate) struct SlateTable<'a>(pub(crate) &'a SlateAnswer);

impl Display for SlateTable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let SlateAnswer { personalised, degraded, items } = self.0;
        let has_no_model = degraded.iter().any(|what| what == "no_model");
        let kind = match personalised {
            true => "personalised",
            false if has_no_model => "newest-first",
            false => "popularity",
        };
        let note = match degraded.as_slice() {
            [] => String::new(),
            degraded => format!(" ({})", degraded.join(", ")),
        };
        writeln!(f, "  {kind} slate{note}")?;
        if has_no_model {
            writeln!(f, "  there is no model yet: crossfold train makes one")?;
        }
        if items.is_empty() {
            return writeln!(
                f,
                "  nothing: every item was seen, is hidden or sold out, or there is none (\"inspect\": true says which)"
            );
        }
        items.iter().try_for_each(|item| write_item(f, item))
    }
}

fn write_item(f: &mut fmt::Formatter<'_>, item: &SlateItem) -> fmt::Result {
    let SlateItem { rank, score, title, .. } = item;
    let domain = item.domain.as_str();
    let reason = item.reason.as_ref().map_or("", |reason| &reason.text);
    writeln!(f, "  {rank:>3}. {score:.3}  {domain:<13} {title}  -  {reason}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::answers::read;

    #[test]
    fn a_slate_is_a_table_whose_columns_line_up() {
        let answer = json!({
            "recommendation_id": "r", "model": null, "variant": null,
            "personalised": true, "degraded": [],
            "items": [
                {"rank": 1, "domain": "auto-finance", "item_id": "o1", "title": "贷款", "score": 0.1235,
                 "propensity": 1.0, "reason": {"code": "history", "text": "As you took a course", "evidence": []}},
                {"rank": 12, "domain": "knowledge", "item_id": "k1", "title": "Course", "score": -1.0,
                 "propensity": 1.0},
            ],
        });
        let slate: SlateAnswer = read(answer).unwrap();
        let expected = "  personalised slate\n    1. 0.123  auto-finance  贷款  -  As you took a course\n   12. -1.000  knowledge     Course  -  \n";
        assert_eq!(SlateTable(&slate).to_string(), expected);
    }

    #[test]
    fn an_empty_slate_and_one_that_nobody_shaped_say_so() {
        let slate = SlateAnswer { personalised: false, degraded: vec![], items: vec![] };
        let text = SlateTable(&slate).to_string();
        let expected = "  popularity slate\n  nothing: every item was seen, is hidden or sold out, or there is none (\"inspect\": true says which)\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn what_is_degraded_is_said() {
        let slate = SlateAnswer {
            personalised: false,
            degraded: vec!["no_model".into(), "no_profile".into()],
            items: vec![],
        };
        let text = SlateTable(&slate).to_string();
        let expected = "  newest-first slate (no_model, no_profile)\n  there is no model yet: crossfold train makes one\n  nothing: ";
        assert!(text.starts_with(expected), "{text}");
    }
}
