//! A remote relay's stream, read by the consumer itself: no thread and no queue lie between the socket and it.
//!
//! When the consumer falls behind, the socket fills, and the relay laps us: the policy is the same as for an embedded feed,
//! and nothing is dropped on this side.

use core::ops::Range;
use core::time::Duration;
use std::io;
use std::net::SocketAddr;
use std::path::Path;

use alphapulse_protocol::frame::{self, FrameBuf};
use alphapulse_protocol::header::MessageHeader;
use alphapulse_protocol::message::{CloseReason, Message, Role, Subscribe, VERSION_RESUME, VERSION_SELECT};
use alphapulse_protocol::{ChainId, DecodeError};

use crate::dial::{self, Greeted, Papers, ending_of};
use crate::error::FeedError;
use crate::inbound::{Filled, Inbound};
use crate::lane::Ending;
use crate::socket::NonBlocking;
use crate::subscription::{Feed, SubscribeOptions};
use crate::wait::{FeedWaker, SocketWaiter};

/// Templates of messages that describe the market, also of those that are newer than this build.
const MARKET_TEMPLATES: Range<u16> = 16..48;

pub(crate) fn connect_unix(path: &Path, options: &SubscribeOptions) -> Result<Feed, FeedError> {
    join(dial::greet_unix(path)?, options)
}

pub(crate) fn connect_tcp(address: SocketAddr, options: &SubscribeOptions) -> Result<Feed, FeedError> {
    let papers = Papers { role: Role::Subscribe, key: options.key.as_ref() };
    join(dial::greet_tcp(address, options.tls.as_ref(), papers)?, options)
}

/// Asks a relay that was greeted for the stream.
fn join(greeted: Greeted, options: &SubscribeOptions) -> Result<Feed, FeedError> {
    let Greeted { mut socket, inbound, address, chain_id, version, mut request } = greeted;
    let rules = options.selection.rules();
    if version < VERSION_SELECT && !rules.is_empty() {
        return Err(FeedError::Unselective { address, version });
    }
    let connect_error = |source| FeedError::Connect { address: address.clone(), source };
    if version >= VERSION_RESUME {
        rules.iter().for_each(|rule| frame::write(&mut request, rule));
        frame::write(&mut request, &Subscribe::new(options.position));
        socket.write_all(&request).map_err(connect_error)?;
    }
    let mut socket = socket.into_non_blocking().map_err(connect_error)?;
    let waiter = socket.waiter().map_err(connect_error)?;
    let (state, ahead, ending) = (SocketState::Unknown, None, None);
    Ok(Feed::remote(Connection { socket, waiter, inbound, state, ahead, ending, chain_id }))
}

/// A frame that no live message of ours has.
pub(crate) fn too_long(message: &[u8]) -> DecodeError {
    DecodeError::FrameLength {
        minimum: size_of::<MessageHeader>(),
        maximum: frame::FRAME_BYTES_MAX,
        got: u32::try_from(message.len()).unwrap_or(u32::MAX),
    }
}

/// What is known of the socket without asking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SocketState {
    /// It may have more: it said so, or gave all that there was room for.
    Unknown,
    /// It just gave the last that it had, and the consumer was not told yet that there is no more.
    JustDrained,
    /// The consumer knows. Whatever comes from now on, the waiter is told of.
    Drained,
}

/// A connection to a relay, read by the thread that consumes it.
#[derive(Debug)]
pub(crate) struct Connection {
    socket: NonBlocking,
    waiter: SocketWaiter,
    inbound: Inbound,
    state: SocketState,
    /// A frame that was taken to see whether there is one.
    ahead: Option<FrameBuf>,
    /// Once there is one it stays, and nothing is read any more.
    ending: Option<Ending>,
    chain_id: ChainId,
}

impl Connection {
    pub(crate) const fn chain_id(&self) -> ChainId {
        self.chain_id
    }

    /// Next frame, or `None` when none is there now. Never blocks; at most one system call for each time that the buffer
    /// is empty.
    ///
    /// # Errors
    /// Why nothing more will come.
    pub(crate) fn try_next(&mut self) -> Result<Option<FrameBuf>, Ending> {
        if let Some(ahead) = self.ahead.take() {
            return Ok(Some(ahead));
        }
        loop {
            if let Some(frame) = self.take_buffered()? {
                return Ok(Some(frame));
            }
            if self.state == SocketState::JustDrained {
                // Asking again would mostly be in vain. A caller that waits now is woken by what came since, and one that
                // does not comes back.
                self.state = SocketState::Drained;
                return Ok(None);
            }
            if !self.fill() {
                self.state = SocketState::Drained;
                return Ok(None);
            }
        }
    }

    /// Whether a frame or an ending is there already.
    pub(crate) fn has_more(&mut self) -> bool {
        if self.ahead.is_some() || self.ending.is_some() {
            return true;
        }
        loop {
            match self.take_buffered() {
                Err(_) => return true,
                Ok(Some(frame)) => {
                    self.ahead = Some(frame);
                    return true;
                }
                // What was read may be old by now: only the socket knows.
                Ok(None) if self.fill() => {}
                Ok(None) => return false,
            }
        }
    }

    /// Waits until there may be something; may return early.
    pub(crate) fn wait(&mut self, at_most: Duration) {
        let has_work = self.ahead.is_some() || self.ending.is_some() || self.state == SocketState::Unknown;
        if has_work || matches!(self.inbound.peek(), Ok(Some(_)) | Err(_)) {
            return;
        }
        let Self { socket, waiter, inbound, state, ending, .. } = self;
        if waiter.wait(at_most, || fill(socket, inbound, state, ending)) {
            self.state = SocketState::Unknown;
        }
    }

    pub(crate) fn waker(&self) -> FeedWaker {
        self.waiter.waker()
    }

    /// Takes the next whole frame of the buffer. A template newer than this build is skipped, as the schema allows.
    fn take_buffered(&mut self) -> Result<Option<FrameBuf>, Ending> {
        if let Some(ending) = self.ending {
            return Err(ending);
        }
        let ending = loop {
            let frame = match self.inbound.peek() {
                Ok(Some(frame)) => frame,
                Ok(None) => return Ok(None),
                Err(error) => break Ending::Malformed(error),
            };
            let taken = match Message::decode(frame.message_bytes()) {
                Ok(Message::Close(close)) => break ending_of(close),
                // It wants a key of us, who have none: that is what it would close with.
                Ok(Message::Challenge(_)) => break Ending::Closed(CloseReason::Unauthorized),
                // Newer than this build, and not about the state, which would be void without it.
                Err(DecodeError::Template(template)) if !MARKET_TEMPLATES.contains(&template) => None,
                Err(error) => break Ending::Malformed(error),
                Ok(_) => match frame.to_buf() {
                    None => break Ending::Malformed(too_long(frame.message_bytes())),
                    some => some,
                },
            };
            let frame_bytes = frame.as_bytes().len();
            self.inbound.skip(frame_bytes);
            if taken.is_some() {
                return Ok(taken);
            }
        };
        self.ending = Some(ending);
        self.socket.shutdown();
        Err(ending)
    }

    fn fill(&mut self) -> bool {
        fill(&mut self.socket, &mut self.inbound, &mut self.state, &mut self.ending)
    }
}

/// Reads what the socket has, once; says whether something came, be it the end. Only when no whole frame is buffered.
fn fill(socket: &mut NonBlocking, inbound: &mut Inbound, state: &mut SocketState, ending: &mut Option<Ending>) -> bool {
    loop {
        let filled = inbound.fill(|room| socket.read_there(room));
        *state = match filled {
            Ok(Filled::Full) => SocketState::Unknown,
            Ok(Filled::Drained) => SocketState::JustDrained,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                *state = SocketState::JustDrained;
                return false;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Ok(Filled::End) | Err(_) => {
                *ending = Some(Ending::Disconnected);
                SocketState::JustDrained
            }
        };
        return true;
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.socket.shutdown();
    }
}
