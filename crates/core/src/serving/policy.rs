//! What slates are composed of, under the name that is logged with each decision.

use crate::entities::experiment::variant::Ranking;
use crate::serving::explore::Exploration;
use crate::serving::sources::SourceKind;

/// A composition of the stages. One that gives other slates has another name.
#[derive(Debug, Clone, Copy)]
pub struct Policy {
    /// Its name and version, as logged.
    pub name: &'static str,
    /// The sources of scores, the preferred one first.
    pub sources: &'static [SourceKind],
    /// How it explores.
    pub exploration: Exploration,
}

/// The person's evidence where there is some, else popularity; the best are shown,
/// targets in turn. New items are ranked among them by their text, where that was better than
/// popularity. Where nothing could be measured, items whose texts are alike are tried within a
/// budget.
pub const ALS_FOLD_IN: Policy = Policy {
    name: "als-fold-in/5",
    sources: &[SourceKind::Bridges, SourceKind::Popularity, SourceKind::Priors],
    exploration: Exploration::Priors,
};

/// What most people take, whoever asks: what personal slates are compared with.
const POPULARITY: Policy = Policy {
    name: "popularity/1",
    sources: &[SourceKind::Popularity],
    exploration: Exploration::None,
};

/// The policy of slates that are ranked so.
#[must_use]
pub fn of(ranking: Ranking) -> &'static Policy {
    match ranking {
        Ranking::Usual => &ALS_FOLD_IN,
        Ranking::Popularity => &POPULARITY,
    }
}

/// The usual one from before anything was tried.
const WITHOUT_PRIORS: Policy = Policy {
    name: "als-fold-in/4",
    sources: &[SourceKind::Bridges, SourceKind::Popularity],
    exploration: Exploration::None,
};

/// The same from before texts ranked new items: of its decisions none is recorded as described.
const WITHOUT_TEXTS: Policy = Policy { name: "als-fold-in/3", ..WITHOUT_PRIORS };

/// Every policy whose slates can be made again.
pub const POLICIES: [&Policy; 4] = [&ALS_FOLD_IN, &WITHOUT_PRIORS, &WITHOUT_TEXTS, &POPULARITY];

/// The policy of a name as logged; `None` when it is no longer there.
#[must_use]
pub fn named(name: &str) -> Option<&'static Policy> {
    POLICIES.into_iter().find(|policy| policy.name == name)
}
