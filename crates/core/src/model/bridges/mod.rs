//! Bridges: what carries evidence from one domain to another.
//!
//! A bridge has a direction. Training tries candidates for each, measures and
//! judges them ([`crate::training::bridging`]); the winner is served only if it is
//! better than doing without. [`Bridges`] holds what passed, and
//! [`crate::model::scoring::ScoringTables`], the only way from a model to a score,
//! uses no evidence of another domain that no bridge admits: a domain without a
//! bridge into it is served from its own evidence, by factors fitted to its own
//! interactions. So transfer that was not shown to help cannot happen.
//!
//! | kind | what carries | served to |
//! | --- | --- | --- |
//! | [`joint`] | one fit of all domains; source evidence is folded in with the target's own | everyone with evidence |
//! | [`mapping`] | a linear map between the factors of the two domains | people with little target history |
//! | [`cross_block`] | a ridge regression of target items on source items | people with little target history |
//! | [`two_block`] | a ridge regression of the target's factors on source items and source factors, by [`own_factors`] | people with little target history |
//! | [`pair`] | one fit of the two domains alone, by [`own_factors`] | people with little target history |
//! | [`text`] | how alike the texts of source and target items are, and popularity | people with little target history |
//!
//! Each kind has one file, which knows how it is checked, stored and how it
//! scores. The kinds are told apart here alone, in [`Carrier`].
//!
//! Items of two domains that are the same thing sold twice would flatter every
//! bridge; they are found and kept apart by [`crate::model::look_alikes`].

pub mod cross_block;
pub mod joint;
pub mod mapping;
pub mod own_factors;
pub mod pair;
pub mod text;
pub mod two_block;

use std::collections::BTreeMap;
use std::sync::Arc;

use safetensors::SafeTensors;
use safetensors::tensor::Dtype;
use serde::{Deserialize, Serialize};

use crate::entities::ids::DomainId;
use crate::evidence::items::{DomainRanges, DomainRows, ItemIndex, Row, Weighted};
use crate::maths::als::{AlsOptions, AlsParams};
use crate::model::factor_table::FactorTable;
use crate::model::tensors::{Tensor, serialise, tensor};
use crate::model::{ModelError, malformed};
use cross_block::CrossBlock;
use joint::JointFoldIn;
use mapping::LinearMap;
use pair::PairFoldIn;
use text::TextLikeness;
use two_block::TwoBlock;

/// From one domain to another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Direction {
    /// The source: where the evidence arose.
    pub from: DomainId,
    /// The target: whose items are ranked by it.
    pub to: DomainId,
}

/// The kinds of bridge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BridgeKind {
    /// The joint fit.
    Joint,
    /// The linear map.
    Mapping,
    /// The ridge regression of items on items.
    CrossBlock,
    /// The ridge regression of factors on items and factors.
    TwoBlock,
    /// The fit of the two domains alone.
    Pair,
    /// The likeness of texts.
    Text,
}

/// What a bridge carries evidence with.
#[derive(Debug, Clone, PartialEq)]
pub enum Carrier {
    /// The joint fit.
    Joint(JointFoldIn),
    /// From the source's factors to the target's.
    Mapping(LinearMap),
    /// From source items to target items.
    CrossBlock(CrossBlock),
    /// From source items and source factors to the target's.
    TwoBlock(Arc<TwoBlock>),
    /// One fit of the two domains.
    Pair(Arc<PairFoldIn>),
    /// From source items to target items whose texts are alike.
    Text(Arc<TextLikeness>),
}

impl Carrier {
    /// Its kind.
    #[must_use]
    pub fn kind(&self) -> BridgeKind {
        match self {
            Self::Joint(_) => BridgeKind::Joint,
            Self::Mapping(_) => BridgeKind::Mapping,
            Self::CrossBlock(_) => BridgeKind::CrossBlock,
            Self::TwoBlock(_) => BridgeKind::TwoBlock,
            Self::Pair(_) => BridgeKind::Pair,
            Self::Text(_) => BridgeKind::Text,
        }
    }

    /// What becomes part of the fold-in of the target's own evidence; nothing of a
    /// source whose bridge makes scores of its own.
    pub(crate) fn admit(&self, evidence: &[Weighted]) -> Vec<Weighted> {
        match self {
            Self::Joint(joint) => joint.admit(evidence),
            Self::Mapping(_)
            | Self::CrossBlock(_)
            | Self::TwoBlock(_)
            | Self::Pair(_)
            | Self::Text(_) => Vec::new(),
        }
    }

    /// Whether it may make something of a source's evidence: something is liked, and, where texts
    /// carry, something of it is like anything in the target.
    pub(crate) fn may_carry(&self, source: &DomainRows, evidence: &[Weighted]) -> bool {
        match self {
            Self::Joint(_)
            | Self::Mapping(_)
            | Self::CrossBlock(_)
            | Self::TwoBlock(_)
            | Self::Pair(_) => evidence.iter().any(Weighted::is_liked),
            Self::Text(likeness) => likeness.alike(source, evidence).next().is_some(),
        }
    }

    /// What a bridge that makes scores of its own makes of a source's evidence.
    /// `None` for the joint fit, which does not, and when it cannot be solved.
    pub(crate) fn carry<'a>(
        &'a self,
        crossing: Crossing<'a>,
        evidence: &[Weighted],
    ) -> Option<Box<dyn Carried + 'a>> {
        match self {
            Self::Joint(_) => None,
            Self::Mapping(map) => Some(Box::new(map.carry(crossing, evidence)?)),
            Self::CrossBlock(block) => Some(Box::new(block.carry(crossing, evidence))),
            Self::TwoBlock(two_block) => Some(Box::new(two_block.carry(crossing, evidence)?)),
            Self::Pair(pair) => Some(Box::new(pair.carry(crossing, evidence)?)),
            Self::Text(likeness) => Some(Box::new(likeness.carry(crossing, evidence)?)),
        }
    }

    /// Whether it fits domains of so many items, source and target, and their factors.
    pub(crate) fn fits(&self, (source, target): (usize, usize), factors: usize) -> bool {
        match self {
            Self::Joint(joint) => joint.is_usable(),
            Self::Mapping(map) => map.fits(factors),
            Self::CrossBlock(block) => block.fits(source, target),
            Self::TwoBlock(two_block) => two_block.fits((source, target)),
            Self::Pair(pair) => pair.fits((source, target)),
            Self::Text(likeness) => likeness.fits((source, target)),
        }
    }

    fn served(&self) -> ServedCarrier {
        match self {
            Self::Joint(joint) => ServedCarrier::Joint { source_weight: joint.source_weight },
            Self::Mapping(_) => ServedCarrier::Mapping,
            Self::CrossBlock(block) => {
                ServedCarrier::CrossBlock { entries: block.entries().entries() }
            }
            Self::TwoBlock(two_block) => {
                ServedCarrier::TwoBlock { options: *two_block.own().params().options() }
            }
            Self::Pair(pair) => ServedCarrier::Pair {
                options: *pair.own().params().options(),
                source_weight: pair.source_weight(),
            },
            Self::Text(likeness) => ServedCarrier::Text { entries: likeness.entries() },
        }
    }

    fn write(&self, names: TensorNames) -> Result<Vec<Tensor>, ModelError> {
        match self {
            Self::Joint(_) => Ok(Vec::new()),
            Self::Mapping(map) => map.write(names),
            Self::CrossBlock(block) => Ok(block.write(names)),
            Self::TwoBlock(two_block) => two_block.write(names),
            Self::Pair(pair) => pair.write(names),
            Self::Text(likeness) => Ok(likeness.write(names)),
        }
    }

    fn read(
        served: ServedCarrier,
        tensors: &SafeTensors<'_>,
        names: TensorNames,
        items: (usize, usize),
        factors: usize,
    ) -> Result<Self, ModelError> {
        match served {
            ServedCarrier::Joint { source_weight } => {
                Ok(Self::Joint(JointFoldIn { source_weight }))
            }
            ServedCarrier::Mapping => LinearMap::read(tensors, names, factors).map(Self::Mapping),
            ServedCarrier::CrossBlock { entries } => {
                CrossBlock::read(tensors, names, entries, items).map(Self::CrossBlock)
            }
            ServedCarrier::TwoBlock { options } => {
                let params = options.check().map_err(malformed)?;
                let two_block = TwoBlock::read(tensors, names, params, items)?;
                Ok(Self::TwoBlock(Arc::new(two_block)))
            }
            ServedCarrier::Pair { options, source_weight } => {
                let settings = (options.check().map_err(malformed)?, source_weight);
                let pair = PairFoldIn::read(tensors, names, settings, items)?;
                Ok(Self::Pair(Arc::new(pair)))
            }
            ServedCarrier::Text { entries } => {
                let likeness = TextLikeness::read(tensors, names, entries, items)?;
                Ok(Self::Text(Arc::new(likeness)))
            }
        }
    }
}

/// A bridge that brings all its tables, by itself, and between how many items.
#[derive(Debug, Clone, PartialEq)]
pub struct CarrierFile {
    /// What carries.
    pub carrier: Carrier,
    /// Items of the source and of the target.
    pub items: (usize, usize),
}

/// What a file of a bridge says of it.
#[derive(Serialize, Deserialize)]
struct CarrierHeader {
    source_items: usize,
    target_items: usize,
    #[serde(flatten)]
    carrier: ServedCarrier,
}

/// The tensor that holds a [`CarrierHeader`], JSON.
const HEADER: &str = "carrier";

impl CarrierFile {
    /// As safetensors: the tensors of the model, as of its first bridge, and `carrier`, what
    /// the manifest says of it with the numbers of items, as bytes of JSON.
    ///
    /// # Errors
    /// [`ModelError::Malformed`] when a table is not in standard layout.
    pub fn encode(&self) -> Result<Vec<u8>, ModelError> {
        let (source_items, target_items) = self.items;
        let carrier = self.carrier.served();
        let header = CarrierHeader { source_items, target_items, carrier };
        let bytes = serde_json::to_vec(&header).map_err(malformed)?;
        let shape = vec![bytes.len()];
        let mut tensors = self.carrier.write(TensorNames::bridge(0))?;
        tensors.push(Tensor { name: HEADER.to_owned(), dtype: Dtype::U8, shape, bytes });
        serialise(&tensors)
    }

    /// Reads it and checks that it fits together.
    ///
    /// # Errors
    /// [`ModelError::Malformed`], also for a map, whose factors others have too.
    pub fn decode(bytes: &[u8]) -> Result<Self, ModelError> {
        let tensors = SafeTensors::deserialize(bytes).map_err(malformed)?;
        let length = tensors.tensor(HEADER).map_err(malformed)?.data().len();
        let header = tensor(&tensors, HEADER, Dtype::U8, &[length])?;
        let CarrierHeader { source_items, target_items, carrier } =
            serde_json::from_slice(header).map_err(malformed)?;
        let items = (source_items, target_items);
        // One that brings its tables asks for no length of others' factors.
        let carrier = Carrier::read(carrier, &tensors, TensorNames::bridge(0), items, 0)?;
        if !carrier.fits(items, 0) {
            return Err(malformed("a bridge has another shape"));
        }
        Ok(Self { carrier, items })
    }
}

/// From where to where evidence is carried, and what is served there.
#[derive(Clone, Copy)]
pub(crate) struct Crossing<'a> {
    pub(crate) ranges: &'a DomainRanges,
    pub(crate) source: &'a DomainRows,
    pub(crate) target: &'a DomainRows,
    /// Fitted domain by domain; absent where no bridge needs them.
    pub(crate) domain_factors: Option<&'a FactorTable>,
    pub(crate) params: &'a AlsParams,
}

/// A person's evidence on the other side of a bridge.
pub(crate) trait Carried: Send + Sync {
    /// Adds to a score of each item of the target, in order of rows, `weight`
    /// times the score that it gets from the evidence.
    fn add_scores(&self, weight: f32, scores: &mut [f32]);

    /// How much each past item adds to the score of an item of the target; an item may
    /// stand several times. With [`Carried::base`] they sum up to the score.
    fn contributions(&self, row: Row) -> Vec<(Row, f32)>;

    /// What an item of the target gets whatever the past items are.
    fn base(&self, _row: Row) -> f32 {
        0.0
    }
}

/// A bridge that passed its gate.
#[derive(Debug, Clone, PartialEq)]
pub struct Bridge {
    /// How much it adds to NDCG@20 of people who are new to the target, as its
    /// gate measured it: over the better of what could be served without it.
    pub lift: f64,
    /// What it carries evidence with.
    pub carrier: Carrier,
}

/// The bridges that passed their gates; a direction that is not among them has none. Beside them
/// what is tried where nothing could be measured, which makes no score of what is served as known.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Bridges {
    passed: BTreeMap<Direction, Bridge>,
    priors: BTreeMap<Direction, Arc<TextLikeness>>,
}

impl Bridges {
    /// None at all.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// Adds one.
    pub fn insert(&mut self, direction: Direction, bridge: Bridge) {
        self.passed.insert(direction, bridge);
    }

    /// With these priors, but for directions whose bridge passed.
    #[must_use]
    pub fn with_priors(mut self, priors: BTreeMap<Direction, Arc<TextLikeness>>) -> Self {
        self.priors = priors;
        self.priors.retain(|direction, _| !self.passed.contains_key(direction));
        self
    }

    /// What is tried where nothing could be measured, in order of direction.
    pub fn priors(&self) -> impl Iterator<Item = (&Direction, &TextLikeness)> {
        self.priors.iter().map(|(direction, likeness)| (direction, &**likeness))
    }

    /// What a prior makes of a source's evidence, however it is weighed.
    pub(crate) fn try_prior<'a>(
        likeness: &'a TextLikeness,
        crossing: Crossing<'a>,
        evidence: &[Weighted],
    ) -> Option<Box<dyn Carried + 'a>> {
        Some(Box::new(likeness.carry(crossing, evidence)?))
    }

    /// The priors into a domain, by source.
    pub fn priors_into<'a, 'b>(
        &'a self,
        to: &'b DomainId,
    ) -> impl Iterator<Item = (&'a DomainId, &'a TextLikeness)> + use<'a, 'b> {
        let into = self.priors().filter(move |(direction, _)| direction.to == *to);
        into.map(|(direction, likeness)| (&direction.from, likeness))
    }

    /// The bridge of a direction, if one passed.
    #[must_use]
    pub fn get(&self, direction: &Direction) -> Option<&Bridge> {
        self.passed.get(direction)
    }

    /// All of them, in order of direction.
    pub fn iter(&self) -> impl Iterator<Item = (&Direction, &Bridge)> {
        self.passed.iter()
    }

    /// The bridges into a domain, by source.
    pub fn into_domain<'a, 'b>(
        &'a self,
        to: &'b DomainId,
    ) -> impl Iterator<Item = (&'a DomainId, &'a Bridge)> + use<'a, 'b> {
        self.passed
            .iter()
            .filter(move |(direction, _)| direction.to == *to)
            .map(|(direction, bridge)| (&direction.from, bridge))
    }

    /// Whether any of them is of a kind.
    #[must_use]
    pub fn has(&self, kind: BridgeKind) -> bool {
        self.passed.values().any(|bridge| bridge.carrier.kind() == kind)
    }

    /// Whether a domain's items are scored by the joint fit.
    #[must_use]
    pub fn is_joint(&self, to: &DomainId) -> bool {
        self.into_domain(to).any(|(_, bridge)| bridge.carrier.kind() == BridgeKind::Joint)
    }

    /// Whether factors fitted domain by domain are needed: for a map between
    /// them, or for a domain that no joint evidence reaches.
    #[must_use]
    pub fn need_domain_factors(&self, ranges: &DomainRanges) -> bool {
        self.has(BridgeKind::Mapping) || ranges.keys().any(|domain| !self.is_joint(domain))
    }
}

/// A bridge that the model serves. Why it does, and why others are not served,
/// stands in the report.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ServedBridge {
    /// From which domain to which.
    #[serde(flatten)]
    pub direction: Direction,
    /// How much it adds to NDCG@20 of people who are new to the target.
    pub lift: f64,
    /// What carries the evidence.
    #[serde(flatten)]
    pub carrier: ServedCarrier,
}

/// What a served bridge carries evidence with.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ServedCarrier {
    /// The joint fit.
    Joint {
        /// What the source's confidences are multiplied with at fold-in.
        source_weight: f32,
    },
    /// A map, in the blob.
    Mapping,
    /// A cross block, in the blob.
    CrossBlock {
        /// How many entries it has.
        entries: usize,
    },
    /// A regression on items and factors, in the blob.
    TwoBlock {
        /// What its factors were fitted with.
        options: AlsOptions,
    },
    /// A fit of the two domains, in the blob.
    Pair {
        /// What its factors were fitted with.
        options: AlsOptions,
        /// What the source's confidences are multiplied with at fold-in.
        source_weight: f32,
    },
    /// Likeness of texts, in the blob.
    Text {
        /// How many weights it has.
        entries: usize,
    },
}

/// What is tried in a direction where nothing could be measured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServedPrior {
    /// From which domain to which.
    #[serde(flatten)]
    pub direction: Direction,
    /// How many weights it has, in the blob.
    pub entries: usize,
}

/// Names of the tensors of a bridge or of a prior, by its number in the manifest.
#[derive(Debug, Clone, Copy)]
struct TensorNames {
    what: &'static str,
    number: usize,
}

impl TensorNames {
    fn bridge(number: usize) -> Self {
        Self { what: "bridge", number }
    }

    fn prior(number: usize) -> Self {
        Self { what: "prior", number }
    }

    fn of(self, what: &str) -> String {
        format!("{}_{}_{what}", self.what, self.number)
    }
}

/// What the manifest says of bridges, and the tensors it refers to.
///
/// # Errors
/// [`ModelError::Malformed`] when a table is not in standard layout.
pub(crate) fn write(bridges: &Bridges) -> Result<(Vec<ServedBridge>, Vec<Tensor>), ModelError> {
    let (mut served, mut tensors) = (Vec::new(), Vec::new());
    for (number, (direction, bridge)) in bridges.iter().enumerate() {
        let carrier = bridge.carrier.served();
        served.push(ServedBridge { direction: direction.clone(), lift: bridge.lift, carrier });
        tensors.extend(bridge.carrier.write(TensorNames::bridge(number))?);
    }
    Ok((served, tensors))
}

/// Reads the bridges that a manifest names between the items of `index`, whose
/// vectors have so many factors. Whether they fit is checked by
/// [`crate::model::scoring::ScoringTables::new`].
///
/// # Errors
/// [`ModelError::Malformed`] when they are not in order, or a tensor is not as the
/// manifest says.
pub(crate) fn read(
    served: &[ServedBridge],
    tensors: &SafeTensors<'_>,
    index: &ItemIndex,
    factors: usize,
) -> Result<Bridges, ModelError> {
    if !served.is_sorted_by(|a, b| a.direction < b.direction) {
        return Err(malformed("bridges are not in order, or stand twice"));
    }
    let items = |domain: &DomainId| index.ranges().get(domain).map_or(0, DomainRows::len);
    let mut bridges = Bridges::none();
    for (number, ServedBridge { direction, lift, carrier }) in served.iter().enumerate() {
        let sizes = (items(&direction.from), items(&direction.to));
        let names = TensorNames::bridge(number);
        let carrier = Carrier::read(*carrier, tensors, names, sizes, factors)?;
        bridges.insert(direction.clone(), Bridge { lift: *lift, carrier });
    }
    Ok(bridges)
}

/// What the manifest says of priors, and the tensors it refers to.
pub(crate) fn write_priors(bridges: &Bridges) -> (Vec<ServedPrior>, Vec<Tensor>) {
    let (mut served, mut tensors) = (Vec::new(), Vec::new());
    for (number, (direction, likeness)) in bridges.priors().enumerate() {
        served.push(ServedPrior { direction: direction.clone(), entries: likeness.entries() });
        tensors.extend(likeness.write(TensorNames::prior(number)));
    }
    (served, tensors)
}

/// Reads the priors that a manifest names between the items of `index`.
///
/// # Errors
/// [`ModelError::Malformed`] when they are not in order, lead nowhere, or a tensor is not as the
/// manifest says.
pub(crate) fn read_priors(
    served: &[ServedPrior],
    tensors: &SafeTensors<'_>,
    index: &ItemIndex,
) -> Result<BTreeMap<Direction, Arc<TextLikeness>>, ModelError> {
    if !served.is_sorted_by(|a, b| a.direction < b.direction) {
        return Err(malformed("priors are not in order, or stand twice"));
    }
    let items = |domain: &DomainId| index.ranges().get(domain).map(DomainRows::len);
    let read = |(number, ServedPrior { direction, entries }): (usize, &ServedPrior)| {
        let ends = items(&direction.from).zip(items(&direction.to));
        let items = ends.filter(|_| direction.from != direction.to);
        let items = items.ok_or_else(|| malformed("a prior leads nowhere"))?;
        let likeness = TextLikeness::read(tensors, TensorNames::prior(number), *entries, items)?;
        Ok((direction.clone(), Arc::new(likeness)))
    };
    served.iter().enumerate().map(read).collect()
}
