//! How a domain's items are ranked for a person by what they did there: several
//! rankers, mixed by how much is known of the person.
//!
//! A ranker gives every item of the domain a score; rankers differ in scale, so each
//! score is divided by how far the ranker's scores spread for this person (their
//! standard deviation over the domain's items) before they are mixed. A mixed score is
//! then brought to [`Mixture::unit`], the spread that a fold-in's scores have, so that
//! it can be held against what a bridge carries to the domain.
//!
//! A mixed score is exactly the sum of what each past item adds to it, for factors and weights
//! between items are linear in these, of what popularity adds, and of what a sequence model
//! makes of the history as a whole, of which no past item has a part of its own. Shares were
//! learned on people whose items were held out (Caruana, Niculescu-Mizil, Crew, Ksikes:
//! "Ensemble selection from libraries of models", 2004).

pub mod item_item;
pub mod sequence;

use std::collections::{BTreeMap, BTreeSet};

use safetensors::SafeTensors;
use serde::{Deserialize, Serialize};

use self::item_item::{ItemItem, ItemItemMethod};
use self::sequence::{Sequence, SequenceMethod};
use super::tensors::{Tensor, finite};
use super::{ModelError, malformed};
use crate::entities::ids::DomainId;
use crate::evidence::items::ItemIndex;

/// Most rankers of one domain: a bound on a model's size.
pub const MOST_RANKERS: usize = 9;

/// What ranks a domain's items, as the manifest has it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "ranker", rename_all = "snake_case")]
pub enum RankerKind {
    /// The fold-in against the item factors.
    Factors,
    /// What many people of the domain took of late; the same for everyone.
    Popularity,
    /// What many people of the domain took just now, in the last days before the newest
    /// evidence that the model was made from; the same for everyone.
    RecentPopularity,
    /// What goes with the items that the person took.
    ItemItem {
        /// How the weights were made.
        method: ItemItemMethod,
        /// How many weights there are.
        weights: usize,
    },
    /// What a sequence model says may follow what the person took, in its order.
    Sequence {
        /// How it was made.
        method: SequenceMethod,
    },
}

/// A ranker with what it ranks by.
#[derive(Debug, Clone, PartialEq)]
pub enum Ranker {
    /// See [`RankerKind::Factors`].
    Factors,
    /// See [`RankerKind::Popularity`]: of each of the domain's items, in order of rows.
    Popularity(Vec<f32>),
    /// See [`RankerKind::RecentPopularity`]: as of [`Ranker::Popularity`].
    RecentPopularity(Vec<f32>),
    /// See [`RankerKind::ItemItem`].
    ItemItem(ItemItem),
    /// See [`RankerKind::Sequence`].
    Sequence(Sequence),
}

impl Ranker {
    /// What the manifest says of it.
    #[must_use]
    pub fn kind(&self) -> RankerKind {
        match self {
            Self::Factors => RankerKind::Factors,
            Self::Popularity(_) => RankerKind::Popularity,
            Self::RecentPopularity(_) => RankerKind::RecentPopularity,
            Self::ItemItem(table) => {
                RankerKind::ItemItem { method: table.method(), weights: table.weights().entries() }
            }
            Self::Sequence(sequence) => RankerKind::Sequence { method: sequence.method() },
        }
    }
}

/// How much a person did in a domain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EvidenceAmount {
    /// One or two items that they like.
    OneOrTwo,
    /// Three to nine.
    ThreeToNine,
    /// Ten or more.
    TenOrMore,
}

impl EvidenceAmount {
    /// Every amount, ascending.
    pub const ALL: [Self; 3] = [Self::OneOrTwo, Self::ThreeToNine, Self::TenOrMore];

    /// The amount of so many liked items; `None` of none.
    #[must_use]
    pub fn of(liked: usize) -> Option<Self> {
        match liked {
            0 => None,
            1..=2 => Some(Self::OneOrTwo),
            3..=9 => Some(Self::ThreeToNine),
            _ => Some(Self::TenOrMore),
        }
    }

    fn place(self) -> usize {
        self as usize
    }
}

/// How the rankers of one domain share in a score, by the person's amount of evidence.
#[derive(Debug, Clone, PartialEq)]
pub struct Mixture {
    /// The rankers.
    pub rankers: Vec<Ranker>,
    /// For each of [`EvidenceAmount::ALL`] the share of each ranker: 0 to 1, together 1.
    pub shares: [Vec<f32>; EvidenceAmount::ALL.len()],
    /// What a mixed score is multiplied with; above 0.
    pub unit: f32,
}

impl Mixture {
    /// The rankers that have a share for someone with so many liked items, and it. None
    /// for someone without.
    pub fn shares_of(&self, liked: usize) -> impl Iterator<Item = (&Ranker, f32)> {
        let amount = EvidenceAmount::of(liked);
        let shares = amount.map_or(&[][..], |amount| &self.shares[amount.place()]);
        self.rankers.iter().zip(shares.iter().copied()).filter(|(_, share)| *share > 0.0)
    }

    /// Whether it can be served to a domain of so many items.
    fn fits(&self, items: usize) -> bool {
        let is_share = |share: &f32| (0.0..=1.0).contains(share);
        let is_whole = |shares: &Vec<f32>| {
            let sum: f32 = shares.iter().sum();
            shares.len() == self.rankers.len()
                && shares.iter().all(is_share)
                && (sum - 1.0).abs() < 1e-3
        };
        let is_of_domain = |ranker: &Ranker| match ranker {
            Ranker::Factors => true,
            Ranker::Popularity(shares) | Ranker::RecentPopularity(shares) => shares.len() == items,
            Ranker::ItemItem(table) => table.fits(items),
            Ranker::Sequence(sequence) => sequence.fits(items),
        };
        (1..=MOST_RANKERS).contains(&self.rankers.len())
            && self.shares.iter().all(is_whole)
            && self.rankers.iter().all(is_of_domain)
            && self.unit.is_finite()
            && self.unit > 0.0
    }
}

/// The mixtures of a model, by domain. A domain without one is ranked by its factors.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Mixtures {
    by_domain: BTreeMap<DomainId, Mixture>,
}

impl Mixtures {
    /// None: every domain is ranked by its factors.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// Adds the mixture of a domain.
    pub fn insert(&mut self, domain: DomainId, mixture: Mixture) {
        self.by_domain.insert(domain, mixture);
    }

    /// Those of other domains than these.
    #[must_use]
    pub fn without(mut self, domains: &BTreeSet<DomainId>) -> Self {
        self.by_domain.retain(|domain, _| !domains.contains(domain));
        self
    }

    /// The mixture of a domain, if it has one.
    #[must_use]
    pub fn get(&self, domain: &DomainId) -> Option<&Mixture> {
        self.by_domain.get(domain)
    }

    /// All of them, in order of domains.
    pub fn iter(&self) -> impl Iterator<Item = (&DomainId, &Mixture)> {
        self.by_domain.iter()
    }

    /// Whether any holds a sequence model.
    #[must_use]
    pub fn have_sequences(&self) -> bool {
        let is_sequence = |ranker: &Ranker| matches!(ranker, Ranker::Sequence(_));
        self.by_domain.values().any(|mixture| mixture.rankers.iter().any(is_sequence))
    }

    /// Whether each can be served to its domain, whose number of items `items` tells.
    pub(crate) fn fit(&self, items: impl Fn(&DomainId) -> Option<usize>) -> bool {
        self.iter().all(|(domain, mixture)| items(domain).is_some_and(|items| mixture.fits(items)))
    }
}

/// A mixture, as the manifest has it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ServedMixture {
    /// The domain.
    pub domain: DomainId,
    /// Its rankers.
    pub rankers: Vec<RankerKind>,
    /// Their shares for people with one or two liked items, three to nine, ten or more.
    pub shares: [Vec<f32>; EvidenceAmount::ALL.len()],
    /// As [`Mixture::unit`].
    pub unit: f32,
}

/// Names the tensors of a ranker, by its mixture's number in the manifest and its own.
fn named(mixture: usize, ranker: usize) -> impl Fn(&str) -> String {
    move |what| format!("mixture_{mixture}_{ranker}_{what}")
}

/// What the manifest says of mixtures, and the tensors it refers to.
pub(crate) fn write(mixtures: &Mixtures) -> (Vec<ServedMixture>, Vec<Tensor>) {
    let (mut served, mut tensors) = (Vec::new(), Vec::new());
    for (number, (domain, mixture)) in mixtures.iter().enumerate() {
        served.push(ServedMixture {
            domain: domain.clone(),
            rankers: mixture.rankers.iter().map(Ranker::kind).collect(),
            shares: mixture.shares.clone(),
            unit: mixture.unit,
        });
        for (at, ranker) in mixture.rankers.iter().enumerate() {
            match ranker {
                Ranker::ItemItem(table) => tensors.extend(table.write(&named(number, at))),
                Ranker::Sequence(sequence) => tensors.extend(sequence.write(&named(number, at))),
                Ranker::RecentPopularity(shares) => {
                    let name = named(number, at)("shares");
                    tensors.push(Tensor::floats(name, vec![shares.len()], shares));
                }
                // The model has popularity of its own.
                Ranker::Factors | Ranker::Popularity(_) => {}
            }
        }
    }
    (served, tensors)
}

/// Reads the mixtures that a manifest names, in a model of these items, each so
/// popular. Whether they fit is checked by
/// [`crate::model::scoring::ScoringTables::new`].
///
/// # Errors
/// [`ModelError::Malformed`] when they are not in order, or a tensor is not as the
/// manifest says.
pub(crate) fn read(
    served: &[ServedMixture],
    tensors: &SafeTensors<'_>,
    (index, popularity): (&ItemIndex, &[f32]),
) -> Result<Mixtures, ModelError> {
    if !served.is_sorted_by(|a, b| a.domain < b.domain) {
        return Err(malformed("mixtures are not in order, or stand twice"));
    }
    let mut mixtures = Mixtures::none();
    for (number, ServedMixture { domain, rankers, shares, unit }) in served.iter().enumerate() {
        if rankers.len() > MOST_RANKERS {
            return Err(malformed("a domain has too many rankers"));
        }
        let rows = index.ranges().get(domain).map_or(0..0, |rows| rows.range.clone());
        let items = rows.len();
        let ranker = |(at, kind): (usize, &RankerKind)| match *kind {
            RankerKind::Factors => Ok(Ranker::Factors),
            RankerKind::Popularity => Ok(Ranker::Popularity(popularity[rows.clone()].to_vec())),
            RankerKind::RecentPopularity => finite(tensors, &named(number, at)("shares"), &[items])
                .map(Ranker::RecentPopularity),
            RankerKind::ItemItem { method, weights } => {
                ItemItem::read(tensors, &named(number, at), method, (weights, items))
                    .map(Ranker::ItemItem)
            }
            RankerKind::Sequence { method } => {
                Sequence::read(tensors, &named(number, at)(""), method).map(Ranker::Sequence)
            }
        };
        let rankers = rankers.iter().enumerate().map(ranker).collect::<Result<_, _>>()?;
        mixtures.insert(domain.clone(), Mixture { rankers, shares: shares.clone(), unit: *unit });
    }
    Ok(mixtures)
}
