//! From API Gateway's JWT authorizer to a [`Caller`].

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use lambda_http::request::RequestContext;

use crate::caller::Caller;

/// The claim that lists the domains a token covers.
pub const DOMAINS_CLAIM: &str = "crossfold_domains";
/// The claim that lists the scopes of a token (RFC 8693, section 4.2).
pub const SCOPE_CLAIM: &str = "scope";

/// Puts the caller into the request, from the claims that API Gateway verified.
/// A request without them keeps none, and every handler refuses it.
pub async fn authorize(mut request: Request, next: Next) -> Response {
    let caller = request.extensions().get::<RequestContext>().and_then(caller_of);
    if let Some(caller) = caller {
        request.extensions_mut().insert(caller);
    }
    next.run(request).await
}

fn caller_of(context: &RequestContext) -> Option<Caller> {
    let RequestContext::ApiGatewayV2(context) = context else {
        return None;
    };
    let jwt = context.authorizer.as_ref()?.jwt.as_ref()?;
    let claim = |name: &str| jwt.claims.get(name).map_or("", String::as_str);
    Some(Caller::from_claims(claim(DOMAINS_CLAIM), claim(SCOPE_CLAIM)))
}
