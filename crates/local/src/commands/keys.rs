//! `crossfold rotate-key` and `crossfold retire-key`: the keys that pseudonyms are made with.

use std::path::Path;

use anyhow::{Result, bail};
use crossfold_core::entities::counted::of;
use crossfold_storage::{key_versions, pseudonym_key};

use crate::args::RetireKeyArgs;
use crate::local_world::LocalWorld;
use crate::place::told_to_stop_the_server;
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
    if world.is_current_key(version) {
        bail!(
            "version {version} of the key is the current one: `crossfold rotate-key` makes another \
             current first"
        );
    }
    let known = key_versions::known(&*world.stores().records).await?;
    let Some(known) = known.get(&version) else {
        bail!("there is no version {version} of the key");
    };
    if known.unused_since.is_none() {
        match known.left {
            Some(left) if left > 0 => bail!(
                "{} at least stored under version {version}: training runs move events and people, \
                 and slates expire",
                of(left, "record")
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
    LocalWorld::open(directory).await.map_err(told_to_stop_the_server)
}
