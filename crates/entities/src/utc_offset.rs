//! By whose clock times of day are told: what a platform declares of its user.

use jiff::tz::Offset;

/// The name under which a platform declares it: `+08:00`.
pub const UTC_OFFSET: &str = "utc_offset";

/// The offset that a text such as `+08:00` says; `None` of any other text, and beyond
/// UTC-12:00 to UTC+14:00, as clocks are set somewhere.
///
/// ```
/// use crossfold_entities::utc_offset::parse_offset;
///
/// assert_eq!(parse_offset("+08:00").unwrap().seconds(), 8 * 3_600);
/// assert_eq!(parse_offset("Asia/Shanghai"), None);
/// assert_eq!(parse_offset("+25:00"), None);
/// ```
#[must_use]
pub fn parse_offset(text: &str) -> Option<Offset> {
    let (sign, digits) = match text.trim().split_at_checked(1)? {
        ("+", digits) => (1, digits),
        ("-", digits) => (-1, digits),
        _ => return None,
    };
    let (hours, minutes) = digits.split_once(':')?;
    let number = |text: &str| {
        let is_two_digits = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        is_two_digits.then(|| text.parse::<i32>().ok()).flatten()
    };
    let (hours, minutes) = (number(hours)?, number(minutes)?);
    let seconds = sign * (hours * 3_600 + minutes * 60);
    let is_used = minutes < 60 && (-12 * 3_600..=14 * 3_600).contains(&seconds);
    is_used.then(|| Offset::from_seconds(seconds).ok()).flatten()
}
