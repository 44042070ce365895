//! From a person's evidence to scores: the only way through bridges.
//!
//! A target is scored from the person's own history in it and from that of the
//! domains which a bridge carries there; all other evidence is left aside.
//!
//! - Evidence of sources with a joint bridge is folded in together with the
//!   target's own, against the joint fit. Without a joint bridge into the
//!   target its own history is folded in against its own factors.
//! - A map or a cross block was shown to help people who are new to the target.
//!   It makes the whole score of someone without target history, and fades with
//!   each item of it, linearly, until [`OWN_ITEMS_ENOUGH`] items: from there on
//!   the fold-in serves alone.
//! - Of several sources whose evidence a person has, the one with the greatest
//!   measured lift decides which of the two is done.
//!
//! Everything is linear in the past items, so each score is exactly the sum of
//! their contributions. An item that looks like one of the person's source items
//! gets nothing from it.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use ndarray::{Array2, ArrayView2, s};

use crate::entities::ids::DomainId;
use crate::evidence::items::DomainRanges;
use crate::maths::als::AlsParams;
use crate::maths::dense::{dot, gram};
use crate::maths::fold_in::{FoldInBasis, FoldedPerson, UnobservedItems};
use crate::maths::sparse::SparseRows;
use crate::model::bridges::cross_block;
use crate::model::bridges::mapping::LinearMap;
use crate::model::bridges::{Bridge, Bridges, Carrier, Direction};
use crate::model::look_alikes::Twins;

/// Own items in the target from which on a map or a cross block is not asked.
pub const OWN_ITEMS_ENOUGH: usize = 5;

/// A table of item factors with the Gram matrix of each domain.
#[derive(Debug, Clone)]
struct FactorTable {
    items: Array2<f32>,
    grams: BTreeMap<DomainId, Array2<f32>>,
}

impl FactorTable {
    fn new(items: Array2<f32>, ranges: &DomainRanges) -> Self {
        let gram = |rows: &Range<usize>| gram(items.slice(s![rows.clone(), ..]));
        let grams = ranges.iter().map(|(domain, rows)| (domain.clone(), gram(rows))).collect();
        Self { items, grams }
    }

    /// Whether a fold-in against the factors stays finite: they may be finite
    /// themselves and their products not.
    fn has_finite_products(&self) -> bool {
        let sum: f64 = self.grams.values().flatten().map(|value| f64::from(value.abs())).sum();
        sum.is_finite() && sum < f64::from(f32::MAX)
    }
}

/// Everything that scores are made from.
#[derive(Debug, Clone)]
pub struct ScoringTables {
    ranges: DomainRanges,
    params: AlsParams,
    unobserved: UnobservedItems,
    main: FactorTable,
    apart: Option<FactorTable>,
    bridges: Bridges,
    twins: Twins,
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
    /// Items that look alike.
    pub twins: Twins,
}

/// Why tables cannot be served.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Mismatch(&'static str);

impl ScoringTables {
    /// Checks that the tables fit together and that what the bridges need is there.
    ///
    /// # Errors
    /// [`Mismatch`] in words.
    pub fn new(parts: TableParts) -> Result<Self, Mismatch> {
        let TableParts { ranges, params, unobserved, bridges, twins, .. } = parts;
        let rows = ranges.values().map(|range| range.end).max().unwrap_or(0);
        let shape = (rows, params.options().factors);
        let tables = std::iter::once(&parts.item_factors).chain(&parts.domain_factors);
        if tables.into_iter().any(|table| table.dim() != shape) {
            return Err(Mismatch("a table of factors has another shape"));
        }
        let is_joint = ranges.keys().any(|domain| bridges.is_joint(domain));
        let needs_apart = is_joint && bridges.need_domain_factors(&ranges);
        if needs_apart != parts.domain_factors.is_some() {
            return Err(Mismatch("factors by domain are missing, or not needed"));
        }
        if !bridges.iter().all(|(direction, bridge)| fits(&ranges, shape.1, direction, bridge)) {
            return Err(Mismatch("a bridge has another shape or leads nowhere"));
        }
        if twins.pairs().any(|(_, second)| second as usize >= rows) {
            return Err(Mismatch("an item that looks alike is not in the model"));
        }
        let table =
            |items: Array2<f32>| FactorTable::new(items.as_standard_layout().into_owned(), &ranges);
        let (main, apart) = (table(parts.item_factors), parts.domain_factors.map(table));
        if !main.has_finite_products()
            || !apart.as_ref().is_none_or(FactorTable::has_finite_products)
        {
            return Err(Mismatch("factors are so large that their products are not finite"));
        }
        Ok(Self { main, apart, ranges, params, unobserved, bridges, twins })
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

    /// Item factors, one row for each item: of the joint fit if any bridge is
    /// joint, else fitted domain by domain.
    #[must_use]
    pub fn item_factors(&self) -> ArrayView2<'_, f32> {
        self.main.items.view()
    }

    /// Item factors fitted domain by domain, where they are kept beside those of a
    /// joint fit.
    #[must_use]
    pub fn domain_factors(&self) -> Option<ArrayView2<'_, f32>> {
        self.apart.as_ref().map(|table| table.items.view())
    }

    /// Items that look alike.
    #[must_use]
    pub fn twins(&self) -> &Twins {
        &self.twins
    }

    /// Scores the items of `target` for a person with these interactions (item
    /// row, confidence). `None` when the target is unknown, or when nothing of
    /// the evidence may be used for it.
    #[must_use]
    pub fn estimate(&self, target: &DomainId, interactions: &[(u32, f32)]) -> Option<Estimate<'_>> {
        let range = self.ranges.get(target)?;
        let evidence = self.admitted(target, interactions);
        let fading = 1.0 - (evidence.own.len() as f32 / OWN_ITEMS_ENOUGH as f32).min(1.0);
        let carried = evidence
            .strongest
            .filter(|_| fading > 0.0)
            .and_then(|(source, bridge)| self.carry(source, bridge, interactions));
        let weight = if carried.is_some() { fading } else { 0.0 };
        let folded = if weight < 1.0 { self.fold_in(target, &evidence.foldable) } else { None };
        if carried.is_none() && folded.is_none() {
            return None;
        }
        let mut estimate = Estimate {
            tables: self,
            range: range.clone(),
            folded: folded.map(|folded| (1.0 - weight, folded)),
            carried: carried.map(|carried| (weight, carried)),
            scores: Vec::new(),
            twins: BTreeMap::new(),
        };
        estimate.score_all(interactions);
        Some(estimate)
    }

    /// Sorts out what may be used for a target.
    fn admitted(&self, target: &DomainId, interactions: &[(u32, f32)]) -> Admitted<'_> {
        let own = within(interactions, &self.ranges[target]);
        let mut foldable = own.clone();
        let mut strongest: Option<(&DomainId, &Bridge)> = None;
        for (source, bridge) in self.bridges.into_domain(target) {
            let evidence = within(interactions, &self.ranges[source]);
            if evidence.is_empty() {
                continue;
            }
            if strongest.is_none_or(|(_, other)| bridge.lift > other.lift) {
                strongest = Some((source, bridge));
            }
            if let Carrier::Joint { source_weight } = bridge.carrier {
                foldable.extend(evidence.into_iter().map(|(item, c)| (item, c * source_weight)));
            }
        }
        Admitted { own, foldable, strongest }
    }

    /// The table that a domain's items are scored with at a fold-in.
    fn table_of(&self, target: &DomainId) -> &FactorTable {
        if self.bridges.is_joint(target) { &self.main } else { self.by_domain() }
    }

    /// The factors fitted domain by domain.
    fn by_domain(&self) -> &FactorTable {
        self.apart.as_ref().unwrap_or(&self.main)
    }

    fn fold_in(&self, target: &DomainId, evidence: &[(u32, f32)]) -> Option<FoldedPerson> {
        let table = self.table_of(target);
        let is_observed = |range: &Range<usize>| !within(evidence, range).is_empty();
        let counts_all = self.bridges.is_joint(target) && self.unobserved == UnobservedItems::All;
        let counted = self
            .ranges
            .iter()
            .filter(|(_, range)| counts_all || is_observed(range))
            .map(|(domain, _)| domain)
            .collect();
        self.solve(table, &counted, evidence)
    }

    fn solve(
        &self,
        table: &FactorTable,
        counted: &BTreeSet<&DomainId>,
        evidence: &[(u32, f32)],
    ) -> Option<FoldedPerson> {
        if evidence.is_empty() {
            return None;
        }
        let factors = table.items.ncols();
        let mut gram = Array2::zeros((factors, factors));
        let mut unobserved = 0;
        for domain in counted {
            gram += &table.grams[*domain];
            unobserved += self.ranges[*domain].len();
        }
        let items = table.items.view();
        let basis = FoldInBasis { items, gram: &gram, unobserved, params: &self.params };
        FoldedPerson::solve(basis, evidence).ok()
    }

    /// What a bridge other than the joint one makes of a source's evidence.
    fn carry<'a>(
        &'a self,
        source: &DomainId,
        bridge: &'a Bridge,
        interactions: &[(u32, f32)],
    ) -> Option<Carried<'a>> {
        let range = &self.ranges[source];
        let evidence = within(interactions, range);
        match &bridge.carrier {
            Carrier::Joint { .. } => None,
            Carrier::Mapping(map) => {
                let person = self.solve(self.by_domain(), &BTreeSet::from([source]), &evidence)?;
                let mapped = map.map(ndarray::aview1(person.vector()));
                Some(Carried::Mapped { map, person, mapped })
            }
            Carrier::CrossBlock(block) => {
                let items = evidence.into_iter().map(|(item, _)| item).collect();
                Some(Carried::Block { block, source: range.clone(), items })
            }
        }
    }
}

/// What may be used for a target.
struct Admitted<'a> {
    own: Vec<(u32, f32)>,
    /// Own interactions and those of sources with a joint bridge, weighted.
    foldable: Vec<(u32, f32)>,
    /// The source with the greatest lift of those with evidence.
    strongest: Option<(&'a DomainId, &'a Bridge)>,
}

fn fits(ranges: &DomainRanges, factors: usize, direction: &Direction, bridge: &Bridge) -> bool {
    let (Some(from), Some(to)) = (ranges.get(&direction.from), ranges.get(&direction.to)) else {
        return false;
    };
    let fits = match &bridge.carrier {
        Carrier::Joint { source_weight } => source_weight.is_finite() && *source_weight > 0.0,
        Carrier::Mapping(map) => map.matrix().dim() == (factors, factors),
        Carrier::CrossBlock(block) => block.rows() == from.len() && block.columns() == to.len(),
    };
    fits && from != to && bridge.lift.is_finite()
}

fn within(interactions: &[(u32, f32)], range: &Range<usize>) -> Vec<(u32, f32)> {
    let is_inside = |(item, _): &&(u32, f32)| range.contains(&(*item as usize));
    interactions.iter().filter(is_inside).copied().collect()
}

/// A person's evidence on the other side of a map or a cross block.
enum Carried<'a> {
    Mapped { map: &'a LinearMap, person: FoldedPerson, mapped: Vec<f32> },
    Block { block: &'a SparseRows, source: Range<usize>, items: Vec<u32> },
}

/// The scores of a target's items for one person, and where they come from.
pub struct Estimate<'a> {
    tables: &'a ScoringTables,
    range: Range<usize>,
    folded: Option<(f32, FoldedPerson)>,
    carried: Option<(f32, Carried<'a>)>,
    scores: Vec<f32>,
    /// For items that look like evidence, that evidence.
    twins: BTreeMap<u32, Vec<u32>>,
}

impl Estimate<'_> {
    /// The score of an item of the target, by its row; about 0 to 1. An item of
    /// another domain scores 0.
    #[must_use]
    pub fn score(&self, row: u32) -> f32 {
        let at = (row as usize).checked_sub(self.range.start);
        at.and_then(|at| self.scores.get(at)).copied().unwrap_or(0.0)
    }

    /// The scores of all items of the target, in order of rows.
    #[must_use]
    pub fn scores(&self) -> &[f32] {
        &self.scores
    }

    /// How much each past item adds to the score of an item of the target: (item
    /// row, share of the score). They sum up to the score.
    #[must_use]
    pub fn contributions(&self, row: u32) -> Vec<(u32, f32)> {
        let mut contributions = self.all_contributions(row);
        if let Some(twins) = self.twins.get(&row) {
            contributions.retain(|(item, _)| !twins.contains(item));
        }
        contributions
    }

    fn all_contributions(&self, row: u32) -> Vec<(u32, f32)> {
        let mut sums: BTreeMap<u32, f32> = BTreeMap::new();
        if let Some((weight, person)) = &self.folded {
            for (item, contribution) in person.contributions(self.target_factors(), row) {
                *sums.entry(item).or_default() += weight * contribution;
            }
        }
        if let Some((weight, carried)) = &self.carried {
            for (item, contribution) in self.contributions_carried(carried, row) {
                *sums.entry(item).or_default() += weight * contribution;
            }
        }
        sums.into_iter().collect()
    }

    fn target_factors(&self) -> ArrayView2<'_, f32> {
        let domain = self.tables.ranges.iter().find(|(_, range)| **range == self.range);
        let table = domain.map_or(&self.tables.main, |(domain, _)| self.tables.table_of(domain));
        table.items.view()
    }

    fn contributions_carried(&self, carried: &Carried<'_>, row: u32) -> Vec<(u32, f32)> {
        match carried {
            Carried::Mapped { map, person, .. } => {
                let items = self.tables.by_domain().items.view();
                let direction = map.pull_back(items.row(row as usize));
                person.contributions_along(items, &direction)
            }
            Carried::Block { block, source, items } => {
                let target = row - self.range.start as u32;
                let entry = |item: &u32| {
                    let (targets, values) = block.row(*item as usize - source.start);
                    let at = targets.binary_search(&target).ok()?;
                    Some((*item, values[at]))
                };
                items.iter().filter_map(entry).collect()
            }
        }
    }

    fn score_all(&mut self, interactions: &[(u32, f32)]) {
        let mut scores = vec![0.0; self.range.len()];
        if let Some((weight, person)) = &self.folded {
            add_products(
                &mut scores,
                *weight,
                person.vector(),
                &self.target_factors(),
                &self.range,
            );
        }
        match &self.carried {
            Some((weight, Carried::Mapped { mapped, .. })) => {
                let items = self.tables.by_domain().items.view();
                add_products(&mut scores, *weight, mapped, &items, &self.range);
            }
            Some((weight, Carried::Block { block, source, items })) => {
                let local = items.iter().map(|item| item - source.start as u32);
                let carried = cross_block::scores(block, local);
                scores.iter_mut().zip(carried).for_each(|(score, c)| *score += weight * c);
            }
            None => {}
        }
        self.scores = scores;
        self.leave_out_twins(interactions);
    }

    /// Takes from each item's score what came from items that look like it.
    fn leave_out_twins(&mut self, interactions: &[(u32, f32)]) {
        for (item, _) in interactions {
            for &twin in self.tables.twins.of(*item) {
                if self.range.contains(&(twin as usize)) {
                    self.twins.entry(twin).or_default().push(*item);
                }
            }
        }
        let rescored: Vec<(u32, f32)> = self
            .twins
            .keys()
            .map(|&row| (row, self.contributions(row).iter().map(|(_, c)| c).sum()))
            .collect();
        for (row, score) in rescored {
            self.scores[row as usize - self.range.start] = score;
        }
    }
}

fn add_products(
    scores: &mut [f32],
    weight: f32,
    vector: &[f32],
    items: &ArrayView2<'_, f32>,
    range: &Range<usize>,
) {
    let rows = items.slice(s![range.clone(), ..]);
    for (score, row) in scores.iter_mut().zip(rows.rows()) {
        *score += weight * row.as_slice().map_or(0.0, |row| dot(vector, row));
    }
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;
    use proptest::prelude::*;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::maths::als::AlsOptions;
    use crate::model::bridges::{BridgeKind, Direction};

    const FACTORS: usize = 4;
    /// Items of each of the three domains.
    const ITEMS: usize = 6;
    const NAMES: [&str; 3] = ["a", "b", "c"];

    fn domain(name: &str) -> DomainId {
        DomainId::parse(name).unwrap()
    }

    fn ranges() -> DomainRanges {
        let range = |at: usize| (domain(NAMES[at]), at * ITEMS..(at + 1) * ITEMS);
        (0..NAMES.len()).map(range).collect()
    }

    fn carrier(kind: BridgeKind, rng: &mut ChaCha8Rng) -> Carrier {
        match kind {
            BridgeKind::Joint => Carrier::Joint { source_weight: 2.0 },
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
                Carrier::CrossBlock(SparseRows::from_rows(ITEMS, rows))
            }
        }
    }

    /// Tables with these bridges: source, target, kind and lift.
    fn tables_with(
        bridges: &[(&str, &str, BridgeKind, f64)],
        twins: &[(u32, u32)],
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
        let (item_factors, by_domain) = (factors(), factors());
        let needs = passed.has(BridgeKind::Joint) && passed.need_domain_factors(&ranges());
        ScoringTables::new(TableParts {
            ranges: ranges(),
            params: AlsOptions { factors: FACTORS, ..AlsOptions::default() }.check().unwrap(),
            unobserved: UnobservedItems::default(),
            item_factors,
            domain_factors: needs.then_some(by_domain),
            bridges: passed,
            twins: Twins::new(twins.iter().copied()),
        })
        .unwrap()
    }

    fn scores(tables: &ScoringTables, target: &str, evidence: &[(u32, f32)]) -> Option<Vec<f32>> {
        Some(tables.estimate(&domain(target), evidence)?.scores().to_vec())
    }

    fn kinds() -> impl Strategy<Value = BridgeKind> {
        prop_oneof![
            Just(BridgeKind::Joint),
            Just(BridgeKind::Mapping),
            Just(BridgeKind::CrossBlock)
        ]
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

    proptest! {
        #[test]
        fn evidence_without_a_bridge_changes_nothing(
            bridges in bridge_sets(), history in histories(), target in 0..3usize,
        ) {
            let tables = tables_with(&bridges, &[]);
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
        fn contributions_sum_up_to_the_score_whatever_carries(
            bridges in bridge_sets(), history in histories(), target in 0..3usize, item in 0..ITEMS,
            twins in proptest::collection::vec((0..ITEMS as u32, ITEMS as u32..3 * ITEMS as u32), 0..4),
        ) {
            let tables = tables_with(&bridges, &twins);
            let target_id = domain(NAMES[target]);
            let Some(estimate) = tables.estimate(&target_id, &history) else { return Ok(()) };
            let row = (target * ITEMS + item) as u32;
            let contributions = estimate.contributions(row);
            let sum: f32 = contributions.iter().map(|(_, c)| c).sum();
            prop_assert!((estimate.score(row) - sum).abs() < 2e-3, "{} {sum}", estimate.score(row));
            let looks_alike = |past: &u32| twins.contains(&(*past, row)) || twins.contains(&(row, *past));
            prop_assert!(!contributions.iter().any(|(past, _)| looks_alike(past)));
            prop_assert!(contributions.iter().all(|(past, _)| history.iter().any(|(h, _)| h == past)));
        }
    }

    #[test]
    fn a_map_and_a_block_fade_as_own_history_grows() {
        for kind in [BridgeKind::Mapping, BridgeKind::CrossBlock] {
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
    fn an_item_gets_nothing_from_its_twin() {
        for kind in [BridgeKind::Joint, BridgeKind::Mapping, BridgeKind::CrossBlock] {
            let bridges = [("a", "b", kind, 0.1)];
            let twin = ITEMS as u32 + 2;
            let (blind, aware) = (tables_with(&bridges, &[]), tables_with(&bridges, &[(0, twin)]));
            let evidence = [(0, 1.0)];
            let estimate = aware.estimate(&domain("b"), &evidence).unwrap();
            assert_eq!(estimate.score(twin), 0.0);
            assert_ne!(blind.estimate(&domain("b"), &evidence).unwrap().score(twin), 0.0);
            assert_ne!(estimate.score(twin + 1), 0.0);
        }
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
            twins: Twins::default(),
        };
        assert!(ScoringTables::new(parts()).is_ok());
        let short = TableParts { item_factors: Array2::zeros((3, FACTORS)), ..parts() };
        assert!(ScoringTables::new(short).is_err());
        // Joint into one domain alone: the others need factors of their own.
        let mut bridges = Bridges::none();
        let direction = Direction { from: domain("a"), to: domain("b") };
        let carrier = Carrier::Joint { source_weight: 1.0 };
        bridges.insert(direction, Bridge { lift: 0.1, carrier });
        assert!(ScoringTables::new(TableParts { bridges, ..parts() }).is_err());
        let twins = Twins::new([(0, 3 * ITEMS as u32)]);
        assert!(ScoringTables::new(TableParts { twins, ..parts() }).is_err());
    }
}
