//! The page on this host: `GET /metrics`, `/status`, `/healthz`, and nothing else.
//!
//! It tells and never changes anything. A browser that a foreign page sends here is refused: its `Host` is not this host, or
//! it states an `Origin`. Connections, sizes and times are bounded; one connection is one request.

use core::convert::Infallible;
use core::time::Duration;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HOST, HeaderValue, ORIGIN, X_CONTENT_TYPE_OPTIONS};
use hyper::http::uri::Authority;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::exposition;
use super::observer::Observer;
use crate::error::RelayError;

/// Requests at once; who comes beside them waits in the system's queue.
const CONNECTIONS_MAX: usize = 8;
/// Time from accepting a connection to the end of the answer.
const CONNECTION_TIME_MAX: Duration = Duration::from_secs(5);
/// Bytes of a request's head, the least that hyper can be told.
const REQUEST_BYTES_MAX: usize = 8192;
const HEADERS_MAX: usize = 32;
/// Pause after a failed accept, which is mostly the process being out of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

type Answer = Response<Full<Bytes>>;

/// A listener that is bound but not yet served.
#[derive(Debug)]
pub(crate) struct HttpDoor {
    listener: TcpListener,
    address: SocketAddr,
}

impl HttpDoor {
    pub(crate) async fn bind(address: Option<SocketAddr>) -> Result<Option<Self>, RelayError> {
        let Some(address) = address else { return Ok(None) };
        let failed = |source| RelayError::Listen { address: address.to_string(), source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(Some(Self { listener, address }))
    }

    pub(crate) fn serve(self, observer: Observer) -> HttpServer {
        let mut task = JoinSet::new();
        task.spawn(accept(self.listener, observer));
        HttpServer { _task: task, address: self.address }
    }
}

/// The running page.
#[derive(Debug)]
pub(crate) struct HttpServer {
    /// Dropped with the server, and every connection with it.
    _task: JoinSet<()>,
    address: SocketAddr,
}

impl HttpServer {
    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }
}

async fn accept(listener: TcpListener, observer: Observer) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut connections = JoinSet::new();
    while let Ok(place) = Arc::clone(&places).acquire_owned().await {
        match listener.accept().await {
            Ok((stream, _)) => {
                let serving = serve(stream, observer.clone());
                connections.spawn(async move {
                    let _place = place;
                    // Who is too slow is cut off without a word.
                    let _ = timeout(CONNECTION_TIME_MAX, serving).await;
                });
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection to the status page");
                sleep(ACCEPT_PAUSE).await;
            }
        }
        while connections.try_join_next().is_some() {}
    }
}

async fn serve(stream: TcpStream, observer: Observer) {
    let service = service_fn(|request| {
        let observer = observer.clone();
        async move { Ok::<_, Infallible>(answer(&observer, &request).await) }
    });
    let mut http = http1::Builder::new();
    http.keep_alive(false).max_buf_size(REQUEST_BYTES_MAX).max_headers(HEADERS_MAX);
    // What a peer does wrong is its own business, and it was told.
    let _ = http.serve_connection(TokioIo::new(stream), service).await;
}

async fn answer<B>(observer: &Observer, request: &Request<B>) -> Answer {
    if !is_meant_for_us(request) {
        return text(StatusCode::FORBIDDEN, "this page answers to the names of this host only");
    }
    if request.method() != Method::GET {
        let mut answer = text(StatusCode::METHOD_NOT_ALLOWED, "GET only");
        answer.headers_mut().insert(ALLOW, HeaderValue::from_static("GET"));
        return answer;
    }
    let path = request.uri().path();
    if !["/metrics", "/status", "/healthz"].contains(&path) {
        return text(StatusCode::NOT_FOUND, "there is /metrics, /status and /healthz");
    }
    let (status, stages) = match observer.observe().await {
        Ok(observed) => observed,
        Err(error) => return text(StatusCode::SERVICE_UNAVAILABLE, error.to_string()),
    };
    match path {
        "/metrics" => {
            let kind = "text/plain; version=0.0.4; charset=utf-8";
            page(StatusCode::OK, kind, exposition::render(&status, &stages))
        }
        "/status" => {
            let json = serde_json::to_string(&status).expect("numbers and texts are always JSON");
            page(StatusCode::OK, "application/json", json)
        }
        _ => match status.problem {
            None => text(StatusCode::OK, "ok"),
            Some(problem) => text(StatusCode::SERVICE_UNAVAILABLE, problem),
        },
    }
}

/// Against DNS rebinding: a page's own name that suddenly means this host is still in `Host`.
fn is_meant_for_us<B>(request: &Request<B>) -> bool {
    let mut hosts = request.headers().get_all(HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else { return false };
    let is_named = host.to_str().is_ok_and(|host| host.parse().is_ok_and(|host: Authority| is_this_host(host.host())));
    let is_aimed = request.uri().host().is_none_or(is_this_host);
    is_named && is_aimed && !request.headers().contains_key(ORIGIN)
}

fn is_this_host(name: &str) -> bool {
    let address = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    name.eq_ignore_ascii_case("localhost") || address.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

fn text(status: StatusCode, said: impl Into<String>) -> Answer {
    page(status, "text/plain; charset=utf-8", said.into() + "\n")
}

fn page(status: StatusCode, kind: &'static str, body: String) -> Answer {
    let mut answer = Response::new(Full::new(Bytes::from(body)));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    answer
}
