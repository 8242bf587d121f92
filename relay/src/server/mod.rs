//! The doors to other processes: a unix socket and TCP, the same bytes on both.
//!
//! A peer may send one greeting, its rules and one request, and then nothing. It is given a second for them, at most
//! [`INBOUND_BYTES_MAX`] bytes of our memory, and a bounded lane after it; whatever it does, the relay's writer never waits
//! for it. Where more are greeting than there are places for that, the one that has taken longest makes room: an honest
//! peer is done within a round trip.

use core::future::Future;
use core::time::Duration;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use alphapulse_protocol::frame::{self, FrameDecoder};
use alphapulse_protocol::header::SCHEMA_VERSION;
use alphapulse_protocol::message::{Close, CloseReason, Hello, Message, VERSION_RESUME, VERSION_SELECT};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::config::RelayConfig;
use crate::error::RelayError;
use crate::fanout::Terms;
use crate::hub::Joiner;
use crate::lane::{Ending, LaneReader, Wake};
use crate::metrics::Metrics;
use crate::roster::Place;
use crate::selection::{RULES_MAX, Selection};

/// Time for the greeting.
const HANDSHAKE: Duration = Duration::from_secs(1);
/// Time for a write to be taken. A peer that takes nothing for so long is gone, or wants to hold our memory.
const WRITE_DEADLINE: Duration = Duration::from_secs(5);
/// Bytes of a peer that are kept while its greeting is not whole.
const INBOUND_BYTES_MAX: usize = 4096;
/// Connections beyond the subscribers that may be greeting or taking leave at once.
const HANDSHAKES_MAX: usize = 64;
/// Frames are gathered into writes of about this size.
const WRITE_BYTES: usize = 64 * 1024;
/// Pause after a failed accept, which is mostly the process being out of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A unix socket's file, removed when the relay ends.
#[derive(Debug)]
pub(crate) struct SocketFile(PathBuf);

impl SocketFile {
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        // It may have been removed by hand; then it is as it should be.
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Listeners that are bound but not yet served.
#[derive(Debug)]
pub(crate) struct Listeners {
    unix: Option<(UnixListener, SocketFile)>,
    tcp: Option<(TcpListener, SocketAddr)>,
}

impl Listeners {
    pub(crate) async fn bind(config: &RelayConfig) -> Result<Self, RelayError> {
        let unix = match &config.listen_unix {
            None => None,
            Some(path) => Some(bind_unix(path).map_err(|source| listen_error(path.display().to_string(), source))?),
        };
        let tcp = match config.listen_tcp {
            None => None,
            Some(address) => {
                let bind = async {
                    let listener = TcpListener::bind(address).await?;
                    let bound = listener.local_addr()?;
                    io::Result::Ok((listener, bound))
                };
                Some(bind.await.map_err(|source| listen_error(address.to_string(), source))?)
            }
        };
        Ok(Self { unix, tcp })
    }
}

fn listen_error(address: String, source: io::Error) -> RelayError {
    RelayError::Listen { address, source }
}

/// Binds `path`. A socket file that nobody answers on is what a killed relay left, and is replaced.
fn bind_unix(path: &Path) -> io::Result<(UnixListener, SocketFile)> {
    let listener = match UnixListener::bind(path) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse && is_stale(path) => {
            std::fs::remove_file(path)?;
            UnixListener::bind(path)?
        }
        result => result?,
    };
    let file = SocketFile(path.to_owned());
    // The market is not secret, but the number of subscribers is bounded: other users may not take the places.
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    Ok((listener, file))
}

fn is_stale(path: &Path) -> bool {
    let is_socket = std::fs::symlink_metadata(path).is_ok_and(|metadata| metadata.file_type().is_socket());
    let is_refused = || {
        let connected = std::os::unix::net::UnixStream::connect(path);
        connected.is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
    };
    is_socket && is_refused()
}

/// The running doors.
#[derive(Debug)]
pub(crate) struct Server {
    /// Dropped with the server, and every connection with them.
    _doors: JoinSet<()>,
    unix: Option<SocketFile>,
    tcp: Option<SocketAddr>,
    places: Arc<Semaphore>,
    places_max: usize,
}

impl Server {
    pub(crate) fn start(listeners: Listeners, joiner: &Joiner, metrics: &Arc<Metrics>) -> Self {
        let places_max = joiner.roster.places_max().saturating_add(HANDSHAKES_MAX).min(Semaphore::MAX_PERMITS);
        let places = Arc::new(Semaphore::new(places_max));
        let door = Door { joiner: joiner.clone(), metrics: Arc::clone(metrics), places: Arc::clone(&places) };
        let mut tasks = JoinSet::new();
        let unix = listeners.unix.map(|(listener, file)| {
            tasks.spawn(door.clone().accept(listener));
            file
        });
        let tcp = listeners.tcp.map(|(listener, address)| {
            tasks.spawn(door.accept(listener));
            address
        });
        Self { _doors: tasks, unix, tcp, places, places_max }
    }

    pub(crate) fn unix_path(&self) -> Option<&Path> {
        self.unix.as_ref().map(SocketFile::path)
    }

    pub(crate) const fn tcp_addr(&self) -> Option<SocketAddr> {
        self.tcp
    }

    /// Waits, within bounds, until every peer was told of the end.
    pub(crate) async fn finish(self) {
        let Ok(all) = u32::try_from(self.places_max) else { return };
        // All places free again means that no connection is left. Peers that do not read are not waited for.
        let _ = timeout(HANDSHAKE, self.places.acquire_many(all)).await;
    }
}

/// A listener of either family.
trait Accept: Send + Sync + 'static {
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    /// The next connection, and where it comes from.
    fn accept(&self) -> impl Future<Output = io::Result<(Self::Stream, String)>> + Send;
}

impl Accept for UnixListener {
    type Stream = UnixStream;

    async fn accept(&self) -> io::Result<(UnixStream, String)> {
        let (stream, _) = Self::accept(self).await?;
        let name = match stream.peer_cred() {
            Ok(peer) => format!("uid {} pid {}", peer.uid(), peer.pid().unwrap_or(0)),
            Err(_) => "unix".to_owned(),
        };
        Ok((stream, name))
    }
}

impl Accept for TcpListener {
    type Stream = TcpStream;

    async fn accept(&self) -> io::Result<(TcpStream, String)> {
        let (stream, address) = Self::accept(self).await?;
        // A frame is worth more now than in a full packet later.
        stream.set_nodelay(true)?;
        Ok((stream, address.to_string()))
    }
}

/// What a connection needs of the relay.
#[derive(Debug, Clone)]
struct Door {
    joiner: Joiner,
    metrics: Arc<Metrics>,
    places: Arc<Semaphore>,
}

impl Door {
    /// Accepts for ever. Connections end with this future: their tasks are held in it.
    async fn accept<L: Accept>(self, listener: L) {
        let mut connections = JoinSet::new();
        loop {
            match listener.accept().await {
                Ok((stream, name)) => match Arc::clone(&self.places).try_acquire_owned() {
                    Ok(place) => drop(connections.spawn(self.clone().serve(stream, name, place))),
                    Err(_) => self.metrics.refused.add(1),
                },
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
            while connections.try_join_next().is_some() {}
        }
    }

    async fn serve<S>(self, stream: S, name: String, place: OwnedSemaphorePermit)
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let _place = place;
        let mut peer = Peer { stream, out: Vec::with_capacity(WRITE_BYTES) };
        let joined = match peer.shake_hands(&self.joiner, &name).await {
            Ok((terms, place)) => {
                let is_greeted = terms.version >= VERSION_RESUME;
                match self.joiner.open_lane(Wake::Task(Arc::new(Notify::new())), terms, is_greeted) {
                    Ok(lane) => Ok((lane, place)),
                    Err(_) => Err(Some(CloseReason::Shutdown)),
                }
            }
            Err(Some(CloseReason::Full)) => {
                self.metrics.refused.add(1);
                Err(Some(CloseReason::Full))
            }
            Err(reason) => {
                self.metrics.handshake_failures.add(1);
                Err(reason)
            }
        };
        let reason = match joined {
            Ok((lane, _place)) => peer.stream_lane(lane).await,
            Err(reason) => reason,
        };
        if let Some(reason) = reason {
            peer.take_leave(reason).await;
        }
    }
}

/// One connection.
struct Peer<S> {
    stream: S,
    out: Vec<u8>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Peer<S> {
    /// Learns what the peer speaks, what it wants and where it stands. The error is the reason to state, if there is still
    /// somebody to state it to.
    async fn shake_hands(&mut self, joiner: &Joiner, name: &str) -> Result<(Terms, Place), Option<CloseReason>> {
        let mut decoder = FrameDecoder::new();
        let terms = timeout(HANDSHAKE, self.agree(joiner, name, &mut decoder));
        let terms = terms.await.unwrap_or(Err(Some(CloseReason::HandshakeTimeout)))?;
        // Whoever is done says nothing more.
        if decoder.pending_bytes() > 0 { Err(Some(CloseReason::Malformed)) } else { Ok(terms) }
    }

    async fn agree(
        &mut self,
        joiner: &Joiner,
        name: &str,
        decoder: &mut FrameDecoder,
    ) -> Result<(Terms, Place), Option<CloseReason>> {
        let version = match self.read_message(decoder).await? {
            Message::Hello(hello) => common_version(hello).ok_or(Some(CloseReason::Version))?,
            _ => return Err(Some(CloseReason::Malformed)),
        };
        // Before the answer: who is welcome has a place.
        let place = joiner.roster.reserve(name).map_err(|_| Some(CloseReason::Full))?;
        let mut terms =
            Terms { version, position: None, selection: Selection::everything(), entry: Arc::clone(place.entry()) };
        if version < VERSION_RESUME {
            return Ok((terms, place));
        }
        self.out.extend_from_slice(&joiner.welcome(version));
        self.write_out().await.map_err(|_| None)?;
        for _ in 0..=RULES_MAX {
            match self.read_message(decoder).await? {
                Message::Select(rule) if version >= VERSION_SELECT => terms.selection.add(rule),
                Message::Subscribe(subscribe) if terms.selection.accepts_chain(joiner.chain_id) => {
                    terms.position = subscribe.position();
                    return Ok((terms, place));
                }
                Message::Subscribe(_) => return Err(Some(CloseReason::Chain)),
                _ => return Err(Some(CloseReason::Malformed)),
            }
        }
        Err(Some(CloseReason::Malformed))
    }

    /// The peer's next message. It is given little of our memory for it.
    async fn read_message<'d>(&mut self, decoder: &'d mut FrameDecoder) -> Result<Message<'d>, Option<CloseReason>> {
        loop {
            match decoder.has_whole() {
                Ok(true) => break,
                Ok(false) if decoder.pending_bytes() < INBOUND_BYTES_MAX => {}
                Ok(false) | Err(_) => return Err(Some(CloseReason::Malformed)),
            }
            let mut bytes = [0; 512];
            match self.stream.read(&mut bytes).await {
                Ok(0) | Err(_) => return Err(None),
                Ok(count) => decoder.push(&bytes[..count]),
            }
        }
        match decoder.next_message() {
            Ok(Some(message)) => Ok(message),
            Ok(None) | Err(_) => Err(Some(CloseReason::Malformed)),
        }
    }

    /// Passes on what the lane gives until one side ends. The result is the reason to state, if any.
    async fn stream_lane(&mut self, mut lane: LaneReader) -> Option<CloseReason> {
        loop {
            if let Some(ending) = self.gather(&mut lane).await.ok()? {
                return match ending {
                    Ending::Closed(reason) => Some(reason),
                    Ending::Disconnected | Ending::Malformed(_) => None,
                };
            }
            if !self.out.is_empty() {
                self.write_out().await.ok()?;
                continue;
            }
            let mut byte = [0];
            tokio::select! {
                () = lane.readable() => {}
                read = self.stream.read(&mut byte) => return match read {
                    Ok(0) | Err(_) => None,
                    Ok(_) => Some(CloseReason::Malformed),
                },
            }
        }
    }

    /// Moves what the lane holds to the next write; an ending only once all before it was written. What is large, as a
    /// snapshot is, is written from where it lies: all who get it share it.
    async fn gather(&mut self, lane: &mut LaneReader) -> io::Result<Option<Ending>> {
        while self.out.len() < WRITE_BYTES {
            match lane.pop() {
                Some(frames) if frames.len() < WRITE_BYTES => self.out.extend_from_slice(&frames),
                Some(frames) => {
                    self.write_out().await?;
                    write_all(&mut self.stream, &frames).await?;
                }
                None => break,
            }
        }
        Ok(if self.out.is_empty() { lane.ended() } else { None })
    }

    async fn write_out(&mut self) -> io::Result<()> {
        let result = write_all(&mut self.stream, &self.out).await;
        self.out.clear();
        result
    }

    /// Says why the connection ends, if the peer still takes it.
    async fn take_leave(&mut self, reason: CloseReason) {
        let mut farewell = Vec::new();
        frame::write(&mut farewell, &Close::new(reason));
        let said = async {
            self.stream.write_all(&farewell).await?;
            self.stream.shutdown().await
        };
        let _ = timeout(HANDSHAKE, said).await;
    }
}

/// Highest version that both sides know.
fn common_version(hello: &Hello) -> Option<u16> {
    let (oldest, newest) = (hello.version_min.get().max(1), hello.version_max.get().min(SCHEMA_VERSION));
    (oldest <= newest).then_some(newest)
}

/// Writes with a deadline that starts anew whenever the peer takes something: a large snapshot over a slow line is fine,
/// a peer that takes nothing is not.
async fn write_all<S: AsyncWrite + Unpin>(stream: &mut S, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        let written = timeout(WRITE_DEADLINE, stream.write(bytes)).await.map_err(|_| io::ErrorKind::TimedOut)??;
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        bytes = &bytes[written..];
    }
    Ok(())
}
