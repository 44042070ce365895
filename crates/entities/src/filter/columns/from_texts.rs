//! Columns from the texts that attributes are kept as.

use rust_decimal::Decimal;

use super::Column;
use crate::filter::moment::moment;
use crate::filter::schema::AttributeType;

/// What stands between the texts of a set.
pub(crate) const SEPARATOR: char = '|';

pub(super) fn column<'a>(
    of: AttributeType,
    values: impl IntoIterator<Item = Option<&'a str>>,
) -> Column {
    let values = values.into_iter();
    match of {
        AttributeType::Text => Column::Text(values.collect()),
        AttributeType::Number => Column::Number(values.map(|text| number(text?)).collect()),
        AttributeType::Boolean => Column::Boolean(values.map(|text| boolean(text?)).collect()),
        AttributeType::Time => Column::Time(values.map(|text| moment(text?.trim())).collect()),
        AttributeType::TextSet => Column::TextSet(values.map(|text| text.map(set)).collect()),
    }
}

impl AttributeType {
    /// Whether a text is a value of the type, as attributes are kept.
    #[must_use]
    pub fn reads(self, text: &str) -> bool {
        match self {
            Self::Text | Self::TextSet => true,
            Self::Number => number(text).is_some(),
            Self::Boolean => boolean(text).is_some(),
            Self::Time => moment(text.trim()).is_some(),
        }
    }
}

fn number(text: &str) -> Option<Decimal> {
    let text = text.trim();
    // The decimal type would take `1_000` as well, which is no usual way to write a number.
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit() || b"+-.".contains(&byte));
    is_plain.then(|| Decimal::from_str_exact(text).ok())?
}

fn boolean(text: &str) -> Option<bool> {
    let text = text.trim();
    let is = |word: &str| text.eq_ignore_ascii_case(word);
    if is("true") { Some(true) } else { is("false").then_some(false) }
}

fn set(text: &str) -> impl Iterator<Item = &str> {
    text.split(SEPARATOR).map(str::trim).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_by_their_type_and_what_cannot_be_is_missing() {
        let texts = |of, rows: &[&'static str]| {
            Column::from_texts(of, rows.iter().map(|row| Some(*row)).chain([None]))
        };
        let Column::Number(numbers) =
            texts(AttributeType::Number, &[" 1250.50 ", "-3", "1_000", "1,5", "1e3", "", "."])
        else {
            panic!()
        };
        assert_eq!(numbers.get(0), Some(Decimal::new(12_505, 1)));
        assert_eq!((numbers.get(1), numbers.present().count_ones()), (Some((-3).into()), 2));
        let Column::Boolean(booleans) =
            texts(AttributeType::Boolean, &["true", " False", "yes", "1", ""])
        else {
            panic!()
        };
        let read: Vec<_> = (0..6).map(|row| booleans.get(row)).collect();
        assert_eq!(read, [Some(true), Some(false), None, None, None, None]);
        let Column::Time(times) =
            texts(AttributeType::Time, &["2026-11-01", " 2026-11-01T00:00:00Z", "tomorrow"])
        else {
            panic!()
        };
        assert_eq!(times.get(0), times.get(1));
        assert_eq!(times.present().count_ones(), 2);
        let Column::TextSet(sets) = texts(AttributeType::TextSet, &["b| a||b", "", "a;b"]) else {
            panic!()
        };
        let set = |row| sets.get(row).map(Iterator::collect::<Vec<_>>);
        assert_eq!((set(0), set(1)), (Some(vec!["a", "b"]), Some(vec![])));
        assert_eq!((set(2), set(3)), (Some(vec!["a;b"]), None));
        let Column::Text(plain) = texts(AttributeType::Text, &[" a ", ""]) else { panic!() };
        assert_eq!((plain.get(0), plain.get(1), plain.get(2)), (Some(" a "), Some(""), None));
    }
}
