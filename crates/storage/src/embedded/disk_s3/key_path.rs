//! From an object's key to the path of its file, and back.
//!
//! A segment of the key is a name in the file system as it is, so that tools
//! find `events/domain=knowledge/…` where they expect it. Characters that a
//! file system may not take, and whatever would make a name special, are
//! written as `%` and two hexadecimal digits.

use std::path::PathBuf;

/// Stands for the empty segment, as in `a//b`.
const EMPTY: &str = "%";

/// The path of a key, relative to its bucket's.
pub(super) fn encode(key: &str) -> PathBuf {
    key.split('/').map(encode_segment).collect()
}

fn encode_segment(segment: &str) -> String {
    if segment.is_empty() {
        return EMPTY.into();
    }
    let mut name = String::with_capacity(segment.len());
    for (index, character) in segment.char_indices() {
        // A leading dot would hide the file, or be `.` or `..`.
        let is_special = is_reserved(character) || (index == 0 && character == '.');
        if is_special {
            name.push_str(&format!("%{:02X}", u32::from(character)));
        } else {
            name.push(character);
        }
    }
    name
}

/// Whether a character has a meaning to some file system; all are ASCII.
fn is_reserved(character: char) -> bool {
    character.is_ascii_control() || r#"%\:*?"<>|"#.contains(character)
}

/// The segment that a name stands for; `None` when it stands for none, and so
/// is not a name of ours.
pub(super) fn decode_segment(name: &str) -> Option<String> {
    let segment = if name == EMPTY { String::new() } else { unescape(name)? };
    (encode_segment(&segment) == name).then_some(segment)
}

fn unescape(name: &str) -> Option<String> {
    let mut parts = name.split('%');
    let mut segment = parts.next()?.to_owned();
    for part in parts {
        let (digits, rest) = part.split_at_checked(2)?;
        segment.push(char::from(u8::from_str_radix(digits, 16).ok()?));
        segment.push_str(rest);
    }
    Some(segment)
}

#[cfg(test)]
mod tests {
    use std::path::Component;

    use super::*;

    const KEYS: [&str; 10] = [
        "events/domain=knowledge/date=2026-11-24/x.parquet",
        "../../etc/passwd",
        "/absolute",
        "a//b/",
        ".hidden/./..",
        "100%/%2F",
        r"C:\x",
        "课程/ü",
        "%",
        "...",
    ];

    #[test]
    fn no_key_leaves_its_bucket() {
        for key in KEYS {
            let is_plain = |component| matches!(component, Component::Normal(_));
            assert!(encode(key).components().all(is_plain), "{key}: {:?}", encode(key));
        }
    }

    #[test]
    fn every_key_is_found_again_from_its_path() {
        for key in KEYS {
            let path = encode(key);
            let names = path.iter().map(|name| decode_segment(name.to_str().unwrap()).unwrap());
            assert_eq!(names.collect::<Vec<_>>().join("/"), key);
        }
    }

    #[test]
    fn ordinary_keys_are_paths_as_they_are() {
        assert_eq!(encode(KEYS[0]).to_str(), Some(KEYS[0]));
    }

    #[test]
    fn names_of_others_stand_for_no_key() {
        for name in [".DS_Store", "100%", "a%zz", "%41", "%2f", "%é1"] {
            assert_eq!(decode_segment(name), None, "{name}");
        }
    }
}
