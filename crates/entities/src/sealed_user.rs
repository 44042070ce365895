//! A user's own id, sealed: readable with the tenant's keys alone.
//!
//! Stores know people by pseudonyms, which nobody can take back. Who is to be told of something
//! must be named to their platform, so while that is due their id is kept, sealed by
//! XChaCha20-Poly1305 (RFC 8439; draft-irtf-cfrg-xchacha) under a key of its own, derived from
//! the tenant's. What it is sealed for is authenticated with it: moved elsewhere, it does not open.

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::ids::UserId;
use crate::pseudonym::Pseudonymiser;

/// Bytes of a nonce.
const NONCE_BYTES: usize = 24;

/// A user's id that only who has the tenant's keys can read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SealedUser(String);

impl Pseudonymiser {
    /// Seals a user's id for one purpose alone: a text that is unique to the user, and sealed for
    /// nobody else. The same is sealed the same, so no nonce is ever used for two texts.
    #[must_use]
    pub fn seal(&self, user: &UserId, purpose: &str) -> SealedUser {
        let (version, key) = self.sealing_key();
        let sealed = sealed((&key, &nonce(purpose)), user.as_bytes(), purpose);
        let sealed = data_encoding::BASE64URL_NOPAD.encode(&sealed);
        SealedUser(format!("{version}.{sealed}"))
    }

    /// The id that was sealed for a purpose; `None` where it was sealed for another, or under a
    /// key that is gone.
    #[must_use]
    pub fn open(&self, SealedUser(text): &SealedUser, purpose: &str) -> Option<UserId> {
        let (version, sealed) = text.split_once('.')?;
        let key = self.opening_key(version.parse().ok()?)?;
        let sealed = data_encoding::BASE64URL_NOPAD.decode(sealed.as_bytes()).ok()?;
        let payload = Payload { msg: &sealed, aad: purpose.as_bytes() };
        let opened = cipher(&key).decrypt(&XNonce::from(nonce(purpose)), payload).ok()?;
        UserId::parse(std::str::from_utf8(&opened).ok()?).ok()
    }
}

fn cipher(key: &[u8; 32]) -> XChaCha20Poly1305 {
    XChaCha20Poly1305::new(&Key::from(*key))
}

fn sealed((key, nonce): (&[u8; 32], &[u8; NONCE_BYTES]), text: &[u8], purpose: &str) -> Vec<u8> {
    let payload = Payload { msg: text, aad: purpose.as_bytes() };
    let Ok(sealed) = cipher(key).encrypt(&XNonce::from(*nonce), payload) else {
        unreachable!("an id is shorter than the 256 GB that the cipher takes");
    };
    sealed
}

/// One nonce for each purpose: a text is sealed for it once, or again the same.
fn nonce(purpose: &str) -> [u8; NONCE_BYTES] {
    let digest: [u8; 32] = Sha256::digest(purpose).into();
    std::array::from_fn(|at| digest[at])
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn keys(current: u32, versions: &[(u32, u8)]) -> Pseudonymiser {
        let keys: BTreeMap<u32, Box<[u8]>> = versions
            .iter()
            .map(|(version, byte)| (*version, vec![*byte; 32].into_boxed_slice()))
            .collect();
        Pseudonymiser::new("t", current, keys).unwrap()
    }

    proptest! {
        #[test]
        fn what_is_sealed_opens_for_its_purpose_and_under_its_keys_alone(
            user in "[a-z0-9@.\u{4e00}-\u{4e20}]{1,40}", purpose in "[a-z0-9]{1,30}",
        ) {
            let user = UserId::parse(&user).unwrap();
            let sealed = keys(1, &[(1, 7)]).seal(&user, &purpose);
            prop_assert!(!sealed.0.contains(std::str::from_utf8(user.as_bytes()).unwrap())
                || user.as_bytes().len() < 4);
            prop_assert_eq!(keys(1, &[(1, 7)]).open(&sealed, &purpose), Some(user.clone()));
            // After a rotation as well.
            prop_assert_eq!(keys(2, &[(1, 7), (2, 8)]).open(&sealed, &purpose), Some(user));
            prop_assert_eq!(keys(1, &[(1, 8)]).open(&sealed, &purpose), None);
            prop_assert_eq!(keys(1, &[(1, 7)]).open(&sealed, &format!("{purpose}x")), None);
        }
    }

    #[test]
    fn what_is_no_seal_opens_to_nothing() {
        for text in ["", "1", "1.", "1.AAAA", "x.AAAA", "9.AAAA", "1.***"] {
            assert_eq!(keys(1, &[(1, 7)]).open(&SealedUser(text.into()), "p"), None, "{text}");
        }
    }

    /// draft-irtf-cfrg-xchacha-03, appendix A.3.1.
    #[test]
    fn the_cipher_is_the_published_one() {
        let hex = |text: &str| data_encoding::HEXLOWER.decode(text.as_bytes()).unwrap();
        let key: [u8; 32] = std::array::from_fn(|at| 0x80 + at as u8);
        let nonce: [u8; 24] = std::array::from_fn(|at| 0x40 + at as u8);
        let text = b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip \
            for the future, sunscreen would be it.";
        let aad = hex("50515253c0c1c2c3c4c5c6c7");
        let payload = Payload { msg: text, aad: &aad };
        let sealed = cipher(&key).encrypt(&XNonce::from(nonce), payload).unwrap();
        assert_eq!(sealed[..16], hex("bd6d179d3e83d43b9576579493c0e939"));
        assert_eq!(sealed[sealed.len() - 16..], hex("c0875924c1c7987947deafd8780acf49"));
    }
}
