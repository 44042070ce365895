//! So many of something, in words for people.

/// So many of what a word is for: `1 row`, `2 rows`, `2 erased people`.
#[must_use]
pub fn of(count: u64, word: &str) -> String {
    match word.strip_suffix("person") {
        _ if count == 1 => format!("1 {word}"),
        Some(kind) => format!("{count} {kind}people"),
        None => format!("{count} {word}s"),
    }
}

/// So many of them, and what was done to them follows: `1 row was`, `2 rows were`.
#[must_use]
pub fn were(count: u64, word: &str) -> String {
    format!("{} {}", of(count, word), if count == 1 { "was" } else { "were" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_of_something_is_told_in_the_singular() {
        assert_eq!([0, 1, 2].map(|count| of(count, "row")), ["0 rows", "1 row", "2 rows"]);
        assert_eq!(
            [1, 2].map(|count| of(count, "erased person")),
            ["1 erased person", "2 erased people"]
        );
        assert_eq!([1, 2].map(|count| were(count, "row")), ["1 row was", "2 rows were"]);
    }
}
