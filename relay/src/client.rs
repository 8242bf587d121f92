//! A remote relay's stream, read by a thread of its own into a lane.
//!
//! When the consumer falls behind, the lane fills, the thread stops reading, the socket fills, and the relay laps us: the
//! policy is the same as for an embedded feed, and nothing is dropped on this side.

use core::ops::Range;
use core::time::Duration;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use alphapulse_protocol::frame::{self, FrameBuf, FrameDecoder};
use alphapulse_protocol::header::{MessageHeader, SCHEMA_VERSION};
use alphapulse_protocol::message::{Close, CloseReason, Hello, Message, Subscribe, VERSION_RESUME};
use alphapulse_protocol::{ChainId, DecodeError, Position};

use crate::error::FeedError;
use crate::lane::{Ending, Lane, Parcel, Wake};
use crate::subscription::Feed;
use crate::wait::Waiter;

/// Frames read ahead of the consumer.
const LANE_SLOTS: usize = 4096;
/// The relay answers a greeting at once; this leaves room for a slow network.
const HANDSHAKE: Duration = Duration::from_secs(5);
/// Pause of the reader thread while its lane is full.
const FULL_PAUSE: Duration = Duration::from_micros(200);
/// Templates of messages that describe the market, also of those that are newer than this build.
const MARKET_TEMPLATES: Range<u16> = 16..48;
/// Bytes read at once.
const READ_BYTES: usize = 64 * 1024;

/// A connected socket of either family.
#[derive(Debug)]
enum Socket {
    Unix(UnixStream),
    Tcp(TcpStream),
}

impl Socket {
    fn try_clone(&self) -> io::Result<Self> {
        Ok(match self {
            Self::Unix(socket) => Self::Unix(socket.try_clone()?),
            Self::Tcp(socket) => Self::Tcp(socket.try_clone()?),
        })
    }

    fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        match self {
            Self::Unix(socket) => socket.set_read_timeout(timeout),
            Self::Tcp(socket) => socket.set_read_timeout(timeout),
        }
    }

    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Unix(socket) => socket.read(bytes),
            Self::Tcp(socket) => socket.read(bytes),
        }
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Unix(socket) => socket.write_all(bytes),
            Self::Tcp(socket) => socket.write_all(bytes),
        }
    }

    fn shutdown(&self) {
        // The other side may be gone already; then there is nothing to shut.
        let _ = match self {
            Self::Unix(socket) => socket.shutdown(Shutdown::Both),
            Self::Tcp(socket) => socket.shutdown(Shutdown::Both),
        };
    }
}

/// Keeps the connection; dropping it ends the reader thread.
#[derive(Debug)]
pub(crate) struct Connection {
    socket: Socket,
    chain_id: ChainId,
}

impl Connection {
    pub(crate) const fn chain_id(&self) -> ChainId {
        self.chain_id
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.socket.shutdown();
    }
}

pub(crate) fn connect_unix(path: &Path, position: Option<Position>) -> Result<Feed, FeedError> {
    let address = path.display().to_string();
    let socket = UnixStream::connect(path).map_err(|source| FeedError::Connect { address: address.clone(), source })?;
    join(Socket::Unix(socket), &address, position)
}

pub(crate) fn connect_tcp(address: SocketAddr, position: Option<Position>) -> Result<Feed, FeedError> {
    let text = address.to_string();
    let connect = || {
        let socket = TcpStream::connect_timeout(&address, HANDSHAKE)?;
        // A frame is worth more now than in a full packet later.
        socket.set_nodelay(true)?;
        Ok(socket)
    };
    let socket = connect().map_err(|source| FeedError::Connect { address: text.clone(), source })?;
    join(Socket::Tcp(socket), &text, position)
}

/// Greets the relay and starts the reader.
fn join(mut socket: Socket, address: &str, position: Option<Position>) -> Result<Feed, FeedError> {
    let mut decoder = FrameDecoder::new();
    let (chain_id, version) = greet(&mut socket, &mut decoder, address)?;
    let waiter = Waiter::new();
    let lane = Lane::new(LANE_SLOTS, Wake::Thread(waiter.unparker()));
    let connect_error = |source| FeedError::Connect { address: address.to_owned(), source };
    if version >= VERSION_RESUME {
        let mut request = Vec::new();
        frame::write(&mut request, &Subscribe::new(position));
        socket.write_all(&request).map_err(connect_error)?;
    }
    let kept = socket.try_clone().map_err(connect_error)?;
    let reader = Reader { socket, decoder, lane: Arc::clone(&lane) };
    thread::Builder::new().name("relay-client".into()).spawn(move || reader.run()).map_err(connect_error)?;
    Ok(Feed::remote(lane, waiter, Connection { socket: kept, chain_id }))
}

/// Sends the greeting and reads the answer: the chain and the version that will be spoken.
fn greet(socket: &mut Socket, decoder: &mut FrameDecoder, address: &str) -> Result<(ChainId, u16), FeedError> {
    let lost = |source: io::Error| FeedError::Connect { address: address.to_owned(), source };
    let mut greeting = Vec::new();
    frame::write(&mut greeting, &Hello::new());
    socket.write_all(&greeting).map_err(lost)?;
    let deadline = Instant::now() + HANDSHAKE;
    let mut bytes = vec![0; READ_BYTES];
    loop {
        if let Some(answer) = read_answer(decoder, address)? {
            socket.set_read_timeout(None).map_err(lost)?;
            return Ok(answer);
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(lost(io::ErrorKind::TimedOut.into()));
        }
        socket.set_read_timeout(Some(left)).map_err(lost)?;
        match socket.read(&mut bytes) {
            Ok(0) => return Err(lost(io::ErrorKind::UnexpectedEof.into())),
            Ok(count) => decoder.push(&bytes[..count]),
            Err(error) if is_timeout(&error) => {}
            Err(error) => return Err(lost(error)),
        }
    }
}

/// The chain that the relay serves and the version that it speaks, once its answer is whole.
fn read_answer(decoder: &mut FrameDecoder, address: &str) -> Result<Option<(ChainId, u16)>, FeedError> {
    let reason = match decoder.next_message() {
        Ok(None) => return Ok(None),
        Ok(Some(Message::Close(close))) => return Err(ending_of(close).into()),
        Ok(Some(Message::Welcome(welcome))) => match welcome.version.get() {
            version @ 1..=SCHEMA_VERSION => return Ok(Some((ChainId(welcome.chain_id.get()), version))),
            version => format!("schema version {version} is not known to this build"),
        },
        Ok(Some(other)) => format!("{} came instead of Welcome", other.name()),
        Err(error) => error.to_string(),
    };
    Err(FeedError::Handshake { address: address.to_owned(), reason })
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted)
}

fn ending_of(close: &Close) -> Ending {
    // A reason newer than this build still ends the stream.
    CloseReason::from_wire(close.reason.get()).map_or(Ending::Disconnected, Ending::Closed)
}

/// A frame that no live message of ours has.
fn too_long(message: &[u8]) -> DecodeError {
    DecodeError::FrameLength {
        minimum: size_of::<MessageHeader>(),
        maximum: frame::FRAME_BYTES_MAX,
        got: u32::try_from(message.len()).unwrap_or(u32::MAX),
    }
}

/// The reader thread's state.
struct Reader {
    socket: Socket,
    decoder: FrameDecoder,
    lane: Arc<Lane>,
}

impl Reader {
    fn run(mut self) {
        let ending = self.read();
        self.lane.end(ending);
        self.socket.shutdown();
    }

    fn read(&mut self) -> Ending {
        let mut bytes = vec![0; READ_BYTES];
        loop {
            loop {
                match self.hand_over() {
                    Ok(true) => {}
                    Ok(false) => break,
                    Err(ending) => return ending,
                }
            }
            match self.socket.read(&mut bytes) {
                Ok(0) => return Ending::Disconnected,
                Ok(count) => self.decoder.push(&bytes[..count]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return Ending::Disconnected,
            }
        }
    }

    /// Moves one whole message to the lane; `false` when none is whole yet.
    fn hand_over(&mut self) -> Result<bool, Ending> {
        let Some(message) = self.decoder.next_bytes().map_err(Ending::Malformed)? else { return Ok(false) };
        match Message::decode(message) {
            Ok(Message::Close(close)) => return Err(ending_of(close)),
            // A template newer than this build: skipped, as the schema allows.
            Err(DecodeError::Template(template)) if !MARKET_TEMPLATES.contains(&template) => return Ok(true),
            // The state is void without what bears on it, and a feed that went on would leave it looking whole until the
            // next message.
            Err(error) => return Err(Ending::Malformed(error)),
            Ok(_) => {}
        }
        let frame = FrameBuf::from_message_bytes(message).ok_or_else(|| Ending::Malformed(too_long(message)))?;
        let mut parcel = Parcel::Frame(frame);
        while let Err(back) = self.lane.push(parcel) {
            if self.lane.is_abandoned() {
                return Err(Ending::Disconnected);
            }
            thread::sleep(FULL_PAUSE);
            parcel = back;
        }
        Ok(true)
    }
}
