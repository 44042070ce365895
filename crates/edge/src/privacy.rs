//! What a person's browser says that they want.

use http::HeaderMap;

/// Where a Global Privacy Control signal stands.
const SIGNAL: &str = "sec-gpc";

/// Whether a Global Privacy Control signal (`Sec-GPC: 1`) asks that data not be shared. Of
/// several headers, or values in one, a single `1` is enough: what stands between the
/// browser and here may add to them.
#[must_use]
pub fn asks_not_to_share(headers: &HeaderMap) -> bool {
    let values = headers.get_all(SIGNAL).into_iter();
    let mut signals = values.flat_map(|value| value.as_bytes().split(|sign| *sign == b','));
    signals.any(|signal| signal.trim_ascii() == b"1")
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn headers(values: &[&[u8]]) -> HeaderMap {
        let value = |value: &&[u8]| HeaderValue::from_bytes(value).unwrap();
        values.iter().map(|bytes| (SIGNAL.parse().unwrap(), value(bytes))).collect()
    }

    #[test]
    fn one_signal_of_several_is_enough_in_whatever_place() {
        let cases: [(&[&[u8]], bool); 11] = [
            (&[], false),
            (&[b"1"], true),
            (&[b"0"], false),
            (&[b""], false),
            (&[b"11"], false),
            (&[b"0", b"1"], true),
            (&[b"1", b"0"], true),
            (&[b"0, 1"], true),
            (&[b"1,0"], true),
            (&[b"\xff", b"0,\t1 ,x"], true),
            (&[b"0", b"true"], false),
        ];
        for (values, expected) in cases {
            assert_eq!(asks_not_to_share(&headers(values)), expected, "{values:?}");
        }
    }
}
