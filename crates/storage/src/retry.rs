//! Trying again: full jitter, so that those who collided do not collide again,
//! and a budget, so that a caller who waits is answered in the end.
//!
//! The wait before each further try is drawn evenly between nothing and a bound
//! that doubles (M. Brooker, "Exponential Backoff And Jitter", 2015).

use std::sync::Arc;
use std::time::Duration;

use crossfold_core::entities::retryable::Retryable;
use futures::future::BoxFuture;

/// How often something is tried, and how long is waited in between.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Most tries, the first included.
    pub tries: u32,
    /// Longest wait before the second try; it doubles with each further one.
    pub first_wait: Duration,
    /// Longest time waited in all. A wait that would go beyond it is not begun.
    pub budget: Duration,
}

/// What waiting takes: dice for the jitter, and a way to sleep. Passed in, so
/// that a test neither waits nor depends on luck.
#[derive(Clone)]
pub struct Waiting {
    dice: Arc<dyn Fn() -> f64 + Send + Sync>,
    sleep: Arc<dyn Fn(Duration) -> BoxFuture<'static, ()> + Send + Sync>,
}

impl Waiting {
    /// The machine's own randomness and timer.
    #[must_use]
    pub fn system() -> Self {
        Self::new(rand::random::<f64>, |wait| Box::pin(tokio::time::sleep(wait)))
    }

    /// Waiting by dice that give numbers from 0 to 1, and by `sleep`.
    #[must_use]
    pub fn new(
        dice: impl Fn() -> f64 + Send + Sync + 'static,
        sleep: impl Fn(Duration) -> BoxFuture<'static, ()> + Send + Sync + 'static,
    ) -> Self {
        Self { dice: Arc::new(dice), sleep: Arc::new(sleep) }
    }
}

/// What became of one try.
#[derive(Debug)]
pub enum Attempt<T, E> {
    /// It is done.
    Done(T),
    /// It may work when tried again; the error to give when it is not.
    Again(E),
}

impl<T, E: Retryable> Attempt<T, E> {
    /// Leaves what is worth another try to be tried again.
    ///
    /// # Errors
    /// What is not worth another try.
    pub fn of(result: Result<T, E>) -> Result<Self, E> {
        match result {
            Ok(done) => Ok(Self::Done(done)),
            Err(error) if error.is_worth_another_try() => Ok(Self::Again(error)),
            Err(error) => Err(error),
        }
    }
}

/// Tries until it is done, fails for good, or policy allows no further try.
///
/// # Errors
/// What `attempt` fails with, or the last [`Attempt::Again`].
pub async fn retry<T, E, F>(
    policy: RetryPolicy,
    waiting: &Waiting,
    mut attempt: impl FnMut() -> F,
) -> Result<T, E>
where
    F: Future<Output = Result<Attempt<T, E>, E>>,
{
    let (mut longest, mut budget) = (policy.first_wait, policy.budget);
    let mut further = policy.tries.saturating_sub(1);
    loop {
        let error = match attempt().await? {
            Attempt::Done(done) => return Ok(done),
            Attempt::Again(error) => error,
        };
        let wait = longest.mul_f64((waiting.dice)().clamp(0.0, 1.0));
        let Some(left) = budget.checked_sub(wait).filter(|_| further > 0) else {
            return Err(error);
        };
        (waiting.sleep)(wait).await;
        (longest, budget, further) = (longest.saturating_mul(2), left, further - 1);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use crossfold_core::entities::ports::StoreError;

    use super::*;

    const POLICY: RetryPolicy = RetryPolicy {
        tries: 4,
        first_wait: Duration::from_millis(100),
        budget: Duration::from_secs(10),
    };

    /// Dice that always show `roll`, and the waits they led to.
    fn loaded(roll: f64) -> (Waiting, Arc<Mutex<Vec<u128>>>) {
        let waits = Arc::new(Mutex::new(Vec::new()));
        let kept = waits.clone();
        let sleep = move |wait: Duration| -> BoxFuture<'static, ()> {
            kept.lock().unwrap().push(wait.as_millis());
            Box::pin(std::future::ready(()))
        };
        (Waiting::new(move || roll, sleep), waits)
    }

    async fn fail_times(failures: u32, policy: RetryPolicy, waiting: &Waiting) -> (bool, u32) {
        let mut tries = 0;
        let outcome = retry(policy, waiting, || {
            tries += 1;
            let unavailable = || StoreError::Unavailable("busy".into());
            let result = if tries > failures { Ok(()) } else { Err(unavailable()) };
            std::future::ready(Attempt::of(result))
        });
        let is_done = outcome.await.is_ok();
        (is_done, tries)
    }

    #[tokio::test]
    async fn the_bound_of_the_wait_doubles_and_the_dice_choose_within_it() {
        for (roll, expected) in [(1.0, [100, 200, 400]), (0.5, [50, 100, 200]), (0.0, [0, 0, 0])] {
            let (waiting, waits) = loaded(roll);
            assert_eq!(fail_times(3, POLICY, &waiting).await, (true, 4));
            assert_eq!(*waits.lock().unwrap(), expected);
        }
    }

    #[tokio::test]
    async fn after_the_last_try_the_error_comes_without_a_wait() {
        let (waiting, waits) = loaded(1.0);
        assert_eq!(fail_times(9, POLICY, &waiting).await, (false, 4));
        assert_eq!(waits.lock().unwrap().len(), 3);
    }

    #[tokio::test]
    async fn a_wait_beyond_the_budget_is_not_begun() {
        let (waiting, waits) = loaded(1.0);
        let policy = RetryPolicy { budget: Duration::from_millis(350), ..POLICY };
        assert_eq!(fail_times(9, policy, &waiting).await, (false, 3));
        assert_eq!(*waits.lock().unwrap(), [100, 200]);
    }

    #[tokio::test]
    async fn what_is_not_worth_another_try_is_tried_once() {
        let (waiting, waits) = loaded(1.0);
        let mut tries = 0;
        let outcome = retry(POLICY, &waiting, || {
            tries += 1;
            let refused = Attempt::<(), _>::of(Err(StoreError::Refused("no".into())));
            std::future::ready(refused)
        });
        assert!(outcome.await.is_err());
        assert_eq!((tries, waits.lock().unwrap().len()), (1, 0));
    }
}
