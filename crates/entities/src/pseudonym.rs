//! Pseudonyms: what stands for a user in every store, log and model.

use std::collections::BTreeMap;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::erasure::Receipt;
use crate::ids::{DomainId, Pseudonym, UserId};

/// Shortest key accepted, in bytes: the output size of SHA-256 (RFC 2104, section 3).
pub const MIN_KEY_BYTES: usize = 32;

/// Why a set of keys cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidKeys {
    /// A key is shorter than [`MIN_KEY_BYTES`].
    #[error("key version {version} has fewer than {MIN_KEY_BYTES} bytes")]
    TooShort {
        /// The version of the offending key.
        version: u32,
    },
    /// The current version has no key.
    #[error("there is no key for the current version {version}")]
    NoCurrent {
        /// The version named as current.
        version: u32,
    },
}

/// Derives pseudonyms: `v<version>_<base64url(HMAC-SHA256(key, tenant | domain | user id))>`.
///
/// Each part is preceded by its length, so no two different triples give the
/// same input. The key's version is part of the pseudonym, so a rotation can be
/// told from the stored text alone. HMAC: RFC 2104; base64url: RFC 4648.
#[derive(Clone)]
pub struct Pseudonymiser {
    tenant: Box<str>,
    current: u32,
    keys: BTreeMap<u32, Box<[u8]>>,
}

impl Pseudonymiser {
    /// Makes a pseudonymiser for a tenant from its keys by version.
    ///
    /// # Errors
    /// [`InvalidKeys`] when a key is too short or the current one is missing.
    pub fn new(
        tenant: &str,
        current: u32,
        keys: BTreeMap<u32, Box<[u8]>>,
    ) -> Result<Self, InvalidKeys> {
        if let Some((version, _)) = keys.iter().find(|(_, key)| key.len() < MIN_KEY_BYTES) {
            return Err(InvalidKeys::TooShort { version: *version });
        }
        if !keys.contains_key(&current) {
            return Err(InvalidKeys::NoCurrent { version: current });
        }
        Ok(Self { tenant: tenant.into(), current, keys })
    }

    /// The pseudonym of a domain's user under the current key.
    #[must_use]
    pub fn pseudonym(&self, domain: &DomainId, user: &UserId) -> Pseudonym {
        let key = &self.keys[&self.current];
        let parts = [self.tenant.as_bytes(), domain.as_str().as_bytes(), user.as_bytes()];
        let digest = hmac_sha256(key, &parts);
        let text = format!("v{}_{}", self.current, data_encoding::BASE64URL_NOPAD.encode(&digest));
        match Pseudonym::parse(&text) {
            Ok(pseudonym) => pseudonym,
            Err(_) => unreachable!("base64url text is a valid identifier"),
        }
    }
}

/// What receipts of erasures are signed under. No domain is called so either.
const RECEIPT_LABEL: &[u8] = b"#receipt";

impl Pseudonymiser {
    /// The signature of a receipt under the current key:
    /// `<key version>.<base64url(HMAC-SHA256(key, tenant | "#receipt" | text))>`. Whoever has
    /// the key can tell that it was made with it, and nobody else.
    #[must_use]
    pub fn sign_receipt(&self, receipt: &Receipt) -> String {
        let text = receipt.signed_text();
        let parts = [self.tenant.as_bytes(), RECEIPT_LABEL, text.as_bytes()];
        let digest = hmac_sha256(&self.keys[&self.current], &parts);
        format!("{}.{}", self.current, data_encoding::BASE64URL_NOPAD.encode(&digest))
    }

    /// Whether a receipt carries the signature that a key gives it, the current one or one of
    /// before. Takes the same time whatever is wrong with a signature.
    #[must_use]
    pub fn is_signed(&self, receipt: &Receipt, signature: &str) -> bool {
        let Some((version, digest)) = signature.split_once('.') else { return false };
        let key = version.parse().ok().and_then(|version: u32| self.keys.get(&version));
        let digest = data_encoding::BASE64URL_NOPAD.decode(digest.as_bytes());
        let (Some(key), Ok(digest)) = (key, digest) else { return false };
        let text = receipt.signed_text();
        let parts = [self.tenant.as_bytes(), RECEIPT_LABEL, text.as_bytes()];
        hmac_of(key, &parts).verify_slice(&digest).is_ok()
    }
}

/// What credentials are derived under. No domain is called so, and so no
/// pseudonym is ever a credential.
const CREDENTIAL_LABEL: &[u8] = b"#credential";

/// The secret part of a credential.
pub type CredentialSecret = [u8; 32];

impl Pseudonymiser {
    /// The secrets that the holder of `id` may have, under the current key first:
    /// `HMAC-SHA256(key, tenant | "#credential" | id)`. They need not be stored to
    /// be known again.
    #[must_use]
    pub fn credential_secrets(&self, id: &str) -> Vec<CredentialSecret> {
        let parts = [self.tenant.as_bytes(), CREDENTIAL_LABEL, id.as_bytes()];
        let others = self.keys.iter().filter(|(version, _)| **version != self.current);
        let current = &self.keys[&self.current];
        let keys = std::iter::once(current).chain(others.map(|(_, key)| key));
        keys.map(|key| hmac_sha256(key, &parts)).collect()
    }
}

impl std::fmt::Debug for Pseudonymiser {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Pseudonymiser(current: v{})", self.current)
    }
}

fn hmac_sha256(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    hmac_of(key, parts).finalize().into_bytes().into()
}

fn hmac_of(key: &[u8], parts: &[&[u8]]) -> Hmac<Sha256> {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else {
        unreachable!("HMAC accepts a key of any length");
    };
    for part in parts {
        mac.update(&(part.len() as u64).to_be_bytes());
        mac.update(part);
    }
    mac
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pseudonymiser(tenant: &str, key: u8) -> Pseudonymiser {
        let keys = BTreeMap::from([(1, vec![key; 32].into_boxed_slice())]);
        Pseudonymiser::new(tenant, 1, keys).unwrap()
    }

    #[test]
    fn a_short_or_missing_key_is_refused() {
        let short = BTreeMap::from([(1, vec![0; 31].into_boxed_slice())]);
        assert_eq!(
            Pseudonymiser::new("t", 1, short).unwrap_err(),
            InvalidKeys::TooShort { version: 1 }
        );
        let other = BTreeMap::from([(1, vec![0; 32].into_boxed_slice())]);
        assert_eq!(
            Pseudonymiser::new("t", 2, other).unwrap_err(),
            InvalidKeys::NoCurrent { version: 2 }
        );
    }

    proptest! {
        #[test]
        fn tenant_domain_key_and_user_each_change_the_pseudonym(user in "[a-z0-9@.]{1,40}") {
            let user = UserId::parse(&user).unwrap();
            let knowledge = DomainId::parse("knowledge").unwrap();
            let auto = DomainId::parse("auto-finance").unwrap();
            let base = pseudonymiser("a", 1).pseudonym(&knowledge, &user);
            prop_assert_eq!(&base, &pseudonymiser("a", 1).pseudonym(&knowledge, &user));
            prop_assert_ne!(&base, &pseudonymiser("a", 1).pseudonym(&auto, &user));
            prop_assert_ne!(&base, &pseudonymiser("b", 1).pseudonym(&knowledge, &user));
            prop_assert_ne!(&base, &pseudonymiser("a", 2).pseudonym(&knowledge, &user));
        }
    }

    #[test]
    fn a_credential_is_its_ids_own_and_stays_known_when_the_key_changes() {
        let before = pseudonymiser("a", 1).credential_secrets("k");
        assert_eq!(pseudonymiser("a", 1).credential_secrets("k"), before);
        for other in [
            pseudonymiser("a", 1).credential_secrets("l"),
            pseudonymiser("b", 1).credential_secrets("k"),
            pseudonymiser("a", 2).credential_secrets("k"),
        ] {
            assert_ne!(other, before);
        }
        let keys = BTreeMap::from([
            (1, vec![1; 32].into_boxed_slice()),
            (2, vec![2; 32].into_boxed_slice()),
        ]);
        let after = Pseudonymiser::new("a", 2, keys).unwrap().credential_secrets("k");
        assert_eq!((after.len(), after[1]), (2, before[0]));
    }

    #[test]
    fn parts_cannot_run_into_each_other() {
        assert_ne!(hmac_sha256(&[0; 32], &[b"ab", b"c"]), hmac_sha256(&[0; 32], &[b"a", b"bc"]));
    }

    #[test]
    fn a_receipt_is_signed_by_its_deployment_and_by_keys_of_before() {
        let receipt = Receipt {
            pseudonym: Pseudonym::parse("v1_u").unwrap(),
            domain: DomainId::parse("films").unwrap(),
            requested_at: jiff::Timestamp::UNIX_EPOCH,
            finished_at: jiff::Timestamp::UNIX_EPOCH,
            deleted: [(crate::erasure::Place::Events, 3)].into(),
            unreadable_files: 0,
        };
        let before = pseudonymiser("t", 1);
        let signature = before.sign_receipt(&receipt);
        let keys = [1, 2].map(|key| (u32::from(key), vec![key; 32].into_boxed_slice()));
        let rotated = Pseudonymiser::new("t", 2, keys.into()).unwrap();
        for keys in [&before, &rotated] {
            assert!(keys.is_signed(&receipt, &signature));
        }
        assert_ne!(rotated.sign_receipt(&receipt), signature);
        for other in [pseudonymiser("other", 1), pseudonymiser("t", 2)] {
            assert!(!other.is_signed(&receipt, &signature));
        }
        let changed =
            Receipt { deleted: [(crate::erasure::Place::Events, 4)].into(), ..receipt.clone() };
        assert!(!before.is_signed(&changed, &signature));
        for forged in ["", "1.", "1.AAAA", "2", "9.AAAA", "x.y"] {
            assert!(!before.is_signed(&receipt, forged), "{forged}");
        }
    }
}
