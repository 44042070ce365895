//! The way to standard output. Who reads it may stop reading (`| head`): then there is
//! nothing left to do, which is no failure.

use std::fmt::Arguments;
use std::io::{self, ErrorKind, Write};

/// Prints.
pub fn print(text: Arguments<'_>) {
    let mut output = io::stdout().lock();
    let Err(error) = output.write_fmt(text).and_then(|()| output.flush()) else { return };
    if error.kind() == ErrorKind::BrokenPipe {
        std::process::exit(0);
    }
    warn(format_args!("standard output cannot be written: {error}"));
    std::process::exit(1);
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
