//! Where a command works: on a data directory, in this process, or on a server.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::Result;
use crossfold_storage::embedded::EmbeddedError;

use crate::api_client::ApiClient;
use crate::args::ServerArgs;
use crate::local_world::LocalWorld;

/// Where a command works.
pub(crate) enum Place {
    /// A data directory. Its storage stops when the world goes, so it is kept to the end.
    Directory(Box<LocalWorld>),
    /// A running server or a deployed stack.
    Server(ApiClient),
}

/// Adds what to do when a directory is in use, for a command that a server can be named to.
pub(crate) fn told_of_a_server(error: anyhow::Error) -> anyhow::Error {
    advised(
        error,
        "another crossfold has the data directory: if it is a server, name it by the address that \
         it printed, such as --api http://127.0.0.1:8080; else (a run, an import) wait until it \
         has ended",
    )
}

/// Adds what to do when a directory is in use, for a command that works on its files alone.
pub(crate) fn told_to_stop_the_server(error: anyhow::Error) -> anyhow::Error {
    advised(
        error,
        "another crossfold has the data directory, and this command needs it for itself: stop \
         the server, or wait until a run or an import has ended",
    )
}

/// Opens the world of a directory that has one, for a command that works on its files alone.
///
/// # Errors
/// When there is none, or it cannot be used.
pub(crate) async fn open_alone(directory: &Path) -> Result<LocalWorld> {
    LocalWorld::open_existing(directory).await.map_err(told_to_stop_the_server)
}

fn advised(error: anyhow::Error, advice: &'static str) -> anyhow::Error {
    match error.downcast_ref::<EmbeddedError>() {
        Some(EmbeddedError::InUse(_)) => error.context(advice),
        _ => error,
    }
}

impl Place {
    /// The server that was named, or else the data directory.
    ///
    /// # Errors
    /// When the directory has no world or cannot be used, or the address is none.
    pub(crate) async fn open(directory: &Path, server: &ServerArgs) -> Result<Self> {
        Ok(match &server.api {
            Some(address) => Self::Server(ApiClient::of_server(address, server.token())?),
            None => {
                let opened = LocalWorld::open_existing(directory).await;
                Self::Directory(Box::new(opened.map_err(told_of_a_server)?))
            }
        })
    }

    /// The versions of the key that are retired; `None` of a server, which does not tell.
    pub(crate) fn retired_keys(&self) -> Option<BTreeSet<u32>> {
        match self {
            Self::Directory(world) => Some(world.retired_keys()),
            Self::Server(_) => None,
        }
    }

    /// A client of the API there.
    pub(crate) fn client(&self) -> ApiClient {
        match self {
            Self::Directory(world) => world.client(),
            Self::Server(client) => client.clone(),
        }
    }
}
