//! Serving a router on a socket, with a limit on everything that a caller could keep it
//! busy with, and to an end that breaks nothing off.
//!
//! What comes in is read whole before it is worked on: the head and the body each within a
//! time, whatever trickles in, and no body is larger than one that a Lambda function could
//! be handed.

use std::error::Error;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use crossfold_edge::problem::Problem;
use crossfold_edge::router::MAX_BODY_BYTES;
use crossfold_lab::output;
use http_body_util::LengthLimitError;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio_io_timeout::TimeoutStream;

/// How long to wait when no connection can be accepted: out of file descriptors, most
/// likely; others may close some.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What callers may keep a server busy with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Connections at a time; more wait to be accepted.
    pub(crate) connections: usize,
    /// How long the head of a request may take, and a connection may be idle.
    pub(crate) head: Duration,
    /// How long the body of a request may take.
    pub(crate) body: Duration,
    /// How long a caller may take none of its answer.
    pub(crate) answer: Duration,
}

/// Those of a server for development on the loopback interface.
pub(crate) const LIMITS: Limits = Limits {
    connections: 256,
    head: Duration::from_secs(15),
    body: Duration::from_secs(30),
    answer: Duration::from_secs(15),
};

/// Serves until it is told to stop, and then until every request that had begun is
/// answered.
pub(crate) async fn serve(
    listener: TcpListener,
    app: Router,
    limits: Limits,
    mut stopped: watch::Receiver<bool>,
) {
    let app = app.layer(middleware::from_fn_with_state(limits, read_whole));
    let places = Arc::new(Semaphore::new(limits.connections));
    let graceful = GracefulShutdown::new();
    loop {
        let told = async { drop(stopped.wait_for(|is_stopped| *is_stopped).await) };
        let accepted = async {
            let place = Arc::clone(&places).acquire_owned().await;
            (place, listener.accept().await)
        };
        let accepted = tokio::select! {
            () = told => None,
            accepted = accepted => Some(accepted),
        };
        let (place, stream) = match accepted {
            None => break,
            Some((place, Ok((stream, _)))) => (place, stream),
            Some((_, Err(error))) => {
                output::warn(format_args!("crossfold: a connection is not accepted: {error}"));
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let connection = graceful.watch(connection(stream, app.clone(), limits));
        tokio::spawn(async move {
            // A caller that breaks off is the caller's business.
            connection.await.ok();
            drop(place);
        });
    }
    drop(listener);
    graceful.shutdown().await;
}

type Stream = Pin<Box<TimeoutStream<TcpStream>>>;
type Connection = http1::Connection<TokioIo<Stream>, TowerToHyperService<Router>>;

fn connection(stream: TcpStream, app: Router, limits: Limits) -> Connection {
    // Answers are small, and their callers wait for them.
    stream.set_nodelay(true).ok();
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(limits.answer));
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head)
        .serve_connection(TokioIo::new(Box::pin(stream)), TowerToHyperService::new(app))
}

/// Reads the body of a request whole, or refuses it.
async fn read_whole(State(limits): State<Limits>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let problem = match tokio::time::timeout(limits.body, to_bytes(body, MAX_BODY_BYTES)).await {
        Ok(Ok(bytes)) => return next.run(Request::from_parts(parts, Body::from(bytes))).await,
        Ok(Err(error)) if is_too_long(&error) => {
            let detail = format!("the body is larger than {MAX_BODY_BYTES} bytes");
            Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "payload_too_large", detail)
        }
        Ok(Err(error)) => {
            Problem::new(StatusCode::BAD_REQUEST, "unreadable_body", error.to_string())
        }
        Err(_) => {
            let detail =
                format!("the body did not arrive within {} seconds", limits.body.as_secs());
            Problem::new(StatusCode::REQUEST_TIMEOUT, "request_timeout", detail)
        }
    };
    let mut response = problem.into_response();
    // Where the next request would begin is not known any more.
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

fn is_too_long(error: &axum::Error) -> bool {
    error.source().is_some_and(|source| source.is::<LengthLimitError>())
}

#[cfg(test)]
mod tests {
    use axum::routing::post;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::sync::watch::Sender;
    use tokio::task::JoinHandle;

    use super::*;

    const QUICK: Limits = Limits {
        connections: 2,
        head: Duration::from_millis(300),
        body: Duration::from_millis(300),
        answer: Duration::from_millis(300),
    };

    /// A server that answers `/` at once, `/slowly` after a while, and `/long` at length.
    async fn start(limits: Limits) -> (std::net::SocketAddr, Sender<bool>, JoinHandle<()>) {
        let slowly = async || {
            tokio::time::sleep(Duration::from_millis(500)).await;
            "done"
        };
        let app = Router::new()
            .route("/", post(async |body: String| body))
            .route("/slowly", post(slowly))
            .route("/long", post(async || "long ".repeat(10_000_000)));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = watch::channel(false);
        (address, stop, tokio::spawn(serve(listener, app, limits, stopped)))
    }

    async fn connect(address: std::net::SocketAddr, text: &str) -> TcpStream {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(text.as_bytes()).await.unwrap();
        stream
    }

    /// What comes until the server closes the connection; it must within a time.
    async fn until_closed(mut stream: TcpStream) -> String {
        let mut answer = Vec::new();
        let read = tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut answer));
        // A connection that is reset is closed, too.
        read.await.expect("the server keeps the connection").ok();
        String::from_utf8(answer).unwrap()
    }

    fn head(path: &str, length: usize) -> String {
        format!("POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n")
    }

    #[tokio::test]
    async fn who_sends_nothing_half_a_head_or_half_a_body_is_not_waited_for() {
        let (address, _stop, _server) = start(QUICK).await;
        assert_eq!(until_closed(connect(address, "").await).await, "");
        let half_a_head = connect(address, "POST / HTTP/1.1\r\nHost: local").await;
        assert!(!until_closed(half_a_head).await.starts_with("HTTP/1.1 200"));
        let half_a_body = connect(address, &(head("/", 10) + "12345")).await;
        let answer = until_closed(half_a_body).await;
        assert!(
            answer.starts_with("HTTP/1.1 408") && answer.contains("request_timeout"),
            "{answer}"
        );
    }

    #[tokio::test]
    async fn a_body_that_trickles_in_is_not_waited_for_longer_than_one_that_does_not() {
        let (address, _stop, _server) = start(QUICK).await;
        let stream = connect(address, &head("/", 1_000)).await;
        let (mut from, mut to) = stream.into_split();
        let trickle = tokio::spawn(async move {
            while to.write_all(b"x").await.is_ok() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        });
        let mut answer = Vec::new();
        let read = tokio::time::timeout(Duration::from_secs(20), from.read_to_end(&mut answer));
        read.await.expect("the server keeps the connection").ok();
        assert!(answer.starts_with(b"HTTP/1.1 408"), "{}", String::from_utf8_lossy(&answer));
        trickle.abort();
    }

    #[tokio::test]
    async fn a_body_that_is_too_large_is_refused_by_its_code() {
        let (address, _stop, _server) = start(Limits { body: LIMITS.body, ..QUICK }).await;
        let stream = connect(address, &head("/", MAX_BODY_BYTES + 1)).await;
        let (mut from, mut to) = stream.into_split();
        let sending =
            tokio::spawn(async move { to.write_all(&vec![b' '; MAX_BODY_BYTES + 1]).await });
        let mut answer = Vec::new();
        from.read_to_end(&mut answer).await.ok();
        let answer = String::from_utf8_lossy(&answer).into_owned();
        assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
        assert!(answer.contains("payload_too_large"), "{answer}");
        sending.abort();
    }

    #[tokio::test]
    async fn more_connections_than_may_be_wait_for_those_that_are() {
        let (address, _stop, _server) = start(Limits { head: LIMITS.head, ..QUICK }).await;
        let held = [connect(address, "").await, connect(address, "").await];
        let request = head("/", 2) + "ok";
        let mut waiting = connect(address, &request).await;
        let mut first = [0; 12];
        let waited = Duration::from_millis(300);
        let early = tokio::time::timeout(waited, waiting.read_exact(&mut first)).await;
        assert!(early.is_err(), "a third of two connections was served");
        drop(held);
        let later = tokio::time::timeout(Duration::from_secs(20), waiting.read_exact(&mut first));
        later.await.expect("a place that was left stays empty").unwrap();
        assert_eq!(&first, b"HTTP/1.1 200");
    }

    #[tokio::test]
    async fn who_does_not_read_its_answer_keeps_no_place() {
        let one = Limits { connections: 1, head: LIMITS.head, ..QUICK };
        let (address, _stop, _server) = start(one).await;
        let _unread = connect(address, &head("/long", 0)).await;
        let mut waiting = connect(address, &(head("/", 2) + "ok")).await;
        let mut first = [0; 12];
        let later = tokio::time::timeout(Duration::from_secs(20), waiting.read_exact(&mut first));
        later.await.expect("the only place is kept by who does not read").unwrap();
        assert_eq!(&first, b"HTTP/1.1 200");
    }

    #[tokio::test]
    async fn what_had_begun_is_answered_and_nothing_new_is_taken_once_it_is_stopped() {
        let (address, stop, server) = start(LIMITS).await;
        let idle = connect(address, "").await;
        let begun = connect(address, &head("/slowly", 0)).await;
        tokio::time::sleep(Duration::from_millis(200)).await;
        stop.send_replace(true);
        let answer = until_closed(begun).await;
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("done"), "{answer}");
        assert_eq!(until_closed(idle).await, "");
        server.await.unwrap();
        assert!(TcpStream::connect(address).await.is_err());
    }
}
