//! Tokens: what API Gateway's authorizer verified of a caller.

use serde_json::{Value, json};

/// Every scope that the API knows.
pub const SCOPES: [&str; 12] = [
    "events:write",
    "catalog:read",
    "catalog:write",
    "domains:write",
    "users:read",
    "users:write",
    "recommendations:read",
    "feedback:write",
    "training:read",
    "training:write",
    "experiments:read",
    "experiments:write",
];

/// A verified token.
#[derive(Debug, Clone)]
pub struct Token {
    domains: Vec<String>,
    scopes: Vec<String>,
}

impl Token {
    /// A token with every scope in some domains.
    #[must_use]
    pub fn covering(domains: &[&str]) -> Self {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Self { domains: owned(domains), scopes: owned(&SCOPES) }
    }

    /// The same token without one of its scopes.
    #[must_use]
    pub fn without_scope(mut self, scope: &str) -> Self {
        self.scopes.retain(|own| own != scope);
        self
    }

    /// The claims, as API Gateway hands them on: every value a text, a list as
    /// `[a b]`.
    #[must_use]
    pub fn claims(&self) -> Value {
        json!({
            "aud": "crossfold",
            "crossfold_domains": format!("[{}]", self.domains.join(" ")),
            "exp": "4102444800",
            "iat": "1767225600",
            "iss": "https://issuer.example.com/",
            "scope": self.scopes.join(" "),
            "sub": "platform-backend",
        })
    }
}
