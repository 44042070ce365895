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
use crossfold_core::entities::experiment::metric::MetricKind;
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
/// Slates for each shard of users: what is kept of them and of what followed has some 100 MB.
const ROWS_OF_A_SHARD: usize = 500_000;
/// How many days after it happened an outcome is told at the latest, by far.
const TOLD_LATE_DAYS: u16 = 7;

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
    report_by_shards(stores, experiment, (as_of, ROWS_OF_A_SHARD)).await
}

/// The same with so many slates for each shard of users.
pub(super) async fn report_by_shards(
    stores: &Stores,
    experiment: &Experiment,
    (as_of, rows_of_a_shard): (Timestamp, usize),
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
        days: (day(started_at).saturating_sub(past), last_day(experiment, as_of)),
    };
    let mut shards = 1;
    // The first tells how many shards it takes. What comes in while the others are read is no more than
    // memory has room for.
    while let Err(rows) =
        archive.shard(&study, (0, shards), (rows_of_a_shard, &mut observations)).await?
    {
        shards = u32::try_from(rows.div_ceil(rows_of_a_shard)).unwrap_or(u32::MAX).max(shards + 1);
    }
    for number in 1..shards {
        let all = (usize::MAX, &mut observations);
        // Without a bound it is never told that there are too many.
        let _ = archive.shard(&study, (number, shards), all).await?;
    }
    Ok(ExperimentReport::of(&study, &observations))
}

/// The last day on which something may have come in that counts: of one that is over, when all that was
/// looked at of the last user was.
fn last_day(experiment: &Experiment, as_of: Timestamp) -> Date {
    let day = |at: Timestamp| TimeZone::UTC.to_datetime(at).date();
    let definition = &experiment.definition;
    let retained = definition.metrics.iter().filter_map(|metric| match metric.kind {
        MetricKind::Retention { to_day, .. } => Some(to_day),
        _ => None,
    });
    let looked_at = definition.window_days.map(|days| retained.fold(days, u16::max));
    let end = experiment.stopped_at.zip(looked_at).map(|(stopped_at, days)| {
        // Outcomes may be told some days late.
        day(stopped_at).saturating_add(i64::from(days + TOLD_LATE_DAYS).days())
    });
    let now = day(as_of).saturating_add(1.day());
    end.map_or(now, |end| end.min(now))
}

impl ExperimentArchive<'_> {
    /// Adds what a shard of the users comes to. Where it has too many rows, it adds nothing and tells
    /// how many all shards have together.
    async fn shard(
        &self,
        study: &Study<'_>,
        (number, of): (u32, u32),
        (rows_of_a_shard, observations): (usize, &mut Observations),
    ) -> StoreResult<Result<(), usize>> {
        let Some(shard) = Shard::new(number, of) else { return Ok(Ok(())) };
        let mut domains = BTreeSet::new();
        let mut reader = ExposureReader::new(study, shard);
        let most = rows_of_a_shard.saturating_mul(usize::try_from(of).unwrap_or(usize::MAX));
        let mut rows = 0;
        let own = BTreeSet::from([self.experiment.domain.clone()]);
        self.each::<Decision>(DECISIONS_PREFIX, &own, user_of_decision, |decision| {
            let exposure = decision.variant.as_ref();
            if exposure.and_then(|of| of.of(&self.experiment.experiment)).is_none() {
                return;
            }
            rows += 1;
            // Of more, only the number is wanted.
            if rows <= most {
                reader.add(decision);
            }
            for entry in &decision.slate {
                if !domains.contains(&entry.domain) {
                    domains.insert(entry.domain.clone());
                }
            }
        })
        .await?;
        if rows > most {
            return Ok(Err(rows));
        }
        observations.merge(&self.acts(study, reader.finish(), (&own, &domains)).await?);
        Ok(Ok(()))
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
