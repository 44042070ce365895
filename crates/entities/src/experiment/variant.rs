//! Variants: what each part of an experiment's users is served.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::experiment::slots::{BUCKETS, Share};
use crate::ids::VariantId;
use crate::placement::PlacementDefinition;

/// Most variants of an experiment.
pub const MAX_VARIANTS: usize = 8;

/// A variant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a variant: an object with a variant and a share")]
pub struct VariantDefinition {
    /// Its name.
    pub variant: VariantId,
    /// The share of the experiment's users who are served it; those of all variants make 1.
    pub share: Share,
    /// What it changes; nothing, unless it is said.
    #[serde(default, skip_serializing_if = "VariantSettings::are_usual")]
    pub settings: VariantSettings,
}

/// What a variant changes of what is usual.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    deny_unknown_fields,
    expecting = "settings: an object with what a variant changes of a placement or of the ranking"
)]
pub struct VariantSettings {
    /// What takes the place of what the placement says; what it does not say stays as it is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub placement: Option<PlacementDefinition>,
    /// By what items are ranked.
    #[serde(default, skip_serializing_if = "Ranking::is_usual")]
    pub ranking: Ranking,
}

/// By what the items of a slate are ranked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ranking {
    /// By the model that is served, from the user's evidence where there is some.
    #[default]
    Usual,
    /// By how many people take an item, whoever asks.
    Popularity,
}

impl Ranking {
    fn is_usual(&self) -> bool {
        *self == Self::Usual
    }
}

impl VariantSettings {
    /// Whether nothing is changed.
    #[must_use]
    pub fn are_usual(&self) -> bool {
        *self == Self::default()
    }

    /// What holds of a placement's slates in the variant.
    #[must_use]
    pub fn applied_to(&self, usual: &PlacementDefinition) -> PlacementDefinition {
        let Some(changed) = self.placement.clone() else { return usual.clone() };
        let usual = usual.clone();
        // Diversity and calibration are two ways of one choice: who says one chooses.
        let chooses = changed.diversity.is_some() || changed.calibration.is_some();
        let (diversity, calibration) = match chooses {
            true => (changed.diversity, changed.calibration),
            false => (usual.diversity, usual.calibration),
        };
        PlacementDefinition {
            target_domains: or_usual(changed.target_domains, usual.target_domains),
            limit: changed.limit.or(usual.limit),
            max_limit: changed.max_limit.or(usual.max_limit),
            // Of a domain that it does not name, what the placement says holds on.
            filters: usual.filters.into_iter().chain(changed.filters).collect(),
            boosts: or_usual(changed.boosts, usual.boosts),
            promotions: or_usual(changed.promotions, usual.promotions),
            quotas: or_usual(changed.quotas, usual.quotas),
            diversity,
            calibration,
            fatigue: changed.fatigue.or(usual.fatigue),
            exploration: changed.exploration.or(usual.exploration),
        }
    }

    /// The names of what is changed, as they are written.
    #[must_use]
    pub fn changes(&self) -> BTreeSet<String> {
        let placement = self.placement.as_ref().map(serde_json::to_value);
        let fields = match placement {
            Some(Ok(serde_json::Value::Object(fields))) => fields,
            _ => serde_json::Map::new(),
        };
        let ranking = (!self.ranking.is_usual()).then(|| "ranking".to_owned());
        // Each decides what the other is.
        let choice = |name: String| match name.as_str() {
            "calibration" => "diversity".to_owned(),
            "max_limit" => "limit".to_owned(),
            _ => name,
        };
        let mut names: BTreeSet<String> =
            fields.into_iter().map(|(name, _)| choice(name)).chain(ranking).collect();
        // What is said of targets must be of those that are served.
        if names.contains("target_domains") {
            names.extend(["filters", "boosts", "promotions", "quotas"].map(str::to_owned));
        }
        names
    }
}

/// What is said, or what is usual where nothing is.
fn or_usual<T: Default + PartialEq>(said: T, usual: T) -> T {
    if said == T::default() { usual } else { said }
}

/// Checks an experiment's variants.
///
/// # Errors
/// What is wrong, in words fit for a caller.
pub(super) fn check_variants(variants: &[VariantDefinition]) -> Result<(), String> {
    if !(2..=MAX_VARIANTS).contains(&variants.len()) {
        return Err(format!("variants must be 2 to {MAX_VARIANTS}"));
    }
    let names: BTreeSet<&VariantId> = variants.iter().map(|of| &of.variant).collect();
    if names.len() < variants.len() {
        return Err("variants must have different names".to_owned());
    }
    let shares: u32 = variants.iter().map(|of| u32::from(of.share.get())).sum();
    if shares != u32::from(BUCKETS) {
        let shares = f64::from(shares) / f64::from(BUCKETS);
        return Err(format!("variants must have shares that make 1, not {shares:.4}"));
    }
    for VariantDefinition { variant, settings, .. } in variants {
        if let Some(placement) = &settings.placement {
            placement.check().map_err(|why| format!("variants.{variant}: {why}"))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn placement(json: serde_json::Value) -> PlacementDefinition {
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn what_a_variant_says_takes_the_place_of_what_the_placement_says_and_nothing_else_does() {
        let usual =
            placement(json!({"limit": 5, "calibration": 0.2, "filters": {"auto": "price < 9"}}));
        let settings: VariantSettings =
            serde_json::from_value(json!({"placement": {"diversity": 0.3, "max_limit": 9}}))
                .unwrap();
        let varied = settings.applied_to(&usual);
        assert_eq!(
            varied,
            placement(json!({
                "limit": 5, "max_limit": 9, "diversity": 0.3, "filters": {"auto": "price < 9"}
            }))
        );
        assert_eq!(VariantSettings::default().applied_to(&usual), usual);
    }

    #[test]
    fn what_is_changed_is_told_by_name() {
        let settings: VariantSettings = serde_json::from_value(
            json!({"placement": {"calibration": 0.3, "limit": 3}, "ranking": "popularity"}),
        )
        .unwrap();
        let changes: Vec<String> = settings.changes().into_iter().collect();
        assert_eq!(changes, ["diversity", "limit", "ranking"]);
        assert!(VariantSettings::default().changes().is_empty());
    }

    #[test]
    fn shares_make_one_and_names_differ() {
        let variants = |json| -> Vec<VariantDefinition> { serde_json::from_value(json).unwrap() };
        let check = |json| check_variants(&variants(json));
        check(json!([{"variant": "a", "share": 0.3333}, {"variant": "b", "share": 0.6667}]))
            .unwrap();
        for wrong in [
            json!([{"variant": "a", "share": 0.5}, {"variant": "b", "share": 0.4}]),
            json!([{"variant": "a", "share": 0.5}, {"variant": "a", "share": 0.5}]),
            json!([{"variant": "a", "share": 1}]),
        ] {
            check(wrong).unwrap_err();
        }
    }
}
