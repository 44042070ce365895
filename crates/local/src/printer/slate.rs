//! A slate as a table.

use std::fmt::{self, Display};

use crossfold_core::entities::counted::of;
use crossfold_lab::output::{Foreign, ForeignNames};

use crate::answers::{InspectedAnswer, LeftOutAnswer, SlateAnswer, SlateItem};

/// A slate, each item with its place, score, domain, title and reason.
pub(crate) struct SlateTable<'a>(pub(crate) &'a SlateAnswer);

impl Display for SlateTable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let SlateAnswer { personalised, degraded, items, inspection } = self.0;
        let has_no_model = degraded.iter().any(|what| what == "no_model");
        let kind = match personalised {
            true => "personalised",
            false if has_no_model => "newest-first",
            false => "popularity",
        };
        let note = match degraded.as_slice() {
            [] => String::new(),
            degraded => format!(" ({})", ForeignNames(degraded)),
        };
        writeln!(f, "  {kind} slate{note}")?;
        if has_no_model {
            writeln!(f, "  there is no model yet: crossfold train makes one")?;
        }
        if items.is_empty() {
            let how = if inspection.is_some() { "" } else { " (--inspect says which)" };
            writeln!(
                f,
                "  nothing: every item was seen, is hidden, sold out, not what the filter wants, or has none of the words, or there is none{how}"
            )?;
        }
        items.iter().try_for_each(|item| write_item(f, item))?;
        inspection.iter().flatten().try_for_each(|target| write_inspected(f, target))
    }
}

/// How many items of a target could be shown, and which could not, by rule.
fn write_inspected(f: &mut fmt::Formatter<'_>, target: &InspectedAnswer) -> fmt::Result {
    let InspectedAnswer { domain, eligible, left_out } = target;
    writeln!(f, "  of {domain}, {} could be shown", of(*eligible, "item"))?;
    for LeftOutAnswer { rule, items, reasons, samples } in left_out {
        let ids: Vec<String> = samples.iter().map(|sample| sample.item_id.clone()).collect();
        let more = if *items > ids.len() as u64 { ", …" } else { "" };
        let rule = Foreign::name(rule);
        writeln!(f, "    {items} left out, {rule}: {}{more}", ForeignNames(&ids))?;
        for (reason, items) in reasons {
            writeln!(f, "      {items} for {}", Foreign::name(reason))?;
        }
    }
    Ok(())
}

fn write_item(f: &mut fmt::Formatter<'_>, item: &SlateItem) -> fmt::Result {
    let SlateItem { rank, score, title, .. } = item;
    let domain = item.domain.as_str();
    let reason = Foreign::text(item.reason.as_ref().map_or("", |reason| &reason.text));
    let title = Foreign::text(title);
    writeln!(f, "  {rank:>3}. {score:.3}  {domain:<13} {title}  -  {reason}")?;
    match &item.offer {
        // All of it, wherever some of it is shown.
        Some(offer) => writeln!(f, "       {}", Foreign::text(&offer.to_string())),
        None => Ok(()),
    }
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
        let slate =
            SlateAnswer { personalised: false, degraded: vec![], items: vec![], inspection: None };
        let text = SlateTable(&slate).to_string();
        let expected = "  popularity slate\n  nothing: every item was seen, is hidden, sold out, not what the filter wants, or has none of the words, or there is none (--inspect says which)\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn what_is_degraded_is_said() {
        let slate = SlateAnswer {
            personalised: false,
            degraded: vec!["no_model".into(), "no_profile".into()],
            items: vec![],
            inspection: None,
        };
        let text = SlateTable(&slate).to_string();
        let expected = "  newest-first slate (no_model, no_profile)\n  there is no model yet: crossfold train makes one\n  nothing: ";
        assert!(text.starts_with(expected), "{text}");
    }

    #[test]
    fn what_was_left_out_is_told_by_rule_where_it_was_asked() {
        let answer = json!({
            "personalised": false, "degraded": [], "items": [],
            "inspection": [{ "domain": "shop", "eligible": 1, "left_out": [
                { "rule": "seen", "items": 7, "samples": [{"item_id": "i1", "title": "t"}, {"item_id": "i2"}] },
                { "rule": "hidden", "items": 1, "samples": [{"item_id": "i9"}] },
            ]}],
        });
        let slate: SlateAnswer = read(answer).unwrap();
        let expected = "  popularity slate\n  nothing: every item was seen, is hidden, sold out, not what the filter wants, or has none of the words, or there is none\n  of shop, 1 item could be shown\n    7 left out, seen: i1, i2, …\n    1 left out, hidden: i9\n";
        assert_eq!(SlateTable(&slate).to_string(), expected);
    }
}
