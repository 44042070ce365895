//! Write keys: credentials of senders that cannot hold a token, such as the
//! SDKs of Segment, RudderStack and Amazon Personalize.
//!
//! A key is an id, which is no secret, and a secret. The secret is derived from
//! the tenant's key and the id (`entities::pseudonym`), so that a forged one is
//! told without asking a store, and a signature can be verified though no secret
//! is stored: the record has its SHA-256. The record says for which domain and
//! scopes the key stands, and is asked for at every request, so that a key that
//! is revoked stops at once, and so does that of a domain which is deleted: two consistent
//! reads each. A key that was being made while its domain was deleted is none of the next
//! domain of that name, for that leads another life.

pub(crate) mod holder;
pub(crate) mod routes;
mod signature;

use crossfold_core::entities::ids::{DomainId, KeyId};
use crossfold_core::entities::pseudonym::CredentialSecret;
use crossfold_core::entities::records::{Record, RecordKind};
use crossfold_edge::caller::Scope;
use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// What a key may be good for: writing, and no more.
const GRANTABLE: [Scope; 3] = [Scope::EventsWrite, Scope::CatalogWrite, Scope::UsersWrite];

/// A key as it is stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct WriteKey {
    domain: DomainId,
    /// The life of the domain that it was made in: it stands for no other one.
    #[serde(default)]
    life: u64,
    /// What its owner calls it.
    name: String,
    /// Names of scopes.
    scopes: Vec<String>,
    created_at: Timestamp,
    /// The SHA-256 of the secret, in hexadecimal digits.
    secret_sha256: String,
}

impl Record for WriteKey {
    const KIND: RecordKind = "write-key";
    type Id = KeyId;
}

impl WriteKey {
    /// Whether a secret is this key's. Both are of our own making by now: what
    /// a caller sent was compared in constant time before.
    fn is_of(&self, secret: &CredentialSecret) -> bool {
        self.secret_sha256 == sha256(secret)
    }

    fn granted(&self) -> impl Iterator<Item = Scope> {
        let scopes = self.scopes.iter().filter_map(|name| Scope::parse(name));
        scopes.filter(|scope| GRANTABLE.contains(scope))
    }
}

fn sha256(secret: &CredentialSecret) -> String {
    HEXLOWER.encode(&Sha256::digest(secret_text(secret).as_bytes()))
}

/// A secret as its holder writes it.
fn secret_text(secret: &CredentialSecret) -> String {
    BASE64URL_NOPAD.encode(secret)
}
