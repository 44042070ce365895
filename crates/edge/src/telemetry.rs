//! Logs: structured, one JSON object a line on Lambda. Raw user ids never enter
//! them, since [`crossfold_entities::ids::UserId`] cannot be printed.
//!
//! Nor do bodies, tokens and keys, whatever level is asked for. Libraries print them where
//! they tell every step: what the SDK sends and gets, what comes over a connection. So no
//! level below `info` is told by any code but our own.

use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::filter::{EnvFilter, FilterExt, FilterFn, filter_fn};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::{Layer, Registry};

/// The most that libraries tell, whatever is asked for.
const MOST_OF_LIBRARIES: Level = Level::INFO;
/// What begins the names of our own code.
const OWN: &str = "crossfold";
/// What is told unless something else is asked for.
const DEFAULT: &str = "info";

/// Sends logs to standard output as JSON, by `RUST_LOG` (default: `info`).
pub fn init() {
    let asked = std::env::var(EnvFilter::DEFAULT_ENV).unwrap_or_default();
    let logs = subscriber(&asked, std::io::stdout);
    if tracing::subscriber::set_global_default(logs).is_err() {
        tracing::debug!("logs were set up before");
    }
}

/// Logs as JSON, a line each, by directives as `RUST_LOG` has them; by `info` when these
/// are none, or cannot be understood.
pub fn subscriber<W>(asked: &str, writer: W) -> impl Subscriber + Send + Sync
where
    W: for<'writer> MakeWriter<'writer> + Send + Sync + 'static,
{
    let asked = Some(asked).filter(|asked| !asked.trim().is_empty()).unwrap_or(DEFAULT);
    let filter = EnvFilter::try_new(asked).unwrap_or_else(|_| EnvFilter::new(DEFAULT));
    let logs = tracing_subscriber::fmt::layer().json().without_time().with_writer(writer);
    Registry::default().with(logs.with_filter(filter.and(no_bodies())))
}

/// Tells nothing in which a library could print what it was handed.
fn no_bodies() -> FilterFn<fn(&Metadata<'_>) -> bool> {
    filter_fn(|told| *told.level() <= MOST_OF_LIBRARIES || told.target().starts_with(OWN))
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use super::*;

    /// A log that can be read again.
    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl Write for Log {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn logged(asked: &str, tell: impl FnOnce()) -> String {
        let log = Log::default();
        let writer = log.clone();
        tracing::subscriber::with_default(subscriber(asked, move || writer.clone()), tell);
        String::from_utf8(log.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn no_level_that_is_asked_for_lets_a_library_print_what_it_was_handed() {
        for asked in
            ["trace", "debug", "hyper=trace,aws_smithy_runtime=trace,info", "[{body}]=trace"]
        {
            let logged = logged(asked, || {
                tracing::trace!(target: "hyper::proto::h1::io", body = "secret-1", "read");
                tracing::debug!(target: "aws_smithy_runtime::client", "secret-2");
                let span = tracing::debug_span!(target: "aws_sdk_s3", "call", key = "secret-3");
                span.in_scope(|| tracing::info!(target: "crossfold_ingest", "ours"));
                tracing::info!(target: "lambda_runtime", "theirs");
            });
            assert!(!logged.contains("secret"), "{asked}: {logged}");
        }
    }

    #[test]
    fn our_own_code_tells_as_much_as_is_asked_for_and_the_usual_when_that_is_nothing() {
        let tell = || {
            tracing::trace!(target: "crossfold_storage", "ours in detail");
            tracing::info!(target: "lambda_runtime", "theirs");
        };
        let all = logged("trace", tell);
        assert!(all.contains("ours in detail") && all.contains("theirs"), "{all}");
        for asked in ["", " ", "a=b=c"] {
            let usual = logged(asked, tell);
            assert!(!usual.contains("ours in detail") && usual.contains("theirs"), "{usual}");
        }
        assert!(!logged("warn", tell).contains("theirs"));
    }
}
