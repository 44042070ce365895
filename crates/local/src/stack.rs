//! A deployed stack, for the commands that look into its stores themselves. What it is on is
//! `main`'s business.

use anyhow::Result;
use async_trait::async_trait;
use crossfold_core::entities::ports::Stores;
use crossfold_core::entities::pseudonym::Pseudonymiser;

/// A deployed stack. What of it is not named is asked for only once it is needed.
#[async_trait]
pub trait Stack: Sync {
    /// Its tables and its bucket.
    ///
    /// # Errors
    /// When what names them is wrong.
    async fn stores(&self) -> Result<Stores>;

    /// The keys of its pseudonyms, which sign its receipts as well.
    ///
    /// # Errors
    /// When its secret cannot be read.
    async fn keys(&self) -> Result<Pseudonymiser>;
}
