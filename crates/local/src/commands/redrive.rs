//! `crossfold redrive`: what was set aside is archived, if it can be read by now.

use std::path::Path;

use anyhow::Result;
use crossfold_core::entities::counted::of;
use crossfold_ingest::archive::{Archiver, Redriven};

use crate::args::RedriveArgs;
use crate::commands::status::NeedsAttention;
use crate::place::open_alone;
use crate::printer;
use crate::stack::Stack;

pub(crate) async fn redrive(directory: &Path, args: &RedriveArgs, stack: &dyn Stack) -> Result<()> {
    let redriven = match args.place.stack {
        true => Archiver::new(stack.stores().await?.objects).redrive().await?,
        false => redrive_directory(directory).await?,
    };
    let Redriven { records_taken, records_left, files_taken, files_left } = redriven;
    if args.json {
        printer::json(&serde_json::to_value(redriven)?)?;
    } else {
        printer::line(format_args!(
            "Archived {} and {} that had been set aside; {} and {} still cannot be read.",
            of(records_taken, "record"),
            of(files_taken, "file"),
            of(records_left, "record"),
            of(files_left, "file")
        ));
    }
    if records_left + files_left > 0 {
        return Err(NeedsAttention.into());
    }
    Ok(())
}

async fn redrive_directory(directory: &Path) -> Result<Redriven> {
    let world = open_alone(directory).await?;
    Ok(world.archiver().redrive().await?)
}
