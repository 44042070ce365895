//! How long a text is: in characters, as the API's description counts them
//! (`maxLength` of JSON Schema: Unicode code points), whatever they take in bytes.

/// Whether a text has more characters than that.
#[must_use]
pub fn exceeds(text: &str, most: usize) -> bool {
    // No text has more characters than bytes.
    text.len() > most && text.chars().nth(most).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_are_counted_not_bytes() {
        for text in ["xxx", "课程课", "😀😀😀"] {
            assert!(!exceeds(text, 3) && exceeds(text, 2));
        }
        assert!(!exceeds("", 0));
    }
}
