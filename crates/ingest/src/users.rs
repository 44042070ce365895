//! `/v1/users/{user}`: registration, consents, links, erasure.
//!
//! Every change is one conditional transaction on a person's entry; when
//! someone else wrote first, it is read and tried again.

use std::collections::{BTreeMap, BTreeSet};

use axum::Json as JsonResponse;
use axum::extract::State;
use crossfold_core::entities::consent::ConsentDecision;
use crossfold_core::entities::erasure::{Erasure, Place, Receipt};
use crossfold_core::entities::ids::{DomainId, Pseudonym};
use crossfold_core::entities::people::{Declared, PeopleEntry, PeopleWrite, Person};
use crossfold_core::entities::plain_text::{is_one_line, is_visible};
use crossfold_core::entities::plausible_time::{self, is_plausible};
use crossfold_core::entities::ports::Committed;
use crossfold_core::entities::purpose::Purpose;
use crossfold_core::entities::shares::{self, ShareError};
use crossfold_core::entities::text_length::exceeds;
use crossfold_core::entities::utc_offset::{UTC_OFFSET, parse_offset};
use crossfold_edge::batch;
use crossfold_edge::caller::{Caller, Scope};
use crossfold_edge::extract::{Json, Path, Query};
use crossfold_edge::problem::Problem;
use crossfold_edge::user_path::UserPath;
use crossfold_storage::erasure::{Link, Requested, erase, link_to, links_of, of_life};
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
    declared: Declared,
}

#[derive(Serialize)]
pub(crate) struct UserView {
    domain: DomainId,
    declared: Declared,
    linked_domains: BTreeSet<DomainId>,
    consents: Vec<ConsentDecision>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    closed: Vec<ClosedEvidence>,
}

/// Evidence that is used for a purpose only where a decision grants it.
#[derive(Serialize)]
struct ClosedEvidence {
    from: DomainId,
    purpose: Purpose,
}

/// What a caller may see of a person: their own user, and what concerns domains
/// they act for.
fn view(caller: &Caller, stored: &StoredPerson, user: &Pseudonym, domain: DomainId) -> UserView {
    let Person { members, consents } = &stored.person;
    let others = members.iter().filter(|member| member.user.own() != *user);
    let decided = consents.decisions().filter(|decision| caller.acts_for(&decision.from));
    UserView {
        declared: stored.declared(user),
        linked_domains: others
            .map(|member| member.domain.clone())
            .filter(|domain| caller.acts_for(domain))
            .collect(),
        closed: closed(caller, &stored.person),
        consents: decided.cloned().collect(),
        domain,
    }
}

fn closed(caller: &Caller, Person { members, consents }: &Person) -> Vec<ClosedEvidence> {
    let of_members = members.iter().map(|member| &member.domain);
    let of_decisions = consents.decisions().map(|decision| &decision.from);
    let domains = of_members.chain(of_decisions).chain(consents.closed_domains());
    let domains: BTreeSet<&DomainId> = domains.filter(|domain| caller.acts_for(domain)).collect();
    let purposes = domains.into_iter().flat_map(|from| Purpose::ALL.map(|purpose| (from, purpose)));
    purposes
        .filter(|(from, purpose)| consents.is_closed(from, *purpose))
        .map(|(from, purpose)| ClosedEvidence { from: from.clone(), purpose })
        .collect()
}

pub(crate) async fn put_user(
    State(state): State<IngestState>,
    caller: Caller,
    UserPath(user): UserPath,
    Query(of): Query<OfDomain>,
    Json(body): Json<UserBody>,
) -> Result<JsonResponse<UserView>, Problem> {
    caller.require(Scope::UsersWrite, &of.domain)?;
    state.definitions.domain(&of.domain).await?;
    check_declared(&body.declared)?;
    let user = state.pseudonym(&of.domain, &user)?;
    for _ in 0..MAX_TRIES {
        let (mut stored, expected) = find_or_new(&state, &user, &of.domain).await?;
        let write = declaring(&mut stored, expected, (&user, body.declared.clone()))?;
        if state.stores.people.commit(&[write]).await? == Committed::Yes {
            return Ok(JsonResponse(view(&caller, &stored, &user, of.domain)));
        }
    }
    Err(lost_too_often())
}

/// What a platform declares of a user.
#[derive(Debug)]
pub(crate) struct Declaration {
    pub(crate) user: String,
    pub(crate) declared: Declared,
    /// When the user said so; as of now where nothing tells.
    pub(crate) declared_at: Option<Timestamp>,
}

/// Adds to what a platform declared of a user, who is registered by it.
pub(crate) async fn declare(
    state: &IngestState,
    domain: &DomainId,
    Declaration { user, declared, declared_at }: Declaration,
) -> Result<(), Problem> {
    let user = state.pseudonym(domain, &user)?;
    for _ in 0..MAX_TRIES {
        let (mut stored, expected) = find_or_new(state, &user, domain).await?;
        if let Some(declared_at) = declared_at {
            check_is_of_life(&stored, &user, declared_at)?;
        }
        let mut all = stored.declared(&user);
        all.extend(declared.clone());
        check_declared(&all)?;
        let write = declaring(&mut stored, expected, (&user, all))?;
        if state.stores.people.commit(&[write]).await? == Committed::Yes {
            return Ok(());
        }
    }
    Err(lost_too_often())
}

/// The write that stores what is declared of a user: under their own pseudonym, so that it
/// changes nothing that is read for others.
fn declaring(
    stored: &mut StoredPerson,
    expected: Option<u64>,
    (user, declared): (&Pseudonym, Declared),
) -> Result<PeopleWrite, Problem> {
    let StoredPerson { id, person, link, .. } = stored;
    let Some(member) = person.member_mut(user) else { return Err(lost_too_often()) };
    if let Some(link) = link {
        let entry = link_to(id, member, declared.clone());
        link.declared = Some(declared);
        return Ok(PeopleWrite { id: user.own(), entry, expected: Some(link.version) });
    }
    member.declared = declared;
    replace(stored.clone(), expected)
}

fn check_declared(declared: &Declared) -> Result<(), Problem> {
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
    if declared.get(UTC_OFFSET).is_some_and(|text| parse_offset(text).is_none()) {
        let detail = "declared utc_offset must be an offset such as +08:00, from -12:00 to +14:00";
        return Err(Problem::invalid(detail));
    }
    shares::check_declared(declared).map_err(too_much)
}

fn lost_too_often() -> Problem {
    Problem::conflict("the person was changed by others at the same time; try again")
}

/// The write that stores a person, if they fit into a record.
fn replace(stored: StoredPerson, expected: Option<u64>) -> Result<PeopleWrite, Problem> {
    stored.person.check_size().map_err(too_much)?;
    Ok(PeopleWrite { id: stored.id, entry: PeopleEntry::Person(stored.person), expected })
}

fn too_much(error: ShareError) -> Problem {
    let code = match error {
        ShareError::Declared => "too_much_declared",
        ShareError::Consents => "too_many_consents",
        ShareError::Person => "person_too_large",
    };
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, code, error.to_string())
}

/// The person behind a user, or a new one, with the version to expect.
async fn find_or_new(
    state: &IngestState,
    user: &Pseudonym,
    domain: &DomainId,
) -> Result<(StoredPerson, Option<u64>), Problem> {
    let fresh = |life: u32, erased_until: Option<Timestamp>| {
        let mut person = Person::of_one(user.in_life(life), domain.clone());
        person.members.iter_mut().for_each(|member| member.erased_until = erased_until);
        StoredPerson::fresh(person, user.clone())
    };
    Ok(match find(&*state.stores.people, user).await? {
        Found::Nobody => (fresh(0, None), None),
        Found::Erased { life, until, version } => (fresh(life, Some(until)), Some(version)),
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
    UserPath(user): UserPath,
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
    /// When the person decided, as evidence and against late retries; by default now.
    decided_at: Option<Timestamp>,
    expires_at: Option<Timestamp>,
    evidence: Option<String>,
}

/// Records decisions. Only who acts for the domain where evidence arose may
/// record that it leaves: a platform cannot grant itself another's data.
pub(crate) async fn put_consents(
    State(state): State<IngestState>,
    caller: Caller,
    UserPath(user): UserPath,
    Query(of): Query<OfDomain>,
    Json(body): Json<ConsentsBody>,
) -> Result<JsonResponse<UserView>, Problem> {
    caller.require(Scope::UsersWrite, &of.domain)?;
    batch::check_size(body.consents.len(), MAX_CONSENTS)?;
    // Once for all of them, and anew where one was not known: defined a moment ago, it is.
    let mut definitions = state.definitions.with(&of.domain).await?;
    let now = state.machine.clock.now();
    let mut decisions = Vec::with_capacity(body.consents.len());
    for raw in body.consents {
        let is_dated = raw.decided_at.is_some();
        let decision = parse_consent(raw, &of.domain, now)?;
        caller.require(Scope::UsersWrite, &decision.from)?;
        for domain in [&decision.from, &decision.to] {
            if !definitions.contains_key(domain) {
                definitions = state.definitions.with(domain).await?;
            }
        }
        decisions.push((decision, is_dated));
    }
    let user = state.pseudonym(&of.domain, &user)?;
    for _ in 0..MAX_TRIES {
        let mut stored = find_known(&state, &user, &of.domain).await?;
        for (decision, is_dated) in decisions.iter().cloned() {
            if is_dated {
                check_is_of_life(&stored, &user, decision.decided_at)?;
            }
            stored.person.decide(&user, decision, is_dated).map_err(too_much)?;
        }
        let version = stored.version;
        if state.stores.people.commit(&[replace(stored.clone(), Some(version))?]).await?
            == Committed::Yes
        {
            return Ok(JsonResponse(view(&caller, &stored, &user, of.domain)));
        }
    }
    Err(lost_too_often())
}

/// Refuses what happened in a life that was erased, as events of it are: it would otherwise be
/// told again by whoever sends it twice.
fn check_is_of_life(
    stored: &StoredPerson,
    user: &Pseudonym,
    happened_at: Timestamp,
) -> Result<(), Problem> {
    let erased_until = stored.person.member(user).and_then(|member| member.erased_until);
    if erased_until.is_some_and(|until| happened_at <= until) {
        let detail = "the user was erased after this happened";
        return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "erased_user", detail));
    }
    Ok(())
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
    let from = raw.from.unwrap_or_else(|| own.clone());
    if raw.purpose == Purpose::Contact && from != raw.to {
        let detail = "contact is of a platform to itself: from and to must be the same";
        return Err(Problem::invalid(detail));
    }
    Ok(ConsentDecision {
        from,
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
    /// Whether different users of one platform may become one person.
    #[serde(default)]
    merge: bool,
}

/// Makes two platforms' users one person. Whoever links must act for both.
pub(crate) async fn put_link(
    State(state): State<IngestState>,
    caller: Caller,
    UserPath(user): UserPath,
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
        let people = ((&mut stored, expected), (joined, joined_expected));
        let writes = link_writes(&state, people, (&caller, body.merge)).await?;
        if let Some(writes) = writes
            && state.stores.people.commit(&writes).await? == Committed::Yes
        {
            return Ok(JsonResponse(view(&caller, &stored, &user, of.domain)));
        }
    }
    Err(lost_too_often())
}

/// Refuses to make one person of different users of a platform that the caller acts for. Of those
/// of other platforms nothing shows.
fn check_merges_nobody(caller: &Caller, one: &Person, other: &Person) -> Result<(), Problem> {
    let domains = one.domains_of_both(other).into_iter().filter(|domain| caller.acts_for(domain));
    let domains: Vec<&str> = domains.map(DomainId::as_str).collect();
    if domains.is_empty() {
        return Ok(());
    }
    let detail = format!(
        "this would make one person of different users of {}, which nothing undoes: say \
         \"merge\": true if they are one",
        domains.join(", ")
    );
    Err(Problem::new(StatusCode::CONFLICT, "would_merge", detail))
}

/// A person, and the version that a write of them must name; `None`: nothing is stored of them.
type Expecting<P> = (P, Option<u64>);

/// The writes that move every user of `joined` to `stored`, each person with the version that it
/// must have; `None` when one of them was changed meanwhile.
async fn link_writes(
    state: &IngestState,
    ((stored, expected), (joined, joined_expected)): (
        Expecting<&mut StoredPerson>,
        Expecting<StoredPerson>,
    ),
    (caller, may_merge): (&Caller, bool),
) -> Result<Option<Vec<PeopleWrite>>, Problem> {
    // A link the other way round was made between the two reads: a transaction that moved a
    // user to themselves would write one entry twice.
    let is_of_stored =
        |user: &Pseudonym| *user == stored.id || stored.person.member(user).is_some();
    let Some((first, others)) = joined.person.members.split_first() else { return Ok(None) };
    if joined.person.members.iter().any(|member| is_of_stored(&member.user.own())) {
        return Ok(None);
    }
    if !may_merge {
        check_merges_nobody(caller, &stored.person, &joined.person)?;
    }
    let Some(links) = links_of(&*state.stores.people, others).await? else { return Ok(None) };
    let mut writes = Vec::with_capacity(joined.person.members.len() + 1);
    let entry = link_to(&stored.id, first, first.declared.clone());
    writes.push(PeopleWrite { id: joined.id.clone(), entry, expected: joined_expected });
    writes.extend(links.into_iter().map(|Link { member, version, declared }| PeopleWrite {
        id: member.user.own(),
        entry: link_to(&stored.id, &member, declared),
        expected: Some(version),
    }));
    stored.person.join(joined.person, |domain| caller.acts_for(domain)).map_err(|error| {
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "too_many_links", error.to_string())
    })?;
    writes.push(replace(stored.clone(), expected)?);
    Ok(Some(writes))
}

/// How an erasure stands.
#[derive(Serialize)]
pub(crate) struct ErasureView {
    /// What stood for the user in the life that is erased: it names nobody any more.
    pseudonym: Pseudonym,
    domain: DomainId,
    requested_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    finished_at: Option<Timestamp>,
    /// How many records were deleted in each place that was visited.
    deleted: BTreeMap<Place, u64>,
    /// How many archived files of the platform cannot be read: whether the user has events there
    /// nobody can tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    unreadable_files: Option<u64>,
    /// The places that were not visited yet: the next training run goes to them.
    left: Vec<Place>,
    /// The receipt's signature, once all is done.
    #[serde(skip_serializing_if = "Option::is_none")]
    signature: Option<String>,
}

impl ErasureView {
    fn new(state: &IngestState, pseudonym: Pseudonym, erasure: Erasure) -> Self {
        let receipt = Receipt::of(pseudonym.clone(), &erasure);
        Self {
            signature: receipt.map(|receipt| state.pseudonymiser.sign_receipt(&receipt)),
            left: erasure.left().collect(),
            pseudonym,
            domain: erasure.domain,
            requested_at: erasure.requested_at,
            finished_at: erasure.finished_at,
            deleted: erasure.visited,
            unreadable_files: Some(erasure.unreadable_files).filter(|files| *files > 0),
        }
    }
}

/// Erases the life that a user leads: events and profile at once, everything else by the next
/// training run. Linked users of other platforms stay.
pub(crate) async fn delete_user(
    State(state): State<IngestState>,
    caller: Caller,
    UserPath(user): UserPath,
    Query(of): Query<OfDomain>,
) -> Result<JsonResponse<ErasureView>, Problem> {
    caller.require(Scope::UsersWrite, &of.domain)?;
    state.definitions.domain(&of.domain).await?;
    let user = state.pseudonym(&of.domain, &user)?;
    let now = state.machine.clock.now();
    let Requested { user, erasure } = erase(&state.stores, (&user, &of.domain), now).await?;
    Ok(JsonResponse(ErasureView::new(&state, user, erasure)))
}

/// Tells how the erasure of a life stands; once it is complete, this is its receipt.
pub(crate) async fn get_erasure(
    State(state): State<IngestState>,
    caller: Caller,
    Path(pseudonym): Path<Pseudonym>,
    Query(of): Query<OfDomain>,
) -> Result<JsonResponse<ErasureView>, Problem> {
    caller.require(Scope::UsersRead, &of.domain)?;
    let erasure = of_life(&state.stores, &pseudonym).await?;
    match erasure.filter(|erasure| erasure.domain == of.domain) {
        Some(erasure) => Ok(JsonResponse(ErasureView::new(&state, pseudonym, erasure))),
        None => {
            let detail = format!("no user of {} was erased under this pseudonym", of.domain);
            Err(Problem::new(StatusCode::NOT_FOUND, "unknown_erasure", detail))
        }
    }
}

#[cfg(test)]
mod tests;
