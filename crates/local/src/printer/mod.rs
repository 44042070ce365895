//! What the commands print, and the one way to standard output.
//!
//! A text is a value that is displayed, line by line, each with its end: so it can be
//! held against what is expected without a terminal.

mod models;
mod replay;
mod slate;
mod status;
mod training_run;

use std::fmt::{self, Display};

use anyhow::Result;
use crossfold_core::maths::bootstrap::Interval;
use crossfold_lab::output;
use serde::Serialize;

pub(crate) use models::{ModelDetails, ModelLine, ModelTable};
pub(crate) use replay::ReplayText;
pub(crate) use slate::SlateTable;
pub(crate) use status::StatusText;
pub(crate) use training_run::TrainingRunText;

/// Prints a text that ends its own lines.
pub(crate) fn text(text: impl Display) {
    output::print(format_args!("{text}"));
}

/// Prints one line.
pub(crate) fn line(line: impl Display) {
    output::print(format_args!("{line}\n"));
}

/// Prints an answer for other programs to read.
///
/// # Errors
/// When it cannot be written as JSON.
pub(crate) fn json(answer: &impl Serialize) -> Result<()> {
    line(serde_json::to_string_pretty(answer)?);
    Ok(())
}

/// A difference with its 95% interval, the signs shown: `+0.0123 [-0.0010, +0.0256]`.
struct Difference<'a>(&'a Interval);

impl Display for Difference<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Interval { mean, low, high } = self.0;
        write!(f, "{mean:+.4} [{low:+.4}, {high:+.4}]")
    }
}
