//! `/v1/domains`: what domains there are, and what they are.

use std::collections::BTreeSet;

use axum::Json as JsonResponse;
use axum::extract::State;
use crossfold_core::entities::definition::DomainDefinition;
use crossfold_core::entities::ids::DomainId;
use crossfold_core::entities::json;
use crossfold_core::entities::ports::{Appended, Committed};
use crossfold_edge::caller::{Caller, Scope};
use crossfold_edge::extract::{Json, Path, Query};
use crossfold_edge::problem::Problem;
use crossfold_storage::definition_reader::{announce_change, definitions};
use crossfold_storage::records::{self, Version};
use lambda_http::http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::definition_changes::{changed_fields, left_out, merge_patch};
use crate::domain_deletion::refuse_while_deleting;
use crate::placements::Change;
use crate::state::IngestState;

/// Most domains on one page: whole definitions, of some kilobytes each.
pub const MAX_DOMAINS: usize = 100;
/// Most bytes of definitions on one page, beside the last one: a function's answer has 6 MB.
const MAX_PAGE_BYTES: usize = 4 * 1024 * 1024;
/// Most domains of a deployment: every function reads all definitions whenever one has
/// changed. Two that are defined at the same moment may make one more.
pub const MAX_DEFINED: usize = 200;
/// Domains on one page unless the caller asks otherwise.
pub const DEFAULT_DOMAINS: usize = 20;
/// How often a change that lost a race is tried again.
const MAX_TRIES: usize = 8;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PageQuery {
    #[serde(default = "default_limit")]
    limit: usize,
    after: Option<DomainId>,
}

fn default_limit() -> usize {
    DEFAULT_DOMAINS
}

#[derive(Serialize)]
pub(crate) struct DomainPage {
    domains: Vec<DomainView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<DomainId>,
}

#[derive(Serialize)]
struct DomainView {
    domain: DomainId,
    definition: DomainDefinition,
}

/// The domains that the caller acts for, in order of their ids.
pub(crate) async fn get_domains(
    State(state): State<IngestState>,
    caller: Caller,
    Query(page): Query<PageQuery>,
) -> Result<JsonResponse<DomainPage>, Problem> {
    caller.require_scope(Scope::CatalogRead)?;
    if !(1..=MAX_DOMAINS).contains(&page.limit) {
        return Err(Problem::invalid(format!("limit must be 1 to {MAX_DOMAINS}")));
    }
    let defined = definitions(&*state.stores.records).await?;
    let own = defined.into_iter().filter(|(domain, _)| {
        caller.acts_for(domain) && page.after.as_ref().is_none_or(|after| domain > after)
    });
    first_page(own, page.limit).map(JsonResponse)
}

/// As many domains as a page may have.
fn first_page(
    mut domains: impl Iterator<Item = (DomainId, DomainDefinition)>,
    limit: usize,
) -> Result<DomainPage, Problem> {
    let (mut page, mut bytes) = (Vec::new(), 0);
    while page.len() < limit && bytes < MAX_PAGE_BYTES {
        let Some((domain, definition)) = domains.next() else { break };
        bytes += to_json(&definition)?.to_string().len();
        page.push(DomainView { domain, definition });
    }
    let has_more = domains.next().is_some();
    let next = page.last().filter(|_| has_more).map(|last| last.domain.clone());
    Ok(DomainPage { domains: page, next })
}

pub(crate) async fn get_domain(
    State(state): State<IngestState>,
    caller: Caller,
    Path(domain): Path<DomainId>,
) -> Result<JsonResponse<DomainDefinition>, Problem> {
    caller.require(Scope::CatalogRead, &domain)?;
    Ok(JsonResponse(state.definitions.domain(&domain).await?))
}

/// A definition as it stands after a change, and what the change did.
#[derive(Serialize)]
pub(crate) struct ChangedDefinition {
    #[serde(flatten)]
    definition: DomainDefinition,
    /// The fields that differ from before; none of a new domain.
    changed: BTreeSet<String>,
    /// Of these, those that the call did not name: they fell to their defaults, or away.
    reset: BTreeSet<String>,
}

/// Defines a domain, or defines it anew: what is left out falls to its default,
/// and the answer says what did.
pub(crate) async fn put_domain(
    State(state): State<IngestState>,
    caller: Caller,
    Path(domain): Path<DomainId>,
    Json(posted): Json<Value>,
) -> Result<JsonResponse<ChangedDefinition>, Problem> {
    caller.require(Scope::DomainsWrite, &domain)?;
    let definition = parse(posted.clone())?;
    for _ in 0..MAX_TRIES {
        let standing = standing(&state, &domain).await?;
        // At every try and after the look: what is gone by now may be so by a deletion.
        refuse_while_deleting(&state, &domain).await?;
        if standing.is_none() {
            check_room(&state).await?;
        }
        let before = standing.as_ref().map(|(before, _)| before);
        let change = Change { domain: &domain, before, after: &definition };
        change.check_placements(&state, &caller).await?;
        let changed = changes(before, &definition)?;
        let reset = left_out(&changed, &posted);
        if store(&state, &domain, standing.map(|(_, version)| version), &definition).await? {
            return Ok(JsonResponse(ChangedDefinition { definition, changed, reset }));
        }
    }
    Err(lost_too_often())
}

/// Changes fields of a definition by a JSON merge patch; the others stay.
pub(crate) async fn patch_domain(
    State(state): State<IngestState>,
    caller: Caller,
    Path(domain): Path<DomainId>,
    Json(patch): Json<Value>,
) -> Result<JsonResponse<ChangedDefinition>, Problem> {
    caller.require(Scope::DomainsWrite, &domain)?;
    if !patch.is_object() {
        return Err(Problem::invalid("a merge patch of a definition must be an object"));
    }
    for _ in 0..MAX_TRIES {
        let Some((before, version)) = standing(&state, &domain).await? else {
            return Err(Problem::unknown_domain(domain.as_str()));
        };
        let mut document = to_json(&before)?;
        merge_patch(&mut document, &patch);
        let definition = parse(document)?;
        let change = Change { domain: &domain, before: Some(&before), after: &definition };
        change.check_placements(&state, &caller).await?;
        let changed = changes(Some(&before), &definition)?;
        let reset = left_out(&changed, &without_nulls(patch.clone()));
        if store(&state, &domain, Some(version), &definition).await? {
            return Ok(JsonResponse(ChangedDefinition { definition, changed, reset }));
        }
    }
    Err(lost_too_often())
}

/// Checks that one more domain may be defined.
async fn check_room(state: &IngestState) -> Result<(), Problem> {
    if definitions(&*state.stores.records).await?.len() < MAX_DEFINED {
        return Ok(());
    }
    let detail = format!("there are {MAX_DEFINED} domains already; delete one first");
    Err(Problem::new(StatusCode::CONFLICT, "too_many_domains", detail))
}

/// A definition that a caller posted, checked.
fn parse(document: Value) -> Result<DomainDefinition, Problem> {
    let definition: DomainDefinition =
        json::from_value(document).map_err(|error| Problem::invalid(error.to_string()))?;
    definition.check().map_err(|error| Problem::invalid(error.to_string()))?;
    Ok(definition)
}

/// A definition with the version that a change of it must name.
type Standing = Option<(DomainDefinition, Version)>;

/// The definition as it stands in the store, whatever is cached.
async fn standing(state: &IngestState, domain: &DomainId) -> Result<Standing, Problem> {
    Ok(records::get_to_change(&*state.stores.records, domain).await?)
}

/// Stores a definition in the place of the one that was read; `false` when
/// someone else changed it meanwhile.
async fn store(
    state: &IngestState,
    domain: &DomainId,
    expected: Option<Version>,
    definition: &DomainDefinition,
) -> Result<bool, Problem> {
    let store = &*state.stores.records;
    let is_stored = match expected {
        Some(version) => {
            records::replace(store, domain, &version, definition).await? == Committed::Yes
        }
        None => records::create(store, domain, definition).await? == Appended::New,
    };
    if is_stored {
        announce_change(store, state.machine.ids.fresh()).await?;
    }
    Ok(is_stored)
}

fn changes(
    before: Option<&DomainDefinition>,
    after: &DomainDefinition,
) -> Result<BTreeSet<String>, Problem> {
    let Some(before) = before else { return Ok(BTreeSet::new()) };
    Ok(changed_fields(&to_json(before)?, &to_json(after)?))
}

fn to_json(definition: &DomainDefinition) -> Result<Value, Problem> {
    serde_json::to_value(definition).map_err(|error| Problem::invalid(error.to_string()))
}

/// What a patch sets, without what it takes away.
fn without_nulls(patch: Value) -> Value {
    match patch {
        Value::Object(members) => {
            let kept = members.into_iter().filter(|(_, inner)| !inner.is_null());
            Value::Object(kept.map(|(name, inner)| (name, without_nulls(inner))).collect())
        }
        other => other,
    }
}

fn lost_too_often() -> Problem {
    Problem::conflict("the definition was changed by others at the same time; try again")
}

#[cfg(test)]
mod tests {
    use crossfold_storage::faults::{Fault, FaultPlan};
    use serde_json::json;

    use super::*;
    use crate::test_world::World;

    #[tokio::test]
    async fn one_domain_too_many_is_refused_and_those_that_are_there_can_be_changed() {
        let world = World::new(&FaultPlan::from_fn(|_| Fault::None));
        for number in 0..MAX_DEFINED {
            world.define(&format!("d{number}")).await;
        }
        let definition =
            json!({"name": "n", "currency": "EUR", "event_types": {"view": {"weight": 1}}});
        let (status, problem) = world.call("PUT", "/v1/domains/more", &definition).await;
        assert_eq!((status, &problem["code"]), (409, &json!("too_many_domains")));
        world.ok("PUT", "/v1/domains/d7", definition).await;
        let mut pages = 0;
        let (mut found, mut after) = (0, String::new());
        loop {
            let path = format!("/v1/domains?limit=90{after}");
            let page = world.ok("GET", &path, Value::Null).await;
            (pages, found) = (pages + 1, found + page["domains"].as_array().unwrap().len());
            let Some(next) = page["next"].as_str() else { break };
            after = format!("&after={next}");
        }
        assert_eq!((pages, found), (3, MAX_DEFINED));
    }

    #[test]
    fn a_page_ends_before_its_answer_is_too_large() {
        let event = |number: usize| {
            let mapping = json!({"type": "view", "item_id": "i".repeat(200)});
            (format!("{number}"), mapping)
        };
        let events: serde_json::Map<String, Value> = (0..250).map(event).collect();
        let definition = parse(json!({
            "name": "n", "currency": "EUR", "event_types": {"view": {"weight": 1}},
            "sources": {"segment": {"events": events}},
        }))
        .unwrap();
        let domains = (0..150)
            .map(|number| (DomainId::parse(&format!("d{number:03}")).unwrap(), definition.clone()));
        let page = first_page(domains, 150).unwrap();
        let bytes = serde_json::to_vec(&page).unwrap().len();
        assert!((4_000_000..5_000_000).contains(&bytes), "{bytes} bytes");
        assert_eq!(page.next, page.domains.last().map(|last| last.domain.clone()));
    }
}
