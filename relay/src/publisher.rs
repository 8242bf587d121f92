//! Who hands side messages to a relay of its own process or host: what a node found, and what became of it.

use core::time::Duration;
use std::net::SocketAddr;
use std::path::Path;

use alphapulse_protocol::ChainId;
use alphapulse_protocol::frame;
use alphapulse_protocol::message::{Message, Publish, Role, VERSION_ACCESS};

use crate::access::ClientKey;
use crate::dial::{self, Greeted, Papers};
use crate::error::FeedError;
use crate::inbound::Inbound;
use crate::lane::Ending;
use crate::socket::Socket;
use crate::tls::TlsClient;

/// Time for a message to be taken. A relay reads at least a thousand a second.
const WRITE_DEADLINE: Duration = Duration::from_secs(5);

/// How a publisher joins.
#[derive(Debug, Clone)]
pub struct PublishOptions {
    /// Chain that the messages are about.
    pub chain_id: ChainId,
    /// Key to prove on TCP, one of role publish.
    pub key: Option<ClientKey>,
    /// TLS on TCP.
    pub tls: Option<TlsClient>,
}

/// A connection on which side messages are handed to a relay. For one thread; it blocks while the relay is slower than it.
#[derive(Debug)]
pub struct Publisher {
    socket: Socket,
    inbound: Inbound,
    frames: Vec<u8>,
}

impl Publisher {
    /// Connects to a relay's unix socket. Blocks until the relay answered; whether it takes messages shows when it is given some.
    ///
    /// # Errors
    /// [`FeedError`] as of a feed; [`FeedError::WrongChain`].
    pub fn connect_unix(path: impl AsRef<Path>, options: &PublishOptions) -> Result<Self, FeedError> {
        Self::join(dial::greet_unix(path.as_ref())?, options.chain_id)
    }

    /// Connects to a relay's TCP address. Blocks until the relay answered.
    ///
    /// # Errors
    /// As [`Self::connect_unix`].
    pub fn connect_tcp(address: SocketAddr, options: &PublishOptions) -> Result<Self, FeedError> {
        let papers = Papers { role: Role::Publish, key: options.key.as_ref() };
        Self::join(dial::greet_tcp(address, options.tls.as_ref(), papers)?, options.chain_id)
    }

    fn join(greeted: Greeted, expected: ChainId) -> Result<Self, FeedError> {
        let Greeted { socket, inbound, address, chain_id, version, request: mut frames } = greeted;
        if version < VERSION_ACCESS {
            let reason = format!("it speaks version {version}, which takes no messages");
            return Err(FeedError::Handshake { address, reason });
        }
        if chain_id != expected {
            return Err(FeedError::WrongChain { expected, got: chain_id });
        }
        socket.set_write_timeout(WRITE_DEADLINE).map_err(|source| FeedError::Connect { address, source })?;
        frame::write(&mut frames, &Publish::new(chain_id));
        let mut publisher = Self { socket, inbound, frames };
        publisher.send()?;
        Ok(publisher)
    }

    /// Hands over one message, whole. The relay gives it its number; it says nothing to it.
    ///
    /// # Errors
    /// Why the relay takes no more, if it said so.
    ///
    /// # Panics
    /// If the bytes are not one message that a node may report.
    pub fn publish(&mut self, message: &[u8]) -> Result<(), FeedError> {
        let decoded = Message::decode(message);
        assert!(decoded.is_ok_and(|message| message.is_report()), "not a report: {decoded:?}");
        frame::write_bytes(&mut self.frames, message);
        self.send()
    }

    fn send(&mut self) -> Result<(), FeedError> {
        let written = self.socket.write_all(&self.frames);
        self.frames.clear();
        written.map_err(|_| self.ending())
    }

    /// Waits, within bounds, for the relay's farewell: why it takes no more.
    pub fn ending(&mut self) -> FeedError {
        dial::farewell(&mut self.socket, &mut self.inbound).unwrap_or(Ending::Disconnected).into()
    }
}
