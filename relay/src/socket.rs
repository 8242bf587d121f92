//! A client's socket of either family, plain or in TLS.

use core::time::Duration;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;

use rustix::net::RecvFlags;
use rustls::{ClientConnection, Stream};

use crate::tls::TlsClient;

/// A connected socket.
#[derive(Debug)]
pub(crate) enum Socket {
    Unix(UnixStream),
    Tcp(TcpStream),
    /// Decrypted by the thread that reads it: no other thread and no queue, at the price of one copy and of the cipher.
    Tls(Box<ClientConnection>, TcpStream),
}

/// A socket whose reads never wait.
struct Unwaiting<'s>(&'s TcpStream);

impl Read for Unwaiting<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        receive(self.0.as_fd(), bytes)
    }
}

impl Write for Unwaiting<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

fn receive(socket: BorrowedFd<'_>, bytes: &mut [u8]) -> io::Result<usize> {
    let (count, _) = rustix::net::recv(socket, bytes, RecvFlags::DONTWAIT)?;
    Ok(count)
}

impl Socket {
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

    /// Reads what comes within [`Socket::set_read_timeout`], and with it all that is there, as far as it fits.
    pub(crate) fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Unix(socket) => socket.read(bytes),
            Self::Tcp(socket) => socket.read(bytes),
            Self::Tls(tls, socket) => {
                let count = Stream::new(&mut **tls, socket).read(bytes)?;
                if count == 0 { Ok(0) } else { read_records(tls, socket, bytes, count) }
            }
        }
    }

    /// Reads all that is there, as far as it fits. Never waits.
    pub(crate) fn try_read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Unix(socket) => receive(socket.as_fd(), bytes),
            Self::Tcp(socket) => receive(socket.as_fd(), bytes),
            Self::Tls(tls, socket) => read_records(tls, socket, bytes, 0),
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

    pub(crate) fn shutdown(&self) {
        // The other side may be gone already; then there is nothing to shut.
        let _ = match self {
            Self::Unix(socket) => socket.shutdown(Shutdown::Both),
            Self::Tcp(socket) | Self::Tls(_, socket) => socket.shutdown(Shutdown::Both),
        };
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Unix(socket) => socket.as_fd(),
            Self::Tcp(socket) | Self::Tls(_, socket) => socket.as_fd(),
        }
    }
}

/// Reads on behind `count` bytes without waiting. One read gives at most one record, and the waiter tells only once of those
/// behind it: less than fits may be given only when the socket has no more.
fn read_records(
    tls: &mut ClientConnection,
    socket: &TcpStream,
    bytes: &mut [u8],
    mut count: usize,
) -> io::Result<usize> {
    while count < bytes.len() {
        match Stream::new(tls, &mut Unwaiting(socket)).read(&mut bytes[count..]) {
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
