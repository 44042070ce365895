//! Logs: structured, one JSON object a line on Lambda. Raw user ids never enter
//! them, since [`crossfold_entities::ids::UserId`] cannot be printed.

use tracing_subscriber::EnvFilter;

/// Sends logs to standard output as JSON, by `RUST_LOG` (default: `info`).
pub fn init() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let logs = tracing_subscriber::fmt().json().with_env_filter(filter).without_time();
    if logs.try_init().is_err() {
        tracing::debug!("logs were set up before");
    }
}
