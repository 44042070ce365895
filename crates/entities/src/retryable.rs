//! Errors that say whether to try again.

/// An error that knows whether the same call may succeed later, with nothing
/// changed but time. An error made of others asks the one it holds.
pub trait Retryable {
    /// Whether the same call may succeed when it is made again a little later.
    fn is_worth_another_try(&self) -> bool;
}
