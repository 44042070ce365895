//! Letting time pass, passed in so that no test has to wait.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;

/// Lets time pass.
#[derive(Clone)]
pub struct Pause(Arc<dyn Fn(Duration) -> BoxFuture<'static, ()> + Send + Sync>);

impl Pause {
    /// As the machine's timer does.
    #[must_use]
    pub fn system() -> Self {
        Self::from_fn(|span| Box::pin(tokio::time::sleep(span)))
    }

    /// As `sleep` does.
    #[must_use]
    pub fn from_fn(
        sleep: impl Fn(Duration) -> BoxFuture<'static, ()> + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(sleep))
    }

    /// Lets a span pass.
    pub async fn wait(&self, span: Duration) {
        (self.0)(span).await;
    }
}

impl fmt::Debug for Pause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pause")
    }
}
