//! TLS 1.3 around TCP, and nothing older: for who is not on this host.

use core::fmt;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::version::TLS13;
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig};
use tokio_rustls::TlsAcceptor;
use zeroize::Zeroizing;

use crate::access::{TlsFiles, open_secret};
use crate::error::SecretError;

/// Longest file that is read.
const FILE_BYTES_MAX: u64 = 1 << 20;

fn fault(path: &Path, what: &'static str) -> SecretError {
    SecretError::Format { path: path.to_owned(), what }
}

/// What takes up TLS at the relay's door.
pub(crate) fn acceptor(files: &TlsFiles) -> Result<TlsAcceptor, SecretError> {
    let chain = certificates(&files.certificate)?;
    let mut pem = Zeroizing::new(Vec::new());
    let read = open_secret(&files.key)?.take(FILE_BYTES_MAX).read_to_end(&mut pem);
    read.map_err(|source| SecretError::Io { path: files.key.clone(), source })?;
    // The reader's own errors may repeat a line of the file.
    let key = PrivateKeyDer::from_pem_slice(&pem).map_err(|_| fault(&files.key, "a private key in PEM"))?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_protocol_versions(&[&TLS13])
        .expect("the provider knows TLS 1.3")
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(|_| fault(&files.key, "the private key of the certificate"))?;
    // A session is not resumed: a client joins seldom, and its place among the connections is bounded, that of tickets not.
    config.send_tls13_tickets = 0;
    config.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
    Ok(TlsAcceptor::from(Arc::new(config)))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, SecretError> {
    let pem = std::fs::read(path).map_err(|source| SecretError::Io { path: path.to_owned(), source })?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    certificates.ok().filter(|found| !found.is_empty()).ok_or_else(|| fault(path, "certificates in PEM"))
}

/// How a client knows its relay, and hides from others what is said.
#[derive(Clone)]
pub struct TlsClient {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
    ca_file: PathBuf,
}

impl TlsClient {
    /// Trusts the certificates in `ca_file` (PEM), and no other, for the relay of this name or IP address.
    ///
    /// # Errors
    /// [`SecretError`] when the file holds none, or `name` is neither.
    pub fn from_ca_file(ca_file: &Path, name: &str) -> Result<Self, SecretError> {
        let mut roots = RootCertStore::empty();
        for certificate in certificates(ca_file)? {
            roots.add(certificate).map_err(|_| fault(ca_file, "certificates of an authority"))?;
        }
        let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_protocol_versions(&[&TLS13])
            .expect("the provider knows TLS 1.3")
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from(name.to_owned()).map_err(|_| fault(ca_file, "used with a host's name"))?;
        Ok(Self { config: Arc::new(config), name, ca_file: ca_file.to_owned() })
    }

    pub(crate) fn connection(&self) -> Result<ClientConnection, rustls::Error> {
        ClientConnection::new(Arc::clone(&self.config), self.name.clone())
    }
}

impl fmt::Debug for TlsClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsClient").field("ca_file", &self.ca_file).field("name", &self.name).finish_non_exhaustive()
    }
}
