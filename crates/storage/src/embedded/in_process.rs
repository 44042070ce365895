//! The way to the embedded stores: a call within this process, not a connection.
//!
//! A socket on the loopback interface can be reached by every process of the machine, and
//! by any page in a browser on it, whatever is demanded of a request then. There is none.
//! The SDK hands its requests to [`InProcess`] where it would send them, and what answers
//! is reached by nobody else.

use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Duration;

use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_dynamodb::config::{Credentials, SharedCredentialsProvider};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use dynoxide::Database;
use http::HeaderValue;
use s3s::service::S3Service;
use tokio::runtime::Handle;

use super::dynamodb::Call;
use super::scrub::Scrubber;
use crate::aws::retry_config;

/// A busy disk is no reason to send a write again.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(30);

/// Where the SDK believes the stores to be: at an address that nobody has (RFC 5737), so
/// that a request which went out after all would reach nobody. It is no name, so that the
/// SDK leaves the bucket's name in the path.
const HOST: &str = "192.0.2.1";

/// The access key that requests are signed with.
pub(super) const ACCESS_KEY: &str = "embedded";

/// Names the operation of a call to DynamoDB; S3's have none.
const TARGET: &str = "x-amz-target";

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// What answers.
pub(super) struct Servers {
    pub(super) database: Database,
    pub(super) s3: S3Service,
    pub(super) scrubber: Arc<Scrubber>,
}

/// Hands requests to the servers, for as long as there are any.
#[derive(Clone)]
pub(super) struct InProcess {
    servers: Weak<Servers>,
    /// Whose threads may wait for the disk.
    runtime: Handle,
}

impl InProcess {
    /// The way to some servers, which answer on threads of a runtime.
    pub(super) fn to(servers: &Arc<Servers>, runtime: &Handle) -> Self {
        Self { servers: Arc::downgrade(servers), runtime: runtime.clone() }
    }
}

impl fmt::Debug for InProcess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InProcess")
    }
}

impl HttpClient for InProcess {
    fn http_connector(
        &self,
        _: &HttpConnectorSettings,
        _: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for InProcess {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let servers = self.servers.upgrade();
        let runtime = self.runtime.clone();
        HttpConnectorFuture::new(async move {
            let failed = |error: BoxError| ConnectorError::other(error, None);
            let servers =
                servers.ok_or_else(|| failed("the embedded storage was stopped".into()))?;
            let answered = runtime.spawn(async move { servers.answer(request).await }).await;
            answered.map_err(|error| failed(error.into()))?.map_err(failed)
        })
    }
}

impl Servers {
    async fn answer(&self, request: HttpRequest) -> Result<HttpResponse, BoxError> {
        let request = request.try_into_http1x()?;
        match request.headers().get(TARGET).map(|target| target.to_str().map(str::to_owned)) {
            Some(target) => {
                let body = request.into_body();
                let body = body.bytes().ok_or("a call to DynamoDB has its body in memory")?;
                self.dynamodb(&target?, body)
            }
            None => self.s3(request).await,
        }
    }

    fn dynamodb(&self, target: &str, body: &[u8]) -> Result<HttpResponse, BoxError> {
        let call = Call::new(target, body).ok_or("no operation of DynamoDB")?;
        let deleting = match call.deletes() {
            true => Some(self.scrubber.deleting()?),
            false => None,
        };
        let answer = call.carry_out(&self.database);
        drop(deleting);
        let body = SdkBody::from(answer.body);
        Ok(HttpResponse::new(answer.status.try_into()?, body))
    }

    async fn s3(&self, request: http::Request<SdkBody>) -> Result<HttpResponse, BoxError> {
        let mut request = request.map(s3s::Body::http_body_unsync);
        // Signed by the SDK, and written by whatever would send the request.
        let host = HeaderValue::from_static(HOST);
        request.headers_mut().entry(http::header::HOST).or_insert(host);
        let answer = self.s3.call(request).await.map_err(|error| format!("{error:?}"))?;
        Ok(HttpResponse::try_from(answer.map(SdkBody::from_body_1_x))?)
    }
}

/// The SDK's configuration for stores within the process.
pub(super) fn sdk_config(way: InProcess, secret_key: &str) -> SdkConfig {
    let credentials = Credentials::new(ACCESS_KEY, secret_key, None, None, "embedded");
    let timeouts = TimeoutConfig::builder().operation_attempt_timeout(ATTEMPT_TIMEOUT).build();
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .http_client(way)
        .endpoint_url(format!("http://{HOST}"))
        .region(Region::from_static("us-east-1"))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .retry_config(retry_config())
        .timeout_config(timeouts)
        .build()
}
