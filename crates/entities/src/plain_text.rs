//! Texts without what would command a terminal, end a line of a log or a cell of a table,
//! or turn what stands beside it on a page: control characters, the separators of lines and
//! paragraphs, and the signs that override or embed a direction of writing (Unicode Standard
//! Annex 9; CVE-2021-42574). Joiners, which emoji and many scripts are written with, and marks
//! of a direction, which change nothing beside them, are text.

/// Whether a text is one line of visible text: a title, a name.
#[must_use]
pub fn is_one_line(text: &str) -> bool {
    !text.chars().any(is_command)
}

/// Whether a sign would command what shows it.
pub(crate) fn is_command(sign: char) -> bool {
    sign.is_control()
        || matches!(sign, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Whether a text is visible text of any number of lines, with tabs.
#[must_use]
pub fn is_visible(text: &str) -> bool {
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        let is_taken = match character {
            '\n' | '\t' => true,
            // How lines end where text is written on Windows; alone, it goes back to the
            // line's beginning.
            '\r' => characters.peek() == Some(&'\n'),
            other => !is_command(other),
        };
        if !is_taken {
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_for_free_texts_and_nothing_invisible_is_for_any() {
        for text in ["", "Course 1", "课程 – ü 😀", "👩\u{200d}🎓", "می\u{200c}خواهم", "a\u{200f}"]
        {
            assert!(is_one_line(text) && is_visible(text), "{text:?}");
        }
        for text in ["a\nb", "a\tb", "a\r\nb\r\n"] {
            assert!(!is_one_line(text) && is_visible(text), "{text:?}");
        }
        for text in [
            "a\0b",
            "\u{1b}[2J",
            "a\rb",
            "\u{7f}",
            "\u{85}",
            "\u{9b}31m",
            "a\r",
            "a\u{2028}b",
            "a\u{2029}",
            "\u{202e}gnp.exe",
            "\u{2066}a\u{2069}",
            "\u{202a}",
        ] {
            assert!(!is_one_line(text) && !is_visible(text), "{text:?}");
        }
    }
}
