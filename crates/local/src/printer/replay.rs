//! What came of making a slate again.

use std::fmt::{self, Display};

use crossfold_core::entities::decision::SlateEntry;
use crossfold_core::serving::replay::{Change, Finding};
use crossfold_lab::output::Foreign;

use crate::answers::ReplayAnswer;

/// Whether a slate was made again, what stands against it, and the slate as it was served.
pub(crate) struct ReplayText<'a>(pub(crate) &'a ReplayAnswer);

impl Display for ReplayText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ReplayAnswer { recommendation_id, decided_at, policy, seed, .. } = self.0;
        let policy = Foreign::name(policy);
        writeln!(f, "{recommendation_id} of {decided_at}, {policy}, seed {seed}")?;
        if self.0.same {
            writeln!(f, "  the same slate was made again, to the last bit")?;
        }
        self.0.findings.iter().try_for_each(|finding| write_finding(f, finding))?;
        write_slate(f, self.0.served.as_deref().unwrap_or_default())
    }
}

fn write_finding(f: &mut fmt::Formatter<'_>, finding: &Finding) -> fmt::Result {
    write!(f, "  {}", words(finding))?;
    let domains = finding.domains.iter().map(ToString::to_string);
    let items = finding.items.iter().map(|item| format!("{} of {}", item.item_id, item.domain));
    let places: Vec<String> = match finding.items.is_empty() {
        true => domains.collect(),
        false => items.collect(),
    };
    let separator = if places.is_empty() { "" } else { ": " };
    writeln!(f, "{separator}{}", places.join(", "))
}

fn words(finding: &Finding) -> &'static str {
    match finding.code {
        Change::NotRecorded => {
            "its record is from before what a slate rests on was kept as it is now"
        }
        Change::KeysRotating => {
            "keys are being rotated, and the user is not found from its record: ask again after \
             the next run"
        }
        Change::PolicyGone => "this version has no such policy",
        Change::ModelGone => "the model was deleted",
        Change::EncoderGone => "the text encoder that ranked new items cannot be read",
        Change::ExcludedNotKept => "too many unwanted items were named to be kept",
        Change::ApplicantNotKept => "what somebody told who applied for offers is kept nowhere",
        Change::WordsNotKept => "what was looked for in words is kept nowhere",
        Change::ListedNotKept => "too many items were to be put in order to be kept",
        Change::FilterGone => {
            "one of its filters names attributes that are not declared so any more"
        }
        Change::DefinitionsChanged => {
            "evidence is weighed otherwise now, who may have offers is, or its domain is gone"
        }
        Change::ConsentsChanged => "evidence that was used may no longer be",
        Change::TooManySince => "more came in since than is read, and what was used is not reached",
        Change::LinksChanged => {
            "another user was linked since, and the person has too many to tell whose evidence \
             was used"
        }
        // Of a platform that others act for it is not told why.
        Change::EvidenceChanged if finding.domains.is_empty() => {
            "evidence that was used is not all there, or cannot be told from what came since"
        }
        Change::EvidenceChanged => "evidence that was used is not all there",
        Change::ImpressionsChanged => "what the user had been shown is not known as it was",
        Change::CatalogueChanged => "items of the slate changed or are gone",
        Change::SlateDiffers => "from what seems the same another slate is made",
    }
}

fn write_slate(f: &mut fmt::Formatter<'_>, slate: &[SlateEntry]) -> fmt::Result {
    for (at, entry) in slate.iter().enumerate() {
        let SlateEntry { domain, item_id, score, propensity, promoted } = entry;
        let (rank, domain) = (at + 1, domain.as_str());
        let promoted = if *promoted { "  promoted" } else { "" };
        writeln!(f, "  {rank:>3}. {score:.3}  {propensity:.3}  {domain:<13} {item_id}{promoted}")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::answers::read;

    fn text(more: &serde_json::Value) -> String {
        let entry =
            |id: &str| json!({ "domain": "films", "item_id": id, "score": 0.5, "propensity": 1.0 });
        let mut answer = json!({
            "recommendation_id": "r", "decided_at": "2026-06-01T00:00:00Z", "model": null,
            "variant": null, "policy": "als-fold-in/3", "seed": 7, "same": true, "findings": [],
            "served": [entry("a")],
        });
        answer.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let answer: ReplayAnswer = read(answer).unwrap();
        ReplayText(&answer).to_string()
    }

    #[test]
    fn the_slate_is_shown_as_it_was_served_whatever_came_of_it() {
        let head = "r of 2026-06-01T00:00:00Z, als-fold-in/3, seed 7\n";
        let slate = "    1. 0.500  1.000  films         a\n";
        let same = "  the same slate was made again, to the last bit\n";
        assert_eq!(text(&json!({})), format!("{head}{same}{slate}"));
        let differs = json!({ "same": false, "findings": [{ "code": "slate_differs" }] });
        let found = "  from what seems the same another slate is made\n";
        assert_eq!(text(&differs), format!("{head}{found}{slate}"));
        let rotating = json!({
            "same": false, "findings": [{ "code": "keys_rotating" }], "served": null,
        });
        let found = "  keys are being rotated, and the user is not found from its record: ask \
                     again after the next run\n";
        assert_eq!(text(&rotating), format!("{head}{found}"));
    }

    #[test]
    fn why_evidence_is_not_there_is_told_of_a_platform_alone() {
        for (code, domains, words) in [
            (
                "evidence_changed",
                json!(["films"]),
                "evidence that was used is not all there: films",
            ),
            (
                "evidence_changed",
                json!([]),
                "not all there, or cannot be told from what came since",
            ),
            ("links_changed", json!(["films"]), "another user was linked since"),
            ("too_many_since", json!(["films"]), "more came in since than is read"),
        ] {
            let finding = json!({ "code": code, "domains": domains });
            let text = text(&json!({ "same": false, "findings": [finding] }));
            assert!(text.contains(words), "{text}");
        }
    }

    #[test]
    fn what_is_gone_is_named() {
        let findings = json!([
            { "code": "consents_changed", "domains": ["films"] },
            { "code": "catalogue_changed", "domains": ["films"],
              "items": [{ "domain": "films", "item_id": "a" }, { "domain": "films", "item_id": "b" }] },
            { "code": "model_gone" },
        ]);
        let text = text(&json!({ "same": false, "findings": findings }));
        for line in [
            "  evidence that was used may no longer be: films\n",
            "  items of the slate changed or are gone: a of films, b of films\n",
            "  the model was deleted\n",
        ] {
            assert!(text.contains(line), "{text}");
        }
        assert!(!text.contains("the same slate was made"), "{text}");
    }
}
