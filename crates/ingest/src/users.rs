//! `/v1/users/{user}`: registration, consents, links, erasure.
//!
//! Every change is one conditional transaction on a person's entry; when
//! someone else wrote first, it is read and tried again.

use std::collections::BTreeMap;

use axum::Json as JsonResponse;
use axum::extract::State;
use crossfold_core::entities::consent::ConsentDecision;
use crossfold_core::entities::ids::{DomainId, Pseudonym};
use crossfold_core::entities::people::{PeopleEntry, PeopleWrite, Person};
use crossfold_core::entities::plain_text::{is_one_line, is_visible};
use crossfold_core::entities::plausible_time::{self, is_plausible};
use crossfold_core::entities::ports::Committed;
use crossfold_core::entities::purpose::Purpose;
use crossfold_core::entities::text_length::exceeds;
use crossfold_edge::batch;
use crossfold_edge::caller::{Caller, Scope};
use crossfold_edge::extract::{Json, Path, Query};
use crossfold_edge::problem::Problem;
use crossfold_storage::person_lookup::{Found, StoredPerson, find};
use jiff::Timestamp;
use lambda_http::http::StatusCode;
use serde::{Deserialize, Serialize};

use crate::routes::OfDomain;
use crate::state::IngestState;

/// How often a change that lost a race is tried again.
const MAX_TRIES: usize = 8;
/// Most consents in one call.
pub const MAX_CONSENTS: usize = 100;

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(crate) struct UserBody {
    #[serde(default)]
    declared: BTreeMap<String, String>,
}

#[derive(Serialize)]
pub(crate) struct UserView {
    domain: DomainId,
    declared: BTreeMap<String, String>,
    linked_domains: Vec<DomainId>,
    consents: Vec<ConsentDecision>,
}

/// What a caller may see of a person: their own user, and what concerns domains
/// they act for.
fn view(caller: &Caller, stored: &StoredPerson, user: &Pseudonym, domain: DomainId) -> UserView {
    let members = &stored.person.members;
    let own = members.iter().find(|member| member.user == *user);
    UserView {
        declared: own.map(|member| member.declared.clone()).unwrap_or_default(),
        linked_domains: members
            .iter()
            .filter(|member| member.user != *user && caller.acts_for(&member.domain))
            .map(|member| member.domain.clone())
            .collect(),
        consents: stored
            .person
            .consents
            .decisions()
            .filter(|decision| caller.acts_for(&decision.from))
            .cloned()
            .collect(),
        domain,
    }
}

pub(crate) async fn put_user(
    State(state): State<IngestState>,
    caller: Caller,
    Path(user): Path<String>,
    Query(of): Query<OfDomain>,
    Json(body): Json<UserBody>,
) -> Result<JsonResponse<UserView>, Problem> {
    caller.require(Scope::UsersWrite, &of.domain)?;
    state.definitions.domain(&of.domain).await?;
    check_declared(&body.declared)?;
    let user = state.pseudonym(&of.domain, &user)?;
    for _ in 0..MAX_TRIES {
        let (mut stored, expected) = find_or_new(&state, &user, &of.domain).await?;
        if let Some(member) = stored.person.member_mut(&user) {
            member.declared.clone_from(&body.declared);
        }
        let write = replace(stored.clone(), expected);
        if state.stores.people.commit(&[write]).await? == Committed::Yes {
            return Ok(JsonResponse(view(&caller, &stored, &user, of.domain)));
        }
    }
    Err(lost_too_often())
}

/// Adds to what a platform declared of a user, who is registered by it.
pub(crate) async fn declare(
    state: &IngestState,
    domain: &DomainId,
    user: &str,
    declared: BTreeMap<String, String>,
) -> Result<(), Problem> {
    let user = state.pseudonym(domain, user)?;
    for _ in 0..MAX_TRIES {
        let (mut stored, expected) = find_or_new(state, &user, domain).await?;
        if let Some(member) = stored.person.member_mut(&user) {
            member.declared.extend(declared.clone());
            check_declared(&member.declared)?;
        }
        if state.stores.people.commit(&[replace(stored, expected)]).await? == Committed::Yes {
            return Ok(());
        }
    }
    Err(lost_too_often())
}

fn check_declared(declared: &BTreeMap<String, String>) -> Result<(), Problem> {
    let too_long = |(key, value): (&String, &String)| exceeds(key, 100) || exceeds(value, 1_000);
    if declared.len() > 64 || declared.iter().any(too_long) {
        return Err(Problem::invalid(
            "declared must be at most 64 texts of at most 1000 characters",
        ));
    }
    if !declared.iter().all(|(key, value)| is_one_line(key) && is_visible(value)) {
        let detail = "declared must have no control characters but line ends and tabs";
        return Err(Problem::invalid(detail));
    }
    Ok(())
}

fn lost_too_often() -> Problem {
    Problem::conflict("the person was changed by others at the same time; try again")
}

fn replace(stored: StoredPerson, expected: Option<u64>) -> PeopleWrite {
    PeopleWrite { id: stored.id, entry: PeopleEntry::Person(stored.person), expected }
}

/// The person behind a user, or a new one, with the version to expect.
async fn find_or_new(
    state: &IngestState,
    user: &Pseudonym,
    domain: &DomainId,
) -> Result<(StoredPerson, Option<u64>), Problem> {
    let fresh = |erased_at: Option<Timestamp>| {
        let mut person = Person::of_one(user.clone(), domain.clone());
        person.members.iter_mut().for_each(|member| member.erased_at = erased_at);
        StoredPerson { id: user.clone(), person, version: 0 }
    };
    Ok(match find(&*state.stores.people, user).await? {
        Found::Nobody => (fresh(None), None),
        Found::Erased { at, version } => (fresh(Some(at)), Some(version)),
        Found::Person(stored) => {
            let version = stored.version;
            (stored, Some(version))
        }
    })
}

async fn find_known(
    state: &IngestState,
    user: &Pseudonym,
    domain: &DomainId,
) -> Result<StoredPerson, Problem> {
    match find(&*state.stores.people, user).await? {
        Found::Person(stored) => Ok(stored),
        Found::Nobody | Found::Erased { .. } => Err(Problem::unknown_user(domain)),
    }
}

pub(crate) async fn get_user(
    State(state): State<IngestState>,
    caller: Caller,
    Path(user): Path<String>,
    Query(of): Query<OfDomain>,
) -> Result<JsonResponse<UserView>, Problem> {
    caller.require(Scope::UsersRead, &of.domain)?;
    state.definitions.domain(&of.domain).await?;
    let user = state.pseudonym(&of.domain, &user)?;
    let stored = find_known(&state, &user, &of.domain).await?;
    Ok(JsonResponse(view(&caller, &stored, &user, of.domain)))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ConsentsBody {
    consents: Vec<RawConsent>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawConsent {
    /// Where the evidence arose; by default the user's own domain.
    from: Option<DomainId>,
    to: DomainId,
    purpose: Purpose,
    granted: bool,
    /// When the person decided; by default now.
    decided_at: Option<Timestamp>,
    expires_at: Option<Timestamp>,
    evidence: Option<String>,
}

/// Records decisions. Only who acts for the domain where evidence arose may
/// record that it leaves: a platform cannot grant itself another's data.
pub(crate) async fn put_consents(
    State(state): State<IngestState>,
    caller: Caller,
    Path(user): Path<String>,
    Query(of): Query<OfDomain>,
    Json(body): Json<ConsentsBody>,
) -> Result<JsonResponse<UserView>, Problem> {
    caller.require(Scope::UsersWrite, &of.domain)?;
    batch::check_size(body.consents.len(), MAX_CONSENTS)?;
    state.definitions.domain(&of.domain).await?;
    let now = state.machine.clock.now();
    let mut decisions = Vec::with_capacity(body.consents.len());
    for raw in body.consents {
        let decision = parse_consent(raw, &of.domain, now)?;
        caller.require(Scope::UsersWrite, &decision.from)?;
        state.definitions.domain(&decision.from).await?;
        state.definitions.domain(&decision.to).await?;
        decisions.push(decision);
    }
    let user = state.pseudonym(&of.domain, &user)?;
    for _ in 0..MAX_TRIES {
        let mut stored = find_known(&state, &user, &of.domain).await?;
        decisions.iter().cloned().for_each(|d| stored.person.consents.record(d));
        let version = stored.version;
        if state.stores.people.commit(&[replace(stored.clone(), Some(version))]).await?
            == Committed::Yes
        {
            return Ok(JsonResponse(view(&caller, &stored, &user, of.domain)));
        }
    }
    Err(lost_too_often())
}

fn parse_consent(
    raw: RawConsent,
    own: &DomainId,
    now: Timestamp,
) -> Result<ConsentDecision, Problem> {
    let decided_at = raw.decided_at.unwrap_or(now);
    if decided_at.duration_since(now) > crossfold_core::entities::event::MAX_CLOCK_SKEW {
        let detail = "decided_at lies in the future";
        return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "future_timestamp", detail));
    }
    for (name, time) in [("decided_at", Some(decided_at)), ("expires_at", raw.expires_at)] {
        if time.is_some_and(|time| !is_plausible(time)) {
            let detail = format!("{name} {}", plausible_time::RULE);
            let status = StatusCode::UNPROCESSABLE_ENTITY;
            return Err(Problem::new(status, "invalid_timestamp", detail));
        }
    }
    let is_wrong = |evidence: &String| exceeds(evidence, 256) || !is_one_line(evidence);
    if raw.evidence.as_ref().is_some_and(is_wrong) {
        let detail = "evidence must be at most 256 characters, none of them a control character";
        return Err(Problem::invalid(detail));
    }
    Ok(ConsentDecision {
        from: raw.from.unwrap_or_else(|| own.clone()),
        to: raw.to,
        purpose: raw.purpose,
        granted: raw.granted,
        decided_at,
        expires_at: raw.expires_at,
        evidence: raw.evidence,
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LinkBody {
    domain: DomainId,
    user_id: String,
}

/// Makes two platforms' users one person. Whoever links must act for both.
pub(crate) async fn put_link(
    State(state): State<IngestState>,
    caller: Caller,
    Path(user): Path<String>,
    Query(of): Query<OfDomain>,
    Json(body): Json<LinkBody>,
) -> Result<JsonResponse<UserView>, Problem> {
    for domain in [&of.domain, &body.domain] {
        caller.require(Scope::UsersWrite, domain)?;
        state.definitions.domain(domain).await?;
    }
    let user = state.pseudonym(&of.domain, &user)?;
    let other = state.pseudonym(&body.domain, &body.user_id)?;
    if user == other {
        return Err(Problem::invalid("a user cannot be linked with itself"));
    }
    for _ in 0..MAX_TRIES {
        let (mut stored, expected) = find_or_new(&state, &user, &of.domain).await?;
        let (joined, joined_expected) = find_or_new(&state, &other, &body.domain).await?;
        if stored.id == joined.id {
            return Ok(JsonResponse(view(&caller, &stored, &user, of.domain)));
        }
        let writes = link_writes(&state, &mut stored, expected, joined, joined_expected).await?;
        if let Some(writes) = writes
            && state.stores.people.commit(&writes).await? == Committed::Yes
        {
            return Ok(JsonResponse(view(&caller, &stored, &user, of.domain)));
        }
    }
    Err(lost_too_often())
}

/// The writes that move every user of `joined` to `stored`; `None` when one of
/// them was changed meanwhile.
async fn link_writes(
    state: &IngestState,
    stored: &mut StoredPerson,
    expected: Option<u64>,
    joined: StoredPerson,
    joined_expected: Option<u64>,
) -> Result<Option<Vec<PeopleWrite>>, Problem> {
    let link = || PeopleEntry::Link { person: stored.id.clone() };
    let mut writes =
        vec![PeopleWrite { id: joined.id.clone(), entry: link(), expected: joined_expected }];
    for member in joined.person.members.iter().filter(|member| member.user != joined.id) {
        let Some(entry) = state.stores.people.get(&member.user).await? else {
            return Ok(None);
        };
        writes.push(PeopleWrite {
            id: member.user.clone(),
            entry: link(),
            expected: Some(entry.version),
        });
    }
    stored.person.join(joined.person).map_err(|error| {
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "too_many_links", error.to_string())
    })?;
    writes.push(replace(stored.clone(), expected));
    Ok(Some(writes))
}

/// What proves an erasure.
#[derive(Serialize)]
pub(crate) struct ErasureReceipt {
    /// The pseudonym that was erased: names nobody any more.
    pseudonym: Pseudonym,
    erased_at: Timestamp,
    /// Events and dismissals deleted at once.
    records_deleted: u64,
    /// By when the archive and the model are free of them.
    archive: &'static str,
}

/// Erases a user: events and profile at once, the archive and the model at the
/// next training run. Linked users of other platforms stay.
pub(crate) async fn delete_user(
    State(state): State<IngestState>,
    caller: Caller,
    Path(user): Path<String>,
    Query(of): Query<OfDomain>,
) -> Result<JsonResponse<ErasureReceipt>, Problem> {
    caller.require(Scope::UsersWrite, &of.domain)?;
    state.definitions.domain(&of.domain).await?;
    let user = state.pseudonym(&of.domain, &user)?;
    let (erased_at, records_deleted) = erase(&state, &user).await?;
    Ok(JsonResponse(ErasureReceipt {
        pseudonym: user,
        erased_at,
        records_deleted,
        archive: "at the next training run",
    }))
}

/// Erases a user; says when, and how many events and dismissals were deleted.
pub(crate) async fn erase(
    state: &IngestState,
    user: &Pseudonym,
) -> Result<(Timestamp, u64), Problem> {
    let erased_at = state.machine.clock.now();
    for _ in 0..MAX_TRIES {
        let Some(writes) = erasure_writes(state, user, erased_at).await? else {
            continue;
        };
        if state.stores.people.commit(&writes).await? == Committed::Yes {
            return Ok((erased_at, state.stores.events.erase(user).await?));
        }
    }
    Err(lost_too_often())
}

/// The writes that take a user out of its person and leave a tombstone; `None`
/// when an entry was changed meanwhile. Users that were never registered get
/// one too: their events must not be trained on.
async fn erasure_writes(
    state: &IngestState,
    user: &Pseudonym,
    erased_at: Timestamp,
) -> Result<Option<Vec<PeopleWrite>>, Problem> {
    let tombstone = |expected| PeopleWrite {
        id: user.clone(),
        entry: PeopleEntry::Erased { at: erased_at },
        expected,
    };
    let mut stored = match find(&*state.stores.people, user).await? {
        Found::Nobody => return Ok(Some(vec![tombstone(None)])),
        Found::Erased { version, .. } => return Ok(Some(vec![tombstone(Some(version))])),
        Found::Person(stored) => stored,
    };
    stored.person.leave(user);
    let version = stored.version;
    if stored.id != *user {
        let Some(link) = state.stores.people.get(user).await? else {
            return Ok(None);
        };
        return Ok(Some(vec![replace(stored, Some(version)), tombstone(Some(link.version))]));
    }
    // The person was stored under this user: it moves to its next one.
    let mut writes = vec![tombstone(Some(version))];
    let members = stored.person.members.clone();
    let Some(heir) = members.first() else {
        return Ok(Some(writes));
    };
    for member in &members {
        let Some(current) = state.stores.people.get(&member.user).await? else {
            return Ok(None);
        };
        let entry = if member.user == heir.user {
            PeopleEntry::Person(stored.person.clone())
        } else {
            PeopleEntry::Link { person: heir.user.clone() }
        };
        writes.push(PeopleWrite {
            id: member.user.clone(),
            entry,
            expected: Some(current.version),
        });
    }
    Ok(Some(writes))
}
