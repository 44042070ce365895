//! `crossfold rotate-key` and `crossfold retire-key`: the keys that pseudonyms are made with.

use std::path::Path;

use anyhow::{Context, Result, bail};
use crossfold_storage::{key_versions, pseudonym_key};

use crate::args::RetireKeyArgs;
use crate::local_world::LocalWorld;
use crate::printer;

/// Adds a key and makes it the current one.
pub(crate) async fn rotate(directory: &Path) -> Result<()> {
    let world = open(directory).await?;
    let version = pseudonym_key::rotate_in_directory(directory)?;
    printer::line(format_args!(
        "Version {version} of the key is current. Keep a copy of {}: without it, every user is a \
         stranger. What is stored under earlier versions is found all the same, and moved by the \
         next training runs; `crossfold status` says what is left, and when one can be retired.",
        directory.join(pseudonym_key::KEY_FILE).display()
    ));
    drop(world);
    Ok(())
}

/// Retires a version, once nothing is stored under it.
pub(crate) async fn retire(directory: &Path, args: &RetireKeyArgs) -> Result<()> {
    let world = open(directory).await?;
    let RetireKeyArgs { version } = *args;
    let known = key_versions::known(&*world.stores().records).await?;
    let Some(known) = known.get(&version) else {
        bail!("there is no version {version} of the key");
    };
    if known.unused_since.is_none() {
        match known.left {
            Some(left) if left > 0 => bail!(
                "{left} records at least are stored under version {version}: training runs move \
                 events and people, and slates expire"
            ),
            _ => bail!(
                "nobody has looked yet whether something is stored under version {version}, once \
                 a later one was current: `crossfold train` does"
            ),
        }
    }
    pseudonym_key::retire_in_directory(directory, version)?;
    printer::line(format_args!(
        "Version {version} of the key is retired: nothing is looked up under it any more. Its key \
         stays in {}, for those of later versions build on it.",
        directory.join(pseudonym_key::KEY_FILE).display()
    ));
    drop(world);
    Ok(())
}

/// The world of a directory, which nobody else can use as long as it is open.
async fn open(directory: &Path) -> Result<LocalWorld> {
    // Looking must not make one.
    if !directory.exists() {
        bail!("the data directory {} does not exist", directory.display());
    }
    LocalWorld::open(directory).await.context("stop the server that is running on it, if one is")
}
