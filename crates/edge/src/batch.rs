//! What every batch that is posted has in common: a limit on its size, elements
//! that are refused one by one, and good ones that are written many at a time.

use crossfold_entities::activity::{Intake, RefusedElement};
use crossfold_entities::event::EventRejection;
use crossfold_entities::ports::{Appended, StoreResult};
use futures::{StreamExt, TryStreamExt, stream};
use http::StatusCode;
use jiff::Timestamp;
use serde::Serialize;

use crate::problem::Problem;

/// One element of a batch that was refused. The others of the batch are not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Rejected {
    /// Which element, from 0.
    pub index: usize,
    /// The stable code of the reason.
    pub code: &'static str,
    /// The reason, for people.
    pub detail: String,
}

/// Why an element is refused, whichever of its batch it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    code: &'static str,
    detail: String,
}

impl Rejection {
    /// A reason with a stable code.
    #[must_use]
    pub fn new(code: &'static str, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into() }
    }

    /// The element of this place in its batch, refused.
    #[must_use]
    pub fn at(self, index: usize) -> Rejected {
        Rejected { index, code: self.code, detail: self.detail }
    }
}

impl From<EventRejection> for Rejection {
    fn from(rejection: EventRejection) -> Self {
        Self::new(rejection.code(), rejection.to_string())
    }
}

impl From<Problem> for Rejection {
    fn from(problem: Problem) -> Self {
        Self::new(problem.code, problem.detail)
    }
}

/// What became of a batch.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct BatchAnswer {
    /// How many elements were stored now.
    pub accepted: usize,
    /// How many had been stored before.
    pub duplicates: usize,
    /// Those that were refused.
    pub rejected: Vec<Rejected>,
}

impl BatchAnswer {
    /// Counts what became of writes.
    #[must_use]
    pub fn counting(rejected: Vec<Rejected>, appended: &[Appended]) -> Self {
        let accepted = appended.iter().filter(|answer| **answer == Appended::New).count();
        Self { accepted, duplicates: appended.len() - accepted, rejected }
    }

    /// What is counted of it as activity.
    #[must_use]
    pub fn intake(&self, at: Timestamp) -> Intake {
        let stored = (self.accepted, self.duplicates);
        intake(stored, &self.rejected, at)
    }
}

/// What is counted of a batch as activity: how many elements were stored, now and before,
/// and those that were refused.
#[must_use]
pub fn intake(
    (accepted, duplicates): (usize, usize),
    rejected: &[Rejected],
    at: Timestamp,
) -> Intake {
    let mut intake =
        Intake { accepted: accepted as u64, duplicates: duplicates as u64, ..Intake::default() };
    for Rejected { index, code, detail } in rejected {
        intake.refuse(RefusedElement::new(at, *index, code, detail));
    }
    intake
}

/// Refuses an empty or oversize batch.
///
/// # Errors
/// [`Problem`] with the code `empty_batch` or `batch_too_large`.
pub fn check_size(size: usize, most: usize) -> Result<(), Problem> {
    if size == 0 {
        let detail = "the batch is empty";
        return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "empty_batch", detail));
    }
    if size > most {
        let detail = format!("the batch has {size} elements; at most {most} are taken at once");
        return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "batch_too_large", detail));
    }
    Ok(())
}

/// Carries out writes, at most `concurrent` at a time, and gives their answers
/// in no particular order.
///
/// # Errors
/// The first that fails; the others may or may not have been carried out.
pub async fn write_all<T>(
    writes: impl IntoIterator<Item = impl Future<Output = StoreResult<T>>>,
    concurrent: usize,
) -> StoreResult<Vec<T>> {
    stream::iter(writes).buffer_unordered(concurrent).try_collect().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_has_elements_and_not_too_many() {
        assert_eq!(check_size(0, 2).unwrap_err().code, "empty_batch");
        assert!(check_size(1, 2).is_ok() && check_size(2, 2).is_ok());
        assert_eq!(check_size(3, 2).unwrap_err().code, "batch_too_large");
    }

    #[test]
    fn the_answer_counts_what_was_new_and_what_was_not() {
        let answer =
            BatchAnswer::counting(Vec::new(), &[Appended::New, Appended::Duplicate, Appended::New]);
        assert_eq!((answer.accepted, answer.duplicates), (2, 1));
    }

    #[tokio::test]
    async fn writes_go_many_at_a_time_and_no_more() {
        let under_way = std::sync::atomic::AtomicUsize::new(0);
        let most = std::sync::atomic::AtomicUsize::new(0);
        let write = async || {
            use std::sync::atomic::Ordering::SeqCst;
            most.fetch_max(under_way.fetch_add(1, SeqCst) + 1, SeqCst);
            tokio::task::yield_now().await;
            under_way.fetch_sub(1, SeqCst);
            Ok(())
        };
        let answers = write_all((0..10).map(|_| write()), 4).await.unwrap();
        assert_eq!((answers.len(), most.into_inner()), (10, 4));
    }
}
