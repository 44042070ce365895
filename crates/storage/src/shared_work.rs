//! Work that one does and many wait for, each no longer than they may.
//!
//! A lock that is held while a store is asked makes everyone wait as long as the store
//! takes. Here the work is a task of its own: who waits gives up at a time of their own,
//! and the work goes on for those who come later.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, timeout};

/// The longest that work may take: beyond any time limit of a store's own calls, so that
/// nothing is under way for ever.
const LONGEST: Duration = Duration::from_secs(150);

/// How long one waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// From now on.
    pub from_now: Duration,
    /// From when the work was begun, by whomever: who comes late to work that takes long
    /// waits no more.
    pub from_its_start: Duration,
}

/// What became of waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waited {
    /// The work was begun by this call, and has ended.
    ForOwn,
    /// The work was under way when this call came, and has ended.
    ForOthers,
    /// The work is under way still.
    TooLong,
}

struct UnderWay {
    began: Instant,
    /// Closed when the work has ended, however it did.
    end: watch::Receiver<()>,
}

/// Work of one kind, done once at a time. A clone is the same.
#[derive(Clone, Default)]
pub struct SharedWork(Arc<Mutex<Option<UnderWay>>>);

impl SharedWork {
    /// Begins the work unless it is under way, and waits for its end. It goes on when
    /// nobody waits any more.
    pub async fn join<F>(&self, patience: Patience, work: impl FnOnce() -> F) -> Waited
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (began, mut end, waited) = self.take_part(work);
        let left = patience.from_its_start.saturating_sub(began.elapsed());
        match timeout(left.min(patience.from_now), end.changed()).await {
            Ok(_) => waited,
            Err(_) => Waited::TooLong,
        }
    }

    fn take_part<F>(&self, work: impl FnOnce() -> F) -> (Instant, watch::Receiver<()>, Waited)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        // Nothing panics while it is held.
        let mut place = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(UnderWay { began, end }) = &*place
            && end.has_changed().is_ok()
        {
            return (*began, end.clone(), Waited::ForOthers);
        }
        let (ends, end) = watch::channel(());
        let work = timeout(LONGEST, work());
        tokio::spawn(async move {
            // Dropped when the work has ended, is cut off, or panics.
            let _ends = ends;
            if work.await.is_err() {
                tracing::error!("work that others wait for took too long and was given up");
            }
        });
        let began = Instant::now();
        *place = Some(UnderWay { began, end: end.clone() });
        (began, end, Waited::ForOwn)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn patience(from_now: Duration, from_its_start: Duration) -> Patience {
        Patience { from_now, from_its_start }
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_done_once_for_all_who_wait_and_again_for_who_comes_later() {
        let (shared, done) = (SharedWork::default(), Arc::new(AtomicUsize::new(0)));
        let join = || {
            let done = done.clone();
            shared.join(patience(10 * SECOND, 10 * SECOND), || async move {
                tokio::time::sleep(SECOND).await;
                done.fetch_add(1, Ordering::Relaxed);
            })
        };
        assert_eq!(tokio::join!(join(), join()), (Waited::ForOwn, Waited::ForOthers));
        assert_eq!(done.load(Ordering::Relaxed), 1);
        assert_eq!(join().await, Waited::ForOwn);
        assert_eq!(done.load(Ordering::Relaxed), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn who_gives_up_stops_nothing_and_who_comes_late_waits_no_longer() {
        let (shared, done) = (SharedWork::default(), Arc::new(AtomicUsize::new(0)));
        let join = |patience| {
            let done = done.clone();
            shared.join(patience, || async move {
                tokio::time::sleep(5 * SECOND).await;
                done.fetch_add(1, Ordering::Relaxed);
            })
        };
        let began = Instant::now();
        assert_eq!(join(patience(2 * SECOND, 9 * SECOND)).await, Waited::TooLong);
        assert_eq!(began.elapsed(), 2 * SECOND);
        assert_eq!(join(patience(9 * SECOND, SECOND)).await, Waited::TooLong);
        assert_eq!(began.elapsed(), 2 * SECOND, "two seconds in, one is over");
        assert_eq!(join(patience(9 * SECOND, 9 * SECOND)).await, Waited::ForOthers);
        assert_eq!((began.elapsed(), done.load(Ordering::Relaxed)), (5 * SECOND, 1));
    }

    #[tokio::test(start_paused = true)]
    async fn work_that_panics_or_never_ends_stands_in_nobodys_way() {
        let shared = SharedWork::default();
        let long = patience(2 * LONGEST, 2 * LONGEST);
        assert_eq!(shared.join(long, || async { panic!("of the test") }).await, Waited::ForOwn);
        assert_eq!(shared.join(long, std::future::pending).await, Waited::ForOwn);
        assert_eq!(shared.join(long, || async {}).await, Waited::ForOwn);
    }
}
