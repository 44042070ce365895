use std::sync::atomic::{AtomicU64, Ordering};

use proptest::prelude::*;

use super::*;
use crate::conformance::run_all;
use crate::faults::{Fault, FaultPlan, faulty};
use crate::memory;

#[tokio::test]
async fn what_is_remembered_keeps_the_promises_of_the_ports() {
    let stores = remembered(memory::stores());
    run_all(&stores).await.unwrap_or_else(|failures| panic!("{failures}"));
}

#[tokio::test]
async fn a_store_is_asked_again_only_after_a_write_whatever_became_of_it() {
    let gets = Arc::new(AtomicU64::new(0));
    let (counted, fails) = (gets.clone(), Arc::new(AtomicU64::new(0)));
    let failing = fails.clone();
    let plan = FaultPlan::from_fn(move |call| {
        counted.fetch_add(u64::from(call.method == "records.get"), Ordering::Relaxed);
        let is_lost = call.method == "records.put" && failing.load(Ordering::Relaxed) > 0;
        if is_lost { Fault::AnswerLost } else { Fault::None }
    });
    let records = remembered(faulty(memory::stores(), &plan)).records;
    let asked = async |expected: Option<&str>| {
        for _ in 0..3 {
            assert_eq!(records.get("kind", "id").await.unwrap().as_deref(), expected);
        }
        gets.swap(0, Ordering::Relaxed)
    };
    assert_eq!(asked(None).await, 1);
    assert_eq!(asked(None).await, 0);
    records.put("kind", "id", "a".into()).await.unwrap();
    assert_eq!(asked(Some("a")).await, 1);
    records.put("kind", "other", "b".into()).await.unwrap();
    assert_eq!(asked(Some("a")).await + asked(Some("a")).await, 0);
    fails.store(1, Ordering::Relaxed);
    // It failed, and was made all the same.
    assert!(records.put("kind", "id", "c".into()).await.is_err());
    assert_eq!(asked(Some("c")).await, 1);
    records.delete("kind", "id").await.unwrap();
    assert_eq!(asked(None).await, 1);
}

proptest! {
    /// A write is two moments, its effect between them; a read is one, and what it remembers comes
    /// later.
    #[test]
    fn nothing_is_remembered_that_an_ended_write_replaced(
        steps in prop::collection::vec(0u8..6, 1..60),
    ) {
        let known: Remembered<u64> = Remembered::new();
        let (mut stored, mut ended) = (0u64, 0u64);
        let mut write: Option<Writing<'_, u64>> = None;
        let mut reads: Vec<(u64, ReadAt)> = Vec::new();
        for step in steps {
            match step {
                0 if write.is_none() => write = Some(known.writing(["k".to_owned()])),
                1 if write.is_some() => stored += 1,
                2 => {
                    if write.take().is_some() {
                        ended = stored;
                    }
                }
                3 | 4 => match known.get("k") {
                    Ok(value) => prop_assert!(value >= ended, "{value} after {ended}"),
                    Err(read_at) => reads.push((stored, read_at)),
                },
                _ => {
                    if let Some((value, read_at)) = reads.pop() {
                        known.put("k", value, read_at);
                    }
                }
            }
        }
    }
}
