//! A node over HTTP: each request a POST of its own, on a connection that ends with it. For reading at leisure; a stream needs
//! a connection that tells of heads.

mod fault;
mod response;

use core::time::Duration;
use std::path::Path;
use std::sync::Arc;

use alloy::pubsub::{ConnectionHandle, ConnectionInterface, PubSubConnect};
use alloy::rpc::json_rpc::PubSubItem;
use alloy::transports::{TransportErrorKind, TransportResult};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::value::RawValue;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use self::fault::Fault;
pub(super) use self::fault::fault;
use self::response::parse;
use super::node::CALL_TIMEOUT;

/// Requests under way at once.
const REQUESTS_MAX: usize = 16;
/// Times that a request is made where the node is busy or the connection fails.
const TRIES: u32 = 4;
/// Pause before the second; doubles.
const PAUSE: Duration = Duration::from_millis(250);
/// Longest wait for an answer, from the connection on. Whoever asks has then given up, and a request that nobody waits for must not
/// keep its place among [`REQUESTS_MAX`].
const ANSWER_TIMEOUT: Duration = CALL_TIMEOUT;
/// Longest answer that is read: a guard, many times the longest call's. Logs of too many blocks are asked for in parts.
const ANSWER_BYTES_MAX: u64 = 1 << 25;
/// Where systems keep the certificates that they trust.
const TRUSTED: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// A node's address. Its path may hold a key, so it is not shown.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct HttpUrl {
    is_tls: bool,
    host: String,
    port: u16,
    path: String,
}

impl HttpUrl {
    /// Reads `http://…` or `https://…`; `None` for what is neither, and where a user's name is in it.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (is_tls, rest) = match (text.strip_prefix("http://"), text.strip_prefix("https://")) {
            (Some(rest), _) => (false, rest),
            (_, Some(rest)) => (true, rest),
            _ => return None,
        };
        let rest = rest.split('#').next().unwrap_or_default();
        let at = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(at);
        let is_clean = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
        if authority.contains('@') || !is_clean(authority) || !is_clean(path) {
            return None;
        }
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        let default = if is_tls { 443 } else { 80 };
        // Colons of an IPv6 address stand in brackets.
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => (host, port.parse().ok()?),
            _ => (authority, default),
        };
        (!host.is_empty()).then(|| Self { is_tls, host: host.to_owned(), port, path })
    }

    /// Scheme and host.
    pub(super) fn shown(&self) -> String {
        let scheme = if self.is_tls { "https" } else { "http" };
        format!("{scheme}://{}:{}", self.host, self.port)
    }

    fn name(&self) -> &str {
        self.host.trim_start_matches('[').trim_end_matches(']')
    }
}

/// Connects requests with a node's HTTP port.
#[derive(Clone)]
pub(super) struct HttpConnect {
    url: Arc<HttpUrl>,
    tls: Option<TlsConnector>,
    patience: Duration,
}

impl HttpConnect {
    /// With the certificates that the system trusts, where they are needed.
    pub(super) fn new(url: HttpUrl) -> Result<Self, &'static str> {
        let tls = if url.is_tls { Some(trusting()?) } else { None };
        Ok(Self { url: Arc::new(url), tls, patience: ANSWER_TIMEOUT })
    }
}

fn trusting() -> Result<TlsConnector, &'static str> {
    let named = std::env::var_os("SSL_CERT_FILE").map(std::path::PathBuf::from);
    let found = named.or_else(|| TRUSTED.iter().map(Path::new).find(|path| path.is_file()).map(Path::to_path_buf));
    let path = found.ok_or("no file of trusted certificates is found: name one in SSL_CERT_FILE")?;
    let mut roots = RootCertStore::empty();
    let certificates = CertificateDer::pem_file_iter(path).map_err(|_| "the trusted certificates cannot be read")?;
    roots.add_parsable_certificates(certificates.flatten());
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|_| "TLS cannot be set up")?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

impl PubSubConnect for HttpConnect {
    fn is_local(&self) -> bool {
        false
    }

    async fn connect(&self) -> TransportResult<ConnectionHandle> {
        let (handle, interface) = ConnectionHandle::new();
        tokio::spawn(serve(self.clone(), interface));
        Ok(handle)
    }

    async fn try_reconnect(&self) -> TransportResult<ConnectionHandle> {
        Err(TransportErrorKind::non_retryable_str("the connection ended"))
    }
}

/// Takes requests and gives answers until nobody asks any more.
async fn serve(node: HttpConnect, mut interface: ConnectionInterface) {
    let permits = Arc::new(Semaphore::new(REQUESTS_MAX));
    let (answers, mut answered) = mpsc::unbounded_channel();
    loop {
        tokio::select! {
            request = interface.recv_from_frontend() => {
                let Some(request) = request else { return };
                let (node, permits, answers) = (node.clone(), Arc::clone(&permits), answers.clone());
                tokio::spawn(async move {
                    let _permit = permits.acquire().await;
                    drop(answers.send(node.answer(&request).await));
                });
            }
            Some(answer) = answered.recv() => {
                if interface.send_to_frontend(answer).is_err() {
                    return;
                }
            }
        }
    }
}

impl HttpConnect {
    /// The node's answer, or in its place an error that says why there is none.
    async fn answer(&self, request: &RawValue) -> PubSubItem {
        let (mut pause, mut tries) = (PAUSE, 1);
        loop {
            let posted = timeout(self.patience, self.post(request.get())).await;
            match posted.unwrap_or(Err(Fault::Silent)) {
                Ok(item) => return item,
                Err(fault) if fault.may_pass() && tries < TRIES => {
                    tokio::time::sleep(pause).await;
                    (pause, tries) = (pause * 2, tries + 1);
                }
                Err(fault) => return fault.in_place_of_answer(request),
            }
        }
    }

    async fn post(&self, body: &str) -> Result<PubSubItem, Fault> {
        let passing = |error: std::io::Error| Fault::unreached(&error);
        let stream = TcpStream::connect((self.url.name(), self.url.port)).await.map_err(passing)?;
        let answer = match &self.tls {
            None => exchange(stream, &self.url, body).await.map_err(passing)?,
            Some(tls) => {
                let name = ServerName::try_from(self.url.name().to_owned())
                    .map_err(|_| Fault::Unreached("the host is no name that a certificate has".into()))?;
                let stream = tls.connect(name, stream).await.map_err(passing)?;
                exchange(stream, &self.url, body).await.map_err(passing)?
            }
        };
        if answer.len() as u64 > ANSWER_BYTES_MAX {
            let words = format!("the answer has more than {ANSWER_BYTES_MAX} bytes");
            return Err(Fault::Refused { words, may_pass: false });
        }
        let (status, body) = parse(&answer)
            .ok_or_else(|| Fault::Refused { words: "the answer is no whole HTTP response".into(), may_pass: true })?;
        // Some nodes give their own errors under another status.
        match serde_json::from_slice(&body) {
            Ok(item) if status < 500 && status != 429 => Ok(item),
            _ => Err(Fault::Refused {
                words: format!("the node answers with HTTP status {status}"),
                may_pass: status == 429 || status >= 500,
            }),
        }
    }
}

async fn exchange<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    url: &HttpUrl,
    body: &str,
) -> std::io::Result<Vec<u8>> {
    let head = format!(
        "POST {} HTTP/1.1\r\nHost: {}:{}\r\nContent-Type: application/json\r\nAccept: application/json\r\n\
         User-Agent: alphapulse\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        url.path,
        url.host,
        url.port,
        body.len()
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body.as_bytes()).await?;
    stream.flush().await?;
    let mut answer = Vec::new();
    // One byte more than is allowed, to see that there is more.
    match stream.take(ANSWER_BYTES_MAX + 1).read_to_end(&mut answer).await {
        // A peer that ends TLS without a farewell has said all where the response is whole, which is looked at.
        Err(error) if error.kind() != std::io::ErrorKind::UnexpectedEof => Err(error),
        _ => Ok(answer),
    }
}

#[cfg(test)]
mod tests;
