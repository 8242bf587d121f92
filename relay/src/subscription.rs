//! The consumer's end: one type for an embedded relay and for a remote one.

use core::ops::Range;
use core::time::Duration;
use std::net::SocketAddr;
use std::path::Path;

use alphapulse_protocol::frame::{self, FRAME_HEADER_BYTES, FrameBuf, Split};
use alphapulse_protocol::{ChainId, Position};
use bytes::Bytes;

use crate::client::{self, Connection};
use crate::error::FeedError;
use crate::lane::{Ending, LaneReader};
use crate::roster::Place;
use crate::selection::Selection;
use crate::wait::{FeedWaker, Waiter};

/// What a subscriber wants. By default everything, from a snapshot on.
#[derive(Debug, Clone, Default)]
pub struct SubscribeOptions {
    /// Place of a state that is kept: the stream goes on behind it.
    pub position: Option<Position>,
    /// Which states of pools.
    pub selection: Selection,
}

/// A subscription: a snapshot or what was missed first, then every message in sequence. Where messages are missing a
/// [`Gap`](alphapulse_protocol::message::Gap) comes before the next one.
///
/// For one synchronous thread. [`Feed::try_next`] never blocks, allocates or makes a system call. A feed that ended stays
/// ended; subscribing again from the position of a [`Replica`](alphapulse_protocol::replica::Replica) goes on where it stands.
/// Whoever applies the frames to one must subscribe again as well when it refuses one.
#[derive(Debug)]
pub struct Feed {
    lane: LaneReader,
    waiter: Waiter,
    unpacking: Unpacking,
    origin: Origin,
}

/// What the feed holds on to, given back when it is dropped.
#[derive(Debug)]
enum Origin {
    Embedded { _place: Place },
    Remote(Connection),
}

/// Frames that came in one parcel and are handed out one by one.
#[derive(Debug, Default)]
struct Unpacking {
    frames: Bytes,
    at: usize,
}

impl Unpacking {
    fn next(&mut self) -> Result<Option<FrameBuf>, FeedError> {
        match frame::split(&self.frames[self.at..]).map_err(FeedError::Malformed)? {
            Split::Incomplete { .. } => {
                *self = Self::default();
                Ok(None)
            }
            Split::Whole { frame_bytes, .. } => {
                let message: Range<usize> = self.at + FRAME_HEADER_BYTES..self.at + frame_bytes;
                self.at += frame_bytes;
                let message = &self.frames[message];
                let frame = FrameBuf::from_message_bytes(message);
                frame.ok_or_else(|| FeedError::Malformed(client::too_long(message))).map(Some)
            }
        }
    }
}

impl Feed {
    pub(crate) fn embedded(lane: LaneReader, waiter: Waiter, place: Place) -> Self {
        Self { lane, waiter, unpacking: Unpacking::default(), origin: Origin::Embedded { _place: place } }
    }

    pub(crate) fn remote(lane: LaneReader, waiter: Waiter, connection: Connection) -> Self {
        Self { lane, waiter, unpacking: Unpacking::default(), origin: Origin::Remote(connection) }
    }

    /// Connects to a relay's unix socket and greets it. Blocks until the relay answered; reads on a thread of its own.
    ///
    /// The stream goes on behind `position`, that of a state that is kept, or begins with a snapshot.
    ///
    /// # Errors
    /// [`FeedError::Connect`], [`FeedError::Handshake`], or [`FeedError::Closed`] with the relay's reason.
    pub fn connect_unix(path: impl AsRef<Path>, position: Option<Position>) -> Result<Self, FeedError> {
        client::connect_unix(path.as_ref(), position)
    }

    /// Connects to a relay's TCP address and greets it. Blocks until the relay answered; reads on a thread of its own.
    ///
    /// The stream goes on behind `position`, that of a state that is kept, or begins with a snapshot.
    ///
    /// # Errors
    /// [`FeedError::Connect`], [`FeedError::Handshake`], or [`FeedError::Closed`] with the relay's reason.
    pub fn connect_tcp(address: SocketAddr, position: Option<Position>) -> Result<Self, FeedError> {
        client::connect_tcp(address, position)
    }

    /// Refuses a relay of another chain. An embedded feed passes: its chain was checked at the node.
    ///
    /// # Errors
    /// [`FeedError::WrongChain`].
    pub fn expecting_chain(self, expected: ChainId) -> Result<Self, FeedError> {
        match &self.origin {
            Origin::Remote(connection) if connection.chain_id() != expected => {
                Err(FeedError::WrongChain { expected, got: connection.chain_id() })
            }
            _ => Ok(self),
        }
    }

    /// Next frame, or `None` when none is there now. Never blocks.
    ///
    /// # Errors
    /// Why the feed ended; everything before the end was handed out.
    pub fn try_next(&mut self) -> Result<Option<FrameBuf>, FeedError> {
        loop {
            if !self.unpacking.frames.is_empty()
                && let Some(frame) = self.unpacking.next()?
            {
                return Ok(Some(frame));
            }
            match self.lane.pop() {
                Some(frames) => self.unpacking = Unpacking { frames, at: 0 },
                None => match self.lane.ended() {
                    Some(ending) => return Err(ending.into()),
                    // A parcel may have come between the pop and the look at the ending.
                    None if self.lane.is_ready() => {}
                    None => return Ok(None),
                },
            }
        }
    }

    /// Whether more is there already: what was read so far is not the newest.
    #[must_use]
    pub fn has_more(&self) -> bool {
        self.unpacking.at < self.unpacking.frames.len() || self.lane.is_ready()
    }

    /// Waits until a frame may be there, a [`FeedWaker`] woke it, or `at_most` is over. May return early.
    pub fn wait(&mut self, at_most: Duration) {
        if self.unpacking.frames.is_empty() {
            self.waiter.wait(at_most, || self.lane.is_ready());
        }
    }

    /// A handle that makes [`Feed::wait`] return, for other inputs of the same thread.
    #[must_use]
    pub fn waker(&self) -> FeedWaker {
        self.waiter.waker()
    }
}

impl From<Ending> for FeedError {
    fn from(ending: Ending) -> Self {
        match ending {
            Ending::Closed(reason) => Self::Closed(reason),
            Ending::Disconnected => Self::Disconnected,
            Ending::Malformed(error) => Self::Malformed(error),
        }
    }
}
