//! The way to standard output. Who reads it may stop reading (`| head`): then there is
//! nothing left to do, which is no failure.

use std::fmt::Arguments;
use std::io::{self, ErrorKind, Write};

/// Prints. Titles and names are what callers made them: what would command the terminal is
/// shown as a sign that stands for it.
pub fn print(text: Arguments<'_>) {
    let text = without_commands(&text.to_string());
    let mut output = io::stdout().lock();
    let written = output.write_all(text.as_bytes());
    let Err(error) = written.and_then(|()| output.flush()) else { return };
    if error.kind() == ErrorKind::BrokenPipe {
        std::process::exit(0);
    }
    warn(format_args!("standard output cannot be written: {error}"));
    std::process::exit(1);
}

fn without_commands(text: &str) -> String {
    let is_command = |sign: char| sign.is_control() && sign != '\n' && sign != '\t';
    text.replace(is_command, "\u{fffd}")
}

/// Prints a line if anyone reads it: for what goes on whether or not somebody does.
pub fn tell(line: impl std::fmt::Display) {
    writeln!(io::stdout(), "{line}").ok();
}

/// Prints a line on standard error, if anyone reads it.
pub fn warn(line: Arguments<'_>) {
    writeln!(io::stderr(), "{line}").ok();
}

/// As the standard library's, but a closed pipe is no panic.
macro_rules! print {
    ($($text:tt)*) => { $crate::output::print(format_args!($($text)*)) };
}

/// As the standard library's, but a closed pipe is no panic.
macro_rules! println {
    () => { $crate::output::print(format_args!("\n")) };
    ($($text:tt)*) => { $crate::output::print(format_args!("{}\n", format_args!($($text)*))) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_command_a_terminal_is_shown_as_a_sign() {
        let hostile = "a\u{1b}[2J\u{7}\u{9b}31m\r\u{7f}课\n\tb";
        let shown = "a\u{fffd}[2J\u{fffd}\u{fffd}31m\u{fffd}\u{fffd}课\n\tb";
        assert_eq!(without_commands(hostile), shown);
    }
}
