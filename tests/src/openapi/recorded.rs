//! Remembering what was called and answered.

use std::collections::BTreeMap;
use std::sync::Mutex;

use anyhow::Context;
use async_trait::async_trait;
use bytes::Bytes;

use crate::api::{ApiRequest, ApiResponse};
use crate::world::World;

/// A world that remembers what was called and answered.
pub struct Recorded<W> {
    world: W,
    calls: Mutex<Vec<(ApiRequest, ApiResponse)>>,
}

impl<W> Recorded<W> {
    /// Remembers nothing yet.
    #[must_use]
    pub fn new(world: W) -> Self {
        Self { world, calls: Mutex::default() }
    }

    /// Every call with its answer.
    ///
    /// # Errors
    /// When a caller panicked while it was remembered.
    pub fn calls(self) -> anyhow::Result<Vec<(ApiRequest, ApiResponse)>> {
        self.calls.into_inner().ok().context("a call was remembered in part")
    }
}

#[async_trait]
impl<W: World> World for Recorded<W> {
    fn checks_tokens(&self) -> bool {
        self.world.checks_tokens()
    }

    async fn call(&self, request: ApiRequest) -> anyhow::Result<ApiResponse> {
        let response = self.world.call(request.clone()).await?;
        self.calls.lock().unwrap().push((request, response.clone()));
        Ok(response)
    }

    async fn carry_streams(&self) -> anyhow::Result<()> {
        self.world.carry_streams().await
    }

    async fn forget_what_is_cached(&self) -> anyhow::Result<()> {
        self.world.forget_what_is_cached().await
    }

    async fn archive(&self, prefix: &str) -> anyhow::Result<BTreeMap<String, Bytes>> {
        self.world.archive(prefix).await
    }
}
