//! The fits of training beyond one machine: how they are cut into shards in the
//! beginning, and put together in the end.

use std::collections::BTreeMap;

use crossfold_core::evidence::items::{DomainRanges, DomainRows};
use crossfold_core::maths::als::HalfStep;
use crossfold_core::maths::sparse::SparseRows;
use crossfold_core::model::bridges::CarrierFile;
use crossfold_core::training::bridging::domain_fits::{DomainFits, DomainPart, DomainPeople};
use crossfold_core::training::bridging::fitting::{Fitted, NeededFits, fit_alone};
use crossfold_core::training::mixing::{RankerTable, RankerTables};
use crossfold_core::training::sharding::plan::{
    Part, PeopleRecord, PlannedFit, PurposeFiles, ShardBounds, ShardPlan, Side,
};
use crossfold_core::training::sharding::shard::{BridgeShard, MatrixShard, SequenceShard};
use crossfold_core::training::{FitPurpose, ModelOutline};
use ndarray::{Array2, s};

use crate::shard_error::ShardWorkerError;
use crate::working_files::{WorkingFileError, WorkingFiles};

/// Writes what is fitted for a purpose, and adds it to a plan.
pub(crate) struct Planner<'a> {
    pub(crate) files: &'a WorkingFiles,
    pub(crate) bounds: ShardBounds,
    pub(crate) outline: &'a ModelOutline,
}

impl Planner<'_> {
    pub(crate) async fn add<'p>(
        &self,
        plan: &'p mut ShardPlan,
        purpose: FitPurpose,
        matrix: &SparseRows,
    ) -> Result<&'p mut PurposeFiles, ShardWorkerError> {
        let (ranges, verdicts) = (self.outline.index.ranges(), &self.outline.report.bridges);
        let needed = NeededFits::of(verdicts, ranges);
        if needed.joint {
            plan.fits.push(self.fit(purpose, Part::Joint, matrix).await?);
        }
        for (domain, rows) in ranges.iter().filter(|_| needed.domain_fits) {
            let part = DomainPart::of(matrix, rows);
            let mut fit = self.fit(purpose, Part::Domain(domain.clone()), &part.matrix).await?;
            if needed.people_of.contains(domain) {
                let interactions = part.interactions();
                let record = PeopleRecord { rows: part.rows, interactions };
                fit.wanted_people = Some(self.files.put_json("people", &record).await?);
            }
            plan.fits.push(fit);
        }
        let params = &self.outline.provenance.params;
        let mut bridges = Vec::new();
        let material = (matrix, Some(&self.outline.likenesses));
        for (direction, carrier) in fit_alone(material, ranges, params, verdicts) {
            let items = |domain| ranges.get(domain).map_or(0, DomainRows::len);
            let items = (items(&direction.from), items(&direction.to));
            let shard = BridgeShard::encode(&CarrierFile { carrier, items })?;
            bridges.push((direction, self.files.put_addressed("bridge", shard).await?));
        }
        let (mut weights, mut sequences) = (Vec::new(), Vec::new());
        for (domain, of_domain) in self.outline.ranker_tables(matrix) {
            for (at, table) in of_domain {
                match table {
                    RankerTable::Weights(table) => {
                        let bytes = MatrixShard::encode(&table, 0..table.rows())?;
                        let key = self.files.put_addressed("matrix", bytes).await?;
                        weights.push((domain.clone(), at, key));
                    }
                    RankerTable::Sequence(model) => {
                        let bytes = SequenceShard::encode(&model)?;
                        let key = self.files.put_addressed("sequence", bytes).await?;
                        sequences.push((domain.clone(), at, key));
                    }
                }
            }
        }
        let files = plan.purposes.entry(purpose).or_default();
        (files.bridges, files.weights, files.sequences) = (bridges, weights, sequences);
        Ok(files)
    }

    async fn fit(
        &self,
        purpose: FitPurpose,
        part: Part,
        people: &SparseRows,
    ) -> Result<PlannedFit, ShardWorkerError> {
        let factors = self.outline.provenance.params.options().factors;
        let items = people.transposed();
        let (people_ends, item_ends) =
            (self.bounds.cut(people, factors), self.bounds.cut(&items, factors));
        Ok(PlannedFit {
            purpose,
            part,
            factors,
            people: self.write(people, &people_ends).await?,
            items: self.write(&items, &item_ends).await?,
            people_ends,
            item_ends,
            wanted_people: None,
        })
    }

    async fn write(
        &self,
        rows: &SparseRows,
        ends: &[usize],
    ) -> Result<Vec<String>, ShardWorkerError> {
        let mut keys = Vec::with_capacity(ends.len());
        let mut start = 0;
        for &end in ends {
            let bytes = MatrixShard::encode(rows, start..end)?;
            keys.push(self.files.put_addressed("matrix", bytes).await?);
            start = end;
        }
        Ok(keys)
    }
}

/// What was fitted for a purpose.
pub(crate) async fn fitted(
    files: &WorkingFiles,
    plan: &ShardPlan,
    outline: &ModelOutline,
    purpose: FitPurpose,
) -> Result<Fitted, ShardWorkerError> {
    let ranges = outline.index.ranges();
    let mut fitted = Fitted::default();
    for fit in plan.fits_for(purpose) {
        let items = files.all_factors(fit, plan.last(Side::Items)).await?;
        // In the basis in which a person is folded in, where one machine leaves them too
        // if there are more people than items.
        let last = HalfStep::new(items.view(), fit.rows(Side::People), &outline.provenance.params);
        let items = last.rotated_fixed().unwrap_or(items);
        let Part::Domain(domain) = &fit.part else {
            fitted.joint = Some(items);
            continue;
        };
        let domains = fitted.domain_fits.get_or_insert_with(|| DomainFits {
            items: Array2::zeros((outline.index.len(), fit.factors)),
            people: BTreeMap::new(),
        });
        let rows = ranges.get(domain).filter(|rows| rows.len() == items.nrows());
        let misfit = || WorkingFileError::Misfit { key: plan.outline.clone() };
        domains.items.slice_mut(s![rows.ok_or_else(misfit)?.range.clone(), ..]).assign(&items);
        if let Some(key) = &fit.wanted_people {
            let PeopleRecord { rows, interactions } = files.json(key).await?;
            let mut people = files.all_factors(fit, plan.last(Side::People)).await?;
            if rows.len() != people.nrows() || interactions.len() != people.nrows() {
                return Err(WorkingFileError::Misfit { key: key.clone() }.into());
            }
            last.enter_basis(&mut people);
            let people = DomainPeople { rows, interactions, factors: people };
            domains.people.insert(domain.clone(), people);
        }
    }
    let bridges = plan.purposes.get(&purpose).map_or(&[][..], |files| &files.bridges);
    for (direction, key) in bridges {
        let CarrierFile { carrier, items } = files.bridge(key).await?.0;
        let of = |domain| ranges.get(domain).map(DomainRows::len);
        if of(&direction.from).zip(of(&direction.to)) != Some(items) {
            return Err(WorkingFileError::Misfit { key: key.clone() }.into());
        }
        fitted.alone.insert(direction.clone(), carrier);
    }
    Ok(fitted)
}

/// What rankers rank by that was made for a purpose.
pub(crate) async fn ranker_tables(
    files: &WorkingFiles,
    plan: &ShardPlan,
    ranges: &DomainRanges,
    purpose: FitPurpose,
) -> Result<RankerTables, ShardWorkerError> {
    let mut tables = RankerTables::new();
    let Some(made) = plan.purposes.get(&purpose) else { return Ok(tables) };
    let items = |domain| ranges.get(domain).map(DomainRows::len);
    for (domain, at, key) in &made.weights {
        let table = files.matrix(key).await?.rows;
        let items = items(domain);
        if items.map(|items| (items, items)) != Some((table.rows(), table.columns())) {
            return Err(WorkingFileError::Misfit { key: key.clone() }.into());
        }
        let table = RankerTable::Weights(table);
        tables.entry(domain.clone()).or_default().insert(*at, table);
    }
    for (domain, at, key) in &made.sequences {
        let model = files.sequence(key).await?.0;
        if items(domain) != Some(model.items()) {
            return Err(WorkingFileError::Misfit { key: key.clone() }.into());
        }
        let table = RankerTable::Sequence(model);
        tables.entry(domain.clone()).or_default().insert(*at, table);
    }
    Ok(tables)
}
