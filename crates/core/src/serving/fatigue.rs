//! What a user was shown often, and did not take, counts for less: which items of a target, and how
//! much. See [`crate::entities::fatigue`].

use std::collections::BTreeMap;

use crate::entities::basis::digest_of_shown;
use crate::entities::consent::ConsentedHistory;
use crate::entities::fatigue::Fatigue;
use crate::entities::ids::RecommendationId;
use crate::entities::item_set::ItemDigest;
use crate::serving::request::SlateRequest;
use crate::serving::snapshot::CatalogueSnapshot;

/// What of a target a user was shown often enough to count for less: the days on which it was.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ShownOften(BTreeMap<ItemDigest, usize>);

impl ShownOften {
    /// What a history says of it; nothing where the request knows no fatigue.
    pub(super) fn of(history: &ConsentedHistory, request: &SlateRequest) -> Self {
        let Some(fatigue) = request.fatigue else { return Self::default() };
        let mut days = history.impressions().days_shown(fatigue.window(request.now));
        days.retain(|_, days| fatigue.multiplier(*days) < 1.0);
        Self(days)
    }

    /// Whether there is nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The positions of these items in a catalogue, with what their scores count for.
    pub(super) fn multipliers(
        &self,
        catalogue: &CatalogueSnapshot,
        fatigue: Option<Fatigue>,
    ) -> Vec<(usize, f32)> {
        let Some(fatigue) = fatigue else { return Vec::new() };
        let of_item = |(item, days): (&ItemDigest, &usize)| {
            let multiplier = fatigue.multiplier(*days);
            let positions: Vec<usize> = catalogue.with_digest(*item).collect();
            positions.into_iter().map(move |position| (position, multiplier))
        };
        self.0.iter().flat_map(of_item).collect()
    }

    /// Its digest; `None` where there is nothing.
    pub(super) fn digest(&self, decision: &RecommendationId) -> Option<String> {
        let days = self.0.iter().map(|(item, days)| (*item, *days));
        (!self.0.is_empty()).then(|| digest_of_shown(decision, days))
    }
}
