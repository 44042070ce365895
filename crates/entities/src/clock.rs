//! The time and spans of it, passed in so that tests and simulations can set them.
//! The machine's own are made where there is a machine (`crossfold_edge::system`).

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

/// Tells the time. It may go back: for ages within one process see [`Stopwatch`].
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> Timestamp + Send + Sync>);

impl Clock {
    /// A clock that tells what `now` says.
    #[must_use]
    pub fn from_fn(now: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    /// The time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        (self.0)()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}

/// Measures spans of time within one process. It never goes back.
///
/// ```
/// use crossfold_entities::clock::Stopwatch;
/// use std::time::Duration;
///
/// let stopwatch = Stopwatch::from_fn(|| Duration::from_secs(7));
/// let started = stopwatch.read();
/// assert_eq!(stopwatch.since(started), Duration::ZERO);
/// ```
#[derive(Clone)]
pub struct Stopwatch(Arc<dyn Fn() -> Duration + Send + Sync>);

/// What a [`Stopwatch`] showed: a moment, to measure a span from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reading(Duration);

impl Reading {
    /// The time from an earlier reading of the same stopwatch to this one.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

impl Stopwatch {
    /// A stopwatch that shows what `elapsed` says: the time since some fixed
    /// moment, which must not decrease.
    #[must_use]
    pub fn from_fn(elapsed: impl Fn() -> Duration + Send + Sync + 'static) -> Self {
        Self(Arc::new(elapsed))
    }

    /// What it shows now.
    #[must_use]
    pub fn read(&self) -> Reading {
        Reading((self.0)())
    }

    /// The time since an earlier reading of the same stopwatch.
    #[must_use]
    pub fn since(&self, earlier: Reading) -> Duration {
        (self.0)().saturating_sub(earlier.0)
    }
}

impl fmt::Debug for Stopwatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Stopwatch")
    }
}
