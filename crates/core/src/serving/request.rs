//! What a slate is asked for, and for whom.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use jiff::Timestamp;

use crate::entities::applicant::Applicant;
use crate::entities::boost::{Boost, Promotion};
use crate::entities::consent::{ConsentLedger, CrossDomain};
use crate::entities::experiment::exposure::Exposure;
use crate::entities::experiment::variant::Ranking;
use crate::entities::fatigue::Fatigue;
use crate::entities::filter::Filter;
use crate::entities::history::History;
use crate::entities::ids::{DomainId, ItemId, Placement, Pseudonym, RecommendationId};
use crate::entities::quota::Quota;
use crate::serving::diversify::Composed;
use crate::serving::explore_share::Explored;
use crate::serving::reason::Locale;

/// Most items on one slate.
pub const MAX_LIMIT: usize = 100;

/// Events of each user that are read: enough for evidence, and for most people everything
/// they have seen. On DynamoDB some 90 read units.
pub const MAX_HISTORY: usize = 1_000;

/// The person a slate is for.
#[derive(Debug, Clone, Copy)]
pub struct Recipient<'a> {
    /// The user who asks.
    pub user: &'a Pseudonym,
    /// What the person decided.
    pub consents: &'a ConsentLedger,
    /// What the person did, on all linked platforms.
    pub history: &'a History,
    /// The version of the person's record, where there is one.
    pub version: Option<u64>,
}

/// Items of a slate unless it is said how many.
pub const DEFAULT_LIMIT: usize = 10;

/// When and where a slate is asked for, and what its decision is logged under.
#[derive(Debug, Clone)]
pub struct Occasion {
    /// As [`SlateRequest::recommendation_id`].
    pub recommendation_id: RecommendationId,
    /// As [`SlateRequest::seed`].
    pub seed: u64,
    /// As [`SlateRequest::now`].
    pub now: Timestamp,
    /// As [`SlateRequest::display`].
    pub display: DomainId,
}

/// What somebody wrote or talked about, for whose words items are looked for. What it is of each
/// target is found beforehand: [`crate::serving::snapshot::CatalogueSnapshot::searched`].
#[derive(Clone, PartialEq, Eq)]
pub enum Words {
    /// A question, perhaps in a context: what has none of its words is not shown.
    Query(String),
    /// A context alone: what has its words counts for more.
    Context,
}

/// Without what was written, which is for no log.
impl fmt::Debug for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Query(_) => "Query(..)",
            Self::Context => "Context",
        })
    }
}

/// A checked request for a slate, with everything that makes it this one.
#[derive(Debug, Clone)]
pub struct SlateRequest {
    /// The identifier that the decision is logged under.
    pub recommendation_id: RecommendationId,
    /// The seed of every random choice.
    pub seed: u64,
    /// The instant of the request.
    pub now: Timestamp,
    /// The platform that shows the slate.
    pub display: DomainId,
    /// Where on that platform.
    pub placement: Option<Placement>,
    /// The domains whose items are wanted, each once.
    pub targets: BTreeSet<DomainId>,
    /// How many items, 1 to [`MAX_LIMIT`].
    pub limit: usize,
    /// Items the caller does not want.
    pub excluded: BTreeSet<(DomainId, ItemId)>,
    /// What items of some targets must be like, as the caller and the placement say: each is to be
    /// true of an item.
    pub filters: BTreeMap<DomainId, Vec<Filter>>,
    /// Which items of some targets count for more or less, in the order of [`Boost::sort`].
    pub boosts: BTreeMap<DomainId, Vec<Boost>>,
    /// Which items of some targets have places of their own, in the order of [`Promotion::sort`].
    pub promotions: BTreeMap<DomainId, Vec<Promotion>>,
    /// At most how many there are to be of a kind, of some targets.
    pub quotas: BTreeMap<DomainId, Vec<Quota>>,
    /// How what the user was shown often counts for less, where it does.
    pub fatigue: Option<Fatigue>,
    /// What it is to be as a whole, where more than the best of each.
    pub composed: Option<Composed>,
    /// Who applies for offers, as far as they told. It is for this request alone, and kept nowhere.
    pub applicant: Option<Applicant>,
    /// Whether it is wanted what offers cost.
    pub shows_offers: bool,
    /// The items that are to be put in order; `None` where any of the targets may be shown.
    pub listed: Option<BTreeSet<(DomainId, ItemId)>>,
    /// Whether it may hold what the person has seen: a list is wanted in order, whatever that is.
    pub shows_seen: bool,
    /// What items are looked for, where they are.
    pub words: Option<Words>,
    /// The share of the places that may hold others than the best, where there is one.
    pub exploration: Option<Explored>,
    /// Whether the person's evidence may shape the slate.
    pub personalised: bool,
    /// Whether evidence of other domains may be used.
    pub cross_domain: CrossDomain,
    /// Domains whose items may be named as evidence: those the caller acts for.
    pub visible: BTreeSet<DomainId>,
    /// Whether reasons are wanted.
    pub explain: bool,
    /// Whether to tell what the slate was chosen from.
    pub inspect: bool,
    /// The language of reasons.
    pub locale: Locale,
    /// The variants of experiments that make it what it is, as they are logged.
    pub variant: Option<Exposure>,
    /// By what it is ranked.
    pub ranking: Ranking,
}

impl SlateRequest {
    /// A request of the platform's own items that wishes nothing further: as many as usual,
    /// shaped by what the person's consents admit, with reasons in English that name the platform's
    /// own items.
    #[must_use]
    pub fn of(occasion: Occasion) -> Self {
        let Occasion { recommendation_id, seed, now, display } = occasion;
        Self {
            recommendation_id,
            seed,
            now,
            placement: None,
            targets: BTreeSet::from([display.clone()]),
            limit: DEFAULT_LIMIT,
            excluded: BTreeSet::new(),
            filters: BTreeMap::new(),
            boosts: BTreeMap::new(),
            promotions: BTreeMap::new(),
            quotas: BTreeMap::new(),
            fatigue: None,
            composed: None,
            applicant: None,
            shows_offers: true,
            listed: None,
            shows_seen: false,
            words: None,
            exploration: None,
            personalised: true,
            cross_domain: CrossDomain::ByConsent,
            visible: BTreeSet::from([display.clone()]),
            explain: true,
            inspect: false,
            locale: Locale::English,
            variant: None,
            ranking: Ranking::Usual,
            display,
        }
    }
}
