//! The path that the caller sent, from what API Gateway makes of it.

use http::Uri;
use http::uri::PathAndQuery;
use lambda_http::{Request, RequestExt};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// All but what a segment may hold as it is (RFC 3986, section 2.3), and the slash.
const ENCODED: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');

/// Encodes the path again. An HTTP API hands it on decoded, so that `%41` as a
/// user id, sent as `%2541`, would be decoded twice and become the user `A`,
/// and a `#` in an id would end the path. A slash in an id cannot be told from
/// one between two segments any more.
#[must_use]
pub(crate) fn encode_again(mut request: Request) -> Request {
    let path = utf8_percent_encode(request.raw_http_path(), ENCODED).to_string();
    let query = request.query_string_parameters().to_query_string();
    let target = if query.is_empty() { path } else { format!("{path}?{query}") };
    // A target that is none leaves the request as it was.
    if let Ok(target) = PathAndQuery::try_from(target) {
        let mut parts = request.uri().clone().into_parts();
        parts.path_and_query = Some(target);
        if let Ok(uri) = Uri::from_parts(parts) {
            *request.uri_mut() = uri;
        }
    }
    request
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(path: &str, query: &str) -> Request {
        let event = serde_json::json!({
            "version": "2.0", "routeKey": "$default", "rawPath": path, "rawQueryString": query,
            "headers": { "host": "api.example.com" }, "isBase64Encoded": false,
            "requestContext": {
                "stage": "$default", "timeEpoch": 0,
                "http": { "method": "GET", "path": path },
            },
        });
        lambda_http::request::from_str(&event.to_string()).unwrap()
    }

    #[test]
    fn a_decoded_path_is_encoded_again_and_the_query_kept() {
        for (decoded, encoded) in [
            ("/v1/users/plain", "/v1/users/plain"),
            ("/v1/users/%41", "/v1/users/%2541"),
            ("/v1/users/50%", "/v1/users/50%25"),
            ("/v1/users/a#b", "/v1/users/a%23b"),
            ("/v1/users/a b/links", "/v1/users/a%20b/links"),
            ("/v1/users/用户", "/v1/users/%E7%94%A8%E6%88%B7"),
        ] {
            let request = encode_again(event(decoded, "domain=auto-finance"));
            assert_eq!(request.uri().path(), encoded);
            assert_eq!(request.uri().query(), Some("domain=auto-finance"));
        }
    }

    #[test]
    fn a_path_without_a_query_gets_none() {
        assert_eq!(encode_again(event("/v1/events", "")).uri().query(), None);
    }
}
