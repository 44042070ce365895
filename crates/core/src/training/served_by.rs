//! How each domain is served: by people's own evidence, or to all alike by popularity.
//!
//! Nothing that is judged worse than popularity is served as personal, and nobody is
//! ranked for by factors that were fitted to next to nothing. A domain where that is so
//! is served by popularity, made by the same run; the other domains are not concerned.
//! What a bridge carries to people who are new to it is judged on its own
//! ([`crate::training::bridging::gate`]), and stays.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::entities::counted::of;
use crate::entities::ids::DomainId;
use crate::evidence::items::{DomainRanges, DomainRows};
use crate::maths::bootstrap::Interval;
use crate::maths::sparse::SparseRows;
use crate::training::shadow::{FEWEST_PEOPLE, Rival};

/// Fewest people who like two items or more of a domain: what goes with what cannot be
/// told from fewer.
pub const LEAST_PEOPLE: usize = 10;
/// Fewest items of a domain between which there is something to choose.
pub const LEAST_ITEMS: usize = 3;

/// How the people who have evidence in a domain are served there.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "snake_case")]
pub enum ServedBy {
    /// Each by their own.
    Evidence,
    /// All alike.
    Popularity(Why),
}

/// Why a domain is served by popularity.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "why", rename_all = "snake_case")]
pub enum Why {
    /// Too few people have two items or more.
    FewPeople {
        /// How many have.
        people: usize,
        /// [`LEAST_PEOPLE`].
        needed: usize,
    },
    /// There are too few items.
    FewItems {
        /// How many there are.
        items: usize,
        /// [`LEAST_ITEMS`].
        needed: usize,
    },
    /// Ranking by people's own evidence was worse than popularity: beyond doubt, or in the
    /// mean over everyone held out.
    Worse {
        /// Held-out people.
        people: usize,
        /// Mean NDCG@20 minus popularity's, with its 95% interval.
        difference: Interval,
    },
    /// Too few people were held out to judge by, and it was not clearly better for these.
    WorseForFew {
        /// Held-out people, fewer than [`FEWEST_PEOPLE`].
        people: usize,
        /// Mean NDCG@20 minus popularity's.
        difference: Interval,
    },
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FewPeople { people, needed } => {
                let have = if *people == 1 { "has" } else { "have" };
                let people = of(*people as u64, "person");
                write!(f, "{people} {have} two items or more, {needed} are needed")
            }
            Self::FewItems { items, needed } => {
                write!(f, "{}, {needed} are needed", of(*items as u64, "item"))
            }
            Self::Worse { people, difference: Interval { mean, low, high } } => {
                let is = if *high < 0.0 { "is worse" } else { "is not better" };
                let people = of(*people as u64, "person");
                write!(
                    f,
                    "ranking by their own evidence {is} for {people}: ndcg@20 {mean:+.4} \
                     [{low:+.4}, {high:+.4}]"
                )
            }
            Self::WorseForFew { people, difference } => write!(
                f,
                "ranking by their own evidence is no better for the {} held out, too few to judge \
                 by: ndcg@20 {:+.4}",
                of(*people as u64, "person"),
                difference.mean
            ),
        }
    }
}

/// What can be told before anything is fitted: the domains where too little is known.
pub(super) fn before_fitting(
    matrix: &SparseRows,
    ranges: &DomainRanges,
) -> BTreeMap<DomainId, ServedBy> {
    let served = |rows: &DomainRows| {
        let has_two = |person: &usize| {
            let (_, confidences) = rows.entries_of(matrix, *person);
            confidences.iter().filter(|confidence| **confidence > 0.0).count() > 1
        };
        let people = (0..matrix.rows()).filter(has_two).take(LEAST_PEOPLE).count();
        if rows.len() < LEAST_ITEMS {
            return ServedBy::Popularity(Why::FewItems { items: rows.len(), needed: LEAST_ITEMS });
        }
        if people < LEAST_PEOPLE {
            return ServedBy::Popularity(Why::FewPeople { people, needed: LEAST_PEOPLE });
        }
        ServedBy::Evidence
    };
    ranges.iter().map(|(domain, rows)| (domain.clone(), served(rows))).collect()
}

/// The domains that are served by popularity.
pub(super) fn by_popularity(served: &BTreeMap<DomainId, ServedBy>) -> BTreeSet<DomainId> {
    let popular = served.iter().filter(|(_, served)| matches!(served, ServedBy::Popularity(_)));
    popular.map(|(domain, _)| domain.clone()).collect()
}

/// Whether ranking by people's own evidence is better than popularity beyond doubt.
pub(super) fn is_better(popularity: &Rival) -> bool {
    popularity.people >= FEWEST_PEOPLE && popularity.difference.low > 0.0
}

/// What comparisons with popularity on held-out people say of ranking by their own
/// evidence, those on the newest events first: these decide where they are beyond doubt.
/// Elsewhere the mean over everyone compared decides, and that on the newest events unless
/// another is better beyond doubt, for it is the one that is told first; where too few were
/// compared, only what is better by its whole interval is served. Over thousands of small worlds, people whose
/// evidence was worse in the mean, though not beyond doubt, were served worse by far (NDCG
/// -.08), and so were few for whom it was better in the mean alone (-.03); few for whom it
/// was better by the interval were served better.
pub(super) fn judge(compared: &[Rival]) -> ServedBy {
    let is_enough = |rival: &&Rival| rival.people >= FEWEST_PEOPLE;
    if compared.first().is_some_and(is_better) {
        return ServedBy::Evidence;
    }
    let enough: Vec<Rival> = compared.iter().filter(is_enough).copied().collect();
    let beyond_doubt = enough.iter().find(|rival| rival.difference.high < 0.0);
    let is_doubtful = |first: &&Rival| {
        let is_below = first.difference.mean < 0.0 && !enough.iter().any(is_better);
        is_below || mean_of(&enough) < 0.0
    };
    let worse = beyond_doubt.or_else(|| enough.first().filter(is_doubtful));
    if let Some(&Rival { people, difference, .. }) = worse {
        return ServedBy::Popularity(Why::Worse { people, difference });
    }
    if !enough.is_empty() {
        return ServedBy::Evidence;
    }
    let lowest = compared.iter().min_by(|a, b| a.difference.mean.total_cmp(&b.difference.mean));
    let is_clearly_better = compared.iter().any(|rival| rival.difference.low > 0.0);
    match lowest {
        Some(lowest) if lowest.difference.mean < 0.0 || !is_clearly_better => {
            let &Rival { people, difference, .. } = lowest;
            ServedBy::Popularity(Why::WorseForFew { people, difference })
        }
        _ => ServedBy::Evidence,
    }
}

/// The mean difference over everyone compared.
fn mean_of(compared: &[Rival]) -> f64 {
    let sum: f64 = compared.iter().map(|rival| rival.people as f64 * rival.difference.mean).sum();
    sum / compared.iter().map(|rival| rival.people as f64).sum::<f64>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::training::shadow::ShadowBasis;
    use crossfold_testing::domain;

    fn rival(people: usize, low: f64, high: f64) -> Rival {
        let difference = Interval { mean: (low + high) / 2.0, low, high };
        Rival { basis: ShadowBasis::Unseen, people, mean: 0.2, difference }
    }

    #[test]
    fn what_is_worse_beyond_doubt_is_served_by_popularity_unless_the_newest_is_better() {
        let (better, worse) = (rival(40, 0.01, 0.1), rival(30, -0.1, -0.01));
        let unsure = rival(300, -0.01, 0.1);
        assert_eq!(judge(&[better, unsure]), ServedBy::Evidence);
        assert_eq!(judge(&[better, worse]), ServedBy::Evidence);
        for compared in [&[worse][..], &[unsure, worse], &[worse, better]] {
            let why = Why::Worse { people: 30, difference: worse.difference };
            assert_eq!(judge(compared), ServedBy::Popularity(why));
        }
    }

    #[test]
    fn without_certainty_the_mean_over_everyone_compared_decides() {
        let (lower, higher) = (rival(30, -0.3, 0.1), rival(90, -0.05, 0.15));
        let why = Why::Worse { people: 30, difference: lower.difference };
        assert_eq!(judge(&[lower]), ServedBy::Popularity(why));
        assert_eq!(judge(&[higher, lower]), ServedBy::Evidence);
        assert_eq!(judge(&[rival(30, 0.0, 0.0)]), ServedBy::Evidence);
    }

    #[test]
    fn what_is_below_popularity_on_the_newest_events_is_served_only_if_surely_better_elsewhere() {
        let below = rival(100, -0.0063, 0.0037);
        let (above, better) = (rival(900, -0.01, 0.05), rival(900, 0.01, 0.05));
        let why = Why::Worse { people: 100, difference: below.difference };
        assert_eq!(judge(&[below, above]), ServedBy::Popularity(why));
        assert_eq!(judge(&[below, better]), ServedBy::Evidence);
    }

    #[test]
    fn words_claim_no_more_than_the_interval() {
        let words = |low, high| {
            let difference = Interval { mean: -0.0006, low, high };
            Why::Worse { people: 40, difference }.to_string()
        };
        assert_eq!(
            words(-0.0142, 0.0147),
            "ranking by their own evidence is not better for 40 people: ndcg@20 -0.0006 \
             [-0.0142, +0.0147]"
        );
        assert!(words(-0.0142, 0.0).contains("is not better"));
        assert!(words(-0.0142, -0.0001).contains("is worse for 40 people"));
    }

    #[test]
    fn too_few_to_judge_by_decide_only_while_nobody_else_does() {
        let (few, fewer) = (rival(29, -0.1, -0.01), rival(3, -0.01, 0.4));
        assert_eq!(judge(&[]), ServedBy::Evidence);
        assert_eq!(judge(&[rival(3, 0.1, 0.4)]), ServedBy::Evidence);
        let why = Why::WorseForFew { people: 3, difference: fewer.difference };
        assert_eq!(judge(&[fewer]), ServedBy::Popularity(why));
        let why = Why::WorseForFew { people: 29, difference: few.difference };
        assert_eq!(judge(&[rival(3, 0.1, 0.4), few]), ServedBy::Popularity(why));
        let why = Why::WorseForFew { people: 29, difference: few.difference };
        assert_eq!(judge(&[fewer, few]), ServedBy::Popularity(why));
        assert_eq!(judge(&[few, rival(30, 0.0, 0.1)]), ServedBy::Evidence);
    }

    #[test]
    fn what_is_too_thin_is_known_before_anything_is_fitted() {
        let ranges =
            DomainRanges::from([(domain("a"), 0..2), (domain("b"), 2..6), (domain("c"), 6..9)]);
        // Ten have two items of `c`, nine of `b`.
        let row = |person: u32| {
            let second = if person > 0 { vec![(3, 1.0)] } else { Vec::new() };
            [&[(0, 1.0), (1, 1.0), (2, 1.0), (6, 1.0), (8, 1.0)][..], &second].concat()
        };
        let matrix = SparseRows::from_rows(9, (0..10).map(row));
        let served = before_fitting(&matrix, &ranges);
        assert_eq!(
            served[&domain("a")],
            ServedBy::Popularity(Why::FewItems { items: 2, needed: 3 })
        );
        assert_eq!(
            served[&domain("b")],
            ServedBy::Popularity(Why::FewPeople { people: 9, needed: 10 })
        );
        assert_eq!(served[&domain("c")], ServedBy::Evidence);
        assert_eq!(by_popularity(&served), [domain("a"), domain("b")].into());
        let json = serde_json::to_value(served[&domain("b")]).unwrap();
        let expected =
            serde_json::json!({"by": "popularity", "why": "few_people", "people": 9, "needed": 10});
        assert_eq!(json, expected);
    }
}
