//! What the commands print, and the one way to standard output.
//!
//! A text is a value that is displayed, line by line, each with its end: so it can be
//! held against what is expected without a terminal.

mod encoder;
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

pub(crate) use encoder::EncoderText;
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
    line(without_commands(&serde_json::to_string_pretty(answer)?));
    Ok(())
}

/// A JSON text in which what would command the terminal is written in escapes, which mean the
/// same to who reads it. Such signs stand in strings alone.
fn without_commands(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for sign in json.chars() {
        match output::is_command(sign) && sign != '\n' {
            true => text.push_str(&format!("\\u{:04x}", u32::from(sign))),
            false => text.push(sign),
        }
    }
    text
}

/// A difference with its 95% interval, the signs shown: `+0.0123 [-0.0010, +0.0256]`.
struct Difference<'a>(&'a Interval);

impl Display for Difference<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Interval { mean, low, high } = self.0;
        write!(f, "{mean:+.4} [{low:+.4}, {high:+.4}]")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // A test may stop at the first surprise.

    use super::*;

    #[test]
    fn json_commands_no_terminal_and_means_the_same() {
        let titles = vec!["a\u{1b}[2J\u{9b}31m\u{7f}".to_owned(), "课\u{202e}\n\t".to_owned()];
        let text = without_commands(&serde_json::to_string_pretty(&titles).unwrap());
        assert!(!text.chars().any(|sign| output::is_command(sign) && sign != '\n'), "{text:?}");
        assert_eq!(serde_json::from_str::<Vec<String>>(&text).unwrap(), titles);
    }
}
