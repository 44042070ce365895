//! Where a command works: on a data directory, in this process, or on a server.

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

/// Adds what to do when a directory is in use.
pub(crate) fn told_of_a_server(error: anyhow::Error) -> anyhow::Error {
    match error.downcast_ref::<EmbeddedError>() {
        Some(EmbeddedError::InUse(_)) => error.context(
            "a running crossfold has the data directory; name its server by the address that it \
             printed, such as --api http://127.0.0.1:8080",
        ),
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

    /// A client of the API there.
    pub(crate) fn client(&self) -> ApiClient {
        match self {
            Self::Directory(world) => world.client(),
            Self::Server(client) => client.clone(),
        }
    }
}
