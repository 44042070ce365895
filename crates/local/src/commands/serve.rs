//! `crossfold serve`: the whole API and the console on one port of the loopback interface.

use std::net::Ipv4Addr;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use crossfold_core::entities::ports::PushChannel;
use crossfold_edge::problem::Problem;
use crossfold_edge::system;
use crossfold_lab::output;
use crossfold_recommend::Campaigns;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::args::ServeArgs;
use crate::endings::Endings;
use crate::http_server::{self, LIMITS};
use crate::local_world::LocalWorld;
use crate::place::told_to_stop_the_server;
use crate::webhook::{Terminal, Webhook};

/// How often streams are looked at.
const STREAM_INTERVAL: Duration = Duration::from_millis(500);
/// How often it is looked what campaigns have to tell.
const CAMPAIGN_INTERVAL: Duration = Duration::from_secs(1);
/// How long what has begun may take to end once the process is told to.
const ENDING: Duration = Duration::from_secs(10);
/// How long the last write may take.
const LAST_WRITE: Duration = Duration::from_secs(5);

pub(crate) async fn serve(directory: &Path, args: &ServeArgs) -> Result<()> {
    let world = LocalWorld::open(directory).await.map_err(told_to_stop_the_server)?;
    serve_world(world, args).await
}

/// Serves until told to end (SIGINT, SIGTERM). Only on the loopback interface: whoever can
/// connect is the development caller and may do anything.
pub(crate) async fn serve_world(world: LocalWorld, args: &ServeArgs) -> Result<()> {
    let listener =
        TcpListener::bind((Ipv4Addr::LOCALHOST, args.port)).await.with_context(|| {
            format!("port {} cannot be used; choose another with --port, or 0 for any", args.port)
        })?;
    let address = listener.local_addr()?;
    let campaigns = world.campaigns(channel(args)?);
    let mut endings = Endings::listen()?;
    // A server goes on when nobody reads its output any more.
    output::tell(format_args!("Crossfold listens on http://{address}"));
    output::tell(format_args!("Its console: open http://{address}/ in a browser."));
    output::tell(
        "Whoever can reach this port may do anything: it is for development. Ctrl-C ends it.",
    );
    let app = world.router_with_console().layer(middleware::from_fn(only_local_names));
    let (stop, stopped) = watch::channel(false);
    {
        let serving = http_server::serve(listener, app, LIMITS, stopped.clone());
        let streams = carry_streams(&world, stopped.clone());
        let mut work =
            pin!(async { tokio::join!(serving, streams, tell_users(&campaigns, stopped)) });
        tokio::select! {
            _ = &mut work => {}
            _ = endings.next() => {}
        }
        stop.send_replace(true);
        tokio::select! {
            _ = &mut work => {}
            () = tokio::time::sleep(ENDING) => output::warn(format_args!(
                "crossfold: what had begun did not end within {} seconds", ENDING.as_secs()
            )),
            // Who says so twice does not want to wait.
            _ = endings.next() => {}
        }
    }
    if tokio::time::timeout(LAST_WRITE, world.write_activity()).await.is_err() {
        output::warn(format_args!("crossfold: the last activity could not be written"));
    }
    Ok(())
}

/// Carries streams until told to stop, and then to the end of what it is carrying.
async fn carry_streams(world: &LocalWorld, mut stopped: watch::Receiver<bool>) {
    loop {
        if let Err(error) = world.carry_streams().await {
            output::warn(format_args!(
                "crossfold: the streams could not be carried on, trying again: {error:#}"
            ));
        }
        let told = stopped.wait_for(|is_stopped| *is_stopped);
        if tokio::time::timeout(STREAM_INTERVAL, told).await.is_ok() {
            return;
        }
    }
}

/// Where what campaigns tell is handed to.
fn channel(args: &ServeArgs) -> Result<Arc<dyn PushChannel>> {
    let Some(url) = &args.webhook else { return Ok(Arc::new(Terminal)) };
    let secret = args.webhook_secret.as_ref();
    let secret =
        secret.context("--webhook needs a secret to sign with: CROSSFOLD_WEBHOOK_SECRET")?;
    Ok(Arc::new(Webhook::new(url, secret, system::clock())?))
}

/// Tells users by campaigns of what is due, until told to stop, and then to the end of what it is
/// at.
async fn tell_users(campaigns: &Campaigns, mut stopped: watch::Receiver<bool>) {
    loop {
        if let Err(error) = campaigns.carry_out_due().await {
            output::warn(format_args!(
                "crossfold: what campaigns tell could not be looked up, trying again: {error}"
            ));
        }
        let told = stopped.wait_for(|is_stopped| *is_stopped);
        if tokio::time::timeout(CAMPAIGN_INTERVAL, told).await.is_ok() {
            return;
        }
    }
}

/// Refuses what a web page of another machine sends: one that resolves its own name to this
/// machine, and one that sends what needs no leave from us (a form, plain text), must not act
/// as the development caller.
async fn only_local_names(request: Request, next: Next) -> Response {
    match foreign(request.headers()) {
        Some(problem) => problem.into_response(),
        None => next.run(request).await,
    }
}

fn foreign(headers: &HeaderMap) -> Option<Problem> {
    let is_foreign = |name: header::HeaderName, is_local: fn(&str) -> bool| {
        let is_local = |value: &HeaderValue| value.to_str().is_ok_and(is_local);
        // Of several, one that is not is enough.
        !headers.get_all(name).into_iter().all(is_local)
    };
    if is_foreign(header::HOST, is_local) {
        let detail = "this server answers only to localhost and 127.0.0.1";
        return Some(Problem::new(StatusCode::FORBIDDEN, "foreign_host", detail));
    }
    let is_local_page = |origin: &str| origin.split_once("://").is_some_and(|(_, at)| is_local(at));
    if is_foreign(header::ORIGIN, is_local_page) {
        let detail = "this server answers only to pages of localhost and 127.0.0.1";
        return Some(Problem::new(StatusCode::FORBIDDEN, "foreign_origin", detail));
    }
    None
}

/// Whether a host, with or without a port, is this machine.
fn is_local(host: &str) -> bool {
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    matches!(name, "localhost" | "127.0.0.1")
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::body::Body;
    use axum::routing::post;
    use tower::ServiceExt;

    use super::*;

    #[tokio::test]
    async fn only_pages_and_names_of_this_machine_are_answered() {
        let app = Router::new()
            .route("/v1/track", post(async || StatusCode::OK))
            .layer(middleware::from_fn(only_local_names));
        let cases = [
            (None, None, StatusCode::OK),
            (Some("localhost:8080"), None, StatusCode::OK),
            (Some("127.0.0.1"), Some("http://localhost:3000"), StatusCode::OK),
            (Some("evil.com:8080"), None, StatusCode::FORBIDDEN),
            (Some("localhost.evil.com"), None, StatusCode::FORBIDDEN),
            (Some("localhost"), Some("http://evil.com"), StatusCode::FORBIDDEN),
            (Some("localhost"), Some("https://localhost.evil.com"), StatusCode::FORBIDDEN),
            (Some("localhost"), Some("null"), StatusCode::FORBIDDEN),
        ];
        for (host, origin, status) in cases {
            let mut request = Request::post("/v1/track");
            for (name, value) in [(header::HOST, host), (header::ORIGIN, origin)] {
                if let Some(value) = value {
                    request = request.header(name, value);
                }
            }
            let answer = app.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
            assert_eq!(answer.status(), status, "{host:?} {origin:?}");
        }
        let twice = Request::post("/v1/track")
            .header(header::HOST, "localhost")
            .header(header::HOST, "evil.com");
        let answer = app.oneshot(twice.body(Body::empty()).unwrap()).await.unwrap();
        assert_eq!(answer.status(), StatusCode::FORBIDDEN);
    }
}
