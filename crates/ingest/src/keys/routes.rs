//! `/v1/domains/{domain}/keys`: making, listing and revoking keys.

use axum::Json as JsonResponse;
use axum::extract::State;
use crossfold_core::entities::event::to_millisecond;
use crossfold_core::entities::ids::{DomainId, KeyId};
use crossfold_core::entities::plain_text::is_one_line;
use crossfold_core::entities::ports::Appended;
use crossfold_core::entities::text_length::exceeds;
use crossfold_edge::caller::{Caller, Scope};
use crossfold_edge::extract::{Json, Path};
use crossfold_edge::problem::Problem;
use crossfold_storage::records;
use jiff::Timestamp;
use lambda_http::http::StatusCode;
use serde::{Deserialize, Serialize};

use super::{GRANTABLE, WriteKey, secret_text, sha256};
use crate::domain_deletion::defined_life;
use crate::state::IngestState;

/// Most keys of one domain: a sender has one, and two while it changes them.
pub const MAX_KEYS: usize = 50;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewKey {
    name: String,
    #[serde(default = "events_alone")]
    scopes: Vec<String>,
}

fn events_alone() -> Vec<String> {
    vec![Scope::EventsWrite.as_str().to_owned()]
}

/// A key as it is listed.
#[derive(Serialize)]
pub(crate) struct KeyView {
    id: KeyId,
    domain: DomainId,
    name: String,
    scopes: Vec<String>,
    created_at: Timestamp,
}

impl KeyView {
    fn new(id: KeyId, key: WriteKey) -> Self {
        let WriteKey { domain, name, scopes, created_at, .. } = key;
        Self { id, domain, name, scopes, created_at }
    }
}

/// A key with its secret, which is shown this once.
#[derive(Serialize)]
pub(crate) struct MadeKey {
    #[serde(flatten)]
    key: KeyView,
    /// For Basic and Bearer authorization.
    write_key: String,
    /// For requests that are signed as AWS does.
    access_key_id: KeyId,
    secret_access_key: String,
}

#[derive(Serialize)]
pub(crate) struct KeyList {
    keys: Vec<KeyView>,
}

/// Makes a key for a domain. Nobody can grant what they do not have.
pub(crate) async fn post_key(
    State(state): State<IngestState>,
    caller: Caller,
    Path(domain): Path<DomainId>,
    Json(posted): Json<NewKey>,
) -> Result<(StatusCode, JsonResponse<MadeKey>), Problem> {
    caller.require(Scope::DomainsWrite, &domain)?;
    let scopes = parse_scopes(&posted.scopes)?;
    for scope in &scopes {
        caller.require(*scope, &domain)?;
    }
    if posted.name.trim().is_empty() || exceeds(&posted.name, 200) || !is_one_line(&posted.name) {
        let detail = "name must be 1 to 200 characters, none of them a control character";
        return Err(Problem::invalid(detail));
    }
    let life = defined_life(&state, &domain).await?;
    if of_domain(&state, &domain, life).await?.len() >= MAX_KEYS {
        let detail = format!("{domain} has {MAX_KEYS} keys already; revoke one first");
        return Err(Problem::new(StatusCode::CONFLICT, "too_many_keys", detail));
    }
    let id = KeyId::from(state.machine.ids.fresh());
    let [secret, ..] = state.pseudonymiser.credential_secrets(id.as_str())[..] else {
        return Err(Problem::conflict("there is no key to derive a secret from"));
    };
    let key = WriteKey {
        domain,
        life,
        name: posted.name,
        scopes: scopes.iter().map(|scope| scope.as_str().to_owned()).collect(),
        created_at: to_millisecond(state.machine.clock.now()),
        secret_sha256: sha256(&secret),
    };
    if records::create(&*state.stores.records, &id, &key).await? == Appended::Duplicate {
        return Err(Problem::conflict("the key's id is taken; try again"));
    }
    let made = MadeKey {
        write_key: format!("{id}.{}", secret_text(&secret)),
        access_key_id: id.clone(),
        secret_access_key: secret_text(&secret),
        key: KeyView::new(id, key),
    };
    Ok((StatusCode::CREATED, JsonResponse(made)))
}

/// Scopes that keys may have, each once, in the order of their names.
fn parse_scopes(names: &[String]) -> Result<Vec<Scope>, Problem> {
    let allowed = GRANTABLE.map(Scope::as_str);
    let unknown = names.iter().find(|name| !allowed.contains(&name.as_str()));
    if names.is_empty() || names.len() > GRANTABLE.len() || unknown.is_some() {
        return Err(Problem::invalid(format!("scopes must be some of {}", allowed.join(", "))));
    }
    Ok(GRANTABLE.into_iter().filter(|scope| names.iter().any(|n| n == scope.as_str())).collect())
}

/// The keys of a life of a domain.
async fn of_domain(
    state: &IngestState,
    domain: &DomainId,
    life: u64,
) -> Result<Vec<(KeyId, WriteKey)>, Problem> {
    let all = records::list::<WriteKey>(&*state.stores.records).await?;
    Ok(all.into_iter().filter(|(_, key)| key.domain == *domain && key.life == life).collect())
}

/// The keys of a domain, the oldest first, without their secrets.
pub(crate) async fn get_keys(
    State(state): State<IngestState>,
    caller: Caller,
    Path(domain): Path<DomainId>,
) -> Result<JsonResponse<KeyList>, Problem> {
    caller.require(Scope::DomainsWrite, &domain)?;
    let life = defined_life(&state, &domain).await?;
    let keys = of_domain(&state, &domain, life).await?;
    let keys = keys.into_iter().map(|(id, key)| KeyView::new(id, key)).collect();
    Ok(JsonResponse(KeyList { keys }))
}

/// Revokes a key: from the next request, it is none.
pub(crate) async fn delete_key(
    State(state): State<IngestState>,
    caller: Caller,
    Path((domain, id)): Path<(DomainId, KeyId)>,
) -> Result<StatusCode, Problem> {
    caller.require(Scope::DomainsWrite, &domain)?;
    let found = records::get::<WriteKey>(&*state.stores.records, &id).await?;
    if found.is_none_or(|key| key.domain != domain) {
        let detail = format!("{domain} has no such key");
        return Err(Problem::new(StatusCode::NOT_FOUND, "unknown_key", detail));
    }
    records::delete::<WriteKey>(&*state.stores.records, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Revokes every key of a domain, and says how many there were.
pub(crate) async fn revoke_all(state: &IngestState, domain: &DomainId) -> Result<u64, Problem> {
    let all = records::list::<WriteKey>(&*state.stores.records).await?;
    let mut revoked = 0;
    for (id, _) in all.iter().filter(|(_, key)| key.domain == *domain) {
        records::delete::<WriteKey>(&*state.stores.records, id).await?;
        revoked += 1;
    }
    Ok(revoked)
}
