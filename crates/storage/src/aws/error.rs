//! From the SDK's errors to the ports'.

use aws_sdk_dynamodb::config::http::HttpResponse;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use crossfold_core::entities::ports::{BoxedError, StoreError};

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
pub(crate) fn service_error<E>(error: SdkError<E, HttpResponse>) -> StoreError
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    let Some(refusal) = error.as_service_error() else {
        return without_answer(error);
    };
    let code = refusal.code().unwrap_or("unknown error");
    let text = format!("{code}: {}", refusal.message().unwrap_or("no message"));
    let failed_there = error.raw_response().is_some_and(|r| r.status().is_server_error());
    if failed_there || TRANSIENT_CODES.contains(&code) {
        StoreError::unavailable(text, error)
    } else {
        StoreError::refused(text, error)
    }
}

/// A call that was never sent, or whose answer never came or made no sense.
fn without_answer<E>(error: SdkError<E, HttpResponse>) -> StoreError
where
    E: std::error::Error + Send + Sync + 'static,
{
    match error {
        SdkError::ConstructionFailure(_) => StoreError::Refused(Box::new(error)),
        _ => StoreError::Unavailable(Box::new(error)),
    }
}

/// A stored record that does not read back.
pub(crate) fn corrupt(what: &str, why: impl Into<BoxedError>) -> StoreError {
    StoreError::corrupt(what, why)
}

/// A request the SDK's builders do not accept, for want of a required field.
pub(crate) fn malformed(error: impl Into<BoxedError>) -> StoreError {
    StoreError::Refused(error.into())
}
