//! What was read before the first request is not read by it, and nothing that cannot be read keeps a
//! process from starting.

use std::sync::Mutex;

use crossfold_storage::faults::{Fault, FaultPlan, faulty};
use tokio::time::Instant;

use super::*;
use crate::Limits;

/// A process over stores, the calls that it makes of them, and what befalls them.
struct Process {
    state: RecommendState,
    calls: Arc<Mutex<Vec<&'static str>>>,
    fault: Arc<Mutex<Fault>>,
}

impl Process {
    fn over(stores: Stores) -> Self {
        let (calls, fault) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(Fault::None)));
        let (made, now) = (calls.clone(), fault.clone());
        let plan = FaultPlan::from_fn(move |call| {
            made.lock().unwrap().push(call.method);
            *now.lock().unwrap()
        });
        let started = Instant::now();
        let stopwatch = Stopwatch::from_fn(move || started.elapsed());
        let machine = Machine { stopwatch, ..fixed_machine() };
        let state = RecommendState::new(faulty(stores, &plan), pseudonymiser(), machine)
            .with_limits(Limits::of_request(Duration::from_millis(2_500)));
        Self { state, calls, fault }
    }

    async fn warmed_up(self) -> Self {
        let began = self.state.machine.stopwatch.read();
        Self { state: self.state.warmed_up(began).await, ..self }
    }

    fn befall(&self, fault: Fault) {
        *self.fault.lock().unwrap() = fault;
    }

    /// How many calls there were since this was last asked, by what their names begin with.
    fn take_calls<const N: usize>(&self, names: [&str; N]) -> [usize; N] {
        let calls = std::mem::take(&mut *self.calls.lock().unwrap());
        names.map(|name| calls.iter().filter(|call| call.starts_with(name)).count())
    }

    async fn ask(&self) -> Value {
        let service = complete(routes().with_state(self.state.clone()));
        answer(&service, json!({ "target_domains": DOMAINS })).await
    }
}

/// Reads of the model, of catalogues, and of definitions: their mark, and they and deletions.
const READS: [&str; 4] = ["objects.", "catalogue.", "records.get", "records.list"];

async fn published() -> Stores {
    let stores = world().await;
    publish(&*stores.objects, uniform_model(&DOMAINS, 0.5), None).await;
    stores
}

#[tokio::test]
async fn a_process_that_warmed_up_reads_neither_model_nor_catalogue_for_its_first_request() {
    // A pointer, a manifest and a blob; two catalogues; and the definitions as ever.
    let all = [3, 2, 1, 3];
    let cold = Process::over(published().await);
    let slate = cold.ask().await;
    assert_eq!(cold.take_calls(READS), all);
    let warm = Process::over(published().await).warmed_up().await;
    assert_eq!(warm.take_calls(READS), all);
    // Whether a definition has changed is looked at for each request.
    assert_eq!(
        (warm.ask().await["items"].clone(), warm.take_calls(READS)),
        (slate["items"].clone(), [0, 0, 1, 0])
    );
    assert_eq!(slate["degraded"], json!([]));
}

#[tokio::test(start_paused = true)]
async fn a_process_starts_in_time_whatever_cannot_be_read_and_reads_it_for_the_first_request() {
    for fault in [Fault::Hangs, Fault::Before, Fault::Denied, Fault::Gone] {
        let process = Process::over(published().await);
        process.befall(fault);
        let began = Instant::now();
        let process = process.warmed_up().await;
        let limit = Duration::from_secs(if fault == Fault::Hangs { 5 } else { 0 });
        assert_eq!(began.elapsed(), limit, "{fault:?}");
        process.befall(Fault::None);
        // What is known not to be there is asked for again a little later, as ever.
        tokio::time::sleep(Duration::from_secs(200)).await;
        assert_eq!(process.ask().await["degraded"], json!([]), "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_waited_for_a_process_to_warm_up_is_answered_as_if_it_were_warm() {
    let process = Process::over(published().await);
    process.befall(Fault::Hangs);
    let process = process.warmed_up().await;
    let service = complete(routes().with_state(process.state.clone()));
    let began = Instant::now();
    let request = Request::post("/v1/recommendations")
        .header("content-type", "application/json")
        .extension(Caller::development())
        .body(Body::from(json!({ "user_id": "ann", "domain": "knowledge" }).to_string()))
        .unwrap();
    assert_eq!(service.oneshot(request).await.unwrap().status(), 503);
    assert!(began.elapsed() < Duration::from_millis(2_500), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_process_that_began_long_ago_reads_for_no_longer_than_lambda_has_left() {
    for (passed, left) in [(0, 5), (2, 5), (6, 2), (60, 0)] {
        let process = Process::over(published().await);
        process.befall(Fault::Hangs);
        let began = process.state.machine.stopwatch.read();
        tokio::time::sleep(Duration::from_secs(passed)).await;
        let waited = Instant::now();
        process.state.warmed_up(began).await;
        assert_eq!(waited.elapsed(), Duration::from_secs(left), "{passed} s after the start");
    }
}

#[tokio::test]
async fn a_process_without_domains_starts_and_of_many_domains_some_catalogues_are_read() {
    let empty = Process::over(memory::stores()).warmed_up().await;
    assert_eq!(empty.take_calls(READS), [1, 0, 1, 3], "the pointer, and the definitions");
    let stores = memory::stores();
    for number in 0..300 {
        let name = domain(&format!("domain-{number:03}"));
        records::put(&*stores.records, &name, &definition()).await.unwrap();
    }
    let many = Process::over(stores).warmed_up().await;
    assert_eq!(many.take_calls(["catalogue."]), [16]);
}
