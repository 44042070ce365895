//! Signatures of AWS, version 4: verified by signing again what was sent, with
//! the library that AWS's own SDK signs with.

use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, civil::DateTime};
use lambda_http::http::{HeaderMap, header};
use subtle::ConstantTimeEq;

use super::holder::Signable;

const ALGORITHM: &str = "AWS4-HMAC-SHA256 ";
const DATE_HEADER: &str = "x-amz-date";
/// How far a signer's clock may be off: what AWS's services allow.
const MAX_SKEW: SignedDuration = SignedDuration::from_mins(15);

/// Why a request does not count as signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InvalidSignature {
    #[error("the request is not signed with AWS4-HMAC-SHA256 in its Authorization header")]
    Unsigned,
    #[error("the signature must cover the headers host and x-amz-date")]
    Uncovered,
    #[error("the signature is from another time: its clock must be right to a quarter of an hour")]
    Expired,
    #[error("what is signed cannot be read")]
    Unreadable,
}

/// What the `Authorization` header says of a signature.
#[derive(Debug)]
pub(crate) struct SignedRequest {
    access_key_id: String,
    date: String,
    region: String,
    service: String,
    signed_headers: Vec<String>,
    signature: String,
    signed_at: Timestamp,
}

impl SignedRequest {
    /// Reads the headers of a request.
    pub(crate) fn read(request: &Signable<'_>) -> Result<Self, InvalidSignature> {
        let authorization = text(request.headers, header::AUTHORIZATION.as_str())
            .ok_or(InvalidSignature::Unsigned)?;
        let parts = authorization.strip_prefix(ALGORITHM).ok_or(InvalidSignature::Unsigned)?;
        let part = |name: &str| {
            let mut parts = parts.split(',').filter_map(|part| part.trim().split_once('='));
            let found = parts.find(|(own, _)| *own == name).map(|(_, value)| value);
            found.ok_or(InvalidSignature::Unsigned)
        };
        let scope: Vec<&str> = part("Credential")?.split('/').collect();
        let [access_key_id, date, region, service, "aws4_request"] = scope[..] else {
            return Err(InvalidSignature::Unsigned);
        };
        let signed_headers: Vec<String> =
            part("SignedHeaders")?.split(';').map(str::to_ascii_lowercase).collect();
        let is_covered = |name: &str| signed_headers.iter().any(|own| own == name);
        if !is_covered("host") || !is_covered(DATE_HEADER) {
            return Err(InvalidSignature::Uncovered);
        }
        let signed_at = text(request.headers, DATE_HEADER).and_then(parse_time);
        Ok(Self {
            access_key_id: access_key_id.to_owned(),
            date: date.to_owned(),
            region: region.to_owned(),
            service: service.to_owned(),
            signature: part("Signature")?.to_owned(),
            signed_at: signed_at.ok_or(InvalidSignature::Uncovered)?,
            signed_headers,
        })
    }

    pub(crate) fn access_key_id(&self) -> &str {
        &self.access_key_id
    }

    /// Whether it was signed about now.
    pub(crate) fn check_time(&self, now: Timestamp) -> Result<(), InvalidSignature> {
        let is_of_its_day = self.signed_at.strftime("%Y%m%d").to_string() == self.date;
        if self.signed_at.duration_since(now).abs() > MAX_SKEW || !is_of_its_day {
            return Err(InvalidSignature::Expired);
        }
        Ok(())
    }

    /// Whether the request was signed with a secret.
    pub(crate) fn is_signed_with(
        &self,
        request: &Signable<'_>,
        secret: &str,
    ) -> Result<bool, InvalidSignature> {
        let identity =
            Credentials::new(&self.access_key_id, secret, None, None, "write key").into();
        let mut settings = SigningSettings::default();
        // Signed is what the sender signed, and nothing else.
        settings.excluded_headers = None;
        let signed_at =
            SystemTime::try_from(self.signed_at).map_err(|_| InvalidSignature::Unreadable)?;
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name(&self.service)
            .time(signed_at)
            .settings(settings)
            .build()
            .map_err(|_| InvalidSignature::Unreadable)?
            .into();
        let headers = self.covered_headers(request.headers)?;
        let host = text(request.headers, "host").ok_or(InvalidSignature::Uncovered)?;
        let target = request.uri.path_and_query().map_or("/", |target| target.as_str());
        let signable = SignableRequest::new(
            request.method.as_str(),
            format!("https://{host}{target}"),
            headers.iter().map(|(name, value)| (*name, value.as_str())),
            SignableBody::Bytes(request.body),
        )
        .map_err(|_| InvalidSignature::Unreadable)?;
        let (_, expected) =
            sign(signable, &params).map_err(|_| InvalidSignature::Unreadable)?.into_parts();
        Ok(expected.as_bytes().ct_eq(self.signature.as_bytes()).into())
    }

    fn covered_headers(
        &self,
        headers: &HeaderMap,
    ) -> Result<Vec<(&str, String)>, InvalidSignature> {
        let covered = self.signed_headers.iter().filter(|name| *name != DATE_HEADER);
        let value = |name: &str| text(headers, name).map(str::to_owned);
        covered
            .map(|name| {
                Ok((name.as_str(), value(name.as_str()).ok_or(InvalidSignature::Uncovered)?))
            })
            .collect()
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// A time as `20261125T190000Z`.
fn parse_time(text: &str) -> Option<Timestamp> {
    let civil = DateTime::strptime("%Y%m%dT%H%M%SZ", text).ok()?;
    TimeZone::UTC.to_timestamp(civil).ok()
}

#[cfg(test)]
mod tests {
    use lambda_http::http::{Method, Uri};

    use super::*;

    const SECRET: &str = "SK";
    const BODY: &[u8] = br#"{"trackingId":"t"}"#;

    /// Headers as botocore signs them for these credentials, region and time.
    fn headers(signature: &str) -> HeaderMap {
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential=AK/20261125/us-east-1/personalize/aws4_request, \
             SignedHeaders=content-type;host;x-amz-date, Signature={signature}"
        );
        [
            ("authorization", authorization.as_str()),
            ("content-type", "application/json"),
            ("host", "127.0.0.1:8080"),
            ("user-agent", "Boto3/1.43.106"),
            ("x-amz-date", "20261125T191007Z"),
        ]
        .into_iter()
        .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
        .collect()
    }

    fn is_right(signature: &str, body: &[u8], secret: &str, path: &str) -> bool {
        let (headers, uri) = (headers(signature), path.parse::<Uri>().unwrap());
        let request = Signable { method: &Method::POST, uri: &uri, headers: &headers, body };
        let signed = SignedRequest::read(&request).unwrap();
        assert_eq!(signed.access_key_id(), "AK");
        signed.is_signed_with(&request, secret).unwrap()
    }

    const SIGNATURE: &str = "c21f7967b634d0b296aa7f7ce4443b9819964d22c34ee6ff1376d52e1c113a14";

    #[test]
    fn a_signature_of_the_python_sdk_is_right_for_its_request_alone() {
        assert!(is_right(SIGNATURE, BODY, SECRET, "/events"));
        assert!(!is_right(SIGNATURE, b"{}", SECRET, "/events"));
        assert!(!is_right(SIGNATURE, BODY, "other", "/events"));
        assert!(!is_right(SIGNATURE, BODY, SECRET, "/items"));
        assert!(!is_right(SIGNATURE, BODY, SECRET, "/events?x=1"));
        assert!(!is_right(&"0".repeat(64), BODY, SECRET, "/events"));
    }

    #[test]
    fn a_signature_from_another_time_or_of_too_little_is_none() {
        let (headers, uri) = (headers(SIGNATURE), Uri::from_static("/events"));
        let read = |headers: &HeaderMap| {
            let request = Signable { method: &Method::POST, uri: &uri, headers, body: BODY };
            SignedRequest::read(&request)
        };
        let signed = read(&headers).unwrap();
        let at = |text: &str| signed.check_time(text.parse().unwrap());
        assert_eq!(at("2026-11-25T19:25:07Z"), Ok(()));
        assert_eq!(at("2026-11-25T19:25:08Z"), Err(InvalidSignature::Expired));
        assert_eq!(at("2026-11-25T18:55:06Z"), Err(InvalidSignature::Expired));
        let with = |authorization: &str| {
            let mut headers = headers.clone();
            headers.insert("authorization", authorization.parse().unwrap());
            read(&headers).map(drop)
        };
        assert_eq!(with("Basic eDo="), Err(InvalidSignature::Unsigned));
        let scope = "Credential=AK/20261125/us-east-1/personalize/aws4_request";
        let no_host = format!("{ALGORITHM}{scope}, SignedHeaders=x-amz-date, Signature=0");
        assert_eq!(with(&no_host), Err(InvalidSignature::Uncovered));
        assert_eq!(with("AWS4-HMAC-SHA256 Credential=AK/x"), Err(InvalidSignature::Unsigned));
    }
}
