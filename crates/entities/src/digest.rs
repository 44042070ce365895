//! Texts by the first bytes of their SHA-256: for sets that are asked for nothing but whether a
//! text is among them.

use sha2::{Digest, Sha256};

/// Bytes of a digest. That a text is taken for another one has a chance of one in 2^64 for each
/// pair: for 5,000 items of a person and a catalogue of a million, one in 3.7 billion.
pub const DIGEST_BYTES: usize = 8;

/// A text, by its digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShortDigest([u8; DIGEST_BYTES]);

impl ShortDigest {
    /// The digest of a text.
    ///
    /// ```
    /// use crossfold_entities::digest::ShortDigest;
    ///
    /// let digest = ShortDigest::of("abc");
    /// assert_eq!(digest.bytes(), [0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea]);
    /// ```
    #[must_use]
    pub fn of(text: &str) -> Self {
        let digest: [u8; 32] = Sha256::digest(text).into();
        Self(std::array::from_fn(|at| digest[at]))
    }

    /// The digest with these bytes, as one was stored.
    #[must_use]
    pub fn of_bytes(bytes: [u8; DIGEST_BYTES]) -> Self {
        Self(bytes)
    }

    /// Its bytes, to store.
    #[must_use]
    pub fn bytes(self) -> [u8; DIGEST_BYTES] {
        self.0
    }
}
