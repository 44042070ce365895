//! `crossfold replay`: a slate that was served, made again.

use std::path::Path;

use anyhow::Result;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::json;

use crate::answers::{ReplayAnswer, read};
use crate::args::ReplayArgs;
use crate::place::Place;
use crate::printer::{self, ReplayText};

/// A slate was not made again as it was served: why not, was told.
#[derive(Debug, thiserror::Error)]
#[error("the slate was not made again as it was served")]
pub struct NotTheSame;

pub(crate) async fn replay(directory: &Path, args: &ReplayArgs) -> Result<()> {
    // Looking must not make one.
    if args.server.api.is_none() && !directory.exists() {
        anyhow::bail!("the data directory {} does not exist", directory.display());
    }
    let place = Place::open(directory, &args.server).await?;
    let id = utf8_percent_encode(args.id.as_str(), NON_ALPHANUMERIC);
    let path = format!("/v1/recommendations/{id}/replay");
    let answer = place.client().post(&path, &json!({})).await?;
    let replayed: ReplayAnswer = read(answer.clone())?;
    if args.json {
        printer::json(&answer)?;
    } else {
        printer::text(ReplayText(&replayed));
    }
    if replayed.same { Ok(()) } else { Err(NotTheSame.into()) }
}
