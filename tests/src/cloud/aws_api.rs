//! Calls of AWS's JSON APIs that no SDK in this workspace makes.

use anyhow::ensure;
use serde_json::Value;

use crate::http_client::HttpClient;

/// Names an account and a region; the services that stand in for AWS check
/// nothing else of it.
const AUTHORIZATION: &str = "AWS4-HMAC-SHA256 \
    Credential=test/20260101/us-east-1/dynamodb/aws4_request, SignedHeaders=host, Signature=0";

/// A client of AWS's JSON APIs.
#[derive(Clone)]
pub(crate) struct AwsApi {
    client: HttpClient,
}

impl AwsApi {
    pub(crate) fn new(endpoint: String) -> Self {
        Self { client: HttpClient::new(endpoint) }
    }

    /// Calls an operation, named as in the header `x-amz-target`.
    pub(crate) async fn call(
        &self,
        service: &str,
        operation: &str,
        input: &Value,
    ) -> anyhow::Result<Value> {
        let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let headers = [
            header("authorization", AUTHORIZATION),
            header("content-type", "application/x-amz-json-1.1"),
            header("x-amz-target", &format!("{service}.{operation}")),
        ];
        let body = input.to_string().into();
        let (status, _, answer) = self.client.send("POST", "/", &headers, body).await?;
        let text = String::from_utf8_lossy(&answer);
        ensure!(status.is_success(), "{operation}: {status} {text}");
        Ok(serde_json::from_slice(&answer)?)
    }
}
