//! Identifiers by the first half of their SHA-256: for maps and sets that are asked for nothing but
//! whether two are the same. That any two of a billion are taken for one another has a chance of
//! one in 10^20.

use sha2::{Digest, Sha256};

use crate::entities::ids::{Pseudonym, RecommendationId};

/// Texts in order as 128 bits; what is hashed of one kind of thing begins with a text of its own.
pub(super) fn hash_of(texts: &[&str]) -> u128 {
    let mut digest = Sha256::new();
    for text in texts {
        // Of its length, so that no two lists of texts are hashed alike.
        digest.update((text.len() as u64).to_le_bytes());
        digest.update(text.as_bytes());
    }
    let bytes = digest.finalize();
    bytes.iter().take(16).fold(0, |bits, byte| bits << 8 | u128::from(*byte))
}

/// A user as 128 bits.
pub(super) fn of_user(user: &Pseudonym) -> u128 {
    hash_of(&["user", user.as_str()])
}

/// A slate as 128 bits.
pub(super) fn of_slate(recommendation: &RecommendationId) -> u128 {
    hash_of(&["slate", recommendation.as_str()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_told_apart_by_where_they_end() {
        let all = [&["a", "b"][..], &["ab", ""], &["", "ab"], &["ab"], &["a", "b", ""]];
        let hashes: std::collections::BTreeSet<u128> =
            all.iter().map(|texts| hash_of(texts)).collect();
        assert_eq!(hashes.len(), all.len());
    }
}
