//! Texts without control characters: what would command a terminal, end a line of a log
//! or a cell of a table, or vanish on a page.

/// Whether a text is one line of visible text: a title, a name.
#[must_use]
pub fn is_one_line(text: &str) -> bool {
    !text.chars().any(char::is_control)
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
            other => !other.is_control(),
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
        for text in ["", "Course 1", "课程 – ü 😀"] {
            assert!(is_one_line(text) && is_visible(text), "{text:?}");
        }
        for text in ["a\nb", "a\tb", "a\r\nb\r\n"] {
            assert!(!is_one_line(text) && is_visible(text), "{text:?}");
        }
        for text in ["a\0b", "\u{1b}[2J", "a\rb", "\u{7f}", "\u{85}", "\u{9b}31m", "a\r"] {
            assert!(!is_one_line(text) && !is_visible(text), "{text:?}");
        }
    }
}
