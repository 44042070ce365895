//! `crossfold recommend`: one slate, or one of each of many users.

use std::path::Path;

use anyhow::{Context, Result, bail};
use crossfold_lab::output::Foreign;
use serde_json::{Map, Value, json};

use crate::answers::read;
use crate::api_client::ApiClient;
use crate::args::RecommendArgs;
use crate::place::Place;
use crate::printer::{self, SlateTable};

/// Users of one call.
const USERS: usize = 100;
/// Items of one call: as many as the API answers with.
const ITEMS: usize = 2_000;
/// How often users are asked for again whom there was no time for.
const TRIES: usize = 5;

pub(crate) async fn recommend(directory: &Path, args: &RecommendArgs) -> Result<()> {
    let request = request(args)?;
    let place = Place::open(directory, &args.server).await?;
    match &args.whom.users {
        Some(file) => for_all(&place.client(), request, &users_of(file)?).await,
        None => for_one(&place.client(), request, args).await,
    }
}

/// The request, but for whom.
fn request(args: &RecommendArgs) -> Result<Map<String, Value>> {
    let mut request = Map::from_iter([
        ("domain".to_owned(), json!(args.domain)),
        ("target_domains".to_owned(), json!(args.target)),
        ("locale".to_owned(), json!(args.locale)),
    ]);
    let mut set = |field: &str, value: Option<Value>| {
        value.map(|value| request.insert(field.to_owned(), value));
    };
    set("limit", args.limit.map(Value::from));
    set("placement", args.placement.clone().map(Value::from));
    set("query", args.query.clone().map(Value::from));
    set("inspect", args.inspect.then_some(true.into()));
    set("filter", args.filter.as_deref().map(filter).transpose()?);
    if let Some(file) = &args.further {
        for (field, value) in further(file)? {
            if request.contains_key(&field) {
                bail!("--with: {field} has an option of its own");
            }
            request.insert(field, value);
        }
    }
    Ok(request)
}

fn filter(text: &str) -> Result<Value> {
    match text.trim_start().starts_with('{') {
        true => serde_json::from_str(text).context("--filter begins as JSON by target"),
        false => Ok(text.into()),
    }
}

fn further(file: &Path) -> Result<Map<String, Value>> {
    let further = std::fs::read(file).with_context(|| format!("reading {}", file.display()))?;
    // Some editors begin a file with a mark of its encoding.
    let text = further.strip_prefix("\u{feff}".as_bytes()).unwrap_or(&further);
    serde_json::from_slice(text)
        .with_context(|| format!("{} must be a JSON object", file.display()))
}

async fn for_one(
    api: &ApiClient,
    mut request: Map<String, Value>,
    args: &RecommendArgs,
) -> Result<()> {
    request.insert("user_id".to_owned(), json!(args.whom.user));
    let answer = api.post("/v1/recommendations", &request).await?;
    if args.json {
        return printer::json(&answer);
    }
    let id = answer["recommendation_id"].as_str().unwrap_or_default().to_owned();
    printer::text(SlateTable(&read(answer)?));
    // Of who applies, and of what is looked for, nothing is kept.
    let is_kept =
        ["applicant", "query", "context"].iter().all(|field| !request.contains_key(*field));
    if is_kept && request.get("dry_run") != Some(&json!(true)) {
        printer::line(format_args!("  crossfold replay {} makes it again", Foreign::name(&id)));
    }
    Ok(())
}

/// The users of a file, one a line.
fn users_of(file: &Path) -> Result<Vec<String>> {
    let text =
        std::fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))?;
    let lines = text.trim_start_matches('\u{feff}').lines().map(str::trim);
    let users: Vec<String> = lines.filter(|user| !user.is_empty()).map(str::to_owned).collect();
    match users.is_empty() {
        true => bail!("{} names no user: it must have one a line", file.display()),
        false => Ok(users),
    }
}

/// Prints a line of JSON for each user, in order of the file but for those who were asked for again.
async fn for_all(api: &ApiClient, request: Map<String, Value>, users: &[String]) -> Result<()> {
    let limit = request.get("limit").and_then(Value::as_u64).unwrap_or(100);
    let at_once = USERS.min(ITEMS / usize::try_from(limit).unwrap_or(ITEMS).clamp(1, ITEMS));
    let mut refused = 0;
    for users in users.chunks(at_once) {
        refused += for_some(api, &request, users.to_vec()).await?;
    }
    match refused {
        0 => Ok(()),
        refused => bail!("{refused} of {} users have no slate: their lines say why", users.len()),
    }
}

async fn for_some(
    api: &ApiClient,
    request: &Map<String, Value>,
    mut users: Vec<String>,
) -> Result<usize> {
    let mut refused = 0;
    for again in (0..TRIES).rev() {
        let mut body = request.clone();
        body.insert("user_ids".to_owned(), json!(users));
        let answer = api.post("/v1/recommendations/batch", &body).await?;
        for slate in answer["slates"].as_array().into_iter().flatten() {
            printer::line(slate);
        }
        let mut later = Vec::new();
        for rejected in answer["rejected"].as_array().into_iter().flatten() {
            let index = rejected["index"].as_u64().and_then(|index| usize::try_from(index).ok());
            let user = index.and_then(|index| users.get(index)).cloned().unwrap_or_default();
            if rejected["code"] == "store_unavailable" && again > 0 {
                later.push(user);
                continue;
            }
            let why = json!({ "code": rejected["code"], "detail": rejected["detail"] });
            printer::line(json!({ "user_id": user, "rejected": why }));
            refused += 1;
        }
        if later.is_empty() {
            break;
        }
        users = later;
    }
    Ok(refused)
}
