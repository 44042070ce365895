//! From a person's evidence to scores: the only way through bridges.
//!
//! A target is scored from the person's own history in it and from that of the
//! domains which a bridge carries there; all other evidence is left aside.
//!
//! - Evidence of sources with a joint bridge is folded in together with the
//!   target's own, against the joint fit. Without a joint bridge into the
//!   target its own history is folded in against its own factors.
//! - Every other bridge was shown to help people who are new to the target.
//!   It makes the whole score of someone without target history, and fades with
//!   each item of it, linearly, until [`OWN_ITEMS_ENOUGH`] items: from there on
//!   the fold-in serves alone.
//! - Of several sources whose evidence a person has, the one with the greatest
//!   measured lift decides which of the two is done.
//!
//! Where a domain has a mixture of rankers ([`crate::model::mixtures`]), it ranks in
//! place of the fold-in for who likes anything there.
//!
//! Once a person's evidence is weighed, everything but a sequence model is linear in the past
//! items, so each score is exactly the sum of their contributions, of what a sequence model
//! makes of the target's own history as a whole, where one has a share in a mixture, and of a
//! base that no past item is behind; there is one only where a bridge begins with an average
//! person, and where popularity has a share in a mixture. An item that looks like one of the
//! person's source items gets nothing from it.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ndarray::{Array2, ArrayView2};

use crate::entities::ids::DomainId;
use crate::evidence::items::{DomainRanges, DomainRows, Row, Weighted};
use crate::maths::als::AlsParams;
use crate::maths::fold_in::{FoldedPerson, UnobservedItems};
use crate::model::bridges::text::TextLikeness;
use crate::model::bridges::{Bridge, Bridges, Carried, Crossing, Direction};
use crate::model::factor_table::FactorTable;
use crate::model::item_scores::{BoundedScores, ItemScores, Wanted};
use crate::model::look_alikes::LookAlikes;
use crate::model::mixtures::{Mixture, Mixtures, Ranker};
use crate::model::own_evidence::{OwnEvidence, Ranked, RankedBy};
use crate::model::young_items::YoungItems;

/// Own items in the target from which on no bridge but a joint one is asked.
pub const OWN_ITEMS_ENOUGH: usize = 5;

/// Everything that scores are made from. A clone shares the tables.
#[derive(Debug, Clone)]
pub struct ScoringTables {
    ranges: Arc<DomainRanges>,
    params: AlsParams,
    unobserved: UnobservedItems,
    /// Of the joint fit; there if any bridge is joint.
    joint_factors: Option<Arc<FactorTable>>,
    /// Fitted domain by domain; there if any domain or bridge needs them.
    domain_factors: Option<Arc<FactorTable>>,
    bridges: Bridges,
    mixtures: Arc<Mixtures>,
    look_alikes: Arc<LookAlikes>,
    by_popularity: BTreeSet<DomainId>,
    young_items: Arc<YoungItems>,
}

/// What [`ScoringTables::new`] takes.
#[derive(Debug, Clone)]
pub struct TableParts {
    /// The rows of each domain.
    pub ranges: DomainRanges,
    /// The hyper-parameters the factors were fitted with.
    pub params: AlsParams,
    /// What counts as unobserved at a fold-in against the joint fit.
    pub unobserved: UnobservedItems,
    /// Items x factors: of the joint fit if any bridge is joint, else by domain.
    pub item_factors: Array2<f32>,
    /// Items x factors by domain, where needed beside those of a joint fit.
    pub domain_factors: Option<Array2<f32>>,
    /// The bridges that passed.
    pub bridges: Bridges,
    /// How the domains' items are ranked by own evidence, where not by factors alone.
    pub mixtures: Mixtures,
    /// Items that look alike.
    pub look_alikes: LookAlikes,
    /// Domains whose people with evidence there are all served alike, by popularity.
    pub by_popularity: BTreeSet<DomainId>,
    /// Items that came lately, whose text helps to place them.
    pub young_items: YoungItems,
}

/// Why tables cannot be served.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Mismatch(pub(crate) &'static str);

/// Both tables of factors, ready to be served by whatever bridges: what a trial
/// of many candidates shares. Checked and multiplied out once.
#[derive(Debug, Clone)]
pub(crate) struct SharedFactors {
    pub(crate) ranges: Arc<DomainRanges>,
    pub(crate) params: AlsParams,
    pub(crate) joint: Arc<FactorTable>,
    pub(crate) domain_factors: Arc<FactorTable>,
}

impl SharedFactors {
    /// The tables with one bridge alone and nothing that looks alike.
    ///
    /// # Errors
    /// [`Mismatch`] when the bridge does not fit the factors.
    pub(crate) fn with_bridge(
        &self,
        direction: &Direction,
        bridge: Bridge,
        unobserved: UnobservedItems,
    ) -> Result<ScoringTables, Mismatch> {
        let mut bridges = Bridges::none();
        bridges.insert(direction.clone(), bridge);
        let tables = ScoringTables {
            ranges: self.ranges.clone(),
            params: self.params,
            unobserved,
            joint_factors: Some(self.joint.clone()),
            domain_factors: Some(self.domain_factors.clone()),
            bridges,
            mixtures: Arc::default(),
            look_alikes: Arc::default(),
            by_popularity: BTreeSet::new(),
            young_items: Arc::default(),
        };
        tables.check().map(|()| tables)
    }
}

impl ScoringTables {
    /// Checks that the tables fit together and that what the bridges need is there.
    ///
    /// # Errors
    /// [`Mismatch`] in words.
    pub fn new(parts: TableParts) -> Result<Self, Mismatch> {
        let TableParts { ranges, params, unobserved, bridges, look_alikes, .. } = parts;
        let (mixtures, by_popularity) = (Arc::new(parts.mixtures), parts.by_popularity);
        let is_joint = ranges.keys().any(|domain| bridges.is_joint(domain));
        let needs_both = is_joint && bridges.need_domain_factors(&ranges);
        if needs_both != parts.domain_factors.is_some() {
            return Err(Mismatch("factors by domain are missing, or not needed"));
        }
        let table = |items: Array2<f32>| FactorTable::new(items, &ranges).map(Arc::new);
        let (item_factors, beside) =
            (table(parts.item_factors)?, parts.domain_factors.map(table).transpose()?);
        let (joint_factors, domain_factors) =
            if is_joint { (Some(item_factors), beside) } else { (None, Some(item_factors)) };
        let (ranges, look_alikes) = (Arc::new(ranges), Arc::new(look_alikes));
        let tables = Self {
            joint_factors,
            domain_factors,
            ranges,
            params,
            unobserved,
            bridges,
            mixtures,
            look_alikes,
            by_popularity,
            young_items: Arc::new(parts.young_items),
        };
        tables.check().map(|()| tables)
    }

    fn check(&self) -> Result<(), Mismatch> {
        let factors = self.params.options().factors;
        let mut tables = self.joint_factors.iter().chain(&self.domain_factors);
        if tables.any(|table| table.items().ncols() != factors) {
            return Err(Mismatch("a table of factors has another shape"));
        }
        let fits = |(direction, bridge): (&Direction, &Bridge)| {
            let Some(from) = self.ranges.get(&direction.from) else { return false };
            let Some(to) = self.ranges.get(&direction.to) else { return false };
            let is_usable = from.domain != to.domain && bridge.lift.is_finite();
            is_usable && bridge.carrier.fits((from.len(), to.len()), factors)
        };
        let fits_prior = |(direction, likeness): (&Direction, &TextLikeness)| {
            let ends = self.ranges.get(&direction.from).zip(self.ranges.get(&direction.to));
            ends.is_some_and(|(from, to)| {
                from.domain != to.domain && likeness.fits((from.len(), to.len()))
            })
        };
        if !self.bridges.priors().all(fits_prior) {
            return Err(Mismatch("a prior has another shape or leads nowhere"));
        }
        if !self.bridges.iter().all(fits) {
            return Err(Mismatch("a bridge has another shape or leads nowhere"));
        }
        if !self.mixtures.fit(|domain| self.ranges.get(domain).map(DomainRows::len)) {
            return Err(Mismatch("a mixture of rankers does not fit its domain"));
        }
        if self.look_alikes.pairs().any(|(_, second)| second.index() >= self.ranges.items()) {
            return Err(Mismatch("an item that looks alike is not in the model"));
        }
        if !self.young_items.fit(&self.ranges) {
            return Err(Mismatch("what stands in for a young item is not of its domain"));
        }
        if !self.by_popularity.iter().all(|domain| self.ranges.get(domain).is_some()) {
            return Err(Mismatch("a domain that is served by popularity is not in the model"));
        }
        Ok(())
    }

    /// The rows of each domain.
    #[must_use]
    pub fn ranges(&self) -> &DomainRanges {
        &self.ranges
    }

    /// The bridges that passed: what is not here carries nothing.
    #[must_use]
    pub fn bridges(&self) -> &Bridges {
        &self.bridges
    }

    /// How the domains' items are ranked by own evidence, where not by factors alone.
    #[must_use]
    pub fn mixtures(&self) -> &Mixtures {
        &self.mixtures
    }

    /// Item factors, one row for each item: of the joint fit if any bridge is
    /// joint, else fitted domain by domain.
    #[must_use]
    pub fn item_factors(&self) -> ArrayView2<'_, f32> {
        match self.joint_factors.as_ref().or(self.domain_factors.as_ref()) {
            Some(table) => table.items(),
            None => unreachable!("one of the two tables is always there"),
        }
    }

    /// Item factors fitted domain by domain, where they are kept beside those of a
    /// joint fit.
    #[must_use]
    pub fn domain_factors(&self) -> Option<ArrayView2<'_, f32>> {
        self.joint_factors.as_ref()?;
        self.domain_factors.as_ref().map(|table| table.items())
    }

    /// Domains whose people with evidence there are all served alike, by popularity.
    #[must_use]
    pub fn by_popularity(&self) -> &BTreeSet<DomainId> {
        &self.by_popularity
    }

    /// Items that came lately.
    #[must_use]
    pub fn young_items(&self) -> &YoungItems {
        &self.young_items
    }

    /// The same with these items as young ones.
    ///
    /// # Errors
    /// [`Mismatch`] when something stands in for an item of another domain.
    pub(crate) fn with_young_items(mut self, young_items: YoungItems) -> Result<Self, Mismatch> {
        self.young_items = Arc::new(young_items);
        self.check().map(|()| self)
    }

    /// Items that look alike.
    #[must_use]
    pub fn look_alikes(&self) -> &LookAlikes {
        &self.look_alikes
    }

    /// Scores the items of `target` for a person with these interactions, each
    /// item once. `None` when the target is unknown, when nothing of the evidence may
    /// be used for it, or when it tells no item from another: then popularity serves.
    ///
    /// # Panics
    /// When an interaction is with an item that is not in the tables.
    #[must_use]
    pub fn estimate(&self, target: &DomainId, interactions: &[Weighted]) -> Option<Estimate<'_>> {
        self.estimate_of(target, interactions, Wanted::All)
    }

    /// The same, with no more worked out than is wanted: each score is as it would be.
    ///
    /// # Panics
    /// As [`ScoringTables::estimate`].
    #[must_use]
    pub fn estimate_of(
        &self,
        target: &DomainId,
        interactions: &[Weighted],
        wanted: Wanted,
    ) -> Option<Estimate<'_>> {
        debug_assert!(interactions.iter().all(|known| known.row.index() < self.ranges.items()));
        let target = self.ranges.get(target)?;
        let is_new_here = !interactions.iter().any(|known| target.contains(known.row));
        if self.by_popularity.contains(&target.domain) && !is_new_here {
            return None;
        }
        let evidence = self.admitted(target, interactions);
        let fading = 1.0 - (evidence.own_liked as f32 / OWN_ITEMS_ENOUGH as f32).min(1.0);
        let carried = evidence
            .strongest
            .filter(|_| fading > 0.0)
            .and_then(|(source, bridge)| self.carry((source, target), bridge, interactions));
        let weight = if carried.is_some() { fading } else { 0.0 };
        let own = if weight < 1.0 { self.own(target, &evidence) } else { OwnEvidence::none() };
        if carried.is_none() && own.is_none() {
            return None;
        }
        let carried = carried.map(|carried| (weight, carried));
        self.estimated(target, (own.weighed(1.0 - weight), carried), (interactions, wanted))
    }

    /// Scores the items of `target` for somebody who is new there, by a prior: by what they did in
    /// the domain, of those with a prior to the target, in which most of what they like is like
    /// anything there. It was not shown to help, and is to be tried within a budget. `None` when
    /// nothing leads there.
    ///
    /// # Panics
    /// When an interaction is with an item that is not in the tables.
    #[must_use]
    pub fn prior(&self, target: &DomainId, interactions: &[Weighted]) -> Option<Estimate<'_>> {
        let target = self.ranges.get(target)?;
        if interactions.iter().any(|known| target.contains(known.row)) {
            return None;
        }
        let mut most: Option<(usize, &DomainRows, &TextLikeness)> = None;
        for (source, likeness) in self.bridges.priors_into(&target.domain) {
            let source = self.ranges.get(source)?;
            let alike = likeness.alike(source, interactions).count();
            if alike > most.map_or(0, |(most, ..)| most) {
                most = Some((alike, source, likeness));
            }
        }
        let (_, source, likeness) = most?;
        let crossing = self.crossing(source, target);
        let carried = Bridges::try_prior(likeness, crossing, &source.within(interactions))?;
        let of = (OwnEvidence::none(), Some((1.0, carried)));
        self.estimated(target, of, (interactions, Wanted::All))
    }

    /// Puts an estimate together; `None` when it tells no item from another.
    fn estimated<'a>(
        &'a self,
        target: &'a DomainRows,
        (own, carried): (OwnEvidence<'a>, Option<Weighing<'a>>),
        (interactions, wanted): (&[Weighted], Wanted),
    ) -> Option<Estimate<'a>> {
        let (scores, look_alikes) = (ItemScores::All(Vec::new()), BTreeMap::new());
        let young_items = &*self.young_items;
        let mut estimate = Estimate { target, own, carried, scores, look_alikes, young_items };
        estimate.score_all(wanted);
        estimate.leave_out(&self.look_alikes, interactions);
        estimate.place_young_items();
        estimate.scores.tell_items_apart().then_some(estimate)
    }

    /// Ranks by the person's own evidence, and by that of sources with a joint bridge:
    /// as the target's mixture says, or by the fold-in alone.
    fn own(&self, target: &DomainRows, evidence: &Admitted<'_>) -> OwnEvidence<'_> {
        let mixture = self.mixtures.get(&target.domain).filter(|_| evidence.own_liked > 0);
        let Some(mixture) = mixture else {
            return OwnEvidence::alone(self.ranked(&Ranker::Factors, target, evidence));
        };
        let shares = mixture.shares_of(evidence.own_liked);
        let ranked = shares
            .filter_map(|(ranker, share)| Some((self.ranked(ranker, target, evidence)?, share)));
        OwnEvidence::mixed(ranked, mixture.unit)
    }

    /// What one ranker makes of the evidence; `None` when it has nothing to say.
    fn ranked<'a>(
        &'a self,
        ranker: &'a Ranker,
        target: &DomainRows,
        evidence: &Admitted<'_>,
    ) -> Option<Ranked<'a>> {
        let target = self.ranges.get(&target.domain)?;
        let by = match ranker {
            Ranker::Factors => {
                let factors = self.factors_of(&target.domain)?;
                let person = self.fold_in(target, factors, &evidence.foldable)?;
                RankedBy::Factors { factors, person }
            }
            Ranker::Popularity(shares) | Ranker::RecentPopularity(shares) => {
                RankedBy::Popularity(shares)
            }
            Ranker::ItemItem(table) => {
                RankedBy::ItemItem { table, liked: target.liked(&evidence.foldable) }
            }
            Ranker::Sequence(sequence) => {
                RankedBy::Sequence(sequence.read_history(&target.liked(&evidence.foldable))?)
            }
        };
        Some(Ranked { target, by })
    }

    /// The scores of a domain's items, in order of rows, by one ranker alone; `None` when
    /// it has nothing to say.
    pub(crate) fn rank_by(
        &self,
        ranker: &Ranker,
        target: &DomainRows,
        interactions: &[Weighted],
    ) -> Option<Vec<f32>> {
        let evidence = self.admitted(target, interactions);
        Some(self.ranked(ranker, target, &evidence)?.scores())
    }

    /// The same with the mixture of one domain in place of any that it has.
    ///
    /// # Errors
    /// [`Mismatch`] when it does not fit.
    pub(crate) fn with_mixture(
        &self,
        rows: &DomainRows,
        mixture: Mixture,
    ) -> Result<Self, Mismatch> {
        let mut mixtures = Mixtures::clone(&self.mixtures);
        mixtures.insert(rows.domain.clone(), mixture);
        let tables = Self { mixtures: Arc::new(mixtures), ..self.clone() };
        tables.check().map(|()| tables)
    }

    /// Sorts out what may be used for a target.
    fn admitted(&self, target: &DomainRows, interactions: &[Weighted]) -> Admitted<'_> {
        let mut foldable = target.within(interactions);
        let own_liked = foldable.iter().filter(|known| known.is_liked()).count();
        let mut strongest: Option<(&DomainRows, &Bridge)> = None;
        for (source, bridge) in self.bridges.into_domain(&target.domain) {
            let source = &self.ranges[source];
            let evidence = source.within(interactions);
            let carries = bridge.carrier.may_carry(source, &evidence);
            if carries && strongest.is_none_or(|(_, other)| bridge.lift > other.lift) {
                strongest = Some((source, bridge));
            }
            foldable.extend(bridge.carrier.admit(&evidence));
        }
        Admitted { own_liked, foldable, strongest }
    }

    /// The factors (items x factors) that a domain's items are scored with at a fold-in.
    pub(crate) fn factors_of_target(&self, rows: &DomainRows) -> Option<ArrayView2<'_, f32>> {
        self.factors_of(&rows.domain).map(|table| table.of_domain(rows))
    }

    /// The factors that a domain's items are scored with at a fold-in.
    fn factors_of(&self, target: &DomainId) -> Option<&FactorTable> {
        let is_joint = self.bridges.is_joint(target);
        let factors = if is_joint { &self.joint_factors } else { &self.domain_factors };
        debug_assert!(factors.is_some(), "what the bridges need is there");
        factors.as_deref()
    }

    fn fold_in(
        &self,
        target: &DomainRows,
        factors: &FactorTable,
        evidence: &[Weighted],
    ) -> Option<FoldedPerson> {
        let is_joint = self.bridges.is_joint(&target.domain);
        let counts_all = is_joint && self.unobserved == UnobservedItems::All;
        let is_observed = |rows: &DomainRows| evidence.iter().any(|known| rows.contains(known.row));
        let counted = self.ranges.values().enumerate();
        let counted: Vec<usize> =
            counted.filter(|(_, rows)| counts_all || is_observed(rows)).map(|(at, _)| at).collect();
        factors.fold_in(&self.ranges, &counted, evidence, &self.params)
    }

    /// What a bridge other than the joint one makes of a source's evidence.
    fn carry<'a>(
        &'a self,
        (source, target): (&'a DomainRows, &'a DomainRows),
        bridge: &'a Bridge,
        interactions: &[Weighted],
    ) -> Option<Box<dyn Carried + 'a>> {
        bridge.carrier.carry(self.crossing(source, target), &source.within(interactions))
    }

    fn crossing<'a>(&'a self, source: &'a DomainRows, target: &'a DomainRows) -> Crossing<'a> {
        Crossing {
            ranges: &self.ranges,
            source,
            target,
            domain_factors: self.domain_factors.as_deref(),
            params: &self.params,
        }
    }
}

/// What may be used for a target.
struct Admitted<'a> {
    /// How many of the target's items the person likes.
    own_liked: usize,
    /// Own interactions and those of sources with a joint bridge, weighted.
    foldable: Vec<Weighted>,
    /// The source with the greatest lift of those where the person likes something.
    strongest: Option<(&'a DomainRows, &'a Bridge)>,
}

/// A person's evidence on the other side of a bridge, and how much its scores count.
type Weighing<'a> = (f32, Box<dyn Carried + 'a>);

/// The scores of a target's items for one person, and where they come from.
pub struct Estimate<'a> {
    target: &'a DomainRows,
    own: OwnEvidence<'a>,
    carried: Option<Weighing<'a>>,
    scores: ItemScores<'a>,
    /// For items that look like evidence, that evidence.
    look_alikes: BTreeMap<Row, Vec<Row>>,
    young_items: &'a YoungItems,
}

impl Estimate<'_> {
    /// The score of an item of the target; about 0 to 1. An item of another
    /// domain scores 0.
    #[must_use]
    pub fn score(&self, row: Row) -> f32 {
        let local = self.target.local(row);
        local.map_or(0.0, |local| self.scores.of(local))
    }

    /// The scores of all items of the target, in order of rows.
    #[must_use]
    pub fn scores(&self) -> Cow<'_, [f32]> {
        self.scores.all()
    }

    /// What each item of the target scores at least, and how much more it may score, where scores
    /// are worked out when they are asked for; `None` where all are there.
    pub(crate) fn bounded(&self) -> Option<&BoundedScores<'_>> {
        let ItemScores::Bounded(scores) = &self.scores else { return None };
        Some(scores)
    }

    /// The scores of all items of the target, in order of rows.
    #[must_use]
    pub fn into_scores(self) -> Vec<f32> {
        match self.scores {
            ItemScores::All(scores) => scores,
            bounded @ ItemScores::Bounded(_) => bounded.all().into_owned(),
        }
    }

    /// How much each past item adds to the score of an item of the target. With
    /// [`Estimate::sequence`] and [`Estimate::base`] they sum up to the score.
    ///
    /// # Panics
    /// When there is no such row.
    #[must_use]
    pub fn contributions(&self, row: Row) -> Vec<(Row, f32)> {
        let parts = self.young_items.parts(row, |row| self.own_contributions(row));
        self.without_look_alikes(row, parts)
    }

    /// What tells which past items a score goes back to: what each adds to it, and for the
    /// part of a sequence model what would be lost of that without it, of the newest. Only
    /// what stands in [`Estimate::contributions`] is a part of the score.
    ///
    /// # Panics
    /// When there is no such row.
    #[must_use]
    pub fn evidence(&self, row: Row) -> Vec<(Row, f32)> {
        let of_row = |row| {
            let evidence = self.sum_with(self.own.evidence(row), row);
            self.without_look_alikes(row, evidence)
        };
        self.without_look_alikes(row, self.young_items.parts(row, of_row))
    }

    /// The part of a score that a sequence model makes of all that the person took in the
    /// target, in its order: no past item has a part of its own in it. `None` where no
    /// sequence model has a share.
    #[must_use]
    pub fn sequence(&self, row: Row) -> Option<f32> {
        self.own.sequence(row)?;
        Some(self.young_items.value(row, |row| self.own.sequence(row).unwrap_or(0.0)))
    }

    /// The part of a score that no past item is behind: what an average person gets,
    /// where a bridge begins with one, and how popular the item is, where that has a share
    /// in the scores; else 0.
    #[must_use]
    pub fn base(&self, row: Row) -> f32 {
        self.young_items.value(row, |row| self.own_base(row))
    }

    /// As [`Estimate::contributions`], to what an item scores by itself, be it young or not.
    fn own_contributions(&self, row: Row) -> Vec<(Row, f32)> {
        self.without_look_alikes(row, self.sum_with(self.own.contributions(row), row))
    }

    /// As [`Estimate::base`], of what an item scores by itself.
    fn own_base(&self, row: Row) -> f32 {
        let carried = self.carried.as_ref();
        self.own.base(row) + carried.map_or(0.0, |(weight, carried)| weight * carried.base(row))
    }

    fn without_look_alikes(&self, row: Row, mut of_past: Vec<(Row, f32)>) -> Vec<(Row, f32)> {
        if let Some(look_alikes) = self.look_alikes.get(&row) {
            of_past.retain(|(past, _)| !look_alikes.contains(past));
        }
        of_past
    }

    /// What past items say by own evidence, with what they add by a bridge, summed up.
    fn sum_with(&self, own: impl Iterator<Item = (Row, f32)>, row: Row) -> Vec<(Row, f32)> {
        let mut sums: BTreeMap<Row, f32> = BTreeMap::new();
        let mut add = |past: Row, amount: f32| *sums.entry(past).or_default() += amount;
        own.for_each(|(past, amount)| add(past, amount));
        if let Some((weight, carried)) = &self.carried {
            carried.contributions(row).into_iter().for_each(|(past, c)| add(past, weight * c));
        }
        sums.into_iter().collect()
    }

    fn score_all(&mut self, wanted: Wanted) {
        let is_own_alone = wanted == Wanted::TheBest && self.carried.is_none();
        if let Some(bounded) = is_own_alone.then(|| self.own.bounded()).flatten() {
            self.scores = ItemScores::Bounded(bounded);
            return;
        }
        let mut scores = vec![0.0; self.target.len()];
        self.own.add_scores(&mut scores);
        if let Some((weight, carried)) = &self.carried {
            carried.add_scores(*weight, &mut scores);
        }
        self.scores = ItemScores::All(scores);
    }

    /// Takes from each item's score what came from items that look like it.
    fn leave_out(&mut self, look_alikes: &LookAlikes, interactions: &[Weighted]) {
        for past in interactions {
            for &other in look_alikes.of(past.row) {
                if self.target.contains(other) {
                    self.look_alikes.entry(other).or_default().push(past.row);
                }
            }
        }
        let rescored = self.look_alikes.keys().map(|&row| (row, self.sum_of_parts(row))).collect();
        self.set_scores(rescored);
    }

    /// Puts each young item between its own score and what stands in for it. One that looks like
    /// evidence is there already: what looks like it is no part of what stands in for it either.
    fn place_young_items(&mut self) {
        let young = self.young_items.within(self.target.range.clone());
        let young = young.filter(|row| !self.look_alikes.contains_key(row));
        let placed = young.map(|row| (row, self.young_items.value(row, |row| self.score(row))));
        let placed: Vec<(Row, f32)> = placed.collect();
        self.set_scores(placed);
    }

    /// A score as the sum of its parts.
    fn sum_of_parts(&self, row: Row) -> f32 {
        let sum: f32 = self.contributions(row).iter().map(|(_, amount)| amount).sum();
        sum + self.sequence(row).unwrap_or(0.0) + self.base(row)
    }

    fn set_scores(&mut self, scores: Vec<(Row, f32)>) {
        for (row, score) in scores {
            if let Some(local) = self.target.local(row) {
                self.scores.set(local, score);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, s};
    use proptest::prelude::*;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::maths::als::AlsOptions;
    use crate::maths::dense::gram;
    use crate::maths::fold_in::{FoldInBasis, FoldedPerson};
    use crate::maths::sparse::SparseRows;
    use crate::model::bridges::cross_block::CrossBlock;
    use crate::model::bridges::joint::JointFoldIn;
    use crate::model::bridges::mapping::LinearMap;
    use crate::model::bridges::own_factors::OwnFactors;
    use crate::model::bridges::pair::PairFoldIn;
    use crate::model::bridges::two_block::{Coefficients, TwoBlock};
    use crate::model::bridges::{BridgeKind, Carrier, Direction};
    use crate::model::content::StandIns;
    use crate::model::own_evidence::spread;
    use crate::model::tests::mixture;
    use crate::model::young_items::YoungItem;

    const FACTORS: usize = 4;
    /// Items of each of the three domains.
    const ITEMS: usize = 6;
    const NAMES: [&str; 3] = ["a", "b", "c"];
    const ALL_KINDS: [BridgeKind; 6] = [
        BridgeKind::Joint,
        BridgeKind::Mapping,
        BridgeKind::CrossBlock,
        BridgeKind::TwoBlock,
        BridgeKind::Pair,
        BridgeKind::Text,
    ];

    fn domain(name: &str) -> DomainId {
        DomainId::parse(name).unwrap()
    }

    fn ranges() -> DomainRanges {
        let range = |at: usize| (domain(NAMES[at]), at * ITEMS..(at + 1) * ITEMS);
        (0..NAMES.len()).map(range).collect()
    }

    fn carrier(kind: BridgeKind, rng: &mut ChaCha8Rng) -> Carrier {
        match kind {
            BridgeKind::Joint => Carrier::Joint(JointFoldIn { source_weight: 2.0 }),
            BridgeKind::Mapping => {
                let map = (0..FACTORS * FACTORS).map(|_| rng.random_range(-1.0..1.0)).collect();
                Carrier::Mapping(LinearMap::new(
                    Array2::from_shape_vec((FACTORS, FACTORS), map).unwrap(),
                ))
            }
            BridgeKind::CrossBlock => {
                let mut row =
                    |_| (0..ITEMS as u32).map(|i| (i, rng.random_range(-0.5..0.5))).collect();
                let rows: Vec<Vec<(u32, f32)>> = (0..ITEMS).map(&mut row).collect();
                Carrier::CrossBlock(CrossBlock::new(SparseRows::from_rows(ITEMS, rows)))
            }
            BridgeKind::TwoBlock => {
                let mut table = |rows: usize, columns: usize| {
                    Array2::from_shape_simple_fn((rows, columns), || rng.random_range(-0.6..0.8))
                };
                let own =
                    OwnFactors::new(own_params(), table(ITEMS, FACTORS), table(ITEMS, FACTORS));
                let coefficients = Coefficients {
                    mean: table(1, FACTORS).row(0).to_owned(),
                    by_item: table(ITEMS, FACTORS),
                    by_factor: table(FACTORS, FACTORS),
                };
                Carrier::TwoBlock(Arc::new(TwoBlock::new(own, coefficients)))
            }
            BridgeKind::Pair => {
                let mut table = || {
                    Array2::from_shape_simple_fn((ITEMS, FACTORS), || rng.random_range(-0.6..0.8))
                };
                let own = OwnFactors::new(own_params(), table(), table());
                Carrier::Pair(Arc::new(PairFoldIn::new(own, 2.0)))
            }
            BridgeKind::Text => Carrier::Text(Arc::new(likeness(rng))),
        }
    }

    fn likeness(rng: &mut ChaCha8Rng) -> TextLikeness {
        let mut row = |_| (0..ITEMS as u32).map(|i| (i, rng.random_range(0.1..0.5))).collect();
        let rows: Vec<Vec<(u32, f32)>> = (0..ITEMS).map(&mut row).collect();
        let popularity = (0..ITEMS).map(|_| rng.random_range(-0.2..0.2)).collect();
        TextLikeness::new(SparseRows::from_rows(ITEMS, rows), popularity)
    }

    /// Other settings than the tables of everyone have.
    fn own_params() -> AlsParams {
        AlsOptions { factors: FACTORS, unobserved_weight: 0.02, ..AlsOptions::default() }
            .check()
            .unwrap()
    }

    /// Tables with these bridges: source, target, kind and lift.
    fn tables_with(
        bridges: &[(&str, &str, BridgeKind, f64)],
        look_alikes: &[(u32, u32)],
    ) -> ScoringTables {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let mut passed = Bridges::none();
        for (from, to, kind, lift) in bridges {
            let carrier = carrier(*kind, &mut rng);
            let direction = Direction { from: domain(from), to: domain(to) };
            passed.insert(direction, Bridge { lift: *lift, carrier });
        }
        let mut factors = || {
            let value = |_| rng.random_range(-0.6..0.8);
            Array2::from_shape_vec(
                (3 * ITEMS, FACTORS),
                (0..3 * ITEMS * FACTORS).map(value).collect(),
            )
            .unwrap()
        };
        let (item_factors, domain_factors) = (factors(), factors());
        let needs = passed.has(BridgeKind::Joint) && passed.need_domain_factors(&ranges());
        ScoringTables::new(TableParts {
            ranges: ranges(),
            params: AlsOptions { factors: FACTORS, ..AlsOptions::default() }.check().unwrap(),
            unobserved: UnobservedItems::default(),
            item_factors,
            domain_factors: needs.then_some(domain_factors),
            bridges: passed,
            mixtures: Mixtures::none(),
            look_alikes: LookAlikes::new(look_alikes.iter().map(|&(a, b)| (Row(a), Row(b)))),
            by_popularity: BTreeSet::new(),
            young_items: YoungItems::default(),
        })
        .unwrap()
    }

    fn scores(tables: &ScoringTables, target: &str, evidence: &[(u32, f32)]) -> Option<Vec<f32>> {
        Some(tables.estimate(&domain(target), &weighted(evidence))?.scores().to_vec())
    }

    fn weighted(evidence: &[(u32, f32)]) -> Vec<Weighted> {
        let known = |&(row, confidence): &(u32, f32)| {
            Weighted::new(Row(row), confidence).at((row * 7 % 5) as u16)
        };
        evidence.iter().map(known).collect()
    }

    fn kinds() -> impl Strategy<Value = BridgeKind> {
        proptest::sample::select(ALL_KINDS.to_vec())
    }

    fn histories() -> impl Strategy<Value = Vec<(u32, f32)>> {
        proptest::collection::btree_map(0..3 * ITEMS as u32, 0.2f32..4.0, 1..14)
            .prop_map(|items| items.into_iter().collect())
    }

    fn bridge_sets() -> impl Strategy<Value = Vec<(&'static str, &'static str, BridgeKind, f64)>> {
        proptest::collection::vec((0..3usize, 1..3usize, kinds(), 0.01f64..0.2), 0..6).prop_map(
            |all| {
                let name = |(from, step, kind, lift): (usize, usize, BridgeKind, f64)| {
                    (NAMES[from], NAMES[(from + step) % 3], kind, lift)
                };
                all.into_iter().map(name).collect()
            },
        )
    }

    /// The same, with a mixture of rankers for each domain.
    /// Up to one young item of each domain, for which the first two of it stand in.
    fn young_items() -> impl Strategy<Value = YoungItems> {
        let item = (0..ITEMS, 0.0f32..1.0, -1.0f32..1.0);
        proptest::collection::vec(proptest::option::of(item), NAMES.len()).prop_map(|items| {
            let of_domain = |(at, item): (usize, Option<(usize, f32, f32)>)| {
                let (item, own, weight) = item?;
                let row = |item: usize| Row((at * ITEMS + item) as u32);
                let stand_ins = StandIns::new(vec![(row(0), weight), (row(1), 0.5)], false);
                Some((row(item), YoungItem { own, by_text: 1.0 - own, stand_ins }))
            };
            items.into_iter().enumerate().filter_map(of_domain).collect()
        })
    }

    fn mixed(mut tables: ScoringTables, is_mixed: bool) -> ScoringTables {
        let ranges = ranges();
        for rows in ranges.values().filter(|_| is_mixed) {
            let popularity = (0..ITEMS).map(|item| 1.0 / (item + 1) as f32).collect();
            tables = tables.with_mixture(rows, mixture(popularity)).unwrap();
        }
        tables
    }

    #[test]
    fn a_mixture_ranks_by_its_shares_for_who_likes_something_there() {
        let open = tables_with(&[], &[]);
        let tables = mixed(open.clone(), true);
        let own: Vec<(u32, f32)> = (0..4).map(|item| (item, 1.0)).collect();
        let ranges = ranges();
        let rows = &ranges[&domain("a")];
        let of_mixture = tables.mixtures().get(&domain("a")).unwrap();
        let in_units = |ranker: &Ranker| -> Vec<f32> {
            let scores = tables.rank_by(ranker, rows, &weighted(&own)).unwrap();
            let spread = spread(&scores);
            scores.into_iter().map(|score| score / spread).collect()
        };
        // Four items: half by the factors, half by what goes with them.
        let (factors, weights) =
            (in_units(&of_mixture.rankers[0]), in_units(&of_mixture.rankers[2]));
        let served = scores(&tables, "a", &own).unwrap();
        for (served, (factors, weights)) in served.iter().zip(factors.iter().zip(&weights)) {
            let by_hand = of_mixture.unit * (0.5 * factors + 0.5 * weights);
            assert!((served - by_hand).abs() < 1e-4, "{served} {by_hand}");
        }
        // Of who only dislikes nothing is known that a mixture could go by.
        let disliked = [(0, -1.0)];
        assert_eq!(scores(&tables, "a", &disliked), scores(&open, "a", &disliked));
    }

    proptest! {
        #[test]
        fn of_places_only_which_of_two_is_greater_counts(
            history in histories(), apart in 1u16..9, further in 0u16..9,
        ) {
            let tables = mixed(tables_with(&[], &[]), true);
            let known = weighted(&history);
            let stretched: Vec<Weighted> =
                known.iter().map(|known| known.at(known.place * apart + further)).collect();
            let scores = |known: &[Weighted]| {
                Some(tables.estimate(&domain("a"), known)?.scores().to_vec())
            };
            prop_assert_eq!(scores(&known), scores(&stretched));
        }

        #[test]
        fn evidence_without_a_bridge_changes_nothing(
            bridges in bridge_sets(), history in histories(), target in 0..3usize,
            is_mixed in any::<bool>(),
        ) {
            let tables = mixed(tables_with(&bridges, &[]), is_mixed);
            let target = domain(NAMES[target]);
            let may_pass = |row: u32| {
                let from = domain(NAMES[row as usize / ITEMS]);
                from == target
                    || tables.bridges().get(&Direction { from, to: target.clone() }).is_some()
            };
            let admitted: Vec<(u32, f32)> =
                history.iter().copied().filter(|(row, _)| may_pass(*row)).collect();
            prop_assert_eq!(
                scores(&tables, target.as_str(), &history),
                scores(&tables, target.as_str(), &admitted)
            );
            if admitted.is_empty() {
                prop_assert_eq!(scores(&tables, target.as_str(), &history), None);
            }
        }

        #[test]
        fn without_any_bridge_a_domain_is_served_by_its_own_factors_alone(history in histories()) {
            let tables = tables_with(&[], &[]);
            let own: Vec<(u32, f32)> =
                history.iter().copied().filter(|(row, _)| (*row as usize) < ITEMS).collect();
            let served = scores(&tables, "a", &history);
            prop_assert_eq!(served.is_some(), !own.is_empty());
            if let Some(served) = served {
                let items = tables.item_factors();
                let of_domain = items.slice(s![..ITEMS, ..]);
                let gram = gram(of_domain);
                let params = tables.params;
                let basis = FoldInBasis { items, gram: &gram, unobserved: ITEMS, params: &params };
                let person = FoldedPerson::solve(basis, &own).unwrap();
                let by_hand = of_domain.dot(&ndarray::aview1(person.vector()));
                for (served, by_hand) in served.iter().zip(by_hand) {
                    prop_assert!((served - by_hand).abs() < 1e-5);
                }
            }
        }

        #[test]
        fn contributions_and_the_base_sum_up_to_the_score_whatever_carries(
            bridges in bridge_sets(), history in histories(), target in 0..3usize, item in 0..ITEMS,
            look_alikes in proptest::collection::vec((0..ITEMS as u32, ITEMS as u32..3 * ITEMS as u32), 0..4),
            is_mixed in any::<bool>(), young in young_items(),
        ) {
            let tables = mixed(tables_with(&bridges, &look_alikes), is_mixed);
            let tables = tables.with_young_items(young).unwrap();
            let target_id = domain(NAMES[target]);
            let Some(estimate) = tables.estimate(&target_id, &weighted(&history)) else { return Ok(()) };
            let row = Row((target * ITEMS + item) as u32);
            let contributions = estimate.contributions(row);
            let sum: f32 = contributions.iter().map(|(_, c)| c).sum();
            let sum = sum + estimate.sequence(row).unwrap_or(0.0) + estimate.base(row);
            prop_assert!((estimate.score(row) - sum).abs() < 2e-3, "{} {sum}", estimate.score(row));
            let looks_alike = |past: &Row| {
                look_alikes.contains(&(past.0, row.0)) || look_alikes.contains(&(row.0, past.0))
            };
            prop_assert!(!contributions.iter().any(|(past, _)| looks_alike(past)));
            prop_assert!(contributions.iter().all(|(past, _)| history.iter().any(|(h, _)| *h == past.0)));
        }
    }

    #[test]
    fn what_is_carried_fades_as_own_history_grows() {
        for kind in ALL_KINDS.into_iter().filter(|kind| *kind != BridgeKind::Joint) {
            let tables = tables_with(&[("a", "b", kind, 0.1)], &[]);
            let from_source = [(0, 1.0), (3, 2.0)];
            let cold = scores(&tables, "b", &from_source).unwrap();
            let own: Vec<(u32, f32)> = (0..5).map(|item| (ITEMS as u32 + item, 1.0)).collect();
            for count in 1..=OWN_ITEMS_ENOUGH {
                let alone = scores(&tables, "b", &own[..count]).unwrap();
                let both = [&from_source[..], &own[..count]].concat();
                let both = scores(&tables, "b", &both).unwrap();
                let share = 1.0 - count as f32 / OWN_ITEMS_ENOUGH as f32;
                for ((both, cold), alone) in both.iter().zip(&cold).zip(&alone) {
                    let expected = share * cold + (1.0 - share) * alone;
                    assert!((both - expected).abs() < 1e-5, "{kind:?} {count}");
                }
            }
        }
    }

    #[test]
    fn several_joint_sources_are_folded_in_together_and_weighted() {
        let bridges = [("a", "c", BridgeKind::Joint, 0.1), ("b", "c", BridgeKind::Joint, 0.2)];
        let tables = tables_with(&bridges, &[]);
        let served = scores(&tables, "c", &[(0, 1.0), (7, 1.0), (13, 1.0)]).unwrap();
        let items = tables.item_factors();
        let gram = gram(items);
        let params = tables.params;
        let basis = FoldInBasis { items, gram: &gram, unobserved: 3 * ITEMS, params: &params };
        let person = FoldedPerson::solve(basis, &[(0, 2.0), (7, 2.0), (13, 1.0)]).unwrap();
        let by_hand = items.slice(s![2 * ITEMS.., ..]).dot(&ndarray::aview1(person.vector()));
        for (served, by_hand) in served.iter().zip(by_hand) {
            assert!((served - by_hand).abs() < 1e-5);
        }
    }

    #[test]
    fn a_prior_makes_no_estimate_and_is_tried_by_where_a_person_likes_most() {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let mut priors = BTreeMap::new();
        for (from, to) in [("a", "c"), ("b", "c"), ("a", "b")] {
            let direction = Direction { from: domain(from), to: domain(to) };
            priors.insert(direction, Arc::new(likeness(&mut rng)));
        }
        let mut tables = tables_with(&[("a", "b", BridgeKind::Pair, 0.1)], &[]);
        tables.bridges = tables.bridges.with_priors(priors);
        assert!(tables.check().is_ok());
        let from_a = weighted(&[(0, 1.0), (1, 1.0)]);
        let from_both = weighted(&[(0, 1.0), (1, 1.0), (ITEMS as u32, 1.0)]);
        let c = domain("c");
        let of_a = tables.prior(&c, &from_a).unwrap().into_scores();
        assert_eq!(tables.prior(&c, &from_both).unwrap().into_scores(), of_a);
        let of_b = weighted(&[(0, 1.0), (ITEMS as u32, 1.0), (ITEMS as u32 + 1, 1.0)]);
        assert_ne!(tables.prior(&c, &of_b).unwrap().into_scores(), of_a);
        for evidence in [&from_a, &from_both] {
            assert!(tables.estimate(&c, evidence).is_none(), "a prior is no bridge");
            let own = [&evidence[..], &weighted(&[(2 * ITEMS as u32, 1.0)])].concat();
            assert!(tables.prior(&c, &own).is_none(), "who is known there is served as known");
        }
        // Of a source whose items are like nothing, nothing is said, and it silences no other.
        let silent =
            TextLikeness::new(SparseRows::from_rows(ITEMS, vec![vec![]; ITEMS]), vec![0.1; ITEMS]);
        let to_c = Direction { from: domain("a"), to: domain("c") };
        let from_b = Direction { from: domain("b"), to: domain("c") };
        let of_both = [(to_c, Arc::new(silent)), (from_b, Arc::new(likeness(&mut rng)))];
        let mut some_silent = tables.clone();
        some_silent.bridges = Bridges::none().with_priors(of_both.into());
        assert!(some_silent.prior(&c, &from_a).is_none());
        assert!(some_silent.prior(&c, &from_both).is_some());
        assert!(tables.prior(&domain("b"), &from_a).is_none(), "a bridge that passed serves");
        assert!(tables.prior(&domain("a"), &weighted(&[(ITEMS as u32, 1.0)])).is_none());
        assert!(tables.prior(&c, &weighted(&[(0, -1.0)])).is_none(), "a dislike is no taste");
    }

    #[test]
    fn of_several_sources_the_greatest_lift_decides() {
        let evidence = [(0, 1.0), (ITEMS as u32, 1.0)];
        let with = |block: f64, joint: f64| {
            let bridges =
                [("a", "c", BridgeKind::CrossBlock, block), ("b", "c", BridgeKind::Joint, joint)];
            scores(&tables_with(&bridges, &[]), "c", &evidence).unwrap()
        };
        let tables = tables_with(
            &[("a", "c", BridgeKind::CrossBlock, 0.2), ("b", "c", BridgeKind::Joint, 0.1)],
            &[],
        );
        assert_eq!(with(0.2, 0.1), scores(&tables, "c", &evidence[..1]).unwrap());
        assert_eq!(with(0.1, 0.2), scores(&tables, "c", &evidence[1..]).unwrap());
    }

    #[test]
    fn an_item_gets_nothing_from_one_that_looks_like_it() {
        for kind in ALL_KINDS {
            let bridges = [("a", "b", kind, 0.1)];
            let other = Row(ITEMS as u32 + 2);
            let pair = [(0, other.0)];
            let (blind, aware) = (tables_with(&bridges, &[]), tables_with(&bridges, &pair));
            let evidence = weighted(&[(0, 1.0)]);
            let estimate = aware.estimate(&domain("b"), &evidence).unwrap();
            assert_eq!(estimate.score(other), estimate.base(other));
            let has_base = matches!(kind, BridgeKind::TwoBlock | BridgeKind::Text);
            assert_eq!(estimate.base(other) != 0.0, has_base);
            let blind = blind.estimate(&domain("b"), &evidence).unwrap();
            assert_ne!(blind.score(other), blind.base(other));
            assert_ne!(estimate.score(Row(other.0 + 1)), 0.0);
        }
    }

    #[test]
    fn a_dislike_lowers_the_item_and_similar_ones_and_alone_says_nothing() {
        for kind in ALL_KINDS {
            let tables = tables_with(&[("a", "b", kind, 0.1)], &[]);
            let liked = [(ITEMS as u32, 2.0), (ITEMS as u32 + 1, 1.0)];
            let without = scores(&tables, "b", &liked).unwrap();
            // The best of what is not known yet.
            let rest = 2..ITEMS;
            let best = rest.max_by(|&a, &b| without[a].total_cmp(&without[b])).unwrap();
            assert!(without[best] > 0.0);
            let evidence = [&liked[..], &[(ITEMS as u32 + best as u32, -3.0)]].concat();
            let with = scores(&tables, "b", &evidence).unwrap();
            assert!(with[best] < without[best], "{kind:?}");
            for (from, at) in [("a", 0), ("b", ITEMS as u32)] {
                assert_eq!(scores(&tables, "b", &[(at, -1.0)]), None, "{kind:?} from {from}");
            }
        }
    }

    #[test]
    fn where_popularity_serves_only_a_bridge_ranks_and_only_for_who_is_new_there() {
        for kind in ALL_KINDS {
            let open = tables_with(&[("a", "b", kind, 0.1)], &[]);
            let mut tables = open.clone();
            tables.by_popularity = BTreeSet::from([domain("b")]);
            let (from_a, own) = ((0, 1.0), (ITEMS as u32, 1.0));
            assert_eq!(scores(&tables, "b", &[own]), None);
            assert_eq!(scores(&tables, "b", &[from_a, own]), None);
            assert_eq!(scores(&tables, "b", &[from_a]), scores(&open, "b", &[from_a]));
            assert_eq!(scores(&tables, "a", &[from_a]), scores(&open, "a", &[from_a]));
        }
    }

    #[test]
    fn what_tells_no_item_from_another_is_no_estimate() {
        let mut parts = TableParts {
            ranges: ranges(),
            params: AlsOptions { factors: FACTORS, ..AlsOptions::default() }.check().unwrap(),
            unobserved: UnobservedItems::default(),
            item_factors: Array2::zeros((3 * ITEMS, FACTORS)),
            domain_factors: None,
            bridges: Bridges::none(),
            mixtures: Mixtures::none(),
            look_alikes: LookAlikes::default(),
            by_popularity: BTreeSet::new(),
            young_items: YoungItems::default(),
        };
        assert_eq!(scores(&ScoringTables::new(parts.clone()).unwrap(), "a", &[(0, 1.0)]), None);
        parts.item_factors[(0, 0)] = 1.0;
        assert!(scores(&ScoringTables::new(parts).unwrap(), "a", &[(0, 1.0)]).is_some());
    }

    #[test]
    fn tables_that_do_not_fit_together_are_refused() {
        let parts = || TableParts {
            ranges: ranges(),
            params: AlsOptions { factors: FACTORS, ..AlsOptions::default() }.check().unwrap(),
            unobserved: UnobservedItems::default(),
            item_factors: Array2::zeros((3 * ITEMS, FACTORS)),
            domain_factors: None,
            bridges: Bridges::none(),
            mixtures: Mixtures::none(),
            look_alikes: LookAlikes::default(),
            by_popularity: BTreeSet::new(),
            young_items: YoungItems::default(),
        };
        assert!(ScoringTables::new(parts()).is_ok());
        let elsewhere = BTreeSet::from([domain("d")]);
        assert!(ScoringTables::new(TableParts { by_popularity: elsewhere, ..parts() }).is_err());
        let short = TableParts { item_factors: Array2::zeros((3, FACTORS)), ..parts() };
        assert!(ScoringTables::new(short).is_err());
        // Joint into one domain alone: the others need factors of their own.
        let mut bridges = Bridges::none();
        let direction = Direction { from: domain("a"), to: domain("b") };
        let carrier = Carrier::Joint(JointFoldIn { source_weight: 1.0 });
        bridges.insert(direction, Bridge { lift: 0.1, carrier });
        assert!(ScoringTables::new(TableParts { bridges, ..parts() }).is_err());
        let stand_ins = StandIns::new(vec![(Row(ITEMS as u32), 1.0)], false);
        let young = YoungItem { own: 0.5, by_text: 0.5, stand_ins };
        let young_items: YoungItems = [(Row(0), young)].into_iter().collect();
        assert!(ScoringTables::new(TableParts { young_items, ..parts() }).is_err());
        let look_alikes = LookAlikes::new([(Row(0), Row(3 * ITEMS as u32))]);
        assert!(ScoringTables::new(TableParts { look_alikes, ..parts() }).is_err());
    }
}
