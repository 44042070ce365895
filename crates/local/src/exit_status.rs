//! What the exit status of a command says.
//!
//! | status | meaning |
//! | --- | --- |
//! | 0 | done |
//! | 1 | not done, or not a single row of an import was taken |
//! | 2 | the command line cannot be understood |
//! | 3 | an import was carried out, and some rows were refused; or `status` or `redrive` found what needs attention; or `replay` made another slate, or none |
//! | 130, 143 | an import was told to end by SIGINT (Ctrl-C) or SIGTERM; what was stored until then stays |

pub use crate::commands::replay::NotTheSame;
pub use crate::commands::status::NeedsAttention;
pub use crate::import::{Interrupted, SomeRefused};

/// The status of an import that refused some rows.
pub const SOME_REFUSED: u8 = 3;
/// The status when something needs attention.
pub const NEEDS_ATTENTION: u8 = 3;
/// The status when a slate was not made again as it was served.
pub const NOT_THE_SAME: u8 = 3;

/// The exit status of a command that ended in an error.
#[must_use]
pub fn of(error: &anyhow::Error) -> u8 {
    if error.is::<SomeRefused>() {
        SOME_REFUSED
    } else if error.is::<NeedsAttention>() {
        NEEDS_ATTENTION
    } else if error.is::<NotTheSame>() {
        NOT_THE_SAME
    } else if let Some(interrupted) = error.downcast_ref::<Interrupted>() {
        interrupted.status
    } else {
        1
    }
}
