//! Who calls, and what they may do.

use std::collections::BTreeSet;

use axum::extract::FromRequestParts;
use crossfold_entities::ids::DomainId;
use http::StatusCode;
use http::request::Parts;

use crate::problem::Problem;

/// A permission to use one part of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// Post events.
    EventsWrite,
    /// Read the catalogue and definitions.
    CatalogRead,
    /// Change the catalogue.
    CatalogWrite,
    /// Define domains.
    DomainsWrite,
    /// Read users and their consents.
    UsersRead,
    /// Register, link and erase users and record consents.
    UsersWrite,
    /// Ask for recommendations.
    RecommendationsRead,
    /// Report outcomes.
    FeedbackWrite,
    /// Read training runs.
    TrainingRead,
    /// Start training runs.
    TrainingWrite,
    /// Read experiments and their reports, and try their variants.
    ExperimentsRead,
    /// Create experiments, start and end them.
    ExperimentsWrite,
}

impl Scope {
    /// Every scope.
    pub const ALL: [Self; 12] = [
        Self::EventsWrite,
        Self::CatalogRead,
        Self::CatalogWrite,
        Self::DomainsWrite,
        Self::UsersRead,
        Self::UsersWrite,
        Self::RecommendationsRead,
        Self::FeedbackWrite,
        Self::TrainingRead,
        Self::TrainingWrite,
        Self::ExperimentsRead,
        Self::ExperimentsWrite,
    ];

    /// The scope as it stands in a token.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::EventsWrite => "events:write",
            Self::CatalogRead => "catalog:read",
            Self::CatalogWrite => "catalog:write",
            Self::DomainsWrite => "domains:write",
            Self::UsersRead => "users:read",
            Self::UsersWrite => "users:write",
            Self::RecommendationsRead => "recommendations:read",
            Self::FeedbackWrite => "feedback:write",
            Self::TrainingRead => "training:read",
            Self::TrainingWrite => "training:write",
            Self::ExperimentsRead => "experiments:read",
            Self::ExperimentsWrite => "experiments:write",
        }
    }

    /// The scope of that name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == text)
    }
}

/// The domains a caller acts for.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Domains {
    All,
    Only(BTreeSet<DomainId>),
}

/// An authenticated caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    domains: Domains,
    scopes: BTreeSet<Scope>,
}

impl Caller {
    /// A caller from the texts of a token's claims: names separated by spaces,
    /// commas or brackets (API Gateway prints a claim that is a list as `[a b]`).
    /// Names that are not known grant nothing.
    #[must_use]
    pub fn from_claims(domains: &str, scopes: &str) -> Self {
        let words = |text: &str| -> Vec<String> {
            text.split(|c: char| c.is_whitespace() || ",[]\"".contains(c))
                .filter(|word| !word.is_empty())
                .map(str::to_owned)
                .collect()
        };
        Self {
            domains: Domains::Only(
                words(domains).iter().filter_map(|word| DomainId::parse(word).ok()).collect(),
            ),
            scopes: words(scopes).iter().filter_map(|word| Scope::parse(word)).collect(),
        }
    }

    /// A caller who acts for these domains in these scopes.
    #[must_use]
    pub fn with(
        domains: impl IntoIterator<Item = DomainId>,
        scopes: impl IntoIterator<Item = Scope>,
    ) -> Self {
        Self {
            domains: Domains::Only(domains.into_iter().collect()),
            scopes: scopes.into_iter().collect(),
        }
    }

    /// The caller of a development server on the loopback interface: every
    /// domain and scope.
    #[must_use]
    pub fn development() -> Self {
        Self { domains: Domains::All, scopes: Scope::ALL.into() }
    }

    /// What kind of caller it is, for a record of what was done: `token` behind
    /// the authorizer, `development` on a local server.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self.domains {
            Domains::All => "development",
            Domains::Only(_) => "token",
        }
    }

    /// Whether the caller acts for every domain, those of later included.
    #[must_use]
    pub fn acts_for_all(&self) -> bool {
        self.domains == Domains::All
    }

    /// Whether the caller acts for a domain.
    #[must_use]
    pub fn acts_for(&self, domain: &DomainId) -> bool {
        match &self.domains {
            Domains::All => true,
            Domains::Only(domains) => domains.contains(domain),
        }
    }

    /// The domain that the caller acts for, when it is one.
    #[must_use]
    pub fn only_domain(&self) -> Option<&DomainId> {
        match &self.domains {
            Domains::Only(domains) if domains.len() == 1 => domains.first(),
            _ => None,
        }
    }

    /// Demands a scope.
    ///
    /// # Errors
    /// A problem with the code `scope_missing`.
    pub fn require_scope(&self, scope: Scope) -> Result<(), Problem> {
        if self.scopes.contains(&scope) {
            return Ok(());
        }
        let detail = format!("the token lacks the scope {}", scope.as_str());
        Err(Problem::new(StatusCode::FORBIDDEN, "scope_missing", detail))
    }

    /// Demands a scope and the right to act for a domain.
    ///
    /// # Errors
    /// A problem with the code `scope_missing` or `domain_forbidden`.
    pub fn require(&self, scope: Scope, domain: &DomainId) -> Result<(), Problem> {
        self.require_scope(scope)?;
        if self.acts_for(domain) {
            return Ok(());
        }
        let detail = format!("the token does not cover the domain {domain}");
        Err(Problem::new(StatusCode::FORBIDDEN, "domain_forbidden", detail))
    }
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        parts.extensions.get::<Self>().cloned().ok_or_else(|| {
            let detail = "the request carries no verified token";
            Problem::new(StatusCode::UNAUTHORIZED, "unauthenticated", detail)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claims_grant_exactly_what_they_name() {
        let caller = Caller::from_claims("[knowledge auto-finance]", "events:write bogus");
        let knowledge = DomainId::parse("knowledge").unwrap();
        let travel = DomainId::parse("travel").unwrap();
        assert!(caller.require(Scope::EventsWrite, &knowledge).is_ok());
        assert_eq!(
            caller.require(Scope::EventsWrite, &travel).unwrap_err().code,
            "domain_forbidden"
        );
        assert_eq!(caller.require(Scope::UsersRead, &knowledge).unwrap_err().code, "scope_missing");
    }

    #[test]
    fn empty_claims_grant_nothing() {
        let caller = Caller::from_claims("", "");
        for scope in Scope::ALL {
            assert!(caller.require_scope(scope).is_err());
        }
    }
}
