//! Amounts as people write them, exactly: `1,234.56`, `$9.99`, `12,50`, `1e3`.

use rust_decimal::Decimal;

/// Signs of currencies that may stand beside an amount.
const CURRENCY_SIGNS: [char; 8] = ['$', '€', '£', '¥', '￥', '₹', '₩', '元'];

/// Digits that a decimal always keeps.
const EXACT_DIGITS: usize = 28;

/// Reads an amount. With both a comma and a point, the last of them separates the
/// fraction; a comma alone does unless three digits follow it, as in `1,234`.
///
/// # Errors
/// What is wrong, in words.
pub(crate) fn amount(text: &str) -> Result<Decimal, &'static str> {
    const NO_NUMBER: &str = "is no number";
    let bare: String = text
        .trim()
        .trim_matches(CURRENCY_SIGNS)
        .chars()
        .filter(|c| !c.is_whitespace() && *c != '\'' && *c != '_')
        .collect();
    let bare = without_code(&bare);
    let (negative, digits) = match bare.strip_prefix('-') {
        Some(rest) => ("-", rest.trim_start_matches(CURRENCY_SIGNS)),
        None => ("", bare.strip_prefix('+').unwrap_or(bare)),
    };
    if digits.is_empty() || !digits.bytes().any(|byte| byte.is_ascii_digit()) {
        return Err(NO_NUMBER);
    }
    let plain = format!("{negative}{}", with_point(digits).ok_or(NO_NUMBER)?);
    if plain.contains(['e', 'E']) {
        return Decimal::from_scientific(&plain).map_err(|_| NO_NUMBER);
    }
    let is_long = plain.bytes().filter(u8::is_ascii_digit).count() > EXACT_DIGITS;
    Decimal::from_str_exact(&plain).map_err(|_| {
        if is_long { "has more digits than can be kept exactly (28)" } else { NO_NUMBER }
    })
}

/// Takes the code of a currency away from either end: `USD 9.99`, `9.99CNY`.
fn without_code(text: &str) -> &str {
    let is_code = |code: &str| code.bytes().all(|byte| byte.is_ascii_uppercase());
    if let Some(code) = text.get(..3).filter(|code| is_code(code)) {
        return &text[code.len()..];
    }
    match text.len().checked_sub(3).and_then(|at| Some((text.get(..at)?, text.get(at..)?))) {
        Some((rest, code)) if is_code(code) => rest,
        _ => text,
    }
}

/// The digits with a point before the fraction and nothing between thousands.
fn with_point(digits: &str) -> Option<String> {
    match (digits.rfind(','), digits.rfind('.')) {
        (None, _) => (digits.matches('.').count() < 2).then(|| digits.to_owned()),
        (Some(comma), Some(point)) if comma < point => {
            in_thousands(&digits[..point], ',').then(|| digits.replace(',', ""))
        }
        (Some(comma), Some(_)) => {
            in_thousands(&digits[..comma], '.').then(|| digits.replace('.', "").replace(',', "."))
        }
        (Some(_), None) if in_thousands(digits, ',') => Some(digits.replace(',', "")),
        (Some(_), None) => (digits.matches(',').count() == 1).then(|| digits.replace(',', ".")),
    }
}

/// Whether a text is digits in groups of three, the first of one to three.
fn in_thousands(text: &str, separator: char) -> bool {
    let mut groups = text.split(separator);
    let is_of = |group: &str, lengths: std::ops::RangeInclusive<usize>| {
        lengths.contains(&group.len()) && group.bytes().all(|byte| byte.is_ascii_digit())
    };
    groups.next().is_some_and(|first| is_of(first, 1..=3))
        && groups.all(|group| is_of(group, 3..=3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_exactly_as_people_write_them() {
        let cases = [
            ("12.5", "12.5"),
            ("1,234.56", "1234.56"),
            ("1.234,56", "1234.56"),
            ("1,234", "1234"),
            ("12,50", "12.50"),
            ("9,99", "9.99"),
            ("1 234,5", "1234.5"),
            ("$9.99", "9.99"),
            ("€ 5", "5"),
            ("99元", "99"),
            ("USD 9.99", "9.99"),
            ("9.99 CNY", "9.99"),
            ("-$5", "-5"),
            ("+3", "3"),
            ("1e3", "1000"),
            ("2.5E-1", "0.25"),
            ("0.1000000000000000000000000001", "0.1000000000000000000000000001"),
        ];
        for (text, expected) in cases {
            let read = amount(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(read, expected.parse().unwrap(), "{text}");
        }
    }

    #[test]
    fn what_is_no_amount_is_refused() {
        for text in ["", "abc", "1.2.3", "1,23,4", "--5", "NaN", "Infinity", "$", "12,3456,78"] {
            assert!(amount(text).is_err(), "{text}");
        }
        let long = amount("99999999999999999999999999999999").unwrap_err();
        assert!(long.contains("digits"), "{long}");
    }
}
