//! What an experiment says, read from the archive: decisions first, then what users did, by day,
//! a group of rows at a time.
//!
//! A repeated record counts once, so where a file is gone when it is its turn, for it was merged into
//! another one meanwhile, all are listed and handed on again. A file that cannot be read is passed
//! over: the next training run sets it aside.

use std::collections::BTreeSet;

use crossfold_core::archive::keys::{DECISIONS_PREFIX, EVENTS_PREFIX, OUTCOMES_PREFIX};
use crossfold_core::archive::table::{ArchiveReader, Archived};
use crossfold_core::entities::decision::{Decision, Outcome};
use crossfold_core::entities::event::Event;
use crossfold_core::entities::experiment::lifecycle::Experiment;
use crossfold_core::entities::ids::{DomainId, Pseudonym};
use crossfold_core::entities::ports::{ObjectStore, StoreError, StoreResult, Stores};
use crossfold_core::release::experiment_report::acts::Acts;
use crossfold_core::release::experiment_report::exposures::{ExposureReader, Exposures};
use crossfold_core::release::experiment_report::observations::Observations;
use crossfold_core::release::experiment_report::report::ExperimentReport;
use crossfold_core::release::experiment_report::shard::Shard;
use crossfold_core::release::experiment_report::study::Study;
use futures::{StreamExt, stream};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

/// Files that are fetched at once.
const CONCURRENT_READS: usize = 8;
/// Times that the files of a kind are listed for one reading of them.
const MAX_LISTINGS: usize = 3;
/// Rows of decisions for each shard of users: what is kept of them has less than 100 MB.
const ROWS_OF_A_SHARD: usize = 1_000_000;
/// Most shards of users.
const MAX_SHARDS: u32 = 64;

/// Reads the archive for one experiment.
struct ExperimentArchive<'a> {
    stores: &'a Stores,
    experiment: &'a Experiment,
    /// The days on which what matters may have come in.
    days: (Date, Date),
}

/// The report of an experiment as of a time.
///
/// # Errors
/// When the bucket cannot be read.
pub(super) async fn report(
    stores: &Stores,
    experiment: &Experiment,
    as_of: Timestamp,
) -> StoreResult<ExperimentReport> {
    let study = Study::new(experiment, as_of);
    let mut observations = Observations::none(&study);
    let Some(started_at) = experiment.started_at else {
        return Ok(ExperimentReport::of(&study, &observations));
    };
    let day = |at: Timestamp| TimeZone::UTC.to_datetime(at).date();
    let past = i64::from(experiment.definition.past_days).days();
    let archive = ExperimentArchive {
        stores,
        experiment,
        // A record lies under the day on which it arrived.
        days: (day(started_at).saturating_sub(past), day(as_of).saturating_add(1.day())),
    };
    let mut shards = 1;
    loop {
        let Some(first) = archive.shard((&study, &mut shards), None).await? else { continue };
        observations.merge(&first);
        break;
    }
    for shard in Shard::all(shards).skip(1) {
        if let Some(of_shard) = archive.shard((&study, &mut shards), Some(shard)).await? {
            observations.merge(&of_shard);
        }
    }
    Ok(ExperimentReport::of(&study, &observations))
}

impl ExperimentArchive<'_> {
    /// What a shard of the users comes to. `None` of the first one, with more `shards`, where it had
    /// too many rows.
    async fn shard(
        &self,
        (study, shards): (&Study<'_>, &mut u32),
        shard: Option<Shard>,
    ) -> StoreResult<Option<Observations>> {
        let Some(shard) = shard.or_else(|| Shard::new(0, *shards)) else { return Ok(None) };
        let mut domains = BTreeSet::new();
        let mut reader = ExposureReader::new(study, shard);
        let mut rows = 0;
        let own = BTreeSet::from([self.experiment.domain.clone()]);
        self.each::<Decision>(DECISIONS_PREFIX, &own, user_of_decision, |decision| {
            let exposure = decision.variant.as_ref();
            if exposure.and_then(|of| of.of(&self.experiment.experiment)).is_some() {
                rows += 1;
                let of_slate = decision.slate.iter().map(|entry| &entry.domain);
                domains.extend(
                    of_slate.filter(|of| !domains.contains(*of)).cloned().collect::<Vec<_>>(),
                );
            }
            reader.add(decision);
        })
        .await?;
        if rows / usize::try_from(*shards).unwrap_or(1) > ROWS_OF_A_SHARD && *shards < MAX_SHARDS {
            *shards *= 2;
            return Ok(None);
        }
        Ok(Some(self.acts(study, reader.finish(), (&own, &domains)).await?))
    }

    async fn acts(
        &self,
        study: &Study<'_>,
        exposures: Exposures,
        (own, shown): (&BTreeSet<DomainId>, &BTreeSet<DomainId>),
    ) -> StoreResult<Observations> {
        let mut acts = Acts::new(study, exposures);
        if study.looks_at_decisions_again() {
            let add = |decision: &Decision| acts.add_decision(decision);
            self.each::<Decision>(DECISIONS_PREFIX, own, user_of_decision, add).await?;
        }
        // An outcome lies with its item's domain.
        let add = |outcome: &Outcome| acts.add_outcome(outcome);
        self.each::<Outcome>(OUTCOMES_PREFIX, shown, |outcome| &mut outcome.user, add).await?;
        let add = |event: &Event| acts.add_event(event);
        self.each::<Event>(EVENTS_PREFIX, own, |event| &mut event.user, add).await?;
        Ok(acts.finish())
    }

    /// Hands on every record of some domains, under the form of its user's pseudonym that others are
    /// compared with; some more than once.
    async fn each<T: Archived>(
        &self,
        prefix: &str,
        domains: &BTreeSet<DomainId>,
        user: fn(&mut T) -> &mut Pseudonym,
        mut take: impl FnMut(&T),
    ) -> StoreResult<()> {
        let objects = &*self.stores.objects;
        for _ in 0..MAX_LISTINGS {
            let mut is_gone = false;
            let keys = self.keys(objects, prefix, domains).await?;
            let reads: Vec<_> = keys.iter().map(|key| objects.get(key)).collect();
            let mut files = stream::iter(reads).buffered(CONCURRENT_READS).enumerate();
            while let Some((at, file)) = files.next().await {
                let Some(file) = file? else {
                    is_gone = true;
                    continue;
                };
                let read = ArchiveReader::<T>::open(file.bytes).and_then(|groups| {
                    for rows in groups {
                        for mut row in rows? {
                            let canonical = self.stores.people.canonical(user(&mut row));
                            *user(&mut row) = canonical;
                            take(&row);
                        }
                    }
                    Ok(())
                });
                if let Err(error) = read {
                    tracing::warn!(key = keys[at], %error, "an archived file cannot be read");
                }
            }
            if !is_gone {
                return Ok(());
            }
        }
        let why = format!("the files of {prefix} change faster than they are read");
        Err(StoreError::Unavailable(why.into()))
    }

    async fn keys(
        &self,
        objects: &dyn ObjectStore,
        prefix: &str,
        domains: &BTreeSet<DomainId>,
    ) -> StoreResult<Vec<String>> {
        let (first, last) = self.days;
        let mut keys = Vec::new();
        for domain in domains {
            let of_domain = objects.list(&format!("{prefix}domain={domain}/")).await?;
            let is_within = |key: &String| {
                crossfold_core::archive::keys::day_of_key(key)
                    .is_some_and(|day| (first..=last).contains(&day))
            };
            keys.extend(of_domain.into_iter().filter(is_within));
        }
        Ok(keys)
    }
}

fn user_of_decision(decision: &mut Decision) -> &mut Pseudonym {
    &mut decision.user
}
