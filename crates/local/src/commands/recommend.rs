//! `crossfold recommend`: one slate.

use std::path::Path;

use anyhow::{Context, Result, bail};
use crossfold_lab::output::Foreign;
use serde_json::{Map, Value, json};

use crate::answers::read;
use crate::args::RecommendArgs;
use crate::place::Place;
use crate::printer::{self, SlateTable};

pub(crate) async fn recommend(directory: &Path, args: &RecommendArgs) -> Result<()> {
    let place = Place::open(directory, &args.server).await?;
    let mut request = json!({
        "user_id": args.user, "domain": args.domain, "target_domains": args.target,
        "limit": args.limit, "locale": args.locale,
    });
    if let Some(filter) = &args.filter {
        request["filter"] = match filter.trim_start().starts_with('{') {
            true => serde_json::from_str(filter).context("--filter begins as JSON by target")?,
            false => filter.as_str().into(),
        };
    }
    if let Some(file) = &args.further {
        let further = std::fs::read(file).with_context(|| format!("reading {}", file.display()))?;
        // Some editors begin a file with a mark of its encoding.
        let text = further.strip_prefix("\u{feff}".as_bytes()).unwrap_or(&further);
        let further: Map<String, Value> = serde_json::from_slice(text)
            .with_context(|| format!("{} must be a JSON object", file.display()))?;
        for (field, value) in further {
            if request.get(&field).is_some() {
                bail!("--with: {field} has an option of its own");
            }
            request[field] = value;
        }
    }
    if args.inspect {
        request["inspect"] = true.into();
    }
    let answer = place.client().post("/v1/recommendations", &request).await?;
    if args.json {
        return printer::json(&answer);
    }
    let id = answer["recommendation_id"].as_str().unwrap_or_default().to_owned();
    printer::text(SlateTable(&read(answer)?));
    // Of who applies nothing is kept.
    if request["applicant"].is_null() {
        printer::line(format_args!("  crossfold replay {} makes it again", Foreign::name(&id)));
    }
    Ok(())
}
