//! Listeners, and who they say that comes.

use core::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpSocket, TcpStream, UnixListener, UnixStream};

use super::connection::{Connection, Rehome};
use super::greeting::Address;
use crate::auth::Gate;
use crate::config::RelayConfig;
use crate::error::RelayError;

/// Bytes that the system holds of what a peer sent and the relay has not read: a login, or what a publisher sends in a round trip.
const RECEIVE_BYTES: u32 = 64 << 10;
/// Connections that wait to be accepted: strangers who fill it keep others waiting for four seconds. The system drops what comes
/// beyond, and it comes again.
const BACKLOG: u32 = 256;

/// A unix socket's file, removed when the relay ends.
#[derive(Debug)]
pub(super) struct SocketFile(PathBuf);

impl SocketFile {
    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        // It may have been removed by hand; then it is as it should be.
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Listeners that are bound but not yet served, and how each learns who comes.
#[derive(Debug)]
pub(crate) struct Listeners {
    pub(super) unix: Option<(UnixListener, SocketFile, Gate)>,
    pub(super) tcp: Option<(TcpListener, SocketAddr, Gate)>,
}

impl Listeners {
    pub(crate) async fn bind(config: &RelayConfig) -> Result<Self, RelayError> {
        let unix = match &config.listen_unix {
            None => None,
            Some(path) => {
                Some(bind_unix(path, config).map_err(|source| listen_error(path.display().to_string(), source))?)
            }
        };
        let tcp = match config.listen_tcp {
            None => None,
            Some(address) => {
                let gate = Gate::of_tcp(&config.access)?;
                let bind = async {
                    let listener = listen_tcp(address)?;
                    let bound = listener.local_addr()?;
                    io::Result::Ok((listener, bound, gate))
                };
                Some(bind.await.map_err(|source| listen_error(address.to_string(), source))?)
            }
        };
        Ok(Self { unix, tcp })
    }
}

/// Accepted sockets inherit the receive buffer. Without a bound of its own the system lets each stranger fill some megabytes of it
/// before it is thrown out, and freeing those holds a core for most of a millisecond, whoever else waits for it.
fn listen_tcp(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // As `TcpListener::bind` does: a relay that is started again need not wait for old connections.
    socket.set_reuseaddr(true)?;
    socket.set_recv_buffer_size(RECEIVE_BYTES)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

fn listen_error(address: String, source: io::Error) -> RelayError {
    RelayError::Listen { address, source }
}

/// Binds `path`. A socket file that nobody answers on is what a killed relay left, and is replaced.
fn bind_unix(path: &Path, config: &RelayConfig) -> io::Result<(UnixListener, SocketFile, Gate)> {
    let listener = match UnixListener::bind(path) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse && is_stale(path) => {
            std::fs::remove_file(path)?;
            UnixListener::bind(path)?
        }
        result => result?,
    };
    let file = SocketFile(path.to_owned());
    // Who may not join need not reach the door; where other users may, the door asks who they are.
    let mode = if config.access.users.is_empty() { 0o600 } else { 0o666 };
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))?;
    // We made the file, so its owner is who we are.
    let own = std::fs::symlink_metadata(path)?.uid();
    Ok((listener, file, Gate::Users { own, others: config.access.users.clone() }))
}

fn is_stale(path: &Path) -> bool {
    let is_socket = std::fs::symlink_metadata(path).is_ok_and(|metadata| metadata.file_type().is_socket());
    let is_refused = || {
        let connected = std::os::unix::net::UnixStream::connect(path);
        connected.is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
    };
    is_socket && is_refused()
}

/// Where a connection comes from, as the system says.
#[derive(Debug, Clone)]
pub(super) struct Origin {
    /// For people.
    pub(super) name: String,
    pub(super) address: Address,
}

impl Origin {
    /// The user, on a unix socket.
    pub(super) const fn uid(&self) -> Option<u32> {
        match self.address {
            Address::User(uid) => uid,
            Address::Network(_) => None,
        }
    }
}

/// A listener of either family.
pub(super) trait Accept: Sized + Send + Sync + 'static {
    type Stream: AsyncRead + AsyncWrite + Rehome + Unpin + Send + 'static;

    /// The same, waited for by the runtime of the caller.
    fn moved(self) -> io::Result<Self>;

    /// The next connection, and where it comes from.
    fn accept(&self) -> impl Future<Output = io::Result<(Self::Stream, Origin)>> + Send;
}

impl Accept for UnixListener {
    type Stream = Connection<UnixStream>;

    fn moved(self) -> io::Result<Self> {
        self.into_std().and_then(Self::from_std)
    }

    async fn accept(&self) -> io::Result<(Self::Stream, Origin)> {
        let (stream, _) = Self::accept(self).await?;
        let origin = match stream.peer_cred() {
            Ok(peer) => {
                let name = format!("uid {} pid {}", peer.uid(), peer.pid().unwrap_or(0));
                Origin { name, address: Address::User(Some(peer.uid())) }
            }
            Err(_) => Origin { name: "unix".to_owned(), address: Address::User(None) },
        };
        Ok((Connection::new(stream), origin))
    }
}

impl Accept for TcpListener {
    type Stream = Connection<TcpStream>;

    fn moved(self) -> io::Result<Self> {
        self.into_std().and_then(Self::from_std)
    }

    async fn accept(&self) -> io::Result<(Self::Stream, Origin)> {
        let (stream, address) = Self::accept(self).await?;
        // A frame is worth more now than in a full packet later. One that is gone already is found out by reading.
        let _ = stream.set_nodelay(true);
        let origin = Origin { name: address.to_string(), address: Address::of_network(address.ip()) };
        Ok((Connection::new(stream), origin))
    }
}

impl Address {
    /// One subscriber of the network: an IPv6 line has at least 2^64 addresses, which must not be as many peers.
    pub(super) fn of_network(ip: IpAddr) -> Self {
        Self::Network(match ip.to_canonical() {
            IpAddr::V6(ip) => IpAddr::V6((ip.to_bits() >> 64 << 64).into()),
            v4 => v4,
        })
    }
}
