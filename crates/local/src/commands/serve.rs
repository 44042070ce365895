//! `crossfold serve`: the whole API and the console on one port of the loopback interface.

use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use axum::extract::Request;
use axum::http::{StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use crossfold_edge::problem::Problem;
use crossfold_lab::output;
use tokio::net::TcpListener;

use crate::args::ServeArgs;
use crate::local_world::LocalWorld;

/// How often streams are looked at.
const STREAM_INTERVAL: Duration = Duration::from_millis(500);

pub(crate) async fn serve(directory: &Path, args: &ServeArgs) -> Result<()> {
    serve_world(LocalWorld::open(directory).await?, args).await
}

/// Serves until interrupted. Only on the loopback interface: whoever can
/// connect is the development caller and may do anything.
pub(crate) async fn serve_world(world: LocalWorld, args: &ServeArgs) -> Result<()> {
    let listener =
        TcpListener::bind((Ipv4Addr::LOCALHOST, args.port)).await.with_context(|| {
            format!("port {} cannot be used; choose another with --port, or 0 for any", args.port)
        })?;
    let address = listener.local_addr()?;
    // A server goes on when nobody reads its output any more.
    output::tell(format_args!("Crossfold listens on http://{address}"));
    output::tell(format_args!("Its console: open http://{address}/ in a browser."));
    output::tell(
        "Whoever can reach this port may do anything: it is for development. Ctrl-C ends it.",
    );
    let app = world.router_with_console().layer(middleware::from_fn(only_local_names));
    let server = axum::serve(listener, app).with_graceful_shutdown(interrupted());
    tokio::select! {
        ended = server.into_future() => ended.map_err(Into::into),
        never = carry_streams_forever(&world) => never,
    }
}

async fn interrupted() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}

async fn carry_streams_forever(world: &LocalWorld) -> Result<()> {
    loop {
        if let Err(error) = world.carry_streams().await {
            output::warn(format_args!(
                "crossfold: the streams could not be carried on, trying again: {error:#}"
            ));
        }
        tokio::time::sleep(STREAM_INTERVAL).await;
    }
}

/// Refuses a request that was sent to another name: a web page that resolves
/// its own name to this machine must not act as the development caller.
async fn only_local_names(request: Request, next: Next) -> Response {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    let name = host.map(|host| host.rsplit_once(':').map_or(host, |(name, _)| name));
    if matches!(name, None | Some("localhost" | "127.0.0.1")) {
        return next.run(request).await;
    }
    let detail = "this server answers only to localhost and 127.0.0.1";
    Problem::new(StatusCode::FORBIDDEN, "foreign_host", detail).into_response()
}
