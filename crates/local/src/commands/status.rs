//! `crossfold status`: how everything stands, and what to do next.

use std::path::Path;

use anyhow::{Context, Result};
use serde_json::json;

use crate::answers::{StatusAnswer, read};
use crate::args::StatusArgs;
use crate::place::Place;
use crate::printer::{self, StatusText};

/// Something needs attention: what does, was told.
#[derive(Debug, thiserror::Error)]
#[error("something needs attention")]
pub struct NeedsAttention;

pub(crate) async fn status(directory: &Path, args: &StatusArgs) -> Result<()> {
    let place = match &args.server.api {
        Some(address) => address.clone(),
        None => format!("the data directory {}", directory.display()),
    };
    // Looking must not make one.
    if args.server.api.is_none() && !directory.exists() {
        if args.json {
            printer::json(&json!({ "attention": [{ "code": "no_data" }] }))?;
        } else {
            printer::line(format_args!(
                "{place} does not exist yet:\n  crossfold demo shows a synthetic world, \
                 crossfold import takes your own files"
            ));
        }
        return Err(NeedsAttention.into());
    }
    let opened = Place::open(directory, &args.server).await?;
    let answer = opened
        .client()
        .get("/v1/status")
        .await
        .with_context(|| format!("how {place} stands cannot be told"))?;
    let status: StatusAnswer = read(answer.clone())?;
    if args.json {
        printer::json(&answer)?;
    } else {
        let retired_keys = opened.retired_keys();
        let retired_keys = retired_keys.as_ref();
        printer::text(StatusText { place: &place, status: &status, retired_keys });
    }
    if status.attention.iter().any(|entry| entry.needs_attention()) {
        return Err(NeedsAttention.into());
    }
    Ok(())
}
