//! Pushes to a webhook, as [Standard Webhooks](https://www.standardwebhooks.com) has it (version
//! 1.0.0): so that who receives them can tell by any of its libraries that they came from here.
//!
//! The body is `{"type": "crossfold.push", "timestamp": …, "data": the push}`, signed with
//! HMAC-SHA256 over `id.timestamp.body`, the id being the push's own.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use async_trait::async_trait;
use crossfold_core::entities::clock::Clock;
use crossfold_core::entities::ports::{PushChannel, StoreError, StoreResult};
use crossfold_core::entities::push::Push;
use crossfold_lab::output;
use hmac::{Hmac, KeyInit, Mac};
use reqwest::header::CONTENT_TYPE;
use reqwest::redirect::Policy;
use reqwest::{Client, Url};
use serde::Serialize;
use serde_json::json;
use sha2::Sha256;

/// What a secret begins with, before its base64.
const SECRET_PREFIX: &str = "whsec_";
/// Fewest bytes of a secret that signatures are made with, as the specification has it.
const MIN_SECRET_BYTES: usize = 24;
/// How long a receiver may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// [`PushChannel`] over HTTP.
pub(crate) struct Webhook {
    client: Client,
    url: Url,
    secret: Vec<u8>,
    clock: Clock,
}

/// What is sent, but for its signature.
#[derive(Serialize)]
struct Message<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    timestamp: String,
    data: &'a Push,
}

impl Webhook {
    /// One at an address, signing with a secret (`whsec_` and base64 of 24 bytes or more).
    ///
    /// # Errors
    /// When either is none.
    pub(crate) fn new(url: &str, secret: &str, clock: Clock) -> Result<Self> {
        // Not with the text, which may hold a password.
        let url: Url = url.parse().context("what --webhook says is no address")?;
        ensure!(
            matches!(url.scheme(), "http" | "https"),
            "the webhook's address must begin with https:// or http://"
        );
        let secret = secret_bytes(secret)
            .context("CROSSFOLD_WEBHOOK_SECRET must be whsec_ and base64 of 24 bytes or more")?;
        // A redirected message would be another address's than the one that was meant.
        let client = Client::builder().timeout(PATIENCE).redirect(Policy::none()).build()?;
        Ok(Self { client, url, secret, clock })
    }
}

fn secret_bytes(secret: &str) -> Option<Vec<u8>> {
    let base64 = secret.trim().strip_prefix(SECRET_PREFIX)?;
    let bytes = data_encoding::BASE64.decode(base64.as_bytes()).ok()?;
    (bytes.len() >= MIN_SECRET_BYTES).then_some(bytes)
}

/// `v1,` and base64 of the signature of a message.
fn signature(secret: &[u8], id: &str, timestamp: i64, body: &str) -> String {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret) else {
        unreachable!("HMAC accepts a key of any length");
    };
    mac.update(format!("{id}.{timestamp}.{body}").as_bytes());
    format!("v1,{}", data_encoding::BASE64.encode(&mac.finalize().into_bytes()))
}

#[async_trait]
impl PushChannel for Webhook {
    async fn deliver(&self, push: &Push) -> StoreResult<()> {
        let (now, id) = (self.clock.now(), push.push_id.as_str());
        let message = Message { kind: "crossfold.push", timestamp: now.to_string(), data: push };
        let body = serde_json::to_string(&message)
            .map_err(|error| StoreError::refused("a push cannot be written", error))?;
        let sent = self
            .client
            .post(self.url.clone())
            .header(CONTENT_TYPE, "application/json")
            .header("webhook-id", id)
            .header("webhook-timestamp", now.as_second())
            .header("webhook-signature", signature(&self.secret, id, now.as_second(), &body))
            .body(body)
            .send()
            .await;
        // Without its address, which may hold a password.
        let answer = sent.map_err(|error| {
            StoreError::unavailable("the webhook does not answer", error.without_url())
        })?;
        match answer.status() {
            status if status.is_success() => Ok(()),
            status => {
                let status = status.to_string();
                Err(StoreError::unavailable("the webhook did not take a push", status))
            }
        }
    }
}

/// [`PushChannel`] to the terminal of who serves: a line of JSON for each push.
pub(crate) struct Terminal;

#[async_trait]
impl PushChannel for Terminal {
    async fn deliver(&self, push: &Push) -> StoreResult<()> {
        output::tell(json!({ "push": push }));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification's libraries.
    #[test]
    fn a_signature_is_that_of_the_standard() {
        let secret = secret_bytes("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let signed = signature(
            &secret,
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            r#"{"test": 2432232314}"#,
        );
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn what_is_no_secret_or_no_address_is_refused() {
        let clock = || Clock::from_fn(|| jiff::Timestamp::UNIX_EPOCH);
        let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        for (url, secret) in [
            ("localhost:9000", secret),
            ("ftp://localhost/", secret),
            ("http://localhost:9000/", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
            ("http://localhost:9000/", "whsec_AAAA"),
            ("http://localhost:9000/", "whsec_***"),
        ] {
            assert!(Webhook::new(url, secret, clock()).is_err(), "{url} {secret}");
        }
        assert!(Webhook::new("http://localhost:9000/", secret, clock()).is_ok());
    }
}
