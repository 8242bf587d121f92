//! A client's side of the handshake: greeting, and the proof of a key where it has one.

use core::time::Duration;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Instant;

use alphapulse_protocol::frame;
use alphapulse_protocol::header::SCHEMA_VERSION;
use alphapulse_protocol::message::{Close, CloseReason, Hello, Message, Role, VERSION_ACCESS};
use alphapulse_protocol::{ChainId, Epoch};

use crate::access::ClientKey;
use crate::auth::Session;
use crate::error::FeedError;
use crate::inbound::{Filled, Inbound};
use crate::lane::Ending;
use crate::socket::Socket;
use crate::tls::TlsClient;

/// The relay answers a greeting at once; this leaves room for a slow network.
const HANDSHAKE: Duration = Duration::from_secs(5);

/// What a client brings to a relay's door.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Papers<'a> {
    pub(crate) role: Role,
    pub(crate) key: Option<&'a ClientKey>,
}

/// A relay that was greeted and, where it asked for it, was given a proof; it waits for rules and a request.
#[derive(Debug)]
pub(crate) struct Greeted {
    pub(crate) socket: Socket,
    pub(crate) inbound: Inbound,
    pub(crate) address: String,
    pub(crate) chain_id: ChainId,
    pub(crate) version: u16,
    /// To be sent before the request, in one write with it.
    pub(crate) request: Vec<u8>,
}

pub(crate) fn greet_unix(path: &Path) -> Result<Greeted, FeedError> {
    let address = path.display().to_string();
    let socket =
        Socket::connect_unix(path).map_err(|source| FeedError::Connect { address: address.clone(), source })?;
    Dial::new(socket, address).greet()
}

pub(crate) fn greet_tcp(
    address: SocketAddr,
    tls: Option<&TlsClient>,
    papers: Papers<'_>,
) -> Result<Greeted, FeedError> {
    let text = address.to_string();
    let connected = Socket::connect_tcp(address, tls, HANDSHAKE);
    let socket = connected.map_err(|source| FeedError::Connect { address: text.clone(), source })?;
    let mut dial = Dial::new(socket, text);
    match papers.key {
        None => dial.greet(),
        Some(key) => {
            let welcomed = dial.welcome()?;
            let proof = dial.proof(welcomed, papers.role, key)?;
            Ok(dial.greeted(welcomed, proof))
        }
    }
}

/// What the relay answers to a greeting.
#[derive(Debug, Clone, Copy)]
struct Welcomed {
    chain_id: ChainId,
    epoch: Epoch,
    version: u16,
}

/// A connection on which nothing was agreed yet.
struct Dial {
    socket: Socket,
    inbound: Inbound,
    address: String,
    deadline: Instant,
}

impl Dial {
    fn new(socket: Socket, address: String) -> Self {
        Self { socket, inbound: Inbound::new(), address, deadline: Instant::now() + HANDSHAKE }
    }

    fn lost(&self, source: io::Error) -> FeedError {
        FeedError::Connect { address: self.address.clone(), source }
    }

    fn refused(&self, reason: String) -> FeedError {
        FeedError::Handshake { address: self.address.clone(), reason }
    }

    fn greet(mut self) -> Result<Greeted, FeedError> {
        let welcomed = self.welcome()?;
        Ok(self.greeted(welcomed, Vec::new()))
    }

    fn greeted(self, Welcomed { chain_id, version, .. }: Welcomed, request: Vec<u8>) -> Greeted {
        let Self { socket, inbound, address, .. } = self;
        Greeted { socket, inbound, address, chain_id, version, request }
    }

    /// Sends the greeting and reads the answer.
    fn welcome(&mut self) -> Result<Welcomed, FeedError> {
        let mut greeting = Vec::new();
        frame::write(&mut greeting, &Hello::new());
        self.socket.write_all(&greeting).map_err(|source| self.lost(source))?;
        self.read_until(|message| match message {
            Message::Welcome(welcome) => match welcome.version.get() {
                version @ 1..=SCHEMA_VERSION => {
                    let (chain_id, epoch) = (ChainId(welcome.chain_id.get()), Epoch(welcome.epoch.get()));
                    Ok(Welcomed { chain_id, epoch, version })
                }
                version => Err(format!("schema version {version} is not known to this build")),
            },
            other => Err(format!("{} came instead of Welcome", other.name())),
        })
    }

    /// The frame that answers the relay's challenge, which a client with a key waits for.
    fn proof(&mut self, welcomed: Welcomed, role: Role, key: &ClientKey) -> Result<Vec<u8>, FeedError> {
        let Welcomed { chain_id, epoch, version } = welcomed;
        if version < VERSION_ACCESS {
            return Err(self.refused(format!("it speaks version {version}, which knows no keys")));
        }
        let challenge = self.read_until(|message| match message {
            Message::Challenge(challenge) => Ok(challenge.nonce),
            other => Err(format!("{} came instead of Challenge", other.name())),
        })?;
        let session = Session { version, chain_id, epoch, challenge };
        let Some(proof) = session.prove(&key.name, &key.key, role) else {
            return Err(self.refused(format!("{:?} is not the name of a key", key.name)));
        };
        let mut frames = Vec::new();
        frame::write(&mut frames, &proof);
        Ok(frames)
    }

    /// Reads the next message, which `take` makes an answer of, within the time that is left.
    fn read_until<A>(&mut self, take: impl Fn(Message<'_>) -> Result<A, String>) -> Result<A, FeedError> {
        loop {
            if let Some(answer) = self.take_answer(&take)? {
                return Ok(answer);
            }
            let left = self.deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(self.lost(io::ErrorKind::TimedOut.into()));
            }
            self.socket.set_read_timeout(left).map_err(|source| self.lost(source))?;
            let Self { socket, inbound, .. } = self;
            match inbound.fill(|room| socket.read(room)) {
                Ok(Filled::End) => return Err(self.lost(io::ErrorKind::UnexpectedEof.into())),
                Ok(Filled::Drained | Filled::Full) => {}
                Err(error) if is_timeout(&error) => {}
                Err(error) => return Err(self.lost(error)),
            }
        }
    }

    fn take_answer<A>(&mut self, take: impl Fn(Message<'_>) -> Result<A, String>) -> Result<Option<A>, FeedError> {
        let Some(frame) = self.inbound.peek().map_err(|error| self.refused(error.to_string()))? else {
            return Ok(None);
        };
        let answer = match Message::decode(frame.message_bytes()) {
            Ok(Message::Close(close)) => return Err(ending_of(close).into()),
            Ok(message) => take(message).map_err(|reason| self.refused(reason))?,
            Err(error) => return Err(self.refused(error.to_string())),
        };
        let frame_bytes = frame.as_bytes().len();
        self.inbound.skip(frame_bytes);
        Ok(Some(answer))
    }
}

/// The relay's farewell, if it said one that was not read yet; for a client that does not read otherwise.
pub(crate) fn farewell(socket: &mut Socket, inbound: &mut Inbound) -> Option<Ending> {
    socket.set_read_timeout(HANDSHAKE).ok()?;
    loop {
        while let Some(frame) = inbound.peek().ok()? {
            match Message::decode(frame.message_bytes()) {
                Ok(Message::Close(close)) => return Some(ending_of(close)),
                // A relay that wants a key says so before it closes.
                _ => {
                    let frame_bytes = frame.as_bytes().len();
                    inbound.skip(frame_bytes);
                }
            }
        }
        match inbound.fill(|room| socket.read(room)) {
            Ok(Filled::Drained | Filled::Full) => {}
            Ok(Filled::End) | Err(_) => return None,
        }
    }
}

pub(crate) fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted)
}

pub(crate) fn ending_of(close: &Close) -> Ending {
    // A reason newer than this build still ends the stream.
    CloseReason::from_wire(close.reason.get()).map_or(Ending::Disconnected, Ending::Closed)
}
