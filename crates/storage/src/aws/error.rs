//! From the SDK's errors to the ports'.

use aws_sdk_dynamodb::config::http::HttpResponse;
use aws_sdk_dynamodb::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use crossfold_core::entities::ports::StoreError;

/// Error codes that a later try may not meet again.
const TRANSIENT_CODES: [&str; 10] = [
    "InternalServerError",
    "LimitExceededException",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "RequestTimeout",
    "SlowDown",
    "ThrottlingException",
    "TransactionConflictException",
    "TransactionInProgressException",
    "ConditionalRequestConflict",
];

/// What an SDK error means to a port's caller.
#[expect(clippy::needless_pass_by_value, reason = "`map_err` hands the error over")]
pub(crate) fn service_error<E>(error: SdkError<E, HttpResponse>) -> StoreError
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    let Some(refusal) = error.as_service_error() else {
        return without_answer(&error);
    };
    let code = refusal.code().unwrap_or("unknown error");
    let text = format!("{code}: {}", refusal.message().unwrap_or("no message"));
    let failed_there = error.raw_response().is_some_and(|r| r.status().is_server_error());
    if failed_there || TRANSIENT_CODES.contains(&code) {
        StoreError::Unavailable(text)
    } else {
        StoreError::Refused(text)
    }
}

/// A call that was never sent, or whose answer never came or made no sense.
fn without_answer<E>(error: &SdkError<E, HttpResponse>) -> StoreError
where
    E: std::error::Error + Send + Sync + 'static,
{
    let text = DisplayErrorContext(error).to_string();
    match error {
        SdkError::ConstructionFailure(_) => StoreError::Refused(text),
        _ => StoreError::Unavailable(text),
    }
}

/// A stored record that does not read back.
pub(crate) fn corrupt(what: &str, why: impl std::fmt::Display) -> StoreError {
    StoreError::Corrupt(format!("{what}: {why}"))
}

/// A request the SDK's builders do not accept, for want of a required field.
pub(crate) fn malformed(error: impl std::fmt::Display) -> StoreError {
    StoreError::Refused(error.to_string())
}
