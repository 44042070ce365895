//! How long a request may take, and how the time is split.
//!
//! Everything that is read at once shares one limit, so that however many stores hang,
//! the answer is as late as if one did. What is not there by then is done without.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crossfold_core::entities::clock::{Reading, Stopwatch};
use crossfold_core::entities::settings::{InvalidSetting, Settings};
use tokio::time::timeout;

/// The limit of a request, unless the deployment says otherwise.
const DEFAULT_LIMIT: Duration = Duration::from_millis(2_500);
/// The limit that can be set: below the function's timeout (template.yaml) by what a
/// cold start takes.
const LIMIT_RULE: &str = "milliseconds from 500 to 6000";
/// A process warms up from its first request on: whoever asks meanwhile waits until that
/// is over, for a model to be loaded, rather than to be answered without one.
const WARMING_UP: Duration = Duration::from_secs(6);

/// How long requests may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// A request.
    request: Duration,
    /// From the first request of a process on, those that come early.
    warming_up: Duration,
}

impl Limits {
    /// Reads settings: `CROSSFOLD_RECOMMEND_MILLISECONDS`, 2500 when not set.
    ///
    /// # Errors
    /// [`InvalidSetting`] when it is out of range.
    pub fn of(settings: &Settings) -> Result<Self, InvalidSetting> {
        let variable = "CROSSFOLD_RECOMMEND_MILLISECONDS";
        let set = settings.parsed(variable, LIMIT_RULE, |limit| (500..=6_000).contains(limit))?;
        Ok(Self::of_request(set.map_or(DEFAULT_LIMIT, Duration::from_millis)))
    }

    /// Limits with this one for each request.
    #[must_use]
    pub fn of_request(limit: Duration) -> Self {
        Self { request: limit, warming_up: WARMING_UP.max(limit) }
    }

    /// How long a request may take once the process is warm.
    #[must_use]
    pub fn request(&self) -> Duration {
        self.request
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::of_request(DEFAULT_LIMIT)
    }
}

/// What of a request's time has passed when a stage must have ended, as a share. What is
/// left in the end is for making the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// What does not depend on anything else is read.
    FirstReads,
    /// What consents and evidence name is read.
    FurtherReads,
    /// The decision is logged.
    Log,
}

impl Stage {
    fn share(self) -> f64 {
        match self {
            Self::FirstReads => 0.5,
            Self::FurtherReads => 0.75,
            Self::Log => 0.95,
        }
    }
}

/// Gives requests their deadlines.
#[derive(Debug, Clone)]
pub(crate) struct Deadlines {
    limits: Limits,
    stopwatch: Stopwatch,
    first_request: Arc<OnceLock<Reading>>,
}

impl Deadlines {
    pub(crate) fn new(stopwatch: Stopwatch, limits: Limits) -> Self {
        Self { limits, stopwatch, first_request: Arc::default() }
    }

    /// The same with other limits.
    pub(crate) fn with(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// Takes the process to have warmed up from a moment on, before its first request.
    pub(crate) fn count_from(&self, moment: Reading) {
        self.first_request.get_or_init(|| moment);
    }

    /// The deadline of a request that comes in now.
    pub(crate) fn begin(&self) -> Deadline {
        let began = self.stopwatch.read();
        let first = *self.first_request.get_or_init(|| began);
        let warming_up = self.limits.warming_up.saturating_sub(began.since(first));
        let limit = self.limits.request.max(warming_up);
        Deadline { stopwatch: self.stopwatch.clone(), began, limit }
    }
}

/// A request's deadline.
#[derive(Debug, Clone)]
pub(crate) struct Deadline {
    stopwatch: Stopwatch,
    began: Reading,
    limit: Duration,
}

impl Deadline {
    /// The time that is left until a stage must have ended.
    pub(crate) fn left(&self, stage: Stage) -> Duration {
        self.limit.mul_f64(stage.share()).saturating_sub(self.stopwatch.since(self.began))
    }

    /// Waits for something until a stage must have ended; `None` when it is not done then.
    pub(crate) async fn wait<T>(&self, stage: Stage, work: impl Future<Output = T>) -> Option<T> {
        timeout(self.left(stage), work).await.ok()
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::{Instant, advance};

    use super::*;

    fn deadlines(milliseconds: u64) -> Deadlines {
        let started = Instant::now();
        let limits = Limits::of_request(Duration::from_millis(milliseconds));
        Deadlines::new(Stopwatch::from_fn(move || started.elapsed()), limits)
    }

    #[test]
    fn the_limit_is_set_within_its_range_and_2500_ms_otherwise() {
        let of = |value| Limits::of(&Settings::of(&[("CROSSFOLD_RECOMMEND_MILLISECONDS", value)]));
        assert_eq!(of(""), Ok(Limits::of_request(Duration::from_millis(2_500))));
        assert_eq!(of("500"), Ok(Limits::of_request(Duration::from_millis(500))));
        for wrong in ["499", "6001", "2.5", "-1"] {
            assert!(of(wrong).is_err(), "{wrong}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_has_its_limit_and_early_ones_have_until_the_process_is_warm() {
        let deadlines = deadlines(1_000);
        let started = deadlines.stopwatch.read();
        for (second, log_milliseconds) in [(0, 5_700), (2, 3_800), (4, 1_900), (9, 950)] {
            let late = Duration::from_secs(second);
            advance(late.saturating_sub(deadlines.stopwatch.since(started))).await;
            let left = deadlines.begin().left(Stage::Log);
            assert_eq!(left.as_millis(), log_milliseconds, "{second} s after the first");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_not_there_when_its_stage_ends_is_done_without() {
        let deadlines = deadlines(1_000);
        deadlines.begin();
        advance(Duration::from_secs(60)).await;
        let (began, deadline) = (Instant::now(), deadlines.begin());
        let hung = deadline.wait(Stage::FirstReads, std::future::pending::<()>());
        assert_eq!((hung.await, began.elapsed().as_millis()), (None, 500));
        assert_eq!(deadline.left(Stage::FurtherReads).as_millis(), 250);
        assert_eq!(deadline.wait(Stage::FirstReads, async { 7 }).await, Some(7), "ready at once");
    }
}
