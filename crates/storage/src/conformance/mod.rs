//! One suite of checks that every adapter passes: what the documentation of
//! [`crossfold_core::entities::ports`] promises, tried on whatever stands behind it.
//!
//! Every check writes under keys of its own, so the suite can run again and
//! again, and at once, on one lasting store.

mod activity;
mod catalogue;
mod decisions;
mod events;
mod objects;
mod people;
mod records;

use std::fmt;
use std::pin::Pin;

use crossfold_core::entities::ids::{DomainId, Pseudonym};
use crossfold_core::entities::ports::{StoreError, Stores};
use tokio::task::JoinSet;

/// How many calls a check has under way at once.
const CONCURRENCY: usize = 32;

/// One check that did not pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Which check: the port and what it promises.
    pub check: &'static str,
    /// What was seen instead.
    pub reason: String,
}

/// Every check that did not pass.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Failures(pub Vec<Failure>);

impl fmt::Display for Failures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} checks failed", self.0.len())?;
        self.0.iter().try_for_each(|failure| writeln!(f, "- {}: {}", failure.check, failure.reason))
    }
}

/// Tries everything.
///
/// # Errors
/// [`Failures`] that name each check that did not pass.
pub async fn run_all(stores: &Stores) -> Result<(), Failures> {
    let mut failures = failed(stores, TABLE_CHECKS).await;
    failures.extend(failed(stores, &[objects::CHECKS]).await);
    verdict(failures)
}

/// Tries everything but objects, for a server that has none.
///
/// # Errors
/// As for [`run_all`].
pub async fn run_tables(stores: &Stores) -> Result<(), Failures> {
    verdict(failed(stores, TABLE_CHECKS).await)
}

const TABLE_CHECKS: &[&[Check]] = &[
    events::CHECKS,
    people::CHECKS,
    catalogue::CHECKS,
    decisions::CHECKS,
    records::CHECKS,
    activity::CHECKS,
];

async fn failed(stores: &Stores, groups: &[&[Check]]) -> Vec<Failure> {
    let mut failures = Vec::new();
    for check in groups.iter().copied().flatten() {
        tracing::info!(check = check.name, "conformance");
        if let Err(Broken(reason)) = (check.run)(stores).await {
            failures.push(Failure { check: check.name, reason });
        }
    }
    failures
}

fn verdict(failures: Vec<Failure>) -> Result<(), Failures> {
    if failures.is_empty() { Ok(()) } else { Err(Failures(failures)) }
}

type CheckFuture<'a> = Pin<Box<dyn Future<Output = Held> + Send + 'a>>;

struct Check {
    name: &'static str,
    run: for<'a> fn(&'a Stores) -> CheckFuture<'a>,
}

/// Lists the check functions of a module with their names.
macro_rules! checks {
    ($port:literal: $($check:ident),+ $(,)?) => {
        pub(super) const CHECKS: &[super::Check] = &[$(super::Check {
            name: concat!($port, ": ", stringify!($check)),
            run: |stores| Box::pin($check(stores)),
        }),+];
    };
}

/// Ends a check with what was seen unless a condition holds.
macro_rules! hold {
    ($condition:expr, $($reason:tt)+) => {
        if !$condition {
            return Err(super::Broken(format!($($reason)+)));
        }
    };
}

use {checks, hold};

/// Why a check did not pass.
#[derive(Debug)]
struct Broken(String);

type Held = Result<(), Broken>;

impl From<StoreError> for Broken {
    fn from(error: StoreError) -> Self {
        Self(error.to_string())
    }
}

/// A text that no other check or run has.
fn unique(prefix: &str) -> String {
    format!("{prefix}-{}", uuid::Uuid::now_v7().simple())
}

fn unique_user() -> Pseudonym {
    id(Pseudonym::parse, &unique("v1_user"))
}

fn unique_domain() -> DomainId {
    id(DomainId::parse, &unique("d"))
}

/// An identifier of the suite's own making, which follows the rules.
fn id<T, E: fmt::Debug>(parse: impl Fn(&str) -> Result<T, E>, text: &str) -> T {
    match parse(text) {
        Ok(id) => id,
        Err(error) => unreachable!("{text} is a valid identifier: {error:?}"),
    }
}

/// Runs calls in parallel tasks and gives their answers in no particular order.
/// Boxed, so that what the calls were made from is not part of the future.
fn together<F, T, E>(
    calls: impl IntoIterator<Item = F>,
) -> Pin<Box<dyn Future<Output = Result<Vec<T>, Broken>> + Send>>
where
    F: Future<Output = Result<T, E>> + Send + 'static,
    T: Send + 'static,
    E: Send + 'static,
    Broken: From<E>,
{
    let mut waiting: Vec<F> = calls.into_iter().collect();
    Box::pin(async move {
        let mut answers = Vec::with_capacity(waiting.len());
        let first = waiting.split_off(waiting.len().saturating_sub(CONCURRENCY));
        let mut running: JoinSet<_> = first.into_iter().collect();
        while let Some(outcome) = running.join_next().await {
            let outcome = outcome.map_err(|error| Broken(format!("a call panicked: {error}")))?;
            answers.push(outcome?);
            if let Some(call) = waiting.pop() {
                running.spawn(call);
            }
        }
        Ok(answers)
    })
}
