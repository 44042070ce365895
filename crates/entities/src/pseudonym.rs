//! Pseudonyms: what stands for a user in every store, log and model.

use std::collections::{BTreeMap, BTreeSet};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::erasure::Receipt;
use crate::ids::{DomainId, OtherForms, Pseudonym, UserId};

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
    /// A retired version has no key.
    #[error(
        "there is no key for the retired version {version}: it must stay, for those of later \
         versions build on it"
    )]
    NoRetired {
        /// The version named as retired.
        version: u32,
    },
    /// A retired version is the current one or a later one.
    #[error("version {version} cannot be retired: it is not below the current one")]
    RetiredInUse {
        /// The version named as retired.
        version: u32,
    },
}

/// Derives pseudonyms, by a chain of keys.
///
/// | version | pseudonym |
/// | --- | --- |
/// | the lowest | `v<version>_<base64url(HMAC-SHA256(key, tenant \| domain \| user id))>` |
/// | each later one | `v<version>_<base64url(HMAC-SHA256(key, "#rekeyed" \| the one before))>` |
///
/// Each part is preceded by its length, so no two different lists of parts give the
/// same input. The key's version is part of the pseudonym, so a rotation can be
/// told from the stored text alone. HMAC: RFC 2104; base64url: RFC 4648.
///
/// Who has the keys can take any pseudonym forward without the user's id, and so what is
/// stored is re-keyed in the background, also of users who never come again. Nobody can
/// take one back. A key that leaked tells who is behind pseudonyms of its version, and
/// nothing of those that a later key made of them.
///
/// The form of the newest version is canonical, whether or not that version is the current
/// one. `current` says what new records are written under: a new key is first made known
/// to every process and then made current, so that none writes what another cannot find.
/// Versions below the newest are looked up, but for those that are retired, of which
/// nothing is stored; their keys remain steps of the chain.
#[derive(Clone)]
pub struct Pseudonymiser {
    tenant: Box<str>,
    current: u32,
    keys: BTreeMap<u32, Box<[u8]>>,
    retired: BTreeSet<u32>,
}

/// What a later version's pseudonym is derived under. No tenant's user is called so: the
/// lowest version's input has three parts.
const REKEYED_LABEL: &[u8] = b"#rekeyed";
/// What tells a key without showing it is derived under.
const FINGERPRINT_LABEL: &[u8] = b"#fingerprint";
/// Bytes of a fingerprint: two keys of one version are told apart, and no more.
const FINGERPRINT_BYTES: usize = 16;

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
        Ok(Self { tenant: tenant.into(), current, keys, retired: BTreeSet::new() })
    }

    /// The same without looking up these versions.
    ///
    /// # Errors
    /// [`InvalidKeys`] when one of them has no key, or is not below the current one.
    pub fn with_retired(self, retired: BTreeSet<u32>) -> Result<Self, InvalidKeys> {
        for &version in &retired {
            if !self.keys.contains_key(&version) {
                return Err(InvalidKeys::NoRetired { version });
            }
            if version >= self.current {
                return Err(InvalidKeys::RetiredInUse { version });
            }
        }
        Ok(Self { retired, ..self })
    }

    /// The pseudonym of a domain's user, with the forms of earlier versions.
    #[must_use]
    pub fn pseudonym(&self, domain: &DomainId, user: &UserId) -> Pseudonym {
        let Some((version, key)) = self.keys.first_key_value() else {
            unreachable!("the current version has a key");
        };
        let parts = [self.tenant.as_bytes(), domain.as_str().as_bytes(), user.as_bytes()];
        self.taken_forward(*version, Pseudonym::of_digest(*version, &hmac_sha256(key, &parts)))
    }

    /// The canonical form of a pseudonym of whatever version, in the same life. One that no
    /// key here is for stays as it is.
    #[must_use]
    pub fn forward(&self, pseudonym: &Pseudonym) -> Pseudonym {
        match pseudonym.key_version() {
            Some(version) if version < self.newest() && self.keys.contains_key(&version) => {
                self.taken_forward(version, pseudonym.own()).in_life(pseudonym.life())
            }
            _ => pseudonym.clone(),
        }
    }

    fn taken_forward(&self, version: u32, own: Pseudonym) -> Pseudonym {
        let (mut others, mut own) = (OtherForms { earlier: Vec::new(), written: None }, own);
        let mut of_version = version;
        for (&next, key) in self.keys.range(version..).skip(1) {
            if !self.retired.contains(&of_version) {
                if of_version == self.current {
                    others.written = Some(others.earlier.len());
                }
                others.earlier.push(own.as_str().into());
            }
            let parts = [REKEYED_LABEL, own.as_str().as_bytes()];
            own = Pseudonym::of_digest(next, &hmac_sha256(key, &parts));
            of_version = next;
        }
        own.with_others(others)
    }

    /// The newest version, whose form is canonical.
    #[must_use]
    pub fn newest(&self) -> u32 {
        self.keys.last_key_value().map_or(self.current, |(version, _)| *version)
    }

    /// The version that new records are written under.
    #[must_use]
    pub fn current(&self) -> u32 {
        self.current
    }

    /// The versions that have a key.
    pub fn versions(&self) -> impl Iterator<Item = u32> + '_ {
        self.keys.keys().copied()
    }

    /// Whether a version is retired.
    #[must_use]
    pub fn is_retired(&self, version: u32) -> bool {
        self.retired.contains(&version)
    }

    /// How many forms of a user are looked up: one unless keys rotate.
    #[must_use]
    pub fn looked_up(&self) -> usize {
        self.keys.len() - self.retired.len()
    }

    /// The versions that are looked up by which a user is not found from this pseudonym alone.
    /// Nobody can take one back: who read a later form somewhere does not know the earlier
    /// ones, under which something of the user may still be stored.
    #[must_use]
    pub fn not_found_from(&self, pseudonym: &Pseudonym) -> BTreeSet<u32> {
        let canonical = self.forward(pseudonym);
        let found: BTreeSet<u32> =
            canonical.forms().filter_map(|form| form.key_version()).collect();
        let earlier = self.keys.keys().filter(|version| **version < self.newest());
        let looked_up = earlier.filter(|version| !self.retired.contains(*version));
        looked_up.copied().filter(|version| !found.contains(version)).collect()
    }

    /// Whether a pseudonym is of an earlier version than the newest, and can be taken forward.
    #[must_use]
    pub fn is_earlier(&self, pseudonym: &Pseudonym) -> bool {
        let version = pseudonym.key_version();
        version.is_some_and(|version| version < self.newest() && self.keys.contains_key(&version))
    }

    /// What tells whether a version's key, or the tenant, is another than it was, without
    /// telling either; `None` when the version has no key.
    #[must_use]
    pub fn fingerprint(&self, version: u32) -> Option<String> {
        let parts = [self.tenant.as_bytes(), FINGERPRINT_LABEL];
        let digest = hmac_sha256(self.keys.get(&version)?, &parts);
        Some(data_encoding::BASE64URL_NOPAD.encode(&digest[..FINGERPRINT_BYTES]))
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

/// What the key that ids are sealed with is derived under. No domain is called so either.
const SEALING_LABEL: &[u8] = b"#sealing";

impl Pseudonymiser {
    /// The key that ids are sealed with now, `HMAC-SHA256(key, tenant | "#sealing")` of the current
    /// version, and the version.
    pub(crate) fn sealing_key(&self) -> (u32, [u8; 32]) {
        (self.current, self.sealing_key_of(&self.keys[&self.current]))
    }

    /// The key that ids were sealed with under a version; `None` when that has no key.
    pub(crate) fn opening_key(&self, version: u32) -> Option<[u8; 32]> {
        Some(self.sealing_key_of(self.keys.get(&version)?))
    }

    fn sealing_key_of(&self, key: &[u8]) -> [u8; 32] {
        hmac_sha256(key, &[self.tenant.as_bytes(), SEALING_LABEL])
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

    fn keys(versions: &[u32]) -> BTreeMap<u32, Box<[u8]>> {
        let key = |version: u32| vec![u8::try_from(version).unwrap(); 32].into_boxed_slice();
        versions.iter().map(|version| (*version, key(*version))).collect()
    }

    fn of(current: u32, versions: &[u32], retired: &[u32]) -> Pseudonymiser {
        let made = Pseudonymiser::new("t", current, keys(versions)).unwrap();
        made.with_retired(retired.iter().copied().collect()).unwrap()
    }

    fn alice(keys: &Pseudonymiser) -> Pseudonym {
        let domain = DomainId::parse("knowledge").unwrap();
        keys.pseudonym(&domain, &UserId::parse("alice").unwrap())
    }

    fn texts(forms: impl Iterator<Item = Pseudonym>) -> Vec<String> {
        forms.map(|form| form.to_string()).collect()
    }

    #[test]
    fn every_form_of_before_a_rotation_is_known_after_it_and_leads_to_the_newest() {
        let (first, second) = (alice(&of(1, &[1], &[])), alice(&of(2, &[1, 2], &[])));
        let rotated = of(3, &[1, 2, 3], &[]);
        let third = alice(&rotated);
        let all = texts([first.clone(), second.clone(), third.clone()].into_iter());
        assert_eq!(texts(third.forms()), all);
        for earlier in [first, second, third.clone()] {
            // Read from somewhere, it has no other forms by itself.
            let read = Pseudonym::parse(earlier.in_life(4).as_str()).unwrap();
            let forward = rotated.forward(&read);
            assert_eq!(forward, third.in_life(4));
            let from = all.iter().position(|form| form == earlier.as_str()).unwrap();
            assert_eq!(texts(forward.own().forms()), all[from..]);
            assert_eq!(rotated.is_earlier(&read), earlier != third);
        }
    }

    #[test]
    fn new_records_are_written_under_the_current_version_whatever_is_newest() {
        let announced = alice(&of(1, &[1, 2], &[]));
        let current = alice(&of(2, &[1, 2], &[]));
        assert_eq!(announced, current);
        assert_eq!(announced.written_form(), alice(&of(1, &[1], &[])));
        assert_eq!(current.written_form(), current);
    }

    #[test]
    fn a_retired_version_is_a_step_of_the_chain_and_no_form() {
        let (before, after) = (of(3, &[1, 2, 3], &[]), of(3, &[1, 2, 3], &[1]));
        assert_eq!(alice(&after), alice(&before));
        assert_eq!(texts(alice(&after).forms()), texts(alice(&before).forms())[1..]);
        let first = Pseudonym::parse(alice(&of(1, &[1], &[])).as_str()).unwrap();
        assert_eq!(after.forward(&first), alice(&after));
        let made = || Pseudonymiser::new("t", 2, keys(&[1, 2, 3])).unwrap();
        let refused = |version| made().with_retired([version].into()).unwrap_err();
        assert_eq!(refused(9), InvalidKeys::NoRetired { version: 9 });
        for version in [2, 3] {
            assert_eq!(refused(version), InvalidKeys::RetiredInUse { version });
        }
    }

    #[test]
    fn from_a_later_form_alone_a_user_is_not_found_by_earlier_versions() {
        let [first, second, third] =
            [1, 2, 3].map(|newest| alice(&of(newest, &[1, 2, 3][..newest as usize], &[])));
        let rotated = of(3, &[1, 2, 3], &[]);
        let read = |user: &Pseudonym| Pseudonym::parse(user.in_life(2).as_str()).unwrap();
        for (user, not_found) in [(&first, vec![]), (&second, vec![1]), (&third, vec![1, 2])] {
            assert_eq!(rotated.not_found_from(&read(user)), not_found.into_iter().collect());
        }
        assert!(rotated.not_found_from(&third).is_empty(), "with all its forms");
        assert_eq!(of(3, &[1, 2, 3], &[1]).not_found_from(&read(&third)), [2].into());
        assert!(of(3, &[1, 2, 3], &[1, 2]).not_found_from(&read(&third)).is_empty());
        assert!(of(1, &[1], &[]).not_found_from(&read(&first)).is_empty());
    }

    #[test]
    fn a_pseudonym_that_no_key_is_for_stays_as_it_is() {
        let keys = of(2, &[1, 2], &[]);
        for text in ["u", "v2_u", "v3_u~1", "v0_u"] {
            let read = Pseudonym::parse(text).unwrap();
            assert_eq!(keys.forward(&read).as_str(), text);
            assert!(!keys.is_earlier(&read));
        }
    }

    #[test]
    fn a_fingerprint_tells_a_change_of_key_or_tenant() {
        let fingerprint = |tenant, key| pseudonymiser(tenant, key).fingerprint(1).unwrap();
        assert_eq!(fingerprint("a", 1), fingerprint("a", 1));
        assert_ne!(fingerprint("a", 1), fingerprint("a", 2));
        assert_ne!(fingerprint("a", 1), fingerprint("b", 1));
        assert_eq!(pseudonymiser("a", 1).fingerprint(2), None);
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
