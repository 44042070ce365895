//! Bodies that are sent compressed, inflated within a bound.

use std::io::Read;

use bytes::Bytes;
use crossfold_edge::problem::Problem;
use crossfold_edge::router::MAX_BODY_BYTES;
use flate2::read::MultiGzDecoder;
use lambda_http::http::{HeaderMap, StatusCode, header};

/// A body as it was before it was compressed. It may be no larger than a body
/// that is sent plainly: a few bytes can stand for gigabytes.
///
/// # Errors
/// When the encoding is not known, broken, or stands for too much.
pub(crate) fn body(headers: &HeaderMap, sent: Bytes) -> Result<Bytes, Problem> {
    let encoding = headers.get(header::CONTENT_ENCODING).map(|value| value.as_bytes());
    match encoding.unwrap_or_default().to_ascii_lowercase().as_slice() {
        b"" | b"identity" => Ok(sent),
        b"gzip" | b"x-gzip" => inflate(&sent),
        _ => {
            let detail = "Content-Encoding must be gzip, or left out";
            let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
            Err(Problem::new(status, "unsupported_encoding", detail))
        }
    }
}

fn inflate(sent: &[u8]) -> Result<Bytes, Problem> {
    let mut inflated = Vec::new();
    let mut bounded = MultiGzDecoder::new(sent).take(MAX_BODY_BYTES as u64 + 1);
    bounded.read_to_end(&mut inflated).map_err(|error| {
        let detail = format!("the body is no gzip: {error}");
        Problem::new(StatusCode::BAD_REQUEST, "unreadable_body", detail)
    })?;
    if inflated.len() > MAX_BODY_BYTES {
        let detail = format!("the body inflates to more than {MAX_BODY_BYTES} bytes");
        return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "payload_too_large", detail));
    }
    Ok(inflated.into())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn gzip(plain: &[u8]) -> Bytes {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(plain).unwrap();
        encoder.finish().unwrap().into()
    }

    fn read(encoding: Option<&'static str>, sent: Bytes) -> Result<Bytes, &'static str> {
        let mut headers = HeaderMap::new();
        if let Some(encoding) = encoding {
            headers.insert(header::CONTENT_ENCODING, encoding.parse().unwrap());
        }
        body(&headers, sent).map_err(|problem| problem.code)
    }

    #[test]
    fn a_compressed_body_is_inflated_and_a_plain_one_left() {
        for encoding in ["gzip", "GZIP", "x-gzip"] {
            assert_eq!(read(Some(encoding), gzip(b"{}")), Ok("{}".into()));
        }
        let members = [gzip(b"{"), gzip(b"}")].concat();
        assert_eq!(read(Some("gzip"), members.into()), Ok("{}".into()));
        assert_eq!(read(None, "{}".into()), Ok("{}".into()));
        assert_eq!(read(Some("identity"), "{}".into()), Ok("{}".into()));
    }

    #[test]
    fn a_bomb_a_torn_body_and_an_unknown_encoding_are_refused() {
        let bomb = gzip(&vec![0; 64 * 1024 * 1024]);
        assert!(bomb.len() < 100_000);
        assert_eq!(read(Some("gzip"), bomb), Err("payload_too_large"));
        assert!(read(Some("gzip"), gzip(&vec![b' '; MAX_BODY_BYTES])).is_ok());
        let torn = gzip(b"{}");
        assert_eq!(read(Some("gzip"), torn.slice(..torn.len() - 4)), Err("unreadable_body"));
        assert_eq!(read(Some("gzip"), "{}".into()), Err("unreadable_body"));
        assert_eq!(read(Some("br"), "{}".into()), Err("unsupported_encoding"));
    }
}
