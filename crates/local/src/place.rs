//! Where a command works: on a data directory, in this process, or on a server.

use std::path::Path;

use anyhow::{Context, Result};

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

impl Place {
    /// The server that was named, or else the data directory.
    ///
    /// # Errors
    /// When the directory cannot be used, or the address is none.
    pub(crate) async fn open(directory: &Path, server: &ServerArgs) -> Result<Self> {
        Ok(match &server.api {
            Some(address) => Self::Server(ApiClient::of_server(address, server.token())?),
            None => {
                let world = LocalWorld::open(directory).await.context(
                    "if a server is running on it, ask the server: --api http://127.0.0.1:8080",
                )?;
                Self::Directory(Box::new(world))
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
