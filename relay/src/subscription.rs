//! The consumer's end: one type for an embedded relay and for a remote one.

use core::cell::RefCell;
use core::time::Duration;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use alphapulse_protocol::frame::{Ahead, Frame, FrameBuf};
use alphapulse_protocol::message::Message;
use alphapulse_protocol::{ChainId, Position};

use crate::access::ClientKey;
use crate::client::{self, Connection};
use crate::error::FeedError;
use crate::lane::{Ending, LaneReader, Parcel};
use crate::roster::Place;
use crate::selection::Selection;
use crate::sieve::{PassedOver, check_length};
use crate::tls::TlsClient;
use crate::wait::{FeedWaker, Waiter};

/// What a subscriber wants. By default everything, from a snapshot on.
#[derive(Debug, Clone, Default)]
pub struct SubscribeOptions {
    /// Place of a state that is kept: the stream goes on behind it.
    pub position: Option<Position>,
    /// Which states of pools.
    pub selection: Selection,
    /// Key to prove on TCP. With one, a relay that asks for none is not believed to be the one that is meant.
    pub key: Option<ClientKey>,
    /// TLS on TCP.
    pub tls: Option<TlsClient>,
}

/// A subscription: a snapshot or what was missed first, then every message in sequence. Where messages are missing a
/// [`Gap`](alphapulse_protocol::message::Gap) comes before the next one.
///
/// For one synchronous thread. [`Feed::try_message`] and [`Feed::try_next`] never block or allocate; that of a remote feed makes a system call when
/// everything read before was handed out, that of an embedded one never. A feed that ended stays
/// ended; subscribing again from the position of a [`Replica`](alphapulse_protocol::replica::Replica) goes on where it stands.
/// Whoever applies the frames to one must subscribe again as well when it refuses one.
#[derive(Debug)]
pub struct Feed(Origin);

#[derive(Debug)]
enum Origin {
    Embedded(Box<Embedded>),
    /// Whether there is more is found out by reading, and looks like a question to the caller.
    Remote(Box<RefCell<Connection>>),
}

/// The reader's end of a lane, in the relay's own process.
#[derive(Debug)]
struct Embedded {
    lane: LaneReader,
    waiter: Waiter,
    unpacking: Unpacking,
    passed_over: PassedOver,
    /// Given back when the feed is dropped.
    _place: Arc<Place>,
}

impl Embedded {
    /// Next frame, of any length.
    fn try_frame(&mut self) -> Result<Option<Frame<'_>>, FeedError> {
        Ok(match self.advance()? {
            Some(frame_bytes) => Some(self.unpacking.take(frame_bytes)),
            None => None,
        })
    }

    /// The same by value, without those that are too long for it.
    fn try_next(&mut self) -> Result<Option<FrameBuf>, FeedError> {
        while let Some(frame_bytes) = self.advance()? {
            let frame = self.unpacking.take(frame_bytes);
            if let Some(by_value) = frame.to_buf() {
                return Ok(Some(by_value));
            }
            check_length(frame.message_bytes()).map_err(FeedError::Malformed)?;
            self.passed_over.long += 1;
        }
        Ok(None)
    }

    /// Makes the next frame the first of those at hand, and gives its size.
    fn advance(&mut self) -> Result<Option<usize>, FeedError> {
        loop {
            if let Some(frame_bytes) = self.unpacking.find()? {
                return Ok(Some(frame_bytes));
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

    fn has_more(&self) -> bool {
        self.unpacking.has_more() || self.lane.is_ready()
    }

    fn wait(&self, at_most: Duration) {
        self.waiter.wait(at_most, || self.has_more());
    }
}

/// Frames that came in one parcel and are handed out one by one.
#[derive(Debug, Default)]
struct Unpacking {
    frames: Parcel,
    at: usize,
}

impl Unpacking {
    fn has_more(&self) -> bool {
        self.at < self.frames.len()
    }

    /// Size of the next frame, which stays; `None` when none is left.
    fn find(&mut self) -> Result<Option<usize>, FeedError> {
        let frame = Frame::first(&self.frames[self.at..]).map_err(FeedError::Malformed)?;
        let frame_bytes = frame.map(|frame| frame.as_bytes().len());
        if frame_bytes.is_none() {
            *self = Self::default();
        }
        Ok(frame_bytes)
    }

    /// The frames that were not handed out yet.
    fn rest(&self) -> &[u8] {
        &self.frames[self.at..]
    }

    /// The next frame, which was found before.
    fn take(&mut self, frame_bytes: usize) -> Frame<'_> {
        let start = self.at;
        self.at += frame_bytes;
        Frame::found_before(&self.frames[start..], frame_bytes)
    }
}

impl Feed {
    pub(crate) fn embedded(lane: LaneReader, waiter: Waiter, place: Arc<Place>) -> Self {
        Self(Origin::Embedded(Box::new(Embedded {
            lane,
            waiter,
            unpacking: Unpacking::default(),
            passed_over: PassedOver::default(),
            _place: place,
        })))
    }

    pub(crate) fn remote(connection: Connection) -> Self {
        Self(Origin::Remote(Box::new(RefCell::new(connection))))
    }

    /// Connects to a relay's unix socket and greets it. Blocks until the relay answered.
    ///
    /// The stream goes on behind `position`, that of a state that is kept, or begins with a snapshot.
    ///
    /// # Errors
    /// [`FeedError::Connect`], [`FeedError::Handshake`], or [`FeedError::Closed`] with the relay's reason.
    pub fn connect_unix(path: impl AsRef<Path>, position: Option<Position>) -> Result<Self, FeedError> {
        Self::connect_unix_with(path, &SubscribeOptions { position, ..SubscribeOptions::default() })
    }

    /// The same on these terms.
    ///
    /// # Errors
    /// As [`Self::connect_unix`], and [`FeedError::Unselective`] when the relay is too old to select.
    pub fn connect_unix_with(path: impl AsRef<Path>, options: &SubscribeOptions) -> Result<Self, FeedError> {
        client::connect_unix(path.as_ref(), options)
    }

    /// Connects to a relay's TCP address and greets it. Blocks until the relay answered.
    ///
    /// The stream goes on behind `position`, that of a state that is kept, or begins with a snapshot.
    ///
    /// # Errors
    /// [`FeedError::Connect`], [`FeedError::Handshake`], or [`FeedError::Closed`] with the relay's reason.
    pub fn connect_tcp(address: SocketAddr, position: Option<Position>) -> Result<Self, FeedError> {
        Self::connect_tcp_with(address, &SubscribeOptions { position, ..SubscribeOptions::default() })
    }

    /// The same on these terms.
    ///
    /// # Errors
    /// As [`Self::connect_tcp`], and [`FeedError::Unselective`] when the relay is too old to select.
    pub fn connect_tcp_with(address: SocketAddr, options: &SubscribeOptions) -> Result<Self, FeedError> {
        client::connect_tcp(address, options)
    }

    /// Refuses a relay of another chain. An embedded feed passes: its chain was checked at the node.
    ///
    /// # Errors
    /// [`FeedError::WrongChain`].
    pub fn expecting_chain(self, expected: ChainId) -> Result<Self, FeedError> {
        let got = match &self.0 {
            Origin::Embedded(_) => expected,
            Origin::Remote(connection) => connection.borrow().chain_id(),
        };
        if got == expected { Ok(self) } else { Err(FeedError::WrongChain { expected, got }) }
    }

    /// Next message, of any length, or `None` when none is there now. It lies where it was read: nothing is copied or
    /// allocated. Never blocks.
    ///
    /// # Errors
    /// Why the feed ended; everything before the end was handed out.
    pub fn try_message(&mut self) -> Result<Option<Message<'_>>, FeedError> {
        let frame = match &mut self.0 {
            Origin::Embedded(embedded) => embedded.try_frame()?,
            Origin::Remote(connection) => connection.get_mut().try_frame()?,
        };
        frame.map(|frame| Message::decode(frame.message_bytes())).transpose().map_err(FeedError::Malformed)
    }

    /// Next frame by value, for who keeps it, or `None` when none is there now. Never blocks. A side message that is longer
    /// than [`FRAME_BYTES_MAX`](alphapulse_protocol::frame::FRAME_BYTES_MAX) is passed over and counted; [`Feed::try_message`] hands it out.
    ///
    /// # Errors
    /// Why the feed ended; everything else before the end was handed out.
    pub fn try_next(&mut self) -> Result<Option<FrameBuf>, FeedError> {
        match &mut self.0 {
            Origin::Embedded(embedded) => embedded.try_next(),
            Origin::Remote(connection) => connection.get_mut().try_next().map_err(FeedError::from),
        }
    }

    /// Messages that are at hand already and come next, unchecked: for a look at what they will need, while those before them are dealt with. There may be
    /// more, and one that is passed over is among them.
    pub fn ahead(&mut self) -> Ahead<'_> {
        Ahead::of(match &mut self.0 {
            Origin::Embedded(embedded) => embedded.unpacking.rest(),
            Origin::Remote(connection) => connection.get_mut().rest(),
        })
    }

    /// What came and was not handed out: too long, or not to be understood. Never anything of the stream.
    #[must_use]
    pub fn passed_over(&self) -> PassedOver {
        match &self.0 {
            Origin::Embedded(embedded) => embedded.passed_over,
            Origin::Remote(connection) => connection.borrow().passed_over(),
        }
    }

    /// Whether more is there already: what was read so far is not the newest. Never blocks.
    #[must_use]
    pub fn has_more(&self) -> bool {
        match &self.0 {
            Origin::Embedded(embedded) => embedded.has_more(),
            Origin::Remote(connection) => connection.borrow_mut().has_more(),
        }
    }

    /// Waits until a frame may be there, a [`FeedWaker`] woke it, or `at_most` is over, to a few milliseconds. May return
    /// early.
    pub fn wait(&mut self, at_most: Duration) {
        match &mut self.0 {
            Origin::Embedded(embedded) => embedded.wait(at_most),
            Origin::Remote(connection) => connection.get_mut().wait(at_most),
        }
    }

    /// A handle that makes [`Feed::wait`] return, for other inputs of the same thread.
    #[must_use]
    pub fn waker(&self) -> FeedWaker {
        match &self.0 {
            Origin::Embedded(embedded) => embedded.waiter.waker(),
            Origin::Remote(connection) => connection.borrow_mut().waker(),
        }
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
