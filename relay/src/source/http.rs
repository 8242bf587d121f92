//! A node over HTTP: each request a POST of its own, on a connection that ends with it. For reading at leisure; a stream needs
//! a connection that tells of heads.

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
use tokio_rustls::TlsConnector;

/// Requests under way at once.
const REQUESTS_MAX: usize = 16;
/// Times that a request is made where the node is busy or the connection fails.
const TRIES: u32 = 4;
/// Pause before the second; doubles.
const PAUSE: Duration = Duration::from_millis(250);
/// Longest answer that is read: a guard, many times the longest that is asked for.
const ANSWER_BYTES_MAX: u64 = 1 << 28;
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
}

impl HttpConnect {
    /// With the certificates that the system trusts, where they are needed.
    pub(super) fn new(url: HttpUrl) -> Result<Self, &'static str> {
        let tls = if url.is_tls { Some(trusting()?) } else { None };
        Ok(Self { url: Arc::new(url), tls })
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

/// Why a request has no answer, and whether it is worth another try.
struct Fault {
    words: String,
    may_pass: bool,
}

impl HttpConnect {
    /// The node's answer, or in its place an error that says why there is none.
    async fn answer(&self, request: &RawValue) -> PubSubItem {
        let (mut pause, mut tries) = (PAUSE, 1);
        loop {
            match self.post(request.get()).await {
                Ok(item) => return item,
                Err(fault) if fault.may_pass && tries < TRIES => {
                    tokio::time::sleep(pause).await;
                    (pause, tries) = (pause * 2, tries + 1);
                }
                Err(fault) => return failure(request, &fault.words),
            }
        }
    }

    async fn post(&self, body: &str) -> Result<PubSubItem, Fault> {
        let passing = |error: std::io::Error| Fault { words: format!("no connection: {error}"), may_pass: true };
        let stream = TcpStream::connect((self.url.name(), self.url.port)).await.map_err(passing)?;
        let answer = match &self.tls {
            None => exchange(stream, &self.url, body).await.map_err(passing)?,
            Some(tls) => {
                let name = ServerName::try_from(self.url.name().to_owned()).map_err(|_| Fault {
                    words: "the host is no name that a certificate has".into(),
                    may_pass: false,
                })?;
                let stream = tls.connect(name, stream).await.map_err(passing)?;
                exchange(stream, &self.url, body).await.map_err(passing)?
            }
        };
        let (status, body) = parse(&answer)
            .ok_or_else(|| Fault { words: "the answer is no whole HTTP response".into(), may_pass: true })?;
        // Some nodes give their own errors under another status.
        match serde_json::from_slice(&body) {
            Ok(item) if status < 500 && status != 429 => Ok(item),
            _ => Err(Fault {
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
    match stream.take(ANSWER_BYTES_MAX).read_to_end(&mut answer).await {
        // A peer that ends TLS without a farewell has said all where the response is whole, which is looked at.
        Err(error) if error.kind() != std::io::ErrorKind::UnexpectedEof => Err(error),
        _ => Ok(answer),
    }
}

/// Status and body of a response; `None` when it is not whole.
fn parse(response: &[u8]) -> Option<(u16, Vec<u8>)> {
    let end = response.windows(4).position(|window| window == b"\r\n\r\n")?;
    let (head, body) = (core::str::from_utf8(&response[..end]).ok()?, &response[end + 4..]);
    let mut lines = head.split("\r\n");
    let status = lines.next()?.strip_prefix("HTTP/1.")?.split(' ').nth(1)?.parse().ok()?;
    let header = |name: &str| {
        let mut fields = lines.clone().filter_map(|line| line.split_once(':'));
        fields.find(|(field, _)| field.trim().eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    };
    if header("transfer-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked")) {
        return Some((status, join_chunks(body)?));
    }
    match header("content-length") {
        Some(length) => Some((status, body.get(..length.parse().ok()?)?.to_vec())),
        None => Some((status, body.to_vec())),
    }
}

/// A body that came in chunks (RFC 9112, 7.1).
fn join_chunks(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let end = rest.windows(2).position(|window| window == b"\r\n")?;
        let size = core::str::from_utf8(&rest[..end]).ok()?.split(';').next()?.trim();
        let size = usize::from_str_radix(size, 16).ok()?;
        rest = &rest[end + 2..];
        if size == 0 {
            return Some(body);
        }
        body.extend_from_slice(rest.get(..size)?);
        rest = rest.get(size..)?.strip_prefix(b"\r\n")?;
    }
}

/// An error in the place of an answer.
fn failure(request: &RawValue, words: &str) -> PubSubItem {
    let request: serde_json::Value = serde_json::from_str(request.get()).unwrap_or_default();
    let id = request.get("id").cloned().unwrap_or_default();
    let error = serde_json::json!({"code": -32_000, "message": words});
    let item = serde_json::json!({"jsonrpc": "2.0", "id": id, "error": error}).to_string();
    serde_json::from_str(&item).expect("an error response is one")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_shown_without_what_may_be_a_key() {
        let url = HttpUrl::parse("https://node.example/v3/secret?key=secret").expect("an address");
        assert_eq!((url.shown(), url.path.as_str()), ("https://node.example:443".into(), "/v3/secret?key=secret"));
        let url = HttpUrl::parse("http://[::1]:8545").expect("an address");
        assert_eq!((url.name(), url.port, url.path.as_str()), ("::1", 8545, "/"));
        for bad in ["ws://h", "http://", "http://user:secret@h", "http://h:port", "http://h/a b", "http://h/\r\nX: y"] {
            assert!(HttpUrl::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn responses_are_whole_or_none() {
        let counted = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc";
        assert_eq!(parse(counted), Some((200, b"abc".to_vec())));
        let chunked = b"HTTP/1.1 429 Slow\r\nTRANSFER-ENCODING: chunked\r\n\r\n2\r\nab\r\n1;x\r\nc\r\n0\r\n\r\n";
        assert_eq!(parse(chunked), Some((429, b"abc".to_vec())));
        for (response, whole) in [(&counted[..], counted.len()), (&chunked[..], chunked.len() - 2)] {
            for cut in 0..whole {
                assert_eq!(parse(&response[..cut]), None, "{cut}");
            }
        }
    }
}
