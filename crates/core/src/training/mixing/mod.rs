//! Choosing what ranks a domain's items: the factors alone, or a mixture of rankers.
//!
//! From what is trained on, some people's newest items in each domain are held out once
//! more. Every ranker that may be served is fitted without them and ranks for these
//! people: most of them *choose* ([`ensemble`]), the others *judge*, by the scores as
//! they would be served. Only if the mixture is better than the factors alone for those
//! who judge, with the interval of the mean difference above zero, is it served. What is
//! held out from a run's own evaluation takes no part.

pub mod ensemble;
mod item_item_fit;
mod on_matrix;
mod room;
mod sequence_fit;
mod tables;
mod trial;

use serde::{Deserialize, Serialize};

use crate::entities::ids::DomainId;
use crate::maths::bootstrap::Interval;
use crate::model::mixtures::EvidenceAmount;
use crate::model::mixtures::item_item::ItemItemMethod;
use crate::model::mixtures::sequence::SequenceMethod;

pub use on_matrix::{choose_on, tables_on};
pub(crate) use room::Room;
pub use tables::{PopularItems, RankerTable, RankerTables, mixtures, ranker_tables};
pub(crate) use trial::{ChoosingItems, Grounds, choose};

/// A ranker that may be served: its kind and its settings.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "ranker", rename_all = "snake_case")]
pub enum RankerChoice {
    /// The fold-in against the item factors.
    Factors,
    /// What many people of the domain took of late.
    Popularity,
    /// What many people of the domain took just now.
    RecentPopularity,
    /// What goes with the items that the person took.
    ItemItem(ItemItemMethod),
    /// What may follow what the person took, in its order.
    Sequence(SequenceMethod),
}

impl RankerChoice {
    /// Whether it goes by the order of what people did.
    #[must_use]
    pub fn goes_by_order(&self) -> bool {
        match self {
            Self::ItemItem(method) => method.goes_by_order(),
            Self::Sequence(_) => true,
            Self::Factors | Self::Popularity | Self::RecentPopularity => false,
        }
    }
}

/// A mixture that may be served.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MixtureChoice {
    /// The rankers that have a share.
    pub rankers: Vec<RankerChoice>,
    /// Their shares, by amount of evidence.
    pub shares: [Vec<f32>; EvidenceAmount::ALL.len()],
    /// As [`crate::model::mixtures::Mixture::unit`].
    pub unit: f32,
}

/// What was measured of a ranker.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RankerFigures {
    /// The ranker.
    #[serde(flatten)]
    pub ranker: RankerChoice,
    /// Mean NDCG@20 of the choosing people when it ranks alone.
    pub choosing: f64,
}

/// Whether a mixture is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MixtureVerdict {
    /// It is better than the factors alone: it is served.
    Served,
    /// It is not, with certainty: the factors serve.
    NotBetter,
    /// Too few people have enough to choose and to judge by: the factors serve.
    TooFewPeople,
    /// It is better, and the domains before it left no room in the model for its tables: the
    /// factors serve.
    NoRoom,
    /// It is better, and could not be made from all that is trained on: the factors serve.
    NotFitted,
    /// It is better than the factors, and popularity than both: that serves.
    NotPersonal,
}

/// All that was measured of a domain's rankers, and the verdict.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MixtureReport {
    /// The domain.
    pub domain: DomainId,
    /// People who chose.
    pub choosing_people: usize,
    /// People who judged.
    pub judging_people: usize,
    /// What was tried.
    pub tried: Vec<RankerFigures>,
    /// What was chosen; absent when there are too few people to choose.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chosen: Option<MixtureChoice>,
    /// NDCG@20 of the judging people when the factors rank alone.
    pub factors: f64,
    /// The same under the mixture.
    pub mixed: f64,
    /// By how much the mixture is better than the factors alone.
    pub over_factors: Interval,
    /// The verdict.
    pub verdict: MixtureVerdict,
}

impl MixtureReport {
    /// The mixture that is served.
    #[must_use]
    pub fn served(&self) -> Option<&MixtureChoice> {
        self.chosen.as_ref().filter(|_| self.verdict == MixtureVerdict::Served)
    }
}
