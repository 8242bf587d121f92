//! A socket that can move from the thread of the doors to the stream's.

use core::pin::Pin;
use core::task::{Context, Poll};
use std::io::{self, IoSlice};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::server::TlsStream;

/// What can be waited for by another runtime than the one that began it.
pub(super) trait Rehome {
    /// Lets the runtime of the caller wait for it from now on.
    fn rehome(&mut self) -> io::Result<()>;
}

/// A connected socket; empty only if it could not be moved.
#[derive(Debug)]
pub(super) struct Connection<S>(Option<S>);

impl<S> Connection<S> {
    pub(super) const fn new(socket: S) -> Self {
        Self(Some(socket))
    }

    fn socket(&mut self) -> io::Result<Pin<&mut S>>
    where
        S: Unpin,
    {
        self.0.as_mut().map(Pin::new).ok_or_else(|| io::ErrorKind::NotConnected.into())
    }
}

impl Rehome for Connection<TcpStream> {
    fn rehome(&mut self) -> io::Result<()> {
        let moved = self.0.take().map(|socket| socket.into_std().and_then(TcpStream::from_std));
        self.0 = moved.transpose()?;
        Ok(())
    }
}

impl Rehome for Connection<UnixStream> {
    fn rehome(&mut self) -> io::Result<()> {
        let moved = self.0.take().map(|socket| socket.into_std().and_then(UnixStream::from_std));
        self.0 = moved.transpose()?;
        Ok(())
    }
}

impl<S: Rehome> Rehome for TlsStream<S> {
    fn rehome(&mut self) -> io::Result<()> {
        self.get_mut().0.rehome()
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Connection<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.socket()?.poll_read(cx, into)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Connection<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.socket()?.poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.socket()?.poll_write_vectored(cx, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.as_ref().is_some_and(AsyncWrite::is_write_vectored)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.socket()?.poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.socket()?.poll_shutdown(cx)
    }
}
