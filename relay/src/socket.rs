//! A client's socket of either family, plain or in TLS: blocking while the relay is greeted, non-blocking from then on.

use core::time::Duration;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;

use rustls::{ClientConnection, Stream};

use crate::tls::TlsClient;
use crate::wait::SocketWaiter;

/// A connected socket.
#[derive(Debug)]
pub(crate) enum Socket<U, T> {
    Unix(U),
    Tcp(T),
    /// Decrypted by the thread that reads it: no other thread and no queue, at the price of one copy and of the cipher.
    Tls(Box<ClientConnection>, T),
}

/// While the relay is greeted.
pub(crate) type Blocking = Socket<UnixStream, TcpStream>;
/// From then on.
pub(crate) type NonBlocking = Socket<mio::net::UnixStream, mio::net::TcpStream>;

impl<U: Read + Write, T: Read + Write> Socket<U, T> {
    /// Reads once: what a socket that blocks has, or one piece of it.
    pub(crate) fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Unix(socket) => socket.read(bytes),
            Self::Tcp(socket) => socket.read(bytes),
            Self::Tls(tls, socket) => Stream::new(&mut **tls, socket).read(bytes),
        }
    }

    pub(crate) fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Unix(socket) => socket.write_all(bytes),
            Self::Tcp(socket) => socket.write_all(bytes),
            Self::Tls(tls, socket) => {
                let mut stream = Stream::new(&mut **tls, socket);
                stream.write_all(bytes)?;
                stream.flush()
            }
        }
    }
}

impl Blocking {
    pub(crate) fn connect_unix(path: &Path) -> io::Result<Self> {
        UnixStream::connect(path).map(Self::Unix)
    }

    /// Connects within `timeout`; the handshake of TLS takes place with the first write.
    pub(crate) fn connect_tcp(address: SocketAddr, tls: Option<&TlsClient>, timeout: Duration) -> io::Result<Self> {
        let socket = TcpStream::connect_timeout(&address, timeout)?;
        // A frame is worth more now than in a full packet later.
        socket.set_nodelay(true)?;
        let Some(tls) = tls else { return Ok(Self::Tcp(socket)) };
        socket.set_read_timeout(Some(timeout))?;
        let connection = tls.connection().map_err(io::Error::other)?;
        Ok(Self::Tls(Box::new(connection), socket))
    }

    pub(crate) fn set_read_timeout(&self, timeout: Duration) -> io::Result<()> {
        match self {
            Self::Unix(socket) => socket.set_read_timeout(Some(timeout)),
            Self::Tcp(socket) | Self::Tls(_, socket) => socket.set_read_timeout(Some(timeout)),
        }
    }

    pub(crate) fn set_write_timeout(&self, timeout: Duration) -> io::Result<()> {
        match self {
            Self::Unix(socket) => socket.set_write_timeout(Some(timeout)),
            Self::Tcp(socket) | Self::Tls(_, socket) => socket.set_write_timeout(Some(timeout)),
        }
    }

    pub(crate) fn into_non_blocking(self) -> io::Result<NonBlocking> {
        let tcp = |socket: TcpStream| {
            socket.set_nonblocking(true)?;
            io::Result::Ok(mio::net::TcpStream::from_std(socket))
        };
        Ok(match self {
            Self::Unix(socket) => {
                socket.set_nonblocking(true)?;
                Socket::Unix(mio::net::UnixStream::from_std(socket))
            }
            Self::Tcp(socket) => Socket::Tcp(tcp(socket)?),
            Self::Tls(tls, socket) => Socket::Tls(tls, tcp(socket)?),
        })
    }
}

impl NonBlocking {
    pub(crate) fn waiter(&mut self) -> io::Result<SocketWaiter> {
        match self {
            Self::Unix(socket) => SocketWaiter::new(socket),
            Self::Tcp(socket) | Self::Tls(_, socket) => SocketWaiter::new(socket),
        }
    }

    /// Reads all that is there, as far as it fits: less than that only when the socket has no more.
    pub(crate) fn read_there(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        if !matches!(self, Self::Tls(..)) {
            return self.read(bytes);
        }
        // One read gives at most one record, and the waiter tells only once of those behind it.
        let mut count = 0;
        while count < bytes.len() {
            match self.read(&mut bytes[count..]) {
                Ok(0) => break,
                Ok(more) => count += more,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // The end of the line shows again at the next read.
                Err(_) if count > 0 => break,
                Err(error) => return Err(error),
            }
        }
        Ok(count)
    }

    pub(crate) fn shutdown(&self) {
        // The other side may be gone already; then there is nothing to shut.
        let _ = match self {
            Self::Unix(socket) => socket.shutdown(Shutdown::Both),
            Self::Tcp(socket) | Self::Tls(_, socket) => socket.shutdown(Shutdown::Both),
        };
    }
}
