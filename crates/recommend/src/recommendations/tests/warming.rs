//! What was read before the first request is not read by it.

use crossfold_storage::faults::{Fault, FaultPlan, faulty};

use super::filters::{cars, served};
use super::*;

/// A process over these stores whose bucket and catalogues can be read only until the switch is set.
fn until_switched(stores: Stores) -> (RecommendState, Arc<AtomicBool>) {
    let switch = Arc::new(AtomicBool::new(false));
    let is_off = switch.clone();
    let plan = FaultPlan::from_fn(move |call| {
        let is_read_ahead =
            call.method.starts_with("objects.") || call.method.starts_with("catalogue.");
        match is_read_ahead && is_off.load(Ordering::Relaxed) {
            true => Fault::Before,
            false => Fault::None,
        }
    });
    (RecommendState::new(faulty(stores, &plan), pseudonymiser(), fixed_machine()), switch)
}

#[tokio::test]
async fn a_process_that_warmed_up_reads_neither_model_nor_catalogue_for_its_first_request() {
    let stores = cars().await;
    publish(&*stores.objects, uniform_model(&DOMAINS, 0.5), None).await;
    for is_warm in [true, false] {
        let (state, switch) = until_switched(stores.clone());
        let state = if is_warm { state.warmed_up().await } else { state };
        switch.store(true, Ordering::Relaxed);
        let slate = answer(&complete(routes().with_state(state)), json!({})).await;
        assert_eq!(slate["degraded"].as_array().unwrap().is_empty(), is_warm, "{slate}");
        assert_eq!(served(&slate).is_empty(), !is_warm);
    }
}

#[tokio::test]
async fn a_process_starts_whatever_cannot_be_read() {
    let (state, switch) = until_switched(cars().await);
    switch.store(true, Ordering::Relaxed);
    let state = state.warmed_up().await;
    switch.store(false, Ordering::Relaxed);
    // Without a model, and with nothing in memory.
    let service = complete(routes().with_state(state.without_delay()));
    let slate = answer(&service, json!({})).await;
    assert!(!served(&slate).is_empty(), "{slate}");
    let empty = RecommendState::new(memory::stores(), pseudonymiser(), fixed_machine());
    empty.warmed_up().await;
}
