//! Logs: structured, one JSON object a line on Lambda. Raw user ids never enter
//! them, since [`crossfold_entities::ids::UserId`] cannot be printed.

use tracing::Subscriber;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

/// Sends logs to standard output as JSON, by `RUST_LOG` (default: `info`).
pub fn init() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    if tracing::subscriber::set_global_default(lines(filter, std::io::stdout)).is_err() {
        tracing::debug!("logs were set up before");
    }
}

/// Logs as one JSON object a line.
pub(crate) fn lines(
    filter: EnvFilter,
    writer: impl for<'a> MakeWriter<'a> + Send + Sync + 'static,
) -> impl Subscriber + Send + Sync {
    let logs = tracing_subscriber::fmt().json().with_env_filter(filter).without_time();
    logs.with_writer(writer).finish()
}
