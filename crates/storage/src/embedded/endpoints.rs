//! How the SDK finds the embedded servers.

use std::time::Duration;

use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_dynamodb::config::{Credentials, SharedCredentialsProvider};
use aws_types::service_config::{LoadServiceConfig, ServiceConfigKey};

use crate::aws::retry_config;

/// A busy disk is no reason to send a write again.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(30);

/// A URL for each service, as `AWS_ENDPOINT_URL_<SERVICE>` would give it.
#[derive(Debug)]
struct ServiceEndpoints {
    dynamodb: String,
    s3: String,
}

impl LoadServiceConfig for ServiceEndpoints {
    fn load_config(&self, key: ServiceConfigKey<'_>) -> Option<String> {
        match (key.env(), key.service_id()) {
            ("AWS_ENDPOINT_URL", "DynamoDB") => Some(self.dynamodb.clone()),
            ("AWS_ENDPOINT_URL", "S3") => Some(self.s3.clone()),
            _ => None,
        }
    }
}

/// The access key that requests are signed with.
pub(super) const ACCESS_KEY: &str = "embedded";

/// The SDK's configuration for servers at these URLs.
pub(super) fn sdk_config(dynamodb: &str, s3: &str, secret_key: &str) -> SdkConfig {
    let credentials = Credentials::new(ACCESS_KEY, secret_key, None, None, "embedded");
    let timeouts = TimeoutConfig::builder().operation_attempt_timeout(ATTEMPT_TIMEOUT).build();
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        // Within the process: without encryption, whatever is linked.
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .region(Region::from_static("us-east-1"))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .retry_config(retry_config())
        .timeout_config(timeouts)
        .service_config(ServiceEndpoints { dynamodb: dynamodb.into(), s3: s3.into() })
        .build()
}
