//! Who holds the key that a request carries.
//!
//! | how it is carried | what is proven |
//! | --- | --- |
//! | `Authorization: Basic base64(<write key>:)` | that the sender has the key |
//! | `Authorization: Bearer <write key>` | the same |
//! | `writeKey` in the body, where no header is sent | the same |
//! | `Authorization: AWS4-HMAC-SHA256 …` | that the sender has the key, and sent this method, address and body within a quarter of an hour |
//!
//! A development server also takes a domain's name in the place of a key, and
//! proves nothing then: whoever reaches it may do anything.

use crossfold_core::entities::ids::{DomainId, KeyId};
use crossfold_core::entities::ports::NoDefinition;
use crossfold_core::entities::pseudonym::CredentialSecret;
use crossfold_edge::caller::Caller;
use crossfold_edge::problem::Problem;
use crossfold_storage::records;
use data_encoding::BASE64;
use lambda_http::http::{HeaderMap, Method, StatusCode, Uri, header};
use subtle::ConstantTimeEq;

use super::signature::{self, SignedRequest};
use super::{WriteKey, secret_text};
use crate::domain_deletion::current_life;
use crate::state::IngestState;

/// Who sent a request, and the one domain that they act for.
pub(crate) struct Holder {
    pub(crate) domain: DomainId,
    pub(crate) caller: Caller,
}

/// The holder of the write key in a request's headers, or else in its body.
///
/// # Errors
/// When there is no key, or none that is known.
pub(crate) async fn by_write_key(
    state: &IngestState,
    headers: &HeaderMap,
    in_body: Option<&str>,
) -> Result<Holder, Problem> {
    let in_header = headers.get(header::AUTHORIZATION).map(|value| value.to_str());
    let key = match in_header {
        Some(value) => value.ok().and_then(carried).ok_or_else(unauthenticated)?,
        None => in_body.ok_or_else(unauthenticated)?.to_owned(),
    };
    if let Some(holder) = in_development(state, &key).await? {
        return Ok(holder);
    }
    let (id, secret) = key.split_once('.').ok_or_else(unauthenticated)?;
    let id = KeyId::parse(id).map_err(|_| unauthenticated())?;
    let is_sent = |own: &CredentialSecret| -> bool {
        secret_text(own).as_bytes().ct_eq(secret.as_bytes()).into()
    };
    holder_of(state, &id, is_sent).await
}

/// The key in an `Authorization` header.
fn carried(value: &str) -> Option<String> {
    let (scheme, rest) = value.split_once(' ')?;
    match scheme.to_ascii_lowercase().as_str() {
        "bearer" => Some(rest.trim().to_owned()),
        "basic" => {
            let text = String::from_utf8(BASE64.decode(rest.trim().as_bytes()).ok()?).ok()?;
            Some(text.split(':').next().unwrap_or_default().to_owned())
        }
        _ => None,
    }
}

/// The parts of a request that a signature covers.
pub(crate) struct Signable<'a> {
    pub(crate) method: &'a Method,
    pub(crate) uri: &'a Uri,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) body: &'a [u8],
}

/// The holder of the key that a request is signed with.
///
/// # Errors
/// When it is not signed, not by a known key, or the signature is not right.
pub(crate) async fn by_signature(
    state: &IngestState,
    request: &Signable<'_>,
) -> Result<Holder, Problem> {
    let signed = SignedRequest::read(request).map_err(refused)?;
    if let Some(holder) = in_development(state, signed.access_key_id()).await? {
        return Ok(holder);
    }
    let id = KeyId::parse(signed.access_key_id()).map_err(|_| unauthenticated())?;
    signed.check_time(state.machine.clock.now()).map_err(refused)?;
    let is_signer =
        |own: &CredentialSecret| signed.is_signed_with(request, &secret_text(own)).unwrap_or(false);
    holder_of(state, &id, is_signer).await
}

/// The holder of a key whose secret one of those that can be derived is.
async fn holder_of(
    state: &IngestState,
    id: &KeyId,
    is_right: impl Fn(&CredentialSecret) -> bool,
) -> Result<Holder, Problem> {
    let secrets = state.pseudonymiser.credential_secrets(id.as_str());
    let secret = secrets.into_iter().find(is_right).ok_or_else(unauthenticated)?;
    let key = records::get::<WriteKey>(&*state.stores.records, id).await?;
    let key = key.filter(|key| key.is_of(&secret)).ok_or_else(unauthenticated)?;
    if current_life(state, &key.domain).await? != Some(key.life) {
        return Err(unauthenticated());
    }
    let caller = Caller::with([key.domain.clone()], key.granted());
    Ok(Holder { domain: key.domain, caller })
}

/// On a development server, a domain's name stands for a key of it.
async fn in_development(state: &IngestState, key: &str) -> Result<Option<Holder>, Problem> {
    let Ok(domain) = DomainId::parse(key) else { return Ok(None) };
    if !state.takes_names_for_keys {
        return Ok(None);
    }
    match state.definitions.domain(&domain).await {
        Err(NoDefinition::Unknown(_)) => return Err(unauthenticated()),
        found => drop(found?),
    }
    Ok(Some(Holder { domain, caller: Caller::development() }))
}

fn unauthenticated() -> Problem {
    let detail = "the request carries no write key that is known";
    Problem::new(StatusCode::UNAUTHORIZED, "unauthenticated", detail)
}

fn refused(error: signature::InvalidSignature) -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, "invalid_signature", error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_from_basic_and_bearer_headers() {
        let basic = |text: &str| format!("Basic {}", BASE64.encode(text.as_bytes()));
        for (header, key) in [
            (basic("CF1.s:"), Some("CF1.s")),
            (basic("CF1.s:password"), Some("CF1.s")),
            (basic("CF1.s"), Some("CF1.s")),
            ("Bearer CF1.s".into(), Some("CF1.s")),
            ("bearer  CF1.s ".into(), Some("CF1.s")),
            ("Basic ???".into(), None),
            ("CF1.s".into(), None),
            ("Digest CF1.s".into(), None),
        ] {
            assert_eq!(carried(&header).as_deref(), key, "{header}");
        }
    }
}
