//! The router over stores in memory, for tests.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use crossfold_core::entities::clock::{Clock, Stopwatch};
use crossfold_core::entities::dice::Dice;
use crossfold_core::entities::ids::DomainId;
use crossfold_core::entities::machine::Machine;
use crossfold_core::entities::ports::Stores;
use crossfold_core::entities::pseudonym::Pseudonymiser;
use crossfold_core::entities::unique_id::{Ids, UniqueId};
use crossfold_edge::caller::{Caller, Scope};
use crossfold_edge::router::complete;
use crossfold_storage::faults::{FaultPlan, faulty};
use crossfold_storage::memory;
use crossfold_storage::rekeying::rekeyed;
use jiff::Timestamp;
use lambda_http::http::Request;
use serde_json::Value;
use tower::ServiceExt;

use crate::routes;
use crate::state::IngestState;

/// A platform with a clock that is set by hand, in seconds.
pub(crate) struct World {
    pub(crate) stores: Stores,
    pub(crate) state: IngestState,
    seconds: Arc<AtomicI64>,
    router: Router,
}

impl World {
    pub(crate) fn new(plan: &FaultPlan) -> Self {
        let plan = plan.clone();
        Self::over(move |stores| faulty(stores, &plan))
    }

    /// One that works over stores in memory as `wrap` changes them.
    pub(crate) fn over(wrap: impl Fn(Stores) -> Stores) -> Self {
        let seconds = Arc::new(AtomicI64::new(1_800_000_000));
        let keys = [(1, vec![7; 32].into_boxed_slice())].into();
        let pseudonymiser = Pseudonymiser::new("t", 1, keys).unwrap();
        let stores = memory::stores();
        Self::on(stores.clone(), wrap(stores), seconds, pseudonymiser)
    }

    /// The same platform with other keys: another process on the same stores.
    pub(crate) fn with_keys(&self, pseudonymiser: Pseudonymiser) -> Self {
        Self::on(self.stores.clone(), self.stores.clone(), self.seconds.clone(), pseudonymiser)
    }

    /// One on stores, which it sees as `seen`.
    fn on(
        stores: Stores,
        seen: Stores,
        seconds: Arc<AtomicI64>,
        pseudonymiser: Pseudonymiser,
    ) -> Self {
        let (shown, ids) = (seconds.clone(), AtomicU64::new(0));
        let machine = Machine {
            clock: Clock::from_fn(move || {
                Timestamp::from_second(shown.load(Ordering::Relaxed)).unwrap()
            }),
            stopwatch: Stopwatch::from_fn(|| Duration::ZERO),
            ids: Ids::from_fn(move || {
                UniqueId::from_u128(ids.fetch_add(1, Ordering::Relaxed).into())
            }),
            dice: Dice::from_fn(|| 0),
        };
        let known = rekeyed(seen, &pseudonymiser);
        let state = IngestState::new(known, pseudonymiser, machine);
        let router = complete(routes().with_state(state.clone()))
            .layer(axum::Extension(Caller::development()));
        Self { stores, seconds, router, state }
    }

    pub(crate) fn state(&self) -> IngestState {
        self.state.clone()
    }

    pub(crate) async fn call(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let request = Request::builder().method(method).uri(path);
        let request = request.header("content-type", "application/json");
        let request = request.body(Body::from(body.to_string())).unwrap();
        Self::answer(self.router.clone(), request).await
    }

    /// As [`World::call`], by a caller who acts for some domains alone, in every scope.
    pub(crate) async fn call_for(
        &self,
        domains: &[&str],
        (method, path): (&str, &str),
        body: &Value,
    ) -> (u16, Value) {
        let domains = domains.iter().map(|domain| domain.parse::<DomainId>().unwrap());
        let caller = Caller::with(domains, Scope::ALL);
        let router = complete(routes().with_state(self.state())).layer(axum::Extension(caller));
        let request = Request::builder().method(method).uri(path);
        let request = request.header("content-type", "application/json");
        Self::answer(router, request.body(Body::from(body.to_string())).unwrap()).await
    }

    async fn answer(router: Router, request: Request<Body>) -> (u16, Value) {
        let response = router.oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        let body = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
        (status, serde_json::from_slice(&body).unwrap_or_default())
    }

    pub(crate) async fn ok(&self, method: &str, path: &str, body: Value) -> Value {
        let (status, answer) = self.call(method, path, &body).await;
        assert!(status < 300, "{method} {path}: {status} {answer}");
        answer
    }

    /// Moves the clock, back where the number is negative.
    pub(crate) fn pass(&self, seconds: i64) {
        self.seconds.fetch_add(seconds, Ordering::Relaxed);
    }

    /// So many seconds from now, by the clock.
    pub(crate) fn at(&self, seconds: i64) -> String {
        let second = self.seconds.load(Ordering::Relaxed) + seconds;
        Timestamp::from_second(second).unwrap().to_string()
    }

    pub(crate) async fn define(&self, domain: &str) {
        let definition = serde_json::json!({
            "name": domain, "currency": "EUR", "event_types": {"view": {"weight": 1}},
        });
        self.ok("PUT", &format!("/v1/domains/{domain}"), definition).await;
    }
}

/// Numbers that look random (G. Marsaglia, "Xorshift RNGs", 2003).
pub(crate) struct Numbers(pub(crate) u64);

impl Numbers {
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}
