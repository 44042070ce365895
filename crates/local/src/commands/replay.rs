//! `crossfold replay`: a slate that was served, made again.

use std::path::Path;

use anyhow::Result;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::json;

use crate::answers::{ReplayAnswer, read};
use crate::args::ReplayArgs;
use crate::place::Place;
use crate::printer::{self, ReplayText};

/// What may mean something else in a path (RFC 3986, section 2.3, has what does not).
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

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
    let id = utf8_percent_encode(args.id.as_str(), RESERVED);
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
