//! A remote relay's stream, read by the consumer itself: no thread and no queue lie between the socket and it.
//!
//! When the consumer falls behind, the socket fills, and the relay laps us: the policy is the same as for an embedded feed,
//! and nothing is dropped on this side.

use core::time::Duration;
use std::io;
use std::net::SocketAddr;
use std::path::Path;

use alphapulse_protocol::ChainId;
use alphapulse_protocol::frame::{self, Frame, FrameBuf};
use alphapulse_protocol::message::{Role, Subscribe, VERSION_RESUME, VERSION_SELECT};

use crate::dial::{self, Greeted, Papers, is_timeout};
use crate::error::FeedError;
use crate::inbound::{Filled, Inbound};
use crate::lane::Ending;
use crate::sieve::{PassedOver, Sieved, check_length, sieve};
use crate::socket::Socket;
use crate::subscription::{Feed, SubscribeOptions};
use crate::wait::{FeedWaker, SocketWaiter};

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
    let waiter = SocketWaiter::new(&socket).map_err(connect_error)?;
    let source = Source { socket, inbound, state: SocketState::Unknown, is_closing: false, timeout: Duration::ZERO };
    Ok(Feed::remote(Connection {
        source,
        waiter,
        ahead: None,
        passed_over: PassedOver::default(),
        ending: None,
        chain_id,
    }))
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

/// The socket and what was read of it.
#[derive(Debug)]
struct Source {
    socket: Socket,
    inbound: Inbound,
    state: SocketState,
    /// Whether the waiter was told of the end already, so that it will not be told of it again.
    is_closing: bool,
    /// Read timeout that the socket has.
    timeout: Duration,
}

impl Source {
    /// Reads what is there, once. Says whether something came. Only when no whole frame is buffered.
    ///
    /// # Errors
    /// The stream is over.
    fn fill(&mut self) -> Result<bool, Ending> {
        let Self { socket, inbound, .. } = self;
        let filled = inbound.fill(|room| socket.try_read(room));
        self.note(filled)
    }

    /// The same, waiting for it. May return early.
    fn fill_within(&mut self, at_most: Duration) -> Result<bool, Ending> {
        // A timeout of zero would be none.
        let at_most = at_most.max(Duration::from_micros(1));
        if self.timeout != at_most {
            self.socket.set_read_timeout(at_most).map_err(|_| Ending::Disconnected)?;
            self.timeout = at_most;
        }
        let Self { socket, inbound, .. } = self;
        let filled = inbound.fill(|room| socket.read(room));
        self.note(filled)
    }

    fn note(&mut self, filled: io::Result<Filled>) -> Result<bool, Ending> {
        let (state, has_come) = match filled {
            Ok(Filled::Full) => (SocketState::Unknown, true),
            Ok(Filled::Drained) if self.is_closing => (SocketState::Unknown, true),
            Ok(Filled::Drained) => (SocketState::JustDrained, true),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => (SocketState::Unknown, false),
            Err(error) if is_timeout(&error) => (SocketState::JustDrained, false),
            Ok(Filled::End) | Err(_) => return Err(Ending::Disconnected),
        };
        self.state = state;
        Ok(has_come)
    }

    /// Finds the next whole frame of the buffer that is to be handed out, and leaves it there; gives its size.
    ///
    /// # Errors
    /// The stream is over, by the relay's word or because it cannot be read on.
    fn find(&mut self, passed_over: &mut PassedOver) -> Result<Option<usize>, Ending> {
        loop {
            let Some(frame) = self.inbound.peek().map_err(Ending::Malformed)? else { return Ok(None) };
            let frame_bytes = frame.as_bytes().len();
            match sieve(frame.message_bytes())? {
                Sieved::Kept => return Ok(Some(frame_bytes)),
                Sieved::Unknown => passed_over.unknown += 1,
                Sieved::Undecodable => passed_over.undecodable += 1,
            }
            self.inbound.skip(frame_bytes);
        }
    }

    /// Whether there is something to do before waiting.
    fn is_ready(&self) -> bool {
        self.state == SocketState::Unknown || !matches!(self.inbound.peek(), Ok(None))
    }
}

/// A connection to a relay, read by the thread that consumes it.
#[derive(Debug)]
pub(crate) struct Connection {
    source: Source,
    waiter: SocketWaiter,
    /// Size of the next frame of the buffer, once it was looked at.
    ahead: Option<usize>,
    passed_over: PassedOver,
    /// Once there is one it stays, and nothing is read any more.
    ending: Option<Ending>,
    chain_id: ChainId,
}

impl Connection {
    pub(crate) const fn chain_id(&self) -> ChainId {
        self.chain_id
    }

    pub(crate) const fn passed_over(&self) -> PassedOver {
        self.passed_over
    }

    /// Next frame, of any length, or `None` when none is there now. Never blocks; at most one system call for each time that
    /// the buffer is empty.
    ///
    /// # Errors
    /// Why nothing more will come.
    pub(crate) fn try_frame(&mut self) -> Result<Option<Frame<'_>>, Ending> {
        Ok(match self.advance()? {
            Some(frame_bytes) => Some(self.source.inbound.take(frame_bytes)),
            None => None,
        })
    }

    /// The same by value, without those that are too long for it.
    ///
    /// # Errors
    /// As [`Self::try_frame`].
    pub(crate) fn try_next(&mut self) -> Result<Option<FrameBuf>, Ending> {
        while let Some(frame_bytes) = self.advance()? {
            let frame = self.source.inbound.take(frame_bytes);
            if let Some(by_value) = frame.to_buf() {
                return Ok(Some(by_value));
            }
            if let Err(too_long) = check_length(frame.message_bytes()) {
                return Err(self.end(Ending::Malformed(too_long)));
            }
            self.passed_over.long += 1;
        }
        Ok(None)
    }

    /// What was read and not handed out yet.
    pub(crate) fn rest(&self) -> &[u8] {
        self.source.inbound.rest()
    }

    /// Makes the next frame the buffer's first, and gives its size.
    fn advance(&mut self) -> Result<Option<usize>, Ending> {
        if let Some(ahead) = self.ahead.take() {
            return Ok(Some(ahead));
        }
        loop {
            if let Some(frame_bytes) = self.find()? {
                return Ok(Some(frame_bytes));
            }
            // Just drained: asking again would mostly be in vain. A caller that waits now is woken by what came since, and
            // one that does not comes back.
            if self.source.state != SocketState::JustDrained && self.fill()? {
                continue;
            }
            if self.source.state == SocketState::JustDrained {
                self.source.state = SocketState::Drained;
            }
            return Ok(None);
        }
    }

    /// Whether a frame or an ending is there already.
    pub(crate) fn has_more(&mut self) -> bool {
        while self.ahead.is_none() && self.ending.is_none() {
            match self.find() {
                Ok(Some(frame_bytes)) => self.ahead = Some(frame_bytes),
                // What was read may be old by now: only the socket knows.
                Ok(None) if matches!(self.fill(), Ok(false)) => return false,
                Ok(None) | Err(_) => {}
            }
        }
        true
    }

    /// Waits until there may be something; may return early. Who took no waker waits in the read itself, which saves a
    /// system call.
    pub(crate) fn wait(&mut self, at_most: Duration) {
        if self.ahead.is_some() || self.ending.is_some() || self.source.is_ready() {
            return;
        }
        let Self { source, waiter, ending, .. } = self;
        let try_fill = || match source.fill() {
            Ok(has_come) => has_come,
            Err(end) => {
                *ending = Some(end);
                true
            }
        };
        let Some(left) = waiter.spin(at_most, try_fill) else { return };
        if self.waiter.has_wakers() {
            if self.waiter.wait(left) {
                self.source.state = SocketState::Unknown;
            }
            self.source.is_closing = self.waiter.is_closing();
        } else if let Err(end) = self.source.fill_within(left) {
            self.ending = Some(end);
        }
    }

    pub(crate) fn waker(&mut self) -> FeedWaker {
        self.waiter.waker()
    }

    fn find(&mut self) -> Result<Option<usize>, Ending> {
        match self.ending {
            None => self.source.find(&mut self.passed_over).map_err(|ending| self.end(ending)),
            Some(ending) => Err(ending),
        }
    }

    fn fill(&mut self) -> Result<bool, Ending> {
        self.source.fill().map_err(|ending| self.end(ending))
    }

    #[cold]
    fn end(&mut self, ending: Ending) -> Ending {
        self.ending = Some(ending);
        // The relay need not wait for our drop to know.
        self.source.socket.shutdown();
        ending
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.source.socket.shutdown();
    }
}
