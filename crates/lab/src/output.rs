//! The way to a terminal. Who reads standard output may stop reading (`| head`): then there is
//! nothing left to do, which is no failure.
//!
//! Titles, names of columns and reasons are what others made them. Nothing that is printed here
//! commands the terminal ([`is_command`]), and a text of somebody else's stands in a line as a
//! [`Foreign`], which also keeps it within the line and short.

use std::fmt::{self, Arguments, Display, Write as _};
use std::io::{self, ErrorKind, Write};

/// Most characters of a name of somebody else's that are shown.
const NAME: usize = 80;
/// Most characters of a longer text of somebody else's that are shown.
const TEXT: usize = 1_000;
/// Most names of a list that are shown.
const NAMES: usize = 20;
/// Most characters of a line on standard error: more were no help to anyone.
const WARNING: usize = 8_000;

/// What somebody else wrote (in a file, in an answer), as it may stand within a line: on one
/// line, without what would command the terminal, and cut where it is long.
pub struct Foreign<'a> {
    text: &'a str,
    most: usize,
}

impl<'a> Foreign<'a> {
    /// A name, such as a column's.
    #[must_use]
    pub fn name(text: &'a str) -> Self {
        Self { text, most: NAME }
    }

    /// A text of one or several sentences.
    #[must_use]
    pub fn text(text: &'a str) -> Self {
        Self { text, most: TEXT }
    }
}

impl Display for Foreign<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut signs = self.text.chars();
        for sign in signs.by_ref().take(self.most) {
            match is_command(sign) {
                true => write!(f, "{}", sign.escape_default())?,
                false => f.write_char(sign)?,
            }
        }
        if signs.next().is_some() { f.write_char('…') } else { Ok(()) }
    }
}

/// Names that somebody else wrote, as a list.
pub struct ForeignNames<'a>(pub &'a [String]);

impl Display for ForeignNames<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, name) in self.0.iter().take(NAMES).enumerate() {
            let separator = if at == 0 { "" } else { ", " };
            write!(f, "{separator}{}", Foreign::name(name))?;
        }
        match self.0.len().checked_sub(NAMES) {
            None | Some(0) => Ok(()),
            Some(more) => write!(f, " and {more} more"),
        }
    }
}

/// Whether a sign does something to the terminal, or to how the signs around it are read,
/// rather than be seen.
#[must_use]
pub fn is_command(sign: char) -> bool {
    sign.is_control()
        || matches!(
            sign,
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
                | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
        )
}

/// Prints. What would command the terminal is shown as a sign that stands for it.
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
    text.replace(|sign| is_command(sign) && sign != '\n' && sign != '\t', "\u{fffd}")
}

/// Prints a line if anyone reads it: for what goes on whether or not somebody does.
pub fn tell(line: impl Display) {
    writeln!(io::stdout(), "{}", without_commands(&line.to_string())).ok();
}

/// Prints a line on standard error, if anyone reads it.
pub fn warn(line: Arguments<'_>) {
    writeln!(io::stderr(), "{}", as_warning(&line.to_string())).ok();
}

fn as_warning(text: &str) -> String {
    let end = text.char_indices().nth(WARNING);
    let cut = end.map_or_else(|| text.to_owned(), |(end, _)| format!("{}…", &text[..end]));
    without_commands(&cut)
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
        let hostile = "a\u{1b}[2J\u{7}\u{9b}31m\r\u{7f}课\u{202e}\n\tb";
        let shown = "a\u{fffd}[2J\u{fffd}\u{fffd}31m\u{fffd}\u{fffd}课\u{fffd}\n\tb";
        assert_eq!(without_commands(hostile), shown);
        assert_eq!(as_warning(hostile), shown);
        let long = as_warning(&"\u{1b}".repeat(1_000_000));
        assert_eq!((long.chars().count(), long.chars().last()), (WARNING + 1, Some('…')));
    }

    #[test]
    fn what_others_wrote_stays_within_its_line_and_is_short() {
        let hostile = "用户\u{1b}]0;x\u{7}\r\nError: \u{202e}done\u{200f}";
        let shown = "用户\\u{1b}]0;x\\u{7}\\r\\nError: \\u{202e}done\\u{200f}";
        assert_eq!(Foreign::name(hostile).to_string(), shown);
        assert_eq!(Foreign::name(&"é".repeat(80)).to_string(), "é".repeat(80));
        assert_eq!(Foreign::name(&"é".repeat(81)).to_string(), "é".repeat(80) + "…");
        assert_eq!(Foreign::text(&"x".repeat(9_999)).to_string().chars().count(), TEXT + 1);
        let names: Vec<String> = (0..30).map(|at| format!("c{at}\n")).collect();
        let list = ForeignNames(&names).to_string();
        assert!(list.starts_with("c0\\n, c1\\n, "), "{list}");
        assert!(list.ends_with(", c19\\n and 10 more"), "{list}");
        assert_eq!(ForeignNames(&names[..20]).to_string().matches(", ").count(), 19);
        assert_eq!(ForeignNames(&[]).to_string(), "");
    }
}
