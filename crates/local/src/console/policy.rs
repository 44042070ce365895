//! What the console's page may load and do.

use data_encoding::BASE64;
use sha2::{Digest, Sha256};

/// What the import map stands between: the one script in the page itself, for browsers
/// take import maps from nowhere else.
const IMPORT_MAP: (&str, &str) = ("<script type=\"importmap\">", "</script>");

/// The content security policy of a page: its own files and API, and the one import map
/// that it holds, by its hash.
pub(super) fn content_security_policy(page: &str) -> String {
    let (start, end) = IMPORT_MAP;
    let map = page.split_once(start).and_then(|(_, rest)| Some(rest.split_once(end)?.0));
    let hash = BASE64.encode(&Sha256::digest(map.unwrap_or_default()));
    [
        "default-src 'none'",
        &format!("script-src 'self' 'sha256-{hash}'"),
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    ]
    .join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_import_map_is_named_by_its_hash_and_nothing_else_is_allowed() {
        let page = "<head><script type=\"importmap\">{}</script></head>";
        let policy = content_security_policy(page);
        // The SHA-256 of `{}`.
        assert!(
            policy.contains("'sha256-RBNvo1WzZ4oRRq0W9+hknpT7T8If536DEMBg9hyq/4o='"),
            "{policy}"
        );
        assert!(policy.starts_with("default-src 'none'; script-src 'self' 'sha256-"));
        assert!(!policy.contains("unsafe") && !policy.contains('*'), "{policy}");
    }
}
