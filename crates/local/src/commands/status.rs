//! `crossfold status`: how everything stands, and what to do next.

use std::path::Path;

use anyhow::{Context, Result};
use crossfold_storage::embedded::EmbeddedError;
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
    let opened = Place::open(directory, &args.server).await.map_err(|error| {
        if error.downcast_ref::<EmbeddedError>().is_some_and(is_in_use) {
            return error.context(
                "a running crossfold has the data directory; ask that one, with the address that \
                 it printed: crossfold status --api http://127.0.0.1:8080",
            );
        }
        error
    })?;
    let answer = opened
        .client()
        .get("/v1/status")
        .await
        .with_context(|| format!("how {place} stands cannot be told"))?;
    let status: StatusAnswer = read(answer.clone())?;
    if args.json {
        printer::json(&answer)?;
    } else {
        printer::text(StatusText { place: &place, status: &status });
    }
    if status.attention.iter().any(|entry| entry.needs_attention()) {
        return Err(NeedsAttention.into());
    }
    Ok(())
}

fn is_in_use(error: &EmbeddedError) -> bool {
    matches!(error, EmbeddedError::InUse(_))
}
