//! What a slate was chosen from, for whoever looks into it: which items the rules left
//! out, and of what each score is made up. Nothing here shapes the slate.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::entities::catalogue::Item;
use crate::entities::eligibility::{Assessment, Reason, Reasons, assess};
use crate::entities::ids::{DomainId, ItemId};
use crate::evidence::items::Row;
use crate::model::Model;
use crate::serving::admit::AdmittedRequest;
use crate::serving::rules::{Ineligible, application};
use crate::serving::snapshot::Catalogues;
use crate::serving::sources::TargetSources;

/// Items that are named for each rule; all are counted.
pub const MAX_SAMPLES: usize = 5;
/// Parts that a score is shown as; what others add is summed up.
pub const MAX_PARTS: usize = 20;

/// An item that a rule left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LeftOutItem {
    /// The item.
    pub item_id: ItemId,
    /// Its title; absent when it was deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
}

/// What one rule left out of one target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LeftOutByRule {
    /// Why.
    pub rule: Ineligible,
    /// How many items.
    pub items: usize,
    /// The first of them, in order of ids; at most [`MAX_SAMPLES`].
    pub samples: Vec<LeftOutItem>,
    /// Of offers that cannot be had, how many for each reason; an offer may have several.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub reasons: BTreeMap<Reason, usize>,
}

/// What became of one target's catalogue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct InspectedTarget {
    /// The target.
    pub domain: DomainId,
    /// Items that could be served.
    pub eligible: usize,
    /// The others, by rule.
    pub left_out: Vec<LeftOutByRule>,
}

/// A part of a score.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ScorePart {
    /// The domain of the past item.
    pub domain: DomainId,
    /// The past item; absent when it happened where the caller does not act, and all of
    /// that domain are summed up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub item_id: Option<ItemId>,
    /// The past item's title, as far as it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// What it adds to the score; below 0 when it takes away.
    pub amount: f32,
}

/// What a score is made up of.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ScoreParts {
    /// What past items of the person add, those that count most first; at most [`MAX_PARTS`].
    pub parts: Vec<ScorePart>,
    /// What a sequence model makes of all that the person took in the item's domain, in its
    /// order: no past item has a part of its own in it. Absent where none has a share.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sequence: Option<f32>,
    /// What the words that are looked for add. Absent where it has none of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub words: Option<f32>,
    /// What these leave of the score: further past items, or, without any, popularity.
    pub rest: f32,
    /// What the sum of all these was multiplied by, because the caller boosts the item or the user was
    /// shown it often. Absent where neither is so, and of items where the caller does not act: that a placement boosts them tells
    /// what they are like.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub multiplier: Option<f32>,
}

/// A score, and what the caller made of it.
pub(super) struct CountedScore {
    pub(super) score: f32,
    /// What it was multiplied by.
    pub(super) multiplier: Option<f32>,
    /// What was added to it before, for the words that are looked for.
    pub(super) words: f32,
}

/// What a source says of a score.
pub(super) struct Parts {
    /// What each past item adds.
    pub(super) contributions: Vec<(Row, f32)>,
    /// As [`ScoreParts::sequence`].
    pub(super) sequence: Option<f32>,
}

/// What the rules left out of the targets that the caller acts for. What was seen or
/// dismissed on another platform, and what it does not offer, is that platform's to know.
pub(super) fn targets(
    targets: &[TargetSources<'_>],
    asked: &AdmittedRequest<'_>,
) -> Vec<InspectedTarget> {
    let seen = targets.iter().map(|target| &target.target);
    let own = seen.filter(|target| asked.request.visible.contains(target.domain));
    own.map(|target| {
        let application = application(asked.request, target.domain, asked.definitions);
        let reasons = |item: &Item| match assess(&application?.case(item)?) {
            Assessment::Refused(refusal) => Some(refusal.reasons()),
            Assessment::Eligible(_) => None,
        };
        let mut by_rule: BTreeMap<Ineligible, LeftOutByRule> = BTreeMap::new();
        for (position, refusal) in target.refusals.reasons().iter().enumerate() {
            let Some(rule) = *refusal else { continue };
            let new =
                || LeftOutByRule { rule, items: 0, samples: Vec::new(), reasons: BTreeMap::new() };
            let of_rule = by_rule.entry(rule).or_insert_with(new);
            of_rule.items += 1;
            let entry = target.snapshot.entry(position);
            if rule == Ineligible::NotEligible {
                for reason in reasons(entry.item).into_iter().flat_map(Reasons::iter) {
                    *of_rule.reasons.entry(reason).or_default() += 1;
                }
            }
            if of_rule.samples.len() < MAX_SAMPLES {
                of_rule.samples.push(LeftOutItem {
                    item_id: entry.item.item_id.clone(),
                    title: entry.title().map(str::to_owned),
                });
            }
        }
        InspectedTarget {
            domain: target.domain.clone(),
            eligible: target.refusals.admitted(),
            left_out: by_rule.into_values().collect(),
        }
    })
    .collect()
}

/// What a score is made up of, by what its source says.
pub(super) fn score_parts(
    CountedScore { score, multiplier, words }: CountedScore,
    Parts { contributions, sequence }: Parts,
    model: Option<&Model>,
    visible: &BTreeSet<DomainId>,
    catalogues: &Catalogues,
) -> ScoreParts {
    let mut sums: BTreeMap<(&DomainId, Option<&ItemId>), f32> = BTreeMap::new();
    for (row, amount) in contributions {
        let Some((domain, item)) = model.and_then(|model| model.index().item(row)) else {
            continue;
        };
        let named = visible.contains(domain).then_some(item);
        *sums.entry((domain, named)).or_default() += amount;
    }
    let title = |domain: &DomainId, item: &ItemId| catalogues.get(domain)?.title(item);
    let mut parts: Vec<ScorePart> = sums
        .into_iter()
        .map(|((domain, item), amount)| ScorePart {
            title: item.and_then(|item| title(domain, item)).map(str::to_owned),
            domain: domain.clone(),
            item_id: item.cloned(),
            amount,
        })
        .collect();
    parts.sort_by(|a, b| b.amount.abs().total_cmp(&a.amount.abs()));
    parts.truncate(MAX_PARTS);
    let told: f32 = parts.iter().map(|part| part.amount).sum();
    let multiplier = multiplier.filter(|multiplier| *multiplier != 1.0);
    let rest = score / multiplier.unwrap_or(1.0) - told - sequence.unwrap_or(0.0) - words;
    let words = (words != 0.0).then_some(words);
    ScoreParts { parts, sequence, words, rest, multiplier }
}
