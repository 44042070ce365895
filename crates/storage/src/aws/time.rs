//! Times as they are stored.

use jiff::Timestamp;

/// RFC 3339 in UTC with exactly three fraction digits, so that the order of
/// the texts is the order of the times.
pub(super) fn sortable(time: Timestamp) -> String {
    format!("{time:.3}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_sort_as_their_times_and_read_back_to_the_millisecond() {
        let times = ["1970-01-01T00:00:00Z", "2026-06-01T00:00:00Z", "2026-06-01T00:00:00.5Z"];
        let texts: Vec<String> = times.iter().map(|text| sortable(text.parse().unwrap())).collect();
        assert!(texts.is_sorted());
        assert_eq!(texts[2], "2026-06-01T00:00:00.500Z");
        let cut: Timestamp = "2026-06-01T00:00:00.123999Z".parse().unwrap();
        assert_eq!(sortable(cut), "2026-06-01T00:00:00.123Z");
    }
}
